// SPDX-License-Identifier: GPL-2.0-only
/* vmm run: boots a guest and stays until it ends. */
#include <string.h>

#include "cmd/cmd.h"
#include "config/config.h"
#include "machine/machine.h"

static const char usage[] =
	"usage: vmm run --kernel FILE [OPTION]...\n\n"
	"Boots a Linux kernel in a virtual machine, its serial console on this\n"
	"terminal. Ctrl-a x stops it, Ctrl-a h shows the other keys.\n\noptions:\n";

static const char statuses[] = "\nexit status:\n"
			       "  0      the guest powered off, or Ctrl-a x\n"
			       "  1      something failed while it ran\n"
			       "  2      a flag or a file was wrong; nothing was started\n"
			       "  3      the guest asked for a reboot\n"
			       "  4      the guest's CPU shut down (triple fault)\n"
			       "  128+N  stopped by signal N\n";

static int print_help(void)
{
	fputs(usage, stdout);
	config_print_help(stdout);
	fputs(statuses, stdout);
	return 0;
}

static int report_end(const struct machine *machine, enum end_reason reason, struct error *err)
{
	switch (reason) {
	case END_POWER_OFF:
		return EXIT_POWEROFF;
	case END_REBOOT:
		return error_set(err, EXIT_REBOOT, "the guest asked for a reboot");
	case END_TRIPLE_FAULT:
		return error_set(err, EXIT_TRIPLE_FAULT,
				 "the guest's CPU shut down after a triple fault");
	case END_QUIT:
		return error_set(err, EXIT_POWEROFF, "stopped by Ctrl-a x");
	case END_SIGNAL:
		return error_set(err, EXIT_SIGNAL_BASE + machine->signal, "stopped by SIG%s",
				 sigabbrev_np(machine->signal));
	default:
		return -1; /* err says what failed */
	}
}

int cmd_run(int argc, char **argv, struct error *err)
{
	struct config config = { 0 };
	struct machine machine;
	int status;

	if (config_set_defaults(&config, err))
		return -1;
	status = config_parse_args(&config, argc, argv, err);
	if (status)
		return status > 0 ? print_help() : -1;
	if (machine_create(&machine, &config, err))
		return -1;
	status = report_end(&machine, machine_run(&machine, err), err);
	machine_print_failure(&machine, stderr);
	machine_destroy(&machine);
	return status;
}
