// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host changes the owner's mappings: drop ours before it does, and let no fault map what it is about to
 * change. Every callback may run inside the host's page-table locks or be forbidden to sleep: none does.
 */
#include <linux/mm.h>

#include "mmu/mmu.h"

/* The frames of the slot behind the host range [start, end). */
static bool memslot_intersect(const struct memslot *slot, unsigned long start, unsigned long end,
			      u64 *gfn_start, u64 *gfn_end)
{
	unsigned long slot_end = slot->hva + (slot->npages << PAGE_SHIFT);

	start = max(start, slot->hva);
	end = min(end, slot_end);
	if (start >= end)
		return false;
	*gfn_start = slot->base_gfn + ((start - slot->hva) >> PAGE_SHIFT);
	*gfn_end = slot->base_gfn + ((end - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return true;
}

typedef bool (*mmu_range_fn)(struct pgtable *pt, u64 start, u64 end, struct list_head *detached);

/* Do fn to all that is mapped of the host range. True when one of the calls was. */
static bool mmu_for_host_range(struct mmu *mmu, unsigned long start, unsigned long end,
			       mmu_range_fn fn, struct list_head *detached)
{
	const struct memslots *slots = mmu_slots(mmu);
	u64 gfn_start, gfn_end;
	bool ret = false;
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		if (memslot_intersect(&slots->slot[i], start, end, &gfn_start, &gfn_end))
			ret |= fn(&mmu->pgtable, gfn_start, gfn_end, detached);
	}
	return ret;
}

static struct mmu *mmu_of(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct mmu, notifier);
}

static int mmu_invalidate_range_start(struct mmu_notifier *notifier,
				      const struct mmu_notifier_range *range)
{
	struct mmu *mmu = mmu_of(notifier);
	LIST_HEAD(detached);

	spin_lock(&mmu->lock);
	/* Several may be under way: keep the hull of them all until the last one ends. */
	if (!mmu->inv_count++) {
		mmu->inv_start = range->start;
		mmu->inv_end = range->end;
	} else {
		mmu->inv_start = min(mmu->inv_start, range->start);
		mmu->inv_end = max(mmu->inv_end, range->end);
	}
	if (mmu_for_host_range(mmu, range->start, range->end, pgtable_zap, &detached)) {
		mmu->stats.invalidations++;
		mmu_flush(mmu);
	}
	spin_unlock(&mmu->lock);
	mmu_free_detached(mmu, &detached);
	return 0;
}

static void mmu_invalidate_range_end(struct mmu_notifier *notifier,
				     const struct mmu_notifier_range *range)
{
	struct mmu *mmu = mmu_of(notifier);

	spin_lock(&mmu->lock);
	/* A fault that samples the new value also sees what the host has put into its page tables. */
	smp_store_release(&mmu->inv_seq, mmu->inv_seq + 1);
	mmu->inv_count--;
	spin_unlock(&mmu->lock);
}

static bool mmu_age(struct pgtable *pt, u64 start, u64 end, struct list_head *detached)
{
	if (!pt->fmt.accessed)
		return pgtable_zap(pt, start, end, detached);
	return pgtable_clear_young(pt, start, end);
}

static bool mmu_test(struct pgtable *pt, u64 start, u64 end, struct list_head *detached)
{
	return pgtable_test_young(pt, start, end);
}

static int mmu_clear(struct mmu *mmu, unsigned long start, unsigned long end, bool flush)
{
	LIST_HEAD(detached);
	bool young;

	spin_lock(&mmu->lock);
	young = mmu_for_host_range(mmu, start, end, mmu_age, &detached);
	/* What was zapped must go from the TLBs at once: nothing that is left would ask for it later. */
	if (young && (flush || !mmu->pgtable.fmt.accessed))
		mmu_flush(mmu);
	spin_unlock(&mmu->lock);
	mmu_free_detached(mmu, &detached);
	return young;
}

static int mmu_clear_flush_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	return mmu_clear(mmu_of(notifier), start, end, true);
}

static int mmu_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long start,
			   unsigned long end)
{
	return mmu_clear(mmu_of(notifier), start, end, false);
}

static int mmu_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
			  unsigned long address)
{
	struct mmu *mmu = mmu_of(notifier);
	bool young;

	spin_lock(&mmu->lock);
	young = mmu_for_host_range(mmu, address, address + PAGE_SIZE, mmu_test, NULL);
	spin_unlock(&mmu->lock);
	return young;
}

/* The owner exits: its threads, and with them our vCPUs, are gone or never enter a guest again. */
static void mmu_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	mmu_zap_all(mmu_of(notifier));
}

const struct mmu_notifier_ops mmu_notifier_ops = {
	.release = mmu_release,
	.invalidate_range_start = mmu_invalidate_range_start,
	.invalidate_range_end = mmu_invalidate_range_end,
	.clear_flush_young = mmu_clear_flush_young,
	.clear_young = mmu_clear_young,
	.test_young = mmu_test_young,
};
