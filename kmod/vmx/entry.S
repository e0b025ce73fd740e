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

#include "guest_regs.S"
#include "vmx/entry.h"

#define VMCS_HOST_RSP 0x6c14

.section .noinstr.text, "ax"

/*
 * bool vmx_enter(u64 *regs, struct vmx_transition *transition): in RDI, RSI and, the result, BL. Of
 * the registers only RSP and RBP survive: the caller's compiler knows and keeps what it needs once,
 * not in each of the guest's runs.
 *
 * IRQs off. No RET and no indirect branch between the write of the guest's SPEC_CTRL and the entry,
 * nor between the exit and the write of the host's.
 */
SYM_FUNC_START(vmx_enter)
	push	%rbp
	push	%rsi
	push	%rdi

	/* The same kernel stack at the same depth as last time, mostly. */
	cmp	%rsp, VMX_TRANSITION_HOST_RSP(%rsi)
	jne	.Lhost_rsp
.Lhost_rsp_done:
	ALTERNATIVE "jmp .Lspec_ctrl_loaded", "", X86_FEATURE_MSR_SPEC_CTRL
	testl	$VMX_SPEC_CTRL_LOAD, VMX_TRANSITION_FLAGS(%rsi)
	jnz	.Lspec_ctrl_load
.Lspec_ctrl_loaded:
	/* In CF: neither MOV nor VERW changes that. */
	btl	$VMX_RESUME_BIT, VMX_TRANSITION_FLAGS(%rsi)

	mov	REG_RAX(%rdi), %rax
	LOAD_GUEST_REGS

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

	push	%rax
	mov	8(%rsp), %rax
	SAVE_GUEST_REGS
	pop	REG_RAX(%rax)
	CLEAR_GUEST_REGS

.Lout:
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

	pop	%rbp
	RET

.Lhost_rsp:
	mov	%rsp, VMX_TRANSITION_HOST_RSP(%rsi)
	mov	$VMCS_HOST_RSP, %eax
.Lvmwrite:
	vmwrite	%rsp, %rax
	jmp	.Lhost_rsp_done

.Lspec_ctrl_load:
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	VMX_TRANSITION_GUEST_SPEC_CTRL(%rsi), %eax
	mov	VMX_TRANSITION_GUEST_SPEC_CTRL + 4(%rsi), %edx
	wrmsr
	jmp	.Lspec_ctrl_loaded

.Lvmfail:
	xor	%eax, %eax
	CLEAR_GUEST_REGS
	mov	$1, %ebx
	jmp	.Lout
SYM_FUNC_END(vmx_enter)
