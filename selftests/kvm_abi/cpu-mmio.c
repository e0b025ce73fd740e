// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest accesses where no memory slot is: every size and instruction form that guests use on device
 * memory, what userspace is told, and what the guest reads. The test answers reads out of a small
 * array, so that a form is judged by its effect however it was split into exits.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest.h"

#define MMIO_BASE 0xd0000000UL
#define MMIO_SIZE 0x2000UL

struct device {
	u8 bytes[MMIO_SIZE];
	unsigned int reads, writes, last_len;
	u64 last_gpa;
};

static void device_init(struct device *device)
{
	unsigned int i;

	memset(device, 0, sizeof(*device));
	for (i = 0; i < MMIO_SIZE; i++)
		device->bytes[i] = i * 7 + (i >> 8) + 1;
}

static void device_access(struct device *device, struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 offset = run->mmio.phys_addr - MMIO_BASE;

	CHECK_MSG(run->mmio.phys_addr >= MMIO_BASE && offset + run->mmio.len <= MMIO_SIZE,
		  "gpa %#llx len %u", run->mmio.phys_addr, run->mmio.len);
	CHECK_MSG(run->mmio.len >= 1 && run->mmio.len <= 8, "len %u", run->mmio.len);
	/* One exit never crosses a page: the next page may be another device or memory. */
	CHECK_EQ(offset >> 12, (offset + run->mmio.len - 1) >> 12);
	if (run->mmio.is_write) {
		memcpy(device->bytes + offset, run->mmio.data, run->mmio.len);
		device->writes++;
	} else {
		memset(run->mmio.data, 0xee, sizeof(run->mmio.data));
		memcpy(run->mmio.data, device->bytes + offset, run->mmio.len);
		device->reads++;
	}
	device->last_gpa = run->mmio.phys_addr;
	device->last_len = run->mmio.len;
}

/* Runs until the guest syncs or is done; every access on the way is the device's. */
static u16 run_with_device(struct vcpu *vcpu, struct device *device)
{
	device->reads = device->writes = 0;
	while (vcpu_run(vcpu) == KVM_EXIT_MMIO)
		device_access(device, vcpu);
	CHECK_MSG(vcpu->run->exit_reason == KVM_EXIT_IO, "exit %u %s", vcpu->run->exit_reason,
		  exit_name(vcpu->run->exit_reason));
	return vcpu->run->io.port;
}

static u64 model(const struct device *device, u64 offset, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, device->bytes + offset, size);
	return value;
}

static u64 sync_value(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	return regs.rdi;
}

/* --- plain moves --- */

static void guest_read_sizes(u64 arg)
{
	const u64 junk = 0x1122334455667788;
	u64 value;

#define READ(insn, offset)                                                               \
	do {                                                                             \
		value = junk;                                                            \
		asm volatile(insn : "+a"(value) : "b"(MMIO_BASE + (offset)) : "memory"); \
		guest_sync(value);                                                       \
	} while (0)
	READ("movb (%%rbx), %%al", 0x10);
	READ("movw (%%rbx), %%ax", 0x22);
	READ("movl (%%rbx), %%eax", 0x34);
	READ("movq (%%rbx), %%rax", 0x48);
	READ("movb (%%rbx), %%ah", 0x11);
	READ("movzbl (%%rbx), %%eax", 0x80);
	READ("movzbq (%%rbx), %%rax", 0x80);
	READ("movzwl (%%rbx), %%eax", 0x82);
	READ("movsbl (%%rbx), %%eax", 0x90);
	READ("movsbq (%%rbx), %%rax", 0x90);
	READ("movswq (%%rbx), %%rax", 0x92);
	READ("movslq (%%rbx), %%rax", 0x94);
	READ("movsbw (%%rbx), %%ax", 0x90);
	READ("movzbw (%%rbx), %%ax", 0x91);
}

TEST(read_sizes)
{
	const u64 junk = 0x1122334455667788;
	struct device device;
	struct vcpu vcpu;
	struct vm vm;
	u64 want[14];
	unsigned int i;

	device_init(&device);
	memset(device.bytes + 0x90, 0x85, 8);
	want[0] = (junk & ~0xffULL) | model(&device, 0x10, 1);
	want[1] = (junk & ~0xffffULL) | model(&device, 0x22, 2);
	want[2] = model(&device, 0x34, 4);
	want[3] = model(&device, 0x48, 8);
	want[4] = (junk & ~0xff00ULL) | model(&device, 0x11, 1) << 8;
	want[5] = want[6] = model(&device, 0x80, 1);
	want[7] = model(&device, 0x82, 2);
	want[8] = 0xffffff85;
	want[9] = 0xffffffffffffff85;
	want[10] = 0xffffffffffff8585;
	want[11] = 0xffffffff85858585;
	want[12] = (junk & ~0xffffULL) | 0xff85;
	want[13] = (junk & ~0xffffULL) | 0x85;
	guest_start(&vm, &vcpu, 0, guest_read_sizes, 0);
	for (i = 0; i < 14; i++) {
		CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
		CHECK_MSG(sync_value(&vcpu) == want[i], "form %u: got %#llx, expected %#llx", i,
			  (unsigned long long)sync_value(&vcpu), (unsigned long long)want[i]);
		CHECK_EQ(device.reads, 1);
		CHECK_EQ(device.writes, 0);
	}
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

static void guest_write_sizes(u64 arg)
{
#define WRITE(insn, offset)                                                                    \
	do {                                                                                   \
		asm volatile(insn ::"a"(0x1122334455667788), "b"(MMIO_BASE + (offset)), "c"(2) \
			     : "r8", "memory");                                                \
		guest_sync(0);                                                                 \
	} while (0)
	WRITE("movb %%al, (%%rbx)", 0x10);
	WRITE("movw %%ax, (%%rbx)", 0x22);
	WRITE("movl %%eax, (%%rbx)", 0x34);
	WRITE("movq %%rax, (%%rbx)", 0x48);
	WRITE("movb %%ah, (%%rbx)", 0x11);
	WRITE("movb $0x5a, (%%rbx)", 0x60);
	WRITE("movw $0x5a5b, (%%rbx)", 0x62);
	WRITE("movl $0x8a5b5c5d, (%%rbx)", 0x64);
	WRITE("movq $-2, (%%rbx)", 0x68);
	WRITE("movl %%eax, 0x100(%%rbx,%%rcx,4)", 0x70);
	WRITE("mov %%r9, %%r8; mov %%rbx, %%r9; movl %%eax, (%%r9); mov %%r8, %%r9", 0x74);
	WRITE("mov %%eax, %%gs:(%%rbx)", 0x78);
}

TEST(write_sizes)
{
	static const struct {
		u64 offset, value;
		unsigned int len;
	} want[] = {
		{ 0x10, 0x88, 1 },	 { 0x22, 0x7788, 2 },
		{ 0x34, 0x55667788, 4 }, { 0x48, 0x1122334455667788, 8 },
		{ 0x11, 0x77, 1 },	 { 0x60, 0x5a, 1 },
		{ 0x62, 0x5a5b, 2 },	 { 0x64, 0x8a5b5c5d, 4 },
		{ 0x68, -2ULL, 8 },	 { 0x178, 0x55667788, 4 },
		{ 0x74, 0x55667788, 4 }, { 0x78, 0x55667788, 4 },
	};
	struct device device;
	struct vcpu vcpu;
	struct vm vm;
	unsigned int i;

	guest_start(&vm, &vcpu, 0, guest_write_sizes, 0);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		device_init(&device);
		CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
		CHECK_EQ(device.writes, 1);
		CHECK_EQ(device.reads, 0);
		CHECK_EQ(device.last_gpa - MMIO_BASE, want[i].offset);
		CHECK_EQ(device.last_len, want[i].len);
		CHECK_EQ(model(&device, want[i].offset, want[i].len), want[i].value);
	}
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* The absolute forms A0-A3 and RIP-independent addressing with the 67 prefix. */
static void guest_moffs(u64 arg)
{
	u64 value = 0;

	asm volatile("movabs 0xd0000010, %%al" : "+a"(value)::"memory");
	guest_sync(value);
	value = 0;
	asm volatile("movabs 0xd0000020, %%rax" : "+a"(value)::"memory");
	guest_sync(value);
	asm volatile("movabs %%eax, 0xd0000030" ::"a"(0x12345678) : "memory");
	asm volatile("movl (%%ebx), %%eax"
		     : "=a"(value)
		     : "b"(0xffffffff00000000 | (MMIO_BASE + 0x30))
		     : "memory");
	guest_sync(value);
}

TEST(absolute_and_short_addresses)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_moffs, 0);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), model(&device, 0x10, 1));
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), model(&device, 0x20, 8));
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), 0x12345678);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* --- alignment --- */

static void guest_unaligned(u64 arg)
{
	*(volatile u32 *)(MMIO_BASE + 0x13) = 0xa1b2c3d4;
	guest_sync(*(volatile u32 *)(MMIO_BASE + 0x13));
	*(volatile u64 *)(MMIO_BASE + 0x25) = 0x0102030405060708;
	guest_sync(*(volatile u64 *)(MMIO_BASE + 0x25));
	/* Over the end of a page: two exits, lower address first. */
	*(volatile u32 *)(MMIO_BASE + 0xffe) = 0x11223344;
	guest_sync(*(volatile u32 *)(MMIO_BASE + 0xffe));
	*(volatile u64 *)(MMIO_BASE + 0xffb) = 0x8877665544332211;
	guest_sync(*(volatile u64 *)(MMIO_BASE + 0xffb));
	*(volatile u16 *)(MMIO_BASE + 0xfff) = 0xbeef;
	guest_sync(*(volatile u16 *)(MMIO_BASE + 0xfff));
}

TEST(unaligned_and_page_crossing)
{
	static const u64 want[] = { 0xa1b2c3d4, 0x0102030405060708, 0x11223344, 0x8877665544332211,
				    0xbeef };
	struct device device;
	struct vcpu vcpu;
	struct vm vm;
	unsigned int i;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_unaligned, 0);
	for (i = 0; i < 5; i++) {
		CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
		CHECK_EQ(sync_value(&vcpu), want[i]);
		if (i >= 2)
			CHECK_EQ(device.writes, 2);
	}
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* Half in memory, half in a device: each gets its part. */
#define EDGE_GPA 0xcffff000UL

static void guest_edge(u64 arg)
{
	*(volatile u64 *)(MMIO_BASE - 4) = 0x1122334455667788;
	guest_sync(*(volatile u64 *)(MMIO_BASE - 4));
	GUEST_CHECK_EQ(*(volatile u32 *)(MMIO_BASE - 4), 0x55667788);
}

TEST(crossing_from_memory_to_device)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;
	u8 *edge;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_edge, 0);
	edge = vm_add_memory(&vm, 1, EDGE_GPA, 0x1000);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), 0x1122334455667788);
	CHECK_EQ(*(u32 *)(edge + 0xffc), 0x55667788);
	CHECK_EQ(model(&device, 0, 4), 0x11223344);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* --- read-modify-write and tests --- */

struct rmw {
	u64 operand; /* RAX */
	u64 want_memory, want_rax, want_flags;
};

#define FLAGS_MASK 0x8d5UL /* OF SF ZF AF PF CF */

/* 4 bytes 0x80000001 in the device, RAX = 0x7fffffff unless said; flags come back in RSI. */
#define RMW(insn)                                                        \
	do {                                                             \
		u64 rax_ = 0x7fffffff, flags_;                           \
		*(volatile u32 *)(MMIO_BASE + 0x40) = 0x80000001;        \
		asm volatile("push $2; popf;" insn "; pushf; pop %1"     \
			     : "+a"(rax_), "=&r"(flags_)                 \
			     : "b"(MMIO_BASE + 0x40)                     \
			     : "memory", "cc");                          \
		guest_signal(PORT_SYNC, rax_, flags_ &FLAGS_MASK, 0, 0); \
	} while (0)

static void guest_rmw(u64 arg)
{
	RMW("addl %%eax, (%%rbx)");
	RMW("orl %%eax, (%%rbx)");
	RMW("andl %%eax, (%%rbx)");
	RMW("subl %%eax, (%%rbx)");
	RMW("xorl %%eax, (%%rbx)");
	RMW("cmpl %%eax, (%%rbx)");
	RMW("addl (%%rbx), %%eax");
	RMW("orl (%%rbx), %%eax");
	RMW("andl (%%rbx), %%eax");
	RMW("cmpl (%%rbx), %%eax");
	RMW("testl %%eax, (%%rbx)");
	RMW("testb $1, (%%rbx)");
	RMW("orl $0x10, (%%rbx)");
	RMW("andl $0x7ffffffe, (%%rbx)");
	RMW("cmpl $0x80000001, (%%rbx)");
	RMW("cmpb $2, (%%rbx)");
	RMW("xchgl %%eax, (%%rbx)");
	RMW("incl (%%rbx)");
	RMW("btl $31, (%%rbx)");
	RMW("btsl $4, (%%rbx)");
	RMW("btrl $0, (%%rbx)");
	RMW("lock orl $2, (%%rbx)");
}

enum { F_CF = 1, F_PF = 4, F_AF = 0x10, F_ZF = 0x40, F_SF = 0x80, F_OF = 0x800 };

static const struct rmw rmw_want[] = {
	/* AF of logic operations is undefined: masked where 'operand' says so. */
	{ 0, 0x00000000, 0x7fffffff, F_ZF | F_CF | F_PF | F_AF }, /* add */
	{ F_AF, 0xffffffff, 0x7fffffff, F_SF | F_PF }, /* or */
	{ F_AF, 0x00000001, 0x7fffffff, 0 }, /* and */
	{ 0, 0x00000002, 0x7fffffff, F_OF | F_AF }, /* sub */
	{ F_AF, 0xfffffffe, 0x7fffffff, F_SF }, /* xor */
	{ 0, 0x80000001, 0x7fffffff, F_OF | F_AF }, /* cmp mem, reg */
	{ 0, 0x80000001, 0x00000000, F_ZF | F_CF | F_PF | F_AF }, /* add reg */
	{ F_AF, 0x80000001, 0xffffffff, F_SF | F_PF }, /* or reg */
	{ F_AF, 0x80000001, 0x00000001, 0 }, /* and reg */
	{ 0, 0x80000001, 0x7fffffff, F_OF | F_SF | F_CF }, /* cmp reg, mem */
	{ F_AF, 0x80000001, 0x7fffffff, 0 }, /* test */
	{ F_AF, 0x80000001, 0x7fffffff, 0 }, /* testb */
	{ F_AF, 0x80000011, 0x7fffffff, F_SF | F_PF }, /* or imm */
	{ F_AF, 0x00000000, 0x7fffffff, F_ZF | F_PF }, /* and imm */
	{ 0, 0x80000001, 0x7fffffff, F_ZF | F_PF }, /* cmp imm */
	{ 0, 0x80000001, 0x7fffffff, F_CF | F_AF | F_SF | F_PF }, /* cmpb: 1 - 2 = 0xff */
	{ 0, 0x7fffffff, 0x80000001, 0 }, /* xchg */
	{ 0, 0x80000002, 0x7fffffff, F_SF }, /* inc */
	{ F_AF | F_SF | F_PF | F_OF, 0x80000001, 0x7fffffff, F_CF }, /* bt */
	{ F_AF | F_SF | F_PF | F_OF, 0x80000011, 0x7fffffff, 0 }, /* bts */
	{ F_AF | F_SF | F_PF | F_OF, 0x80000000, 0x7fffffff, F_CF }, /* btr */
	{ F_AF, 0x80000003, 0x7fffffff, F_SF | F_PF }, /* lock or */
};

TEST(read_modify_write)
{
	struct device device;
	struct kvm_regs regs;
	struct vcpu vcpu;
	struct vm vm;
	unsigned int i;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_rmw, 0);
	for (i = 0; i < sizeof(rmw_want) / sizeof(rmw_want[0]); i++) {
		const struct rmw *want = &rmw_want[i];

		CHECK_MSG(run_with_device(&vcpu, &device) == PORT_SYNC, "form %u", i);
		vcpu_get_regs(&vcpu, &regs);
		CHECK_MSG(model(&device, 0x40, 4) == want->want_memory, "form %u: memory %#llx", i,
			  (unsigned long long)model(&device, 0x40, 4));
		CHECK_MSG(regs.rdi == want->want_rax, "form %u: rax %#llx", i, regs.rdi);
		CHECK_MSG((regs.rsi & ~want->operand) == want->want_flags, "form %u: flags %#llx",
			  i, regs.rsi);
	}
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* --- code that changes: what is remembered of an instruction must not outlive it --- */

#define STORE_TIMES 3 /* enough to be remembered */
#define STORE_EAX 0xa1a2a3a4
#define STORE_ECX 0xc1c2c3c4
#define STORE_EDX 0xd1d2d3d4

/* A store to RBX and a RET, and what it does. */
static const struct changing_store {
	u8 code[8];
	u64 offset, value;
	unsigned int len;
} changing_stores[] = {
	{ { 0x89, 0x03, 0xc3 }, 0x40, STORE_EAX, 4 },
	{ { 0x89, 0x0b, 0xc3 }, 0x40, STORE_ECX, 4 }, /* another register */
	{ { 0x66, 0x89, 0x0b, 0xc3 }, 0x40, STORE_ECX & 0xffff, 2 }, /* shorter, yet longer */
	{ { 0x88, 0x13, 0xc3 }, 0x40, STORE_EDX & 0xff, 1 },
	{ { 0x89, 0x43, 0x08, 0xc3 }, 0x48, STORE_EAX, 4 }, /* another place */
	{ { 0xc7, 0x03, 0x44, 0x33, 0x22, 0x11, 0xc3 }, 0x40, 0x11223344, 4 },
	{ { 0xc7, 0x03, 0x44, 0x33, 0x22, 0x12, 0xc3 }, 0x40, 0x12223344, 4 }, /* last byte */
	{ { 0x89, 0x13, 0xc3 }, 0x40, STORE_EDX, 4 },
};

#define CHANGING_STORES (sizeof(changing_stores) / sizeof(changing_stores[0]))

static void put_store(u64 page, unsigned int which)
{
	volatile u8 *code = (volatile u8 *)(GUEST_SMALL_PAGES + page * 0x1000 + 0x100);
	unsigned int i;

	for (i = 0; i < sizeof(changing_stores[0].code); i++)
		code[i] = changing_stores[which].code[i];
}

/* Always at the same linear address. */
static void call_store(unsigned int which)
{
	unsigned int i;

	for (i = 0; i < STORE_TIMES; i++)
		asm volatile("call *%%rsi" ::"S"(GUEST_SMALL_PAGES + 0x100), "a"(STORE_EAX),
			     "b"(MMIO_BASE + 0x40), "c"(STORE_ECX), "d"(STORE_EDX)
			     : "memory");
	guest_sync(which);
}

static void guest_changing_code(u64 arg)
{
	unsigned int i;

	for (i = 0; i < CHANGING_STORES; i++) {
		put_store(0, i);
		call_store(i);
	}
}

static void load_cr3(u64 cr3)
{
	asm volatile("mov %0, %%cr3" ::"r"(cr3) : "memory");
}

/* The same bytes stay in the same memory; what changes is which of it is at the address. */
static void guest_changing_tables(u64 arg)
{
	volatile u64 *pt = (volatile u64 *)GUEST_SMALL_PT;
	volatile u64 *tables = (volatile u64 *)GUEST_FREE;
	volatile u64 *pde =
		(volatile u64 *)(GUEST_PAGE_TABLES + 0x2000) + (GUEST_SMALL_PAGES >> 21);
	const u64 bits = PTE_P | PTE_W;
	unsigned int i;

	for (i = 0; i < 4; i++)
		put_store(i, i);
	call_store(0);
	/* the entry */
	pt[0] = (GUEST_SMALL_PAGES + 0x1000) | bits;
	asm volatile("invlpg (%0)" ::"r"(GUEST_SMALL_PAGES) : "memory");
	call_store(1);
	/* all tables: a copy, that has an entry of its own for it */
	for (i = 0; i < 7 * 512; i++)
		tables[i] = ((volatile u64 *)GUEST_PAGE_TABLES)[i];
	tables[0] = (GUEST_FREE + 0x1000) | bits;
	tables[512] = (GUEST_FREE + 0x2000) | bits;
	tables[1024 + (GUEST_SMALL_PAGES >> 21)] = (GUEST_FREE + 0x6000) | bits;
	tables[6 * 512] = (GUEST_SMALL_PAGES + 0x2000) | bits;
	load_cr3(GUEST_FREE);
	call_store(2);
	load_cr3(GUEST_PAGE_TABLES);
	call_store(1);
	/* the table that has the entry */
	tables[6 * 512] = (GUEST_SMALL_PAGES + 0x3000) | bits;
	*pde = (GUEST_FREE + 0x6000) | bits;
	load_cr3(GUEST_PAGE_TABLES);
	call_store(3);
	pt[0] = GUEST_SMALL_PAGES | bits;
	*pde = GUEST_SMALL_PT | bits;
	load_cr3(GUEST_PAGE_TABLES);
	call_store(0);
}

/* An eventfd per store of 4 bytes: the kernel answers those alone. */
static void add_doorbells(struct vm *vm, int fds[CHANGING_STORES])
{
	unsigned int i;

	for (i = 0; i < CHANGING_STORES; i++) {
		struct kvm_ioeventfd doorbell = {
			.addr = MMIO_BASE + changing_stores[i].offset,
			.len = 4,
			.datamatch = changing_stores[i].value,
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		};

		fds[i] = -1;
		if (changing_stores[i].len != 4)
			continue;
		fds[i] = doorbell.fd = eventfd(0, EFD_NONBLOCK);
		CHECK_OK(fds[i]);
		CHECK_OK(ioctl(vm->fd, KVM_IOEVENTFD, &doorbell));
	}
}

static void check_store(const struct device *device, unsigned int which, int doorbell)
{
	const struct changing_store *want = &changing_stores[which];
	u64 rung = 0;

	if (doorbell >= 0) {
		CHECK_MSG(read(doorbell, &rung, sizeof(rung)) == sizeof(rung), "store %u", which);
		CHECK_EQ(rung, STORE_TIMES);
		CHECK_EQ(device->writes, 0);
		return;
	}
	CHECK_MSG(device->writes == STORE_TIMES, "store %u: %u writes", which, device->writes);
	CHECK_EQ(device->last_gpa - MMIO_BASE, want->offset);
	CHECK_EQ(device->last_len, want->len);
	CHECK_EQ(model(device, want->offset, want->len), want->value);
}

static void check_changing(void (*guest)(u64), bool doorbells)
{
	int fds[CHANGING_STORES] = {};
	struct device device;
	struct vcpu vcpu;
	struct vm vm;
	u64 which;

	guest_start(&vm, &vcpu, 0, guest, 0);
	if (doorbells)
		add_doorbells(&vm, fds);
	for (;;) {
		device_init(&device);
		if (run_with_device(&vcpu, &device) == PORT_DONE)
			break;
		which = sync_value(&vcpu);
		CHECK(which < CHANGING_STORES);
		check_store(&device, which, doorbells ? fds[which] : -1);
	}
}

TEST(changing_code)
{
	check_changing(guest_changing_code, false);
}

TEST(changing_code_kernel_device)
{
	check_changing(guest_changing_code, true);
}

TEST(changing_page_tables)
{
	check_changing(guest_changing_tables, false);
}

TEST(changing_page_tables_kernel_device)
{
	check_changing(guest_changing_tables, true);
}

/* --- string instructions --- */

static u8 source[64], target[64];

static void guest_strings(u64 arg)
{
	u64 rsi, rdi, rcx, rax;
	u32 i;

	for (i = 0; i < 32; i++)
		((volatile u8 *)source)[i] = 0xc0 + i;
	/* memory to device */
	rsi = (u64)source, rdi = MMIO_BASE + 0x100, rcx = 5;
	asm volatile("cld; rep movsb" : "+S"(rsi), "+D"(rdi), "+c"(rcx)::"memory");
	GUEST_CHECK_EQ(rcx, 0);
	GUEST_CHECK_EQ(rdi, MMIO_BASE + 0x105);
	GUEST_CHECK_EQ(rsi, (u64)source + 5);
	/* device to memory, 4 bytes each */
	rsi = MMIO_BASE + 0x200, rdi = (u64)target, rcx = 3;
	asm volatile("rep movsl" : "+S"(rsi), "+D"(rdi), "+c"(rcx)::"memory");
	GUEST_CHECK_EQ(rcx, 0);
	GUEST_CHECK_EQ(rsi, MMIO_BASE + 0x20c);
	guest_sync(*(volatile u32 *)(target + 8));
	/* device to device, one step */
	rsi = MMIO_BASE + 0x300, rdi = MMIO_BASE + 0x400;
	asm volatile("movsq" : "+S"(rsi), "+D"(rdi)::"memory");
	GUEST_CHECK_EQ(rsi, MMIO_BASE + 0x308);
	/* fill */
	rdi = MMIO_BASE + 0x500, rcx = 4, rax = 0xa1b2c3d4;
	asm volatile("rep stosw" : "+D"(rdi), "+c"(rcx) : "a"(rax) : "memory");
	GUEST_CHECK_EQ(rdi, MMIO_BASE + 0x508);
	GUEST_CHECK_EQ(rcx, 0);
	/* downwards */
	rdi = MMIO_BASE + 0x60c, rcx = 2;
	asm volatile("std; rep stosl; cld" : "+D"(rdi), "+c"(rcx) : "a"(0x01020304) : "memory");
	GUEST_CHECK_EQ(rdi, MMIO_BASE + 0x604);
	/* load */
	rsi = MMIO_BASE + 0x700, rax = 0;
	asm volatile("lodsl" : "+S"(rsi), "+a"(rax)::"memory");
	guest_sync(rax);
	GUEST_CHECK_EQ(rsi, MMIO_BASE + 0x704);
	/* nothing to do: no access */
	rdi = MMIO_BASE + 0x1ff0, rcx = 0;
	asm volatile("rep stosb" : "+D"(rdi), "+c"(rcx) : "a"(0) : "memory");
	GUEST_CHECK_EQ(rdi, MMIO_BASE + 0x1ff0);
}

TEST(string_instructions)
{
	struct device device, before;
	struct vcpu vcpu;
	struct vm vm;
	unsigned int i;

	device_init(&device);
	before = device;
	guest_start(&vm, &vcpu, 0, guest_strings, 0);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), model(&before, 0x208, 4));
	for (i = 0; i < 5; i++)
		CHECK_EQ(device.bytes[0x100 + i], 0xc0 + i);
	CHECK_EQ(device.bytes[0x105], before.bytes[0x105]);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), model(&before, 0x700, 4));
	CHECK_EQ(model(&device, 0x400, 8), model(&before, 0x300, 8));
	CHECK_EQ(model(&device, 0x500, 8), 0xc3d4c3d4c3d4c3d4);
	CHECK_EQ(model(&device, 0x508, 1), model(&before, 0x508, 1));
	CHECK_EQ(model(&device, 0x608, 8), 0x0102030401020304);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
	CHECK_EQ(model(&device, 0x1ff0, 8), model(&before, 0x1ff0, 8));
}

/* --- SSE moves, as memcpy_toio of an optimised guest may use --- */

static void guest_sse(u64 arg)
{
	static const u8 pattern[16]
		__attribute__((aligned(16))) = { 1, 2,	3,  4,	5,  6,	7,  8,
						 9, 10, 11, 12, 13, 14, 15, 16 };
	asm volatile("movdqu (%0), %%xmm0; movdqu %%xmm0, (%1)" ::"r"(pattern),
		     "r"(MMIO_BASE + 0x800)
		     : "memory");
	asm volatile("movups (%0), %%xmm1; movups %%xmm1, (%1)" ::"r"(MMIO_BASE + 0x900),
		     "r"(target)
		     : "memory");
	guest_sync(*(volatile u64 *)(target + 8));
}

TEST(sse_moves)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_sse, 0);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), model(&device, 0x908, 8));
	CHECK_EQ(model(&device, 0x800, 8), 0x0807060504030201);
	CHECK_EQ(model(&device, 0x808, 8), 0x100f0e0d0c0b0a09);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* --- in other modes --- */

extern const char real_mmio[], real_mmio_end[], protected_mmio[];
asm(".pushsection .text\n"
    ".code16\n"
    "real_mmio:\n"
    "	mov	$0xb800, %ax\n"
    "	mov	%ax, %es\n"
    "	movb	$0x41, %es:(0x10)\n"
    "	movw	%es:(0x20), %ax\n"
    "	out	%ax, $0x80\n"
    "	movl	$0x12345678, %es:(0x30)\n"
    "1:	out	%al, $0xd2\n"
    "	jmp	1b\n"
    "real_mmio_end:\n"
    ".code32\n"
    "protected_mmio:\n"
    "	mov	$0xd0000000, %ebx\n"
    "	movl	$0x5566, 0x10(%ebx)\n"
    "	mov	0x20(%ebx), %eax\n"
    "	out	%eax, $0x80\n"
    "	movw	%ax, 0x30(%ebx)\n"
    "1:	out	%al, $0xd2\n"
    "	jmp	1b\n"
    ".code64\n"
    ".popsection");

/* A hole in slot 0's place: the VGA window, as firmware and boot loaders meet it. */
TEST(real_mode)
{
	u16 answer = 0xabcd;
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, 0);
	CHECK_OK(vm_set_slot(&vm, 0, 0, 0, 0, vm.ram));
	CHECK_OK(vm_set_slot(&vm, 0, 0, 0, 0xa0000, vm.ram));
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_real_mode(&vcpu, real_mmio, real_mmio_end);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK(vcpu.run->mmio.is_write && vcpu.run->mmio.len == 1);
	CHECK_EQ(vcpu.run->mmio.phys_addr, 0xb8010);
	CHECK_EQ(vcpu.run->mmio.data[0], 0x41);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK(!vcpu.run->mmio.is_write && vcpu.run->mmio.len == 2);
	CHECK_EQ(vcpu.run->mmio.phys_addr, 0xb8020);
	memcpy(vcpu.run->mmio.data, &answer, 2);
	vcpu_expect(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(*(u16 *)((u8 *)vcpu.run + vcpu.run->io.data_offset), answer);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK(vcpu.run->mmio.is_write && vcpu.run->mmio.len == 4);
	CHECK_EQ(*(u32 *)vcpu.run->mmio.data, 0x12345678);
	vcpu_done(&vcpu);
}

TEST(protected_mode)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;

	device_init(&device);
	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	vcpu_set_protected_mode(&vcpu, protected_mmio);
	CHECK_EQ(run_with_device(&vcpu, &device), 0x80);
	CHECK_EQ(*(u32 *)((u8 *)vcpu.run + vcpu.run->io.data_offset), model(&device, 0x20, 4));
	CHECK_EQ(model(&device, 0x10, 4), 0x5566);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
	CHECK_EQ(model(&device, 0x30, 2), model(&device, 0x20, 2));
}

/* --- faults on the way --- */

static void guest_faulting(u64 arg)
{
	u64 rax = 0;

	/* Mapped by no page table: the guest's own #PF, no exit. */
	((volatile u64 *)GUEST_SMALL_PT)[3] = 0;
	asm volatile(GUEST_TRY("movl (%1), %%eax")
		     : "+a"(rax)
		     : "r"(GUEST_SMALL_PAGES + 0x3000)
		     : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	/* A page that is mapped to device memory and one that is not mapped: #PF for the second. */
	((volatile u64 *)GUEST_SMALL_PT)[4] = MMIO_BASE | PTE_P | PTE_W;
	((volatile u64 *)GUEST_SMALL_PT)[5] = 0;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	guest_sync(*(volatile u32 *)(GUEST_SMALL_PAGES + 0x4ff0));
	asm volatile(GUEST_TRY("movq (%1), %%rax")
		     : "+a"(rax)
		     : "r"(GUEST_SMALL_PAGES + 0x4ffc)
		     : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	GUEST_CHECK_EQ(guest_caught.cr2, GUEST_SMALL_PAGES + 0x5000);
	/* From device memory to memory that is write-protected: #PF with W set. */
	((volatile u64 *)GUEST_SMALL_PT)[6] = (GUEST_SMALL_PAGES + 0x6000) | PTE_P;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	asm volatile(GUEST_TRY("movsl")::"S"(GUEST_SMALL_PAGES + 0x4000),
		     "D"(GUEST_SMALL_PAGES + 0x6000)
		     : "memory");
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	GUEST_CHECK_EQ(guest_caught.error, 3);
	GUEST_CHECK_EQ(guest_caught.cr2, GUEST_SMALL_PAGES + 0x6000);
}

TEST(page_faults)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_faulting, 0);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_SYNC);
	CHECK_EQ(sync_value(&vcpu), model(&device, 0xff0, 4));
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
}

/* The second page of a write faults: neither the device nor memory sees anything of the first. */
#define CROSSING_DEVICE (GUEST_SMALL_PAGES + 0x4ffc)
#define CROSSING_MEMORY (GUEST_SMALL_PAGES + 0x6ffc)

static void expect_crossing_fault(u64 page, u32 error)
{
	GUEST_CHECK_EQ(guest_caught.vector, VEC_PF);
	GUEST_CHECK_EQ(guest_caught.cr2, page);
	GUEST_CHECK_EQ(guest_caught.error, error);
}

static void guest_crossing_stores(u64 arg)
{
	u64 rax = 0x1122334455667788;

	((volatile u64 *)GUEST_SMALL_PT)[4] = MMIO_BASE | PTE_P | PTE_W;
	((volatile u64 *)GUEST_SMALL_PT)[5] = 0;
	asm volatile("mov %%cr3, %%rcx; mov %%rcx, %%cr3" ::: "rcx", "memory");
#define CROSS(insn)                                                                                \
	do {                                                                                       \
		asm volatile(GUEST_TRY(insn) : "+a"(rax) : "b"(CROSSING_DEVICE) : "memory", "cc"); \
		expect_crossing_fault(GUEST_SMALL_PAGES + 0x5000, 2);                              \
	} while (0)
	CROSS("movq %%rax, (%%rbx)");
	CROSS("addq %%rax, (%%rbx)");
	CROSS("xchgq %%rax, (%%rbx)");
	GUEST_CHECK_EQ(rax, 0x1122334455667788);
}

TEST(crossing_store_faults)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_crossing_stores, 0);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
	CHECK_EQ(device.reads, 0);
	CHECK_EQ(device.writes, 0);
}

static void guest_crossing_move(u64 arg)
{
	((volatile u64 *)GUEST_SMALL_PT)[7] = (GUEST_SMALL_PAGES + 0x7000) | PTE_P;
	asm volatile("mov %%cr3, %%rcx; mov %%rcx, %%cr3" ::: "rcx", "memory");
	asm volatile(GUEST_TRY("movsq")::"S"(MMIO_BASE + 0x100), "D"(CROSSING_MEMORY) : "memory");
	expect_crossing_fault(GUEST_SMALL_PAGES + 0x7000, 3);
}

/* KVM has read the device by then. */
TEST(crossing_move_faults, .vmm_only = true)
{
	struct device device;
	struct vcpu vcpu;
	struct vm vm;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_crossing_move, 0);
	CHECK_EQ(run_with_device(&vcpu, &device), PORT_DONE);
	CHECK_EQ(device.reads, 0);
	CHECK_EQ(*(u32 *)(vm.ram + CROSSING_MEMORY), 0);
}

/* The exit is taken before anything is done: immediate_exit and a second run see no half access. */
static void guest_one_read(u64 arg)
{
	guest_done(*(volatile u32 *)(MMIO_BASE + 0x20));
}

TEST(completed_with_immediate_exit)
{
	struct device device;
	struct kvm_regs regs;
	struct vcpu vcpu;
	struct vm vm;
	u64 rip;

	device_init(&device);
	guest_start(&vm, &vcpu, 0, guest_one_read, 0);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	vcpu_get_regs(&vcpu, &regs);
	rip = regs.rip;
	device_access(&device, &vcpu);
	/* How a client completes the access before it saves the state (KVM API, KVM_RUN). */
	vcpu.run->immediate_exit = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	vcpu.run->immediate_exit = 0;
	vcpu_get_regs(&vcpu, &regs);
	CHECK(regs.rip > rip);
	CHECK_EQ(vcpu_done(&vcpu), model(&device, 0x20, 4));
}

/* Code that runs from where no memory is cannot be answered: an error to userspace, not a hang. */
static void guest_jump_to_device(u64 arg)
{
	((void (*)(void))MMIO_BASE)();
}

TEST(execute_from_device)
{
	struct vcpu vcpu;
	struct vm vm;
	int ret;

	guest_start(&vm, &vcpu, 0, guest_jump_to_device, 0);
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	/* KVM answers KVM_EXIT_INTERNAL_ERROR (emulation); MMIO or EFAULT would also be an answer. */
	CHECK(ret < 0 || vcpu.run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
	      vcpu.run->exit_reason == KVM_EXIT_MMIO);
}
