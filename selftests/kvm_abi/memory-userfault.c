// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory that another thread provides or watches, through userfaultfd: missing pages and write protection. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x40000000UL
#define PAGE 4096UL
#define PAGES 64UL

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;
static int uffd;
static volatile unsigned int handled;

/* Goes through the pages, first to last, and adds to a word in each; 0 only reads. */
static void guest_walk(u64 add)
{
	u64 page, sum;

	guest_interruptible();
	for (;;) {
		for (page = sum = 0; page < PAGES; page++) {
			volatile u64 *word = (u64 *)(GPA + page * PAGE);

			sum += *word;
			if (add)
				*word += add;
		}
		guest_sync(sum);
	}
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void watch(u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (u64)memory, PAGES * PAGE },
		.mode = mode,
	};

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		test_skip("userfaultfd: %s", errno_name(errno));
	CHECK_OK(ioctl(uffd, UFFDIO_API, &api));
	CHECK_OK(ioctl(uffd, UFFDIO_REGISTER, &range));
}

static u64 value_of(u64 page)
{
	return 1000 + page * page;
}

static void provide(u64 page)
{
	u64 content[PAGE / 8] = { value_of(page) };
	struct uffdio_copy copy = {
		.dst = (u64)memory + page * PAGE,
		.src = (u64)content,
		.len = PAGE,
	};

	if (ioctl(uffd, UFFDIO_COPY, &copy))
		CHECK_MSG(errno == EEXIST, "%s", errno_name(errno));
}

static void write_protect(u64 page, u64 pages, bool on)
{
	struct uffdio_writeprotect protect = {
		.range = { (u64)memory + page * PAGE, pages * PAGE },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	CHECK_OK(ioctl(uffd, UFFDIO_WRITEPROTECT, &protect));
}

/* The next fault's page; the flags of it. */
static u64 next_fault(u64 *flags)
{
	struct pollfd event = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	do {
		CHECK_EQ(poll(&event, 1, 20000), 1);
	} while (read(uffd, &msg, sizeof(msg)) != sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	*flags = msg.arg.pagefault.flags;
	return (msg.arg.pagefault.address - (u64)memory) / PAGE;
}

static void *provider(void *unused)
{
	u64 flags;

	while (handled < PAGES) {
		provide(next_fault(&flags));
		handled++;
	}
	return NULL;
}

static u64 sum_of_values(void)
{
	u64 page, sum = 0;

	for (page = 0; page < PAGES; page++)
		sum += value_of(page);
	return sum;
}

/* The guest, at a slot whose memory is watched. */
static void start(u64 add, u8 *at)
{
	guest_start(&vm, &vcpu, 0, guest_walk, add);
	memory = at;
	CHECK(memory != MAP_FAILED);
	CHECK_OK(madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE));
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, PAGES * PAGE, memory));
}

static u8 *anonymous(void)
{
	return mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static u8 *shared(void)
{
	int fd = memfd_create("guest", 0);

	CHECK_OK(ftruncate(fd, PAGES * PAGE));
	return mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* As after a migration: each page comes when the guest asks for it, once. */
static void check_missing(u64 add)
{
	pthread_t thread;
	u64 page;

	watch(UFFDIO_REGISTER_MODE_MISSING);
	CHECK_EQ(pthread_create(&thread, NULL, provider, NULL), 0);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values());
	CHECK_EQ(pthread_join(thread, NULL), 0);
	for (page = 0; page < PAGES; page++)
		CHECK_EQ(*(volatile u64 *)(memory + page * PAGE), value_of(page) + add);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values() + add * PAGES);
	CHECK_EQ(handled, PAGES);
}

TEST(missing_read)
{
	start(0, anonymous());
	check_missing(0);
}

TEST(missing_written)
{
	start(5, anonymous());
	check_missing(5);
}

TEST(missing_in_shmem)
{
	start(5, shared());
	check_missing(5);
}

/* What the guest has had, and the host then dropped, is missing again. */
TEST(missing_again)
{
	pthread_t thread;

	start(5, anonymous());
	check_missing(5);
	CHECK_OK(madvise(memory, PAGES * PAGE, MADV_DONTNEED));
	handled = 0;
	CHECK_EQ(pthread_create(&thread, NULL, provider, NULL), 0);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values());
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* A snapshot of a running guest: each page is saved as it was, before its first write goes on. */
static u64 saved[PAGES];

static void *saver(void *unused)
{
	u64 flags, page;

	while (handled < PAGES) {
		page = next_fault(&flags);
		CHECK(flags & UFFD_PAGEFAULT_FLAG_WP);
		CHECK_EQ(saved[page], 0);
		saved[page] = *(volatile u64 *)(memory + page * PAGE);
		sleep_ms(page % 8 ? 0 : 2);
		CHECK_EQ(*(volatile u64 *)(memory + page * PAGE), saved[page]);
		handled++;
		write_protect(page, 1, false);
	}
	return NULL;
}

TEST(write_protected)
{
	pthread_t thread;
	u64 page;

	start(3, anonymous());
	for (page = 0; page < PAGES; page++)
		*(volatile u64 *)(memory + page * PAGE) = value_of(page);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values()); /* writable, and mapped so */
	watch(UFFDIO_REGISTER_MODE_WP);
	write_protect(0, PAGES, true);
	CHECK_EQ(pthread_create(&thread, NULL, saver, NULL), 0);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values() + 3 * PAGES);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	for (page = 0; page < PAGES; page++) {
		CHECK_EQ(saved[page], value_of(page) + 3);
		CHECK_EQ(*(volatile u64 *)(memory + page * PAGE), value_of(page) + 6);
	}
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values() + 6 * PAGES);
}

/* Reading is not held up by write protection. */
TEST(write_protected_read)
{
	u64 page;

	start(0, anonymous());
	for (page = 0; page < PAGES; page++)
		*(volatile u64 *)(memory + page * PAGE) = value_of(page);
	watch(UFFDIO_REGISTER_MODE_WP);
	write_protect(0, PAGES, true);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values());
}

/* --- a vCPU that waits --- */

static volatile bool signalled;

static void on_signal(int number)
{
	signalled = true;
}

static int blocked_errno;

static void *run_once(void *unused)
{
	/* It may also end early for work of the host's. */
	do
		blocked_errno = ioctl(vcpu.fd, KVM_RUN, 0) < 0 ? errno : 0;
	while (blocked_errno == EINTR && !signalled);
	return NULL;
}

/* Older kernels' KVM waits until it is killed. */
static void need_interruptible(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	CHECK_OK(uname(&name));
	sscanf(name.release, "%u.%u", &major, &minor);
	if (device_is_kvm() && (major < 6 || (major == 6 && minor < 3)))
		test_skip("KVM of %u.%u waits", major, minor);
}

TEST(interrupted_by_a_signal)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread, helper;
	u64 flags;

	need_interruptible();
	sigaction(SIGUSR1, &action, NULL);
	start(5, anonymous());
	watch(UFFDIO_REGISTER_MODE_MISSING);
	CHECK_EQ(pthread_create(&thread, NULL, run_once, NULL), 0);
	CHECK_EQ(next_fault(&flags), 0);
	CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(blocked_errno, EINTR);
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_INTR);
	/* The access is not lost: it comes again. */
	provide(0);
	handled = 1;
	CHECK_EQ(pthread_create(&helper, NULL, provider, NULL), 0);
	CHECK_EQ(vcpu_sync(&vcpu), sum_of_values());
	CHECK_EQ(pthread_join(helper, NULL), 0);
}

TEST(killed_while_waiting)
{
	int ready[2], status;
	char byte = 0;
	pid_t pid;

	CHECK_OK(pipe(ready));
	pid = fork();
	if (!pid) {
		pthread_t thread;
		u64 flags;

		start(5, anonymous());
		watch(UFFDIO_REGISTER_MODE_MISSING);
		CHECK_EQ(pthread_create(&thread, NULL, run_once, NULL), 0);
		next_fault(&flags);
		CHECK_EQ(write(ready[1], &byte, 1), 1);
		for (;;)
			pause();
	}
	CHECK(pid > 0);
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Nobody else waits for a vCPU that waits: slots come and go. KVM makes them wait. */
TEST(slots_change_meanwhile, .vmm_only = true)
{
	pthread_t thread, helper;
	u64 flags;

	start(5, anonymous());
	watch(UFFDIO_REGISTER_MODE_MISSING);
	CHECK_EQ(pthread_create(&thread, NULL, run_once, NULL), 0);
	CHECK_EQ(next_fault(&flags), 0);
	vm_add_memory(&vm, 2, GPA + 0x1000000, PAGE);
	CHECK_OK(vm_set_slot(&vm, 2, 0, GPA + 0x1000000, 0, NULL));
	provide(0);
	handled = 1;
	CHECK_EQ(pthread_create(&helper, NULL, provider, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(pthread_join(helper, NULL), 0);
	CHECK_EQ(blocked_errno, 0);
}
