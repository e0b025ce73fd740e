// SPDX-License-Identifier: GPL-2.0-only
/*
 * More vCPUs than the host has CPUs: as many as there may be, and four that need each other. What they
 * count is idempotent: an interrupt that QEMU delivers twice changes nothing (docs/testing.md).
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"

#define MAX_VCPUS 64
#define NR 4
#define STORM_ROUNDS 100
#define LOCK_ROUNDS 100

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu[MAX_VCPUS];
static volatile u64 ready, finished;

static u32 this_cpu(void)
{
	return apic_read(APIC_ID);
}

static void add_one(volatile u64 *value)
{
	asm volatile("lock incq %0" : "+m"(*value)::"memory");
}

/* vCPU I in 64-bit mode and runnable, with a stack that is its own among 64. */
static void make_vcpu(unsigned int i, void (*entry)(u64), u64 arg)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	u64 stack = GUEST_FREE + (i + 1) * 0x8000 - 8;
	struct kvm_regs regs;
	u64 end;

	vcpu_create(&vm, &vcpu[i], i);
	vcpu_set_long_mode(&vcpu[i], entry, arg);
	vcpu_get_regs(&vcpu[i], &regs);
	end = *(u64 *)(vm.ram + regs.rsp);
	*(u64 *)(vm.ram + stack) = end;
	regs.rsp = stack;
	vcpu_set_regs(&vcpu[i], &regs);
	CHECK_OK(ioctl(vcpu[i].fd, KVM_SET_MP_STATE, &runnable));
}

static void *run_to_done(void *argument)
{
	vcpu_done(argument);
	return NULL;
}

/* vCPUs 0 to n-1, a thread each, until every one's guest function has returned. */
static void run_all(unsigned int n)
{
	pthread_t threads[MAX_VCPUS];
	unsigned int i;

	for (i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, run_to_done, &vcpu[i]), 0);
	for (i = 0; i < n; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void start(unsigned int n, void (*entry)(u64))
{
	unsigned int i;

	apic_x2 = 1;
	vm_create(&vm, VM_IRQCHIP);
	for (i = 0; i < n; i++)
		make_vcpu(i, entry, i);
}

/* Until all are here, interrupts on. */
static void meet(u64 n)
{
	apic_enable();
	guest_interruptible();
	add_one(&ready);
	while (ready < n)
		cpu_pause();
}

/* For interrupts to be answered until nobody sends one any more. */
static void part(u64 n)
{
	add_one(&finished);
	while (finished < n)
		cpu_pause();
}

/* --- as many as there may be --- */

static volatile u64 woken[MAX_VCPUS], go;

static void on_wake(struct guest_frame *frame)
{
	woken[this_cpu()] = 1;
	apic_eoi();
}

/* All but the first sleep until its broadcast. */
static void guest_one_of_64(u64 id)
{
	u32 i;

	apic_enable();
	GUEST_CHECK_EQ(this_cpu(), id);
	add_one(&ready);
	if (id) {
		while (!woken[id])
			asm volatile("sti; hlt; cli");
		return;
	}
	guest_interruptible();
	while (ready < MAX_VCPUS)
		cpu_pause();
	apic_ipi(0, ICR_OTHERS | 0x60);
	for (i = 1; i < MAX_VCPUS; i++)
		while (!woken[i])
			cpu_pause();
}

TEST(sixty_four, .timeout = 60)
{
	CHECK_OK(ioctl(device_open(), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS) >= MAX_VCPUS);
	guest_handlers[0x60] = on_wake;
	start(MAX_VCPUS, guest_one_of_64);
	if (!device_is_kvm())
		CHECK_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, MAX_VCPUS), EINVAL);
	run_all(MAX_VCPUS);
}

/* --- interrupts between all --- */

static volatile u64 sent[NR][NR], answered[NR][NR]; /* by target, then sender */

static void on_storm(struct guest_frame *frame)
{
	u32 me = this_cpu(), i;

	for (i = 0; i < NR; i++)
		answered[me][i] = sent[me][i];
	apic_eoi();
}

/* Each asks every other one, all at once, and goes on when all have answered. */
static void guest_storm(u64 rounds)
{
	u32 me, i;
	u64 round;

	meet(NR);
	me = this_cpu();
	for (round = 1; round <= rounds; round++) {
		for (i = 0; i < NR; i++) {
			if (i == me)
				continue;
			sent[i][me] = round;
			apic_ipi(i, 0x61);
		}
		for (i = 0; i < NR; i++)
			while (i != me && answered[i][me] < round)
				cpu_pause();
	}
	part(NR);
}

static void start_rounds(void (*entry)(u64), u64 rounds)
{
	unsigned int i;

	apic_x2 = 1;
	vm_create(&vm, VM_IRQCHIP);
	for (i = 0; i < NR; i++)
		make_vcpu(i, entry, rounds);
}

TEST(ipi_storm, .timeout = 90)
{
	unsigned int target, sender;
	guest_handlers[0x61] = on_storm;
	start_rounds(guest_storm, STORM_ROUNDS);
	run_all(NR);
	for (target = 0; target < NR; target++)
		for (sender = 0; sender < NR; sender++)
			if (target != sender)
				CHECK_EQ(GUEST_VAR(&vm, answered)[target][sender], STORM_ROUNDS);
}

/* --- a page is remapped under all --- */

#define REMAPPED GUEST_SMALL_PAGES
#define FRAME_A (GUEST_SMALL_PAGES + 0x10000)
#define FRAME_B (GUEST_SMALL_PAGES + 0x20000)

static volatile u64 seen[NR];

static void flush_page(void)
{
	asm volatile("invlpg (%0)" ::"r"(REMAPPED) : "memory");
}

static void on_shootdown(struct guest_frame *frame)
{
	flush_page();
	seen[this_cpu()] = *(volatile u64 *)REMAPPED;
	apic_eoi();
}

static void remap(u64 round)
{
	volatile u64 *entry = (u64 *)GUEST_SMALL_PT;
	u64 frame = round & 1 ? FRAME_B : FRAME_A;

	*(volatile u64 *)frame = round;
	*entry = frame | PTE_P | PTE_W | PTE_U;
	flush_page();
}

static void guest_shootdown(u64 rounds)
{
	u64 round;
	u32 i;

	meet(NR);
	if (this_cpu()) {
		/* A translation to be stale, and no exit: only the interrupt can make it right. */
		while (seen[this_cpu()] < rounds)
			(void)*(volatile u64 *)REMAPPED;
		part(NR);
		return;
	}
	for (round = 1; round <= rounds; round++) {
		remap(round);
		apic_ipi(0, ICR_OTHERS | 0x62);
		for (i = 1; i < NR; i++) {
			while (seen[i] < round)
				cpu_pause();
			GUEST_CHECK_EQ(seen[i], round);
		}
	}
	part(NR);
}

TEST(tlb_shootdown, .timeout = 90)
{
	guest_handlers[0x62] = on_shootdown;
	start_rounds(guest_shootdown, 50);
	run_all(NR);
}

/* --- INIT and SIPI, again and again --- */

extern const char started_code[], started_code_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "started_code:\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	0x9000, %eax\n" /* the round */
    "	mov	%eax, 0x9004\n"
    "1:	cli\n"
    "	hlt\n"
    "	jmp	1b\n"
    "started_code_end:\n"
    ".code64\n"
    ".popsection");

static void guest_restart(u64 rounds)
{
	volatile u32 *mark = (u32 *)0x9000;
	u64 round;

	apic_enable();
	guest_interruptible();
	for (round = 1; round <= rounds; round++) {
		mark[0] = round;
		apic_ipi(1, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
		apic_ipi(1, ICR_STARTUP | 8);
		while (mark[1] != round)
			cpu_pause();
	}
}

static void *run_for_ever(void *argument)
{
	struct vcpu *one = argument;

	for (;;) {
		if (!ioctl(one->fd, KVM_RUN, 0))
			FAIL("exit %u %s", one->run->exit_reason, exit_name(one->run->exit_reason));
		CHECK_MSG(errno == EAGAIN || errno == EINTR, "%s", errno_name(errno));
	}
	return NULL;
}

TEST(init_sipi_again_and_again, .timeout = 60)
{
	struct kvm_sregs sregs;
	pthread_t thread;

	apic_x2 = 1;
	vm_create(&vm, VM_IRQCHIP);
	make_vcpu(0, guest_restart, 200);
	vcpu_create(&vm, &vcpu[1], 1);
	vcpu_get_sregs(&vcpu[1], &sregs);
	sregs.apic_base |= 1 << 10;
	CHECK_OK(ioctl(vcpu[1].fd, KVM_SET_SREGS, &sregs));
	memcpy(vm.ram + 0x8000, started_code, started_code_end - started_code);
	CHECK_EQ(pthread_create(&thread, NULL, run_for_ever, &vcpu[1]), 0);
	vcpu_done(&vcpu[0]);
}

/* --- HLT against the interrupt that ends it --- */

static void on_ball(struct guest_frame *frame)
{
	apic_eoi();
}

/* Two pairs; in each the ball goes to and fro, and arrives a little earlier or later each time. */
static void guest_halt_race(u64 rounds)
{
	static volatile u64 balls[NR / 2][8];
	u32 me, other, delay;
	volatile u64 *ours;
	u64 round;

	meet(NR);
	me = this_cpu();
	other = me ^ 1;
	ours = &balls[me / 2][0];
	for (round = 0; round < rounds; round++) {
		if ((round ^ me) & 1) {
			for (;;) {
				asm volatile("cli");
				if (*ours > round)
					break;
				asm volatile("sti; hlt");
			}
			asm volatile("sti");
			continue;
		}
		for (delay = round * 7 % 200; delay; delay--)
			cpu_pause();
		*ours = round + 1;
		apic_ipi(other, 0x63);
	}
	part(NR);
}

TEST(kick_against_halt, .timeout = 120)
{
	guest_handlers[0x63] = on_ball;
	start_rounds(guest_halt_race, 1000);
	run_all(NR);
}

/* --- a lock whose holder, or next holder, has lost its CPU --- */

static volatile u64 next_ticket, now_serving, inside, passed;

/* First come, first served: when the next in line has no CPU, all the others spin for it. */
static void guest_lock(u64 rounds)
{
	u64 round, ticket;

	meet(NR);
	for (round = 0; round < rounds; round++) {
		ticket = 1;
		asm volatile("lock xaddq %0, %1" : "+r"(ticket), "+m"(next_ticket)::"memory");
		while (now_serving != ticket)
			cpu_pause();
		GUEST_CHECK_EQ(inside++, 0);
		passed++;
		inside--;
		now_serving = ticket + 1;
	}
	part(NR);
}

TEST(ticket_lock_overcommitted, .timeout = 120)
{
	start_rounds(guest_lock, LOCK_ROUNDS);
	run_all(NR);
	CHECK_EQ(GUEST_VAR(&vm, passed), NR * LOCK_ROUNDS);
}

/* --- signals, ioctls and closing, while they run --- */

static volatile u64 laps[NR];

static void guest_lap(u64 id)
{
	guest_interruptible();
	for (;;)
		laps[id]++;
}

static void on_signal(int number)
{
}

static volatile bool enough;

static void *run_through_signals(void *argument)
{
	struct vcpu *one = argument;

	while (!enough)
		CHECK_ERR(ioctl(one->fd, KVM_RUN, 0), EINTR);
	return NULL;
}

static void start_signalled(pthread_t *threads)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int i;

	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	start(NR, guest_lap);
	for (i = 0; i < NR; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, run_through_signals, &vcpu[i]), 0);
}

static void wait_for_laps(void)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int i;

	for (i = 0; i < NR; i++) {
		u64 before = GUEST_VAR(&vm, laps)[i];

		while (GUEST_VAR(&vm, laps)[i] == before)
			nanosleep(&ms, NULL);
	}
}

TEST(signals, .timeout = 60)
{
	pthread_t threads[NR];
	struct kvm_regs regs;
	unsigned int i;

	start_signalled(threads);
	wait_for_laps();
	for (i = 0; i < 400; i++) {
		CHECK_EQ(pthread_kill(threads[i % NR], SIGUSR1), 0);
		if (i % 16 == 0)
			vcpu[i / 16 % NR].run->immediate_exit ^= 1;
	}
	for (i = 0; i < NR; i++)
		vcpu[i].run->immediate_exit = 0;
	wait_for_laps();
	enough = true;
	for (i = 0; i < NR; i++) {
		vcpu[i].run->immediate_exit = 1;
		CHECK_EQ(pthread_kill(threads[i], SIGUSR1), 0);
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
		vcpu_get_regs(&vcpu[i], &regs);
	}
}

/* Every descriptor is closed and struct kvm_run unmapped while the threads are in KVM_RUN. */
TEST(closed_while_running, .timeout = 60)
{
	struct timespec moment = { .tv_nsec = 20000000 };
	pthread_t threads[NR];
	unsigned int i;

	start_signalled(threads);
	wait_for_laps();
	enough = true;
	for (i = 0; i < NR; i++) {
		vcpu[i].run->immediate_exit = 1;
		vcpu_destroy(&vcpu[i]);
	}
	/* Some may have left KVM_RUN by now: it returns EINTR for other work of the kernel's, too. */
	nanosleep(&moment, NULL);
	close(vm.fd);
	close(vm.dev);
	for (i = 0; i < NR; i++)
		CHECK_EQ(pthread_kill(threads[i], SIGUSR1), 0);
	for (i = 0; i < NR; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* The process is killed, all threads in the guest at that. */
TEST(killed_while_running, .timeout = 60)
{
	struct timespec moment = { .tv_nsec = 20000000 };
	pthread_t threads[NR];
	int round, status;
	pid_t pid;

	for (round = 0; round < 3; round++) {
		pid = fork();
		CHECK_OK(pid);
		if (!pid) {
			start_signalled(threads);
			wait_for_laps();
			for (;;)
				pause();
		}
		nanosleep(&moment, NULL);
		CHECK_OK(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}
