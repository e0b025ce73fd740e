// SPDX-License-Identifier: GPL-2.0-only
/* The compiled DSDT. iasl writes the array from dsdt.asl. */
#include "boot/acpi.h"

#include "dsdt.hex"

const uint8_t *const acpi_dsdt = dsdt_aml_code;
const size_t acpi_dsdt_size = sizeof(dsdt_aml_code);
