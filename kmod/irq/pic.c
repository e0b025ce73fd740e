// SPDX-License-Identifier: GPL-2.0-only
/* 8259A pair. Section names are those of the Intel 8259A data sheet (231468). */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "irq/irqchip.h"
#include "irq/pic.h"

#define ICW1_IC4 BIT(0)
#define ICW1_SNGL BIT(1)
#define ICW1_SELECT BIT(4)
#define ICW4_AEOI BIT(1)
#define ICW4_SFNM BIT(4)
#define OCW3_RIS BIT(0)
#define OCW3_RR BIT(1)
#define OCW3_POLL BIT(2)
#define OCW3_SELECT BIT(3)
#define OCW3_SMM BIT(5)
#define OCW3_ESMM BIT(6)

#define POLL_INTERRUPT BIT(7)
#define SPURIOUS_PIN 7

/* IRQ 0, 1, 2, 8 and 13 are edge triggered for ever (82371 PIIX, ELCR1 and ELCR2). */
static const u8 elcr_writable[2] = { 0xf8, 0xde };

static bool is_master(const struct pic *pic, const struct pic_chip *chip)
{
	return chip == &pic->chip[0];
}

/* 0 is the highest priority; 8: no pin in the mask. */
static unsigned int pic_rank(const struct pic_chip *chip, u8 pins)
{
	unsigned int rank;

	for (rank = 0; rank < 8; rank++)
		if (pins & BIT((chip->lowest + 1 + rank) & 7))
			break;
	return rank;
}

static unsigned int pic_pin(const struct pic_chip *chip, unsigned int rank)
{
	return (chip->lowest + 1 + rank) & 7;
}

/* The pin whose request drives INT, or -1. */
static int pic_request(const struct pic *pic, const struct pic_chip *chip)
{
	unsigned int rank = pic_rank(chip, chip->irr & ~chip->imr);
	unsigned int limit;
	int pin;

	if (chip->init != PIC_INIT_DONE || rank == 8)
		return -1;
	pin = pic_pin(chip, rank);
	/* Special mask mode: a masked level in service inhibits nobody. */
	limit = pic_rank(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);
	if (rank < limit)
		return pin;
	/*
	 * Special fully nested mode: a slave in service is not locked out, so that its higher
	 * inputs pass.
	 */
	if (rank == limit && chip->special_fully_nested && is_master(pic, chip) &&
	    pin == PIC_CASCADE)
		return pin;
	return -1;
}

/* After every change: the slave's INT drives the cascade input, the master's drives the CPUs. */
static void pic_update(struct irqchip *irqchip)
{
	struct pic *pic = &irqchip->pic;
	struct pic_chip *master = &pic->chip[0];
	bool output;

	if (pic_request(pic, &pic->chip[1]) >= 0)
		master->irr |= BIT(PIC_CASCADE);
	else
		master->irr &= ~BIT(PIC_CASCADE);

	output = pic_request(pic, master) >= 0;
	if (output == pic->output)
		return;
	WRITE_ONCE(pic->output, output);
	if (output)
		irqchip_kick_extint(irqchip);
}

static void pic_chip_init(struct pic_chip *chip)
{
	*chip = (struct pic_chip){ .lowest = 7 };
}

void pic_init(struct irqchip *irqchip)
{
	struct pic *pic = &irqchip->pic;

	memset(pic, 0, sizeof(*pic));
	pic_chip_init(&pic->chip[0]);
	pic_chip_init(&pic->chip[1]);
}

/* Returns whether the request is a new one. */
static bool pic_chip_set_line(struct pic_chip *chip, u8 bit, bool level)
{
	bool rise = level && !(chip->line & bit);
	bool pending = chip->irr & bit;

	if (level)
		chip->line |= bit;
	else
		chip->line &= ~bit;

	if (rise)
		chip->irr |= bit;
	else if (!level && (chip->elcr & bit))
		chip->irr &= ~bit;
	return level ? rise && !pending : true;
}

int pic_set_irq(struct irqchip *irqchip, unsigned int pin, int source_id, bool level)
{
	struct pic *pic = &irqchip->pic;
	struct pic_chip *chip = &pic->chip[pin / 8];
	u8 bit = BIT(pin % 8);
	bool fresh;

	/* The slave sits on this input: no one else can drive it. */
	if (pin == PIC_CASCADE)
		return -1;

	if (level)
		pic->sources[pin] |= BIT(source_id);
	else
		pic->sources[pin] &= ~BIT(source_id);

	fresh = pic_chip_set_line(chip, bit, pic->sources[pin] != 0);
	pic_update(irqchip);
	if (chip->imr & bit)
		return -1;
	return fresh;
}

/* For those who wait for the end of an interrupt. */
static void pic_ended(struct pic *pic, const struct pic_chip *chip, u8 pins)
{
	pic->ended |= is_master(pic, chip) ? pins : pins << 8;
}

u32 pic_take_ended(struct irqchip *irqchip)
{
	u32 pins = irqchip->pic.ended & irqchip->watch.pic;

	irqchip->pic.ended = 0;
	return pins;
}

static void pic_chip_ack(struct pic *pic, struct pic_chip *chip, unsigned int pin)
{
	if (!(chip->elcr & BIT(pin)))
		chip->irr &= ~BIT(pin);
	if (!chip->auto_eoi) {
		chip->isr |= BIT(pin);
		return;
	}
	pic_ended(pic, chip, BIT(pin));
	if (chip->rotate_on_auto_eoi)
		chip->lowest = pin;
}

bool pic_pending(const struct irqchip *irqchip)
{
	return READ_ONCE(irqchip->pic.output);
}

static u8 pic_chip_inta(struct pic *pic, struct pic_chip *chip)
{
	int pin = pic_request(pic, chip);

	/*
	 * The request went away before INTA: "default IR7", no ISR bit (Edge and Level Triggered
	 * Modes).
	 */
	if (pin < 0)
		return chip->vector_base + SPURIOUS_PIN;
	pic_chip_ack(pic, chip, pin);
	if (is_master(pic, chip) && pin == PIC_CASCADE)
		return pic_chip_inta(pic, &pic->chip[1]);
	return chip->vector_base + pin;
}

u8 pic_ack(struct irqchip *irqchip)
{
	unsigned long flags;
	u32 ended;
	u8 vector;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	vector = pic_chip_inta(&irqchip->pic, &irqchip->pic.chip[0]);
	pic_update(irqchip);
	ended = pic_take_ended(irqchip);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	if (ended)
		irq_ack_pins(irqchip, 0, ended);
	return vector;
}

static void pic_icw1(struct pic *pic, struct pic_chip *chip, u8 val)
{
	/* What was under way ends here, without an EOI. */
	pic_ended(pic, chip, chip->isr | (chip->irr & ~chip->elcr));
	chip->irr &= chip->elcr; /* the edge sense circuit is reset */
	chip->isr = 0;
	chip->imr = 0;
	chip->lowest = 7;
	chip->special_mask = false;
	chip->poll = false;
	chip->read_isr = false;
	chip->needs_icw4 = val & ICW1_IC4;
	chip->single = val & ICW1_SNGL;
	if (!chip->needs_icw4) {
		chip->auto_eoi = false;
		chip->rotate_on_auto_eoi = false;
		chip->special_fully_nested = false;
	}
	chip->init = PIC_INIT_ICW2;
}

static void pic_eoi(struct pic *pic, struct pic_chip *chip, unsigned int pin, bool rotate)
{
	if (pin > 7)
		return;
	chip->isr &= ~BIT(pin);
	pic_ended(pic, chip, BIT(pin));
	if (rotate)
		chip->lowest = pin;
}

/* The in-service pin of the highest priority, 8 when there is none. */
static unsigned int pic_nonspecific(const struct pic_chip *chip)
{
	/* A masked ISR bit is not cleared by a non-specific EOI in special mask mode. */
	u8 in_service = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
	unsigned int rank = pic_rank(chip, in_service);

	return rank < 8 ? pic_pin(chip, rank) : 8;
}

/* OCW2: R, SL, EOI are bits 7-5. */
static void pic_ocw2(struct pic *pic, struct pic_chip *chip, u8 val)
{
	unsigned int pin = val & 7;

	switch (val >> 5) {
	case 0: /* rotate in automatic EOI mode (clear) */
		chip->rotate_on_auto_eoi = false;
		break;
	case 1: /* non-specific EOI */
		pic_eoi(pic, chip, pic_nonspecific(chip), false);
		break;
	case 3: /* specific EOI */
		pic_eoi(pic, chip, pin, false);
		break;
	case 4: /* rotate in automatic EOI mode (set) */
		chip->rotate_on_auto_eoi = true;
		break;
	case 5: /* rotate on non-specific EOI */
		pic_eoi(pic, chip, pic_nonspecific(chip), true);
		break;
	case 6: /* set priority */
		chip->lowest = pin;
		break;
	case 7: /* rotate on specific EOI */
		pic_eoi(pic, chip, pin, true);
		break;
	}
}

static void pic_ocw3(struct pic_chip *chip, u8 val)
{
	if (val & OCW3_POLL)
		chip->poll = true;
	if (val & OCW3_RR)
		chip->read_isr = val & OCW3_RIS;
	if (val & OCW3_ESMM)
		chip->special_mask = val & OCW3_SMM;
}

static void pic_command(struct pic *pic, struct pic_chip *chip, u8 val)
{
	if (val & ICW1_SELECT)
		pic_icw1(pic, chip, val);
	else if (val & OCW3_SELECT)
		pic_ocw3(chip, val);
	else
		pic_ocw2(pic, chip, val);
}

/* A0 = 1: the rest of the initialization sequence, then OCW1. */
static void pic_data(struct pic_chip *chip, u8 val)
{
	switch (chip->init) {
	case PIC_INIT_DONE:
		chip->imr = val;
		break;
	case PIC_INIT_ICW2:
		chip->vector_base = val & 0xf8;
		if (!chip->single)
			chip->init = PIC_INIT_ICW3;
		else
			chip->init = chip->needs_icw4 ? PIC_INIT_ICW4 : PIC_INIT_DONE;
		break;
	case PIC_INIT_ICW3: /* the wiring of the cascade: fixed in a PC */
		chip->init = chip->needs_icw4 ? PIC_INIT_ICW4 : PIC_INIT_DONE;
		break;
	case PIC_INIT_ICW4:
		chip->auto_eoi = val & ICW4_AEOI;
		chip->special_fully_nested = val & ICW4_SFNM;
		chip->init = PIC_INIT_DONE;
		break;
	}
}

static void pic_elcr_write(struct pic_chip *chip, u8 val)
{
	u8 now_level = val & ~chip->elcr;

	chip->elcr = val;
	chip->irr = (chip->irr & ~now_level) | (chip->line & now_level);
}

/* The read after a poll command acknowledges: ISR is set as by INTA (Poll Command). */
static u8 pic_poll_read(struct pic *pic, struct pic_chip *chip)
{
	int pin = pic_request(pic, chip);

	chip->poll = false;
	if (pin < 0)
		return 0;
	pic_chip_ack(pic, chip, pin);
	return POLL_INTERRUPT | pin;
}

static struct pic_chip *pic_chip_at(struct irqchip *irqchip, u16 port)
{
	if (port >= 0x4d0)
		return &irqchip->pic.chip[port & 1];
	return &irqchip->pic.chip[port >= 0xa0];
}

u8 pic_port_read(struct irqchip *irqchip, u16 port)
{
	struct pic_chip *chip = pic_chip_at(irqchip, port);
	u8 val;

	if (port >= 0x4d0)
		return chip->elcr;
	if (chip->poll) {
		val = pic_poll_read(&irqchip->pic, chip);
		pic_update(irqchip);
		return val;
	}
	if (port & 1)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

void pic_port_write(struct irqchip *irqchip, u16 port, u8 val)
{
	struct pic_chip *chip = pic_chip_at(irqchip, port);

	if (port >= 0x4d0)
		pic_elcr_write(chip, val & elcr_writable[port & 1]);
	else if (port & 1)
		pic_data(chip, val);
	else
		pic_command(&irqchip->pic, chip, val);
	pic_update(irqchip);
}

void pic_get_state(struct irqchip *irqchip, unsigned int index, struct kvm_pic_state *state)
{
	const struct pic_chip *chip = &irqchip->pic.chip[index];

	*state = (struct kvm_pic_state){
		.last_irr = chip->line,
		.irr = chip->irr,
		.imr = chip->imr,
		.isr = chip->isr,
		.priority_add = (chip->lowest + 1) & 7,
		.irq_base = chip->vector_base,
		.read_reg_select = chip->read_isr,
		.poll = chip->poll,
		.special_mask = chip->special_mask,
		.init_state = chip->init,
		.auto_eoi = chip->auto_eoi,
		.rotate_on_auto_eoi = chip->rotate_on_auto_eoi,
		.special_fully_nested_mode = chip->special_fully_nested,
		.init4 = chip->needs_icw4,
		.elcr = chip->elcr,
		.elcr_mask = elcr_writable[index],
	};
}

int pic_set_state(struct irqchip *irqchip, unsigned int index, const struct kvm_pic_state *state)
{
	struct pic_chip *chip = &irqchip->pic.chip[index];

	if (state->init_state > PIC_INIT_ICW4 || state->priority_add > 7 || (state->irq_base & 7) ||
	    (state->elcr & ~elcr_writable[index]))
		return -EINVAL;

	*chip = (struct pic_chip){
		.line = state->last_irr,
		.irr = state->irr,
		.isr = state->isr,
		.imr = state->imr,
		.elcr = state->elcr,
		.lowest = (state->priority_add + 7) & 7,
		.vector_base = state->irq_base,
		.init = state->init_state,
		.needs_icw4 = state->init4,
		.auto_eoi = state->auto_eoi,
		.rotate_on_auto_eoi = state->rotate_on_auto_eoi,
		.special_fully_nested = state->special_fully_nested_mode,
		.special_mask = state->special_mask,
		.read_isr = state->read_reg_select,
		.poll = state->poll,
	};
	pic_update(irqchip);
	return 0;
}
