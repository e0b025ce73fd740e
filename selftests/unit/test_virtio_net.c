// SPDX-License-Identifier: GPL-2.0-only
/* virtio-net with a socket that keeps frames apart in place of a tap interface. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <sys/socket.h>

#include "virtio/net.h"
#include "virtio_driver.h"

#define IN 0
#define OUT 1
#define ALL                                                                           \
	(VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) | \
	 VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6))

static int wire; /* the other end */
static uint8_t frame[65536 + 100];

static void start_net(uint64_t features)
{
	static const uint8_t mac[NET_MAC_LEN] = { 0x52, 0x54, 0, 1, 2, 3 };
	struct virtio_device *device;
	struct error err;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	wire = fds[1];
	device = net_create(&driver_memory, fds[0], mac, &err);
	ck_assert_ptr_nonnull(device);
	ck_assert_mem_eq(device->config, mac, 6);
	driver_start(device, features);
}

static void setup(void)
{
	driver_create_memory();
	for (unsigned int i = 0; i < sizeof(frame); i++)
		frame[i] = i * 13 + (i >> 8);
}

static void put_frame(const struct virtio_net_hdr_v1 *header, uint32_t len)
{
	memcpy(driver_at(DRIVER_DATA), header, sizeof(*header));
	memcpy(driver_at(DRIVER_DATA) + sizeof(*header), frame, len);
}

/* Sends a frame; what arrived of it behind its header, 0: nothing. */
static ssize_t send_frame(const struct virtio_net_hdr_v1 *header, uint32_t len, uint16_t sent)
{
	static uint8_t seen[sizeof(frame)];
	const struct driver_buffer buffers[] = { { DRIVER_DATA, 12 + 3, false },
						 { DRIVER_DATA + 15, len - 3, false } };
	ssize_t n;

	put_frame(header, len);
	driver_offer(OUT, 0, buffers, 2);
	ck_assert(driver_wait(OUT, sent));
	n = read(wire, seen, sizeof(seen));
	if (n < 0)
		return 0;
	ck_assert_mem_eq(seen + 12, frame, n - 12);
	return n - 12;
}

START_TEST(launcher_net_sends)
{
	struct virtio_net_hdr_v1 plain = { .num_buffers = 0x5555 };
	struct virtio_net_hdr_v1 bad = { .flags = 0x80 };

	start_net(ALL);
	ck_assert_int_eq(send_frame(&plain, 60, 1), 60);
	ck_assert_int_eq(send_frame(&plain, 1514, 2), 1514);
	ck_assert_int_eq(send_frame(&bad, 1514, 3), 0); /* lost, and its buffer comes back */
	ck_assert_int_eq(send_frame(&plain, 13, 4), 0);
	ck_assert_int_eq(send_frame(&plain, 65, 5), 65);
	ck_assert(!driver_broken());
	driver_stop();
}
END_TEST

START_TEST(launcher_net_headers)
{
	enum {
		CSUM = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		TCP4 = VIRTIO_NET_HDR_GSO_TCPV4,
		TCP6 = VIRTIO_NET_HDR_GSO_TCPV6
	};
	static const struct {
		struct virtio_net_hdr_v1 header;
		uint32_t len;
		uint64_t features;
		bool good;
	} tries[] = {
		{ { 0 }, 14, ALL, true },
		{ { 0 }, 13, ALL, false },
		{ { 0 }, 65535 + 18, ALL, true },
		{ { 0 }, 65535 + 19, ALL, false },
		{ { .flags = 2 }, 1000, ALL, false },
		{ { .flags = CSUM, .csum_start = 34, .csum_offset = 16 }, 52, ALL, true },
		{ { .flags = CSUM, .csum_start = 34, .csum_offset = 16 }, 51, ALL, false },
		{ { .flags = CSUM, .csum_start = 34, .csum_offset = 16 }, 1000, 0, false },
		{ { .flags = CSUM, .csum_start = 13, .csum_offset = 16 }, 1000, ALL, false },
		{ { .flags = CSUM, .csum_start = 0xffff, .csum_offset = 16 }, 1000, ALL, false },
		{ { .flags = CSUM, .csum_start = 34, .csum_offset = 0xffff }, 1000, ALL, false },
		{ { .flags = CSUM,
		    .gso_type = TCP4,
		    .gso_size = 1448,
		    .hdr_len = 66,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  9000,
		  ALL,
		  true },
		{ { .flags = CSUM,
		    .gso_type = TCP6,
		    .gso_size = 1448,
		    .hdr_len = 86,
		    .csum_start = 54,
		    .csum_offset = 16 },
		  9000,
		  ALL,
		  true },
		{ { .flags = CSUM,
		    .gso_type = TCP4,
		    .gso_size = 0,
		    .hdr_len = 66,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  9000,
		  ALL,
		  false },
		{ { .flags = CSUM,
		    .gso_type = TCP4,
		    .gso_size = 1448,
		    .hdr_len = 9001,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  9000,
		  ALL,
		  false },
		{ { .flags = 0, .gso_type = TCP4, .gso_size = 1448, .hdr_len = 66 },
		  9000,
		  ALL,
		  false },
		{ { .flags = CSUM,
		    .gso_type = TCP4,
		    .gso_size = 1448,
		    .hdr_len = 66,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  9000,
		  VIRTIO_FEATURE(VIRTIO_NET_F_CSUM),
		  false },
		{ { .flags = CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_UDP,
		    .gso_size = 1448,
		    .csum_start = 34,
		    .csum_offset = 6 },
		  9000,
		  ALL,
		  false },
		{ { .flags = CSUM,
		    .gso_type = TCP4 | VIRTIO_NET_HDR_GSO_ECN,
		    .gso_size = 1448,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  9000,
		  ALL,
		  false },
		{ { .gso_type = 0xff }, 9000, ALL, false },
	};

	for (unsigned int i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		ck_assert_msg(net_check_header(&tries[i].header, tries[i].len, tries[i].features) ==
				      tries[i].good,
			      "header %u", i);
}
END_TEST

static void offer_buffers(unsigned int first, unsigned int n, uint32_t len)
{
	for (unsigned int i = first; i < first + n; i++) {
		const struct driver_buffer buffer = { DRIVER_DATA + i * 0x2000, len, true };

		driver_offer(IN, i, &buffer, 1);
	}
}

static uint16_t buffers_of(unsigned int i)
{
	struct virtio_net_hdr_v1 header;

	memcpy(&header, driver_at(DRIVER_DATA + i * 0x2000), sizeof(header));
	return header.num_buffers;
}

static void put_on_wire(size_t len)
{
	static uint8_t data[12 + sizeof(frame)];

	memcpy(data + 12, frame, len);
	ck_assert_int_eq(write(wire, data, 12 + len), (ssize_t)(12 + len));
}

START_TEST(launcher_net_receives_merged)
{
	start_net(ALL | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	put_on_wire(60); /* before there are buffers */
	usleep(10000);
	ck_assert_uint_eq(driver_used(IN)[1], 0);
	offer_buffers(0, 1, 1000);
	ck_assert(driver_wait(IN, 1));
	ck_assert_uint_eq(driver_written(IN, 0), 72);
	ck_assert_uint_eq(buffers_of(0), 1);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 12), frame, 60);
	/* A frame over three buffers, of which the last comes late: none is given before all are. */
	offer_buffers(1, 2, 1000);
	put_on_wire(2500);
	usleep(20000);
	ck_assert_uint_eq(driver_used(IN)[1], 1);
	offer_buffers(3, 1, 1000);
	ck_assert(driver_wait(IN, 4));
	ck_assert_uint_eq(buffers_of(1), 3);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 0x2000 + 12), frame, 988);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 0x4000), frame + 988, 1000);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 0x6000), frame + 1988, 512);
	ck_assert_uint_eq(driver_written(IN, 3), 512);
	/* Exactly one buffer. */
	offer_buffers(4, 2, 1000);
	put_on_wire(988);
	ck_assert(driver_wait(IN, 5));
	ck_assert_uint_eq(buffers_of(4), 1);
	driver_stop();
}
END_TEST

START_TEST(launcher_net_receives_whole)
{
	start_net(ALL);
	offer_buffers(0, 3, 1526);
	put_on_wire(1514);
	put_on_wire(1600); /* cut where the buffer ends */
	put_on_wire(64);
	ck_assert(driver_wait(IN, 3));
	ck_assert_uint_eq(driver_written(IN, 0), 1526);
	ck_assert_uint_eq(driver_written(IN, 1), 1526);
	ck_assert_uint_eq(driver_written(IN, 2), 76);
	ck_assert_uint_eq(buffers_of(1), 1);
	ck_assert_mem_eq(driver_at(DRIVER_DATA + 0x4000 + 12), frame, 64);
	driver_stop();
}
END_TEST

/* A buffer that has no room for the header is none. */
START_TEST(launcher_net_tiny_buffer)
{
	start_net(ALL | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	offer_buffers(0, 1, 11);
	put_on_wire(60);
	ck_assert(driver_wait(IN, 0xffff));
	ck_assert(driver_broken());
	ck_assert_uint_eq(driver_used(IN)[1], 0);
	driver_stop();
}
END_TEST

START_TEST(launcher_net_sends_bad_chains)
{
	const struct driver_buffer short_one = { DRIVER_DATA, 11, false };
	const struct driver_buffer writable = { DRIVER_DATA, 100, true };
	uint8_t seen[100];

	start_net(ALL);
	driver_offer(OUT, 0, &short_one, 1);
	ck_assert(driver_wait(OUT, 1));
	driver_offer(OUT, 1, &writable, 1);
	ck_assert(driver_wait(OUT, 2));
	ck_assert_int_eq(read(wire, seen, sizeof(seen)), -1);
	put_on_wire(60);
	close(wire); /* the interface goes away: nothing breaks */
	usleep(10000);
	ck_assert(!driver_broken());
	driver_stop();
}
END_TEST

START_TEST(launcher_net_mac)
{
	static const char *const bad[] = { "",
					   "52:54:00:12:34",
					   "52:54:00:12:34:56:78",
					   "52:54:00:12:34:5",
					   "52:54:00:12:34:5g",
					   "53:54:00:12:34:56",
					   "525:4:00:12:34:56",
					   "52-54-00-12-34-56",
					   " 2:54:00:12:34:56",
					   "0x:54:00:12:34:56" };
	uint8_t mac[6], other[6];

	ck_assert_int_eq(net_parse_mac("52:54:00:aB:34:56", mac), 0);
	ck_assert_mem_eq(mac, "\x52\x54\x00\xab\x34\x56", 6);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(net_parse_mac(bad[i], mac), -1);
	net_choose_mac("tap0", mac);
	net_choose_mac("tap0", other);
	ck_assert_mem_eq(mac, other, 6);
	net_choose_mac("tap1", other);
	ck_assert_mem_ne(mac, other, 6);
	ck_assert_uint_eq(mac[0] & 3, 2); /* ours, one receiver */
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_net_sends,
		launcher_net_headers,
		launcher_net_receives_merged,
		launcher_net_receives_whole,
		launcher_net_tiny_buffer,
		launcher_net_sends_bad_chains,
		launcher_net_mac,
	};

	return SUITE_RUN("virtio_net", setup, tests);
}
