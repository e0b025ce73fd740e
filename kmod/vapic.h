/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For guests that write the task priority of an xAPIC all the time: userspace is told of each access, patches it into one
 * to a page of guest memory, and the kernel keeps that page and the local APIC alike (KVM_CAP_VAPIC).
 */
#ifndef VMM_VAPIC_H
#define VMM_VAPIC_H

#include <linux/types.h>

struct vcpu;

/* The VAPIC's word: task priority, the class in service, the highest vector requested. */
struct vapic {
	u64 gpa; /* 0: none */
	bool report; /* KVM_TPR_ACCESS_REPORTING */
	bool report_write; /* of the access to report */
	u64 report_rip;
};

/* Ioctls of a vCPU. */
long vapic_set_address(void *object, void *data);
long vapic_set_reporting(void *object, void *data);

/* Around an entry, preemptible, where there is a page. */
void vapic_to_guest(struct vcpu *vcpu);
void vapic_from_guest(struct vcpu *vcpu);

/* The guest accessed its TPR, which userspace wants to know: asks for an exit. */
void vapic_report(struct vcpu *vcpu, bool write);
/* That exit: fills the run page. Returns 0, for KVM_RUN. */
int vapic_exit(struct vcpu *vcpu);

#endif
