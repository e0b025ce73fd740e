// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_LAPIC and KVM_SET_LAPIC. */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "irq/irqchip.h"
#include "irq/lapic.h"
#include "irq/lapic_internal.h"

void lapic_get_state(struct lapic *lapic, struct kvm_lapic_state *state)
{
	u32 ppr = lapic_ppr(lapic), current_count = lapic_timer_current(lapic);

	memcpy(state->regs, lapic->regs, sizeof(state->regs));
	memcpy(state->regs + LAPIC_PPR, &ppr, sizeof(ppr));
	memcpy(state->regs + LAPIC_TIMER_CURRENT, &current_count, sizeof(current_count));
	/* Unless userspace asked for 32-bit IDs (KVM_CAP_X2APIC_API) it stands where an xAPIC has it. */
	if (lapic_x2apic_mode(lapic) && !READ_ONCE(lapic->irqchip->wide_ids)) {
		u32 id = lapic->id << 24;

		memcpy(state->regs + LAPIC_ID, &id, sizeof(id));
	}
}

static u32 state_reg(const struct kvm_lapic_state *state, u32 offset)
{
	u32 val;

	memcpy(&val, state->regs + offset, sizeof(val));
	return val;
}

static void set_state_vectors(struct lapic *lapic, const struct kvm_lapic_state *state)
{
	unsigned int word;

	lapic->isr_words = 0;
	for (word = 0; word < 8; word++) {
		u32 legal = word ? ~0u : ~(BIT(LAPIC_FIRST_VECTOR) - 1);
		u32 isr = state_reg(state, lapic_word(LAPIC_ISR, word)) & legal;
		/* Illegal ones are kept, as KVM does: of priority class 0, they are never delivered. */
		u32 irr = state_reg(state, lapic_word(LAPIC_IRR, word));
		u32 tmr = state_reg(state, lapic_word(LAPIC_TMR, word)) & legal;

		lapic_write_reg(lapic, lapic_word(LAPIC_ISR, word), isr);
		lapic_write_reg(lapic, lapic_word(LAPIC_TMR, word), tmr);
		lapic_write_reg(lapic, lapic_word(LAPIC_IRR, word), irr);
		if (isr)
			lapic->isr_words |= BIT(word);
		if (irr)
			set_bit(word, &lapic->irr_words);
	}
}

static u32 state_writable(const struct kvm_lapic_state *state, u32 offset)
{
	return state_reg(state, offset) & lapic_writable(offset);
}

static void set_state_identity(struct lapic *lapic, const struct kvm_lapic_state *state)
{
	lapic_write_reg(lapic, LAPIC_DFR, state_writable(state, LAPIC_DFR) | 0x0fffffff);
	if (lapic_x2apic_mode(lapic)) {
		lapic_write_x2apic_identity(lapic);
		lapic_write_reg(lapic, LAPIC_ICR_HIGH, state_reg(state, LAPIC_ICR_HIGH));
		return;
	}
	lapic_write_id(lapic, state_writable(state, LAPIC_ID));
	lapic_write_reg(lapic, LAPIC_LDR, state_writable(state, LAPIC_LDR));
	lapic_write_reg(lapic, LAPIC_ICR_HIGH, state_writable(state, LAPIC_ICR_HIGH));
}

int lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state)
{
	u64 deadline = lapic->tsc_deadline;
	unsigned int i;

	if (!lapic_timer_mode_legal(state_writable(state, LAPIC_LVT_TIMER)))
		return -EINVAL;
	if (lapic_x2apic_mode(lapic) && READ_ONCE(lapic->irqchip->wide_ids) &&
	    state_reg(state, LAPIC_ID) != lapic->id)
		return -EINVAL;

	set_state_identity(lapic, state);
	set_state_vectors(lapic, state);
	lapic_write_reg(lapic, LAPIC_TPR, state_writable(state, LAPIC_TPR));
	lapic_write_reg(lapic, LAPIC_ICR, state_writable(state, LAPIC_ICR));
	lapic_write_reg(lapic, LAPIC_ESR, state_reg(state, LAPIC_ESR) & 0xff);
	lapic_write_reg(lapic, LAPIC_SVR, state_writable(state, LAPIC_SVR));
	lapic_timer_reset(lapic);
	/*
	 * As saved, even where software would find them masked: LINT0 of the boot CPU after reset.
	 */
	for (i = 0; i < LAPIC_LVTS; i++)
		if (lapic_lvt_regs[i] != LAPIC_LVT_TIMER)
			lapic_write_reg(lapic, lapic_lvt_regs[i],
					state_writable(state, lapic_lvt_regs[i]));
	lapic_timer_restore(lapic, &(struct lapic_timer_state){
					   .lvt = state_writable(state, LAPIC_LVT_TIMER),
					   .initial = state_reg(state, LAPIC_TIMER_INITIAL),
					   .current_count = state_reg(state, LAPIC_TIMER_CURRENT),
					   .divide = state_writable(state, LAPIC_TIMER_DIVIDE),
					   .deadline = deadline,
				   });
	return 0;
}
