// SPDX-License-Identifier: GPL-2.0-only
/* The module itself: it stays while anything of it is in use, goes cleanly, and comes back. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int unload(void)
{
	return syscall(SYS_delete_module, "vmm", O_NONBLOCK);
}

static int load(void)
{
	int fd = open("vmm.ko", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		test_skip("vmm.ko is not here");
	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static void guest_sync_for_ever(u64 arg)
{
	for (;;)
		guest_sync(1);
}

static void check_busy(const char *why)
{
	errno = 0;
	CHECK_MSG(unload() < 0 && (errno == EAGAIN || errno == EBUSY), "%s: %s", why,
		  errno_name(errno));
}

static void wait_unused(void)
{
	struct timespec ts = { .tv_nsec = 10000000 };
	int i;

	for (i = 0; i < 300; i++) {
		if (!unload())
			return;
		CHECK_MSG(errno == EAGAIN || errno == EBUSY, "%s", errno_name(errno));
		nanosleep(&ts, NULL);
	}
	FAIL("the module is still in use");
}

TEST(unload_refused_while_in_use, .vmm_only = true)
{
	struct vcpu vcpu;
	struct vm vm;
	int dev;

	if (access("vmm.ko", R_OK))
		test_skip("vmm.ko is not here");
	dev = device_open();
	check_busy("the device is open");
	close(dev);
	guest_start(&vm, &vcpu, VM_PIT, guest_sync_for_ever, 0);
	vcpu_sync(&vcpu);
	check_busy("a VM exists");
	close(vm.dev);
	check_busy("a VM exists and the device is closed");
	close(vm.fd);
	check_busy("a vCPU is open");
	vcpu_sync(&vcpu);
	close(vcpu.fd);
	check_busy("a vCPU's page is mapped");
	vcpu_destroy(&vcpu);
}

TEST(unload_and_load_again, .vmm_only = true)
{
	struct stat status;
	struct vcpu vcpu;
	struct vm vm;
	int i;

	if (access("vmm.ko", R_OK))
		test_skip("vmm.ko is not here");
	for (i = 0; i < 3; i++) {
		wait_unused();
		CHECK_ERR(stat(device_path(), &status), ENOENT);
		CHECK_ERR(unload(), ENOENT);
		CHECK_OK(load());
		CHECK_ERR(load(), EEXIST);
		CHECK_OK(stat(device_path(), &status));
		CHECK(S_ISCHR(status.st_mode));
		guest_start(&vm, &vcpu, VM_IRQCHIP, guest_sync_for_ever, 0);
		vcpu_sync(&vcpu);
		vcpu_destroy(&vcpu);
		vm_destroy(&vm);
	}
}

/* --- another hypervisor on the CPU --- */

static void set_svme(bool on)
{
	u64 efer;
	int fd = open("/dev/cpu/0/msr", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		test_skip("no /dev/cpu/0/msr");
	CHECK_EQ(pread(fd, &efer, sizeof(efer), MSR_EFER), sizeof(efer));
	CHECK_EQ(!!(efer & EFER_SVME), !on);
	efer ^= EFER_SVME;
	CHECK_EQ(pwrite(fd, &efer, sizeof(efer), MSR_EFER), sizeof(efer));
	close(fd);
}

/* As if somebody else ran guests on CPU 0; on Intel CR4.VMXE says it, which user space cannot set. */
TEST(load_refused_while_a_cpu_is_held, .vmm_only = true)
{
	int ret, error;

	if (host_is_intel())
		test_skip("not to be staged on Intel");
	if (access("vmm.ko", R_OK) || access("/dev/cpu/0/msr", W_OK))
		test_skip("vmm.ko or /dev/cpu/0/msr is not here");
	wait_unused();
	set_svme(true);
	ret = load();
	error = errno;
	set_svme(false);
	CHECK_OK(load());
	CHECK(ret < 0);
	CHECK_EQ(error, EBUSY);
}

TEST(vm_refused_while_a_cpu_is_held, .vmm_only = true)
{
	int dev, vm, error;

	if (host_is_intel() || access("/dev/cpu/0/msr", W_OK))
		test_skip("not to be staged here");
	dev = device_open();
	set_svme(true);
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	error = errno;
	set_svme(false);
	CHECK(vm < 0);
	CHECK_EQ(error, EBUSY);
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	CHECK(vm >= 0);
}
