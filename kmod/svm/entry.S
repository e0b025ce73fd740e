/* SPDX-License-Identifier: GPL-2.0-only */
/* Into the guest and back (APM vol. 2, 15.5 and 15.6). */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#include "guest_regs.S"

/*
 * The exit's own form of UNTRAIN_RET; kernels without it leave the barrier that it adds to the
 * caller.
 */
#ifndef UNTRAIN_RET_VM
.macro UNTRAIN_RET_VM
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm
#endif

/* What the stack holds while the guest has the registers. */
#define FRAME_HOST_SPEC_CTRL 0 * 8
#define FRAME_GUEST_SPEC_CTRL 1 * 8
#define FRAME_HOST_PA 2 * 8
#define FRAME_REGS 3 * 8
#define FRAME_SIZE 4 * 8

.section .noinstr.text, "ax"

/*
 * void svm_vmrun(u64 *regs, u64 vmcb_pa, u64 host_pa, u32 guest_spec_ctrl, u32 host_spec_ctrl)
 *
 * GIF and IF are 0: no interrupt, NMI or SMI comes between here and the return, so that nothing
 * sees the guest's GS, TR and MSRs. From the first VMLOAD to the second no per-CPU variable may be
 * touched.
 */
SYM_FUNC_START(svm_vmrun)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi
	push	%rdx
	push	%rcx
	push	%r8

	/*
	 * VMRUN takes IF from RFLAGS as the mask of physical interrupts while the guest runs
	 * (15.21.1). Set it here, well before, not in the instruction before VMRUN: on some CPUs
	 * the shadow of STI then leaks into the guest.
	 */
	sti

	/*
	 * FS, GS, TR, LDTR, KernelGSBase, STAR ... SYSENTER_EIP: VMRUN leaves these to software
	 * (15.5.2).
	 */
	mov	%rdx, %rax
	vmsave	%rax

	cmp	%ecx, %r8d
	je	1f
	mov	%ecx, %eax
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
	/* No RET and no indirect branch from here to VMRUN. */
1:
	mov	%rsi, %rax
	vmload	%rax

	LOAD_GUEST_REGS

	/*
	 * Transient scheduler attacks: the guest learns nothing from the CPU's buffers. Clobbers ZF
	 * only.
	 */
	VM_CLEAR_CPU_BUFFERS

	vmrun	%rax

	/*
	 * #VMEXIT cleared GIF and gave back RAX, RSP and RFLAGS: RAX is the VMCB's address again.
	 */
	cli
	vmsave	%rax
	mov	FRAME_HOST_PA(%rsp), %rax
	vmload	%rax

	mov	FRAME_REGS(%rsp), %rax
	SAVE_GUEST_REGS
	CLEAR_GUEST_REGS

	/* The guest has filled the return stack buffer: before the first RET. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

	mov	FRAME_HOST_SPEC_CTRL(%rsp), %eax
	cmp	FRAME_GUEST_SPEC_CTRL(%rsp), %eax
	je	2f
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
2:
	/*
	 * Retbleed and SRSO: the guest has trained the predictor of returns. Clobbers RAX, RCX,
	 * RDX.
	 */
	UNTRAIN_RET_VM

	add	$FRAME_SIZE, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(svm_vmrun)

	.section .note.GNU-stack, "", @progbits
