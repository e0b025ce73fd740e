// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#define CLASS_COMMUNICATION 0x078000
#define CONTROL_IN 2 /* queues: port 0 has the two before, the others have those after */
#define CONTROL_OUT 3
#define MAX_NAME 64

/* Control messages that a port still has to send, in this order. */
enum {
	SEND_ADD = 1 << 0,
	SEND_CONSOLE = 1 << 1,
	SEND_NAME = 1 << 2,
	SEND_OPEN = 1 << 3,
	SEND_LAST = SEND_OPEN,
};

struct vconsole;

/* The device's lock protects all of it. */
struct port {
	struct vconsole *console;
	unsigned int id;
	char name[MAX_NAME];
	bool is_console;
	struct endpoint endpoint;
	struct worker_source listener, peer; /* peer.fd: -1, nobody is connected */
	uint32_t watched; /* epoll's events for the peer */
	bool guest_open;
	unsigned int to_send;
	/* What the guest writes and the peer has not taken yet. */
	bool stalled;
	size_t written;
	struct virtq_chain out;
	/* A buffer of the guest's that was taken and waits for bytes. */
	bool have_in;
	struct virtq_chain in;
};

struct vconsole {
	struct virtio_device device;
	struct virtio_console_config config;
	struct virtq_chain chain; /* of the other queues */
	unsigned int count;
	struct port ports[];
};

static struct vconsole *from_device(struct virtio_device *device)
{
	return (struct vconsole *)((char *)device - offsetof(struct vconsole, device));
}

static struct virtio_queue *queue_in(const struct port *port)
{
	return &port->console->device.queues[port->id ? 2 + 2 * port->id : 0];
}

static struct virtio_queue *queue_out(const struct port *port)
{
	return queue_in(port) + 1;
}

static bool is_connected(const struct port *port)
{
	return port->peer.fd >= 0 || port->endpoint.file >= 0;
}

/*
 * A peer is watched only for what can be done: one that hangs up while nobody reads it would wake us
 * for ever.
 */
static void watch_peer(struct port *port, uint32_t events)
{
	struct worker *worker = &port->console->device.worker;

	if (port->peer.fd < 0 || events == port->watched)
		return;
	if (!port->watched)
		worker_add(worker, &port->peer, events);
	else if (!events)
		worker_remove(worker, &port->peer);
	else
		worker_change(worker, &port->peer, events);
	port->watched = events;
}

/* The control message for the first of the port's bits. */
static void send_control(struct port *port, struct virtio_queue *queue,
			 const struct virtq_chain *chain)
{
	static const uint16_t events[] = { VIRTIO_CONSOLE_PORT_ADD, VIRTIO_CONSOLE_CONSOLE_PORT,
					   VIRTIO_CONSOLE_PORT_NAME, VIRTIO_CONSOLE_PORT_OPEN };
	unsigned int which = __builtin_ctz(port->to_send);
	struct virtio_console_control message = { .id = port->id, .event = events[which] };
	size_t len;

	port->to_send &= ~(1u << which);
	message.value = 1u << which == SEND_OPEN ? is_connected(port) : 1;
	len = virtq_write(chain, 0, &message, sizeof(message));
	if (1u << which == SEND_NAME)
		len += virtq_write(chain, len, port->name, strlen(port->name));
	virtq_push(&queue->ring, chain->head, len);
}

static void send_controls(struct vconsole *console)
{
	struct virtio_queue *queue = &console->device.queues[CONTROL_IN];
	enum virtq_pop pop = VIRTQ_CHAIN;

	if (!queue->enabled || !virtio_has(&console->device, VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	for (unsigned int i = 0; i < console->count && pop == VIRTQ_CHAIN;) {
		if (!console->ports[i].to_send) {
			i++;
			continue;
		}
		pop = virtq_pop(&queue->ring, &console->chain);
		if (pop == VIRTQ_CHAIN)
			send_control(&console->ports[i], queue, &console->chain);
	}
	if (pop == VIRTQ_BROKEN)
		virtio_device_break(&console->device);
	/* More buffers come with a notification, and bits that are left wait for it. */
	else if (pop == VIRTQ_EMPTY && virtq_enable_kicks(&queue->ring))
		virtio_queue_kick(queue);
	virtio_queue_interrupt(queue);
}

static void listen_for_peer(struct port *port, bool on)
{
	if (port->endpoint.listener >= 0)
		worker_change(&port->console->device.worker, &port->listener, on ? EPOLLIN : 0);
}

static void disconnect(struct port *port)
{
	watch_peer(port, 0);
	close(port->peer.fd);
	port->peer.fd = -1;
	listen_for_peer(port, true);
	port->to_send |= SEND_OPEN;
}

/* Returns false when the receiver has no room. One that is gone takes everything. */
static bool write_out(struct port *port)
{
	int fd = port->peer.fd >= 0 ? port->peer.fd : port->endpoint.file;
	struct iovec slice[VIRTQ_MAX_SEGMENTS];

	while (fd >= 0 && port->written < port->out.readable_len) {
		unsigned int n = virtq_slice(port->out.segments, port->out.readable, port->written,
					     port->out.readable_len, slice);
		ssize_t len = writev(fd, slice, n);

		if (len > 0) {
			port->written += len;
		} else if (len < 0 && errno == EAGAIN) {
			return false;
		} else if (len == 0 || errno != EINTR) {
			if (port->peer.fd >= 0)
				disconnect(port);
			break;
		}
	}
	return true;
}

static struct port *port_of(struct virtio_queue *queue)
{
	struct vconsole *console = from_device(queue->device);
	unsigned int i = queue - queue->device->queues;

	return &console->ports[i < 2 ? 0 : i / 2 - 1];
}

static struct virtq_chain *out_room(struct virtio_queue *queue)
{
	struct port *port = port_of(queue);

	return port->stalled ? NULL : &port->out;
}

static void finish_out(struct port *port)
{
	virtq_push(&queue_out(port)->ring, port->out.head, 0);
}

static void handle_out(struct virtio_queue *queue, struct virtq_chain *chain)
{
	struct port *port = port_of(queue);

	(void)chain;
	port->written = 0;
	port->stalled = !write_out(port);
	if (!port->stalled)
		finish_out(port);
}

static bool take_in(struct port *port)
{
	enum virtq_pop pop;

	if (port->have_in)
		return true;
	pop = virtq_pop(&queue_in(port)->ring, &port->in);
	if (pop == VIRTQ_BROKEN)
		virtio_device_break(&port->console->device);
	port->have_in = pop == VIRTQ_CHAIN;
	return port->have_in;
}

/* One buffer of what the peer sent. Returns false when there is no buffer, or there are no bytes. */
static bool receive(struct port *port)
{
	const struct iovec *to;
	ssize_t len;

	if (port->peer.fd < 0 || !port->guest_open || !take_in(port))
		return false;
	to = port->in.segments + port->in.readable;
	len = readv(port->peer.fd, to, port->in.writable);
	if (len > 0) {
		virtq_push(&queue_in(port)->ring, port->in.head, len);
		port->have_in = false;
	} else if (!len || (errno != EAGAIN && errno != EINTR)) {
		disconnect(port);
	}
	return len > 0;
}

/* Both directions of a port, as far as they go now, and then what there is to wait for. */
static void run_port(struct port *port)
{
	struct vconsole *console = port->console;
	struct virtio_queue *in = queue_in(port), *out = queue_out(port);
	unsigned int left = VIRTQ_MAX_SIZE;

	if (!console->device.active)
		return;
	while (left-- && receive(port))
		;
	/* After that: a peer that turns out to be gone holds nothing up. */
	if (port->stalled && write_out(port)) {
		port->stalled = false;
		finish_out(port);
		virtio_queue_kick(out);
	}
	/* Without a buffer its notification is awaited instead. */
	if (!port->have_in && in->enabled && virtq_enable_kicks(&in->ring))
		virtio_queue_kick(in);
	watch_peer(port, (port->guest_open && port->have_in ? EPOLLIN : 0) |
				 (port->stalled ? EPOLLOUT : 0));
	virtio_queue_interrupt(in);
	virtio_queue_interrupt(out);
	send_controls(console);
}

static void peer_ready(struct worker_source *source)
{
	struct port *port = (struct port *)((char *)source - offsetof(struct port, peer));

	pthread_mutex_lock(&port->console->device.lock);
	if (source->fd >= 0)
		run_port(port);
	pthread_mutex_unlock(&port->console->device.lock);
}

static void listener_ready(struct worker_source *source)
{
	struct port *port = (struct port *)((char *)source - offsetof(struct port, listener));

	pthread_mutex_lock(&port->console->device.lock);
	port->peer.fd = port->peer.fd < 0 ? endpoint_accept(&port->endpoint) : port->peer.fd;
	if (port->peer.fd >= 0) {
		listen_for_peer(port, false);
		port->watched = 0;
		port->to_send |= SEND_OPEN;
		run_port(port);
	}
	pthread_mutex_unlock(&port->console->device.lock);
}

/* What the driver says of itself or of a port; what makes no sense is ignored (5.3.6.2). */
static void handle_control(struct virtio_queue *queue, struct virtq_chain *chain)
{
	struct vconsole *console = from_device(queue->device);
	struct virtio_console_control message = { 0 };
	size_t len = virtq_read(chain, 0, &message, sizeof(message));
	struct port *port = message.id < console->count ? &console->ports[message.id] : NULL;

	virtq_push(&queue->ring, chain->head, 0);
	if (len < sizeof(message))
		return;
	if (message.event == VIRTIO_CONSOLE_DEVICE_READY && message.value == 1) {
		for (unsigned int i = 0; i < console->count; i++)
			console->ports[i].to_send |= SEND_ADD;
	} else if (port && message.event == VIRTIO_CONSOLE_PORT_READY && message.value == 1) {
		port->to_send |= SEND_NAME | SEND_OPEN | (port->is_console ? SEND_CONSOLE : 0);
	} else if (port && message.event == VIRTIO_CONSOLE_PORT_OPEN) {
		port->guest_open = message.value;
		run_port(port);
	}
}

static struct virtq_chain *control_room(struct virtio_queue *queue)
{
	return &from_device(queue->device)->chain;
}

static const struct virtio_taker control_taker = { .room = control_room, .handle = handle_control };
static const struct virtio_taker out_taker = { .room = out_room, .handle = handle_out };

static void handle_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	struct vconsole *console = from_device(device);
	unsigned int i = queue - device->queues;

	if (i == CONTROL_OUT) {
		virtio_queue_drain(queue, &control_taker);
		virtio_queue_interrupt(queue);
	}
	if (i == CONTROL_IN || i == CONTROL_OUT) {
		send_controls(console);
		return;
	}
	if (i % 2)
		virtio_queue_drain(queue, &out_taker);
	run_port(port_of(queue));
}

/* A driver that knows of one port only has it open. */
static void activate(struct virtio_device *device)
{
	if (!virtio_has(device, VIRTIO_CONSOLE_F_MULTIPORT))
		from_device(device)->ports[0].guest_open = true;
}

static void reset(struct virtio_device *device)
{
	struct vconsole *console = from_device(device);

	for (unsigned int i = 0; i < console->count; i++) {
		struct port *port = &console->ports[i];

		watch_peer(port, 0);
		port->guest_open = port->stalled = port->have_in = false;
		port->to_send = 0;
	}
}

static void destroy(struct virtio_device *device)
{
	struct vconsole *console = from_device(device);

	for (unsigned int i = 0; i < console->count; i++) {
		if (console->ports[i].peer.fd >= 0)
			close(console->ports[i].peer.fd);
		endpoint_close(&console->ports[i].endpoint);
	}
	virtio_device_destroy(device);
	free(console);
}

static const struct virtio_ops console_ops = {
	.id = VIRTIO_ID_CONSOLE,
	.class_code = CLASS_COMMUNICATION,
	.activate = activate,
	.reset = reset,
	.handle_queue = handle_queue,
	.destroy = destroy,
};

static int create_port(struct vconsole *console, unsigned int i,
		       const struct vconsole_port_settings *settings)
{
	struct port *port = &console->ports[i];

	port->console = console;
	port->id = i;
	strncpy(port->name, settings->name, sizeof(port->name) - 1);
	port->is_console = settings->console;
	port->endpoint = settings->endpoint;
	port->peer = (struct worker_source){ .fd = -1, .ready = peer_ready };
	port->listener =
		(struct worker_source){ .fd = port->endpoint.listener, .ready = listener_ready };
	if (port->listener.fd < 0)
		return 0;
	return worker_add(&console->device.worker, &port->listener, EPOLLIN);
}

struct virtio_device *vconsole_create(const struct memory *memory,
				      const struct vconsole_port_settings *ports,
				      unsigned int count, struct error *err)
{
	struct vconsole *console = calloc(1, sizeof(*console) + count * sizeof(struct port));

	if (!console) {
		error_set_errno(err, EXIT_FAILED, "--port");
		return NULL;
	}
	if (virtio_device_init(&console->device, &console_ops, memory, 2 + 2 * count, err))
		goto free_console;
	console->count = count;
	console->config.max_nr_ports = count;
	console->device.config = (uint8_t *)&console->config;
	console->device.config_size = sizeof(console->config);
	console->device.offered |= VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
	for (unsigned int i = 0; i < count; i++) {
		if (create_port(console, i, &ports[i])) {
			error_set_errno(err, EXIT_FAILED, "--port");
			goto destroy_device;
		}
	}
	return &console->device;

destroy_device:
	virtio_device_destroy(&console->device);
free_console:
	free(console);
	return NULL;
}
