// SPDX-License-Identifier: GPL-2.0-only
/* A page of 1 GiB: mapped as one, split down to 4 KiB for the log, and one again. Takes a host with 3 GiB. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x40000000UL
#define PAGE 4096UL
#define GIB 0x40000000UL
#define POOL "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"

static struct vm vm;
static struct vcpu vcpu;
static u8 *memory;
static volatile u64 address;

static void guest_add(u64 arg)
{
	for (;;)
		guest_sync(++*(volatile u64 *)address);
}

static u64 add(u64 offset)
{
	GUEST_VAR(&vm, address) = GPA + offset;
	return vcpu_sync(&vcpu);
}

/* Mappings of 1 GiB that there are now. */
static u64 gigantic(void)
{
	char path[80], line[512];
	FILE *file;
	u64 now = -1UL;
	int pid;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/pages_1g", getpid(), vm.fd);
	file = fopen(device_is_kvm() ? path : "/sys/kernel/debug/vmm/memory", "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (device_is_kvm())
			now = strtoull(line, NULL, 10);
		else if (sscanf(line, "%d", &pid) == 1 && pid == getpid())
			now = strtoull(strrchr(line, ' '), NULL, 10);
	}
	fclose(file);
	return now;
}

static u64 bitmap[GIB / PAGE / 64];

static bool logged(u64 offset)
{
	return bitmap[offset / PAGE / 64] >> offset / PAGE % 64 & 1;
}

static void get_log(void)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	CHECK_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
}

TEST(one_gigabyte)
{
	int fd = open(POOL, O_RDWR);
	char count = '0';
	u8 *area;

	if (fd < 0 || write(fd, "1", 1) != 1 || pread(fd, &count, 1, 0) != 1 || count == '0')
		test_skip("no page of 1 GiB");
	area = mmap(NULL, 2 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memory = (u8 *)(((u64)area + GIB - 1) & -GIB);
	CHECK(mmap(memory, GIB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED | 30 << MAP_HUGE_SHIFT, -1,
		   0) == memory);
	guest_start(&vm, &vcpu, 0, guest_add, 0);
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, GIB, memory));
	CHECK_EQ(add(0x12345678), 1);
	CHECK_EQ(gigantic(), 1);
	CHECK_EQ(add(GIB - 8), 1);
	CHECK_EQ(*(volatile u64 *)(memory + 0x12345678), 1);

	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, GIB, memory));
	CHECK_EQ(add(0x12345678), 2);
	CHECK_EQ(gigantic(), 0);
	CHECK_EQ(add(0), 1);
	get_log();
	CHECK(logged(0x12345678) && logged(0) && !logged(PAGE) && !logged(GIB - PAGE));
	CHECK_EQ(add(GIB - 8), 2);
	get_log();
	CHECK(!logged(0) && logged(GIB - PAGE));

	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, GIB, memory));
	CHECK_EQ(add(0x12345678), 3);
	CHECK_EQ(gigantic(), 1);
	CHECK_EQ(*(volatile u64 *)(memory + GIB - 8), 2);
	CHECK_EQ(*(volatile u64 *)memory, 1);
}
