// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer (SDM vol. 3, 11.5.4) on a clock that the test moves. A bus tick is 1 ns.
 */
#include <errno.h>

#include "fake_irqchip.h"

#define ONE_SHOT 0x00000
#define PERIODIC 0x20000
#define DEADLINE 0x40000
#define VECTOR 0xec

static struct fake *f;
static struct lapic *apic;

static void setup(void)
{
	f = fake_create(1);
	apic = f->lapic[0];
	apic_enable(apic);
	apic_write(apic, LAPIC_TIMER_DIVIDE, 0xb); /* by 1 */
}

static void teardown(void)
{
	fake_destroy(f);
}

static void start(u32 mode, u32 count)
{
	apic_write(apic, LAPIC_LVT_TIMER, mode | VECTOR);
	apic_write(apic, LAPIC_TIMER_INITIAL, count);
}

static u32 current_count(void)
{
	return apic_read(apic, LAPIC_TIMER_CURRENT);
}

/* How often it fires in ns, each one taken in its time. */
static unsigned int fires_in(u64 ns, u64 step)
{
	unsigned int n = 0;
	u64 done;

	for (done = 0; done < ns; done += step) {
		fake_advance(f, step);
		n += apic_take_and_eoi(apic) == VECTOR;
	}
	return n;
}

START_TEST(irq_lapic_timer_one_shot)
{
	start(ONE_SHOT, 5000);
	ck_assert_uint_eq(current_count(), 5000);
	fake_advance(f, 1);
	ck_assert_uint_eq(current_count(), 4999);
	fake_advance(f, 4998);
	ck_assert_uint_eq(current_count(), 1);
	ck_assert_int_eq(lapic_pending(apic), -1);
	fake_advance(f, 1);
	ck_assert_uint_eq(current_count(), 0);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	ck_assert_uint_eq(fires_in(100000, 1000), 0);
	/* The initial count stays to be read, and the counter at zero. */
	ck_assert_uint_eq(apic_read(apic, LAPIC_TIMER_INITIAL), 5000);
	ck_assert_uint_eq(current_count(), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
}
END_TEST

/* Figure 11-10. */
static const struct {
	u32 divide, by;
} divisors[] = {
	{ 0x0, 2 },  { 0x1, 4 },  { 0x2, 8 },	{ 0x3, 16 },
	{ 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 },
};

START_TEST(irq_lapic_timer_divisors)
{
	u32 by = divisors[_i].by;

	apic_write(apic, LAPIC_TIMER_DIVIDE, divisors[_i].divide);
	start(ONE_SHOT, 1000);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 1000 * by);
	fake_advance(f, 400 * by);
	ck_assert_uint_eq(current_count(), 600);
	fake_advance(f, 600 * by - 1);
	ck_assert_int_eq(lapic_pending(apic), -1);
	fake_advance(f, 1);
	ck_assert_int_eq(apic_take(apic), VECTOR);
}
END_TEST

START_TEST(irq_lapic_timer_longest_count)
{
	apic_write(apic, LAPIC_TIMER_DIVIDE, 0xa);
	start(PERIODIC, 0xffffffff);
	ck_assert_uint_eq(current_count(), 0xffffffff);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 0xffffffffull * 128);
	fake_advance(f, 128);
	ck_assert_uint_eq(current_count(), 0xfffffffe);
	ck_assert_uint_eq(fires_in(3 * 0xffffffffull * 128, 0xffffffffull * 16), 3);
}
END_TEST

START_TEST(irq_lapic_timer_periodic)
{
	start(PERIODIC, 1000000);
	fake_advance(f, 999999);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(current_count(), 1);
	fake_advance(f, 1);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	ck_assert_uint_eq(current_count(), 1000000);
	fake_advance(f, 250000);
	ck_assert_uint_eq(current_count(), 750000);
	ck_assert_uint_eq(fires_in(10000000, 125000), 10);
	/* No drift: the expiry is a whole number of periods from the start. */
	ck_assert_uint_eq((f->lapic_expires[0] - 1000000000) % 1000000, 0);
}
END_TEST

START_TEST(irq_lapic_timer_count_zero_stops)
{
	start(PERIODIC, 1000000);
	apic_write(apic, LAPIC_TIMER_INITIAL, 0);
	ck_assert_uint_eq(current_count(), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	ck_assert_uint_eq(fires_in(5000000, 1000000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_new_count_restarts)
{
	start(ONE_SHOT, 10000);
	fake_advance(f, 9000);
	apic_write(apic, LAPIC_TIMER_INITIAL, 10000);
	fake_advance(f, 9000);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(current_count(), 1000);
	fake_advance(f, 1000);
	ck_assert_int_eq(apic_take(apic), VECTOR);
}
END_TEST

START_TEST(irq_lapic_timer_masked_counts_silently)
{
	start(PERIODIC | LAPIC_LVT_MASKED, 1000000);
	ck_assert_uint_eq(fires_in(3500000, 100000), 0);
	ck_assert_uint_eq(current_count(), 500000);
	/* Unmasked it goes on in step; nothing from before is delivered. */
	apic_write(apic, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(fires_in(500000, 500000), 1);
}
END_TEST

START_TEST(irq_lapic_timer_one_shot_and_periodic_keep_the_count)
{
	start(ONE_SHOT, 1000000);
	fake_advance(f, 300000);
	apic_write(apic, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	ck_assert_uint_eq(current_count(), 700000);
	ck_assert_uint_eq(fires_in(2700000, 100000), 3);
	apic_write(apic, LAPIC_LVT_TIMER, ONE_SHOT | VECTOR);
	ck_assert_uint_eq(current_count(), 1000000);
	ck_assert_uint_eq(fires_in(5000000, 100000), 1);
	/* One that has run out stays so. */
	apic_write(apic, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	ck_assert_uint_eq(current_count(), 0);
	ck_assert_uint_eq(fires_in(5000000, 100000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_divide_changes_while_counting)
{
	start(ONE_SHOT, 1000);
	fake_advance(f, 400);
	apic_write(apic, LAPIC_TIMER_DIVIDE, 0x1); /* by 4 */
	ck_assert_uint_eq(current_count(), 600);
	fake_advance(f, 4 * 599);
	ck_assert_uint_eq(current_count(), 1);
	ck_assert_int_eq(lapic_pending(apic), -1);
	fake_advance(f, 4);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	/* Stopped: changing the divisor starts nothing. */
	apic_write(apic, LAPIC_TIMER_DIVIDE, 0xb);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	/* The new divisor is also that of the next periods. */
	start(PERIODIC, 1000000);
	fake_advance(f, 500000);
	apic_write(apic, LAPIC_TIMER_DIVIDE, 0x0);
	ck_assert_uint_eq(fires_in(1000000, 100000), 1);
	ck_assert_uint_eq(fires_in(6000000, 100000), 3);
}
END_TEST

START_TEST(irq_lapic_timer_fast_period_is_limited)
{
	unsigned int arms;

	start(PERIODIC, 100);
	ck_assert_uint_ge(f->lapic_expires[0], f->now + LAPIC_MIN_PERIOD_NS);
	arms = f->lapic_arms;
	ck_assert_uint_eq(fires_in(2000000, 10000), 2000000 / LAPIC_MIN_PERIOD_NS);
	ck_assert_uint_eq(f->lapic_arms - arms, 2000000 / LAPIC_MIN_PERIOD_NS);
	ck_assert_uint_le(current_count(), 100);
	/* So is one that was made periodic while it counted as one-shot. */
	apic_write(apic, LAPIC_TIMER_INITIAL, 0);
	start(ONE_SHOT, 50);
	apic_write(apic, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	ck_assert_uint_eq(fires_in(10000, 10000), 1);
	ck_assert_uint_ge(f->lapic_expires[0], f->now + LAPIC_MIN_PERIOD_NS - 10000);
	/* One-shot is not limited: each costs the guest an exit. */
	start(ONE_SHOT, 50);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 50);
}
END_TEST

START_TEST(irq_lapic_timer_late_callback)
{
	start(PERIODIC, 1000000);
	/* The host was away for three and a half periods: one interrupt, the next one in step. */
	f->now += 3500000;
	ck_assert_uint_eq(current_count(), 500000);
	lapic_timer_expired(apic);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 500000);
	ck_assert_uint_eq(current_count(), 500000);
}
END_TEST

START_TEST(irq_lapic_timer_stale_callback)
{
	/* The timer function had begun when the guest cancelled, and when it re-armed. */
	start(ONE_SHOT, 1000);
	apic_write(apic, LAPIC_TIMER_INITIAL, 0);
	lapic_timer_expired(apic);
	ck_assert_int_eq(lapic_pending(apic), -1);
	start(ONE_SHOT, 5000);
	f->lapic_expires[0] = U64_MAX;
	lapic_timer_expired(apic);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 5000);
}
END_TEST

START_TEST(irq_lapic_timer_illegal_vector)
{
	apic_write(apic, LAPIC_LVT_TIMER, 0x0f);
	apic_write(apic, LAPIC_TIMER_INITIAL, 1000);
	fake_advance(f, 1000);
	ck_assert_int_eq(lapic_pending(apic), -1);
	apic_write(apic, LAPIC_ESR, 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ESR), 0x40);
}
END_TEST

START_TEST(irq_lapic_timer_is_edge_triggered)
{
	struct apic_msg msg = { .vector = VECTOR, .mode = APIC_DELIVER_FIXED, .level = true };

	lapic_accept(apic, &msg);
	ck_assert(apic_bit(apic, LAPIC_TMR, VECTOR));
	start(ONE_SHOT, 10);
	fake_advance(f, 10);
	ck_assert(!apic_bit(apic, LAPIC_TMR, VECTOR));
}
END_TEST

START_TEST(irq_lapic_timer_software_disable_masks_it)
{
	start(PERIODIC, 1000000);
	apic_write(apic, LAPIC_SVR, 0xff);
	ck_assert_uint_eq(fires_in(5000000, 500000), 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_LVT_TIMER), PERIODIC | LAPIC_LVT_MASKED | VECTOR);
}
END_TEST

/* -- TSC-deadline mode (11.5.4.1): 2 GHz, so a nanosecond is two counts -- */

static u64 tsc(void)
{
	return fake_guest_tsc(f, 0);
}

START_TEST(irq_lapic_timer_deadline)
{
	u64 deadline = tsc() + 20000;

	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_set_tsc_deadline(apic, deadline);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), deadline);
	fake_advance(f, 9999);
	ck_assert_int_eq(lapic_pending(apic), -1);
	fake_advance(f, 2); /* rounded up, never early */
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	ck_assert_uint_ge(tsc(), deadline);
	/* It disarms itself, and says so. */
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
	ck_assert_uint_eq(fires_in(100000, 10000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_deadline_in_the_past)
{
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_set_tsc_deadline(apic, 1);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	lapic_set_tsc_deadline(apic, tsc());
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	/* Over one that was armed. */
	lapic_set_tsc_deadline(apic, tsc() + 1000);
	lapic_set_tsc_deadline(apic, tsc() - 1000);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	ck_assert_uint_eq(fires_in(100000, 1000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_deadline_zero_disarms)
{
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_set_tsc_deadline(apic, tsc() + 20000);
	lapic_set_tsc_deadline(apic, 0);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	ck_assert_uint_eq(fires_in(100000, 10000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_deadline_far_away)
{
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_set_tsc_deadline(apic, U64_MAX);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), U64_MAX);
	ck_assert_uint_gt(f->lapic_expires[0], f->now);
	ck_assert_uint_le(f->lapic_expires[0], S64_MAX);
	ck_assert_uint_eq(fires_in(10000000, 1000000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_deadline_other_modes_ignore_the_msr)
{
	start(ONE_SHOT, 5000);
	lapic_set_tsc_deadline(apic, tsc() + 100);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 5000);
	/* And that mode the counts. */
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	apic_write(apic, LAPIC_TIMER_INITIAL, 5000);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TIMER_INITIAL), 0);
	ck_assert_uint_eq(current_count(), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	lapic_set_tsc_deadline(apic, tsc() + 20000);
	ck_assert_uint_eq(current_count(), 0);
	apic_write(apic, LAPIC_TIMER_DIVIDE, 0);
	ck_assert_uint_eq(fires_in(20000, 5000), 1);
}
END_TEST

/* Between TSC-deadline and the others a change of mode disarms. */
START_TEST(irq_lapic_timer_deadline_mode_changes)
{
	start(_i ? PERIODIC : ONE_SHOT, 1000000);
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	ck_assert_uint_eq(fires_in(5000000, 500000), 0);
	lapic_set_tsc_deadline(apic, tsc() + 2000000);
	apic_write(apic, LAPIC_LVT_TIMER, (_i ? PERIODIC : ONE_SHOT) | VECTOR);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	ck_assert_uint_eq(fires_in(5000000, 500000), 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TIMER_INITIAL), 0);
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
}
END_TEST

START_TEST(irq_lapic_timer_deadline_masked)
{
	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | LAPIC_LVT_MASKED | VECTOR);
	lapic_set_tsc_deadline(apic, tsc() + 2000);
	ck_assert_uint_eq(fires_in(10000, 1000), 0);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
}
END_TEST

START_TEST(irq_lapic_timer_deadline_follows_the_tsc)
{
	u64 deadline = tsc() + 2000000;

	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_set_tsc_deadline(apic, deadline);
	/*
	 * The host's clock ran fast: the callback comes before the deadline, and waits for the
	 * rest.
	 */
	f->tsc_offset = -1000;
	fake_advance(f, 1000001);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 500);
	fake_advance(f, 500);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);

	lapic_set_tsc_deadline(apic, tsc() + 2000000);
	f->tsc_offset += 1000000;
	lapic_tsc_changed(apic);
	ck_assert_uint_eq(fires_in(500001, 500001), 1);
	lapic_set_tsc_deadline(apic, tsc() + 2000000);
	f->tsc_offset += 5000000;
	lapic_tsc_changed(apic);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
}
END_TEST

START_TEST(irq_lapic_timer_reserved_mode)
{
	apic_write(apic, LAPIC_LVT_TIMER, 0x60000 | VECTOR);
	ck_assert_uint_ne(apic_read(apic, LAPIC_LVT_TIMER) & 0x60000, 0x60000);
}
END_TEST

/* -- saved state -- */

START_TEST(irq_lapic_timer_state_periodic)
{
	struct kvm_lapic_state state;

	start(PERIODIC, 1000000);
	fake_advance(f, 300000);
	lapic_get_state(apic, &state);
	lapic_reset(apic, false);
	fake_advance(f, 10000000);
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	/* The rest of the period, then whole ones. */
	ck_assert_uint_eq(current_count(), 700000);
	ck_assert_uint_eq(fires_in(699999, 699999), 0);
	ck_assert_uint_eq(fires_in(1, 1), 1);
	ck_assert_uint_eq(f->lapic_expires[0], f->now + 1000000);
}
END_TEST

START_TEST(irq_lapic_timer_state_one_shot_that_ran_out)
{
	struct kvm_lapic_state state;

	start(ONE_SHOT, 1000);
	fake_advance(f, 2000);
	ck_assert_int_eq(apic_take_and_eoi(apic), VECTOR);
	lapic_get_state(apic, &state);
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TIMER_INITIAL), 1000);
}
END_TEST

/* What runs now is not part of the state that comes. */
START_TEST(irq_lapic_timer_state_replaces_a_running_timer)
{
	struct kvm_lapic_state state;

	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_get_state(apic, &state);
	start(PERIODIC, 1000000);
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
	ck_assert_uint_eq(fires_in(5000000, 500000), 0);
}
END_TEST

START_TEST(irq_lapic_timer_state_hostile_count)
{
	struct kvm_lapic_state state;
	u32 count = 0xffffffff;

	start(PERIODIC, 1000);
	lapic_get_state(apic, &state);
	memcpy(state.regs + LAPIC_TIMER_CURRENT, &count, sizeof(count));
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_le(current_count(), 1000);
	ck_assert_uint_le(fires_in(2000000, 100000), 2000000 / LAPIC_MIN_PERIOD_NS);
}
END_TEST

START_TEST(irq_lapic_timer_state_deadline)
{
	struct kvm_lapic_state state;
	u64 deadline = tsc() + 2000000;

	apic_write(apic, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_set_tsc_deadline(apic, deadline);
	lapic_get_state(apic, &state);
	/* The deadline is an MSR, not part of this state: it stays what it is. */
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), deadline);
	ck_assert_uint_eq(fires_in(1000001, 1000001), 1);
	lapic_reset(apic, false);
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_eq(lapic_get_tsc_deadline(apic), 0);
	ck_assert_uint_eq(f->lapic_expires[0], U64_MAX);
}
END_TEST

static void add_counts(Suite *suite)
{
	TCase *tc = tcase_create("counts");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_timer_one_shot);
	tcase_add_loop_test(tc, irq_lapic_timer_divisors, 0, ARRAY_SIZE(divisors));
	tcase_add_test(tc, irq_lapic_timer_longest_count);
	tcase_add_test(tc, irq_lapic_timer_periodic);
	tcase_add_test(tc, irq_lapic_timer_count_zero_stops);
	tcase_add_test(tc, irq_lapic_timer_new_count_restarts);
	tcase_add_test(tc, irq_lapic_timer_masked_counts_silently);
	tcase_add_test(tc, irq_lapic_timer_one_shot_and_periodic_keep_the_count);
	tcase_add_test(tc, irq_lapic_timer_divide_changes_while_counting);
	tcase_add_test(tc, irq_lapic_timer_fast_period_is_limited);
	tcase_add_test(tc, irq_lapic_timer_late_callback);
	tcase_add_test(tc, irq_lapic_timer_stale_callback);
	tcase_add_test(tc, irq_lapic_timer_illegal_vector);
	tcase_add_test(tc, irq_lapic_timer_is_edge_triggered);
	tcase_add_test(tc, irq_lapic_timer_software_disable_masks_it);
	tcase_add_test(tc, irq_lapic_timer_reserved_mode);
	suite_add_tcase(suite, tc);
}

static void add_deadline(Suite *suite)
{
	TCase *tc = tcase_create("deadline");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_timer_deadline);
	tcase_add_test(tc, irq_lapic_timer_deadline_in_the_past);
	tcase_add_test(tc, irq_lapic_timer_deadline_zero_disarms);
	tcase_add_test(tc, irq_lapic_timer_deadline_far_away);
	tcase_add_test(tc, irq_lapic_timer_deadline_other_modes_ignore_the_msr);
	tcase_add_loop_test(tc, irq_lapic_timer_deadline_mode_changes, 0, 2);
	tcase_add_test(tc, irq_lapic_timer_deadline_masked);
	tcase_add_test(tc, irq_lapic_timer_deadline_follows_the_tsc);
	suite_add_tcase(suite, tc);
}

static void add_state(Suite *suite)
{
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_timer_state_periodic);
	tcase_add_test(tc, irq_lapic_timer_state_one_shot_that_ran_out);
	tcase_add_test(tc, irq_lapic_timer_state_replaces_a_running_timer);
	tcase_add_test(tc, irq_lapic_timer_state_hostile_count);
	tcase_add_test(tc, irq_lapic_timer_state_deadline);
	suite_add_tcase(suite, tc);
}

int main(void)
{
	Suite *suite = suite_create("lapic_timer");

	add_counts(suite);
	add_deadline(suite);
	add_state(suite);
	return run_suite(suite);
}
