/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters for people: /sys/kernel/debug/vmm. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

void stats_init(void);
void stats_exit(void);

void stats_vm_created(void);
void stats_vm_destroyed(void);
void stats_vcpu_created(void);
void stats_vcpu_destroyed(void);

#endif
