// SPDX-License-Identifier: GPL-2.0-only
/* The end of VMs: killed while they run, descriptors left behind, many in turn and at once, no leak. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* --- a VM that is cheap to make: one page of real-mode code --- */

extern const char tiny_code[], tiny_code_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "tiny_code:\n"
    "	out	%al, $0x10\n"
    "	hlt\n"
    "1:	jmp	1b\n"
    "tiny_code_end:\n"
    ".code64\n"
    ".popsection");

#define TINY_SIZE 0x10000

static void tiny_create(struct vm *vm, struct vcpu *vcpu, bool irqchip)
{
	vm->dev = device_open();
	vm->fd = CHECK_OK(ioctl(vm->dev, KVM_CREATE_VM, 0));
	CHECK_OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	if (irqchip) {
		struct kvm_pit_config pit = { 0 };

		CHECK_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP));
		CHECK_OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	}
	vm->ram = vm_add_memory(vm, 0, 0, TINY_SIZE);
	vcpu_create(vm, vcpu, 0);
	vcpu_set_real_mode(vcpu, tiny_code, tiny_code_end);
}

static void tiny_destroy(struct vm *vm, struct vcpu *vcpu)
{
	vcpu_destroy(vcpu);
	close(vm->fd);
	close(vm->dev);
	munmap(vm->ram, TINY_SIZE);
}

/* --- what the kernel has in use --- */

static long read_number(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!key)
			value = atol(line);
		else if (!strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	fclose(file);
	return value;
}

/* Users of the module that serves the device, or -1 where that cannot be told. */
static long module_users(void)
{
	if (!device_is_kvm())
		return read_number("/sys/module/vmm/refcnt", NULL);
	return read_number(host_is_intel() ? "/sys/module/kvm_intel/refcnt" :
					     "/sys/module/kvm_amd/refcnt",
			   NULL);
}

static void check_no_users(void)
{
	int i;

	/* The last reference may be put by a work item. */
	for (i = 0; i < 500 && module_users() > 0; i++)
		sleep_ms(10);
	CHECK_MSG(module_users() <= 0, "%ld users of the module", module_users());
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		test_diag("%s: %s", path, errno_name(errno));
	close(fd);
}

/* Free pages on the CPUs' own lists, which the kernel's count leaves out and nothing empties. */
static long listed_pages(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	long count, sum = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %ld", &count) == 1)
			sum += count;
	if (file)
		fclose(file);
	return sum;
}

/* Free pages, after everything that can be dropped was dropped. */
static long free_pages(void)
{
	sleep_ms(200); /* RCU */
	write_file("/proc/sys/vm/drop_caches", "3");
	write_file("/proc/sys/vm/compact_memory", "1");
	write_file("/proc/sys/vm/stat_refresh", "1");
	return read_number("/proc/vmstat", "nr_free_pages ") + listed_pages();
}

#define BATCHES 4
#define BATCH 50

/*
 * 200 cycles in batches. A leak costs every batch its pages; caches that fill cost one batch or the
 * other. So the best batch tells.
 */
static void check_leak(bool irqchip)
{
	long before, after, lost, least = 1L << 30;
	struct vcpu vcpu;
	struct vm vm;
	int i, batch;

	for (i = 0; i < 5; i++) {
		tiny_create(&vm, &vcpu, irqchip);
		vcpu_expect(&vcpu, KVM_EXIT_IO);
		tiny_destroy(&vm, &vcpu);
	}
	for (batch = 0; batch < BATCHES; batch++) {
		before = free_pages();
		for (i = 0; i < BATCH; i++) {
			tiny_create(&vm, &vcpu, irqchip);
			vcpu_expect(&vcpu, KVM_EXIT_IO);
			tiny_destroy(&vm, &vcpu);
		}
		after = free_pages();
		lost = before - after;
		if (lost < least)
			least = lost;
		test_diag("batch %d: %ld pages fewer of %ld", batch, lost, before);
	}
	CHECK_MSG(least < BATCH / 2, "%ld pages in each %d cycles", least, BATCH);
	check_no_users();
}

TEST(cycles_do_not_leak, .timeout = 300)
{
	check_leak(false);
}

TEST(cycles_with_irqchip_do_not_leak, .timeout = 300)
{
	check_leak(true);
}

/* Pages that the guest is the first to touch, that it only reads, and that the host had touched. */
#define TOUCHED 64

static void guest_touch(u64 arg)
{
	volatile u64 *page = (u64 *)0x10000000;
	u64 i;

	for (i = 0; i < TOUCHED; i++)
		page[i * 512] = 1;
	for (i = TOUCHED; i < 2 * TOUCHED; i++)
		GUEST_CHECK_EQ(page[i * 512], 0);
	for (i = 2 * TOUCHED; i < 3 * TOUCHED; i++)
		page[i * 512]++;
}

static void touch_cycle(void)
{
	const u64 size = 3 * TOUCHED * 4096;
	struct vcpu vcpu;
	struct vm vm;
	u8 *memory;

	guest_start(&vm, &vcpu, 0, guest_touch, 0);
	memory = vm_add_memory(&vm, 1, 0x10000000, size);
	memset(memory + 2 * TOUCHED * 4096, 7, TOUCHED * 4096);
	vcpu_done(&vcpu);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	munmap(memory, size);
}

TEST(cycles_with_memory_do_not_leak, .timeout = 300)
{
	long before, lost, least = 1L << 30;
	int batch, i;

	touch_cycle();
	for (batch = 0; batch < 3; batch++) {
		before = free_pages();
		for (i = 0; i < 5; i++)
			touch_cycle();
		lost = before - free_pages();
		if (lost < least)
			least = lost;
		test_diag("batch %d: %ld pages fewer", batch, lost);
	}
	CHECK_MSG(least < TOUCHED, "%ld pages in 5 cycles of %d each way", least, TOUCHED);
}

TEST(many_at_once)
{
	static struct vcpu vcpus[40];
	static struct vm vms[40];
	int i, j;

	for (i = 0; i < 40; i++)
		tiny_create(&vms[i], &vcpus[i], i & 1);
	for (j = 0; j < 2; j++)
		for (i = 0; i < 40; i++)
			if (j == 0 ||
			    !(i & 1)) /* the second run of those with an APIC would sleep in HLT */
				vcpu_expect(&vcpus[i], j ? KVM_EXIT_HLT : KVM_EXIT_IO);
	for (i = 0; i < 40; i++) {
		j = i * 17 % 40;
		tiny_destroy(&vms[j], &vcpus[j]);
	}
	check_no_users();
}

/* --- killed --- */

static volatile u64 running;

static void guest_spin(u64 arg)
{
	guest_interruptible();
	for (;;)
		running++;
}

static void guest_halt(u64 arg)
{
	running = 1;
	for (;;)
		asm volatile("cli; hlt");
}

static void guest_mmio(u64 arg)
{
	for (;;) {
		*(volatile u32 *)0xd0000000;
		running++;
	}
}

static void guest_fault_in(u64 arg)
{
	u64 offset;

	guest_interruptible();
	for (;;)
		for (offset = 0; offset < 0x8000000; offset += 4096) {
			*(volatile u64 *)(0x10000000 + offset) = 1;
			running++;
		}
}

static void *run_for_ever(void *argument)
{
	struct vcpu *vcpu = argument;

	for (;;)
		ioctl(vcpu->fd, KVM_RUN, 0);
	return NULL;
}

static u64 *shared;

/* In a child: starts it and says so through shared memory. */
static void be_killed(void (*entry)(u64), unsigned int flags, unsigned int vcpus)
{
	struct vcpu vcpu[2];
	pthread_t thread;
	struct vm vm;
	unsigned int i;

	vm_create(&vm, flags);
	vm_add_memory(&vm, 1, 0x10000000, 0x8000000);
	for (i = 0; i < vcpus; i++) {
		vcpu_create(&vm, &vcpu[i], i);
		vcpu_set_long_mode(&vcpu[i], entry, 0);
		if (flags & VM_IRQCHIP)
			CHECK_OK(ioctl(vcpu[i].fd, KVM_SET_MP_STATE,
				       &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE }));
		CHECK_EQ(pthread_create(&thread, NULL, run_for_ever, &vcpu[i]), 0);
	}
	while (!((volatile u64 *)vm_global(&vm, &running))[0])
		sleep_ms(1);
	*(volatile u64 *)shared = 1;
	for (;;)
		pause();
}

static void check_killed(void (*entry)(u64), unsigned int flags, unsigned int vcpus)
{
	int status, i;
	pid_t pid;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (!pid)
		be_killed(entry, flags, vcpus);
	for (i = 0; i < 20000 && !*(volatile u64 *)shared; i++)
		sleep_ms(1);
	CHECK(*(volatile u64 *)shared);
	sleep_ms(20);
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	check_no_users();
}

TEST(killed_while_running)
{
	check_killed(guest_spin, 0, 1);
}

TEST(killed_while_halted)
{
	check_killed(guest_halt, VM_IRQCHIP, 1);
}

TEST(killed_while_exiting)
{
	check_killed(guest_mmio, 0, 1);
}

TEST(killed_while_faulting_in_memory)
{
	check_killed(guest_fault_in, 0, 1);
}

TEST(killed_with_two_vcpus)
{
	check_killed(guest_spin, VM_IRQCHIP, 2);
}

/* --- descriptors that outlive their maker --- */

TEST(descriptors_outlive_their_process)
{
	int descriptors[2], status;
	struct kvm_regs regs;
	pid_t grandchild;
	struct vcpu vcpu;
	struct vm vm;
	pid_t pid;

	CHECK_OK(pipe(descriptors));
	pid = fork();
	if (!pid) {
		tiny_create(&vm, &vcpu, true);
		vcpu_expect(&vcpu, KVM_EXIT_IO);
		grandchild = fork();
		if (grandchild)
			_exit(0); /* the address space of the VM goes */
		sleep_ms(100);
		CHECK_ERR(ioctl(vcpu.fd, KVM_GET_REGS, &regs), EIO);
		CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EIO);
		CHECK_ERR(vm_set_slot(&vm, 5, 0, 0x100000, 0x1000, vm.ram), EIO);
		close(vm.fd);
		close(vm.dev);
		close(vcpu.fd);
		CHECK_EQ(write(descriptors[1], "k", 1), 1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(read(descriptors[0], &status, 1), 1);
	check_no_users();
}

/* The memory of a VM is unmapped before the VM is closed, and the other way round. */
TEST(memory_unmapped_first)
{
	struct vcpu vcpu;
	struct vm vm;

	tiny_create(&vm, &vcpu, false);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	munmap(vm.ram, TINY_SIZE);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EFAULT);
	vcpu_destroy(&vcpu);
	close(vm.fd);
	close(vm.dev);
	check_no_users();
}
