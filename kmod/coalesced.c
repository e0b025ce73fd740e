// SPDX-License-Identifier: GPL-2.0-only
/* See coalesced.h. */
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "coalesced.h"
#include "iobus.h"

struct coalesced_zone {
	struct list_head link; /* coalesced->zones */
	struct iobus_handler handler;
	struct coalesced *coalesced;
	struct kvm_coalesced_mmio_zone zone;
};

static bool zone_holds(const struct kvm_coalesced_mmio_zone *zone, u64 addr, u64 len)
{
	u64 offset = addr - zone->addr;

	return addr >= zone->addr && offset <= zone->size && len <= zone->size - offset;
}

/*
 * Userspace writes to the whole page: `last` is what it says it is only if it is a slot, and a slot is free only if the
 * reader is not next to it.
 */
static int coalesced_write(struct iobus_handler *handler, u64 addr, int len, const void *data)
{
	struct coalesced_zone *zone = container_of(handler, struct coalesced_zone, handler);
	struct coalesced *coalesced = zone->coalesced;
	struct kvm_coalesced_mmio_ring *ring = coalesced->ring;
	struct kvm_coalesced_mmio *slot;
	int ret = -EOPNOTSUPP;
	u32 last, next;

	if (!zone_holds(&zone->zone, addr, len))
		return -EOPNOTSUPP;
	spin_lock(&coalesced->ring_lock);
	last = READ_ONCE(ring->last);
	if (last >= KVM_COALESCED_MMIO_MAX)
		goto out;
	next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	if (next == READ_ONCE(ring->first))
		goto out;
	slot = &ring->coalesced_mmio[last];
	slot->phys_addr = addr;
	slot->len = len;
	slot->pio = zone->zone.pio;
	memcpy(slot->data, data, len);
	/* The reader looks at `last` first. */
	smp_store_release(&ring->last, next);
	ret = 0;
out:
	spin_unlock(&coalesced->ring_lock);
	return ret;
}

static const struct iobus_ops coalesced_ops = {
	.write = coalesced_write,
};

void coalesced_init(struct coalesced *coalesced)
{
	mutex_init(&coalesced->lock);
	INIT_LIST_HEAD(&coalesced->zones);
	spin_lock_init(&coalesced->ring_lock);
}

void coalesced_destroy(struct coalesced *coalesced)
{
	struct coalesced_zone *zone, *next;

	list_for_each_entry_safe(zone, next, &coalesced->zones, link)
		kfree(zone);
	free_page((unsigned long)coalesced->ring);
}

void *coalesced_page(struct coalesced *coalesced)
{
	void *ring = READ_ONCE(coalesced->ring), *page;

	if (ring)
		return ring;
	page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return NULL;
	ring = cmpxchg(&coalesced->ring, NULL, page);
	if (!ring)
		return page;
	free_page((unsigned long)page);
	return ring;
}

int coalesced_register(struct coalesced *coalesced, struct iobus *bus,
		       const struct kvm_coalesced_mmio_zone *request)
{
	struct coalesced_zone *zone;
	int ret;

	if (request->pio > 1)
		return -EINVAL;
	if (!coalesced_page(coalesced))
		return -ENOMEM;
	zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	zone->handler.ops = &coalesced_ops;
	zone->coalesced = coalesced;
	zone->zone = *request;
	mutex_lock(&coalesced->lock);
	ret = iobus_register(bus, request->addr, request->size, &zone->handler);
	if (ret)
		kfree(zone);
	else
		list_add(&zone->link, &coalesced->zones);
	mutex_unlock(&coalesced->lock);
	return ret;
}

int coalesced_unregister(struct coalesced *coalesced, struct iobus *bus,
			 const struct kvm_coalesced_mmio_zone *request)
{
	struct coalesced_zone *zone, *next;

	if (request->pio > 1)
		return -EINVAL;
	mutex_lock(&coalesced->lock);
	list_for_each_entry_safe(zone, next, &coalesced->zones, link) {
		if (zone->zone.pio != request->pio ||
		    !zone_holds(&zone->zone, request->addr, request->size))
			continue;
		iobus_unregister(bus, &zone->handler);
		list_del(&zone->link);
		kfree(zone);
	}
	mutex_unlock(&coalesced->lock);
	return 0;
}
