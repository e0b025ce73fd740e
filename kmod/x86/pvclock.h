/* SPDX-License-Identifier: GPL-2.0-only */
/* kvmclock: the VM's clock, and the page that tells each vCPU how to compute it from its TSC. */
#ifndef VMM_X86_PVCLOCK_H
#define VMM_X86_PVCLOCK_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct kvm_clock_data;
struct vcpu;
struct vm;

struct pvclock_vm {
	raw_spinlock_t lock; /* all of it but active; a leaf */
	bool active; /* some vCPU has asked for its page; never goes back */
	/*
	 * The host's TSC runs alike on all CPUs and at all times: the clock is base_ns where it was
	 * base_tsc. Else it is the host's boot time, plus offset.
	 */
	bool by_tsc;
	u64 base_tsc, base_ns;
	u64 offset;
	/* ns = (ticks << shift) * mul >> 32, shift of either sign, at this rate. */
	u32 khz, mul;
	s8 shift;
	unsigned int resumes; /* of the host, when this was computed */
};

struct pvclock_vcpu {
	u64 system_time, wall_clock; /* MSRs */
	unsigned int resumes; /* of the host, when the page was written */
	unsigned long written; /* when, in jiffies */
	int cpu; /* where */
	bool guest_stopped; /* tell it at the next update */
};

void pvclock_init(struct vm *vm);
/* From the callback of resume: what the TSC said before says nothing any more. */
void pvclock_resume(void);

/* VCPU_REQ_CLOCK: writes the page. May sleep. */
void pvclock_update(struct vcpu *vcpu);
/* The vCPU is loaded on this CPU and its clock is in use; preemption off. */
void pvclock_loaded(struct vcpu *vcpu, int cpu);
/* A vCPU's TSC was set. */
void pvclock_tsc_changed(struct vcpu *vcpu);

/* The MSRs. */
int pvclock_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host);
int pvclock_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);

/* KVM_GET_CLOCK, KVM_SET_CLOCK and, on a vCPU, KVM_KVMCLOCK_CTRL. */
#define PVCLOCK_FLAGS (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)
long pvclock_get(void *vm, void *data);
long pvclock_set(void *vm, void *data);
long pvclock_guest_stopped(void *vcpu, unsigned long arg);

#endif
