/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: bit operations; those without underscores are atomic. */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

#include <linux/bits.h>
#include <stdbool.h>

#define SHIM_BIT_WORD(nr, p) (&((unsigned long *)(p))[(nr) / 64])
#define SHIM_BIT_MASK(nr) (1ul << ((nr) % 64))

static inline void set_bit(long nr, volatile unsigned long *p)
{
	__atomic_fetch_or(SHIM_BIT_WORD(nr, p), SHIM_BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline void clear_bit(long nr, volatile unsigned long *p)
{
	__atomic_fetch_and(SHIM_BIT_WORD(nr, p), ~SHIM_BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline bool test_and_set_bit(long nr, volatile unsigned long *p)
{
	return __atomic_fetch_or(SHIM_BIT_WORD(nr, p), SHIM_BIT_MASK(nr), __ATOMIC_SEQ_CST) &
	       SHIM_BIT_MASK(nr);
}

static inline bool test_bit(long nr, const volatile unsigned long *p)
{
	return __atomic_load_n(SHIM_BIT_WORD(nr, p), __ATOMIC_RELAXED) & SHIM_BIT_MASK(nr);
}

/* The highest and the lowest bit that is set; undefined for zero. */
static inline unsigned long __fls(unsigned long word)
{
	return 63 - __builtin_clzl(word);
}

static inline unsigned long __ffs(unsigned long word)
{
	return __builtin_ctzl(word);
}

#endif
