// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "backend.h"
#include "vm.h"
#include "x86/msr_filter.h"

/* The APIC's registers are not subject to filters (api.rst, 4.97). */
#define X2APIC_FIRST 0x800u
#define X2APIC_LAST 0x8ffu

struct msr_range {
	u32 flags, base, count;
	unsigned long *allowed; /* a bit for each */
};

/* Constant once it is published. */
struct msr_filter {
	bool default_allow;
	bool closes; /* something that the backend lets through is denied */
	unsigned int nr;
	struct msr_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

static bool allows(const struct msr_filter *filter, u32 index, u32 access)
{
	unsigned int i;

	if (index >= X2APIC_FIRST && index <= X2APIC_LAST)
		return true;
	for (i = 0; i < filter->nr; i++) {
		const struct msr_range *range = &filter->ranges[i];

		if (index - range->base < range->count && range->flags & access)
			return test_bit(index - range->base, range->allowed);
	}
	return filter->default_allow;
}

bool msr_filter_allows(struct vm *vm, u32 index, u32 access)
{
	const struct msr_filter *filter;
	bool allowed;

	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	allowed = !filter || allows(filter, index, access);
	rcu_read_unlock();
	return allowed;
}

void msr_filter_free(struct msr_filter *filter)
{
	unsigned int i;

	if (!filter)
		return;
	for (i = 0; i < filter->nr; i++)
		kfree(filter->ranges[i].allowed);
	kfree(filter);
}

/* -- the ioctl -- */

static int take_range(struct msr_filter *filter, const struct kvm_msr_filter_range *user)
{
	struct msr_range *range = &filter->ranges[filter->nr];
	size_t size = BITS_TO_LONGS((u64)user->nmsrs) * sizeof(long);

	if (!user->nmsrs)
		return 0;
	if (user->flags & ~(u32)(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE) ||
	    size > KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	range->allowed = memdup_user((void __user *)user->bitmap, size);
	if (IS_ERR(range->allowed))
		return PTR_ERR(range->allowed);
	range->flags = user->flags;
	range->base = user->base;
	range->count = user->nmsrs;
	filter->nr++;
	return 0;
}

static bool closes(const struct msr_filter *filter)
{
	unsigned int i;

	for (i = 0; i < backend->nr_open_msrs; i++)
		if (!allows(filter, backend->open_msrs[i], KVM_MSR_FILTER_READ) ||
		    !allows(filter, backend->open_msrs[i], KVM_MSR_FILTER_WRITE))
			return true;
	return false;
}

static struct msr_filter *make(const struct kvm_msr_filter *user)
{
	struct msr_filter *filter;
	unsigned int i;
	int r = 0;

	if (user->flags & ~(u32)KVM_MSR_FILTER_DEFAULT_DENY)
		return ERR_PTR(-EINVAL);
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->default_allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; !r && i < KVM_MSR_FILTER_MAX_RANGES; i++)
		r = take_range(filter, &user->ranges[i]);
	/* Everything denied is a mistake. */
	if (!r && !filter->nr && !filter->default_allow)
		r = -EINVAL;
	if (r) {
		msr_filter_free(filter);
		return ERR_PTR(r);
	}
	filter->closes = closes(filter);
	return filter;
}

long msr_filter_set(void *object, void *data)
{
	struct msr_filter *filter = make(data), *old;
	struct vm *vm = object;
	struct vcpu *vcpu;
	unsigned int i;

	if (IS_ERR(filter))
		return PTR_ERR(filter);
	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	vmm_for_each_vcpu(i, vcpu, vm) {
		vcpu_request(vcpu, VCPU_REQ_MSR_FILTER);
		vcpu_kick(vcpu);
	}
	mutex_unlock(&vm->lock);
	synchronize_rcu();
	msr_filter_free(old);
	return 0;
}

void msr_filter_apply(struct vcpu *vcpu)
{
	const struct msr_filter *filter;
	bool closed;

	rcu_read_lock();
	filter = rcu_dereference(vcpu->vm->msr_filter);
	closed = filter && filter->closes;
	rcu_read_unlock();
	backend->close_msrs(vcpu, closed);
}
