/* SPDX-License-Identifier: GPL-2.0-only */
/* What vmx.c and entry.S share: the layout of struct vmx_transition, and its flags. */
#ifndef VMM_VMX_ENTRY_H
#define VMM_VMX_ENTRY_H

#define VMX_TRANSITION_HOST_RSP 0
#define VMX_TRANSITION_GUEST_SPEC_CTRL 8
#define VMX_TRANSITION_HOST_SPEC_CTRL 16
#define VMX_TRANSITION_FLAGS 24

#define VMX_RESUME_BIT 0 /* the VMCS is launched: VMRESUME */
#define VMX_RESUME (1 << VMX_RESUME_BIT)
#define VMX_SPEC_CTRL_LOAD (1 << 1) /* the guest's SPEC_CTRL differs from the host's */
#define VMX_SPEC_CTRL_SAVE (1 << 2) /* the guest writes SPEC_CTRL without an exit */
#define VMX_SPEC_CTRL_REWRITE (1 << 3) /* legacy IBRS: write the host's even if it is the same */

#ifndef __ASSEMBLY__
#include <linux/linkage.h>
#include <linux/types.h>
#include <asm/asm.h>

struct vmx_transition {
	u64 host_rsp; /* what the VMCS holds; 0: nothing yet */
	u64 guest_spec_ctrl;
	u64 host_spec_ctrl;
	u32 flags;
};

/* Not for C: vmx_transit() below calls it. */
asmlinkage void vmx_enter(void);
/* Where an exit lands: for HOST_RIP only. */
asmlinkage void vmx_exited(void);

/*
 * Enter the guest, come back on its exit. True: VMfail, the CPU did not try (SDM vol 3, 31.2).
 */
static __always_inline bool vmx_transit(u64 *regs, struct vmx_transition *transition)
{
	bool failed;

	asm volatile("call vmx_enter"
		     : "=b"(failed), "+D"(regs), "+S"(transition), ASM_CALL_CONSTRAINT
		     :
		     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		       "cc", "memory");
	return failed;
}
#endif

#endif
