// SPDX-License-Identifier: GPL-2.0-only
/*
 * One instruction goes through the stages below, each of which may be entered again after a request
 * was answered. Every operand is translated before the first byte moves, so a fault leaves nothing
 * half done.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "x86/emulate.h"

#define PAGE_BYTES 4096u

#define CR0_PE (1ull << 0)
#define CR4_LA57 (1ull << 12)

#define FLAG_CF (1ull << 0)
#define FLAG_PF (1ull << 2)
#define FLAG_AF (1ull << 4)
#define FLAG_ZF (1ull << 6)
#define FLAG_SF (1ull << 7)
#define FLAG_DF (1ull << 10)
#define FLAG_OF (1ull << 11)
#define FLAG_RF (1ull << 16)
#define FLAG_VM (1ull << 17)
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* Segment types (SDM table 3-1). */
#define SEG_CODE 8
#define SEG_EXPAND_DOWN 4 /* of a data segment */
#define SEG_RW 2 /* data: writable; code: readable */

enum stage {
	STAGE_IDLE,
	STAGE_START,
	STAGE_READ,
	STAGE_EXECUTE,
	STAGE_WRITE,
	STAGE_COMMIT,
};

#define READS_DST (1u << 0)
#define WRITES_DST (1u << 1)
#define OLD_TO_SRC (1u << 2) /* the source register receives what was in memory */
#define STRING (1u << 3)

struct operation {
	void (*execute)(struct emulator *em);
	u8 flags;
};

static const struct operation operations[INSN_LAST_MEMORY + 1];

static u64 size_mask(unsigned int size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

static u64 sign_extend(u64 value, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (u64)((s64)(value << shift) >> shift);
}

/* Registers. */

static u64 read_gpr(const struct emulator *em, const struct insn_operand *operand)
{
	u64 value = em->ops->read_reg(em->ctx, operand->reg);

	if (operand->high)
		value >>= 8;
	return value & size_mask(em->insn.opsize);
}

/* 8- and 16-bit results keep the rest of the register, 32-bit ones clear it (SDM 3.4.1.1). */
static void write_sized(const struct emulator *em, unsigned int reg, unsigned int size, u64 value)
{
	u64 mask = size_mask(size);

	value &= mask;
	if (size < 4)
		value |= em->ops->read_reg(em->ctx, reg) & ~mask;
	em->ops->write_reg(em->ctx, reg, value);
}

static void write_gpr(const struct emulator *em, const struct insn_operand *operand, u64 value)
{
	u64 old;

	if (!operand->high) {
		write_sized(em, operand->reg, em->insn.opsize, value);
		return;
	}
	old = em->ops->read_reg(em->ctx, operand->reg);
	em->ops->write_reg(em->ctx, operand->reg, (old & ~0xff00ull) | (value & 0xff) << 8);
}

/* Addresses. */

static bool is_memory(const struct insn_operand *operand)
{
	return operand->kind == OPND_MEM || operand->kind == OPND_MEM_SI ||
	       operand->kind == OPND_MEM_DI;
}

static bool is_bit_test(const struct x86_insn *insn)
{
	return insn->op >= INSN_BT && insn->op <= INSN_BTC;
}

/* A bit offset in a register reaches beyond the operand: signed, in units of operands (SDM BT). */
static u64 bit_string_offset(const struct x86_insn *insn, const struct emulate_ops *ops, void *ctx)
{
	s64 bit = (s64)sign_extend(ops->read_reg(ctx, insn->src.reg), insn->opsize);
	unsigned int bits = 8 * insn->opsize;

	return (u64)((bit & ~(s64)(bits - 1)) >> 3);
}

u64 emulate_effective_address(const struct x86_insn *insn, const struct insn_operand *operand,
			      const struct emulate_ops *ops, void *ctx)
{
	u64 mask = size_mask(insn->adsize);
	u64 address = (u64)insn->disp;

	if (operand->kind == OPND_MEM_SI)
		return ops->read_reg(ctx, X86_RSI) & mask;
	if (operand->kind == OPND_MEM_DI)
		return ops->read_reg(ctx, X86_RDI) & mask;

	if (insn->rip_relative)
		address += ops->get_rip(ctx) + insn->len;
	if (insn->base != INSN_NO_REG)
		address += ops->read_reg(ctx, insn->base);
	if (insn->index != INSN_NO_REG)
		address += ops->read_reg(ctx, insn->index) * insn->scale;
	if (is_bit_test(insn) && insn->src.kind == OPND_REG)
		address += bit_string_offset(insn, ops, ctx);
	return address & mask;
}

static bool is_canonical(u64 address, bool la57)
{
	unsigned int shift = la57 ? 64 - 57 : 64 - 48;

	return (u64)((s64)(address << shift) >> shift) == address;
}

static int segment_fault(struct walk_fault *fault, u8 vector, bool has_error_code)
{
	*fault = (struct walk_fault){ .vector = vector, .has_error_code = has_error_code };
	return 1;
}

static int linear_address_64(u64 address, unsigned int seg, unsigned int size,
			     const struct emulate_ops *ops, void *ctx, u64 *linear,
			     struct walk_fault *fault)
{
	struct kvm_segment segment;
	bool la57;

	if (seg >= X86_SEG_FS) {
		ops->get_seg(ctx, seg, &segment);
		address += segment.base;
	}
	*linear = address;
	if (!size)
		return 0;
	la57 = ops->get_cr(ctx, 4) & CR4_LA57;
	if (is_canonical(address, la57) && is_canonical(address + size - 1, la57))
		return 0;
	return segment_fault(fault, seg == X86_SEG_SS ? WALK_VECTOR_SS : WALK_VECTOR_GP, true);
}

/* Rights are checked in protected mode alone; real and virtual-8086 mode have none. */
static bool segment_allows(const struct kvm_segment *segment, unsigned int access)
{
	if (segment->unusable || !segment->present || !segment->s)
		return false;
	if (access & WALK_WRITE)
		return !(segment->type & SEG_CODE) && (segment->type & SEG_RW);
	return !(segment->type & SEG_CODE) || (segment->type & SEG_RW);
}

/* SDM 5.3; all in 64-bit arithmetic, so nothing wraps. */
static bool within_limit(const struct kvm_segment *segment, u64 offset, unsigned int size)
{
	u64 last = offset + size - 1;

	if ((segment->type & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN)
		return offset > segment->limit && last <= (segment->db ? 0xffffffffull : 0xffff);
	return last <= segment->limit;
}

static int linear_address_32(u64 offset, unsigned int seg, unsigned int size, unsigned int access,
			     const struct emulate_ops *ops, void *ctx, u64 *linear,
			     struct walk_fault *fault)
{
	struct kvm_segment segment;
	bool protection = ops->get_cr(ctx, 0) & CR0_PE;
	bool rights = protection && !(ops->get_rflags(ctx) & FLAG_VM);

	ops->get_seg(ctx, seg, &segment);
	*linear = (segment.base + offset) & 0xffffffff;
	if (!size)
		return 0;
	if ((!rights || segment_allows(&segment, access)) && within_limit(&segment, offset, size))
		return 0;
	return segment_fault(fault, seg == X86_SEG_SS ? WALK_VECTOR_SS : WALK_VECTOR_GP,
			     protection);
}

int emulate_linear_address(const struct x86_insn *insn, const struct insn_operand *operand,
			   unsigned int size, unsigned int access, const struct emulate_ops *ops,
			   void *ctx, u64 *linear, struct walk_fault *fault)
{
	u64 address = emulate_effective_address(insn, operand, ops, ctx);
	unsigned int seg = operand->kind == OPND_MEM_DI ? X86_SEG_ES : insn->seg;

	if (insn->mode == DECODE_64)
		return linear_address_64(address, seg, size, ops, ctx, linear, fault);
	return linear_address_32(address, seg, size, access, ops, ctx, linear, fault);
}

/* Operands in memory. */

static int prepare_operand(struct emulator *em, const struct insn_operand *operand,
			   unsigned int access, struct emulate_operand *out)
{
	unsigned int size = em->insn.memsize, room;
	u64 linear, next;
	int ret;

	ret = emulate_linear_address(&em->insn, operand, size, access, em->ops, em->ctx, &linear,
				     &em->fault);
	if (ret)
		return ret;
	if (em->insn.aligned && (linear & (size - 1)))
		return segment_fault(&em->fault, WALK_VECTOR_GP,
				     em->ops->get_cr(em->ctx, 0) & CR0_PE);
	room = PAGE_BYTES - (linear & (PAGE_BYTES - 1));
	out->len = size;
	out->first = size < room ? size : room;
	out->done = 0;
	ret = em->ops->translate(em->ctx, linear, access, &out->gpa[0], &em->fault);
	if (ret || out->first == size)
		return ret;
	next = linear + out->first;
	if (em->insn.mode != DECODE_64)
		next &= 0xffffffff;
	return em->ops->translate(em->ctx, next, access, &out->gpa[1], &em->fault);
}

/* The next piece: at most 8 bytes, within one page. */
static u32 next_piece(const struct emulate_operand *operand, u64 *gpa)
{
	u32 end = operand->done < operand->first ? operand->first : operand->len;
	u32 left = end - operand->done;

	if (operand->done < operand->first)
		*gpa = operand->gpa[0] + operand->done;
	else
		*gpa = operand->gpa[1] + operand->done - operand->first;
	return left < 8 ? left : 8;
}

/*
 * Returns 0 when the operand is complete, EMULATE_MMIO with a request, or a negative errno. An answer is
 * for the first operand that is not complete.
 */
static int load_operand(struct emulator *em, struct emulate_operand *operand)
{
	u64 gpa;
	u32 size;
	int ret;

	if (em->asked && operand->done < operand->len) {
		memcpy(operand->data + operand->done, em->data, em->size);
		operand->done += em->size;
		em->asked = false;
	}
	while (operand->done < operand->len) {
		size = next_piece(operand, &gpa);
		ret = em->ops->mem_read(em->ctx, gpa, operand->data + operand->done, size);
		if (ret == EMULATE_MMIO) {
			em->gpa = gpa;
			em->size = size;
			em->asked = true;
		}
		if (ret)
			return ret;
		operand->done += size;
	}
	return 0;
}

static int load_operands(struct emulator *em)
{
	int ret = load_operand(em, &em->src);

	return ret ? ret : load_operand(em, &em->src2);
}

static int store_operand(struct emulator *em, struct emulate_operand *operand)
{
	u64 gpa;
	u32 size;
	int ret;

	if (em->asked) {
		operand->done += em->size;
		em->asked = false;
	}
	while (operand->done < operand->len) {
		size = next_piece(operand, &gpa);
		ret = em->ops->mem_write(em->ctx, gpa, operand->data + operand->done, size);
		if (ret == EMULATE_MMIO) {
			memcpy(em->data, operand->data + operand->done, size);
			em->gpa = gpa;
			em->size = size;
			em->asked = true;
		}
		if (ret)
			return ret;
		operand->done += size;
	}
	return 0;
}

static u64 loaded_value(const struct emulate_operand *operand)
{
	u64 value = 0;

	memcpy(&value, operand->data, operand->len < 8 ? operand->len : 8);
	return value;
}

/* Flags. */

static u64 result_flags(u64 result, unsigned int size)
{
	u64 flags = 0;
	u8 parity = result;

	result &= size_mask(size);
	parity ^= parity >> 4;
	parity ^= parity >> 2;
	parity ^= parity >> 1;
	if (!(parity & 1))
		flags |= FLAG_PF;
	if (!result)
		flags |= FLAG_ZF;
	if (result >> (8 * size - 1))
		flags |= FLAG_SF;
	return flags;
}

/* carries: the carry (borrow) out of each bit; overflow: its top bit is OF. */
static void set_arith_flags(struct emulator *em, u64 result, u64 carries, u64 overflow)
{
	unsigned int top = 8 * em->insn.opsize - 1;
	u64 flags = result_flags(result, em->insn.opsize);

	if (carries >> top & 1)
		flags |= FLAG_CF;
	if (carries >> 3 & 1)
		flags |= FLAG_AF;
	if (overflow >> top & 1)
		flags |= FLAG_OF;
	em->rflags = (em->rflags & ~FLAGS_ARITH) | flags;
}

static u64 add_with_flags(struct emulator *em, u64 a, u64 b, u64 carry)
{
	u64 result = a + b + carry;

	set_arith_flags(em, result, (a & b) | ((a | b) & ~result), (a ^ result) & (b ^ result));
	return result;
}

static u64 sub_with_flags(struct emulator *em, u64 a, u64 b, u64 borrow)
{
	u64 result = a - b - borrow;

	set_arith_flags(em, result, (~a & b) | ((~a | b) & result), (a ^ b) & (a ^ result));
	return result;
}

/* AF is undefined after logic operations; processors clear it. */
static u64 logic_with_flags(struct emulator *em, u64 result)
{
	set_arith_flags(em, result, 0, 0);
	return result;
}

/* Execution: operands in, result and flags out. */

static u64 operand_value(const struct emulator *em, const struct insn_operand *operand)
{
	if (operand->kind == OPND_IMM)
		return em->insn.imm & size_mask(em->insn.opsize);
	if (operand->kind == OPND_REG)
		return read_gpr(em, operand);
	return loaded_value(&em->src);
}

static u64 dst_value(const struct emulator *em)
{
	return operand_value(em, &em->insn.dst);
}

static u64 src_value(const struct emulator *em)
{
	return operand_value(em, &em->insn.src);
}

static void execute_add(struct emulator *em)
{
	em->result = add_with_flags(em, dst_value(em), src_value(em), 0);
}

static void execute_adc(struct emulator *em)
{
	em->result = add_with_flags(em, dst_value(em), src_value(em), em->rflags & FLAG_CF);
}

static void execute_sub(struct emulator *em)
{
	em->result = sub_with_flags(em, dst_value(em), src_value(em), 0);
}

static void execute_sbb(struct emulator *em)
{
	em->result = sub_with_flags(em, dst_value(em), src_value(em), em->rflags & FLAG_CF);
}

static void execute_or(struct emulator *em)
{
	em->result = logic_with_flags(em, dst_value(em) | src_value(em));
}

static void execute_and(struct emulator *em)
{
	em->result = logic_with_flags(em, dst_value(em) & src_value(em));
}

static void execute_xor(struct emulator *em)
{
	em->result = logic_with_flags(em, dst_value(em) ^ src_value(em));
}

static void execute_not(struct emulator *em)
{
	em->result = ~dst_value(em);
}

static void execute_neg(struct emulator *em)
{
	em->result = sub_with_flags(em, 0, dst_value(em), 0);
}

/* inc and dec keep CF. */
static void execute_inc(struct emulator *em)
{
	u64 carry = em->rflags & FLAG_CF;

	em->result = add_with_flags(em, dst_value(em), 1, 0);
	em->rflags = (em->rflags & ~FLAG_CF) | carry;
}

static void execute_dec(struct emulator *em)
{
	u64 carry = em->rflags & FLAG_CF;

	em->result = sub_with_flags(em, dst_value(em), 1, 0);
	em->rflags = (em->rflags & ~FLAG_CF) | carry;
}

/* mov, movzx, movs, stos, lods: the loaded value is zero-extended already. */
static void execute_mov(struct emulator *em)
{
	em->result = src_value(em);
}

static void execute_movsx(struct emulator *em)
{
	em->result = sign_extend(src_value(em), em->insn.memsize);
}

static void execute_xchg(struct emulator *em)
{
	em->old = dst_value(em);
	em->result = src_value(em);
}

static void execute_xadd(struct emulator *em)
{
	em->old = dst_value(em);
	em->result = add_with_flags(em, em->old, src_value(em), 0);
}

/* The destination is written in both cases, so a device sees the cycle (SDM CMPXCHG). */
static void execute_cmpxchg(struct emulator *em)
{
	struct insn_operand acc = { .kind = OPND_REG, .reg = X86_RAX };

	em->old = dst_value(em);
	sub_with_flags(em, read_gpr(em, &acc), em->old, 0);
	em->result = em->rflags & FLAG_ZF ? src_value(em) : em->old;
}

/* CF is the bit; ZF stays, the others are undefined and stay too. */
static void execute_bit(struct emulator *em)
{
	u64 value = dst_value(em);
	u64 bit = 1ull << (src_value(em) & (8 * em->insn.opsize - 1));

	em->rflags &= ~FLAG_CF;
	if (value & bit)
		em->rflags |= FLAG_CF;
	if (em->insn.op == INSN_BTS)
		value |= bit;
	else if (em->insn.op == INSN_BTR)
		value &= ~bit;
	else if (em->insn.op == INSN_BTC)
		value ^= bit;
	em->result = value;
}

static void execute_cmps(struct emulator *em)
{
	sub_with_flags(em, loaded_value(&em->src), loaded_value(&em->src2), 0);
}

static void execute_movvec(struct emulator *em)
{
	const struct x86_insn *insn = &em->insn;

	if (insn->src.kind == OPND_VEC) {
		em->ops->read_vec(em->ctx, insn->src.reg, em->dst.data, insn->opsize);
		return;
	}
	memset(em->src.data + insn->memsize, 0, insn->opsize - insn->memsize);
}

static const struct operation operations[INSN_LAST_MEMORY + 1] = {
	[INSN_ADD] = { execute_add, READS_DST | WRITES_DST },
	[INSN_OR] = { execute_or, READS_DST | WRITES_DST },
	[INSN_ADC] = { execute_adc, READS_DST | WRITES_DST },
	[INSN_SBB] = { execute_sbb, READS_DST | WRITES_DST },
	[INSN_AND] = { execute_and, READS_DST | WRITES_DST },
	[INSN_SUB] = { execute_sub, READS_DST | WRITES_DST },
	[INSN_XOR] = { execute_xor, READS_DST | WRITES_DST },
	[INSN_CMP] = { execute_sub, READS_DST },
	[INSN_TEST] = { execute_and, READS_DST },
	[INSN_NOT] = { execute_not, READS_DST | WRITES_DST },
	[INSN_NEG] = { execute_neg, READS_DST | WRITES_DST },
	[INSN_INC] = { execute_inc, READS_DST | WRITES_DST },
	[INSN_DEC] = { execute_dec, READS_DST | WRITES_DST },
	[INSN_MOV] = { execute_mov, WRITES_DST },
	[INSN_MOVZX] = { execute_mov, WRITES_DST },
	[INSN_MOVSX] = { execute_movsx, WRITES_DST },
	[INSN_XCHG] = { execute_xchg, READS_DST | WRITES_DST | OLD_TO_SRC },
	[INSN_CMPXCHG] = { execute_cmpxchg, READS_DST | WRITES_DST },
	[INSN_XADD] = { execute_xadd, READS_DST | WRITES_DST | OLD_TO_SRC },
	[INSN_BT] = { execute_bit, READS_DST },
	[INSN_BTS] = { execute_bit, READS_DST | WRITES_DST },
	[INSN_BTR] = { execute_bit, READS_DST | WRITES_DST },
	[INSN_BTC] = { execute_bit, READS_DST | WRITES_DST },
	[INSN_MOVS] = { execute_mov, WRITES_DST | STRING },
	[INSN_STOS] = { execute_mov, WRITES_DST | STRING },
	[INSN_LODS] = { execute_mov, WRITES_DST | STRING },
	[INSN_SCAS] = { execute_sub, READS_DST | STRING },
	[INSN_CMPS] = { execute_cmps, READS_DST | STRING },
	[INSN_MOVVEC] = { execute_movvec, WRITES_DST },
};

/* Stages. */

static u64 string_count(const struct emulator *em)
{
	return em->ops->read_reg(em->ctx, X86_RCX) & size_mask(em->insn.adsize);
}

static enum emulate_result finish(struct emulator *em)
{
	u64 rip = em->ops->get_rip(em->ctx) + em->insn.len;
	u64 flags = em->rflags & ~FLAG_RF;

	if (em->insn.mode != DECODE_64)
		rip &= 0xffffffff;
	em->ops->set_rip(em->ctx, rip);
	if (flags != em->ops->get_rflags(em->ctx))
		em->ops->set_rflags(em->ctx, flags);
	em->stage = STAGE_IDLE;
	return EMULATE_DONE;
}

static int prepare(struct emulator *em)
{
	const struct x86_insn *insn = &em->insn;
	u8 flags = operations[insn->op].flags;
	int ret;

	em->src.len = 0;
	em->src2.len = 0;
	em->dst.len = 0;
	if (is_memory(&insn->src)) {
		ret = prepare_operand(em, &insn->src, WALK_READ,
				      insn->op == INSN_CMPS ? &em->src2 : &em->src);
		if (ret)
			return ret;
	}
	if (!is_memory(&insn->dst))
		return 0;
	if (!(flags & WRITES_DST))
		return prepare_operand(em, &insn->dst, WALK_READ, &em->src);
	ret = prepare_operand(em, &insn->dst, WALK_WRITE, &em->dst);
	if (!ret && (flags & READS_DST))
		em->src = em->dst;
	return ret;
}

static void execute(struct emulator *em)
{
	operations[em->insn.op].execute(em);
	if (em->insn.op != INSN_MOVVEC)
		memcpy(em->dst.data, &em->result, sizeof(em->result));
}

static void advance_pointer(const struct emulator *em, enum insn_operand_kind kind,
			    unsigned int reg)
{
	u64 step = em->insn.memsize;

	if (em->insn.dst.kind != kind && em->insn.src.kind != kind)
		return;
	if (em->rflags & FLAG_DF)
		step = -step;
	write_sized(em, reg, em->insn.adsize, em->ops->read_reg(em->ctx, reg) + step);
}

/* Moves the pointers and the counter on; true when more iterations follow. */
static bool advance_string(const struct emulator *em)
{
	const struct x86_insn *insn = &em->insn;
	u64 count;

	advance_pointer(em, OPND_MEM_SI, X86_RSI);
	advance_pointer(em, OPND_MEM_DI, X86_RDI);
	if (insn->rep == INSN_NO_REP)
		return false;
	count = string_count(em) - 1;
	write_sized(em, X86_RCX, insn->adsize, count);
	if (!count)
		return false;
	if (insn->op == INSN_SCAS || insn->op == INSN_CMPS)
		return !(em->rflags & FLAG_ZF) == (insn->rep == INSN_REPNE);
	return true;
}

static void write_registers(const struct emulator *em)
{
	const struct x86_insn *insn = &em->insn;
	u8 flags = operations[insn->op].flags;

	if (insn->dst.kind == OPND_VEC)
		em->ops->write_vec(em->ctx, insn->dst.reg, em->src.data, insn->opsize, insn->vex);
	else if (insn->dst.kind == OPND_REG && (flags & WRITES_DST))
		write_gpr(em, &insn->dst, em->result);
	if (flags & OLD_TO_SRC)
		write_gpr(em, &insn->src, em->old);
	if (insn->op == INSN_CMPXCHG && !(em->rflags & FLAG_ZF))
		write_sized(em, X86_RAX, insn->opsize, em->old);
}

static enum emulate_result commit(struct emulator *em)
{
	write_registers(em);
	if (!(operations[em->insn.op].flags & STRING) || !advance_string(em))
		return finish(em);
	if (em->rflags != em->ops->get_rflags(em->ctx))
		em->ops->set_rflags(em->ctx, em->rflags);
	em->stage = STAGE_START;
	return EMULATE_REPEAT;
}

static enum emulate_result give_up(struct emulator *em, int error)
{
	em->stage = STAGE_IDLE;
	em->asked = false;
	em->error = error;
	return EMULATE_UNHANDLED;
}

/* What a stage's positive or negative return means to the caller. */
static enum emulate_result interrupted(struct emulator *em, int ret)
{
	if (ret < 0)
		return give_up(em, ret);
	if (em->stage == STAGE_WRITE)
		return EMULATE_WRITE;
	if (em->stage != STAGE_START)
		return EMULATE_READ;
	em->stage = STAGE_IDLE;
	return EMULATE_FAULT;
}

void emulate_start(struct emulator *em, const struct x86_insn *insn, const struct emulate_ops *ops,
		   void *ctx)
{
	em->insn = *insn;
	em->ops = ops;
	em->ctx = ctx;
	em->stage = STAGE_START;
	em->asked = false;
	em->error = 0;
}

static bool can_execute(const struct emulator *em)
{
	if (!decode_is_memory(&em->insn) || !em->insn.has_mem)
		return false;
	return em->insn.op != INSN_MOVVEC || (em->ops->read_vec && em->ops->write_vec);
}

enum emulate_result emulate_step(struct emulator *em)
{
	int ret = 0;

	if (em->stage == STAGE_IDLE)
		return give_up(em, -EINVAL);
	if (em->stage == STAGE_START) {
		if (!can_execute(em))
			return give_up(em, 0);
		em->rflags = em->ops->get_rflags(em->ctx);
		if (em->insn.rep != INSN_NO_REP && !string_count(em))
			return finish(em);
		ret = prepare(em);
		if (ret)
			return interrupted(em, ret);
		em->stage = STAGE_READ;
	}
	if (em->stage == STAGE_READ) {
		ret = load_operands(em);
		if (ret)
			return interrupted(em, ret);
		em->stage = STAGE_EXECUTE;
	}
	if (em->stage == STAGE_EXECUTE) {
		execute(em);
		em->stage = STAGE_WRITE;
	}
	if (em->stage == STAGE_WRITE) {
		ret = store_operand(em, &em->dst);
		if (ret)
			return interrupted(em, ret);
		em->stage = STAGE_COMMIT;
	}
	return commit(em);
}

bool emulate_pending(const struct emulator *em)
{
	return em->asked;
}

void emulate_cancel(struct emulator *em)
{
	em->stage = STAGE_IDLE;
	em->asked = false;
}
