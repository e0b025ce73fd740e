/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction decoder: bytes in, one struct x86_insn out, no other state (SDM vol. 2, chapter 2
 * and appendix A). It knows the instructions that guests use on device memory and those that cause
 * exits, and refuses everything else.
 */
#ifndef VMM_X86_DECODE_H
#define VMM_X86_DECODE_H

#include <linux/types.h>

/* An instruction longer than this is #GP (SDM 2.3.11). */
#define INSN_MAX_LEN 15

/* Default operand and address size: real, virtual-8086 and 16-bit segments; CS.D; CS.L with LMA. */
enum decode_mode {
	DECODE_16,
	DECODE_32,
	DECODE_64,
};

/* Segment registers in the order of their encoding (SDM table B-8). */
enum x86_seg {
	X86_SEG_ES,
	X86_SEG_CS,
	X86_SEG_SS,
	X86_SEG_DS,
	X86_SEG_FS,
	X86_SEG_GS,
};

/* General registers in the order of their encoding; r8 to r15 follow as 8 to 15. */
enum x86_gpr {
	X86_RAX,
	X86_RCX,
	X86_RDX,
	X86_RBX,
	X86_RSP,
	X86_RBP,
	X86_RSI,
	X86_RDI,
};

enum insn_op {
	INSN_INVALID,

	/* Memory instructions: emulate.c executes these. The eight of the ALU in encoding order. */
	INSN_ADD,
	INSN_OR,
	INSN_ADC,
	INSN_SBB,
	INSN_AND,
	INSN_SUB,
	INSN_XOR,
	INSN_CMP,
	INSN_TEST,
	INSN_NOT,
	INSN_NEG,
	INSN_INC,
	INSN_DEC,
	INSN_MOV, /* and movnti */
	INSN_MOVZX,
	INSN_MOVSX, /* and movsxd */
	INSN_XCHG,
	INSN_CMPXCHG,
	INSN_XADD,
	INSN_BT, /* the four bit tests in the order of group 8 */
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
	INSN_SCAS,
	INSN_CMPS,
	INSN_MOVVEC, /* mov{u,a}p{s,d}, movdq{u,a}, movnt*, movd, movq with an XMM/YMM register */
	INSN_LAST_MEMORY = INSN_MOVVEC,

	/* Instructions that cause exits of their own. */
	INSN_CPUID,
	INSN_HLT,
	INSN_RDMSR,
	INSN_WRMSR,
	INSN_PAUSE,
	INSN_INVD,
	INSN_WBINVD,
	INSN_WBNOINVD,
	INSN_IN, /* dst rax, src imm (port) or dx */
	INSN_OUT, /* dst imm (port) or dx, src rax */
	INSN_INS,
	INSN_OUTS,
	INSN_XGETBV,
	INSN_XSETBV,
	INSN_VMCALL,
	INSN_VMMCALL,
	INSN_MONITOR,
	INSN_MWAIT,
	INSN_MONITORX,
	INSN_MWAITX,
	INSN_MOV_FROM_CR, /* dst general register, src.reg the number of the control register */
	INSN_MOV_TO_CR, /* dst.reg the number of the control register, src general register */
	INSN_MOV_FROM_DR,
	INSN_MOV_TO_DR,
	INSN_CLTS,
	INSN_LMSW, /* src */
	INSN_SMSW, /* dst */
	INSN_INVLPG, /* dst: the memory operand whose page it is */
	INSN_INVPCID, /* dst register (type), src memory (descriptor) */
	INSN_RDTSC,
	INSN_RDTSCP,
	INSN_RDPMC,
	INSN_INT, /* imm: the vector */
	INSN_INT3,
	INSN_INTO,
	INSN_ICEBP,
	INSN_IRET,
	INSN_RSM,
	INSN_VMRUN,
	INSN_VMLOAD,
	INSN_VMSAVE,
	INSN_STGI,
	INSN_CLGI,
	INSN_SKINIT,
	INSN_INVLPGA,
	INSN_VMCLEAR,
	INSN_VMPTRLD,
	INSN_VMPTRST,
	INSN_VMREAD,
	INSN_VMWRITE,
	INSN_VMXON,
	INSN_VMXOFF,
	INSN_VMLAUNCH,
	INSN_VMRESUME,
	INSN_VMFUNC,
	INSN_INVEPT,
	INSN_INVVPID,
	INSN_GETSEC,
};

enum insn_operand_kind {
	OPND_NONE,
	OPND_REG, /* general register `reg`; with `high`, bits 15:8 of it (ah ch dh bh) */
	OPND_MEM, /* the ModRM or moffs memory operand: seg, base, index, scale, disp */
	OPND_MEM_SI, /* seg:[rsi] of a string instruction */
	OPND_MEM_DI, /* es:[rdi] of a string instruction */
	OPND_IMM, /* imm */
	OPND_VEC, /* XMM/YMM register `reg` */
	OPND_CR, /* control register `reg` */
	OPND_DR, /* debug register `reg` */
};

struct insn_operand {
	u8 kind;
	u8 reg;
	bool high;
};

enum insn_rep {
	INSN_NO_REP,
	INSN_REP, /* f3: rep, repe */
	INSN_REPNE, /* f2 */
};

/* No base or no index register. */
#define INSN_NO_REG 0xff

struct x86_insn {
	u8 op; /* enum insn_op */
	u8 len; /* bytes, 1 to 15 */
	u8 mode; /* enum decode_mode it was decoded for */
	u8 opsize; /* bytes: 1, 2, 4, 8; 16 or 32 for vector registers */
	u8 memsize; /* bytes moved to or from memory; differs from opsize for movzx, movsx, movd */
	u8 adsize; /* address size in bytes: 2, 4, 8 */
	u8 rep; /* enum insn_rep; only on string and port string instructions, else none */
	bool lock;
	bool vex; /* VEX-encoded: a write to a vector register clears the bits above opsize */
	bool aligned; /* memory operand must be aligned to memsize, else #GP(0) */

	struct insn_operand dst;
	struct insn_operand src;
	u64 imm; /* sign-extended where the instruction does so; ports and vectors are not */

	/* Memory operand; valid when has_mem (string operands use seg and adsize only). */
	bool has_mem;
	bool rip_relative; /* disp counts from the end of the instruction */
	u8 seg; /* enum x86_seg: the override, or the default of base */
	u8 base; /* register number or INSN_NO_REG */
	u8 index;
	u8 scale; /* 1, 2, 4, 8 */
	s64 disp; /* sign-extended; a moffs is zero-extended */
};

/*
 * Decodes the instruction at bytes[0..len). Returns 0, -ENODATA when it does not end within len
 * (never when len >= INSN_MAX_LEN), or -EINVAL when it is illegal, too long or none of ours.
 */
int decode_insn(struct x86_insn *insn, const u8 *bytes, unsigned int len, enum decode_mode mode);

/* A plain store, which is how devices are driven: its datum is at hand. */
static inline bool decode_is_store(const struct x86_insn *insn)
{
	return insn->op == INSN_MOV && insn->dst.kind == OPND_MEM && !insn->lock &&
	       ((insn->src.kind == OPND_REG && !insn->src.high) || insn->src.kind == OPND_IMM);
}

/* True for what emulate.c executes. */
static inline bool decode_is_memory(const struct x86_insn *insn)
{
	return insn->op != INSN_INVALID && insn->op <= INSN_LAST_MEMORY;
}

#endif
