// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host memory that changes under a guest: what the guest sees afterwards is what the host's page
 * tables say, never the page of before.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x10000000UL
#define PAGE 4096UL
#define PAGES 16UL

/* Reads (bit 0 clear) or increments (bit 0 set) the word at each address that the host puts here. */
static volatile u64 command;

static void guest_serve(u64 arg)
{
	for (;;) {
		volatile u64 *word = (u64 *)(command & ~1UL);

		if (command & 1)
			(*word)++;
		guest_sync(*word);
	}
}

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;

static void setup(void)
{
	guest_start(&vm, &vcpu, 0, guest_serve, 0);
	memory = vm_add_memory(&vm, 1, GPA, PAGES * PAGE);
}

static u64 guest_read(u64 offset)
{
	GUEST_VAR(&vm, command) = GPA + offset;
	return vcpu_sync(&vcpu);
}

static u64 guest_increment(u64 offset)
{
	GUEST_VAR(&vm, command) = (GPA + offset) | 1;
	return vcpu_sync(&vcpu);
}

#define WORD(page) (*(volatile u64 *)(memory + (page)*PAGE))

TEST(both_see_each_others_stores)
{
	setup();
	WORD(3) = 40;
	CHECK_EQ(guest_read(3 * PAGE), 40);
	CHECK_EQ(guest_increment(3 * PAGE), 41);
	CHECK_EQ(WORD(3), 41);
	WORD(3) = 7;
	CHECK_EQ(guest_increment(3 * PAGE), 8);
	/* First touched by the guest, reading: zero; then by the host. */
	CHECK_EQ(guest_read(5 * PAGE), 0);
	WORD(5) = 99;
	CHECK_EQ(guest_read(5 * PAGE), 99);
	/* First touched by the guest, writing. */
	CHECK_EQ(guest_increment(6 * PAGE), 1);
	CHECK_EQ(WORD(6), 1);
}

TEST(madvise_dontneed)
{
	setup();
	CHECK_EQ(guest_increment(2 * PAGE), 1);
	CHECK_EQ(guest_increment(3 * PAGE), 1);
	CHECK_OK(madvise(memory + 2 * PAGE, PAGE, MADV_DONTNEED));
	CHECK_EQ(guest_read(2 * PAGE), 0);
	CHECK_EQ(guest_read(3 * PAGE), 1);
	CHECK_EQ(guest_increment(2 * PAGE), 1);
	CHECK_EQ(WORD(2), 1);
}

TEST(munmap_and_map_again)
{
	setup();
	CHECK_EQ(guest_increment(PAGE), 1);
	CHECK_OK(munmap(memory + PAGE, PAGE));
	GUEST_VAR(&vm, command) = GPA + PAGE;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK(mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	WORD(1) = 0x1234;
	CHECK_EQ(guest_read(PAGE), 0x1234);
}

TEST(mprotect_to_readonly_and_none)
{
	setup();
	CHECK_EQ(guest_increment(PAGE), 1);
	CHECK_OK(mprotect(memory, PAGES * PAGE, PROT_READ));
	CHECK_EQ(guest_read(PAGE), 1);
	GUEST_VAR(&vm, command) = (GPA + PAGE) | 1;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_EQ(WORD(1), 1);
	CHECK_OK(mprotect(memory, PAGES * PAGE, PROT_NONE));
	GUEST_VAR(&vm, command) = GPA + 2 * PAGE;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_OK(mprotect(memory, PAGES * PAGE, PROT_READ | PROT_WRITE));
	CHECK_EQ(vcpu_sync(&vcpu), 2); /* the increment that was refused */
	CHECK_EQ(guest_read(2 * PAGE), 0);
}

TEST(mremap_moves_away)
{
	u8 *elsewhere;

	setup();
	CHECK_EQ(guest_increment(4 * PAGE), 1);
	elsewhere = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(memory + 4 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) ==
	      elsewhere);
	GUEST_VAR(&vm, command) = (GPA + 4 * PAGE) | 1;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_EQ(*(volatile u64 *)elsewhere, 1);
	/* And back. */
	CHECK(mremap(elsewhere, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 4 * PAGE) ==
	      memory + 4 * PAGE);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

/* After fork() parent and child share pages until one writes: the guest is the parent's. */
TEST(fork_copy_on_write)
{
	int to_child[2], to_parent[2], status;
	char byte = 0;
	pid_t pid;

	setup();
	CHECK_EQ(guest_increment(PAGE), 1);
	WORD(2) = 20;
	CHECK_EQ(guest_read(2 * PAGE), 20);
	CHECK_OK(pipe(to_child));
	CHECK_OK(pipe(to_parent));
	pid = fork();
	if (!pid) {
		/* The guest's store after the fork must not show here, nor this one there. */
		CHECK_EQ(read(to_child[0], &byte, 1), 1);
		CHECK_EQ(WORD(1), 1);
		CHECK_EQ(WORD(2), 20);
		WORD(1) = 1000;
		WORD(2) = 2000;
		CHECK_EQ(write(to_parent[1], &byte, 1), 1);
		CHECK_EQ(read(to_child[0], &byte, 1), 1);
		CHECK_EQ(WORD(1), 1000);
		_exit(0);
	}
	CHECK_EQ(guest_increment(PAGE), 2);
	CHECK_EQ(write(to_child[1], &byte, 1), 1);
	CHECK_EQ(read(to_parent[0], &byte, 1), 1);
	CHECK_EQ(guest_read(PAGE), 2);
	CHECK_EQ(WORD(1), 2);
	CHECK_EQ(guest_read(2 * PAGE), 20);
	WORD(2) = 21;
	CHECK_EQ(guest_read(2 * PAGE), 21);
	CHECK_EQ(guest_increment(2 * PAGE), 22);
	CHECK_EQ(WORD(2), 22);
	CHECK_EQ(write(to_child[1], &byte, 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* The guest first reads the shared zero page; a host store replaces it. */
TEST(zero_page_replaced)
{
	u64 i;

	setup();
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(guest_read(i * PAGE), 0);
	for (i = 0; i < PAGES; i++)
		WORD(i) = i + 100;
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(guest_read(i * PAGE), i + 100);
}

/* A private file mapping: read gives the page cache, a guest store a copy. */
TEST(private_file_mapping)
{
	int fd = memfd_create("file", 0);
	u64 value = 77;
	u8 *file;

	setup();
	CHECK_OK(ftruncate(fd, PAGE));
	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	file = mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	CHECK(file == memory);
	CHECK_EQ(guest_read(0), 77);
	CHECK_EQ(guest_increment(0), 78);
	CHECK_EQ(WORD(0), 78);
	CHECK_EQ(pread(fd, &value, 8, 0), 8);
	CHECK_EQ(value, 77);
}

/* A shared file: truncation takes the page away, punching it gives zeroes. */
TEST(shared_file_mapping)
{
	int fd = memfd_create("file", 0);
	u64 value = 0;

	setup();
	CHECK_OK(ftruncate(fd, 2 * PAGE));
	CHECK(mmap(memory, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	      memory);
	CHECK_EQ(guest_increment(0), 1);
	CHECK_EQ(guest_increment(PAGE), 1);
	CHECK_EQ(pread(fd, &value, 8, PAGE), 8);
	CHECK_EQ(value, 1);
	value = 500;
	CHECK_EQ(pwrite(fd, &value, 8, PAGE), 8);
	CHECK_EQ(guest_read(PAGE), 500);
	CHECK_OK(ftruncate(fd, PAGE));
	GUEST_VAR(&vm, command) = GPA + PAGE;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_OK(ftruncate(fd, 2 * PAGE));
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_EQ(guest_read(0), 1);
}

/* Pages that the guest has not touched may be mapped with the one that it has: no later than they change. */
TEST(neighbours)
{
	u8 *elsewhere = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 i;

	setup();
	for (i = 0; i < PAGES; i++)
		WORD(i) = 100 + i;
	CHECK_EQ(guest_read(0), 100);
	CHECK_OK(madvise(memory + PAGE, PAGE, MADV_DONTNEED));
	CHECK_OK(mprotect(memory + 2 * PAGE, PAGE, PROT_READ));
	CHECK(mremap(memory + 3 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) ==
	      elsewhere);
	CHECK(mmap(memory + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	CHECK_EQ(guest_read(PAGE), 0);
	CHECK_EQ(guest_read(2 * PAGE), 102);
	CHECK_EQ(guest_read(4 * PAGE), 0);
	for (i = 5; i < PAGES; i++)
		CHECK_EQ(guest_increment(i * PAGE), 101 + i);
	GUEST_VAR(&vm, command) = (GPA + 2 * PAGE) | 1;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_OK(mprotect(memory + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	CHECK_EQ(vcpu_sync(&vcpu), 103);
	GUEST_VAR(&vm, command) = (GPA + 3 * PAGE) | 1;
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_EQ(*(volatile u64 *)elsewhere, 103);
}

/* --- under a guest that is running meanwhile --- */

static volatile u64 rounds;

/* Each page has a counter that only the guest writes; a page that is dropped starts over at 0. */
static void guest_count(u64 arg)
{
	u64 last[PAGES];
	u32 i;

	guest_interruptible();
	for (i = 0; i < PAGES; i++)
		last[i] = 0;
	for (;;) {
		for (i = 0; i < PAGES; i++) {
			volatile u64 *word = (u64 *)(GPA + i * PAGE);
			u64 value = *word;

			if (value && value != last[i])
				GUEST_CHECK_EQ(value, last[i]);
			last[i] = value + 1;
			*word = value + 1;
		}
		rounds++;
		if (arg && *(volatile u64 *)arg)
			break;
	}
}

static volatile u64 guest_stop;

static void *run_to_done(void *argument)
{
	vcpu_done(argument);
	return NULL;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void wait_rounds(u64 more)
{
	u64 target = GUEST_VAR(&vm, rounds) + more;
	int i;

	for (i = 0; i < 20000 && ((volatile u64 *)vm_global(&vm, &rounds))[0] < target; i++)
		sleep_ms(1);
	CHECK_MSG(((volatile u64 *)vm_global(&vm, &rounds))[0] >= target, "the guest does not run");
}

/*
 * The guest's read and write of a counter are two instructions: a drop between them loses the drop,
 * not the count. Any other value than 0 or its own last one is a stale or foreign page.
 */
TEST(dropped_while_running)
{
	pthread_t thread;
	unsigned int i;

	guest_start(&vm, &vcpu, 0, guest_count, (u64)&guest_stop);
	memory = vm_add_memory(&vm, 1, GPA, PAGES * PAGE);
	CHECK_EQ(pthread_create(&thread, NULL, run_to_done, &vcpu), 0);
	for (i = 0; i < 60; i++) {
		CHECK_OK(madvise(
			memory + i % PAGES * PAGE,
			PAGE * (1 + i % 3) > (PAGES - i % PAGES) * PAGE ? PAGE : PAGE * (1 + i % 3),
			MADV_DONTNEED));
		wait_rounds(1);
	}
	GUEST_VAR(&vm, guest_stop) = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* fork() write-protects everything each time; the guest goes on counting without a loss. */
TEST(forked_while_running)
{
	pthread_t thread;
	unsigned int i;
	int status;

	guest_start(&vm, &vcpu, 0, guest_count, (u64)&guest_stop);
	memory = vm_add_memory(&vm, 1, GPA, PAGES * PAGE);
	CHECK_EQ(pthread_create(&thread, NULL, run_to_done, &vcpu), 0);
	for (i = 0; i < 8; i++) {
		u64 before;
		pid_t pid = fork();

		if (!pid) {
			/* A snapshot does not move. */
			before = WORD(3);
			sleep_ms(5);
			_exit(WORD(3) != before);
		}
		CHECK(pid > 0);
		wait_rounds(2);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	GUEST_VAR(&vm, guest_stop) = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	for (i = 1; i < PAGES; i++)
		CHECK_EQ(WORD(i), WORD(0));
}

/* The process ends while the guest runs: exit_mmap() races with the vCPU's last faults. */
TEST(exit_while_running)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		pthread_t thread;

		guest_start(&vm, &vcpu, 0, guest_count, 0);
		memory = vm_add_memory(&vm, 1, GPA, PAGES * PAGE);
		CHECK_EQ(pthread_create(&thread, NULL, run_to_done, &vcpu), 0);
		wait_rounds(3);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* --- 2 MiB pages --- */

#define HUGE 0x200000UL

static void guest_huge(u64 bytes)
{
	u64 offset;

	for (offset = 0; offset < bytes; offset += PAGE)
		*(volatile u64 *)(GPA + offset) = offset + 1;
	guest_sync(0);
	for (offset = 0; offset < bytes; offset += PAGE)
		GUEST_CHECK_EQ(*(volatile u64 *)(GPA + offset),
			       offset == 5 * PAGE ? 0 : offset + 1);
}

static u8 *huge_memory(u64 bytes)
{
	u8 *area = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	area = (u8 *)(((u64)area + HUGE - 1) & ~(HUGE - 1));
	madvise(area, bytes, MADV_HUGEPAGE);
	return area;
}

/* Values are right through 2 MiB mappings, and after one page of them is taken away. */
TEST(transparent_huge_pages)
{
	u64 offset;

	guest_start(&vm, &vcpu, 0, guest_huge, 2 * HUGE);
	memory = huge_memory(2 * HUGE);
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, 2 * HUGE, memory));
	vcpu_sync(&vcpu);
	for (offset = 0; offset < 2 * HUGE; offset += PAGE)
		CHECK_EQ(*(u64 *)(memory + offset), offset + 1);
	CHECK_OK(madvise(memory + 5 * PAGE, PAGE, MADV_DONTNEED));
	vcpu_done(&vcpu);
}

/* GPA and HVA that differ modulo 2 MiB can never share a large mapping. */
TEST(huge_pages_misaligned)
{
	u64 offset;

	guest_start(&vm, &vcpu, 0, guest_huge, HUGE);
	memory = huge_memory(2 * HUGE) + 3 * PAGE;
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, HUGE, memory));
	vcpu_sync(&vcpu);
	for (offset = 0; offset < HUGE; offset += PAGE)
		CHECK_EQ(*(u64 *)(memory + offset), offset + 1);
	CHECK_EQ(*(u64 *)(memory + HUGE), 0);
	*(u64 *)(memory + 5 * PAGE) = 0;
	vcpu_done(&vcpu);
}

/* A slot that ends in the middle of a huge page: what follows is not the guest's. */
static void guest_beyond(u64 arg)
{
	*(volatile u64 *)(GPA + HUGE) = 1;
	guest_sync(0);
	guest_done(*(volatile u64 *)(GPA + HUGE + 16 * PAGE));
}

TEST(huge_page_larger_than_slot)
{
	guest_start(&vm, &vcpu, 0, guest_beyond, 0);
	memory = huge_memory(2 * HUGE);
	memset(memory, 0x5a, 2 * HUGE);
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, HUGE + 16 * PAGE, memory));
	vcpu_sync(&vcpu);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, GPA + HUGE + 16 * PAGE);
	*(u64 *)vcpu.run->mmio.data = 3;
	CHECK_EQ(vcpu_done(&vcpu), 3);
}
