// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_STATS_FD: a file of header, name, descriptors and values (api.rst, 4.133). */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "binary_stats.h"
#include "vm.h"

#define NAME_SIZE 48

/* What KVM has, too, is called as there; tools look for the names. */
struct row {
	const char *name;
	u32 flags;
	u32 offset; /* in struct vm or struct vcpu */
	u16 nr; /* that many u64 are added up */
	s16 exponent; /* of 10, of the unit */
};

#define COUNTER(kvm_name, type, field)                                                          \
	{                                                                                       \
		.name = kvm_name, .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE,     \
		.offset = offsetof(type, field), .nr = sizeof_field(type, field) / sizeof(u64), \
	}
#define VM_COUNTER(kvm_name, field) COUNTER(kvm_name, struct vm, field)
#define VCPU_COUNTER(kvm_name, field) COUNTER(kvm_name, struct vcpu, field)
/* In nanoseconds. */
#define VCPU_TIME(kvm_name, field)                                                             \
	{                                                                                      \
		.name = kvm_name, .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, \
		.exponent = -9, .offset = offsetof(struct vcpu, field), .nr = 1,               \
	}

static const struct row vm_rows[] = {
	VM_COUNTER("remote_tlb_flush", mmu.stats.flushes),
	VM_COUNTER("faults", mmu.stats.faults),
	VM_COUNTER("fault_retries", mmu.stats.retries),
	VM_COUNTER("mapped_4k", mmu.stats.mapped[PGTABLE_4K]),
	VM_COUNTER("mapped_2m", mmu.stats.mapped[PGTABLE_2M]),
	VM_COUNTER("mapped_1g", mmu.stats.mapped[PGTABLE_1G]),
	VM_COUNTER("invalidations", mmu.stats.invalidations),
	{
		.name = "table_pages",
		.flags = KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE,
		.offset = offsetof(struct vm, mmu.stats.tables.counter),
		.nr = 1,
	},
};

static const struct row vcpu_rows[] = {
	VCPU_COUNTER("exits", exits),
	VCPU_COUNTER("io_exits", exits[VMM_EXIT_PIO]),
	VCPU_COUNTER("mmio_exits", stats.mmio_exits),
	VCPU_COUNTER("signal_exits", stats.signal_exits),
	VCPU_COUNTER("irq_window_exits", exits[VMM_EXIT_IRQ_WINDOW]),
	VCPU_COUNTER("nmi_window_exits", exits[VMM_EXIT_NMI_WINDOW]),
	VCPU_COUNTER("halt_exits", exits[VMM_EXIT_HLT]),
	VCPU_COUNTER("halt_attempted_poll", halt.attempted_poll),
	VCPU_COUNTER("halt_successful_poll", halt.successful_poll),
	VCPU_COUNTER("halt_poll_invalid", halt.poll_invalid),
	VCPU_COUNTER("halt_wakeup", halt.wakeup),
	VCPU_TIME("halt_poll_success_ns", halt.poll_success_ns),
	VCPU_TIME("halt_poll_fail_ns", halt.poll_fail_ns),
	VCPU_TIME("halt_wait_ns", halt.wait_ns),
	VCPU_COUNTER("request_irq_exits", stats.request_irq_exits),
	VCPU_COUNTER("irq_exits", exits[VMM_EXIT_RESUME]),
	VCPU_COUNTER("irq_injections", stats.irq_injections),
	VCPU_COUNTER("nmi_injections", stats.nmi_injections),
	VCPU_COUNTER("hypercalls", exits[VMM_EXIT_HYPERCALL]),
	VCPU_COUNTER("pf_taken", exits[VMM_EXIT_MEMORY]),
	VCPU_COUNTER("tlb_flush", stats.tlb_flush),
	VCPU_COUNTER("cpuid_exits", exits[VMM_EXIT_CPUID]),
	VCPU_COUNTER("rdmsr_exits", exits[VMM_EXIT_RDMSR]),
	VCPU_COUNTER("wrmsr_exits", exits[VMM_EXIT_WRMSR]),
	VCPU_COUNTER("cr_exits", exits[VMM_EXIT_CR]),
	VCPU_COUNTER("dr_exits", exits[VMM_EXIT_DR]),
	VCPU_COUNTER("exception_exits", exits[VMM_EXIT_EXCEPTION]),
	VCPU_COUNTER("pause_exits", exits[VMM_EXIT_PAUSE]),
	VCPU_COUNTER("directed_yield_attempted", yield.attempted),
	VCPU_COUNTER("directed_yield_successful", yield.successful),
};

/* Newer kernels give the struct a name of their own length; for userspace it has none. */
#define DESCRIPTOR_SIZE (offsetof(struct kvm_stats_desc, name) + NAME_SIZE)

/* What one descriptor of userspace's reads. */
struct binary_stats {
	struct vm *vm; /* a reference */
	const void *object; /* the VM, or one of its vCPUs */
	const struct row *rows;
	u32 nr;
	char name[NAME_SIZE];
};

/* In the order in which they lie in the file; all are multiples of 8. */
struct file_layout {
	u32 name, descriptors, values, end;
};

static struct file_layout layout_of(const struct binary_stats *stats)
{
	struct file_layout layout;

	layout.name = sizeof(struct kvm_stats_header);
	layout.descriptors = layout.name + NAME_SIZE;
	layout.values = layout.descriptors + stats->nr * DESCRIPTOR_SIZE;
	layout.end = layout.values + stats->nr * sizeof(u64);
	return layout;
}

/* Written by the vCPU's thread or under the MMU's lock; a reader may be one event behind. */
static u64 value_of(const struct row *row, const void *object)
{
	const u64 *counters = object + row->offset;
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < row->nr; i++)
		value += READ_ONCE(counters[i]);
	return value;
}

static void write_file(const struct binary_stats *stats, const struct file_layout *layout,
		       void *file)
{
	void *at = file + layout->descriptors;
	struct kvm_stats_header *header = file;
	u64 *values = file + layout->values;
	u32 i;

	header->name_size = NAME_SIZE;
	header->num_desc = stats->nr;
	header->id_offset = layout->name;
	header->desc_offset = layout->descriptors;
	header->data_offset = layout->values;
	memcpy(file + layout->name, stats->name, NAME_SIZE);
	for (i = 0; i < stats->nr; i++, at += DESCRIPTOR_SIZE) {
		struct kvm_stats_desc *desc = at;

		desc->flags = stats->rows[i].flags;
		desc->exponent = stats->rows[i].exponent;
		desc->size = 1;
		desc->offset = i * sizeof(u64);
		strscpy(at + offsetof(struct kvm_stats_desc, name), stats->rows[i].name, NAME_SIZE);
		values[i] = value_of(&stats->rows[i], stats->object);
	}
}

static ssize_t binary_stats_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	const struct binary_stats *stats = file->private_data;
	const struct file_layout layout = layout_of(stats);
	void *content = kzalloc(layout.end, GFP_KERNEL);
	ssize_t r;

	if (!content)
		return -ENOMEM;
	write_file(stats, &layout, content);
	r = simple_read_from_buffer(to, size, pos, content, layout.end);
	kfree(content);
	return r;
}

static int binary_stats_release(struct inode *inode, struct file *file)
{
	struct binary_stats *stats = file->private_data;

	vm_put(stats->vm);
	kfree(stats);
	return 0;
}

static const struct file_operations binary_stats_fops = {
	.owner = THIS_MODULE,
	.read = binary_stats_read,
	.release = binary_stats_release,
	.llseek = default_llseek,
};

/* Takes over `stats`, whatever comes of it. */
static long publish(struct binary_stats *stats)
{
	struct file *file;
	int fd, r;

	fd = get_unused_fd_flags(O_CLOEXEC);
	r = fd;
	if (fd < 0)
		goto out_free;
	file = anon_inode_getfile("vmm-stats", &binary_stats_fops, stats, O_RDONLY);
	r = PTR_ERR_OR_ZERO(file);
	if (r)
		goto out_fd;
	vm_get(stats->vm);
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;
out_fd:
	put_unused_fd(fd);
out_free:
	kfree(stats);
	return r;
}

long binary_stats_vm(void *object, unsigned long arg)
{
	struct binary_stats *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);
	struct vm *vm = object;

	if (!stats)
		return -ENOMEM;
	stats->vm = vm;
	stats->object = vm;
	stats->rows = vm_rows;
	stats->nr = ARRAY_SIZE(vm_rows);
	snprintf(stats->name, NAME_SIZE, "kvm-%d", vm->owner);
	return publish(stats);
}

long binary_stats_vcpu(void *object, unsigned long arg)
{
	struct binary_stats *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);
	struct vcpu *vcpu = object;

	if (!stats)
		return -ENOMEM;
	stats->vm = vcpu->vm;
	stats->object = vcpu;
	stats->rows = vcpu_rows;
	stats->nr = ARRAY_SIZE(vcpu_rows);
	snprintf(stats->name, NAME_SIZE, "kvm-%d/vcpu-%u", vcpu->vm->owner, vcpu->id);
	return publish(stats);
}
