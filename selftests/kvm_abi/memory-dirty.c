// SPDX-License-Identifier: GPL-2.0-only
/* The dirty log: whoever copies the pages that it names, until the guest stands still, has the guest's memory. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "guest.h"

#define GPA 0x40000000UL
#define PAGE 4096UL
#define LOG_PAGES 200U
#define PORT_INPUT 0x510

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;

static void guest_scatter(u64 rounds)
{
	u64 x = 12345, i;

	guest_interruptible();
	for (i = 1; i <= rounds; i++) {
		x = x * 6364136223846793005UL + 1442695040888963407UL;
		*(volatile u64 *)(GPA + (x >> 33) % LOG_PAGES * PAGE + (x >> 20) % 512 * 8) = i;
		/* Now and then the host writes, through the module: a string that comes in from a port. */
		if (i % 512 == 0) {
			u8 *to = (u8 *)(GPA + (x >> 33) % LOG_PAGES * PAGE + 100);
			u64 count = 16;

			asm volatile("rep insb"
				     : "+D"(to), "+c"(count)
				     : "d"((u16)PORT_INPUT)
				     : "memory");
		}
	}
	guest_done(0);
}

static volatile bool done;

static void *run_scatter(void *argument)
{
	struct vcpu *vcpu = argument;
	struct kvm_run *run = vcpu->run;

	while (vcpu_run(vcpu) == KVM_EXIT_IO && run->io.port == PORT_INPUT)
		memset((u8 *)run + run->io.data_offset, 0x5d, run->io.size * run->io.count);
	CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(run->io.port, PORT_DONE);
	done = true;
	return NULL;
}

/* Copies the pages that the log names; how many. */
static unsigned int copy_dirty(u8 *copy)
{
	u64 bitmap[(LOG_PAGES + 63) / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	unsigned int i, n = 0;

	memset(bitmap, 0xff, sizeof(bitmap));
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < sizeof(bitmap) * 8; i++) {
		if (!(bitmap[i / 64] >> i % 64 & 1))
			continue;
		CHECK(i < LOG_PAGES);
		memcpy(copy + i * PAGE, memory + i * PAGE, PAGE);
		n++;
	}
	return n;
}

TEST(names_every_store, .timeout = 60)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	u8 *copy = calloc(LOG_PAGES, PAGE);
	unsigned int rounds = 0;
	pthread_t thread;

	guest_start(&vm, &vcpu, 0, guest_scatter, 100000);
	memory = mmap(NULL, LOG_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, LOG_PAGES * PAGE, memory));
	CHECK_EQ(pthread_create(&thread, NULL, run_scatter, &vcpu), 0);
	while (!done) {
		copy_dirty(copy);
		rounds++;
		nanosleep(&ts, NULL);
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	copy_dirty(copy);
	CHECK(!memcmp(copy, memory, LOG_PAGES * PAGE));
	CHECK_MSG(rounds > 3, "%u rounds", rounds);
	/* It stands still: nothing is dirty any more. */
	CHECK_EQ(copy_dirty(copy), 0);
	free(copy);
}

TEST(arguments)
{
	u64 bitmap[2];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	vm_create(&vm, 0);
	CHECK_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	memory = vm_add_memory(&vm, 1, GPA, 2 * PAGE);
	CHECK_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, 2 * PAGE, memory));
	memset(bitmap, 0xff, sizeof(bitmap));
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[0], 0);
	CHECK_EQ(bitmap[1], -1UL);
	log.dirty_bitmap = (void *)8;
	CHECK_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), EFAULT);
	log.dirty_bitmap = bitmap;
	log.slot = 0x7fff;
	CHECK_REFUSED(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	/* The log goes with the flag. */
	log.slot = 1;
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, 2 * PAGE, memory));
	CHECK_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
}
