// SPDX-License-Identifier: GPL-2.0-only
/* The rules of memory slots and their lookup: see memslot.h. */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "memslot.h"
#include "mmu/pgtable.h"

struct memslots *memslots_alloc(unsigned int nr)
{
	struct memslots *slots;

	slots = kvzalloc(struct_size(slots, slot, nr), GFP_KERNEL_ACCOUNT);
	if (slots)
		slots->nr = nr;
	return slots;
}

void memslots_free(struct memslots *slots)
{
	kvfree(slots);
}

static bool memslot_holds(const struct memslot *slot, u64 gfn)
{
	return gfn - slot->base_gfn < slot->npages;
}

const struct memslot *memslot_find(struct memslots *slots, u64 gfn)
{
	unsigned int low = 0, high = slots->nr, hint = READ_ONCE(slots->hint);

	if (hint < high && memslot_holds(&slots->slot[hint], gfn))
		return &slots->slot[hint];

	/* The last slot that begins at or below gfn is the only one that can hold it. */
	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (slots->slot[mid].base_gfn <= gfn)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || !memslot_holds(&slots->slot[low - 1], gfn))
		return NULL;
	WRITE_ONCE(slots->hint, low - 1);
	return &slots->slot[low - 1];
}

const struct memslot *memslot_by_id(const struct memslots *slots, u32 id)
{
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	}
	return NULL;
}

static bool memslot_region_valid(const struct kvm_userspace_memory_region *region)
{
	u64 size = region->memory_size;

	if (region->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return false;
	/* The upper half of the number is KVM's address space: there is one. */
	if (region->slot >= VMM_MAX_SLOTS)
		return false;
	if ((size | region->guest_phys_addr | region->userspace_addr) & ~PAGE_MASK)
		return false;
	if (region->userspace_addr + size < region->userspace_addr)
		return false;
	return size >> 12 <= VMM_MAX_SLOT_PAGES &&
	       region->guest_phys_addr >> 12 <= PGTABLE_MAX_GFN &&
	       (region->guest_phys_addr + size) >> 12 <= PGTABLE_MAX_GFN;
}

static u64 memslot_end(const struct memslot *slot)
{
	return slot->base_gfn + slot->npages;
}

/* Does any other slot have a page in common with this one? */
static bool memslot_overlaps(const struct memslots *slots, const struct memslot *wanted)
{
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		const struct memslot *slot = &slots->slot[i];

		if (slot->id != wanted->id && slot->base_gfn < memslot_end(wanted) &&
		    wanted->base_gfn < memslot_end(slot))
			return true;
	}
	return false;
}

int memslot_plan(const struct memslots *slots, const struct kvm_userspace_memory_region *region,
		 struct memslot *old, struct memslot *new)
{
	const struct memslot *slot;

	if (!memslot_region_valid(region))
		return -EINVAL;

	slot = memslot_by_id(slots, region->slot);
	if (slot)
		*old = *slot;
	*new = (struct memslot){
		.base_gfn = region->guest_phys_addr >> 12,
		.npages = region->memory_size >> 12,
		.hva = region->userspace_addr,
		.flags = region->flags,
		.id = region->slot,
	};

	if (!new->npages)
		return slot ? MEMSLOT_DELETE : -EINVAL;
	if (!slot)
		return memslot_overlaps(slots, new) ? -EEXIST : MEMSLOT_CREATE;
	if (new->npages != old->npages || new->hva != old->hva ||
	    ((new->flags ^ old->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	new->dirty = old->dirty;
	if (new->base_gfn != old->base_gfn)
		return memslot_overlaps(slots, new) ? -EEXIST : MEMSLOT_MOVE;
	return new->flags != old->flags ? MEMSLOT_FLAGS : MEMSLOT_NOP;
}

struct memslots *memslots_replace(const struct memslots *slots, const struct memslot *drop,
				  const struct memslot *add)
{
	struct memslots *next = memslots_alloc(slots->nr - !!drop + !!add);
	unsigned int from, to = 0;

	if (!next)
		return NULL;
	for (from = 0; from < slots->nr; from++) {
		const struct memslot *slot = &slots->slot[from];

		if (drop && slot->id == drop->id)
			continue;
		if (add && add->base_gfn < slot->base_gfn) {
			next->slot[to++] = *add;
			add = NULL;
		}
		next->slot[to++] = *slot;
	}
	if (add)
		next->slot[to] = *add;
	next->generation = slots->generation + 1;
	return next;
}
