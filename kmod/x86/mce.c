// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm.h>
#include <linux/slab.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/trapnr.h>

#include "vm.h"
#include "x86/mce.h"

enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC };

u64 mce_supported(void)
{
	return MCG_CTL_P | MCG_SER_P;
}

static unsigned int nr_banks(const struct vcpu *vcpu)
{
	return vcpu->mce.cap & MCG_BANKCNT_MASK;
}

long mce_setup_banks(void *object, void *data)
{
	struct mce_state *mce = &((struct vcpu *)object)->mce;
	u64 cap = *(u64 *)data, *banks;
	unsigned int i, nr = cap & MCG_BANKCNT_MASK;

	if (!nr || nr > MCE_MAX_BANKS ||
	    cap & ~(mce_supported() | MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK))
		return -EINVAL;
	banks = kcalloc(nr, MCE_BANK_REGISTERS * sizeof(*banks), GFP_KERNEL_ACCOUNT);
	if (!banks)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		banks[i * MCE_BANK_REGISTERS + BANK_CTL] = ~0ull;
	kfree(mce->banks);
	mce->banks = banks;
	mce->cap = cap;
	mce->ctl = cap & MCG_CTL_P ? ~0ull : 0;
	return 0;
}

void mce_free(struct vcpu *vcpu)
{
	kfree(vcpu->mce.banks);
}

/* -- an event -- */

static void record(u64 *bank, const struct kvm_x86_mce *event)
{
	u64 overwritten = bank[BANK_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank[BANK_STATUS] = event->status | overwritten;
	bank[BANK_ADDR] = event->addr;
	bank[BANK_MISC] = event->misc;
}

/* Uncorrected: raises #MC, or shuts down where the guest cannot take it (SDM vol 3, 16.10.4.2). */
static void uncorrected(struct vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *event)
{
	struct mce_state *mce = &vcpu->mce;

	if ((mce->cap & MCG_CTL_P && mce->ctl != ~0ull) || bank[BANK_CTL] != ~0ull)
		return;
	if (mce->status & MCG_STATUS_MCIP || !(vcpu_cr4(vcpu) & X86_CR4_MCE)) {
		vcpu->triple_fault = true;
		return;
	}
	record(bank, event);
	mce->status = event->mcg_status;
	event_raise(vcpu, X86_TRAP_MC, false, 0);
}

long mce_report(void *object, void *data)
{
	const struct kvm_x86_mce *event = data;
	struct vcpu *vcpu = object;
	u64 *bank;

	if (event->bank >= nr_banks(vcpu) || !(event->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = vcpu->mce.banks + event->bank * MCE_BANK_REGISTERS;
	if (event->status & MCI_STATUS_UC)
		uncorrected(vcpu, bank, event);
	else if (!(bank[BANK_STATUS] & MCI_STATUS_VAL) || !(bank[BANK_STATUS] & MCI_STATUS_UC))
		record(bank, event);
	else
		/* What is known of an uncorrected one stays. */
		bank[BANK_STATUS] |= MCI_STATUS_OVER;
	return 0;
}

/* -- MSRs -- */

static u64 *place(struct vcpu *vcpu, u32 index)
{
	u32 offset = index - MSR_IA32_MC0_CTL;

	if (index == MSR_IA32_MCG_CAP)
		return &vcpu->mce.cap;
	if (index == MSR_IA32_MCG_STATUS)
		return &vcpu->mce.status;
	if (index == MSR_IA32_MCG_CTL)
		return vcpu->mce.cap & MCG_CTL_P ? &vcpu->mce.ctl : NULL;
	return offset < nr_banks(vcpu) * MCE_BANK_REGISTERS ? &vcpu->mce.banks[offset] : NULL;
}

int mce_read_msr(struct vcpu *vcpu, u32 index, u64 *value, bool host)
{
	const u64 *from = place(vcpu, index);

	*value = from ? *from : 0;
	/* Userspace may save and restore what is not there. */
	return from || host ? 0 : -EINVAL;
}

/* Control registers take all ones or none; a status is only ever cleared (SDM vol 3, 16.3). */
static bool writable(u32 index, u64 value)
{
	u32 offset = index - MSR_IA32_MC0_CTL;

	if (index == MSR_IA32_MCG_CAP)
		return false;
	if (index == MSR_IA32_MCG_STATUS)
		return !(value & ~(u64)(MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP));
	if (index == MSR_IA32_MCG_CTL || offset % MCE_BANK_REGISTERS == BANK_CTL)
		return !value || !~value;
	return offset % MCE_BANK_REGISTERS != BANK_STATUS || !value;
}

int mce_write_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 *to = place(vcpu, index);

	if (!to)
		return host && !value ? 0 : -EINVAL;
	if (index == MSR_IA32_MCG_CAP ? !host || value != *to : !host && !writable(index, value))
		return -EINVAL;
	*to = value;
	return 0;
}
