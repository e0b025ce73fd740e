// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile guest and a hostile userspace at once: random operations on all the controllers under
 * ASan and UBSan. After each, what the fast paths say is compared with a plain reading of the
 * registers.
 */
#include <linux/minmax.h>

#include "fake_irqchip.h"

#define VCPUS 3
#define OPERATIONS 6000

static struct fake *f;
static u64 random_state;

/* xorshift64: the same sequence everywhere, so that a seed is a test. */
static u64 random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static u32 below(u32 limit)
{
	return (random64() >> 16) % limit;
}

/* Small numbers, single bits, all ones and anything, in equal parts. */
static u64 value(void)
{
	switch (below(4)) {
	case 0:
		return below(256);
	case 1:
		return 1ull << below(64);
	case 2:
		return ~0ull >> below(64);
	}
	return random64();
}

static void fill(void *data, size_t size)
{
	u8 *bytes = data;

	while (size--)
		*bytes++ = below(4) ? below(8) : random64();
}

static struct lapic *any_lapic(void)
{
	return f->lapic[below(VCPUS)];
}

static const u32 lapic_offsets[] = {
	LAPIC_ID,	    LAPIC_TPR,	     LAPIC_EOI,		  LAPIC_EOI,
	LAPIC_LDR,	    LAPIC_DFR,	     LAPIC_SVR,		  LAPIC_ESR,
	LAPIC_ICR,	    LAPIC_ICR,	     LAPIC_ICR_HIGH,	  LAPIC_LVT_TIMER,
	LAPIC_LVT_LINT0,    LAPIC_LVT_ERROR, LAPIC_TIMER_INITIAL, LAPIC_TIMER_CURRENT,
	LAPIC_TIMER_DIVIDE, LAPIC_SELF_IPI,  LAPIC_PPR,
};

static u32 lapic_offset(void)
{
	return below(4) ? lapic_offsets[below(ARRAY_SIZE(lapic_offsets))] : below(0x1000);
}

static void op_lapic_mmio(void)
{
	struct lapic *lapic = any_lapic();
	u8 size = below(8) ? 4 : 1 + below(8);
	u32 offset = lapic_offset();

	if (!lapic_claims(lapic, LAPIC_DEFAULT_BASE))
		return;
	if (below(4))
		lapic_mmio_write(lapic, offset, size, value());
	else
		lapic_mmio_read(lapic, offset, size);
}

static void op_lapic_msr(void)
{
	u32 index = 0x800 + lapic_offset() / 16;
	u64 val;

	if (below(4))
		lapic_wrmsr(any_lapic(), index, value());
	else
		lapic_rdmsr(any_lapic(), index, &val);
}

static void op_lapic_base(void)
{
	static const u64 modes[] = { 0, 0x800, 0x800, 0xc00, 0xc00 };

	if (!below(4))
		lapic_set_base(any_lapic(), value(), below(2));
	lapic_set_base(any_lapic(), LAPIC_DEFAULT_BASE | modes[below(5)], below(2));
}

static void op_lapic_take(void)
{
	struct lapic *lapic = any_lapic();
	u8 vector;

	apic_take(lapic);
	if (below(2))
		lapic_eoi(lapic);
	lapic_take_events(lapic, &vector);
	lapic_set_cr8(lapic, below(16));
}

static void op_lapic_timer(void)
{
	struct lapic *lapic = any_lapic();

	apic_write(lapic, LAPIC_LVT_TIMER, below(4) << 17 | (0x20 + below(200)));
	apic_write(lapic, LAPIC_TIMER_INITIAL, value());
	lapic_set_tsc_deadline(lapic, below(2) ? value() : fake_guest_tsc(f, 0) + below(1000000));
	f->tsc_offset += (s64)below(2000) - 1000;
	lapic_tsc_changed(lapic);
	/* At any time: a callback that was cancelled too late. */
	lapic_timer_expired(lapic);
}

static void op_lapic_state(void)
{
	struct lapic *lapic = any_lapic();
	struct kvm_lapic_state state;

	lapic_get_state(lapic, &state);
	if (below(2))
		fill(&state, sizeof(state));
	lapic_set_state(lapic, &state);
	if (!below(4))
		lapic_reset(lapic, below(2));
	apic_enable(lapic);
}

static void op_port(void)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1,
				     0x40, 0x41, 0x42, 0x43, 0x61 };
	u16 port = ports[below(ARRAY_SIZE(ports))];
	u8 size = below(8) ? 1 : below(4) + 1;
	u32 val;

	if (below(4))
		irqchip_pio_write(&f->chip, port, size, value());
	else
		irqchip_pio_read(&f->chip, port, size, &val);
}

static void op_ioapic(void)
{
	u64 base = f->chip.ioapic.base;
	u8 bytes[8];

	if (below(2)) {
		irqchip_mmio_read(&f->chip, base + below(0x1000), 1 + below(8), bytes);
		fill(bytes, sizeof(bytes));
		irqchip_mmio_write(&f->chip, base + below(0x1000), 1 + below(8), bytes);
	}
	ioapic_write(f, 0x10 + below(0x30), value());
}

static void op_lines(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		irqchip_set_irq(&f->chip, below(40), below(3), below(2));
	irqchip_signal_msi(&f->chip, &(struct kvm_msi){ .address_lo = value(), .data = value() });
	if (pic_pending(&f->chip))
		pic_ack(&f->chip);
}

static void op_routing(void)
{
	struct kvm_irq_routing_entry entries[8];
	unsigned int i, nr = below(9);

	for (i = 0; i < nr; i++) {
		fill(&entries[i], sizeof(entries[i]));
		entries[i].gsi = below(16) ? below(40) : value();
		entries[i].type = below(16) ? 1 + below(2) : value();
		entries[i].flags = !below(16);
		if (entries[i].type == KVM_IRQ_ROUTING_IRQCHIP) {
			entries[i].u.irqchip.irqchip = below(3);
			entries[i].u.irqchip.pin = below(8);
		}
	}
	irqchip_set_routing(&f->chip, entries, nr);
}

static void op_chip_state(void)
{
	struct kvm_irqchip state = { .chip_id = below(4) };
	struct kvm_pit_state2 pit;

	irqchip_get_chip(&f->chip, &state);
	if (below(2))
		fill(&state.chip, below(2) ? sizeof(state.chip) : below(64));
	if (state.chip_id == KVM_IRQCHIP_IOAPIC)
		state.chip.ioapic.base_address = IOAPIC_DEFAULT_BASE;
	irqchip_set_chip(&f->chip, &state);

	pit_get_state(&f->chip, &pit);
	if (below(2))
		fill(&pit, below(sizeof(pit)));
	pit.flags = below(4);
	pit_set_state(&f->chip, &pit);
}

static void op_time(void)
{
	fake_advance(f, below(4) ? below(1000000) : below(100000000));
	pit_timer_expired(&f->chip);
}

static void (*const operations[])(void) = {
	op_lapic_mmio,	op_lapic_mmio,	op_lapic_msr,  op_lapic_base, op_lapic_take, op_lapic_take,
	op_lapic_timer, op_lapic_state, op_port,       op_port,	      op_ioapic,     op_lines,
	op_lines,	op_routing,	op_chip_state, op_time,
};

/* What lapic_pending() has to say, from the registers alone. */
static int plain_pending(struct lapic *lapic)
{
	int vector, irr = -1, isr = 0;

	for (vector = 0; vector < 256; vector++) {
		if (apic_bit(lapic, LAPIC_IRR, vector))
			irr = vector;
		if (apic_bit(lapic, LAPIC_ISR, vector))
			isr = vector;
	}
	if (!(lapic_get_base(lapic) & LAPIC_BASE_ENABLE) || irr < 0)
		return -1;
	return irr >> 4 > max(isr >> 4, (int)lapic_get_cr8(lapic)) ? irr : -1;
}

static void check_lapic(unsigned int i)
{
	struct lapic *lapic = f->lapic[i];

	ck_assert_int_eq(lapic_pending(lapic), plain_pending(lapic));
	ck_assert_uint_eq(lapic_read_reg(lapic, LAPIC_ISR) & 0xffff, 0);
	ck_assert_uint_eq(lapic_read_reg(lapic, LAPIC_VERSION), 0x50014);
	ck_assert(f->lapic_expires[i] == U64_MAX || f->lapic_expires[i] <= S64_MAX);
	ck_assert((lapic_get_base(lapic) & 0xc00) != 0x400);
}

/* The request of a chip by the data sheet's words: the highest that beats what is in service. */
static int plain_request(const struct kvm_pic_state *s, u8 irr, bool master)
{
	u8 isr = s->special_mask ? s->isr & ~s->imr : s->isr;
	unsigned int i, pin;

	for (i = 0; i < 8; i++) {
		pin = (s->priority_add + i) % 8;
		if (isr >> pin & 1 && !(master && pin == 2 && s->special_fully_nested_mode))
			return -1;
		if (irr & ~s->imr & 1 << pin)
			return pin;
		if (isr >> pin & 1)
			return -1;
	}
	return -1;
}

static void check_pic(void)
{
	struct kvm_irqchip master = { .chip_id = 0 }, slave = { .chip_id = 1 };
	bool cascade, output;
	u8 irr;

	irqchip_get_chip(&f->chip, &master);
	irqchip_get_chip(&f->chip, &slave);
	cascade = !slave.chip.pic.init_state &&
		  plain_request(&slave.chip.pic, slave.chip.pic.irr, false) >= 0;
	irr = (master.chip.pic.irr & ~4) | (cascade ? 4 : 0);
	output = !master.chip.pic.init_state && plain_request(&master.chip.pic, irr, true) >= 0;
	ck_assert_int_eq(pic_pending(&f->chip), output);
}

START_TEST(irq_irqchip_random_operations)
{
	unsigned int i, n;

	random_state = 0x9e3779b97f4a7c15ull * (_i + 1);
	f = fake_create(VCPUS);
	ck_assert_int_eq(pit_create(&f->chip, KVM_PIT_SPEAKER_DUMMY), 0);
	for (i = 0; i < VCPUS; i++)
		apic_enable(f->lapic[i]);
	for (n = 0; n < OPERATIONS; n++) {
		operations[below(ARRAY_SIZE(operations))]();
		for (i = 0; i < VCPUS; i++)
			check_lapic(i);
		check_pic();
	}
	fake_destroy(f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("irqchip");
	TCase *tc = tcase_create("random");

	tcase_add_loop_test(tc, irq_irqchip_random_operations, 0, 8);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
