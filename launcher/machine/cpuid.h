/* SPDX-License-Identifier: GPL-2.0-only */
/* What CPUID says of one vCPU: the hypervisor's list, with this vCPU's place in the machine. */
#ifndef LAUNCHER_MACHINE_CPUID_H
#define LAUNCHER_MACHINE_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define CPUID_MAX_ENTRIES 256

struct cpuid_table {
	struct kvm_cpuid2 list;
	struct kvm_cpuid_entry2 entries[CPUID_MAX_ENTRIES];
};

struct cpuid_place {
	unsigned int cpu; /* which is its APIC id too */
	unsigned int cpus;
	bool tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER: not in KVM_GET_SUPPORTED_CPUID */
	unsigned int tsc_khz; /* 0: not known */
};

/* One socket, a core per vCPU, one thread per core. */
void cpuid_place_vcpu(struct cpuid_table *table, const struct cpuid_place *place);

/* Bits of a guest-physical address. */
unsigned int cpuid_physical_bits(const struct cpuid_table *table);

const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, uint32_t function,
					  uint32_t index);

#endif
