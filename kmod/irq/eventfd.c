// SPDX-License-Identifier: GPL-2.0-only
/* See eventfd.h, and Documentation/virt/kvm/api.rst, 4.59 (KVM_IOEVENTFD) and 4.75 (KVM_IRQFD). */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "compat.h"
#include "iobus.h"
#include "irq/eventfd.h"
#include "irq/irqchip.h"

/* -- irqfd -- */

struct irqfd {
	struct list_head link; /* irqfds->live or ->dying; list_lock */
	struct list_head resample_link; /* irqfds->resampling; irqfds->lock, readers RCU */
	bool live; /* list_lock */
	struct irqfds *irqfds;
	struct irqchip *irqchip;
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd; /* NULL: edge triggered */
	wait_queue_entry_t wait;
	poll_table poll;
};

/* An edge, or a level that lasts until the guest has ended its interrupt. Any context. */
static void irqfd_inject(const struct irqfd *irqfd)
{
	atomic64_inc(&irqfd->irqfds->injections);
	if (irqfd->resamplefd) {
		irqchip_set_irq(irqfd->irqchip, irqfd->gsi, IRQ_SOURCE_IRQFD, true);
		return;
	}
	irqchip_set_irq(irqfd->irqchip, irqfd->gsi, IRQ_SOURCE_USERSPACE, true);
	irqchip_set_irq(irqfd->irqchip, irqfd->gsi, IRQ_SOURCE_USERSPACE, false);
}

/* list_lock */
static void irqfd_kill(struct irqfd *irqfd)
{
	if (!irqfd->live)
		return;
	irqfd->live = false;
	list_move(&irqfd->link, &irqfd->irqfds->dying);
}

/* The last file of the eventfd is being closed: nobody can name it any more. */
static void irqfd_hang_up(struct irqfd *irqfd)
{
	struct irqfds *irqfds = irqfd->irqfds;
	unsigned long flags;

	spin_lock_irqsave(&irqfds->list_lock, flags);
	irqfd_kill(irqfd);
	spin_unlock_irqrestore(&irqfds->list_lock, flags);
	schedule_work(&irqfds->reap);
}

/* The eventfd was written to, or goes away: its own lock held, interrupts off. */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_inject(irqfd);
		taken = 1;
	}
	if (events & EPOLLHUP)
		irqfd_hang_up(irqfd);
	return taken;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	/* Before any reader: what raises an interrupt is not for them. */
	add_wait_queue_priority(head, &irqfd->wait);
}

/* irqfds->lock */
static bool irqfd_gsi_resamples(const struct irqfds *irqfds, u32 gsi)
{
	const struct irqfd *irqfd;

	list_for_each_entry(irqfd, &irqfds->resampling, resample_link)
		if (irqfd->gsi == gsi)
			return true;
	return false;
}

static void irqfd_start_resampling(struct irqfds *irqfds, struct irqfd *irqfd)
{
	if (!irqfd_gsi_resamples(irqfds, irqfd->gsi))
		irqchip_watch(irqfd->irqchip, irqfd->gsi, true);
	list_add_rcu(&irqfd->resample_link, &irqfds->resampling);
}

static void irqfd_stop_resampling(struct irqfds *irqfds, struct irqfd *irqfd)
{
	list_del_rcu(&irqfd->resample_link);
	synchronize_rcu();
	if (irqfd_gsi_resamples(irqfds, irqfd->gsi))
		return;
	irqchip_watch(irqfd->irqchip, irqfd->gsi, false);
	/* Nobody is left who would lower it. */
	irqchip_set_irq(irqfd->irqchip, irqfd->gsi, IRQ_SOURCE_IRQFD, false);
}

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static struct irqfd *irqfd_next_dying(struct irqfds *irqfds)
{
	struct irqfd *irqfd;

	spin_lock_irq(&irqfds->list_lock);
	irqfd = list_first_entry_or_null(&irqfds->dying, struct irqfd, link);
	if (irqfd)
		list_del(&irqfd->link);
	spin_unlock_irq(&irqfds->list_lock);
	return irqfd;
}

/* irqfds->lock. On return nothing that was dying can raise an interrupt. */
static void irqfd_reap(struct irqfds *irqfds)
{
	struct irqfd *irqfd;
	u64 count;

	while ((irqfd = irqfd_next_dying(irqfds))) {
		eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
		if (irqfd->resamplefd)
			irqfd_stop_resampling(irqfds, irqfd);
		irqfd_free(irqfd);
	}
}

static void irqfd_reap_work(struct work_struct *work)
{
	struct irqfds *irqfds = container_of(work, struct irqfds, reap);

	mutex_lock(&irqfds->lock);
	irqfd_reap(irqfds);
	mutex_unlock(&irqfds->lock);
}

void irqfd_init(struct irqfds *irqfds)
{
	mutex_init(&irqfds->lock);
	spin_lock_init(&irqfds->list_lock);
	INIT_LIST_HEAD(&irqfds->live);
	INIT_LIST_HEAD(&irqfds->dying);
	INIT_LIST_HEAD(&irqfds->resampling);
	INIT_WORK(&irqfds->reap, irqfd_reap_work);
}

void irqfd_acked(struct irqfds *irqfds, struct irqchip *irqchip, u32 gsi)
{
	const struct irqfd *irqfd;
	bool lowered = false;

	rcu_read_lock();
	list_for_each_entry_rcu(irqfd, &irqfds->resampling, resample_link) {
		if (irqfd->gsi != gsi)
			continue;
		/* Before anyone is told: whose device still wants it raises it again. */
		if (!lowered)
			irqchip_set_irq(irqchip, gsi, IRQ_SOURCE_IRQFD, false);
		lowered = true;
		compat_eventfd_signal(irqfd->resamplefd);
	}
	rcu_read_unlock();
}

/* One eventfd raises one interrupt of a VM. */
static int irqfd_publish(struct irqfds *irqfds, struct irqfd *new)
{
	struct irqfd *irqfd;
	int ret = 0;

	spin_lock_irq(&irqfds->list_lock);
	list_for_each_entry(irqfd, &irqfds->live, link)
		if (irqfd->eventfd == new->eventfd)
			ret = -EBUSY;
	if (!ret) {
		new->live = true;
		list_add_tail(&new->link, &irqfds->live);
	}
	spin_unlock_irq(&irqfds->list_lock);
	return ret;
}

/* irqfds->lock. The file is held, so that it cannot hang up before the irqfd is complete. */
static int irqfd_attach(struct irqfds *irqfds, struct irqfd *irqfd, struct file *file)
{
	int ret = irqfd_publish(irqfds, irqfd);

	if (ret)
		return ret;
	if (irqfd->resamplefd)
		irqfd_start_resampling(irqfds, irqfd);
	/* What was written before counts too. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		irqfd_inject(irqfd);
	return 0;
}

static int irqfd_assign(struct irqfds *irqfds, struct irqchip *irqchip,
			const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	struct file *file;
	int ret = -EINVAL;

	/* An I/O APIC of userspace's knows itself when its interrupts end. */
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE && irqchip->config.split)
		return -EINVAL;
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->irqfds = irqfds;
	irqfd->irqchip = irqchip;
	irqfd->gsi = args->gsi;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wake);
	init_poll_funcptr(&irqfd->poll, irqfd_queue);
	file = fget(args->fd);
	ret = -EBADF;
	if (!file)
		goto out_free;
	irqfd->eventfd = eventfd_ctx_fileget(file);
	ret = PTR_ERR_OR_ZERO(irqfd->eventfd);
	if (ret)
		goto out_file;
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		irqfd->resamplefd = eventfd_ctx_fdget(args->resamplefd);
		ret = PTR_ERR_OR_ZERO(irqfd->resamplefd);
		if (ret)
			goto out_eventfd;
	}
	mutex_lock(&irqfds->lock);
	ret = irqfd_attach(irqfds, irqfd, file);
	mutex_unlock(&irqfds->lock);
	if (ret)
		goto out_resamplefd;
	fput(file);
	return 0;
out_resamplefd:
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
out_eventfd:
	eventfd_ctx_put(irqfd->eventfd);
out_file:
	fput(file);
out_free:
	kfree(irqfd);
	return ret;
}

/* NULL: all of them. */
static void irqfd_drop(struct irqfds *irqfds, const struct eventfd_ctx *eventfd, u32 gsi)
{
	struct irqfd *irqfd, *next;

	mutex_lock(&irqfds->lock);
	spin_lock_irq(&irqfds->list_lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->live, link)
		if (!eventfd || (irqfd->eventfd == eventfd && irqfd->gsi == gsi))
			irqfd_kill(irqfd);
	spin_unlock_irq(&irqfds->list_lock);
	irqfd_reap(irqfds);
	mutex_unlock(&irqfds->lock);
}

static int irqfd_deassign(struct irqfds *irqfds, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfd_drop(irqfds, eventfd, args->gsi);
	eventfd_ctx_put(eventfd);
	return 0;
}

int irqfd_request(struct irqfds *irqfds, struct irqchip *irqchip, const struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(irqfds, args);
	return irqchip ? irqfd_assign(irqfds, irqchip, args) : -EINVAL;
}

void irqfd_release(struct irqfds *irqfds)
{
	irqfd_drop(irqfds, NULL, 0);
	/* It finds nothing, but may not have begun. */
	cancel_work_sync(&irqfds->reap);
}

/* -- ioeventfd -- */

struct ioeventfd {
	struct list_head link;
	struct iobus_handler handler;
	struct ioeventfds *ioeventfds;
	struct iobus *bus;
	u64 addr, datamatch;
	u32 len; /* 0: any */
	bool wildcard; /* any value */
	struct eventfd_ctx *eventfd;
};

/* By constant lengths: a load each. */
static u64 ioeventfd_value(const void *data, int len)
{
	u64 value = 0;

	switch (len) {
	case 1:
		memcpy(&value, data, 1);
		break;
	case 2:
		memcpy(&value, data, 2);
		break;
	case 4:
		memcpy(&value, data, 4);
		break;
	case 8:
		memcpy(&value, data, 8);
		break;
	}
	return value;
}

static int ioeventfd_write(struct iobus_handler *handler, u64 addr, int len, const void *data)
{
	struct ioeventfd *ioeventfd = container_of(handler, struct ioeventfd, handler);

	if (addr != ioeventfd->addr)
		return -EOPNOTSUPP;
	if (ioeventfd->len && ioeventfd->len != len)
		return -EOPNOTSUPP;
	if (!ioeventfd->wildcard && ioeventfd_value(data, len) != ioeventfd->datamatch)
		return -EOPNOTSUPP;
	atomic64_inc(&ioeventfd->ioeventfds->signals);
	compat_eventfd_signal(ioeventfd->eventfd);
	return 0;
}

static const struct iobus_ops ioeventfd_ops = {
	.write = ioeventfd_write,
};

void ioeventfd_init(struct ioeventfds *ioeventfds)
{
	mutex_init(&ioeventfds->lock);
	INIT_LIST_HEAD(&ioeventfds->list);
}

static void ioeventfd_free(struct ioeventfd *ioeventfd)
{
	eventfd_ctx_put(ioeventfd->eventfd);
	kfree(ioeventfd);
}

void ioeventfd_destroy(struct ioeventfds *ioeventfds)
{
	struct ioeventfd *ioeventfd, *next;

	list_for_each_entry_safe(ioeventfd, next, &ioeventfds->list, link)
		ioeventfd_free(ioeventfd);
}

/* Would one write belong to both? */
static bool ioeventfd_collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->bus != b->bus || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (a->wildcard || b->wildcard || a->datamatch == b->datamatch);
}

/* ioeventfds->lock */
static int ioeventfd_add(struct ioeventfds *ioeventfds, struct ioeventfd *new)
{
	const struct ioeventfd *ioeventfd;
	int ret;

	list_for_each_entry(ioeventfd, &ioeventfds->list, link)
		if (ioeventfd_collide(ioeventfd, new))
			return -EEXIST;
	ret = iobus_register(new->bus, new->addr, new->len, &new->handler);
	if (!ret)
		list_add_tail(&new->link, &ioeventfds->list);
	return ret;
}

static bool ioeventfd_length_valid(u32 len)
{
	return !len || len == 1 || len == 2 || len == 4 || len == 8;
}

static int ioeventfd_assign(struct ioeventfds *ioeventfds, struct iobus *bus,
			    const struct kvm_ioeventfd *args)
{
	bool datamatch = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
	struct ioeventfd *ioeventfd;
	int ret;

	if (!ioeventfd_length_valid(args->len) || args->addr + args->len < args->addr ||
	    (!args->len && datamatch))
		return -EINVAL;
	ioeventfd = kzalloc(sizeof(*ioeventfd), GFP_KERNEL_ACCOUNT);
	if (!ioeventfd)
		return -ENOMEM;
	ioeventfd->eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(ioeventfd->eventfd)) {
		ret = PTR_ERR(ioeventfd->eventfd);
		kfree(ioeventfd);
		return ret;
	}
	ioeventfd->handler.ops = &ioeventfd_ops;
	ioeventfd->ioeventfds = ioeventfds;
	ioeventfd->bus = bus;
	ioeventfd->addr = args->addr;
	ioeventfd->len = args->len;
	ioeventfd->datamatch = args->datamatch;
	ioeventfd->wildcard = !datamatch;
	mutex_lock(&ioeventfds->lock);
	ret = ioeventfd_add(ioeventfds, ioeventfd);
	mutex_unlock(&ioeventfds->lock);
	if (ret)
		ioeventfd_free(ioeventfd);
	return ret;
}

/* Is it the one that was assigned with these arguments? */
static bool ioeventfd_named(const struct ioeventfd *ioeventfd, const struct iobus *bus,
			    const struct kvm_ioeventfd *args, const struct eventfd_ctx *eventfd)
{
	bool wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);

	return ioeventfd->bus == bus && ioeventfd->eventfd == eventfd &&
	       ioeventfd->addr == args->addr && ioeventfd->len == args->len &&
	       ioeventfd->wildcard == wildcard &&
	       (wildcard || ioeventfd->datamatch == args->datamatch);
}

static int ioeventfd_deassign(struct ioeventfds *ioeventfds, struct iobus *bus,
			      const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct ioeventfd *ioeventfd;
	int ret = -ENOENT;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&ioeventfds->lock);
	list_for_each_entry(ioeventfd, &ioeventfds->list, link) {
		if (!ioeventfd_named(ioeventfd, bus, args, eventfd))
			continue;
		iobus_unregister(bus, &ioeventfd->handler);
		list_del(&ioeventfd->link);
		ioeventfd_free(ioeventfd);
		ret = 0;
		break;
	}
	mutex_unlock(&ioeventfds->lock);
	eventfd_ctx_put(eventfd);
	return ret;
}

int ioeventfd_request(struct ioeventfds *ioeventfds, struct iobus *bus,
		      const struct kvm_ioeventfd *args)
{
	if (args->flags &
	    ~(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN))
		return -EINVAL;
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(ioeventfds, bus, args);
	return ioeventfd_assign(ioeventfds, bus, args);
}
