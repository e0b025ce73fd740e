/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest side: the 256 interrupt stubs, their common tail, and where a guest function returns to. */

	.text
	.globl	guest_vectors
	.balign	16
guest_vectors:
	vector = 0
	.rept	256
	.balign	16
	/* SDM 3A 6.15: these push an error code, the others get one so that the frames are alike. */
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0
	.endif
	pushq	$vector
	jmp	guest_vector_tail
	vector = vector + 1
	.endr

guest_vector_tail:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	guest_trap
	mov	%rbp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq

	/* PORT_DONE, for ever. */
	.globl	guest_return
guest_return:
	mov	$0xd2, %edx
	mov	%rax, %rdi
1:	outb	%al, (%dx)
	jmp	1b

	.section .note.GNU-stack, "", @progbits
