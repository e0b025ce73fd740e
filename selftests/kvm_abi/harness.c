// SPDX-License-Identifier: GPL-2.0-only
#include "harness.h"

#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT 120
#define EXIT_SKIPPED 77

extern struct test_case __start_test_cases[], __stop_test_cases[];

/* Written by the child, read by the parent after it is gone. */
static char *skip_reason;
#define SKIP_REASON_SIZE 256

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "no errno";
}

const char *device_path(void)
{
	const char *path = getenv("VMM_DEVICE");

	return path && *path ? path : "/dev/vmm";
}

bool device_is_kvm(void)
{
	const char *path = device_path();
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "kvm");
}

bool host_is_intel(void)
{
	unsigned int eax, ebx = 0, ecx = 0, edx = 0;

	__get_cpuid(0, &eax, &ebx, &ecx, &edx);
	return ebx == signature_INTEL_ebx;
}

bool host_is_emulated_vmx(void)
{
	char line[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, line, sizeof(line) - 1) < 0)
		line[0] = '\0';
	close(fd);
	return host_is_intel() && strstr(line, "testhost.");
}

/* One write() per line: lines of two threads or processes never mix. */
static void emit(const char *prefix, const char *fmt, va_list args)
{
	char line[1024];
	int len = snprintf(line, sizeof(line), "# %s", prefix);

	len += vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	if (write(STDOUT_FILENO, line, len) < 0)
		_exit(2);
}

void test_diag(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	emit("", fmt, args);
	va_end(args);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char prefix[128];
	va_list args;

	snprintf(prefix, sizeof(prefix), "%s:%d: ", file, line);
	va_start(args, fmt);
	emit(prefix, fmt, args);
	va_end(args);
	_exit(1);
}

void test_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(skip_reason, SKIP_REASON_SIZE, fmt, args);
	va_end(args);
	_exit(EXIT_SKIPPED);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* Waits for SIGCHLD, not in a poll loop: a sleeping host costs an emulator nothing. */
static bool wait_child(pid_t pid, unsigned int seconds, int *status)
{
	u64 deadline = now_ms() + seconds * 1000ULL;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		struct timespec left = { .tv_sec = 1 };

		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		if (now_ms() >= deadline)
			return false;
		sigtimedwait(&chld, NULL, &left);
	}
}

static void child(const struct test_case *test)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (test->vmm_only && device_is_kvm())
		test_skip("not a property of KVM");
	test->run();
	_exit(0);
}

/* A host whose kernel checks all it does takes a multiple of the time. */
static unsigned int timeout_of(const struct test_case *test)
{
	const char *slowness = getenv("TEST_SLOWNESS");
	unsigned int factor = slowness ? strtoul(slowness, NULL, 10) : 1;

	return (test->timeout ? test->timeout : DEFAULT_TIMEOUT) * (factor ? factor : 1);
}

/* Returns whether the test did not fail. */
static bool run_test(const char *program, unsigned int number, const struct test_case *test)
{
	unsigned int timeout = timeout_of(test);
	u64 start = now_ms();
	int status = 0;
	bool ok;
	pid_t pid;

	skip_reason[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (!pid)
		child(test);
	if (pid < 0) {
		printf("not ok %u - %s %s # fork failed\n", number, program, test->name);
		return false;
	}
	if (!wait_child(pid, timeout, &status)) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		/* A task stuck in the kernel never becomes a zombie: do not wait for ever. */
		wait_child(pid, 10, &status);
		printf("# no end after %u s\n", timeout);
		status = 1 << 8;
	}
	kill(-pid, SIGKILL); /* what it forked */

	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	ok = WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == EXIT_SKIPPED);
	printf("%s %u - %s %s", ok ? "ok" : "not ok", number, program, test->name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
		printf(" # SKIP %s", skip_reason);
	else if (getenv("VMM_TEST_TIMES"))
		printf(" # %llu ms", (unsigned long long)(now_ms() - start));
	printf("\n");
	fflush(stdout);
	return ok;
}

static int by_line(const void *a, const void *b)
{
	return ((const struct test_case *)a)->line - ((const struct test_case *)b)->line;
}

/* PROGRAM [PATTERN]: the tests whose name contains PATTERN. */
int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *program = slash ? slash + 1 : argv[0];
	const char *pattern = argc > 1 ? argv[1] : "";
	unsigned int count = 0, number = 0, failed = 0;
	struct test_case *test;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	skip_reason = mmap(NULL, SKIP_REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		return 2;

	qsort(__start_test_cases, __stop_test_cases - __start_test_cases, sizeof(*test), by_line);
	for (test = __start_test_cases; test < __stop_test_cases; test++)
		count += !!strstr(test->name, pattern);
	printf("1..%u\n", count);
	for (test = __start_test_cases; test < __stop_test_cases; test++)
		if (strstr(test->name, pattern))
			failed += !run_test(program, ++number, test);
	return failed ? 1 : 0;
}
