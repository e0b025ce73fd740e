// SPDX-License-Identifier: GPL-2.0-only
/* VMX on each CPU; lifetime and placing of a vCPU; the table of the backend's calls. */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>
#include <asm/vmx.h>

#include "vm.h"
#include "vmx/vmx.h"

static_assert(offsetof(struct vmx_transition, host_rsp) == VMX_TRANSITION_HOST_RSP);
static_assert(offsetof(struct vmx_transition, guest_spec_ctrl) == VMX_TRANSITION_GUEST_SPEC_CTRL);
static_assert(offsetof(struct vmx_transition, host_spec_ctrl) == VMX_TRANSITION_HOST_SPEC_CTRL);
static_assert(offsetof(struct vmx_transition, flags) == VMX_TRANSITION_FLAGS);
static_assert(offsetof(struct vcpu_vmx, vcpu) == 0);

/*
 * VMXON region and VMCS: a page each, of which the hardware names the first word (SDM vol 3, 25.2).
 */
struct vmcs {
	u32 revision;
	u32 abort;
	u8 data[];
};

/* Owned by the CPU, IRQs or preemption off. */
struct vmx_cpu {
	struct vmcs *vmxon; /* set at load of the module */
	struct list_head loaded; /* vcpu_vmx.loaded: whose VMCS this CPU may hold; IRQs off */
	struct vcpu_vmx *current_vcpu; /* whose VMCS is current; or NULL */
	u64 last_serial; /* of the vCPU that was here last */
};

static DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

static struct vmcs *alloc_vmcs(int node, gfp_t gfp)
{
	struct page *page = alloc_pages_node(node, gfp | __GFP_ZERO, 0);
	struct vmcs *vmcs;

	if (!page)
		return NULL;
	vmcs = page_address(page);
	vmcs->revision = vmx_caps.revision;
	return vmcs;
}

/* -- MSR bitmaps: shared by all vCPUs; a clear bit lets the guest through (SDM vol 3, 25.6.9) -- */

#define BITMAP_WRITE_OFFSET 2048
#define BITMAP_HIGH_OFFSET 1024
#define BITMAP_HIGH_BASE 0xc0000000

/* What an exit saves and an entry loads, with no help and for nobody else to see. */
/* clang-format off */
static const u32 open_msrs[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_IA32_SPEC_CTRL, /* once the guest has used it */
};
/* clang-format on */

static u8 *msr_bitmap; /* all but open_msrs without SPEC_CTRL exit */
static u8 *msr_bitmap_spec_ctrl; /* all but open_msrs */
static u8 *msr_bitmap_closed; /* all exit */

static void open_msr(u8 *bitmap, u32 msr)
{
	unsigned int offset = 0, bit = msr;

	if (msr >= BITMAP_HIGH_BASE) {
		offset = BITMAP_HIGH_OFFSET;
		bit = msr - BITMAP_HIGH_BASE;
	}
	bitmap[offset + bit / 8] &= ~(1u << bit % 8);
	bitmap[BITMAP_WRITE_OFFSET + offset + bit / 8] &= ~(1u << bit % 8);
}

static u8 *make_msr_bitmap(unsigned int nr_open)
{
	u8 *bitmap = (u8 *)__get_free_page(GFP_KERNEL);
	unsigned int i;

	if (!bitmap)
		return NULL;
	memset(bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < nr_open; i++)
		open_msr(bitmap, open_msrs[i]);
	return bitmap;
}

static void write_msr_bitmap(struct vcpu_vmx *vmx)
{
	const u8 *bitmap = vmx->spec_ctrl_open ? msr_bitmap_spec_ctrl : msr_bitmap;

	vmcs_write(MSR_BITMAP, __pa(vmx->msrs_closed ? msr_bitmap_closed : bitmap));
}

static void vmx_close_msrs(struct vcpu *vcpu, bool closed)
{
	to_vmx(vcpu)->msrs_closed = closed;
	write_msr_bitmap(to_vmx(vcpu));
}

/*
 * The guest uses SPEC_CTRL: an exit for each of its kernel entries would cost more than the RDMSR
 * at exits.
 */
void vmx_open_spec_ctrl(struct vcpu_vmx *vmx)
{
	if (!vmx->spec_ctrl_open) {
		vmx->spec_ctrl_open = true;
		write_msr_bitmap(vmx);
	}
}

/* -- VPIDs: 0 is the host's, and stands for "none" -- */

static DEFINE_SPINLOCK(vpid_lock);
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS); /* vpid_lock */

/* 0 when they have run out: every entry of that vCPU then flushes its translations. */
static u16 alloc_vpid(void)
{
	unsigned long vpid;

	if (!(vmx_caps.secondary & SECONDARY_EXEC_ENABLE_VPID))
		return 0;
	spin_lock(&vpid_lock);
	vpid = find_next_zero_bit(vpids, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpids);
	else
		vpid = 0;
	spin_unlock(&vpid_lock);
	return vpid;
}

static void free_vpid(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(vpid, vpids);
	spin_unlock(&vpid_lock);
}

/* -- the machine -- */

static struct pgtable_format ept_format __ro_after_init;

static const struct pgtable_format *vmx_pgtable_format(void)
{
	return &ept_format;
}

static void choose_ept_format(void)
{
	ept_format = vmx_caps.ept_ad ? pgtable_format_ept_ad : pgtable_format_ept;
	ept_format.max_level = !vmx_caps.ept_2m ? PGTABLE_4K :
			       !vmx_caps.ept_1g ? PGTABLE_2M :
						  PGTABLE_1G;
	ept_format.nx_huge = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
}

static void vmx_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmx_cpu.vmxon, cpu));
		per_cpu(vmx_cpu.vmxon, cpu) = NULL;
	}
	free_page((unsigned long)msr_bitmap_closed);
	free_page((unsigned long)msr_bitmap_spec_ctrl);
	free_page((unsigned long)msr_bitmap);
	vmx_host_teardown();
}

static int vmx_setup(struct vmm_caps *caps)
{
	int cpu, r;

	vmx_find_caps(caps);
	choose_ept_format();
	r = vmx_host_setup();
	if (r)
		return r;
	msr_bitmap = make_msr_bitmap(ARRAY_SIZE(open_msrs) - 1);
	msr_bitmap_spec_ctrl = make_msr_bitmap(ARRAY_SIZE(open_msrs));
	msr_bitmap_closed = make_msr_bitmap(0);
	if (!msr_bitmap || !msr_bitmap_spec_ctrl || !msr_bitmap_closed)
		goto out;
	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(per_cpu_ptr(&vmx_cpu.loaded, cpu));
		per_cpu(vmx_cpu.vmxon, cpu) = alloc_vmcs(cpu_to_node(cpu), GFP_KERNEL);
		if (!per_cpu(vmx_cpu.vmxon, cpu))
			goto out;
	}
	return 0;
out:
	vmx_teardown();
	return -ENOMEM;
}

static bool vmx_cpu_busy(void)
{
	return cr4_read_shadow() & X86_CR4_VMXE;
}

static int vmx_cpu_enable(void)
{
	/* Some CPUs cannot trace while in VMX operation: stop Processor Trace first. */
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (!vmx_vmxon(__pa(this_cpu_read(vmx_cpu.vmxon)))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	this_cpu_write(vmx_cpu.last_serial, 0);
	this_cpu_write(vmx_cpu.current_vcpu, NULL);
	/* EPTPs and VPIDs of whoever was in VMX operation before. */
	vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	vmx_host_cpu_enable();
	return 0;
}

/* IRQs off, on the CPU that holds it, and its VMCS is clear. Anyone may load it now. */
static void forget_vmcs(struct vcpu_vmx *vmx)
{
	if (this_cpu_read(vmx_cpu.current_vcpu) == vmx)
		this_cpu_write(vmx_cpu.current_vcpu, NULL);
	list_del(&vmx->loaded);
	vmx->transition.flags &= ~VMX_RESUME;
	/* Pairs with take_vmcs(), on the CPU where the vCPU goes. */
	smp_store_release(&vmx->vmcs_cpu, -1);
}

static void vmx_cpu_disable(void)
{
	struct list_head *loaded = this_cpu_ptr(&vmx_cpu.loaded);
	struct vcpu_vmx *vmx, *next;

	/* First without a change to the list: a panic's NMI may have come in the middle of one. */
	list_for_each_entry(vmx, loaded, loaded)
		vmx_vmclear(vmx->vmcs_hpa);
	vmx_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
	/*
	 * The panic path stops other CPUs by NMI, anywhere; nothing returns to userspace after it.
	 */
	if (in_nmi())
		return;
	list_for_each_entry_safe(vmx, next, loaded, loaded)
		forget_vmcs(vmx);
	intel_pt_handle_vmx(0);
	vmx_host_cpu_disable();
}

/*
 * -- which CPU holds a VMCS --
 *
 * A VMCS stays where it was last used, until it is wanted elsewhere or for good: to clear and load
 * it around every KVM_RUN would cost more than the run itself. One CPU at most may hold it, and only
 * that CPU can let go of it (SDM vol 3, 25.11.1).
 */

static void release_here(void *info)
{
	struct vcpu_vmx *vmx = info;

	/* Gone meanwhile, with the whole of VMX on this CPU? */
	if (vmx->vmcs_cpu != smp_processor_id())
		return;
	vmx_vmclear(vmx->vmcs_hpa);
	forget_vmcs(vmx);
}

/* By the vCPU's thread, or when it has none; IRQs on. A CPU that is offline has released all. */
static void release_vmcs(struct vcpu_vmx *vmx)
{
	int cpu = smp_load_acquire(&vmx->vmcs_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, release_here, vmx, 1);
}

/* Preemption off, IRQs on. */
static void take_vmcs(struct vcpu_vmx *vmx, int cpu)
{
	release_vmcs(vmx);
	local_irq_disable();
	/* The hardware's own data in it are undefined until the first VMCLEAR. */
	if (!vmx->vmcs_ready)
		vmx_vmclear(vmx->vmcs_hpa);
	list_add(&vmx->loaded, this_cpu_ptr(&vmx_cpu.loaded));
	vmx->vmcs_cpu = cpu;
	local_irq_enable();
}

/* -- lifetime of a vCPU -- */

static int vmx_vcpu_create(struct vcpu *vcpu)
{
	static atomic64_t serial;
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmx->vmcs = alloc_vmcs(NUMA_NO_NODE, GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs)
		return -ENOMEM;
	vmx->vmcs_hpa = __pa(vmx->vmcs);
	vmx->serial = atomic64_inc_return(&serial);
	vmx_refresh_user_msrs(vmx);
	vmx->vpid = alloc_vpid();
	vmx->vmcs_cpu = -1;
	vmx->last_cpu = -1;
	return 0;
}

static void vmx_vcpu_destroy(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	release_vmcs(vmx);
	free_vpid(vmx->vpid);
	free_page((unsigned long)vmx->vmcs);
}

#define PLE_GAP_TICKS 128 /* TSC ticks between two PAUSEs of one spin loop */
#define PLE_WINDOW_TICKS 4096 /* TSC ticks that a loop may spin */

static void vmx_set_pause_window(struct vcpu *vcpu, unsigned int doublings)
{
	if (vmx_caps.secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING)
		vmcs_write(PLE_WINDOW, PLE_WINDOW_TICKS << doublings);
}

static u64 eptp(struct vcpu *vcpu)
{
	u64 value = mmu_root_hpa(&vcpu->vm->mmu) | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4;

	return vmx_caps.ept_ad ? value | VMX_EPTP_AD_ENABLE_BIT : value;
}

static void vmx_intercept_bp(struct vcpu *vcpu, bool on)
{
	vmcs_write(EXCEPTION_BITMAP, BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC) |
					     (on ? BIT(X86_TRAP_BP) : 0));
}

static void write_controls(struct vcpu_vmx *vmx)
{
	u32 secondary = vmx_caps.secondary;

	if (!vmx->vpid)
		secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, vmx_caps.pin);
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, vmx_caps.primary);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, secondary);
	vmcs_write(VM_EXIT_CONTROLS, vmx_caps.exit);
	vmcs_write(VM_ENTRY_CONTROLS, vmx_caps.entry);
	vmx->written.primary = vmx_caps.primary;
	vmx->written.entry = vmx_caps.entry;
	if (secondary & SECONDARY_EXEC_ENABLE_VPID)
		vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	if (secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write(PLE_GAP, PLE_GAP_TICKS);
		vmcs_write(PLE_WINDOW, PLE_WINDOW_TICKS);
	}
	if (secondary & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, ~0ull);
}

/*
 * Everything that stays as it is. An #AC or #DB that recurs while it is delivered would keep the
 * CPU in microcode for ever (CVE-2015-5307, CVE-2015-8104); machine checks are the host's.
 */
static void write_constants(struct vcpu_vmx *vmx)
{
	write_controls(vmx);
	vmx_intercept_bp(&vmx->vcpu, false);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_LINK_POINTER, ~0ull);
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_write(HOST_FS_BASE, 0);
	write_msr_bitmap(vmx);
	vmcs_write(EPT_POINTER, eptp(&vmx->vcpu));
	vmcs_write(CR0_GUEST_HOST_MASK, ~(u64)VMX_CR0_GUEST_OWNED);
	vmcs_write(CR4_GUEST_HOST_MASK, ~0ull);
	vmx_write_host_constants();
}

/* -- placing -- */

static void vmx_flush_tlb(struct vcpu *vcpu)
{
	/* With EPT a CPU caches only translations tagged with the EPTP (SDM vol 3, 29.4.2). */
	vmx_invept(vmx_caps.invept_type, eptp(vcpu));
}

static noinline void make_current(struct vcpu_vmx *vmx, int cpu)
{
	if (vmx->vmcs_cpu != cpu)
		take_vmcs(vmx, cpu);
	if (!vmx_vmptrld(vmx->vmcs_hpa))
		pr_warn_ratelimited("vmm: VMPTRLD failed\n");
	this_cpu_write(vmx_cpu.current_vcpu, vmx);
	if (!vmx->vmcs_ready) {
		vmx->vmcs_ready = true;
		write_constants(vmx);
	}
	/* Branches that another vCPU trained here must not steer this one. */
	if (this_cpu_read(vmx_cpu.last_serial) != vmx->serial) {
		this_cpu_write(vmx_cpu.last_serial, vmx->serial);
		indirect_branch_prediction_barrier();
	}
	if (vmx->last_cpu != cpu) {
		vmx->last_cpu = cpu;
		vmx_write_host_percpu(cpu);
		/* From an earlier stay, or from one who had the same VPID and EPTP before. */
		vmx_flush_tlb(&vmx->vcpu);
	}
}

static void vmx_load(struct vcpu *vcpu, int cpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	/* Still current: no other vCPU was loaded here since, and this one nowhere else. */
	if (unlikely(this_cpu_read(vmx_cpu.current_vcpu) != vmx))
		make_current(vmx, cpu);
	vmx->flush_l1d = true;
}

static void vmx_put(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (vmx->guest_msrs)
		vmx_switch_to_host(vmx);
}

static void vmx_set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
	vmcs_write(TSC_OFFSET, offset);
}

const struct vmm_backend vmx_backend = {
	.name = "VMX",
	.vcpu_size = sizeof(struct vcpu_vmx),
	.probe = vmx_probe,
	.setup = vmx_setup,
	.teardown = vmx_teardown,
	.cpu_busy = vmx_cpu_busy,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.pgtable_format = vmx_pgtable_format,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_destroy = vmx_vcpu_destroy,
	.load = vmx_load,
	.put = vmx_put,
	.reset = vmx_reset,
	.run = vmx_run,
	.cache_reg = vmx_cache_reg,
	.set_cr0 = vmx_set_cr0,
	.set_cr4 = vmx_set_cr4,
	.set_efer = vmx_set_efer,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.get_table = vmx_get_table,
	.set_table = vmx_set_table,
	.get_cpl = vmx_get_cpl,
	.get_code = vmx_get_code,
	.get_mode = vmx_get_mode,
	.get_pdptrs = vmx_get_pdptrs,
	.set_pdptrs = vmx_set_pdptrs,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.open_msrs = open_msrs,
	.nr_open_msrs = ARRAY_SIZE(open_msrs),
	.close_msrs = vmx_close_msrs,
	.set_dr7 = vmx_set_dr7,
	.intercept_bp = vmx_intercept_bp,
	.set_tsc_offset = vmx_set_tsc_offset,
	.flush_tlb = vmx_flush_tlb,
	.set_pause_window = vmx_set_pause_window,
	.inject = vmx_inject,
	.irq_allowed = vmx_irq_allowed,
	.nmi_allowed = vmx_nmi_allowed,
	.set_windows = vmx_set_windows,
	.get_shadow = vmx_get_shadow,
	.set_shadow = vmx_set_shadow,
	.get_nmi_masked = vmx_get_nmi_masked,
	.set_nmi_masked = vmx_set_nmi_masked,
	.dump = vmx_dump,
};
