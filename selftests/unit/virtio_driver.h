/* SPDX-License-Identifier: GPL-2.0-only */
/* A driver for unit tests: one queue's rings in a megabyte of guest memory, and the device behind it. */
#ifndef UNIT_VIRTIO_DRIVER_H
#define UNIT_VIRTIO_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"
#include "virtio/device.h"

#define DRIVER_RAM (4 << 20)
#define DRIVER_QUEUE_SIZE 256
#define DRIVER_DATA 0x100000

static struct memory driver_memory;
static struct virtio_device *driver_device;
static unsigned int driver_interrupts;

struct driver_buffer {
	uint64_t addr;
	uint32_t len;
	bool writable;
};

static inline void *driver_at(uint64_t gpa)
{
	return driver_memory.host + gpa;
}

/* Queue i's rings: descriptors, available, used, a page each. */
static inline uint64_t driver_ring(unsigned int queue)
{
	return 0x10000 + queue * 0x4000;
}

static inline uint16_t *driver_available(unsigned int queue)
{
	return driver_at(driver_ring(queue) + 0x1000);
}

static inline volatile uint16_t *driver_used(unsigned int queue)
{
	return driver_at(driver_ring(queue) + 0x2000);
}

static inline void driver_count_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	driver_interrupts++;
}

static inline void driver_count_config(struct virtio_device *device)
{
	driver_interrupts++;
}

static inline void driver_create_memory(void)
{
	struct error err;

	ck_assert_int_eq(memory_create(&driver_memory, DRIVER_RAM, &err), 0);
}

/* As the transport does it, and the device's thread runs. */
static inline void driver_start(struct virtio_device *device, uint64_t features)
{
	struct error err;

	driver_device = device;
	device->interrupt_queue = driver_count_queue;
	device->interrupt_config = driver_count_config;
	device->features = features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	ck_assert_uint_eq(device->features & ~device->offered, 0);
	ck_assert_int_eq(worker_start(&device->worker, &err), 0);
	pthread_mutex_lock(&device->lock);
	device->status = VIRTIO_CONFIG_S_DRIVER_OK;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		const struct virtq_layout layout = { driver_ring(i), driver_ring(i) + 0x1000,
						     driver_ring(i) + 0x2000, DRIVER_QUEUE_SIZE };

		ck_assert_int_eq(virtq_init(&device->queues[i].ring, &driver_memory, &layout,
					    device->features),
				 0);
		device->queues[i].enabled = true;
	}
	virtio_device_activate(device);
	pthread_mutex_unlock(&device->lock);
}

static inline void driver_stop(void)
{
	worker_stop(&driver_device->worker);
	driver_device->ops->destroy(driver_device);
}

/* Offers a chain whose first descriptor is head; the others follow it. */
static inline void driver_offer(unsigned int queue, uint16_t head, const struct driver_buffer *b,
				unsigned int n)
{
	struct vring_desc *desc = driver_at(driver_ring(queue));
	uint16_t *available = driver_available(queue);

	for (unsigned int i = 0; i < n; i++)
		desc[head + i] = (struct vring_desc){ b[i].addr, b[i].len,
						      (b[i].writable ? VRING_DESC_F_WRITE : 0) |
							      (i + 1 < n ? VRING_DESC_F_NEXT : 0),
						      head + i + 1 };
	available[2 + available[1] % DRIVER_QUEUE_SIZE] = head;
	__atomic_store_n(&available[1], available[1] + 1, __ATOMIC_RELEASE);
	virtio_queue_kick(&driver_device->queues[queue]);
}

static inline bool driver_broken(void)
{
	bool broken;

	pthread_mutex_lock(&driver_device->lock);
	broken = driver_device->status & VIRTIO_CONFIG_S_NEEDS_RESET;
	pthread_mutex_unlock(&driver_device->lock);
	return broken;
}

/* Until that many chains were given back, or the device broke. False after ten seconds. */
static inline bool driver_wait(unsigned int queue, uint16_t used)
{
	for (unsigned int i = 0; i < 100000; i++) {
		if (driver_used(queue)[1] == used || driver_broken())
			return true;
		usleep(100);
	}
	return false;
}

/* Bytes written to the i-th chain that came back. */
static inline uint32_t driver_written(unsigned int queue, unsigned int i)
{
	const struct vring_used *used = driver_at(driver_ring(queue) + 0x2000);

	return used->ring[i % DRIVER_QUEUE_SIZE].len;
}

#endif
