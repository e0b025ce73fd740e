/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: a mutex that checks its use by one thread. */
#ifndef SHIM_LINUX_MUTEX_H
#define SHIM_LINUX_MUTEX_H

#include <assert.h>
#include <stdbool.h>

struct mutex {
	bool held;
};

#define lockdep_is_held(lock) ((lock)->held)

static inline void mutex_init(struct mutex *lock)
{
	lock->held = false;
}

static inline void mutex_lock(struct mutex *lock)
{
	assert(!lock->held);
	lock->held = true;
}

static inline void mutex_unlock(struct mutex *lock)
{
	assert(lock->held);
	lock->held = false;
}

static inline void mutex_destroy(struct mutex *lock)
{
	assert(!lock->held);
}

#endif
