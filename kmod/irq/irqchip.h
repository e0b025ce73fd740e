/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers of one VM: PIC, I/O APIC, PIT, the GSI routing and the table of local
 * APICs. Knows nothing of struct vm and struct vcpu: time, timers and kicks come through struct
 * irqchip_ops.
 */
#ifndef VMM_IRQ_IRQCHIP_H
#define VMM_IRQ_IRQCHIP_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "irq/ack.h"
#include "irq/ioapic.h"
#include "irq/pic.h"
#include "irq/pit.h"
#include "irq/routing.h"

#define IRQCHIP_MAX_VCPUS 64

/* Who holds a line. Sources of one line are ORed. */
#define IRQ_SOURCE_USERSPACE 0 /* KVM_IRQ_LINE */
#define IRQ_SOURCE_IRQFD 1
#define IRQ_SOURCE_PIT 2
#define IRQ_SOURCES 8

struct lapic;

/*
 * All of these may be called from any context, with interrupts off, with irqchip.lock or a LAPIC's
 * timer lock held. They are leaves: they never call back into irq/, and they never wait for a timer
 * function to finish (hrtimer_start() and hrtimer_try_to_cancel(), not hrtimer_cancel()).
 *
 * vcpu is the slot that was given to lapic_create().
 */
struct irqchip_ops {
	u64 (*now_ns)(void *ctx); /* host monotonic clock */
	u64 (*guest_tsc)(void *ctx, unsigned int vcpu); /* guest TSC now */
	u64 (*tsc_to_ns)(void *ctx, unsigned int vcpu, u64 tsc_delta);
	/*
	 * Absolute time of now_ns(); U64_MAX cancels. A stale expiry that slips through does no
	 * harm.
	 */
	void (*lapic_timer_arm)(void *ctx, unsigned int vcpu, u64 expires_ns);
	void (*pit_timer_arm)(void *ctx, u64 expires_ns);
	/* Something became pending: look at the LAPIC (and the PIC) again before the next entry. */
	void (*kick)(void *ctx, unsigned int vcpu);
	/*
	 * The guest ended an interrupt on a GSI that irqchip_watch() asked for. Not one of the above:
	 * called without locks, in any context, and may call irqchip_set_irq(). May be NULL.
	 */
	void (*acked)(void *ctx, u32 gsi);
	/*
	 * Split irqchip: this EOI, by the vCPU's owner, is for userspace's I/O APIC. May be NULL
	 * without one.
	 */
	void (*eoi_to_user)(void *ctx, unsigned int vcpu, u8 vector);
};

/* What may be chosen of an irqchip when it is made. */
struct irqchip_config {
	bool split; /* local APICs only: PIC, I/O APIC and PIT are userspace's */
	u32 user_pins; /* split: GSIs below are the pins of userspace's I/O APIC */
};

struct irqchip {
	/*
	 * Protects pic, ioapic and pit. Always irqsave: the PIT's timer and irqfd take it in
	 * hard-IRQ context. No other lock is taken under it; local APICs are reached by atomic
	 * operations.
	 */
	raw_spinlock_t lock;
	struct pic pic;
	struct ioapic ioapic;
	struct pit pit;
	struct irq_routing __rcu
		*routing; /* RCU; replaced by irqchip_set_routing(), serialized by its caller */
	/*
	 * Written once per slot by lapic_publish() (release), read with READ_ONCE; kept until
	 * destruction.
	 */
	struct lapic *lapic[IRQCHIP_MAX_VCPUS];
	unsigned int nr_lapic; /* slots below this may be taken; grows only, release/acquire */
	bool foreign_ids; /* an xAPIC ID may be shared or moved: look through all; set only */
	bool wide_ids; /* MSI addresses and saved states have 32-bit APIC IDs; set only */
	bool no_broadcast_quirk; /* 0xff from outside is an ID to x2APICs, not all of them; set only */
	struct irq_watch watch; /* ack.h; under lock */
	struct irqchip_config config; /* constant */
	const struct irqchip_ops *ops;
	void *ctx;
};

/*
 * Once, before the first vCPU. The default routing is KVM's: GSI n is pin n of the PIC pair and the
 * I/O APIC, and none at all for a split irqchip. config may be NULL.
 */
int irqchip_init(struct irqchip *irqchip, const struct irqchip_ops *ops, void *ctx,
		 const struct irqchip_config *config);
/*
 * No vCPU runs, no timer of ours is armed and no ioctl is under way any more. LAPICs go by
 * lapic_destroy().
 */
void irqchip_destroy(struct irqchip *irqchip);

/*
 * KVM_IRQ_LINE(_STATUS), irqfd. Any context. Returns the number of destinations that took it, 0
 * when it was merged with one still pending, -1 when nobody took it (masked, no route): userspace
 * sees the number.
 */
int irqchip_set_irq(struct irqchip *irqchip, u32 gsi, int source_id, bool level);

/* KVM_CAP_X2APIC_API; flags only add up. */
void irqchip_set_x2apic_api(struct irqchip *irqchip, u32 flags);

/* Call ops->acked() for this GSI from now on, or no more. Calls for one GSI are serialized by the caller. */
void irqchip_watch(struct irqchip *irqchip, u32 gsi, bool on);

/* KVM_SIGNAL_MSI. Any context. Same return value; -EINVAL for flags that x86 does not have. */
int irqchip_signal_msi(struct irqchip *irqchip, const struct kvm_msi *msi);

/*
 * KVM_SET_GSI_ROUTING. Process context, calls serialized by the caller. -EINVAL and the old table
 * stays when an entry is wrong; nr at most IRQ_ROUTING_MAX (routing.h), GSIs below it.
 */
int irqchip_set_routing(struct irqchip *irqchip, const struct kvm_irq_routing_entry *entries,
			u32 nr);

/*
 * KVM_GET_IRQCHIP, KVM_SET_IRQCHIP: chip->chip_id chooses. -EINVAL for another chip or state no
 * chip can be in.
 */
int irqchip_get_chip(struct irqchip *irqchip, struct kvm_irqchip *chip);
int irqchip_set_chip(struct irqchip *irqchip, const struct kvm_irqchip *chip);

/*
 * Guest accesses; true when the port or address is one of ours (else it goes to userspace). Ports
 * 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, and with a PIT 0x40-0x43 and 0x61 (KVM_PIT_SPEAKER_DUMMY).
 * They are byte-wide: a wider access is one access to each consecutive port, as the ISA bus splits
 * it.
 */
bool irqchip_pio_read(struct irqchip *irqchip, u16 port, u8 size, u32 *val);
bool irqchip_pio_write(struct irqchip *irqchip, u16 port, u8 size, u32 val);
/* I/O APIC. size 1-8; data has size bytes. */
bool irqchip_mmio_read(struct irqchip *irqchip, u64 gpa, u8 size, void *data);
bool irqchip_mmio_write(struct irqchip *irqchip, u64 gpa, u8 size, const void *data);

/* -- other parts of irq/ -- */
/* EOI of a level-triggered or watched vector, from a local APIC. */
void irqchip_eoi(struct irqchip *irqchip, unsigned int vcpu, u8 vector, bool level);
/* The PIC's output rose: kick the vCPUs that take ExtINT. */
void irqchip_kick_extint(struct irqchip *irqchip);

static inline u64 irqchip_now(const struct irqchip *irqchip)
{
	return irqchip->ops->now_ns(irqchip->ctx);
}

#endif
