// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder against the manual: `forms` lists, as the instruction pages of SDM vol. 2 and APM
 * vol. 3 do, every encoding that is ours. Whatever is not listed there must be refused.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x86/decode.h"

#define M16 1
#define M32 2
#define M64 4
#define ALL (M16 | M32 | M64)

/* Mandatory prefix, as a set: none, 66, f3, f2. */
#define NP 1
#define P66 2
#define PF3 4
#define PF2 8
#define ANY 15

/* ModRM: absent, a memory operand, a register, or one fixed byte. */
enum modrm { NONE, MEM, REG, BOTH, BYTE };

/* Bytes after ModRM: by operand size (2 or 4), by address size. */
#define IZ -1
#define AZ -2

struct form {
	u8 map; /* 1: one byte, 2: 0f, 3: 0f 38 */
	u8 opcode;
	u8 modes;
	u8 prefixes;
	u8 modrm;
	s16 digit; /* /digit, the byte of BYTE, or -1: any register */
	s8 tail;
	u8 op;
};

/* clang-format off */
#define ALU(opcode, op)                                                                            \
	{ 1, opcode, ALL, ANY, MEM, -1, 0, INSN_##op },                                            \
		{ 1, opcode + 1, ALL, ANY, MEM, -1, 0, INSN_##op },                                \
		{ 1, opcode + 2, ALL, ANY, MEM, -1, 0, INSN_##op },                                \
		{ 1, opcode + 3, ALL, ANY, MEM, -1, 0, INSN_##op },                                \
		{ 1, 0x80, ALL, ANY, MEM, opcode >> 3, 1, INSN_##op },                             \
		{ 1, 0x81, ALL, ANY, MEM, opcode >> 3, IZ, INSN_##op },                            \
		{ 1, 0x82, M16 | M32, ANY, MEM, opcode >> 3, 1, INSN_##op },                       \
		{ 1, 0x83, ALL, ANY, MEM, opcode >> 3, 1, INSN_##op }
#define MAP1(opcode, modrm, digit, tail, op) { 1, opcode, ALL, ANY, modrm, digit, tail, INSN_##op }
#define MAP2(opcode, modrm, digit, tail, op) { 2, opcode, ALL, ANY, modrm, digit, tail, INSN_##op }
#define SYSTEM(byte, op) { 2, 0x01, ALL, ANY, BYTE, byte, 0, INSN_##op }
#define VEC(opcode, prefixes) { 2, opcode, ALL, prefixes, MEM, -1, 0, INSN_MOVVEC }
/* clang-format on */

/* clang-format off */
static const struct form forms[] = {
	ALU(0x00, ADD), ALU(0x08, OR), ALU(0x10, ADC), ALU(0x18, SBB),
	ALU(0x20, AND), ALU(0x28, SUB), ALU(0x30, XOR), ALU(0x38, CMP),
	{ 1, 0x63, M64, ANY, MEM, -1, 0, INSN_MOVSX },
	MAP1(0x6c, NONE, 0, 0, INS), MAP1(0x6d, NONE, 0, 0, INS),
	MAP1(0x6e, NONE, 0, 0, OUTS), MAP1(0x6f, NONE, 0, 0, OUTS),
	MAP1(0x84, MEM, -1, 0, TEST), MAP1(0x85, MEM, -1, 0, TEST),
	MAP1(0x86, MEM, -1, 0, XCHG), MAP1(0x87, MEM, -1, 0, XCHG),
	MAP1(0x88, MEM, -1, 0, MOV), MAP1(0x89, MEM, -1, 0, MOV),
	MAP1(0x8a, MEM, -1, 0, MOV), MAP1(0x8b, MEM, -1, 0, MOV),
	{ 1, 0x90, ALL, PF3, NONE, 0, 0, INSN_PAUSE },
	MAP1(0xa0, NONE, 0, AZ, MOV), MAP1(0xa1, NONE, 0, AZ, MOV),
	MAP1(0xa2, NONE, 0, AZ, MOV), MAP1(0xa3, NONE, 0, AZ, MOV),
	MAP1(0xa4, NONE, 0, 0, MOVS), MAP1(0xa5, NONE, 0, 0, MOVS),
	MAP1(0xa6, NONE, 0, 0, CMPS), MAP1(0xa7, NONE, 0, 0, CMPS),
	MAP1(0xaa, NONE, 0, 0, STOS), MAP1(0xab, NONE, 0, 0, STOS),
	MAP1(0xac, NONE, 0, 0, LODS), MAP1(0xad, NONE, 0, 0, LODS),
	MAP1(0xae, NONE, 0, 0, SCAS), MAP1(0xaf, NONE, 0, 0, SCAS),
	MAP1(0xc6, MEM, 0, 1, MOV), MAP1(0xc7, MEM, 0, IZ, MOV),
	MAP1(0xcc, NONE, 0, 0, INT3), MAP1(0xcd, NONE, 0, 1, INT),
	{ 1, 0xce, M16 | M32, ANY, NONE, 0, 0, INSN_INTO },
	MAP1(0xcf, NONE, 0, 0, IRET),
	MAP1(0xe4, NONE, 0, 1, IN), MAP1(0xe5, NONE, 0, 1, IN),
	MAP1(0xe6, NONE, 0, 1, OUT), MAP1(0xe7, NONE, 0, 1, OUT),
	MAP1(0xec, NONE, 0, 0, IN), MAP1(0xed, NONE, 0, 0, IN),
	MAP1(0xee, NONE, 0, 0, OUT), MAP1(0xef, NONE, 0, 0, OUT),
	MAP1(0xf1, NONE, 0, 0, ICEBP), MAP1(0xf4, NONE, 0, 0, HLT),
	MAP1(0xf6, MEM, 0, 1, TEST), MAP1(0xf7, MEM, 0, IZ, TEST),
	MAP1(0xf6, MEM, 1, 1, TEST), MAP1(0xf7, MEM, 1, IZ, TEST),
	MAP1(0xf6, MEM, 2, 0, NOT), MAP1(0xf7, MEM, 2, 0, NOT),
	MAP1(0xf6, MEM, 3, 0, NEG), MAP1(0xf7, MEM, 3, 0, NEG),
	MAP1(0xfe, MEM, 0, 0, INC), MAP1(0xff, MEM, 0, 0, INC),
	MAP1(0xfe, MEM, 1, 0, DEC), MAP1(0xff, MEM, 1, 0, DEC),

	SYSTEM(0xc1, VMCALL), SYSTEM(0xc2, VMLAUNCH), SYSTEM(0xc3, VMRESUME),
	SYSTEM(0xc4, VMXOFF), SYSTEM(0xc8, MONITOR), SYSTEM(0xc9, MWAIT),
	{ 2, 0x01, ALL, NP, BYTE, 0xd0, 0, INSN_XGETBV },
	{ 2, 0x01, ALL, NP, BYTE, 0xd1, 0, INSN_XSETBV },
	{ 2, 0x01, ALL, NP, BYTE, 0xd4, 0, INSN_VMFUNC },
	SYSTEM(0xd8, VMRUN), SYSTEM(0xd9, VMMCALL), SYSTEM(0xda, VMLOAD),
	SYSTEM(0xdb, VMSAVE), SYSTEM(0xdc, STGI), SYSTEM(0xdd, CLGI),
	SYSTEM(0xde, SKINIT), SYSTEM(0xdf, INVLPGA), SYSTEM(0xf9, RDTSCP),
	{ 2, 0x01, ALL, NP, BYTE, 0xfa, 0, INSN_MONITORX },
	SYSTEM(0xfb, MWAITX),
	MAP2(0x01, BOTH, 4, 0, SMSW), MAP2(0x01, BOTH, 6, 0, LMSW), MAP2(0x01, MEM, 7, 0, INVLPG),
	MAP2(0x06, NONE, 0, 0, CLTS), MAP2(0x08, NONE, 0, 0, INVD),
	{ 2, 0x09, ALL, NP | P66 | PF2, NONE, 0, 0, INSN_WBINVD },
	{ 2, 0x09, ALL, PF3, NONE, 0, 0, INSN_WBNOINVD },
	VEC(0x10, ANY), VEC(0x11, ANY), VEC(0x28, NP | P66), VEC(0x29, NP | P66),
	VEC(0x2b, NP | P66), VEC(0x6e, P66), VEC(0x6f, P66 | PF3), VEC(0x7e, P66 | PF3),
	VEC(0x7f, P66 | PF3), VEC(0xd6, P66), VEC(0xe7, P66), VEC(0xf0, PF2),
	MAP2(0x30, NONE, 0, 0, WRMSR), MAP2(0x31, NONE, 0, 0, RDTSC),
	MAP2(0x32, NONE, 0, 0, RDMSR), MAP2(0x33, NONE, 0, 0, RDPMC),
	{ 2, 0x37, ALL, NP, NONE, 0, 0, INSN_GETSEC },
	{ 2, 0x78, ALL, NP, BOTH, -1, 0, INSN_VMREAD },
	{ 2, 0x79, ALL, NP, BOTH, -1, 0, INSN_VMWRITE },
	MAP2(0xa2, NONE, 0, 0, CPUID), MAP2(0xaa, NONE, 0, 0, RSM),
	MAP2(0xa3, MEM, -1, 0, BT), MAP2(0xab, MEM, -1, 0, BTS),
	MAP2(0xb3, MEM, -1, 0, BTR), MAP2(0xbb, MEM, -1, 0, BTC),
	MAP2(0xba, MEM, 4, 1, BT), MAP2(0xba, MEM, 5, 1, BTS),
	MAP2(0xba, MEM, 6, 1, BTR), MAP2(0xba, MEM, 7, 1, BTC),
	MAP2(0xb0, MEM, -1, 0, CMPXCHG), MAP2(0xb1, MEM, -1, 0, CMPXCHG),
	MAP2(0xc0, MEM, -1, 0, XADD), MAP2(0xc1, MEM, -1, 0, XADD),
	MAP2(0xb6, MEM, -1, 0, MOVZX), MAP2(0xb7, MEM, -1, 0, MOVZX),
	MAP2(0xbe, MEM, -1, 0, MOVSX), MAP2(0xbf, MEM, -1, 0, MOVSX),
	{ 2, 0xc3, ALL, NP, MEM, -1, 0, INSN_MOV },
	{ 2, 0xc7, ALL, NP, MEM, 6, 0, INSN_VMPTRLD },
	{ 2, 0xc7, ALL, P66, MEM, 6, 0, INSN_VMCLEAR },
	{ 2, 0xc7, ALL, PF3, MEM, 6, 0, INSN_VMXON },
	{ 2, 0xc7, ALL, NP, MEM, 7, 0, INSN_VMPTRST },
	{ 3, 0x2a, ALL, P66, MEM, -1, 0, INSN_MOVVEC },
	{ 3, 0x80, ALL, P66, MEM, -1, 0, INSN_INVEPT },
	{ 3, 0x81, ALL, P66, MEM, -1, 0, INSN_INVVPID },
	{ 3, 0x82, ALL, P66, MEM, -1, 0, INSN_INVPCID },
};
/* clang-format on */

/* mov to and from CR and DR: ModRM.mod does not matter, some registers do not exist. */
static bool is_control_move(u8 map, u8 opcode)
{
	return map == 2 && opcode >= 0x20 && opcode <= 0x23;
}

static int control_move(u8 opcode, unsigned int reg)
{
	static const u8 op[4] = { INSN_MOV_FROM_CR, INSN_MOV_FROM_DR, INSN_MOV_TO_CR,
				  INSN_MOV_TO_DR };

	if (!(opcode & 1) && (reg == 1 || (reg > 4 && reg != 8)))
		return INSN_INVALID;
	return op[opcode & 3];
}

/* Most opcodes are not ours: spares the search. */
static bool is_listed(u8 map, u8 opcode)
{
	static bool listed[4][256], filled;
	unsigned int i;

	for (i = 0; !filled && i < sizeof(forms) / sizeof(forms[0]); i++)
		listed[forms[i].map][forms[i].opcode] = true;
	filled = true;
	return listed[map][opcode];
}

static const struct form *find_form(u8 map, u8 opcode, u8 mode, u8 prefix, u8 modrm)
{
	const struct form *f;
	bool mem = modrm < 0xc0;

	if (!is_listed(map, opcode))
		return NULL;
	for (f = forms; f < forms + sizeof(forms) / sizeof(forms[0]); f++) {
		if (f->opcode != opcode || f->map != map || !(f->modes & mode) ||
		    !(f->prefixes & prefix))
			continue;
		if (f->modrm == NONE)
			return f;
		if (f->modrm == BYTE) {
			if (modrm == f->digit)
				return f;
			continue;
		}
		if ((f->modrm == MEM && !mem) || (f->modrm == REG && mem))
			continue;
		if (f->digit < 0 || f->digit == ((modrm >> 3) & 7))
			return f;
	}
	return NULL;
}

/* SDM tables 2-1 to 2-3: bytes of SIB and displacement after ModRM. */
static unsigned int address_bytes(unsigned int adsize, u8 modrm, u8 sib)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7;

	if (mod == 3)
		return 0;
	if (adsize == 2)
		return mod == 0 ? (rm == 6 ? 2 : 0) : mod;
	if (rm == 4)
		return 1 + (mod == 0 ? ((sib & 7) == 5 ? 4 : 0) : mod == 1 ? 1 : 4);
	return mod == 0 ? (rm == 5 ? 4 : 0) : mod == 1 ? 1 : 4;
}

static const u8 prefix_byte[4] = { 0, 0x66, 0xf3, 0xf2 };

static unsigned int put_opcode(u8 *bytes, u8 map, u8 opcode)
{
	unsigned int n = 0;

	if (map >= 2)
		bytes[n++] = 0x0f;
	if (map == 3)
		bytes[n++] = 0x38;
	bytes[n++] = opcode;
	return n;
}

/* One-byte opcodes that lead to somewhere else: prefixes, the escape, REX, VEX. */
static bool is_escape(u8 map, u8 opcode, u8 mode)
{
	static const u8 prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
				       0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f };

	if (map == 1)
		return memchr(prefixes, opcode, sizeof(prefixes)) || opcode == 0xc4 ||
		       opcode == 0xc5 || (mode == M64 && (opcode & 0xf0) == 0x40);
	return map == 2 && opcode == 0x38;
}

static void check_one(u8 map, u8 opcode, unsigned int mode, unsigned int prefix, u8 modrm, u8 sib)
{
	u8 bytes[16] = { 0 };
	struct x86_insn insn = { 0 };
	const struct form *f = find_form(map, opcode, 1 << mode, 1 << prefix, modrm);
	unsigned int n = 0, len, opsize, adsize = 2u << mode;
	int ret, op = f ? f->op : INSN_INVALID;

	if (prefix)
		bytes[n++] = prefix_byte[prefix];
	n += put_opcode(bytes + n, map, opcode);
	len = n;
	bytes[n++] = modrm;
	bytes[n] = sib;
	opsize = (mode == DECODE_16) == (prefix == 1) ? 4 : 2;
	if (f && f->modrm != NONE)
		len += 1 + address_bytes(adsize, modrm, sib);
	if (f)
		len += f->tail == IZ ? opsize : f->tail == AZ ? adsize : (unsigned int)f->tail;
	if (is_control_move(map, opcode)) {
		op = control_move(opcode, (modrm >> 3) & 7);
		len++;
	}
	ret = decode_insn(&insn, bytes, 15, mode);
	if (op ? ret == 0 && insn.op == op && insn.len == len : ret == -EINVAL)
		return;
	ck_abort_msg("map %u opcode %02x mode %u prefix %02x modrm %02x sib %02x: "
		     "got %d op %u len %u, want op %d len %u",
		     map, opcode, mode, prefix_byte[prefix], modrm, sib, ret, insn.op, insn.len, op,
		     len);
}

/* Every opcode of the three maps, every ModRM, every mandatory prefix, every mode. */
START_TEST(decode_every_form_and_no_other)
{
	unsigned int mode, map, opcode, prefix, modrm;

	for (mode = 0; mode < 3; mode++)
		for (map = 1; map <= 3; map++)
			for (opcode = 0; opcode < 256; opcode++) {
				if (is_escape(map, opcode, 1 << mode))
					continue;
				for (prefix = 0; prefix < 4; prefix++)
					for (modrm = 0; modrm < 256; modrm++)
						check_one(map, opcode, mode, prefix, modrm, 0x25);
			}
}
END_TEST

/* The length with every ModRM and SIB, for one instruction with and one without an immediate. */
START_TEST(decode_every_sib)
{
	unsigned int mode, modrm, sib;

	for (mode = 0; mode < 3; mode++)
		for (modrm = 0; modrm < 0xc0; modrm++)
			for (sib = 0; sib < 256; sib++) {
				check_one(1, 0x8b, mode, 0, modrm, sib);
				check_one(1, 0x81, mode, 0, modrm, sib);
			}
}
END_TEST

static struct x86_insn decode_ok(const char *bytes, unsigned int len, enum decode_mode mode)
{
	struct x86_insn insn;
	int ret = decode_insn(&insn, (const u8 *)bytes, len, mode);

	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(insn.len, len);
	return insn;
}

static int decode_error(const char *bytes, unsigned int len, enum decode_mode mode)
{
	struct x86_insn insn;

	return decode_insn(&insn, (const u8 *)bytes, len, mode);
}

#define OK(bytes, mode) decode_ok(bytes, sizeof(bytes) - 1, mode)
#define ERROR(bytes, mode) decode_error(bytes, sizeof(bytes) - 1, mode)

static void expect_mem(struct x86_insn insn, int seg, int base, int index, int scale, s64 disp)
{
	ck_assert(insn.has_mem);
	ck_assert_int_eq(insn.seg, seg);
	ck_assert_int_eq(insn.base, base);
	ck_assert_int_eq(insn.index, index);
	ck_assert_int_eq(insn.scale, scale);
	ck_assert_int_eq(insn.disp, disp);
}

#define NOREG INSN_NO_REG

/* SDM table 2-1, row by row. */
START_TEST(decode_memory_16)
{
	static const int rows[8][3] = {
		{ X86_RBX, X86_RSI, X86_SEG_DS }, { X86_RBX, X86_RDI, X86_SEG_DS },
		{ X86_RBP, X86_RSI, X86_SEG_SS }, { X86_RBP, X86_RDI, X86_SEG_SS },
		{ X86_RSI, NOREG, X86_SEG_DS },	  { X86_RDI, NOREG, X86_SEG_DS },
		{ X86_RBP, NOREG, X86_SEG_SS },	  { X86_RBX, NOREG, X86_SEG_DS },
	};
	char bytes[4] = "\x8b\x00\xfe\x82";
	int rm;

	for (rm = 0; rm < 8; rm++) {
		const int *row = rows[rm];

		bytes[1] = rm;
		if (rm != 6)
			expect_mem(decode_ok(bytes, 2, DECODE_16), row[2], row[0], row[1], 1, 0);
		bytes[1] = 0x40 | rm;
		expect_mem(decode_ok(bytes, 3, DECODE_16), row[2], row[0], row[1], 1, -2);
		bytes[1] = 0x80 | rm;
		expect_mem(decode_ok(bytes, 4, DECODE_16), row[2], row[0], row[1], 1, (s16)0x82fe);
	}
	expect_mem(OK("\x8b\x06\x34\x12", DECODE_16), X86_SEG_DS, NOREG, NOREG, 1, 0x1234);
	ck_assert_int_eq(OK("\x8b\x06\x34\x12", DECODE_16).adsize, 2);
	ck_assert_int_eq(OK("\x67\x8b\x06", DECODE_16).adsize, 4);
	expect_mem(OK("\x67\x8b\x07", DECODE_32), X86_SEG_DS, X86_RBX, NOREG, 1, 0);
}
END_TEST

/* SDM table 2-2 and the notes of 2-3. */
START_TEST(decode_memory_32)
{
	expect_mem(OK("\x8b\x00", DECODE_32), X86_SEG_DS, X86_RAX, NOREG, 1, 0);
	expect_mem(OK("\x8b\x45\x80", DECODE_32), X86_SEG_SS, X86_RBP, NOREG, 1, -128);
	expect_mem(OK("\x8b\x05\x78\x56\x34\x92", DECODE_32), X86_SEG_DS, NOREG, NOREG, 1,
		   (s32)0x92345678);
	ck_assert(!OK("\x8b\x05\x78\x56\x34\x92", DECODE_32).rip_relative);
	expect_mem(OK("\x8b\x04\x24", DECODE_32), X86_SEG_SS, X86_RSP, NOREG, 1, 0);
	expect_mem(OK("\x8b\x04\xb5\x10\x00\x00\x00", DECODE_32), X86_SEG_DS, NOREG, X86_RSI, 4,
		   0x10);
	expect_mem(OK("\x8b\x44\xed\x01", DECODE_32), X86_SEG_SS, X86_RBP, X86_RBP, 8, 1);
	/* ebp as an index does not make it a stack access. */
	expect_mem(OK("\x8b\x04\x68", DECODE_32), X86_SEG_DS, X86_RAX, X86_RBP, 2, 0);
	expect_mem(OK("\x8b\x84\x23\x00\x00\x00\x80", DECODE_32), X86_SEG_DS, X86_RBX, NOREG, 1,
		   -0x80000000ll);
}
END_TEST

START_TEST(decode_memory_64)
{
	struct x86_insn insn = OK("\x8b\x05\xf0\xff\xff\xff", DECODE_64);

	expect_mem(insn, X86_SEG_DS, NOREG, NOREG, 1, -16);
	ck_assert(insn.rip_relative);
	ck_assert_int_eq(insn.adsize, 8);
	insn = OK("\x67\x8b\x05\xf0\xff\xff\xff", DECODE_64);
	ck_assert(insn.rip_relative);
	ck_assert_int_eq(insn.adsize, 4);
	/* SIB without a base is the way to an absolute address. */
	insn = OK("\x8b\x04\x25\x00\x10\x00\xfe", DECODE_64);
	expect_mem(insn, X86_SEG_DS, NOREG, NOREG, 1, (s32)0xfe001000);
	ck_assert(!insn.rip_relative);
	/* r12 needs a SIB and r13 a displacement, as rsp and rbp do; neither means the stack. */
	expect_mem(OK("\x41\x8b\x04\x24", DECODE_64), X86_SEG_DS, 12, NOREG, 1, 0);
	expect_mem(OK("\x41\x8b\x45\x04", DECODE_64), X86_SEG_DS, 13, NOREG, 1, 4);
	ck_assert(OK("\x41\x8b\x05\x00\x00\x00\x00", DECODE_64).rip_relative);
	expect_mem(OK("\x41\x8b\x04\x25\x01\x00\x00\x00", DECODE_64), X86_SEG_DS, NOREG, NOREG, 1,
		   1);
	/* r12 can be an index, rsp cannot. */
	expect_mem(OK("\x42\x8b\x04\xa0", DECODE_64), X86_SEG_DS, X86_RAX, 12, 4, 0);
	expect_mem(OK("\x47\x8b\x7c\x8f\x7f", DECODE_64), X86_SEG_DS, 15, 9, 4, 127);
	expect_mem(OK("\x8b\x45\x00", DECODE_64), X86_SEG_SS, X86_RBP, NOREG, 1, 0);
}
END_TEST

START_TEST(decode_moffs)
{
	struct x86_insn insn = OK("\xa1\x88\x77\x66\x55\x44\x33\x22\x91", DECODE_64);

	expect_mem(insn, X86_SEG_DS, NOREG, NOREG, 1, (s64)0x9122334455667788ull);
	ck_assert_int_eq(insn.dst.kind, OPND_REG);
	ck_assert_int_eq(insn.dst.reg, X86_RAX);
	ck_assert_int_eq(insn.src.kind, OPND_MEM);
	ck_assert_int_eq(insn.opsize, 4);
	/* Zero-extended. */
	expect_mem(OK("\x67\xa2\x00\x00\x00\xfe", DECODE_64), X86_SEG_DS, NOREG, NOREG, 1,
		   0xfe000000ll);
	expect_mem(OK("\x26\xa3\x00\xf0", DECODE_16), X86_SEG_ES, NOREG, NOREG, 1, 0xf000);
	ck_assert_int_eq(OK("\x66\xa3\x00\xf0\x00\x00", DECODE_32).opsize, 2);
	ck_assert_int_eq(OK("\x48\xa3\x00\xf0\x00\x00\x00\x00\x00\x00", DECODE_64).opsize, 8);
}
END_TEST

START_TEST(decode_segments)
{
	static const char override[6] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	char bytes[3] = "\x00\x8b\x07";
	int i;

	for (i = 0; i < 6; i++) {
		bytes[0] = override[i];
		ck_assert_int_eq(decode_ok(bytes, 3, DECODE_32).seg, i);
		/* In 64-bit mode only FS and GS count. */
		ck_assert_int_eq(decode_ok(bytes, 3, DECODE_64).seg, i < 4 ? X86_SEG_DS : i);
	}
	ck_assert_int_eq(OK("\x64\x2e\x8b\x00", DECODE_64).seg, X86_SEG_FS);
	ck_assert_int_eq(OK("\x64\x2e\x8b\x00", DECODE_32).seg, X86_SEG_CS);
	ck_assert_int_eq(OK("\x3e\x8b\x45\x00", DECODE_32).seg, X86_SEG_DS);
	ck_assert_int_eq(OK("\x65\x6e", DECODE_32).seg, X86_SEG_GS);
}
END_TEST

START_TEST(decode_operand_size)
{
	ck_assert_int_eq(OK("\x89\x07", DECODE_16).opsize, 2);
	ck_assert_int_eq(OK("\x66\x89\x07", DECODE_16).opsize, 4);
	ck_assert_int_eq(OK("\x89\x07", DECODE_32).opsize, 4);
	ck_assert_int_eq(OK("\x66\x89\x07", DECODE_32).opsize, 2);
	ck_assert_int_eq(OK("\x89\x07", DECODE_64).opsize, 4);
	ck_assert_int_eq(OK("\x66\x89\x07", DECODE_64).opsize, 2);
	ck_assert_int_eq(OK("\x48\x89\x07", DECODE_64).opsize, 8);
	ck_assert_int_eq(OK("\x66\x48\x89\x07", DECODE_64).opsize, 8);
	ck_assert_int_eq(OK("\x48\x88\x07", DECODE_64).opsize, 1);
	/* The source of movzx, movsx and movsxd has a size of its own. */
	ck_assert_int_eq(OK("\x48\x0f\xb6\x07", DECODE_64).memsize, 1);
	ck_assert_int_eq(OK("\x48\x0f\xb6\x07", DECODE_64).opsize, 8);
	ck_assert_int_eq(OK("\x0f\xbf\x07", DECODE_32).memsize, 2);
	ck_assert_int_eq(OK("\x48\x63\x07", DECODE_64).memsize, 4);
	ck_assert_int_eq(OK("\x66\x63\x07", DECODE_64).memsize, 2);
	/* movnti has no 16-bit form. */
	ck_assert_int_eq(OK("\x0f\xc3\x07", DECODE_16).opsize, 4);
	ck_assert_int_eq(OK("\x48\x0f\xc3\x07", DECODE_64).opsize, 8);
}
END_TEST

START_TEST(decode_registers)
{
	struct x86_insn insn;
	char bytes[3] = "\x40\x88\x00";
	int reg;

	for (reg = 0; reg < 8; reg++) {
		bytes[2] = reg << 3;
		insn = decode_ok(bytes + 1, 2, DECODE_64);
		ck_assert_int_eq(insn.src.reg, reg < 4 ? reg : reg - 4);
		ck_assert_int_eq(insn.src.high, reg >= 4);
		/* Any REX, even 40, turns ah, ch, dh, bh into spl, bpl, sil, dil. */
		insn = decode_ok(bytes, 3, DECODE_64);
		ck_assert_int_eq(insn.src.reg, reg);
		ck_assert(!insn.src.high);
	}
	insn = OK("\x44\x88\x38", DECODE_64);
	ck_assert_int_eq(insn.src.reg, 15);
	ck_assert_int_eq(OK("\x89\x20", DECODE_32).src.reg, X86_RSP);
	ck_assert(!OK("\x89\x20", DECODE_32).src.high);
	/* The destination of movzx is no byte register. */
	ck_assert(!OK("\x0f\xb6\x20", DECODE_32).dst.high);
}
END_TEST

START_TEST(decode_immediates)
{
	ck_assert_uint_eq(OK("\xc6\x00\x80", DECODE_32).imm, (u64)-128);
	ck_assert_uint_eq(OK("\x48\xc7\x00\x00\x00\x00\x80", DECODE_64).imm, 0xffffffff80000000ull);
	ck_assert_uint_eq(OK("\x66\xc7\x00\x34\x12", DECODE_64).imm, 0x1234);
	ck_assert_uint_eq(OK("\x83\x08\xff", DECODE_32).imm, ~0ull);
	ck_assert_uint_eq(OK("\x81\x08\xff\xff\xff\x7f", DECODE_32).imm, 0x7fffffff);
	ck_assert_uint_eq(OK("\x0f\xba\x28\xff", DECODE_32).imm, 0xff);
	ck_assert_uint_eq(OK("\xcd\x80", DECODE_32).imm, 0x80);
	/* The immediate comes after the displacement. */
	ck_assert_uint_eq(OK("\xc7\x05\x01\x00\x00\x00\x02\x00\x00\x00", DECODE_64).imm, 2);
}
END_TEST

START_TEST(decode_rex_only_before_the_opcode)
{
	struct x86_insn insn = OK("\x48\x66\x89\x07", DECODE_64);

	ck_assert_int_eq(insn.opsize, 2);
	ck_assert_int_eq(OK("\x4f\x48\x89\x07", DECODE_64).opsize, 8);
	ck_assert_int_eq(OK("\x4f\x48\x89\x07", DECODE_64).src.reg, X86_RAX);
	ck_assert_int_eq(OK("\x48\xf0\x01\x07", DECODE_64).opsize, 4);
	/* A REX that does not count does not change byte registers either. */
	ck_assert(OK("\x40\x2e\x88\x27", DECODE_64).src.high);
	/* Outside 64-bit mode 40 to 4f are inc and dec. */
	ck_assert_int_eq(ERROR("\x48\x89\x07", DECODE_32), -EINVAL);
}
END_TEST

START_TEST(decode_lock_only_where_legal)
{
	static const char *const legal[] = {
		"\xf0\x01\x07",	    "\xf0\x09\x07",	"\xf0\x11\x07",	    "\xf0\x19\x07",
		"\xf0\x21\x07",	    "\xf0\x29\x07",	"\xf0\x31\x07",	    "\xf0\x87\x07",
		"\xf0\xf6\x17",	    "\xf0\xf7\x1f",	"\xf0\xff\x07",	    "\xf0\xfe\x0f",
		"\xf0\x83\x07\x01", "\xf0\x83\x37\x01", "\xf0\x0f\xab\x07", "\xf0\x0f\xb3\x07",
		"\xf0\x0f\xbb\x07", "\xf0\x0f\xb1\x07", "\xf0\x0f\xc1\x07", "\xf0\x0f\xba\x2f\x01",
	};
	static const char *const illegal[] = {
		"\xf0\x02\x07",
		"\xf0\x39\x07",
		"\xf0\x83\x3f\x01",
		"\xf0\x85\x07",
		"\xf0\x89\x07",
		"\xf0\x8b\x07",
		"\xf0\xf7\x07\x01\x01\x01\x01",
		"\xf0\x0f\xa3\x07",
		"\xf0\x0f\xba\x27\x01",
		"\xf0\xa4",
		"\xf0\x0f\xb6\x07",
		"\xf0\xf4",
		"\xf0\x0f\xa2",
		"\xf0\x0f\x22\xc0",
		"\xf0\x0f\x11\x07",
		"\xf0\xee",
		"\xf0\xc7\x07\x01\x01\x01\x01",
	};
	unsigned int i;

	for (i = 0; i < sizeof(legal) / sizeof(legal[0]); i++)
		ck_assert_msg(decode_ok(legal[i], strlen(legal[i]), DECODE_32).lock, "%u", i);
	for (i = 0; i < sizeof(illegal) / sizeof(illegal[0]); i++)
		ck_assert_msg(decode_error(illegal[i], strlen(illegal[i]), DECODE_32) == -EINVAL,
			      "%u", i);
}
END_TEST

START_TEST(decode_repeat_prefixes)
{
	ck_assert_int_eq(OK("\xa4", DECODE_64).rep, INSN_NO_REP);
	ck_assert_int_eq(OK("\xf3\x48\xa5", DECODE_64).rep, INSN_REP);
	ck_assert_int_eq(OK("\xf3\x48\xa5", DECODE_64).memsize, 8);
	ck_assert_int_eq(OK("\xf2\xab", DECODE_64).rep, INSN_REP);
	ck_assert_int_eq(OK("\xf2\xae", DECODE_64).rep, INSN_REPNE);
	ck_assert_int_eq(OK("\xf3\xa6", DECODE_64).rep, INSN_REP);
	/* The last one counts. */
	ck_assert_int_eq(OK("\xf3\xf2\xae", DECODE_64).rep, INSN_REPNE);
	ck_assert_int_eq(OK("\xf3\x6e", DECODE_64).rep, INSN_REP);
	/* On other instructions it repeats nothing. */
	ck_assert_int_eq(OK("\xf3\x89\x07", DECODE_64).rep, INSN_NO_REP);
	ck_assert_int_eq(OK("\xf3\xee", DECODE_64).rep, INSN_NO_REP);
	/* pause is f3 90; with REX.B that is an exchange with r8. */
	ck_assert_int_eq(OK("\xf3\x48\x90", DECODE_64).op, INSN_PAUSE);
	ck_assert_int_eq(ERROR("\xf3\x41\x90", DECODE_64), -EINVAL);
}
END_TEST

START_TEST(decode_string_operands)
{
	struct x86_insn insn = OK("\x64\xa5", DECODE_32);

	ck_assert_int_eq(insn.dst.kind, OPND_MEM_DI);
	ck_assert_int_eq(insn.src.kind, OPND_MEM_SI);
	ck_assert_int_eq(insn.seg, X86_SEG_FS);
	insn = OK("\x67\xaa", DECODE_64);
	ck_assert_int_eq(insn.dst.kind, OPND_MEM_DI);
	ck_assert_int_eq(insn.src.kind, OPND_REG);
	ck_assert_int_eq(insn.adsize, 4);
	insn = OK("\x6d", DECODE_32);
	ck_assert_int_eq(insn.dst.kind, OPND_MEM_DI);
	ck_assert_int_eq(insn.src.reg, X86_RDX);
	ck_assert_int_eq(insn.memsize, 4);
	/* Ports are 32 bits wide at most. */
	ck_assert_int_eq(OK("\x48\x6f", DECODE_64).memsize, 4);
	ck_assert_int_eq(OK("\x66\x6f", DECODE_64).memsize, 2);
}
END_TEST

START_TEST(decode_ports)
{
	struct x86_insn insn = OK("\xe4\xfe", DECODE_64);

	ck_assert_int_eq(insn.op, INSN_IN);
	ck_assert_int_eq(insn.opsize, 1);
	ck_assert_int_eq(insn.src.kind, OPND_IMM);
	ck_assert_uint_eq(insn.imm, 0xfe);
	insn = OK("\x66\xef", DECODE_64);
	ck_assert_int_eq(insn.op, INSN_OUT);
	ck_assert_int_eq(insn.opsize, 2);
	ck_assert_int_eq(insn.dst.kind, OPND_REG);
	ck_assert_int_eq(insn.dst.reg, X86_RDX);
	ck_assert_int_eq(insn.src.reg, X86_RAX);
	ck_assert_int_eq(OK("\x48\xed", DECODE_64).opsize, 4);
	ck_assert_int_eq(OK("\xed", DECODE_16).opsize, 2);
}
END_TEST

START_TEST(decode_control_registers)
{
	struct x86_insn insn = OK("\x44\x0f\x20\xc0", DECODE_64);

	ck_assert_int_eq(insn.op, INSN_MOV_FROM_CR);
	ck_assert_int_eq(insn.src.kind, OPND_CR);
	ck_assert_int_eq(insn.src.reg, 8);
	ck_assert_int_eq(insn.dst.reg, X86_RAX);
	ck_assert_int_eq(insn.opsize, 8);
	insn = OK("\x41\x0f\x22\xdf", DECODE_64);
	ck_assert_int_eq(insn.op, INSN_MOV_TO_CR);
	ck_assert_int_eq(insn.dst.reg, 3);
	ck_assert_int_eq(insn.src.reg, 15);
	/* 66 changes nothing; ModRM.mod is taken for 3. */
	ck_assert_int_eq(OK("\x66\x0f\x20\x00", DECODE_32).opsize, 4);
	insn = OK("\x0f\x23\xf9", DECODE_32);
	ck_assert_int_eq(insn.op, INSN_MOV_TO_DR);
	ck_assert_int_eq(insn.dst.kind, OPND_DR);
	ck_assert_int_eq(insn.dst.reg, 7);
	ck_assert_int_eq(insn.src.reg, X86_RCX);
	ck_assert_int_eq(ERROR("\x0f\x20\xc8", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\x44\x0f\x20\xd0", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\x44\x0f\x21\xc0", DECODE_64), -EINVAL);
	insn = OK("\x0f\x01\x38", DECODE_32);
	ck_assert_int_eq(insn.op, INSN_INVLPG);
	expect_mem(insn, X86_SEG_DS, X86_RAX, NOREG, 1, 0);
	insn = OK("\x66\x0f\x38\x82\x0e", DECODE_64);
	ck_assert_int_eq(insn.op, INSN_INVPCID);
	ck_assert_int_eq(insn.dst.reg, X86_RCX);
	ck_assert_int_eq(insn.opsize, 8);
	ck_assert_int_eq(insn.memsize, 16);
	insn = OK("\x0f\x01\xf3", DECODE_64);
	ck_assert_int_eq(insn.op, INSN_LMSW);
	ck_assert_int_eq(insn.src.reg, X86_RBX);
	ck_assert_int_eq(OK("\x0f\x01\x26\x00\x10", DECODE_16).memsize, 2);
}
END_TEST

START_TEST(decode_vectors)
{
	struct x86_insn insn = OK("\x44\x0f\x10\x07", DECODE_64); /* movups */

	ck_assert_int_eq(insn.op, INSN_MOVVEC);
	ck_assert_int_eq(insn.dst.kind, OPND_VEC);
	ck_assert_int_eq(insn.dst.reg, 8);
	ck_assert_int_eq(insn.opsize, 16);
	ck_assert_int_eq(insn.memsize, 16);
	ck_assert(!insn.aligned && !insn.vex);
	ck_assert(OK("\x0f\x29\x07", DECODE_64).aligned); /* movaps */
	ck_assert(OK("\x66\x0f\xe7\x07", DECODE_64).aligned); /* movntdq */
	ck_assert(!OK("\xf3\x0f\x7f\x07", DECODE_64).aligned); /* movdqu */
	/* f3 rules over 66. */
	ck_assert(!OK("\x66\xf3\x0f\x7f\x07", DECODE_64).aligned);
	ck_assert_int_eq(OK("\x66\x0f\x6e\x07", DECODE_64).memsize, 4); /* movd */
	ck_assert_int_eq(OK("\x66\x48\x0f\x6e\x07", DECODE_64).memsize, 8); /* movq */
	ck_assert_int_eq(OK("\x66\x0f\xd6\x07", DECODE_64).memsize, 8); /* movq */
	ck_assert_int_eq(OK("\xf3\x0f\x10\x07", DECODE_64).memsize, 4); /* movss */
	/* MMX registers are not ours. */
	ck_assert_int_eq(ERROR("\x0f\x6f\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\x0f\x7e\x07", DECODE_64), -EINVAL);
}
END_TEST

START_TEST(decode_vex)
{
	struct x86_insn insn = OK("\xc5\xfe\x6f\x07", DECODE_64); /* vmovdqu ymm0, [rdi] */

	ck_assert_int_eq(insn.op, INSN_MOVVEC);
	ck_assert(insn.vex);
	ck_assert_int_eq(insn.opsize, 32);
	ck_assert_int_eq(insn.memsize, 32);
	insn = OK("\xc5\x79\x7f\x3f", DECODE_64); /* vmovdqa [rdi], xmm15 */
	ck_assert_int_eq(insn.src.reg, 15);
	ck_assert_int_eq(insn.opsize, 16);
	ck_assert(insn.aligned);
	insn = OK("\xc4\x81\x78\x10\x44\xaf\x01", DECODE_64); /* vmovups xmm0, [r15+r13*4+1] */
	expect_mem(insn, X86_SEG_DS, 15, 13, 4, 1);
	ck_assert_int_eq(OK("\xc4\xe1\xf9\x6e\x07", DECODE_64).memsize, 8); /* vmovq */
	ck_assert_int_eq(OK("\xc5\xf9\x6e\x07", DECODE_64).memsize, 4); /* vmovd */
	ck_assert_int_eq(OK("\xc4\xe2\x7d\x2a\x07", DECODE_64).opsize, 32); /* vmovntdqa */
	ck_assert_int_eq(OK("\xc5\xfe\x10\x07", DECODE_64).memsize, 4); /* vmovss ignores L */
	ck_assert_int_eq(OK("\xc5\xfe\x6f\x07", DECODE_32).opsize, 32);
	/* VEX.W and VEX.B are ignored outside 64-bit mode. */
	ck_assert_int_eq(OK("\xc4\xc1\x78\x10\x07", DECODE_32).base, X86_RDI);
	ck_assert_int_eq(OK("\xc4\xe1\xf9\x6e\x07", DECODE_32).memsize, 4);
	/* L = 1 without a 256-bit form, a third operand, prefixes, what is no vector move. */
	ck_assert_int_eq(ERROR("\xc5\xfd\x6e\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\xc5\xf6\x6f\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\x66\xc5\xfe\x6f\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\x48\xc5\xfe\x6f\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\xf0\xc5\xfe\x6f\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\xc5\xf8\xa2\x00", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\xc4\xe3\x7d\x2a\x07", DECODE_64), -EINVAL);
	ck_assert_int_eq(ERROR("\xc4\xe0\x78\x10\x07", DECODE_64), -EINVAL);
	/* les and lds. */
	ck_assert_int_eq(ERROR("\xc5\x07", DECODE_32), -EINVAL);
	ck_assert_int_eq(ERROR("\xc4\x07", DECODE_16), -EINVAL);
}
END_TEST

START_TEST(decode_length_limit)
{
	char bytes[16];

	memset(bytes, 0x2e, sizeof(bytes));
	memcpy(bytes + 13, "\x8b\x07", 2);
	ck_assert_int_eq(decode_ok(bytes, 15, DECODE_64).op, INSN_MOV);
	memset(bytes, 0x2e, sizeof(bytes));
	memcpy(bytes + 14, "\x8b\x07", 2);
	ck_assert_int_eq(decode_error(bytes, 16, DECODE_64), -EINVAL);
	ck_assert_int_eq(decode_error(bytes, 14, DECODE_64), -ENODATA);
	/* Also when the limit falls into the displacement or the immediate. */
	memcpy(bytes + 7, "\x81\x05\0\0\0\0\0\0", 8);
	ck_assert_int_eq(decode_error(bytes, 16, DECODE_64), -EINVAL);
	memcpy(bytes + 10, "\x81\x05\0\0\0", 5);
	ck_assert_int_eq(decode_error(bytes, 15, DECODE_64), -EINVAL);
	ck_assert_int_eq(decode_error(bytes, 14, DECODE_64), -ENODATA);
	ck_assert_int_eq(decode_error(bytes, 0, DECODE_64), -ENODATA);
}
END_TEST

/* xorshift64*: the same sequence in every run. */
static u64 next_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

/* Bytes that make ours likely: prefixes, escapes and then noise. */
static void random_bytes(u64 *state, u8 *bytes, unsigned int len)
{
	static const u8 starts[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x65, 0x0f,
				     0x48, 0x41, 0x4f, 0xc4, 0xc5, 0x89, 0x81, 0xf7 };
	unsigned int i;

	for (i = 0; i < len; i++) {
		u64 r = next_random(state);

		bytes[i] = i < 3 && (r >> 32 & 1) ? starts[r >> 40 & 15] : r >> 24;
	}
}

/* Buffers end where the bytes end, so that a read beyond them is caught. */
START_TEST(decode_random_bytes)
{
	u64 state = 0x9e3779b97f4a7c15ull;
	struct x86_insn insn, again;
	unsigned int i, decoded = 0;
	u8 *bytes, *cut;

	for (i = 0; i < 300000; i++) {
		unsigned int len = next_random(&state) % 18, mode = i % 3;
		int ret;

		bytes = malloc(len ? len : 1);
		random_bytes(&state, bytes, len);
		ret = decode_insn(&insn, bytes, len, mode);
		if (ret) {
			ck_assert(ret == -EINVAL || (ret == -ENODATA && len < INSN_MAX_LEN));
			free(bytes);
			continue;
		}
		decoded++;
		ck_assert(insn.len >= 1 && insn.len <= INSN_MAX_LEN && insn.len <= len);
		ck_assert(insn.opsize <= 32 && insn.memsize <= 32 && insn.seg <= X86_SEG_GS);
		ck_assert(insn.base < 16 || insn.base == INSN_NO_REG);
		ck_assert(insn.index < 16 || insn.index == INSN_NO_REG);
		ck_assert(insn.dst.reg < 16 && insn.src.reg < 16);
		/* Its own bytes suffice and say the same; one less does not. */
		cut = malloc(insn.len);
		memcpy(cut, bytes, insn.len);
		ck_assert_int_eq(decode_insn(&again, cut, insn.len, mode), 0);
		ck_assert_mem_eq(&insn, &again, sizeof(insn));
		ck_assert_int_eq(decode_insn(&again, cut, insn.len - 1, mode), -ENODATA);
		free(cut);
		free(bytes);
	}
	ck_assert_uint_gt(decoded, 10000);
}
END_TEST

static Suite *decode_suite(void)
{
	Suite *s = suite_create("decode");
	TCase *tc = tcase_create("decode");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, decode_every_form_and_no_other);
	tcase_add_test(tc, decode_every_sib);
	tcase_add_test(tc, decode_memory_16);
	tcase_add_test(tc, decode_memory_32);
	tcase_add_test(tc, decode_memory_64);
	tcase_add_test(tc, decode_moffs);
	tcase_add_test(tc, decode_segments);
	tcase_add_test(tc, decode_operand_size);
	tcase_add_test(tc, decode_registers);
	tcase_add_test(tc, decode_immediates);
	tcase_add_test(tc, decode_rex_only_before_the_opcode);
	tcase_add_test(tc, decode_lock_only_where_legal);
	tcase_add_test(tc, decode_repeat_prefixes);
	tcase_add_test(tc, decode_string_operands);
	tcase_add_test(tc, decode_ports);
	tcase_add_test(tc, decode_control_registers);
	tcase_add_test(tc, decode_vectors);
	tcase_add_test(tc, decode_vex);
	tcase_add_test(tc, decode_length_limit);
	tcase_add_test(tc, decode_random_bytes);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(decode_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
