// SPDX-License-Identifier: GPL-2.0-only
/* EPT and NPT entries against the manuals, and trees of tables in memory. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bits.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "mmu/pgtable.h"

static int live_tables;

static u64 *new_table(void)
{
	void *page = aligned_alloc(SHIM_PAGE_ALLOC, SHIM_PAGE_ALLOC);

	ck_assert_ptr_nonnull(page);
	memset(page, 0, SHIM_PAGE_ALLOC);
	live_tables++;
	return page;
}

static void free_table(u64 *table, void *ctx)
{
	free(table);
	live_tables--;
}

static struct pgtable make_pgtable(const struct pgtable_format *fmt)
{
	live_tables = 0;
	return (struct pgtable){ .fmt = *fmt, .root = new_table() };
}

/* Map with spare tables at hand; what is detached is freed, as after a flush. */
static int map(struct pgtable *pt, u64 gfn, u64 pfn, enum pgtable_level level, u32 rights)
{
	struct pgtable_spare spare = { .nr = 3,
				       .table = { new_table(), new_table(), new_table() } };
	LIST_HEAD(detached);
	int ret = pgtable_map(pt, gfn, pfn, level, rights, &spare, &detached);

	while (spare.nr)
		free_table(spare.table[--spare.nr], NULL);
	pgtable_free(&pt->fmt, &detached, free_table, NULL);
	return ret;
}

static bool zap(struct pgtable *pt, u64 start, u64 end)
{
	LIST_HEAD(detached);
	bool zapped = pgtable_zap(pt, start, end, &detached);

	pgtable_free(&pt->fmt, &detached, free_table, NULL);
	return zapped;
}

static void destroy(struct pgtable *pt)
{
	zap(pt, 0, PGTABLE_MAX_GFN);
	ck_assert_int_eq(live_tables, 1);
	free_table(pt->root, NULL);
}

#define RWX (MMU_READ | MMU_WRITE | MMU_EXEC)
#define RX (MMU_READ | MMU_EXEC)

/*
 * SDM vol 3, tables 29-5 (2 MiB) and 29-7 (4 KiB): bit 0 read, 1 write, 2 execute, 5:3 memory type (6 = WB), 6 ignore
 * PAT, 7 page, 8 accessed, 9 dirty. Table 29-1 to 29-4: bits 2:0 rights, 7:3 reserved, 0.
 */
static const struct {
	const struct pgtable_format *fmt;
	enum pgtable_level level;
	u32 rights;
	bool nx_huge;
	u64 bits;
} leaves[] = {
	{ &pgtable_format_ept, PGTABLE_4K, RWX, false, 0x077 },
	{ &pgtable_format_ept, PGTABLE_4K, RX, false, 0x075 },
	{ &pgtable_format_ept, PGTABLE_4K, MMU_READ, false, 0x071 },
	{ &pgtable_format_ept, PGTABLE_4K, RWX, true, 0x077 },
	{ &pgtable_format_ept, PGTABLE_2M, RWX, false, 0x0f7 },
	{ &pgtable_format_ept, PGTABLE_2M, RWX, true, 0x0f3 },
	{ &pgtable_format_ept, PGTABLE_1G, RX, false, 0x0f5 },
	{ &pgtable_format_ept_ad, PGTABLE_4K, RWX, false, 0x377 },
	{ &pgtable_format_ept_ad, PGTABLE_4K, RX, false, 0x175 },
	{ &pgtable_format_ept_ad, PGTABLE_2M, RWX, false, 0x3f7 },
	{ &pgtable_format_ept_ad, PGTABLE_4K, RWX | MMU_AHEAD, false, 0x277 },
	{ &pgtable_format_ept_ad, PGTABLE_2M, RX, true, 0x1f1 },
	/* APM vol 2, 15.25.5 and 5.3.3: 0 present, 1 write, 2 user, 3 PWT, 4 PCD, 5 accessed, 6 dirty, 7 PS, 63 NX. */
	{ &pgtable_format_npt, PGTABLE_4K, RWX, false, 0x067 },
	{ &pgtable_format_npt, PGTABLE_4K, RX, false, 0x025 },
	{ &pgtable_format_npt, PGTABLE_4K, MMU_READ, false, 0x8000000000000025 },
	{ &pgtable_format_npt, PGTABLE_2M, RWX, false, 0x0e7 },
	{ &pgtable_format_npt, PGTABLE_2M, RWX, true, 0x80000000000000e7 },
	{ &pgtable_format_npt, PGTABLE_1G, RX, false, 0x0a5 },
};

START_TEST(mmu_leaf_bits)
{
	struct pgtable_format fmt = *leaves[_i].fmt;
	enum pgtable_level level = leaves[_i].level;
	u32 rights = leaves[_i].rights;
	u64 pfn = 0xabcde40000, entry;

	fmt.nx_huge = leaves[_i].nx_huge;
	entry = pgtable_make_leaf(&fmt, pfn, level, rights);
	ck_assert_uint_eq(entry, pfn << 12 | leaves[_i].bits);

	ck_assert(pgtable_present(&fmt, entry));
	ck_assert(pgtable_is_leaf(&fmt, entry, level));
	ck_assert_uint_eq(pgtable_pfn(&fmt, entry), pfn);
	if (fmt.nx_huge && level > PGTABLE_4K)
		rights &= ~MMU_EXEC;
	ck_assert_uint_eq(pgtable_rights(&fmt, entry), rights & RWX);
}
END_TEST

START_TEST(mmu_table_bits)
{
	u64 hpa = 0x000ffffffffff000;

	ck_assert_uint_eq(pgtable_make_table(&pgtable_format_ept, hpa), hpa | 0x7);
	/* SDM vol 3, 29.3.5: bit 8 is the CPU's to set. */
	ck_assert_uint_eq(pgtable_make_table(&pgtable_format_ept_ad, hpa), hpa | 0x7);
	ck_assert_uint_eq(pgtable_make_table(&pgtable_format_npt, hpa), hpa | 0x27);
	ck_assert(!pgtable_is_leaf(&pgtable_format_ept, hpa | 0x7, PGTABLE_2M));
	ck_assert(!pgtable_is_leaf(&pgtable_format_npt, hpa | 0x27, PGTABLE_1G));
}
END_TEST

START_TEST(mmu_absent_entries)
{
	/* EPT: no right is no presence, whatever else is set (SDM vol 3, 29.3.2); NPT: bit 0. */
	ck_assert(!pgtable_present(&pgtable_format_ept, 0));
	ck_assert(!pgtable_present(&pgtable_format_ept, 0xfffffffffffffff8));
	ck_assert(pgtable_present(&pgtable_format_ept, 0x4));
	ck_assert(!pgtable_present(&pgtable_format_npt, 0));
	ck_assert(!pgtable_present(&pgtable_format_npt, 0xfffffffffffffffe));
}
END_TEST

START_TEST(mmu_encrypt_bit)
{
	struct pgtable_format fmt = pgtable_format_npt;
	u64 entry;

	fmt.encrypt = BIT_ULL(47);
	entry = pgtable_make_leaf(&fmt, 0x1234, PGTABLE_4K, RWX);
	ck_assert_uint_eq(entry, BIT_ULL(47) | 0x1234067);
	ck_assert_uint_eq(pgtable_pfn(&fmt, entry), 0x1234);
	entry = pgtable_make_table(&fmt, 0x5678000);
	ck_assert_uint_eq(entry, BIT_ULL(47) | 0x5678027);
	ck_assert_uint_eq(pgtable_addr(&fmt, entry), 0x5678000);
}
END_TEST

START_TEST(mmu_indices)
{
	u64 gfn = 0x0000123456789abc >> 12; /* bits 47:39, 38:30, 29:21, 20:12 */

	ck_assert_uint_eq(pgtable_index(gfn, PGTABLE_512G), 0x024);
	ck_assert_uint_eq(pgtable_index(gfn, PGTABLE_1G), 0x0d1);
	ck_assert_uint_eq(pgtable_index(gfn, PGTABLE_2M), 0x0b3);
	ck_assert_uint_eq(pgtable_index(gfn, PGTABLE_4K), 0x189);
	ck_assert_uint_eq(pgtable_shift(PGTABLE_4K), 12);
	ck_assert_uint_eq(pgtable_shift(PGTABLE_2M), 21);
	ck_assert_uint_eq(pgtable_shift(PGTABLE_1G), 30);
	ck_assert_uint_eq(pgtable_frames(PGTABLE_4K), 1);
	ck_assert_uint_eq(pgtable_frames(PGTABLE_2M), 512);
	ck_assert_uint_eq(pgtable_frames(PGTABLE_1G), 512 * 512);
	ck_assert_uint_eq(pgtable_frames(PGTABLE_512G), 512 * 512 * 512);
	ck_assert_uint_eq(PGTABLE_MAX_GFN, PGTABLE_ENTRIES * pgtable_frames(PGTABLE_512G));
}
END_TEST

/* A slot of [base, base + pages) at hva: the largest leaf for gfn. */
static const struct {
	u64 gfn, base, pages;
	unsigned long hva;
	enum pgtable_level max, fit;
} fits[] = {
	{ 0x200, 0, 0x400, 0x7f0000000000, PGTABLE_2M, PGTABLE_2M },
	{ 0x3ff, 0, 0x400, 0x7f0000000000, PGTABLE_2M, PGTABLE_2M },
	{ 0x200, 0, 0x400, 0x7f0000000000, PGTABLE_4K, PGTABLE_4K },
	/* the last block is not whole */
	{ 0x200, 0, 0x3ff, 0x7f0000000000, PGTABLE_2M, PGTABLE_4K },
	{ 0x1ff, 0, 0x3ff, 0x7f0000000000, PGTABLE_2M, PGTABLE_2M },
	/* nor is the first */
	{ 0x1ff, 1, 0x400, 0x7f0000001000, PGTABLE_2M, PGTABLE_4K },
	{ 0x200, 1, 0x400, 0x7f0000001000, PGTABLE_2M, PGTABLE_2M },
	/* guest and host address disagree below 2 MiB */
	{ 0x200, 0, 0x400, 0x7f0000001000, PGTABLE_2M, PGTABLE_4K },
	{ 0x200, 1, 0x400, 0x7f0000000000, PGTABLE_2M, PGTABLE_4K },
	{ 0x200, 0, 0x400, 0x7f00001ff000, PGTABLE_2M, PGTABLE_4K },
	/* agree above it only */
	{ 0x200, 0, 0x400, 0x7f0000200000, PGTABLE_2M, PGTABLE_2M },
	{ 0x40000, 0, 0x80000, 0x7f0000200000, PGTABLE_1G, PGTABLE_2M },
	{ 0x40000, 0, 0x80000, 0x7f0000000000, PGTABLE_1G, PGTABLE_1G },
	{ 0x7ffff, 0, 0x80000, 0x7f0040000000, PGTABLE_1G, PGTABLE_1G },
	{ 0x7fdff, 0, 0x7fe00, 0x7f0040000000, PGTABLE_1G, PGTABLE_2M },
	{ 0x40000, 0x40000, 0x3ffff, 0x7f0040000000, PGTABLE_1G, PGTABLE_2M },
	/* at the end of what can be mapped */
	{ PGTABLE_MAX_GFN - 1, PGTABLE_MAX_GFN - 0x200, 0x200, 0x7f0000000000, PGTABLE_1G,
	  PGTABLE_2M },
};

START_TEST(mmu_fit_of_large_pages)
{
	ck_assert_int_eq(pgtable_fit(fits[_i].gfn, fits[_i].base, fits[_i].pages, fits[_i].hva,
				     fits[_i].max),
			 fits[_i].fit);
}
END_TEST

START_TEST(mmu_map_small)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept);
	enum pgtable_level level;
	u64 *table;

	ck_assert_uint_eq(pgtable_lookup(&pt, 0x12345, &level), 0);
	ck_assert_int_eq(level, PGTABLE_512G);
	ck_assert_int_eq(pgtable_depth(&pt, 0x12345), PGTABLE_512G);
	ck_assert_int_eq(map(&pt, 0x12345, 0x777, PGTABLE_4K, RWX), 0);
	ck_assert_int_eq(live_tables, 4);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x12345, &level), 0x777077);
	ck_assert_int_eq(level, PGTABLE_4K);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x12346, &level), 0);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x12344, &level), 0);
	ck_assert_int_eq(pgtable_depth(&pt, 0x12200), PGTABLE_4K);
	ck_assert_int_eq(pgtable_depth(&pt, 0x12400), PGTABLE_2M);
	ck_assert_int_eq(pgtable_depth(&pt, 0x40000), PGTABLE_1G);

	/* As the CPU walks: 9 bits a level, address from bits 51:12. gfn 0x12345 = 0, 0, 0x91, 0x145. */
	table = phys_to_virt(pt.root[0] & ~0xfffull);
	table = phys_to_virt(table[0] & ~0xfffull);
	ck_assert_uint_eq(table[0x91] & 0xfff, 0x7);
	table = phys_to_virt(table[0x91] & ~0xfffull);
	ck_assert_uint_eq(table[0x145], 0x777077);
	destroy(&pt);
}
END_TEST

START_TEST(mmu_map_at_the_ends)
{
	struct pgtable pt = make_pgtable(&pgtable_format_npt);
	enum pgtable_level level;

	ck_assert_int_eq(map(&pt, 0, 0x1, PGTABLE_4K, RWX), 0);
	ck_assert_int_eq(map(&pt, PGTABLE_MAX_GFN - 1, 0x2, PGTABLE_4K, RX), 0);
	ck_assert_int_eq(live_tables, 7);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0, &level), 0x1067);
	ck_assert_uint_eq(pgtable_lookup(&pt, PGTABLE_MAX_GFN - 1, &level), 0x2025);
	ck_assert(pt.root[511]);
	ck_assert(zap(&pt, PGTABLE_MAX_GFN - 1, PGTABLE_MAX_GFN));
	ck_assert_uint_eq(pgtable_lookup(&pt, PGTABLE_MAX_GFN - 1, &level), 0);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0, &level), 0x1067);
	destroy(&pt);
}
END_TEST

START_TEST(mmu_map_without_tables)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept);
	struct pgtable_spare spare = { .nr = 2, .table = { new_table(), new_table() } };
	enum pgtable_level level;
	LIST_HEAD(detached);

	ck_assert_int_eq(pgtable_map(&pt, 5, 6, PGTABLE_4K, RWX, &spare, &detached), -ENOMEM);
	ck_assert_int_eq(spare.nr, 2);
	ck_assert_uint_eq(pgtable_lookup(&pt, 5, &level), 0);
	ck_assert_int_eq(level, PGTABLE_512G);

	/* Two are enough for a large leaf; then its replacement lacks one, and it stays. */
	ck_assert_int_eq(pgtable_map(&pt, 0, 0x200, PGTABLE_2M, RWX, &spare, &detached), 0);
	ck_assert_int_eq(spare.nr, 0);
	ck_assert_int_eq(pgtable_map(&pt, 5, 6, PGTABLE_4K, RWX, &spare, &detached), -ENOMEM);
	ck_assert_uint_eq(pgtable_lookup(&pt, 5, &level), 0x2000f7);
	ck_assert(list_empty(&detached));
	destroy(&pt);
}
END_TEST

START_TEST(mmu_map_over_a_mapping)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept_ad);

	ck_assert_int_eq(map(&pt, 7, 0x70, PGTABLE_4K, RX), 0);
	/* More rights, same page: a stale translation only faults once more. */
	ck_assert_int_eq(map(&pt, 7, 0x70, PGTABLE_4K, RWX), 0);
	ck_assert_int_eq(map(&pt, 7, 0x70, PGTABLE_4K, RWX), 0);
	/* Fewer rights, or another page. */
	ck_assert_int_eq(map(&pt, 7, 0x70, PGTABLE_4K, RX), PGTABLE_FLUSH);
	ck_assert_int_eq(map(&pt, 7, 0x71, PGTABLE_4K, RX), PGTABLE_FLUSH);
	ck_assert_int_eq(live_tables, 4);
	destroy(&pt);
}
END_TEST

START_TEST(mmu_split_large)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept);
	u64 leaves[PGTABLE_LEVELS] = { 0 };
	enum pgtable_level level;

	ck_assert_int_eq(map(&pt, 0x400, 0x8000, PGTABLE_2M, RX), 0);
	ck_assert_int_eq(live_tables, 3);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x5ff, &level), 0x80000f5);
	ck_assert_int_eq(level, PGTABLE_2M);

	/* One page of it gets another right; the rest stays mapped as it was. */
	ck_assert_int_eq(map(&pt, 0x4ab, 0x80ab, PGTABLE_4K, RWX), PGTABLE_FLUSH);
	ck_assert_int_eq(live_tables, 4);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x4ab, &level), 0x80ab077);
	ck_assert_int_eq(level, PGTABLE_4K);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x400, &level), 0x8000075);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x4ac, &level), 0x80ac075);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x5ff, &level), 0x81ff075);
	ck_assert_int_eq(level, PGTABLE_4K);

	/* A 1 GiB leaf gives way to two new levels. */
	ck_assert_int_eq(map(&pt, 0x40000, 0x80000, PGTABLE_1G, RWX), 0);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x7ffff, &level), 0x800000f7);
	ck_assert_int_eq(level, PGTABLE_1G);
	ck_assert_int_eq(map(&pt, 0x7fffe, 0xbfffe, PGTABLE_4K, RX), PGTABLE_FLUSH);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x7fffe, &level), 0xbfffe075);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x7ffff, &level), 0xbffff077);
	ck_assert_int_eq(level, PGTABLE_4K);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x40000, &level), 0x800000f7);
	ck_assert_int_eq(level, PGTABLE_2M);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x7fdff, &level), 0xbfc000f7);

	pgtable_count(&pt, 0, PGTABLE_MAX_GFN, leaves);
	ck_assert_uint_eq(leaves[PGTABLE_4K], 1024);
	ck_assert_uint_eq(leaves[PGTABLE_2M], 511);
	ck_assert_uint_eq(leaves[PGTABLE_1G], 0);
	destroy(&pt);
}
END_TEST

/* A large leaf that maps something else goes as a whole. */
START_TEST(mmu_replace_large)
{
	struct pgtable pt = make_pgtable(&pgtable_format_npt);
	enum pgtable_level level;

	ck_assert_int_eq(map(&pt, 0x400, 0x8000, PGTABLE_2M, RWX), 0);
	ck_assert_int_eq(map(&pt, 0x4ab, 0x80ac, PGTABLE_4K, RX), PGTABLE_FLUSH);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x4ab, &level), 0x80ac025);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x4ac, &level), 0);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x400, &level), 0);
	destroy(&pt);
}
END_TEST

START_TEST(mmu_collapse_to_large)
{
	struct pgtable pt = make_pgtable(&pgtable_format_npt);
	struct pgtable_spare none = { 0 };
	enum pgtable_level level;
	struct page *page;
	LIST_HEAD(detached);
	u64 *table;

	map(&pt, 0x200, 0x8000, PGTABLE_4K, RX);
	map(&pt, 0x3ff, 0x81ff, PGTABLE_4K, RWX);
	ck_assert_int_eq(live_tables, 4);
	ck_assert_int_eq(pgtable_map(&pt, 0x234, 0x8000, PGTABLE_2M, RWX, &none, &detached),
			 PGTABLE_FLUSH);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x200, &level), 0x80000e7);
	ck_assert_int_eq(level, PGTABLE_2M);

	/* A CPU may still walk the old table: it is whole until it is freed. */
	page = list_first_entry_or_null(&detached, struct page, lru);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(page_private(page), PGTABLE_4K);
	table = page_address(page);
	ck_assert_uint_eq(table[0], 0x8000025);
	ck_assert_uint_eq(table[511], 0x81ff067);
	pgtable_free(&pt.fmt, &detached, free_table, NULL);
	ck_assert_int_eq(live_tables, 3);
	destroy(&pt);
}
END_TEST

START_TEST(mmu_zap_whole_tables)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept);
	LIST_HEAD(detached);
	struct page *page;
	u64 gfn;

	for (gfn = 0; gfn < 4 * 512; gfn += 64)
		map(&pt, gfn, gfn, PGTABLE_4K, RWX);
	ck_assert_int_eq(live_tables, 3 + 4);
	/* Two whole tables, and one entry before and after each end. */
	ck_assert(pgtable_zap(&pt, 448, 3 * 512 + 1, &detached));
	ck_assert_int_eq(live_tables, 7);
	page = list_first_entry_or_null(&detached, struct page, lru);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(page_private(page), PGTABLE_4K);
	pgtable_free(&pt.fmt, &detached, free_table, NULL);
	ck_assert_int_eq(live_tables, 5);
	for (gfn = 0; gfn < 4 * 512; gfn += 64) {
		enum pgtable_level level;
		bool there = pgtable_lookup(&pt, gfn, &level);

		ck_assert_int_eq(there, gfn < 448 || gfn > 3 * 512);
	}
	ck_assert(!zap(&pt, 512, 3 * 512));

	/* Everything: one entry of the root is cleared, all tables below go. */
	ck_assert(zap(&pt, 0, PGTABLE_MAX_GFN));
	ck_assert_int_eq(live_tables, 1);
	ck_assert_uint_eq(pt.root[0], 0);
	ck_assert(!zap(&pt, 0, PGTABLE_MAX_GFN));
	destroy(&pt);
}
END_TEST

START_TEST(mmu_zap_part_of_large)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept);
	enum pgtable_level level;

	map(&pt, 0x200, 0x200, PGTABLE_2M, RWX);
	map(&pt, 0x400, 0x400, PGTABLE_2M, RWX);
	ck_assert(!zap(&pt, 0x1ff, 0x200));
	ck_assert(zap(&pt, 0x3ff, 0x400));
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x200, &level), 0);
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x400, &level), 0x4000f7);
	destroy(&pt);
}
END_TEST

START_TEST(mmu_wrprotect)
{
	const struct pgtable_format *fmt = _i ? &pgtable_format_npt : &pgtable_format_ept_ad;
	struct pgtable pt = make_pgtable(fmt);
	enum pgtable_level level;
	u64 before;

	map(&pt, 10, 0x10, PGTABLE_4K, RWX);
	map(&pt, 11, 0x11, PGTABLE_4K, RWX);
	map(&pt, 12, 0x12, PGTABLE_4K, RX);
	before = pgtable_lookup(&pt, 11, &level);
	ck_assert(pgtable_wrprotect(&pt, 11, 13));
	ck_assert_uint_eq(pgtable_lookup(&pt, 11, &level), before & ~2ull);
	ck_assert_uint_eq(pgtable_rights(fmt, pgtable_lookup(&pt, 10, &level)), RWX);
	ck_assert_uint_eq(pgtable_rights(fmt, pgtable_lookup(&pt, 12, &level)), RX);
	ck_assert(!pgtable_wrprotect(&pt, 11, 13));
	ck_assert(!pgtable_wrprotect(&pt, 13, 100000));
	destroy(&pt);
}
END_TEST

START_TEST(mmu_young)
{
	const struct pgtable_format *fmt = _i ? &pgtable_format_npt : &pgtable_format_ept_ad;
	u64 accessed = _i ? BIT_ULL(5) : BIT_ULL(8);
	struct pgtable pt = make_pgtable(fmt);
	enum pgtable_level level;
	u64 before;

	map(&pt, 0x200, 0x200, PGTABLE_2M, RWX);
	map(&pt, 0x400, 0x777, PGTABLE_4K, RX);
	before = pgtable_lookup(&pt, 0x400, &level);
	ck_assert(pgtable_test_young(&pt, 0x3ff, 0x400));
	ck_assert(pgtable_test_young(&pt, 0x400, 0x401));
	ck_assert(!pgtable_test_young(&pt, 0x401, 0x600));
	ck_assert(pgtable_clear_young(&pt, 0x400, 0x600));
	ck_assert_uint_eq(pgtable_lookup(&pt, 0x400, &level), before & ~accessed);
	ck_assert(!pgtable_test_young(&pt, 0x400, 0x401));
	ck_assert(!pgtable_clear_young(&pt, 0x400, 0x600));
	ck_assert(pgtable_clear_young(&pt, 0x210, 0x211));
	ck_assert(!pgtable_test_young(&pt, 0, PGTABLE_MAX_GFN));
	destroy(&pt);
}
END_TEST

START_TEST(mmu_young_without_accessed_bits)
{
	struct pgtable pt = make_pgtable(&pgtable_format_ept);

	map(&pt, 3, 3, PGTABLE_4K, RX);
	ck_assert(pgtable_test_young(&pt, 3, 4));
	ck_assert(!pgtable_test_young(&pt, 4, 5));
	ck_assert(!pgtable_clear_young(&pt, 3, 4));
	ck_assert(pgtable_test_young(&pt, 3, 4));
	destroy(&pt);
}
END_TEST

/* What a page of the model is mapped to: its leaf's first gfn and level. */
struct model {
	u64 first, pfn;
	enum pgtable_level level; /* 0: not mapped */
	u32 rights;
};

#define MODEL_BASE (0x40000 - 0x800) /* across a 1 GiB border */
#define MODEL_PAGES 0x1000u

static struct model model[MODEL_PAGES];

static bool model_zap(u64 start, u64 end)
{
	bool zapped = false;
	u64 gfn, i;

	for (gfn = start; gfn < end; gfn++) {
		struct model at = model[gfn - MODEL_BASE];

		if (!at.level)
			continue;
		for (i = 0; i < pgtable_frames(at.level); i++)
			model[at.first - MODEL_BASE + i].level = 0;
		zapped = true;
	}
	return zapped;
}

static void model_map(u64 gfn, u64 pfn, enum pgtable_level level, u32 rights)
{
	u64 first = gfn & ~(pgtable_frames(level) - 1), i;

	model_zap(first, first + pgtable_frames(level));
	for (i = 0; i < pgtable_frames(level); i++) {
		model[first - MODEL_BASE + i] = (struct model){
			.first = first, .pfn = pfn, .level = level, .rights = rights
		};
	}
}

static void model_compare(const struct pgtable *pt)
{
	unsigned int i;

	for (i = 0; i < MODEL_PAGES; i++) {
		enum pgtable_level level;
		u64 entry = pgtable_lookup(pt, MODEL_BASE + i, &level);

		ck_assert_int_eq(!!entry, !!model[i].level);
		if (!entry)
			continue;
		ck_assert_int_eq(level, model[i].level);
		ck_assert_uint_eq(pgtable_pfn(&pt->fmt, entry), model[i].pfn);
		ck_assert_uint_eq(pgtable_rights(&pt->fmt, entry), model[i].rights);
	}
}

START_TEST(mmu_random_against_model)
{
	const struct pgtable_format *fmts[] = { &pgtable_format_ept, &pgtable_format_ept_ad,
						&pgtable_format_npt };
	struct pgtable pt = make_pgtable(fmts[_i % 3]);
	unsigned int step;

	memset(model, 0, sizeof(model));
	srandom(_i + 1);
	for (step = 0; step < 3000; step++) {
		u64 gfn = MODEL_BASE + random() % MODEL_PAGES;
		u64 end = gfn + 1 + random() % (step % 8 ? 700 : 3);
		u32 rights = random() % 2 ? RWX : RX;

		if (end > MODEL_BASE + MODEL_PAGES)
			end = MODEL_BASE + MODEL_PAGES;
		switch (random() % 6) {
		case 0:
			/* Empty tables may also count as zapped: the flush is then for nothing. */
			if (model_zap(gfn, end))
				ck_assert(zap(&pt, gfn, end));
			else
				zap(&pt, gfn, end);
			break;
		case 1:
			model_map(gfn, 0x1000 + (step << 9), PGTABLE_2M, rights);
			map(&pt, gfn, 0x1000 + (step << 9), PGTABLE_2M, rights);
			break;
		default:
			model_map(gfn, step, PGTABLE_4K, rights);
			map(&pt, gfn, step, PGTABLE_4K, rights);
		}
		if (step % 50 == 0)
			model_compare(&pt);
	}
	model_compare(&pt);
	destroy(&pt);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pgtable");
	TCase *entries = tcase_create("entries"), *tree = tcase_create("tree");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(entries, mmu_leaf_bits, 0, sizeof(leaves) / sizeof(leaves[0]));
	tcase_add_test(entries, mmu_table_bits);
	tcase_add_test(entries, mmu_absent_entries);
	tcase_add_test(entries, mmu_encrypt_bit);
	tcase_add_test(entries, mmu_indices);
	tcase_add_loop_test(entries, mmu_fit_of_large_pages, 0, sizeof(fits) / sizeof(fits[0]));
	tcase_add_test(tree, mmu_map_small);
	tcase_add_test(tree, mmu_map_at_the_ends);
	tcase_add_test(tree, mmu_map_without_tables);
	tcase_add_test(tree, mmu_map_over_a_mapping);
	tcase_add_test(tree, mmu_split_large);
	tcase_add_test(tree, mmu_replace_large);
	tcase_add_test(tree, mmu_collapse_to_large);
	tcase_add_test(tree, mmu_zap_whole_tables);
	tcase_add_test(tree, mmu_zap_part_of_large);
	tcase_add_loop_test(tree, mmu_wrprotect, 0, 2);
	tcase_add_loop_test(tree, mmu_young, 0, 2);
	tcase_add_test(tree, mmu_young_without_accessed_bits);
	tcase_add_loop_test(tree, mmu_random_against_model, 0, 6);
	tcase_set_timeout(tree, 60);
	suite_add_tcase(suite, entries);
	suite_add_tcase(suite, tree);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
