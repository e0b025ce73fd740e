// SPDX-License-Identifier: GPL-2.0-only
/* The rules of KVM_SET_USER_MEMORY_REGION, and slots that change while a guest uses them. */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define GPA 0x10000000UL
#define PAGE 4096UL

static void bare_vm(struct vm *vm)
{
	vm->dev = device_open();
	vm->fd = CHECK_OK(ioctl(vm->dev, KVM_CREATE_VM, 0));
	vm->ram = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(vm->ram != MAP_FAILED);
}

TEST(alignment)
{
	struct vm vm;

	bare_vm(&vm);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA + 1, PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA + 0x800, PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, PAGE + 1, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 1, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, PAGE, vm.ram + 8), EINVAL);
	CHECK_OK(vm_set_slot(&vm, 0, 0, GPA, PAGE, vm.ram));
}

TEST(overlap)
{
	struct vm vm;

	bare_vm(&vm);
	CHECK_OK(vm_set_slot(&vm, 0, 0, GPA, 4 * PAGE, vm.ram));
	CHECK_ERR(vm_set_slot(&vm, 1, 0, GPA, 4 * PAGE, vm.ram), EEXIST);
	CHECK_ERR(vm_set_slot(&vm, 1, 0, GPA + PAGE, PAGE, vm.ram), EEXIST);
	CHECK_ERR(vm_set_slot(&vm, 1, 0, GPA + 3 * PAGE, 4 * PAGE, vm.ram), EEXIST);
	CHECK_ERR(vm_set_slot(&vm, 1, 0, GPA - PAGE, 2 * PAGE, vm.ram), EEXIST);
	CHECK_ERR(vm_set_slot(&vm, 1, 0, GPA - PAGE, 8 * PAGE, vm.ram), EEXIST);
	/* Neighbours touch but do not overlap; host memory may be used twice. */
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA - 2 * PAGE, 2 * PAGE, vm.ram));
	CHECK_OK(vm_set_slot(&vm, 2, 0, GPA + 4 * PAGE, 2 * PAGE, vm.ram));
	/* A move onto another slot. */
	CHECK_ERR(vm_set_slot(&vm, 2, 0, GPA + 3 * PAGE, 2 * PAGE, vm.ram), EEXIST);
	/* A move that overlaps only itself. */
	CHECK_OK(vm_set_slot(&vm, 2, 0, GPA + 5 * PAGE, 2 * PAGE, vm.ram));
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA - 2 * PAGE, 0, NULL));
	CHECK_OK(vm_set_slot(&vm, 3, 0, GPA - 2 * PAGE, PAGE, vm.ram));
}

TEST(numbers_and_flags)
{
	struct vm vm;
	long slots;

	bare_vm(&vm);
	slots = CHECK_OK(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS));
	CHECK_OK(vm_set_slot(&vm, slots - 1, 0, GPA, PAGE, vm.ram));
	CHECK_ERR(vm_set_slot(&vm, 0xffff, 0, GPA + PAGE, PAGE, vm.ram), EINVAL);
	/* The upper half names an address space: 0 always, 1 only with SMM. */
	CHECK_ERR(vm_set_slot(&vm, 2U << 16, 0, GPA + PAGE, PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0xffffffff, 0, GPA + PAGE, PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0x80, GPA + PAGE, PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, ~0U, GPA + PAGE, PAGE, vm.ram), EINVAL);
}

TEST(limits)
{
	struct vm vm;

	bare_vm(&vm);
	/* Wraps, and reaches beyond what page numbers can say. */
	CHECK_ERR(vm_set_slot(&vm, 0, 0, -PAGE, 2 * PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, ~0UL & ~(PAGE - 1), vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 1UL << 63, vm.ram), EINVAL);
	/* Host addresses that are not userspace's. */
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, PAGE, (void *)0xffff888000000000), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, PAGE, (void *)0xffffffff81000000), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 2 * PAGE, (void *)-PAGE), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 0x1000000, (void *)0x7ffffffff000), EINVAL);
}

TEST(change_of_a_slot)
{
	struct vm vm;

	bare_vm(&vm);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 0, vm.ram), EINVAL); /* delete what is not there */
	CHECK_OK(vm_set_slot(&vm, 0, 0, GPA, 4 * PAGE, vm.ram));
	CHECK_OK(vm_set_slot(&vm, 0, 0, GPA, 4 * PAGE, vm.ram)); /* no change */
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 8 * PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 2 * PAGE, vm.ram), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 4 * PAGE, vm.ram + PAGE), EINVAL);
	CHECK_ERR(vm_set_slot(&vm, 0, KVM_MEM_READONLY, GPA, 4 * PAGE, vm.ram), EINVAL);
	CHECK_OK(vm_set_slot(&vm, 0, 0, GPA + 16 * PAGE, 4 * PAGE, vm.ram)); /* a move */
	CHECK_OK(vm_set_slot(&vm, 0, 0, GPA, 0, NULL));
	CHECK_ERR(vm_set_slot(&vm, 0, 0, GPA, 0, NULL), EINVAL);
	CHECK_OK(vm_set_slot(&vm, 0, KVM_MEM_READONLY, GPA, 8 * PAGE, vm.ram));
}

/* Many slots, added in no order and taken away in another. */
TEST(many_slots)
{
	struct vm vm;
	u32 i;

	bare_vm(&vm);
	for (i = 0; i < 100; i++)
		CHECK_OK(vm_set_slot(&vm, i, 0, GPA + (i * 37 % 101) * 2 * PAGE, PAGE, vm.ram));
	for (i = 0; i < 100; i++)
		CHECK_ERR(vm_set_slot(&vm, 200, 0, GPA + (i * 37 % 101) * 2 * PAGE, PAGE, vm.ram),
			  EEXIST);
	for (i = 0; i < 100; i++)
		CHECK_OK(vm_set_slot(&vm, (i * 53 + 7) % 100, 0, 0, 0, NULL));
	CHECK_OK(vm_set_slot(&vm, 200, 0, GPA, 16 * PAGE, vm.ram));
}

/* Host memory that is not there (yet): accepted, and an error only when the guest touches it. */
static void guest_read_gpa(u64 gpa)
{
	guest_done(*(volatile u64 *)gpa);
}

TEST(host_memory_not_mapped)
{
	struct vcpu vcpu;
	struct vm vm;
	void *hole;

	guest_start(&vm, &vcpu, 0, guest_read_gpa, GPA);
	hole = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(hole, 2 * PAGE);
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, PAGE, hole));
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	/* Once it is there, the same access succeeds. */
	hole = mmap(hole, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0);
	CHECK(hole != MAP_FAILED);
	*(u64 *)hole = 0x123456789;
	CHECK_EQ(vcpu_done(&vcpu), 0x123456789);
}

/* --- read-only slots --- */

static void guest_readonly(u64 arg)
{
	GUEST_CHECK_EQ(*(volatile u32 *)(GPA + 0x10), 0xcafe);
	*(volatile u32 *)(GPA + 0x10) = 0xbeef;
	GUEST_CHECK_EQ(*(volatile u32 *)(GPA + 0x10), 0xcafe);
	*(volatile u8 *)(GPA + PAGE) = 1; /* a page that was never read */
	asm volatile("rep stosb" ::"D"(GPA + 0x20), "c"(2), "a"(0x77) : "memory");
	/* What is read-only is still executed. */
	guest_done(((u64(*)(void))(GPA + 0x100))());
}

TEST(readonly_slot)
{
	static const u8 code[] = {
		0xb8, 0x78, 0x56, 0x34, 0x12, 0xc3
	}; /* mov $0x12345678, %eax; ret */
	struct vcpu vcpu;
	struct vm vm;
	u8 *rom;
	int i;

	guest_start(&vm, &vcpu, 0, guest_readonly, 0);
	rom = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(u32 *)(rom + 0x10) = 0xcafe;
	memcpy(rom + 0x100, code, sizeof(code));
	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_READONLY, GPA, 2 * PAGE, rom));
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK(vcpu.run->mmio.is_write && vcpu.run->mmio.len == 4);
	CHECK_EQ(vcpu.run->mmio.phys_addr, GPA + 0x10);
	CHECK_EQ(*(u32 *)vcpu.run->mmio.data, 0xbeef);
	CHECK_EQ(*(u32 *)(rom + 0x10), 0xcafe);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, GPA + PAGE);
	for (i = 0; i < 2; i++) {
		vcpu_expect(&vcpu, KVM_EXIT_MMIO);
		CHECK(vcpu.run->mmio.is_write && vcpu.run->mmio.len == 1);
		CHECK_EQ(vcpu.run->mmio.phys_addr, GPA + 0x20 + i);
	}
	CHECK_EQ(vcpu_done(&vcpu), 0x12345678);
	CHECK_EQ(rom[0x20] | rom[PAGE], 0);
}

/* A read-only slot over memory that the host itself may only read. */
static void guest_readonly_shared(u64 arg)
{
	guest_sync(*(volatile u64 *)GPA);
	*(volatile u64 *)GPA = 1;
	guest_done(*(volatile u64 *)GPA);
}

TEST(readonly_host_memory)
{
	static const u64 constant[512] __attribute__((aligned(4096))) = { 0x55aa };
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_readonly_shared, 0);
	CHECK_OK(vm_set_slot(&vm, 1, KVM_MEM_READONLY, GPA, PAGE, (void *)constant));
	CHECK_EQ(vcpu_sync(&vcpu), 0x55aa);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu_done(&vcpu), 0x55aa);
	CHECK_EQ(*(volatile u64 *)constant, 0x55aa);
}

/* A writable slot over host memory that is read-only: reads are served, a write is an error. */
static void guest_read_then_write(u64 arg)
{
	guest_sync(*(volatile u64 *)GPA);
	*(volatile u64 *)GPA = 1;
	guest_done(1);
}

TEST(write_to_readonly_mapping)
{
	struct vcpu vcpu;
	struct vm vm;
	u64 *page;

	guest_start(&vm, &vcpu, 0, guest_read_then_write, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[0] = 0x66;
	CHECK_OK(mprotect(page, PAGE, PROT_READ));
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, PAGE, page));
	CHECK_EQ(vcpu_sync(&vcpu), 0x66);
	CHECK_EQ(vcpu_run_errno(&vcpu), EFAULT);
	CHECK_EQ(page[0], 0x66);
	CHECK_OK(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	vcpu_done(&vcpu);
	CHECK_EQ(page[0], 1);
}

/* --- changes that a guest sees --- */

static void guest_read_twice(u64 arg)
{
	guest_sync(*(volatile u32 *)GPA);
	guest_sync(*(volatile u32 *)GPA);
	guest_sync(*(volatile u32 *)(GPA + 0x100000));
	guest_done(0);
}

TEST(delete_move_and_replace)
{
	struct vcpu vcpu;
	struct vm vm;
	u32 *page, *other;

	guest_start(&vm, &vcpu, 0, guest_read_twice, 0);
	page = vm_add_memory(&vm, 1, GPA, PAGE);
	page[0] = 0x11;
	CHECK_EQ(vcpu_sync(&vcpu), 0x11);
	/* Deleted: an exit, and the old page is out of reach. */
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, 0, NULL));
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK(!vcpu.run->mmio.is_write && vcpu.run->mmio.phys_addr == GPA);
	*(u32 *)vcpu.run->mmio.data = 0x22;
	CHECK_EQ(vcpu_sync(&vcpu), 0x22);
	/* Another page in its place, then moved away. */
	other = vm_add_memory(&vm, 1, GPA, PAGE);
	other[0] = 0x33;
	CHECK_OK(vm_set_slot(&vm, 1, 0, GPA + 0x100000, PAGE, other));
	CHECK_EQ(vcpu_sync(&vcpu), 0x33);
	vcpu_done(&vcpu);
}

/* The guest hammers a slot that comes and goes. It sees the page's value or the exit's answer. */
#define LIVE_PAGE 0x5a5a5a5aU
#define LIVE_MMIO 0xa5a5a5a5U
static u64 live_pages, live_exits;

static void guest_hammer(u64 arg)
{
	guest_interruptible();
	for (;;) {
		u32 value = *(volatile u32 *)(GPA + 0x80);

		if (value == LIVE_PAGE)
			((volatile u64 *)&live_pages)[0]++;
		else if (value == LIVE_MMIO)
			((volatile u64 *)&live_exits)[0]++;
		else
			GUEST_CHECK_EQ(value, LIVE_PAGE);
		*(volatile u32 *)(GPA + 0xc0) = 1;
	}
}

static volatile bool stop_live;

static void *live_runner(void *argument)
{
	struct vcpu *vcpu = argument;

	while (!stop_live) {
		CHECK_EQ(vcpu_run(vcpu), KVM_EXIT_MMIO);
		if (!vcpu->run->mmio.is_write)
			*(u32 *)vcpu->run->mmio.data = LIVE_MMIO;
	}
	return NULL;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

TEST(delete_while_running)
{
	pthread_t thread;
	struct vcpu vcpu;
	struct vm vm;
	u32 *page;
	int i;

	guest_start(&vm, &vcpu, 0, guest_hammer, 0);
	page = vm_add_memory(&vm, 1, GPA, PAGE);
	page[0x80 / 4] = LIVE_PAGE;
	CHECK_EQ(pthread_create(&thread, NULL, live_runner, &vcpu), 0);
	for (i = 0; i < 20; i++) {
		sleep_ms(5);
		CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, 0, NULL));
		page[0xc0 / 4] = 0;
		sleep_ms(5);
		/* What was taken away is not written to any more. */
		CHECK_EQ(((volatile u32 *)page)[0xc0 / 4], 0);
		if (i == 19)
			stop_live = true;
		else
			CHECK_OK(vm_set_slot(&vm, 1, 0, GPA, PAGE, page));
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(GUEST_VAR(&vm, live_pages) > 0);
	CHECK(GUEST_VAR(&vm, live_exits) > 0);
}

/* Two slots side by side are one range to the guest. */
static void guest_seam(u64 arg)
{
	*(volatile u64 *)(GPA + PAGE - 4) = 0x1122334455667788;
	guest_done(*(volatile u64 *)(GPA + PAGE - 4));
}

TEST(access_across_two_slots)
{
	struct vcpu vcpu;
	struct vm vm;
	u8 *low, *high;

	guest_start(&vm, &vcpu, 0, guest_seam, 0);
	low = vm_add_memory(&vm, 1, GPA, PAGE);
	high = vm_add_memory(&vm, 2, GPA + PAGE, PAGE);
	CHECK_EQ(vcpu_done(&vcpu), 0x1122334455667788);
	CHECK_EQ(*(u32 *)(low + PAGE - 4), 0x55667788);
	CHECK_EQ(*(u32 *)high, 0x11223344);
}

/* One host page seen at two guest addresses. */
static void guest_alias(u64 arg)
{
	*(volatile u64 *)GPA = 0x77;
	guest_sync(*(volatile u64 *)(GPA + PAGE));
	*(volatile u64 *)(GPA + PAGE) = 0x88;
	guest_done(*(volatile u64 *)GPA);
}

TEST(one_page_in_two_slots)
{
	struct vcpu vcpu;
	struct vm vm;
	u64 *page;

	guest_start(&vm, &vcpu, 0, guest_alias, 0);
	page = vm_add_memory(&vm, 1, GPA, PAGE);
	CHECK_OK(vm_set_slot(&vm, 2, 0, GPA + PAGE, PAGE, page));
	CHECK_EQ(vcpu_sync(&vcpu), 0x77);
	CHECK_EQ(vcpu_done(&vcpu), 0x88);
	CHECK_EQ(page[0], 0x88);
}

/* --- outside of every slot --- */

static const u64 outside[] = {
	0x01000000, 0x01fff000, 0x02000000, 0x3ffff000, 0x40000000, 0x7ffff000, 0x80000000,
	0xbffff000, 0xc0000000, 0xe0000000, 0xf0000000, 0xfec10000, 0xfffff000, 0xfffffff8,
};

static void guest_outside(u64 arg)
{
	u32 i;

	for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		GUEST_CHECK_EQ(*(volatile u64 *)outside[i], 0x1234567800000000 + i);
}

/* Every one is an exit with that address; nothing of the host answers. */
TEST(reads_outside_are_exits)
{
	struct vcpu vcpu;
	struct vm vm;
	u32 i;

	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_outside, 0);
	for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		vcpu_expect(&vcpu, KVM_EXIT_MMIO);
		CHECK_EQ(vcpu.run->mmio.phys_addr, outside[i]);
		CHECK_EQ(vcpu.run->mmio.len, 8);
		CHECK(!vcpu.run->mmio.is_write);
		*(u64 *)vcpu.run->mmio.data = 0x1234567800000000 + i;
	}
	vcpu_done(&vcpu);
}

/* Above 4 GiB, up to the width of a physical address, through 1 GiB and 2 MiB guest mappings. */
static void guest_high(u64 bits)
{
	volatile u64 *pdpt = (u64 *)(GUEST_PAGE_TABLES + 0x1000);
	volatile u64 *pd = (u64 *)(GUEST_PAGE_TABLES + 0x5000); /* the 4th GiB */
	u64 bit;

	GUEST_CHECK_EQ(pdpt[3] & ~0xfffUL, (u64)pd);
	for (bit = 32; bit < bits; bit++) {
		pd[1] = 1UL << bit | PTE_PS | PTE_P | PTE_W;
		asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
		GUEST_CHECK_EQ(*(volatile u32 *)(0xc0200000 + 0x1000), bit);
	}
}

TEST(reads_above_4g_are_exits)
{
	struct vcpu vcpu;
	struct vm vm;
	u64 bit, bits = 39; /* the least that a host with long mode and 2-level paging has */

	guest_start(&vm, &vcpu, 0, guest_high, bits);
	for (bit = 32; bit < bits; bit++) {
		vcpu_expect(&vcpu, KVM_EXIT_MMIO);
		CHECK_EQ(vcpu.run->mmio.phys_addr, (1UL << bit) + 0x1000);
		*(u32 *)vcpu.run->mmio.data = bit;
	}
	vcpu_done(&vcpu);
}

/* Page tables that point outside of memory: the walk finds nothing there. */
static void guest_bad_tables(u64 arg)
{
	volatile u64 *pd = (u64 *)(GUEST_PAGE_TABLES + 0x5000);

	pd[2] = 0xd0000000 | PTE_P | PTE_W; /* a page table in a hole */
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	guest_done(*(volatile u64 *)0xc0400000);
}

TEST(page_table_outside_of_memory)
{
	struct kvm_regs regs;
	struct vcpu vcpu;
	struct vm vm;
	int ret, i;

	guest_start(&vm, &vcpu, 0, guest_bad_tables, 0);
	/*
	 * What comes of it is the hypervisor's choice (an exit, an error, a guest fault), but it ends, and
	 * what the guest reads can only be what an exit was answered with.
	 */
	for (i = 0; i < 4; i++) {
		vcpu.run->exit_reason = 0;
		ret = ioctl(vcpu.fd, KVM_RUN, 0);
		if (ret < 0 || vcpu.run->exit_reason != KVM_EXIT_MMIO)
			break;
		memset(vcpu.run->mmio.data, 0, 8);
	}
	if (ret < 0 || vcpu.run->exit_reason != KVM_EXIT_IO || vcpu.run->io.port == PORT_TRAP)
		return;
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(regs.rdi, 0);
	CHECK(i > 0);
}
