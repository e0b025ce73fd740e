// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>

#include "vm.h"
#include "x86/steal.h"

bool steal_available(void)
{
	return sched_info_on();
}

static u64 waited(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

void steal_loaded(struct vcpu *vcpu)
{
	if (vcpu->steal.waited != waited() || vcpu->steal.task != current)
		vcpu_request(vcpu, VCPU_REQ_STEAL);
}

/* The version is odd while the rest changes; the flags say that nothing but the time is told. */
void steal_update(struct vcpu *vcpu)
{
	u64 gpa = vcpu->steal.msr & KVM_STEAL_VALID_BITS, now = waited();
	struct mmu *mmu = &vcpu->vm->mmu;
	struct kvm_steal_time page;

	if (!(vcpu->steal.msr & KVM_MSR_ENABLED) || guest_read(mmu, gpa, &page, sizeof(page)))
		return;
	/* Another thread's waiting before it came here is not this vCPU's. */
	if (vcpu->steal.task == current)
		page.steal += now - vcpu->steal.waited;
	vcpu->steal.task = current;
	vcpu->steal.waited = now;
	page.version = (page.version | 1) + 2;
	page.flags = 0;
	page.preempted = 0;
	if (guest_write(mmu, gpa + offsetof(struct kvm_steal_time, version), &page.version,
			sizeof(page.version)))
		return;
	smp_wmb();
	if (guest_write(mmu, gpa, &page, offsetofend(struct kvm_steal_time, preempted)))
		return;
	smp_wmb();
	page.version++;
	guest_write(mmu, gpa + offsetof(struct kvm_steal_time, version), &page.version,
		    sizeof(page.version));
}

int steal_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = vcpu->steal.msr;
	return 0;
}

int steal_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!steal_available() || value & KVM_STEAL_RESERVED_MASK)
		return -EINVAL;
	vcpu->steal.msr = value;
	if (value & KVM_MSR_ENABLED)
		vcpu_request(vcpu, VCPU_REQ_STEAL);
	return 0;
}
