// SPDX-License-Identifier: GPL-2.0-only
/* One handler per exit, for both vendors. */
#include <linux/kvm.h>
#include <linux/sched.h>
#include <asm/fpu/xcr.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "backend.h"
#include "event.h"
#include "exit.h"
#include "exit_fast.h"
#include "irq/lapic.h"
#include "linear.h"
#include "mmio.h"
#include "pio.h"
#include "state.h"
#include "vm.h"
#include "x86/dr.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/msr_filter.h"

/* -- what handlers share -- */

int exit_internal_error(struct vcpu *vcpu, u32 suberror, const u8 *bytes, unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->emulation_failure.suberror = suberror;
	if (bytes && len) {
		/* flags, the size and 15 bytes: four 64-bit words of struct kvm_run's array. */
		run->emulation_failure.ndata = 4;
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = len;
		memcpy(run->emulation_failure.insn_bytes, bytes, len);
	}
	return 0;
}

static int insn_done(struct vcpu *vcpu)
{
	if (!vcpu->exit.plain)
		backend->set_shadow(vcpu, 0);
	if (unlikely(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		return guest_debug_exit(vcpu, X86_TRAP_DB, DR6_BS);
	if (unlikely(vcpu_rflags(vcpu) & X86_EFLAGS_TF))
		event_raise_db(vcpu, DR6_BS);
	return 1;
}

int exit_interrupted(struct vcpu *vcpu)
{
	vcpu->stats.signal_exits++;
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	return -EINTR;
}

int exit_insn_done(struct vcpu *vcpu)
{
	return insn_done(vcpu);
}

/* RIP wraps where the code segment does: a question only for an instruction that ends beyond 4 GiB.
 */
static u64 next_rip(struct vcpu *vcpu, unsigned int len)
{
	u64 rip = vcpu_rip(vcpu), next = rip + len;

	if (likely(!((rip ^ next) >> 32)))
		return next;
	return state_64bit(vcpu) ? next : (u32)next;
}

/* 0 with insn filled; 1: an exception was raised; -EINVAL: the run page says why, leave KVM_RUN
 * with 0. */
static int decode(struct vcpu *vcpu, struct x86_insn *insn)
{
	u8 bytes[INSN_MAX_LEN];
	unsigned int len;
	int r = linear_fetch(vcpu, insn, bytes, &len);

	if (r < 0) {
		exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, bytes, len);
		return -EINVAL;
	}
	if (!r)
		vcpu->exit.insn_len = insn->len;
	return r;
}

static int skip_known(struct vcpu *vcpu)
{
	vcpu_set_reg(vcpu, VMM_REG_RIP, next_rip(vcpu, vcpu->exit.insn_len));
	return insn_done(vcpu);
}

static int skip_unknown(struct vcpu *vcpu)
{
	struct x86_insn insn;
	int r = decode(vcpu, &insn);

	return r ? r > 0 : skip_known(vcpu);
}

int exit_skip_insn(struct vcpu *vcpu)
{
	return likely(vcpu->exit.insn_len) ? skip_known(vcpu) : skip_unknown(vcpu);
}

static int raise_gp(struct vcpu *vcpu)
{
	event_raise_gp(vcpu, 0);
	return 1;
}

static int raise_ud(struct vcpu *vcpu)
{
	event_raise_ud(vcpu);
	return 1;
}

/* -- the handlers -- */

static int on_unknown(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	vcpu->run->hw.hardware_exit_reason = vcpu->exit.hw_reason;
	return 0;
}

static int on_resume(struct vcpu *vcpu)
{
	return 1;
}

static int on_fail_entry(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->run->fail_entry.hardware_entry_failure_reason = vcpu->exit.hw_reason;
	vcpu->run->fail_entry.cpu = raw_smp_processor_id();
	backend->dump(vcpu);
	return 0;
}

static int on_shutdown(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

/* #AC and #DB are intercepted because delivering them may never end (CVE-2015-5307, CVE-2015-8104);
 * hand them on. */
static int on_exception(struct vcpu *vcpu)
{
	const u8 vector = vcpu->exit.exception.vector;

	if (guest_debug_exception(vcpu, vector, vcpu->exit.exception.payload))
		return 0;
	if (vector == X86_TRAP_DB)
		event_raise_db(vcpu, vcpu->exit.exception.payload);
	else if (vector == X86_TRAP_PF)
		event_raise_pf(vcpu, vcpu->exit.exception.payload, vcpu->exit.exception.error);
	else
		event_raise(vcpu, vector, vcpu->exit.exception.has_error,
			    vcpu->exit.exception.error);
	return 1;
}

static int on_memory(struct vcpu *vcpu)
{
	int r;

	if (vcpu->refused_store)
		return mmio_refused(vcpu);
	/* Its page lies over everything. */
	if (vcpu->lapic && lapic_claims(vcpu->lapic, vcpu->exit.memory.gpa))
		return mmio_exit(vcpu);
	r = mmu_fault(&vcpu->vm->mmu, vcpu->exit.memory.gpa, vcpu->exit.memory.access);
	if (!r || r == -EAGAIN)
		return 1;
	if (r == -EINTR)
		return exit_interrupted(vcpu);
	if (r == MMU_FAULT_MMIO && vcpu->exit.memory.access & MMU_WRITE)
		mmio_note_gfn(vcpu);
	return r < 0 ? r : mmio_exit(vcpu);
}

void exit_answer_cpuid(struct vcpu *vcpu)
{
	const struct cpuid_dynamic dynamic = {
		.cr4 = vcpu->cr4_set,
		.xcr0 = vcpu->xcr0,
		.apic_enabled = (vcpu->lapic ? lapic_get_base(vcpu->lapic) : vcpu->apic_base) &
				LAPIC_BASE_ENABLE,
	};
	u32 regs[4];

	cpuid_answer(&vcpu->cpuid, vcpu->regs[VMM_REG_RAX], vcpu->regs[VMM_REG_RCX], &dynamic,
		     regs);
	vcpu->regs[VMM_REG_RAX] = regs[CPUID_REG_EAX];
	vcpu->regs[VMM_REG_RBX] = regs[CPUID_REG_EBX];
	vcpu->regs[VMM_REG_RCX] = regs[CPUID_REG_ECX];
	vcpu->regs[VMM_REG_RDX] = regs[CPUID_REG_EDX];
}

static int on_cpuid(struct vcpu *vcpu)
{
	exit_answer_cpuid(vcpu);
	return exit_skip_insn(vcpu);
}

static int on_hlt(struct vcpu *vcpu)
{
	int r = exit_skip_insn(vcpu);

	if (r <= 0)
		return r;
	if (!vcpu->lapic) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	return 1;
}

/* Why the access failed, in userspace's words, if it wants to answer in the guest's place. */
static u32 msr_exit_reason(struct vcpu *vcpu, int error)
{
	u32 reason = error == -EPERM  ? KVM_MSR_EXIT_REASON_FILTER :
		     error == -ENOENT ? KVM_MSR_EXIT_REASON_UNKNOWN :
					KVM_MSR_EXIT_REASON_INVAL;

	return READ_ONCE(vcpu->vm->user_msr_exits) & reason;
}

static int msr_failed(struct vcpu *vcpu, bool write, u64 value, int error)
{
	u32 reason = msr_exit_reason(vcpu, error);
	struct kvm_run *run = vcpu->run;

	if (!reason)
		return raise_gp(vcpu);
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = vcpu->regs[VMM_REG_RCX];
	run->msr.data = value;
	vcpu->pending = write ? VCPU_PENDING_WRMSR : VCPU_PENDING_RDMSR;
	return 0;
}

static void set_msr_result(struct vcpu *vcpu, u64 value)
{
	vcpu->regs[VMM_REG_RAX] = (u32)value;
	vcpu->regs[VMM_REG_RDX] = value >> 32;
}

/* Userspace has answered. */
static int msr_complete(struct vcpu *vcpu, bool write)
{
	if (READ_ONCE(vcpu->run->msr.error))
		return raise_gp(vcpu);
	if (!write)
		set_msr_result(vcpu, READ_ONCE(vcpu->run->msr.data));
	return exit_skip_insn(vcpu);
}

static int on_rdmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->regs[VMM_REG_RCX];
	u64 value;
	int r = -EPERM;

	if (msr_filter_allows(vcpu->vm, index, KVM_MSR_FILTER_READ))
		r = msr_read(vcpu, index, &value, false);
	if (r)
		return msr_failed(vcpu, false, 0, r);
	set_msr_result(vcpu, value);
	return exit_skip_insn(vcpu);
}

static int on_wrmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->regs[VMM_REG_RCX];
	u64 value = vcpu_edx_eax(vcpu);
	int r = -EPERM;

	if (msr_filter_allows(vcpu->vm, index, KVM_MSR_FILTER_WRITE))
		r = msr_write(vcpu, index, value, false);
	return r ? msr_failed(vcpu, true, value, r) : exit_skip_insn(vcpu);
}

/* What the hardware did not tell of a MOV to or from CR, CLTS or LMSW. As decode(). */
static int decode_cr(struct vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->exit;
	struct walk_fault fault;
	struct x86_insn insn;
	u64 address;
	int r = decode(vcpu, &insn);

	if (r)
		return r;
	exit->operands_valid = true;
	exit->cr.cr = 0;
	switch (insn.op) {
	case INSN_MOV_TO_CR:
		exit->cr.op = VMM_CR_WRITE;
		exit->cr.cr = insn.dst.reg;
		exit->cr.reg = insn.src.reg;
		return 0;
	case INSN_MOV_FROM_CR:
		exit->cr.op = VMM_CR_READ;
		exit->cr.cr = insn.src.reg;
		exit->cr.reg = insn.dst.reg;
		return 0;
	case INSN_CLTS:
		exit->cr.op = VMM_CR_CLTS;
		return 0;
	case INSN_LMSW:
		exit->cr.op = VMM_CR_LMSW;
		if (insn.src.kind == OPND_REG) {
			exit->cr.lmsw = vcpu_reg(vcpu, insn.src.reg);
			return 0;
		}
		r = emulate_linear_address(&insn, &insn.src, 2, WALK_READ, &mmio_emulate_ops, vcpu,
					   &address, &fault);
		if (!r)
			r = linear_read(vcpu, address, &exit->cr.lmsw, 2, WALK_READ, &fault);
		if (r > 0)
			linear_raise(vcpu, &fault);
		if (r >= 0)
			return r;
		break;
	}
	exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, NULL, 0);
	return -EINVAL;
}

/* LMSW loads PE, MP, EM, TS and cannot clear PE (SDM vol 2, LMSW). */
static u64 after_lmsw(u64 cr0, u16 operand)
{
	return (cr0 & ~0xeull) | (operand & 0xf);
}

static int write_cr(struct vcpu *vcpu, u8 cr, u64 value)
{
	switch (cr) {
	case 0:
		return state_set_cr0(vcpu, value);
	case 3:
		return state_set_cr3(vcpu, value);
	case 4:
		return state_set_cr4(vcpu, value);
	case 8:
		return state_set_cr8(vcpu, value);
	default:
		return -EINVAL;
	}
}

static u64 read_cr(struct vcpu *vcpu, u8 cr)
{
	switch (cr) {
	case 0:
		return vcpu_cr0(vcpu);
	case 3:
		return vcpu_cr3(vcpu);
	case 4:
		return vcpu_cr4(vcpu);
	default:
		return state_get_cr8(vcpu);
	}
}

static u64 cut_to_mode(struct vcpu *vcpu, u64 value)
{
	return state_64bit(vcpu) ? value : (u32)value;
}

static int on_cr_access(struct vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->exit;
	int r = 0;

	if (!exit->operands_valid) {
		r = decode_cr(vcpu);
		if (r)
			return r > 0;
	}
	switch (exit->cr.op) {
	case VMM_CR_WRITE:
		r = write_cr(vcpu, exit->cr.cr, cut_to_mode(vcpu, vcpu_reg(vcpu, exit->cr.reg)));
		break;
	case VMM_CR_READ:
		vcpu_set_reg(vcpu, exit->cr.reg, cut_to_mode(vcpu, read_cr(vcpu, exit->cr.cr)));
		break;
	case VMM_CR_CLTS:
		r = state_set_cr0(vcpu, vcpu_cr0(vcpu) & ~(u64)X86_CR0_TS);
		break;
	case VMM_CR_LMSW:
		r = state_set_cr0(vcpu, after_lmsw(vcpu_cr0(vcpu), exit->cr.lmsw));
		break;
	}
	return r ? raise_gp(vcpu) : exit_skip_insn(vcpu);
}

/* -- debug registers -- */

static int decode_dr(struct vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->exit;
	struct x86_insn insn;
	int r = decode(vcpu, &insn);

	if (r)
		return r;
	exit->operands_valid = true;
	if (insn.op == INSN_MOV_TO_DR) {
		exit->dr.write = true;
		exit->dr.dr = insn.dst.reg;
		exit->dr.reg = insn.src.reg;
	} else if (insn.op == INSN_MOV_FROM_DR) {
		exit->dr.write = false;
		exit->dr.dr = insn.src.reg;
		exit->dr.reg = insn.dst.reg;
	} else {
		exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, NULL, 0);
		return -EINVAL;
	}
	return 0;
}

/* Reserved bits of DR6 and DR7 read as the CPU makes them (SDM vol 3, 18.2). */
static int write_dr(struct vcpu *vcpu, u8 dr, u64 value)
{
	if (dr < 4) {
		vcpu->dr[dr] = value;
		return 0;
	}
	if (upper_32_bits(value))
		return -EINVAL;
	if (dr == 6) {
		vcpu->dr6 = (value & (DR6_TRAPS | DR6_BD | DR6_BS | DR6_BT)) | DR6_FIXED;
	} else {
		vcpu->dr7 = (value & ~DR7_ZERO) | DR7_FIXED;
		guest_debug_update_dr7(vcpu);
	}
	return 0;
}

static u64 read_dr(struct vcpu *vcpu, u8 dr)
{
	return dr < 4 ? vcpu->dr[dr] : dr == 6 ? vcpu->dr6 : vcpu->dr7;
}

static int on_dr_access(struct vcpu *vcpu)
{
	struct vmm_exit *exit = &vcpu->exit;
	u8 dr;

	if (!exit->operands_valid) {
		int r = decode_dr(vcpu);

		if (r)
			return r > 0;
	}
	if (backend->get_cpl(vcpu))
		return raise_gp(vcpu);
	dr = exit->dr.dr;
	if (dr == 4 || dr == 5) {
		if (vcpu_cr4(vcpu) & X86_CR4_DE)
			return raise_ud(vcpu);
		dr += 2;
	}
	if (dr > 7)
		return raise_ud(vcpu);
	/* General detect comes before the access (SDM vol 3, 18.2.4). */
	if (vcpu->dr7_used & DR7_GD) {
		if (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP)
			return guest_debug_exit(vcpu, X86_TRAP_DB, DR6_BD);
		event_raise_db(vcpu, DR6_BD);
		return 1;
	}
	if (!exit->dr.write)
		vcpu_set_reg(vcpu, exit->dr.reg, cut_to_mode(vcpu, read_dr(vcpu, dr)));
	else if (write_dr(vcpu, dr, cut_to_mode(vcpu, vcpu_reg(vcpu, exit->dr.reg))))
		return raise_gp(vcpu);
	return exit_skip_insn(vcpu);
}

static int on_xsetbv(struct vcpu *vcpu)
{
	u64 value = vcpu_edx_eax(vcpu);

	if (!(vcpu_cr4(vcpu) & X86_CR4_OSXSAVE))
		return raise_ud(vcpu);
	if (backend->get_cpl(vcpu) || (u32)vcpu->regs[VMM_REG_RCX] != XCR_XFEATURE_ENABLED_MASK ||
	    fpu_set_xcr0(vcpu, value))
		return raise_gp(vcpu);
	return exit_skip_insn(vcpu);
}

static int on_hypercall(struct vcpu *vcpu)
{
	exit_fast_hypercall(vcpu);
	return exit_skip_insn(vcpu);
}

static int on_pause(struct vcpu *vcpu)
{
	yield_on_spin(vcpu);
	return exit_skip_insn(vcpu);
}

/* Guests that have not asked CPUID whether there is MWAIT are let through, as long as userspace does
 * not want to know better. */
static int on_mwait(struct vcpu *vcpu)
{
	if (READ_ONCE(vcpu->vm->quirks_disabled) & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS &&
	    !cpuid_has(&vcpu->cpuid, 1, 0, CPUID_REG_ECX, 3))
		return raise_ud(vcpu);
	return exit_skip_insn(vcpu);
}

static int on_task_switch(struct vcpu *vcpu)
{
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, NULL, 0);
}

static int (*const handlers[VMM_EXIT_NR])(struct vcpu *vcpu) = {
	[VMM_EXIT_UNKNOWN] = on_unknown,
	[VMM_EXIT_RESUME] = on_resume,
	[VMM_EXIT_FAIL_ENTRY] = on_fail_entry,
	[VMM_EXIT_SHUTDOWN] = on_shutdown,
	/* What the window was for is chosen at the next entry. */
	[VMM_EXIT_IRQ_WINDOW] = on_resume,
	[VMM_EXIT_NMI_WINDOW] = on_resume,
	[VMM_EXIT_EXCEPTION] = on_exception,
	[VMM_EXIT_UNDEFINED] = raise_ud,
	[VMM_EXIT_PRIVILEGE] = raise_gp,
	[VMM_EXIT_MEMORY] = on_memory,
	[VMM_EXIT_PIO] = pio_exit,
	[VMM_EXIT_CPUID] = on_cpuid,
	[VMM_EXIT_HLT] = on_hlt,
	[VMM_EXIT_RDMSR] = on_rdmsr,
	[VMM_EXIT_WRMSR] = on_wrmsr,
	[VMM_EXIT_CR] = on_cr_access,
	[VMM_EXIT_DR] = on_dr_access,
	[VMM_EXIT_XSETBV] = on_xsetbv,
	[VMM_EXIT_HYPERCALL] = on_hypercall,
	[VMM_EXIT_PAUSE] = on_pause,
	[VMM_EXIT_SKIP] = exit_skip_insn,
	[VMM_EXIT_MWAIT] = on_mwait,
	[VMM_EXIT_TASK_SWITCH] = on_task_switch,
};

int exit_handle(struct vcpu *vcpu)
{
	if (unlikely(vcpu->pv_eoi.state))
		pveoi_collect(vcpu);
	return handlers[vcpu->exit.kind](vcpu);
}

int exit_complete_userspace(struct vcpu *vcpu)
{
	enum vcpu_pending pending = vcpu->pending;

	vcpu->pending = VCPU_PENDING_NONE;
	switch (pending) {
	case VCPU_PENDING_OUT:
		return pio_complete_out(vcpu);
	case VCPU_PENDING_PIO:
		return pio_complete(vcpu);
	case VCPU_PENDING_MMIO:
		return mmio_complete(vcpu);
	case VCPU_PENDING_STORE:
		return mmio_store_complete(vcpu);
	case VCPU_PENDING_RDMSR:
		return msr_complete(vcpu, false);
	case VCPU_PENDING_WRMSR:
		return msr_complete(vcpu, true);
	default:
		return 1;
	}
}
