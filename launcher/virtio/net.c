// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/net.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host/tap.h"

#define CLASS_NETWORK 0x020000
#define QUEUE_IN 0
#define QUEUE_OUT 1
/* An IP packet of 64 KiB in an Ethernet frame with a VLAN tag. */
#define MAX_FRAME (65535 + 18)
#define MIN_FRAME 14
/* Frames that are read before others get their turn. */
#define BATCH 64
#define MAC_MULTICAST 1

static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HEADER, "5.1.6");

/* The device's lock protects all of it. */
struct net {
	struct virtio_device device;
	struct virtio_net_config config;
	struct worker_source tap;
	bool watched;
	struct virtq_chain out;

	/* A frame from the tap on its way into the guest's buffers. */
	uint32_t len, done; /* header included; len 0: none */
	unsigned int used; /* buffers so far */
	struct virtq_chain first, next;
	uint8_t frame[NET_HEADER + MAX_FRAME];
};

static struct net *from_device(struct virtio_device *device)
{
	return (struct net *)((char *)device - offsetof(struct net, device));
}

static bool check_checksum(const struct virtio_net_hdr_v1 *header, uint32_t len)
{
	uint32_t end = (uint32_t)header->csum_start + header->csum_offset + 2;

	return header->csum_start >= MIN_FRAME && end <= len;
}

static bool check_segments(const struct virtio_net_hdr_v1 *header, uint32_t len, uint64_t features)
{
	unsigned int feature = header->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ?
				       VIRTIO_NET_F_HOST_TSO4 :
				       VIRTIO_NET_F_HOST_TSO6;

	if (header->gso_type != VIRTIO_NET_HDR_GSO_TCPV4 &&
	    header->gso_type != VIRTIO_NET_HDR_GSO_TCPV6)
		return false;
	return features >> feature & 1 && header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	       header->gso_size && header->hdr_len <= len;
}

bool net_check_header(const struct virtio_net_hdr_v1 *header, uint32_t len, uint64_t features)
{
	if (len < MIN_FRAME || len > MAX_FRAME || header->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return false;
	if (header->flags && (!(features >> VIRTIO_NET_F_CSUM & 1) || !check_checksum(header, len)))
		return false;
	return header->gso_type == VIRTIO_NET_HDR_GSO_NONE || check_segments(header, len, features);
}

static struct virtq_chain *out_room(struct virtio_queue *queue)
{
	return &from_device(queue->device)->out;
}

/* A frame that the host does not take is lost, as on a wire. The host sees our copy of the header. */
static void handle_out(struct virtio_queue *queue, struct virtq_chain *chain)
{
	struct net *net = from_device(queue->device);
	struct iovec segments[1 + VIRTQ_MAX_SEGMENTS];
	struct virtio_net_hdr_v1 header;
	unsigned int n;

	if (virtq_read(chain, 0, &header, sizeof(header)) == sizeof(header) &&
	    net_check_header(&header, chain->readable_len - sizeof(header),
			     queue->device->features)) {
		header.num_buffers = 0;
		segments[0] = (struct iovec){ &header, sizeof(header) };
		n = virtq_slice(chain->segments, chain->readable, sizeof(header),
				chain->readable_len, segments + 1);
		if (writev(net->tap.fd, segments, n + 1) < 0)
			n = 0;
	}
	virtq_push(&queue->ring, chain->head, 0);
}

static const struct virtio_taker out_taker = { .room = out_room, .handle = handle_out };

/* The tap is read only while there are buffers to read it into. */
static void watch_tap(struct net *net, bool on)
{
	if (on != net->watched)
		worker_change(&net->device.worker, &net->tap, on ? EPOLLIN : 0);
	net->watched = on;
}

/*
 * The driver may look as soon as the index moves, so that all buffers of a frame are given at once,
 * after their number was written into the first (5.1.6.4).
 */
static void deliver(struct net *net)
{
	struct virtq *ring = &net->device.queues[QUEUE_IN].ring;
	uint16_t count = net->used;

	virtq_write(&net->first, offsetof(struct virtio_net_hdr_v1, num_buffers), &count,
		    sizeof(count));
	virtq_publish(ring);
	net->len = 0;
}

/* One more buffer for the frame. Returns false when there is none. */
static bool fill_buffer(struct net *net)
{
	struct virtq *ring = &net->device.queues[QUEUE_IN].ring;
	struct virtq_chain *chain = net->used ? &net->next : &net->first;
	enum virtq_pop pop = virtq_pop(ring, chain);
	size_t len;

	if (pop == VIRTQ_BROKEN || (pop == VIRTQ_CHAIN && chain->writable_len < NET_HEADER))
		virtio_device_break(&net->device);
	if (pop != VIRTQ_CHAIN || !net->device.active)
		return false;
	len = virtq_write(chain, 0, net->frame + net->done, net->len - net->done);
	virtq_fill(ring, chain->head, len);
	net->done += len;
	net->used++;
	/* Without mergeable buffers a frame is cut where its buffer ends. */
	if (net->done == net->len || !virtio_has(&net->device, VIRTIO_NET_F_MRG_RXBUF))
		deliver(net);
	return true;
}

static bool read_frame(struct net *net)
{
	ssize_t len;

	if (net->len)
		return true;
	len = read(net->tap.fd, net->frame, sizeof(net->frame));
	/* An interface that was deleted would wake us for ever. */
	if (len < 0 && errno != EAGAIN && errno != EINTR)
		worker_remove(&net->device.worker, &net->tap);
	if (len < NET_HEADER)
		return false;
	net->len = len;
	net->done = 0;
	net->used = 0;
	return true;
}

/* Frames into buffers, as long as there are both. */
static void receive(struct net *net)
{
	struct virtio_queue *queue = &net->device.queues[QUEUE_IN];
	unsigned int left = BATCH;
	bool buffers = true;

	if (!net->device.active || !queue->enabled)
		return;
	virtq_disable_kicks(&queue->ring);
	while (left && buffers && read_frame(net)) {
		while (net->len && buffers)
			buffers = fill_buffer(net);
		left--;
	}
	if (!buffers && virtq_enable_kicks(&queue->ring))
		virtio_queue_kick(queue);
	watch_tap(net, buffers);
	virtio_queue_interrupt(queue);
}

static void tap_ready(struct worker_source *source)
{
	struct net *net = (struct net *)((char *)source - offsetof(struct net, tap));

	pthread_mutex_lock(&net->device.lock);
	if (net->device.active)
		receive(net);
	else
		watch_tap(net, false);
	pthread_mutex_unlock(&net->device.lock);
}

static void handle_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	if (queue == &device->queues[QUEUE_IN]) {
		receive(from_device(device));
		return;
	}
	virtio_queue_drain(queue, &out_taker);
	virtio_queue_interrupt(queue);
}

static void activate(struct virtio_device *device)
{
	/* Failing is no harm: the driver gets whole frames with their checksums. */
	tap_set_offloads(from_device(device)->tap.fd, virtio_has(device, VIRTIO_NET_F_GUEST_CSUM),
			 virtio_has(device, VIRTIO_NET_F_GUEST_TSO4),
			 virtio_has(device, VIRTIO_NET_F_GUEST_TSO6));
}

static void reset(struct virtio_device *device)
{
	struct net *net = from_device(device);

	watch_tap(net, false);
	net->len = 0;
}

static void destroy(struct virtio_device *device)
{
	struct net *net = from_device(device);

	close(net->tap.fd);
	virtio_device_destroy(device);
	free(net);
}

static const struct virtio_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.class_code = CLASS_NETWORK,
	.activate = activate,
	.reset = reset,
	.handle_queue = handle_queue,
	.destroy = destroy,
};

int net_parse_mac(const char *text, uint8_t mac[NET_MAC_LEN])
{
	unsigned int byte[NET_MAC_LEN];
	int len = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
		   &byte[4], &byte[5], &len) != NET_MAC_LEN ||
	    text[len] || len != 17 || strspn(text, "0123456789abcdefABCDEF:") != 17)
		return -1;
	for (unsigned int i = 0; i < NET_MAC_LEN; i++)
		mac[i] = byte[i];
	return mac[0] & MAC_MULTICAST ? -1 : 0;
}

void net_choose_mac(const char *name, uint8_t mac[NET_MAC_LEN])
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 16777619u;
	memcpy(mac, (const uint8_t[]){ 0x52, 0x54, 0x00, hash >> 16, hash >> 8, hash },
	       NET_MAC_LEN);
}

struct virtio_device *net_create(const struct memory *memory, int tap,
				 const uint8_t mac[NET_MAC_LEN], struct error *err)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net) {
		error_set_errno(err, EXIT_FAILED, "--net");
		return NULL;
	}
	if (virtio_device_init(&net->device, &net_ops, memory, 2, err))
		goto free_net;
	memcpy(net->config.mac, mac, NET_MAC_LEN);
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->device.config = (uint8_t *)&net->config;
	net->device.config_size = sizeof(net->config);
	net->device.offered |=
		VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) |
		VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) |
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |
		VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
		VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6);
	net->tap = (struct worker_source){ .fd = tap, .ready = tap_ready };
	if (!worker_add(&net->device.worker, &net->tap, 0))
		return &net->device;
	error_set_errno(err, EXIT_FAILED, "epoll");
	virtio_device_destroy(&net->device);
free_net:
	free(net);
	return NULL;
}
