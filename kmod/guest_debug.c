// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "backend.h"
#include "guest_debug.h"
#include "state.h"
#include "vm.h"
#include "x86/dr.h"

void guest_debug_update_dr7(struct vcpu *vcpu)
{
	bool hardware = vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP;

	vcpu->dr7_used = hardware ? vcpu->debug.dr7 : vcpu->dr7;
	backend->set_dr7(vcpu, vcpu->dr7_used);
}

/*
 * A trap flag of the debugger's, not the guest's. An entry with both a shadow and TF would want a
 * pending single-step trap besides (SDM vol 3, 27.3.1.5).
 */
void guest_debug_enter(struct vcpu *vcpu)
{
	struct guest_debug *debug = &vcpu->debug;

	debug->own_dr6 = vcpu->dr6;
	if (!(debug->control & KVM_GUESTDBG_SINGLESTEP))
		return;
	debug->own_tf = vcpu_rflags(vcpu) & X86_EFLAGS_TF;
	vcpu_set_reg(vcpu, VMM_REG_RFLAGS, vcpu_rflags(vcpu) | X86_EFLAGS_TF);
	backend->set_shadow(vcpu, 0);
}

void guest_debug_leave(struct vcpu *vcpu)
{
	u64 rflags;

	if (!(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		return;
	rflags = vcpu_rflags(vcpu);
	/* What the guest has cleared stays so: an interrupt or a POPF. */
	if (rflags & X86_EFLAGS_TF && !vcpu->debug.own_tf)
		vcpu_set_reg(vcpu, VMM_REG_RFLAGS, rflags & ~(u64)X86_EFLAGS_TF);
}

static u64 linear_rip(struct vcpu *vcpu)
{
	struct kvm_segment cs;

	if (state_64bit(vcpu))
		return vcpu_rip(vcpu);
	backend->get_segment(vcpu, VMM_SEG_CS, &cs);
	return (u32)(cs.base + vcpu_rip(vcpu));
}

int guest_debug_exit(struct vcpu *vcpu, u8 vector, u64 dr6_bits)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pad = 0;
	run->debug.arch.pc = linear_rip(vcpu);
	run->debug.arch.dr6 = dr6_bits | DR6_FIXED;
	run->debug.arch.dr7 = vcpu->dr7_used;
	return 0;
}

bool guest_debug_exception(struct vcpu *vcpu, u8 vector, u64 dr6_bits)
{
	u32 control = vcpu->debug.control;

	if (vector == X86_TRAP_DB) {
		if (!(control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP)))
			return false;
		/* The guest's own is as if nothing had been. */
		vcpu->dr6 = vcpu->debug.own_dr6;
	} else if (vector != X86_TRAP_BP || !(control & KVM_GUESTDBG_USE_SW_BP)) {
		return false;
	}
	guest_debug_exit(vcpu, vector, dr6_bits);
	return true;
}

/* An exception that the debugger has seen and that was the guest's own after all. */
static int reinject(struct vcpu *vcpu, u32 control)
{
	if (vcpu->exception.valid)
		return -EBUSY;
	if (control & KVM_GUESTDBG_INJECT_DB)
		event_raise(vcpu, X86_TRAP_DB, false, 0);
	else
		vcpu->exception = (struct vmm_event){
			.valid = true,
			.type = VMM_EVENT_SOFT_EXCEPTION,
			.vector = X86_TRAP_BP,
			.insn_len = 1,
		};
	return 0;
}

long guest_debug_set(void *object, void *data)
{
	const struct kvm_guest_debug *in = data;
	u32 control = in->control;
	struct vcpu *vcpu = object;
	int r;

	if (control & ~(u32)GUEST_DEBUG_CONTROL)
		return -EINVAL;
	if (control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		r = reinject(vcpu, control);
		if (r)
			return r;
	}
	vcpu->debug.control = control & KVM_GUESTDBG_ENABLE ? control : 0;
	memcpy(vcpu->debug.dr, in->arch.debugreg, sizeof(vcpu->debug.dr));
	vcpu->debug.dr7 = ((u32)in->arch.debugreg[7] & ~DR7_ZERO) | DR7_FIXED;
	guest_debug_update_dr7(vcpu);
	backend->intercept_bp(vcpu, vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP);
	return 0;
}
