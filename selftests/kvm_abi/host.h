/* SPDX-License-Identifier: GPL-2.0-only */
/* Guests for tests of the host's own life: VMs whose vCPUs run, one more whose vCPU sleeps in HLT. */
#ifndef SELFTEST_HOST_H
#define SELFTEST_HOST_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"

#define HOST_VCPUS 3 /* more than CPUs, so that each CPU has one in the guest or about to be */

volatile u64 apic_x2;
static volatile u64 host_counter;
static volatile bool host_ends; /* nothing runs in a guest any more, once the machine goes down */

static struct host_guest {
	struct vm vm;
	struct vcpu vcpu;
	pthread_t thread;
} host_guests[HOST_VCPUS];

static void host_on_timer(struct guest_frame *frame)
{
	host_counter++;
	apic_eoi();
}

static void host_guest_spin(u64 arg)
{
	guest_interruptible();
	for (;;)
		host_counter++;
}

static void host_guest_sleep(u64 arg)
{
	apic_enable();
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_DEADLINE);
	for (;;) {
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 2000000);
		asm volatile("sti; hlt; cli");
	}
}

static void *host_run(void *argument)
{
	struct host_guest *guest = argument;

	for (;;)
		if (!ioctl(guest->vcpu.fd, KVM_RUN, 0))
			FAIL("exit %u %s", guest->vcpu.run->exit_reason,
			     exit_name(guest->vcpu.run->exit_reason));
		else if (errno == EIO && host_ends)
			break;
		else
			CHECK_MSG(errno == EINTR, "KVM_RUN: %s", errno_name(errno));
	return NULL;
}

static u64 host_count(const struct host_guest *guest)
{
	return *(volatile u64 *)vm_global((struct vm *)&guest->vm, &host_counter);
}

/* Each guest still gets on. */
static void host_guests_count(void)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	int i, tries;

	for (i = 0; i < HOST_VCPUS; i++) {
		u64 before = host_count(&host_guests[i]);

		for (tries = 0; tries < 5000 && host_count(&host_guests[i]) == before; tries++)
			nanosleep(&ms, NULL);
		CHECK_MSG(host_count(&host_guests[i]) != before, "guest %d stands still", i);
	}
}

/* What a file of one number says; 0 when it is not there. */
static inline u64 host_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	close(fd);
	return strtoull(text, NULL, 10);
}

static inline void host_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
}

/* One VM each; the last one sleeps between its timer's interrupts. */
static void host_guests_start(void)
{
	int i;

	guest_handlers[0x40] = host_on_timer;
	for (i = 0; i < HOST_VCPUS; i++) {
		struct host_guest *guest = &host_guests[i];

		guest_start(&guest->vm, &guest->vcpu, VM_IRQCHIP,
			    i == HOST_VCPUS - 1 ? host_guest_sleep : host_guest_spin, 0);
		CHECK_EQ(pthread_create(&guest->thread, NULL, host_run, guest), 0);
	}
	host_guests_count();
}

#endif
