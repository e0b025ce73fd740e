// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts and NMIs that userspace injects, with the interrupt controllers in userspace. */
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;
static volatile u64 count, order, last_rip;

static void on_interrupt(struct guest_frame *frame)
{
	count++;
	order = order << 8 | frame->vector;
	last_rip = frame->rip;
}

static int inject(u32 vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return ioctl(vcpu.fd, KVM_INTERRUPT, &irq);
}

static void install(void)
{
	guest_handlers[0x40] = guest_handlers[0x41] = guest_handlers[VEC_NMI] = on_interrupt;
	guest_handlers[0xff] = guest_handlers[0x20] = on_interrupt;
}

static void guest_enabled(u64 arg)
{
	asm volatile("sti; nop");
	for (;;)
		guest_sync(count);
}

TEST(interrupt)
{
	install();
	guest_start(&vm, &vcpu, 0, guest_enabled, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_EQ(vcpu.run->if_flag, 1);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 1);
	CHECK_OK(inject(0x40));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(inject(0x20));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_OK(inject(0xff));
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x4020ff);
}

/* What KVM_INTERRUPT has queued is the vCPU's state, which can be saved, taken away and put back. */
TEST(queued_is_state)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	install();
	guest_start(&vm, &vcpu, 0, guest_enabled, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(inject(0x40));
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.interrupt_bitmap[1], 1);
	CHECK_EQ(sregs.interrupt_bitmap[0] | sregs.interrupt_bitmap[2] | sregs.interrupt_bitmap[3],
		 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK_EQ(events.interrupt.injected, 1);
	CHECK_EQ(events.interrupt.nr, 0x40);
	/* Written back it is still one interrupt. */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs));
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	/* The last one counts, and none when userspace says so. */
	CHECK_OK(inject(0x40));
	CHECK_OK(inject(0x20));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, order), 0x4020);
	CHECK_OK(inject(0x40));
	events.interrupt.injected = 0;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

TEST(arguments)
{
	guest_start(&vm, &vcpu, 0, guest_enabled, 0);
	CHECK_ERR(inject(256), EINVAL);
	CHECK_ERR(inject(0xffffffff), EINVAL);
	CHECK_ERR(ioctl(vcpu.fd, KVM_INTERRUPT, (void *)0x10), EFAULT);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
}

TEST(refused_with_irqchip)
{
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_enabled, 0);
	CHECK_ERR(inject(0x40), ENXIO);
}

/* --- the window --- */

static void guest_disabled_then_enabled(u64 arg)
{
	guest_sync(1);
	asm volatile("sti; nop");
	guest_sync(2);
}

TEST(interrupt_window)
{
	struct kvm_regs regs;

	install();
	guest_start(&vm, &vcpu, 0, guest_disabled_then_enabled, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(vcpu.run->if_flag, 0);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 0);
	vcpu.run->request_interrupt_window = 1;
	vcpu_expect(&vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(vcpu.run->ready_for_interrupt_injection, 1);
	CHECK_EQ(vcpu.run->if_flag, 1);
	/* Not within the shadow of STI: the instruction behind it has been executed. */
	vcpu_get_regs(&vcpu, &regs);
	CHECK(regs.rflags & RFLAGS_IF);
	CHECK_EQ(vm.ram[regs.rip - 1], 0x90);
	vcpu.run->request_interrupt_window = 0;
	CHECK_OK(inject(0x41));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, count), 1);
}

/* --- HLT: userspace waits, then injects --- */

static void guest_halt_loop(u64 arg)
{
	asm volatile("sti");
	for (;;) {
		asm volatile("hlt");
		guest_sync(count);
	}
}

TEST(interrupt_after_hlt)
{
	install();
	guest_start(&vm, &vcpu, 0, guest_halt_loop, 0);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
	CHECK_OK(inject(0x40));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
}

/* --- shadows --- */

/* STI; HLT: an interrupt that waits is taken after HLT, not before it: the idle loop loses none. */
static void guest_sti_hlt(u64 arg)
{
	guest_sync(0);
	asm volatile("sti; hlt; cli");
	guest_done(count);
}

TEST(sti_shadow_covers_hlt)
{
	install();
	guest_start(&vm, &vcpu, 0, guest_sti_hlt, 0);
	vcpu_sync(&vcpu);
	vcpu.run->request_interrupt_window = 1;
	/* HLT is executed before the window opens, or the window opens behind the HLT. */
	if (vcpu_run(&vcpu) == KVM_EXIT_HLT) {
		vcpu.run->request_interrupt_window = 0;
		CHECK_OK(inject(0x40));
	} else {
		CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	}
	if (vcpu.run->exit_reason == KVM_EXIT_HLT)
		CHECK_EQ(vcpu_done(&vcpu), 1);
}

/* --- NMI --- */

static void guest_nmi(u64 arg)
{
	for (;;)
		guest_sync(count);
}

TEST(nmi)
{
	install();
	guest_start(&vm, &vcpu, 0, guest_nmi, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0)); /* IF does not matter to it */
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(GUEST_VAR(&vm, order), VEC_NMI);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}

static void on_nmi_sync(struct guest_frame *frame)
{
	count++;
	guest_sync(0x100 + count);
}

/* A second NMI waits for the IRET of the first; of more than two, one is kept (SDM 3A 6.7.1). */
TEST(nmi_blocks_nmi)
{
	struct kvm_vcpu_events events;

	guest_handlers[VEC_NMI] = on_nmi_sync;
	guest_start(&vm, &vcpu, 0, guest_nmi, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 0x101);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK_EQ(events.nmi.masked, 1);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 0x102); /* after the IRET of the first */
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK_EQ(events.nmi.masked, 0);
	CHECK_EQ(events.nmi.pending, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

/* An NMI and an interrupt at once: the NMI's handler runs first to its end or is entered last; both run. */
TEST(nmi_and_interrupt)
{
	install();
	guest_start(&vm, &vcpu, 0, guest_enabled, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(inject(0x40));
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

/* The interrupted instruction is executed after, once: a sum comes out right. */
static volatile u64 sum;

static void guest_sum(u64 arg)
{
	u64 i;

	asm volatile("sti; nop");
	for (i = 1; i <= 20; i++) {
		guest_sync(i);
		sum += i;
	}
	guest_done(sum);
}

TEST(interrupted_code_goes_on)
{
	u64 i;

	install();
	guest_start(&vm, &vcpu, 0, guest_sum, 0);
	for (i = 1; i <= 20; i++) {
		CHECK_EQ(vcpu_sync(&vcpu), i);
		CHECK_OK(i & 1 ? inject(0x40) : ioctl(vcpu.fd, KVM_NMI, 0));
	}
	CHECK_EQ(vcpu_done(&vcpu), 210);
	CHECK_EQ(GUEST_VAR(&vm, count), 20);
}

/*
 * Delivery that faults in the guest: the gate is on a page that its page tables do not have. The guest
 * gets its #PF, with interrupts off, and the interrupt, once acknowledged, does not come again.
 */
static void on_pf_map(struct guest_frame *frame)
{
	((volatile u64 *)GUEST_SMALL_PT)[7] = (GUEST_SMALL_PAGES + 0x7000) | PTE_P | PTE_W | PTE_U;
}

static void guest_idt_unmapped(u64 arg)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idtr = { 0xfff, GUEST_SMALL_PAGES + 0x7000 - 0x400 };
	u32 i;

	/* Vectors below 0x40 on a page that is present, those from 0x40 on the next one, which is not. */
	for (i = 0; i < 0x1000; i += 8)
		*(volatile u64 *)(idtr.base + i) = *(volatile u64 *)(GUEST_IDT + i);
	((volatile u64 *)GUEST_SMALL_PT)[7] = 0;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	asm volatile("lidt %0; sti; nop" ::"m"(idtr) : "memory");
	guest_sync(0);
	guest_done(count);
}

TEST(delivery_that_faults)
{
	install();
	guest_handlers[VEC_PF] = on_pf_map;
	guest_start(&vm, &vcpu, 0, guest_idt_unmapped, 0);
	vcpu_sync(&vcpu);
	CHECK_OK(inject(0x40));
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/* The same with the stack's or IDT's host page missing: an NPT/EPT violation while vectoring. */
static void guest_idt_in_new_memory(u64 base)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idtr = { 0xfff, base };
	u32 i;

	for (i = 0; i < 0x1000; i += 8)
		*(volatile u64 *)(base + i) = *(volatile u64 *)(GUEST_IDT + i);
	asm volatile("lidt %0; sti; nop" ::"m"(idtr) : "memory");
	for (;;)
		guest_sync(count);
}

TEST(delivery_through_pages_not_yet_mapped)
{
	u8 copy[4096];
	u8 *page;

	install();
	guest_start(&vm, &vcpu, 0, guest_idt_in_new_memory, 0x10000000);
	page = vm_add_memory(&vm, 1, 0x10000000, 4096);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	/* Take the slot away and put it back: nothing of it is mapped when the interrupt comes. */
	CHECK_OK(vm_set_slot(&vm, 1, 0, 0x10000000, 0, NULL));
	CHECK_OK(vm_set_slot(&vm, 1, 0, 0x10000000, 4096, page));
	memcpy(copy, page, sizeof(copy));
	CHECK_OK(inject(0x40));
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(vm_set_slot(&vm, 1, 0, 0x10000000, 0, NULL));
	CHECK_OK(vm_set_slot(&vm, 1, 0, 0x10000000, 4096, page));
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK(!memcmp(copy, page, sizeof(copy)));
}

/* CR8 in the run page, as userspace's APIC needs it. */
static void guest_cr8(u64 arg)
{
	guest_sync(READ_CR(8));
	asm volatile("mov %0, %%cr8" ::"r"(9UL));
	guest_sync(READ_CR(8));
	guest_sync(READ_CR(8));
}

TEST(task_priority_without_irqchip)
{
	guest_start(&vm, &vcpu, 0, guest_cr8, 0);
	vcpu.run->cr8 = 3;
	CHECK_EQ(vcpu_sync(&vcpu), 3);
	for (;;) {
		/* A raised priority may be an exit of its own. */
		unsigned int reason = vcpu_run(&vcpu);

		if (reason != KVM_EXIT_SET_TPR) {
			CHECK_EQ(reason, KVM_EXIT_IO);
			break;
		}
	}
	CHECK_EQ(vcpu.run->cr8, 9);
	vcpu.run->cr8 = 4;
	CHECK_EQ(vcpu_sync(&vcpu), 4);
}
