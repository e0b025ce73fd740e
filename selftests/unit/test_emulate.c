// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the processor: random instructions run natively and through decode + emulate
 * on the same registers and memory, and must leave the same. Then what only a hypervisor sees:
 * requests, faults, segments, restarts.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "x86/emulate.h"

#define FLAG_CF 0x001
#define FLAG_PF 0x004
#define FLAG_AF 0x010
#define FLAG_ZF 0x040
#define FLAG_SF 0x080
#define FLAG_DF 0x400
#define FLAG_OF 0x800
#define FLAG_RF 0x10000
#define FLAG_VM 0x20000
#define ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define PAGE 4096
#define PAGES 4
#define MEMORY (PAGES * PAGE)

/* Registers as run_native() finds and leaves them; the offsets are used by the assembly below. */
struct registers {
	u64 gpr[16];
	u64 rflags;
	u64 pad[3];
	u8 vec[16][32];
};

/*
 * Loads *regs (all but rsp), calls code and stores what it left. The vector registers go as a
 * whole, or only their lower halves on a processor without AVX.
 */
void run_native(struct registers *regs, void *code, long avx);
asm(".text\n"
    ".globl run_native\n"
    "run_native:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	push %rdx; push %rsi; push %rdi\n"
    "	test %rdx, %rdx; jz 1f\n"
    "	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	vmovdqu 160+32*\\n(%rdi), %ymm\\n\n"
    "	.endr\n"
    "	jmp 2f\n"
    "1:	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	movdqu 160+32*\\n(%rdi), %xmm\\n\n"
    "	.endr\n"
    "2:	push 128(%rdi); popfq\n"
    "	mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
    "	mov 40(%rdi), %rbp; mov 48(%rdi), %rsi\n"
    "	mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11\n"
    "	mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
    "	mov 56(%rdi), %rdi\n"
    "	call *8(%rsp)\n"
    "	push %rdi\n"
    "	mov 8(%rsp), %rdi\n"
    "	mov %rax, 0(%rdi); mov %rcx, 8(%rdi); mov %rdx, 16(%rdi); mov %rbx, 24(%rdi)\n"
    "	mov %rbp, 40(%rdi); mov %rsi, 48(%rdi)\n"
    "	mov %r8, 64(%rdi); mov %r9, 72(%rdi); mov %r10, 80(%rdi); mov %r11, 88(%rdi)\n"
    "	mov %r12, 96(%rdi); mov %r13, 104(%rdi); mov %r14, 112(%rdi); mov %r15, 120(%rdi)\n"
    "	pushfq; pop 128(%rdi)\n"
    "	cld\n"
    "	pop 56(%rdi)\n"
    "	mov 16(%rsp), %rdx\n"
    "	test %rdx, %rdx; jz 1f\n"
    "	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	vmovdqu %ymm\\n, 160+32*\\n(%rdi)\n"
    "	.endr\n"
    "	vzeroupper\n"
    "	jmp 2f\n"
    "1:	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	movdqu %xmm\\n, 160+32*\\n(%rdi)\n"
    "	.endr\n"
    "2:	pop %rdi; pop %rsi; pop %rdx\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	ret\n");

/* ck_assert() tells the parent process each time where it is: too slow for what runs a lot. */
#define must(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/* The machine that the emulator's callbacks see. */
struct machine {
	struct registers regs;
	u64 rip;
	u64 cr0;
	u64 cr4;
	struct kvm_segment seg[6];
	/* Memory at linear address `base`; guest-physical memory has its pages in reverse order. */
	u64 base;
	u8 *memory;
	bool ram; /* answer at once instead of requests */
	unsigned int ram_pages; /* with !ram: bit n, page n of physical memory is RAM */
	/* What happened. */
	unsigned int accesses; /* of the last translate() */
	u64 fault_at; /* translate() of this page faults */
	u64 error_at; /* mem_read() and mem_write() of this page fail */
	unsigned int translations;
	unsigned int flag_writes;
};

#define GPA_BASE 0xfed00000ull
#define NOWHERE (~0ull)

static u64 machine_read_reg(void *ctx, unsigned int n)
{
	struct machine *m = ctx;

	must(n < 16);
	return m->regs.gpr[n];
}

static void machine_write_reg(void *ctx, unsigned int n, u64 value)
{
	struct machine *m = ctx;

	must(n < 16);
	m->regs.gpr[n] = value;
}

static u64 machine_get_rip(void *ctx)
{
	return ((struct machine *)ctx)->rip;
}

static void machine_set_rip(void *ctx, u64 rip)
{
	((struct machine *)ctx)->rip = rip;
}

static u64 machine_get_rflags(void *ctx)
{
	return ((struct machine *)ctx)->regs.rflags;
}

static void machine_set_rflags(void *ctx, u64 rflags)
{
	struct machine *m = ctx;

	m->regs.rflags = rflags;
	m->flag_writes++;
}

static u64 machine_get_cr(void *ctx, unsigned int n)
{
	struct machine *m = ctx;

	must(n == 0 || n == 4);
	return n ? m->cr4 : m->cr0;
}

static void machine_get_seg(void *ctx, unsigned int seg, struct kvm_segment *out)
{
	struct machine *m = ctx;

	must(seg < 6);
	*out = m->seg[seg];
}

static void machine_read_vec(void *ctx, unsigned int n, void *buf, unsigned int len)
{
	struct machine *m = ctx;

	must(n < 16 && (len == 16 || len == 32));
	memcpy(buf, m->regs.vec[n], len);
}

static void machine_write_vec(void *ctx, unsigned int n, const void *buf, unsigned int len,
			      bool clear)
{
	struct machine *m = ctx;

	must(n < 16 && (len == 16 || len == 32));
	memcpy(m->regs.vec[n], buf, len);
	if (clear)
		memset(m->regs.vec[n] + len, 0, 32 - len);
}

static int machine_translate(void *ctx, u64 gva, unsigned int access, u64 *gpa,
			     struct walk_fault *fault)
{
	struct machine *m = ctx;
	u64 offset = gva - m->base;

	m->accesses = access;
	m->translations++;
	if (gva / PAGE == m->fault_at / PAGE) {
		*fault = (struct walk_fault){ WALK_VECTOR_PF, true, access & WALK_WRITE ? 2 : 0,
					      gva };
		return 1;
	}
	must(offset < MEMORY);
	*gpa = GPA_BASE + (PAGES - 1 - offset / PAGE) * PAGE + offset % PAGE;
	return 0;
}

static u8 *machine_memory(struct machine *m, u64 gpa, unsigned int len)
{
	u64 offset = gpa - GPA_BASE;

	must(len >= 1 && len <= 8);
	must(offset < MEMORY && offset % PAGE + len <= PAGE);
	return m->memory + (PAGES - 1 - offset / PAGE) * PAGE + offset % PAGE;
}

static bool machine_is_ram(struct machine *m, u64 gpa)
{
	return m->ram || (m->ram_pages >> ((gpa - GPA_BASE) / PAGE) & 1);
}

static int machine_mem_read(void *ctx, u64 gpa, void *buf, unsigned int len)
{
	struct machine *m = ctx;

	if (gpa / PAGE == m->error_at / PAGE)
		return -EFAULT;
	if (!machine_is_ram(m, gpa))
		return EMULATE_MMIO;
	memcpy(buf, machine_memory(m, gpa, len), len);
	return EMULATE_RAM;
}

static int machine_mem_write(void *ctx, u64 gpa, const void *buf, unsigned int len)
{
	struct machine *m = ctx;

	if (gpa / PAGE == m->error_at / PAGE)
		return -EFAULT;
	if (!machine_is_ram(m, gpa))
		return EMULATE_MMIO;
	memcpy(machine_memory(m, gpa, len), buf, len);
	return EMULATE_RAM;
}

static const struct emulate_ops machine_ops = {
	.read_reg = machine_read_reg,
	.write_reg = machine_write_reg,
	.get_rip = machine_get_rip,
	.set_rip = machine_set_rip,
	.get_rflags = machine_get_rflags,
	.set_rflags = machine_set_rflags,
	.get_cr = machine_get_cr,
	.get_seg = machine_get_seg,
	.read_vec = machine_read_vec,
	.write_vec = machine_write_vec,
	.translate = machine_translate,
	.mem_read = machine_mem_read,
	.mem_write = machine_mem_write,
};

/* Requests answered by emulate(), in order. */
struct request {
	bool write;
	u64 gpa;
	u32 size;
	u64 data;
};

static struct request requests[64];
static unsigned int nr_requests;

static void answer(struct machine *m, struct emulator *em, bool write)
{
	struct request *r = &requests[nr_requests++ % 64];
	u8 *memory = machine_memory(m, em->gpa, em->size);

	must(emulate_pending(em));
	*r = (struct request){ write, em->gpa, em->size, 0 };
	if (write)
		memcpy(memory, em->data, em->size);
	else
		memcpy(em->data, memory, em->size);
	memcpy(&r->data, em->data, em->size);
}

/* Decodes and runs one instruction to its end, through every iteration of a rep. */
static enum emulate_result emulate(struct machine *m, struct emulator *em, const u8 *bytes,
				   unsigned int len, enum decode_mode mode)
{
	enum emulate_result result;
	struct x86_insn insn;

	must(decode_insn(&insn, bytes, len, mode) == 0);
	nr_requests = 0;
	memset(em, 0xa5, sizeof(*em));
	emulate_start(em, &insn, &machine_ops, m);
	for (;;) {
		result = emulate_step(em);
		if (result == EMULATE_READ || result == EMULATE_WRITE) {
			answer(m, em, result == EMULATE_WRITE);
			continue;
		}
		must(!emulate_pending(em));
		if (result != EMULATE_REPEAT)
			return result;
	}
}

/* xorshift64*: the same sequence in every run. */
static u64 random_state = 0x853c49e6748fea9bull;

static u64 rnd(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717ull;
}

/* Values near the edges make flags change. */
static u64 rnd_value(void)
{
	u64 value = rnd();

	switch (rnd() % 6) {
	case 0:
		return value & 1 ? 0 : ~0ull;
	case 1:
		return (1ull << (value & 63)) - (value >> 63);
	case 2:
		return value & 0xff;
	case 3:
		return 0x8080808080808080ull >> (value & 1);
	default:
		return value;
	}
}

/* One kind of instruction to try. */
struct pattern {
	const char *name;
	u8 opcode[3];
	u8 opcode_len;
	s8 digit; /* of ModRM.reg, or -1: a register operand */
	u8 imm; /* bytes; 0xff: by operand size */
	u8 prefix; /* mandatory */
	u8 kind;
	u64 undefined; /* flags */
};

enum kind { INTEGER, BYTE_OP, BIT_STRING, VECTOR, ALIGNED, NO_W };

#define IZ 0xff
/* clang-format off */
#define ALU(n, name, undefined)                                                                    \
	{ name, { n * 8 }, 1, -1, 0, 0, BYTE_OP, undefined },                                      \
		{ name, { n * 8 + 1 }, 1, -1, 0, 0, INTEGER, undefined },                          \
		{ name, { n * 8 + 2 }, 1, -1, 0, 0, BYTE_OP, undefined },                          \
		{ name, { n * 8 + 3 }, 1, -1, 0, 0, INTEGER, undefined },                          \
		{ name, { 0x80 }, 1, n, 1, 0, BYTE_OP, undefined },                                \
		{ name, { 0x81 }, 1, n, IZ, 0, INTEGER, undefined },                               \
		{ name, { 0x83 }, 1, n, 1, 0, INTEGER, undefined }
#define BOTH(name, byte, digit, undefined)                                                         \
	{ name, { byte }, 1, digit, 0, 0, BYTE_OP, undefined },                                    \
		{ name, { byte + 1 }, 1, digit, 0, 0, INTEGER, undefined }
#define TWO(name, second, digit, imm, kind, undefined)                                             \
	{ name, { 0x0f, second }, 2, digit, imm, 0, kind, undefined }
#define VEC(name, second, prefix, kind) { name, { 0x0f, second }, 2, -1, 0, prefix, kind, 0 }

/* SDM BT: ZF is unaffected, the others are undefined. */
#define BT_UNDEFINED (FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF)

static const struct pattern patterns[] = {
	ALU(0, "add", 0),
	ALU(1, "or", FLAG_AF),
	ALU(2, "adc", 0),
	ALU(3, "sbb", 0),
	ALU(4, "and", FLAG_AF),
	ALU(5, "sub", 0),
	ALU(6, "xor", FLAG_AF),
	ALU(7, "cmp", 0),
	BOTH("test", 0x84, -1, FLAG_AF),
	BOTH("xchg", 0x86, -1, 0),
	BOTH("mov", 0x88, -1, 0),
	BOTH("mov", 0x8a, -1, 0),
	{ "mov", { 0xc6 }, 1, 0, 1, 0, BYTE_OP, 0 },
	{ "mov", { 0xc7 }, 1, 0, IZ, 0, INTEGER, 0 },
	{ "movsxd", { 0x63 }, 1, -1, 0, 0, INTEGER, 0 },
	{ "test", { 0xf6 }, 1, 0, 1, 0, BYTE_OP, FLAG_AF },
	{ "test", { 0xf7 }, 1, 0, IZ, 0, INTEGER, FLAG_AF },
	{ "test /1", { 0xf7 }, 1, 1, IZ, 0, INTEGER, FLAG_AF },
	BOTH("not", 0xf6, 2, 0),
	BOTH("neg", 0xf6, 3, 0),
	BOTH("inc", 0xfe, 0, 0),
	BOTH("dec", 0xfe, 1, 0),
	TWO("movzx", 0xb6, -1, 0, INTEGER, 0),
	TWO("movzx", 0xb7, -1, 0, INTEGER, 0),
	TWO("movsx", 0xbe, -1, 0, INTEGER, 0),
	TWO("movsx", 0xbf, -1, 0, INTEGER, 0),
	TWO("cmpxchg", 0xb0, -1, 0, BYTE_OP, 0),
	TWO("cmpxchg", 0xb1, -1, 0, INTEGER, 0),
	TWO("xadd", 0xc0, -1, 0, BYTE_OP, 0),
	TWO("xadd", 0xc1, -1, 0, INTEGER, 0),
	TWO("bt", 0xa3, -1, 0, BIT_STRING, BT_UNDEFINED),
	TWO("bts", 0xab, -1, 0, BIT_STRING, BT_UNDEFINED),
	TWO("btr", 0xb3, -1, 0, BIT_STRING, BT_UNDEFINED),
	TWO("btc", 0xbb, -1, 0, BIT_STRING, BT_UNDEFINED),
	TWO("bt", 0xba, 4, 1, INTEGER, BT_UNDEFINED),
	TWO("bts", 0xba, 5, 1, INTEGER, BT_UNDEFINED),
	TWO("btr", 0xba, 6, 1, INTEGER, BT_UNDEFINED),
	TWO("btc", 0xba, 7, 1, INTEGER, BT_UNDEFINED),
	{ "movnti", { 0x0f, 0xc3 }, 2, -1, 0, 1, INTEGER, 0 },
	VEC("movups", 0x10, 0, VECTOR),
	VEC("movups", 0x11, 0, VECTOR),
	VEC("movupd", 0x10, 0x66, VECTOR),
	VEC("movss", 0x10, 0xf3, VECTOR),
	VEC("movss", 0x11, 0xf3, VECTOR),
	VEC("movsd", 0x10, 0xf2, VECTOR),
	VEC("movsd", 0x11, 0xf2, VECTOR),
	VEC("movaps", 0x28, 0, ALIGNED),
	VEC("movaps", 0x29, 0, ALIGNED),
	VEC("movntps", 0x2b, 0, ALIGNED),
	VEC("movdqa", 0x6f, 0x66, ALIGNED),
	VEC("movdqa", 0x7f, 0x66, ALIGNED),
	VEC("movdqu", 0x6f, 0xf3, VECTOR),
	VEC("movdqu", 0x7f, 0xf3, VECTOR),
	VEC("movd", 0x6e, 0x66, VECTOR),
	VEC("movd", 0x7e, 0x66, VECTOR),
	VEC("movq", 0x7e, 0xf3, VECTOR),
	VEC("movq", 0xd6, 0x66, VECTOR),
	VEC("movntdq", 0xe7, 0x66, ALIGNED),
	VEC("lddqu", 0xf0, 0xf2, VECTOR),
	{ "movntdqa", { 0x0f, 0x38, 0x2a }, 3, -1, 0, 0x66, ALIGNED, 0 },
};
/* clang-format on */

static bool is_vector(const struct pattern *p)
{
	return p->kind == VECTOR || p->kind == ALIGNED;
}

/* A random encoding: which base and index, displacement, operand size. */
struct choice {
	u8 base, index, scale, reg, mod, disp;
	bool use_index, w, opsize;
};

static struct choice choose(const struct pattern *p)
{
	u64 r = rnd();
	struct choice c = {
		.base = r & 15,
		.index = r >> 4 & 15,
		.scale = r >> 8 & 3,
		.reg = r >> 10 & 15,
		.mod = r >> 14 & 1,
		.disp = r >> 16 & 0x7f,
		.use_index = r >> 24 & 1,
		.w = r >> 25 & 1,
		.opsize = r >> 26 & 1,
	};

	/* rsp is the test's; the index must differ from the base to be given a value of its own. */
	if (c.base == X86_RSP)
		c.base = X86_RBX;
	if ((c.base & 7) == 5)
		c.mod = 1;
	if (c.index == X86_RSP || c.index == c.base)
		c.use_index = false;
	if (p->digit >= 0)
		c.reg = p->digit;
	else if (c.reg == X86_RSP && !is_vector(p))
		c.reg = X86_RDI;
	if (is_vector(p) || p->prefix == 1)
		c.opsize = false;
	/* The bit offset has a value of its own as well. */
	while (p->kind == BIT_STRING && (c.reg == c.base || c.reg == c.index || c.reg == X86_RSP))
		c.reg = (c.reg + 1) & 15;
	return c;
}

static unsigned int encode(const struct pattern *p, const struct choice *c, u8 *bytes)
{
	unsigned int n = 0, imm = p->imm;
	u8 rex = 0x40 | c->w << 3 | (p->digit < 0 ? c->reg >> 3 << 2 : 0) | c->base >> 3;
	bool sib = c->use_index || (c->base & 7) == 4;

	if (c->use_index)
		rex |= c->index >> 3 << 1;
	if (p->prefix > 1)
		bytes[n++] = p->prefix;
	if (c->opsize)
		bytes[n++] = 0x66;
	/* Without REX there are ah, ch, dh, bh. */
	if (rex != 0x40 || (rnd() & 1))
		bytes[n++] = rex;
	memcpy(bytes + n, p->opcode, p->opcode_len);
	n += p->opcode_len;
	bytes[n++] = c->mod << 6 | (c->reg & 7) << 3 | (sib ? 4 : c->base & 7);
	if (sib)
		bytes[n++] = c->scale << 6 | (c->use_index ? c->index & 7 : 4) << 3 | (c->base & 7);
	if (c->mod)
		bytes[n++] = c->disp;
	if (imm == IZ)
		imm = c->opsize && !c->w ? 2 : 4;
	while (imm--)
		bytes[n++] = rnd_value();
	return n;
}

/* The operand lies around the middle of the memory, often across a page boundary. */
static void place_operand(const struct pattern *p, const struct choice *c, struct machine *m)
{
	u64 address = m->base + 2 * PAGE + rnd() % 256 - 128;
	u64 index = rnd() % 16;

	if (p->kind == ALIGNED)
		address &= ~15ull;
	if (p->kind == BIT_STRING)
		m->regs.gpr[c->reg] = rnd() % 2048 - 1024;
	if (c->use_index) {
		m->regs.gpr[c->index] = index;
		address -= index << c->scale;
	}
	if (c->mod)
		address -= c->disp;
	m->regs.gpr[c->base] = address;
}

static u8 *native_memory, *native_code, *emulated_memory;
static bool have_avx;

static void map_memory(void)
{
	native_memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	native_code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	emulated_memory = malloc(MEMORY);
	ck_assert(native_memory != MAP_FAILED && native_code != MAP_FAILED && emulated_memory);
	have_avx = __builtin_cpu_supports("avx");
}

static void unmap_memory(void)
{
	munmap(native_memory, MEMORY);
	munmap(native_code, PAGE);
	free(emulated_memory);
}

static void random_machine(struct machine *m)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < 16; i++)
		m->regs.gpr[i] = i == X86_RSP ? 0 : rnd_value();
	for (i = 0; i < sizeof(m->regs.vec) / 8; i++)
		((u64 *)m->regs.vec)[i] = rnd();
	m->regs.rflags = 2 | (rnd() & ARITH);
	m->rip = 0x401000;
	m->cr0 = 0x80000011;
	m->base = (u64)native_memory;
	m->memory = emulated_memory;
	m->fault_at = NOWHERE;
	m->error_at = NOWHERE;
	for (i = 0; i < 8 * 32; i++)
		((u64 *)(native_memory + 2 * PAGE - 1024))[i] = rnd_value();
}

/* Runs bytes both ways from the state of m and compares all there is. */
static void compare(struct machine *m, const u8 *bytes, unsigned int len, const char *name,
		    u64 undefined)
{
	static struct emulator em;
	struct registers native = m->regs;
	u64 rip = m->rip;
	unsigned int i;

	memcpy(emulated_memory, native_memory, MEMORY);
	memcpy(native_code, bytes, len);
	native_code[len] = 0xc3;
	run_native(&native, native_code, have_avx);
	native.rflags &= ARITH | FLAG_DF;

	must(emulate(m, &em, bytes, len, DECODE_64) == EMULATE_DONE);
	must(m->rip == rip + len);
	for (i = 0; i < 16; i++)
		if (m->regs.gpr[i] != native.gpr[i])
			ck_abort_msg("%s %02x %02x %02x: r%u %llx, want %llx", name, bytes[0],
				     bytes[1], bytes[2], i, m->regs.gpr[i], native.gpr[i]);
	if ((m->regs.rflags ^ native.rflags) & (ARITH | FLAG_DF) & ~undefined)
		ck_abort_msg("%s %02x %02x %02x: flags %llx, want %llx", name, bytes[0], bytes[1],
			     bytes[2], m->regs.rflags, native.rflags);
	if (memcmp(native_memory, emulated_memory, MEMORY))
		ck_abort_msg("%s %02x %02x %02x: memory", name, bytes[0], bytes[1], bytes[2]);
	if (memcmp(native.vec, m->regs.vec, sizeof(native.vec)))
		ck_abort_msg("%s %02x %02x %02x: vectors", name, bytes[0], bytes[1], bytes[2]);
}

START_TEST(emulate_as_the_processor)
{
	const struct pattern *p = &patterns[_i];
	struct machine m;
	unsigned int i, len;
	u8 bytes[16];

	map_memory();
	random_state ^= _i * 0x9e3779b97f4a7c15ull;
	for (i = 0; i < 2000; i++) {
		struct choice c = choose(p);

		random_machine(&m);
		m.ram_pages = rnd() & 15;
		len = encode(p, &c, bytes);
		place_operand(p, &c, &m);
		compare(&m, bytes, len, p->name, p->undefined);
	}
	unmap_memory();
}
END_TEST

/* All pairs of bytes and both carries: every flag of every byte operation. */
START_TEST(emulate_all_byte_flags)
{
	static const u8 alu[8] = { 0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38 };
	u8 bytes[2] = { alu[_i], 0x0b }; /* op [rbx], cl */
	struct machine m;
	unsigned int a, b;

	map_memory();
	random_machine(&m);
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b += 1 + (a & 3)) {
			m.regs.rflags = 2 | ((a ^ b) & 1);
			m.regs.gpr[X86_RBX] = m.base + 64;
			m.regs.gpr[X86_RCX] = b;
			native_memory[64] = a;
			compare(&m, bytes, 2, "alu", _i == 1 || _i == 4 || _i == 6 ? FLAG_AF : 0);
		}
	}
	unmap_memory();
}
END_TEST

/* Strings of all sizes, both directions, with and without rep, rcx from 0 up, 67 too. */
START_TEST(emulate_strings_as_the_processor)
{
	static const u8 opcodes[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
	struct machine m;
	unsigned int i;

	map_memory();
	for (i = 0; i < 10000; i++) {
		u64 r = rnd();
		u8 bytes[8], opcode = opcodes[r % 10];
		unsigned int n = 0;

		random_machine(&m);
		if (r >> 8 & 1) /* equal bytes, so that repe goes on */
			memset(native_memory + 2 * PAGE - 1024, r >> 16, 2048);
		m.regs.rflags |= r >> 9 & 1 ? FLAG_DF : 0;
		m.regs.gpr[X86_RSI] = m.base + 2 * PAGE + (r >> 24) % 256 - 128;
		m.regs.gpr[X86_RDI] = m.base + 2 * PAGE + (r >> 32) % 256 - 128;
		m.regs.gpr[X86_RCX] = (r >> 40) % 6;
		if (r >> 8 & 1)
			m.regs.gpr[X86_RAX] = (u64)(u8)(r >> 16) * 0x0101010101010101ull;
		m.ram_pages = r >> 60;
		if (r >> 10 & 1)
			bytes[n++] = r >> 11 & 1 ? 0xf3 : 0xf2;
		if (r >> 12 & 1)
			bytes[n++] = 0x66;
		if (r >> 13 & 1)
			bytes[n++] = 0x48;
		bytes[n++] = opcode;
		compare(&m, bytes, n, "string", 0);
	}
	unmap_memory();
}
END_TEST

START_TEST(emulate_avx_as_the_processor)
{
	static const struct {
		u8 bytes[5];
		u8 len;
		bool aligned;
	} insns[] = {
		{ "\xc5\xfe\x6f\x2b", 4, false }, /* vmovdqu ymm5, [rbx] */
		{ "\xc5\xfe\x7f\x2b", 4, false },
		{ "\xc5\xfa\x6f\x2b", 4, false }, /* vmovdqu xmm5, [rbx]: clears the upper half */
		{ "\xc5\x7a\x7f\x3b", 4, false },
		{ "\xc5\xfd\x6f\x0b", 4, true }, /* vmovdqa ymm1, [rbx] */
		{ "\xc5\xfc\x29\x0b", 4, true }, /* vmovaps [rbx], ymm1 */
		{ "\xc5\xfc\x10\x13", 4, false }, /* vmovups ymm2, [rbx] */
		{ "\xc5\xfa\x10\x13", 4, false }, /* vmovss xmm2, [rbx] */
		{ "\xc5\xfb\x11\x13", 4, false }, /* vmovsd [rbx], xmm2 */
		{ "\xc5\xf9\x6e\x13", 4, false }, /* vmovd xmm2, [rbx] */
		{ "\xc4\xe1\xf9\x6e\x13", 5, false }, /* vmovq xmm2, [rbx] */
		{ "\xc5\xfa\x7e\x13", 4, false }, /* vmovq xmm2, [rbx] */
		{ "\xc5\xfd\xe7\x13", 4, true }, /* vmovntdq [rbx], ymm2 */
	};
	struct machine m;
	unsigned int i, k;

	map_memory();
	for (i = 0; have_avx && i < sizeof(insns) / sizeof(insns[0]); i++) {
		for (k = 0; k < 500; k++) {
			random_machine(&m);
			m.regs.gpr[X86_RBX] = m.base + 2 * PAGE + rnd() % 128 - 64;
			if (insns[i].aligned)
				m.regs.gpr[X86_RBX] &= ~31ull;
			compare(&m, insns[i].bytes, insns[i].len, "avx", 0);
		}
	}
	unmap_memory();
}
END_TEST

/* Fixtures for the rest: flat memory at 0x10000, 32-bit flat segments, protected mode. */
static struct machine mach;
static struct emulator emul;

static void setup_machine(void)
{
	unsigned int i;

	memset(&mach, 0, sizeof(mach));
	mach.memory = malloc(MEMORY);
	for (i = 0; i < MEMORY; i++)
		mach.memory[i] = i * 7 + i / 256;
	mach.base = 0x10000;
	mach.rip = 0x2000;
	mach.cr0 = 0x80000011;
	mach.regs.rflags = 2;
	mach.fault_at = NOWHERE;
	mach.error_at = NOWHERE;
	for (i = 0; i < 6; i++)
		mach.seg[i] = (struct kvm_segment){
			.limit = 0xffffffff, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
		};
	mach.seg[X86_SEG_CS].type = 11;
}

static void teardown_machine(void)
{
	free(mach.memory);
}

static enum emulate_result run(const char *bytes, unsigned int len, enum decode_mode mode)
{
	return emulate(&mach, &emul, (const u8 *)bytes, len, mode);
}

#define RUN(bytes, mode) run(bytes, sizeof(bytes) - 1, mode)
#define GPA(offset) (GPA_BASE + (PAGES - 1 - (offset) / PAGE) * PAGE + (offset) % PAGE)

static u64 memory_at(unsigned int offset, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, mach.memory + offset, size);
	return value;
}

static void expect_request(unsigned int i, bool write, u64 gpa, u32 size)
{
	ck_assert_uint_lt(i, nr_requests);
	ck_assert_int_eq(requests[i].write, write);
	ck_assert_uint_eq(requests[i].gpa, gpa);
	ck_assert_uint_eq(requests[i].size, size);
}

static void expect_fault(enum emulate_result result, u8 vector, bool has_error_code, u32 error_code,
			 u64 cr2)
{
	ck_assert_int_eq(result, EMULATE_FAULT);
	ck_assert_uint_eq(emul.fault.vector, vector);
	ck_assert_int_eq(emul.fault.has_error_code, has_error_code);
	ck_assert_uint_eq(emul.fault.error_code, error_code);
	if (vector == WALK_VECTOR_PF)
		ck_assert_uint_eq(emul.fault.cr2, cr2);
	ck_assert_uint_eq(mach.rip, 0x2000);
	ck_assert_uint_eq(nr_requests, 0);
}

/* A register of a device is read and written by one access of its size. */
START_TEST(emulate_one_access_per_operand)
{
	static const struct {
		const char *bytes;
		u8 len, size;
	} loads[] = {
		{ "\x8a\x03", 2, 1 },	  { "\x66\x8b\x03", 3, 2 },	{ "\x8b\x03", 2, 4 },
		{ "\x48\x8b\x03", 3, 8 }, { "\x48\x0f\xb6\x03", 4, 1 }, { "\x48\x63\x03", 3, 4 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		mach.regs.gpr[X86_RBX] = 0x10008;
		ck_assert_int_eq(run(loads[i].bytes, loads[i].len, DECODE_64), EMULATE_DONE);
		ck_assert_uint_eq(nr_requests, 1);
		expect_request(0, false, GPA(8), loads[i].size);
	}
	mach.regs.gpr[X86_RBX] = 0x10008;
	mach.regs.gpr[X86_RCX] = 0x1122334455667788ull;
	ck_assert_int_eq(RUN("\x89\x0b", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 1);
	expect_request(0, true, GPA(8), 4);
	ck_assert_uint_eq(requests[0].data, 0x55667788);
	/* An immediate is extended to the operand size. */
	ck_assert_int_eq(RUN("\x48\xc7\x03\xfe\xff\xff\xff", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(requests[0].data, (u64)-2);
}
END_TEST

START_TEST(emulate_read_modify_write_is_a_read_and_a_write)
{
	mach.regs.gpr[X86_RBX] = 0x10010;
	memset(mach.memory + 16, 0, 8);
	ck_assert_int_eq(RUN("\xf0\x83\x0b\x05", DECODE_64), EMULATE_DONE); /* lock or */
	ck_assert_uint_eq(nr_requests, 2);
	expect_request(0, false, GPA(16), 4);
	expect_request(1, true, GPA(16), 4);
	ck_assert_uint_eq(requests[1].data, 5);
	/* It is translated once, for a write. */
	ck_assert_uint_eq(mach.translations, 1);
	ck_assert_uint_eq(mach.accesses, WALK_WRITE);
	/* Comparing writes nothing. */
	ck_assert_int_eq(RUN("\x83\x3b\x05", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 1);
	ck_assert_uint_eq(mach.accesses, WALK_READ);
	ck_assert(mach.regs.rflags & FLAG_ZF);
}
END_TEST

/* cmpxchg that fails writes back what it read (SDM CMPXCHG). */
START_TEST(emulate_failed_cmpxchg_writes_the_old_value)
{
	mach.regs.gpr[X86_RBX] = 0x10000;
	mach.regs.gpr[X86_RAX] = ~0ull;
	mach.regs.gpr[X86_RCX] = 0x77;
	memcpy(mach.memory, "\x01\x02\x03\x04", 4);
	ck_assert_int_eq(RUN("\xf0\x0f\xb1\x0b", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 2);
	ck_assert_uint_eq(requests[1].data, 0x04030201);
	ck_assert_uint_eq(mach.regs.gpr[X86_RAX], 0x04030201);
	ck_assert(!(mach.regs.rflags & FLAG_ZF));
	ck_assert_int_eq(RUN("\xf0\x0f\xb1\x0b", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(requests[1].data, 0x77);
	ck_assert(mach.regs.rflags & FLAG_ZF);
}
END_TEST

START_TEST(emulate_splits_at_the_page_boundary)
{
	u64 want = memory_at(PAGE - 3, 8);

	mach.regs.gpr[X86_RBX] = 0x10000 + PAGE - 3;
	ck_assert_int_eq(RUN("\x48\x8b\x03", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 2);
	expect_request(0, false, GPA(PAGE - 3), 3);
	expect_request(1, false, GPA(PAGE), 5);
	ck_assert_uint_eq(mach.regs.gpr[X86_RAX], want);

	/* 32 bytes, 13 of them in the first page. */
	mach.regs.gpr[X86_RBX] = 0x10000 + PAGE - 13;
	ck_assert_int_eq(RUN("\xc5\xfe\x7f\x0b", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 5);
	expect_request(0, true, GPA(PAGE - 13), 8);
	expect_request(1, true, GPA(PAGE - 5), 5);
	expect_request(2, true, GPA(PAGE), 8);
	expect_request(3, true, GPA(PAGE + 8), 8);
	expect_request(4, true, GPA(PAGE + 16), 3);
}
END_TEST

/* The page that faults may be the second: nothing has been asked of the device by then. */
START_TEST(emulate_faults_before_it_does_anything)
{
	mach.regs.gpr[X86_RBX] = 0x10000 + PAGE - 3;
	mach.regs.gpr[X86_RCX] = 1;
	mach.fault_at = 0x10000 + PAGE;
	expect_fault(RUN("\x48\x01\x0b", DECODE_64), WALK_VECTOR_PF, true, 2, 0x10000 + PAGE);
	expect_fault(RUN("\x48\x8b\x03", DECODE_64), WALK_VECTOR_PF, true, 0, 0x10000 + PAGE);
	ck_assert_int_eq(emulate_step(&emul), EMULATE_UNHANDLED);
	mach.fault_at = 0x10000;
	expect_fault(RUN("\x48\x89\x0b", DECODE_64), WALK_VECTOR_PF, true, 2, 0x10000 + PAGE - 3);
	/* movs: the destination is checked before the source is read. */
	mach.regs.gpr[X86_RSI] = 0x10000 + 2 * PAGE;
	mach.regs.gpr[X86_RDI] = 0x10000;
	expect_fault(RUN("\xf3\xa5", DECODE_64), WALK_VECTOR_PF, true, 2, 0x10000);
	ck_assert_uint_eq(mach.regs.gpr[X86_RSI], 0x10000 + 2 * PAGE);
	ck_assert_uint_eq(mach.regs.gpr[X86_RCX], 1);
}
END_TEST

/* In the middle of a rep the fault comes with the registers of the iterations that are done. */
START_TEST(emulate_rep_stops_at_a_fault)
{
	mach.regs.gpr[X86_RDI] = 0x10000 + PAGE - 8;
	mach.regs.gpr[X86_RCX] = 5;
	mach.fault_at = 0x10000 + PAGE;
	ck_assert_int_eq(RUN("\xf3\xab", DECODE_64), EMULATE_FAULT);
	ck_assert_uint_eq(nr_requests, 2);
	ck_assert_uint_eq(mach.regs.gpr[X86_RCX], 3);
	ck_assert_uint_eq(mach.regs.gpr[X86_RDI], 0x10000 + PAGE);
	ck_assert_uint_eq(mach.rip, 0x2000);
	ck_assert_uint_eq(emul.fault.cr2, 0x10000 + PAGE);
}
END_TEST

START_TEST(emulate_rep_is_one_iteration_per_step)
{
	struct x86_insn insn;

	mach.ram = true;
	mach.regs.gpr[X86_RDI] = 0x10000;
	mach.regs.gpr[X86_RCX] = 2;
	ck_assert_int_eq(decode_insn(&insn, (const u8 *)"\xf3\xaa", 2, DECODE_64), 0);
	emulate_start(&emul, &insn, &machine_ops, &mach);
	ck_assert_int_eq(emulate_step(&emul), EMULATE_REPEAT);
	ck_assert_uint_eq(mach.rip, 0x2000);
	ck_assert_uint_eq(mach.regs.gpr[X86_RCX], 1);
	ck_assert_uint_eq(mach.regs.gpr[X86_RDI], 0x10001);
	ck_assert_int_eq(emulate_step(&emul), EMULATE_DONE);
	ck_assert_uint_eq(mach.rip, 0x2002);
	/* Over: another step has nothing to do. */
	ck_assert_int_eq(emulate_step(&emul), EMULATE_UNHANDLED);
	ck_assert_int_eq(emul.error, -EINVAL);
}
END_TEST

/* A request can be dropped, and then nothing of the instruction has happened. */
START_TEST(emulate_cancel_forgets_the_request)
{
	struct x86_insn insn;

	mach.regs.gpr[X86_RBX] = 0x10000;
	mach.regs.gpr[X86_RAX] = 0x55;
	ck_assert_int_eq(decode_insn(&insn, (const u8 *)"\x8b\x03", 2, DECODE_64), 0);
	emulate_start(&emul, &insn, &machine_ops, &mach);
	ck_assert(!emulate_pending(&emul));
	ck_assert_int_eq(emulate_step(&emul), EMULATE_READ);
	ck_assert(emulate_pending(&emul));
	emulate_cancel(&emul);
	ck_assert(!emulate_pending(&emul));
	ck_assert_int_eq(emulate_step(&emul), EMULATE_UNHANDLED);
	ck_assert_uint_eq(mach.regs.gpr[X86_RAX], 0x55);
	ck_assert_uint_eq(mach.rip, 0x2000);
	/* And starts over as if it had never been. */
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(mach.regs.gpr[X86_RAX], memory_at(0, 4));
}
END_TEST

START_TEST(emulate_ram_to_device_and_back)
{
	mach.ram_pages = 1 << (PAGES - 1); /* linear page 0 */
	mach.regs.gpr[X86_RSI] = 0x10010;
	mach.regs.gpr[X86_RDI] = 0x10000 + PAGE;
	ck_assert_int_eq(RUN("\x48\xa5", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 1);
	expect_request(0, true, GPA(PAGE), 8);
	ck_assert_uint_eq(requests[0].data, memory_at(0x10, 8));
	mach.regs.gpr[X86_RSI] = 0x10000 + 2 * PAGE;
	mach.regs.gpr[X86_RDI] = 0x10100;
	ck_assert_int_eq(RUN("\x48\xa5", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 1);
	expect_request(0, false, GPA(2 * PAGE), 8);
	ck_assert_uint_eq(memory_at(0x100, 8), memory_at(2 * PAGE, 8));
}
END_TEST

START_TEST(emulate_reports_failing_callbacks)
{
	mach.error_at = GPA(0);
	mach.regs.gpr[X86_RBX] = 0x10000;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_64), EMULATE_UNHANDLED);
	ck_assert_int_eq(emul.error, -EFAULT);
	ck_assert_int_eq(RUN("\x89\x03", DECODE_64), EMULATE_UNHANDLED);
	ck_assert_int_eq(emul.error, -EFAULT);
	ck_assert_uint_eq(mach.rip, 0x2000);
}
END_TEST

START_TEST(emulate_refuses_what_is_not_its_own)
{
	struct emulate_ops no_vectors = machine_ops;
	struct x86_insn insn;

	ck_assert_int_eq(RUN("\x0f\xa2", DECODE_64), EMULATE_UNHANDLED);
	ck_assert_int_eq(emul.error, 0);
	ck_assert_int_eq(RUN("\x6e", DECODE_64), EMULATE_UNHANDLED);
	no_vectors.read_vec = NULL;
	ck_assert_int_eq(decode_insn(&insn, (const u8 *)"\x0f\x10\x03", 3, DECODE_64), 0);
	emulate_start(&emul, &insn, &no_vectors, &mach);
	ck_assert_int_eq(emulate_step(&emul), EMULATE_UNHANDLED);
	ck_assert_int_eq(emul.error, 0);
}
END_TEST

START_TEST(emulate_canonical_addresses)
{
	mach.regs.gpr[X86_RBX] = 0x0000800000000000ull;
	expect_fault(RUN("\x8b\x03", DECODE_64), WALK_VECTOR_GP, true, 0, 0);
	mach.regs.gpr[X86_RBP] = 0xffff7fffffffffffull;
	expect_fault(RUN("\x8b\x45\x00", DECODE_64), WALK_VECTOR_SS, true, 0, 0);
	/* The last byte counts too. */
	mach.regs.gpr[X86_RBX] = 0x00007ffffffffffdull;
	expect_fault(RUN("\x8b\x03", DECODE_64), WALK_VECTOR_GP, true, 0, 0);
	/* With LA57 there is more that is canonical, and what faults is the page. */
	mach.cr4 = 1 << 12;
	mach.regs.gpr[X86_RBX] = 0x0000800000000000ull;
	mach.fault_at = mach.regs.gpr[X86_RBX];
	expect_fault(RUN("\x8b\x03", DECODE_64), WALK_VECTOR_PF, true, 0, 0x0000800000000000ull);
	mach.regs.gpr[X86_RBX] = 0x0100000000000000ull;
	expect_fault(RUN("\x8b\x03", DECODE_64), WALK_VECTOR_GP, true, 0, 0);
}
END_TEST

START_TEST(emulate_aligned_vectors)
{
	mach.regs.gpr[X86_RBX] = 0x10008;
	expect_fault(RUN("\x0f\x28\x03", DECODE_64), WALK_VECTOR_GP, true, 0, 0);
	ck_assert_int_eq(RUN("\x0f\x10\x03", DECODE_64), EMULATE_DONE);
	/* vmovdqa ymm wants 32. */
	mach.rip = 0x2000;
	mach.regs.gpr[X86_RBX] = 0x10010;
	expect_fault(RUN("\xc5\xfd\x6f\x03", DECODE_64), WALK_VECTOR_GP, true, 0, 0);
	ck_assert_int_eq(RUN("\x0f\x28\x03", DECODE_64), EMULATE_DONE);
}
END_TEST

/* In 64-bit mode only FS and GS have a base. */
START_TEST(emulate_segment_bases)
{
	mach.seg[X86_SEG_DS].base = 0x5000;
	mach.seg[X86_SEG_GS].base = 0x10000;
	mach.regs.gpr[X86_RBX] = 0x10020;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_64), EMULATE_DONE);
	expect_request(0, false, GPA(0x20), 4);
	mach.regs.gpr[X86_RBX] = 0x28;
	ck_assert_int_eq(RUN("\x65\x8b\x03", DECODE_64), EMULATE_DONE);
	expect_request(0, false, GPA(0x28), 4);
	mach.regs.gpr[X86_RBX] = 0xb030;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_32), EMULATE_DONE);
	expect_request(0, false, GPA(0x30), 4);
	/* Linear addresses wrap at 4 GiB, also within an operand. */
	mach.seg[X86_SEG_DS].base = 0xfffff000;
	mach.regs.gpr[X86_RBX] = 0x11040;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_32), EMULATE_DONE);
	expect_request(0, false, GPA(0x40), 4);
	mach.rip = 0x2000;
	mach.base = 0xfffff000;
	mach.fault_at = 0;
	mach.regs.gpr[X86_RBX] = 0xffe;
	expect_fault(RUN("\x8b\x03", DECODE_32), WALK_VECTOR_PF, true, 0, 0);
}
END_TEST

START_TEST(emulate_segment_limits)
{
	struct kvm_segment *ds = &mach.seg[X86_SEG_DS];

	ds->limit = 0x10003;
	mach.regs.gpr[X86_RBX] = 0x10000;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_32), EMULATE_DONE);
	mach.rip = 0x2000;
	mach.regs.gpr[X86_RBX] = 0x10001;
	expect_fault(RUN("\x8b\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	ck_assert_int_eq(RUN("\x8a\x03", DECODE_32), EMULATE_DONE);
	/* The stack segment has its own vector. */
	mach.rip = 0x2000;
	mach.seg[X86_SEG_SS].limit = 0xfff;
	mach.regs.gpr[X86_RBP] = 0x10000;
	expect_fault(RUN("\x8b\x45\x00", DECODE_32), WALK_VECTOR_SS, true, 0, 0);
	/* Near 4 GiB nothing wraps into the limit. */
	ds->limit = 0xfffffffe;
	mach.regs.gpr[X86_RBX] = 0xfffffffd;
	expect_fault(RUN("\x8b\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
}
END_TEST

/* Expand-down: valid are the offsets above the limit, to 64 KiB or 4 GiB by the B flag. */
START_TEST(emulate_segment_expand_down)
{
	struct kvm_segment *ds = &mach.seg[X86_SEG_DS];

	ds->type = 7;
	ds->limit = 0x10000;
	mach.regs.gpr[X86_RBX] = 0x10000;
	expect_fault(RUN("\x8a\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.regs.gpr[X86_RBX] = 0x10001;
	ck_assert_int_eq(RUN("\x8a\x03", DECODE_32), EMULATE_DONE);
	mach.rip = 0x2000;
	ds->db = 0;
	ds->base = 0x8000;
	ds->limit = 0x7fff;
	mach.regs.gpr[X86_RBX] = 0x10000;
	expect_fault(RUN("\x8a\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.regs.gpr[X86_RBX] = 0xffff;
	expect_fault(RUN("\x66\x8b\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.regs.gpr[X86_RBX] = 0x8000;
	ck_assert_int_eq(RUN("\x8a\x03", DECODE_32), EMULATE_DONE);
	expect_request(0, false, GPA(0), 1);
}
END_TEST

START_TEST(emulate_segment_rights)
{
	struct kvm_segment *ds = &mach.seg[X86_SEG_DS];

	mach.regs.gpr[X86_RBX] = 0x10000;
	ds->type = 1; /* read-only data */
	expect_fault(RUN("\x88\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	expect_fault(RUN("\xfe\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	ck_assert_int_eq(RUN("\x8a\x03", DECODE_32), EMULATE_DONE);
	mach.rip = 0x2000;
	/* Code: readable or not, never writable. */
	expect_fault(RUN("\x2e\x88\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.seg[X86_SEG_CS].type = 9;
	expect_fault(RUN("\x2e\x8a\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	/* A null selector, what is not present, a system descriptor. */
	mach.seg[X86_SEG_ES].unusable = 1;
	expect_fault(RUN("\x26\x8a\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.seg[X86_SEG_FS].present = 0;
	expect_fault(RUN("\x64\x8a\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.seg[X86_SEG_GS].s = 0;
	expect_fault(RUN("\x65\x8a\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	/* Virtual-8086 and real mode have limits only; real mode has no error codes either. */
	mach.regs.rflags |= FLAG_VM;
	ck_assert_int_eq(RUN("\x88\x03", DECODE_32), EMULATE_DONE);
	mach.rip = 0x2000;
	ds->limit = 0xffff;
	expect_fault(RUN("\x88\x03", DECODE_32), WALK_VECTOR_GP, true, 0, 0);
	mach.regs.rflags &= ~FLAG_VM;
	mach.cr0 = 0x10;
	expect_fault(RUN("\x88\x03", DECODE_32), WALK_VECTOR_GP, false, 0, 0);
	ds->limit = 0xffffffff;
	ck_assert_int_eq(RUN("\x88\x03", DECODE_32), EMULATE_DONE);
}
END_TEST

START_TEST(emulate_16_bit)
{
	mach.cr0 = 0x10;
	mach.base = 0xa0000;
	mach.seg[X86_SEG_ES] = (struct kvm_segment){
		.base = 0xa0000, .limit = 0xffff, .type = 3, .present = 1, .s = 1
	};
	mach.seg[X86_SEG_DS] = mach.seg[X86_SEG_ES];
	mach.seg[X86_SEG_SS] = mach.seg[X86_SEG_ES];
	/* bx + si wrap at 64 KiB; the upper halves of the registers do not count. */
	mach.regs.gpr[X86_RBX] = 0xabcd0000fff0ull;
	mach.regs.gpr[X86_RSI] = 0x12340020;
	mach.regs.gpr[X86_RAX] = 0x1111222233334444ull;
	ck_assert_int_eq(RUN("\x8b\x00", DECODE_16), EMULATE_DONE);
	expect_request(0, false, GPA(0x10), 2);
	ck_assert_uint_eq(mach.regs.gpr[X86_RAX], 0x1111222233330000ull | memory_at(0x10, 2));
	ck_assert_uint_eq(mach.rip, 0x2002);
	/* rep stosw: cx and di are 16 bits, their upper bits stay. */
	mach.regs.gpr[X86_RCX] = 0x70003;
	mach.regs.gpr[X86_RDI] = 0x50010;
	ck_assert_int_eq(RUN("\xf3\xab", DECODE_16), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 3);
	ck_assert_uint_eq(mach.regs.gpr[X86_RCX], 0x70000);
	ck_assert_uint_eq(mach.regs.gpr[X86_RDI], 0x50016);
	expect_request(2, true, GPA(0x14), 2);
	/* A word at 0xffff crosses the limit. */
	mach.rip = 0x2000;
	mach.regs.gpr[X86_RBX] = 0xffff;
	mach.regs.gpr[X86_RSI] = 0;
	expect_fault(RUN("\x8b\x00", DECODE_16), WALK_VECTOR_GP, false, 0, 0);
	mach.regs.gpr[X86_RBP] = 0xffff;
	expect_fault(RUN("\x8b\x02", DECODE_16), WALK_VECTOR_SS, false, 0, 0);
}
END_TEST

/* 67 in 64-bit mode: ecx, esi and edi count, and writing them clears their upper halves. */
START_TEST(emulate_32_bit_addresses_in_64_bit_mode)
{
	mach.regs.gpr[X86_RBX] = 0xffffffff00010050ull;
	ck_assert_int_eq(RUN("\x67\x8b\x03", DECODE_64), EMULATE_DONE);
	expect_request(0, false, GPA(0x50), 4);
	mach.regs.gpr[X86_RCX] = 0x9900000002ull;
	mach.regs.gpr[X86_RDI] = 0x9900010060ull;
	ck_assert_int_eq(RUN("\xf3\x67\xaa", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(nr_requests, 2);
	ck_assert_uint_eq(mach.regs.gpr[X86_RCX], 0);
	ck_assert_uint_eq(mach.regs.gpr[X86_RDI], 0x10062);
	/* eip-relative. */
	mach.rip = 0xffffffff00010000ull;
	ck_assert_int_eq(RUN("\x67\x8b\x05\x10\x00\x00\x00", DECODE_64), EMULATE_DONE);
	expect_request(0, false, GPA(0x17), 4);
}
END_TEST

START_TEST(emulate_rip_relative)
{
	mach.rip = 0x10100;
	ck_assert_int_eq(RUN("\xc7\x05\xf0\xff\xff\xff\x01\x00\x00\x00", DECODE_64), EMULATE_DONE);
	/* From the end of the instruction, the immediate included. */
	expect_request(0, true, GPA(0x100 + 10 - 16), 4);
	ck_assert_uint_eq(mach.rip, 0x1010a);
	/* eip wraps in 32-bit code. */
	mach.rip = 0xffffffff;
	mach.regs.gpr[X86_RBX] = 0x10000;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_32), EMULATE_DONE);
	ck_assert_uint_eq(mach.rip, 1);
}
END_TEST

START_TEST(emulate_clears_rf_and_leaves_other_flags)
{
	mach.regs.gpr[X86_RBX] = 0x10000;
	mach.regs.rflags = 0x202 | FLAG_RF | FLAG_DF | FLAG_CF;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(mach.regs.rflags, 0x202 | FLAG_DF | FLAG_CF);
	/* Flags that do not change are not written. */
	mach.flag_writes = 0;
	ck_assert_int_eq(RUN("\x8b\x03", DECODE_64), EMULATE_DONE);
	ck_assert_uint_eq(mach.flag_writes, 0);
}
END_TEST

static u64 linear(const char *bytes, unsigned int len, enum decode_mode mode, bool dst,
		  unsigned int size, int *ret)
{
	struct walk_fault fault;
	struct x86_insn insn;
	u64 address = 0;

	ck_assert_int_eq(decode_insn(&insn, (const u8 *)bytes, len, mode), 0);
	*ret = emulate_linear_address(&insn, dst ? &insn.dst : &insn.src, size, WALK_READ,
				      &machine_ops, &mach, &address, &fault);
	return address;
}

START_TEST(emulate_linear_addresses_of_other_instructions)
{
	int ret;

	mach.seg[X86_SEG_FS].base = 0x1000;
	mach.seg[X86_SEG_ES].base = 0x2000;
	mach.regs.gpr[X86_RSI] = 0x10;
	mach.regs.gpr[X86_RDI] = 0x20;
	ck_assert_uint_eq(linear("\x64\x6e", 2, DECODE_32, false, 1, &ret), 0x1010); /* outs */
	ck_assert_int_eq(ret, 0);
	/* The segment of ins cannot be overridden. */
	ck_assert_uint_eq(linear("\x64\x6c", 2, DECODE_32, true, 1, &ret), 0x2020);
	/* invlpg of whatever address: no fault. */
	mach.regs.gpr[X86_RBX] = 0x0000800000001234ull;
	ck_assert_uint_eq(linear("\x0f\x01\x3b", 3, DECODE_64, true, 0, &ret),
			  0x0000800000001234ull);
	ck_assert_int_eq(ret, 0);
	linear("\x0f\x01\x3b", 3, DECODE_64, true, 1, &ret);
	ck_assert_int_eq(ret, 1);
}
END_TEST

static Suite *emulate_suite(void)
{
	Suite *s = suite_create("emulate");
	TCase *native = tcase_create("native");
	TCase *tc = tcase_create("emulate");

	tcase_set_timeout(native, 60);
	tcase_add_loop_test(native, emulate_as_the_processor, 0,
			    sizeof(patterns) / sizeof(patterns[0]));
	tcase_add_loop_test(native, emulate_all_byte_flags, 0, 8);
	tcase_add_test(native, emulate_strings_as_the_processor);
	tcase_add_test(native, emulate_avx_as_the_processor);
	suite_add_tcase(s, native);

	tcase_add_checked_fixture(tc, setup_machine, teardown_machine);
	tcase_add_test(tc, emulate_one_access_per_operand);
	tcase_add_test(tc, emulate_read_modify_write_is_a_read_and_a_write);
	tcase_add_test(tc, emulate_failed_cmpxchg_writes_the_old_value);
	tcase_add_test(tc, emulate_splits_at_the_page_boundary);
	tcase_add_test(tc, emulate_faults_before_it_does_anything);
	tcase_add_test(tc, emulate_rep_stops_at_a_fault);
	tcase_add_test(tc, emulate_rep_is_one_iteration_per_step);
	tcase_add_test(tc, emulate_cancel_forgets_the_request);
	tcase_add_test(tc, emulate_ram_to_device_and_back);
	tcase_add_test(tc, emulate_reports_failing_callbacks);
	tcase_add_test(tc, emulate_refuses_what_is_not_its_own);
	tcase_add_test(tc, emulate_canonical_addresses);
	tcase_add_test(tc, emulate_aligned_vectors);
	tcase_add_test(tc, emulate_segment_bases);
	tcase_add_test(tc, emulate_segment_limits);
	tcase_add_test(tc, emulate_segment_expand_down);
	tcase_add_test(tc, emulate_segment_rights);
	tcase_add_test(tc, emulate_16_bit);
	tcase_add_test(tc, emulate_32_bit_addresses_in_64_bit_mode);
	tcase_add_test(tc, emulate_rip_relative);
	tcase_add_test(tc, emulate_clears_rf_and_leaves_other_flags);
	tcase_add_test(tc, emulate_linear_addresses_of_other_instructions);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(emulate_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
