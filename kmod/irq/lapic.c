// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: registers, acceptance, acknowledgement, sending. Its timer is lapic_timer.c. Section
 * and table numbers are those of the SDM, vol. 3.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "irq/apic_msg.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"
#include "irq/lapic_timer.h"

/* Version 0x14, five is the highest LVT entry; no EOI-broadcast suppression (11.4.8). */
#define VERSION 0x50014u

#define SVR_ENABLE BIT(8)
#define LVT_MODE_SHIFT 8
/* Read-only bits that software may write back: delivery status, remote IRR. */
#define STATUS_BIT BIT(12)
#define REMOTE_IRR_BIT BIT(14)

/* ICR (11.6.1). */
#define ICR_LOGICAL BIT(11)
#define ICR_ASSERT BIT(14)
#define ICR_LEVEL BIT(15)

/* ESR (11.5.3). */
#define ESR_SEND_ILLEGAL_VECTOR BIT(5)
#define ESR_RECEIVE_ILLEGAL_VECTOR BIT(6)
#define ESR_ILLEGAL_REGISTER BIT(7)

/* Vectors below are reserved for exceptions: an APIC refuses them (11.5.2). */
#define FIRST_LEGAL_VECTOR 16

#define EVENT_SIPI_VECTOR_SHIFT 8
#define EVENT_SIPI_VECTOR (0xffu << EVENT_SIPI_VECTOR_SHIFT)

#define BASE_RESERVED_LOW 0x2ffull
#define BASE_MODE (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC)

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

static const u16 lvt_regs[] = {
	LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PERF,
	LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,   LAPIC_LVT_ERROR,
};

static u32 *reg_at(const struct lapic *lapic, u32 offset)
{
	return lapic->regs + offset;
}

u32 lapic_read_reg(const struct lapic *lapic, u32 offset)
{
	return READ_ONCE(*reg_at(lapic, offset));
}

void lapic_write_reg(struct lapic *lapic, u32 offset, u32 val)
{
	WRITE_ONCE(*reg_at(lapic, offset), val);
}

bool lapic_enabled(const struct lapic *lapic)
{
	return READ_ONCE(lapic->base) & LAPIC_BASE_ENABLE;
}

bool lapic_x2apic_mode(const struct lapic *lapic)
{
	return (READ_ONCE(lapic->base) & BASE_MODE) == BASE_MODE;
}

bool lapic_software_enabled(const struct lapic *lapic)
{
	return lapic_read_reg(lapic, LAPIC_SVR) & SVR_ENABLE;
}

static void lapic_kick(struct lapic *lapic)
{
	lapic->irqchip->ops->kick(lapic->irqchip->ctx, lapic->vcpu);
}

/* -- the 256-bit vector registers: eight words, one in every 16 bytes -- */

static u32 word_offset(u32 base, unsigned int word)
{
	return base + word * 0x10;
}

/*
 * The word that holds a vector's bit, for the atomic operations: they work on longs, and the upper
 * half of the first long in each 16-byte slot is padding.
 */
static unsigned long *vector_word(const struct lapic *lapic, u32 base, u8 vector)
{
	return lapic->regs + word_offset(base, vector / 32);
}

/* The highest vector in the words that the summary names, or -1. */
static int highest_vector(const struct lapic *lapic, u32 base, unsigned long words)
{
	while (words) {
		unsigned int word = __fls(words);
		u32 bits = lapic_read_reg(lapic, word_offset(base, word));

		if (bits)
			return word * 32 + __fls(bits);
		words &= ~BIT(word);
	}
	return -1;
}

static int highest_isr(const struct lapic *lapic)
{
	return highest_vector(lapic, LAPIC_ISR, lapic->isr_words);
}

/* 11.8.3.1 */
static u32 lapic_ppr(const struct lapic *lapic)
{
	u32 tpr = lapic_read_reg(lapic, LAPIC_TPR);
	int vector = highest_isr(lapic);
	u32 isr_class = vector < 0 ? 0 : vector & 0xf0;

	return (tpr & 0xf0) >= isr_class ? tpr : isr_class;
}

int lapic_pending(struct lapic *lapic)
{
	int vector = highest_vector(lapic, LAPIC_IRR, READ_ONCE(lapic->irr_words));

	if (vector < 0 || !lapic_enabled(lapic))
		return -1;
	return (vector & 0xf0) > (lapic_ppr(lapic) & 0xf0) ? vector : -1;
}

/* Returns whether the vector was not pending yet. Any CPU. */
static bool set_irr(struct lapic *lapic, u8 vector)
{
	bool fresh = !test_and_set_bit(vector % 32, vector_word(lapic, LAPIC_IRR, vector));

	/* After the bit: clear_irr() looks at the word again after clearing the summary. */
	set_bit(vector / 32, &lapic->irr_words);
	return fresh;
}

/* The owner. */
static void clear_irr(struct lapic *lapic, u8 vector)
{
	unsigned int word = vector / 32;

	clear_bit(vector % 32, vector_word(lapic, LAPIC_IRR, vector));
	if (lapic_read_reg(lapic, word_offset(LAPIC_IRR, word)))
		return;
	clear_bit(word, &lapic->irr_words);
	smp_mb__after_atomic();
	if (lapic_read_reg(lapic, word_offset(LAPIC_IRR, word)))
		set_bit(word, &lapic->irr_words);
}

u8 lapic_ack(struct lapic *lapic, u8 vector)
{
	u32 offset = word_offset(LAPIC_ISR, vector / 32);

	clear_irr(lapic, vector);
	lapic_write_reg(lapic, offset, lapic_read_reg(lapic, offset) | BIT(vector % 32));
	lapic->isr_words |= BIT(vector / 32);
	return vector;
}

void lapic_eoi(struct lapic *lapic)
{
	int vector = highest_isr(lapic);
	u32 offset, bits;

	if (vector < 0)
		return;
	offset = word_offset(LAPIC_ISR, vector / 32);
	bits = lapic_read_reg(lapic, offset) & ~BIT(vector % 32);
	lapic_write_reg(lapic, offset, bits);
	if (!bits)
		lapic->isr_words &= ~BIT(vector / 32);
	if (test_bit(vector % 32, vector_word(lapic, LAPIC_TMR, vector)))
		irqchip_eoi(lapic->irqchip, vector);
}

/* -- errors (11.5.3) -- */

/* An LVT entry fires: fixed delivery. */
void lapic_deliver_local(struct lapic *lapic, u32 lvt)
{
	u8 vector = lvt;

	if (lvt & LAPIC_LVT_MASKED)
		return;
	if (vector < FIRST_LEGAL_VECTOR) {
		/* No error interrupt about the error entry's own vector. */
		atomic_or(ESR_RECEIVE_ILLEGAL_VECTOR, &lapic->esr_pending);
		return;
	}
	clear_bit(vector % 32, vector_word(lapic, LAPIC_TMR, vector));
	set_irr(lapic, vector);
	lapic_kick(lapic);
}

/* Any CPU. One error interrupt until software writes ESR, which arms it again. */
static void lapic_error(struct lapic *lapic, u32 error)
{
	if (!atomic_fetch_or(error, &lapic->esr_pending))
		lapic_deliver_local(lapic, lapic_read_reg(lapic, LAPIC_LVT_ERROR));
}

/* -- acceptance, any CPU -- */

static int accept_fixed(struct lapic *lapic, const struct apic_msg *msg)
{
	unsigned long *tmr = vector_word(lapic, LAPIC_TMR, msg->vector);
	bool fresh;

	if (!lapic_software_enabled(lapic))
		return -1;
	if (msg->vector < FIRST_LEGAL_VECTOR) {
		lapic_error(lapic, ESR_RECEIVE_ILLEGAL_VECTOR);
		return -1;
	}
	if (msg->level)
		set_bit(msg->vector % 32, tmr);
	else
		clear_bit(msg->vector % 32, tmr);
	fresh = set_irr(lapic, msg->vector);
	lapic_kick(lapic);
	return fresh;
}

static int accept_nmi(struct lapic *lapic, const struct apic_msg *msg)
{
	atomic_or(LAPIC_EVENT_NMI, &lapic->events);
	lapic_kick(lapic);
	return 1;
}

/* A SIPI that waits is for the time before this INIT: it goes. */
static int accept_init(struct lapic *lapic, const struct apic_msg *msg)
{
	int events = atomic_read(&lapic->events);

	while (!atomic_try_cmpxchg(&lapic->events, &events,
				   (events & LAPIC_EVENT_NMI) | LAPIC_EVENT_INIT))
		;
	lapic_kick(lapic);
	return 1;
}

static int accept_sipi(struct lapic *lapic, const struct apic_msg *msg)
{
	int events = atomic_read(&lapic->events);

	while (!atomic_try_cmpxchg(&lapic->events, &events,
				   (events & ~EVENT_SIPI_VECTOR) | LAPIC_EVENT_SIPI |
					   (u32)msg->vector << EVENT_SIPI_VECTOR_SHIFT))
		;
	lapic_kick(lapic);
	return 1;
}

static int accept_extint(struct lapic *lapic, const struct apic_msg *msg)
{
	set_bit(0, &lapic->extint);
	lapic_kick(lapic);
	return 1;
}

static int (*const accept_by_mode[8])(struct lapic *lapic, const struct apic_msg *msg) = {
	[APIC_DELIVER_FIXED] = accept_fixed, [APIC_DELIVER_LOWEST] = accept_fixed,
	[APIC_DELIVER_NMI] = accept_nmi,     [APIC_DELIVER_INIT] = accept_init,
	[APIC_DELIVER_SIPI] = accept_sipi,   [APIC_DELIVER_EXTINT] = accept_extint,
};

int lapic_accept(struct lapic *lapic, const struct apic_msg *msg)
{
	/* SMI has no entry: there is no system-management mode. */
	return accept_by_mode[msg->mode] ? accept_by_mode[msg->mode](lapic, msg) : -1;
}

u32 lapic_take_events(struct lapic *lapic, u8 *sipi_vector)
{
	u32 events;

	if (!lapic_has_events(lapic))
		return 0;
	events = atomic_xchg(&lapic->events, 0);
	if (events & LAPIC_EVENT_SIPI)
		*sipi_vector = events >> EVENT_SIPI_VECTOR_SHIFT;
	return events & (LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI | LAPIC_EVENT_NMI);
}

bool lapic_accepts_extint(struct lapic *lapic)
{
	u32 lint0 = lapic_read_reg(lapic, LAPIC_LVT_LINT0);

	if (!lapic_enabled(lapic))
		return true;
	if (!(lint0 & LAPIC_LVT_MASKED) && ((lint0 >> LVT_MODE_SHIFT) & 7) == APIC_DELIVER_EXTINT)
		return true;
	if (!test_bit(0, &lapic->extint))
		return false;
	/* An ExtINT message lasts as long as the PIC wants something. */
	if (pic_pending(lapic->irqchip))
		return true;
	clear_bit(0, &lapic->extint);
	return false;
}

/* -- sending (11.6) -- */

static void send_msg(struct lapic *lapic, const struct apic_msg *msg)
{
	if ((msg->mode == APIC_DELIVER_FIXED || msg->mode == APIC_DELIVER_LOWEST) &&
	    msg->vector < FIRST_LEGAL_VECTOR) {
		lapic_error(lapic, ESR_SEND_ILLEGAL_VECTOR);
		return;
	}
	apic_msg_send(lapic->irqchip, msg, lapic);
}

static void send_ipi(struct lapic *lapic, u32 icr, u32 dest)
{
	struct apic_msg msg = {
		.dest = dest,
		.vector = icr,
		.mode = (icr >> LVT_MODE_SHIFT) & 7,
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
	if (val & SVR_ENABLE)
		return;
	/* 11.4.7.2: all LVT entries are masked, and stay so until it is enabled again. */
	for (i = 0; i < ARRAY_SIZE(lvt_regs); i++)
		lapic_write_lvt(lapic, lvt_regs[i],
				lapic_read_reg(lapic, lvt_regs[i]) | LAPIC_LVT_MASKED);
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

static void write_id(struct lapic *lapic, u32 val)
{
	lapic_write_reg(lapic, LAPIC_ID, val);
	if (val >> 24 != (lapic->id & 0xff))
		WRITE_ONCE(lapic->irqchip->foreign_ids, true);
}

static void write_reg(struct lapic *lapic, u32 offset, u32 val)
{
	switch (offset) {
	case LAPIC_ID:
		write_id(lapic, val);
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

bool lapic_claims(const struct lapic *lapic, u64 gpa)
{
	if ((lapic->base & BASE_MODE) != LAPIC_BASE_ENABLE)
		return false;
	return gpa - (lapic->base & LAPIC_BASE_ADDRESS) < LAPIC_MMIO_SIZE;
}

u64 lapic_mmio_read(struct lapic *lapic, u32 offset, u8 size)
{
	u32 shift = (offset & 0xf) * 8;

	if ((offset & 0xf) + size > sizeof(u32))
		return 0;
	if (!find_reg(offset, XR)) {
		if (!find_reg(offset, XW))
			lapic_error(lapic, ESR_ILLEGAL_REGISTER);
		return 0;
	}
	return (read_reg(lapic, offset & ~0xfu) >> shift) & ((1ull << (size * 8)) - 1);
}

void lapic_mmio_write(struct lapic *lapic, u32 offset, u8 size, u64 val)
{
	const struct lapic_reg_info *info = find_reg(offset, XW);

	if ((offset & 0xf) || size != sizeof(u32))
		return;
	if (info)
		write_reg(lapic, offset, val & info->writable);
	else if (!find_reg(offset, XR))
		lapic_error(lapic, ESR_ILLEGAL_REGISTER);
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

/* -- CR8 (11.8.6) -- */

u8 lapic_get_cr8(const struct lapic *lapic)
{
	return lapic_read_reg(lapic, LAPIC_TPR) >> 4;
}

void lapic_set_cr8(struct lapic *lapic, u8 cr8)
{
	lapic_write_reg(lapic, LAPIC_TPR, (cr8 & 0xf) << 4);
}

/* -- reset and IA32_APIC_BASE -- */

/* 11.12.10.2 */
static u32 x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | BIT(id & 0xf);
}

static void write_x2apic_identity(struct lapic *lapic)
{
	lapic_write_reg(lapic, LAPIC_ID, lapic->id);
	lapic_write_reg(lapic, LAPIC_LDR, x2apic_ldr(lapic->id));
}

static void clear_vectors(struct lapic *lapic)
{
	unsigned int word;

	for (word = 0; word < 8; word++) {
		lapic_write_reg(lapic, word_offset(LAPIC_ISR, word), 0);
		lapic_write_reg(lapic, word_offset(LAPIC_TMR, word), 0);
		/* The summary may keep a bit that a sender sets right now: it is only a hint. */
		lapic_write_reg(lapic, word_offset(LAPIC_IRR, word), 0);
	}
	lapic->isr_words = 0;
}

/* 11.4.7.1 and 11.4.7.3: all registers but ID and version. */
static void reset_regs(struct lapic *lapic)
{
	unsigned int i;

	lapic_timer_reset(lapic);
	lapic_write_reg(lapic, LAPIC_VERSION, VERSION);
	lapic_write_reg(lapic, LAPIC_TPR, 0);
	lapic_write_reg(lapic, LAPIC_LDR, 0);
	lapic_write_reg(lapic, LAPIC_DFR, 0xffffffff);
	lapic_write_reg(lapic, LAPIC_SVR, 0xff);
	lapic_write_reg(lapic, LAPIC_ESR, 0);
	lapic_write_reg(lapic, LAPIC_ICR, 0);
	lapic_write_reg(lapic, LAPIC_ICR_HIGH, 0);
	for (i = 0; i < ARRAY_SIZE(lvt_regs); i++)
		lapic_write_lvt(lapic, lvt_regs[i], LAPIC_LVT_MASKED);
	/*
	 * Virtual wire mode, as firmware leaves it (MP specification 3.6.2.2): the boot CPU takes
	 * the PIC's interrupts. KVM does the same, and guests without firmware count on it.
	 */
	if (lapic->bsp)
		lapic_write_reg(lapic, LAPIC_LVT_LINT0, APIC_DELIVER_EXTINT << LVT_MODE_SHIFT);
	clear_vectors(lapic);
	atomic_set(&lapic->esr_pending, 0);
	clear_bit(0, &lapic->extint);
	if (lapic_x2apic_mode(lapic))
		write_x2apic_identity(lapic);
}

void lapic_reset(struct lapic *lapic, bool init)
{
	if (!init) {
		WRITE_ONCE(lapic->base, LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE |
						(lapic->bsp ? LAPIC_BASE_BSP : 0));
		lapic_write_reg(lapic, LAPIC_ID, lapic->id << 24);
	}
	reset_regs(lapic);
}

u64 lapic_get_base(const struct lapic *lapic)
{
	return lapic->base;
}

void lapic_set_base_limits(struct lapic *lapic, u8 maxphyaddr, bool x2apic)
{
	u64 above = maxphyaddr < 64 ? ~0ull << maxphyaddr : 0;

	lapic->base_reserved = BASE_RESERVED_LOW | above | (x2apic ? 0 : LAPIC_BASE_X2APIC);
}

/* Figure 11-27: the legal transitions that software can make. */
static bool mode_change_legal(u64 old, u64 new)
{
	if (old == new)
		return true;
	if (new == LAPIC_BASE_ENABLE)
		return old == 0;
	if (new == BASE_MODE)
		return old == LAPIC_BASE_ENABLE;
	return true;
}

int lapic_set_base(struct lapic *lapic, u64 val, bool host_initiated)
{
	u64 old_mode = lapic->base & BASE_MODE, mode = val & BASE_MODE;

	if ((val & lapic->base_reserved) || mode == LAPIC_BASE_X2APIC)
		return -EINVAL;
	if (!host_initiated && !mode_change_legal(old_mode, mode))
		return -EINVAL;

	WRITE_ONCE(lapic->base, val);
	if (mode == old_mode)
		return 0;
	if (mode == BASE_MODE) {
		write_x2apic_identity(lapic);
		lapic_write_reg(lapic, LAPIC_ICR_HIGH, 0);
		return 0;
	}
	/*
	 * Disabling loses the state (11.4.3); an xAPIC begins with the ID that it had at power-up.
	 */
	lapic_write_reg(lapic, LAPIC_ID, lapic->id << 24);
	reset_regs(lapic);
	return 0;
}

/* -- saved state -- */

void lapic_get_state(struct lapic *lapic, struct kvm_lapic_state *state)
{
	u32 ppr = lapic_ppr(lapic), current_count = lapic_timer_current(lapic);

	memcpy(state->regs, lapic->regs, sizeof(state->regs));
	memcpy(state->regs + LAPIC_PPR, &ppr, sizeof(ppr));
	memcpy(state->regs + LAPIC_TIMER_CURRENT, &current_count, sizeof(current_count));
	/* Without KVM_CAP_X2APIC_API the ID stands where an xAPIC has it. */
	if (lapic_x2apic_mode(lapic)) {
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
		u32 legal = word ? ~0u : ~(BIT(FIRST_LEGAL_VECTOR) - 1);
		u32 isr = state_reg(state, word_offset(LAPIC_ISR, word)) & legal;
		u32 irr = state_reg(state, word_offset(LAPIC_IRR, word)) & legal;
		u32 tmr = state_reg(state, word_offset(LAPIC_TMR, word)) & legal;

		lapic_write_reg(lapic, word_offset(LAPIC_ISR, word), isr);
		lapic_write_reg(lapic, word_offset(LAPIC_TMR, word), tmr);
		lapic_write_reg(lapic, word_offset(LAPIC_IRR, word), irr);
		if (isr)
			lapic->isr_words |= BIT(word);
		if (irr)
			set_bit(word, &lapic->irr_words);
	}
}

static u32 state_writable(const struct kvm_lapic_state *state, u32 offset)
{
	return state_reg(state, offset) & reg_info[offset >> 4].writable;
}

static void set_state_identity(struct lapic *lapic, const struct kvm_lapic_state *state)
{
	lapic_write_reg(lapic, LAPIC_DFR, state_writable(state, LAPIC_DFR) | 0x0fffffff);
	if (lapic_x2apic_mode(lapic)) {
		write_x2apic_identity(lapic);
		lapic_write_reg(lapic, LAPIC_ICR_HIGH, state_reg(state, LAPIC_ICR_HIGH));
		return;
	}
	write_id(lapic, state_writable(state, LAPIC_ID));
	lapic_write_reg(lapic, LAPIC_LDR, state_writable(state, LAPIC_LDR));
	lapic_write_reg(lapic, LAPIC_ICR_HIGH, state_writable(state, LAPIC_ICR_HIGH));
}

int lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state)
{
	u64 deadline = lapic->tsc_deadline;
	unsigned int i;

	if (!lapic_timer_mode_legal(state_writable(state, LAPIC_LVT_TIMER)))
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
	for (i = 0; i < ARRAY_SIZE(lvt_regs); i++)
		if (lvt_regs[i] != LAPIC_LVT_TIMER)
			lapic_write_reg(lapic, lvt_regs[i], state_writable(state, lvt_regs[i]));
	lapic_timer_restore(lapic, &(struct lapic_timer_state){
					   .lvt = state_writable(state, LAPIC_LVT_TIMER),
					   .initial = state_reg(state, LAPIC_TIMER_INITIAL),
					   .current_count = state_reg(state, LAPIC_TIMER_CURRENT),
					   .divide = state_writable(state, LAPIC_TIMER_DIVIDE),
					   .deadline = deadline,
				   });
	return 0;
}

/* -- lifetime -- */

struct lapic *lapic_create(struct irqchip *irqchip, unsigned int slot, u32 apic_id, bool bsp)
{
	struct lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);

	if (!lapic)
		return NULL;
	/* A power-of-two allocation is aligned to its size. */
	lapic->regs = kzalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!lapic->regs) {
		kfree(lapic);
		return NULL;
	}
	raw_spin_lock_init(&lapic->timer_lock);
	lapic->irqchip = irqchip;
	lapic->vcpu = slot;
	lapic->id = apic_id;
	lapic->bsp = bsp;
	lapic->expires_ns = U64_MAX;
	lapic_set_base_limits(lapic, 52, true);
	lapic_reset(lapic, false);
	return lapic;
}

void lapic_publish(struct lapic *lapic)
{
	struct irqchip *irqchip = lapic->irqchip;

	/* xAPIC IDs have eight bits: two vCPUs may share one. */
	if (lapic->id > 0xff)
		WRITE_ONCE(irqchip->foreign_ids, true);
	smp_store_release(&irqchip->lapic[lapic->vcpu], lapic);
	if (irqchip->nr_lapic <= lapic->vcpu)
		smp_store_release(&irqchip->nr_lapic, lapic->vcpu + 1);
}

void lapic_destroy(struct lapic *lapic)
{
	if (!lapic)
		return;
	if (lapic->irqchip->lapic[lapic->vcpu] == lapic)
		WRITE_ONCE(lapic->irqchip->lapic[lapic->vcpu], NULL);
	kfree(lapic->regs);
	kfree(lapic);
}
