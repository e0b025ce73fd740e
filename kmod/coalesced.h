/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coalesced I/O: writes to registered ranges are noted in a ring that userspace reads when it comes round, instead of
 * one exit each (KVM_REGISTER_COALESCED_MMIO). One ring per VM, in the last page of each vCPU's mapping.
 */
#ifndef VMM_COALESCED_H
#define VMM_COALESCED_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

struct iobus;

struct coalesced {
	struct mutex lock; /* zones */
	struct list_head zones;
	spinlock_t ring_lock; /* writing to the ring */
	/* A page, shared with userspace; NULL until somebody wants it. */
	struct kvm_coalesced_mmio_ring *ring;
};

void coalesced_init(struct coalesced *coalesced);
/* The buses ask no more. */
void coalesced_destroy(struct coalesced *coalesced);

/* bus is the one that zone->pio names. Process context. */
int coalesced_register(struct coalesced *coalesced, struct iobus *bus,
		       const struct kvm_coalesced_mmio_zone *zone);
/* Every zone that holds the given one; none is no error. */
int coalesced_unregister(struct coalesced *coalesced, struct iobus *bus,
			 const struct kvm_coalesced_mmio_zone *zone);

/* The ring's page, for the vCPUs' mappings; NULL without memory. May sleep. */
void *coalesced_page(struct coalesced *coalesced);

#endif
