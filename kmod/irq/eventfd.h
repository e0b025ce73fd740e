/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eventfds on both sides of a VM: written to, they raise its interrupts (KVM_IRQFD); written to by its guest, they
 * tell others (KVM_IOEVENTFD).
 */
#ifndef VMM_IRQ_EVENTFD_H
#define VMM_IRQ_EVENTFD_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct iobus;
struct irqchip;

struct irqfds {
	struct mutex lock; /* assigning, and freeing what is dying */
	/* live and dying. Taken inside an eventfd's own lock, with interrupts off. */
	spinlock_t list_lock;
	struct list_head live;
	struct list_head dying; /* on their way out: freed by reap, or by whoever comes first */
	struct list_head resampling; /* written under lock, read under RCU */
	struct work_struct reap;
	atomic64_t injections;
};

struct ioeventfds {
	struct mutex lock;
	struct list_head list; /* lock */
	atomic64_t signals;
};

void irqfd_init(struct irqfds *irqfds);
/* KVM_IRQFD. Process context. */
int irqfd_request(struct irqfds *irqfds, struct irqchip *irqchip, const struct kvm_irqfd *args);
/* The VM's fd is gone: nothing is injected any more when this returns. */
void irqfd_release(struct irqfds *irqfds);
/* An interrupt on this GSI was ended: lower what resampling irqfds hold high, and tell them. Any context, no locks. */
void irqfd_acked(struct irqfds *irqfds, struct irqchip *irqchip, u32 gsi);

void ioeventfd_init(struct ioeventfds *ioeventfds);
/* KVM_IOEVENTFD. bus is the one that args->flags name. Process context. */
int ioeventfd_request(struct ioeventfds *ioeventfds, struct iobus *bus,
		      const struct kvm_ioeventfd *args);
/* The buses ask no more. */
void ioeventfd_destroy(struct ioeventfds *ioeventfds);

#endif
