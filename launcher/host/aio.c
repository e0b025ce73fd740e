// SPDX-License-Identifier: GPL-2.0-only
#include "host/aio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_SIZE (64 << 10)

static void list_init(struct aio_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_put(struct aio_list *list, struct aio_request *request)
{
	request->next = NULL;
	*list->last = request;
	list->last = &request->next;
}

static struct aio_request *list_take(struct aio_list *list)
{
	struct aio_request *request = list->first;

	if (!request)
		return NULL;
	list->first = request->next;
	if (!list->first)
		list->last = &list->first;
	return request;
}

static int64_t run(int file, const struct aio_request *r)
{
	int64_t rc = -1;

	switch (r->op) {
	case AIO_READ:
		rc = preadv2(file, r->segments, r->count, r->offset, 0);
		break;
	case AIO_WRITE:
		rc = pwritev2(file, r->segments, r->count, r->offset, r->flags);
		break;
	case AIO_FLUSH:
		rc = fdatasync(file);
		break;
	case AIO_ALLOCATE:
		rc = fallocate(file, r->flags, r->offset, r->len);
		break;
	}
	return rc < 0 ? -errno : rc;
}

static void *aio_thread(void *arg)
{
	struct aio *aio = arg;
	struct aio_request *request;

	pthread_mutex_lock(&aio->lock);
	for (;;) {
		while (!(request = list_take(&aio->waiting)) && !aio->stopping)
			pthread_cond_wait(&aio->work, &aio->lock);
		if (!request)
			break;
		pthread_mutex_unlock(&aio->lock);
		request->result = run(aio->file, request);
		pthread_mutex_lock(&aio->lock);
		list_put(&aio->done, request);
		eventfd_write(aio->ready_fd, 1);
		pthread_cond_signal(&aio->finished);
	}
	pthread_mutex_unlock(&aio->lock);
	return NULL;
}

static void stop_threads(struct aio *aio)
{
	pthread_mutex_lock(&aio->lock);
	aio->stopping = true;
	pthread_cond_broadcast(&aio->work);
	pthread_mutex_unlock(&aio->lock);
	while (aio->threads)
		pthread_join(aio->thread[--aio->threads], NULL);
	pthread_cond_destroy(&aio->work);
	pthread_cond_destroy(&aio->finished);
	pthread_mutex_destroy(&aio->lock);
	close(aio->ready_fd);
}

/* Signals are for the main thread. */
static int create_threads(struct aio *aio)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	while (!rc && aio->threads < AIO_THREADS) {
		rc = pthread_create(&aio->thread[aio->threads], &attr, aio_thread, aio);
		aio->threads += !rc;
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int start_threads(struct aio *aio, struct error *err)
{
	int rc;

	aio->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (aio->ready_fd < 0)
		return error_set_errno(err, EXIT_FAILED, "eventfd");
	pthread_mutex_init(&aio->lock, NULL);
	pthread_cond_init(&aio->work, NULL);
	pthread_cond_init(&aio->finished, NULL);
	rc = create_threads(aio);
	if (!rc)
		return 0;
	stop_threads(aio);
	errno = rc;
	return error_set_errno(err, EXIT_FAILED, "no threads for a disk");
}

int aio_create(struct aio *aio, int file, unsigned int depth, bool threads, struct error *err)
{
	memset(aio, 0, sizeof(*aio));
	aio->file = file;
	list_init(&aio->waiting);
	list_init(&aio->done);
	aio->uring = !threads && !io_uring_queue_init(depth, &aio->ring, 0);
	if (!aio->uring)
		return start_threads(aio, err);
	aio->ready_fd = aio->ring.ring_fd;
	return 0;
}

void aio_destroy(struct aio *aio)
{
	if (aio->uring)
		io_uring_queue_exit(&aio->ring);
	else
		stop_threads(aio);
}

static void prepare(struct io_uring_sqe *sqe, int file, const struct aio_request *r)
{
	switch (r->op) {
	case AIO_READ:
		io_uring_prep_readv(sqe, file, r->segments, r->count, r->offset);
		break;
	case AIO_WRITE:
		io_uring_prep_writev2(sqe, file, r->segments, r->count, r->offset, r->flags);
		break;
	case AIO_FLUSH:
		io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
		break;
	case AIO_ALLOCATE:
		io_uring_prep_fallocate(sqe, file, r->flags, r->offset, r->len);
		break;
	}
}

/* The ring has an entry for everything that may be in flight. */
static void submit_to_ring(struct aio *aio, struct aio_request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&aio->ring);

	prepare(sqe, aio->file, request);
	io_uring_sqe_set_data(sqe, request);
}

void aio_submit(struct aio *aio, struct aio_request *request)
{
	aio->in_flight++;
	if (aio->uring) {
		submit_to_ring(aio, request);
		return;
	}
	pthread_mutex_lock(&aio->lock);
	list_put(&aio->waiting, request);
	pthread_cond_signal(&aio->work);
	pthread_mutex_unlock(&aio->lock);
}

void aio_flush_submissions(struct aio *aio)
{
	int rc;

	if (!aio->uring)
		return;
	/* EAGAIN: the kernel has no memory for it right now. */
	do {
		rc = io_uring_submit(&aio->ring);
	} while (rc == -EINTR || rc == -EAGAIN);
}

static struct aio_request *reap_ring(struct aio *aio, bool wait)
{
	struct aio_request *request;
	struct io_uring_cqe *cqe;
	int rc;

	do {
		rc = wait ? io_uring_wait_cqe(&aio->ring, &cqe) :
			    io_uring_peek_cqe(&aio->ring, &cqe);
	} while (rc == -EINTR);
	if (rc)
		return NULL;
	request = io_uring_cqe_get_data(cqe);
	request->result = cqe->res;
	io_uring_cqe_seen(&aio->ring, cqe);
	return request;
}

static struct aio_request *reap_threads(struct aio *aio, bool wait)
{
	struct aio_request *request;
	eventfd_t count;

	eventfd_read(aio->ready_fd, &count);
	pthread_mutex_lock(&aio->lock);
	while (!(request = list_take(&aio->done)) && wait)
		pthread_cond_wait(&aio->finished, &aio->lock);
	pthread_mutex_unlock(&aio->lock);
	return request;
}

struct aio_request *aio_reap(struct aio *aio, bool wait)
{
	struct aio_request *request;

	if (!aio->in_flight)
		return NULL;
	request = aio->uring ? reap_ring(aio, wait) : reap_threads(aio, wait);
	aio->in_flight -= request != NULL;
	return request;
}
