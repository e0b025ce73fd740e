// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opcodes are rows of the tables below, which follow the opcode maps of SDM vol. 2 appendix A. A
 * row that is all zero is refused: an instruction that is not listed is not ours.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "x86/decode.h"

/* Where an operand is encoded; the letters are those of the SDM's opcode maps (A.2.1). */
enum encoding {
	A_NONE,
	A_E, /* ModRM.rm: general register or memory */
	A_G, /* ModRM.reg: general register */
	A_R, /* ModRM.rm: general register whatever ModRM.mod says (mov to and from CR and DR) */
	A_V, /* ModRM.reg: vector register */
	A_C, /* ModRM.reg: control register */
	A_D, /* ModRM.reg: debug register */
	A_O, /* moffs */
	A_X, /* seg:[rsi] */
	A_Y, /* es:[rdi] */
	A_ACC, /* al, ax, eax, rax */
	A_DX, /* dx: a port */
	A_IB, /* imm8, zero-extended */
	A_IBS, /* imm8, sign-extended */
	A_IZ, /* imm16 or imm32 by operand size, sign-extended */
};

/* Size of what moves to or from memory, when it is not the operand size. */
#define M_OPSIZE 0
#define M_DQ 0xff /* 4, or 8 with REX.W or VEX.W */

#define F_MODRM (1u << 0)
#define F_MEM (1u << 1) /* ModRM.mod 3 is refused */
#define F_BYTE (1u << 2) /* operand size 1 */
#define F_NATIVE (1u << 3) /* operand size 8 in 64-bit mode, else 4; no prefix changes it */
#define F_MAX4 (1u << 4) /* REX.W does not make the operand size 8 */
#define F_VEC (1u << 5) /* vector move, legacy or VEX */
#define F_L0 (1u << 6) /* with VEX.L 1 refused */
#define F_DQ (1u << 7) /* operand size 8 with REX.W, else 4 */
#define F_ALIGNED (1u << 8)
#define F_LOCK (1u << 9) /* lock is legal: the destination is memory, read and written */
#define F_REP (1u << 10) /* f2 and f3 both repeat */
#define F_REPCC (1u << 11) /* f2 and f3 repeat while a condition holds */
#define F_NO64 (1u << 12) /* refused in 64-bit mode */
#define F_ONLY64 (1u << 13)
/* The row stands for a sub-table, `op` says which. */
#define F_BY_REG (1u << 14) /* chosen by ModRM.reg */
#define F_BY_PREFIX (1u << 15) /* chosen by the mandatory prefix */
#define F_BY_MOD (1u << 16) /* chosen by ModRM.mod: memory, register */
#define F_BY_RM (1u << 17) /* chosen by the low six bits of ModRM */
#define F_SUBTABLE (F_BY_REG | F_BY_PREFIX | F_BY_MOD | F_BY_RM)

struct form {
	u8 op; /* enum insn_op, or enum subtable */
	u8 dst; /* enum encoding */
	u8 src;
	u8 mem;
	u32 flags;
};

/* Columns of a table chosen by the mandatory prefix, in the order of VEX.pp. */
enum mandatory_prefix {
	PREFIX_NONE,
	PREFIX_66,
	PREFIX_F3,
	PREFIX_F2,
	NR_PREFIXES,
};

enum subtable {
	/* Chosen by ModRM.reg or by mandatory prefix. */
	SUB_80,
	SUB_81,
	SUB_82,
	SUB_83,
	SUB_C6,
	SUB_C7,
	SUB_F6,
	SUB_F7,
	SUB_FE,
	SUB_FF,
	SUB_90,
	SUB_0F01,
	SUB_0F01_MEM,
	SUB_0F09,
	SUB_0F10,
	SUB_0F11,
	SUB_0F28,
	SUB_0F29,
	SUB_0F2B,
	SUB_0F37,
	SUB_0F6E,
	SUB_0F6F,
	SUB_0F78,
	SUB_0F79,
	SUB_0F7E,
	SUB_0F7F,
	SUB_0FBA,
	SUB_0FC3,
	SUB_0FC7,
	SUB_0FC7_6,
	SUB_0FC7_7,
	SUB_0FD6,
	SUB_0FE7,
	SUB_0FF0,
	SUB_XGETBV,
	SUB_XSETBV,
	SUB_VMFUNC,
	SUB_MONITORX,
	SUB_0F382A,
	SUB_0F3880,
	SUB_0F3881,
	SUB_0F3882,
	NR_SUBTABLES,
};

/* Memory operand with a register or an immediate; only the memory form is ours. */
/* clang-format off */
#define RM(op, dst, src, f) { INSN_##op, A_##dst, A_##src, M_OPSIZE, F_MODRM | F_MEM | (f) }
#define EXTEND(op, mem) { INSN_##op, A_G, A_E, mem, F_MODRM | F_MEM }
#define STRING(op, dst, src, f) { INSN_##op, A_##dst, A_##src, M_OPSIZE, f }
/* No operands that need decoding. */
#define PLAIN(op) { INSN_##op, A_NONE, A_NONE, M_OPSIZE, 0 }
#define VEC_LOAD(mem, f) { INSN_MOVVEC, A_V, A_E, mem, F_MODRM | F_MEM | F_VEC | (f) }
#define VEC_STORE(mem, f) { INSN_MOVVEC, A_E, A_V, mem, F_MODRM | F_MEM | F_VEC | (f) }
#define BY_REG(table) { SUB_##table, 0, 0, 0, F_MODRM | F_BY_REG }
#define BY_PREFIX(table) { SUB_##table, 0, 0, 0, F_BY_PREFIX }
/* clang-format on */

#define ALU(op, opcode, f)                                                         \
	[(opcode)] = RM(op, E, G, F_BYTE | (f)), [(opcode) + 1] = RM(op, E, G, f), \
	[(opcode) + 2] = RM(op, G, E, F_BYTE), [(opcode) + 3] = RM(op, G, E, 0)

/* clang-format off */
static const struct form one_byte[256] = {
	ALU(ADD, 0x00, F_LOCK),
	ALU(OR, 0x08, F_LOCK),
	ALU(ADC, 0x10, F_LOCK),
	ALU(SBB, 0x18, F_LOCK),
	ALU(AND, 0x20, F_LOCK),
	ALU(SUB, 0x28, F_LOCK),
	ALU(XOR, 0x30, F_LOCK),
	ALU(CMP, 0x38, 0),
	[0x63] = { INSN_MOVSX, A_G, A_E, 4, F_MODRM | F_MEM | F_ONLY64 },
	[0x6c] = STRING(INS, Y, DX, F_REP | F_BYTE),
	[0x6d] = STRING(INS, Y, DX, F_REP | F_MAX4),
	[0x6e] = STRING(OUTS, DX, X, F_REP | F_BYTE),
	[0x6f] = STRING(OUTS, DX, X, F_REP | F_MAX4),
	[0x80] = BY_REG(80),
	[0x81] = BY_REG(81),
	[0x82] = BY_REG(82),
	[0x83] = BY_REG(83),
	[0x84] = RM(TEST, E, G, F_BYTE),
	[0x85] = RM(TEST, E, G, 0),
	[0x86] = RM(XCHG, E, G, F_BYTE | F_LOCK),
	[0x87] = RM(XCHG, E, G, F_LOCK),
	[0x88] = RM(MOV, E, G, F_BYTE),
	[0x89] = RM(MOV, E, G, 0),
	[0x8a] = RM(MOV, G, E, F_BYTE),
	[0x8b] = RM(MOV, G, E, 0),
	[0x90] = BY_PREFIX(90),
	[0xa0] = STRING(MOV, ACC, O, F_BYTE),
	[0xa1] = STRING(MOV, ACC, O, 0),
	[0xa2] = STRING(MOV, O, ACC, F_BYTE),
	[0xa3] = STRING(MOV, O, ACC, 0),
	[0xa4] = STRING(MOVS, Y, X, F_REP | F_BYTE),
	[0xa5] = STRING(MOVS, Y, X, F_REP),
	[0xa6] = STRING(CMPS, X, Y, F_REPCC | F_BYTE),
	[0xa7] = STRING(CMPS, X, Y, F_REPCC),
	[0xaa] = STRING(STOS, Y, ACC, F_REP | F_BYTE),
	[0xab] = STRING(STOS, Y, ACC, F_REP),
	[0xac] = STRING(LODS, ACC, X, F_REP | F_BYTE),
	[0xad] = STRING(LODS, ACC, X, F_REP),
	[0xae] = STRING(SCAS, ACC, Y, F_REPCC | F_BYTE),
	[0xaf] = STRING(SCAS, ACC, Y, F_REPCC),
	[0xc6] = BY_REG(C6),
	[0xc7] = BY_REG(C7),
	[0xcc] = PLAIN(INT3),
	[0xcd] = { INSN_INT, A_NONE, A_IB, M_OPSIZE, 0 },
	[0xce] = { INSN_INTO, A_NONE, A_NONE, M_OPSIZE, F_NO64 },
	[0xcf] = PLAIN(IRET),
	[0xe4] = { INSN_IN, A_ACC, A_IB, M_OPSIZE, F_BYTE },
	[0xe5] = { INSN_IN, A_ACC, A_IB, M_OPSIZE, F_MAX4 },
	[0xe6] = { INSN_OUT, A_IB, A_ACC, M_OPSIZE, F_BYTE },
	[0xe7] = { INSN_OUT, A_IB, A_ACC, M_OPSIZE, F_MAX4 },
	[0xec] = { INSN_IN, A_ACC, A_DX, M_OPSIZE, F_BYTE },
	[0xed] = { INSN_IN, A_ACC, A_DX, M_OPSIZE, F_MAX4 },
	[0xee] = { INSN_OUT, A_DX, A_ACC, M_OPSIZE, F_BYTE },
	[0xef] = { INSN_OUT, A_DX, A_ACC, M_OPSIZE, F_MAX4 },
	[0xf1] = PLAIN(ICEBP),
	[0xf4] = PLAIN(HLT),
	[0xf6] = BY_REG(F6),
	[0xf7] = BY_REG(F7),
	[0xfe] = BY_REG(FE),
	[0xff] = BY_REG(FF),
};
/* clang-format on */

/* clang-format off */
static const struct form two_byte[256] = {
	[0x01] = { SUB_0F01, 0, 0, 0, F_MODRM | F_BY_MOD },
	[0x06] = PLAIN(CLTS),
	[0x08] = PLAIN(INVD),
	[0x09] = BY_PREFIX(0F09),
	[0x10] = BY_PREFIX(0F10),
	[0x11] = BY_PREFIX(0F11),
	[0x20] = { INSN_MOV_FROM_CR, A_R, A_C, M_OPSIZE, F_MODRM | F_NATIVE },
	[0x21] = { INSN_MOV_FROM_DR, A_R, A_D, M_OPSIZE, F_MODRM | F_NATIVE },
	[0x22] = { INSN_MOV_TO_CR, A_C, A_R, M_OPSIZE, F_MODRM | F_NATIVE },
	[0x23] = { INSN_MOV_TO_DR, A_D, A_R, M_OPSIZE, F_MODRM | F_NATIVE },
	[0x28] = BY_PREFIX(0F28),
	[0x29] = BY_PREFIX(0F29),
	[0x2b] = BY_PREFIX(0F2B),
	[0x30] = PLAIN(WRMSR),
	[0x31] = PLAIN(RDTSC),
	[0x32] = PLAIN(RDMSR),
	[0x33] = PLAIN(RDPMC),
	[0x37] = BY_PREFIX(0F37),
	[0x6e] = BY_PREFIX(0F6E),
	[0x6f] = BY_PREFIX(0F6F),
	[0x78] = BY_PREFIX(0F78),
	[0x79] = BY_PREFIX(0F79),
	[0x7e] = BY_PREFIX(0F7E),
	[0x7f] = BY_PREFIX(0F7F),
	[0xa2] = PLAIN(CPUID),
	[0xa3] = RM(BT, E, G, 0),
	[0xaa] = PLAIN(RSM),
	[0xab] = RM(BTS, E, G, F_LOCK),
	[0xb0] = RM(CMPXCHG, E, G, F_BYTE | F_LOCK),
	[0xb1] = RM(CMPXCHG, E, G, F_LOCK),
	[0xb3] = RM(BTR, E, G, F_LOCK),
	[0xb6] = EXTEND(MOVZX, 1),
	[0xb7] = EXTEND(MOVZX, 2),
	[0xba] = BY_REG(0FBA),
	[0xbb] = RM(BTC, E, G, F_LOCK),
	[0xbe] = EXTEND(MOVSX, 1),
	[0xbf] = EXTEND(MOVSX, 2),
	[0xc0] = RM(XADD, E, G, F_BYTE | F_LOCK),
	[0xc1] = RM(XADD, E, G, F_LOCK),
	[0xc3] = BY_PREFIX(0FC3),
	[0xc7] = BY_REG(0FC7),
	[0xd6] = BY_PREFIX(0FD6),
	[0xe7] = BY_PREFIX(0FE7),
	[0xf0] = BY_PREFIX(0FF0),
};
/* clang-format on */

/* 0f 38: so few that a search is cheaper than a table. */
static const struct {
	u8 opcode;
	struct form form;
} three_byte[] = {
	{ 0x2a, BY_PREFIX(0F382A) },
	{ 0x80, BY_PREFIX(0F3880) },
	{ 0x81, BY_PREFIX(0F3881) },
	{ 0x82, BY_PREFIX(0F3882) },
};

/* Group 1: the row number is the ALU operation; all but cmp may be locked. */
#define GROUP1(imm, f)                                                                \
	{                                                                             \
		RM(ADD, E, imm, F_LOCK | (f)), RM(OR, E, imm, F_LOCK | (f)),          \
			RM(ADC, E, imm, F_LOCK | (f)), RM(SBB, E, imm, F_LOCK | (f)), \
			RM(AND, E, imm, F_LOCK | (f)), RM(SUB, E, imm, F_LOCK | (f)), \
			RM(XOR, E, imm, F_LOCK | (f)), RM(CMP, E, imm, f),            \
	}

/* Group 3: /1 is test as well, on every processor though in no table (APM vol. 3, A.1.3). */
#define GROUP3(imm, f)                                                                    \
	{                                                                                 \
		RM(TEST, E, imm, f), RM(TEST, E, imm, f), RM(NOT, E, NONE, F_LOCK | (f)), \
			RM(NEG, E, NONE, F_LOCK | (f)),                                   \
	}

#define GROUP4(f)                                                              \
	{                                                                      \
		RM(INC, E, NONE, F_LOCK | (f)), RM(DEC, E, NONE, F_LOCK | (f)) \
	}

/* Bits 5:0 of ModRM when ModRM.mod is 3 choose among these. */
/* clang-format off */
static const struct form system_reg[64] = {
	[0x01] = PLAIN(VMCALL),
	[0x02] = PLAIN(VMLAUNCH),
	[0x03] = PLAIN(VMRESUME),
	[0x04] = PLAIN(VMXOFF),
	[0x08] = PLAIN(MONITOR),
	[0x09] = PLAIN(MWAIT),
	[0x10] = BY_PREFIX(XGETBV),
	[0x11] = BY_PREFIX(XSETBV),
	[0x14] = BY_PREFIX(VMFUNC),
	[0x18] = PLAIN(VMRUN),
	[0x19] = PLAIN(VMMCALL),
	[0x1a] = PLAIN(VMLOAD),
	[0x1b] = PLAIN(VMSAVE),
	[0x1c] = PLAIN(STGI),
	[0x1d] = PLAIN(CLGI),
	[0x1e] = PLAIN(SKINIT),
	[0x1f] = PLAIN(INVLPGA),
	[0x20 ... 0x27] = { INSN_SMSW, A_E, A_NONE, 2, F_MODRM },
	[0x30 ... 0x37] = { INSN_LMSW, A_NONE, A_E, 2, F_MODRM },
	[0x39] = PLAIN(RDTSCP),
	[0x3a] = BY_PREFIX(MONITORX),
	[0x3b] = PLAIN(MWAITX),
};
/* clang-format on */

/* clang-format off */
static const struct form subtables[NR_SUBTABLES][8] = {
	[SUB_80] = GROUP1(IBS, F_BYTE),
	[SUB_81] = GROUP1(IZ, 0),
	[SUB_82] = GROUP1(IBS, F_BYTE | F_NO64),
	[SUB_83] = GROUP1(IBS, 0),
	[SUB_C6] = { RM(MOV, E, IBS, F_BYTE) },
	[SUB_C7] = { RM(MOV, E, IZ, 0) },
	[SUB_F6] = GROUP3(IBS, F_BYTE),
	[SUB_F7] = GROUP3(IZ, 0),
	[SUB_FE] = GROUP4(F_BYTE),
	[SUB_FF] = GROUP4(0),
	[SUB_90] = { [PREFIX_F3] = PLAIN(PAUSE) },
	[SUB_0F01] = {
		[0] = BY_REG(0F01_MEM),
		[1] = { 0, 0, 0, 0, F_BY_RM },
	},
	[SUB_0F01_MEM] = {
		[4] = { INSN_SMSW, A_E, A_NONE, 2, F_MODRM | F_MEM },
		[6] = { INSN_LMSW, A_NONE, A_E, 2, F_MODRM | F_MEM },
		[7] = { INSN_INVLPG, A_E, A_NONE, 1, F_MODRM | F_MEM },
	},
	/* f2 0f 09 and 66 0f 09 are no instructions of their own: the prefix is ignored. */
	[SUB_0F09] = {
		[PREFIX_NONE] = PLAIN(WBINVD),
		[PREFIX_66] = PLAIN(WBINVD),
		[PREFIX_F3] = PLAIN(WBNOINVD),
		[PREFIX_F2] = PLAIN(WBINVD),
	},
	[SUB_0F10] = {
		[PREFIX_NONE] = VEC_LOAD(M_OPSIZE, 0),
		[PREFIX_66] = VEC_LOAD(M_OPSIZE, 0),
		[PREFIX_F3] = VEC_LOAD(4, 0),
		[PREFIX_F2] = VEC_LOAD(8, 0),
	},
	[SUB_0F11] = {
		[PREFIX_NONE] = VEC_STORE(M_OPSIZE, 0),
		[PREFIX_66] = VEC_STORE(M_OPSIZE, 0),
		[PREFIX_F3] = VEC_STORE(4, 0),
		[PREFIX_F2] = VEC_STORE(8, 0),
	},
	[SUB_0F28] = {
		[PREFIX_NONE] = VEC_LOAD(M_OPSIZE, F_ALIGNED),
		[PREFIX_66] = VEC_LOAD(M_OPSIZE, F_ALIGNED),
	},
	[SUB_0F29] = {
		[PREFIX_NONE] = VEC_STORE(M_OPSIZE, F_ALIGNED),
		[PREFIX_66] = VEC_STORE(M_OPSIZE, F_ALIGNED),
	},
	[SUB_0F2B] = {
		[PREFIX_NONE] = VEC_STORE(M_OPSIZE, F_ALIGNED),
		[PREFIX_66] = VEC_STORE(M_OPSIZE, F_ALIGNED),
	},
	[SUB_0F37] = { [PREFIX_NONE] = PLAIN(GETSEC) },
	[SUB_0F6E] = { [PREFIX_66] = VEC_LOAD(M_DQ, F_L0) },
	[SUB_0F6F] = {
		[PREFIX_66] = VEC_LOAD(M_OPSIZE, F_ALIGNED),
		[PREFIX_F3] = VEC_LOAD(M_OPSIZE, 0),
	},
	[SUB_0F78] = { { INSN_VMREAD, A_E, A_G, M_OPSIZE, F_MODRM | F_NATIVE } },
	[SUB_0F79] = { { INSN_VMWRITE, A_G, A_E, M_OPSIZE, F_MODRM | F_NATIVE } },
	[SUB_0F7E] = {
		[PREFIX_66] = VEC_STORE(M_DQ, F_L0),
		[PREFIX_F3] = VEC_LOAD(8, F_L0),
	},
	[SUB_0F7F] = {
		[PREFIX_66] = VEC_STORE(M_OPSIZE, F_ALIGNED),
		[PREFIX_F3] = VEC_STORE(M_OPSIZE, 0),
	},
	[SUB_0FBA] = {
		[4] = RM(BT, E, IB, 0),
		[5] = RM(BTS, E, IB, F_LOCK),
		[6] = RM(BTR, E, IB, F_LOCK),
		[7] = RM(BTC, E, IB, F_LOCK),
	},
	[SUB_0FC3] = { [PREFIX_NONE] = RM(MOV, E, G, F_DQ) }, /* movnti */
	[SUB_0FC7] = {
		[6] = BY_PREFIX(0FC7_6),
		[7] = BY_PREFIX(0FC7_7),
	},
	[SUB_0FC7_6] = {
		[PREFIX_NONE] = { INSN_VMPTRLD, A_NONE, A_E, 8, F_MODRM | F_MEM | F_NATIVE },
		[PREFIX_66] = { INSN_VMCLEAR, A_NONE, A_E, 8, F_MODRM | F_MEM | F_NATIVE },
		[PREFIX_F3] = { INSN_VMXON, A_NONE, A_E, 8, F_MODRM | F_MEM | F_NATIVE },
	},
	[SUB_0FC7_7] = { { INSN_VMPTRST, A_E, A_NONE, 8, F_MODRM | F_MEM | F_NATIVE } },
	[SUB_0FD6] = { [PREFIX_66] = VEC_STORE(8, F_L0) },
	[SUB_0FE7] = { [PREFIX_66] = VEC_STORE(M_OPSIZE, F_ALIGNED) },
	[SUB_0FF0] = { [PREFIX_F2] = VEC_LOAD(M_OPSIZE, 0) },
	[SUB_XGETBV] = { [PREFIX_NONE] = PLAIN(XGETBV) },
	[SUB_XSETBV] = { [PREFIX_NONE] = PLAIN(XSETBV) },
	[SUB_VMFUNC] = { [PREFIX_NONE] = PLAIN(VMFUNC) },
	[SUB_MONITORX] = { [PREFIX_NONE] = PLAIN(MONITORX) },
	[SUB_0F382A] = { [PREFIX_66] = VEC_LOAD(M_OPSIZE, F_ALIGNED) },
	[SUB_0F3880] = { [PREFIX_66] = { INSN_INVEPT, A_G, A_E, 16, F_MODRM | F_MEM | F_NATIVE } },
	[SUB_0F3881] = { [PREFIX_66] = { INSN_INVVPID, A_G, A_E, 16, F_MODRM | F_MEM | F_NATIVE } },
	[SUB_0F3882] = { [PREFIX_66] = { INSN_INVPCID, A_G, A_E, 16, F_MODRM | F_MEM | F_NATIVE } },
};
/* clang-format on */

/* What is known of the instruction while its bytes are read. */
struct decoder {
	const u8 *bytes;
	unsigned int len;
	unsigned int pos;
	enum decode_mode mode;
	u8 prefix_rep; /* the last of f2 and f3, or 0 */
	u8 seg; /* override, or INSN_NO_REG */
	u8 pp; /* enum mandatory_prefix */
	u8 modrm;
	bool opsize_prefix;
	bool adsize_prefix;
	bool lock;
	bool rex; /* present, with or without bits */
	bool w, r, x, b; /* of REX or VEX */
	bool vex;
	bool vex_l;
	bool have_modrm;
};

/* Little-endian, size 1, 2, 4 or 8. */
static int fetch(struct decoder *d, unsigned int size, u64 *value)
{
	unsigned int i;

	if (size > d->len - d->pos)
		return d->len < INSN_MAX_LEN ? -ENODATA : -EINVAL;
	*value = 0;
	for (i = 0; i < size; i++)
		*value |= (u64)d->bytes[d->pos + i] << (8 * i);
	d->pos += size;
	return 0;
}

static int fetch_byte(struct decoder *d, u8 *byte)
{
	if (d->pos == d->len)
		return d->len < INSN_MAX_LEN ? -ENODATA : -EINVAL;
	*byte = d->bytes[d->pos++];
	return 0;
}

static int fetch_signed(struct decoder *d, unsigned int size, s64 *value)
{
	u64 raw;
	int ret = fetch(d, size, &raw);

	if (ret)
		return ret;
	*value = (s64)(raw << (64 - 8 * size)) >> (64 - 8 * size);
	return 0;
}

static int fetch_modrm(struct decoder *d)
{
	if (d->have_modrm)
		return 0;
	d->have_modrm = true;
	return fetch_byte(d, &d->modrm);
}

static void set_segment(struct decoder *d, u8 seg)
{
	/* In 64-bit mode only FS and GS overrides count (SDM 3.7.4). */
	if (d->mode != DECODE_64 || seg >= X86_SEG_FS)
		d->seg = seg;
}

/* True when byte is a legacy prefix, which it then notes. */
static bool legacy_prefix(struct decoder *d, u8 byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		set_segment(d, X86_SEG_ES + ((byte >> 3) & 3));
		return true;
	case 0x64:
	case 0x65:
		set_segment(d, X86_SEG_FS + (byte & 1));
		return true;
	case 0x66:
		d->opsize_prefix = true;
		return true;
	case 0x67:
		d->adsize_prefix = true;
		return true;
	case 0xf0:
		d->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		d->prefix_rep = byte;
		return true;
	}
	return false;
}

static void set_rex(struct decoder *d, u8 rex)
{
	d->rex = rex != 0;
	d->w = rex & 8;
	d->r = rex & 4;
	d->x = rex & 2;
	d->b = rex & 1;
}

/* Leaves the first byte of the opcode in *opcode. A REX counts only right before it (SDM 2.2.1). */
static int read_prefixes(struct decoder *d, u8 *opcode)
{
	u8 rex = 0;
	int ret;

	for (;;) {
		ret = fetch_byte(d, opcode);
		if (ret)
			return ret;
		if (legacy_prefix(d, *opcode))
			rex = 0;
		else if (d->mode == DECODE_64 && (*opcode & 0xf0) == 0x40)
			rex = *opcode;
		else
			break;
	}
	set_rex(d, rex);
	if (d->prefix_rep)
		d->pp = d->prefix_rep == 0xf3 ? PREFIX_F3 : PREFIX_F2;
	else
		d->pp = d->opsize_prefix ? PREFIX_66 : PREFIX_NONE;
	return 0;
}

static const struct form *three_byte_form(u8 opcode)
{
	unsigned int i;

	for (i = 0; i < sizeof(three_byte) / sizeof(three_byte[0]); i++)
		if (three_byte[i].opcode == opcode)
			return &three_byte[i].form;
	return NULL;
}

/*
 * SDM 2.3.5. Outside 64-bit mode c4 and c5 are les and lds, unless what follows has ModRM.mod 3,
 * which those two have no use for.
 */
static int read_vex(struct decoder *d, u8 escape, const struct form **form)
{
	u8 p0, p1, opcode, map = 1;
	int ret;

	ret = fetch_byte(d, &p0);
	if (ret)
		return ret;
	if (d->mode != DECODE_64 && p0 < 0xc0)
		return -EINVAL;
	if (d->lock || d->opsize_prefix || d->prefix_rep || d->rex)
		return -EINVAL;
	p1 = p0;
	if (escape == 0xc4) {
		ret = fetch_byte(d, &p1);
		if (ret)
			return ret;
		map = p0 & 0x1f;
		d->x = !(p0 & 0x40);
		d->b = !(p0 & 0x20) && d->mode == DECODE_64;
		d->w = (p1 & 0x80) && d->mode == DECODE_64;
	}
	d->r = !(p0 & 0x80);
	d->vex = true;
	d->vex_l = p1 & 4;
	d->pp = p1 & 3;
	/* None of ours has a third operand: vvvv must be all ones. */
	if ((p1 & 0x78) != 0x78)
		return -EINVAL;
	ret = fetch_byte(d, &opcode);
	if (ret)
		return ret;
	*form = map == 1 ? &two_byte[opcode] : map == 2 ? three_byte_form(opcode) : NULL;
	return 0;
}

static int read_opcode(struct decoder *d, const struct form **form)
{
	u8 opcode;
	int ret;

	ret = read_prefixes(d, &opcode);
	if (ret)
		return ret;
	*form = &one_byte[opcode];
	if (opcode == 0xc4 || opcode == 0xc5)
		return read_vex(d, opcode, form);
	if (opcode != 0x0f)
		return 0;
	ret = fetch_byte(d, &opcode);
	if (ret)
		return ret;
	*form = &two_byte[opcode];
	if (opcode != 0x38)
		return 0;
	ret = fetch_byte(d, &opcode);
	if (ret)
		return ret;
	*form = three_byte_form(opcode);
	return 0;
}

/* Follows sub-tables down to an instruction. */
static int resolve(struct decoder *d, const struct form **form)
{
	const struct form *f = *form;
	int ret;

	for (;;) {
		if (!f || !(f->op || f->flags))
			return -EINVAL;
		if (f->flags & F_MODRM) {
			ret = fetch_modrm(d);
			if (ret)
				return ret;
		}
		if (!(f->flags & F_SUBTABLE))
			break;
		if (f->flags & F_BY_REG)
			f = &subtables[f->op][(d->modrm >> 3) & 7];
		else if (f->flags & F_BY_PREFIX)
			f = &subtables[f->op][d->pp];
		else if (f->flags & F_BY_MOD)
			f = &subtables[f->op][d->modrm >= 0xc0];
		else
			f = &system_reg[d->modrm & 0x3f];
	}
	*form = f;
	return 0;
}

static int check_form(const struct decoder *d, const struct form *f)
{
	if ((f->flags & F_NO64) && d->mode == DECODE_64)
		return -EINVAL;
	if ((f->flags & F_ONLY64) && d->mode != DECODE_64)
		return -EINVAL;
	if ((f->flags & F_MEM) && d->modrm >= 0xc0)
		return -EINVAL;
	if (d->vex && (!(f->flags & F_VEC) || (d->vex_l && (f->flags & F_L0))))
		return -EINVAL;
	if (d->lock && !(f->flags & F_LOCK))
		return -EINVAL;
	/* f3 41 90 is xchg r8, rax. */
	if (f->op == INSN_PAUSE && d->b)
		return -EINVAL;
	return 0;
}

static u8 operand_size(const struct decoder *d, const struct form *f)
{
	if (f->flags & F_BYTE)
		return 1;
	if (f->flags & F_NATIVE)
		return d->mode == DECODE_64 ? 8 : 4;
	if (f->flags & F_VEC)
		return d->vex_l && f->mem == M_OPSIZE ? 32 : 16;
	if (d->w)
		return f->flags & F_MAX4 ? 4 : 8;
	if (f->flags & F_DQ)
		return 4;
	return (d->mode == DECODE_16) == d->opsize_prefix ? 4 : 2;
}

static u8 memory_size(const struct decoder *d, const struct form *f, u8 opsize)
{
	if (f->mem == M_OPSIZE)
		return opsize;
	if (f->mem == M_DQ)
		return d->w ? 8 : 4;
	/* movsxd with a 16-bit register reads 16 bits (SDM MOVSXD). */
	if (f->op == INSN_MOVSX && f->mem > opsize)
		return opsize;
	return f->mem;
}

static u8 address_size(const struct decoder *d)
{
	if (d->mode == DECODE_64)
		return d->adsize_prefix ? 4 : 8;
	return (d->mode == DECODE_16) == d->adsize_prefix ? 4 : 2;
}

static int read_disp(struct decoder *d, struct x86_insn *insn, unsigned int size)
{
	return size ? fetch_signed(d, size, &insn->disp) : 0;
}

/* SDM table 2-1. */
static int read_memory_16(struct decoder *d, struct x86_insn *insn)
{
	static const u8 base[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
				    X86_RSI, X86_RDI, X86_RBP, X86_RBX };
	static const u8 index[8] = { X86_RSI,	  X86_RDI,     X86_RSI,	    X86_RDI,
				     INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG };
	u8 mod = d->modrm >> 6, rm = d->modrm & 7;

	if (mod == 0 && rm == 6)
		return read_disp(d, insn, 2);
	insn->base = base[rm];
	insn->index = index[rm];
	return read_disp(d, insn, mod);
}

/* SDM tables 2-2 and 2-3. */
static int read_memory_32(struct decoder *d, struct x86_insn *insn)
{
	static const u8 disp_size[4] = { 0, 1, 4, 0 };
	u8 mod = d->modrm >> 6, base = d->modrm & 7, sib;
	int ret;

	if (base == 4) {
		ret = fetch_byte(d, &sib);
		if (ret)
			return ret;
		base = sib & 7;
		insn->scale = 1 << (sib >> 6);
		insn->index = ((sib >> 3) & 7) | d->x << 3;
		if (insn->index == X86_RSP)
			insn->index = INSN_NO_REG;
	} else if (base == 5 && mod == 0) {
		insn->rip_relative = d->mode == DECODE_64;
		return read_disp(d, insn, 4);
	}
	if (base == 5 && mod == 0)
		return read_disp(d, insn, 4);
	insn->base = base | d->b << 3;
	return read_disp(d, insn, disp_size[mod]);
}

static int read_memory(struct decoder *d, struct x86_insn *insn)
{
	int ret;

	ret = insn->adsize == 2 ? read_memory_16(d, insn) : read_memory_32(d, insn);
	if (ret)
		return ret;
	insn->has_mem = true;
	if (d->seg == INSN_NO_REG && (insn->base == X86_RSP || insn->base == X86_RBP))
		insn->seg = X86_SEG_SS;
	return 0;
}

static void set_gpr(const struct decoder *d, const struct x86_insn *insn,
		    struct insn_operand *operand, u8 reg)
{
	operand->kind = OPND_REG;
	operand->reg = reg;
	/* Byte registers 4 to 7 are ah, ch, dh, bh unless there is a REX (SDM 3.4.1.1). */
	if (insn->opsize == 1 && !d->rex && reg >= 4) {
		operand->high = true;
		operand->reg = reg - 4;
	}
}

static int set_control_register(const struct decoder *d, struct insn_operand *operand, u8 kind)
{
	u8 reg = ((d->modrm >> 3) & 7) | d->r << 3;

	operand->kind = kind;
	operand->reg = reg;
	if (kind == OPND_DR)
		return reg < 8 ? 0 : -EINVAL;
	return reg == 0 || (reg >= 2 && reg <= 4) || reg == 8 ? 0 : -EINVAL;
}

static int read_immediate(struct decoder *d, struct x86_insn *insn, struct insn_operand *operand,
			  enum encoding encoding)
{
	s64 value;
	int ret;

	operand->kind = OPND_IMM;
	if (encoding == A_IB)
		return fetch(d, 1, &insn->imm);
	ret = fetch_signed(d, encoding == A_IBS ? 1 : insn->opsize == 2 ? 2 : 4, &value);
	if (ret)
		return ret;
	insn->imm = value;
	return 0;
}

static int read_operand(struct decoder *d, struct x86_insn *insn, struct insn_operand *operand,
			enum encoding encoding)
{
	switch (encoding) {
	case A_NONE:
		return 0;
	case A_E:
		if (d->modrm < 0xc0) {
			operand->kind = OPND_MEM;
			return read_memory(d, insn);
		}
		set_gpr(d, insn, operand, (d->modrm & 7) | d->b << 3);
		return 0;
	case A_R:
		set_gpr(d, insn, operand, (d->modrm & 7) | d->b << 3);
		return 0;
	case A_G:
		set_gpr(d, insn, operand, ((d->modrm >> 3) & 7) | d->r << 3);
		return 0;
	case A_V:
		operand->kind = OPND_VEC;
		operand->reg = ((d->modrm >> 3) & 7) | d->r << 3;
		return 0;
	case A_C:
		return set_control_register(d, operand, OPND_CR);
	case A_D:
		return set_control_register(d, operand, OPND_DR);
	case A_O:
		operand->kind = OPND_MEM;
		insn->has_mem = true;
		return fetch(d, insn->adsize, (u64 *)&insn->disp);
	case A_X:
		operand->kind = OPND_MEM_SI;
		insn->has_mem = true;
		return 0;
	case A_Y:
		operand->kind = OPND_MEM_DI;
		insn->has_mem = true;
		return 0;
	case A_ACC:
		operand->kind = OPND_REG;
		operand->reg = X86_RAX;
		return 0;
	case A_DX:
		operand->kind = OPND_REG;
		operand->reg = X86_RDX;
		return 0;
	case A_IB:
	case A_IBS:
	case A_IZ:
		return read_immediate(d, insn, operand, encoding);
	}
	return -EINVAL;
}

static u8 repeat(const struct decoder *d, const struct form *f)
{
	if (!d->prefix_rep || !(f->flags & (F_REP | F_REPCC)))
		return INSN_NO_REP;
	/* Without a condition f2 repeats just as f3 does. */
	if (f->flags & F_REP || d->prefix_rep == 0xf3)
		return INSN_REP;
	return INSN_REPNE;
}

/* The memory operand's bytes come before the immediate's, whichever operand is which. */
static int read_operands(struct decoder *d, struct x86_insn *insn, const struct form *f)
{
	int ret;

	ret = read_operand(d, insn, &insn->dst, f->dst);
	if (ret)
		return ret;
	return read_operand(d, insn, &insn->src, f->src);
}

int decode_insn(struct x86_insn *insn, const u8 *bytes, unsigned int len, enum decode_mode mode)
{
	struct decoder d = {
		.bytes = bytes,
		.len = len < INSN_MAX_LEN ? len : INSN_MAX_LEN,
		.mode = mode,
		.seg = INSN_NO_REG,
	};
	const struct form *form;
	int ret;

	ret = read_opcode(&d, &form);
	if (ret)
		return ret;
	ret = resolve(&d, &form);
	if (ret)
		return ret;
	ret = check_form(&d, form);
	if (ret)
		return ret;

	memset(insn, 0, sizeof(*insn));
	insn->op = form->op;
	insn->mode = mode;
	insn->opsize = operand_size(&d, form);
	insn->memsize = memory_size(&d, form, insn->opsize);
	insn->adsize = address_size(&d);
	insn->rep = repeat(&d, form);
	insn->lock = d.lock;
	insn->vex = d.vex;
	insn->aligned = form->flags & F_ALIGNED;
	insn->seg = d.seg == INSN_NO_REG ? X86_SEG_DS : d.seg;
	insn->base = INSN_NO_REG;
	insn->index = INSN_NO_REG;
	insn->scale = 1;
	ret = read_operands(&d, insn, form);
	if (ret)
		return ret;
	insn->len = d.pos;
	return 0;
}
