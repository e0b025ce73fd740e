// SPDX-License-Identifier: GPL-2.0-only
/* Section numbers are those of SDM vol. 3, chapter 4. */
#include <linux/errno.h>
#include <linux/string.h>

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

#define PTE_P (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_US (1ull << 2)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_XD (1ull << 63)

/* A guest that keeps changing its tables under a walk is told to come back. */
#define MAX_RESTARTS 16
#define RESTART 2

enum paging {
	PAGING_32,
	PAGING_PAE,
	PAGING_LONG, /* 4-level and 5-level */
};

struct entry {
	u64 gpa;
	u64 value;
};

/* One walk under way. */
struct walk {
	const struct walk_ctx *in;
	u64 gva;
	unsigned int access;
	enum paging paging;
	unsigned int top; /* the level that CR3 points to; level 1 holds PTEs */
	unsigned int leaf; /* the level that maps the page */
	struct entry entries[6]; /* by level */
	bool user; /* U/S and R/W are set, XD is clear on all levels so far */
	bool write;
	bool exec;
};

static u64 bits(unsigned int high, unsigned int low)
{
	return high < low ? 0 : (~0ull >> (63 - high)) & (~0ull << low);
}

static bool user_mode(const struct walk *w)
{
	return w->in->cpl == 3 && !(w->access & WALK_IMPLICIT);
}

/* 4.7: W/R and U/S always tell the access; I/D only where fetches can be denied. */
static int page_fault(const struct walk *w, u32 error_code, struct walk_fault *fault)
{
	const struct walk_ctx *in = w->in;
	bool fetch_counts = (in->cr4 & CR4_SMEP) || ((in->cr4 & CR4_PAE) && (in->efer & EFER_NXE));

	if (w->access & WALK_WRITE)
		error_code |= PF_ERROR_WRITE;
	if (user_mode(w))
		error_code |= PF_ERROR_USER;
	if ((w->access & WALK_FETCH) && fetch_counts)
		error_code |= PF_ERROR_FETCH;
	*fault = (struct walk_fault){
		.vector = WALK_VECTOR_PF,
		.has_error_code = true,
		.error_code = error_code,
		.cr2 = w->gva,
	};
	return 1;
}

static void set_paging(struct walk *w)
{
	const struct walk_ctx *in = w->in;

	if (in->efer & EFER_LMA) {
		w->paging = PAGING_LONG;
		w->top = in->cr4 & CR4_LA57 ? 5 : 4;
	} else {
		w->paging = in->cr4 & CR4_PAE ? PAGING_PAE : PAGING_32;
		w->top = w->paging == PAGING_PAE ? 3 : 2;
		w->gva &= 0xffffffff;
	}
}

static bool is_pdpte_of_pae(const struct walk *w, unsigned int level)
{
	return w->paging == PAGING_PAE && level == 3;
}

static unsigned int entry_size(const struct walk *w)
{
	return w->paging == PAGING_32 ? 4 : 8;
}

/* The lowest bit of the linear address that selects an entry of this level. */
static unsigned int level_shift(const struct walk *w, unsigned int level)
{
	return 12 + (level - 1) * (w->paging == PAGING_32 ? 10 : 9);
}

static unsigned int maxphyaddr(const struct walk *w)
{
	unsigned int width = w->in->maxphyaddr;

	return width < 32 ? 32 : width > 52 ? 52 : width;
}

/* Table 4-4: bits 20:13 of a 4 MiB PDE are address bits 39:32, as far as those exist. */
static u64 reserved_32(const struct walk *w, bool large)
{
	unsigned int width = maxphyaddr(w);

	return large ? bits(21, (width > 40 ? 40 : width) - 19) : 0;
}

/* Tables 4-8 to 4-20. */
static u64 reserved_64(const struct walk *w, unsigned int level, bool large)
{
	u64 reserved = bits(51, maxphyaddr(w));

	/* Bit 5 is left out: QEMU's TCG sets it there, as if a PDPTE had an accessed bit. */
	if (is_pdpte_of_pae(w, level))
		return reserved | bits(63, 52) | bits(8, 6) | bits(2, 1);
	if (w->paging == PAGING_PAE)
		reserved |= bits(62, 52);
	if (!(w->in->efer & EFER_NXE))
		reserved |= PTE_XD;
	if (!large)
		return reserved;
	if (level > 3 || (level == 3 && !w->in->gbpages))
		return reserved | PTE_PS;
	return reserved | bits(level_shift(w, level) - 1, 13);
}

/* 4.3: without CR4.PSE the bit is ignored. */
static bool is_large(const struct walk *w, unsigned int level, u64 entry)
{
	if (level == 1 || !(entry & PTE_PS))
		return false;
	return w->paging != PAGING_32 || (w->in->cr4 & CR4_PSE);
}

static u64 root_table(const struct walk *w)
{
	switch (w->paging) {
	case PAGING_32:
		return w->in->cr3 & bits(31, 12);
	case PAGING_PAE:
		return w->in->cr3 & bits(31, 5);
	default:
		return w->in->cr3 & bits(51, 12);
	}
}

static int read_entry(struct walk *w, unsigned int level, u64 table)
{
	struct entry *entry = &w->entries[level];
	unsigned int size = entry_size(w);
	u64 index = w->gva >> level_shift(w, level);

	index &= w->paging == PAGING_32 ? 0x3ff : is_pdpte_of_pae(w, level) ? 3 : 0x1ff;
	if (is_pdpte_of_pae(w, level) && w->in->pdptrs) {
		entry->value = w->in->pdptrs[index];
		return 0;
	}
	entry->gpa = table + index * size;
	entry->value = 0;
	return w->in->read_gpa(w->in->ctx, entry->gpa, &entry->value, size);
}

/* Takes in one entry; returns 0 or 1 with a fault. */
static int check_entry(struct walk *w, unsigned int level, struct walk_fault *fault)
{
	u64 entry = w->entries[level].value;
	bool large = is_large(w, level, entry);
	u64 reserved;

	if (!(entry & PTE_P))
		return page_fault(w, 0, fault);
	reserved = w->paging == PAGING_32 ? reserved_32(w, large) : reserved_64(w, level, large);
	if (entry & reserved)
		return page_fault(w, PF_ERROR_PRESENT | PF_ERROR_RSVD, fault);
	if (large || level == 1)
		w->leaf = level;
	if (is_pdpte_of_pae(w, level))
		return 0;
	w->user = w->user && (entry & PTE_US);
	w->write = w->write && (entry & PTE_RW);
	w->exec = w->exec && !(entry & PTE_XD);
	return 0;
}

/* 4.6.2: keys rule data accesses to user pages, in both modes. */
static bool key_denies(const struct walk *w)
{
	const struct walk_ctx *in = w->in;
	unsigned int key = w->entries[w->leaf].value >> 59 & 0xf;
	u32 rights = in->pkru >> (2 * key) & 3;

	if (w->paging != PAGING_LONG || !(in->cr4 & CR4_PKE) || !w->user ||
	    (w->access & WALK_FETCH))
		return false;
	if (rights & 1)
		return true;
	return (rights & 2) && (w->access & WALK_WRITE) && (user_mode(w) || (in->cr0 & CR0_WP));
}

/* 4.6.1. */
static bool rights_deny(const struct walk *w)
{
	const struct walk_ctx *in = w->in;
	bool explicit_ac = (in->rflags & RFLAGS_AC) && !(w->access & WALK_IMPLICIT);

	if (user_mode(w) && !w->user)
		return true;
	if (!user_mode(w) && w->user) {
		if ((w->access & WALK_FETCH) && (in->cr4 & CR4_SMEP))
			return true;
		if (!(w->access & WALK_FETCH) && (in->cr4 & CR4_SMAP) && !explicit_ac)
			return true;
	}
	if ((w->access & WALK_FETCH) && !w->exec)
		return true;
	return (w->access & WALK_WRITE) && !w->write && (user_mode(w) || (in->cr0 & CR0_WP));
}

static int check_rights(const struct walk *w, struct walk_fault *fault)
{
	bool key = key_denies(w);

	if (!key && !rights_deny(w))
		return 0;
	return page_fault(w, PF_ERROR_PRESENT | (key ? PF_ERROR_PK : 0), fault);
}

/* 4.8: accessed on all levels, dirty on the leaf; a PAE PDPTE has neither. */
static int set_accessed(struct walk *w)
{
	const struct walk_ctx *in = w->in;
	unsigned int level;
	u64 old, new;
	int ret;

	if (!in->cmpxchg_gpa)
		return 0;
	for (level = w->top; level >= w->leaf; level--) {
		if (is_pdpte_of_pae(w, level))
			continue;
		old = w->entries[level].value;
		new = old | PTE_A;
		if (level == w->leaf && (w->access & WALK_WRITE))
			new |= PTE_D;
		if (new == old)
			continue;
		ret = in->cmpxchg_gpa(in->ctx, w->entries[level].gpa, old, new, entry_size(w));
		if (ret)
			return ret == -EAGAIN ? RESTART : ret;
	}
	return 0;
}

static u64 physical_address(const struct walk *w)
{
	u64 entry = w->entries[w->leaf].value;
	u64 offset = bits(level_shift(w, w->leaf) - 1, 0);
	u64 page = entry & bits(51, 12) & ~offset;

	if (w->paging == PAGING_32 && w->leaf == 2)
		page |= (entry >> 13 & 0xff) << 32;
	return page | (w->gva & offset);
}

static int walk_once(struct walk *w, u64 *gpa, struct walk_fault *fault)
{
	u64 table = root_table(w);
	unsigned int level;
	int ret;

	w->leaf = 0;
	w->user = w->write = w->exec = true;
	for (level = w->top; !w->leaf; level--) {
		ret = read_entry(w, level, table);
		if (ret)
			return ret;
		ret = check_entry(w, level, fault);
		if (ret)
			return ret;
		table = w->entries[level].value & bits(51, 12);
	}
	ret = check_rights(w, fault);
	if (ret)
		return ret;
	ret = set_accessed(w);
	if (ret)
		return ret;
	*gpa = physical_address(w);
	return 0;
}

int walk_gva(const struct walk_ctx *walk, u64 gva, unsigned int access, u64 *gpa,
	     struct walk_fault *fault)
{
	struct walk w = { .in = walk, .gva = gva, .access = access };
	unsigned int i;
	int ret;

	if (!(walk->cr0 & CR0_PG)) {
		*gpa = gva & 0xffffffff;
		return 0;
	}
	set_paging(&w);
	for (i = 0; i < MAX_RESTARTS; i++) {
		ret = walk_once(&w, gpa, fault);
		if (ret != RESTART)
			return ret;
	}
	return -EAGAIN;
}
