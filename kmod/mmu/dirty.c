// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log. A page of a logged slot is mapped writable only by a fault that sets its bit, and reading the
 * log takes the write right back. So a write is in the log, or faults, or was done before the log was handed out.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmu/mmu.h"

/* Words of the bitmap done at once under the lock: 16384 pages. */
#define DIRTY_BATCH 256

/* Move bitmap words [first, first + nr) into log and write-protect the pages whose bits were set. */
static bool dirty_take(struct mmu *mmu, const struct memslot *slot, unsigned long *log,
		       size_t first, size_t nr)
{
	bool writable = false;
	unsigned long bit;
	size_t i;

	for (i = first; i < first + nr; i++) {
		if (!READ_ONCE(slot->dirty[i]))
			continue;
		log[i] = xchg(&slot->dirty[i], 0);
		for_each_set_bit(bit, &log[i], BITS_PER_LONG) {
			u64 gfn = slot->base_gfn + i * BITS_PER_LONG + bit;

			writable |= pgtable_wrprotect(&mmu->pgtable, gfn, gfn + 1);
		}
	}
	return writable;
}

static int dirty_get(struct mmu *mmu, const struct memslot *slot, void __user *to)
{
	size_t bytes = memslot_dirty_bytes(slot), words = bytes / sizeof(long), first;
	unsigned long *log = kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
	bool writable = false;
	int ret = 0;

	if (!log)
		return -ENOMEM;
	for (first = 0; first < words; first += DIRTY_BATCH) {
		spin_lock(&mmu->lock);
		writable |= dirty_take(mmu, slot, log, first,
				       min_t(size_t, DIRTY_BATCH, words - first));
		spin_unlock(&mmu->lock);
		cond_resched();
	}
	/* Until now a CPU may have written through its TLB: into pages that the log names. */
	if (writable) {
		spin_lock(&mmu->lock);
		mmu_flush(mmu);
		spin_unlock(&mmu->lock);
	}
	if (copy_to_user(to, log, bytes))
		ret = -EFAULT;
	kvfree(log);
	return ret;
}

int memslot_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *log)
{
	const struct memslots *slots;
	const struct memslot *slot;
	int ret = -ENOENT;

	if (log->slot >= VMM_MAX_SLOTS)
		return -EINVAL;

	/* Held throughout: the slot and its bitmap stay. */
	mutex_lock(&mmu->slots_lock);
	slots = rcu_dereference_protected(mmu->slots, lockdep_is_held(&mmu->slots_lock));
	slot = memslot_by_id(slots, log->slot);
	if (slot && slot->dirty)
		ret = dirty_get(mmu, slot, log->dirty_bitmap);
	mutex_unlock(&mmu->slots_lock);
	return ret;
}
