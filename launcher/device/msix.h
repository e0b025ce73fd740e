/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI function's MSI-X capability, table and pending bits (PCI 3.0, 6.8.2). An unmasked vector is an
 * eventfd that the hypervisor turns into the message; a masked one collects in the pending bits.
 */
#ifndef LAUNCHER_DEVICE_MSIX_H
#define LAUNCHER_DEVICE_MSIX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/bus.h"
#include "device/pci.h"

#define MSIX_MAX_VECTORS 64
#define MSIX_TABLE_SIZE (MSIX_MAX_VECTORS * PCI_MSIX_ENTRY_SIZE)
#define MSIX_PBA_SIZE (MSIX_MAX_VECTORS / 8)

/* A way to send messages. Whoever provides it fills fd and gsi at the first connect. */
struct msi_vector {
	int fd; /* eventfd: a write sends the message; -1: not connected yet */
	uint32_t gsi;
	uint64_t address;
	uint32_t data;
};

struct msi_router {
	/* Makes the vector send this message from now on; -1 when it cannot. */
	int (*connect)(struct msi_router *router, struct msi_vector *vector, uint64_t address,
		       uint32_t data);
	void (*disconnect)(struct msi_router *router, struct msi_vector *vector);
};

struct msix_entry {
	uint64_t address;
	uint32_t data;
	uint32_t control;
};

struct msix {
	pthread_mutex_t
		lock; /* protects all that follows; taken after the host's and the device's */
	struct msi_router *router;
	unsigned int count;
	unsigned int capability; /* its offset in configuration space */
	bool enabled, masked; /* the function's bits */
	uint64_t pending;
	struct msix_entry *table;
	struct msi_vector *vectors;
};

/*
 * count vectors, table and pending bits in a BAR at these offsets. The device passes writes to its
 * configuration space on.
 */
int msix_init(struct msix *msix, struct pci_device *pci, struct msi_router *router,
	      unsigned int count, unsigned int bar, uint32_t table, uint32_t pba);
void msix_destroy(struct msix *msix);
void msix_config_written(struct msix *msix, const struct pci_device *pci);

bool msix_enabled(struct msix *msix);
/* A vector that does not exist is ignored: the guest chooses it. */
void msix_signal(struct msix *msix, unsigned int vector);
/* As after power-on, but for the function's bits. */
void msix_forget_pending(struct msix *msix);

uint64_t msix_table_read(struct msix *msix, uint64_t offset, unsigned int size);
void msix_table_write(struct msix *msix, uint64_t offset, unsigned int size, uint64_t value);
uint64_t msix_pba_read(struct msix *msix, uint64_t offset, unsigned int size);

#endif
