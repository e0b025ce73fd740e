/* A virtual machine in 40 lines: sixteen-bit code that writes to a serial port and halts. */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static const unsigned char code[] = {
	0xba, 0xf8, 0x03, /* mov $0x3f8, %dx */
	0xb0, 'h',  0xee, /* mov $'h', %al; out %al, (%dx) */
	0xb0, 'i',  0xee, 0xb0, '\n', 0xee, 0xf4, /* ...; hlt */
};

int main(int argc, char **argv)
{
	int dev = open(argc > 1 ? argv[1] : "/dev/vmm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(dev, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region slot = { .memory_size = 4096,
						    .userspace_addr = (__u64)ram };
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;

	if (vcpu < 0)
		err(1, "no virtual machine");
	memcpy(ram, code, sizeof(code));
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) ||
	    ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "setting up");
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		err(1, "setting registers");
	while (!ioctl(vcpu, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_IO)
		putchar(*((char *)run + run->io.data_offset));
	return run->exit_reason == KVM_EXIT_HLT ? 0 : 1;
}
