// SPDX-License-Identifier: GPL-2.0-only
/* The fuzz targets of the virtio devices, with inputs that are random but look like rings. */
#include "../fuzz/virtio_device.h"
#include "suite.h"

#define ROUNDS 3000
#define INPUT 8192

static uint8_t input[INPUT];
static uint64_t seed = 1;

static uint64_t next(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 33;
}

/* Addresses within the input and a bit beyond RAM, lengths that are small, flags that are used. */
static void make_descriptor(uint8_t *at)
{
	static const uint32_t lengths[] = { 0, 1, 8, 12, 16, 32, 512, 4096 };
	uint64_t addr = next() % 16 ? next() % INPUT & ~7ULL : next() << next() % 40;
	uint32_t len = next() % 16 ? lengths[next() % 8] : next();
	uint16_t flags = next() % 16 ? next() % 4 : next() % 8, link = next() % 10;

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &flags, 2);
	memcpy(at + 14, &link, 2);
}

static void make_input(unsigned int queues)
{
	for (unsigned int i = 0; i < INPUT; i++)
		input[i] = next() % 3 ? 0 : next();
	for (unsigned int i = 0; i < INPUT; i += next() % 4 ? 16 : 512)
		make_descriptor(input + i);
	for (unsigned int q = 0; q < queues; q++) {
		uint8_t *available = input + FUZZ_QUEUE_SPAN * q + FUZZ_AVAILABLE;

		memset(available, 0, 32);
		available[2] = next() % (FUZZ_QUEUE_SIZE + 1);
		for (unsigned int i = 0; i < FUZZ_QUEUE_SIZE; i++)
			available[4 + 2 * i] = next() % (FUZZ_QUEUE_SIZE + next() % 2);
	}
}

START_TEST(launcher_virtio_random_guest)
{
	struct virtio_device *device = fuzz_virtio_create(_i);
	unsigned int used = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		make_input(device->queue_count);
		fuzz_virtio_input(device, input, INPUT);
		for (unsigned int q = 0; q < device->queue_count; q++)
			used += fuzz_memory.host[FUZZ_QUEUE_SPAN * q + FUZZ_USED + 2];
	}
	/* It came further than the first check now and then. */
	ck_assert_uint_gt(used, ROUNDS / 20);
	device->ops->destroy(device);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_random");
	TCase *tcase = tcase_create("virtio_random");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, launcher_virtio_random_guest, 0, FUZZ_DEVICES);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
