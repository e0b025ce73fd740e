/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory map that firmware would report (ACPI 6.4, 15). */
#ifndef LAUNCHER_BOOT_E820_H
#define LAUNCHER_BOOT_E820_H

#include <asm/bootparam.h>
#include <stdint.h>

/* Fills at most E820_MAX_ENTRIES_ZEROPAGE entries, by address; returns how many. */
unsigned int e820_build(struct boot_e820_entry *map, uint64_t ram_size);

#endif
