// SPDX-License-Identifier: GPL-2.0-only
/* See exit_fast.h. */
#include <linux/rcupdate.h>
#include <asm/msr-index.h>

#include "event.h"
#include "exit_fast.h"
#include "vm.h"
#include "x86/msr_filter.h"

/*
 * Of the LAPIC those registers that change nothing but what is in IRR and ISR: exit_fast_again()
 * looks only there.
 */
bool exit_fast_wrmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->regs[VMM_REG_RCX];
	u64 value = vcpu_edx_eax(vcpu);

	if (unlikely(!vcpu->lapic))
		return false;
	switch (index) {
	case MSR_IA32_TSC_DEADLINE:
		if (rcu_access_pointer(vcpu->vm->msr_filter) &&
		    !msr_filter_allows(vcpu->vm, index, KVM_MSR_FILTER_WRITE))
			return false;
		lapic_set_tsc_deadline(vcpu->lapic, value);
		return true;
	case X2APIC_MSR(LAPIC_EOI):
		if (value || !lapic_x2apic_mode(vcpu->lapic))
			return false;
		lapic_eoi(vcpu->lapic);
		return true;
	case X2APIC_MSR(LAPIC_TPR):
	case X2APIC_MSR(LAPIC_ICR):
	case X2APIC_MSR(LAPIC_SELF_IPI):
		return !lapic_wrmsr(vcpu->lapic, index, value);
	}
	return false;
}

void exit_fast_deliver(struct vcpu *vcpu)
{
	event_deliver(vcpu);
	/* What is delivered may be offered to PV EOI. */
	exit_fast_begin(vcpu);
}
