/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Executes a decoded memory instruction whose operand is device memory. A small state machine,
 * because the device may live in userspace: a step ends with a request, the caller answers it and
 * steps again.
 */
#ifndef VMM_X86_EMULATE_H
#define VMM_X86_EMULATE_H

#include <linux/types.h>
#include <linux/kvm.h>

#include "x86/decode.h"
#include "x86/walk.h"

/* The largest operand: a YMM register. */
#define EMULATE_MAX_OPERAND 32

enum emulate_result {
	/*
	 * Done: registers, flags (RF cleared) and RIP are written. The trap that TF asks for and
	 * the end of an interrupt shadow are the caller's.
	 */
	EMULATE_DONE,
	/*
	 * One iteration of a rep string instruction is done, more remain; RIP still points at it.
	 * Step again to go on, or enter the guest (events are taken between iterations) and come
	 * back later.
	 */
	EMULATE_REPEAT,
	/* Put em->size (1 to 8) bytes from em->gpa into em->data, then step. */
	EMULATE_READ,
	/* Write em->size bytes of em->data to em->gpa, then step. */
	EMULATE_WRITE,
	/* Inject em->fault. Nothing of the instruction (or of this iteration) has happened. */
	EMULATE_FAULT,
	/* Not ours to execute (em->error 0), or a callback failed (em->error < 0). */
	EMULATE_UNHANDLED,
};

/* What the memory callbacks say. */
#define EMULATE_RAM 0
#define EMULATE_MMIO 1

struct emulate_ops {
	/* n: enum x86_gpr and 8 to 15. write_reg gets all 64 bits. */
	u64 (*read_reg)(void *ctx, unsigned int n);
	void (*write_reg)(void *ctx, unsigned int n, u64 value);
	u64 (*get_rip)(void *ctx);
	void (*set_rip)(void *ctx, u64 rip);
	u64 (*get_rflags)(void *ctx);
	void (*set_rflags)(void *ctx, u64 rflags);
	/* n: 0 or 4. */
	u64 (*get_cr)(void *ctx, unsigned int n);
	/* seg: enum x86_seg; the limit in bytes. Asked for FS and GS only in 64-bit mode. */
	void (*get_seg)(void *ctx, unsigned int seg, struct kvm_segment *out);
	/*
	 * XMM (len 16) or YMM (len 32) register n. A write with `clear` zeroes the bits above len,
	 * else keeps them. NULL: vector instructions are unhandled.
	 */
	void (*read_vec)(void *ctx, unsigned int n, void *buf, unsigned int len);
	void (*write_vec)(void *ctx, unsigned int n, const void *buf, unsigned int len, bool clear);
	/*
	 * Linear address to GPA for this access (WALK_READ or WALK_WRITE): 0, 1 with *fault filled,
	 * or a negative errno. The page of an exit whose GPA is known may be answered without a
	 * walk.
	 */
	int (*translate)(void *ctx, u64 gva, unsigned int access, u64 *gpa,
			 struct walk_fault *fault);
	/*
	 * len 1 to 8 bytes within a page: EMULATE_RAM when done (also for a device that answers at
	 * once), EMULATE_MMIO to have it returned as EMULATE_READ or EMULATE_WRITE, or a negative
	 * errno.
	 */
	int (*mem_read)(void *ctx, u64 gpa, void *buf, unsigned int len);
	int (*mem_write)(void *ctx, u64 gpa, const void *buf, unsigned int len);
};

/* One memory operand under way: translated before anything is done, then moved piece by piece. */
struct emulate_operand {
	u64 gpa[2]; /* of its first byte, and of the page that it crosses into */
	u8 len; /* bytes in all */
	u8 first; /* bytes in the first page */
	u8 done; /* bytes moved so far */
	u8 data[EMULATE_MAX_OPERAND];
};

struct emulator {
	/* The request of EMULATE_READ and EMULATE_WRITE. */
	u64 gpa;
	u32 size;
	u8 data[8];

	struct walk_fault fault; /* EMULATE_FAULT */
	int error; /* EMULATE_UNHANDLED */

	/* Private. */
	u8 stage;
	bool asked; /* a request is out */
	struct x86_insn insn;
	struct emulate_operand src; /* what is read, also the target of a read-modify-write */
	struct emulate_operand src2; /* cmps: es:[rdi] */
	struct emulate_operand dst; /* what is written */
	u64 result; /* of a general-register destination */
	u64 old; /* what xchg, xadd and cmpxchg found in memory */
	u64 rflags; /* as they will be */
	const struct emulate_ops *ops;
	void *ctx;
};

/* Takes a copy of insn, which decode_is_memory(). Follow with emulate_step(). */
void emulate_start(struct emulator *em, const struct x86_insn *insn, const struct emulate_ops *ops,
		   void *ctx);
enum emulate_result emulate_step(struct emulator *em);

/* True between a READ or WRITE request and the step that ends the instruction. */
bool emulate_pending(const struct emulator *em);

/* Forgets an instruction under way. */
void emulate_cancel(struct emulator *em);

/*
 * The offset part of a memory operand: base + index * scale + disp, cut to the address size. For
 * OPND_MEM_SI and OPND_MEM_DI it is rsi or rdi. rip is that of the instruction.
 */
u64 emulate_effective_address(const struct x86_insn *insn, const struct insn_operand *operand,
			      const struct emulate_ops *ops, void *ctx);

/*
 * Effective address + segment = linear address of size bytes, with the checks of the mode:
 * canonical in 64-bit mode, limit and type of the segment otherwise. size 0 makes no check
 * (invlpg). Returns 0, or 1 with *fault (#GP or #SS).
 */
int emulate_linear_address(const struct x86_insn *insn, const struct insn_operand *operand,
			   unsigned int size, unsigned int access, const struct emulate_ops *ops,
			   void *ctx, u64 *linear, struct walk_fault *fault);

#endif
