// SPDX-License-Identifier: GPL-2.0-only
#include "device/rtc.h"

#include <string.h>
#include <time.h>

/* Register numbers and bits: Motorola MC146818 data sheet. */
enum {
	REG_SEC,
	REG_SEC_ALARM,
	REG_MIN,
	REG_MIN_ALARM,
	REG_HOUR,
	REG_HOUR_ALARM,
	REG_WDAY,
	REG_MDAY,
	REG_MONTH,
	REG_YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D,
};

#define A_UIP 0x80
#define A_INITIAL 0x26 /* 32768 Hz crystal, periodic rate 1024 Hz */
#define B_SET 0x80
#define B_BINARY 0x04
#define B_24H 0x02
#define C_PF 0x40
#define C_AF 0x20
#define C_UF 0x10
#define C_IRQF 0x80
#define C_SOURCES (C_PF | C_AF | C_UF)
#define D_VALID 0x80
#define HOUR_PM 0x80
#define ALARM_ANY 0xc0 /* both top bits set: matches every value */

#define NSEC 1000000000LL
/* Update-in-progress rises 244 us before the time changes. */
#define UIP_NS 244000
#define SECONDS_PER_DAY 86400
/* 1800 to 2200: nanoseconds since 1970 fill an int64_t in 1677 and in 2262. */
#define FIRST_SECOND (-5364662400LL)
#define LAST_SECOND 7258118399LL

void rtc_init(struct rtc *rtc, struct irq_line *irq, int64_t (*now)(void),
	      void (*attention)(void *owner), void *owner)
{
	memset(rtc, 0, sizeof(*rtc));
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->irq = irq;
	rtc->now = now;
	rtc->attention = attention;
	rtc->owner = owner;
	rtc->cmos[REG_A] = A_INITIAL;
	rtc->cmos[REG_B] = B_24H;
	rtc->seen = now();
}

static int64_t guest_now(const struct rtc *rtc)
{
	return rtc->now() + rtc->offset;
}

static uint8_t encode(const struct rtc *rtc, unsigned int value)
{
	return rtc->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static unsigned int decode(const struct rtc *rtc, uint8_t reg)
{
	return rtc->cmos[REG_B] & B_BINARY ? reg : (reg >> 4) * 10 + (reg & 0xf);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned int hour)
{
	if (rtc->cmos[REG_B] & B_24H)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned int decode_hour(const struct rtc *rtc, uint8_t reg)
{
	if (rtc->cmos[REG_B] & B_24H)
		return decode(rtc, reg);
	return decode(rtc, reg & ~HOUR_PM) % 12 + (reg & HOUR_PM ? 12 : 0);
}

/* Floor division: the guest may set a time before 1970. */
static int64_t to_seconds(int64_t ns)
{
	return ns / NSEC - (ns % NSEC < 0);
}

static void store_time(struct rtc *rtc, int64_t ns)
{
	time_t seconds = to_seconds(ns);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	rtc->cmos[REG_SEC] = encode(rtc, tm.tm_sec);
	rtc->cmos[REG_MIN] = encode(rtc, tm.tm_min);
	rtc->cmos[REG_HOUR] = encode_hour(rtc, tm.tm_hour);
	rtc->cmos[REG_WDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->cmos[REG_MDAY] = encode(rtc, tm.tm_mday);
	rtc->cmos[REG_MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->cmos[REG_YEAR] = encode(rtc, (tm.tm_year + 1900) % 100);
	rtc->cmos[RTC_CENTURY] = encode(rtc, (tm.tm_year + 1900) / 100);
}

/*
 * The registers become the time. Values out of range carry over, as timegm() does it; a year that
 * nanoseconds since 1970 cannot count to leaves the clock as it was.
 */
static void load_time(struct rtc *rtc)
{
	struct tm tm = {
		.tm_sec = decode(rtc, rtc->cmos[REG_SEC]),
		.tm_min = decode(rtc, rtc->cmos[REG_MIN]),
		.tm_hour = decode_hour(rtc, rtc->cmos[REG_HOUR]),
		.tm_mday = decode(rtc, rtc->cmos[REG_MDAY]),
		.tm_mon = (int)decode(rtc, rtc->cmos[REG_MONTH]) - 1,
		.tm_year = decode(rtc, rtc->cmos[RTC_CENTURY]) * 100 +
			   decode(rtc, rtc->cmos[REG_YEAR]) - 1900,
	};

	int64_t seconds = timegm(&tm);

	if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
		return;
	rtc->offset = seconds * NSEC - rtc->now();
	rtc->seen = guest_now(rtc);
}

static bool is_time(uint8_t reg)
{
	return reg == REG_SEC || reg == REG_MIN || reg == RTC_CENTURY ||
	       (reg >= REG_HOUR && reg <= REG_YEAR && reg != REG_HOUR_ALARM);
}

static bool is_stopped(const struct rtc *rtc)
{
	return rtc->cmos[REG_B] & B_SET;
}

/* Zero: off. Rates 1 and 2 are those of 8 and 9 (data sheet table 5, 32768 Hz time base). */
static int64_t period_ns(const struct rtc *rtc)
{
	unsigned int rate = rtc->cmos[REG_A] & 0x0f;

	if (!rate)
		return 0;
	if (rate < 3)
		rate += 7;
	return (NSEC << (rate - 1)) / 32768;
}

static bool alarm_matches(const struct rtc *rtc, unsigned int second_of_day)
{
	uint8_t sec = rtc->cmos[REG_SEC_ALARM];
	uint8_t min = rtc->cmos[REG_MIN_ALARM];
	uint8_t hour = rtc->cmos[REG_HOUR_ALARM];

	return (sec >= ALARM_ANY || decode(rtc, sec) == second_of_day % 60) &&
	       (min >= ALARM_ANY || decode(rtc, min) == second_of_day / 60 % 60) &&
	       (hour >= ALARM_ANY || decode_hour(rtc, hour) == second_of_day / 3600);
}

/*
 * Did the alarm's second begin in (from, to]? An alarm recurs daily, so more than a day says yes or
 * never.
 */
static bool alarm_passed(const struct rtc *rtc, int64_t from, int64_t to)
{
	if (to - from > SECONDS_PER_DAY)
		from = to - SECONDS_PER_DAY;
	while (from < to) {
		int64_t second = ++from % SECONDS_PER_DAY;

		if (alarm_matches(rtc, second < 0 ? second + SECONDS_PER_DAY : second))
			return true;
	}
	return false;
}

static void update_irq(struct rtc *rtc)
{
	uint8_t *c = &rtc->cmos[REG_C];

	*c &= C_SOURCES;
	if (*c & rtc->cmos[REG_B])
		*c |= C_IRQF;
	irq_line_set(rtc->irq, *c & C_IRQF);
}

/* Brings register C up to now. */
static void catch_up(struct rtc *rtc)
{
	int64_t now = guest_now(rtc), period = period_ns(rtc);
	int64_t from = to_seconds(rtc->seen), to = to_seconds(now);

	if (now <= rtc->seen) /* the host's clock was set back */
		rtc->seen = now;
	if (period && now / period != rtc->seen / period)
		rtc->cmos[REG_C] |= C_PF;
	if (!is_stopped(rtc) && from < to) {
		rtc->cmos[REG_C] |= C_UF;
		if (alarm_passed(rtc, from, to))
			rtc->cmos[REG_C] |= C_AF;
	}
	rtc->seen = now;
	update_irq(rtc);
}

static uint8_t read_a(const struct rtc *rtc)
{
	int64_t ns = guest_now(rtc);
	int64_t left = (to_seconds(ns) + 1) * NSEC - ns;

	return rtc->cmos[REG_A] | (!is_stopped(rtc) && left <= UIP_NS ? A_UIP : 0);
}

static uint8_t read_data(struct rtc *rtc)
{
	uint8_t reg = rtc->index, value;

	if (is_time(reg) && !is_stopped(rtc))
		store_time(rtc, guest_now(rtc));
	switch (reg) {
	case REG_A:
		return read_a(rtc);
	case REG_C:
		catch_up(rtc);
		value = rtc->cmos[REG_C];
		rtc->cmos[REG_C] = 0;
		update_irq(rtc);
		return value;
	case REG_D:
		return D_VALID;
	default:
		return rtc->cmos[reg];
	}
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_stopped = is_stopped(rtc);

	catch_up(rtc);
	/*
	 * While stopped the registers hold the time: taken when SET rises, given back when it
	 * falls.
	 */
	if (!was_stopped && value & B_SET)
		store_time(rtc, guest_now(rtc));
	/* SET clears UIE (data sheet, register B). */
	rtc->cmos[REG_B] = value & B_SET ? value & ~C_UF : value;
	if (was_stopped && !(value & B_SET))
		load_time(rtc);
	update_irq(rtc);
	rtc->attention(rtc->owner);
}

static void write_data(struct rtc *rtc, uint8_t value)
{
	uint8_t reg = rtc->index;

	if (is_time(reg) && !is_stopped(rtc)) {
		store_time(rtc, guest_now(rtc));
		rtc->cmos[reg] = value;
		load_time(rtc);
		return;
	}
	switch (reg) {
	case REG_A:
		catch_up(rtc);
		rtc->cmos[REG_A] = value & ~A_UIP;
		rtc->attention(rtc->owner);
		break;
	case REG_B:
		write_b(rtc, value);
		break;
	case REG_C: /* read only */
	case REG_D:
		break;
	default:
		rtc->cmos[reg] = value;
		break;
	}
}

static uint64_t rtc_read(void *device, uint64_t offset, unsigned int size)
{
	struct rtc *rtc = device;
	uint8_t value = 0xff; /* the index cannot be read back */

	(void)size;
	if (!offset)
		return value;
	pthread_mutex_lock(&rtc->lock);
	value = read_data(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct rtc *rtc = device;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (offset)
		write_data(rtc, value);
	else
		rtc->index = value & 0x7f; /* bit 7 masks NMI, which nothing here raises */
	pthread_mutex_unlock(&rtc->lock);
}

const struct bus_ops rtc_bus_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

/* An interrupt that is already pending needs no timer: reading register C comes first. */
static int64_t next_event(const struct rtc *rtc)
{
	uint8_t wanted = rtc->cmos[REG_B] & C_SOURCES & ~rtc->cmos[REG_C];
	int64_t period = period_ns(rtc), next = RTC_NEVER;

	if (wanted & (C_UF | C_AF) && !is_stopped(rtc))
		next = (to_seconds(rtc->seen) + 1) * NSEC;
	if (wanted & C_PF && period && (rtc->seen / period + 1) * period < next)
		next = (rtc->seen / period + 1) * period;
	return next;
}

int64_t rtc_deadline(struct rtc *rtc)
{
	int64_t next;

	pthread_mutex_lock(&rtc->lock);
	next = next_event(rtc);
	if (next != RTC_NEVER)
		next -= rtc->offset;
	pthread_mutex_unlock(&rtc->lock);
	return next;
}

void rtc_expire(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	pthread_mutex_unlock(&rtc->lock);
}
