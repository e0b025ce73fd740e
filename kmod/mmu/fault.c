// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest touched a page that is not mapped, or not for this access.
 *
 * What the owner's page tables say is what gets mapped. They are read with interrupts off, without taking a reference:
 * the sequence sampled before, and checked again under the lock, says that the host has not begun to change them,
 * and when it does the notifier drops our mapping first. Only where the host has nothing yet is it made to fault.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include "mmu/mmu.h"

/* What the owner has at a host address. */
struct host_page {
	u64 pfn; /* of the page at the address itself */
	enum pgtable_level level; /* of the host's own leaf */
	bool writable;
	bool dirty;
};

enum host_result {
	HOST_MAPPED,
	HOST_ABSENT, /* or not for this access: the host has to fault it in */
	HOST_REFUSED, /* not ordinary memory */
};

/*
 * Devices and the like (VM_PFNMAP) have no struct page whose owner would tell us when it goes, and memory that the host
 * maps other than write-back must not be mapped write-back by us.
 */
static bool host_small_ok(pte_t pte)
{
	if (pte_flags(pte) & _PAGE_CACHE_MASK)
		return false;
	return pfn_valid(pte_pfn(pte)) && (!pte_special(pte) || is_zero_pfn(pte_pfn(pte)));
}

static bool host_large_ok(u64 pfn, u64 flags)
{
	if (flags & _PAGE_LARGE_CACHE_MASK)
		return false;
	return pfn_valid(pfn) && PageCompound(pfn_to_page(pfn));
}

static enum host_result host_pte(pte_t pte, bool write, struct host_page *page)
{
	if (!pte_access_permitted(pte, write))
		return HOST_ABSENT;
	if (!host_small_ok(pte))
		return HOST_REFUSED;
	page->pfn = pte_pfn(pte);
	page->level = PGTABLE_4K;
	page->writable = pte_access_permitted(pte, true);
	page->dirty = pte_dirty(pte);
	return HOST_MAPPED;
}

static enum host_result host_pmd(pmd_t pmd, unsigned long hva, bool write, struct host_page *page)
{
	if (!pmd_access_permitted(pmd, write))
		return HOST_ABSENT;
	if (!host_large_ok(pmd_pfn(pmd), pmd_flags(pmd)))
		return HOST_REFUSED;
	page->pfn = pmd_pfn(pmd) + ((hva & ~PMD_MASK) >> PAGE_SHIFT);
	page->level = PGTABLE_2M;
	page->writable = pmd_access_permitted(pmd, true);
	page->dirty = pmd_dirty(pmd);
	return HOST_MAPPED;
}

static enum host_result host_pud(pud_t pud, unsigned long hva, bool write, struct host_page *page)
{
	if (!pud_access_permitted(pud, write))
		return HOST_ABSENT;
	if (!host_large_ok(pud_pfn(pud), pud_flags(pud)))
		return HOST_REFUSED;
	page->pfn = pud_pfn(pud) + ((hva & ~PUD_MASK) >> PAGE_SHIFT);
	page->level = PGTABLE_1G;
	page->writable = pud_access_permitted(pud, true);
	page->dirty = pud_dirty(pud);
	return HOST_MAPPED;
}

/* Interrupts are off: the host frees no page table meanwhile. Each entry is read once. */
static enum host_result host_walk(struct mm_struct *mm, unsigned long hva, bool write,
				  struct host_page *page)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return HOST_ABSENT;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return HOST_ABSENT;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!pud_present(pud))
		return HOST_ABSENT;
	if (pud_leaf(pud))
		return host_pud(pud, hva, write, page);
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_present(pmd))
		return HOST_ABSENT;
	if (pmd_leaf(pmd))
		return host_pmd(pmd, hva, write, page);
	return host_pte(READ_ONCE(*pte_offset_kernel(&pmd, hva)), write, page);
}

static enum host_result host_lookup(struct mm_struct *mm, unsigned long hva, bool write,
				    struct host_page *page)
{
	enum host_result result;
	unsigned long flags;

	local_irq_save(flags);
	result = host_walk(mm, hva, write, page);
	local_irq_restore(flags);
	return result;
}

static bool host_allows(const struct vm_area_struct *vma, unsigned long hva, bool write)
{
	return vma && vma->vm_start <= hva && !(vma->vm_flags & (VM_IO | VM_PFNMAP)) &&
	       (vma->vm_flags & (write ? VM_WRITE : VM_READ));
}

/* Let the host handle a fault as if the thread itself had touched the page. */
static int host_handle_fault(struct mm_struct *mm, unsigned long hva, unsigned int flags)
{
	struct vm_area_struct *vma;
	vm_fault_t fault;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = find_vma(mm, hva);
	if (!host_allows(vma, hva, flags & FAULT_FLAG_WRITE)) {
		mmap_read_unlock(mm);
		return -EFAULT;
	}
	fault = handle_mm_fault(vma, hva, flags, NULL);
	/* With these two it has dropped the lock. */
	if (!(fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
		mmap_read_unlock(mm);
	if (fault & VM_FAULT_ERROR)
		return vm_fault_to_errno(fault, FOLL_HWPOISON);
	return fault & VM_FAULT_RETRY ? -EAGAIN : 0;
}

/*
 * Let the host fault the page in. It may sleep for long (swap, userfaultfd): no lock of ours is held, and any signal
 * ends it. (get_user_pages() of older kernels waits for userfaultfd until it is killed.)
 */
static int host_fault_in(struct mm_struct *mm, unsigned long hva, bool write)
{
	unsigned int flags = FAULT_FLAG_DEFAULT | (write ? FAULT_FLAG_WRITE : 0);
	int ret;

	for (;; flags |= FAULT_FLAG_TRIED) {
		ret = host_handle_fault(mm, hva, flags);
		if (ret != -EAGAIN)
			break;
		if (signal_pending(current))
			return -EINTR;
	}
	if (ret == -EHWPOISON)
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, PAGE_SHIFT, current);
	return ret;
}

struct mmu_fault {
	u64 gfn;
	u32 access;
	struct memslots *slots; /* under the SRCU read lock */
	const struct memslot *slot; /* in slots */
	unsigned long hva; /* of the page */
	unsigned long seq; /* inv_seq before the host's tables were read */
	struct host_page host;
	struct pgtable_spare spare;
};

/*
 * Has the host begun or done something with the page since seq was sampled, or have the slots changed since
 * they were looked at? A mapping made then would outlive the slot, and no invalidation would find it.
 */
static bool fault_stale(const struct mmu *mmu, const struct mmu_fault *fault)
{
	if (rcu_access_pointer(mmu->slots) != fault->slots)
		return true;
	if (mmu->inv_count && fault->hva >= mmu->inv_start && fault->hva < mmu->inv_end)
		return true;
	return mmu->inv_seq != fault->seq;
}

/* How large a leaf may be here. */
static enum pgtable_level fault_level(const struct mmu *mmu, const struct mmu_fault *fault)
{
	const struct pgtable_format *fmt = &mmu->pgtable.fmt;
	const struct memslot *slot = fault->slot;
	enum pgtable_level level, depth;

	/* The log knows single pages: what is only read may be large, and is split when it is written to. */
	if ((slot->dirty && (fault->access & MMU_WRITE)) ||
	    (fmt->nx_huge && (fault->access & MMU_EXEC)))
		return PGTABLE_4K;
	level = min(fault->host.level, fmt->max_level);
	level = pgtable_fit(fault->gfn, slot->base_gfn, slot->npages, slot->hva, level);
	/*
	 * A table that is there already may hold pages for execution, or such as the log has, that a large leaf would
	 * take away again. Otherwise a large leaf replaces it: the host has put the pages together.
	 */
	depth = pgtable_depth(&mmu->pgtable, fault->gfn);
	return fmt->nx_huge || slot->dirty ? min(level, depth) : level;
}

static u32 fault_rights(const struct mmu_fault *fault)
{
	const struct memslot *slot = fault->slot;
	u32 rights = MMU_READ | MMU_EXEC;

	if (!fault->host.writable || (slot->flags & KVM_MEM_READONLY))
		return rights;
	/* Without the log, spare the guest the second fault when it comes to write. */
	if ((fault->access & MMU_WRITE) || !slot->dirty)
		rights |= MMU_WRITE;
	return rights;
}

/*
 * The page may be written from now on, behind the back of the host's own dirty bit. Like the host when it
 * unmaps a page, this relies on the mapping being in place: it cannot go while the lock is held.
 */
static void fault_mark_dirty(const struct mmu_fault *fault)
{
	if (fault->slot->dirty)
		set_bit(fault->gfn - fault->slot->base_gfn, fault->slot->dirty);
	if (!fault->host.dirty)
		folio_mark_dirty(page_folio(pfn_to_page(fault->host.pfn)));
}

/* A fault on a page may map what follows it in its block of so many. */
#define FAULT_BLOCK 16u

/*
 * Under the lock, after a page was mapped: map those behind it that the host has, too, and spare the guest a fault for
 * each. No invalidation is under way and none begins before the lock is dropped, so what the host's tables say
 * holds. The CPU has to tell which of them are used; and what would have to be marked dirty is mapped read-only.
 */
static void fault_map_ahead(struct mmu *mmu, struct mmu_fault *fault, struct list_head *detached)
{
	const struct memslot *slot = fault->slot;
	u64 end = min((fault->gfn | (FAULT_BLOCK - 1)) + 1, slot->base_gfn + slot->npages), gfn;

	if (mmu->inv_count || slot->dirty || !mmu->pgtable.fmt.accessed)
		return;
	for (gfn = fault->gfn + 1; gfn < end; gfn++) {
		u32 rights = MMU_READ | MMU_EXEC | MMU_AHEAD;
		enum pgtable_level level;
		struct host_page host;

		if (pgtable_lookup(&mmu->pgtable, gfn, &level) ||
		    host_lookup(mmu->mm, memslot_hva(slot, gfn), false, &host) != HOST_MAPPED)
			break;
		if (host.writable && host.dirty && !(slot->flags & KVM_MEM_READONLY))
			rights |= MMU_WRITE;
		pgtable_map(&mmu->pgtable, gfn, host.pfn, PGTABLE_4K, rights, &fault->spare,
			    detached);
		mmu->stats.mapped[PGTABLE_4K]++;
	}
}

/* Under the lock. 0, or -ENOMEM when `spare` lacks tables. */
static int fault_map(struct mmu *mmu, struct mmu_fault *fault, struct list_head *detached)
{
	enum pgtable_level level, before;
	u32 rights;
	u64 entry, mask;
	int ret;

	mmu->stats.faults++;
	if (fault_stale(mmu, fault)) {
		mmu->stats.retries++;
		return 0;
	}
	/* Another vCPU may have been faster, or the fault was spurious. */
	entry = pgtable_lookup(&mmu->pgtable, fault->gfn, &before);
	if (entry && !(fault->access & ~pgtable_rights(&mmu->pgtable.fmt, entry)))
		return 0;

	level = fault_level(mmu, fault);
	rights = fault_rights(fault);
	mask = pgtable_frames(level) - 1;
	ret = pgtable_map(&mmu->pgtable, fault->gfn, fault->host.pfn & ~mask, level, rights,
			  &fault->spare, detached);
	if (ret < 0)
		return ret;
	if (rights & MMU_WRITE)
		fault_mark_dirty(fault);
	if (ret & PGTABLE_FLUSH)
		mmu_flush(mmu);
	mmu->stats.mapped[level]++;
	if (entry && before > level)
		mmu->stats.splits++;
	if (!entry && level == PGTABLE_4K)
		fault_map_ahead(mmu, fault, detached);
	return 0;
}

static int fault_fill_spare(struct mmu *mmu, struct pgtable_spare *spare)
{
	while (spare->nr < ARRAY_SIZE(spare->table)) {
		u64 *table = mmu_alloc_table(mmu);

		if (!table)
			return -ENOMEM;
		spare->table[spare->nr++] = table;
	}
	return 0;
}

/* 0 done or raced; -EAGAIN: there are now the tables that were missing; -ENOENT: the host has nothing there. */
static int fault_try(struct mmu *mmu, struct mmu_fault *fault)
{
	LIST_HEAD(detached);
	int ret;

	fault->seq = smp_load_acquire(&mmu->inv_seq);
	switch (host_lookup(mmu->mm, fault->hva, fault->access & MMU_WRITE, &fault->host)) {
	case HOST_REFUSED:
		return -EFAULT;
	case HOST_ABSENT:
		return -ENOENT;
	case HOST_MAPPED:
		break;
	}

	spin_lock(&mmu->lock);
	ret = fault_map(mmu, fault, &detached);
	spin_unlock(&mmu->lock);
	mmu_free_detached(mmu, &detached);
	if (ret != -ENOMEM)
		return ret;
	ret = fault_fill_spare(mmu, &fault->spare);
	return ret ? ret : -EAGAIN;
}

/* As fault_try(), or what mmu_fault() returns where there is no memory for this access. */
static int fault_slot(struct mmu *mmu, struct mmu_fault *fault)
{
	fault->slots = srcu_dereference(mmu->slots, &mmu->srcu);
	fault->slot = memslot_find(fault->slots, fault->gfn);
	if (!fault->slot)
		return MMU_FAULT_MMIO;
	if ((fault->access & MMU_WRITE) && (fault->slot->flags & KVM_MEM_READONLY))
		return MMU_FAULT_READONLY;
	fault->hva = memslot_hva(fault->slot, fault->gfn);
	return fault_try(mmu, fault);
}

int mmu_fault(struct mmu *mmu, u64 gpa, u32 access)
{
	struct mmu_fault fault = { .gfn = gpa >> PAGE_SHIFT, .access = access };
	/* Enough for a page to be faulted in, then written to, then tables; whoever races longer enters the guest. */
	int tries = 4;
	int idx, ret;

	if (current->mm != mmu->mm)
		return -EIO;
	do {
		idx = srcu_read_lock(&mmu->srcu);
		ret = fault_slot(mmu, &fault);
		srcu_read_unlock(&mmu->srcu, idx);
		if (ret == -ENOENT)
			ret = host_fault_in(mmu->mm, fault.hva, access & MMU_WRITE) ?: -EAGAIN;
	} while (ret == -EAGAIN && --tries);

	while (fault.spare.nr)
		mmu_free_table(fault.spare.table[--fault.spare.nr], mmu);
	return ret == -EAGAIN || ret == -EHWPOISON ? 0 : ret;
}
