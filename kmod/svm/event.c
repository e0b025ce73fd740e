// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest, and the masks that hold them back (APM vol. 2, 15.20 and
 * 15.21).
 */
#include <linux/smp.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "compat.h"
#include "svm/svm.h"

/* -- injection -- */

/* The types of EVENTINJ; a software exception is one to the CPU like any other. */
static const u8 event_types[] = {
	[VMM_EVENT_INTERRUPT] = VMCB_EVENT_INTR,
	[VMM_EVENT_NMI] = VMCB_EVENT_NMI,
	[VMM_EVENT_EXCEPTION] = VMCB_EVENT_EXCEPTION,
	[VMM_EVENT_SOFT_INTERRUPT] = VMCB_EVENT_SOFT,
	[VMM_EVENT_PRIV_SOFT_EXCEPTION] = VMCB_EVENT_EXCEPTION,
	[VMM_EVENT_SOFT_EXCEPTION] = VMCB_EVENT_EXCEPTION,
};

/*
 * A software event returns behind its instruction. With NRIPS the CPU takes that address from the
 * VMCB, else it pushes RIP itself (15.20), which is then moved for as long as the delivery takes.
 */
static void prepare_soft_event(struct vcpu_svm *svm, u8 insn_len)
{
	u64 next = vcpu_rip(&svm->vcpu) + insn_len;

	if (svm_host.nrips) {
		svm->vmcb->control.next_rip = next;
		return;
	}
	vcpu_set_reg(&svm->vcpu, VMM_REG_RIP, next);
	svm->soft_len = insn_len;
}

void svm_inject(struct vcpu *vcpu, const struct vmm_event *event)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_control *control = &svm->vmcb->control;

	if (event->type >= VMM_EVENT_SOFT_INTERRUPT)
		prepare_soft_event(svm, event->insn_len);
	if (event->type == VMM_EVENT_NMI)
		svm_set_nmi_masked(vcpu, true);
	control->event_inj = event->vector | event_types[event->type] << VMCB_EVENT_TYPE_SHIFT |
			     (event->has_error ? VMCB_EVENT_ERROR : 0) | VMCB_EVENT_VALID;
	control->event_inj_error = event->error;
}

/*
 * What an exit interrupted, in the format that EVENTINJ and EXITINTINFO share, back to common code.
 * A software event is not taken up: RIP is still at its instruction, which the guest executes again
 * (15.7.2).
 */
static void requeue(struct vcpu_svm *svm, u32 info, u32 error)
{
	struct vmm_event *event = &svm->vcpu.requeue;
	u8 vector = info & VMCB_EVENT_VECTOR;

	event->valid = false;
	if (!(info & VMCB_EVENT_VALID))
		return;
	switch ((info & VMCB_EVENT_TYPE) >> VMCB_EVENT_TYPE_SHIFT) {
	case VMCB_EVENT_INTR:
		event->type = VMM_EVENT_INTERRUPT;
		break;
	case VMCB_EVENT_NMI:
		event->type = VMM_EVENT_NMI;
		svm_set_nmi_masked(&svm->vcpu, false);
		break;
	case VMCB_EVENT_EXCEPTION:
		if (vector == X86_TRAP_BP || vector == X86_TRAP_OF)
			return;
		event->type = VMM_EVENT_EXCEPTION;
		break;
	default:
		return;
	}
	event->valid = true;
	event->vector = vector;
	event->has_error = info & VMCB_EVENT_ERROR;
	event->error = error;
	event->insn_len = 0;
}

/* -- masks and windows -- */

u32 svm_get_shadow(struct vcpu *vcpu)
{
	/* The CPU does not say which of the two it was. */
	return to_svm(vcpu)->vmcb->control.int_state & VMCB_INTERRUPT_SHADOW ?
		       KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS :
		       0;
}

void svm_set_shadow(struct vcpu *vcpu, u32 shadow)
{
	struct vmcb_control *control = &to_svm(vcpu)->vmcb->control;

	if (shadow)
		control->int_state |= VMCB_INTERRUPT_SHADOW;
	else
		control->int_state &= ~VMCB_INTERRUPT_SHADOW;
}

static bool in_shadow(const struct vcpu_svm *svm)
{
	return svm->vmcb->control.int_state & VMCB_INTERRUPT_SHADOW;
}

bool svm_irq_allowed(struct vcpu *vcpu)
{
	return (vcpu_rflags(vcpu) & X86_EFLAGS_IF) && !in_shadow(to_svm(vcpu));
}

bool svm_nmi_allowed(struct vcpu *vcpu)
{
	return !to_svm(vcpu)->nmi_masked && !in_shadow(to_svm(vcpu));
}

/*
 * A virtual interrupt of the highest priority is intercepted the moment the guest would take it
 * (15.21.4).
 */
static void set_irq_window(struct vcpu_svm *svm, bool on)
{
	u32 *int_ctl = &svm->vmcb->control.int_ctl;

	if (on == !!(*int_ctl & V_IRQ))
		return;
	*int_ctl = V_INTR_MASKING | (on ? V_IRQ | V_IGN_TPR | V_INTR_PRIO_MAX : 0);
	svm_dirty(svm, CLEAN_TPR);
}

void svm_set_windows(struct vcpu *vcpu, bool irq, bool nmi)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	set_irq_window(svm, irq);
	svm->nmi_window = nmi;
}

bool svm_get_nmi_masked(struct vcpu *vcpu)
{
	return to_svm(vcpu)->nmi_masked;
}

void svm_set_nmi_masked(struct vcpu *vcpu, bool masked)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm->nmi_masked = masked;
	svm->iret_begun = false;
	svm_set_intercept(svm, INTERCEPT_IRET, masked);
}

/* Those that are always intercepted, or all but NMI, which has an intercept of its own. */
static void intercept_exceptions(struct vcpu_svm *svm, bool all)
{
	u32 *word = &svm->vmcb->control.intercepts[INTERCEPT_EXCEPTION / 32];

	*word = all ? ~BIT(X86_TRAP_NMI) : svm_exceptions(svm);
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

void svm_intercept_bp(struct vcpu *vcpu, bool on)
{
	to_svm(vcpu)->bp_intercepted = on;
	intercept_exceptions(to_svm(vcpu), false);
}

/*
 * An NMI that waits has no window of its own. Behind an event that goes first, an interrupt that we
 * send ourselves stops the guest as soon as that is delivered. Behind an IRET or a shadow the guest
 * makes one step; an exception of the stepped instruction exits too, because its frame must not
 * hold our TF.
 */
void svm_open_nmi_window(struct vcpu_svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (likely(!svm->nmi_window) || (svm->nmi_masked && !svm->iret_begun))
		return;
	if (vmcb->control.event_inj & VMCB_EVENT_VALID) {
		smp_send_reschedule(smp_processor_id());
		return;
	}
	if (!svm->iret_begun && !in_shadow(svm))
		return;
	svm->stepping = true;
	intercept_exceptions(svm, true);
	svm->step_rip = vmcb->save.rip;
	svm->step_tf = vmcb->save.rflags & X86_EFLAGS_TF;
	vmcb->save.rflags |= X86_EFLAGS_TF;
}

/* True when the exit is the trap of our own step, of which the guest must not know. */
static bool end_step(struct vcpu_svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	bool popped = svm->iret_begun && vmcb->save.rip != svm->step_rip;

	svm->stepping = false;
	intercept_exceptions(svm, false);
	/* What an IRET has popped is the guest's own flag. */
	if (!popped)
		vmcb->save.rflags = (vmcb->save.rflags & ~X86_EFLAGS_TF) | svm->step_tf;
	if (vmcb->control.exit_code != SVM_EXIT_EXCP_BASE + X86_TRAP_DB || svm->step_tf)
		return false;
	/* A breakpoint on the same instruction is the guest's. */
	if (!(vmcb->save.dr6 & DR_STEP) || (vmcb->save.dr6 & DR_TRAP_BITS & ~svm->vcpu.dr6))
		return false;
	vmcb->save.dr6 = svm->vcpu.dr6;
	return true;
}

/* The guest was not entered after all: what it should have got goes back. */
void svm_cancel_injection(struct vcpu_svm *svm)
{
	struct vmcb_control *control = &svm->vmcb->control;

	if (svm->soft_len)
		vcpu_set_reg(&svm->vcpu, VMM_REG_RIP, vcpu_rip(&svm->vcpu) - svm->soft_len);
	svm->soft_len = 0;
	requeue(svm, control->event_inj, control->event_inj_error);
	control->event_inj = 0;
}

void svm_complete_events(struct vcpu_svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	u32 info = vmcb->control.exit_int_info;
	u32 error = vmcb->control.exit_int_error;

	/* VMRUN that was refused leaves the event where it was. */
	if (unlikely((u32)vmcb->control.exit_code == (u32)SVM_EXIT_ERR)) {
		info = vmcb->control.event_inj;
		error = vmcb->control.event_inj_error;
	}
	vmcb->control.event_inj = 0;
	if (svm->soft_len) {
		/* Delivery did not come to its end: back to the instruction. */
		if (info & VMCB_EVENT_VALID)
			vmcb->save.rip -= svm->soft_len;
		svm->soft_len = 0;
	}
	requeue(svm, info, error);
	svm->own_step = svm->stepping && end_step(svm);
	if (svm->iret_begun && vmcb->save.rip != svm->iret_rip)
		svm_set_nmi_masked(&svm->vcpu, false);
}
