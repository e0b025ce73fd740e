// SPDX-License-Identifier: GPL-2.0-only
/* KVM_X86_SET_MSR_FILTER, and MSR accesses that userspace answers (KVM_CAP_X86_USER_SPACE_MSR). */
#include <string.h>

#include "guest.h"

#define UNKNOWN_MSR 0xdeadbeef
#define FAULTED (~0ULL)

static struct vm vm;
static struct vcpu vcpu;

static void enable_exits(u64 reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { reasons } };

	CHECK(has_cap(vm.fd, KVM_CAP_X86_USER_SPACE_MSR));
	CHECK(has_cap(vm.fd, KVM_CAP_X86_MSR_FILTER));
	CHECK_OK(ioctl(vm.fd, KVM_ENABLE_CAP, &cap));
}

/* One range, of one MSR; what is allowed of the accesses in flags. */
static int set_filter(u32 index, u32 flags, bool allow)
{
	static u64 bitmap;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = { { .flags = flags,
			      .nmsrs = 1,
			      .base = index,
			      .bitmap = (u8 *)&bitmap } },
	};

	bitmap = allow;
	return ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter);
}

/* One access after the other, as the test asks through RDI. */
static volatile u64 ask_index, ask_value, ask_write;

static void guest_accesses(u64 arg)
{
	u64 value;
	int vector;

	for (;;) {
		value = ask_value;
		vector = ask_write ? guest_try_wrmsr(ask_index, value) :
				     guest_try_rdmsr(ask_index, &value);
		if (vector >= 0 && vector != VEC_GP)
			guest_sync(1234);
		guest_sync(vector < 0 ? value : FAULTED);
	}
}

static void ask(u32 index, bool write, u64 value)
{
	GUEST_VAR(&vm, ask_index) = index;
	GUEST_VAR(&vm, ask_write) = write;
	GUEST_VAR(&vm, ask_value) = value;
}

static u64 guest_read(u32 index)
{
	ask(index, false, 0);
	return vcpu_sync(&vcpu);
}

static u64 guest_write(u32 index, u64 value)
{
	ask(index, true, value);
	return vcpu_sync(&vcpu);
}

/* The access goes to userspace, which answers. */
static u64 read_exits(u32 index, u32 reason, u64 data, bool error)
{
	ask(index, false, 0);
	vcpu_expect(&vcpu, KVM_EXIT_X86_RDMSR);
	CHECK_EQ(vcpu.run->msr.index, index);
	CHECK_EQ(vcpu.run->msr.reason, reason);
	CHECK_EQ(vcpu.run->msr.error, 0);
	vcpu.run->msr.data = data;
	vcpu.run->msr.error = error;
	return vcpu_sync(&vcpu);
}

static u64 write_exits(u32 index, u32 reason, u64 data, bool error)
{
	ask(index, true, data);
	vcpu_expect(&vcpu, KVM_EXIT_X86_WRMSR);
	CHECK_EQ(vcpu.run->msr.index, index);
	CHECK_EQ(vcpu.run->msr.reason, reason);
	CHECK_EQ(vcpu.run->msr.data, data);
	vcpu.run->msr.error = error;
	return vcpu_sync(&vcpu);
}

static void start(void)
{
	guest_start(&vm, &vcpu, 0, guest_accesses, 0);
}

TEST(unknown_msr)
{
	start();
	CHECK_EQ(guest_read(UNKNOWN_MSR), FAULTED);
	enable_exits(KVM_MSR_EXIT_REASON_UNKNOWN);
	CHECK_EQ(read_exits(UNKNOWN_MSR, KVM_MSR_EXIT_REASON_UNKNOWN, 0x123456789abc, false),
		 0x123456789abc);
	CHECK_EQ(read_exits(UNKNOWN_MSR, KVM_MSR_EXIT_REASON_UNKNOWN, 7, true), FAULTED);
	CHECK_EQ(write_exits(UNKNOWN_MSR, KVM_MSR_EXIT_REASON_UNKNOWN, 0xfedcba987654, false),
		 0xfedcba987654);
	CHECK_EQ(write_exits(UNKNOWN_MSR, KVM_MSR_EXIT_REASON_UNKNOWN, 7, true), FAULTED);
	/* What is known and refuses the value is another reason, not asked for. */
	CHECK_EQ(guest_write(MSR_PAT, 0x0202020202020202), FAULTED);
	enable_exits(0);
	CHECK_EQ(guest_read(UNKNOWN_MSR), FAULTED);
}

TEST(invalid_value)
{
	start();
	enable_exits(KVM_MSR_EXIT_REASON_INVAL);
	CHECK_EQ(write_exits(MSR_PAT, KVM_MSR_EXIT_REASON_INVAL, 0x0202020202020202, false),
		 0x0202020202020202);
	CHECK_EQ(guest_read(UNKNOWN_MSR), FAULTED);
	CHECK(guest_read(MSR_PAT) != 0x0202020202020202);
}

TEST(filtered_msr_faults)
{
	start();
	CHECK(guest_read(MSR_PAT) != FAULTED);
	CHECK_OK(set_filter(MSR_PAT, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, false));
	CHECK_EQ(guest_read(MSR_PAT), FAULTED);
	CHECK_EQ(guest_write(MSR_PAT, 0x0606060606060606), FAULTED);
	CHECK(guest_read(MSR_EFER) != FAULTED);
	CHECK_OK(set_filter(MSR_PAT, KVM_MSR_FILTER_READ, false));
	CHECK_EQ(guest_read(MSR_PAT), FAULTED);
	CHECK_EQ(guest_write(MSR_PAT, 0x0606060606060606), 0x0606060606060606);
	CHECK_OK(set_filter(MSR_PAT, KVM_MSR_FILTER_READ, true));
	CHECK_EQ(guest_read(MSR_PAT), 0x0606060606060606);
}

TEST(filtered_msr_exits)
{
	u64 value;

	start();
	enable_exits(KVM_MSR_EXIT_REASON_FILTER);
	CHECK_OK(set_filter(MSR_PAT, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, false));
	CHECK_EQ(read_exits(MSR_PAT, KVM_MSR_EXIT_REASON_FILTER, 0x1122334455667788, false),
		 0x1122334455667788);
	CHECK_EQ(write_exits(MSR_PAT, KVM_MSR_EXIT_REASON_FILTER, 0x0606060606060606, false),
		 0x0606060606060606);
	CHECK_EQ(write_exits(MSR_PAT, KVM_MSR_EXIT_REASON_FILTER, 1, true), FAULTED);
	CHECK_EQ(guest_read(UNKNOWN_MSR), FAULTED);
	/* Userspace itself is not filtered. */
	CHECK_EQ(vcpu_get_msr(&vcpu, MSR_PAT, &value), 1);
	CHECK(value != 0x0606060606060606);
}

/* Those that the guest otherwise accesses without an exit. */
TEST(filter_closes_what_was_open)
{
	static const u32 open[] = { MSR_FS_BASE,      MSR_GS_BASE,	MSR_KERNEL_GS_BASE,
				    MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, MSR_SYSENTER_CS };
	unsigned int i;

	start();
	enable_exits(KVM_MSR_EXIT_REASON_FILTER);
	for (i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		CHECK_EQ(guest_write(open[i], 0x1000 + i), 0x1000 + i);
		CHECK_OK(set_filter(open[i], KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, false));
		CHECK_EQ(read_exits(open[i], KVM_MSR_EXIT_REASON_FILTER, 77, false), 77);
		CHECK_EQ(write_exits(open[i], KVM_MSR_EXIT_REASON_FILTER, 0x2000, false), 0x2000);
		CHECK_OK(set_filter(UNKNOWN_MSR, KVM_MSR_FILTER_READ, true));
		/* Nothing of what userspace answered has reached it. */
		CHECK_EQ(guest_read(open[i]), 0x1000 + i);
		CHECK_EQ(guest_write(open[i], 0x3000 + i), 0x3000 + i);
		CHECK_EQ(guest_read(open[i]), 0x3000 + i);
	}
}

/* A filter that was there first counts for a vCPU made after it. */
TEST(filter_before_the_vcpu)
{
	vm_create(&vm, 0);
	enable_exits(KVM_MSR_EXIT_REASON_FILTER);
	CHECK_OK(set_filter(MSR_FS_BASE, KVM_MSR_FILTER_READ, false));
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_long_mode(&vcpu, guest_accesses, 0);
	CHECK_EQ(read_exits(MSR_FS_BASE, KVM_MSR_EXIT_REASON_FILTER, 99, false), 99);
	CHECK_EQ(guest_write(MSR_FS_BASE, 0x4000), 0x4000);
}

TEST(default_deny)
{
	u64 bitmap = 1;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges = { { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			      .nmsrs = 2,
			      .base = MSR_STAR,
			      .bitmap = (u8 *)&bitmap } },
	};

	start();
	CHECK_OK(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter));
	CHECK_EQ(guest_write(MSR_STAR, 0x12345), 0x12345);
	CHECK_EQ(guest_read(MSR_STAR), 0x12345);
	CHECK_EQ(guest_read(MSR_LSTAR), FAULTED);
	CHECK_EQ(guest_read(MSR_EFER), FAULTED);
	CHECK_EQ(guest_read(MSR_FS_BASE), FAULTED);
}

TEST(arguments)
{
	static u8 bitmap[0x1000];
	struct kvm_msr_filter filter;
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { 1 << 20 } };

	start();
	CHECK_ERR(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), EINVAL);
	memset(&filter, 0, sizeof(filter));
	CHECK_OK(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter));
	filter.flags = KVM_MSR_FILTER_DEFAULT_DENY; /* everything */
	CHECK_ERR(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.flags = 1 << 10;
	CHECK_ERR(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.flags = 0;
	filter.ranges[0] = (struct kvm_msr_filter_range){
		.flags = 1 << 10,
		.nmsrs = 1,
		.base = 0x10,
		.bitmap = bitmap,
	};
	CHECK_ERR(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.ranges[0].flags = KVM_MSR_FILTER_READ;
	filter.ranges[0].nmsrs = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8;
	CHECK_OK(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter));
	filter.ranges[0].nmsrs++;
	CHECK_ERR(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.ranges[0].nmsrs = 0xffffffff;
	CHECK_ERR(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.ranges[0].nmsrs = 1;
	filter.ranges[0].bitmap = (u8 *)0x10;
	CHECK_ERR(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter), EFAULT);
	/* The last good one is in force: it denies from 0x10 on. */
	CHECK_EQ(guest_read(MSR_TSC), FAULTED);
}
