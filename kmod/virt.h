/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtualisation on and off, per CPU: on while a VM exists, off across hotplug, suspend, reboot and
 * panic. */
#ifndef VMM_VIRT_H
#define VMM_VIRT_H

#include <linux/percpu.h>
#include <linux/types.h>

DECLARE_PER_CPU(bool, virt_on);

/*
 * At load: hotplug, suspend and reboot callbacks. -EBUSY, and a line in dmesg, when another
 * hypervisor holds a CPU.
 */
int virt_init(void);
void virt_exit(void);

/*
 * One more VM. The first one turns virtualisation on everywhere: -EBUSY, and a line in dmesg, when
 * another hypervisor holds a CPU.
 */
int virt_get(void);
void virt_put(void);

/* The machine is going down: nothing enters a guest any more. */
bool virt_stopped(void);

/* May this CPU run guests now? Preemption off. */
static inline bool virt_enabled_here(void)
{
	return __this_cpu_read(virt_on);
}

#endif
