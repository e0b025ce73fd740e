// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions, interrupts and NMIs on their way into the guest. */
#include <linux/kvm_para.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "backend.h"
#include "event.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"
#include "state.h"
#include "vm.h"
#include "x86/dr.h"

/* How an exception combines with another while it is delivered (SDM vol 3, table 6-5). */
enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum exception_class class_of(u8 vector)
{
	switch (vector) {
	case X86_TRAP_PF:
		return PAGE_FAULT;
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return CONTRIBUTORY;
	default:
		return BENIGN;
	}
}

static bool makes_double_fault(u8 first, u8 second)
{
	enum exception_class a = class_of(first), b = class_of(second);

	return (a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN);
}

/* B0-B3 are of this trap only; the others add up, RTM and BLD active low (SDM vol 3, 18.2.3). */
static void set_dr6(struct vcpu *vcpu, u64 bits)
{
	vcpu->dr6 &= ~DR6_TRAPS;
	vcpu->dr6 |= DR6_FIXED | (bits & (DR6_TRAPS | DR6_BD | DR6_BS | DR6_BT));
	vcpu->dr6 &= ~(bits & DR6_ACTIVE_LOW);
}

void event_deliver_payload(struct vcpu *vcpu)
{
	if (!vcpu->exception_has_payload)
		return;
	vcpu->exception_has_payload = false;
	if (vcpu->exception.vector == X86_TRAP_PF)
		vcpu->cr2 = vcpu->exception_payload;
	else if (vcpu->exception.vector == X86_TRAP_DB)
		set_dr6(vcpu, vcpu->exception_payload);
}

void event_raise(struct vcpu *vcpu, u8 vector, bool has_error, u32 error)
{
	struct vmm_event *first = NULL;

	/* The one whose delivery this one interrupts: still waiting, or cut short by the exit. */
	event_deliver_payload(vcpu);
	if (vcpu->exception.valid)
		first = &vcpu->exception;
	else if (vcpu->requeue.valid && vcpu->requeue.type == VMM_EVENT_EXCEPTION)
		first = &vcpu->requeue;
	if (first && first->vector == X86_TRAP_DF && class_of(vector) != BENIGN) {
		first->valid = false;
		vcpu->triple_fault = true;
		return;
	}
	if (first && makes_double_fault(first->vector, vector)) {
		vector = X86_TRAP_DF;
		has_error = true;
		error = 0;
	}
	if (first)
		first->valid = false;
	vcpu->exception = (struct vmm_event){
		.valid = true,
		.type = VMM_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = has_error,
		.error = error,
	};
}

void event_raise_gp(struct vcpu *vcpu, u32 error)
{
	event_raise(vcpu, X86_TRAP_GP, true, error);
}

void event_raise_ud(struct vcpu *vcpu)
{
	event_raise(vcpu, X86_TRAP_UD, false, 0);
}

void event_raise_pf(struct vcpu *vcpu, u64 cr2, u32 error)
{
	vcpu->cr2 = cr2;
	event_raise(vcpu, X86_TRAP_PF, true, error);
}

void event_raise_db(struct vcpu *vcpu, u64 dr6_bits)
{
	set_dr6(vcpu, dr6_bits);
	vcpu->dr7 &= ~DR7_GD;
	guest_debug_update_dr7(vcpu);
	event_raise(vcpu, X86_TRAP_DB, false, 0);
}

/* -- external interrupts -- */

/* The vector of the interrupt to take next, or -1; *extint: from the PIC. */
static int pending_interrupt(struct vcpu *vcpu, bool *extint)
{
	struct irqchip *irqchip = vcpu->vm->irqchip;

	*extint = false;
	if (!vcpu->lapic)
		return vcpu->user_irq.valid ? vcpu->user_irq.vector : -1;
	if (unlikely(lapic_accepts_extint(vcpu->lapic)) &&
	    (vcpu->user_pic ? vcpu->user_irq.valid : pic_pending(irqchip))) {
		*extint = true;
		return 0;
	}
	return lapic_pending(vcpu->lapic);
}

static void inject_interrupt(struct vcpu *vcpu, int vector, bool extint)
{
	struct vmm_event event = {
		.valid = true,
		.type = VMM_EVENT_INTERRUPT,
	};

	if (!vcpu->lapic || (extint && vcpu->user_pic)) {
		vector = vcpu->user_irq.vector;
		vcpu->user_irq.valid = false;
	} else if (extint) {
		vector = pic_ack(vcpu->vm->irqchip);
	} else {
		lapic_ack(vcpu->lapic, vector);
		if (vcpu->pv_eoi.msr & KVM_MSR_ENABLED)
			pveoi_offer(vcpu, vector);
	}
	event.vector = vector;
	vcpu->stats.irq_injections++;
	backend->inject(vcpu, &event);
}

bool event_user_irq_room(struct vcpu *vcpu)
{
	return !vcpu->user_irq.valid && (!vcpu->lapic || lapic_accepts_extint(vcpu->lapic));
}

bool event_user_irq_wanted(struct vcpu *vcpu)
{
	return vcpu->user_pic && READ_ONCE(vcpu->run->request_interrupt_window) &&
	       event_user_irq_room(vcpu);
}

/* -- from other CPUs -- */

/* INIT and SIPI (SDM vol 3, 9.4.1): a SIPI counts only in wait-for-SIPI. */
void event_take_apic(struct vcpu *vcpu)
{
	u8 vector = vcpu->sipi_vector;
	u32 events = lapic_take_events(vcpu->lapic, &vector);

	if (events & LAPIC_EVENT_NMI)
		atomic_inc(&vcpu->nmi_queued);
	if (events & LAPIC_EVENT_INIT) {
		vcpu_reset(vcpu, true);
		vcpu->mp_state =
			vcpu->lapic->bsp ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	if (events & LAPIC_EVENT_SIPI && vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED) {
		state_start_at(vcpu, vector);
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	}
}

/* -- NMI -- */

/* One in the handler and one behind it is all that the CPU can hold (SDM vol 3, 6.7.1). */
static void collect_nmis(struct vcpu *vcpu)
{
	unsigned int limit = backend->get_nmi_masked(vcpu) ? 1 : 2;

	vcpu->nmi_pending += atomic_xchg(&vcpu->nmi_queued, 0);
	vcpu->nmi_pending = min(vcpu->nmi_pending, limit);
}

static void inject_nmi(struct vcpu *vcpu)
{
	static const struct vmm_event nmi = {
		.valid = true,
		.type = VMM_EVENT_NMI,
		.vector = X86_TRAP_NMI,
	};

	vcpu->nmi_pending--;
	vcpu->stats.nmi_injections++;
	backend->inject(vcpu, &nmi);
}

/*
 * Real mode has no error codes, and an entry that would deliver one fails (SDM vol 3, 20.1.4 and
 * 27.2.1.3); yet an exit that interrupts the delivery of an exception notes one there too, and
 * userspace may set one.
 */
static void inject(struct vcpu *vcpu, struct vmm_event *event)
{
	if (event->has_error && !(vcpu_cr0(vcpu) & X86_CR0_PE))
		event->has_error = false;
	backend->inject(vcpu, event);
	event->valid = false;
}

static void inject_exception(struct vcpu *vcpu)
{
	/* Faults set RF in the flags that they push (SDM vol 3, 18.3.1.1); #DB as fault does so by
	 * itself. */
	if (vcpu->exception.vector != X86_TRAP_DB)
		vcpu_set_reg(vcpu, VMM_REG_RFLAGS, vcpu_rflags(vcpu) | X86_EFLAGS_RF);
	event_deliver_payload(vcpu);
	inject(vcpu, &vcpu->exception);
}

/* Neither is there anything to deliver nor does an exit still wait for a window to open. */
static bool nothing_to_do(struct vcpu *vcpu)
{
	/* All in one test: mostly all are 0. */
	return !vcpu->user_pic &&
	       !(READ_ONCE(vcpu->lapic->irr_words) | pic_pending(vcpu->vm->irqchip) |
		 atomic_read(&vcpu->nmi_queued) | vcpu->nmi_pending | vcpu->exception.valid |
		 vcpu->requeue.valid | vcpu->windows);
}

/* By priority: what was under way, exceptions, NMI, interrupts (SDM vol 3, table 6-2). One per
 * entry. */
static noinline void deliver_one(struct vcpu *vcpu)
{
	bool injected = true, extint, irq_window;
	int vector;

	if (atomic_read(&vcpu->nmi_queued))
		collect_nmis(vcpu);
	if (unlikely(vcpu->requeue.valid)) {
		inject(vcpu, &vcpu->requeue);
	} else if (vcpu->exception.valid) {
		inject_exception(vcpu);
	} else if (unlikely(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ)) {
		/* Neither NMIs nor interrupts while the debugger steps. */
		backend->set_windows(vcpu, false, false);
		return;
	} else if (vcpu->nmi_pending && backend->nmi_allowed(vcpu)) {
		inject_nmi(vcpu);
	} else {
		injected = false;
	}
	vector = pending_interrupt(vcpu, &extint);
	if (vector >= 0 && !injected && backend->irq_allowed(vcpu)) {
		inject_interrupt(vcpu, vector, extint);
		vector = pending_interrupt(vcpu, &extint);
	}
	irq_window = vector >= 0 || event_user_irq_wanted(vcpu);
	vcpu->windows = irq_window || vcpu->nmi_pending;
	backend->set_windows(vcpu, irq_window, vcpu->nmi_pending > 0);
}

void event_deliver(struct vcpu *vcpu)
{
	vcpu->news = false;
	if (unlikely(!nothing_to_do(vcpu)))
		deliver_one(vcpu);
}

bool event_pending_wakeup(struct vcpu *vcpu)
{
	bool extint;

	if (vcpu->requeue.valid || vcpu->exception.valid || vcpu->nmi_pending ||
	    atomic_read(&vcpu->nmi_queued))
		return true;
	return pending_interrupt(vcpu, &extint) >= 0 && backend->irq_allowed(vcpu);
}
