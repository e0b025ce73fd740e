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

int irqchip_init(struct irqchip *irqchip, const struct irqchip_ops *ops, void *ctx,
		 const struct irqchip_config *config)
{
	struct irq_routing *routing;

	memset(irqchip, 0, sizeof(*irqchip));
	if (config)
		irqchip->config = *config;
	routing = irqchip->config.split ? irq_routing_create(irqchip, NULL, 0) :
					  irq_routing_create_default(irqchip);
	if (IS_ERR(routing))
		return PTR_ERR(routing);
	raw_spin_lock_init(&irqchip->lock);
	irqchip->ops = ops;
	irqchip->ctx = ctx;
	RCU_INIT_POINTER(irqchip->routing, routing);
	pic_init(irqchip);
	ioapic_init(irqchip);
	irqchip->pit.expires_ns = U64_MAX;
	return 0;
}

void irqchip_set_x2apic_api(struct irqchip *irqchip, u32 flags)
{
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(irqchip->wide_ids, true);
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(irqchip->no_broadcast_quirk, true);
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
	struct irq_routing *old, *routing = irq_routing_create(irqchip, entries, nr);
	unsigned long flags;

	if (IS_ERR(routing))
		return PTR_ERR(routing);
	old = rcu_dereference_protected(irqchip->routing, true);
	rcu_assign_pointer(irqchip->routing, routing);
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	irq_ack_pins_changed(irqchip);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
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

/* With KVM_X2APIC_API_USE_32BIT_IDS the upper half of the address has bits 31:8 of the destination. */
static int irqchip_send_msi(struct irqchip *irqchip, u32 address_lo, u32 address_hi, u32 data)
{
	struct apic_msg msg = apic_msg_from_msi(address_lo, data);

	if (READ_ONCE(irqchip->wide_ids))
		msg.dest |= address_hi & ~0xffu;
	msg.wide = READ_ONCE(irqchip->no_broadcast_quirk);
	return apic_msg_send(irqchip, &msg, NULL);
}

static int irqchip_set_route(struct irqchip *irqchip, const struct irq_route *route, int source_id,
			     bool level)
{
	if (route->kind != IRQ_ROUTE_MSI)
		return irqchip_set_pin(irqchip, route, source_id, level);
	/* A message is sent by the rise and knows no fall. */
	if (!level)
		return -1;
	return irqchip_send_msi(irqchip, route->msi.address_lo, route->msi.address_hi,
				route->msi.data);
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
	if (request->flags || (READ_ONCE(irqchip->wide_ids) && (request->address_hi & 0xff)))
		return -EINVAL;
	return irqchip_send_msi(irqchip, request->address_lo, request->address_hi, request->data);
}

/* Is it a level-triggered vector that a pin of userspace's I/O APIC sends? */
static bool eoi_is_for_user(struct irqchip *irqchip, u8 vector)
{
	const struct irq_routing *routing;
	bool found = false;
	unsigned int i;

	rcu_read_lock();
	routing = rcu_dereference(irqchip->routing);
	for (i = 0; i < routing->first[min(irqchip->config.user_pins, routing->nr_gsis)]; i++) {
		const struct irq_route *route = &routing->route[i];

		if (apic_msi_is_level(route->msi.data) && (u8)route->msi.data == vector)
			found = true;
	}
	rcu_read_unlock();
	return found;
}

void irqchip_eoi(struct irqchip *irqchip, unsigned int vcpu, u8 vector, bool level)
{
	unsigned long flags;
	u32 acked;

	if (irqchip->config.split) {
		if (level && eoi_is_for_user(irqchip, vector))
			irqchip->ops->eoi_to_user(irqchip->ctx, vcpu, vector);
		return;
	}
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	acked = ioapic_ended_pins(irqchip, vector, level) & irqchip->watch.ioapic;
	if (acked) {
		/* First, so that a line that is lowered now does not interrupt once more. */
		raw_spin_unlock_irqrestore(&irqchip->lock, flags);
		irq_ack_pins(irqchip, acked, 0);
		raw_spin_lock_irqsave(&irqchip->lock, flags);
	}
	if (level)
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
	u32 acked;

	if (!port_find(irqchip, port))
		return false;
	*val = 0;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	for (i = 0; i < min_t(unsigned int, size, sizeof(*val)); i++) {
		range = port_find(irqchip, port + i);
		*val |= (u32)(range ? range->read(irqchip, port + i) : 0xff) << (8 * i);
	}
	acked = pic_take_ended(irqchip); /* by a poll, in automatic EOI mode */
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	if (acked)
		irq_ack_pins(irqchip, 0, acked);
	return true;
}

bool irqchip_pio_write(struct irqchip *irqchip, u16 port, u8 size, u32 val)
{
	const struct port_range *range;
	unsigned long flags;
	unsigned int i;
	u32 acked;

	if (!port_find(irqchip, port))
		return false;
	raw_spin_lock_irqsave(&irqchip->lock, flags);
	for (i = 0; i < min_t(unsigned int, size, sizeof(val)); i++) {
		range = port_find(irqchip, port + i);
		if (range)
			range->write(irqchip, port + i, val >> (8 * i));
	}
	acked = pic_take_ended(irqchip);
	raw_spin_unlock_irqrestore(&irqchip->lock, flags);
	if (acked)
		irq_ack_pins(irqchip, 0, acked);
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
