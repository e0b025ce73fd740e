/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-console (virtio 1.2, 5.3) with several ports: Unix sockets and files on the host's side. */
#ifndef LAUNCHER_VIRTIO_CONSOLE_H
#define LAUNCHER_VIRTIO_CONSOLE_H

#include <stdbool.h>

#include "host/endpoint.h"
#include "virtio/device.h"

#define VCONSOLE_MAX_PORTS 8

struct vconsole_port_settings {
	const char *name;
	bool console; /* hvc in the guest, no plain port */
	struct endpoint endpoint;
};

/* On success the endpoints are the device's. */
struct virtio_device *vconsole_create(const struct memory *memory,
				      const struct vconsole_port_settings *ports,
				      unsigned int count, struct error *err);

#endif
