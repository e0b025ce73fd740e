// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events whose delivery the hypervisor has a hand in: those that an exit interrupts and that must
 * be delivered again exactly once, and NMIs that wait for an instruction to end.
 */
#include <string.h>

#include "guest.h"

#define NEW_MEMORY 0x10000000UL

static struct vm vm;
static struct vcpu vcpu;
static volatile u64 count, last_rip, last_rflags, last_error, last_cr2;

static void on_event(struct guest_frame *frame)
{
	count++;
	last_rip = frame->rip;
	last_rflags = frame->rflags;
	last_error = frame->error;
	last_cr2 = READ_CR(2);
}

/* --- delivery through an IDT whose page the second-level tables have lost --- */

static void idt_in_new_memory(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idtr = { 0xfff, NEW_MEMORY };
	u32 i;

	for (i = 0; i < 0x1000; i += 8)
		*(volatile u64 *)(NEW_MEMORY + i) = *(volatile u64 *)(GUEST_IDT + i);
	asm volatile("lidt %0" ::"m"(idtr) : "memory");
}

/* Runs the guest to its first sync, takes the IDT's page from its tables, and lets it go on. */
static void run_with_lost_idt(void (*entry)(u64))
{
	u8 *page;

	guest_start(&vm, &vcpu, 0, entry, 0);
	page = vm_add_memory(&vm, 1, NEW_MEMORY, 4096);
	vcpu_sync(&vcpu);
	CHECK_OK(vm_set_slot(&vm, 1, 0, NEW_MEMORY, 0, NULL));
	CHECK_OK(vm_set_slot(&vm, 1, 0, NEW_MEMORY, 4096, page));
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

static void guest_int_n(u64 arg)
{
	u64 behind;

	idt_in_new_memory();
	guest_sync(0);
	asm volatile("int $0x41; 1: lea 1b(%%rip), %0" : "=r"(behind)::"memory");
	GUEST_CHECK_EQ(count, 1);
	GUEST_CHECK_EQ(last_rip, behind);
	guest_done(0);
}

TEST(software_interrupt)
{
	guest_handlers[0x41] = on_event;
	run_with_lost_idt(guest_int_n);
}

static void guest_int3(u64 arg)
{
	u64 behind;

	idt_in_new_memory();
	guest_sync(0);
	asm volatile("int3; 1: lea 1b(%%rip), %0" : "=r"(behind)::"memory");
	GUEST_CHECK_EQ(count, 1);
	GUEST_CHECK_EQ(last_rip, behind);
	guest_done(0);
}

TEST(software_breakpoint)
{
	guest_handlers[VEC_BP] = on_event;
	run_with_lost_idt(guest_int3);
}

static void on_page_fault(struct guest_frame *frame)
{
	on_event(frame);
	((volatile u64 *)GUEST_SMALL_PT)[9] = (GUEST_SMALL_PAGES + 0x9000) | PTE_P | PTE_W | PTE_U;
}

static void guest_page_fault(u64 arg)
{
	volatile u64 *lost = (volatile u64 *)(GUEST_SMALL_PAGES + 0x9018);

	idt_in_new_memory();
	((volatile u64 *)GUEST_SMALL_PT)[9] = 0;
	WRITE_CR(3, READ_CR(3));
	guest_sync(0);
	*lost = 42;
	GUEST_CHECK_EQ(count, 1);
	GUEST_CHECK_EQ(last_error, 2);
	GUEST_CHECK_EQ(last_cr2, (u64)lost);
	GUEST_CHECK_EQ(*lost, 42);
	guest_done(0);
}

TEST(page_fault_with_its_error_and_address)
{
	guest_handlers[VEC_PF] = on_page_fault;
	run_with_lost_idt(guest_page_fault);
}

static void on_step(struct guest_frame *frame)
{
	on_event(frame);
	frame->rflags &= ~(1UL << 8);
	asm volatile("mov %0, %%dr6" ::"r"(0xffff0ff0UL) : "memory");
}

static void guest_single_step(u64 arg)
{
	u64 behind;

	idt_in_new_memory();
	guest_sync(0);
	asm volatile("pushf; orq $0x100, (%%rsp); popf; nop; 1: lea 1b(%%rip), %0"
		     : "=r"(behind)::"memory", "cc");
	GUEST_CHECK_EQ(count, 1);
	GUEST_CHECK_EQ(last_rip, behind);
	guest_done(0);
}

TEST(single_step_trap)
{
	guest_handlers[VEC_DB] = on_step;
	run_with_lost_idt(guest_single_step);
}

/* --- events that userspace restores --- */

static void guest_at_nops(u64 arg)
{
	guest_sync(0);
	asm volatile("nop; nop; nop; nop" ::: "memory");
	guest_done(count);
}

TEST(restored_exception_with_error_code)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	guest_handlers[VEC_GP] = on_event;
	guest_start(&vm, &vcpu, 0, guest_at_nops, 0);
	vcpu_sync(&vcpu);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	events.exception.injected = 1;
	events.exception.nr = VEC_GP;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x1230;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_done(&vcpu), 1);
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(GUEST_VAR(&vm, last_error), 0x1230);
}

/* --- NMIs --- */

/*
 * Runs the guest from its first NOP with an NMI pending and a shadow over that NOP; true if the NMI
 * came behind it.
 */
static bool nmi_waits_for_the_shadow(void)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;
	bool waited;

	guest_start(&vm, &vcpu, 0, guest_at_nops, 0);
	vcpu_sync(&vcpu);
	/* The OUT completes at the next entry: do that alone, so that RIP is at the first NOP. */
	vcpu.run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	vcpu.run->immediate_exit = 0;
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(vm.ram[regs.rip], 0x90);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	events.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	events.flags = KVM_VCPUEVENT_VALID_SHADOW;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_done(&vcpu), 1);
	/* However it was held back, nothing of that is in its frame. */
	CHECK_EQ(GUEST_VAR(&vm, last_rflags) & 1 << 8, 0);
	waited = GUEST_VAR(&vm, last_rip) == regs.rip + 1;
	CHECK(waited || GUEST_VAR(&vm, last_rip) == regs.rip);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	return waited;
}

/*
 * An NMI in an interrupt shadow comes one instruction later. The emulator of the svm host forgets
 * the shadow when a host interrupt comes first, so one try in a few will do.
 */
TEST(nmi_after_a_shadow)
{
	int tries = 5;

	guest_handlers[VEC_NMI] = on_event;
	while (!nmi_waits_for_the_shadow())
		CHECK(--tries > 0);
}

static volatile u64 nmis, steps;

static void on_nmi_sync(struct guest_frame *frame)
{
	nmis++;
	guest_sync(0x100 + nmis);
}

static void on_step_go_on(struct guest_frame *frame)
{
	steps++;
	asm volatile("mov %0, %%dr6" ::"r"(0xffff0ff0UL) : "memory");
}

/*
 * The guest steps itself; an NMI and a second one behind it must neither add a trap nor lose one.
 */
static void guest_stepped(u64 arg)
{
	guest_sync(1);
	asm volatile(
		"pushf; orq $0x100, (%%rsp); popf\n\t"
		"nop; outb %%al, %%dx; nop; nop; pushf; andq $~0x100, (%%rsp); popf; nop" ::"a"(0),
		"d"(PORT_SYNC), "D"(2UL), "S"(0UL), "b"(0UL), "c"(0UL)
		: "memory", "cc");
	GUEST_CHECK_EQ(nmis, 2);
	/* Each instruction behind the first POPF up to and with the second. */
	GUEST_CHECK_EQ(steps, 7);
	guest_done(0);
}

TEST(nmis_in_a_stepped_guest)
{
	guest_handlers[VEC_NMI] = on_nmi_sync;
	guest_handlers[VEC_DB] = on_step_go_on;
	guest_start(&vm, &vcpu, 0, guest_stepped, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 0x101);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 0x102);
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/*
 * The IRET that ends an NMI faults: the handler of that fault can be interrupted by the next NMI.
 */
static void on_bad_iret(struct guest_frame *frame)
{
	on_event(frame);
	/* The faulting IRET's frame is on the stack: repair CS and try again. */
	((volatile u64 *)frame->rsp)[1] = SEL_CODE64;
}

static void on_nmi_bad_frame(struct guest_frame *frame)
{
	nmis++;
	guest_sync(0x100 + nmis);
	if (nmis == 1)
		frame->cs = 0xfff8; /* beyond the GDT: #GP(selector) */
}

static void guest_bad_iret(u64 arg)
{
	guest_sync(1);
	guest_sync(2);
	GUEST_CHECK_EQ(nmis, 2);
	GUEST_CHECK_EQ(count, 1);
	GUEST_CHECK_EQ(last_error, 0xfff8);
	guest_done(0);
}

/*
 * KVM's SVM side steps over the IRET with TF, and lets the guest see the #DB when the IRET faults.
 */
TEST(iret_of_an_nmi_faults, .vmm_only = true)
{
	guest_handlers[VEC_NMI] = on_nmi_bad_frame;
	guest_handlers[VEC_GP] = on_bad_iret;
	guest_start(&vm, &vcpu, 0, guest_bad_iret, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 0x101);
	CHECK_OK(ioctl(vcpu.fd, KVM_NMI, 0));
	CHECK_EQ(vcpu_sync(&vcpu), 0x102);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/* --- after a shutdown --- */

static void guest_triple_fault(u64 arg)
{
	static const u8 none[10];

	asm volatile("lidt %0; ud2" ::"m"(none) : "memory");
}

static void guest_alive(u64 arg)
{
	guest_done(arg);
}

TEST(shutdown_then_new_state)
{
	guest_start(&vm, &vcpu, 0, guest_triple_fault, 0);
	vcpu_expect(&vcpu, KVM_EXIT_SHUTDOWN);
	vcpu_set_long_mode(&vcpu, guest_alive, 7);
	CHECK_EQ(vcpu_done(&vcpu), 7);
}
