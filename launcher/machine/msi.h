/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM's interrupt routing: the chips' pins, and a GSI with an irqfd for every MSI-X vector in use. */
#ifndef LAUNCHER_MACHINE_MSI_H
#define LAUNCHER_MACHINE_MSI_H

#include <linux/kvm.h>
#include <pthread.h>

#include "device/msix.h"
#include "error.h"

#define MSI_MAX_VECTORS 1024

struct msi_table {
	struct msi_router router;
	pthread_mutex_t lock; /* protects routing and used; taken last */
	int vm_fd;
	unsigned int pins; /* entries that are no messages, and come first */
	uint32_t first_gsi;
	uint64_t used[MSI_MAX_VECTORS / 64]; /* GSIs from first_gsi on */
	struct kvm_irq_routing *routing;
};

int msi_create(struct msi_table *msi, int vm_fd, struct error *err);
void msi_destroy(struct msi_table *msi);

#endif
