// SPDX-License-Identifier: GPL-2.0-only
/* See vapic.h. */
#include <linux/errno.h>
#include <linux/kvm.h>

#include "irq/lapic.h"
#include "mmu/mmu.h"
#include "vapic.h"
#include "vm.h"

long vapic_set_address(void *object, void *data)
{
	const struct kvm_vapic_addr *address = data;
	struct vcpu *vcpu = object;
	u32 word;

	if (!vcpu->lapic)
		return -EINVAL;
	if (address->vapic_addr &&
	    guest_read(&vcpu->vm->mmu, address->vapic_addr, &word, sizeof(word)))
		return -EINVAL;
	vcpu->vapic.gpa = address->vapic_addr;
	return 0;
}

long vapic_set_reporting(void *object, void *data)
{
	const struct kvm_tpr_access_ctl *control = data;
	struct vcpu *vcpu = object;

	if (!vcpu->lapic || control->flags)
		return -EINVAL;
	vcpu->vapic.report = control->enabled;
	return 0;
}

void vapic_to_guest(struct vcpu *vcpu)
{
	u32 word = lapic_vapic_word(vcpu->lapic);

	guest_write(&vcpu->vm->mmu, vcpu->vapic.gpa, &word, sizeof(word));
}

void vapic_from_guest(struct vcpu *vcpu)
{
	u32 word;

	if (!guest_read(&vcpu->vm->mmu, vcpu->vapic.gpa, &word, sizeof(word)))
		lapic_set_tpr(vcpu->lapic, word);
}

void vapic_report(struct vcpu *vcpu, bool write)
{
	vcpu->vapic.report_rip = vcpu_rip(vcpu);
	vcpu->vapic.report_write = write;
	vcpu_request(vcpu, VCPU_REQ_TPR_ACCESS);
}

int vapic_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	clear_bit(VCPU_REQ_TPR_ACCESS, &vcpu->requests);
	run->exit_reason = KVM_EXIT_TPR_ACCESS;
	run->tpr_access.rip = vcpu->vapic.report_rip;
	run->tpr_access.is_write = vcpu->vapic.report_write;
	return 0;
}
