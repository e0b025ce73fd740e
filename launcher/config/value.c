// SPDX-License-Identifier: GPL-2.0-only
/* From the text of a setting to its value, with the sentence for each way to get it wrong. */
#include <inttypes.h>
#include <string.h>

#include "config/config.h"

static int parse_digits(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -1;
	}
	*text = p;
	*value = v;
	return 0;
}

int config_parse_count(const char *text, uint64_t *value)
{
	if (parse_digits(&text, value) || *text)
		return -1;
	return 0;
}

/* K, M, G and T are powers of 1024; KiB ... TiB say the same. */
int config_parse_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	const char *unit;

	if (parse_digits(&text, value) || !*text)
		return -1;
	unit = strchr(units, *text & ~0x20);
	if (!unit || !*unit)
		return -1;
	text++;
	if (!strcmp(text, "iB"))
		text += 2;
	if (*text)
		return -1;
	if (__builtin_mul_overflow(*value, 1ULL << 10 * (unit - units + 1), value))
		return -1;
	return 0;
}

void config_format_size(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	unsigned int unit = 0;

	while (unit < 4 && bytes && !(bytes % 1024)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, size, "%" PRIu64 "%s", bytes, units[unit]);
}

static int set_count(void *field, const struct config_option *opt, const char *origin,
		     const char *value, struct error *err)
{
	uint64_t count;

	if (config_parse_count(value, &count) || count < opt->min || count > opt->max)
		return error_set(err, EXIT_USAGE,
				 "%s \"%s\": must be a whole number from %" PRIu64 " to %" PRIu64,
				 origin, value, opt->min, opt->max);
	memcpy(field, &count, sizeof(count));
	return 0;
}

static int set_size(void *field, const struct config_option *opt, const char *origin,
		    const char *value, struct error *err)
{
	char min[24], max[24], multiple[24];
	uint64_t size;

	config_format_size(opt->min, min, sizeof(min));
	config_format_size(opt->max, max, sizeof(max));
	config_format_size(opt->multiple, multiple, sizeof(multiple));
	if (config_parse_size(value, &size))
		return error_set(err, EXIT_USAGE,
				 "%s \"%s\": must be a whole number with a unit (K, M, G or T), "
				 "for example 512M",
				 origin, value);
	if (size < opt->min || size > opt->max)
		return error_set(err, EXIT_USAGE, "%s \"%s\": must be from %s to %s", origin, value,
				 min, max);
	if (size % opt->multiple)
		return error_set(err, EXIT_USAGE, "%s \"%s\": must be a multiple of %s", origin,
				 value, multiple);
	memcpy(field, &size, sizeof(size));
	return 0;
}

static int set_flag(void *field, const char *origin, const char *value, struct error *err)
{
	bool on = !strcmp(value, "on");

	if (!on && strcmp(value, "off"))
		return error_set(err, EXIT_USAGE, "%s \"%.200s\": must be on or off", origin,
				 value);
	memcpy(field, &on, sizeof(on));
	return 0;
}

static bool is_choice(const char *const *choices, const char *value)
{
	while (*choices && strcmp(*choices, value))
		choices++;
	return *choices;
}

static int set_text(void *field, const struct config_option *opt, const char *origin,
		    const char *value, struct error *err)
{
	if (opt->type == CONFIG_PATH && !*value)
		return error_set(err, EXIT_USAGE, "%s \"\": must be the path of a file", origin);
	if (opt->max_len && strlen(value) > opt->max_len)
		return error_set(err, EXIT_USAGE,
				 "%s \"%.200s\": has %zu characters, %zu are allowed", origin,
				 value, strlen(value), opt->max_len);
	if (opt->choices && !is_choice(opt->choices, value))
		return error_set(err, EXIT_USAGE, "%s \"%.200s\": must be %s or %s", origin, value,
				 opt->choices[0], opt->choices[1]);
	memcpy(field, &value, sizeof(value));
	return 0;
}

int config_set_field(void *object, const struct config_option *opt, const char *origin,
		     const char *value, struct error *err)
{
	void *field = (char *)object + opt->offset;

	switch (opt->type) {
	case CONFIG_COUNT:
		return set_count(field, opt, origin, value, err);
	case CONFIG_SIZE:
		return set_size(field, opt, origin, value, err);
	case CONFIG_FLAG:
		return set_flag(field, origin, value, err);
	default:
		return set_text(field, opt, origin, value, err);
	}
}

int config_set(struct config *cfg, const struct config_option *opt, const char *origin,
	       const char *value, struct error *err)
{
	if (opt->type == CONFIG_LIST)
		return config_add_item(cfg, opt, origin, value, err);
	return config_set_field(cfg, opt, origin, value, err);
}

int config_set_defaults(struct config *cfg, struct error *err)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *opt = &config_options[i];

		if (opt->initial && config_set(cfg, opt, opt->name, opt->initial, err))
			return -1;
	}
	return 0;
}
