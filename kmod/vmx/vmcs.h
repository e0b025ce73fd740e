/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions (SDM vol 3, chapter 31). The numbers of the VMCS fields and of the controls
 * are in <asm/vmx.h>.
 *
 * Each has an exception-table entry: after a reboot notifier or a panic has left VMX they fault
 * with #UD, and the fault must not become an oops. Reads give 0 then; for the others nothing
 * happens.
 */
#ifndef VMM_VMX_VMCS_H
#define VMM_VMX_VMCS_H

#include <linux/types.h>
#include <asm/asm.h>
#include <asm/extable_fixup_types.h>
#include <asm/vmx.h>

/* INVEPT takes a 128-bit descriptor in memory. */
struct vmx_invept_descriptor {
	u64 eptp;
	u64 reserved;
};

static __always_inline u64 vmcs_read(unsigned long field)
{
	unsigned long value;

	/* clang-format off */
	asm volatile("1: vmread %[field], %[value]\n2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ZERO_REG, %[value])
		     : [value] "=r"(value)
		     : [field] "r"(field)
		     : "cc");
	/* clang-format on */
	return value;
}

static __always_inline void vmcs_write(unsigned long field, u64 value)
{
	asm volatile("1: vmwrite %[value], %[field]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     :
		     : [field] "r"(field), [value] "r"(value)
		     : "cc");
}

/* False when the CPU refused the address, which it never does for a page that vmx.c made. */
static __always_inline bool vmx_vmptrld(u64 hpa)
{
	bool failed = true;

	asm volatile("1: vmptrld %[hpa]\n\tsetna %[failed]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : [failed] "+qm"(failed)
		     : [hpa] "m"(hpa)
		     : "cc", "memory");
	return !failed;
}

static __always_inline void vmx_vmclear(u64 hpa)
{
	asm volatile("1: vmclear %[hpa]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     :
		     : [hpa] "m"(hpa)
		     : "cc", "memory");
}

static __always_inline bool vmx_vmxon(u64 hpa)
{
	bool failed = true;

	asm volatile("1: vmxon %[hpa]\n\tsetna %[failed]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : [failed] "+qm"(failed)
		     : [hpa] "m"(hpa)
		     : "cc", "memory");
	return !failed;
}

static __always_inline void vmx_vmxoff(void)
{
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

static __always_inline void vmx_invept(unsigned long type, u64 eptp)
{
	struct vmx_invept_descriptor descriptor = { .eptp = eptp };

	asm volatile("1: invept %[descriptor], %[type]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     :
		     : [type] "r"(type), [descriptor] "m"(descriptor)
		     : "cc", "memory");
}

#endif
