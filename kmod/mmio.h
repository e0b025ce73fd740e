/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest accesses to device memory: decoded and executed here, answered by the kernel's devices or
 * by userspace. */
#ifndef VMM_MMIO_H
#define VMM_MMIO_H

#include "x86/emulate.h"

struct vcpu;

/* vcpu->exit is a VMM_EXIT_MEMORY where no memory is. As exit_handle(). */
int mmio_exit(struct vcpu *vcpu);
/* Interrupts off: true when the LAPIC or a device in the kernel took the store; RIP is still at it. */
bool mmio_exit_fast(struct vcpu *vcpu);
/* No such device took it, for vcpu->refused_store is set: userspace. As exit_handle(). */
int mmio_refused(struct vcpu *vcpu);
/* There is no memory where the guest wrote: the next exit from there need not ask. */
void mmio_note_gfn(struct vcpu *vcpu);
/* Userspace has answered. */
int mmio_complete(struct vcpu *vcpu);
int mmio_store_complete(struct vcpu *vcpu);

/* The vCPU as the emulator sees it (ctx). */
extern const struct emulate_ops mmio_emulate_ops;

#endif
