/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots: which guest-physical ranges are memory, and where in the owner's address space it is.
 * The array is immutable once published but for the hint; a change makes a new one. This file is the
 * rules and the lookup, and knows no lock: struct mmu publishes arrays (SRCU) and zaps what they drop.
 * Also built in userspace for the unit tests.
 */
#ifndef VMM_MEMSLOT_H
#define VMM_MEMSLOT_H

#include <linux/kvm.h>
#include <linux/types.h>

#define VMM_MAX_SLOTS 512 /* what KVM_CAP_NR_MEMSLOTS reports */
#define VMM_MAX_SLOT_PAGES ((1ull << 31) - 1)

struct memslot {
	u64 base_gfn;
	u64 npages;
	unsigned long hva;
	u32 flags; /* KVM_MEM_* */
	u32 id;
	/* One bit per page, little endian, with KVM_MEM_LOG_DIRTY_PAGES; shared by successive arrays. */
	unsigned long *dirty;
};

struct memslots {
	u64 generation; /* of the successive arrays of a VM no two have the same */
	unsigned int nr;
	unsigned int hint; /* index of the last hit; racy on purpose, never trusted */
	struct memslot slot[]; /* sorted by base_gfn, disjoint */
};

/* What a KVM_SET_USER_MEMORY_REGION comes to. */
enum memslot_change {
	MEMSLOT_NOP,
	MEMSLOT_CREATE,
	MEMSLOT_DELETE,
	MEMSLOT_MOVE,
	MEMSLOT_FLAGS,
};

static inline unsigned long memslot_hva(const struct memslot *slot, u64 gfn)
{
	return slot->hva + ((gfn - slot->base_gfn) << 12);
}

/* Bytes of the slot's dirty bitmap as KVM_GET_DIRTY_LOG copies it. */
static inline size_t memslot_dirty_bytes(const struct memslot *slot)
{
	return (slot->npages + 63) / 64 * 8;
}

struct memslots *memslots_alloc(unsigned int nr);
void memslots_free(struct memslots *slots);

/* The slot that holds gfn, or NULL. */
const struct memslot *memslot_find(struct memslots *slots, u64 gfn);
const struct memslot *memslot_by_id(const struct memslots *slots, u32 id);

/*
 * Judge a region by KVM's rules against the current slots. Returns enum memslot_change, or
 * -EINVAL/-EEXIST. `old` is the slot that it concerns (not for CREATE), `new` what it becomes (not for
 * DELETE). The caller has checked that the host range is user space.
 */
int memslot_plan(const struct memslots *slots, const struct kvm_userspace_memory_region *region,
		 struct memslot *old, struct memslot *new);

/* The array with `drop` taken out and `add` put in (either may be NULL), or NULL without memory. */
struct memslots *memslots_replace(const struct memslots *slots, const struct memslot *drop,
				  const struct memslot *add);

#endif
