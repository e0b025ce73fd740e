// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: acceptance, priorities and acknowledgement; reset, mode and lifetime. What the guest
 * reads and writes is lapic_access.c, the timer lapic_timer.c. Section numbers: SDM, vol. 3.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "irq/apic_msg.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"
#include "irq/lapic_internal.h"

/* Version 0x14, five is the highest LVT entry; no EOI-broadcast suppression (11.4.8). */
#define VERSION 0x50014u

#define EVENT_SIPI_VECTOR_SHIFT 8
#define EVENT_SIPI_VECTOR (0xffu << EVENT_SIPI_VECTOR_SHIFT)

#define BASE_RESERVED_LOW 0x2ffull

const u16 lapic_lvt_regs[LAPIC_LVTS] = {
	LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PERF,
	LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,   LAPIC_LVT_ERROR,
};

static void lapic_kick(struct lapic *lapic)
{
	lapic->irqchip->ops->kick(lapic->irqchip->ctx, lapic->vcpu);
}

/* -- the 256-bit vector registers: eight words, one in every 16 bytes -- */

/*
 * The word that holds a vector's bit, for the atomic operations: they work on longs, and the upper
 * half of the first long in each 16-byte slot is padding.
 */
static unsigned long *vector_word(const struct lapic *lapic, u32 base, u8 vector)
{
	return lapic->regs + lapic_word(base, vector / 32);
}

/* The highest vector in the words that the summary names, or -1. */
static int highest_vector(const struct lapic *lapic, u32 base, unsigned long words)
{
	while (words) {
		unsigned int word = __fls(words);
		u32 bits = lapic_read_reg(lapic, lapic_word(base, word));

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
u32 lapic_ppr(const struct lapic *lapic)
{
	u32 tpr = lapic_read_reg(lapic, LAPIC_TPR);
	int vector = highest_isr(lapic);
	u32 isr_class = vector < 0 ? 0 : vector & 0xf0;

	return (tpr & 0xf0) >= isr_class ? tpr : isr_class;
}

int lapic_deliverable(struct lapic *lapic)
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

	/* After the bit: settle_irr_word() looks at the word again after clearing the summary. */
	set_bit(vector / 32, &lapic->irr_words);
	return fresh;
}

/* The owner, after it cleared bits of a word. */
static void settle_irr_word(struct lapic *lapic, unsigned int word)
{
	if (lapic_read_reg(lapic, lapic_word(LAPIC_IRR, word)))
		return;
	clear_bit(word, &lapic->irr_words);
	smp_mb__after_atomic();
	if (lapic_read_reg(lapic, lapic_word(LAPIC_IRR, word)))
		set_bit(word, &lapic->irr_words);
}

u8 lapic_ack(struct lapic *lapic, u8 vector)
{
	u32 offset = lapic_word(LAPIC_ISR, vector / 32);

	clear_bit(vector % 32, vector_word(lapic, LAPIC_IRR, vector));
	settle_irr_word(lapic, vector / 32);
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
	offset = lapic_word(LAPIC_ISR, vector / 32);
	bits = lapic_read_reg(lapic, offset) & ~BIT(vector % 32);
	lapic_write_reg(lapic, offset, bits);
	if (!bits)
		lapic->isr_words &= ~BIT(vector / 32);
	if (test_bit(vector % 32, vector_word(lapic, LAPIC_TMR, vector)))
		irqchip_eoi(lapic->irqchip, lapic->vcpu, vector, true);
	else if (test_bit(vector, lapic->irqchip->watch.vectors))
		irqchip_eoi(lapic->irqchip, lapic->vcpu, vector, false);
}

bool lapic_eoi_unheard(const struct lapic *lapic, u8 vector)
{
	return !READ_ONCE(lapic->irr_words) &&
	       !test_bit(vector % 32, vector_word(lapic, LAPIC_TMR, vector)) &&
	       !test_bit(vector, lapic->irqchip->watch.vectors);
}

/* -- errors (11.5.3) -- */

/* An LVT entry fires: fixed delivery. */
void lapic_deliver_local(struct lapic *lapic, u32 lvt)
{
	u8 vector = lvt;

	if (lvt & LAPIC_LVT_MASKED)
		return;
	if (vector < LAPIC_FIRST_VECTOR) {
		/* No error interrupt about the error entry's own vector. */
		atomic_or(LAPIC_ESR_RECEIVE_ILLEGAL_VECTOR, &lapic->esr_pending);
		return;
	}
	clear_bit(vector % 32, vector_word(lapic, LAPIC_TMR, vector));
	set_irr(lapic, vector);
	lapic_kick(lapic);
}

/* Any CPU. One error interrupt until software writes ESR, which arms it again. */
void lapic_error(struct lapic *lapic, u32 error)
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
	if (msg->vector < LAPIC_FIRST_VECTOR) {
		lapic_error(lapic, LAPIC_ESR_RECEIVE_ILLEGAL_VECTOR);
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
	if (!(lint0 & LAPIC_LVT_MASKED) && ((lint0 >> LAPIC_MODE_SHIFT) & 7) == APIC_DELIVER_EXTINT)
		return true;
	if (!test_bit(0, &lapic->extint))
		return false;
	/* An ExtINT message lasts as long as the PIC wants something. */
	if (pic_pending(lapic->irqchip))
		return true;
	clear_bit(0, &lapic->extint);
	return false;
}

/* -- CR8 (11.8.6) -- */

void lapic_set_tpr(struct lapic *lapic, u8 tpr)
{
	lapic_write_reg(lapic, LAPIC_TPR, tpr);
}

u32 lapic_vapic_word(const struct lapic *lapic)
{
	int isr = highest_isr(lapic), irr = highest_vector(lapic, LAPIC_IRR, lapic->irr_words);

	return (u8)lapic_read_reg(lapic, LAPIC_TPR) | (isr < 0 ? 0 : (isr & 0xf0) << 8) |
	       (irr < 0 ? 0 : (u32)irr << 24);
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

void lapic_write_x2apic_identity(struct lapic *lapic)
{
	lapic_write_reg(lapic, LAPIC_ID, lapic->id);
	lapic_write_reg(lapic, LAPIC_LDR, x2apic_ldr(lapic->id));
}

static void clear_vectors(struct lapic *lapic)
{
	unsigned int word;

	for (word = 0; word < 8; word++) {
		lapic_write_reg(lapic, lapic_word(LAPIC_ISR, word), 0);
		lapic_write_reg(lapic, lapic_word(LAPIC_TMR, word), 0);
		lapic_write_reg(lapic, lapic_word(LAPIC_IRR, word), 0);
		settle_irr_word(lapic, word);
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
	for (i = 0; i < LAPIC_LVTS; i++)
		lapic_write_lvt(lapic, lapic_lvt_regs[i], LAPIC_LVT_MASKED);
	/*
	 * Virtual wire mode, as firmware leaves it (MP specification 3.6.2.2): the boot CPU takes
	 * the PIC's interrupts. KVM does the same, and guests without firmware count on it.
	 */
	if (lapic->bsp)
		lapic_write_reg(lapic, LAPIC_LVT_LINT0, APIC_DELIVER_EXTINT << LAPIC_MODE_SHIFT);
	clear_vectors(lapic);
	atomic_set(&lapic->esr_pending, 0);
	clear_bit(0, &lapic->extint);
	if (lapic_x2apic_mode(lapic))
		lapic_write_x2apic_identity(lapic);
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
	if (new == LAPIC_BASE_MODE)
		return old == LAPIC_BASE_ENABLE;
	return true;
}

int lapic_set_base(struct lapic *lapic, u64 val, bool host_initiated)
{
	u64 old_mode = lapic->base & LAPIC_BASE_MODE, mode = val & LAPIC_BASE_MODE;

	if ((val & lapic->base_reserved) || mode == LAPIC_BASE_X2APIC)
		return -EINVAL;
	if (!host_initiated && !mode_change_legal(old_mode, mode))
		return -EINVAL;

	WRITE_ONCE(lapic->base, val);
	if (mode == old_mode)
		return 0;
	if (mode == LAPIC_BASE_MODE) {
		lapic_write_x2apic_identity(lapic);
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
