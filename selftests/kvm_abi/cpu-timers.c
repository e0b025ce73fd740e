// SPDX-License-Identifier: GPL-2.0-only
/* Timers of the machine in the kernel: APIC timer in its three modes, PIT; and guest time. */
#include <string.h>

#include "apic.h"

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu;
static volatile u64 count, last_tsc;

static void on_timer(struct guest_frame *frame)
{
	count++;
	last_tsc = rdtsc();
	apic_eoi();
}

static void on_pic_timer(struct guest_frame *frame)
{
	count++;
	outb(0x20, 0x20);
}

static void run_guest(void (*entry)(u64), u64 arg, unsigned int flags)
{
	guest_handlers[0x40] = on_timer;
	guest_handlers[0x20] = on_pic_timer;
	guest_start(&vm, &vcpu, flags, entry, arg);
	vcpu_done(&vcpu);
}

static inline void halt(void)
{
	asm volatile("sti; hlt; cli" ::: "memory");
}

static void set_mode(u64 x2)
{
	apic_x2 = x2;
	apic_enable();
	apic_write(APIC_TIMER_DIVIDE, 0xb); /* by 1 */
}

/* The bus clock of KVM's APIC is 1 GHz; nothing here depends on it. */
#define TICKS 2000000

static void guest_one_shot(u64 x2)
{
	u64 i;

	set_mode(x2);
	apic_write(APIC_LVT_TIMER, 0x40);
	GUEST_CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
	for (i = 1; i <= 3; i++) {
		apic_write(APIC_TIMER_INITIAL, TICKS);
		while (count < i)
			halt();
		GUEST_CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
	}
	/* One shot is one: nothing more comes while a longer masked one runs. */
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, TICKS);
	asm volatile("sti");
	while (apic_read(APIC_TIMER_CURRENT))
		cpu_pause();
	GUEST_CHECK_EQ(count, 3);
}

TEST(one_shot_xapic)
{
	run_guest(guest_one_shot, 0, VM_IRQCHIP);
}

TEST(one_shot_x2apic)
{
	run_guest(guest_one_shot, 1, VM_IRQCHIP);
}

static void guest_periodic(u64 x2)
{
	u64 seen;

	set_mode(x2);
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_PERIODIC);
	apic_write(APIC_TIMER_INITIAL, TICKS);
	while (count < 5)
		halt();
	/* Writing 0 stops it. */
	apic_write(APIC_TIMER_INITIAL, 0);
	GUEST_CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
	asm volatile("sti; nop; cli");
	seen = count;
	apic_write(APIC_LVT_TIMER, 0x41 | LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, TICKS);
	while (apic_read(APIC_TIMER_CURRENT) > TICKS / 2)
		cpu_pause();
	asm volatile("sti; nop; cli");
	GUEST_CHECK_EQ(count, seen);
}

TEST(periodic_xapic)
{
	run_guest(guest_periodic, 0, VM_IRQCHIP);
}

TEST(periodic_x2apic)
{
	run_guest(guest_periodic, 1, VM_IRQCHIP);
}

/* The count goes down at a rate that the divider sets. */
static void guest_current_count(u64 arg)
{
	u32 a, b;

	set_mode(0);
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, 0xffffffff);
	a = apic_read(APIC_TIMER_CURRENT);
	b = apic_read(APIC_TIMER_CURRENT);
	GUEST_CHECK(a > b && b > 0);
	GUEST_CHECK_EQ(apic_read(APIC_TIMER_INITIAL), 0xffffffff);
	apic_write(APIC_TIMER_DIVIDE, 3); /* by 16 */
	GUEST_CHECK_EQ(apic_read(APIC_TIMER_DIVIDE), 3);
}

TEST(current_count)
{
	run_guest(guest_current_count, 0, VM_IRQCHIP);
}

#define DEADLINE 3000000

static void guest_deadline(u64 x2)
{
	u64 i, deadline = 0;

	set_mode(x2);
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_DEADLINE);
	GUEST_CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	for (i = 1; i <= 3; i++) {
		deadline = rdtsc() + DEADLINE;
		wrmsr(MSR_TSC_DEADLINE, deadline);
		while (count < i)
			halt();
		/* Never early, and the MSR is 0 once it fired (SDM 3A 10.5.4.1). */
		GUEST_CHECK(last_tsc >= deadline);
		GUEST_CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	}
	/* In the past: at once. */
	wrmsr(MSR_TSC_DEADLINE, 1);
	halt();
	GUEST_CHECK_EQ(count, 4);
	/* 0 disarms; the initial count has no meaning in this mode. */
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + DEADLINE);
	wrmsr(MSR_TSC_DEADLINE, 0);
	apic_write(APIC_TIMER_INITIAL, 1000);
	asm volatile("sti");
	deadline = rdtsc() + 2 * DEADLINE;
	while (rdtsc() < deadline)
		cpu_pause();
	GUEST_CHECK_EQ(count, 4);
}

TEST(tsc_deadline_xapic)
{
	run_guest(guest_deadline, 0, VM_IRQCHIP);
}

TEST(tsc_deadline_x2apic)
{
	run_guest(guest_deadline, 1, VM_IRQCHIP);
}

/* A guest that does not halt is interrupted as well. */
static void guest_deadline_busy(u64 arg)
{
	set_mode(1);
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_DEADLINE);
	asm volatile("sti");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + DEADLINE);
	while (!count)
		;
}

TEST(tsc_deadline_while_running)
{
	run_guest(guest_deadline_busy, 0, VM_IRQCHIP);
}

static void await_deadline(u64 halting, u64 n)
{
	asm volatile("sti");
	while (count < n) {
		if (halting)
			halt();
		else
			cpu_pause();
	}
	asm volatile("cli");
}

/* A timer that is armed already: what was written last is what counts. */
static void guest_deadline_moved(u64 halting)
{
	u64 far, deadline;

	set_mode(1);
	apic_write(APIC_LVT_TIMER, 0x40 | LVT_DEADLINE);
	/* earlier */
	far = rdtsc() + 1000UL * DEADLINE;
	wrmsr(MSR_TSC_DEADLINE, far);
	deadline = rdtsc() + DEADLINE;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	await_deadline(halting, 1);
	GUEST_CHECK(last_tsc >= deadline && last_tsc < far);
	GUEST_CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	/* later */
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + DEADLINE);
	deadline = rdtsc() + 3 * DEADLINE;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	await_deadline(halting, 2);
	GUEST_CHECK(last_tsc >= deadline);
	/* later, and earlier than it first was */
	far = rdtsc() + 1000UL * DEADLINE;
	wrmsr(MSR_TSC_DEADLINE, far);
	wrmsr(MSR_TSC_DEADLINE, far + DEADLINE);
	deadline = rdtsc() + DEADLINE;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	await_deadline(halting, 3);
	GUEST_CHECK(last_tsc >= deadline && last_tsc < far);
	/* None of the abandoned ones is left. */
	deadline = rdtsc() + 3 * DEADLINE;
	asm volatile("sti");
	while (rdtsc() < deadline)
		cpu_pause();
	GUEST_CHECK_EQ(count, 3);
}

TEST(tsc_deadline_moved_halted)
{
	run_guest(guest_deadline_moved, 1, VM_IRQCHIP);
}

TEST(tsc_deadline_moved_while_running)
{
	run_guest(guest_deadline_moved, 0, VM_IRQCHIP);
}

/* --- PIT --- */

static void pit_program(u16 divisor)
{
	outb(0x43, 0x34); /* channel 0, low then high byte, rate generator */
	outb(0x40, divisor);
	outb(0x40, divisor >> 8);
}

static void guest_pit_through_pic(u64 arg)
{
	apic_enable();
	apic_write(APIC_LVT_LINT0, 0x700); /* ExtINT */
	pic_init(0xfffe);
	pit_program(11932); /* 100 Hz */
	while (count < 4)
		halt();
}

TEST(pit_through_pic)
{
	run_guest(guest_pit_through_pic, 0, VM_PIT);
}

static void guest_pit_through_ioapic(u64 arg)
{
	apic_enable();
	pic_init(0xffff);
	ioapic_route(2, 0x40, 0);
	pit_program(11932);
	while (count < 4)
		halt();
}

/* On a PC the PIT is pin 2; which it is here is for the routing table to say. */
TEST(pit_through_ioapic)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry;
	} routing = { .header.nr = 1,
		      .entry = { .gsi = 0,
				 .type = KVM_IRQ_ROUTING_IRQCHIP,
				 .u.irqchip = { KVM_IRQCHIP_IOAPIC, 2 } } };

	guest_handlers[0x40] = on_timer;
	guest_start(&vm, &vcpu, VM_PIT, guest_pit_through_ioapic, 0);
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	vcpu_done(&vcpu);
}

/* Channel 2 counts under the gate of port 0x61 and its output shows there: how TSCs are calibrated. */
static void guest_pit_channel_2(u64 arg)
{
	u64 tries = 0;

	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0); /* channel 2, both bytes, mode 0 */
	outb(0x42, 0xff);
	outb(0x42, 0x10);
	GUEST_CHECK_EQ(inb(0x61) & 0x20, 0);
	while (!(inb(0x61) & 0x20)) {
		cpu_pause();
		tries++;
	}
	GUEST_CHECK(tries > 0);
	/* Latched reads of channel 0 count down. */
	outb(0x43, 0x34);
	outb(0x40, 0xff);
	outb(0x40, 0xff);
	outb(0x43, 0x00);
	tries = inb(0x40);
	tries |= inb(0x40) << 8;
	GUEST_CHECK(tries > 0 && tries <= 0xffff);
}

TEST(pit_channel_2)
{
	run_guest(guest_pit_channel_2, 0, VM_PIT);
}

/* Port 0x61 and the PIT's ports without a PIT in the kernel are userspace's. */
static void guest_read_pit(u64 arg)
{
	inb(0x40);
	inb(0x61);
}

TEST(no_pit_no_ports)
{
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_read_pit, 0);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, 0x40);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, 0x61);
	vcpu_done(&vcpu);
}

/* --- time --- */

static void guest_tsc_msr(u64 arg)
{
	u64 a, b, c;

	a = rdtsc();
	b = rdmsr(MSR_TSC);
	c = rdtsc();
	GUEST_CHECK(a <= b && b <= c);
	wrmsr(MSR_TSC, 0);
	GUEST_CHECK(rdtsc() < a + (1UL << 36));
}

TEST(tsc_msr)
{
	run_guest(guest_tsc_msr, 0, 0);
}

TEST(tsc_frequency)
{
	long khz;

	guest_start(&vm, &vcpu, 0, guest_tsc_msr, 0);
	if (!has_cap(vm.dev, KVM_CAP_GET_TSC_KHZ))
		test_skip("no KVM_CAP_GET_TSC_KHZ");
	khz = CHECK_OK(ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0));
	CHECK_MSG(khz > 1000 && khz < 20000000, "%ld kHz", khz);
}
