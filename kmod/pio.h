/* SPDX-License-Identifier: GPL-2.0-only */
/* Port accesses of the guest: answered by the kernel's devices or by userspace. */
#ifndef VMM_PIO_H
#define VMM_PIO_H

struct vcpu;

/* vcpu->exit is a VMM_EXIT_PIO. As exit_handle(). */
int pio_exit(struct vcpu *vcpu);
/* Userspace has answered. */
int pio_complete(struct vcpu *vcpu);

#endif
