/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's own page tables, walked in software: GVA to GPA with every permission check and the
 * exact page-fault error code (SDM vol. 3, chapter 4).
 */
#ifndef VMM_X86_WALK_H
#define VMM_X86_WALK_H

#include <linux/types.h>

#define WALK_VECTOR_DB 1
#define WALK_VECTOR_UD 6
#define WALK_VECTOR_SS 12
#define WALK_VECTOR_GP 13
#define WALK_VECTOR_PF 14
#define WALK_VECTOR_AC 17

/* Page-fault error code (SDM 4.7). */
#define PF_ERROR_PRESENT (1u << 0)
#define PF_ERROR_WRITE (1u << 1)
#define PF_ERROR_USER (1u << 2)
#define PF_ERROR_RSVD (1u << 3)
#define PF_ERROR_FETCH (1u << 4)
#define PF_ERROR_PK (1u << 5)

/* What the access does; none of WRITE and FETCH is a read. */
#define WALK_READ 0u
#define WALK_WRITE (1u << 0)
#define WALK_FETCH (1u << 1)
#define WALK_IMPLICIT (1u << 2) /* descriptor table, TSS: supervisor whatever the CPL is */

/* An exception for the guest. */
struct walk_fault {
	u8 vector;
	bool has_error_code;
	u32 error_code;
	u64 cr2; /* #PF only */
};

struct walk_ctx {
	u64 cr0;
	u64 cr3;
	u64 cr4;
	u64 efer;
	u64 rflags; /* AC matters to SMAP */
	u32 pkru;
	u8 cpl;
	u8 maxphyaddr; /* the guest's, CPUID 0x80000008 */
	bool gbpages; /* CPUID pdpe1gb: without it PS in a PDPTE is reserved */
	const u64 *pdptrs; /* PAE paging: the four registers, or NULL to read them from memory */

	/* Both return 0 or a negative errno, which walk_gva() hands on; len is 4 or 8. */
	int (*read_gpa)(void *ctx, u64 gpa, void *buf, unsigned int len);
	/*
	 * Sets accessed and dirty bits: stores `new` if the entry of len bytes still is `old`, else
	 * returns -EAGAIN and the walk starts over. NULL: the bits are left alone.
	 */
	int (*cmpxchg_gpa)(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len);
	void *ctx;
};

/*
 * Returns 0 with *gpa, 1 with *fault (a #PF for the guest), or a negative errno of the callbacks.
 * The caller has checked that gva is canonical; without long mode only 32 bits of it count.
 */
int walk_gva(const struct walk_ctx *walk, u64 gva, unsigned int access, u64 *gpa,
	     struct walk_fault *fault);

#endif
