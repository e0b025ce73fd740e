// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_SYNC_REGS: registers that come and go with KVM_RUN. */
#include <string.h>

#include "guest.h"

static struct vm vm;
static struct vcpu vcpu;

/* RBX is added to RDI, which the next exit tells. */
static void guest_adds(u64 arg)
{
	asm volatile("1:\n"
		     "	mov	$0xd0, %%edx\n"
		     "	out	%%al, (%%dx)\n"
		     "	add	%%rbx, %%rdi\n"
		     "	jmp	1b" ::"a"(0),
		     "b"(1), "D"(arg)
		     : "rdx", "memory");
}

static void start(void)
{
	guest_start(&vm, &vcpu, 0, guest_adds, 10);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS),
		 KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS);
}

TEST(registers_come_out)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	start();
	vcpu.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	CHECK_EQ(vcpu_sync(&vcpu), 10);
	vcpu_get_regs(&vcpu, &regs);
	vcpu_get_sregs(&vcpu, &sregs);
	memset(&events, 0, sizeof(events));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK(!memcmp(&vcpu.run->s.regs.regs, &regs, sizeof(regs)));
	CHECK(!memcmp(&vcpu.run->s.regs.sregs, &sregs, sizeof(sregs)));
	CHECK_EQ(vcpu.run->s.regs.events.flags, events.flags);
	CHECK_EQ(vcpu.run->s.regs.regs.rdi, 10);
	/* Only what was asked for. */
	vcpu.run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	vcpu.run->s.regs.regs.rdi = 0x5555;
	CHECK_EQ(vcpu_sync(&vcpu), 11);
	CHECK_EQ(vcpu.run->s.regs.regs.rdi, 0x5555);
}

TEST(registers_go_in)
{
	struct kvm_sregs sregs;

	start();
	vcpu.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	CHECK_EQ(vcpu_sync(&vcpu), 10);
	vcpu.run->s.regs.regs.rbx = 100;
	CHECK_EQ(vcpu_sync(&vcpu), 11); /* not said to be dirty */
	vcpu.run->s.regs.regs.rbx = 100;
	vcpu.run->s.regs.sregs.fs.base = 0x123000;
	vcpu.run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	CHECK_EQ(vcpu_sync(&vcpu), 111);
	CHECK_EQ(vcpu.run->kvm_dirty_regs, 0);
	CHECK_EQ(vcpu.run->s.regs.regs.rbx, 100);
	vcpu_get_sregs(&vcpu, &sregs);
	CHECK_EQ(sregs.fs.base, 0x123000);
}

TEST(refused)
{
	start();
	vcpu.run->kvm_valid_regs = 1 << 10;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINVAL);
	vcpu.run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	vcpu.run->kvm_dirty_regs = 1 << 10;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINVAL);
	vcpu.run->kvm_dirty_regs = 0;
	CHECK_EQ(vcpu_sync(&vcpu), 10);
	vcpu.run->s.regs.sregs.cr0 = CR0_PG; /* without PE */
	vcpu.run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	CHECK_ERR(ioctl(vcpu.fd, KVM_RUN, 0), EINVAL);
}
