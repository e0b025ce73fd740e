// SPDX-License-Identifier: GPL-2.0-only
/* The interrupt controllers in the kernel: local APIC, IOAPIC, PIC, MSI, and waking from HLT. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "apic.h"

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu;
static volatile u64 count, order, eoi_by_hand, spurious;

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
	order = order << 8 | frame->vector;
	if (frame->vector >= 0x28)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void on_spurious(struct guest_frame *frame)
{
	spurious++;
}

static void start(void (*entry)(u64), u64 arg, unsigned int flags)
{
	u32 i;

	for (i = 0x20; i < 0x30; i++)
		guest_handlers[i] = on_pic_interrupt;
	for (i = 0x30; i < 0xff; i++)
		guest_handlers[i] = on_interrupt;
	guest_handlers[0xff] = on_spurious;
	guest_handlers[VEC_NMI] = on_spurious;
	guest_start(&vm, &vcpu, flags, entry, arg);
}

static int irq_line(u32 irq, u32 level)
{
	struct kvm_irq_level line = { .irq = irq, .level = level };

	return ioctl(vm.fd, KVM_IRQ_LINE, &line);
}

static int msi(u32 address, u32 data)
{
	struct kvm_msi message = { .address_lo = address, .data = data };

	return ioctl(vm.fd, KVM_SIGNAL_MSI, &message);
}

/* --- local APIC --- */

static void guest_self_ipi(u64 arg)
{
	apic_enable();
	GUEST_CHECK_EQ(apic_read(APIC_ID), 0);
	GUEST_CHECK_EQ(apic_read(APIC_VERSION) & 0xff, 0x14);
	asm volatile("sti");
	apic_ipi(0, ICR_SELF | 0x61);
	asm volatile("nop");
	GUEST_CHECK_EQ(count, 1);
	apic_ipi(0, 0x62); /* physical, to its own id */
	asm volatile("nop");
	GUEST_CHECK_EQ(count, 2);
	apic_ipi(0, ICR_ALL | 0x63);
	asm volatile("nop");
	GUEST_CHECK_EQ(count, 3);
	GUEST_CHECK_EQ(order, 0x616263);
	/* Others: there are none. */
	apic_ipi(0, ICR_OTHERS | 0x64);
	asm volatile("nop");
	GUEST_CHECK_EQ(count, 3);
	if (apic_x2) {
		wrmsr(MSR_X2APIC + (APIC_SELF_IPI >> 4), 0x65);
		asm volatile("nop");
		GUEST_CHECK_EQ(count, 4);
	}
}

TEST(self_ipi_xapic)
{
	start(guest_self_ipi, 0, VM_IRQCHIP);
	vcpu_done(&vcpu);
}

TEST(self_ipi_x2apic)
{
	apic_x2 = 1;
	start(guest_self_ipi, 0, VM_IRQCHIP);
	vcpu_done(&vcpu);
}

/* Priorities, IRR, ISR and TPR (SDM 3A 10.8). */
static void guest_priorities(u64 arg)
{
	eoi_by_hand = 1;
	apic_enable();
	asm volatile("cli");
	apic_ipi(0, ICR_SELF | 0x51);
	apic_ipi(0, ICR_SELF | 0x91);
	apic_ipi(0, ICR_SELF | 0x71);
	apic_ipi(0, ICR_SELF | 0x71); /* once more: one bit */
	GUEST_CHECK(apic_bit(APIC_IRR, 0x51) && apic_bit(APIC_IRR, 0x71) &&
		    apic_bit(APIC_IRR, 0x91));
	GUEST_CHECK(!apic_bit(APIC_ISR, 0x91));
	GUEST_CHECK_EQ(count, 0);
	asm volatile("sti; nop; nop; cli");
	/* The highest is in service and holds back the others. */
	GUEST_CHECK_EQ(order, 0x91);
	GUEST_CHECK(apic_bit(APIC_ISR, 0x91) && !apic_bit(APIC_IRR, 0x91));
	GUEST_CHECK_EQ(apic_read(APIC_PPR) & 0xf0, 0x90);
	asm volatile("sti; nop; nop; cli");
	GUEST_CHECK_EQ(count, 1);
	apic_write(APIC_TPR, 0x70);
	apic_eoi();
	asm volatile("sti; nop; nop; cli");
	GUEST_CHECK_EQ(count, 1); /* 0x71 is not above TPR 0x70's class */
	GUEST_CHECK_EQ(apic_read(APIC_PPR), 0x70);
	GUEST_CHECK_EQ(READ_CR(8), 7);
	asm volatile("mov %0, %%cr8" ::"r"(6UL) : "memory");
	GUEST_CHECK_EQ(apic_read(APIC_TPR), 0x60);
	asm volatile("sti; nop; nop; cli");
	GUEST_CHECK_EQ(order, 0x9171);
	apic_eoi();
	asm volatile("sti; nop; nop; cli");
	GUEST_CHECK_EQ(count, 2);
	apic_write(APIC_TPR, 0);
	asm volatile("sti; nop; nop; cli");
	GUEST_CHECK_EQ(order, 0x917151);
	apic_eoi();
	GUEST_CHECK(!apic_bit(APIC_ISR, 0x51));
}

TEST(priorities_xapic)
{
	start(guest_priorities, 0, VM_IRQCHIP);
	vcpu_done(&vcpu);
}

TEST(priorities_x2apic)
{
	apic_x2 = 1;
	start(guest_priorities, 0, VM_IRQCHIP);
	vcpu_done(&vcpu);
}

/* x2APIC: MSRs that do not exist and reserved bits are #GP; the MMIO window is gone (SDM 3A 10.12). */
static void guest_x2apic_rules(u64 arg)
{
	u64 value;

	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_X2APIC + 2, &value), VEC_GP); /* still in xAPIC mode */
	apic_x2 = 1;
	apic_enable();
	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_X2APIC + 2, &value), -1);
	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_X2APIC + (APIC_DFR >> 4), &value), VEC_GP);
	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_X2APIC + (APIC_ICR2 >> 4), &value), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_X2APIC + (APIC_ID >> 4), 0), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_X2APIC + (APIC_LDR >> 4), 0), VEC_GP);
	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_X2APIC + 0xff, &value), VEC_GP);
	GUEST_CHECK_EQ(apic_read(APIC_LDR), 1); /* of id 0 */
	/* Back to xAPIC is only by way of disabled. */
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_APIC_BASE, 0xfee00900), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_APIC_BASE, 0xfee00500), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_APIC_BASE, 0xfee00100), -1);
	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_X2APIC + 2, &value), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_APIC_BASE, 0xfee00900), -1);
	apic_x2 = 0;
	apic_enable();
	GUEST_CHECK_EQ(apic_read(APIC_SVR), 0x1ff);
}

TEST(x2apic_rules)
{
	start(guest_x2apic_rules, 0, VM_IRQCHIP);
	vcpu_done(&vcpu);
}

/* A software-disabled APIC delivers nothing; enabling it does not bring back what came meanwhile. */
static void guest_disabled_apic(u64 arg)
{
	apic_enable();
	apic_write(APIC_SVR, 0xff);
	apic_write(APIC_LVT_TIMER, 0x40);
	GUEST_CHECK(apic_read(APIC_LVT_TIMER) & LVT_MASKED); /* LVTs stay masked */
	asm volatile("sti; nop");
	guest_sync(0);
	asm volatile("nop");
	GUEST_CHECK_EQ(count, 0);
	apic_write(APIC_SVR, 0x1ff);
	guest_sync(1);
	asm volatile("nop");
	GUEST_CHECK_EQ(count, 1);
}

TEST(software_disabled)
{
	start(guest_disabled_apic, 0, VM_IRQCHIP);
	vcpu_sync(&vcpu);
	msi(0xfee00000, 0x55);
	vcpu_sync(&vcpu);
	CHECK(msi(0xfee00000, 0x56) > 0);
	vcpu_done(&vcpu);
}

/* --- MSI --- */

static void guest_count(u64 arg)
{
	apic_enable();
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

TEST(msi_delivery)
{
	start(guest_count, 0, VM_IRQCHIP);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_EQ(msi(0xfee00000, 0x51), 1);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	/* To an APIC that is not there: not delivered. */
	CHECK(msi(0xfee00000 | 7 << 12, 0x52) <= 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	/* Broadcast. */
	CHECK(msi(0xfee00000 | 0xff << 12, 0x53) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	/* NMI delivery mode. */
	CHECK(msi(0xfee00000, 0x400) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, spurious), 1);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x5153);
}

/* --- IOAPIC --- */

static void guest_ioapic(u64 flags)
{
	apic_enable();
	pic_init(0xffff);
	GUEST_CHECK_EQ(ioapic_read(1) >> 16 & 0xff, 23);
	GUEST_CHECK_EQ(ioapic_read(0x10 + 2 * 5) & 0x10000, 0x10000);
	ioapic_route(5, 0x55, flags);
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

TEST(ioapic_edge)
{
	start(guest_ioapic, 0, VM_IRQCHIP);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(5, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(vcpu_sync(&vcpu), 1); /* still high: no edge */
	CHECK_OK(irq_line(5, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(irq_line(5, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(irq_line(5, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x5555);
}

/* A level that stays asserted comes again after each EOI, until it is lowered. */
static void guest_ioapic_level(u64 arg)
{
	apic_enable();
	pic_init(0xffff);
	eoi_by_hand = 1;
	ioapic_route(9, 0x59, 1 << 15);
	asm volatile("sti");
	for (;;) {
		guest_sync(count);
		apic_eoi();
	}
}

TEST(ioapic_level)
{
	start(guest_ioapic_level, 0, VM_IRQCHIP);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(9, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 2); /* delivered, and after the EOI once more */
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	CHECK_OK(irq_line(9, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	CHECK_OK(irq_line(9, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 5);
	CHECK_OK(irq_line(9, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 5);
}

/* Masked: remembered for a level, and delivered when unmasked. */
static void guest_ioapic_masked(u64 arg)
{
	apic_enable();
	pic_init(0xffff);
	ioapic_route(10, 0x5a, 1 << 16 | 1 << 15);
	asm volatile("sti");
	guest_sync(count);
	GUEST_CHECK_EQ(count, 0);
	eoi_by_hand = 1;
	ioapic_route(10, 0x5a, 1 << 15);
	asm volatile("nop");
	guest_done(count);
}

TEST(ioapic_masked)
{
	start(guest_ioapic_masked, 0, VM_IRQCHIP);
	vcpu_sync(&vcpu);
	CHECK_OK(irq_line(10, 1));
	CHECK_EQ(vcpu_done(&vcpu), 1);
}

/* Through a routing table of userspace's: GSI 30 is an MSI, GSI 5 another pin. */
TEST(gsi_routing)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry[2];
	} routing = {
		.header.nr = 2,
		.entry = { { .gsi = 30,
			     .type = KVM_IRQ_ROUTING_MSI,
			     .u.msi = { 0xfee00000, 0, 0x6e } },
			   { .gsi = 7,
			     .type = KVM_IRQ_ROUTING_IRQCHIP,
			     .u.irqchip = { KVM_IRQCHIP_IOAPIC, 5 } } },
	};

	start(guest_ioapic, 0, VM_IRQCHIP);
	CHECK_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing));
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(30, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(irq_line(7, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x6e55);
}

/* --- PIC, through LINT0 as ExtINT --- */

static void guest_pic(u64 mask)
{
	apic_enable();
	apic_write(APIC_LVT_LINT0, 0x700);
	pic_init(mask);
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

TEST(pic)
{
	start(guest_pic, 0, VM_IRQCHIP);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(4, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(irq_line(4, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(irq_line(12, 1)); /* the second one, through the cascade */
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_OK(irq_line(12, 0));
	CHECK_OK(irq_line(4, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x242c24);
}

TEST(pic_masked)
{
	start(guest_pic, 0x10, VM_IRQCHIP);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(4, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(3, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x23);
}

/* Without any set-up of the APIC the PIC's output reaches the processor (virtual wire, as at reset). */
static void guest_virtual_wire(u64 arg)
{
	pic_init(0);
	asm volatile("sti");
	for (;;)
		guest_sync(count);
}

TEST(pic_virtual_wire)
{
	start(guest_virtual_wire, 0, VM_IRQCHIP);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(irq_line(4, 1));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}

/* --- HLT --- */

static void guest_halt(u64 arg)
{
	apic_enable();
	pic_init(0xffff);
	ioapic_route(5, 0x55, 0);
	guest_sync(0);
	for (;;) {
		asm volatile("sti; hlt; cli");
		guest_sync(count);
	}
}

static void *raise_later(void *how)
{
	struct timespec ts = { .tv_nsec = 30000000 };

	nanosleep(&ts, NULL);
	if (how == NULL)
		CHECK(msi(0xfee00000, 0x51) > 0);
	else if (how == (void *)1)
		CHECK_OK(irq_line(5, 1));
	else
		CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	return NULL;
}

TEST(hlt_woken_from_another_thread)
{
	pthread_t thread;

	start(guest_halt, 0, VM_IRQCHIP);
	vcpu_sync(&vcpu);
	CHECK_EQ(pthread_create(&thread, NULL, raise_later, NULL), 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, raise_later, (void *)1), 0);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* Already pending when HLT is executed: no sleep. */
TEST(hlt_with_interrupt_pending)
{
	start(guest_halt, 0, VM_IRQCHIP);
	vcpu_sync(&vcpu);
	CHECK(msi(0xfee00000, 0x51) > 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}

/* A running guest is interrupted from another thread: the kick, not the next exit, delivers it. */
static void guest_spin_until(u64 arg)
{
	apic_enable();
	asm volatile("sti");
	guest_sync(0);
	while (!count)
		;
	guest_done(count);
}

TEST(running_guest_kicked)
{
	pthread_t thread;

	start(guest_spin_until, 0, VM_IRQCHIP);
	vcpu_sync(&vcpu);
	CHECK_EQ(pthread_create(&thread, NULL, raise_later, NULL), 0);
	CHECK_EQ(vcpu_done(&vcpu), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}
