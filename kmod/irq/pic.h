/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pair of 8259A interrupt controllers of a PC, with the ELCR of the PIIX (ports 0x4d0, 0x4d1).
 * Everything here is protected by irqchip.lock unless said otherwise.
 */
#ifndef VMM_IRQ_PIC_H
#define VMM_IRQ_PIC_H

#include <linux/kvm.h>
#include <linux/types.h>

struct irqchip;

#define PIC_PINS 16
#define PIC_CASCADE 2 /* the master's input that the slave drives */

/*
 * What the next write to the data port is, after ICW1 (8259A data sheet, initialization sequence).
 */
enum pic_init { PIC_INIT_DONE, PIC_INIT_ICW2, PIC_INIT_ICW3, PIC_INIT_ICW4 };

struct pic_chip {
	u8 line; /* input levels; an edge is a rise of these */
	u8 irr;
	u8 isr;
	u8 imr;
	u8 elcr; /* 1: the input is level triggered */
	u8 lowest; /* input with the lowest priority, 7 unless rotated */
	u8 vector_base; /* ICW2 */
	enum pic_init init;
	bool needs_icw4; /* ICW1 IC4 */
	bool single; /* ICW1 SNGL: no ICW3 follows */
	bool auto_eoi;
	bool rotate_on_auto_eoi;
	bool special_fully_nested;
	bool special_mask;
	bool read_isr; /* OCW3: port A0=0 reads ISR, else IRR */
	bool poll; /* OCW3: the next read is a poll */
};

struct pic {
	struct pic_chip chip[2]; /* master, slave */
	u8 sources[PIC_PINS]; /* per input: a bit for each source that holds it high */
	u16 ended; /* pins whose interrupt the guest has ended, for pic_take_ended() */
	bool output; /* the master's INT line; written under the lock, read without it */
};

void pic_init(struct irqchip *irqchip);
int pic_set_irq(struct irqchip *irqchip, unsigned int pin, int source_id, bool level);
u8 pic_port_read(struct irqchip *irqchip, u16 port);
void pic_port_write(struct irqchip *irqchip, u16 port, u8 val);
void pic_get_state(struct irqchip *irqchip, unsigned int chip, struct kvm_pic_state *state);
int pic_set_state(struct irqchip *irqchip, unsigned int chip, const struct kvm_pic_state *state);

/* The watched pins whose interrupt ended since the last call. */
u32 pic_take_ended(struct irqchip *irqchip);

/* The two calls for the run loop: they take the lock themselves. pic_pending() is one load. */
bool pic_pending(const struct irqchip *irqchip);
/*
 * The two INTA cycles: returns the vector (that of a spurious IRQ7 or IRQ15 when the request is
 * gone).
 */
u8 pic_ack(struct irqchip *irqchip);

#endif
