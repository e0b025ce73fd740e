/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_SET_GUEST_DEBUG: single steps and breakpoints of a debugger outside of the guest. */
#ifndef VMM_GUEST_DEBUG_H
#define VMM_GUEST_DEBUG_H

#include <linux/types.h>

struct vcpu;

/* All that KVM_CAP_SET_GUEST_DEBUG2 tells of. */
#define GUEST_DEBUG_CONTROL                                                         \
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP |   \
	 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB | \
	 KVM_GUESTDBG_BLOCKIRQ)

struct guest_debug {
	u32 control; /* KVM_GUESTDBG_*; 0: nobody debugs */
	u64 dr[4], dr7; /* with KVM_GUESTDBG_USE_HW_BP: in place of the guest's own */
	u64 own_tf, own_dr6; /* the guest's, while it runs */
};

/* The ioctl. Loaded. */
long guest_debug_set(void *vcpu, void *debug);

/* The guest's DR7 has changed, or whose breakpoints count. Loaded. */
void guest_debug_update_dr7(struct vcpu *vcpu);

/* Around an entry, IRQs off, where somebody debugs. */
void guest_debug_enter(struct vcpu *vcpu);
void guest_debug_leave(struct vcpu *vcpu);

/* An intercepted exception: is it the debugger's? Then KVM_EXIT_DEBUG is filled in. */
bool guest_debug_exception(struct vcpu *vcpu, u8 vector, u64 dr6_bits);
/* KVM_EXIT_DEBUG with this vector. 0. */
int guest_debug_exit(struct vcpu *vcpu, u8 vector, u64 dr6_bits);

#endif
