// SPDX-License-Identifier: GPL-2.0-only
/* unixcat SOCKET: what it reads goes into the socket, what comes out of it is written, to both ends. */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Waits for the socket: whoever makes it may not be there yet. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int i = 0; connect(fd, (struct sockaddr *)&address, sizeof(address)); i++) {
		if (i == 100)
			err(1, "%s", path);
		usleep(100000);
	}
	return fd;
}

/* Returns false at the end. */
static int copy(int from, int to)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	for (ssize_t done = 0, w; done < n; done += w) {
		w = write(to, data + done, n - done);
		if (w <= 0)
			return 0;
	}
	return n > 0;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? connect_to(argv[1]) : -1;
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	if (fd < 0)
		errx(2, "usage: unixcat SOCKET");
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !copy(0, fd))
			fds[0].fd = -1;
		if (fds[1].revents && !copy(fd, 1))
			break;
	}
	return 0;
}
