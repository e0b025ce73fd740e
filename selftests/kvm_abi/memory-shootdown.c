// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page is taken from a guest that runs on another CPU and makes no exit of its own: what it sees and
 * what it writes from then on. Needs a host with two CPUs. The emulators of both hosts forget all
 * translations at each exit, so there the exit that the host's own flush causes is as good as ours;
 * a processor with ASIDs or VPIDs is not so kind.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x10000000UL
#define PAGE 4096UL
#define HUGE 0x200000UL

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;
static pthread_t thread;

/* The guest's reports, in the image's memory, which nobody takes away. */
static volatile u64 seen, laps, stop, watch;

/* Reads the word again and again and says what it saw last. */
static void guest_watch(u64 arg)
{
	guest_interruptible();
	while (!stop) {
		seen = *(volatile u64 *)watch;
		laps++;
	}
}

/* Writes it again and again. */
static void guest_store(u64 arg)
{
	guest_interruptible();
	while (!stop) {
		*(volatile u64 *)watch = laps;
		laps++;
	}
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
}

/* EFAULT is what a store to a page that may only be read ends with: it is tried until it may. */
static void *runner(void *argument)
{
	int ret;

	pin(1);
	do
		ret = ioctl(vcpu.fd, KVM_RUN, 0);
	while (ret < 0 && (errno == EFAULT || errno == EINTR));
	CHECK_MSG(!ret, "KVM_RUN: %s", errno_name(errno));
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, PORT_DONE);
	return NULL;
}

static u64 guest_laps(void)
{
	return *(volatile u64 *)vm_global(&vm, &laps);
}

static void start(void (*entry)(u64), u64 size)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		test_skip("needs a second CPU");
	pin(0);
	memory =
		mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory = (u8 *)(((u64)memory + HUGE - 1) & ~(HUGE - 1));
	if (size >= HUGE)
		madvise(memory, size, MADV_HUGEPAGE);
	watch = GPA;
	guest_start(&vm, &vcpu, 0, entry, 0);
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, size, memory));
	CHECK_EQ(pthread_create(&thread, NULL, runner, NULL), 0);
	while (!guest_laps())
		sched_yield();
}

static void finish(void)
{
	*(volatile u64 *)vm_global(&vm, &stop) = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void check_guest_sees(u64 value)
{
	int i;

	for (i = 0; i < 2000 && *(volatile u64 *)vm_global(&vm, &seen) != value; i++)
		sleep_ms(1);
	CHECK_EQ(*(volatile u64 *)vm_global(&vm, &seen), value);
}

#define WORD (*(volatile u64 *)memory)

static void check_replaced(u64 size)
{
	u64 i;

	start(guest_watch, size);
	for (i = 1; i <= 8; i++) {
		WORD = i;
		check_guest_sees(i);
		CHECK_OK(madvise(memory, PAGE, MADV_DONTNEED));
		WORD = 100 + i; /* in another page */
		check_guest_sees(100 + i);
	}
	finish();
}

TEST(dropped_page)
{
	check_replaced(16 * PAGE);
}

TEST(dropped_page_of_a_huge_one)
{
	check_replaced(2 * HUGE);
}

/* The shared zero page, which the guest only reads, gives way to the first store of the host. */
TEST(zero_page)
{
	start(guest_watch, 16 * PAGE);
	check_guest_sees(0);
	sleep_ms(5);
	WORD = 77;
	check_guest_sees(77);
	finish();
}

TEST(mapped_over)
{
	int i;

	start(guest_watch, 16 * PAGE);
	for (i = 1; i <= 5; i++) {
		CHECK(mmap(memory, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory);
		WORD = 1000 + i;
		check_guest_sees(1000 + i);
	}
	finish();
}

/* From the return of mprotect() on the page does not change. */
TEST(write_protected)
{
	u64 value;
	int i;

	start(guest_store, 16 * PAGE);
	for (i = 0; i < 5; i++) {
		u64 before = guest_laps();

		CHECK_OK(mprotect(memory, PAGE, PROT_READ));
		value = WORD;
		sleep_ms(5);
		CHECK_EQ(WORD, value);
		CHECK_OK(mprotect(memory, PAGE, PROT_READ | PROT_WRITE));
		while (guest_laps() < before + 2)
			sched_yield();
	}
	finish();
}

/* fork(): the child's page stands still while the guest goes on in the parent's. */
TEST(snapshot_by_fork)
{
	int i, status;

	start(guest_store, 16 * PAGE);
	for (i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid) {
			u64 value = WORD;

			sleep_ms(10);
			_exit(WORD != value);
		}
		CHECK(pid > 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_MSG(status == 0, "the guest wrote to the child's page");
	}
	finish();
}

/* mremap() carries the page away: the guest's stores do not follow it. */
TEST(moved_away)
{
	u8 *elsewhere;
	u64 value;

	start(guest_store, 16 * PAGE);
	elsewhere = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(memory, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
	value = *(volatile u64 *)elsewhere;
	sleep_ms(10);
	CHECK_EQ(*(volatile u64 *)elsewhere, value);
	CHECK(mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0) == memory);
	finish();
	CHECK_EQ(*(volatile u64 *)elsewhere, value);
}

/* A file that is cut short: its page is free for others at once. */
TEST(truncated)
{
	int fd = memfd_create("file", 0);
	u64 value;
	int i;

	CHECK_OK(ftruncate(fd, PAGE));
	start(guest_watch, 16 * PAGE);
	CHECK(mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == memory);
	for (i = 1; i <= 5; i++) {
		WORD = i;
		check_guest_sees(i);
		CHECK_OK(ftruncate(fd, 0));
		CHECK_OK(ftruncate(fd, PAGE));
		value = 100 + i;
		CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
		check_guest_sees(100 + i);
	}
	finish();
}
