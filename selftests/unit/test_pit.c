// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8254 timer: Intel's data sheet (231164); port 0x61 as in the PC/AT. 1193182 clocks are a second.
 */
#include <errno.h>

#include <linux/minmax.h>

#include "fake_irqchip.h"

#define CH0 0x40
#define CH2 0x42
#define CONTROL 0x43
#define PORT_B 0x61

static struct fake *f;

/* Master PIC at 0x20 with IRQ 0 alone unmasked, which counts the ticks. */
static void setup(void)
{
	f = fake_create(1);
	port_write(f, 0x20, 0x11);
	port_write(f, 0x21, 0x20);
	port_write(f, 0x21, 0x04);
	port_write(f, 0x21, 0x03); /* automatic EOI */
	port_write(f, 0x21, 0xfe);
	ck_assert_int_eq(pit_create(&f->chip, KVM_PIT_SPEAKER_DUMMY), 0);
}

static void teardown(void)
{
	fake_destroy(f);
}

/* The time in which at least n clocks pass, and not n + 1. */
static u64 clocks(u64 n)
{
	return n * 1000000000 / 1193182 + 1;
}

static void load(u16 port, u8 control, u16 count)
{
	port_write(f, CONTROL, control);
	port_write(f, port, count);
	port_write(f, port, count >> 8);
}

static u16 read_word(u16 port)
{
	u16 low = port_read(f, port);

	return low | port_read(f, port) << 8;
}

static u16 latch(unsigned int channel)
{
	port_write(f, CONTROL, channel << 6);
	return read_word(CH0 + channel);
}

static u8 status(unsigned int channel)
{
	port_write(f, CONTROL, 0xe0 | 2 << channel);
	return port_read(f, CH0 + channel);
}

static bool out(unsigned int channel)
{
	return status(channel) & 0x80;
}

/* Ticks of IRQ 0 in that time, each one taken at once. */
static unsigned int ticks_in(u64 ns, u64 step)
{
	unsigned int n = 0;
	u64 end = f->now + ns;

	while (f->now < end) {
		fake_advance(f, min(step, end - f->now));
		if (pic_pending(&f->chip)) {
			ck_assert_uint_eq(pic_ack(&f->chip), 0x20);
			n++;
		}
	}
	return n;
}

/* -- creation -- */

START_TEST(irq_pit_create)
{
	struct fake *fresh = fake_create(1);
	struct kvm_pit_state2 state;
	u32 val;

	ck_assert(!irqchip_pio_read(&fresh->chip, CH0, 1, &val));
	ck_assert_int_eq(pit_get_state(&fresh->chip, &state), -ENXIO);
	ck_assert_int_eq(pit_set_state(&fresh->chip, &state), -ENXIO);
	ck_assert_int_eq(pit_create(&fresh->chip, 2), -EINVAL);
	ck_assert_int_eq(pit_create(&fresh->chip, 0), 0);
	ck_assert_int_eq(pit_create(&fresh->chip, 0), -EEXIST);
	ck_assert(irqchip_pio_read(&fresh->chip, CH0, 1, &val));
	/* The speaker's port is the PIT's only with KVM_PIT_SPEAKER_DUMMY. */
	ck_assert(!irqchip_pio_read(&fresh->chip, PORT_B, 1, &val));
	ck_assert(irqchip_pio_read(&f->chip, PORT_B, 1, &val));
	ck_assert(!irqchip_pio_read(&f->chip, 0x3f, 1, &val));
	ck_assert(!irqchip_pio_read(&f->chip, 0x44, 1, &val));
	ck_assert(!irqchip_pio_read(&f->chip, 0x60, 1, &val));
	fake_destroy(fresh);
}
END_TEST

START_TEST(irq_pit_is_silent_until_programmed)
{
	ck_assert_uint_eq(ticks_in(1000000000, 50000000), 0);
	ck_assert_uint_eq(f->pit_expires, U64_MAX);
	port_write(f, CONTROL, 0x34);
	ck_assert_uint_eq(ticks_in(1000000000, 50000000), 0);
	port_write(f, CH0, 0xff); /* one byte of two */
	ck_assert_uint_eq(ticks_in(1000000000, 50000000), 0);
}
END_TEST

/* -- counting, mode by mode -- */

START_TEST(irq_pit_mode0)
{
	port_write(f, CONTROL, 0x30);
	ck_assert(!out(0)); /* OUT goes low with the control word */
	load(CH0, 0x30, 1000);
	ck_assert_uint_eq(latch(0), 1000);
	ck_assert(!out(0));
	fake_advance(f, clocks(300));
	ck_assert_uint_eq(latch(0), 700);
	fake_advance(f, clocks(699));
	ck_assert_uint_eq(ticks_in(clocks(1), clocks(1)), 1);
	ck_assert(out(0));
	/* It counts on below zero, and does not tick again. */
	ck_assert_uint_eq(ticks_in(clocks(100000), clocks(1000)), 0);
	ck_assert_uint_ge(latch(0), (u16)(1000 - 102000));
	ck_assert(out(0));
	/* A new count starts it again. */
	port_write(f, CH0, 0x10);
	ck_assert(!out(0));
	port_write(f, CH0, 0x00);
	ck_assert_uint_eq(ticks_in(clocks(17), clocks(1)), 1);
}
END_TEST

START_TEST(irq_pit_mode0_first_byte_stops)
{
	load(CH0, 0x30, 1000);
	fake_advance(f, clocks(500));
	port_write(f, CH0, 0x00);
	ck_assert_uint_eq(ticks_in(clocks(5000), clocks(100)), 0);
	port_write(f, CH0, 0x10);
	ck_assert_uint_eq(latch(0), 0x1000);
	ck_assert_uint_eq(ticks_in(clocks(0x1001), clocks(100)), 1);
}
END_TEST

/* The rate generator: 1193 is HZ=1000. */
START_TEST(irq_pit_mode2)
{
	load(CH0, 0x34, 1193);
	ck_assert_uint_eq(ticks_in(1000000000, 100000), 1000);
	/* 1193182 / 1193 is a little more than 1000 a second; it must not drift. */
	ck_assert_uint_eq(ticks_in(99000000000ull, 250000), 100 * 1193182ull / 1193 - 1000);
	load(CH0, 0x34, 1000);
	fake_advance(f, clocks(999));
	ck_assert_uint_eq(latch(0), 1);
	ck_assert(!out(0));
	fake_advance(f, clocks(1000) - clocks(999));
	ck_assert_uint_eq(latch(0), 1000);
	ck_assert(out(0));
}
END_TEST

START_TEST(irq_pit_mode3)
{
	load(CH0, 0x36, 1000);
	ck_assert(out(0));
	/* It counts by two: the half period is where it was at first. */
	fake_advance(f, clocks(100));
	ck_assert_uint_eq(latch(0), 800);
	fake_advance(f, clocks(500) - clocks(100));
	ck_assert(!out(0));
	ck_assert_uint_eq(latch(0), 1000);
	fake_advance(f, clocks(600) - clocks(500));
	ck_assert_uint_eq(latch(0), 800);
	ck_assert_uint_eq(ticks_in(clocks(10400), clocks(50)), 11);
	/* Odd: high for one clock more than low. */
	load(CH0, 0x36, 1001);
	fake_advance(f, clocks(500));
	ck_assert(out(0));
	fake_advance(f, clocks(501) - clocks(500));
	ck_assert(!out(0));
}
END_TEST

START_TEST(irq_pit_mode4)
{
	load(CH0, 0x38, 1000);
	ck_assert(out(0));
	fake_advance(f, clocks(999));
	ck_assert(out(0));
	ck_assert_uint_eq(ticks_in(clocks(1000) - clocks(999), 1), 0);
	ck_assert(!out(0)); /* strobe */
	ck_assert_uint_eq(ticks_in(clocks(1), clocks(1)), 1);
	ck_assert(out(0));
	ck_assert_uint_eq(ticks_in(clocks(100000), clocks(1000)), 0);
}
END_TEST

/* Channel 0's gate is tied high: what waits for its rise waits for ever. */
START_TEST(irq_pit_modes_1_and_5_of_channel_0)
{
	load(CH0, _i ? 0x3a : 0x32, 1000);
	ck_assert_uint_eq(ticks_in(clocks(100000), clocks(1000)), 0);
	ck_assert(out(0));
	ck_assert_uint_eq(latch(0), 1000);
}
END_TEST

START_TEST(irq_pit_modes_6_and_7_are_2_and_3)
{
	load(CH0, 0x3c, 1000);
	ck_assert_uint_eq(status(0) & 0x3f, 0x34);
	load(CH0, 0x3e, 1000);
	ck_assert_uint_eq(status(0) & 0x3f, 0x36);
}
END_TEST

START_TEST(irq_pit_count_zero_is_the_largest)
{
	load(CH0, 0x34, 0);
	fake_advance(f, clocks(1));
	ck_assert_uint_eq(latch(0), 0xffff);
	/* 18.2 ticks a second, the PC's own. */
	ck_assert_uint_eq(ticks_in(10000000000ull, 1000000), 182);
}
END_TEST

START_TEST(irq_pit_fast_period_is_limited)
{
	load(CH0, 0x34, 2);
	ck_assert_uint_ge(f->pit_expires, f->now + PIT_MIN_PERIOD_NS);
	ck_assert_uint_le(ticks_in(100000000, 50000), 100000000 / PIT_MIN_PERIOD_NS);
	ck_assert_uint_ge(f->pit_expires, f->now);
	load(CH0, 0x34, 1); /* forbidden in this mode; it must do no harm */
	ck_assert_uint_le(ticks_in(10000000, 50000), 10000000 / PIT_MIN_PERIOD_NS);
	load(CH0, 0x36, 1);
	ck_assert_uint_le(ticks_in(10000000, 50000), 10000000 / PIT_MIN_PERIOD_NS);
}
END_TEST

START_TEST(irq_pit_control_word_stops)
{
	load(CH0, 0x34, 11932);
	ck_assert_uint_eq(ticks_in(25000000, 1000000), 2);
	port_write(f, CONTROL, 0x34);
	ck_assert_uint_eq(f->pit_expires, U64_MAX);
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 0);
	/* Latch commands are control words too, but they stop nothing. */
	load(CH0, 0x34, 11932);
	port_write(f, CONTROL, 0x00);
	port_write(f, CONTROL, 0xc2);
	ck_assert_uint_eq(ticks_in(25000000, 1000000), 2);
}
END_TEST

START_TEST(irq_pit_late_callback)
{
	load(CH0, 0x34, 11932); /* 10 ms */
	f->now += 35000000;
	f->pit_expires = U64_MAX;
	pit_timer_expired(&f->chip);
	ck_assert(pic_pending(&f->chip));
	pic_ack(&f->chip);
	ck_assert(!pic_pending(&f->chip));
	/* In step: the fourth period ends 40 ms after the load. */
	ck_assert_uint_ge(f->pit_expires, f->now + 4999000);
	ck_assert_uint_le(f->pit_expires, f->now + 5001000);
}
END_TEST

START_TEST(irq_pit_stale_callback)
{
	load(CH0, 0x34, 11932);
	port_write(f, CONTROL, 0x34);
	pit_timer_expired(&f->chip);
	ck_assert(!pic_pending(&f->chip));
	load(CH0, 0x34, 11932);
	f->pit_expires = U64_MAX;
	pit_timer_expired(&f->chip);
	ck_assert(!pic_pending(&f->chip));
	ck_assert_uint_ne(f->pit_expires, U64_MAX);
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 9);
}
END_TEST

/* -- bytes and words -- */

START_TEST(irq_pit_byte_access)
{
	port_write(f, CONTROL, 0x90); /* channel 2, low byte, mode 0 */
	port_write(f, CH2, 0x80);
	ck_assert_uint_eq(port_read(f, CH2), 0x80);
	ck_assert_uint_eq(port_read(f, CH2), 0x80);
	port_write(f, CONTROL, 0xa0); /* high byte */
	port_write(f, CH2, 0x12);
	ck_assert_uint_eq(port_read(f, CH2), 0x12);
	port_write(f, CONTROL, 0x80);
	ck_assert_uint_eq(port_read(f, CH2), 0x12); /* latched: still the high byte alone */
	load(CH2, 0xb0, 0x1234);
	ck_assert_uint_eq(read_word(CH2), 0x1234);
	ck_assert_uint_eq(read_word(CH2), 0x1234);
}
END_TEST

START_TEST(irq_pit_counter_latch)
{
	u16 low;

	load(CH0, 0x34, 1000);
	fake_advance(f, clocks(200));
	port_write(f, CONTROL, 0x00);
	fake_advance(f, clocks(300));
	/* A second latch before the first was read is ignored. */
	port_write(f, CONTROL, 0x00);
	low = port_read(f, CH0);
	fake_advance(f, clocks(100));
	ck_assert_uint_eq(low | port_read(f, CH0) << 8, 800);
	/* And then it is live again. */
	ck_assert_uint_le(read_word(CH0), 400);
	/* A new control word drops the latch. */
	port_write(f, CONTROL, 0x00);
	load(CH0, 0x34, 5000);
	ck_assert_uint_eq(read_word(CH0), 5000);
}
END_TEST

START_TEST(irq_pit_bcd)
{
	load(CH0, 0x35, 0x1234);
	ck_assert_uint_eq(latch(0), 0x1234);
	fake_advance(f, clocks(35));
	ck_assert_uint_eq(latch(0), 0x1199);
	fake_advance(f, clocks(1233) - clocks(35));
	ck_assert_uint_eq(latch(0), 0x0001);
	fake_advance(f, clocks(1234) - clocks(1233));
	ck_assert_uint_eq(latch(0), 0x1234);
	/* Zero is ten thousand; below zero comes 9999. */
	load(CH0, 0x31, 0x0000);
	ck_assert_uint_eq(latch(0), 0x0000);
	fake_advance(f, clocks(1));
	ck_assert_uint_eq(latch(0), 0x9999);
	load(CH0, 0x31, 0x0010);
	fake_advance(f, clocks(11));
	ck_assert_uint_eq(latch(0), 0x9999);
	ck_assert_uint_eq(status(0) & 0x3f, 0x31);
}
END_TEST

/* -- read-back (figure 12) -- */

START_TEST(irq_pit_read_back_status)
{
	port_write(f, CONTROL, 0x34);
	/* OUT high, null count, word access, mode 2. */
	ck_assert_uint_eq(status(0), 0xf4);
	port_write(f, CH0, 0xe8);
	ck_assert_uint_eq(status(0), 0xf4);
	port_write(f, CH0, 0x03);
	ck_assert_uint_eq(status(0), 0xb4);
	port_write(f, CONTROL, 0x90);
	ck_assert_uint_eq(status(2), 0x50);
	port_write(f, CH2, 0x05);
	ck_assert_uint_eq(status(2), 0x10);
}
END_TEST

START_TEST(irq_pit_read_back_both)
{
	load(CH0, 0x34, 1000);
	load(CH2, 0xb4, 2000);
	fake_advance(f, clocks(100));
	/* Count and status of channels 0 and 2: the status comes first. */
	port_write(f, CONTROL, 0xca);
	fake_advance(f, clocks(100));
	ck_assert_uint_eq(port_read(f, CH0), 0xb4);
	ck_assert_uint_eq(read_word(CH0), 900);
	ck_assert_uint_eq(port_read(f, CH2), 0xb4);
	/* Channel 2's gate is low: it did not count. */
	ck_assert_uint_eq(read_word(CH2), 2000);
	ck_assert_uint_eq(read_word(CH0), 800);
	/* Status is latched once, too. */
	port_write(f, CONTROL, 0xe2);
	port_write(f, CONTROL, 0x30);
	port_write(f, CONTROL, 0x34);
	port_write(f, CONTROL, 0xe2);
	ck_assert_uint_eq(port_read(f, CH0), 0xf4);
}
END_TEST

START_TEST(irq_pit_control_port_is_write_only)
{
	load(CH0, 0x34, 1000);
	ck_assert_uint_eq(port_read(f, CONTROL), 0);
	ck_assert_uint_eq(latch(0), 1000);
}
END_TEST

/* -- channel 2 and port 0x61 -- */

START_TEST(irq_pit_port_b)
{
	unsigned int i, refresh = 0;
	u8 last, val;

	port_write(f, PORT_B, 0x03);
	ck_assert_uint_eq(port_read(f, PORT_B) & 0x03, 0x03);
	port_write(f, PORT_B, 0xfe);
	ck_assert_uint_eq(port_read(f, PORT_B) & 0xc3, 0x02);
	last = port_read(f, PORT_B);
	for (i = 0; i < 100; i++) {
		fake_advance(f, 5000);
		val = port_read(f, PORT_B);
		refresh += (val ^ last) >> 4 & 1;
		last = val;
	}
	/* Toggles every 16.4 us, half a millisecond long. */
	ck_assert_uint_ge(refresh, 29);
	ck_assert_uint_le(refresh, 32);
}
END_TEST

/* How Linux measures the TSC: mode 0, gate on, and OUT2 at 0x61 tells the end. */
START_TEST(irq_pit_port_b_shows_out2)
{
	port_write(f, PORT_B, 0x01);
	load(CH2, 0xb0, 59659); /* 50 ms */
	ck_assert_uint_eq(port_read(f, PORT_B) & 0x20, 0);
	fake_advance(f, clocks(59658));
	ck_assert_uint_eq(port_read(f, PORT_B) & 0x20, 0);
	fake_advance(f, clocks(59659) - clocks(59658));
	ck_assert_uint_eq(port_read(f, PORT_B) & 0x20, 0x20);
	ck_assert_uint_eq(f->pit_expires, U64_MAX);
}
END_TEST

START_TEST(irq_pit_gate_pauses_mode0)
{
	port_write(f, PORT_B, 0x01);
	load(CH2, 0xb0, 10000);
	fake_advance(f, clocks(1000));
	port_write(f, PORT_B, 0x00);
	fake_advance(f, clocks(50000));
	ck_assert_uint_eq(latch(2), 9000);
	port_write(f, PORT_B, 0x01);
	fake_advance(f, clocks(1000));
	ck_assert_uint_le(latch(2), 8000);
	ck_assert_uint_ge(latch(2), 7998);
	/* Loaded while it is low: it waits at the full count. */
	port_write(f, PORT_B, 0x00);
	fake_advance(f, clocks(3000));
	load(CH2, 0xb0, 500);
	fake_advance(f, clocks(50000));
	ck_assert_uint_eq(latch(2), 500);
	ck_assert(!out(2));
	port_write(f, PORT_B, 0x01);
	fake_advance(f, clocks(501));
	ck_assert(out(2));
}
END_TEST

START_TEST(irq_pit_gate_restarts_modes_2_and_3)
{
	port_write(f, PORT_B, 0x01);
	load(CH2, _i ? 0xb6 : 0xb4, 10000);
	fake_advance(f, clocks(_i ? 6000 : 9999));
	ck_assert(!out(2));
	port_write(f, PORT_B, 0x00);
	ck_assert(out(2)); /* the gate's fall sets OUT high at once */
	fake_advance(f, clocks(777));
	port_write(f, PORT_B, 0x01);
	ck_assert_uint_eq(latch(2), 10000);
	fake_advance(f, clocks(1000));
	ck_assert_uint_eq(latch(2), _i ? 8000 : 9000);
}
END_TEST

START_TEST(irq_pit_gate_triggers_mode1)
{
	load(CH2, 0xb2, 1000);
	ck_assert(out(2));
	fake_advance(f, clocks(5000));
	ck_assert(out(2));
	port_write(f, PORT_B, 0x01);
	ck_assert(!out(2));
	fake_advance(f, clocks(400));
	ck_assert_uint_eq(latch(2), 600);
	/* The level of the gate is nothing; its next rise starts again. */
	port_write(f, PORT_B, 0x00);
	fake_advance(f, clocks(400));
	ck_assert_uint_le(latch(2), 200);
	port_write(f, PORT_B, 0x01);
	ck_assert_uint_eq(latch(2), 1000);
	fake_advance(f, clocks(999));
	ck_assert(!out(2));
	fake_advance(f, clocks(1000) - clocks(999));
	ck_assert(out(2));
	/* A control word forgets the trigger, though the gate is still high. */
	load(CH2, 0xb2, 1000);
	ck_assert(out(2));
	ck_assert_uint_eq(latch(2), 1000);
	fake_advance(f, clocks(400));
	ck_assert_uint_eq(latch(2), 1000);
}
END_TEST

START_TEST(irq_pit_gate_triggers_mode5)
{
	load(CH2, 0xba, 1000);
	fake_advance(f, clocks(1000));
	ck_assert(out(2));
	port_write(f, PORT_B, 0x01);
	fake_advance(f, clocks(999));
	ck_assert(out(2));
	fake_advance(f, clocks(1000) - clocks(999));
	ck_assert(!out(2));
	fake_advance(f, clocks(1));
	ck_assert(out(2));
}
END_TEST

/* -- saved state -- */

START_TEST(irq_pit_state_after_creation)
{
	struct kvm_pit_state2 state;
	unsigned int i;

	memset(&state, 0xaa, sizeof(state));
	ck_assert_int_eq(pit_get_state(&f->chip, &state), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(state.channels[i].count, 0x10000);
		ck_assert_uint_eq(state.channels[i].mode, 0xff);
		ck_assert_uint_eq(state.channels[i].gate, i != 2);
	}
	ck_assert_uint_eq(state.flags, 0);
	ck_assert_uint_eq(state.reserved[8], 0);
	/* It can be written back. */
	ck_assert_int_eq(pit_set_state(&f->chip, &state), 0);
	ck_assert_uint_eq(f->pit_expires, U64_MAX);
}
END_TEST

START_TEST(irq_pit_state_round_trip)
{
	struct kvm_pit_state2 saved, again;

	load(CH0, 0x34, 11932);
	port_write(f, PORT_B, 0x03);
	load(CH2, 0xb0, 50000);
	port_read(f, CH2);
	port_write(f, CONTROL, 0x80); /* latch channel 2's count */
	ck_assert_int_eq(pit_get_state(&f->chip, &saved), 0);
	ck_assert_uint_eq(saved.channels[0].mode, 2);
	ck_assert_uint_eq(saved.channels[0].count, 11932);
	ck_assert_uint_eq(saved.channels[0].rw_mode, 3);
	ck_assert_uint_eq(saved.channels[2].read_state, 4);
	ck_assert_uint_eq(saved.channels[2].count_latched, 3);
	ck_assert_uint_eq(saved.channels[2].latched_count, 50000);
	ck_assert_uint_eq(saved.channels[2].gate, 1);
	ck_assert_uint_eq(saved.flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);

	load(CH0, 0x30, 1);
	port_write(f, PORT_B, 0);
	ck_assert_int_eq(pit_set_state(&f->chip, &saved), 0);
	ck_assert_int_eq(pit_get_state(&f->chip, &again), 0);
	ck_assert_mem_eq(&saved, &again, sizeof(saved));
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 9);
}
END_TEST

START_TEST(irq_pit_state_hpet_legacy_silences_irq0)
{
	struct kvm_pit_state2 state;

	load(CH0, 0x34, 11932);
	ck_assert_int_eq(pit_get_state(&f->chip, &state), 0);
	state.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	ck_assert_int_eq(pit_set_state(&f->chip, &state), 0);
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 0);
	load(CH0, 0x34, 11932);
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 0);
	state.flags = 0;
	ck_assert_int_eq(pit_set_state(&f->chip, &state), 0);
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 9);
}
END_TEST

/* It has no wire: a state that says otherwise would stop the clock of its guest. */
START_TEST(irq_pit_state_gate_of_channel_0_is_high)
{
	struct kvm_pit_state2 state;

	load(CH0, 0x34, 11932);
	ck_assert_int_eq(pit_get_state(&f->chip, &state), 0);
	state.channels[0].gate = 0;
	ck_assert_int_eq(pit_set_state(&f->chip, &state), 0);
	ck_assert_uint_eq(ticks_in(100000000, 1000000), 9);
}
END_TEST

START_TEST(irq_pit_state_hostile_times)
{
	struct kvm_pit_state2 state;
	unsigned int mode;

	ck_assert_int_eq(pit_get_state(&f->chip, &state), 0);
	for (mode = 0; mode <= 5; mode++) {
		state.channels[0].mode = mode;
		state.channels[2].mode = mode;
		state.channels[0].count = 0;
		state.channels[2].count = 1;
		state.channels[2].gate = mode & 1;
		state.channels[0].count_load_time = -1;
		state.channels[2].count_load_time = S64_MAX;
		ck_assert_int_eq(pit_set_state(&f->chip, &state), 0);
		latch(0);
		latch(2);
		port_read(f, PORT_B);
		ck_assert_uint_ge(f->pit_expires, f->now);
		state.channels[2].count_load_time = 0;
		ck_assert_int_eq(pit_set_state(&f->chip, &state), 0);
		latch(2);
		port_write(f, PORT_B, 1);
		port_write(f, PORT_B, 0);
		latch(2);
	}
}
END_TEST

START_TEST(irq_pit_state_refused)
{
	struct kvm_pit_state2 good, bad, after;

	load(CH0, 0x34, 1193);
	ck_assert_int_eq(pit_get_state(&f->chip, &good), 0);
#define REFUSE(field, value)                                              \
	do {                                                              \
		bad = good;                                               \
		bad.field = (value);                                      \
		ck_assert_int_eq(pit_set_state(&f->chip, &bad), -EINVAL); \
	} while (0)
	REFUSE(channels[2].count, 0x10001);
	REFUSE(channels[1].mode, 6);
	REFUSE(channels[0].mode, 0xfe);
	REFUSE(channels[0].rw_mode, 4);
	REFUSE(channels[0].read_state, 5);
	REFUSE(channels[0].write_state, 5);
	REFUSE(channels[0].count_latched, 4);
	REFUSE(flags, 4);
#undef REFUSE
	ck_assert_int_eq(pit_get_state(&f->chip, &after), 0);
	ck_assert_mem_eq(&good, &after, sizeof(good));
}
END_TEST

static void add_counting(Suite *suite)
{
	TCase *tc = tcase_create("counting");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_pit_create);
	tcase_add_test(tc, irq_pit_is_silent_until_programmed);
	tcase_add_test(tc, irq_pit_mode0);
	tcase_add_test(tc, irq_pit_mode0_first_byte_stops);
	tcase_add_test(tc, irq_pit_mode2);
	tcase_add_test(tc, irq_pit_mode3);
	tcase_add_test(tc, irq_pit_mode4);
	tcase_add_loop_test(tc, irq_pit_modes_1_and_5_of_channel_0, 0, 2);
	tcase_add_test(tc, irq_pit_modes_6_and_7_are_2_and_3);
	tcase_add_test(tc, irq_pit_count_zero_is_the_largest);
	tcase_add_test(tc, irq_pit_fast_period_is_limited);
	tcase_add_test(tc, irq_pit_control_word_stops);
	tcase_add_test(tc, irq_pit_late_callback);
	tcase_add_test(tc, irq_pit_stale_callback);
	tcase_add_test(tc, irq_pit_byte_access);
	tcase_add_test(tc, irq_pit_counter_latch);
	tcase_add_test(tc, irq_pit_bcd);
	tcase_add_test(tc, irq_pit_read_back_status);
	tcase_add_test(tc, irq_pit_read_back_both);
	tcase_add_test(tc, irq_pit_control_port_is_write_only);
	suite_add_tcase(suite, tc);
}

static void add_gate(Suite *suite)
{
	TCase *tc = tcase_create("gate");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_pit_port_b);
	tcase_add_test(tc, irq_pit_port_b_shows_out2);
	tcase_add_test(tc, irq_pit_gate_pauses_mode0);
	tcase_add_loop_test(tc, irq_pit_gate_restarts_modes_2_and_3, 0, 2);
	tcase_add_test(tc, irq_pit_gate_triggers_mode1);
	tcase_add_test(tc, irq_pit_gate_triggers_mode5);
	suite_add_tcase(suite, tc);
}

static void add_state(Suite *suite)
{
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_pit_state_after_creation);
	tcase_add_test(tc, irq_pit_state_round_trip);
	tcase_add_test(tc, irq_pit_state_hpet_legacy_silences_irq0);
	tcase_add_test(tc, irq_pit_state_gate_of_channel_0_is_high);
	tcase_add_test(tc, irq_pit_state_hostile_times);
	tcase_add_test(tc, irq_pit_state_refused);
	suite_add_tcase(suite, tc);
}

int main(void)
{
	Suite *suite = suite_create("pit");

	add_counting(suite);
	add_gate(suite);
	add_state(suite);
	return run_suite(suite);
}
