/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's end of the serial line: bytes from a descriptor to the UART and back, through fixed
 * queues. When one side does not keep up the other waits; nothing is dropped. Used by one thread.
 */
#ifndef LAUNCHER_DEVICE_CONSOLE_H
#define LAUNCHER_DEVICE_CONSOLE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/serial.h"

#define CONSOLE_QUEUE 4096

/* Ctrl-a is a command to us, made by the key after it. */
enum console_key {
	CONSOLE_KEY_PASS, /* goes to the guest */
	CONSOLE_KEY_SWALLOW,
	CONSOLE_KEY_HELP,
	CONSOLE_KEY_QUIT,
};

struct console {
	struct serial *serial;
	int input; /* -1: none, or at its end */
	int output; /* -1: nobody reads it any more */
	bool escape; /* the last key was Ctrl-a */
	uint8_t in[CONSOLE_QUEUE];
	unsigned int in_head, in_count;
	uint8_t out[CONSOLE_QUEUE];
	unsigned int out_head, out_count;
};

enum { CONSOLE_POLL_INPUT, CONSOLE_POLL_OUTPUT, CONSOLE_POLL_FDS };

void console_init(struct console *console, struct serial *serial, int input, int output);

/*
 * What to wait for, and what to do after waiting. console_handle() returns true when the user
 * quits.
 */
void console_prepare(struct console *console, struct pollfd fds[CONSOLE_POLL_FDS]);
bool console_handle(struct console *console, const struct pollfd fds[CONSOLE_POLL_FDS]);

/* The guest is gone: writes what it still had to say, unless nobody takes it for timeout_ms. */
void console_drain(struct console *console, int timeout_ms);

enum console_key console_key(struct console *console, uint8_t key);

#endif
