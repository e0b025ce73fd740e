/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening what the user named: the checks and the sentences are the same for every file. */
#ifndef LAUNCHER_HOST_FILE_H
#define LAUNCHER_HOST_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct file {
	int fd;
	uint64_t size;
	const char *path;
	const char *origin; /* the setting that named it, for sentences */
};

/*
 * Opens with these flags, close-on-exec, and without waiting for anyone; errno says why not. The
 * caller looks at what it is.
 */
int file_open_path(const char *path, uint64_t flags);

/* A regular file that is not empty, for reading. */
int file_open(struct file *file, const char *origin, const char *path, struct error *err);
void file_close(struct file *file);

/* Exactly len bytes at offset, or a sentence. */
int file_read(const struct file *file, uint64_t offset, void *data, size_t len, struct error *err);

/*
 * Fills the places of standard input, output and error where the caller closed them, or the next
 * file would get one and receive the guest's output.
 */
int file_fill_standard(struct error *err);

/* A character device, for reading and writing. Returns the descriptor. */
int file_open_device(const char *origin, const char *path, struct error *err);

#endif
