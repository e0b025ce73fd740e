// SPDX-License-Identifier: GPL-2.0-only
/* ACPI's fixed hardware (ACPI 6.4, 4.8.3): PM1 registers, power-off, PM timer, reset register. */
#include "device/acpi_pm.h"
#include "suite.h"

static struct acpi_pm pm;
static struct irq_line sci;
static int64_t now;
static unsigned int offs, resets;

static void sci_set(struct irq_line *line)
{
}

static void request(struct power *power, enum power_event event)
{
	if (event == POWER_OFF)
		offs++;
	else
		resets++;
}

static struct power power = { request };

static int64_t clock_now(void)
{
	return now;
}

static void setup(void)
{
	sci = (struct irq_line){ .set = sci_set };
	now = 12345678901;
	offs = 0;
	resets = 0;
	acpi_pm_init(&pm, &sci, &power, clock_now);
}

static uint32_t timer(void)
{
	return acpi_pm_timer_ops.read(&pm, 0, 4);
}

START_TEST(launcher_acpi_pm_timer)
{
	ck_assert_uint_eq(timer(), 0);
	now += 1000000000;
	ck_assert_uint_eq(timer(), 3579545);
	now += 1000000; /* 3579.545 ticks */
	ck_assert_uint_eq(timer(), 3583124);
	/* 32 bits: it wraps after 1199.864 s; 100 hours in all. */
	now += 359999 * 1000000000LL - 1000000;
	ck_assert_uint_eq(timer(), (uint32_t)(360000ULL * 3579545));
	/* Read only. */
	acpi_pm_timer_ops.write(&pm, 0, 4, 0);
	ck_assert_uint_eq(timer(), (uint32_t)(360000ULL * 3579545));
}
END_TEST

START_TEST(launcher_acpi_pm_timer_bytes)
{
	now += 1000000000; /* 3579545 = 0x369e99 */
	ck_assert_uint_eq(acpi_pm_timer_ops.read(&pm, 0, 1) & 0xff, 0x99);
	ck_assert_uint_eq(acpi_pm_timer_ops.read(&pm, 1, 1) & 0xff, 0x9e);
	ck_assert_uint_eq(acpi_pm_timer_ops.read(&pm, 2, 2) & 0xffff, 0x36);
}
END_TEST

START_TEST(launcher_acpi_pm_power_off)
{
	acpi_pm_control_ops.write(&pm, 0, 2, 5 << 10);
	ck_assert_uint_eq(offs, 0);
	acpi_pm_control_ops.write(&pm, 0, 2, 5 << 10 | 1 << 13);
	ck_assert_uint_eq(offs, 1);
	/* A sleep state that there is not. */
	acpi_pm_control_ops.write(&pm, 0, 2, 3 << 10 | 1 << 13);
	ck_assert_uint_eq(offs, 1);
	ck_assert_uint_eq(resets, 0);
}
END_TEST

/* The type may come in one byte and the enable bit with it: both are in the high one. */
START_TEST(launcher_acpi_pm_power_off_by_byte)
{
	acpi_pm_control_ops.write(&pm, 0, 1, 0xff);
	ck_assert_uint_eq(offs, 0);
	acpi_pm_control_ops.write(&pm, 1, 1, 0x34);
	ck_assert_uint_eq(offs, 1);
}
END_TEST

/* SCI_EN is set from the start and stays, SLP_TYP reads back, SLP_EN does not. */
START_TEST(launcher_acpi_pm_control)
{
	ck_assert_uint_eq(acpi_pm_control_ops.read(&pm, 0, 2), 1);
	acpi_pm_control_ops.write(&pm, 0, 2, 0xe3ff & ~1);
	ck_assert_uint_eq(acpi_pm_control_ops.read(&pm, 0, 2), 0x0003);
	acpi_pm_control_ops.write(&pm, 0, 2, 7 << 10);
	ck_assert_uint_eq(acpi_pm_control_ops.read(&pm, 0, 2), 7 << 10 | 1);
}
END_TEST

START_TEST(launcher_acpi_pm_enable)
{
	acpi_pm_event_ops.write(&pm, 2, 2, 0xffff);
	ck_assert_uint_eq(acpi_pm_event_ops.read(&pm, 2, 2) & 0xffff, 0x0721);
	acpi_pm_event_ops.write(&pm, 3, 1, 0x02);
	ck_assert_uint_eq(acpi_pm_event_ops.read(&pm, 0, 4) >> 16, 0x0221);
	acpi_pm_event_ops.write(&pm, 0, 4, 0);
	ck_assert_uint_eq(acpi_pm_event_ops.read(&pm, 0, 4), 0);
}
END_TEST

/* TMR_STS: the top bit of the timer changed; one written clears it; with TMR_EN it is the SCI. */
START_TEST(launcher_acpi_pm_timer_status)
{
	ck_assert_uint_eq(acpi_pm_event_ops.read(&pm, 0, 2), 0);
	acpi_pm_event_ops.write(&pm, 2, 2, 1);
	ck_assert(!sci.level);
	now += 600LL * 1000000000; /* 2^31 ticks are 599.93 s */
	ck_assert_uint_eq(acpi_pm_event_ops.read(&pm, 0, 2) & 0xffff, 1);
	ck_assert(sci.level);
	acpi_pm_event_ops.write(&pm, 0, 2, 0xfffe);
	ck_assert(sci.level);
	acpi_pm_event_ops.write(&pm, 0, 2, 1);
	ck_assert(!sci.level);
	ck_assert_uint_eq(acpi_pm_event_ops.read(&pm, 0, 2) & 0xffff, 0);
}
END_TEST

START_TEST(launcher_acpi_pm_reset)
{
	acpi_reset_ops.write(&pm, 0, 1, 0x02);
	ck_assert_uint_eq(resets, 0);
	acpi_reset_ops.write(&pm, 0, 1, ACPI_RESET_VALUE);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(offs, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_acpi_pm_timer,	       launcher_acpi_pm_timer_bytes,
		launcher_acpi_pm_power_off,    launcher_acpi_pm_power_off_by_byte,
		launcher_acpi_pm_control,      launcher_acpi_pm_enable,
		launcher_acpi_pm_timer_status, launcher_acpi_pm_reset,
	};

	return SUITE_RUN("acpi_pm", setup, tests);
}
