// SPDX-License-Identifier: GPL-2.0-only
/*
 * State that userspace may hand over in newer forms: exceptions that wait with what they will do to
 * CR2 and DR6, a triple fault, an AP that has had its SIPI; SREGS2, XSAVE2, the old KVM_SET_CPUID.
 */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

static void enable(u32 cap, u64 arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	CHECK(has_cap(vm.fd, cap));
	CHECK_OK(ioctl(vm.fd, KVM_ENABLE_CAP, &enable));
}

static struct kvm_vcpu_events get_events(void)
{
	struct kvm_vcpu_events events;

	memset(&events, 0, sizeof(events));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	return events;
}

/* --- exceptions with a payload --- */

static volatile u64 seen_cr2, seen_dr6, seen_error;

static void on_pf(struct guest_frame *frame)
{
	seen_cr2 = READ_CR(2);
	seen_error = frame->error;
	guest_done(1);
}

static void on_db(struct guest_frame *frame)
{
	u64 dr6;

	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	seen_dr6 = dr6;
	guest_done(2);
}

static void guest_wait(u64 arg)
{
	guest_handlers[VEC_PF] = on_pf;
	guest_handlers[VEC_DB] = on_db;
	guest_sync(0);
	guest_done(0);
}

static void start_waiting(void)
{
	guest_start(&vm, &vcpu, 0, guest_wait, 0);
	vcpu_sync(&vcpu);
}

static struct kvm_vcpu_events pending(u8 vector, u64 payload)
{
	struct kvm_vcpu_events events = get_events();

	events.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	events.exception.pending = 1;
	events.exception.injected = 0;
	events.exception.nr = vector;
	events.exception.has_error_code = vector == VEC_PF;
	events.exception.error_code = vector == VEC_PF ? 2 : 0;
	events.exception_has_payload = 1;
	events.exception_payload = payload;
	return events;
}

/* CR2 is the payload when the handler runs and not before. */
TEST(payload_of_a_page_fault)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	start_waiting();
	enable(KVM_CAP_EXCEPTION_PAYLOAD, 1);
	events = pending(VEC_PF, 0xabcdef000);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.cr2, 0);
	events = get_events();
	CHECK(events.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	CHECK_EQ(events.exception.pending, 1);
	CHECK_EQ(events.exception.injected, 0);
	CHECK_EQ(events.exception.nr, VEC_PF);
	CHECK_EQ(events.exception_has_payload, 1);
	CHECK_EQ(events.exception_payload, 0xabcdef000);
	CHECK_EQ(vcpu_done(&vcpu), 1);
	CHECK_EQ(GUEST_VAR(&vm, seen_cr2), 0xabcdef000);
	CHECK_EQ(GUEST_VAR(&vm, seen_error), 2);
	CHECK_EQ(get_events().exception.pending, 0);
}

/* SDM 3A 18.2.3: B0 and BS are set; the bits that are active low stay 1. */
TEST(payload_of_a_debug_exception)
{
	struct kvm_vcpu_events events;

	start_waiting();
	enable(KVM_CAP_EXCEPTION_PAYLOAD, 1);
	events = pending(VEC_DB, 0x4001);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_done(&vcpu), 2);
	CHECK_EQ(GUEST_VAR(&vm, seen_dr6), 0xffff4ff1);
}

/* An exception under delivery has no payload: CR2 is as it was. */
TEST(injected_exception_has_no_payload)
{
	struct kvm_vcpu_events events;

	start_waiting();
	enable(KVM_CAP_EXCEPTION_PAYLOAD, 1);
	events = pending(VEC_PF, 0xabcdef000);
	events.exception.pending = 0;
	events.exception.injected = 1;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(get_events().exception.injected, 1);
	CHECK_EQ(get_events().exception_has_payload, 0);
	CHECK_EQ(vcpu_done(&vcpu), 1);
	CHECK_EQ(GUEST_VAR(&vm, seen_cr2), 0);
}

TEST(payload_needs_the_capability)
{
	struct kvm_vcpu_events events;

	start_waiting();
	CHECK(!(get_events().flags & KVM_VCPUEVENT_VALID_PAYLOAD));
	events = pending(VEC_PF, 0x1000);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	enable(KVM_CAP_EXCEPTION_PAYLOAD, 1);
	events = pending(VEC_NMI, 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	events = pending(32, 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/* --- triple fault --- */

TEST(triple_fault_event)
{
	struct kvm_vcpu_events events;

	start_waiting();
	events = get_events();
	CHECK(!(events.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT));
	events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	events.triple_fault.pending = 1;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	enable(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	events = get_events();
	CHECK(events.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	CHECK_EQ(events.triple_fault.pending, 1);
	vcpu_expect(&vcpu, KVM_EXIT_SHUTDOWN);
}

TEST(triple_fault_event_taken_back)
{
	struct kvm_vcpu_events events;

	start_waiting();
	enable(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	events = get_events();
	events.triple_fault.pending = 1;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	events.triple_fault.pending = 0;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_EQ(vcpu_done(&vcpu), 0);
}

/* --- KVM_MP_STATE_SIPI_RECEIVED --- */

extern const char sipi_start[], sipi_end[];
asm(".pushsection .rodata\n"
    ".code16\n"
    "sipi_start:\n"
    "	mov	%cs, %ax\n"
    "	out	%ax, $0xd8\n"
    "1:	hlt\n"
    "	jmp	1b\n"
    "sipi_end:\n"
    ".code64\n"
    ".popsection");

/* The vCPU starts at the vector that the events told. */
TEST(sipi_received)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_SIPI_RECEIVED };
	struct kvm_vcpu_events events;
	struct vcpu ap;
	int r;

	vm_create(&vm, VM_IRQCHIP);
	vcpu_create(&vm, &vcpu, 0);
	vcpu_create(&vm, &ap, 1);
	memcpy(vm.ram + 0x9000, sipi_start, sipi_end - sipi_start);
	memset(&events, 0, sizeof(events));
	CHECK_OK(ioctl(ap.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK_EQ(events.sipi_vector, 0);
	events.flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	events.sipi_vector = 9;
	CHECK_OK(ioctl(ap.fd, KVM_SET_VCPU_EVENTS, &events));
	CHECK_OK(ioctl(ap.fd, KVM_SET_MP_STATE, &mp));
	do
		r = ioctl(ap.fd, KVM_RUN, 0);
	while (r < 0 && (errno == EAGAIN || errno == EINTR));
	CHECK_OK(r);
	CHECK_EQ(ap.run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(ap.run->io.port, 0xd8);
	CHECK_EQ(*(u16 *)((u8 *)ap.run + ap.run->io.data_offset), 0x900);
	CHECK_OK(ioctl(ap.fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
}

TEST(sipi_received_needs_a_lapic)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_SIPI_RECEIVED };

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp), EINVAL);
}

/* --- SREGS2 --- */

/* In PAE paging the four page-directory pointers are part of the state; elsewhere they are not. */
TEST(sregs2_pdptrs)
{
	struct kvm_sregs2 set, got;
	u64 *pdptrs;
	int i;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	CHECK(has_cap(vm.fd, KVM_CAP_SREGS2));
	vcpu_set_protected_mode(&vcpu, sipi_start);
	memset(&set, 0, sizeof(set));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_SREGS2, &set));
	CHECK_EQ(set.flags, 0);
	set.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_SREGS2, &set), EINVAL);

	pdptrs = (u64 *)(vm.ram + GUEST_FREE);
	for (i = 0; i < 4; i++)
		set.pdptrs[i] = pdptrs[i] = (GUEST_FREE + 0x1000 * (i + 1)) | PTE_P;
	set.cr0 |= CR0_PG;
	set.cr4 |= CR4_PAE;
	set.cr3 = GUEST_FREE;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_SREGS2, &set));
	memset(&got, 0, sizeof(got));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_SREGS2, &got));
	CHECK_EQ(got.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	CHECK_EQ(got.cr3, GUEST_FREE);
	for (i = 0; i < 4; i++)
		CHECK_EQ(got.pdptrs[i], set.pdptrs[i]);
}

/* --- XSAVE2 --- */

TEST(xsave2_is_xsave)
{
	int size;
	u8 *area, *old;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	if (!has_cap(vm.fd, KVM_CAP_XSAVE))
		test_skip("no XSAVE");
	size = CHECK_OK(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2));
	CHECK(size >= 4096);
	area = aligned_alloc(4096, size + 4096);
	old = aligned_alloc(4096, 4096);
	memset(area, 0x5a, size + 4096);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE2, area));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE, old));
	CHECK(!memcmp(area, old, 4096));
	CHECK_EQ(area[size], 0x5a);
	/* XMM1, in the legacy region. */
	memset(area + 176, 0x77, 16);
	*(u64 *)(area + 512) |= 3;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_XSAVE, area));
	memset(area, 0, size);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE2, area));
	CHECK_EQ(area[176], 0x77);
	CHECK_EQ(area[191], 0x77);
}

/* --- KVM_SET_CPUID --- */

static u32 cpuid_result[4];

static void guest_cpuid(u64 leaf)
{
	asm volatile("cpuid"
		     : "=a"(cpuid_result[0]), "=b"(cpuid_result[1]), "=c"(cpuid_result[2]),
		       "=d"(cpuid_result[3])
		     : "a"((u32)leaf), "c"(5));
	guest_done(0);
}

/* Entries of the old call know no subleaves: each answers for all of its own. */
TEST(old_set_cpuid)
{
	struct {
		struct kvm_cpuid head;
		struct kvm_cpuid_entry entries[4];
	} old = {
		.head.nent = 4,
		.entries = {
			{ .function = 0, .eax = 0x16, .ebx = 0x756e6547, .edx = 0x49656e69,
			  .ecx = 0x6c65746e },
			{ .function = 0x80000001, .edx = 1U << 29 | 1U << 20 | 1U << 11 },
			{ .function = 1, .eax = 0x306c1, .edx = 0x078bfbff },
			{ .function = 0x15, .eax = 1, .ebx = 2, .ecx = 3, .edx = 4 },
		},
	};
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[4];
	} got = { .head.nent = 4 };

	guest_start(&vm, &vcpu, 0, guest_cpuid, 0x15);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID, &old));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, &got));
	CHECK_EQ(got.head.nent, 4);
	CHECK_EQ(got.entries[3].function, 0x15);
	CHECK_EQ(got.entries[3].index, 0);
	CHECK_EQ(got.entries[3].flags, 0);
	vcpu_done(&vcpu);
	CHECK_EQ(GUEST_VAR(&vm, cpuid_result)[0], 1);
	CHECK_EQ(GUEST_VAR(&vm, cpuid_result)[3], 4);
	old.head.nent = 257;
	CHECK_ERR(ioctl(vcpu.fd, KVM_SET_CPUID, &old), E2BIG);
}
