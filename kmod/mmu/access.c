// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory from the kernel, through the owner's address space. See mmu.h. */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "mmu/mmu.h"

/* How much of [gpa, gpa + len) lies in the slot. */
static size_t memslot_span(const struct memslot *slot, u64 gpa, size_t len)
{
	u64 left = ((slot->base_gfn + slot->npages) << PAGE_SHIFT) - gpa;

	return min_t(u64, len, left);
}

static void __user *memslot_user(const struct memslot *slot, u64 gpa)
{
	return (void __user *)(memslot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa));
}

/* After the write: the log may be taken in between, and then the page is in the next one. */
static void memslot_mark_dirty(const struct memslot *slot, u64 gpa, size_t len)
{
	u64 gfn = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	if (!slot->dirty)
		return;
	for (; gfn <= last; gfn++)
		set_bit(gfn - slot->base_gfn, slot->dirty);
}

typedef bool (*guest_copy_fn)(void *data, void __user *user, size_t len);

static int guest_copy(struct mmu *mmu, u64 gpa, void *data, size_t len, guest_copy_fn copy,
		      bool write)
{
	int idx = srcu_read_lock(&mmu->srcu), ret = 0;
	struct memslots *slots = srcu_dereference(mmu->slots, &mmu->srcu);

	while (len) {
		const struct memslot *slot = memslot_find(slots, gpa >> PAGE_SHIFT);
		size_t span;

		ret = -EFAULT;
		if (!slot || (write && (slot->flags & KVM_MEM_READONLY)))
			break;
		span = memslot_span(slot, gpa, len);
		if (!copy(data, memslot_user(slot, gpa), span))
			break;
		if (write)
			memslot_mark_dirty(slot, gpa, span);
		gpa += span;
		data += span;
		len -= span;
		ret = 0;
	}
	srcu_read_unlock(&mmu->srcu, idx);
	return ret;
}

static bool copy_in(void *data, void __user *user, size_t len)
{
	return !copy_from_user(data, user, len);
}

static bool copy_out(void *data, void __user *user, size_t len)
{
	return !copy_to_user(user, data, len);
}

static bool copy_out_nofault(void *data, void __user *user, size_t len)
{
	bool done;

	pagefault_disable();
	done = !__copy_to_user_inatomic(user, data, len);
	pagefault_enable();
	return done;
}

int guest_read(struct mmu *mmu, u64 gpa, void *data, size_t len)
{
	return guest_copy(mmu, gpa, data, len, copy_in, false);
}

int guest_write(struct mmu *mmu, u64 gpa, const void *data, size_t len)
{
	return guest_copy(mmu, gpa, (void *)data, len, copy_out, true);
}

int guest_write_nofault(struct mmu *mmu, u64 gpa, const void *data, size_t len)
{
	return guest_copy(mmu, gpa, (void *)data, len, copy_out_nofault, true);
}

static int user_cmpxchg(void __user *user, u64 *old, u64 new, size_t len)
{
	u32 old32 = *old;
	int ret;

	if (len == 8)
		return __try_cmpxchg_user((u64 __user *)user, old, new, fault64);
	ret = __try_cmpxchg_user((u32 __user *)user, &old32, new, fault32);
	*old = old32;
	return ret;
}

int guest_cmpxchg(struct mmu *mmu, u64 gpa, u64 *old, u64 new, size_t len)
{
	const struct memslot *slot;
	int idx, ret = -EFAULT;

	if ((len != 4 && len != 8) || (gpa & (len - 1)))
		return -EINVAL;

	idx = srcu_read_lock(&mmu->srcu);
	slot = memslot_find(srcu_dereference(mmu->slots, &mmu->srcu), gpa >> PAGE_SHIFT);
	/* The range was checked with access_ok() when the slot was set. */
	if (slot && !(slot->flags & KVM_MEM_READONLY)) {
		ret = user_cmpxchg(memslot_user(slot, gpa), old, new, len);
		if (!ret)
			memslot_mark_dirty(slot, gpa, len);
	}
	srcu_read_unlock(&mmu->srcu, idx);
	return ret;
}
