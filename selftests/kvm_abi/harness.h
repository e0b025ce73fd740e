/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP harness: every TEST() is one line of the plan and runs in a process of its own, so that a
 * crash, a hang or a leaked descriptor is one failed test and not the end of the program.
 */
#ifndef SELFTEST_HARNESS_H
#define SELFTEST_HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

struct test_case {
	const char *name;
	void (*run)(void);
	int line;
	bool vmm_only; /* behaviour that /dev/kvm does not have: skipped there */
	unsigned int timeout; /* seconds; 0 is the default */
};

/* TEST(name, .timeout = 30) { body }. The order in the file is the order of the plan. */
#define TEST(id, ...)                                                           \
	static void id(void);                                                   \
	static struct test_case test_##id                                       \
		__attribute__((used, section("test_cases"), aligned(8))) = {    \
			.name = #id, .run = id, .line = __LINE__, ##__VA_ARGS__ \
		};                                                              \
	static void id(void)

void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void test_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void test_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The node under test: $VMM_DEVICE, /dev/vmm unless set. */
const char *device_path(void);
bool device_is_kvm(void);
bool host_is_intel(void);
/* Bochs, which masks the host's interrupts by a guest's IF. */
bool host_is_emulated_vmx(void);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                        \
	do {                               \
		if (!(cond))               \
			FAIL("%s", #cond); \
	} while (0)

#define CHECK_MSG(cond, fmt, ...)                               \
	do {                                                    \
		if (!(cond))                                    \
			FAIL("%s: " fmt, #cond, ##__VA_ARGS__); \
	} while (0)

#define CHECK_EQ(got, want)                                                                      \
	do {                                                                                     \
		u64 got_ = (u64)(got), want_ = (u64)(want);                                      \
		if (got_ != want_)                                                               \
			FAIL("%s is %#llx, expected %s = %#llx", #got, (unsigned long long)got_, \
			     #want, (unsigned long long)want_);                                  \
	} while (0)

/* The call succeeds (returns >= 0); the value is the call's. */
#define CHECK_OK(call)                                                   \
	({                                                               \
		long ret_ = (long)(call);                                \
		if (ret_ < 0)                                            \
			FAIL("%s failed: %s", #call, errno_name(errno)); \
		ret_;                                                    \
	})

/* The call fails, with this errno and no other. */
#define CHECK_ERR(call, err)                                                                      \
	do {                                                                                      \
		errno = 0;                                                                        \
		long ret_ = (long)(call);                                                         \
		if (ret_ >= 0 || errno != (err))                                                  \
			FAIL("%s returned %ld (%s), expected %s", #call, ret_, errno_name(errno), \
			     errno_name(err));                                                    \
	} while (0)

/* The call fails; which errno is not part of the ABI. */
#define CHECK_REFUSED(call)                                                       \
	do {                                                                      \
		long ret_ = (long)(call);                                         \
		if (ret_ >= 0)                                                    \
			FAIL("%s returned %ld, expected a refusal", #call, ret_); \
	} while (0)

const char *errno_name(int err);

#endif
