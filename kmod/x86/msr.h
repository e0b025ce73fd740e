/* SPDX-License-Identifier: GPL-2.0-only */
/* MSRs: deny by default. What is in the table of msr.c exists; everything else is #GP. */
#ifndef VMM_X86_MSR_H
#define VMM_X86_MSR_H

#include <linux/types.h>

struct vcpu;
struct kvm_msrs;

/* What is only stored for the guest; row by row in msr.c. By the vCPU's thread. */
struct msr_state {
	u64 misc_enable;
	u64 platform_info;
	u64 power_ctl;
	u64 mtrr_def_type;
	u64 mtrr_var[16];
	u64 mtrr_fixed[11];
	u64 tsc_adjust;
	u64 microcode;
	u64 amd_de_cfg;
	u64 amd_hwcr;
};

/* Power-on values; loaded. */
void msr_reset(struct vcpu *vcpu);

/*
 * 0, or for #GP -EINVAL, -ENOENT where there is no such MSR. host: on behalf of userspace, which may
 * also set what is read-only to the guest. Loaded.
 */
int msr_read(struct vcpu *vcpu, u32 index, u64 *value, bool host);
int msr_write(struct vcpu *vcpu, u32 index, u64 value, bool host);

/* KVM_GET_MSRS and KVM_SET_MSRS: the number of entries that went well, or -errno. Loaded. */
long msr_ioctl(struct vcpu *vcpu, void __user *msrs, bool write);

/* KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST. */
long msr_index_list(void __user *list);
long msr_feature_index_list(void __user *list);
/* KVM_GET_MSRS on /dev/vmm: feature MSRs. */
long msr_feature_ioctl(void __user *msrs);

#endif
