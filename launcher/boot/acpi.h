/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACPI tables (ACPI 6.4, 5.2): RSDP, XSDT, FADT, FACS, MADT; the DSDT is compiled from
 * dsdt.asl. With PCI, an SSDT from pci.asl and the MCFG.
 */
#ifndef LAUNCHER_BOOT_ACPI_H
#define LAUNCHER_BOOT_ACPI_H

#include <stddef.h>
#include <stdint.h>

struct acpi_pci {
	const void *ssdt; /* compiled, with its header and one QWordMemory descriptor */
	size_t ssdt_size;
	uint64_t ecam;
	uint64_t high_start, high_len; /* what the descriptor shall say; no length: nothing */
};

struct acpi_request {
	unsigned int cpus;
	const struct acpi_pci *pci; /* NULL: there is none */
	const void *dsdt; /* compiled, with its header */
	size_t dsdt_size;
};

/*
 * Builds the tables for guest-physical address gpa (16-byte aligned), the RSDP first.
 * Returns the bytes used, 0 when size is too small.
 */
size_t acpi_build(uint8_t *tables, size_t size, uint64_t gpa, const struct acpi_request *request);

extern const uint8_t *const acpi_dsdt;
extern const size_t acpi_dsdt_size;
extern const uint8_t *const acpi_pci_ssdt;
extern const size_t acpi_pci_ssdt_size;

#endif
