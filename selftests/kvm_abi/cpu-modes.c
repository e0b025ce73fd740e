// SPDX-License-Identifier: GPL-2.0-only
/* Modes of the processor and the ways between them, as firmware and boot loaders go. */
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

static u32 io_value(void)
{
	u32 value = 0;

	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
	memcpy(&value, (u8 *)vcpu.run + vcpu.run->io.data_offset, vcpu.run->io.size);
	return value;
}

static void expect_out(u16 port, u32 value)
{
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, port);
	CHECK_EQ(io_value(), value);
}

/* --- real mode --- */

extern const char real_code[], real_code_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "real_code:\n"
    /* Segment arithmetic and a stack. */
    "	mov	$0x3000, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	$0x2000, %ax\n"
    "	mov	%ax, %ss\n"
    "	mov	$0x100, %sp\n"
    "	movw	$0x1234, (0x10)\n"
    "	pushw	(0x10)\n"
    "	popw	%ax\n"
    "	out	%ax, $0x10\n"
    "	mov	%sp, %ax\n"
    "	out	%ax, $0x12\n"
    /* INT through the vector table at 0. */
    "	xor	%ax, %ax\n"
    "	mov	%ax, %es\n"
    "	movw	$handler - real_code + 0x1000, %es:(0x84)\n"
    "	movw	$0, %es:(0x86)\n"
    "	mov	$0x55, %al\n"
    "	int	$0x21\n"
    "	out	%al, $0x14\n"
    /* #DE through vector 0; its handler steps over the two-byte DIV. */
    "	movw	$divide - real_code + 0x1000, %es:(0)\n"
    "	movw	$0, %es:(2)\n"
    "	xor	%bl, %bl\n"
    "	div	%bl\n"
    "	out	%al, $0x16\n"
    /* 32-bit operands and addresses. */
    "	mov	$0x20010, %ebx\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	movl	$0x89abcdef, 0x30(%esp)\n"
    "	mov	$0x12345678, %eax\n"
    "	out	%eax, $0x18\n"
    "	cli\n"
    "	hlt\n"
    "handler:\n"
    "	inc	%al\n"
    "	iret\n"
    "divide:\n"
    "	mov	$0x77, %al\n"
    "	push	%bp\n"
    "	mov	%sp, %bp\n"
    "	addw	$2, 2(%bp)\n"
    "	pop	%bp\n"
    "	iret\n"
    "real_code_end:\n"
    ".code64\n"
    ".popsection");

TEST(real_mode)
{
	struct kvm_sregs sregs;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_real_mode(&vcpu, real_code, real_code_end);
	expect_out(0x10, 0x1234);
	CHECK_EQ(*(u16 *)(vm.ram + 0x30010), 0x1234);
	CHECK_EQ(*(u16 *)(vm.ram + 0x200fe), 0x1234);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.ds.base, 0x30000);
	CHECK_EQ(sregs.ss.base, 0x20000);
	CHECK_EQ(sregs.cr0 & CR0_PE, 0);
	expect_out(0x12, 0x100);
	expect_out(0x14, 0x56);
	expect_out(0x16, 0x77);
	expect_out(0x18, 0x12345678);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- from reset to 64-bit and back to real mode --- */

static u32 way_stack[64] __attribute__((used));

extern const char way_code[], way_code_end[], way_32[], way_64[], way_back_32[];
asm(".pushsection .text\n"
    ".code16\n"
    "way_code:\n"
    "	cli\n"
    "	mov	$1, %al\n"
    "	out	%al, $0x10\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	lgdtl	gdtr - way_code + 0x1000\n"
    "	mov	%cr0, %eax\n"
    "	or	$1, %eax\n"
    "	mov	%eax, %cr0\n"
    "	ljmpl	$0x18, $way_32\n"
    "gdtr:\n"
    "	.word	0x57\n"
    "	.long	0x10000\n"
    "	.balign	8\n"
    "real_again:\n" /* 16-bit protected mode, at low addresses */
    "	mov	$0x20, %ax\n"
    "	mov	%ax, %ds; mov %ax, %es; mov %ax, %ss; mov %ax, %fs; mov %ax, %gs\n"
    "	mov	%cr0, %eax\n"
    "	and	$0xfffffffe, %eax\n"
    "	mov	%eax, %cr0\n"
    "	ljmp	$0, $real_last - way_code + 0x1000\n"
    "real_last:\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds; mov %ax, %ss; mov $0x7000, %sp\n"
    "	mov	$9, %al\n"
    "	out	%al, $0x10\n"
    "	hlt\n"
    "way_code_end:\n"
    ".code32\n"
    "way_32:\n"
    "	mov	$0x10, %eax\n"
    "	mov	%eax, %ds; mov %eax, %es; mov %eax, %ss; mov %eax, %fs; mov %eax, %gs\n"
    "	mov	$way_stack + 256, %esp\n"
    "	mov	$2, %al\n"
    "	out	%al, $0x10\n"
    /* SDM 3A 9.8.5: PAE, CR3, LME, PG. */
    "	mov	%cr4, %eax\n"
    "	or	$0x20, %eax\n"
    "	mov	%eax, %cr4\n"
    "	mov	$0x200000, %eax\n"
    "	mov	%eax, %cr3\n"
    "	mov	$0xc0000080, %ecx\n"
    "	rdmsr\n"
    "	or	$0x100, %eax\n"
    "	wrmsr\n"
    "	mov	%cr0, %eax\n"
    "	or	$0x80000000, %eax\n"
    "	mov	%eax, %cr0\n"
    /* Compatibility mode from here to the far jump. */
    "	mov	$3, %al\n"
    "	out	%al, $0x10\n"
    "	rdmsr\n"
    "	out	%eax, $0x14\n"
    "	ljmp	$0x08, $way_64\n"
    ".code64\n"
    "way_64:\n"
    "	mov	$0x123456789abc, %rbx\n"
    "	mov	%rbx, %r15\n"
    "	mov	$4, %al\n"
    "	out	%al, $0x10\n"
    /* Out again: far return to 32-bit code, paging off, LME off, protection off. */
    "	pushq	$0x18\n"
    "	pushq	$way_back_32\n"
    "	lretq\n"
    ".code32\n"
    "way_back_32:\n"
    "	mov	$5, %al\n"
    "	out	%al, $0x10\n"
    "	mov	%cr0, %eax\n"
    "	and	$0x7fffffff, %eax\n"
    "	mov	%eax, %cr0\n"
    "	mov	$0xc0000080, %ecx\n"
    "	rdmsr\n"
    "	out	%eax, $0x14\n" /* LMA is gone with PG */
    "	and	$0xfffffeff, %eax\n"
    "	wrmsr\n"
    "	mov	$6, %al\n"
    "	out	%al, $0x10\n"
    "	ljmp	$0x28, $real_again - way_code + 0x1000\n"
    ".code64\n"
    ".popsection");

TEST(from_real_mode_to_long_mode_and_back)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_real_mode(&vcpu, way_code, way_code_end);
	expect_out(0x10, 1);
	expect_out(0x10, 2);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.cr0 & (CR0_PE | CR0_PG), CR0_PE);
	CHECK_EQ(sregs.cs.selector, SEL_CODE32);
	CHECK(sregs.cs.db && !sregs.cs.l);
	expect_out(0x10, 3);
	expect_out(0x14, EFER_LME | EFER_LMA);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.efer, EFER_LME | EFER_LMA);
	CHECK(sregs.cs.db && !sregs.cs.l);
	expect_out(0x10, 4);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK(!sregs.cs.db && sregs.cs.l);
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(regs.r15, 0x123456789abc);
	expect_out(0x10, 5);
	expect_out(0x14, EFER_LME);
	expect_out(0x10, 6);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.efer, 0);
	CHECK_EQ(sregs.cr0 & CR0_PG, 0);
	expect_out(0x10, 9);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.cr0 & CR0_PE, 0);
	CHECK_EQ(sregs.cs.base, 0);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- 32-bit paging --- */

extern const char paged_code[];
asm(".pushsection .text\n"
    ".code32\n"
    "paged_code:\n"
    "	movl	0x40000010, %eax\n"
    "	out	%eax, $0x10\n"
    "	movl	$0x600df00d, 0x40000020\n"
    /* Device memory through a page table. */
    "	movl	0x40400004, %eax\n"
    "	out	%eax, $0x12\n"
    "	hlt\n"
    ".code64\n"
    ".popsection");

static void start_paged(u64 cr4, u64 cr3)
{
	struct kvm_sregs sregs;

	vcpu_set_protected_mode(&vcpu, paged_code);
	vcpu_get_sregs(&vcpu, &sregs);
	sregs.cr0 |= CR0_PG;
	sregs.cr4 = cr4;
	sregs.cr3 = cr3;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs));
}

static void check_paged(u8 *page)
{
	*(u32 *)(page + 0x10) = 0x51515151;
	expect_out(0x10, 0x51515151);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(*(u32 *)(page + 0x20), 0x600df00d);
	CHECK_EQ(vcpu.run->mmio.phys_addr, 0xd0000004);
	CHECK(!vcpu.run->mmio.is_write && vcpu.run->mmio.len == 4);
	*(u32 *)vcpu.run->mmio.data = 0xabcdef01;
	expect_out(0x12, 0xabcdef01);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* Two levels, 4 MiB pages for the identity part, a 4 KiB page table for the rest. */
TEST(two_level_paging)
{
	u32 *directory, *table;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	directory = (u32 *)(vm.ram + GUEST_FREE);
	table = directory + 1024;
	directory[0] = 0 | PTE_PS | PTE_P | PTE_W;
	directory[1] = 0x400000 | PTE_PS | PTE_P | PTE_W;
	directory[0x100] = (GUEST_FREE + 0x1000) | PTE_P | PTE_W;
	directory[0x101] = 0xd0000000 | PTE_PS | PTE_P | PTE_W;
	table[0] = (GUEST_FREE + 0x5000) | PTE_P | PTE_W;
	start_paged(CR4_PSE, GUEST_FREE);
	check_paged(vm.ram + GUEST_FREE + 0x5000);
}

TEST(pae_paging)
{
	u64 *pdpt, *pd;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	pdpt = (u64 *)(vm.ram + GUEST_FREE);
	pd = pdpt + 512;
	pdpt[0] = (GUEST_PAGE_TABLES + 0x2000) |
		  PTE_P; /* the identity map of 64-bit mode has this format */
	pdpt[1] = (GUEST_FREE + 0x1000) | PTE_P;
	pd[0] = (GUEST_FREE + 0x2000) | PTE_P | PTE_W;
	pd[2] = 0xd0000000 | PTE_PS | PTE_P | PTE_W;
	pd[512] = (GUEST_FREE + 0x5000) | PTE_P | PTE_W;
	start_paged(CR4_PAE, GUEST_FREE);
	check_paged(vm.ram + GUEST_FREE + 0x5000);
}

/* The guest itself turns PAE paging on: its four entries are read at MOV CR0/CR3 (SDM 3A 4.4.1). */
extern const char pae_by_guest[];
asm(".pushsection .text\n"
    ".code32\n"
    "pae_by_guest:\n"
    "	mov	$0xa00000, %eax\n"
    "	mov	%eax, %cr3\n"
    "	mov	%cr4, %eax\n"
    "	or	$0x20, %eax\n"
    "	mov	%eax, %cr4\n"
    "	mov	%cr0, %eax\n"
    "	or	$0x80000000, %eax\n"
    "	mov	%eax, %cr0\n"
    "	movl	0x40000010, %eax\n"
    "	out	%eax, $0x10\n"
    /* Another set of four. */
    "	mov	$0xa00020, %eax\n"
    "	mov	%eax, %cr3\n"
    "	movl	0x40000010, %eax\n"
    "	out	%eax, $0x10\n"
    /* An exit that lets userspace look, then on. */
    "	movl	0x40000014, %eax\n"
    "	out	%eax, $0x10\n"
    "	hlt\n"
    ".code64\n"
    ".popsection");

TEST(pae_paging_by_the_guest)
{
	u64 *pdpt;
	u32 i;

	_Static_assert(GUEST_FREE == 0xa00000, "the code above");
	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	pdpt = (u64 *)(vm.ram + GUEST_FREE);
	for (i = 0; i < 2; i++) {
		u64 *pd = pdpt + 512 * (i + 1), page = GUEST_FREE + 0x5000 + 0x1000 * i;
		u64 *table = (u64 *)(vm.ram + GUEST_FREE + 0x8000 + 0x1000 * i);

		pdpt[4 * i] = (GUEST_PAGE_TABLES + 0x2000) | PTE_P;
		pdpt[4 * i + 1] = (GUEST_FREE + 0x1000 * (i + 1)) | PTE_P;
		pd[0] = (GUEST_FREE + 0x8000 + 0x1000 * i) | PTE_P | PTE_W;
		table[0] = page | PTE_P | PTE_W;
		*(u32 *)(vm.ram + page + 0x10) = 0x1000 + i;
		*(u32 *)(vm.ram + page + 0x14) = 0x2000 + i;
	}
	vcpu_set_protected_mode(&vcpu, pae_by_guest);
	expect_out(0x10, 0x1000);
	expect_out(0x10, 0x1001);
	expect_out(0x10, 0x2001);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- virtual-8086 and 16-bit protected mode --- */

extern const char v86_code[], v86_code_end[], v86_enter[];
asm(".pushsection .text\n"
    ".code16\n"
    "v86_code:\n"
    "	mov	$0x0600, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	(0x10), %ax\n"
    "	inc	%ax\n"
    "	mov	%ax, (0x12)\n"
    "	hlt\n" /* #GP to the monitor */
    "v86_code_end:\n"
    ".code32\n"
    "v86_enter:\n"
    "	mov	$0x30, %ax\n"
    "	ltr	%ax\n"
    "	pushl	$0; pushl $0; pushl $0; pushl $0\n" /* GS FS DS ES */
    "	pushl	$0; pushl $0x7000\n" /* SS SP */
    "	pushl	$0x20002\n" /* EFLAGS.VM */
    "	pushl	$0; pushl $0x1000\n" /* CS IP */
    "	iretl\n"
    "v86_gp:\n"
    "	movl	8(%esp), %ebx\n"
    "	movl	12(%esp), %ecx\n"
    "	mov	4(%esp), %eax\n" /* EIP of the HLT */
    "	out	%eax, $0x10\n"
    "	mov	%ecx, %eax\n" /* EFLAGS */
    "	out	%eax, $0x12\n"
    "	hlt\n"
    ".code64\n"
    ".popsection");
extern const char v86_gp[];

TEST(virtual_8086_mode)
{
	struct kvm_sregs sregs;
	u32 *tss;
	u16 *gate;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	memcpy(vm.ram + GUEST_LOW_CODE, v86_code, v86_code_end - v86_code);
	*(u16 *)(vm.ram + 0x6010) = 0x4141;
	tss = (u32 *)(vm.ram + GUEST_TSS);
	tss[1] = GUEST_STACKS + 2 * GUEST_STACK_SIZE; /* ESP0 */
	tss[2] = SEL_DATA;
	((u8 *)(vm.ram + GUEST_GDT))[SEL_TSS + 5] = 0x89; /* available, for LTR */
	gate = (u16 *)(vm.ram + GUEST_IDT + 8 * VEC_GP);
	gate[0] = (u64)v86_gp;
	gate[1] = SEL_CODE32;
	gate[2] = 0x8e00;
	gate[3] = (u64)v86_gp >> 16;
	vcpu_set_protected_mode(&vcpu, v86_enter);
	expect_out(0x10, GUEST_LOW_CODE + (v86_code_end - v86_code) - 1);
	CHECK_EQ(*(u16 *)(vm.ram + 0x6012), 0x4142);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(io_value() & 0x20000, 0x20000);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.cs.selector, SEL_CODE32);
}

/* --- a far call between 64-bit and compatibility code, with device memory from both --- */

extern const char compat_code[];
asm(".pushsection .text\n"
    ".code32\n"
    "compat_code:\n"
    "	movl	%eax, 0xd0000010\n"
    "	mov	0xd0000020, %eax\n"
    "	lret\n"
    ".code64\n"
    ".popsection");

static void guest_compat(u64 arg)
{
	static struct {
		u32 offset;
		u16 selector;
	} __attribute__((packed)) far;
	u64 rax = 0x1122334455667788;

	far.offset = (u64)compat_code;
	far.selector = SEL_CODE32;
	asm volatile("lcall *%1" : "+a"(rax) : "m"(far) : "memory");
	guest_done(rax);
}

TEST(compatibility_mode)
{
	guest_start(&vm, &vcpu, 0, guest_compat, 0);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK(vcpu.run->mmio.is_write && vcpu.run->mmio.len == 4);
	CHECK_EQ(*(u32 *)vcpu.run->mmio.data, 0x55667788);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, 0xd0000020);
	*(u32 *)vcpu.run->mmio.data = 0x76543210;
	CHECK_EQ(vcpu_done(&vcpu), 0x76543210);
}

/* The reset vector: FFFF0000:FFF0 is the last 16 bytes below 4 GiB, where firmware is. */
TEST(reset_vector)
{
	struct vcpu fresh;
	u8 *rom;

	vm_create(&vm, 0);
	vcpu_create(&vm, &fresh, 0);
	rom = vm_add_memory(&vm, 1, 0xffff0000, 0x10000);
	rom[0xfff0] = 0xe6; /* out %al, $0x42 */
	rom[0xfff1] = 0x42;
	rom[0xfff2] = 0xf4;
	vcpu_expect(&fresh, KVM_EXIT_IO);
	CHECK_EQ(fresh.run->io.port, 0x42);
	vcpu_expect(&fresh, KVM_EXIT_HLT);
}
