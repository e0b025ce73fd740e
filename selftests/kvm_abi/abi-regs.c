// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register state through the vCPU calls: what is set is what is read back and what the guest has;
 * state that no processor can be in is refused and leaves the old state as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

static void setup(unsigned int flags)
{
	vm_create(&vm, flags);
	vcpu_create(&vm, &vcpu, 0);
}

/* --- general registers --- */

TEST(reset_state)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	setup(0);
	vcpu_get_regs(&vcpu, &regs);
	vcpu_get_sregs(&vcpu, &sregs);
	/* SDM 3A table 9-1. */
	CHECK_EQ(regs.rip, 0xfff0);
	CHECK_EQ(regs.rflags, 2);
	CHECK_EQ(regs.rax | regs.rbx | regs.rcx | regs.rsi | regs.rdi | regs.rbp | regs.rsp, 0);
	CHECK_EQ(sregs.cr0, CR0_CD | CR0_NW | CR0_ET);
	CHECK_EQ(sregs.cr2 | sregs.cr3 | sregs.cr4 | sregs.efer, 0);
	CHECK_EQ(sregs.cs.selector, 0xf000);
	CHECK_EQ(sregs.cs.base, 0xffff0000);
	CHECK_EQ(sregs.cs.limit, 0xffff);
	CHECK_EQ(sregs.ds.base | sregs.es.base | sregs.ss.base | sregs.ds.selector, 0);
	CHECK_EQ(sregs.ss.limit, 0xffff);
	CHECK_EQ(sregs.gdt.limit, 0xffff);
	CHECK_EQ(sregs.idt.limit, 0xffff);
	CHECK_EQ(sregs.apic_base & 0xffffff000UL, 0xfee00000);
}

TEST(general_registers_round_trip)
{
	struct kvm_regs set, got;
	u64 *word = (u64 *)&set;
	unsigned int i;

	setup(0);
	for (i = 0; i < 16; i++)
		word[i] = 0x8877665544332211 * (i + 1);
	set.rip = 0xfffffffffffff123;
	set.rflags = 0x200ed7 & ~0x8UL;
	vcpu_set_regs(&vcpu, &set);
	vcpu_get_regs(&vcpu, &got);
	CHECK(!memcmp(&set, &got, sizeof(set)));
}

static u64 seen_by_guest[18];

/* Stores every register as it is on entry, then loads each with its complement. */
extern const char guest_store_registers[];
asm(".pushsection .text\n"
    "guest_store_registers:\n"
    "	mov	%rax, seen_by_guest+0(%rip)\n"
    "	mov	%rbx, seen_by_guest+8(%rip)\n"
    "	mov	%rcx, seen_by_guest+16(%rip)\n"
    "	mov	%rdx, seen_by_guest+24(%rip)\n"
    "	mov	%rsi, seen_by_guest+32(%rip)\n"
    "	mov	%rdi, seen_by_guest+40(%rip)\n"
    "	mov	%rsp, seen_by_guest+48(%rip)\n"
    "	mov	%rbp, seen_by_guest+56(%rip)\n"
    "	mov	%r8, seen_by_guest+64(%rip)\n"
    "	mov	%r9, seen_by_guest+72(%rip)\n"
    "	mov	%r10, seen_by_guest+80(%rip)\n"
    "	mov	%r11, seen_by_guest+88(%rip)\n"
    "	mov	%r12, seen_by_guest+96(%rip)\n"
    "	mov	%r13, seen_by_guest+104(%rip)\n"
    "	mov	%r14, seen_by_guest+112(%rip)\n"
    "	mov	%r15, seen_by_guest+120(%rip)\n"
    "	not	%rax; not %rbx; not %rcx; not %rdx; not %rsi; not %rdi; not %rsp; not %rbp\n"
    "	not	%r8; not %r9; not %r10; not %r11; not %r12; not %r13; not %r14; not %r15\n"
    "	hlt\n"
    ".popsection");

TEST(general_registers_reach_the_guest)
{
	struct kvm_regs set, got;
	u64 *word = (u64 *)&set, *result = (u64 *)&got;
	u64 *seen;
	unsigned int i;

	guest_start(&vm, &vcpu, 0, (void (*)(u64))guest_store_registers, 0);
	vcpu_get_regs(&vcpu, &set);
	for (i = 0; i < 16; i++)
		word[i] = 0x9182736455463728 * (i + 3) + i;
	vcpu_set_regs(&vcpu, &set);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
	vcpu_get_regs(&vcpu, &got);
	/* struct kvm_regs has them in the order of seen_by_guest. */
	seen = vm_global(&vm, seen_by_guest);
	for (i = 0; i < 16; i++) {
		CHECK_MSG(seen[i] == word[i], "register %u", i);
		CHECK_MSG(result[i] == ~word[i], "register %u", i);
	}
}

TEST(rflags_reserved_bit)
{
	struct kvm_regs regs;

	setup(0);
	vcpu_get_regs(&vcpu, &regs);
	regs.rflags = 0; /* bit 1 is always 1 */
	vcpu_set_regs(&vcpu, &regs);
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(regs.rflags, 2);
}

/* A RIP that is not canonical cannot run: the VM's error, and the host goes on. */
TEST(rip_not_canonical)
{
	struct kvm_regs regs;
	int ret;

	guest_start(&vm, &vcpu, 0, (void (*)(u64))guest_store_registers, 0);
	vcpu_get_regs(&vcpu, &regs);
	regs.rip = 0x8000000000000000;
	if (ioctl(vcpu.fd, KVM_SET_REGS, &regs) < 0)
		return;
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	if (!ret)
		test_diag("exit %u %s", vcpu.run->exit_reason, exit_name(vcpu.run->exit_reason));
}

/* --- sregs --- */

static void compare_sregs(const struct kvm_sregs *a, const struct kvm_sregs *b)
{
#define SAME(field) CHECK_EQ(a->field, b->field)
	SAME(cr0);
	SAME(cr2);
	SAME(cr3);
	SAME(cr4);
	SAME(cr8);
	SAME(efer);
	SAME(apic_base);
	SAME(gdt.base);
	SAME(gdt.limit);
	SAME(idt.base);
	SAME(idt.limit);
	CHECK(!memcmp(&a->cs, &b->cs, sizeof(a->cs)));
	CHECK(!memcmp(&a->ds, &b->ds, sizeof(a->ds)));
	CHECK(!memcmp(&a->es, &b->es, sizeof(a->es)));
	CHECK(!memcmp(&a->fs, &b->fs, sizeof(a->fs)));
	CHECK(!memcmp(&a->gs, &b->gs, sizeof(a->gs)));
	CHECK(!memcmp(&a->ss, &b->ss, sizeof(a->ss)));
	CHECK(!memcmp(&a->tr, &b->tr, sizeof(a->tr)));
	CHECK(!memcmp(&a->ldt, &b->ldt, sizeof(a->ldt)));
}

TEST(sregs_round_trip)
{
	struct kvm_sregs set, got;

	setup(0);
	vcpu_set_long_mode(&vcpu, (void (*)(u64))guest_store_registers, 0);
	vcpu_get_sregs(&vcpu, &set);
	set.fs.base = 0xffff912345678000;
	set.gs.base = 0x00007f1234567000;
	set.fs.selector = 0x10;
	set.cr2 = 0xffffdeadbeef0000;
	set.cr4 |= CR4_PGE;
	set.efer |= EFER_SCE;
	set.gdt.base = 0xfffffe0000001000;
	set.idt.base = 0xfffffe0000002000;
	set.cr8 = 5;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &set));
	vcpu_get_sregs(&vcpu, &got);
	compare_sregs(&set, &got);
	/* What a get returned can be set again. */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &got));
	vcpu_get_sregs(&vcpu, &got);
	compare_sregs(&set, &got);
}

TEST(sregs_of_every_mode_round_trip)
{
	struct kvm_sregs set, got;

	setup(0);
	vcpu_get_sregs(&vcpu, &set); /* reset: real mode */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &set));
	vcpu_get_sregs(&vcpu, &got);
	compare_sregs(&set, &got);
	vcpu_set_protected_mode(&vcpu, guest_store_registers);
	vcpu_get_sregs(&vcpu, &set);
	set.cr0 |= CR0_PG;
	set.cr4 |= CR4_PAE;
	set.cr3 = GUEST_PAGE_TABLES + 0x20;
	/* PAE's four entries are loaded by hardware or read from memory: zeroes are not present. */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &set));
	vcpu_get_sregs(&vcpu, &got);
	CHECK_EQ(got.cr3, set.cr3);
	CHECK_EQ(got.cr4, set.cr4);
}

/* KVM_GET_SREGS2/KVM_SET_SREGS2, where there: the same and the PDPTRs. */
TEST(sregs2_round_trip)
{
	struct kvm_sregs2 set, got;
	struct kvm_sregs old;

	setup(0);
	if (!has_cap(vm.dev, KVM_CAP_SREGS2))
		test_skip("no KVM_CAP_SREGS2");
	vcpu_set_long_mode(&vcpu, (void (*)(u64))guest_store_registers, 0);
	memset(&set, 0, sizeof(set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_SREGS2, &set));
	vcpu_get_sregs(&vcpu, &old);
	CHECK_EQ(set.cr3, old.cr3);
	CHECK_EQ(set.efer, old.efer);
	CHECK(!memcmp(&set.cs, &old.cs, sizeof(old.cs)));
	set.fs.base = 0x123456000;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS2, &set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_SREGS2, &got));
	CHECK_EQ(got.fs.base, 0x123456000);
	set.flags = 0x80;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS2, &set), EINVAL);
}

struct bad_sregs {
	const char *what;
	u64 cr0_set, cr0_clear, cr4_set, cr4_clear, efer_set, efer_clear;
	bool cs_l_and_db;
	bool vmm_only; /* KVM of 6.1 lets it through and finds out at entry, or never */
};

/* Each from a valid 64-bit state. */
static const struct bad_sregs bad_sregs[] = {
	{ "PG without PE", .cr0_clear = CR0_PE },
	{ "LME and PG without PAE", .cr4_clear = CR4_PAE },
	{ "LME and PG without LMA", .efer_clear = EFER_LMA },
	{ "LMA without LME", .efer_clear = EFER_LME },
	{ "LMA without PG", .cr0_clear = CR0_PG },
	{ "CR0 upper half", .cr0_set = 1UL << 32 },
	{ "NW without CD", .cr0_set = CR0_NW },
	{ "CR4 upper half", .cr4_set = 1UL << 40 },
	{ "CR4 reserved bit", .cr4_set = 1UL << 15 },
	{ "CR4.VMXE", .cr4_set = CR4_VMXE, .vmm_only = true },
	{ "EFER reserved bit", .efer_set = 1UL << 2, .vmm_only = true },
	{ "EFER upper half", .efer_set = 1UL << 50, .vmm_only = true },
	{ "EFER.SVME", .efer_set = EFER_SVME, .vmm_only = true },
	{ "CS.L with CS.D", .cs_l_and_db = true, .vmm_only = true },
};

static void apply_bad(struct kvm_sregs *sregs, const struct bad_sregs *bad)
{
	sregs->cr0 = (sregs->cr0 | bad->cr0_set) & ~bad->cr0_clear;
	sregs->cr4 = (sregs->cr4 | bad->cr4_set) & ~bad->cr4_clear;
	sregs->efer = (sregs->efer | bad->efer_set) & ~bad->efer_clear;
	if (bad->cs_l_and_db)
		sregs->cs.l = sregs->cs.db = 1;
}

TEST(sregs_contradictions_refused)
{
	struct kvm_sregs good, bad, got;
	unsigned int i;

	setup(0);
	vcpu_set_long_mode(&vcpu, (void (*)(u64))guest_store_registers, 0);
	vcpu_get_sregs(&vcpu, &good);
	for (i = 0; i < sizeof(bad_sregs) / sizeof(bad_sregs[0]); i++) {
		if (bad_sregs[i].vmm_only && device_is_kvm())
			continue;
		bad = good;
		apply_bad(&bad, &bad_sregs[i]);
		errno = 0;
		CHECK_MSG(ioctl(vcpu.fd, KVM_SET_SREGS, &bad) < 0 && errno == EINVAL, "%s: %s",
			  bad_sregs[i].what, errno_name(errno));
		vcpu_get_sregs(&vcpu, &got);
		compare_sregs(&good, &got);
	}
}

TEST(sregs_of_protected_mode_refused)
{
	struct kvm_sregs sregs;

	setup(0);
	vcpu_set_protected_mode(&vcpu, guest_store_registers);
	vcpu_get_sregs(&vcpu, &sregs);
	/* 64-bit code outside of long mode; LMA out of nothing. */
	sregs.efer = EFER_LMA;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), EINVAL);
	vcpu_get_sregs(&vcpu, &sregs);
	sregs.efer = EFER_LMA | EFER_LME;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), EINVAL);
}

TEST(sregs_cr3_and_bases)
{
	struct kvm_sregs good, sregs;

	setup(0);
	vcpu_set_long_mode(&vcpu, (void (*)(u64))guest_store_registers, 0);
	vcpu_get_sregs(&vcpu, &good);
	sregs = good;
	sregs.cr3 |= 1UL << 60; /* beyond every MAXPHYADDR */
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), EINVAL);
	sregs = good;
	sregs.cr8 = 15;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs));
}

/* Nothing of this may reach the processor unchecked: refused, or an error of KVM_RUN. */
TEST(sregs_bad_segments, .vmm_only = true)
{
	struct kvm_sregs good, sregs;
	unsigned int i;

	guest_start(&vm, &vcpu, 0, (void (*)(u64))guest_store_registers, 0);
	vcpu_get_sregs(&vcpu, &good);
	for (i = 0; i < 8; i++) {
		sregs = good;
		switch (i) {
		case 0:
			sregs.fs.base = 0x8000000000000000;
			break;
		case 1:
			sregs.tr.base = 0x4000000000000000;
			break;
		case 2:
			sregs.gdt.base = 0x1234000000000000;
			break;
		case 3:
			sregs.idt.base = 0x1234000000000000;
			break;
		case 4:
			sregs.tr.type = 2; /* no TSS at all */
			break;
		case 5:
			sregs.cs.type = 2; /* data in CS */
			break;
		case 6:
			sregs.cs.s = 0;
			break;
		case 7:
			sregs.tr.present = 0;
			break;
		}
		if (ioctl(vcpu.fd, KVM_SET_SREGS, &sregs) < 0) {
			CHECK_EQ(errno, EINVAL);
			continue;
		}
		if (ioctl(vcpu.fd, KVM_RUN, 0) == 0)
			CHECK_MSG(vcpu.run->exit_reason == KVM_EXIT_FAIL_ENTRY ||
					  vcpu.run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
					  vcpu.run->exit_reason == KVM_EXIT_SHUTDOWN ||
					  vcpu.run->exit_reason == KVM_EXIT_HLT,
				  "case %u: exit %u", i, vcpu.run->exit_reason);
		vcpu_set_long_mode(&vcpu, (void (*)(u64))guest_store_registers, 0);
	}
	/* And the vCPU is as good as new. */
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

TEST(apic_base)
{
	struct kvm_sregs sregs;

	setup(VM_IRQCHIP);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.apic_base, 0xfee00900);
	sregs.apic_base = 0xfee00d00; /* x2APIC */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs));
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.apic_base, 0xfee00d00);
	sregs.apic_base = 0xfee00500; /* x2APIC without enable: no such state */
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), EINVAL);
	sregs.apic_base = 0xfee00900 | 1UL << 60;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), EINVAL);
	sregs.apic_base = 0xfee00901; /* reserved bit 0 */
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), EINVAL);
}

/* --- MSRs --- */

TEST(msrs_round_trip)
{
	static const struct {
		u32 index;
		u64 value;
	} msrs[] = {
		{ MSR_SYSENTER_CS, 0x10 },
		{ MSR_SYSENTER_ESP, 0x1000 },
		{ MSR_SYSENTER_EIP, 0x81000000 } /* 32 bits: all that AMD keeps */,
		{ MSR_STAR, 0x0023001000000000 },
		{ MSR_LSTAR, 0xffffffff81001000 },
		{ MSR_CSTAR, 0xffffffff81002000 },
		{ MSR_SFMASK, 0x47700 },
		{ MSR_FS_BASE, 0x00007f0000001000 },
		{ MSR_GS_BASE, 0xffff888000002000 },
		{ MSR_KERNEL_GS_BASE, 0xffff888000003000 },
		{ MSR_PAT, 0x0007010600070106 },
		{ MSR_MISC_ENABLE, 1 },
	};
	unsigned int i;
	u64 value;

	setup(VM_IRQCHIP);
	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		CHECK_MSG(vcpu_set_msr(&vcpu, msrs[i].index, msrs[i].value) == 1, "MSR %#x",
			  msrs[i].index);
	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		CHECK_MSG(vcpu_get_msr(&vcpu, msrs[i].index, &value) == 1, "MSR %#x",
			  msrs[i].index);
		CHECK_MSG(value == msrs[i].value, "MSR %#x is %#llx", msrs[i].index,
			  (unsigned long long)value);
	}
}

TEST(msrs_bad_values_refused)
{
	static const struct {
		u32 index;
		u64 value;
	} bad[] = {
		{ MSR_LSTAR, 0x8000000000000000 },
		{ MSR_CSTAR, 0x0000800000000000 },
		{ MSR_FS_BASE, 0xffff000000000000 },
		{ MSR_GS_BASE, 0x7fff800000000000 },
		{ MSR_KERNEL_GS_BASE, 0x0001000000000000 },
		{ MSR_PAT, 0x02 },
		{ MSR_PAT, 0x0800000000000000 },
		{ MSR_PAT, 0x0000000300000000 },
		{ MSR_APIC_BASE, 0xfee00500 },
		{ MSR_APIC_BASE, 1UL << 58 | 0xfee00900 },
		{ 0x12345678, 0 },
		{ 0xc0010fff, 1 },
	};
	unsigned int i;
	u64 before, value;

	setup(VM_IRQCHIP);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int known = vcpu_get_msr(&vcpu, bad[i].index, &before);

		CHECK_MSG(vcpu_set_msr(&vcpu, bad[i].index, bad[i].value) == 0,
			  "MSR %#x took %#llx", bad[i].index, (unsigned long long)bad[i].value);
		if (!known)
			continue;
		CHECK_EQ(vcpu_get_msr(&vcpu, bad[i].index, &value), 1);
		CHECK_EQ(value, before);
	}
}

static void guest_read_msrs(u64 arg)
{
	guest_sync(rdmsr(MSR_LSTAR));
	guest_sync(rdmsr(MSR_KERNEL_GS_BASE));
	guest_sync(rdmsr(MSR_FS_BASE));
	guest_sync(rdmsr(MSR_SYSENTER_EIP));
	guest_sync(rdmsr(MSR_PAT));
	wrmsr(MSR_LSTAR, 0xffff800000abc000);
	wrmsr(MSR_KERNEL_GS_BASE, 0xffff800000def000);
	wrmsr(MSR_FS_BASE, 0x123000);
	wrmsr(MSR_SYSENTER_EIP, 0x456000);
	wrmsr(MSR_STAR, 0x0013000800000000);
}

TEST(msrs_reach_the_guest_and_come_back)
{
	u64 value;

	guest_start(&vm, &vcpu, 0, guest_read_msrs, 0);
	vcpu_set_msr(&vcpu, MSR_LSTAR, 0xffffffff81001000);
	vcpu_set_msr(&vcpu, MSR_KERNEL_GS_BASE, 0xffff888000003000);
	vcpu_set_msr(&vcpu, MSR_FS_BASE, 0x7f0000001000);
	vcpu_set_msr(&vcpu, MSR_SYSENTER_EIP, 0x81003000);
	vcpu_set_msr(&vcpu, MSR_PAT, 0x0007010600070106);
	CHECK_EQ(vcpu_sync(&vcpu), 0xffffffff81001000);
	CHECK_EQ(vcpu_sync(&vcpu), 0xffff888000003000);
	CHECK_EQ(vcpu_sync(&vcpu), 0x7f0000001000);
	CHECK_EQ(vcpu_sync(&vcpu), 0x81003000);
	CHECK_EQ(vcpu_sync(&vcpu), 0x0007010600070106);
	vcpu_done(&vcpu);
#define COMES_BACK(index, want)                                  \
	do {                                                     \
		CHECK_EQ(vcpu_get_msr(&vcpu, index, &value), 1); \
		CHECK_EQ(value, want);                           \
	} while (0)
	COMES_BACK(MSR_LSTAR, 0xffff800000abc000);
	COMES_BACK(MSR_KERNEL_GS_BASE, 0xffff800000def000);
	COMES_BACK(MSR_FS_BASE, 0x123000);
	COMES_BACK(MSR_SYSENTER_EIP, 0x456000);
	COMES_BACK(MSR_STAR, 0x0013000800000000);
}

/* The guest's TSC starts near 0, counts, and is what KVM_SET_MSRS says. */
static void guest_tsc(u64 arg)
{
	for (;;)
		guest_sync(rdtsc());
}

TEST(tsc)
{
	u64 first, value;

	guest_start(&vm, &vcpu, 0, guest_tsc, 0);
	first = vcpu_sync(&vcpu);
	CHECK(vcpu_sync(&vcpu) > first);
	CHECK_EQ(vcpu_set_msr(&vcpu, MSR_TSC, 1UL << 60), 1);
	value = vcpu_sync(&vcpu);
	CHECK_MSG(value >= 1UL << 60 && value < (1UL << 60) + (1UL << 40), "%#llx",
		  (unsigned long long)value);
	CHECK_EQ(vcpu_get_msr(&vcpu, MSR_TSC, &first), 1);
	CHECK_MSG(first >= value && first < (1UL << 60) + (1UL << 40), "%#llx",
		  (unsigned long long)first);
}

/* --- FPU --- */

TEST(fpu_round_trip)
{
	struct kvm_fpu set, got;
	unsigned int i;

	setup(0);
	memset(&set, 0, sizeof(set));
	for (i = 0; i < 128; i++)
		((u8 *)set.fpr)[i] = i % 16 < 10 ? i + 1 : 0;
	for (i = 0; i < 256; i++)
		((u8 *)set.xmm)[i] = 255 - i;
	set.fcw = 0x37f;
	set.fsw = 0x3800;
	set.ftwx = 0xff;
	set.last_opcode = 0x123;
	set.mxcsr = 0x1fa0;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_FPU, &set));
	memset(&got, 0, sizeof(got));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_FPU, &got));
	CHECK(!memcmp(set.fpr, got.fpr, sizeof(set.fpr)));
	CHECK(!memcmp(set.xmm, got.xmm, sizeof(set.xmm)));
	CHECK_EQ(got.fcw, set.fcw);
	CHECK_EQ(got.fsw, set.fsw);
	CHECK_EQ(got.ftwx, set.ftwx);
}

static u8 guest_xmm[16] __attribute__((aligned(16)));

static void guest_fpu(u64 touch_first)
{
	u16 fcw = 0;
	u32 mxcsr = 0;

	if (touch_first) {
		asm volatile("fninit; fld1; fstp %%st; pcmpeqd %%xmm1, %%xmm1" ::: "memory");
		guest_sync(0);
	}
	asm volatile("movdqu %%xmm7, %0" : "=m"(guest_xmm));
	asm volatile("fnstcw %0; stmxcsr %1" : "=m"(fcw), "=m"(mxcsr));
	GUEST_CHECK_EQ(fcw, 0x27f);
	guest_sync(mxcsr);
	asm volatile("pcmpeqd %%xmm9, %%xmm9; fninit; fld1; fldpi" ::: "memory");
}

static void check_fpu_reaches_guest(bool touch_first)
{
	static const u8 pi[10] = { 0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0x00, 0x40 };
	struct kvm_fpu fpu;
	unsigned int i;

	guest_start(&vm, &vcpu, 0, guest_fpu, touch_first);
	if (touch_first)
		vcpu_sync(&vcpu);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_FPU, &fpu));
	CHECK_EQ(fpu.fcw, 0x37f);
	fpu.fcw = 0x27f;
	for (i = 0; i < 16; i++)
		fpu.xmm[7][i] = 0xa0 + i;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_FPU, &fpu));
	vcpu_sync(&vcpu);
	for (i = 0; i < 16; i++)
		CHECK_EQ(((u8 *)vm_global(&vm, guest_xmm))[i], 0xa0 + i);
	vcpu_done(&vcpu);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_FPU, &fpu));
	for (i = 0; i < 16; i++)
		CHECK_EQ(fpu.xmm[9][i], 0xff);
	CHECK_EQ(fpu.fsw >> 11 & 7, 6); /* two values on the stack */
	CHECK(!memcmp(fpu.fpr[0], pi, 10));
}

TEST(fpu_reaches_the_guest_and_comes_back)
{
	check_fpu_reaches_guest(true);
}

/* KVM loses what is set before the first use: the state still says "initial" in XSTATE_BV. */
TEST(fpu_of_a_new_vcpu_reaches_the_guest, .vmm_only = true)
{
	check_fpu_reaches_guest(false);
}

TEST(xsave_round_trip)
{
	struct kvm_xsave set, got;
	u32 *set_words = set.region, *got_words = got.region;
	unsigned int i;

	setup(0);
	if (!has_cap(vm.dev, KVM_CAP_XSAVE))
		test_skip("no KVM_CAP_XSAVE");
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE, &set));
	for (i = 0; i < 64; i++)
		set_words[40 + i] = 0x1000 + i; /* XMM0-15 */
	set_words[6] = 0x1fa0; /* MXCSR */
	set_words[128] |= 3; /* XSTATE_BV: x87, SSE */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_XSAVE, &set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE, &got));
	for (i = 0; i < 64; i++)
		CHECK_EQ(got_words[40 + i], 0x1000 + i);
	CHECK_EQ(got_words[6], 0x1fa0);
}

TEST(xsave_invalid_refused)
{
	struct kvm_xsave good, bad;

	setup(0);
	if (!has_cap(vm.dev, KVM_CAP_XSAVE))
		test_skip("no KVM_CAP_XSAVE");
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE, &good));
	bad = good;
	bad.region[6] = 0xffff0000 | 0x1f80; /* MXCSR reserved bits: #GP at XRSTOR */
	bad.region[128] |= 2;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_XSAVE, &bad), EINVAL);
	bad = good;
	bad.region[129] = 0x40000000; /* XSTATE_BV bit 62 */
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_XSAVE, &bad), EINVAL);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_XSAVE, &good));
}

TEST(xcrs)
{
	struct kvm_xcrs xcrs;

	setup(0);
	if (!has_cap(vm.dev, KVM_CAP_XCRS))
		test_skip("no KVM_CAP_XCRS");
	memset(&xcrs, 0, sizeof(xcrs));
	if (ioctl(vcpu.fd, KVM_GET_XCRS, &xcrs) < 0)
		test_skip("no XSAVE on this host");
	CHECK_EQ(xcrs.nr_xcrs, 1);
	CHECK_EQ(xcrs.xcrs[0].xcr, 0);
	CHECK_EQ(xcrs.xcrs[0].value, 1);
	xcrs.xcrs[0].value = 3;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_XCRS, &xcrs));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.xcrs[0].value, 3);
	xcrs.xcrs[0].value = 2;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = 5;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = 1UL << 62 | 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.nr_xcrs = 0xffff;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_XCRS, &xcrs), EINVAL);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.xcrs[0].value, 3);
}

/* --- debug registers --- */

static void guest_debug_registers(u64 arg)
{
	u64 value;

	asm volatile("mov %%dr0, %0" : "=r"(value)::"memory");
	GUEST_CHECK_EQ(value, 0x1111);
	asm volatile("mov %%dr3, %0" : "=r"(value)::"memory");
	GUEST_CHECK_EQ(value, 0x4444);
	asm volatile("mov %0, %%dr1" ::"r"(0xaaaaUL) : "memory");
}

TEST(debug_registers)
{
	struct kvm_debugregs set, got;

	guest_start(&vm, &vcpu, 0, guest_debug_registers, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_DEBUGREGS, &set));
	CHECK_EQ(set.dr6, 0xffff0ff0);
	CHECK_EQ(set.dr7, 0x400);
	set.db[0] = 0x1111;
	set.db[1] = 0x2222;
	set.db[2] = 0x3333;
	set.db[3] = 0x4444;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_DEBUGREGS, &set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_DEBUGREGS, &got));
	CHECK(!memcmp(&set.db, &got.db, sizeof(set.db)));
	vcpu_done(&vcpu);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_DEBUGREGS, &got));
	CHECK_EQ(got.db[1], 0xaaaa);
	CHECK_EQ(got.db[2], 0x3333);
	set.flags = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_DEBUGREGS, &set), EINVAL);
	set.flags = 0;
	set.dr6 = 1UL << 40;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_DEBUGREGS, &set), EINVAL);
	set.dr6 = 0xffff0ff0;
	set.dr7 = 1UL << 40;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_DEBUGREGS, &set), EINVAL);
}

/* --- events, mp_state --- */

TEST(events_round_trip)
{
	struct kvm_vcpu_events set, got;

	setup(VM_IRQCHIP);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &set));
	CHECK_EQ(set.exception.injected | set.interrupt.injected | set.nmi.injected |
			 set.nmi.pending,
		 0);
	set.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	set.nmi.pending = 1;
	set.nmi.masked = 1;
	set.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	set.exception.injected = 1;
	set.exception.nr = 13;
	set.exception.has_error_code = 1;
	set.exception.error_code = 0x10;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &got));
	CHECK_EQ(got.exception.injected, 1);
	CHECK_EQ(got.exception.nr, 13);
	CHECK_EQ(got.exception.has_error_code, 1);
	CHECK_EQ(got.exception.error_code, 0x10);
	CHECK_EQ(got.nmi.pending, 1);
	CHECK_EQ(got.nmi.masked, 1);
	CHECK(got.interrupt.shadow);
}

TEST(events_invalid_refused)
{
	struct kvm_vcpu_events good, bad;

	setup(VM_IRQCHIP);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &good));
	bad = good;
	bad.exception.injected = 1;
	bad.exception.nr = 32;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL);
	bad.exception.nr = 2; /* an NMI is no exception */
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL);
	bad = good;
	bad.flags |= 0x80000000;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &good));
}

static void on_gp(struct guest_frame *frame)
{
	guest_done(frame->error);
}

static void guest_wait_for_gp(u64 arg)
{
	for (;;)
		;
}

/* An exception that userspace put there is delivered first of all. */
TEST(events_exception_is_delivered)
{
	struct kvm_vcpu_events events;

	guest_handlers[VEC_GP] = on_gp;
	guest_start(&vm, &vcpu, 0, guest_wait_for_gp, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	events.exception.injected = 1;
	events.exception.nr = VEC_GP;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x1238;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_done(&vcpu), 0x1238);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK_EQ(events.exception.injected, 0);
}

TEST(mp_state)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_HALTED };
	int no_irqchip;

	setup(VM_IRQCHIP);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp));
	mp.mp_state = 0;
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_HALTED);
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	mp.mp_state = 99;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp), EINVAL);
	mp.mp_state = KVM_MP_STATE_STOPPED; /* not of this architecture */
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp), EINVAL);
	/* Without an APIC in the kernel there is nothing to wait for there. */
	no_irqchip = CHECK_OK(ioctl(CHECK_OK(ioctl(vm.dev, KVM_CREATE_VM, 0)), KVM_CREATE_VCPU, 0));
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	CHECK_OK(ioctl(no_irqchip, KVM_SET_MP_STATE, &mp));
	mp.mp_state = KVM_MP_STATE_HALTED;
	CHECK_ERR(ioctl(no_irqchip, KVM_SET_MP_STATE, &mp), EINVAL);
}

/* --- interrupt controllers --- */

#define APIC_REG(state, offset) (*(u32 *)((state).regs + (offset)))

TEST(lapic_round_trip)
{
	struct kvm_lapic_state set, got;

	setup(VM_IRQCHIP);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_LAPIC, &set));
	CHECK_EQ(APIC_REG(set, 0x30) & 0xff, 0x14); /* version */
	CHECK_EQ(APIC_REG(set, 0xf0), 0xff); /* disabled by software */
	CHECK_EQ(APIC_REG(set, 0xe0), 0xffffffff); /* flat */
	CHECK_EQ(APIC_REG(set, 0x320), 0x10000); /* masked */
	APIC_REG(set, 0xf0) = 0x1ff;
	APIC_REG(set, 0x80) = 0x20;
	APIC_REG(set, 0xd0) = 0x02000000;
	APIC_REG(set, 0x320) = 0x100ec;
	APIC_REG(set, 0x350) = 0x8700;
	APIC_REG(set, 0x360) = 0x400;
	APIC_REG(set, 0x3e0) = 0xb;
	APIC_REG(set, 0x240) = 0x00010000; /* IRR: vector 0x90 */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_LAPIC, &set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_LAPIC, &got));
	CHECK_EQ(APIC_REG(got, 0x20), APIC_REG(set, 0x20));
	CHECK_EQ(APIC_REG(got, 0xf0), 0x1ff);
	CHECK_EQ(APIC_REG(got, 0x80), 0x20);
	CHECK_EQ(APIC_REG(got, 0xd0), 0x02000000);
	CHECK_EQ(APIC_REG(got, 0x320), 0x100ec);
	CHECK_EQ(APIC_REG(got, 0x350), 0x8700);
	CHECK_EQ(APIC_REG(got, 0x360), 0x400);
	CHECK_EQ(APIC_REG(got, 0x3e0), 0xb);
	CHECK_EQ(APIC_REG(got, 0x240), 0x00010000);
}

/* A page of anything: taken or refused, and the vCPU still runs. */
static void guest_nothing(u64 arg)
{
}

TEST(lapic_hostile_state)
{
	struct kvm_lapic_state state;
	unsigned int i;

	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_nothing, 0);
	for (i = 0; i < 3; i++) {
		memset(&state, i == 0 ? 0xff : i == 1 ? 0x5a : 0, sizeof(state));
		ioctl(vcpu.fd, KVM_SET_LAPIC, &state);
		CHECK_OK(ioctl(vcpu.fd, KVM_GET_LAPIC, &state));
	}
	vcpu_done(&vcpu);
}

TEST(ioapic_round_trip)
{
	struct kvm_irqchip set, got;
	unsigned int i;

	setup(VM_IRQCHIP);
	memset(&set, 0, sizeof(set));
	set.chip_id = KVM_IRQCHIP_IOAPIC;
	CHECK_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &set));
	CHECK_EQ(set.chip.ioapic.base_address, 0xfec00000);
	for (i = 0; i < 24; i++)
		CHECK_EQ(set.chip.ioapic.redirtbl[i].fields.mask, 1);
	set.chip.ioapic.id = 2;
	set.chip.ioapic.redirtbl[5].bits = 0x0300000000018531;
	set.chip.ioapic.redirtbl[23].bits = 0x0000000000010030;
	CHECK_OK(ioctl(vm.fd, KVM_SET_IRQCHIP, &set));
	memset(&got, 0, sizeof(got));
	got.chip_id = KVM_IRQCHIP_IOAPIC;
	CHECK_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &got));
	CHECK_EQ(got.chip.ioapic.id, 2);
	CHECK_EQ(got.chip.ioapic.redirtbl[5].bits, 0x0300000000018531);
	CHECK_EQ(got.chip.ioapic.redirtbl[23].bits, 0x0000000000010030);
}

TEST(pic_round_trip)
{
	struct kvm_irqchip set, got;
	u32 id;

	setup(VM_IRQCHIP);
	for (id = KVM_IRQCHIP_PIC_MASTER; id <= KVM_IRQCHIP_PIC_SLAVE; id++) {
		memset(&set, 0, sizeof(set));
		set.chip_id = id;
		CHECK_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &set));
		set.chip.pic.imr = 0xf8 + id;
		set.chip.pic.irq_base = 0x30 + 8 * id;
		set.chip.pic.elcr = 0;
		CHECK_OK(ioctl(vm.fd, KVM_SET_IRQCHIP, &set));
		memset(&got, 0, sizeof(got));
		got.chip_id = id;
		CHECK_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &got));
		CHECK_EQ(got.chip.pic.imr, 0xf8 + id);
		CHECK_EQ(got.chip.pic.irq_base, 0x30 + 8 * id);
	}
}

TEST(pit_round_trip)
{
	struct kvm_pit_state2 set, got;

	setup(VM_PIT);
	CHECK_OK(ioctl(vm.fd, KVM_GET_PIT2, &set));
	set.channels[0].mode = 2;
	set.channels[0].count = 0x4a9;
	set.channels[0].rw_mode = 3;
	set.channels[2].mode = 3;
	set.channels[2].count = 0x1000;
	set.channels[2].gate = 1;
	set.flags = 0;
	CHECK_OK(ioctl(vm.fd, KVM_SET_PIT2, &set));
	CHECK_OK(ioctl(vm.fd, KVM_GET_PIT2, &got));
	CHECK_EQ(got.channels[0].mode, 2);
	CHECK_EQ(got.channels[0].count, 0x4a9);
	CHECK_EQ(got.channels[0].rw_mode, 3);
	CHECK_EQ(got.channels[2].mode, 3);
	CHECK_EQ(got.channels[2].count, 0x1000);
	CHECK_EQ(got.channels[2].gate, 1);
	/* A count of 0 is 65536; modes and access modes beyond the chip's must not be trusted. */
	memset(&set, 0xff, sizeof(set));
	ioctl(vm.fd, KVM_SET_PIT2, &set);
	CHECK_OK(ioctl(vm.fd, KVM_GET_PIT2, &got));
}
