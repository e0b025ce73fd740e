/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the lapic*.c files only. By the owner, except where lapic.h says otherwise. */
#ifndef VMM_IRQ_LAPIC_INTERNAL_H
#define VMM_IRQ_LAPIC_INTERNAL_H

#include <linux/bits.h>
#include <linux/types.h>

#include "irq/lapic.h"

#define LAPIC_MODE_SHIFT 8 /* delivery mode in the ICR and the LVT */

/* ESR (SDM vol. 3, 11.5.3). */
#define LAPIC_ESR_SEND_ILLEGAL_VECTOR BIT(5)
#define LAPIC_ESR_RECEIVE_ILLEGAL_VECTOR BIT(6)
#define LAPIC_ESR_ILLEGAL_REGISTER BIT(7)

/* Vectors below are reserved for exceptions: an APIC refuses them (11.5.2). */
#define LAPIC_FIRST_VECTOR 16

#define LAPIC_LVTS 6
extern const u16 lapic_lvt_regs[LAPIC_LVTS];

static inline void lapic_write_reg(struct lapic *lapic, u32 offset, u32 val)
{
	WRITE_ONCE(*(u32 *)(lapic->regs + offset), val);
}

/* The 256-bit vector registers are eight words, one in every 16 bytes. */
static inline u32 lapic_word(u32 base, unsigned int word)
{
	return base + word * 0x10;
}

/* -- lapic.c -- */
u32 lapic_ppr(const struct lapic *lapic);
/* An LVT entry fires: fixed delivery. Any CPU, as is the next. */
void lapic_deliver_local(struct lapic *lapic, u32 lvt);
void lapic_error(struct lapic *lapic, u32 error);
void lapic_write_x2apic_identity(struct lapic *lapic);

/* -- lapic_access.c -- */
u32 lapic_writable(u32 offset);
void lapic_write_lvt(struct lapic *lapic, u32 offset, u32 val);
void lapic_write_id(struct lapic *lapic, u32 val);

/* -- lapic_timer.c -- */
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

#endif
