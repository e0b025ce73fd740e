// SPDX-License-Identifier: GPL-2.0-only
/* vmm: finds the subcommand, prints its failure, exits with its status. Nothing else exits. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "host/file.h"
#include "version.h"

static const struct cmd cmds[] = {
	{ "run", "boot a Linux kernel in a new virtual machine", cmd_run },
};

static const struct cmd *cmd_find(const char *name)
{
	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		if (!strcmp(cmds[i].name, name))
			return &cmds[i];
	}
	return NULL;
}

static int print_help(void)
{
	puts("usage: vmm COMMAND [OPTION]...\n\ncommands:");
	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		printf("  %-10s %s\n", cmds[i].name, cmds[i].summary);
	puts("\noptions:\n"
	     "  --help     print this text; \"vmm COMMAND --help\" explains a command\n"
	     "  --version  print the version");
	return 0;
}

static int vmm(int argc, char **argv, struct error *err)
{
	const struct cmd *cmd;

	if (file_fill_standard(err))
		return -1;
	if (argc < 2)
		return error_set(err, EXIT_USAGE, "no command given: try \"vmm --help\"");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print_help();
	if (!strcmp(argv[1], "--version")) {
		puts("vmm " VMM_VERSION);
		return 0;
	}
	cmd = cmd_find(argv[1]);
	if (!cmd)
		return error_set(err, EXIT_USAGE,
				 "unknown command \"%s\": \"vmm --help\" lists the commands",
				 argv[1]);
	return cmd->run(argc - 1, argv + 1, err);
}

int main(int argc, char **argv)
{
	struct error err = { 0 };
	int status = vmm(argc, argv, &err);

	if (fflush(stdout) && !err.text[0])
		status = error_set_errno(&err, EXIT_FAILED, "standard output");
	if (err.text[0])
		fprintf(stderr, "vmm: %s\n", err.text);
	return status < 0 ? err.status : status;
}
