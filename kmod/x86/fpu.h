/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's x87, SSE and extended state, in the kernel's own guest FPU container. */
#ifndef VMM_X86_FPU_H
#define VMM_X86_FPU_H

#include <linux/types.h>

struct vcpu;

void fpu_init(void); /* at load: the host's XCR0 */

int fpu_create(struct vcpu *vcpu);
void fpu_destroy(struct vcpu *vcpu);

/* XCR0 bits that any guest may be given; 0 without XSAVE. */
u64 fpu_allowed_xcr0(void);

/* Around KVM_RUN: the guest's state is in the registers (or where the scheduler put it) in between.
 */
void fpu_enter(struct vcpu *vcpu);
void fpu_leave(struct vcpu *vcpu);

/* IRQs off, right around the entry, when vcpu->swap_xcr0. */
void fpu_enter_xcr0(struct vcpu *vcpu);
void fpu_leave_xcr0(struct vcpu *vcpu);
/* After a change of CR4.OSXSAVE or of vcpu->xcr0. */
void fpu_update_xcr0(struct vcpu *vcpu);

/* XSETBV's rules (SDM vol 1, 13.3): 0, or -EINVAL for #GP. */
int fpu_set_xcr0(struct vcpu *vcpu, u64 value);

/* Vector register n for the emulator, between fpu_enter and fpu_leave. len 16 or 32. */
void fpu_read_vec(struct vcpu *vcpu, unsigned int n, void *buf, unsigned int len);
void fpu_write_vec(struct vcpu *vcpu, unsigned int n, const void *buf, unsigned int len,
		   bool clear);

/* The ioctls of the same names. */
long fpu_get(void *vcpu, void *fpu);
long fpu_set(void *vcpu, void *fpu);
long fpu_get_xsave(void *vcpu, void *xsave);
long fpu_set_xsave(void *vcpu, void *xsave);
long fpu_get_xcrs(void *vcpu, void *xcrs);
long fpu_set_xcrs(void *vcpu, void *xcrs);

#endif
