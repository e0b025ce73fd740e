/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the SVM backend share with each other; nothing outside kmod/svm includes it. */
#ifndef VMM_SVM_SVM_H
#define VMM_SVM_SVM_H

#include <linux/container_of.h>
#include <linux/percpu.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "svm/vmcb.h"
#include "vcpu.h"

/* What every CPU of this machine has: found in svm_setup(), read-only afterwards. */
struct svm_host {
	bool nrips; /* #VMEXIT stores the next RIP */
	bool decode_assists; /* and the operands of MOV CRn/DRn */
	bool flush_by_asid;
	bool pause_filter, pause_threshold;
	bool tsc_aux; /* RDTSCP or RDPID exists: TSC_AUX is switched */
	bool tsc_ratio; /* the guest's TSC can be scaled: by 1 */
	bool spec_ctrl, virtual_spec_ctrl;
	bool la57; /* the host's, and so the nested tables', number of levels is 5 */
	u32 extensions; /* CPUID 0x80000008 EBX */
	u64 cr4_mce; /* CR4.MCE as the host has it */
	u64 xss; /* the host's IA32_XSS */
	u64 iopm_pa;
};

extern struct svm_host svm_host;

/* Touched by its own CPU only, with interrupts or at least preemption off. */
struct svm_cpu {
	bool enabled;
	u32 asid_next, asid_max;
	u64 asid_generation; /* grows whenever all ASIDs of this CPU become invalid */
	u64 last_serial; /* of the vCPU that ran here last */
	u64 tsc_aux, tsc_aux_host; /* the MSR now, and as the host wants it */
	u64 host_pa; /* where VMSAVE puts the host's state */
	struct page *hsave; /* where VMRUN puts it: format the CPU's own */
	struct page *host;
};

struct vcpu_svm {
	struct vcpu vcpu; /* first: entry.S and backend.h rely on it */
	struct vmcb *vmcb;
	u64 vmcb_pa;
	u64 *npt_root; /* the fifth level, only where the host has one */

	/* -- translations -- */
	u64 serial; /* unlike the address, never used twice */
	u64 asid_generation; /* of svm_cpu; 0: no ASID on this CPU yet */
	int asid_cpu; /* the CPU that the ASID and the clean bits belong to */
	bool flush;

	/* -- guest state that has no room in the VMCB -- */
	u64 cr0_hidden; /* CD and NW as the guest set them */
	u64 cr4; /* without what is forced on */
	u64 tsc_aux, spec_ctrl;
	bool bp_intercepted; /* for a debugger of the guest */
	bool msrs_closed; /* the guest accesses no MSR without an exit */

	/* -- NMI (15.21.9): masked from its injection to the end of the next IRET -- */
	bool nmi_masked;
	bool nmi_window; /* common code has an NMI to deliver */
	bool iret_begun; /* the intercept has fired, the IRET at iret_rip has not ended */
	u64 iret_rip;
	bool stepping; /* TF is set to stop after one instruction */
	u64 step_rip, step_tf; /* where, and the guest's own TF */
	bool own_step; /* the exit is the trap of that step */
	u8 soft_len; /* RIP was moved this far to inject a software event */
};

/*
 * The exceptions that always exit. An endless chain of #AC or #DB keeps the CPU in microcode, deaf
 * to interrupts (CVE-2015-5307, CVE-2015-8104); #MC is the host's wherever it strikes.
 */
#define SVM_EXCEPTIONS (BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC))

static inline struct vcpu_svm *to_svm(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vcpu_svm, vcpu);
}

static inline u32 svm_exceptions(const struct vcpu_svm *svm)
{
	return SVM_EXCEPTIONS | (svm->bp_intercepted ? BIT(X86_TRAP_BP) : 0);
}

static inline void svm_dirty(struct vcpu_svm *svm, enum vmcb_clean fields)
{
	svm->vmcb->control.clean &= ~BIT_ULL(fields);
}

static inline void svm_set_intercept(struct vcpu_svm *svm, unsigned int bit, bool on)
{
	u32 *word = &svm->vmcb->control.intercepts[bit / 32];
	u32 value = on ? *word | BIT(bit % 32) : *word & ~BIT(bit % 32);

	if (*word != value) {
		*word = value;
		svm_dirty(svm, CLEAN_INTERCEPTS);
	}
}

/*
 * entry.S: regs in the order of enum vmm_reg; RAX and RSP are in the VMCB. GIF is 0 before and
 * after.
 */
void svm_vmrun(u64 *regs, u64 vmcb_pa, u64 host_pa, u32 guest_spec_ctrl, u32 host_spec_ctrl);

/* control.c: the VMCB's control area and the permission maps */
int svm_maps_create(void);
void svm_maps_destroy(void);
#define SVM_GUEST_MSRS 10
extern const u32 svm_guest_msrs[SVM_GUEST_MSRS]; /* without exits */
void svm_close_msrs(struct vcpu *vcpu, bool closed);
void svm_set_pause_window(struct vcpu *vcpu, unsigned int doublings);
void svm_control_init(struct vcpu_svm *svm);

/* regs.c */
void svm_reset(struct vcpu *vcpu, bool init);
void svm_cache_reg(struct vcpu *vcpu, unsigned int reg);
void svm_write_regs(struct vcpu_svm *svm); /* the dirty ones, before entry */
void svm_set_cr0(struct vcpu *vcpu, u64 cr0);
void svm_set_cr4(struct vcpu *vcpu, u64 cr4);
void svm_set_efer(struct vcpu *vcpu, u64 efer);
void svm_get_segment(struct vcpu *vcpu, unsigned int seg, struct kvm_segment *out);
void svm_set_segment(struct vcpu *vcpu, unsigned int seg, const struct kvm_segment *in);
void svm_get_table(struct vcpu *vcpu, enum vmm_table which, struct kvm_dtable *out);
void svm_set_table(struct vcpu *vcpu, enum vmm_table which, const struct kvm_dtable *in);
unsigned int svm_get_cpl(struct vcpu *vcpu);
void svm_get_code(struct vcpu *vcpu, struct vmm_code *code);
unsigned int svm_get_mode(struct vcpu *vcpu);
int svm_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int svm_set_msr(struct vcpu *vcpu, u32 index, u64 value);
void svm_set_dr7(struct vcpu *vcpu, u64 dr7);

/* event.c */
void svm_inject(struct vcpu *vcpu, const struct vmm_event *event);
bool svm_irq_allowed(struct vcpu *vcpu);
bool svm_nmi_allowed(struct vcpu *vcpu);
void svm_set_windows(struct vcpu *vcpu, bool irq, bool nmi);
u32 svm_get_shadow(struct vcpu *vcpu);
void svm_set_shadow(struct vcpu *vcpu, u32 shadow);
bool svm_get_nmi_masked(struct vcpu *vcpu);
void svm_set_nmi_masked(struct vcpu *vcpu, bool masked);
void svm_intercept_bp(struct vcpu *vcpu, bool on);
void svm_open_nmi_window(struct vcpu_svm *svm); /* last before entry */
void svm_cancel_injection(struct vcpu_svm *svm);
void svm_complete_events(struct vcpu_svm *svm); /* after each exit, before its decoding */

/* exit.c */
void svm_decode_exit(struct vcpu_svm *svm);
void svm_dump(struct vcpu *vcpu);

#endif
