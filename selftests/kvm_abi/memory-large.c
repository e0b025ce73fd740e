// SPDX-License-Identifier: GPL-2.0-only
/* Slots as large and as many as there can be: what they cost before they are used, and that each finds its page. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define PAGE 4096UL
#define MIB 0x100000UL
#define TIB 0x10000000000UL
#define GPA 0x40000000UL
#define WINDOW 0xc0000000UL /* 2 MiB of guest-linear addresses that the guest points anywhere */

static struct vm vm;
static struct vcpu vcpu;
static volatile u64 address;

/* Adds to the word at a guest-physical address, through a 2 MiB page of its own page tables. */
static void guest_reach(u64 arg)
{
	volatile u64 *pd = (u64 *)(GUEST_PAGE_TABLES + 0x5000); /* the 4th GiB */

	for (;;) {
		volatile u64 *word = (u64 *)(WINDOW + (address & (2 * MIB - 1)));

		pd[0] = (address & -(2 * MIB)) | PTE_PS | PTE_P | PTE_W;
		asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
		guest_sync(++*word);
	}
}

static u64 add(u64 gpa)
{
	GUEST_VAR(&vm, address) = gpa;
	return vcpu_sync(&vcpu);
}

static u8 *sparse(u64 size)
{
	u8 *area = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK_MSG(area != MAP_FAILED, "%s", errno_name(errno));
	madvise(area, size, MADV_NOHUGEPAGE);
	return area;
}

static u64 free_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	u64 kib = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

/* 1 TiB from address 0 on, slot 0's memory at its beginning. */
static u8 *one_terabyte(void)
{
	u8 *memory = sparse(TIB);

	CHECK_OK(vm_set_slot(&vm, 0, 0, 0, 0, NULL));
	CHECK(mremap(vm.ram, GUEST_RAM_SIZE, GUEST_RAM_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     memory) == memory);
	vm.ram = memory;
	CHECK_OK(vm_set_slot(&vm, 0, 0, 0, TIB, memory));
	return memory;
}

/* Both ends of it and places between; what is not touched costs nothing. */
TEST(one_tebibyte)
{
	static const u64 places[] = {
		GPA, 4096 * MIB, 511 * 1024 * MIB, 512 * 1024 * MIB, TIB - 2 * MIB, TIB - PAGE,
	};
	u64 before;
	u8 *memory;
	unsigned int i, pass;

	guest_start(&vm, &vcpu, 0, guest_reach, 0);
	before = free_kib();
	memory = one_terabyte();
	for (pass = 1; pass <= 2; pass++) {
		for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			CHECK_EQ(add(places[i]), pass);
			CHECK_EQ(*(volatile u64 *)(memory + places[i]), pass);
		}
	}
	/* Device driver's and page cache's share included; KVM needs 6 MiB for arrays of its own. */
	CHECK_MSG(free_kib() + 24 * 1024 > before, "%llu KiB less",
		  (unsigned long long)(before - free_kib()));
	CHECK_OK(vm_set_slot(&vm, 0, 0, 0, 0, NULL));
}

/* The log of it: 32 MiB of bitmap, cleared where it was set. */
TEST(log_of_one_tebibyte, .timeout = 60)
{
	u64 bytes = TIB / PAGE / 8, *bitmap = (u64 *)sparse(bytes), i, set = 0;
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = {
		.slot = 0,
		.first_page = TIB / PAGE - 64,
		.num_pages = 64,
		.dirty_bitmap = bitmap + bytes / 8 - 1,
	};
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				      .args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE } };
	u8 *memory;

	guest_start(&vm, &vcpu, 0, guest_reach, 0);
	memory = one_terabyte();
	add(GPA);
	CHECK_OK(ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
	CHECK_OK(vm_set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, TIB, memory));
	CHECK_EQ(add(TIB - PAGE), 1);
	CHECK_EQ(add(600 * 1024 * MIB), 1);
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[bytes / 8 - 1], 1UL << 63);
	CHECK_EQ(bitmap[600 * 1024 * MIB / PAGE / 64], 1);
	/* The rest are the few that the guest runs on. */
	for (i = GUEST_RAM_SIZE / PAGE / 64; i < bytes / 8; i++)
		set += !!bitmap[i];
	CHECK_EQ(set, 2);
	CHECK_OK(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &clear));
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[bytes / 8 - 1], 0);
	CHECK_EQ(bitmap[600 * 1024 * MIB / PAGE / 64], 1);
	CHECK_EQ(add(TIB - PAGE), 2);
	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[bytes / 8 - 1], 1UL << 63);
	CHECK_OK(vm_set_slot(&vm, 0, 0, 0, TIB, memory));
	CHECK_EQ(add(TIB - PAGE), 3);
}

/* --- as many as KVM_CAP_NR_MEMSLOTS says, but no more than a test has time for --- */

#define SLOTS_WANTED 511U
#define STRIDE (2 * PAGE)

static volatile u64 nr_slots, laps, stop;

/* Each page has its slot's number. An odd page is in no slot: an exit, which answers with the address. */
static void guest_check_slots(u64 self)
{
	u64 i, x = self + 1;

	guest_interruptible();
	while (!stop) {
		for (i = 0; i < nr_slots; i++) {
			x = x * 6364136223846793005UL + 1442695040888963407UL;
			u64 slot = (x >> 33) % nr_slots;
			u64 value = *(volatile u64 *)(GPA + slot * STRIDE);

			/* The last ones come and go. */
			if (value != slot + 1)
				GUEST_CHECK_EQ(value, GPA + slot * STRIDE);
		}
		laps++;
	}
	guest_done(0);
}

static void *run_slots(void *argument)
{
	struct vcpu *cpu = argument;

	while (vcpu_run(cpu) == KVM_EXIT_MMIO) {
		CHECK(!cpu->run->mmio.is_write);
		*(u64 *)cpu->run->mmio.data = cpu->run->mmio.phys_addr;
	}
	CHECK_EQ(cpu->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(cpu->run->io.port, PORT_DONE);
	return NULL;
}

static void set_slot(u8 *memory, u64 slot, bool present)
{
	CHECK_OK(vm_set_slot(&vm, slot + 1, 0, GPA + slot * STRIDE, present ? PAGE : 0,
			     memory + slot * PAGE));
}

TEST(many_slots_while_running, .timeout = 60)
{
	struct vcpu cpus[2];
	pthread_t threads[2];
	u64 slots, i, round;
	u8 *memory;

	vm_create(&vm, 0);
	slots = CHECK_OK(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS)) - 1;
	CHECK(slots >= 500);
	if (slots > SLOTS_WANTED)
		slots = SLOTS_WANTED;
	memory = sparse(slots * PAGE);
	/* In no order. */
	for (i = 0; i < slots; i++) {
		u64 slot = i * 377 % slots;

		*(volatile u64 *)(memory + slot * PAGE) = slot + 1;
		set_slot(memory, slot, true);
	}
	nr_slots = slots;
	GUEST_VAR(&vm, nr_slots) = slots;
	for (i = 0; i < 2; i++) {
		vcpu_create(&vm, &cpus[i], i);
		vcpu_set_cpuid(&cpus[i]);
		vcpu_set_long_mode(&cpus[i], guest_check_slots, i);
		CHECK_EQ(pthread_create(&threads[i], NULL, run_slots, &cpus[i]), 0);
	}
	for (round = 0; round < 30; round++) {
		u64 slot = slots - 1 - round % 10;
		struct timespec ts = { .tv_nsec = 2000000 };

		set_slot(memory, slot, false);
		CHECK_OK(madvise(memory + slot * PAGE, PAGE, MADV_DONTNEED));
		nanosleep(&ts, NULL);
		*(volatile u64 *)(memory + slot * PAGE) = slot + 1;
		set_slot(memory, slot, true);
	}
	for (i = 0; i < 20000 && *(volatile u64 *)vm_global(&vm, &laps) < 10; i++)
		usleep(1000);
	*(volatile u64 *)vm_global(&vm, &stop) = 1;
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < slots; i++)
		set_slot(memory, i, false);
}
