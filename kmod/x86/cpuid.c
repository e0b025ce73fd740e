// SPDX-License-Identifier: GPL-2.0-only
/* Bit numbers are those of SDM vol. 2 CPUID and, from 0x80000000, APM vol. 3 appendix E. */
#include <linux/errno.h>
#include <linux/string.h>

#include "x86/cpuid.h"

#define B(n) (1u << (n))
#define BITS(high, low) ((0xffffffffu >> (31 - (high))) & (0xffffffffu << (low)))
#define ALL 0xffffffffu
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_EXTENDED 0x80000000u
#define LEAF_ADDRESS_SIZES 0x80000008u

#define MAX_BASIC 0x1fu
#define MAX_HYPERVISOR 0x40000001u
#define MAX_EXTENDED 0x80000021u

/* "KVMKVMKVM" */
#define SIGNATURE_EBX 0x4b4d564bu
#define SIGNATURE_ECX 0x564b4d56u
#define SIGNATURE_EDX 0x4du

#define XCR0_AVX 0x6ull
#define XCR0_AVX512 0xe6ull
#define XSAVE_LEGACY_SIZE 576 /* FXSAVE area and XSAVE header (SDM vol. 1, 13.4) */

#define CR4_OSXSAVE (1ull << 18)
#define CR4_PKE (1ull << 22)

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/* What a leaf may tell: the host's bits under a mask, and bits that the module itself sets. */
struct leaf {
	u32 number;
	u32 subleaf;
	u32 flags;
	u32 mask[4];
	u32 set[4];
};

/* In ascending order, which is the order of the answer. A leaf that is not here is not told. */
/* clang-format off */
static const struct leaf leaves[] = {
	/* The largest leaf (cut below) and the vendor. */
	{ 0, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 1, 0, 0, {
		ALL, /* family, model, stepping */
		BITS(15, 0), /* brand, clflush size; the APIC ID is the vCPU's */
		/* sse3 pclmul ssse3 fma cx16 pcid sse4.1 sse4.2 */
		B(0) | B(1) | B(9) | B(12) | B(13) | B(17) | B(19) | B(20) |
			/* movbe popcnt aes xsave avx f16c rdrand */
			B(22) | B(23) | B(25) | B(26) | B(28) | B(29) | B(30),
		/* fpu vme de pse tsc msr pae mce cx8 apic; sep mtrr pge mca cmov pat pse36 */
		BITS(9, 0) | BITS(17, 11) |
			/* clflush; mmx fxsr sse sse2 ss */
			B(19) | BITS(27, 23),
		/*
		 * The module's APIC has x2APIC mode; bit 31: a hypervisor. Its TSC deadline is
		 * KVM_CAP_TSC_DEADLINE_TIMER: who gives guests an APIC of userspace's must not find it here.
		 */
	}, { 0, 0, B(21) | B(31), 0 } },
	{ 2, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	/* ARAT: the APIC timer runs always. */
	{ 6, 0, 0, { 0 }, { B(2), 0, 0, 0 } },
	{ 7, 0, INDEXED, {
		ALL, /* the largest subleaf (cut below) */
		/* fsgsbase tsc_adjust bmi1 avx2 fdp_excptn smep bmi2 erms invpcid zero_fcs_fds */
		B(0) | B(1) | B(3) | BITS(10, 5) | B(13) |
			/* avx512f avx512dq rdseed adx smap avx512ifma; clflushopt clwb */
			BITS(21, 16) | B(23) | B(24) |
			/* avx512pf avx512er avx512cd sha avx512bw avx512vl */
			BITS(31, 26),
		/* avx512vbmi umip pku; avx512vbmi2 gfni vaes vpclmulqdq avx512vnni avx512bitalg */
		B(1) | B(2) | B(3) | B(6) | BITS(12, 8) |
			/* avx512vpopcntdq la57 rdpid cldemote */
			B(14) | B(16) | B(22) | B(25),
		/* avx512_4vnniw avx512_4fmaps fsrm avx512vp2intersect md_clear serialize */
		BITS(4, 2) | B(8) | B(10) | B(14) |
			/* avx512fp16; spec_ctrl stibp flush_l1d arch_capabilities ssbd */
			B(23) | BITS(29, 26) | B(31),
	}, { 0 } },
	{ 7, 1, INDEXED, {
		/* avx_vnni avx512bf16 fzrm fsrs fsrc avx_ifma */
		B(4) | B(5) | BITS(12, 10) | B(23),
		0,
		0,
		/* avx_vnni_int8 avx_ne_convert */
		B(4) | B(5),
	}, { 0 } },
	/* Topology is the VM's: userspace fills it in. */
	{ 0xb, 0, INDEXED, { 0 }, { 0 } },
	{ 0xd, 0, INDEXED, { 0 }, { 0 } }, /* computed below */
	/* xsaveopt xsavec xgetbv1 xsaves */
	{ 0xd, 1, INDEXED, { BITS(3, 0), 0, 0, 0 }, { 0 } },
	{ 0x1f, 0, INDEXED, { 0 }, { 0 } },
	/* "KVMKVMKVM", so that guests find the paravirtual interface where they look for it. */
	{ 0x40000000, 0, 0, { 0 }, { MAX_HYPERVISOR, SIGNATURE_EBX, SIGNATURE_ECX, SIGNATURE_EDX } },
	{ 0x40000001, 0, 0, { 0 }, { 0 } }, /* features from the caller */
	{ 0x80000000, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000001, 0, 0, {
		ALL,
		0,
		/* lahf; abm sse4a misalignsse 3dnowprefetch; xop fma4 tbm topoext */
		B(0) | BITS(8, 5) | B(11) | B(16) | B(21) | B(22),
		/* as leaf 1; syscall nx mmxext pdpe1gb rdtscp lm 3dnowext 3dnow */
		BITS(9, 0) | BITS(17, 11) | B(20) | BITS(24, 22) | B(26) | B(27) | BITS(31, 29),
	}, { 0 } },
	{ 0x80000002, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000003, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000004, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000005, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000006, 0, 0, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x80000007, 0, 0, { 0, 0, 0, B(8) }, { 0 } }, /* invariant TSC */
	{ 0x80000008, 0, 0, {
		BITS(15, 0), /* address sizes (cut below) */
		/* clzero xsaveerptr wbnoinvd ibpb ibrs stibp ssbd ssb_no */
		B(0) | B(2) | B(9) | B(12) | B(14) | B(15) | B(24) | B(26),
		0,
		0,
	}, { 0 } },
	{ 0x8000001e, 0, 0, { 0 }, { 0 } },
	/* no_nested_data_bp lfence_rdtsc null_sel_clr_base */
	{ 0x80000021, 0, 0, { B(0) | B(2) | B(6), 0, 0, 0 }, { 0 } },
};
/* clang-format on */

/* Leaves of which each subleaf describes a cache, as the host's do; type 0 ends the list. */
#define LEAF_CACHES 4u
#define LEAF_CACHES_AMD 0x8000001du
#define CACHE_TYPE BITS(4, 0)
#define MAX_CACHES 8

/* Features that need the backend or an XSAVE component besides the host's bit. */
struct gate {
	u32 number;
	u32 subleaf;
	u32 reg;
	u32 bits;
	u32 feature;
	u64 xcr0;
};

/* clang-format off */
static const struct gate gates[] = {
	{ 1, 0, CPUID_REG_ECX, B(17), CPUID_CAP_PCID, 0 },
	{ 1, 0, CPUID_REG_ECX, B(26), 0, 0x3 },
	{ 1, 0, CPUID_REG_ECX, B(12) | B(28) | B(29), 0, XCR0_AVX },
	{ 1, 0, CPUID_REG_EDX, B(7) | B(14), CPUID_CAP_MCE, 0 },
	{ 1, 0, CPUID_REG_EDX, B(12), CPUID_CAP_MTRR, 0 },
	{ 7, 0, CPUID_REG_EBX, B(1), CPUID_CAP_TSC_ADJUST, 0 },
	{ 7, 0, CPUID_REG_EBX, B(5), 0, XCR0_AVX },
	{ 7, 0, CPUID_REG_EBX, B(10), CPUID_CAP_INVPCID, 0 },
	{ 7, 0, CPUID_REG_EBX, BITS(17, 16) | B(21) | BITS(28, 26) | BITS(31, 30), 0, XCR0_AVX512 },
	{ 7, 0, CPUID_REG_ECX, B(2), CPUID_CAP_UMIP, 0 },
	{ 7, 0, CPUID_REG_ECX, B(3), CPUID_CAP_PKU, 0 },
	{ 7, 0, CPUID_REG_ECX, B(9) | B(10), 0, XCR0_AVX },
	{ 7, 0, CPUID_REG_ECX, B(1) | B(6) | B(11) | B(12) | B(14), 0, XCR0_AVX512 },
	{ 7, 0, CPUID_REG_ECX, B(16), CPUID_CAP_LA57, 0 },
	{ 7, 0, CPUID_REG_ECX, B(22), CPUID_CAP_RDTSCP, 0 },
	{ 7, 0, CPUID_REG_EDX, B(2) | B(3) | B(8) | B(23), 0, XCR0_AVX512 },
	{ 7, 0, CPUID_REG_EDX, B(26) | B(27) | B(31), CPUID_CAP_SPEC_CTRL, 0 },
	{ 7, 0, CPUID_REG_EDX, B(28), CPUID_CAP_FLUSH_L1D, 0 },
	{ 7, 0, CPUID_REG_EDX, B(29), CPUID_CAP_ARCH_CAPABILITIES, 0 },
	{ 7, 1, CPUID_REG_EAX, B(4) | B(23), 0, XCR0_AVX },
	{ 7, 1, CPUID_REG_EAX, B(5), 0, XCR0_AVX512 },
	{ 7, 1, CPUID_REG_EDX, B(4) | B(5), 0, XCR0_AVX },
	{ 0xd, 1, CPUID_REG_EAX, ALL, 0, 0x3 },
	{ 0xd, 1, CPUID_REG_EAX, B(3), CPUID_CAP_XSAVES, 0 },
	{ 0x80000001, 0, CPUID_REG_ECX, B(11) | B(16), 0, XCR0_AVX },
	{ 0x80000001, 0, CPUID_REG_EDX, B(7) | B(14), CPUID_CAP_MCE, 0 },
	{ 0x80000001, 0, CPUID_REG_EDX, B(12), CPUID_CAP_MTRR, 0 },
	{ 0x80000001, 0, CPUID_REG_EDX, B(20), CPUID_CAP_NX, 0 },
	{ 0x80000001, 0, CPUID_REG_EDX, B(26), CPUID_CAP_GBPAGES, 0 },
	{ 0x80000001, 0, CPUID_REG_EDX, B(27), CPUID_CAP_RDTSCP, 0 },
	{ 0x80000008, 0, CPUID_REG_EBX, B(2), 0, 0x3 },
	{ 0x80000008, 0, CPUID_REG_EBX, B(12) | B(14) | B(15) | B(24), CPUID_CAP_SPEC_CTRL, 0 },
};
/* clang-format on */

/* The answer under construction. */
struct builder {
	struct kvm_cpuid_entry2 *out;
	u32 max;
	u32 n;
	cpuid_reader host;
	const struct cpuid_host_caps *caps;
	u32 max_basic; /* of the host, cut to what the table knows */
	u32 max_extended;
};

static struct kvm_cpuid_entry2 *add_entry(struct builder *b, u32 number, u32 subleaf, u32 flags)
{
	struct kvm_cpuid_entry2 *entry;

	if (b->n == b->max)
		return NULL;
	entry = &b->out[b->n++];
	memset(entry, 0, sizeof(*entry));
	entry->function = number;
	entry->index = subleaf;
	entry->flags = flags;
	return entry;
}

static void set_entry(struct kvm_cpuid_entry2 *entry, const u32 regs[4])
{
	entry->eax = regs[CPUID_REG_EAX];
	entry->ebx = regs[CPUID_REG_EBX];
	entry->ecx = regs[CPUID_REG_ECX];
	entry->edx = regs[CPUID_REG_EDX];
}

static void get_entry(const struct kvm_cpuid_entry2 *entry, u32 regs[4])
{
	regs[CPUID_REG_EAX] = entry->eax;
	regs[CPUID_REG_EBX] = entry->ebx;
	regs[CPUID_REG_ECX] = entry->ecx;
	regs[CPUID_REG_EDX] = entry->edx;
}

static bool host_has_leaf(const struct builder *b, u32 number)
{
	if (number >= LEAF_EXTENDED)
		return number <= b->max_extended;
	return number >= LEAF_HYPERVISOR || number <= b->max_basic;
}

static void close_gates(const struct builder *b, const struct leaf *leaf, u32 regs[4])
{
	const struct gate *gate;

	for (gate = gates; gate < gates + ARRAY_LEN(gates); gate++) {
		if (gate->number != leaf->number || gate->subleaf != leaf->subleaf)
			continue;
		if ((b->caps->features & gate->feature) != gate->feature ||
		    (b->caps->xcr0 & gate->xcr0) != gate->xcr0)
			regs[gate->reg] &= ~gate->bits;
	}
}

/* The standard form of the XSAVE area for these components (SDM vol. 1, 13.4.3). */
static u32 host_xsave_size(const struct builder *b)
{
	u32 regs[4], size = XSAVE_LEGACY_SIZE, end, i;

	for (i = 2; i < 63; i++) {
		if (!(b->caps->xcr0 >> i & 1))
			continue;
		b->host(0xd, i, regs);
		end = regs[CPUID_REG_EAX] + regs[CPUID_REG_EBX];
		if (end > size)
			size = end;
	}
	return size;
}

static void cut_address_sizes(const struct builder *b, u32 regs[4])
{
	u32 physical = regs[CPUID_REG_EAX] & 0xff, linear = regs[CPUID_REG_EAX] >> 8 & 0xff;

	if (b->caps->maxphyaddr && physical > b->caps->maxphyaddr)
		physical = b->caps->maxphyaddr;
	if (linear > 48 && !(b->caps->features & CPUID_CAP_LA57))
		linear = 48;
	regs[CPUID_REG_EAX] = linear << 8 | physical;
}

/* The leaves that a mask alone cannot say. */
static void adjust_leaf(const struct builder *b, const struct leaf *leaf, u32 regs[4])
{
	if (leaf->number == 0) {
		regs[CPUID_REG_EAX] = b->max_basic;
	} else if (leaf->number == 7 && leaf->subleaf == 0) {
		regs[CPUID_REG_EAX] = regs[CPUID_REG_EAX] ? 1 : 0;
	} else if (leaf->number == 0xd && leaf->subleaf == 0 && b->caps->xcr0) {
		regs[CPUID_REG_EAX] = (u32)b->caps->xcr0;
		regs[CPUID_REG_EDX] = (u32)(b->caps->xcr0 >> 32);
		regs[CPUID_REG_EBX] = XSAVE_LEGACY_SIZE;
		regs[CPUID_REG_ECX] = host_xsave_size(b);
	} else if (leaf->number == MAX_HYPERVISOR) {
		regs[CPUID_REG_EAX] = b->caps->kvm_features;
	} else if (leaf->number == LEAF_EXTENDED) {
		regs[CPUID_REG_EAX] = b->max_extended;
	} else if (leaf->number == LEAF_ADDRESS_SIZES) {
		cut_address_sizes(b, regs);
	}
}

static int add_leaf(struct builder *b, const struct leaf *leaf)
{
	struct kvm_cpuid_entry2 *entry;
	u32 regs[4];
	unsigned int i;

	entry = add_entry(b, leaf->number, leaf->subleaf, leaf->flags);
	if (!entry)
		return -E2BIG;
	b->host(leaf->number, leaf->subleaf, regs);
	for (i = 0; i < 4; i++)
		regs[i] = (regs[i] & leaf->mask[i]) | leaf->set[i];
	close_gates(b, leaf, regs);
	adjust_leaf(b, leaf, regs);
	set_entry(entry, regs);
	return 0;
}

static int add_caches(struct builder *b, u32 number)
{
	struct kvm_cpuid_entry2 *entry;
	u32 regs[4], i;

	for (i = 0; i < MAX_CACHES; i++) {
		b->host(number, i, regs);
		entry = add_entry(b, number, i, INDEXED);
		if (!entry)
			return -E2BIG;
		set_entry(entry, regs);
		if (!(regs[CPUID_REG_EAX] & CACHE_TYPE))
			break;
	}
	return 0;
}

/* Only user components: ECX bit 0 marks one that XSS, not XCR0, turns on. */
static int add_xsave_components(struct builder *b)
{
	struct kvm_cpuid_entry2 *entry;
	u32 regs[4], i;

	for (i = 2; i < 63; i++) {
		if (!(b->caps->xcr0 >> i & 1))
			continue;
		b->host(0xd, i, regs);
		if (regs[CPUID_REG_ECX] & B(0))
			continue;
		entry = add_entry(b, 0xd, i, INDEXED);
		if (!entry)
			return -E2BIG;
		entry->eax = regs[CPUID_REG_EAX];
		entry->ebx = regs[CPUID_REG_EBX];
		entry->ecx = regs[CPUID_REG_ECX] & B(1);
	}
	return 0;
}

/* What a row of the table brings behind it or before it, so that the order stays ascending. */
static int add_lists(struct builder *b, const struct leaf *leaf)
{
	if (leaf->number == 2 && b->max_basic >= LEAF_CACHES)
		return add_caches(b, LEAF_CACHES);
	if (leaf->number == 0xd && leaf->subleaf == 1)
		return add_xsave_components(b);
	if (leaf->number == LEAF_ADDRESS_SIZES && b->max_extended >= LEAF_CACHES_AMD)
		return add_caches(b, LEAF_CACHES_AMD);
	return 0;
}

static void find_limits(struct builder *b)
{
	u32 regs[4];

	b->host(0, 0, regs);
	b->max_basic = regs[CPUID_REG_EAX] < MAX_BASIC ? regs[CPUID_REG_EAX] : MAX_BASIC;
	b->host(LEAF_EXTENDED, 0, regs);
	b->max_extended = regs[CPUID_REG_EAX] < MAX_EXTENDED ? regs[CPUID_REG_EAX] : MAX_EXTENDED;
}

int cpuid_supported(struct kvm_cpuid_entry2 *out, u32 max, cpuid_reader host,
		    const struct cpuid_host_caps *caps)
{
	struct builder b = { .out = out, .max = max, .host = host, .caps = caps };
	const struct leaf *leaf;
	int ret;

	find_limits(&b);
	for (leaf = leaves; leaf < leaves + ARRAY_LEN(leaves); leaf++) {
		if (!host_has_leaf(&b, leaf->number))
			continue;
		ret = add_leaf(&b, leaf);
		if (!ret)
			ret = add_lists(&b, leaf);
		if (ret)
			return ret;
	}
	return b.n;
}

int cpuid_validate(const struct kvm_cpuid_entry2 *entries, u32 n)
{
	u32 i, physical, linear;

	if (n > CPUID_MAX_ENTRIES)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (entries[i].function != LEAF_ADDRESS_SIZES)
			continue;
		physical = entries[i].eax & 0xff;
		linear = entries[i].eax >> 8 & 0xff;
		if (physical && (physical < 32 || physical > 52))
			return -EINVAL;
		if (linear && linear != 48 && linear != 57)
			return -EINVAL;
	}
	return 0;
}

/* EBX of leaf 0: "Auth"enticAMD and "Hygo"nGenuine answer out-of-range leaves with zeros. */
static bool vendor_answers_zero(u32 ebx)
{
	return ebx == 0x68747541 || ebx == 0x6f677948;
}

/* What answer_dynamic() fills in, whatever userspace has set. */
static const struct {
	u32 number;
	u32 ebx, ecx, edx;
} dynamic_bits[] = {
	{ 1, 0, B(27), B(9) },
	{ 7, 0, B(4), 0 },
	{ 0xd, ALL, 0, 0 },
	{ 0x80000001, 0, 0, B(9) },
};

static bool is_dynamic(u32 leaf)
{
	u32 i;

	for (i = 0; i < ARRAY_LEN(dynamic_bits); i++)
		if (dynamic_bits[i].number == leaf)
			return true;
	return false;
}

void cpuid_table_init(struct cpuid_table *table, const struct kvm_cpuid_entry2 *entries, u32 n)
{
	const struct kvm_cpuid_entry2 *vendor;
	u32 i;

	memset(table, 0, sizeof(*table));
	table->entries = entries;
	table->n = n;
	for (i = n; i-- > 0;) {
		u32 place = cpuid_place(entries[i].function);
		bool plain = !(entries[i].flags & INDEXED) && !is_dynamic(entries[i].function);

		if (place < ARRAY_LEN(table->first))
			table->first[place] = (i + 1) | (plain ? CPUID_PLAIN : 0);
	}
	vendor = cpuid_find(table, 0, 0);
	table->basic_fallback = vendor && !vendor_answers_zero(vendor->ebx);
}

const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, u32 leaf, u32 subleaf)
{
	const struct kvm_cpuid_entry2 *entry;
	u32 place = cpuid_place(leaf), i = 0;

	if (place < ARRAY_LEN(table->first)) {
		i = table->first[place] & ~CPUID_PLAIN;
		if (!i)
			return NULL;
		i--;
	}
	for (; i < table->n; i++) {
		entry = &table->entries[i];
		if (entry->function == leaf &&
		    (!(entry->flags & INDEXED) || entry->index == subleaf))
			return entry;
	}
	return NULL;
}

/* The leaf of this range whose EAX is the largest leaf of the range. */
static u32 range_base(u32 leaf)
{
	if (leaf >= LEAF_HYPERVISOR && leaf <= 0x4fffffff)
		return leaf & 0xffffff00;
	return leaf & LEAF_EXTENDED;
}

/* SDM CPUID: above the largest leaf of its range a leaf answers as the highest basic one. */
static u32 effective_leaf(const struct cpuid_table *table, u32 leaf)
{
	const struct kvm_cpuid_entry2 *base;

	if (!table->basic_fallback)
		return leaf;
	base = cpuid_find(table, range_base(leaf), 0);
	if (base && leaf <= base->eax)
		return leaf;
	base = cpuid_find(table, 0, 0);
	return base ? base->eax : leaf;
}

/* Subleaves beyond the last level still tell the x2APIC ID (SDM CPUID, leaves 0bh and 1fh). */
static void answer_topology(const struct cpuid_table *table, u32 leaf, u32 subleaf, u32 regs[4])
{
	const struct kvm_cpuid_entry2 *level = cpuid_find(table, leaf, 1);

	if (!level)
		return;
	regs[CPUID_REG_ECX] = subleaf & 0xff;
	regs[CPUID_REG_EDX] = level->edx;
}

static u32 guest_xsave_size(const struct cpuid_table *table, u64 components, bool compacted)
{
	u32 size = XSAVE_LEGACY_SIZE, end, i;

	for (i = 2; i < 63; i++) {
		const struct kvm_cpuid_entry2 *component;

		if (!(components >> i & 1))
			continue;
		component = cpuid_find(table, 0xd, i);
		if (!component)
			continue;
		if (!compacted)
			end = component->ebx + component->eax;
		else if (component->ecx & B(1))
			end = ((size + 63) & ~63u) + component->eax;
		else
			end = size + component->eax;
		if (end > size)
			size = end;
	}
	return size;
}

static void answer_xsave(const struct cpuid_table *table, u32 subleaf,
			 const struct cpuid_dynamic *dynamic, u32 regs[4])
{
	if (subleaf == 0 && regs[CPUID_REG_EAX])
		regs[CPUID_REG_EBX] = guest_xsave_size(table, dynamic->xcr0, false);
	else if (subleaf == 1 && (regs[CPUID_REG_EAX] & (B(1) | B(3))))
		regs[CPUID_REG_EBX] = guest_xsave_size(table, dynamic->xcr0 | dynamic->xss, true);
}

static void answer_dynamic(const struct cpuid_table *table, u32 leaf, u32 subleaf,
			   const struct cpuid_dynamic *dynamic, u32 regs[4])
{
	switch (leaf) {
	case 1:
		regs[CPUID_REG_ECX] &= ~B(27);
		if (dynamic->cr4 & CR4_OSXSAVE)
			regs[CPUID_REG_ECX] |= B(27);
		if (!dynamic->apic_enabled)
			regs[CPUID_REG_EDX] &= ~B(9);
		break;
	case 7:
		if (subleaf)
			break;
		regs[CPUID_REG_ECX] &= ~B(4);
		if (dynamic->cr4 & CR4_PKE)
			regs[CPUID_REG_ECX] |= B(4);
		break;
	case 0xd:
		answer_xsave(table, subleaf, dynamic, regs);
		break;
	case 0x80000001: /* AMD repeats the bit of leaf 1 here */
		if (!dynamic->apic_enabled)
			regs[CPUID_REG_EDX] &= ~B(9);
		break;
	}
}

static bool same_entry(const struct kvm_cpuid_entry2 *a, const struct kvm_cpuid_entry2 *b)
{
	u32 ebx = 0, ecx = 0, edx = 0, i;

	for (i = 0; i < ARRAY_LEN(dynamic_bits); i++) {
		if (dynamic_bits[i].number != a->function)
			continue;
		ebx = dynamic_bits[i].ebx;
		ecx = dynamic_bits[i].ecx;
		edx = dynamic_bits[i].edx;
	}
	return a->function == b->function && a->index == b->index && a->flags == b->flags &&
	       a->eax == b->eax && !((a->ebx ^ b->ebx) & ~ebx) && !((a->ecx ^ b->ecx) & ~ecx) &&
	       !((a->edx ^ b->edx) & ~edx);
}

bool cpuid_table_equal(const struct cpuid_table *table, const struct kvm_cpuid_entry2 *entries,
		       u32 n)
{
	u32 i;

	if (n != table->n)
		return false;
	for (i = 0; i < n; i++)
		if (!same_entry(&table->entries[i], &entries[i]))
			return false;
	return true;
}

void cpuid_answer(const struct cpuid_table *table, u32 eax, u32 ecx,
		  const struct cpuid_dynamic *dynamic, u32 regs[4])
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(table, eax, ecx);
	u32 leaf = eax;

	memset(regs, 0, 4 * sizeof(regs[0]));
	if (!entry) {
		leaf = effective_leaf(table, eax);
		entry = cpuid_find(table, leaf, ecx);
	}
	if (entry) {
		get_entry(entry, regs);
		answer_dynamic(table, leaf, ecx, dynamic, regs);
	} else if (leaf == 0xb || leaf == 0x1f) {
		answer_topology(table, leaf, ecx, regs);
	}
}

unsigned int cpuid_maxphyaddr(const struct cpuid_table *table)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(table, LEAF_EXTENDED, 0);

	if (entry && entry->eax >= LEAF_ADDRESS_SIZES) {
		entry = cpuid_find(table, LEAF_ADDRESS_SIZES, 0);
		if (entry && (entry->eax & 0xff))
			return entry->eax & 0xff;
	}
	return 36;
}

bool cpuid_has(const struct cpuid_table *table, u32 leaf, u32 subleaf, unsigned int reg,
	       unsigned int bit)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(table, leaf, subleaf);
	u32 regs[4];

	if (!entry)
		return false;
	get_entry(entry, regs);
	return regs[reg] >> bit & 1;
}

/* Behind another interface, such as Hyper-V's, it is 0x100 or more leaves further. */
u32 cpuid_pv_features(const struct cpuid_table *table)
{
	const struct kvm_cpuid_entry2 *entry;
	u32 i;

	for (i = 0; i < table->n; i++) {
		entry = &table->entries[i];
		if (entry->function < LEAF_HYPERVISOR ||
		    entry->function >= LEAF_HYPERVISOR + 0x10000 || entry->function & 0xff ||
		    entry->ebx != SIGNATURE_EBX || entry->ecx != SIGNATURE_ECX ||
		    entry->edx != SIGNATURE_EDX)
			continue;
		entry = cpuid_find(table, entry->function + 1, 0);
		return entry ? entry->eax : 0;
	}
	return 0;
}

u64 cpuid_xcr0_supported(const struct cpuid_table *table)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(table, 0xd, 0);

	return entry ? (u64)entry->edx << 32 | entry->eax | 1 : 1;
}
