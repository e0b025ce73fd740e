// SPDX-License-Identifier: GPL-2.0-only
#include "device/i8042.h"

#include <string.h>

#define STATUS_OUTPUT_FULL 0x01
#define STATUS_SYSTEM 0x04 /* self test passed */
#define STATUS_UNLOCKED 0x10

#define COMMAND_BYTE_INITIAL 0x34 /* keyboard and mouse clocks off, system flag */
#define OUTPUT_PORT_RUNNING 0x01 /* bit 0 low holds the CPU in reset */

enum {
	CMD_READ_BYTE = 0x20,
	CMD_WRITE_BYTE = 0x60,
	CMD_TEST_AUX = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_TEST_KEYBOARD = 0xab,
	CMD_READ_OUTPUT_PORT = 0xd0,
	CMD_WRITE_OUTPUT_PORT = 0xd1,
	CMD_PULSE = 0xf0, /* 0xf0-0xff: bits 0-3 low pulse that output line */
};

void i8042_init(struct i8042 *i8042, struct power *power)
{
	memset(i8042, 0, sizeof(*i8042));
	pthread_mutex_init(&i8042->lock, NULL);
	i8042->power = power;
	i8042->command_byte = COMMAND_BYTE_INITIAL;
}

static void answer(struct i8042 *i8042, uint8_t value)
{
	i8042->output = value;
	i8042->output_full = true;
}

/* Returns true when the reset line was pulled. */
static bool run_command(struct i8042 *i8042, uint8_t command)
{
	i8042->parameter_of = 0;
	switch (command) {
	case CMD_READ_BYTE:
		answer(i8042, i8042->command_byte);
		break;
	case CMD_WRITE_BYTE:
	case CMD_WRITE_OUTPUT_PORT:
		i8042->parameter_of = command;
		break;
	case CMD_SELF_TEST:
		answer(i8042, 0x55);
		break;
	case CMD_TEST_AUX:
	case CMD_TEST_KEYBOARD:
		answer(i8042, 0x02); /* clock line stuck high: nothing is plugged in */
		break;
	case CMD_READ_OUTPUT_PORT:
		answer(i8042, OUTPUT_PORT_RUNNING);
		break;
	default:
		return command >= CMD_PULSE && !(command & 1);
	}
	return false;
}

static bool take_parameter(struct i8042 *i8042, uint8_t value)
{
	uint8_t command = i8042->parameter_of;

	i8042->parameter_of = 0;
	if (command == CMD_WRITE_BYTE)
		i8042->command_byte = value;
	return command == CMD_WRITE_OUTPUT_PORT && !(value & OUTPUT_PORT_RUNNING);
}

static uint64_t read_status(void *device, uint64_t offset, unsigned int size)
{
	struct i8042 *i8042 = device;
	uint8_t status = STATUS_SYSTEM | STATUS_UNLOCKED;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&i8042->lock);
	if (i8042->output_full)
		status |= STATUS_OUTPUT_FULL;
	pthread_mutex_unlock(&i8042->lock);
	return status;
}

static uint64_t read_data(void *device, uint64_t offset, unsigned int size)
{
	struct i8042 *i8042 = device;
	uint8_t value;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&i8042->lock);
	value = i8042->output;
	i8042->output_full = false;
	pthread_mutex_unlock(&i8042->lock);
	return value;
}

static void write_command(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct i8042 *i8042 = device;
	bool reset;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&i8042->lock);
	reset = run_command(i8042, value);
	pthread_mutex_unlock(&i8042->lock);
	if (reset)
		i8042->power->request(i8042->power, POWER_RESET);
}

static void write_data(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct i8042 *i8042 = device;
	bool reset;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&i8042->lock);
	reset = take_parameter(i8042, value);
	pthread_mutex_unlock(&i8042->lock);
	if (reset)
		i8042->power->request(i8042->power, POWER_RESET);
}

const struct bus_ops i8042_data_ops = {
	.read = read_data,
	.write = write_data,
};

const struct bus_ops i8042_command_ops = {
	.read = read_status,
	.write = write_command,
};
