// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "irq/ack.h"
#include "irq/irqchip.h"

static void watch_route(struct irq_watch *watch, const struct irq_route *route, u32 gsi)
{
	switch (route->kind) {
	case IRQ_ROUTE_IOAPIC:
		watch->ioapic |= BIT(route->pin);
		WRITE_ONCE(watch->ioapic_gsi[route->pin], gsi);
		break;
	case IRQ_ROUTE_PIC:
		watch->pic |= BIT(route->pin);
		WRITE_ONCE(watch->pic_gsi[route->pin], gsi);
		break;
	case IRQ_ROUTE_MSI: /* nobody sees its end */
		break;
	}
}

static void watch_gsi(struct irq_watch *watch, const struct irq_routing *routing, u32 gsi)
{
	unsigned int i;

	if (gsi >= routing->nr_gsis)
		return;
	for (i = routing->first[gsi]; i < routing->first[gsi + 1]; i++)
		watch_route(watch, &routing->route[i], gsi);
}

void irq_ack_vectors_changed(struct irqchip *irqchip)
{
	struct irq_watch *watch = &irqchip->watch;
	unsigned int pin;

	memset(watch->vectors, 0, sizeof(watch->vectors));
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (watch->ioapic & BIT(pin))
			set_bit(ioapic_vector(irqchip, pin), watch->vectors);
}

void irq_ack_pins_changed(struct irqchip *irqchip)
{
	struct irq_watch *watch = &irqchip->watch;
	const struct irq_routing *routing;
	unsigned int word;

	watch->ioapic = 0;
	watch->pic = 0;
	rcu_read_lock();
	routing = rcu_dereference(irqchip->routing);
	if (irqchip->pit.reinject)
		watch_gsi(watch, routing, PIT_GSI);
	for (word = 0; word < ARRAY_SIZE(watch->gsis); word++) {
		unsigned long gsis = watch->gsis[word];

		for (; gsis; gsis &= gsis - 1)
			watch_gsi(watch, routing, word * BITS_PER_LONG + __ffs(gsis));
	}
	rcu_read_unlock();
	irq_ack_vectors_changed(irqchip);
}

void irqchip_watch(struct irqchip *irqchip, u32 gsi, bool on)
{
	unsigned long flags;

	/* It has no route and never will. */
	if (gsi >= IRQ_ROUTING_MAX)
		return;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	if (on)
		set_bit(gsi, irqchip->watch.gsis);
	else
		clear_bit(gsi, irqchip->watch.gsis);
	irq_ack_pins_changed(irqchip);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
}

static void ack_gsi(struct irqchip *irqchip, u32 gsi)
{
	if (gsi == PIT_GSI)
		pit_acked(irqchip);
	if (test_bit(gsi, irqchip->watch.gsis) && irqchip->ops->acked)
		irqchip->ops->acked(irqchip->ctx, gsi);
}

void irq_ack_pins(struct irqchip *irqchip, u32 ioapic_pins, u32 pic_pins)
{
	for (; ioapic_pins; ioapic_pins &= ioapic_pins - 1)
		ack_gsi(irqchip, READ_ONCE(irqchip->watch.ioapic_gsi[__ffs(ioapic_pins)]));
	for (; pic_pins; pic_pins &= pic_pins - 1)
		ack_gsi(irqchip, READ_ONCE(irqchip->watch.pic_gsi[__ffs(pic_pins)]));
}
