// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "event.h"
#include "halt.h"
#include "irq/lapic.h"
#include "vm.h"

/*
 * To sleep and be woken costs microseconds and, between two CPUs, an interrupt; often what the
 * guest waits for is there sooner. The longest poll, what it grows by (times) after a wait that one
 * could have covered, where it starts, and what it shrinks by (0: to nothing) after a longer one.
 */
static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
static unsigned int halt_poll_ns_grow = 2;
module_param(halt_poll_ns_grow, uint, 0644);
static unsigned int halt_poll_ns_grow_start = 10000;
module_param(halt_poll_ns_grow_start, uint, 0644);
static unsigned int halt_poll_ns_shrink;
module_param(halt_poll_ns_shrink, uint, 0644);

static u64 longest_poll(struct vcpu *vcpu)
{
	s64 of_vm = READ_ONCE(vcpu->vm->halt_poll_ns);

	return of_vm < 0 ? READ_ONCE(halt_poll_ns) : of_vm;
}

/* Can the guest go on? */
static bool woken(struct vcpu *vcpu)
{
	if (vcpu->lapic && lapic_has_events(vcpu->lapic))
		return true;
	return vcpu->mp_state == KVM_MP_STATE_HALTED && event_pending_wakeup(vcpu);
}

static bool over(struct vcpu *vcpu)
{
	return signal_pending(current) || woken(vcpu);
}

/* For as long as nobody else wants this CPU. True: the wait is over. */
static bool poll(struct vcpu *vcpu, ktime_t start)
{
	ktime_t stop = ktime_add_ns(start, vcpu->halt.poll_ns);

	do {
		if (over(vcpu))
			return true;
		cpu_relax();
	} while (single_task_running() && !need_resched() && ktime_before(ktime_get(), stop));
	return false;
}

static void count_poll(struct vcpu *vcpu, ktime_t start, bool success)
{
	u64 ns = ktime_to_ns(ktime_sub(ktime_get(), start));

	vcpu->halt.attempted_poll++;
	if (!success) {
		vcpu->halt.poll_fail_ns += ns;
		return;
	}
	vcpu->halt.successful_poll++;
	vcpu->halt.poll_success_ns += ns;
	if (!woken(vcpu))
		vcpu->halt.poll_invalid++;
}

static void sleep(struct vcpu *vcpu)
{
	ktime_t start = ktime_get();
	bool slept = false;

	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (over(vcpu))
			break;
		schedule();
		slept = true;
	}
	finish_rcuwait(&vcpu->wait);
	if (!slept)
		return;
	vcpu->halt.wait_ns += ktime_to_ns(ktime_sub(ktime_get(), start));
	if (woken(vcpu))
		vcpu->halt.wakeup++;
}

static void grow(struct vcpu *vcpu, u64 longest)
{
	u64 factor = READ_ONCE(halt_poll_ns_grow);
	u64 ns = vcpu->halt.poll_ns;

	if (!factor)
		return;
	ns = max_t(u64, ns * factor, READ_ONCE(halt_poll_ns_grow_start));
	vcpu->halt.poll_ns = min(ns, longest);
}

static void shrink(struct vcpu *vcpu)
{
	u32 divisor = READ_ONCE(halt_poll_ns_shrink);
	u64 ns = divisor ? div_u64(vcpu->halt.poll_ns, divisor) : 0;

	vcpu->halt.poll_ns = ns < READ_ONCE(halt_poll_ns_grow_start) ? 0 : ns;
}

/* What this wait, of so many ns, says about the next one. */
static void adapt(struct vcpu *vcpu, u64 waited, u64 longest)
{
	if (waited <= vcpu->halt.poll_ns)
		return;
	if (waited >= longest || !woken(vcpu))
		shrink(vcpu);
	else
		grow(vcpu, longest);
}

static void wait_in_hlt(struct vcpu *vcpu)
{
	u64 longest = longest_poll(vcpu);
	ktime_t start = ktime_get();
	bool success = false;

	vcpu->halt.poll_ns = min(vcpu->halt.poll_ns, longest);
	if (vcpu->halt.poll_ns) {
		success = poll(vcpu, start);
		count_poll(vcpu, start, success);
	}
	if (!success)
		sleep(vcpu);
	adapt(vcpu, ktime_to_ns(ktime_sub(ktime_get(), start)), longest);
}

void halt_wait(struct vcpu *vcpu)
{
	if (vcpu->mp_state == KVM_MP_STATE_HALTED)
		wait_in_hlt(vcpu);
	else
		sleep(vcpu);
}
