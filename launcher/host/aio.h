/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads, writes, flushes and allocation on one descriptor that do not hold up the caller: io_uring, or a
 * few threads where the host forbids it. One thread at a time uses it.
 */
#ifndef LAUNCHER_HOST_AIO_H
#define LAUNCHER_HOST_AIO_H

#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "error.h"

#define AIO_THREADS 4

enum aio_op { AIO_READ, AIO_WRITE, AIO_FLUSH, AIO_ALLOCATE };

struct aio_request {
	enum aio_op op;
	int flags; /* of a write: RWF_*; of an allocation: FALLOC_FL_* */
	struct iovec *segments;
	unsigned int count;
	uint64_t offset, len; /* len is an allocation's */
	int64_t result; /* bytes, or a negative errno */
	struct aio_request *next;
};

struct aio_list {
	struct aio_request *first, **last;
};

struct aio {
	int file;
	int ready_fd; /* readable when there is something to reap */
	unsigned int in_flight;
	bool uring;
	struct io_uring ring;
	/* Instead of the ring. */
	pthread_mutex_t lock; /* protects the lists and stopping */
	pthread_cond_t work, finished;
	struct aio_list waiting, done;
	bool stopping;
	unsigned int threads;
	pthread_t thread[AIO_THREADS];
};

/* depth: how many requests may be in flight. With threads only if asked for or without io_uring. */
int aio_create(struct aio *aio, int file, unsigned int depth, bool threads, struct error *err);
/* Nothing is in flight. */
void aio_destroy(struct aio *aio);

void aio_submit(struct aio *aio, struct aio_request *request);
/* After some aio_submit(). */
void aio_flush_submissions(struct aio *aio);
/* One that is finished, NULL: none. wait: until there is one, if any is in flight. */
struct aio_request *aio_reap(struct aio *aio, bool wait);

#endif
