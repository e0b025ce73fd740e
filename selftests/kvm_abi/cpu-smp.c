// SPDX-License-Identifier: GPL-2.0-only
/* Two vCPUs: INIT and SIPI, IPIs in both directions, HLT wake, shared memory, TLB. */
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"

volatile u64 apic_x2;
static struct vm vm;
static struct vcpu vcpu[2];
static volatile u64 count[2], ready[2], stage;

static u32 this_cpu(void)
{
	u32 id = apic_read(APIC_ID);

	return apic_x2 ? id : id >> 24;
}

static void on_ipi(struct guest_frame *frame)
{
	count[this_cpu()]++;
	apic_eoi();
}

static void on_nmi(struct guest_frame *frame)
{
	count[this_cpu()] += 100;
}

static void *run_to_done(void *argument)
{
	vcpu_done(argument);
	return NULL;
}

/* Both vCPUs in 64-bit mode at once; the second one is made runnable by userspace. */
static void start_both(void (*first)(u64), void (*second)(u64), u64 arg)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

	guest_handlers[0x50] = on_ipi;
	guest_handlers[VEC_NMI] = on_nmi;
	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu[0], 0);
	vcpu_create(&vm, &vcpu[1], 1);
	vcpu_set_long_mode(&vcpu[0], first, arg);
	vcpu_set_long_mode(&vcpu[1], second, arg);
	CHECK_OK(ioctl(vcpu[1].fd, KVM_SET_MP_STATE, &runnable));
}

static void run_both(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run_to_done, &vcpu[1]), 0);
	vcpu_done(&vcpu[0]);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- INIT, SIPI --- */

/* Where SIPI vector 8 starts: real mode, CS:IP = 0800:0. Writes a mark and halts. */
extern const char sipi_code[], sipi_code_end[];
asm(".pushsection .text\n"
    ".code16\n"
    "sipi_code:\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	%cs, %ax\n"
    "	movw	%ax, 0x9000\n"
    "	movl	$0x51515151, 0x9004\n"
    "	lock incl 0x9008\n"
    "1:	cli\n"
    "	hlt\n"
    "	jmp	1b\n"
    "sipi_code_end:\n"
    ".code64\n"
    ".popsection");

static void guest_start_other(u64 x2)
{
	volatile u32 *mark = (u32 *)0x9000;

	apic_x2 = x2;
	apic_enable();
	guest_interruptible();
	GUEST_CHECK_EQ(mark[1], 0);
	apic_ipi(1, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	apic_ipi(1, ICR_STARTUP | 8);
	while (mark[1] != 0x51515151 || !mark[2])
		cpu_pause();
	GUEST_CHECK_EQ(mark[0] & 0xffff, 0x800);
	/* A second SIPI has no effect on one that runs (SDM 3A 8.4.4 sends two). */
	apic_ipi(1, ICR_STARTUP | 8);
	/* INIT and SIPI again start it again. */
	apic_ipi(1, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	apic_ipi(1, ICR_STARTUP | 8);
	while (mark[2] != 2)
		cpu_pause();
}

static void *run_until_stopped(void *argument)
{
	struct vcpu *other = argument;

	while (!other->run->immediate_exit) {
		if (!ioctl(other->fd, KVM_RUN, 0))
			FAIL("exit %u %s", other->run->exit_reason,
			     exit_name(other->run->exit_reason));
		/* EAGAIN: it was waiting for SIPI and has been started. */
		CHECK_MSG(errno == EAGAIN || errno == EINTR, "%s", errno_name(errno));
	}
	return NULL;
}

static void check_init_sipi(u64 x2)
{
	struct kvm_mp_state mp;
	struct kvm_sregs sregs;
	pthread_t thread;

	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu[0], 0);
	vcpu_create(&vm, &vcpu[1], 1);
	if (x2) { /* an AP takes part in x2APIC only in that mode itself */
		vcpu_get_sregs(&vcpu[1], &sregs);
		sregs.apic_base |= 1 << 10;
		CHECK_OK(ioctl(vcpu[1].fd, KVM_SET_SREGS, &sregs));
	}
	memcpy(vm.ram + 0x8000, sipi_code, sipi_code_end - sipi_code);
	vcpu_set_long_mode(&vcpu[0], guest_start_other, x2);
	CHECK_OK(ioctl(vcpu[1].fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	CHECK_EQ(pthread_create(&thread, NULL, run_until_stopped, &vcpu[1]), 0);
	vcpu_done(&vcpu[0]);
	_exit(0); /* the other halts with interrupts off: it leaves with the process */
}

TEST(init_and_sipi_xapic)
{
	check_init_sipi(0);
}

TEST(init_and_sipi_x2apic)
{
	check_init_sipi(1);
}

/* --- IPIs --- */

static void wait_ready(void)
{
	guest_interruptible();
	ready[this_cpu()] = 1;
	while (!ready[0] || !ready[1])
		cpu_pause();
}

#define ROUNDS 20

static void guest_ping(u64 x2)
{
	u64 i;

	apic_enable();
	asm volatile("sti");
	wait_ready();
	for (i = 1; i <= ROUNDS; i++) {
		apic_ipi(1, 0x50);
		while (count[0] < i)
			cpu_pause();
	}
}

static void guest_pong(u64 x2)
{
	u64 i;

	apic_enable();
	asm volatile("sti");
	wait_ready();
	for (i = 1; i <= ROUNDS; i++) {
		while (count[1] < i)
			cpu_pause();
		apic_ipi(0, 0x50);
	}
}

TEST(ping_pong_xapic)
{
	start_both(guest_ping, guest_pong, 0);
	run_both();
	CHECK_EQ(GUEST_VAR(&vm, count)[0], ROUNDS);
	CHECK_EQ(GUEST_VAR(&vm, count)[1], ROUNDS);
}

TEST(ping_pong_x2apic)
{
	apic_x2 = 1;
	start_both(guest_ping, guest_pong, 1);
	run_both();
	CHECK_EQ(GUEST_VAR(&vm, count)[0], ROUNDS);
	CHECK_EQ(GUEST_VAR(&vm, count)[1], ROUNDS);
}

/* Each halts until the other wakes it. */
static void halt_until(volatile u64 *counter, u64 target)
{
	for (;;) {
		asm volatile("cli");
		if (*counter >= target)
			break;
		asm volatile("sti; hlt");
	}
	asm volatile("sti");
}

static void guest_ping_halting(u64 arg)
{
	u64 i;

	apic_enable();
	wait_ready();
	for (i = 1; i <= ROUNDS; i++) {
		apic_ipi(1, 0x50);
		halt_until(&count[0], i);
	}
}

static void guest_pong_halting(u64 arg)
{
	u64 i;

	apic_enable();
	wait_ready();
	for (i = 1; i <= ROUNDS; i++) {
		halt_until(&count[1], i);
		apic_ipi(0, 0x50);
	}
}

TEST(ping_pong_through_hlt)
{
	start_both(guest_ping_halting, guest_pong_halting, 0);
	run_both();
}

/* Destination shorthands, logical and broadcast destinations, NMI. */
static void guest_destinations(u64 arg)
{
	apic_enable();
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1 << 24);
	asm volatile("sti");
	wait_ready();
	while (stage != 1)
		cpu_pause();
#define WAIT(self, other)                                                   \
	do {                                                                \
		while ((long)count[1] < (other) || (long)count[0] < (self)) \
			cpu_pause();                                        \
		GUEST_CHECK_EQ(count[0], self);                             \
		GUEST_CHECK_EQ(count[1], other);                            \
	} while (0)
	apic_ipi(0, ICR_OTHERS | 0x50);
	WAIT(0, 1);
	apic_ipi(0, ICR_ALL | 0x50);
	WAIT(1, 2);
	apic_ipi(2, ICR_LOGICAL | 0x50);
	WAIT(1, 3);
	apic_ipi(3, ICR_LOGICAL | 0x50);
	WAIT(2, 4);
	apic_ipi(0xff, 0x50);
	WAIT(3, 5);
	apic_ipi(9, 0x50); /* nobody */
	apic_ipi(1, ICR_NMI);
	WAIT(3, 105);
	stage = 2;
}

static void guest_listen(u64 arg)
{
	apic_enable();
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 2 << 24);
	asm volatile("sti");
	wait_ready();
	stage = 1;
	while (stage != 2)
		cpu_pause();
}

TEST(destinations)
{
	start_both(guest_destinations, guest_listen, 0);
	run_both();
}

/* --- memory --- */

static volatile u64 shared_counter;

static void guest_add(u64 arg)
{
	u32 i;

	apic_enable();
	wait_ready();
	for (i = 0; i < 50000; i++)
		asm volatile("lock incq %0" : "+m"(shared_counter)::"memory");
}

TEST(locked_increments)
{
	start_both(guest_add, guest_add, 0);
	run_both();
	CHECK_EQ(GUEST_VAR(&vm, shared_counter), 100000);
}

/* A slot that goes away under both: neither keeps a stale translation. */
static volatile u64 stop;

static void guest_store_loop(u64 arg)
{
	volatile u32 *word = (u32 *)(0x10000000UL + 0x40UL * (apic_read(APIC_ID) >> 24));

	guest_interruptible();
	while (!stop)
		*word = 1;
}

static void *run_with_mmio(void *argument)
{
	struct vcpu *one = argument;

	while (vcpu_run(one) == KVM_EXIT_MMIO)
		;
	CHECK_EQ(one->run->exit_reason, KVM_EXIT_IO);
	return NULL;
}

TEST(slot_deleted_under_two_vcpus)
{
	struct timespec ts = { .tv_nsec = 5000000 };
	pthread_t threads[2];
	volatile u32 *page;
	int i;

	start_both(guest_store_loop, guest_store_loop, 0);
	page = vm_add_memory(&vm, 1, 0x10000000, 0x1000);
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, run_with_mmio, &vcpu[i]), 0);
	for (i = 0; i < 10; i++) {
		nanosleep(&ts, NULL);
		CHECK_OK(vm_set_slot(&vm, 1, 0, 0x10000000, 0, NULL));
		page[0] = page[16] = 0;
		nanosleep(&ts, NULL);
		CHECK_EQ(page[0] | page[16], 0);
		CHECK_OK(vm_set_slot(&vm, 1, 0, 0x10000000, 0x1000, (void *)page));
	}
	GUEST_VAR(&vm, stop) = 1;
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* One vCPU is destroyed (its descriptor closed) while the other runs. */
TEST(close_one_while_the_other_runs)
{
	pthread_t thread;

	start_both(guest_store_loop, guest_store_loop, 0);
	vm_add_memory(&vm, 1, 0x10000000, 0x1000);
	CHECK_EQ(pthread_create(&thread, NULL, run_with_mmio, &vcpu[0]), 0);
	vcpu_destroy(&vcpu[1]);
	GUEST_VAR(&vm, stop) = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	/* The number stays taken: the VM holds the vCPU. */
	CHECK_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1), EEXIST);
}
