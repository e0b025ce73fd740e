/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what a guest may be told (deny by default, from a table), and the answer to one CPUID exit
 * from the entries that userspace has set (SDM vol. 2 CPUID, APM vol. 3 appendix E).
 */
#ifndef VMM_X86_CPUID_H
#define VMM_X86_CPUID_H

#include <linux/types.h>
#include <linux/kvm.h>

#define CPUID_MAX_ENTRIES 256

enum cpuid_reg {
	CPUID_REG_EAX,
	CPUID_REG_EBX,
	CPUID_REG_ECX,
	CPUID_REG_EDX,
};

/* What the backend can virtualise beyond plain instructions; the host must have the bit too. */
#define CPUID_CAP_NX (1u << 0)
#define CPUID_CAP_RDTSCP (1u << 1) /* RDTSCP and RDPID: TSC_AUX is switched */
#define CPUID_CAP_INVPCID (1u << 2)
#define CPUID_CAP_PCID (1u << 3)
#define CPUID_CAP_XSAVES (1u << 4) /* XSAVES and IA32_XSS (always 0) */
#define CPUID_CAP_PKU (1u << 5) /* PKRU is switched */
#define CPUID_CAP_LA57 (1u << 6)
#define CPUID_CAP_UMIP (1u << 7)
#define CPUID_CAP_SPEC_CTRL (1u << 8) /* SPEC_CTRL, PRED_CMD: IBRS, IBPB, STIBP, SSBD */
#define CPUID_CAP_ARCH_CAPABILITIES (1u << 9)
#define CPUID_CAP_FLUSH_L1D (1u << 10)
#define CPUID_CAP_GBPAGES (1u << 11) /* 1 GiB pages in the guest's own tables */
#define CPUID_CAP_TSC_ADJUST (1u << 12)
#define CPUID_CAP_MTRR (1u << 13)
#define CPUID_CAP_MCE (1u << 14) /* machine-check exception and its MSRs */

struct cpuid_host_caps {
	u64 xcr0; /* bits that a guest may set in XCR0; 0: no XSAVE */
	u32 features; /* CPUID_CAP_ */
	u32 kvm_features; /* leaf 0x40000001 EAX */
	u8 maxphyaddr; /* what EPT/NPT can map; 0: as the host */
};

typedef void (*cpuid_reader)(u32 leaf, u32 subleaf, u32 regs[4]);

/*
 * KVM_GET_SUPPORTED_CPUID: writes at most max entries and returns their number, or -E2BIG. Every
 * leaf and bit that is not listed in cpuid.c is 0.
 */
int cpuid_supported(struct kvm_cpuid_entry2 *out, u32 max, cpuid_reader host,
		    const struct cpuid_host_caps *caps);

/* KVM_SET_CPUID2: 0 or -EINVAL. */
int cpuid_validate(const struct kvm_cpuid_entry2 *entries, u32 n);

/* Leaves with an own place in the index: 0 to 0x1f of the basic, hypervisor and extended range. */
#define CPUID_INDEXED 32

/* A vCPU's entries (not copied: they must outlive the table) with an index for the exit path. */
struct cpuid_table {
	const struct kvm_cpuid_entry2 *entries;
	u32 n;
	bool basic_fallback; /* Intel: a leaf out of range answers as the highest basic leaf */
	u16 first[4 * CPUID_INDEXED]; /* index + 1 of the first entry of a leaf, 0: none */
};

/* Its place in table->first, or beyond its end: the ranges differ in the upper two bits. */
static inline u32 cpuid_place(u32 leaf)
{
	return leaf << 2 | leaf >> 30;
}

/* In first: the answer is that entry, whatever the subleaf and the vCPU's registers are. */
#define CPUID_PLAIN 0x8000u

/* entries have passed cpuid_validate(); n may be 0. */
void cpuid_table_init(struct cpuid_table *table, const struct kvm_cpuid_entry2 *entries, u32 n);

/* Do these entries say the same, but for what follows the vCPU's registers? */
bool cpuid_table_equal(const struct cpuid_table *table, const struct kvm_cpuid_entry2 *entries,
		       u32 n);

/* The entry for this leaf and subleaf, or NULL: no fallback. */
const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, u32 leaf, u32 subleaf);

/* The bits of an answer that follow the vCPU's registers. */
struct cpuid_dynamic {
	u64 cr4; /* OSXSAVE, PKE */
	u64 xcr0; /* leaf 0xd: size of the save area */
	u64 xss;
	bool apic_enabled; /* IA32_APIC_BASE.EN */
};

/* What CPUID returns for eax, ecx: regs by enum cpuid_reg. */
void cpuid_answer(const struct cpuid_table *table, u32 eax, u32 ecx,
		  const struct cpuid_dynamic *dynamic, u32 regs[4]);

/* MAXPHYADDR that the entries tell the guest (SDM: 36 without leaf 0x80000008). */
unsigned int cpuid_maxphyaddr(const struct cpuid_table *table);

/* True when the entries give the guest this bit. */
bool cpuid_has(const struct cpuid_table *table, u32 leaf, u32 subleaf, unsigned int reg,
	       unsigned int bit);

/* EAX of the leaf behind "KVMKVMKVM" (KVM_FEATURE_*), wherever that is; 0 without it. */
u32 cpuid_pv_features(const struct cpuid_table *table);

/* XCR0 bits that the entries permit (leaf 0xd, subleaf 0, EDX:EAX); x87 alone without the leaf. */
u64 cpuid_xcr0_supported(const struct cpuid_table *table);

#endif
