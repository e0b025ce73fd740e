/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PCI bus of a machine and the devices that its config asks for. Without any there is no bus: no
 * ports, no tables, nothing for the guest to look through.
 */
#ifndef LAUNCHER_MACHINE_DEVICES_H
#define LAUNCHER_MACHINE_DEVICES_H

#include <stdbool.h>

#include "boot/acpi.h"
#include "config/config.h"
#include "device/bus.h"
#include "device/pci.h"
#include "machine/memory.h"
#include "machine/msi.h"
#include "virtio/pci.h"

struct attached {
	struct virtio_device *device;
	unsigned int slot;
	struct virtio_pci pci;
};

struct devices {
	unsigned int count, plugged;
	struct attached *attached[PCI_SLOTS];
	struct pci_host pci;
	struct msi_table msi;
	struct virtio_pci_host host;
	int vm_fd;
	struct pci_window windows[PCI_WINDOWS];
};

/* Opens what the config names. Nothing is asked of the hypervisor yet. */
int devices_create(struct devices *devices, const struct config *config,
		   const struct memory *memory, struct error *err);
/* Their threads have ended. */
void devices_destroy(struct devices *devices);

/* The bus and all devices on it; physical_bits: of a guest-physical address. */
int devices_plug(struct devices *devices, int vm_fd, uint64_t ram_size, unsigned int physical_bits,
		 struct error *err);
void devices_unplug(struct devices *devices);

/* For the machine that has them: ports other than 0xcf9, ECAM, windows. */
int devices_claim(struct devices *devices, struct bus *ports, struct bus *mmio);
void devices_fill_acpi(const struct devices *devices, struct acpi_pci *acpi);

int devices_start(struct devices *devices, struct error *err);
void devices_stop(struct devices *devices);

#endif
