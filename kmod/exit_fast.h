/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits that are answered at once, with interrupts off since the guest ran: what does not sleep.
 * In line, for the one loop of each backend.
 */
#ifndef VMM_EXIT_FAST_H
#define VMM_EXIT_FAST_H

#include <linux/kvm_para.h>

#include "backend.h"
#include "mmio.h"
#include "pio.h"
#include "run.h"
#include "trace.h"
#include "vcpu.h"

/* False: not for us; exit_handle() has to. */
bool exit_fast_wrmsr(struct vcpu *vcpu);
/* Answers what lies in IRR, or waits otherwise, before the next entry. */
void exit_fast_deliver(struct vcpu *vcpu);

/*
 * Before a run. With a VAPIC the TPR is in the guest's memory, as is the EOI that PV EOI offers; a
 * debugger wants to see each step.
 */
static __always_inline void exit_fast_begin(struct vcpu *vcpu)
{
	vcpu->fast_exits = !vcpu->pv_eoi.state && !vcpu->vapic.gpa && !vcpu->debug.control;
}

static __always_inline bool exit_fast_cpuid(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *entry;
	u32 place = cpuid_place(vcpu->regs[VMM_REG_RAX]), first;

	if (unlikely(place >= ARRAY_SIZE(vcpu->cpuid.first)))
		goto dynamic;
	first = vcpu->cpuid.first[place];
	if (unlikely(first <= CPUID_PLAIN))
		goto dynamic;
	entry = &vcpu->cpuid.entries[first - (CPUID_PLAIN + 1)];
	vcpu->regs[VMM_REG_RAX] = entry->eax;
	vcpu->regs[VMM_REG_RBX] = entry->ebx;
	vcpu->regs[VMM_REG_RCX] = entry->ecx;
	vcpu->regs[VMM_REG_RDX] = entry->edx;
	return true;
dynamic:
	exit_answer_cpuid(vcpu);
	return true;
}

/* No hypercall is offered: the answers are those of Documentation/virt/kvm/x86/hypercalls.rst. */
static __always_inline bool exit_fast_hypercall(struct vcpu *vcpu)
{
	unsigned int mode = backend->get_mode(vcpu);
	u64 r = mode & VMM_MODE_CPL ? -KVM_EPERM : -KVM_ENOSYS;

	vcpu->regs[VMM_REG_RAX] = mode & VMM_MODE_64BIT ? r : (u32)r;
	return true;
}

static __always_inline bool exit_fast_answer(struct vcpu *vcpu)
{
	switch (vcpu->exit.kind) {
	case VMM_EXIT_CPUID:
		return exit_fast_cpuid(vcpu);
	case VMM_EXIT_HYPERCALL:
		return exit_fast_hypercall(vcpu);
	case VMM_EXIT_WRMSR:
		return exit_fast_wrmsr(vcpu);
	case VMM_EXIT_PIO:
		return pio_exit_fast(vcpu);
	default:
		return false;
	}
}

/*
 * Straight back into the guest? What happens on other CPUs comes with an interrupt, which is
 * pending and would end the run at once; so only what this thread itself may have brought about
 * counts. VMM_EXIT_RESUME says that the exit is done.
 */
static __always_inline bool exit_fast_again(struct vcpu *vcpu)
{
	const struct lapic *lapic = vcpu->lapic;

	if (unlikely(vcpu->news || (lapic && lapic_wants_attention(lapic)))) {
		if (run_must_leave(vcpu))
			goto leave;
		exit_fast_deliver(vcpu);
		return true;
	}
	if (likely(!READ_ONCE(vcpu->requests) && !run_thread_work()))
		return true;
leave:
	vcpu->exit.kind = VMM_EXIT_RESUME;
	return false;
}

/*
 * After each exit: counts it, and answers it if that does not take long. True: enter again at once,
 * where set_rip() was told. False: exit_handle() has to, once interrupts are on.
 */
static __always_inline bool exit_fast(struct vcpu *vcpu, void (*set_rip)(struct vcpu *, u64))
{
	u64 rip;

	vcpu->exits[vcpu->exit.kind]++;
	trace_vmm_exit(vcpu);
	if (likely(vcpu->exit.plain & vcpu->fast_exits)) {
		if (!exit_fast_answer(vcpu))
			return false;
	} else if (vcpu->exit.kind != VMM_EXIT_MEMORY || !vcpu->fast_exits ||
		   !mmio_exit_fast(vcpu)) {
		return false;
	}
	/* RIP wraps where the code segment does: it has to be looked at beyond 4 GiB. */
	rip = vcpu->regs[VMM_REG_RIP] + vcpu->exit.insn_len;
	if (unlikely((vcpu->regs[VMM_REG_RIP] ^ rip) >> 32))
		exit_skip_insn(vcpu);
	else
		set_rip(vcpu, rip);
	return exit_fast_again(vcpu);
}

#endif
