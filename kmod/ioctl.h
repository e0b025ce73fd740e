/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of ioctls: arguments are copied once before the call and once after it, in one place. */
#ifndef VMM_IOCTL_H
#define VMM_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * One call. Exactly one of the two handlers is set. `object` is the struct vcpu or struct vm of the
 * fd. fixed: data is a kernel copy of _IOC_SIZE bytes, filled from userspace for _IOW, copied back
 * for _IOR when the handler returns 0 or more. raw: for what has no fixed size or no argument;
 * copies for itself.
 */
struct ioctl_row {
	unsigned int cmd;
	bool load; /* vCPU only: needs the vCPU loaded on this CPU */
	bool in; /* copies in, whatever the number says: KVM_SET_IRQCHIP is numbered as a read */
	long (*fixed)(void *object, void *data);
	long (*raw)(void *object, unsigned long arg);
};

const struct ioctl_row *ioctl_find(const struct ioctl_row *rows, size_t nr, unsigned int cmd);
long ioctl_call_fixed(const struct ioctl_row *row, void *object, unsigned long arg);

static inline long ioctl_call(const struct ioctl_row *row, void *object, unsigned long arg)
{
	return row->raw ? row->raw(object, arg) : ioctl_call_fixed(row, object, arg);
}

#endif
