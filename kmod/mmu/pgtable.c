// SPDX-License-Identifier: GPL-2.0-only
/* EPT and NPT as arithmetic: see pgtable.h. */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "mmu/pgtable.h"

/* SDM vol 3, 29.3.2, tables 29-1 to 29-7: formats of the EPT paging-structure entries. */
#define EPT_READ BIT_ULL(0)
#define EPT_WRITE BIT_ULL(1)
#define EPT_EXEC BIT_ULL(2)
#define EPT_MEMTYPE_WB (6ull << 3)
#define EPT_IGNORE_PAT BIT_ULL(6)
#define EPT_LARGE BIT_ULL(7)
#define EPT_ACCESSED BIT_ULL(8)
#define EPT_DIRTY BIT_ULL(9)

/* APM vol 2, 15.25.5: nested tables have the format of long mode's (5.3); every walk is a user access. */
#define NPT_PRESENT BIT_ULL(0)
#define NPT_WRITE BIT_ULL(1)
#define NPT_USER BIT_ULL(2)
#define NPT_ACCESSED BIT_ULL(5)
#define NPT_DIRTY BIT_ULL(6)
#define NPT_LARGE BIT_ULL(7)
#define NPT_NX BIT_ULL(63)

/*
 * RAM is write-back whatever the guest's PAT says: a guest that maps its RAM uncached must not meet a
 * line that the host has cached. In NPT the PAT, PCD and PWT bits are 0: host PAT entry 0, write-back.
 */
#define EPT_FORMAT                                                                        \
	.present = EPT_READ | EPT_WRITE | EPT_EXEC, .read = EPT_READ, .write = EPT_WRITE, \
	.exec = EPT_EXEC, .large = EPT_LARGE, .leaf = EPT_MEMTYPE_WB | EPT_IGNORE_PAT,    \
	.table = EPT_READ | EPT_WRITE | EPT_EXEC, .max_level = PGTABLE_2M

const struct pgtable_format pgtable_format_ept = {
	.name = "EPT",
	EPT_FORMAT,
};

const struct pgtable_format pgtable_format_ept_ad = {
	.name = "EPT, accessed and dirty bits",
	EPT_FORMAT,
	.accessed = EPT_ACCESSED,
	.dirty = EPT_DIRTY,
};

const struct pgtable_format pgtable_format_npt = {
	.name = "NPT",
	.present = NPT_PRESENT,
	.read = NPT_PRESENT | NPT_USER,
	.write = NPT_WRITE,
	.noexec = NPT_NX,
	.accessed = NPT_ACCESSED,
	.dirty = NPT_DIRTY,
	.large = NPT_LARGE,
	.table = NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
	.max_level = PGTABLE_2M,
};

u64 pgtable_make_leaf(const struct pgtable_format *fmt, u64 pfn, enum pgtable_level level,
		      u32 rights)
{
	u64 entry = (pfn << 12) | fmt->encrypt | fmt->leaf | fmt->read;

	if (level > PGTABLE_4K) {
		entry |= fmt->large;
		if (fmt->nx_huge)
			rights &= ~MMU_EXEC;
	}
	entry |= rights & MMU_EXEC ? fmt->exec : fmt->noexec;
	/*
	 * Accessed: the fault that asks for the entry is an access. Dirty, where writes are allowed: nobody
	 * reads it (the host page is marked dirty when it is mapped), and setting it would cost the CPU.
	 */
	if (!(rights & MMU_AHEAD))
		entry |= fmt->accessed;
	if (rights & MMU_WRITE)
		entry |= fmt->write | fmt->dirty;
	return entry;
}

u64 pgtable_make_table(const struct pgtable_format *fmt, u64 hpa)
{
	return hpa | fmt->encrypt | fmt->table;
}

enum pgtable_level pgtable_fit(u64 gfn, u64 base_gfn, u64 npages, unsigned long hva,
			       enum pgtable_level max)
{
	enum pgtable_level level;

	for (level = max; level > PGTABLE_4K; level--) {
		u64 mask = pgtable_frames(level) - 1;
		u64 first = gfn & ~mask;

		if (first >= base_gfn && first + mask < base_gfn + npages &&
		    !(((hva >> 12) ^ base_gfn) & mask))
			break;
	}
	return level;
}

static u64 *pgtable_child(const struct pgtable_format *fmt, u64 entry)
{
	return phys_to_virt(pgtable_addr(fmt, entry));
}

static bool pgtable_is_table(const struct pgtable_format *fmt, u64 entry, enum pgtable_level level)
{
	return pgtable_present(fmt, entry) && !pgtable_is_leaf(fmt, entry, level);
}

/*
 * Unlink the table that hangs below an entry of the level. CPUs may walk it until the next flush, so
 * what is in it stays as it is, and the link is in its struct page.
 */
static void pgtable_detach(u64 *table, enum pgtable_level level, struct list_head *detached)
{
	struct page *page = virt_to_page(table);

	set_page_private(page, level - 1);
	list_add(&page->lru, detached);
}

/* The entry of gfn, at the level or above it where the walk ends earlier. */
static u64 *pgtable_walk(const struct pgtable *pt, u64 gfn, enum pgtable_level stop,
			 enum pgtable_level *level)
{
	u64 *table = pt->root;
	u64 *entry;

	for (*level = PGTABLE_LEVELS;; --*level) {
		entry = &table[pgtable_index(gfn, *level)];
		if (*level == stop || !pgtable_is_table(&pt->fmt, READ_ONCE(*entry), *level))
			return entry;
		table = pgtable_child(&pt->fmt, *entry);
	}
}

u64 pgtable_lookup(const struct pgtable *pt, u64 gfn, enum pgtable_level *level)
{
	u64 entry = READ_ONCE(*pgtable_walk(pt, gfn, PGTABLE_4K, level));

	return pgtable_present(&pt->fmt, entry) ? entry : 0;
}

enum pgtable_level pgtable_depth(const struct pgtable *pt, u64 gfn)
{
	enum pgtable_level level;

	pgtable_walk(pt, gfn, PGTABLE_4K, &level);
	return level;
}

/* Does the leaf at the level, over gfn, have pfn there? */
static bool pgtable_maps(const struct pgtable_format *fmt, u64 leaf, enum pgtable_level level,
			 u64 gfn, u64 pfn)
{
	return pgtable_pfn(fmt, leaf) + (gfn & (pgtable_frames(level) - 1)) == pfn;
}

/* A table in place of the leaf, which maps the same by leaves of the level below. */
static void pgtable_fill(const struct pgtable_format *fmt, u64 *table, u64 leaf,
			 enum pgtable_level level)
{
	u32 rights = pgtable_rights(fmt, leaf);
	u64 pfn = pgtable_pfn(fmt, leaf);
	unsigned int i;

	for (i = 0; i < PGTABLE_ENTRIES; i++, pfn += pgtable_frames(level - 1))
		table[i] = pgtable_make_leaf(fmt, pfn, level - 1, rights);
}

int pgtable_map(struct pgtable *pt, u64 gfn, u64 pfn, enum pgtable_level level, u32 rights,
		struct pgtable_spare *spare, struct list_head *detached)
{
	const struct pgtable_format *fmt = &pt->fmt;
	enum pgtable_level at;
	u64 *entry = pgtable_walk(pt, gfn, level, &at);
	u64 old = *entry, new;
	bool split;
	int ret = 0;

	if (at - level > spare->nr)
		return -ENOMEM;

	/*
	 * A large leaf in the way gives way to smaller ones; the CPU must not meet both, though they say the same
	 * (AMD erratum 383). If it maps something else, it goes, and its other parts are faulted in again.
	 */
	split = pgtable_present(fmt, old) && at > level;
	if (split)
		ret = PGTABLE_FLUSH;
	split = split && pgtable_maps(fmt, old, at, gfn, pfn);
	while (at > level) {
		u64 *table = spare->table[--spare->nr];

		if (split)
			pgtable_fill(fmt, table, old, at);
		WRITE_ONCE(*entry, pgtable_make_table(fmt, virt_to_phys(table)));
		entry = &table[pgtable_index(gfn, --at)];
		old = *entry;
	}

	new = pgtable_make_leaf(fmt, pfn, level, rights);
	if (pgtable_is_table(fmt, old, level)) {
		pgtable_detach(pgtable_child(fmt, old), level, detached);
		ret = PGTABLE_FLUSH;
	} else if (pgtable_present(fmt, old) &&
		   (pgtable_pfn(fmt, old) != pgtable_pfn(fmt, new) ||
		    (pgtable_rights(fmt, old) & ~pgtable_rights(fmt, new)))) {
		ret = PGTABLE_FLUSH;
	}
	WRITE_ONCE(*entry, new);
	return ret;
}

static bool pgtable_zap_table(const struct pgtable_format *fmt, u64 *table,
			      enum pgtable_level level, u64 start, u64 end,
			      struct list_head *detached)
{
	bool zapped = false;
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 *entry = &table[pgtable_index(gfn, level)];
		u64 old = *entry;

		next = min(end, (gfn | (pgtable_frames(level) - 1)) + 1);
		if (!pgtable_present(fmt, old))
			continue;
		if (pgtable_is_table(fmt, old, level)) {
			if (next - gfn < pgtable_frames(level)) {
				zapped |= pgtable_zap_table(fmt, pgtable_child(fmt, old), level - 1,
							    gfn, next, detached);
				continue;
			}
			pgtable_detach(pgtable_child(fmt, old), level, detached);
		}
		WRITE_ONCE(*entry, 0);
		zapped = true;
	}
	return zapped;
}

bool pgtable_zap(struct pgtable *pt, u64 start, u64 end, struct list_head *detached)
{
	return pgtable_zap_table(&pt->fmt, pt->root, PGTABLE_LEVELS, start, end, detached);
}

/*
 * What the leaves in a range have of `bits`; where `clear`, they lose them. The CPU sets accessed and
 * dirty bits meanwhile, so the change is atomic.
 */
static u64 pgtable_leaf_bits(const struct pgtable_format *fmt, u64 *table, enum pgtable_level level,
			     u64 start, u64 end, u64 bits, bool clear)
{
	u64 found = 0;
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 *entry = &table[pgtable_index(gfn, level)];
		u64 old = READ_ONCE(*entry);

		next = min(end, (gfn | (pgtable_frames(level) - 1)) + 1);
		if (!pgtable_present(fmt, old))
			continue;
		if (pgtable_is_table(fmt, old, level)) {
			found |= pgtable_leaf_bits(fmt, pgtable_child(fmt, old), level - 1, gfn,
						   next, bits, clear);
			continue;
		}
		found |= old & bits;
		while (clear && (old & bits) && !try_cmpxchg(entry, &old, old & ~bits))
			;
	}
	return found;
}

static void pgtable_count_table(const struct pgtable_format *fmt, const u64 *table,
				enum pgtable_level level, u64 start, u64 end, u64 *leaves)
{
	u64 gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 entry = table[pgtable_index(gfn, level)];

		next = min(end, (gfn | (pgtable_frames(level) - 1)) + 1);
		if (pgtable_is_table(fmt, entry, level))
			pgtable_count_table(fmt, pgtable_child(fmt, entry), level - 1, gfn, next,
					    leaves);
		else if (pgtable_present(fmt, entry))
			leaves[level]++;
	}
}

void pgtable_count(const struct pgtable *pt, u64 start, u64 end, u64 *leaves)
{
	pgtable_count_table(&pt->fmt, pt->root, PGTABLE_LEVELS, start, end, leaves);
}

bool pgtable_wrprotect(struct pgtable *pt, u64 start, u64 end)
{
	return pgtable_leaf_bits(&pt->fmt, pt->root, PGTABLE_LEVELS, start, end, pt->fmt.write,
				 true);
}

bool pgtable_test_young(const struct pgtable *pt, u64 start, u64 end)
{
	/* Without accessed bits, what is mapped counts: it goes when the host ages it. */
	u64 bits = pt->fmt.accessed ? pt->fmt.accessed : pt->fmt.present;

	return pgtable_leaf_bits(&pt->fmt, pt->root, PGTABLE_LEVELS, start, end, bits, false);
}

bool pgtable_clear_young(struct pgtable *pt, u64 start, u64 end)
{
	return pgtable_leaf_bits(&pt->fmt, pt->root, PGTABLE_LEVELS, start, end, pt->fmt.accessed,
				 true);
}

void pgtable_free(const struct pgtable_format *fmt, struct list_head *detached,
		  void (*free_table)(u64 *table, void *ctx), void *ctx)
{
	struct page *page;

	while ((page = list_first_entry_or_null(detached, struct page, lru))) {
		enum pgtable_level level = page_private(page);
		u64 *table = page_address(page);
		unsigned int i;

		list_del(&page->lru);
		for (i = 0; level > PGTABLE_4K && i < PGTABLE_ENTRIES; i++) {
			if (pgtable_is_table(fmt, table[i], level))
				pgtable_detach(pgtable_child(fmt, table[i]), level, detached);
		}
		set_page_private(page, 0);
		free_table(table, ctx);
	}
}
