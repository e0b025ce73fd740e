// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern const char __executable_start[], _end[];
extern const char guest_vectors[], guest_return[];

guest_handler_t *guest_handlers[256];
volatile struct guest_caught guest_caught;
u64 guest_catch;

/* --- guest side --- */

void guest_trap(struct guest_frame *frame);

/* Entered from every stub of guest_entry.S. */
void guest_trap(struct guest_frame *frame)
{
	if (guest_catch && frame->vector < 32 && frame->vector != VEC_NMI) {
		guest_caught.vector = frame->vector;
		guest_caught.error = frame->error;
		guest_caught.cr2 = READ_CR(2);
		guest_caught.rip = frame->rip;
		frame->rip = guest_catch;
		guest_catch = 0;
		return;
	}
	if (guest_handlers[frame->vector]) {
		guest_handlers[frame->vector](frame);
		return;
	}
	for (;;)
		guest_signal(PORT_TRAP, frame->vector, frame->error, frame->rip, READ_CR(2));
}

int guest_try_rdmsr(u32 index, u64 *value)
{
	u32 low = 0, high = 0;

	asm volatile(GUEST_TRY("rdmsr") : "+a"(low), "+d"(high) : "c"(index) : "memory");
	*value = low | (u64)high << 32;
	return guest_caught.vector;
}

int guest_try_wrmsr(u32 index, u64 value)
{
	asm volatile(GUEST_TRY("wrmsr")::"c"(index), "a"((u32)value), "d"((u32)(value >> 32))
		     : "memory");
	return guest_caught.vector;
}

/* --- host side --- */

int device_open(void)
{
	int fd = open(device_path(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("%s: %s", device_path(), errno_name(errno));
	return fd;
}

bool has_cap(int fd, long cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap) > 0;
}

int vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void *vm_add_memory(struct vm *vm, u32 slot, u64 gpa, u64 size)
{
	void *hva = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(hva != MAP_FAILED);
	CHECK_OK(vm_set_slot(vm, slot, 0, gpa, size, hva));
	return hva;
}

void *vm_global(struct vm *vm, const volatile void *global)
{
	return vm->ram + (u64)global;
}

/* Type, S, DPL, P, AVL/L/D/G as the descriptor's bytes 5 and 6 hold them; base 0, limit 4 GiB. */
static u64 descriptor(u8 access, u8 flags)
{
	return 0xffffULL | (u64)access << 40 | (u64)(0xf | flags << 4) << 48;
}

static void build_descriptors(u8 *ram)
{
	u64 *gdt = (u64 *)(ram + GUEST_GDT);
	u16 *idt = (u16 *)(ram + GUEST_IDT);
	int vector;

	gdt[SEL_CODE64 / 8] = descriptor(0x9b, 0xa);
	gdt[SEL_DATA / 8] = descriptor(0x93, 0xc);
	gdt[SEL_CODE32 / 8] = descriptor(0x9b, 0xc);
	gdt[SEL_DATA16 / 8] = descriptor(0x93, 0x0);
	gdt[SEL_CODE16 / 8] = descriptor(0x9b, 0x0);
	gdt[SEL_TSS / 8] = 0x67ULL | GUEST_TSS << 16 | 0x8bULL << 40;
	gdt[SEL_USER_DATA / 8] = descriptor(0xf3, 0xc);
	gdt[SEL_USER_CODE64 / 8] = descriptor(0xfb, 0xa);

	for (vector = 0; vector < 256; vector++, idt += 8) {
		u64 handler = (u64)guest_vectors + 16 * vector;

		idt[0] = handler;
		idt[1] = SEL_CODE64;
		idt[2] = 0x8e00; /* present interrupt gate */
		idt[3] = handler >> 16;
	}
	/* RSP0, for exceptions out of user mode. */
	*(u64 *)(ram + GUEST_TSS + 4) = GUEST_STACKS + 15 * GUEST_STACK_SIZE;
}

/* 4 GiB identity in 2 MiB pages, user accessible; one 2 MiB range in 4 KiB pages. */
static void build_page_tables(u8 *ram)
{
	u64 *pml4 = (u64 *)(ram + GUEST_PAGE_TABLES), *pdpt = pml4 + 512, *pd = pml4 + 1024;
	u64 *pt = (u64 *)(ram + GUEST_SMALL_PT);
	const u64 bits = PTE_P | PTE_W | PTE_U;
	u64 i;

	pml4[0] = (GUEST_PAGE_TABLES + 0x1000) | bits;
	for (i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PAGE_TABLES + 0x2000 + i * 0x1000) | bits;
	for (i = 0; i < 2048; i++)
		pd[i] = i << 21 | bits | PTE_PS;
	for (i = 0; i < 512; i++)
		pt[i] = (GUEST_SMALL_PAGES + (i << 12)) | bits;
	pd[GUEST_SMALL_PAGES >> 21] = GUEST_SMALL_PT | bits;
}

static void create_irqchip(struct vm *vm, unsigned int flags)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	u64 identity = 0xfffbc000;

	/* What an Intel host may need for real mode, away from the 4 GiB that tests use as MMIO. */
	CHECK_OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	CHECK_OK(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity));
	if (flags & (VM_IRQCHIP | VM_PIT))
		CHECK_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP));
	if (flags & VM_PIT)
		CHECK_OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
}

void vm_create(struct vm *vm, unsigned int flags)
{
	u64 image = (u64)__executable_start, image_end = (u64)_end;

	vm->dev = device_open();
	vm->fd = CHECK_OK(ioctl(vm->dev, KVM_CREATE_VM, 0));
	create_irqchip(vm, flags);

	CHECK_MSG(image >= 0x400000 && image_end <= GUEST_SMALL_PAGES, "image %#llx-%#llx",
		  (unsigned long long)image, (unsigned long long)image_end);
	vm->ram = vm_add_memory(vm, 0, 0, GUEST_RAM_SIZE);
	memcpy(vm->ram + image, __executable_start, image_end - image);
	build_descriptors(vm->ram);
	build_page_tables(vm->ram);
}

void vm_destroy(struct vm *vm)
{
	close(vm->fd);
	close(vm->dev);
	munmap(vm->ram, GUEST_RAM_SIZE);
}

/* What the host supports, with the parts that belong to one vCPU filled in. */
void vcpu_set_cpuid(struct vcpu *vcpu)
{
	size_t size = sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *cpuid = calloc(1, size);
	bool deadline = has_cap(vcpu->vm->dev, KVM_CAP_TSC_DEADLINE_TIMER);
	u32 i;

	cpuid->nent = 256;
	CHECK_OK(ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case 1:
			entry->ebx = (entry->ebx & 0x00ffffff) | vcpu->id << 24;
			entry->ecx |= 1U << 31 | 1U << 21 | (deadline ? 1U << 24 : 0);
			break;
		case 0xb:
		case 0x1f:
			entry->edx = vcpu->id;
			break;
		}
	}
	CHECK_OK(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
	free(cpuid);
}

void vcpu_create(struct vm *vm, struct vcpu *vcpu, unsigned int id)
{
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = CHECK_OK(ioctl(vm->fd, KVM_CREATE_VCPU, id));
	vcpu->run_size = CHECK_OK(ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	CHECK(vcpu->run != MAP_FAILED);
	vcpu_set_cpuid(vcpu);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

static struct kvm_segment segment(u16 selector, u8 type, bool l, bool db)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.l = l,
		.db = db,
		.g = 1,
	};
}

/* Flat segments, the guest's GDT, IDT and TSS, which every protected mode shares. */
static void set_flat_segments(struct kvm_sregs *sregs, struct kvm_segment code)
{
	struct kvm_segment data = segment(SEL_DATA, 3, false, true);

	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.selector = SEL_TSS,
		.base = GUEST_TSS,
		.limit = 0x67,
		.type = 11,
		.present = 1,
	};
	sregs->ldt = (struct kvm_segment){ .type = 2, .present = 1, .limit = 0xffff };
	sregs->gdt.base = GUEST_GDT;
	sregs->gdt.limit = 0x57;
	sregs->idt.base = GUEST_IDT;
	sregs->idt.limit = 0xfff;
}

void vcpu_set_long_mode(struct vcpu *vcpu, void (*entry)(u64), u64 arg)
{
	u64 stack = GUEST_STACKS + (vcpu->id + 1) * GUEST_STACK_SIZE - 16;
	struct kvm_regs regs = { .rip = (u64)entry, .rdi = arg, .rsp = stack - 8, .rflags = 2 };
	struct kvm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	set_flat_segments(&sregs, segment(SEL_CODE64, 11, true, false));
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = GUEST_PAGE_TABLES;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	sregs.efer = EFER_LME | EFER_LMA | EFER_NX;
	CHECK_OK(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	*(u64 *)(vcpu->vm->ram + stack - 8) = (u64)guest_return;
	vcpu_set_regs(vcpu, &regs);
}

void vcpu_set_protected_mode(struct vcpu *vcpu, const void *entry)
{
	struct kvm_regs regs = { .rip = (u64)entry,
				 .rsp = GUEST_STACKS + GUEST_STACK_SIZE,
				 .rflags = 2 };
	struct kvm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	set_flat_segments(&sregs, segment(SEL_CODE32, 11, false, true));
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	sregs.cr4 = 0;
	sregs.efer = 0;
	CHECK_OK(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	vcpu_set_regs(vcpu, &regs);
}

void vcpu_set_real_mode(struct vcpu *vcpu, const void *start, const void *end)
{
	struct kvm_regs regs = { .rip = GUEST_LOW_CODE, .rsp = GUEST_LOW_CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(vcpu->vm->ram + GUEST_LOW_CODE, start, (const char *)end - (const char *)start);
	/* The reset state is real mode; only CS is not where the blob is. */
	vcpu_get_sregs(vcpu, &sregs);
	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	CHECK_OK(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	vcpu_set_regs(vcpu, &regs);
}

void guest_start(struct vm *vm, struct vcpu *vcpu, unsigned int flags, void (*entry)(u64), u64 arg)
{
	vm_create(vm, flags);
	vcpu_create(vm, vcpu, 0);
	vcpu_set_long_mode(vcpu, entry, arg);
}

void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	CHECK_OK(ioctl(vcpu->fd, KVM_GET_REGS, regs));
}

void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	CHECK_OK(ioctl(vcpu->fd, KVM_SET_REGS, regs));
}

void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	CHECK_OK(ioctl(vcpu->fd, KVM_GET_SREGS, sregs));
}

struct one_msr {
	struct kvm_msrs header;
	struct kvm_msr_entry entry;
};

int vcpu_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	struct one_msr msr = { .header.nmsrs = 1, .entry.index = index };
	int ret = CHECK_OK(ioctl(vcpu->fd, KVM_GET_MSRS, &msr));

	*value = msr.entry.data;
	return ret;
}

int vcpu_set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	struct one_msr msr = { .header.nmsrs = 1, .entry = { .index = index, .data = value } };

	return CHECK_OK(ioctl(vcpu->fd, KVM_SET_MSRS, &msr));
}

/* --- running --- */

static const char *const exit_names[] = {
	[KVM_EXIT_UNKNOWN] = "UNKNOWN",
	[KVM_EXIT_EXCEPTION] = "EXCEPTION",
	[KVM_EXIT_IO] = "IO",
	[KVM_EXIT_HYPERCALL] = "HYPERCALL",
	[KVM_EXIT_DEBUG] = "DEBUG",
	[KVM_EXIT_HLT] = "HLT",
	[KVM_EXIT_MMIO] = "MMIO",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
	[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
	[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
	[KVM_EXIT_INTR] = "INTR",
	[KVM_EXIT_SET_TPR] = "SET_TPR",
	[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS",
	[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
	[KVM_EXIT_X86_RDMSR] = "X86_RDMSR",
	[KVM_EXIT_X86_WRMSR] = "X86_WRMSR",
};

const char *exit_name(unsigned int reason)
{
	if (reason < sizeof(exit_names) / sizeof(exit_names[0]) && exit_names[reason])
		return exit_names[reason];
	return "?";
}

/* The guest's own report of a failed check or of an exception that nobody handles. */
static void check_report(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.direction != KVM_EXIT_IO_OUT)
		return;
	if (vcpu->run->io.port != PORT_FAIL && vcpu->run->io.port != PORT_TRAP)
		return;
	vcpu_get_regs(vcpu, &regs);
	if (vcpu->run->io.port == PORT_TRAP)
		FAIL("guest exception %lld error %#llx at rip %#llx cr2 %#llx", regs.rdi, regs.rsi,
		     regs.rbx, regs.rcx);
	test_fail("guest", regs.rsi, "%s: got %#llx, expected %#llx", (const char *)regs.rdi,
		  regs.rbx, regs.rcx);
}

unsigned int vcpu_run(struct vcpu *vcpu)
{
	int ret;

	do
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
	while (ret && errno == EINTR && !vcpu->run->immediate_exit);
	if (ret)
		FAIL("KVM_RUN: %s", errno_name(errno));
	check_report(vcpu);
	return vcpu->run->exit_reason;
}

int vcpu_run_errno(struct vcpu *vcpu)
{
	int ret;

	do
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
	while (ret && errno == EINTR);
	return ret ? errno : 0;
}

static void fail_exit(struct vcpu *vcpu, const char *expected, const char *file, int line)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;
	char facts[128] = "";

	vcpu_get_regs(vcpu, &regs);
	if (run->exit_reason == KVM_EXIT_IO)
		snprintf(facts, sizeof(facts), " port %#x size %u %s", run->io.port, run->io.size,
			 run->io.direction ? "out" : "in");
	else if (run->exit_reason == KVM_EXIT_MMIO)
		snprintf(facts, sizeof(facts), " gpa %#llx len %u %s", run->mmio.phys_addr,
			 run->mmio.len, run->mmio.is_write ? "write" : "read");
	else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(facts, sizeof(facts), " suberror %u data[0] %#llx", run->internal.suberror,
			 run->internal.data[0]);
	else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		snprintf(facts, sizeof(facts), " hardware reason %#llx",
			 run->fail_entry.hardware_entry_failure_reason);
	test_fail(file, line, "exit %u %s%s at rip %#llx, expected %s", run->exit_reason,
		  exit_name(run->exit_reason), facts, regs.rip, expected);
}

void vcpu_expect_at(struct vcpu *vcpu, unsigned int reason, const char *file, int line)
{
	if (vcpu_run(vcpu) != reason)
		fail_exit(vcpu, exit_name(reason), file, line);
}

static u64 run_to_port(struct vcpu *vcpu, u16 port, const char *what, const char *file, int line)
{
	struct kvm_regs regs;

	if (vcpu_run(vcpu) != KVM_EXIT_IO || vcpu->run->io.port != port)
		fail_exit(vcpu, what, file, line);
	vcpu_get_regs(vcpu, &regs);
	return regs.rdi;
}

u64 vcpu_sync_at(struct vcpu *vcpu, const char *file, int line)
{
	return run_to_port(vcpu, PORT_SYNC, "guest_sync", file, line);
}

u64 vcpu_done_at(struct vcpu *vcpu, const char *file, int line)
{
	return run_to_port(vcpu, PORT_DONE, "guest_done", file, line);
}
