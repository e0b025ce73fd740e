// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the emulator of a test host: decodes what init says (wire.h), passes the command's output on as it
 * comes and the terminal's input in, reads the host's kernel log for trouble, and ends the emulator.
 *
 *   supervise [options] -- EMULATOR ARGS...
 *
 * DIR/console is the host's serial console, written by the emulator; DIR/kmsg the kernel log as init saw it;
 * DIR/tty becomes a link to the terminal that the emulator is to use as second serial line. The emulator's
 * standard output is the wire.
 *
 * With --save the emulator is to end by itself, after init was ready for its payload and --when-ready was said.
 *
 * With --reboot the host is to reboot before the command ends: then the status is 0.
 *
 * Exit status: the command's, or 124 timeout, 125 the host is in trouble, 126 the host fell silent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { EXIT_TIMEOUT = 124, EXIT_TROUBLE = 125, EXIT_SILENT = 126 };

#define ESCAPE_KEY 0x1d /* Ctrl-] */

/*
 * What a healthy kernel never says. Anchored where user programs' crashes ("traps: ...") or harmless boot
 * lines ("Spectre V2 : WARNING: ...") look alike.
 */
static const char *const troubles[] = {
	"^BUG[ :]",
	"^Oops",
	"^WARNING: ",
	"^INFO: task .* blocked for more than",
	"Kernel panic",
	"^general protection fault",
	"^stack segment: ",
	"^double fault",
	"^invalid opcode: ",
	"^int3: ",
	"^divide error: ",
	"kernel BUG at",
	"unable to handle .*(page fault|paging request)",
	"rcu: INFO: .*(stall|detected)",
	"rcu_.* kthread starved",
	"soft lockup",
	"hard LOCKUP",
	"possible .*deadlock",
	"suspicious RCU usage",
	"inconsistent lock state",
	"^KASAN",
	"^UBSAN: ",
	"^KCSAN",
	"^KFENCE",
	"kmemleak: .*([Dd]isabled|pool empty)",
	"ODEBUG: Out of memory",
	"^INFO: trying to register non-static key",
	"unchecked MSR access",
	"refcount_t: ",
	"list_(add|del) corruption",
	"nobody cared",
	"sleeping function called from invalid context",
	"scheduling while atomic",
	"Bad page (state|map)",
	"Out of memory: ",
	"invoked oom-killer",
};

static struct {
	const char *dir;
	int timeout; /* seconds from start to end; 0: none */
	int boot_timeout; /* seconds until the command runs; 0: none */
	int silence; /* seconds without a sign of life that end it, of the emulator's CPU time */
	bool input; /* the terminal belongs to the host */
	bool report_times;
	bool save;
	bool reboot; /* that is how the command is to end */
	/* What the emulator's monitor is to be told. */
	const char *when_started, *when_ready, *when_silent;
	const char
		*expect; /* a kernel message that is known and meant for the emulator, not for us */
} option = { .timeout = 300, .boot_timeout = 120, .silence = 45 };

static struct {
	pid_t emulator;
	int wire, line, signals, console, kmsg, errors, monitor;
	double begin, started, heard, knocked;
	double heard_cpu; /* the emulator's CPU time when it was last heard of */
	bool ready; /* WIRE_READY was seen */
	bool ended; /* WIRE_EXIT was seen */
	bool restarting; /* the kernel said that it reboots */
	int status;
	bool trouble;
	char trouble_line[256];
	struct termios saved;
	bool raw;
} host = { .line = -1, .console = -1 };

static regex_t trouble_regex, expected_regex;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void restore_terminal(void)
{
	if (host.raw)
		tcsetattr(0, TCSADRAIN, &host.saved);
	host.raw = false;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "testhost: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, host.raw ? "\r\n" : "\n");
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list ap;

	restore_terminal();
	fprintf(stderr, "testhost: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(EXIT_TROUBLE);
}

static void write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n > 0) {
			p += n;
			size -= n;
		}
	}
}

static void compile_troubles(void)
{
	char pattern[4096] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++)
		used += snprintf(pattern + used, sizeof(pattern) - used, "%s(%s)", i ? "|" : "",
				 troubles[i]);
	if (used >= sizeof(pattern) || regcomp(&trouble_regex, pattern, REG_EXTENDED | REG_NOSUB))
		die("the list of kernel troubles does not compile");
	if (option.expect && regcomp(&expected_regex, option.expect, REG_EXTENDED | REG_NOSUB))
		die("--expect: not a regular expression");
}

/* After the time stamp, "[    1.234567] " or "[    1.234567][   T12] ". */
static const char *message_of(const char *line)
{
	while (*line == '[') {
		const char *end = strchr(line, ']');

		if (!end)
			break;
		line = end + 1;
		line += strspn(line, " ");
	}
	return line;
}

static void scan_line(const char *line)
{
	const char *message = message_of(line);

	if (!strcmp(message, "reboot: Restarting system"))
		host.restarting = true;
	if (host.trouble || regexec(&trouble_regex, message, 0, NULL, 0))
		return;
	if (option.expect && !regexec(&expected_regex, message, 0, NULL, 0))
		return;
	host.trouble = true;
	snprintf(host.trouble_line, sizeof(host.trouble_line), "%.255s", message);
}

/* Lines may come in pieces: keep what has no end yet. */
struct lines {
	char text[4096];
	size_t used;
};

static void scan_bytes(struct lines *l, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\r')
			continue;
		if (data[i] != '\n') {
			if (l->used < sizeof(l->text) - 1)
				l->text[l->used++] = data[i];
			continue;
		}
		l->text[l->used] = '\0';
		scan_line(l->text);
		l->used = 0;
	}
}

static void scan_console(void)
{
	static struct lines lines;
	char data[4096];
	ssize_t n;

	if (host.console < 0) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/console", option.dir);
		host.console = open(path, O_RDONLY | O_CLOEXEC);
		if (host.console < 0)
			return;
	}
	while ((n = read(host.console, data, sizeof(data))) > 0)
		scan_bytes(&lines, data, n);
}

static void frame(enum wire_type type, const char *data, size_t size)
{
	static struct lines kernel;
	char number[16] = "";

	switch (type) {
	case WIRE_STARTED:
		host.started = now();
		if (option.report_times)
			say("%.1f s until the command ran", host.started - host.begin);
		break;
	case WIRE_STDOUT:
		write_all(1, data, size);
		break;
	case WIRE_STDERR:
		write_all(2, data, size);
		break;
	case WIRE_KMSG:
		write_all(host.kmsg, data, size);
		scan_bytes(&kernel, data, size);
		break;
	case WIRE_TROUBLE:
		host.trouble = true;
		snprintf(host.trouble_line, sizeof(host.trouble_line), "%.*s", (int)size, data);
		break;
	case WIRE_EXIT:
		memcpy(number, data, size < sizeof(number) ? size : sizeof(number) - 1);
		host.status = atoi(number);
		host.ended = true;
		break;
	case WIRE_READY:
		host.ready = true;
		if (option.when_ready)
			write_all(host.monitor, option.when_ready, strlen(option.when_ready));
		break;
	case WIRE_ENDED:
		/* It is known not to be. */
		host.ended = host.trouble;
		break;
	case WIRE_BEAT:
		break;
	}
}

/* The emulator's own words may stand between frames, never within one. They join its errors. */
static void decode(const unsigned char *data, size_t size)
{
	static unsigned char f[WIRE_HEADER + WIRE_MAX];
	static size_t have;

	for (size_t i = 0; i < size; i++) {
		size_t length;

		f[have++] = data[i];
		if ((have == 1 && f[0] != WIRE_MAGIC0) || (have == 2 && f[1] != WIRE_MAGIC1)) {
			write_all(host.errors, f, have);
			have = 0;
		}
		if (have < WIRE_HEADER)
			continue;
		length = f[3] | f[4] << 8;
		if (length > WIRE_MAX)
			have = 0;
		if (have != WIRE_HEADER + length)
			continue;
		frame(f[2], (char *)f + WIRE_HEADER, length);
		have = 0;
	}
}

static int open_line(void)
{
	char path[4096];
	struct termios raw;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (fd < 0 || grantpt(fd) || unlockpt(fd))
		die("no pseudo terminal: %s", strerror(errno));
	/* Kept open here, so that the line survives the emulator's opening and closing it. */
	slave = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw))
		die("%s: %s", ptsname(fd), strerror(errno));
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	snprintf(path, sizeof(path), "%s/tty", option.dir);
	unlink(path);
	if (symlink(ptsname(fd), path))
		die("%s: %s", path, strerror(errno));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* In a group of its own, so that Ctrl-C reaches only us; its standard input stays open; a monitor may listen there. */
static void start_emulator(char **argv)
{
	int wire[2], in[2], errors;
	char path[4096];
	pid_t parent = getpid();
	sigset_t none;

	snprintf(path, sizeof(path), "%s/emulator", option.dir);
	errors = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (errors < 0 || pipe2(wire, O_CLOEXEC) || pipe2(in, O_CLOEXEC))
		die("cannot start the emulator: %s", strerror(errno));
	fcntl(wire[1], F_SETPIPE_SZ, 1 << 20);
	host.emulator = fork();
	if (host.emulator < 0)
		die("fork: %s", strerror(errno));
	if (!host.emulator) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(in[0], 0);
		dup2(wire[1], 1);
		dup2(errors, 2);
		execvp(argv[0], argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	setpgid(host.emulator, host.emulator);
	close(wire[1]);
	close(in[0]);
	host.errors = errors;
	host.monitor = in[1];
	host.wire = wire[0];
	host.begin = host.heard = now();
	if (option.when_started)
		write_all(host.monitor, option.when_started, strlen(option.when_started));
}

static void end_emulator(void)
{
	kill(-host.emulator, SIGKILL);
	while (waitpid(host.emulator, NULL, 0) < 0 && errno == EINTR)
		;
}

/* False when the user asked to leave. */
static bool forward_terminal(void)
{
	static const char end_of_file = 4;
	char data[256];
	ssize_t n = read(0, data, sizeof(data));

	if (n <= 0) {
		option.input = false;
		write_all(host.line, &end_of_file, 1);
		return true;
	}
	for (ssize_t i = 0; i < n && host.raw; i++)
		if (data[i] == ESCAPE_KEY)
			return false;
	write_all(host.line, data, n);
	return true;
}

static void take_terminal(void)
{
	struct termios raw;

	if (!option.input || !isatty(0) || tcgetattr(0, &host.saved))
		return;
	raw = host.saved;
	cfmakeraw(&raw);
	tcsetattr(0, TCSADRAIN, &raw);
	host.raw = true;
	atexit(restore_terminal);
}

/* Seconds of CPU time that the emulator has used, all threads together. */
static double emulator_cpu(void)
{
	unsigned long user, system;
	char path[64], text[1024], *fields;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)host.emulator);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* The second field is a name in parentheses, which may hold anything. */
	fields = strrchr(text, ')');
	if (!fields || sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			      &user, &system) != 2)
		return 0;
	return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

/*
 * A host that computes without a word is judged by its emulator's CPU time, for this machine may be busy with
 * other things; one that sleeps by the clock on the wall.
 */
static bool silent(void)
{
	double cpu, wall = now() - host.heard;

	if (wall < option.silence)
		return false;
	cpu = emulator_cpu() - host.heard_cpu;
	return cpu > option.silence || (wall > 1.5 * option.silence && cpu < wall / 20);
}

static bool over(double since, int seconds)
{
	return seconds && now() - since > seconds;
}

/* 0 to go on, else the exit status. */
static int check_clocks(void)
{
	static const char knock;

	scan_console();
	if (host.trouble && strstr(host.trouble_line, "Kernel panic"))
		return EXIT_TROUBLE;
	if (over(host.begin, option.timeout)) {
		say("timeout after %d s", option.timeout);
		return EXIT_TIMEOUT;
	}
	if (!host.started && over(host.begin, option.boot_timeout)) {
		say("the host did not boot within %d s", option.boot_timeout);
		return EXIT_SILENT;
	}
	if (!host.started)
		return 0;
	if (silent()) {
		say("no sign of life from the host for %.0f s", now() - host.heard);
		return EXIT_SILENT;
	}
	/* TCG loses an interrupt now and then and the host sleeps on; another one wakes it. */
	if (over(host.heard, 5) && over(host.knocked, 5)) {
		write_all(host.line, &knock, 1);
		host.knocked = now();
	}
	return 0;
}

static int read_wire(void)
{
	unsigned char data[16384];
	ssize_t n = read(host.wire, data, sizeof(data));

	if (n <= 0 && option.save && host.ready) {
		siginfo_t end;

		return waitid(P_PID, host.emulator, &end, WEXITED | WNOWAIT) || end.si_status ?
			       EXIT_TROUBLE :
			       0;
	}
	/* An emulator that is not to go through a reset ends instead. */
	if (n <= 0 && option.reboot && host.started) {
		scan_console();
		if (host.restarting)
			return 0;
	}
	if (n <= 0) {
		if (!host.trouble)
			say("the emulator ended before the command did");
		scan_console();
		return EXIT_TROUBLE;
	}
	host.heard = now();
	host.heard_cpu = emulator_cpu();
	decode(data, n);
	if (host.ended && option.reboot) {
		say("the command ended, and the host did not reboot");
		return EXIT_TROUBLE;
	}
	return host.ended ? host.status : -1;
}

/* QEMU's monitor is asked where a silent machine is; interrupted, Bochs' debugger says it (see bochs_state.c). */
static void ask_where(void)
{
	unsigned char data[16384];
	double until = now() + 3;
	ssize_t n;

	if (option.when_silent)
		write_all(host.monitor, option.when_silent, strlen(option.when_silent));
	else
		kill(host.emulator, SIGINT);
	while (now() < until) {
		struct pollfd wire = { host.wire, POLLIN, 0 };

		if (poll(&wire, 1, 100) <= 0)
			continue;
		n = read(host.wire, data, sizeof(data));
		if (n <= 0)
			return;
		decode(data, n);
	}
}

static int supervise(void)
{
	for (;;) {
		struct pollfd fds[] = {
			{ host.wire, POLLIN, 0 },
			{ host.signals, POLLIN, 0 },
			{ option.input && host.started ? 0 : -1, POLLIN, 0 },
		};
		int status;

		if (poll(fds, 3, 250) < 0 && errno != EINTR)
			return EXIT_TROUBLE;
		if (fds[1].revents)
			return 130;
		if (fds[0].revents) {
			status = read_wire();
			if (status >= 0)
				return status;
		}
		if (fds[2].revents && !forward_terminal())
			return 130;
		status = check_clocks();
		if (status)
			return status;
	}
}

static char **parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "dir", 1, NULL, 'd' },
		{ "timeout", 1, NULL, 't' },
		{ "boot-timeout", 1, NULL, 'b' },
		{ "silence", 1, NULL, 's' },
		{ "input", 0, NULL, 'i' },
		{ "report-times", 0, NULL, 'r' },
		{ "expect", 1, NULL, 'x' },
		{ "save", 0, NULL, 'S' },
		{ "when-ready", 1, NULL, 'w' },
		{ "when-started", 1, NULL, 'W' },
		{ "when-silent", 1, NULL, 'l' },
		{ "reboot", 0, NULL, 'R' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", names, NULL)) >= 0) {
		switch (c) {
		case 'd':
			option.dir = optarg;
			break;
		case 't':
			option.timeout = atoi(optarg);
			break;
		case 'b':
			option.boot_timeout = atoi(optarg);
			break;
		case 's':
			option.silence = atoi(optarg);
			break;
		case 'i':
			option.input = true;
			break;
		case 'l':
			option.when_silent = optarg;
			break;
		case 'W':
			option.when_started = optarg;
			break;
		case 'w':
			option.when_ready = optarg;
			break;
		case 'S':
			option.save = true;
			break;
		case 'x':
			option.expect = optarg;
			break;
		case 'R':
			option.reboot = true;
			break;
		case 'r':
			option.report_times = true;
			break;
		default:
			exit(2);
		}
	}
	if (!option.dir || optind == argc)
		die("supervise: --dir and an emulator are needed");
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **emulator = parse(argc, argv), path[4096];
	int status;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	compile_troubles();
	snprintf(path, sizeof(path), "%s/kmsg", option.dir);
	host.kmsg = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	host.signals = open_signals();
	host.line = open_line();
	start_emulator(emulator);
	take_terminal();
	status = supervise();
	if (status == EXIT_SILENT || status == EXIT_TIMEOUT)
		ask_where();
	end_emulator();
	scan_console();
	restore_terminal();
	if (option.report_times && host.started)
		say("%.1f s for the command", now() - host.started);
	if (host.trouble && status != 130) {
		say("the host is in trouble: %s", host.trouble_line);
		status = EXIT_TROUBLE;
	}
	return status;
}
