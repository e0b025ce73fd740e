/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypervisor's device and the VM made from it: /dev/vmm, or /dev/kvm, through the same calls.
 */
#ifndef LAUNCHER_MACHINE_HYPERVISOR_H
#define LAUNCHER_MACHINE_HYPERVISOR_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "machine/cpuid.h"

#define HYPERVISOR_PINS 24 /* of the IOAPIC: the GSIs that are no messages */
#define HYPERVISOR_PIN_ROUTES 40

/* Opens the device and checks that it can do all that we need. Returns the descriptor. */
int hypervisor_open(const char *path, uint64_t cpus, struct error *err);

/* Returns the descriptor of a VM with interrupt controllers, timer and interrupt routing. */
int hypervisor_create_vm(int kvm_fd, struct error *err);

/* Adds the routes of the chips' pins: HYPERVISOR_PIN_ROUTES at most. */
void hypervisor_route_pins(struct kvm_irq_routing *routing);

/* A pin of the chips. A GSI that exists in a VM that exists: the call has no way to fail. */
void hypervisor_set_irq(int vm_fd, uint32_t gsi, bool level);

/*
 * A write of any length to this address is a write to the eventfd (KVM_IOEVENTFD), or no longer.
 * -1: the address is another's.
 */
int hypervisor_set_doorbell(int vm_fd, uint64_t gpa, int fd, bool on);

/* Size of a vCPU's run page. */
int hypervisor_run_size(int kvm_fd, size_t *size, struct error *err);

/* All that this hypervisor can show a guest. */
int hypervisor_get_cpuid(int kvm_fd, struct cpuid_table *table, struct error *err);

#endif
