// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD's virtualisation (APM vol. 2, chapter 15): the machine, a vCPU's lifetime and place, one
 * entry.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/topology.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

#include "compat.h"
#include "guest_state.h"
#include "mmu/pgtable.h"
#include "exit_fast.h"
#include "svm/svm.h"

#define CPUID_EXT_FEATURES 0x80000001
#define CPUID_EXT_ADDRESSES 0x80000008
#define CPUID_SVM 0x8000000a

/* MSR TSC_RATIO, upper half: 8 bits before the point, 32 behind it in the lower (15.30.5) */
#define TSC_RATIO_1_HIGH 1

struct svm_host svm_host __ro_after_init;
static DEFINE_PER_CPU(struct svm_cpu, svm_cpus);
static atomic64_t last_serial = ATOMIC64_INIT(0);

/* -- the machine -- */

static int svm_probe(const char **why)
{
	u64 vm_cr;

	/* The CPU's word, not the kernel's, which may hide what firmware has disabled (15.4). */
	if (cpuid_eax(0x80000000) < CPUID_SVM || !(cpuid_ecx(CPUID_EXT_FEATURES) & BIT(2)))
		return -ENOENT;
	if (!rdmsrl_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS) && (vm_cr & VM_CR_LOCK)) {
		*why = "SVM is disabled by firmware (its setup calls it SVM or virtualization)";
		return -ENODEV;
	}
	if (!(cpuid_edx(CPUID_SVM) & BIT(0))) {
		*why = "the CPU has no nested paging (NPT)";
		return -ENODEV;
	}
	if (cpuid_ebx(CPUID_SVM) < 2) {
		*why = "the CPU has no address space identifiers (ASID) for guests";
		return -ENODEV;
	}
	return 0;
}

/*
 * CR4 bits that VMRUN accepts are those that the CPU has (15.5.1). Not PKE: PKRU is not switched.
 */
static u64 cr4_allowed(void)
{
	static const struct {
		u16 feature;
		u64 bits;
	} table[] = {
		{ X86_FEATURE_TSC, X86_CR4_TSD },	    { X86_FEATURE_DE, X86_CR4_DE },
		{ X86_FEATURE_PSE, X86_CR4_PSE },	    { X86_FEATURE_PAE, X86_CR4_PAE },
		{ X86_FEATURE_MCE, X86_CR4_MCE },	    { X86_FEATURE_PGE, X86_CR4_PGE },
		{ X86_FEATURE_FXSR, X86_CR4_OSFXSR },	    { X86_FEATURE_XMM, X86_CR4_OSXMMEXCPT },
		{ X86_FEATURE_UMIP, X86_CR4_UMIP },	    { X86_FEATURE_LA57, X86_CR4_LA57 },
		{ X86_FEATURE_FSGSBASE, X86_CR4_FSGSBASE }, { X86_FEATURE_PCID, X86_CR4_PCIDE },
		{ X86_FEATURE_XSAVE, X86_CR4_OSXSAVE },	    { X86_FEATURE_SMEP, X86_CR4_SMEP },
		{ X86_FEATURE_SMAP, X86_CR4_SMAP },
	};
	/* These are older than SVM, whatever an emulated CPU says of them. */
	u64 bits = X86_CR4_PCE | X86_CR4_VME | X86_CR4_PVI;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (boot_cpu_has(table[i].feature))
			bits |= table[i].bits;
	return bits;
}

/* Bits of a guest-physical address: the CPU may say so apart from its own (APM vol. 3, E.4.7). */
static u8 guest_phys_bits(void)
{
	unsigned int bits = cpuid_eax(CPUID_EXT_ADDRESSES) >> 16 & 0xff;

	return min3(bits ?: 255u, (unsigned int)boot_cpu_data.x86_phys_bits,
		    (unsigned int)PGTABLE_GPA_BITS);
}

static void free_cpus(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);

		if (c->hsave)
			__free_page(c->hsave);
		if (c->host)
			__free_page(c->host);
		c->hsave = NULL;
		c->host = NULL;
	}
}

/* For every CPU that may ever come: cpu_enable() runs where nothing can be allocated. */
static int allocate_cpus(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);

		c->hsave = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		c->host = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!c->hsave || !c->host) {
			free_cpus();
			return -ENOMEM;
		}
		c->host_pa = __sme_set(page_to_phys(c->host));
	}
	return 0;
}

static struct pgtable_format npt_format __ro_after_init;

/* Nested tables have the sizes of pages that the host's own have (APM vol 2, 15.25.5). */
static void choose_npt_format(void)
{
	npt_format = pgtable_format_npt;
	if (boot_cpu_has(X86_FEATURE_GBPAGES))
		npt_format.max_level = PGTABLE_1G;
}

static int svm_setup(struct vmm_caps *caps)
{
	u32 features = cpuid_edx(CPUID_SVM);
	int r;

	svm_host.nrips = features & BIT(3);
	svm_host.tsc_ratio = features & BIT(4);
	svm_host.flush_by_asid = features & BIT(6);
	svm_host.decode_assists = features & BIT(7);
	svm_host.pause_filter = features & BIT(10);
	svm_host.pause_threshold = features & BIT(12);
	svm_host.tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	svm_host.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	svm_host.virtual_spec_ctrl = boot_cpu_has(X86_FEATURE_V_SPEC_CTRL);
	svm_host.la57 = __read_cr4() & X86_CR4_LA57;
	svm_host.extensions = cpuid_ebx(CPUID_EXT_ADDRESSES);
	svm_host.cr4_mce = __read_cr4() & X86_CR4_MCE;
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, svm_host.xss);
	choose_npt_format();

	r = allocate_cpus();
	if (r)
		return r;
	r = svm_maps_create();
	if (r) {
		free_cpus();
		return r;
	}
	*caps = (struct vmm_caps){
		.invpcid = boot_cpu_has(X86_FEATURE_INVPCID),
		.rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP),
		.umip = boot_cpu_has(X86_FEATURE_UMIP),
		.spec_ctrl = svm_host.spec_ctrl,
		.guest_phys_bits = guest_phys_bits(),
		.cr4_allowed = cr4_allowed(),
	};
	return 0;
}

static void svm_teardown(void)
{
	svm_maps_destroy();
	free_cpus();
}

static bool svm_cpu_busy(void)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	return (efer & EFER_SVME) && !__this_cpu_read(svm_cpus.enabled);
}

/* Firmware may leave SVM disabled without locking it: then it is ours to enable (15.4). */
static int allow_svm(void)
{
	u64 vm_cr;

	if (rdmsrl_safe(MSR_VM_CR, &vm_cr) || !(vm_cr & VM_CR_SVMDIS))
		return 0;
	return wrmsrl_safe(MSR_VM_CR, vm_cr & ~VM_CR_SVMDIS);
}

static int svm_cpu_enable(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpus);
	u64 efer;

	if (allow_svm())
		return -EIO;
	rdmsrl(MSR_EFER, efer);
	if (wrmsrl_safe(MSR_EFER, efer | EFER_SVME))
		return -EIO;
	wrmsrl(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(cpu->hsave)));
	if (svm_host.tsc_aux)
		rdmsrl(MSR_TSC_AUX, cpu->tsc_aux_host);
	cpu->tsc_aux = cpu->tsc_aux_host;
	if (svm_host.tsc_ratio)
		wrmsr(MSR_AMD64_TSC_RATIO, 0, TSC_RATIO_1_HIGH);
	compat_srso_reduce(true);
	/* The host-only bit of its performance counters works only with SVM on. */
	amd_pmu_enable_virt();
	/*
	 * What the TLB and the CPU's copy of a VMCB hold is from another life: no ASID given before
	 * is good.
	 */
	cpu->asid_max = cpuid_ebx(CPUID_SVM) - 1;
	cpu->asid_next = cpu->asid_max + 1;
	cpu->asid_generation++;
	cpu->last_serial = 0;
	cpu->enabled = true;
	return 0;
}

static void svm_cpu_disable(void)
{
	u64 efer;

	__this_cpu_write(svm_cpus.enabled, false);
	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	/*
	 * A panic may have come by NMI or machine check with GIF clear; INIT would stay blocked for
	 * ever (15.17).
	 */
	asm volatile("stgi" : : : "memory");
	compat_srso_reduce(false);
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
	amd_pmu_disable_virt();
}

static const struct pgtable_format *svm_pgtable_format(void)
{
	return &npt_format;
}

/* -- lifetime of a vCPU -- */

static int svm_vcpu_create(struct vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;
	if (svm_host.la57) {
		svm->npt_root = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!svm->npt_root) {
			free_page((unsigned long)svm->vmcb);
			return -ENOMEM;
		}
	}
	svm->vmcb_pa = __sme_set(__pa(svm->vmcb));
	svm->serial = atomic64_inc_return(&last_serial);
	svm->asid_cpu = -1;
	svm_control_init(svm);
	return 0;
}

static void svm_vcpu_destroy(struct vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	free_page((unsigned long)svm->npt_root);
	free_page((unsigned long)svm->vmcb);
}

/* -- placing -- */

static void svm_load(struct vcpu *vcpu, int cpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct svm_cpu *here = this_cpu_ptr(&svm_cpus);

	/* Neither the ASID nor the CPU's copy of the VMCB survives a move (15.15.4, 15.16). */
	if (svm->asid_cpu != cpu) {
		svm->asid_cpu = cpu;
		svm->asid_generation = 0;
	}
	/* What one guest has taught the branch predictors is not for another. */
	if (here->last_serial != svm->serial) {
		here->last_serial = svm->serial;
		indirect_branch_prediction_barrier();
	}
	/*
	 * CPUID may have been set since. RDPID cannot be intercepted: TSC_AUX is the guest's in any
	 * case.
	 */
	svm_set_intercept(svm, INTERCEPT_RDTSCP, svm_host.tsc_aux && !vcpu->has.rdtscp);
}

/* Only user mode reads TSC_AUX, so it is the guest's from the first entry after load until here. */
static void svm_put(struct vcpu *vcpu)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpus);

	if (cpu->tsc_aux != cpu->tsc_aux_host) {
		wrmsrl(MSR_TSC_AUX, cpu->tsc_aux_host);
		cpu->tsc_aux = cpu->tsc_aux_host;
	}
}

static void load_tsc_aux(struct vcpu_svm *svm, struct svm_cpu *cpu)
{
	if (cpu->tsc_aux != svm->tsc_aux && svm_host.tsc_aux) {
		wrmsrl(MSR_TSC_AUX, svm->tsc_aux);
		cpu->tsc_aux = svm->tsc_aux;
	}
}

static void svm_set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm->vmcb->control.tsc_offset = offset;
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

/* -- translations (15.16) -- */

static void svm_flush_tlb(struct vcpu *vcpu)
{
	to_svm(vcpu)->flush = true;
}

static void take_new_asid(struct vcpu_svm *svm, struct svm_cpu *cpu)
{
	struct vmcb_control *control = &svm->vmcb->control;

	if (cpu->asid_next > cpu->asid_max) {
		cpu->asid_generation++;
		cpu->asid_next = 1;
		control->tlb_control = TLB_CONTROL_FLUSH_ALL;
	}
	svm->asid_generation = cpu->asid_generation;
	control->asid = cpu->asid_next++;
}

static void prepare_asid(struct vcpu_svm *svm, struct svm_cpu *cpu)
{
	struct vmcb_control *control = &svm->vmcb->control;

	control->tlb_control = TLB_CONTROL_NOTHING;
	if (svm->asid_generation != cpu->asid_generation) {
		take_new_asid(svm, cpu);
		control->clean = 0;
	} else if (svm->flush) {
		if (svm_host.flush_by_asid)
			control->tlb_control = TLB_CONTROL_FLUSH_ASID;
		else
			take_new_asid(svm, cpu);
		svm_dirty(svm, CLEAN_ASID);
	}
	svm->flush = false;
}

/* -- the entry -- */

/*
 * GIF is 0 from before the host's state leaves the CPU until it is back: an NMI or a machine check
 * would run on the guest's GS. What is pending is taken at STGI, and so an NMI that ended the
 * guest's run is handled there (15.17).
 */
static noinstr void enter_guest(struct vcpu_svm *svm, u64 host_pa, u32 guest_spec_ctrl,
				u32 host_spec_ctrl)
{
	asm volatile("clgi" : : : "memory");
	guest_state_enter(&svm->vcpu.rcu_noted);
	svm_vmrun(svm->vcpu.regs, svm->vmcb_pa, host_pa, guest_spec_ctrl, host_spec_ctrl);
	guest_state_exit();
	asm volatile("stgi" : : : "memory");
}

/* Before entry: what lives in struct vcpu and goes in with every VMRUN. */
static void write_state(struct vcpu_svm *svm)
{
	struct vmcb_save *save = &svm->vmcb->save;
	struct vcpu *vcpu = &svm->vcpu;

	svm_write_regs(svm);
	if (save->cr2 != vcpu->cr2) {
		save->cr2 = vcpu->cr2;
		svm_dirty(svm, CLEAN_CR2);
	}
	if (save->dr6 != vcpu->dr6) {
		save->dr6 = vcpu->dr6;
		svm_dirty(svm, CLEAN_DR);
	}
	svm_open_nmi_window(svm);
}

static void read_state(struct vcpu_svm *svm)
{
	struct vmcb_save *save = &svm->vmcb->save;
	struct vcpu *vcpu = &svm->vcpu;

	svm->vmcb->control.clean = VMCB_CLEAN_ALL;
	svm_complete_events(svm);
	vcpu->regs_avail &= ~VMM_REGS_LAZY;
	/* Refused: what is there may be the host's, see svm_dump(). */
	if (unlikely((u32)svm->vmcb->control.exit_code == (u32)SVM_EXIT_ERR))
		return;
	vcpu->regs[VMM_REG_RAX] = save->rax;
	vcpu->cr2 = save->cr2;
	vcpu->dr6 = save->dr6;
}

/*
 * XSAVES and XRSTORS cannot be intercepted and work for any guest with CR4.OSXSAVE: with the host's
 * XSS they would reach the supervisor state of its threads.
 */
static void switch_xss(const struct vcpu_svm *svm, u64 value)
{
	if (unlikely(svm_host.xss) && (svm->cr4 & X86_CR4_OSXSAVE))
		wrmsrl(MSR_IA32_XSS, value);
}

static void machine_check(void)
{
	/*
	 * #MC was intercepted, so that the host's handler has not run: run it now, interrupts still
	 * off.
	 */
	if (IS_ENABLED(CONFIG_X86_MCE))
		asm volatile("int $18" : : : "memory");
}

static void run_once(struct vcpu *vcpu)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpus);
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_control *control = &svm->vmcb->control;
	u32 host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);

	if (unlikely(!cpu->enabled)) {
		/*
		 * This CPU goes down: nothing has happened, common code comes back on another one.
		 */
		svm_cancel_injection(svm);
		vcpu->exit.kind = VMM_EXIT_RESUME;
		vcpu->exit.plain = false;
		return;
	}
	write_state(svm);
	prepare_asid(svm, cpu);
	load_tsc_aux(svm, cpu);
	switch_xss(svm, 0);
	/*
	 * With virtual SPEC_CTRL the VMCB holds the guest's, and the MSR stays the host's
	 * (15.36.4).
	 */
	enter_guest(svm, cpu->host_pa,
		    svm_host.virtual_spec_ctrl ? host_spec_ctrl : (u32)svm->spec_ctrl,
		    host_spec_ctrl);
	switch_xss(svm, svm_host.xss);
	/* VMSCAPE: what the guest has taught the predictors is not for this process either. */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
	if (unlikely((u32)control->exit_code == SVM_EXIT_EXCP_BASE + X86_TRAP_MC))
		machine_check();
	read_state(svm);
	svm_decode_exit(svm);
}

static void set_rip(struct vcpu *vcpu, u64 rip)
{
	vcpu_set_reg(vcpu, VMM_REG_RIP, rip);
}

static void svm_run(struct vcpu *vcpu)
{
	exit_fast_begin(vcpu);
	do
		run_once(vcpu);
	while (exit_fast(vcpu, set_rip));
}

const struct vmm_backend svm_backend = {
	.name = "SVM",
	.vcpu_size = sizeof(struct vcpu_svm),
	.probe = svm_probe,
	.setup = svm_setup,
	.teardown = svm_teardown,
	.cpu_busy = svm_cpu_busy,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.pgtable_format = svm_pgtable_format,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.load = svm_load,
	.put = svm_put,
	.reset = svm_reset,
	.run = svm_run,
	.cache_reg = svm_cache_reg,
	.set_cr0 = svm_set_cr0,
	.set_cr4 = svm_set_cr4,
	.set_efer = svm_set_efer,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_table = svm_get_table,
	.set_table = svm_set_table,
	.get_cpl = svm_get_cpl,
	.get_code = svm_get_code,
	.get_mode = svm_get_mode,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.open_msrs = svm_guest_msrs,
	.nr_open_msrs = SVM_GUEST_MSRS,
	.close_msrs = svm_close_msrs,
	.set_dr7 = svm_set_dr7,
	.intercept_bp = svm_intercept_bp,
	.set_tsc_offset = svm_set_tsc_offset,
	.flush_tlb = svm_flush_tlb,
	.set_pause_window = svm_set_pause_window,
	.inject = svm_inject,
	.irq_allowed = svm_irq_allowed,
	.nmi_allowed = svm_nmi_allowed,
	.set_windows = svm_set_windows,
	.get_shadow = svm_get_shadow,
	.set_shadow = svm_set_shadow,
	.get_nmi_masked = svm_get_nmi_masked,
	.set_nmi_masked = svm_set_nmi_masked,
	.dump = svm_dump,
};
