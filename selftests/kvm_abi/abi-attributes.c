// SPDX-License-Identifier: GPL-2.0-only
/* KVM_HAS/GET/SET_DEVICE_ATTR on the device and on a vCPU. */
#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

static int call(int fd, unsigned long request, u32 group, u64 attr, u64 *value)
{
	struct kvm_device_attr args = { .group = group, .attr = attr, .addr = (u64)value };

	return ioctl(fd, request, &args);
}

TEST(xcr0_that_guests_may_have)
{
	int dev = device_open();
	u64 value = ~0UL;

	CHECK(has_cap(dev, KVM_CAP_SYS_ATTRIBUTES));
	CHECK_OK(call(dev, KVM_HAS_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, NULL));
	CHECK_OK(call(dev, KVM_GET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, &value));
	/* x87 and SSE, or no XSAVE at all. */
	CHECK_MSG(!value || (value & 3) == 3, "%#llx", (unsigned long long)value);
	CHECK_ERR(call(dev, KVM_HAS_DEVICE_ATTR, 0, 12345, NULL), ENXIO);
	CHECK_ERR(call(dev, KVM_HAS_DEVICE_ATTR, 7, KVM_X86_XCOMP_GUEST_SUPP, NULL), ENXIO);
	CHECK_ERR(call(dev, KVM_GET_DEVICE_ATTR, 0, 12345, &value), ENXIO);
	CHECK_ERR(call(dev, KVM_GET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, (u64 *)0x10), EFAULT);
	CHECK_REFUSED(call(dev, KVM_SET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, &value));
}

static void guest_tsc(u64 arg)
{
	for (;;)
		guest_sync(rdtsc());
}

/* The guest's TSC is the host's plus the offset. */
TEST(tsc_offset)
{
	u64 offset, before, guest;

	guest_start(&vm, &vcpu, 0, guest_tsc, 0);
	CHECK(has_cap(vm.fd, KVM_CAP_VCPU_ATTRIBUTES));
	CHECK_OK(call(vcpu.fd, KVM_HAS_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, NULL));
	CHECK_OK(call(vcpu.fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
		      &offset));
	before = rdtsc();
	guest = vcpu_sync(&vcpu);
	CHECK(guest - offset >= before && guest - offset <= rdtsc());
	offset = 1ULL << 52;
	CHECK_OK(call(vcpu.fd, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
		      &offset));
	offset = 0;
	CHECK_OK(call(vcpu.fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
		      &offset));
	CHECK_EQ(offset, 1ULL << 52);
	guest = vcpu_sync(&vcpu);
	CHECK(guest >= 1ULL << 52 && guest < (1ULL << 52) + (1ULL << 48));
}

TEST(vcpu_attributes_refused)
{
	u64 offset = 0;

	guest_start(&vm, &vcpu, 0, guest_tsc, 0);
	CHECK_ERR(call(vcpu.fd, KVM_HAS_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 99, NULL), ENXIO);
	CHECK_ERR(call(vcpu.fd, KVM_HAS_DEVICE_ATTR, 99, KVM_VCPU_TSC_OFFSET, NULL), ENXIO);
	CHECK_ERR(call(vcpu.fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 99, &offset), ENXIO);
	CHECK_ERR(call(vcpu.fd, KVM_SET_DEVICE_ATTR, 99, KVM_VCPU_TSC_OFFSET, &offset), ENXIO);
	CHECK_ERR(call(vcpu.fd, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
		       (u64 *)0x10),
		  EFAULT);
}
