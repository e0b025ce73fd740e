/* SPDX-License-Identifier: GPL-2.0-only */
/* The architectural state of a vCPU: what may be set, by the guest and by userspace, and the calls
 * that get and set it. */
#ifndef VMM_STATE_H
#define VMM_STATE_H

#include <linux/kvm.h>
#include <linux/types.h>

struct vcpu;

/* Rules of MOV to CR and WRMSR(EFER): 0, or -EINVAL for what is #GP in the guest. Loaded. */
int state_set_cr0(struct vcpu *vcpu, u64 cr0);
int state_set_cr3(struct vcpu *vcpu, u64 cr3);
int state_set_cr4(struct vcpu *vcpu, u64 cr4);
int state_set_cr8(struct vcpu *vcpu, u64 cr8);
int state_set_efer(struct vcpu *vcpu, u64 efer);
u64 state_get_cr8(struct vcpu *vcpu);

/* In 64-bit code, and in long mode at all. */
bool state_64bit(struct vcpu *vcpu);

/* Start-up IPI: real mode at vector * 4096 (SDM vol 3, 9.4.3). */
void state_start_at(struct vcpu *vcpu, u8 vector);
/* RDX after reset: the processor signature. */
u32 state_reset_rdx(struct vcpu *vcpu);

/* On a write of IA32_MISC_ENABLE, and for new entries: CPUID.MONITOR as it says, if that is wanted. */
void state_update_mwait(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nr);

/* Takes the (kvmalloc'ed) entries over when it returns 0. Loaded, but at creation. */
int state_set_cpuid(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nr);

/*
 * KVM_CAP_SYNC_REGS: registers that come and go with KVM_RUN, in its page. 0 or -EINVAL. Loaded.
 */
#define STATE_SYNC_REGS KVM_SYNC_X86_VALID_FIELDS
int state_sync_from_user(struct vcpu *vcpu);
void state_sync_to_user(struct vcpu *vcpu);

/* The ioctls of the same names. */
long state_get_regs(void *vcpu, void *regs);
long state_set_regs(void *vcpu, void *regs);
long state_get_sregs(void *vcpu, void *sregs);
long state_set_sregs(void *vcpu, void *sregs);
long state_get_sregs2(void *vcpu, void *sregs2);
long state_set_sregs2(void *vcpu, void *sregs2);
long state_get_debugregs(void *vcpu, void *debugregs);
long state_set_debugregs(void *vcpu, void *debugregs);
long state_get_events(void *vcpu, void *events);
long state_set_events(void *vcpu, void *events);
long state_get_mp_state(void *vcpu, void *mp_state);
long state_set_mp_state(void *vcpu, void *mp_state);
long state_translate(void *vcpu, void *translation);

#endif
