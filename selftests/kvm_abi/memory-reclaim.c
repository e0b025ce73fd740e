// SPDX-License-Identifier: GPL-2.0-only
/* The host moves pages of a guest that runs: to swap and back, together with equal ones (KSM), to other frames. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x40000000UL
#define PAGE 4096UL
#define PAGES 64UL
#define KSM "/sys/kernel/mm/ksm/"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;
static pthread_t thread;
static volatile u64 rounds, stop;

#define WORD(page) (*(volatile u64 *)(memory + (page)*PAGE))

/* Counts in the first `pages` of them: no store of any round may be lost. */
static void guest_count(u64 pages)
{
	u64 page, round;

	guest_interruptible();
	for (round = 1; !stop; round++) {
		for (page = 0; page < pages; page++) {
			volatile u64 *word = (u64 *)(GPA + page * PAGE);

			GUEST_CHECK_EQ(*word, round - 1);
			*word = round;
		}
		rounds = round;
	}
	guest_done(rounds);
}

/* Reads the same value in all of them. */
static void guest_compare(u64 value)
{
	u64 page;

	guest_interruptible();
	while (!stop) {
		for (page = 0; page < PAGES; page++)
			GUEST_CHECK_EQ(*(volatile u64 *)(GPA + page * PAGE + 64), value);
		rounds++;
	}
	for (page = 0; page < PAGES; page++)
		*(volatile u64 *)(GPA + page * PAGE + 64) += page;
	guest_done(0);
}

static u64 result;

static void *run_to_done(void *unused)
{
	result = vcpu_done(&vcpu);
	return NULL;
}

static u64 guest_rounds(void)
{
	return *(volatile u64 *)vm_global(&vm, &rounds);
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void wait_rounds(u64 more)
{
	u64 target = guest_rounds() + more;
	int i;

	for (i = 0; i < 20000 && guest_rounds() < target; i++)
		sleep_ms(1);
	CHECK_MSG(guest_rounds() >= target, "the guest does not run");
}

static void start(void (*entry)(u64), u64 arg, u8 *at)
{
	guest_start(&vm, &vcpu, 0, entry, arg);
	memory = at;
	CHECK(memory != MAP_FAILED);
	CHECK_OK(madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE));
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, PAGES * PAGE, memory));
}

static void go(void)
{
	CHECK_EQ(pthread_create(&thread, NULL, run_to_done, NULL), 0);
	wait_rounds(1);
}

static void finish(void)
{
	*(volatile u64 *)vm_global(&vm, &stop) = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void check_counted(u64 pages)
{
	u64 page;

	for (page = 0; page < pages; page++)
		CHECK_EQ(WORD(page), result);
}

static u8 *map(int flags, int fd)
{
	return mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static u8 *anonymous(void)
{
	return map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Pages with that bit in /proc/self/pagemap. */
static u64 pagemap(unsigned int bit)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entry[PAGES], page, n = 0;

	CHECK_EQ(pread(fd, entry, sizeof(entry), (u64)memory / PAGE * 8), sizeof(entry));
	close(fd);
	for (page = 0; page < PAGES; page++)
		n += entry[page] >> bit & 1;
	return n;
}

#define PAGEMAP_SWAPPED 62
#define PAGEMAP_SOFT_DIRTY 55

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text));
	close(fd);
	return ret;
}

static u64 read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	CHECK_MSG(fd >= 0, "%s: %s", path, errno_name(errno));
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoull(text, NULL, 10);
}

/* A RAM disk of the host as its swap: what mkswap writes is a page that ends in a name. */
static void need_swap(void)
{
	struct {
		u8 boot[1024];
		u32 version, last_page, nr_bad;
		u8 unused[PAGE - 1024 - 3 * 4 - 10];
		char magic[10];
	} __attribute__((packed)) header = { .version = 1, .last_page = 4095 };
	int fd = open("/dev/ram0", O_RDWR);

	if (fd < 0)
		test_skip("no RAM disk");
	memcpy(header.magic, "SWAPSPACE2", 10);
	CHECK_EQ(sizeof(header), PAGE);
	/* Busy: a test before has done it. */
	if (swapon("/dev/ram0", 0) && errno != EBUSY) {
		CHECK_EQ(pwrite(fd, &header, PAGE, 0), PAGE);
		CHECK_OK(fsync(fd));
		CHECK_OK(swapon("/dev/ram0", 0));
	}
	close(fd);
}

static void check_swapped_while_running(u8 *at)
{
	int i;

	need_swap();
	start(guest_count, PAGES, at);
	go();
	for (i = 0; i < 20; i++) {
		CHECK_OK(madvise(memory, PAGES * PAGE, MADV_PAGEOUT));
		wait_rounds(1);
	}
	finish();
	check_counted(PAGES);
}

TEST(swapped_while_running, .timeout = 60)
{
	check_swapped_while_running(anonymous());
}

TEST(shmem_swapped_while_running, .timeout = 60)
{
	int fd = memfd_create("guest", 0);

	CHECK_OK(ftruncate(fd, PAGES * PAGE));
	check_swapped_while_running(map(MAP_SHARED, fd));
}

/* It was really gone: and comes back as it was, for the guest's first touch. */
TEST(swapped_out_and_in)
{
	u64 page;

	need_swap();
	start(guest_compare, 7, anonymous());
	for (page = 0; page < PAGES; page++)
		*(volatile u64 *)(memory + page * PAGE + 64) = 7;
	go();
	finish();
	for (page = 0; page < PAGES; page++)
		*(volatile u64 *)(memory + page * PAGE + 64) = 7;
	/* The RAM disk writes at once, but a page under writeback stays: more than once. */
	for (page = 0; page < 50 && pagemap(PAGEMAP_SWAPPED) < PAGES; page++) {
		CHECK_OK(madvise(memory, PAGES * PAGE, MADV_PAGEOUT));
		sleep_ms(2);
	}
	CHECK_EQ(pagemap(PAGEMAP_SWAPPED), PAGES);
	*(volatile u64 *)vm_global(&vm, &stop) = 0;
	vcpu_set_long_mode(&vcpu, guest_compare, 7);
	go();
	finish();
	for (page = 0; page < PAGES; page++)
		CHECK_EQ(*(volatile u64 *)(memory + page * PAGE + 64), 7 + page);
}

static u64 shared_pages(void)
{
	return read_number(KSM "pages_sharing");
}

/* Equal pages become one while the guest reads them; its first store to each makes two of them again. */
TEST(merged_and_unshared, .timeout = 60)
{
	u64 page;
	int i;

	if (write_text(KSM "sleep_millisecs", "1") < 0)
		test_skip("no KSM");
	CHECK(write_text(KSM "pages_to_scan", "1000") > 0);
	start(guest_compare, 0x1234, anonymous());
	for (page = 0; page < PAGES; page++) {
		memset(memory + page * PAGE, 0x5a, PAGE);
		*(volatile u64 *)(memory + page * PAGE + 64) = 0x1234;
	}
	CHECK_OK(madvise(memory, PAGES * PAGE, MADV_MERGEABLE));
	go();
	CHECK(write_text(KSM "run", "1") > 0);
	for (i = 0; i < 10000 && shared_pages() < PAGES - 1; i++)
		sleep_ms(1);
	wait_rounds(2);
	CHECK_MSG(shared_pages() >= PAGES - 1, "%llu shared", (unsigned long long)shared_pages());
	CHECK(write_text(KSM "run", "0") > 0);
	finish();
	for (page = 0; page < PAGES; page++)
		CHECK_EQ(*(volatile u64 *)(memory + page * PAGE + 64), 0x1234 + page);
}

/* Merging and breaking all the time: a store that went to a shared page would show in the others. */
TEST(merged_while_running, .timeout = 60)
{
	int i;

	if (write_text(KSM "sleep_millisecs", "1") < 0)
		test_skip("no KSM");
	CHECK(write_text(KSM "pages_to_scan", "1000") > 0);
	start(guest_count, PAGES, anonymous());
	CHECK_OK(madvise(memory, PAGES * PAGE, MADV_MERGEABLE));
	CHECK(write_text(KSM "run", "1") > 0);
	go();
	for (i = 0; i < 20; i++) {
		sleep_ms(10);
		wait_rounds(1);
	}
	CHECK(write_text(KSM "run", "0") > 0);
	finish();
	check_counted(PAGES);
}

/* The host packs its memory: pages move to other frames. */
TEST(compacted_while_running, .timeout = 60)
{
	int i;

	start(guest_count, PAGES, anonymous());
	go();
	for (i = 0; i < 3; i++) {
		if (write_text("/proc/sys/vm/compact_memory", "1") < 0)
			break;
		wait_rounds(1);
	}
	finish();
	check_counted(PAGES);
}

/* The host's own tracking of writes has the guest's. */
TEST(soft_dirty)
{
	u64 before;

	start(guest_count, PAGES / 2, anonymous());
	memset(memory, 0, PAGES * PAGE);
	go();
	before = pagemap(PAGEMAP_SOFT_DIRTY);
	if (before != PAGES)
		test_skip("not tracked");
	CHECK(write_text("/proc/self/clear_refs", "4") > 0);
	wait_rounds(3);
	finish();
	check_counted(PAGES / 2);
	CHECK_EQ(pagemap(PAGEMAP_SOFT_DIRTY), PAGES / 2);
}

/* A file of a file system: what the guest stores in a shared mapping is the file's, in a private one is not. */
static void check_file(int flags)
{
	int fd = open("guest-memory", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), i;
	u64 page, value;

	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, PAGES * PAGE));
	start(guest_count, PAGES, map(flags, fd));
	go();
	for (i = 0; i < 5; i++) {
		CHECK_OK(fsync(fd));
		madvise(memory, PAGES * PAGE, MADV_PAGEOUT);
		wait_rounds(1);
	}
	finish();
	check_counted(PAGES);
	for (page = 0; page < PAGES; page++) {
		CHECK_EQ(pread(fd, &value, 8, page * PAGE), 8);
		CHECK_EQ(value, flags == MAP_SHARED ? result : 0);
	}
	CHECK_OK(unlink("guest-memory"));
}

TEST(file_shared)
{
	check_file(MAP_SHARED);
}

TEST(file_private)
{
	check_file(MAP_PRIVATE);
}
