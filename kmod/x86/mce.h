/* SPDX-License-Identifier: GPL-2.0-only */
/* Machine-check banks, as far as userspace gives them to a guest (SDM vol 3, chapter 16). */
#ifndef VMM_X86_MCE_H
#define VMM_X86_MCE_H

#include <linux/types.h>

struct vcpu;

#define MCE_MAX_BANKS 32
#define MCE_BANK_REGISTERS 4 /* CTL, STATUS, ADDR, MISC */

struct mce_state {
	u64 cap, ctl, status; /* MCG_CAP without banks until KVM_X86_SETUP_MCE */
	u64 *banks; /* MCE_BANK_REGISTERS for each */
};

/* What userspace may set up, beside the number of banks: KVM_X86_GET_MCE_CAP_SUPPORTED. */
u64 mce_supported(void);
/* KVM_X86_SETUP_MCE and KVM_X86_SET_MCE. */
long mce_setup_banks(void *vcpu, void *cap);
long mce_report(void *vcpu, void *event);
void mce_free(struct vcpu *vcpu);

int mce_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host);
int mce_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);

#endif
