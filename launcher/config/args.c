// SPDX-License-Identifier: GPL-2.0-only
/* Command-line flags, read by the table of settings. */
#include <string.h>

#include "config/config.h"

/*
 * argv[*i] begins with "--": gives the setting its value, and steps over a value in an argument of
 * its own.
 */
static int parse_flag(struct config *cfg, int argc, char **argv, int *i, struct error *err)
{
	const char *arg = argv[*i];
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct config_option *opt = config_find(arg + 2, len - 2);
	const char *value = equals ? equals + 1 : NULL;
	char origin[32];

	if (!opt)
		return error_set(err, EXIT_USAGE,
				 "unknown option \"%.*s\": \"vmm run --help\" lists the options",
				 (int)(len < 200 ? len : 200), arg);
	if (!value && opt->type == CONFIG_FLAG) {
		value = "on";
	} else if (!value) {
		if (*i + 1 >= argc)
			return error_set(err, EXIT_USAGE, "--%s needs a value: --%s %s",
					 config_flag(opt), config_flag(opt), opt->metavar);
		value = argv[++*i];
	}
	snprintf(origin, sizeof(origin), "--%s", config_flag(opt));
	return config_set(cfg, opt, origin, value, err);
}

static int check_required(const struct config *cfg, struct error *err)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *opt = &config_options[i];
		const char *value;

		if (!opt->required)
			continue;
		memcpy(&value, (const char *)cfg + opt->offset, sizeof(value));
		if (!value)
			return error_set(err, EXIT_USAGE, "--%s %s is missing: it names the %s",
					 opt->name, opt->metavar, opt->help);
	}
	return 0;
}

int config_parse_args(struct config *cfg, int argc, char **argv, struct error *err)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return 1;
		if (argv[i][0] != '-')
			return error_set(
				err, EXIT_USAGE,
				"unexpected argument \"%.200s\": every setting has a flag, "
				"see \"vmm run --help\"",
				argv[i]);
		if (strncmp(argv[i], "--", 2))
			return error_set(
				err, EXIT_USAGE,
				"unknown option \"%.200s\": \"vmm run --help\" lists the options",
				argv[i]);
		if (parse_flag(cfg, argc, argv, &i, err))
			return -1;
	}
	return check_required(cfg, err);
}

static void print_option(FILE *out, const struct config_option *opt, const char *form)
{
	fprintf(out, "  %-16s %s", form, opt->help);
	if (opt->required)
		fprintf(out, " (required)");
	if (opt->type == CONFIG_COUNT)
		fprintf(out, ", %llu to %llu", (unsigned long long)opt->min,
			(unsigned long long)opt->max);
	if (opt->initial && *opt->initial)
		fprintf(out, " (default %s)", opt->initial);
	fputc('\n', out);
}

/* The parts of an item, as they are written after the first. */
static void print_fields(FILE *out, const struct config_list *list)
{
	for (unsigned int i = 1; i < list->field_count; i++) {
		const struct config_option *field = &list->fields[i];
		char form[40];

		snprintf(form, sizeof(form), "  ,%s%s%s", field->name, field->metavar ? "=" : "",
			 field->metavar ? field->metavar : "");
		print_option(out, field, form);
	}
}

void config_print_help(FILE *out)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *opt = &config_options[i];
		bool flag = opt->type == CONFIG_FLAG;
		char form[40];

		snprintf(form, sizeof(form), "--%s%s%s", config_flag(opt), flag ? "" : " ",
			 flag ? "" : opt->metavar);
		print_option(out, opt, form);
		if (opt->list)
			print_fields(out, opt->list);
	}
}
