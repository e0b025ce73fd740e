/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest-physical addresses that we choose, in one place so that they can be seen not to overlap. */
#ifndef LAUNCHER_MACHINE_LAYOUT_H
#define LAUNCHER_MACHINE_LAYOUT_H

/*
 * Below 640 KiB: what the boot protocol hands over. The kernel copies it or reserves it before
 * reusing the memory.
 */
#define LAYOUT_GDT 0x1000
#define LAYOUT_PAGE_TABLES 0x2000 /* PML4, PDPT, four page directories */
#define LAYOUT_ZERO_PAGE 0x8000
#define LAYOUT_COMMAND_LINE 0x10000
#define LAYOUT_COMMAND_LINE_END 0x20000
#define LAYOUT_LOW_RAM_END 0x9fc00 /* the PC's extended BIOS data area begins here */

/* The PC's BIOS area, where a guest without the boot protocol's pointer looks for the RSDP. */
#define LAYOUT_ACPI 0xe0000
#define LAYOUT_HIGH_RAM 0x100000 /* also the end of the BIOS area */

/* RAM stops here and goes on at 4 GiB: between them live PCI and the interrupt controllers. */
#define LAYOUT_HOLE 0xc0000000ULL
#define LAYOUT_HOLE_END 0x100000000ULL

/* The same addresses are in boot/pci.asl. */
#define LAYOUT_PCI_WINDOW 0xc0000000ULL
#define LAYOUT_PCI_WINDOW_LEN 0x20000000ULL
#define LAYOUT_ECAM 0xe0000000ULL
#define LAYOUT_ECAM_LEN 0x100000ULL
/* The other window is above RAM: this long, and at a multiple of its length. */
#define LAYOUT_PCI_HIGH_LEN 0x800000000ULL

#define LAYOUT_IOAPIC 0xfec00000
#define LAYOUT_LAPIC 0xfee00000
/* KVM on VT-x without unrestricted guest needs four pages of ours that no guest uses. */
#define LAYOUT_IDENTITY_MAP 0xfffbc000
#define LAYOUT_TSS 0xfffbd000
#define LAYOUT_TSS_END 0xfffc0000

#endif
