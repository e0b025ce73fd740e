/* SPDX-License-Identifier: GPL-2.0-only */
/* A raw disk image or a block device, opened and locked. */
#ifndef LAUNCHER_HOST_DISK_H
#define LAUNCHER_HOST_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define DISK_SECTOR 512

struct disk {
	int fd;
	uint64_t size; /* a multiple of the block size */
	unsigned int block; /* what the guest should align to: 512 or more with direct */
	unsigned int align; /* of memory, for direct; 1: any */
	bool readonly;
};

/* origin is the setting that names it, for sentences. */
int disk_open(struct disk *disk, const char *origin, const char *path, bool readonly, bool direct,
	      struct error *err);
void disk_close(struct disk *disk);

#endif
