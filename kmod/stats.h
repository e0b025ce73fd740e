/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What people look at, in /sys/kernel/debug/vmm: `vms` and `vcpus` that exist, `exits`, a line for
 * each vCPU and exit kind that it has had, and `memory`, a line for each VM with the counters of
 * struct mmu_stats.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

struct vm;

void stats_init(void);
void stats_exit(void);

void stats_add_vm(struct vm *vm);
void stats_remove_vm(struct vm *vm);

#endif
