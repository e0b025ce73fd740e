// SPDX-License-Identifier: GPL-2.0-only
#include "machine/hypervisor.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/file.h"
#include "machine/layout.h"

#define PIC_PINS 8
#define IOAPIC_PINS HYPERVISOR_PINS
#define PIT_IRQ 0
#define PIT_GSI 2 /* what the MADT's interrupt source override says */
#define CASCADE_IRQ 2

static const struct {
	int capability;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH" },
};

static int check_device(int fd, const char *path, uint64_t cpus, struct error *err)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0), max;

	if (version < 0)
		return error_set(err, EXIT_USAGE,
				 "--device \"%.200s\": does not speak the KVM interface", path);
	if (version != KVM_API_VERSION)
		return error_set(
			err, EXIT_USAGE,
			"--device \"%.200s\": speaks version %d of the KVM interface, not %d", path,
			version, KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].capability) <= 0)
			return error_set(err, EXIT_FAILED, "--device \"%.200s\": %s is missing",
					 path, needed[i].name);
	}
	max = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (max > 0 && cpus > (uint64_t)max)
		return error_set(err, EXIT_USAGE, "--cpus \"%llu\": \"%.200s\" allows %d at most",
				 (unsigned long long)cpus, path, max);
	return 0;
}

int hypervisor_open(const char *path, uint64_t cpus, struct error *err)
{
	int fd = file_open_device("--device", path, err);

	if (fd < 0)
		return -1;
	if (check_device(fd, path, cpus, err)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Only KVM on old Intel CPUs uses these pages, but it wants to know of them before the first vCPU.
 */
static int set_private_pages(int kvm_fd, int vm_fd, struct error *err)
{
	uint64_t identity = LAYOUT_IDENTITY_MAP;

	if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0 &&
	    ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0 &&
	    ioctl(vm_fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_SET_TSS_ADDR");
	return 0;
}

static void add_route(struct kvm_irq_routing *routing, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	routing->entries[routing->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/*
 * ISA interrupts reach the PICs and the IOAPIC, as on a PC; the timer's is IOAPIC pin 2, for pin 0
 * is the PICs' output there.
 */
void hypervisor_route_pins(struct kvm_irq_routing *routing)
{
	for (uint32_t irq = 0; irq < IOAPIC_PINS; irq++) {
		if (irq == CASCADE_IRQ)
			continue;
		if (irq < PIC_PINS)
			add_route(routing, irq, KVM_IRQCHIP_PIC_MASTER, irq);
		else if (irq < 2 * PIC_PINS)
			add_route(routing, irq, KVM_IRQCHIP_PIC_SLAVE, irq - PIC_PINS);
		add_route(routing, irq, KVM_IRQCHIP_IOAPIC, irq == PIT_IRQ ? PIT_GSI : irq);
	}
}

static int set_routing(int vm_fd, struct error *err)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[HYPERVISOR_PIN_ROUTES];
	} routing = { 0 };

	hypervisor_route_pins(&routing.head);
	if (ioctl(vm_fd, KVM_SET_GSI_ROUTING, &routing) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_SET_GSI_ROUTING");
	return 0;
}

static int create_chips(int vm_fd, struct error *err)
{
	/* The PIT's gate and output are in port 0x61, which the hypervisor answers too. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_CREATE_PIT2");
	return set_routing(vm_fd, err);
}

int hypervisor_create_vm(int kvm_fd, struct error *err)
{
	int fd = ioctl(kvm_fd, KVM_CREATE_VM, 0UL);

	if (fd < 0)
		return error_set_errno(err, EXIT_FAILED, "the virtual machine cannot be created");
	if (set_private_pages(kvm_fd, fd, err) || create_chips(fd, err)) {
		close(fd);
		return -1;
	}
	return fd;
}

void hypervisor_set_irq(int vm_fd, uint32_t gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	ioctl(vm_fd, KVM_IRQ_LINE, &irq);
}

int hypervisor_set_doorbell(int vm_fd, uint64_t gpa, int fd, bool on)
{
	struct kvm_ioeventfd doorbell = {
		.addr = gpa,
		.fd = fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return ioctl(vm_fd, KVM_IOEVENTFD, &doorbell);
}

int hypervisor_run_size(int kvm_fd, size_t *size, struct error *err)
{
	int bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (bytes < (int)sizeof(struct kvm_run))
		return error_set(err, EXIT_FAILED, "KVM_GET_VCPU_MMAP_SIZE: %d is too small",
				 bytes);
	*size = bytes;
	return 0;
}

int hypervisor_get_cpuid(int kvm_fd, struct cpuid_table *table, struct error *err)
{
	/* Room for the topology leaves that are added (cpuid.c). */
	table->list = (struct kvm_cpuid2){ .nent = CPUID_MAX_ENTRIES - 6 };
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, table) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_GET_SUPPORTED_CPUID");
	return 0;
}
