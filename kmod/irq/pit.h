/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 8254 programmable interval timer (ports 0x40-0x43) and the system control port B at 0x61 that
 * gates its channel 2. Everything here is protected by irqchip.lock. Channel 0 pulses GSI 0.
 */
#ifndef VMM_IRQ_PIT_H
#define VMM_IRQ_PIT_H

#include <linux/kvm.h>
#include <linux/types.h>

struct irqchip;

#define PIT_HZ 1193182u
#define PIT_CHANNELS 3
#define PIT_GSI 0

/*
 * Periodic rates above this are not worth an interrupt storm on the host: the count reads right,
 * the interrupts come less often. KVM's default limit (min_timer_period_us) is the same.
 */
#define PIT_MIN_PERIOD_NS 200000u

/*
 * Which byte of a count goes over the port next; the first three are also RW1-RW0 of a control
 * word.
 */
enum pit_access { PIT_LOW = 1, PIT_HIGH, PIT_WORD0, PIT_WORD1 };

/* No control word was written since creation (KVM's value in kvm_pit_channel_state). */
#define PIT_MODE_NONE 0xff

struct pit_channel {
	u32 count; /* the count register: 1-65536 */
	u64 load_ns; /* when it was loaded, or the gate restarted it */
	u64 stop_ns; /* when the gate stopped the counting, while gate is false */
	u16 latched_count;
	u8 count_latched; /* enum pit_access of what is left to be read of it, 0: not latched */
	u8 status;
	bool status_latched;
	u8 read_state; /* enum pit_access, as are these two */
	u8 write_state;
	u8 access;
	u8 write_low; /* the low byte, waiting for the high one */
	u8 mode; /* 0-5 or PIT_MODE_NONE */
	bool bcd;
	bool gate;
	bool loaded; /* a count came after the control word; the inverse of "null count" */
	bool triggered; /* modes 1 and 5: the gate rose after the control word */
};

struct pit {
	bool created;
	bool speaker_port; /* port 0x61 is ours */
	bool speaker_on;
	u32 flags; /* KVM_PIT_FLAGS_* */
	struct pit_channel channel[PIT_CHANNELS];
	/*
	 * KVM_REINJECT_CONTROL: a tick that comes while the guest has not ended the last one's interrupt
	 * waits, so that a guest that counts ticks loses none.
	 */
	bool reinject;
	bool acked; /* no interrupt of ours is under way */
	u32 pending; /* ticks not ended: the one under way, and those that wait */
	u64 expires_ns; /* next rise of OUT0, U64_MAX when there is none */
};

/*
 * KVM_CREATE_PIT2; -EEXIST the second time, -EINVAL for unknown flags (KVM_PIT_SPEAKER_DUMMY is
 * known).
 */
int pit_create(struct irqchip *irqchip, u32 flags);
/* KVM_GET_PIT2, KVM_SET_PIT2; -ENXIO without a PIT. */
int pit_get_state(struct irqchip *irqchip, struct kvm_pit_state2 *state);
int pit_set_state(struct irqchip *irqchip, const struct kvm_pit_state2 *state);
/* KVM_REINJECT_CONTROL; there is a PIT. */
void pit_set_reinject(struct irqchip *irqchip, bool reinject);
/* The guest ended an interrupt on GSI 0. No locks. */
void pit_acked(struct irqchip *irqchip);
/*
 * From the timer that ops->pit_timer_arm() armed, hard-IRQ context. Re-arms through the same call,
 * so the timer's own function must not restart it (return HRTIMER_NORESTART).
 */
void pit_timer_expired(struct irqchip *irqchip);

/* Of irqchip.c, lock held. */
void pit_reset_reinject(struct irqchip *irqchip);
bool pit_claims(const struct irqchip *irqchip, u16 port);
u8 pit_port_read(struct irqchip *irqchip, u16 port);
void pit_port_write(struct irqchip *irqchip, u16 port, u8 val);

#endif
