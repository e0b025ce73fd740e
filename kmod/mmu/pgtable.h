/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second-level page tables (EPT, NPT) as arithmetic: what an entry looks like, and a tree of
 * tables that maps, write-protects, ages and zaps ranges of guest frames. Nothing here sleeps, locks,
 * allocates or flushes: the caller serialises (struct mmu's lock), hands in spare table pages, and
 * flushes the TLBs when told to. Also built in userspace for the unit tests.
 */
#ifndef VMM_MMU_PGTABLE_H
#define VMM_MMU_PGTABLE_H

#include <linux/list.h>
#include <linux/types.h>

/* Kinds of access, of a fault and of a mapping. */
#define MMU_READ 1u
#define MMU_WRITE 2u
#define MMU_EXEC 4u
#define MMU_AHEAD 8u /* of a mapping: made before it is asked for, so not accessed yet */

/* Levels of the walk, by what one entry there covers. The root is a table of PGTABLE_512G entries. */
enum pgtable_level {
	PGTABLE_4K = 1,
	PGTABLE_2M = 2,
	PGTABLE_1G = 3,
	PGTABLE_512G = 4,
};

#define PGTABLE_LEVELS 4
#define PGTABLE_ENTRIES 512u
/* Four levels of nine bits over a 4 KiB page: the guest-physical space that can be mapped. */
#define PGTABLE_GPA_BITS 48
#define PGTABLE_MAX_GFN (1ull << (PGTABLE_GPA_BITS - 12))
#define PGTABLE_ADDR_MASK 0x000ffffffffff000ull

/*
 * What an entry looks like. A backend that has less than the constant below (no 1 GiB pages) or needs
 * more (no executable large pages) copies the constant, changes the fields and gives the copy to mmu_init().
 */
struct pgtable_format {
	const char *name;
	u64 present; /* an entry is present when any of these bits is set */
	u64 read; /* bits to set for each right */
	u64 write;
	u64 exec;
	u64 noexec; /* or the bit to set when the right is missing */
	u64 accessed; /* 0: the CPU keeps no accessed bits */
	u64 dirty;
	u64 large; /* the entry at 2M or 1G is a leaf */
	u64 leaf; /* set in every leaf: the memory type of RAM, write-back */
	u64 table; /* set in every entry that points to a table */
	u64 encrypt; /* the C-bit of SME, set by mmu_init() */
	enum pgtable_level max_level; /* the largest leaf */
	bool nx_huge; /* large leaves are never executable (iTLB multihit, CVE-2018-12207) */
};

extern const struct pgtable_format pgtable_format_ept; /* no accessed and dirty bits */
extern const struct pgtable_format pgtable_format_ept_ad; /* EPTP bit 6 set */
extern const struct pgtable_format pgtable_format_npt;

static inline unsigned int pgtable_shift(enum pgtable_level level)
{
	return 12 + 9 * (level - 1);
}

/* Frames (4 KiB) that one entry of the level covers. */
static inline u64 pgtable_frames(enum pgtable_level level)
{
	return 1ull << (9 * (level - 1));
}

static inline unsigned int pgtable_index(u64 gfn, enum pgtable_level level)
{
	return (gfn >> (9 * (level - 1))) & (PGTABLE_ENTRIES - 1);
}

static inline bool pgtable_present(const struct pgtable_format *fmt, u64 entry)
{
	return entry & fmt->present;
}

static inline bool pgtable_is_leaf(const struct pgtable_format *fmt, u64 entry,
				   enum pgtable_level level)
{
	return level == PGTABLE_4K || (entry & fmt->large);
}

static inline u64 pgtable_addr(const struct pgtable_format *fmt, u64 entry)
{
	return entry & PGTABLE_ADDR_MASK & ~fmt->encrypt;
}

static inline u64 pgtable_pfn(const struct pgtable_format *fmt, u64 entry)
{
	return pgtable_addr(fmt, entry) >> 12;
}

/* The rights that a present leaf gives. */
static inline u32 pgtable_rights(const struct pgtable_format *fmt, u64 entry)
{
	u32 rights = 0;

	if ((entry & fmt->read) == fmt->read)
		rights |= MMU_READ;
	if ((entry & fmt->write) == fmt->write)
		rights |= MMU_WRITE;
	if ((entry & fmt->exec) == fmt->exec && !(entry & fmt->noexec))
		rights |= MMU_EXEC;
	return rights;
}

u64 pgtable_make_leaf(const struct pgtable_format *fmt, u64 pfn, enum pgtable_level level,
		      u32 rights);
u64 pgtable_make_table(const struct pgtable_format *fmt, u64 hpa);

/*
 * The largest leaf, not above max, that may map gfn: its whole block must lie within the slot
 * (base_gfn, npages at hva) and guest and host address must agree below the block size.
 */
enum pgtable_level pgtable_fit(u64 gfn, u64 base_gfn, u64 npages, unsigned long hva,
			       enum pgtable_level max);

/* The tree. Table pages are whole, zeroed, direct-mapped pages whose struct page is ours to link. */
struct pgtable {
	struct pgtable_format fmt;
	u64 *root;
};

/* Table pages got before the lock was taken: a mapping needs one per missing level. */
struct pgtable_spare {
	unsigned int nr;
	u64 *table[PGTABLE_LEVELS - 1];
};

#define PGTABLE_FLUSH 1

/*
 * Map the block of gfn at the level: pfn is its first frame. A larger leaf that maps the same is split: the rest of it
 * stays mapped. Returns 0, PGTABLE_FLUSH when a translation that was there before may still be cached, or -ENOMEM
 * when spare lacks a page (nothing visible to the guest has changed). Tables that became unreachable go to `detached`.
 */
int pgtable_map(struct pgtable *pt, u64 gfn, u64 pfn, enum pgtable_level level, u32 rights,
		struct pgtable_spare *spare, struct list_head *detached);

/* The present leaf that maps gfn and its level; 0 when there is none. */
u64 pgtable_lookup(const struct pgtable *pt, u64 gfn, enum pgtable_level *level);

/*
 * The level at which a table or leaf already stands in the way: the lowest level that the walk for gfn
 * can reach without a new table.
 */
enum pgtable_level pgtable_depth(const struct pgtable *pt, u64 gfn);

/* Zap [start, end); a large leaf partly inside goes as a whole. True when something was there: flush. */
bool pgtable_zap(struct pgtable *pt, u64 start, u64 end, struct list_head *detached);

/* Take the write right from the leaves in [start, end). True when one had it: flush. */
bool pgtable_wrprotect(struct pgtable *pt, u64 start, u64 end);

/* Add to leaves[level] what leaves there are in [start, end), in blocks of a leaf that begin there. */
void pgtable_count(const struct pgtable *pt, u64 start, u64 end, u64 *leaves);

/*
 * Has a leaf in [start, end) been accessed? The second also clears the bit. Without fmt.accessed, what is
 * present is young, and clearing is the caller's: by zapping.
 */
bool pgtable_test_young(const struct pgtable *pt, u64 start, u64 end);
bool pgtable_clear_young(struct pgtable *pt, u64 start, u64 end);

/*
 * Free detached tables and all tables below them: after the flush, when no CPU can walk them any more.
 * Needs no lock.
 */
void pgtable_free(const struct pgtable_format *fmt, struct list_head *detached,
		  void (*free_table)(u64 *table, void *ctx), void *ctx);

#endif
