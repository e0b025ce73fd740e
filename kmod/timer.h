/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest time: what irq/ needs of the host's clock, its timers and the vCPUs, and the TSC. */
#ifndef VMM_TIMER_H
#define VMM_TIMER_H

#include <linux/types.h>

struct irqchip_ops;
struct vcpu;
struct vm;

extern const struct irqchip_ops timer_irqchip_ops; /* ctx is the struct vm */

void timer_init_tsc(struct vm *vm);
void timer_init_lapic(struct vcpu *vcpu);
void timer_cancel_lapic(struct vcpu *vcpu); /* waits for its function to end */
void timer_init_pit(struct vm *vm);
void timer_cancel_pit(struct vm *vm);

/* The guest's TSC now. Any context. */
u64 timer_guest_tsc(const struct vcpu *vcpu);

/*
 * Userspace sets a vCPU's TSC. Values written to several vCPUs within a second that would be equal
 * but for the time between the writes are taken as meant to be equal: they share one offset.
 * Loaded.
 */
void timer_set_guest_tsc(struct vcpu *vcpu, u64 value);
/* Userspace sets the offset itself; a vCPU whose TSC is set to 0 later gets the same one. */
void timer_set_tsc_offset(struct vcpu *vcpu, u64 offset);
/* The guest writes its own: no guessing. */
void timer_adjust_guest_tsc(struct vcpu *vcpu, u64 offset);

#endif
