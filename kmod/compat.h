/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that vmm.ko builds on. scripts/probe-kernel tries each out
 * against the headers and writes compat-probes.h; kernel version numbers say little, since stable
 * trees take API changes over.
 */
#ifndef VMM_COMPAT_H
#define VMM_COMPAT_H

#include <linux/sched.h>
#include <linux/syscore_ops.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <trace/events/ipi.h> /* which smp_send_reschedule() may need */

#include "compat-probes.h"

/* Exported for KVM, declared in no header that modules have. */
extern unsigned int mxcsr_feature_mask;

#ifdef VMM_HAVE_REGISTER_SYSCORE
#define COMPAT_SYSCORE(name, on_suspend, on_resume)    \
	int name##_suspend(void *data)                 \
	{                                              \
		return on_suspend();                   \
	}                                              \
	static void name##_resume(void *data)          \
	{                                              \
		on_resume();                           \
	}                                              \
	static const struct syscore_ops name##_ops = { \
		.suspend = name##_suspend,             \
		.resume = name##_resume,               \
	};                                             \
	static struct syscore name = { .ops = &name##_ops }
#define compat_register_syscore register_syscore
#define compat_unregister_syscore unregister_syscore
#else
#define COMPAT_SYSCORE(name, on_suspend, on_resume) \
	struct syscore_ops name = { .suspend = on_suspend, .resume = on_resume }
#define compat_register_syscore register_syscore_ops
#define compat_unregister_syscore unregister_syscore_ops
#endif

/* struct kvm_run's own name for what userspace may change at any time; newer headers rename it for
 * the kernel. */
#ifdef VMM_HAVE_IMMEDIATE_EXIT_UNSAFE
#define compat_immediate_exit immediate_exit__unsafe
#else
#define compat_immediate_exit immediate_exit
#endif

/* eventfd_signal() of one event. */
#ifdef VMM_HAVE_EVENTFD_SIGNAL_1ARG
#define compat_eventfd_signal(ctx) eventfd_signal(ctx)
#else
#define compat_eventfd_signal(ctx) ((void)eventfd_signal(ctx, 1))
#endif

/*
 * Task work, but for that of the scheduler which tidies up its concurrency IDs ten times a second: like
 * rseq, it can wait. Others add works in front at any time; this one is part of the task.
 */
static inline bool compat_task_work_pending(void)
{
	const struct callback_head *work = READ_ONCE(current->task_works);

#ifdef VMM_HAVE_SCHED_MM_CID
	if (work == &current->cid_work)
		work = READ_ONCE(work->next);
#endif
	return work;
}

/* Speculative return stack overflow on CPUs that can be told to train predictors less while guests
 * may run. */
static inline void compat_srso_reduce(bool on)
{
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
	if (!cpu_feature_enabled(X86_FEATURE_SRSO_BP_SPEC_REDUCE))
		return;
	if (on)
		msr_set_bit(MSR_ZEN4_BP_CFG, MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	else
		msr_clear_bit(MSR_ZEN4_BP_CFG, MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
#endif
}

#endif
