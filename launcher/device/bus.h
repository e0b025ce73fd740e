/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An address space that the guest reaches through exits: one bus for ports, one for MMIO.
 * Ranges are claimed while the machine is put together and never change once vCPUs run, so that
 * look-ups take no lock. Nothing there: reads give all ones and writes are dropped, as on ISA.
 */
#ifndef LAUNCHER_DEVICE_BUS_H
#define LAUNCHER_DEVICE_BUS_H

#include <stddef.h>
#include <stdint.h>

#define BUS_MAX_RANGES 32

/*
 * Called on any vCPU thread: the device locks itself. offset + size never passes the end of the
 * range.
 */
struct bus_ops {
	uint64_t (*read)(void *device, uint64_t offset, unsigned int size);
	void (*write)(void *device, uint64_t offset, unsigned int size, uint64_t value);
};

struct bus_range {
	uint64_t start;
	uint64_t len;
	/* Widest access that the device sees; wider ones come as several, low address first. */
	unsigned int width;
	const struct bus_ops *ops;
	void *device;
};

struct bus {
	unsigned int count;
	struct bus_range ranges[BUS_MAX_RANGES]; /* by start */
};

/*
 * -EINVAL for an empty or wrapping range, -EEXIST for an overlap, -ENOSPC when the table is full.
 */
int bus_claim(struct bus *bus, const struct bus_range *range);

/* size is 1 to 8. data is in guest order (little endian). */
void bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int size);
void bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int size);

#endif
