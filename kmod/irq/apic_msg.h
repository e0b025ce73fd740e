/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt messages between APICs: who is meant (SDM vol. 3, 11.6.2 and 11.12.10), and what they
 * are.
 */
#ifndef VMM_IRQ_APIC_MSG_H
#define VMM_IRQ_APIC_MSG_H

#include <linux/types.h>

struct irqchip;
struct lapic;

/* Delivery modes as encoded in the ICR, LVT, redirection entry and MSI data. */
enum apic_delivery {
	APIC_DELIVER_FIXED = 0,
	APIC_DELIVER_LOWEST = 1,
	APIC_DELIVER_SMI = 2,
	APIC_DELIVER_NMI = 4,
	APIC_DELIVER_INIT = 5,
	APIC_DELIVER_SIPI = 6,
	APIC_DELIVER_EXTINT = 7,
};

/* ICR bits 19:18. */
enum apic_shorthand { APIC_TO_DEST, APIC_TO_SELF, APIC_TO_ALL, APIC_TO_OTHERS };

#define APIC_BROADCAST 0xffu
#define X2APIC_BROADCAST 0xffffffffu

struct apic_msg {
	u32 dest;
	u8 vector;
	enum apic_delivery mode;
	enum apic_shorthand shorthand;
	bool logical;
	bool level; /* level triggered */
	bool wide; /* dest is as x2APICs understand it: 0xff is one of them, not all */
	bool lowest_priority; /* one of the destinations (also MSI with redirection hint) */
};

/* A message as an MSI write encodes it (SDM vol. 3, 11.11). */
struct apic_msg apic_msg_from_msi(u32 address_lo, u32 data);
bool apic_msi_is_level(u32 data);

/*
 * Sends it: any context, any locks. sender is NULL for the I/O APIC and MSI. Returns the number of
 * APICs that took it, 0 when all of those had the vector pending already, -1 when nobody took it.
 */
int apic_msg_send(struct irqchip *irqchip, const struct apic_msg *msg, struct lapic *sender);

#endif
