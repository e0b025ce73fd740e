// SPDX-License-Identifier: GPL-2.0-only
/* Ends of interrupts: who is told at which EOI, ticks that wait for theirs, and split irqchips. */
#include <errno.h>

#include "fake_irqchip.h"

#define REDIR(pin) (0x10 + 2 * (pin))
#define LEVEL 0x8000
#define MASKED 0x10000

static struct fake *f;
static unsigned int acked[64], to_user[256];
static bool lower_in_callback;

static void on_acked(void *ctx, u32 gsi)
{
	ck_assert_uint_lt(gsi, 64);
	acked[gsi]++;
	if (lower_in_callback)
		irqchip_set_irq(&f->chip, gsi, IRQ_SOURCE_IRQFD, false);
}

static void on_eoi_to_user(void *ctx, unsigned int vcpu, u8 vector)
{
	ck_assert_uint_eq(vcpu, 0);
	to_user[vector]++;
}

static void make(const struct irqchip_config *config)
{
	f = fake_create_config(1, config);
	f->ops.acked = on_acked;
	f->ops.eoi_to_user = on_eoi_to_user;
	memset(acked, 0, sizeof(acked));
	memset(to_user, 0, sizeof(to_user));
	lower_in_callback = false;
	apic_enable(f->lapic[0]);
}

static void setup(void)
{
	make(NULL);
	port_write(f, 0x21, 0xff);
	port_write(f, 0xa1, 0xff);
}

static void setup_split(void)
{
	static const struct irqchip_config config = { .split = true, .user_pins = 24 };

	make(&config);
}

static void teardown(void)
{
	fake_destroy(f);
}

static void route(unsigned int pin, u32 low)
{
	ioapic_write(f, REDIR(pin) + 1, 0);
	ioapic_write(f, REDIR(pin), low);
}

static int high(u32 gsi)
{
	return irqchip_set_irq(&f->chip, gsi, IRQ_SOURCE_IRQFD, true);
}

static int low(u32 gsi)
{
	return irqchip_set_irq(&f->chip, gsi, IRQ_SOURCE_IRQFD, false);
}

static int from_ioapic(void)
{
	return apic_take_and_eoi(f->lapic[0]);
}

START_TEST(irq_ack_level)
{
	route(10, LEVEL | 0x4a);
	route(11, LEVEL | 0x4b);
	irqchip_watch(&f->chip, 10, true);
	high(10);
	high(11);
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x4b);
	ck_assert_int_eq(low(11), 1);
	apic_write(f->lapic[0], LAPIC_EOI, 0);
	ck_assert_uint_eq(acked[10] + acked[11], 0);
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x4a);
	ck_assert_uint_eq(acked[10], 0);
	apic_write(f->lapic[0], LAPIC_EOI, 0);
	ck_assert_uint_eq(acked[10], 1);
	/* Still high: it comes again, and ends again. */
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[10], 2);
	low(10);
	irqchip_watch(&f->chip, 10, false);
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[10], 2);
	ck_assert_int_eq(from_ioapic(), -1);
}
END_TEST

/* Lowered by whom the EOI told: no second interrupt. */
START_TEST(irq_ack_lowers_before_redelivery)
{
	lower_in_callback = true;
	route(10, LEVEL | 0x4a);
	irqchip_watch(&f->chip, 10, true);
	high(10);
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[10], 1);
	ck_assert_int_eq(from_ioapic(), -1);
	ck_assert_int_eq(high(10), 1);
	ck_assert_int_eq(from_ioapic(), 0x4a);
}
END_TEST

START_TEST(irq_ack_edge)
{
	route(10, 0x4a);
	route(11, 0x4b);
	irqchip_watch(&f->chip, 10, true);
	high(11);
	ck_assert_int_eq(from_ioapic(), 0x4b);
	high(10);
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[10], 1);
	/* Another vector: the old one is nobody's. */
	low(10);
	route(10, 0x4c);
	send_fixed(f->lapic[0], 0x4a);
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[10], 1);
	high(10);
	ck_assert_int_eq(from_ioapic(), 0x4c);
	ck_assert_uint_eq(acked[10], 2);
}
END_TEST

/* A message with the vector of a level-triggered pin does not end that pin's interrupt. */
START_TEST(irq_ack_edge_with_a_levels_vector)
{
	route(10, LEVEL | 0x4a);
	irqchip_watch(&f->chip, 10, true);
	send_fixed(f->lapic[0], 0x4a);
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[10], 0);
}
END_TEST

START_TEST(irq_ack_follows_the_routing)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = 33,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 10 },
	};

	route(10, LEVEL | 0x4a);
	irqchip_watch(&f->chip, 33, true);
	irqchip_watch(&f->chip, 5000, true); /* no such GSI: ignored */
	high(10);
	low(10);
	ck_assert_int_eq(from_ioapic(), 0x4a);
	ck_assert_uint_eq(acked[33], 0);
	ck_assert_int_eq(irqchip_set_routing(&f->chip, &entry, 1), 0);
	high(33);
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x4a);
	low(33);
	apic_write(f->lapic[0], LAPIC_EOI, 0);
	ck_assert_uint_eq(acked[33], 1);
}
END_TEST

static void pic_setup(bool aeoi)
{
	static const u16 command[] = { 0x20, 0xa0 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		port_write(f, command[i], 0x11);
		port_write(f, command[i] + 1, 0x20 + 8 * i);
		port_write(f, command[i] + 1, i ? 2 : 4);
		port_write(f, command[i] + 1, aeoi ? 3 : 1);
	}
}

START_TEST(irq_ack_pic)
{
	pic_setup(false);
	irqchip_watch(&f->chip, 4, true);
	irqchip_watch(&f->chip, 12, true);
	high(4);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x24);
	ck_assert_uint_eq(acked[4], 0);
	port_write(f, 0x20, 0x20);
	ck_assert_uint_eq(acked[4], 1);
	high(12);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x2c);
	port_write(f, 0xa0, 0x64); /* specific, pin 4 of the slave */
	ck_assert_uint_eq(acked[12], 1);
	port_write(f, 0x20, 0x62);
	ck_assert_uint_eq(acked[4], 1);
	ck_assert_uint_eq(acked[12], 1);
	/* Nobody asked. */
	high(5);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x25);
	port_write(f, 0x20, 0x20);
	ck_assert_uint_eq(acked[5], 0);
}
END_TEST

START_TEST(irq_ack_pic_automatic_eoi)
{
	pic_setup(true);
	irqchip_watch(&f->chip, 4, true);
	high(4);
	ck_assert_uint_eq(acked[4], 0);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x24);
	ck_assert_uint_eq(acked[4], 1);
}
END_TEST

/* -- KVM_REINJECT_CONTROL -- */

static void start_pit(bool reinject)
{
	ck_assert_int_eq(pit_create(&f->chip, 0), 0);
	pit_set_reinject(&f->chip, reinject);
	route(0, 0x40);
	port_write(f, 0x43, 0x34);
	port_write(f, 0x40, 11932 & 0xff); /* 10 ms */
	port_write(f, 0x40, 11932 >> 8);
}

static unsigned int ticks(void)
{
	unsigned int n = 0;

	while (from_ioapic() == 0x40)
		n++;
	return n;
}

START_TEST(irq_pit_reinject_loses_no_tick)
{
	start_pit(true);
	fake_advance(f, 105000000);
	ck_assert_uint_eq(ticks(), 10);
	fake_advance(f, 10000000);
	ck_assert_uint_eq(ticks(), 1);
	ck_assert_uint_eq(ticks(), 0);
}
END_TEST

START_TEST(irq_pit_without_reinject_ticks_merge)
{
	start_pit(false);
	fake_advance(f, 105000000);
	ck_assert_uint_eq(ticks(), 1);
	pit_set_reinject(&f->chip, true);
	fake_advance(f, 30000000);
	ck_assert_uint_eq(ticks(), 3);
}
END_TEST

/* Ticks before the mask is lifted, or before a new count, are not made up for. */
START_TEST(irq_pit_reinject_begins_anew)
{
	start_pit(true);
	ioapic_write(f, REDIR(0), MASKED | 0x40);
	fake_advance(f, 105000000);
	ck_assert_uint_eq(ticks(), 0);
	ioapic_write(f, REDIR(0), 0x40);
	ck_assert_uint_eq(ticks(), 0);
	fake_advance(f, 10000000);
	ck_assert_uint_eq(ticks(), 1);
	fake_advance(f, 50000000);
	port_write(f, 0x40, 11932 & 0xff);
	port_write(f, 0x40, 11932 >> 8);
	ck_assert_uint_eq(ticks(), 1); /* the one in the APIC */
	fake_advance(f, 11000000);
	ck_assert_uint_eq(ticks(), 1);
}
END_TEST

/* The PIC was reset with a tick in it, which nobody will end: the next tick comes all the same. */
START_TEST(irq_pit_reinject_survives_pic_reset)
{
	start_pit(true);
	ioapic_write(f, REDIR(0), MASKED | 0x40);
	pic_setup(false);
	fake_advance(f, 11000000);
	ck_assert(pic_pending(&f->chip));
	pic_setup(false);
	ck_assert(!pic_pending(&f->chip));
	fake_advance(f, 11000000);
	ck_assert_uint_eq(pic_ack(&f->chip), 0x20);
}
END_TEST

/* -- split irqchip -- */

static struct kvm_irq_routing_entry message(u32 gsi, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = data },
	};
}

START_TEST(irq_split_eoi)
{
	struct kvm_irq_routing_entry entries[] = { message(3, LEVEL | 0x53), message(4, 0x54),
						   message(24, LEVEL | 0x55) };

	ck_assert_int_eq(high(3), -1); /* no routes to begin with */
	ck_assert_int_eq(irqchip_set_routing(&f->chip, entries, 3), 0);
	ck_assert_int_eq(high(3), 1);
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x53);
	ck_assert_uint_eq(to_user[0x53], 0);
	apic_write(f->lapic[0], LAPIC_EOI, 0);
	ck_assert_uint_eq(to_user[0x53], 1);
	high(4);
	ck_assert_int_eq(from_ioapic(), 0x54);
	ck_assert_uint_eq(to_user[0x54], 0);
	high(24);
	ck_assert_int_eq(from_ioapic(), 0x55);
	ck_assert_uint_eq(to_user[0x55], 0);
	/* An edge with that vector. */
	send_fixed(f->lapic[0], 0x53);
	ck_assert_int_eq(from_ioapic(), 0x53);
	ck_assert_uint_eq(to_user[0x53], 1);
}
END_TEST

START_TEST(irq_split_refuses_chips)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = 3,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 3 },
	};

	ck_assert_int_eq(irqchip_set_routing(&f->chip, &entry, 1), -EINVAL);
}
END_TEST

/* -- KVM_CAP_X2APIC_API -- */

static int msi(u32 address_lo, u32 address_hi)
{
	struct kvm_msi msi = { .address_lo = address_lo, .address_hi = address_hi, .data = 0x51 };

	return irqchip_signal_msi(&f->chip, &msi);
}

START_TEST(irq_x2apic_api)
{
	apic_enable_x2apic(f->lapic[0]);
	ck_assert_int_eq(msi(0xfee00000, 0x77), 1);
	ck_assert_int_eq(msi(0xfee00000, 0x100), 0); /* pending; the upper half means nothing */
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x51);
	lapic_eoi(f->lapic[0]);
	irqchip_set_x2apic_api(&f->chip, KVM_X2APIC_API_USE_32BIT_IDS);
	ck_assert_int_eq(msi(0xfee00000, 0x77), -EINVAL);
	ck_assert_int_eq(msi(0xfee00000, 0x100), -1);
	ck_assert_int_eq(msi(0xfeeff000, 0), 1);
	irqchip_set_x2apic_api(&f->chip, KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	ck_assert_int_eq(msi(0xfeeff000, 0), -1);
	ck_assert_int_eq(msi(0xfeeff000, 0xffffff00), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("ack");
	TCase *tc = tcase_create("ends");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_ack_level);
	tcase_add_test(tc, irq_ack_lowers_before_redelivery);
	tcase_add_test(tc, irq_ack_edge);
	tcase_add_test(tc, irq_ack_edge_with_a_levels_vector);
	tcase_add_test(tc, irq_ack_follows_the_routing);
	tcase_add_test(tc, irq_ack_pic);
	tcase_add_test(tc, irq_ack_pic_automatic_eoi);
	tcase_add_test(tc, irq_pit_reinject_loses_no_tick);
	tcase_add_test(tc, irq_pit_without_reinject_ticks_merge);
	tcase_add_test(tc, irq_pit_reinject_begins_anew);
	tcase_add_test(tc, irq_pit_reinject_survives_pic_reset);
	tcase_add_test(tc, irq_x2apic_api);
	suite_add_tcase(suite, tc);
	tc = tcase_create("split");
	tcase_add_checked_fixture(tc, setup_split, teardown);
	tcase_add_test(tc, irq_split_eoi);
	tcase_add_test(tc, irq_split_refuses_chips);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(suite());
}
