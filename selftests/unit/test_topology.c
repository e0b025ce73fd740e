// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's place in the machine, as its CPUID tells it (SDM vol. 2A, CPUID; APM vol. 3, appendix
 * E).
 */
#include <string.h>

#include "machine/cpuid.h"
#include "suite.h"

static struct cpuid_table table;

static void add(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx, uint32_t ecx,
		uint32_t edx)
{
	table.entries[table.list.nent++] = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.flags = function == 4 || function == 0xb || function == 0x8000001d ?
				 KVM_CPUID_FLAG_SIGNIFCANT_INDEX :
				 0,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

/* A hypervisor's list that still shows the host's own topology. */
static void setup(void)
{
	table.list.nent = 0;
	add(0, 0, 0x1f, 0, 0, 0);
	add(1, 0, 0x00800f12, 0x07100800, 0x01000000, 0x0789fbff);
	add(4, 0, 0x1c004121, 0, 0, 0);
	add(4, 1, 0x1c004122, 0, 0, 0);
	add(4, 2, 0x1c004143, 0, 0, 0);
	add(4, 3, 0x1c03c163, 0, 0, 0);
	add(4, 4, 0, 0, 0, 0);
	add(0xb, 0, 1, 2, 0x100, 7);
	add(0xb, 1, 4, 16, 0x201, 7);
	add(0x15, 0, 0, 0, 0, 0);
	add(0x1f, 0, 1, 2, 0x100, 7);
	add(0x80000001, 0, 0, 0, 0, 0);
	add(0x80000008, 0, 0x3030, 0, 0x400f, 0);
	add(0x8000001d, 3, 0x0003c163, 0, 0, 0);
	add(0x8000001e, 0, 7, 0x103, 0x301, 0);
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(&table, function, index);

	ck_assert_ptr_nonnull(e);
	return e;
}

static void place(unsigned int cpu, unsigned int cpus)
{
	struct cpuid_place p = { .cpu = cpu, .cpus = cpus };

	setup();
	cpuid_place_vcpu(&table, &p);
}

START_TEST(launcher_topology_features)
{
	place(2, 4);
	ck_assert_uint_eq(leaf(1, 0)->ebx,
			  0x02040800); /* APIC id, logical CPUs, CLFLUSH as it was */
	ck_assert_uint_ne(leaf(1, 0)->edx & 1u << 28, 0); /* HTT */
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 31, 0); /* hypervisor */
	ck_assert_uint_eq(leaf(1, 0)->ecx & 1u << 24,
			  0); /* no TSC deadline, whatever the list said */
	place(0, 1);
	ck_assert_uint_eq(leaf(1, 0)->ebx, 0x00010800);
	ck_assert_uint_eq(leaf(1, 0)->edx & 1u << 28, 0);
}
END_TEST

START_TEST(launcher_topology_tsc_deadline)
{
	struct cpuid_place p = { .cpus = 1, .tsc_deadline = true };

	cpuid_place_vcpu(&table, &p);
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 24, 0);
}
END_TEST

/* Private L1 and L2, shared L3, and as many cores as vCPUs. */
START_TEST(launcher_topology_caches)
{
	place(0, 4);
	ck_assert_uint_eq(leaf(4, 0)->eax, 0x0c000121);
	ck_assert_uint_eq(leaf(4, 2)->eax, 0x0c000143);
	ck_assert_uint_eq(leaf(4, 3)->eax, 0x0c00c163);
	ck_assert_uint_eq(leaf(4, 4)->eax, 0);
	ck_assert_uint_eq(leaf(0x8000001d, 3)->eax, 0x0000c163);
}
END_TEST

START_TEST(launcher_topology_leaf_b)
{
	static const struct {
		unsigned int cpus, shift;
	} cases[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 64, 6 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const uint32_t functions[] = { 0xb, 0x1f };

		for (int f = 0; f < 2; f++) {
			unsigned int cpu = cases[i].cpus - 1;

			place(cpu, cases[i].cpus);
			ck_assert_uint_eq(leaf(functions[f], 0)->eax, 0);
			ck_assert_uint_eq(leaf(functions[f], 0)->ebx, 1);
			ck_assert_uint_eq(leaf(functions[f], 0)->ecx, 0x100);
			ck_assert_uint_eq(leaf(functions[f], 0)->edx, cpu);
			ck_assert_uint_eq(leaf(functions[f], 1)->eax, cases[i].shift);
			ck_assert_uint_eq(leaf(functions[f], 1)->ebx, cases[i].cpus);
			ck_assert_uint_eq(leaf(functions[f], 1)->ecx, 0x201);
			ck_assert_uint_eq(leaf(functions[f], 1)->edx, cpu);
			ck_assert_uint_eq(leaf(functions[f], 2)->ebx, 0);
			ck_assert_uint_eq(leaf(functions[f], 2)->ecx, 2);
		}
	}
}
END_TEST

/* A processor without these leaves gets none; the host's entries are gone in either case. */
START_TEST(launcher_topology_old_processor)
{
	struct cpuid_place p = { .cpu = 1, .cpus = 2 };

	table.entries[0].eax = 0xd;
	cpuid_place_vcpu(&table, &p);
	ck_assert_ptr_nonnull(cpuid_find(&table, 0xb, 0));
	ck_assert_ptr_null(cpuid_find(&table, 0x1f, 0));
	setup();
	table.entries[0].eax = 0xa;
	cpuid_place_vcpu(&table, &p);
	ck_assert_ptr_null(cpuid_find(&table, 0xb, 0));
}
END_TEST

START_TEST(launcher_topology_amd)
{
	place(5, 6);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx, 2); /* CmpLegacy */
	ck_assert_uint_eq(leaf(0x80000008, 0)->eax, 0x3030);
	ck_assert_uint_eq(leaf(0x80000008, 0)->ecx, 0x3005); /* 6 cores, 3 bits of APIC id */
	ck_assert_uint_eq(leaf(0x8000001e, 0)->eax, 5);
	ck_assert_uint_eq(leaf(0x8000001e, 0)->ebx, 5);
	ck_assert_uint_eq(leaf(0x8000001e, 0)->ecx, 0);
	place(0, 1);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx, 0);
	ck_assert_uint_eq(leaf(0x80000008, 0)->ecx, 0);
}
END_TEST

/* TSC = crystal * EBX / EAX (SDM, leaf 15H): the crystal is the LAPIC's 1 GHz. */
START_TEST(launcher_topology_tsc)
{
	struct cpuid_place p = { .cpus = 1, .tsc_khz = 2345678 };
	const struct kvm_cpuid_entry2 *e;

	place(0, 1);
	ck_assert_uint_eq(leaf(0x15, 0)->ebx, 0);
	setup();
	cpuid_place_vcpu(&table, &p);
	e = leaf(0x15, 0);
	ck_assert_uint_eq((uint64_t)e->ecx * e->ebx / e->eax, 2345678000ULL);
	ck_assert_uint_eq(e->ecx, 1000000000);
}
END_TEST

START_TEST(launcher_topology_physical_bits)
{
	ck_assert_uint_eq(cpuid_physical_bits(&table), 48);
	table.list.nent = 1;
	ck_assert_uint_eq(cpuid_physical_bits(&table), 36);
	add(0x80000008, 0, 0x2e, 0, 0, 0);
	ck_assert_uint_eq(cpuid_physical_bits(&table), 46);
}
END_TEST

/* A list that fills the table leaves no room: nothing is written beyond it. */
START_TEST(launcher_topology_full)
{
	struct cpuid_place p = { .cpus = 2 };

	while (table.list.nent < CPUID_MAX_ENTRIES)
		add(0x40000000 + table.list.nent, 0, 0, 0, 0, 0);
	cpuid_place_vcpu(&table, &p);
	ck_assert_uint_le(table.list.nent, CPUID_MAX_ENTRIES);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_topology_features,	 launcher_topology_tsc_deadline,
		launcher_topology_caches,	 launcher_topology_leaf_b,
		launcher_topology_old_processor, launcher_topology_amd,
		launcher_topology_tsc,		 launcher_topology_physical_bits,
		launcher_topology_full,
	};

	return SUITE_RUN("topology", setup, tests);
}
