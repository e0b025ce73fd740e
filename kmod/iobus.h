/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port and memory ranges that the kernel itself answers: the interrupt controllers, later doorbells.
 * One bus for PIO and one for MMIO per VM.
 */
#ifndef VMM_IOBUS_H
#define VMM_IOBUS_H

#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/types.h>

#define IOBUS_MAX_RANGES 4096

struct iobus_handler;

/*
 * Called under the bus's SRCU read lock, by any vCPU at any time: a handler locks its own state. In process
 * context; write may find interrupts off and must not sleep. len is 1, 2, 4 or 8 and the access lies within the range. Returns 0 or -EOPNOTSUPP:
 * then the next range that holds the address is asked, and in the end userspace. NULL: always -EOPNOTSUPP.
 */
struct iobus_ops {
	int (*read)(struct iobus_handler *handler, u64 addr, int len, void *data);
	int (*write)(struct iobus_handler *handler, u64 addr, int len, const void *data);
};

/* Embedded in the device's structure. */
struct iobus_handler {
	const struct iobus_ops *ops;
};

struct iobus_ranges;

struct iobus {
	struct mutex lock; /* serialises register and unregister */
	struct srcu_struct *srcu; /* readers of ranges, and the handlers called from there */
	struct iobus_ranges __rcu *ranges;
	u32 additions; /* ranges registered ever: what was nobody's may be somebody's when it changes */
};

int iobus_init(struct iobus *bus, struct srcu_struct *srcu);
/* No vCPU may be left. */
void iobus_destroy(struct iobus *bus);

/*
 * Claim [addr, addr + len); len 0 claims accesses of any length that start at addr. Ranges may overlap: the
 * one with the higher start, and of equal ones the newest, is asked first. -ENOSPC when the bus is full,
 * -EINVAL when the range wraps, -ENOMEM.
 */
int iobus_register(struct iobus *bus, u64 addr, u64 len, struct iobus_handler *handler);

/* Drop every range of the handler. On return no call into it is running. Not from within a handler. */
void iobus_unregister(struct iobus *bus, struct iobus_handler *handler);

/* 0 when a handler took the access, -EOPNOTSUPP when userspace has to. */
int iobus_read(struct iobus *bus, u64 addr, int len, void *data);
int iobus_write(struct iobus *bus, u64 addr, int len, const void *data);
/* The same within an SRCU section of the bus's. */
int iobus_write_held(struct iobus *bus, u64 addr, int len, const void *data);

/* Read it before the question: the answer "no" holds for as long as it stays the same. */
static inline u32 iobus_additions(const struct iobus *bus)
{
	return smp_load_acquire(&bus->additions);
}

/* Does any range hold the access, whether or not its handler takes it? */
bool iobus_claimed(struct iobus *bus, u64 addr, int len);

#endif
