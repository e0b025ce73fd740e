// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/device.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void queue_kicked(struct worker_source *source)
{
	struct virtio_queue *queue =
		(struct virtio_queue *)((char *)source - offsetof(struct virtio_queue, kick));
	struct virtio_device *device = queue->device;
	eventfd_t count;

	eventfd_read(source->fd, &count);
	pthread_mutex_lock(&device->lock);
	if (device->active && queue->enabled)
		device->ops->handle_queue(device, queue);
	pthread_mutex_unlock(&device->lock);
}

static void reset_queue(struct virtio_queue *queue)
{
	queue->enabled = false;
	queue->vector = VIRTIO_MSI_NO_VECTOR;
	queue->layout = (struct virtq_layout){ .size = VIRTQ_MAX_SIZE };
	queue->ring = (struct virtq){ 0 };
}

static void close_queues(struct virtio_device *device)
{
	for (unsigned int i = 0; i < device->queue_count; i++)
		close(device->queues[i].kick.fd);
	free(device->queues);
}

static int open_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	queue->device = device;
	queue->kick.ready = queue_kicked;
	queue->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick.fd < 0)
		return -1;
	device->queue_count++;
	reset_queue(queue);
	return worker_add(&device->worker, &queue->kick, EPOLLIN);
}

int virtio_device_init(struct virtio_device *device, const struct virtio_ops *ops,
		       const struct memory *memory, unsigned int queues, struct error *err)
{
	*device = (struct virtio_device){
		.ops = ops,
		.memory = memory,
		.offered = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
			   VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |
			   VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
	};
	if (worker_create(&device->worker, err))
		return -1;
	device->queues = calloc(queues, sizeof(*device->queues));
	while (device->queues && device->queue_count < queues) {
		if (open_queue(device, &device->queues[device->queue_count]))
			break;
	}
	if (device->queue_count < queues) {
		error_set_errno(err, EXIT_FAILED, "a device's queues");
		close_queues(device);
		worker_destroy(&device->worker);
		return -1;
	}
	pthread_mutex_init(&device->lock, NULL);
	return 0;
}

void virtio_device_destroy(struct virtio_device *device)
{
	pthread_mutex_destroy(&device->lock);
	close_queues(device);
	worker_destroy(&device->worker);
}

void virtio_device_reset(struct virtio_device *device)
{
	device->active = false;
	if (device->ops->reset)
		device->ops->reset(device);
	for (unsigned int i = 0; i < device->queue_count; i++)
		reset_queue(&device->queues[i]);
	device->features = 0;
	device->status = 0;
}

void virtio_device_activate(struct virtio_device *device)
{
	device->active = true;
	if (device->ops->activate)
		device->ops->activate(device);
	/* Notifications that came earlier were not for anyone. */
	for (unsigned int i = 0; i < device->queue_count; i++) {
		if (device->queues[i].enabled)
			virtio_queue_kick(&device->queues[i]);
	}
}

void virtio_device_break(struct virtio_device *device)
{
	device->active = false;
	if (device->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		device->interrupt_config(device);
}

void virtio_queue_interrupt(struct virtio_queue *queue)
{
	if (virtq_needs_interrupt(&queue->ring))
		queue->device->interrupt_queue(queue->device, queue);
}

void virtio_queue_kick(struct virtio_queue *queue)
{
	/* Fails only when the counter is at its limit: then the worker will come anyway. */
	eventfd_write(queue->kick.fd, 1);
}

void virtio_queue_drain(struct virtio_queue *queue, const struct virtio_taker *taker)
{
	unsigned int left = queue->ring.size;
	enum virtq_pop pop = VIRTQ_CHAIN;

	virtq_disable_kicks(&queue->ring);
	while (left-- && pop == VIRTQ_CHAIN && queue->device->active) {
		struct virtq_chain *chain = taker->room(queue);

		if (!chain)
			return;
		pop = virtq_pop(&queue->ring, chain);
		if (pop == VIRTQ_CHAIN)
			taker->handle(queue, chain);
	}
	if (pop == VIRTQ_BROKEN)
		virtio_device_break(queue->device);
	else if (virtq_enable_kicks(&queue->ring))
		virtio_queue_kick(queue);
}
