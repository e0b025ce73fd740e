/* SPDX-License-Identifier: GPL-2.0-only */
/* A device's interrupt output. The device's own lock protects level. */
#ifndef LAUNCHER_DEVICE_IRQ_H
#define LAUNCHER_DEVICE_IRQ_H

#include <stdbool.h>

struct irq_line {
	void (*set)(struct irq_line *line);
	void *owner;
	unsigned int number;
	bool level;
};

/* Only a change costs a call into the kernel. */
static inline void irq_line_set(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	line->set(line);
}

#endif
