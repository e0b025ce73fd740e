/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX backend. vmx.c: VMX on each CPU, lifetime and placing of a vCPU; caps.c: what the CPU can
 * do; host.c: the host's state around the guest's run; guest.c: the guest's registers; event.c:
 * injection; exit.c: the run itself and what came of it; entry.S: the instructions.
 */
#ifndef VMM_VMX_VMX_H
#define VMM_VMX_VMX_H

#include <linux/cache.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "vcpu.h"
#include "vmx/entry.h"
#include "vmx/vmcs.h"

/*
 * CR0 bits that the guest changes without an exit: nothing outside depends on them. With EPT that
 * is true of WP, too.
 */
#define VMX_CR0_GUEST_OWNED (X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_WP | X86_CR0_AM)

struct perf_guest_switch_msr;

/* Found once at load (caps.c), read-only afterwards. */
struct vmx_caps {
	u32 revision; /* VMCS revision identifier */
	u32 pin, primary, secondary, exit, entry; /* controls that every VMCS starts with */
	u64 cr0_fixed1;
	u8 invept_type;
	bool ept_ad, ept_2m, ept_1g;
};

extern struct vmx_caps vmx_caps;

/*
 * MSRs that only user mode uses, or SYSCALL: the guest's values stay in the CPU across exits, until
 * the thread returns to userspace or another vCPU needs the place. Accesses by the guest exit, so
 * that the values here are right.
 */
enum vmx_user_msr {
	VMX_USER_STAR,
	VMX_USER_LSTAR,
	VMX_USER_SFMASK,
	VMX_USER_TSC_AUX,
	VMX_USER_MSRS,
};

/*
 * What the VMCS of this vCPU holds already: to write only what changes. Owned by the vCPU's thread.
 */
struct vmx_written {
	u32 primary;
	u32 entry;
	u64 host_cr3;
	u64 host_cr4;
	u64 host_fs_base;
	u64 cr0_shadow;
	u64 cr4_shadow;
	u64 cr4_guest_owned;
};

struct vcpu_vmx {
	struct vcpu vcpu;
	struct vmx_transition transition;
	struct vmx_written written;
	struct vmcs *vmcs;
	u64 vmcs_hpa;
	struct list_head loaded; /* in the list of CPU vmcs_cpu; by that CPU, IRQs off */
	int vmcs_cpu; /* which may hold the VMCS, or -1. Set by that CPU; cleared there, too */
	u64 serial; /* unlike an address never used twice: tells vCPUs apart for the IBPB */
	int last_cpu; /* whose host fields the VMCS holds; -1 */
	u16 vpid;
	bool vmcs_ready; /* the constant fields are written */
	bool guest_msrs; /* the CPU holds the guest's KERNEL_GS_BASE and user MSRs */
	bool flush_l1d; /* host data of other owners may be in L1D since the last entry */
	bool spec_ctrl_open; /* the guest accesses SPEC_CTRL without exits */
	bool msrs_closed; /* the guest accesses no MSR without an exit */

	u32 interruptibility; /* of this exit, if read */
	bool interruptibility_read;
	struct vmm_event injected; /* by this entry: to have it again if the entry fails */

	u64 efer;
	u64 cstar; /* kept for the guest to read: no Intel CPU takes SYSCALL outside 64-bit mode */
	u64 kernel_gs_base; /* while !guest_msrs */
	u64 user_msr[VMX_USER_MSRS];
	u64 user_msr_version; /* a new one with each change of these or of EFER.SCE */

	/* Of the thread that runs the guest, while guest_msrs: what the exit does not restore. */
	struct {
		u64 fs_base;
		u64 kernel_gs_base;
		union {
			struct {
				u16 fs, gs, ds, es;
			};
			u64 selectors;
		};
		u16 ldt;
		u64 debugctl; /* read right before the entry; the exit zeroes it */
	} host;
	const struct perf_guest_switch_msr *counters; /* which perf wants switched at this entry */
	int nr_counters;
	bool perf_active; /* any of that, or debugctl */
};

static __always_inline struct vcpu_vmx *to_vmx(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vcpu_vmx, vcpu);
}

/* SDM vol 3, table 25-3. Read at most once per exit. */
static __always_inline u32 vmx_interruptibility(struct vcpu_vmx *vmx)
{
	if (!vmx->interruptibility_read) {
		vmx->interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
		vmx->interruptibility_read = true;
	}
	return vmx->interruptibility;
}

#define VMX_SHADOW (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

/* caps.c */
int vmx_probe(const char **why);
void vmx_find_caps(struct vmm_caps *caps);

/* vmx.c */
void vmx_open_spec_ctrl(struct vcpu_vmx *vmx);

/* host.c */
DECLARE_STATIC_KEY_FALSE(vmx_l1d_flush_needed);
int vmx_host_setup(void);
void vmx_host_teardown(void);
void vmx_host_cpu_enable(void);
void vmx_host_cpu_disable(void);
void vmx_write_host_constants(void);
void vmx_write_host_percpu(int cpu);
void vmx_switch_to_guest(struct vcpu_vmx *vmx);
void vmx_switch_to_host(struct vcpu_vmx *vmx);
void vmx_refresh_user_msrs(struct vcpu_vmx *vmx);
void vmx_flush_l1d(struct vcpu_vmx *vmx);

/* guest.c */
void vmx_reset(struct vcpu *vcpu, bool init);
void vmx_cache_reg(struct vcpu *vcpu, unsigned int reg);
void vmx_write_dirty_regs(struct vcpu_vmx *vmx);
void vmx_set_cr0(struct vcpu *vcpu, u64 cr0);
void vmx_set_cr4(struct vcpu *vcpu, u64 cr4);
void vmx_set_efer(struct vcpu *vcpu, u64 efer);
void vmx_get_segment(struct vcpu *vcpu, unsigned int seg, struct kvm_segment *out);
void vmx_set_segment(struct vcpu *vcpu, unsigned int seg, const struct kvm_segment *in);
void vmx_get_table(struct vcpu *vcpu, enum vmm_table which, struct kvm_dtable *out);
void vmx_set_table(struct vcpu *vcpu, enum vmm_table which, const struct kvm_dtable *in);
unsigned int vmx_get_cpl(struct vcpu *vcpu);
void vmx_get_code(struct vcpu *vcpu, struct vmm_code *code);
unsigned int vmx_get_mode(struct vcpu *vcpu);
void vmx_get_pdptrs(struct vcpu *vcpu, u64 pdptrs[4]);
void vmx_set_pdptrs(struct vcpu *vcpu, const u64 pdptrs[4]);
int vmx_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int vmx_set_msr(struct vcpu *vcpu, u32 index, u64 value);
void vmx_set_dr7(struct vcpu *vcpu, u64 dr7);

/* event.c */
void vmx_inject(struct vcpu *vcpu, const struct vmm_event *event);
bool vmx_irq_allowed(struct vcpu *vcpu);
bool vmx_nmi_allowed(struct vcpu *vcpu);
void vmx_set_windows(struct vcpu *vcpu, bool irq, bool nmi);
u32 vmx_get_shadow(struct vcpu *vcpu);
void vmx_set_shadow(struct vcpu *vcpu, u32 shadow);
bool vmx_get_nmi_masked(struct vcpu *vcpu);
void vmx_set_nmi_masked(struct vcpu *vcpu, bool masked);
bool vmx_take_interrupted_event(struct vcpu_vmx *vmx);

/* exit.c */
void vmx_run(struct vcpu *vcpu);
void vmx_dump(struct vcpu *vcpu);

#endif
