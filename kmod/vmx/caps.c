// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMX features this CPU has, and the values of the VMCS controls that follow (SDM vol 3,
 * appendix A).
 */
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <asm/cpuid.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "backend.h"
#include "vmx/vmx.h"

struct vmx_caps vmx_caps __ro_after_init;

/* SDM vol 3, A.1. */
#define BASIC_TRUE_CONTROLS BIT_ULL(55)
#define BASIC_MEMORY_TYPE_SHIFT 50
#define MEMORY_TYPE_WB 6

/*
 * CR4.FRED: events then do not go through the IDT, by which this module hands on NMIs and machine
 * checks.
 */
#define CR4_FRED BIT_ULL(32)

/*
 * What a guest may set in CR4 if the CPU can: CET, user interrupts, key locker and the like are not
 * handled, and PKRU is not switched. XSAVE is the guest's only where the host uses it.
 */
#define CR4_KNOWN                                                                           \
	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | \
	 X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |    \
	 X86_CR4_UMIP | X86_CR4_LA57 | X86_CR4_FSGSBASE | X86_CR4_PCIDE | X86_CR4_OSXSAVE | \
	 X86_CR4_SMEP | X86_CR4_SMAP)

struct control_word {
	u32 msr;
	u32 required;
	u32 optional;
	u32 *value;
};

/*
 * CR3 accesses, INVLPG and RDTSC do not exit; these are 0 in the "true" capability MSRs. The ENCLS
 * control is wanted only so that SGX instructions exit, where the CPU has them.
 */
static const struct control_word control_words[] = {
	{
		.msr = MSR_IA32_VMX_TRUE_PINBASED_CTLS,
		.required =
			PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS,
		.value = &vmx_caps.pin,
	},
	{
		.msr = MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		.required = CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |
			    CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING |
			    CPU_BASED_MOV_DR_EXITING | CPU_BASED_CR8_LOAD_EXITING |
			    CPU_BASED_CR8_STORE_EXITING | CPU_BASED_UNCOND_IO_EXITING |
			    CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_USE_TSC_OFFSETTING |
			    CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
		.value = &vmx_caps.primary,
	},
	{
		.msr = MSR_IA32_VMX_PROCBASED_CTLS2,
		.required = SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST |
			    SECONDARY_EXEC_WBINVD_EXITING,
		.optional = SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_ENABLE_RDTSCP |
			    SECONDARY_EXEC_ENABLE_INVPCID | SECONDARY_EXEC_PAUSE_LOOP_EXITING |
			    SECONDARY_EXEC_ENCLS_EXITING,
		.value = &vmx_caps.secondary,
	},
	{
		.msr = MSR_IA32_VMX_TRUE_EXIT_CTLS,
		.required = VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_LOAD_IA32_PAT |
			    VM_EXIT_LOAD_IA32_EFER,
		.value = &vmx_caps.exit,
	},
	{
		.msr = MSR_IA32_VMX_TRUE_ENTRY_CTLS,
		.required = VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_PAT |
			    VM_ENTRY_LOAD_IA32_EFER,
		.value = &vmx_caps.entry,
	},
};

/*
 * One sentence per thing that an old CPU lacks; what is not here has been there since the first
 * VMX.
 */
static const struct {
	u32 msr, bit;
	const char *why;
} missing[] = {
	{ MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_ENABLE_EPT,
	  "this CPU's VMX has no EPT (extended page tables)" },
	{ MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_UNRESTRICTED_GUEST,
	  "this CPU's VMX has no unrestricted guest" },
	{ MSR_IA32_VMX_PROCBASED_CTLS2, SECONDARY_EXEC_WBINVD_EXITING,
	  "this CPU's VMX has no WBINVD exiting" },
	{ MSR_IA32_VMX_TRUE_PINBASED_CTLS, PIN_BASED_VIRTUAL_NMIS,
	  "this CPU's VMX has no virtual NMIs" },
	{ MSR_IA32_VMX_TRUE_EXIT_CTLS, VM_EXIT_LOAD_IA32_EFER,
	  "this CPU's VMX cannot switch EFER" },
	{ MSR_IA32_VMX_TRUE_EXIT_CTLS, VM_EXIT_LOAD_IA32_PAT, "this CPU's VMX cannot switch PAT" },
};

/* A capability MSR of controls: low half the bits that must be 1, high half those that may be. */
static u64 read_capability(u32 msr)
{
	u64 value;

	return rdmsrl_safe(msr, &value) ? 0 : value;
}

static bool may_be_set(u32 msr, u32 bits)
{
	return ((read_capability(msr) >> 32) & bits) == bits;
}

static const char *find_missing(void)
{
	u64 ept_vpid = read_capability(MSR_IA32_VMX_EPT_VPID_CAP);
	u64 basic = read_capability(MSR_IA32_VMX_BASIC);
	unsigned int i;

	if (!(basic & BASIC_TRUE_CONTROLS))
		return "this CPU's VMX is too old (no true controls)";
	if (((basic >> BASIC_MEMORY_TYPE_SHIFT) & 0xf) != MEMORY_TYPE_WB)
		return "this CPU's VMX wants an uncacheable VMCS";
	if (!may_be_set(MSR_IA32_VMX_TRUE_PROCBASED_CTLS, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS))
		return "this CPU's VMX has no EPT (extended page tables)";
	for (i = 0; i < ARRAY_SIZE(missing); i++)
		if (!may_be_set(missing[i].msr, missing[i].bit))
			return missing[i].why;
	for (i = 0; i < ARRAY_SIZE(control_words); i++)
		if (!may_be_set(control_words[i].msr, control_words[i].required))
			return "this CPU's VMX lacks a control that all others have";
	if (!(ept_vpid & VMX_EPT_PAGE_WALK_4_BIT) || !(ept_vpid & VMX_EPTP_WB_BIT))
		return "this CPU's EPT has no 4-level write-back tables";
	if (!(ept_vpid & VMX_EPT_INVEPT_BIT) || !(ept_vpid & VMX_EPT_EXTENT_GLOBAL_BIT))
		return "this CPU's EPT has no global INVEPT";
	return NULL;
}

int vmx_probe(const char **why)
{
	const u64 enabled = FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;

	/* Not boot_cpu_has(): the kernel clears that one when the firmware has locked VMX. */
	if (!(cpuid_ecx(1) & BIT(5)))
		return -ENOENT;
	if ((read_capability(MSR_IA32_FEAT_CTL) & enabled) != enabled) {
		*why = "VMX is disabled by firmware (IA32_FEATURE_CONTROL)";
		return -ENODEV;
	}
	if (cr4_read_shadow() & CR4_FRED) {
		*why = "VMX with FRED event delivery is not supported (boot with fred=off)";
		return -ENODEV;
	}
	*why = find_missing();
	return *why ? -ENODEV : 0;
}

/* find_missing() has seen that the required bits can be set. */
static void choose_controls(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(control_words); i++) {
		const struct control_word *word = &control_words[i];
		u64 capability = read_capability(word->msr);
		u32 must = capability, may = capability >> 32;

		*word->value = ((word->required | word->optional) & may) | must;
	}
}

static void find_ept_features(u64 ept_vpid)
{
	vmx_caps.ept_ad = ept_vpid & VMX_EPT_AD_BIT;
	vmx_caps.ept_2m = ept_vpid & VMX_EPT_2MB_PAGE_BIT;
	vmx_caps.ept_1g = ept_vpid & VMX_EPT_1GB_PAGE_BIT;
	vmx_caps.invept_type = ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT ? VMX_EPT_EXTENT_CONTEXT :
								       VMX_EPT_EXTENT_GLOBAL;
}

void vmx_find_caps(struct vmm_caps *caps)
{
	choose_controls();
	find_ept_features(read_capability(MSR_IA32_VMX_EPT_VPID_CAP));
	vmx_caps.revision = vmx_basic_vmcs_revision_id(read_capability(MSR_IA32_VMX_BASIC));

	*caps = (struct vmm_caps){
		.invpcid = vmx_caps.secondary & SECONDARY_EXEC_ENABLE_INVPCID,
		.rdtscp = vmx_caps.secondary & SECONDARY_EXEC_ENABLE_RDTSCP,
		.umip = read_capability(MSR_IA32_VMX_CR4_FIXED1) & X86_CR4_UMIP,
		.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL),
		.guest_phys_bits = min_t(u8, 48, boot_cpu_data.x86_phys_bits),
		.cr4_allowed = read_capability(MSR_IA32_VMX_CR4_FIXED1) & CR4_KNOWN,
	};
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		caps->cr4_allowed &= ~(u64)X86_CR4_OSXSAVE;
	vmx_caps.cr0_fixed1 = read_capability(MSR_IA32_VMX_CR0_FIXED0) & ~(X86_CR0_PE | X86_CR0_PG);
}
