// SPDX-License-Identifier: GPL-2.0-only
/* Who answers an access, in what pieces, and what nobody answers. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "device/bus.h"
#include "suite.h"

struct access {
	uint64_t offset, value;
	unsigned int size;
	bool write;
};

/* Remembers what reached it; reads give the offset of each byte, counted from 0x10. */
struct device {
	unsigned int count;
	struct access seen[16];
};

static struct bus bus;
static struct device narrow, wide;

static uint64_t device_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct device *device = opaque;
	uint64_t value = 0;

	device->seen[device->count++] = (struct access){ offset, 0, size, false };
	for (unsigned int i = size; i--;)
		value = value << 8 | (0x10 + offset + i);
	return value;
}

static void device_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct device *device = opaque;

	device->seen[device->count++] = (struct access){ offset, value, size, true };
}

static const struct bus_ops ops = { device_read, device_write };

static int claim(uint64_t start, uint64_t len, unsigned int width, struct device *device)
{
	return bus_claim(&bus, &(struct bus_range){ start, len, width, &ops, device });
}

static void setup(void)
{
	memset(&bus, 0, sizeof(bus));
	memset(&narrow, 0, sizeof(narrow));
	memset(&wide, 0, sizeof(wide));
	ck_assert_int_eq(claim(0x3f8, 8, 1, &narrow), 0);
	ck_assert_int_eq(claim(0x608, 4, 4, &wide), 0);
	ck_assert_int_eq(claim(0xcf9, 1, 1, &narrow), 0);
}

static void check_seen(const struct device *device, unsigned int i, bool write, uint64_t offset,
		       unsigned int size, uint64_t value)
{
	ck_assert_uint_lt(i, device->count);
	ck_assert_uint_eq(device->seen[i].write, write);
	ck_assert_uint_eq(device->seen[i].offset, offset);
	ck_assert_uint_eq(device->seen[i].size, size);
	ck_assert_uint_eq(device->seen[i].value, value);
}

START_TEST(launcher_bus_claims)
{
	ck_assert_int_eq(claim(0x3f7, 1, 1, &wide), 0);
	ck_assert_int_eq(claim(0x400, 1, 1, &wide), 0);
	ck_assert_int_eq(claim(0x3f7, 2, 1, &wide), -EEXIST);
	ck_assert_int_eq(claim(0x3ff, 1, 1, &wide), -EEXIST);
	ck_assert_int_eq(claim(0x3f0, 0x100, 1, &wide), -EEXIST);
	ck_assert_int_eq(claim(0x500, 0, 1, &wide), -EINVAL);
	ck_assert_int_eq(claim(~0ULL, 2, 1, &wide), -EINVAL);
	ck_assert_int_eq(claim(0x500, 1, 0, &wide), -EINVAL);
}
END_TEST

START_TEST(launcher_bus_full)
{
	for (uint64_t i = bus.count; i < BUS_MAX_RANGES; i++)
		ck_assert_int_eq(claim(0x1000 + 2 * i, 1, 1, &wide), 0);
	ck_assert_int_eq(claim(0x3000, 1, 1, &wide), -ENOSPC);
}
END_TEST

START_TEST(launcher_bus_unclaimed)
{
	static const uint64_t addresses[] = { 0,     0x3f7, 0x400,  0x607, 0x60c,
					      0xcf8, 0xcfa, 0xffff, ~0ULL };

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint64_t value = 0;

		bus_read(&bus, addresses[i], &value, 8);
		ck_assert_uint_eq(value, ~0ULL);
		bus_write(&bus, addresses[i], &value, 8);
	}
	ck_assert_uint_eq(narrow.count + wide.count, 0);
}
END_TEST

START_TEST(launcher_bus_bytes)
{
	uint8_t value = 0xab;

	bus_write(&bus, 0x3fd, &value, 1);
	bus_read(&bus, 0x3ff, &value, 1);
	ck_assert_uint_eq(value, 0x17);
	check_seen(&narrow, 0, true, 5, 1, 0xab);
	check_seen(&narrow, 1, false, 7, 1, 0);
}
END_TEST

/* A byte-wide device sees a wide access as bytes, low address first. */
START_TEST(launcher_bus_splits)
{
	uint32_t value = 0x44332211;

	bus_write(&bus, 0x3f9, &value, 4);
	for (unsigned int i = 0; i < 4; i++)
		check_seen(&narrow, i, true, 1 + i, 1, 0x11 * (i + 1));
	bus_read(&bus, 0x3f9, &value, 4);
	ck_assert_uint_eq(value, 0x14131211);
	ck_assert_uint_eq(narrow.count, 8);
}
END_TEST

START_TEST(launcher_bus_wide_device)
{
	uint32_t value = 0x44332211;
	uint16_t half = 0;

	bus_write(&bus, 0x608, &value, 4);
	check_seen(&wide, 0, true, 0, 4, 0x44332211);
	bus_read(&bus, 0x60a, &half, 2);
	ck_assert_uint_eq(half, 0x1312);
	check_seen(&wide, 1, false, 2, 2, 0);
	ck_assert_uint_eq(wide.count, 2);
}
END_TEST

/* Past the end of the range is nobody, even if a neighbour is there. */
START_TEST(launcher_bus_clips)
{
	uint32_t value = 0;

	ck_assert_int_eq(claim(0x400, 4, 4, &wide), 0);
	bus_read(&bus, 0x3fe, &value, 4);
	ck_assert_uint_eq(value, 0xffff1716);
	bus_write(&bus, 0x3fe, &value, 4);
	ck_assert_uint_eq(narrow.count, 4);
	ck_assert_uint_eq(wide.count, 0);
	value = 0;
	bus_read(&bus, 0x60a, &value, 4);
	ck_assert_uint_eq(value, 0xffff1312);
}
END_TEST

/* PCI's address port covers the reset port: a dword written there must not reset anything. */
START_TEST(launcher_bus_pci_is_no_reset)
{
	uint32_t value = 0x80000600;

	bus_write(&bus, 0xcf8, &value, 4);
	ck_assert_uint_eq(narrow.count, 0);
	bus_write(&bus, 0xcf9, &value, 1);
	ck_assert_uint_eq(narrow.count, 1);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_bus_claims,	launcher_bus_full,
		launcher_bus_unclaimed, launcher_bus_bytes,
		launcher_bus_splits,	launcher_bus_wide_device,
		launcher_bus_clips,	launcher_bus_pci_is_no_reset,
	};

	return SUITE_RUN("bus", setup, tests);
}
