// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random guests: instruction bytes, and privileged instructions with random operands, in real,
 * protected and long mode. Whatever they do, KVM_RUN comes back with an exit or a documented errno,
 * the vCPU can be read, and the host lives; the kernel's log is the judge of that.
 *
 * FUZZ_SEED and FUZZ_ROUNDS change what `make check` runs; a failure names its seed.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "guest.h"

#define CODE_SIZE 4096
#define EXITS_A_ROUND 40

static u64 random_state;

static u64 random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* What a hostile kernel would try, prefix-free: the bytes behind it are random and serve as ModRM or immediate. */
static const struct {
	u8 len;
	u8 bytes[4];
} privileged[] = {
	{ 2, { 0x0f, 0x20 } }, /* mov from cr */
	{ 2, { 0x0f, 0x22 } }, /* mov to cr */
	{ 2, { 0x0f, 0x21 } }, /* mov from dr */
	{ 2, { 0x0f, 0x23 } }, /* mov to dr */
	{ 2, { 0x0f, 0x30 } }, /* wrmsr */
	{ 2, { 0x0f, 0x32 } }, /* rdmsr */
	{ 2, { 0x0f, 0x01 } }, /* lgdt, lidt, lmsw, invlpg, vmcall, xsetbv ... */
	{ 2, { 0x0f, 0x00 } }, /* lldt, ltr, verr */
	{ 2, { 0x0f, 0xa2 } }, /* cpuid */
	{ 2, { 0x0f, 0x06 } }, /* clts */
	{ 2, { 0x0f, 0x08 } }, /* invd */
	{ 2, { 0x0f, 0x09 } }, /* wbinvd */
	{ 2, { 0x0f, 0x33 } }, /* rdpmc */
	{ 2, { 0x0f, 0xaa } }, /* rsm */
	{ 2, { 0x0f, 0xae } }, /* fxrstor, xrstor, wrfsbase ... */
	{ 2, { 0x0f, 0xc7 } }, /* vmptrld, xrstors, rdrand ... */
	{ 4, { 0x66, 0x0f, 0x38, 0x80 } }, /* invept */
	{ 4, { 0x66, 0x0f, 0x38, 0x82 } }, /* invpcid */
	{ 1, { 0xcd } }, /* int n */
	{ 1, { 0xcf } }, /* iret */
	{ 1, { 0xf1 } }, /* icebp */
	{ 1, { 0x8e } }, /* mov to segment */
	{ 1, { 0xea } }, /* jmp far */
	{ 1, { 0x9d } }, /* popf */
	{ 1, { 0xfb } }, /* sti */
	{ 1, { 0xfa } }, /* cli */
	{ 1, { 0xf4 } }, /* hlt */
	{ 1, { 0xec } }, /* in */
	{ 1, { 0xee } }, /* out */
	{ 2, { 0xf3, 0x6c } }, /* rep insb */
	{ 2, { 0xf3, 0x6f } }, /* rep outsl */
	{ 2, { 0xf3, 0xa4 } }, /* rep movsb */
	{ 2, { 0xf3, 0xab } }, /* rep stosl */
	{ 2, { 0xf3, 0x90 } }, /* pause */
};

static const u32 msrs[] = { 0x10,	0x1b,	    0x3a,	0x3b,	    0x48,	0x49,
			    0x174,	0x175,	    0x176,	0x1a0,	    0x1d9,	0x277,
			    0x2ff,	0x6e0,	    0x800,	0x80b,	    0x830,	0x83f,
			    0xda0,	0x480,	    0xc0000080, 0xc0000081, 0xc0000082, 0xc0000100,
			    0xc0000101, 0xc0000102, 0xc0000103, 0xc0010114, 0xc0010117 };

static void make_code(u8 *code)
{
	unsigned int i = 0, row;

	while (i < CODE_SIZE - 16) {
		u64 dice = random64();

		if (dice % 3 == 0) {
			code[i++] = dice >> 8;
		} else {
			row = (dice >> 8) % (sizeof(privileged) / sizeof(*privileged));
			memcpy(code + i, privileged[row].bytes, privileged[row].len);
			i += privileged[row].len;
			code[i++] = dice >> 32;
		}
		if (dice % 7 == 0) {
			/* mov $msr or an address, %ecx: what WRMSR and string instructions work with */
			u32 value = dice & 1 << 20 ? msrs[(dice >> 24) % (sizeof(msrs) / 4)] :
						     dice >> 36;

			code[i++] = 0xb8 + ((dice >> 16) & 7);
			memcpy(code + i, &value, 4);
			i += 4;
		}
	}
	memset(code + i, 0x90, CODE_SIZE - i);
}

static void random_registers(struct vcpu *vcpu)
{
	struct kvm_regs regs;
	u64 *value = (u64 *)&regs;
	unsigned int i;

	vcpu_get_regs(vcpu, &regs);
	/* All but RSP, RIP and RFLAGS; small numbers are addresses more often than large ones. */
	for (i = 0; i < 16; i++)
		if (value[i] != regs.rsp)
			value[i] = random64() >> (random64() & 63);
	regs.rflags = 2 | (random64() & 0x244dd5);
	vcpu_set_regs(vcpu, &regs);
}

static u8 code[CODE_SIZE];

static void enter_mode(struct vm *vm, struct vcpu *vcpu, unsigned int mode)
{
	make_code(code);
	memcpy(vm->ram + GUEST_FREE, code, CODE_SIZE);
	if (mode == 0)
		vcpu_set_real_mode(vcpu, code, code + CODE_SIZE);
	else if (mode == 1)
		vcpu_set_protected_mode(vcpu, (void *)GUEST_FREE);
	else
		vcpu_set_long_mode(vcpu, (void (*)(u64))GUEST_FREE, random64());
	random_registers(vcpu);
}

static void on_alarm(int number)
{
}

/* A guest may loop for ever: a signal every few milliseconds ends the round. */
static void set_clock(unsigned int microseconds)
{
	struct itimerval timer = { .it_interval.tv_usec = microseconds,
				   .it_value.tv_usec = microseconds };

	CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
}

static void play(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	for (i = 0; i < EXITS_A_ROUND; i++) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			CHECK_MSG(errno == EINTR || errno == EFAULT || errno == EAGAIN,
				  "KVM_RUN: %s", errno_name(errno));
			return;
		}
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			if (run->io.direction == KVM_EXIT_IO_IN)
				memset((u8 *)run + run->io.data_offset, random64(),
				       run->io.size * run->io.count);
			break;
		case KVM_EXIT_MMIO:
			if (!run->mmio.is_write)
				memset(run->mmio.data, random64(), run->mmio.len);
			break;
		case KVM_EXIT_HLT:
			break;
		default:
			return;
		}
	}
}

static void fuzz(unsigned int mode, unsigned int flags)
{
	unsigned long rounds = from_environment("FUZZ_ROUNDS", 60), round;
	u64 seed = from_environment("FUZZ_SEED", 1) * 0x9e3779b97f4a7c15 + mode * 16 + flags;
	struct sigaction action = { .sa_handler = on_alarm };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct vcpu vcpu;
	struct vm vm;

	random_state = seed | 1;
	test_diag("FUZZ_SEED=%lu FUZZ_ROUNDS=%lu", from_environment("FUZZ_SEED", 1), rounds);
	CHECK_OK(sigaction(SIGALRM, &action, NULL));
	for (round = 0; round < rounds; round++) {
		vm_create(&vm, flags);
		vcpu_create(&vm, &vcpu, 0);
		vcpu_set_cpuid(&vcpu);
		enter_mode(&vm, &vcpu, mode);
		set_clock(5000);
		play(&vcpu);
		set_clock(0);
		vcpu_get_regs(&vcpu, &regs);
		vcpu_get_sregs(&vcpu, &sregs);
		vcpu_destroy(&vcpu);
		vm_destroy(&vm);
	}
}

TEST(real_mode, .timeout = 240)
{
	fuzz(0, VM_PIT);
}

TEST(protected_mode, .timeout = 240)
{
	fuzz(1, VM_PIT);
}

TEST(long_mode, .timeout = 240)
{
	fuzz(2, VM_PIT);
}

TEST(long_mode_without_irqchip, .timeout = 240)
{
	fuzz(2, 0);
}
