// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile guest beside host code that checks its own registers: what the guest leaves in registers,
 * MSRs and debug registers is never seen by the host, nor by another guest, and the host's never by it.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

/* --- the host's side: a system call with every register known before and noted after --- */

struct check {
	u64 number, arg[3]; /* system call; -1: none, spin instead */
	u64 spin;
	u64 gpr_in[9], gpr_out[9]; /* rbx rbp r8 r9 r10 r12 r13 r14 r15 */
	u64 result;
	u32 mxcsr_in, mxcsr_out;
	u64 avx;
	u8 vector_in[16][32], vector_out[16][32];
	u8 x87_out[112];
	u64 rflags_out;
};

_Static_assert(offsetof(struct check, spin) == 32, "asm");
_Static_assert(offsetof(struct check, gpr_in) == 40, "asm");
_Static_assert(offsetof(struct check, gpr_out) == 112, "asm");
_Static_assert(offsetof(struct check, result) == 184, "asm");
_Static_assert(offsetof(struct check, mxcsr_in) == 192, "asm");
_Static_assert(offsetof(struct check, avx) == 200, "asm");
_Static_assert(offsetof(struct check, vector_in) == 208, "asm");
_Static_assert(offsetof(struct check, vector_out) == 720, "asm");
_Static_assert(offsetof(struct check, x87_out) == 1232, "asm");
_Static_assert(offsetof(struct check, rflags_out) == 1344, "asm");

void checked_call(struct check *check);
asm(".pushsection .text\n"
    ".macro	vectors insn, reg, offset\n"
    "	.set	i, 0\n"
    "	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	.ifc	\\offset, 208\n"
    "	\\insn	\\offset + 32 * \\n(%rax), %\\reg\\n\n"
    "	.else\n"
    "	\\insn	%\\reg\\n, \\offset + 32 * \\n(%rax)\n"
    "	.endif\n"
    "	.endr\n"
    ".endm\n"
    "checked_call:\n"
    "	push	%rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
    "	mov	%rdi, %rax\n"
    "	ldmxcsr	192(%rax)\n"
    "	fninit; fld1; fldpi; fldl2e; fldl2t; fldlg2; fldln2; fldz\n"
    "	cmpq	$0, 200(%rax)\n"
    "	jne	1f\n"
    "	vectors	movdqu, xmm, 208\n"
    "	jmp	2f\n"
    "1:	vectors	vmovdqu, ymm, 208\n"
    "2:	mov	40(%rax), %rbx; mov 48(%rax), %rbp; mov 56(%rax), %r8; mov 64(%rax), %r9\n"
    "	mov	72(%rax), %r10; mov 80(%rax), %r12; mov 88(%rax), %r13; mov 96(%rax), %r14\n"
    "	mov	104(%rax), %r15\n"
    "	mov	8(%rax), %rdi; mov 16(%rax), %rsi; mov 24(%rax), %rdx; mov 32(%rax), %rcx\n"
    "	mov	(%rax), %rax\n"
    "	cmp	$-1, %rax\n"
    "	je	3f\n"
    "	syscall\n"
    "	jmp	4f\n"
    "3:	pause\n"
    "	loop	3b\n"
    "4:	push	%rax\n"
    "	pushf\n"
    "	mov	16(%rsp), %rax\n"
    "	pop	1344(%rax)\n"
    "	pop	184(%rax)\n"
    "	mov	%rbx, 112(%rax); mov %rbp, 120(%rax); mov %r8, 128(%rax); mov %r9, 136(%rax)\n"
    "	mov	%r10, 144(%rax); mov %r12, 152(%rax); mov %r13, 160(%rax); mov %r14, 168(%rax)\n"
    "	mov	%r15, 176(%rax)\n"
    "	cmpq	$0, 200(%rax)\n"
    "	jne	5f\n"
    "	vectors	movdqu, xmm, 720\n"
    "	jmp	6f\n"
    "5:	vectors	vmovdqu, ymm, 720\n"
    "	vzeroupper\n"
    "6:	stmxcsr	196(%rax)\n"
    "	fnsave	1232(%rax)\n"
    "	movl	$0x1f80, -8(%rsp)\n"
    "	ldmxcsr	-8(%rsp)\n"
    "	pop	%rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	ret\n"
    ".popsection");

static bool host_has_avx(void)
{
	u32 eax, ebx, ecx, edx, low, high;

	__cpuid(1, eax, ebx, ecx, edx);
	if (~ecx & (1U << 27 | 1U << 28))
		return false;
	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 6) == 6;
}

static u64 gs_area[4];

static void check_init(struct check *check, u64 seed)
{
	unsigned int i;

	memset(check, 0, sizeof(*check));
	check->avx = host_has_avx();
	check->mxcsr_in = 0x1f80 | (seed & 3) << 13; /* a rounding mode of its own */
	for (i = 0; i < 9; i++)
		check->gpr_in[i] = seed * 0x0101010101010101 + i;
	for (i = 0; i < 512; i++)
		((u8 *)check->vector_in)[i] = seed + i * 3;
}

static u64 thread_pointer(void)
{
	u64 self;

	asm volatile("mov %%fs:0, %0"
		     : "=r"(self)::"memory"); /* the TLS block's pointer to itself */
	return self;
}

/* One call, and everything that must have survived it. */
static void check_call(struct check *check)
{
	static const u8 zero_and_ln2[20] = { 0,	   0,	 0,    0,    0,	   0,	 0,
					     0,	   0,	 0,    0xac, 0x79, 0xcf, 0xd1,
					     0xf7, 0x17, 0x72, 0xb1, 0xfe, 0x3f };
	u32 aux = 0, cpu = ~0U, node = 0;
	u64 gs, fs = thread_pointer();
	u16 ds, es;
	unsigned int i;

	check->vector_out[0][0] = ~check->vector_in[0][0];
	checked_call(check);
	for (i = 0; i < 9; i++)
		CHECK_EQ(check->gpr_out[i], check->gpr_in[i]);
	for (i = 0; i < 16; i++)
		CHECK_MSG(!memcmp(check->vector_in[i], check->vector_out[i], check->avx ? 32 : 16),
			  "vector register %u", i);
	CHECK_EQ(check->mxcsr_out & 0xffc0, check->mxcsr_in & 0xffc0);
	CHECK_EQ(*(u16 *)check->x87_out, 0x37f);
	CHECK_EQ(*(u16 *)(check->x87_out + 4) >> 11 & 7, 1); /* seven values on the stack */
	CHECK(!memcmp(check->x87_out + 28, zero_and_ln2, 20));
	CHECK_EQ(check->rflags_out & 0x44500, 0); /* AC, NT, DF, TF */

	CHECK_EQ(thread_pointer(), fs);
	asm volatile("mov %%gs:0, %0" : "=r"(gs)::"memory");
	CHECK_EQ(gs, gs_area[0]);
	asm volatile("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
	CHECK(ds == 0 || ds == 0x2b);
	CHECK(es == 0 || es == 0x2b);
	CHECK_OK(syscall(SYS_getcpu, &cpu, &node, NULL));
	asm volatile("rdtscp" : "=c"(aux)::"rax", "rdx"); /* TSC_AUX is the CPU's number */
	CHECK_EQ(aux & 0xfff, cpu);
}

static void pin_to_cpu_0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
}

static void prepare_host(u64 seed)
{
	pin_to_cpu_0();
	gs_area[0] = 0x6750000000000000 + seed;
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_area));
}

/* --- the guest's side --- */

static volatile u64 host_watched, guest_watched;

#define TRASH(n) "movq %%rax, %%xmm" #n "; punpcklqdq %%xmm" #n ", %%xmm" #n "\n\t"

static void trash_vectors(u64 value)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	asm volatile(TRASH(0) TRASH(1) TRASH(2) TRASH(3) TRASH(4) TRASH(5) TRASH(6) TRASH(7)
			     TRASH(8) TRASH(9) TRASH(10) TRASH(11) TRASH(12) TRASH(13) TRASH(14)
				     TRASH(15)::"a"(value)
		     : "memory");
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if ((ecx & (1 << 26 | 1 << 28)) != (1 << 26 | 1 << 28))
		return;
	WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
	asm volatile("xsetbv" ::"a"(7), "d"(0), "c"(0));
	asm volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0\n\t"
		     "vmovaps %%ymm0, %%ymm3; vmovaps %%ymm0, %%ymm9; vmovaps %%ymm0, %%ymm15" ::
			     : "memory");
}

static void trash_fpu(void)
{
	static const u16 control = 0x040;
	static const u32 mxcsr = 0x1f80 | 0x8040 | 0x6000;

	asm volatile("fninit; fldz; fld1; fldpi; fldcw %0; ldmxcsr %1" ::"m"(control), "m"(mxcsr));
}

static void trash_msrs(void)
{
	const u64 bad = 0x00006666deadb000;
	u64 index;

	wrmsr(MSR_FS_BASE, bad);
	wrmsr(MSR_GS_BASE, bad + 0x1000);
	wrmsr(MSR_KERNEL_GS_BASE, bad + 0x2000);
	wrmsr(MSR_STAR, 0x7777777700000000);
	wrmsr(MSR_LSTAR, bad + 0x3000);
	wrmsr(MSR_CSTAR, bad + 0x4000);
	wrmsr(MSR_SFMASK, 0);
	wrmsr(MSR_SYSENTER_CS, 0x777);
	wrmsr(MSR_SYSENTER_ESP, 0xdead1000);
	wrmsr(MSR_SYSENTER_EIP, 0xdead2000);
	wrmsr(MSR_PAT, 0x0101010101010101); /* write-combining for all */
	guest_try_wrmsr(MSR_TSC_AUX, 0x12345);
	guest_try_wrmsr(0x1d9, 3); /* DEBUGCTL: LBR, BTF */
	guest_try_wrmsr(0x48, 1); /* SPEC_CTRL */
	guest_try_wrmsr(0xda0, 0xff);
	for (index = 0x200; index < 0x210; index++) /* variable MTRRs */
		guest_try_wrmsr(index, 0x0000000800000800);
}

/*
 * Breakpoints on what the host watches, too. The emulator of the svm host crashes when a VMRUN or an
 * exit changes DR7's enable bits: there the addresses are set and the breakpoints stay off.
 */
static volatile u64 arm_breakpoints;

static void trash_debug_registers(void)
{
	u64 dr7 = arm_breakpoints ? 0x400UL | 0x3 | 0xc | 0xd0000 | 0xd00000 : 0xdd0400;

	asm volatile(
		"mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %2, %%dr3; mov %3, %%dr7" ::"r"(
			&host_watched),
		"r"(&guest_watched), "r"(0x1234UL), "r"(dr7)
		: "memory");
}

static void trash_segments(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) gdtr = { 0x57, GUEST_GDT };

	asm volatile("lgdt %0" ::"m"(gdtr));
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%fs; mov %1, %%gs" ::"r"(0),
		     "r"(SEL_DATA));
	asm volatile("lldt %w0" ::"r"(0));
}

static void on_db(struct guest_frame *frame)
{
}

/* Everything at once, then exits of several kinds; registers hold junk at each. */
static void guest_hostile(u64 rounds)
{
	u64 i;

	for (i = 0; i < rounds; i++) {
		trash_vectors(0xfeedfacefeedface);
		trash_fpu();
		trash_msrs();
		trash_debug_registers();
		trash_segments();
		WRITE_CR(4, READ_CR(4) | CR4_DE | CR4_PGE | CR4_TSD);
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
		asm volatile("mov %0, %%cr8" ::"r"(15UL));
		host_watched = i; /* of the guest's copy: no event of the host's */
		asm volatile("pushq $0x244402; popf; std\n\t" /* AC, NT, DF */
			     "outb %%al, $0x80" ::"a"(-1L),
			     "b"(-1L), "c"(-1L), "d"(-1L), "S"(-1L), "D"(-1L)
			     : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
			       "cc");
		asm volatile("pushq $2; popf; cld" ::: "memory", "cc");
		*(volatile u32 *)0xd0000000 = i;
		asm volatile("hlt");
	}
}

static void set_run(struct check *check)
{
	check->number = SYS_ioctl;
	check->arg[0] = vcpu.fd;
	check->arg[1] = KVM_RUN;
}

static void start_hostile(u64 rounds)
{
	guest_handlers[VEC_DB] = on_db;
	arm_breakpoints = host_is_intel();
	guest_start(&vm, &vcpu, 0, guest_hostile, rounds);
}

TEST(registers_after_every_exit)
{
	struct check check;
	unsigned int kinds[64] = { 0 };
	u64 i;

	start_hostile(4);
	prepare_host(0x41);
	check_init(&check, 0x41);
	set_run(&check);
	for (i = 0; i < 100; i++) {
		check_call(&check);
		CHECK_EQ(check.result, 0);
		CHECK(vcpu.run->exit_reason < 64 && vcpu.run->exit_reason != KVM_EXIT_SHUTDOWN);
		kinds[vcpu.run->exit_reason]++;
		if (vcpu.run->exit_reason != KVM_EXIT_IO)
			continue;
		if (vcpu.run->io.port == PORT_DONE)
			break;
		CHECK_EQ(vcpu.run->io.port, 0x80);
	}
	CHECK_EQ(kinds[KVM_EXIT_IO], 5);
	CHECK_EQ(kinds[KVM_EXIT_MMIO], 4);
	CHECK_EQ(kinds[KVM_EXIT_HLT], 4);
}

/* The guest never exits by itself; a timer's signal ends each run somewhere in its loop. */
static void guest_hostile_spin(u64 arg)
{
	trash_vectors(0xfeedfacefeedface);
	trash_fpu();
	trash_msrs();
	trash_debug_registers();
	guest_interruptible();
	for (;;)
		asm volatile("incl %%eax; incl %%ebx; paddd %%xmm0, %%xmm1" ::: "rax", "rbx");
}

static void on_signal(int number)
{
}

static void start_timer(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerspec period = { { 0, 10000000 }, { 0, 10000000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	timer_t timer;

	CHECK_OK(sigaction(SIGALRM, &action, NULL));
	CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK_OK(timer_settime(timer, 0, &period, NULL));
}

static void start_spin(void)
{
	guest_handlers[VEC_DB] = on_db;
	arm_breakpoints = host_is_intel();
	guest_start(&vm, &vcpu, 0, guest_hostile_spin, 0);
}

TEST(registers_after_a_signal)
{
	struct check check;
	int i;

	start_spin();
	prepare_host(0x52);
	check_init(&check, 0x52);
	set_run(&check);
	start_timer();
	for (i = 0; i < 10; i++) {
		check_call(&check);
		CHECK_EQ(check.result, -EINTR);
	}
}

/* Another thread on the CPU that the guest runs on: it is scheduled in while the guest is inside. */
static volatile bool stop;
static volatile u64 neighbour_rounds;

static void *neighbour(void *argument)
{
	struct check check;

	pin_to_cpu_0();
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_area));
	check_init(&check, 0xb3);
	while (!stop) {
		check.number = -1; /* in user mode for a while, to be preempted there */
		check.spin = 20000;
		check_call(&check);
		check.number = SYS_sched_yield;
		check_call(&check);
		neighbour_rounds++;
	}
	return NULL;
}

TEST(neighbour_on_the_same_cpu)
{
	struct check check;
	pthread_t thread;
	int i;

	start_spin();
	prepare_host(0x63);
	check_init(&check, 0x63);
	set_run(&check);
	CHECK_EQ(pthread_create(&thread, NULL, neighbour, NULL), 0);
	start_timer();
	for (i = 0; i < 2000 && (i < 15 || neighbour_rounds < 10); i++) {
		check_call(&check);
		CHECK_EQ(check.result, -EINTR);
	}
	stop = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(neighbour_rounds >= 10);
}

/* --- hardware breakpoints of the host --- */

static int open_breakpoint(const volatile void *address)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (u64)address,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static u64 hits(int fd)
{
	u64 count = 0;

	CHECK_EQ(read(fd, &count, 8), 8);
	return count;
}

TEST(hardware_breakpoint)
{
	struct check check;
	u64 expected = 0;
	int fd, i;

	start_hostile(3);
	prepare_host(0x74);
	check_init(&check, 0x74);
	set_run(&check);
	fd = open_breakpoint(&guest_watched);
	if (fd < 0)
		test_skip("perf_event_open: %s", errno_name(errno));
	guest_watched = 1;
	expected = hits(fd);
	if (expected != 1)
		test_skip("hardware breakpoints do not work on this host");
	for (i = 0; i < 6; i++) {
		check_call(&check);
		/* The guest wrote to its own copy of both; only the host's store counts. */
		CHECK_EQ(hits(fd), expected);
		host_watched = i;
		CHECK_EQ(hits(fd), expected);
		guest_watched = i;
		expected++;
		CHECK_EQ(hits(fd), expected);
	}
}

/* --- MSRs, where the host lets itself be looked at --- */

TEST(msrs_of_the_host)
{
	static const u32 constant[] = { MSR_STAR,
					MSR_LSTAR,
					MSR_CSTAR,
					MSR_SFMASK,
					MSR_SYSENTER_CS,
					MSR_SYSENTER_ESP,
					MSR_SYSENTER_EIP,
					MSR_PAT,
					MSR_EFER,
					MSR_TSC_AUX,
					0x1d9,
					0x2ff,
					0x200,
					0x201 };
	u64 before[16], after;
	struct check check;
	unsigned int i, round;
	int fd;

	start_hostile(4);
	prepare_host(0x85);
	check_init(&check, 0x85);
	set_run(&check);
	fd = open("/dev/cpu/0/msr", O_RDONLY);
	if (fd < 0)
		test_skip("no /dev/cpu/0/msr");
	check_call(&check); /* the vCPU exists and this CPU has run it */
	for (i = 0; i < sizeof(constant) / sizeof(constant[0]); i++)
		if (pread(fd, &before[i], 8, constant[i]) != 8)
			before[i] = ~0UL;
	CHECK_EQ(before[0] >> 48, 0x23); /* the kernel's own, not the guest's */
	for (round = 0; round < 3; round++) {
		check_call(&check);
		for (i = 0; i < sizeof(constant) / sizeof(constant[0]); i++) {
			if (before[i] == ~0UL)
				continue;
			CHECK_EQ(pread(fd, &after, 8, constant[i]), 8);
			CHECK_MSG((after & ~EFER_SVME) == (before[i] & ~EFER_SVME) ||
					  constant[i] == MSR_TSC_AUX,
				  "MSR %#x is %#llx, was %#llx", constant[i],
				  (unsigned long long)after, (unsigned long long)before[i]);
		}
	}
}

/* --- what the guest finds --- */

static u8 guest_vectors_seen[16][16];

static void guest_first_look(u64 arg)
{
	u64 dr[4], cr2 = READ_CR(2);
	u16 fcw, fsw;
	u32 i, j;

#define STORE(n) "movdqu %%xmm" #n ", 16*" #n "(%0)\n\t"
	asm volatile(STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7)
			     STORE(8) STORE(9) STORE(10) STORE(11) STORE(12) STORE(13) STORE(14)
				     STORE(15)::"r"(guest_vectors_seen)
		     : "memory");
	for (i = 0; i < 16; i++)
		for (j = 0; j < 16; j++)
			GUEST_CHECK_EQ(((volatile u8(*)[16])guest_vectors_seen)[i][j], 0);
	asm volatile("fnstcw %0; fnstsw %1" : "=m"(fcw), "=m"(fsw));
	GUEST_CHECK_EQ(fcw, 0x37f);
	GUEST_CHECK_EQ(fsw, 0);
	asm volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
		     : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
	GUEST_CHECK_EQ(dr[0] | dr[1] | dr[2] | dr[3], 0);
	GUEST_CHECK_EQ(cr2, 0);
}

/* A new vCPU has the registers of a reset, not the last ones of whoever made it. */
TEST(new_guest_sees_nothing_of_the_host)
{
	struct check check;

	guest_start(&vm, &vcpu, 0, guest_first_look, 0);
	prepare_host(0x96);
	check_init(&check, 0x96);
	set_run(&check);
	check_call(&check);
	vcpu_done(&vcpu);
}

extern const char guest_entry_registers[];
static u64 entry_registers[16];
asm(".pushsection .text\n"
    "guest_entry_registers:\n"
    "	mov	%rax, entry_registers(%rip)\n"
    "	mov	%rbx, entry_registers+8(%rip)\n"
    "	mov	%rcx, entry_registers+16(%rip)\n"
    "	mov	%rdx, entry_registers+24(%rip)\n"
    "	mov	%rsi, entry_registers+32(%rip)\n"
    "	mov	%rbp, entry_registers+40(%rip)\n"
    "	mov	%r8, entry_registers+48(%rip)\n"
    "	mov	%r9, entry_registers+56(%rip)\n"
    "	mov	%r10, entry_registers+64(%rip)\n"
    "	mov	%r11, entry_registers+72(%rip)\n"
    "	mov	%r12, entry_registers+80(%rip)\n"
    "	mov	%r13, entry_registers+88(%rip)\n"
    "	mov	%r14, entry_registers+96(%rip)\n"
    "	mov	%r15, entry_registers+104(%rip)\n"
    "	hlt\n"
    ".popsection");

TEST(general_registers_of_a_new_guest)
{
	struct check check;
	u64 *seen, *expected = entry_registers;
	int i;

	guest_start(&vm, &vcpu, 0, (void (*)(u64))guest_entry_registers, 0);
	prepare_host(0xa7);
	check_init(&check, 0xa7);
	set_run(&check);
	check_call(&check);
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_HLT);
	seen = vm_global(&vm, expected);
	for (i = 0; i < 14; i++)
		if (i != 3) /* RDX holds the processor's signature after a reset */
			CHECK_EQ(seen[i], 0);
}

/* --- two guests in one thread --- */

static volatile u64 guest_mark;

static void guest_keeps_state(u64 mark)
{
	u64 i, value;
	u32 mxcsr = 0x1f80 | (mark & 3) << 13, mxcsr_now;

	asm volatile("movq %0, %%xmm5; ldmxcsr %1" ::"r"(mark), "m"(mxcsr));
	wrmsr(MSR_LSTAR, mark << 12);
	wrmsr(MSR_KERNEL_GS_BASE, mark << 13);
	wrmsr(MSR_STAR, mark << 32);
	wrmsr(MSR_FS_BASE, mark << 14);
	wrmsr(MSR_PAT, mark & 1 ? 0x0606060606060606 : 0x0007040600070406);
	asm volatile("mov %0, %%dr2; mov %0, %%cr2" ::"r"(mark << 4));
	for (i = 0; i < 8; i++) {
		guest_sync(i);
		asm volatile("movq %%xmm5, %0; stmxcsr %1"
			     : "=r"(value), "=m"(mxcsr_now)::"memory");
		GUEST_CHECK_EQ(value, mark);
		GUEST_CHECK_EQ(mxcsr_now, mxcsr);
		GUEST_CHECK_EQ(rdmsr(MSR_LSTAR), mark << 12);
		GUEST_CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE), mark << 13);
		GUEST_CHECK_EQ(rdmsr(MSR_STAR), mark << 32);
		GUEST_CHECK_EQ(rdmsr(MSR_FS_BASE), mark << 14);
		GUEST_CHECK_EQ(rdmsr(MSR_PAT), mark & 1 ? 0x0606060606060606 : 0x0007040600070406);
		asm volatile("mov %%dr2, %0" : "=r"(value)::"memory");
		GUEST_CHECK_EQ(value, mark << 4);
		GUEST_CHECK_EQ(READ_CR(2), mark << 4);
	}
}

TEST(two_guests_in_one_thread)
{
	struct vcpu vcpus[2];
	struct vm vms[2];
	u64 i, j;

	for (j = 0; j < 2; j++)
		guest_start(&vms[j], &vcpus[j], j ? VM_IRQCHIP : 0, guest_keeps_state,
			    0x111 + j * 0x234);
	for (i = 0; i < 8; i++)
		for (j = 0; j < 2; j++)
			CHECK_EQ(vcpu_sync(&vcpus[j]), i);
	for (j = 0; j < 2; j++)
		vcpu_done(&vcpus[j]);
}

/* Same addresses, other memory: translations of one guest are never used for the other (ASID, VPID). */
static void guest_keeps_memory(u64 mark)
{
	volatile u64 *word = (u64 *)GUEST_FREE;
	u64 i;

	for (i = 0; i < 8; i++) {
		word[i] = mark + i;
		word[i * 512] = mark + i;
		guest_sync(i);
		GUEST_CHECK_EQ(word[i], mark + i);
		GUEST_CHECK_EQ(word[i * 512], mark + i);
	}
}

TEST(two_guests_with_the_same_addresses)
{
	struct vcpu vcpus[3];
	struct vm vms[3];
	u64 i, j;

	for (j = 0; j < 3; j++)
		guest_start(&vms[j], &vcpus[j], 0, guest_keeps_memory, 0x1000 * (j + 1));
	for (i = 0; i < 8; i++)
		for (j = 0; j < 3; j++)
			CHECK_EQ(vcpu_sync(&vcpus[j]), i);
}
