// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log. A page of a logged slot is mapped writable only by a fault that sets its bit, and whoever clears
 * the bit takes the write right back. So a write is in the log, or faults, or was done before the log was handed out.
 * Large leaves stay, read-only: the first write to one splits it.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmu/mmu.h"

/* Words of the bitmap done at once under the lock: 16384 pages. */
#define DIRTY_BATCH 256
/* Frames looked at under one lock, where each may need no more than a look: 1 GiB. */
#define DIRTY_STEP (1ull << 18)

/* Part of a bitmap on its way from or to userspace. */
struct dirty_batch {
	struct mmu *mmu;
	const struct memslot *slot;
	bool writable; /* a leaf that could be written was found */
	size_t first, nr; /* words of the slot's bitmap */
	unsigned long word[DIRTY_BATCH];
};

static struct dirty_batch *dirty_batch_alloc(struct mmu *mmu, const struct memslot *slot)
{
	struct dirty_batch *batch = kmalloc(sizeof(*batch), GFP_KERNEL_ACCOUNT);

	if (batch) {
		batch->mmu = mmu;
		batch->slot = slot;
		batch->writable = false;
	}
	return batch;
}

/* Until now a CPU may have written through its TLB: into pages that the log names, or that were to be cleared. */
static void dirty_batch_free(struct dirty_batch *batch)
{
	struct mmu *mmu = batch->mmu;

	if (batch->writable) {
		spin_lock(&mmu->lock);
		mmu_flush(mmu);
		spin_unlock(&mmu->lock);
	}
	kfree(batch);
}

/* Of the words of the batch, keep and clear the bits that are set in the slot's, and write-protect their pages. */
static void dirty_clear(struct dirty_batch *batch)
{
	const struct memslot *slot = batch->slot;
	u64 gfn = slot->base_gfn + batch->first * BITS_PER_LONG;
	unsigned long start, end;
	size_t i;

	if (bitmap_empty(batch->word, batch->nr * BITS_PER_LONG))
		return;
	spin_lock(&batch->mmu->lock);
	for (i = 0; i < batch->nr; i++) {
		if (batch->word[i])
			batch->word[i] &= atomic_long_fetch_andnot(
				batch->word[i], (atomic_long_t *)slot->dirty + batch->first + i);
	}
	for_each_set_bitrange(start, end, batch->word, batch->nr * BITS_PER_LONG)
		batch->writable |= pgtable_wrprotect(&batch->mmu->pgtable, gfn + start, gfn + end);
	spin_unlock(&batch->mmu->lock);
}

static int dirty_get(struct dirty_batch *batch, void __user *to)
{
	size_t words = memslot_dirty_bytes(batch->slot) / sizeof(long), i;

	for (batch->first = 0; batch->first < words; batch->first += batch->nr) {
		batch->nr = min_t(size_t, DIRTY_BATCH, words - batch->first);
		for (i = 0; i < batch->nr; i++)
			batch->word[i] = READ_ONCE(batch->slot->dirty[batch->first + i]);
		if (!(batch->mmu->dirty_log_mode & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE))
			dirty_clear(batch);
		if (copy_to_user(to + batch->first * sizeof(long), batch->word,
				 batch->nr * sizeof(long)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

static int dirty_clear_named(struct dirty_batch *batch, const struct kvm_clear_dirty_log *log)
{
	size_t words = DIV_ROUND_UP((size_t)log->num_pages, BITS_PER_LONG), done;

	for (done = 0; done < words; done += batch->nr) {
		batch->first = log->first_page / BITS_PER_LONG + done;
		batch->nr = min_t(size_t, DIRTY_BATCH, words - done);
		if (copy_from_user(batch->word, log->dirty_bitmap + done * sizeof(long),
				   batch->nr * sizeof(long)))
			return -EFAULT;
		dirty_clear(batch);
		cond_resched();
	}
	return 0;
}

/* The slot with that number, if it is logged. It and its bitmap stay while slots_lock is held. */
static int dirty_slot(struct mmu *mmu, u32 id, const struct memslot **slot)
{
	const struct memslots *slots =
		rcu_dereference_protected(mmu->slots, lockdep_is_held(&mmu->slots_lock));

	if (id >= VMM_MAX_SLOTS)
		return -EINVAL;
	*slot = memslot_by_id(slots, id);
	return *slot && (*slot)->dirty ? 0 : -ENOENT;
}

int memslot_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *log)
{
	const struct memslot *slot;
	struct dirty_batch *batch;
	int ret;

	mutex_lock(&mmu->slots_lock);
	ret = dirty_slot(mmu, log->slot, &slot);
	if (ret)
		goto out;
	ret = -ENOMEM;
	batch = dirty_batch_alloc(mmu, slot);
	if (!batch)
		goto out;
	ret = dirty_get(batch, log->dirty_bitmap);
	dirty_batch_free(batch);
out:
	mutex_unlock(&mmu->slots_lock);
	return ret;
}

/* Whole words of the bitmap, but where the slot ends. */
static bool dirty_range_valid(const struct memslot *slot, const struct kvm_clear_dirty_log *log)
{
	u64 left;

	if (log->first_page > slot->npages)
		return false;
	left = slot->npages - log->first_page;
	return log->num_pages == left ||
	       (log->num_pages < left && !(log->num_pages % BITS_PER_LONG));
}

int memslot_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *log)
{
	const struct memslot *slot;
	struct dirty_batch *batch;
	int ret;

	if (log->first_page % BITS_PER_LONG)
		return -EINVAL;
	mutex_lock(&mmu->slots_lock);
	ret = dirty_slot(mmu, log->slot, &slot);
	if (ret)
		goto out;
	ret = -EINVAL;
	if (!dirty_range_valid(slot, log))
		goto out;
	ret = -ENOMEM;
	batch = dirty_batch_alloc(mmu, slot);
	if (!batch)
		goto out;
	ret = dirty_clear_named(batch, log);
	dirty_batch_free(batch);
out:
	mutex_unlock(&mmu->slots_lock);
	return ret;
}

int mmu_set_dirty_log_mode(struct mmu *mmu, u64 mode)
{
	u64 allowed = mode & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE ? MMU_DIRTY_LOG_MODES : 0;

	if (mode & ~allowed)
		return -EINVAL;
	mutex_lock(&mmu->slots_lock);
	mmu->dirty_log_mode = mode;
	mutex_unlock(&mmu->slots_lock);
	return 0;
}

int mmu_dirty_log_alloc(struct mmu *mmu, struct memslot *slot)
{
	lockdep_assert_held(&mmu->slots_lock);
	slot->dirty = kvzalloc(memslot_dirty_bytes(slot), GFP_KERNEL_ACCOUNT);
	if (!slot->dirty)
		return -ENOMEM;
	if (mmu->dirty_log_mode & KVM_DIRTY_LOG_INITIALLY_SET)
		bitmap_set(slot->dirty, 0, slot->npages);
	return 0;
}

void mmu_dirty_log_start(struct mmu *mmu, const struct memslot *slot)
{
	u64 gfn = slot->base_gfn, end = gfn + slot->npages, next;
	bool writable = false;

	lockdep_assert_held(&mmu->slots_lock);
	/* What is in the log already needs no protection: that comes when userspace clears it. */
	if (mmu->dirty_log_mode & KVM_DIRTY_LOG_INITIALLY_SET)
		return;
	for (; gfn < end; gfn = next) {
		next = min(end, gfn + DIRTY_STEP);
		spin_lock(&mmu->lock);
		writable |= pgtable_wrprotect(&mmu->pgtable, gfn, next);
		if (writable && next == end)
			mmu_flush(mmu);
		spin_unlock(&mmu->lock);
		cond_resched();
	}
}

/* How large the host's page is, of which the leaf maps a part. The leaf being there, so is the page. */
static enum pgtable_level dirty_host_level(const struct mmu *mmu, u64 leaf)
{
	unsigned int order =
		folio_order(page_folio(pfn_to_page(pgtable_pfn(&mmu->pgtable.fmt, leaf))));
	enum pgtable_level level;

	for (level = mmu->pgtable.fmt.max_level; level > PGTABLE_4K; level--)
		if (1ull << order >= pgtable_frames(level))
			break;
	return level;
}

/*
 * Zap what of [gfn, end) is mapped by smaller leaves than host and slot allow: touched again it comes back as a large
 * one. A host page that is large fills its whole block, so one leaf of a block tells.
 */
static bool dirty_zap_split(struct mmu *mmu, const struct memslot *slot, u64 gfn, u64 end,
			    struct list_head *detached)
{
	enum pgtable_level level, host;
	bool zapped = false;
	u64 leaf, frames;

	for (; gfn < end; gfn = (gfn | (frames - 1)) + 1) {
		leaf = pgtable_lookup(&mmu->pgtable, gfn, &level);
		frames = pgtable_frames(level);
		if (!leaf)
			continue;
		host = pgtable_fit(gfn, slot->base_gfn, slot->npages, slot->hva,
				   dirty_host_level(mmu, leaf));
		frames = pgtable_frames(max(host, PGTABLE_2M));
		if (host > level)
			zapped |= pgtable_zap(&mmu->pgtable, gfn & ~(frames - 1),
					      (gfn | (frames - 1)) + 1, detached);
	}
	return zapped;
}

void mmu_dirty_log_stop(struct mmu *mmu, const struct memslot *slot)
{
	u64 gfn = slot->base_gfn, end = gfn + slot->npages, next;

	lockdep_assert_held(&mmu->slots_lock);
	for (; gfn < end; gfn = next) {
		LIST_HEAD(detached);

		next = min(end, gfn + DIRTY_STEP);
		spin_lock(&mmu->lock);
		if (dirty_zap_split(mmu, slot, gfn, next, &detached))
			mmu_flush(mmu);
		spin_unlock(&mmu->lock);
		mmu_free_detached(mmu, &detached);
		cond_resched();
	}
}
