// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keyboard controller: the reset line, and what a driver sees of a controller with nothing
 * plugged in.
 */
#include "device/i8042.h"
#include "suite.h"

static struct i8042 i8042;
static unsigned int resets;

static void request(struct power *power, enum power_event event)
{
	ck_assert_int_eq(event, POWER_RESET);
	resets++;
}

static struct power power = { request };

static void setup(void)
{
	resets = 0;
	i8042_init(&i8042, &power);
}

static uint8_t status(void)
{
	return i8042_command_ops.read(&i8042, 0, 1);
}

static void command(uint8_t value)
{
	i8042_command_ops.write(&i8042, 0, 1, value);
}

static uint8_t data(void)
{
	return i8042_data_ops.read(&i8042, 0, 1);
}

static void write_data(uint8_t value)
{
	i8042_data_ops.write(&i8042, 0, 1, value);
}

/* The input buffer is never full: a driver that waits for it to empty does not wait. */
START_TEST(launcher_i8042_idle)
{
	ck_assert_uint_eq(status(), 0x14);
	ck_assert_uint_eq(data(), 0);
}
END_TEST

START_TEST(launcher_i8042_reset_pulse)
{
	command(0xfe);
	ck_assert_uint_eq(resets, 1);
	command(0xf0); /* pulses all four lines, reset among them */
	ck_assert_uint_eq(resets, 2);
	command(0xff); /* pulses none */
	command(0xfd); /* another line */
	ck_assert_uint_eq(resets, 2);
}
END_TEST

START_TEST(launcher_i8042_output_port)
{
	command(0xd0);
	ck_assert_uint_eq(status() & 1, 1);
	ck_assert_uint_eq(data() & 1, 1);
	command(0xd1);
	write_data(0x03);
	ck_assert_uint_eq(resets, 0);
	command(0xd1);
	write_data(0x02);
	ck_assert_uint_eq(resets, 1);
	/* Without the command, data is for a keyboard that is not there. */
	write_data(0x00);
	ck_assert_uint_eq(resets, 1);
}
END_TEST

START_TEST(launcher_i8042_tests)
{
	static const struct {
		uint8_t command, answer;
	} cases[] = { { 0xaa, 0x55 }, { 0xab, 0x02 }, { 0xa9, 0x02 } };

	for (int i = 0; i < 3; i++) {
		command(cases[i].command);
		ck_assert_uint_eq(status() & 1, 1);
		ck_assert_uint_eq(data(), cases[i].answer);
		ck_assert_uint_eq(status() & 1, 0);
	}
}
END_TEST

START_TEST(launcher_i8042_command_byte)
{
	command(0x20);
	ck_assert_uint_eq(data(), 0x34);
	command(0x60);
	write_data(0x65);
	command(0x20);
	ck_assert_uint_eq(data(), 0x65);
	/* A new command takes the place of a parameter that never came. */
	command(0x60);
	command(0xaa);
	write_data(0x11);
	data();
	command(0x20);
	ck_assert_uint_eq(data(), 0x65);
}
END_TEST

/* Whatever is written, only the documented ways reset. */
START_TEST(launcher_i8042_all_commands)
{
	for (unsigned int value = 0; value < 0xf0; value++)
		command(value);
	command(0xad);
	ck_assert_uint_eq(resets, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_i8042_idle,  launcher_i8042_reset_pulse,  launcher_i8042_output_port,
		launcher_i8042_tests, launcher_i8042_command_byte, launcher_i8042_all_commands,
	};

	return SUITE_RUN("i8042", setup, tests);
}
