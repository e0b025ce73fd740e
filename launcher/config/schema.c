// SPDX-License-Identifier: GPL-2.0-only
/* The table of settings. A new setting is a field in struct config and a row here. */
#include <string.h>

#include "config/config.h"

#define FIELD(name) offsetof(struct config, name)

const struct config_option config_options[] = {
	{
		.name = "kernel",
		.metavar = "FILE",
		.help = "guest kernel, a Linux bzImage",
		.type = CONFIG_PATH,
		.required = true,
		.offset = FIELD(kernel),
	},
	{
		.name = "initrd",
		.metavar = "FILE",
		.help = "initial RAM disk for the guest kernel",
		.type = CONFIG_PATH,
		.offset = FIELD(initrd),
	},
	{
		.name = "append",
		.metavar = "ARGS",
		.help = "guest kernel command line",
		.initial = "console=ttyS0",
		.type = CONFIG_TEXT,
		.offset = FIELD(append),
	},
	{
		.name = "cpus",
		.metavar = "N",
		.help = "virtual CPUs",
		.initial = "1",
		.type = CONFIG_COUNT,
		.offset = FIELD(cpus),
		.min = 1,
		.max = 64,
	},
	{
		.name = "memory",
		.metavar = "SIZE",
		.help = "guest memory, for example 512M or 2G",
		.initial = "512M",
		.type = CONFIG_SIZE,
		.offset = FIELD(memory),
		.min = 32ULL << 20,
		.max = 4ULL << 40,
		.multiple = 4096,
	},
	{
		.name = "device",
		.metavar = "PATH",
		.help = "hypervisor to run on; /dev/kvm works as well",
		.initial = "/dev/vmm",
		.type = CONFIG_PATH,
		.offset = FIELD(device),
	},
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

const struct config_option *config_find(const char *name, size_t len)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *opt = &config_options[i];

		if (strlen(opt->name) == len && !memcmp(opt->name, name, len))
			return opt;
	}
	return NULL;
}
