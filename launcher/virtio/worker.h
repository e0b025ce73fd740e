/* SPDX-License-Identifier: GPL-2.0-only */
/* The thread of one device: waits for descriptors and runs what is ready. */
#ifndef LAUNCHER_VIRTIO_WORKER_H
#define LAUNCHER_VIRTIO_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct worker_source {
	int fd;
	void (*ready)(struct worker_source *source);
};

struct worker {
	int epoll_fd;
	struct worker_source stop; /* eventfd */
	bool stopping; /* the thread's own */
	bool running;
	pthread_t thread;
};

int worker_create(struct worker *worker, struct error *err);
/* The thread has ended. */
void worker_destroy(struct worker *worker);

/* Any thread may do this; events are epoll's, 0 for none. The source outlives the worker. */
int worker_add(struct worker *worker, struct worker_source *source, uint32_t events);
void worker_change(struct worker *worker, struct worker_source *source, uint32_t events);
void worker_remove(struct worker *worker, struct worker_source *source);

int worker_start(struct worker *worker, struct error *err);
/* Returns when the thread has ended; what was ready may not have run. */
void worker_stop(struct worker *worker);

#endif
