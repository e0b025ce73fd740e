// SPDX-License-Identifier: GPL-2.0-only
#include "device/serial.h"

#include <linux/serial_reg.h>
#include <string.h>

#define IER_MASK 0x0f
#define MCR_MASK 0x1f
/* The far end is always there and ready. */
#define MSR_LINE (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
/* The transmitter is "empty" while the ring still takes a whole FIFO. */
#define TX_FULL (SERIAL_TX_RING - SERIAL_FIFO)

void serial_init(struct serial *serial, struct irq_line *irq, void (*attention)(void *owner),
		 void *owner)
{
	memset(serial, 0, sizeof(*serial));
	pthread_mutex_init(&serial->lock, NULL);
	serial->irq = irq;
	serial->attention = attention;
	serial->owner = owner;
	serial->dll = 12; /* 9600 baud, what firmware would have left */
	serial->lcr = UART_LCR_WLEN8;
}

static unsigned int tx_count(const struct serial *serial)
{
	return serial->tx_tail - serial->tx_head;
}

static bool tx_ready(const struct serial *serial)
{
	return tx_count(serial) <= TX_FULL;
}

static unsigned int rx_size(const struct serial *serial)
{
	return serial->fcr & UART_FCR_ENABLE_FIFO ? SERIAL_FIFO : 1;
}

/*
 * IIR's interrupt, highest priority first (data sheet table IV). Bytes come in bursts and the line
 * has no speed: data below the trigger level is the character timeout at once.
 */
static uint8_t interrupt_id(const struct serial *serial)
{
	static const uint8_t trigger[] = { 1, 4, 8, 14 };

	if (serial->ier & UART_IER_RLSI && serial->lsr_errors)
		return UART_IIR_RLSI;
	if (serial->ier & UART_IER_RDI && serial->rx_count) {
		if (rx_size(serial) > 1 && serial->rx_count < trigger[serial->fcr >> 6])
			return UART_IIR_RX_TIMEOUT;
		return UART_IIR_RDI;
	}
	if (serial->ier & UART_IER_THRI && serial->thre_pending)
		return UART_IIR_THRI;
	if (serial->ier & UART_IER_MSI && serial->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* On a PC the interrupt output passes a gate that OUT2 opens; loopback disconnects OUT2. */
static void update_irq(struct serial *serial)
{
	bool gate = serial->mcr & UART_MCR_OUT2 && !(serial->mcr & UART_MCR_LOOP);

	irq_line_set(serial->irq, gate && interrupt_id(serial) != UART_IIR_NO_INT);
}

static void rx_push(struct serial *serial, uint8_t byte)
{
	if (serial->rx_count >= rx_size(serial)) {
		serial->lsr_errors |= UART_LSR_OE;
		return;
	}
	serial->rx[(serial->rx_head + serial->rx_count) % SERIAL_FIFO] = byte;
	serial->rx_count++;
}

/*
 * The host stopped offering input when there was no room. Half a FIFO of room is worth waking it
 * for.
 */
static void tell_room(struct serial *serial)
{
	if (!serial->input_wanted || serial->rx_count > rx_size(serial) / 2 ||
	    !(serial->mcr & UART_MCR_RTS) || serial->mcr & UART_MCR_LOOP)
		return;
	serial->input_wanted = false;
	serial->attention(serial->owner);
}

static uint8_t rx_pop(struct serial *serial)
{
	uint8_t byte;

	if (!serial->rx_count)
		return 0;
	byte = serial->rx[serial->rx_head];
	serial->rx_head = (serial->rx_head + 1) % SERIAL_FIFO;
	serial->rx_count--;
	tell_room(serial);
	return byte;
}

static void tx_push(struct serial *serial, uint8_t byte)
{
	bool idle = !tx_count(serial);

	serial->thre_pending = false;
	if (serial->mcr & UART_MCR_LOOP) {
		rx_push(serial, byte);
	} else if (tx_count(serial) < SERIAL_TX_RING) {
		serial->tx[serial->tx_tail++ % SERIAL_TX_RING] = byte;
		/* Once per burst: the host's side takes all there is before it sleeps. */
		if (idle)
			serial->attention(serial->owner);
	}
	serial->thre_pending = tx_ready(serial);
}

/* In loopback the modem outputs are the inputs: OUT2 to DCD, OUT1 to RI, DTR to DSR, RTS to CTS. */
static uint8_t modem_lines(const struct serial *serial)
{
	uint8_t mcr = serial->mcr;

	if (!(mcr & UART_MCR_LOOP))
		return MSR_LINE;
	return (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0) | (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) | (mcr & UART_MCR_RTS ? UART_MSR_CTS : 0);
}

static void write_mcr(struct serial *serial, uint8_t value)
{
	uint8_t before = modem_lines(serial), changed;

	serial->mcr = value & MCR_MASK;
	changed = before ^ modem_lines(serial);
	/* DCTS, DDSR and DDCD follow any change, TERI only the end of a ring. */
	serial->msr_delta |= (changed & (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)) >> 4;
	if (changed & before & UART_MSR_RI)
		serial->msr_delta |= UART_MSR_TERI;
	tell_room(serial);
}

static void write_fcr(struct serial *serial, uint8_t value)
{
	bool toggled = (serial->fcr ^ value) & UART_FCR_ENABLE_FIFO;

	/* Without ENABLE_FIFO the other bits are not programmed; changing it empties the FIFOs. */
	serial->fcr = value & UART_FCR_ENABLE_FIFO ?
			      value & (UART_FCR_TRIGGER_MASK | UART_FCR_ENABLE_FIFO) :
			      0;
	if (toggled || value & UART_FCR_CLEAR_RCVR) {
		serial->rx_count = 0;
		serial->rx_head = 0;
	}
	/* What was sent is on the line already: CLEAR_XMIT has nothing to take back. */
	tell_room(serial);
}

static void write_ier(struct serial *serial, uint8_t value)
{
	bool enabled = value & ~serial->ier & UART_IER_THRI;

	serial->ier = value & IER_MASK;
	/*
	 * Enabling THRI while the transmitter is empty interrupts at once: drivers start sending
	 * that way.
	 */
	if (enabled && tx_ready(serial))
		serial->thre_pending = true;
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t id = interrupt_id(serial);

	if (id == UART_IIR_THRI)
		serial->thre_pending = false;
	return id | (serial->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

static uint8_t read_lsr(struct serial *serial)
{
	uint8_t lsr = serial->lsr_errors;

	serial->lsr_errors = 0;
	if (serial->rx_count)
		lsr |= UART_LSR_DR;
	if (tx_ready(serial))
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	return lsr;
}

static uint8_t read_msr(struct serial *serial)
{
	uint8_t msr = modem_lines(serial) | serial->msr_delta;

	serial->msr_delta = 0;
	return msr;
}

static uint8_t read_register(struct serial *serial, unsigned int reg)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return dlab ? serial->dll : rx_pop(serial);
	case UART_IER:
		return dlab ? serial->dlm : serial->ier;
	case UART_IIR:
		return read_iir(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return read_lsr(serial);
	case UART_MSR:
		return read_msr(serial);
	default:
		return serial->scr;
	}
}

static void write_register(struct serial *serial, unsigned int reg, uint8_t value)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			serial->dll = value;
		else
			tx_push(serial, value);
		break;
	case UART_IER:
		if (dlab)
			serial->dlm = value;
		else
			write_ier(serial, value);
		break;
	case UART_FCR:
		write_fcr(serial, value);
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		write_mcr(serial, value);
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	default: /* LSR and MSR are read only */
		break;
	}
}

static uint64_t serial_read(void *device, uint64_t offset, unsigned int size)
{
	struct serial *serial = device;
	uint8_t value;

	(void)size;
	pthread_mutex_lock(&serial->lock);
	value = read_register(serial, offset);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return value;
}

static void serial_write(void *device, uint64_t offset, unsigned int size, uint64_t value)
{
	struct serial *serial = device;

	(void)size;
	pthread_mutex_lock(&serial->lock);
	write_register(serial, offset, value);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

const struct bus_ops serial_bus_ops = {
	.read = serial_read,
	.write = serial_write,
};

size_t serial_take_output(struct serial *serial, uint8_t *data, size_t len)
{
	size_t n = 0;
	bool was_ready;

	pthread_mutex_lock(&serial->lock);
	was_ready = tx_ready(serial);
	while (n < len && tx_count(serial))
		data[n++] = serial->tx[serial->tx_head++ % SERIAL_TX_RING];
	if (!was_ready && tx_ready(serial))
		serial->thre_pending = true;
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return n;
}

size_t serial_offer_input(struct serial *serial, const uint8_t *data, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&serial->lock);
	if (serial->mcr & UART_MCR_RTS && !(serial->mcr & UART_MCR_LOOP)) {
		while (n < len && serial->rx_count < rx_size(serial))
			rx_push(serial, data[n++]);
	}
	serial->input_wanted = n < len;
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return n;
}
