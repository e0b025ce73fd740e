// SPDX-License-Identifier: GPL-2.0-only
#include "boot/e820.h"

#include "machine/layout.h"
#include "machine/memory.h"

enum { E820_RAM = 1, E820_RESERVED = 2 };

unsigned int e820_build(struct boot_e820_entry *map, uint64_t ram_size)
{
	uint64_t low = memory_low_size(ram_size);
	unsigned int n = 0;

	map[n++] = (struct boot_e820_entry){ 0, LAYOUT_LOW_RAM_END, E820_RAM };
	/*
	 * Up to 1 MiB there is RAM as well, but a PC has video memory and firmware there, and the
	 * ACPI tables do live there.
	 */
	map[n++] = (struct boot_e820_entry){ LAYOUT_LOW_RAM_END,
					     LAYOUT_HIGH_RAM - LAYOUT_LOW_RAM_END, E820_RESERVED };
	map[n++] = (struct boot_e820_entry){ LAYOUT_HIGH_RAM, low - LAYOUT_HIGH_RAM, E820_RAM };
	map[n++] = (struct boot_e820_entry){ LAYOUT_ECAM, LAYOUT_ECAM_LEN, E820_RESERVED };
	map[n++] = (struct boot_e820_entry){ LAYOUT_IDENTITY_MAP,
					     LAYOUT_TSS_END - LAYOUT_IDENTITY_MAP, E820_RESERVED };
	if (ram_size > low)
		map[n++] = (struct boot_e820_entry){ LAYOUT_HOLE_END, ram_size - low, E820_RAM };
	return n;
}
