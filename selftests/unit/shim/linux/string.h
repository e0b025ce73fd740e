/* SPDX-License-Identifier: GPL-2.0-only */
/* Userspace stand-in: the C library's. */
#ifndef SHIM_LINUX_STRING_H
#define SHIM_LINUX_STRING_H

#include <string.h>

#endif
