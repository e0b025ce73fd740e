// SPDX-License-Identifier: GPL-2.0-only
/* CPUID: what is told of a host that has everything, and the answers to a guest. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "x86/cpuid.h"

#define EAX CPUID_REG_EAX
#define EBX CPUID_REG_EBX
#define ECX CPUID_REG_ECX
#define EDX CPUID_REG_EDX

#define CR4_OSXSAVE (1ull << 18)
#define CR4_PKE (1ull << 22)

#define GUARD 0xdeadbeef

/* A host with all bits set in every leaf, but sane limits, sizes and lists. */
static u32 host_max_basic, host_max_extended;

/* PKRU is aligned and has XFD; component 11 is a supervisor's. */
static u32 component_flags(u32 component)
{
	return component == 9 ? 6 : component == 11 ? 1 : 0;
}

static void all_ones(u32 leaf, u32 subleaf, u32 regs[4])
{
	static const u32 caches[4] = { 0x121, 0x122, 0x143, 0 }; /* L1d, L1i, L2, none */

	memset(regs, 0xff, 16);
	if (leaf == 0)
		regs[EAX] = host_max_basic;
	else if (leaf == 0x80000000)
		regs[EAX] = host_max_extended;
	else if (leaf == 4 || leaf == 0x8000001d)
		regs[EAX] = subleaf < 4 ? caches[subleaf] : 0;
	else if (leaf == 0x80000008)
		regs[EAX] = 0x3934; /* 57 and 52 bits */
	else if (leaf == 0xd && subleaf >= 2)
		memcpy(regs, (u32[4]){ 0x100, 0x1000 * subleaf, component_flags(subleaf), 0 }, 16);
}

static void all_zero(u32 leaf, u32 subleaf, u32 regs[4])
{
	memset(regs, 0, 16);
	if (leaf == 0)
		regs[EAX] = host_max_basic;
	else if (leaf == 0x80000000)
		regs[EAX] = host_max_extended;
}

static struct kvm_cpuid_entry2 entries[CPUID_MAX_ENTRIES];
static int nr_entries;
static struct cpuid_table table;
static struct cpuid_dynamic dynamic;

static const struct cpuid_host_caps everything = {
	.xcr0 = 0x2e7,
	.features = ~0u,
	.kvm_features = 0x1000000,
};
static const struct cpuid_host_caps nothing;

static void setup(void)
{
	memset(entries, 0, sizeof(entries));
	nr_entries = 0;
	memset(&table, 0, sizeof(table));
	host_max_basic = 0x24;
	host_max_extended = 0x80000028;
	dynamic = (struct cpuid_dynamic){ .xcr0 = 1, .apic_enabled = true };
}

static void supported(cpuid_reader host, const struct cpuid_host_caps *caps)
{
	nr_entries = cpuid_supported(entries, CPUID_MAX_ENTRIES, host, caps);
	ck_assert_int_gt(nr_entries, 0);
	ck_assert_int_eq(cpuid_validate(entries, nr_entries), 0);
	cpuid_table_init(&table, entries, nr_entries);
}

static void add(u32 leaf, u32 subleaf, u32 flags, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	entries[nr_entries++] = (struct kvm_cpuid_entry2){ .function = leaf,
							   .index = subleaf,
							   .flags = flags,
							   .eax = eax,
							   .ebx = ebx,
							   .ecx = ecx,
							   .edx = edx };
	cpuid_table_init(&table, entries, nr_entries);
}

static u32 reg_of(u32 leaf, u32 subleaf, int reg)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(&table, leaf, subleaf);

	ck_assert_msg(e != NULL, "no leaf %x.%u", leaf, subleaf);
	return reg == EAX ? e->eax : reg == EBX ? e->ebx : reg == ECX ? e->ecx : e->edx;
}

/* SDM table 3-8 and APM E.3/E.4: the bits that a host with all of them and a full backend tells. */
START_TEST(cpuid_tells_only_what_is_listed)
{
	supported(all_ones, &everything);
	ck_assert_uint_eq(reg_of(0, 0, EAX), 0x1f);
	/* No dtes64, monitor, ds-cpl, vmx, smx, eist, tm2, cnxt-id, xtpr, pdcm, dca, osxsave. */
	ck_assert_uint_eq(reg_of(1, 0, ECX), 0xf6fa3203);
	/* No ds, acpi, htt, tm, ia64, pbe, psn. */
	ck_assert_uint_eq(reg_of(1, 0, EDX), 0x0f8bfbff);
	ck_assert_uint_eq(reg_of(1, 0, EBX), 0xffff);
	ck_assert_uint_eq(reg_of(6, 0, EAX), 4);
	ck_assert_uint_eq(reg_of(6, 0, ECX), 0);
	ck_assert_uint_eq(reg_of(7, 0, EAX), 1);
	/* No sgx, hle, rtm, pqm, mpx, rdt-a, pt. */
	ck_assert_uint_eq(reg_of(7, 0, EBX), 0xfdbf27eb);
	/* No ospke, waitpkg, cet_ss, tme, mawau, kl, bus_lock, movdiri, movdir64b, enqcmd, pks. */
	ck_assert_uint_eq(reg_of(7, 0, ECX), 0x02415f4e);
	/* No uintr, rtm, hybrid, tsxldtrk, pconfig, arch_lbr, cet_ibt, amx, core_capabilities. */
	ck_assert_uint_eq(reg_of(7, 0, EDX), 0xbc80451c);
	ck_assert_uint_eq(reg_of(7, 1, EAX), 0x00801c30);
	ck_assert_uint_eq(reg_of(7, 1, EBX), 0);
	ck_assert_uint_eq(reg_of(7, 1, ECX), 0);
	ck_assert_uint_eq(reg_of(7, 1, EDX), 0x30);
	ck_assert_uint_eq(reg_of(0xd, 1, EAX), 0xf);
	/* No cmp_legacy, svm, extapic, cr8_legacy, osvw, ibs, skinit, wdt, lwp, perfctr, mwaitx. */
	ck_assert_uint_eq(reg_of(0x80000001, 0, ECX), 0x006109e1);
	/* No mp, ffxsr. */
	ck_assert_uint_eq(reg_of(0x80000001, 0, EDX), 0xedd3fbff);
	ck_assert_uint_eq(reg_of(0x80000007, 0, EDX), 0x100);
	ck_assert_uint_eq(reg_of(0x80000007, 0, EAX), 0);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EAX), 0x3934);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EBX), 0x0500d205);
	ck_assert_uint_eq(reg_of(0x80000008, 0, ECX), 0);
	ck_assert_uint_eq(reg_of(0x80000021, 0, EAX), 0x45);
}
END_TEST

/* PMU, SGX, PT, SVM, SEV and all that has no row. */
START_TEST(cpuid_tells_no_other_leaf)
{
	static const u32 known[] = { 0,		 1,	     2,		 4,	     6,
				     7,		 0xb,	     0xd,	 0x1f,	     0x40000000,
				     0x40000001, 0x80000000, 0x80000001, 0x80000002, 0x80000003,
				     0x80000004, 0x80000005, 0x80000006, 0x80000007, 0x80000008,
				     0x8000001d, 0x8000001e, 0x80000021 };
	u32 last = 0;
	int i;
	unsigned int k;

	supported(all_ones, &everything);
	for (i = 0; i < nr_entries; i++) {
		for (k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (entries[i].function == known[k])
				break;
		ck_assert_msg(k < sizeof(known) / sizeof(known[0]), "leaf %x", entries[i].function);
		ck_assert_uint_ge(entries[i].function, last);
		last = entries[i].function;
		ck_assert_uint_eq(entries[i].flags,
				  entries[i].function == 4 || entries[i].function == 7 ||
						  entries[i].function == 0xb ||
						  entries[i].function == 0xd ||
						  entries[i].function == 0x1f ||
						  entries[i].function == 0x8000001d ?
					  KVM_CPUID_FLAG_SIGNIFCANT_INDEX :
					  0);
	}
	/* Topology and APIC IDs of the host's CPUs are nobody's business. */
	ck_assert_uint_eq(reg_of(0xb, 0, EDX) | reg_of(0x1f, 0, EDX), 0);
	ck_assert_uint_eq(reg_of(0x8000001e, 0, EAX), 0);
}
END_TEST

/* Without the backend's help these go, and what needs AVX or AVX-512 state goes with XCR0. */
START_TEST(cpuid_needs_the_backend)
{
	supported(all_ones, &nothing);
	ck_assert_uint_eq(reg_of(1, 0, ECX), 0xc2f82203); /* no fma, pcid, xsave, avx, f16c */
	ck_assert_uint_eq(reg_of(1, 0, EDX), 0x0f8bab7f); /* no mce, mtrr, mca */
	ck_assert_uint_eq(reg_of(7, 0, EBX), 0x219c23c9);
	ck_assert_uint_eq(reg_of(7, 0, ECX), 0x02000100);
	ck_assert_uint_eq(reg_of(7, 0, EDX), 0x00004410);
	ck_assert_uint_eq(reg_of(7, 1, EAX), 0x00001c00);
	ck_assert_uint_eq(reg_of(7, 1, EDX), 0);
	ck_assert_uint_eq(reg_of(0xd, 0, EAX) | reg_of(0xd, 0, EBX) | reg_of(0xd, 1, EAX), 0);
	ck_assert_uint_eq(reg_of(0x80000001, 0, ECX), 0x006001e1);
	ck_assert_uint_eq(reg_of(0x80000001, 0, EDX), 0xe1c3ab7f);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EAX), 0x3034);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EBX), 0x04000201);
	ck_assert_uint_eq(reg_of(0x40000001, 0, EAX), 0);
}
END_TEST

/* One feature of the backend at a time opens its bits and no others. */
START_TEST(cpuid_features_open_their_bits)
{
	static const struct {
		u32 feature, leaf;
		int reg;
		u32 bits;
	} rows[] = {
		{ CPUID_CAP_NX, 0x80000001, CPUID_REG_EDX, 1u << 20 },
		{ CPUID_CAP_RDTSCP, 0x80000001, CPUID_REG_EDX, 1u << 27 },
		{ CPUID_CAP_RDTSCP, 7, CPUID_REG_ECX, 1u << 22 },
		{ CPUID_CAP_INVPCID, 7, CPUID_REG_EBX, 1u << 10 },
		{ CPUID_CAP_PCID, 1, CPUID_REG_ECX, 1u << 17 },
		{ CPUID_CAP_PKU, 7, CPUID_REG_ECX, 1u << 3 },
		{ CPUID_CAP_LA57, 7, CPUID_REG_ECX, 1u << 16 },
		{ CPUID_CAP_UMIP, 7, CPUID_REG_ECX, 1u << 2 },
		{ CPUID_CAP_SPEC_CTRL, 7, CPUID_REG_EDX, 1u << 26 | 1u << 27 | 1u << 31 },
		{ CPUID_CAP_SPEC_CTRL, 0x80000008, CPUID_REG_EBX, 0x0100d000 },
		{ CPUID_CAP_ARCH_CAPABILITIES, 7, CPUID_REG_EDX, 1u << 29 },
		{ CPUID_CAP_FLUSH_L1D, 7, CPUID_REG_EDX, 1u << 28 },
		{ CPUID_CAP_GBPAGES, 0x80000001, CPUID_REG_EDX, 1u << 26 },
		{ CPUID_CAP_TSC_ADJUST, 7, CPUID_REG_EBX, 1u << 1 },
		{ CPUID_CAP_MTRR, 1, CPUID_REG_EDX, 1u << 12 },
		{ CPUID_CAP_MCE, 1, CPUID_REG_EDX, 1u << 7 | 1u << 14 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cpuid_host_caps caps = { .features = rows[i].feature };
		u32 without;

		supported(all_ones, &nothing);
		without = reg_of(rows[i].leaf, 0, rows[i].reg);
		ck_assert_uint_eq(without & rows[i].bits, 0);
		supported(all_ones, &caps);
		ck_assert_uint_eq(reg_of(rows[i].leaf, 0, rows[i].reg), without | rows[i].bits);
	}
}
END_TEST

/* The host must have a feature too; what the module emulates needs no host. */
START_TEST(cpuid_needs_the_host)
{
	supported(all_zero, &everything);
	ck_assert_uint_eq(reg_of(1, 0, ECX), 1u << 21 | 1u << 31);
	ck_assert_uint_eq(reg_of(1, 0, EDX), 0);
	ck_assert_uint_eq(reg_of(6, 0, EAX), 4);
	ck_assert_uint_eq(reg_of(7, 0, EAX) | reg_of(7, 0, EBX) | reg_of(7, 0, ECX), 0);
	ck_assert_uint_eq(reg_of(0x80000001, 0, EDX), 0);
	supported(all_zero, &nothing);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EAX), 0);
}
END_TEST

START_TEST(cpuid_hypervisor_leaves)
{
	u32 signature[3];

	supported(all_zero, &everything);
	signature[0] = reg_of(0x40000000, 0, EBX);
	signature[1] = reg_of(0x40000000, 0, ECX);
	signature[2] = reg_of(0x40000000, 0, EDX);
	ck_assert_mem_eq(signature, "KVMKVMKVM\0\0\0", 12);
	ck_assert_uint_eq(reg_of(0x40000000, 0, EAX), 0x40000001);
	ck_assert_uint_eq(reg_of(0x40000001, 0, EAX), 0x1000000);
}
END_TEST

/* Components of XCR0 alone, their sizes, and never more than the caller permits. */
START_TEST(cpuid_xsave_leaves)
{
	struct cpuid_host_caps caps = everything;

	supported(all_ones, &everything);
	ck_assert_uint_eq(reg_of(0xd, 0, EAX), 0x2e7);
	ck_assert_uint_eq(reg_of(0xd, 0, EDX), 0);
	ck_assert_uint_eq(reg_of(0xd, 0, EBX), 576);
	ck_assert_uint_eq(reg_of(0xd, 0, ECX), 0x9100);
	ck_assert_uint_eq(reg_of(0xd, 2, EBX), 0x2000);
	ck_assert_uint_eq(reg_of(0xd, 2, EAX), 0x100);
	ck_assert_uint_eq(reg_of(0xd, 9, ECX), 2);
	ck_assert_ptr_null(cpuid_find(&table, 0xd, 3));
	ck_assert_ptr_null(cpuid_find(&table, 0xd, 8));
	ck_assert_uint_eq(cpuid_xcr0_supported(&table), 0x2e7);
	supported(all_ones, &nothing);
	ck_assert_uint_eq(cpuid_xcr0_supported(&table), 1);
	/* A supervisor component is none of XCR0's. */
	caps.xcr0 |= 1 << 11;
	supported(all_ones, &caps);
	ck_assert_ptr_null(cpuid_find(&table, 0xd, 11));
	ck_assert_ptr_nonnull(cpuid_find(&table, 0xd, 9));
	ck_assert_uint_eq(reg_of(0xd, 9, ECX), 2);
}
END_TEST

START_TEST(cpuid_cache_lists_end)
{
	supported(all_ones, &everything);
	ck_assert_uint_eq(reg_of(4, 2, EAX), 0x143);
	ck_assert_uint_eq(reg_of(4, 3, EAX), 0);
	ck_assert_ptr_null(cpuid_find(&table, 4, 4));
	ck_assert_uint_eq(reg_of(0x8000001d, 3, EAX), 0);
	ck_assert_ptr_null(cpuid_find(&table, 0x8000001d, 4));
}
END_TEST

START_TEST(cpuid_host_without_leaves)
{
	host_max_basic = 1;
	host_max_extended = 0x80000004;
	supported(all_ones, &everything);
	ck_assert_uint_eq(reg_of(0, 0, EAX), 1);
	ck_assert_uint_eq(reg_of(0x80000000, 0, EAX), 0x80000004);
	ck_assert_ptr_null(cpuid_find(&table, 7, 0));
	ck_assert_ptr_null(cpuid_find(&table, 4, 0));
	ck_assert_ptr_null(cpuid_find(&table, 0x80000008, 0));
	host_max_basic = 3;
	host_max_extended = 0x80000008;
	supported(all_ones, &everything);
	ck_assert_ptr_null(cpuid_find(&table, 4, 0));
	ck_assert_ptr_null(cpuid_find(&table, 0x8000001d, 0));
}
END_TEST

START_TEST(cpuid_maxphyaddr_of_the_guest)
{
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 36);
	add(0x80000000, 0, 0, 0x80000008, 0, 0, 0);
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 36);
	add(0x80000008, 0, 0, 0x302b, 0, 0, 0);
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 43);
	entries[1].eax = 0x3000;
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 36);
	entries[1].eax = 0x302b;
	entries[0].eax = 0x80000007;
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 36);
}
END_TEST

START_TEST(cpuid_supported_stays_within_max)
{
	int n, max;

	supported(all_ones, &everything);
	n = nr_entries;
	for (max = 0; max < n; max++) {
		struct kvm_cpuid_entry2 *out = malloc((max ? max : 1) * sizeof(*out));

		ck_assert_int_eq(cpuid_supported(out, max, all_ones, &everything), -E2BIG);
		free(out);
	}
	ck_assert_int_eq(cpuid_supported(entries, n, all_ones, &everything), n);
}
END_TEST

START_TEST(cpuid_address_sizes)
{
	struct cpuid_host_caps caps = everything;

	caps.maxphyaddr = 46;
	supported(all_ones, &caps);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EAX), 0x392e);
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 46);
	caps.features &= ~CPUID_CAP_LA57;
	supported(all_ones, &caps);
	ck_assert_uint_eq(reg_of(0x80000008, 0, EAX), 0x302e);
}
END_TEST

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX
#define INTEL 0x756e6547
#define AMD 0x68747541

static void expect(u32 leaf, u32 subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	u32 regs[4] = { GUARD, GUARD, GUARD, GUARD };

	cpuid_answer(&table, leaf, subleaf, &dynamic, regs);
	ck_assert_msg(regs[0] == eax && regs[1] == ebx && regs[2] == ecx && regs[3] == edx,
		      "leaf %x.%x: %x %x %x %x, want %x %x %x %x", leaf, subleaf, regs[0], regs[1],
		      regs[2], regs[3], eax, ebx, ecx, edx);
}

START_TEST(cpuid_validate_entries)
{
	static const struct {
		u32 eax;
		int ret;
	} sizes[] = {
		{ 0x3028, 0 },	     { 0x3934, 0 },	  { 0, 0 },
		{ 0x3020, 0 },	     { 0x301f, -EINVAL }, { 0x3035, -EINVAL },
		{ 0x2f28, -EINVAL }, { 0x4028, -EINVAL },
	};
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct kvm_cpuid_entry2 e[2] = { { .function = 1 },
						 { .function = 0x80000008, .eax = sizes[i].eax } };

		ck_assert_int_eq(cpuid_validate(e, 2), sizes[i].ret);
	}
	ck_assert_int_eq(cpuid_validate(NULL, 0), 0);
	ck_assert_int_eq(cpuid_validate(entries, CPUID_MAX_ENTRIES), 0);
	ck_assert_int_eq(cpuid_validate(entries, CPUID_MAX_ENTRIES + 1), -EINVAL);
}
END_TEST

START_TEST(cpuid_find_by_leaf_and_subleaf)
{
	add(0x8000001d, 1, INDEXED, 1, 0, 0, 0);
	add(7, 1, INDEXED, 2, 0, 0, 0);
	add(7, 0, INDEXED, 3, 0, 0, 0);
	add(2, 5, 0, 4, 0, 0, 0); /* not indexed: any subleaf */
	add(7, 0, INDEXED, 5, 0, 0, 0); /* the first one counts */
	add(0x40000100, 0, 0, 6, 0, 0, 0);
	add(0xc0000000, 0, 0, 7, 0, 0, 0);
	ck_assert_uint_eq(reg_of(7, 0, EAX), 3);
	ck_assert_uint_eq(reg_of(7, 1, EAX), 2);
	ck_assert_ptr_null(cpuid_find(&table, 7, 2));
	ck_assert_uint_eq(reg_of(2, 77, EAX), 4);
	ck_assert_uint_eq(reg_of(0x8000001d, 1, EAX), 1);
	ck_assert_ptr_null(cpuid_find(&table, 0x1d, 1));
	ck_assert_ptr_null(cpuid_find(&table, 0x40000007, 0));
	ck_assert_uint_eq(reg_of(0x40000100, 0, EAX), 6);
	ck_assert_uint_eq(reg_of(0xc0000000, 0, EAX), 7);
	ck_assert(cpuid_has(&table, 7, 0, EAX, 1));
	ck_assert(!cpuid_has(&table, 7, 0, EAX, 2));
	ck_assert(!cpuid_has(&table, 3, 0, EAX, 0));
	/* All 256 entries of one leaf. */
	setup();
	while (nr_entries < CPUID_MAX_ENTRIES)
		add(4, nr_entries, INDEXED, 1000 + nr_entries, 0, 0, 0);
	ck_assert_uint_eq(reg_of(4, 255, EAX), 1255);
	ck_assert_ptr_null(cpuid_find(&table, 4, 256));
}
END_TEST

START_TEST(cpuid_answer_without_entries)
{
	cpuid_table_init(&table, NULL, 0);
	expect(0, 0, 0, 0, 0, 0);
	expect(0x80000000, 0, 0, 0, 0, 0);
	ck_assert_uint_eq(cpuid_maxphyaddr(&table), 36);
}
END_TEST

/* SDM CPUID: Intel answers with the highest basic leaf, AMD with zeros. */
START_TEST(cpuid_out_of_range)
{
	add(0, 0, 0, 5, INTEL, 0, 0);
	add(5, 0, 0, 11, 12, 13, 14);
	add(0x40000000, 0, 0, 0x40000001, 0, 0, 0);
	add(0x80000000, 0, 0, 0x80000008, 0, 0, 0);
	expect(6, 0, 11, 12, 13, 14);
	expect(0x3fffffff, 9, 11, 12, 13, 14);
	expect(0x80000009, 0, 11, 12, 13, 14);
	expect(0x40000002, 0, 11, 12, 13, 14);
	expect(0x40000100, 0, 11, 12, 13, 14);
	expect(0xffffffff, 0, 11, 12, 13, 14);
	/* Within the range but not told: zeros. */
	expect(3, 0, 0, 0, 0, 0);
	expect(0x80000007, 0, 0, 0, 0, 0);
	expect(0x40000001, 0, 0, 0, 0, 0);
	/* Hypervisor ranges are 256 leaves each. */
	add(0x40000100, 0, 0, 0x40000105, 0, 0, 0);
	expect(0x40000103, 0, 0, 0, 0, 0);
	expect(0x40000106, 0, 11, 12, 13, 14);
	entries[0].ebx = AMD;
	cpuid_table_init(&table, entries, nr_entries);
	expect(6, 0, 0, 0, 0, 0);
	expect(0x80000009, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(cpuid_out_of_range_follows_the_registers)
{
	add(0, 0, 0, 1, INTEL, 0, 0);
	add(1, 0, 0, 0, 0, 0, 0x200);
	dynamic.cr4 = CR4_OSXSAVE;
	expect(0x70000000, 0, 0, 0, 1u << 27, 0x200);
	dynamic.apic_enabled = false;
	expect(0x70000000, 0, 0, 0, 1u << 27, 0);
}
END_TEST

/* Leaf 0xb beyond its last level: the subleaf and the x2APIC ID. */
START_TEST(cpuid_topology_beyond_the_last_level)
{
	add(0, 0, 0, 0x1f, INTEL, 0, 0);
	add(0xb, 0, INDEXED, 1, 2, 0x100, 7);
	expect(0xb, 3, 0, 0, 0, 0);
	add(0xb, 1, INDEXED, 4, 8, 0x201, 7);
	expect(0xb, 1, 4, 8, 0x201, 7);
	expect(0xb, 0x303, 0, 0, 3, 7);
	add(0x1f, 1, INDEXED, 4, 8, 0x201, 9);
	expect(0x1f, 5, 0, 0, 5, 9);
	expect(0xb, 0x303, 0, 0, 3, 7);
}
END_TEST

START_TEST(cpuid_dynamic_bits)
{
	add(1, 0, 0, 0, 0, 1u << 27 | 1u << 26, 1u << 9 | 1);
	add(7, 0, INDEXED, 0, 0, 1u << 4 | 1u << 3, 0);
	add(7, 1, INDEXED, 0, 0, 1u << 4, 0);
	add(0x80000001, 0, 0, 0, 0, 0, 1u << 9 | 1u << 29);
	expect(1, 0, 0, 0, 1u << 26, 1u << 9 | 1);
	expect(7, 0, 0, 0, 1u << 3, 0);
	expect(7, 1, 0, 0, 1u << 4, 0);
	expect(0x80000001, 0, 0, 0, 0, 1u << 9 | 1u << 29);
	dynamic.cr4 = CR4_OSXSAVE | CR4_PKE;
	dynamic.apic_enabled = false;
	expect(1, 0, 0, 0, 1u << 27 | 1u << 26, 1);
	expect(7, 0, 0, 0, 1u << 4 | 1u << 3, 0);
	expect(7, 1, 0, 0, 1u << 4, 0);
	expect(0x80000001, 0, 0, 0, 0, 1u << 29);
}
END_TEST

/* SDM vol. 1, 13.4.2 and 13.4.3: the standard form follows XCR0, the compacted one XCR0 | XSS. */
START_TEST(cpuid_xsave_sizes)
{
	add(0xd, 0, INDEXED, 0x2e7, 1, 2, 3);
	add(0xd, 1, INDEXED, 0xf, 1, 0, 0);
	add(0xd, 2, INDEXED, 256, 576, 0, 0);
	add(0xd, 5, INDEXED, 64, 1088, 0, 0);
	add(0xd, 6, INDEXED, 512, 1152, 0, 0);
	add(0xd, 7, INDEXED, 1024, 1664, 0, 0);
	add(0xd, 9, INDEXED, 8, 2688, 2, 0);
	add(0xd, 11, INDEXED, 16, 0, 1, 0);
	expect(0xd, 0, 0x2e7, 576, 2, 3);
	dynamic.xcr0 = 3;
	expect(0xd, 0, 0x2e7, 576, 2, 3);
	dynamic.xcr0 = 7;
	expect(0xd, 0, 0x2e7, 832, 2, 3);
	expect(0xd, 1, 0xf, 832, 0, 0);
	dynamic.xcr0 = 0xe7;
	expect(0xd, 0, 0x2e7, 2688, 2, 3);
	expect(0xd, 1, 0xf, 2432, 0, 0);
	/* PKRU is 8 bytes, aligned to 64 in the compacted form. */
	dynamic.xcr0 = 0x207;
	expect(0xd, 0, 0x2e7, 2696, 2, 3);
	expect(0xd, 1, 0xf, 840, 0, 0);
	dynamic.xss = 1 << 11;
	expect(0xd, 0, 0x2e7, 2696, 2, 3);
	expect(0xd, 1, 0xf, 856, 0, 0);
	/* 856 is no multiple of 64: aligned components after it move. */
	entries[6].eax = 9;
	entries[7].ecx = 3;
	expect(0xd, 1, 0xf, 912, 0, 0);
	/* The standard form ends where the last component ends, which need not be the highest. */
	entries[2].ebx = 4096;
	expect(0xd, 0, 0x2e7, 4352, 2, 3);
	/* Without XSAVEC and XSAVES there is no compacted form. */
	entries[1].eax = 1;
	expect(0xd, 1, 1, 1, 0, 0);
}
END_TEST

START_TEST(cpuid_equal_but_for_dynamic_bits)
{
	struct kvm_cpuid_entry2 other[2] = {
		{ .function = 1, .eax = 5, .ecx = 1u << 26, .edx = 1 },
		{ .function = 7, .flags = INDEXED, .ecx = 1u << 3 },
	};

	add(1, 0, 0, 5, 0, 1u << 26, 1);
	add(7, 0, INDEXED, 0, 0, 1u << 3, 0);
	cpuid_table_init(&table, entries, nr_entries);
	ck_assert(cpuid_table_equal(&table, other, 2));
	other[0].ecx |= 1u << 27;
	other[0].edx |= 1u << 9;
	other[1].ecx |= 1u << 4;
	ck_assert(cpuid_table_equal(&table, other, 2));
	ck_assert(!cpuid_table_equal(&table, other, 1));
	other[1].ecx |= 1u << 5;
	ck_assert(!cpuid_table_equal(&table, other, 2));
	other[1].ecx &= ~(1u << 5);
	other[0].eax = 6;
	ck_assert(!cpuid_table_equal(&table, other, 2));
}
END_TEST

START_TEST(cpuid_pv_features_behind_another_interface)
{
	cpuid_table_init(&table, entries, nr_entries);
	ck_assert_uint_eq(cpuid_pv_features(&table), 0);
	add(0x40000000, 0, 0, 0x40000005, 0x7263694d, 0x666f736f, 0x76482074);
	add(0x40000001, 0, 0, 0x31237648, 0, 0, 0);
	cpuid_table_init(&table, entries, nr_entries);
	ck_assert_uint_eq(cpuid_pv_features(&table), 0);
	add(0x40000100, 0, 0, 0x40000101, 0x4b4d564b, 0x564b4d56, 0x4d);
	cpuid_table_init(&table, entries, nr_entries);
	ck_assert_uint_eq(cpuid_pv_features(&table), 0);
	add(0x40000101, 0, 0, 0x29, 0, 0, 0);
	cpuid_table_init(&table, entries, nr_entries);
	ck_assert_uint_eq(cpuid_pv_features(&table), 0x29);
}
END_TEST

static Suite *cpuid_suite(void)
{
	Suite *s = suite_create("cpuid");
	TCase *tc = tcase_create("cpuid");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, cpuid_tells_only_what_is_listed);
	tcase_add_test(tc, cpuid_tells_no_other_leaf);
	tcase_add_test(tc, cpuid_needs_the_backend);
	tcase_add_test(tc, cpuid_features_open_their_bits);
	tcase_add_test(tc, cpuid_needs_the_host);
	tcase_add_test(tc, cpuid_hypervisor_leaves);
	tcase_add_test(tc, cpuid_xsave_leaves);
	tcase_add_test(tc, cpuid_cache_lists_end);
	tcase_add_test(tc, cpuid_host_without_leaves);
	tcase_add_test(tc, cpuid_maxphyaddr_of_the_guest);
	tcase_add_test(tc, cpuid_supported_stays_within_max);
	tcase_add_test(tc, cpuid_address_sizes);
	tcase_add_test(tc, cpuid_validate_entries);
	tcase_add_test(tc, cpuid_find_by_leaf_and_subleaf);
	tcase_add_test(tc, cpuid_answer_without_entries);
	tcase_add_test(tc, cpuid_out_of_range);
	tcase_add_test(tc, cpuid_out_of_range_follows_the_registers);
	tcase_add_test(tc, cpuid_topology_beyond_the_last_level);
	tcase_add_test(tc, cpuid_dynamic_bits);
	tcase_add_test(tc, cpuid_equal_but_for_dynamic_bits);
	tcase_add_test(tc, cpuid_pv_features_behind_another_interface);
	tcase_add_test(tc, cpuid_xsave_sizes);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(cpuid_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
