// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/minmax.h>

#include "irq/apic_msg.h"
#include "irq/irqchip.h"
#include "irq/lapic.h"

/* SDM vol. 3, 11.11.1 and 11.11.2. */
#define MSI_ADDRESS_DEST_SHIFT 12
#define MSI_ADDRESS_REDIRECTION BIT(3)
#define MSI_ADDRESS_LOGICAL BIT(2)
#define MSI_DATA_LEVEL BIT(15)
#define MSI_DATA_MODE_SHIFT 8

struct apic_msg apic_msg_from_msi(u32 address_lo, u32 data)
{
	struct apic_msg msg = {
		.dest = (address_lo >> MSI_ADDRESS_DEST_SHIFT) & 0xff,
		.vector = data & 0xff,
		.mode = (data >> MSI_DATA_MODE_SHIFT) & 7,
		.logical = address_lo & MSI_ADDRESS_LOGICAL,
		.level = data & MSI_DATA_LEVEL,
	};

	msg.lowest_priority =
		msg.mode == APIC_DELIVER_LOWEST ||
		(msg.mode == APIC_DELIVER_FIXED && (address_lo & MSI_ADDRESS_REDIRECTION));
	return msg;
}

bool apic_msi_is_level(u32 data)
{
	return data & MSI_DATA_LEVEL;
}

/* To an x2APIC 0xff is an ID; but messages from outside may mean all with it (KVM_CAP_X2APIC_API's quirk). */
static bool is_broadcast(const struct lapic *lapic, const struct apic_msg *msg)
{
	if (msg->dest == X2APIC_BROADCAST)
		return true;
	return msg->dest == APIC_BROADCAST && !(msg->wide && lapic_x2apic_mode(lapic));
}

bool lapic_matches(const struct lapic *lapic, const struct apic_msg *msg)
{
	u32 ldr, dest = msg->dest;

	if (is_broadcast(lapic, msg))
		return true;
	if (!msg->logical) {
		u32 id = lapic_read_reg(lapic, LAPIC_ID);

		return dest == (lapic_x2apic_mode(lapic) ? lapic->id : id >> 24);
	}

	ldr = lapic_read_reg(lapic, LAPIC_LDR);
	/* Cluster in 31:16, a bit per member below (SDM vol. 3, 11.12.10.2). */
	if (lapic_x2apic_mode(lapic))
		return (ldr >> 16) == (dest >> 16) && (ldr & dest & 0xffff);
	if (dest > 0xff)
		return false;
	ldr >>= 24;
	/* Flat and cluster model (SDM vol. 3, 11.6.2.2): DFR bits 31:28 all ones are flat. */
	if (lapic_read_reg(lapic, LAPIC_DFR) >> 28 == 0xf)
		return ldr & dest;
	return (ldr >> 4) == (dest >> 4) && (ldr & dest & 0xf);
}

/* One APIC by its physical ID, when slots are IDs: the common message. NULL: look through all. */
static struct lapic *find_physical(struct irqchip *irqchip, const struct apic_msg *msg)
{
	struct lapic *lapic;

	if (msg->logical || msg->shorthand != APIC_TO_DEST || msg->dest >= IRQCHIP_MAX_VCPUS ||
	    READ_ONCE(irqchip->foreign_ids))
		return NULL;
	lapic = READ_ONCE(irqchip->lapic[msg->dest]);
	return lapic && lapic->id == msg->dest ? lapic : NULL;
}

static bool is_destination(const struct lapic *lapic, const struct apic_msg *msg,
			   const struct lapic *sender)
{
	if (!lapic || !lapic_enabled(lapic))
		return false;
	switch (msg->shorthand) {
	case APIC_TO_DEST:
		return lapic_matches(lapic, msg);
	case APIC_TO_SELF:
		return lapic == sender;
	case APIC_TO_ALL:
		return true;
	case APIC_TO_OTHERS:
		return lapic != sender;
	}
	return false;
}

/* Lowest-priority arbitration by task priority (SDM vol. 3, 11.6.2.4); equals take turns. */
static bool has_lower_priority(const struct lapic *a, const struct lapic *b)
{
	u32 tpr_a = lapic_read_reg(a, LAPIC_TPR) >> 4;
	u32 tpr_b = lapic_read_reg(b, LAPIC_TPR) >> 4;

	if (tpr_a != tpr_b)
		return tpr_a < tpr_b;
	return (s32)(atomic_read(&a->arbitration) - (u32)atomic_read(&b->arbitration)) < 0;
}

static int accept_lowest(struct lapic *lapic, const struct apic_msg *msg)
{
	atomic_inc(&lapic->arbitration);
	return lapic_accept(lapic, msg);
}

int apic_msg_send(struct irqchip *irqchip, const struct apic_msg *msg, struct lapic *sender)
{
	struct lapic *lapic = find_physical(irqchip, msg), *lowest = NULL;
	unsigned int i, nr = smp_load_acquire(&irqchip->nr_lapic);
	int taken, total = -1;

	if (lapic)
		return is_destination(lapic, msg, sender) ? lapic_accept(lapic, msg) : -1;

	for (i = 0; i < nr; i++) {
		lapic = READ_ONCE(irqchip->lapic[i]);
		if (!is_destination(lapic, msg, sender))
			continue;
		if (msg->lowest_priority) {
			if (lapic_software_enabled(lapic) &&
			    (!lowest || has_lower_priority(lapic, lowest)))
				lowest = lapic;
			continue;
		}
		taken = lapic_accept(lapic, msg);
		if (taken >= 0)
			total = max(total, 0) + taken;
	}
	return lowest ? accept_lowest(lowest, msg) : total;
}
