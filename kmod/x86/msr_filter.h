/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_X86_SET_MSR_FILTER: MSRs that userspace keeps from the guest, or answers itself. */
#ifndef VMM_X86_MSR_FILTER_H
#define VMM_X86_MSR_FILTER_H

#include <linux/types.h>

struct msr_filter;
struct vcpu;
struct vm;

/* The ioctl. */
long msr_filter_set(void *vm, void *data);
void msr_filter_free(struct msr_filter *filter);

/* May the guest do this? access: KVM_MSR_FILTER_READ or _WRITE. Any context. */
bool msr_filter_allows(struct vm *vm, u32 index, u32 access);

/* VCPU_REQ_MSR_FILTER: what the backend lets through may be filtered now, or no more. Loaded. */
void msr_filter_apply(struct vcpu *vcpu);

#endif
