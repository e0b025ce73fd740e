// SPDX-License-Identifier: GPL-2.0-only
/* The guest page walk on tables built in a buffer; sections are those of SDM vol. 3, chapter 4. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "x86/walk.h"

#define CR0_WP (1ull << 16)
#define CR0_PG (1ull << 31)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define CR4_PKE (1ull << 22)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)
#define RFLAGS_AC (1ull << 18)

#define P 1ull
#define RW 2ull
#define US 4ull
#define A 0x20ull
#define D 0x40ull
#define PS 0x80ull
#define XD (1ull << 63)
#define ALL_RIGHTS (P | RW | US)

/* Guest-physical memory: the tables of levels 1 to 5, one page each. */
#define TABLE(level) ((level)*0x1000ull)
#define MEMORY 0x6000

static u8 memory[MEMORY];
static struct walk_ctx walk;
static struct walk_fault fault;
static unsigned int reads, exchanges, lost_races;
static u64 unreadable;

static int read_gpa(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	ck_assert_ptr_eq(ctx, memory);
	ck_assert(len == 4 || len == 8);
	ck_assert_uint_eq(gpa % len, 0);
	reads++;
	if (gpa == unreadable || gpa > MEMORY - len)
		return -EFAULT;
	memcpy(buf, memory + gpa, len);
	return 0;
}

static int cmpxchg_gpa(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len)
{
	u64 value = 0;

	ck_assert(gpa <= MEMORY - len);
	exchanges++;
	if (lost_races) {
		lost_races--;
		return -EAGAIN;
	}
	memcpy(&value, memory + gpa, len);
	if (value != old)
		return -EAGAIN;
	memcpy(memory + gpa, &new, len);
	return 0;
}

static void setup(void)
{
	memset(memory, 0, sizeof(memory));
	memset(&fault, 0x5a, sizeof(fault));
	walk = (struct walk_ctx){
		.cr0 = CR0_PG | CR0_WP | 1,
		.maxphyaddr = 40,
		.gbpages = true,
		.read_gpa = read_gpa,
		.ctx = memory,
	};
	reads = exchanges = lost_races = 0;
	unreadable = ~0ull;
}

static void put(u64 gpa, u64 entry)
{
	memcpy(memory + gpa, &entry, 8);
}

static void put32(u64 gpa, u32 entry)
{
	memcpy(memory + gpa, &entry, 4);
}

static u64 get(u64 gpa)
{
	u64 entry;

	memcpy(&entry, memory + gpa, 8);
	return entry;
}

/* The address that index i of every table from the top down leads to. */
static u64 gva_of(unsigned int i5, unsigned int i4, unsigned int i3, unsigned int i2,
		  unsigned int i1)
{
	u64 gva = (u64)i5 << 48 | (u64)i4 << 39 | (u64)i3 << 30 | (u64)i2 << 21 | (u64)i1 << 12;

	return (s64)(gva << 7) >> 7;
}

#define LEAF 0x3456789000ull
#define GVA gva_of(0, 1, 2, 3, 4)

/* 4-level tables that map GVA to LEAF; `entry` of `level` gets these bits instead of all rights. */
static void build_long(unsigned int level, u64 entry)
{
	walk.efer = EFER_LMA | EFER_NXE;
	walk.cr4 |= CR4_PAE;
	walk.cr3 = TABLE(4);
	put(TABLE(4) + 8 * 1, TABLE(3) | ALL_RIGHTS);
	put(TABLE(3) + 8 * 2, TABLE(2) | ALL_RIGHTS);
	put(TABLE(2) + 8 * 3, TABLE(1) | ALL_RIGHTS);
	put(TABLE(1) + 8 * 4, LEAF | ALL_RIGHTS);
	if (level) {
		u64 at = TABLE(level) + 8 * (5 - level);

		put(at, (get(at) & ~ALL_RIGHTS) | entry);
	}
}

static void expect_gpa(u64 gva, unsigned int access, u64 want)
{
	u64 gpa = 0;
	int ret = walk_gva(&walk, gva, access, &gpa, &fault);

	ck_assert_msg(ret == 0, "gva %llx access %x: %d, error code %x", gva, access, ret,
		      fault.error_code);
	ck_assert_uint_eq(gpa, want);
}

static void expect_fault(u64 gva, unsigned int access, u32 error_code)
{
	u64 gpa = 0;
	int ret = walk_gva(&walk, gva, access, &gpa, &fault);

	ck_assert_msg(ret == 1, "gva %llx access %x: %d, gpa %llx", gva, access, ret, gpa);
	ck_assert_uint_eq(fault.vector, 14);
	ck_assert(fault.has_error_code);
	ck_assert_uint_eq(fault.error_code, error_code);
	ck_assert_uint_eq(fault.cr2, gva);
}

START_TEST(walk_without_paging)
{
	walk.cr0 = 1;
	expect_gpa(0xfee00123, WALK_WRITE, 0xfee00123);
	expect_gpa(0x1fee00123ull, WALK_READ, 0xfee00123);
	ck_assert_uint_eq(reads, 0);
}
END_TEST

START_TEST(walk_32_bit)
{
	u64 gpa;

	/* PCD and PWT of CR3 are no address bits. */
	walk.cr3 = TABLE(2) | 0x18;
	walk.cpl = 3;
	put32(TABLE(2) + 4 * 0x3ff, TABLE(1) | ALL_RIGHTS);
	put32(TABLE(1) + 4 * 0x201, 0xfed00000 | ALL_RIGHTS);
	expect_gpa(0xffe01abc, WALK_WRITE, 0xfed00abc);
	/* Only 32 bits of the address count, also in CR2. */
	expect_gpa(0x1ffe01abcull, WALK_READ, 0xfed00abc);
	expect_fault(0xffe02000, WALK_READ, 4);
	expect_fault(0x00400000, WALK_WRITE, 6);
	ck_assert_int_eq(walk_gva(&walk, 0xabc00400000ull, WALK_READ, &gpa, &fault), 1);
	ck_assert_uint_eq(fault.cr2, 0x00400000);
	/* Without NXE and SMEP fetches are not told apart. */
	expect_fault(0x00400000, WALK_FETCH, 4);
	walk.cpl = 0;
	expect_fault(0x00400000, WALK_FETCH, 0);
	walk.cr4 = CR4_SMEP;
	expect_fault(0x00400000, WALK_FETCH, 0x10);
}
END_TEST

/* 4.3, table 4-4: bits 20:13 of the PDE are bits 39:32 of the address. */
START_TEST(walk_pse)
{
	walk.cr3 = TABLE(2);
	walk.cr4 = CR4_PSE;
	put32(TABLE(2) + 4 * 3, 0x80400000 | 0xab << 13 | ALL_RIGHTS | PS);
	expect_gpa(0x00f56789, WALK_READ, 0xab80756789ull);
	/* A smaller processor has fewer of these bits; bit 21 is never one. */
	walk.maxphyaddr = 36;
	expect_fault(0x00f56789, WALK_READ, 9);
	put32(TABLE(2) + 4 * 3, 0x80400000 | 0x0b << 13 | ALL_RIGHTS | PS);
	expect_gpa(0x00f56789, WALK_READ, 0xb80756789ull);
	put32(TABLE(2) + 4 * 3, 0x80400000 | 1 << 21 | ALL_RIGHTS | PS);
	walk.maxphyaddr = 46;
	expect_fault(0x00f56789, WALK_READ, 9);
	/* Without CR4.PSE the bit means nothing: this is a page table. */
	walk.cr4 = 0;
	put32(TABLE(2) + 4 * 3, TABLE(1) | ALL_RIGHTS | PS);
	put32(TABLE(1) + 4 * 0x356, 0x5000 | ALL_RIGHTS | PS);
	expect_gpa(0x00f56789, WALK_READ, 0x5789);
}
END_TEST

START_TEST(walk_pae)
{
	u64 pdptrs[4] = { 0 };

	walk.cr3 = TABLE(3) + 0x7e0; /* 32-byte aligned */
	walk.cr4 = CR4_PAE;
	put(TABLE(3) + 0x7e0 + 8 * 3, TABLE(2) | P);
	put(TABLE(2) + 8 * 0x1ff, TABLE(1) | ALL_RIGHTS);
	put(TABLE(1) + 8 * 0x123, LEAF | ALL_RIGHTS);
	walk.cpl = 3;
	/* A PDPTE has no rights of its own. */
	expect_gpa(0xfff23456ull, WALK_WRITE, LEAF + 0x456);
	expect_fault(0x3ff23456ull, WALK_WRITE, 6);
	/* PS in it is reserved, in a PDE a 2 MiB page. */
	put(TABLE(2) + 8 * 0x1ff, 0x1200000000ull | ALL_RIGHTS | PS);
	expect_gpa(0xfff23456ull, WALK_WRITE, 0x1200123456ull);
	/* The registers count, not what lies in memory. */
	walk.pdptrs = pdptrs;
	expect_fault(0xfff23456ull, WALK_READ, 4);
	pdptrs[3] = TABLE(2) | P;
	reads = 0;
	expect_gpa(0xfff23456ull, WALK_READ, 0x1200123456ull);
	ck_assert_uint_eq(reads, 1);
	/* XD needs NXE. */
	put(TABLE(2) + 8 * 0x1ff, 0x1200000000ull | ALL_RIGHTS | PS | XD);
	expect_fault(0xfff23456ull, WALK_READ, 0xd);
	walk.efer = EFER_NXE;
	expect_gpa(0xfff23456ull, WALK_READ, 0x1200123456ull);
	expect_fault(0xfff23456ull, WALK_FETCH, 0x15);
}
END_TEST

START_TEST(walk_4_level)
{
	build_long(0, 0);
	walk.cr3 |= 0xfff; /* a PCID */
	expect_gpa(GVA + 0xfff, WALK_WRITE, LEAF + 0xfff);
	/* 2 MiB and 1 GiB pages. */
	put(TABLE(2) + 8 * 3, 0x3456600000ull | ALL_RIGHTS | PS);
	expect_gpa(GVA + 0xfff, WALK_WRITE, 0x3456604fffull);
	put(TABLE(3) + 8 * 2, 0x3440000000ull | ALL_RIGHTS | PS);
	expect_gpa(GVA + 0xfff, WALK_WRITE, 0x3440604fffull);
	walk.gbpages = false;
	expect_fault(GVA, WALK_READ, 9);
	/* PAT of a large page is bit 12: no address bit. */
	walk.gbpages = true;
	put(TABLE(3) + 8 * 2, 0x3440001000ull | ALL_RIGHTS | PS);
	expect_gpa(GVA, WALK_WRITE, 0x3440604000ull);
	/* There are no 512 GiB pages. */
	put(TABLE(4) + 8 * 1, 1ull << 39 | ALL_RIGHTS | PS);
	expect_fault(GVA, WALK_READ, 9);
	/* The upper half of the address space. */
	put(TABLE(4) + 8 * 511, TABLE(3) | ALL_RIGHTS);
	expect_gpa(0xffff800000000000ull | gva_of(0, 511, 2, 3, 4), WALK_READ, 0x3440604000ull);
}
END_TEST

START_TEST(walk_5_level)
{
	u64 gva = gva_of(0x1f0, 1, 2, 3, 4);

	build_long(0, 0);
	walk.cr4 |= CR4_LA57;
	walk.cr3 = TABLE(5);
	put(TABLE(5) + 8 * 0x1f0, TABLE(4) | ALL_RIGHTS);
	expect_gpa(gva + 0x10, WALK_WRITE, LEAF + 0x10);
	expect_fault(gva_of(0x1f1, 1, 2, 3, 4), WALK_READ, 0);
	put(TABLE(5) + 8 * 0x1f0, TABLE(4) | ALL_RIGHTS | PS);
	expect_fault(gva, WALK_READ, 9);
}
END_TEST

/* Not present at any level, by the kind of access (4.7). */
START_TEST(walk_not_present)
{
	unsigned int level;

	for (level = 1; level <= 4; level++) {
		setup();
		build_long(level, RW | US);
		expect_fault(GVA + 0x123, WALK_READ, 0);
		expect_fault(GVA + 0x123, WALK_WRITE, 2);
		expect_fault(GVA + 0x123, WALK_FETCH, 0x10);
		walk.cpl = 3;
		expect_fault(GVA + 0x123, WALK_READ, 4);
		expect_fault(GVA + 0x123, WALK_WRITE, 6);
		expect_fault(GVA + 0x123, WALK_FETCH, 0x14);
		/* A descriptor table is read as a supervisor. */
		expect_fault(GVA + 0x123, WALK_READ | WALK_IMPLICIT, 0);
		/* What is not present has no reserved bits. */
		put(TABLE(level) + 8 * (5 - level), ~P);
		expect_fault(GVA, WALK_READ, 4);
	}
}
END_TEST

/* 4.6.1, one row per rule; the rights are those of one level, whichever it is. */
static const struct {
	u64 entry;
	u8 cpl;
	u64 cr0_wp;
	u64 cr4;
	u64 rflags;
	unsigned int access;
	int error_code; /* -1: allowed */
} rights[] = {
	/* User: U/S on all levels, R/W for writes, XD for fetches. CR0.WP does not matter. */
	{ P | RW | US, 3, 0, 0, 0, WALK_READ, -1 },
	{ P | RW | US, 3, 0, 0, 0, WALK_WRITE, -1 },
	{ P | RW | US, 3, 0, 0, 0, WALK_FETCH, -1 },
	{ P | RW, 3, 0, 0, 0, WALK_READ, 5 },
	{ P | RW, 3, 0, 0, 0, WALK_WRITE, 7 },
	{ P | RW, 3, 0, 0, 0, WALK_FETCH, 0x15 },
	{ P | US, 3, 0, 0, 0, WALK_READ, -1 },
	{ P | US, 3, 0, 0, 0, WALK_WRITE, 7 },
	{ P | US, 3, CR0_WP, 0, 0, WALK_WRITE, 7 },
	{ P | US | XD, 3, 0, 0, 0, WALK_READ, -1 },
	{ P | US | XD, 3, 0, 0, 0, WALK_FETCH, 0x15 },
	{ P | RW | US, 3, CR0_WP, CR4_SMEP | CR4_SMAP, 0, WALK_WRITE, -1 },
	{ P | RW | US, 3, CR0_WP, CR4_SMEP | CR4_SMAP, 0, WALK_FETCH, -1 },
	/* Supervisor: R/W counts with CR0.WP only. CPL 1 and 2 are supervisors. */
	{ P, 0, 0, 0, 0, WALK_READ, -1 },
	{ P, 0, 0, 0, 0, WALK_WRITE, -1 },
	{ P, 0, CR0_WP, 0, 0, WALK_WRITE, 3 },
	{ P | RW, 0, CR0_WP, 0, 0, WALK_WRITE, -1 },
	{ P | RW, 2, CR0_WP, 0, 0, WALK_WRITE, -1 },
	{ P | XD, 0, 0, 0, 0, WALK_FETCH, 0x11 },
	{ P | XD, 0, 0, 0, 0, WALK_WRITE, -1 },
	{ P | RW | US, 0, CR0_WP, 0, 0, WALK_FETCH, -1 },
	/* SMEP: no fetches from user pages. */
	{ P | RW | US, 0, CR0_WP, CR4_SMEP, 0, WALK_FETCH, 0x11 },
	{ P | RW, 0, CR0_WP, CR4_SMEP, 0, WALK_FETCH, -1 },
	{ P | RW | US, 0, CR0_WP, CR4_SMEP, 0, WALK_WRITE, -1 },
	/* SMAP: data in user pages only with EFLAGS.AC, and never implicitly. */
	{ P | RW | US, 0, CR0_WP, CR4_SMAP, 0, WALK_READ, 1 },
	{ P | RW | US, 0, CR0_WP, CR4_SMAP, 0, WALK_WRITE, 3 },
	{ P | RW | US, 0, CR0_WP, CR4_SMAP, RFLAGS_AC, WALK_READ, -1 },
	{ P | RW | US, 0, CR0_WP, CR4_SMAP, RFLAGS_AC, WALK_WRITE, -1 },
	{ P | US, 0, CR0_WP, CR4_SMAP, RFLAGS_AC, WALK_WRITE, 3 },
	{ P | RW | US, 0, CR0_WP, CR4_SMAP, 0, WALK_FETCH, -1 },
	{ P | RW, 0, CR0_WP, CR4_SMAP, 0, WALK_WRITE, -1 },
	{ P | RW | US, 0, CR0_WP, CR4_SMAP, RFLAGS_AC, WALK_READ | WALK_IMPLICIT, 1 },
	{ P | RW | US, 3, CR0_WP, CR4_SMAP, RFLAGS_AC, WALK_READ | WALK_IMPLICIT, 1 },
	{ P | RW, 3, CR0_WP, CR4_SMAP, 0, WALK_WRITE | WALK_IMPLICIT, -1 },
	{ P, 3, CR0_WP, 0, 0, WALK_WRITE | WALK_IMPLICIT, 3 },
};

START_TEST(walk_rights)
{
	unsigned int level, i;

	for (level = 1; level <= 4; level++) {
		for (i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
			setup();
			build_long(level, rights[i].entry);
			walk.cpl = rights[i].cpl;
			walk.cr0 = CR0_PG | rights[i].cr0_wp;
			walk.cr4 |= rights[i].cr4;
			walk.rflags = rights[i].rflags;
			if (rights[i].error_code < 0)
				expect_gpa(GVA + 8, rights[i].access, LEAF + 8);
			else
				expect_fault(GVA + 8, rights[i].access, rights[i].error_code);
		}
	}
}
END_TEST

/* Each of bits 12 to 63 of an entry either is reserved or is not; tables 4-15 to 4-20. */
static u64 reserved_bits(unsigned int level, bool large, unsigned int maxphyaddr)
{
	u64 reserved = (1ull << 52) - (1ull << maxphyaddr);

	if (large)
		reserved |= level == 2 ? 0x1fe000ull : 0x3fffe000ull;
	return reserved;
}

static void check_reserved(unsigned int level, bool large, unsigned int width, unsigned int bit)
{
	u64 entry = ALL_RIGHTS | 1ull << bit, gpa;

	if (large)
		entry |= PS;
	else if (level > 1)
		entry |= TABLE(level - 1);
	setup();
	build_long(0, 0);
	walk.maxphyaddr = width;
	put(TABLE(1) + 8 * 4, ALL_RIGHTS);
	put(TABLE(level) + 8 * (5 - level), entry);
	if (reserved_bits(level, large, width) >> bit & 1)
		expect_fault(GVA, WALK_WRITE, 0xb);
	else if (walk_gva(&walk, GVA, WALK_READ, &gpa, &fault) == 1)
		/* An address bit may lead anywhere, but it is not reserved. */
		ck_assert_msg(!(fault.error_code & PF_ERROR_RSVD), "level %u bit %u", level, bit);
}

START_TEST(walk_reserved_bits_of_long_mode)
{
	static const u8 widths[] = { 36, 40, 46, 52 };
	unsigned int level, bit, i;

	for (i = 0; i < 4; i++)
		for (level = 1; level <= 4; level++)
			for (bit = 12; bit < 64; bit++) {
				check_reserved(level, false, widths[i], bit);
				if (level == 2 || level == 3)
					check_reserved(level, true, widths[i], bit);
			}
}
END_TEST

/* Tables 4-8 to 4-11: PAE entries have no ignored bits above MAXPHYADDR. */
START_TEST(walk_reserved_bits_of_pae)
{
	unsigned int bit;

	for (bit = 1; bit < 64; bit++) {
		/* Bit 5 is reserved by the manual, and let through: an emulator sets it. */
		bool reserved = bit <= 2 || (bit >= 6 && bit <= 8) || bit >= 40;
		u64 gpa;
		int ret;

		setup();
		walk.cr3 = TABLE(3);
		walk.cr4 = CR4_PAE;
		walk.efer = EFER_NXE;
		put(TABLE(3), TABLE(2) | P | 1ull << bit);
		ret = walk_gva(&walk, 0, WALK_READ, &gpa, &fault);
		ck_assert_int_eq(ret == 1 && fault.error_code == 9, reserved);

		put(TABLE(3), TABLE(2) | P);
		put(TABLE(2), TABLE(1) | ALL_RIGHTS);
		put(TABLE(1), ALL_RIGHTS | 1ull << bit);
		ret = walk_gva(&walk, 0, WALK_READ, &gpa, &fault);
		ck_assert_int_eq(ret == 1 && fault.error_code == 9, bit >= 40 && bit < 63);
	}
}
END_TEST

START_TEST(walk_xd_without_nxe)
{
	unsigned int level;

	for (level = 1; level <= 4; level++) {
		setup();
		build_long(level, ALL_RIGHTS | XD);
		walk.efer = EFER_LMA;
		expect_fault(GVA, WALK_READ, 9);
	}
	/* I/D needs NXE or SMEP. */
	build_long(1, 0);
	walk.efer = EFER_LMA;
	expect_fault(GVA, WALK_FETCH, 0);
}
END_TEST

/* 4.6.2: AD and WD of the key of a user page. */
START_TEST(walk_protection_keys)
{
	u64 key = 5ull << 59;

	build_long(1, ALL_RIGHTS | key);
	walk.cpl = 3;
	walk.pkru = 3u << 10;
	expect_gpa(GVA, WALK_READ, LEAF); /* CR4.PKE is clear */
	walk.cr4 |= CR4_PKE;
	expect_fault(GVA, WALK_READ, 0x25);
	expect_fault(GVA, WALK_WRITE, 0x27);
	expect_gpa(GVA, WALK_FETCH, LEAF);
	walk.pkru = 2u << 10; /* WD alone */
	expect_gpa(GVA, WALK_READ, LEAF);
	expect_fault(GVA, WALK_WRITE, 0x27);
	walk.pkru = ~(3u << 10); /* all others */
	expect_gpa(GVA, WALK_WRITE, LEAF);
	/* A supervisor may write despite WD without CR0.WP. */
	walk.cpl = 0;
	walk.pkru = 2u << 10;
	expect_fault(GVA, WALK_WRITE, 0x23);
	walk.cr0 &= ~CR0_WP;
	expect_gpa(GVA, WALK_WRITE, LEAF);
	walk.pkru = 1u << 10;
	expect_fault(GVA, WALK_READ, 0x21);
	/* Supervisor pages have no keys. */
	build_long(1, P | RW | key);
	expect_gpa(GVA, WALK_WRITE, LEAF);
	/* The bit is told beside another reason, but not without a translation. */
	build_long(1, P | US | key);
	walk.cpl = 3;
	expect_fault(GVA, WALK_WRITE, 0x27);
	build_long(1, US | key);
	expect_fault(GVA, WALK_WRITE, 6);
}
END_TEST

/* 4.8. */
START_TEST(walk_sets_accessed_and_dirty)
{
	unsigned int level;

	build_long(0, 0);
	walk.cmpxchg_gpa = cmpxchg_gpa;
	expect_gpa(GVA, WALK_READ, LEAF);
	for (level = 1; level <= 4; level++)
		ck_assert_uint_eq(get(TABLE(level) + 8 * (5 - level)) & (A | D), A);
	expect_gpa(GVA, WALK_WRITE, LEAF);
	ck_assert_uint_eq(get(TABLE(1) + 8 * 4) & (A | D), A | D);
	ck_assert_uint_eq(get(TABLE(2) + 8 * 3) & (A | D), A);
	/* Set once, no exchange is needed. */
	exchanges = 0;
	expect_gpa(GVA, WALK_WRITE, LEAF);
	ck_assert_uint_eq(exchanges, 0);
	/* An access that faults marks nothing dirty. */
	put(TABLE(1) + 8 * 4, LEAF | P | A);
	expect_fault(GVA, WALK_WRITE, 3);
	ck_assert_uint_eq(get(TABLE(1) + 8 * 4) & D, 0);
}
END_TEST

START_TEST(walk_leaves_the_bits_alone_without_a_callback)
{
	build_long(0, 0);
	expect_gpa(GVA, WALK_WRITE, LEAF);
	ck_assert_uint_eq(get(TABLE(1) + 8 * 4) & (A | D), 0);
}
END_TEST

START_TEST(walk_accessed_bits_of_32_bit_and_pae)
{
	walk.cmpxchg_gpa = cmpxchg_gpa;
	walk.cr3 = TABLE(2);
	put32(TABLE(2), TABLE(1) | ALL_RIGHTS);
	put32(TABLE(1), 0x7000 | ALL_RIGHTS);
	put32(TABLE(1) + 4, 0x8000 | ALL_RIGHTS);
	expect_gpa(0, WALK_WRITE, 0x7000);
	ck_assert_uint_eq(get(TABLE(1)), 0x8007ull << 32 | 0x7067);
	ck_assert_uint_eq(get(TABLE(2)), TABLE(1) | ALL_RIGHTS | A);
	/* The PDPTE has no such bit. */
	walk.cr3 = TABLE(3);
	walk.cr4 = CR4_PAE;
	put(TABLE(3), TABLE(2) | P);
	put(TABLE(2), TABLE(1) | ALL_RIGHTS);
	put(TABLE(1), 0x7000 | ALL_RIGHTS);
	expect_gpa(0, WALK_READ, 0x7000);
	ck_assert_uint_eq(get(TABLE(3)), TABLE(2) | P);
	ck_assert_uint_eq(get(TABLE(2)), TABLE(1) | ALL_RIGHTS | A);
}
END_TEST

START_TEST(walk_starts_over_when_an_entry_changes)
{
	u64 gpa;

	build_long(0, 0);
	walk.cmpxchg_gpa = cmpxchg_gpa;
	lost_races = 3;
	expect_gpa(GVA, WALK_WRITE, LEAF);
	ck_assert_uint_eq(reads, 4 * 4);
	/* But not for ever. */
	build_long(0, 0);
	lost_races = ~0u;
	ck_assert_int_eq(walk_gva(&walk, GVA, WALK_WRITE, &gpa, &fault), -EAGAIN);
}
END_TEST

START_TEST(walk_hands_on_errors)
{
	unsigned int level;
	u64 gpa;

	build_long(0, 0);
	for (level = 1; level <= 4; level++) {
		unreadable = TABLE(level) + 8 * (5 - level);
		ck_assert_int_eq(walk_gva(&walk, GVA, WALK_READ, &gpa, &fault), -EFAULT);
	}
	unreadable = ~0ull;
	walk.cr3 = 0x123456000ull;
	ck_assert_int_eq(walk_gva(&walk, GVA, WALK_READ, &gpa, &fault), -EFAULT);
}
END_TEST

static Suite *walk_suite(void)
{
	Suite *s = suite_create("walk");
	TCase *tc = tcase_create("walk");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, walk_without_paging);
	tcase_add_test(tc, walk_32_bit);
	tcase_add_test(tc, walk_pse);
	tcase_add_test(tc, walk_pae);
	tcase_add_test(tc, walk_4_level);
	tcase_add_test(tc, walk_5_level);
	tcase_add_test(tc, walk_not_present);
	tcase_add_test(tc, walk_rights);
	tcase_add_test(tc, walk_reserved_bits_of_long_mode);
	tcase_add_test(tc, walk_reserved_bits_of_pae);
	tcase_add_test(tc, walk_xd_without_nxe);
	tcase_add_test(tc, walk_protection_keys);
	tcase_add_test(tc, walk_sets_accessed_and_dirty);
	tcase_add_test(tc, walk_leaves_the_bits_alone_without_a_callback);
	tcase_add_test(tc, walk_accessed_bits_of_32_bit_and_pae);
	tcase_add_test(tc, walk_starts_over_when_an_entry_changes);
	tcase_add_test(tc, walk_hands_on_errors);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(walk_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
