/* SPDX-License-Identifier: GPL-2.0-only */
/* The fuzzer's bytes, taken from the front; zeroes after their end. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

struct input {
	const uint8_t *data;
	size_t size;
};

static inline void take_bytes(struct input *in, void *buf, size_t size)
{
	size_t there = size < in->size ? size : in->size;

	memset(buf, 0, size);
	if (!there)
		return;
	memcpy(buf, in->data, there);
	in->data += there;
	in->size -= there;
}

static inline u64 take(struct input *in, size_t size)
{
	u64 value = 0;

	take_bytes(in, &value, size);
	return value;
}

/* What must hold whatever the bytes are: libFuzzer keeps the input that breaks it. */
#define ALWAYS(cond)                                                               \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
