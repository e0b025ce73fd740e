// SPDX-License-Identifier: GPL-2.0-only
/* Injection of events, what blocks them, and the exits that say when nothing does any more. */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <asm/vmx.h>

#include "vmx/vmx.h"

static __always_inline void set_interruptibility(struct vcpu_vmx *vmx, u32 mask, u32 bits)
{
	u32 old = vmx_interruptibility(vmx), new = (old & ~mask) | bits;

	if (old != new) {
		vmx->interruptibility = new;
		vmcs_write(GUEST_INTERRUPTIBILITY_INFO, new);
	}
}

/*
 * Delivered again at the instruction that raised them, and so need its length (SDM vol 3,
 * 27.6.1.2).
 */
static bool is_software_event(u8 type)
{
	return type == VMM_EVENT_SOFT_INTERRUPT || type == VMM_EVENT_SOFT_EXCEPTION ||
	       type == VMM_EVENT_PRIV_SOFT_EXCEPTION;
}

void vmx_inject(struct vcpu *vcpu, const struct vmm_event *event)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u32 info = event->vector | event->type << 8 | INTR_INFO_VALID_MASK;

	if (event->has_error) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, event->error);
	}
	if (is_software_event(event->type))
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, event->insn_len);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
	vmx->injected = *event;
	vmx->injected.valid = true;
}

/*
 * The exit came while an event was delivered: it has to be delivered again (SDM vol 3, 28.2.4).
 * True if so; then vcpu->requeue is that event.
 */
bool vmx_take_interrupted_event(struct vcpu_vmx *vmx)
{
	u32 info = vmcs_read(IDT_VECTORING_INFO_FIELD);
	struct vmm_event *event = &vmx->vcpu.requeue;

	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return false;
	*event = (struct vmm_event){
		.valid = true,
		.type = (info & VECTORING_INFO_TYPE_MASK) >> 8,
		.vector = info & VECTORING_INFO_VECTOR_MASK,
		.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK,
	};
	if (event->has_error)
		event->error = vmcs_read(IDT_VECTORING_ERROR_CODE);
	if (is_software_event(event->type))
		event->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	/*
	 * The injection of an NMI blocked NMIs, and must not find them blocked (SDM vol 3,
	 * 27.7.1.2).
	 */
	if (event->type == VMM_EVENT_NMI)
		set_interruptibility(vmx, GUEST_INTR_STATE_NMI, 0);
	return true;
}

bool vmx_irq_allowed(struct vcpu *vcpu)
{
	return (vcpu_rflags(vcpu) & X86_EFLAGS_IF) &&
	       !(vmx_interruptibility(to_vmx(vcpu)) & VMX_SHADOW);
}

/* Some CPUs refuse to enter with an NMI in the shadow of STI (SDM vol 3, 27.3.1.5). */
bool vmx_nmi_allowed(struct vcpu *vcpu)
{
	return !(vmx_interruptibility(to_vmx(vcpu)) & (VMX_SHADOW | GUEST_INTR_STATE_NMI));
}

void vmx_set_windows(struct vcpu *vcpu, bool irq, bool nmi)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u32 controls = vmx_caps.primary;

	/*
	 * An NMI window is open in the shadow of STI, where vmx_nmi_allowed() says no: the exit
	 * would come again without end. IF is set there, so that an interrupt window opens when the
	 * shadow ends.
	 */
	if (unlikely(nmi) && vmx_interruptibility(vmx) & GUEST_INTR_STATE_STI) {
		nmi = false;
		irq = true;
	}
	if (irq)
		controls |= CPU_BASED_INTR_WINDOW_EXITING;
	if (nmi)
		controls |= CPU_BASED_NMI_WINDOW_EXITING;
	if (controls != vmx->written.primary) {
		vmx->written.primary = controls;
		vmcs_write(CPU_BASED_VM_EXEC_CONTROL, controls);
	}
}

u32 vmx_get_shadow(struct vcpu *vcpu)
{
	u32 state = vmx_interruptibility(to_vmx(vcpu)), shadow = 0;

	if (state & GUEST_INTR_STATE_STI)
		shadow |= KVM_X86_SHADOW_INT_STI;
	if (state & GUEST_INTR_STATE_MOV_SS)
		shadow |= KVM_X86_SHADOW_INT_MOV_SS;
	return shadow;
}

/* Never both: an entry refuses that (SDM vol 3, 27.3.1.5). */
void vmx_set_shadow(struct vcpu *vcpu, u32 shadow)
{
	u32 bits = 0;

	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		bits = GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		bits = GUEST_INTR_STATE_STI;
	set_interruptibility(to_vmx(vcpu), VMX_SHADOW, bits);
}

bool vmx_get_nmi_masked(struct vcpu *vcpu)
{
	return vmx_interruptibility(to_vmx(vcpu)) & GUEST_INTR_STATE_NMI;
}

void vmx_set_nmi_masked(struct vcpu *vcpu, bool masked)
{
	set_interruptibility(to_vmx(vcpu), GUEST_INTR_STATE_NMI, masked ? GUEST_INTR_STATE_NMI : 0);
}
