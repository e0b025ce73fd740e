// SPDX-License-Identifier: GPL-2.0-only
/* From EXITCODE and EXITINFO to struct vmm_exit (APM vol. 2, 15.7 to 15.13 and appendix C). */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/nospec.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <asm/trapnr.h>

#include "mmu/mmu.h"
#include "svm/svm.h"

/* The bits of DR6 that name a cause and read 1 when it is one: B0 to B3, BD, BS, BT (13.1.1.3). */
#define DR6_CAUSES (DR_TRAP_BITS | BIT(13) | DR_STEP | DR_SWITCH)

struct exit_row {
	u8 kind; /* enum vmm_exit_kind */
	bool insn; /* caused by an instruction, so that next_rip tells its length */
	void (*detail)(struct vcpu_svm *svm, struct vmm_exit *exit);
};

static void detail_cr(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	const struct vmcb_control *control = &svm->vmcb->control;
	u32 code = control->exit_code;

	exit->cr.op = code < SVM_EXIT_WRITE_CR0 ? VMM_CR_READ : VMM_CR_WRITE;
	exit->cr.cr = code == SVM_EXIT_CR0_SEL_WRITE ? 0 : code & 0xf;
	/* Clear for CLTS, LMSW and SMSW, which also come here: only the bytes tell. */
	exit->operands_valid = svm_host.decode_assists && (control->exit_info_1 & DECODE_MOV_CR);
	exit->cr.reg = control->exit_info_1 & DECODE_GPR;
}

static void detail_dr(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	const struct vmcb_control *control = &svm->vmcb->control;
	u32 code = control->exit_code;

	exit->dr.write = code >= SVM_EXIT_WRITE_DR0;
	exit->dr.dr = code & 0xf;
	exit->dr.reg = control->exit_info_1 & DECODE_GPR;
	exit->operands_valid = svm_host.decode_assists;
}

/* Those that push an error code (8.2). */
#define WITH_ERROR_CODE                                                              \
	(BIT(X86_TRAP_DF) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | BIT(X86_TRAP_SS) | \
	 BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_CP))

static void detail_exception(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	const struct vmcb *vmcb = svm->vmcb;
	u8 vector = vmcb->control.exit_code - SVM_EXIT_EXCP_BASE;

	exit->exception.vector = vector;
	exit->exception.has_error = WITH_ERROR_CODE & BIT(vector);
	exit->exception.error = exit->exception.has_error ? vmcb->control.exit_info_1 : 0;
	exit->exception.payload = 0;
	/*
	 * CR2 has not been written before the intercept of #PF, DR6 has before that of #DB (15.12).
	 */
	if (vector == X86_TRAP_PF)
		exit->exception.payload = vmcb->control.exit_info_2;
	else if (vector == X86_TRAP_DB)
		exit->exception.payload = vmcb->save.dr6 & DR6_CAUSES;
	if (svm->own_step)
		exit->kind = VMM_EXIT_NMI_WINDOW;
}

static void detail_vintr(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	svm_set_windows(&svm->vcpu, false, svm->nmi_window);
}

/* The intercept comes before the IRET; NMIs stay masked until it has ended (15.21.9). */
static void detail_iret(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	svm_set_intercept(svm, INTERCEPT_IRET, false);
	svm->iret_begun = true;
	svm->iret_rip = svm->vmcb->save.rip;
}

static void detail_ioio(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	const struct vmcb_control *control = &svm->vmcb->control;
	u32 info = control->exit_info_1;
	u64 len = control->exit_info_2 - svm->vmcb->save.rip;

	exit->pio.port = info >> IOIO_PORT_SHIFT;
	exit->pio.size = info >> IOIO_SIZE_SHIFT & 7;
	exit->pio.flags = (info & IOIO_IN ? VMM_PIO_IN : 0) |
			  (info & IOIO_STRING ? VMM_PIO_STRING : 0) |
			  (info & IOIO_REP ? VMM_PIO_REP : 0);
	exit->operands_valid = !(exit->pio.flags & VMM_PIO_STRING);
	/* On every CPU, with NRIPS or without. */
	exit->insn_len = len <= INSN_MAX_LEN ? len : 0;
}

static void detail_msr(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	if (svm->vmcb->control.exit_info_1)
		exit->kind = VMM_EXIT_WRMSR;
}

/*
 * After a shutdown or a refused VMRUN what the VMCB holds is undefined (15.14.3, 15.6): QEMU leaves
 * the host's registers there, which nobody may see.
 */
static void forget_state(struct vcpu_svm *svm)
{
	svm_control_init(svm);
	svm_reset(&svm->vcpu, false);
}

static void detail_shutdown(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	forget_state(svm);
	svm->vcpu.requeue.valid = false;
}

static void decode_npf(struct vcpu_svm *svm, struct vmm_exit *exit)
{
	const struct vmcb_control *control = &svm->vmcb->control;
	u64 error = control->exit_info_1;

	exit->kind = VMM_EXIT_MEMORY;
	exit->insn_len = 0;
	exit->memory.gpa = control->exit_info_2;
	exit->memory.gva_valid = false;
	exit->memory.walk = error & NPF_GUEST_TABLE;
	exit->memory.data = !exit->memory.walk;
	if (error & NPF_WRITE)
		exit->memory.access = MMU_WRITE;
	else
		exit->memory.access = error & NPF_FETCH ? MMU_EXEC : MMU_READ;
}

/* By EXITCODE. A row left out is VMM_EXIT_UNKNOWN: its intercept is never set. */
/* clang-format off */
static const struct exit_row rows[SVM_EXIT_TABLE_END] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15] = { VMM_EXIT_CR, true, detail_cr },
	[SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 15] = { VMM_EXIT_CR, true, detail_cr },
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15] = { VMM_EXIT_DR, true, detail_dr },
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = { VMM_EXIT_DR, true, detail_dr },
	[SVM_EXIT_EXCP_BASE ... SVM_EXIT_EXCP_BASE + X86_TRAP_MC - 1] = { VMM_EXIT_EXCEPTION, false,
									  detail_exception },
	/* The host has handled it in svm_run(). */
	[SVM_EXIT_EXCP_BASE + X86_TRAP_MC] = { VMM_EXIT_RESUME },
	[SVM_EXIT_EXCP_BASE + X86_TRAP_MC + 1 ... SVM_EXIT_LAST_EXCP] = { VMM_EXIT_EXCEPTION, false,
									  detail_exception },
	[SVM_EXIT_INTR] = { VMM_EXIT_RESUME },
	[SVM_EXIT_NMI] = { VMM_EXIT_RESUME },
	[SVM_EXIT_SMI] = { VMM_EXIT_RESUME },
	[SVM_EXIT_INIT] = { VMM_EXIT_RESUME },
	[SVM_EXIT_VINTR] = { VMM_EXIT_IRQ_WINDOW, false, detail_vintr },
	[SVM_EXIT_CR0_SEL_WRITE] = { VMM_EXIT_CR, true, detail_cr },
	[SVM_EXIT_RDPMC] = { VMM_EXIT_PRIVILEGE, true },
	[SVM_EXIT_CPUID] = { VMM_EXIT_CPUID, true },
	[SVM_EXIT_RSM] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_IRET] = { VMM_EXIT_RESUME, false, detail_iret },
	[SVM_EXIT_INVD] = { VMM_EXIT_SKIP, true },
	[SVM_EXIT_PAUSE] = { VMM_EXIT_PAUSE, true },
	[SVM_EXIT_HLT] = { VMM_EXIT_HLT, true },
	[SVM_EXIT_INVLPGA] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_IOIO] = { VMM_EXIT_PIO, false, detail_ioio },
	[SVM_EXIT_MSR] = { VMM_EXIT_RDMSR, true, detail_msr },
	[SVM_EXIT_TASK_SWITCH] = { VMM_EXIT_TASK_SWITCH },
	[SVM_EXIT_FERR_FREEZE] = { VMM_EXIT_RESUME },
	[SVM_EXIT_SHUTDOWN] = { VMM_EXIT_SHUTDOWN, false, detail_shutdown },
	[SVM_EXIT_VMRUN] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_VMMCALL] = { VMM_EXIT_HYPERCALL, true },
	[SVM_EXIT_VMLOAD] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_VMSAVE] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_STGI] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_CLGI] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_SKINIT] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_RDTSCP] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_WBINVD] = { VMM_EXIT_SKIP, true },
	[SVM_EXIT_MONITOR] = { VMM_EXIT_MWAIT, true },
	[SVM_EXIT_MWAIT] = { VMM_EXIT_MWAIT, true },
	[SVM_EXIT_MWAIT_COND] = { VMM_EXIT_MWAIT, true },
	[SVM_EXIT_XSETBV] = { VMM_EXIT_XSETBV, true },
	[SVM_EXIT_RDPRU] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_INVLPGB] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_INVLPGB_ILLEGAL] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_MCOMMIT] = { VMM_EXIT_UNDEFINED, true },
	[SVM_EXIT_TLBSYNC] = { VMM_EXIT_UNDEFINED, true },
};
/* clang-format on */

/* 0 where the CPU does not tell: without NRIPS, or when next_rip was left clear. */
static u8 insn_len(const struct vcpu_svm *svm)
{
	u64 len = svm->vmcb->control.next_rip - svm->vmcb->save.rip;

	return svm_host.nrips && len <= INSN_MAX_LEN ? len : 0;
}

/* As struct vmm_exit describes it. */
static bool is_plain(struct vcpu_svm *svm)
{
	const struct vmcb *vmcb = svm->vmcb;
	struct vcpu *vcpu = &svm->vcpu;

	if (!vcpu->exit.insn_len)
		return false;
	vcpu->regs[VMM_REG_RIP] = vmcb->save.rip;
	vcpu->regs[VMM_REG_RFLAGS] = vmcb->save.rflags;
	vcpu->regs_avail |= BIT(VMM_REG_RIP) | BIT(VMM_REG_RFLAGS);
	return !(vmcb->control.int_state & VMCB_INTERRUPT_SHADOW) &&
	       !(vmcb->save.rflags & X86_EFLAGS_TF);
}

void svm_decode_exit(struct vcpu_svm *svm)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	/* Older CPUs leave the upper half undefined. */
	u32 code = svm->vmcb->control.exit_code;
	const struct exit_row *row;

	exit->hw_reason = code;
	exit->operands_valid = true;
	exit->plain = false;
	if (code == SVM_EXIT_NPF) {
		decode_npf(svm, exit);
		return;
	}
	if (unlikely(code >= ARRAY_SIZE(rows))) {
		exit->kind = code == (u32)SVM_EXIT_ERR ? VMM_EXIT_FAIL_ENTRY : VMM_EXIT_UNKNOWN;
		exit->insn_len = 0;
		return;
	}
	row = &rows[array_index_nospec(code, ARRAY_SIZE(rows))];
	exit->kind = row->kind;
	exit->insn_len = row->insn ? insn_len(svm) : 0;
	if (row->detail)
		row->detail(svm, exit);
	exit->plain = is_plain(svm);
}

static void dump_segment(const char *name, const struct vmcb_seg *seg)
{
	pr_info("  %-4s %04x base %016llx limit %08x attrib %03x\n", name, seg->selector, seg->base,
		seg->limit, seg->attrib);
}

static void dump_vmcb(const struct vcpu_svm *svm)
{
	static const char *const names[VMCB_SEGS] = { "ES", "CS",   "SS",   "DS",   "FS",
						      "GS", "GDTR", "LDTR", "IDTR", "TR" };
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, 1);
	const struct vmcb_control *control = &svm->vmcb->control;
	const struct vmcb_save *save = &svm->vmcb->save;
	unsigned int i;

	if (!__ratelimit(&limit))
		return;
	pr_info("vCPU %u: EXITCODE %llx EXITINFO1 %llx EXITINFO2 %llx EXITINTINFO %x\n",
		svm->vcpu.id, control->exit_code, control->exit_info_1, control->exit_info_2,
		control->exit_int_info);
	pr_info("  EVENTINJ %x int_ctl %x int_state %llx ASID %u nCR3 %llx clean %llx\n",
		control->event_inj, control->int_ctl, control->int_state, control->asid,
		control->nested_cr3, control->clean);
	pr_info("  CR0 %llx CR3 %llx CR4 %llx EFER %llx DR6 %llx DR7 %llx PAT %llx\n", save->cr0,
		save->cr3, save->cr4, save->efer, save->dr6, save->dr7, save->g_pat);
	pr_info("  RIP %llx RSP %llx RFLAGS %llx CPL %u\n", save->rip, save->rsp, save->rflags,
		save->cpl);
	for (i = 0; i < VMCB_SEGS; i++)
		dump_segment(names[i], &save->seg[i]);
}

void svm_dump(struct vcpu *vcpu)
{
	dump_vmcb(to_svm(vcpu));
	forget_state(to_svm(vcpu));
}
