/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MC146818 real-time clock with 128 bytes of CMOS memory, ports 0x70 (index) and 0x71 (data), IRQ
 * 8. It follows the host's clock (UTC) at a distance that the guest sets by writing the time.
 */
#ifndef LAUNCHER_DEVICE_RTC_H
#define LAUNCHER_DEVICE_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/bus.h"
#include "device/irq.h"

#define RTC_PORT 0x70
#define RTC_PORTS 2
#define RTC_IRQ 8
#define RTC_CENTURY 0x32 /* also named by the FADT */
#define RTC_NEVER INT64_MAX

struct rtc {
	pthread_mutex_t lock; /* protects everything below but the callbacks */
	struct irq_line *irq;
	int64_t (*now)(void); /* the host's clock, nanoseconds since 1970 */
	void (*attention)(
		void *owner); /* rtc_deadline() may have come nearer. Called under the lock. */
	void *owner;

	uint8_t index;
	uint8_t cmos[128]; /* time registers hold the time only while register B's SET bit is set */
	int64_t offset; /* guest time less host time, ns */
	int64_t seen; /* guest time up to which register C's flags are up to date */
};

extern const struct bus_ops rtc_bus_ops;

void rtc_init(struct rtc *rtc, struct irq_line *irq, int64_t (*now)(void),
	      void (*attention)(void *owner), void *owner);

/* The host time at which rtc_expire() is next due, RTC_NEVER when no interrupt is enabled. */
int64_t rtc_deadline(struct rtc *rtc);
void rtc_expire(struct rtc *rtc);

#endif
