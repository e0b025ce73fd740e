// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/rng.h"

#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#define CLASS_OTHER 0x00ff00
/* A request is answered with this much at most, whatever its size: the driver asks again. */
#define MAX_BYTES 256 /* getrandom() gives as much without interruption */

struct rng {
	struct virtio_device device;
	struct virtq_chain chain;
};

static struct rng *from_device(struct virtio_device *device)
{
	return (struct rng *)((char *)device - offsetof(struct rng, device));
}

static struct virtq_chain *room(struct virtio_queue *queue)
{
	return &from_device(queue->device)->chain;
}

static void handle_chain(struct virtio_queue *queue, struct virtq_chain *chain)
{
	uint8_t bytes[MAX_BYTES];
	size_t len = chain->writable_len < MAX_BYTES ? chain->writable_len : MAX_BYTES;
	ssize_t n = getrandom(bytes, len, 0);

	virtq_push(&queue->ring, chain->head, virtq_write(chain, 0, bytes, n < 0 ? 0 : n));
}

static const struct virtio_taker taker = { .room = room, .handle = handle_chain };

static void handle_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	(void)device;
	virtio_queue_drain(queue, &taker);
	virtio_queue_interrupt(queue);
}

static void destroy(struct virtio_device *device)
{
	virtio_device_destroy(device);
	free(from_device(device));
}

static const struct virtio_ops rng_ops = {
	.id = VIRTIO_ID_RNG,
	.class_code = CLASS_OTHER,
	.handle_queue = handle_queue,
	.destroy = destroy,
};

struct virtio_device *rng_create(const struct memory *memory, struct error *err)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	if (!rng) {
		error_set_errno(err, EXIT_FAILED, "--rng");
		return NULL;
	}
	if (virtio_device_init(&rng->device, &rng_ops, memory, 1, err)) {
		free(rng);
		return NULL;
	}
	return &rng->device;
}
