/* SPDX-License-Identifier: GPL-2.0-only */
/* A tap interface: frames with a virtio-net header before each. */
#ifndef LAUNCHER_HOST_TAP_H
#define LAUNCHER_HOST_TAP_H

#include <stdbool.h>

#include "error.h"

/*
 * Makes the interface, which goes with the descriptor, or takes one that is there and stays. header:
 * bytes of the virtio-net header. Returns the descriptor, which does not block.
 */
int tap_open(const char *origin, const char *name, int header, struct error *err);

/* What may be read from it: frames without checksum, segments of IPv4 and IPv6 to be split. */
int tap_set_offloads(int fd, bool checksum, bool tso4, bool tso6);

#endif
