// SPDX-License-Identifier: GPL-2.0-only
/* Coalesced I/O: which writes go into the ring, when userspace is asked after all, and a ring that lies. */
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define ZONE 0xd0000000UL
#define ZONE_SIZE 0x1000UL
#define PORT 0x600
#define RING_MAX \
	((4096 - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

static struct vm vm;
static struct vcpu vcpu;
static struct kvm_coalesced_mmio_ring *ring;

static int zone(unsigned long cmd, u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = pio };

	return ioctl(vm.fd, cmd, &zone);
}

static struct kvm_coalesced_mmio_ring *ring_of(struct vcpu *vcpu)
{
	long page = CHECK_OK(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO));

	CHECK(page > 0 && (u64)(page + 1) * 4096 <= vcpu->run_size);
	return (void *)vcpu->run + page * 4096;
}

static void start(void (*entry)(u64), u64 arg)
{
	guest_start(&vm, &vcpu, 0, entry, arg);
	ring = ring_of(&vcpu);
	CHECK_OK(zone(KVM_REGISTER_COALESCED_MMIO, ZONE, ZONE_SIZE, 0));
}

static void check_entry(u32 index, u64 addr, u32 len, u64 value, u32 pio)
{
	const struct kvm_coalesced_mmio *entry = &ring->coalesced_mmio[index];
	u64 data = 0;

	memcpy(&data, entry->data, len);
	CHECK_EQ(entry->phys_addr, addr);
	CHECK_EQ(entry->len, len);
	CHECK_EQ(entry->pio, pio);
	CHECK_EQ(data, value);
}

static void guest_lengths(u64 arg)
{
	*(volatile u8 *)ZONE = 0x11;
	*(volatile u16 *)(ZONE + 2) = 0x2222;
	*(volatile u32 *)(ZONE + 4) = 0x33333333;
	*(volatile u64 *)(ZONE + ZONE_SIZE - 8) = 0x4444444455555555;
	guest_done(0);
}

TEST(mmio_lengths)
{
	start(guest_lengths, 0);
	CHECK_EQ(ring->first, 0);
	CHECK_EQ(ring->last, 0);
	vcpu_done(&vcpu);
	CHECK_EQ(ring->last, 4);
	CHECK_EQ(ring->first, 0);
	check_entry(0, ZONE, 1, 0x11, 0);
	check_entry(1, ZONE + 2, 2, 0x2222, 0);
	check_entry(2, ZONE + 4, 4, 0x33333333, 0);
	check_entry(3, ZONE + ZONE_SIZE - 8, 8, 0x4444444455555555, 0);
}

static void guest_around(u64 arg)
{
	*(volatile u32 *)(ZONE - 4) = 1;
	*(volatile u32 *)(ZONE + ZONE_SIZE) = 2;
	*(volatile u32 *)(ZONE + ZONE_SIZE - 2) = 3;
	guest_done(*(volatile u32 *)(ZONE + 8));
}

static void expect_mmio(u64 addr, u32 len, bool write)
{
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, addr);
	CHECK_EQ(vcpu.run->mmio.len, len);
	CHECK_EQ(vcpu.run->mmio.is_write, write);
}

/* Beside the zone, half in it, and reads: userspace as ever. Where a write is split is not part of the ABI. */
TEST(what_does_not_belong)
{
	u32 value = 0x77;
	u64 bytes = 0;

	start(guest_around, 0);
	expect_mmio(ZONE - 4, 4, true);
	expect_mmio(ZONE + ZONE_SIZE, 4, true);
	while (bytes < 4 && vcpu_run(&vcpu) == KVM_EXIT_MMIO && vcpu.run->mmio.is_write)
		bytes += vcpu.run->mmio.len;
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_MMIO);
	if (vcpu.run->mmio.is_write)
		vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.is_write, 0);
	CHECK_EQ(vcpu.run->mmio.phys_addr, ZONE + 8);
	memcpy(vcpu.run->mmio.data, &value, 4);
	CHECK_EQ(vcpu_done(&vcpu), 0x77);
}

static void guest_many(u64 writes)
{
	u64 i;

	for (i = 0; i < writes; i++)
		*(volatile u32 *)ZONE = i;
	guest_done(i);
}

/*
 * A full ring asks userspace, which empties it; nothing is lost and the order stays. Linux before 6.11 says "full" at
 * half of it.
 */
TEST(full_ring)
{
	u32 expected = 0, exits = 0;

	start(guest_many, 1000);
	while (vcpu_run(&vcpu) == KVM_EXIT_MMIO) {
		u32 value, held = (ring->last + RING_MAX - ring->first) % RING_MAX;

		if (device_is_kvm())
			CHECK(held >= 1 && held < RING_MAX);
		else
			CHECK_EQ(held, RING_MAX - 1);
		exits++;
		for (; ring->first != ring->last; ring->first = (ring->first + 1) % RING_MAX)
			check_entry(ring->first, ZONE, 4, expected++, 0);
		memcpy(&value, vcpu.run->mmio.data, 4);
		CHECK_EQ(value, expected++);
	}
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
	for (; ring->first != ring->last; ring->first = (ring->first + 1) % RING_MAX)
		check_entry(ring->first, ZONE, 4, expected++, 0);
	CHECK_EQ(expected, 1000);
	CHECK(exits > 0);
	if (!device_is_kvm())
		CHECK_EQ(exits, 1000 / RING_MAX);
}

/* Indices are userspace's to spoil: what is no slot is a full ring, and nothing outside the page is written. */
TEST(ring_that_lies)
{
	static const u32 lies[] = { RING_MAX, RING_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff };
	unsigned int i;

	start(guest_many, ~0UL);
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		ring->first = 0;
		ring->last = lies[i];
		expect_mmio(ZONE, 4, true);
		CHECK_EQ(ring->last, lies[i]);
	}
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		ring->last = 0;
		ring->first = lies[i];
		/* Without a reader it runs round; that ends with a timeout or a full ring, not with harm. */
		ring->last = RING_MAX;
		expect_mmio(ZONE, 4, true);
	}
	memset(ring, 0xff, 4096);
	expect_mmio(ZONE, 4, true);
}

static void guest_pio(u64 arg)
{
	u16 port = PORT;

	asm volatile("outb %0, %1" ::"a"((u8)0x11), "d"(port));
	asm volatile("outw %0, %1" ::"a"((u16)0x2222), "d"(port));
	asm volatile("outl %0, %1" ::"a"(0x33333333), "d"(port));
	asm volatile("outb %0, %1" ::"a"((u8)0x44), "d"((u16)(port + 4)));
	guest_done(inb(port));
}

TEST(pio)
{
	guest_start(&vm, &vcpu, 0, guest_pio, 0);
	if (!has_cap(vm.dev, KVM_CAP_COALESCED_PIO))
		test_skip("no KVM_CAP_COALESCED_PIO");
	ring = ring_of(&vcpu);
	CHECK_OK(zone(KVM_REGISTER_COALESCED_MMIO, PORT, 4, 1));
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, PORT + 4);
	CHECK_EQ(ring->last, 3);
	check_entry(0, PORT, 1, 0x11, 1);
	check_entry(1, PORT, 2, 0x2222, 1);
	check_entry(2, PORT, 4, 0x33333333, 1);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.direction, KVM_EXIT_IO_IN);
	*((u8 *)vcpu.run + vcpu.run->io.data_offset) = 0x5a;
	CHECK_EQ(vcpu_done(&vcpu), 0x5a);
}

TEST(unregister)
{
	start(guest_many, 4);
	/* Zones that do not exist are no error, nor is one that only meets ours. */
	CHECK_OK(zone(KVM_UNREGISTER_COALESCED_MMIO, ZONE + 0x10000, 8, 0));
	CHECK_OK(zone(KVM_UNREGISTER_COALESCED_MMIO, ZONE, ZONE_SIZE + 1, 0));
	CHECK_OK(zone(KVM_UNREGISTER_COALESCED_MMIO, ZONE, ZONE_SIZE, 1));
	CHECK_OK(zone(KVM_REGISTER_COALESCED_MMIO, ZONE + 8, 8, 0));
	CHECK_OK(zone(KVM_UNREGISTER_COALESCED_MMIO, ZONE, 4, 0));
	expect_mmio(ZONE, 4, true);
	CHECK_OK(zone(KVM_REGISTER_COALESCED_MMIO, ZONE, ZONE_SIZE, 0));
	CHECK_EQ(vcpu_done(&vcpu), 4);
	CHECK_EQ(ring->last, 3);
}

TEST(refused)
{
	start(guest_many, 0);
	CHECK_ERR(zone(KVM_REGISTER_COALESCED_MMIO, ZONE, 8, 2), EINVAL);
	CHECK_ERR(zone(KVM_UNREGISTER_COALESCED_MMIO, ZONE, 8, 2), EINVAL);
	CHECK_ERR(ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, 8), EFAULT);
}

/* One ring per VM, whoever's mapping it is looked at through; it outlives a vCPU's mapping. */
TEST(one_ring)
{
	struct vcpu other;

	start(guest_lengths, 0);
	vcpu_create(&vm, &other, 1);
	vcpu_done(&vcpu);
	CHECK_EQ(ring_of(&other)->last, 4);
	vcpu_set_long_mode(&other, guest_lengths, 0);
	vcpu_done(&other);
	CHECK_EQ(ring->last, 8);
	ring_of(&other)->first = 8;
	CHECK_EQ(ring->first, 8);
	vcpu_destroy(&other);
	CHECK_EQ(ring->last, 8);
}
