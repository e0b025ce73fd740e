/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: one thread, so that a grace period is over at once. */
#ifndef SHIM_LINUX_RCUPDATE_H
#define SHIM_LINUX_RCUPDATE_H

#include <linux/slab.h>

#ifndef __rcu
#define __rcu
#endif

struct rcu_head {
	void *next;
};

#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)
#define rcu_dereference(p) (p)
#define rcu_dereference_protected(p, condition) (p)
#define rcu_assign_pointer(p, value) ((p) = (value))
#define RCU_INIT_POINTER(p, value) ((p) = (value))
#define kvfree_rcu(p, head) kvfree(p)

#endif
