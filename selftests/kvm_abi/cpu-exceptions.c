// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions that the guest's own instructions raise, delivered through its IDT, and interrupt shadows. */
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

static void run_guest(void (*entry)(u64), u64 arg)
{
	guest_start(&vm, &vcpu, 0, entry, arg);
	vcpu_done(&vcpu);
}

#define EXPECT(vec, err)                                  \
	do {                                              \
		GUEST_CHECK_EQ(guest_caught.vector, vec); \
		GUEST_CHECK_EQ(guest_caught.error, err);  \
	} while (0)

static void guest_faults(u64 arg)
{
	u64 value = 0;

	asm volatile(GUEST_TRY("div %2") : "+a"(value) : "d"(0), "r"(0UL) : "memory");
	EXPECT(VEC_DE, 0);
	asm volatile(GUEST_TRY("ud2")::: "memory");
	EXPECT(VEC_UD, 0);
	asm volatile(GUEST_TRY("int3")::: "memory");
	EXPECT(VEC_BP, 0);
	asm volatile(GUEST_TRY("mov %0, %%ds")::"r"(0x1238) : "memory"); /* beyond the GDT */
	EXPECT(VEC_GP, 0x1238);
	asm volatile(GUEST_TRY("int $0xff")::: "memory");
	GUEST_CHECK(guest_caught.vector == -1);
	asm volatile(GUEST_TRY("movq (%0), %%rax")::"r"(0x8000000000000000) : "rax", "memory");
	EXPECT(VEC_GP, 0);
	asm volatile(
		GUEST_TRY("mov %%rsp, %%rcx; mov %0, %%rsp; push %%rax; mov %%rcx, %%rsp")::"r"(0UL)
		: "rcx", "memory");
}

static void on_software_interrupt(struct guest_frame *frame)
{
}

TEST(faults_and_error_codes)
{
	guest_handlers[0xff] = on_software_interrupt;
	guest_start(&vm, &vcpu, 0, guest_faults, 0);
	/* The last one pushes to a stack at -8: #SS or #PF, and no stack for it: a shutdown. */
	if (vcpu_run(&vcpu) == KVM_EXIT_IO)
		CHECK_EQ(vcpu.run->io.port, PORT_DONE);
	else
		CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_SHUTDOWN);
}

static inline void flush_tlb(void)
{
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
}

/* Error code bits: present 1, write 2, user 4, reserved 8, fetch 16. */
static void guest_page_faults(u64 arg)
{
	volatile u64 *pt = (u64 *)GUEST_SMALL_PT;
	u64 page = GUEST_SMALL_PAGES + 0x5000;

	pt[5] = 0;
	flush_tlb();
	asm volatile(GUEST_TRY("movb (%0), %%al")::"r"(page + 0x123) : "rax", "memory");
	EXPECT(VEC_PF, 0);
	GUEST_CHECK_EQ(guest_caught.cr2, page + 0x123);
	asm volatile(GUEST_TRY("movb %%al, (%0)")::"r"(page + 0x456) : "rax", "memory");
	EXPECT(VEC_PF, 2);
	GUEST_CHECK_EQ(guest_caught.cr2, page + 0x456);
	pt[5] = page | PTE_P;
	flush_tlb();
	asm volatile(GUEST_TRY("movb %%al, (%0)")::"r"(page) : "rax", "memory");
	EXPECT(VEC_PF, 3);
	WRITE_CR(0, READ_CR(0) & ~CR0_WP);
	asm volatile(GUEST_TRY("movb %%al, (%0)")::"r"(page) : "rax", "memory");
	GUEST_CHECK_EQ(guest_caught.vector, -1);
	WRITE_CR(0, READ_CR(0) | CR0_WP);
	pt[5] = page | PTE_P | PTE_W | PTE_NX;
	*(volatile u8 *)page = 0xc3;
	flush_tlb();
	asm volatile(GUEST_TRY("jmp *%0")::"r"(page) : "rax", "memory");
	EXPECT(VEC_PF, 0x11);
	GUEST_CHECK_EQ(guest_caught.cr2, page);
	pt[5] = page | PTE_P | 1UL << 51; /* beyond this processor's MAXPHYADDR */
	flush_tlb();
	asm volatile(GUEST_TRY("movb (%0), %%al")::"r"(page) : "rax", "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	GUEST_CHECK_EQ(guest_caught.error | 1, 9); /* the emulator of the svm host leaves P out */
	pt[5] = page | PTE_P | PTE_W;
	flush_tlb();
	asm volatile(GUEST_TRY("movb (%0), %%al")::"r"(page) : "rax", "memory");
	GUEST_CHECK_EQ(guest_caught.vector, -1);
	/* The walk sets accessed and dirty. */
	GUEST_CHECK_EQ(pt[5] & (PTE_A | PTE_D), PTE_A);
	*(volatile u8 *)page = 1;
	GUEST_CHECK_EQ(pt[5] & (PTE_A | PTE_D), PTE_A | PTE_D);
}

TEST(page_faults)
{
	run_guest(guest_page_faults, 0);
}

/* --- debug exceptions --- */

static volatile u64 db_count, db_dr6, db_rip;

static void on_db(struct guest_frame *frame)
{
	u64 dr6;

	asm volatile("mov %%dr6, %0" : "=r"(dr6)::"memory");
	db_dr6 = dr6;
	db_rip = frame->rip;
	db_count++;
	asm volatile("mov %0, %%dr6" ::"r"(0xffff0ff0UL) : "memory");
	frame->rflags |= 1UL << 16; /* RF: an instruction breakpoint does not fire again */
	if (dr6 & 1UL << 14 && db_count >= 3)
		frame->rflags &= ~(1UL << 8);
}

static volatile u64 watched;

static void guest_debug(u64 breakpoints)
{
	/* TF: one #DB after each of three instructions. */
	asm volatile("pushf; orq $0x100, (%%rsp); popf; nop; nop; nop; nop" ::: "memory", "cc");
	GUEST_CHECK_EQ(db_count, 3);
	GUEST_CHECK_EQ(db_dr6 & 0x4000, 0x4000);
	if (!breakpoints)
		return;
	/* A data breakpoint, 8 bytes, on writes. */
	asm volatile("mov %0, %%dr0; mov %1, %%dr7" ::"r"(&watched), "r"(0x90402UL) : "memory");
	GUEST_CHECK_EQ(watched, 0); /* reads do not match */
	GUEST_CHECK_EQ(db_count, 3);
	watched = 1;
	GUEST_CHECK_EQ(db_count, 4);
	GUEST_CHECK_EQ(db_dr6 & 0xf, 1);
	asm volatile("mov %0, %%dr7" ::"r"(0x400UL) : "memory");
	watched = 2;
	GUEST_CHECK_EQ(db_count, 4);
	/* An instruction breakpoint. */
	asm volatile(
		"mov $1f, %%rax; mov %%rax, %%dr1; mov %0, %%dr7; nop; 1: nop; mov %1, %%dr7" ::"r"(
			0x408UL),
		"r"(0x400UL)
		: "rax", "memory");
	GUEST_CHECK_EQ(db_count, 5);
	GUEST_CHECK_EQ(db_dr6 & 0xf, 2);
}

TEST(debug_exceptions)
{
	guest_handlers[VEC_DB] = on_db;
	/* The emulator of the svm host arms no breakpoint by VMRUN, only by a MOV to DR7 that does not exit. */
	run_guest(guest_debug, host_is_intel() || device_is_kvm());
}

/* Single-stepping over an instruction that the hypervisor answers: its trap comes behind it. */
static void guest_step_over_cpuid(u64 arg)
{
	asm volatile(
		"xor %%eax, %%eax; xor %%ecx, %%ecx; pushf; orq $0x100, (%%rsp); popf; cpuid; nop; nop; nop" ::
			: "rax", "rbx", "rcx", "rdx", "memory", "cc");
	GUEST_CHECK_EQ(db_count, 3);
}

TEST(single_step_over_cpuid)
{
	guest_handlers[VEC_DB] = on_db;
	run_guest(guest_step_over_cpuid, 0);
}

/* --- x87 and SSE --- */

static void guest_float(u64 intel)
{
	static const u16 unmasked = 0x340;
	u32 mxcsr = 0x1f80;

	WRITE_CR(0, READ_CR(0) | CR0_TS);
	asm volatile(GUEST_TRY("fninit")::: "memory");
	EXPECT(VEC_NM, 0);
	asm volatile(GUEST_TRY("movups %%xmm0, %%xmm1")::: "memory");
	EXPECT(VEC_NM, 0);
	asm volatile("clts");
	asm volatile("fninit; fldcw %0; fldz; fld1; fdivp" ::"m"(unmasked)); /* 1/0 or 0/1 */
	asm volatile("fninit; fldcw %0; fld1; fldz; fdivrp" ::"m"(unmasked));
	asm volatile(GUEST_TRY("fwait")::: "memory");
	GUEST_CHECK(guest_caught.vector == VEC_MF || guest_caught.vector == -1);
	asm volatile("fninit");
	mxcsr = 0x1f80 & ~(1U << 9); /* divide by zero unmasked */
	asm volatile("ldmxcsr %0" ::"m"(mxcsr));
	asm volatile("xorps %%xmm0, %%xmm0; movq %0, %%xmm1" ::"r"(0x3f800000UL));
	asm volatile(GUEST_TRY("divss %%xmm0, %%xmm1")::: "memory");
	if (!intel) /* the emulator of the svm host raises no #XM and takes any MXCSR */
		return;
	EXPECT(VEC_XM, 0);
	mxcsr = 0xffff0000;
	asm volatile(GUEST_TRY("ldmxcsr %0")::"m"(mxcsr) : "memory");
	EXPECT(VEC_GP, 0);
}

TEST(x87_and_sse)
{
	run_guest(guest_float, host_is_intel());
}

/* --- control registers --- */

/* KVM may give its guests VMX. */
static volatile bool nested;

static void guest_control_registers(u64 intel)
{
	u64 cr0 = READ_CR(0), cr4 = READ_CR(4);

	GUEST_CHECK_EQ(READ_CR(3), GUEST_PAGE_TABLES);
	WRITE_CR(2, 0x123456789abcdef0);
	GUEST_CHECK_EQ(READ_CR(2), 0x123456789abcdef0);
	/* Everything the guest sets it reads back, whatever the hypervisor needs in the real one. */
	WRITE_CR(0, cr0 | CR0_CD);
	GUEST_CHECK_EQ(READ_CR(0), cr0 | CR0_CD);
	WRITE_CR(0, cr0 & ~CR0_NE);
	GUEST_CHECK_EQ(READ_CR(0), cr0 & ~CR0_NE);
	WRITE_CR(0, cr0);
	WRITE_CR(4, cr4 | CR4_PGE | CR4_DE);
	GUEST_CHECK_EQ(READ_CR(4), cr4 | CR4_PGE | CR4_DE);
	WRITE_CR(4, cr4);
	/* SDM 3A 2.5. */
	asm volatile(GUEST_TRY("mov %0, %%cr0")::"r"(cr0 | CR0_NW) : "memory");
	EXPECT(VEC_GP, 0);
	asm volatile(GUEST_TRY("mov %0, %%cr0")::"r"(cr0 & ~CR0_PE) : "memory");
	EXPECT(VEC_GP, 0);
	if (intel) { /* the emulator of the svm host has no such check of its own */
		asm volatile(GUEST_TRY("mov %0, %%cr4")::"r"(cr4 | 1UL << 36) : "memory");
		EXPECT(VEC_GP, 0);
		asm volatile(GUEST_TRY("mov %0, %%cr0")::"r"(cr0 | 1UL << 40) : "memory");
		EXPECT(VEC_GP, 0);
		asm volatile(GUEST_TRY("mov %0, %%cr8")::"r"(16UL) : "memory");
		EXPECT(VEC_GP, 0);
	}
	asm volatile(GUEST_TRY("mov %0, %%cr4")::"r"(cr4 & ~CR4_PAE) : "memory");
	EXPECT(VEC_GP, 0);
	asm volatile(GUEST_TRY("mov %0, %%cr4")::"r"(cr4 | 1UL << 15) : "memory");
	EXPECT(VEC_GP, 0);
	if (!nested) {
		asm volatile(GUEST_TRY("mov %0, %%cr4")::"r"(cr4 | CR4_VMXE) : "memory");
		EXPECT(VEC_GP, 0);
	}
	asm volatile(GUEST_TRY(".byte 0x0f, 0x20, 0xc8")::: "rax", "memory"); /* mov %cr1, %rax */
	EXPECT(VEC_UD, 0);
	GUEST_CHECK_EQ(READ_CR(0), cr0);
	GUEST_CHECK_EQ(READ_CR(4), cr4);
	/* LMSW and SMSW. */
	asm volatile("smsw %%ax; lmsw %%ax" ::: "rax", "memory");
	GUEST_CHECK_EQ(READ_CR(0), cr0);
	asm volatile("mov %0, %%cr8" ::"r"(7UL) : "memory");
	GUEST_CHECK_EQ(READ_CR(8), 7);
	asm volatile("mov %0, %%cr8" ::"r"(0UL) : "memory");
}

TEST(control_registers)
{
	/* With an APIC in the kernel: without one a lowered CR8 is an exit to userspace's. */
	nested = device_is_kvm();
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_control_registers, host_is_intel());
	vcpu_done(&vcpu);
}

static void guest_efer(u64 arg)
{
	u64 efer = rdmsr(MSR_EFER);

	GUEST_CHECK_EQ(efer & ~EFER_SVME, EFER_LME | EFER_LMA | EFER_NX);
	GUEST_CHECK_EQ(efer & EFER_SVME, 0);
	wrmsr(MSR_EFER, efer | EFER_SCE);
	GUEST_CHECK_EQ(rdmsr(MSR_EFER), efer | EFER_SCE);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_EFER, efer & ~EFER_LME), VEC_GP); /* while paging */
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_EFER, efer | 1UL << 2), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_EFER, efer | 1UL << 40), VEC_GP);
	GUEST_CHECK_EQ(rdmsr(MSR_EFER), efer | EFER_SCE);
	/* LMA cannot be written: ignored, or kept as it is. */
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_EFER, efer | EFER_SCE), -1);
	asm volatile(GUEST_TRY("syscall")::: "rcx", "r11", "memory");
}

/* SYSCALL lands where LSTAR says, with CS and SS out of STAR (the guest's own, in ring 0 here). */
static void guest_syscall(u64 arg)
{
	u64 rcx = 0, r11 = 0;

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32);
	wrmsr(MSR_SFMASK, 0x200);
	asm volatile("mov $0xc0000082, %%ecx; mov $1f, %%eax; xor %%edx, %%edx; wrmsr\n"
		     "sti; syscall\n"
		     "2: ud2\n"
		     "1: cli\n"
		     : "=c"(rcx), "=r"(r11)::"rax", "rdx", "r11", "memory");
	asm volatile("mov %%r11, %0" : "=r"(r11));
	GUEST_CHECK(*(u16 *)rcx == 0x0b0f);
}

TEST(syscall)
{
	run_guest(guest_syscall, 0);
}

TEST(efer_nx_and_reserved_bits)
{
	guest_start(&vm, &vcpu, 0, guest_efer, 0);
	/* LSTAR is 0, where there is no code that could go on: any end but a host failure is right. */
	vcpu_run(&vcpu);
}

/* --- user mode --- */

extern const char user_code[];
asm(".pushsection .text\n"
    "user_code:\n"
    "	mov	%cs, %eax\n"
    "	and	$3, %eax\n"
    "	int	$0x80\n"
    "	hlt\n"
    "	int	$0x81\n"
    ".popsection");

static volatile u64 user_cpl, user_fault = ~0UL;

static void on_user(struct guest_frame *frame)
{
	if (frame->vector == 0x80)
		user_cpl = frame->rax;
	else if (frame->vector == VEC_GP) {
		user_fault = frame->error;
		frame->rip++;
	} else
		guest_done(frame->cs);
}

static void guest_enter_user(u64 arg)
{
	volatile u16 *idt = (u16 *)GUEST_IDT;

	idt[0x80 * 8 + 2] = idt[0x81 * 8 + 2] = 0xee00; /* DPL 3 */
	asm volatile(
		"pushq %0; pushq %1; pushq $2; pushq %2; pushq %3; iretq" ::"r"((u64)SEL_USER_DATA),
		"r"(GUEST_STACKS + 12 * GUEST_STACK_SIZE), "r"((u64)SEL_USER_CODE64), "r"(user_code)
		: "memory");
}

/* HLT in ring 3 is the guest's #GP and no exit to anyone. */
TEST(user_mode)
{
	guest_handlers[0x80] = guest_handlers[0x81] = guest_handlers[VEC_GP] = on_user;
	guest_start(&vm, &vcpu, 0, guest_enter_user, 0);
	CHECK_EQ(vcpu_done(&vcpu), SEL_USER_CODE64);
	CHECK_EQ(GUEST_VAR(&vm, user_cpl), 3);
	CHECK_EQ(GUEST_VAR(&vm, user_fault), 0);
}

/* --- double fault --- */

static void on_df(struct guest_frame *frame)
{
	guest_done(frame->error);
}

static void guest_double_fault(u64 arg)
{
	volatile u16 *idt = (u16 *)GUEST_IDT;

	idt[VEC_GP * 8 + 2] = 0; /* #GP's gate is not present: contributory on contributory */
	asm volatile("mov (%0), %%rax" ::"r"(0x8000000000000000) : "rax");
}

TEST(double_fault)
{
	guest_handlers[VEC_DF] = on_df;
	guest_start(&vm, &vcpu, 0, guest_double_fault, 0);
	CHECK_EQ(vcpu_done(&vcpu), 0);
}
