// SPDX-License-Identifier: GPL-2.0-only
#include "machine/cpuid.h"

#include <stddef.h>

#define LEAF_MAX_BASIC 0x0
#define LEAF_FEATURES 0x1
#define LEAF_CACHE 0x4
#define LEAF_TOPOLOGY 0xb
#define LEAF_TSC 0x15
#define LEAF_TOPOLOGY_V2 0x1f
#define LEAF_AMD_FEATURES 0x80000001
#define LEAF_AMD_SIZES 0x80000008
#define LEAF_AMD_CACHE 0x8000001d
#define LEAF_AMD_TOPOLOGY 0x8000001e

#define ECX_HYPERVISOR (1u << 31)
#define TOPOLOGY_THREAD 1
#define TOPOLOGY_CORE 2
/* The in-kernel LAPIC timer's clock: KVM's ABI has it at one tick a nanosecond. */
#define LAPIC_HZ 1000000000u

const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, uint32_t function,
					  uint32_t index)
{
	for (uint32_t i = 0; i < table->list.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &table->entries[i];

		if (e->function == function &&
		    (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

/* 36 where the leaf is not there (SDM vol. 2A, CPUID leaf 80000008H). */
unsigned int cpuid_physical_bits(const struct cpuid_table *table)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(table, LEAF_AMD_SIZES, 0);

	return e && (e->eax & 0xff) ? e->eax & 0xff : 36;
}

/* Bits of an APIC id that number the cores. */
static unsigned int core_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while (1u << bits < cpus)
		bits++;
	return bits;
}

static void set_field(uint32_t *reg, unsigned int low, unsigned int bits, uint32_t value)
{
	uint32_t mask = ((1u << bits) - 1) << low;

	*reg = (*reg & ~mask) | (value << low & mask);
}

static void place_features(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	set_field(&e->ebx, 16, 8, place->cpus);
	set_field(&e->ebx, 24, 8, place->cpu);
	set_field(&e->edx, 28, 1, place->cpus > 1);
	e->ecx |= ECX_HYPERVISOR;
	set_field(&e->ecx, 24, 1, place->tsc_deadline);
}

/* Levels 1 and 2 belong to a core, level 3 to all. */
static uint32_t cache_sharers(const struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	return (e->eax >> 5 & 7) >= 3 ? place->cpus - 1 : 0;
}

static void place_cache(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	if (!(e->eax & 0x1f)) /* no more caches */
		return;
	set_field(&e->eax, 14, 12, cache_sharers(e, place));
	set_field(&e->eax, 26, 6, place->cpus - 1);
}

static void place_amd_cache(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	if (e->eax & 0x1f)
		set_field(&e->eax, 14, 12, cache_sharers(e, place));
}

/*
 * TSC and LAPIC timer frequency (SDM vol. 2A, CPUID leaf 15H): the crystal is the LAPIC's clock,
 * and the ratio gives the TSC's. It spares an Intel guest two calibrations.
 */
static void place_tsc(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	if (!place->tsc_khz)
		return;
	e->eax = LAPIC_HZ / 1000;
	e->ebx = place->tsc_khz;
	e->ecx = LAPIC_HZ;
}

static void place_amd_features(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	set_field(&e->ecx, 1, 1, place->cpus > 1);
}

static void place_amd_sizes(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	set_field(&e->ecx, 0, 8, place->cpus - 1);
	set_field(&e->ecx, 12, 4, core_bits(place->cpus));
}

static void place_amd_topology(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	e->eax = place->cpu;
	e->ebx = place->cpu; /* core id; threads per core less one, 0 */
	e->ecx = 0; /* one node, node 0 */
	e->edx = 0;
}

static const struct {
	uint32_t function;
	void (*place)(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place);
} rules[] = {
	{ LEAF_FEATURES, place_features },
	{ LEAF_CACHE, place_cache },
	{ LEAF_TSC, place_tsc },
	{ LEAF_AMD_FEATURES, place_amd_features },
	{ LEAF_AMD_SIZES, place_amd_sizes },
	{ LEAF_AMD_CACHE, place_amd_cache },
	{ LEAF_AMD_TOPOLOGY, place_amd_topology },
};

static void remove_leaf(struct cpuid_table *table, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->list.nent; i++) {
		if (table->entries[i].function != function)
			table->entries[kept++] = table->entries[i];
	}
	table->list.nent = kept;
}

/*
 * Leaf 0BH (and 1FH, which says the same): a level of one thread, a level of all cores, and the
 * end.
 */
static void set_topology(struct cpuid_table *table, uint32_t function,
			 const struct cpuid_place *place)
{
	const struct {
		uint32_t shift, count, type;
	} levels[] = {
		{ 0, 1, TOPOLOGY_THREAD },
		{ core_bits(place->cpus), place->cpus, TOPOLOGY_CORE },
		{ 0, 0, 0 },
	};

	for (uint32_t i = 0; i < 3 && table->list.nent < CPUID_MAX_ENTRIES; i++)
		table->entries[table->list.nent++] = (struct kvm_cpuid_entry2){
			.function = function,
			.index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = levels[i].shift,
			.ebx = levels[i].count,
			.ecx = levels[i].type << 8 | i,
			.edx = place->cpu,
		};
}

void cpuid_place_vcpu(struct cpuid_table *table, const struct cpuid_place *place)
{
	static const uint32_t topology_leaves[] = { LEAF_TOPOLOGY, LEAF_TOPOLOGY_V2 };
	const struct kvm_cpuid_entry2 *basic = cpuid_find(table, LEAF_MAX_BASIC, 0);
	uint32_t max_basic = basic ? basic->eax : 0;

	for (uint32_t i = 0; i < table->list.nent; i++) {
		for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++) {
			if (rules[r].function == table->entries[i].function)
				rules[r].place(&table->entries[i], place);
		}
	}
	for (size_t i = 0; i < 2; i++) {
		remove_leaf(table, topology_leaves[i]);
		if (topology_leaves[i] <= max_basic)
			set_topology(table, topology_leaves[i], place);
	}
}
