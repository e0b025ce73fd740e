// SPDX-License-Identifier: GPL-2.0-only
/* Split irqchip: local APICs in the kernel, PIC and I/O APIC in userspace; and KVM_CAP_X2APIC_API. */
#include <string.h>
#include <unistd.h>

#include "apic.h"

#define PINS 24

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu;
static volatile u64 count, order, extints;

static void on_interrupt(struct guest_frame *frame)
{
	count++;
	order = order << 8 | frame->vector;
	apic_eoi();
}

/* From userspace's PIC: no EOI to the APIC, which knows nothing of it. */
static void on_extint(struct guest_frame *frame)
{
	extints++;
	order = order << 8 | frame->vector;
	GUEST_CHECK(!apic_bit(APIC_ISR, frame->vector));
}

static int enable(u32 cap, u64 arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return ioctl(vm.fd, KVM_ENABLE_CAP, &enable);
}

static void create(void)
{
	vm_create(&vm, 0);
	if (!has_cap(vm.dev, KVM_CAP_SPLIT_IRQCHIP))
		test_skip("no KVM_CAP_SPLIT_IRQCHIP");
	CHECK_OK(enable(KVM_CAP_SPLIT_IRQCHIP, PINS));
}

static void start(void (*entry)(u64), u64 arg)
{
	u32 i;

	for (i = 0x20; i < 0x30; i++)
		guest_handlers[i] = on_extint;
	for (i = 0x30; i < 0xff; i++)
		guest_handlers[i] = on_interrupt;
	create();
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_long_mode(&vcpu, entry, arg);
}

static int irq_line(u32 irq, u32 level)
{
	struct kvm_irq_level line = { .irq = irq, .level = level };

	return ioctl(vm.fd, KVM_IRQ_LINE, &line);
}

static int msi(u32 address, u32 high, u32 data)
{
	struct kvm_msi message = { .address_lo = address, .address_hi = high, .data = data };

	return ioctl(vm.fd, KVM_SIGNAL_MSI, &message);
}

static int interrupt(u32 vector)
{
	struct kvm_interrupt interrupt = { .irq = vector };

	return ioctl(vcpu.fd, KVM_INTERRUPT, &interrupt);
}

struct routing {
	struct kvm_irq_routing header;
	struct kvm_irq_routing_entry entry[4];
};

static struct kvm_irq_routing_entry msi_entry(u32 gsi, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = data },
	};
}

TEST(creation)
{
	struct kvm_pit_config pit = { .flags = 0 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_enable_cap flags = { .cap = KVM_CAP_SPLIT_IRQCHIP, .flags = 1 };

	vm_create(&vm, 0);
	CHECK(has_cap(vm.dev, KVM_CAP_ENABLE_CAP_VM) && has_cap(vm.dev, KVM_CAP_SPLIT_IRQCHIP));
	CHECK_ERR(ioctl(vm.fd, KVM_ENABLE_CAP, &flags), EINVAL);
	CHECK_ERR(enable(0x7fffffff, 0), EINVAL);
	CHECK_ERR(enable(KVM_CAP_SPLIT_IRQCHIP, 4097), EINVAL);
	CHECK_OK(enable(KVM_CAP_SPLIT_IRQCHIP, PINS));
	CHECK_ERR(enable(KVM_CAP_SPLIT_IRQCHIP, PINS), EEXIST);
	CHECK_ERR(ioctl(vm.fd, KVM_CREATE_IRQCHIP), EEXIST);
	if (!device_is_kvm()) /* which makes a PIT whose ticks nobody gets */
		CHECK_ERR(ioctl(vm.fd, KVM_CREATE_PIT2, &pit), ENOENT);
	CHECK_ERR(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERR(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip), ENXIO);
	vm_destroy(&vm);
	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	CHECK_ERR(enable(KVM_CAP_SPLIT_IRQCHIP, PINS), EEXIST);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	vm_create(&vm, VM_IRQCHIP);
	CHECK_ERR(enable(KVM_CAP_SPLIT_IRQCHIP, PINS), EEXIST);
	vcpu_create(&vm, &vcpu, 0);
	CHECK_ERR(interrupt(0x20), ENXIO); /* the PIC is in the kernel */
}

/* KVM_ENABLE_CAP of something else: an upper limit of vCPU IDs, set once. */
TEST(max_vcpu_id)
{
	long limit;

	vm_create(&vm, 0);
	limit = CHECK_OK(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID));
	CHECK_ERR(enable(KVM_CAP_MAX_VCPU_ID, limit + 1), EINVAL);
	CHECK_OK(enable(KVM_CAP_MAX_VCPU_ID, 2));
	CHECK_OK(enable(KVM_CAP_MAX_VCPU_ID, 2));
	CHECK_ERR(enable(KVM_CAP_MAX_VCPU_ID, 3), EINVAL);
	CHECK_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 2), EINVAL);
	vcpu_create(&vm, &vcpu, 1);
}

TEST(routes_to_chips_refused)
{
	struct routing routing = {
		.header.nr = 1,
		.entry = { { .gsi = 4,
			     .type = KVM_IRQ_ROUTING_IRQCHIP,
			     .u.irqchip = { KVM_IRQCHIP_IOAPIC, 4 } } },
	};

	create();
	CHECK_ERR(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing), EINVAL);
	routing.entry[0] = msi_entry(4, 0x44);
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	routing.header.nr = 0;
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
}

static void guest_devices(u64 arg)
{
	GUEST_CHECK_EQ(apic_read(APIC_VERSION) & 0xff, 0x14);
	outb(0x21, 0xff);
	outb(0x43, 0x34);
	*(volatile u32 *)IOAPIC_BASE = 1;
	guest_done(0);
}

/* PIC, PIT and I/O APIC are userspace's. */
TEST(devices_of_userspace)
{
	start(guest_devices, 0);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, 0x21);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, 0x43);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu.run->mmio.phys_addr, IOAPIC_BASE);
	vcpu_done(&vcpu);
}

static void guest_count(u64 arg)
{
	apic_enable();
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

TEST(msi_delivery)
{
	start(guest_count, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_EQ(msi(0xfee00000, 0, 0x51), 1);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x51);
}

static void expect_eoi(u8 vector)
{
	vcpu_expect(&vcpu, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(vcpu.run->eoi.vector, vector);
}

/* An EOI goes to userspace when it ends a level-triggered interrupt of a pin of its I/O APIC, and only then. */
static void check_eoi_exits(void)
{
	struct routing routing = {
		.header.nr = 4,
		.entry = { msi_entry(3, 0xc000 | 0x53), msi_entry(4, 0x54),
			   msi_entry(PINS, 0xc000 | 0x55), msi_entry(23, 0xc000 | 0x56) },
	};

	start(guest_count, 0);
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(3, 1));
	expect_eoi(0x53);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(irq_line(4, 1)); /* edge */
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_OK(irq_line(PINS, 1)); /* not one of the pins */
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	CHECK_OK(irq_line(23, 1)); /* two at once: one exit each, the higher vector first */
	CHECK_OK(irq_line(3, 1));
	expect_eoi(0x56);
	expect_eoi(0x53);
	CHECK_EQ(vcpu_sync(&vcpu), 5);
	/* Another routing: the vector is not the I/O APIC's any more. */
	routing.entry[0] = msi_entry(3, 0x53);
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	CHECK_OK(irq_line(3, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 6);
}

TEST(eoi_exits_xapic)
{
	check_eoi_exits();
}

TEST(eoi_exits_x2apic)
{
	apic_x2 = 1;
	check_eoi_exits();
}

static void guest_extint(u64 lint0)
{
	apic_enable();
	apic_write(APIC_LVT_LINT0, lint0);
	guest_sync(0);
	asm volatile("sti; nop");
	guest_sync(extints);
	guest_sync(extints);
	guest_sync(extints);
}

/* KVM_INTERRUPT is the PIC's INTR and INTA in one: delivered when the guest can take it. */
TEST(extint)
{
	start(guest_extint, 0x700);
	vcpu_sync(&vcpu);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 0); /* IF is clear */
	vcpu.run->request_interrupt_window = 1;
	vcpu_expect(&vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(vcpu.run->if_flag, 1);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 1);
	vcpu.run->request_interrupt_window = 0;
	CHECK_OK(interrupt(0x23));
	CHECK_ERR(interrupt(0x24), EEXIST); /* one at a time */
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x23);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 1);
	CHECK_OK(interrupt(0x24));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x2324);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

/* LINT0 masked: the APIC listens to no PIC, so there is no window to wait for. */
TEST(extint_masked)
{
	start(guest_extint, 0x10700);
	vcpu_sync(&vcpu);
	vcpu.run->request_interrupt_window = 1;
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 0);
	CHECK_OK(interrupt(0x23));
	CHECK_EQ(vcpu_sync(&vcpu), 0);
}

static void guest_halt(u64 arg)
{
	apic_enable();
	apic_write(APIC_LVT_LINT0, 0x700);
	guest_sync(0);
	asm volatile("sti; hlt; cli");
	guest_done(extints);
}

/* HLT is the kernel's, and opens the window like everything else. */
TEST(extint_wakes_from_hlt)
{
	start(guest_halt, 0);
	vcpu_sync(&vcpu);
	vcpu.run->request_interrupt_window = 1;
	vcpu_expect(&vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	vcpu.run->request_interrupt_window = 0;
	CHECK_OK(interrupt(0x25));
	CHECK_EQ(vcpu_done(&vcpu), 1);
}

/* --- KVM_CAP_X2APIC_API --- */

static u32 lapic_id(void)
{
	struct kvm_lapic_state state;
	u32 id;

	CHECK_OK(ioctl(vcpu.fd, KVM_GET_LAPIC, &state));
	memcpy(&id, state.regs + APIC_ID, sizeof(id));
	return id;
}

static void start_x2apic(u64 flags)
{
	apic_x2 = 1;
	guest_handlers[0x51] = on_interrupt;
	create();
	if (flags)
		CHECK_OK(enable(KVM_CAP_X2APIC_API, flags));
	vcpu_create(&vm, &vcpu, 5);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE }));
	vcpu_set_long_mode(&vcpu, guest_count, 0);
	CHECK_EQ(lapic_id(), 5 << 24); /* an xAPIC so far */
	CHECK_EQ(vcpu_sync(&vcpu), 0);
}

TEST(x2apic_flags)
{
	create();
	CHECK_EQ(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_X2APIC_API), 3);
	CHECK_ERR(enable(KVM_CAP_X2APIC_API, 4), EINVAL);
	CHECK_ERR(enable(KVM_CAP_X2APIC_API, 1ULL << 32), EINVAL);
	CHECK_OK(enable(KVM_CAP_X2APIC_API, 0));
	CHECK_OK(enable(KVM_CAP_X2APIC_API, 3));
}

TEST(x2apic_without)
{
	struct kvm_lapic_state state;

	start_x2apic(0);
	CHECK_EQ(lapic_id(), 5 << 24);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_LAPIC, &state));
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_LAPIC, &state));
	/* 0xff means all, to x2APICs too. */
	CHECK(msi(0xfeeff000, 0, 0x51) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	/* The upper half of the address means nothing. */
	CHECK(msi(0xfee05000, 0x1234567, 0x51) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

TEST(x2apic_32bit_ids)
{
	struct routing routing = { .header.nr = 1, .entry = { msi_entry(4, 0x51) } };
	struct kvm_lapic_state state;

	start_x2apic(KVM_X2APIC_API_USE_32BIT_IDS);
	CHECK_EQ(lapic_id(), 5);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_LAPIC, &state));
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_LAPIC, &state));
	state.regs[APIC_ID] = 6;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_LAPIC, &state), EINVAL);
	CHECK(msi(0xfee05000, 0, 0x51) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK(msi(0xfee05000, 0x100, 0x51) <= 0); /* ID 0x105 */
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_ERR(msi(0xfee05000, 1, 0x51), EINVAL);
	CHECK(msi(0xfeeff000, 0, 0x51) > 0); /* the quirk: all */
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	routing.entry[0].u.msi.address_lo = 0xfee05000;
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	CHECK_OK(irq_line(4, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	routing.entry[0].u.msi.address_hi = 0x100;
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	CHECK_OK(irq_line(4, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	routing.entry[0].u.msi.address_hi = 0x101;
	CHECK_ERR(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing), EINVAL);
}

TEST(x2apic_broadcast_quirk_off)
{
	start_x2apic(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	CHECK(msi(0xfeeff000, 0, 0x51) <= 0); /* ID 255 */
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK(msi(0xfeeff000, 0xffffff00, 0x51) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}
