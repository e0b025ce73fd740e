// SPDX-License-Identifier: GPL-2.0-only
/* PIO and MMIO ranges claimed in the kernel: see iobus.h. */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "iobus.h"

struct iobus_range {
	u64 start;
	u64 last;
	bool any_length; /* registered with length 0 */
	bool alone; /* no other one overlaps it */
	/* The highest last address of this range and those before it: where a search backwards may stop. */
	u64 max_last;
	struct iobus_handler *handler; /* NULL: unregistered, and dropped with the next array */
};

/* Sorted by start; of equal starts the newest is last. Replaced as a whole but for handlers that leave. */
struct iobus_ranges {
	unsigned int nr;
	unsigned int hint; /* index of the last candidate; racy on purpose, never trusted */
	struct iobus_range range[];
};

static struct iobus_ranges *iobus_alloc(unsigned int nr)
{
	struct iobus_ranges *ranges;

	ranges = kvzalloc(struct_size(ranges, range, nr), GFP_KERNEL_ACCOUNT);
	if (ranges)
		ranges->nr = nr;
	return ranges;
}

int iobus_init(struct iobus *bus, struct srcu_struct *srcu)
{
	struct iobus_ranges *ranges = iobus_alloc(0);

	if (!ranges)
		return -ENOMEM;
	mutex_init(&bus->lock);
	bus->srcu = srcu;
	rcu_assign_pointer(bus->ranges, ranges);
	return 0;
}

void iobus_destroy(struct iobus *bus)
{
	kvfree(rcu_dereference_protected(bus->ranges, true));
	mutex_destroy(&bus->lock);
}

static struct iobus_ranges *iobus_locked_ranges(struct iobus *bus)
{
	return rcu_dereference_protected(bus->ranges, lockdep_is_held(&bus->lock));
}

/* The array without the dead ranges and with the new one in its place. */
static struct iobus_ranges *iobus_insert(const struct iobus_ranges *old,
					 const struct iobus_range *new)
{
	struct iobus_ranges *ranges = iobus_alloc(old->nr + 1);
	unsigned int from, to = 0;
	bool placed = false;

	if (!ranges)
		return NULL;
	for (from = 0; from < old->nr; from++) {
		if (!old->range[from].handler)
			continue;
		if (!placed && new->start < old->range[from].start) {
			ranges->range[to++] = *new;
			placed = true;
		}
		ranges->range[to++] = old->range[from];
	}
	if (!placed)
		ranges->range[to++] = *new;
	ranges->nr = to;

	for (to = 0; to < ranges->nr; to++) {
		struct iobus_range *range = &ranges->range[to];

		range->max_last = to ? max(range[-1].max_last, range->last) : range->last;
		range->alone = (!to || range[-1].max_last < range->start) &&
			       (to + 1 == ranges->nr || range[1].start > range->last);
	}
	return ranges;
}

int iobus_register(struct iobus *bus, u64 addr, u64 len, struct iobus_handler *handler)
{
	struct iobus_range new = {
		.start = addr,
		.last = len ? addr + len - 1 : addr,
		.any_length = !len,
		.handler = handler,
	};
	struct iobus_ranges *old, *ranges;
	int ret = 0;

	if (new.last < addr)
		return -EINVAL;

	mutex_lock(&bus->lock);
	old = iobus_locked_ranges(bus);
	ranges = iobus_insert(old, &new);
	if (!ranges) {
		ret = -ENOMEM;
	} else if (ranges->nr > IOBUS_MAX_RANGES) {
		ret = -ENOSPC;
		kvfree(ranges);
	} else {
		rcu_assign_pointer(bus->ranges, ranges);
		smp_store_release(&bus->additions, bus->additions + 1);
		synchronize_srcu_expedited(bus->srcu);
		kvfree(old);
	}
	mutex_unlock(&bus->lock);
	return ret;
}

void iobus_unregister(struct iobus *bus, struct iobus_handler *handler)
{
	struct iobus_ranges *ranges;
	unsigned int i;

	mutex_lock(&bus->lock);
	ranges = iobus_locked_ranges(bus);
	/* In place, so that it cannot fail for lack of memory. */
	for (i = 0; i < ranges->nr; i++) {
		if (ranges->range[i].handler == handler)
			WRITE_ONCE(ranges->range[i].handler, NULL);
	}
	synchronize_srcu_expedited(bus->srcu);
	mutex_unlock(&bus->lock);
}

/* How many ranges begin at or below addr: those that may hold it. */
static unsigned int iobus_candidates(struct iobus_ranges *ranges, u64 addr)
{
	unsigned int low = 0, high = ranges->nr;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (ranges->range[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low)
		WRITE_ONCE(ranges->hint, low - 1);
	return low;
}

static bool iobus_holds(const struct iobus_range *range, u64 addr, int len)
{
	if (range->any_length)
		return addr == range->start;
	return addr >= range->start && addr <= range->last && range->last - addr >= len - 1;
}

int iobus_read(struct iobus *bus, u64 addr, int len, void *data)
{
	int idx = srcu_read_lock(bus->srcu), ret = -EOPNOTSUPP;
	struct iobus_ranges *ranges = srcu_dereference(bus->ranges, bus->srcu);
	unsigned int i = iobus_candidates(ranges, addr);

	while (ret == -EOPNOTSUPP && i-- && ranges->range[i].max_last >= addr) {
		struct iobus_handler *handler = READ_ONCE(ranges->range[i].handler);

		if (handler && handler->ops->read && iobus_holds(&ranges->range[i], addr, len))
			ret = handler->ops->read(handler, addr, len, data);
	}
	srcu_read_unlock(bus->srcu, idx);
	return ret;
}

/* Out of line: what is mostly not needed costs the caller registers. */
static noinline int iobus_write_search(struct iobus_ranges *ranges, u64 addr, int len,
				       const void *data)
{
	unsigned int i = iobus_candidates(ranges, addr);
	int ret = -EOPNOTSUPP;

	while (ret == -EOPNOTSUPP && i-- && ranges->range[i].max_last >= addr) {
		struct iobus_handler *handler = READ_ONCE(ranges->range[i].handler);

		if (handler && handler->ops->write && iobus_holds(&ranges->range[i], addr, len))
			ret = handler->ops->write(handler, addr, len, data);
	}
	return ret;
}

int iobus_write_held(struct iobus *bus, u64 addr, int len, const void *data)
{
	struct iobus_ranges *ranges = srcu_dereference(bus->ranges, bus->srcu);
	unsigned int hint = READ_ONCE(ranges->hint);
	const struct iobus_range *range = &ranges->range[hint];
	struct iobus_handler *handler;

	/* The one that was found last, if nobody else can be asked. */
	if (hint < ranges->nr && range->alone && iobus_holds(range, addr, len)) {
		handler = READ_ONCE(range->handler);
		if (handler && handler->ops->write)
			return handler->ops->write(handler, addr, len, data);
	}
	return iobus_write_search(ranges, addr, len, data);
}

int iobus_write(struct iobus *bus, u64 addr, int len, const void *data)
{
	int idx = srcu_read_lock(bus->srcu);
	int ret = iobus_write_held(bus, addr, len, data);

	srcu_read_unlock(bus->srcu, idx);
	return ret;
}

bool iobus_claimed(struct iobus *bus, u64 addr, int len)
{
	int idx = srcu_read_lock(bus->srcu);
	struct iobus_ranges *ranges = srcu_dereference(bus->ranges, bus->srcu);
	unsigned int i = iobus_candidates(ranges, addr);
	bool claimed = false;

	while (!claimed && i-- && ranges->range[i].max_last >= addr)
		claimed = READ_ONCE(ranges->range[i].handler) &&
			  iobus_holds(&ranges->range[i], addr, len);

	srcu_read_unlock(bus->srcu, idx);
	return claimed;
}
