/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A failure, said once: whoever notices it writes one sentence and the exit status, everyone above
 * passes it up, and main prints it.
 */
#ifndef LAUNCHER_ERROR_H
#define LAUNCHER_ERROR_H

enum exit_status {
	EXIT_POWEROFF = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REBOOT = 3,
	EXIT_TRIPLE_FAULT = 4,
	EXIT_SIGNAL_BASE = 128,
};

struct error {
	int status;
	char text[512];
};

/* Always returns -1, so that a caller can return it. */
int error_set(struct error *err, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": " and the meaning of errno appended. */
int error_set_errno(struct error *err, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
