/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel must be told right before and after a CPU runs a guest, beside its time
 * accounting: to RCU the guest is a quiescent state, as user mode is, and to lockdep and the
 * IRQ-flags tracer it runs with interrupts on. <linux/kvm_host.h> has the like, but is KVM's own
 * header and cannot be included beside ours.
 */
#ifndef VMM_GUEST_STATE_H
#define VMM_GUEST_STATE_H

#include <linux/context_tracking.h>
#include <linux/ftrace.h>
#include <linux/instrumentation.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

/*
 * IRQs off. From here to guest_state_exit() no RCU, no tracing, no lockdep: noinstr code only.
 *
 * *noted, the vCPU's own, is the tick at which RCU was last told. It looks for quiescent states
 * once a tick, and a vCPU that moved to another CPU went through a context switch there, so once a
 * tick is enough.
 */
static __always_inline void guest_state_enter(unsigned long *noted)
{
	unsigned long now = jiffies;

	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	instrumentation_end();
	if (!context_tracking_guest_enter() && *noted != now) {
		*noted = now;
		instrumentation_begin();
		rcu_note_context_switch(false);
		instrumentation_end();
	}
	lockdep_hardirqs_on(CALLER_ADDR0);
}

static __always_inline void guest_state_exit(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	context_tracking_guest_exit();
	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

#endif
