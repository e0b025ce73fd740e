/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7). The guest owns the rings and the
 * descriptors and may write them at any time: each is copied once, judged, and only then used. A queue
 * that breaks a rule is broken until it is set up again.
 */
#ifndef LAUNCHER_VIRTIO_QUEUE_H
#define LAUNCHER_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "machine/memory.h"

#define VIRTQ_MAX_SIZE 256
/*
 * Buffers of one chain. The specification allows as many as the queue has descriptors; drivers that
 * use indirect tables in a small queue go beyond that.
 */
#define VIRTQ_MAX_SEGMENTS VIRTQ_MAX_SIZE

/* Where the driver says that the parts are. */
struct virtq_layout {
	uint64_t descriptors, available, used;
	uint16_t size;
};

struct virtq {
	const struct memory *memory;
	/* Checked when the queue is set up, and not read from the guest again. */
	const uint8_t *descriptors;
	const uint8_t *available;
	uint8_t *used;
	uint16_t size;
	bool event_idx, indirect;

	bool broken;
	uint16_t next; /* available entries taken so far */
	uint16_t filled; /* used entries written so far */
	uint16_t done; /* and published */
	uint16_t announced; /* done when the driver was last looked after */
};

/* A request: what the device reads comes first, what it writes after that. */
struct virtq_chain {
	uint16_t head;
	unsigned int readable, writable; /* segments */
	uint32_t readable_len, writable_len; /* bytes */
	struct iovec segments[VIRTQ_MAX_SEGMENTS];
};

enum virtq_pop { VIRTQ_BROKEN = -1, VIRTQ_EMPTY = 0, VIRTQ_CHAIN = 1 };

/* -1 when the layout is not one: size, alignment, or a part that is not in RAM as a whole. */
int virtq_init(struct virtq *q, const struct memory *memory, const struct virtq_layout *layout,
	       uint64_t features);

/* The next chain. Nothing of it changes any more, but for the bytes of its segments. */
enum virtq_pop virtq_pop(struct virtq *q, struct virtq_chain *chain);
/* Gives a chain back with that many bytes written to it. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);
/* The same in two steps: the driver sees none of several chains before they are published. */
void virtq_fill(struct virtq *q, uint16_t head, uint32_t written);
void virtq_publish(struct virtq *q);
/* After pushes: whether the driver wants to be interrupted for them. */
bool virtq_needs_interrupt(struct virtq *q);

/* While chains are being popped, no notifications are needed. */
void virtq_disable_kicks(struct virtq *q);
/* True when there are more chains, added before their notification was asked for. */
bool virtq_enable_kicks(struct virtq *q);

/*
 * Copies between a buffer and the readable or writable bytes of a chain, from offset on. Returns how
 * many bytes there were.
 */
size_t virtq_read(const struct virtq_chain *chain, size_t offset, void *data, size_t len);
size_t virtq_write(const struct virtq_chain *chain, size_t offset, const void *data, size_t len);
/*
 * The part of n segments that begins at offset and has len bytes, as segments of its own. Returns how
 * many; they cover less when there is less.
 */
unsigned int virtq_slice(const struct iovec *segments, unsigned int n, size_t offset, size_t len,
			 struct iovec *slice);

#endif
