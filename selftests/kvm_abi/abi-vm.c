// SPDX-License-Identifier: GPL-2.0-only
/* Calls of the VM: vCPUs, the interrupt controller and the order in which they may come. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define UNMAPPED ((void *)0x10)

static int bare_vm(void)
{
	return CHECK_OK(ioctl(device_open(), KVM_CREATE_VM, 0));
}

TEST(vcpu_ids)
{
	int vm = bare_vm();
	long max = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	if (max <= 0)
		max = CHECK_OK(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));
	CHECK_ERR(ioctl(vm, KVM_CREATE_VCPU, 0), EEXIST);
	CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 2));
	CHECK_ERR(ioctl(vm, KVM_CREATE_VCPU, 2), EEXIST);
	CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 1));
	CHECK_ERR(ioctl(vm, KVM_CREATE_VCPU, max), EINVAL);
	CHECK_ERR(ioctl(vm, KVM_CREATE_VCPU, 0x7fffffff), EINVAL);
	CHECK_ERR(ioctl(vm, KVM_CREATE_VCPU, -1L), EINVAL);
}

/* The APIC id is the vCPU's, the bootstrap processor is vCPU 0. */
TEST(vcpu_apic_ids)
{
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct vcpu vcpu[2];
	struct vm vm;
	u64 base;
	int i;

	vm_create(&vm, VM_IRQCHIP);
	for (i = 0; i < 2; i++) {
		vcpu_create(&vm, &vcpu[i], i * 3);
		CHECK_OK(ioctl(vcpu[i].fd, KVM_GET_LAPIC, &lapic));
		CHECK_EQ(*(u32 *)(lapic.regs + 0x20) >> 24, i * 3);
		CHECK_EQ(vcpu_get_msr(&vcpu[i], MSR_APIC_BASE, &base), 1);
		CHECK_EQ(base, 0xfee00800 | (i ? 0 : 0x100));
		CHECK_OK(ioctl(vcpu[i].fd, KVM_GET_MP_STATE, &mp));
		CHECK_EQ(mp.mp_state, i ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE);
	}
}

TEST(irqchip_once)
{
	int vm = bare_vm();

	CHECK_OK(ioctl(vm, KVM_CREATE_IRQCHIP));
	CHECK_ERR(ioctl(vm, KVM_CREATE_IRQCHIP), EEXIST);
}

TEST(irqchip_after_vcpu)
{
	int vm = bare_vm();

	CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));
	CHECK_ERR(ioctl(vm, KVM_CREATE_IRQCHIP), EINVAL);
}

TEST(pit_once_and_its_arguments)
{
	struct kvm_pit_config config = { 0 };
	int vm = bare_vm();

	CHECK_REFUSED(ioctl(bare_vm(), KVM_CREATE_PIT2, NULL));
	CHECK_OK(ioctl(vm, KVM_CREATE_IRQCHIP));
	CHECK_ERR(ioctl(vm, KVM_CREATE_PIT2, UNMAPPED), EFAULT);
	CHECK_OK(ioctl(vm, KVM_CREATE_PIT2, &config));
	CHECK_ERR(ioctl(vm, KVM_CREATE_PIT2, &config), EEXIST);
}

TEST(pit_needs_irqchip, .vmm_only = true)
{
	struct kvm_pit_config config = { 0 };

	CHECK_REFUSED(ioctl(bare_vm(), KVM_CREATE_PIT2, &config));
}

TEST(no_irqchip_no_calls)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level level = { .irq = 4, .level = 1 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
	struct kvm_lapic_state lapic;
	struct kvm_pit_state2 pit;
	int vm = bare_vm(), vcpu = CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));

	CHECK_ERR(ioctl(vm, KVM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERR(ioctl(vm, KVM_SET_IRQCHIP, &chip), ENXIO);
	CHECK_ERR(ioctl(vm, KVM_IRQ_LINE, &level), ENXIO);
	CHECK_ERR(ioctl(vm, KVM_GET_PIT2, &pit), ENXIO);
	CHECK_REFUSED(ioctl(vm, KVM_SIGNAL_MSI, &msi));
	CHECK_ERR(ioctl(vcpu, KVM_GET_LAPIC, &lapic), EINVAL);
	memset(&lapic, 0, sizeof(lapic));
	CHECK_ERR(ioctl(vcpu, KVM_SET_LAPIC, &lapic), EINVAL);
}

TEST(irqchip_ids)
{
	struct kvm_irqchip chip = { 0 };
	int vm = bare_vm();
	u32 id;

	CHECK_OK(ioctl(vm, KVM_CREATE_IRQCHIP));
	for (id = 0; id < 3; id++) {
		chip.chip_id = id;
		CHECK_OK(ioctl(vm, KVM_GET_IRQCHIP, &chip));
	}
	for (id = 3; id < 5; id++) {
		chip.chip_id = id;
		CHECK_ERR(ioctl(vm, KVM_GET_IRQCHIP, &chip), EINVAL);
		CHECK_ERR(ioctl(vm, KVM_SET_IRQCHIP, &chip), EINVAL);
	}
	chip.chip_id = 0xffffffff;
	CHECK_ERR(ioctl(vm, KVM_GET_IRQCHIP, &chip), EINVAL);
	CHECK_ERR(ioctl(vm, KVM_SET_IRQCHIP, &chip), EINVAL);
}

TEST(irq_line_arguments)
{
	struct kvm_irq_level level = { .irq = 4, .level = 1 };
	int vm = bare_vm();

	CHECK_OK(ioctl(vm, KVM_CREATE_IRQCHIP));
	CHECK_ERR(ioctl(vm, KVM_IRQ_LINE, UNMAPPED), EFAULT);
	CHECK_OK(ioctl(vm, KVM_IRQ_LINE, &level));
	level.level = 0;
	CHECK_OK(ioctl(vm, KVM_IRQ_LINE, &level));
	/* Beyond every pin: refused or no effect, never a stray access. */
	level.irq = 24;
	ioctl(vm, KVM_IRQ_LINE, &level);
	level.irq = 0xffffffff;
	ioctl(vm, KVM_IRQ_LINE, &level);
	level.irq = 0x80000000;
	ioctl(vm, KVM_IRQ_LINE, &level);
}

TEST(routing_arguments)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry[2];
	} routing = { .header.nr = 1 };
	int vm = bare_vm();

	CHECK_OK(ioctl(vm, KVM_CREATE_IRQCHIP));
	routing.entry[0] = (struct kvm_irq_routing_entry){ .gsi = 5,
							   .type = KVM_IRQ_ROUTING_MSI,
							   .u.msi = { 0xfee00000, 0, 0x41 } };
	CHECK_OK(ioctl(vm, KVM_SET_GSI_ROUTING, &routing));
	routing.entry[0].type = 99;
	CHECK_ERR(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), EINVAL);
	routing.entry[0].type = KVM_IRQ_ROUTING_IRQCHIP;
	routing.entry[0].u.irqchip.irqchip = 77;
	CHECK_ERR(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), EINVAL);
	routing.entry[0].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	routing.entry[0].u.irqchip.pin = 24;
	CHECK_ERR(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), EINVAL);
	routing.entry[0].u.irqchip.pin = 23;
	CHECK_OK(ioctl(vm, KVM_SET_GSI_ROUTING, &routing));
	routing.entry[0].gsi = 0xffffffff;
	CHECK_ERR(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), EINVAL);
	routing.header.flags = 1;
	CHECK_ERR(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), EINVAL);
	routing.header.flags = 0;
	routing.header.nr = 0xffffffff;
	CHECK_REFUSED(ioctl(vm, KVM_SET_GSI_ROUTING, &routing));
	routing.header.nr = 0;
	CHECK_OK(ioctl(vm, KVM_SET_GSI_ROUTING, &routing));
}

TEST(tss_and_identity_addresses)
{
	u64 identity = 0xfffbc000;
	int vm = bare_vm();

	CHECK_OK(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	CHECK_OK(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity));
	CHECK_ERR(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, UNMAPPED), EFAULT);
	CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));
	CHECK_ERR(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity), EINVAL);
}

TEST(pointers)
{
	static const unsigned long of_vcpu[] = {
		KVM_GET_REGS,	   KVM_SET_REGS,	KVM_GET_SREGS,	     KVM_SET_SREGS,
		KVM_GET_FPU,	   KVM_SET_FPU,		KVM_GET_MSRS,	     KVM_SET_MSRS,
		KVM_SET_CPUID2,	   KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS,
		KVM_SET_DEBUGREGS, KVM_GET_MP_STATE,	KVM_SET_MP_STATE,    KVM_GET_LAPIC,
		KVM_SET_LAPIC,
	};
	static const unsigned long of_vm[] = { KVM_SET_USER_MEMORY_REGION,
					       KVM_GET_IRQCHIP,
					       KVM_SET_IRQCHIP,
					       KVM_IRQ_LINE,
					       KVM_SIGNAL_MSI,
					       KVM_SET_GSI_ROUTING };
	void *const bad[] = { NULL,
			      UNMAPPED,
			      (void *)0x7ffffffff000,
			      (void *)0xffffffff80000000,
			      (void *)0x8000000000000000,
			      (void *)-8L };
	int vm = bare_vm(), vcpu;
	unsigned int i, j;

	CHECK_OK(ioctl(vm, KVM_CREATE_IRQCHIP));
	vcpu = CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));
	for (j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
		for (i = 0; i < sizeof(of_vcpu) / sizeof(of_vcpu[0]); i++) {
			errno = 0;
			CHECK_MSG(ioctl(vcpu, of_vcpu[i], bad[j]) < 0 && errno == EFAULT,
				  "vCPU call %#lx with %p: %s", of_vcpu[i], bad[j],
				  errno_name(errno));
		}
		for (i = 0; i < sizeof(of_vm) / sizeof(of_vm[0]); i++) {
			errno = 0;
			CHECK_MSG(ioctl(vm, of_vm[i], bad[j]) < 0 && errno == EFAULT,
				  "VM call %#lx with %p: %s", of_vm[i], bad[j], errno_name(errno));
		}
	}
}

TEST(counts)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry[3];
	} msrs = {
		.header.nmsrs = 3,
		.entry = { { .index = MSR_STAR }, { .index = 0x12345678 }, { .index = MSR_LSTAR } }
	};
	struct kvm_cpuid2 cpuid = { .nent = 0x10000 };
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	/* Stops at the first that it refuses and says how many were done. */
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_MSRS, &msrs), 1);
	CHECK_EQ(ioctl(vcpu.fd, KVM_SET_MSRS, &msrs), 1);
	msrs.header.nmsrs = 0;
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_MSRS, &msrs), 0);
	CHECK_EQ(ioctl(vcpu.fd, KVM_SET_MSRS, &msrs), 0);
	msrs.header.nmsrs = 0xffffffff;
	CHECK_ERR(ioctl(vcpu.fd, KVM_GET_MSRS, &msrs), E2BIG);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_MSRS, &msrs), E2BIG);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_CPUID2, &cpuid), E2BIG);
	cpuid.nent = 0xffffffff;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_CPUID2, &cpuid), E2BIG);
}

/* A VM belongs to the address space that made it. */
TEST(other_process)
{
	struct kvm_regs regs;
	struct vcpu vcpu;
	struct vm vm;
	int status;
	pid_t pid;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	pid = fork();
	if (!pid) {
		CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EIO);
		CHECK_ERR(ioctl(vcpu.fd, KVM_GET_REGS, &regs), EIO);
		CHECK_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1), EIO);
		CHECK_ERR(vm_set_slot(&vm, 3, 0, 0x10000000, 0x1000, vm.ram), EIO);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	vcpu_get_regs(&vcpu, &regs);
}
