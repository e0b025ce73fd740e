// SPDX-License-Identifier: GPL-2.0-only
/* A virtqueue between a driver, honest or not, and virtio/queue.c (virtio 1.2, 2.7). */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "machine/layout.h"
#include "suite.h"
#include "virtio/queue.h"

#define RAM (1 << 20)
#define SIZE 8
#define DESC 0x1000
#define AVAIL 0x2000
#define USED 0x3000
#define TABLE 0x4000 /* indirect */
#define DATA 0x10000
#define EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT (1ULL << VIRTIO_RING_F_INDIRECT_DESC)

static struct memory memory;
static struct virtq q;
static struct virtq_chain chain;
static const struct virtq_layout good = { DESC, AVAIL, USED, SIZE };

static void *ram(uint64_t gpa)
{
	return memory.host + gpa;
}

static void put16(uint64_t gpa, uint16_t value)
{
	memcpy(ram(gpa), &value, 2);
}

static uint16_t get16(uint64_t gpa)
{
	uint16_t value;

	memcpy(&value, ram(gpa), 2);
	return value;
}

static void put_desc(uint64_t table, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
		     uint16_t next)
{
	struct vring_desc desc = { addr, len, flags, next };

	memcpy(ram(table + 16 * i), &desc, sizeof(desc));
}

/* The driver offers the chain that begins at head. */
static void offer(uint16_t head)
{
	uint16_t index = get16(AVAIL + 2);

	put16(AVAIL + 4 + 2 * (index % SIZE), head);
	put16(AVAIL + 2, index + 1);
}

static void begin(uint64_t features)
{
	memset(memory.host, 0, 0x10000);
	if (virtq_init(&q, &memory, &good, features))
		ck_abort_msg("the layout is refused");
}

static void setup(void)
{
	struct error err;

	if (!memory.host)
		ck_assert_int_eq(memory_create(&memory, RAM, &err), 0);
	begin(0);
}

static void check_broken(void)
{
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_BROKEN);
	ck_assert(q.broken);
	/* And it stays so, whatever the driver does then. */
	put_desc(DESC, 0, DATA, 16, 0, 0);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_BROKEN);
	virtq_push(&q, 0, 1);
	ck_assert_uint_eq(get16(USED + 2), 0);
	ck_assert(!virtq_needs_interrupt(&q));
	ck_assert(!virtq_enable_kicks(&q));
}

static int try_layout(uint64_t desc, uint64_t avail, uint64_t used, unsigned int size)
{
	const struct virtq_layout layout = { desc, avail, used, size };

	return virtq_init(&q, &memory, &layout, 0);
}

START_TEST(launcher_virtq_sizes)
{
	unsigned int wrong = 0;

	for (unsigned int size = 0; size <= 0xffff; size++) {
		bool valid = size && size <= VIRTQ_MAX_SIZE && !(size & (size - 1));

		wrong += try_layout(DESC, 0x8000, 0x9000, size) != (valid ? 0 : -1);
		wrong += q.broken == valid;
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(launcher_virtq_alignment)
{
	for (unsigned int i = 1; i < 16; i++)
		ck_assert_int_eq(try_layout(DESC + i, AVAIL, USED, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, AVAIL + 1, USED, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, AVAIL + 2, USED, SIZE), 0);
	for (unsigned int i = 1; i < 4; i++)
		ck_assert_int_eq(try_layout(DESC, AVAIL, USED + i, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, AVAIL, USED + 4, SIZE), 0);
}
END_TEST

/* Each part must be in RAM to its last byte: 16, 2 and 8 bytes an entry, 6 more for the rings. */
START_TEST(launcher_virtq_parts_in_ram)
{
	ck_assert_int_eq(try_layout(RAM - 16 * SIZE, AVAIL, USED, SIZE), 0);
	ck_assert_int_eq(try_layout(RAM - 16 * SIZE + 16, AVAIL, USED, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, RAM - 6 - 2 * SIZE, USED, SIZE), 0);
	ck_assert_int_eq(try_layout(DESC, RAM - 4 - 2 * SIZE, USED, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, AVAIL, RAM - 8 - 8 * SIZE, SIZE), 0);
	ck_assert_int_eq(try_layout(DESC, AVAIL, RAM - 4 - 8 * SIZE, SIZE), -1);
	ck_assert_int_eq(try_layout(~0ULL - 15, AVAIL, USED, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, ~0ULL - 1, USED, SIZE), -1);
	ck_assert_int_eq(try_layout(DESC, AVAIL, ~0ULL - 3, SIZE), -1);
	ck_assert_int_eq(try_layout(LAYOUT_HOLE, AVAIL, USED, SIZE), -1);
}
END_TEST

START_TEST(launcher_virtq_chain)
{
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_EMPTY);
	put_desc(DESC, 3, DATA, 16, VRING_DESC_F_NEXT, 5);
	put_desc(DESC, 5, DATA + 100, 7, VRING_DESC_F_NEXT, 0);
	put_desc(DESC, 0, DATA + 200, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 7);
	put_desc(DESC, 7, DATA + 900, 1, VRING_DESC_F_WRITE, 99);
	offer(3);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_uint_eq(chain.readable, 2);
	ck_assert_uint_eq(chain.writable, 2);
	ck_assert_uint_eq(chain.readable_len, 23);
	ck_assert_uint_eq(chain.writable_len, 513);
	ck_assert_ptr_eq(chain.segments[2].iov_base, ram(DATA + 200));
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_EMPTY);
	virtq_push(&q, 3, 513);
	ck_assert_uint_eq(get16(USED + 2), 1);
	ck_assert_mem_eq(ram(USED + 4), "\x03\0\0\0\x01\x02\0\0", 8);
}
END_TEST

/* Indexes run on past the queue's size and past 65535. */
START_TEST(launcher_virtq_wraps)
{
	unsigned int wrong = 0;

	put_desc(DESC, 2, DATA, 16, 0, 0);
	for (unsigned int i = 0; i < 70000; i++) {
		offer(2);
		wrong += virtq_pop(&q, &chain) != VIRTQ_CHAIN;
		virtq_push(&q, 2, i);
		wrong += get16(USED + 2) != ((i + 1) & 0xffff);
		wrong += memcmp(ram(USED + 4 + 8 * (i % SIZE) + 4), &i, 4) != 0;
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(launcher_virtq_too_many_available)
{
	put_desc(DESC, 0, DATA, 16, 0, 0);
	put16(AVAIL + 2, SIZE);
	for (unsigned int i = 0; i < SIZE; i++)
		ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	begin(0);
	put16(AVAIL + 2, SIZE + 1);
	check_broken();
}
END_TEST

START_TEST(launcher_virtq_index_goes_back)
{
	put_desc(DESC, 0, DATA, 16, 0, 0);
	offer(0);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	put16(AVAIL + 2, 0);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_BROKEN);
}
END_TEST

START_TEST(launcher_virtq_bad_head)
{
	offer(SIZE);
	check_broken();
	begin(0);
	offer(0xffff);
	check_broken();
}
END_TEST

START_TEST(launcher_virtq_bad_next)
{
	put_desc(DESC, 1, DATA, 16, VRING_DESC_F_NEXT, SIZE);
	offer(1);
	check_broken();
	begin(0);
	put_desc(DESC, 1, DATA, 16, VRING_DESC_F_NEXT, 0xffff);
	offer(1);
	check_broken();
}
END_TEST

START_TEST(launcher_virtq_loops)
{
	put_desc(DESC, 1, DATA, 16, VRING_DESC_F_NEXT, 1);
	offer(1);
	check_broken();
	begin(0);
	for (unsigned int i = 0; i < SIZE; i++)
		put_desc(DESC, i, DATA, 16, VRING_DESC_F_NEXT, (i + 1) % SIZE);
	offer(4);
	check_broken();
	/* As long as the queue is allowed; a loop has no end and is none. */
	begin(0);
	for (unsigned int i = 0; i < SIZE; i++)
		put_desc(DESC, i, DATA, 16, i + 1 < SIZE ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(0);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	ck_assert_uint_eq(chain.readable, SIZE);
}
END_TEST

/* Start and length together, not the start alone; nothing outside RAM, and no wrapping. */
START_TEST(launcher_virtq_addresses)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		bool good;
	} tries[] = {
		{ RAM - 16, 16, true },
		{ RAM - 16, 17, false },
		{ RAM - 1, 2, false },
		{ RAM, 1, false },
		{ RAM, 0, true }, /* no byte of it is outside */
		{ 0, RAM, true },
		{ 0, RAM + 1, false },
		{ 0, 0xffffffff, false },
		{ LAYOUT_HOLE, 16, false },
		{ LAYOUT_HOLE_END, 16, false },
		{ 0xfee00000, 4, false },
		{ ~0ULL, 1, false },
		{ ~0ULL - 7, 16, false },
		{ 1ULL << 63, 1, false },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		begin(0);
		put_desc(DESC, 0, tries[i].addr, tries[i].len, VRING_DESC_F_WRITE, 0);
		offer(0);
		ck_assert_int_eq(virtq_pop(&q, &chain), tries[i].good ? VIRTQ_CHAIN : VIRTQ_BROKEN);
	}
}
END_TEST

START_TEST(launcher_virtq_readable_after_writable)
{
	put_desc(DESC, 0, DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	put_desc(DESC, 1, DATA, 16, 0, 0);
	offer(0);
	check_broken();
}
END_TEST

static void offer_indirect(uint32_t len, uint16_t flags)
{
	put_desc(DESC, 0, TABLE, len, VRING_DESC_F_INDIRECT | flags, 1);
	put_desc(DESC, 1, DATA, 16, VRING_DESC_F_WRITE, 0);
	offer(0);
}

START_TEST(launcher_virtq_indirect)
{
	begin(INDIRECT);
	/* A plain descriptor may come first (2.7.5.3.2). */
	put_desc(DESC, 6, DATA, 4, VRING_DESC_F_NEXT, 0);
	put_desc(DESC, 0, TABLE, 3 * 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	put_desc(TABLE, 0, DATA, 5, VRING_DESC_F_NEXT, 2);
	put_desc(TABLE, 2, DATA, 6, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	put_desc(TABLE, 1, DATA, 7, VRING_DESC_F_WRITE, 0);
	offer(6);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	ck_assert_uint_eq(chain.readable_len, 9);
	ck_assert_uint_eq(chain.writable_len, 13);
}
END_TEST

START_TEST(launcher_virtq_indirect_rules)
{
	/* Not agreed on. */
	put_desc(TABLE, 0, DATA, 5, 0, 0);
	offer_indirect(16, 0);
	check_broken();
	/* With NEXT. */
	begin(INDIRECT);
	put_desc(TABLE, 0, DATA, 5, 0, 0);
	offer_indirect(16, VRING_DESC_F_NEXT);
	check_broken();
	/* A table in a table. */
	begin(INDIRECT);
	put_desc(TABLE, 0, TABLE + 64, 16, VRING_DESC_F_INDIRECT, 0);
	put_desc(TABLE, 4, DATA, 5, 0, 0);
	offer_indirect(16, 0);
	check_broken();
	/* Empty, and not whole descriptors. */
	for (uint32_t len = 0; len < 40; len++) {
		begin(INDIRECT);
		put_desc(TABLE, 0, DATA, 5, 0, 0);
		offer_indirect(len, 0);
		ck_assert_int_eq(virtq_pop(&q, &chain),
				 len && len % 16 == 0 ? VIRTQ_CHAIN : VIRTQ_BROKEN);
	}
}
END_TEST

START_TEST(launcher_virtq_indirect_bounds)
{
	/* The next is in the table or nowhere. */
	begin(INDIRECT);
	put_desc(TABLE, 0, DATA, 5, VRING_DESC_F_NEXT, 2);
	put_desc(TABLE, 2, DATA, 5, 0, 0);
	offer_indirect(2 * 16, 0);
	check_broken();
	/* A loop. */
	begin(INDIRECT);
	put_desc(TABLE, 0, DATA, 5, VRING_DESC_F_NEXT, 1);
	put_desc(TABLE, 1, DATA, 5, VRING_DESC_F_NEXT, 0);
	offer_indirect(2 * 16, 0);
	check_broken();
	/* A table that ends beyond RAM. */
	begin(INDIRECT);
	put_desc(DESC, 0, RAM - 16, 32, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	check_broken();
	/* A huge table, of which as much is used as a chain may have. */
	for (unsigned int n = VIRTQ_MAX_SEGMENTS; n <= VIRTQ_MAX_SEGMENTS + 1; n++) {
		begin(INDIRECT);
		for (unsigned int i = 0; i < n; i++)
			put_desc(TABLE, i, DATA, 1, i + 1 < n ? VRING_DESC_F_NEXT : 0, i + 1);
		offer_indirect(1000 * 16, 0);
		ck_assert_int_eq(virtq_pop(&q, &chain),
				 n == VIRTQ_MAX_SEGMENTS ? VIRTQ_CHAIN : VIRTQ_BROKEN);
	}
}
END_TEST

/* A chain is shorter than 4 GiB (2.7.4): sums do not wrap. */
START_TEST(launcher_virtq_total_length)
{
	static struct memory big;
	const unsigned int n = 5;
	struct error err;

	ck_assert_int_eq(memory_create(&big, 1ULL << 30, &err), 0);
	ck_assert_int_eq(virtq_init(&q, &big, &good, 0), 0);
	for (unsigned int i = 0; i < n; i++) {
		struct vring_desc desc = { 0, 1u << 30, i + 1 < n ? VRING_DESC_F_NEXT : 0, i + 1 };

		memcpy(big.host + DESC + 16 * i, &desc, sizeof(desc));
	}
	memcpy(big.host + AVAIL + 2, "\x01\0\0\0", 4);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_BROKEN);
	memory_destroy(&big);
}
END_TEST

START_TEST(launcher_virtq_notification_flags)
{
	put_desc(DESC, 0, DATA, 16, 0, 0);
	virtq_disable_kicks(&q);
	ck_assert_uint_eq(get16(USED), VRING_USED_F_NO_NOTIFY);
	ck_assert(!virtq_enable_kicks(&q));
	ck_assert_uint_eq(get16(USED), 0);
	offer(0);
	ck_assert(virtq_enable_kicks(&q));
	ck_assert(!virtq_needs_interrupt(&q));
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	virtq_push(&q, 0, 0);
	ck_assert(virtq_needs_interrupt(&q));
	ck_assert(!virtq_needs_interrupt(&q)); /* for the same pushes only once */
	put16(AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	offer(0);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	virtq_push(&q, 0, 0);
	ck_assert(!virtq_needs_interrupt(&q));
}
END_TEST

static void serve(unsigned int n)
{
	unsigned int wrong = 0;

	while (n--) {
		offer(0);
		wrong += virtq_pop(&q, &chain) != VIRTQ_CHAIN;
		virtq_push(&q, 0, 0);
	}
	ck_assert_uint_eq(wrong, 0);
}

START_TEST(launcher_virtq_event_index)
{
	const uint64_t used_event = AVAIL + 4 + 2 * SIZE, avail_event = USED + 4 + 8 * SIZE;

	begin(EVENT_IDX);
	put_desc(DESC, 0, DATA, 16, 0, 0);
	put16(used_event, 0);
	serve(1);
	ck_assert(virtq_needs_interrupt(&q));
	put16(used_event, 3); /* after the fourth */
	serve(2);
	ck_assert(!virtq_needs_interrupt(&q));
	serve(1);
	ck_assert(virtq_needs_interrupt(&q));
	serve(1);
	ck_assert(!virtq_needs_interrupt(&q));
	put16(used_event, 6); /* several at once go past it */
	serve(5);
	ck_assert(virtq_needs_interrupt(&q));
	ck_assert(!virtq_enable_kicks(&q));
	ck_assert_uint_eq(get16(avail_event), 10);
	virtq_disable_kicks(&q);
	ck_assert_uint_eq(get16(USED), 0); /* the flag is not used with event indexes */
	/* Across the wrap of the index. */
	serve(0xfffe - q.done);
	virtq_needs_interrupt(&q);
	put16(used_event, 0xffff);
	serve(1);
	ck_assert(!virtq_needs_interrupt(&q));
	serve(2);
	ck_assert_uint_eq(q.done, 1);
	ck_assert(virtq_needs_interrupt(&q));
}
END_TEST

START_TEST(launcher_virtq_copies)
{
	uint8_t buffer[64];

	memcpy(ram(DATA), "abcdefgh", 8);
	put_desc(DESC, 0, DATA, 3, VRING_DESC_F_NEXT, 1);
	put_desc(DESC, 1, DATA + 3, 0, VRING_DESC_F_NEXT, 2);
	put_desc(DESC, 2, DATA + 3, 5, VRING_DESC_F_NEXT, 3);
	put_desc(DESC, 3, DATA + 100, 2, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 4);
	put_desc(DESC, 4, DATA + 200, 2, VRING_DESC_F_WRITE, 0);
	offer(0);
	ck_assert_int_eq(virtq_pop(&q, &chain), VIRTQ_CHAIN);
	memset(buffer, 0, sizeof(buffer));
	ck_assert_uint_eq(virtq_read(&chain, 2, buffer, 4), 4);
	ck_assert_mem_eq(buffer, "cdef", 4);
	ck_assert_uint_eq(virtq_read(&chain, 6, buffer, sizeof(buffer)), 2);
	ck_assert_uint_eq(virtq_read(&chain, 8, buffer, sizeof(buffer)), 0);
	ck_assert_uint_eq(virtq_write(&chain, 1, "XYZW", 4), 3);
	ck_assert_mem_eq(ram(DATA + 100), "\0X\0", 3);
	ck_assert_mem_eq(ram(DATA + 200), "YZ\0", 3);
}
END_TEST

/* What fuzzing finds, a driver of random bytes finds sooner: nothing outside RAM is touched. */
START_TEST(launcher_virtq_random_driver)
{
	uint32_t seed = 1, popped = 0, broken = 0, outside = 0;

	for (unsigned int round = 0; round < 20000; round++) {
		begin(round & 1 ? INDIRECT : INDIRECT | EVENT_IDX);
		for (unsigned int i = 0; i < SIZE * 16; i += 2) {
			seed = seed * 1103515245 + 12345;
			/* Small numbers more often: they reach further. */
			put16(DESC + i, seed >> 16 & (i % 16 >= 12 ? 0x7 : seed >> 28));
			put16(TABLE + i, seed >> 13 & (i % 16 >= 12 ? 0x3 : 0xff));
		}
		for (unsigned int i = 0; i < SIZE; i++)
			put_desc(DESC, i, get16(DESC + 16 * i) % 2 ? TABLE : DATA,
				 16 * (get16(DESC + 16 * i + 2) % 8), get16(DESC + 16 * i + 12),
				 get16(DESC + 16 * i + 14));
		for (unsigned int i = 0; i < 3; i++) {
			enum virtq_pop pop;

			offer(i);
			pop = virtq_pop(&q, &chain);
			popped += pop == VIRTQ_CHAIN;
			broken += pop == VIRTQ_BROKEN;
			for (unsigned int k = 0;
			     pop == VIRTQ_CHAIN && k < chain.readable + chain.writable; k++) {
				uint8_t *base = chain.segments[k].iov_base;

				outside += base < memory.host ||
					   base + chain.segments[k].iov_len > memory.host + RAM;
			}
		}
	}
	ck_assert_uint_eq(outside, 0);
	ck_assert_uint_gt(popped, 1000);
	ck_assert_uint_gt(broken, 1000);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_virtq_sizes,
		launcher_virtq_alignment,
		launcher_virtq_parts_in_ram,
		launcher_virtq_chain,
		launcher_virtq_wraps,
		launcher_virtq_too_many_available,
		launcher_virtq_index_goes_back,
		launcher_virtq_bad_head,
		launcher_virtq_bad_next,
		launcher_virtq_loops,
		launcher_virtq_addresses,
		launcher_virtq_readable_after_writable,
		launcher_virtq_indirect,
		launcher_virtq_indirect_rules,
		launcher_virtq_indirect_bounds,
		launcher_virtq_total_length,
		launcher_virtq_notification_flags,
		launcher_virtq_event_index,
		launcher_virtq_copies,
		launcher_virtq_random_driver,
	};

	return SUITE_RUN("virtq", setup, tests);
}
