// SPDX-License-Identifier: GPL-2.0-only
#include "host/terminal.h"

#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

/* A process has one controlling terminal, and a crash handler gets no argument: hence static. */
static struct {
	int fd;
	volatile sig_atomic_t raw;
	struct termios saved;
} terminal = { .fd = -1 };

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

static void terminal_set_raw(void)
{
	struct termios raw = terminal.saved;

	/* Every key goes to the guest; what we and the guest print keeps its newlines (OPOST). */
	raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	terminal.raw = 1;
	tcsetattr(terminal.fd, TCSANOW, &raw);
}

void terminal_restore(void)
{
	if (!terminal.raw)
		return;
	tcsetattr(terminal.fd, TCSANOW, &terminal.saved);
	terminal.raw = 0;
}

void terminal_resume(void)
{
	if (terminal.fd >= 0 && tcgetpgrp(terminal.fd) == getpgrp())
		terminal_set_raw();
}

/* SA_RESETHAND: raising the signal again does what it would have done without us. */
static void terminal_crash(int sig)
{
	terminal_restore();
	raise(sig);
}

bool terminal_enter(int fd)
{
	struct sigaction crash = { .sa_handler = terminal_crash, .sa_flags = SA_RESETHAND };

	if (!isatty(fd))
		return true;
	/*
	 * In the background, reading or changing the terminal would stop the process (SIGTTIN,
	 * SIGTTOU).
	 */
	if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &terminal.saved))
		return false;
	terminal.fd = fd;
	for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
		sigaction(crash_signals[i], &crash, NULL);
	terminal_set_raw();
	return true;
}
