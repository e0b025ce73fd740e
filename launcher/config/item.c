// SPDX-License-Identifier: GPL-2.0-only
/* Settings that are lists: one item from its text, VALUE,name=value,flag. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

/* Splits off what comes before the next single comma, in place, two commas becoming one. */
static char *next_part(char **rest)
{
	char *part = *rest, *to = part, *from = part;

	if (!part)
		return NULL;
	for (; *from; *to++ = *from++) {
		if (*from != ',')
			continue;
		if (from[1] != ',')
			break;
		from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return part;
}

static const struct config_option *find_field(const struct config_list *list, const char *name,
					      size_t len)
{
	for (unsigned int i = 0; i < list->field_count; i++) {
		const char *field = list->fields[i].name;

		if (strlen(field) == len && !memcmp(field, name, len))
			return &list->fields[i];
	}
	return NULL;
}

/* name=value; the name of a flag alone; a value alone, which is the first field's. */
static int set_part(const struct config_list *list, void *item, char *part, bool first,
		    const char *origin, struct error *err)
{
	size_t len = strcspn(part, "=");
	const struct config_option *field = find_field(list, part, len);
	const char *value = part[len] ? part + len + 1 : "on";
	char where[64];

	if (first && (!field || !part[len])) {
		field = &list->fields[0];
		value = part;
	}
	if (!field)
		return error_set(err, EXIT_USAGE,
				 "%s: unknown part \"%.*s\": \"vmm run --help\" lists them", origin,
				 (int)(len < 200 ? len : 200), part);
	if (field->type != CONFIG_FLAG && value != part && !part[len])
		return error_set(err, EXIT_USAGE, "%s: %s needs a value: %s=%s", origin,
				 field->name, field->name, field->metavar);
	snprintf(where, sizeof(where), "%s%s%s", origin, value == part ? "" : " ",
		 value == part ? "" : field->name);
	return config_set_field(item, field, where, value, err);
}

static int set_defaults(const struct config_list *list, void *item, struct error *err)
{
	for (unsigned int i = 0; i < list->field_count; i++) {
		const struct config_option *field = &list->fields[i];

		if (field->initial &&
		    config_set_field(item, field, field->name, field->initial, err))
			return -1;
	}
	return 0;
}

static int check_required(const struct config_list *list, const void *item, const char *origin,
			  struct error *err)
{
	for (unsigned int i = 0; i < list->field_count; i++) {
		const struct config_option *field = &list->fields[i];
		const char *value;

		if (!field->required)
			continue;
		memcpy(&value, (const char *)item + field->offset, sizeof(value));
		if (!value)
			return error_set(err, EXIT_USAGE, "%s: %s=%s is missing: it names the %s",
					 origin, field->name, field->metavar, field->help);
	}
	return 0;
}

int config_add_item(struct config *cfg, const struct config_option *opt, const char *origin,
		    const char *text, struct error *err)
{
	const struct config_list *list = opt->list;
	unsigned int *count = (unsigned int *)((char *)cfg + list->count_offset);
	char *item = (char *)cfg + opt->offset + *count * list->item_size;
	bool first = true;
	char *copy, *rest, *part;

	if (*count == list->max)
		return error_set(err, EXIT_USAGE, "%s: given more than %u times", origin,
				 list->max);
	copy = rest = strdup(text);
	if (!copy)
		return error_set_errno(err, EXIT_FAILED, "%s", origin);
	memset(item, 0, list->item_size);
	if (set_defaults(list, item, err))
		goto fail;
	while ((part = next_part(&rest))) {
		if (set_part(list, item, part, first, origin, err))
			goto fail;
		first = false;
	}
	if (check_required(list, item, origin, err))
		goto fail;
	++*count; /* the item's strings are in the copy */
	return 0;

fail:
	free(copy);
	return -1;
}
