// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/queue.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define FLAGS_OFFSET 0
#define INDEX_OFFSET 2
#define RING_OFFSET 4
#define USED_ENTRY 8

/* The parts' sizes (2.7): flags, index, the ring, the other side's event index. */
#define DESCRIPTORS_LEN(size) (16ull * (size))
#define AVAILABLE_LEN(size) (6 + 2ull * (size))
#define USED_LEN(size) (6 + 8ull * (size))
#define EVENT_OFFSET_AVAILABLE(size) (4 + 2u * (size))
#define EVENT_OFFSET_USED(size) (4 + 8u * (size))

static void *find_part(const struct memory *memory, uint64_t gpa, uint64_t len, unsigned int align)
{
	return gpa % align ? NULL : memory_at(memory, gpa, len);
}

int virtq_init(struct virtq *q, const struct memory *memory, const struct virtq_layout *layout,
	       uint64_t features)
{
	unsigned int size = layout->size;

	*q = (struct virtq){ .memory = memory, .size = size, .broken = true };
	if (!size || size > VIRTQ_MAX_SIZE || size & (size - 1))
		return -1;
	q->descriptors = find_part(memory, layout->descriptors, DESCRIPTORS_LEN(size), 16);
	q->available = find_part(memory, layout->available, AVAILABLE_LEN(size), 2);
	q->used = find_part(memory, layout->used, USED_LEN(size), 4);
	if (!q->descriptors || !q->available || !q->used)
		return -1;
	q->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	q->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	q->broken = false;
	return 0;
}

/* The parts are aligned to two bytes at least, and so is every field that is accessed here. */
static uint16_t load16(const uint8_t *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static void store16(uint8_t *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

/* The barrier keeps the compiler from reading the guest's copy again. */
static struct vring_desc copy_descriptor(const uint8_t *table, unsigned int i)
{
	struct vring_desc desc;

	memcpy(&desc, table + 16 * i, sizeof(desc));
	__asm__ volatile("" : : : "memory");
	return desc;
}

static enum virtq_pop break_queue(struct virtq *q)
{
	q->broken = true;
	return VIRTQ_BROKEN;
}

/* A walk over the descriptors of one chain. */
struct walk {
	const uint8_t *table;
	unsigned int size; /* of the table */
	bool indirect;
};

/*
 * One buffer. Readable ones come before writable ones (2.7.4.2). The number that a chain may have ends
 * loops, too.
 */
static bool add_segment(const struct virtq *q, struct virtq_chain *chain,
			const struct vring_desc *desc)
{
	unsigned int n = chain->readable + chain->writable;
	bool writable = desc->flags & VRING_DESC_F_WRITE;
	uint32_t *len = writable ? &chain->writable_len : &chain->readable_len;
	uint8_t *host = memory_at(q->memory, desc->addr, desc->len);

	if (!host || n == VIRTQ_MAX_SEGMENTS || (!writable && chain->writable) ||
	    __builtin_add_overflow(*len, desc->len, len))
		return false;
	chain->segments[n] = (struct iovec){ .iov_base = host, .iov_len = desc->len };
	if (writable)
		chain->writable++;
	else
		chain->readable++;
	return true;
}

/*
 * An indirect descriptor is the last one of its chain, has nothing but a table of whole descriptors,
 * and its table has none (2.7.5.3).
 */
static bool enter_table(const struct virtq *q, struct walk *walk, const struct vring_desc *desc)
{
	if (!q->indirect || walk->indirect || desc->flags & VRING_DESC_F_NEXT || !desc->len ||
	    desc->len % 16)
		return false;
	walk->table = memory_at(q->memory, desc->addr, desc->len);
	walk->size = desc->len / 16;
	walk->indirect = true;
	return walk->table;
}

static bool walk_chain(const struct virtq *q, struct virtq_chain *chain)
{
	struct walk walk = { .table = q->descriptors, .size = q->size };
	unsigned int i = chain->head;

	for (;;) {
		struct vring_desc desc;

		if (i >= walk.size)
			return false;
		desc = copy_descriptor(walk.table, i);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!enter_table(q, &walk, &desc))
				return false;
			i = 0;
			continue;
		}
		if (!add_segment(q, chain, &desc))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		i = desc.next;
	}
}

enum virtq_pop virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	uint16_t waiting;

	if (q->broken)
		return VIRTQ_BROKEN;
	waiting = load16(q->available + INDEX_OFFSET) - q->next;
	if (!waiting)
		return VIRTQ_EMPTY;
	if (waiting > q->size)
		return break_queue(q);
	chain->head = load16(q->available + RING_OFFSET + 2 * (q->next % q->size));
	chain->readable = chain->writable = 0;
	chain->readable_len = chain->writable_len = 0;
	if (chain->head >= q->size || !walk_chain(q, chain))
		return break_queue(q);
	q->next++;
	return VIRTQ_CHAIN;
}

void virtq_fill(struct virtq *q, uint16_t head, uint32_t written)
{
	const uint32_t entry[2] = { head, written };

	if (q->broken)
		return;
	memcpy(q->used + RING_OFFSET + USED_ENTRY * (q->filled % q->size), entry, sizeof(entry));
	q->filled++;
}

void virtq_publish(struct virtq *q)
{
	if (q->broken)
		return;
	q->done = q->filled;
	store16(q->used + INDEX_OFFSET, q->done);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	virtq_fill(q, head, written);
	virtq_publish(q);
}

/*
 * With event indexes: whether the driver's event lies among what was done since it was last asked
 * (2.7.7.1). The barrier orders our index before its flag or event, as it orders the other two.
 */
bool virtq_needs_interrupt(struct virtq *q)
{
	uint16_t event, before = q->announced;

	if (q->broken || before == q->done)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->announced = q->done;
	if (!q->event_idx)
		return !(load16(q->available + FLAGS_OFFSET) & VRING_AVAIL_F_NO_INTERRUPT);
	event = load16(q->available + EVENT_OFFSET_AVAILABLE(q->size));
	return (uint16_t)(q->done - event - 1) < (uint16_t)(q->done - before);
}

void virtq_disable_kicks(struct virtq *q)
{
	/* With event indexes, an index that is in the past says it. */
	if (!q->broken && !q->event_idx)
		store16(q->used + FLAGS_OFFSET, VRING_USED_F_NO_NOTIFY);
}

bool virtq_enable_kicks(struct virtq *q)
{
	if (q->broken)
		return false;
	if (q->event_idx)
		store16(q->used + EVENT_OFFSET_USED(q->size), q->next);
	else
		store16(q->used + FLAGS_OFFSET, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(q->available + INDEX_OFFSET) != q->next;
}

unsigned int virtq_slice(const struct iovec *segments, unsigned int n, size_t offset, size_t len,
			 struct iovec *slice)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < n && len; i++) {
		size_t here = segments[i].iov_len;

		if (offset >= here) {
			offset -= here;
			continue;
		}
		here -= offset;
		if (here > len)
			here = len;
		slice[count++] = (struct iovec){
			.iov_base = (uint8_t *)segments[i].iov_base + offset,
			.iov_len = here,
		};
		len -= here;
		offset = 0;
	}
	return count;
}

size_t virtq_read(const struct virtq_chain *chain, size_t offset, void *data, size_t len)
{
	struct iovec slice[VIRTQ_MAX_SEGMENTS];
	unsigned int n = virtq_slice(chain->segments, chain->readable, offset, len, slice);
	size_t done = 0;

	for (unsigned int i = 0; i < n; done += slice[i++].iov_len)
		memcpy((uint8_t *)data + done, slice[i].iov_base, slice[i].iov_len);
	return done;
}

size_t virtq_write(const struct virtq_chain *chain, size_t offset, const void *data, size_t len)
{
	struct iovec slice[VIRTQ_MAX_SEGMENTS];
	unsigned int n =
		virtq_slice(chain->segments + chain->readable, chain->writable, offset, len, slice);
	size_t done = 0;

	for (unsigned int i = 0; i < n; done += slice[i++].iov_len)
		memcpy(slice[i].iov_base, (const uint8_t *)data + done, slice[i].iov_len);
	return done;
}
