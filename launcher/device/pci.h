/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One PCI bus: the host bridge's two ways to configuration space (ports 0xcf8 and 0xcfc, ECAM), up to
 * 31 devices of one function each, and their BARs in two windows of guest-physical addresses. A BAR
 * is decoded only where it lies within a window as a whole; elsewhere it is nowhere.
 */
#ifndef LAUNCHER_DEVICE_PCI_H
#define LAUNCHER_DEVICE_PCI_H

#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/bus.h"
#include "device/irq.h"

#define PCI_SLOTS 32
#define PCI_BARS 6
#define PCI_CONFIG_SIZE 256
#define PCI_ADDRESS_PORT 0xcf8
#define PCI_DATA_PORT 0xcfc
#define PCI_ECAM_SIZE (1 << 20) /* of one bus */
/* Where slot N's BARs are before the guest moves them: N of these above the low window's start. */
#define PCI_SLOT_SPAN (1ULL << 20)
/* INTA of slot N is GSI 16 + N % 8; pci.asl says the same. */
#define PCI_INTX_GSI 16
#define PCI_INTX_LINES 8

struct pci_host;
struct pci_device;

struct pci_bar {
	uint64_t size; /* a power of two, 16 at least; 0: no such BAR */
	const struct bus_ops *ops;
	void *device;
	uint64_t address; /* where it is decoded; 0: nowhere */
};

/* Called with the host's lock held. All may be NULL. */
struct pci_device_ops {
	/* bars[bar].address changed. */
	void (*moved)(struct pci_device *pci, unsigned int bar);
	/* Before bytes are read from pci->config, and after bytes were written to it. */
	void (*before_read)(struct pci_device *pci, unsigned int offset, unsigned int size);
	void (*written)(struct pci_device *pci, unsigned int offset, unsigned int size);
};

struct pci_device {
	struct pci_host *host;
	const struct pci_device_ops *ops;
	unsigned int slot;
	unsigned int config_used; /* where the next capability goes */
	unsigned int last_capability; /* the byte that links to it */
	/* The host's lock protects these. */
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];
	struct pci_bar bars[PCI_BARS];
	/* The host's intx_lock protects these. */
	bool intx_level, intx_disabled;
};

struct pci_window {
	uint64_t start, len;
};

enum { PCI_WINDOW_LOW, PCI_WINDOW_HIGH, PCI_WINDOWS };

struct pci_host {
	pthread_mutex_t lock; /* taken before any device's own */
	struct pci_window windows[PCI_WINDOWS];
	struct pci_device *slots[PCI_SLOTS]; /* never change once vCPUs run */
	struct pci_device bridge;
	uint32_t address; /* port 0xcf8 */
	/* Bytes at 0xcf9 are not the bridge's (they reset the machine). */
	const struct bus_ops *reset_ops;
	void *reset_device;

	pthread_mutex_t intx_lock; /* taken last */
	struct irq_line intx[PCI_INTX_LINES];
	uint32_t intx_slots[PCI_INTX_LINES]; /* who asserts it */
};

struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* base class, subclass, interface */
	uint8_t revision;
	bool intx; /* has INTA */
};

/* PCI_WINDOWS of them; the high one may be empty. The caller connects intx[]. */
void pci_host_init(struct pci_host *host, const struct pci_window *windows);
void pci_host_destroy(struct pci_host *host);

void pci_device_init(struct pci_device *pci, const struct pci_identity *identity,
		     const struct pci_device_ops *ops);
/* A 64-bit memory BAR, which takes two registers. */
void pci_device_add_bar(struct pci_device *pci, unsigned int bar, uint64_t size,
			const struct bus_ops *ops, void *device);
/* len bytes with the two of the header; returns its offset, 0 when configuration space is full. */
unsigned int pci_device_add_capability(struct pci_device *pci, uint8_t id, unsigned int len);
/* Puts it into a slot and its BARs to their places. -EINVAL: no such slot; -EBUSY: taken. */
int pci_host_plug(struct pci_host *host, struct pci_device *pci, unsigned int slot);

/* The device's INTA. Callers may hold their own locks. */
void pci_device_set_intx(struct pci_device *pci, bool level);

/* Little-endian values in configuration space, for the device's own use. */
void pci_config_set(uint8_t *config, unsigned int offset, unsigned int size, uint64_t value);
uint64_t pci_config_get(const uint8_t *config, unsigned int offset, unsigned int size);

extern const struct bus_ops pci_address_ops; /* the device is the struct pci_host */
extern const struct bus_ops pci_data_ops;
extern const struct bus_ops pci_ecam_ops;
extern const struct bus_ops pci_low_window_ops;
extern const struct bus_ops pci_high_window_ops;

#endif
