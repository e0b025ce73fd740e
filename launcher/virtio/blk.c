// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CLASS_STORAGE 0x018000
/* With header and status a request has two segments more. */
#define MAX_DATA_SEGMENTS (VIRTQ_MAX_SEGMENTS - 2)
/* What one discard or write-zeroes may cover, in sectors: 1 GiB and 16 MiB. */
#define MAX_DISCARD (1u << 21)
#define MAX_ZEROES (1u << 15)
#define MAX_RANGES 1
#define ZEROES_LEN (64u << 10)
/* A request's bounce buffer is as large as its data; larger ones are refused. */
#define MAX_BOUNCE (4u << 20)

/* What the file system cannot make by allocation is written, from here. */
static const uint8_t zeroes[ZEROES_LEN] __attribute__((aligned(4096)));

static struct blk *from_device(struct virtio_device *device)
{
	return (struct blk *)((char *)device - offsetof(struct blk, device));
}

static void give_request(struct blk *blk, struct blk_request *r)
{
	free(r->bounce);
	r->bounce = NULL;
	r->next_free = blk->free;
	blk->free = r;
}

/* One that was used before if possible: those that never were cost no memory. */
static struct blk_request *next_request(struct blk *blk)
{
	if (!blk->free && blk->fresh < BLK_DEPTH)
		give_request(blk, &blk->requests[blk->fresh++]);
	return blk->free;
}

/* The status is the last byte that the device may write (5.2.6). */
static void finish(struct blk *blk, struct blk_request *r, uint8_t status, uint32_t written)
{
	struct virtio_queue *queue = r->queue;

	virtq_write(&r->chain, r->chain.writable_len - 1, &status, 1);
	virtq_push(&queue->ring, r->chain.head, written + 1);
	give_request(blk, r);
}

/* The rest of a read's or write's data, in guest memory or in the bounce buffer. */
static void set_segments(struct blk_request *r)
{
	size_t left = r->len - r->done;

	if (r->bounce) {
		r->segments[0] = (struct iovec){ (uint8_t *)r->bounce + r->done, left };
		r->aio.count = 1;
	} else if (r->type == VIRTIO_BLK_T_IN) {
		r->aio.count = virtq_slice(r->chain.segments + r->chain.readable, r->chain.writable,
					   r->done, left, r->segments);
	} else {
		r->aio.count =
			virtq_slice(r->chain.segments, r->chain.readable,
				    sizeof(struct virtio_blk_outhdr) + r->done, left, r->segments);
	}
}

static void submit(struct blk *blk, struct blk_request *r)
{
	r->aio.segments = r->segments;
	r->aio.offset = r->offset + r->done;
	if (r->aio.op == AIO_WRITE && r->type == VIRTIO_BLK_T_WRITE_ZEROES) {
		uint64_t left = r->len - r->done;

		r->segments[0] =
			(struct iovec){ (void *)zeroes, left < ZEROES_LEN ? left : ZEROES_LEN };
		r->aio.count = 1;
	} else if (r->aio.op == AIO_READ || r->aio.op == AIO_WRITE) {
		set_segments(r);
	}
	aio_submit(&blk->aio, &r->aio);
}

/* Without a flush to ask for, the driver counts on writes being durable (5.2.6.2). */
static int write_flags(const struct blk *blk)
{
	return virtio_has(&blk->device, VIRTIO_BLK_F_FLUSH) ? 0 : RWF_DSYNC;
}

static bool in_disk(const struct blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t sectors = blk->disk.size / DISK_SECTOR;

	return sector <= sectors && len <= (sectors - sector) * DISK_SECTOR;
}

static bool is_aligned(const struct blk *blk, const struct blk_request *r)
{
	for (unsigned int i = 0; i < r->aio.count; i++) {
		if (((uintptr_t)r->segments[i].iov_base | r->segments[i].iov_len) &
		    (blk->disk.align - 1))
			return false;
	}
	return true;
}

/* O_DIRECT wants aligned memory: what the guest has elsewhere takes a detour. */
static bool add_bounce(struct blk *blk, struct blk_request *r)
{
	set_segments(r);
	if (blk->disk.align == 1 || is_aligned(blk, r))
		return true;
	if (r->len > MAX_BOUNCE)
		return false;
	r->bounce = aligned_alloc(blk->disk.align, (r->len + blk->disk.align - 1) &
							   ~(uint64_t)(blk->disk.align - 1));
	if (r->bounce && r->type == VIRTIO_BLK_T_OUT)
		virtq_read(&r->chain, sizeof(struct virtio_blk_outhdr), r->bounce, r->len);
	return r->bounce;
}

static uint8_t start_transfer(struct blk *blk, struct blk_request *r, uint64_t sector)
{
	bool in = r->type == VIRTIO_BLK_T_IN;
	uint64_t len = in ? r->chain.writable_len - 1 :
			    r->chain.readable_len - sizeof(struct virtio_blk_outhdr);

	if (!in && blk->disk.readonly)
		return VIRTIO_BLK_S_IOERR;
	if (!len || !in_disk(blk, sector, len) ||
	    (sector * DISK_SECTOR | len) & (blk->disk.block - 1))
		return VIRTIO_BLK_S_IOERR;
	r->aio.op = in ? AIO_READ : AIO_WRITE;
	r->aio.flags = in ? 0 : write_flags(blk);
	r->offset = sector * DISK_SECTOR;
	r->len = len;
	if (!add_bounce(blk, r))
		return VIRTIO_BLK_S_IOERR;
	submit(blk, r);
	return VIRTIO_BLK_S_OK;
}

static uint8_t start_flush(struct blk *blk, struct blk_request *r, uint64_t sector)
{
	(void)sector;
	r->aio.op = AIO_FLUSH;
	submit(blk, r);
	return VIRTIO_BLK_S_OK;
}

/* One range, copied once (5.2.6.1): limits, no bits but unmap, and that only for write-zeroes. */
static uint8_t start_range(struct blk *blk, struct blk_request *r, uint64_t sector)
{
	bool discard = r->type == VIRTIO_BLK_T_DISCARD, unmap;
	uint32_t max = discard ? MAX_DISCARD : MAX_ZEROES;
	struct virtio_blk_discard_write_zeroes range;
	size_t head = sizeof(struct virtio_blk_outhdr);

	(void)sector;
	if (r->chain.readable_len != head + sizeof(range))
		return VIRTIO_BLK_S_UNSUPP;
	virtq_read(&r->chain, head, &range, sizeof(range));
	unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (range.flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP || (discard && unmap))
		return VIRTIO_BLK_S_UNSUPP;
	if (blk->disk.readonly || range.num_sectors > max ||
	    !in_disk(blk, range.sector, (uint64_t)range.num_sectors * DISK_SECTOR) ||
	    ((range.sector | range.num_sectors) * DISK_SECTOR) & (blk->disk.block - 1))
		return VIRTIO_BLK_S_IOERR;
	r->offset = range.sector * DISK_SECTOR;
	r->len = (uint64_t)range.num_sectors * DISK_SECTOR;
	r->aio.op = AIO_ALLOCATE;
	r->aio.flags = FALLOC_FL_KEEP_SIZE |
		       (discard || unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	r->aio.len = r->len;
	if (!r->len) {
		finish(blk, r, VIRTIO_BLK_S_OK, 0);
		return VIRTIO_BLK_S_OK;
	}
	submit(blk, r);
	return VIRTIO_BLK_S_OK;
}

static uint8_t answer_id(struct blk *blk, struct blk_request *r, uint64_t sector)
{
	(void)sector;
	if (r->chain.writable_len < VIRTIO_BLK_ID_BYTES + 1)
		return VIRTIO_BLK_S_IOERR;
	virtq_write(&r->chain, 0, blk->serial, VIRTIO_BLK_ID_BYTES);
	finish(blk, r, VIRTIO_BLK_S_OK, VIRTIO_BLK_ID_BYTES);
	return VIRTIO_BLK_S_OK;
}

/* Each answers the request or starts it; another status than OK: it did neither. */
static const struct {
	uint32_t type;
	unsigned int feature; /* that the driver must have agreed on; 0: none */
	uint8_t (*start)(struct blk *blk, struct blk_request *r, uint64_t sector);
} types[] = {
	{ VIRTIO_BLK_T_IN, 0, start_transfer },
	{ VIRTIO_BLK_T_OUT, 0, start_transfer },
	{ VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_F_FLUSH, start_flush },
	{ VIRTIO_BLK_T_GET_ID, 0, answer_id },
	{ VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_F_DISCARD, start_range },
	{ VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES, start_range },
};

static uint8_t start(struct blk *blk, struct blk_request *r)
{
	struct virtio_blk_outhdr header;

	virtq_read(&r->chain, 0, &header, sizeof(header));
	r->type = header.type;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].type == header.type &&
		    (!types[i].feature || virtio_has(&blk->device, types[i].feature)))
			return types[i].start(blk, r, header.sector);
	}
	return VIRTIO_BLK_S_UNSUPP;
}

static struct virtq_chain *room(struct virtio_queue *queue)
{
	struct blk *blk = from_device(queue->device);
	struct blk_request *r = next_request(blk);

	blk->waiting |= !r;
	return r ? &r->chain : NULL;
}

static void handle_chain(struct virtio_queue *queue, struct virtq_chain *chain)
{
	struct blk *blk = from_device(queue->device);
	struct blk_request *r;
	uint8_t status;

	/* A request has a header and a byte for the status, or there is no way to answer it. */
	if (chain->readable_len < sizeof(struct virtio_blk_outhdr) || !chain->writable_len) {
		virtio_device_break(queue->device);
		return;
	}
	r = blk->free; /* room() gave its chain */
	blk->free = r->next_free;
	r->queue = queue;
	r->done = 0;
	status = start(blk, r);
	if (status != VIRTIO_BLK_S_OK)
		finish(blk, r, status, 0);
}

static const struct virtio_taker taker = { .room = room, .handle = handle_chain };

static void handle_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	virtio_queue_drain(queue, &taker);
	aio_flush_submissions(&from_device(device)->aio);
	virtio_queue_interrupt(queue);
}

static uint8_t status_of(int64_t result)
{
	if (result >= 0)
		return VIRTIO_BLK_S_OK;
	return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* A read that ends early is at the end of a file that was cut: no progress is an error. */
static void complete_transfer(struct blk *blk, struct blk_request *r)
{
	int64_t n = r->aio.result;

	if (n <= 0) {
		finish(blk, r, VIRTIO_BLK_S_IOERR, 0);
		return;
	}
	r->done += n;
	if (r->done < r->len) {
		submit(blk, r);
		return;
	}
	if (r->type != VIRTIO_BLK_T_IN) {
		finish(blk, r, VIRTIO_BLK_S_OK, 0);
		return;
	}
	if (r->bounce)
		virtq_write(&r->chain, 0, r->bounce, r->len);
	finish(blk, r, VIRTIO_BLK_S_OK, r->len);
}

static void complete(struct blk *blk, struct blk_request *r)
{
	if (r->aio.op == AIO_READ || r->aio.op == AIO_WRITE) {
		complete_transfer(blk, r);
	} else if (r->type == VIRTIO_BLK_T_WRITE_ZEROES && r->aio.result == -EOPNOTSUPP) {
		r->aio.op = AIO_WRITE;
		r->aio.flags = write_flags(blk);
		submit(blk, r);
	} else {
		finish(blk, r, status_of(r->aio.result), 0);
	}
}

static void announce(struct blk *blk)
{
	for (unsigned int i = 0; i < blk->device.queue_count; i++) {
		struct virtio_queue *queue = &blk->device.queues[i];

		if (!queue->enabled)
			continue;
		virtio_queue_interrupt(queue);
		if (blk->waiting)
			virtio_queue_kick(queue);
	}
	blk->waiting = false;
}

static void completion_ready(struct worker_source *source)
{
	struct blk *blk = (struct blk *)((char *)source - offsetof(struct blk, completion));
	struct aio_request *request;

	pthread_mutex_lock(&blk->device.lock);
	while ((request = aio_reap(&blk->aio, false)))
		complete(blk, (struct blk_request *)request);
	aio_flush_submissions(&blk->aio);
	announce(blk);
	pthread_mutex_unlock(&blk->device.lock);
}

/* What was begun ends first: it reads and writes guest memory. */
static void reset(struct virtio_device *device)
{
	struct blk *blk = from_device(device);

	aio_flush_submissions(&blk->aio);
	while (blk->aio.in_flight) {
		struct aio_request *request = aio_reap(&blk->aio, true);

		if (request)
			give_request(blk, (struct blk_request *)request);
	}
	blk->waiting = false;
}

static void destroy(struct virtio_device *device)
{
	struct blk *blk = from_device(device);

	reset(device);
	aio_destroy(&blk->aio);
	free(blk->requests);
	disk_close(&blk->disk);
	virtio_device_destroy(device);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.id = VIRTIO_ID_BLOCK,
	.class_code = CLASS_STORAGE,
	.reset = reset,
	.handle_queue = handle_queue,
	.destroy = destroy,
};

static void fill_config(struct blk *blk, unsigned int queues)
{
	const struct disk *disk = &blk->disk;
	struct virtio_device *device = &blk->device;

	blk->config = (struct virtio_blk_config){
		.capacity = disk->size / DISK_SECTOR,
		.seg_max = MAX_DATA_SEGMENTS,
		.blk_size = disk->block,
		.num_queues = queues,
		.max_discard_sectors = MAX_DISCARD,
		.max_discard_seg = MAX_RANGES,
		.discard_sector_alignment = disk->block / DISK_SECTOR,
		.max_write_zeroes_sectors = MAX_ZEROES,
		.max_write_zeroes_seg = MAX_RANGES,
		.write_zeroes_may_unmap = 1,
	};
	device->config = (uint8_t *)&blk->config;
	device->config_size = sizeof(blk->config);
	device->offered |= VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH);
	if (queues > 1)
		device->offered |= VIRTIO_FEATURE(VIRTIO_BLK_F_MQ);
	if (disk->readonly)
		device->offered |= VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
	else
		device->offered |= VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |
				   VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
}

static int start_aio(struct blk *blk, bool threads, struct error *err)
{
	blk->requests = calloc(BLK_DEPTH, sizeof(*blk->requests));
	if (!blk->requests)
		return error_set_errno(err, EXIT_FAILED, "a disk's requests");
	if (aio_create(&blk->aio, blk->disk.fd, BLK_DEPTH, threads, err))
		return -1;
	blk->completion =
		(struct worker_source){ .fd = blk->aio.ready_fd, .ready = completion_ready };
	if (!worker_add(&blk->device.worker, &blk->completion, EPOLLIN))
		return 0;
	error_set_errno(err, EXIT_FAILED, "epoll");
	aio_destroy(&blk->aio);
	return -1;
}

struct virtio_device *blk_create(const struct memory *memory, const struct disk *disk,
				 const struct blk_settings *settings, struct error *err)
{
	struct blk *blk = calloc(1, sizeof(*blk));

	if (!blk) {
		error_set_errno(err, EXIT_FAILED, "a disk");
		return NULL;
	}
	blk->disk = *disk;
	if (virtio_device_init(&blk->device, &blk_ops, memory, settings->queues, err))
		goto free_blk;
	/* No NUL when it is full (5.2.6). */
	memcpy(blk->serial, settings->serial, strnlen(settings->serial, sizeof(blk->serial)));
	fill_config(blk, settings->queues);
	if (start_aio(blk, settings->threads, err))
		goto destroy_device;
	return &blk->device;

destroy_device:
	free(blk->requests);
	virtio_device_destroy(&blk->device);
free_blk:
	free(blk);
	return NULL;
}
