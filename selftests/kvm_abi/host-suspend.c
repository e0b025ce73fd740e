// SPDX-License-Identifier: GPL-2.0-only
/* The host is suspended to RAM while guests run; its clock wakes it. Afterwards they go on. */
#include <stdio.h>

#include "host.h"

#define MSR_KVM_SYSTEM_TIME 0x4b564d01
#define CLOCK_PAGE GUEST_FREE

struct clock_page {
	u32 version, pad;
	u64 tsc, time;
	u32 mult;
	signed char shift;
	u8 flags, pad2[2];
};

static void write_to(const char *path, const char *text)
{
	int fd = CHECK_OK(open(path, O_WRONLY | O_CLOEXEC));

	CHECK_MSG(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %s", path,
		  errno_name(errno));
	close(fd);
}

static void suspend_for(unsigned int seconds)
{
	static const char alarm[] = "/sys/class/rtc/rtc0/wakealarm";
	u64 suspended = host_number("/sys/power/suspend_stats/success");
	char when[32];

	write_to(alarm, "0");
	snprintf(when, sizeof(when), "%llu",
		 (unsigned long long)host_number("/sys/class/rtc/rtc0/since_epoch") + seconds);
	write_to(alarm, when);
	write_to("/sys/power/state", "mem");
	CHECK_EQ(host_number("/sys/power/suspend_stats/success"), suspended + 1);
}

static void need_suspend(void)
{
	char modes[64] = "";
	int fd = open("/sys/power/mem_sleep", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, modes, sizeof(modes) - 1) <= 0 || !strstr(modes, "[deep]") ||
	    access("/sys/class/rtc/rtc0/wakealarm", W_OK))
		test_skip("needs a host that suspends to RAM and a clock that wakes it");
	close(fd);
}

TEST(guests_go_on)
{
	struct vcpu vcpu;
	struct vm vm;
	int i;

	need_suspend();
	host_guests_start();
	for (i = 0; i < 2; i++) {
		suspend_for(2);
		host_guests_count();
	}
	/* And new ones are made. */
	guest_start(&vm, &vcpu, 0, guest_sync, 1);
	vcpu_sync(&vcpu);
}

/* What the guest's clock says, between two updates of it. */
static u64 guest_now(void)
{
	const volatile struct clock_page *page = (void *)CLOCK_PAGE;
	unsigned __int128 product;
	u32 version;
	u64 ticks;

	do {
		version = page->version;
		ticks = rdtsc() - page->tsc;
		ticks = page->shift < 0 ? ticks >> -page->shift : ticks << page->shift;
		product = (unsigned __int128)ticks * page->mult >> 32;
		ticks = page->time + (u64)product;
	} while (version & 1 || version != page->version);
	return ticks;
}

static void guest_tell_time(u64 arg)
{
	wrmsr(MSR_KVM_SYSTEM_TIME, CLOCK_PAGE | 1);
	for (;;)
		guest_sync(guest_now());
}

/* Suspended time may count or not; a clock that goes back or runs away is wrong. */
TEST(kvmclock_is_sane)
{
	const u64 second = 1000000000;
	struct vcpu vcpu;
	struct vm vm;
	u64 before, now;
	int i;

	need_suspend();
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_tell_time, 0);
	vcpu_sync(&vcpu);
	before = vcpu_sync(&vcpu);
	for (i = 0; i < 2; i++) {
		suspend_for(2);
		now = vcpu_sync(&vcpu);
		CHECK_MSG(now >= before, "the clock went back by %llu ns",
			  (unsigned long long)(before - now));
		CHECK_MSG(now - before < 1000 * second, "the clock jumped by %llu ns",
			  (unsigned long long)(now - before));
		before = now;
		now = vcpu_sync(&vcpu);
		CHECK_MSG(now > before, "the clock stands still");
		before = now;
	}
}

/* No vCPU is loaded, and virtualisation is not even on. */
TEST(without_a_vm)
{
	struct vcpu vcpu;
	struct vm vm;

	need_suspend();
	suspend_for(2);
	guest_start(&vm, &vcpu, 0, guest_sync, 1);
	vcpu_sync(&vcpu);
}
