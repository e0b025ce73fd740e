// SPDX-License-Identifier: GPL-2.0-only
/* Requests to virtio-blk, good and bad, on a file; with io_uring and with threads. */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <sys/stat.h>

#include "virtio/blk.h"
#include "virtio_driver.h"

#define SECTORS 4096
#define DISK_SIZE (SECTORS * 512)
#define HEADER 0x90000
#define STATUS 0x91000
#define IO_URING 0
#define THREADS 1

#define FEATURES                                                                     \
	(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) | \
	 VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES))

static char path[] = "/tmp/vmm-blk-XXXXXX";
static uint8_t content[DISK_SIZE];
static uint16_t requests;

static void start_disk(bool readonly, bool threads, uint64_t features)
{
	struct blk_settings settings = { .serial = "12345678901234567890",
					 .queues = 1,
					 .threads = threads };
	struct virtio_device *device;
	struct disk disk;
	struct error err;

	ck_assert_int_eq(disk_open(&disk, "--disk", path, readonly, false, &err), 0);
	device = blk_create(&driver_memory, &disk, &settings, &err);
	ck_assert_ptr_nonnull(device);
	driver_start(device, features);
}

static void setup(void)
{
	int fd = mkstemp(path);

	for (unsigned int i = 0; i < DISK_SIZE; i++)
		content[i] = i * 7 + (i >> 9);
	ck_assert_int_eq(pwrite(fd, content, DISK_SIZE, 0), DISK_SIZE);
	close(fd);
	requests = 0;
	driver_create_memory();
}

static void remove_disk(void)
{
	driver_stop();
	unlink(path);
}

static void put_header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };

	memcpy(driver_at(HEADER), &header, sizeof(header));
	*(uint8_t *)driver_at(STATUS) = 0xee;
}

/* One request with header, data and status; its status, or -1 when the device broke. */
static int request(uint32_t type, uint64_t sector, uint64_t data, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	const struct driver_buffer buffers[] = { { HEADER, 16, false },
						 { data, len, in },
						 { STATUS, 1, true } };

	put_header(type, sector);
	driver_offer(0, 0, buffers, 3);
	ck_assert(driver_wait(0, ++requests));
	return driver_broken() ? -1 : *(uint8_t *)driver_at(STATUS);
}

static void check_file(uint64_t offset, const void *data, size_t len)
{
	static uint8_t now[DISK_SIZE];
	int fd = open(path, O_RDONLY);

	ck_assert_int_eq(pread(fd, now, len, offset), (ssize_t)len);
	close(fd);
	ck_assert_mem_eq(now, data, len);
}

START_TEST(launcher_blk_read_write)
{
	start_disk(false, _i == THREADS, FEATURES);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 3, DRIVER_DATA, 8192), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(driver_at(DRIVER_DATA), content + 3 * 512, 8192);
	ck_assert_uint_eq(driver_written(0, 0), 8193);
	memset(driver_at(DRIVER_DATA), 0xa5, 512);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, SECTORS - 1, DRIVER_DATA, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(driver_written(0, 1), 1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_FLUSH, 0, DRIVER_DATA, 0), VIRTIO_BLK_S_OK);
	check_file(DISK_SIZE - 512, driver_at(DRIVER_DATA), 512);
	check_file(0, content, DISK_SIZE - 512);
	ck_assert_uint_ge(driver_interrupts, 3);
	remove_disk();
}
END_TEST

/* Past the end, across it, wrapping, no data, half a sector. */
START_TEST(launcher_blk_bounds)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = { { SECTORS, 512 },
		    { SECTORS - 1, 1024 },
		    { ~0ULL, 512 },
		    { ~0ULL >> 9, 512 },
		    { 1ULL << 55, 512 },
		    { 0, 0 },
		    { 0, 511 },
		    { 0, 513 },
		    { 0, DISK_SIZE + 512 } };

	start_disk(false, false, FEATURES);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(request(VIRTIO_BLK_T_IN, bad[i].sector, DRIVER_DATA, bad[i].len),
				 VIRTIO_BLK_S_IOERR);
		ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, bad[i].sector, DRIVER_DATA, bad[i].len),
				 VIRTIO_BLK_S_IOERR);
	}
	check_file(0, content, DISK_SIZE);
	remove_disk();
}
END_TEST

START_TEST(launcher_blk_readonly)
{
	start_disk(true, false, 0);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, DRIVER_DATA, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, DRIVER_DATA, 512), VIRTIO_BLK_S_OK);
	check_file(0, content, DISK_SIZE);
	remove_disk();
}
END_TEST

START_TEST(launcher_blk_serial)
{
	start_disk(false, false, FEATURES);
	ck_assert_int_eq(request(VIRTIO_BLK_T_GET_ID, 0, DRIVER_DATA, 20), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(driver_at(DRIVER_DATA), "12345678901234567890", 20);
	ck_assert_int_eq(request(VIRTIO_BLK_T_GET_ID, 0, DRIVER_DATA, 19), VIRTIO_BLK_S_IOERR);
	remove_disk();
}
END_TEST

/* What was not offered, not agreed on, or is no type at all. */
START_TEST(launcher_blk_unsupported)
{
	static const uint32_t types[] = { 2,
					  3,
					  5,
					  7,
					  9,
					  10,
					  12,
					  14,
					  0x80000000,
					  0xffffffff,
					  VIRTIO_BLK_T_FLUSH,
					  VIRTIO_BLK_T_DISCARD,
					  VIRTIO_BLK_T_WRITE_ZEROES };

	start_disk(false, false, 0);
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		ck_assert_int_eq(request(types[i], 0, DRIVER_DATA, 512), VIRTIO_BLK_S_UNSUPP);
	check_file(0, content, DISK_SIZE);
	remove_disk();
}
END_TEST

static int range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r = { sector, count, flags };

	memcpy(driver_at(DRIVER_DATA), &r, sizeof(r));
	return request(type, 0, DRIVER_DATA, sizeof(r));
}

START_TEST(launcher_blk_ranges)
{
	static const uint8_t zeroes[40960];

	start_disk(false, _i == THREADS, FEATURES);
	/* Whether the file system can do it itself or not. */
	ck_assert_int_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 80, 0), VIRTIO_BLK_S_OK);
	check_file(8 * 512, zeroes, sizeof(zeroes));
	check_file(88 * 512, content + 88 * 512, 4096);
	check_file(0, content, 8 * 512);
	ck_assert_int_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 1000, 400, 1), VIRTIO_BLK_S_OK);
	check_file(1000 * 512, zeroes, sizeof(zeroes));
	ck_assert_int_eq(range(VIRTIO_BLK_T_DISCARD, 2000, 0, 0), VIRTIO_BLK_S_OK);
	check_file(2000 * 512, content + 2000 * 512, 4096);
	/* Beyond the disk, wrapping, larger than allowed, flags that are none, unmap for discard. */
	ck_assert_int_eq(range(VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(range(VIRTIO_BLK_T_DISCARD, ~0ULL, 8, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 0xffffffff, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	ck_assert_int_eq(range(VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_int_eq(request(VIRTIO_BLK_T_DISCARD, 0, DRIVER_DATA, 15), VIRTIO_BLK_S_UNSUPP);
	ck_assert_int_eq(request(VIRTIO_BLK_T_DISCARD, 0, DRIVER_DATA, 32), VIRTIO_BLK_S_UNSUPP);
	check_file(0, content, 8 * 512);
	remove_disk();
}
END_TEST

/* Header, data and status may be cut anywhere (2.7.4.1: framing means nothing). */
START_TEST(launcher_blk_any_framing)
{
	const struct driver_buffer pieces[] = {
		{ HEADER, 3, false },
		{ HEADER + 3, 0, false },
		{ HEADER + 3, 13, false },
		{ DRIVER_DATA, 100, true },
		{ DRIVER_DATA + 1000, 411, true },
		{ DRIVER_DATA + 2000, 2, true },
	};

	start_disk(false, false, FEATURES);
	put_header(VIRTIO_BLK_T_IN, 5);
	driver_offer(0, 8, pieces, 6);
	ck_assert(driver_wait(0, 1));
	ck_assert_mem_eq(driver_at(DRIVER_DATA), content + 5 * 512, 100);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 1000), content + 5 * 512 + 100, 411);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 2000), content + 5 * 512 + 511, 1);
	ck_assert_uint_eq(*(uint8_t *)driver_at(DRIVER_DATA + 2001), VIRTIO_BLK_S_OK);
	remove_disk();
}
END_TEST

/* Without a whole header or a place for the status there is nobody to answer. */
START_TEST(launcher_blk_no_answer)
{
	static const struct driver_buffer bad[][2] = {
		{ { HEADER, 15, false }, { STATUS, 1, true } },
		{ { HEADER, 16, false }, { DRIVER_DATA, 512, false } },
		{ { HEADER, 16, false }, { STATUS, 0, true } },
	};

	start_disk(false, false, FEATURES);
	put_header(VIRTIO_BLK_T_IN, 0);
	driver_offer(0, 0, bad[_i], 2);
	ck_assert(driver_wait(0, 0xffff));
	ck_assert(driver_broken());
	ck_assert_uint_eq(driver_used(0)[1], 0);
	ck_assert_uint_ge(driver_interrupts, 1);
	remove_disk();
}
END_TEST

/* Twice as many requests as the device has in flight: those that wait get their turn. */
START_TEST(launcher_blk_more_than_in_flight)
{
	const uint64_t tables = 0x200000;
	struct vring_desc *desc = driver_at(driver_ring(0));

	ck_assert_uint_gt(DRIVER_QUEUE_SIZE, BLK_DEPTH);
	start_disk(false, _i == THREADS, VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	put_header(VIRTIO_BLK_T_IN, 0);
	pthread_mutex_lock(&driver_device->lock); /* until all are there */
	for (unsigned int i = 0; i < DRIVER_QUEUE_SIZE; i++) {
		const uint64_t at = tables + 64 * i, data = DRIVER_DATA + 1024 * i;
		struct vring_desc *table = driver_at(at);

		table[0] = (struct vring_desc){ HEADER, 16, VRING_DESC_F_NEXT, 1 };
		table[1] = (struct vring_desc){ data, 513, VRING_DESC_F_WRITE, 0 };
		desc[i] = (struct vring_desc){ at, 32, VRING_DESC_F_INDIRECT, 0 };
		driver_available(0)[2 + i] = i;
	}
	driver_available(0)[1] = DRIVER_QUEUE_SIZE;
	pthread_mutex_unlock(&driver_device->lock);
	virtio_queue_kick(&driver_device->queues[0]);
	ck_assert(driver_wait(0, DRIVER_QUEUE_SIZE));
	for (unsigned int i = 0; i < DRIVER_QUEUE_SIZE; i++) {
		ck_assert_mem_eq(driver_at(DRIVER_DATA + 1024 * i), content, 512);
		ck_assert_uint_eq(*(uint8_t *)driver_at(DRIVER_DATA + 1024 * i + 512), 0);
	}
	remove_disk();
}
END_TEST

/* Round after round, and a reset in the middle. */
START_TEST(launcher_blk_many_and_reset)
{
	const struct driver_buffer read[] = { { HEADER, 16, false },
					      { DRIVER_DATA, 65536, true },
					      { STATUS, 1, true } };
	unsigned int wrong = 0;

	start_disk(false, _i == THREADS, FEATURES);
	put_header(VIRTIO_BLK_T_IN, 0);
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < DRIVER_QUEUE_SIZE / 3; i++)
			driver_offer(0, 3 * i, read, 3);
		requests += DRIVER_QUEUE_SIZE / 3;
		ck_assert(driver_wait(0, requests));
		ck_assert(!driver_broken());
	}
	ck_assert_mem_eq(driver_at(DRIVER_DATA), content, 65536);
	for (unsigned int i = 0; i < DRIVER_QUEUE_SIZE / 3; i++)
		driver_offer(0, 3 * i, read, 3);
	pthread_mutex_lock(&driver_device->lock);
	virtio_device_reset(driver_device);
	pthread_mutex_unlock(&driver_device->lock);
	/* Guest memory is the guest's own again. */
	memset(driver_at(DRIVER_DATA), 0x11, 65536);
	usleep(50000);
	for (unsigned int i = 0; i < 65536; i++)
		wrong += ((uint8_t *)driver_at(DRIVER_DATA))[i] != 0x11;
	ck_assert_uint_eq(wrong, 0);
	remove_disk();
}
END_TEST

/* A file that was cut behind our back. */
START_TEST(launcher_blk_file_shrinks)
{
	start_disk(false, false, FEATURES);
	ck_assert_int_eq(truncate(path, 4096), 0);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 100, DRIVER_DATA, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 7, DRIVER_DATA, 1024), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 7, DRIVER_DATA, 512), VIRTIO_BLK_S_OK);
	remove_disk();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_blk");
	TCase *tcase = tcase_create("virtio_blk");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, launcher_blk_read_write, IO_URING, THREADS + 1);
	tcase_add_test(tcase, launcher_blk_bounds);
	tcase_add_test(tcase, launcher_blk_readonly);
	tcase_add_test(tcase, launcher_blk_serial);
	tcase_add_test(tcase, launcher_blk_unsupported);
	tcase_add_loop_test(tcase, launcher_blk_ranges, IO_URING, THREADS + 1);
	tcase_add_test(tcase, launcher_blk_any_framing);
	tcase_add_loop_test(tcase, launcher_blk_no_answer, 0, 3);
	tcase_add_loop_test(tcase, launcher_blk_more_than_in_flight, IO_URING, THREADS + 1);
	tcase_add_loop_test(tcase, launcher_blk_many_and_reset, IO_URING, THREADS + 1);
	tcase_add_test(tcase, launcher_blk_file_shrinks);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
