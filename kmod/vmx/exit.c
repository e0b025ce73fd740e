// SPDX-License-Identifier: GPL-2.0-only
/* One run of the guest, and the decoding of the exit that ended it. */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/ratelimit.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/spec-ctrl.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>
#include <asm/vmx.h>

#include "exit_fast.h"
#include "guest_state.h"
#include "mmu/pgtable.h"
#include "vmx/vmx.h"

/* -- exit reasons (SDM vol 3, appendix C) -- */

#define EXIT_HAS_LENGTH BIT(0) /* of an instruction: its length is valid */
#define EXIT_IN_DELIVERY BIT(1) /* may come during the delivery of an event (SDM vol 3, 28.2.4) */
#define EXIT_HAS_DETAILS BIT(2) /* more to read */

struct exit_row {
	u8 kind; /* enum vmm_exit_kind */
	u8 flags;
};

/* Not in <asm/vmx.h>. */
#define EXIT_REASON_GETSEC 11
#define EXIT_REASON_RSM 17

#define EXIT(kind, flags)              \
	{                              \
		VMM_EXIT_##kind, flags \
	}
#define INSTRUCTION(kind) EXIT(kind, EXIT_HAS_LENGTH)
#define OPERANDS(kind) EXIT(kind, EXIT_HAS_LENGTH | EXIT_HAS_DETAILS)
#define EVENT(kind) EXIT(kind, EXIT_IN_DELIVERY | EXIT_HAS_DETAILS)

/* What is not here, or is and should not happen, is VMM_EXIT_UNKNOWN. */
static const struct exit_row exit_rows[] = {
	[EXIT_REASON_EXCEPTION_NMI] = EVENT(EXCEPTION),
	[EXIT_REASON_EXTERNAL_INTERRUPT] = { VMM_EXIT_RESUME },
	[EXIT_REASON_TRIPLE_FAULT] = { VMM_EXIT_SHUTDOWN },
	[EXIT_REASON_INTERRUPT_WINDOW] = { VMM_EXIT_IRQ_WINDOW },
	[EXIT_REASON_NMI_WINDOW] = { VMM_EXIT_NMI_WINDOW },
	[EXIT_REASON_TASK_SWITCH] = { VMM_EXIT_TASK_SWITCH, EXIT_IN_DELIVERY },
	[EXIT_REASON_CPUID] = INSTRUCTION(CPUID),
	[EXIT_REASON_GETSEC] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_HLT] = INSTRUCTION(HLT),
	[EXIT_REASON_INVD] = INSTRUCTION(SKIP),
	[EXIT_REASON_RDPMC] = INSTRUCTION(PRIVILEGE),
	[EXIT_REASON_RSM] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMCALL] = INSTRUCTION(HYPERCALL),
	[EXIT_REASON_VMCLEAR] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMLAUNCH] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMPTRLD] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMPTRST] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMREAD] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMRESUME] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMWRITE] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMOFF] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMON] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_CR_ACCESS] = OPERANDS(CR),
	[EXIT_REASON_DR_ACCESS] = OPERANDS(DR),
	[EXIT_REASON_IO_INSTRUCTION] = OPERANDS(PIO),
	[EXIT_REASON_MSR_READ] = INSTRUCTION(RDMSR),
	[EXIT_REASON_MSR_WRITE] = INSTRUCTION(WRMSR),
	[EXIT_REASON_MWAIT_INSTRUCTION] = INSTRUCTION(MWAIT),
	[EXIT_REASON_MONITOR_INSTRUCTION] = INSTRUCTION(MWAIT),
	[EXIT_REASON_PAUSE_INSTRUCTION] = INSTRUCTION(PAUSE),
	[EXIT_REASON_EPT_VIOLATION] = EVENT(MEMORY),
	[EXIT_REASON_EPT_MISCONFIG] = { VMM_EXIT_UNKNOWN, EXIT_IN_DELIVERY },
	[EXIT_REASON_INVEPT] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_RDTSCP] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_INVVPID] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_WBINVD] = INSTRUCTION(SKIP),
	[EXIT_REASON_XSETBV] = INSTRUCTION(XSETBV),
	[EXIT_REASON_INVPCID] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_VMFUNC] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_ENCLS] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_XSAVES] = INSTRUCTION(UNDEFINED),
	[EXIT_REASON_XRSTORS] = INSTRUCTION(UNDEFINED),
};

#define EXIT_REASON_BASIC 0xffff

/* SDM vol 3, table 28-7: an IRET that faulted had already unblocked NMIs. */
#define EPT_VIOLATION_NMI_UNBLOCKED BIT(12)

/* SDM vol 3, table 28-5. */
#define IO_SIZE_MASK 7
#define IO_PORT_SHIFT 16

/* SDM vol 3, table 28-3. */
#define CR_NUMBER_MASK 0xf
#define CR_OP_SHIFT 4
#define CR_REG_SHIFT 8
#define CR_LMSW_SHIFT 16

static __always_inline void decode_memory(struct vcpu_vmx *vmx, struct vmm_exit *exit,
					  bool in_delivery)
{
	u32 qualification = vmcs_read(EXIT_QUALIFICATION), access = 0;

	exit->memory.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	exit->memory.walk = false;
	exit->memory.gva_valid = false;
	exit->memory.data = false;
	if (likely(qualification & EPT_VIOLATION_GVA_IS_VALID)) {
		exit->memory.walk = !(qualification & EPT_VIOLATION_GVA_TRANSLATED);
		exit->memory.gva_valid = exit->memory.data = !exit->memory.walk;
		exit->memory.gva = vmcs_read(GUEST_LINEAR_ADDRESS);
	}
	if (qualification & EPT_VIOLATION_ACC_READ)
		access |= MMU_READ;
	if (qualification & EPT_VIOLATION_ACC_WRITE)
		access |= MMU_WRITE;
	if (qualification & EPT_VIOLATION_ACC_INSTR)
		access |= MMU_EXEC;
	exit->memory.access = access;
	if (unlikely(qualification & EPT_VIOLATION_NMI_UNBLOCKED) && !in_delivery)
		vmx_set_nmi_masked(&vmx->vcpu, true);
	/* Emulation reads and writes memory of the guest's owner: as for PIO. */
	vmx->flush_l1d = true;
}

static __always_inline void decode_pio(struct vcpu_vmx *vmx, struct vmm_exit *exit)
{
	u32 qualification = vmcs_read(EXIT_QUALIFICATION);

	exit->pio.port = qualification >> IO_PORT_SHIFT;
	exit->pio.size = (qualification & IO_SIZE_MASK) + 1;
	exit->pio.flags = qualification & (VMM_PIO_IN | VMM_PIO_STRING | VMM_PIO_REP);
	/* Its data are those of the guest's owner, which others must not find in L1D. */
	vmx->flush_l1d = true;
}

static void decode_cr(struct vmm_exit *exit)
{
	static const u8 op[] = { VMM_CR_WRITE, VMM_CR_READ, VMM_CR_CLTS, VMM_CR_LMSW };
	u64 qualification = vmcs_read(EXIT_QUALIFICATION);

	exit->cr.cr = qualification & CR_NUMBER_MASK;
	exit->cr.op = op[qualification >> CR_OP_SHIFT & 3];
	exit->cr.reg = qualification >> CR_REG_SHIFT & 0xf;
	exit->cr.lmsw = qualification >> CR_LMSW_SHIFT;
}

static void decode_dr(struct vmm_exit *exit)
{
	u32 qualification = vmcs_read(EXIT_QUALIFICATION);

	exit->dr.dr = qualification & DEBUG_REG_ACCESS_NUM;
	exit->dr.write = !(qualification & DEBUG_REG_ACCESS_TYPE);
	exit->dr.reg = DEBUG_REG_ACCESS_REG(qualification);
}

/*
 * The host's NMI or machine check ended the guest's run: hand it on as the CPU would have. The
 * kernel exports no entry for them that all versions have, but the IDT has one. An NMI exit leaves
 * NMIs blocked until the handler's IRET.
 */
static bool handle_host_event(u32 info)
{
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR) {
		asm volatile("int $2");
		return true;
	}
	if ((info & INTR_INFO_VECTOR_MASK) == X86_TRAP_MC) {
		asm volatile("int $18");
		return true;
	}
	return false;
}

static void decode_debug_exception(struct vcpu_vmx *vmx, struct vmm_exit *exit, u32 info)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		/*
		 * INT1 is a trap that leaves DR6 alone; the exit came before it, at the
		 * instruction.
		 */
		vcpu_set_reg(vcpu, VMM_REG_RIP,
			     vcpu_rip(vcpu) + vmcs_read(VM_EXIT_INSTRUCTION_LEN));
	else
		exit->exception.payload = vmcs_read(EXIT_QUALIFICATION);
	/*
	 * With TF in the shadow of STI or MOV SS an entry insists on a pending single-step trap,
	 * which this exit has discarded (SDM vol 3, 27.3.1.5): a guest's user could end the VM with
	 * MOV SS; INT1.
	 */
	if (vmx_get_shadow(vcpu) && vcpu_rflags(vcpu) & X86_EFLAGS_TF)
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS,
			   vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS) | DR_STEP);
}

static void decode_exception(struct vcpu_vmx *vmx, struct vmm_exit *exit, bool in_delivery)
{
	struct vcpu *vcpu = &vmx->vcpu;
	u32 info = vmcs_read(VM_EXIT_INTR_INFO);
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	if (handle_host_event(info)) {
		exit->kind = VMM_EXIT_RESUME;
		return;
	}
	/*
	 * An IRET that faulted had unblocked NMIs; for a double fault the bit is undefined
	 * (28.2.3).
	 */
	if (info & INTR_INFO_UNBLOCK_NMI && !in_delivery && vector != X86_TRAP_DF)
		vmx_set_nmi_masked(vcpu, true);
	exit->exception.vector = vector;
	exit->exception.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	exit->exception.error = exit->exception.has_error ? vmcs_read(VM_EXIT_INTR_ERROR_CODE) : 0;
	exit->exception.payload = 0;
	if (vector == X86_TRAP_DB)
		decode_debug_exception(vmx, exit, info);
}

/* An instruction's exit, which will be skipped almost always: have at hand what that takes. */
static __always_inline void read_instruction(struct vcpu_vmx *vmx, struct vmm_exit *exit)
{
	struct vcpu *vcpu = &vmx->vcpu;

	exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	vcpu->regs[VMM_REG_RIP] = vmcs_read(GUEST_RIP);
	vcpu->regs[VMM_REG_RFLAGS] = vmcs_read(GUEST_RFLAGS);
	vcpu->regs_avail = BIT(VMM_REG_RIP) | BIT(VMM_REG_RFLAGS);
	vmx->interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	vmx->interruptibility_read = true;
	exit->plain = !((vmx->interruptibility & VMX_SHADOW) |
			(vcpu->regs[VMM_REG_RFLAGS] & X86_EFLAGS_TF));
}

static void decode_details(struct vcpu_vmx *vmx, bool in_delivery)
{
	struct vmm_exit *exit = &vmx->vcpu.exit;

	switch (exit->kind) {
	case VMM_EXIT_MEMORY:
		decode_memory(vmx, exit, in_delivery);
		break;
	case VMM_EXIT_PIO:
		decode_pio(vmx, exit);
		break;
	case VMM_EXIT_CR:
		decode_cr(exit);
		break;
	case VMM_EXIT_DR:
		decode_dr(exit);
		break;
	case VMM_EXIT_EXCEPTION:
		decode_exception(vmx, exit, in_delivery);
		break;
	default:
		break;
	}
}

static __always_inline void no_instruction(struct vcpu_vmx *vmx, struct vmm_exit *exit)
{
	exit->insn_len = 0;
	exit->plain = false;
	vmx->interruptibility_read = false;
	vmx->vcpu.regs_avail = 0;
}

static __always_inline void decode_access(struct vcpu_vmx *vmx, struct vmm_exit *exit)
{
	bool in_delivery = vmcs_read(IDT_VECTORING_INFO_FIELD) & VECTORING_INFO_VALID_MASK;

	no_instruction(vmx, exit);
	if (unlikely(in_delivery))
		vmx_take_interrupted_event(vmx);
	decode_memory(vmx, exit, in_delivery);
}

/* An exit that is no instruction's, or one that has more to tell. */
static noinline void decode_rest(struct vcpu_vmx *vmx, u8 flags)
{
	struct vmm_exit *exit = &vmx->vcpu.exit;
	bool in_delivery;

	if (!(flags & EXIT_HAS_LENGTH))
		no_instruction(vmx, exit);
	in_delivery = flags & EXIT_IN_DELIVERY && vmx_take_interrupted_event(vmx);
	if (flags & EXIT_HAS_DETAILS)
		decode_details(vmx, in_delivery);
}

/* The CPU did not enter: what was to be injected waits again. */
static void fail_entry(struct vcpu_vmx *vmx, u64 reason)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if ((reason & EXIT_REASON_BASIC) == EXIT_REASON_MCE_DURING_VMENTRY)
		asm volatile("int $18");
	vcpu->regs_avail = 0;
	vmx->interruptibility_read = false;
	vcpu->exit.kind = VMM_EXIT_FAIL_ENTRY;
	vcpu->exit.hw_reason = reason;
	vcpu->exit.insn_len = 0;
	vcpu->exit.plain = false;
	vcpu->requeue = vmx->injected;
	vmx->injected.valid = false;
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
}

/* -- the run -- */

/*
 * Both can change while the thread is in the kernel: PCIDs are handed out anew, and CR4 follows the
 * task.
 */
static void write_host_cr3_cr4(struct vcpu_vmx *vmx)
{
	u64 cr3 = __read_cr3(), cr4 = cr4_read_shadow();

	if (unlikely(vmx->written.host_cr3 != cr3)) {
		vmx->written.host_cr3 = cr3;
		vmcs_write(HOST_CR3, cr3);
	}
	if (unlikely(vmx->written.host_cr4 != cr4)) {
		vmx->written.host_cr4 = cr4;
		vmcs_write(HOST_CR4, cr4);
	}
}

static __always_inline void prepare_spec_ctrl(struct vcpu_vmx *vmx)
{
	struct vmx_transition *transition = &vmx->transition;
	u32 flags = transition->flags & VMX_RESUME;

	if (!cpu_feature_enabled(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	transition->host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	if (transition->host_spec_ctrl != transition->guest_spec_ctrl)
		flags |= VMX_SPEC_CTRL_LOAD;
	if (vmx->spec_ctrl_open)
		flags |= VMX_SPEC_CTRL_SAVE;
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		flags |= VMX_SPEC_CTRL_REWRITE;
	transition->flags = flags;
}

/*
 * Performance counters that perf wants in one world only. PEBS must never run in the guest: it
 * writes to the host's linear addresses, which there are the guest's.
 */
static void switch_counters(const struct perf_guest_switch_msr *counters, int nr, bool to_guest)
{
	int i;

	for (i = 0; i < nr; i++)
		if (counters[i].host != counters[i].guest)
			native_wrmsrl(counters[i].msr,
				      to_guest ? counters[i].guest : counters[i].host);
}

static bool counters_differ(const struct vcpu_vmx *vmx)
{
	int i;

	for (i = 0; i < vmx->nr_counters; i++)
		if (vmx->counters[i].host != vmx->counters[i].guest)
			return true;
	return false;
}

/*
 * Interrupts and NMIs of perf change it, so that no older copy will do: while perf is in use each
 * exit goes the long way.
 */
static void enter_perf(struct vcpu_vmx *vmx)
{
	vmx->host.debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	vmx->counters = perf_guest_get_msrs(&vmx->nr_counters, NULL);
	vmx->perf_active = vmx->host.debugctl || counters_differ(vmx);
	if (unlikely(vmx->perf_active)) {
		switch_counters(vmx->counters, vmx->nr_counters, true);
		vmx->vcpu.fast_exits = false;
	}
}

static noinline void leave_perf(struct vcpu_vmx *vmx)
{
	switch_counters(vmx->counters, vmx->nr_counters, false);
	/* The exit has zeroed it. */
	if (vmx->host.debugctl)
		native_wrmsrl(MSR_IA32_DEBUGCTLMSR, vmx->host.debugctl);
}

/* What stays as it is while interrupts are off. */
static noinline void prepare_run(struct vcpu_vmx *vmx)
{
	vmx->vcpu.exit.operands_valid = true;
	if (unlikely(!vmx->guest_msrs))
		vmx_switch_to_guest(vmx);
	write_host_cr3_cr4(vmx);
	exit_fast_begin(&vmx->vcpu);
	enter_perf(vmx);
	if (vmx->vcpu.regs_dirty)
		vmx_write_dirty_regs(vmx);
	prepare_spec_ctrl(vmx);
}

/* What is more than a row's index: an entry that failed, and what newer CPUs may bring. */
static noinline void decode_unusual(struct vcpu_vmx *vmx, u32 reason)
{
	u32 basic = reason & EXIT_REASON_BASIC;
	struct exit_row row = { VMM_EXIT_UNKNOWN };

	if (reason & VMX_EXIT_REASONS_FAILED_VMENTRY) {
		fail_entry(vmx, reason);
		return;
	}
	vmx->transition.flags |= VMX_RESUME;
	vmx->injected.valid = false;
	if (basic < ARRAY_SIZE(exit_rows))
		row = exit_rows[basic];
	vmx->vcpu.exit.kind = row.kind;
	if (row.flags & EXIT_HAS_LENGTH)
		read_instruction(vmx, &vmx->vcpu.exit);
	decode_rest(vmx, row.flags);
}

static __always_inline void decode(struct vcpu_vmx *vmx, u32 reason)
{
	struct vmm_exit *exit = &vmx->vcpu.exit;
	struct exit_row row;

	exit->hw_reason = reason;
	if (unlikely(reason >= ARRAY_SIZE(exit_rows))) {
		decode_unusual(vmx, reason);
		return;
	}
	vmx->transition.flags |= VMX_RESUME;
	vmx->injected.valid = false;
	row = exit_rows[reason];
	exit->kind = row.kind;
	if (likely(row.flags & EXIT_HAS_LENGTH))
		read_instruction(vmx, exit);
	if (likely(row.flags == EXIT_HAS_LENGTH))
		return;
	if (row.kind == VMM_EXIT_PIO)
		decode_pio(vmx, exit);
	else if (row.kind == VMM_EXIT_MEMORY)
		decode_access(vmx, exit);
	else
		decode_rest(vmx, row.flags);
}

static __always_inline void set_rip(struct vcpu *vcpu, u64 rip)
{
	vcpu->regs[VMM_REG_RIP] = rip;
	vmcs_write(GUEST_RIP, rip);
}

/* The guest has been left, or not been entered. True: the exit is answered, enter again. */
static __always_inline bool after_exit(struct vcpu_vmx *vmx, bool failed)
{
	if (unlikely(vmx->perf_active))
		leave_perf(vmx);
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
	if (unlikely(failed)) {
		fail_entry(vmx, vmcs_read(VM_INSTRUCTION_ERROR));
	} else {
		decode(vmx, vmcs_read(VM_EXIT_REASON));
	}
	if (!exit_fast(&vmx->vcpu, set_rip))
		return false;
	if (unlikely(vmx->vcpu.regs_dirty))
		vmx_write_dirty_regs(vmx);
	prepare_spec_ctrl(vmx);
	return true;
}

/* While the guest runs: no tracing, no RCU, no faults. */
noinstr void vmx_run(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	bool failed, again;

	instrumentation_begin();
	prepare_run(vmx);
	instrumentation_end();
	do {
		guest_state_enter(&vcpu->rcu_noted);
		if (static_branch_unlikely(&vmx_l1d_flush_needed))
			vmx_flush_l1d(vmx);
		if (vcpu->cr2 != native_read_cr2())
			native_write_cr2(vcpu->cr2);
		failed = vmx_transit(vcpu->regs, &vmx->transition);
		vcpu->cr2 = native_read_cr2();
		guest_state_exit();
		instrumentation_begin();
		again = after_exit(vmx, failed);
		instrumentation_end();
	} while (again);
}

/* -- after a failed entry -- */

static const struct {
	const char *name;
	u32 field;
} dump_fields[] = {
	{ "instruction error", VM_INSTRUCTION_ERROR },
	{ "exit reason", VM_EXIT_REASON },
	{ "exit qualification", EXIT_QUALIFICATION },
	{ "pin controls", PIN_BASED_VM_EXEC_CONTROL },
	{ "primary controls", CPU_BASED_VM_EXEC_CONTROL },
	{ "secondary controls", SECONDARY_VM_EXEC_CONTROL },
	{ "exit controls", VM_EXIT_CONTROLS },
	{ "entry controls", VM_ENTRY_CONTROLS },
	{ "entry event", VM_ENTRY_INTR_INFO_FIELD },
	{ "interruptibility", GUEST_INTERRUPTIBILITY_INFO },
	{ "activity", GUEST_ACTIVITY_STATE },
	{ "pending debug", GUEST_PENDING_DBG_EXCEPTIONS },
	{ "RIP", GUEST_RIP },
	{ "RSP", GUEST_RSP },
	{ "RFLAGS", GUEST_RFLAGS },
	{ "CR0", GUEST_CR0 },
	{ "CR3", GUEST_CR3 },
	{ "CR4", GUEST_CR4 },
	{ "EFER", GUEST_IA32_EFER },
	{ "PAT", GUEST_IA32_PAT },
	{ "DR7", GUEST_DR7 },
	{ "EPTP", EPT_POINTER },
	{ "host CR0", HOST_CR0 },
	{ "host CR3", HOST_CR3 },
	{ "host CR4", HOST_CR4 },
};

static const char *const segment_names[VMM_SEG_NR] = {
	[VMM_SEG_ES] = "ES", [VMM_SEG_CS] = "CS", [VMM_SEG_SS] = "SS",	   [VMM_SEG_DS] = "DS",
	[VMM_SEG_FS] = "FS", [VMM_SEG_GS] = "GS", [VMM_SEG_LDTR] = "LDTR", [VMM_SEG_TR] = "TR",
};

void vmx_dump(struct vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 1);
	struct kvm_segment segment;
	unsigned int i;

	if (!__ratelimit(&limit))
		return;
	pr_info("vmm: VMX entry failed, vCPU %u, reason %#llx\n", vcpu->id, vcpu->exit.hw_reason);
	for (i = 0; i < ARRAY_SIZE(dump_fields); i++)
		pr_info("vmm:  %s %#llx\n", dump_fields[i].name, vmcs_read(dump_fields[i].field));
	for (i = 0; i < VMM_SEG_NR; i++) {
		vmx_get_segment(vcpu, i, &segment);
		pr_info("vmm:  %s %#x base %#llx limit %#x type %u s %u dpl %u present %u db %u l %u g %u\n",
			segment_names[i], segment.selector, segment.base, segment.limit,
			segment.type, segment.s, segment.dpl, segment.present, segment.db,
			segment.l, segment.g);
	}
}
