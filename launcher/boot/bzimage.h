/* SPDX-License-Identifier: GPL-2.0-only */
/* Linux's 64-bit boot protocol (Documentation/x86/boot.rst). */
#ifndef LAUNCHER_BOOT_BZIMAGE_H
#define LAUNCHER_BOOT_BZIMAGE_H

#include <asm/bootparam.h>
#include <stdint.h>

#include "error.h"
#include "host/file.h"
#include "machine/memory.h"

/* The header ends somewhere in the second sector of the file. */
#define BZIMAGE_HEADER_BYTES 1024

struct bzimage {
	struct setup_header header;
	uint64_t code_offset; /* of the protected-mode code in the file */
	uint64_t code_size;
};

/* Judges the first bytes of a file of file_size bytes; name is for the sentence. */
int bzimage_parse(struct bzimage *image, const uint8_t *head, uint64_t head_size,
		  uint64_t file_size, const char *name, struct error *err);

/* Where the kernel goes in low_ram bytes of RAM. It needs init_size bytes from there. */
int bzimage_place(const struct bzimage *image, uint64_t low_ram, uint64_t *load, struct error *err);

/* Where an initrd of size bytes goes: as high as the kernel allows, clear of the kernel. */
int bzimage_place_initrd(const struct bzimage *image, uint64_t load, uint64_t low_ram,
			 uint64_t size, uint64_t *gpa, struct error *err);

struct bzimage_request {
	const struct file *kernel;
	const struct file *initrd; /* NULL: none */
	const char *command_line;
	uint64_t rsdp; /* guest-physical address */
};

/* Loads kernel, initrd, command line and zero page. *entry is the 64-bit entry point. */
int bzimage_load(const struct memory *memory, const struct bzimage_request *request,
		 uint64_t *entry, struct error *err);

#endif
