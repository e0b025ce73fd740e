// SPDX-License-Identifier: GPL-2.0-only
/*
 * What leaves the guest and what does not: the intercepts and the permission maps (APM vol. 2, 15.7
 * to 15.12).
 */
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "mmu/mmu.h"
#include "svm/svm.h"
#include "vm.h"

/*
 * One bit per port and two more, so that an access at 0xffff of 4 bytes is covered: three pages
 * (15.10.1).
 */
#define IOPM_ORDER 2
/* Two bits per MSR (read, write) in three ranges of 8192 MSRs (15.11): two pages. */
#define MSRPM_ORDER 1
#define MSRPM_RANGE_BITS (8192 * 2)

static unsigned long iopm, msrpm, msrpm_closed;

/*
 * The MSRs that the guest reads and writes by itself: those that VMLOAD and VMSAVE switch (15.5.2),
 * which only the guest's own instructions and system calls depend on. The maps are the same for all
 * guests and never change.
 */
const u32 svm_guest_msrs[SVM_GUEST_MSRS] = {
	MSR_FS_BASE,
	MSR_GS_BASE,
	MSR_KERNEL_GS_BASE,
	MSR_STAR,
	MSR_LSTAR,
	MSR_CSTAR,
	MSR_SYSCALL_MASK,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
};

static unsigned int msrpm_bit(u32 msr)
{
	static const u32 ranges[] = { 0, 0xc0000000, 0xc0010000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges) - 1; i++)
		if (msr - ranges[i] < 8192)
			break;
	return i * MSRPM_RANGE_BITS + (msr - ranges[i]) * 2;
}

void svm_maps_destroy(void)
{
	free_pages(msrpm_closed, MSRPM_ORDER);
	free_pages(msrpm, MSRPM_ORDER);
	free_pages(iopm, IOPM_ORDER);
}

int svm_maps_create(void)
{
	unsigned int i;

	iopm = __get_free_pages(GFP_KERNEL, IOPM_ORDER);
	msrpm = __get_free_pages(GFP_KERNEL, MSRPM_ORDER);
	msrpm_closed = __get_free_pages(GFP_KERNEL, MSRPM_ORDER);
	if (!iopm || !msrpm || !msrpm_closed) {
		svm_maps_destroy();
		return -ENOMEM;
	}
	memset((void *)iopm, 0xff, PAGE_SIZE << IOPM_ORDER);
	memset((void *)msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	memset((void *)msrpm_closed, 0xff, PAGE_SIZE << MSRPM_ORDER);
	for (i = 0; i < ARRAY_SIZE(svm_guest_msrs); i++) {
		__clear_bit(msrpm_bit(svm_guest_msrs[i]), (unsigned long *)msrpm);
		__clear_bit(msrpm_bit(svm_guest_msrs[i]) + 1, (unsigned long *)msrpm);
	}
	svm_host.iopm_pa = __sme_set(__pa(iopm));
	return 0;
}

void svm_close_msrs(struct vcpu *vcpu, bool closed)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm->msrs_closed = closed;
	svm->vmcb->control.msrpm_base_pa = __sme_set(__pa(closed ? msrpm_closed : msrpm));
	svm_dirty(svm, CLEAN_MAPS);
}

static const u8 intercepts[] = {
	/* Other writes of CR0 than of TS and MP; those of CD and NW too: see svm_set_cr0(). */
	INTERCEPT_SEL_CR0,
	INTERCEPT_WRITE_CR + 4,
	/* The TPR is the LAPIC's. */
	INTERCEPT_READ_CR + 8,
	INTERCEPT_WRITE_CR + 8,
	INTERCEPT_INTR,
	INTERCEPT_NMI,
	INTERCEPT_SMI,
	INTERCEPT_INIT,
	/*
	 * Nothing is ever delivered through V_IRQ: it only tells when the guest could take an
	 * interrupt.
	 */
	INTERCEPT_VINTR,
	INTERCEPT_RDPMC,
	INTERCEPT_CPUID,
	INTERCEPT_RSM,
	INTERCEPT_INVD,
	INTERCEPT_HLT,
	INTERCEPT_IOIO_PROT,
	INTERCEPT_MSR_PROT,
	INTERCEPT_TASK_SWITCH,
	INTERCEPT_FERR_FREEZE,
	INTERCEPT_SHUTDOWN,
	INTERCEPT_WBINVD,
	INTERCEPT_MONITOR,
	INTERCEPT_MWAIT,
	INTERCEPT_MWAIT_ARMED,
	INTERCEPT_XSETBV,
	/*
	 * EFER.SVME is set while a guest runs, so each of the SVM instructions would work for it.
	 */
	INTERCEPT_VMRUN,
	INTERCEPT_VMMCALL,
	INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE,
	INTERCEPT_STGI,
	INTERCEPT_CLGI,
	INTERCEPT_SKINIT,
	INTERCEPT_INVLPGA,
};

/*
 * Instructions that the guest's CPUID does not offer, by the bit of CPUID 0x80000008 EBX that says
 * the CPU has them.
 */
/* clang-format off */
static const struct {
	u8 cpuid_bit;
	u8 intercept;
} optional_intercepts[] = {
	{ 3, INTERCEPT_INVLPGB },
	{ 3, INTERCEPT_INVLPGB_ILLEGAL },
	{ 3, INTERCEPT_TLBSYNC },
	{ 4, INTERCEPT_RDPRU },
	{ 8, INTERCEPT_MCOMMIT },
};
/* clang-format on */

/*
 * With five levels in the host the nested tables have five too (15.25.3): one more table above the
 * VM's root.
 */
static u64 nested_cr3(struct vcpu_svm *svm)
{
	u64 root = __sme_set(mmu_root_hpa(&svm->vcpu.vm->mmu));

	if (!svm->npt_root)
		return root;
	svm->npt_root[0] = root | _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED;
	return __sme_set(__pa(svm->npt_root));
}

#define PAUSE_FILTER_COUNT 3000 /* PAUSEs of one spin loop until it is reported */

void svm_set_pause_window(struct vcpu *vcpu, unsigned int doublings)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (!svm_host.pause_filter)
		return;
	svm->vmcb->control.pause_filter_count = min(PAUSE_FILTER_COUNT << doublings, U16_MAX);
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

void svm_control_init(struct vcpu_svm *svm)
{
	struct vmcb_control *control = &svm->vmcb->control;
	unsigned int i;

	memset(control, 0, sizeof(*control));
	for (i = 0; i < ARRAY_SIZE(intercepts); i++)
		svm_set_intercept(svm, intercepts[i], true);
	control->intercepts[INTERCEPT_EXCEPTION / 32] = svm_exceptions(svm);
	for (i = 0; i < 16; i++) {
		svm_set_intercept(svm, INTERCEPT_READ_DR + i, true);
		svm_set_intercept(svm, INTERCEPT_WRITE_DR + i, true);
	}
	for (i = 0; i < ARRAY_SIZE(optional_intercepts); i++)
		if (svm_host.extensions & BIT(optional_intercepts[i].cpuid_bit))
			svm_set_intercept(svm, optional_intercepts[i].intercept, true);
	if (svm_host.pause_filter) {
		svm_set_intercept(svm, INTERCEPT_PAUSE, true);
		control->pause_filter_count = PAUSE_FILTER_COUNT;
		control->pause_filter_threshold = svm_host.pause_threshold ? 128 : 0;
	}
	control->iopm_base_pa = svm_host.iopm_pa;
	svm_close_msrs(&svm->vcpu, svm->msrs_closed);
	control->tsc_offset = svm->vcpu.tsc_offset;
	control->int_ctl = V_INTR_MASKING;
	control->nested_ctl = VMCB_NP_ENABLE;
	control->nested_cr3 = nested_cr3(svm);
}
