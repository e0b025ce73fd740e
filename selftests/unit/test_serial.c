// SPDX-License-Identifier: GPL-2.0-only
/* The 16550A, register by register (PC16550D data sheet), and its host's side. */
#include <linux/serial_reg.h>
#include <stdio.h>
#include <string.h>

#include "device/serial.h"
#include "suite.h"

static struct serial serial;
static struct irq_line irq;
static unsigned int edges, attentions;

static void irq_set(struct irq_line *line)
{
	edges += line->level;
}

static void attention(void *owner)
{
	ck_assert_ptr_eq(owner, &attentions);
	attentions++;
}

static void setup(void)
{
	irq = (struct irq_line){ .set = irq_set };
	edges = 0;
	attentions = 0;
	serial_init(&serial, &irq, attention, &attentions);
}

static uint8_t in(unsigned int reg)
{
	return serial_bus_ops.read(&serial, reg, 1);
}

static void out(unsigned int reg, uint8_t value)
{
	serial_bus_ops.write(&serial, reg, 1, value);
}

/* As a driver leaves it: FIFOs on with trigger level 8, DTR, RTS and OUT2. */
static void start(uint8_t ier)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	out(UART_IER, ier);
}

static size_t offer(const char *text)
{
	return serial_offer_input(&serial, (const uint8_t *)text, strlen(text));
}

static const char *taken(void)
{
	static char text[SERIAL_TX_RING + 1];
	size_t n = serial_take_output(&serial, (uint8_t *)text, SERIAL_TX_RING);

	text[n] = 0;
	return text;
}

START_TEST(launcher_serial_reset_state)
{
	ck_assert_uint_eq(in(UART_IER), 0);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	ck_assert_uint_eq(in(UART_MCR), 0);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	ck_assert_uint_eq(in(UART_RX), 0);
	ck_assert(!irq.level);
}
END_TEST

START_TEST(launcher_serial_registers)
{
	out(UART_SCR, 0xa5);
	ck_assert_uint_eq(in(UART_SCR), 0xa5);
	out(UART_IER, 0xff);
	ck_assert_uint_eq(in(UART_IER), 0x0f);
	out(UART_MCR, 0xff);
	ck_assert_uint_eq(in(UART_MCR), 0x1f);
	out(UART_LCR, 0x1b);
	ck_assert_uint_eq(in(UART_LCR), 0x1b);
	/* The divisor hides behind DLAB and hides RX, TX and IER. */
	out(UART_LCR, 0x9b);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	ck_assert_uint_eq(in(UART_DLL), 0x34);
	ck_assert_uint_eq(in(UART_DLM), 0x12);
	out(UART_LCR, 0x1b);
	ck_assert_uint_eq(in(UART_IER), 0x0f);
	ck_assert_str_eq(taken(), "");
}
END_TEST

/* How drivers tell a 16550A from its relatives: bits 6 and 7 of IIR follow the FIFO enable. */
START_TEST(launcher_serial_is_16550a)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_uint_eq(in(UART_IIR)&0xc0, 0xc0);
	out(UART_FCR, 0);
	ck_assert_uint_eq(in(UART_IIR)&0xc0, 0);
	/* No 16750: its 64-byte mode (bit 5) is not there. */
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | 0x20);
	ck_assert_uint_eq(in(UART_IIR)&0x20, 0);
}
END_TEST

START_TEST(launcher_serial_output)
{
	start(0);
	for (const char *p = "hello"; *p; p++)
		out(UART_TX, *p);
	/* One call for attention per burst. */
	ck_assert_uint_eq(attentions, 1);
	ck_assert_str_eq(taken(), "hello");
	ck_assert_str_eq(taken(), "");
	out(UART_TX, '!');
	ck_assert_uint_eq(attentions, 2);
	ck_assert_str_eq(taken(), "!");
	ck_assert(!irq.level);
}
END_TEST

/*
 * THRE comes when it is enabled with the transmitter empty, goes when IIR is read, comes back with
 * the next byte.
 */
START_TEST(launcher_serial_thre_interrupt)
{
	start(UART_IER_THRI);
	ck_assert(irq.level);
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
	ck_assert(!irq.level);
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out(UART_TX, 'a');
	ck_assert(irq.level);
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_THRI);
	/* Not enabled anew: no interrupt. */
	out(UART_IER, UART_IER_THRI | UART_IER_RDI);
	ck_assert(!irq.level);
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	ck_assert(irq.level);
}
END_TEST

/*
 * The host does not take output: THRE clears before a byte is lost, and comes back as an interrupt.
 */
START_TEST(launcher_serial_backpressure)
{
	unsigned int sent = 0;
	uint8_t data[100];

	start(UART_IER_THRI);
	while (in(UART_LSR)&UART_LSR_THRE) {
		out(UART_TX, 'x');
		in(UART_IIR);
		sent++;
		ck_assert_uint_le(sent, SERIAL_TX_RING);
	}
	ck_assert_uint_eq(sent, SERIAL_TX_RING - SERIAL_FIFO + 1);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_TEMT, 0);
	ck_assert(!irq.level);
	ck_assert_uint_eq(serial_take_output(&serial, data, sizeof(data)), sizeof(data));
	ck_assert(irq.level);
	ck_assert_uint_ne(in(UART_LSR)&UART_LSR_THRE, 0);
	ck_assert_uint_eq(strlen(taken()), sent - sizeof(data));
	ck_assert_uint_eq(attentions, 1);
}
END_TEST

/* A guest that ignores THRE loses its own bytes and overruns nothing. */
START_TEST(launcher_serial_output_full)
{
	for (unsigned int i = 0; i < SERIAL_TX_RING + 100; i++)
		out(UART_TX, i);
	ck_assert_uint_eq(serial.tx_tail - serial.tx_head, SERIAL_TX_RING);
}
END_TEST

START_TEST(launcher_serial_input)
{
	start(UART_IER_RDI);
	ck_assert_uint_eq(offer("abc"), 3);
	ck_assert(irq.level);
	/* Three of eight: the timeout interrupt, at once. */
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_DR | UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(in(UART_RX), 'a');
	ck_assert_uint_eq(in(UART_RX), 'b');
	ck_assert(irq.level);
	ck_assert_uint_eq(in(UART_RX), 'c');
	ck_assert(!irq.level);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	ck_assert_uint_eq(edges, 1);
}
END_TEST

START_TEST(launcher_serial_trigger_level)
{
	static const struct {
		uint8_t fcr;
		unsigned int level;
	} triggers[] = {
		{ UART_FCR_TRIGGER_1, 1 },
		{ UART_FCR_TRIGGER_4, 4 },
		{ UART_FCR_TRIGGER_8, 8 },
		{ UART_FCR_TRIGGER_14, 14 },
	};

	for (size_t i = 0; i < 4; i++) {
		setup();
		start(UART_IER_RDI);
		out(UART_FCR, UART_FCR_ENABLE_FIFO | triggers[i].fcr);
		for (unsigned int n = 1; n <= SERIAL_FIFO; n++) {
			ck_assert_uint_eq(offer("x"), 1);
			ck_assert_uint_eq(in(UART_IIR)&0x0f, n < triggers[i].level ?
								     UART_IIR_RX_TIMEOUT :
								     UART_IIR_RDI);
		}
	}
}
END_TEST

/* A full FIFO takes no more; the host is called when half of it is free again. */
START_TEST(launcher_serial_input_backpressure)
{
	start(UART_IER_RDI);
	ck_assert_uint_eq(offer("0123456789abcdefghij"), 16);
	ck_assert_uint_eq(attentions, 0);
	for (unsigned int i = 0; i < 7; i++)
		in(UART_RX);
	ck_assert_uint_eq(attentions, 0);
	ck_assert_uint_eq(in(UART_RX), '7');
	ck_assert_uint_eq(attentions, 1);
	ck_assert_uint_eq(offer("ghij"), 4);
	for (const char *p = "89abcdefghij"; *p; p++)
		ck_assert_uint_eq(in(UART_RX), *p);
	/* All was taken: nothing to call for. */
	ck_assert_uint_eq(attentions, 1);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, 0);
}
END_TEST

/* Before the driver is ready (RTS) input waits outside, and the host is told when it may come. */
START_TEST(launcher_serial_waits_for_rts)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_uint_eq(offer("early"), 0);
	ck_assert_uint_eq(attentions, 0);
	out(UART_MCR, UART_MCR_RTS);
	ck_assert_uint_eq(attentions, 1);
	ck_assert_uint_eq(offer("early"), 5);
}
END_TEST

START_TEST(launcher_serial_without_fifo)
{
	start(UART_IER_RDI);
	out(UART_FCR, 0);
	ck_assert_uint_eq(offer("ab"), 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_RDI);
	ck_assert_uint_eq(in(UART_RX), 'a');
	ck_assert_uint_eq(attentions, 1);
	ck_assert_uint_eq(offer("b"), 1);
	ck_assert_uint_eq(in(UART_RX), 'b');
}
END_TEST

START_TEST(launcher_serial_clear_fifo)
{
	start(UART_IER_RDI);
	offer("abc");
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	ck_assert(!irq.level);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	/* What was sent is on the line. */
	out(UART_TX, 'q');
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
	ck_assert_str_eq(taken(), "q");
}
END_TEST

/* The test that Linux makes before it believes in a port. */
START_TEST(launcher_serial_loopback_modem)
{
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	ck_assert_uint_eq(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_RI | UART_MSR_DSR | UART_MSR_DDSR | UART_MSR_DDCD |
						UART_MSR_DCTS);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_RI | UART_MSR_DSR);
	/* TERI: the ring's trailing edge. */
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_DSR | UART_MSR_TERI);
}
END_TEST

START_TEST(launcher_serial_loopback_data)
{
	start(UART_IER_RDI);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	out(UART_TX, 'l');
	ck_assert_uint_eq(in(UART_RX), 'l');
	/* Nothing leaves, nothing comes in, and OUT2's gate is shut. */
	ck_assert_str_eq(taken(), "");
	ck_assert_uint_eq(offer("x"), 0);
	out(UART_TX, 'm');
	ck_assert(!irq.level);
}
END_TEST

/* Overrun: the seventeenth byte is lost, said once, with the highest priority. */
START_TEST(launcher_serial_overrun)
{
	start(UART_IER_RDI | UART_IER_RLSI);
	out(UART_MCR, UART_MCR_LOOP);
	for (unsigned int i = 0; i < 17; i++)
		out(UART_TX, 'a' + i);
	out(UART_MCR, UART_MCR_OUT2);
	ck_assert(irq.level);
	ck_assert_uint_eq(in(UART_IIR)&0x0f, UART_IIR_RLSI);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, UART_LSR_OE);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, 0);
	ck_assert_uint_eq(in(UART_IIR)&0x0f, UART_IIR_RDI);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(in(UART_RX), 'a' + i);
}
END_TEST

/* Priority: line status, received data, transmitter, modem. */
START_TEST(launcher_serial_priority)
{
	start(UART_IER_THRI | UART_IER_MSI | UART_IER_RDI);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	out(UART_TX, 'z');
	out(UART_MCR, UART_MCR_OUT2 | UART_MCR_RTS);
	ck_assert_uint_eq(in(UART_IIR)&0x0f, UART_IIR_RX_TIMEOUT);
	in(UART_RX);
	ck_assert_uint_eq(in(UART_IIR)&0x0f, UART_IIR_THRI);
	ck_assert_uint_eq(in(UART_IIR)&0x0f, UART_IIR_MSI);
	ck_assert(irq.level);
	in(UART_MSR);
	ck_assert(!irq.level);
	ck_assert_uint_eq(in(UART_IIR)&0x0f, UART_IIR_NO_INT);
}
END_TEST

/*
 * Whatever a guest and a typist do: queues within bounds, and the line high exactly while IIR has a
 * reason.
 */
START_TEST(launcher_serial_random)
{
	uint32_t state = 88172645;
	unsigned int wrong = 0;
	uint8_t data[64];

	for (int i = 0; i < 300000; i++) {
		bool gate, reason;

		state = state * 1664525 + 1013904223;
		switch (state >> 29) {
		case 0 ... 2:
			out(state >> 8 & 7, state >> 16);
			break;
		case 3 ... 5:
			in(state >> 8 & 7);
			break;
		case 6:
			serial_offer_input(&serial, data, state >> 8 & 31);
			break;
		default:
			serial_take_output(&serial, data, state >> 8 & 63);
		}
		wrong += serial.rx_count > SERIAL_FIFO || serial.rx_head >= SERIAL_FIFO;
		wrong += serial.tx_tail - serial.tx_head > SERIAL_TX_RING;
		gate = (serial.mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2;
		reason = (serial.ier & UART_IER_RDI && serial.rx_count) ||
			 (serial.ier & UART_IER_THRI && serial.thre_pending) ||
			 (serial.ier & UART_IER_RLSI && serial.lsr_errors) ||
			 (serial.ier & UART_IER_MSI && serial.msr_delta);
		wrong += irq.level != (gate && reason);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(edges, 1000);
}
END_TEST

/* Without OUT2 a PC's serial port interrupts nobody. */
START_TEST(launcher_serial_out2_gate)
{
	out(UART_IER, UART_IER_THRI);
	ck_assert(!irq.level);
	out(UART_MCR, UART_MCR_OUT2);
	ck_assert(irq.level);
	out(UART_MCR, 0);
	ck_assert(!irq.level);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_serial_reset_state,	launcher_serial_registers,
		launcher_serial_is_16550a,	launcher_serial_output,
		launcher_serial_thre_interrupt, launcher_serial_backpressure,
		launcher_serial_output_full,	launcher_serial_input,
		launcher_serial_trigger_level,	launcher_serial_input_backpressure,
		launcher_serial_waits_for_rts,	launcher_serial_without_fifo,
		launcher_serial_clear_fifo,	launcher_serial_loopback_modem,
		launcher_serial_loopback_data,	launcher_serial_overrun,
		launcher_serial_priority,	launcher_serial_out2_gate,
		launcher_serial_random,
	};

	return SUITE_RUN("serial", setup, tests);
}
