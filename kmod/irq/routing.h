/* SPDX-License-Identifier: GPL-2.0-only */
/* GSI routing: which pins of which chips, or which message, a GSI means. */
#ifndef VMM_IRQ_ROUTING_H
#define VMM_IRQ_ROUTING_H

#include <linux/kvm.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

/* KVM_CAP_IRQ_ROUTING: number of entries and of GSIs. */
#define IRQ_ROUTING_MAX 4096u

enum irq_route_kind { IRQ_ROUTE_PIC, IRQ_ROUTE_IOAPIC, IRQ_ROUTE_MSI };

struct irq_route {
	enum irq_route_kind kind;
	union {
		unsigned int pin;
		struct {
			u32 address_lo, address_hi, data;
		} msi;
	};
};

/* Immutable once published. The routes of GSI g are route[first[g]] to route[first[g + 1] - 1]. */
struct irq_routing {
	struct rcu_head rcu;
	u32 nr_gsis;
	struct irq_route *route;
	u16 first[];
};

struct irqchip;

/* What entries may say depends on the irqchip's config and APIC IDs. */
struct irq_routing *irq_routing_create(const struct irqchip *irqchip,
				       const struct kvm_irq_routing_entry *entries, u32 nr);
struct irq_routing *irq_routing_create_default(const struct irqchip *irqchip);

#endif
