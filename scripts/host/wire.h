/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test host says to the supervisor outside, byte by byte through the debug port 0xe9.
 *
 * Both emulators turn a write to that port into a byte on their standard output at once, without a
 * driver, a queue or an interrupt in between: it works from the first instruction of init to the last.
 * Bochs prints text of its own there too, so frames begin with two bytes that such text cannot hold.
 */
#ifndef HOST_WIRE_H
#define HOST_WIRE_H

#define WIRE_PORT 0xe9
#define WIRE_MAGIC0 0xe9
#define WIRE_MAGIC1 0xb5
#define WIRE_HEADER 5 /* magic0 magic1 type length-low length-high */
#define WIRE_MAX 4096 /* payload of one frame */

enum wire_type {
	WIRE_READY = 'R', /* init waits for its payload: the moment to save the machine's state */
	WIRE_STARTED = 'S', /* the command runs */
	WIRE_STDOUT = 'O',
	WIRE_STDERR = 'E',
	WIRE_KMSG = 'K', /* one record of the kernel log */
	WIRE_BEAT = 'B', /* alive, once a second on the host's clock */
	WIRE_TROUBLE = 'T', /* init itself could not do something: one line */
	WIRE_ENDED = 'D', /* the command has; what follows only looks whether the host is well */
	WIRE_EXIT = 'X', /* the command's exit status in decimal; the last frame */
};

/* Where a payload is put into the memory of a restored machine, and how it is found. */
#define PAYLOAD_MAGIC 0x64616f6c79617076ull
struct payload_header {
	unsigned long long magic; /* written last by whoever injects */
	unsigned long long size; /* of the cpio archive that follows the header's page */
};
#define PAYLOAD_OFFSET 4096

#endif
