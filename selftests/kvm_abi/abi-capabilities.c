// SPDX-License-Identifier: GPL-2.0-only
/* KVM_ENABLE_CAP of what changes a guest's MSRs and CPUID, and KVM_SET_CPUID2 once it has run. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define MSR_PLATFORM_INFO 0xce
#define MSR_POWER_CTL 0x1fc
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define MSR_KVM_PV_EOI_EN 0x4b564d04
#define MISC_ENABLE_MWAIT (1ul << 18)
#define CPUID_MWAIT (1u << 3)
#define ENTRIES 256

static struct vcpu vcpu;
static struct vm vm;

static int enable(int fd, u32 number, u64 value)
{
	struct kvm_enable_cap cap = { .cap = number, .args = { value } };

	return ioctl(fd, KVM_ENABLE_CAP, &cap);
}

static struct kvm_cpuid2 *get_cpuid(void)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ENTRIES * sizeof(cpuid->entries[0]));

	cpuid->nent = ENTRIES;
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, cpuid));
	return cpuid;
}

static struct kvm_cpuid_entry2 *leaf(struct kvm_cpuid2 *cpuid, u32 function)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	FAIL("no leaf %#x", function);
}

static void guest_read(u64 msr)
{
	for (;;) {
		asm volatile(GUEST_TRY("rdmsr") : : "c"(msr) : "rax", "rdx", "memory");
		guest_sync(guest_caught.vector);
	}
}

TEST(platform_info)
{
	u64 value;

	guest_start(&vm, &vcpu, 0, guest_read, MSR_PLATFORM_INFO);
	CHECK(has_cap(vm.fd, KVM_CAP_MSR_PLATFORM_INFO));
	CHECK(vcpu_set_msr(&vcpu, MSR_PLATFORM_INFO, 0xff00));
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
	CHECK_OK(enable(vm.fd, KVM_CAP_MSR_PLATFORM_INFO, 0));
	CHECK_EQ(vcpu_sync(&vcpu), VEC_GP);
	/* Userspace still reads it. */
	CHECK(vcpu_get_msr(&vcpu, MSR_PLATFORM_INFO, &value));
	CHECK_EQ(value, 0xff00);
	CHECK_OK(enable(vm.fd, KVM_CAP_MSR_PLATFORM_INFO, 1));
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
}

TEST(power_ctl_is_kept)
{
	u64 value;

	guest_start(&vm, &vcpu, 0, guest_read, MSR_POWER_CTL);
	CHECK(vcpu_set_msr(&vcpu, MSR_POWER_CTL, 0x1234));
	CHECK(vcpu_get_msr(&vcpu, MSR_POWER_CTL, &value));
	CHECK_EQ(value, 0x1234);
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
}

TEST(paravirtual_features_enforced)
{
	struct kvm_cpuid2 *cpuid;

	guest_start(&vm, &vcpu, 0, guest_read, MSR_KVM_SYSTEM_TIME_NEW);
	CHECK(has_cap(vm.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID));
	cpuid = get_cpuid();
	leaf(cpuid, 0x40000001)->eax = 1u << 0; /* KVM_FEATURE_CLOCKSOURCE: the old MSRs alone */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid));
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
	CHECK_OK(enable(vcpu.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1));
	CHECK_EQ(vcpu_sync(&vcpu), VEC_GP);
	/* For userspace, too. */
	CHECK(!vcpu_set_msr(&vcpu, MSR_KVM_SYSTEM_TIME_NEW, 0));
	CHECK(!vcpu_set_msr(&vcpu, MSR_KVM_PV_EOI_EN, 0));
	CHECK(vcpu_set_msr(&vcpu, 0x12, 0));
	CHECK_OK(enable(vcpu.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0));
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
	CHECK_ERR(enable(vcpu.fd, KVM_CAP_MSR_PLATFORM_INFO, 0), EINVAL);
}

static void guest_mwait(u64 arg)
{
	for (;;) {
		int monitor;

		asm volatile(GUEST_TRY("monitor") : : "a"(&vcpu), "c"(0), "d"(0) : "memory");
		monitor = guest_caught.vector;
		asm volatile(GUEST_TRY("mwait") : : "a"(0), "c"(0) : "memory");
		GUEST_CHECK_EQ(guest_caught.vector, monitor);
		guest_sync(monitor);
	}
}

TEST(mwait_quirks)
{
	long quirks;

	guest_start(&vm, &vcpu, 0, guest_mwait, 0);
	quirks = CHECK_OK(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_DISABLE_QUIRKS2));
	CHECK(quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS);
	CHECK(quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT);
	CHECK_ERR(enable(vm.fd, KVM_CAP_DISABLE_QUIRKS2, 1ull << 40), EINVAL);
	CHECK(!(leaf(get_cpuid(), 1)->ecx & CPUID_MWAIT));
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
	CHECK_OK(enable(vm.fd, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS));
	CHECK_EQ(vcpu_sync(&vcpu), VEC_UD);
	/* CPUID follows IA32_MISC_ENABLE. */
	CHECK_OK(enable(vm.fd, KVM_CAP_DISABLE_QUIRKS2,
			KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT));
	CHECK(vcpu_set_msr(&vcpu, MSR_MISC_ENABLE, MISC_ENABLE_MWAIT));
	CHECK(leaf(get_cpuid(), 1)->ecx & CPUID_MWAIT);
	CHECK_EQ((int)vcpu_sync(&vcpu), -1);
	CHECK(vcpu_set_msr(&vcpu, MSR_MISC_ENABLE, 0));
	CHECK_EQ(vcpu_sync(&vcpu), VEC_UD);
}

TEST(cpuid_after_the_first_entry)
{
	struct kvm_cpuid2 *cpuid;

	guest_start(&vm, &vcpu, 0, guest_read, MSR_TSC);
	cpuid = get_cpuid();
	leaf(cpuid, 1)->eax ^= 1;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid));
	vcpu_sync(&vcpu);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid));
	leaf(cpuid, 1)->eax ^= 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid), EINVAL);
	leaf(cpuid, 1)->eax ^= 1;
	leaf(cpuid, 1)->ecx ^= 1u << 27; /* OSXSAVE: it follows CR4, whatever is said here */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid));
	cpuid->nent--;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid), EINVAL);
	cpuid->nent = 0;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid), EINVAL);
	vcpu_sync(&vcpu);
}

/* Before KVM_SET_CPUID2 a vCPU may have every CR4 bit that KVM_GET_SUPPORTED_CPUID speaks for, and no other. */
TEST(cr4_without_cpuid)
{
	static const struct {
		u8 cr4_bit;
		u32 function;
		bool ebx;
		u8 cpuid_bit;
	} bits[] = {
		{ 11, 7, false, 2 }, /* UMIP */
		{ 12, 7, false, 16 }, /* LA57 */
		{ 16, 7, true, 0 }, /* FSGSBASE */
		{ 17, 1, false, 17 }, /* PCIDE */
		{ 18, 1, false, 26 }, /* OSXSAVE */
		{ 20, 7, true, 7 }, /* SMEP */
		{ 21, 7, true, 20 }, /* SMAP */
		{ 22, 7, false, 3 }, /* PKE */
	};
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ENTRIES * sizeof(cpuid->entries[0]));
	struct kvm_sregs sregs, changed;
	unsigned int i;
	int fd;

	vm_create(&vm, 0);
	cpuid->nent = ENTRIES;
	CHECK_OK(ioctl(vm.dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	fd = CHECK_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	CHECK_OK(ioctl(fd, KVM_GET_SREGS, &sregs));
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		const struct kvm_cpuid_entry2 *entry = leaf(cpuid, bits[i].function);
		u32 reg = bits[i].ebx ? entry->ebx : entry->ecx;
		bool want = reg >> bits[i].cpuid_bit & 1;

		changed = sregs;
		changed.cr4 |= 1ull << bits[i].cr4_bit;
		CHECK_MSG(!ioctl(fd, KVM_SET_SREGS, &changed) == want, "CR4 bit %u",
			  bits[i].cr4_bit);
	}
	/* Older than virtualization: VME, PVI, TSD, DE, PSE, PAE, MCE, PGE, PCE, OSFXSR, OSXMMEXCPT. */
	sregs.cr4 |= 0x7ff;
	CHECK_OK(ioctl(fd, KVM_SET_SREGS, &sregs));
}

TEST(mmu_pages)
{
	vm_create(&vm, 0);
	CHECK(has_cap(vm.fd, KVM_CAP_MMU_SHADOW_CACHE_CONTROL));
	CHECK_ERR(ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 63), EINVAL);
	CHECK_OK(ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 64));
	CHECK_EQ(ioctl(vm.fd, KVM_GET_NR_MMU_PAGES, 0), 64);
}

/* A count that userspace lowers while it answers ends the instruction, and no more bytes come. */
static u8 buffer[64];

static void guest_ins(u64 count)
{
	void *to = buffer;

	asm volatile("rep insb" : "+c"(count), "+D"(to) : "d"(0x80) : "memory");
	guest_sync((u8 *)to - buffer);
}

static u64 ins_with_count(u64 asked, u64 set)
{
	struct kvm_regs regs;

	guest_start(&vm, &vcpu, 0, guest_ins, asked);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, 0x80);
	memset((u8 *)vcpu.run + vcpu.run->io.data_offset, 0xaa, 4096);
	vcpu_get_regs(&vcpu, &regs);
	regs.rcx = set;
	vcpu_set_regs(&vcpu, &regs);
	return vcpu_sync(&vcpu);
}

TEST(string_count_changed, .vmm_only = true) /* KVM makes no promise but to survive it */
{
	CHECK_EQ(ins_with_count(8, 3), 3);
	CHECK_EQ(GUEST_VAR(&vm, buffer)[2], 0xaa);
	CHECK_EQ(GUEST_VAR(&vm, buffer)[3], 0);
	CHECK_EQ(ins_with_count(8, 0), 0);
}
