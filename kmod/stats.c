// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/debugfs.h>

#include "stats.h"

static atomic_t vms, vcpus;
static struct dentry *directory;

void stats_init(void)
{
	directory = debugfs_create_dir("vmm", NULL);
	debugfs_create_atomic_t("vms", 0444, directory, &vms);
	debugfs_create_atomic_t("vcpus", 0444, directory, &vcpus);
}

void stats_exit(void)
{
	debugfs_remove(directory);
}

void stats_vm_created(void)
{
	atomic_inc(&vms);
}

void stats_vm_destroyed(void)
{
	atomic_dec(&vms);
}

void stats_vcpu_created(void)
{
	atomic_inc(&vcpus);
}

void stats_vcpu_destroyed(void)
{
	atomic_dec(&vcpus);
}
