/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes of the guest's code. The way there through its page tables is remembered, together with every
 * entry that was read on it: it holds for as long as all of them still say the same, which is looked
 * at each time, and so nothing is ever stale.
 */
#ifndef VMM_FETCH_H
#define VMM_FETCH_H

#include <linux/types.h>

#define FETCH_MAX_ENTRIES 5
#define FETCH_MEMOS 4

struct decoded;
struct memslots;
struct vcpu;
struct vmm_code;
struct walk_fault;

struct fetch_memo {
	bool valid;
	u8 nr;
	/* What the walk depends on beside the entries. Not the CPL: the CPU was allowed to fetch. */
	struct fetch_key {
		u64 page, cr0, cr3, cr4, efer, slots_generation;
		u8 maxphyaddr;
		bool gbpages;
	} key;
	struct fetch_entry {
		u64 __user *place;
		u64 value;
	} entry[FETCH_MAX_ENTRIES];
	void __user *code; /* the page that it led to */
};

/* Within a page, gva being vcpu->code.address or in the page behind. As linear_read(). */
int fetch_bytes(struct vcpu *vcpu, u64 gva, void *buf, unsigned int len, struct walk_fault *fault);

/*
 * The instruction at vcpu->code.address, if it was decoded before and all that was read for it
 * still says the same; else NULL. In the SRCU section that the slots are from. Does not sleep.
 */
const struct decoded *fetch_known(struct vcpu *vcpu, const struct memslots *slots);

#endif
