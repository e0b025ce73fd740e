/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: sizes of arrays and of structures that end in one. */
#ifndef SHIM_LINUX_OVERFLOW_H
#define SHIM_LINUX_OVERFLOW_H

#include <stddef.h>

#define array_size(a, b) ((size_t)(a) * (size_t)(b))
#define struct_size(p, member, count) (sizeof(*(p)) + sizeof(*(p)->member) * (size_t)(count))

#endif
