/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: /sys/kernel/tracing/events/vmm. They cost a branch that is patched out while off. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmm

#if !defined(VMM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMM_TRACE_H

#include <linux/tracepoint.h>

#include "vcpu.h"

/* clang-format off */
/* The guest was left; interrupts are off and nothing has been done about it yet. */
TRACE_EVENT(vmm_exit,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, kind)
		__field(u64, reason)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->kind = vcpu->exit.kind;
		__entry->reason = vcpu->exit.hw_reason;
		__entry->rip = vcpu_rip(vcpu);
	),
	TP_printk("vcpu %u kind %u reason %#llx rip %#llx", __entry->vcpu, __entry->kind,
		  __entry->reason, __entry->rip)
);

/* KVM_RUN returns; r is its result, reason the kvm_run's exit reason when that is 0. */
TRACE_EVENT(vmm_userspace,
	TP_PROTO(const struct vcpu *vcpu, int r),
	TP_ARGS(vcpu, r),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, reason)
		__field(int, r)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->reason = vcpu->run->exit_reason;
		__entry->r = r;
	),
	TP_printk("vcpu %u reason %u result %d", __entry->vcpu, __entry->reason, __entry->r)
);
/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
