// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer (SDM vol. 3, 11.5.4): one-shot, periodic and TSC-deadline mode. The bus
 * clock is 1 GHz, so a tick is a nanosecond times the divisor. Nothing counts: the expiry is kept,
 * the count computed.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>

#include "irq/irqchip.h"
#include "irq/lapic.h"
#include "irq/lapic_internal.h"

#define LVT_TIMER_MODE (3u << 17)
#define LVT_TIMER_PERIODIC (1u << 17)
#define LVT_TIMER_DEADLINE (2u << 17)

static bool is_deadline(const struct lapic *lapic)
{
	return (lapic_read_reg(lapic, LAPIC_LVT_TIMER) & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE;
}

static bool is_periodic(const struct lapic *lapic)
{
	return (lapic_read_reg(lapic, LAPIC_LVT_TIMER) & LVT_TIMER_MODE) == LVT_TIMER_PERIODIC;
}

/* 11b is reserved (table 11-2). */
bool lapic_timer_mode_legal(u32 lvt)
{
	return (lvt & LVT_TIMER_MODE) != LVT_TIMER_MODE;
}

/* Figure 11-10: bits 3, 1 and 0 are the exponent less one, 111 divides by one. */
static u32 divisor(u32 divide)
{
	u32 exponent = ((divide & 3) | (divide >> 1 & 4)) + 1;

	return 1u << (exponent & 7);
}

static u32 timer_divisor(const struct lapic *lapic)
{
	return divisor(lapic_read_reg(lapic, LAPIC_TIMER_DIVIDE));
}

/* -- all that follows, to the next line like this, has timer_lock held -- */

static u64 now_ns(const struct lapic *lapic)
{
	return irqchip_now(lapic->irqchip);
}

static void arm(struct lapic *lapic, u64 expires_ns)
{
	lapic->expires_ns = expires_ns;
	lapic->irqchip->ops->lapic_timer_arm(lapic->irqchip->ctx, lapic->vcpu, expires_ns);
}

static void disarm(struct lapic *lapic)
{
	lapic->tsc_deadline = 0;
	lapic->armed_deadline = 0;
	if (lapic->expires_ns != U64_MAX)
		arm(lapic, U64_MAX);
}

static void fire(struct lapic *lapic)
{
	lapic_deliver_local(lapic, lapic_read_reg(lapic, LAPIC_LVT_TIMER));
}

/* What the host is asked for in periodic mode. */
static u64 limited_period(const struct lapic *lapic)
{
	return max_t(u64, lapic->period_ns, LAPIC_MIN_PERIOD_NS);
}

/* Fires at once when the deadline has passed. */
static void arm_deadline(struct lapic *lapic, u64 now)
{
	struct irqchip *irqchip = lapic->irqchip;
	u64 tsc = irqchip->ops->guest_tsc(irqchip->ctx, lapic->vcpu), ns;

	if (lapic->tsc_deadline <= tsc) {
		disarm(lapic);
		fire(lapic);
		return;
	}
	ns = irqchip->ops->tsc_to_ns(irqchip->ctx, lapic->vcpu, lapic->tsc_deadline - tsc);
	lapic->armed_deadline = lapic->tsc_deadline;
	/* One more, for the rounding; and an hrtimer's time is signed. */
	arm(lapic, now + min_t(u64, ns, S64_MAX - now - 1) + 1);
}

/* Nanoseconds until the count is zero. */
static u64 remaining(const struct lapic *lapic, u64 now)
{
	if (lapic->expires_ns > now)
		return lapic->expires_ns - now;
	/* A periodic one has been reloaded, though its callback did not run yet. */
	if (is_periodic(lapic) && lapic->period_ns)
		return lapic->period_ns - (now - lapic->expires_ns) % lapic->period_ns;
	return 0;
}

static u32 current_count(const struct lapic *lapic, u64 now)
{
	u32 initial = lapic_read_reg(lapic, LAPIC_TIMER_INITIAL);
	u32 div = timer_divisor(lapic);

	if (lapic->expires_ns == U64_MAX || is_deadline(lapic))
		return 0;
	/* With the period limited more may remain than the guest counts from. */
	return min_t(u64, (remaining(lapic, now) + div - 1) / div, initial);
}

static void start_count(struct lapic *lapic, u64 count, u64 now)
{
	if (!count) {
		disarm(lapic);
		return;
	}
	count *= timer_divisor(lapic);
	if (is_periodic(lapic) && count == lapic->period_ns)
		count = limited_period(lapic);
	arm(lapic, now + count);
}

static void expire_count(struct lapic *lapic, u64 now)
{
	u64 period = limited_period(lapic);

	fire(lapic);
	if (!is_periodic(lapic) || !lapic->period_ns) {
		lapic->expires_ns = U64_MAX;
		return;
	}
	/* Periods that the host slept through are lost: they would have merged in IRR anyway. */
	arm(lapic, lapic->expires_ns + ((now - lapic->expires_ns) / period + 1) * period);
}

/* -- here timer_lock is taken -- */

void lapic_timer_expired(struct lapic *lapic)
{
	unsigned long flags;
	u64 now;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	now = now_ns(lapic);
	lapic->armed_deadline = 0;
	if (lapic->expires_ns == U64_MAX)
		goto out; /* cancelled while on its way */
	if (lapic->expires_ns > now)
		arm(lapic, lapic->expires_ns); /* re-armed while on its way */
	else if (is_deadline(lapic))
		arm_deadline(lapic, now); /* the host's clock may run ahead of the TSC */
	else
		expire_count(lapic, now);
out:
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

void lapic_timer_reset(struct lapic *lapic)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	disarm(lapic);
	lapic->period_ns = 0;
	lapic_write_reg(lapic, LAPIC_LVT_TIMER, LAPIC_LVT_MASKED);
	lapic_write_reg(lapic, LAPIC_TIMER_INITIAL, 0);
	lapic_write_reg(lapic, LAPIC_TIMER_DIVIDE, 0);
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

void lapic_timer_write_lvt(struct lapic *lapic, u32 val)
{
	unsigned long flags;
	bool was_deadline;

	if (!lapic_timer_mode_legal(val))
		val &= ~LVT_TIMER_PERIODIC;
	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	was_deadline = is_deadline(lapic);
	lapic_write_reg(lapic, LAPIC_LVT_TIMER, val);
	/*
	 * 11.5.4.1: changing to or from TSC-deadline mode disarms. Between one-shot and periodic
	 * the count goes on: processors do, and so does KVM.
	 */
	if (was_deadline != is_deadline(lapic)) {
		disarm(lapic);
		lapic->period_ns = 0;
		lapic_write_reg(lapic, LAPIC_TIMER_INITIAL, 0);
	}
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

void lapic_timer_write_initial(struct lapic *lapic, u32 val)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	if (!is_deadline(lapic)) {
		lapic_write_reg(lapic, LAPIC_TIMER_INITIAL, val);
		lapic->period_ns = (u64)val * timer_divisor(lapic);
		start_count(lapic, val, now_ns(lapic));
	}
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

void lapic_timer_write_divide(struct lapic *lapic, u32 val)
{
	unsigned long flags;
	u32 count;
	u64 now;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	now = now_ns(lapic);
	count = current_count(lapic, now);
	lapic_write_reg(lapic, LAPIC_TIMER_DIVIDE, val);
	if (!is_deadline(lapic)) {
		lapic->period_ns =
			(u64)lapic_read_reg(lapic, LAPIC_TIMER_INITIAL) * timer_divisor(lapic);
		/*
		 * The count stays and its speed changes. One that has run out has its callback
		 * coming.
		 */
		if (count)
			start_count(lapic, count, now);
	}
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

u32 lapic_timer_current(struct lapic *lapic)
{
	unsigned long flags;
	u32 count;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	count = current_count(lapic, now_ns(lapic));
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
	return count;
}

void lapic_timer_restore(struct lapic *lapic, const struct lapic_timer_state *state)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	lapic_write_reg(lapic, LAPIC_LVT_TIMER, state->lvt);
	lapic_write_reg(lapic, LAPIC_TIMER_INITIAL, state->initial);
	lapic_write_reg(lapic, LAPIC_TIMER_DIVIDE, state->divide);
	if (!is_deadline(lapic)) {
		lapic->period_ns = (u64)state->initial * timer_divisor(lapic);
		start_count(lapic, min(state->current_count, state->initial), now_ns(lapic));
	} else if (state->deadline) {
		lapic->tsc_deadline = state->deadline;
		arm_deadline(lapic, now_ns(lapic));
	}
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

u64 lapic_get_tsc_deadline(struct lapic *lapic)
{
	return is_deadline(lapic) ? READ_ONCE(lapic->tsc_deadline) : 0;
}

void lapic_set_tsc_deadline(struct lapic *lapic, u64 val)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	if (is_deadline(lapic)) {
		lapic->tsc_deadline = val;
		/* A timer that fires earlier arms itself for the rest: lapic_timer_expired(). */
		if (lapic->armed_deadline && val >= lapic->armed_deadline)
			goto out;
		if (val)
			arm_deadline(lapic, now_ns(lapic));
		else
			disarm(lapic);
	}
out:
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}

void lapic_tsc_changed(struct lapic *lapic)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lapic->timer_lock, flags);
	if (is_deadline(lapic) && lapic->tsc_deadline)
		arm_deadline(lapic, now_ns(lapic));
	raw_spin_unlock_irqrestore(&lapic->timer_lock, flags);
}
