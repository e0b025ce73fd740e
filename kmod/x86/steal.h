/* SPDX-License-Identifier: GPL-2.0-only */
/* Steal time: how long a vCPU's thread waited for a CPU (Documentation/virt/kvm/x86/msr.rst). */
#ifndef VMM_X86_STEAL_H
#define VMM_X86_STEAL_H

#include <linux/types.h>

struct task_struct;
struct vcpu;

struct steal_time {
	u64 msr;
	const struct task_struct *task; /* who ran the vCPU last; to compare only */
	u64 waited; /* that task's waiting time that the guest knows of */
};

/* The kernel keeps account of waiting times. */
bool steal_available(void);

/* The vCPU is loaded and the guest wants to know; preemption off. */
void steal_loaded(struct vcpu *vcpu);
/* VCPU_REQ_STEAL: writes the guest's page. May sleep. */
void steal_update(struct vcpu *vcpu);

int steal_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host);
int steal_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);

#endif
