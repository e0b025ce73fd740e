// SPDX-License-Identifier: GPL-2.0-only
#include "machine/end.h"

#include <sys/eventfd.h>

void end_wake(const struct end *end)
{
	/* Fails only when the counter is at its limit: then the loop is awake anyway. */
	eventfd_write(end->wake_fd, 1);
}

bool end_set(struct end *end, enum end_reason reason)
{
	int none = END_NONE;
	bool first = atomic_compare_exchange_strong(&end->reason, &none, reason);

	if (first)
		end_wake(end);
	return first;
}
