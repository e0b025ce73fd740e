/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtual machine put together from a config, and its event loop. */
#ifndef LAUNCHER_MACHINE_MACHINE_H
#define LAUNCHER_MACHINE_MACHINE_H

#include <stdio.h>

#include "config/config.h"
#include "device/acpi_pm.h"
#include "device/bus.h"
#include "device/console.h"
#include "device/i8042.h"
#include "device/rtc.h"
#include "device/serial.h"
#include "machine/devices.h"
#include "machine/end.h"
#include "machine/memory.h"
#include "machine/vcpu.h"

struct machine {
	const struct config *config;
	int kvm_fd;
	int vm_fd;
	int signal_fd;
	int signal; /* that ended the machine */
	struct end end;
	struct memory memory;

	struct bus ports;
	struct bus mmio;
	struct irq_line serial_irq, rtc_irq, sci;
	struct power power;
	struct serial serial;
	struct rtc rtc;
	struct i8042 i8042;
	struct acpi_pm acpi_pm;
	struct console console;
	struct devices devices; /* on PCI */

	unsigned int vcpu_count; /* created so far */
	struct vcpu *vcpus;
};

/* Everything but running: memory is loaded, the vCPUs wait. On failure nothing is left behind. */
int machine_create(struct machine *machine, const struct config *config, struct error *err);
void machine_destroy(struct machine *machine);

/*
 * Runs until the end; the calling thread is the event loop. Returns why it ended, END_NONE with a
 * sentence in err when it never began. END_FAILED comes with a sentence as well.
 */
enum end_reason machine_run(struct machine *machine, struct error *err);

void machine_print_failure(const struct machine *machine, FILE *out);

#endif
