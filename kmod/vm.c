// SPDX-License-Identifier: GPL-2.0-only
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include "backend.h"
#include "binary_stats.h"
#include "dev.h"
#include "ioctl.h"
#include "irq/lapic.h"
#include "stats.h"
#include "timer.h"
#include "virt.h"
#include "vm.h"
#include "x86/msr_filter.h"

/* -- leaving the guest -- */

/* Which CPUs to wait for; used with preemption off, and never from an interrupt. */
static DEFINE_PER_CPU(struct cpumask, flush_mask);

static void left_guest(void *unused)
{
}

void vm_flush_tlb(struct vm *vm)
{
	struct cpumask *mask;
	struct vcpu *vcpu;
	unsigned int i;
	int cpu;

	preempt_disable();
	mask = this_cpu_ptr(&flush_mask);
	cpumask_clear(mask);
	vmm_for_each_vcpu(i, vcpu, vm) {
		vcpu_request(vcpu, VCPU_REQ_TLB_FLUSH);
		/* Pairs with the one in vcpu_enter(): either it sees the request or we see
		 * IN_GUEST. */
		smp_mb__after_atomic();
		cpu = READ_ONCE(vcpu->cpu);
		if (READ_ONCE(vcpu->mode) == VCPU_IN_GUEST && cpu >= 0)
			cpumask_set_cpu(cpu, mask);
	}
	/* An interrupt is answered outside the guest: when all have answered, all have left. */
	smp_call_function_many(mask, left_guest, NULL, true);
	preempt_enable();
}

static void flush_for_mmu(void *ctx)
{
	vm_flush_tlb(ctx);
}

static const struct mmu_ops vm_mmu_ops = {
	.flush = flush_for_mmu,
};

/* -- memory -- */

#define MIN_MMU_PAGES 64 /* as KVM */

static long set_memory_region(void *object, void *data)
{
	const struct kvm_userspace_memory_region *region = data;
	u64 limit = 1ull << vmm_caps.guest_phys_bits;
	struct vm *vm = object;

	/* What no guest can address; a size of 0 deletes. */
	if (region->memory_size && (region->guest_phys_addr >= limit ||
				    region->memory_size > limit - region->guest_phys_addr))
		return -EINVAL;
	return memslot_set(&vm->mmu, data);
}

static long get_dirty_log(void *object, void *data)
{
	struct vm *vm = object;

	return memslot_get_dirty_log(&vm->mmu, data);
}

static long clear_dirty_log(void *object, unsigned long arg)
{
	struct kvm_clear_dirty_log log;
	struct vm *vm = object;

	if (copy_from_user(&log, (void __user *)arg, sizeof(log)))
		return -EFAULT;
	return memslot_clear_dirty_log(&vm->mmu, &log);
}

/* No shadow page tables whose number could be limited: kept for who asks. */
static long set_nr_mmu_pages(void *object, unsigned long arg)
{
	struct vm *vm = object;

	if (arg < MIN_MMU_PAGES)
		return -EINVAL;
	WRITE_ONCE(vm->nr_mmu_pages, arg);
	return 0;
}

static long get_nr_mmu_pages(void *object, unsigned long arg)
{
	struct vm *vm = object;

	return READ_ONCE(vm->nr_mmu_pages);
}

/* Unrestricted guests need no TSS and no identity map in guest memory: taken and not used. */
static long set_tss_addr(void *object, unsigned long arg)
{
	return arg > U32_MAX - 3 * PAGE_SIZE ? -EINVAL : 0;
}

static long set_identity_map_addr(void *object, void *data)
{
	struct vm *vm = object;
	long r;

	mutex_lock(&vm->lock);
	r = vm->nr_vcpus ? -EINVAL : 0;
	mutex_unlock(&vm->lock);
	return r;
}

/* -- the interrupt controllers in the kernel -- */

static long add_irqchip(struct vm *vm, const struct irqchip_config *config)
{
	struct irqchip *irqchip;
	long r;

	mutex_lock(&vm->lock);
	r = -EEXIST;
	if (vm->irqchip)
		goto out;
	/* As KVM has it. */
	r = config ? -EEXIST : -EINVAL;
	if (vm->nr_vcpus)
		goto out;
	r = -ENOMEM;
	irqchip = kzalloc(sizeof(*irqchip), GFP_KERNEL_ACCOUNT);
	if (!irqchip)
		goto out;
	r = irqchip_init(irqchip, &timer_irqchip_ops, vm, config);
	if (r)
		goto out_free;
	irqchip_set_x2apic_api(irqchip, vm->x2apic_api);
	/* Pairs with the acquire in vm_irqchip(). */
	smp_store_release(&vm->irqchip, irqchip);
	goto out;
out_free:
	kfree(irqchip);
out:
	mutex_unlock(&vm->lock);
	return r;
}

static long create_irqchip(void *object, unsigned long arg)
{
	return add_irqchip(object, NULL);
}

/* The local APICs, and perhaps more. */
static struct irqchip *vm_irqchip(struct vm *vm)
{
	return smp_load_acquire(&vm->irqchip);
}

/* The one with PIC and I/O APIC. */
static struct irqchip *vm_full_irqchip(struct vm *vm)
{
	struct irqchip *irqchip = vm_irqchip(vm);

	return irqchip && !irqchip->config.split ? irqchip : NULL;
}

static long create_pit(void *object, const struct kvm_pit_config *config)
{
	struct vm *vm = object;
	long r;

	mutex_lock(&vm->lock);
	if (vm->has_pit)
		r = -EEXIST;
	else if (!vm_full_irqchip(vm))
		r = -ENOENT;
	else
		r = pit_create(vm->irqchip, config->flags);
	if (!r) {
		pit_set_reinject(vm->irqchip, true);
		vm->has_pit = true;
	}
	mutex_unlock(&vm->lock);
	return r;
}

static long create_pit2(void *object, void *data)
{
	return create_pit(object, data);
}

static long create_pit1(void *object, unsigned long arg)
{
	static const struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return create_pit(object, &config);
}

static long get_pit2(void *object, void *data)
{
	struct vm *vm = object;

	if (!READ_ONCE(vm->has_pit))
		return -ENXIO;
	pit_get_state(vm->irqchip, data);
	return 0;
}

static long set_pit2(void *object, void *data)
{
	struct vm *vm = object;

	if (!READ_ONCE(vm->has_pit))
		return -ENXIO;
	return pit_set_state(vm->irqchip, data);
}

static long reinject_control(void *object, unsigned long arg)
{
	struct kvm_reinject_control control;
	struct vm *vm = object;

	if (copy_from_user(&control, (void __user *)arg, sizeof(control)))
		return -EFAULT;
	if (!READ_ONCE(vm->has_pit))
		return -ENXIO;
	pit_set_reinject(vm->irqchip, control.pit_reinject);
	return 0;
}

static long irq_line(void *object, void *data)
{
	struct vm *vm = object;
	struct kvm_irq_level *line = data;
	struct irqchip *irqchip = vm_irqchip(vm);

	if (!irqchip)
		return -ENXIO;
	line->status = irqchip_set_irq(irqchip, line->irq, IRQ_SOURCE_USERSPACE, line->level);
	return 0;
}

static long get_irqchip(void *object, void *data)
{
	struct irqchip *irqchip = vm_full_irqchip(object);

	return irqchip ? irqchip_get_chip(irqchip, data) : -ENXIO;
}

static long set_irqchip(void *object, void *data)
{
	struct irqchip *irqchip = vm_full_irqchip(object);

	return irqchip ? irqchip_set_chip(irqchip, data) : -ENXIO;
}

static long signal_msi(void *object, void *data)
{
	struct irqchip *irqchip = vm_irqchip(object);

	return irqchip ? irqchip_signal_msi(irqchip, data) : -EINVAL;
}

static long set_gsi_routing(void *object, unsigned long arg)
{
	struct kvm_irq_routing __user *user = (void __user *)arg;
	struct kvm_irq_routing_entry *entries = NULL;
	struct vm *vm = object;
	struct kvm_irq_routing head;
	long r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!vm_irqchip(vm) || head.nr > IRQ_ROUTING_MAX || head.flags)
		return -EINVAL;
	if (head.nr) {
		entries = vmemdup_user(user->entries, array_size(head.nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	mutex_lock(&vm->lock);
	r = irqchip_set_routing(vm->irqchip, entries, head.nr);
	mutex_unlock(&vm->lock);
	kvfree(entries);
	return r;
}

/* -- eventfds and coalesced I/O -- */

static long irqfd(void *object, void *data)
{
	struct vm *vm = object;

	return irqfd_request(&vm->irqfds, vm_irqchip(vm), data);
}

static long ioeventfd(void *object, void *data)
{
	const struct kvm_ioeventfd *args = data;
	struct vm *vm = object;

	return ioeventfd_request(&vm->ioeventfds,
				 args->flags & KVM_IOEVENTFD_FLAG_PIO ? &vm->pio : &vm->mmio, args);
}

static long register_coalesced(void *object, void *data)
{
	const struct kvm_coalesced_mmio_zone *zone = data;
	struct vm *vm = object;

	return coalesced_register(&vm->coalesced, zone->pio ? &vm->pio : &vm->mmio, zone);
}

static long unregister_coalesced(void *object, void *data)
{
	const struct kvm_coalesced_mmio_zone *zone = data;
	struct vm *vm = object;

	return coalesced_unregister(&vm->coalesced, zone->pio ? &vm->pio : &vm->mmio, zone);
}

/* The irqchip's ports and pages, on the buses that the run loop asks. */

static int irqchip_port_read(struct iobus_handler *handler, u64 addr, int len, void *data)
{
	struct vm *vm = container_of(handler, struct vm, irqchip_pio);
	struct irqchip *irqchip = vm_full_irqchip(vm);
	u32 value = 0;

	if (!irqchip || !irqchip_pio_read(irqchip, addr, len, &value))
		return -EOPNOTSUPP;
	memcpy(data, &value, len);
	return 0;
}

static int irqchip_port_write(struct iobus_handler *handler, u64 addr, int len, const void *data)
{
	struct vm *vm = container_of(handler, struct vm, irqchip_pio);
	struct irqchip *irqchip = vm_full_irqchip(vm);
	u32 value = 0;

	memcpy(&value, data, len);
	return irqchip && irqchip_pio_write(irqchip, addr, len, value) ? 0 : -EOPNOTSUPP;
}

static int irqchip_page_read(struct iobus_handler *handler, u64 addr, int len, void *data)
{
	struct vm *vm = container_of(handler, struct vm, irqchip_mmio);
	struct irqchip *irqchip = vm_full_irqchip(vm);

	return irqchip && irqchip_mmio_read(irqchip, addr, len, data) ? 0 : -EOPNOTSUPP;
}

static int irqchip_page_write(struct iobus_handler *handler, u64 addr, int len, const void *data)
{
	struct vm *vm = container_of(handler, struct vm, irqchip_mmio);
	struct irqchip *irqchip = vm_full_irqchip(vm);

	return irqchip && irqchip_mmio_write(irqchip, addr, len, data) ? 0 : -EOPNOTSUPP;
}

static const struct iobus_ops irqchip_port_ops = {
	.read = irqchip_port_read,
	.write = irqchip_port_write,
};

static const struct iobus_ops irqchip_page_ops = {
	.read = irqchip_page_read,
	.write = irqchip_page_write,
};

/* What the irqchip may claim; it says no to what it does not (yet) have, and userspace is asked. */
static const struct {
	bool mmio;
	u64 addr, len;
} irqchip_ranges[] = {
	{ false, 0x20, 2 }, /* PIC, first */
	{ false, 0xa0, 2 }, /* PIC, second */
	{ false, 0x4d0, 2 }, /* edge/level control */
	{ false, 0x40, 4 }, /* PIT */
	{ false, 0x61, 1 }, /* its gate and output of channel 2 */
	{ true, 0xfec00000, 0x1000 }, /* I/O APIC */
};

static int claim_irqchip_ranges(struct vm *vm)
{
	unsigned int i;
	int r;

	vm->irqchip_pio.ops = &irqchip_port_ops;
	vm->irqchip_mmio.ops = &irqchip_page_ops;
	for (i = 0; i < ARRAY_SIZE(irqchip_ranges); i++) {
		bool mmio = irqchip_ranges[i].mmio;

		r = iobus_register(mmio ? &vm->mmio : &vm->pio, irqchip_ranges[i].addr,
				   irqchip_ranges[i].len,
				   mmio ? &vm->irqchip_mmio : &vm->irqchip_pio);
		if (r)
			return r;
	}
	return 0;
}

/* -- the rest -- */

static long create_vcpu(void *object, unsigned long arg)
{
	return arg > U32_MAX ? -EINVAL : vcpu_create_fd(object, arg);
}

static long set_boot_cpu_id(void *object, unsigned long arg)
{
	struct vm *vm = object;
	long r = 0;

	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		r = -EBUSY;
	else
		vm->boot_vcpu = arg;
	mutex_unlock(&vm->lock);
	return r;
}

static long check_extension(void *object, unsigned long arg)
{
	return dev_check_extension(arg);
}

/* -- KVM_ENABLE_CAP: a row for each capability of a VM that has to be asked for -- */

static long enable_split_irqchip(struct vm *vm, const u64 *args)
{
	const struct irqchip_config config = { .split = true, .user_pins = args[0] };

	return args[0] > IRQ_ROUTING_MAX ? -EINVAL : add_irqchip(vm, &config);
}

static long enable_x2apic_api(struct vm *vm, const u64 *args)
{
	if (args[0] & ~(u64)(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->x2apic_api |= args[0];
	if (vm->irqchip)
		irqchip_set_x2apic_api(vm->irqchip, vm->x2apic_api);
	mutex_unlock(&vm->lock);
	return 0;
}

static long enable_exception_payload(struct vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->exception_payload, !!args[0]);
	return 0;
}

static long enable_triple_fault_event(struct vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->triple_fault_event, !!args[0]);
	return 0;
}

static long enable_platform_info(struct vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->hide_platform_info, !args[0]);
	return 0;
}

static long disable_quirks(struct vm *vm, const u64 *args)
{
	if (args[0] & ~(u64)VMM_QUIRKS)
		return -EINVAL;
	WRITE_ONCE(vm->quirks_disabled, args[0]);
	return 0;
}

#define USER_MSR_EXITS \
	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER)

static long enable_user_space_msr(struct vm *vm, const u64 *args)
{
	if (args[0] & ~(u64)USER_MSR_EXITS)
		return -EINVAL;
	WRITE_ONCE(vm->user_msr_exits, args[0]);
	return 0;
}

/* Once; userspace promises to create no vCPU with this ID or a higher one. */
static long enable_max_vcpu_id(struct vm *vm, const u64 *args)
{
	long r = -EINVAL;

	mutex_lock(&vm->lock);
	if (args[0] <= VMM_MAX_VCPUS && (!vm->max_vcpu_id || vm->max_vcpu_id == args[0])) {
		vm->max_vcpu_id = args[0];
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

static long enable_halt_poll(struct vm *vm, const u64 *args)
{
	if (args[0] > U32_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->halt_poll_ns, args[0]);
	return 0;
}

static long enable_manual_dirty_log(struct vm *vm, const u64 *args)
{
	return mmu_set_dirty_log_mode(&vm->mmu, args[0]);
}

static const struct {
	u32 cap;
	long (*enable)(struct vm *vm, const u64 *args);
} vm_capabilities[] = {
	{ KVM_CAP_SPLIT_IRQCHIP, enable_split_irqchip },
	{ KVM_CAP_X2APIC_API, enable_x2apic_api },
	{ KVM_CAP_MAX_VCPU_ID, enable_max_vcpu_id },
	{ KVM_CAP_HALT_POLL, enable_halt_poll },
	{ KVM_CAP_EXCEPTION_PAYLOAD, enable_exception_payload },
	{ KVM_CAP_X86_USER_SPACE_MSR, enable_user_space_msr },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, enable_triple_fault_event },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, enable_manual_dirty_log },
	{ KVM_CAP_MSR_PLATFORM_INFO, enable_platform_info },
	{ KVM_CAP_DISABLE_QUIRKS2, disable_quirks },
};

static long enable_cap(void *object, void *data)
{
	const struct kvm_enable_cap *cap = data;
	unsigned int i;

	if (cap->flags)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(vm_capabilities); i++)
		if (vm_capabilities[i].cap == cap->cap)
			return vm_capabilities[i].enable(object, cap->args);
	return -EINVAL;
}

static const struct ioctl_row vm_ioctls[] = {
	{ .cmd = KVM_IRQ_LINE, .fixed = irq_line },
	{ .cmd = KVM_IRQ_LINE_STATUS, .fixed = irq_line },
	{ .cmd = KVM_SIGNAL_MSI, .fixed = signal_msi },
	{ .cmd = KVM_IRQFD, .fixed = irqfd },
	{ .cmd = KVM_IOEVENTFD, .fixed = ioeventfd },
	{ .cmd = KVM_REGISTER_COALESCED_MMIO, .fixed = register_coalesced },
	{ .cmd = KVM_UNREGISTER_COALESCED_MMIO, .fixed = unregister_coalesced },
	{ .cmd = KVM_ENABLE_CAP, .fixed = enable_cap },
	{ .cmd = KVM_X86_SET_MSR_FILTER, .fixed = msr_filter_set },
	{ .cmd = KVM_GET_CLOCK, .fixed = pvclock_get },
	{ .cmd = KVM_SET_CLOCK, .fixed = pvclock_set },
	{ .cmd = KVM_REINJECT_CONTROL, .raw = reinject_control },
	{ .cmd = KVM_SET_USER_MEMORY_REGION, .fixed = set_memory_region },
	{ .cmd = KVM_GET_DIRTY_LOG, .fixed = get_dirty_log },
	{ .cmd = KVM_CLEAR_DIRTY_LOG, .raw = clear_dirty_log },
	{ .cmd = KVM_CREATE_VCPU, .raw = create_vcpu },
	{ .cmd = KVM_CHECK_EXTENSION, .raw = check_extension },
	{ .cmd = KVM_GET_STATS_FD, .raw = binary_stats_vm },
	{ .cmd = KVM_SET_NR_MMU_PAGES, .raw = set_nr_mmu_pages },
	{ .cmd = KVM_GET_NR_MMU_PAGES, .raw = get_nr_mmu_pages },
	{ .cmd = KVM_SET_TSS_ADDR, .raw = set_tss_addr },
	{ .cmd = KVM_SET_IDENTITY_MAP_ADDR, .fixed = set_identity_map_addr },
	{ .cmd = KVM_SET_BOOT_CPU_ID, .raw = set_boot_cpu_id },
	{ .cmd = KVM_CREATE_IRQCHIP, .raw = create_irqchip },
	{ .cmd = KVM_GET_IRQCHIP, .fixed = get_irqchip },
	{ .cmd = KVM_SET_IRQCHIP, .in = true, .fixed = set_irqchip },
	{ .cmd = KVM_SET_GSI_ROUTING, .raw = set_gsi_routing },
	{ .cmd = KVM_CREATE_PIT, .raw = create_pit1 },
	{ .cmd = KVM_CREATE_PIT2, .fixed = create_pit2 },
	{ .cmd = KVM_GET_PIT2, .fixed = get_pit2 },
	{ .cmd = KVM_SET_PIT2, .fixed = set_pit2 },
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vm *vm = file->private_data;
	const struct ioctl_row *row;

	if (vm->mm != current->mm)
		return -EIO;
	row = ioctl_find(vm_ioctls, ARRAY_SIZE(vm_ioctls), cmd);
	return row ? ioctl_call(row, vm, arg) : -ENOTTY;
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	/* Nobody is left who could take an irqfd away. */
	irqfd_release(&vm->irqfds);
	vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* -- lifetime -- */

static struct vm *vm_create(void)
{
	struct vm *vm;
	int r;

	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	refcount_set(&vm->users, 1);
	vm->halt_poll_ns = -1;
	mutex_init(&vm->lock);
	irqfd_init(&vm->irqfds);
	ioeventfd_init(&vm->ioeventfds);
	coalesced_init(&vm->coalesced);
	raw_spin_lock_init(&vm->tsc_lock);
	timer_init_pit(vm);
	timer_init_tsc(vm);
	pvclock_init(vm);
	mmgrab(current->mm);
	vm->mm = current->mm;
	r = virt_get();
	if (r)
		goto out_mm;
	r = mmu_init(&vm->mmu, vm->mm, backend->pgtable_format(), &vm_mmu_ops, vm);
	if (r)
		goto out_virt;
	r = iobus_init(&vm->pio, &vm->mmu.srcu);
	if (r)
		goto out_mmu;
	r = iobus_init(&vm->mmio, &vm->mmu.srcu);
	if (r)
		goto out_pio;
	r = claim_irqchip_ranges(vm);
	if (r)
		goto out_mmio;
	vm->owner = task_tgid_nr(current);
	stats_add_vm(vm);
	return vm;
out_mmio:
	iobus_destroy(&vm->mmio);
out_pio:
	iobus_destroy(&vm->pio);
out_mmu:
	mmu_destroy(&vm->mmu);
out_virt:
	virt_put();
out_mm:
	mmdrop(vm->mm);
	kvfree(vm);
	return ERR_PTR(r);
}

static void vm_destroy(struct vm *vm)
{
	unsigned int i;

	stats_remove_vm(vm);
	/* No vCPU fd is left, so nothing runs; the timers are the only callers that may still come.
	 */
	timer_cancel_pit(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		timer_cancel_lapic(vm->vcpus[i]);
	if (vm->irqchip)
		irqchip_destroy(vm->irqchip);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_free(vm->vcpus[i]);
	kfree(vm->irqchip);
	msr_filter_free(rcu_dereference_protected(vm->msr_filter, true));
	ioeventfd_destroy(&vm->ioeventfds);
	coalesced_destroy(&vm->coalesced);
	iobus_destroy(&vm->mmio);
	iobus_destroy(&vm->pio);
	mmu_destroy(&vm->mmu);
	virt_put();
	mmdrop(vm->mm);
	kvfree(vm);
}

void vm_get(struct vm *vm)
{
	refcount_inc(&vm->users);
}

void vm_put(struct vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_destroy(vm);
}

int vm_create_fd(unsigned long type)
{
	struct file *file;
	struct vm *vm;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_create();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("vmm-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vm_put(vm);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
