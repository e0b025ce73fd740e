// SPDX-License-Identifier: GPL-2.0-only
/* irqfd and ioeventfd: interrupts from eventfds, guest writes to eventfds; refusals, and changes under load. */
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"

#define PORT 0x700
#define MMIO 0xd0000000UL

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu;
static volatile u64 count, order, eoi_by_hand, stop;

static void on_interrupt(struct guest_frame *frame)
{
	count++;
	order = order << 8 | frame->vector;
	if (!eoi_by_hand)
		apic_eoi();
}

static void on_pic_interrupt(struct guest_frame *frame)
{
	count++;
	if (frame->vector >= 0x28)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void start(void (*entry)(u64), u64 arg)
{
	u32 i;

	for (i = 0x20; i < 0x30; i++)
		guest_handlers[i] = on_pic_interrupt;
	for (i = 0x30; i < 0xff; i++)
		guest_handlers[i] = on_interrupt;
	guest_start(&vm, &vcpu, VM_IRQCHIP, entry, arg);
}

static int new_eventfd(unsigned int initial)
{
	return CHECK_OK(eventfd(initial, EFD_NONBLOCK | EFD_CLOEXEC));
}

static void signal_fd(int fd)
{
	u64 one = 1;

	CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* What an eventfd holds; then nothing. */
static u64 drain(int fd)
{
	u64 value;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int irqfd(int fd, u32 gsi, u32 flags, int resamplefd)
{
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd };

	return ioctl(vm.fd, KVM_IRQFD, &irqfd);
}

static int ioeventfd(int fd, u64 addr, u32 len, u32 flags, u64 datamatch)
{
	struct kvm_ioeventfd args = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = datamatch
	};

	return ioctl(vm.fd, KVM_IOEVENTFD, &args);
}

/* --- irqfd --- */

/* The guest says how many came; KVM may inject some time after the write. */
static void wait_count(u64 expected)
{
	u64 seen;
	int i = 0;

	while ((seen = vcpu_sync(&vcpu)) < expected && i++ < 500)
		sleep_ms(i < 20 ? 0 : 2);
	CHECK_EQ(seen, expected);
}

static void no_more_than(u64 expected)
{
	sleep_ms(20);
	CHECK_EQ(vcpu_sync(&vcpu), expected);
}

static void guest_count(u64 flags)
{
	apic_enable();
	pic_init(0xffff);
	ioapic_route(5, 0x55, flags);
	ioapic_route(9, 0x59, flags);
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

TEST(irqfd_edge)
{
	int fd = new_eventfd(0), other = new_eventfd(0), i;

	start(guest_count, 0);
	CHECK(has_cap(vm.dev, KVM_CAP_IRQFD));
	CHECK_OK(irqfd(fd, 5, 0, 0));
	CHECK_OK(irqfd(other, 9, 0, 0));
	wait_count(0);
	for (i = 1; i <= 10; i++) {
		signal_fd(fd);
		wait_count(i);
	}
	CHECK_EQ(drain(fd), 0); /* the kernel reads it */
	signal_fd(other);
	wait_count(11);
	CHECK_EQ(GUEST_VAR(&vm, order) & 0xffff, 0x5559);
	no_more_than(11);
}

TEST(irqfd_msi)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry[1];
	} routing = {
		.header.nr = 1,
		.entry = { { .gsi = 40,
			     .type = KVM_IRQ_ROUTING_MSI,
			     .u.msi = { 0xfee00000, 0, 0x6e } } },
	};
	int fd = new_eventfd(0);

	start(guest_count, 0);
	/* Before there is a route: written into the void. */
	CHECK_OK(irqfd(fd, 40, 0, 0));
	wait_count(0);
	signal_fd(fd);
	no_more_than(0);
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	signal_fd(fd);
	wait_count(1);
	routing.entry[0].u.msi.data = 0x6f;
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	signal_fd(fd);
	wait_count(2);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x6e6f);
}

TEST(irqfd_written_before)
{
	int fd = new_eventfd(3);

	start(guest_count, 0);
	wait_count(0);
	CHECK_OK(irqfd(fd, 5, 0, 0));
	wait_count(1);
	no_more_than(1);
}

TEST(irqfd_deassign)
{
	int fd = new_eventfd(0), other = new_eventfd(0);

	start(guest_count, 0);
	CHECK_OK(irqfd(fd, 5, 0, 0));
	CHECK_OK(irqfd(fd, 9, KVM_IRQFD_FLAG_DEASSIGN, 0)); /* another GSI */
	CHECK_OK(irqfd(other, 5, KVM_IRQFD_FLAG_DEASSIGN, 0)); /* another eventfd */
	wait_count(0);
	signal_fd(fd);
	wait_count(1);
	CHECK_OK(irqfd(fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	signal_fd(fd);
	no_more_than(1);
	CHECK_EQ(drain(fd), 1); /* userspace's again */
	CHECK_OK(irqfd(fd, 9, 0, 0));
	signal_fd(fd);
	wait_count(2);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x5559);
}

/* The last file of the eventfd goes: so does the irqfd. */
TEST(irqfd_hang_up)
{
	int i, fd, copy;

	start(guest_count, 0);
	wait_count(0);
	for (i = 1; i <= 50; i++) {
		fd = new_eventfd(0);
		copy = CHECK_OK(dup(fd));
		CHECK_OK(irqfd(fd, 5, 0, 0));
		close(fd);
		signal_fd(copy);
		if (i <= 3)
			wait_count(i);
		close(copy);
	}
	sleep_ms(20);
	vcpu_sync(&vcpu);
	fd = new_eventfd(0);
	CHECK_OK(irqfd(fd, 9, 0, 0));
	signal_fd(fd);
	wait_count(vcpu_sync(&vcpu) + ((GUEST_VAR(&vm, order) & 0xff) != 0x59));
	CHECK_EQ(GUEST_VAR(&vm, order) & 0xff, 0x59);
}

TEST(irqfd_refused)
{
	int fd = new_eventfd(0), pipes[2];

	vm_create(&vm, 0);
	CHECK_ERR(irqfd(fd, 5, 0, 0), EINVAL); /* no irqchip */
	vm_destroy(&vm);
	vm_create(&vm, VM_IRQCHIP);
	CHECK_OK(pipe(pipes));
	CHECK_ERR(irqfd(fd, 5, 4, 0), EINVAL);
	CHECK_ERR(irqfd(fd, 5, 1U << 31, 0), EINVAL);
	CHECK_ERR(irqfd(9999, 5, 0, 0), EBADF);
	CHECK_ERR(irqfd(pipes[0], 5, 0, 0), EINVAL);
	CHECK_ERR(irqfd(9999, 5, KVM_IRQFD_FLAG_DEASSIGN, 0), EBADF);
	CHECK_ERR(irqfd(fd, 5, KVM_IRQFD_FLAG_RESAMPLE, 9999), EBADF);
	CHECK_ERR(irqfd(fd, 5, KVM_IRQFD_FLAG_RESAMPLE, pipes[1]), EINVAL);
	/* Nothing is left of the refused ones. */
	CHECK_OK(irqfd(fd, 5, 0, 0));
	CHECK_ERR(irqfd(fd, 5, 0, 0), EBUSY);
	CHECK_ERR(irqfd(fd, 9, 0, 0), EBUSY);
	CHECK_OK(irqfd(fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	CHECK_OK(irqfd(fd, 9, 0, 0));
}

/* Level: high until the guest's EOI, which lowers it and tells whoever drives it to look again. */
TEST(irqfd_resample)
{
	int fd = new_eventfd(0), resample = new_eventfd(0);
	int fd2 = new_eventfd(0), resample2 = new_eventfd(0), i;

	start(guest_count, 1 << 15);
	CHECK(has_cap(vm.dev, KVM_CAP_IRQFD_RESAMPLE));
	CHECK_OK(irqfd(fd, 9, KVM_IRQFD_FLAG_RESAMPLE, resample));
	wait_count(0);
	CHECK_EQ(drain(resample), 0);
	for (i = 1; i <= 5; i++) {
		signal_fd(fd);
		wait_count(i);
		CHECK_EQ(drain(resample), 1);
	}
	no_more_than(5);
	CHECK_EQ(drain(resample), 0);
	/* Two on one line: both are told. */
	CHECK_OK(irqfd(fd2, 9, KVM_IRQFD_FLAG_RESAMPLE, resample2));
	signal_fd(fd2);
	wait_count(6);
	CHECK_EQ(drain(resample), 1);
	CHECK_EQ(drain(resample2), 1);
	CHECK_OK(irqfd(fd, 9, KVM_IRQFD_FLAG_DEASSIGN, 0));
	signal_fd(fd2);
	wait_count(7);
	CHECK_EQ(drain(resample), 0);
	CHECK_EQ(drain(resample2), 1);
	no_more_than(7);
}

static void guest_hold(u64 arg)
{
	eoi_by_hand = 1;
	apic_enable();
	pic_init(0xffff);
	ioapic_route(9, 0x59, 1 << 15);
	asm volatile("sti");
	for (;;) {
		guest_sync(count);
		if (stop) {
			apic_eoi();
			stop = 0;
		}
	}
}

/* Taken away while the line is high: it falls, for nobody would lower it any more. */
TEST(irqfd_resample_deassigned_while_high)
{
	int fd = new_eventfd(0), resample = new_eventfd(0);

	start(guest_hold, 0);
	CHECK_OK(irqfd(fd, 9, KVM_IRQFD_FLAG_RESAMPLE, resample));
	wait_count(0);
	signal_fd(fd);
	wait_count(1);
	CHECK_EQ(drain(resample), 0); /* not before the EOI */
	CHECK_OK(irqfd(fd, 9, KVM_IRQFD_FLAG_DEASSIGN, 0));
	GUEST_VAR(&vm, stop) = 1;
	no_more_than(1);
	no_more_than(1);
	CHECK_EQ(drain(resample), 0);
}

/* An edge-triggered pin has an end as well. */
TEST(irqfd_resample_edge_pin)
{
	int fd = new_eventfd(0), resample = new_eventfd(0), i;

	start(guest_count, 0);
	CHECK_OK(irqfd(fd, 9, KVM_IRQFD_FLAG_RESAMPLE, resample));
	wait_count(0);
	for (i = 1; i <= 3; i++) {
		signal_fd(fd);
		wait_count(i);
		CHECK_EQ(drain(resample), 1);
	}
}

static void guest_pic(u64 arg)
{
	apic_enable();
	apic_write(APIC_LVT_LINT0, 0x700);
	pic_init(0);
	outb(0x4d0, 1 << 5);
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

/* The PIC's EOI counts too. */
TEST(irqfd_resample_pic)
{
	int fd = new_eventfd(0), resample = new_eventfd(0), i;

	start(guest_pic, 0);
	CHECK_OK(irqfd(fd, 5, KVM_IRQFD_FLAG_RESAMPLE, resample));
	wait_count(0);
	for (i = 1; i <= 3; i++) {
		signal_fd(fd);
		wait_count(i);
		CHECK_EQ(drain(resample), 1);
	}
	no_more_than(3);
}

/* --- irqfd under load --- */

static volatile bool quit;

static void guest_spin(u64 arg)
{
	apic_enable();
	pic_init(0xffff);
	ioapic_route(5, 0x55, 0);
	ioapic_route(9, 0x59, 0);
	ioapic_route(10, 0x5a, 1 << 15);
	asm volatile("sti");
	while (!stop)
		cpu_pause();
	guest_done(0);
}

static void *run_guest(void *unused)
{
	vcpu_done(&vcpu);
	return NULL;
}

/* Assigns, writes, takes away, in all ways there are. */
static void *churn(void *unused)
{
	int resample = new_eventfd(0), fd, i;

	for (i = 0; !quit; i++) {
		bool level = i & 1;

		fd = new_eventfd(0);
		CHECK_OK(irqfd(fd, level ? 10 : 9, level ? KVM_IRQFD_FLAG_RESAMPLE : 0, resample));
		signal_fd(fd);
		if (i & 2)
			CHECK_OK(irqfd(fd, level ? 10 : 9, KVM_IRQFD_FLAG_DEASSIGN, 0));
		close(fd);
	}
	return NULL;
}

/* A running guest gets every interrupt, while others come and go. */
TEST(irqfd_under_load, .timeout = 60)
{
	pthread_t runner, churner;
	int fd = new_eventfd(0), i, j;
	volatile u64 *seen;

	start(guest_spin, 0);
	seen = &GUEST_VAR(&vm, count);
	CHECK_OK(irqfd(fd, 5, 0, 0));
	CHECK_EQ(pthread_create(&runner, NULL, run_guest, NULL), 0);
	sleep_ms(20);
	for (i = 0; i < 100; i++) {
		u64 before = *seen;

		signal_fd(fd);
		for (j = 0; *seen == before && j < 5000; j++)
			sleep_ms(1);
		CHECK_EQ(*seen, before + 1);
	}
	CHECK_EQ(pthread_create(&churner, NULL, churn, NULL), 0);
	for (i = 0; i < 200; i++) {
		signal_fd(fd);
		sleep_ms(1);
	}
	quit = true;
	CHECK_EQ(pthread_join(churner, NULL), 0);
	GUEST_VAR(&vm, stop) = 1;
	CHECK_EQ(pthread_join(runner, NULL), 0);
}

static void *keep_signalling(void *fd)
{
	u64 one = 1;

	while (!quit)
		if (write((long)fd, &one, sizeof(one)) < 0)
			drain((long)fd);
	return NULL;
}

/* The VM goes while somebody writes to what raises its interrupts. */
TEST(irqfd_outlives_vm, .timeout = 60)
{
	int fd = new_eventfd(0), resample = new_eventfd(0), i;
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, keep_signalling, (void *)(long)fd), 0);
	for (i = 0; i < 20; i++) {
		vm_create(&vm, VM_IRQCHIP);
		vcpu_create(&vm, &vcpu, 0);
		CHECK_OK(irqfd(fd, 9, i & 1 ? KVM_IRQFD_FLAG_RESAMPLE : 0, resample));
		sleep_ms(1);
		if (i & 2) {
			vm_destroy(&vm);
			vcpu_destroy(&vcpu);
		} else {
			vcpu_destroy(&vcpu);
			vm_destroy(&vm);
		}
	}
	quit = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- ioeventfd --- */

static void write_port(u16 port, u32 len, u32 value)
{
	if (len == 1)
		asm volatile("outb %0, %1" ::"a"((u8)value), "d"(port));
	else if (len == 2)
		asm volatile("outw %0, %1" ::"a"((u16)value), "d"(port));
	else
		asm volatile("outl %0, %1" ::"a"(value), "d"(port));
}

static void write_mmio(u64 addr, u32 len, u64 value)
{
	if (len == 1)
		*(volatile u8 *)addr = value;
	else if (len == 2)
		*(volatile u16 *)addr = value;
	else if (len == 4)
		*(volatile u32 *)addr = value;
	else
		*(volatile u64 *)addr = value;
}

/* One write of each length, from 1 on: to a port where arg is below 64 Ki, else to memory. */
static void guest_each_length(u64 addr)
{
	u32 len;

	for (len = 1; len <= (addr < 0x10000 ? 4 : 8); len *= 2) {
		if (addr < 0x10000)
			write_port(addr, len, 0x12345678);
		else
			write_mmio(addr, len, 0x1234567812345678);
	}
	guest_done(0);
}

static u32 exit_length(void)
{
	u32 reason = vcpu_run(&vcpu);

	if (reason == KVM_EXIT_MMIO && vcpu.run->mmio.is_write && vcpu.run->mmio.phys_addr == MMIO)
		return vcpu.run->mmio.len;
	if (reason == KVM_EXIT_IO && vcpu.run->io.port == PORT)
		return vcpu.run->io.size;
	CHECK_EQ(reason, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, PORT_DONE);
	return 0;
}

/* Writes of its length (or all, for 0) go to the eventfd, the others to userspace. */
static void check_lengths(u64 addr, u32 flags)
{
	u32 lens[] = { 0, 1, 2, 4, 8 }, i, max = addr < 0x10000 ? 4 : 8, len;

	for (i = 0; i < 5; i++) {
		int fd = new_eventfd(0);

		guest_start(&vm, &vcpu, 0, guest_each_length, addr);
		CHECK_OK(ioeventfd(fd, addr, lens[i], flags, 0));
		for (len = 1; len <= max; len *= 2)
			if (lens[i] && len != lens[i])
				CHECK_EQ(exit_length(), len);
		CHECK_EQ(exit_length(), 0);
		CHECK_EQ(drain(fd), lens[i] ? lens[i] <= max : max == 4 ? 3 : 4);
		/* Taken away: all are userspace's. */
		CHECK_OK(ioeventfd(fd, addr, lens[i], flags | KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
		vcpu_set_long_mode(&vcpu, guest_each_length, addr);
		/* The port access that ended the first run is done by the next one. */
		for (len = 1; len <= max; len *= 2)
			CHECK_EQ(exit_length(), len);
		CHECK_EQ(drain(fd), 0);
		/* And back, although they were known to be userspace's. */
		CHECK_EQ(exit_length(), 0);
		CHECK_OK(ioeventfd(fd, addr, lens[i], flags, 0));
		vcpu_set_long_mode(&vcpu, guest_each_length, addr);
		for (len = 1; len <= max; len *= 2)
			if (lens[i] && len != lens[i])
				CHECK_EQ(exit_length(), len);
		CHECK_EQ(exit_length(), 0);
		CHECK_EQ(drain(fd), lens[i] ? lens[i] <= max : max == 4 ? 3 : 4);
		vcpu_destroy(&vcpu);
		vm_destroy(&vm);
		close(fd);
	}
}

TEST(ioeventfd_pio_lengths)
{
	check_lengths(PORT, KVM_IOEVENTFD_FLAG_PIO);
}

TEST(ioeventfd_mmio_lengths)
{
	check_lengths(MMIO, 0);
}

static void guest_values(u64 len)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		write_mmio(MMIO, len, 0x0101010101010101 * i);
		if (len <= 4)
			write_port(PORT, len, 0x01010101 * i);
	}
	guest_done(0);
}

/* One eventfd a value: how legacy virtio tells its queues apart. */
static void check_datamatch(u32 len)
{
	u64 unit = 0x0101010101010101 & (len == 8 ? ~0UL : (1UL << 8 * len) - 1);
	int mmio1 = new_eventfd(0), mmio3 = new_eventfd(0), pio1 = new_eventfd(0), i;
	const u32 match = KVM_IOEVENTFD_FLAG_DATAMATCH;

	guest_start(&vm, &vcpu, 0, guest_values, len);
	CHECK_OK(ioeventfd(mmio1, MMIO, len, match, unit));
	CHECK_OK(ioeventfd(mmio3, MMIO, len, match, 3 * unit));
	if (len <= 4)
		CHECK_OK(ioeventfd(pio1, PORT, len, match | KVM_IOEVENTFD_FLAG_PIO, unit));
	for (i = 0; i < 4; i++) {
		if (i == 0 || i == 2) {
			vcpu_expect(&vcpu, KVM_EXIT_MMIO);
			CHECK_EQ(vcpu.run->mmio.data[0], i);
		}
		if (len <= 4 && i != 1) {
			vcpu_expect(&vcpu, KVM_EXIT_IO);
			CHECK_EQ(vcpu.run->io.port, PORT);
		}
	}
	vcpu_done(&vcpu);
	CHECK_EQ(drain(mmio1), 1);
	CHECK_EQ(drain(mmio3), 1);
	CHECK_EQ(drain(pio1), len <= 4);
	/* Named with its value, or not at all. */
	CHECK_ERR(ioeventfd(mmio1, MMIO, len, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 2 * unit),
		  ENOENT);
	CHECK_ERR(ioeventfd(mmio1, MMIO, len, KVM_IOEVENTFD_FLAG_DEASSIGN, unit), ENOENT);
	CHECK_OK(ioeventfd(mmio1, MMIO, len, match | KVM_IOEVENTFD_FLAG_DEASSIGN, unit));
}

TEST(ioeventfd_datamatch_1)
{
	check_datamatch(1);
}

TEST(ioeventfd_datamatch_2)
{
	check_datamatch(2);
}

TEST(ioeventfd_datamatch_4)
{
	check_datamatch(4);
}

TEST(ioeventfd_datamatch_8)
{
	check_datamatch(8);
}

static void guest_neighbours(u64 arg)
{
	u64 value, to = MMIO, from = GUEST_FREE, two = 2, five = 5;

	write_mmio(MMIO + 4, 4, 1);
	write_mmio(MMIO - 4, 4, 2);
	write_port(PORT + 1, 1, 3);
	value = *(volatile u32 *)MMIO;
	/* Two in one instruction: each counts. */
	asm volatile("rep stosl" : "+D"(to), "+c"(two) : "a"(0) : "memory");
	asm volatile("rep outsb" : "+S"(from), "+c"(five) : "d"((u16)PORT) : "memory");
	guest_done(value);
}

/* Reads and neighbours are nobody's business; strings are as many writes as they have elements. */
TEST(ioeventfd_exactly)
{
	int mmio = new_eventfd(0), pio = new_eventfd(0);
	u32 value = 0x1234;

	guest_start(&vm, &vcpu, 0, guest_neighbours, 0);
	CHECK_OK(ioeventfd(mmio, MMIO, 4, 0, 0));
	CHECK_OK(ioeventfd(pio, PORT, 1, KVM_IOEVENTFD_FLAG_PIO, 0));
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, MMIO + 4);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, MMIO - 4);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, PORT + 1);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.is_write, 0);
	CHECK_EQ(drain(mmio), 0);
	memcpy(vcpu.run->mmio.data, &value, 4);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO); /* the second element */
	CHECK_EQ(vcpu.run->mmio.phys_addr, MMIO + 4);
	CHECK_EQ(vcpu_done(&vcpu), 0x1234);
	CHECK_EQ(drain(mmio), 1);
	CHECK_EQ(drain(pio), 5);
}

TEST(ioeventfd_refused)
{
	int fd = new_eventfd(0), other = new_eventfd(0), pipes[2];
	const u32 match = KVM_IOEVENTFD_FLAG_DATAMATCH, pio = KVM_IOEVENTFD_FLAG_PIO;

	vm_create(&vm, 0);
	CHECK(has_cap(vm.dev, KVM_CAP_IOEVENTFD) && has_cap(vm.dev, KVM_CAP_IOEVENTFD_ANY_LENGTH));
	CHECK_OK(pipe(pipes));
	CHECK_ERR(ioeventfd(fd, MMIO, 3, 0, 0), EINVAL);
	CHECK_ERR(ioeventfd(fd, MMIO, 16, 0, 0), EINVAL);
	CHECK_ERR(ioeventfd(fd, ~0UL - 2, 4, 0, 0), EINVAL);
	CHECK_ERR(ioeventfd(fd, MMIO, 0, match, 0), EINVAL);
	CHECK_ERR(ioeventfd(fd, MMIO, 4, 1U << 5, 0), EINVAL);
	CHECK_ERR(ioeventfd(9999, MMIO, 4, 0, 0), EBADF);
	CHECK_ERR(ioeventfd(pipes[0], MMIO, 4, 0, 0), EINVAL);
	CHECK_ERR(ioeventfd(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), ENOENT);
	CHECK_OK(ioeventfd(fd, MMIO, 4, match, 1));
	CHECK_ERR(ioeventfd(fd, MMIO, 4, match, 1), EEXIST);
	CHECK_ERR(ioeventfd(other, MMIO, 4, match, 1), EEXIST);
	CHECK_ERR(ioeventfd(other, MMIO, 4, 0, 0), EEXIST); /* it has value 1 as well */
	CHECK_OK(ioeventfd(other, MMIO, 4, match, 2));
	CHECK_OK(ioeventfd(other, MMIO, 2, 0, 0)); /* another length */
	CHECK_OK(ioeventfd(other, MMIO, 4, pio, 0)); /* another bus */
	CHECK_OK(ioeventfd(other, MMIO + 4, 0, 0, 0));
	CHECK_ERR(ioeventfd(fd, MMIO + 4, 0, 0, 0), EEXIST);
	CHECK_ERR(ioeventfd(fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), ENOENT); /* a wildcard */
	CHECK_ERR(ioeventfd(other, MMIO, 4, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 1), ENOENT);
	CHECK_OK(ioeventfd(fd, MMIO, 4, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 1));
	CHECK_OK(ioeventfd(other, MMIO, 4, match, 1));
}

/* More than QEMU wants for any machine. */
TEST(ioeventfd_many, .timeout = 60)
{
	int fd = new_eventfd(0), i;

	guest_start(&vm, &vcpu, 0, guest_each_length, MMIO);
	for (i = 0; i < 1500; i++)
		CHECK_OK(ioeventfd(fd, MMIO + 8 * i, 4, 0, 0));
	CHECK_EQ(exit_length(), 1);
	CHECK_EQ(exit_length(), 2);
	CHECK_EQ(exit_length(), 8);
	CHECK_EQ(exit_length(), 0);
	CHECK_EQ(drain(fd), 1);
}

#define WRITES 400

static void guest_write_many(u64 arg)
{
	u64 i;

	for (i = 0; i < WRITES; i++) {
		write_port(PORT, 2, i);
		write_mmio(MMIO, 4, i);
	}
	guest_done(0);
}

static void *toggle(void *data)
{
	const int *fds = data;

	while (!quit) {
		CHECK_OK(ioeventfd(fds[0], PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0));
		CHECK_OK(ioeventfd(fds[1], MMIO, 0, 0, 0));
		sleep_ms(1);
		CHECK_OK(ioeventfd(fds[0], PORT, 2,
				   KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
		CHECK_OK(ioeventfd(fds[1], MMIO, 0, KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
		sleep_ms(1);
	}
	return NULL;
}

/* Coming and going under a guest that writes: each write is seen once, here or there. */
TEST(ioeventfd_under_load, .timeout = 60)
{
	int fds[2] = { new_eventfd(0), new_eventfd(0) };
	u64 exits_pio = 0, exits_mmio = 0;
	pthread_t thread;

	guest_start(&vm, &vcpu, 0, guest_write_many, 0);
	CHECK_EQ(pthread_create(&thread, NULL, toggle, fds), 0);
	for (;;) {
		u32 len = exit_length();

		if (!len)
			break;
		if (vcpu.run->exit_reason == KVM_EXIT_IO)
			exits_pio++;
		else
			exits_mmio++;
	}
	quit = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(exits_pio + drain(fds[0]), WRITES);
	CHECK_EQ(exits_mmio + drain(fds[1]), WRITES);
}

/* A doorbell that rings: from the guest's write to the guest's interrupt without userspace. */
static void guest_loop_back(u64 arg)
{
	apic_enable();
	pic_init(0xffff);
	ioapic_route(5, 0x55, 0);
	asm volatile("sti");
	write_port(PORT, 1, 0);
	while (!count)
		cpu_pause();
	guest_done(count);
}

TEST(ioeventfd_to_irqfd)
{
	int fd = new_eventfd(0);

	start(guest_loop_back, 0);
	CHECK_OK(irqfd(fd, 5, 0, 0));
	CHECK_OK(ioeventfd(fd, PORT, 1, KVM_IOEVENTFD_FLAG_PIO, 0));
	CHECK_EQ(vcpu_done(&vcpu), 1);
}
