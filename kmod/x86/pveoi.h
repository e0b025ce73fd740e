/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PV EOI: a bit in guest memory says that the guest may end the interrupt in service by clearing
 * it, without an access to its APIC (Documentation/virt/kvm/x86/msr.rst).
 */
#ifndef VMM_X86_PVEOI_H
#define VMM_X86_PVEOI_H

#include <linux/types.h>

struct vcpu;

enum pv_eoi_state {
	PV_EOI_NONE,
	PV_EOI_OFFERED, /* the bit is set, the guest may have cleared it */
	PV_EOI_AWAY, /* it could not be: the page has to be fetched first */
};

struct pv_eoi {
	u64 msr;
	enum pv_eoi_state state; /* of the last interrupt */
};

/* An interrupt of the LAPIC is about to be injected. IRQs off. */
void pveoi_offer(struct vcpu *vcpu, u8 vector);
/* After an exit, unless the state is PV_EOI_NONE: has the guest taken the offer? May sleep. */
void pveoi_collect(struct vcpu *vcpu);

int pveoi_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host);
int pveoi_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);

#endif
