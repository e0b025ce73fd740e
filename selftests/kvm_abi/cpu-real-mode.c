// SPDX-License-Identifier: GPL-2.0-only
/*
 * What BIOSes, boot loaders and DOS extenders do with 16-bit code: segments that remember limits from protected mode
 * ("big real"), interrupts through the vector table, string I/O, 16-bit segments and gates in protected mode.
 * The code runs at 0100:0000, which is where vcpu_set_real_mode() puts it.
 */
#include <string.h>

#include "guest.h"

#define BASE GUEST_LOW_CODE
/* Segments 0x200 and up are the tests' own. */
#define DATA 0x2000UL
#define STACK 0x3000UL
#define GDT 0x4000UL
#define IDT 0x5000UL

static struct vm vm;
static struct vcpu vcpu;

static void start(const char *code, const char *end)
{
	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_real_mode(&vcpu, code, end);
}

static void expect_out(u16 port, u32 value)
{
	u32 got = 0;

	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, port);
	CHECK_EQ(vcpu.run->io.direction, KVM_EXIT_IO_OUT);
	memcpy(&got, (u8 *)vcpu.run + vcpu.run->io.data_offset, vcpu.run->io.size);
	CHECK_EQ(got, value);
}

static void expect_mmio(bool is_write, u64 addr, u32 len, u32 value)
{
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, addr);
	CHECK_EQ(vcpu.run->mmio.is_write, is_write);
	CHECK_EQ(vcpu.run->mmio.len, len);
	if (is_write)
		CHECK(!memcmp(vcpu.run->mmio.data, &value, len));
	else
		memcpy(vcpu.run->mmio.data, &value, len);
}

static u64 descriptor(u32 base, u32 limit, u8 access, u8 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
	       (u64)(limit >> 16 & 0xf) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static u64 gate(u16 selector, u16 offset, u8 access)
{
	return offset | (u64)selector << 16 | (u64)access << 40;
}

/* --- big real mode: SDM 3A 9.9.2 leaves the segments as protected mode loaded them --- */

extern const char big_real[], big_real_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "big_real:\n"
    "	ljmp	$0x100, $1f - big_real\n"
    "1:	cli\n"
    "	lgdtl	%cs:big_gdtr - big_real\n"
    "	mov	%cr0, %eax\n"
    "	inc	%ax\n"
    "	mov	%eax, %cr0\n"
    "	mov	$0x08, %dx\n"
    "	mov	%dx, %ds\n"
    "	mov	%dx, %es\n"
    "	dec	%ax\n"
    "	mov	%eax, %cr0\n"
    /* Memory above 1 MiB, alone and by string instructions. */
    "	mov	$0xa00000, %esi\n"
    "	movl	$0x13579bdf, (%esi)\n"
    "	movl	(%esi), %eax\n"
    "	out	%eax, $0x10\n"
    "	lea	4(%esi), %edi\n"
    "	mov	$3, %ecx\n"
    "	cld\n"
    "	addr32 rep movsl\n"
    "	movl	-4(%edi), %eax\n"
    "	out	%eax, $0x12\n"
    /* Devices there. */
    "	mov	$0xd0000000, %ebx\n"
    "	movl	0x10(%ebx), %eax\n"
    "	movw	%ax, %ds:0x24(%ebx)\n"
    "	lea	0x40(%ebx), %esi\n"
    "	mov	$0xa00100, %edi\n"
    "	mov	$2, %ecx\n"
    "	addr32 rep movsb\n"
    /* A new value in DS: another base, the limit stays. */
    "	mov	$0x2000, %ax\n"
    "	mov	%ax, %ds\n"
    "	movl	$0xa00200 - 0x20000, %ebx\n"
    "	movb	$0x66, (%ebx)\n"
    "	out	%al, $0x14\n"
    "	hlt\n"
    "big_gdtr:\n"
    "	.word	0xf\n"
    "	.long	0x4000\n"
    "big_real_end:\n"
    ".code64\n"
    ".popsection");

TEST(big_real_mode)
{
	struct kvm_sregs sregs;

	start(big_real, big_real_end);
	*(u64 *)(vm.ram + GDT + 8) = descriptor(0, 0xfffff, 0x93, 0xc);
	expect_out(0x10, 0x13579bdf);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.cr0 & CR0_PE, 0);
	CHECK_EQ(sregs.ds.limit, 0xffffffff);
	CHECK_EQ(sregs.cs.base, BASE);
	/* Set as they were got, they stay as big. */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs));
	expect_out(0x12, 0x13579bdf);
	expect_mmio(false, 0xd0000010, 4, 0xcafe1234);
	expect_mmio(true, 0xd0000024, 2, 0x1234);
	expect_mmio(false, 0xd0000040, 1, 0x77);
	expect_mmio(false, 0xd0000041, 1, 0x88);
	expect_out(0x14, 0x00);
	CHECK_EQ(*(u16 *)(vm.ram + 0xa00100), 0x8877);
	CHECK_EQ(vm.ram[0xa00200], 0x66);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.ds.base, 0x20000);
	CHECK_EQ(sregs.ds.limit, 0xffffffff);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- limits of 64 KiB --- */

extern const char limits[], limits_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "limits:\n"
    "	ljmp	$0x100, $1f - limits\n"
    "1:	mov	$0x300, %ax\n"
    "	mov	%ax, %ss\n"
    "	mov	$0x800, %sp\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	movw	$limits_gp - limits, 13 * 4\n"
    "	movw	$0x100, 13 * 4 + 2\n"
    "	mov	$2f - limits, %bp\n"
    "	mov	0xffff, %ax\n" /* a word, half of it beyond */
    "	hlt\n"
    "2:	mov	$3f - limits, %bp\n"
    "	mov	$0x10000, %ebx\n"
    "	movb	(%ebx), %al\n"
    "	hlt\n"
    "3:	mov	$0x33, %al\n"
    "	out	%al, $0x10\n"
    "	hlt\n"
    "limits_gp:\n" /* no error code in real mode */
    "	pop	%dx\n"
    "	push	%bp\n"
    "	mov	%sp, %ax\n"
    "	out	%ax, $0x12\n"
    "	iret\n"
    "limits_end:\n"
    ".code64\n"
    ".popsection");

TEST(real_mode_limits)
{
	if (!host_is_intel())
		test_skip("QEMU's CPU, which the AMD host is, checks no limits");
	start(limits, limits_end);
	expect_out(0x12, 0x800 - 6);
	expect_out(0x12, 0x800 - 6);
	expect_out(0x10, 0x33);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- far jumps, calls, returns --- */

extern const char far_code[], far_code_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "far_code:\n"
    "	mov	$0x300, %ax\n"
    "	mov	%ax, %ss\n"
    "	mov	$0x800, %sp\n"
    "	ljmp	$0x100, $1f - far_code\n"
    "1:	out	%al, $0x10\n"
    "	ljmp	*%cs:far_pointer - far_code\n"
    "far_pointer:\n"
    "	.word	1f - far_code + 0x800, 0x80\n"
    "1:	out	%al, $0x12\n"
    /* Its two arguments go with RETF 4. */
    "	push	$0x1111\n"
    "	push	$0x2222\n"
    "	lcall	$0x100, $far_callee - far_code\n"
    "	mov	%sp, %ax\n"
    "	out	%ax, $0x16\n"
    /* A far call with 32-bit operands, and back. */
    "	lcalll	$0x100, $far_callee32 - far_code\n"
    /* IRET as a jump, with flags. */
    "	pushw	$0x0c03\n"
    "	pushw	$0x100\n"
    "	pushw	$2f - far_code\n"
    "	iret\n"
    "2:	pushf\n"
    "	pop	%ax\n"
    "	out	%ax, $0x18\n"
    "	mov	%sp, %ax\n"
    "	out	%ax, $0x1a\n"
    "	cld\n"
    "	hlt\n"
    "far_callee:\n"
    "	mov	%sp, %bp\n"
    "	mov	6(%bp), %ax\n"
    "	out	%ax, $0x14\n"
    "	lret	$4\n"
    "far_callee32:\n"
    "	mov	%sp, %ax\n"
    "	out	%ax, $0x14\n"
    "	lretl\n"
    "far_code_end:\n"
    ".code64\n"
    ".popsection");

static void expect_segment(u16 port, u16 selector)
{
	struct kvm_sregs sregs;

	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, port);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.cs.selector, selector);
	CHECK_EQ(sregs.cs.base, selector << 4);
}

TEST(far_transfers)
{
	start(far_code, far_code_end);
	expect_segment(0x10, 0x100);
	expect_segment(0x12, 0x80);
	expect_out(0x14, 0x1111);
	expect_out(0x16, 0x800);
	expect_out(0x14, 0x800 - 8);
	expect_out(0x18, 0x0c03);
	expect_out(0x1a, 0x800);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- string I/O --- */

extern const char string_io[], string_io_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "string_io:\n"
    "	ljmp	$0x100, $1f - string_io\n"
    "1:	mov	$0x2000, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	$0x5000, %ax\n"
    "	mov	%ax, %es\n"
    "	cld\n"
    "	mov	$0x70, %dx\n"
    /* SI wraps at 64 KiB. */
    "	mov	$0xfffd, %si\n"
    "	mov	$6, %cx\n"
    "	rep outsb\n"
    "	mov	%si, %ax\n"
    "	out	%ax, $0x10\n"
    /* Downwards, from another segment. */
    "	std\n"
    "	mov	$4, %si\n"
    "	mov	$3, %cx\n"
    "	rep outsw	%es:(%si), (%dx)\n"
    "	cld\n"
    "	mov	%si, %ax\n"
    "	out	%ax, $0x12\n"
    "	mov	$0x100, %di\n"
    "	mov	$5, %cx\n"
    "	rep insw\n"
    "	mov	%di, %ax\n"
    "	out	%ax, $0x14\n"
    /* Nothing at all. */
    "	xor	%cx, %cx\n"
    "	rep outsb\n"
    "	rep insb\n"
    "	mov	%di, %ax\n"
    "	out	%ax, $0x16\n"
    "	hlt\n"
    "string_io_end:\n"
    ".code64\n"
    ".popsection");

/* However many of them one exit carries. */
static void string_transfer(u8 direction, u8 size, u8 *data, unsigned int bytes)
{
	while (bytes) {
		u8 *page;
		unsigned int n;

		vcpu_expect(&vcpu, KVM_EXIT_IO);
		CHECK_EQ(vcpu.run->io.port, 0x70);
		CHECK_EQ(vcpu.run->io.direction, direction);
		CHECK_EQ(vcpu.run->io.size, size);
		n = vcpu.run->io.count * size;
		CHECK(n && n <= bytes);
		page = (u8 *)vcpu.run + vcpu.run->io.data_offset;
		if (direction == KVM_EXIT_IO_OUT)
			CHECK(!memcmp(page, data, n));
		else
			memcpy(page, data, n);
		data += n;
		bytes -= n;
	}
}

TEST(string_io_in_real_mode)
{
	u8 in[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

	start(string_io, string_io_end);
	memcpy(vm.ram + 0x2fffd, "abc", 3);
	memcpy(vm.ram + 0x20000, "def", 3);
	memcpy(vm.ram + 0x50000, "123456", 6);
	string_transfer(KVM_EXIT_IO_OUT, 1, (u8 *)"abcdef", 6);
	expect_out(0x10, 3);
	string_transfer(KVM_EXIT_IO_OUT, 2, (u8 *)"563412", 6);
	expect_out(0x12, 0xfffe);
	string_transfer(KVM_EXIT_IO_IN, 2, in, sizeof(in));
	expect_out(0x14, 0x10a);
	CHECK(!memcmp(vm.ram + 0x50100, in, sizeof(in)));
	expect_out(0x16, 0x10a);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- interrupts through a vector table that LIDT moved --- */

extern const char vectors[], vectors_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "vectors:\n"
    "	ljmp	$0x100, $1f - vectors\n"
    "1:	mov	$0x300, %ax\n"
    "	mov	%ax, %ss\n"
    "	mov	$0x800, %sp\n"
    "	lidtw	%cs:vectors_idtr - vectors\n"
    "	mov	$0x500, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	$0x01, %al\n"
    "	movw	$vectors_handler - vectors, 0x21 * 4\n"
    "	movw	$0x100, 0x21 * 4 + 2\n"
    "	movw	$vectors_nmi - vectors, 2 * 4\n"
    "	movw	$0x100, 2 * 4 + 2\n"
    "	sti\n"
    "	int	$0x21\n"
    "	out	%al, $0x10\n"
    "	mov	$0x02, %al\n"
    /* One from outside: userspace injects it here, and an NMI later. */
    "	out	%al, $0x12\n"
    "	nop\n"
    "	mov	$0x03, %al\n"
    "	out	%al, $0x12\n"
    "	nop\n"
    "	cli\n"
    "	mov	%sp, %ax\n"
    "	out	%ax, $0x18\n"
    "	hlt\n"
    "vectors_handler:\n"
    "	pushf\n"
    "	pop	%bx\n" /* IF is clear here */
    "	and	$0x200, %bx\n"
    "	mov	%bx, %ax\n"
    "	out	%ax, $0x14\n"
    "	mov	%sp, %bp\n"
    "	mov	4(%bp), %ax\n" /* and set in what IRET restores */
    "	and	$0x200, %ax\n"
    "	out	%ax, $0x14\n"
    "	iret\n"
    "vectors_nmi:\n"
    "	mov	$0x99, %al\n"
    "	out	%al, $0x16\n"
    "	iret\n"
    "vectors_idtr:\n"
    "	.word	0x3ff\n"
    "	.long	0x5000\n"
    "vectors_end:\n"
    ".code64\n"
    ".popsection");

TEST(interrupts_in_real_mode)
{
	struct kvm_interrupt irq = { .irq = 0x21 };

	start(vectors, vectors_end);
	expect_out(0x14, 0);
	expect_out(0x14, 0x200);
	expect_out(0x10, 0);
	expect_out(0x12, 2);
	CHECK_OK(ioctl(vcpu.fd, KVM_INTERRUPT, &irq));
	expect_out(0x14, 0);
	expect_out(0x14, 0x200);
	expect_out(0x12, 3);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI));
	expect_out(0x16, 0x99);
	expect_out(0x18, 0x800);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- 16-bit protected mode --- */

enum { CODE16 = 0x08, DATA16 = 0x10, STACK16 = 0x18, DEVICE16 = 0x20, CODE32 = 0x28 };

extern const char pm16[], pm16_end[], pm16_int[], pm16_int32[], pm16_np[], pm16_gp[];
asm(".pushsection .text\n"
    ".code16\n"
    "pm16:\n"
    "	ljmp	$0x100, $1f - pm16\n"
    "1:	cli\n"
    "	lgdtw	%cs:pm16_gdtr - pm16\n"
    "	lidtw	%cs:pm16_idtr - pm16\n"
    "	mov	%cr0, %eax\n"
    "	inc	%ax\n"
    "	mov	%eax, %cr0\n"
    "	ljmp	$0x08, $1f - pm16\n"
    /* A 16-bit stack uses and changes SP alone. */
    "1:	mov	$0x18, %ax\n"
    "	mov	%ax, %ss\n"
    "	mov	$0x56780800, %esp\n"
    "	mov	$0x10, %ax\n"
    "	mov	%ax, %ds\n"
    "	pushw	$0x4321\n"
    "	mov	%esp, %eax\n"
    "	out	%eax, $0x10\n"
    "	popw	0x10\n"
    "	push	$-1\n"
    "	mov	$0x20, %ax\n"
    "	mov	%ax, %es\n"
    /* Device memory in a segment of its own. */
    "	mov	%es:0x10, %ax\n"
    "	mov	$0x30, %di\n"
    "	mov	$2, %cx\n"
    "	cld\n"
    "	rep stosw\n"
    /* Gates of 16 and of 32 bits; absent ones: #NP, and behind the IDT's end: #GP. */
    "	mov	%esp, %ebx\n"
    "	int	$0x30\n"
    "	out	%ax, $0x14\n"
    "	int	$0x31\n"
    "	out	%ax, $0x14\n"
    "	int	$0x32\n"
    "	int	$0x33\n"
    "	int	$0x80\n"
    "	xor	%esp, %ebx\n"
    "	mov	%ebx, %eax\n"
    "	out	%eax, $0x16\n"
    /* To 32-bit code and back by far calls. */
    "	lcalll	$0x28, $pm16_call32 - pm16\n"
    "	out	%eax, $0x18\n"
    /* And to real mode, segments with it. */
    "	mov	%cr0, %eax\n"
    "	dec	%ax\n"
    "	mov	%eax, %cr0\n"
    "	ljmp	$0x100, $1f - pm16\n"
    "1:	mov	$0x200, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	0x10, %ax\n"
    "	out	%ax, $0x1a\n"
    "	hlt\n"
    "pm16_int:\n"
    "	mov	%sp, %ax\n"
    "	iret\n"
    "pm16_int32:\n"
    "	mov	%sp, %ax\n"
    "	iretl\n"
    "pm16_np:\n" /* 16-bit gate: error, IP, CS, FLAGS. The IP is of the INT itself. */
    "	pop	%ax\n"
    "	out	%ax, $0x1c\n"
    "	mov	%sp, %bp\n"
    "	addw	$2, (%bp)\n"
    "	iret\n"
    "pm16_gp:\n"
    "	pop	%ax\n"
    "	out	%ax, $0x1e\n"
    "	mov	%sp, %bp\n"
    "	addw	$2, (%bp)\n"
    "	iret\n"
    "pm16_gdtr:\n"
    "	.word	0x2f\n"
    "	.long	0x4000\n"
    "pm16_idtr:\n"
    "	.word	0x34 * 8 - 1\n"
    "	.long	0x5000\n"
    ".code32\n"
    "pm16_call32:\n"
    "	mov	$0x87654321, %eax\n"
    "	lret\n"
    "pm16_end:\n"
    ".code64\n"
    ".popsection");

static void set_gate(u8 vector, const char *handler, u8 access)
{
	((u64 *)(vm.ram + IDT))[vector] = gate(CODE16, handler - pm16, access);
}

TEST(protected_mode_16_bit)
{
	u64 *gdt;

	start(pm16, pm16_end);
	gdt = (u64 *)(vm.ram + GDT);
	gdt[CODE16 / 8] = descriptor(BASE, 0xffff, 0x9b, 0);
	gdt[DATA16 / 8] = descriptor(DATA, 0xffff, 0x93, 0);
	gdt[STACK16 / 8] = descriptor(STACK, 0xffff, 0x93, 0);
	gdt[DEVICE16 / 8] = descriptor(0xd0000000, 0xffff, 0x93, 0);
	gdt[CODE32 / 8] = descriptor(BASE, 0xffff, 0x9b, 0x4);
	set_gate(0x30, pm16_int, 0x86);
	set_gate(0x31, pm16_int32, 0x8e);
	set_gate(0x32, pm16_int, 0x06); /* an absent interrupt gate */
	set_gate(0x33, pm16_int, 0x05); /* an absent task gate */
	set_gate(VEC_NP, pm16_np, 0x86);
	set_gate(VEC_GP, pm16_gp, 0x86);
	expect_out(0x10, 0x567807fe);
	expect_mmio(false, 0xd0000010, 2, 0x5a5a);
	expect_mmio(true, 0xd0000030, 2, 0x5a5a);
	expect_mmio(true, 0xd0000032, 2, 0x5a5a);
	expect_out(0x14, 0x7fe - 6);
	expect_out(0x14, 0x7fe - 12);
	expect_out(0x1c, 0x32 * 8 + 2);
	expect_out(0x1c, 0x33 * 8 + 2);
	expect_out(0x1e, 0x80 * 8 + 2);
	expect_out(0x16, 0);
	CHECK_EQ(*(u16 *)(vm.ram + STACK + 0x7fe), 0xffff);
	expect_out(0x18, 0x87654321);
	expect_out(0x1a, 0x4321);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}
