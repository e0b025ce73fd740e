// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two vCPUs store to memory that the host takes away, replaces and shares all the time, with and without its slot.
 * A translation that outlived its page would show: as a store in pages that the host has since given to someone else,
 * or as their contents in the guest.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x40000000UL
#define PAGE 4096UL
#define MIB 0x100000UL
#define VCPUS 2U
#define TAG 0x7a6900000000UL
#define FOREIGN 0xf0f0f0f0f0f0f0f0UL
#define WORDS 8U /* of each page that are looked at */

/* The guest's view: every word is 0 or what a vCPU stored there. */
static void guest_store(u64 arg)
{
	u64 pages = arg >> 8, self = arg & 0xff, i;

	guest_interruptible();
	for (;;) {
		for (i = 0; i < pages; i++) {
			volatile u64 *word = (u64 *)(GPA + i * PAGE) + self;
			u64 value = *word;

			if (value)
				GUEST_CHECK_EQ(value, TAG | i);
			*word = TAG | i;
		}
		guest_sync(0);
	}
}

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static u8 *memory;
static u64 memory_size;
static volatile bool stop;

/* Exits for want of a slot read as 0; for want of host memory, or the right to write to it, try again. */
static void *run_vcpu(void *argument)
{
	struct vcpu *vcpu = argument;
	struct kvm_run *run = vcpu->run;

	while (!stop) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			CHECK_MSG(errno == EFAULT || errno == EINTR || errno == EAGAIN, "%s",
				  errno_name(errno));
			continue;
		}
		if (run->exit_reason == KVM_EXIT_MMIO) {
			memset(run->mmio.data, 0, sizeof(run->mmio.data));
		} else {
			struct kvm_regs regs;

			CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
			vcpu_get_regs(vcpu, &regs);
			CHECK_MSG(run->io.port == PORT_SYNC, "in the guest: %#llx, expected %#llx",
				  regs.rbx, regs.rcx);
		}
	}
	return NULL;
}

static u64 random_below(u64 limit)
{
	return (u64)random() % limit;
}

static void set_slot(bool present)
{
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, present ? memory_size : 0, present ? memory : NULL));
}

static void fork_once(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

/* What the host may do to a range of its own memory at any time. */
static void disturb(void)
{
	u64 pages = memory_size / PAGE, first = random_below(pages);
	u64 size = (1 + random_below(pages - first)) * PAGE;
	u8 *range = memory + first * PAGE;

	switch (random_below(7)) {
	case 0:
	case 1:
		CHECK_OK(madvise(range, size, MADV_DONTNEED));
		break;
	case 2:
		CHECK(mmap(range, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == range);
		madvise(range, size, MADV_HUGEPAGE);
		break;
	case 3:
		CHECK_OK(mprotect(range, size, PROT_READ));
		CHECK_OK(mprotect(range, size, PROT_READ | PROT_WRITE));
		break;
	case 4:
		fork_once();
		break;
	case 5:
		set_slot(false);
		CHECK_OK(madvise(range, size, MADV_DONTNEED));
		set_slot(true);
		break;
	case 6:
		/* As a file's page cache does when it replaces a page: the old one goes at once. */
		CHECK(mremap(range, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) !=
		      MAP_FAILED);
		CHECK(mmap(range, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == range);
		break;
	}
}

/* Someone else gets the pages that were just freed, and must find in them what he has put there. */
static void check_freed_pages(u64 pages)
{
	u64 size = pages * PAGE, i, word;
	u8 *other = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec ts = { .tv_nsec = 500000 };

	CHECK(other != MAP_FAILED);
	for (i = 0; i < pages; i++)
		for (word = 0; word < WORDS; word++)
			((u64 *)(other + i * PAGE))[word] = FOREIGN;
	nanosleep(&ts, NULL);
	for (i = 0; i < pages; i++)
		for (word = 0; word < WORDS; word++)
			CHECK_EQ(((volatile u64 *)(other + i * PAGE))[word], FOREIGN);
	CHECK_OK(munmap(other, size));
}

static u64 milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000UL + ts.tv_nsec / 1000000;
}

static void stress(u64 size, int advice)
{
	pthread_t threads[VCPUS];
	u8 *reserved;
	u64 end;
	unsigned int i;

	memory_size = size;
	reserved = mmap(NULL, size + 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	CHECK(reserved != MAP_FAILED);
	memory = (u8 *)(((u64)reserved + 2 * MIB - 1) & -(2 * MIB));
	madvise(memory, size, advice);
	vm_create(&vm, 0);
	set_slot(true);
	for (i = 0; i < VCPUS; i++) {
		vcpu_create(&vm, &vcpus[i], i);
		vcpu_set_cpuid(&vcpus[i]);
		vcpu_set_long_mode(&vcpus[i], guest_store, size / PAGE << 8 | i);
		CHECK_EQ(pthread_create(&threads[i], NULL, run_vcpu, &vcpus[i]), 0);
	}
	for (end = milliseconds() + 1500; milliseconds() < end;) {
		disturb();
		check_freed_pages(1 + random_below(size / PAGE));
	}
	stop = true;
	for (i = 0; i < VCPUS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

TEST(small_pages, .timeout = 60)
{
	stress(1 * MIB, MADV_NOHUGEPAGE);
}

TEST(huge_pages, .timeout = 60)
{
	stress(4 * MIB, MADV_HUGEPAGE);
}
