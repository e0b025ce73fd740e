// SPDX-License-Identifier: GPL-2.0-only
/* KVM_RUN: enter, exit, pending work, return to userspace. */
#include <linux/hw_breakpoint.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/thread_info.h>
#include <linux/vtime.h>
#include <asm/debugreg.h>
#include <asm/fpu/api.h>

#include "backend.h"
#include "compat.h"
#include "exit.h"
#include "irq/lapic.h"
#include "run.h"
#include "state.h"
#include "vapic.h"
#include "vm.h"
#include "virt.h"
#include "x86/dr.h"
#include "x86/fpu.h"
#include "x86/msr_filter.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* IRQs off. Host breakpoints hit host addresses only while DR7 holds the host's value: off first,
 * back last. */
static void load_guest_breakpoints(struct vcpu *vcpu)
{
	const u64 *dr = vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP ? vcpu->debug.dr : vcpu->dr;

	set_debugreg(0, 7);
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

static void restore_host_breakpoints(bool guest_loaded)
{
	if (hw_breakpoint_active())
		hw_breakpoint_restore();
	else if (guest_loaded)
		/* Nothing of the host's to put back, and nothing of the guest's to leave. */
		set_debugreg(0, 7);
}

/* The guest runs here. IRQs off before and after. */
static void enter_guest(struct vcpu *vcpu)
{
	bool breakpoints = vcpu->dr7_used & DR7_ENABLED;

	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
	if (unlikely(breakpoints))
		load_guest_breakpoints(vcpu);
	if (vcpu->swap_xcr0)
		fpu_enter_xcr0(vcpu);
	vtime_account_guest_enter();

	backend->run(vcpu);

	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
	if (vcpu->swap_xcr0)
		fpu_leave_xcr0(vcpu);
	/* An exit zeroes DR7 (SDM vol 3, 28.5.1); SVM swaps it, but not DR0-3. */
	if (unlikely(breakpoints || hw_breakpoint_active()))
		restore_host_breakpoints(breakpoints);
	/*
	 * The host interrupt that ended the guest's run is taken here, while the time still counts
	 * as the guest's: a tick that arrives now belongs to it.
	 */
	if (vcpu->exit.kind == VMM_EXIT_RESUME) {
		local_irq_enable();
		asm volatile("nop"); /* STI itself holds interrupts off for one instruction */
		local_irq_disable();
	}
	vtime_account_guest_exit();
}

/* 1: entered and exited, vcpu->exit says why. 0: something has to be done first. Preemptible before
 * and after. */
static int try_enter(struct vcpu *vcpu)
{
	int entered = 0;

	preempt_disable();
	local_irq_disable();
	WRITE_ONCE(vcpu->mode, VCPU_IN_GUEST);
	/* Pairs with vcpu_kick() and vm_flush_tlb(): they see IN_GUEST, or what they did is seen
	 * below. */
	smp_mb();
	if (unlikely(run_must_leave(vcpu) || vcpu->cpu < 0 || !virt_enabled_here())) {
		WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
		goto out;
	}
	event_deliver(vcpu);
	if (unlikely(vcpu->debug.control))
		guest_debug_enter(vcpu);
	enter_guest(vcpu);
	if (unlikely(vcpu->debug.control))
		guest_debug_leave(vcpu);
	entered = 1;
	vcpu->entered = true;
out:
	local_irq_enable();
	preempt_enable();
	return entered;
}

static int exit_to_user(struct vcpu *vcpu, u32 reason)
{
	vcpu->run->exit_reason = reason;
	return 0;
}

static void take_requests(struct vcpu *vcpu)
{
	if (test_and_clear_bit(VCPU_REQ_CLOCK, &vcpu->requests))
		pvclock_update(vcpu);
	if (test_and_clear_bit(VCPU_REQ_STEAL, &vcpu->requests))
		steal_update(vcpu);
	if (test_and_clear_bit(VCPU_REQ_MSR_FILTER, &vcpu->requests))
		msr_filter_apply(vcpu);
	if (test_and_clear_bit(VCPU_REQ_TLB_FLUSH, &vcpu->requests)) {
		vcpu->stats.tlb_flush++;
		preempt_disable();
		if (vcpu->cpu >= 0)
			backend->flush_tlb(vcpu);
		else /* moving: flush where it lands */
			vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
		preempt_enable();
	}
}

/* Out of HLT, if there is an event to go on with. */
static bool wake(struct vcpu *vcpu)
{
	if (vcpu->mp_state != KVM_MP_STATE_HALTED || !event_pending_wakeup(vcpu))
		return false;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	return true;
}

/* The guest cannot run yet. 1 when it can go on; else leave KVM_RUN. */
static int wait_until_runnable(struct vcpu *vcpu)
{
	u32 before = vcpu->mp_state;

	/* What is there already is no wait: neither clock nor polling. */
	if (wake(vcpu))
		return 1;
	halt_wait(vcpu);
	wake(vcpu);
	if (vcpu->lapic && lapic_has_events(vcpu->lapic))
		event_take_apic(vcpu);
	/* An AP that was started returns once, as KVM does, so that userspace may look at it. */
	if (before == KVM_MP_STATE_UNINITIALIZED && vcpu->mp_state != before)
		return -EAGAIN;
	return 1;
}

/* Signals, the scheduler, and what the kernel does before a return to userspace. 1: go on. */
static int do_pending_work(struct vcpu *vcpu)
{
	if (signal_pending(current))
		return exit_interrupted(vcpu);
	if (need_resched())
		schedule();
	if (test_thread_flag(TIF_NOTIFY_RESUME) && run_resume_work())
		return exit_interrupted(vcpu);
	if (unlikely(virt_stopped()))
		return -EIO;
	/* This CPU is going offline: let the scheduler take us elsewhere. */
	if (unlikely(READ_ONCE(vcpu->cpu) < 0))
		schedule_timeout_uninterruptible(1);
	return 1;
}

/* Is the guest where an interrupt of userspace's could be delivered at once? */
static bool ready_for_user_irq(struct vcpu *vcpu)
{
	return event_user_irq_room(vcpu) && !vcpu->requeue.valid && !vcpu->exception.valid &&
	       backend->irq_allowed(vcpu);
}

/* An EOI that userspace's I/O APIC is waiting for: one at a time, before the guest goes on. */
static int ioapic_eoi_to_user(struct vcpu *vcpu)
{
	unsigned int vector = find_first_bit(vcpu->ioapic_eois, 256);

	if (vector < 256) {
		__clear_bit(vector, vcpu->ioapic_eois);
		vcpu->run->eoi.vector = vector;
		return exit_to_user(vcpu, KVM_EXIT_IOAPIC_EOI);
	}
	clear_bit(VCPU_REQ_IOAPIC_EOI, &vcpu->requests);
	return 1;
}

/* What keeps the guest from being entered. 1: try again. */
static int prepare(struct vcpu *vcpu)
{
	int r;

	if (vcpu->requests) {
		take_requests(vcpu);
		if (test_bit(VCPU_REQ_TPR_ACCESS, &vcpu->requests))
			return vapic_exit(vcpu);
		if (test_bit(VCPU_REQ_IOAPIC_EOI, &vcpu->requests)) {
			r = ioapic_eoi_to_user(vcpu);
			if (r <= 0)
				return r;
		}
	}
	if (vcpu->lapic && lapic_has_events(vcpu->lapic))
		event_take_apic(vcpu);
	if (vcpu->triple_fault) {
		vcpu->triple_fault = false;
		return exit_to_user(vcpu, KVM_EXIT_SHUTDOWN);
	}
	if (vcpu->mp_state != KVM_MP_STATE_RUNNABLE) {
		r = wait_until_runnable(vcpu);
		if (r <= 0)
			return r;
	}
	if (run_thread_work() || vcpu->cpu < 0 || virt_stopped())
		return do_pending_work(vcpu);
	return 1;
}

/* What the vCPU's own thread finds, before it looks at what others want of it. */
static bool runnable(const struct vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE && !vcpu->triple_fault;
}

static int run_loop(struct vcpu *vcpu)
{
	int r;

	for (;;) {
		if (unlikely(vcpu->vapic.gpa))
			vapic_to_guest(vcpu);
		if (unlikely(!runnable(vcpu) || !try_enter(vcpu))) {
			r = prepare(vcpu);
			if (r <= 0)
				return r;
			continue;
		}
		if (unlikely(vcpu->vapic.gpa))
			vapic_from_guest(vcpu);
		r = exit_handle(vcpu);
		if (r <= 0)
			return r;
		if (unlikely(event_user_irq_wanted(vcpu)) && ready_for_user_irq(vcpu)) {
			vcpu->stats.request_irq_exits++;
			return exit_to_user(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
		}
	}
}

/* The fields of struct kvm_run that every return fills (api.rst, 5). */
static __always_inline void fill_run_page(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(vcpu_rflags(vcpu) & X86_EFLAGS_IF);
	run->flags = 0;
	if (likely(vcpu->lapic)) {
		run->cr8 = lapic_get_cr8(vcpu->lapic);
		run->apic_base = lapic_get_base(vcpu->lapic);
	} else {
		run->cr8 = vcpu->cr8;
		run->apic_base = vcpu->apic_base;
	}
	run->ready_for_interrupt_injection = !vcpu->user_pic || ready_for_user_irq(vcpu);
}

static int run_with_fpu(struct vcpu *vcpu)
{
	int r;

	fpu_enter(vcpu);
	r = exit_complete_userspace(vcpu);
	/* The reason stays that of the exit before: it may be what userspace has us complete. */
	if (r > 0 && READ_ONCE(vcpu->run->compat_immediate_exit))
		r = -EINTR;
	if (r > 0)
		r = run_loop(vcpu);
	fpu_leave(vcpu);
	return r;
}

static bool syncs_registers(const struct kvm_run *run)
{
	return READ_ONCE(run->kvm_dirty_regs) | READ_ONCE(run->kvm_valid_regs);
}

/* Loaded. */
static int run_loaded(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int r = 0;

	if (unlikely(!vcpu->lapic))
		r = state_set_cr8(vcpu, READ_ONCE(run->cr8));
	if (!r && unlikely(syncs_registers(run)))
		r = state_sync_from_user(vcpu);
	if (likely(!r))
		r = run_with_fpu(vcpu);
	fill_run_page(vcpu);
	if (unlikely(READ_ONCE(run->kvm_valid_regs)))
		state_sync_to_user(vcpu);
	return r;
}

static int load_and_run(struct vcpu *vcpu)
{
	int r = vcpu_load(vcpu);

	if (unlikely(r))
		return r;
	r = run_loaded(vcpu);
	vcpu_put(vcpu);
	return r;
}

static noinline int run_with_sigset(struct vcpu *vcpu)
{
	sigset_t saved;
	int r;

	sigprocmask(SIG_SETMASK, &vcpu->sigset, &saved);
	r = load_and_run(vcpu);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	return r;
}

/* Userspace wants to be back at once, nothing is half done, and the run page needs no VMCS. */
static bool leaves_at_once(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->compat_immediate_exit) && vcpu->pending == VCPU_PENDING_NONE &&
	       !vcpu->user_pic && vcpu->regs_avail & BIT(VMM_REG_RFLAGS) &&
	       !syncs_registers(vcpu->run);
}

int vcpu_run(struct vcpu *vcpu)
{
	int r;

	if (unlikely(vcpu->yield.pid != task_pid(current)))
		yield_set_thread(vcpu);
	if (unlikely(leaves_at_once(vcpu))) {
		/* The reason stays, as in run_with_fpu(). */
		r = -EINTR;
		fill_run_page(vcpu);
	} else if (unlikely(vcpu->sigset_active)) {
		r = run_with_sigset(vcpu);
	} else {
		r = load_and_run(vcpu);
	}
	trace_vmm_userspace(vcpu, r);
	return r;
}
