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
		.cr0 = vcpu->code.cr0,
		.cr3 = vcpu->code.cr3,
		.cr4 = vcpu->code.cr4,
		.efer = vcpu->efer,
		.slots_generation = slots->generation,
		.maxphyaddr = vcpu->has.maxphyaddr,
		.gbpages = vcpu->has.gbpages,
	};
}

static __always_inline bool key_holds(const struct fetch_key *key, const struct vcpu *vcpu, u64 gva,
				      const struct memslots *slots)
{
	const struct vmm_code *code = &vcpu->code;

	return key->page == (gva & PAGE_MASK) && key->cr3 == code->cr3 && key->cr0 == code->cr0 &&
	       key->cr4 == code->cr4 && key->efer == vcpu->efer &&
	       key->slots_generation == slots->generation &&
	       key->maxphyaddr == vcpu->has.maxphyaddr && key->gbpages == vcpu->has.gbpages;
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
		struct walk_fault *fault)
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
	make_key(vcpu, gva, slots, &memo->key);
	memo->valid = recorder.complete && memo->code;
	return 0;
}

int fetch_bytes(struct vcpu *vcpu, u64 gva, void *buf, unsigned int len, struct walk_fault *fault)
{
	const struct fetch_memo *memo = memo_of(vcpu, gva);
	struct mmu *mmu = &vcpu->vm->mmu;
	struct memslots *slots;
	int idx, r;

	idx = srcu_read_lock(&mmu->srcu);
	slots = srcu_dereference(mmu->slots, &mmu->srcu);
	if (memo->valid && key_holds(&memo->key, vcpu, gva, slots) && entries_unchanged(memo) &&
	    copy_code(buf, memo->code + offset_in_page(gva), len))
		r = 0;
	else
		r = walk(vcpu, gva, buf, len, slots, fault);
	srcu_read_unlock(&mmu->srcu, idx);
	return r;
}

/* Everything is where it was when the memo was made: do entries and code say what they said? */
static bool unchanged(const struct fetch_memo *memo, const struct decoded *decoded,
		      unsigned int offset)
{
	const u64 __user *code = memo->code + offset;
	const struct fetch_entry *entry = memo->entry, *end = entry + memo->nr;
	u64 value, differs = 0;
	unsigned int i;

	if (!user_read_access_begin(code, sizeof(decoded->bytes)))
		return false;
	for (; entry < end; entry++) {
		unsafe_get_user(value, entry->place, fault);
		differs |= value ^ entry->value;
	}
	for (i = 0; i < ARRAY_SIZE(decoded->bytes); i++) {
		unsafe_get_user(value, code + i, fault);
		differs |= (value ^ decoded->bytes[i]) & decoded->mask[i];
	}
	user_read_access_end();
	return !differs;
fault:
	user_read_access_end();
	return false;
}

const struct decoded *fetch_known(struct vcpu *vcpu, const struct memslots *slots)
{
	const u64 gva = vcpu->code.address;
	const struct decoded *decoded = &vcpu->decoded[gva / 4 % VCPU_DECODED];
	const struct fetch_memo *memo = memo_of(vcpu, gva);
	bool known;

	if (!memo->valid || !decoded->len || decoded->mode != vcpu->code.mode ||
	    offset_in_page(gva) > PAGE_SIZE - sizeof(decoded->bytes) ||
	    !key_holds(&memo->key, vcpu, gva, slots))
		return NULL;
	pagefault_disable();
	known = unchanged(memo, decoded, offset_in_page(gva));
	pagefault_enable();
	return known ? decoded : NULL;
}
