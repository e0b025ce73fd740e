/* SPDX-License-Identifier: GPL-2.0-only */
/* Why the machine stops: said once, by whichever thread is first, and heard by all. */
#ifndef LAUNCHER_MACHINE_END_H
#define LAUNCHER_MACHINE_END_H

#include <stdatomic.h>
#include <stdbool.h>

enum end_reason {
	END_NONE,
	END_POWER_OFF,
	END_REBOOT,
	END_TRIPLE_FAULT,
	END_QUIT, /* Ctrl-a x */
	END_SIGNAL,
	END_FAILED,
};

struct end {
	atomic_int reason;
	int wake_fd; /* eventfd of the event loop */
};

/* True for the caller whose reason counts. */
bool end_set(struct end *end, enum end_reason reason);
void end_wake(const struct end *end);

static inline enum end_reason end_reason(struct end *end)
{
	return atomic_load_explicit(&end->reason, memory_order_acquire);
}

#endif
