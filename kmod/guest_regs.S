/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the entry code of both vendors: the guest's general registers between the CPU and vcpu->regs
 * (enum vmm_reg, the order of the instruction encoding). RAX is the caller's, who needs a register;
 * RSP is in the VMCS or VMCB.
 */
#ifndef VMM_GUEST_REGS_H
#define VMM_GUEST_REGS_H

#define REG_RAX (0 * 8)
#define REG_RCX (1 * 8)
#define REG_RDX (2 * 8)
#define REG_RBX (3 * 8)
#define REG_RBP (5 * 8)
#define REG_RSI (6 * 8)
#define REG_RDI (7 * 8)
#define REG_R8 (8 * 8)
#define REG_R9 (9 * 8)
#define REG_R10 (10 * 8)
#define REG_R11 (11 * 8)
#define REG_R12 (12 * 8)
#define REG_R13 (13 * 8)
#define REG_R14 (14 * 8)
#define REG_R15 (15 * 8)

/* From the array at RDI. Flags stay. */
.macro LOAD_GUEST_REGS
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
.endm

/* To the array at RAX. */
.macro SAVE_GUEST_REGS
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
.endm

/* Nothing of the guest's stays in a register that speculation of the host could use. */
.macro CLEAR_GUEST_REGS
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
.endm

#endif
