/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_BACKEND_H
#define VMM_BACKEND_H

#include <linux/types.h>
#include <linux/kvm.h>

#include "event.h"

struct vcpu;
struct pgtable_format;

/* What the silicon can do for guests, found once at load; read-only afterwards. */
struct vmm_caps {
	bool invpcid, rdtscp, umip; /* instruction may be given to guests */
	bool spec_ctrl; /* SPEC_CTRL and PRED_CMD may be given to guests */
	u8 guest_phys_bits; /* of a GPA that EPT/NPT can translate */
	u64 cr4_allowed; /* CR4 bits the silicon lets a guest set */
};

/* Where the guest's code is, and what its address means there. */
struct vmm_code {
	u64 address; /* linear, of RIP */
	u64 cr0, cr3, cr4; /* of CR0 and CR4 not all bits, but those that a fetch depends on */
	u8 mode; /* enum decode_mode */
	bool plain; /* as in struct vmm_exit, but for the length */
};

#define VMM_MODE_CPL 3u
#define VMM_MODE_64BIT 4u

enum vmm_table { VMM_GDT, VMM_IDT };

/*
 * The calls that VMX and SVM each implement. Unless said otherwise they run in the vCPU's own
 * thread, with the vCPU loaded on this CPU (between load and put) and its mutex held, and
 * preemption allowed: the preempt notifier calls put and load around a context switch, so every
 * call that touches the VMCS/VMCB in more than one step that must not be split disables preemption
 * itself.
 */
struct vmm_backend {
	const char *name; /* "VMX", "SVM" */
	size_t vcpu_size; /* of the backend's structure, whose first member is struct vcpu */

	/* -- the machine -- */

	/*
	 * 0; -ENOENT: not this kind of CPU; -ENODEV: it is, but cannot be used, and *why is set to
	 * the words after "vmm: " in the one dmesg line. Process context.
	 */
	int (*probe)(const char **why);
	/*
	 * Allocate what every CPU needs (VMXON region, HSAVE area), fill caps. Process context;
	 * undo is teardown.
	 */
	int (*setup)(struct vmm_caps *caps);
	void (*teardown)(void);
	/* This CPU runs VMX/SVM for someone else (CR4.VMXE, EFER.SVME set). IRQs off. */
	bool (*cpu_busy)(void);
	/* IRQs off, on the CPU itself. */
	int (*cpu_enable)(void);
	/* Same; VMCLEARs what this CPU holds. Also from the panic path: no locks, no WARN. */
	void (*cpu_disable)(void);
	const struct pgtable_format *(*pgtable_format)(void);

	/* -- lifetime of a vCPU; process context, not loaded -- */

	int (*vcpu_create)(struct vcpu *vcpu);
	void (*vcpu_destroy)(struct vcpu *vcpu);

	/* -- placing -- */

	/* Preemption off, interrupts on: another CPU may have to let go of the vCPU. */
	void (*load)(struct vcpu *vcpu, int cpu);
	/* Interrupts off. */
	void (*put)(struct vcpu *vcpu);

	/*
	 * Power-on (init = false) or INIT state of everything that lives in the VMCS/VMCB (SDM vol
	 * 3, table 10-1).
	 */
	void (*reset)(struct vcpu *vcpu, bool init);

	/*
	 * Enter the guest, again and again for as long as exit_fast() answers the exits; before
	 * that, exit_fast_begin(). IRQs are
	 * off; between the caller's vtime_account_guest_enter() and _exit(). On return: GPRs in vcpu->regs, vcpu->regs_avail holds the bits of what was read,
	 * vcpu->exit is decoded, vcpu->requeue is the event whose delivery the exit interrupted
	 * (IDT-vectoring, EXITINTINFO), host state is whole, NMI and machine check are already
	 * handled. A host interrupt stays pending until the caller opens IRQs.
	 */
	void (*run)(struct vcpu *vcpu);

	/* -- registers -- */

	/* RSP, RIP, RFLAGS, CR0, CR3 or CR4 into vcpu->regs. */
	void (*cache_reg)(struct vcpu *vcpu, unsigned int reg);
	/*
	 * Values already validated by state.c; also keeps LMA, paging modes and intercepts in step.
	 */
	void (*set_cr0)(struct vcpu *vcpu, u64 cr0);
	void (*set_cr4)(struct vcpu *vcpu, u64 cr4);
	void (*set_efer)(struct vcpu *vcpu, u64 efer);
	/* seg: VMM_SEG_*. */
	void (*get_segment)(struct vcpu *vcpu, unsigned int seg, struct kvm_segment *out);
	void (*set_segment)(struct vcpu *vcpu, unsigned int seg, const struct kvm_segment *in);
	void (*get_table)(struct vcpu *vcpu, enum vmm_table which, struct kvm_dtable *out);
	void (*set_table)(struct vcpu *vcpu, enum vmm_table which, const struct kvm_dtable *in);
	unsigned int (*get_cpl)(struct vcpu *vcpu);
	/* Also makes RIP and RFLAGS available. */
	void (*get_code)(struct vcpu *vcpu, struct vmm_code *code);
	/* VMM_MODE_*: the CPL, and whether it is 64-bit code (EFER.LMA and CS.L). */
	unsigned int (*get_mode)(struct vcpu *vcpu);
	/*
	 * The page-directory pointers of PAE paging where the CPU has registers for them; NULL
	 * where each walk reads memory (APM vol 2, 15.25.10).
	 */
	void (*get_pdptrs)(struct vcpu *vcpu, u64 pdptrs[4]);
	void (*set_pdptrs)(struct vcpu *vcpu, const u64 pdptrs[4]);
	/*
	 * FS/GS/KERNEL_GS base, SYSENTER_*, STAR, LSTAR, CSTAR, SFMASK, PAT, TSC_AUX, SPEC_CTRL:
	 * validated before. 1: not an MSR of the backend.
	 */
	int (*get_msr)(struct vcpu *vcpu, u32 index, u64 *value);
	int (*set_msr)(struct vcpu *vcpu, u32 index, u64 value);
	/* Those that the guest accesses without exits, and whether it may on this vCPU. */
	const u32 *open_msrs;
	unsigned int nr_open_msrs;
	void (*close_msrs)(struct vcpu *vcpu, bool closed);
	void (*set_dr7)(struct vcpu *vcpu, u64 dr7);
	void (*intercept_bp)(struct vcpu *vcpu, bool on); /* #BP: INT3 */
	void (*set_tsc_offset)(struct vcpu *vcpu, u64 offset);
	/* All this guest's translations on this CPU, before the next entry. */
	void (*flush_tlb)(struct vcpu *vcpu);
	/* A loop of PAUSEs is reported when it is 2^doublings times as long as usual; preemption off. */
	void (*set_pause_window)(struct vcpu *vcpu, unsigned int doublings);

	/* -- events -- */

	/* IRQs off, right before run. */
	void (*inject)(struct vcpu *vcpu, const struct vmm_event *event);
	/* IF set and no STI/MOV-SS shadow. */
	bool (*irq_allowed)(struct vcpu *vcpu);
	/* Not blocked by NMI or shadow. */
	bool (*nmi_allowed)(struct vcpu *vcpu);
	/* Exit when possible again; cheap if unchanged. */
	void (*set_windows)(struct vcpu *vcpu, bool irq, bool nmi);
	/* KVM_X86_SHADOW_INT_*. */
	u32 (*get_shadow)(struct vcpu *vcpu);
	void (*set_shadow)(struct vcpu *vcpu, u32 shadow);
	bool (*get_nmi_masked)(struct vcpu *vcpu);
	void (*set_nmi_masked)(struct vcpu *vcpu, bool masked);

	/* Ratelimited, to dmesg, after a failed entry. */
	void (*dump)(struct vcpu *vcpu);
};

extern const struct vmm_backend vmx_backend, svm_backend;
/* The one in use; set once at load. */
extern const struct vmm_backend *backend;
extern struct vmm_caps vmm_caps;

#endif
