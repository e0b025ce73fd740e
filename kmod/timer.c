// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ktime.h>
#include <linux/math64.h>
#include <asm/tsc.h>

#include "irq/lapic.h"
#include "timer.h"
#include "vm.h"

/* ns = tsc * vm->tsc_mult >> TSC_SHIFT. A longer wait than TSC_LONGEST, days, would overflow and
 * does not matter. */
#define TSC_SHIFT 30
#define TSC_LONGEST (1ull << 50)

/* Not once at load: the kernel refines its figure a few seconds after it has booted. */
void timer_init_tsc(struct vm *vm)
{
	vm->tsc_mult = div_u64(1000000ull << TSC_SHIFT, tsc_khz);
}

u64 timer_guest_tsc(const struct vcpu *vcpu)
{
	return rdtsc_ordered() + READ_ONCE(vcpu->tsc_offset);
}

static void set_offset(struct vcpu *vcpu, u64 offset)
{
	WRITE_ONCE(vcpu->tsc_offset, offset);
	backend->set_tsc_offset(vcpu, offset);
	pvclock_tsc_changed(vcpu);
	if (vcpu->lapic)
		lapic_tsc_changed(vcpu->lapic);
}

void timer_adjust_guest_tsc(struct vcpu *vcpu, u64 offset)
{
	set_offset(vcpu, offset);
}

void timer_set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
	struct vm *vm = vcpu->vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	vm->tsc_offset = offset;
	vm->tsc_host = rdtsc_ordered();
	vm->tsc_value = vm->tsc_host + offset;
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
	set_offset(vcpu, offset);
}

void timer_set_guest_tsc(struct vcpu *vcpu, u64 value)
{
	u64 second = (u64)tsc_khz * 1000;
	struct vm *vm = vcpu->vm;
	unsigned long flags;
	u64 host, expected, offset;

	raw_spin_lock_irqsave(&vm->tsc_lock, flags);
	host = rdtsc_ordered();
	expected = vm->tsc_value + (host - vm->tsc_host);
	offset = value - host;
	/* 0 is what userspace writes to say "as the others"; a new vCPU starts so too. */
	if (vm->tsc_host && (!value || value + second - expected < 2 * second))
		offset = vm->tsc_offset;
	else
		vm->tsc_offset = offset;
	vm->tsc_value = host + offset;
	vm->tsc_host = host;
	raw_spin_unlock_irqrestore(&vm->tsc_lock, flags);
	set_offset(vcpu, offset);
}

/* -- timers: the functions run in hard-IRQ context and re-arm through arm() below -- */

static void arm(struct hrtimer *timer, u64 expires_ns)
{
	if (expires_ns == U64_MAX)
		hrtimer_try_to_cancel(timer);
	/* One that fires earlier will do: its function arms it again for the rest of the time. */
	else if (!hrtimer_is_queued(timer) || hrtimer_get_expires_ns(timer) > expires_ns)
		hrtimer_start(timer, ns_to_ktime(min_t(u64, expires_ns, KTIME_MAX)),
			      HRTIMER_MODE_ABS_HARD);
}

static enum hrtimer_restart lapic_fired(struct hrtimer *timer)
{
	struct vcpu *vcpu = container_of(timer, struct vcpu, lapic_timer);

	lapic_timer_expired(vcpu->lapic);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart pit_fired(struct hrtimer *timer)
{
	struct vm *vm = container_of(timer, struct vm, pit_timer);

	pit_timer_expired(vm->irqchip);
	return HRTIMER_NORESTART;
}

void timer_init_lapic(struct vcpu *vcpu)
{
	hrtimer_init(&vcpu->lapic_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	vcpu->lapic_timer.function = lapic_fired;
}

void timer_init_pit(struct vm *vm)
{
	hrtimer_init(&vm->pit_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	vm->pit_timer.function = pit_fired;
}

void timer_cancel_lapic(struct vcpu *vcpu)
{
	hrtimer_cancel(&vcpu->lapic_timer);
}

void timer_cancel_pit(struct vm *vm)
{
	hrtimer_cancel(&vm->pit_timer);
}

/* -- struct irqchip_ops: leaves, in any context, but for the last two -- */

static struct vcpu *vcpu_of(void *ctx, unsigned int index)
{
	struct vm *vm = ctx;

	return vm->vcpus[index];
}

static u64 irqchip_now_ns(void *ctx)
{
	return ktime_get_ns();
}

static u64 irqchip_guest_tsc(void *ctx, unsigned int vcpu)
{
	return timer_guest_tsc(vcpu_of(ctx, vcpu));
}

static u64 irqchip_tsc_to_ns(void *ctx, unsigned int vcpu, u64 tsc_delta)
{
	struct vm *vm = ctx;

	return mul_u64_u64_shr(min(tsc_delta, TSC_LONGEST), vm->tsc_mult, TSC_SHIFT);
}

static void irqchip_lapic_timer_arm(void *ctx, unsigned int vcpu, u64 expires_ns)
{
	arm(&vcpu_of(ctx, vcpu)->lapic_timer, expires_ns);
}

static void irqchip_pit_timer_arm(void *ctx, u64 expires_ns)
{
	struct vm *vm = ctx;

	arm(&vm->pit_timer, expires_ns);
}

static void irqchip_kick(void *ctx, unsigned int vcpu)
{
	vcpu_kick(vcpu_of(ctx, vcpu));
}

static void irqchip_acked(void *ctx, u32 gsi)
{
	struct vm *vm = ctx;

	irqfd_acked(&vm->irqfds, vm->irqchip, gsi);
}

/* By the vCPU's own thread. */
static void irqchip_eoi_to_user(void *ctx, unsigned int index, u8 vector)
{
	struct vcpu *vcpu = vcpu_of(ctx, index);

	__set_bit(vector, vcpu->ioapic_eois);
	vcpu_request(vcpu, VCPU_REQ_IOAPIC_EOI);
}

const struct irqchip_ops timer_irqchip_ops = {
	.now_ns = irqchip_now_ns,
	.guest_tsc = irqchip_guest_tsc,
	.tsc_to_ns = irqchip_tsc_to_ns,
	.lapic_timer_arm = irqchip_lapic_timer_arm,
	.pit_timer_arm = irqchip_pit_timer_arm,
	.kick = irqchip_kick,
	.acked = irqchip_acked,
	.eoi_to_user = irqchip_eoi_to_user,
};
