// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs that wait for each other: HLT that is polled, loops of PAUSE that yield. Told by the counters. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apic.h"

#define NR 4

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu[NR];

/* The value of one counter of a vCPU. */
static u64 counter(struct vcpu *one, const char *name)
{
	int fd = CHECK_OK(ioctl(one->fd, KVM_GET_STATS_FD, NULL));
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	size_t size;
	u64 value;
	u32 i;

	CHECK_EQ(pread(fd, &header, sizeof(header), 0), sizeof(header));
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	for (i = 0; i < header.num_desc; i++) {
		CHECK_EQ(pread(fd, desc, size, header.desc_offset + i * size), size);
		if (strcmp(desc->name, name))
			continue;
		CHECK_EQ(pread(fd, &value, sizeof(value), header.data_offset + desc->offset),
			 sizeof(value));
		free(desc);
		close(fd);
		return value;
	}
	FAIL("no counter '%s'", name);
}

static int set_halt_poll(u64 ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = ns };

	return ioctl(vm.fd, KVM_ENABLE_CAP, &cap);
}

static void *run_to_done(void *argument)
{
	vcpu_done(argument);
	return NULL;
}

/* vCPUs 0 to n-1, each to run ENTRY with its number. */
static void start(unsigned int n, void (*entry)(u64))
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	unsigned int i;

	apic_x2 = 1;
	vm_create(&vm, VM_IRQCHIP);
	for (i = 0; i < n; i++) {
		vcpu_create(&vm, &vcpu[i], i);
		vcpu_set_long_mode(&vcpu[i], entry, i);
		CHECK_OK(ioctl(vcpu[i].fd, KVM_SET_MP_STATE, &runnable));
	}
}

/* A thread each, spread over the first CPUs. */
static void run_all(unsigned int n, unsigned int cpus)
{
	pthread_t threads[NR];
	cpu_set_t set;
	unsigned int i;

	for (i = 0; i < n; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		CHECK_EQ(pthread_create(&threads[i], NULL, run_to_done, &vcpu[i]), 0);
		CHECK_EQ(pthread_setaffinity_np(threads[i], sizeof(set), &set), 0);
	}
	for (i = 0; i < n; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* --- HLT --- */

#define ROUNDS 60

static volatile u64 ball;

static void on_ball(struct guest_frame *frame)
{
	apic_eoi();
}

/* The ball goes to and fro; who does not have it sleeps. */
static void guest_play(u64 me)
{
	apic_enable();
	while (ball < ROUNDS) {
		if ((ball & 1) == me) {
			ball++;
			apic_ipi(me ^ 1, 0x70);
			continue;
		}
		asm volatile("cli");
		if ((ball & 1) != me && ball < ROUNDS)
			asm volatile("sti; hlt");
		asm volatile("sti");
	}
	apic_ipi(me ^ 1, 0x70);
}

static void play(void)
{
	guest_handlers[0x70] = on_ball;
	start(2, guest_play);
}

TEST(capability)
{
	play();
	CHECK(has_cap(vm.fd, KVM_CAP_HALT_POLL));
	CHECK_ERR(set_halt_poll(1ULL << 32), EINVAL);
	CHECK_OK(set_halt_poll(0));
	CHECK_OK(set_halt_poll(0xffffffff));
}

TEST(no_polling)
{
	play();
	CHECK_OK(set_halt_poll(0));
	run_all(2, 2);
	CHECK_EQ(counter(&vcpu[0], "halt_attempted_poll"), 0);
	CHECK_EQ(counter(&vcpu[1], "halt_attempted_poll"), 0);
	CHECK(counter(&vcpu[0], "halt_wakeup") + counter(&vcpu[1], "halt_wakeup") > 0);
}

/* From nothing it grows to cover the wait, and then no wait ends in sleep any more. */
TEST(polling_grows)
{
	u64 attempted = 0, successful = 0, ns = 0;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		test_skip("needs two CPUs");
	play();
	CHECK_OK(set_halt_poll(1000000000));
	run_all(2, 2);
	for (i = 0; i < 2; i++) {
		attempted += counter(&vcpu[i], "halt_attempted_poll");
		successful += counter(&vcpu[i], "halt_successful_poll");
		ns += counter(&vcpu[i], "halt_poll_success_ns");
	}
	CHECK_MSG(successful > 0 && ns > 0, "%llu of %llu", (unsigned long long)successful,
		  (unsigned long long)attempted);
	CHECK(successful <= attempted);
}

/* --- PAUSE --- */

static volatile u64 turn;

/* Each in turn, all on one CPU: who spins keeps the next one from it. */
static void guest_take_turns(u64 me)
{
	guest_interruptible();
	while (turn < 40)
		if (turn % NR == me)
			turn++;
		else
			cpu_pause();
}

TEST(spinning_yields, .vmm_only = true)
{
	u64 pauses = 0, attempted = 0, successful = 0;
	int i;

	start(NR, guest_take_turns);
	run_all(NR, 1);
	for (i = 0; i < NR; i++) {
		pauses += counter(&vcpu[i], "pause_exits");
		attempted += counter(&vcpu[i], "directed_yield_attempted");
		successful += counter(&vcpu[i], "directed_yield_successful");
	}
	if (!pauses)
		test_skip("this CPU does not report loops of PAUSE");
	CHECK_MSG(successful > 0 && successful <= attempted && attempted <= 3 * pauses,
		  "%llu loops, %llu yields tried, %llu successful", (unsigned long long)pauses,
		  (unsigned long long)attempted, (unsigned long long)successful);
}
