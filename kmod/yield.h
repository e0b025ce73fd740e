/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU that spins waits for another one, which may have lost its CPU: the CPU reports the loop
 * (SDM vol 3, 26.1.3; APM vol 2, 15.14.4) and the rest of the time slice goes to that one.
 */
#ifndef VMM_YIELD_H
#define VMM_YIELD_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct pid;
struct vcpu;

struct yield_state {
	/* Read by siblings, which take them as hints. */
	bool ready; /* its thread wants a CPU and has none; by it in a context switch, and by who wakes it */
	bool in_kernel; /* the guest was at CPL 0 then */
	bool spinning; /* it lost its CPU in a loop of its own */
	bool passed_over; /* and was not chosen for that last time; by any sibling */
	spinlock_t lock; /* of pid; a leaf */
	struct pid *pid; /* the thread that called KVM_RUN last */
	/* By the thread. */
	unsigned int longer; /* how often the loop that is reported was made twice as long */
	u64 attempted, successful; /* directed yields */
};

void yield_init(struct vcpu *vcpu);
void yield_free(struct vcpu *vcpu);

/* The current thread runs this vCPU. */
void yield_set_thread(struct vcpu *vcpu);
/* It loses its CPU, still loaded; it has one again. IRQs off. */
void yield_sched_out(struct vcpu *vcpu);
void yield_sched_in(struct vcpu *vcpu);
/* It slept and was woken: it will want a CPU. */
void yield_woken(struct vcpu *vcpu);

/* The guest spins. Loaded. */
void yield_on_spin(struct vcpu *vcpu);

#endif
