// SPDX-License-Identifier: GPL-2.0-only
/* KVM_SET_GUEST_DEBUG: breakpoints in software and hardware, single steps, events handed back. */
#include <cpuid.h>
#include <string.h>

#include "apic.h"
#include "guest.h"

#define DR6_BS (1ULL << 14)
#define RFLAGS_TF (1UL << 8)

static struct vm vm;
static struct vcpu vcpu;
volatile u64 apic_x2;

static int set_debug(u32 control, const u64 *dr, u64 dr7)
{
	struct kvm_guest_debug debug = { .control = control };

	if (dr)
		memcpy(debug.arch.debugreg, dr, 4 * sizeof(*dr));
	debug.arch.debugreg[7] = dr7;
	return ioctl(vcpu.fd, KVM_SET_GUEST_DEBUG, &debug);
}

static void expect_debug(u8 exception, const void *pc)
{
	vcpu_expect(&vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ(vcpu.run->debug.arch.exception, exception);
	CHECK_EQ(vcpu.run->debug.arch.pc, (u64)pc);
}

extern const char debug_start[], debug_bp[], debug_after_bp[], step_0[], step_1[], step_2[],
	step_3[], step_4[], step_5[], step_6[], debug_data_done[], debug_end[];
static volatile u64 variable;

/* Instructions that exit, that do not, and one that takes a device in between. */
asm(".pushsection .text\n"
    "debug_start:\n"
    "	nop\n"
    "debug_bp:\n"
    "	int3\n"
    "debug_after_bp:\n"
    "	nop\n"
    "step_0:\n"
    "	mov	$7, %eax\n"
    "step_1:\n"
    "	cpuid\n"
    "step_2:\n"
    "	pushf\n"
    "step_3:\n"
    "	pop	%rbx\n"
    "step_4:\n"
    "	movq	$5, variable(%rip)\n"
    "step_5:\n"
    "	sti\n"
    "step_6:\n"
    "	nop\n"
    "debug_data_done:\n"
    "	mov	$0xd2, %edx\n"
    "	mov	%rbx, %rdi\n"
    "1:	out	%al, (%dx)\n"
    "	jmp	1b\n"
    "debug_end:\n"
    ".popsection");

static volatile u64 breakpoints_seen, db_seen, return_rip;

static void on_bp(struct guest_frame *frame)
{
	breakpoints_seen++;
	return_rip = frame->rip;
}

static void on_db(struct guest_frame *frame)
{
	db_seen++;
}

static void start(const void *from)
{
	guest_handlers[VEC_BP] = on_bp;
	guest_handlers[VEC_DB] = on_db;
	guest_start(&vm, &vcpu, 0, (void (*)(u64))from, 0);
}

/*
 * Once through it before anything is counted: in Bochs an instruction that faults on memory not yet
 * there has its single-step trap right away.
 */
static void start_warm(const void *from)
{
	struct kvm_regs regs;

	start(from);
	vcpu_done(&vcpu);
	GUEST_VAR(&vm, variable) = 0;
	vcpu_get_regs(&vcpu, &regs);
	regs.rip = (u64)from;
	regs.rflags = 2;
	vcpu_set_regs(&vcpu, &regs);
}

/* QEMU's SVM has no intercept of INT3, no guest's breakpoints, and no step right behind STI. */
static void needs_silicon(void)
{
	unsigned int eax, ebx = 0, ecx = 0, edx = 0;

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	if (!memcmp(&ebx, "TCGT", 4))
		test_skip("QEMU's TCG does not have it");
}

TEST(software_breakpoint)
{
	struct kvm_regs regs;

	needs_silicon();
	start(debug_start);
	CHECK(has_cap(vm.fd, KVM_CAP_SET_GUEST_DEBUG));
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, NULL, 0));
	expect_debug(VEC_BP, debug_bp);
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(regs.rip, (u64)debug_bp);
	/* The debugger goes on behind it, and the guest knows of nothing. */
	regs.rip = (u64)debug_after_bp;
	vcpu_set_regs(&vcpu, &regs);
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, breakpoints_seen), 0);
}

/* One that was the guest's own is handed back, and returns behind its instruction. */
TEST(software_breakpoint_injected)
{
	needs_silicon();
	start(debug_start);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, NULL, 0));
	expect_debug(VEC_BP, debug_bp);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP,
			   NULL, 0));
	CHECK_ERR(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP, NULL, 0), EBUSY);
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, breakpoints_seen), 1);
	CHECK_EQ(GUEST_VAR(&vm, return_rip), (u64)debug_after_bp);
}

TEST(no_debugger)
{
	start(debug_start);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, NULL, 0));
	CHECK_OK(set_debug(0, NULL, 0));
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, breakpoints_seen), 1);
	CHECK_EQ(GUEST_VAR(&vm, return_rip), (u64)debug_after_bp);
}

/* Each instruction ends with an exit; the trap flag is neither in the registers nor left behind. */
TEST(single_step)
{
	static const char *const stops[] = { step_1, step_2, step_3, step_4, step_5 };
	struct kvm_regs regs;
	unsigned int i;

	start_warm(step_0);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, NULL, 0));
	for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		vcpu_expect(&vcpu, KVM_EXIT_DEBUG);
		/* Bochs' exit for CPUID leaves the trap pending, on KVM as well: it comes twice. */
		if (host_is_emulated_vmx() && stops[i] == step_3)
			vcpu_expect(&vcpu, KVM_EXIT_DEBUG);
		CHECK_EQ(vcpu.run->debug.arch.exception, VEC_DB);
		CHECK_EQ(vcpu.run->debug.arch.pc, (u64)stops[i]);
		CHECK(vcpu.run->debug.arch.dr6 & DR6_BS);
		vcpu_get_regs(&vcpu, &regs);
		CHECK_EQ(regs.rip, (u64)stops[i]);
		CHECK_EQ(regs.rflags & RFLAGS_TF, 0);
	}
	CHECK_EQ(GUEST_VAR(&vm, variable), 5);
	CHECK_OK(set_debug(0, NULL, 0));
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, db_seen), 0);
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(regs.rflags & RFLAGS_TF, 0);
}

/* From the start, across STI's shadow, to the port, which userspace completes. */
TEST(single_step_across_sti)
{
	needs_silicon();
	start_warm(step_5);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, NULL, 0));
	expect_debug(VEC_DB, step_6);
	expect_debug(VEC_DB, debug_data_done);
	CHECK_OK(set_debug(0, NULL, 0));
	vcpu_done(&vcpu);
}

/* DR7: L0, G1 ...; type and length at bits 16 and up (SDM 3A 18.2.4). */
TEST(hardware_breakpoint)
{
	const u64 code[4] = { (u64)step_3 }, data[4] = { 0, (u64)&variable };
	struct kvm_debugregs debugregs;
	struct kvm_regs regs;

	needs_silicon();
	start_warm(step_0);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, code, 1 | 1 << 10));
	expect_debug(VEC_DB, step_3);
	CHECK_EQ(vcpu.run->debug.arch.dr6 & 0xf, 1);
	vcpu_get_regs(&vcpu, &regs);
	CHECK_EQ(regs.rip, (u64)step_3);
	/* A write of eight bytes: the exit comes behind the instruction. */
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, data,
			   1 << 2 | 1 << 10 | 9 << 20));
	expect_debug(VEC_DB, step_5);
	CHECK_EQ(vcpu.run->debug.arch.dr6 & 0xf, 2);
	/* None of it is in the guest's own registers. */
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_DEBUGREGS, &debugregs));
	CHECK_EQ(debugregs.dr7, 0x400);
	CHECK_EQ(debugregs.db[0] | debugregs.db[1], 0);
	CHECK_OK(set_debug(0, NULL, 0));
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, db_seen), 0);
}

TEST(debug_exception_injected)
{
	start(step_0);
	CHECK_OK(set_debug(KVM_GUESTDBG_INJECT_DB, NULL, 0));
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, db_seen), 1);
}

/* An interrupt waits for as long as the debugger does not want it. */
static volatile u64 interrupted;

static void on_irq(struct guest_frame *frame)
{
	interrupted++;
}

static void guest_enabled(u64 arg)
{
	apic_enable();
	asm volatile("sti; nop");
	for (;;)
		guest_sync(interrupted);
}

TEST(interrupts_blocked)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
	int valid;

	guest_handlers[0x40] = on_irq;
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_enabled, 0);
	valid = ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
	CHECK_EQ(valid & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ),
		 KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(set_debug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_BLOCKIRQ, NULL, 0));
	CHECK_EQ(CHECK_OK(ioctl(vm.fd, KVM_SIGNAL_MSI, &msi)), 1);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(set_debug(0, NULL, 0));
	vcpu_sync(&vcpu);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}
