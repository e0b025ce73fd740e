// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder, and the emulator with what it decoded, on registers and memory that are bytes of the input, too.
 * Input: length and mode, the instruction, flags and control registers, sixteen registers, answers of memory.
 */
#include <errno.h>

#include "input.h"
#include "x86/emulate.h"

#define STEPS 64 /* of a rep string instruction with RCX = 2^64 - 1 */

struct machine {
	struct input *in;
	u64 regs[16], rip, rflags, cr[5];
	struct kvm_segment seg[6];
	u8 vec[16][32];
	unsigned int changes; /* to registers and memory, since the last step began */
};

static u64 read_reg(void *ctx, unsigned int n)
{
	struct machine *m = ctx;

	ALWAYS(n < 16);
	return m->regs[n];
}

static void write_reg(void *ctx, unsigned int n, u64 value)
{
	struct machine *m = ctx;

	ALWAYS(n < 16);
	m->regs[n] = value;
	m->changes++;
}

static u64 get_rip(void *ctx)
{
	return ((struct machine *)ctx)->rip;
}

static void set_rip(void *ctx, u64 rip)
{
	struct machine *m = ctx;

	m->rip = rip;
	m->changes++;
}

static u64 get_rflags(void *ctx)
{
	return ((struct machine *)ctx)->rflags;
}

static void set_rflags(void *ctx, u64 rflags)
{
	struct machine *m = ctx;

	m->rflags = rflags;
	m->changes++;
}

static u64 get_cr(void *ctx, unsigned int n)
{
	ALWAYS(n == 0 || n == 4);
	return ((struct machine *)ctx)->cr[n];
}

static void get_seg(void *ctx, unsigned int seg, struct kvm_segment *out)
{
	ALWAYS(seg < 6);
	*out = ((struct machine *)ctx)->seg[seg];
}

static void read_vec(void *ctx, unsigned int n, void *buf, unsigned int len)
{
	struct machine *m = ctx;

	ALWAYS(n < 16 && (len == 16 || len == 32));
	memcpy(buf, m->vec[n], len);
}

static void write_vec(void *ctx, unsigned int n, const void *buf, unsigned int len, bool clear)
{
	struct machine *m = ctx;

	ALWAYS(n < 16 && (len == 16 || len == 32));
	memcpy(m->vec[n], buf, len);
	if (clear)
		memset(m->vec[n] + len, 0, 32 - len);
	m->changes++;
}

static int translate(void *ctx, u64 gva, unsigned int access, u64 *gpa, struct walk_fault *fault)
{
	struct machine *m = ctx;
	u8 dice = take(m->in, 1);

	ALWAYS(access == WALK_READ || access == WALK_WRITE);
	if (dice == 0xff)
		return -EFAULT;
	if (dice >= 0xf0) {
		*fault = (struct walk_fault){ .vector = WALK_VECTOR_PF,
					      .has_error_code = true,
					      .cr2 = gva };
		return 1;
	}
	*gpa = (u64)(dice & 15) << 12 | (gva & 0xfff);
	return 0;
}

static int answer_of_memory(struct machine *m, u64 gpa, unsigned int len)
{
	u8 dice = take(m->in, 1);

	ALWAYS(len >= 1 && len <= 8);
	ALWAYS((gpa & 0xfff) + len <= 0x1000);
	return dice == 0xff ? -EFAULT : dice & 1 ? EMULATE_RAM : EMULATE_MMIO;
}

static int mem_read(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	struct machine *m = ctx;
	int r = answer_of_memory(m, gpa, len);

	if (r == EMULATE_RAM)
		take_bytes(m->in, buf, len);
	return r;
}

static int mem_write(void *ctx, u64 gpa, const void *buf, unsigned int len)
{
	struct machine *m = ctx;
	int r = answer_of_memory(m, gpa, len);
	u8 copy[8];

	memcpy(copy, buf, len);
	if (r == EMULATE_RAM)
		m->changes++;
	return r;
}

static const struct emulate_ops ops = {
	.read_reg = read_reg,
	.write_reg = write_reg,
	.get_rip = get_rip,
	.set_rip = set_rip,
	.get_rflags = get_rflags,
	.set_rflags = set_rflags,
	.get_cr = get_cr,
	.get_seg = get_seg,
	.read_vec = read_vec,
	.write_vec = write_vec,
	.translate = translate,
	.mem_read = mem_read,
	.mem_write = mem_write,
};

static void take_machine(struct machine *m)
{
	unsigned int i;

	m->rip = take(m->in, 2);
	m->rflags = take(m->in, 3) | 2;
	m->cr[0] = (take(m->in, 1) & 1) | (take(m->in, 1) & 4) << 16;
	m->cr[4] = take(m->in, 3);
	for (i = 0; i < 6; i++) {
		u8 bits = take(m->in, 1);

		m->seg[i] = (struct kvm_segment){
			.base = (u64)(bits & 0xe0) << 8,
			.limit = bits & 1 ? 0xfff : 0xffffffff,
			.type = bits >> 1 & 15,
			.present = true,
			.s = true,
			.db = bits & 1,
		};
	}
	/* A byte and where it stands say enough of a register. */
	for (i = 0; i < 16; i++)
		m->regs[i] = (u64)(s8)take(m->in, 1) << (take(m->in, 1) & 63);
}

static void emulate(struct machine *m, const struct x86_insn *insn)
{
	enum emulate_result result;
	struct emulator em = {};
	unsigned int steps;

	take_machine(m);
	emulate_start(&em, insn, &ops, m);
	for (steps = 0; steps < STEPS; steps++) {
		bool asked = emulate_pending(&em);

		if (!asked)
			m->changes = 0;
		result = emulate_step(&em);
		switch (result) {
		case EMULATE_READ:
			ALWAYS(em.size >= 1 && em.size <= 8 &&
			       (em.gpa & 0xfff) + em.size <= 0x1000);
			take_bytes(m->in, em.data, em.size);
			break;
		case EMULATE_WRITE:
			ALWAYS(em.size >= 1 && em.size <= 8 &&
			       (em.gpa & 0xfff) + em.size <= 0x1000);
			break;
		case EMULATE_REPEAT:
			ALWAYS(!emulate_pending(&em));
			break;
		case EMULATE_FAULT:
			ALWAYS(em.fault.vector < 32);
			ALWAYS(!m->changes);
			return;
		case EMULATE_DONE:
			ALWAYS(!emulate_pending(&em));
			return;
		case EMULATE_UNHANDLED:
			ALWAYS(em.error <= 0);
			return;
		}
	}
	emulate_cancel(&em);
	ALWAYS(!emulate_pending(&em));
}

/* Of its own on the heap, so that ASan sees a look behind it. */
static int decode(struct x86_insn *insn, const u8 *bytes, unsigned int len, enum decode_mode mode)
{
	u8 *copy = malloc(len + !len);
	int r;

	memcpy(copy, bytes, len);
	memset(insn, 0xa5, sizeof(*insn));
	r = decode_insn(insn, copy, len, mode);
	free(copy);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct machine m = { .in = &in };
	u8 head = take(&in, 1), bytes[INSN_MAX_LEN];
	unsigned int len = head & 15;
	enum decode_mode mode = (head >> 4) % 3;
	struct x86_insn insn, other;
	int r;

	take_bytes(&in, bytes, sizeof(bytes));
	r = decode(&insn, bytes, len, mode);
	ALWAYS(r == 0 || r == -EINVAL || (r == -ENODATA && len < INSN_MAX_LEN));
	if (r)
		return 0;
	ALWAYS(insn.len >= 1 && insn.len <= len && insn.mode == mode && insn.op != INSN_INVALID);
	/* It is what it is with more bytes behind it, and nothing with one less. */
	ALWAYS(!decode(&other, bytes, INSN_MAX_LEN, mode) && other.op == insn.op &&
	       other.len == insn.len);
	ALWAYS(decode(&other, bytes, insn.len - 1, mode) == -ENODATA);
	if (decode_is_memory(&insn))
		emulate(&m, &insn);
	return 0;
}
