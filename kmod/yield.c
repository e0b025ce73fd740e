// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "backend.h"
#include "vm.h"
#include "yield.h"

/* A loop that nobody could be blamed for may last twice as long before it is reported, so often. */
#define MAX_DOUBLINGS 10

/* How many that seem to wait and have a CPU to themselves are asked before it is given up. */
#define MAX_TRIES 3

void yield_init(struct vcpu *vcpu)
{
	spin_lock_init(&vcpu->yield.lock);
}

void yield_free(struct vcpu *vcpu)
{
	put_pid(vcpu->yield.pid);
}

void yield_set_thread(struct vcpu *vcpu)
{
	struct pid *pid = task_pid(current), *old = vcpu->yield.pid;

	if (likely(old == pid))
		return;
	spin_lock(&vcpu->yield.lock);
	vcpu->yield.pid = get_pid(pid);
	spin_unlock(&vcpu->yield.lock);
	put_pid(old);
}

static struct task_struct *thread_of(struct vcpu *vcpu)
{
	struct task_struct *task = NULL;

	spin_lock(&vcpu->yield.lock);
	if (vcpu->yield.pid)
		task = get_pid_task(vcpu->yield.pid, PIDTYPE_PID);
	spin_unlock(&vcpu->yield.lock);
	return task;
}

void yield_sched_out(struct vcpu *vcpu)
{
	/* Not about to sleep: it was preempted. */
	if (!task_is_running(current))
		return;
	WRITE_ONCE(vcpu->yield.in_kernel, vcpu->cpu >= 0 && !backend->get_cpl(vcpu));
	WRITE_ONCE(vcpu->yield.ready, true);
}

static void set_loop(struct vcpu *vcpu, unsigned int doublings)
{
	if (vcpu->yield.longer == doublings)
		return;
	vcpu->yield.longer = doublings;
	backend->set_pause_window(vcpu, doublings);
}

void yield_sched_in(struct vcpu *vcpu)
{
	WRITE_ONCE(vcpu->yield.ready, false);
	/* CPUs are contended: siblings lose theirs too. */
	if (vcpu->cpu >= 0)
		set_loop(vcpu, 0);
}

void yield_woken(struct vcpu *vcpu)
{
	WRITE_ONCE(vcpu->yield.in_kernel, true);
	WRITE_ONCE(vcpu->yield.ready, true);
}

/* May it hold what a guest that spins, in its kernel or not, waits for? */
static bool may_help(struct vcpu *sibling, bool in_kernel)
{
	struct yield_state *yield = &sibling->yield;

	if (!READ_ONCE(yield->ready) || (in_kernel && !READ_ONCE(yield->in_kernel)))
		return false;
	/* One that waits itself helps less, but the one it waits for may wait for this one. */
	if (READ_ONCE(yield->spinning) && !READ_ONCE(yield->passed_over)) {
		WRITE_ONCE(yield->passed_over, true);
		return false;
	}
	WRITE_ONCE(yield->passed_over, false);
	return true;
}

/* As yield_to(): >0 when it gets our time, 0 when not, <0 when nobody waits for either CPU. */
static int yield_to_vcpu(struct vcpu *vcpu, struct vcpu *sibling)
{
	struct task_struct *task = thread_of(sibling);
	int r;

	if (!task)
		return 0;
	vcpu->yield.attempted++;
	r = yield_to(task, true);
	put_task_struct(task);
	if (r > 0)
		vcpu->yield.successful++;
	return r;
}

/* Round robin, from the one after the sibling that was helped last. */
static bool help_sibling(struct vcpu *vcpu, bool in_kernel)
{
	unsigned int nr = smp_load_acquire(&vcpu->vm->nr_vcpus), i, tries = 0;
	unsigned int first = READ_ONCE(vcpu->vm->helped) + 1;

	for (i = 0; i < nr && tries < MAX_TRIES; i++) {
		unsigned int index = (first + i) % nr;
		struct vcpu *sibling = vcpu->vm->vcpus[index];
		int r;

		if (sibling == vcpu || !may_help(sibling, in_kernel))
			continue;
		r = yield_to_vcpu(vcpu, sibling);
		if (r > 0) {
			WRITE_ONCE(vcpu->vm->helped, index);
			return true;
		}
		tries += r < 0;
	}
	return false;
}

void yield_on_spin(struct vcpu *vcpu)
{
	bool helped;

	WRITE_ONCE(vcpu->yield.spinning, true);
	helped = help_sibling(vcpu, !backend->get_cpl(vcpu));
	cond_resched();
	WRITE_ONCE(vcpu->yield.spinning, false);
	if (helped)
		return;
	preempt_disable();
	if (vcpu->cpu >= 0 && vcpu->yield.longer < MAX_DOUBLINGS)
		set_loop(vcpu, vcpu->yield.longer + 1);
	preempt_enable();
}
