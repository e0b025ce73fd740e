// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: KVM_SET_GSI_ROUTING's rules and where a GSI goes (Linux,
 * Documentation/virt/kvm/api.rst).
 */
#include <errno.h>

#include "fake_irqchip.h"

static struct fake *f;

static void setup(void)
{
	unsigned int i;

	f = fake_create(2);
	for (i = 0; i < 2; i++)
		apic_enable(f->lapic[i]);
	/* PIC at 0x20 and 0x28, all unmasked. */
	for (i = 0; i < 2; i++) {
		u16 port = i ? 0xa0 : 0x20;

		port_write(f, port, 0x11);
		port_write(f, port + 1, 0x20 + 8 * i);
		port_write(f, port + 1, i ? 2 : 4);
		port_write(f, port + 1, 0x03);
	}
	/* Pin n of the I/O APIC is vector 0x40 + n of vCPU 1. */
	for (i = 0; i < 24; i++) {
		ioapic_write(f, 0x11 + 2 * i, 1u << 24);
		ioapic_write(f, 0x10 + 2 * i, 0x40 + i);
	}
}

static void teardown(void)
{
	fake_destroy(f);
}

static struct kvm_irq_routing_entry pin(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static struct kvm_irq_routing_entry message(u32 gsi, u32 address, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = address, .data = data },
	};
}

/* The PIC's vector that is due, or -1. */
static int from_pic(void)
{
	return pic_pending(&f->chip) ? pic_ack(&f->chip) : -1;
}

static int from_ioapic(void)
{
	return apic_take_and_eoi(f->lapic[1]);
}

START_TEST(irq_routing_default)
{
	int gsi_nr = _i;

	/* 0-15: that pin of both; 2 is the PIC's cascade. 16-23: the I/O APIC. */
	ck_assert_int_eq(gsi(f, gsi_nr, 1), gsi_nr < 16 && gsi_nr != 2 ? 2 : 1);
	ck_assert_int_eq(from_ioapic(), 0x40 + gsi_nr);
	ck_assert_int_eq(from_pic(), gsi_nr < 16 && gsi_nr != 2 ? 0x20 + gsi_nr : -1);
}
END_TEST

START_TEST(irq_routing_unknown_gsi)
{
	ck_assert_int_eq(gsi(f, 24, 1), -1);
	ck_assert_int_eq(gsi(f, 4095, 1), -1);
	ck_assert_int_eq(gsi(f, 4096, 1), -1);
	ck_assert_int_eq(gsi(f, 0xffffffff, 1), -1);
	ck_assert_int_eq(irqchip_set_irq(&f->chip, 4, -1, 1), -1);
	ck_assert_int_eq(irqchip_set_irq(&f->chip, 4, 8, 1), -1);
	ck_assert_int_eq(from_ioapic(), -1);
	ck_assert_int_eq(from_pic(), -1);
}
END_TEST

/* As PCs have it, and as QEMU and kvmtool set it: the timer of GSI 0 is pin 2 of the I/O APIC. */
START_TEST(irq_routing_timer_on_pin_2)
{
	const struct kvm_irq_routing_entry entries[] = {
		pin(0, KVM_IRQCHIP_PIC_MASTER, 0),
		pin(0, KVM_IRQCHIP_IOAPIC, 2),
		pin(12, KVM_IRQCHIP_PIC_SLAVE, 4),
	};

	ck_assert_int_eq(irqchip_set_routing(&f->chip, entries, 3), 0);
	ck_assert_int_eq(gsi(f, 0, 1), 2);
	ck_assert_int_eq(from_ioapic(), 0x42);
	ck_assert_int_eq(from_pic(), 0x20);
	ck_assert_int_eq(gsi(f, 12, 1), 1);
	ck_assert_int_eq(from_pic(), 0x2c);
	ck_assert_int_eq(from_ioapic(), -1);
	/* All others are gone. */
	ck_assert_int_eq(gsi(f, 4, 1), -1);
	ck_assert_int_eq(from_pic(), -1);
	/* The PIT's tick goes the same way. */
	gsi(f, 0, 0);
	ck_assert_int_eq(pit_create(&f->chip, 0), 0);
	port_write(f, 0x43, 0x30);
	port_write(f, 0x40, 0x10);
	port_write(f, 0x40, 0x00);
	fake_advance(f, 1000000);
	ck_assert_int_eq(from_ioapic(), 0x42);
}
END_TEST

START_TEST(irq_routing_messages)
{
	const struct kvm_irq_routing_entry entries[] = {
		message(4095, 0xfee00000, 0x91),
		message(30, 0xfee01000, 0x92),
	};

	ck_assert_int_eq(irqchip_set_routing(&f->chip, entries, 2), 0);
	ck_assert_int_eq(gsi(f, 30, 1), 1);
	ck_assert_int_eq(gsi(f, 30, 1), 0);
	ck_assert_int_eq(gsi(f, 30, 0), -1);
	ck_assert_int_eq(from_ioapic(), 0x92);
	ck_assert_int_eq(gsi(f, 4095, 1), 1);
	ck_assert_int_eq(apic_take(f->lapic[0]), 0x91);
	ck_assert_int_eq(gsi(f, 31, 1), -1);
}
END_TEST

START_TEST(irq_routing_empty)
{
	ck_assert_int_eq(irqchip_set_routing(&f->chip, NULL, 0), 0);
	ck_assert_int_eq(gsi(f, 0, 1), -1);
	ck_assert_int_eq(from_pic(), -1);
}
END_TEST

/* Entries in any order, GSIs with holes, all three chips for one. */
START_TEST(irq_routing_order_does_not_matter)
{
	const struct kvm_irq_routing_entry entries[] = {
		pin(100, KVM_IRQCHIP_IOAPIC, 23),    message(7, 0xfee01000, 0x93),
		pin(100, KVM_IRQCHIP_PIC_SLAVE, 7),  message(3000, 0xfee01000, 0x94),
		pin(100, KVM_IRQCHIP_PIC_MASTER, 7), pin(101, KVM_IRQCHIP_IOAPIC, 22),
	};

	ck_assert_int_eq(irqchip_set_routing(&f->chip, entries, ARRAY_SIZE(entries)), 0);
	ck_assert_int_eq(gsi(f, 100, 1), 3);
	ck_assert_int_eq(from_ioapic(), 0x57);
	ck_assert_int_eq(from_pic(), 0x2f);
	ck_assert_int_eq(from_pic(), 0x27);
	ck_assert_int_eq(gsi(f, 7, 1), 1);
	ck_assert_int_eq(from_ioapic(), 0x93);
	ck_assert_int_eq(gsi(f, 3000, 1), 1);
	ck_assert_int_eq(from_ioapic(), 0x94);
	ck_assert_int_eq(gsi(f, 101, 1), 1);
	ck_assert_int_eq(from_ioapic(), 0x56);
}
END_TEST

START_TEST(irq_routing_full_table)
{
	struct kvm_irq_routing_entry *entries = calloc(4097, sizeof(*entries));
	unsigned int i;

	ck_assert_ptr_nonnull(entries);
	for (i = 0; i < 4097; i++)
		entries[i] = message(4095 - i % 4096, 0xfee01000, 0x20 + i % 200);
	ck_assert_int_eq(irqchip_set_routing(&f->chip, entries, 4097), -EINVAL);
	ck_assert_int_eq(irqchip_set_routing(&f->chip, entries, 4096), 0);
	for (i = 0; i < 4096; i += 113) {
		ck_assert_int_eq(gsi(f, 4095 - i, 1), 1);
		ck_assert_int_eq(from_ioapic(), 0x20 + i % 200);
	}
	free(entries);
}
END_TEST

static const struct {
	const char *why;
	struct kvm_irq_routing_entry entries[4];
	u32 nr;
} refused[] = {
	{ "GSI too large", { { .gsi = 4096, .type = KVM_IRQ_ROUTING_MSI } }, 1 },
	{ "GSI too large", { { .gsi = 0xffffffff, .type = KVM_IRQ_ROUTING_MSI } }, 1 },
	{ "unknown type", { { .gsi = 1, .type = 3 } }, 1 },
	{ "unknown type", { { .gsi = 1, .type = 0 } }, 1 },
	{ "unknown chip", { { .gsi = 1, .type = 1, .u.irqchip = { 3, 0 } } }, 1 },
	{ "master pin", { { .gsi = 1, .type = 1, .u.irqchip = { 0, 8 } } }, 1 },
	{ "slave pin", { { .gsi = 1, .type = 1, .u.irqchip = { 1, 8 } } }, 1 },
	{ "I/O APIC pin", { { .gsi = 1, .type = 1, .u.irqchip = { 2, 24 } } }, 1 },
	{ "I/O APIC pin", { { .gsi = 1, .type = 1, .u.irqchip = { 2, 0xffffffff } } }, 1 },
	{ "flags of a pin", { { .gsi = 1, .type = 1, .flags = 1 } }, 1 },
	{ "flags of a message", { { .gsi = 1, .type = 2, .flags = 2 } }, 1 },
	{ "one chip twice",
	  { { .gsi = 1, .type = 1, .u.irqchip = { 2, 1 } },
	    { .gsi = 1, .type = 1, .u.irqchip = { 2, 5 } } },
	  2 },
	{ "master twice",
	  { { .gsi = 1, .type = 1, .u.irqchip = { 0, 1 } },
	    { .gsi = 2, .type = 1, .u.irqchip = { 0, 1 } },
	    { .gsi = 1, .type = 1, .u.irqchip = { 0, 1 } } },
	  3 },
	{ "pin and message",
	  { { .gsi = 1, .type = 1, .u.irqchip = { 2, 1 } }, { .gsi = 1, .type = 2 } },
	  2 },
	{ "two messages", { { .gsi = 1, .type = 2 }, { .gsi = 1, .type = 2 } }, 2 },
	{ "four routes",
	  { { .gsi = 1, .type = 1, .u.irqchip = { 0, 1 } },
	    { .gsi = 1, .type = 1, .u.irqchip = { 1, 1 } },
	    { .gsi = 1, .type = 1, .u.irqchip = { 2, 1 } },
	    { .gsi = 1, .type = 1, .u.irqchip = { 2, 2 } } },
	  4 },
};

START_TEST(irq_routing_refused)
{
	ck_assert_msg(irqchip_set_routing(&f->chip, refused[_i].entries, refused[_i].nr) == -EINVAL,
		      "%s", refused[_i].why);
	/* The old table is still there. */
	ck_assert_int_eq(gsi(f, 4, 1), 2);
	ck_assert_int_eq(from_ioapic(), 0x44);
}
END_TEST

/* A device ID means nothing on x86, and KVM_CAP_MSI_DEVID is not reported. */
START_TEST(irq_routing_message_with_device_id)
{
	struct kvm_irq_routing_entry entry = message(5, 0xfee01000, 0x95);

	entry.flags = KVM_MSI_VALID_DEVID;
	entry.u.msi.devid = 0x1234;
	ck_assert_int_eq(irqchip_set_routing(&f->chip, &entry, 1), -EINVAL);
	entry.flags = 0;
	ck_assert_int_eq(irqchip_set_routing(&f->chip, &entry, 1), 0);
	ck_assert_int_eq(gsi(f, 5, 1), 1);
	ck_assert_int_eq(from_ioapic(), 0x95);
}
END_TEST

/* A line that was high when its GSI moved: the old pin keeps its level until set otherwise. */
START_TEST(irq_routing_change_while_a_line_is_high)
{
	struct kvm_irq_routing_entry entry = pin(5, KVM_IRQCHIP_IOAPIC, 9);

	ioapic_write(f, 0x10 + 2 * 5, 0x8045);
	gsi(f, 5, 1);
	ck_assert_int_eq(irqchip_set_routing(&f->chip, &entry, 1), 0);
	ck_assert_int_eq(from_ioapic(), 0x45);
	ck_assert_int_eq(from_ioapic(), 0x45);
	gsi(f, 5, 1);
	ck_assert_int_eq(from_ioapic(), 0x49);
	entry = pin(5, KVM_IRQCHIP_IOAPIC, 5);
	ck_assert_int_eq(irqchip_set_routing(&f->chip, &entry, 1), 0);
	gsi(f, 5, 0);
	ck_assert_int_eq(from_ioapic(), 0x45);
	ck_assert_int_eq(from_ioapic(), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("routing");
	TCase *tc = tcase_create("routing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, irq_routing_default, 0, 24);
	tcase_add_test(tc, irq_routing_unknown_gsi);
	tcase_add_test(tc, irq_routing_timer_on_pin_2);
	tcase_add_test(tc, irq_routing_messages);
	tcase_add_test(tc, irq_routing_empty);
	tcase_add_test(tc, irq_routing_order_does_not_matter);
	tcase_add_test(tc, irq_routing_full_table);
	tcase_add_loop_test(tc, irq_routing_refused, 0, ARRAY_SIZE(refused));
	tcase_add_test(tc, irq_routing_message_with_device_id);
	tcase_add_test(tc, irq_routing_change_while_a_line_is_high);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
