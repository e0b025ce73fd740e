// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts from several threads at vCPUs that sleep in HLT, run, or are just going from one to
 * the other: a wake-up that gets lost shows as a message that is never answered. And everything
 * that userspace may change about the controllers, changed while they are in use. Each test ends by
 * leaving its vCPUs running and its timers armed.
 *
 * One CPU in the svm host: with two, QEMU 7.2 delivers an injected interrupt a second time when
 * another CPU's kick meets the VMRUN (helper_vmrun leaves exception_index set); KVM's guests see it
 * as well.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apic.h"

#define VCPUS 2U
#define SENDERS 2U /* for each vCPU */
#define VEC_TIMER 0x40
#define VEC_SENDER(vcpu, sender) (0x50 + (vcpu)*0x10 + (sender))
#define RUN_MS 1000
#define PATIENCE_MS 20000

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpus[VCPUS];
static volatile u64 taken[256], timers[VCPUS];
static volatile bool stop;

static u64 milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000UL + ts.tv_nsec / 1000000;
}

static void pause_for(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

/* --- the guest --- */

static void on_message(struct guest_frame *frame)
{
	taken[frame->vector]++;
	apic_eoi();
}

static void on_timer(struct guest_frame *frame)
{
	timers[apic_read(APIC_ID) >> (apic_x2 ? 0 : 24)]++;
	apic_eoi();
}

static void on_anything(struct guest_frame *frame)
{
	if (frame->vector < 0x30)
		outb(0x20, 0x20);
	apic_eoi();
}

/* Sleeps most of the time; the timer's period is no multiple of anything. */
static void guest_sleep(u64 timer)
{
	apic_enable();
	if (timer) {
		apic_write(APIC_TIMER_DIVIDE, 0xb);
		apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VEC_TIMER);
		apic_write(APIC_TIMER_INITIAL, 1234567);
	}
	for (;;)
		asm volatile("sti; hlt");
}

/* --- the host --- */

static void *run_vcpu(void *argument)
{
	struct vcpu *vcpu = argument;

	/* Ends only with the process. Ports are what the handlers of stray PIC vectors write to. */
	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
			CHECK_MSG(errno == EINTR || errno == EAGAIN, "%s", errno_name(errno));
		else
			CHECK_MSG(vcpu->run->exit_reason == KVM_EXIT_IO &&
					  vcpu->run->io.port < PORT_SYNC,
				  "%s", exit_name(vcpu->run->exit_reason));
	}
	return NULL;
}

static void start(unsigned int flags, u64 timer)
{
	unsigned int i;
	pthread_t thread;

	for (i = 0x20; i < 0x100; i++)
		guest_handlers[i] = i < VEC_TIMER ? on_anything : on_message;
	guest_handlers[VEC_NMI] = on_anything;
	guest_handlers[VEC_TIMER] = on_timer;
	vm_create(&vm, flags);
	for (i = 0; i < VCPUS; i++) {
		struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

		vcpu_create(&vm, &vcpus[i], i);
		vcpu_set_cpuid(&vcpus[i]);
		vcpu_set_long_mode(&vcpus[i], guest_sleep, timer);
		CHECK_OK(ioctl(vcpus[i].fd, KVM_SET_MP_STATE, &runnable));
	}
	for (i = 0; i < VCPUS; i++)
		CHECK_EQ(pthread_create(&thread, NULL, run_vcpu, &vcpus[i]), 0);
}

static int msi(u32 apic, u32 data)
{
	struct kvm_msi message = { .address_lo = 0xfee00000 | apic << 12, .data = data };

	return ioctl(vm.fd, KVM_SIGNAL_MSI, &message);
}

/* One message, and its answer. */
static void send_and_wait(u32 apic, u8 vector)
{
	volatile u64 *answer = &GUEST_VAR(&vm, taken)[vector];
	u64 before = *answer, end = milliseconds() + PATIENCE_MS;
	unsigned int polls;

	CHECK_EQ(msi(apic, vector), 1);
	for (polls = 0; *answer == before; polls++) {
		CHECK_MSG(milliseconds() < end, "message %#x to vCPU %u was lost", vector, apic);
		pause_for(polls < 10 ? 10 : 200);
	}
	CHECK_EQ(*answer, before + 1);
}

/* The guest sets its APIC up first; until then messages are refused. */
static void wait_for_guest(void)
{
	u64 end = milliseconds() + PATIENCE_MS;
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		while (msi(i, 0xf0) <= 0) {
			CHECK_MSG(milliseconds() < end, "vCPU %u does not come up", i);
			pause_for(1000);
		}
}

static u64 sent;

static void *sender(void *argument)
{
	unsigned int self = (unsigned long)argument, seed = self;
	u32 apic = self / SENDERS;

	while (!stop) {
		send_and_wait(apic, VEC_SENDER(apic, self % SENDERS));
		__atomic_fetch_add(&sent, 1, __ATOMIC_RELAXED);
		/* Now and then the vCPU gets to sleep first. */
		if (rand_r(&seed) % 2)
			pause_for(rand_r(&seed) % 500);
	}
	return NULL;
}

static void no_message_is_lost(u64 timer)
{
	pthread_t threads[VCPUS * SENDERS];
	unsigned long i;

	start(VM_IRQCHIP, timer);
	wait_for_guest();
	for (i = 0; i < VCPUS * SENDERS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
	for (u64 end = milliseconds() + RUN_MS; milliseconds() < end;)
		pause_for(10000);
	stop = true;
	for (i = 0; i < VCPUS * SENDERS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	test_diag("%llu messages", (unsigned long long)sent);
	CHECK(sent >= 4 * VCPUS * SENDERS);
	for (i = 0; i < VCPUS; i++)
		CHECK((GUEST_VAR(&vm, timers)[i] > 0) == timer);
}

TEST(messages_to_sleepers, .timeout = 120)
{
	no_message_is_lost(0);
}

TEST(messages_beside_timers, .timeout = 120)
{
	no_message_is_lost(1);
}

TEST(messages_beside_timers_x2apic, .timeout = 120)
{
	apic_x2 = 1;
	no_message_is_lost(1);
}

/* --- everything at once --- */

static void change_routing(unsigned int *seed)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry[32];
	} routing = { .header.nr = rand_r(seed) % 33 };
	u32 i;

	for (i = 0; i < routing.header.nr; i++) {
		struct kvm_irq_routing_entry *entry = &routing.entry[i];

		entry->gsi = i;
		if (rand_r(seed) % 2) {
			entry->type = KVM_IRQ_ROUTING_MSI;
			entry->u.msi.address_lo = 0xfee00000 | (rand_r(seed) % VCPUS) << 12;
			entry->u.msi.data = 0x80 + i;
		} else {
			entry->type = KVM_IRQ_ROUTING_IRQCHIP;
			entry->u.irqchip.irqchip = rand_r(seed) % 3;
			entry->u.irqchip.pin = rand_r(seed) % 8;
		}
	}
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
}

static void move_lines(unsigned int *seed)
{
	struct kvm_irq_level line = { .irq = rand_r(seed) % 40, .level = rand_r(seed) % 2 };

	CHECK_OK(ioctl(vm.fd, KVM_IRQ_LINE, &line));
	msi(rand_r(seed) % (VCPUS + 1), 0xa0 + rand_r(seed) % 0x20);
	msi(0xff, 0xc0 | (rand_r(seed) % 2 ? 1 << 15 : 0));
}

/* Redirections of fixed vectors, level triggered or not. */
static void change_chips(unsigned int *seed)
{
	struct kvm_irqchip chip = { .chip_id = rand_r(seed) % 3 };
	u32 i;

	CHECK_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	if (chip.chip_id == KVM_IRQCHIP_IOAPIC) {
		for (i = 0; i < 24; i++)
			chip.chip.ioapic.redirtbl[i].bits = (0xd0 + i) |
							    (u64)(rand_r(seed) % 2) << 15 |
							    (u64)(rand_r(seed) % VCPUS) << 56;
		chip.chip.ioapic.irr = rand_r(seed) & 0xffffff;
	} else {
		chip.chip.pic.irq_base = 0x20 + 8 * chip.chip_id;
		chip.chip.pic.irr = rand_r(seed);
		chip.chip.pic.isr = 0;
		chip.chip.pic.imr = rand_r(seed);
		chip.chip.pic.auto_eoi = 1;
	}
	CHECK_OK(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip));
}

static void change_pit(unsigned int *seed)
{
	struct kvm_pit_state2 pit;

	CHECK_OK(ioctl(vm.fd, KVM_GET_PIT2, &pit));
	pit.channels[0].mode = 2 + rand_r(seed) % 2;
	pit.channels[0].count = 1 + rand_r(seed) % 5000;
	CHECK_OK(ioctl(vm.fd, KVM_SET_PIT2, &pit));
}

/* Until then a PIC delivers vectors from 0 on, which are the exceptions'. */
static void place_pics(void)
{
	struct kvm_irqchip chip = { 0 };

	for (; chip.chip_id < KVM_IRQCHIP_IOAPIC; chip.chip_id++) {
		CHECK_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
		chip.chip.pic.irq_base = 0x20 + 8 * chip.chip_id;
		CHECK_OK(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip));
	}
}

static void *disturber(void *argument)
{
	static void (*const disturb[])(unsigned int *seed) = { change_routing, move_lines,
							       change_chips, change_pit };
	unsigned int kind = (unsigned long)argument, seed = kind;

	while (!stop) {
		disturb[kind](&seed);
		pause_for(rand_r(&seed) % 200);
	}
	return NULL;
}

static void everything_at_once(void)
{
	pthread_t threads[4];
	unsigned long i;

	start(VM_PIT, 1);
	place_pics();
	wait_for_guest();
	for (i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, disturber, (void *)i), 0);
	for (u64 end = milliseconds() + RUN_MS; milliseconds() < end;)
		pause_for(10000);
	stop = true;
	for (i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	/* Whatever is left of it, both still answer. */
	for (i = 0; i < VCPUS; i++)
		send_and_wait(i, 0xef);
}

TEST(everything_at_once_xapic, .timeout = 120)
{
	everything_at_once();
}

TEST(everything_at_once_x2apic, .timeout = 120)
{
	apic_x2 = 1;
	everything_at_once();
}
