// SPDX-License-Identifier: GPL-2.0-only
/* The one place where a failure becomes a sentence. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * What the user typed is quoted in the sentence: keep it one line, and keep it off the terminal's
 * controls.
 */
static void error_make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

int error_set(struct error *err, int status, const char *fmt, ...)
{
	va_list args;

	err->status = status;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	error_make_printable(err->text);
	return -1;
}

int error_set_errno(struct error *err, int status, const char *fmt, ...)
{
	const char *reason = strerror(errno);
	va_list args;
	size_t used;

	err->status = status;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", reason);
	error_make_printable(err->text);
	return -1;
}
