// SPDX-License-Identifier: GPL-2.0-only
#include "host/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/file.h"

/* Without statx's answer (before 6.1): what every disk can do. */
#define DIRECT_ALIGN 4096
#define MAX_BLOCK 4096

static int fail(const char *origin, const char *path, const char *what, struct error *err)
{
	return error_set(err, EXIT_USAGE, "%s \"%.200s\": %s", origin, path, what);
}

static int open_error(const char *origin, const char *path, bool readonly, bool direct,
		      struct error *err)
{
	if (!readonly && (errno == EACCES || errno == EROFS || errno == EPERM))
		return fail(origin, path, "cannot be written: give \"readonly\" to use it so", err);
	if (direct && errno == EINVAL)
		return fail(origin, path, "its file system does not allow \"direct\"", err);
	if (errno == EBUSY)
		return fail(origin, path, "the device is in use, perhaps mounted", err);
	if (errno == EISDIR)
		return fail(origin, path, "must be a regular file or a block device", err);
	return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
}

static int find_size(struct disk *disk, const struct stat *st, const char *origin, const char *path,
		     struct error *err)
{
	disk->size = st->st_size;
	if (S_ISBLK(st->st_mode) && ioctl(disk->fd, BLKGETSIZE64, &disk->size))
		return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
	if (!disk->size)
		return fail(origin, path, "the file is empty: a disk has a size", err);
	if (disk->size % disk->block)
		return error_set(err, EXIT_USAGE,
				 "%s \"%.200s\": its %llu bytes are no multiple of %u", origin,
				 path, (unsigned long long)disk->size, disk->block);
	return 0;
}

/* The unit of the device; for files, what O_DIRECT asks for. */
static void find_alignment(struct disk *disk, const struct stat *st, bool direct)
{
	int block = DISK_SECTOR;
	struct statx sx;

	disk->block = DISK_SECTOR;
	disk->align = 1;
	if (S_ISBLK(st->st_mode) && !ioctl(disk->fd, BLKSSZGET, &block) && block <= MAX_BLOCK)
		disk->block = block;
	if (!direct)
		return;
	disk->align = DIRECT_ALIGN;
#ifdef STATX_DIOALIGN
	if (!statx(disk->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) &&
	    sx.stx_mask & STATX_DIOALIGN && sx.stx_dio_mem_align) {
		disk->align = sx.stx_dio_mem_align;
		if (sx.stx_dio_offset_align > disk->block && sx.stx_dio_offset_align <= MAX_BLOCK)
			disk->block = sx.stx_dio_offset_align;
		return;
	}
#else
	(void)sx;
#endif
	if (!S_ISBLK(st->st_mode))
		disk->block = DIRECT_ALIGN;
}

/* Two machines that write to one disk destroy it. A lock lasts as long as the descriptor. */
static int lock(const struct disk *disk, const char *origin, const char *path, struct error *err)
{
	if (!flock(disk->fd, (disk->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return fail(origin, path, "is in use by another machine", err);
	return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
}

static int inspect(struct disk *disk, const char *origin, const char *path, bool direct,
		   struct error *err)
{
	struct stat st;

	if (fstat(disk->fd, &st))
		return error_set_errno(err, EXIT_USAGE, "%s \"%.200s\"", origin, path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(origin, path, "must be a regular file or a block device", err);
	find_alignment(disk, &st, direct);
	if (find_size(disk, &st, origin, path, err))
		return -1;
	return lock(disk, origin, path, err);
}

int disk_open(struct disk *disk, const char *origin, const char *path, bool readonly, bool direct,
	      struct error *err)
{
	*disk = (struct disk){ .readonly = readonly };
	disk->fd = file_open_path(path, readonly ? O_RDONLY : O_RDWR);
	if (disk->fd >= 0 && direct && fcntl(disk->fd, F_SETFL, O_DIRECT)) {
		int saved = errno;

		close(disk->fd);
		errno = saved;
		disk->fd = -1;
	}
	if (disk->fd < 0)
		return open_error(origin, path, readonly, direct, err);
	if (!direct)
		fcntl(disk->fd, F_SETFL, 0); /* O_NONBLOCK was for opening */
	if (inspect(disk, origin, path, direct, err)) {
		close(disk->fd);
		return -1;
	}
	return 0;
}

void disk_close(struct disk *disk)
{
	close(disk->fd);
}
