/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-net (virtio 1.2, 5.1) on a tap interface: one pair of queues, offloads, mergeable buffers. */
#ifndef LAUNCHER_VIRTIO_NET_H
#define LAUNCHER_VIRTIO_NET_H

#include <stdint.h>

#include "virtio/device.h"

#define NET_MAC_LEN 6
/* struct virtio_net_hdr_v1, which the tap interface is told of. */
#define NET_HEADER 12

/* On success the tap is the device's. */
struct virtio_device *net_create(const struct memory *memory, int tap,
				 const uint8_t mac[NET_MAC_LEN], struct error *err);

/* An address like 52:54:00:12:34:56, of one interface; -1: it is none. */
int net_parse_mac(const char *text, uint8_t mac[NET_MAC_LEN]);
/* One for an interface that was given none: the same for the same name. */
void net_choose_mac(const char *name, uint8_t mac[NET_MAC_LEN]);

/*
 * What the driver says of a frame of len bytes behind the header, made safe for the host: false when
 * it contradicts itself, the frame or the features (5.1.6.2).
 */
struct virtio_net_hdr_v1;
bool net_check_header(const struct virtio_net_hdr_v1 *header, uint32_t len, uint64_t features);

#endif
