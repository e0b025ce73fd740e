/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/refcount.h>

#include "coalesced.h"
#include "iobus.h"
#include "irq/eventfd.h"
#include "irq/irqchip.h"
#include "mmu/mmu.h"
#include "vcpu.h"
#include "x86/pvclock.h"

#define VMM_MAX_VCPUS 64

/* What KVM does for guests of its past and userspace may forbid; its other quirks are not here. */
#define VMM_QUIRKS (KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

struct msr_filter;

struct vm {
	struct mmu mmu; /* EPT/NPT and memory slots; has locks of its own */
	struct iobus pio, mmio; /* what the kernel answers itself, but for the LAPICs */
	struct iobus_handler irqchip_pio, irqchip_mmio; /* the irqchip's places on them */
	struct irqfds irqfds; /* with their own locks, as are the next two */
	struct ioeventfds ioeventfds;
	struct coalesced coalesced;
	struct irqchip *irqchip; /* set once under lock, before the first vCPU; freed with the VM */
	bool has_pit; /* same */
	u32 x2apic_api; /* KVM_X2APIC_API_*; under lock */
	struct msr_filter __rcu *msr_filter; /* under lock; freed with the VM */
	unsigned long nr_mmu_pages; /* KVM_SET_NR_MMU_PAGES; any time, as the next */
	u32 user_msr_exits; /* KVM_MSR_EXIT_REASON_*: KVM_CAP_X86_USER_SPACE_MSR; any time */
	u64 quirks_disabled; /* KVM_X86_QUIRK_*: KVM_CAP_DISABLE_QUIRKS2; any time */
	bool hide_platform_info; /* KVM_CAP_MSR_PLATFORM_INFO off; any time */
	bool exception_payload; /* KVM_CAP_EXCEPTION_PAYLOAD; any time, as the next */
	bool triple_fault_event; /* KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	struct vcpu *vcpus[VMM_MAX_VCPUS]; /* filled in order under lock, published by nr_vcpus;
					      never shrinks */
	unsigned int nr_vcpus; /* written with release under lock */
	s64 halt_poll_ns; /* KVM_CAP_HALT_POLL; below 0: the module's; any time */
	unsigned int helped; /* index of the vCPU that was yielded to last: a hint (yield.c) */
	u32 max_vcpu_id; /* KVM_CAP_MAX_VCPU_ID: IDs are below; 0: not set; under lock */
	u32 boot_vcpu; /* id of the BSP; under lock, before the first vCPU */
	struct mm_struct *mm; /* who created it: only that process may use it (else -EIO) */
	refcount_t users; /* the VM fd and each vCPU fd */
	struct mutex lock; /* creation of vCPUs, irqchip, PIT; see docs/locking.md */
	struct hrtimer pit_timer;
	pid_t owner; /* who created it, for people to read */
	struct list_head stats_link; /* stats.c */

	struct pvclock_vm clock;
	u64 tsc_mult; /* timer.c: from TSC ticks to ns; constant */
	/* vCPUs whose TSCs are written alike stay alike. */
	raw_spinlock_t tsc_lock;
	u64 tsc_value, tsc_host,
		tsc_offset; /* tsc_lock: the last write: what, when (host TSC), and the offset */
};

#define vmm_for_each_vcpu(i, vcpu, vm)                                                            \
	for ((i) = 0; (i) < smp_load_acquire(&(vm)->nr_vcpus) && ((vcpu) = (vm)->vcpus[i], true); \
	     (i)++)

int vm_create_fd(unsigned long type); /* KVM_CREATE_VM: an fd or -errno */
void vm_get(struct vm *vm);
void vm_put(struct vm *vm); /* the last one frees it */

/*
 * On return every vCPU has left the guest since the call, or will flush its TLB before it enters
 * again. Preemption may be off, IRQs must be on; callable under mmu.lock.
 */
void vm_flush_tlb(struct vm *vm);

#endif
