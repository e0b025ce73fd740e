/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest memory by linear address, through the guest's own page tables, and the instruction at RIP.
 */
#ifndef VMM_LINEAR_H
#define VMM_LINEAR_H

#include <linux/types.h>

#include "x86/decode.h"
#include "x86/walk.h"

struct vcpu;

/* As linear_translate(), with other ways to the entries of the page tables (struct walk_ctx). */
int linear_walk(struct vcpu *vcpu, u64 gva, unsigned int access,
		int (*read)(void *ctx, u64 gpa, void *buf, unsigned int len),
		int (*cmpxchg)(void *ctx, u64 gpa, u64 old, u64 new, unsigned int len), void *ctx,
		u64 *gpa, struct walk_fault *fault);

/*
 * access: WALK_*. 0; 1 with *fault to raise; or a negative errno: no memory behind a page table, or
 * -EAGAIN when other vCPUs keep changing it: let the guest try again. Loaded.
 */
int linear_translate(struct vcpu *vcpu, u64 gva, unsigned int access, u64 *gpa,
		     struct walk_fault *fault);

/* Same results; memory only (-EFAULT on MMIO). What precedes a fault may have been copied. */
int linear_read(struct vcpu *vcpu, u64 gva, void *buf, unsigned int len, unsigned int access,
		struct walk_fault *fault);

/* Same results, for at most a page of bytes: a fault, on either page, leaves memory as it was. */
int linear_write(struct vcpu *vcpu, u64 gva, const void *buf, unsigned int len,
		 struct walk_fault *fault);

/* Would linear_write() fault now? */
int linear_check_write(struct vcpu *vcpu, u64 gva, unsigned int len, struct walk_fault *fault);

/* Raises what a translation or the emulator found. */
void linear_raise(struct vcpu *vcpu, const struct walk_fault *fault);

/*
 * Fetches and decodes the instruction at RIP. 0; 1: nothing, or an exception was raised: enter the
 * guest again; -EINVAL: no instruction of ours, *len bytes of it are in bytes; another negative
 * errno: cannot be read.
 */
int linear_fetch(struct vcpu *vcpu, struct x86_insn *insn, u8 bytes[INSN_MAX_LEN],
		 unsigned int *len);

#endif
