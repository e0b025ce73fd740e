// SPDX-License-Identifier: GPL-2.0-only
/* The 8259A pair of a PC: Intel's data sheet (231468), and the ELCR of the 82371. */
#include <errno.h>

#include "fake_irqchip.h"

#define MASTER 0x20
#define SLAVE 0xa0
#define NONSPECIFIC_EOI 0x20
#define SPECIFIC_EOI 0x60

static struct fake *f;

static void init_chip(u16 port, u8 base, u8 icw3, u8 icw4)
{
	port_write(f, port, 0x11);
	port_write(f, port + 1, base);
	port_write(f, port + 1, icw3);
	port_write(f, port + 1, icw4);
}

/* As firmware and systems do: vectors 0x30 and 0x38, 8086 mode, nothing masked. */
static void setup(void)
{
	f = fake_create(2);
	init_chip(MASTER, 0x30, 0x04, 0x01);
	init_chip(SLAVE, 0x38, 0x02, 0x01);
}

static void teardown(void)
{
	fake_destroy(f);
}

/* GSIs reach the I/O APIC as well, whose pins are masked after reset. */
static int irq(unsigned int pin, bool level)
{
	return gsi(f, pin, level);
}

static void pulse(unsigned int pin)
{
	irq(pin, 1);
	irq(pin, 0);
}

/* INTA; -1 when INT is low. */
static int inta(void)
{
	return pic_pending(&f->chip) ? pic_ack(&f->chip) : -1;
}

static u8 read_isr(u16 port)
{
	port_write(f, port, 0x0b);
	return port_read(f, port);
}

static u8 read_irr(u16 port)
{
	port_write(f, port, 0x0a);
	return port_read(f, port);
}

static void eoi(unsigned int pin)
{
	if (pin >= 8)
		port_write(f, SLAVE, NONSPECIFIC_EOI);
	port_write(f, MASTER, NONSPECIFIC_EOI);
}

static struct kvm_irqchip save(u32 id)
{
	struct kvm_irqchip state = { .chip_id = id };

	ck_assert_int_eq(irqchip_get_chip(&f->chip, &state), 0);
	return state;
}

/* -- every input -- */

START_TEST(irq_pic_every_input)
{
	unsigned int pin = _i;

	if (pin == 2) { /* the cascade: nothing else is wired to it */
		ck_assert_int_eq(irq(2, 1), -1);
		ck_assert_int_eq(inta(), -1);
		return;
	}
	ck_assert_int_eq(irq(pin, 1), 1);
	ck_assert_uint_eq(f->kicks[0], 1);
	ck_assert_uint_eq(f->kicks[1], 0);
	ck_assert_int_eq(inta(), 0x30 + pin);
	ck_assert_uint_eq(read_isr(MASTER), pin < 8 ? 1 << pin : 4);
	ck_assert_uint_eq(read_isr(SLAVE), pin < 8 ? 0 : 1 << (pin - 8));
	ck_assert_uint_eq(read_irr(MASTER), 0);
	ck_assert_int_eq(inta(), -1);
	irq(pin, 0);
	eoi(pin);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	ck_assert_uint_eq(read_isr(SLAVE), 0);
	ck_assert_int_eq(inta(), -1);
}
END_TEST

START_TEST(irq_pic_priorities)
{
	/* Fully nested: IR0, IR1, the slave's eight, IR3 ... IR7. */
	static const u8 order[] = { 0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7 };
	unsigned int i;

	for (i = ARRAY_SIZE(order); i--;)
		pulse(order[i]);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		ck_assert_int_eq(inta(), 0x30 + order[i]);
		ck_assert_int_eq(inta(), -1);
		eoi(order[i]);
	}
	ck_assert_int_eq(inta(), -1);
}
END_TEST

START_TEST(irq_pic_nesting)
{
	pulse(5);
	ck_assert_int_eq(inta(), 0x35);
	pulse(6);
	ck_assert_int_eq(inta(), -1);
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	ck_assert_uint_eq(read_isr(MASTER), 0x28);
	/* The non-specific EOI ends the highest in service. */
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_uint_eq(read_isr(MASTER), 0x20);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x36);
}
END_TEST

START_TEST(irq_pic_slave_nesting)
{
	pulse(12);
	ck_assert_int_eq(inta(), 0x3c);
	/* A higher input of the slave is behind the master's IR2, which is in service. */
	pulse(9);
	ck_assert_int_eq(inta(), -1);
	/* IR0 and IR1 of the master are above it. */
	pulse(1);
	ck_assert_int_eq(inta(), 0x31);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	/* The slave's own ISR lets only IR9 through. */
	ck_assert_int_eq(inta(), 0x39);
}
END_TEST

START_TEST(irq_pic_specific_eoi)
{
	pulse(5);
	ck_assert_int_eq(inta(), 0x35);
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	port_write(f, MASTER, SPECIFIC_EOI | 5);
	ck_assert_uint_eq(read_isr(MASTER), 0x08);
	port_write(f, MASTER, SPECIFIC_EOI | 6);
	ck_assert_uint_eq(read_isr(MASTER), 0x08);
	port_write(f, MASTER, SPECIFIC_EOI | 3);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	/* With nothing in service: no effect. */
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_uint_eq(read_isr(MASTER), 0);
}
END_TEST

/* -- masks, triggers -- */

START_TEST(irq_pic_masks)
{
	port_write(f, MASTER + 1, 0xfb & ~0x10);
	port_write(f, SLAVE + 1, 0xfe);
	ck_assert_uint_eq(port_read(f, MASTER + 1), 0xeb);
	ck_assert_uint_eq(port_read(f, SLAVE + 1), 0xfe);
	ck_assert_int_eq(irq(3, 1), -1);
	ck_assert_int_eq(irq(9, 1), -1);
	ck_assert_int_eq(inta(), -1);
	ck_assert_uint_eq(read_irr(MASTER), 0x08);
	ck_assert_uint_eq(read_irr(SLAVE), 0x02);
	pulse(8);
	ck_assert_int_eq(inta(), 0x38);
	eoi(8);
	/* An edge is remembered behind the mask. */
	irq(3, 0);
	port_write(f, MASTER + 1, 0);
	ck_assert_int_eq(inta(), 0x33);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	/* Masking the cascade masks the slave. */
	port_write(f, MASTER + 1, 0x04);
	port_write(f, SLAVE + 1, 0);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER + 1, 0);
	ck_assert_int_eq(inta(), 0x39);
}
END_TEST

START_TEST(irq_pic_edge)
{
	ck_assert_int_eq(irq(4, 1), 1);
	ck_assert_int_eq(irq(4, 1), 0);
	ck_assert_int_eq(inta(), 0x34);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	/* Still high: no second one. */
	ck_assert_int_eq(irq(4, 1), 0);
	ck_assert_int_eq(inta(), -1);
	irq(4, 0);
	ck_assert_int_eq(irq(4, 1), 1);
	ck_assert_int_eq(inta(), 0x34);
	/* A new edge during service is held until the EOI; a second merges. */
	irq(4, 0);
	ck_assert_int_eq(irq(4, 1), 1);
	irq(4, 0);
	ck_assert_int_eq(irq(4, 1), 0);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x34);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), -1);
}
END_TEST

START_TEST(irq_pic_level)
{
	port_write(f, 0x4d0, 0x20);
	port_write(f, 0x4d1, 0x08);
	ck_assert_int_eq(irq(5, 1), 1);
	ck_assert_int_eq(inta(), 0x35);
	ck_assert_uint_eq(read_irr(MASTER), 0x20);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x35);
	irq(5, 0);
	ck_assert_uint_eq(read_irr(MASTER), 0);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), -1);
	/* And on the slave. */
	irq(11, 1);
	ck_assert_int_eq(inta(), 0x3b);
	eoi(11);
	ck_assert_int_eq(inta(), 0x3b);
	irq(11, 0);
	eoi(11);
	ck_assert_int_eq(inta(), -1);
}
END_TEST

START_TEST(irq_pic_elcr_bits)
{
	/* IRQ 0, 1, 2, 8 and 13 are edge triggered for ever. */
	port_write(f, 0x4d0, 0xff);
	port_write(f, 0x4d1, 0xff);
	ck_assert_uint_eq(port_read(f, 0x4d0), 0xf8);
	ck_assert_uint_eq(port_read(f, 0x4d1), 0xde);
	port_write(f, 0x4d0, 0);
	port_write(f, 0x4d1, 0);
	/* A line that is high counts as soon as its input is level triggered. */
	irq(5, 1);
	ck_assert_int_eq(inta(), 0x35);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), -1);
	port_write(f, 0x4d0, 0x20);
	ck_assert_int_eq(inta(), 0x35);
}
END_TEST

START_TEST(irq_pic_level_sources_are_ored)
{
	port_write(f, 0x4d0, 0x20);
	irq(5, 1);
	irqchip_set_irq(&f->chip, 5, IRQ_SOURCE_IRQFD, 1);
	irq(5, 0);
	ck_assert_int_eq(inta(), 0x35);
	irqchip_set_irq(&f->chip, 5, IRQ_SOURCE_IRQFD, 0);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), -1);
}
END_TEST

/* -- spurious: the request is gone at INTA -- */

START_TEST(irq_pic_spurious_master)
{
	port_write(f, 0x4d0, 0x20);
	irq(5, 1);
	ck_assert(pic_pending(&f->chip));
	irq(5, 0);
	ck_assert(!pic_pending(&f->chip));
	/* The CPU had begun: default IR7, and no ISR bit. */
	ck_assert_uint_eq(pic_ack(&f->chip), 0x37);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	/* The same by a mask. */
	irq(4, 1);
	port_write(f, MASTER + 1, 0x10);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x37);
	ck_assert_uint_eq(read_isr(MASTER), 0);
}
END_TEST

/* -- initialization -- */

START_TEST(irq_pic_icw1_resets)
{
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	pulse(6);
	port_write(f, MASTER + 1, 0xf0);
	port_write(f, MASTER, 0x68); /* special mask mode */
	port_write(f, MASTER, 0xc0 | 4); /* lowest priority: 4 */
	port_write(f, MASTER, 0x0b);
	init_chip(MASTER, 0x70, 0x04, 0x01);
	ck_assert_uint_eq(port_read(f, MASTER + 1), 0);
	/* Status read is set to IRR, and edges are forgotten. */
	ck_assert_uint_eq(port_read(f, MASTER), 0);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	ck_assert_int_eq(inta(), -1);
	/* IR7 has the lowest priority again, and the base is new. */
	pulse(5);
	pulse(3);
	ck_assert_int_eq(inta(), 0x73);
}
END_TEST

START_TEST(irq_pic_icw1_keeps_level_requests)
{
	port_write(f, 0x4d0, 0x20);
	irq(5, 1);
	init_chip(MASTER, 0x70, 0x04, 0x01);
	ck_assert_uint_eq(port_read(f, 0x4d0), 0x20);
	ck_assert_int_eq(inta(), 0x75);
}
END_TEST

START_TEST(irq_pic_high_line_needs_a_new_edge_after_icw1)
{
	irq(4, 1);
	init_chip(MASTER, 0x30, 0x04, 0x01);
	irq(4, 1);
	ck_assert_int_eq(inta(), -1);
	irq(4, 0);
	irq(4, 1);
	ck_assert_int_eq(inta(), 0x34);
}
END_TEST

START_TEST(irq_pic_init_sequences)
{
	/* Nothing is delivered in the middle of it. */
	port_write(f, MASTER, 0x11);
	irq(4, 1);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER + 1, 0x57); /* the low three bits are the input's */
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER + 1, 0x04);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER + 1, 0x01);
	ck_assert_int_eq(inta(), 0x54);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	/* IC4 = 0: three words; what comes then is a mask. */
	port_write(f, MASTER, 0x10);
	port_write(f, MASTER + 1, 0x60);
	port_write(f, MASTER + 1, 0x04);
	port_write(f, MASTER + 1, 0xa5);
	ck_assert_uint_eq(port_read(f, MASTER + 1), 0xa5);
	/* SNGL: no ICW3. */
	port_write(f, MASTER, 0x13);
	port_write(f, MASTER + 1, 0x60);
	port_write(f, MASTER + 1, 0x01);
	port_write(f, MASTER + 1, 0x5a);
	ck_assert_uint_eq(port_read(f, MASTER + 1), 0x5a);
	port_write(f, MASTER, 0x12);
	port_write(f, MASTER + 1, 0x60);
	port_write(f, MASTER + 1, 0x3c);
	ck_assert_uint_eq(port_read(f, MASTER + 1), 0x3c);
	/* ICW1 in the middle begins anew. */
	port_write(f, MASTER, 0x11);
	port_write(f, MASTER + 1, 0x60);
	init_chip(MASTER, 0x48, 0x04, 0x01);
	irq(4, 0);
	irq(4, 1);
	ck_assert_int_eq(inta(), 0x4c);
}
END_TEST

START_TEST(irq_pic_no_icw4_clears_its_modes)
{
	init_chip(MASTER, 0x30, 0x04, 0x13); /* AEOI, special fully nested */
	port_write(f, MASTER, 0x80); /* rotate in automatic EOI mode */
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	port_write(f, MASTER, 0x10);
	port_write(f, MASTER + 1, 0x30);
	port_write(f, MASTER + 1, 0x04);
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	ck_assert_uint_eq(read_isr(MASTER), 0x08);
	ck_assert_uint_eq(save(KVM_IRQCHIP_PIC_MASTER).chip.pic.rotate_on_auto_eoi, 0);
	ck_assert_uint_eq(save(KVM_IRQCHIP_PIC_MASTER).chip.pic.special_fully_nested_mode, 0);
}
END_TEST

/* -- automatic EOI, rotation -- */

START_TEST(irq_pic_automatic_eoi)
{
	init_chip(MASTER, 0x30, 0x04, 0x03);
	init_chip(SLAVE, 0x38, 0x02, 0x03);
	pulse(3);
	pulse(3);
	pulse(12);
	ck_assert_int_eq(inta(), 0x3c);
	ck_assert_int_eq(inta(), 0x33);
	ck_assert_int_eq(inta(), -1);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	ck_assert_uint_eq(read_isr(SLAVE), 0);
}
END_TEST

START_TEST(irq_pic_rotate_on_eoi)
{
	pulse(4);
	pulse(6);
	ck_assert_int_eq(inta(), 0x34);
	/*
	 * Data sheet, automatic rotation: IR4 was served and becomes the lowest, IR5 the highest.
	 */
	port_write(f, MASTER, 0xa0);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	pulse(4);
	pulse(0);
	ck_assert_int_eq(inta(), 0x36);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x30);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x34);
	port_write(f, MASTER, 0xa0);
	/* With nothing in service nothing rotates. */
	port_write(f, MASTER, 0xc0 | 7);
	port_write(f, MASTER, 0xa0);
	pulse(1);
	pulse(5);
	ck_assert_int_eq(inta(), 0x31);
}
END_TEST

START_TEST(irq_pic_rotate_specific)
{
	/* Set priority: IR5 lowest, so IR6 is the highest. */
	port_write(f, MASTER, 0xc0 | 5);
	pulse(5);
	pulse(0);
	pulse(6);
	pulse(7);
	ck_assert_int_eq(inta(), 0x36);
	/* Rotate on specific EOI: IR6 ends and is the lowest. */
	port_write(f, MASTER, 0xe0 | 6);
	ck_assert_uint_eq(read_isr(MASTER), 0);
	pulse(6);
	ck_assert_int_eq(inta(), 0x37);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x30);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x35);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x36);
}
END_TEST

START_TEST(irq_pic_rotate_in_automatic_eoi)
{
	init_chip(MASTER, 0x30, 0x04, 0x03);
	port_write(f, MASTER, 0x80);
	pulse(3);
	pulse(4);
	ck_assert_int_eq(inta(), 0x33);
	pulse(3);
	pulse(0);
	ck_assert_int_eq(inta(), 0x34);
	ck_assert_int_eq(inta(), 0x30);
	ck_assert_int_eq(inta(), 0x33);
	/* Cleared: the order stands still. */
	port_write(f, MASTER, 0x00);
	port_write(f, MASTER, 0xc0 | 7);
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	pulse(3);
	pulse(4);
	ck_assert_int_eq(inta(), 0x33);
}
END_TEST

/* -- special modes -- */

START_TEST(irq_pic_special_mask_mode)
{
	pulse(3);
	ck_assert_int_eq(inta(), 0x33);
	port_write(f, MASTER + 1, 0x08);
	pulse(5);
	ck_assert_int_eq(inta(), -1);
	/* A masked level in service inhibits no one now. */
	port_write(f, MASTER, 0x68);
	ck_assert_int_eq(inta(), 0x35);
	/* A non-specific EOI does not end the masked one. */
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_uint_eq(read_isr(MASTER), 0x08);
	/* OCW3 without ESMM leaves the mode alone; with it, ends it. */
	port_write(f, MASTER, 0x28);
	pulse(6);
	ck_assert_int_eq(inta(), 0x36);
	port_write(f, MASTER, SPECIFIC_EOI | 6);
	port_write(f, MASTER, 0x48);
	pulse(6);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x36);
}
END_TEST

START_TEST(irq_pic_special_fully_nested)
{
	init_chip(MASTER, 0x30, 0x04, 0x11);
	pulse(12);
	ck_assert_int_eq(inta(), 0x3c);
	/*
	 * The slave's higher input passes the master; its lower one and the master's lower ones do
	 * not.
	 */
	pulse(4);
	pulse(14);
	ck_assert_int_eq(inta(), -1);
	pulse(9);
	ck_assert_int_eq(inta(), 0x39);
	ck_assert_uint_eq(read_isr(SLAVE), 0x12);
	/* EOI to the master only when the slave has nothing left in service. */
	port_write(f, SLAVE, NONSPECIFIC_EOI);
	ck_assert_uint_eq(read_isr(SLAVE), 0x10);
	port_write(f, SLAVE, NONSPECIFIC_EOI);
	ck_assert_uint_eq(read_isr(SLAVE), 0);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x3e);
	eoi(14);
	ck_assert_int_eq(inta(), 0x34);
}
END_TEST

START_TEST(irq_pic_poll)
{
	port_write(f, MASTER, 0x0c);
	ck_assert_uint_eq(port_read(f, MASTER), 0);
	pulse(0);
	port_write(f, MASTER, 0x0c);
	ck_assert_uint_eq(port_read(f, MASTER), 0x80);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	pulse(4);
	pulse(1);
	port_write(f, MASTER, 0x0c);
	ck_assert_uint_eq(port_read(f, MASTER), 0x81);
	/* It was an acknowledge, and the next read is a status read again. */
	ck_assert_uint_eq(port_read(f, MASTER), 0x10);
	ck_assert_uint_eq(read_isr(MASTER), 0x02);
	ck_assert_int_eq(inta(), -1);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	ck_assert_int_eq(inta(), 0x34);
	port_write(f, MASTER, NONSPECIFIC_EOI);
	/* The cascade shows as level 2; then the slave is polled, on either port. */
	pulse(14);
	port_write(f, MASTER, 0x0c);
	ck_assert_uint_eq(port_read(f, MASTER), 0x82);
	port_write(f, SLAVE, 0x0c);
	ck_assert_uint_eq(port_read(f, SLAVE + 1), 0x86);
	ck_assert_uint_eq(read_isr(SLAVE), 0x40);
	eoi(14);
	ck_assert_int_eq(inta(), -1);
}
END_TEST

/* -- the bus -- */

START_TEST(irq_pic_ports)
{
	u32 val = 0;

	/* A word is two bytes at two ports. */
	port_write(f, MASTER + 1, 0x5a);
	irq(4, 1);
	port_write(f, MASTER, 0x0a);
	ck_assert(irqchip_pio_read(&f->chip, 0x20, 2, &val));
	ck_assert_uint_eq(val, 0x5a10);
	ck_assert(irqchip_pio_read(&f->chip, 0x20, 4, &val));
	ck_assert_uint_eq(val, 0xffff5a10);
	ck_assert(irqchip_pio_read(&f->chip, 0x21, 2, &val));
	ck_assert_uint_eq(val, 0xff5a);
	ck_assert(irqchip_pio_write(&f->chip, 0x4d0, 2, 0x0820));
	ck_assert_uint_eq(port_read(f, 0x4d0), 0x20);
	ck_assert_uint_eq(port_read(f, 0x4d1), 0x08);
	/* Neighbours are not ours. */
	ck_assert(!irqchip_pio_read(&f->chip, 0x1f, 1, &val));
	ck_assert(!irqchip_pio_read(&f->chip, 0x22, 1, &val));
	ck_assert(!irqchip_pio_write(&f->chip, 0xa2, 1, 0));
	ck_assert(!irqchip_pio_write(&f->chip, 0x4d2, 1, 0));
	ck_assert(!irqchip_pio_write(&f->chip, 0x40, 1, 0)); /* no PIT yet */
	ck_assert(!irqchip_pio_write(&f->chip, 0x61, 1, 0));
}
END_TEST

START_TEST(irq_pic_kicks_who_takes_extint)
{
	apic_enable(f->lapic[0]);
	apic_enable(f->lapic[1]);
	apic_write(f->lapic[0], LAPIC_LVT_LINT0, 0x10000);
	apic_write(f->lapic[1], LAPIC_LVT_LINT0, 0x700);
	pulse(3);
	ck_assert_uint_eq(f->kicks[0], 0);
	ck_assert_uint_eq(f->kicks[1], 1);
}
END_TEST

/* -- saved state -- */

START_TEST(irq_pic_state_round_trip)
{
	struct kvm_irqchip master, slave, again;
	const struct kvm_pic_state *pic = &master.chip.pic;

	port_write(f, 0x4d1, 0x08);
	port_write(f, MASTER, 0xc0 | 5);
	port_write(f, MASTER + 1, 0x18);
	port_write(f, MASTER, 0x68);
	pulse(1);
	ck_assert_int_eq(inta(), 0x31);
	irq(6, 1);
	irq(11, 1);
	port_write(f, MASTER, 0x0b);
	master = save(KVM_IRQCHIP_PIC_MASTER);
	slave = save(KVM_IRQCHIP_PIC_SLAVE);
	ck_assert_uint_eq(pic->irr, 0x44);
	ck_assert_uint_eq(pic->last_irr, 0x40);
	ck_assert_uint_eq(pic->isr, 0x02);
	ck_assert_uint_eq(pic->imr, 0x18);
	ck_assert_uint_eq(pic->priority_add, 6);
	ck_assert_uint_eq(pic->irq_base, 0x30);
	ck_assert_uint_eq(pic->special_mask, 1);
	ck_assert_uint_eq(pic->read_reg_select, 1);
	ck_assert_uint_eq(pic->init_state, 0);
	ck_assert_uint_eq(pic->init4, 1);
	ck_assert_uint_eq(pic->elcr_mask, 0xf8);
	ck_assert_uint_eq(slave.chip.pic.elcr, 0x08);
	ck_assert_uint_eq(slave.chip.pic.elcr_mask, 0xde);

	fake_destroy(f);
	f = fake_create(1);
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &slave), 0);
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &master), 0);
	again = save(KVM_IRQCHIP_PIC_MASTER);
	ck_assert_mem_eq(&again, &master, sizeof(again));
	again = save(KVM_IRQCHIP_PIC_SLAVE);
	ck_assert_mem_eq(&again, &slave, sizeof(again));
	ck_assert_int_eq(inta(), 0x36);
}
END_TEST

START_TEST(irq_pic_state_at_power_up)
{
	struct fake *fresh = fake_create(0);
	struct kvm_irqchip state = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	const struct kvm_pic_state expected = { .elcr_mask = 0xde };

	ck_assert_int_eq(irqchip_get_chip(&fresh->chip, &state), 0);
	ck_assert_mem_eq(&state.chip.pic, &expected, sizeof(expected));
	ck_assert(!pic_pending(&fresh->chip));
	fake_destroy(fresh);
}
END_TEST

START_TEST(irq_pic_state_raises_int)
{
	struct kvm_irqchip state = save(KVM_IRQCHIP_PIC_SLAVE);

	state.chip.pic.irr = 0x10;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), 0);
	ck_assert_uint_eq(f->kicks[0], 1);
	ck_assert_int_eq(inta(), 0x3c);
}
END_TEST

START_TEST(irq_pic_state_refused)
{
	struct kvm_irqchip before = save(KVM_IRQCHIP_PIC_MASTER), state;

	state = before;
	state.chip.pic.init_state = 4;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = before;
	state.chip.pic.priority_add = 7;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), 0);
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &before), 0);
	state.chip.pic.priority_add = 8;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = before;
	state.chip.pic.irq_base = 0x31;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = before;
	state.chip.pic.elcr = 0x01;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = save(KVM_IRQCHIP_PIC_MASTER);
	ck_assert_mem_eq(&before, &state, sizeof(before));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pic");
	TCase *tc = tcase_create("pic");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, irq_pic_every_input, 0, 16);
	tcase_add_test(tc, irq_pic_priorities);
	tcase_add_test(tc, irq_pic_nesting);
	tcase_add_test(tc, irq_pic_slave_nesting);
	tcase_add_test(tc, irq_pic_specific_eoi);
	tcase_add_test(tc, irq_pic_masks);
	tcase_add_test(tc, irq_pic_edge);
	tcase_add_test(tc, irq_pic_level);
	tcase_add_test(tc, irq_pic_elcr_bits);
	tcase_add_test(tc, irq_pic_level_sources_are_ored);
	tcase_add_test(tc, irq_pic_spurious_master);
	tcase_add_test(tc, irq_pic_icw1_resets);
	tcase_add_test(tc, irq_pic_icw1_keeps_level_requests);
	tcase_add_test(tc, irq_pic_high_line_needs_a_new_edge_after_icw1);
	tcase_add_test(tc, irq_pic_init_sequences);
	tcase_add_test(tc, irq_pic_no_icw4_clears_its_modes);
	tcase_add_test(tc, irq_pic_automatic_eoi);
	tcase_add_test(tc, irq_pic_rotate_on_eoi);
	tcase_add_test(tc, irq_pic_rotate_specific);
	tcase_add_test(tc, irq_pic_rotate_in_automatic_eoi);
	tcase_add_test(tc, irq_pic_special_mask_mode);
	tcase_add_test(tc, irq_pic_special_fully_nested);
	tcase_add_test(tc, irq_pic_poll);
	tcase_add_test(tc, irq_pic_ports);
	tcase_add_test(tc, irq_pic_kicks_who_takes_extint);
	tcase_add_test(tc, irq_pic_state_round_trip);
	tcase_add_test(tc, irq_pic_state_at_power_up);
	tcase_add_test(tc, irq_pic_state_raises_int);
	tcase_add_test(tc, irq_pic_state_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
