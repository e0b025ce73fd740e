// SPDX-License-Identifier: GPL-2.0-only
/* Lifetime of a VM's memory: its tables, and the changes of its slots. See mmu.h for the locks. */
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "mmu/mmu.h"

struct memslots *mmu_slots(struct mmu *mmu)
{
	return rcu_dereference_protected(mmu->slots, lockdep_is_held(&mmu->lock));
}

void mmu_flush(struct mmu *mmu)
{
	lockdep_assert_held(&mmu->lock);
	mmu->stats.flushes++;
	mmu->ops->flush(mmu->ctx);
}

u64 *mmu_alloc_table(struct mmu *mmu)
{
	u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

	if (table) {
		mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, 1);
		atomic_long_inc(&mmu->stats.tables);
	}
	return table;
}

void mmu_free_table(u64 *table, void *ctx)
{
	struct mmu *mmu = ctx;

	mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, -1);
	free_page((unsigned long)table);
	atomic_long_dec(&mmu->stats.tables);
}

void mmu_free_detached(struct mmu *mmu, struct list_head *detached)
{
	pgtable_free(&mmu->pgtable.fmt, detached, mmu_free_table, mmu);
}

u64 mmu_root_hpa(const struct mmu *mmu)
{
	return virt_to_phys(mmu->pgtable.root) | mmu->pgtable.fmt.encrypt;
}

void mmu_zap_all(struct mmu *mmu)
{
	LIST_HEAD(detached);

	spin_lock(&mmu->lock);
	if (pgtable_zap(&mmu->pgtable, 0, PGTABLE_MAX_GFN, &detached))
		mmu_flush(mmu);
	spin_unlock(&mmu->lock);
	mmu_free_detached(mmu, &detached);
}

/* Frames counted under one lock: 1 GiB. */
#define COUNT_STEP (1ull << 18)

void mmu_count_leaves(struct mmu *mmu, u64 leaves[PGTABLE_LEVELS])
{
	u64 gfn = 0, frames;

	memset(leaves, 0, PGTABLE_LEVELS * sizeof(*leaves));
	for (; gfn < PGTABLE_MAX_GFN; gfn += frames) {
		enum pgtable_level level;

		spin_lock(&mmu->lock);
		level = pgtable_depth(&mmu->pgtable, gfn);
		frames = max(COUNT_STEP, pgtable_frames(level));
		pgtable_count(&mmu->pgtable, gfn, gfn + frames, leaves);
		spin_unlock(&mmu->lock);
		cond_resched();
	}
}

int mmu_init(struct mmu *mmu, struct mm_struct *mm, const struct pgtable_format *fmt,
	     const struct mmu_ops *ops, void *ctx)
{
	struct memslots *slots;
	int ret = -ENOMEM;

	mmu->mm = mm;
	mmu->ops = ops;
	mmu->ctx = ctx;
	spin_lock_init(&mmu->lock);
	mutex_init(&mmu->slots_lock);
	mmu->inv_seq = 0;
	mmu->inv_count = 0;
	mmu->dirty_log_mode = 0;
	memset(&mmu->stats, 0, sizeof(mmu->stats));
	mmu->pgtable.fmt = *fmt;
	mmu->pgtable.fmt.encrypt = sme_me_mask;
	mmu->notifier.ops = &mmu_notifier_ops;

	mmu->pgtable.root = mmu_alloc_table(mmu);
	if (!mmu->pgtable.root)
		return ret;
	slots = memslots_alloc(0);
	if (!slots)
		goto free_root;
	RCU_INIT_POINTER(mmu->slots, slots);
	ret = init_srcu_struct(&mmu->srcu);
	if (ret)
		goto free_slots;
	ret = mmu_notifier_register(&mmu->notifier, mm);
	if (ret)
		goto free_srcu;
	return 0;

free_srcu:
	cleanup_srcu_struct(&mmu->srcu);
free_slots:
	memslots_free(slots);
free_root:
	mmu_free_table(mmu->pgtable.root, mmu);
	return ret;
}

void mmu_destroy(struct mmu *mmu)
{
	struct memslots *slots;
	LIST_HEAD(detached);
	unsigned int i;

	/* Nobody runs on the tables: no flush. What ->release finds after this is empty. */
	spin_lock(&mmu->lock);
	pgtable_zap(&mmu->pgtable, 0, PGTABLE_MAX_GFN, &detached);
	spin_unlock(&mmu->lock);
	mmu_free_detached(mmu, &detached);

	mmu_notifier_unregister(&mmu->notifier, mmu->mm);
	cleanup_srcu_struct(&mmu->srcu);
	slots = rcu_dereference_protected(mmu->slots, true);
	for (i = 0; i < slots->nr; i++)
		kvfree(slots->slot[i].dirty);
	memslots_free(slots);
	mmu_free_table(mmu->pgtable.root, mmu);
	mutex_destroy(&mmu->slots_lock);
}

/*
 * Make `next` the slots and drop the mappings of `old` (if any), in one step under the lock: a fault that found `old`
 * sees other slots published and maps nothing, and a host invalidation meets either the old slot or
 * no mapping of it.
 */
static void memslot_publish(struct mmu *mmu, struct memslots *next, const struct memslot *old)
{
	LIST_HEAD(detached);

	spin_lock(&mmu->lock);
	rcu_assign_pointer(mmu->slots, next);
	if (old &&
	    pgtable_zap(&mmu->pgtable, old->base_gfn, old->base_gfn + old->npages, &detached))
		mmu_flush(mmu);
	spin_unlock(&mmu->lock);
	mmu_free_detached(mmu, &detached);
	/* Whoever still reads or writes guest memory through the old slots has done so when this returns. */
	synchronize_srcu_expedited(&mmu->srcu);
}

/* Give the slot the dirty bitmap that its flags ask for; plan has handed on the one that it has. */
static int memslot_prepare_dirty(struct mmu *mmu, struct memslot *slot)
{
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		slot->dirty = NULL;
	else if (!slot->dirty)
		return mmu_dirty_log_alloc(mmu, slot);
	return 0;
}

static int memslot_change(struct mmu *mmu, struct memslots *slots, const struct memslot *old,
			  struct memslot *new)
{
	/* The same frames at the same place: what is mapped stays, but for the log. */
	bool stays = old && new && old->base_gfn == new->base_gfn;
	struct memslots *next;
	int ret;

	if (new) {
		ret = memslot_prepare_dirty(mmu, new);
		if (ret)
			return ret;
	}
	next = memslots_replace(slots, old, new);
	if (!next) {
		if (new && (!old || new->dirty != old->dirty))
			kvfree(new->dirty);
		return -ENOMEM;
	}
	memslot_publish(mmu, next, stays ? NULL : old);
	if (stays && new->dirty && !old->dirty)
		mmu_dirty_log_start(mmu, new);
	if (stays && old->dirty && !new->dirty)
		mmu_dirty_log_stop(mmu, new);
	if (old && (!new || new->dirty != old->dirty))
		kvfree(old->dirty);
	memslots_free(slots);
	return 0;
}

int memslot_set(struct mmu *mmu, const struct kvm_userspace_memory_region *region)
{
	struct memslot old, new;
	struct memslots *slots;
	int ret;

	if (!access_ok((void __user *)(unsigned long)region->userspace_addr, region->memory_size))
		return -EINVAL;

	mutex_lock(&mmu->slots_lock);
	slots = rcu_dereference_protected(mmu->slots, lockdep_is_held(&mmu->slots_lock));
	ret = memslot_plan(slots, region, &old, &new);
	switch (ret) {
	case MEMSLOT_CREATE:
		ret = memslot_change(mmu, slots, NULL, &new);
		break;
	case MEMSLOT_DELETE:
		ret = memslot_change(mmu, slots, &old, NULL);
		break;
	case MEMSLOT_MOVE:
	case MEMSLOT_FLAGS:
		ret = memslot_change(mmu, slots, &old, &new);
		break;
	}
	mutex_unlock(&mmu->slots_lock);
	return ret;
}
