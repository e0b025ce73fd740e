// SPDX-License-Identifier: GPL-2.0-only
/* The event loop: console, clock and signals, while the vCPUs run in threads of their own. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "host/terminal.h"
#include "machine/machine.h"

#define NSEC 1000000000LL
/* How long a reader that is stuck may hold up our end. */
#define DRAIN_MS 1000

enum { POLL_WAKE, POLL_SIGNAL, POLL_CONSOLE, POLL_FDS = POLL_CONSOLE + CONSOLE_POLL_FDS };

/* Those that end us, and those that stop and continue us. */
static const int loop_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT };

/*
 * Blocked in all threads from before the first vCPU's, so that they arrive here and nowhere else.
 */
static int open_signals(struct machine *machine, struct error *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(loop_signals) / sizeof(loop_signals[0]); i++)
		sigaddset(&set, loop_signals[i]);
	machine->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (machine->signal_fd < 0)
		return error_set_errno(err, EXIT_FAILED, "signalfd");
	sigaddset(&set, VCPU_KICK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A reader that went away is noticed by write(). */
	sigaction(SIGPIPE, &ignore, NULL);
	return 0;
}

static void handle_signal(struct machine *machine)
{
	struct signalfd_siginfo info;

	if (read(machine->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTSTP:
		terminal_restore();
		kill(getpid(), SIGSTOP);
		break;
	case SIGCONT:
		terminal_resume();
		break;
	default:
		if (end_set(&machine->end, END_SIGNAL))
			machine->signal = info.ssi_signo;
	}
}

/* NULL: until something happens. */
static struct timespec *time_left(struct machine *machine, struct timespec *ts)
{
	int64_t deadline = rtc_deadline(&machine->rtc), left;

	if (deadline == RTC_NEVER)
		return NULL;
	left = deadline - machine->rtc.now();
	if (left < 0)
		left = 0;
	*ts = (struct timespec){ .tv_sec = left / NSEC, .tv_nsec = left % NSEC };
	return ts;
}

static int wait_for_events(struct machine *machine, struct pollfd fds[POLL_FDS], struct error *err)
{
	struct timespec ts;

	fds[POLL_WAKE] = (struct pollfd){ .fd = machine->end.wake_fd, .events = POLLIN };
	fds[POLL_SIGNAL] = (struct pollfd){ .fd = machine->signal_fd, .events = POLLIN };
	console_prepare(&machine->console, fds + POLL_CONSOLE);
	if (ppoll(fds, POLL_FDS, time_left(machine, &ts), NULL) < 0) {
		if (errno != EINTR)
			return error_set_errno(err, EXIT_FAILED, "ppoll");
		for (int i = 0; i < POLL_FDS; i++)
			fds[i].revents = 0;
	}
	return 0;
}

static int run_loop(struct machine *machine, struct error *err)
{
	struct pollfd fds[POLL_FDS];
	eventfd_t count;

	while (end_reason(&machine->end) == END_NONE) {
		if (wait_for_events(machine, fds, err))
			return -1;
		if (fds[POLL_WAKE].revents)
			eventfd_read(machine->end.wake_fd, &count);
		if (fds[POLL_SIGNAL].revents)
			handle_signal(machine);
		if (console_handle(&machine->console, fds + POLL_CONSOLE))
			end_set(&machine->end, END_QUIT);
		rtc_expire(&machine->rtc);
	}
	return 0;
}

static void stop_vcpus(struct machine *machine, unsigned int started)
{
	for (unsigned int i = 0; i < started; i++)
		vcpu_kick(&machine->vcpus[i]);
	for (unsigned int i = 0; i < started; i++)
		vcpu_join(&machine->vcpus[i]);
}

/* Starts the vCPUs, or none. */
static int start_vcpus(struct machine *machine, struct error *err)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		if (vcpu_start(&machine->vcpus[i], err)) {
			end_set(&machine->end, END_FAILED);
			stop_vcpus(machine, i);
			return -1;
		}
	}
	return 0;
}

static const struct vcpu *failed_vcpu(const struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		if (machine->vcpus[i].err.text[0])
			return &machine->vcpus[i];
	}
	return NULL;
}

static enum end_reason run_vcpus(struct machine *machine, struct error *err)
{
	enum end_reason reason = END_NONE;

	if (devices_start(&machine->devices, err))
		return END_NONE;
	if (start_vcpus(machine, err)) {
		devices_stop(&machine->devices);
		return END_NONE;
	}
	if (run_loop(machine, err))
		end_set(&machine->end, END_FAILED);
	stop_vcpus(machine, machine->vcpu_count);
	devices_stop(&machine->devices);
	console_drain(&machine->console, DRAIN_MS);
	reason = end_reason(&machine->end);
	if (reason == END_FAILED && failed_vcpu(machine))
		*err = failed_vcpu(machine)->err;
	return reason;
}

enum end_reason machine_run(struct machine *machine, struct error *err)
{
	enum end_reason reason;

	if (open_signals(machine, err))
		return END_NONE;
	if (!terminal_enter(STDIN_FILENO))
		machine->console.input = -1;
	reason = run_vcpus(machine, err);
	terminal_restore();
	close(machine->signal_fd);
	return reason;
}

void machine_print_failure(const struct machine *machine, FILE *out)
{
	const struct vcpu *vcpu = failed_vcpu(machine);

	if (vcpu)
		vcpu_print_registers(vcpu, out);
}
