/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: compare and exchange on plain variables, and atomic_t. */
#ifndef SHIM_LINUX_ATOMIC_H
#define SHIM_LINUX_ATOMIC_H

#define try_cmpxchg(ptr, old, new) \
	__atomic_compare_exchange_n(ptr, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

typedef struct {
	int counter;
} atomic_t;

#define atomic_read(v) __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_set(v, n) __atomic_store_n(&(v)->counter, n, __ATOMIC_RELAXED)
#define atomic_inc(v) ((void)__atomic_fetch_add(&(v)->counter, 1, __ATOMIC_SEQ_CST))
#define atomic_or(n, v) ((void)__atomic_fetch_or(&(v)->counter, n, __ATOMIC_SEQ_CST))
#define atomic_fetch_or(n, v) __atomic_fetch_or(&(v)->counter, n, __ATOMIC_SEQ_CST)
#define atomic_xchg(v, n) __atomic_exchange_n(&(v)->counter, n, __ATOMIC_SEQ_CST)
#define atomic_try_cmpxchg(v, old, new) try_cmpxchg(&(v)->counter, old, new)

#endif
