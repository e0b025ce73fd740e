/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI fixed hardware (ACPI 6.4, 4.8): the PM1a event and control registers and the PM timer, and
 * the reset register that the FADT names, which is the PC's port 0xcf9.
 */
#ifndef LAUNCHER_DEVICE_ACPI_PM_H
#define LAUNCHER_DEVICE_ACPI_PM_H

#include <pthread.h>
#include <stdint.h>

#include "device/bus.h"
#include "device/irq.h"
#include "device/power.h"

#define ACPI_PM_EVENT_PORT 0x600
#define ACPI_PM_EVENT_LEN 4
#define ACPI_PM_CONTROL_PORT 0x604
#define ACPI_PM_CONTROL_LEN 2
#define ACPI_PM_TIMER_PORT 0x608
#define ACPI_PM_TIMER_LEN 4
#define ACPI_PM_TIMER_HZ 3579545
#define ACPI_PM_SCI 9
#define ACPI_PM_SLEEP_OFF 5 /* SLP_TYP of S5; dsdt.asl says the same */
#define ACPI_RESET_PORT 0xcf9
#define ACPI_RESET_VALUE 0x06

struct acpi_pm {
	pthread_mutex_t lock; /* protects status, enable, control, carry and the line */
	struct irq_line *sci;
	struct power *power;
	int64_t (*now)(void); /* a clock that never goes back, ns */
	int64_t start;
	uint16_t status, enable, control;
	uint32_t carry; /* the timer's top bit when TMR_STS was last looked at */
};

extern const struct bus_ops acpi_pm_event_ops;
extern const struct bus_ops acpi_pm_control_ops;
extern const struct bus_ops acpi_pm_timer_ops;
extern const struct bus_ops acpi_reset_ops;

void acpi_pm_init(struct acpi_pm *pm, struct irq_line *sci, struct power *power,
		  int64_t (*now)(void));

#endif
