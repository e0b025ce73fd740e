// SPDX-License-Identifier: GPL-2.0-only
/* KVM_RUN and what ends it: immediate_exit, signals and their mask, threads, kicks. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static volatile u64 spins;

static void guest_spin(u64 arg)
{
	guest_interruptible();
	for (;;)
		spins++;
}

static void guest_two(u64 arg)
{
	guest_sync(1);
	guest_sync(2);
}

TEST(argument)
{
	guest_start(&vm, &vcpu, 0, guest_two, 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 1), EINVAL);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}

TEST(immediate_exit)
{
	struct kvm_regs before, after;

	guest_start(&vm, &vcpu, 0, guest_two, 0);
	vcpu_get_regs(&vcpu, &before);
	vcpu.run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	vcpu_get_regs(&vcpu, &after);
	CHECK(!memcmp(&before, &after, sizeof(before)));
	vcpu.run->immediate_exit = 0;
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	/* It completes the port access that was pending, and goes no further. */
	vcpu_get_regs(&vcpu, &before);
	vcpu.run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	vcpu.run->immediate_exit = 0;
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
	vcpu.run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	vcpu.run->immediate_exit = 0;
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
}

static void guest_count(u64 arg)
{
	guest_interruptible();
	while (spins < arg)
		spins++;
	guest_sync(1);
}

/* The host's own work for the thread (its scheduler's, ten times a second) is not userspace's business. */
TEST(nothing_but_the_guest_ends_it)
{
	guest_start(&vm, &vcpu, 0, guest_count, 40 * 1000 * 1000);
	CHECK_EQ(ioctl(vcpu.fd, KVM_RUN, 0), 0);
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
}

/* --- signals --- */

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
	handled++;
}

static void catch_signal(int number)
{
	struct sigaction action = { .sa_handler = on_signal };

	CHECK_OK(sigaction(number, &action, NULL));
}

static pthread_t main_thread;

static void *signal_main(void *ms)
{
	sleep_ms((long)ms);
	pthread_kill(main_thread, SIGUSR1);
	return NULL;
}

static void signal_in(long ms)
{
	pthread_t thread;

	main_thread = pthread_self();
	CHECK_EQ(pthread_create(&thread, NULL, signal_main, (void *)ms), 0);
	pthread_detach(thread);
}

TEST(signal_interrupts_a_running_guest)
{
	u64 before;

	catch_signal(SIGUSR1);
	guest_start(&vm, &vcpu, 0, guest_spin, 0);
	signal_in(50);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(handled, 1);
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_INTR);
	before = GUEST_VAR(&vm, spins);
	CHECK(before > 0);
	signal_in(50);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK(GUEST_VAR(&vm, spins) > before);
}

static void guest_spin_masked(u64 arg)
{
	for (;;)
		spins++;
}

/* The host's interrupts are the host's, whatever the guest's IF says. */
TEST(signal_interrupts_a_guest_with_interrupts_off)
{
	if (host_is_emulated_vmx())
		test_skip("this emulator masks the host's interrupts by the guest's IF");
	catch_signal(SIGUSR1);
	guest_start(&vm, &vcpu, 0, guest_spin_masked, 0);
	signal_in(50);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(handled, 1);
	CHECK(GUEST_VAR(&vm, spins) > 0);
}

static void guest_halt(u64 arg)
{
	asm volatile("sti");
	for (;;)
		asm volatile("hlt");
}

TEST(signal_interrupts_a_halted_guest)
{
	catch_signal(SIGUSR1);
	guest_start(&vm, &vcpu, VM_IRQCHIP, guest_halt, 0);
	signal_in(50);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(handled, 1);
	signal_in(20);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
}

/* One that was pending and blocked does not interrupt; one pending and not blocked does at once. */
static void set_signal_mask(const sigset_t *mask, u32 len)
{
	struct {
		struct kvm_signal_mask header;
		u64 bits;
	} __attribute__((packed)) argument = { .header.len = len };

	memcpy(&argument.bits, mask, 8);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, &argument));
}

TEST(signal_mask)
{
	sigset_t blocked, none;

	catch_signal(SIGUSR1);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
	guest_start(&vm, &vcpu, 0, guest_two, 0);
	raise(SIGUSR1);
	/* Blocked by the thread and no mask: no interruption. */
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(handled, 0);
	/* The mask of KVM_RUN lets it through; the handler does not run, the thread's mask is back. */
	set_signal_mask(&none, 8);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(handled, 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
	CHECK_EQ(handled, 1);
	CHECK_EQ(vcpu_sync(&vcpu), 2);
	/* NULL takes the mask away. */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, NULL));
	vcpu_done(&vcpu);
}

TEST(signal_mask_arguments)
{
	u64 argument[2] = { 4 };

	guest_start(&vm, &vcpu, 0, guest_two, 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, argument), EINVAL);
	argument[0] = 0xffffffff;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, argument), EINVAL);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, (void *)0x10), EFAULT);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
}

/* A kick by immediate_exit and a signal: how every VMM stops its vCPUs. */
static void *kick_main(void *ms)
{
	sleep_ms((long)ms);
	vcpu.run->immediate_exit = 1;
	pthread_kill(main_thread, SIGUSR1);
	return NULL;
}

TEST(kick_with_immediate_exit)
{
	pthread_t thread;
	int i;

	catch_signal(SIGUSR1);
	main_thread = pthread_self();
	guest_start(&vm, &vcpu, 0, guest_spin, 0);
	for (i = 0; i < 5; i++) {
		CHECK_EQ(pthread_create(&thread, NULL, kick_main, (void *)10L), 0);
		CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
		pthread_join(thread, NULL);
		vcpu.run->immediate_exit = 0;
	}
	CHECK_EQ(handled, 5);
}

/* --- threads --- */

static void *run_one_sync(void *want)
{
	CHECK_EQ(vcpu_sync(&vcpu), (u64)want);
	return NULL;
}

TEST(vcpu_moves_between_threads)
{
	pthread_t thread;

	guest_start(&vm, &vcpu, 0, guest_two, 0);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(pthread_create(&thread, NULL, run_one_sync, (void *)2), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	vcpu_done(&vcpu);
}

/* Calls on a vCPU that is running wait until it is not: no state is read half-way. */
static void *read_registers(void *argument)
{
	struct kvm_regs regs;

	vcpu_get_regs(&vcpu, &regs);
	CHECK(regs.rip > 0x400000);
	return NULL;
}

TEST(calls_wait_for_the_running_vcpu)
{
	pthread_t thread;

	catch_signal(SIGUSR1);
	guest_start(&vm, &vcpu, 0, guest_spin, 0);
	signal_in(100);
	CHECK_EQ(pthread_create(&thread, NULL, read_registers, NULL), 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- the shared page is userspace's to scribble on --- */

TEST(run_page_scribbled)
{
	u8 fill;
	int i, ret;

	guest_start(&vm, &vcpu, 0, guest_two, 0);
	for (i = 0; i < 3; i++) {
		fill = (u8[]){ 0xff, 0x00, 0x5a }[i];
		memset(vcpu.run, fill, vcpu.run_size);
		vcpu.run->immediate_exit = 0;
		vcpu.run->request_interrupt_window = 0;
		vcpu.run->kvm_valid_regs = vcpu.run->kvm_dirty_regs = 0;
		vcpu.run->cr8 = 0;
		ret = ioctl(vcpu.fd, KVM_RUN, 0);
		CHECK_EQ(ret, 0);
		CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_IO);
		CHECK_EQ(vcpu.run->io.count, 1);
		CHECK_EQ(vcpu.run->io.size, 1);
	}
	CHECK_EQ(vcpu.run->io.port, PORT_DONE);
}

/* What an exit left in the page is not believed on the way back: a length or an offset that userspace
 * changed must not make the kernel copy from elsewhere. */
static void guest_input(u64 arg)
{
	u32 value;

	asm volatile("inl %%dx, %%eax" : "=a"(value) : "d"(0x60));
	guest_done(value);
}

TEST(exit_facts_scribbled)
{
	guest_start(&vm, &vcpu, 0, guest_input, 0);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	*(u32 *)((u8 *)vcpu.run + vcpu.run->io.data_offset) = 0x12345678;
	vcpu.run->io.count = 0xffffffff;
	vcpu.run->io.size = 0xff;
	vcpu.run->io.data_offset = 0xffffffff00000000;
	vcpu.run->exit_reason = KVM_EXIT_MMIO;
	CHECK_EQ(vcpu_done(&vcpu), 0x12345678);
}

TEST(vcpu_fd_is_no_file)
{
	char byte = 0;

	guest_start(&vm, &vcpu, 0, guest_two, 0);
	CHECK_REFUSED(read(vcpu.fd, &byte, 1));
	CHECK_REFUSED(write(vcpu.fd, &byte, 1));
	CHECK_REFUSED(read(vm.fd, &byte, 1));
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, vm.fd, 0) == MAP_FAILED);
}

/* Sixteen threads at one vCPU: one runs, the others wait or are interrupted; nothing breaks. */
static void *hammer(void *argument)
{
	struct kvm_regs regs;
	int i;

	for (i = 0; i < 10; i++) {
		ioctl(vcpu.fd, KVM_GET_REGS, &regs);
		ioctl(vcpu.fd, KVM_SET_REGS, &regs);
		vcpu.run->immediate_exit = i & 1;
		ioctl(vcpu.fd, KVM_RUN, 0);
	}
	return NULL;
}

TEST(many_threads_at_one_vcpu)
{
	pthread_t threads[8];
	unsigned int i;

	guest_start(&vm, &vcpu, 0, guest_two, 0);
	for (i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, hammer, NULL), 0);
	for (i = 0; i < 8; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	vcpu.run->immediate_exit = 0;
	vcpu_set_long_mode(&vcpu, guest_two, 0);
	while (vcpu_sync(&vcpu) != 1)
		;
}
