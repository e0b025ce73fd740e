/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest RAM: one private anonymous mapping, seen by the guest below and above the hole. */
#ifndef LAUNCHER_MACHINE_MEMORY_H
#define LAUNCHER_MACHINE_MEMORY_H

#include <stdint.h>

#include "error.h"

struct memory {
	uint8_t *host; /* RAM byte 0 */
	uint64_t size;
};

int memory_create(struct memory *memory, uint64_t size, struct error *err);
void memory_destroy(struct memory *memory);

/* Hands the RAM to the VM as its memory slots. */
int memory_attach(const struct memory *memory, int vm_fd, struct error *err);

/* RAM below the hole. */
uint64_t memory_low_size(uint64_t size);

/* len bytes of RAM at a guest-physical address, or NULL when any of them is no RAM. */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t len);

#endif
