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

/*
 * Periodic rates above this are not worth an interrupt storm on the host: the count reads right,
 * the interrupts come less often. KVM's default limit (min_timer_period_us) is the same.
 */
#define PIT_MIN_PERIOD_NS 200000u

struct pit_channel {
	u32 count; /* the count register: 1-65536 */
	u64 load_ns; /* when it was loaded */
	u64 stop_ns; /* when the gate stopped the counting, while gate is 0 */
	u16 latched_count;
	u8 latched_bytes; /* bytes of latched_count still to be read, 0-2 */
	u8 status;
	bool status_latched;
	u8 write_low; /* the low byte, waiting for the high one */
	bool write_high_next;
	bool read_high_next;
	u8 access; /* RW1-RW0: 1 low, 2 high, 3 low then high */
	u8 mode; /* 0-5 */
	bool bcd;
	bool gate;
	bool loaded; /* a count was written since the control word: "null count" is the inverse */
	bool triggered; /* modes 1 and 5: the gate has risen since */
};

struct pit {
	bool created;
	bool speaker_port; /* port 0x61 is ours */
	bool speaker_on;
	u32 flags; /* KVM_PIT_FLAGS_* */
	struct pit_channel channel[PIT_CHANNELS];
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
/*
 * From the timer that ops->pit_timer_arm() armed, hard-IRQ context. Re-arms through the same call,
 * so the timer's own function must not restart it (return HRTIMER_NORESTART).
 */
void pit_timer_expired(struct irqchip *irqchip);

/* Of irqchip.c, lock held. */
bool pit_claims(const struct irqchip *irqchip, u16 port);
u8 pit_port_read(struct irqchip *irqchip, u16 port);
void pit_port_write(struct irqchip *irqchip, u16 port, u8 val);

#endif
