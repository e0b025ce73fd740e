/* SPDX-License-Identifier: GPL-2.0-only */
/* One virtual CPU: its descriptor, its thread and what it does with each exit. */
#ifndef LAUNCHER_MACHINE_VCPU_H
#define LAUNCHER_MACHINE_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "device/bus.h"
#include "error.h"
#include "machine/cpuid.h"
#include "machine/end.h"

struct vcpu {
	unsigned int index;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	const struct bus *ports;
	const struct bus *mmio;
	struct end *end;
	pthread_t thread;

	/* Written by the thread before it ends with END_FAILED, read after it was joined. */
	struct error err;
	bool have_registers;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

struct vcpu_request {
	int kvm_fd;
	int vm_fd;
	unsigned int index;
	size_t run_size;
	const struct bus *ports;
	const struct bus *mmio;
	struct end *end;
};

/* Blocked in every thread but a vCPU's: it takes a vCPU out of KVM_RUN. */
#define VCPU_KICK_SIGNAL SIGRTMIN

int vcpu_create(struct vcpu *vcpu, const struct vcpu_request *request, struct error *err);
void vcpu_destroy(struct vcpu *vcpu);

int vcpu_set_cpuid(struct vcpu *vcpu, const struct cpuid_table *table, struct error *err);

/* What firmware leaves behind on the boot CPU, and where it starts. The others wait for a SIPI. */
int vcpu_set_boot_state(struct vcpu *vcpu, uint64_t entry, struct error *err);

int vcpu_start(struct vcpu *vcpu, struct error *err);

/* Makes it leave the guest, and waits until it has. The machine's end was set before. */
void vcpu_kick(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);

void vcpu_print_registers(const struct vcpu *vcpu, FILE *out);

#endif
