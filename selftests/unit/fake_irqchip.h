/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers with a clock that stands still until a test moves it: fake_advance()
 * runs the timers that expire on the way, each at its own time. The guest's TSC runs at 2 GHz.
 */
#ifndef FAKE_IRQCHIP_H
#define FAKE_IRQCHIP_H

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <linux/bitops.h>
#include <linux/kernel.h>

#include "irq/apic_msg.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"

#define FAKE_TSC_PER_NS 2

struct fake {
	struct irqchip chip;
	struct irqchip_ops ops; /* a test may add callbacks */
	u64 now;
	s64 tsc_offset;
	u64 lapic_expires[IRQCHIP_MAX_VCPUS];
	u64 pit_expires;
	unsigned int kicks[IRQCHIP_MAX_VCPUS];
	unsigned int lapic_arms;
	struct lapic *lapic[IRQCHIP_MAX_VCPUS];
};

static inline u64 fake_now_ns(void *ctx)
{
	return ((struct fake *)ctx)->now;
}

static inline u64 fake_guest_tsc(void *ctx, unsigned int vcpu)
{
	struct fake *f = ctx;

	return f->now * FAKE_TSC_PER_NS + f->tsc_offset;
}

static inline u64 fake_tsc_to_ns(void *ctx, unsigned int vcpu, u64 tsc_delta)
{
	return tsc_delta / FAKE_TSC_PER_NS;
}

static inline void fake_lapic_timer_arm(void *ctx, unsigned int vcpu, u64 expires_ns)
{
	struct fake *f = ctx;

	f->lapic_expires[vcpu] = expires_ns;
	f->lapic_arms++;
}

static inline void fake_pit_timer_arm(void *ctx, u64 expires_ns)
{
	((struct fake *)ctx)->pit_expires = expires_ns;
}

static inline void fake_kick(void *ctx, unsigned int vcpu)
{
	__atomic_fetch_add(&((struct fake *)ctx)->kicks[vcpu], 1, __ATOMIC_RELAXED);
}

static inline struct lapic *fake_add_vcpu(struct fake *f, unsigned int slot, u32 apic_id)
{
	f->lapic[slot] = lapic_create(&f->chip, slot, apic_id, slot == 0);
	ck_assert_ptr_nonnull(f->lapic[slot]);
	lapic_publish(f->lapic[slot]);
	return f->lapic[slot];
}

/* nr vCPUs in the state after reset, numbered as their APIC IDs. */
static inline struct fake *fake_create_config(unsigned int nr, const struct irqchip_config *config)
{
	static const struct irqchip_ops ops = {
		.now_ns = fake_now_ns,
		.guest_tsc = fake_guest_tsc,
		.tsc_to_ns = fake_tsc_to_ns,
		.lapic_timer_arm = fake_lapic_timer_arm,
		.pit_timer_arm = fake_pit_timer_arm,
		.kick = fake_kick,
	};
	struct fake *f = calloc(1, sizeof(*f));
	unsigned int i;

	ck_assert_ptr_nonnull(f);
	f->ops = ops;
	f->now = 1000000000;
	f->pit_expires = U64_MAX;
	for (i = 0; i < IRQCHIP_MAX_VCPUS; i++)
		f->lapic_expires[i] = U64_MAX;
	ck_assert_int_eq(irqchip_init(&f->chip, &f->ops, f, config), 0);
	for (i = 0; i < nr; i++)
		fake_add_vcpu(f, i, i);
	return f;
}

static inline struct fake *fake_create(unsigned int nr)
{
	return fake_create_config(nr, NULL);
}

static inline void fake_destroy(struct fake *f)
{
	unsigned int i;

	for (i = 0; i < IRQCHIP_MAX_VCPUS; i++)
		lapic_destroy(f->lapic[i]);
	irqchip_destroy(&f->chip);
	free(f);
}

static inline void fake_advance(struct fake *f, u64 ns)
{
	u64 end = f->now + ns;

	for (;;) {
		u64 next = f->pit_expires;
		unsigned int i, who = IRQCHIP_MAX_VCPUS;

		for (i = 0; i < IRQCHIP_MAX_VCPUS; i++) {
			if (f->lapic_expires[i] < next) {
				next = f->lapic_expires[i];
				who = i;
			}
		}
		if (next > end)
			break;
		if (next > f->now)
			f->now = next;
		if (who < IRQCHIP_MAX_VCPUS) {
			f->lapic_expires[who] = U64_MAX;
			lapic_timer_expired(f->lapic[who]);
		} else {
			f->pit_expires = U64_MAX;
			pit_timer_expired(&f->chip);
		}
	}
	f->now = end;
}

/* -- guest accesses to a local APIC -- */

static inline u32 apic_read(struct lapic *lapic, u32 offset)
{
	return lapic_mmio_read(lapic, offset, 4);
}

static inline void apic_write(struct lapic *lapic, u32 offset, u32 val)
{
	lapic_mmio_write(lapic, offset, 4, val);
}

/* Software enable, spurious vector 0xff. */
static inline void apic_enable(struct lapic *lapic)
{
	apic_write(lapic, LAPIC_SVR, 0x1ff);
}

static inline void apic_enable_x2apic(struct lapic *lapic)
{
	ck_assert_int_eq(lapic_set_base(lapic, lapic_get_base(lapic) | LAPIC_BASE_X2APIC, false),
			 0);
	ck_assert_int_eq(lapic_wrmsr(lapic, 0x80f, 0x1ff), 0);
}

/* Takes the vector that is due, as the run loop does; -1 when none is. */
static inline int apic_take(struct lapic *lapic)
{
	int vector = lapic_pending(lapic);

	if (vector >= 0)
		lapic_ack(lapic, vector);
	return vector;
}

static inline int apic_take_and_eoi(struct lapic *lapic)
{
	int vector = apic_take(lapic);

	if (vector >= 0)
		apic_write(lapic, LAPIC_EOI, 0);
	return vector;
}

static inline bool apic_bit(struct lapic *lapic, u32 base, u8 vector)
{
	return lapic_read_reg(lapic, base + vector / 32 * 0x10) >> (vector % 32) & 1;
}

static inline int send_fixed(struct lapic *lapic, u8 vector)
{
	struct apic_msg msg = { .vector = vector, .mode = APIC_DELIVER_FIXED };

	return lapic_accept(lapic, &msg);
}

/* -- guest accesses to ports -- */

static inline u8 port_read(struct fake *f, u16 port)
{
	u32 val = 0xdeadbeef;

	ck_assert(irqchip_pio_read(&f->chip, port, 1, &val));
	ck_assert_uint_le(val, 0xff);
	return val;
}

static inline void port_write(struct fake *f, u16 port, u8 val)
{
	ck_assert(irqchip_pio_write(&f->chip, port, 1, val));
}

/* -- and to the I/O APIC -- */

static inline u32 ioapic_read(struct fake *f, u8 reg)
{
	u32 select = reg, val = 0;

	ck_assert(irqchip_mmio_write(&f->chip, IOAPIC_DEFAULT_BASE, 4, &select));
	ck_assert(irqchip_mmio_read(&f->chip, IOAPIC_DEFAULT_BASE + 0x10, 4, &val));
	return val;
}

static inline void ioapic_write(struct fake *f, u8 reg, u32 val)
{
	u32 select = reg;

	ck_assert(irqchip_mmio_write(&f->chip, IOAPIC_DEFAULT_BASE, 4, &select));
	ck_assert(irqchip_mmio_write(&f->chip, IOAPIC_DEFAULT_BASE + 0x10, 4, &val));
}

static inline int gsi(struct fake *f, u32 gsi, bool level)
{
	return irqchip_set_irq(&f->chip, gsi, IRQ_SOURCE_USERSPACE, level);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
