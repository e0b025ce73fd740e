// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's state around the guest's run: the host-state area of the VMCS, what an exit does not
 * restore, and the L1D flush.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/hardirq.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <asm/special_insns.h>
#include <asm/vmx.h>

#include "vmx/vmx.h"

/* What lies behind enum vmx_user_msr. */
static const u32 user_msr_index[VMX_USER_MSRS] = {
	[VMX_USER_STAR] = MSR_STAR,
	[VMX_USER_LSTAR] = MSR_LSTAR,
	[VMX_USER_SFMASK] = MSR_SYSCALL_MASK,
	[VMX_USER_TSC_AUX] = MSR_TSC_AUX,
};

/* How many of them this CPU has: all, or all but TSC_AUX. */
static unsigned int user_msrs __ro_after_init;

/* IRQs off, or the CPU's own return to userspace. */
struct user_msrs {
	struct user_return_notifier notifier;
	bool registered;
	u64 version; /* vcpu_vmx.user_msr_version of the values in place; 0: the host's */
	u64 host[VMX_USER_MSRS];
	u64 current_value[VMX_USER_MSRS];
};

static DEFINE_PER_CPU(struct user_msrs, user_msrs_here);
static DEFINE_PER_CPU(struct desc_ptr, host_gdt); /* as user mode must find it; set once */

/* -- the host-state area (SDM vol 3, 25.5) -- */

/* The same on every CPU, and for as long as the module is loaded. */
void vmx_write_host_constants(void)
{
	struct desc_ptr idt;
	u64 value;

	/* CR0.TS would make every exit trap on the FPU; the kernel keeps it clear. */
	vmcs_write(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	/* Selectors of user mode cannot be loaded by an exit: vmx_switch_to_host() does it. */
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	vmcs_write(HOST_RIP, (unsigned long)vmx_exited);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmcs_write(HOST_IA32_SYSENTER_CS, value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmcs_write(HOST_IA32_SYSENTER_EIP, value);
	rdmsrl(MSR_IA32_CR_PAT, value);
	vmcs_write(HOST_IA32_PAT, value);
	rdmsrl(MSR_EFER, value);
	vmcs_write(HOST_IA32_EFER, value);
}

/* What differs from CPU to CPU. Preemption off. */
void vmx_write_host_percpu(int cpu)
{
	u64 gs_base;

	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmcs_write(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	vmcs_write(HOST_IA32_SYSENTER_ESP, (unsigned long)(cpu_entry_stack(cpu) + 1));
	rdmsrl(MSR_GS_BASE, gs_base);
	vmcs_write(HOST_GS_BASE, gs_base);
}

/* -- user MSRs -- */

/* True when it held another value. */
static bool write_user_msr(struct user_msrs *here, unsigned int i, u64 value)
{
	if (likely(here->current_value[i] == value))
		return false;
	native_wrmsrl(user_msr_index[i], value);
	here->current_value[i] = value;
	return true;
}

static void restore_user_msrs(struct user_msrs *here)
{
	unsigned long flags;
	unsigned int i;

	/* Against vmx_host_cpu_disable(), which may come as an IPI. */
	local_irq_save(flags);
	here->version = 0;
	if (here->registered) {
		here->registered = false;
		user_return_notifier_unregister(&here->notifier);
		for (i = 0; i < user_msrs; i++)
			write_user_msr(here, i, here->host[i]);
	}
	local_irq_restore(flags);
}

static void on_user_return(struct user_return_notifier *notifier)
{
	restore_user_msrs(container_of(notifier, struct user_msrs, notifier));
}

static noinline void write_user_msrs(struct vcpu_vmx *vmx)
{
	struct user_msrs *here = this_cpu_ptr(&user_msrs_here);
	/* Without SYSCALL the guest cannot tell what those of it hold. */
	unsigned int i = vmx->efer & EFER_SCE ? 0 : VMX_USER_TSC_AUX;
	bool changed = false;

	here->version = vmx->user_msr_version;
	for (; i < user_msrs; i++)
		changed |= write_user_msr(here, i, vmx->user_msr[i]);
	/* What was the host's until now has to be again, in user mode. */
	if (changed && !here->registered) {
		here->registered = true;
		user_return_notifier_register(&here->notifier);
	}
}

static __always_inline void load_user_msrs(struct vcpu_vmx *vmx)
{
	if (unlikely(this_cpu_read(user_msrs_here.version) != vmx->user_msr_version))
		write_user_msrs(vmx);
}

/* vmx->user_msr or EFER.SCE has changed. */
void vmx_refresh_user_msrs(struct vcpu_vmx *vmx)
{
	static atomic64_t versions;
	unsigned long flags;

	vmx->user_msr_version = atomic64_inc_return(&versions);
	/* Off against the preempt notifier, which turns guest_msrs off. */
	local_irq_save(flags);
	if (vmx->guest_msrs)
		load_user_msrs(vmx);
	local_irq_restore(flags);
}

/* IRQs off. */
void vmx_host_cpu_enable(void)
{
	struct user_msrs *here = this_cpu_ptr(&user_msrs_here);
	unsigned int i;

	here->version = 0;
	here->notifier.on_user_return = on_user_return;
	for (i = 0; i < user_msrs; i++) {
		rdmsrl(user_msr_index[i], here->host[i]);
		here->current_value[i] = here->host[i];
	}
	this_cpu_write(host_gdt.address, (unsigned long)get_cpu_gdt_ro(smp_processor_id()));
	this_cpu_write(host_gdt.size, GDT_SIZE - 1);
}

/* IRQs off. The module may go away after this. */
void vmx_host_cpu_disable(void)
{
	restore_user_msrs(this_cpu_ptr(&user_msrs_here));
}

/* -- segments and their bases -- */

/* What user mode has now, in the registers or where the last context switch left it. */
static __always_inline void save_host_segments(struct vcpu_vmx *vmx)
{
	if (likely(cpu_feature_enabled(X86_FEATURE_FSGSBASE))) {
		savesegment(fs, vmx->host.fs);
		savesegment(gs, vmx->host.gs);
		vmx->host.fs_base = rdfsbase();
		vmx->host.kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	} else {
		current_save_fsgs();
		vmx->host.fs = current->thread.fsindex;
		vmx->host.gs = current->thread.gsindex;
		vmx->host.fs_base = current->thread.fsbase;
		vmx->host.kernel_gs_base = current->thread.gsbase;
	}
	savesegment(ds, vmx->host.ds);
	savesegment(es, vmx->host.es);
	store_ldt(vmx->host.ldt);
}

/*
 * Before the first entry since load. IRQs off. An exit loads FS and GS with the base that the VMCS
 * holds and makes DS, ES and LDTR null (SDM vol 3, 28.5.2 and 28.5.3); it does not touch
 * KERNEL_GS_BASE, which is the GS base of user mode.
 */
void vmx_switch_to_guest(struct vcpu_vmx *vmx)
{
	save_host_segments(vmx);
	if (vmx->written.host_fs_base != vmx->host.fs_base) {
		vmx->written.host_fs_base = vmx->host.fs_base;
		vmcs_write(HOST_FS_BASE, vmx->host.fs_base);
	}
	if (vmx->kernel_gs_base != vmx->host.kernel_gs_base)
		native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	load_user_msrs(vmx);
	vmx->guest_msrs = true;
}

static noinline void reload_segments(const struct vcpu_vmx *vmx)
{
	if (vmx->host.ldt)
		asm volatile("lldt %0" : : "m"(vmx->host.ldt));
	if (vmx->host.gs)
		load_gs_index(vmx->host.gs);
	if (vmx->host.fs) {
		/*
		 * The load takes the base from the descriptor; arch_prctl() may have set another.
		 */
		loadsegment(fs, vmx->host.fs);
		x86_fsbase_write_cpu(vmx->host.fs_base);
	}
	if (vmx->host.ds || vmx->host.es) {
		loadsegment(ds, vmx->host.ds);
		loadsegment(es, vmx->host.es);
	}
}

/*
 * IRQs off, before anything else runs on this CPU in the thread's name. The user MSRs stay.
 */
void vmx_switch_to_host(struct vcpu_vmx *vmx)
{
	vmx->guest_msrs = false;
	vmx->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (unlikely(vmx->host.selectors | vmx->host.ldt))
		reload_segments(vmx);
	if (vmx->host.gs || vmx->kernel_gs_base != vmx->host.kernel_gs_base)
		native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base);
	/*
	 * The exit made the limits of TSS and GDT 0x67 and 0xffff: no I/O bitmap, and room behind
	 * the GDT.
	 */
	if (unlikely(!this_cpu_read(__tss_limit_invalid)))
		invalidate_tss_limit();
	native_load_gdt(this_cpu_ptr(&host_gdt));
}

/* -- L1 terminal fault: L1D holds nothing secret at entry -- */

#define L1D_PAGES_ORDER 4

DEFINE_STATIC_KEY_FALSE(vmx_l1d_flush_needed);
static bool l1d_flush_always __ro_after_init;
static u8 *l1d_pages;

static enum vmx_l1d_flush_state l1d_flush_mode(void)
{
	u64 arch_capabilities = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		return VMENTER_L1D_FLUSH_NOT_REQUIRED;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, arch_capabilities);
	if (arch_capabilities & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH)
		return VMENTER_L1D_FLUSH_NOT_REQUIRED;
	if (l1tf_vmx_mitigation != VMENTER_L1D_FLUSH_AUTO)
		return l1tf_vmx_mitigation;
	switch (l1tf_mitigation) {
	case L1TF_MITIGATION_OFF:
		return VMENTER_L1D_FLUSH_NEVER;
	case L1TF_MITIGATION_FULL:
	case L1TF_MITIGATION_FULL_FORCE:
		return VMENTER_L1D_FLUSH_ALWAYS;
	default:
		return VMENTER_L1D_FLUSH_COND;
	}
}

static int l1d_setup(void)
{
	enum vmx_l1d_flush_state mode = l1d_flush_mode();

	if (mode != VMENTER_L1D_FLUSH_ALWAYS && mode != VMENTER_L1D_FLUSH_COND)
		return 0;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		l1d_pages = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, L1D_PAGES_ORDER);
		if (!l1d_pages)
			return -ENOMEM;
	}
	l1d_flush_always = mode == VMENTER_L1D_FLUSH_ALWAYS;
	static_branch_enable(&vmx_l1d_flush_needed);
	return 0;
}

/*
 * Old microcode: read 64 KiB, twice the size of L1D, a line at a time; first a byte of each page
 * for the TLB.
 */
static noinstr void displace_l1d(void)
{
	unsigned int size = PAGE_SIZE << L1D_PAGES_ORDER;

	asm volatile("xorl %%eax, %%eax\n"
		     "1:\tmovzbl (%[pages], %%rax), %%ecx\n\t"
		     "addl $4096, %%eax\n\t"
		     "cmpl %%eax, %[size]\n\t"
		     "jne 1b\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "cpuid\n\t"
		     "xorl %%eax, %%eax\n"
		     "2:\tmovzbl (%[pages], %%rax), %%ecx\n\t"
		     "addl $64, %%eax\n\t"
		     "cmpl %%eax, %[size]\n\t"
		     "jne 2b\n\t"
		     "lfence"
		     :
		     : [pages] "r"(l1d_pages), [size] "r"(size)
		     : "eax", "ebx", "ecx", "edx", "cc", "memory");
}

/*
 * Right before the entry. In the conditional mode only if something other than our own exit path
 * has run.
 */
noinstr void vmx_flush_l1d(struct vcpu_vmx *vmx)
{
	bool flush = vmx->flush_l1d || l1d_flush_always;

	vmx->flush_l1d = false;
#if IS_ENABLED(CONFIG_KVM_INTEL)
	/* Interrupt handlers set this. */
	flush |= kvm_get_cpu_l1tf_flush_l1d();
	kvm_clear_cpu_l1tf_flush_l1d();
#else
	flush = true;
#endif
	if (!flush)
		return;
	if (l1d_pages)
		displace_l1d();
	else
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}

int vmx_host_setup(void)
{
	user_msrs = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID) ?
			    VMX_USER_MSRS :
			    VMX_USER_TSC_AUX;
	return l1d_setup();
}

void vmx_host_teardown(void)
{
	free_pages((unsigned long)l1d_pages, L1D_PAGES_ORDER);
	l1d_pages = NULL;
}
