/* SPDX-License-Identifier: GPL-2.0-only */
/* 82093AA I/O APIC, version 0x11, 24 pins. Everything here is protected by irqchip.lock. */
#ifndef VMM_IRQ_IOAPIC_H
#define VMM_IRQ_IOAPIC_H

#include <linux/kvm.h>
#include <linux/types.h>

struct irqchip;

#define IOAPIC_PINS 24
#define IOAPIC_DEFAULT_BASE 0xfec00000ull
#define IOAPIC_MMIO_SIZE 0x1000u

struct ioapic {
	u64 base;
	u64 redir[IOAPIC_PINS]; /* redirection table as the guest reads it */
	u32 irr; /* pins whose line is high */
	u32 sent; /* high edge-triggered pins whose edge was delivered */
	u8 select; /* IOREGSEL */
	u8 id;
	u8 sources[IOAPIC_PINS]; /* per pin: a bit for each source that holds it high */
};

void ioapic_init(struct irqchip *irqchip);
int ioapic_set_irq(struct irqchip *irqchip, unsigned int pin, int source_id, bool level);
u32 ioapic_mmio_read(struct irqchip *irqchip, u32 offset);
void ioapic_mmio_write(struct irqchip *irqchip, u32 offset, u8 size, u32 val);
u8 ioapic_vector(const struct irqchip *irqchip, unsigned int pin);
/* The pins whose interrupt ends with this vector's EOI. */
u32 ioapic_ended_pins(const struct irqchip *irqchip, u8 vector, bool level);
/* EOI broadcast of a level-triggered vector from a local APIC. */
void ioapic_eoi(struct irqchip *irqchip, u8 vector);
void ioapic_get_state(struct irqchip *irqchip, struct kvm_ioapic_state *state);
int ioapic_set_state(struct irqchip *irqchip, const struct kvm_ioapic_state *state);

#endif
