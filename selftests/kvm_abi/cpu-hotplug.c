// SPDX-License-Identifier: GPL-2.0-only
/* CPUs that go offline and come back while VMs exist and run. Needs a host with two. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu;
static volatile u64 counter;

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int set_online(int online)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, online ? "1" : "0", 1);
	close(fd);
	return ret;
}

static void need_two_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_CONF) < 2 ||
	    access("/sys/devices/system/cpu/cpu1/online", W_OK))
		test_skip("needs a second CPU that can go offline");
	CHECK_OK(set_online(1));
}

static int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static void guest_count(u64 arg)
{
	guest_interruptible();
	for (;;)
		counter++;
}

static volatile bool stop;

static void on_signal(int number)
{
}

static pthread_t runner_thread;

static void *runner(void *argument)
{
	CHECK_OK(run_on(1));
	while (!stop)
		if (!ioctl(vcpu.fd, KVM_RUN, 0))
			FAIL("exit %u %s", vcpu.run->exit_reason, exit_name(vcpu.run->exit_reason));
		else
			CHECK_MSG(errno == EINTR, "KVM_RUN: %s", errno_name(errno));
	return NULL;
}

static void start_runner(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	CHECK_EQ(pthread_create(&runner_thread, NULL, runner, NULL), 0);
}

static void stop_runner(void)
{
	stop = true;
	vcpu.run->immediate_exit = 1;
	pthread_kill(runner_thread, SIGUSR1);
	CHECK_EQ(pthread_join(runner_thread, NULL), 0);
}

static u64 guest_counter(void)
{
	return *(volatile u64 *)vm_global(&vm, &counter);
}

static void check_it_counts(void)
{
	u64 before = guest_counter();
	int i;

	for (i = 0; i < 5000 && guest_counter() == before; i++)
		sleep_ms(1);
	CHECK_MSG(guest_counter() > before, "the guest stands still");
}

TEST(offline_under_a_running_guest)
{
	cpu_set_t both;
	int i;

	need_two_cpus();
	CHECK_OK(run_on(0));
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_count, 0);
	start_runner();
	CPU_ZERO(&both);
	CPU_SET(0, &both);
	CPU_SET(1, &both);
	for (i = 0; i < 3; i++) {
		check_it_counts();
		CHECK_OK(set_online(0));
		check_it_counts();
		CHECK_OK(set_online(1));
		CHECK_EQ(pthread_setaffinity_np(runner_thread, sizeof(both), &both), 0);
		CPU_CLR(0, &both);
		CHECK_EQ(pthread_setaffinity_np(runner_thread, sizeof(both), &both), 0);
		CPU_SET(0, &both);
	}
	check_it_counts();
	stop_runner();
}

static void guest_sync_for_ever(u64 arg)
{
	for (;;)
		guest_sync(1);
}

/* A vCPU that last ran on a CPU that is gone, and one that is made while it is. */
TEST(offline_between_runs)
{
	struct vcpu second;
	struct vm other;

	need_two_cpus();
	CHECK_OK(run_on(1));
	guest_start(&vm, &vcpu, 0, guest_sync_for_ever, 0);
	vcpu_sync(&vcpu);
	CHECK_OK(run_on(0));
	CHECK_OK(set_online(0));
	vcpu_sync(&vcpu);
	guest_start(&other, &second, 0, guest_sync_for_ever, 0);
	vcpu_sync(&second);
	CHECK_OK(set_online(1));
	CHECK_OK(run_on(1));
	vcpu_sync(&vcpu);
	vcpu_sync(&second);
	vcpu_destroy(&second);
	vm_destroy(&other);
	vcpu_sync(&vcpu);
}

/* The first VM of all is made, and the last one goes, while a CPU is away. */
TEST(first_and_last_vm_while_offline)
{
	int i;

	need_two_cpus();
	for (i = 0; i < 2; i++) {
		CHECK_OK(run_on(0));
		CHECK_OK(set_online(0));
		guest_start(&vm, &vcpu, 0, guest_sync_for_ever, 0);
		vcpu_sync(&vcpu);
		CHECK_OK(set_online(1));
		CHECK_OK(run_on(1));
		vcpu_sync(&vcpu);
		CHECK_OK(run_on(0));
		CHECK_OK(set_online(0));
		vcpu_destroy(&vcpu);
		vm_destroy(&vm);
		CHECK_OK(set_online(1));
	}
}

/* A guest that sleeps in HLT with its timer armed on the CPU that goes: the timer moves and fires. */
static void on_timer(struct guest_frame *frame)
{
	counter++;
	apic_eoi();
}

static void guest_timer(u64 arg)
{
	apic_enable();
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_DEADLINE);
	for (;;) {
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 20000000);
		asm volatile("sti; hlt; cli");
	}
}

TEST(offline_under_a_sleeping_guest)
{
	int i;

	need_two_cpus();
	guest_handlers[0x40] = on_timer;
	CHECK_OK(run_on(0));
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_timer, 0);
	start_runner();
	check_it_counts();
	for (i = 0; i < 2; i++) {
		CHECK_OK(set_online(0));
		check_it_counts();
		CHECK_OK(set_online(1));
		check_it_counts();
	}
	stop_runner();
}
