/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a virtual machine is made of, as the user asked for it. One table (schema.c) says which
 * settings there are, of what type and range; flags and help are driven by it.
 */
#ifndef LAUNCHER_CONFIG_H
#define LAUNCHER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

/* Strings are borrowed from argv or from the table: they live as long as the process. */
struct config {
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *device;
	uint64_t cpus;
	uint64_t memory;
};

enum config_type {
	CONFIG_TEXT, /* any string */
	CONFIG_PATH, /* a string that is not empty */
	CONFIG_COUNT, /* a whole number */
	CONFIG_SIZE, /* bytes, written with a unit */
};

struct config_option {
	const char *name;
	const char *metavar;
	const char *help;
	const char *initial; /* default, as one would write it; NULL: none */
	enum config_type type;
	bool required;
	size_t offset; /* of the field in struct config */
	uint64_t min, max; /* of a number */
	uint64_t multiple; /* a size must be a multiple of it */
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

const struct config_option *config_find(const char *name, size_t len);

/* Gives one setting its value; origin is how the user wrote the setting ("--memory"). */
int config_set(struct config *cfg, const struct config_option *opt, const char *origin,
	       const char *value, struct error *err);
int config_set_defaults(struct config *cfg, struct error *err);

/* Numbers. Both refuse signs, blanks, trailing characters and overflow. */
int config_parse_count(const char *text, uint64_t *value);
int config_parse_size(const char *text, uint64_t *value);
void config_format_size(uint64_t bytes, char *text, size_t size);

/*
 * Flags: --name VALUE or --name=VALUE. A flag given twice: the last one counts. Returns 1 when help
 * was asked for.
 */
int config_parse_args(struct config *cfg, int argc, char **argv, struct error *err);
void config_print_help(FILE *out);

#endif
