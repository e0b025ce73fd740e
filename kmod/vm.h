/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/refcount.h>

#include "irq/irqchip.h"
#include "mmu/mmu.h"
#include "vcpu.h"

#define VMM_MAX_VCPUS 64

struct vm {
	struct mmu mmu;				/* EPT/NPT, memory slots; has locks of its own */
	struct irqchip *irqchip;		/* set once under lock, before the first vCPU; freed with the VM */
	struct vcpu *vcpus[VMM_MAX_VCPUS];	/* filled in order under lock, published with release; never shrinks */
	unsigned int nr_vcpus;			/* same */
	struct mm_struct *mm;			/* who created it: only that process may use it (KVM: -EIO) */
	refcount_t users;			/* the VM fd and each vCPU fd */
	bool dead;				/* broken: every ioctl answers -EIO; only ever set */
	struct mutex lock;			/* creation of vCPUs, irqchip, PIT; see docs/locking.md */
	struct hrtimer pit_timer;

	raw_spinlock_t tsc_lock;		/* protects the next three: vCPUs' TSCs written alike stay alike */
	u64 tsc_last_value, tsc_last_host, tsc_last_offset;
};

#define vmm_for_each_vcpu(i, vcpu, vm)                                                                             \
	for ((i) = 0; (i) < smp_load_acquire(&(vm)->nr_vcpus) && ((vcpu) = (vm)->vcpus[i], true); (i)++)

int vm_create_fd(unsigned long type);	/* KVM_CREATE_VM */
void vm_get(struct vm *vm);
void vm_put(struct vm *vm);		/* the last one frees it */
void vm_kill(struct vm *vm);		/* mark dead, kick all vCPUs out */

/* Every vCPU has left the guest since the call and flushes its TLB before it enters again. IRQs on; may be called
 * under mmu.lock. */
void vm_flush_tlb(struct vm *vm);

#endif
