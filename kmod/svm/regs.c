// SPDX-License-Identifier: GPL-2.0-only
/* The guest's registers as the VMCB keeps them (APM vol. 2, 15.5.1 and appendix B). */
#include <linux/mem_encrypt.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "svm/svm.h"

/* Changing one of these changes what a translation may be (5.5.2): the ASID's must go. */
#define CR0_PAGING (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE)
#define CR4_PAGING                                                                               \
	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP | \
	 X86_CR4_PKE | X86_CR4_LA57)
#define EFER_PAGING (EFER_NX | EFER_LMA)

#define PAT_AT_RESET 0x0007040600070406ull

/* -- general and control registers -- */

void svm_cache_reg(struct vcpu *vcpu, unsigned int reg)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_save *save = &svm->vmcb->save;

	switch (reg) {
	case VMM_REG_RSP:
		vcpu->regs[reg] = save->rsp;
		break;
	case VMM_REG_RIP:
		vcpu->regs[reg] = save->rip;
		break;
	case VMM_REG_RFLAGS:
		vcpu->regs[reg] = save->rflags;
		break;
	case VMM_REG_CR0:
		vcpu->regs[reg] = save->cr0 | svm->cr0_hidden;
		break;
	case VMM_REG_CR3:
		vcpu->regs[reg] = save->cr3;
		break;
	case VMM_REG_CR4:
		vcpu->regs[reg] = svm->cr4;
		break;
	default:
		return;
	}
	vcpu->regs_avail |= BIT(reg);
}

/*
 * Translations are tagged with the ASID, not with CR3: a new one from outside the guest must drop
 * them.
 */
static void put_cr3(struct vcpu_svm *svm, u64 cr3)
{
	if (svm->vmcb->save.cr3 == cr3)
		return;
	svm->vmcb->save.cr3 = cr3;
	svm->flush = true;
	svm_dirty(svm, CLEAN_CR);
}

void svm_write_regs(struct vcpu_svm *svm)
{
	struct vmcb_save *save = &svm->vmcb->save;
	const u64 *regs = svm->vcpu.regs;
	u32 dirty = svm->vcpu.regs_dirty;

	save->rax = regs[VMM_REG_RAX];
	if (dirty & BIT(VMM_REG_RSP))
		save->rsp = regs[VMM_REG_RSP];
	if (dirty & BIT(VMM_REG_RIP))
		save->rip = regs[VMM_REG_RIP];
	if (dirty & BIT(VMM_REG_RFLAGS))
		save->rflags = regs[VMM_REG_RFLAGS];
	if (dirty & BIT(VMM_REG_CR3))
		put_cr3(svm, regs[VMM_REG_CR3]);
	svm->vcpu.regs_dirty = 0;
}

/* LMA follows from LME and PG; SVME must be set for VMRUN (15.5.1) and is never the guest's. */
static void update_efer(struct vcpu_svm *svm)
{
	struct vmcb_save *save = &svm->vmcb->save;
	u64 efer = svm->vcpu.efer & ~EFER_LMA;

	if ((efer & EFER_LME) && (save->cr0 & X86_CR0_PG))
		efer |= EFER_LMA;
	svm->vcpu.efer = efer;
	efer |= EFER_SVME;
	if ((save->efer ^ efer) & EFER_PAGING)
		svm->flush = true;
	save->efer = efer;
	svm_dirty(svm, CLEAN_CR);
}

void svm_set_efer(struct vcpu *vcpu, u64 efer)
{
	vcpu->efer = efer;
	update_efer(to_svm(vcpu));
}

/*
 * CD in the guest's CR0 would make its memory uncached in earnest (15.25.8), and NW without CD is
 * refused by VMRUN: the guest gets neither, and as long as it believes otherwise its reads and
 * writes of CR0 are answered here.
 */
void svm_set_cr0(struct vcpu *vcpu, u64 cr0)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_save *save = &svm->vmcb->save;
	u64 real;

	cr0 |= X86_CR0_ET;
	svm->cr0_hidden = cr0 & (X86_CR0_CD | X86_CR0_NW);
	real = cr0 & ~svm->cr0_hidden;
	if ((save->cr0 ^ real) & CR0_PAGING)
		svm->flush = true;
	save->cr0 = real;
	svm_set_intercept(svm, INTERCEPT_READ_CR + 0, svm->cr0_hidden);
	svm_set_intercept(svm, INTERCEPT_WRITE_CR + 0, svm->cr0_hidden);
	update_efer(svm);
	vcpu->regs[VMM_REG_CR0] = cr0;
	vcpu->regs_avail |= BIT(VMM_REG_CR0);
}

/*
 * A machine check in a guest with CR4.MCE clear would shut the host down: MCE is the host's, and
 * hidden.
 */
void svm_set_cr4(struct vcpu *vcpu, u64 cr4)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_save *save = &svm->vmcb->save;
	u64 real = cr4 | svm_host.cr4_mce;

	if ((save->cr4 ^ real) & CR4_PAGING)
		svm->flush = true;
	save->cr4 = real;
	svm->cr4 = cr4;
	svm_set_intercept(svm, INTERCEPT_READ_CR + 4, real != cr4);
	svm_dirty(svm, CLEAN_CR);
	vcpu->regs[VMM_REG_CR4] = cr4;
	vcpu->regs_avail |= BIT(VMM_REG_CR4);
}

void svm_set_dr7(struct vcpu *vcpu, u64 dr7)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	svm->vmcb->save.dr7 = dr7;
	svm_dirty(svm, CLEAN_DR);
}

/* -- segments and tables -- */

static struct vmcb_seg *vmcb_seg(struct vcpu *vcpu, unsigned int seg)
{
	static const u8 index[VMM_SEG_NR] = {
		[VMM_SEG_ES] = VMCB_ES, [VMM_SEG_CS] = VMCB_CS,	    [VMM_SEG_SS] = VMCB_SS,
		[VMM_SEG_DS] = VMCB_DS, [VMM_SEG_FS] = VMCB_FS,	    [VMM_SEG_GS] = VMCB_GS,
		[VMM_SEG_TR] = VMCB_TR, [VMM_SEG_LDTR] = VMCB_LDTR,
	};

	return &to_svm(vcpu)->vmcb->save.seg[index[seg]];
}

unsigned int svm_get_cpl(struct vcpu *vcpu)
{
	return to_svm(vcpu)->vmcb->save.cpl;
}

unsigned int svm_get_mode(struct vcpu *vcpu)
{
	const struct vmcb_save *save = &to_svm(vcpu)->vmcb->save;
	bool long_code = save->seg[VMCB_CS].attrib & BIT(SEG_ATTRIB_L_SHIFT);

	return save->cpl | (vcpu->efer & EFER_LMA && long_code ? VMM_MODE_64BIT : 0);
}

void svm_get_code(struct vcpu *vcpu, struct vmm_code *code)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	const struct vmcb_seg *cs = &vmcb->save.seg[VMCB_CS];
	u64 rip = vcpu_rip(vcpu);

	code->cr0 = vcpu_cr0(vcpu);
	code->cr3 = vcpu_cr3(vcpu);
	code->cr4 = vcpu_cr4(vcpu);
	code->plain = !(vmcb->control.int_state & VMCB_INTERRUPT_SHADOW) &&
		      !(vcpu_rflags(vcpu) & X86_EFLAGS_TF);
	if (vcpu->efer & EFER_LMA && cs->attrib & BIT(SEG_ATTRIB_L_SHIFT)) {
		code->mode = DECODE_64;
		code->address = rip;
		return;
	}
	code->mode = cs->attrib & BIT(SEG_ATTRIB_DB_SHIFT) && code->cr0 & X86_CR0_PE ? DECODE_32 :
										       DECODE_16;
	code->address = (u32)(cs->base + rip);
}

void svm_get_segment(struct vcpu *vcpu, unsigned int seg, struct kvm_segment *out)
{
	const struct vmcb_seg *in = vmcb_seg(vcpu, seg);

	*out = (struct kvm_segment){
		.base = in->base,
		.limit = in->limit,
		.selector = in->selector,
		.type = in->attrib & SEG_ATTRIB_TYPE,
		.present = in->attrib >> SEG_ATTRIB_P_SHIFT & 1,
		.dpl = in->attrib >> SEG_ATTRIB_DPL_SHIFT & 3,
		.db = in->attrib >> SEG_ATTRIB_DB_SHIFT & 1,
		.s = in->attrib >> SEG_ATTRIB_S_SHIFT & 1,
		.l = in->attrib >> SEG_ATTRIB_L_SHIFT & 1,
		.avl = in->attrib >> SEG_ATTRIB_AVL_SHIFT & 1,
		/* Not every CPU stores G of CS; the limit is in bytes and tells as much. */
		.g = in->limit > 0xfffff || (in->attrib >> SEG_ATTRIB_G_SHIFT & 1),
	};
	out->unusable = !out->present;
	/* CPL has a field of its own: after SYSRET the DPL of SS may say otherwise. */
	if (seg == VMM_SEG_SS)
		out->dpl = svm_get_cpl(vcpu);
	/* A TR that is in use is busy, whether or not the CPU stored it so. */
	if (seg == VMM_SEG_TR)
		out->type |= 2;
}

void svm_set_segment(struct vcpu *vcpu, unsigned int seg, const struct kvm_segment *in)
{
	struct vmcb_seg *out = vmcb_seg(vcpu, seg);
	bool present = in->present && !in->unusable;

	out->base = in->base;
	out->limit = in->limit;
	out->selector = in->selector;
	out->attrib = (in->type & SEG_ATTRIB_TYPE) | (in->s & 1) << SEG_ATTRIB_S_SHIFT |
		      (in->dpl & 3) << SEG_ATTRIB_DPL_SHIFT | present << SEG_ATTRIB_P_SHIFT |
		      (in->avl & 1) << SEG_ATTRIB_AVL_SHIFT | (in->l & 1) << SEG_ATTRIB_L_SHIFT |
		      (in->db & 1) << SEG_ATTRIB_DB_SHIFT | (in->g & 1) << SEG_ATTRIB_G_SHIFT;
	if (seg == VMM_SEG_SS)
		to_svm(vcpu)->vmcb->save.cpl = in->dpl & 3;
	svm_dirty(to_svm(vcpu), CLEAN_SEG);
}

static struct vmcb_seg *vmcb_table(struct vcpu *vcpu, enum vmm_table which)
{
	return &to_svm(vcpu)->vmcb->save.seg[which == VMM_GDT ? VMCB_GDTR : VMCB_IDTR];
}

void svm_get_table(struct vcpu *vcpu, enum vmm_table which, struct kvm_dtable *out)
{
	const struct vmcb_seg *in = vmcb_table(vcpu, which);

	*out = (struct kvm_dtable){ .base = in->base, .limit = in->limit };
}

void svm_set_table(struct vcpu *vcpu, enum vmm_table which, const struct kvm_dtable *in)
{
	struct vmcb_seg *out = vmcb_table(vcpu, which);

	out->base = in->base;
	out->limit = in->limit;
	svm_dirty(to_svm(vcpu), CLEAN_DT);
}

/* -- MSRs -- */

/*
 * Where the MSRs that are in the VMCB are. VMLOAD reads all of these at each entry, but for the
 * PAT.
 */
static const struct {
	u32 index;
	u16 offset;
} vmcb_msrs[] = {
	{ MSR_FS_BASE, offsetof(struct vmcb_save, seg[VMCB_FS].base) },
	{ MSR_GS_BASE, offsetof(struct vmcb_save, seg[VMCB_GS].base) },
	{ MSR_KERNEL_GS_BASE, offsetof(struct vmcb_save, kernel_gs_base) },
	{ MSR_STAR, offsetof(struct vmcb_save, star) },
	{ MSR_LSTAR, offsetof(struct vmcb_save, lstar) },
	{ MSR_CSTAR, offsetof(struct vmcb_save, cstar) },
	{ MSR_SYSCALL_MASK, offsetof(struct vmcb_save, sfmask) },
	{ MSR_IA32_SYSENTER_CS, offsetof(struct vmcb_save, sysenter_cs) },
	{ MSR_IA32_SYSENTER_ESP, offsetof(struct vmcb_save, sysenter_esp) },
	{ MSR_IA32_SYSENTER_EIP, offsetof(struct vmcb_save, sysenter_eip) },
	{ MSR_IA32_CR_PAT, offsetof(struct vmcb_save, g_pat) },
};

static u64 *vmcb_msr(struct vcpu_svm *svm, u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmcb_msrs); i++)
		if (vmcb_msrs[i].index == index)
			return (void *)&svm->vmcb->save + vmcb_msrs[i].offset;
	return NULL;
}

int svm_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	const u64 *field = vmcb_msr(svm, index);

	if (field)
		*value = *field;
	else if (index == MSR_TSC_AUX && svm_host.tsc_aux)
		*value = svm->tsc_aux;
	else if (index == MSR_IA32_SPEC_CTRL && svm_host.spec_ctrl)
		*value = svm->spec_ctrl;
	else if (index == MSR_IA32_DEBUGCTLMSR)
		*value = 0;
	else
		return 1;
	return 0;
}

int svm_set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	u64 *field = vmcb_msr(svm, index);

	if (field) {
		*field = value;
		if (index == MSR_IA32_CR_PAT)
			svm_dirty(svm, CLEAN_NP);
	} else if (index == MSR_TSC_AUX && svm_host.tsc_aux) {
		svm->tsc_aux = value;
	} else if (index == MSR_IA32_SPEC_CTRL && svm_host.spec_ctrl) {
		svm->spec_ctrl = value;
		if (svm_host.virtual_spec_ctrl)
			svm->vmcb->save.spec_ctrl = value;
	} else if (index == MSR_IA32_DEBUGCTLMSR && !value) {
		/*
		 * Without LBR virtualisation (15.23) the guest has no DEBUGCTL: it reads as 0 and
		 * stays 0.
		 */
		return 0;
	} else {
		return 1;
	}
	return 0;
}

/* -- reset (table 14-1 of the APM, table 10-1 of the SDM) -- */

static void reset_segments(struct vmcb_save *save)
{
	/*
	 * Read/write data, present, with the limit of real mode; a code segment and TSS likewise.
	 */
	static const struct vmcb_seg data = { .attrib = 0x93, .limit = 0xffff };
	static const u8 datas[] = { VMCB_ES, VMCB_SS, VMCB_DS, VMCB_FS, VMCB_GS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(datas); i++)
		save->seg[datas[i]] = data;
	save->seg[VMCB_CS] = (struct vmcb_seg){
		.selector = 0xf000,
		.attrib = 0x9b,
		.limit = 0xffff,
		.base = 0xffff0000,
	};
	save->seg[VMCB_LDTR] = (struct vmcb_seg){ .attrib = 0x82, .limit = 0xffff };
	save->seg[VMCB_TR] = (struct vmcb_seg){ .attrib = 0x8b, .limit = 0xffff };
	save->seg[VMCB_GDTR] = (struct vmcb_seg){ .limit = 0xffff };
	save->seg[VMCB_IDTR] = (struct vmcb_seg){ .limit = 0xffff };
	save->cpl = 0;
}

void svm_reset(struct vcpu *vcpu, bool init)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_save *save = &svm->vmcb->save;
	/* INIT leaves the caching bits as they are. */
	u64 cache_bits = init ? svm->cr0_hidden : X86_CR0_CD | X86_CR0_NW;

	if (!init) {
		memset(save, 0, sizeof(*save));
		save->g_pat = PAT_AT_RESET;
		svm->tsc_aux = 0;
		svm->spec_ctrl = 0;
	}
	reset_segments(save);
	save->rip = 0xfff0;
	save->rsp = 0;
	save->rax = 0;
	save->rflags = X86_EFLAGS_FIXED;
	save->cr3 = 0;
	save->dr6 = DR6_RESERVED;
	vcpu->efer = 0;
	svm_set_cr0(vcpu, cache_bits | X86_CR0_ET);
	svm_set_cr4(vcpu, 0);
	svm->vmcb->control.event_inj = 0;
	svm->stepping = false;
	svm->soft_len = 0;
	svm_set_shadow(vcpu, 0);
	svm_set_windows(vcpu, false, false);
	svm_set_nmi_masked(vcpu, false);
	svm->flush = true;
	svm->vmcb->control.clean = 0;
	vcpu->regs_avail &= ~VMM_REGS_LAZY;
	vcpu->regs_dirty &= ~VMM_REGS_LAZY;
}
