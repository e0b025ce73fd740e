// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walker over page tables that the input makes up: each entry that is read comes from it, and stays.
 * Input: the walk's registers, an address, an access, then entries as one byte of choice and eight of content.
 */
#include <errno.h>

#include "input.h"
#include "x86/walk.h"

#define ENTRIES \
	32 /* more than a walk reads: five levels, and once more for each entry that changes under it */

struct memory {
	struct input *in;
	u8 maxphyaddr;
	unsigned int nr, reads;
	struct entry {
		u64 gpa, value;
	} entries[ENTRIES];
};

static struct entry *entry_at(struct memory *m, u64 gpa, unsigned int len)
{
	unsigned int i;

	ALWAYS(len == 4 || len == 8);
	ALWAYS(gpa % len == 0);
	ALWAYS(!(gpa >> m->maxphyaddr));
	for (i = 0; i < m->nr; i++)
		if (m->entries[i].gpa == gpa)
			return &m->entries[i];
	if (m->nr == ENTRIES)
		return NULL;
	/* Present, writable, user, more often than bytes would be by themselves. */
	m->entries[m->nr] = (struct entry){
		.gpa = gpa,
		.value = ((take(m->in, 1) & 0xe7) ^ 7) | take(m->in, 8) << 5,
	};
	return &m->entries[m->nr++];
}

static int read_gpa(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	struct memory *m = ctx;
	struct entry *entry = entry_at(m, gpa, len);

	if (!entry || ++m->reads > 4 * ENTRIES)
		return -EFAULT;
	memcpy(buf, &entry->value, len);
	return 0;
}

static int cmpxchg_gpa(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len)
{
	struct memory *m = ctx;
	struct entry *entry = entry_at(m, gpa, len);
	u64 mask = len == 8 ? ~0ull : 0xffffffff;

	if (!entry)
		return -EFAULT;
	/* Another CPU was here. */
	if (take(m->in, 1) > 0xe0)
		entry->value = take(m->in, 8);
	if (((entry->value ^ old) & mask) != 0)
		return -EAGAIN;
	/* Accessed and dirty, nothing else. */
	ALWAYS(!((old ^ new) & ~0x60ull));
	entry->value = new;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct memory memory = { .in = &in };
	struct walk_fault fault = {};
	u64 pdptrs[4], gva, gpa = 0;
	struct walk_ctx walk = {
		.cr0 = (take(&in, 1) & 1) << 31 | (take(&in, 1) & 1) << 16 | 1,
		.cr3 = take(&in, 4),
		.cr4 = take(&in, 3),
		.efer = take(&in, 2),
		.rflags = take(&in, 3),
		.pkru = take(&in, 4),
		.cpl = take(&in, 1) & 3,
		.maxphyaddr = 32 + take(&in, 1) % 21,
		.read_gpa = read_gpa,
		.ctx = &memory,
	};
	u8 choice = take(&in, 1);
	unsigned int access = take(&in, 1) & 7, i;
	int r;

	for (i = 0; i < 4; i++)
		pdptrs[i] = take(&in, 5);
	walk.gbpages = choice & 1;
	walk.pdptrs = choice & 2 ? pdptrs : NULL;
	walk.cmpxchg_gpa = choice & 4 ? cmpxchg_gpa : NULL;
	memory.maxphyaddr = walk.maxphyaddr;
	/* The caller sees to it that it is canonical, for 48 bits or 57. */
	gva = (s64)(take(&in, 8) << 16) >> 16;

	r = walk_gva(&walk, gva, access, &gpa, &fault);
	if (r == 1) {
		ALWAYS(fault.vector == WALK_VECTOR_PF && fault.has_error_code);
		ALWAYS(!(fault.error_code & ~0x3fu));
		ALWAYS(!(fault.error_code & PF_ERROR_RSVD) || fault.error_code & PF_ERROR_PRESENT);
		ALWAYS(!(access & WALK_WRITE) || fault.error_code & PF_ERROR_WRITE);
	} else if (!r) {
		ALWAYS((gpa & 0xfff) == (gva & 0xfff));
		ALWAYS(!(gpa >> walk.maxphyaddr));
	} else {
		ALWAYS(r == -EFAULT || r == -EAGAIN);
	}
	return 0;
}
