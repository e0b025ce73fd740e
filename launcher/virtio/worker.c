// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/worker.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_SIZE (128 << 10)
#define EVENTS 16

static void stop_ready(struct worker_source *source)
{
	struct worker *worker = (struct worker *)((char *)source - offsetof(struct worker, stop));

	worker->stopping = true;
}

int worker_create(struct worker *worker, struct error *err)
{
	*worker = (struct worker){ .stop = { .ready = stop_ready } };
	worker->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->stop.fd < 0)
		return error_set_errno(err, EXIT_FAILED, "eventfd");
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll_fd >= 0 && !worker_add(worker, &worker->stop, EPOLLIN))
		return 0;
	error_set_errno(err, EXIT_FAILED, "epoll");
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	close(worker->stop.fd);
	return -1;
}

void worker_destroy(struct worker *worker)
{
	close(worker->epoll_fd);
	close(worker->stop.fd);
}

int worker_add(struct worker *worker, struct worker_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

void worker_change(struct worker *worker, struct worker_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void worker_remove(struct worker *worker, struct worker_source *source)
{
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	struct epoll_event events[EVENTS];

	while (!worker->stopping) {
		int n = epoll_wait(worker->epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct worker_source *source = events[i].data.ptr;

			source->ready(source);
		}
	}
	return NULL;
}

int worker_start(struct worker *worker, struct error *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&worker->thread, &attr, worker_thread, worker);
	pthread_attr_destroy(&attr);
	if (rc) {
		errno = rc;
		return error_set_errno(err, EXIT_FAILED, "no thread for a device");
	}
	worker->running = true;
	return 0;
}

void worker_stop(struct worker *worker)
{
	if (!worker->running)
		return;
	eventfd_write(worker->stop.fd, 1);
	pthread_join(worker->thread, NULL);
	worker->running = false;
}
