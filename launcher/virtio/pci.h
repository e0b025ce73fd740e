/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio over PCI (virtio 1.2, 4.1), modern only: the structures that the driver finds through
 * capabilities, all in BAR 0. Notifications are eventfds that the hypervisor writes to, interrupts
 * MSI-X vectors, or INTA for a driver that enables none.
 */
#ifndef LAUNCHER_VIRTIO_PCI_H
#define LAUNCHER_VIRTIO_PCI_H

#include <stdint.h>

#include "device/msix.h"
#include "device/pci.h"
#include "error.h"
#include "virtio/device.h"

/* What the machine does for its virtio devices. */
struct virtio_pci_host {
	struct pci_host *pci;
	struct msi_router *router;
	/* Writes to this address are writes to the eventfd from now on, or no longer. */
	int (*set_doorbell)(struct virtio_pci_host *host, uint64_t gpa, int fd, bool on);
};

struct virtio_pci {
	struct pci_device pci;
	struct msix msix;
	struct virtio_pci_host *host;
	struct virtio_device *device;
	unsigned int window; /* the capability that gives access to the BAR, 4.1.4.9 */
	/* The device's lock protects these. */
	uint32_t feature_select, driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;
	uint64_t address; /* of the BAR, 0: not decoded */
	uint64_t doorbells; /* where they are, 0: nowhere */
};

/* Puts an initialised device into a slot. */
int virtio_pci_create(struct virtio_pci *vp, struct virtio_pci_host *host,
		      struct virtio_device *device, unsigned int slot, struct error *err);
void virtio_pci_destroy(struct virtio_pci *vp);

#endif
