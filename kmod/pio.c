// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <asm/processor-flags.h>

#include "backend.h"
#include "dev.h"
#include "exit.h"
#include "linear.h"
#include "mmio.h"
#include "pio.h"
#include "vm.h"

static void *data_page(struct vcpu *vcpu)
{
	return (void *)vcpu->run + VCPU_PIO_PAGE * PAGE_SIZE;
}

/* The data is in, or goes to, the data page, which userspace shares. */
static int ask_userspace(struct vcpu *vcpu)
{
	const struct vcpu_pio *pio = &vcpu->pio;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = pio->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = pio->size;
	run->io.port = pio->port;
	run->io.count = pio->count;
	run->io.data_offset = VCPU_PIO_PAGE * PAGE_SIZE;
	vcpu->pio.rip = vcpu_rip(vcpu);
	vcpu->pending = VCPU_PENDING_PIO;
	return 0;
}

/* -- ports of userspace's devices: that no device in the kernel has one is found once -- */

static u64 *miss_slot(struct vcpu *vcpu, u16 port)
{
	return &vcpu->pio.not_here[port % ARRAY_SIZE(vcpu->pio.not_here)];
}

/* Never 0, since size is not. */
static u64 miss(u32 additions, u16 port, u8 size)
{
	return (u64)additions << 32 | port << 8 | size;
}

static bool is_userspaces(struct vcpu *vcpu, u16 port, u8 size)
{
	return *miss_slot(vcpu, port) == miss(iobus_additions(&vcpu->vm->pio), port, size);
}

static noinline void note_miss(struct vcpu *vcpu, u32 additions, u16 port, u8 size)
{
	if (!iobus_claimed(&vcpu->vm->pio, port, size))
		*miss_slot(vcpu, port) = miss(additions, port, size);
}

/* -- IN, OUT -- */

static void set_rax(struct vcpu *vcpu, u64 value, u8 size)
{
	u64 mask = size == 4 ? ~0ull : (1ull << (8 * size)) - 1;

	vcpu->regs[VMM_REG_RAX] = (vcpu->regs[VMM_REG_RAX] & ~mask) | value;
}

/* Of vcpu->exit.pio alone. */
static int out_to_userspace(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	/* As many of these bytes as the size says. */
	*(u32 *)data_page(vcpu) = vcpu->regs[VMM_REG_RAX];
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = KVM_EXIT_IO_OUT;
	run->io.size = vcpu->exit.pio.size;
	run->io.port = vcpu->exit.pio.port;
	run->io.count = 1;
	run->io.data_offset = VCPU_PIO_PAGE * PAGE_SIZE;
	vcpu->pio.rip = vcpu_rip(vcpu);
	vcpu->pending = VCPU_PENDING_OUT;
	return 0;
}

static int simple(struct vcpu *vcpu)
{
	const struct vcpu_pio *pio = &vcpu->pio;
	struct iobus *bus = &vcpu->vm->pio;
	u32 additions = iobus_additions(bus);
	u64 value = 0;

	if (pio->in) {
		if (is_userspaces(vcpu, pio->port, pio->size))
			return ask_userspace(vcpu);
		if (iobus_read(bus, pio->port, pio->size, &value)) {
			note_miss(vcpu, additions, pio->port, pio->size);
			return ask_userspace(vcpu);
		}
		set_rax(vcpu, value, pio->size);
	} else if (iobus_write(bus, pio->port, pio->size, &vcpu->regs[VMM_REG_RAX])) {
		note_miss(vcpu, additions, pio->port, pio->size);
		return out_to_userspace(vcpu);
	}
	return exit_skip_insn(vcpu);
}

/* -- INS, OUTS: rounds of as many elements as lie in one page -- */

static u64 mask_of(u8 adsize)
{
	return adsize == 8 ? ~0ull : (1ull << (8 * adsize)) - 1;
}

/* The part of a register that the address size names; a 32-bit result clears the upper half. */
static void add_to_reg(struct vcpu *vcpu, unsigned int reg, s64 delta, u8 adsize)
{
	u64 old = vcpu_reg(vcpu, reg), mask = mask_of(adsize), new = (old + delta) & mask;

	vcpu_set_reg(vcpu, reg, adsize == 2 ? (old & ~mask) | new : new);
}

/* A round is done: move the registers on, and leave the instruction when the count is used up. */
static int advance(struct vcpu *vcpu)
{
	const struct vcpu_pio *pio = &vcpu->pio;
	s64 step = (s64)pio->count * pio->size;

	if (vcpu_rflags(vcpu) & X86_EFLAGS_DF)
		step = -step;
	add_to_reg(vcpu, pio->in ? VMM_REG_RDI : VMM_REG_RSI, step, pio->adsize);
	if (pio->rep) {
		add_to_reg(vcpu, VMM_REG_RCX, -(s64)pio->count, pio->adsize);
		if (vcpu_reg(vcpu, VMM_REG_RCX) & mask_of(pio->adsize))
			return 1;
	}
	return exit_skip_insn(vcpu);
}

/* Backwards, one at a time; forwards, to the end of the page, but never less than one. */
static u32 round_size(struct vcpu *vcpu, u64 left)
{
	const struct vcpu_pio *pio = &vcpu->pio;
	u32 room = (PAGE_SIZE - offset_in_page(pio->address)) / pio->size;

	if (vcpu_rflags(vcpu) & X86_EFLAGS_DF)
		return 1;
	return clamp_t(u64, left, 1, max(room, 1u));
}

/* The kernel's devices take element by element; the first one tells whose port it is. */
static int round_in_kernel(struct vcpu *vcpu)
{
	const struct vcpu_pio *pio = &vcpu->pio;
	struct iobus *bus = &vcpu->vm->pio;
	void *data = data_page(vcpu);
	u32 i;
	int r;

	for (i = 0; i < pio->count; i++, data += pio->size) {
		r = pio->in ? iobus_read(bus, pio->port, pio->size, data) :
			      iobus_write(bus, pio->port, pio->size, data);
		if (r)
			return i ? 0 : r;
	}
	return 0;
}

static int finish_round(struct vcpu *vcpu)
{
	struct vcpu_pio *pio = &vcpu->pio;
	struct walk_fault fault;
	int r = 0;

	/* Userspace may have set RCX meanwhile: never past where that ends. */
	if (pio->rep)
		pio->count =
			min_t(u64, pio->count, vcpu_reg(vcpu, VMM_REG_RCX) & mask_of(pio->adsize));
	if (pio->in)
		r = linear_write(vcpu, pio->address, data_page(vcpu), pio->count * pio->size,
				 &fault);
	if (r > 0) {
		linear_raise(vcpu, &fault);
		return 1;
	}
	if (r < 0)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, NULL, 0);
	return advance(vcpu);
}

static noinline int string(struct vcpu *vcpu)
{
	const struct insn_operand *memory;
	struct vcpu_pio *pio = &vcpu->pio;
	u8 bytes[INSN_MAX_LEN];
	struct walk_fault fault;
	struct x86_insn insn;
	unsigned int len;
	u64 left = 1;
	int r;

	r = linear_fetch(vcpu, &insn, bytes, &len);
	if (r > 0)
		return 1;
	if (r < 0 || (insn.op != INSN_INS && insn.op != INSN_OUTS))
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, bytes, len);
	vcpu->exit.insn_len = insn.len;
	pio->in = insn.op == INSN_INS;
	pio->rep = insn.rep != INSN_NO_REP;
	pio->adsize = insn.adsize;
	if (pio->rep)
		left = vcpu_reg(vcpu, VMM_REG_RCX) & mask_of(insn.adsize);
	if (!left)
		return exit_skip_insn(vcpu);
	memory = pio->in ? &insn.dst : &insn.src;
	r = emulate_linear_address(&insn, memory, pio->size, pio->in ? WALK_WRITE : WALK_READ,
				   &mmio_emulate_ops, vcpu, &pio->address, &fault);
	if (r)
		goto fault;
	pio->count = round_size(vcpu, left);
	/* A fault must come before the device is touched. */
	if (pio->in)
		r = linear_check_write(vcpu, pio->address, pio->count * pio->size, &fault);
	else
		r = linear_read(vcpu, pio->address, data_page(vcpu), pio->count * pio->size,
				WALK_READ, &fault);
	if (r)
		goto fault;
	if (round_in_kernel(vcpu))
		return ask_userspace(vcpu);
	return finish_round(vcpu);
fault:
	if (r == -EAGAIN)
		return 1;
	if (r < 0)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, bytes, len);
	linear_raise(vcpu, &fault);
	return 1;
}

int pio_exit(struct vcpu *vcpu)
{
	struct vcpu_pio *pio = &vcpu->pio;

	if (likely(vcpu->exit.refused)) {
		vcpu->exit.refused = false;
		return out_to_userspace(vcpu);
	}
	/* The rest of it string() fills in. */
	pio->port = vcpu->exit.pio.port;
	pio->size = vcpu->exit.pio.size;
	pio->in = vcpu->exit.pio.flags & VMM_PIO_IN;
	pio->string = vcpu->exit.pio.flags & VMM_PIO_STRING;
	pio->count = 1;
	/* Not known from the exit alone on every CPU, so the length is taken where it is at hand.
	 */
	return pio->string ? string(vcpu) : simple(vcpu);
}

bool pio_exit_fast(struct vcpu *vcpu)
{
	struct srcu_struct *srcu = &vcpu->vm->mmu.srcu;
	struct vmm_exit *exit = &vcpu->exit;
	u32 additions;
	int idx;

	if (exit->pio.flags & (VMM_PIO_IN | VMM_PIO_STRING))
		return false;
	exit->refused = true;
	if (is_userspaces(vcpu, exit->pio.port, exit->pio.size))
		return false;
	additions = iobus_additions(&vcpu->vm->pio);
	idx = srcu_read_lock(srcu);
	exit->refused = iobus_write_held(&vcpu->vm->pio, exit->pio.port, exit->pio.size,
					 &vcpu->regs[VMM_REG_RAX]);
	srcu_read_unlock(srcu, idx);
	if (exit->refused)
		note_miss(vcpu, additions, exit->pio.port, exit->pio.size);
	return !exit->refused;
}

int pio_complete_out(struct vcpu *vcpu)
{
	/* Userspace moved the vCPU elsewhere: the instruction is not ours to finish. */
	return likely(vcpu_rip(vcpu) == vcpu->pio.rip) ? exit_skip_insn(vcpu) : 1;
}

int pio_complete(struct vcpu *vcpu)
{
	const struct vcpu_pio *pio = &vcpu->pio;
	u64 value = 0;

	/* Userspace moved the vCPU elsewhere: the instruction is not ours to finish. */
	if (vcpu_rip(vcpu) != pio->rip)
		return 1;
	if (pio->string)
		return finish_round(vcpu);
	memcpy(&value, data_page(vcpu), pio->size);
	set_rax(vcpu, value, pio->size);
	return exit_skip_insn(vcpu);
}
