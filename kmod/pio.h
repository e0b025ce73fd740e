/* SPDX-License-Identifier: GPL-2.0-only */
/* Port accesses of the guest: answered by the kernel's devices or by userspace. */
#ifndef VMM_PIO_H
#define VMM_PIO_H

#include <linux/types.h>

struct vcpu;

/* vcpu->exit is a VMM_EXIT_PIO. As exit_handle(). */
int pio_exit(struct vcpu *vcpu);
/* Interrupts off: true when a device in the kernel took the OUT. As exit_fast(). */
bool pio_exit_fast(struct vcpu *vcpu);
/* Userspace has answered: IN, INS, OUTS; or has taken a plain OUT. */
int pio_complete(struct vcpu *vcpu);
int pio_complete_out(struct vcpu *vcpu);

#endif
