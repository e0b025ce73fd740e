// SPDX-License-Identifier: GPL-2.0-only
/* Section numbers are those of the 82093AA data sheet (290566). */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "irq/apic_msg.h"
#include "irq/ioapic.h"
#include "irq/irqchip.h"

/* 3.1: the two memory-mapped registers. */
#define IOREGSEL 0x00
#define IOWIN 0x10

/* 3.2: what IOREGSEL chooses. */
#define REG_ID 0x00
#define REG_VERSION 0x01
#define REG_ARBITRATION 0x02
#define REG_REDIR 0x10

#define VERSION (((IOAPIC_PINS - 1) << 16) | 0x11)

/* 3.2.4: a redirection entry. */
#define REDIR_VECTOR 0xffull
#define REDIR_MODE_SHIFT 8
#define REDIR_LOGICAL BIT_ULL(11)
#define REDIR_POLARITY BIT_ULL(13)
#define REDIR_REMOTE_IRR BIT_ULL(14)
#define REDIR_LEVEL BIT_ULL(15)
#define REDIR_MASKED BIT_ULL(16)
#define REDIR_DEST_SHIFT 56
#define REDIR_WRITABLE                                                                \
	(REDIR_VECTOR | (7ull << REDIR_MODE_SHIFT) | REDIR_LOGICAL | REDIR_POLARITY | \
	 REDIR_LEVEL | REDIR_MASKED | (0xffull << REDIR_DEST_SHIFT))

void ioapic_init(struct irqchip *irqchip)
{
	struct ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin;

	memset(ioapic, 0, sizeof(*ioapic));
	ioapic->base = IOAPIC_DEFAULT_BASE;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->redir[pin] = REDIR_MASKED;
}

/* NMI, INIT and ExtINT are edge triggered whatever bit 15 says (3.2.4, delivery mode). */
static bool redir_is_level(u64 entry)
{
	unsigned int mode = (entry >> REDIR_MODE_SHIFT) & 7;

	return (entry & REDIR_LEVEL) && (mode == APIC_DELIVER_FIXED || mode == APIC_DELIVER_LOWEST);
}

/* Sends the pin's message if the entry lets it. Returns as apic_msg_send() does. */
static int ioapic_deliver(struct irqchip *irqchip, unsigned int pin)
{
	struct ioapic *ioapic = &irqchip->ioapic;
	u64 entry = ioapic->redir[pin];
	struct apic_msg msg = {
		.dest = entry >> REDIR_DEST_SHIFT,
		.vector = entry & REDIR_VECTOR,
		.mode = (entry >> REDIR_MODE_SHIFT) & 7,
		.logical = entry & REDIR_LOGICAL,
		.level = redir_is_level(entry),
		.wide = READ_ONCE(irqchip->no_broadcast_quirk),
	};
	int sent;

	if (entry & REDIR_MASKED)
		return -1;
	if (msg.level && (entry & REDIR_REMOTE_IRR))
		return -1;
	msg.lowest_priority = msg.mode == APIC_DELIVER_LOWEST;

	sent = apic_msg_send(irqchip, &msg, NULL);
	if (!msg.level)
		ioapic->sent |= BIT(pin);
	else if (sent >= 0)
		ioapic->redir[pin] |= REDIR_REMOTE_IRR;
	return sent;
}

int ioapic_set_irq(struct irqchip *irqchip, unsigned int pin, int source_id, bool level)
{
	struct ioapic *ioapic = &irqchip->ioapic;
	bool was_high = ioapic->irr & BIT(pin);

	if (level)
		ioapic->sources[pin] |= BIT(source_id);
	else
		ioapic->sources[pin] &= ~BIT(source_id);

	if (!ioapic->sources[pin]) {
		ioapic->irr &= ~BIT(pin);
		ioapic->sent &= ~BIT(pin);
		return 1;
	}
	ioapic->irr |= BIT(pin);
	if (was_high && !redir_is_level(ioapic->redir[pin]))
		return 0;
	return ioapic_deliver(irqchip, pin);
}

/* A level-triggered pin that is still high after a change is due again. */
static void ioapic_resample(struct irqchip *irqchip, unsigned int pin)
{
	struct ioapic *ioapic = &irqchip->ioapic;

	if (redir_is_level(ioapic->redir[pin]) && (ioapic->irr & BIT(pin)))
		ioapic_deliver(irqchip, pin);
}

u8 ioapic_vector(const struct irqchip *irqchip, unsigned int pin)
{
	return irqchip->ioapic.redir[pin] & REDIR_VECTOR;
}

u32 ioapic_ended_pins(const struct irqchip *irqchip, u8 vector, bool level)
{
	const struct ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin;
	u32 pins = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		if (ioapic_vector(irqchip, pin) != vector)
			continue;
		if (level ? ioapic->redir[pin] & REDIR_REMOTE_IRR :
			    !redir_is_level(ioapic->redir[pin]))
			pins |= BIT(pin);
	}
	return pins;
}

void ioapic_eoi(struct irqchip *irqchip, u8 vector)
{
	struct ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = ioapic->redir[pin];

		if (!(entry & REDIR_REMOTE_IRR) || (entry & REDIR_VECTOR) != vector)
			continue;
		ioapic->redir[pin] &= ~REDIR_REMOTE_IRR;
		ioapic_resample(irqchip, pin);
	}
}

static u32 ioapic_read_reg(const struct ioapic *ioapic)
{
	unsigned int pin = (ioapic->select - REG_REDIR) / 2;

	switch (ioapic->select) {
	case REG_ID:
	case REG_ARBITRATION: /* loaded with the ID whenever that is written (3.2.3) */
		return (u32)ioapic->id << 24;
	case REG_VERSION:
		return VERSION;
	}
	if (ioapic->select < REG_REDIR || pin >= IOAPIC_PINS)
		return 0;
	return ioapic->redir[pin] >> ((ioapic->select & 1) ? 32 : 0);
}

static void ioapic_write_redir(struct irqchip *irqchip, unsigned int pin, bool high, u32 val)
{
	u64 *entry = &irqchip->ioapic.redir[pin];
	u64 half = high ? 0xffffffff00000000ull : 0xffffffffull;
	u64 writable = REDIR_WRITABLE & half;
	bool was_masked = *entry & REDIR_MASKED;

	*entry = (*entry & ~writable) | (((u64)val << (high ? 32 : 0)) & writable);
	/*
	 * Making a pin edge triggered clears Remote IRR: with no EOI register (version 0x11) that
	 * is how systems get rid of a stuck level interrupt.
	 */
	if (!(*entry & REDIR_LEVEL))
		*entry &= ~REDIR_REMOTE_IRR;
	if (irqchip->watch.ioapic & BIT(pin)) {
		irq_ack_vectors_changed(irqchip);
		/* Ticks that came while it was masked are lost, and so are their EOIs. */
		if (was_masked && !(*entry & REDIR_MASKED) &&
		    irqchip->watch.ioapic_gsi[pin] == PIT_GSI)
			pit_reset_reinject(irqchip);
	}
	ioapic_resample(irqchip, pin);
}

static void ioapic_write_reg(struct irqchip *irqchip, u32 val)
{
	struct ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin = (ioapic->select - REG_REDIR) / 2;

	if (ioapic->select == REG_ID)
		ioapic->id = (val >> 24) & 0xf;
	else if (ioapic->select >= REG_REDIR && pin < IOAPIC_PINS)
		ioapic_write_redir(irqchip, pin, ioapic->select & 1, val);
}

u32 ioapic_mmio_read(struct irqchip *irqchip, u32 offset)
{
	switch (offset) {
	case IOREGSEL:
		return irqchip->ioapic.select;
	case IOWIN:
		return ioapic_read_reg(&irqchip->ioapic);
	}
	return 0;
}

/*
 * 3.0: IOWIN takes 32-bit accesses only; the index is eight bits wide, and systems write it as a
 * byte.
 */
void ioapic_mmio_write(struct irqchip *irqchip, u32 offset, u8 size, u32 val)
{
	if (offset == IOREGSEL)
		irqchip->ioapic.select = val;
	else if (offset == IOWIN && size >= sizeof(u32))
		ioapic_write_reg(irqchip, val);
}

void ioapic_get_state(struct irqchip *irqchip, struct kvm_ioapic_state *state)
{
	const struct ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin;

	memset(state, 0, sizeof(*state));
	state->base_address = ioapic->base;
	state->ioregsel = ioapic->select;
	state->id = ioapic->id;
	/* A delivered edge must not be sent again by whoever restores this. */
	state->irr = ioapic->irr & ~ioapic->sent;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		state->redirtbl[pin].bits = ioapic->redir[pin];
}

int ioapic_set_state(struct irqchip *irqchip, const struct kvm_ioapic_state *state)
{
	struct ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin;

	if ((state->base_address & (IOAPIC_MMIO_SIZE - 1)) || state->ioregsel > 0xff ||
	    state->id > 0xf || (state->irr >> IOAPIC_PINS))
		return -EINVAL;

	ioapic->base = state->base_address;
	ioapic->select = state->ioregsel;
	ioapic->id = state->id;
	ioapic->irr = state->irr;
	ioapic->sent = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = state->redirtbl[pin].bits & (REDIR_WRITABLE | REDIR_REMOTE_IRR);

		if (!(entry & REDIR_LEVEL))
			entry &= ~REDIR_REMOTE_IRR;
		ioapic->redir[pin] = entry;
	}
	irq_ack_vectors_changed(irqchip);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (ioapic->irr & BIT(pin))
			ioapic_deliver(irqchip, pin);
	return 0;
}
