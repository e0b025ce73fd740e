// SPDX-License-Identifier: GPL-2.0-only
#include "device/msix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

int msix_init(struct msix *msix, struct pci_device *pci, struct msi_router *router,
	      unsigned int count, unsigned int bar, uint32_t table, uint32_t pba)
{
	unsigned int cap = pci_device_add_capability(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	*msix = (struct msix){ .router = router, .count = count, .capability = cap };
	if (!cap || !count || count > MSIX_MAX_VECTORS)
		return -1;
	msix->table = calloc(count, sizeof(*msix->table));
	msix->vectors = calloc(count, sizeof(*msix->vectors));
	if (!msix->table || !msix->vectors) {
		free(msix->table);
		free(msix->vectors);
		return -1;
	}
	pthread_mutex_init(&msix->lock, NULL);
	for (unsigned int i = 0; i < count; i++) {
		msix->table[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		msix->vectors[i].fd = -1;
	}
	pci_config_set(pci->config, cap + PCI_MSIX_FLAGS, 2, count - 1);
	pci_config_set(pci->writable, cap + PCI_MSIX_FLAGS, 2,
		       PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE);
	pci_config_set(pci->config, cap + PCI_MSIX_TABLE, 4, table | bar);
	pci_config_set(pci->config, cap + PCI_MSIX_PBA, 4, pba | bar);
	return 0;
}

void msix_destroy(struct msix *msix)
{
	for (unsigned int i = 0; i < msix->count; i++) {
		if (msix->vectors[i].fd >= 0)
			msix->router->disconnect(msix->router, &msix->vectors[i]);
	}
	pthread_mutex_destroy(&msix->lock);
	free(msix->table);
	free(msix->vectors);
}

static bool is_masked(const struct msix *msix, unsigned int vector)
{
	return !msix->enabled || msix->masked ||
	       msix->table[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

/* The message is told to the hypervisor when it is first needed, and when it has changed. */
static bool connect_vector(struct msix *msix, unsigned int vector)
{
	const struct msix_entry *entry = &msix->table[vector];
	struct msi_vector *v = &msix->vectors[vector];

	if (v->fd >= 0 && v->address == entry->address && v->data == entry->data)
		return true;
	return !msix->router->connect(msix->router, v, entry->address, entry->data);
}

/* Sends what is pending and no longer masked. */
static void update(struct msix *msix, unsigned int vector)
{
	if (is_masked(msix, vector) || !connect_vector(msix, vector) ||
	    !(msix->pending >> vector & 1))
		return;
	msix->pending &= ~(1ULL << vector);
	eventfd_write(msix->vectors[vector].fd, 1);
}

void msix_config_written(struct msix *msix, const struct pci_device *pci)
{
	unsigned int flags = pci_config_get(pci->config, msix->capability + PCI_MSIX_FLAGS, 2);
	bool enabled = flags & PCI_MSIX_FLAGS_ENABLE, masked = flags & PCI_MSIX_FLAGS_MASKALL;

	pthread_mutex_lock(&msix->lock);
	if (enabled != msix->enabled || masked != msix->masked) {
		msix->enabled = enabled;
		msix->masked = masked;
		for (unsigned int i = 0; i < msix->count; i++)
			update(msix, i);
	}
	pthread_mutex_unlock(&msix->lock);
}

bool msix_enabled(struct msix *msix)
{
	bool enabled;

	pthread_mutex_lock(&msix->lock);
	enabled = msix->enabled;
	pthread_mutex_unlock(&msix->lock);
	return enabled;
}

void msix_signal(struct msix *msix, unsigned int vector)
{
	if (vector >= msix->count)
		return;
	pthread_mutex_lock(&msix->lock);
	msix->pending |= 1ULL << vector;
	update(msix, vector);
	pthread_mutex_unlock(&msix->lock);
}

void msix_forget_pending(struct msix *msix)
{
	pthread_mutex_lock(&msix->lock);
	msix->pending = 0;
	pthread_mutex_unlock(&msix->lock);
}

/* Accesses are dwords or quadwords, aligned (PCI 3.0, 6.8.2); the bus makes two of a quadword. */
uint64_t msix_table_read(struct msix *msix, uint64_t offset, unsigned int size)
{
	unsigned int vector = offset / PCI_MSIX_ENTRY_SIZE;
	uint32_t value;

	if (vector >= msix->count || size != 4 || offset % 4)
		return ~0ULL;
	pthread_mutex_lock(&msix->lock);
	memcpy(&value, (uint8_t *)&msix->table[vector] + offset % PCI_MSIX_ENTRY_SIZE, 4);
	pthread_mutex_unlock(&msix->lock);
	return value;
}

void msix_table_write(struct msix *msix, uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int vector = offset / PCI_MSIX_ENTRY_SIZE, at = offset % PCI_MSIX_ENTRY_SIZE;
	uint32_t word = value;

	if (vector >= msix->count || size != 4 || offset % 4)
		return;
	if (at == PCI_MSIX_ENTRY_VECTOR_CTRL)
		word &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	pthread_mutex_lock(&msix->lock);
	memcpy((uint8_t *)&msix->table[vector] + at, &word, 4);
	/* Others take effect with the unmasking: to change an unmasked entry is undefined. */
	if (at == PCI_MSIX_ENTRY_VECTOR_CTRL)
		update(msix, vector);
	pthread_mutex_unlock(&msix->lock);
}

uint64_t msix_pba_read(struct msix *msix, uint64_t offset, unsigned int size)
{
	uint64_t pending;

	if (offset >= MSIX_PBA_SIZE || size > MSIX_PBA_SIZE - offset)
		return ~0ULL;
	pthread_mutex_lock(&msix->lock);
	pending = msix->pending;
	pthread_mutex_unlock(&msix->lock);
	return pending >> offset * 8;
}
