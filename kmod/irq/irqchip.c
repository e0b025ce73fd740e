// SPDX-License-Identifier: GPL-2.0-only
/* The chips of a VM as one thing: GSIs, messages, ports and addresses, saved state. */
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "irq/apic_msg.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"

int irqchip_init(struct irqchip *irqchip, const struct irqchip_ops *ops, void *ctx)
{
	struct irq_routing *routing = irq_routing_create_default();

	if (IS_ERR(routing))
		return PTR_ERR(routing);
	memset(irqchip, 0, sizeof(*irqchip));
	raw_spin_lock_init(&irqchip->lock);
	irqchip->ops = ops;
	irqchip->ctx = ctx;
	RCU_INIT_POINTER(irqchip->routing, routing);
	pic_init(irqchip);
	ioapic_init(irqchip);
	irqchip->pit.expires_ns = U64_MAX;
	return 0;
}

void irqchip_destroy(struct irqchip *irqchip)
{
	/* No reader is left, so no grace period is due. */
	kvfree(rcu_dereference_protected(irqchip->routing, true));
	RCU_INIT_POINTER(irqchip->routing, NULL);
}

int irqchip_set_routing(struct irqchip *irqchip, const struct kvm_irq_routing_entry *entries,
			u32 nr)
{
	struct irq_routing *old, *routing = irq_routing_create(entries, nr);

	if (IS_ERR(routing))
		return PTR_ERR(routing);
	old = rcu_dereference_protected(irqchip->routing, true);
	rcu_assign_pointer(irqchip->routing, routing);
	kvfree_rcu(old, rcu);
	return 0;
}

/* A pin of a chip, under the lock. */
static int irqchip_set_pin(struct irqchip *irqchip, const struct irq_route *route, int source_id,
			   bool level)
{
	unsigned long flags;
	int sent;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	if (route->kind == IRQ_ROUTE_PIC)
		sent = pic_set_irq(irqchip, route->pin, source_id, level);
	else
		sent = ioapic_set_irq(irqchip, route->pin, source_id, level);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return sent;
}

static int irqchip_set_route(struct irqchip *irqchip, const struct irq_route *route, int source_id,
			     bool level)
{
	struct apic_msg msg;

	if (route->kind != IRQ_ROUTE_MSI)
		return irqchip_set_pin(irqchip, route, source_id, level);
	/* A message is sent by the rise and knows no fall. */
	if (!level)
		return -1;
	msg = apic_msg_from_msi(route->msi.address_lo, route->msi.data);
	return apic_msg_send(irqchip, &msg, NULL);
}

int irqchip_set_irq(struct irqchip *irqchip, u32 gsi, int source_id, bool level)
{
	const struct irq_routing *routing;
	int sent, total = -1;
	unsigned int i;

	if (source_id < 0 || source_id >= IRQ_SOURCES)
		return -1;
	rcu_read_lock();
	routing = rcu_dereference(irqchip->routing);
	if (gsi < routing->nr_gsis) {
		for (i = routing->first[gsi]; i < routing->first[gsi + 1]; i++) {
			sent = irqchip_set_route(irqchip, &routing->route[i], source_id, level);
			if (sent >= 0)
				total = max(total, 0) + sent;
		}
	}
	rcu_read_unlock();
	return total;
}

int irqchip_signal_msi(struct irqchip *irqchip, const struct kvm_msi *request)
{
	struct apic_msg msg;

	if (request->flags)
		return -EINVAL;
	msg = apic_msg_from_msi(request->address_lo, request->data);
	return apic_msg_send(irqchip, &msg, NULL);
}

void irqchip_eoi(struct irqchip *irqchip, u8 vector)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	ioapic_eoi(irqchip, vector);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
}

void irqchip_kick_extint(struct irqchip *irqchip)
{
	unsigned int i, nr = smp_load_acquire(&irqchip->nr_lapic);

	for (i = 0; i < nr; i++) {
		struct lapic *lapic = READ_ONCE(irqchip->lapic[i]);

		if (lapic && lapic_accepts_extint(lapic))
			irqchip->ops->kick(irqchip->ctx, i);
	}
}

int irqchip_get_chip(struct irqchip *irqchip, struct kvm_irqchip *chip)
{
	unsigned long flags;
	int err = 0;

	memset(&chip->chip, 0, sizeof(chip->chip));
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_get_state(irqchip, chip->chip_id, &chip->chip.pic);
		break;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get_state(irqchip, &chip->chip.ioapic);
		break;
	default:
		err = -EINVAL;
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return err;
}

int irqchip_set_chip(struct irqchip *irqchip, const struct kvm_irqchip *chip)
{
	unsigned long flags;
	int err = -EINVAL;

	raw_spin_lock_irqsave(&irqchip->lock, flags);
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		err = pic_set_state(irqchip, chip->chip_id, &chip->chip.pic);
		break;
	case KVM_IRQCHIP_IOAPIC:
		err = ioapic_set_state(irqchip, &chip->chip.ioapic);
		break;
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return err;
}

/* The byte-wide devices on the port bus. */
static const struct port_range {
	u16 first, last;
	bool (*present)(const struct irqchip *irqchip, u16 port);
	u8 (*read)(struct irqchip *irqchip, u16 port);
	void (*write)(struct irqchip *irqchip, u16 port, u8 val);
} port_ranges[] = {
	{ 0x20, 0x21, NULL, pic_port_read, pic_port_write },
	{ 0x40, 0x43, pit_claims, pit_port_read, pit_port_write },
	{ 0x61, 0x61, pit_claims, pit_port_read, pit_port_write },
	{ 0xa0, 0xa1, NULL, pic_port_read, pic_port_write },
	{ 0x4d0, 0x4d1, NULL, pic_port_read, pic_port_write },
};

static const struct port_range *port_find(const struct irqchip *irqchip, u16 port)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(port_ranges); i++) {
		const struct port_range *range = &port_ranges[i];

		if (port >= range->first && port <= range->last)
			return !range->present || range->present(irqchip, port) ? range : NULL;
	}
	return NULL;
}

bool irqchip_pio_read(struct irqchip *irqchip, u16 port, u8 size, u32 *val)
{
	const struct port_range *range;
	unsigned long flags;
	unsigned int i;

	if (!port_find(irqchip, port))
		return false;
	*val = 0;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	for (i = 0; i < min_t(unsigned int, size, sizeof(*val)); i++) {
		range = port_find(irqchip, port + i);
		*val |= (u32)(range ? range->read(irqchip, port + i) : 0xff) << (8 * i);
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return true;
}

bool irqchip_pio_write(struct irqchip *irqchip, u16 port, u8 size, u32 val)
{
	const struct port_range *range;
	unsigned long flags;
	unsigned int i;

	if (!port_find(irqchip, port))
		return false;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	for (i = 0; i < min_t(unsigned int, size, sizeof(val)); i++) {
		range = port_find(irqchip, port + i);
		if (range)
			range->write(irqchip, port + i, val >> (8 * i));
	}
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return true;
}

static bool ioapic_claims(const struct irqchip *irqchip, u64 gpa)
{
	return gpa - READ_ONCE(irqchip->ioapic.base) < IOAPIC_MMIO_SIZE;
}

/* The two registers are the low bytes of their 16-byte slots; the rest of the page reads zero. */
bool irqchip_mmio_read(struct irqchip *irqchip, u64 gpa, u8 size, void *data)
{
	unsigned long flags;
	u8 bytes[sizeof(u64)] = {};
	u32 val, offset = gpa & 3;

	if (!ioapic_claims(irqchip, gpa))
		return false;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	val = ioapic_mmio_read(irqchip, (gpa & (IOAPIC_MMIO_SIZE - 1)) - offset);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	memcpy(bytes, (u8 *)&val + offset, sizeof(val) - offset);
	memcpy(data, bytes, min_t(unsigned int, size, sizeof(bytes)));
	return true;
}

bool irqchip_mmio_write(struct irqchip *irqchip, u64 gpa, u8 size, const void *data)
{
	unsigned long flags;
	u32 val = 0;

	if (!ioapic_claims(irqchip, gpa))
		return false;
	memcpy(&val, data, min_t(unsigned int, size, sizeof(val)));
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	ioapic_mmio_write(irqchip, gpa & (IOAPIC_MMIO_SIZE - 1), size, val);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	return true;
}
