// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "backend.h"
#include "fetch.h"
#include "linear.h"
#include "memslot.h"
#include "vm.h"

static struct fetch_memo *memo_of(struct vcpu *vcpu, u64 gva)
{
	return &vcpu->fetch_memo[(gva >> PAGE_SHIFT) % FETCH_MEMOS];
}

static void make_key(struct vcpu *vcpu, u64 gva, const struct memslots *slots,
		     struct fetch_key *key)
{
	*key = (struct fetch_key){
		.page = gva & PAGE_MASK,
		.cr0 = vcpu_cr0(vcpu),
		.cr3 = vcpu_cr3(vcpu),
		.cr4 = vcpu_cr4(vcpu),
		.efer = vcpu->efer,
		.slots_generation = slots->generation,
		.cpl = backend->get_cpl(vcpu),
		.maxphyaddr = vcpu->has.maxphyaddr,
		.gbpages = vcpu->has.gbpages,
	};
}

static bool same_key(const struct fetch_key *a, const struct fetch_key *b)
{
	return a->page == b->page && a->cr3 == b->cr3 && a->cr0 == b->cr0 && a->cr4 == b->cr4 &&
	       a->efer == b->efer && a->slots_generation == b->slots_generation &&
	       a->cpl == b->cpl && a->maxphyaddr == b->maxphyaddr && a->gbpages == b->gbpages;
}

/* All that an instruction can have is mostly there: two overlapping words. */
static bool copy_code(u8 *buf, const u8 __user *code, unsigned int len)
{
	u64 first, last;

	if (unlikely(len != INSN_MAX_LEN))
		return !copy_from_user(buf, code, len);
	if (__get_user(first, (const u64 __user *)code) ||
	    __get_user(last, (const u64 __user *)(code + len - sizeof(last))))
		return false;
	memcpy(buf, &first, sizeof(first));
	memcpy(buf + len - sizeof(last), &last, sizeof(last));
	return true;
}

/* The slots that the memo was made with are those of now: its places are where they were. */
static bool entries_unchanged(const struct fetch_memo *memo)
{
	bool same = true;
	unsigned int i;
	u64 value;

	for (i = 0; i < memo->nr && same; i++) {
		if (__get_user(value, memo->entry[i].place))
			return false;
		same = value == memo->entry[i].value;
	}
	return same;
}

static void __user *place_of(struct memslots *slots, u64 gpa)
{
	const struct memslot *slot = memslot_find(slots, gpa >> PAGE_SHIFT);

	if (!slot)
		return NULL;
	return (void __user *)(memslot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa));
}

struct recorder {
	struct vcpu *vcpu;
	struct memslots *slots;
	struct fetch_memo *memo;
	bool complete;
};

static int read_entry(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	struct recorder *recorder = ctx;
	struct fetch_memo *memo = recorder->memo;
	int r = guest_read(&recorder->vcpu->vm->mmu, gpa, buf, len);
	void __user *place;

	if (r)
		return r;
	place = place_of(recorder->slots, gpa);
	if (!place || len != sizeof(u64) || memo->nr == FETCH_MAX_ENTRIES) {
		recorder->complete = false;
		return 0;
	}
	memo->entry[memo->nr].place = place;
	memcpy(&memo->entry[memo->nr++].value, buf, sizeof(u64));
	return 0;
}

static int cmpxchg_entry(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len)
{
	struct recorder *recorder = ctx;
	int r = guest_cmpxchg(&recorder->vcpu->vm->mmu, gpa, &old, new, len);

	/* What was recorded of it is the old value: the next walk finds the bit set. */
	recorder->complete = false;
	return r > 0 ? -EAGAIN : r;
}

static int walk(struct vcpu *vcpu, u64 gva, void *buf, unsigned int len, struct memslots *slots,
		const struct fetch_key *key, struct walk_fault *fault)
{
	struct fetch_memo *memo = memo_of(vcpu, gva);
	struct recorder recorder = {
		.vcpu = vcpu,
		.slots = slots,
		.memo = memo,
		.complete = true,
	};
	u64 gpa;
	int r;

	memo->valid = false;
	memo->nr = 0;
	r = linear_walk(vcpu, gva, WALK_FETCH, read_entry, cmpxchg_entry, &recorder, &gpa, fault);
	if (!r)
		r = guest_read(&vcpu->vm->mmu, gpa, buf, len);
	if (r)
		return r;
	memo->code = place_of(slots, gpa & PAGE_MASK);
	memo->key = *key;
	memo->valid = recorder.complete && memo->code;
	return 0;
}

int fetch_bytes(struct vcpu *vcpu, u64 gva, void *buf, unsigned int len, struct walk_fault *fault)
{
	const struct fetch_memo *memo = memo_of(vcpu, gva);
	struct mmu *mmu = &vcpu->vm->mmu;
	struct memslots *slots;
	struct fetch_key key;
	int idx, r;

	idx = srcu_read_lock(&mmu->srcu);
	slots = srcu_dereference(mmu->slots, &mmu->srcu);
	make_key(vcpu, gva, slots, &key);
	if (memo->valid && same_key(&memo->key, &key) && entries_unchanged(memo) &&
	    copy_code(buf, memo->code + offset_in_page(gva), len))
		r = 0;
	else
		r = walk(vcpu, gva, buf, len, slots, &key, fault);
	srcu_read_unlock(&mmu->srcu, idx);
	return r;
}
