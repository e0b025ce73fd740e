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

#define CONFIG_MAX_DISKS 16
#define CONFIG_MAX_NETS 8
#define CONFIG_MAX_PORTS 8

struct config_disk {
	const char *path;
	const char *serial;
	bool readonly, direct;
	const char *aio; /* "io_uring" or "threads" */
	uint64_t queues; /* 0: one per vCPU, 4 at most */
};

struct config_net {
	const char *tap;
	const char *mac;
};

struct config_port {
	const char *name;
	const char *socket; /* Unix socket to listen on */
	const char *file; /* what the guest writes is appended to it */
	bool console; /* the guest's hvc console, not a plain port */
};

/*
 * Strings are borrowed from argv or from the table; those that are parts of an argument were copied.
 * They live as long as the process.
 */
struct config {
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *device;
	uint64_t cpus;
	uint64_t memory;
	bool rng;
	unsigned int disk_count, net_count, port_count;
	struct config_disk disks[CONFIG_MAX_DISKS];
	struct config_net nets[CONFIG_MAX_NETS];
	struct config_port ports[CONFIG_MAX_PORTS];
};

enum config_type {
	CONFIG_TEXT, /* any string */
	CONFIG_PATH, /* a string that is not empty */
	CONFIG_COUNT, /* a whole number */
	CONFIG_SIZE, /* bytes, written with a unit */
	CONFIG_FLAG, /* on or off; on when nothing is said */
	CONFIG_LIST, /* items: each time it is given adds one */
};

struct config_option;

/* What an item of a list is made of: its first field is given without a name. */
struct config_list {
	size_t count_offset; /* in struct config */
	size_t item_size;
	unsigned int max;
	const struct config_option *fields; /* offsets are in the item */
	unsigned int field_count;
};

struct config_option {
	const char *name;
	const char *flag; /* how the command line calls it; NULL: the same */
	const char *metavar;
	const char *help;
	const char *initial; /* default, as one would write it; NULL: none */
	enum config_type type;
	bool required;
	size_t offset; /* of the field in struct config */
	uint64_t min, max; /* of a number */
	uint64_t multiple; /* a size must be a multiple of it */
	const char *const *choices; /* of a text, ended by NULL; NULL: any */
	size_t max_len; /* of a text; 0: any */
	const struct config_list *list;
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/* By what the command line calls it. */
const struct config_option *config_find(const char *flag, size_t len);
const char *config_flag(const struct config_option *opt);

/* Gives one setting its value; origin is how the user wrote the setting ("--memory"). */
int config_set(struct config *cfg, const struct config_option *opt, const char *origin,
	       const char *value, struct error *err);
/*
 * One item, written VALUE,name=value,flag,...; two commas are one comma of a value. struct config has
 * what was read of it.
 */
int config_add_item(struct config *cfg, const struct config_option *opt, const char *origin,
		    const char *text, struct error *err);
/* A value into a struct of which opt is a field. */
int config_set_field(void *object, const struct config_option *opt, const char *origin,
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
