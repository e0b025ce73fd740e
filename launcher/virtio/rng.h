/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-rng (virtio 1.2, 5.4): the host's random numbers. */
#ifndef LAUNCHER_VIRTIO_RNG_H
#define LAUNCHER_VIRTIO_RNG_H

#include "virtio/device.h"

struct virtio_device *rng_create(const struct memory *memory, struct error *err);

#endif
