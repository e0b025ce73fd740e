// SPDX-License-Identifier: GPL-2.0-only
#include "boot/acpi.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "device/acpi_pm.h"
#include "device/rtc.h"
#include "machine/layout.h"

#define PACKED __attribute__((packed))
#define OEM_ID "VMM   "
#define OEM_TABLE "VMM     "
#define CREATOR "VMM "

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} PACKED;

#define XSDT_MAX_TABLES 4

struct acpi_xsdt {
	struct acpi_header header;
	uint64_t tables[XSDT_MAX_TABLES]; /* the header says how many */
} PACKED;

/* Generic Address Structure (5.2.3.2). */
struct acpi_address {
	uint8_t space;
	uint8_t bits;
	uint8_t offset;
	uint8_t access;
	uint64_t address;
} PACKED;

struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	uint32_t pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cstate;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_address reset_register;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct acpi_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct acpi_address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct acpi_address sleep_control, sleep_status;
	uint64_t hypervisor;
} PACKED;

struct acpi_facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} PACKED;

struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic;
	uint32_t flags;
} PACKED;

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} PACKED;

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} PACKED;

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} PACKED;

struct madt_lapic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} PACKED;

/* PCI Firmware 3.2, 4.1.2. */
struct acpi_mcfg {
	struct acpi_header header;
	uint64_t reserved;
	uint64_t ecam;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved2;
} PACKED;

/* QWord address space descriptor (6.4.3.5.1). */
struct aml_qword_space {
	uint8_t tag;
	uint16_t length;
	uint8_t type, general_flags, type_flags;
	uint64_t granularity, min, max, translation, size;
} PACKED;

static_assert(sizeof(struct acpi_header) == 36, "5.2.6");
static_assert(sizeof(struct acpi_rsdp) == 36, "5.2.5.3");
static_assert(sizeof(struct acpi_fadt) == 276, "5.2.9");
static_assert(sizeof(struct acpi_facs) == 64, "5.2.10");
static_assert(sizeof(struct madt_ioapic) == 12, "5.2.12.3");
static_assert(sizeof(struct madt_override) == 10, "5.2.12.5");

static_assert(sizeof(struct acpi_mcfg) == 60, "4.1.2");
static_assert(sizeof(struct aml_qword_space) == 46, "6.4.3.5.1");

#define AML_QWORD_SPACE 0x8a
#define AML_SPACE_MEMORY 0

enum { SPACE_IO = 1 };
enum { ACCESS_BYTE = 1, ACCESS_WORD = 2, ACCESS_DWORD = 3 };

/*
 * FADT flags (table 5.10). The buttons are "control method" ones, and no such device exists: there
 * are none.
 */
#define FADT_WBINVD (1u << 0)
#define FADT_C1 (1u << 2)
#define FADT_POWER_BUTTON (1u << 4)
#define FADT_SLEEP_BUTTON (1u << 5)
#define FADT_FIXED_RTC (1u << 6) /* set: the RTC wakes nothing through PM1 */
#define FADT_TIMER_32 (1u << 8)
#define FADT_RESET (1u << 10)
#define FADT_HEADLESS (1u << 12)
/* IAPC_BOOT_ARCH (table 5.11): ISA devices yes; bit 1 clear, no 8042 to look for; no VGA. */
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_NO_VGA (1u << 2)

#define MADT_PCAT_COMPAT 1u /* there is a pair of 8259s, to be masked */
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4 };
#define LAPIC_ENABLED 1u
#define OVERRIDE_AS_BUS 0
#define OVERRIDE_HIGH_LEVEL 0x000d /* active high, level triggered */
#define ALL_PROCESSORS 0xff
#define PIT_IRQ 0
#define PIT_GSI 2

/* The part of the BIOS area that is filled, as it is filled. */
struct builder {
	uint8_t *tables;
	size_t size, used;
	uint64_t gpa;
	bool full;
};

static void *builder_take(struct builder *b, size_t len, size_t alignment)
{
	size_t start = (b->used + alignment - 1) & ~(alignment - 1);

	if (start > b->size || len > b->size - start) {
		b->full = true;
		return NULL;
	}
	b->used = start + len;
	return memset(b->tables + start, 0, len);
}

static uint64_t builder_gpa(const struct builder *b, const void *table)
{
	return b->gpa + ((const uint8_t *)table - b->tables);
}

/* The byte that makes a table sum to zero. */
static uint8_t checksum(const void *table, size_t len)
{
	const uint8_t *p = table;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

static void seal(struct acpi_header *header, const char *signature, uint8_t revision, size_t len)
{
	memcpy(header->signature, signature, 4);
	header->length = len;
	header->revision = revision;
	memcpy(header->oem_id, OEM_ID, 6);
	memcpy(header->oem_table_id, OEM_TABLE, 8);
	header->oem_revision = 1;
	memcpy(header->creator_id, CREATOR, 4);
	header->creator_revision = 1;
	header->checksum = checksum(header, len);
}

static struct acpi_address io_register(uint64_t port, unsigned int bytes, uint8_t access)
{
	return (struct acpi_address){
		.space = SPACE_IO,
		.bits = bytes * 8,
		.access = access,
		.address = port,
	};
}

static struct acpi_facs *build_facs(struct builder *b)
{
	struct acpi_facs *facs = builder_take(b, sizeof(*facs), 64);

	if (!facs)
		return NULL;
	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	facs->version = 2;
	return facs;
}

static void *build_dsdt(struct builder *b, const struct acpi_request *request)
{
	void *dsdt = builder_take(b, request->dsdt_size, 16);

	return dsdt ? memcpy(dsdt, request->dsdt, request->dsdt_size) : NULL;
}

static void fill_fadt(struct acpi_fadt *fadt, uint64_t facs, uint64_t dsdt)
{
	*fadt = (struct acpi_fadt){
		.facs = facs,
		.dsdt = dsdt,
		.x_dsdt = dsdt,
		.sci = ACPI_PM_SCI,
		.pm1a_event = ACPI_PM_EVENT_PORT,
		.pm1_event_len = ACPI_PM_EVENT_LEN,
		.pm1a_control = ACPI_PM_CONTROL_PORT,
		.pm1_control_len = ACPI_PM_CONTROL_LEN,
		.pm_timer = ACPI_PM_TIMER_PORT,
		.pm_timer_len = ACPI_PM_TIMER_LEN,
		.c2_latency = 0xffff, /* over 100 and 1000: no C2, no C3 */
		.c3_latency = 0xffff,
		.century = RTC_CENTURY,
		.boot_flags = BOOT_LEGACY_DEVICES | BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_C1 | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON |
			 FADT_FIXED_RTC | FADT_TIMER_32 | FADT_RESET | FADT_HEADLESS,
		.reset_register = io_register(ACPI_RESET_PORT, 1, ACCESS_BYTE),
		.reset_value = ACPI_RESET_VALUE,
		.minor_revision = 4,
		.x_pm1a_event = io_register(ACPI_PM_EVENT_PORT, ACPI_PM_EVENT_LEN, ACCESS_WORD),
		.x_pm1a_control =
			io_register(ACPI_PM_CONTROL_PORT, ACPI_PM_CONTROL_LEN, ACCESS_WORD),
		.x_pm_timer = io_register(ACPI_PM_TIMER_PORT, ACPI_PM_TIMER_LEN, ACCESS_DWORD),
	};
	seal(&fadt->header, "FACP", 6, sizeof(*fadt));
}

static struct acpi_fadt *build_fadt(struct builder *b, const void *facs, const void *dsdt)
{
	struct acpi_fadt *fadt = builder_take(b, sizeof(*fadt), 16);

	if (!fadt || !facs || !dsdt)
		return NULL;
	fill_fadt(fadt, builder_gpa(b, facs), builder_gpa(b, dsdt));
	return fadt;
}

static void *madt_append(void *at, const void *entry, size_t len)
{
	return (uint8_t *)memcpy(at, entry, len) + len;
}

static void fill_madt(struct acpi_madt *madt, unsigned int cpus, size_t len)
{
	struct madt_ioapic ioapic = {
		.type = MADT_IOAPIC,
		.length = sizeof(ioapic),
		.address = LAYOUT_IOAPIC,
	};
	struct madt_override overrides[] = {
		{ MADT_OVERRIDE, sizeof(overrides[0]), 0, PIT_IRQ, PIT_GSI, OVERRIDE_AS_BUS },
		{ MADT_OVERRIDE, sizeof(overrides[0]), 0, ACPI_PM_SCI, ACPI_PM_SCI,
		  OVERRIDE_HIGH_LEVEL },
	};
	struct madt_lapic_nmi nmi = {
		.type = MADT_LAPIC_NMI,
		.length = sizeof(nmi),
		.uid = ALL_PROCESSORS,
		.lint = 1,
	};
	void *at = madt + 1;

	madt->lapic = LAYOUT_LAPIC;
	madt->flags = MADT_PCAT_COMPAT;
	for (unsigned int i = 0; i < cpus; i++) {
		struct madt_lapic lapic = { MADT_LAPIC, sizeof(lapic), i, i, LAPIC_ENABLED };

		at = madt_append(at, &lapic, sizeof(lapic));
	}
	at = madt_append(at, &ioapic, sizeof(ioapic));
	at = madt_append(at, overrides, sizeof(overrides));
	madt_append(at, &nmi, sizeof(nmi));
	seal(&madt->header, "APIC", 5, len);
}

static struct acpi_madt *build_madt(struct builder *b, unsigned int cpus)
{
	size_t len = sizeof(struct acpi_madt) + cpus * sizeof(struct madt_lapic) +
		     sizeof(struct madt_ioapic) + 2 * sizeof(struct madt_override) +
		     sizeof(struct madt_lapic_nmi);
	struct acpi_madt *madt = builder_take(b, len, 16);

	if (madt)
		fill_madt(madt, cpus, len);
	return madt;
}

static struct acpi_mcfg *build_mcfg(struct builder *b, uint64_t ecam)
{
	struct acpi_mcfg *mcfg = builder_take(b, sizeof(*mcfg), 16);

	if (!mcfg)
		return NULL;
	mcfg->ecam = ecam;
	seal(&mcfg->header, "MCFG", 1, sizeof(*mcfg));
	return mcfg;
}

/* The compiled table has one such descriptor; its contents depend on how much RAM there is. */
static void set_high_window(uint8_t *ssdt, const struct acpi_pci *pci)
{
	struct aml_qword_space space;

	for (size_t i = 0; i + sizeof(space) <= pci->ssdt_size; i++) {
		memcpy(&space, ssdt + i, sizeof(space));
		if (space.tag != AML_QWORD_SPACE || space.length != sizeof(space) - 3 ||
		    space.type != AML_SPACE_MEMORY)
			continue;
		space.min = pci->high_start;
		space.max = pci->high_len ? pci->high_start + pci->high_len - 1 : space.min;
		space.size = pci->high_len;
		memcpy(ssdt + i, &space, sizeof(space));
		return;
	}
}

static void *build_pci_ssdt(struct builder *b, const struct acpi_pci *pci)
{
	struct acpi_header *ssdt = builder_take(b, pci->ssdt_size, 16);

	if (!ssdt)
		return NULL;
	memcpy(ssdt, pci->ssdt, pci->ssdt_size);
	set_high_window((uint8_t *)ssdt, pci);
	ssdt->checksum = 0;
	ssdt->checksum = checksum(ssdt, pci->ssdt_size);
	return ssdt;
}

/* Those of tables[] that are there. */
static struct acpi_xsdt *build_xsdt(struct builder *b, void *const tables[XSDT_MAX_TABLES])
{
	struct acpi_xsdt *xsdt;
	unsigned int count = 0;

	while (count < XSDT_MAX_TABLES && tables[count])
		count++;
	xsdt = builder_take(b, sizeof(xsdt->header) + count * sizeof(xsdt->tables[0]), 16);
	if (!xsdt)
		return NULL;
	for (unsigned int i = 0; i < count; i++)
		xsdt->tables[i] = builder_gpa(b, tables[i]);
	seal(&xsdt->header, "XSDT", 1, sizeof(xsdt->header) + count * sizeof(xsdt->tables[0]));
	return xsdt;
}

static void fill_rsdp(struct acpi_rsdp *rsdp, uint64_t xsdt)
{
	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, OEM_ID, 6);
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = xsdt;
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

size_t acpi_build(uint8_t *tables, size_t size, uint64_t gpa, const struct acpi_request *request)
{
	struct builder b = { .tables = tables, .size = size, .gpa = gpa };
	struct acpi_rsdp *rsdp = builder_take(&b, sizeof(*rsdp), 16);
	struct acpi_facs *facs = build_facs(&b);
	void *dsdt = build_dsdt(&b, request);
	struct acpi_fadt *fadt = build_fadt(&b, facs, dsdt);
	struct acpi_madt *madt = build_madt(&b, request->cpus);
	void *const listed[XSDT_MAX_TABLES] = {
		fadt,
		madt,
		request->pci ? build_mcfg(&b, request->pci->ecam) : NULL,
		request->pci ? build_pci_ssdt(&b, request->pci) : NULL,
	};
	struct acpi_xsdt *xsdt = build_xsdt(&b, listed);

	if (b.full)
		return 0;
	fill_rsdp(rsdp, builder_gpa(&b, xsdt));
	return b.used;
}
