// SPDX-License-Identifier: GPL-2.0-only
/* Memory slots: KVM's rules for KVM_SET_USER_MEMORY_REGION, and lookup. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/mm.h>

#include "memslot.h"
#include "mmu/pgtable.h"

#define HVA 0x7f0000000000ull

/* Apply a region as memslot_set() does. */
static int apply(struct memslots **slots, u32 slot, u32 flags, u64 gpa, u64 size, u64 hva)
{
	struct kvm_userspace_memory_region region = { slot, flags, gpa, size, hva };
	struct memslot old, new;
	struct memslots *next;
	int change = memslot_plan(*slots, &region, &old, &new);

	if (change <= MEMSLOT_NOP)
		return change;
	next = memslots_replace(*slots, change == MEMSLOT_CREATE ? NULL : &old,
				change == MEMSLOT_DELETE ? NULL : &new);
	ck_assert_ptr_nonnull(next);
	memslots_free(*slots);
	*slots = next;
	return change;
}

/* Slot 1: 1 MiB at 16 MiB. Slot 2: 2 pages right after it. */
static struct memslots *two_slots(void)
{
	struct memslots *slots = memslots_alloc(0);

	ck_assert_int_eq(apply(&slots, 2, 0, 0x1100000, 0x2000, HVA + 0x100000), MEMSLOT_CREATE);
	ck_assert_int_eq(apply(&slots, 1, 0, 0x1000000, 0x100000, HVA), MEMSLOT_CREATE);
	return slots;
}

static const struct {
	u32 slot, flags;
	u64 gpa, size, hva;
	int result;
} regions[] = {
	/* a new slot */
	{ 3, 0, 0x2000000, 0x1000, HVA, MEMSLOT_CREATE },
	{ 511, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES, 0x2000000, 0x1000, HVA, MEMSLOT_CREATE },
	{ 512, 0, 0x2000000, 0x1000, HVA, -EINVAL },
	{ 0x10003, 0, 0x2000000, 0x1000, HVA, -EINVAL }, /* address space 1 */
	{ 3, 1u << 2, 0x2000000, 0x1000, HVA, -EINVAL }, /* KVM_MEM_GUEST_MEMFD and unknown flags */
	{ 3, 1u << 31, 0x2000000, 0x1000, HVA, -EINVAL },
	/* alignment */
	{ 3, 0, 0x2000800, 0x1000, HVA, -EINVAL },
	{ 3, 0, 0x2000000, 0x1001, HVA, -EINVAL },
	{ 3, 0, 0x2000000, 0x800, HVA, -EINVAL },
	{ 3, 0, 0x2000000, 0x1000, HVA + 1, -EINVAL },
	/* size and wrap */
	{ 3, 0, 0x2000000, (1ull << 31 << 12) - 0x1000, HVA, MEMSLOT_CREATE },
	{ 3, 0, 0x2000000, 1ull << 31 << 12, HVA, -EINVAL },
	{ 3, 0, 0xfffffffffffff000, 0x2000, HVA, -EINVAL },
	{ 3, 0, 0xfffffffffffff000, 0x1000, HVA, -EINVAL },
	{ 3, 0, 0x2000000, 0x2000, 0xfffffffffffff000, -EINVAL },
	/* the guest-physical space of four levels */
	{ 3, 0, (1ull << 48) - 0x1000, 0x1000, HVA, MEMSLOT_CREATE },
	{ 3, 0, (1ull << 48) - 0x1000, 0x2000, HVA, -EINVAL },
	{ 3, 0, 1ull << 48, 0x1000, HVA, -EINVAL },
	/* overlap */
	{ 3, 0, 0xfff000, 0x1000, HVA, MEMSLOT_CREATE },
	{ 3, 0, 0xfff000, 0x2000, HVA, -EEXIST },
	{ 3, 0, 0x1080000, 0x1000, HVA, -EEXIST },
	{ 3, 0, 0xf00000, 0x300000, HVA, -EEXIST },
	{ 3, 0, 0x1101000, 0x2000, HVA, -EEXIST },
	{ 3, 0, 0x1102000, 0x1000, HVA, MEMSLOT_CREATE },
	{ 3, 0, 0x1000000, 0x100000, HVA, -EEXIST },
	/* the same host memory twice is allowed */
	{ 3, 0, 0x2000000, 0x100000, HVA, MEMSLOT_CREATE },
	/* deletion */
	{ 1, 0, 0, 0, 0, MEMSLOT_DELETE },
	{ 1, 0, 0x1000000, 0, HVA, MEMSLOT_DELETE },
	{ 3, 0, 0, 0, 0, -EINVAL },
	{ 1, 0, 0x800, 0, 0, -EINVAL },
	/* an existing slot: same again, flags, move; never size, host address or read-only */
	{ 1, 0, 0x1000000, 0x100000, HVA, MEMSLOT_NOP },
	{ 1, KVM_MEM_LOG_DIRTY_PAGES, 0x1000000, 0x100000, HVA, MEMSLOT_FLAGS },
	{ 1, KVM_MEM_READONLY, 0x1000000, 0x100000, HVA, -EINVAL },
	{ 1, 0, 0x3000000, 0x100000, HVA, MEMSLOT_MOVE },
	{ 1, 0, 0xf80000, 0x100000, HVA, MEMSLOT_MOVE }, /* over its own old place */
	{ 1, 0, 0x1001000, 0x100000, HVA, -EEXIST },
	{ 1, 0, 0x1000000, 0x101000, HVA, -EINVAL },
	{ 1, 0, 0x1000000, 0x80000, HVA, -EINVAL },
	{ 1, 0, 0x1000000, 0x100000, HVA + 0x1000, -EINVAL },
};

START_TEST(memory_slot_rules)
{
	struct memslots *slots = two_slots();

	ck_assert_int_eq(apply(&slots, regions[_i].slot, regions[_i].flags, regions[_i].gpa,
			       regions[_i].size, regions[_i].hva),
			 regions[_i].result);
	memslots_free(slots);
}
END_TEST

START_TEST(memory_slot_lookup)
{
	struct memslots *slots = two_slots();
	const struct memslot *slot;

	ck_assert_uint_eq(slots->nr, 2);
	ck_assert_ptr_null(memslot_find(slots, 0xfff));
	slot = memslot_find(slots, 0x1000);
	ck_assert_uint_eq(slot->id, 1);
	ck_assert_uint_eq(memslot_hva(slot, 0x1000), HVA);
	slot = memslot_find(slots, 0x10ff);
	ck_assert_uint_eq(slot->id, 1);
	ck_assert_uint_eq(memslot_hva(slot, 0x10ff), HVA + 0xff000);
	slot = memslot_find(slots, 0x1100);
	ck_assert_uint_eq(slot->id, 2);
	ck_assert_uint_eq(memslot_hva(slot, 0x1101), HVA + 0x101000);
	ck_assert_ptr_null(memslot_find(slots, 0x1102));
	ck_assert_ptr_null(memslot_find(slots, 0));
	ck_assert_ptr_null(memslot_find(slots, ~0ull));
	ck_assert_ptr_eq(memslot_by_id(slots, 2), slot);
	ck_assert_ptr_null(memslot_by_id(slots, 0));

	/* The hint may be anything. */
	slots->hint = 7;
	ck_assert_ptr_eq(memslot_find(slots, 0x1101), slot);
	memslots_free(slots);
}
END_TEST

START_TEST(memory_slot_changes)
{
	struct memslots *slots = two_slots();

	ck_assert_int_eq(apply(&slots, 1, 0, 0x3000000, 0x100000, HVA), MEMSLOT_MOVE);
	ck_assert_ptr_null(memslot_find(slots, 0x1000));
	ck_assert_uint_eq(memslot_find(slots, 0x3000)->id, 1);
	ck_assert_uint_eq(slots->slot[0].id, 2);
	ck_assert_uint_eq(slots->slot[1].id, 1);
	ck_assert_int_eq(apply(&slots, 2, 0, 0, 0, 0), MEMSLOT_DELETE);
	ck_assert_uint_eq(slots->nr, 1);
	ck_assert_ptr_null(memslot_find(slots, 0x1100));
	ck_assert_int_eq(apply(&slots, 2, 0, 0, 0, 0), -EINVAL);
	ck_assert_int_eq(apply(&slots, 1, 0, 0, 0, 0), MEMSLOT_DELETE);
	ck_assert_ptr_null(memslot_find(slots, 0x3000));
	memslots_free(slots);
}
END_TEST

START_TEST(memory_slot_keeps_its_dirty_log)
{
	struct kvm_userspace_memory_region region = { 1, KVM_MEM_LOG_DIRTY_PAGES, 0x3000000,
						      0x100000, HVA };
	unsigned long bitmap[4];
	struct memslots *slots = two_slots();
	struct memslot old, new;

	slots->slot[0].dirty = bitmap;
	slots->slot[0].flags = KVM_MEM_LOG_DIRTY_PAGES;
	ck_assert_int_eq(memslot_plan(slots, &region, &old, &new), MEMSLOT_MOVE);
	ck_assert_ptr_eq(old.dirty, bitmap);
	ck_assert_ptr_eq(new.dirty, bitmap);
	/* A bit per page, in whole 64-bit words (KVM_GET_DIRTY_LOG). */
	ck_assert_uint_eq(memslot_dirty_bytes(&new), 256 / 8);
	new.npages = 257;
	ck_assert_uint_eq(memslot_dirty_bytes(&new), 320 / 8);
	memslots_free(slots);
}
END_TEST

START_TEST(memory_slots_full)
{
	struct memslots *slots = memslots_alloc(0);
	u32 i, n = VMM_MAX_SLOTS;

	/* In an order that is neither rising nor falling: 37 is prime to 512. Every second page is a hole. */
	for (i = 0; i < n; i++) {
		u64 at = i * 37 % n;

		ck_assert_int_eq(apply(&slots, i, 0, at << 13, 0x1000, HVA + (at << 12)),
				 MEMSLOT_CREATE);
	}
	ck_assert_uint_eq(slots->nr, n);
	for (i = 0; i < n; i++) {
		const struct memslot *slot = memslot_find(slots, i * 2);

		ck_assert_ptr_nonnull(slot);
		ck_assert_uint_eq(slot->id * 37 % n, i);
		ck_assert_ptr_null(memslot_find(slots, i * 2 + 1));
	}
	memslots_free(slots);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memslot");
	TCase *tcase = tcase_create("memslot");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, memory_slot_rules, 0, sizeof(regions) / sizeof(regions[0]));
	tcase_add_test(tcase, memory_slot_lookup);
	tcase_add_test(tcase, memory_slot_changes);
	tcase_add_test(tcase, memory_slot_keeps_its_dirty_log);
	tcase_add_test(tcase, memory_slots_full);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
