// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/mtrr.h>

#include "backend.h"
#include "irq/lapic.h"
#include "state.h"
#include "timer.h"
#include "vm.h"
#include "x86/msr.h"

#define MAX_ENTRIES 256 /* of one KVM_GET_MSRS or KVM_SET_MSRS */
#define MICROCODE 0x100000000ull /* revision 1, in the upper half */

/*
 * One MSR, or `count` in a row. Without functions the value is kept at `offset` in struct msr_state; a write must keep
 * the bits outside `writable` as they are, or is #GP. `saved`: userspace is told of it for saving a VM.
 */
struct msr_row {
	u32 index;
	u16 count;
	u16 offset;
	bool saved;
	bool ignore_write; /* a write is taken and has no effect */
	u32 pv_features; /* one of these is needed, where userspace wants that enforced */
	u64 writable;
	u64 reset;
	int (*read)(struct vcpu *vcpu, u32 index, u64 *value, bool host);
	int (*write)(struct vcpu *vcpu, u32 index, u64 value, bool host);
};

/* -- those with rules of their own -- */

static int read_tsc_deadline(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	if (!vcpu->lapic && !host)
		return -EINVAL;
	*value = vcpu->lapic ? lapic_get_tsc_deadline(vcpu->lapic) : 0;
	return 0;
}

static int write_tsc_deadline(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!vcpu->lapic)
		return host && !value ? 0 : -EINVAL;
	lapic_set_tsc_deadline(vcpu->lapic, value);
	return 0;
}

static int read_x2apic(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	return vcpu->lapic ? lapic_rdmsr(vcpu->lapic, index, value) : -EINVAL;
}

static int write_x2apic(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	return vcpu->lapic ? lapic_wrmsr(vcpu->lapic, index, value) : -EINVAL;
}

static int read_apic_base(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = vcpu->lapic ? lapic_get_base(vcpu->lapic) : vcpu->apic_base;
	return 0;
}

static int write_apic_base(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (vcpu->lapic)
		return lapic_set_base(vcpu->lapic, value, host);
	vcpu->apic_base = value;
	return 0;
}

static int read_tsc(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = timer_guest_tsc(vcpu);
	return 0;
}

/* A guest that writes its TSC moves IA32_TSC_ADJUST by as much (SDM vol 3, 18.17.3). */
static int write_tsc(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 delta;

	if (host) {
		timer_set_guest_tsc(vcpu, value);
		return 0;
	}
	delta = value - timer_guest_tsc(vcpu);
	vcpu->msr.tsc_adjust += delta;
	timer_adjust_guest_tsc(vcpu, vcpu->tsc_offset + delta);
	return 0;
}

static int read_tsc_adjust(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = vcpu->msr.tsc_adjust;
	return 0;
}

static int write_tsc_adjust(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!host)
		timer_adjust_guest_tsc(vcpu, vcpu->tsc_offset + value - vcpu->msr.tsc_adjust);
	vcpu->msr.tsc_adjust = value;
	return 0;
}

static int read_efer(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = vcpu->efer;
	return 0;
}

static int write_efer(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	return state_set_efer(vcpu, value);
}

static int read_backend(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	return backend->get_msr(vcpu, index, value) ? -EINVAL : 0;
}

static int write_backend(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	return backend->set_msr(vcpu, index, value) ? -EINVAL : 0;
}

/* An address that a later load would fault on: refuse it here, or the entry fails (SDM vol 3, 27.3.1.4). */
static bool canonical(struct vcpu *vcpu, u64 value)
{
	unsigned int bits = vcpu_cr4(vcpu) & X86_CR4_LA57 ? 57 : 48;

	return (u64)sign_extend64(value, bits - 1) == value;
}

static int write_address(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	return canonical(vcpu, value) ? write_backend(vcpu, index, value, host) : -EINVAL;
}

/* Each byte is a memory type that exists (SDM vol 3, 12.12.2). */
static bool pat_valid(u64 value)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		u8 type = value >> (8 * i);

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static int write_pat(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	return pat_valid(value) ? write_backend(vcpu, index, value, host) : -EINVAL;
}

static int write_tsc_aux(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!vmm_caps.rdtscp || (!host && vcpu->cpuid.n && !vcpu->has.rdtscp) || value >> 32)
		return -EINVAL;
	return write_backend(vcpu, index, value, host);
}

static int read_tsc_aux(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	if (!vmm_caps.rdtscp || (!host && vcpu->cpuid.n && !vcpu->has.rdtscp))
		return -EINVAL;
	return read_backend(vcpu, index, value, host);
}

/*
 * Control of speculation: each bit belongs to a guest that has it in its CPUID (SDM vol 4, table 2-2;
 * APM vol 2, 3.2.9), and to a host whose CPU has it: the entry loads it into the MSR, where a fault
 * would be ours.
 */
static const struct {
	u64 bit;
	u16 host_feature;
	u8 cpuid_bit;
	enum cpuid_reg reg;
	u32 leaf;
} spec_ctrl_bits[] = {
	{ SPEC_CTRL_IBRS, X86_FEATURE_SPEC_CTRL, 26, CPUID_REG_EDX, 7 },
	{ SPEC_CTRL_STIBP, X86_FEATURE_INTEL_STIBP, 27, CPUID_REG_EDX, 7 },
	{ SPEC_CTRL_SSBD, X86_FEATURE_SPEC_CTRL_SSBD, 31, CPUID_REG_EDX, 7 },
	{ SPEC_CTRL_IBRS, X86_FEATURE_AMD_IBRS, 14, CPUID_REG_EBX, 0x80000008 },
	{ SPEC_CTRL_STIBP, X86_FEATURE_AMD_STIBP, 15, CPUID_REG_EBX, 0x80000008 },
	{ SPEC_CTRL_SSBD, X86_FEATURE_AMD_SSBD, 24, CPUID_REG_EBX, 0x80000008 },
};

static u64 spec_ctrl_allowed(struct vcpu *vcpu)
{
	u64 allowed = 0;
	unsigned int i;

	for (i = 0; vmm_caps.spec_ctrl && i < ARRAY_SIZE(spec_ctrl_bits); i++)
		if (boot_cpu_has(spec_ctrl_bits[i].host_feature) &&
		    cpuid_has(&vcpu->cpuid, spec_ctrl_bits[i].leaf, 0, spec_ctrl_bits[i].reg,
			      spec_ctrl_bits[i].cpuid_bit))
			allowed |= spec_ctrl_bits[i].bit;
	return allowed;
}

static int read_spec_ctrl(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	if (spec_ctrl_allowed(vcpu))
		return read_backend(vcpu, index, value, host);
	*value = 0;
	return host ? 0 : -EINVAL;
}

static int write_spec_ctrl(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 allowed = spec_ctrl_allowed(vcpu);

	if (value & ~allowed)
		return -EINVAL;
	if (allowed)
		return write_backend(vcpu, index, value, host);
	return host ? 0 : -EINVAL;
}

static int write_pred_cmd(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (host || !boot_cpu_has(X86_FEATURE_IBPB) || value & ~(u64)PRED_CMD_IBPB ||
	    !(cpuid_has(&vcpu->cpuid, 7, 0, CPUID_REG_EDX, 26) ||
	      cpuid_has(&vcpu->cpuid, 0x80000008, 0, CPUID_REG_EBX, 12)))
		return -EINVAL;
	/* Whether or not the host itself sees a need for barriers. */
	if (value)
		wrmsrl(MSR_IA32_PRED_CMD, value);
	return 0;
}

/* Write-only. */
static int read_refused(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	return -EINVAL;
}

/* Neither branch tracing nor last-branch records are given: only 0 can be written. */
static int write_debugctl(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	return value ? -EINVAL : 0;
}

static int read_zero(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	*value = 0;
	return 0;
}

#define MISC_ENABLE_WRITABLE                                                   \
	(MSR_IA32_MISC_ENABLE_FAST_STRING | MSR_IA32_MISC_ENABLE_LIMIT_CPUID | \
	 MSR_IA32_MISC_ENABLE_MWAIT)

static int write_misc_enable(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!host && (value ^ vcpu->msr.misc_enable) & ~(u64)MISC_ENABLE_WRITABLE)
		return -EINVAL;
	vcpu->msr.misc_enable = value;
	state_update_mwait(vcpu, vcpu->cpuid_entries, vcpu->cpuid.n);
	return 0;
}

static int read_platform_info(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	if (!host && READ_ONCE(vcpu->vm->hide_platform_info))
		return -EINVAL;
	*value = vcpu->msr.platform_info;
	return 0;
}

/* For userspace; CPUID cannot be made to fault. */
static int write_platform_info(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!host || value & MSR_PLATFORM_INFO_CPUID_FAULT)
		return -EINVAL;
	vcpu->msr.platform_info = value;
	return 0;
}

static int read_mtrr_cap(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	/* 8 variable ranges, the fixed ones, write-combining (SDM vol 3, 12.11.1). */
	*value = 8 | 1 << 8 | 1 << 10;
	return 0;
}

/* -- the table; what is written often comes first -- */

#define STORED(field) .offset = offsetof(struct msr_state, field)
/* clang-format off */
#define BACKEND(n, w)                                                                              \
	{                                                                                          \
		.index = (n), .count = 1, .saved = true, .read = read_backend, .write = (w),       \
	}
#define PARAVIRTUAL(n, subject, feature)                                                \
	{                                                                               \
		.index = (n), .count = 1, .saved = true, .read = subject##_read_msr,    \
		.write = subject##_write_msr, .pv_features = BIT(feature),              \
	}
#define READ_ONLY_ZERO(n)                                                                          \
	{                                                                                          \
		.index = (n), .count = 1, .read = read_zero,                                       \
	}
#define IGNORED(n)                                                                                 \
	{                                                                                          \
		.index = (n), .count = 1, .read = read_zero, .ignore_write = true,                 \
	}
/* clang-format on */

/* clang-format off */
static const struct msr_row rows[] = {
	{ .index = MSR_IA32_TSC_DEADLINE, .count = 1, .saved = true, .read = read_tsc_deadline,
	  .write = write_tsc_deadline },
	{ .index = 0x800, .count = 0x100, .read = read_x2apic, .write = write_x2apic },
	BACKEND(MSR_FS_BASE, write_address),
	BACKEND(MSR_GS_BASE, write_address),
	BACKEND(MSR_KERNEL_GS_BASE, write_address),
	{ .index = MSR_EFER, .count = 1, .saved = true, .read = read_efer, .write = write_efer },
	BACKEND(MSR_STAR, write_backend),
	BACKEND(MSR_LSTAR, write_address),
	BACKEND(MSR_CSTAR, write_address),
	BACKEND(MSR_SYSCALL_MASK, write_backend),
	BACKEND(MSR_IA32_SYSENTER_CS, write_backend),
	BACKEND(MSR_IA32_SYSENTER_ESP, write_address),
	BACKEND(MSR_IA32_SYSENTER_EIP, write_address),
	BACKEND(MSR_IA32_CR_PAT, write_pat),
	{ .index = MSR_TSC_AUX, .count = 1, .saved = true, .read = read_tsc_aux,
	  .write = write_tsc_aux },
	{ .index = MSR_IA32_SPEC_CTRL, .count = 1, .saved = true, .read = read_spec_ctrl,
	  .write = write_spec_ctrl },
	{ .index = MSR_IA32_PRED_CMD, .count = 1, .read = read_refused, .write = write_pred_cmd },
	{ .index = MSR_IA32_TSC, .count = 1, .saved = true, .read = read_tsc, .write = write_tsc },
	{ .index = MSR_IA32_TSC_ADJUST, .count = 1, .saved = true, .read = read_tsc_adjust,
	  .write = write_tsc_adjust },
	{ .index = MSR_IA32_APICBASE, .count = 1, .saved = true, .read = read_apic_base,
	  .write = write_apic_base },
	/* Fast strings on, performance monitoring absent, BTS and PEBS unavailable (SDM vol 4, table 2-2). */
	{ .index = MSR_IA32_MISC_ENABLE, .count = 1, .saved = true, STORED(misc_enable),
	  .write = write_misc_enable,
	  .reset = MSR_IA32_MISC_ENABLE_FAST_STRING | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
		   MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL },
	/* The MTRRs are kept for the guest to read back: EPT and NPT decide the type of its memory. */
	{ .index = MSR_MTRRcap, .count = 1, .read = read_mtrr_cap },
	{ .index = MSR_MTRRdefType, .count = 1, .saved = true, STORED(mtrr_def_type),
	  .writable = 0xcff },
	{ .index = MTRRphysBase_MSR(0), .count = 16, .saved = true, STORED(mtrr_var),
	  .writable = ~0ull },
	{ .index = MSR_MTRRfix64K_00000, .count = 1, .saved = true, STORED(mtrr_fixed[0]),
	  .writable = ~0ull },
	{ .index = MSR_MTRRfix16K_80000, .count = 2, .saved = true, STORED(mtrr_fixed[1]),
	  .writable = ~0ull },
	{ .index = MSR_MTRRfix4K_C0000, .count = 8, .saved = true, STORED(mtrr_fixed[3]),
	  .writable = ~0ull },
	PARAVIRTUAL(MSR_KVM_SYSTEM_TIME_NEW, pvclock, KVM_FEATURE_CLOCKSOURCE2),
	PARAVIRTUAL(MSR_KVM_WALL_CLOCK_NEW, pvclock, KVM_FEATURE_CLOCKSOURCE2),
	PARAVIRTUAL(MSR_KVM_SYSTEM_TIME, pvclock, KVM_FEATURE_CLOCKSOURCE),
	PARAVIRTUAL(MSR_KVM_WALL_CLOCK, pvclock, KVM_FEATURE_CLOCKSOURCE),
	PARAVIRTUAL(MSR_KVM_STEAL_TIME, steal, KVM_FEATURE_STEAL_TIME),
	PARAVIRTUAL(MSR_KVM_PV_EOI_EN, pveoi, KVM_FEATURE_PV_EOI),
	{ .index = MSR_IA32_DEBUGCTLMSR, .count = 1, .read = read_zero, .write = write_debugctl },
	/* Machine check: as many banks as userspace has set up. */
	READ_ONLY_ZERO(MSR_IA32_P5_MC_ADDR),
	READ_ONLY_ZERO(MSR_IA32_P5_MC_TYPE),
	{ .index = MSR_IA32_MCG_CAP, .count = 1, .read = mce_read_msr, .write = mce_write_msr },
	{ .index = MSR_IA32_MCG_STATUS, .count = 2, .saved = true, .read = mce_read_msr,
	  .write = mce_write_msr },
	{ .index = MSR_IA32_MC0_CTL, .count = MCE_MAX_BANKS * MCE_BANK_REGISTERS,
	  .read = mce_read_msr, .write = mce_write_msr },
	/* Microcode: writing 0 and reading back the revision is what Intel documents (SDM vol 3, 10.11.7). */
	{ .index = MSR_IA32_UCODE_REV, .count = 1, STORED(microcode), .ignore_write = true,
	  .reset = MICROCODE },
	READ_ONLY_ZERO(MSR_IA32_PLATFORM_ID),
	/* Of the host's power management; kept for the guest to read back. */
	{ .index = MSR_IA32_POWER_CTL, .count = 1, .saved = true, STORED(power_ctl),
	  .writable = ~0ull },
	{ .index = MSR_PLATFORM_INFO, .count = 1, .saved = true, .read = read_platform_info,
	  .write = write_platform_info },
	READ_ONLY_ZERO(MSR_MISC_FEATURES_ENABLES),
	READ_ONLY_ZERO(MSR_SMI_COUNT),
	READ_ONLY_ZERO(MSR_IA32_EBL_CR_POWERON),
	/* AMD: what its guests read without asking CPUID first. */
	IGNORED(MSR_AMD64_PATCH_LOADER),
	IGNORED(MSR_AMD64_SYSCFG),
	IGNORED(MSR_AMD64_NB_CFG),
	IGNORED(MSR_K8_INT_PENDING_MSG),
	IGNORED(MSR_AMD64_BU_CFG2),
	IGNORED(MSR_AMD64_DC_CFG),
	IGNORED(MSR_FAM10H_MMIO_CONF_BASE),
	IGNORED(MSR_VM_HSAVE_PA),
	/* Instruction-cache, TLB and monitor controls (APM vol 2, 3.2.10): only what Linux flips. */
	{ .index = MSR_K7_HWCR, .count = 1, .saved = true, STORED(amd_hwcr),
	  .writable = BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8) | BIT_ULL(18) | BIT_ULL(24) },
	/* LFENCE is serialising: the one bit that guests read here. */
	{ .index = MSR_AMD64_DE_CFG, .count = 1, .saved = true, STORED(amd_de_cfg),
	  .writable = MSR_AMD64_DE_CFG_LFENCE_SERIALIZE },
};
/* clang-format on */

static const struct msr_row *find_row(u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (index - rows[i].index < rows[i].count)
			return &rows[i];
	return NULL;
}

/* Neither guest nor userspace: what CPUID does not tell is not there. */
static bool pv_refused(struct vcpu *vcpu, const struct msr_row *row)
{
	return row->pv_features && vcpu->enforce_pv_features &&
	       !(row->pv_features & vcpu->has.pv_features);
}

static u64 *stored(struct vcpu *vcpu, const struct msr_row *row, u32 index)
{
	return (u64 *)((void *)&vcpu->msr + row->offset) + (index - row->index);
}

void msr_reset(struct vcpu *vcpu)
{
	unsigned int i;

	memset(&vcpu->msr, 0, sizeof(vcpu->msr));
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!rows[i].read)
			*stored(vcpu, &rows[i], rows[i].index) = rows[i].reset;
}

int msr_read(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	const struct msr_row *row = find_row(index);

	if (!row)
		return -ENOENT;
	if (unlikely(pv_refused(vcpu, row)))
		return -EINVAL;
	if (row->read)
		return row->read(vcpu, index, value, host);
	*value = *stored(vcpu, row, index);
	return 0;
}

int msr_write(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	const struct msr_row *row = find_row(index);
	u64 *place;

	if (!row)
		return -ENOENT;
	if (unlikely(pv_refused(vcpu, row)))
		return -EINVAL;
	if (row->write)
		return row->write(vcpu, index, value, host);
	if (row->read) /* has a reader alone: read-only, or not there to be changed */
		return row->ignore_write || (host && !value) ? 0 : -EINVAL;
	place = stored(vcpu, row, index);
	if (row->ignore_write && !host)
		return 0;
	if (!host && (value ^ *place) & ~row->writable)
		return -EINVAL;
	*place = value;
	return 0;
}

/* -- ioctls -- */

static long for_each_entry(struct kvm_msr_entry *entries, u32 nr, struct vcpu *vcpu, bool write)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		struct kvm_msr_entry *entry = &entries[i];
		u64 value = entry->data;

		if (write ? msr_write(vcpu, entry->index, value, true) :
			    msr_read(vcpu, entry->index, &value, true))
			break;
		entry->data = value;
	}
	return i;
}

static struct kvm_msr_entry *copy_entries(struct kvm_msrs __user *user, u32 *nr)
{
	struct kvm_msrs head;

	if (copy_from_user(&head, user, sizeof(head)))
		return ERR_PTR(-EFAULT);
	if (head.nmsrs >= MAX_ENTRIES)
		return ERR_PTR(-E2BIG);
	*nr = head.nmsrs;
	return memdup_user(user->entries, array_size(head.nmsrs, sizeof(struct kvm_msr_entry)));
}

long msr_ioctl(struct vcpu *vcpu, void __user *arg, bool write)
{
	struct kvm_msrs __user *user = arg;
	struct kvm_msr_entry *entries;
	u32 nr;
	long r;

	entries = copy_entries(user, &nr);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	r = for_each_entry(entries, nr, vcpu, write);
	if (!write && copy_to_user(user->entries, entries, array_size(nr, sizeof(*entries))))
		r = -EFAULT;
	kfree(entries);
	return r;
}

/* Feature MSRs: what userspace may give its guests, by asking /dev/vmm before there is one. */

static u64 feature_ucode_rev(void)
{
	return MICROCODE;
}

static u64 feature_de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

static const struct {
	u32 index;
	u64 (*read)(void);
} features[] = {
	{ MSR_IA32_UCODE_REV, feature_ucode_rev },
	{ MSR_AMD64_DE_CFG, feature_de_cfg },
};

static bool read_feature(struct kvm_msr_entry *entry)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (features[i].index == entry->index) {
			entry->data = features[i].read();
			return true;
		}
	}
	return false;
}

long msr_feature_ioctl(void __user *arg)
{
	struct kvm_msrs __user *user = arg;
	struct kvm_msr_entry *entries;
	u32 nr, i = 0;
	long r;

	entries = copy_entries(user, &nr);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	while (i < nr && read_feature(&entries[i]))
		i++;
	r = copy_to_user(user->entries, entries, array_size(nr, sizeof(*entries))) ? -EFAULT : i;
	kfree(entries);
	return r;
}

static u32 nr_saved(void)
{
	unsigned int i;
	u32 n = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		n += rows[i].saved ? rows[i].count : 0;
	return n;
}

/* Tells how many there are; -E2BIG when that is more than userspace has room for. */
static long put_count(struct kvm_msr_list __user *user, u32 n)
{
	u32 room;

	if (get_user(room, &user->nmsrs) || put_user(n, &user->nmsrs))
		return -EFAULT;
	return room < n ? -E2BIG : 0;
}

long msr_index_list(void __user *arg)
{
	struct kvm_msr_list __user *user = arg;
	u32 i, j, k = 0;
	long r = put_count(user, nr_saved());

	if (r)
		return r;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (j = 0; rows[i].saved && j < rows[i].count; j++)
			if (put_user(rows[i].index + j, &user->indices[k++]))
				return -EFAULT;
	return 0;
}

long msr_feature_index_list(void __user *arg)
{
	struct kvm_msr_list __user *user = arg;
	long r = put_count(user, ARRAY_SIZE(features));
	u32 i;

	if (r)
		return r;
	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (put_user(features[i].index, &user->indices[i]))
			return -EFAULT;
	return 0;
}
