/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: sizes of structures with a flexible array. */
#ifndef SHIM_LINUX_OVERFLOW_H
#define SHIM_LINUX_OVERFLOW_H

#include <stddef.h>

#define struct_size(p, member, count) (sizeof(*(p)) + sizeof(*(p)->member) * (size_t)(count))

#endif
