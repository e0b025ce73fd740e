/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_BACKEND_H
#define VMM_BACKEND_H

#include <linux/types.h>
#include <linux/kvm.h>

#include "event.h"

struct vcpu;
struct pgtable_format;

/* What the silicon can do, found once at load; read-only afterwards. */
struct vmm_caps {
	bool tsc_scaling;
	bool nrips;		/* the exit tells the instruction's length */
	bool xsaves;
	bool invpcid, rdtscp, umip, waitpkg;	/* instruction may be given to guests */
	bool spec_ctrl;		/* SPEC_CTRL and PRED_CMD may be given to guests */
	bool pause_loop;	/* PAUSE-loop exiting */
	bool nx_huge;		/* never map executable huge pages (iTLB multihit) */
	u8 guest_phys_bits;	/* of a GPA that EPT/NPT can translate */
	u64 cr0_fixed1;		/* CR0 bits the silicon forces to 1 in a guest beyond PE and PG (VMX: NE) */
	u64 cr4_allowed;	/* CR4 bits the silicon lets a guest set */
};

enum vmm_table { VMM_GDT, VMM_IDT };

/*
 * The calls that VMX and SVM each implement. Unless said otherwise they run in the vCPU's own thread, with the vCPU
 * loaded on this CPU (between load and put) and its mutex held, and preemption allowed: the preempt notifier calls
 * put and load around a context switch, so every call that touches the VMCS/VMCB in more than one step that must not
 * be split disables preemption itself.
 */
struct vmm_backend {
	const char *name;		/* "VMX", "SVM" */
	size_t vcpu_size;		/* of the backend's structure, whose first member is struct vcpu */

	/* -- the machine -- */
	/* 0, or -ENODEV/-EBUSY with *why set to the words after "vmm: " in the one dmesg line. Process context. */
	int (*probe)(const char **why);
	/* Allocate what every CPU needs (VMXON region, HSAVE area), fill caps. Process context; undo is teardown. */
	int (*setup)(struct vmm_caps *caps);
	void (*teardown)(void);
	/* This CPU already runs VMX/SVM for someone else (CR4.VMXE, EFER.SVME set and not by us). IRQs off. */
	bool (*cpu_busy)(void);
	int (*cpu_enable)(void);	/* IRQs off, on the CPU itself */
	void (*cpu_disable)(void);	/* same; VMCLEARs what is loaded. Also from the panic path: no locks, no WARN */
	const struct pgtable_format *(*pgtable_format)(void);

	/* -- lifetime of a vCPU; process context, not loaded -- */
	int (*vcpu_create)(struct vcpu *vcpu);
	void (*vcpu_destroy)(struct vcpu *vcpu);

	/* -- placing; preemption off -- */
	void (*load)(struct vcpu *vcpu, int cpu);
	void (*put)(struct vcpu *vcpu);

	/* Power-on (init = false) or INIT state of everything that lives in the VMCS/VMCB (SDM vol 3, table 10-1). */
	void (*reset)(struct vcpu *vcpu, bool init);

	/*
	 * Enter the guest once. IRQs are off; between the caller's vtime_account_guest_enter() and _exit().
	 * On return: GPRs in vcpu->regs, vcpu->regs_avail holds the bits of what was read, vcpu->exit is decoded,
	 * vcpu->requeue is the event whose delivery the exit interrupted (IDT-vectoring, EXITINTINFO), host state is
	 * whole, NMI and machine check are already handled. A host interrupt stays pending until the caller opens IRQs.
	 */
	void (*run)(struct vcpu *vcpu);

	/* -- registers -- */
	void (*cache_reg)(struct vcpu *vcpu, unsigned int reg);	/* RSP, RIP, RFLAGS, CR0, CR3, CR4 into vcpu->regs */
	/* cr0/cr4/efer: values already validated by state.c; also keeps LMA, paging modes and intercepts in step */
	void (*set_cr0)(struct vcpu *vcpu, u64 cr0);
	void (*set_cr4)(struct vcpu *vcpu, u64 cr4);
	void (*set_efer)(struct vcpu *vcpu, u64 efer);
	void (*get_segment)(struct vcpu *vcpu, unsigned int seg, struct kvm_segment *out);	/* VMM_SEG_* */
	void (*set_segment)(struct vcpu *vcpu, unsigned int seg, const struct kvm_segment *in);
	void (*get_table)(struct vcpu *vcpu, enum vmm_table which, struct kvm_dtable *out);
	void (*set_table)(struct vcpu *vcpu, enum vmm_table which, const struct kvm_dtable *in);
	unsigned int (*get_cpl)(struct vcpu *vcpu);
	/* FS/GS/KERNEL_GS base, SYSENTER_*, STAR, LSTAR, CSTAR, SFMASK, PAT, TSC_AUX, SPEC_CTRL, DEBUGCTL: validated before.
	 * 1: not an MSR of the backend. */
	int (*get_msr)(struct vcpu *vcpu, u32 index, u64 *value);
	int (*set_msr)(struct vcpu *vcpu, u32 index, u64 value);
	void (*set_dr7)(struct vcpu *vcpu, u64 dr7);
	void (*set_tsc_offset)(struct vcpu *vcpu, u64 offset);
	void (*flush_tlb)(struct vcpu *vcpu);		/* all this guest's translations on this CPU, before next entry */

	/* -- events -- */
	void (*inject)(struct vcpu *vcpu, const struct vmm_event *event);	/* IRQs off, right before run */
	bool (*irq_allowed)(struct vcpu *vcpu);		/* IF set and no STI/MOV-SS shadow */
	bool (*nmi_allowed)(struct vcpu *vcpu);		/* not blocked by NMI or shadow */
	void (*set_windows)(struct vcpu *vcpu, bool irq, bool nmi);	/* exit when possible again; cheap if unchanged */
	u32 (*get_shadow)(struct vcpu *vcpu);		/* KVM_X86_SHADOW_INT_* */
	void (*set_shadow)(struct vcpu *vcpu, u32 shadow);
	bool (*get_nmi_masked)(struct vcpu *vcpu);
	void (*set_nmi_masked)(struct vcpu *vcpu, bool masked);

	void (*dump)(struct vcpu *vcpu);		/* ratelimited, to dmesg, after a failed entry */
};

extern const struct vmm_backend vmx_backend, svm_backend;
extern const struct vmm_backend *backend;	/* the one in use; set once at load */
extern struct vmm_caps vmm_caps;

#endif
