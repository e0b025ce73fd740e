/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory of one VM: the memory slots, the second-level page tables that map them, and the MMU
 * notifier that keeps the tables in step with the owner's address space. Knows neither VM nor vCPU.
 *
 * Locks, outermost first:
 *   slots_lock (mutex)  one change of the slots, or one dirty-log read, at a time.
 *   srcu                readers of `slots` that may sleep (faults, guest_read/guest_write, iobus).
 *   lock (spinlock)     the page tables, the publication of `slots`, inv_*, stats. Taken with
 *                       interrupts on and never from an interrupt: ops->flush waits for other CPUs under it.
 *                       The notifier takes it inside the host's page-table locks, so no host
 *                       page-table lock, and nothing that sleeps, is taken inside it.
 * No caller needs to hold any of them.
 */
#ifndef VMM_MMU_MMU_H
#define VMM_MMU_MMU_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>

#include "memslot.h"
#include "mmu/pgtable.h"

/* What mmu_fault() found, beside 0 and a negative errno. */
#define MMU_FAULT_MMIO 1 /* no memory there: emulate the access as MMIO */
#define MMU_FAULT_READONLY 2 /* a write to a read-only slot: emulate it as an MMIO write */

struct mmu_ops {
	/*
	 * On return no CPU runs this VM's guest with a translation that it had cached before the call:
	 * every vCPU flushes before its next entry, and those in the guest have left it. Called with mmu->lock
	 * held, preemption off and interrupts on; must neither sleep nor take mmu->lock.
	 */
	void (*flush)(void *ctx);
};

/* Counters, under mmu->lock; read without it for statistics. All but `tables` only grow. */
struct mmu_stats {
	u64 faults; /* faults on memory */
	u64 retries; /* of these, given up because the host changed the mapping meanwhile */
	u64 mapped[PGTABLE_LEVELS]; /* leaves installed: [PGTABLE_4K], [PGTABLE_2M], [PGTABLE_1G] */
	atomic_long_t tables; /* table pages now, the root included */
	u64 splits; /* large leaves that became tables of smaller ones */
	u64 invalidations; /* host invalidations that met guest memory */
	u64 flushes;
};

struct mmu {
	struct mm_struct *mm; /* whose memory this is; held by the notifier */
	const struct mmu_ops *ops;
	void *ctx;

	spinlock_t lock;
	struct pgtable pgtable; /* lock */
	/*
	 * Host invalidations, by host address. A fault samples inv_seq before it looks at the host's page
	 * tables and maps, under the lock, only if nothing that meets its page has begun or ended since.
	 */
	unsigned long inv_seq; /* lock; read without */
	unsigned long inv_count; /* lock: invalidations now in progress */
	unsigned long inv_start; /* lock: the hull of their ranges */
	unsigned long inv_end;
	struct mmu_stats stats; /* lock */
	struct mmu_notifier notifier;

	struct mutex slots_lock;
	struct srcu_struct srcu; /* may serve the VM's iobuses too */
	/* Written under slots_lock and lock, read under srcu or one of the locks. */
	struct memslots __rcu *slots;
	u32 dirty_log_mode; /* slots_lock: KVM_DIRTY_LOG_*, what KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 was given */
};

/* Who protects pages again, and when: the modes of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
#define MMU_DIRTY_LOG_MODES (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/* The calling process owns the memory (mm is current->mm). fmt is copied. */
int mmu_init(struct mmu *mmu, struct mm_struct *mm, const struct pgtable_format *fmt,
	     const struct mmu_ops *ops, void *ctx);
/* No vCPU may be left. Any process may call it. */
void mmu_destroy(struct mmu *mmu);

/* For EPTP or nCR3; constant for the life of the VM. */
u64 mmu_root_hpa(const struct mmu *mmu);

/*
 * Make [gpa] accessible. By the thread of a vCPU, in process context, preemptible, current->mm being
 * mmu->mm. Returns 0: enter the guest again (mapped, or raced: it will fault again); MMU_FAULT_MMIO;
 * MMU_FAULT_READONLY; -EFAULT: a slot, but no memory behind it; -EINTR: signal pending; -ENOMEM; -EIO: not
 * the owner. For a poisoned page SIGBUS is sent to the caller and 0 returned: it will see the signal.
 */
int mmu_fault(struct mmu *mmu, u64 gpa, u32 access);

/* KVM_SET_USER_MEMORY_REGION, with KVM's rules and errnos. The region is the kernel's copy. */
int memslot_set(struct mmu *mmu, const struct kvm_userspace_memory_region *region);
/* KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG. */
int memslot_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *log);
int memslot_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *log);
/* For the logs that are turned on from now on, and for reading all of them. -EINVAL for unknown bits. */
int mmu_set_dirty_log_mode(struct mmu *mmu, u64 mode);

/* Drop every mapping; the guest faults them in again. */
void mmu_zap_all(struct mmu *mmu);

/* Leaves there are now of each size, by a walk of all tables: [PGTABLE_4K] and so on. May sleep. */
void mmu_count_leaves(struct mmu *mmu, u64 leaves[PGTABLE_LEVELS]);

/*
 * Guest memory from the kernel, through the owner's address space: by its threads only, may sleep. -EFAULT
 * where there is no slot, no memory, or, for writes, only read-only memory; what precedes it may have been
 * done. guest_write_nofault() never sleeps, and fails where the host would have to fault the page in.
 */
int guest_read(struct mmu *mmu, u64 gpa, void *data, size_t len);
int guest_write(struct mmu *mmu, u64 gpa, const void *data, size_t len);
int guest_write_nofault(struct mmu *mmu, u64 gpa, const void *data, size_t len);
/*
 * Atomic compare and exchange of a naturally aligned u32 or u64 (len 4, 8). 0 when done, 1 when
 * memory holds something else (then *old is that), -EFAULT, -EINVAL.
 */
int guest_cmpxchg(struct mmu *mmu, u64 gpa, u64 *old, u64 new, size_t len);

/* Within kmod/mmu. */

extern const struct mmu_notifier_ops mmu_notifier_ops;

/* The slots, with mmu->lock held. */
struct memslots *mmu_slots(struct mmu *mmu);

/*
 * The log of a slot, with slots_lock held: the bitmap for one whose log is about to be turned on; what its mappings need
 * when the slots with (or, to stop, without) the bitmap have been published.
 */
int mmu_dirty_log_alloc(struct mmu *mmu, struct memslot *slot);
void mmu_dirty_log_start(struct mmu *mmu, const struct memslot *slot);
void mmu_dirty_log_stop(struct mmu *mmu, const struct memslot *slot);

/* Call ops->flush, with mmu->lock held. */
void mmu_flush(struct mmu *mmu);

/* A zeroed table page, or NULL. May sleep. */
u64 *mmu_alloc_table(struct mmu *mmu);
void mmu_free_table(u64 *table, void *mmu);

/* Free what pgtable_*() detached, after the flush, without mmu->lock. Does not sleep. */
void mmu_free_detached(struct mmu *mmu, struct list_head *detached);

#endif
