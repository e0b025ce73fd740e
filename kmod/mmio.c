// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "backend.h"
#include "exit.h"
#include "irq/lapic.h"
#include "linear.h"
#include "mmio.h"
#include "vm.h"
#include "x86/fpu.h"

/* Iterations of a rep instruction before the guest's interrupts get a chance. */
#define REPEAT_BURST 64

/* -- the vCPU as the emulator sees it -- */

static u64 op_read_reg(void *ctx, unsigned int n)
{
	return vcpu_reg(ctx, n);
}

static void op_write_reg(void *ctx, unsigned int n, u64 value)
{
	vcpu_set_reg(ctx, n, value);
}

static u64 op_get_rip(void *ctx)
{
	return vcpu_rip(ctx);
}

static void op_set_rip(void *ctx, u64 rip)
{
	vcpu_set_reg(ctx, VMM_REG_RIP, rip);
}

static u64 op_get_rflags(void *ctx)
{
	return vcpu_rflags(ctx);
}

static void op_set_rflags(void *ctx, u64 rflags)
{
	vcpu_set_reg(ctx, VMM_REG_RFLAGS, rflags);
}

static u64 op_get_cr(void *ctx, unsigned int n)
{
	return n == 0 ? vcpu_cr0(ctx) : vcpu_cr4(ctx);
}

static void op_get_seg(void *ctx, unsigned int seg, struct kvm_segment *out)
{
	backend->get_segment(ctx, seg, out);
}

static void op_read_vec(void *ctx, unsigned int n, void *buf, unsigned int len)
{
	fpu_read_vec(ctx, n, buf, len);
}

static void op_write_vec(void *ctx, unsigned int n, const void *buf, unsigned int len, bool clear)
{
	fpu_write_vec(ctx, n, buf, len, clear);
}

static int op_translate(void *ctx, u64 gva, unsigned int access, u64 *gpa, struct walk_fault *fault)
{
	struct vcpu *vcpu = ctx;

	/* The hardware has just walked to this page, for a read or a write: a read says nothing of
	 * writing. */
	if (vcpu->mmio_gva_valid && !((gva ^ vcpu->mmio_gva) & PAGE_MASK) &&
	    (vcpu->mmio_write || !(access & WALK_WRITE))) {
		*gpa = (vcpu->mmio_gpa & PAGE_MASK) | offset_in_page(gva);
		return 0;
	}
	return linear_translate(vcpu, gva, access, gpa, fault);
}

static bool is_tpr(u64 gpa)
{
	return offset_in_page(gpa) >> 4 == LAPIC_TPR >> 4;
}

/* The LAPIC page lies over everything, then memory, then the kernel's devices, and userspace gets
 * the rest. */
static int op_mem_read(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	struct vcpu *vcpu = ctx;
	u64 value;

	if (vcpu->lapic && lapic_claims(vcpu->lapic, gpa)) {
		if (unlikely(vcpu->vapic.report) && is_tpr(gpa))
			vapic_report(vcpu, false);
		value = lapic_mmio_read(vcpu->lapic, offset_in_page(gpa), len);
		memcpy(buf, &value, len);
		return EMULATE_RAM;
	}
	if (!guest_read(&vcpu->vm->mmu, gpa, buf, len))
		return EMULATE_RAM;
	return iobus_read(&vcpu->vm->mmio, gpa, len, buf) ? EMULATE_MMIO : EMULATE_RAM;
}

static int op_mem_write(void *ctx, u64 gpa, const void *buf, unsigned int len)
{
	struct vcpu *vcpu = ctx;
	u64 value = 0;

	if (vcpu->lapic && lapic_claims(vcpu->lapic, gpa)) {
		if (unlikely(vcpu->vapic.report) && is_tpr(gpa))
			vapic_report(vcpu, true);
		memcpy(&value, buf, len);
		lapic_mmio_write(vcpu->lapic, offset_in_page(gpa), len, value);
		return EMULATE_RAM;
	}
	if (!guest_write(&vcpu->vm->mmu, gpa, buf, len))
		return EMULATE_RAM;
	return iobus_write(&vcpu->vm->mmio, gpa, len, buf) ? EMULATE_MMIO : EMULATE_RAM;
}

const struct emulate_ops mmio_emulate_ops = {
	.read_reg = op_read_reg,
	.write_reg = op_write_reg,
	.get_rip = op_get_rip,
	.set_rip = op_set_rip,
	.get_rflags = op_get_rflags,
	.set_rflags = op_set_rflags,
	.get_cr = op_get_cr,
	.get_seg = op_get_seg,
	.read_vec = op_read_vec,
	.write_vec = op_write_vec,
	.translate = op_translate,
	.mem_read = op_mem_read,
	.mem_write = op_mem_write,
};

/* -- the exit -- */

static int ask_userspace(struct vcpu *vcpu, bool write)
{
	const struct emulator *em = &vcpu->emulator;
	struct kvm_run *run = vcpu->run;

	vcpu->stats.mmio_exits++;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = em->gpa;
	run->mmio.len = em->size;
	run->mmio.is_write = write;
	if (write)
		memcpy(run->mmio.data, em->data, em->size);
	vcpu->pending = VCPU_PENDING_MMIO;
	return 0;
}

/* Steps until the instruction is done or userspace has to answer. */
static int drive(struct vcpu *vcpu)
{
	struct emulator *em = &vcpu->emulator;
	unsigned int burst = 0;

	for (;;) {
		switch (emulate_step(em)) {
		case EMULATE_DONE:
			return exit_insn_done(vcpu);
		case EMULATE_REPEAT:
			if (++burst == REPEAT_BURST || need_resched() || signal_pending(current)) {
				emulate_cancel(em);
				return 1;
			}
			break;
		case EMULATE_READ:
			return ask_userspace(vcpu, false);
		case EMULATE_WRITE:
			return ask_userspace(vcpu, true);
		case EMULATE_FAULT:
			linear_raise(vcpu, &em->fault);
			return 1;
		case EMULATE_UNHANDLED:
			if (em->error == -EAGAIN)
				return 1;
			return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, NULL, 0);
		}
	}
}

/* -- plain stores, which is how devices are driven, need no emulator -- */

/* Does the store begin where it faulted, and not on the page before, in memory? */
static bool begins_here(struct vcpu *vcpu, const struct x86_insn *insn)
{
	u64 gva = vcpu->exit.memory.gva, address;
	struct walk_fault fault;

	if (offset_in_page(gva))
		return true;
	return !emulate_linear_address(insn, &insn->dst, insn->memsize, WALK_WRITE,
				       &mmio_emulate_ops, vcpu, &address, &fault) &&
	       address == gva;
}

static bool is_store(struct vcpu *vcpu, const struct x86_insn *insn)
{
	const struct vmm_exit *exit = &vcpu->exit;

	/* The hardware has made all checks up to the store, whose address it tells. */
	return decode_is_store(insn) && exit->memory.gva_valid && exit->memory.access & MMU_WRITE &&
	       offset_in_page(exit->memory.gva) + insn->memsize <= PAGE_SIZE &&
	       offset_in_page(exit->memory.gva) == offset_in_page(exit->memory.gpa) &&
	       !vcpu->vapic.report && begins_here(vcpu, insn);
}

static const void *store_data(struct vcpu *vcpu, const struct x86_insn *insn)
{
	if (insn->src.kind == OPND_IMM)
		return &insn->imm;
	vcpu_reg(vcpu, insn->src.reg);
	return &vcpu->regs[insn->src.reg];
}

static int store_to_user(struct vcpu *vcpu, const struct x86_insn *insn)
{
	struct kvm_run *run = vcpu->run;

	vcpu->stats.mmio_exits++;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = vcpu->exit.memory.gpa;
	run->mmio.len = insn->memsize;
	run->mmio.is_write = true;
	memcpy(run->mmio.data, store_data(vcpu, insn), insn->memsize);
	vcpu->exit.insn_len = insn->len;
	vcpu->store_rip = vcpu_rip(vcpu);
	vcpu->pending = VCPU_PENDING_STORE;
	return 0;
}

static int store(struct vcpu *vcpu, const struct x86_insn *insn)
{
	const void *data = store_data(vcpu, insn);

	if (op_mem_write(vcpu, vcpu->exit.memory.gpa, data, insn->memsize) != EMULATE_RAM)
		return store_to_user(vcpu, insn);
	vcpu->exit.insn_len = insn->len;
	return exit_skip_insn(vcpu);
}

/* Those registers of the LAPIC that exit_fast.c knows as MSRs. */
static bool store_to_lapic(struct vcpu *vcpu, const struct x86_insn *insn)
{
	unsigned int offset = offset_in_page(vcpu->exit.memory.gpa);

	if (insn->memsize != sizeof(u32))
		return false;
	switch (offset) {
	case LAPIC_EOI:
		lapic_eoi(vcpu->lapic);
		return true;
	case LAPIC_TPR:
	case LAPIC_ICR:
	case LAPIC_ICR_HIGH:
		lapic_mmio_write(vcpu->lapic, offset, sizeof(u32),
				 *(const u32 *)store_data(vcpu, insn));
		return true;
	}
	return false;
}

static noinline bool computed_at_gpa(struct vcpu *vcpu, const struct x86_insn *insn)
{
	struct walk_fault fault;
	u64 address;

	return !emulate_linear_address(insn, &insn->dst, insn->memsize, WALK_WRITE,
				       &mmio_emulate_ops, vcpu, &address, &fault) &&
	       offset_in_page(address) == offset_in_page(vcpu->exit.memory.gpa);
}

/*
 * The store begins where the exit says. At the start of a page it may be the rest of one that began
 * on the page before; and without a linear address nobody promises that gpa is the first byte.
 */
static bool begins_at_gpa(struct vcpu *vcpu, const struct decoded *decoded)
{
	const struct x86_insn *insn = &decoded->insn;
	u64 address;

	if (unlikely(!decoded->base_only))
		return computed_at_gpa(vcpu, insn);
	address = insn->disp;
	if (insn->base != INSN_NO_REG)
		address += vcpu_reg(vcpu, insn->base);
	return offset_in_page(address) == offset_in_page(vcpu->exit.memory.gpa);
}

static bool store_fast(struct vcpu *vcpu, const struct memslots *slots, bool lapic)
{
	u64 gpa = vcpu->exit.memory.gpa;
	const struct decoded *decoded;
	const struct x86_insn *insn;

	backend->get_code(vcpu, &vcpu->code);
	if (!vcpu->code.plain)
		return false;
	decoded = fetch_known(vcpu, slots);
	if (!decoded || !decoded->store)
		return false;
	insn = &decoded->insn;
	if (offset_in_page(gpa) + insn->memsize > PAGE_SIZE ||
	    (!(vcpu->exit.memory.gva_valid && offset_in_page(gpa)) &&
	     !begins_at_gpa(vcpu, decoded)))
		return false;
	if (lapic) {
		if (!store_to_lapic(vcpu, insn))
			return false;
	} else if (iobus_write_held(&vcpu->vm->mmio, gpa, insn->memsize, store_data(vcpu, insn))) {
		vcpu->refused_store = decoded;
		return false;
	}
	vcpu->exit.insn_len = insn->len;
	return true;
}

bool mmio_exit_fast(struct vcpu *vcpu)
{
	const struct vmm_exit *exit = &vcpu->exit;
	struct mmu *mmu = &vcpu->vm->mmu;
	bool lapic, done = false;
	struct memslots *slots;
	int idx;

	lapic = vcpu->lapic && lapic_claims(vcpu->lapic, exit->memory.gpa);
	if (!lapic && exit->memory.gpa >> PAGE_SHIFT != vcpu->mmio_gfn)
		return false;
	if (!exit->memory.data || !(exit->memory.access & MMU_WRITE) || vcpu->requeue.valid ||
	    vcpu->vapic.report)
		return false;
	idx = srcu_read_lock(&mmu->srcu);
	slots = srcu_dereference(mmu->slots, &mmu->srcu);
	if (lapic || slots->generation == vcpu->mmio_slots)
		done = store_fast(vcpu, slots, lapic);
	srcu_read_unlock(&mmu->srcu, idx);
	return done;
}

void mmio_note_gfn(struct vcpu *vcpu)
{
	u64 gfn = vcpu->exit.memory.gpa >> PAGE_SHIFT;
	struct mmu *mmu = &vcpu->vm->mmu;
	int idx = srcu_read_lock(&mmu->srcu);
	struct memslots *slots = srcu_dereference(mmu->slots, &mmu->srcu);

	if (!memslot_find(slots, gfn)) {
		vcpu->mmio_gfn = gfn;
		vcpu->mmio_slots = slots->generation;
	}
	srcu_read_unlock(&mmu->srcu, idx);
}

int mmio_refused(struct vcpu *vcpu)
{
	const struct decoded *store = vcpu->refused_store;

	vcpu->refused_store = NULL;
	return store_to_user(vcpu, &store->insn);
}

int mmio_store_complete(struct vcpu *vcpu)
{
	/* Userspace moved the vCPU elsewhere: the instruction is not ours to finish. */
	return vcpu_rip(vcpu) == vcpu->store_rip ? exit_skip_insn(vcpu) : 1;
}

int mmio_exit(struct vcpu *vcpu)
{
	u8 bytes[INSN_MAX_LEN];
	struct x86_insn insn;
	unsigned int len;
	int r;

	/* A stack, descriptor table or page table in device memory: hardware would carry on, we say
	 * so. */
	if (vcpu->requeue.valid)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV, NULL, 0);
	r = linear_fetch(vcpu, &insn, bytes, &len);
	if (r > 0)
		return 1;
	if (r < 0 || !decode_is_memory(&insn) || vcpu->exit.memory.walk)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, bytes, len);
	if (likely(is_store(vcpu, &insn)))
		return store(vcpu, &insn);
	vcpu->mmio_gpa = vcpu->exit.memory.gpa;
	vcpu->mmio_gva = vcpu->exit.memory.gva;
	vcpu->mmio_gva_valid = vcpu->exit.memory.gva_valid;
	vcpu->mmio_write = vcpu->exit.memory.access & MMU_WRITE;
	emulate_start(&vcpu->emulator, &insn, &mmio_emulate_ops, vcpu);
	return drive(vcpu);
}

int mmio_complete(struct vcpu *vcpu)
{
	struct emulator *em = &vcpu->emulator;
	struct kvm_run *run = vcpu->run;

	if (!emulate_pending(em))
		return 1;
	if (!run->mmio.is_write)
		memcpy(em->data, run->mmio.data, em->size);
	return drive(vcpu);
}
