// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU's thread moves between CPUs, and the vCPU's state with it. Needs a host with two. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103
#define MSR_SYSENTER_ESP 0x175

static void run_on(int cpu)
{
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		test_skip("needs two CPUs");
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
	CHECK_EQ(sched_getcpu(), cpu);
}

/* What lives in the VMCS, in the CPU and in memory between two runs, each known by the seed. */
static const u32 own_msrs[] = { MSR_STAR,	    MSR_LSTAR,	 MSR_GS_BASE,
				MSR_KERNEL_GS_BASE, MSR_TSC_AUX, MSR_SYSENTER_ESP };

static u64 own_value(u64 seed, unsigned int i)
{
	u64 value = (seed << 16) + (i << 8);

	return own_msrs[i] == MSR_TSC_AUX ? (u32)value : value;
}

static void guest_keeps_its_state(u64 seed)
{
	u64 cr2 = seed << 20, value, round;
	unsigned int i;

	for (i = 0; i < sizeof(own_msrs) / sizeof(own_msrs[0]); i++)
		wrmsr(own_msrs[i], own_value(seed, i));
	asm volatile("mov %0, %%cr2" ::"r"(cr2));
	asm volatile("movq %0, %%xmm7" ::"r"(seed));
	for (round = 0;; round++) {
		guest_sync(seed + round);
		for (i = 0; i < sizeof(own_msrs) / sizeof(own_msrs[0]); i++)
			GUEST_CHECK_EQ(rdmsr(own_msrs[i]), own_value(seed, i));
		asm volatile("mov %%cr2, %0" : "=r"(value));
		GUEST_CHECK_EQ(value, cr2);
		asm volatile("movq %%xmm7, %0" : "=r"(value));
		GUEST_CHECK_EQ(value, seed);
	}
}

TEST(moved_between_runs)
{
	struct vcpu vcpu;
	struct vm vm;
	int i;

	guest_start(&vm, &vcpu, 0, guest_keeps_its_state, 0x1000);
	for (i = 0; i < 40; i++) {
		run_on(i / 3 % 2);
		CHECK_EQ(vcpu_sync(&vcpu), 0x1000 + i);
		/* Registers, too, are asked for where it did not run. */
		run_on(i / 2 % 2);
		CHECK_OK(ioctl(vcpu.fd, KVM_GET_SREGS, &(struct kvm_sregs){}));
	}
}

/* Three vCPUs of two VMs take turns on each of the CPUs, in one thread. */
TEST(take_turns_and_move)
{
	struct vcpu vcpus[3];
	struct vm vms[2];
	int i, n;

	guest_start(&vms[0], &vcpus[0], 0, guest_keeps_its_state, 0x1000);
	vcpu_create(&vms[0], &vcpus[1], 1);
	vcpu_set_cpuid(&vcpus[1]);
	vcpu_set_long_mode(&vcpus[1], guest_keeps_its_state, 0x2000);
	guest_start(&vms[1], &vcpus[2], 0, guest_keeps_its_state, 0x3000);
	for (i = 0; i < 24; i++) {
		for (n = 0; n < 3; n++) {
			run_on((i / 2 + n) % 2);
			CHECK_EQ(vcpu_sync(&vcpus[n]), 0x1000 * (n + 1) + i);
		}
	}
}

/* One that ran on a CPU is freed on the other, and what is made next gets the same memory. */
TEST(freed_elsewhere)
{
	struct vcpu vcpu, other;
	struct vm vm, second;
	int i;

	run_on(0);
	guest_start(&second, &other, 0, guest_keeps_its_state, 0x5000);
	for (i = 0; i < 12; i++) {
		run_on(i % 2);
		guest_start(&vm, &vcpu, 0, guest_keeps_its_state, 0x1000);
		CHECK_EQ(vcpu_sync(&vcpu), 0x1000);
		CHECK_EQ(vcpu_sync(&other), 0x5000 + 2 * i);
		run_on(i / 2 % 2);
		CHECK_EQ(vcpu_sync(&vcpu), 0x1001);
		run_on(1 - i % 2);
		vcpu_destroy(&vcpu);
		vm_destroy(&vm);
		CHECK_EQ(vcpu_sync(&other), 0x5000 + 2 * i + 1);
	}
}

/* -- under a running guest -- */

static volatile u64 counter;

static void guest_count(u64 rounds)
{
	u64 kernel_gs = 0x7000, cr2 = 0x9000, value;

	guest_interruptible();
	wrmsr(MSR_KERNEL_GS_BASE, kernel_gs);
	asm volatile("mov %0, %%cr2" ::"r"(cr2));
	for (counter = 0; counter < rounds; counter++) {
		GUEST_CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE), kernel_gs);
		asm volatile("mov %%cr2, %0" : "=r"(value));
		GUEST_CHECK_EQ(value, cr2);
		asm volatile("swapgs; swapgs" ::: "memory");
	}
}

static struct vcpu runner_vcpu;
static atomic_int ended;

static void *runner(void *argument)
{
	/* Of its own: what the exits do not restore must be the thread's again wherever it is. */
	static __thread u64 mark;

	mark = 0x1234;
	vcpu_done(&runner_vcpu);
	CHECK_EQ(mark, 0x1234);
	ended = 1;
	return NULL;
}

TEST(moved_while_running)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	pthread_t thread;
	cpu_set_t set;
	struct vm vm;
	int i;

	run_on(0);
	guest_start(&vm, &runner_vcpu, 0, guest_count, 500000);
	CHECK_EQ(pthread_create(&thread, NULL, runner, NULL), 0);
	for (i = 0; i < 60 && !ended; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % 2, &set);
		CHECK_EQ(pthread_setaffinity_np(thread, sizeof(set), &set), 0);
		nanosleep(&pause, NULL);
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_MSG(i > 4, "moved %d times only", i);
}
