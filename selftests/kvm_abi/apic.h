/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest side of the interrupt controllers: local APIC in both modes, IOAPIC, PIC, PIT. */
#ifndef SELFTEST_APIC_H
#define SELFTEST_APIC_H

#include "guest.h"

#define APIC_BASE 0xfee00000UL
#define IOAPIC_BASE 0xfec00000UL

enum {
	APIC_ID = 0x20,
	APIC_VERSION = 0x30,
	APIC_TPR = 0x80,
	APIC_PPR = 0xa0,
	APIC_EOI = 0xb0,
	APIC_LDR = 0xd0,
	APIC_DFR = 0xe0,
	APIC_SVR = 0xf0,
	APIC_ISR = 0x100,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_ICR = 0x300,
	APIC_ICR2 = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0,
};

enum {
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8,
	ICR_NMI = 4 << 8,
	ICR_ASSERT = 1 << 14,
	ICR_LEVEL = 1 << 15,
	ICR_LOGICAL = 1 << 11,
	ICR_SELF = 1 << 18,
	ICR_ALL = 2 << 18,
	ICR_OTHERS = 3 << 18,
	LVT_MASKED = 1 << 16,
	LVT_PERIODIC = 1 << 17,
	LVT_DEADLINE = 2 << 17,
};

/* A test sets this before its vCPUs run; the accessors below then use MSRs. */
extern volatile u64 apic_x2;

static inline u32 apic_read(u32 reg)
{
	if (apic_x2)
		return rdmsr(MSR_X2APIC + (reg >> 4));
	return *(volatile u32 *)(APIC_BASE + reg);
}

static inline void apic_write(u32 reg, u32 value)
{
	if (apic_x2)
		wrmsr(MSR_X2APIC + (reg >> 4), value);
	else
		*(volatile u32 *)(APIC_BASE + reg) = value;
}

/* Enables the APIC in the mode that apic_x2 asks for, spurious vector 0xff. */
static inline void apic_enable(void)
{
	if (apic_x2)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 1 << 10);
	apic_write(APIC_SVR, 0x1ff);
}

static inline void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static inline void apic_ipi(u32 destination, u32 command)
{
	if (apic_x2) {
		wrmsr(MSR_X2APIC + (APIC_ICR >> 4), (u64)destination << 32 | command);
		return;
	}
	*(volatile u32 *)(APIC_BASE + APIC_ICR2) = destination << 24;
	*(volatile u32 *)(APIC_BASE + APIC_ICR) = command;
}

static inline bool apic_bit(u32 reg, u8 vector)
{
	return apic_read(reg + (vector >> 5) * 0x10) >> (vector & 31) & 1;
}

static inline u32 ioapic_read(u8 reg)
{
	*(volatile u32 *)IOAPIC_BASE = reg;
	return *(volatile u32 *)(IOAPIC_BASE + 0x10);
}

static inline void ioapic_write(u8 reg, u32 value)
{
	*(volatile u32 *)IOAPIC_BASE = reg;
	*(volatile u32 *)(IOAPIC_BASE + 0x10) = value;
}

/* Fixed delivery to APIC 0; LEVEL is bit 15, masked bit 16. */
static inline void ioapic_route(u8 pin, u8 vector, u32 flags)
{
	ioapic_write(0x11 + 2 * pin, 0);
	ioapic_write(0x10 + 2 * pin, vector | flags);
}

/* Both PICs, vectors from 0x20, automatic EOI off, everything masked but what MASK leaves. */
static inline void pic_init(u16 mask)
{
	outb(0x20, 0x11);
	outb(0x21, 0x20);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, 0x28);
	outb(0xa1, 2);
	outb(0xa1, 1);
	outb(0x21, mask);
	outb(0xa1, mask >> 8);
}

#endif
