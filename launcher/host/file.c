// SPDX-License-Identifier: GPL-2.0-only
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * O_NONBLOCK keeps a fifo from holding us up before it is seen to be no regular file.
 * RESOLVE_NO_MAGICLINKS: a path is a path, never a way into another process's descriptors.
 */
int file_open_path(const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};

	return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

int file_fill_standard(struct error *err)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* The lowest free descriptor is this one. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return error_set_errno(err, EXIT_FAILED, "/dev/null");
	}
	return 0;
}

int file_open(struct file *file, const char *origin, const char *path, struct error *err)
{
	struct stat st;
	int fd = file_open_path(path, O_RDONLY);

	if (fd < 0)
		return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
	if (fstat(fd, &st)) {
		error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		error_set(err, EXIT_USAGE, "%s \"%.200s\": must be a regular file", origin, path);
		goto fail;
	}
	if (!st.st_size) {
		error_set(err, EXIT_USAGE, "%s \"%.200s\": the file is empty", origin, path);
		goto fail;
	}
	*file = (struct file){ .fd = fd, .size = st.st_size, .path = path, .origin = origin };
	return 0;

fail:
	close(fd);
	return -1;
}

void file_close(struct file *file)
{
	close(file->fd);
	file->fd = -1;
}

int file_read(const struct file *file, uint64_t offset, void *data, size_t len, struct error *err)
{
	char *p = data;

	while (len) {
		ssize_t n = pread(file->fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, EXIT_FAILED, "%s \"%.200s\"", file->origin,
					       file->path);
		if (!n)
			return error_set(err, EXIT_USAGE,
					 "%s \"%.200s\": the file ends too early, at byte %llu",
					 file->origin, file->path, (unsigned long long)offset);
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

int file_open_device(const char *origin, const char *path, struct error *err)
{
	struct stat st;
	int fd = file_open_path(path, O_RDWR);

	if (fd < 0 && errno == ENOENT)
		return error_set(err, EXIT_USAGE,
				 "%s \"%.200s\": no such device: is its module loaded?", origin,
				 path);
	if (fd < 0)
		return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
	if (fstat(fd, &st) || !S_ISCHR(st.st_mode)) {
		close(fd);
		return error_set(err, EXIT_USAGE,
				 "%s \"%.200s\": must be a device such as /dev/vmm or /dev/kvm",
				 origin, path);
	}
	return fd;
}
