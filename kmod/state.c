// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "backend.h"
#include "irq/apic_msg.h"
#include "irq/lapic.h"
#include "linear.h"
#include "state.h"
#include "vm.h"
#include "x86/dr.h"
#include "x86/fpu.h"
#include "x86/msr.h"

/* -- control registers -- */

#define CR0_DEFINED                                                                    \
	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | \
	 X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

/* What of a change makes the CPU drop its translations (SDM vol 3, 4.10.4.1). */
#define CR0_FLUSHES (X86_CR0_PG | X86_CR0_WP)
#define CR4_FLUSHES                                                                              \
	(X86_CR4_PGE | X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP | \
	 X86_CR4_LA57)

static bool cr0_valid(u64 cr0)
{
	if (cr0 & ~(u64)U32_MAX)
		return false;
	if (cr0 & X86_CR0_NW && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || cr0 & X86_CR0_PE;
}

static bool cr4_valid(struct vcpu *vcpu, u64 cr4)
{
	return !(cr4 & vcpu->has.cr4_reserved);
}

static bool cr3_valid(struct vcpu *vcpu, u64 cr3)
{
	return !(cr3 >> vcpu->has.maxphyaddr);
}

bool state_64bit(struct vcpu *vcpu)
{
	return backend->get_mode(vcpu) & VMM_MODE_64BIT;
}

static void load_cr0(struct vcpu *vcpu, u64 cr0)
{
	u64 old = vcpu_cr0(vcpu), efer = vcpu->efer & ~EFER_LMA;

	cr0 = (cr0 & CR0_DEFINED) | X86_CR0_ET;
	if (efer & EFER_LME && cr0 & X86_CR0_PG)
		efer |= EFER_LMA;
	vcpu->regs[VMM_REG_CR0] = cr0;
	vcpu->regs_avail |= BIT(VMM_REG_CR0);
	if (efer != vcpu->efer) {
		vcpu->efer = efer;
		backend->set_efer(vcpu, efer);
	}
	backend->set_cr0(vcpu, cr0);
	if ((old ^ cr0) & CR0_FLUSHES)
		vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
}

static void load_cr4(struct vcpu *vcpu, u64 cr4)
{
	u64 old = vcpu_cr4(vcpu);

	vcpu->regs[VMM_REG_CR4] = cr4;
	vcpu->regs_avail |= BIT(VMM_REG_CR4);
	backend->set_cr4(vcpu, cr4);
	vcpu->cr4_set = cr4;
	fpu_update_xcr0(vcpu);
	if ((old ^ cr4) & CR4_FLUSHES)
		vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
}

int state_set_cr0(struct vcpu *vcpu, u64 cr0)
{
	u64 old = vcpu_cr0(vcpu);

	if (!cr0_valid(cr0))
		return -EINVAL;
	if (cr0 & X86_CR0_PG && !(old & X86_CR0_PG) && vcpu->efer & EFER_LME) {
		struct kvm_segment cs;

		backend->get_segment(vcpu, VMM_SEG_CS, &cs);
		if (!(vcpu_cr4(vcpu) & X86_CR4_PAE) || cs.l)
			return -EINVAL;
	}
	if (!(cr0 & X86_CR0_PG) && old & X86_CR0_PG &&
	    (vcpu_cr4(vcpu) & X86_CR4_PCIDE || state_64bit(vcpu)))
		return -EINVAL;
	load_cr0(vcpu, cr0);
	return 0;
}

int state_set_cr3(struct vcpu *vcpu, u64 cr3)
{
	/* Bit 63 with PCIDE says only that translations may be kept (SDM vol 3, 4.10.4.1). */
	if (vcpu_cr4(vcpu) & X86_CR4_PCIDE)
		cr3 &= ~X86_CR3_PCID_NOFLUSH;
	if (!(vcpu->efer & EFER_LMA))
		cr3 = (u32)cr3;
	else if (!cr3_valid(vcpu, cr3))
		return -EINVAL;
	vcpu_set_reg(vcpu, VMM_REG_CR3, cr3);
	vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
	return 0;
}

int state_set_cr4(struct vcpu *vcpu, u64 cr4)
{
	u64 old = vcpu_cr4(vcpu);

	if (!cr4_valid(vcpu, cr4))
		return -EINVAL;
	if (vcpu->efer & EFER_LMA && (!(cr4 & X86_CR4_PAE) || (old ^ cr4) & X86_CR4_LA57))
		return -EINVAL;
	if (cr4 & X86_CR4_PCIDE && !(old & X86_CR4_PCIDE) &&
	    (!(vcpu->efer & EFER_LMA) || vcpu_cr3(vcpu) & X86_CR3_PCID_MASK))
		return -EINVAL;
	load_cr4(vcpu, cr4);
	return 0;
}

u64 state_get_cr8(struct vcpu *vcpu)
{
	return vcpu->lapic ? lapic_get_cr8(vcpu->lapic) : vcpu->cr8;
}

int state_set_cr8(struct vcpu *vcpu, u64 cr8)
{
	if (cr8 & ~0xfull)
		return -EINVAL;
	if (vcpu->lapic)
		lapic_set_cr8(vcpu->lapic, cr8);
	else
		vcpu->cr8 = cr8;
	return 0;
}

int state_set_efer(struct vcpu *vcpu, u64 efer)
{
	if (efer & vcpu->has.efer_reserved)
		return -EINVAL;
	if ((efer ^ vcpu->efer) & EFER_LME && vcpu_cr0(vcpu) & X86_CR0_PG)
		return -EINVAL;
	/* LMA follows LME and CR0.PG; what is written to it counts for nothing. */
	efer = (efer & ~EFER_LMA) | (vcpu->efer & EFER_LMA);
	if ((efer ^ vcpu->efer) & EFER_NX)
		vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
	vcpu->efer = efer;
	backend->set_efer(vcpu, efer);
	return 0;
}

/* -- CPUID and what follows from it -- */

/* CR4 bits and the CPUID bit that gives each to the guest (SDM vol 3, 2.5). */
static const struct {
	u64 bit;
	u32 leaf;
	enum cpuid_reg reg;
	u8 cpuid_bit;
} cr4_features[] = {
	{ X86_CR4_VME | X86_CR4_PVI, 1, CPUID_REG_EDX, 1 },
	{ X86_CR4_TSD, 1, CPUID_REG_EDX, 4 },
	{ X86_CR4_DE, 1, CPUID_REG_EDX, 2 },
	{ X86_CR4_PSE, 1, CPUID_REG_EDX, 3 },
	{ X86_CR4_PAE, 1, CPUID_REG_EDX, 6 },
	{ X86_CR4_PGE, 1, CPUID_REG_EDX, 13 },
	{ X86_CR4_OSFXSR, 1, CPUID_REG_EDX, 24 },
	{ X86_CR4_OSXMMEXCPT, 1, CPUID_REG_EDX, 25 },
	{ X86_CR4_PCIDE, 1, CPUID_REG_ECX, 17 },
	{ X86_CR4_OSXSAVE, 1, CPUID_REG_ECX, 26 },
	{ X86_CR4_FSGSBASE, 7, CPUID_REG_EBX, 0 },
	{ X86_CR4_SMEP, 7, CPUID_REG_EBX, 7 },
	{ X86_CR4_SMAP, 7, CPUID_REG_EBX, 20 },
	{ X86_CR4_UMIP, 7, CPUID_REG_ECX, 2 },
	{ X86_CR4_LA57, 7, CPUID_REG_ECX, 16 },
};

static u64 cr4_reserved(const struct cpuid_table *cpuid)
{
	u64 reserved = ~vmm_caps.cr4_allowed;
	unsigned int i;

	/* Nothing said yet: whatever the host has, as userspace expects of a new vCPU. */
	if (!cpuid->n)
		return reserved;
	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (!cpuid_has(cpuid, cr4_features[i].leaf, 0, cr4_features[i].reg,
			       cr4_features[i].cpuid_bit))
			reserved |= cr4_features[i].bit;
	return reserved;
}

static u64 efer_reserved(const struct cpuid_table *cpuid)
{
	u64 allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;

	if (cpuid->n && !cpuid_has(cpuid, 0x80000001, 0, CPUID_REG_EDX, 11))
		allowed &= ~EFER_SCE;
	if (cpuid->n && !cpuid_has(cpuid, 0x80000001, 0, CPUID_REG_EDX, 29))
		allowed &= ~(EFER_LME | EFER_LMA);
	if (cpuid->n && !cpuid_has(cpuid, 0x80000001, 0, CPUID_REG_EDX, 20))
		allowed &= ~EFER_NX;
	return ~allowed;
}

/* Without KVM's quirk CPUID says that there is MWAIT when IA32_MISC_ENABLE does. */
void state_update_mwait(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nr)
{
	u32 i;

	if (!(READ_ONCE(vcpu->vm->quirks_disabled) & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		return;
	for (i = 0; i < nr; i++) {
		if (entries[i].function != 1)
			continue;
		entries[i].ecx &= ~BIT(3);
		if (vcpu->msr.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT)
			entries[i].ecx |= BIT(3);
	}
}

int state_set_cpuid(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nr)
{
	struct vcpu_features *has = &vcpu->has;
	int r;

	state_update_mwait(vcpu, entries, nr);
	/* What runs was told what CPU it is on; the same once more does no harm. */
	if (vcpu->entered) {
		if (!cpuid_table_equal(&vcpu->cpuid, entries, nr))
			return -EINVAL;
		kvfree(entries);
		return 0;
	}
	r = cpuid_validate(entries, nr);
	if (r)
		return r;
	kvfree(vcpu->cpuid_entries);
	vcpu->cpuid_entries = entries;
	cpuid_table_init(&vcpu->cpuid, entries, nr);
	has->cr4_reserved = cr4_reserved(&vcpu->cpuid);
	has->efer_reserved = efer_reserved(&vcpu->cpuid);
	has->xcr0 = fpu_allowed_xcr0() & cpuid_xcr0_supported(&vcpu->cpuid);
	has->maxphyaddr = nr ? cpuid_maxphyaddr(&vcpu->cpuid) : boot_cpu_data.x86_phys_bits;
	has->gbpages = cpuid_has(&vcpu->cpuid, 0x80000001, 0, CPUID_REG_EDX, 26);
	has->pcid = cpuid_has(&vcpu->cpuid, 1, 0, CPUID_REG_ECX, 17);
	has->rdtscp = cpuid_has(&vcpu->cpuid, 0x80000001, 0, CPUID_REG_EDX, 27) ||
		      cpuid_has(&vcpu->cpuid, 7, 0, CPUID_REG_ECX, 22);
	has->pv_features = cpuid_pv_features(&vcpu->cpuid);
	has->x2apic = !nr || cpuid_has(&vcpu->cpuid, 1, 0, CPUID_REG_ECX, 21);
	if (vcpu->lapic)
		lapic_set_base_limits(vcpu->lapic, has->maxphyaddr, has->x2apic);
	return 0;
}

u32 state_reset_rdx(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(&vcpu->cpuid, 1, 0);

	return entry ? entry->eax : 0x600;
}

void state_start_at(struct vcpu *vcpu, u8 vector)
{
	struct kvm_segment cs;

	backend->get_segment(vcpu, VMM_SEG_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	backend->set_segment(vcpu, VMM_SEG_CS, &cs);
	vcpu_set_reg(vcpu, VMM_REG_RIP, 0);
}

/* -- registers -- */

/* struct kvm_regs has its own order. */
static const struct {
	u8 reg;
	u8 offset;
} kvm_regs_layout[] = {
#define ROW(name, field)                                         \
	{                                                        \
		VMM_REG_##name, offsetof(struct kvm_regs, field) \
	}
	ROW(RAX, rax), ROW(RBX, rbx), ROW(RCX, rcx),	   ROW(RDX, rdx), ROW(RSI, rsi),
	ROW(RDI, rdi), ROW(RSP, rsp), ROW(RBP, rbp),	   ROW(R8, r8),	  ROW(R9, r9),
	ROW(R10, r10), ROW(R11, r11), ROW(R12, r12),	   ROW(R13, r13), ROW(R14, r14),
	ROW(R15, r15), ROW(RIP, rip), ROW(RFLAGS, rflags),
#undef ROW
};

long state_get_regs(void *object, void *data)
{
	struct vcpu *vcpu = object;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kvm_regs_layout); i++)
		*(__u64 *)(data + kvm_regs_layout[i].offset) =
			vcpu_reg(vcpu, kvm_regs_layout[i].reg);
	return 0;
}

long state_set_regs(void *object, void *data)
{
	struct vcpu *vcpu = object;
	struct kvm_regs *regs = data;
	unsigned int i;

	regs->rflags |= X86_EFLAGS_FIXED;
	for (i = 0; i < ARRAY_SIZE(kvm_regs_layout); i++)
		vcpu_set_reg(vcpu, kvm_regs_layout[i].reg,
			     *(__u64 *)(data + kvm_regs_layout[i].offset));
	vcpu->exception.valid = false;
	return 0;
}

static const struct {
	u8 seg;
	u8 offset;
} kvm_sregs_segments[] = {
	{ VMM_SEG_CS, offsetof(struct kvm_sregs, cs) },
	{ VMM_SEG_DS, offsetof(struct kvm_sregs, ds) },
	{ VMM_SEG_ES, offsetof(struct kvm_sregs, es) },
	{ VMM_SEG_FS, offsetof(struct kvm_sregs, fs) },
	{ VMM_SEG_GS, offsetof(struct kvm_sregs, gs) },
	{ VMM_SEG_SS, offsetof(struct kvm_sregs, ss) },
	{ VMM_SEG_TR, offsetof(struct kvm_sregs, tr) },
	{ VMM_SEG_LDTR, offsetof(struct kvm_sregs, ldt) },
};

/*
 * The external interrupt whose delivery is decided, or -1: cut short by an exit, or from KVM_INTERRUPT
 * with no LAPIC that could still hold it back. (INT n is not told: it is executed again.)
 */
static int queued_interrupt(struct vcpu *vcpu)
{
	if (vcpu->requeue.valid && vcpu->requeue.type == VMM_EVENT_INTERRUPT)
		return vcpu->requeue.vector;
	return !vcpu->lapic && vcpu->user_irq.valid ? vcpu->user_irq.vector : -1;
}

long state_get_sregs(void *object, void *data)
{
	struct kvm_sregs *sregs = data;
	struct vcpu *vcpu = object;
	unsigned int i;
	int vector;

	for (i = 0; i < ARRAY_SIZE(kvm_sregs_segments); i++)
		backend->get_segment(vcpu, kvm_sregs_segments[i].seg,
				     data + kvm_sregs_segments[i].offset);
	backend->get_table(vcpu, VMM_GDT, &sregs->gdt);
	backend->get_table(vcpu, VMM_IDT, &sregs->idt);
	sregs->cr0 = vcpu_cr0(vcpu);
	sregs->cr2 = vcpu->cr2;
	sregs->cr3 = vcpu_cr3(vcpu);
	sregs->cr4 = vcpu_cr4(vcpu);
	sregs->cr8 = state_get_cr8(vcpu);
	sregs->efer = vcpu->efer;
	sregs->apic_base = vcpu->lapic ? lapic_get_base(vcpu->lapic) : vcpu->apic_base;
	vector = queued_interrupt(vcpu);
	if (vector >= 0)
		sregs->interrupt_bitmap[vector / 64] |= BIT_ULL(vector % 64);
	return 0;
}

/* The parts must agree with each other before any of them is set. */
static bool sregs_valid(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	if (!cr0_valid(sregs->cr0) || !cr4_valid(vcpu, sregs->cr4) || sregs->cr8 & ~0xfull)
		return false;
	if (sregs->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX))
		return false;
	if (sregs->efer & EFER_LME && sregs->cr0 & X86_CR0_PG)
		return sregs->cr4 & X86_CR4_PAE && sregs->efer & EFER_LMA &&
		       cr3_valid(vcpu, sregs->cr3) && !(sregs->cs.l && sregs->cs.db);
	return !(sregs->efer & EFER_LMA) && !sregs->cs.l;
}

static int set_apic_base(struct vcpu *vcpu, u64 value)
{
	if (vcpu->lapic)
		return lapic_set_base(vcpu->lapic, value, true);
	vcpu->apic_base = value;
	return 0;
}

static void set_user_irq(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	unsigned int vector =
		find_first_bit((const unsigned long *)sregs->interrupt_bitmap, KVM_NR_INTERRUPTS);

	if (vector >= KVM_NR_INTERRUPTS)
		return;
	vcpu->requeue = (struct vmm_event){
		.valid = true,
		.type = VMM_EVENT_INTERRUPT,
		.vector = vector,
	};
	if (!vcpu->lapic) /* the one that state_get_sregs() told */
		vcpu->user_irq.valid = false;
}

long state_set_sregs(void *object, void *data)
{
	struct kvm_sregs *sregs = data;
	struct vcpu *vcpu = object;
	unsigned int i;
	int r;

	if (!sregs_valid(vcpu, sregs))
		return -EINVAL;
	r = set_apic_base(vcpu, sregs->apic_base);
	if (r)
		return r;
	backend->set_table(vcpu, VMM_IDT, &sregs->idt);
	backend->set_table(vcpu, VMM_GDT, &sregs->gdt);
	vcpu->cr2 = sregs->cr2;
	vcpu_set_reg(vcpu, VMM_REG_CR3, sregs->cr3);
	state_set_cr8(vcpu, sregs->cr8);
	vcpu->efer = sregs->efer;
	backend->set_efer(vcpu, sregs->efer);
	load_cr4(vcpu, sregs->cr4);
	load_cr0(vcpu, sregs->cr0);
	for (i = 0; i < ARRAY_SIZE(kvm_sregs_segments); i++)
		backend->set_segment(vcpu, kvm_sregs_segments[i].seg,
				     data + kvm_sregs_segments[i].offset);
	set_user_irq(vcpu, sregs);
	vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
	return 0;
}

/* struct kvm_sregs2 is struct kvm_sregs with other things after the APIC base. */
static_assert(offsetof(struct kvm_sregs2, flags) == offsetof(struct kvm_sregs, interrupt_bitmap));
#define SREGS_COMMON offsetof(struct kvm_sregs, interrupt_bitmap)
#define PDPTRS 4

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return cr0 & X86_CR0_PG && cr4 & X86_CR4_PAE && !(efer & EFER_LMA);
}

static int read_pdptrs(struct vcpu *vcpu, u64 pdptrs[PDPTRS])
{
	if (!backend->get_pdptrs)
		return guest_read(&vcpu->vm->mmu, vcpu_cr3(vcpu) & GENMASK_ULL(31, 5), pdptrs,
				  PDPTRS * sizeof(*pdptrs));
	backend->get_pdptrs(vcpu, pdptrs);
	return 0;
}

long state_get_sregs2(void *object, void *data)
{
	struct kvm_sregs2 *sregs2 = data;
	struct vcpu *vcpu = object;
	struct kvm_sregs sregs = {};

	state_get_sregs(vcpu, &sregs);
	memcpy(sregs2, &sregs, SREGS_COMMON);
	if (!pae_paging(sregs.cr0, sregs.cr4, sregs.efer))
		return 0;
	if (read_pdptrs(vcpu, sregs2->pdptrs))
		memset(sregs2->pdptrs, 0, sizeof(sregs2->pdptrs));
	sregs2->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return 0;
}

long state_set_sregs2(void *object, void *data)
{
	const struct kvm_sregs2 *sregs2 = data;
	struct vcpu *vcpu = object;
	struct kvm_sregs sregs = {};
	long r;

	if (sregs2->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	memcpy(&sregs, sregs2, SREGS_COMMON);
	if (sregs2->flags && !pae_paging(sregs.cr0, sregs.cr4, sregs.efer))
		return -EINVAL;
	r = state_set_sregs(vcpu, &sregs);
	if (!r && sregs2->flags && backend->set_pdptrs)
		backend->set_pdptrs(vcpu, sregs2->pdptrs);
	return r;
}

long state_get_debugregs(void *object, void *data)
{
	struct kvm_debugregs *debugregs = data;
	struct vcpu *vcpu = object;

	memcpy(debugregs->db, vcpu->dr, sizeof(debugregs->db));
	debugregs->dr6 = vcpu->dr6;
	debugregs->dr7 = vcpu->dr7;
	return 0;
}

long state_set_debugregs(void *object, void *data)
{
	struct kvm_debugregs *debugregs = data;
	struct vcpu *vcpu = object;

	if (debugregs->flags || upper_32_bits(debugregs->dr6) || upper_32_bits(debugregs->dr7))
		return -EINVAL;
	memcpy(vcpu->dr, debugregs->db, sizeof(vcpu->dr));
	vcpu->dr6 = debugregs->dr6 | DR6_FIXED;
	vcpu->dr7 = debugregs->dr7 | DR7_FIXED;
	guest_debug_update_dr7(vcpu);
	return 0;
}

/* -- events -- */

static bool is_exception(const struct vmm_event *event)
{
	return event->valid && event->type != VMM_EVENT_INTERRUPT && event->type != VMM_EVENT_NMI &&
	       event->type != VMM_EVENT_SOFT_INTERRUPT;
}

/*
 * Of an exception that was raised here CR2 and DR6 tell already; only what userspace gave has a
 * payload. Without KVM_CAP_EXCEPTION_PAYLOAD one that waits is told as being delivered.
 */
static void get_exception(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	bool payload = READ_ONCE(vcpu->vm->exception_payload), pending = vcpu->exception.valid;
	const struct vmm_event *event = pending ? &vcpu->exception : &vcpu->requeue;

	if (!payload)
		event_deliver_payload(vcpu);
	else
		events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (!is_exception(event))
		return;
	events->exception.pending = payload && pending;
	events->exception.injected = !events->exception.pending;
	events->exception.nr = event->vector;
	events->exception.has_error_code = event->has_error;
	events->exception.error_code = event->error;
	if (pending && vcpu->exception_has_payload) {
		events->exception_has_payload = 1;
		events->exception_payload = vcpu->exception_payload;
	}
}

long state_get_events(void *object, void *data)
{
	struct kvm_vcpu_events *events = data;
	struct vcpu *vcpu = object;
	const struct vmm_event *requeue = &vcpu->requeue;
	int vector = queued_interrupt(vcpu);

	get_exception(vcpu, events);
	if (vector >= 0) {
		events->interrupt.injected = 1;
		events->interrupt.nr = vector;
	}
	events->interrupt.shadow = backend->get_shadow(vcpu);
	events->nmi.injected = requeue->valid && requeue->type == VMM_EVENT_NMI;
	events->nmi.pending = vcpu->nmi_pending || atomic_read(&vcpu->nmi_queued);
	events->nmi.masked = backend->get_nmi_masked(vcpu);
	events->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (READ_ONCE(vcpu->vm->triple_fault_event)) {
		events->triple_fault.pending = vcpu->triple_fault;
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
	return 0;
}

static bool events_valid(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	u32 known = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
		    KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM;
	static const struct kvm_vcpu_events none;

	if (READ_ONCE(vcpu->vm->exception_payload))
		known |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (READ_ONCE(vcpu->vm->triple_fault_event))
		known |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (events->flags & ~known)
		return false;
	/* There is no SMM here to be in. */
	if (events->flags & KVM_VCPUEVENT_VALID_SMM &&
	    memcmp(&events->smi, &none.smi, sizeof(none.smi)))
		return false;
	return !(events->exception.injected || events->exception.pending) ||
	       (events->exception.nr <= 31 && events->exception.nr != X86_TRAP_NMI);
}

static void set_injected(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	struct vmm_event *requeue = &vcpu->requeue;

	*requeue = (struct vmm_event){ .valid = true };
	if (events->exception.injected && !vcpu->exception.valid) {
		requeue->type =
			events->exception.nr == X86_TRAP_BP || events->exception.nr == X86_TRAP_OF ?
				VMM_EVENT_SOFT_EXCEPTION :
				VMM_EVENT_EXCEPTION;
		requeue->vector = events->exception.nr;
		requeue->has_error = events->exception.has_error_code;
		requeue->error = events->exception.error_code;
	} else if (events->nmi.injected) {
		requeue->type = VMM_EVENT_NMI;
		requeue->vector = X86_TRAP_NMI;
	} else if (events->interrupt.injected) {
		requeue->type =
			events->interrupt.soft ? VMM_EVENT_SOFT_INTERRUPT : VMM_EVENT_INTERRUPT;
		requeue->vector = events->interrupt.nr;
	} else {
		requeue->valid = false;
	}
}

static void set_pending_exception(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	bool pending = events->flags & KVM_VCPUEVENT_VALID_PAYLOAD && events->exception.pending;

	vcpu->exception = (struct vmm_event){
		.valid = pending,
		.type = VMM_EVENT_EXCEPTION,
		.vector = events->exception.nr,
		.has_error = events->exception.has_error_code,
		.error = events->exception.error_code,
	};
	vcpu->exception_has_payload = pending && events->exception_has_payload;
	vcpu->exception_payload = events->exception_payload;
}

long state_set_events(void *object, void *data)
{
	struct kvm_vcpu_events *events = data;
	struct vcpu *vcpu = object;

	if (!(events->flags & KVM_VCPUEVENT_VALID_PAYLOAD))
		events->exception.pending = 0;
	if (!events_valid(vcpu, events))
		return -EINVAL;
	set_pending_exception(vcpu, events);
	set_injected(vcpu, events);
	if (!vcpu->lapic) /* told as injected, and so replaced */
		vcpu->user_irq.valid = false;
	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW) {
		backend->set_shadow(vcpu, events->interrupt.shadow);
		vcpu->exit.plain = false;
	}
	if (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		atomic_set(&vcpu->nmi_queued, 0);
		vcpu->nmi_pending = !!events->nmi.pending;
	}
	backend->set_nmi_masked(vcpu, events->nmi.masked);
	if (events->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		vcpu->sipi_vector = events->sipi_vector;
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		vcpu->triple_fault = events->triple_fault.pending;
	return 0;
}

long state_get_mp_state(void *object, void *data)
{
	struct kvm_mp_state *state = data;
	struct vcpu *vcpu = object;

	/* An INIT or SIPI that has come counts, even if the vCPU did not run since. */
	if (vcpu->lapic && lapic_has_events(vcpu->lapic))
		event_take_apic(vcpu);
	state->mp_state = vcpu->mp_state;
	return 0;
}

long state_set_mp_state(void *object, void *data)
{
	const struct kvm_mp_state *state = data;
	struct vcpu *vcpu = object;
	const struct apic_msg sipi = { .mode = APIC_DELIVER_SIPI, .vector = vcpu->sipi_vector };

	switch (state->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
	case KVM_MP_STATE_HALTED:
		if (vcpu->lapic)
			break;
		fallthrough;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = state->mp_state;
	if (state->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		lapic_accept(vcpu->lapic, &sipi);
	}
	return 0;
}

/* -- registers in the run page; userspace may write there at any time -- */

int state_sync_from_user(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;

	if ((dirty | READ_ONCE(run->kvm_valid_regs)) & ~(u64)STATE_SYNC_REGS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		memcpy(&copy.regs, &run->s.regs.regs, sizeof(copy.regs));
		state_set_regs(vcpu, &copy);
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		memcpy(&copy.sregs, &run->s.regs.sregs, sizeof(copy.sregs));
		if (state_set_sregs(vcpu, &copy))
			return -EINVAL;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		memcpy(&copy.events, &run->s.regs.events, sizeof(copy.events));
		if (state_set_events(vcpu, &copy))
			return -EINVAL;
	}
	run->kvm_dirty_regs = 0;
	return 0;
}

void state_sync_to_user(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs);

	if (valid & KVM_SYNC_X86_REGS)
		state_get_regs(vcpu, &run->s.regs.regs);
	if (valid & KVM_SYNC_X86_SREGS) {
		struct kvm_sregs sregs = {};

		state_get_sregs(vcpu, &sregs);
		run->s.regs.sregs = sregs;
	}
	if (valid & KVM_SYNC_X86_EVENTS) {
		struct kvm_vcpu_events events = {};

		state_get_events(vcpu, &events);
		run->s.regs.events = events;
	}
}

long state_translate(void *object, void *data)
{
	struct kvm_translation *translation = data;
	struct vcpu *vcpu = object;
	struct walk_fault fault;
	u64 gpa = 0;

	/* As the kernel of the guest would read it: no permission of user mode is asked for. */
	translation->valid = !linear_translate(vcpu, translation->linear_address,
					       WALK_READ | WALK_IMPLICIT, &gpa, &fault);
	translation->physical_address = translation->valid ? gpa : ~0ull;
	translation->writeable = 1;
	translation->usermode = 0;
	return 0;
}
