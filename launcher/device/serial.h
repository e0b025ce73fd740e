/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 16550A UART (National Semiconductor PC16550D data sheet). The guest's side is a bus device; the
 * host's side takes what was sent and offers what was typed. The line has no speed: a byte leaves
 * the transmitter at once, unless the host does not keep up; then THRE stays clear.
 */
#ifndef LAUNCHER_DEVICE_SERIAL_H
#define LAUNCHER_DEVICE_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/bus.h"
#include "device/irq.h"

#define SERIAL_PORTS 8
#define SERIAL_FIFO 16
#define SERIAL_TX_RING 4096 /* a power of two */

struct serial {
	pthread_mutex_t lock; /* protects everything below but the two callbacks */
	struct irq_line *irq;
	/*
	 * The host's side has something to do: output to take, or room for input again. Called
	 * under the lock.
	 */
	void (*attention)(void *owner);
	void *owner;

	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t lsr_errors; /* OE, cleared by reading LSR */
	uint8_t msr_delta;
	bool thre_pending; /* THRE interrupt, cleared by reading IIR or writing THR */
	bool input_wanted; /* the host was told that there is no room */

	uint8_t rx[SERIAL_FIFO];
	unsigned int rx_head, rx_count;
	uint8_t tx[SERIAL_TX_RING];
	unsigned int tx_head, tx_tail; /* free running */
};

extern const struct bus_ops serial_bus_ops;

void serial_init(struct serial *serial, struct irq_line *irq, void (*attention)(void *owner),
		 void *owner);

/* Takes up to len bytes that the guest sent. */
size_t serial_take_output(struct serial *serial, uint8_t *data, size_t len);

/*
 * Offers input; returns how much was taken. When that was not all, attention is called once there
 * is room. Nothing is taken before the guest asserts RTS: its driver empties the FIFO while it
 * starts.
 */
size_t serial_offer_input(struct serial *serial, const uint8_t *data, size_t len);

#endif
