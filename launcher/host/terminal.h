/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal that the guest's console uses: raw while the guest runs, as it was before otherwise.
 */
#ifndef LAUNCHER_HOST_TERMINAL_H
#define LAUNCHER_HOST_TERMINAL_H

#include <stdbool.h>

/*
 * True when fd may be read: no terminal at all, or a terminal whose foreground is ours. A terminal
 * is made raw. Crash signals (SIGSEGV and the like) restore it too; the other signals are for the
 * caller.
 */
bool terminal_enter(int fd);

/* Safe to call at any time, any number of times, and from a signal handler. */
void terminal_restore(void);

/* Raw again, after the process was stopped and continued. */
void terminal_resume(void);

#endif
