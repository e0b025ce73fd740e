/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPU state at the kernel's 64-bit entry point (Documentation/x86/boot.rst, "64-bit Boot
 * Protocol"): long mode, paging on with an identity mapping, flat segments, interrupts off.
 */
#ifndef LAUNCHER_BOOT_ENTRY_H
#define LAUNCHER_BOOT_ENTRY_H

#include <linux/kvm.h>
#include <stdint.h>

#include "machine/memory.h"

/* Writes the GDT and the page tables (4 GiB, mapped one to one in 2 MiB pages). */
void entry_prepare_memory(const struct memory *memory);

/* sregs as the hypervisor created them: what does not matter stays. */
void entry_set_sregs(struct kvm_sregs *sregs);
void entry_set_regs(struct kvm_regs *regs, uint64_t entry);

#endif
