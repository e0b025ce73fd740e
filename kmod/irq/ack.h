/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends of interrupts: who wants to know that the guest has handled the interrupt of a GSI is told at the EOI of the
 * I/O APIC's vector, or of the PIC's pin.
 */
#ifndef VMM_IRQ_ACK_H
#define VMM_IRQ_ACK_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>

#include "irq/ioapic.h"
#include "irq/pic.h"
#include "irq/routing.h"

struct irqchip;

struct irq_watch {
	unsigned long gsis[IRQ_ROUTING_MAX / BITS_PER_LONG]; /* asked for by irqchip_watch() */
	/* Computed from these, the PIT's wish, the routing and the redirection table; read without the lock. */
	u32 ioapic, pic; /* pins to be told about */
	u16 ioapic_gsi[IOAPIC_PINS], pic_gsi[PIC_PINS]; /* and of which GSI they are */
	unsigned long vectors[256 / BITS_PER_LONG]; /* of watched pins, edge-triggered ones too */
};

/* irqchip.lock: the redirection table changed. */
void irq_ack_vectors_changed(struct irqchip *irqchip);
/* irqchip.lock: the routing, or who wants to know, changed. */
void irq_ack_pins_changed(struct irqchip *irqchip);
/* Interrupts on these pins ended; masks of watched ones. No locks. */
void irq_ack_pins(struct irqchip *irqchip, u32 ioapic_pins, u32 pic_pins);

#endif
