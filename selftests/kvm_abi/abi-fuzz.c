// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls: what userspace may hand in, valid and mutated, from several threads on one VM, while its vCPUs run and
 * its memory comes and goes. Nothing has to succeed; everything has to return, and the host lives, which its log says.
 *
 * FUZZ_SEED and FUZZ_CALLS change what `make check` runs.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define WORKERS 4
#define MEMORY (8ul << 20)
#define LARGEST 0x10000 /* more than any call writes, whatever count it was given */

enum target { DEV, VM, VCPU };

/*
 * One call: `get` fills the argument with what is valid now, if there is one; `value` calls take a number instead of a
 * pointer. Anything else starts as random bytes, mostly small.
 */
struct call {
	enum target target;
	unsigned long set, get;
	bool value;
};

/* clang-format off */
static const struct call calls[] = {
	{ DEV, KVM_GET_API_VERSION, 0, true },
	{ DEV, KVM_CHECK_EXTENSION, 0, true },
	{ DEV, KVM_GET_VCPU_MMAP_SIZE, 0, true },
	{ DEV, KVM_GET_SUPPORTED_CPUID, 0, false },
	{ DEV, KVM_GET_MSR_INDEX_LIST, 0, false },
	{ DEV, KVM_GET_MSRS, 0, false },
	{ VM, KVM_CREATE_VCPU, 0, true },
	{ VM, KVM_CREATE_IRQCHIP, 0, true },
	{ VM, KVM_SET_USER_MEMORY_REGION, 0, false },
	{ VM, KVM_SET_USER_MEMORY_REGION, 0, false },
	{ VM, KVM_GET_DIRTY_LOG, 0, false },
	{ VM, KVM_IRQ_LINE, 0, false },
	{ VM, KVM_IRQ_LINE_STATUS, 0, false },
	{ VM, KVM_SIGNAL_MSI, 0, false },
	{ VM, KVM_SET_IRQCHIP, KVM_GET_IRQCHIP, false },
	{ VM, KVM_SET_PIT2, KVM_GET_PIT2, false },
	{ VM, KVM_CREATE_PIT2, 0, false },
	{ VM, KVM_SET_GSI_ROUTING, 0, false },
	{ VM, KVM_SET_TSS_ADDR, 0, true },
	{ VM, KVM_SET_IDENTITY_MAP_ADDR, 0, false },
	{ VM, KVM_SET_BOOT_CPU_ID, 0, true },
	{ VM, KVM_ENABLE_CAP, 0, false },
	{ VM, KVM_REGISTER_COALESCED_MMIO, 0, false },
	{ VM, KVM_UNREGISTER_COALESCED_MMIO, 0, false },
	{ VM, KVM_SET_CLOCK, KVM_GET_CLOCK, false },
	{ VM, KVM_X86_SET_MSR_FILTER, 0, false },
	{ VCPU, KVM_SET_REGS, KVM_GET_REGS, false },
	{ VCPU, KVM_SET_SREGS, KVM_GET_SREGS, false },
	{ VCPU, KVM_SET_FPU, KVM_GET_FPU, false },
	{ VCPU, KVM_SET_XSAVE, KVM_GET_XSAVE, false },
	{ VCPU, KVM_SET_XCRS, KVM_GET_XCRS, false },
	{ VCPU, KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, false },
	{ VCPU, KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, false },
	{ VCPU, KVM_SET_MP_STATE, KVM_GET_MP_STATE, false },
	{ VCPU, KVM_SET_LAPIC, KVM_GET_LAPIC, false },
	{ VCPU, KVM_SET_MSRS, 0, false },
	{ VCPU, KVM_GET_MSRS, 0, false },
	{ VCPU, KVM_SET_CPUID2, 0, false },
	{ VCPU, KVM_GET_CPUID2, 0, false },
	{ VCPU, KVM_SET_SIGNAL_MASK, 0, false },
	{ VCPU, KVM_TRANSLATE, 0, false },
	{ VCPU, KVM_INTERRUPT, 0, false },
	{ VCPU, KVM_NMI, 0, true },
	{ VCPU, KVM_SET_TSC_KHZ, 0, true },
	{ VCPU, KVM_GET_TSC_KHZ, 0, true },
	{ VCPU, KVM_SET_GUEST_DEBUG, 0, false },
	{ VCPU, KVM_ENABLE_CAP, 0, false },
	{ VCPU, KVM_RUN, 0, true },
	{ VCPU, KVM_RUN, 0, true },
	{ VCPU, KVM_RUN, 0, true },
};
/* clang-format on */

struct worker {
	pthread_t thread;
	u64 random;
	unsigned long calls;
	u8 buffer[LARGEST];
};

static struct worker workers[WORKERS];
static struct vm vm;
/*
 * The first two get random state and never run it: QEMU itself hangs in some of what they would do, on KVM as here. The
 * last one runs, while its VM is changed under it.
 */
#define RUNNER 2
static struct vcpu vcpus[3];
static u8 *memory;

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static u64 random64(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random;
}

/* Numbers that code compares with, more often than not. */
static u64 number(struct worker *worker)
{
	static const u64 interesting[] = {
		0,	    1,		2,	    3,	       7,	  24,	     63,
		64,	    255,	256,	    4095,      4096,	  0x7fff,    0xfee00000,
		0xfec00000, 0x7fffffff, 0xffffffff, 1ul << 40, 1ul << 47, 1ul << 63, ~0ul
	};
	u64 dice = random64(worker);

	if (dice & 1)
		return interesting[(dice >> 8) % (sizeof(interesting) / sizeof(*interesting))];
	return random64(worker) >> (dice >> 8 & 63);
}

static void fill(struct worker *worker, size_t size)
{
	size_t i;

	for (i = 0; i + 4 <= size; i += 4) {
		u32 value = random64(worker) & 3 ? number(worker) & 0xff : number(worker);

		memcpy(worker->buffer + i, &value, 4);
	}
}

static void mutate(struct worker *worker, size_t size)
{
	unsigned int n = random64(worker) % 4;

	while (n-- && size >= 8) {
		u64 value = number(worker);

		memcpy(worker->buffer + (random64(worker) % (size / 8)) * 8, &value,
		       random64(worker) & 1 ? 8 : 1);
	}
}

/* Slots over one piece of memory: most are accepted, some overlap, some run out of it. */
static void fill_region(struct worker *worker)
{
	struct kvm_userspace_memory_region *region = (void *)worker->buffer;
	u64 dice = random64(worker);

	region->slot = 1 + dice % 8;
	region->flags = dice >> 8 & 3;
	region->guest_phys_addr = GUEST_RAM_SIZE + (dice >> 16 & 0xff) * 0x10000;
	region->memory_size = (dice >> 24 & 0x3f) * 0x1000;
	region->userspace_addr = (u64)memory + (dice >> 32 & 0x7ff) * 0x1000;
}

static void disturb_memory(struct worker *worker)
{
	u64 dice = random64(worker);
	u8 *start = memory + (dice >> 16 & 0x7ff) * 0x1000;
	size_t size = (dice >> 32 & 0xff) * 0x1000;

	if (start + size > memory + MEMORY)
		return;
	switch (dice & 3) {
	case 0:
		madvise(start, size, MADV_DONTNEED);
		break;
	case 1:
		mprotect(start, size, dice & 0x100 ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	case 2:
		mmap(start, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		break;
	default:
		madvise(start, size, MADV_HUGEPAGE);
	}
}

/* Whatever KVM_RUN's signal mask is, the signal that ends it gets through. */
static void leave_the_kick(struct worker *worker)
{
	struct kvm_signal_mask *mask = (void *)worker->buffer;

	mask->len = 8;
	mask->sigset[(SIGUSR1 - 1) / 8] &= ~(1 << (SIGUSR1 - 1) % 8);
}

static void one_call(struct worker *worker)
{
	const struct call *call = &calls[random64(worker) % (sizeof(calls) / sizeof(*calls))];
	struct vcpu *vcpu =
		&vcpus[call->set == KVM_RUN ? random64(worker) % 3 : random64(worker) & 1];
	int fd = call->target == DEV ? vm.dev : call->target == VM ? vm.fd : vcpu->fd, r;
	size_t size = _IOC_SIZE(call->set);

	if (call->value) {
		if (call->set == KVM_RUN)
			vcpu->run->immediate_exit = vcpu != &vcpus[RUNNER];
		r = ioctl(fd, call->set, call->set == KVM_RUN ? 0 : number(worker));
		if (call->set == KVM_CREATE_VCPU && r >= 0)
			close(r);
		return;
	}
	/* The variable ones read on behind their head. */
	fill(worker, size < 256 ? 2048 : size);
	if (call->get && random64(worker) % 8) {
		((u32 *)worker->buffer)[0] %= 3; /* which irqchip */
		if (ioctl(fd, call->get, worker->buffer))
			return;
		mutate(worker, size);
	}
	if (call->set == KVM_SET_USER_MEMORY_REGION)
		fill_region(worker);
	if (call->set == KVM_GET_DIRTY_LOG)
		((struct kvm_dirty_log *)worker->buffer)->dirty_bitmap = memory;
	if (call->set == KVM_SET_SIGNAL_MASK)
		leave_the_kick(worker);
	ioctl(fd, call->set, random64(worker) % 64 ? worker->buffer : (void *)number(worker));
}

/* Workers under way. Nobody is joined before it is 0 and the kicks have ended. */
static int working;

static void *work(void *argument)
{
	struct worker *worker = argument;

	while (worker->calls--) {
		if (random64(worker) % 16)
			one_call(worker);
		else
			disturb_memory(worker);
	}
	__atomic_fetch_sub(&working, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void on_signal(int number)
{
}

/* What the vCPUs execute, between the states that the workers give them. */
static void guest_busy(u64 arg)
{
	volatile u8 *page = (volatile u8 *)GUEST_RAM_SIZE;
	u64 i;

	for (i = 0;; i++) {
		page[(i * 4096) & 0x3ffff]++;
		outb(0x80, i);
	}
}

/* KVM_RUN may last for ever: somebody has to interrupt it. */
static void *kick(void *unused)
{
	const struct timespec pause = { .tv_nsec = 3000000 };
	unsigned int i;

	while (__atomic_load_n(&working, __ATOMIC_ACQUIRE)) {
		nanosleep(&pause, NULL);
		for (i = 0; i < WORKERS; i++)
			pthread_kill(workers[i].thread, SIGUSR1);
	}
	return NULL;
}

static void fuzz(unsigned int flags)
{
	unsigned long n = from_environment("FUZZ_CALLS", 5000);
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t kicker;
	unsigned int i;

	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(memory != MAP_FAILED);
	vm_create(&vm, flags);
	for (i = 0; i < 3; i++) {
		vcpu_create(&vm, &vcpus[i], i);
		vcpu_set_cpuid(&vcpus[i]);
		vcpu_set_long_mode(&vcpus[i], guest_busy, 0);
		CHECK_OK(ioctl(vcpus[i].fd, KVM_SET_MP_STATE,
			       &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE }));
	}
	working = WORKERS;
	for (i = 0; i < WORKERS; i++) {
		workers[i].random =
			(from_environment("FUZZ_SEED", 1) * WORKERS + i) * 0x9e3779b97f4a7c15 | 1;
		workers[i].calls = n;
		CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	CHECK_EQ(pthread_create(&kicker, NULL, kick, NULL), 0);
	CHECK_EQ(pthread_join(kicker, NULL), 0);
	for (i = 0; i < WORKERS; i++)
		CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
}

TEST(calls_with_irqchip, .timeout = 240)
{
	fuzz(VM_PIT);
}

TEST(calls_without_irqchip, .timeout = 240)
{
	fuzz(0);
}

static void guest_answer(u64 arg)
{
	guest_done(42);
}

TEST(a_new_vm_works_after_all_that)
{
	struct vcpu vcpu;
	struct vm fresh;

	guest_start(&fresh, &vcpu, VM_PIT, guest_answer, 0);
	CHECK_EQ(vcpu_done(&vcpu), 42);
}
