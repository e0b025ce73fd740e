// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI tables as a guest finds them: by following pointers and checking sums (ACPI 6.4, 5.2).
 */
#include <string.h>

#include "boot/acpi.h"
#include "suite.h"

#define GPA 0xe0000
#define SIZE 0x20000

static uint8_t area[SIZE];

/* Stands in for iasl's output: any table with its header will do. */
static const uint8_t dsdt[61] = "DSDT\x3d\0\0\0\x02 a table that is carried along as it is";

/* A header, and a QWordMemory descriptor somewhere behind it. */
static uint8_t ssdt[100] = "SSDT\x64";
static const struct acpi_pci pci = { ssdt, sizeof(ssdt), 0xe0000000, 1ULL << 40, 1ULL << 35 };

static size_t build(unsigned int cpus, size_t size)
{
	struct acpi_request request = { .cpus = cpus, .dsdt = dsdt, .dsdt_size = sizeof(dsdt) };

	memset(area, 0xcc, sizeof(area));
	return acpi_build(area, size, GPA, &request);
}

static uint64_t get(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, p, bytes);
	return value;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t total = 0;

	while (len--)
		total += *p++;
	return total;
}

static const uint8_t *at(uint64_t gpa)
{
	ck_assert_uint_ge(gpa, GPA);
	ck_assert_uint_lt(gpa, GPA + SIZE);
	return area + (gpa - GPA);
}

/* Every table but RSDP and FACS: signature, length, sum. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *t = at(gpa);

	ck_assert_mem_eq(t, signature, 4);
	ck_assert_uint_ge(get(t + 4, 4), 36);
	ck_assert_uint_eq(sum(t, get(t + 4, 4)), 0);
	return t;
}

static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = table(get(area + 24, 8), "XSDT");

	for (uint64_t i = 36; i + 8 <= get(xsdt + 4, 4); i += 8) {
		if (!memcmp(at(get(xsdt + i, 8)), signature, 4))
			return table(get(xsdt + i, 8), signature);
	}
	ck_abort_msg("no %s", signature);
	return NULL;
}

START_TEST(launcher_acpi_rsdp)
{
	size_t used = build(1, SIZE);

	ck_assert_uint_gt(used, 0);
	ck_assert_uint_le(used, SIZE);
	ck_assert_mem_eq(area, "RSD PTR ", 8);
	ck_assert_uint_eq(sum(area, 20), 0);
	ck_assert_uint_eq(area[15], 2);
	ck_assert_uint_eq(get(area + 20, 4), 36);
	ck_assert_uint_eq(sum(area, 36), 0);
	/* No RSDT: a guest of revision 2 takes the XSDT. */
	ck_assert_uint_eq(get(area + 16, 4), 0);
	ck_assert_uint_eq(area[used], 0xcc);
}
END_TEST

START_TEST(launcher_acpi_xsdt)
{
	const uint8_t *xsdt;

	build(2, SIZE);
	xsdt = table(get(area + 24, 8), "XSDT");
	ck_assert_uint_eq(get(xsdt + 4, 4), 36 + 2 * 8);
	find("FACP");
	find("APIC");
}
END_TEST

/* Offsets: table 5.9. */
START_TEST(launcher_acpi_fadt)
{
	const uint8_t *fadt;

	build(1, SIZE);
	fadt = find("FACP");
	ck_assert_uint_eq(get(fadt + 4, 4), 276);
	ck_assert_uint_eq(fadt[8], 6);
	ck_assert_uint_eq(get(fadt + 46, 2), 9); /* SCI_INT */
	ck_assert_uint_eq(get(fadt + 48, 4), 0); /* SMI_CMD: always in ACPI mode */
	ck_assert_uint_eq(get(fadt + 56, 4), 0x600); /* PM1a_EVT_BLK */
	ck_assert_uint_eq(get(fadt + 64, 4), 0x604); /* PM1a_CNT_BLK */
	ck_assert_uint_eq(get(fadt + 76, 4), 0x608); /* PM_TMR_BLK */
	ck_assert_uint_eq(fadt[88], 4);
	ck_assert_uint_eq(fadt[89], 2);
	ck_assert_uint_eq(fadt[91], 4);
	ck_assert_uint_eq(fadt[108], 0x32); /* CENTURY */
	ck_assert_uint_eq(get(fadt + 109, 2) & 3, 1); /* legacy devices, no 8042 */
	ck_assert_uint_eq(get(fadt + 112, 4) & (1u << 20), 0); /* not hardware-reduced */
	ck_assert_uint_ne(get(fadt + 112, 4) & (1u << 8), 0); /* 32-bit timer */
	ck_assert_uint_ne(get(fadt + 112, 4) & (1u << 10), 0); /* RESET_REG_SUP */
	ck_assert_mem_eq(fadt + 116, "\x01\x08\x00\x01",
			 4); /* RESET_REG: I/O, 8 bits, byte access */
	ck_assert_uint_eq(get(fadt + 120, 8), 0xcf9);
	ck_assert_uint_eq(fadt[128], 6);
	ck_assert_uint_eq(get(fadt + 148 + 4, 8), 0x600); /* X_PM1a_EVT_BLK */
	ck_assert_uint_eq(fadt[148 + 1], 32);
	ck_assert_uint_eq(get(fadt + 172 + 4, 8), 0x604); /* X_PM1a_CNT_BLK */
	ck_assert_uint_eq(fadt[172 + 1], 16);
	ck_assert_uint_eq(get(fadt + 208 + 4, 8), 0x608); /* X_PM_TMR_BLK */
	ck_assert_uint_eq(fadt[208 + 1], 32);
}
END_TEST

START_TEST(launcher_acpi_facs)
{
	const uint8_t *fadt, *facs;

	build(1, SIZE);
	fadt = find("FACP");
	facs = at(get(fadt + 36, 4));
	ck_assert_mem_eq(facs, "FACS", 4);
	ck_assert_uint_eq(get(facs + 4, 4), 64);
	ck_assert_uint_eq(get(fadt + 36, 4) % 64, 0);
}
END_TEST

START_TEST(launcher_acpi_dsdt)
{
	const uint8_t *fadt;

	build(1, SIZE);
	fadt = find("FACP");
	ck_assert_mem_eq(at(get(fadt + 140, 8)), dsdt, sizeof(dsdt));
	ck_assert_uint_eq(get(fadt + 40, 4), get(fadt + 140, 8));
}
END_TEST

struct madt_seen {
	unsigned int lapics, ioapics, overrides, nmis;
	uint64_t ids;
};

static struct madt_seen walk_madt(const uint8_t *madt)
{
	struct madt_seen seen = { 0 };
	const uint8_t *end = madt + get(madt + 4, 4);
	const uint8_t *e;

	for (e = madt + 44; e < end; e += e[1]) {
		ck_assert_uint_ge(e[1], 2);
		switch (e[0]) {
		case 0:
			ck_assert_uint_eq(e[1], 8);
			ck_assert_uint_eq(get(e + 4, 4), 1);
			seen.ids |= 1ULL << e[3];
			seen.lapics++;
			break;
		case 1:
			ck_assert_uint_eq(e[1], 12);
			ck_assert_uint_eq(get(e + 4, 4), 0xfec00000);
			ck_assert_uint_eq(get(e + 8, 4), 0);
			seen.ioapics++;
			break;
		case 2:
			ck_assert_uint_eq(e[1], 10);
			ck_assert_uint_eq(e[2], 0);
			/* IRQ 0 is GSI 2, as the bus has it; the SCI is GSI 9, high and level. */
			ck_assert(e[3] == 0 || e[3] == 9);
			ck_assert_uint_eq(get(e + 4, 4), e[3] ? 9 : 2);
			ck_assert_uint_eq(get(e + 8, 2), e[3] ? 0x0d : 0);
			seen.overrides++;
			break;
		case 4:
			ck_assert_uint_eq(e[1], 6);
			ck_assert_uint_eq(e[2], 0xff);
			ck_assert_uint_eq(e[5], 1);
			seen.nmis++;
			break;
		default:
			ck_abort_msg("entry of type %u", e[0]);
		}
	}
	ck_assert_ptr_eq(e, end);
	return seen;
}

START_TEST(launcher_acpi_madt)
{
	static const unsigned int counts[] = { 1, 2, 3, 64 };

	for (size_t i = 0; i < 4; i++) {
		const uint8_t *madt;
		struct madt_seen seen;

		ck_assert_uint_gt(build(counts[i], SIZE), 0);
		madt = find("APIC");
		ck_assert_uint_eq(get(madt + 36, 4), 0xfee00000);
		ck_assert_uint_eq(get(madt + 40, 4), 1);
		seen = walk_madt(madt);
		ck_assert_uint_eq(seen.lapics, counts[i]);
		ck_assert_uint_eq(seen.ids, counts[i] == 64 ? ~0ULL : (1ULL << counts[i]) - 1);
		ck_assert_uint_eq(seen.ioapics, 1);
		ck_assert_uint_eq(seen.overrides, 2);
		ck_assert_uint_eq(seen.nmis, 1);
	}
}
END_TEST

START_TEST(launcher_acpi_pci)
{
	static const uint8_t descriptor[] = { 0x8a, 0x2b, 0, 0, 0x0c, 1 };
	struct acpi_request request = {
		.cpus = 1, .pci = &pci, .dsdt = dsdt, .dsdt_size = sizeof(dsdt)
	};
	const uint8_t *t;

	memcpy(ssdt + 41, descriptor, sizeof(descriptor));
	memset(area, 0xcc, sizeof(area));
	ck_assert_uint_gt(acpi_build(area, SIZE, GPA, &request), 0);
	ck_assert_uint_eq(get(table(get(area + 24, 8), "XSDT") + 4, 4), 36 + 4 * 8);
	t = find("MCFG");
	ck_assert_uint_eq(get(t + 4, 4), 60);
	ck_assert_uint_eq(get(t + 44, 8), 0xe0000000);
	ck_assert_uint_eq(get(t + 52, 4), 0); /* segment 0, buses 0 to 0 */
	t = find("SSDT");
	ck_assert_mem_eq(t + 41, descriptor, sizeof(descriptor));
	ck_assert_uint_eq(get(t + 41 + 14, 8), 1ULL << 40);
	ck_assert_uint_eq(get(t + 41 + 22, 8), (1ULL << 40) + (1ULL << 35) - 1);
	ck_assert_uint_eq(get(t + 41 + 38, 8), 1ULL << 35);
	find("FACP");
	find("APIC");
}
END_TEST

/* Too small an area is refused at every size, and never written beyond. */
START_TEST(launcher_acpi_no_room)
{
	size_t needed = build(2, SIZE);

	for (size_t size = 0; size < needed; size++) {
		ck_assert_uint_eq(build(2, size), 0);
		for (size_t i = size; i < needed; i++)
			ck_assert_uint_eq(area[i], 0xcc);
	}
	ck_assert_uint_eq(build(2, needed), needed);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_acpi_rsdp, launcher_acpi_xsdt, launcher_acpi_fadt, launcher_acpi_facs,
		launcher_acpi_dsdt, launcher_acpi_madt, launcher_acpi_pci,  launcher_acpi_no_room,
	};

	return SUITE_RUN("acpi", NULL, tests);
}
