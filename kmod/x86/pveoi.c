// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_para.h>

#include "irq/lapic.h"
#include "vm.h"
#include "x86/pveoi.h"

#define BIT_SET ((u32)KVM_PV_EOI_ENABLED)

static u64 address(const struct vcpu *vcpu)
{
	return vcpu->pv_eoi.msr & ~(u64)KVM_MSR_ENABLED;
}

/*
 * Only where nobody waits for the end of the interrupt: not the I/O APIC, and no other one that is
 * pending behind it.
 */
void pveoi_offer(struct vcpu *vcpu, u8 vector)
{
	const u32 set = BIT_SET;

	if (!lapic_eoi_unheard(vcpu->lapic, vector))
		return;
	vcpu->pv_eoi.state = guest_write_nofault(&vcpu->vm->mmu, address(vcpu), &set, sizeof(set)) ?
				     PV_EOI_AWAY :
				     PV_EOI_OFFERED;
}

void pveoi_collect(struct vcpu *vcpu)
{
	bool offered = vcpu->pv_eoi.state == PV_EOI_OFFERED;
	struct mmu *mmu = &vcpu->vm->mmu;
	u32 value;

	vcpu->pv_eoi.state = PV_EOI_NONE;
	if (guest_read(mmu, address(vcpu), &value, sizeof(value)))
		return;
	if (offered && !(value & BIT_SET)) {
		lapic_eoi(vcpu->lapic);
		return;
	}
	value &= ~BIT_SET;
	guest_write(mmu, address(vcpu), &value, sizeof(value));
}

int pveoi_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = vcpu->pv_eoi.msr;
	return 0;
}

/* Bit 1 is reserved; the word is aligned. It has to be memory. */
int pveoi_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	u32 word;

	if (value & 2)
		return -EINVAL;
	if (value & KVM_MSR_ENABLED &&
	    (!vcpu->lapic ||
	     guest_read(&vcpu->vm->mmu, value & ~(u64)KVM_MSR_ENABLED, &word, sizeof(word))))
		return -EINVAL;
	vcpu->pv_eoi.msr = value;
	return 0;
}
