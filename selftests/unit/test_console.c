// SPDX-License-Identifier: GPL-2.0-only
/* The console between two descriptors and a UART: the escape key, queues, and ends of files. */
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "device/console.h"
#include "suite.h"

static struct serial serial;
static struct irq_line irq;
static struct console console;
static int keyboard, screen; /* our ends */
static unsigned int attentions;

static void irq_set(struct irq_line *line)
{
}

static void attention(void *owner)
{
	attentions++;
}

static void setup(void)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	keyboard = in[1];
	screen = out[0];
	irq = (struct irq_line){ .set = irq_set };
	serial_init(&serial, &irq, attention, NULL);
	serial_bus_ops.write(&serial, UART_FCR, 1, UART_FCR_ENABLE_FIFO);
	serial_bus_ops.write(&serial, UART_MCR, 1, UART_MCR_RTS);
	console_init(&console, &serial, in[0], out[1]);
}

/* One round of the event loop, without sleeping. */
static bool round_trip(void)
{
	struct pollfd fds[CONSOLE_POLL_FDS];

	console_prepare(&console, fds);
	ck_assert_int_ge(poll(fds, CONSOLE_POLL_FDS, 0), 0);
	return console_handle(&console, fds);
}

static void type(const char *keys)
{
	ck_assert_int_eq(write(keyboard, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static uint8_t guest_reads(void)
{
	ck_assert_uint_ne(serial_bus_ops.read(&serial, UART_LSR, 1) & UART_LSR_DR, 0);
	return serial_bus_ops.read(&serial, UART_RX, 1);
}

static bool guest_has_input(void)
{
	return serial_bus_ops.read(&serial, UART_LSR, 1) & UART_LSR_DR;
}

START_TEST(launcher_console_keys)
{
	static const struct {
		uint8_t key;
		enum console_key what;
	} cases[] = {
		{ 'a', CONSOLE_KEY_PASS },     { 0x01, CONSOLE_KEY_SWALLOW },
		{ 0x01, CONSOLE_KEY_PASS },    { 'x', CONSOLE_KEY_PASS },
		{ 0x01, CONSOLE_KEY_SWALLOW }, { 'h', CONSOLE_KEY_HELP },
		{ 'h', CONSOLE_KEY_PASS },     { 0x01, CONSOLE_KEY_SWALLOW },
		{ 'z', CONSOLE_KEY_SWALLOW },  { 'z', CONSOLE_KEY_PASS },
		{ 0x00, CONSOLE_KEY_PASS },    { 0xff, CONSOLE_KEY_PASS },
		{ 0x01, CONSOLE_KEY_SWALLOW }, { 'x', CONSOLE_KEY_QUIT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(console_key(&console, cases[i].key), cases[i].what);
}
END_TEST

START_TEST(launcher_console_input)
{
	type("ok");
	ck_assert(!round_trip());
	ck_assert(!round_trip());
	ck_assert_uint_eq(guest_reads(), 'o');
	ck_assert_uint_eq(guest_reads(), 'k');
	ck_assert(!guest_has_input());
}
END_TEST

START_TEST(launcher_console_quit)
{
	type("ab\001xcd");
	ck_assert(round_trip());
}
END_TEST

/* The escape key and its command may come in two reads. */
START_TEST(launcher_console_quit_in_two)
{
	type("\001");
	ck_assert(!round_trip());
	type("x");
	ck_assert(round_trip());
}
END_TEST

/*
 * The guest does not read: the queue fills, the rest waits in the pipe, and all arrives in order
 * later.
 */
START_TEST(launcher_console_backpressure)
{
	char keys[CONSOLE_QUEUE + 1000];
	unsigned int n = 0;

	for (unsigned int i = 0; i < sizeof(keys); i++)
		keys[i] = '0' + i % 10;
	ck_assert_int_eq(write(keyboard, keys, sizeof(keys)), (ssize_t)sizeof(keys));
	for (int i = 0; i < 100; i++)
		ck_assert(!round_trip());
	ck_assert_uint_eq(console.in_count, CONSOLE_QUEUE);
	while (n < sizeof(keys)) {
		ck_assert_uint_eq(guest_reads(), keys[n]);
		n++;
		round_trip();
	}
	ck_assert(!guest_has_input());
}
END_TEST

START_TEST(launcher_console_end_of_input)
{
	type("z");
	close(keyboard);
	round_trip();
	round_trip();
	ck_assert_int_eq(console.input, -1);
	ck_assert_uint_eq(guest_reads(), 'z');
}
END_TEST

START_TEST(launcher_console_output)
{
	char text[16] = { 0 };

	for (const char *p = "hello"; *p; p++)
		serial_bus_ops.write(&serial, UART_TX, 1, *p);
	round_trip();
	ck_assert_int_eq(read(screen, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "hello");
}
END_TEST

/* Reads what there is; the bytes go on where *next says. */
static ssize_t read_screen(unsigned int *next)
{
	uint8_t text[4096];
	ssize_t n = read(screen, text, sizeof(text));
	unsigned int wrong = 0;

	for (ssize_t i = 0; i < n; i++)
		wrong += text[i] != (*next)++ % 251;
	ck_assert_uint_eq(wrong, 0);
	return n;
}

/* A full pipe: nothing is lost, nothing blocks. */
START_TEST(launcher_console_output_full)
{
	unsigned int sent = 0, got = 0;

	while (sent < 200000) {
		unsigned int before = sent;

		while (serial_bus_ops.read(&serial, UART_LSR, 1) & UART_LSR_THRE)
			serial_bus_ops.write(&serial, UART_TX, 1, sent++ % 251);
		round_trip();
		round_trip();
		if (sent != before)
			continue;
		/* Stuck, as it should be: read a little. */
		ck_assert_int_gt(read_screen(&got), 0);
	}
	ck_assert_uint_gt(got, 0);
	do {
		console_drain(&console, 0);
	} while (read_screen(&got) > 0);
	ck_assert_uint_eq(got, sent);
}
END_TEST

/* The reader goes away: the guest goes on, its output is dropped. */
START_TEST(launcher_console_reader_gone)
{
	close(screen);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned int i = 0; i < 3 * SERIAL_TX_RING; i++) {
		serial_bus_ops.write(&serial, UART_TX, 1, 'x');
		if (!(i % 1000))
			round_trip();
	}
	round_trip();
	ck_assert_int_eq(console.output, -1);
	ck_assert_uint_ne(serial_bus_ops.read(&serial, UART_LSR, 1) & UART_LSR_THRE, 0);
	console_drain(&console, 0);
}
END_TEST

/* What the guest said last is written after its end. */
START_TEST(launcher_console_drain)
{
	char text[8] = { 0 };

	for (const char *p = "bye"; *p; p++)
		serial_bus_ops.write(&serial, UART_TX, 1, *p);
	console_drain(&console, 1000);
	ck_assert_int_eq(read(screen, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "bye");
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_console_keys,	       launcher_console_input,
		launcher_console_quit,	       launcher_console_quit_in_two,
		launcher_console_backpressure, launcher_console_end_of_input,
		launcher_console_output,       launcher_console_output_full,
		launcher_console_reader_gone,  launcher_console_drain,
	};

	return SUITE_RUN("console", setup, tests);
}
