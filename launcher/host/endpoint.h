/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a port's bytes go on the host: a Unix socket that one peer at a time connects to, or a file. */
#ifndef LAUNCHER_HOST_ENDPOINT_H
#define LAUNCHER_HOST_ENDPOINT_H

#include "error.h"

struct endpoint {
	int listener; /* -1: none */
	int file; /* appended to; -1: none */
	const char *path; /* of the socket, which goes when it is closed */
};

int endpoint_listen(struct endpoint *endpoint, const char *origin, const char *path,
		    struct error *err);
int endpoint_append(struct endpoint *endpoint, const char *origin, const char *path,
		    struct error *err);
void endpoint_close(struct endpoint *endpoint);

/* A peer that wants in, without waiting: -1 when there is none. */
int endpoint_accept(const struct endpoint *endpoint);

#endif
