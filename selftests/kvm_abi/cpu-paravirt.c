// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest that knows where it runs is offered (Documentation/virt/kvm/x86/msr.rst): kvmclock,
 * wall clock, steal time and PV EOI; KVM_GET_CLOCK, KVM_SET_CLOCK and KVM_KVMCLOCK_CTRL.
 */
#include <linux/kvm_para.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"
#include "guest.h"

#define SECOND 1000000000ULL
#define PAGE GUEST_FREE /* where the tests have the guest keep it */

static struct vm vm;
static struct vcpu vcpu;
volatile u64 apic_x2;

struct time_info {
	u32 version, pad0;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pad[2];
};
#define FLAG_STABLE 1
#define FLAG_STOPPED 2

static u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static struct kvm_clock_data get_clock(void)
{
	struct kvm_clock_data clock;

	memset(&clock, 0xff, sizeof(clock));
	CHECK_OK(ioctl(vm.fd, KVM_GET_CLOCK, &clock));
	return clock;
}

/* --- the VM's clock --- */

TEST(clock_runs_from_zero)
{
	u64 first, before, after;

	vm_create(&vm, 0);
	first = get_clock().clock;
	CHECK_MSG(first < 60 * SECOND, "%llu", (unsigned long long)first);
	before = clock_ns(CLOCK_BOOTTIME);
	usleep(200000);
	after = clock_ns(CLOCK_BOOTTIME);
	CHECK(get_clock().clock >= first + (after - before) / 10 * 9);
	CHECK(get_clock().clock < first + 20 * SECOND);
}

TEST(clock_is_set)
{
	struct kvm_clock_data clock = { .clock = 1000 * SECOND };
	u64 got;

	vm_create(&vm, 0);
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	got = get_clock().clock;
	CHECK_MSG(got >= 1000 * SECOND && got < 1010 * SECOND, "%llu", (unsigned long long)got);
	clock.clock = 0;
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	CHECK(get_clock().clock < 10 * SECOND);
}

/* With the real time of when the clock was read, the time since then is added. */
TEST(clock_is_set_by_real_time)
{
	struct kvm_clock_data clock = { .clock = 1000 * SECOND, .flags = KVM_CLOCK_REALTIME };
	u64 got;

	vm_create(&vm, 0);
	CHECK(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK) & KVM_CLOCK_REALTIME);
	clock.realtime = clock_ns(CLOCK_REALTIME) - 500 * SECOND;
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	got = get_clock().clock;
	CHECK_MSG(got >= 1499 * SECOND && got < 1510 * SECOND, "%llu", (unsigned long long)got);
	/* Never backwards. */
	clock.realtime = clock_ns(CLOCK_REALTIME) + 500 * SECOND;
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	got = get_clock().clock;
	CHECK_MSG(got >= 1000 * SECOND && got < 1010 * SECOND, "%llu", (unsigned long long)got);
}

TEST(clock_flags)
{
	struct kvm_clock_data clock;
	u64 now;

	vm_create(&vm, 0);
	clock = get_clock();
	CHECK_EQ(clock.flags & ~(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC),
		 0);
	if (clock.flags & KVM_CLOCK_REALTIME) {
		now = clock_ns(CLOCK_REALTIME);
		CHECK(clock.realtime <= now && clock.realtime + 10 * SECOND > now);
	}
	if (clock.flags & KVM_CLOCK_HOST_TSC)
		CHECK(clock.host_tsc <= rdtsc());
	clock.flags = 0;
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	/* What was read can be set again. */
	clock = get_clock();
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	clock.flags = 1U << 20;
	CHECK_ERR(ioctl(vm.fd, KVM_SET_CLOCK, &clock), EINVAL);
	CHECK_ERR(ioctl(vm.fd, KVM_GET_CLOCK, (void *)0x10), EFAULT);
}

/* --- the page --- */

static u64 page_time(volatile struct time_info *page)
{
	u64 delta, ns;
	u32 version;

	do {
		version = page->version;
		asm volatile("lfence" ::: "memory");
		delta = rdtsc() - page->tsc;
		delta = page->shift < 0 ? delta >> -page->shift : delta << page->shift;
		ns = page->ns + (u64)((unsigned __int128)delta * page->mul >> 32);
		asm volatile("lfence" ::: "memory");
	} while (version & 1 || version != page->version);
	return ns;
}

static void guest_clock(u64 msr)
{
	volatile struct time_info *page = (void *)PAGE;

	wrmsr(msr, PAGE | KVM_MSR_ENABLED);
	GUEST_CHECK_EQ(rdmsr(msr), PAGE | KVM_MSR_ENABLED);
	for (;;)
		guest_sync(page_time(page));
}

/* The guest reads the time that userspace reads, give or take what the host's TSC is worth. */
static void check_time(void)
{
	u64 before = get_clock().clock, guest = vcpu_sync(&vcpu), after = get_clock().clock;
	const u64 slack = SECOND / 20;

	CHECK_MSG(guest + slack >= before && guest <= after + slack, "%llu <= %llu <= %llu",
		  (unsigned long long)before, (unsigned long long)guest, (unsigned long long)after);
}

static void check_clock_page(u64 msr)
{
	volatile struct time_info *page;
	struct kvm_clock_data clock = { .clock = 100000 * SECOND };

	guest_start(&vm, &vcpu, 0, guest_clock, msr);
	if (device_is_kvm() && !(get_clock().flags & KVM_CLOCK_TSC_STABLE))
		test_skip("KVM's clock does not keep time on a host whose TSC it distrusts");
	page = (void *)(vm.ram + PAGE);
	page->version = 7; /* as somebody left it */
	check_time();
	CHECK_EQ(page->version & 1, 0);
	CHECK_EQ(page->flags & ~FLAG_STABLE, 0);
	usleep(100000);
	check_time();
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	check_time();
	CHECK(page_time(page) || page->ns >= 100000 * SECOND);
	/* With the TSC moved the clock does not move. */
	CHECK_EQ(vcpu_set_msr(&vcpu, MSR_TSC, 1ULL << 50), 1);
	check_time();
	CHECK(page->tsc > 1ULL << 49);
}

TEST(kvmclock)
{
	check_clock_page(MSR_KVM_SYSTEM_TIME_NEW);
}

TEST(kvmclock_old_msr)
{
	check_clock_page(MSR_KVM_SYSTEM_TIME);
}

static void guest_clock_off(u64 arg)
{
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, PAGE | KVM_MSR_ENABLED);
	guest_sync(0);
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, 0);
	guest_sync(0);
	guest_sync(0);
	guest_done(0);
}

TEST(kvmclock_off)
{
	struct kvm_clock_data clock = { .clock = SECOND };
	struct time_info page;

	guest_start(&vm, &vcpu, 0, guest_clock_off, 0);
	vcpu_sync(&vcpu);
	CHECK(((struct time_info *)(vm.ram + PAGE))->version);
	vcpu_sync(&vcpu);
	page = *(struct time_info *)(vm.ram + PAGE);
	CHECK_OK(ioctl(vm.fd, KVM_SET_CLOCK, &clock));
	vcpu_sync(&vcpu);
	CHECK(!memcmp(vm.ram + PAGE, &page, sizeof(page)));
}

static void guest_clock_nowhere(u64 arg)
{
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, 0x7000000000 | KVM_MSR_ENABLED);
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, 0x7000000000);
	guest_sync(1);
	guest_done(2);
}

/* A page that is no memory is the guest's own loss. */
TEST(kvmclock_without_memory)
{
	guest_start(&vm, &vcpu, 0, guest_clock_nowhere, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(vcpu_done(&vcpu), 2);
}

TEST(guest_stopped_flag)
{
	volatile struct time_info *page;

	guest_start(&vm, &vcpu, 0, guest_clock, MSR_KVM_SYSTEM_TIME_NEW);
	CHECK_ERR(ioctl(vcpu.fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
	page = (void *)(vm.ram + PAGE);
	vcpu_sync(&vcpu);
	CHECK_OK(ioctl(vcpu.fd, KVM_KVMCLOCK_CTRL, 0));
	vcpu_sync(&vcpu);
	CHECK(page->flags & FLAG_STOPPED);
	/* Until the guest has seen it. */
	CHECK_EQ(vcpu_set_msr(&vcpu, MSR_TSC, 1ULL << 50), 1);
	vcpu_sync(&vcpu);
	CHECK(page->tsc > 1ULL << 49);
	CHECK(page->flags & FLAG_STOPPED);
	page->flags &= ~FLAG_STOPPED;
	CHECK_EQ(vcpu_set_msr(&vcpu, MSR_TSC, 1ULL << 52), 1);
	vcpu_sync(&vcpu);
	CHECK(page->tsc > 1ULL << 51);
	CHECK(!(page->flags & FLAG_STOPPED));
}

static void guest_wall_clock(u64 msr)
{
	wrmsr(msr, PAGE + 0x100);
	guest_done(rdmsr(msr));
}

/* What time it was when the clock was 0. */
static void check_wall_clock(u64 msr)
{
	const struct {
		u32 version, sec, nsec;
	} * wall;
	u64 got, want;

	guest_start(&vm, &vcpu, 0, guest_wall_clock, msr);
	want = clock_ns(CLOCK_REALTIME) - get_clock().clock;
	CHECK_EQ(vcpu_done(&vcpu), PAGE + 0x100);
	wall = (void *)(vm.ram + PAGE + 0x100);
	CHECK(wall->version && !(wall->version & 1));
	CHECK(wall->nsec < SECOND);
	got = wall->sec * SECOND + wall->nsec;
	CHECK_MSG(got + SECOND > want && got < want + SECOND, "%llu %llu", (unsigned long long)got,
		  (unsigned long long)want);
}

TEST(wall_clock)
{
	check_wall_clock(MSR_KVM_WALL_CLOCK_NEW);
	check_wall_clock(MSR_KVM_WALL_CLOCK);
}

/* --- steal time --- */

static void guest_steal(u64 arg)
{
	u64 value;

	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_KVM_STEAL_TIME, PAGE | 1 | 1 << 3), VEC_GP);
	wrmsr(MSR_KVM_STEAL_TIME, PAGE | KVM_MSR_ENABLED);
	GUEST_CHECK_EQ(rdmsr(MSR_KVM_STEAL_TIME), PAGE | KVM_MSR_ENABLED);
	guest_interruptible();
	for (;;) {
		for (value = 0; value < 1000; value++)
			cpu_pause();
		guest_sync(0);
	}
}

/* Another process on the same CPU: the vCPU has to wait, and its guest hears of it. */
TEST(steal_time)
{
	const struct kvm_steal_time *page;
	cpu_set_t one;
	pid_t rival;
	u64 until;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
	guest_start(&vm, &vcpu, 0, guest_steal, 0);
	page = (void *)(vm.ram + PAGE);
	vcpu_sync(&vcpu);
	CHECK_EQ(page->version & 1, 0);
	CHECK_EQ(page->flags, 0);
	rival = fork();
	if (!rival)
		for (;;)
			;
	until = clock_ns(CLOCK_MONOTONIC) + 20 * SECOND;
	while (page->steal < SECOND / 100 && clock_ns(CLOCK_MONOTONIC) < until)
		vcpu_sync(&vcpu);
	kill(rival, 9);
	waitpid(rival, NULL, 0);
	CHECK_MSG(page->steal >= SECOND / 100, "%llu", (unsigned long long)page->steal);
	CHECK_EQ(page->version & 1, 0);
	CHECK(page->version > 2);
}

/* --- PV EOI --- */

#define VECTOR 0x60
static volatile u64 taken, offers;

/* Takes the offer where there is one, as Linux does. */
static void on_ipi(struct guest_frame *frame)
{
	taken++;
	if (*(volatile u32 *)PAGE & 1) {
		offers++;
		*(volatile u32 *)PAGE = 0;
	} else {
		apic_eoi();
	}
}

static void guest_pv_eoi(u64 arg)
{
	u64 i;

	guest_handlers[VECTOR] = on_ipi;
	apic_enable();
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_KVM_PV_EOI_EN, PAGE | KVM_MSR_ENABLED), -1);
	GUEST_CHECK_EQ(rdmsr(MSR_KVM_PV_EOI_EN), PAGE | KVM_MSR_ENABLED);
	asm volatile("sti");
	for (i = 1; i <= 20; i++) {
		apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
		while (taken < i)
			cpu_pause();
		/* The end has arrived: nothing is in service. */
		GUEST_CHECK(!apic_bit(APIC_ISR, VECTOR));
		GUEST_CHECK_EQ(*(volatile u32 *)PAGE & 1, 0);
	}
	wrmsr(MSR_KVM_PV_EOI_EN, 0);
	guest_sync(offers);
	offers = 0;
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	while (taken < 21)
		cpu_pause();
	guest_done(offers);
}

TEST(pv_eoi)
{
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_pv_eoi, 0);
	CHECK(vcpu_sync(&vcpu) > 0);
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/* A guest that exits in its handler has not ended the interrupt: the offer is taken back. */
static void on_ipi_with_exit(struct guest_frame *frame)
{
	offers += *(volatile u32 *)PAGE & 1;
	guest_sync(1);
	GUEST_CHECK(apic_bit(APIC_ISR, VECTOR));
	if (*(volatile u32 *)PAGE & 1)
		*(volatile u32 *)PAGE = 0;
	else
		apic_eoi();
	GUEST_CHECK(!apic_bit(APIC_ISR, VECTOR));
	taken++;
}

static void guest_pv_eoi_withdrawn(u64 arg)
{
	u64 i;

	guest_handlers[VECTOR] = on_ipi_with_exit;
	apic_enable();
	wrmsr(MSR_KVM_PV_EOI_EN, PAGE | KVM_MSR_ENABLED);
	asm volatile("sti");
	for (i = 1; i <= 4; i++) {
		apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
		while (taken < i)
			cpu_pause();
	}
	guest_done(offers);
}

TEST(pv_eoi_withdrawn)
{
	int i;

	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_pv_eoi_withdrawn, 0);
	for (i = 0; i < 4; i++) {
		vcpu_sync(&vcpu);
		CHECK_EQ(*(u32 *)(vm.ram + PAGE) & 1, 0);
	}
	CHECK(vcpu_done(&vcpu) > 0);
}

/* Somebody waits for the end of a level-triggered interrupt: it is not offered. */
static void on_level(struct guest_frame *frame)
{
	offers += *(volatile u32 *)PAGE & 1;
	taken++;
	guest_sync(2); /* the line goes down */
	apic_eoi();
}

static void guest_pv_eoi_level(u64 arg)
{
	guest_handlers[VECTOR] = on_level;
	pic_init(0xffff);
	apic_enable();
	wrmsr(MSR_KVM_PV_EOI_EN, PAGE | KVM_MSR_ENABLED);
	ioapic_route(5, VECTOR, ICR_LEVEL);
	asm volatile("sti");
	guest_sync(1); /* up */
	while (!taken)
		cpu_pause();
	guest_done(offers);
}

TEST(pv_eoi_not_for_level)
{
	struct kvm_irq_level line = { .irq = 5, .level = 1 };

	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_pv_eoi_level, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(ioctl(vm.fd, KVM_IRQ_LINE, &line));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	line.level = 0;
	CHECK_OK(ioctl(vm.fd, KVM_IRQ_LINE, &line));
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/* --- what is offered, and saved --- */

TEST(features)
{
	size_t size = sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2);
	const u32 expected = 1U << KVM_FEATURE_CLOCKSOURCE | 1U << KVM_FEATURE_CLOCKSOURCE2 |
			     1U << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT |
			     1U << KVM_FEATURE_STEAL_TIME | 1U << KVM_FEATURE_PV_EOI;
	struct kvm_cpuid2 *cpuid = calloc(1, size);
	u32 i, found = 0;

	vm_create(&vm, 0);
	cpuid->nent = 256;
	CHECK_OK(ioctl(vm.dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == KVM_CPUID_FEATURES)
			found = cpuid->entries[i].eax;
	CHECK_EQ(found & expected, expected);
}

TEST(msrs_are_saved)
{
	static const u32 msrs[] = { MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_WALL_CLOCK_NEW,
				    MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN };
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096);
	unsigned int i, j;
	u64 value;

	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu, 0);
	list->nmsrs = 1024;
	CHECK_OK(ioctl(vm.dev, KVM_GET_MSR_INDEX_LIST, list));
	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		for (j = 0; j < list->nmsrs && list->indices[j] != msrs[i]; j++)
			;
		CHECK_MSG(j < list->nmsrs, "%#x", msrs[i]);
		CHECK_EQ(vcpu_set_msr(&vcpu, msrs[i], PAGE | (i != 1)), 1);
		CHECK_EQ(vcpu_get_msr(&vcpu, msrs[i], &value), 1);
		CHECK_EQ(value, PAGE | (i != 1));
	}
}
