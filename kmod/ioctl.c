// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "ioctl.h"

/* Most arguments fit here; the few larger ones (XSAVE, LAPIC) are allocated. */
#define ARGUMENT_ON_STACK 320

const struct ioctl_row *ioctl_find(const struct ioctl_row *rows, size_t nr, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

long ioctl_call_fixed(const struct ioctl_row *row, void *object, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	size_t size = _IOC_SIZE(row->cmd);
	u64 small[ARGUMENT_ON_STACK / sizeof(u64)];
	void *data = small;
	long r = -EFAULT;

	if (size > sizeof(small)) {
		data = kvmalloc(size, GFP_KERNEL_ACCOUNT);
		if (!data)
			return -ENOMEM;
	}
	if (!row->in && !(_IOC_DIR(row->cmd) & _IOC_WRITE))
		memset(data, 0, size);
	else if (copy_from_user(data, user, size))
		goto out;
	r = row->fixed(object, data);
	if (r >= 0 && (_IOC_DIR(row->cmd) & _IOC_READ) && copy_to_user(user, data, size))
		r = -EFAULT;
out:
	if (data != small)
		kvfree(data);
	return r;
}
