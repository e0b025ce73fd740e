// SPDX-License-Identifier: GPL-2.0-only
#include "machine/machine.h"

#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "boot/acpi.h"
#include "boot/bzimage.h"
#include "boot/entry.h"
#include "host/file.h"
#include "machine/hypervisor.h"
#include "machine/layout.h"

#define SERIAL_PORT 0x3f8 /* COM1 */
#define SERIAL_IRQ 4

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int64_t realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static void set_irq_line(struct irq_line *line)
{
	const struct machine *machine = line->owner;

	hypervisor_set_irq(machine->vm_fd, line->number, line->level);
}

static void connect_irq(struct machine *machine, struct irq_line *line, unsigned int number)
{
	*line = (struct irq_line){ .set = set_irq_line, .owner = machine, .number = number };
}

static void request_power(struct power *power, enum power_event event)
{
	struct machine *machine =
		(struct machine *)((char *)power - offsetof(struct machine, power));

	end_set(&machine->end, event == POWER_OFF ? END_POWER_OFF : END_REBOOT);
}

static void wake_loop(void *owner)
{
	struct machine *machine = owner;

	end_wake(&machine->end);
}

static void create_devices(struct machine *machine)
{
	connect_irq(machine, &machine->serial_irq, SERIAL_IRQ);
	connect_irq(machine, &machine->rtc_irq, RTC_IRQ);
	connect_irq(machine, &machine->sci, ACPI_PM_SCI);
	machine->power.request = request_power;
	serial_init(&machine->serial, &machine->serial_irq, wake_loop, machine);
	rtc_init(&machine->rtc, &machine->rtc_irq, realtime_ns, wake_loop, machine);
	i8042_init(&machine->i8042, &machine->power);
	acpi_pm_init(&machine->acpi_pm, &machine->sci, &machine->power, monotonic_ns);
	console_init(&machine->console, &machine->serial, STDIN_FILENO, STDOUT_FILENO);
}

static int claim_ports(struct machine *machine, struct error *err)
{
	const struct bus_range ranges[] = {
		{ I8042_DATA_PORT, 1, 1, &i8042_data_ops, &machine->i8042 },
		{ I8042_COMMAND_PORT, 1, 1, &i8042_command_ops, &machine->i8042 },
		{ RTC_PORT, RTC_PORTS, 1, &rtc_bus_ops, &machine->rtc },
		{ SERIAL_PORT, SERIAL_PORTS, 1, &serial_bus_ops, &machine->serial },
		{ ACPI_PM_EVENT_PORT, ACPI_PM_EVENT_LEN, 4, &acpi_pm_event_ops, &machine->acpi_pm },
		{ ACPI_PM_CONTROL_PORT, ACPI_PM_CONTROL_LEN, 2, &acpi_pm_control_ops,
		  &machine->acpi_pm },
		{ ACPI_PM_TIMER_PORT, ACPI_PM_TIMER_LEN, 4, &acpi_pm_timer_ops, &machine->acpi_pm },
	};
	const struct bus_range reset = { ACPI_RESET_PORT, 1, 1, &acpi_reset_ops,
					 &machine->acpi_pm };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (bus_claim(&machine->ports, &ranges[i]))
			return error_set(err, EXIT_FAILED, "port %#llx is claimed twice",
					 (unsigned long long)ranges[i].start);
	}
	/* PCI's address register is around the reset port. */
	machine->devices.pci.reset_ops = reset.ops;
	machine->devices.pci.reset_device = reset.device;
	if (machine->devices.count ?
		    devices_claim(&machine->devices, &machine->ports, &machine->mmio) :
		    bus_claim(&machine->ports, &reset))
		return error_set(err, EXIT_FAILED, "an address of PCI is claimed twice");
	return 0;
}

static int load_acpi(struct machine *machine, struct error *err)
{
	struct acpi_pci pci;
	const struct acpi_request request = {
		.pci = machine->devices.count ? &pci : NULL,
		.cpus = machine->config->cpus,
		.dsdt = acpi_dsdt,
		.dsdt_size = acpi_dsdt_size,
	};
	size_t size = LAYOUT_HIGH_RAM - LAYOUT_ACPI;

	devices_fill_acpi(&machine->devices, &pci);
	if (!acpi_build(memory_at(&machine->memory, LAYOUT_ACPI, size), size, LAYOUT_ACPI,
			&request))
		return error_set(err, EXIT_FAILED, "the ACPI tables do not fit below 1 MiB");
	return 0;
}

static int load_kernel(struct machine *machine, const struct file *kernel,
		       const struct file *initrd, uint64_t *entry, struct error *err)
{
	const struct bzimage_request request = {
		.kernel = kernel,
		.initrd = initrd,
		.command_line = machine->config->append,
		.rsdp = LAYOUT_ACPI,
	};

	return bzimage_load(&machine->memory, &request, entry, err);
}

/* The guest's memory as firmware and boot loader would leave it. */
static int load_guest(struct machine *machine, uint64_t *entry, struct error *err)
{
	const char *initrd_path = machine->config->initrd;
	struct file kernel, initrd;
	int rc = -1;

	if (file_open(&kernel, "--kernel", machine->config->kernel, err))
		return -1;
	if (initrd_path && file_open(&initrd, "--initrd", initrd_path, err))
		goto close_kernel;
	if (!load_kernel(machine, &kernel, initrd_path ? &initrd : NULL, entry, err)) {
		entry_prepare_memory(&machine->memory);
		rc = 0;
	}
	if (initrd_path)
		file_close(&initrd);
close_kernel:
	file_close(&kernel);
	return rc;
}

static void destroy_vcpus(struct machine *machine)
{
	while (machine->vcpu_count)
		vcpu_destroy(&machine->vcpus[--machine->vcpu_count]);
	free(machine->vcpus);
	machine->vcpus = NULL;
}

static int set_cpuid(struct machine *machine, const struct cpuid_table *supported,
		     struct error *err)
{
	struct cpuid_place place = {
		.cpus = machine->config->cpus,
		.tsc_deadline =
			ioctl(machine->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	int khz = ioctl(machine->vcpus[0].fd, KVM_GET_TSC_KHZ, 0);

	place.tsc_khz = khz > 0 ? khz : 0;
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		struct cpuid_table table = *supported;

		place.cpu = i;
		cpuid_place_vcpu(&table, &place);
		if (vcpu_set_cpuid(&machine->vcpus[i], &table, err))
			return -1;
	}
	return 0;
}

static int create_vcpus(struct machine *machine, const struct cpuid_table *supported,
			uint64_t entry, struct error *err)
{
	struct vcpu_request request = {
		.kvm_fd = machine->kvm_fd,
		.vm_fd = machine->vm_fd,
		.ports = &machine->ports,
		.mmio = &machine->mmio,
		.end = &machine->end,
	};

	if (hypervisor_run_size(machine->kvm_fd, &request.run_size, err))
		return -1;
	machine->vcpus = calloc(machine->config->cpus, sizeof(*machine->vcpus));
	if (!machine->vcpus)
		return error_set_errno(err, EXIT_FAILED, "--cpus");
	for (; request.index < machine->config->cpus; request.index++) {
		if (vcpu_create(&machine->vcpus[request.index], &request, err))
			goto fail;
		machine->vcpu_count++;
	}
	if (set_cpuid(machine, supported, err) ||
	    vcpu_set_boot_state(&machine->vcpus[0], entry, err))
		goto fail;
	return 0;

fail:
	destroy_vcpus(machine);
	return -1;
}

/* What RAM needs of the guest-physical address space must be within the processor's reach. */
static int check_memory_size(const struct config *config, const struct cpuid_table *supported,
			     struct error *err)
{
	unsigned int bits = cpuid_physical_bits(supported);
	uint64_t top = memory_low_size(config->memory) < config->memory ?
			       config->memory + (LAYOUT_HOLE_END - LAYOUT_HOLE) :
			       config->memory;

	if (bits < 64 && top > 1ULL << bits)
		return error_set(err, EXIT_USAGE,
				 "--memory: guests have %u address bits here, enough for %lluG",
				 bits, (1ULL << bits >> 30) - 1);
	return 0;
}

/* The VM's memory, devices and CPUs, in a VM that has its interrupt controllers. */
static int populate_vm(struct machine *machine, uint64_t entry, struct error *err)
{
	struct cpuid_table supported;

	if (hypervisor_get_cpuid(machine->kvm_fd, &supported, err) ||
	    check_memory_size(machine->config, &supported, err) ||
	    memory_attach(&machine->memory, machine->vm_fd, err) ||
	    devices_plug(&machine->devices, machine->vm_fd, machine->memory.size,
			 cpuid_physical_bits(&supported), err))
		return -1;
	if (claim_ports(machine, err) || load_acpi(machine, err) ||
	    create_vcpus(machine, &supported, entry, err)) {
		devices_unplug(&machine->devices);
		return -1;
	}
	return 0;
}

int machine_create(struct machine *machine, const struct config *config, struct error *err)
{
	uint64_t entry;

	memset(machine, 0, sizeof(*machine));
	machine->config = config;
	machine->end.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->end.wake_fd < 0)
		return error_set_errno(err, EXIT_FAILED, "eventfd");
	if (memory_create(&machine->memory, config->memory, err))
		goto close_wake;
	/* The files first: most mistakes are in them, and nothing was asked of the kernel yet. */
	if (load_guest(machine, &entry, err) ||
	    devices_create(&machine->devices, config, &machine->memory, err))
		goto destroy_memory;
	machine->kvm_fd = hypervisor_open(config->device, config->cpus, err);
	if (machine->kvm_fd < 0)
		goto destroy_devices;
	machine->vm_fd = hypervisor_create_vm(machine->kvm_fd, err);
	if (machine->vm_fd < 0)
		goto close_device;
	create_devices(machine);
	if (populate_vm(machine, entry, err))
		goto close_vm;
	return 0;

close_vm:
	close(machine->vm_fd);
close_device:
	close(machine->kvm_fd);
destroy_devices:
	devices_destroy(&machine->devices);
destroy_memory:
	memory_destroy(&machine->memory);
close_wake:
	close(machine->end.wake_fd);
	return -1;
}

void machine_destroy(struct machine *machine)
{
	destroy_vcpus(machine);
	devices_unplug(&machine->devices);
	devices_destroy(&machine->devices);
	close(machine->vm_fd);
	close(machine->kvm_fd);
	memory_destroy(&machine->memory);
	close(machine->end.wake_fd);
}
