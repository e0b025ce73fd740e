/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypervisor's device and the VM made from it: /dev/vmm, or /dev/kvm, through the same calls.
 */
#ifndef LAUNCHER_MACHINE_HYPERVISOR_H
#define LAUNCHER_MACHINE_HYPERVISOR_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "machine/cpuid.h"

/* Opens the device and checks that it can do all that we need. Returns the descriptor. */
int hypervisor_open(const char *path, uint64_t cpus, struct error *err);

/* Returns the descriptor of a VM with interrupt controllers, timer and interrupt routing. */
int hypervisor_create_vm(int kvm_fd, struct error *err);

/* Size of a vCPU's run page. */
int hypervisor_run_size(int kvm_fd, size_t *size, struct error *err);

/* All that this hypervisor can show a guest. */
int hypervisor_get_cpuid(int kvm_fd, struct cpuid_table *table, struct error *err);

#endif
