// SPDX-License-Identifier: GPL-2.0-only
/* The device and its system calls; unknown calls, wrong arguments and wrong descriptors. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define UNMAPPED ((void *)0x10)

TEST(api_version)
{
	CHECK_EQ(ioctl(device_open(), KVM_GET_API_VERSION, 0), 12);
	/* The argument must be 0. */
	CHECK_ERR(ioctl(device_open(), KVM_GET_API_VERSION, 1), EINVAL);
}

TEST(open_flags)
{
	int fd = open(device_path(), O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, KVM_GET_API_VERSION, 0), 12);
	CHECK_ERR(read(fd, &fd, 1), EINVAL);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
}

TEST(vcpu_mmap_size)
{
	int dev = device_open(), vm, vcpu;
	long size = CHECK_OK(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	u8 *run;

	CHECK_MSG(size >= (long)sizeof(struct kvm_run) + 4096 && size % 4096 == 0, "%ld", size);
	CHECK_ERR(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1), EINVAL);
	vm = CHECK_OK(ioctl(dev, KVM_CREATE_VM, 0));
	vcpu = CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	CHECK(run != MAP_FAILED);
	/* All of it is there, and starts as zeroes. */
	CHECK_EQ(run[0] | run[size - 1] | run[4096], 0);
	run[0] = run[4096] = run[size - 1] = 1;
	/* What lies beyond is no memory. */
	CHECK(mmap(NULL, size, PROT_READ, MAP_SHARED, vcpu, size) == MAP_FAILED ||
	      device_is_kvm()); /* KVM maps it and raises SIGBUS on touch */
}

TEST(vcpu_page_outlives_descriptors)
{
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	/* A mapping of the page survives the descriptors. */
	close(vcpu.fd);
	vm_destroy(&vm);
	vcpu.run->immediate_exit = 1;
	CHECK_EQ(vcpu.run->immediate_exit, 1);
	munmap(vcpu.run, vcpu.run_size);
}

TEST(create_vm_type)
{
	int dev = device_open(), fd;

	CHECK_ERR(ioctl(dev, KVM_CREATE_VM, 1), EINVAL);
	CHECK_ERR(ioctl(dev, KVM_CREATE_VM, 0x12345678), EINVAL);
	CHECK_ERR(ioctl(dev, KVM_CREATE_VM, -1L), EINVAL);
	fd = CHECK_OK(ioctl(dev, KVM_CREATE_VM, 0));
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fd = CHECK_OK(ioctl(fd, KVM_CREATE_VCPU, 0));
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* --- capabilities --- */

TEST(capabilities_required)
{
	/* What QEMU, kvmtool and our launcher cannot do without. */
	static const int required[] = {
		KVM_CAP_IRQCHIP,
		KVM_CAP_HLT,
		KVM_CAP_USER_MEMORY,
		KVM_CAP_SET_TSS_ADDR,
		KVM_CAP_EXT_CPUID,
		KVM_CAP_MP_STATE,
		KVM_CAP_SYNC_MMU,
		KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
		KVM_CAP_PIT2,
		KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,
		KVM_CAP_VCPU_EVENTS,
		KVM_CAP_DEBUGREGS,
		KVM_CAP_READONLY_MEM,
		KVM_CAP_IMMEDIATE_EXIT,
		KVM_CAP_SET_IDENTITY_MAP_ADDR,
		KVM_CAP_TSC_DEADLINE_TIMER,
	};
	int dev = device_open(), vm = CHECK_OK(ioctl(dev, KVM_CREATE_VM, 0));
	unsigned int i;

	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		CHECK_MSG(ioctl(dev, KVM_CHECK_EXTENSION, required[i]) > 0, "capability %d",
			  required[i]);
		if (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_CHECK_EXTENSION_VM) > 0)
			CHECK_MSG(ioctl(vm, KVM_CHECK_EXTENSION, required[i]) > 0,
				  "capability %d on the VM", required[i]);
	}
}

TEST(capability_values)
{
	int dev = device_open();
	long soft = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	long hard = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	long ids = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	CHECK_MSG(soft >= 1 && soft <= 4096, "%ld", soft);
	CHECK_MSG(hard >= soft && hard <= 65536, "%ld", hard);
	CHECK_MSG(!ids || ids >= hard, "%ld", ids);
	CHECK_MSG(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS) >= 32, "slots");
}

TEST(capabilities_unknown)
{
	int dev = device_open();

	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, 0x7fffffff), 0);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, -1L), 0);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_PPC_HTM), 0);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_S390_PSW), 0);
}

/* What is out of scope is not claimed. */
TEST(capabilities_not_claimed, .vmm_only = true)
{
	static const int absent[] = { KVM_CAP_NESTED_STATE, KVM_CAP_X86_SMM, KVM_CAP_HYPERV,
				      KVM_CAP_XEN_HVM };
	int dev = device_open();
	unsigned int i;

	for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, absent[i]), 0);
}

/* --- unknown and misdirected calls --- */

static void check_unknown(int fd)
{
	static const unsigned long numbers[] = {
		0,
		0x5401, /* TCGETS */
		_IO(KVMIO, 0xff),
		_IOW(KVMIO, 0xfe, u64),
		_IO(0xae, 0x1f),
		0xffffffff,
		_IOW(0xee, 0x00, int),
		/* The right number with a wrong size or direction is another call. */
		_IOC(_IOC_WRITE, KVMIO, 0x46, 8),
		_IOC(_IOC_READ, KVMIO, 0x46, sizeof(struct kvm_userspace_memory_region)),
		_IOC(_IOC_READ, KVMIO, 0x81, 4),
		_IOC(_IOC_WRITE, KVMIO, 0x82, sizeof(struct kvm_regs) + 8),
	};
	unsigned int i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		errno = 0;
		CHECK_MSG(ioctl(fd, numbers[i], 0) < 0 && (errno == ENOTTY || errno == EINVAL),
			  "%#lx: %s", numbers[i], errno_name(errno));
		/* KVM says EINVAL for a few on the vCPU; ENOTTY is the documented one. */
		CHECK_MSG(errno == ENOTTY || device_is_kvm(), "%#lx: %s", numbers[i],
			  errno_name(errno));
	}
}

TEST(unknown_ioctl)
{
	int dev = device_open(), vm = CHECK_OK(ioctl(dev, KVM_CREATE_VM, 0));

	check_unknown(dev);
	check_unknown(vm);
	check_unknown(CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0)));
}

static void check_misdirected(int fd, const unsigned long *numbers, unsigned int count)
{
	static u8 zeroes[16384];
	unsigned int i;

	for (i = 0; i < count; i++) {
		errno = 0;
		CHECK_MSG(ioctl(fd, numbers[i], zeroes) < 0, "%#lx succeeded", numbers[i]);
		CHECK_MSG(errno == ENOTTY || (device_is_kvm() && errno == EINVAL), "%#lx: %s",
			  numbers[i], errno_name(errno));
	}
}

TEST(wrong_descriptor)
{
	static const unsigned long of_system[] = { KVM_GET_API_VERSION, KVM_CREATE_VM,
						   KVM_GET_VCPU_MMAP_SIZE,
						   KVM_GET_SUPPORTED_CPUID };
	static const unsigned long of_vm[] = { KVM_CREATE_VCPU, KVM_SET_USER_MEMORY_REGION,
					       KVM_CREATE_IRQCHIP, KVM_IRQ_LINE, KVM_CREATE_PIT2 };
	static const unsigned long of_vcpu[] = { KVM_RUN,	KVM_GET_REGS,  KVM_SET_REGS,
						 KVM_GET_SREGS, KVM_INTERRUPT, KVM_SET_CPUID2,
						 KVM_GET_LAPIC };
	int dev = device_open(), vm = CHECK_OK(ioctl(dev, KVM_CREATE_VM, 0));
	int vcpu = CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));

	check_misdirected(dev, of_vm, 5);
	check_misdirected(dev, of_vcpu, 7);
	check_misdirected(vm, of_system, 4);
	check_misdirected(vm, of_vcpu, 7);
	check_misdirected(vcpu, of_system, 4);
	check_misdirected(vcpu, of_vm, 5);
}

/* --- lists that say how long they are --- */

TEST(supported_cpuid_sizes)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	int dev = device_open();
	u32 count, i;

	CHECK_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, NULL), EFAULT);
	CHECK_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, UNMAPPED), EFAULT);
	cpuid->nent = 1;
	CHECK_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), E2BIG);
	cpuid->nent = 0;
	CHECK_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), E2BIG);
	cpuid->nent = 256;
	CHECK_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	count = cpuid->nent;
	CHECK_MSG(count > 2 && count < 256, "%u", count);
	/* Exactly enough is enough. */
	cpuid->nent = count;
	CHECK_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	CHECK_EQ(cpuid->nent, count);
	cpuid->nent = count - 1;
	CHECK_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), E2BIG);
	for (i = 0; i < count; i++)
		CHECK_EQ(cpuid->entries[i].padding[0] | cpuid->entries[i].padding[1], 0);
	/* The buffer ends at the end of a mapping. */
	{
		u8 *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
		struct kvm_cpuid2 *edge = (void *)(page + 4096 - sizeof(*edge));

		munmap(page + 4096, 4096);
		edge->nent = 256;
		CHECK_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, edge), EFAULT);
	}
}

TEST(msr_index_list_sizes)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096 * sizeof(u32));
	static const u32 required[] = { MSR_TSC,  MSR_SYSENTER_CS, MSR_SYSENTER_EIP,
					MSR_STAR, MSR_LSTAR,	   MSR_KERNEL_GS_BASE };
	int dev = device_open();
	u32 count, i, j;

	CHECK_ERR(ioctl(dev, KVM_GET_MSR_INDEX_LIST, NULL), EFAULT);
	list->nmsrs = 0;
	CHECK_ERR(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list), E2BIG);
	count = list->nmsrs; /* what it takes is told */
	CHECK_MSG(count >= 10 && count < 4096, "%u", count);
	CHECK_OK(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list));
	CHECK_EQ(list->nmsrs, count);
	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		for (j = 0; j < count && list->indices[j] != required[i]; j++)
			;
		CHECK_MSG(j < count, "MSR %#x is not listed", required[i]);
	}
	list->nmsrs = 0;
	CHECK_ERR(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, list), E2BIG);
	CHECK_OK(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, list));
}

/* Every MSR that is listed can be read from a vCPU, and written back. */
TEST(listed_msrs_round_trip)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096 * sizeof(u32));
	unsigned int refused = 0;
	struct vcpu vcpu;
	struct vm vm;
	u64 value;
	u32 i;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	list->nmsrs = 4096;
	CHECK_OK(ioctl(vm.dev, KVM_GET_MSR_INDEX_LIST, list));
	for (i = 0; i < list->nmsrs; i++) {
		if (!vcpu_get_msr(&vcpu, list->indices[i], &value)) {
			CHECK_MSG(device_is_kvm(), "MSR %#x cannot be read", list->indices[i]);
			refused++;
			continue;
		}
		if (!vcpu_set_msr(&vcpu, list->indices[i], value)) {
			CHECK_MSG(device_is_kvm(), "MSR %#x cannot be written back",
				  list->indices[i]);
			refused++;
		}
	}
	if (refused)
		test_diag("%u of %u listed MSRs refused", refused, list->nmsrs);
}

/* --- lifetime of descriptors --- */

/* Each object holds what it needs: descriptors may be closed in any order. */
TEST(close_in_any_order)
{
	struct kvm_regs regs;
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu, 0);
	close(vm.dev);
	CHECK_OK(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY));
	close(vm.fd);
	vcpu_get_regs(&vcpu, &regs);
	vcpu.run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	munmap(vcpu.run, vcpu.run_size);
	vcpu_get_regs(&vcpu, &regs);
	close(vcpu.fd);
}
