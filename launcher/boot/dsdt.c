// SPDX-License-Identifier: GPL-2.0-only
/* The compiled tables. iasl writes the arrays from dsdt.asl and pci.asl. */
#include "boot/acpi.h"

#include "dsdt.hex"
#include "pci.hex"

const uint8_t *const acpi_dsdt = dsdt_aml_code;
const size_t acpi_dsdt_size = sizeof(dsdt_aml_code);
const uint8_t *const acpi_pci_ssdt = pci_aml_code;
const size_t acpi_pci_ssdt_size = sizeof(pci_aml_code);
