// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <asm/processor-flags.h>

#include "backend.h"
#include "event.h"
#include "fetch.h"
#include "linear.h"
#include "state.h"
#include "vm.h"

static int read_gpa(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	struct vcpu *vcpu = ctx;

	return guest_read(&vcpu->vm->mmu, gpa, buf, len);
}

static int cmpxchg_gpa(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len)
{
	struct vcpu *vcpu = ctx;
	int r = guest_cmpxchg(&vcpu->vm->mmu, gpa, &old, new, len);

	return r > 0 ? -EAGAIN : r;
}

int linear_walk(struct vcpu *vcpu, u64 gva, unsigned int access,
		int (*read)(void *ctx, u64 gpa, void *buf, unsigned int len),
		int (*cmpxchg)(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len), void *ctx,
		u64 *gpa, struct walk_fault *fault)
{
	struct walk_ctx walk = {
		.cr0 = vcpu_cr0(vcpu),
		.cr3 = vcpu_cr3(vcpu),
		.cr4 = vcpu_cr4(vcpu),
		.efer = vcpu->efer,
		.rflags = vcpu_rflags(vcpu),
		.cpl = backend->get_cpl(vcpu),
		.maxphyaddr = vcpu->has.maxphyaddr,
		.gbpages = vcpu->has.gbpages,
		.read_gpa = read,
		.cmpxchg_gpa = access & WALK_IMPLICIT ? NULL : cmpxchg,
		.ctx = ctx,
	};

	return walk_gva(&walk, gva, access, gpa, fault);
}

int linear_translate(struct vcpu *vcpu, u64 gva, unsigned int access, u64 *gpa,
		     struct walk_fault *fault)
{
	return linear_walk(vcpu, gva, access, read_gpa, cmpxchg_gpa, vcpu, gpa, fault);
}

static unsigned int to_page_end(u64 address, unsigned int len)
{
	return min_t(u64, len, PAGE_SIZE - offset_in_page(address));
}

int linear_read(struct vcpu *vcpu, u64 gva, void *buf, unsigned int len, unsigned int access,
		struct walk_fault *fault)
{
	while (len) {
		unsigned int n = to_page_end(gva, len);
		u64 gpa;
		int r = linear_translate(vcpu, gva, access, &gpa, fault);

		if (!r)
			r = guest_read(&vcpu->vm->mmu, gpa, buf, n);
		if (r)
			return r;
		gva += n;
		buf += n;
		len -= n;
	}
	return 0;
}

static int translate_write(struct vcpu *vcpu, u64 gva, unsigned int len, u64 gpa[2],
			   struct walk_fault *fault)
{
	unsigned int first = to_page_end(gva, len);
	int r = linear_translate(vcpu, gva, WALK_WRITE, &gpa[0], fault);

	if (r || first == len)
		return r;
	return linear_translate(vcpu, gva + first, WALK_WRITE, &gpa[1], fault);
}

int linear_check_write(struct vcpu *vcpu, u64 gva, unsigned int len, struct walk_fault *fault)
{
	u64 gpa[2];

	return translate_write(vcpu, gva, len, gpa, fault);
}

/* Both pages before the first byte: a fault is taken before the instruction stores (SDM 6.5). */
int linear_write(struct vcpu *vcpu, u64 gva, const void *buf, unsigned int len,
		 struct walk_fault *fault)
{
	unsigned int first = to_page_end(gva, len);
	struct mmu *mmu = &vcpu->vm->mmu;
	u64 gpa[2];
	int r = translate_write(vcpu, gva, len, gpa, fault);

	if (!r)
		r = guest_write(mmu, gpa[0], buf, first);
	if (!r && first < len)
		r = guest_write(mmu, gpa[1], buf + first, len - first);
	return r;
}

void linear_raise(struct vcpu *vcpu, const struct walk_fault *fault)
{
	if (fault->vector == WALK_VECTOR_PF)
		event_raise_pf(vcpu, fault->cr2, fault->error_code);
	else
		event_raise(vcpu, fault->vector, fault->has_error_code, fault->error_code);
}

/* Decoding depends on mode and bytes alone. */
static int decode_cached(struct decoded *cache, struct x86_insn *insn, const u8 *bytes,
			 unsigned int len, enum decode_mode mode)
{
	int r;

	if (cache->len && cache->len <= len && cache->mode == mode &&
	    !memcmp(cache->bytes, bytes, cache->len)) {
		*insn = cache->insn;
		return 0;
	}
	r = decode_insn(insn, bytes, len, mode);
	if (!r) {
		memset(cache, 0, offsetof(struct decoded, insn));
		memcpy(cache->bytes, bytes, insn->len);
		memset(cache->mask, 0xff, insn->len);
		cache->len = insn->len;
		cache->mode = mode;
		cache->store = decode_is_store(insn);
		cache->base_only = insn->mode == DECODE_64 && insn->adsize == 8 &&
				   insn->seg < VMM_SEG_FS && insn->index == INSN_NO_REG &&
				   !insn->rip_relative;
		cache->insn = *insn;
	}
	return r;
}

/*
 * First what lies in RIP's page, which the CPU has just fetched from, and the next page only when
 * the instruction reaches into it: reading ahead could fault where the guest does not.
 */
int linear_fetch(struct vcpu *vcpu, struct x86_insn *insn, u8 bytes[INSN_MAX_LEN],
		 unsigned int *len)
{
	struct walk_fault fault;
	u64 address;
	int r;

	backend->get_code(vcpu, &vcpu->code);
	address = vcpu->code.address;
	*len = 0;
	for (;;) {
		unsigned int n = to_page_end(address + *len, INSN_MAX_LEN - *len);

		r = fetch_bytes(vcpu, address + *len, bytes + *len, n, &fault);
		if (r > 0)
			linear_raise(vcpu, &fault);
		if (r == -EAGAIN)
			return 1;
		if (r)
			return r;
		*len += n;
		r = decode_cached(&vcpu->decoded[address / 4 % VCPU_DECODED], insn, bytes, *len,
				  vcpu->code.mode);
		if (r != -ENODATA || *len == INSN_MAX_LEN)
			return r;
	}
}
