/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: SRCU for one thread, which checks that a reader never waits for itself. */
#ifndef SHIM_LINUX_SRCU_H
#define SHIM_LINUX_SRCU_H

#include <assert.h>

struct srcu_struct {
	int readers;
	unsigned int synchronized;
};

#define __rcu
#define rcu_assign_pointer(p, value) ((p) = (value))
#define rcu_dereference_protected(p, condition) (assert(condition), (p))
#define srcu_dereference(p, srcu) (assert((srcu)->readers), (p))

static inline int srcu_read_lock(struct srcu_struct *srcu)
{
	return srcu->readers++;
}

static inline void srcu_read_unlock(struct srcu_struct *srcu, int idx)
{
	srcu->readers--;
	assert(srcu->readers == idx);
}

static inline void synchronize_srcu_expedited(struct srcu_struct *srcu)
{
	assert(!srcu->readers);
	srcu->synchronized++;
}

#endif
