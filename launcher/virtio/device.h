/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all virtio devices have: status, features, queues, configuration, a lock and a thread. The
 * transport (pci.c) is what the driver sees of it; a device type is a struct virtio_ops.
 */
#ifndef LAUNCHER_VIRTIO_DEVICE_H
#define LAUNCHER_VIRTIO_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "machine/memory.h"
#include "virtio/queue.h"
#include "virtio/worker.h"

#define VIRTIO_MAX_QUEUES 32
#define VIRTIO_FEATURE(bit) (1ULL << (bit))

struct virtio_device;

struct virtio_queue {
	struct virtio_device *device;
	struct worker_source kick; /* eventfd: the driver's notifications */
	struct virtq ring; /* latched when the driver enables the queue */
	struct virtq_layout layout; /* as the driver wrote it */
	uint16_t vector;
	bool enabled;
};

/* Called with the device's lock held. */
struct virtio_ops {
	uint16_t id;
	uint32_t class_code;
	/* The driver is ready: features and enabled queues are final until reset. May be NULL. */
	void (*activate)(struct virtio_device *device);
	/* When it returns, nothing that was begun touches guest memory any more. May be NULL. */
	void (*reset)(struct virtio_device *device);
	/* On the device's thread: there may be chains. */
	void (*handle_queue)(struct virtio_device *device, struct virtio_queue *queue);
	/* Bytes of the configuration were written by the driver. NULL: it is read only. */
	void (*config_written)(struct virtio_device *device, unsigned int offset, const void *data,
			       unsigned int len);
	/* After the device's thread has ended. */
	void (*destroy)(struct virtio_device *device);
};

struct virtio_device {
	const struct virtio_ops *ops;
	const struct memory *memory;
	struct worker worker;
	uint64_t offered; /* features */
	uint8_t *config; /* as the driver reads it */
	unsigned int config_size;
	unsigned int queue_count;
	struct virtio_queue *queues;
	/* The transport's. */
	void (*interrupt_queue)(struct virtio_device *device, struct virtio_queue *queue);
	void (*interrupt_config)(struct virtio_device *device);
	void *transport;

	pthread_mutex_t lock; /* protects the queues, what follows, and all of the device type's */
	bool active; /* DRIVER_OK was set and nothing broke */
	uint8_t status;
	uint8_t generation; /* of the configuration */
	uint64_t features; /* the driver's */
};

/* The configuration is the caller's and lives as long as the device. */
int virtio_device_init(struct virtio_device *device, const struct virtio_ops *ops,
		       const struct memory *memory, unsigned int queues, struct error *err);
void virtio_device_destroy(struct virtio_device *device);

static inline bool virtio_has(const struct virtio_device *device, unsigned int feature)
{
	return device->features >> feature & 1;
}

/* Everything as after power-on. */
void virtio_device_reset(struct virtio_device *device);
/* DRIVER_OK. */
void virtio_device_activate(struct virtio_device *device);
/* The driver broke a rule: the device does nothing more until it is reset (2.1.2). */
void virtio_device_break(struct virtio_device *device);
/* The driver wants to know of what was pushed, or does not. */
void virtio_queue_interrupt(struct virtio_queue *queue);
/* As if the driver had notified. Any thread, without the lock. */
void virtio_queue_kick(struct virtio_queue *queue);

/*
 * Hands chains to handle() until there are none, room() has no place for one more, or the queue's size
 * of them were handled: the rest comes with a kick of our own, so that a guest that adds as fast as
 * we take does not keep the lock for ever. After a room() that returned NULL the device kicks the
 * queue itself, once there is room.
 */
struct virtio_taker {
	struct virtq_chain *(*room)(struct virtio_queue *queue);
	void (*handle)(struct virtio_queue *queue, struct virtq_chain *chain);
};

void virtio_queue_drain(struct virtio_queue *queue, const struct virtio_taker *taker);

#endif
