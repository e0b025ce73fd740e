// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O APIC: the 82093AA data sheet (290566), and how it and the local APICs end level-triggered
 * interrupts.
 */
#include <errno.h>

#include "fake_irqchip.h"

#define PIN 10
#define REDIR(pin) (0x10 + 2 * (pin))
#define REDIR_LOGICAL 0x800
#define REDIR_REMOTE_IRR 0x4000
#define REDIR_LEVEL 0x8000
#define REDIR_MASKED 0x10000

static struct fake *f;

static void setup(void)
{
	unsigned int i;

	f = fake_create(4);
	for (i = 0; i < 4; i++)
		apic_enable(f->lapic[i]);
	/* GSIs go to the PIC too: masked there, it adds nothing to the results. */
	port_write(f, 0x21, 0xff);
	port_write(f, 0xa1, 0xff);
}

static void teardown(void)
{
	fake_destroy(f);
}

static void route(unsigned int pin, u32 low, u8 dest)
{
	ioapic_write(f, REDIR(pin) + 1, (u32)dest << 24);
	ioapic_write(f, REDIR(pin), low);
}

static u32 redir_low(unsigned int pin)
{
	return ioapic_read(f, REDIR(pin));
}

static int line(bool level)
{
	return gsi(f, PIN, level);
}

/* -- registers (3.2) -- */

START_TEST(irq_ioapic_reset_values)
{
	unsigned int pin;

	ck_assert_uint_eq(ioapic_read(f, 0), 0);
	ck_assert_uint_eq(ioapic_read(f, 1), 0x00170011);
	ck_assert_uint_eq(ioapic_read(f, 2), 0);
	for (pin = 0; pin < 24; pin++) {
		ck_assert_uint_eq(ioapic_read(f, REDIR(pin)), REDIR_MASKED);
		ck_assert_uint_eq(ioapic_read(f, REDIR(pin) + 1), 0);
	}
}
END_TEST

START_TEST(irq_ioapic_id_and_arbitration)
{
	ioapic_write(f, 0, 0xffffffff);
	ck_assert_uint_eq(ioapic_read(f, 0), 0x0f000000);
	ck_assert_uint_eq(ioapic_read(f, 2), 0x0f000000);
	ioapic_write(f, 2, 0);
	ioapic_write(f, 1, 0);
	ck_assert_uint_eq(ioapic_read(f, 2), 0x0f000000);
	ck_assert_uint_eq(ioapic_read(f, 1), 0x00170011);
	ioapic_write(f, 0, 0x05000000);
	ck_assert_uint_eq(ioapic_read(f, 2), 0x05000000);
}
END_TEST

START_TEST(irq_ioapic_redirection_bits)
{
	unsigned int pin;

	for (pin = 0; pin < 24; pin++) {
		/*
		 * Delivery status and Remote IRR are read only, the rest of the upper bits
		 * reserved.
		 */
		ioapic_write(f, REDIR(pin), 0xffffffff);
		ck_assert_uint_eq(ioapic_read(f, REDIR(pin)), 0x1afff);
		ioapic_write(f, REDIR(pin) + 1, 0xffffffff);
		ck_assert_uint_eq(ioapic_read(f, REDIR(pin) + 1), 0xff000000);
		ioapic_write(f, REDIR(pin), REDIR_MASKED);
		ck_assert_uint_eq(ioapic_read(f, REDIR(pin)), REDIR_MASKED);
		ck_assert_uint_eq(ioapic_read(f, REDIR(pin) + 1), 0xff000000);
	}
}
END_TEST

START_TEST(irq_ioapic_registers_that_are_not_there)
{
	unsigned int reg;

	for (reg = 3; reg < 0x100; reg++) {
		if (reg >= 0x10 && reg < 0x40)
			continue;
		ioapic_write(f, reg, 0xffffffff);
		ck_assert_uint_eq(ioapic_read(f, reg), 0);
	}
	ck_assert_uint_eq(redir_low(0), REDIR_MASKED);
	ck_assert_uint_eq(redir_low(23), REDIR_MASKED);
}
END_TEST

START_TEST(irq_ioapic_mmio_forms)
{
	u64 base = IOAPIC_DEFAULT_BASE, quad = 0;
	u8 byte = 0x01;
	u32 val = 0;
	u16 half;

	/* The index takes bytes. */
	ck_assert(irqchip_mmio_write(&f->chip, base, 1, &byte));
	ck_assert(irqchip_mmio_read(&f->chip, base, 4, &val));
	ck_assert_uint_eq(val, 1);
	/* Parts of the window can be read. */
	ck_assert(irqchip_mmio_read(&f->chip, base + 0x12, 1, &byte));
	ck_assert_uint_eq(byte, 0x17);
	ck_assert(irqchip_mmio_read(&f->chip, base + 0x10, 2, &half));
	ck_assert_uint_eq(half, 0x0011);
	ck_assert(irqchip_mmio_read(&f->chip, base + 0x10, 8, &quad));
	ck_assert_uint_eq(quad, 0x00170011);
	/* Only 32 bits at once can be written. */
	ioapic_write(f, 0, 0x05000000);
	byte = 0xff;
	ck_assert(irqchip_mmio_write(&f->chip, base + 0x13, 1, &byte));
	half = 0xffff;
	ck_assert(irqchip_mmio_write(&f->chip, base + 0x12, 2, &half));
	ck_assert(irqchip_mmio_write(&f->chip, base + 0x10, 2, &half));
	ck_assert_uint_eq(ioapic_read(f, 0), 0x05000000);
	/* The rest of the page: nothing. */
	val = 0xffffffff;
	ck_assert(irqchip_mmio_write(&f->chip, base + 0x40, 4, &val));
	ck_assert(irqchip_mmio_read(&f->chip, base + 0x40, 4, &val));
	ck_assert_uint_eq(val, 0);
	ck_assert(irqchip_mmio_read(&f->chip, base + 0xfff, 8, &quad));
	ck_assert_uint_eq(quad, 0);
	/* And the rest of the world. */
	ck_assert(!irqchip_mmio_read(&f->chip, base - 1, 4, &val));
	ck_assert(!irqchip_mmio_read(&f->chip, base + 0x1000, 4, &val));
	ck_assert(!irqchip_mmio_write(&f->chip, 0, 4, &val));
}
END_TEST

/* -- edge -- */

START_TEST(irq_ioapic_edge)
{
	route(PIN, 0x40, 2);
	ck_assert_int_eq(line(1), 1);
	ck_assert(!apic_bit(f->lapic[2], LAPIC_TMR, 0x40));
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[2]), 0x40);
	/* High is not an edge. */
	ck_assert_int_eq(line(1), 0);
	ck_assert_int_eq(apic_take(f->lapic[2]), -1);
	ck_assert_int_eq(line(0), 1);
	ck_assert_int_eq(apic_take(f->lapic[2]), -1);
	ck_assert_int_eq(line(1), 1);
	ck_assert_int_eq(line(0), 1);
	/* The next edge before the last was taken merges with it. */
	ck_assert_int_eq(line(1), 0);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[2]), 0x40);
	ck_assert_int_eq(apic_take(f->lapic[2]), -1);
	ck_assert_uint_eq(redir_low(PIN), 0x40);
}
END_TEST

START_TEST(irq_ioapic_masked_edge_is_lost)
{
	route(PIN, REDIR_MASKED | 0x40, 0);
	ck_assert_int_eq(line(1), -1);
	route(PIN, 0x40, 0);
	ck_assert_int_eq(apic_take(f->lapic[0]), -1);
	line(0);
	ck_assert_int_eq(line(1), 1);
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x40);
}
END_TEST

/* -- level -- */

START_TEST(irq_ioapic_level)
{
	struct lapic *lapic = f->lapic[1];

	route(PIN, REDIR_LEVEL | 0x61, 1);
	ck_assert_int_eq(line(1), 1);
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | REDIR_REMOTE_IRR | 0x61);
	ck_assert(apic_bit(lapic, LAPIC_TMR, 0x61));
	/* Not sent again while Remote IRR is set. */
	ck_assert_int_eq(line(1), -1);
	ck_assert_int_eq(apic_take(lapic), 0x61);
	ck_assert_int_eq(apic_take(lapic), -1);
	/* EOI with the line high: again. */
	apic_write(lapic, LAPIC_EOI, 0);
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | REDIR_REMOTE_IRR | 0x61);
	ck_assert_int_eq(apic_take(lapic), 0x61);
	/* EOI after it fell: quiet. */
	ck_assert_int_eq(line(0), 1);
	apic_write(lapic, LAPIC_EOI, 0);
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | 0x61);
	ck_assert_int_eq(apic_take(lapic), -1);
}
END_TEST

START_TEST(irq_ioapic_level_falls_before_it_is_taken)
{
	route(PIN, REDIR_LEVEL | 0x61, 1);
	line(1);
	line(0);
	/* The message was sent: it is delivered, and its EOI ends it. */
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
	ck_assert_uint_eq(redir_low(PIN) & REDIR_REMOTE_IRR, REDIR_REMOTE_IRR);
	apic_write(f->lapic[1], LAPIC_EOI, 0);
	ck_assert_uint_eq(redir_low(PIN) & REDIR_REMOTE_IRR, 0);
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
}
END_TEST

START_TEST(irq_ioapic_masked_level_waits)
{
	route(PIN, REDIR_LEVEL | REDIR_MASKED | 0x61, 1);
	ck_assert_int_eq(line(1), -1);
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | 0x61);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
	/* Masked in the handler (as drivers do): EOI sends nothing, unmasking does. */
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | REDIR_MASKED | 0x61);
	apic_write(f->lapic[1], LAPIC_EOI, 0);
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | REDIR_MASKED | 0x61);
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | 0x61);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
	/* Unmasking again with Remote IRR set sends no second one. */
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | REDIR_MASKED | 0x61);
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | 0x61);
	apic_write(f->lapic[1], LAPIC_EOI, 0);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
	ck_assert(!apic_bit(f->lapic[1], LAPIC_IRR, 0x61));
}
END_TEST

START_TEST(irq_ioapic_eoi_is_by_vector_and_level_only)
{
	route(PIN, REDIR_LEVEL | 0x61, 1);
	line(1);
	line(0);
	/* Other vectors, and an edge-triggered interrupt with EOI, leave Remote IRR alone. */
	send_fixed(f->lapic[2], 0x62);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[2]), 0x62);
	send_fixed(f->lapic[2], 0x61);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[2]), 0x61);
	ck_assert_uint_eq(redir_low(PIN) & REDIR_REMOTE_IRR, REDIR_REMOTE_IRR);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), 0x61);
	ck_assert_uint_eq(redir_low(PIN) & REDIR_REMOTE_IRR, 0);
}
END_TEST

START_TEST(irq_ioapic_two_pins_share_a_vector)
{
	route(PIN, REDIR_LEVEL | 0x61, 1);
	route(PIN + 1, REDIR_LEVEL | 0x61, 1);
	ck_assert_int_eq(line(1), 1);
	/* Merged in IRR, and both wait for the EOI. */
	gsi(f, PIN + 1, 1);
	ck_assert_uint_eq(redir_low(PIN) & REDIR_REMOTE_IRR, REDIR_REMOTE_IRR);
	ck_assert_uint_eq(redir_low(PIN + 1) & REDIR_REMOTE_IRR, REDIR_REMOTE_IRR);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
	line(0);
	apic_write(f->lapic[1], LAPIC_EOI, 0);
	ck_assert_uint_eq(redir_low(PIN) & REDIR_REMOTE_IRR, 0);
	ck_assert_uint_eq(redir_low(PIN + 1) & REDIR_REMOTE_IRR, REDIR_REMOTE_IRR);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
}
END_TEST

START_TEST(irq_ioapic_edge_mode_clears_remote_irr)
{
	route(PIN, REDIR_LEVEL | 0x61, 1);
	line(1);
	line(0);
	ioapic_write(f, REDIR(PIN), 0x61 | REDIR_MASKED);
	ck_assert_uint_eq(redir_low(PIN), 0x61 | REDIR_MASKED);
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | 0x61);
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | 0x61);
}
END_TEST

START_TEST(irq_ioapic_level_refused_by_the_local_apic)
{
	apic_write(f->lapic[1], LAPIC_SVR, 0xff);
	route(PIN, REDIR_LEVEL | 0x61, 1);
	ck_assert_int_eq(line(1), -1);
	/* Nobody will send an EOI: Remote IRR stays clear, the next look at the pin sends it. */
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | 0x61);
	apic_enable(f->lapic[1]);
	ck_assert_int_eq(line(1), 1);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
}
END_TEST

START_TEST(irq_ioapic_sources_are_ored)
{
	route(PIN, REDIR_LEVEL | 0x61, 1);
	ck_assert_int_eq(irqchip_set_irq(&f->chip, PIN, IRQ_SOURCE_IRQFD, 1), 1);
	gsi(f, PIN, 1);
	gsi(f, PIN, 0);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), 0x61);
	ck_assert_int_eq(apic_take(f->lapic[1]), 0x61);
	irqchip_set_irq(&f->chip, PIN, IRQ_SOURCE_IRQFD, 0);
	apic_write(f->lapic[1], LAPIC_EOI, 0);
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
}
END_TEST

/* -- destinations and delivery modes -- */

START_TEST(irq_ioapic_destinations)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		apic_write(f->lapic[i], LAPIC_LDR, 1u << (24 + i));
	route(PIN, REDIR_LOGICAL | 0x40, 0x0a);
	ck_assert_int_eq(line(1), 2);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(apic_take_and_eoi(f->lapic[i]), i & 1 ? 0x40 : -1);
	line(0);
	route(PIN, 0x40, 0xff);
	ck_assert_int_eq(line(1), 4);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(apic_take_and_eoi(f->lapic[i]), 0x40);
	line(0);
	/* Lowest priority. */
	apic_write(f->lapic[1], LAPIC_TPR, 0x10);
	route(PIN, REDIR_LOGICAL | 0x140, 0x0a);
	ck_assert_int_eq(line(1), 1);
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
	ck_assert_int_eq(apic_take(f->lapic[3]), 0x40);
	line(0);
	route(PIN, 0x40, 9);
	ck_assert_int_eq(line(1), -1);
}
END_TEST

START_TEST(irq_ioapic_nmi_init_and_smi)
{
	u8 vector;

	/* These are edge triggered, even if programmed as level. */
	route(PIN, REDIR_LEVEL | 0x400, 1);
	ck_assert_int_eq(line(1), 1);
	ck_assert_int_eq(line(1), 0);
	ck_assert_uint_eq(redir_low(PIN), REDIR_LEVEL | 0x400);
	ck_assert_uint_eq(lapic_take_events(f->lapic[1], &vector), LAPIC_EVENT_NMI);
	/* Rewriting the entry is no new edge. */
	ioapic_write(f, REDIR(PIN), REDIR_LEVEL | 0x400);
	ck_assert_uint_eq(lapic_take_events(f->lapic[1], &vector), 0);
	line(0);
	route(PIN, 0x500, 1);
	ck_assert_int_eq(line(1), 1);
	ck_assert_uint_eq(lapic_take_events(f->lapic[1], &vector), LAPIC_EVENT_INIT);
	line(0);
	route(PIN, 0x200, 1);
	ck_assert_int_eq(line(1), -1);
	ck_assert_uint_eq(lapic_take_events(f->lapic[1], &vector), 0);
}
END_TEST

START_TEST(irq_ioapic_extint_takes_the_pic_along)
{
	struct lapic *lapic = f->lapic[1];

	/* Master PIC: base 0x20, nothing masked. */
	port_write(f, 0x20, 0x11);
	port_write(f, 0x21, 0x20);
	port_write(f, 0x21, 0x04);
	port_write(f, 0x21, 0x01);
	apic_write(f->lapic[0], LAPIC_LVT_LINT0, 0x10000);
	route(0, 0x700, 1);
	ck_assert(!lapic_accepts_extint(lapic));
	/* GSI 0 is input 0 of both. */
	gsi(f, 0, 1);
	ck_assert(pic_pending(&f->chip));
	ck_assert(lapic_accepts_extint(lapic));
	ck_assert(!lapic_accepts_extint(f->lapic[0]));
	ck_assert_uint_ge(f->kicks[1], 1);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x20);
	ck_assert(!lapic_accepts_extint(lapic));
}
END_TEST

/* -- saved state -- */

static struct kvm_irqchip save(void)
{
	struct kvm_irqchip state = { .chip_id = KVM_IRQCHIP_IOAPIC };

	ck_assert_int_eq(irqchip_get_chip(&f->chip, &state), 0);
	return state;
}

START_TEST(irq_ioapic_state_round_trip)
{
	struct kvm_irqchip saved, again;

	ioapic_write(f, 0, 0x03000000);
	route(PIN, REDIR_LEVEL | 0x61, 1);
	route(3, REDIR_LOGICAL | 0x131, 0x5a);
	line(1);
	ioapic_read(f, 0x15);
	saved = save();
	ck_assert_uint_eq(saved.chip.ioapic.base_address, 0xfec00000);
	ck_assert_uint_eq(saved.chip.ioapic.id, 3);
	ck_assert_uint_eq(saved.chip.ioapic.irr, 1u << PIN);
	ck_assert_uint_eq(saved.chip.ioapic.ioregsel, 0x15);
	ck_assert_uint_eq(saved.chip.ioapic.redirtbl[3].bits, 0x5a00000000000931);
	ck_assert_uint_eq(saved.chip.ioapic.redirtbl[PIN].fields.remote_irr, 1);
	ck_assert_uint_eq(saved.chip.ioapic.redirtbl[PIN].fields.dest_id, 1);

	fake_destroy(f);
	setup();
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &saved), 0);
	again = save();
	ck_assert_mem_eq(&saved, &again, sizeof(saved));
	/* In service at the time: not sent again, but by the EOI with the line still high. */
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
}
END_TEST

START_TEST(irq_ioapic_state_resends_what_was_not_sent)
{
	struct kvm_irqchip saved;

	route(PIN, REDIR_LEVEL | 0x61, 1);
	route(3, 0x43, 1);
	saved = save();
	saved.chip.ioapic.irr = 1u << PIN | 1u << 3;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &saved), 0);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), 0x61);
	line(0);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), 0x61);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), 0x43);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), -1);
}
END_TEST

START_TEST(irq_ioapic_state_does_not_repeat_an_edge)
{
	struct kvm_irqchip saved;

	route(PIN, 0x43, 1);
	ck_assert_int_eq(line(1), 1);
	ck_assert_int_eq(apic_take_and_eoi(f->lapic[1]), 0x43);
	saved = save();
	ck_assert_uint_eq(saved.chip.ioapic.irr, 0);
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &saved), 0);
	ck_assert_int_eq(apic_take(f->lapic[1]), -1);
}
END_TEST

/* What an earlier guest was sent says nothing about the restored one. */
START_TEST(irq_ioapic_state_masked_line_stays_visible)
{
	struct kvm_irqchip state;

	route(PIN, 0x43, 1);
	ck_assert_int_eq(line(1), 1);
	state = save();
	state.chip.ioapic.irr = 1u << PIN;
	state.chip.ioapic.redirtbl[PIN].fields.mask = 1;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), 0);
	ck_assert_uint_eq(save().chip.ioapic.irr, 1u << PIN);
}
END_TEST

START_TEST(irq_ioapic_state_refused)
{
	struct kvm_irqchip before = save(), state;

	state = before;
	state.chip.ioapic.base_address = 0xfec00010;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = before;
	state.chip.ioapic.ioregsel = 0x100;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = before;
	state.chip.ioapic.id = 0x10;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = before;
	state.chip.ioapic.irr = 1u << 24;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	state = save();
	ck_assert_mem_eq(&before, &state, sizeof(before));
	state.chip_id = 3;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), -EINVAL);
	ck_assert_int_eq(irqchip_get_chip(&f->chip, &state), -EINVAL);
}
END_TEST

START_TEST(irq_ioapic_state_drops_reserved_bits)
{
	struct kvm_irqchip state = save();

	state.chip.ioapic.redirtbl[PIN].bits = ~0ull;
	state.chip.ioapic.redirtbl[3].bits = ~(u64)REDIR_LEVEL;
	ck_assert_int_eq(irqchip_set_chip(&f->chip, &state), 0);
	ck_assert_uint_eq(redir_low(PIN), 0x1efff);
	ck_assert_uint_eq(ioapic_read(f, REDIR(PIN) + 1), 0xff000000);
	ck_assert_uint_eq(redir_low(3), 0x12fff);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ioapic");
	TCase *tc = tcase_create("ioapic");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_ioapic_reset_values);
	tcase_add_test(tc, irq_ioapic_id_and_arbitration);
	tcase_add_test(tc, irq_ioapic_redirection_bits);
	tcase_add_test(tc, irq_ioapic_registers_that_are_not_there);
	tcase_add_test(tc, irq_ioapic_mmio_forms);
	tcase_add_test(tc, irq_ioapic_edge);
	tcase_add_test(tc, irq_ioapic_masked_edge_is_lost);
	tcase_add_test(tc, irq_ioapic_level);
	tcase_add_test(tc, irq_ioapic_level_falls_before_it_is_taken);
	tcase_add_test(tc, irq_ioapic_masked_level_waits);
	tcase_add_test(tc, irq_ioapic_eoi_is_by_vector_and_level_only);
	tcase_add_test(tc, irq_ioapic_two_pins_share_a_vector);
	tcase_add_test(tc, irq_ioapic_edge_mode_clears_remote_irr);
	tcase_add_test(tc, irq_ioapic_level_refused_by_the_local_apic);
	tcase_add_test(tc, irq_ioapic_sources_are_ored);
	tcase_add_test(tc, irq_ioapic_destinations);
	tcase_add_test(tc, irq_ioapic_nmi_init_and_smi);
	tcase_add_test(tc, irq_ioapic_extint_takes_the_pic_along);
	tcase_add_test(tc, irq_ioapic_state_round_trip);
	tcase_add_test(tc, irq_ioapic_state_resends_what_was_not_sent);
	tcase_add_test(tc, irq_ioapic_state_does_not_repeat_an_edge);
	tcase_add_test(tc, irq_ioapic_state_masked_line_stays_visible);
	tcase_add_test(tc, irq_ioapic_state_refused);
	tcase_add_test(tc, irq_ioapic_state_drops_reserved_bits);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
