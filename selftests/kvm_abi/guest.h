/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small VM to test with. The program is linked at a fixed address below 4 GiB and its whole image is
 * copied to the same guest-physical address, which identity page tables map: any C function of the
 * program that calls no libc can run as guest code, and has its own copy of every global.
 */
#ifndef SELFTEST_GUEST_H
#define SELFTEST_GUEST_H

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "harness.h"

/* Guest-physical map of slot 0. The program image is at its link address, 4 MiB and up. */
#define GUEST_RAM_SIZE 0x1000000UL
#define GUEST_LOW_CODE 0x1000UL /* real-mode blobs are copied here */
#define GUEST_GDT 0x10000UL
#define GUEST_TSS 0x11000UL
#define GUEST_IDT 0x12000UL
#define GUEST_PAGE_TABLES 0x200000UL
#define GUEST_STACKS 0x300000UL
#define GUEST_STACK_SIZE 0x8000UL
/* 2 MiB that is mapped by 4 KiB entries, for tests that change single pages. */
#define GUEST_SMALL_PAGES 0x800000UL
#define GUEST_FREE 0xa00000UL /* up to the end of RAM: the test's own */

/* The last table: 512 entries for GUEST_SMALL_PAGES. */
#define GUEST_SMALL_PT (GUEST_PAGE_TABLES + 0x6000)

enum {
	SEL_CODE64 = 0x08,
	SEL_DATA = 0x10,
	SEL_CODE32 = 0x18,
	SEL_DATA16 = 0x20,
	SEL_CODE16 = 0x28,
	SEL_TSS = 0x30, /* 16 bytes */
	SEL_USER_DATA = 0x40 | 3,
	SEL_USER_CODE64 = 0x48 | 3,
};

/* Ports that the guest talks to its test through. RDI, RSI, RDX, RCX carry the values. */
enum {
	PORT_SYNC = 0xd0,
	PORT_DONE = 0xd2,
	PORT_FAIL = 0xd4,
	PORT_TRAP = 0xd6,
};

enum {
	VM_IRQCHIP = 1,
	VM_PIT = 2, /* and the irqchip */
};

struct vm {
	int dev, fd;
	u8 *ram; /* slot 0 */
};

struct vcpu {
	struct vm *vm;
	int fd;
	unsigned int id;
	struct kvm_run *run;
	size_t run_size;
};

int device_open(void);
void vm_create(struct vm *vm, unsigned int flags);
void vm_destroy(struct vm *vm);
/* -1 and errno where the slot is refused. */
int vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva);
/* Zeroed, page-aligned anonymous memory in a new slot. */
void *vm_add_memory(struct vm *vm, u32 slot, u64 gpa, u64 size);
/* Where the test sees the guest's copy of a global. */
void *vm_global(struct vm *vm, const volatile void *global);
#define GUEST_VAR(vm, var) (*(__typeof__(var) *)vm_global(vm, &(var)))

void vcpu_create(struct vm *vm, struct vcpu *vcpu, unsigned int id);
void vcpu_destroy(struct vcpu *vcpu);
void vcpu_set_cpuid(struct vcpu *vcpu);
/* 64-bit mode with paging, interrupts off, calling entry(arg). */
void vcpu_set_long_mode(struct vcpu *vcpu, void (*entry)(u64), u64 arg);
/* Flat 32-bit protected mode without paging, EIP at an address of the image. */
void vcpu_set_protected_mode(struct vcpu *vcpu, const void *entry);
/* Real mode, CS:IP = 0:GUEST_LOW_CODE, the blob copied there. */
void vcpu_set_real_mode(struct vcpu *vcpu, const void *start, const void *end);
/* One VM with one vCPU in 64-bit mode: what most tests want. */
void guest_start(struct vm *vm, struct vcpu *vcpu, unsigned int flags, void (*entry)(u64), u64 arg);

void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int vcpu_get_msr(struct vcpu *vcpu, u32 index, u64 *value); /* 1, or 0 where refused */
int vcpu_set_msr(struct vcpu *vcpu, u32 index, u64 value);

/* KVM_RUN until an exit that is not EINTR; a guest that failed or trapped fails the test. */
unsigned int vcpu_run(struct vcpu *vcpu);
/* KVM_RUN once, again only where it ends early for work of the host's: 0 or the errno. */
int vcpu_run_errno(struct vcpu *vcpu);
void vcpu_expect_at(struct vcpu *vcpu, unsigned int reason, const char *file, int line);
u64 vcpu_sync_at(struct vcpu *vcpu, const char *file, int line);
u64 vcpu_done_at(struct vcpu *vcpu, const char *file, int line);
#define vcpu_expect(vcpu, reason) vcpu_expect_at(vcpu, reason, __FILE__, __LINE__)
/* Runs to the next guest_sync()/end of the guest function and returns its value. */
#define vcpu_sync(vcpu) vcpu_sync_at(vcpu, __FILE__, __LINE__)
#define vcpu_done(vcpu) vcpu_done_at(vcpu, __FILE__, __LINE__)
const char *exit_name(unsigned int reason);

bool has_cap(int fd, long cap);

/* --- what follows runs in the guest --- */

struct guest_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/*
 * For guest code that runs long without an exit: in Bochs a host interrupt ends the guest's run only if the guest has
 * interrupts on, and until then the host's clock stands still with all else.
 */
static inline void guest_interruptible(void)
{
	asm volatile("sti");
}

typedef void guest_handler_t(struct guest_frame *frame);
extern guest_handler_t *guest_handlers[256];

/* The last exception that GUEST_TRY caught; vector is -1 where there was none. */
struct guest_caught {
	int vector;
	u32 error;
	u64 cr2, rip;
};
extern volatile struct guest_caught guest_caught;
extern u64 guest_catch;

/*
 * Wraps an instruction: an exception in it is noted in guest_caught and goes on behind it. One
 * vCPU at a time. Symbol 771 is as good a local label as any.
 */
#define GUEST_TRY(insn)                                                            \
	"movl $-1, guest_caught(%%rip)\n\tmovq $771f, guest_catch(%%rip)\n\t" insn \
	"\n771:\n\tmovq $0, guest_catch(%%rip)\n\t"

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void guest_signal(u16 port, u64 a, u64 b, u64 c, u64 d)
{
	asm volatile("outb %%al, %%dx"
		     : "+d"(port)
		     : "a"(0), "D"(a), "S"(b), "b"(c), "c"(d)
		     : "memory");
}

static inline void guest_sync(u64 value)
{
	guest_signal(PORT_SYNC, value, 0, 0, 0);
}

/* Ends the guest; running the vCPU again signals again. */
static inline void guest_done(u64 value)
{
	for (;;)
		guest_signal(PORT_DONE, value, 0, 0, 0);
}

#define GUEST_FAIL_AT(text, got, want) \
	guest_signal(PORT_FAIL, (u64)(text), __LINE__, (u64)(got), (u64)(want))

#define GUEST_CHECK(cond)                                         \
	do {                                                      \
		if (!(cond))                                      \
			GUEST_FAIL_AT(__FILE__ ": " #cond, 0, 0); \
	} while (0)

#define GUEST_CHECK_EQ(got, want)                                                    \
	do {                                                                         \
		u64 got_ = (u64)(got), want_ = (u64)(want);                          \
		if (got_ != want_)                                                   \
			GUEST_FAIL_AT(__FILE__ ": " #got " == " #want, got_, want_); \
	} while (0)

#define CR0_PE (1UL << 0)
#define CR0_MP (1UL << 1)
#define CR0_TS (1UL << 3)
#define CR0_ET (1UL << 4)
#define CR0_NE (1UL << 5)
#define CR0_WP (1UL << 16)
#define CR0_NW (1UL << 29)
#define CR0_CD (1UL << 30)
#define CR0_PG (1UL << 31)
#define CR4_TSD (1UL << 2)
#define CR4_DE (1UL << 3)
#define CR4_PSE (1UL << 4)
#define CR4_PAE (1UL << 5)
#define CR4_PGE (1UL << 7)
#define CR4_OSFXSR (1UL << 9)
#define CR4_OSXMMEXCPT (1UL << 10)
#define CR4_VMXE (1UL << 13)
#define CR4_PCIDE (1UL << 17)
#define CR4_OSXSAVE (1UL << 18)
#define EFER_SCE (1UL << 0)
#define EFER_LME (1UL << 8)
#define EFER_LMA (1UL << 10)
#define EFER_NX (1UL << 11)
#define EFER_SVME (1UL << 12)
#define PTE_P (1UL << 0)
#define PTE_W (1UL << 1)
#define PTE_U (1UL << 2)
#define PTE_A (1UL << 5)
#define PTE_D (1UL << 6)
#define PTE_PS (1UL << 7)
#define PTE_NX (1UL << 63)
#define RFLAGS_IF (1UL << 9)

enum {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_NMI = 2,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_DF = 8,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_XM = 19
};

enum {
	MSR_TSC = 0x10,
	MSR_APIC_BASE = 0x1b,
	MSR_TSC_ADJUST = 0x3b,
	MSR_MTRR_CAP = 0xfe,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_PAT = 0x277,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC = 0x800,
	MSR_EFER = 0xc0000080,
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_CSTAR = 0xc0000083,
	MSR_SFMASK = 0xc0000084,
	MSR_FS_BASE = 0xc0000100,
	MSR_GS_BASE = 0xc0000101,
	MSR_KERNEL_GS_BASE = 0xc0000102,
	MSR_TSC_AUX = 0xc0000103,
};

static inline u64 rdmsr(u32 index)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
	return low | (u64)high << 32;
}

static inline void wrmsr(u32 index, u64 value)
{
	asm volatile("wrmsr" ::"c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* The vector that the access raised, or -1. */
int guest_try_rdmsr(u32 index, u64 *value);
int guest_try_wrmsr(u32 index, u64 value);

static inline u64 rdtsc(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return low | (u64)high << 32;
}

static inline void cpu_pause(void)
{
	asm volatile("pause" ::: "memory");
}

#define READ_CR(n)                                                        \
	({                                                                \
		u64 cr_;                                                  \
		asm volatile("mov %%cr" #n ", %0" : "=r"(cr_)::"memory"); \
		cr_;                                                      \
	})
#define WRITE_CR(n, value) asm volatile("mov %0, %%cr" #n ::"r"((u64)(value)) : "memory")

#endif
