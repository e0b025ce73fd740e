// SPDX-License-Identifier: GPL-2.0-only
#include "machine/devices.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/disk.h"
#include "host/tap.h"
#include "machine/hypervisor.h"
#include "machine/layout.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/net.h"
#include "virtio/rng.h"

/* Fixed places by kind, so that one device more or less moves no other. */
#define SLOT_RNG 1
#define SLOT_PORTS 2
#define SLOT_NETS 8
#define SLOT_DISKS 16
#define DEFAULT_MAX_QUEUES 4

static_assert(CONFIG_MAX_PORTS == VCONSOLE_MAX_PORTS, "all of them are one device");

static int attach(struct devices *devices, struct virtio_device *device, unsigned int slot,
		  struct error *err)
{
	struct attached *attached = calloc(1, sizeof(*attached));

	if (!attached) {
		device->ops->destroy(device);
		return error_set_errno(err, EXIT_FAILED, "a device");
	}
	attached->device = device;
	attached->slot = slot;
	devices->attached[devices->count++] = attached;
	return 0;
}

static int create_disk(struct devices *devices, const struct config *config, unsigned int i,
		       const struct memory *memory, struct error *err)
{
	const struct config_disk *wanted = &config->disks[i];
	unsigned int queues = config->cpus < DEFAULT_MAX_QUEUES ? config->cpus : DEFAULT_MAX_QUEUES;
	const struct blk_settings settings = {
		.serial = wanted->serial,
		.queues = wanted->queues ? wanted->queues : queues,
		.threads = !strcmp(wanted->aio, "threads"),
	};
	struct virtio_device *device;
	struct disk disk;

	if (disk_open(&disk, "--disk", wanted->path, wanted->readonly, wanted->direct, err))
		return -1;
	device = blk_create(memory, &disk, &settings, err);
	if (!device) {
		disk_close(&disk);
		return -1;
	}
	return attach(devices, device, SLOT_DISKS + i, err);
}

static int create_rng(struct devices *devices, const struct memory *memory, struct error *err)
{
	struct virtio_device *device = rng_create(memory, err);

	return device ? attach(devices, device, SLOT_RNG, err) : -1;
}

/* Without a socket and a file a port is there, and its bytes go nowhere. */
static int open_endpoint(struct endpoint *endpoint, const struct config_port *wanted,
			 struct error *err)
{
	*endpoint = (struct endpoint){ .listener = -1, .file = -1 };
	if (*wanted->socket && *wanted->file)
		return error_set(err, EXIT_USAGE, "--port \"%s\": has a socket or a file, not both",
				 wanted->name);
	if (*wanted->socket)
		return endpoint_listen(endpoint, "--port socket", wanted->socket, err);
	if (*wanted->file)
		return endpoint_append(endpoint, "--port file", wanted->file, err);
	return 0;
}

static int create_ports(struct devices *devices, const struct config *config,
			const struct memory *memory, struct error *err)
{
	struct vconsole_port_settings ports[VCONSOLE_MAX_PORTS];
	struct virtio_device *device = NULL;
	unsigned int n = 0;

	for (; n < config->port_count; n++) {
		const struct config_port *wanted = &config->ports[n];

		ports[n].name = wanted->name;
		ports[n].console = wanted->console;
		if (open_endpoint(&ports[n].endpoint, wanted, err))
			break;
	}
	if (n == config->port_count)
		device = vconsole_create(memory, ports, n, err);
	if (device)
		return attach(devices, device, SLOT_PORTS, err);
	while (n)
		endpoint_close(&ports[--n].endpoint);
	return -1;
}

static int create_net(struct devices *devices, const struct config *config, unsigned int i,
		      const struct memory *memory, struct error *err)
{
	const struct config_net *wanted = &config->nets[i];
	struct virtio_device *device;
	uint8_t mac[NET_MAC_LEN];
	int tap;

	net_choose_mac(wanted->tap, mac);
	if (*wanted->mac && net_parse_mac(wanted->mac, mac))
		return error_set(
			err, EXIT_USAGE,
			"--net mac \"%.200s\": must be like 52:54:00:12:34:56, its first byte even",
			wanted->mac);
	tap = tap_open("--net", wanted->tap, NET_HEADER, err);
	if (tap < 0)
		return -1;
	device = net_create(memory, tap, mac, err);
	if (!device) {
		close(tap);
		return -1;
	}
	return attach(devices, device, SLOT_NETS + i, err);
}

int devices_create(struct devices *devices, const struct config *config,
		   const struct memory *memory, struct error *err)
{
	memset(devices, 0, sizeof(*devices));
	if (config->rng && create_rng(devices, memory, err))
		goto fail;
	if (config->port_count && create_ports(devices, config, memory, err))
		goto fail;
	for (unsigned int i = 0; i < config->net_count; i++) {
		if (create_net(devices, config, i, memory, err))
			goto fail;
	}
	for (unsigned int i = 0; i < config->disk_count; i++) {
		if (create_disk(devices, config, i, memory, err))
			goto fail;
	}
	return 0;

fail:
	devices_destroy(devices);
	return -1;
}

void devices_destroy(struct devices *devices)
{
	while (devices->count) {
		struct attached *attached = devices->attached[--devices->count];

		attached->device->ops->destroy(attached->device);
		free(attached);
	}
}

static struct devices *from_host(struct virtio_pci_host *host)
{
	return (struct devices *)((char *)host - offsetof(struct devices, host));
}

static int set_doorbell(struct virtio_pci_host *host, uint64_t gpa, int fd, bool on)
{
	return hypervisor_set_doorbell(from_host(host)->vm_fd, gpa, fd, on);
}

static void set_intx(struct irq_line *line)
{
	const struct devices *devices = line->owner;

	hypervisor_set_irq(devices->vm_fd, line->number, line->level);
}

/* Above RAM, if addresses reach that far. */
static void choose_windows(struct devices *devices, uint64_t ram_size, unsigned int physical_bits)
{
	uint64_t top = LAYOUT_HOLE_END + ram_size - memory_low_size(ram_size);
	uint64_t start = (top + LAYOUT_PCI_HIGH_LEN - 1) & ~(LAYOUT_PCI_HIGH_LEN - 1);

	devices->windows[PCI_WINDOW_LOW] =
		(struct pci_window){ LAYOUT_PCI_WINDOW, LAYOUT_PCI_WINDOW_LEN };
	devices->windows[PCI_WINDOW_HIGH] = (struct pci_window){ 0, 0 };
	if (physical_bits >= 64 || start + LAYOUT_PCI_HIGH_LEN <= 1ULL << physical_bits)
		devices->windows[PCI_WINDOW_HIGH] =
			(struct pci_window){ start, LAYOUT_PCI_HIGH_LEN };
}

static void create_bus(struct devices *devices)
{
	pci_host_init(&devices->pci, devices->windows);
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		devices->pci.intx[i] = (struct irq_line){ .set = set_intx,
							  .owner = devices,
							  .number = PCI_INTX_GSI + i };
	devices->host = (struct virtio_pci_host){
		.pci = &devices->pci,
		.router = &devices->msi.router,
		.set_doorbell = set_doorbell,
	};
}

static void unplug_all(struct devices *devices)
{
	while (devices->plugged)
		virtio_pci_destroy(&devices->attached[--devices->plugged]->pci);
}

int devices_plug(struct devices *devices, int vm_fd, uint64_t ram_size, unsigned int physical_bits,
		 struct error *err)
{
	if (!devices->count)
		return 0;
	devices->vm_fd = vm_fd;
	choose_windows(devices, ram_size, physical_bits);
	if (msi_create(&devices->msi, vm_fd, err))
		return -1;
	create_bus(devices);
	for (; devices->plugged < devices->count; devices->plugged++) {
		struct attached *attached = devices->attached[devices->plugged];

		if (virtio_pci_create(&attached->pci, &devices->host, attached->device,
				      attached->slot, err)) {
			devices_unplug(devices);
			return -1;
		}
	}
	return 0;
}

void devices_unplug(struct devices *devices)
{
	if (!devices->count)
		return;
	unplug_all(devices);
	pci_host_destroy(&devices->pci);
	msi_destroy(&devices->msi);
}

int devices_claim(struct devices *devices, struct bus *ports, struct bus *mmio)
{
	struct pci_host *pci = &devices->pci;
	const struct pci_window *low = &devices->windows[PCI_WINDOW_LOW];
	const struct pci_window *high = &devices->windows[PCI_WINDOW_HIGH];
	const struct bus_range address = { PCI_ADDRESS_PORT, 4, 4, &pci_address_ops, pci };
	const struct bus_range data = { PCI_DATA_PORT, 4, 4, &pci_data_ops, pci };
	const struct bus_range ecam = { LAYOUT_ECAM, PCI_ECAM_SIZE, 4, &pci_ecam_ops, pci };
	const struct bus_range first = { low->start, low->len, 4, &pci_low_window_ops, pci };
	const struct bus_range second = { high->start, high->len, 4, &pci_high_window_ops, pci };

	if (!devices->count)
		return 0;
	if (bus_claim(ports, &address) || bus_claim(ports, &data) || bus_claim(mmio, &ecam) ||
	    bus_claim(mmio, &first))
		return -1;
	return high->len ? bus_claim(mmio, &second) : 0;
}

void devices_fill_acpi(const struct devices *devices, struct acpi_pci *acpi)
{
	*acpi = (struct acpi_pci){
		.ssdt = acpi_pci_ssdt,
		.ssdt_size = acpi_pci_ssdt_size,
		.ecam = LAYOUT_ECAM,
		.high_start = devices->windows[PCI_WINDOW_HIGH].start,
		.high_len = devices->windows[PCI_WINDOW_HIGH].len,
	};
}

int devices_start(struct devices *devices, struct error *err)
{
	for (unsigned int i = 0; i < devices->count; i++) {
		if (worker_start(&devices->attached[i]->device->worker, err)) {
			devices_stop(devices);
			return -1;
		}
	}
	return 0;
}

void devices_stop(struct devices *devices)
{
	for (unsigned int i = 0; i < devices->count; i++)
		worker_stop(&devices->attached[i]->device->worker);
}
