// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process 1 of a test host: prepares the machine, runs one command, reports what it says and how it ends.
 *
 * What to do is in files under /testhost, see scripts/testhost: argv (NUL-separated), modules (one file
 * name a line, in order of loading), flags (words: "tty", "rmmod"), environment, winsize.
 *
 * With testhost.payload=FILE,OFFSET,SIZE on the kernel's command line they come later: the machine's state is
 * saved while it waits for them, and every restored copy finds an archive in that piece of memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "wire.h"

/* Not sys/io.h's outsb(): it does not tell the compiler that it reads memory. */
static void port_write(const void *data, size_t size)
{
	asm volatile("rep outsb" : "+S"(data), "+c"(size) : "d"(WIRE_PORT) : "memory");
}

static void wire_send(enum wire_type type, const void *data, size_t size)
{
	unsigned char frame[WIRE_HEADER + WIRE_MAX];
	const char *p = data;

	do {
		size_t n = size > WIRE_MAX ? WIRE_MAX : size;

		frame[0] = WIRE_MAGIC0;
		frame[1] = WIRE_MAGIC1;
		frame[2] = type;
		frame[3] = n & 0xff;
		frame[4] = n >> 8;
		if (n)
			memcpy(frame + WIRE_HEADER, p, n);
		port_write(frame, WIRE_HEADER + n);
		p += n;
		size -= n;
	} while (size);
}

__attribute__((format(printf, 1, 2))) static void trouble(const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	wire_send(WIRE_TROUBLE, line, strlen(line));
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static char *read_file(const char *path, size_t *size)
{
	size_t room = 1 << 16, used = 0;
	char *data = malloc(room + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || !data) {
		free(data);
		return NULL;
	}
	while ((n = read(fd, data + used, room - used)) > 0) {
		used += n;
		if (used == room) {
			room *= 2;
			data = realloc(data, room + 1);
			if (!data)
				break;
		}
	}
	close(fd);
	if (data) {
		data[used] = '\0';
		if (size)
			*size = used;
	}
	return data;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		trouble("%s: %s", path, strerror(errno));
	close(fd);
}

static const struct {
	const char *source, *target, *type, *options;
} mounts[] = {
	{ "proc", "/proc", "proc", NULL },
	{ "sysfs", "/sys", "sysfs", NULL },
	{ "devtmpfs", "/dev", "devtmpfs", NULL },
	{ "devpts", "/dev/pts", "devpts", "ptmxmode=0666,mode=0620" },
	{ "tmpfs", "/dev/shm", "tmpfs", NULL },
	{ "tmpfs", "/tmp", "tmpfs", "mode=1777" },
	{ "tmpfs", "/run", "tmpfs", "mode=0755" },
	{ "debugfs", "/sys/kernel/debug", "debugfs", NULL },
	{ "tracefs", "/sys/kernel/tracing", "tracefs", NULL },
	{ "cgroup2", "/sys/fs/cgroup", "cgroup2", NULL },
};

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].source, mounts[i].target, mounts[i].type, MS_NOSUID,
			  mounts[i].options))
			trouble("mount %s: %s", mounts[i].target, strerror(errno));
	}
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("fd/0", "/dev/stdin") ||
	    symlink("fd/1", "/dev/stdout") || symlink("fd/2", "/dev/stderr"))
		trouble("/dev links: %s", strerror(errno));
}

/* The kernel gave us its console, which is its own: what the command says goes over the wire. */
static void leave_console(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* An emulated CPU is slow and shares its core with others: generous, but every lockup still ends in a report. */
static void watch_for_lockups(void)
{
	write_file("/proc/sys/kernel/watchdog_thresh", "40");
	write_file("/proc/sys/kernel/hung_task_timeout_secs", "90");
}

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static bool extract_entry(char *path, unsigned int mode, const char *data, size_t size)
{
	int fd;
	bool ok;

	make_parents(path);
	if (S_ISDIR(mode))
		return !mkdir(path, mode & 07777) || errno == EEXIST;
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode & 07777);
	if (fd < 0)
		return false;
	ok = write(fd, data, size) == (ssize_t)size;
	close(fd);
	return ok;
}

/* The "newc" format of cpio: 13 fields of 8 hexadecimal digits after the magic; name and data padded to 4. */
static bool extract(const char *archive, size_t size)
{
	enum { HEADER = 110, MODE = 14, FILESIZE = 54, NAMESIZE = 94 };
	size_t at = 0;

	while (size - at >= HEADER && !memcmp(archive + at, "070701", 6)) {
		unsigned int mode, file_size, name_size;
		char path[512];

		if (sscanf(archive + at + MODE, "%8x", &mode) != 1 ||
		    sscanf(archive + at + FILESIZE, "%8x", &file_size) != 1 ||
		    sscanf(archive + at + NAMESIZE, "%8x", &name_size) != 1)
			return false;
		snprintf(path, sizeof(path), "/%s", archive + at + HEADER);
		if (!strcmp(path, "/TRAILER!!!"))
			return true;
		at = (at + HEADER + name_size + 3) & ~3ul;
		if (!extract_entry(path, mode, archive + at, file_size)) {
			trouble("cannot write %s: %s", path, strerror(errno));
			return false;
		}
		at = (at + file_size + 3) & ~3ul;
	}
	return false;
}

static bool load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		trouble("%s: %s", path, strerror(errno));
		return false;
	}
	ok = !syscall(SYS_finit_module, fd, "", 0) || errno == EEXIST;
	if (!ok)
		trouble("loading %s: %s", path, strerror(errno));
	close(fd);
	return ok;
}

static bool load_modules(void)
{
	char *list = read_file("/testhost/modules", NULL), *save = NULL;
	bool ok = true;

	for (char *m = list ? strtok_r(list, "\n", &save) : NULL; m;
	     m = strtok_r(NULL, "\n", &save))
		ok = load_module(m) && ok;
	free(list);
	return ok;
}

/*
 * The kernel calibrates its TSC once more, seconds after boot. Before that its rate may be off by a part in a
 * thousand, and hypervisors that read it when they are loaded would hand it on.
 */
static void wait_for_tsc(void)
{
	for (int tries = 0; tries < 1000; tries++) {
		char *source = read_file(
			"/sys/devices/system/clocksource/clocksource0/current_clocksource", NULL);
		bool refined = source && !strcmp(source, "tsc\n");

		free(source);
		if (refined)
			return;
		usleep(10000);
	}
}

/*
 * Bochs saves at the magic breakpoint and a restored machine finds its payload right after; QEMU stops somewhat
 * later, so that a machine which is being saved gets some way into the wait.
 */
static bool wait_for_payload(void)
{
	char *arguments = read_file("/proc/cmdline", NULL), *area, path[128];
	unsigned long address, size;
	const volatile struct payload_header *header;
	int fd;

	area = arguments ? strstr(arguments, "testhost.payload=") : NULL;
	if (!area || sscanf(area, "testhost.payload=%127[^,],%lx,%lx", path, &address, &size) != 3)
		return true;
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	header = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, address);
	if (fd < 0 || header == MAP_FAILED) {
		trouble("%s: %s", path, strerror(errno));
		return false;
	}
	wait_for_tsc();
	/* What the payload will need of Debian's modules is the same for all: load it once, before the state is saved. */
	if (!load_modules())
		return false;
	unlink("/testhost/modules");
	wire_send(WIRE_READY, NULL, 0);
	asm volatile("xchg %%bx, %%bx" ::: "memory");
	for (int tries = 0; header->magic != PAYLOAD_MAGIC && tries < 6000; tries++)
		usleep(10000);
	if (header->magic != PAYLOAD_MAGIC || header->size > size - PAYLOAD_OFFSET) {
		trouble("no payload in the memory of the restored machine");
		return false;
	}
	return extract((const char *)header + PAYLOAD_OFFSET, header->size);
}

/* For whoever reads an address in a log: what is loaded where. */
static void tell_modules(void)
{
	char *list = read_file("/proc/modules", NULL), *save = NULL, line[256];

	for (char *m = list ? strtok_r(list, "\n", &save) : NULL; m;
	     m = strtok_r(NULL, "\n", &save)) {
		int n = snprintf(line, sizeof(line), "[        init] module %s\n", m);

		wire_send(WIRE_KMSG, line, n < (int)sizeof(line) ? n : (int)sizeof(line) - 1);
	}
	free(list);
}

static bool flag(const char *name)
{
	static char *flags;

	if (!flags)
		flags = read_file("/testhost/flags", NULL);
	return flags && strstr(flags, name);
}

static char **read_argv(void)
{
	size_t size, n = 0;
	char *data = read_file("/testhost/argv", &size);
	char **argv;

	if (!data || !size)
		return NULL;
	for (size_t i = 0; i < size; i++)
		n += !data[i];
	argv = calloc(n + 1, sizeof(*argv));
	for (size_t i = 0, at = 0; argv && i < n; i++) {
		argv[i] = data + at;
		at += strlen(data + at) + 1;
	}
	return argv;
}

/* Everything that the poll loop watches; -1 when there is none. */
struct host {
	int out, err, kmsg, tick, child, line, pty;
	pid_t pid;
};

static void run_child(struct host *h, char **argv, int in, int out, int err)
{
	static const char *const environment[] = {
		"PATH=/test:/bin:/sbin:/usr/bin:/usr/sbin",
		"HOME=/root",
		"TMPDIR=/tmp",
		"TESTHOST=1",
	};
	struct sched_param normal = { 0 };
	sigset_t none;
	char *term = read_file("/testhost/environment", NULL), *save = NULL;

	h->pid = fork();
	if (h->pid)
		return;
	sched_setscheduler(0, SCHED_OTHER, &normal);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (h->pty >= 0)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	for (size_t i = 0; i < sizeof(environment) / sizeof(environment[0]); i++)
		putenv((char *)environment[i]);
	for (char *e = term ? strtok_r(term, "\n", &save) : NULL; e;
	     e = strtok_r(NULL, "\n", &save))
		putenv(e);
	if (chdir("/test"))
		_exit(127);
	ioperm(WIRE_PORT, 1, 0);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static bool start_on_pipes(struct host *h, char **argv)
{
	int out[2], err[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return false;
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	run_child(h, argv, null, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	close(null);
	h->out = out[0];
	h->err = err[0];
	return h->pid > 0;
}

static bool start_on_tty(struct host *h, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char *text = read_file("/testhost/winsize", NULL);
	int slave;

	if (text)
		sscanf(text, "%hu %hu", &size.ws_row, &size.ws_col);
	h->pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (h->pty < 0 || grantpt(h->pty) || unlockpt(h->pty))
		return false;
	slave = open(ptsname(h->pty), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return false;
	ioctl(slave, TIOCSWINSZ, &size);
	fcntl(h->pty, F_SETFL, O_NONBLOCK);
	run_child(h, argv, slave, slave, slave);
	close(slave);
	h->out = h->pty;
	return h->pid > 0;
}

/* False when the other end is gone. */
static bool forward(int fd, enum wire_type type)
{
	char data[WIRE_MAX];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		wire_send(type, data, n);
	return n < 0 && errno == EAGAIN;
}

/* A record is "level,sequence,microseconds,flags;text", with lines of dictionary after it. */
static void forward_kmsg(int fd)
{
	char record[2048], line[2048];
	unsigned long long us;
	ssize_t n;

	while ((n = read(fd, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		char *text;
		int length;

		if (n < 0)
			continue;
		record[n] = '\0';
		text = strchr(record, ';');
		if (!text || sscanf(record, "%*u,%*u,%llu", &us) != 1)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		length = snprintf(line, sizeof(line), "[%5llu.%06llu] %s\n", us / 1000000,
				  us % 1000000, text);
		wire_send(WIRE_KMSG, line,
			  length < (int)sizeof(line) ? length : (int)sizeof(line) - 1);
	}
}

/* Bytes typed outside arrive on the second serial line. A NUL is only a knock to wake the machine. */
static void forward_input(struct host *h)
{
	char data[256];
	ssize_t n = read(h->line, data, sizeof(data)), kept = 0;

	for (ssize_t i = 0; i < n; i++)
		if (data[i])
			data[kept++] = data[i];
	for (ssize_t done = 0; h->pty >= 0 && done < kept; done += n) {
		n = write(h->pty, data + done, kept - done);
		if (n <= 0)
			break;
	}
}

static int open_line(void)
{
	struct termios raw;
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &raw))
		return fd;
	cfmakeraw(&raw);
	raw.c_cflag |= CLOCAL;
	cfsetspeed(&raw, B115200);
	tcsetattr(fd, TCSANOW, &raw);
	return fd;
}

static int open_tick(void)
{
	const struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd >= 0)
		timerfd_settime(fd, 0, &second, NULL);
	return fd;
}

static int open_child_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Process 1 also inherits orphans. True, with the status, when it was our child. */
static bool reap(struct host *h, int *status)
{
	bool ours = false;
	int s;
	pid_t pid;

	while ((pid = waitpid(-1, &s, WNOHANG)) > 0) {
		if (pid != h->pid)
			continue;
		ours = true;
		*status = WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
	}
	return ours;
}

static void serve(struct host *h, struct pollfd *fds)
{
	uint64_t count;

	if (fds[0].revents && h->out >= 0 && !forward(h->out, WIRE_STDOUT))
		h->out = -1;
	if (fds[1].revents && h->err >= 0 && !forward(h->err, WIRE_STDERR))
		h->err = -1;
	if (fds[2].revents)
		forward_kmsg(h->kmsg);
	if (fds[3].revents && read(h->tick, &count, sizeof(count)) > 0)
		wire_send(WIRE_BEAT, NULL, 0);
	if (fds[5].revents)
		forward_input(h);
}

static int watch(struct host *h)
{
	struct signalfd_siginfo info;
	int status = 0;

	for (;;) {
		struct pollfd fds[] = {
			{ h->out, POLLIN, 0 },	{ h->err, POLLIN, 0 },	 { h->kmsg, POLLIN, 0 },
			{ h->tick, POLLIN, 0 }, { h->child, POLLIN, 0 }, { h->line, POLLIN, 0 },
		};

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0 && errno != EINTR)
			return 125;
		serve(h, fds);
		if (!fds[4].revents)
			continue;
		while (read(h->child, &info, sizeof(info)) > 0)
			;
		if (reap(h, &status))
			break;
	}
	/* What it wrote is in the pipes by now; a grandchild that lives on is not waited for. */
	if (h->out >= 0)
		forward(h->out, WIRE_STDOUT);
	if (h->err >= 0)
		forward(h->err, WIRE_STDERR);
	return status;
}

/* Everything that could hold the module is dead: if it cannot be unloaded now, it has lost a reference. */
static void unload(const char *module)
{
	for (int tries = 0; tries < 50; tries++) {
		if (!syscall(SYS_delete_module, module, O_NONBLOCK) || errno == ENOENT)
			return;
		usleep(20000);
	}
	trouble("%s.ko cannot be unloaded after the command ended: %s", module, strerror(errno));
}

#define KMEMLEAK "/sys/kernel/debug/kmemleak"
#define KMEMLEAK_AGE 6 /* seconds; younger objects it lets be for 5 */

/* One object that kmemleak found: what it says about it joins the kernel log. */
static void report_leak(char *text)
{
	char line[512], *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		int n = snprintf(line, sizeof(line), "[    kmemleak] %s\n", l);

		wire_send(WIRE_KMSG, line, n < (int)sizeof(line) ? n : (int)sizeof(line) - 1);
	}
}

/* A frame in a module ends in the module's name; after the module is gone it is a number instead of a symbol. */
static bool names_module(const char *object)
{
	const char *trace = strstr(object, "backtrace:");

	return trace && (strstr(trace, "]\n") || strstr(trace, "] 0xffffffff"));
}

/* Lockdep's proofs make the millions of locks that a scan takes three times as dear. */
static void scan_for_leaks(void)
{
	write_file("/proc/sys/kernel/prove_locking", "0");
	write_file(KMEMLEAK, "scan");
	write_file("/proc/sys/kernel/prove_locking", "1");
}

/* What nothing refers to any more, and whose content was the same at the scan before. */
static void report_leaks(void)
{
	static const char mark[] = "unreferenced object";
	char *text = read_file(KMEMLEAK, NULL), *object, *next;
	unsigned int leaks = 0;

	for (object = text ? strstr(text, mark) : NULL; object; object = next) {
		next = strstr(object + 1, mark);
		if (next)
			*next = '\0';
		if (names_module(object)) {
			leaks++;
			report_leak(object);
		}
		if (next)
			*next = mark[0];
	}
	if (leaks)
		trouble("kmemleak: %u objects of modules leaked", leaks);
	free(text);
}

static void end_all_others(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

int main(void)
{
	struct host h = { -1, -1, -1, -1, -1, -1, -1, 0 };
	struct sched_param first = { .sched_priority = 1 };
	char **argv = NULL, status[16] = "125";
	bool kmemleak;

	if (getpid() != 1 || ioperm(WIRE_PORT, 1, 1))
		return 1;
	mount_all();
	leave_console();
	watch_for_lockups();
	h.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	h.tick = open_tick();
	h.child = open_child_signal();
	h.line = open_line();
	if (wait_for_payload())
		argv = read_argv();
	if (!argv || !load_modules()) {
		forward_kmsg(h.kmsg);
		wire_send(WIRE_EXIT, "125", 3);
		power_off();
	}
	tell_modules();
	sched_setscheduler(0, SCHED_FIFO, &first);
	wire_send(WIRE_STARTED, NULL, 0);
	if (!(flag("tty") ? start_on_tty(&h, argv) : start_on_pipes(&h, argv)))
		trouble("cannot start %s: %s", argv[0], strerror(errno));
	else
		snprintf(status, sizeof(status), "%d", watch(&h));
	forward_kmsg(h.kmsg);
	wire_send(WIRE_ENDED, NULL, 0);
	end_all_others();
	kmemleak = !access(KMEMLEAK, W_OK);
	if (kmemleak) {
		sleep(KMEMLEAK_AGE);
		scan_for_leaks();
	}
	if (flag("rmmod"))
		unload("vmm");
	if (kmemleak) {
		scan_for_leaks();
		report_leaks();
	}
	forward_kmsg(h.kmsg);
	wire_send(WIRE_EXIT, status, strlen(status));
	power_off();
}
