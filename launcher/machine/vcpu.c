// SPDX-License-Identifier: GPL-2.0-only
#include "machine/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/entry.h"

/* A vCPU thread calls a device, an ioctl and eventfd_write(), no more. */
#define STACK_SIZE (64 << 10)

#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING 0x1
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLED_WRITE_BACK 0x806
#define LAPIC_LVT0 0x350
#define LAPIC_LVT1 0x360
#define LVT_EXTINT 0x700
#define LVT_NMI 0x400

int vcpu_create(struct vcpu *vcpu, const struct vcpu_request *request, struct error *err)
{
	*vcpu = (struct vcpu){
		.index = request->index,
		.run_size = request->run_size,
		.ports = request->ports,
		.mmio = request->mmio,
		.end = request->end,
	};
	vcpu->fd = ioctl(request->vm_fd, KVM_CREATE_VCPU, (unsigned long)request->index);
	if (vcpu->fd < 0)
		return error_set_errno(err, EXIT_FAILED, "vCPU %u cannot be created", vcpu->index);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		error_set_errno(err, EXIT_FAILED, "vCPU %u: its run page cannot be mapped",
				vcpu->index);
		close(vcpu->fd);
		return -1;
	}
	return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

int vcpu_set_cpuid(struct vcpu *vcpu, const struct cpuid_table *table, struct error *err)
{
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, table) < 0)
		return error_set_errno(err, EXIT_FAILED, "vCPU %u: its CPUID is refused",
				       vcpu->index);
	return 0;
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

/* Best effort: a hypervisor without one of these shows the guest none either. */
static void set_msr_bits(struct vcpu *vcpu, uint32_t index, uint64_t bits)
{
	struct one_msr msr = { .head.nmsrs = 1, .entry.index = index };

	if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) != 1)
		return;
	msr.entry.data |= bits;
	ioctl(vcpu->fd, KVM_SET_MSRS, &msr);
}

/*
 * Virtual wire mode (MP specification 3.6.2.2): the PIC's interrupts come in at LINT0, NMI at
 * LINT1.
 */
static int set_virtual_wire(struct vcpu *vcpu, struct error *err)
{
	struct kvm_lapic_state lapic;
	const uint32_t lvt0 = LVT_EXTINT, lvt1 = LVT_NMI;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_GET_LAPIC");
	memcpy(lapic.regs + LAPIC_LVT0, &lvt0, sizeof(lvt0));
	memcpy(lapic.regs + LAPIC_LVT1, &lvt1, sizeof(lvt1));
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_SET_LAPIC");
	return 0;
}

int vcpu_set_boot_state(struct vcpu *vcpu, uint64_t entry, struct error *err)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_GET_SREGS");
	entry_set_sregs(&sregs);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_SET_SREGS");
	entry_set_regs(&regs, entry);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return error_set_errno(err, EXIT_FAILED, "KVM_SET_REGS");
	set_msr_bits(vcpu, MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING);
	set_msr_bits(vcpu, MSR_MTRR_DEF_TYPE, MTRR_ENABLED_WRITE_BACK);
	return set_virtual_wire(vcpu, err);
}

/* What a handler decides: back into the guest, or the end of the thread. */
enum vcpu_next { NEXT_ENTER, NEXT_LEAVE };

static enum vcpu_next end_with(struct vcpu *vcpu, enum end_reason reason)
{
	end_set(vcpu->end, reason);
	return NEXT_LEAVE;
}

/* Only the first vCPU to fail is heard of; the sentence is in vcpu->err. */
static enum vcpu_next fail(struct vcpu *vcpu)
{
	vcpu->have_registers = !ioctl(vcpu->fd, KVM_GET_REGS, &vcpu->regs) &&
			       !ioctl(vcpu->fd, KVM_GET_SREGS, &vcpu->sregs);
	return end_with(vcpu, END_FAILED);
}

/* A string instruction comes as one exit with count items. */
static enum vcpu_next handle_io(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(vcpu->ports, run->io.port, data, run->io.size);
		else
			bus_read(vcpu->ports, run->io.port, data, run->io.size);
	}
	return NEXT_ENTER;
}

static enum vcpu_next handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->mmio.is_write)
		bus_write(vcpu->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(vcpu->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	return NEXT_ENTER;
}

static enum vcpu_next handle_nothing(struct vcpu *vcpu)
{
	(void)vcpu;
	return NEXT_ENTER;
}

static enum vcpu_next handle_shutdown(struct vcpu *vcpu)
{
	return end_with(vcpu, END_TRIPLE_FAULT);
}

static enum vcpu_next handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		return end_with(vcpu, END_POWER_OFF);
	case KVM_SYSTEM_EVENT_RESET:
		return end_with(vcpu, END_REBOOT);
	default:
		error_set(&vcpu->err, EXIT_FAILED, "vCPU %u: the guest crashed (system event %u)",
			  vcpu->index, vcpu->run->system_event.type);
		return fail(vcpu);
	}
}

static enum vcpu_next handle_fail_entry(struct vcpu *vcpu)
{
	error_set(&vcpu->err, EXIT_FAILED,
		  "vCPU %u: the processor refused to enter the guest (reason %#llx)", vcpu->index,
		  (unsigned long long)vcpu->run->fail_entry.hardware_entry_failure_reason);
	return fail(vcpu);
}

static enum vcpu_next handle_internal_error(struct vcpu *vcpu)
{
	error_set(&vcpu->err, EXIT_FAILED,
		  "vCPU %u: the hypervisor gave up on an instruction or event (internal error %u)",
		  vcpu->index, vcpu->run->internal.suberror);
	return fail(vcpu);
}

static enum vcpu_next handle_unknown(struct vcpu *vcpu)
{
	error_set(&vcpu->err, EXIT_FAILED, "vCPU %u: unknown hardware exit %#llx", vcpu->index,
		  (unsigned long long)vcpu->run->hw.hardware_exit_reason);
	return fail(vcpu);
}

static enum vcpu_next (*const handlers[])(struct vcpu *vcpu) = {
	[KVM_EXIT_UNKNOWN] = handle_unknown,
	[KVM_EXIT_IO] = handle_io,
	[KVM_EXIT_MMIO] = handle_mmio,
	[KVM_EXIT_INTR] = handle_nothing,
	[KVM_EXIT_SHUTDOWN] = handle_shutdown,
	[KVM_EXIT_FAIL_ENTRY] = handle_fail_entry,
	[KVM_EXIT_INTERNAL_ERROR] = handle_internal_error,
	[KVM_EXIT_SYSTEM_EVENT] = handle_system_event,
};

static enum vcpu_next handle_exit(struct vcpu *vcpu)
{
	uint32_t reason = vcpu->run->exit_reason;

	if (reason < sizeof(handlers) / sizeof(handlers[0]) && handlers[reason])
		return handlers[reason](vcpu);
	error_set(&vcpu->err, EXIT_FAILED, "vCPU %u: unexpected exit %u", vcpu->index, reason);
	return fail(vcpu);
}

/*
 * EINTR: a kick, or a signal that stops and continues us. EAGAIN: an AP's state changed while it
 * waited.
 */
static enum vcpu_next run_once(struct vcpu *vcpu)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0))
		return handle_exit(vcpu);
	if (errno == EINTR || errno == EAGAIN)
		return NEXT_ENTER;
	error_set_errno(&vcpu->err, EXIT_FAILED, "vCPU %u: KVM_RUN", vcpu->index);
	return fail(vcpu);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	while (end_reason(vcpu->end) == END_NONE && run_once(vcpu) == NEXT_ENTER)
		;
	return NULL;
}

static void ignore_kick(int sig)
{
	(void)sig;
}

int vcpu_start(struct vcpu *vcpu, struct error *err)
{
	struct sigaction kick = { .sa_handler = ignore_kick };
	pthread_attr_t attr;
	int rc;

	sigaction(VCPU_KICK_SIGNAL, &kick, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	if (rc) {
		errno = rc;
		return error_set_errno(err, EXIT_FAILED, "vCPU %u: no thread for it", vcpu->index);
	}
	return 0;
}

/* immediate_exit catches the vCPU that is about to enter, the signal the one that has entered. */
void vcpu_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(vcpu->thread, VCPU_KICK_SIGNAL);
}

void vcpu_join(struct vcpu *vcpu)
{
	pthread_join(vcpu->thread, NULL);
}

void vcpu_print_registers(const struct vcpu *vcpu, FILE *out)
{
	const struct kvm_sregs *s = &vcpu->sregs;
	const struct kvm_regs *r = &vcpu->regs;

	if (!vcpu->have_registers)
		return;
	fprintf(out,
		"rax %016llx rbx %016llx rcx %016llx rdx %016llx\n"
		"rsi %016llx rdi %016llx rbp %016llx rsp %016llx\n"
		"r8  %016llx r9  %016llx r10 %016llx r11 %016llx\n"
		"r12 %016llx r13 %016llx r14 %016llx r15 %016llx\n"
		"rip %016llx rflags %08llx\n",
		r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8, r->r9,
		r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip, r->rflags);
	fprintf(out,
		"cs %04x base %llx limit %x l %u db %u  ss %04x  tr %04x\n"
		"cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx apic base %llx\n"
		"gdt %llx limit %x  idt %llx limit %x\n",
		s->cs.selector, s->cs.base, s->cs.limit, s->cs.l, s->cs.db, s->ss.selector,
		s->tr.selector, s->cr0, s->cr2, s->cr3, s->cr4, s->efer, s->apic_base, s->gdt.base,
		s->gdt.limit, s->idt.base, s->idt.limit);
}
