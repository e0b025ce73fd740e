// SPDX-License-Identifier: GPL-2.0-only
/* Machine-check banks that userspace sets up, and the errors that it reports through them. */
#include <string.h>

#include "guest.h"

#define MCG_CTL_P (1ULL << 8)
#define STATUS_VAL (1ULL << 63)
#define STATUS_OVER (1ULL << 62)
#define STATUS_UC (1ULL << 61)
#define STATUS_EN (1ULL << 60)
#define CR4_MCE (1UL << 6)
#define VEC_MC 18

enum { MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MCG_CTL = 0x17b, MSR_MC0_CTL = 0x400 };

static struct vm vm;
static struct vcpu vcpu;

static int setup(u64 cap)
{
	return ioctl(vcpu.fd, KVM_X86_SETUP_MCE, &cap);
}

static int report(u8 bank, u64 status)
{
	struct kvm_x86_mce mce = {
		.status = status, .addr = 0x1234000, .misc = 0x8c, .mcg_status = 5, .bank = bank
	};

	return ioctl(vcpu.fd, KVM_X86_SET_MCE, &mce);
}

static u64 msr(u32 index)
{
	u64 value;

	CHECK_EQ(vcpu_get_msr(&vcpu, index, &value), 1);
	return value;
}

static volatile u64 checks;

static void on_mc(struct guest_frame *frame)
{
	checks++;
	GUEST_CHECK_EQ(rdmsr(MSR_MCG_STATUS), 5);
	GUEST_CHECK_EQ(rdmsr(MSR_MC0_CTL + 4 * 3 + 2), 0x1234000);
	GUEST_CHECK_EQ(rdmsr(MSR_MC0_CTL + 4 * 3 + 3), 0x8c);
	wrmsr(MSR_MC0_CTL + 4 * 3 + 1, 0);
	wrmsr(MSR_MCG_STATUS, 0);
}

static void guest_checks(u64 arg)
{
	u64 value;

	guest_handlers[VEC_MC] = on_mc;
	WRITE_CR(4, READ_CR(4) | CR4_MCE);
	GUEST_CHECK_EQ(rdmsr(MSR_MCG_CAP), MCG_CTL_P | 4);
	GUEST_CHECK_EQ(rdmsr(MSR_MCG_CTL), ~0ULL);
	GUEST_CHECK_EQ(rdmsr(MSR_MC0_CTL + 4 * 3), ~0ULL);
	GUEST_CHECK_EQ(guest_try_rdmsr(MSR_MC0_CTL + 4 * 4, &value), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_MC0_CTL + 4 * 3 + 1, 1), VEC_GP);
	GUEST_CHECK_EQ(guest_try_wrmsr(MSR_MCG_CAP, 1), VEC_GP);
	for (;;)
		guest_sync(checks);
}

static void start(void)
{
	guest_start(&vm, &vcpu, 0, guest_checks, 0);
	CHECK_OK(setup(MCG_CTL_P | 4));
	CHECK_EQ(vcpu_sync(&vcpu), 0);
}

TEST(arguments)
{
	u64 supported = 0;

	guest_start(&vm, &vcpu, 0, guest_checks, 0);
	CHECK(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_MCE) >= 10);
	CHECK_OK(ioctl(vm.dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &supported));
	CHECK(supported & MCG_CTL_P);
	CHECK_ERR(setup(MCG_CTL_P), EINVAL);
	CHECK_ERR(setup(33), EINVAL);
	CHECK_ERR(setup(1ULL << 50 | 4), EINVAL);
	CHECK_OK(setup(MCG_CTL_P | 4));
	CHECK_ERR(report(4, STATUS_VAL), EINVAL);
	CHECK_ERR(report(0, 0), EINVAL);
}

TEST(uncorrected_error)
{
	start();
	CHECK_OK(report(3, STATUS_VAL | STATUS_UC | STATUS_EN));
	CHECK_EQ(msr(MSR_MC0_CTL + 4 * 3 + 1), STATUS_VAL | STATUS_UC | STATUS_EN);
	vcpu_sync(&vcpu);
	CHECK_EQ(vcpu_sync(&vcpu), 1);
	CHECK_EQ(msr(MSR_MC0_CTL + 4 * 3 + 1), 0);
	CHECK_EQ(msr(MSR_MCG_STATUS), 0);
}

/* It is noted, and nothing happens; the next one says that one was lost. */
TEST(corrected_error)
{
	start();
	CHECK_OK(report(1, STATUS_VAL | STATUS_EN));
	CHECK_EQ(msr(MSR_MC0_CTL + 4 * 1 + 1), STATUS_VAL | STATUS_EN);
	CHECK_EQ(msr(MSR_MC0_CTL + 4 * 1 + 2), 0x1234000);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
	CHECK_OK(report(1, STATUS_VAL | STATUS_EN));
	CHECK_EQ(msr(MSR_MC0_CTL + 4 * 1 + 1), STATUS_VAL | STATUS_EN | STATUS_OVER);
	CHECK_EQ(vcpu_sync(&vcpu), 0);
}

/* A guest that is in a machine check already, or takes none, goes down. */
TEST(shutdown)
{
	start();
	CHECK_EQ(vcpu_set_msr(&vcpu, MSR_MCG_STATUS, 4), 1);
	CHECK_OK(report(3, STATUS_VAL | STATUS_UC | STATUS_EN));
	vcpu_expect(&vcpu, KVM_EXIT_SHUTDOWN);
}
