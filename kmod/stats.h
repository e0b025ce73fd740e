/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What people look at, in /sys/kernel/debug/vmm: `vms` and `vcpus` that exist, and `exits`, a line for each vCPU and
 * exit kind that it has had.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

struct vm;

void stats_init(void);
void stats_exit(void);

void stats_add_vm(struct vm *vm);
void stats_remove_vm(struct vm *vm);

#endif
