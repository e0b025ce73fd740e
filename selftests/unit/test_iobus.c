// SPDX-License-Identifier: GPL-2.0-only
/* The bus of in-kernel PIO and MMIO ranges. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/list.h>

#include "iobus.h"

struct device {
	struct iobus_handler handler;
	u64 addr;
	int len, calls, result;
};

static struct srcu_struct srcu;
static struct iobus bus;

static int device_read(struct iobus_handler *handler, u64 addr, int len, void *data)
{
	struct device *device = list_entry(handler, struct device, handler);

	ck_assert_int_gt(srcu.readers, 0);
	device->calls++;
	device->addr = addr;
	device->len = len;
	*(u8 *)data = 0x5a;
	return device->result;
}

static int device_write(struct iobus_handler *handler, u64 addr, int len, const void *data)
{
	struct device *device = list_entry(handler, struct device, handler);

	ck_assert_int_gt(srcu.readers, 0);
	device->calls++;
	device->addr = addr;
	device->len = len;
	return device->result;
}

static const struct iobus_ops device_ops = { .read = device_read, .write = device_write };
static const struct iobus_ops write_only_ops = { .write = device_write };

static void setup(void)
{
	ck_assert_int_eq(iobus_init(&bus, &srcu), 0);
}

static void teardown(void)
{
	iobus_destroy(&bus);
	ck_assert_int_eq(srcu.readers, 0);
}

/* Did a write reach the device, and only it? */
static bool reaches(struct device *device, u64 addr, int len)
{
	u64 data = 0;
	int calls = device->calls;
	int ret = iobus_write(&bus, addr, len, &data);

	ck_assert(ret == 0 || ret == -EOPNOTSUPP);
	ck_assert_int_eq(ret == 0, device->calls > calls);
	return ret == 0;
}

START_TEST(irq_iobus_containment)
{
	struct device pic = { .handler = { &device_ops } };

	ck_assert_int_eq(iobus_register(&bus, 0x20, 2, &pic.handler), 0);
	ck_assert(reaches(&pic, 0x20, 1));
	ck_assert(reaches(&pic, 0x21, 1));
	ck_assert(reaches(&pic, 0x20, 2));
	ck_assert_uint_eq(pic.addr, 0x20);
	ck_assert_int_eq(pic.len, 2);
	ck_assert(!reaches(&pic, 0x1f, 1));
	ck_assert(!reaches(&pic, 0x22, 1));
	ck_assert(!reaches(&pic, 0x21, 2));
	ck_assert(!reaches(&pic, 0x1f, 2));
	ck_assert(!reaches(&pic, 0x20, 4));
	iobus_unregister(&bus, &pic.handler);
	ck_assert(!reaches(&pic, 0x20, 1));
}
END_TEST

START_TEST(irq_iobus_read)
{
	struct device pic = { .handler = { &device_ops } },
		      silent = { .handler = { &write_only_ops } };
	u8 data = 0;

	ck_assert_int_eq(iobus_register(&bus, 0x20, 2, &pic.handler), 0);
	ck_assert_int_eq(iobus_register(&bus, 0x40, 4, &silent.handler), 0);
	ck_assert_int_eq(iobus_read(&bus, 0x21, 1, &data), 0);
	ck_assert_uint_eq(data, 0x5a);
	ck_assert_uint_eq(pic.addr, 0x21);
	ck_assert_int_eq(iobus_read(&bus, 0x40, 1, &data), -EOPNOTSUPP);
	ck_assert(reaches(&silent, 0x40, 1));
	pic.result = -EOPNOTSUPP;
	ck_assert_int_eq(iobus_read(&bus, 0x21, 1, &data), -EOPNOTSUPP);
}
END_TEST

START_TEST(irq_iobus_any_length)
{
	struct device doorbell = { .handler = { &device_ops } };

	ck_assert_int_eq(iobus_register(&bus, 0xfe000000, 0, &doorbell.handler), 0);
	ck_assert(reaches(&doorbell, 0xfe000000, 1));
	ck_assert(reaches(&doorbell, 0xfe000000, 8));
	ck_assert(!reaches(&doorbell, 0xfe000001, 1));
	ck_assert(!reaches(&doorbell, 0xfdffffff, 4));
}
END_TEST

START_TEST(irq_iobus_overlap)
{
	struct device wide = { .handler = { &device_ops } },
		      narrow = { .handler = { &device_ops } },
		      twin = { .handler = { &device_ops } };

	ck_assert_int_eq(iobus_register(&bus, 0x1000, 0x1000, &wide.handler), 0);
	ck_assert_int_eq(iobus_register(&bus, 0x1800, 4, &narrow.handler), 0);
	ck_assert_int_eq(iobus_register(&bus, 0x3000, 4, &twin.handler), 0);
	ck_assert(reaches(&narrow, 0x1800, 4));
	ck_assert_int_eq(wide.calls, 0);
	/* Behind the narrow range, and across its end: only the wide one holds it. */
	ck_assert(reaches(&wide, 0x1804, 4));
	ck_assert(reaches(&wide, 0x1802, 4));
	ck_assert(reaches(&wide, 0x1ffc, 4));
	ck_assert(!reaches(&wide, 0x1ffd, 4));
	/* Declined by the one, taken by the other. */
	narrow.result = -EOPNOTSUPP;
	ck_assert(reaches(&wide, 0x1800, 4));
	ck_assert_int_eq(narrow.calls, 2);

	/* Two at one address: the newest first. */
	ck_assert_int_eq(iobus_register(&bus, 0x3000, 4, &narrow.handler), 0);
	ck_assert(reaches(&twin, 0x3000, 4));
	ck_assert_int_eq(narrow.calls, 3);
	/* All ranges of the handler go. */
	iobus_unregister(&bus, &narrow.handler);
	ck_assert(reaches(&twin, 0x3000, 4));
	ck_assert(reaches(&wide, 0x1800, 4));
	ck_assert_int_eq(narrow.calls, 3);
}
END_TEST

START_TEST(irq_iobus_limits)
{
	struct device device = { .handler = { &device_ops } };
	int i;

	ck_assert_int_eq(iobus_register(&bus, ~0ull, 2, &device.handler), -EINVAL);
	ck_assert_int_eq(iobus_register(&bus, ~0ull, 1, &device.handler), 0);
	ck_assert(reaches(&device, ~0ull, 1));
	ck_assert(!reaches(&device, ~0ull, 2));
	iobus_unregister(&bus, &device.handler);

	for (i = 0; i < IOBUS_MAX_RANGES; i++)
		ck_assert_int_eq(iobus_register(&bus, 7919 * i % 4001 * 8, 4, &device.handler), 0);
	ck_assert_int_eq(iobus_register(&bus, 0x100000, 4, &device.handler), -ENOSPC);
	for (i = 0; i < IOBUS_MAX_RANGES; i++)
		ck_assert(reaches(&device, 7919 * i % 4001 * 8 + 2, 2));
	/* Room is made by what is unregistered. */
	iobus_unregister(&bus, &device.handler);
	ck_assert_int_eq(iobus_register(&bus, 0x100000, 4, &device.handler), 0);
	ck_assert(reaches(&device, 0x100000, 4));
	ck_assert(!reaches(&device, 8, 4));
}
END_TEST

START_TEST(irq_iobus_waits_for_readers)
{
	struct device device = { .handler = { &device_ops } };
	unsigned int before = srcu.synchronized;

	ck_assert_int_eq(iobus_register(&bus, 0, 1, &device.handler), 0);
	ck_assert_uint_eq(srcu.synchronized, before + 1);
	iobus_unregister(&bus, &device.handler);
	ck_assert_uint_eq(srcu.synchronized, before + 2);
}
END_TEST

/* Who remembers that an address is nobody's has to hear of all that could change it. */
START_TEST(irq_iobus_claimed)
{
	struct device refusing = { .handler = { &device_ops }, .result = -EOPNOTSUPP };
	u32 additions = iobus_additions(&bus);

	ck_assert(!iobus_claimed(&bus, 0x510, 4));
	ck_assert_int_eq(iobus_register(&bus, 0x510, 4, &refusing.handler), 0);
	ck_assert_uint_ne(iobus_additions(&bus), additions);
	ck_assert(iobus_claimed(&bus, 0x510, 4));
	ck_assert(!iobus_claimed(&bus, 0x512, 4));
	ck_assert_int_eq(refusing.calls, 0);
	iobus_unregister(&bus, &refusing.handler);
	ck_assert(!iobus_claimed(&bus, 0x510, 4));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iobus");
	TCase *tcase = tcase_create("iobus");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, irq_iobus_containment);
	tcase_add_test(tcase, irq_iobus_read);
	tcase_add_test(tcase, irq_iobus_any_length);
	tcase_add_test(tcase, irq_iobus_overlap);
	tcase_add_test(tcase, irq_iobus_limits);
	tcase_add_test(tcase, irq_iobus_waits_for_readers);
	tcase_add_test(tcase, irq_iobus_claimed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
