/* SPDX-License-Identifier: GPL-2.0-only */
/* What a vCPU's thread has to do before its guest may run (on). */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include <linux/memcontrol.h>
#include <linux/sched/signal.h>
#include <linux/thread_info.h>

#include "compat.h"
#include "irq/lapic.h"
#include "vcpu.h"

/*
 * Work that only a return to userspace does and that must not wait: task work, and the throttling
 * of a memory cgroup over its limit. TIF_NOTIFY_RESUME alone does not count: rseq sets it at every
 * preemption and can wait.
 */
static inline bool run_resume_work(void)
{
	return compat_task_work_pending() || current->memcg_nr_pages_over_high;
}

/* What must be done by the scheduler or on the way back to userspace before a guest may run. */
static inline bool run_thread_work(void)
{
	unsigned long urgent = _TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL;
	unsigned long flags = READ_ONCE(current_thread_info()->flags);

	return unlikely(flags & (urgent | _TIF_NOTIFY_RESUME)) &&
	       (flags & urgent || run_resume_work());
}

/* What the run loop would find to do. */
static inline bool run_must_leave(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || run_thread_work() ||
	       (vcpu->lapic && lapic_has_events(vcpu->lapic));
}

#endif
