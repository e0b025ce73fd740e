// SPDX-License-Identifier: GPL-2.0-only
#include "device/console.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define KEY_ESCAPE 0x01 /* Ctrl-a */

static const char help_text[] = "\r\n"
				"Ctrl-a x       stop the virtual machine\r\n"
				"Ctrl-a Ctrl-a  send Ctrl-a to the guest\r\n"
				"Ctrl-a h       this help\r\n";

void console_init(struct console *console, struct serial *serial, int input, int output)
{
	memset(console, 0, sizeof(*console));
	console->serial = serial;
	console->input = input;
	console->output = output;
}

enum console_key console_key(struct console *console, uint8_t key)
{
	if (!console->escape) {
		console->escape = key == KEY_ESCAPE;
		return console->escape ? CONSOLE_KEY_SWALLOW : CONSOLE_KEY_PASS;
	}
	console->escape = false;
	switch (key) {
	case KEY_ESCAPE:
		return CONSOLE_KEY_PASS;
	case 'x':
	case 'X':
		return CONSOLE_KEY_QUIT;
	case 'h':
	case 'H':
	case '?':
		return CONSOLE_KEY_HELP;
	default:
		return CONSOLE_KEY_SWALLOW;
	}
}

/*
 * Bytes to the UART. It stops taking them when its FIFO is full, and calls for attention once it is
 * not.
 */
static void push_input(struct console *console)
{
	while (console->in_count) {
		unsigned int run = CONSOLE_QUEUE - console->in_head;
		size_t n;

		if (run > console->in_count)
			run = console->in_count;
		n = serial_offer_input(console->serial, console->in + console->in_head, run);
		console->in_head = (console->in_head + n) % CONSOLE_QUEUE;
		console->in_count -= n;
		if (n < run)
			break;
	}
}

static bool take_key(struct console *console, uint8_t key)
{
	switch (console_key(console, key)) {
	case CONSOLE_KEY_PASS:
		console->in[(console->in_head + console->in_count) % CONSOLE_QUEUE] = key;
		console->in_count++;
		break;
	case CONSOLE_KEY_HELP:
		if (write(STDERR_FILENO, help_text, sizeof(help_text) - 1) < 0)
			return false; /* nobody to help */
		break;
	case CONSOLE_KEY_QUIT:
		return true;
	case CONSOLE_KEY_SWALLOW:
		break;
	}
	return false;
}

static bool read_input(struct console *console)
{
	uint8_t keys[256];
	size_t room = CONSOLE_QUEUE - console->in_count;
	ssize_t n = read(console->input, keys, room < sizeof(keys) ? room : sizeof(keys));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0)
		console->input = -1;
	for (ssize_t i = 0; i < n; i++) {
		if (take_key(console, keys[i]))
			return true;
	}
	return false;
}

static void pull_output(struct console *console)
{
	if (console->out_count)
		return;
	console->out_head = 0;
	console->out_count = serial_take_output(console->serial, console->out, CONSOLE_QUEUE);
}

/* POLLOUT promises room for PIPE_BUF bytes: more could block, and the keyboard with it. */
static void write_output(struct console *console)
{
	unsigned int len = console->out_count < PIPE_BUF ? console->out_count : PIPE_BUF;
	ssize_t n = write(console->output, console->out + console->out_head, len);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		/*
		 * The reader left (EPIPE) or the disk is full: the guest goes on without an
		 * audience.
		 */
		console->output = -1;
		return;
	}
	console->out_head += n;
	console->out_count -= n;
}

void console_prepare(struct console *console, struct pollfd fds[CONSOLE_POLL_FDS])
{
	push_input(console);
	pull_output(console);
	while (console->output < 0 && console->out_count) {
		console->out_count = 0;
		pull_output(console);
	}
	fds[CONSOLE_POLL_INPUT] = (struct pollfd){
		.fd = console->in_count < CONSOLE_QUEUE ? console->input : -1,
		.events = POLLIN,
	};
	fds[CONSOLE_POLL_OUTPUT] = (struct pollfd){
		.fd = console->out_count ? console->output : -1,
		.events = POLLOUT,
	};
}

bool console_handle(struct console *console, const struct pollfd fds[CONSOLE_POLL_FDS])
{
	if (fds[CONSOLE_POLL_OUTPUT].revents)
		write_output(console);
	return fds[CONSOLE_POLL_INPUT].revents && read_input(console);
}

void console_drain(struct console *console, int timeout_ms)
{
	struct pollfd fd = { .fd = console->output, .events = POLLOUT };

	for (pull_output(console); console->out_count && console->output >= 0;
	     pull_output(console)) {
		if (poll(&fd, 1, timeout_ms) == 0)
			return;
		write_output(console);
	}
}
