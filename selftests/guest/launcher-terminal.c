// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal that vmm runs on is raw while the guest runs, and as it was before however vmm ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

static unsigned int number, failures;

static void ok(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%s %u - %s\n", good ? "ok" : "not ok", number, name);
}

/* The two ends of a pseudo terminal: the test types and reads at the master, vmm has the slave. */
struct session {
	int master;
	int slave; /* kept open here: its settings outlive vmm */
	pid_t pid;
	struct termios before;
	char text[8192];
	size_t len;
};

static void exec_vmm(const char *action)
{
	const char *device = getenv("VMM_DEVICE");

	execl("./vmm", "vmm", "run", "--device", device ? device : "/dev/vmm", "--kernel", "tiny",
	      "--memory", "32M", "--append", action, (char *)NULL);
	_exit(127);
}

static void start(struct session *s, const char *action)
{
	memset(s, 0, sizeof(*s));
	if (openpty(&s->master, &s->slave, NULL, NULL, NULL)) {
		printf("Bail out! openpty: %s\n", strerror(errno));
		exit(1);
	}
	tcgetattr(s->slave, &s->before);
	s->pid = fork();
	if (!s->pid) {
		login_tty(s->slave);
		close(s->master);
		exec_vmm(action);
	}
}

/* Collects what the terminal shows until text is there; false after seconds of silence. */
static bool shows(struct session *s, const char *text, int seconds)
{
	struct pollfd fd = { .fd = s->master, .events = POLLIN };

	while (!strstr(s->text, text)) {
		ssize_t n;

		if (poll(&fd, 1, seconds * 1000) <= 0)
			return false;
		n = read(s->master, s->text + s->len, sizeof(s->text) - 1 - s->len);
		if (n <= 0)
			return false;
		s->len += n;
	}
	return true;
}

static void type(struct session *s, const char *keys)
{
	if (write(s->master, keys, strlen(keys)) < 0)
		printf("# cannot type: %s\n", strerror(errno));
}

static bool is_raw(const struct session *s)
{
	struct termios now;

	tcgetattr(s->slave, &now);
	return !(now.c_lflag & (ICANON | ECHO | ISIG)) && !(now.c_iflag & (ICRNL | IXON));
}

static bool is_restored(const struct session *s)
{
	struct termios now;

	tcgetattr(s->slave, &now);
	return now.c_lflag == s->before.c_lflag && now.c_iflag == s->before.c_iflag &&
	       now.c_oflag == s->before.c_oflag && now.c_cflag == s->before.c_cflag;
}

static int join(struct session *s)
{
	int status = 0;

	waitpid(s->pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void finish(struct session *s)
{
	close(s->slave);
	close(s->master);
}

static bool ends_restored(struct session *s, int status)
{
	int got = join(s);

	if (got != status)
		printf("# status %d, not %d\n", got, status);
	return got == status && is_restored(s);
}

static void test_echo(void)
{
	struct session s;

	start(&s, "e");
	ok(shows(&s, "ready", 30), "the guest's output is on the terminal");
	ok(is_raw(&s), "the terminal is raw while the guest runs");
	/* Ctrl-c and Ctrl-s are the guest's; the echo that comes back is the guest's too. */
	type(&s, "ab\003\023c");
	ok(shows(&s, "ab\003\023c", 30), "keys go to the guest, control keys as well");
	type(&s, "\001h");
	ok(shows(&s, "stop the virtual machine", 30), "Ctrl-a h helps");
	type(&s, "q");
	ok(ends_restored(&s, 0), "a power-off restores the terminal");
	finish(&s);
}

static void test_quit(void)
{
	struct session s;

	start(&s, "h");
	shows(&s, "ready", 30);
	type(&s, "\001x");
	ok(ends_restored(&s, 0), "Ctrl-a x restores the terminal");
	finish(&s);
}

/* Signals that vmm catches to end in order, and crashes, which it cannot survive. */
static void test_signals(void)
{
	static const struct {
		int sig, status;
		const char *name;
	} cases[] = {
		{ SIGTERM, 128 + SIGTERM, "SIGTERM restores the terminal" },
		{ SIGINT, 128 + SIGINT, "SIGINT restores the terminal" },
		{ SIGSEGV, 256 + SIGSEGV, "a crash (SIGSEGV) restores the terminal" },
		{ SIGABRT, 256 + SIGABRT, "a crash (SIGABRT) restores the terminal" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session s;

		start(&s, "h");
		shows(&s, "ready", 30);
		kill(s.pid, cases[i].sig);
		ok(ends_restored(&s, cases[i].status), cases[i].name);
		finish(&s);
	}
}

/* Stopped and continued, as a shell's job control does it. */
static void test_job_control(void)
{
	struct session s;
	int status = 0;

	start(&s, "h");
	shows(&s, "ready", 30);
	kill(s.pid, SIGTSTP);
	waitpid(s.pid, &status, WUNTRACED);
	ok(WIFSTOPPED(status) && is_restored(&s), "SIGTSTP stops it and restores the terminal");
	kill(s.pid, SIGCONT);
	for (int i = 0; i < 100 && !is_raw(&s); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	ok(is_raw(&s), "SIGCONT makes it raw again");
	type(&s, "\001x");
	ok(ends_restored(&s, 0), "and it still ends in order");
	finish(&s);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGHUP, SIG_IGN);
	printf("1..13\n");
	test_echo();
	test_quit();
	test_signals();
	test_job_control();
	return failures ? 1 : 0;
}
