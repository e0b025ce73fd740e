// SPDX-License-Identifier: GPL-2.0-only
/* Each kind of exit, seen from userspace: what the exit says, and what the guest sees afterwards. */
#include <string.h>

#include "guest.h"

/* --- port I/O --- */

static void guest_pio_out(u64 arg)
{
	asm volatile("outb %b0, %w1" ::"a"(0x11223344), "d"(0x3f1));
	asm volatile("outw %w0, %w1" ::"a"(0x11223344), "d"(0x3f2));
	asm volatile("outl %0, %w1" ::"a"(0x11223344), "d"(0x3f4));
	asm volatile("outb %b0, $0x40" ::"a"(0x55667788));
	asm volatile("outw %w0, $0x42" ::"a"(0x55667788));
	asm volatile("outl %0, $0x44" ::"a"(0x55667788));
	asm volatile("outl %0, %w1" ::"a"(0x99), "d"(0xfffc));
}

static void check_pio(struct vcpu *vcpu, u8 direction, u16 port, u8 size, u32 count)
{
	vcpu_expect(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, port);
	CHECK_EQ(vcpu->run->io.direction, direction);
	CHECK_EQ(vcpu->run->io.size, size);
	CHECK_EQ(vcpu->run->io.count, count);
	CHECK(vcpu->run->io.data_offset + size * count <= vcpu->run_size);
}

static void *pio_data(struct vcpu *vcpu)
{
	return (u8 *)vcpu->run + vcpu->run->io.data_offset;
}

static void check_pio_out(struct vcpu *vcpu, u16 port, u8 size, u32 value)
{
	u32 data = 0;

	check_pio(vcpu, KVM_EXIT_IO_OUT, port, size, 1);
	memcpy(&data, pio_data(vcpu), size);
	CHECK_EQ(data, value);
}

TEST(pio_out)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_pio_out, 0);
	check_pio_out(&vcpu, 0x3f1, 1, 0x44);
	check_pio_out(&vcpu, 0x3f2, 2, 0x3344);
	check_pio_out(&vcpu, 0x3f4, 4, 0x11223344);
	check_pio_out(&vcpu, 0x40, 1, 0x88);
	check_pio_out(&vcpu, 0x42, 2, 0x7788);
	check_pio_out(&vcpu, 0x44, 4, 0x55667788);
	check_pio_out(&vcpu, 0xfffc, 4, 0x99);
	vcpu_done(&vcpu);
}

/* IN of 1 and 2 bytes keeps the rest of RAX; IN of 4 bytes clears the upper half (SDM 1 3.4.1.1). */
static void guest_pio_in(u64 arg)
{
	u64 rax = 0x1111222233334444;

	asm volatile("inb %w1, %b0" : "+a"(rax) : "d"(0x3f1));
	GUEST_CHECK_EQ(rax, 0x11112222333344a5);
	asm volatile("inw %w1, %w0" : "+a"(rax) : "d"(0x3f2));
	GUEST_CHECK_EQ(rax, 0x11112222333312a5);
	asm volatile("inl %w1, %k0" : "+a"(rax) : "d"(0x3f4));
	GUEST_CHECK_EQ(rax, 0x87654321);
	rax = ~0ULL;
	asm volatile("inb $0x60, %b0" : "+a"(rax));
	GUEST_CHECK_EQ(rax, ~0xffULL);
}

static void answer_pio_in(struct vcpu *vcpu, u16 port, u8 size, u32 value)
{
	check_pio(vcpu, KVM_EXIT_IO_IN, port, size, 1);
	memcpy(pio_data(vcpu), &value, size);
}

TEST(pio_in)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_pio_in, 0);
	answer_pio_in(&vcpu, 0x3f1, 1, 0xa5);
	answer_pio_in(&vcpu, 0x3f2, 2, 0x12a5);
	answer_pio_in(&vcpu, 0x3f4, 4, 0x87654321);
	answer_pio_in(&vcpu, 0x60, 1, 0);
	vcpu_done(&vcpu);
}

/* --- string port I/O: an exit may carry any number of elements, in order --- */

static u8 string_buffer[64] __attribute__((aligned(16)));

static void guest_string_out(u64 backwards)
{
	u64 rsi = (u64)string_buffer, rcx = 7;

	if (backwards) {
		rsi += 6 * 2;
		asm volatile("std; rep outsw; cld" : "+S"(rsi), "+c"(rcx) : "d"(0x3f8) : "memory");
		GUEST_CHECK_EQ(rsi, (u64)string_buffer - 2);
	} else {
		asm volatile("cld; rep outsw" : "+S"(rsi), "+c"(rcx) : "d"(0x3f8) : "memory");
		GUEST_CHECK_EQ(rsi, (u64)string_buffer + 14);
	}
	GUEST_CHECK_EQ(rcx, 0);
	/* No iteration at all: no exit. */
	asm volatile("rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(0x3f9) : "memory");
	asm volatile("outsb" : "+S"(rsi) : "d"(0x3fa) : "memory");
	asm volatile("outsl" : "+S"(rsi) : "d"(0x3fc) : "memory");
}

static u32 collect_out(struct vcpu *vcpu, u16 port, u8 size, u8 *out, u32 elements)
{
	u32 done = 0;

	while (done < elements) {
		vcpu_expect(vcpu, KVM_EXIT_IO);
		CHECK_EQ(vcpu->run->io.port, port);
		CHECK_EQ(vcpu->run->io.size, size);
		CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_OUT);
		CHECK(vcpu->run->io.count && vcpu->run->io.count <= elements - done);
		memcpy(out + done * size, pio_data(vcpu), size * vcpu->run->io.count);
		done += vcpu->run->io.count;
	}
	return done;
}

static void run_string_out(bool backwards)
{
	struct vcpu vcpu;
	struct vm vm;
	u16 expected[7], got[8] = { 0 };
	int i;

	for (i = 0; i < (int)sizeof(string_buffer); i++)
		string_buffer[i] = 0x30 + i;
	for (i = 0; i < 7; i++)
		memcpy(&expected[i], &string_buffer[2 * (backwards ? 6 - i : i)], 2);
	guest_start(&vm, &vcpu, 0, guest_string_out, backwards);
	collect_out(&vcpu, 0x3f8, 2, (u8 *)got, 7);
	CHECK(!memcmp(got, expected, sizeof(expected)));
	collect_out(&vcpu, 0x3fa, 1, (u8 *)got, 1);
	collect_out(&vcpu, 0x3fc, 4, (u8 *)got, 1);
	vcpu_done(&vcpu);
}

TEST(pio_rep_outs)
{
	run_string_out(false);
}

TEST(pio_rep_outs_backwards)
{
	run_string_out(true);
}

static void guest_string_in(u64 arg)
{
	u64 rdi = (u64)string_buffer, rcx = 9;
	u32 i;

	asm volatile("cld; rep insb" : "+D"(rdi), "+c"(rcx) : "d"(0x1f0) : "memory");
	GUEST_CHECK_EQ(rcx, 0);
	GUEST_CHECK_EQ(rdi, (u64)string_buffer + 9);
	for (i = 0; i < 9; i++)
		GUEST_CHECK_EQ(((volatile u8 *)string_buffer)[i], 0x40 + i);
	GUEST_CHECK_EQ(((volatile u8 *)string_buffer)[9], 0);
	rdi = (u64)string_buffer;
	rcx = 3;
	asm volatile("rep insl" : "+D"(rdi), "+c"(rcx) : "d"(0x1f4) : "memory");
	GUEST_CHECK_EQ(rdi, (u64)string_buffer + 12);
	for (i = 0; i < 12; i++)
		GUEST_CHECK_EQ(((volatile u8 *)string_buffer)[i], 0x80 + i);
}

static void feed_in(struct vcpu *vcpu, u16 port, u8 size, u8 first, u32 elements)
{
	u32 done = 0, i;

	while (done < elements) {
		vcpu_expect(vcpu, KVM_EXIT_IO);
		CHECK_EQ(vcpu->run->io.port, port);
		CHECK_EQ(vcpu->run->io.size, size);
		CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
		CHECK(vcpu->run->io.count && vcpu->run->io.count <= elements - done);
		for (i = 0; i < size * vcpu->run->io.count; i++)
			((u8 *)pio_data(vcpu))[i] = first + done * size + i;
		done += vcpu->run->io.count;
	}
}

TEST(pio_rep_ins)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_string_in, 0);
	feed_in(&vcpu, 0x1f0, 1, 0x40, 9);
	feed_in(&vcpu, 0x1f4, 4, 0x80, 3);
	vcpu_done(&vcpu);
}

/* A string instruction whose buffer crosses into a page that is not mapped faults there, not before. */
static void guest_string_fault(u64 arg)
{
	u64 rdi = GUEST_SMALL_PAGES + 0x1000 - 2, rcx = 4;

	((volatile u64 *)GUEST_SMALL_PT)[1] = 0;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	asm volatile(GUEST_TRY("rep insb") : "+D"(rdi), "+c"(rcx) : "d"(0x1f0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	GUEST_CHECK_EQ(guest_caught.cr2, GUEST_SMALL_PAGES + 0x1000);
	GUEST_CHECK_EQ(guest_caught.error, 2);
	GUEST_CHECK_EQ(rcx, 2);
	GUEST_CHECK_EQ(rdi, GUEST_SMALL_PAGES + 0x1000);
}

TEST(pio_rep_ins_page_fault)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_string_fault, 0);
	for (;;) {
		vcpu_expect(&vcpu, KVM_EXIT_IO);
		if (vcpu.run->io.port != 0x1f0)
			break;
		memset(pio_data(&vcpu), 0x77, vcpu.run->io.count);
	}
	CHECK_EQ(vcpu.run->io.port, PORT_DONE);
	CHECK_EQ(vm.ram[GUEST_SMALL_PAGES + 0xfff], 0x77);
}

/*
 * One element over the end of a page: what the second page says is known before the port is read and
 * before the first page is written (SDM 6.5: a fault leaves the instruction undone).
 */
#define CROSSING (GUEST_SMALL_PAGES + 0x2ffe)

static void guest_ins_crossing(u64 second)
{
	u64 rdi = CROSSING;

	((volatile u64 *)GUEST_SMALL_PT)[3] = second;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	asm volatile(GUEST_TRY("insl") : "+D"(rdi) : "d"(0x1f4) : "memory");
	GUEST_CHECK_EQ(rdi, CROSSING);
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	GUEST_CHECK_EQ(guest_caught.cr2, GUEST_SMALL_PAGES + 0x3000);
	guest_done(guest_caught.error);
}

static void check_not_stored(struct vm *vm)
{
	static const u8 zeros[4];

	CHECK(!memcmp(vm->ram + CROSSING, zeros, sizeof(zeros)));
}

static void check_crossing(u64 second, u64 error)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_ins_crossing, second);
	CHECK_EQ(vcpu_done(&vcpu), error);
	check_not_stored(&vm);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
}

/* KVM reads the port first. */
TEST(pio_ins_crossing_fault, .vmm_only = true)
{
	check_crossing(0, 2);
	check_crossing((GUEST_SMALL_PAGES + 0x3000) | PTE_P, 3);
}

/*
 * The page goes away while userspace answers: the data is lost, memory stays. KVM has stored the first
 * part by then.
 */
TEST(pio_ins_crossing_unmapped_meanwhile, .vmm_only = true)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_ins_crossing,
		    (GUEST_SMALL_PAGES + 0x3000) | PTE_P | PTE_W);
	answer_pio_in(&vcpu, 0x1f4, 4, 0x87654321);
	((volatile u64 *)(vm.ram + GUEST_SMALL_PT))[3] = 0;
	CHECK_EQ(vcpu_done(&vcpu), 2);
	check_not_stored(&vm);
}

/* --- HLT, shutdown --- */

static void guest_hlt(u64 arg)
{
	asm volatile("hlt");
	guest_sync(1);
	asm volatile("sti; hlt");
	guest_sync(2);
}

/* Without an in-kernel APIC, HLT is userspace's, whatever IF says; RIP is behind it. */
TEST(hlt_without_irqchip)
{
	struct kvm_regs before, after;
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_hlt, 0);
	vcpu_get_regs(&vcpu, &before);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
	vcpu_get_regs(&vcpu, &after);
	CHECK(after.rip > before.rip && vm.ram[after.rip - 1] == 0xf4);
	CHECK_EQ(vcpu.run->if_flag, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vcpu.run->if_flag, 1);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	vcpu_done(&vcpu);
}

static void guest_triple_fault(u64 arg)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idtr = { 0, 0 };

	asm volatile("lidt %0; ud2" ::"m"(idtr));
}

TEST(triple_fault)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_triple_fault, 0);
	vcpu_expect(&vcpu, KVM_EXIT_SHUTDOWN);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
}

TEST(triple_fault_with_irqchip)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_triple_fault, 0);
	vcpu_expect(&vcpu, KVM_EXIT_SHUTDOWN);
}

/* A stack that cannot take the exception either: #PF, #DF, shutdown. */
static void guest_bad_stack(u64 arg)
{
	asm volatile("mov %0, %%rsp; ud2" ::"r"(0xffff800000000000));
}

TEST(triple_fault_by_stack)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_bad_stack, 0);
	vcpu_expect(&vcpu, KVM_EXIT_SHUTDOWN);
}

/* --- answered in the kernel --- */

static void guest_cpuid(u64 arg)
{
	u32 eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	GUEST_CHECK(eax >= 1);
	eax = 0x4fffffff;
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	guest_sync(ebx);
	guest_sync(edx);
}

/* The guest sees exactly what KVM_SET_CPUID2 was given. */
TEST(cpuid)
{
	struct {
		struct kvm_cpuid2 header;
		struct kvm_cpuid_entry2 entry[2];
	} cpuid = {
		.header.nent = 2,
		.entry = { { .function = 0, .eax = 0x4fffffff, .ebx = 1, .ecx = 2, .edx = 3 },
			   { .function = 0x4fffffff,
			     .eax = 5,
			     .ebx = 0xb0b0b0b0,
			     .ecx = 7,
			     .edx = 0xd0d0d0d0 } },
	};
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_cpuid, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, &cpuid));
	CHECK_EQ(vcpu_sync(&vcpu), 0xb0b0b0b0);
	CHECK_EQ(vcpu_sync(&vcpu), 0xd0d0d0d0);
	vcpu_done(&vcpu);
}

static void guest_no_cpuid(u64 arg)
{
	static const u32 leaves[] = {
		0, 1, 7, 0xd, 0x40000000, 0x80000000, 0x80000001, 0x8000000a
	};
	u32 i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		u32 eax = leaves[i], ebx = ~0, ecx = 0, edx = ~0;

		asm volatile("cpuid" : "+a"(eax), "+b"(ebx), "+c"(ecx), "+d"(edx));
		GUEST_CHECK_EQ(eax | ebx | ecx | edx, 0);
	}
}

/* A vCPU that was given no table has no leaf: nothing of the host shows through. */
TEST(cpuid_empty)
{
	struct kvm_cpuid2 none = { .nent = 0 };
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_no_cpuid, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, &none));
	vcpu_done(&vcpu);
}

static void guest_cpuid_osxsave(u64 arg)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (!(ecx & 1 << 26)) {
		guest_sync(0);
		return;
	}
	GUEST_CHECK_EQ(ecx >> 27 & 1, 0);
	WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
	eax = 1;
	ecx = 0;
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	GUEST_CHECK_EQ(ecx >> 27 & 1, 1);
	/* x87 must stay, YMM needs SSE, and there is no XCR1. */
	asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0) : "memory");
	GUEST_CHECK_EQ(eax, 1);
	asm volatile(GUEST_TRY("xsetbv")::"a"(3), "d"(0), "c"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, -1);
	asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0) : "memory");
	GUEST_CHECK_EQ(eax, 3);
	/*
	 * The emulator of the svm host does not intercept XSETBV, so that no hypervisor there can know
	 * the value and keep it over an exit: from here on only what is refused is looked at.
	 */
	asm volatile(GUEST_TRY("xsetbv")::"a"(2), "d"(0), "c"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_GP);
	asm volatile(GUEST_TRY("xsetbv")::"a"(5), "d"(0), "c"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_GP);
	asm volatile(GUEST_TRY("xsetbv")::"a"(1), "d"(0x40000000), "c"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_GP);
	asm volatile(GUEST_TRY("xsetbv")::"a"(1), "d"(0), "c"(1) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_GP);
	WRITE_CR(4, READ_CR(4) & ~CR4_OSXSAVE);
	asm volatile(GUEST_TRY("xsetbv")::"a"(1), "d"(0), "c"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	guest_sync(1);
}

/* CPUID.1:ECX.OSXSAVE follows CR4; XSETBV checks its operands (SDM 1 13.3). */
TEST(xsetbv)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_cpuid_osxsave, 0);
	if (!vcpu_sync(&vcpu))
		test_skip("no XSAVE for guests on this host");
	vcpu_done(&vcpu);
}

static void guest_msr(u64 intel)
{
	u64 value;

	wrmsr(MSR_SYSENTER_ESP, 0xffff800012345678);
	GUEST_CHECK_EQ(rdmsr(MSR_SYSENTER_ESP), 0xffff800012345678);
	wrmsr(MSR_STAR, 0x1122334455667788);
	GUEST_CHECK_EQ(rdmsr(MSR_STAR), 0x1122334455667788);
	GUEST_CHECK_EQ(guest_try_rdmsr(0x12345678, &value), VEC_GP);
	GUEST_CHECK_EQ(guest_caught.error, 0);
	GUEST_CHECK_EQ(guest_try_wrmsr(0x12345678, 0), VEC_GP);
	if (intel) { /* the emulator of the svm host does not check MSRs that a guest writes directly */
		GUEST_CHECK_EQ(guest_try_wrmsr(MSR_LSTAR, 0x8000000000000000), VEC_GP);
		GUEST_CHECK_EQ(guest_try_wrmsr(MSR_FS_BASE, 0x0000800000000000), VEC_GP);
	}
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_PAT, 0x0000000000000002), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_PAT, 0x0007040600070406), -1);
	GUEST_CHECK_EQ(rdmsr(MSR_PAT), 0x0007040600070406);
}

TEST(msr_allowed_and_denied)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_msr, host_is_intel());
	vcpu_done(&vcpu);
}

/* An unknown hypercall is answered in the kernel with -KVM_ENOSYS (-1000) and is no exit. */
static void guest_hypercall(u64 intel)
{
	u64 rax = 0x7fff, rbx = 1, rcx = 2, rdx = 3, rsi = 4;

	if (intel)
		asm volatile("vmcall"
			     : "+a"(rax)
			     : "b"(rbx), "c"(rcx), "d"(rdx), "S"(rsi)
			     : "memory");
	else
		asm volatile("vmmcall"
			     : "+a"(rax)
			     : "b"(rbx), "c"(rcx), "d"(rdx), "S"(rsi)
			     : "memory");
	guest_done(rax);
}

TEST(hypercall_unknown)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_hypercall, host_is_intel());
	CHECK_EQ(vcpu_done(&vcpu), -1000);
}

static void guest_pause(u64 arg)
{
	int i;

	for (i = 0; i < 5000; i++)
		cpu_pause();
}

TEST(pause_loop)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_pause, 0);
	vcpu_done(&vcpu);
}

/* The virtualisation instructions are #UD in a guest that has neither VMX nor SVM (kernel-visible
 * differences of the two vendors end at the vector). */
static void guest_virtualisation(u64 arg)
{
	u64 memory = 0;

	asm volatile(GUEST_TRY("vmxon %0")::"m"(memory) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("vmptrld %0")::"m"(memory) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("vmread %%rax, %0") : "+m"(memory)::"memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("vmlaunch")::: "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("vmrun %%rax")::"a"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("vmload %%rax")::"a"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("vmsave %%rax")::"a"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("stgi")::: "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("clgi")::: "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("invlpga %%rax, %%ecx")::"a"(0), "c"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	asm volatile(GUEST_TRY("skinit %%eax")::"a"(0) : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
	/* RSM outside SMM. */
	asm volatile(GUEST_TRY("rsm")::: "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_UD);
}

TEST(virtualisation_instructions_undefined)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_virtualisation, 0);
	vcpu_done(&vcpu);
}

/* The ones that a guest runs at boot and that may leave it: all go on. */
static void guest_harmless(u64 arg)
{
	asm volatile("wbinvd" ::: "memory");
	asm volatile(GUEST_TRY("invd")::: "memory");
	GUEST_CHECK_EQ(guest_caught.vector, -1);
	asm volatile("invlpg (%0)" ::"r"(GUEST_FREE) : "memory");
	asm volatile("clts" ::: "memory");
	asm volatile("rdtsc" ::: "rax", "rdx");
	asm volatile("sgdt (%0); sidt (%0); sldt (%0); str (%0); smsw (%0)" ::"r"(GUEST_FREE)
		     : "memory");
	asm volatile("lldt %w0" ::"r"(0) : "memory");
	GUEST_CHECK(rdtsc() < rdtsc());
}

TEST(privileged_instructions)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_harmless, 0);
	vcpu_done(&vcpu);
}

/* RDPMC: no counters were given, so #GP, never a host counter. */
static void guest_rdpmc(u64 arg)
{
	asm volatile(GUEST_TRY("rdpmc")::"c"(0x3fffffff) : "rax", "rdx", "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_GP);
}

TEST(rdpmc_denied)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_rdpmc, 0);
	vcpu_done(&vcpu);
}

static void guest_monitor(u64 arg)
{
	u64 line = 0;

	/* CPUID says no MONITOR, so #UD; a host that lets it through must treat MWAIT as a no-op. */
	asm volatile(GUEST_TRY("monitor")::"a"(&line), "c"(0), "d"(0) : "memory");
	GUEST_CHECK(guest_caught.vector == VEC_UD || guest_caught.vector == -1);
	asm volatile(GUEST_TRY("mwait")::"a"(0), "c"(0) : "memory");
	GUEST_CHECK(guest_caught.vector == VEC_UD || guest_caught.vector == -1);
}

TEST(monitor_mwait)
{
	struct vcpu vcpu;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_monitor, 0);
	vcpu_done(&vcpu);
}
