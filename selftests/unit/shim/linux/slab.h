/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: kernel memory from the C library. */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <stdlib.h>

#define GFP_KERNEL 0
#define GFP_KERNEL_ACCOUNT 0

static inline void *kvzalloc(size_t size, int flags)
{
	return calloc(1, size);
}

static inline void kvfree(const void *p)
{
	free((void *)p);
}

static inline void *kzalloc(size_t size, int flags)
{
	return calloc(1, size);
}

static inline void *kcalloc(size_t n, size_t size, int flags)
{
	return calloc(n, size);
}

static inline void kfree(const void *p)
{
	free((void *)p);
}

#endif
