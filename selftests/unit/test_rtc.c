// SPDX-License-Identifier: GPL-2.0-only
/* The MC146818: time in every format, setting it, update in progress, and its three interrupts. */
#include <string.h>

#include "device/rtc.h"
#include "suite.h"

#define NSEC 1000000000LL
/* 2026-11-21 18:03:07 UTC, a Saturday. */
#define START 1795284187LL

static struct rtc rtc;
static struct irq_line irq;
static int64_t now;
static unsigned int edges, attentions;

static void irq_set(struct irq_line *line)
{
	edges += line->level;
}

static int64_t clock_now(void)
{
	return now;
}

static void attention(void *owner)
{
	attentions++;
}

static void setup(void)
{
	irq = (struct irq_line){ .set = irq_set };
	edges = 0;
	attentions = 0;
	now = START * NSEC + NSEC / 2;
	rtc_init(&rtc, &irq, clock_now, attention, NULL);
}

static uint8_t get(uint8_t reg)
{
	rtc_bus_ops.write(&rtc, 0, 1, reg);
	return rtc_bus_ops.read(&rtc, 1, 1);
}

static void set(uint8_t reg, uint8_t value)
{
	rtc_bus_ops.write(&rtc, 0, 1, reg);
	rtc_bus_ops.write(&rtc, 1, 1, value);
}

/* Seconds, minutes, hours, day of week, day, month, year, century. */
static void check_time(const uint8_t want[8])
{
	static const uint8_t regs[] = { 0, 2, 4, 6, 7, 8, 9, 0x32 };

	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(get(regs[i]), want[i]);
}

static void pass(int64_t ns)
{
	now += ns;
	rtc_expire(&rtc);
}

START_TEST(launcher_rtc_initial)
{
	ck_assert_uint_eq(get(0x0a), 0x26);
	ck_assert_uint_eq(get(0x0b), 0x02);
	ck_assert_uint_eq(get(0x0c), 0);
	ck_assert_uint_eq(get(0x0d), 0x80);
	/* The index register cannot be read. */
	ck_assert_uint_eq(rtc_bus_ops.read(&rtc, 0, 1), 0xff);
	ck_assert_int_eq(rtc_deadline(&rtc), RTC_NEVER);
}
END_TEST

START_TEST(launcher_rtc_formats)
{
	check_time((uint8_t[]){ 0x07, 0x03, 0x18, 0x07, 0x21, 0x11, 0x26, 0x20 });
	set(0x0b, 0x06); /* binary, 24 hours */
	check_time((uint8_t[]){ 7, 3, 18, 7, 21, 11, 26, 20 });
	set(0x0b, 0x00); /* BCD, 12 hours */
	check_time((uint8_t[]){ 0x07, 0x03, 0x86, 0x07, 0x21, 0x11, 0x26, 0x20 });
	set(0x0b, 0x04); /* binary, 12 hours */
	check_time((uint8_t[]){ 7, 3, 0x86, 7, 21, 11, 26, 20 });
}
END_TEST

/* Midnight and noon are 12 AM and 12 PM. */
START_TEST(launcher_rtc_twelve)
{
	set(0x0b, 0x00);
	now = (START / 86400 * 86400) * NSEC;
	ck_assert_uint_eq(get(4), 0x12);
	now += 12 * 3600 * NSEC;
	ck_assert_uint_eq(get(4), 0x92);
	now += 3600 * NSEC;
	ck_assert_uint_eq(get(4), 0x81);
}
END_TEST

START_TEST(launcher_rtc_runs)
{
	/* 31 December 2099, 23:59:59.9 */
	now = 4102444799LL * NSEC + 900000000;
	check_time((uint8_t[]){ 0x59, 0x59, 0x23, 0x05, 0x31, 0x12, 0x99, 0x20 });
	now += 100000000;
	check_time((uint8_t[]){ 0x00, 0x00, 0x00, 0x06, 0x01, 0x01, 0x00, 0x21 });
}
END_TEST

/* As Linux sets the clock: stop, write, go. */
START_TEST(launcher_rtc_set)
{
	set(0x0b, 0x82);
	set(0, 0x58);
	set(2, 0x59);
	set(4, 0x23);
	set(7, 0x28);
	set(8, 0x02);
	set(9, 0x24);
	set(0x32, 0x20);
	pass(10 * NSEC);
	ck_assert_uint_eq(get(0), 0x58);
	set(0x0b, 0x02);
	check_time((uint8_t[]){ 0x58, 0x59, 0x23, 0x04, 0x28, 0x02, 0x24, 0x20 });
	pass(2 * NSEC);
	check_time((uint8_t[]){ 0x00, 0x00, 0x00, 0x05, 0x29, 0x02, 0x24, 0x20 });
}
END_TEST

START_TEST(launcher_rtc_set_running)
{
	set(4, 0x05);
	ck_assert_uint_eq(get(4), 0x05);
	ck_assert_uint_eq(get(2), 0x03);
	ck_assert_uint_eq(get(0), 0x07);
	pass(NSEC);
	ck_assert_uint_eq(get(4), 0x05);
	ck_assert_uint_eq(get(0), 0x08);
}
END_TEST

/* Nonsense in the time registers is nobody's trouble but the guest's. */
START_TEST(launcher_rtc_hostile_time)
{
	for (unsigned int value = 0; value < 256; value += 5) {
		static const uint8_t regs[] = { 0, 2, 4, 6, 7, 8, 9, 0x32 };

		set(0x0b, 0x80 | (value & 6));
		for (int i = 0; i < 8; i++)
			set(regs[i], value);
		set(0x0b, value & 6);
		pass(NSEC);
		for (int i = 0; i < 8; i++)
			get(regs[i]);
	}
	/* A year out of reach leaves the clock alone. */
	setup();
	set(0x32, 0x99);
	check_time((uint8_t[]){ 0x07, 0x03, 0x18, 0x07, 0x21, 0x11, 0x26, 0x20 });
}
END_TEST

START_TEST(launcher_rtc_update_in_progress)
{
	now = START * NSEC + 999755999;
	ck_assert_uint_eq(get(0x0a), 0x26);
	now++; /* 244 us before the second */
	ck_assert_uint_eq(get(0x0a), 0xa6);
	now = (START + 1) * NSEC - 1;
	ck_assert_uint_eq(get(0x0a), 0xa6);
	now++;
	ck_assert_uint_eq(get(0x0a), 0x26);
	/* Never while stopped. */
	set(0x0b, 0x82);
	now = (START + 2) * NSEC - 1;
	ck_assert_uint_eq(get(0x0a), 0x26);
}
END_TEST

START_TEST(launcher_rtc_update_interrupt)
{
	set(0x0b, 0x12);
	ck_assert_uint_ge(attentions, 1);
	ck_assert_int_eq(rtc_deadline(&rtc), (START + 1) * NSEC);
	pass(NSEC / 2 - 1);
	ck_assert(!irq.level);
	pass(1);
	ck_assert(irq.level);
	/* Pending: no need to wake for another. */
	ck_assert_int_eq(rtc_deadline(&rtc), RTC_NEVER);
	ck_assert_uint_eq(get(0x0c) & 0xb0, 0x90);
	ck_assert(!irq.level);
	ck_assert_uint_eq(get(0x0c), 0);
	ck_assert_int_eq(rtc_deadline(&rtc), (START + 2) * NSEC);
}
END_TEST

START_TEST(launcher_rtc_alarm)
{
	set(1, 0x09);
	set(3, 0x03);
	set(5, 0x18);
	set(0x0b, 0x22);
	get(0x0c);
	pass(NSEC);
	ck_assert(!irq.level);
	pass(NSEC);
	ck_assert(irq.level);
	ck_assert_uint_eq(get(0x0c) & 0xa0, 0xa0);
	/* Not before tomorrow. */
	pass(86399 * NSEC);
	ck_assert(!irq.level);
	pass(NSEC);
	ck_assert(irq.level);
}
END_TEST

/* Both top bits set: any value. */
START_TEST(launcher_rtc_alarm_wildcard)
{
	set(1, 0x30);
	set(3, 0xff);
	set(5, 0xc0);
	set(0x0b, 0x22);
	pass(23 * NSEC);
	ck_assert(irq.level);
	get(0x0c);
	pass(59 * NSEC);
	ck_assert(!irq.level);
	pass(NSEC);
	ck_assert(irq.level);
}
END_TEST

START_TEST(launcher_rtc_alarm_12_hours)
{
	set(0x0b, 0x00);
	set(1, 0x00);
	set(3, 0x00);
	set(5, 0x87); /* 7 PM */
	set(0x0b, 0x20);
	pass(3600 * NSEC);
	ck_assert(irq.level);
}
END_TEST

/* Rate 6 is 1024 Hz: 976.5625 us. */
START_TEST(launcher_rtc_periodic)
{
	int64_t period = 976562;

	set(0x0b, 0x42);
	get(0x0c);
	ck_assert_int_le(rtc_deadline(&rtc) - now, period);
	ck_assert_int_gt(rtc_deadline(&rtc) - now, 0);
	for (int i = 0; i < 5; i++) {
		now = rtc_deadline(&rtc);
		pass(0);
		ck_assert(irq.level);
		ck_assert_uint_eq(get(0x0c) & 0xc0, 0xc0);
		ck_assert(!irq.level);
	}
	ck_assert_uint_eq(edges, 5);
	set(0x0a, 0x20); /* rate 0: off */
	ck_assert_int_eq(rtc_deadline(&rtc), RTC_NEVER);
}
END_TEST

START_TEST(launcher_rtc_periodic_rates)
{
	/* Data sheet, table 5: rates 1 and 2 repeat 8 and 9. */
	static const int64_t ns[] = { 0,	3906250,   7812500,   122070,	244140,	  488281,
				      976562,	1953125,   3906250,   7812500,	15625000, 31250000,
				      62500000, 125000000, 250000000, 500000000 };

	set(0x0b, 0x42);
	now = START * NSEC; /* a multiple of every period that divides a second */
	for (uint8_t rate = 1; rate < 16; rate++) {
		int64_t deadline;

		set(0x0a, 0x20 | rate);
		get(0x0c);
		deadline = rtc_deadline(&rtc);
		ck_assert_int_gt(deadline, now);
		ck_assert_int_le(deadline - now, ns[rate]);
		now = deadline;
		pass(0);
		ck_assert_uint_eq(get(0x0c) & 0x40, 0x40);
		ck_assert_int_eq(rtc_deadline(&rtc) - now, ns[rate]);
	}
}
END_TEST

/* SET clears UIE and stops updates. */
START_TEST(launcher_rtc_set_stops_updates)
{
	set(0x0b, 0x12);
	set(0x0b, 0x92);
	ck_assert_uint_eq(get(0x0b), 0x82);
	get(0x0c);
	pass(5 * NSEC);
	ck_assert_uint_eq(get(0x0c) & 0xb0, 0);
	ck_assert_int_eq(rtc_deadline(&rtc), RTC_NEVER);
}
END_TEST

/* The host's clock set back by a day: nothing fires, nothing hangs. */
START_TEST(launcher_rtc_host_clock_jumps)
{
	set(0x0b, 0x32);
	get(0x0c);
	pass(-86400 * NSEC);
	ck_assert(!irq.level);
	ck_assert_int_le(rtc_deadline(&rtc) - now, NSEC);
	pass(400LL * 86400 * NSEC);
	ck_assert(irq.level);
}
END_TEST

START_TEST(launcher_rtc_cmos_memory)
{
	for (unsigned int reg = 0x0e; reg < 0x80; reg++) {
		if (reg != 0x32)
			set(reg, reg ^ 0x5a);
	}
	for (unsigned int reg = 0x0e; reg < 0x80; reg++) {
		if (reg != 0x32)
			ck_assert_uint_eq(get(reg), reg ^ 0x5a);
	}
	/* Bit 7 of the index is the NMI mask, not an address. */
	ck_assert_uint_eq(get(0x80 | 0x20), 0x20 ^ 0x5a);
	/* C and D are read only. */
	set(0x0d, 0);
	ck_assert_uint_eq(get(0x0d), 0x80);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_rtc_initial,
		launcher_rtc_formats,
		launcher_rtc_twelve,
		launcher_rtc_runs,
		launcher_rtc_set,
		launcher_rtc_set_running,
		launcher_rtc_hostile_time,
		launcher_rtc_update_in_progress,
		launcher_rtc_update_interrupt,
		launcher_rtc_alarm,
		launcher_rtc_alarm_wildcard,
		launcher_rtc_alarm_12_hours,
		launcher_rtc_periodic,
		launcher_rtc_periodic_rates,
		launcher_rtc_set_stops_updates,
		launcher_rtc_host_clock_jumps,
		launcher_rtc_cmos_memory,
	};

	return SUITE_RUN("rtc", setup, tests);
}
