/* SPDX-License-Identifier: GPL-2.0-only */
/* Into the guest and back (APM vol. 2, 15.5 and 15.6). */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

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

/* enum vmm_reg */
#define REG_RCX 1 * 8
#define REG_RDX 2 * 8
#define REG_RBX 3 * 8
#define REG_RBP 5 * 8
#define REG_RSI 6 * 8
#define REG_RDI 7 * 8
#define REG_R8 8 * 8
#define REG_R9 9 * 8
#define REG_R10 10 * 8
#define REG_R11 11 * 8
#define REG_R12 12 * 8
#define REG_R13 13 * 8
#define REG_R14 14 * 8
#define REG_R15 15 * 8

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

	mov	REG_RCX(%rdi), %rcx
	mov	REG_RDX(%rdi), %rdx
	mov	REG_RBX(%rdi), %rbx
	mov	REG_RBP(%rdi), %rbp
	mov	REG_RSI(%rdi), %rsi
	mov	REG_R8(%rdi), %r8
	mov	REG_R9(%rdi), %r9
	mov	REG_R10(%rdi), %r10
	mov	REG_R11(%rdi), %r11
	mov	REG_R12(%rdi), %r12
	mov	REG_R13(%rdi), %r13
	mov	REG_R14(%rdi), %r14
	mov	REG_R15(%rdi), %r15
	mov	REG_RDI(%rdi), %rdi

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
	mov	%rcx, REG_RCX(%rax)
	mov	%rdx, REG_RDX(%rax)
	mov	%rbx, REG_RBX(%rax)
	mov	%rbp, REG_RBP(%rax)
	mov	%rsi, REG_RSI(%rax)
	mov	%rdi, REG_RDI(%rax)
	mov	%r8, REG_R8(%rax)
	mov	%r9, REG_R9(%rax)
	mov	%r10, REG_R10(%rax)
	mov	%r11, REG_R11(%rax)
	mov	%r12, REG_R12(%rax)
	mov	%r13, REG_R13(%rax)
	mov	%r14, REG_R14(%rax)
	mov	%r15, REG_R15(%rax)

	/* Nothing of the guest's stays in a register that the host could use in speculation. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

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
