/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: a lock that checks its use by one thread. */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <assert.h>
#include <stdbool.h>

typedef struct {
	bool held;
} raw_spinlock_t;

static inline void raw_spin_lock_init(raw_spinlock_t *lock)
{
	lock->held = false;
}

static inline void shim_spin_lock(raw_spinlock_t *lock)
{
	assert(!lock->held);
	lock->held = true;
}

static inline void shim_spin_unlock(raw_spinlock_t *lock)
{
	assert(lock->held);
	lock->held = false;
}

#define raw_spin_lock_irqsave(lock, flags) ((flags) = 0, shim_spin_lock(lock))
#define raw_spin_unlock_irqrestore(lock, flags) ((void)(flags), shim_spin_unlock(lock))

#endif
