// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's registers as the guest reaches them: xAPIC page and x2APIC MSRs, and what
 * writing them sends. Section and table numbers are those of the SDM, vol. 3.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "irq/apic_msg.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"
#include "irq/lapic_internal.h"

/* Read-only bits that software may write back: delivery status, remote IRR. */
#define STATUS_BIT BIT(12)
#define REMOTE_IRR_BIT BIT(14)

/* ICR (11.6.1). */
#define ICR_LOGICAL BIT(11)
#define ICR_ASSERT BIT(14)
#define ICR_LEVEL BIT(15)

/* Who may access a register, and how. */
#define XR BIT(0) /* xAPIC: read */
#define XW BIT(1) /* xAPIC: write */
#define R2 BIT(2) /* x2APIC: RDMSR */
#define W2 BIT(3) /* x2APIC: WRMSR */
#define RO (XR | R2)
#define RW (XR | XW | R2 | W2)
#define WO (XW | W2)

/* Table 11-1 (xAPIC) and table 11-6 (x2APIC), by offset / 16. */
static const struct lapic_reg_info {
	u32 writable;
	u32 ignored; /* read only, but writing it is no fault */
	u8 access;
} reg_info[] = {
	[LAPIC_ID >> 4] = { 0xff000000, 0, RO | XW },
	[LAPIC_VERSION >> 4] = { 0, 0, RO },
	[LAPIC_TPR >> 4] = { 0xff, 0, RW },
	[LAPIC_APR >> 4] = { 0, 0, XR },
	[LAPIC_PPR >> 4] = { 0, 0, RO },
	[LAPIC_EOI >> 4] = { 0, 0, WO },
	[LAPIC_LDR >> 4] = { 0xff000000, 0, RO | XW },
	[LAPIC_DFR >> 4] = { 0xf0000000, 0, XR | XW },
	[LAPIC_SVR >> 4] = { 0x3ff, 0, RW },
	[LAPIC_ISR >> 4 ...(LAPIC_ISR >> 4) + 7] = { 0, 0, RO },
	[LAPIC_TMR >> 4 ...(LAPIC_TMR >> 4) + 7] = { 0, 0, RO },
	[LAPIC_IRR >> 4 ...(LAPIC_IRR >> 4) + 7] = { 0, 0, RO },
	[LAPIC_ESR >> 4] = { 0, 0, RW },
	[LAPIC_ICR >> 4] = { 0x000ccfff, STATUS_BIT, RW },
	[LAPIC_ICR_HIGH >> 4] = { 0xff000000, 0, XR | XW },
	[LAPIC_LVT_TIMER >> 4] = { 0x000700ff, STATUS_BIT, RW },
	[LAPIC_LVT_THERMAL >> 4] = { 0x000107ff, STATUS_BIT, RW },
	[LAPIC_LVT_PERF >> 4] = { 0x000107ff, STATUS_BIT, RW },
	[LAPIC_LVT_LINT0 >> 4] = { 0x0001a7ff, STATUS_BIT | REMOTE_IRR_BIT, RW },
	[LAPIC_LVT_LINT1 >> 4] = { 0x0001a7ff, STATUS_BIT | REMOTE_IRR_BIT, RW },
	[LAPIC_LVT_ERROR >> 4] = { 0x000100ff, STATUS_BIT, RW },
	[LAPIC_TIMER_INITIAL >> 4] = { 0xffffffff, 0, RW },
	[LAPIC_TIMER_CURRENT >> 4] = { 0, 0, RO },
	[LAPIC_TIMER_DIVIDE >> 4] = { 0xb, 0, RW },
	[LAPIC_SELF_IPI >> 4] = { 0xff, 0, W2 },
};

u32 lapic_writable(u32 offset)
{
	return reg_info[offset >> 4].writable;
}

/* -- sending (11.6) -- */

static void send_msg(struct lapic *lapic, const struct apic_msg *msg)
{
	if ((msg->mode == APIC_DELIVER_FIXED || msg->mode == APIC_DELIVER_LOWEST) &&
	    msg->vector < LAPIC_FIRST_VECTOR) {
		lapic_error(lapic, LAPIC_ESR_SEND_ILLEGAL_VECTOR);
		return;
	}
	apic_msg_send(lapic->irqchip, msg, lapic);
}

static void send_ipi(struct lapic *lapic, u32 icr, u32 dest)
{
	struct apic_msg msg = {
		.dest = dest,
		.vector = icr,
		.mode = (icr >> LAPIC_MODE_SHIFT) & 7,
		.shorthand = (icr >> 18) & 3,
		.logical = icr & ICR_LOGICAL,
		.wide = lapic_x2apic_mode(lapic),
	};

	/* INIT level de-assert: does nothing since the Pentium 4 (table 11-3). */
	if (msg.mode == APIC_DELIVER_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
		return;
	/* Not among the delivery modes of an ICR. */
	if (msg.mode == APIC_DELIVER_EXTINT)
		return;
	msg.lowest_priority = msg.mode == APIC_DELIVER_LOWEST;
	send_msg(lapic, &msg);
}

static void send_self_ipi(struct lapic *lapic, u8 vector)
{
	struct apic_msg msg = {
		.vector = vector,
		.mode = APIC_DELIVER_FIXED,
		.shorthand = APIC_TO_SELF,
	};

	send_msg(lapic, &msg);
}

/* -- writing registers; val has no bits that are not writable -- */

static void write_svr(struct lapic *lapic, u32 val)
{
	unsigned int i;

	lapic_write_reg(lapic, LAPIC_SVR, val);
	if (val & LAPIC_SVR_ENABLE)
		return;
	/* 11.4.7.2: all LVT entries are masked, and stay so until it is enabled again. */
	for (i = 0; i < LAPIC_LVTS; i++)
		lapic_write_lvt(lapic, lapic_lvt_regs[i],
				lapic_read_reg(lapic, lapic_lvt_regs[i]) | LAPIC_LVT_MASKED);
}

/* The timer's entry is read in its callback: lapic_timer.c writes it. */
void lapic_write_lvt(struct lapic *lapic, u32 offset, u32 val)
{
	if (!lapic_software_enabled(lapic))
		val |= LAPIC_LVT_MASKED;
	if (offset == LAPIC_LVT_TIMER)
		lapic_timer_write_lvt(lapic, val);
	else
		lapic_write_reg(lapic, offset, val);
}

void lapic_write_id(struct lapic *lapic, u32 val)
{
	lapic_write_reg(lapic, LAPIC_ID, val);
	if (val >> 24 != (lapic->id & 0xff))
		WRITE_ONCE(lapic->irqchip->foreign_ids, true);
}

static void write_reg(struct lapic *lapic, u32 offset, u32 val)
{
	switch (offset) {
	case LAPIC_ID:
		lapic_write_id(lapic, val);
		break;
	case LAPIC_EOI:
		lapic_eoi(lapic);
		break;
	case LAPIC_DFR:
		lapic_write_reg(lapic, offset, val | 0x0fffffff);
		break;
	case LAPIC_SVR:
		write_svr(lapic, val);
		break;
	case LAPIC_ESR:
		lapic_write_reg(lapic, offset, atomic_xchg(&lapic->esr_pending, 0));
		break;
	case LAPIC_ICR:
		lapic_write_reg(lapic, offset, val);
		send_ipi(lapic, val, lapic_read_reg(lapic, LAPIC_ICR_HIGH) >> 24);
		break;
	case LAPIC_LVT_TIMER:
	case LAPIC_LVT_THERMAL:
	case LAPIC_LVT_PERF:
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
	case LAPIC_LVT_ERROR:
		lapic_write_lvt(lapic, offset, val);
		break;
	case LAPIC_TIMER_INITIAL:
		lapic_timer_write_initial(lapic, val);
		break;
	case LAPIC_TIMER_DIVIDE:
		lapic_timer_write_divide(lapic, val);
		break;
	case LAPIC_SELF_IPI:
		send_self_ipi(lapic, val);
		break;
	default: /* TPR, LDR, ICR high */
		lapic_write_reg(lapic, offset, val);
	}
}

static u32 read_reg(struct lapic *lapic, u32 offset)
{
	switch (offset) {
	case LAPIC_APR: /* not used since the Pentium 4 */
		return 0;
	case LAPIC_PPR:
		return lapic_ppr(lapic);
	case LAPIC_TIMER_CURRENT:
		return lapic_timer_current(lapic);
	}
	return lapic_read_reg(lapic, offset);
}

static const struct lapic_reg_info *find_reg(u32 offset, u8 access)
{
	static const struct lapic_reg_info none;
	const struct lapic_reg_info *info = &none;

	if (offset >> 4 < ARRAY_SIZE(reg_info))
		info = &reg_info[offset >> 4];
	return info->access & access ? info : NULL;
}

/* -- xAPIC: the page -- */

u64 lapic_mmio_read(struct lapic *lapic, u32 offset, u8 size)
{
	u32 shift = (offset & 0xf) * 8;

	if ((offset & 0xf) + size > sizeof(u32))
		return 0;
	if (!find_reg(offset, XR)) {
		if (!find_reg(offset, XW))
			lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
		return 0;
	}
	return (read_reg(lapic, offset & ~0xfu) >> shift) & ((1ull << (size * 8)) - 1);
}

void lapic_mmio_write(struct lapic *lapic, u32 offset, u8 size, u64 val)
{
	const struct lapic_reg_info *info = find_reg(offset, XW);

	if ((offset & 0xf) || size != sizeof(u32))
		return;
	/* Reserved bits of the ICR read back as they were written, as in KVM. */
	if (offset == LAPIC_ICR)
		write_reg(lapic, offset, val & ~STATUS_BIT);
	else if (info)
		write_reg(lapic, offset, val & info->writable);
	else if (!find_reg(offset, XR))
		lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
}

/* -- x2APIC: MSRs 0x800-0x8ff -- */

#define X2APIC_MSR_FIRST 0x800u
#define X2APIC_MSR_LAST 0x8ffu

static const struct lapic_reg_info *find_msr(const struct lapic *lapic, u32 index, u8 access)
{
	if (!lapic_x2apic_mode(lapic) || index < X2APIC_MSR_FIRST || index > X2APIC_MSR_LAST)
		return NULL;
	return find_reg((index - X2APIC_MSR_FIRST) << 4, access);
}

int lapic_rdmsr(struct lapic *lapic, u32 index, u64 *val)
{
	u32 offset = (index - X2APIC_MSR_FIRST) << 4;

	if (!find_msr(lapic, index, R2))
		return -EINVAL;
	*val = read_reg(lapic, offset);
	if (offset == LAPIC_ICR)
		*val |= (u64)lapic_read_reg(lapic, LAPIC_ICR_HIGH) << 32;
	return 0;
}

static int write_x2apic_icr(struct lapic *lapic, const struct lapic_reg_info *info, u64 val)
{
	if ((u32)val & ~(info->writable | info->ignored))
		return -EINVAL;
	lapic_write_reg(lapic, LAPIC_ICR_HIGH, val >> 32);
	lapic_write_reg(lapic, LAPIC_ICR, val & info->writable);
	send_ipi(lapic, val & info->writable, val >> 32);
	return 0;
}

int lapic_wrmsr(struct lapic *lapic, u32 index, u64 val)
{
	const struct lapic_reg_info *info = find_msr(lapic, index, W2);
	u32 offset = (index - X2APIC_MSR_FIRST) << 4;

	if (!info)
		return -EINVAL;
	if (offset == LAPIC_ICR)
		return write_x2apic_icr(lapic, info, val);
	if (val & ~(u64)(info->writable | info->ignored))
		return -EINVAL;
	write_reg(lapic, offset, val & info->writable);
	return 0;
}
