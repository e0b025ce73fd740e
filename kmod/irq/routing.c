// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "irq/ioapic.h"
#include "irq/irqchip.h"
#include "irq/pic.h"
#include "irq/routing.h"

static int routing_irqchip_entry(const struct kvm_irq_routing_irqchip *from,
				 struct irq_route *route)
{
	unsigned int pins = PIC_PINS / 2, first = 0;

	route->kind = IRQ_ROUTE_PIC;
	switch (from->irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
		break;
	case KVM_IRQCHIP_PIC_SLAVE:
		first = PIC_PINS / 2;
		break;
	case KVM_IRQCHIP_IOAPIC:
		route->kind = IRQ_ROUTE_IOAPIC;
		pins = IOAPIC_PINS;
		break;
	default:
		return -EINVAL;
	}
	if (from->pin >= pins)
		return -EINVAL;
	route->pin = first + from->pin;
	return 0;
}

static int routing_msi_entry(const struct irqchip *irqchip, const struct kvm_irq_routing_msi *from,
			     struct irq_route *route)
{
	if (READ_ONCE(irqchip->wide_ids) && (from->address_hi & 0xff))
		return -EINVAL;
	route->kind = IRQ_ROUTE_MSI;
	route->msi.address_lo = from->address_lo;
	route->msi.address_hi = from->address_hi;
	route->msi.data = from->data;
	return 0;
}

static int routing_entry(const struct irqchip *irqchip, const struct kvm_irq_routing_entry *entry,
			 struct irq_route *route)
{
	/* Device IDs (KVM_CAP_MSI_DEVID) mean nothing on x86. */
	if (entry->flags)
		return -EINVAL;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (irqchip->config.split)
			return -EINVAL;
		return routing_irqchip_entry(&entry->u.irqchip, route);
	case KVM_IRQ_ROUTING_MSI:
		return routing_msi_entry(irqchip, &entry->u.msi, route);
	}
	return -EINVAL;
}

/* Chip of a route, for the rule below: master and slave are two. */
static unsigned int route_chip(const struct irq_route *route)
{
	return route->kind == IRQ_ROUTE_PIC ? route->pin / 8 : KVM_IRQCHIP_IOAPIC;
}

/* As KVM: a GSI is one message, or at most one pin of each chip. */
static bool routes_collide(const struct irq_route *a, const struct irq_route *b)
{
	if (a->kind == IRQ_ROUTE_MSI || b->kind == IRQ_ROUTE_MSI)
		return true;
	return route_chip(a) == route_chip(b);
}

static struct irq_routing *routing_alloc(u32 nr_gsis, u32 nr)
{
	struct irq_routing *routing;
	size_t head;

	head = ALIGN(struct_size(routing, first, nr_gsis + 1), sizeof(u64));
	routing = kvzalloc(head + array_size(nr, sizeof(*routing->route)), GFP_KERNEL_ACCOUNT);
	if (!routing)
		return NULL;
	routing->nr_gsis = nr_gsis;
	routing->route = (void *)routing + head;
	return routing;
}

/*
 * Counting sort by GSI: counts, then their running sum, which is the end of each GSI's routes;
 * filling from behind leaves the beginning.
 */
static int routing_fill(const struct irqchip *irqchip, struct irq_routing *routing,
			const struct kvm_irq_routing_entry *entries, u32 nr)
{
	u32 i;
	int err;

	for (i = 0; i < nr; i++)
		routing->first[entries[i].gsi]++;
	for (i = 1; i <= routing->nr_gsis; i++)
		routing->first[i] += routing->first[i - 1];
	for (i = nr; i--;) {
		err = routing_entry(irqchip, &entries[i],
				    &routing->route[--routing->first[entries[i].gsi]]);
		if (err)
			return err;
	}
	return 0;
}

static int routing_check(const struct irq_routing *routing)
{
	u32 gsi, i, j;

	for (gsi = 0; gsi < routing->nr_gsis; gsi++) {
		/* Three chips: a fourth route collides with one of the others for sure. */
		if (routing->first[gsi + 1] - routing->first[gsi] > 3)
			return -EINVAL;
		for (i = routing->first[gsi]; i < routing->first[gsi + 1]; i++)
			for (j = i + 1; j < routing->first[gsi + 1]; j++)
				if (routes_collide(&routing->route[i], &routing->route[j]))
					return -EINVAL;
	}
	return 0;
}

struct irq_routing *irq_routing_create(const struct irqchip *irqchip,
				       const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct irq_routing *routing;
	u32 i, nr_gsis = 0;
	int err;

	if (nr > IRQ_ROUTING_MAX)
		return ERR_PTR(-EINVAL);
	for (i = 0; i < nr; i++) {
		if (entries[i].gsi >= IRQ_ROUTING_MAX)
			return ERR_PTR(-EINVAL);
		nr_gsis = max(nr_gsis, entries[i].gsi + 1);
	}

	routing = routing_alloc(nr_gsis, nr);
	if (!routing)
		return ERR_PTR(-ENOMEM);
	err = routing_fill(irqchip, routing, entries, nr);
	if (!err)
		err = routing_check(routing);
	if (err) {
		kvfree(routing);
		return ERR_PTR(err);
	}
	return routing;
}

static struct kvm_irq_routing_entry pin_entry(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

struct irq_routing *irq_routing_create_default(const struct irqchip *irqchip)
{
	struct kvm_irq_routing_entry *entries;
	struct irq_routing *routing;
	u32 gsi, nr = 0;

	entries = kcalloc(PIC_PINS + IOAPIC_PINS, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return ERR_PTR(-ENOMEM);
	for (gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		entries[nr++] = pin_entry(gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < PIC_PINS)
			entries[nr++] = pin_entry(
				gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				gsi % 8);
	}
	routing = irq_routing_create(irqchip, entries, nr);
	kfree(entries);
	return routing;
}
