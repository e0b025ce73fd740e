/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bzImage of two kilobytes: a boot header and, instead of Linux, a few actions at the 64-bit entry
 * point. The first letter of the command line chooses one. Tests of the launcher run it where
 * Linux would only cost time. With setup_sects 1 the code begins at 0x400, its entry 0x200 later.
 */
	.set COM1, 0x3f8
	.set LSR, COM1 + 5
	.set MCR, COM1 + 4
	.set PM1_CONTROL, 0x604
	.set S5, 5 << 10 | 1 << 13
	.set PM_TIMER, 0x608

	.code64
	.text
	.org 0x1f1
	.byte 1				/* setup_sects */
	.word 0				/* root_flags */
	.long (end - code + 15) / 16	/* syssize */
	.word 0, 0, 0			/* ram_size, vid_mode, root_dev */
	.word 0xaa55			/* boot_flag */
	.byte 0xeb, header_end - 0x202	/* jump */
	.ascii "HdrS"
	.word 0x020f			/* version */
	.long 0				/* realmode_swtch */
	.word 0, 0			/* start_sys_seg, kernel_version */
	.byte 0, 1			/* type_of_loader, loadflags: LOADED_HIGH */
	.word 0				/* setup_move_size */
	.long 0x100000			/* code32_start */
	.long 0, 0, 0			/* ramdisk_image, ramdisk_size, bootsect_kludge */
	.word 0				/* heap_end_ptr */
	.byte 0, 0			/* ext_loader_ver, ext_loader_type */
	.long 0				/* cmd_line_ptr */
	.long 0x7fffffff		/* initrd_addr_max */
	.long 0x200000			/* kernel_alignment */
	.byte 1, 21			/* relocatable_kernel, min_alignment */
	.word 1				/* xloadflags: XLF_KERNEL_64 */
	.long 2047			/* cmdline_size */
	.long 0				/* hardware_subarch */
	.quad 0				/* hardware_subarch_data */
	.long 0, 0			/* payload_offset, payload_length */
	.quad 0				/* setup_data */
	.quad 0x1000000			/* pref_address */
	.long 0x10000			/* init_size */
	.long 0, 0			/* handover_offset, kernel_info_offset */
header_end:

	.org 0x400
code:
	.org 0x600
entry:
	lea stack_top(%rip), %rsp
	mov %rsi, %r15			/* the zero page */
	mov 0x228(%rsi), %ebx		/* cmd_line_ptr */
	mov (%rbx), %al
	lea actions(%rip), %rdi
next_action:
	cmpb $0, (%rdi)
	je power_off
	cmp (%rdi), %al
	je found
	add $5, %rdi
	jmp next_action
found:
	movslq 1(%rdi), %rcx
	lea entry(%rip), %rdx
	add %rdx, %rcx
	jmp *%rcx

	.macro ACTION letter, label
	.byte \letter
	.long \label - entry
	.endm
actions:
	ACTION 'a', ap_start
	ACTION 'e', echo
	ACTION 'f', flood
	ACTION 'h', halt
	ACTION 'k', keyboard_reset
	ACTION 'n', nobody
	ACTION 'r', reset
	ACTION 's', spin
	ACTION 't', triple_fault
	ACTION 'u', unknown_instruction
	ACTION 'z', state
	.byte 0

/* 'p' and anything unknown: S5. */
power_off:
	mov $PM1_CONTROL, %edx
	mov $S5, %eax
	out %ax, %dx
	jmp spin

reset:
	mov $0xcf9, %edx
	mov $6, %al
	out %al, %dx
	jmp spin

keyboard_reset:
	mov $0xfe, %al
	out %al, $0x64
	jmp spin

triple_fault:
	lidt no_idt(%rip)
	ud2

spin:
	pause
	jmp spin

halt:
	lea ready_text(%rip), %rsi
	call print
	cli
	hlt
	jmp halt

/* Says "ready", sends every byte back, powers off at a 'q'. */
echo:
	mov $MCR, %edx
	mov $3, %al
	out %al, %dx
	lea ready_text(%rip), %rsi
	call print
echo_next:
	mov $LSR, %edx
	in %dx, %al
	test $1, %al
	jz echo_next
	mov $COM1, %edx
	in %dx, %al
	call put
	cmp $'q', %al
	jne echo_next
	jmp power_off

/* 100,000 bytes of 0-9 in bursts of ten by OUTS: more than the ring, a pipe and the reader's buffer hold. */
flood:
	mov $10000, %ebx
flood_next:
	mov $LSR, %edx
1:	in %dx, %al
	test $0x20, %al
	jz 1b
	lea digits(%rip), %rsi
	mov $COM1, %edx
	mov $10, %ecx
	rep outsb
	dec %ebx
	jnz flood_next
	jmp power_off

/* Addresses that nobody claims: reads of all widths give all ones, writes change nothing. */
nobody:
	mov $0xcf8, %edx
	mov $0x80000000, %eax
	out %eax, %dx
	in %dx, %eax
	cmp $-1, %eax
	jne bad
	mov $0x1234, %edx
	xor %eax, %eax
	in %dx, %al
	cmp $0xff, %eax
	jne bad
	xor %eax, %eax
	in %dx, %ax
	cmp $0xffff, %eax
	jne bad
	out %al, $0x80
	mov $0xd0000000, %ebx
	movl $0x55, (%rbx)
	cmpl $-1, (%rbx)
	jne bad
	mov 0x1003(%rbx), %al
	cmp $0xff, %al
	jne bad
	mov 8(%rbx), %rax
	cmp $-1, %rax
	jne bad
good:
	lea good_text(%rip), %rsi
	call print
	jmp power_off
bad:
	lea bad_text(%rip), %rsi
	call print
	jmp power_off

/* A store to device memory that no hypervisor emulates. */
unknown_instruction:
	mov $0xd0000000, %ebx
	fnstenv (%rbx)
	jmp power_off

/* The state that the boot protocol promises, and a PM timer that runs. */
state:
	mov %cs, %eax
	cmp $0x10, %eax
	jne bad
	mov %ds, %eax
	cmp $0x18, %eax
	jne bad
	pushf
	pop %rax
	test $0x200, %eax		/* interrupts off */
	jnz bad
	cmpl $0xe0000, 0x70(%r15)	/* acpi_rsdp_addr */
	jne bad
	mov 0x70(%r15), %rbx
	mov rsdp_text(%rip), %rax
	cmp %rax, (%rbx)
	jne bad
	mov $PM_TIMER, %edx
	in %dx, %eax
	mov %eax, %ebx
	mov $1000000, %ecx
1:	in %dx, %eax
	cmp %eax, %ebx
	jne good
	dec %ecx
	jnz 1b
	jmp bad

/* CPU 1 is sent to a real-mode page at 0x8000 (INIT, then SIPI 8), which writes a byte for us to see. */
ap_start:
	mov $0x30000, %edi
	movb $0, (%rdi)
	lea trampoline(%rip), %rsi
	mov $0x8000, %edi
	mov $trampoline_end - trampoline, %ecx
	rep movsb
	mov $0xfee00000, %ebx
	movl $0x1ff, 0xf0(%rbx)		/* the LAPIC on: SVR */
	movl $1 << 24, 0x310(%rbx)	/* to APIC id 1 */
	movl $0x4500, 0x300(%rbx)
	mov $1000000, %ecx
1:	pause
	dec %ecx
	jnz 1b
	movl $1 << 24, 0x310(%rbx)
	movl $0x4608, 0x300(%rbx)
	mov $0x30000, %edi
1:	pause
	cmpb $0x5a, (%rdi)
	jne 1b
	jmp good

put:
	push %rax
	push %rdx
	mov %al, %ah
	mov $LSR, %edx
1:	in %dx, %al
	test $0x20, %al
	jz 1b
	mov $COM1, %edx
	mov %ah, %al
	out %al, %dx
	pop %rdx
	pop %rax
	ret

print:
	lodsb
	test %al, %al
	jz 1f
	call put
	jmp print
1:	ret

	.code16
trampoline:
	mov $0x3000, %ax
	mov %ax, %ds
	movb $0x5a, 0
1:	hlt
	jmp 1b
trampoline_end:
	.code64

	.balign 8
no_idt:
	.word 0
	.quad 0
	.balign 8
rsdp_text:
	.ascii "RSD PTR "
digits:
	.ascii "0123456789"
ready_text:
	.asciz "ready\n"
good_text:
	.asciz "good\n"
bad_text:
	.asciz "bad\n"
	.balign 16
	.space 256
stack_top:
end:
