// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt controllers as one: guest accesses, lines, messages, saved states and time, in any order.
 * Input: which chips there are, then a byte for each call and what it takes.
 */
#include <check.h>

#include "input.h"

/* Without a runner of check, its assertions are these. */
#undef ck_assert
#undef ck_assert_int_eq
#undef ck_assert_uint_le
#undef ck_assert_ptr_nonnull
#define ck_assert(cond) ALWAYS(cond)
#define ck_assert_int_eq(a, b) ALWAYS((a) == (b))
#define ck_assert_uint_le(a, b) ALWAYS((a) <= (b))
#define ck_assert_ptr_nonnull(p) ALWAYS(p)

#include "fake_irqchip.h"

#define VCPUS 3
#define CALLS 200
/* A timer may tick 5000 times a second. */
#define LONGEST_NS 50000000

struct machine {
	struct fake *fake;
	struct input in;
};

static struct lapic *any_lapic(struct machine *m)
{
	return m->fake->lapic[take(&m->in, 1) % VCPUS];
}

static u64 page_offset(struct machine *m)
{
	return take(&m->in, 1) << 4 & 0xff0;
}

static u8 any_size(struct machine *m)
{
	return 1 + take(&m->in, 1) % 8;
}

static u16 any_port(struct machine *m)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1,
				     0x40, 0x41, 0x42, 0x43, 0x61 };

	return ports[take(&m->in, 1) % ARRAY_SIZE(ports)];
}

static void pio_read(struct machine *m)
{
	u32 val;

	irqchip_pio_read(&m->fake->chip, any_port(m), 1 << take(&m->in, 1) % 3, &val);
}

static void pio_write(struct machine *m)
{
	u16 port = any_port(m);

	irqchip_pio_write(&m->fake->chip, port, 1 << take(&m->in, 1) % 3, take(&m->in, 4));
}

static u64 ioapic_address(struct machine *m)
{
	return IOAPIC_DEFAULT_BASE + (take(&m->in, 1) & 0x7f);
}

static void mmio_read(struct machine *m)
{
	u64 addr = ioapic_address(m);
	u8 size = any_size(m), *data = malloc(size);

	irqchip_mmio_read(&m->fake->chip, addr, size, data);
	free(data);
}

static void mmio_write(struct machine *m)
{
	u64 addr = ioapic_address(m);
	u8 size = any_size(m), *data = malloc(size);

	take_bytes(&m->in, data, size);
	irqchip_mmio_write(&m->fake->chip, addr, size, data);
	free(data);
}

/* The two halves that a guest needs for anything to happen. */
static void ioapic_entry(struct machine *m)
{
	u8 reg = take(&m->in, 1) & 0x3f;

	if (!m->fake->chip.config.split)
		ioapic_write(m->fake, reg, take(&m->in, 4));
}

static void lapic_read(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	u32 offset = page_offset(m) | (take(&m->in, 1) & 3);

	lapic_mmio_read(lapic, offset, any_size(m));
}

static void lapic_write(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	u32 offset = page_offset(m);

	lapic_mmio_write(lapic, offset, 4, take(&m->in, 4));
}

static void msr_read(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	u64 val;

	lapic_rdmsr(lapic, 0x800 + take(&m->in, 1), &val);
}

static void msr_write(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	u32 index = 0x800 + take(&m->in, 1);

	lapic_wrmsr(lapic, index, take(&m->in, 8));
}

static void set_base(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	u64 base = LAPIC_DEFAULT_BASE | (take(&m->in, 1) & 0xd) << 8;

	lapic_set_base(lapic, base, take(&m->in, 1) & 1);
}

static void set_tpr(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);

	lapic_set_tpr(lapic, take(&m->in, 1));
}

static void set_deadline(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);

	lapic_set_tsc_deadline(lapic, m->fake->now * FAKE_TSC_PER_NS + take(&m->in, 4));
}

static void line(struct machine *m)
{
	u32 gsi = take(&m->in, 1);
	u8 dice = take(&m->in, 1);

	irqchip_set_irq(&m->fake->chip, gsi, dice >> 1, dice & 1);
}

static void message(struct machine *m)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000 | take(&m->in, 3),
			       .data = take(&m->in, 2) };

	irqchip_signal_msi(&m->fake->chip, &msi);
}

static void routing(struct machine *m)
{
	struct kvm_irq_routing_entry entries[8] = {};
	u32 nr = take(&m->in, 1) & 7, i;

	for (i = 0; i < nr; i++) {
		entries[i].gsi = take(&m->in, 1);
		entries[i].type = take(&m->in, 1) & 3;
		take_bytes(&m->in, &entries[i].u, 12);
	}
	irqchip_set_routing(&m->fake->chip, entries, nr);
}

/* As the run loop does. */
static void take_interrupt(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	int vector = lapic_pending(lapic);

	ALWAYS(vector >= -1 && vector < 256 && (vector < 0 || vector >= 16));
	if (vector >= 0)
		ALWAYS(lapic_ack(lapic, vector) == vector);
}

static void take_events(struct machine *m)
{
	u8 vector;

	lapic_take_events(any_lapic(m), &vector);
}

static void end_interrupt(struct machine *m)
{
	lapic_eoi(any_lapic(m));
}

static void extint(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);

	if (!m->fake->chip.config.split && lapic_accepts_extint(lapic) &&
	    pic_pending(&m->fake->chip))
		pic_ack(&m->fake->chip);
}

/* What a chip says of itself it takes back, and then says it again. */
static void save_chip(struct machine *m)
{
	struct kvm_irqchip state = { .chip_id = take(&m->in, 1) & 3 }, again = state;

	if (m->fake->chip.config.split || irqchip_get_chip(&m->fake->chip, &state))
		return;
	ALWAYS(!irqchip_set_chip(&m->fake->chip, &state));
	ALWAYS(!irqchip_get_chip(&m->fake->chip, &again));
}

static void restore_chip(struct machine *m)
{
	struct kvm_irqchip state = { .chip_id = take(&m->in, 1) & 3 };

	take_bytes(&m->in, &state.chip, 64);
	if (!m->fake->chip.config.split)
		irqchip_set_chip(&m->fake->chip, &state);
}

static void save_lapic(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	struct kvm_lapic_state state;

	lapic_get_state(lapic, &state);
	ALWAYS(!lapic_set_state(lapic, &state));
}

static void restore_lapic(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);
	struct kvm_lapic_state state;
	unsigned int i;

	lapic_get_state(lapic, &state);
	for (i = 0; i < 8; i++)
		state.regs[(page_offset(m) & 0x3f0) + (take(&m->in, 1) & 3)] = take(&m->in, 1);
	lapic_set_state(lapic, &state);
}

static void save_pit(struct machine *m)
{
	struct kvm_pit_state2 state;

	if (!pit_get_state(&m->fake->chip, &state))
		ALWAYS(!pit_set_state(&m->fake->chip, &state));
}

static void restore_pit(struct machine *m)
{
	struct kvm_pit_state2 state = {};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		take_bytes(&m->in, &state.channels[i], 16);
		state.channels[i].count_load_time = take(&m->in, 4);
	}
	pit_set_state(&m->fake->chip, &state);
}

static void reset_lapic(struct machine *m)
{
	struct lapic *lapic = any_lapic(m);

	lapic_reset(lapic, take(&m->in, 1) & 1);
}

static void watch(struct machine *m)
{
	u8 dice = take(&m->in, 1);

	irqchip_watch(&m->fake->chip, dice >> 1, dice & 1);
}

static void wait(struct machine *m)
{
	fake_advance(m->fake, take(&m->in, 4) % LONGEST_NS);
}

static void (*const calls[])(struct machine *) = {
	pio_read,     pio_write,      mmio_read,     mmio_write,   ioapic_entry,  lapic_read,
	lapic_write,  lapic_write,    msr_read,	     msr_write,	   set_base,	  set_tpr,
	set_deadline, line,	      message,	     routing,	   watch,	  take_events,
	extint,	      take_interrupt, end_interrupt, restore_chip, restore_lapic, save_chip,
	save_lapic,   save_pit,	      restore_pit,   reset_lapic,  wait,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { .in = { data, size } };
	u8 chips = take(&m.in, 1);
	struct irqchip_config config = { .split = (chips & 3) == 3, .user_pins = 24 };
	unsigned int i;

	m.fake = fake_create_config(VCPUS, &config);
	if (!config.split && chips & 4)
		pit_create(&m.fake->chip, chips & 8 ? KVM_PIT_SPEAKER_DUMMY : 0);
	irqchip_set_x2apic_api(&m.fake->chip, chips >> 4 & 3);
	for (i = 0; i < VCPUS && chips & 0x40; i++)
		apic_enable(m.fake->lapic[i]);
	for (i = 0; i < CALLS && m.in.size; i++)
		calls[take(&m.in, 1) % ARRAY_SIZE(calls)](&m);
	fake_destroy(m.fake);
	return 0;
}
