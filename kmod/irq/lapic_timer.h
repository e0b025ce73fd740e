/* SPDX-License-Identifier: GPL-2.0-only */
/* Between lapic.c and lapic_timer.c only. By the owner, except where lapic.h says otherwise. */
#ifndef VMM_IRQ_LAPIC_TIMER_H
#define VMM_IRQ_LAPIC_TIMER_H

#include <linux/types.h>

struct lapic;

struct lapic_timer_state {
	u32 lvt, initial, current_count, divide;
	u64 deadline; /* IA32_TSC_DEADLINE, for a timer that is and was in that mode */
};

bool lapic_timer_mode_legal(u32 lvt);
void lapic_timer_reset(struct lapic *lapic);
void lapic_timer_write_lvt(struct lapic *lapic, u32 val);
void lapic_timer_write_initial(struct lapic *lapic, u32 val);
void lapic_timer_write_divide(struct lapic *lapic, u32 val);
u32 lapic_timer_current(struct lapic *lapic);
void lapic_timer_restore(struct lapic *lapic, const struct lapic_timer_state *state);

/* lapic.c's, for the timer. */
void lapic_write_reg(struct lapic *lapic, u32 offset, u32 val);
void lapic_write_lvt(struct lapic *lapic, u32 offset, u32 val);
void lapic_deliver_local(struct lapic *lapic, u32 lvt);

#endif
