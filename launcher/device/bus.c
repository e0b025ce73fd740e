// SPDX-License-Identifier: GPL-2.0-only
#include "device/bus.h"

#include <errno.h>
#include <string.h>

int bus_claim(struct bus *bus, const struct bus_range *range)
{
	unsigned int i = 0;

	if (!range->len || range->start + range->len < range->start || !range->width)
		return -EINVAL;
	if (bus->count == BUS_MAX_RANGES)
		return -ENOSPC;
	while (i < bus->count && bus->ranges[i].start < range->start)
		i++;
	if (i > 0 && bus->ranges[i - 1].start + bus->ranges[i - 1].len > range->start)
		return -EEXIST;
	if (i < bus->count && range->start + range->len > bus->ranges[i].start)
		return -EEXIST;
	memmove(&bus->ranges[i + 1], &bus->ranges[i], (bus->count - i) * sizeof(*range));
	bus->ranges[i] = *range;
	bus->count++;
	return 0;
}

static const struct bus_range *bus_find(const struct bus *bus, uint64_t addr)
{
	unsigned int low = 0, high = bus->count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;
		const struct bus_range *range = &bus->ranges[mid];

		if (addr < range->start)
			high = mid;
		else if (addr - range->start >= range->len)
			low = mid + 1;
		else
			return range;
	}
	return NULL;
}

/*
 * The first byte's address decides who answers. Bytes past the end of its range belong to nobody:
 * they must not leak into a neighbour (a dword write to PCI's 0xcf8 is no write to the reset port
 * 0xcf9).
 */
static unsigned int bus_clip(const struct bus_range *range, uint64_t addr, unsigned int size)
{
	uint64_t room = range ? range->start + range->len - addr : 0;

	return room < size ? room : size;
}

void bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int size)
{
	const struct bus_range *range = bus_find(bus, addr);
	unsigned int left = bus_clip(range, addr, size);
	unsigned char *p = data;

	memset(p + left, 0xff, size - left);
	while (left) {
		unsigned int n = left < range->width ? left : range->width;
		uint64_t value = range->ops->read(range->device, addr - range->start, n);

		memcpy(p, &value, n);
		p += n;
		addr += n;
		left -= n;
	}
}

void bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int size)
{
	const struct bus_range *range = bus_find(bus, addr);
	unsigned int left = bus_clip(range, addr, size);
	const unsigned char *p = data;

	while (left) {
		unsigned int n = left < range->width ? left : range->width;
		uint64_t value = 0;

		memcpy(&value, p, n);
		range->ops->write(range->device, addr - range->start, n, value);
		p += n;
		addr += n;
		left -= n;
	}
}
