/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-blk (virtio 1.2, 5.2) on a raw image or a block device. */
#ifndef LAUNCHER_VIRTIO_BLK_H
#define LAUNCHER_VIRTIO_BLK_H

#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/aio.h"
#include "host/disk.h"
#include "virtio/device.h"

#define BLK_DEPTH 128 /* requests in flight */
#define BLK_MAX_QUEUES 16

struct blk_request {
	struct aio_request aio; /* first: it comes back as this */
	struct virtio_queue *queue;
	struct blk_request *next_free;
	uint32_t type;
	uint64_t done; /* bytes of the data so far */
	uint64_t offset, len; /* on the disk */
	void *bounce; /* aligned memory instead of the guest's, for direct */
	struct virtq_chain chain;
	struct iovec segments[VIRTQ_MAX_SEGMENTS]; /* of what is still to be done */
};

struct blk {
	struct virtio_device device;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct disk disk;
	struct aio aio;
	struct worker_source completion;
	/* The device's lock protects these. */
	struct blk_request *requests, *free;
	unsigned int fresh; /* requests that were used so far */
	bool waiting; /* queues wait for a free request */
};

struct blk_settings {
	const char *serial;
	unsigned int queues;
	bool threads; /* no io_uring */
};

/* On success the disk is the device's. */
struct virtio_device *blk_create(const struct memory *memory, const struct disk *disk,
				 const struct blk_settings *settings, struct error *err);

#endif
