// SPDX-License-Identifier: GPL-2.0-only
#include "device/pci.h"

#include <errno.h>
#include <string.h>

#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BITS 0x80fffffcu
#define COMMAND_BITS (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)
#define ECAM_REGISTERS 0xfff /* of a function */
#define RESET_OFFSET 1 /* of port 0xcf9 in the address register */

/* A bridge that no driver has quirks for. */
static const struct pci_identity bridge_identity = {
	.vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000, /* host bridge */
};

uint64_t pci_config_get(const uint8_t *config, unsigned int offset, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, config + offset, size);
	return value;
}

void pci_config_set(uint8_t *config, unsigned int offset, unsigned int size, uint64_t value)
{
	memcpy(config + offset, &value, size);
}

void pci_host_init(struct pci_host *host, const struct pci_window *windows)
{
	memset(host, 0, sizeof(*host));
	pthread_mutex_init(&host->lock, NULL);
	pthread_mutex_init(&host->intx_lock, NULL);
	memcpy(host->windows, windows, sizeof(host->windows));
	pci_device_init(&host->bridge, &bridge_identity, NULL);
	pci_host_plug(host, &host->bridge, 0);
}

void pci_host_destroy(struct pci_host *host)
{
	pthread_mutex_destroy(&host->lock);
	pthread_mutex_destroy(&host->intx_lock);
}

void pci_device_init(struct pci_device *pci, const struct pci_identity *identity,
		     const struct pci_device_ops *ops)
{
	static const struct pci_device_ops none;

	memset(pci, 0, sizeof(*pci));
	pci->ops = ops ? ops : &none;
	pci->config_used = PCI_STD_HEADER_SIZEOF;
	pci->last_capability = PCI_CAPABILITY_LIST;
	pci_config_set(pci->config, PCI_VENDOR_ID, 2, identity->vendor);
	pci_config_set(pci->config, PCI_DEVICE_ID, 2, identity->device);
	pci_config_set(pci->config, PCI_REVISION_ID, 1, identity->revision);
	pci_config_set(pci->config, PCI_CLASS_PROG, 3, identity->class_code);
	pci_config_set(pci->config, PCI_SUBSYSTEM_VENDOR_ID, 2, identity->subsystem_vendor);
	pci_config_set(pci->config, PCI_SUBSYSTEM_ID, 2, identity->subsystem);
	pci_config_set(pci->writable, PCI_COMMAND, 2, COMMAND_BITS);
	if (identity->intx) {
		pci_config_set(pci->config, PCI_INTERRUPT_PIN, 1, 1);
		pci_config_set(pci->writable, PCI_INTERRUPT_LINE, 1, 0xff);
	}
}

void pci_device_add_bar(struct pci_device *pci, unsigned int bar, uint64_t size,
			const struct bus_ops *ops, void *device)
{
	unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * bar;

	pci->bars[bar] = (struct pci_bar){ .size = size, .ops = ops, .device = device };
	pci_config_set(pci->config, offset, 8, PCI_BASE_ADDRESS_MEM_TYPE_64);
	/* The bits below the size stay zero: that is how a guest learns the size. */
	pci_config_set(pci->writable, offset, 8, ~(size - 1));
}

unsigned int pci_device_add_capability(struct pci_device *pci, uint8_t id, unsigned int len)
{
	unsigned int offset = pci->config_used;

	if (len > PCI_CONFIG_SIZE - offset)
		return 0;
	pci->config[offset] = id;
	pci->config[pci->last_capability] = offset;
	pci->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	pci->last_capability = offset + PCI_CAP_LIST_NEXT;
	pci->config_used = (offset + len + 3) & ~3u;
	return offset;
}

/* BARs from the slot's own part of the low window, the first ones first. */
static void place_bars(struct pci_host *host, struct pci_device *pci)
{
	uint64_t at = host->windows[PCI_WINDOW_LOW].start + pci->slot * PCI_SLOT_SPAN;

	for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
		unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * bar;
		uint64_t size = pci->bars[bar].size;

		if (!size)
			continue;
		at = (at + size - 1) & ~(size - 1);
		pci_config_set(pci->config, offset, 8, at | PCI_BASE_ADDRESS_MEM_TYPE_64);
		at += size;
	}
}

int pci_host_plug(struct pci_host *host, struct pci_device *pci, unsigned int slot)
{
	if (slot >= PCI_SLOTS)
		return -EINVAL;
	if (host->slots[slot])
		return -EBUSY;
	pci->host = host;
	pci->slot = slot;
	host->slots[slot] = pci;
	place_bars(host, pci);
	return 0;
}

/* 0 for a BAR that is not decoded: off, or not within a window. */
static uint64_t bar_address(const struct pci_device *pci, unsigned int bar)
{
	uint64_t size = pci->bars[bar].size, at;

	if (!(pci->config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
		return 0;
	at = pci_config_get(pci->config, PCI_BASE_ADDRESS_0 + 4 * bar, 8) & ~(size - 1);
	for (unsigned int i = 0; i < PCI_WINDOWS; i++) {
		const struct pci_window *window = &pci->host->windows[i];

		if (at >= window->start && size <= window->len &&
		    at - window->start <= window->len - size)
			return at;
	}
	return 0;
}

static void update_bars(struct pci_device *pci)
{
	for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
		uint64_t at = pci->bars[bar].size ? bar_address(pci, bar) : 0;

		if (at == pci->bars[bar].address)
			continue;
		pci->bars[bar].address = at;
		if (pci->ops->moved)
			pci->ops->moved(pci, bar);
	}
}

/* intx_lock is held. Lines are shared: one is up while any of its devices wants it up. */
static void update_intx(struct pci_device *pci)
{
	struct pci_host *host = pci->host;
	unsigned int line = pci->slot % PCI_INTX_LINES;

	if (pci->intx_level && !pci->intx_disabled)
		host->intx_slots[line] |= 1u << pci->slot;
	else
		host->intx_slots[line] &= ~(1u << pci->slot);
	if (host->intx[line].set)
		irq_line_set(&host->intx[line], host->intx_slots[line]);
}

void pci_device_set_intx(struct pci_device *pci, bool level)
{
	pthread_mutex_lock(&pci->host->intx_lock);
	pci->intx_level = level;
	update_intx(pci);
	pthread_mutex_unlock(&pci->host->intx_lock);
}

static void update_command(struct pci_device *pci)
{
	struct pci_host *host = pci->host;

	pthread_mutex_lock(&host->intx_lock);
	pci->intx_disabled = pci_config_get(pci->config, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE;
	update_intx(pci);
	pthread_mutex_unlock(&host->intx_lock);
}

static void update_status(struct pci_device *pci)
{
	pthread_mutex_lock(&pci->host->intx_lock);
	pci->config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
	if (pci->intx_level)
		pci->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	pthread_mutex_unlock(&pci->host->intx_lock);
}

/* Devices have one function and no extended configuration space. */
static struct pci_device *find_function(struct pci_host *host, unsigned int bus,
					unsigned int function, unsigned int offset,
					unsigned int size)
{
	if (bus || function % 8 || offset >= PCI_CONFIG_SIZE || size > PCI_CONFIG_SIZE - offset)
		return NULL;
	return host->slots[function / 8 % PCI_SLOTS];
}

static uint64_t config_read(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	uint64_t value;

	if (!pci)
		return ~0ULL;
	pthread_mutex_lock(&pci->host->lock);
	if (offset <= PCI_STATUS)
		update_status(pci);
	if (pci->ops->before_read)
		pci->ops->before_read(pci, offset, size);
	value = pci_config_get(pci->config, offset, size);
	pthread_mutex_unlock(&pci->host->lock);
	return value;
}

static void config_write(struct pci_device *pci, unsigned int offset, unsigned int size,
			 uint64_t value)
{
	if (!pci)
		return;
	pthread_mutex_lock(&pci->host->lock);
	for (unsigned int i = 0; i < size; i++) {
		uint8_t mask = pci->writable[offset + i], byte = value >> 8 * i;

		pci->config[offset + i] = (pci->config[offset + i] & ~mask) | (byte & mask);
	}
	if (offset < PCI_STATUS)
		update_command(pci);
	if (offset < PCI_CARDBUS_CIS)
		update_bars(pci);
	if (pci->ops->written)
		pci->ops->written(pci, offset, size);
	pthread_mutex_unlock(&pci->host->lock);
}

/* Only dwords reach the address register (PCI 3.0, 3.2.2.3.2): bytes at 0xcf9 are another's. */
static uint64_t address_read(void *device, uint64_t offset, unsigned int size)
{
	struct pci_host *host = device;
	uint32_t address;

	if (size == 1 && offset == RESET_OFFSET && host->reset_ops)
		return host->reset_ops->read(host->reset_device, 0, 1);
	if (size != 4)
		return ~0ULL;
	pthread_mutex_lock(&host->lock);
	address = host->address;
	pthread_mutex_unlock(&host->lock);
	return address;
}

static void address_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pci_host *host = device;

	if (size == 1 && offset == RESET_OFFSET && host->reset_ops)
		host->reset_ops->write(host->reset_device, 0, 1, value);
	if (size != 4)
		return;
	pthread_mutex_lock(&host->lock);
	host->address = value & ADDRESS_BITS;
	pthread_mutex_unlock(&host->lock);
}

static struct pci_device *find_addressed(struct pci_host *host, uint64_t *offset, unsigned int size)
{
	uint32_t address;

	pthread_mutex_lock(&host->lock);
	address = host->address;
	pthread_mutex_unlock(&host->lock);
	if (!(address & ADDRESS_ENABLE))
		return NULL;
	*offset += address & 0xfc;
	return find_function(host, address >> 16 & 0xff, address >> 8 & 0xff, *offset, size);
}

static uint64_t data_read(void *device, uint64_t offset, unsigned int size)
{
	struct pci_device *pci = find_addressed(device, &offset, size);

	return config_read(pci, offset, size);
}

static void data_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pci_device *pci = find_addressed(device, &offset, size);

	config_write(pci, offset, size, value);
}

/* Bus, device, function and register in bits 20, 15, 12 and 0 up (PCI Express 5.0, 7.2.2). */
static uint64_t ecam_read(void *device, uint64_t offset, unsigned int size)
{
	unsigned int at = offset & ECAM_REGISTERS;

	return config_read(find_function(device, offset >> 20, offset >> 12 & 0xff, at, size), at,
			   size);
}

static void ecam_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int at = offset & ECAM_REGISTERS;

	config_write(find_function(device, offset >> 20, offset >> 12 & 0xff, at, size), at, size,
		     value);
}

/*
 * The BAR that has all of the access, copied: it is used without the lock, since what the device
 * does may take long. A guest that moves a BAR while another CPU uses it gets either.
 */
static bool find_bar(struct pci_host *host, uint64_t gpa, unsigned int size, struct pci_bar *found)
{
	bool hit = false;

	pthread_mutex_lock(&host->lock);
	for (unsigned int i = 0; i < PCI_SLOTS * PCI_BARS && !hit; i++) {
		const struct pci_device *pci = host->slots[i / PCI_BARS];
		const struct pci_bar *bar = pci ? &pci->bars[i % PCI_BARS] : NULL;

		if (!bar || !bar->address || gpa < bar->address)
			continue;
		hit = size <= bar->size && gpa - bar->address <= bar->size - size;
		if (hit)
			*found = *bar;
	}
	pthread_mutex_unlock(&host->lock);
	return hit;
}

static uint64_t window_read(struct pci_host *host, unsigned int window, uint64_t offset,
			    unsigned int size)
{
	uint64_t gpa = host->windows[window].start + offset;
	struct pci_bar bar;

	if (!find_bar(host, gpa, size, &bar))
		return ~0ULL;
	return bar.ops->read(bar.device, gpa - bar.address, size);
}

static void window_write(struct pci_host *host, unsigned int window, uint64_t offset,
			 unsigned int size, uint64_t value)
{
	uint64_t gpa = host->windows[window].start + offset;
	struct pci_bar bar;

	if (find_bar(host, gpa, size, &bar))
		bar.ops->write(bar.device, gpa - bar.address, size, value);
}

static uint64_t low_read(void *device, uint64_t offset, unsigned int size)
{
	return window_read(device, PCI_WINDOW_LOW, offset, size);
}

static void low_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	window_write(device, PCI_WINDOW_LOW, offset, size, value);
}

static uint64_t high_read(void *device, uint64_t offset, unsigned int size)
{
	return window_read(device, PCI_WINDOW_HIGH, offset, size);
}

static void high_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	window_write(device, PCI_WINDOW_HIGH, offset, size, value);
}

const struct bus_ops pci_address_ops = { .read = address_read, .write = address_write };
const struct bus_ops pci_data_ops = { .read = data_read, .write = data_write };
const struct bus_ops pci_ecam_ops = { .read = ecam_read, .write = ecam_write };
const struct bus_ops pci_low_window_ops = { .read = low_read, .write = low_write };
const struct bus_ops pci_high_window_ops = { .read = high_read, .write = high_write };
