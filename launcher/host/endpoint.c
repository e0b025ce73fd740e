// SPDX-License-Identifier: GPL-2.0-only
#include "host/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/file.h"

int endpoint_listen(struct endpoint *endpoint, const char *origin, const char *path,
		    struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, EXIT_USAGE, "%s \"%.200s\": too long for a socket", origin,
				 path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set_errno(err, EXIT_FAILED, "%s", origin);
	/* Whoever may connect speaks to the guest: the owner alone. */
	fchmod(fd, 0600);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		if (errno == EADDRINUSE)
			error_set(
				err, EXIT_USAGE,
				"%s \"%.200s\": is there already; remove it if no machine uses it",
				origin, path);
		else
			error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
		close(fd);
		return -1;
	}
	if (listen(fd, 1)) {
		error_set_errno(err, EXIT_FAILED, "%s \"%.200s\"", origin, path);
		close(fd);
		unlink(path);
		return -1;
	}
	*endpoint = (struct endpoint){ .listener = fd, .file = -1, .path = path };
	return 0;
}

int endpoint_append(struct endpoint *endpoint, const char *origin, const char *path,
		    struct error *err)
{
	struct stat st;
	int fd = file_open_path(path, O_WRONLY | O_APPEND | O_CREAT);

	if (fd < 0)
		return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(err, EXIT_USAGE, "%s \"%.200s\": must be a regular file", origin,
				 path);
	}
	*endpoint = (struct endpoint){ .listener = -1, .file = fd };
	return 0;
}

void endpoint_close(struct endpoint *endpoint)
{
	if (endpoint->listener >= 0) {
		close(endpoint->listener);
		unlink(endpoint->path);
	}
	if (endpoint->file >= 0)
		close(endpoint->file);
}

int endpoint_accept(const struct endpoint *endpoint)
{
	return accept4(endpoint->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
