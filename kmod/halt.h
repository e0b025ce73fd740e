/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU that waits: in HLT, or for its SIPI. A HLT is polled for a while before the thread sleeps,
 * for as long as it has paid of late (Documentation/virt/kvm/halt-polling.rst).
 */
#ifndef VMM_HALT_H
#define VMM_HALT_H

#include <linux/types.h>

struct vcpu;

/* All by the vCPU's thread; the names are those of KVM's statistics. */
struct halt_state {
	u64 poll_ns; /* how long the next HLT is polled */
	u64 attempted_poll, successful_poll;
	u64 poll_invalid; /* of those that succeeded: ended by a signal, not for the guest */
	u64 poll_success_ns, poll_fail_ns; /* time spent polling */
	u64 wakeup; /* sleeps that an event ended */
	u64 wait_ns; /* time slept */
};

/* Until the guest can go on, or a signal came. Loaded. */
void halt_wait(struct vcpu *vcpu);

#endif
