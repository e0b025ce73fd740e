/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of the 8042 keyboard controller, ports 0x60 and 0x64, for the reset line that it
 * pulses (command 0xfe), and for a driver to find a controller with no keyboard and no mouse.
 */
#ifndef LAUNCHER_DEVICE_I8042_H
#define LAUNCHER_DEVICE_I8042_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/bus.h"
#include "device/power.h"

#define I8042_DATA_PORT 0x60
#define I8042_COMMAND_PORT 0x64

struct i8042 {
	pthread_mutex_t lock; /* protects everything below but power */
	struct power *power;
	uint8_t command_byte;
	uint8_t parameter_of; /* command that waits for a byte on the data port, 0: none */
	uint8_t output;
	bool output_full;
};

/* Two ranges of one port each: 0x61 between them is the PIT's. */
extern const struct bus_ops i8042_data_ops;
extern const struct bus_ops i8042_command_ops;

void i8042_init(struct i8042 *i8042, struct power *power);

#endif
