// SPDX-License-Identifier: GPL-2.0-only
#include "device/acpi_pm.h"

#include <string.h>

/* PM1 status and enable bits (ACPI 6.4, 4.8.3.1), control bits (4.8.3.2). */
#define PM1_TIMER 0x0001
#define PM1_STATUS_BITS 0x8731 /* TMR, BM, GBL, PWRBTN, SLPBTN, RTC, WAK */
#define PM1_ENABLE_BITS 0x0721
#define CONTROL_SCI_EN 0x0001
#define CONTROL_SLEEP_SHIFT 10
#define CONTROL_SLEEP_MASK 7
#define CONTROL_SLEEP_EN 0x2000
#define CONTROL_KEPT 0x1c02 /* SLP_TYP and BM_RLD read back; GBL_RLS and SLP_EN are write only */

#define TIMER_TOP_BIT 0x80000000u

void acpi_pm_init(struct acpi_pm *pm, struct irq_line *sci, struct power *power,
		  int64_t (*now)(void))
{
	memset(pm, 0, sizeof(*pm));
	pthread_mutex_init(&pm->lock, NULL);
	pm->sci = sci;
	pm->power = power;
	pm->now = now;
	pm->start = now();
	/* No SMI command port: the machine is in ACPI mode from the start. */
	pm->control = CONTROL_SCI_EN;
}

static uint32_t timer_ticks(const struct acpi_pm *pm)
{
	uint64_t ns = pm->now() - pm->start;

	return (unsigned __int128)ns * ACPI_PM_TIMER_HZ / 1000000000;
}

/*
 * TMR_STS is set when the timer's top bit changes; nobody sleeps on it, so it is worked out when
 * asked for.
 */
static void update_status(struct acpi_pm *pm)
{
	uint32_t carry = timer_ticks(pm) & TIMER_TOP_BIT;

	if (carry != pm->carry)
		pm->status |= PM1_TIMER;
	pm->carry = carry;
	irq_line_set(pm->sci, pm->status & pm->enable);
}

/* Status in the low half, enable in the high half: any width, any alignment within. */
static uint64_t event_read(void *device, uint64_t offset, unsigned int size)
{
	struct acpi_pm *pm = device;
	uint32_t both;

	(void)size;
	pthread_mutex_lock(&pm->lock);
	update_status(pm);
	both = pm->status | (uint32_t)pm->enable << 16;
	pthread_mutex_unlock(&pm->lock);
	return both >> offset * 8;
}

static void event_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct acpi_pm *pm = device;
	uint32_t mask = (size < 4 ? (1u << size * 8) - 1 : ~0u) << offset * 8;
	uint32_t both = (uint32_t)value << offset * 8;

	pthread_mutex_lock(&pm->lock);
	pm->status &= ~(both & mask & PM1_STATUS_BITS); /* write one to clear */
	pm->enable = (pm->enable & ~(mask >> 16)) | (both >> 16 & PM1_ENABLE_BITS & mask >> 16);
	update_status(pm);
	pthread_mutex_unlock(&pm->lock);
}

static uint64_t control_read(void *device, uint64_t offset, unsigned int size)
{
	struct acpi_pm *pm = device;
	uint16_t control;

	(void)size;
	pthread_mutex_lock(&pm->lock);
	control = pm->control;
	pthread_mutex_unlock(&pm->lock);
	return control >> offset * 8;
}

static void control_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct acpi_pm *pm = device;
	uint16_t mask = (size < 2 ? 0xff : 0xffff) << offset * 8;
	uint16_t written, control;

	pthread_mutex_lock(&pm->lock);
	written = (pm->control & ~mask) | (value << offset * 8 & mask);
	pm->control = (written & CONTROL_KEPT) | CONTROL_SCI_EN;
	control = written;
	pthread_mutex_unlock(&pm->lock);
	if (control & CONTROL_SLEEP_EN &&
	    (control >> CONTROL_SLEEP_SHIFT & CONTROL_SLEEP_MASK) == ACPI_PM_SLEEP_OFF)
		pm->power->request(pm->power, POWER_OFF);
}

static uint64_t timer_read(void *device, uint64_t offset, unsigned int size)
{
	(void)size;
	return timer_ticks(device) >> offset * 8;
}

static void timer_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	/* The timer is read only (ACPI 6.4, 4.8.3.3). */
	(void)device;
	(void)offset;
	(void)size;
	(void)value;
}

static uint64_t reset_read(void *device, uint64_t offset, unsigned int size)
{
	(void)device;
	(void)offset;
	(void)size;
	return 0;
}

/* Bit 2 going up resets the CPU; bit 1 chooses a full reset, which is the only kind there is. */
static void reset_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct acpi_pm *pm = device;

	(void)offset;
	(void)size;
	if (value & 0x04)
		pm->power->request(pm->power, POWER_RESET);
}

const struct bus_ops acpi_pm_event_ops = { .read = event_read, .write = event_write };
const struct bus_ops acpi_pm_control_ops = { .read = control_read, .write = control_write };
const struct bus_ops acpi_pm_timer_ops = { .read = timer_read, .write = timer_write };
const struct bus_ops acpi_reset_ops = { .read = reset_read, .write = reset_write };
