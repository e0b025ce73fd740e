/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: single bits and masks. */
#ifndef SHIM_LINUX_BITS_H
#define SHIM_LINUX_BITS_H

#ifndef BITS_PER_LONG
#define BITS_PER_LONG 64
#endif
#ifndef BIT
#define BIT(n) (1ul << (n))
#endif
#ifndef BIT_ULL
#define BIT_ULL(n) (1ull << (n))
#endif
#ifndef GENMASK_ULL
#define GENMASK_ULL(high, low) ((~0ull << (low)) & (~0ull >> (63 - (high))))
#endif
#ifndef GENMASK
#define GENMASK(high, low) ((~0ul << (low)) & (~0ul >> (63 - (high))))
#endif

#endif
