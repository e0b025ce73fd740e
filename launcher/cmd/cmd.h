/* SPDX-License-Identifier: GPL-2.0-only */
/* The subcommands of `vmm`: one file each, listed in main.c. */
#ifndef LAUNCHER_CMD_H
#define LAUNCHER_CMD_H

#include "error.h"

struct cmd {
	const char *name;
	const char *summary;
	/*
	 * argv[0] is the subcommand's name. Returns the exit status; err->text is empty or a
	 * sentence to print.
	 */
	int (*run)(int argc, char **argv, struct error *err);
};

int cmd_run(int argc, char **argv, struct error *err);

#endif
