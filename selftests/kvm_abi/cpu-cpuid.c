// SPDX-License-Identifier: GPL-2.0-only
/* What KVM_GET_SUPPORTED_CPUID offers: leaves and bits that a guest can use, and nothing else. */
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

static struct kvm_cpuid2 *supported(int dev)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));

	cpuid->nent = 256;
	CHECK_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	return cpuid;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *cpuid, u32 function, u32 index)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

/* Without these no 64-bit operating system starts. */
TEST(what_a_guest_needs)
{
	struct kvm_cpuid2 *cpuid = supported(device_open());
	const struct kvm_cpuid_entry2 *basic = leaf(cpuid, 0, 0), *features = leaf(cpuid, 1, 0);
	const struct kvm_cpuid_entry2 *extended = leaf(cpuid, 0x80000001, 0);
	/* FPU PSE TSC MSR PAE CX8 APIC PGE CMOV PAT FXSR SSE SSE2 */
	const u32 edx = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 13 |
			1 << 15 | 1 << 16 | 1 << 24 | 1 << 25 | 1 << 26;

	CHECK(basic && features && extended);
	CHECK(basic->eax >= 1);
	CHECK_EQ(features->edx & edx, edx);
	CHECK(extended->edx & 1 << 29); /* long mode */
	CHECK(extended->edx & 1 << 20); /* NX */
	CHECK(extended->edx & 1 << 11); /* SYSCALL */
	CHECK(leaf(cpuid, 0x80000008, 0));
}

/* Never more than the processor has, but for what the hypervisor itself provides. */
TEST(no_more_than_the_processor)
{
	struct kvm_cpuid2 *cpuid = supported(device_open());
	const struct kvm_cpuid_entry2 *features = leaf(cpuid, 1, 0);
	const struct kvm_cpuid_entry2 *extended = leaf(cpuid, 0x80000001, 0);
	const u32 emulated_ecx = 1U << 21 | 1U << 24 | 1U << 31; /* x2APIC, deadline, hypervisor */
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	/* MOVBE may be emulated by KVM. */
	CHECK_EQ(features->ecx & ~ecx & ~emulated_ecx & ~(1U << 22), 0);
	CHECK_EQ(features->edx & ~edx, 0);
	__cpuid(0x80000001, eax, ebx, ecx, edx);
	CHECK_EQ(extended->edx & ~edx & ~(1U << 27), 0);
	__cpuid(0, eax, ebx, ecx, edx);
	CHECK_EQ(leaf(cpuid, 0, 0)->ebx, ebx);
}

TEST(no_virtualisation, .vmm_only = true)
{
	struct kvm_cpuid2 *cpuid = supported(device_open());

	CHECK_EQ(leaf(cpuid, 1, 0)->ecx >> 5 & 1, 0); /* VMX */
	CHECK_EQ(leaf(cpuid, 1, 0)->ecx >> 6 & 1, 0); /* SMX */
	CHECK_EQ(leaf(cpuid, 0x80000001, 0)->ecx >> 2 & 1, 0); /* SVM */
	CHECK_EQ(leaf(cpuid, 0x80000001, 0)->ecx >> 12 & 1, 0); /* SKINIT */
	CHECK(!leaf(cpuid, 0x8000000a, 0) || !leaf(cpuid, 0x8000000a, 0)->edx);
	CHECK_EQ(leaf(cpuid, 1, 0)->ecx >> 2 & 1, 0); /* DTES64, debug store */
	CHECK_EQ(leaf(cpuid, 1, 0)->edx >> 21 & 1, 0);
	CHECK_EQ(leaf(cpuid, 1, 0)->ecx >> 3 & 1, 0); /* MONITOR */
}

/* The host's own numbers are not the guest's to know. */
TEST(no_serial_and_no_topology_of_the_host, .vmm_only = true)
{
	struct kvm_cpuid2 *cpuid = supported(device_open());
	const struct kvm_cpuid_entry2 *entry = leaf(cpuid, 3, 0);

	CHECK(!entry || !(entry->eax | entry->ebx | entry->ecx | entry->edx));
	CHECK_EQ(leaf(cpuid, 1, 0)->ebx >> 24, 0); /* APIC id */
}

/* Each leaf is there once. */
TEST(no_duplicates)
{
	struct kvm_cpuid2 *cpuid = supported(device_open());
	u32 i, j;

	for (i = 0; i < cpuid->nent; i++)
		for (j = i + 1; j < cpuid->nent; j++)
			CHECK_MSG(cpuid->entries[i].function != cpuid->entries[j].function ||
					  cpuid->entries[i].index != cpuid->entries[j].index,
				  "leaf %#x/%u", cpuid->entries[i].function,
				  cpuid->entries[i].index);
}

/* XSAVE's leaf 0xd belongs to leaf 1's bit. */
TEST(xsave_is_consistent)
{
	struct kvm_cpuid2 *cpuid = supported(device_open());
	const struct kvm_cpuid_entry2 *xsave = leaf(cpuid, 0xd, 0);
	u32 eax, ebx, ecx, edx;

	if (!(leaf(cpuid, 1, 0)->ecx & 1 << 26)) {
		CHECK(!xsave || !xsave->eax);
		CHECK_EQ(leaf(cpuid, 1, 0)->ecx >> 28 & 1, 0); /* AVX */
		return;
	}
	CHECK(xsave && (xsave->eax & 3) == 3);
	__cpuid_count(0xd, 0, eax, ebx, ecx, edx);
	CHECK_EQ(xsave->eax & ~eax, 0);
}

/* KVM_GET_CPUID2, where there, returns what was set. */
TEST(round_trip)
{
	struct kvm_cpuid2 *set, *got;
	struct vcpu vcpu;
	struct vm vm;
	u32 i;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	set = supported(vm.dev);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, set));
	got = calloc(1, sizeof(*got) + 256 * sizeof(got->entries[0]));
	got->nent = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_GET_CPUID2, got), E2BIG);
	got->nent = 256;
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, got));
	if (!device_is_kvm()) /* KVM leaves it as it was */
		CHECK_EQ(got->nent, set->nent);
	for (i = 0; i < set->nent; i++) {
		CHECK_EQ(got->entries[i].function, set->entries[i].function);
		/* OSXSAVE and the like follow the vCPU's state in leaf 1 and 0xd. */
		CHECK_EQ(got->entries[i].eax, set->entries[i].eax);
	}
}

static void guest_count_leaves(u64 arg)
{
	u32 eax = 0, ebx, ecx = 0, edx, max;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	guest_sync((u64)edx << 32 | ebx);
	max = eax;
	/* Beyond the last leaf: whatever the vendor's rule gives, it is not a leaf of the host's. */
	eax = max + 0x1000;
	ecx = 0;
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	guest_sync(max);
	eax = 1;
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	guest_sync(ebx >> 24);
}

/* The guest's CPUID is the table of KVM_SET_CPUID2. */
TEST(seen_by_the_guest)
{
	struct kvm_cpuid2 *cpuid;
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu, 3);
	vcpu_set_long_mode(&vcpu, guest_count_leaves, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE }));
	cpuid = supported(vm.dev);
	CHECK_EQ(vcpu_sync(&vcpu), (u64)leaf(cpuid, 0, 0)->edx << 32 | leaf(cpuid, 0, 0)->ebx);
	CHECK_EQ(vcpu_sync(&vcpu), leaf(cpuid, 0, 0)->eax);
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	vcpu_done(&vcpu);
}
