// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer's entry: the input is the memory of a guest with a virtio-console device. */
#include "virtio_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_device *device;

	if (!device)
		device = fuzz_virtio_create(FUZZ_CONSOLE);
	fuzz_virtio_input(device, data, size);
	return 0;
}
