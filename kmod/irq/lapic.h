/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Local APIC, xAPIC and x2APIC mode (SDM vol. 3, chapter 11), version 0x14 with six LVT entries.
 *
 * "Owner" is the thread that holds the vCPU: the run loop or an ioctl under the vCPU's mutex.
 * Everything is the owner's unless said otherwise.
 */
#ifndef VMM_IRQ_LAPIC_H
#define VMM_IRQ_LAPIC_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct irqchip;
struct apic_msg;

#define LAPIC_DEFAULT_BASE 0xfee00000ull
#define LAPIC_MMIO_SIZE 0x1000u

/* IA32_APIC_BASE (SDM vol. 3, 11.4.4 and 11.12.1). */
#define LAPIC_BASE_BSP (1ull << 8)
#define LAPIC_BASE_X2APIC (1ull << 10)
#define LAPIC_BASE_ENABLE (1ull << 11)
#define LAPIC_BASE_MODE (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC)
#define LAPIC_BASE_ADDRESS 0x000ffffffffff000ull

/* Register offsets in the xAPIC page (SDM vol. 3, table 11-1). */
enum lapic_reg {
	LAPIC_ID = 0x020,
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_APR = 0x090,
	LAPIC_PPR = 0x0a0,
	LAPIC_EOI = 0x0b0,
	LAPIC_LDR = 0x0d0,
	LAPIC_DFR = 0x0e0,
	LAPIC_SVR = 0x0f0,
	LAPIC_ISR = 0x100,
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0,
};

/* x2APIC: a register is an MSR (SDM vol. 3, 11.12.1.2). */
#define X2APIC_MSR(reg) (0x800u + ((reg) >> 4))

#define LAPIC_LVT_MASKED (1u << 16)
#define LAPIC_SVR_ENABLE (1u << 8)

/* lapic_take_events() */
#define LAPIC_EVENT_INIT (1u << 0) /* act on it before LAPIC_EVENT_SIPI */
#define LAPIC_EVENT_SIPI (1u << 1)
#define LAPIC_EVENT_NMI (1u << 2)

/*
 * A periodic timer faster than this would be an interrupt storm on the host; KVM's default limit is
 * the same.
 */
#define LAPIC_MIN_PERIOD_NS 200000u

struct lapic {
	/* -- what other CPUs write to deliver interrupts -- */
	/*
	 * The register page, in KVM's (and the hardware's virtual-APIC page) layout; page aligned.
	 * IRR and TMR: atomic bit operations from any CPU. ID, LDR, DFR, SVR, TPR: written by the
	 * owner, read by senders with READ_ONCE. LVT timer, initial count and divide: written by
	 * the owner under timer_lock. ISR, PPR and the rest: owner only.
	 */
	void *regs;
	/* Bit n: IRR word n may be non-zero. Set by senders after the IRR bit; atomic. */
	unsigned long irr_words;
	atomic_t events; /* LAPIC_EVENT_* and the SIPI vector in bits 15:8 */
	atomic_t esr_pending; /* errors since the last write to ESR */
	atomic_t arbitration; /* lowest-priority messages taken: breaks ties between equal TPRs */
	unsigned long extint; /* bit 0: an ExtINT message came from the I/O APIC */

	/* -- the owner's; base is read by senders with READ_ONCE -- */
	u64 base; /* IA32_APIC_BASE */
	u64 base_reserved; /* bits of it that raise #GP */
	u8 isr_words; /* bit n: ISR word n is non-zero */

	/* -- timer: under timer_lock, irqsave, a leaf but for irqchip_ops -- */
	raw_spinlock_t timer_lock;
	u64 expires_ns; /* U64_MAX: not running */
	u64 period_ns; /* of the last initial count, before the limit above */
	u64 tsc_deadline; /* IA32_TSC_DEADLINE: 0 when it is not armed */
	u64 armed_deadline; /* what the host's timer is armed for: not after tsc_deadline; 0: not */

	/* -- constant -- */
	struct irqchip *irqchip;
	unsigned int vcpu; /* slot in irqchip->lapic[], and the vcpu of irqchip_ops */
	u32 id; /* x2APIC ID, and the xAPIC ID until the guest writes another */
	bool bsp;
};

static inline u32 lapic_read_reg(const struct lapic *lapic, u32 offset)
{
	return READ_ONCE(*(const u32 *)(lapic->regs + offset));
}

/* Globally: IA32_APIC_BASE. */
static inline bool lapic_enabled(const struct lapic *lapic)
{
	return READ_ONCE(lapic->base) & LAPIC_BASE_ENABLE;
}

static inline bool lapic_x2apic_mode(const struct lapic *lapic)
{
	return (READ_ONCE(lapic->base) & LAPIC_BASE_MODE) == LAPIC_BASE_MODE;
}

static inline bool lapic_software_enabled(const struct lapic *lapic)
{
	return lapic_read_reg(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE;
}

/*
 * Lifetime. lapic_create() makes one in the state after reset; no one sees it until
 * lapic_publish(), which is the last, infallible step of making a vCPU (kick() works from then on).
 * A LAPIC that was published is destroyed only with its VM, when no one can send any more and its
 * timer is cancelled. slot below IRQCHIP_MAX_VCPUS and unused, apic_id is the vCPU's id.
 */
struct lapic *lapic_create(struct irqchip *irqchip, unsigned int slot, u32 apic_id, bool bsp);
void lapic_publish(struct lapic *lapic);
void lapic_destroy(struct lapic *lapic);

/*
 * Reset (SDM vol. 3, 11.4.7): init keeps IA32_APIC_BASE and the ID. Pending events stay: they are
 * the run loop's.
 */
void lapic_reset(struct lapic *lapic, bool init);

/* -- the run loop -- */
/* The slow half of the next: something may be in IRR. */
int lapic_deliverable(struct lapic *lapic);
/*
 * The vector to inject now: the highest in IRR if it is above PPR, or -1. Ignores RFLAGS.IF, which
 * is the caller's.
 */
static inline int lapic_pending(struct lapic *lapic)
{
	return READ_ONCE(lapic->irr_words) ? lapic_deliverable(lapic) : -1;
}
/* Vector is lapic_pending()'s: IRR -> ISR. Returns it. */
u8 lapic_ack(struct lapic *lapic, u8 vector);
/*
 * ExtINT from the PIC goes to this vCPU: LINT0 unmasked in ExtINT mode, or no APIC (globally
 * disabled).
 */
bool lapic_accepts_extint(struct lapic *lapic);
/* INIT, SIPI and NMI that came since the last call; sipi_vector is set when LAPIC_EVENT_SIPI is. */
u32 lapic_take_events(struct lapic *lapic, u8 *sipi_vector);
static inline bool lapic_has_events(const struct lapic *lapic)
{
	return atomic_read(&lapic->events) != 0;
}
/* Of either: an interrupt that may be pending, or an event. */
static inline bool lapic_wants_attention(const struct lapic *lapic)
{
	return READ_ONCE(lapic->irr_words) | atomic_read(&lapic->events);
}
/* APIC-write and EOI-induced fast paths: the EOI register. */
void lapic_eoi(struct lapic *lapic);
/* Whether the end of this interrupt, edge triggered and in service, changes nothing but ISR. */
bool lapic_eoi_unheard(const struct lapic *lapic, u8 vector);

/* -- guest accesses -- */
/* gpa is in the page that the LAPIC decodes now (enabled and in xAPIC mode). */
static inline bool lapic_claims(const struct lapic *lapic, u64 gpa)
{
	return gpa - (lapic->base & LAPIC_BASE_ADDRESS) < LAPIC_MMIO_SIZE &&
	       (lapic->base & LAPIC_BASE_MODE) == LAPIC_BASE_ENABLE;
}
/*
 * offset in the page, size 1-8. A read within the low four bytes of a register gives that part of
 * it, any other read zero; a write that is not an aligned 32-bit one is ignored (SDM vol. 3,
 * 11.4.1).
 */
u64 lapic_mmio_read(struct lapic *lapic, u32 offset, u8 size);
void lapic_mmio_write(struct lapic *lapic, u32 offset, u8 size, u64 val);
/* MSRs 0x800-0x8ff. -EINVAL is #GP: not in x2APIC mode, no such register, reserved bits. */
int lapic_rdmsr(struct lapic *lapic, u32 index, u64 *val);
int lapic_wrmsr(struct lapic *lapic, u32 index, u64 val);

/*
 * IA32_APIC_BASE. -EINVAL is #GP: reserved bits, illegal transition (SDM vol. 3, 11.12.5; host may
 * make any).
 */
int lapic_set_base(struct lapic *lapic, u64 val, bool host_initiated);
static inline u64 lapic_get_base(const struct lapic *lapic)
{
	return lapic->base;
}
/* From CPUID: address bits that exist, and whether x2APIC does. Default: 52 bits and x2APIC. */
void lapic_set_base_limits(struct lapic *lapic, u8 maxphyaddr, bool x2apic);

/*
 * IA32_TSC_DEADLINE: reads 0 and ignores writes outside TSC-deadline mode (SDM vol. 3, 11.5.4.1).
 */
u64 lapic_get_tsc_deadline(struct lapic *lapic);
void lapic_set_tsc_deadline(struct lapic *lapic, u64 val);
/* The guest's TSC was set or its offset moved: the deadline means another time now. */
void lapic_tsc_changed(struct lapic *lapic);

static inline u8 lapic_get_cr8(const struct lapic *lapic)
{
	return lapic_read_reg(lapic, LAPIC_TPR) >> 4;
}
void lapic_set_tpr(struct lapic *lapic, u8 tpr);
/* As KVM's VAPIC page has it: TPR, class in service in bits 15:12, highest request in 31:24. */
u32 lapic_vapic_word(const struct lapic *lapic);
void lapic_set_cr8(struct lapic *lapic, u8 cr8);

/*
 * From the timer that ops->lapic_timer_arm() armed, hard-IRQ context, any CPU. Sets the IRR bit,
 * kicks, and re-arms a periodic timer through the same call under timer_lock (so that it cannot
 * overtake the guest's own re-arming): the timer's function returns HRTIMER_NORESTART.
 */
void lapic_timer_expired(struct lapic *lapic);

/*
 * KVM_GET_LAPIC, KVM_SET_LAPIC: by the owner. The mode is that of IA32_APIC_BASE. Reserved bits are
 * dropped.
 */
void lapic_get_state(struct lapic *lapic, struct kvm_lapic_state *state);
int lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state);

/* -- other parts of irq/, any CPU -- */
/* 1: taken; 0: that vector was pending already; -1: not taken. */
int lapic_accept(struct lapic *lapic, const struct apic_msg *msg);
bool lapic_matches(const struct lapic *lapic, const struct apic_msg *msg);

#endif
