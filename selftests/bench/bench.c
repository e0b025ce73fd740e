// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the paths of a hypervisor cost, measured through the KVM ABI alone, so that the same program measures
 * KVM and vmm.ko, one after the other. Each path runs in a process and a VM of its own; the guest code is this
 * program's (guest.h). Figures are TSC ticks: in the vmx test host that is instructions, and the same in each run.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kvm_abi/apic.h"

#define SAMPLES 101
#define WARM_UP 20 /* of the samples: not counted */

/* -- results -- */

enum metric {
	RUN_IMMEDIATE,
	PIO_USER,
	MMIO_USER,
	CPUID,
	HYPERCALL,
	DEADLINE,
	X2APIC_IPI,
	X2APIC_EOI,
	XAPIC_IPI,
	XAPIC_EOI,
	IOEVENTFD_PIO,
	IOEVENTFD_MMIO,
	IRQFD_WRITE,
	IRQFD_HANDLER,
	TOUCH_POPULATED,
	TOUCH_ANONYMOUS,
	HLT_PENDING,
	VM_LIFE,
	VM_MEMORY,
	VCPU_MEMORY,
	METRICS,
};

/* By instruction count alone, or also by what the host's allocator and scheduler happen to do. */
static const struct {
	const char *path;
	const char *unit;
	bool exact;
} metrics[METRICS] = {
	[RUN_IMMEDIATE] = { "KVM_RUN with immediate_exit, from userspace", "ticks", true },
	[PIO_USER] = { "OUT to userspace and back", "ticks", true },
	[MMIO_USER] = { "MMIO write to userspace and back", "ticks", true },
	[CPUID] = { "CPUID", "ticks", true },
	[HYPERCALL] = { "unknown hypercall", "ticks", true },
	[DEADLINE] = { "WRMSR TSC_DEADLINE", "ticks", true },
	[X2APIC_IPI] = { "x2APIC self-IPI to handler", "ticks", true },
	[X2APIC_EOI] = { "x2APIC EOI", "ticks", true },
	[XAPIC_IPI] = { "xAPIC self-IPI to handler", "ticks", true },
	[XAPIC_EOI] = { "xAPIC EOI", "ticks", true },
	[IOEVENTFD_PIO] = { "ioeventfd, OUT of 4 bytes", "ticks", true },
	[IOEVENTFD_MMIO] = { "ioeventfd, MMIO write of 4 bytes", "ticks", true },
	[IRQFD_WRITE] = { "irqfd, write()", "ticks", true },
	[IRQFD_HANDLER] = { "OUT to userspace, irqfd write(), to handler", "ticks", true },
	[TOUCH_POPULATED] = { "first touch of a populated 4 KiB page, mean", "ticks", true },
	[TOUCH_ANONYMOUS] = { "first touch of an anonymous 4 KiB page, mean", "ticks", true },
	[HLT_PENDING] = { "HLT with an interrupt pending, to handler", "ticks", true },
	[VM_LIFE] = { "VM create to destroy, caller's CPU time", "ticks", false },
	[VM_MEMORY] = { "kernel memory of an idle VM with 1 vCPU", "bytes", false },
	[VCPU_MEMORY] = { "kernel memory of one more vCPU", "bytes", false },
};

static const char *const devices[] = { "/dev/kvm", "/dev/vmm" };
enum { DEVICES = 2 };

/* Shared with the processes that measure; 0 is no result. */
static u64 (*results)[METRICS];
static unsigned int device; /* whose turn it is */

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void report(enum metric metric, u64 value)
{
	results[device][metric] = value;
}

static void report_median(enum metric metric, const u64 *samples)
{
	u64 sorted[SAMPLES - WARM_UP];

	memcpy(sorted, samples + WARM_UP, sizeof(sorted));
	qsort(sorted, SAMPLES - WARM_UP, sizeof(u64), by_value);
	report(metric, sorted[(SAMPLES - WARM_UP) / 2]);
}

/* Where one sample pays for those that follow. */
static void report_mean(enum metric metric, const u64 *samples)
{
	u64 sum = 0;
	int i;

	for (i = WARM_UP; i < SAMPLES; i++)
		sum += samples[i];
	report(metric, sum / (SAMPLES - WARM_UP));
}

/* -- what guest.c needs of a harness -- */

const char *device_path(void)
{
	return devices[device];
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "no errno";
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "bench: %s: %s:%d: ", device_path(), file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

/* -- guest side -- */

#define BENCH_PORT 0x510
#define BENCH_MMIO 0x40000000UL
#define BENCH_PAGES 0x50000000UL /* a slot of its own */
#define BENCH_VECTOR 0x51

volatile u64 apic_x2;
static volatile u64 samples[2][SAMPLES];
static volatile u64 handler_entered, eoi_ticks;

struct interrupt_frame;

/* Straight from the IDT, without the stubs of guest_entry.S, which would be measured too. */
static __attribute__((interrupt)) void on_interrupt(struct interrupt_frame *frame)
{
	u64 before, after;

	handler_entered = rdtsc();
	before = rdtsc();
	apic_eoi();
	after = rdtsc();
	eoi_ticks = after - before;
}

#define MEASURE(...)                                    \
	do {                                            \
		int i_;                                 \
		for (i_ = 0; i_ < SAMPLES; i_++) {      \
			u64 start_ = rdtsc(), end_;     \
			__VA_ARGS__;                    \
			end_ = rdtsc();                 \
			samples[0][i_] = end_ - start_; \
		}                                       \
	} while (0)

static void out4(u16 port)
{
	asm volatile("outl %%eax, %%dx" ::"d"(port), "a"(0) : "memory");
}

static void guest_pio(u64 arg)
{
	MEASURE(outb(BENCH_PORT, 0));
}

static void guest_pio4(u64 arg)
{
	MEASURE(out4(BENCH_PORT));
}

static void guest_mmio(u64 arg)
{
	MEASURE(*(volatile u32 *)BENCH_MMIO = 1);
}

static void guest_cpuid(u64 arg)
{
	MEASURE({
		u32 eax = 0, ebx, ecx = 0, edx;

		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx)::"memory");
	});
}

static void guest_hypercall(u64 intel)
{
	u64 rax;

	if (intel)
		MEASURE(asm volatile("vmcall" : "=a"(rax) : "a"(0x7fff0000) : "memory"));
	else
		MEASURE(asm volatile("vmmcall" : "=a"(rax) : "a"(0x7fff0000) : "memory"));
}

/* As far away as a tick, and further each time. */
static void guest_deadline(u64 arg)
{
	apic_enable();
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | BENCH_VECTOR);
	MEASURE(wrmsr(MSR_TSC_DEADLINE, start_ + (1ULL << 22)));
}

/* To itself, with interrupts on. */
static void guest_self_ipi(u64 x2)
{
	int i;

	apic_x2 = x2;
	apic_enable();
	asm volatile("sti");
	for (i = 0; i < SAMPLES; i++) {
		u64 start = rdtsc();

		if (x2)
			wrmsr(MSR_X2APIC + (APIC_SELF_IPI >> 4), BENCH_VECTOR);
		else
			*(volatile u32 *)(APIC_BASE + APIC_ICR) = ICR_SELF | BENCH_VECTOR;
		samples[0][i] = handler_entered - start;
		samples[1][i] = eoi_ticks;
	}
}

/* The interrupt is there before HLT is, and becomes deliverable with it. */
static void guest_hlt(u64 arg)
{
	int i;

	apic_x2 = 1;
	apic_enable();
	for (i = 0; i < SAMPLES; i++) {
		u64 start;

		asm volatile("cli");
		wrmsr(MSR_X2APIC + (APIC_SELF_IPI >> 4), BENCH_VECTOR);
		start = rdtsc();
		asm volatile("sti; hlt" ::: "memory");
		samples[0][i] = handler_entered - start;
	}
}

static void guest_wait_for_irqfd(u64 arg)
{
	int i;

	apic_x2 = 1;
	apic_enable();
	asm volatile("sti");
	for (i = 0; i < SAMPLES; i++) {
		u64 start = rdtsc();

		outb(BENCH_PORT, 0);
		samples[0][i] = handler_entered - start;
	}
}

static void guest_touch(u64 arg)
{
	volatile u8 *page = (volatile u8 *)BENCH_PAGES;

	MEASURE(page[i_ * 4096UL] = 1);
}

/* -- host side -- */

static void set_handler(struct vm *vm)
{
	u64 handler = (u64)on_interrupt;
	u16 *gate = (u16 *)(vm->ram + GUEST_IDT) + 8 * BENCH_VECTOR;

	gate[0] = handler;
	gate[3] = handler >> 16;
}

static void start(struct vm *vm, struct vcpu *vcpu, unsigned int flags, void (*entry)(u64), u64 arg)
{
	guest_start(vm, vcpu, flags, entry, arg);
	set_handler(vm);
}

/* Nothing else between two runs than this. */
static void run_to_done(struct vcpu *vcpu)
{
	do {
		if (ioctl(vcpu->fd, KVM_RUN, 0))
			FAIL("KVM_RUN: %s", errno_name(errno));
	} while (vcpu->run->exit_reason == KVM_EXIT_MMIO ||
		 (vcpu->run->exit_reason == KVM_EXIT_IO && vcpu->run->io.port == BENCH_PORT));
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != PORT_DONE)
		FAIL("exit %s", exit_name(vcpu->run->exit_reason));
}

static const u64 *guest_samples(struct vm *vm, unsigned int which)
{
	return (const u64 *)GUEST_VAR(vm, samples)[which];
}

static void measure_guest(enum metric metric, unsigned int flags, void (*entry)(u64), u64 arg)
{
	struct vm vm;
	struct vcpu vcpu;

	start(&vm, &vcpu, flags, entry, arg);
	run_to_done(&vcpu);
	report_median(metric, guest_samples(&vm, 0));
}

static void measure_pio(void)
{
	measure_guest(PIO_USER, VM_IRQCHIP, guest_pio, 0);
}

static void measure_mmio(void)
{
	measure_guest(MMIO_USER, VM_IRQCHIP, guest_mmio, 0);
}

static void measure_cpuid(void)
{
	measure_guest(CPUID, VM_IRQCHIP, guest_cpuid, 0);
}

static void measure_hypercall(void)
{
	char line[256];
	FILE *cpuinfo = fopen("/proc/cpuinfo", "r");
	bool intel = false;

	while (cpuinfo && fgets(line, sizeof(line), cpuinfo))
		intel |= strstr(line, "GenuineIntel") != NULL;
	measure_guest(HYPERCALL, VM_IRQCHIP, guest_hypercall, intel);
}

static void measure_deadline(void)
{
	measure_guest(DEADLINE, VM_IRQCHIP, guest_deadline, 0);
}

static void measure_apic(bool x2)
{
	struct vm vm;
	struct vcpu vcpu;

	start(&vm, &vcpu, VM_IRQCHIP, guest_self_ipi, x2);
	run_to_done(&vcpu);
	report_median(x2 ? X2APIC_IPI : XAPIC_IPI, guest_samples(&vm, 0));
	report_median(x2 ? X2APIC_EOI : XAPIC_EOI, guest_samples(&vm, 1));
}

static void measure_x2apic(void)
{
	measure_apic(true);
}

static void measure_xapic(void)
{
	measure_apic(false);
}

static void measure_hlt(void)
{
	measure_guest(HLT_PENDING, VM_IRQCHIP, guest_hlt, 0);
}

static void measure_immediate_exit(void)
{
	u64 host_samples[SAMPLES];
	struct vm vm;
	struct vcpu vcpu;
	int i;

	start(&vm, &vcpu, VM_IRQCHIP, guest_pio, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_RUN, 0));
	vcpu.run->immediate_exit = 1;
	/* Finishes the OUT. */
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINTR);
	for (i = 0; i < SAMPLES; i++) {
		u64 begin = rdtsc();

		ioctl(vcpu.fd, KVM_RUN, 0);
		host_samples[i] = rdtsc() - begin;
	}
	report_median(RUN_IMMEDIATE, host_samples);
}

static void measure_ioeventfd(enum metric metric, void (*entry)(u64), u64 address, u32 flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = address,
		.len = 4,
		.fd = CHECK_OK(eventfd(0, 0)),
		.flags = flags,
	};
	struct vm vm;
	struct vcpu vcpu;
	u64 count;

	start(&vm, &vcpu, VM_IRQCHIP, entry, 0);
	CHECK_OK(ioctl(vm.fd, KVM_IOEVENTFD, &ioeventfd));
	run_to_done(&vcpu);
	CHECK_EQ(read(ioeventfd.fd, &count, sizeof(count)), sizeof(count));
	CHECK_EQ(count, SAMPLES);
	report_median(metric, guest_samples(&vm, 0));
}

static void measure_ioeventfd_pio(void)
{
	measure_ioeventfd(IOEVENTFD_PIO, guest_pio4, BENCH_PORT, KVM_IOEVENTFD_FLAG_PIO);
}

static void measure_ioeventfd_mmio(void)
{
	measure_ioeventfd(IOEVENTFD_MMIO, guest_mmio, BENCH_MMIO, 0);
}

static void route_msi(struct vm *vm, u32 gsi)
{
	struct {
		struct kvm_irq_routing header;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.header.nr = 1,
		.entry.gsi = gsi,
		.entry.type = KVM_IRQ_ROUTING_MSI,
		.entry.u.msi.address_lo = 0xfee00000,
		.entry.u.msi.data = BENCH_VECTOR,
	};

	CHECK_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing));
}

/* The vCPU is outside the guest when the interrupt is raised, and enters at once. */
static void measure_irqfd(void)
{
	struct kvm_irqfd irqfd = { .fd = CHECK_OK(eventfd(0, 0)), .gsi = 24 };
	u64 host_samples[SAMPLES], one = 1;
	struct vm vm;
	struct vcpu vcpu;
	int i;

	start(&vm, &vcpu, VM_IRQCHIP, guest_wait_for_irqfd, 0);
	route_msi(&vm, irqfd.gsi);
	CHECK_OK(ioctl(vm.fd, KVM_IRQFD, &irqfd));
	for (i = 0; i < SAMPLES; i++) {
		u64 begin;

		CHECK_OK(ioctl(vcpu.fd, KVM_RUN, 0));
		CHECK_EQ(vcpu.run->io.port, BENCH_PORT);
		begin = rdtsc();
		CHECK_EQ(write(irqfd.fd, &one, sizeof(one)), sizeof(one));
		host_samples[i] = rdtsc() - begin;
	}
	run_to_done(&vcpu);
	report_median(IRQFD_WRITE, host_samples);
	report_median(IRQFD_HANDLER, guest_samples(&vm, 0));
}

static void measure_touch(enum metric metric, bool populated)
{
	struct vm vm;
	struct vcpu vcpu;
	u8 *pages;

	start(&vm, &vcpu, VM_IRQCHIP, guest_touch, 0);
	pages = vm_add_memory(&vm, 1, BENCH_PAGES, SAMPLES * 4096UL);
	CHECK_OK(madvise(pages, SAMPLES * 4096UL, MADV_NOHUGEPAGE));
	if (populated)
		memset(pages, 1, SAMPLES * 4096UL);
	run_to_done(&vcpu);
	report_mean(metric, guest_samples(&vm, 0));
}

static void measure_touch_populated(void)
{
	measure_touch(TOUCH_POPULATED, true);
}

static void measure_touch_anonymous(void)
{
	measure_touch(TOUCH_ANONYMOUS, false);
}

/* -- a VM as a whole: one vCPU, interrupt controllers, 128 MiB that nobody touches -- */

#define LIFE_MEMORY (128UL << 20)

static int open_vm(int dev, void *memory)
{
	struct kvm_userspace_memory_region region = { .memory_size = LIFE_MEMORY,
						      .userspace_addr = (u64)memory };
	int fd = CHECK_OK(ioctl(dev, KVM_CREATE_VM, 0));

	CHECK_OK(ioctl(fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	CHECK_OK(ioctl(fd, KVM_CREATE_IRQCHIP));
	CHECK_OK(ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region));
	return fd;
}

static void *reserve_memory(void)
{
	void *memory = mmap(NULL, LIFE_MEMORY, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static u64 cpu_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void measure_life(void)
{
	u64 times[SAMPLES], khz;
	int dev = device_open(), i;
	void *memory = reserve_memory();

	for (i = 0; i < SAMPLES; i++) {
		u64 begin = cpu_time_ns();
		int vm = open_vm(dev, memory);
		int vcpu = CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));

		khz = CHECK_OK(ioctl(vcpu, KVM_GET_TSC_KHZ, 0));
		close(vcpu);
		close(vm);
		times[i] = (cpu_time_ns() - begin) * khz / 1000000;
	}
	report_median(VM_LIFE, times);
}

/* Pages that the allocator has, those on per-CPU lists too. */
static u64 free_memory(void)
{
	FILE *zones = fopen("/proc/zoneinfo", "r");
	unsigned long long pages = 0, value;
	int refresh = open("/proc/sys/vm/stat_refresh", O_RDONLY);
	char line[256];

	CHECK(zones);
	/* Reading it adds up what CPUs have counted each for itself. */
	CHECK(refresh >= 0 && read(refresh, line, sizeof(line)) >= 0);
	close(refresh);
	while (fgets(line, sizeof(line), zones))
		if (sscanf(line, " nr_free_pages %llu", &value) == 1 ||
		    sscanf(line, " count: %llu", &value) == 1)
			pages += value;
	fclose(zones);
	return pages << 12;
}

#define MANY 48

/* The first ones pay for caches and per-CPU lists, the rest tell. */
static void measure_memory(void)
{
	int dev = device_open(), vm = 0, i;
	void *memory = reserve_memory();
	u64 before = 0;

	sleep(2); /* what other VMs had is freed after RCU's grace periods */
	for (i = 0; i < 2 * MANY; i++) {
		if (i == MANY)
			before = free_memory();
		vm = open_vm(dev, memory);
		CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 0));
	}
	report(VM_MEMORY, (before - free_memory()) / MANY);
	before = free_memory();
	for (i = 1; i <= MANY; i++)
		CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, i));
	report(VCPU_MEMORY, (before - free_memory()) / MANY);
}

/* -- the whole -- */

static void (*const experiments[])(void) = {
	measure_immediate_exit,	 measure_pio,	    measure_mmio,
	measure_cpuid,		 measure_hypercall, measure_deadline,
	measure_x2apic,		 measure_xapic,	    measure_ioeventfd_pio,
	measure_ioeventfd_mmio,	 measure_irqfd,	    measure_touch_populated,
	measure_touch_anonymous, measure_hlt,	    measure_life,
	measure_memory,
};

/* In a process of its own, with which its VM ends: VMX has one owner at a time. */
static bool measure(void (*experiment)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		alarm(60);
		experiment();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static bool measure_all(void)
{
	bool ok = true;
	unsigned int i;

	if (access(device_path(), R_OK | W_OK)) {
		fprintf(stderr, "bench: no %s\n", device_path());
		return false;
	}
	for (i = 0; i < sizeof(experiments) / sizeof(experiments[0]); i++)
		ok &= measure(experiments[i]);
	return ok;
}

static void print_value(u64 value, const char *before, int width)
{
	if (value)
		printf("%s%*llu", before, width, (unsigned long long)value);
	else
		printf("%s%*s", before, width, "-");
}

static void print_tsv(void)
{
	unsigned int i;

	printf("path\tunit\texact\tkvm\tvmm\n");
	for (i = 0; i < METRICS; i++) {
		printf("%s\t%s\t%s", metrics[i].path, metrics[i].unit,
		       metrics[i].exact ? "yes" : "no");
		print_value(results[0][i], "\t", 0);
		print_value(results[1][i], "\t", 0);
		putchar('\n');
	}
}

static void print_table(void)
{
	unsigned int i;

	printf("%-46s %9s %9s %6s\n", "path", "kvm", "vmm", "ratio");
	for (i = 0; i < METRICS; i++) {
		u64 kvm = results[0][i], vmm = results[1][i];

		printf("%-46s", metrics[i].path);
		print_value(kvm, " ", 9);
		print_value(vmm, " ", 9);
		if (kvm && vmm)
			printf(" %3llu.%02llu", (unsigned long long)(vmm / kvm),
			       (unsigned long long)(vmm * 100 / kvm % 100));
		printf("  %s%s\n", metrics[i].unit, metrics[i].exact ? "" : " *");
	}
	printf("Medians. ticks: of the TSC, instructions in the vmx test host and the same in every run.\n"
	       "* depends on the host's allocator and background work: a few per cent from run to run.\n");
}

int main(int argc, char **argv)
{
	bool tsv = argc == 2 && !strcmp(argv[1], "--tsv"), ok = true;

	if (argc > 1 && !tsv) {
		fprintf(stderr, "usage: bench [--tsv]\n");
		return 2;
	}
	results = mmap(NULL, DEVICES * sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		return 2;
	for (device = 0; device < DEVICES; device++)
		ok &= measure_all();
	if (tsv)
		print_tsv();
	else
		print_table();
	return ok ? 0 : 1;
}
