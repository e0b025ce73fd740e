// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names are those of the Intel 8254 data sheet (231164). Nothing counts: a channel remembers when
 * it was loaded, and everything else is computed from the time since.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "irq/irqchip.h"
#include "irq/pit.h"

#define PORT_CONTROL 0x43
#define PORT_B 0x61

#define READBACK_NO_COUNT BIT(5)
#define READBACK_NO_STATUS BIT(4)
#define STATUS_OUT BIT(7)
#define STATUS_NULL_COUNT BIT(6)

/* Port 0x61 (system control port B). */
#define PORT_B_GATE2 BIT(0)
#define PORT_B_SPEAKER BIT(1)
#define PORT_B_REFRESH BIT(4)
#define PORT_B_OUT2 BIT(5)
/* The refresh bit toggles every 15 us on a PC; systems only look for a change. */
#define REFRESH_SHIFT 14

/* Modes 1 and 5: a rise of the gate starts the count, its level matters no more. */
static bool gate_triggers(const struct pit_channel *ch)
{
	return ch->mode == 1 || ch->mode == 5;
}

static bool is_periodic(const struct pit_channel *ch)
{
	return ch->mode == 2 || ch->mode == 3;
}

/* Clock pulses counted since the load. */
static u64 pit_ticks(const struct pit_channel *ch, u64 now)
{
	u64 end = ch->gate || gate_triggers(ch) ? now : ch->stop_ns;

	if (end <= ch->load_ns)
		return 0;
	return mul_u64_u32_div(end - ch->load_ns, PIT_HZ, NSEC_PER_SEC);
}

static u16 to_bcd(u32 val)
{
	return val % 10 | (val / 10 % 10) << 4 | (val / 100 % 10) << 8 | (val / 1000 % 10) << 12;
}

static u32 from_bcd(u16 val)
{
	return (val & 0xf) + (val >> 4 & 0xf) * 10 + (val >> 8 & 0xf) * 100 +
	       (val >> 12 & 0xf) * 1000;
}

/* What the counting element holds, as it reads over the bus. */
static u16 pit_value(const struct pit_channel *ch, u64 now)
{
	u32 modulo = ch->bcd ? 10000 : 0x10000;
	u64 ticks = pit_ticks(ch, now);
	u32 val;

	switch (ch->mode) {
	case 2:
		val = ch->count - ticks % ch->count;
		break;
	case 3: /* counts down by two, twice in a period */
		val = ch->count - (2 * ticks) % ch->count;
		break;
	case 1:
	case 5:
		if (!ch->triggered) {
			val = ch->count;
			break;
		}
		fallthrough;
	default: /* past the terminal count it wraps and goes on */
		val = (ch->count + modulo - ticks % modulo) % modulo;
	}
	val %= modulo;
	return ch->bcd ? to_bcd(val) : val;
}

static bool pit_out(const struct pit_channel *ch, u64 now)
{
	u64 ticks = pit_ticks(ch, now);

	if (!ch->loaded)
		return ch->mode != 0;
	switch (ch->mode) {
	case 0:
		return ticks >= ch->count;
	case 1:
		return !ch->triggered || ticks >= ch->count;
	case 2: /* low for the last clock of each period; the gate holds it high */
		return !ch->gate || ticks % ch->count != ch->count - 1;
	case 3: /* high for the first half */
		return !ch->gate || ticks % ch->count < (ch->count + 1) / 2;
	case 4:
		return ticks != ch->count;
	case 5:
		return !ch->triggered || ticks != ch->count;
	}
	return true;
}

static u64 ticks_to_ns(u64 ticks)
{
	return mul_u64_u32_div(ticks, NSEC_PER_SEC, PIT_HZ) + 1;
}

/* The next rise of OUT0 after now, which is what IRQ 0 is made of. */
static u64 pit_next_rise(const struct pit *pit, u64 now)
{
	const struct pit_channel *ch = &pit->channel[0];
	u64 ticks = pit_ticks(ch, now), rise;

	if (!ch->loaded || (pit->flags & KVM_PIT_FLAGS_HPET_LEGACY))
		return U64_MAX;
	if (is_periodic(ch)) {
		rise = ch->load_ns + ticks_to_ns((ticks / ch->count + 1) * ch->count);
		if (ticks_to_ns(ch->count) < PIT_MIN_PERIOD_NS)
			rise = max(rise, now + PIT_MIN_PERIOD_NS);
		return rise;
	}
	/*
	 * Mode 4 rises again one clock after the strobe. The gate of channel 0 is tied high: 1 and
	 * 5 never start.
	 */
	if (ch->mode == 0 || ch->mode == 4) {
		rise = ch->load_ns + ticks_to_ns(ch->count + (ch->mode == 4));
		return rise > now ? rise : U64_MAX;
	}
	return U64_MAX;
}

void pit_reset_reinject(struct irqchip *irqchip)
{
	irqchip->pit.pending = 0;
	irqchip->pit.acked = true;
}

/* A tick is due: is it now? */
static bool pit_tick(struct pit *pit)
{
	bool now = pit->acked;

	if (!pit->reinject)
		return true;
	pit->pending++;
	pit->acked = false;
	return now;
}

/* An edge. One that nobody takes will not be ended by anybody either. */
static void pit_inject(struct irqchip *irqchip)
{
	unsigned long flags;

	if (irqchip_set_irq(irqchip, PIT_GSI, IRQ_SOURCE_PIT, true) < 0) {
		raw_spin_lock_irqsave(&irqchip->lock, flags);
		pit_reset_reinject(irqchip);
		raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	}
	irqchip_set_irq(irqchip, PIT_GSI, IRQ_SOURCE_PIT, false);
}

void pit_acked(struct irqchip *irqchip)
{
	struct pit *pit = &irqchip->pit;
	unsigned long flags;
	bool again = false;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	if (pit->reinject) {
		if (pit->pending)
			pit->pending--;
		again = pit->pending;
		pit->acked = !again;
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	if (again)
		pit_inject(irqchip);
}

void pit_set_reinject(struct irqchip *irqchip, bool reinject)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	irqchip->pit.reinject = reinject;
	pit_reset_reinject(irqchip);
	irq_ack_pins_changed(irqchip);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
}

static void pit_arm(struct irqchip *irqchip, u64 now)
{
	struct pit *pit = &irqchip->pit;

	pit->expires_ns = pit_next_rise(pit, now);
	irqchip->ops->pit_timer_arm(irqchip->ctx, pit->expires_ns);
}

void pit_timer_expired(struct irqchip *irqchip)
{
	struct pit *pit = &irqchip->pit;
	unsigned long flags;
	bool rise, inject = false;
	u64 now;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	now = irqchip_now(irqchip);
	/* Not the one that is armed now: the guest re-armed while this was on its way. */
	rise = pit->expires_ns <= now;
	if (rise) {
		pit_arm(irqchip, now);
		inject = pit_tick(pit);
	} else if (pit->expires_ns != U64_MAX) {
		irqchip->ops->pit_timer_arm(irqchip->ctx, pit->expires_ns);
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	if (inject)
		pit_inject(irqchip);
}

static void pit_load(struct irqchip *irqchip, unsigned int index, u16 val)
{
	struct pit_channel *ch = &irqchip->pit.channel[index];
	u64 now = irqchip_now(irqchip);

	if (ch->bcd)
		ch->count = val ? from_bcd(val) : 10000;
	else
		ch->count = val ? val : 0x10000;
	ch->loaded = true;
	/* A new count in modes 1 and 5 takes effect with the next trigger. */
	if (!gate_triggers(ch) || !ch->triggered) {
		ch->load_ns = now;
		ch->stop_ns = now;
	}
	if (index == 0) {
		pit_reset_reinject(irqchip);
		pit_arm(irqchip, now);
	}
}

static void pit_write_count(struct irqchip *irqchip, unsigned int index, u8 val)
{
	struct pit_channel *ch = &irqchip->pit.channel[index];

	switch (ch->write_state) {
	case PIT_HIGH:
		pit_load(irqchip, index, val << 8);
		break;
	case PIT_WORD0:
		ch->write_low = val;
		ch->write_state = PIT_WORD1;
		/* Mode 0: the first byte stops the counting and OUT goes low. */
		if (ch->mode == 0 && ch->loaded) {
			ch->loaded = false;
			if (index == 0)
				pit_arm(irqchip, irqchip_now(irqchip));
		}
		break;
	case PIT_WORD1:
		ch->write_state = PIT_WORD0;
		pit_load(irqchip, index, ch->write_low | val << 8);
		break;
	default:
		pit_load(irqchip, index, val);
	}
}

static u8 pit_read_count(struct irqchip *irqchip, unsigned int index)
{
	struct pit_channel *ch = &irqchip->pit.channel[index];
	u16 val;

	if (ch->status_latched) {
		ch->status_latched = false;
		return ch->status;
	}
	if (ch->count_latched) {
		bool high = ch->count_latched == PIT_HIGH;

		ch->count_latched = ch->count_latched == PIT_WORD0 ? PIT_HIGH : 0;
		return ch->latched_count >> (high ? 8 : 0);
	}

	val = pit_value(ch, irqchip_now(irqchip));
	switch (ch->read_state) {
	case PIT_HIGH:
		return val >> 8;
	case PIT_WORD0:
		ch->read_state = PIT_WORD1;
		return val;
	case PIT_WORD1:
		ch->read_state = PIT_WORD0;
		return val >> 8;
	}
	return val;
}

/* Counter latch command: a second one before the first was read is ignored. */
static void pit_latch_count(struct pit_channel *ch, u64 now)
{
	if (ch->count_latched)
		return;
	ch->latched_count = pit_value(ch, now);
	ch->count_latched = ch->access ? ch->access : PIT_LOW;
}

static void pit_latch_status(struct pit_channel *ch, u64 now)
{
	if (ch->status_latched)
		return;
	ch->status = (pit_out(ch, now) ? STATUS_OUT : 0) | (ch->loaded ? 0 : STATUS_NULL_COUNT) |
		     ch->access << 4 | (ch->mode == PIT_MODE_NONE ? 0 : ch->mode << 1) | ch->bcd;
	ch->status_latched = true;
}

static void pit_read_back(struct irqchip *irqchip, u8 val)
{
	u64 now = irqchip_now(irqchip);
	unsigned int i;

	for (i = 0; i < PIT_CHANNELS; i++) {
		if (!(val & BIT(i + 1)))
			continue;
		if (!(val & READBACK_NO_COUNT))
			pit_latch_count(&irqchip->pit.channel[i], now);
		if (!(val & READBACK_NO_STATUS))
			pit_latch_status(&irqchip->pit.channel[i], now);
	}
}

static void pit_control(struct irqchip *irqchip, u8 val)
{
	unsigned int index = val >> 6, access = (val >> 4) & 3;
	u64 now = irqchip_now(irqchip);
	struct pit_channel *ch;

	if (index == PIT_CHANNELS) {
		pit_read_back(irqchip, val);
		return;
	}
	ch = &irqchip->pit.channel[index];
	if (!access) {
		pit_latch_count(ch, now);
		return;
	}
	ch->access = access;
	ch->read_state = access;
	ch->write_state = access;
	ch->mode = (val >> 1) & 7;
	if (ch->mode > 5) /* the third bit of modes 2 and 3 is not decoded */
		ch->mode -= 4;
	ch->bcd = val & 1;
	ch->loaded = false;
	ch->triggered = false;
	ch->count_latched = 0;
	ch->status_latched = false;
	if (index == 0)
		pit_arm(irqchip, now);
}

/* Operation of the gate by mode (data sheet, figure 21). */
static void pit_set_gate(struct pit_channel *ch, bool gate, u64 now)
{
	if (gate == ch->gate)
		return;
	ch->gate = gate;
	if (!gate) {
		ch->stop_ns = now;
	} else if (gate_triggers(ch)) {
		ch->triggered = true;
		ch->load_ns = now;
	} else if (is_periodic(ch)) {
		ch->load_ns = now;
	} else {
		ch->load_ns += now - ch->stop_ns;
	}
}

static void port_b_write(struct irqchip *irqchip, u8 val)
{
	irqchip->pit.speaker_on = val & PORT_B_SPEAKER;
	pit_set_gate(&irqchip->pit.channel[2], val & PORT_B_GATE2, irqchip_now(irqchip));
}

static u8 port_b_read(struct irqchip *irqchip)
{
	const struct pit_channel *ch = &irqchip->pit.channel[2];
	u64 now = irqchip_now(irqchip);

	return (ch->gate ? PORT_B_GATE2 : 0) | (irqchip->pit.speaker_on ? PORT_B_SPEAKER : 0) |
	       ((now >> REFRESH_SHIFT) & 1 ? PORT_B_REFRESH : 0) |
	       (pit_out(ch, now) ? PORT_B_OUT2 : 0);
}

bool pit_claims(const struct irqchip *irqchip, u16 port)
{
	const struct pit *pit = &irqchip->pit;

	/*
	 * Created under the lock, never taken away: a stale "no" is a port that is not there yet.
	 */
	if (!READ_ONCE(pit->created))
		return false;
	return (port >= 0x40 && port <= PORT_CONTROL) || (port == PORT_B && pit->speaker_port);
}

u8 pit_port_read(struct irqchip *irqchip, u16 port)
{
	if (port == PORT_B)
		return port_b_read(irqchip);
	if (port == PORT_CONTROL) /* write only */
		return 0;
	return pit_read_count(irqchip, port & 3);
}

void pit_port_write(struct irqchip *irqchip, u16 port, u8 val)
{
	if (port == PORT_B)
		port_b_write(irqchip, val);
	else if (port == PORT_CONTROL)
		pit_control(irqchip, val);
	else
		pit_write_count(irqchip, port & 3, val);
}

static void pit_reset(struct pit *pit, u64 now)
{
	unsigned int i;

	for (i = 0; i < PIT_CHANNELS; i++)
		pit->channel[i] = (struct pit_channel){
			.count = 0x10000,
			.load_ns = now,
			.stop_ns = now,
			.mode = PIT_MODE_NONE,
			.gate = i != 2,
		};
	pit->expires_ns = U64_MAX;
}

int pit_create(struct irqchip *irqchip, u32 create_flags)
{
	struct pit *pit = &irqchip->pit;
	unsigned long flags;
	int err = 0;

	if (create_flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	if (pit->created) {
		err = -EEXIST;
	} else {
		pit_reset(pit, irqchip_now(irqchip));
		pit->speaker_port = create_flags & KVM_PIT_SPEAKER_DUMMY;
		smp_store_release(&pit->created, true);
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return err;
}

static void pit_channel_get(const struct pit_channel *ch, struct kvm_pit_channel_state *state)
{
	*state = (struct kvm_pit_channel_state){
		.count = ch->count,
		.latched_count = ch->latched_count,
		.count_latched = ch->count_latched,
		.status_latched = ch->status_latched,
		.status = ch->status,
		.read_state = ch->read_state,
		.write_state = ch->write_state,
		.write_latch = ch->write_low,
		.rw_mode = ch->access,
		.mode = ch->mode,
		.bcd = ch->bcd,
		.gate = ch->gate,
		.count_load_time = ch->load_ns,
	};
}

int pit_get_state(struct irqchip *irqchip, struct kvm_pit_state2 *state)
{
	const struct pit *pit = &irqchip->pit;
	unsigned long flags;
	unsigned int i;

	memset(state, 0, sizeof(*state));
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	for (i = 0; i < PIT_CHANNELS; i++)
		pit_channel_get(&pit->channel[i], &state->channels[i]);
	state->flags = pit->flags | (pit->speaker_on ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return pit->created ? 0 : -ENXIO;
}

static bool pit_channel_valid(const struct kvm_pit_channel_state *state)
{
	return state->count <= 0x10000 && (state->mode <= 5 || state->mode == PIT_MODE_NONE) &&
	       state->rw_mode <= PIT_WORD0 && state->count_latched <= PIT_WORD0 &&
	       state->read_state <= PIT_WORD1 && state->write_state <= PIT_WORD1;
}

static void pit_channel_set(struct pit_channel *ch, const struct kvm_pit_channel_state *state,
			    u64 now)
{
	*ch = (struct pit_channel){
		.count = state->count ? state->count : 0x10000,
		.load_ns = min_t(u64, state->count_load_time, now),
		.stop_ns = now,
		.latched_count = state->latched_count,
		.count_latched = state->count_latched,
		.status = state->status,
		.status_latched = state->status_latched,
		.read_state = state->read_state,
		.write_state = state->write_state,
		.access = state->rw_mode,
		.write_low = state->write_latch,
		.mode = state->mode,
		.bcd = state->bcd,
		.gate = state->gate,
		.loaded = state->mode != PIT_MODE_NONE,
		.triggered = true,
	};
}

int pit_set_state(struct irqchip *irqchip, const struct kvm_pit_state2 *state)
{
	struct pit *pit = &irqchip->pit;
	unsigned long flags;
	unsigned int i;
	u64 now;

	if (!READ_ONCE(pit->created))
		return -ENXIO;
	if (state->flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON))
		return -EINVAL;
	for (i = 0; i < PIT_CHANNELS; i++)
		if (!pit_channel_valid(&state->channels[i]))
			return -EINVAL;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	now = irqchip_now(irqchip);
	for (i = 0; i < PIT_CHANNELS; i++)
		pit_channel_set(&pit->channel[i], &state->channels[i], now);
	pit->flags = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_on = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	/* Channel 0 begins a new period, and its gate has no wire: as KVM does on restore. */
	pit->channel[0].gate = true;
	pit->channel[0].load_ns = now;
	pit_reset_reinject(irqchip);
	pit_arm(irqchip, now);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return 0;
}
