/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_EVENT_H
#define VMM_EVENT_H

#include <linux/types.h>

/* As in VMX's interruption-information field (SDM vol 3, table 25-17) and SVM's EVENTINJ (APM vol
 * 2, 15.20). */
enum vmm_event_type {
	VMM_EVENT_INTERRUPT = 0,
	VMM_EVENT_NMI = 2,
	VMM_EVENT_EXCEPTION = 3,
	VMM_EVENT_SOFT_INTERRUPT = 4,
	VMM_EVENT_PRIV_SOFT_EXCEPTION = 5, /* INT1 (ICEBP) */
	VMM_EVENT_SOFT_EXCEPTION = 6, /* INT3, INTO */
};

/* One event on its way into the guest. */
struct vmm_event {
	bool valid;
	u8 type;
	u8 vector;
	bool has_error;
	u8 insn_len; /* of INT n, INT3, INTO, ICEBP: needed to deliver them again */
	u32 error;
};

struct vcpu;

/*
 * Raise an exception in the guest as the CPU would (merging into #DF or a triple fault when one is
 * on its way). Side effects (CR2, DR6) are the caller's or are in payload: use the wrappers below.
 */
void event_raise(struct vcpu *vcpu, u8 vector, bool has_error, u32 error);
void event_raise_gp(struct vcpu *vcpu, u32 error);
void event_raise_ud(struct vcpu *vcpu);
void event_raise_pf(struct vcpu *vcpu, u64 cr2, u32 error);
void event_raise_db(struct vcpu *vcpu, u64 dr6_bits);

/* CR2 or DR6 as the exception that waits wants them, where userspace left that to its delivery. */
void event_deliver_payload(struct vcpu *vcpu);

/* INIT, SIPI and NMI that the LAPIC has received. Loaded. */
void event_take_apic(struct vcpu *vcpu);

/* Runs last before entry, interrupts off: chooses what to deliver and asks for windows for what
 * must wait. */
void event_deliver(struct vcpu *vcpu);

/*
 * Userspace's PIC: could KVM_INTERRUPT take an interrupt that would then be delivered? Wanted:
 * userspace asked to be told when the guest can take it, too.
 */
bool event_user_irq_room(struct vcpu *vcpu);
bool event_user_irq_wanted(struct vcpu *vcpu);

/* Would the guest wake up from HLT now? For the vCPU's own thread. */
bool event_pending_wakeup(struct vcpu *vcpu);

#endif
