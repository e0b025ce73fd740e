/* SPDX-License-Identifier: GPL-2.0-only */
/* The way into the guest and out of it. */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/ibt.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#include "vmx/entry.h"

/* vcpu->regs, in the order of the instruction encoding; RSP is in the VMCS. */
#define RAX (0 * 8)
#define RCX (1 * 8)
#define RDX (2 * 8)
#define RBX (3 * 8)
#define RBP (5 * 8)
#define RSI (6 * 8)
#define RDI (7 * 8)
#define R8 (8 * 8)
#define R9 (9 * 8)
#define R10 (10 * 8)
#define R11 (11 * 8)
#define R12 (12 * 8)
#define R13 (13 * 8)
#define R14 (14 * 8)
#define R15 (15 * 8)

#define VMCS_HOST_RSP 0x6c14

.section .noinstr.text, "ax"

/*
 * int vmx_enter(u64 *regs, struct vmx_transition *transition)
 *
 * IRQs off. No RET and no indirect branch between the write of the guest's SPEC_CTRL and the entry,
 * nor between the exit and the write of the host's.
 */
SYM_FUNC_START(vmx_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rsi
	push	%rdi

	/* The same kernel stack at the same depth as last time, mostly. */
	cmp	%rsp, VMX_TRANSITION_HOST_RSP(%rsi)
	je	1f
	mov	%rsp, VMX_TRANSITION_HOST_RSP(%rsi)
	mov	$VMCS_HOST_RSP, %eax
.Lvmwrite:
	vmwrite	%rsp, %rax
1:
	mov	VMX_TRANSITION_FLAGS(%rsi), %ebx
	test	$VMX_SPEC_CTRL_LOAD, %ebx
	jz	2f
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	VMX_TRANSITION_GUEST_SPEC_CTRL(%rsi), %eax
	mov	VMX_TRANSITION_GUEST_SPEC_CTRL + 4(%rsi), %edx
	wrmsr
2:
	/* In CF: neither MOV nor VERW changes that. */
	bt	$VMX_RESUME_BIT, %ebx

	mov	RAX(%rdi), %rax
	mov	RCX(%rdi), %rcx
	mov	RDX(%rdi), %rdx
	mov	RBX(%rdi), %rbx
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	mov	R8(%rdi), %r8
	mov	R9(%rdi), %r9
	mov	R10(%rdi), %r10
	mov	R11(%rdi), %r11
	mov	R12(%rdi), %r12
	mov	R13(%rdi), %r13
	mov	R14(%rdi), %r14
	mov	R15(%rdi), %r15
	mov	RDI(%rdi), %rdi

	/* Last: nothing of the host's may pass through the buffers after it. */
	CLEAR_CPU_BUFFERS

	jnc	.Lvmlaunch

	/* The exit goes to vmx_exited with this stack: tell objtool. */
	UNWIND_HINT_SAVE
.Lvmresume:
	vmresume
	jmp	.Lvmfail
.Lvmlaunch:
	vmlaunch
	jmp	.Lvmfail

	_ASM_EXTABLE(.Lvmwrite, .Lvmfail)
	_ASM_EXTABLE(.Lvmresume, .Lvmfail)
	_ASM_EXTABLE(.Lvmlaunch, .Lvmfail)

SYM_INNER_LABEL_ALIGN(vmx_exited, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR

	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, RAX(%rdi)
	mov	%rcx, RCX(%rdi)
	mov	%rdx, RDX(%rdi)
	mov	%rbx, RBX(%rdi)
	mov	%rbp, RBP(%rdi)
	mov	%rsi, RSI(%rdi)
	mov	%r8, R8(%rdi)
	mov	%r9, R9(%rdi)
	mov	%r10, R10(%rdi)
	mov	%r11, R11(%rdi)
	mov	%r12, R12(%rdi)
	mov	%r13, R13(%rdi)
	mov	%r14, R14(%rdi)
	mov	%r15, R15(%rdi)
	pop	RDI(%rdi)

	xor	%ebx, %ebx

.Lout:
	/* Nothing of the guest's stays in a register that speculation could use. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
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

	/*
	 * The guest may have filled the return stack buffer: before the first RET that has no CALL
	 * here.
	 */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE

	pop	%rdi
	pop	%rsi

	ALTERNATIVE "jmp .Lspec_ctrl_done", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	testl	$VMX_SPEC_CTRL_SAVE, VMX_TRANSITION_FLAGS(%rsi)
	jz	3f
	rdmsr
	mov	%eax, VMX_TRANSITION_GUEST_SPEC_CTRL(%rsi)
	mov	%edx, VMX_TRANSITION_GUEST_SPEC_CTRL + 4(%rsi)
3:
	testl	$VMX_SPEC_CTRL_REWRITE, VMX_TRANSITION_FLAGS(%rsi)
	jnz	4f
	mov	VMX_TRANSITION_GUEST_SPEC_CTRL(%rsi), %rax
	cmp	%rax, VMX_TRANSITION_HOST_SPEC_CTRL(%rsi)
	je	5f
4:
	mov	VMX_TRANSITION_HOST_SPEC_CTRL(%rsi), %eax
	mov	VMX_TRANSITION_HOST_SPEC_CTRL + 4(%rsi), %edx
	wrmsr
5:
	/* Not past here with the guest's setting, whichever way the branches were predicted. */
	lfence
.Lspec_ctrl_done:
	CLEAR_BRANCH_HISTORY_VMEXIT

	mov	%ebx, %eax
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lvmfail:
	mov	$1, %ebx
	jmp	.Lout
SYM_FUNC_END(vmx_enter)
