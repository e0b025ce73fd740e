/* SPDX-License-Identifier: GPL-2.0-only */
/* How a device tells the machine that the guest asked for the end. */
#ifndef LAUNCHER_DEVICE_POWER_H
#define LAUNCHER_DEVICE_POWER_H

enum power_event {
	POWER_OFF,
	POWER_RESET,
};

struct power {
	void (*request)(struct power *power, enum power_event event);
};

#endif
