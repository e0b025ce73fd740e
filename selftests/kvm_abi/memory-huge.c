// SPDX-License-Identifier: GPL-2.0-only
/* Large mappings: there where host memory is huge, split where a page of them has to be told apart, and back after. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x40000000UL
#define PAGE 4096UL
#define HUGE 0x200000UL
#define HUGE_PAGES (HUGE / PAGE)
#define BLOCKS 3UL
#define SIZE (BLOCKS * HUGE)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;

/* What the guest is to do next: add to a word in each page of a range, or only read it. */
static volatile u64 first_page, last_page, addend, sum;

static void guest_obey(u64 arg)
{
	u64 page;

	for (;;) {
		sum = 0;
		for (page = first_page; page < last_page; page++) {
			volatile u64 *word = (u64 *)(GPA + page * PAGE);

			if (addend)
				*word += addend;
			sum += *word;
		}
		guest_sync(sum);
	}
}

static u64 visit(u64 first, u64 last, u64 add)
{
	GUEST_VAR(&vm, first_page) = first;
	GUEST_VAR(&vm, last_page) = last;
	GUEST_VAR(&vm, addend) = add;
	return vcpu_sync(&vcpu);
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

/* How many mappings of that size (0: 4 KiB, 1: 2 MiB, 2: 1 GiB) there are now. */
static u64 leaves(int size)
{
	static const char *const names[] = { "4k", "2m", "1g" };
	char path[80], line[512];
	u64 now[3];
	FILE *file;
	int pid;

	if (device_is_kvm()) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/pages_%s", getpid(),
			 vm.fd, names[size]);
		return read_number(path);
	}
	file = fopen("/sys/kernel/debug/vmm/memory", "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%d %*u %*u %*u %*u %*u %*u %*u %*u %*u %lu %lu %lu", &pid,
			   &now[0], &now[1], &now[2]) == 4 &&
		    pid == getpid()) {
			fclose(file);
			return now[size];
		}
	}
	FAIL("no counters");
}

static void set_flags(u32 flags)
{
	CHECK_OK(vm_set_slot(&vm, 1, flags, GPA, SIZE, memory));
}

/* At an address that large mappings need. */
static u8 *reserve(u64 size, u64 align)
{
	u8 *area = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);

	CHECK(area != MAP_FAILED);
	return (u8 *)(((u64)area + align - 1) & -align);
}

static u8 *map_at(u8 *where, u64 size, int flags, int fd)
{
	u8 *area = mmap(where, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);

	CHECK_MSG(area == where, "%s", errno_name(errno));
	return area;
}

/* The guest runs, and has touched what it runs on, before anything is counted. */
static void start(void)
{
	guest_start(&vm, &vcpu, 0, guest_obey, 0);
	visit(0, 0, 0);
}

static void start_with_thp(void)
{
	start();
	memory = map_at(reserve(SIZE, HUGE), SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	CHECK_OK(madvise(memory, SIZE, MADV_HUGEPAGE));
	memset(memory, 0, SIZE);
	set_flags(0);
}

static void check_words(u64 first, u64 last, u64 value)
{
	u64 page;

	for (page = first; page < last; page++)
		CHECK_EQ(*(volatile u64 *)(memory + page * PAGE), value);
}

/* Each block is one mapping, made by the first touch. */
static void check_huge(void)
{
	u64 before = leaves(1), small;

	visit(7, 8, 1);
	CHECK_EQ(leaves(1), before + 1);
	small = leaves(0); /* with the guest's page table for this */
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(leaves(1), before + BLOCKS);
	CHECK_EQ(leaves(0), small);
	CHECK_EQ(*(volatile u64 *)(memory + 7 * PAGE), 2);
	check_words(8, SIZE / PAGE, 1);
}

TEST(transparent)
{
	start_with_thp();
	check_huge();
}

static u64 bitmap[SIZE / PAGE / 64];

static unsigned int get_log(void)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	unsigned int i, n = 0;

	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < SIZE / PAGE; i++)
		n += bitmap[i / 64] >> i % 64 & 1;
	return n;
}

static bool logged(u64 page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* The log names single pages; who only reads, and who stopped logging, has large mappings. */
TEST(split_for_the_log_and_merged)
{
	u64 huge;

	start_with_thp();
	visit(0, SIZE / PAGE, 1);
	huge = leaves(1);
	set_flags(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(visit(0, SIZE / PAGE, 0), SIZE / PAGE);
	/* KVM may split all at once. */
	if (!device_is_kvm())
		CHECK_EQ(leaves(1), huge);
	CHECK_EQ(get_log(), 0);
	visit(5, 6, 1);
	visit(HUGE_PAGES + 9, HUGE_PAGES + 11, 1);
	CHECK_EQ(get_log(), 3);
	CHECK(logged(5) && logged(HUGE_PAGES + 9) && logged(HUGE_PAGES + 10));
	if (!device_is_kvm())
		CHECK_EQ(leaves(1), huge - 2);
	visit(5, 7, 1);
	CHECK_EQ(get_log(), 2);
	CHECK(logged(5) && logged(6));
	CHECK_EQ(visit(0, SIZE / PAGE, 0), SIZE / PAGE + 5);

	set_flags(0);
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(leaves(1), huge);
	check_words(0, 5, 2);
	CHECK_EQ(*(volatile u64 *)(memory + 5 * PAGE), 4);
	check_words(HUGE_PAGES + 11, SIZE / PAGE, 2);
}

/* With all pages dirty at first nothing has to be split until something is cleared. */
TEST(split_as_the_log_is_cleared)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	};
	struct kvm_clear_dirty_log clear = {
		.slot = 1, .first_page = 64, .num_pages = 64, .dirty_bitmap = bitmap
	};
	u64 huge;

	start_with_thp();
	CHECK_OK(ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	visit(0, SIZE / PAGE, 1);
	huge = leaves(1);
	set_flags(KVM_MEM_LOG_DIRTY_PAGES);
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(leaves(1), huge);
	CHECK_EQ(get_log(), SIZE / PAGE);
	CHECK_OK(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &clear));
	CHECK_EQ(get_log(), SIZE / PAGE - 64);
	visit(70, 73, 1);
	CHECK_EQ(leaves(1), huge - 1);
	CHECK_EQ(get_log(), SIZE / PAGE - 61);
	CHECK(!logged(69) && logged(70) && logged(72) && !logged(73));
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(get_log(), SIZE / PAGE);
	set_flags(0);
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(leaves(1), huge);
	check_words(0, 70, 4);
	check_words(70, 73, 5);
	check_words(73, SIZE / PAGE, 4);
}

/* The host takes one page away: the others go on, small; and puts all together again. */
TEST(collapsed_by_the_host)
{
	u64 huge;

	start_with_thp();
	visit(0, SIZE / PAGE, 1);
	huge = leaves(1);
	CHECK_OK(madvise(memory + 3 * PAGE, PAGE, MADV_DONTNEED));
	visit(0, HUGE_PAGES, 1);
	CHECK_EQ(leaves(1), huge - 1);
	CHECK_EQ(*(volatile u64 *)(memory + 3 * PAGE), 1);
	check_words(4, HUGE_PAGES, 2);
	if (madvise(memory, HUGE, MADV_COLLAPSE))
		test_skip("MADV_COLLAPSE: %s", errno_name(errno));
	visit(0, HUGE_PAGES, 1);
	CHECK_EQ(leaves(1), huge);
	CHECK_EQ(*(volatile u64 *)(memory + 3 * PAGE), 2);
	check_words(4, HUGE_PAGES, 3);
}

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		test_skip("%s: %s", path, errno_name(errno));
	close(fd);
}

TEST(hugetlb_private)
{
	write_text(POOL, "8");
	start();
	memory = map_at(reserve(SIZE, HUGE), SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	set_flags(0);
	check_huge();
	/* Dropped as a whole. */
	CHECK_OK(madvise(memory + HUGE, HUGE, MADV_DONTNEED));
	CHECK_EQ(visit(HUGE_PAGES, 2 * HUGE_PAGES, 1), HUGE_PAGES);
	check_words(HUGE_PAGES, 2 * HUGE_PAGES, 1);
}

/* A file in hugetlbfs: another mapping sees the same; a hole is zero. */
TEST(hugetlb_shared)
{
	int fd = memfd_create("huge", MFD_HUGETLB);
	u8 *other;

	write_text(POOL, "8");
	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, SIZE));
	start();
	memory = map_at(reserve(SIZE, HUGE), SIZE, MAP_SHARED, fd);
	other = map_at(reserve(SIZE, HUGE), SIZE, MAP_SHARED, fd);
	set_flags(0);
	check_huge();
	*(volatile u64 *)(other + HUGE) = 100;
	CHECK_EQ(visit(HUGE_PAGES, HUGE_PAGES + 1, 1), 101);
	CHECK_EQ(*(volatile u64 *)(other + HUGE), 101);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HUGE, HUGE));
	CHECK_EQ(visit(HUGE_PAGES, HUGE_PAGES + 1, 1), 1);
	CHECK_EQ(*(volatile u64 *)(other + HUGE), 1);
	CHECK_OK(ftruncate(fd, HUGE));
	GUEST_VAR(&vm, first_page) = HUGE_PAGES;
	GUEST_VAR(&vm, last_page) = HUGE_PAGES + 1;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	check_words(8, HUGE_PAGES, 1);
}

/* The log of hugetlb memory, whose pages the host never splits. */
TEST(hugetlb_split_and_merged)
{
	u64 huge;

	write_text(POOL, "8");
	start();
	memory = map_at(reserve(SIZE, HUGE), SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	set_flags(KVM_MEM_LOG_DIRTY_PAGES);
	huge = leaves(1);
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(leaves(1), huge);
	CHECK_EQ(get_log(), SIZE / PAGE);
	visit(600, 601, 1);
	CHECK_EQ(get_log(), 1);
	CHECK(logged(600));
	set_flags(0);
	visit(0, SIZE / PAGE, 1);
	CHECK_EQ(leaves(1), huge + BLOCKS);
	check_words(0, 600, 2);
	check_words(601, SIZE / PAGE, 2);
}

#define SHMEM_THP "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

TEST(shmem)
{
	int fd = memfd_create("shmem", 0);
	u8 *other;

	write_text(SHMEM_THP, "advise");
	CHECK_OK(ftruncate(fd, SIZE));
	start();
	memory = map_at(reserve(SIZE, HUGE), SIZE, MAP_SHARED, fd);
	other = map_at(reserve(SIZE, HUGE), SIZE, MAP_SHARED, fd);
	CHECK_OK(madvise(memory, SIZE, MADV_HUGEPAGE));
	set_flags(0);
	check_huge();
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9 * PAGE, PAGE));
	*(volatile u64 *)(other + 10 * PAGE) = 50;
	CHECK_EQ(visit(9, 11, 1), 1 + 51);
	CHECK_EQ(*(volatile u64 *)(other + 9 * PAGE), 1);
	CHECK_EQ(*(volatile u64 *)(other + 10 * PAGE), 51);
	check_words(11, SIZE / PAGE, 1);
}
