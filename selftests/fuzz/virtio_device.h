/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device whose guest's memory is the fuzzer's input. fuzz_virtio_input() runs one input: rings
 * of eight entries, 256 bytes for each queue from address 0 on, what follows is whatever descriptors
 * point to. fuzz_virtio_create() makes the device once.
 */
#ifndef FUZZ_VIRTIO_DEVICE_H
#define FUZZ_VIRTIO_DEVICE_H

#include <linux/virtio_config.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/net.h"
#include "virtio/rng.h"

#define FUZZ_RAM (1 << 20)
#define FUZZ_QUEUE_SIZE 8
#define FUZZ_QUEUE_SPAN 256
#define FUZZ_AVAILABLE 128
#define FUZZ_USED 160
#define FUZZ_DISK (256 << 10)
#define FUZZ_PASSES 4

enum fuzz_device { FUZZ_BLK, FUZZ_NET, FUZZ_CONSOLE, FUZZ_RNG, FUZZ_DEVICES };

static struct memory fuzz_memory;
static int fuzz_wire = -1; /* the other end of the network */

static inline void fuzz_no_queue_interrupt(struct virtio_device *device, struct virtio_queue *queue)
{
	(void)device;
	(void)queue;
}

static inline void fuzz_no_config_interrupt(struct virtio_device *device)
{
	(void)device;
}

static inline struct virtio_device *fuzz_create_blk(struct error *err)
{
	static const struct blk_settings settings = { .serial = "fuzz", .queues = 2 };
	struct disk disk = {
		.fd = memfd_create("disk", MFD_CLOEXEC), .size = FUZZ_DISK, .block = 512, .align = 1
	};

	if (ftruncate(disk.fd, FUZZ_DISK))
		abort();
	return blk_create(&fuzz_memory, &disk, &settings, err);
}

static inline struct virtio_device *fuzz_create_net(struct error *err)
{
	static const uint8_t mac[NET_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 1 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds))
		abort();
	fuzz_wire = fds[1];
	return net_create(&fuzz_memory, fds[0], mac, err);
}

static inline struct virtio_device *fuzz_create_console(struct error *err)
{
	const struct vconsole_port_settings ports[] = {
		{ "zero", true, { .listener = -1, .file = memfd_create("port", MFD_CLOEXEC) } },
		{ "one", false, { .listener = -1, .file = -1 } },
	};

	return vconsole_create(&fuzz_memory, ports, 2, err);
}

static inline struct virtio_device *fuzz_virtio_create(enum fuzz_device which)
{
	struct virtio_device *device = NULL;
	struct error err;

	if (!fuzz_memory.host && memory_create(&fuzz_memory, FUZZ_RAM, &err))
		abort();
	switch (which) {
	case FUZZ_BLK:
		device = fuzz_create_blk(&err);
		break;
	case FUZZ_NET:
		device = fuzz_create_net(&err);
		break;
	case FUZZ_CONSOLE:
		device = fuzz_create_console(&err);
		break;
	case FUZZ_RNG:
	case FUZZ_DEVICES:
		device = rng_create(&fuzz_memory, &err);
	}
	if (!device)
		abort();
	device->interrupt_queue = fuzz_no_queue_interrupt;
	device->interrupt_config = fuzz_no_config_interrupt;
	return device;
}

/* What the device's thread would do, as long as there is something to do. */
static inline void fuzz_run_worker(struct worker *worker)
{
	struct epoll_event events[16];

	for (unsigned int pass = 0; pass < FUZZ_PASSES; pass++) {
		int n = epoll_wait(worker->epoll_fd, events, 16, 0);

		for (int i = 0; i < n; i++) {
			struct worker_source *source = events[i].data.ptr;

			source->ready(source);
		}
	}
}

static inline void fuzz_setup_queue(struct virtio_device *device, unsigned int i)
{
	const uint64_t at = FUZZ_QUEUE_SPAN * i;
	const struct virtq_layout layout = { at, at + FUZZ_AVAILABLE, at + FUZZ_USED,
					     FUZZ_QUEUE_SIZE };

	device->queues[i].enabled =
		!virtq_init(&device->queues[i].ring, &fuzz_memory, &layout, device->features);
}

static inline void fuzz_drop_frames(void)
{
	uint8_t frame[2048];

	while (fuzz_wire >= 0 && read(fuzz_wire, frame, sizeof(frame)) > 0)
		;
}

static inline void fuzz_virtio_input(struct virtio_device *device, const uint8_t *data, size_t size)
{
	if (size > FUZZ_RAM)
		size = FUZZ_RAM;
	memset(fuzz_memory.host, 0, FUZZ_RAM);
	memcpy(fuzz_memory.host, data, size);
	/* A frame for the guest, as long as the input. */
	if (fuzz_wire >= 0 && write(fuzz_wire, fuzz_memory.host, size < 4096 ? size : 4096) < 0)
		fuzz_drop_frames();
	pthread_mutex_lock(&device->lock);
	device->features = device->offered;
	device->status = VIRTIO_CONFIG_S_DRIVER_OK;
	for (unsigned int i = 0; i < device->queue_count; i++)
		fuzz_setup_queue(device, i);
	virtio_device_activate(device);
	pthread_mutex_unlock(&device->lock);
	fuzz_run_worker(&device->worker);
	pthread_mutex_lock(&device->lock);
	virtio_device_reset(device);
	pthread_mutex_unlock(&device->lock);
	fuzz_drop_frames();
}

#endif
