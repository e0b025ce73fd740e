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

static int clear_log(u64 first, u32 pages, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = 1, .first_page = first, .num_pages = pages, .dirty_bitmap = bitmap
	};

	return ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static bool manual;

/* Copies the pages that the log names; how many. */
static unsigned int copy_dirty(u8 *copy)
{
	u64 bitmap[(LOG_PAGES + 63) / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	unsigned int i, n = 0;

	memset(bitmap, 0xff, sizeof(bitmap));
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	if (manual) {
		/* In two parts, as a client does that copies the first while the second is written to. */
		CHECK_OK(clear_log(0, 128, bitmap));
		CHECK_OK(clear_log(128, LOG_PAGES - 128, bitmap + 2));
	}
	for (i = 0; i < sizeof(bitmap) * 8; i++) {
		if (!(bitmap[i / 64] >> i % 64 & 1))
			continue;
		CHECK(i < LOG_PAGES);
		memcpy(copy + i * PAGE, memory + i * PAGE, PAGE);
		n++;
	}
	return n;
}

static void check_names_every_store(void)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	u8 *copy = calloc(LOG_PAGES, PAGE);
	unsigned int rounds = 0;
	pthread_t thread;

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

TEST(names_every_store, .timeout = 60)
{
	guest_start(&vm, &vcpu, 0, guest_scatter, 100000);
	check_names_every_store();
}

static int set_mode(u64 mode)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { mode } };

	return ioctl(vm.fd, KVM_ENABLE_CAP, &cap);
}

#define MANUAL KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET KVM_DIRTY_LOG_INITIALLY_SET

TEST(names_every_store_cleared_by_hand, .timeout = 60)
{
	guest_start(&vm, &vcpu, 0, guest_scatter, 100000);
	CHECK_OK(set_mode(MANUAL));
	manual = true;
	check_names_every_store();
}

TEST(names_every_store_set_at_first, .timeout = 60)
{
	guest_start(&vm, &vcpu, 0, guest_scatter, 100000);
	CHECK_OK(set_mode(MANUAL | ALL_SET));
	manual = true;
	check_names_every_store();
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

TEST(modes)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = 1 };

	vm_create(&vm, 0);
	CHECK_EQ(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
		 MANUAL | ALL_SET);
	CHECK_EQ(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT), 0);
	CHECK_ERR(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERR(set_mode(ALL_SET), EINVAL);
	CHECK_ERR(set_mode(4), EINVAL);
	CHECK_ERR(set_mode(4 | MANUAL), EINVAL);
	CHECK_ERR(set_mode(1UL << 40), EINVAL);
	CHECK_OK(set_mode(MANUAL | ALL_SET));
	CHECK_OK(set_mode(MANUAL));
	CHECK_OK(set_mode(0));
}

TEST(arguments_of_clear)
{
	struct kvm_clear_dirty_log log = { .slot = 1, .num_pages = 64 };
	u64 bitmap[4] = { 0 };

	vm_create(&vm, 0);
	log.dirty_bitmap = bitmap;
	CHECK_ERR(clear_log(0, 64, bitmap), ENOENT);
	memory = vm_add_memory(&vm, 1, GPA, LOG_PAGES * PAGE);
	CHECK_ERR(clear_log(0, 64, bitmap), ENOENT);
	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, LOG_PAGES * PAGE, memory));
	CHECK_OK(clear_log(0, 64, bitmap)); /* also where the mode was not asked for */
	CHECK_OK(clear_log(0, 0, bitmap));
	CHECK_OK(clear_log(0, LOG_PAGES, bitmap));
	CHECK_OK(clear_log(128, LOG_PAGES - 128, bitmap));
	CHECK_ERR(clear_log(1, 64, bitmap), EINVAL);
	CHECK_ERR(clear_log(32, 64, bitmap), EINVAL);
	CHECK_ERR(clear_log(0, 63, bitmap), EINVAL);
	CHECK_ERR(clear_log(0, LOG_PAGES - 1, bitmap), EINVAL);
	CHECK_ERR(clear_log(0, LOG_PAGES + 1, bitmap), EINVAL);
	CHECK_ERR(clear_log(0, 256, bitmap), EINVAL);
	CHECK_ERR(clear_log(192, 64, bitmap), EINVAL);
	CHECK_ERR(clear_log(256, 0, bitmap), EINVAL);
	CHECK_ERR(clear_log(-64UL, 64, bitmap), EINVAL);
	CHECK_ERR(clear_log(1UL << 63, ~0U, bitmap), EINVAL);
	CHECK_ERR(clear_log(0, 64, (void *)8), EFAULT);
	CHECK_ERR(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, (void *)8), EFAULT);
	log.slot = 0x7fff;
	CHECK_REFUSED(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &log));
	log.slot = 2U << 16 | 1;
	CHECK_ERR(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &log), EINVAL);
}

/* --- pages that the guest writes to on demand --- */

static volatile u64 to_store, to_load;

static void guest_obey(u64 arg)
{
	for (;;) {
		if (to_store)
			(*(volatile u64 *)to_store)++;
		guest_sync(to_load ? *(volatile u64 *)to_load : 0);
	}
}

static void store(u64 page)
{
	GUEST_VAR(&vm, to_store) = GPA + page * PAGE;
	GUEST_VAR(&vm, to_load) = 0;
	vcpu_sync(&vcpu);
}

static u64 load(u64 page)
{
	GUEST_VAR(&vm, to_store) = 0;
	GUEST_VAR(&vm, to_load) = GPA + page * PAGE;
	return vcpu_sync(&vcpu);
}

static u64 bitmap[16];

static void get_log(void)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	memset(bitmap, 0xee, sizeof(bitmap));
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
}

static void log_on(void)
{
	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, LOG_PAGES * PAGE, memory));
}

/* The log stays until it is cleared, page by page. */
TEST(cleared_by_hand)
{
	u64 clear[4] = { 0 };
	int i;

	guest_start(&vm, &vcpu, 0, guest_obey, 0);
	CHECK_OK(set_mode(MANUAL));
	memory = vm_add_memory(&vm, 1, GPA, LOG_PAGES * PAGE);
	store(3); /* before the log: not in it */
	log_on();
	for (i = 0; i < 2; i++) {
		get_log();
		CHECK_EQ(bitmap[0] | bitmap[1] | bitmap[2] | bitmap[3], 0);
	}
	store(3);
	store(64);
	store(130);
	store(199);
	for (i = 0; i < 2; i++) {
		get_log();
		CHECK_EQ(bitmap[0], 1 << 3);
		CHECK_EQ(bitmap[1], 1);
		CHECK_EQ(bitmap[2], 1 << 2);
		CHECK_EQ(bitmap[3], 1 << 7);
		CHECK_EQ(bitmap[4], 0xeeeeeeeeeeeeeeee);
	}
	/* Bits that are not set, and bits behind the end, are no harm. */
	clear[0] = 1 << 3 | 1 << 5;
	CHECK_OK(clear_log(0, 64, clear));
	clear[0] = -1UL;
	CHECK_OK(clear_log(192, 8, clear));
	get_log();
	CHECK_EQ(bitmap[0], 0);
	CHECK_EQ(bitmap[1], 1);
	CHECK_EQ(bitmap[2], 1 << 2);
	CHECK_EQ(bitmap[3], 0);
	/* What was cleared is logged again; what was not is not lost. */
	store(3);
	store(64);
	store(199);
	get_log();
	CHECK_EQ(bitmap[0], 1 << 3);
	CHECK_EQ(bitmap[1], 1);
	CHECK_EQ(bitmap[2], 1 << 2);
	CHECK_EQ(bitmap[3], 1 << 7);
	CHECK_EQ(load(3), 3);
	CHECK_EQ(load(64), 2);
	CHECK_EQ(load(130), 1);
}

/* All is dirty at first, up to the slot's end; pages are protected only as they are cleared. */
TEST(set_at_first)
{
	u64 clear[4] = { -1UL, 0, -1UL, -1UL };

	guest_start(&vm, &vcpu, 0, guest_obey, 0);
	CHECK_OK(set_mode(MANUAL | ALL_SET));
	memory = vm_add_memory(&vm, 1, GPA, LOG_PAGES * PAGE);
	store(3);
	log_on();
	get_log();
	CHECK_EQ(bitmap[0], -1UL);
	CHECK_EQ(bitmap[2], -1UL);
	CHECK_EQ(bitmap[3], 0xff);
	CHECK_OK(clear_log(0, LOG_PAGES, clear));
	get_log();
	CHECK_EQ(bitmap[0], 0);
	CHECK_EQ(bitmap[1], -1UL);
	CHECK_EQ(bitmap[2] | bitmap[3], 0);
	store(3);
	store(70);
	store(199);
	get_log();
	CHECK_EQ(bitmap[0], 1 << 3);
	CHECK_EQ(bitmap[1], -1UL);
	CHECK_EQ(bitmap[3], 1 << 7);
	/* Off and on: all is dirty again. */
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, LOG_PAGES * PAGE, memory));
	log_on();
	get_log();
	CHECK_EQ(bitmap[2], -1UL);
	CHECK_EQ(load(3), 2);
}

/* The mode holds from the next log on; a slot that is made with a log has one, too. */
TEST(mode_of_a_new_slot)
{
	guest_start(&vm, &vcpu, 0, guest_obey, 0);
	memory = mmap(NULL, LOG_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	log_on();
	CHECK_OK(set_mode(MANUAL | ALL_SET));
	store(5);
	get_log();
	get_log();
	CHECK_EQ(bitmap[0], 1 << 5);
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, 0, NULL));
	log_on();
	get_log();
	CHECK_EQ(bitmap[1], -1UL);
	CHECK_EQ(bitmap[3], 0xff);
	CHECK_OK(set_mode(0));
	get_log();
	CHECK_EQ(bitmap[3], 0xff);
	get_log();
	CHECK_EQ(bitmap[0] | bitmap[1] | bitmap[2] | bitmap[3], 0);
	store(5);
	get_log();
	CHECK_EQ(bitmap[0], 1 << 5);
}
