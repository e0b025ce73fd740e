// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation and every copy to and from userspace that a call makes fails once, in turn (fail-nth of the kernel's
 * fault injection: failslab, fail_page_alloc, fail_usercopy). The call may say so or do without; after that it works.
 * What was lost on the way is for kmemleak and KASAN to find. Needs a kernel that has fault injection.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define MOST_FAULTS 2000

static int fail_nth = -1;

static void write_knob(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		FAIL("%s: %s", path, errno_name(errno));
	close(fd);
}

/* Without these, allocations that may wait, which is all of ours, never fail; and every fault is a stack trace. */
static void need_faults(void)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		test_skip("no fault injection in this kernel");
	write_knob("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_knob("/sys/kernel/debug/failslab/verbose", "0");
	write_knob("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_knob("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_knob("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_knob("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_knob("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void faults_arm(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	CHECK_EQ(pwrite(fail_nth, text, length, 0), length);
}

/* Whether the fault struck. What is left of the count may strike these calls: they copy from and to us. */
static bool faults_disarm(void)
{
	char text[16] = "";
	bool struck;

	struck = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	while (pwrite(fail_nth, "0", 1, 0) != 1)
		CHECK_EQ(errno, EFAULT);
	return struck;
}

/* --- what the calls work on --- */

static struct vm vm;
static struct vcpu vcpu;
static int made, event, resample;
static void *memory;

#define MEMORY_AT 0x10000000UL
#define MEMORY_SIZE 0x400000UL

struct call {
	const char *name;
	void (*prepare)(void); /* before each fault */
	long (*call)(void);
	void (*undo)(void);
};

/* The call with every fault there is. After each it is made again, on the same object. */
static void walk(const struct call *call)
{
	unsigned int nth, failed = 0;
	bool struck = true;
	int err;
	long r;

	for (nth = 1; struck && nth < MOST_FAULTS; nth++) {
		if (call->prepare)
			call->prepare();
		faults_arm(nth);
		errno = 0;
		r = call->call();
		err = errno;

		struck = faults_disarm();
		if (r < 0) {
			failed++;
			CHECK_MSG(struck, "%s failed without a fault: %s", call->name,
				  errno_name(err));
			CHECK_MSG(err == ENOMEM || err == EFAULT, "%s, fault %u: %s", call->name,
				  nth, errno_name(err));
			r = call->call();
			CHECK_MSG(r >= 0, "%s again after fault %u: %s", call->name, nth,
				  errno_name(errno));
		}
		if (call->undo)
			call->undo();
	}
	CHECK_MSG(!struck, "%s: no end of faults", call->name);
	CHECK_MSG(failed, "%s never failed in %u faults", call->name, nth - 2);
	test_diag("%s: %u faults, %u failures", call->name, nth - 2, failed);
}

static void walk_all(const struct call *calls, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		walk(&calls[i]);
}

#define WALK(calls) walk_all(calls, sizeof(calls) / sizeof(*(calls)))

static void close_made(void)
{
	close(made);
}

/* --- objects that come to be --- */

static long open_device(void)
{
	return made = open(device_path(), O_RDWR | O_CLOEXEC);
}

static long create_vm(void)
{
	return made = ioctl(vm.dev, KVM_CREATE_VM, 0);
}

static void new_vm(void)
{
	made = CHECK_OK(ioctl(vm.dev, KVM_CREATE_VM, 0));
}

static long create_irqchip(void)
{
	return ioctl(made, KVM_CREATE_IRQCHIP);
}

static long create_split_irqchip(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	return ioctl(made, KVM_ENABLE_CAP, &cap);
}

static void new_vm_with_irqchip(void)
{
	new_vm();
	CHECK_OK(create_irqchip());
}

static long create_pit(void)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return ioctl(made, KVM_CREATE_PIT2, &config);
}

static int made_vcpu;

static long create_vcpu(void)
{
	return made_vcpu = ioctl(made, KVM_CREATE_VCPU, 0);
}

static void close_vcpu_and_vm(void)
{
	close(made_vcpu);
	close(made);
}

static void new_vm_with_vcpu(void)
{
	new_vm_with_irqchip();
	CHECK_OK(create_vcpu());
}

static void *run_page;

static long map_vcpu(void)
{
	run_page = mmap(NULL, ioctl(vm.dev, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
			MAP_SHARED, made_vcpu, 0);
	if (run_page == MAP_FAILED)
		return -1;
	((struct kvm_run *)run_page)->immediate_exit = 0;
	return 0;
}

static void unmap_vcpu(void)
{
	munmap(run_page, ioctl(vm.dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	close_vcpu_and_vm();
}

static int made_stats;

static long stats_of_vcpu(void)
{
	return made_stats = ioctl(made_vcpu, KVM_GET_STATS_FD, 0);
}

static void close_stats(void)
{
	close(made_stats);
	close_vcpu_and_vm();
}

TEST(objects, .timeout = 300)
{
	static const struct call calls[] = {
		{ "open", NULL, open_device, close_made },
		{ "CREATE_VM", NULL, create_vm, close_made },
		{ "CREATE_IRQCHIP", new_vm, create_irqchip, close_made },
		{ "SPLIT_IRQCHIP", new_vm, create_split_irqchip, close_made },
		{ "CREATE_PIT2", new_vm_with_irqchip, create_pit, close_made },
		{ "CREATE_VCPU", new_vm, create_vcpu, close_vcpu_and_vm },
		{ "CREATE_VCPU with an APIC", new_vm_with_irqchip, create_vcpu, close_vcpu_and_vm },
		{ "mmap", new_vm_with_vcpu, map_vcpu, unmap_vcpu },
		{ "GET_STATS_FD", new_vm_with_vcpu, stats_of_vcpu, close_stats },
	};

	need_faults();
	vm.dev = device_open();
	WALK(calls);
}

/* --- memory slots --- */

static long add_slot(void)
{
	return vm_set_slot(&vm, 1, 0, MEMORY_AT, MEMORY_SIZE, memory);
}

static long delete_slot(void)
{
	return vm_set_slot(&vm, 1, 0, 0, 0, NULL);
}

static void new_slot(void)
{
	CHECK_OK(add_slot());
}

static void no_slot(void)
{
	CHECK_OK(delete_slot());
}

static long log_slot(void)
{
	return vm_set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, MEMORY_AT, MEMORY_SIZE, memory);
}

static long move_slot(void)
{
	return vm_set_slot(&vm, 1, 0, MEMORY_AT + MEMORY_SIZE, MEMORY_SIZE, memory);
}

static void new_logged_slot(void)
{
	CHECK_OK(log_slot());
}

static u8 dirty_bitmap[MEMORY_SIZE / 4096 / 8];

static long get_dirty_log(void)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = dirty_bitmap };

	return ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log);
}

TEST(memory_slots, .timeout = 300)
{
	static const struct call calls[] = {
		{ "a new slot", NULL, add_slot, no_slot },
		{ "a slot deleted", new_slot, delete_slot, NULL },
		{ "a new slot with a log", NULL, log_slot, no_slot },
		{ "a slot gets a log", new_slot, log_slot, no_slot },
		{ "a slot loses its log", new_logged_slot, add_slot, no_slot },
		{ "a slot moves", new_slot, move_slot, no_slot },
		{ "GET_DIRTY_LOG", new_logged_slot, get_dirty_log, no_slot },
	};

	need_faults();
	memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	vm_create(&vm, 0);
	WALK(calls);
}

/* --- interrupts and eventfds --- */

static int set_irqfd(u32 flags, int fd)
{
	struct kvm_irqfd args = { .fd = event, .gsi = 5, .flags = flags, .resamplefd = fd };

	return ioctl(vm.fd, KVM_IRQFD, &args);
}

static long assign_irqfd(void)
{
	return set_irqfd(0, 0);
}

static long assign_resampled_irqfd(void)
{
	return set_irqfd(KVM_IRQFD_FLAG_RESAMPLE, resample);
}

static long deassign_irqfd(void)
{
	return set_irqfd(KVM_IRQFD_FLAG_DEASSIGN, 0);
}

static void new_irqfd(void)
{
	CHECK_OK(assign_irqfd());
}

static void no_irqfd(void)
{
	CHECK_OK(deassign_irqfd());
}

static int set_ioeventfd(u64 addr, u32 len, u32 flags)
{
	struct kvm_ioeventfd args = { .fd = event, .addr = addr, .len = len, .flags = flags };

	return ioctl(vm.fd, KVM_IOEVENTFD, &args);
}

static long assign_port(void)
{
	return set_ioeventfd(0x500, 2, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static long deassign_port(void)
{
	return set_ioeventfd(0x500, 2,
			     KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH |
				     KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void new_port(void)
{
	CHECK_OK(assign_port());
}

static void no_port(void)
{
	CHECK_OK(deassign_port());
}

static long assign_address(void)
{
	return set_ioeventfd(0xd0000000, 0, 0);
}

static void no_address(void)
{
	CHECK_OK(set_ioeventfd(0xd0000000, 0, KVM_IOEVENTFD_FLAG_DEASSIGN));
}

static struct kvm_coalesced_mmio_zone zone = { .addr = 0xd0001000, .size = 0x100 };

static long coalesce(void)
{
	return ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static long uncoalesce(void)
{
	return ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

static void new_zone(void)
{
	CHECK_OK(coalesce());
}

static void no_zone(void)
{
	CHECK_OK(uncoalesce());
}

static long set_routing(void)
{
	static struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[64];
	} routing;
	u32 i;

	routing.head.nr = 64;
	for (i = 0; i < 64; i++)
		routing.entries[i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = 0x20 + i },
		};
	return ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routing);
}

static long set_msr_filter(void)
{
	static u8 bitmap[0x100];
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ,
			       .base = 0x40000000,
			       .nmsrs = 0x800,
			       .bitmap = bitmap },
	};

	return ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, &filter);
}

TEST(interrupts_and_eventfds, .timeout = 300)
{
	static const struct call calls[] = {
		{ "IRQFD", NULL, assign_irqfd, no_irqfd },
		{ "IRQFD with resampling", NULL, assign_resampled_irqfd, no_irqfd },
		{ "IRQFD taken away", new_irqfd, deassign_irqfd, NULL },
		{ "IOEVENTFD of a port", NULL, assign_port, no_port },
		{ "IOEVENTFD taken away", new_port, deassign_port, NULL },
		{ "IOEVENTFD of an address", NULL, assign_address, no_address },
		{ "REGISTER_COALESCED_MMIO", NULL, coalesce, no_zone },
		{ "UNREGISTER_COALESCED_MMIO", new_zone, uncoalesce, NULL },
		{ "SET_GSI_ROUTING", NULL, set_routing, NULL },
		{ "SET_MSR_FILTER", NULL, set_msr_filter, NULL },
	};

	need_faults();
	vm_create(&vm, VM_PIT);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	WALK(calls);
}

/* --- state --- */

static union {
	struct kvm_cpuid2 cpuid;
	u8 room[0x4000];
} argument;

static long get_supported_cpuid(void)
{
	argument.cpuid.nent = 256;
	return ioctl(vm.dev, KVM_GET_SUPPORTED_CPUID, &argument);
}

static void supported_cpuid(void)
{
	CHECK_OK(get_supported_cpuid());
}

static long set_cpuid(void)
{
	return ioctl(vcpu.fd, KVM_SET_CPUID2, &argument);
}

/* The state of KIND, got before each fault and set again. */
static unsigned long get_kind, set_kind;

static void get_before(void)
{
	CHECK_OK(ioctl(vcpu.fd, get_kind, &argument));
}

static long set_state(void)
{
	return ioctl(vcpu.fd, set_kind, &argument);
}

static long get_state(void)
{
	return ioctl(vcpu.fd, get_kind, &argument);
}

static void walk_state(const char *name, unsigned long get, unsigned long set)
{
	const struct call calls[] = {
		{ name, NULL, get_state, NULL },
		{ name, get_before, set_state, NULL },
	};

	get_kind = get;
	set_kind = set;
	WALK(calls);
}

TEST(state, .timeout = 300)
{
	static const struct call calls[] = {
		{ "GET_SUPPORTED_CPUID", NULL, get_supported_cpuid, NULL },
		{ "SET_CPUID2", supported_cpuid, set_cpuid, NULL },
	};

	need_faults();
	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu, 0);
	WALK(calls);
	walk_state("REGS", KVM_GET_REGS, KVM_SET_REGS);
	walk_state("SREGS", KVM_GET_SREGS, KVM_SET_SREGS);
	walk_state("FPU", KVM_GET_FPU, KVM_SET_FPU);
	walk_state("XSAVE", KVM_GET_XSAVE, KVM_SET_XSAVE);
	walk_state("LAPIC", KVM_GET_LAPIC, KVM_SET_LAPIC);
	walk_state("VCPU_EVENTS", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS);
	walk_state("DEBUGREGS", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS);
	walk_state("MP_STATE", KVM_GET_MP_STATE, KVM_SET_MP_STATE);
}

/* --- the first KVM_RUN --- */

#define PAGES 8

/* Pages all over the place, so that every level of the page tables is allocated more than once. */
static void guest_touch(u64 arg)
{
	u64 i;

	for (i = 0; i < PAGES; i++)
		*(volatile u64 *)(MEMORY_AT + i * 0x81000) = i + 1;
	guest_sync(1);
	for (i = 0; i < PAGES; i++)
		GUEST_CHECK_EQ(*(volatile u64 *)(MEMORY_AT + i * 0x81000), i + 1);
	guest_done(2);
}

static void new_guest(void)
{
	guest_start(&vm, &vcpu, VM_PIT, guest_touch, 0);
	memory = vm_add_memory(&vm, 1, MEMORY_AT, MEMORY_SIZE);
}

static long run_guest(void)
{
	int r = ioctl(vcpu.fd, KVM_RUN, 0);

	/* Either it says that it has no memory, or the guest gets where it wants to. */
	if (!r)
		CHECK_MSG(vcpu.run->exit_reason == KVM_EXIT_IO && vcpu.run->io.port == PORT_SYNC,
			  "exit %s", exit_name(vcpu.run->exit_reason));
	return r;
}

static void guest_ends(void)
{
	CHECK_EQ(vcpu_done(&vcpu), 2);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	munmap(memory, MEMORY_SIZE);
}

TEST(first_run, .timeout = 400)
{
	static const struct call call = { "KVM_RUN", new_guest, run_guest, guest_ends };

	need_faults();
	walk(&call);
}
