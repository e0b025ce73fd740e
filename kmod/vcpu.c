// SPDX-License-Identifier: GPL-2.0-only
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <trace/events/ipi.h>

#include "backend.h"
#include "binary_stats.h"
#include "compat.h"
#include "dev.h"
#include "ioctl.h"
#include "irq/lapic.h"
#include "state.h"
#include "timer.h"
#include "virt.h"
#include "vm.h"
#include "x86/dr.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/msr_filter.h"

/* -- placing on a CPU -- */

/* A CPU on its way out of hotplug runs no guests: stay unloaded until the scheduler moves this
 * thread. */
static __always_inline void vcpu_place(struct vcpu *vcpu, int cpu)
{
	if (likely(virt_enabled_here())) {
		backend->load(vcpu, cpu);
		WRITE_ONCE(vcpu->cpu, cpu);
		if (vcpu->clock.system_time & KVM_MSR_ENABLED)
			pvclock_loaded(vcpu, cpu);
		if (vcpu->steal.msr & KVM_MSR_ENABLED)
			steal_loaded(vcpu);
	}
}

static void vcpu_displace(struct vcpu *vcpu)
{
	if (likely(vcpu->cpu >= 0)) {
		backend->put(vcpu);
		WRITE_ONCE(vcpu->cpu, -1);
	}
}

static void vcpu_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct vcpu *vcpu = container_of(notifier, struct vcpu, preempt_notifier);

	vcpu_place(vcpu, cpu);
	yield_sched_in(vcpu);
}

static void vcpu_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct vcpu *vcpu = container_of(notifier, struct vcpu, preempt_notifier);

	yield_sched_out(vcpu);
	vcpu_displace(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

int vcpu_load(struct vcpu *vcpu)
{
	for (;;) {
		preempt_disable();
		vcpu_place(vcpu, smp_processor_id());
		if (likely(vcpu->cpu >= 0)) {
			preempt_notifier_register(&vcpu->preempt_notifier);
			preempt_enable();
			return 0;
		}
		preempt_enable();
		if (virt_stopped())
			return -EIO;
		schedule_timeout_uninterruptible(1);
	}
}

void vcpu_put(struct vcpu *vcpu)
{
	local_irq_disable();
	preempt_notifier_unregister(&vcpu->preempt_notifier);
	vcpu_displace(vcpu);
	local_irq_enable();
}

void vcpu_kick(struct vcpu *vcpu)
{
	int cpu;

	/* Orders the caller's news before our look at mode; pairs with the barrier in vcpu_enter().
	 */
	smp_mb();
	if (rcuwait_wake_up(&vcpu->wait))
		yield_woken(vcpu);
	if (READ_ONCE(vcpu->mode) != VCPU_IN_GUEST)
		return;
	preempt_disable();
	cpu = READ_ONCE(vcpu->cpu);
	if (cpu == smp_processor_id())
		/* Interrupts are off while the mode is IN_GUEST: this is the vCPU's own thread. */
		vcpu->news = true;
	else if (cpu >= 0 && cpu_online(cpu))
		smp_send_reschedule(cpu);
	preempt_enable();
}

/* -- ioctls that are more than state -- */

static long run(void *object, unsigned long arg)
{
	return arg ? -EINVAL : vcpu_run(object);
}

static long interrupt(void *object, void *data)
{
	const struct kvm_interrupt *irq = data;
	struct vcpu *vcpu = object;

	if (irq->irq > 255)
		return -EINVAL;
	/* With a PIC in the kernel there is nobody to inject for. */
	if (!vcpu->user_pic)
		return -ENXIO;
	if (vcpu->lapic && vcpu->user_irq.valid)
		return -EEXIST;
	vcpu->user_irq = (struct vmm_event){
		.valid = true,
		.type = VMM_EVENT_INTERRUPT,
		.vector = irq->irq,
	};
	return 0;
}

static long nmi(void *object, unsigned long arg)
{
	struct vcpu *vcpu = object;

	atomic_inc(&vcpu->nmi_queued);
	vcpu_kick(vcpu);
	return 0;
}

static long set_signal_mask(void *object, unsigned long arg)
{
	struct kvm_signal_mask __user *user = (void __user *)arg;
	struct vcpu *vcpu = object;
	struct kvm_signal_mask head;
	sigset_t set;

	vcpu->sigset_active = false;
	if (!arg)
		return 0;
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static long set_cpuid2(void *object, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *entries = NULL;
	struct kvm_cpuid2 head;
	long r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > CPUID_MAX_ENTRIES)
		return -E2BIG;
	if (head.nent) {
		entries = vmemdup_user(user->entries, head.nent * sizeof(*entries));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	r = state_set_cpuid(object, entries, head.nent);
	if (r)
		kvfree(entries);
	return r;
}

/* The old form, without subleaves. */
static long set_cpuid(void *object, unsigned long arg)
{
	struct kvm_cpuid __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry *old;
	struct kvm_cpuid head;
	long r;
	u32 i;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > CPUID_MAX_ENTRIES)
		return -E2BIG;
	if (!head.nent)
		return state_set_cpuid(object, NULL, 0);
	old = vmemdup_user(user->entries, head.nent * sizeof(*old));
	if (IS_ERR(old))
		return PTR_ERR(old);
	r = -ENOMEM;
	entries = kvcalloc(head.nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		goto out;
	for (i = 0; i < head.nent; i++)
		entries[i] = (struct kvm_cpuid_entry2){
			.function = old[i].function,
			.eax = old[i].eax,
			.ebx = old[i].ebx,
			.ecx = old[i].ecx,
			.edx = old[i].edx,
		};
	r = state_set_cpuid(object, entries, head.nent);
	if (r)
		kvfree(entries);
out:
	kvfree(old);
	return r;
}

static long get_cpuid2(void *object, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct vcpu *vcpu = object;
	struct kvm_cpuid2 head;
	u32 nr = vcpu->cpuid.n;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent < nr)
		return -E2BIG;
	if (nr && copy_to_user(user->entries, vcpu->cpuid_entries, nr * sizeof(*user->entries)))
		return -EFAULT;
	return put_user(nr, &user->nent);
}

static long get_msrs(void *object, unsigned long arg)
{
	return msr_ioctl(object, (void __user *)arg, false);
}

static long set_msrs(void *object, unsigned long arg)
{
	return msr_ioctl(object, (void __user *)arg, true);
}

static long get_lapic(void *object, void *data)
{
	struct vcpu *vcpu = object;

	if (!vcpu->lapic)
		return -EINVAL;
	lapic_get_state(vcpu->lapic, data);
	return 0;
}

static long set_lapic(void *object, void *data)
{
	struct vcpu *vcpu = object;

	return vcpu->lapic ? lapic_set_state(vcpu->lapic, data) : -EINVAL;
}

static long get_tsc_khz(void *object, unsigned long arg)
{
	return tsc_khz;
}

/* No TSC scaling: only what the host has. */
static long set_tsc_khz(void *object, unsigned long arg)
{
	return !arg || arg == tsc_khz ? 0 : -EINVAL;
}

/* KVM_ENABLE_CAP: the one that a vCPU has. */
static long enable_cap(void *object, void *data)
{
	const struct kvm_enable_cap *cap = data;
	struct vcpu *vcpu = object;

	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->enforce_pv_features = cap->args[0];
	return 0;
}

/* -- attributes -- */

static long has_attr(void *object, void *data)
{
	const struct kvm_device_attr *attr = data;

	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET ? 0 : -ENXIO;
}

static long get_attr(void *object, void *data)
{
	const struct kvm_device_attr *attr = data;
	struct vcpu *vcpu = object;
	long r = has_attr(vcpu, data);

	return r ?: put_user(vcpu->tsc_offset, (u64 __user *)attr->addr);
}

static long set_attr(void *object, void *data)
{
	const struct kvm_device_attr *attr = data;
	struct vcpu *vcpu = object;
	long r = has_attr(vcpu, data);
	u64 offset;

	if (r)
		return r;
	if (get_user(offset, (u64 __user *)attr->addr))
		return -EFAULT;
	timer_set_tsc_offset(vcpu, offset);
	return 0;
}

static const struct ioctl_row vcpu_ioctls[] = {
	{ .cmd = KVM_RUN, .raw = run }, /* the first: vcpu_ioctl() does not search for it */
	{ .cmd = KVM_INTERRUPT, .fixed = interrupt },
	{ .cmd = KVM_NMI, .raw = nmi },
	{ .cmd = KVM_SET_SIGNAL_MASK, .raw = set_signal_mask },
	{ .cmd = KVM_GET_REGS, .load = true, .fixed = state_get_regs },
	{ .cmd = KVM_SET_REGS, .load = true, .fixed = state_set_regs },
	{ .cmd = KVM_GET_SREGS, .load = true, .fixed = state_get_sregs },
	{ .cmd = KVM_SET_SREGS, .load = true, .fixed = state_set_sregs },
	{ .cmd = KVM_GET_SREGS2, .load = true, .fixed = state_get_sregs2 },
	{ .cmd = KVM_SET_SREGS2, .load = true, .fixed = state_set_sregs2 },
	{ .cmd = KVM_GET_MSRS, .load = true, .raw = get_msrs },
	{ .cmd = KVM_SET_MSRS, .load = true, .raw = set_msrs },
	{ .cmd = KVM_GET_FPU, .fixed = fpu_get },
	{ .cmd = KVM_SET_FPU, .fixed = fpu_set },
	{ .cmd = KVM_GET_XSAVE, .fixed = fpu_get_xsave },
	{ .cmd = KVM_GET_XSAVE2, .fixed = fpu_get_xsave },
	{ .cmd = KVM_SET_XSAVE, .fixed = fpu_set_xsave },
	{ .cmd = KVM_GET_XCRS, .load = true, .fixed = fpu_get_xcrs },
	{ .cmd = KVM_SET_XCRS, .load = true, .fixed = fpu_set_xcrs },
	{ .cmd = KVM_GET_DEBUGREGS, .fixed = state_get_debugregs },
	{ .cmd = KVM_SET_DEBUGREGS, .load = true, .fixed = state_set_debugregs },
	{ .cmd = KVM_GET_VCPU_EVENTS, .load = true, .fixed = state_get_events },
	{ .cmd = KVM_SET_VCPU_EVENTS, .load = true, .fixed = state_set_events },
	{ .cmd = KVM_GET_MP_STATE, .load = true, .fixed = state_get_mp_state },
	{ .cmd = KVM_SET_MP_STATE, .load = true, .fixed = state_set_mp_state },
	{ .cmd = KVM_GET_LAPIC, .fixed = get_lapic },
	{ .cmd = KVM_SET_LAPIC, .fixed = set_lapic },
	{ .cmd = KVM_SET_CPUID, .load = true, .raw = set_cpuid },
	{ .cmd = KVM_SET_VAPIC_ADDR, .fixed = vapic_set_address },
	{ .cmd = KVM_TPR_ACCESS_REPORTING, .fixed = vapic_set_reporting },
	{ .cmd = KVM_SET_CPUID2, .load = true, .raw = set_cpuid2 },
	{ .cmd = KVM_GET_CPUID2, .raw = get_cpuid2 },
	{ .cmd = KVM_TRANSLATE, .load = true, .fixed = state_translate },
	{ .cmd = KVM_ENABLE_CAP, .fixed = enable_cap },
	{ .cmd = KVM_HAS_DEVICE_ATTR, .fixed = has_attr },
	{ .cmd = KVM_GET_DEVICE_ATTR, .fixed = get_attr },
	{ .cmd = KVM_SET_DEVICE_ATTR, .load = true, .fixed = set_attr },
	{ .cmd = KVM_SET_GUEST_DEBUG, .load = true, .fixed = guest_debug_set },
	{ .cmd = KVM_X86_SETUP_MCE, .fixed = mce_setup_banks },
	{ .cmd = KVM_X86_SET_MCE, .load = true, .fixed = mce_report },
	{ .cmd = KVM_KVMCLOCK_CTRL, .raw = pvclock_guest_stopped },
	{ .cmd = KVM_GET_STATS_FD, .raw = binary_stats_vcpu },
	{ .cmd = KVM_GET_TSC_KHZ, .raw = get_tsc_khz },
	{ .cmd = KVM_SET_TSC_KHZ, .raw = set_tsc_khz },
};

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = vcpu_ioctls;
	struct vcpu *vcpu = file->private_data;
	long r;

	if (unlikely(vcpu->vm->mm != current->mm))
		return -EIO;
	if (unlikely(cmd != KVM_RUN)) {
		row = ioctl_find(vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls), cmd);
		if (!row)
			return -ENOTTY;
	}
	/* Others may want to send one to a vCPU that runs: it needs nothing of the vCPU's thread.
	 */
	if (row->cmd == KVM_NMI)
		return ioctl_call(row, vcpu, arg);
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	if (row->load) {
		r = vcpu_load(vcpu);
		if (r)
			goto out;
		r = ioctl_call(row, vcpu, arg);
		vcpu_put(vcpu);
	} else {
		r = ioctl_call(row, vcpu, arg);
	}
out:
	mutex_unlock(&vcpu->mutex);
	return r;
}

/* -- the shared pages: struct kvm_run, port data, the VM's ring -- */

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct vcpu *vcpu = vmf->vma->vm_file->private_data;

	void *page;

	if (vmf->pgoff >= VCPU_MMAP_PAGES)
		return VM_FAULT_SIGBUS;
	if (vmf->pgoff == VCPU_RING_PAGE)
		page = coalesced_page(&vcpu->vm->coalesced);
	else
		page = (void *)vcpu->run + vmf->pgoff * PAGE_SIZE;
	if (!page)
		return VM_FAULT_OOM;
	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff + vma_pages(vma) > VCPU_MMAP_PAGES)
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/* -- lifetime -- */

void vcpu_reset(struct vcpu *vcpu, bool init)
{
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs_avail = 0;
	vcpu->regs_dirty = 0;
	vcpu->requeue.valid = false;
	vcpu->exception.valid = false;
	vcpu->exception_has_payload = false;
	vcpu->user_irq.valid = false;
	vcpu->nmi_pending = 0;
	vcpu->triple_fault = false;
	vcpu->cr2 = 0;
	vcpu->cr8 = 0;
	vcpu->cr4_set = 0;
	vcpu->efer = 0;
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	vcpu->dr6 = DR6_FIXED;
	vcpu->dr7 = DR7_FIXED;
	vcpu->pv_eoi = (struct pv_eoi){};
	if (!init) {
		vcpu->xcr0 = XFEATURE_MASK_FP;
		vcpu->clock = (struct pvclock_vcpu){};
		vcpu->steal = (struct steal_time){};
		msr_reset(vcpu);
	}
	backend->reset(vcpu, init);
	guest_debug_update_dr7(vcpu);
	if (vcpu->lapic)
		lapic_reset(vcpu->lapic, init);
	/* Family, model and stepping, where CPUID tells them (SDM vol 3, table 10-1). */
	vcpu_set_reg(vcpu, VMM_REG_RDX, state_reset_rdx(vcpu));
	fpu_update_xcr0(vcpu);
}

static struct vcpu *vcpu_create(struct vm *vm, u32 id)
{
	bool bsp = id == vm->boot_vcpu;
	struct vcpu *vcpu;
	int r = -ENOMEM;

	vcpu = kvzalloc(backend->vcpu_size, GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = vm->nr_vcpus;
	vcpu->cpu = -1;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	yield_init(vcpu);
	preempt_notifier_init(&vcpu->preempt_notifier, &vcpu_preempt_ops);
	timer_init_lapic(vcpu);
	vcpu->user_pic = !vm->irqchip || vm->irqchip->config.split;
	vcpu->mp_state = bsp || !vm->irqchip ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
	vcpu->apic_base = LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | (bsp ? LAPIC_BASE_BSP : 0);
	vcpu->run = alloc_pages_exact(VCPU_OWN_PAGES * PAGE_SIZE, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run)
		goto out_free;
	r = fpu_create(vcpu);
	if (r)
		goto out_run;
	/* Seen by nobody before nr_vcpus covers it, but for the LAPIC's callbacks. */
	vm->vcpus[vcpu->index] = vcpu;
	if (vm->irqchip) {
		r = -ENOMEM;
		vcpu->lapic = lapic_create(vm->irqchip, vcpu->index, id, bsp);
		if (!vcpu->lapic)
			goto out_fpu;
	}
	r = backend->vcpu_create(vcpu);
	if (r)
		goto out_lapic;
	state_set_cpuid(vcpu, NULL, 0);
	r = vcpu_load(vcpu);
	if (r)
		goto out_backend;
	vcpu_reset(vcpu, false);
	timer_set_guest_tsc(vcpu, 0);
	msr_filter_apply(vcpu);
	vcpu_put(vcpu);
	return vcpu;
out_backend:
	backend->vcpu_destroy(vcpu);
out_lapic:
	if (vcpu->lapic)
		lapic_destroy(vcpu->lapic);
out_fpu:
	fpu_destroy(vcpu);
out_run:
	free_pages_exact(vcpu->run, VCPU_OWN_PAGES * PAGE_SIZE);
out_free:
	kvfree(vcpu);
	return ERR_PTR(r);
}

void vcpu_free(struct vcpu *vcpu)
{
	backend->vcpu_destroy(vcpu);
	if (vcpu->lapic)
		lapic_destroy(vcpu->lapic);
	fpu_destroy(vcpu);
	free_pages_exact(vcpu->run, VCPU_OWN_PAGES * PAGE_SIZE);
	kvfree(vcpu->cpuid_entries);
	mce_free(vcpu);
	yield_free(vcpu);
	kvfree(vcpu);
}

static int check_new_id(struct vm *vm, u32 id)
{
	unsigned int i;

	if (id >= VMM_MAX_VCPUS || vm->nr_vcpus == VMM_MAX_VCPUS)
		return -EINVAL;
	if (vm->max_vcpu_id && id >= vm->max_vcpu_id)
		return -EINVAL;
	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i]->id == id)
			return -EEXIST;
	return 0;
}

int vcpu_create_fd(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	struct file *file;
	int r, fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	mutex_lock(&vm->lock);
	r = check_new_id(vm, id);
	if (r)
		goto out;
	vcpu = vcpu_create(vm, id);
	r = PTR_ERR_OR_ZERO(vcpu);
	if (r)
		goto out;
	/* From here on the vCPU belongs to the file, and the file holds the VM. */
	file = anon_inode_getfile("vmm-vcpu", &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		timer_cancel_lapic(vcpu);
		vcpu_free(vcpu);
		goto out;
	}
	vm_get(vm);
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
	if (vcpu->lapic)
		lapic_publish(vcpu->lapic);
	mutex_unlock(&vm->lock);
	fd_install(fd, file);
	return fd;
out:
	mutex_unlock(&vm->lock);
	put_unused_fd(fd);
	return r;
}
