// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest-state area of the VMCS (SDM vol 3, 25.4): registers, segments, control registers, MSRs.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "vm.h"
#include "vmx/vmx.h"

/* -- general registers -- */

/* Those that need no more than a look. */
static const u16 register_fields[VMM_REG_NR] = {
	[VMM_REG_RSP] = GUEST_RSP,
	[VMM_REG_RIP] = GUEST_RIP,
	[VMM_REG_RFLAGS] = GUEST_RFLAGS,
	[VMM_REG_CR3] = GUEST_CR3,
};

void vmx_cache_reg(struct vcpu *vcpu, unsigned int reg)
{
	const struct vmx_written *written = &to_vmx(vcpu)->written;
	u32 field = register_fields[reg];
	u64 owned;

	vcpu->regs_avail |= BIT(reg);
	if (likely(field)) {
		vcpu->regs[reg] = vmcs_read(field);
	} else if (reg == VMM_REG_CR0) {
		owned = VMX_CR0_GUEST_OWNED;
		vcpu->regs[reg] = (vmcs_read(GUEST_CR0) & owned) | (written->cr0_shadow & ~owned);
	} else if (reg == VMM_REG_CR4) {
		owned = written->cr4_guest_owned;
		vcpu->regs[reg] = (vmcs_read(GUEST_CR4) & owned) | (written->cr4_shadow & ~owned);
	}
}

/* All but the defined bits are reserved and refused by the entry (SDM vol 3, 27.3.1.4). */
#define RFLAGS_DEFINED                                                                     \
	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF |   \
	 X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_IOPL | \
	 X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF |  \
	 X86_EFLAGS_VIP | X86_EFLAGS_ID)

/* Before an entry: what common code has changed since the last one. */
void vmx_write_dirty_regs(struct vcpu_vmx *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;
	u32 dirty = vcpu->regs_dirty;

	vcpu->regs_dirty = 0;
	if (dirty & BIT(VMM_REG_RIP))
		vmcs_write(GUEST_RIP, vcpu->regs[VMM_REG_RIP]);
	if (dirty & BIT(VMM_REG_RSP))
		vmcs_write(GUEST_RSP, vcpu->regs[VMM_REG_RSP]);
	if (dirty & BIT(VMM_REG_RFLAGS))
		vmcs_write(GUEST_RFLAGS,
			   (vcpu->regs[VMM_REG_RFLAGS] & RFLAGS_DEFINED) | X86_EFLAGS_FIXED);
	if (dirty & BIT(VMM_REG_CR3))
		vmcs_write(GUEST_CR3, vcpu->regs[VMM_REG_CR3]);
}

/* -- control registers -- */

#define PDPTE_COUNT 4

/* In PAE paging: bits 2:1, 8:5 and those above the CPU's address width (SDM vol 3, table 4-8). */
static bool pdpte_valid(u64 pdpte)
{
	u64 reserved = GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5) |
		       GENMASK_ULL(63, boot_cpu_data.x86_phys_bits);

	return !(pdpte & reserved);
}

/*
 * In PAE paging the CPU holds the four page-directory pointers in registers. With EPT it loads them
 * itself at MOV to CR3, but an entry takes them from the VMCS (SDM vol 3, 27.3.2.4): fill them in
 * where software made the mode or CR3. An invalid one would fail the entry; it becomes one that is
 * not present, and the guest takes a page fault.
 */
static void load_pdptes(struct vcpu *vcpu)
{
	u64 cr0 = vcpu_cr0(vcpu), cr4 = vcpu_cr4(vcpu), pdpte[PDPTE_COUNT] = {};
	unsigned int i;

	if (!(cr0 & X86_CR0_PG) || !(cr4 & X86_CR4_PAE) || to_vmx(vcpu)->efer & EFER_LME)
		return;
	if (guest_read(&vcpu->vm->mmu, vcpu_cr3(vcpu) & GENMASK_ULL(31, 5), pdpte, sizeof(pdpte)))
		memset(pdpte, 0, sizeof(pdpte));
	for (i = 0; i < PDPTE_COUNT; i++) {
		if (!(pdpte[i] & 1) || !pdpte_valid(pdpte[i]))
			pdpte[i] = 0;
		vmcs_write(GUEST_PDPTR0 + 2 * i, pdpte[i]);
	}
}

void vmx_get_pdptrs(struct vcpu *vcpu, u64 pdptrs[PDPTE_COUNT])
{
	unsigned int i;

	for (i = 0; i < PDPTE_COUNT; i++)
		pdptrs[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
}

void vmx_set_pdptrs(struct vcpu *vcpu, const u64 pdptrs[PDPTE_COUNT])
{
	unsigned int i;

	for (i = 0; i < PDPTE_COUNT; i++)
		vmcs_write(GUEST_PDPTR0 + 2 * i,
			   pdptrs[i] & 1 && pdpte_valid(pdptrs[i]) ? pdptrs[i] : 0);
}

/*
 * The guest's caching bits stay in the shadow: CR0.CD would slow the whole core, and memory types
 * are the EPT's.
 */
static void write_guest_cr0(struct vcpu *vcpu, u64 cr0)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmcs_write(GUEST_CR0, (cr0 & ~(X86_CR0_CD | X86_CR0_NW)) | vmx_caps.cr0_fixed1);
	vmcs_write(CR0_READ_SHADOW, cr0);
	vmx->written.cr0_shadow = cr0;
	vcpu->regs[VMM_REG_CR0] = cr0;
	vcpu->regs_avail |= BIT(VMM_REG_CR0);
}

void vmx_set_cr0(struct vcpu *vcpu, u64 cr0)
{
	write_guest_cr0(vcpu, cr0);
	load_pdptes(vcpu);
}

/* Bits that change nothing outside the guest and that common code reads only when asked. */
#define CR4_HARMLESS                                                                           \
	(X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | \
	 X86_CR4_OSXMMEXCPT | X86_CR4_FSGSBASE)

static void write_guest_cr4(struct vcpu *vcpu, u64 cr4)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u64 owned = CR4_HARMLESS & vmm_caps.cr4_allowed & ~vcpu->has.cr4_reserved;
	/*
	 * A machine check with CR4.MCE clear shuts the CPU down: the host's setting is in force,
	 * always.
	 */
	u64 value = (cr4 & ~X86_CR4_MCE) | (cr4_read_shadow() & X86_CR4_MCE) | X86_CR4_VMXE;

	vmcs_write(GUEST_CR4, value);
	vmcs_write(CR4_READ_SHADOW, cr4);
	vmx->written.cr4_shadow = cr4;
	if (vmx->written.cr4_guest_owned != owned) {
		vmx->written.cr4_guest_owned = owned;
		vmcs_write(CR4_GUEST_HOST_MASK, ~owned);
	}
	vcpu->regs[VMM_REG_CR4] = cr4;
	vcpu->regs_avail |= BIT(VMM_REG_CR4);
}

void vmx_set_cr4(struct vcpu *vcpu, u64 cr4)
{
	write_guest_cr4(vcpu, cr4);
	load_pdptes(vcpu);
}

/*
 * An entry to IA-32e mode takes a busy 64-bit TSS in TR, which the CPU itself does not (SDM vol 3,
 * 27.3.1.2).
 */
static void fix_long_mode_tr(void)
{
	u32 access = vmcs_read(GUEST_TR_AR_BYTES);

	if ((access & VMX_AR_TYPE_MASK) != VMX_AR_TYPE_BUSY_64_TSS)
		vmcs_write(GUEST_TR_AR_BYTES,
			   (access & ~VMX_AR_TYPE_MASK) | VMX_AR_TYPE_BUSY_64_TSS);
}

/* The entry control "IA-32e mode guest" and EFER.LMA must agree (SDM vol 3, 27.3.1.1). */
static void write_guest_efer(struct vcpu_vmx *vmx, u64 efer)
{
	u32 controls = vmx_caps.entry;

	if (efer & EFER_LMA)
		controls |= VM_ENTRY_IA32E_MODE;
	if (vmx->written.entry != controls) {
		vmx->written.entry = controls;
		vmcs_write(VM_ENTRY_CONTROLS, controls);
		if (efer & EFER_LMA)
			fix_long_mode_tr();
	}
	vmcs_write(GUEST_IA32_EFER, efer);
	vmx->efer = efer;
}

void vmx_set_efer(struct vcpu *vcpu, u64 efer)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	bool syscall = (vmx->efer ^ efer) & EFER_SCE;

	write_guest_efer(vmx, efer);
	if (syscall)
		vmx_refresh_user_msrs(vmx);
	load_pdptes(vcpu);
}

void vmx_set_dr7(struct vcpu *vcpu, u64 dr7)
{
	vmcs_write(GUEST_DR7, dr7);
}

/* -- segments and tables -- */

/* All of a kind lie two apart: ES, CS, SS, DS, FS, GS, LDTR, TR. */
static unsigned int segment_field(unsigned int seg, unsigned int field_of_es)
{
	static const u8 position[VMM_SEG_NR] = {
		[VMM_SEG_ES] = 0, [VMM_SEG_CS] = 1, [VMM_SEG_SS] = 2,	[VMM_SEG_DS] = 3,
		[VMM_SEG_FS] = 4, [VMM_SEG_GS] = 5, [VMM_SEG_LDTR] = 6, [VMM_SEG_TR] = 7,
	};

	return field_of_es + 2 * position[seg];
}

/* SDM vol 3, table 25-2. */
#define ACCESS_AVL_SHIFT 12
#define ACCESS_L_SHIFT 13
#define ACCESS_DB_SHIFT 14
#define ACCESS_G_SHIFT 15

void vmx_get_segment(struct vcpu *vcpu, unsigned int seg, struct kvm_segment *out)
{
	u32 access = vmcs_read(segment_field(seg, GUEST_ES_AR_BYTES));
	bool unusable = access & VMX_AR_UNUSABLE_MASK;

	*out = (struct kvm_segment){
		.base = vmcs_read(segment_field(seg, GUEST_ES_BASE)),
		.limit = vmcs_read(segment_field(seg, GUEST_ES_LIMIT)),
		.selector = vmcs_read(segment_field(seg, GUEST_ES_SELECTOR)),
		.type = access & VMX_AR_TYPE_MASK,
		/*
		 * Usable ones are present; userspace that drops `unusable` must not make this one
		 * usable.
		 */
		.present = !unusable,
		.dpl = VMX_AR_DPL(access),
		.db = access >> ACCESS_DB_SHIFT & 1,
		.s = !!(access & VMX_AR_S_MASK),
		.l = access >> ACCESS_L_SHIFT & 1,
		.g = access >> ACCESS_G_SHIFT & 1,
		.avl = access >> ACCESS_AVL_SHIFT & 1,
		.unusable = unusable,
	};
}

/*
 * What userspace may leave out and an entry insists on (SDM vol 3, 27.3.1.2): accessed, and busy
 * for TR.
 */
static u32 segment_access(unsigned int seg, const struct kvm_segment *in)
{
	u32 type = in->type & VMX_AR_TYPE_MASK;

	if (in->unusable || !in->present)
		return VMX_AR_UNUSABLE_MASK | type;
	if (seg == VMM_SEG_TR)
		type |= VMX_AR_TYPE_BUSY_16_TSS;
	else if (seg != VMM_SEG_LDTR)
		type |= VMX_AR_TYPE_ACCESSES_MASK;
	return type | (in->s & 1) << 4 | (in->dpl & 3) << VMX_AR_DPL_SHIFT | VMX_AR_P_MASK |
	       (in->avl & 1) << ACCESS_AVL_SHIFT | (in->l & 1) << ACCESS_L_SHIFT |
	       (in->db & 1) << ACCESS_DB_SHIFT | (in->g & 1) << ACCESS_G_SHIFT;
}

void vmx_set_segment(struct vcpu *vcpu, unsigned int seg, const struct kvm_segment *in)
{
	vmcs_write(segment_field(seg, GUEST_ES_SELECTOR), in->selector);
	vmcs_write(segment_field(seg, GUEST_ES_BASE), in->base);
	vmcs_write(segment_field(seg, GUEST_ES_LIMIT), in->limit);
	vmcs_write(segment_field(seg, GUEST_ES_AR_BYTES), segment_access(seg, in));
	if (seg == VMM_SEG_TR && to_vmx(vcpu)->efer & EFER_LMA)
		fix_long_mode_tr();
}

void vmx_get_table(struct vcpu *vcpu, enum vmm_table which, struct kvm_dtable *out)
{
	*out = (struct kvm_dtable){
		.base = vmcs_read(which == VMM_GDT ? GUEST_GDTR_BASE : GUEST_IDTR_BASE),
		.limit = vmcs_read(which == VMM_GDT ? GUEST_GDTR_LIMIT : GUEST_IDTR_LIMIT),
	};
}

void vmx_set_table(struct vcpu *vcpu, enum vmm_table which, const struct kvm_dtable *in)
{
	vmcs_write(which == VMM_GDT ? GUEST_GDTR_BASE : GUEST_IDTR_BASE, in->base);
	vmcs_write(which == VMM_GDT ? GUEST_GDTR_LIMIT : GUEST_IDTR_LIMIT, in->limit);
}

/* The DPL of SS is the CPL in every mode (SDM vol 3, 25.4.1). */
unsigned int vmx_get_cpl(struct vcpu *vcpu)
{
	return VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));
}

static __always_inline u64 lazy_reg(struct vcpu *vcpu, unsigned int reg, u32 field)
{
	if (!(vcpu->regs_avail & BIT(reg))) {
		vcpu->regs_avail |= BIT(reg);
		vcpu->regs[reg] = vmcs_read(field);
	}
	return vcpu->regs[reg];
}

/* What code depends on: after an exit that is no instruction's mostly none has been read yet. */
static __always_inline void read_for_code(struct vcpu_vmx *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if (unlikely(vcpu->regs_avail | vmx->interruptibility_read)) {
		lazy_reg(vcpu, VMM_REG_RIP, GUEST_RIP);
		lazy_reg(vcpu, VMM_REG_RFLAGS, GUEST_RFLAGS);
		lazy_reg(vcpu, VMM_REG_CR3, GUEST_CR3);
		vmx_interruptibility(vmx);
		return;
	}
	vcpu->regs[VMM_REG_RIP] = vmcs_read(GUEST_RIP);
	vcpu->regs[VMM_REG_RFLAGS] = vmcs_read(GUEST_RFLAGS);
	vcpu->regs[VMM_REG_CR3] = vmcs_read(GUEST_CR3);
	vcpu->regs_avail = BIT(VMM_REG_RIP) | BIT(VMM_REG_RFLAGS) | BIT(VMM_REG_CR3);
	vmx->interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	vmx->interruptibility_read = true;
}

void vmx_get_code(struct vcpu *vcpu, struct vmm_code *code)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u32 cs = vmcs_read(GUEST_CS_AR_BYTES);
	u64 rip;

	read_for_code(vmx);
	rip = vcpu->regs[VMM_REG_RIP];

	/* A fetch depends on none of the bits that the guest changes without an exit. */
	code->cr0 = vmx->written.cr0_shadow & ~VMX_CR0_GUEST_OWNED;
	code->cr3 = vcpu->regs[VMM_REG_CR3];
	code->cr4 = vmx->written.cr4_shadow & ~vmx->written.cr4_guest_owned;
	code->plain = !((vmx->interruptibility & VMX_SHADOW) |
			(vcpu->regs[VMM_REG_RFLAGS] & X86_EFLAGS_TF));
	if (vmx->efer & EFER_LMA && cs & BIT(ACCESS_L_SHIFT)) {
		code->mode = DECODE_64;
		code->address = rip;
		return;
	}
	code->mode = cs & BIT(ACCESS_DB_SHIFT) && code->cr0 & X86_CR0_PE ? DECODE_32 : DECODE_16;
	code->address = (u32)(vmcs_read(GUEST_CS_BASE) + rip);
}

unsigned int vmx_get_mode(struct vcpu *vcpu)
{
	unsigned int mode = VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));

	if (to_vmx(vcpu)->efer & EFER_LMA && vmcs_read(GUEST_CS_AR_BYTES) & BIT(ACCESS_L_SHIFT))
		mode |= VMM_MODE_64BIT;
	return mode;
}

/* -- MSRs -- */

static const struct {
	u32 msr;
	u32 field;
} vmcs_msrs[] = {
	{ MSR_FS_BASE, GUEST_FS_BASE },
	{ MSR_GS_BASE, GUEST_GS_BASE },
	{ MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS },
	{ MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP },
	{ MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP },
	{ MSR_IA32_CR_PAT, GUEST_IA32_PAT },
	{ MSR_IA32_DEBUGCTLMSR, GUEST_IA32_DEBUGCTL },
};

static u32 field_of_msr(u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmcs_msrs); i++)
		if (vmcs_msrs[i].msr == index)
			return vmcs_msrs[i].field;
	return 0;
}

/* Where the MSR's value is kept in memory, or NULL. */
static u64 *msr_slot(struct vcpu_vmx *vmx, u32 index)
{
	switch (index) {
	case MSR_STAR:
		return &vmx->user_msr[VMX_USER_STAR];
	case MSR_LSTAR:
		return &vmx->user_msr[VMX_USER_LSTAR];
	case MSR_SYSCALL_MASK:
		return &vmx->user_msr[VMX_USER_SFMASK];
	case MSR_TSC_AUX:
		return &vmx->user_msr[VMX_USER_TSC_AUX];
	case MSR_CSTAR:
		return &vmx->cstar;
	case MSR_IA32_SPEC_CTRL:
		return &vmx->transition.guest_spec_ctrl;
	default:
		return NULL;
	}
}

static u64 get_kernel_gs_base(struct vcpu_vmx *vmx)
{
	u64 value;

	preempt_disable();
	if (vmx->guest_msrs)
		rdmsrl(MSR_KERNEL_GS_BASE, value);
	else
		value = vmx->kernel_gs_base;
	preempt_enable();
	return value;
}

static void set_kernel_gs_base(struct vcpu_vmx *vmx, u64 value)
{
	preempt_disable();
	vmx->kernel_gs_base = value;
	if (vmx->guest_msrs)
		wrmsrl(MSR_KERNEL_GS_BASE, value);
	preempt_enable();
}

int vmx_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	const u64 *slot = msr_slot(vmx, index);
	u32 field = field_of_msr(index);

	if (slot)
		*value = *slot;
	else if (field)
		*value = vmcs_read(field);
	else if (index == MSR_KERNEL_GS_BASE)
		*value = get_kernel_gs_base(vmx);
	else
		return 1;
	return 0;
}

int vmx_set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u64 *slot = msr_slot(vmx, index);
	u32 field = field_of_msr(index);

	if (slot) {
		*slot = value;
		if (index == MSR_IA32_SPEC_CTRL && value)
			vmx_open_spec_ctrl(vmx);
		else
			vmx_refresh_user_msrs(vmx);
	} else if (field) {
		vmcs_write(field, value);
	} else if (index == MSR_KERNEL_GS_BASE) {
		set_kernel_gs_base(vmx, value);
	} else {
		return 1;
	}
	return 0;
}

/* -- reset (SDM vol 3, table 10-1) -- */

#define RESET_CS_SELECTOR 0xf000
#define RESET_CS_BASE 0xffff0000
#define RESET_RIP 0xfff0
#define RESET_LIMIT 0xffff
#define RESET_DR7 0x400
#define RESET_PAT 0x0007040600070406ull
#define RESET_CR0 (X86_CR0_CD | X86_CR0_NW | X86_CR0_ET)

static void reset_segments(struct vcpu *vcpu)
{
	static const struct kvm_segment data = {
		.limit = RESET_LIMIT, .type = 3, .present = 1, .s = 1
	};
	static const struct kvm_segment code = { .selector = RESET_CS_SELECTOR,
						 .base = RESET_CS_BASE,
						 .limit = RESET_LIMIT,
						 .type = 11,
						 .present = 1,
						 .s = 1 };
	static const struct kvm_segment ldtr = { .limit = RESET_LIMIT, .type = 2, .present = 1 };
	static const struct kvm_segment tr = { .limit = RESET_LIMIT, .type = 11, .present = 1 };
	static const struct kvm_dtable table = { .limit = RESET_LIMIT };
	unsigned int seg;

	for (seg = VMM_SEG_ES; seg <= VMM_SEG_GS; seg++)
		vmx_set_segment(vcpu, seg, seg == VMM_SEG_CS ? &code : &data);
	vmx_set_segment(vcpu, VMM_SEG_LDTR, &ldtr);
	vmx_set_segment(vcpu, VMM_SEG_TR, &tr);
	vmx_set_table(vcpu, VMM_GDT, &table);
	vmx_set_table(vcpu, VMM_IDT, &table);
}

/* An INIT leaves the MSRs as they are. */
static void reset_msrs(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmcs_msrs); i++)
		vmcs_write(vmcs_msrs[i].field, 0);
	vmcs_write(GUEST_IA32_PAT, RESET_PAT);
	memset(vmx->user_msr, 0, sizeof(vmx->user_msr));
	vmx->cstar = 0;
	vmx->transition.guest_spec_ctrl = 0;
	vmx_refresh_user_msrs(vmx);
	set_kernel_gs_base(vmx, 0);
}

void vmx_reset(struct vcpu *vcpu, bool init)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u64 caching = X86_CR0_CD | X86_CR0_NW;

	write_guest_efer(vmx, 0);
	/* An INIT leaves CD and NW too. */
	write_guest_cr0(vcpu, init ? (vmx->written.cr0_shadow & caching) | X86_CR0_ET : RESET_CR0);
	write_guest_cr4(vcpu, 0);
	reset_segments(vcpu);
	if (!init)
		reset_msrs(vcpu);
	vcpu_set_reg(vcpu, VMM_REG_RIP, RESET_RIP);
	vcpu_set_reg(vcpu, VMM_REG_RFLAGS, X86_EFLAGS_FIXED);
	vcpu_set_reg(vcpu, VMM_REG_RSP, 0);
	vcpu_set_reg(vcpu, VMM_REG_CR3, 0);
	vmx_set_dr7(vcpu, RESET_DR7);
	vmcs_write(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx_set_shadow(vcpu, 0);
	vmx_set_nmi_masked(vcpu, false);
	/* What the old state left in the TLB is tagged as this vCPU's. */
	backend->flush_tlb(vcpu);
}
