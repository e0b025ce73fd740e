// SPDX-License-Identifier: GPL-2.0-only
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "stats.h"
#include "vm.h"

static DEFINE_MUTEX(vms_lock); /* protects vms and vm->stats_link; a leaf */
static LIST_HEAD(vms);
static struct dentry *directory;
static u64 gone_signals, gone_injections; /* vms_lock; of VMs that are no more */

static const char *const exit_names[VMM_EXIT_NR] = {
	[VMM_EXIT_UNKNOWN] = "unknown",
	[VMM_EXIT_RESUME] = "host",
	[VMM_EXIT_FAIL_ENTRY] = "fail-entry",
	[VMM_EXIT_SHUTDOWN] = "shutdown",
	[VMM_EXIT_IRQ_WINDOW] = "irq-window",
	[VMM_EXIT_NMI_WINDOW] = "nmi-window",
	[VMM_EXIT_EXCEPTION] = "exception",
	[VMM_EXIT_UNDEFINED] = "undefined",
	[VMM_EXIT_PRIVILEGE] = "privilege",
	[VMM_EXIT_MEMORY] = "memory",
	[VMM_EXIT_PIO] = "pio",
	[VMM_EXIT_CPUID] = "cpuid",
	[VMM_EXIT_HLT] = "hlt",
	[VMM_EXIT_RDMSR] = "rdmsr",
	[VMM_EXIT_WRMSR] = "wrmsr",
	[VMM_EXIT_CR] = "cr",
	[VMM_EXIT_DR] = "dr",
	[VMM_EXIT_XSETBV] = "xsetbv",
	[VMM_EXIT_HYPERCALL] = "hypercall",
	[VMM_EXIT_PAUSE] = "pause",
	[VMM_EXIT_SKIP] = "skip",
	[VMM_EXIT_MWAIT] = "mwait",
	[VMM_EXIT_TASK_SWITCH] = "task-switch",
};

static void count(unsigned int *nr_vms, unsigned int *nr_vcpus)
{
	struct vm *vm;

	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, stats_link) {
		++*nr_vms;
		*nr_vcpus += smp_load_acquire(&vm->nr_vcpus);
	}
	mutex_unlock(&vms_lock);
}

static int vms_show(struct seq_file *file, void *unused)
{
	unsigned int nr_vms = 0, nr_vcpus = 0;

	count(&nr_vms, &nr_vcpus);
	seq_printf(file, "%u\n", nr_vms);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vms);

static int vcpus_show(struct seq_file *file, void *unused)
{
	unsigned int nr_vms = 0, nr_vcpus = 0;

	count(&nr_vms, &nr_vcpus);
	seq_printf(file, "%u\n", nr_vcpus);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpus);

static void show_vcpu(struct seq_file *file, const struct vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < VMM_EXIT_NR; i++) {
		u64 exits = READ_ONCE(vcpu->exits[i]);

		if (exits)
			seq_printf(file, "%d %u %s %llu\n", vcpu->vm->owner, vcpu->id,
				   exit_names[i], exits);
	}
}

static int exits_show(struct seq_file *file, void *unused)
{
	struct vcpu *vcpu;
	unsigned int i;
	struct vm *vm;

	seq_puts(file, "# pid vcpu exit count\n");
	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, stats_link)
		vmm_for_each_vcpu(i, vcpu, vm)
			show_vcpu(file, vcpu);
	mutex_unlock(&vms_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits);

static int memory_show(struct seq_file *file, void *unused)
{
	struct vm *vm;

	seq_puts(file, "# pid faults retries mapped-4k mapped-2m mapped-1g tables invalidations "
		       "flushes splits now-4k now-2m now-1g\n");
	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, stats_link) {
		const struct mmu_stats *stats = &vm->mmu.stats;
		u64 now[PGTABLE_LEVELS];

		mmu_count_leaves(&vm->mmu, now);
		seq_printf(file, "%d %llu %llu %llu %llu %llu %ld %llu %llu %llu %llu %llu %llu\n",
			   vm->owner, READ_ONCE(stats->faults), READ_ONCE(stats->retries),
			   READ_ONCE(stats->mapped[PGTABLE_4K]),
			   READ_ONCE(stats->mapped[PGTABLE_2M]),
			   READ_ONCE(stats->mapped[PGTABLE_1G]), atomic_long_read(&stats->tables),
			   READ_ONCE(stats->invalidations), READ_ONCE(stats->flushes),
			   READ_ONCE(stats->splits), now[PGTABLE_4K], now[PGTABLE_2M],
			   now[PGTABLE_1G]);
	}
	mutex_unlock(&vms_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

/* Since the module was loaded, so that who looks after a VM has ended finds what it did. */
static int eventfds_show(struct seq_file *file, void *unused)
{
	u64 signals, injections;
	struct vm *vm;

	mutex_lock(&vms_lock);
	signals = gone_signals;
	injections = gone_injections;
	list_for_each_entry(vm, &vms, stats_link) {
		signals += atomic64_read(&vm->ioeventfds.signals);
		injections += atomic64_read(&vm->irqfds.injections);
	}
	mutex_unlock(&vms_lock);
	seq_printf(file, "ioeventfd %llu\nirqfd %llu\n", signals, injections);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(eventfds);

void stats_init(void)
{
	directory = debugfs_create_dir("vmm", NULL);
	debugfs_create_file("vms", 0444, directory, NULL, &vms_fops);
	debugfs_create_file("vcpus", 0444, directory, NULL, &vcpus_fops);
	debugfs_create_file("exits", 0444, directory, NULL, &exits_fops);
	debugfs_create_file("memory", 0444, directory, NULL, &memory_fops);
	debugfs_create_file("eventfds", 0444, directory, NULL, &eventfds_fops);
}

void stats_exit(void)
{
	debugfs_remove(directory);
}

void stats_add_vm(struct vm *vm)
{
	mutex_lock(&vms_lock);
	list_add_tail(&vm->stats_link, &vms);
	mutex_unlock(&vms_lock);
}

void stats_remove_vm(struct vm *vm)
{
	mutex_lock(&vms_lock);
	list_del(&vm->stats_link);
	gone_signals += atomic64_read(&vm->ioeventfds.signals);
	gone_injections += atomic64_read(&vm->irqfds.injections);
	mutex_unlock(&vms_lock);
}
