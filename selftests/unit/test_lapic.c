// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: registers, priorities, modes, messages and saved state. Numbers are the SDM's, vol.
 * 3, chapter 11.
 */
#include <errno.h>
#include <pthread.h>

#include "fake_irqchip.h"

#define ESR_SEND_ILLEGAL 0x20
#define ESR_RECEIVE_ILLEGAL 0x40
#define ESR_ILLEGAL_REGISTER 0x80

static struct fake *f;
static struct lapic *apic;

static void setup(void)
{
	f = fake_create(4);
	apic = f->lapic[1];
	apic_enable(apic);
}

static void teardown(void)
{
	fake_destroy(f);
}

/* Latches the errors, as software has to before it reads them. */
static u32 read_esr(struct lapic *lapic)
{
	apic_write(lapic, LAPIC_ESR, 0);
	return apic_read(lapic, LAPIC_ESR);
}

/* -- reset (11.4.7.1) -- */

static const struct {
	u32 offset, val;
} reset_values[] = {
	{ LAPIC_ID, 0x03000000 },
	{ LAPIC_VERSION, 0x00050014 },
	{ LAPIC_TPR, 0 },
	{ LAPIC_APR, 0 },
	{ LAPIC_PPR, 0 },
	{ LAPIC_LDR, 0 },
	{ LAPIC_DFR, 0xffffffff },
	{ LAPIC_SVR, 0xff },
	{ LAPIC_ESR, 0 },
	{ LAPIC_ICR, 0 },
	{ LAPIC_ICR_HIGH, 0 },
	{ LAPIC_LVT_TIMER, 0x10000 },
	{ LAPIC_LVT_THERMAL, 0x10000 },
	{ LAPIC_LVT_PERF, 0x10000 },
	{ LAPIC_LVT_LINT0, 0x10000 },
	{ LAPIC_LVT_LINT1, 0x10000 },
	{ LAPIC_LVT_ERROR, 0x10000 },
	{ LAPIC_TIMER_INITIAL, 0 },
	{ LAPIC_TIMER_CURRENT, 0 },
	{ LAPIC_TIMER_DIVIDE, 0 },
};

static void check_reset_values(struct lapic *lapic)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reset_values); i++)
		ck_assert_msg(apic_read(lapic, reset_values[i].offset) == reset_values[i].val,
			      "register %#x is %#x", reset_values[i].offset,
			      apic_read(lapic, reset_values[i].offset));
	for (i = 0; i < 8; i++) {
		ck_assert_uint_eq(apic_read(lapic, LAPIC_ISR + i * 0x10), 0);
		ck_assert_uint_eq(apic_read(lapic, LAPIC_TMR + i * 0x10), 0);
		ck_assert_uint_eq(apic_read(lapic, LAPIC_IRR + i * 0x10), 0);
	}
}

START_TEST(irq_lapic_reset_values)
{
	check_reset_values(f->lapic[3]);
	ck_assert_uint_eq(lapic_get_base(f->lapic[3]), 0xfee00800);
	ck_assert_uint_eq(lapic_get_base(f->lapic[0]), 0xfee00900);
	/* The boot CPU takes the PIC's interrupts through LINT0. */
	ck_assert_uint_eq(apic_read(f->lapic[0], LAPIC_LVT_LINT0), 0x700);
}
END_TEST

static void dirty_all(struct lapic *lapic)
{
	u32 offset;

	apic_enable(lapic);
	for (offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 0x10)
		apic_write(lapic, offset, 0x31);
	apic_write(lapic, LAPIC_TIMER_DIVIDE, 0xb);
	apic_write(lapic, LAPIC_TIMER_INITIAL, 1000000);
	apic_write(lapic, LAPIC_LDR, 0x08000000);
	apic_write(lapic, LAPIC_DFR, 0x0fffffff);
	apic_write(lapic, LAPIC_ICR_HIGH, 0x5a000000);
	apic_write(lapic, LAPIC_ICR, 0x00000241); /* SMI: to nobody */
	send_fixed(lapic, 0x41);
	ck_assert_int_eq(apic_take(lapic), 0x41);
	send_fixed(lapic, 0x42);
	apic_write(lapic, LAPIC_TPR, 0x50);
	lapic_mmio_read(lapic, 0x3f0, 4);
	apic_write(lapic, LAPIC_ESR, 0);
	send_fixed(lapic, 3);
}

START_TEST(irq_lapic_init_resets_all_but_base_and_id)
{
	struct lapic *lapic = f->lapic[2];

	dirty_all(lapic);
	apic_write(lapic, LAPIC_ID, 0x03000000);
	ck_assert_int_eq(lapic_set_base(lapic, 0xfed00800, false), 0);
	lapic_reset(lapic, true);
	ck_assert_uint_eq(lapic_get_base(lapic), 0xfed00800);
	check_reset_values(lapic);
	ck_assert_int_eq(lapic_pending(lapic), -1);
	ck_assert_uint_eq(lapic->irr_words, 0); /* or every entry would look at IRR */
	ck_assert_uint_eq(f->lapic_expires[2], U64_MAX);
	ck_assert_uint_eq(read_esr(lapic), 0);
}
END_TEST

START_TEST(irq_lapic_power_up_resets_base_and_id)
{
	struct lapic *lapic = f->lapic[3];

	dirty_all(lapic);
	apic_write(lapic, LAPIC_ID, 0x77000000);
	ck_assert_int_eq(lapic_set_base(lapic, 0xfed00800, false), 0);
	lapic_reset(lapic, false);
	ck_assert_uint_eq(lapic_get_base(lapic), 0xfee00800);
	check_reset_values(lapic);
}
END_TEST

START_TEST(irq_lapic_init_keeps_x2apic_mode)
{
	apic_enable_x2apic(apic);
	lapic_reset(apic, true);
	ck_assert_uint_eq(lapic_get_base(apic), 0xfee00c00);
	ck_assert_uint_eq(lapic_read_reg(apic, LAPIC_ID), 1);
	ck_assert_uint_eq(lapic_read_reg(apic, LAPIC_LDR), 2);
	ck_assert_uint_eq(lapic_read_reg(apic, LAPIC_SVR), 0xff);
}
END_TEST

/* -- acceptance, priority and EOI (11.8) -- */

START_TEST(irq_lapic_every_vector_is_delivered_once)
{
	int vector;

	for (vector = 16; vector < 256; vector++) {
		ck_assert_int_eq(send_fixed(apic, vector), 1);
		ck_assert(apic_bit(apic, LAPIC_IRR, vector));
		ck_assert_int_eq(lapic_pending(apic), vector);
		ck_assert_int_eq(lapic_ack(apic, vector), vector);
		ck_assert(!apic_bit(apic, LAPIC_IRR, vector));
		ck_assert(apic_bit(apic, LAPIC_ISR, vector));
		ck_assert_int_eq(lapic_pending(apic), -1);
		apic_write(apic, LAPIC_EOI, 0);
		ck_assert(!apic_bit(apic, LAPIC_ISR, vector));
	}
	ck_assert_uint_eq(f->kicks[1], 240);
}
END_TEST

START_TEST(irq_lapic_vectors_go_by_priority)
{
	static const u8 sent[] = { 0x31, 0xf0, 0x10, 0x80, 0x7f, 0xff, 0x1f, 0x60 };
	static const u8 taken[] = { 0xff, 0xf0, 0x80, 0x7f, 0x60, 0x31, 0x1f, 0x10 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sent); i++)
		ck_assert_int_eq(send_fixed(apic, sent[i]), 1);
	for (i = 0; i < ARRAY_SIZE(taken); i++)
		ck_assert_int_eq(apic_take_and_eoi(apic), taken[i]);
	ck_assert_int_eq(apic_take(apic), -1);
}
END_TEST

START_TEST(irq_lapic_higher_class_preempts_same_class_waits)
{
	send_fixed(apic, 0x51);
	ck_assert_int_eq(apic_take(apic), 0x51);
	/* Higher vector of the same class: the class decides. */
	send_fixed(apic, 0x5f);
	ck_assert_int_eq(apic_take(apic), -1);
	send_fixed(apic, 0x60);
	ck_assert_int_eq(apic_take(apic), 0x60);
	ck_assert_uint_eq(apic_read(apic, LAPIC_PPR), 0x60);
	/* EOI ends the highest in service first. */
	apic_write(apic, LAPIC_EOI, 0);
	ck_assert(!apic_bit(apic, LAPIC_ISR, 0x60));
	ck_assert(apic_bit(apic, LAPIC_ISR, 0x51));
	ck_assert_uint_eq(apic_read(apic, LAPIC_PPR), 0x50);
	ck_assert_int_eq(apic_take(apic), -1);
	apic_write(apic, LAPIC_EOI, 0);
	ck_assert_int_eq(apic_take_and_eoi(apic), 0x5f);
	ck_assert_uint_eq(apic_read(apic, LAPIC_PPR), 0);
}
END_TEST

START_TEST(irq_lapic_same_vector_again_while_in_service)
{
	send_fixed(apic, 0x44);
	ck_assert_int_eq(apic_take(apic), 0x44);
	ck_assert_int_eq(send_fixed(apic, 0x44), 1);
	/* IRR and ISR hold one each: a third one merges (11.8.4). */
	ck_assert_int_eq(send_fixed(apic, 0x44), 0);
	ck_assert_int_eq(apic_take(apic), -1);
	apic_write(apic, LAPIC_EOI, 0);
	ck_assert_int_eq(apic_take_and_eoi(apic), 0x44);
	ck_assert_int_eq(apic_take(apic), -1);
}
END_TEST

START_TEST(irq_lapic_eoi_with_nothing_in_service)
{
	send_fixed(apic, 0x44);
	apic_write(apic, LAPIC_EOI, 0);
	ck_assert_int_eq(apic_take(apic), 0x44);
}
END_TEST

/* TPR, vector in service, PPR (11.8.3.1). */
static const struct {
	u8 tpr;
	int isr;
	u8 ppr;
} pprs[] = {
	{ 0x00, -1, 0x00 },   { 0x0f, -1, 0x0f },   { 0x35, -1, 0x35 },	  { 0x35, 0x2f, 0x35 },
	{ 0x35, 0x4c, 0x40 }, { 0x0f, 0x4c, 0x40 }, { 0xff, 0xfe, 0xff }, { 0x00, 0x10, 0x10 },
};

START_TEST(irq_lapic_ppr)
{
	if (pprs[_i].isr >= 0) {
		send_fixed(apic, pprs[_i].isr);
		ck_assert_int_eq(apic_take(apic), pprs[_i].isr);
	}
	apic_write(apic, LAPIC_TPR, pprs[_i].tpr);
	ck_assert_uint_eq(apic_read(apic, LAPIC_PPR), pprs[_i].ppr);
}
END_TEST

START_TEST(irq_lapic_tpr_holds_back)
{
	unsigned int class;

	send_fixed(apic, 0x75);
	for (class = 0; class < 16; class ++) {
		apic_write(apic, LAPIC_TPR, class << 4);
		ck_assert_int_eq(lapic_pending(apic), class < 7 ? 0x75 : -1);
	}
	/* The sub-class of the TPR holds nothing back. */
	apic_write(apic, LAPIC_TPR, 0x6f);
	ck_assert_int_eq(lapic_pending(apic), 0x75);
}
END_TEST

START_TEST(irq_lapic_cr8_is_the_tpr_class)
{
	apic_write(apic, LAPIC_TPR, 0x9c);
	ck_assert_uint_eq(lapic_get_cr8(apic), 9);
	lapic_set_cr8(apic, 0xf);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TPR), 0xf0);
	lapic_set_cr8(apic, 3);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TPR), 0x30);
	send_fixed(apic, 0x3f);
	ck_assert_int_eq(lapic_pending(apic), -1);
	lapic_set_cr8(apic, 2);
	ck_assert_int_eq(lapic_pending(apic), 0x3f);
}
END_TEST

START_TEST(irq_lapic_software_disabled_takes_no_more)
{
	send_fixed(apic, 0x40);
	apic_write(apic, LAPIC_SVR, 0xff);
	ck_assert_int_eq(send_fixed(apic, 0x50), -1);
	/* What was accepted before is held and delivered (11.4.7.2). */
	ck_assert_int_eq(apic_take(apic), 0x40);
	/* NMI, INIT and SIPI are answered all the same. */
	ck_assert_int_eq(lapic_accept(apic, &(struct apic_msg){ .mode = APIC_DELIVER_NMI }), 1);
	ck_assert(lapic_has_events(apic));
}
END_TEST

START_TEST(irq_lapic_software_disabled_masks_the_lvt)
{
	u32 offset;

	for (offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 0x10)
		apic_write(apic, offset, 0x40);
	apic_write(apic, LAPIC_SVR, 0xff);
	for (offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 0x10) {
		ck_assert_uint_eq(apic_read(apic, offset), 0x10040);
		apic_write(apic, offset, 0x50);
		ck_assert_uint_eq(apic_read(apic, offset), 0x10050);
	}
	apic_enable(apic);
	ck_assert_uint_eq(apic_read(apic, LAPIC_LVT_ERROR), 0x10050);
	apic_write(apic, LAPIC_LVT_ERROR, 0x50);
	ck_assert_uint_eq(apic_read(apic, LAPIC_LVT_ERROR), 0x50);
}
END_TEST

START_TEST(irq_lapic_trigger_mode_register)
{
	struct apic_msg msg = { .vector = 0x61, .mode = APIC_DELIVER_FIXED, .level = true };

	ck_assert_int_eq(lapic_accept(apic, &msg), 1);
	ck_assert(apic_bit(apic, LAPIC_TMR, 0x61));
	msg.level = false;
	ck_assert_int_eq(lapic_accept(apic, &msg), 0);
	ck_assert(!apic_bit(apic, LAPIC_TMR, 0x61));
}
END_TEST

/* -- errors (11.5.3) -- */

START_TEST(irq_lapic_receive_illegal_vector)
{
	int vector;

	for (vector = 0; vector < 16; vector++) {
		ck_assert_int_eq(send_fixed(apic, vector), -1);
		ck_assert_uint_eq(read_esr(apic), ESR_RECEIVE_ILLEGAL);
	}
	ck_assert_uint_eq(apic_read(apic, LAPIC_IRR), 0);
	ck_assert_uint_eq(read_esr(apic), 0);
}
END_TEST

START_TEST(irq_lapic_send_illegal_vector)
{
	apic_write(apic, LAPIC_ICR_HIGH, 2 << 24);
	apic_write(apic, LAPIC_ICR, 0x0f);
	ck_assert_uint_eq(read_esr(apic), ESR_SEND_ILLEGAL);
	apic_write(apic, LAPIC_ICR, 0x10f); /* lowest priority */
	ck_assert_uint_eq(read_esr(apic), ESR_SEND_ILLEGAL);
	apic_write(apic, LAPIC_ICR, 0x400); /* an NMI has no vector */
	ck_assert_uint_eq(read_esr(apic), 0);
	ck_assert_uint_eq(read_esr(f->lapic[2]), 0);
}
END_TEST

START_TEST(irq_lapic_esr_shows_errors_after_a_write)
{
	send_fixed(apic, 3);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ESR), 0);
	apic_write(apic, LAPIC_ESR, 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ESR), ESR_RECEIVE_ILLEGAL);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ESR), ESR_RECEIVE_ILLEGAL);
	apic_write(apic, LAPIC_ESR, 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ESR), 0);
}
END_TEST

START_TEST(irq_lapic_error_interrupt_is_armed_by_esr)
{
	apic_write(apic, LAPIC_LVT_ERROR, 0xfe);
	send_fixed(apic, 3);
	ck_assert_int_eq(apic_take_and_eoi(apic), 0xfe);
	send_fixed(apic, 3);
	ck_assert_int_eq(apic_take_and_eoi(apic), -1);
	read_esr(apic);
	send_fixed(apic, 3);
	ck_assert_int_eq(apic_take_and_eoi(apic), 0xfe);
	/* Masked: logged, not delivered. */
	read_esr(apic);
	apic_write(apic, LAPIC_LVT_ERROR, 0x100fe);
	send_fixed(apic, 3);
	ck_assert_int_eq(apic_take(apic), -1);
	ck_assert_uint_eq(read_esr(apic), ESR_RECEIVE_ILLEGAL);
	/* The error entry's own vector may be illegal too. */
	apic_write(apic, LAPIC_LVT_ERROR, 0x0e);
	apic_write(apic, LAPIC_ICR, 0x3);
	ck_assert_uint_eq(read_esr(apic), ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	ck_assert_int_eq(apic_take(apic), -1);
}
END_TEST

/* -- the xAPIC page (11.4.1) -- */

/* Offset, what 0xffffffff leaves, what 0 leaves. */
static const struct {
	u32 offset, ones, zeros;
} masks[] = {
	{ LAPIC_ID, 0xff000000, 0 },
	{ LAPIC_VERSION, 0x50014, 0x50014 },
	{ LAPIC_TPR, 0xff, 0 },
	{ LAPIC_APR, 0, 0 },
	{ LAPIC_LDR, 0xff000000, 0 },
	{ LAPIC_DFR, 0xffffffff, 0x0fffffff },
	{ LAPIC_SVR, 0x3ff, 0 },
	{ LAPIC_ICR_HIGH, 0xff000000, 0 },
	{ LAPIC_LVT_THERMAL, 0x107ff, 0 },
	{ LAPIC_LVT_PERF, 0x107ff, 0 },
	{ LAPIC_LVT_LINT0, 0x1a7ff, 0 },
	{ LAPIC_LVT_LINT1, 0x1a7ff, 0 },
	{ LAPIC_LVT_ERROR, 0x100ff, 0 },
	{ LAPIC_TIMER_CURRENT, 0, 0 },
	{ LAPIC_TIMER_DIVIDE, 0xb, 0 },
};

START_TEST(irq_lapic_writable_bits)
{
	apic_write(apic, masks[_i].offset, 0xffffffff);
	ck_assert_uint_eq(apic_read(apic, masks[_i].offset), masks[_i].ones);
	apic_write(apic, masks[_i].offset, 0);
	ck_assert_uint_eq(apic_read(apic, masks[_i].offset), masks[_i].zeros);
	ck_assert_uint_eq(read_esr(apic), 0);
}
END_TEST

START_TEST(irq_lapic_vector_registers_are_read_only)
{
	u32 offset;

	for (offset = LAPIC_ISR; offset < LAPIC_ESR; offset += 0x10) {
		apic_write(apic, offset, 0xffffffff);
		ck_assert_uint_eq(apic_read(apic, offset), 0);
	}
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_uint_eq(read_esr(apic), 0);
}
END_TEST

START_TEST(irq_lapic_reserved_registers_are_errors)
{
	static const u32 reserved[] = { 0x000, 0x010, 0x040, 0x050, 0x060, 0x070,
					0x0c0, 0x290, 0x2e0, 0x2f0, 0x3a0, 0x3d0,
					0x3f0, 0x400, 0x500, 0x800, 0xff0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reserved); i++) {
		ck_assert_uint_eq(apic_read(apic, reserved[i]), 0);
		ck_assert_uint_eq(read_esr(apic), ESR_ILLEGAL_REGISTER);
		apic_write(apic, reserved[i], 0xffffffff);
		ck_assert_uint_eq(read_esr(apic), ESR_ILLEGAL_REGISTER);
	}
	/* EOI is write only, but it is there. */
	ck_assert_uint_eq(apic_read(apic, LAPIC_EOI), 0);
	ck_assert_uint_eq(read_esr(apic), 0);
}
END_TEST

START_TEST(irq_lapic_partial_reads)
{
	apic_write(apic, LAPIC_ICR_HIGH, 0xab000000);
	apic_write(apic, LAPIC_SVR, 0x1c3);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR, 1), 0xc3);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR + 1, 1), 0x01);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR, 2), 0x1c3);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_ICR_HIGH + 3, 1), 0xab);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_ICR_HIGH + 2, 2), 0xab00);
	/* Across the end of the register, and in the gap behind it. */
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR + 1, 4), 0);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR + 3, 2), 0);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR + 4, 4), 0);
	ck_assert_uint_eq(lapic_mmio_read(apic, LAPIC_SVR, 8), 0);
	ck_assert_uint_eq(lapic_mmio_read(apic, 0xffc, 4), 0);
	ck_assert_uint_eq(lapic_mmio_read(apic, 0xfff, 8), 0);
}
END_TEST

START_TEST(irq_lapic_only_aligned_32_bit_writes)
{
	apic_write(apic, LAPIC_TPR, 0x20);
	lapic_mmio_write(apic, LAPIC_TPR, 1, 0x30);
	lapic_mmio_write(apic, LAPIC_TPR, 2, 0x30);
	lapic_mmio_write(apic, LAPIC_TPR, 8, 0x30);
	lapic_mmio_write(apic, LAPIC_TPR + 4, 4, 0x30);
	lapic_mmio_write(apic, LAPIC_TPR + 1, 4, 0x30);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TPR), 0x20);
}
END_TEST

START_TEST(irq_lapic_claims_its_page)
{
	ck_assert(lapic_claims(apic, 0xfee00000));
	ck_assert(lapic_claims(apic, 0xfee00fff));
	ck_assert(!lapic_claims(apic, 0xfee01000));
	ck_assert(!lapic_claims(apic, 0xfedfffff));
	ck_assert_int_eq(lapic_set_base(apic, 0xf0000800, false), 0);
	ck_assert(!lapic_claims(apic, 0xfee00000));
	ck_assert(lapic_claims(apic, 0xf0000300));
	apic_enable_x2apic(apic);
	ck_assert(!lapic_claims(apic, 0xf0000300));
	ck_assert_int_eq(lapic_set_base(apic, 0xf0000000, false), 0);
	ck_assert(!lapic_claims(apic, 0xf0000300));
}
END_TEST

/* -- x2APIC (11.12) -- */

/* Table 11-6, and nothing else: r read, w write, of MSR 0x800 + index. */
static const char *const x2apic_msrs[256] = {
	[0x02] = "r",  [0x03] = "r",  [0x08] = "rw", [0x0a] = "r",  [0x0b] = "w",  [0x0d] = "r",
	[0x0f] = "rw", [0x10] = "r",  [0x11] = "r",  [0x12] = "r",  [0x13] = "r",  [0x14] = "r",
	[0x15] = "r",  [0x16] = "r",  [0x17] = "r",  [0x18] = "r",  [0x19] = "r",  [0x1a] = "r",
	[0x1b] = "r",  [0x1c] = "r",  [0x1d] = "r",  [0x1e] = "r",  [0x1f] = "r",  [0x20] = "r",
	[0x21] = "r",  [0x22] = "r",  [0x23] = "r",  [0x24] = "r",  [0x25] = "r",  [0x26] = "r",
	[0x27] = "r",  [0x28] = "rw", [0x30] = "rw", [0x32] = "rw", [0x33] = "rw", [0x34] = "rw",
	[0x35] = "rw", [0x36] = "rw", [0x37] = "rw", [0x38] = "rw", [0x39] = "r",  [0x3e] = "rw",
	[0x3f] = "w",
};

START_TEST(irq_lapic_x2apic_registers)
{
	unsigned int i;
	u64 val;

	apic_enable_x2apic(apic);
	for (i = 0; i < 256; i++) {
		const char *access = x2apic_msrs[i] ? x2apic_msrs[i] : "";

		ck_assert_msg(lapic_rdmsr(apic, 0x800 + i, &val) ==
				      (strchr(access, 'r') ? 0 : -EINVAL),
			      "read of %#x", 0x800 + i);
		ck_assert_msg(lapic_wrmsr(apic, 0x800 + i, i == 0x3f ? 0x40 : 0) ==
				      (strchr(access, 'w') ? 0 : -EINVAL),
			      "write of %#x", 0x800 + i);
	}
}
END_TEST

START_TEST(irq_lapic_x2apic_outside_its_range)
{
	u64 val;

	apic_enable_x2apic(apic);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x7ff, &val), -EINVAL);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x900, &val), -EINVAL);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x900, 0), -EINVAL);
	/* (index - 0x800) << 4 wraps to a register's offset here. */
	ck_assert_int_eq(lapic_rdmsr(apic, 0x10000802, &val), -EINVAL);
	ck_assert_int_eq(lapic_wrmsr(apic, 0xf0000808, 0), -EINVAL);
}
END_TEST

START_TEST(irq_lapic_x2apic_msrs_fault_in_other_modes)
{
	u64 val;

	ck_assert_int_eq(lapic_rdmsr(apic, 0x802, &val), -EINVAL);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x808, 0), -EINVAL);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00000, false), 0);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x802, &val), -EINVAL);
}
END_TEST

/* MSR, bits that may be written, bits that are ignored. */
static const struct {
	u32 index;
	u64 writable, ignored;
} x2apic_masks[] = {
	{ 0x808, 0xff, 0 },	     { 0x80b, 0, 0 },
	{ 0x80f, 0x3ff, 0 },	     { 0x828, 0, 0 },
	{ 0x832, 0x700ff, 1 << 12 }, { 0x833, 0x107ff, 1 << 12 },
	{ 0x834, 0x107ff, 1 << 12 }, { 0x835, 0x1a7ff, 0x5000 },
	{ 0x836, 0x1a7ff, 0x5000 },  { 0x837, 0x100ff, 1 << 12 },
	{ 0x838, 0xffffffff, 0 },    { 0x83e, 0xb, 0 },
};

START_TEST(irq_lapic_x2apic_reserved_bits_fault)
{
	u32 index = x2apic_masks[_i].index;
	unsigned int bit;
	u64 val;

	apic_enable_x2apic(apic);
	for (bit = 0; bit < 64; bit++) {
		bool legal = (x2apic_masks[_i].writable | x2apic_masks[_i].ignored) >> bit & 1;

		ck_assert_msg(lapic_wrmsr(apic, index, 1ull << bit) == (legal ? 0 : -EINVAL),
			      "bit %u of %#x", bit, index);
		/* Disabling (SVR) masks the LVT; a write-only register shows nothing. */
		ck_assert_int_eq(lapic_wrmsr(apic, 0x80f, 0x1ff), 0);
	}
	if (x2apic_masks[_i].writable && index != 0x832) {
		ck_assert_int_eq(lapic_wrmsr(apic, index, x2apic_masks[_i].writable), 0);
		ck_assert_int_eq(lapic_rdmsr(apic, index, &val), 0);
		ck_assert_uint_eq(val, x2apic_masks[_i].writable);
	}
}
END_TEST

START_TEST(irq_lapic_x2apic_icr_bits)
{
	unsigned int bit;
	u64 val;

	apic_enable_x2apic(apic);
	for (bit = 0; bit < 64; bit++) {
		/*
		 * Delivery mode SMI (bit 9) is sent to nobody; vector bits alone would be illegal
		 * vectors.
		 */
		bool reserved = bit == 13 || bit == 16 || bit == 17 || (bit >= 20 && bit < 32);

		ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 1ull << bit | 0x200),
				 reserved ? -EINVAL : 0);
	}
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0x12345678000002ffull), 0);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x830, &val), 0);
	ck_assert_uint_eq(val, 0x12345678000002ffull);
}
END_TEST

START_TEST(irq_lapic_x2apic_identity)
{
	static const struct {
		u32 id, ldr;
	} ids[] = {
		{ 5, 0x00000020 },  { 15, 0x00008000 }, { 16, 0x00010001 },
		{ 35, 0x00020008 }, { 63, 0x00038000 }, { 0x123, 0x00120008 },
	};
	u64 val;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		struct lapic *lapic = fake_add_vcpu(f, 10 + i, ids[i].id);

		apic_enable_x2apic(lapic);
		ck_assert_int_eq(lapic_rdmsr(lapic, 0x802, &val), 0);
		ck_assert_uint_eq(val, ids[i].id);
		ck_assert_int_eq(lapic_rdmsr(lapic, 0x80d, &val), 0);
		ck_assert_uint_eq(val, ids[i].ldr);
	}
}
END_TEST

START_TEST(irq_lapic_x2apic_eoi_and_self_ipi)
{
	apic_enable_x2apic(apic);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x83f, 0x91), 0);
	ck_assert_int_eq(apic_take(apic), 0x91);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x80b, 1), -EINVAL);
	ck_assert(apic_bit(apic, LAPIC_ISR, 0x91));
	ck_assert_int_eq(lapic_wrmsr(apic, 0x80b, 0), 0);
	ck_assert(!apic_bit(apic, LAPIC_ISR, 0x91));
	ck_assert_int_eq(lapic_wrmsr(apic, 0x83f, 0x100), -EINVAL);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x83f, 0x05), 0);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x828, 0), 0);
	ck_assert_uint_eq(lapic_read_reg(apic, LAPIC_ESR), ESR_SEND_ILLEGAL);
}
END_TEST

START_TEST(irq_lapic_x2apic_keeps_what_xapic_had)
{
	u64 val;

	apic_write(apic, LAPIC_LVT_LINT1, 0x400);
	apic_write(apic, LAPIC_TPR, 0x20);
	send_fixed(apic, 0x66);
	apic_write(apic, LAPIC_ICR_HIGH, 0x55000000);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00c00, false), 0);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x836, &val), 0);
	ck_assert_uint_eq(val, 0x400);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x808, &val), 0);
	ck_assert_uint_eq(val, 0x20);
	ck_assert_int_eq(lapic_rdmsr(apic, 0x830, &val), 0);
	ck_assert_uint_eq(val, 0);
	ck_assert_int_eq(apic_take(apic), 0x66);
}
END_TEST

/* -- IA32_APIC_BASE (11.12.5) -- */

/* Modes by EN and EXTD; a row per old mode, whether the guest may go to each. */
static const u64 modes[] = { 0x000, 0x800, 0xc00 };
static const bool legal[3][3] = {
	{ true, true, false },
	{ true, true, true },
	{ true, false, true },
};

START_TEST(irq_lapic_base_transitions)
{
	unsigned int from = _i / 3, to = _i % 3;

	ck_assert_int_eq(lapic_set_base(apic, 0xfee00000 | modes[from], true), 0);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00000 | modes[to], false),
			 legal[from][to] ? 0 : -EINVAL);
	ck_assert_uint_eq(lapic_get_base(apic), 0xfee00000 | modes[legal[from][to] ? to : from]);
	/* The host may restore any. */
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00000 | modes[from], true), 0);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00000 | modes[to], true), 0);
	ck_assert_uint_eq(lapic_get_base(apic), 0xfee00000 | modes[to]);
	/* EXTD without EN is no mode. */
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00400, false), -EINVAL);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00400, true), -EINVAL);
}
END_TEST

START_TEST(irq_lapic_base_reserved_bits)
{
	unsigned int bit;

	ck_assert_int_eq(lapic_set_base(apic, 1ull << 52 | 0xfee00800, true), -EINVAL);
	ck_assert_int_eq(lapic_set_base(apic, 1ull << 51 | 0xfee00c00, true), 0);
	lapic_set_base_limits(apic, 40, true);
	for (bit = 0; bit < 64; bit++) {
		u64 val = (0xfee00800 & ~(1ull << bit)) | 1ull << bit;
		bool ok = bit == 8 || bit == 10 || bit == 11 || (bit >= 12 && bit < 40);

		ck_assert_msg(lapic_set_base(apic, val, true) == (ok ? 0 : -EINVAL), "bit %u", bit);
	}
	lapic_set_base_limits(apic, 40, false);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00c00, true), -EINVAL);
	lapic_set_base_limits(apic, 64, true);
	ck_assert_int_eq(lapic_set_base(apic, 0xfffffffffee00800, true), 0);
}
END_TEST

START_TEST(irq_lapic_disabled_is_gone)
{
	send_fixed(apic, 0x40);
	apic_write(apic, LAPIC_ID, 0x99000000);
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00000, false), 0);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert(lapic_accepts_extint(apic));
	/* A message finds no one. */
	ck_assert_int_eq(irqchip_signal_msi(&f->chip, &(struct kvm_msi){ .address_lo = 0xfee01000,
									 .data = 0x50 }),
			 -1);
	/* Enabled again: as after power-up. */
	ck_assert_int_eq(lapic_set_base(apic, 0xfee00800, false), 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ID), 0x01000000);
	ck_assert_uint_eq(apic_read(apic, LAPIC_SVR), 0xff);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert(!lapic_accepts_extint(apic));
}
END_TEST

/* -- interprocessor interrupts (11.6) -- */

/* A bit for each vCPU that has the vector, which is taken. */
static unsigned int receivers(u8 vector)
{
	unsigned int i, set = 0;

	for (i = 0; i < IRQCHIP_MAX_VCPUS; i++) {
		if (!f->lapic[i] || !apic_bit(f->lapic[i], LAPIC_IRR, vector))
			continue;
		set |= 1u << i;
		ck_assert_int_eq(lapic_pending(f->lapic[i]), vector);
		lapic_ack(f->lapic[i], vector);
		lapic_eoi(f->lapic[i]);
	}
	return set;
}

static void ipi(struct lapic *from, u32 dest, u32 icr)
{
	apic_write(from, LAPIC_ICR_HIGH, dest << 24);
	apic_write(from, LAPIC_ICR, icr);
}

static void enable_all(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		apic_enable(f->lapic[i]);
}

START_TEST(irq_lapic_ipi_physical)
{
	unsigned int i;

	enable_all();
	for (i = 0; i < 4; i++) {
		ipi(f->lapic[0], i, 0x40);
		ck_assert_uint_eq(receivers(0x40), 1u << i);
		ck_assert_uint_eq(f->kicks[i], 1);
	}
	ipi(f->lapic[0], 4, 0x40);
	ipi(f->lapic[0], 0x80, 0x40);
	ck_assert_uint_eq(receivers(0x40), 0);
	ipi(f->lapic[3], 0xff, 0x40);
	ck_assert_uint_eq(receivers(0x40), 0xf);
	/* ICR keeps what was written, the delivery status is idle. */
	ck_assert_uint_eq(apic_read(f->lapic[3], LAPIC_ICR), 0x40);
	ck_assert_uint_eq(apic_read(f->lapic[3], LAPIC_ICR_HIGH), 0xff000000);
}
END_TEST

START_TEST(irq_lapic_ipi_physical_to_a_changed_id)
{
	enable_all();
	apic_write(f->lapic[2], LAPIC_ID, 0x20000000);
	ipi(f->lapic[0], 0x20, 0x40);
	ck_assert_uint_eq(receivers(0x40), 1u << 2);
	ipi(f->lapic[0], 2, 0x40);
	ck_assert_uint_eq(receivers(0x40), 0);
	/* Two may call themselves the same. */
	apic_write(f->lapic[2], LAPIC_ID, 0x01000000);
	ipi(f->lapic[0], 1, 0x40);
	ck_assert_uint_eq(receivers(0x40), 6);
}
END_TEST

/* vCPU IDs above 255 share their low eight bits with others in xAPIC mode. */
START_TEST(irq_lapic_ipi_physical_to_a_shared_id)
{
	apic_enable(fake_add_vcpu(f, 5, 0x101));
	apic_enable(f->lapic[0]);
	ipi(f->lapic[0], 1, 0x40);
	ck_assert_uint_eq(receivers(0x40), 1u << 1 | 1u << 5);
}
END_TEST

START_TEST(irq_lapic_ipi_logical_flat)
{
	unsigned int i;

	enable_all();
	for (i = 0; i < 4; i++)
		apic_write(f->lapic[i], LAPIC_LDR, 1u << (24 + i));
	ipi(f->lapic[0], 0x1, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0x1);
	ipi(f->lapic[0], 0x6, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0x6);
	ipi(f->lapic[0], 0xf0, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0);
	ipi(f->lapic[0], 0xff, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0xf);
	apic_write(f->lapic[2], LAPIC_LDR, 0x88000000);
	ipi(f->lapic[0], 0x80, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0x4);
}
END_TEST

START_TEST(irq_lapic_ipi_logical_cluster)
{
	static const u32 ldr[] = { 0x11000000, 0x12000000, 0x24000000, 0x28000000 };
	unsigned int i;

	enable_all();
	for (i = 0; i < 4; i++) {
		apic_write(f->lapic[i], LAPIC_DFR, 0x0fffffff);
		apic_write(f->lapic[i], LAPIC_LDR, ldr[i]);
	}
	ipi(f->lapic[0], 0x13, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0x3);
	ipi(f->lapic[0], 0x2c, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0xc);
	ipi(f->lapic[0], 0x24, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0x4);
	ipi(f->lapic[0], 0x23, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0);
	ipi(f->lapic[0], 0x3f, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0);
	ipi(f->lapic[0], 0xff, 0x840);
	ck_assert_uint_eq(receivers(0x40), 0xf);
}
END_TEST

/* Self, all, all but self, for every sender. */
START_TEST(irq_lapic_ipi_shorthands)
{
	enable_all();
	ipi(f->lapic[_i], 0x77, 0x40040);
	ck_assert_uint_eq(receivers(0x40), 1u << _i);
	ipi(f->lapic[_i], 0x77, 0x80040);
	ck_assert_uint_eq(receivers(0x40), 0xf);
	ipi(f->lapic[_i], 0x77, 0xc0040);
	ck_assert_uint_eq(receivers(0x40), 0xf & ~(1u << _i));
}
END_TEST

static void x2apic_all(void)
{
	unsigned int i;

	for (i = 0; i < IRQCHIP_MAX_VCPUS; i++)
		if (f->lapic[i])
			apic_enable_x2apic(f->lapic[i]);
}

START_TEST(irq_lapic_ipi_x2apic)
{
	fake_add_vcpu(f, 20, 20);
	fake_add_vcpu(f, 21, 21);
	fake_add_vcpu(f, 22, 0x123);
	x2apic_all();

	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 21ull << 32 | 0x40), 0);
	ck_assert_uint_eq(receivers(0x40), 1u << 21);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0x123ull << 32 | 0x40), 0);
	ck_assert_uint_eq(receivers(0x40), 1u << 22);
	/* Logical: cluster 1 of IDs 16-31, members 4 and 5 of it. */
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0x10030ull << 32 | 0x840), 0);
	ck_assert_uint_eq(receivers(0x40), 3u << 20);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0x0000aull << 32 | 0x840), 0);
	ck_assert_uint_eq(receivers(0x40), 0xa);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0x2ffffull << 32 | 0x840), 0);
	ck_assert_uint_eq(receivers(0x40), 0);
	/* Broadcast has 32 ones; 255 is an ID like others. */
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0xffffffffull << 32 | 0x40), 0);
	ck_assert_uint_eq(receivers(0x40), 0x70000f);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0xffull << 32 | 0x40), 0);
	ck_assert_uint_eq(receivers(0x40), 0);
	ck_assert_int_eq(lapic_wrmsr(apic, 0x830, 0xc0040), 0);
	ck_assert_uint_eq(receivers(0x40), 0x70000d);
}
END_TEST

START_TEST(irq_lapic_ipi_lowest_priority)
{
	unsigned int i, counts[4] = {};

	enable_all();
	for (i = 0; i < 4; i++)
		apic_write(f->lapic[i], LAPIC_LDR, 1u << (24 + i));
	/* The lowest task priority of the destinations. */
	apic_write(f->lapic[0], LAPIC_TPR, 0x20);
	apic_write(f->lapic[1], LAPIC_TPR, 0x30);
	apic_write(f->lapic[2], LAPIC_TPR, 0x10);
	apic_write(f->lapic[3], LAPIC_TPR, 0x00);
	ipi(f->lapic[0], 0x7, 0x940);
	ck_assert_uint_eq(receivers(0x40), 0x4);
	ipi(f->lapic[0], 0xf, 0x940);
	ck_assert_uint_eq(receivers(0x40), 0x8);
	apic_write(f->lapic[1], LAPIC_TPR, 0x0f); /* equal class with vCPU 3: its turn */
	ipi(f->lapic[0], 0xf, 0x940);
	ck_assert_uint_eq(receivers(0x40), 0x2);
	apic_write(f->lapic[1], LAPIC_TPR, 0x08);
	apic_write(f->lapic[3], LAPIC_TPR, 0x10);
	ipi(f->lapic[0], 0xf, 0x940);
	ck_assert_uint_eq(receivers(0x40), 0x2);
	apic_write(f->lapic[1], LAPIC_TPR, 0x30);
	apic_write(f->lapic[3], LAPIC_TPR, 0x00);
	/* One that is disabled does not compete. */
	apic_write(f->lapic[3], LAPIC_SVR, 0xff);
	ipi(f->lapic[0], 0xf, 0x940);
	ck_assert_uint_eq(receivers(0x40), 0x4);
	/* Equals take turns. */
	apic_enable(f->lapic[3]);
	for (i = 0; i < 4; i++)
		apic_write(f->lapic[i], LAPIC_TPR, 0);
	for (i = 0; i < 40; i++) {
		unsigned int one;

		ipi(f->lapic[0], 0xf, 0x940);
		one = receivers(0x40);
		ck_assert_uint_ne(one, 0);
		ck_assert_uint_eq(one & (one - 1), 0);
		counts[__ffs(one)]++;
	}
	for (i = 0; i < 4; i++)
		ck_assert_uint_ge(counts[i], 8);
}
END_TEST

START_TEST(irq_lapic_ipi_nmi)
{
	u8 vector = 0;

	enable_all();
	ipi(f->lapic[0], 2, 0x400);
	ck_assert_uint_eq(lapic_take_events(f->lapic[2], &vector), LAPIC_EVENT_NMI);
	ck_assert_uint_eq(lapic_take_events(f->lapic[2], &vector), 0);
	ck_assert_uint_eq(lapic_take_events(f->lapic[1], &vector), 0);
	ck_assert_uint_eq(f->kicks[2], 1);
	ipi(f->lapic[0], 0, 0xc0400);
	ck_assert(!lapic_has_events(f->lapic[0]));
	ck_assert(lapic_has_events(f->lapic[1]));
	ck_assert(lapic_has_events(f->lapic[3]));
}
END_TEST

/* The MP start-up sequence: INIT assert, de-assert, SIPI, SIPI (MP specification B.4). */
START_TEST(irq_lapic_ipi_init_and_sipi)
{
	u8 vector = 0;

	apic_enable(f->lapic[0]);
	ipi(f->lapic[0], 1, 0xc500);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), LAPIC_EVENT_INIT);
	ipi(f->lapic[0], 1, 0x8500);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), 0);
	ipi(f->lapic[0], 1, 0x69f);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), LAPIC_EVENT_SIPI);
	ck_assert_uint_eq(vector, 0x9f);
	/* The last SIPI's vector counts; one from before an INIT is forgotten, an NMI is not. */
	ipi(f->lapic[0], 1, 0x611);
	ipi(f->lapic[0], 1, 0x622);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), LAPIC_EVENT_SIPI);
	ck_assert_uint_eq(vector, 0x22);
	ipi(f->lapic[0], 1, 0x400);
	ipi(f->lapic[0], 1, 0x633);
	ipi(f->lapic[0], 1, 0x4500);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), LAPIC_EVENT_NMI | LAPIC_EVENT_INIT);
	ipi(f->lapic[0], 1, 0x4500);
	ipi(f->lapic[0], 1, 0x644);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	ck_assert_uint_eq(vector, 0x44);
	/* Vector 0 is a legal start page. */
	ipi(f->lapic[0], 1, 0x600);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), LAPIC_EVENT_SIPI);
	ck_assert_uint_eq(vector, 0);
	ck_assert_uint_eq(read_esr(f->lapic[0]), 0);
}
END_TEST

START_TEST(irq_lapic_ipi_without_a_meaning)
{
	u8 vector;

	enable_all();
	ipi(f->lapic[0], 1, 0x240); /* SMI */
	ipi(f->lapic[0], 1, 0x340); /* reserved */
	ipi(f->lapic[0], 1, 0x740); /* ExtINT is not an ICR's */
	ck_assert_uint_eq(receivers(0x40), 0);
	ck_assert_uint_eq(lapic_take_events(apic, &vector), 0);
	ck_assert(!lapic_accepts_extint(apic));
}
END_TEST

/* -- messages from devices (11.11) -- */

static int msi(u32 address, u32 data)
{
	return irqchip_signal_msi(&f->chip,
				  &(struct kvm_msi){ .address_lo = address, .data = data });
}

START_TEST(irq_lapic_msi)
{
	enable_all();
	ck_assert_int_eq(msi(0xfee02000, 0x55), 1);
	ck_assert_uint_eq(receivers(0x55), 1u << 2);
	ck_assert_int_eq(msi(0xfee02000, 0x55), 1);
	ck_assert_int_eq(msi(0xfee02000, 0x55), 0);
	ck_assert_uint_eq(receivers(0x55), 1u << 2);
	ck_assert_int_eq(msi(0xfee07000, 0x55), -1);
	ck_assert_int_eq(msi(0xfeeff000, 0x55), 4);
	ck_assert_uint_eq(receivers(0x55), 0xf);
	/* Level triggered. */
	ck_assert_int_eq(msi(0xfee01000, 0xc056), 1);
	ck_assert(apic_bit(apic, LAPIC_TMR, 0x56));
	/* NMI. */
	ck_assert_int_eq(msi(0xfee03000, 0x400), 1);
	ck_assert(lapic_has_events(f->lapic[3]));
	/* An illegal vector is the receiver's error. */
	ck_assert_int_eq(msi(0xfee03000, 0x0f), -1);
	ck_assert_uint_eq(read_esr(f->lapic[3]), ESR_RECEIVE_ILLEGAL);
}
END_TEST

START_TEST(irq_lapic_msi_logical_and_redirected)
{
	unsigned int i, one;

	enable_all();
	for (i = 0; i < 4; i++)
		apic_write(f->lapic[i], LAPIC_LDR, 1u << (24 + i));
	ck_assert_int_eq(msi(0xfee06004, 0x55), 2);
	ck_assert_uint_eq(receivers(0x55), 0x6);
	/* Lowest priority, and the redirection hint with fixed delivery: one of them. */
	ck_assert_int_eq(msi(0xfee06004, 0x155), 1);
	one = receivers(0x55);
	ck_assert(one == 2 || one == 4);
	ck_assert_int_eq(msi(0xfee0600c, 0x55), 1);
	ck_assert_uint_eq(receivers(0x55), 6 & ~one);
}
END_TEST

START_TEST(irq_lapic_msi_to_x2apic)
{
	x2apic_all();
	ck_assert_int_eq(msi(0xfee02000, 0x55), 1);
	ck_assert_uint_eq(receivers(0x55), 1u << 2);
	/* Eight-bit logical destinations reach cluster 0. */
	ck_assert_int_eq(msi(0xfee09004, 0x55), 2);
	ck_assert_uint_eq(receivers(0x55), 0x9);
	ck_assert_int_eq(msi(0xfeeff000, 0x55), 4);
	ck_assert_uint_eq(receivers(0x55), 0xf);
	ck_assert_int_eq(irqchip_signal_msi(&f->chip, &(struct kvm_msi){ .flags = 1 }), -EINVAL);
}
END_TEST

/* -- ExtINT -- */

START_TEST(irq_lapic_extint_through_lint0)
{
	ck_assert(lapic_accepts_extint(f->lapic[0]));
	ck_assert(!lapic_accepts_extint(apic));
	apic_write(apic, LAPIC_LVT_LINT0, 0x700);
	ck_assert(lapic_accepts_extint(apic));
	apic_write(apic, LAPIC_LVT_LINT0, 0x10700);
	ck_assert(!lapic_accepts_extint(apic));
	apic_write(apic, LAPIC_LVT_LINT0, 0x400);
	ck_assert(!lapic_accepts_extint(apic));
}
END_TEST

/* -- saved state -- */

static u32 state_word(const struct kvm_lapic_state *state, u32 offset)
{
	u32 val;

	memcpy(&val, state->regs + offset, sizeof(val));
	return val;
}

static void set_state_word(struct kvm_lapic_state *state, u32 offset, u32 val)
{
	memcpy(state->regs + offset, &val, sizeof(val));
}

START_TEST(irq_lapic_state_round_trip)
{
	struct kvm_lapic_state saved, again;

	dirty_all(apic);
	apic_write(apic, LAPIC_TPR, 0x20);
	lapic_get_state(apic, &saved);
	ck_assert_uint_eq(state_word(&saved, LAPIC_PPR), 0x40);
	ck_assert_uint_eq(state_word(&saved, LAPIC_ESR), ESR_ILLEGAL_REGISTER);
	ck_assert_uint_eq(state_word(&saved, LAPIC_TIMER_CURRENT), 1000000);
	lapic_reset(apic, false);
	ck_assert_int_eq(lapic_set_state(apic, &saved), 0);
	lapic_get_state(apic, &again);
	ck_assert_mem_eq(&saved, &again, sizeof(saved));
	/* It also works as before. */
	ck_assert_int_eq(lapic_pending(apic), -1);
	apic_write(apic, LAPIC_EOI, 0);
	ck_assert_int_eq(apic_take(apic), 0x42);
	ck_assert_uint_eq(f->lapic_expires[1], f->now + 1000000);
}
END_TEST

/* Userspace may say what no CPU can have got there: kept, and never delivered. */
START_TEST(irq_lapic_state_with_illegal_vectors)
{
	struct kvm_lapic_state state;

	lapic_get_state(apic, &state);
	set_state_word(&state, LAPIC_IRR, 0xffff);
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_IRR), 0xffff);
	ck_assert_int_eq(lapic_pending(apic), -1);
	ck_assert_int_eq(send_fixed(apic, 0x31), 1);
	ck_assert_int_eq(apic_take(apic), 0x31);
}
END_TEST

START_TEST(irq_lapic_icr_reserved_bits_are_kept)
{
	apic_write(apic, LAPIC_ICR_HIGH, 0xaau << 24);
	apic_write(apic, LAPIC_ICR, 0xa5a5b0ff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ICR), 0xa5a5a0ff);
}
END_TEST

START_TEST(irq_lapic_state_of_a_boot_cpu_after_reset)
{
	struct kvm_lapic_state saved;

	lapic_get_state(f->lapic[0], &saved);
	apic_enable(f->lapic[0]);
	apic_write(f->lapic[0], LAPIC_LVT_LINT0, 0x10000);
	ck_assert_int_eq(lapic_set_state(f->lapic[0], &saved), 0);
	ck_assert(lapic_accepts_extint(f->lapic[0]));
	ck_assert_uint_eq(apic_read(f->lapic[0], LAPIC_LVT_LINT0), 0x700);
}
END_TEST

START_TEST(irq_lapic_state_in_x2apic_format)
{
	struct lapic *lapic = f->lapic[3];
	struct kvm_lapic_state saved;
	u64 val;

	apic_enable_x2apic(lapic);
	ck_assert_int_eq(lapic_wrmsr(lapic, 0x830, 0x12345678000002ffull), 0);
	lapic_get_state(lapic, &saved);
	/* Without KVM_CAP_X2APIC_API the ID is in bits 31:24. */
	ck_assert_uint_eq(state_word(&saved, LAPIC_ID), 0x03000000);
	ck_assert_uint_eq(state_word(&saved, LAPIC_LDR), 8);
	ck_assert_uint_eq(state_word(&saved, LAPIC_ICR_HIGH), 0x12345678);

	/* The identity is the vCPU's whatever the state says. */
	set_state_word(&saved, LAPIC_ID, 0x55000000);
	set_state_word(&saved, LAPIC_LDR, 0xffffffff);
	ck_assert_int_eq(lapic_set_state(lapic, &saved), 0);
	ck_assert_int_eq(lapic_rdmsr(lapic, 0x802, &val), 0);
	ck_assert_uint_eq(val, 3);
	ck_assert_int_eq(lapic_rdmsr(lapic, 0x80d, &val), 0);
	ck_assert_uint_eq(val, 8);
	ck_assert_int_eq(lapic_rdmsr(lapic, 0x830, &val), 0);
	ck_assert_uint_eq(val, 0x12345678000002ffull);
}
END_TEST

START_TEST(irq_lapic_state_drops_impossible_bits)
{
	struct kvm_lapic_state state;
	u32 offset;

	memset(&state, 0xff, sizeof(state));
	set_state_word(&state, LAPIC_LVT_TIMER, 0xfffbffff); /* periodic: 11b is no mode */
	ck_assert_int_eq(lapic_set_state(apic, &state), 0);
	ck_assert_uint_eq(apic_read(apic, LAPIC_VERSION), 0x50014);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TPR), 0xff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ID), 0xff000000);
	ck_assert_uint_eq(apic_read(apic, LAPIC_SVR), 0x3ff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ESR), 0xff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_ICR), 0xccfff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_LVT_TIMER), 0x300ff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_LVT_ERROR), 0x100ff);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TIMER_DIVIDE), 0xb);
	ck_assert_uint_eq(apic_read(apic, LAPIC_IRR), 0xffffffff);
	/* No vector below 16. */
	ck_assert_uint_eq(apic_read(apic, LAPIC_ISR), 0xffff0000);
	ck_assert_uint_eq(apic_read(apic, LAPIC_TMR), 0xffff0000);
	for (offset = LAPIC_IRR + 0x10; offset < LAPIC_ESR; offset += 0x10)
		ck_assert_uint_eq(apic_read(apic, offset), 0xffffffff);
	for (offset = 0; offset < 240; offset++)
		apic_write(apic, LAPIC_EOI, 0);
	apic_write(apic, LAPIC_TPR, 0);
	ck_assert_int_eq(apic_take_and_eoi(apic), 0xff);
}
END_TEST

START_TEST(irq_lapic_state_with_a_reserved_timer_mode)
{
	struct kvm_lapic_state state, before, after;

	lapic_get_state(apic, &before);
	memcpy(&state, &before, sizeof(state));
	set_state_word(&state, LAPIC_TPR, 0x30);
	set_state_word(&state, LAPIC_LVT_TIMER, 0x60040);
	ck_assert_int_eq(lapic_set_state(apic, &state), -EINVAL);
	lapic_get_state(apic, &after);
	ck_assert_mem_eq(&before, &after, sizeof(before));
}
END_TEST

/* -- several threads -- */

#define SENDERS 3
#define ROUNDS 60000

/* Sends each of its vectors, one from every IRR word, again as soon as it was taken. */
static void *sender(void *arg)
{
	unsigned int me = (unsigned long)arg, round, word;

	for (round = 0; round < ROUNDS;)
		for (word = 1; word < 8; word++)
			round += send_fixed(apic, word * 32 + me) == 1;
	return (void *)(unsigned long)round;
}

START_TEST(irq_lapic_concurrent_senders_lose_nothing)
{
	unsigned int taken[SENDERS] = {}, i, sent;
	void *accepted[SENDERS] = {};
	pthread_t thread[SENDERS];
	bool running = true;
	int vector;

	for (i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, sender, (void *)(unsigned long)i),
				 0);
	while (running) {
		while ((vector = apic_take(apic)) >= 0) {
			lapic_eoi(apic);
			taken[vector % 32]++;
		}
		for (sent = 0, i = 0; i < SENDERS; i++)
			sent += taken[i] >= ROUNDS;
		running = sent < SENDERS;
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(thread[i], &accepted[i]);
	while ((vector = apic_take_and_eoi(apic)) >= 0)
		taken[vector % 32]++;
	for (i = 0; i < SENDERS; i++)
		ck_assert_uint_eq(taken[i], (unsigned long)accepted[i]);
	for (i = 0; i < 8; i++)
		ck_assert_uint_eq(apic_read(apic, LAPIC_IRR + i * 0x10), 0);
}
END_TEST

static void add_registers(Suite *suite)
{
	TCase *tc = tcase_create("registers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_reset_values);
	tcase_add_test(tc, irq_lapic_init_resets_all_but_base_and_id);
	tcase_add_test(tc, irq_lapic_power_up_resets_base_and_id);
	tcase_add_test(tc, irq_lapic_init_keeps_x2apic_mode);
	tcase_add_loop_test(tc, irq_lapic_writable_bits, 0, ARRAY_SIZE(masks));
	tcase_add_test(tc, irq_lapic_vector_registers_are_read_only);
	tcase_add_test(tc, irq_lapic_reserved_registers_are_errors);
	tcase_add_test(tc, irq_lapic_partial_reads);
	tcase_add_test(tc, irq_lapic_only_aligned_32_bit_writes);
	tcase_add_test(tc, irq_lapic_claims_its_page);
	tcase_add_test(tc, irq_lapic_x2apic_registers);
	tcase_add_test(tc, irq_lapic_x2apic_outside_its_range);
	tcase_add_test(tc, irq_lapic_x2apic_msrs_fault_in_other_modes);
	tcase_add_loop_test(tc, irq_lapic_x2apic_reserved_bits_fault, 0, ARRAY_SIZE(x2apic_masks));
	tcase_add_test(tc, irq_lapic_x2apic_icr_bits);
	tcase_add_test(tc, irq_lapic_x2apic_identity);
	tcase_add_test(tc, irq_lapic_x2apic_eoi_and_self_ipi);
	tcase_add_test(tc, irq_lapic_x2apic_keeps_what_xapic_had);
	tcase_add_loop_test(tc, irq_lapic_base_transitions, 0, 9);
	tcase_add_test(tc, irq_lapic_base_reserved_bits);
	tcase_add_test(tc, irq_lapic_disabled_is_gone);
	suite_add_tcase(suite, tc);
}

static void add_delivery(Suite *suite)
{
	TCase *tc = tcase_create("delivery");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_every_vector_is_delivered_once);
	tcase_add_test(tc, irq_lapic_vectors_go_by_priority);
	tcase_add_test(tc, irq_lapic_higher_class_preempts_same_class_waits);
	tcase_add_test(tc, irq_lapic_same_vector_again_while_in_service);
	tcase_add_test(tc, irq_lapic_eoi_with_nothing_in_service);
	tcase_add_loop_test(tc, irq_lapic_ppr, 0, ARRAY_SIZE(pprs));
	tcase_add_test(tc, irq_lapic_tpr_holds_back);
	tcase_add_test(tc, irq_lapic_cr8_is_the_tpr_class);
	tcase_add_test(tc, irq_lapic_software_disabled_takes_no_more);
	tcase_add_test(tc, irq_lapic_software_disabled_masks_the_lvt);
	tcase_add_test(tc, irq_lapic_trigger_mode_register);
	tcase_add_test(tc, irq_lapic_receive_illegal_vector);
	tcase_add_test(tc, irq_lapic_send_illegal_vector);
	tcase_add_test(tc, irq_lapic_esr_shows_errors_after_a_write);
	tcase_add_test(tc, irq_lapic_error_interrupt_is_armed_by_esr);
	tcase_add_test(tc, irq_lapic_extint_through_lint0);
	tcase_add_test(tc, irq_lapic_concurrent_senders_lose_nothing);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
}

static void add_messages(Suite *suite)
{
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_ipi_physical);
	tcase_add_test(tc, irq_lapic_ipi_physical_to_a_changed_id);
	tcase_add_test(tc, irq_lapic_ipi_physical_to_a_shared_id);
	tcase_add_test(tc, irq_lapic_ipi_logical_flat);
	tcase_add_test(tc, irq_lapic_ipi_logical_cluster);
	tcase_add_loop_test(tc, irq_lapic_ipi_shorthands, 0, 4);
	tcase_add_test(tc, irq_lapic_ipi_x2apic);
	tcase_add_test(tc, irq_lapic_ipi_lowest_priority);
	tcase_add_test(tc, irq_lapic_ipi_nmi);
	tcase_add_test(tc, irq_lapic_ipi_init_and_sipi);
	tcase_add_test(tc, irq_lapic_ipi_without_a_meaning);
	tcase_add_test(tc, irq_lapic_msi);
	tcase_add_test(tc, irq_lapic_msi_logical_and_redirected);
	tcase_add_test(tc, irq_lapic_msi_to_x2apic);
	suite_add_tcase(suite, tc);
}

static void add_state(Suite *suite)
{
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, irq_lapic_state_round_trip);
	tcase_add_test(tc, irq_lapic_state_with_illegal_vectors);
	tcase_add_test(tc, irq_lapic_icr_reserved_bits_are_kept);
	tcase_add_test(tc, irq_lapic_state_of_a_boot_cpu_after_reset);
	tcase_add_test(tc, irq_lapic_state_in_x2apic_format);
	tcase_add_test(tc, irq_lapic_state_drops_impossible_bits);
	tcase_add_test(tc, irq_lapic_state_with_a_reserved_timer_mode);
	suite_add_tcase(suite, tc);
}

int main(void)
{
	Suite *suite = suite_create("lapic");

	add_registers(suite);
	add_delivery(suite);
	add_messages(suite);
	add_state(suite);
	return run_suite(suite);
}
