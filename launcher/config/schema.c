// SPDX-License-Identifier: GPL-2.0-only
/* The table of settings. A new setting is a field in struct config and a row here. */
#include <string.h>

#include "config/config.h"

#define FIELD(name) offsetof(struct config, name)

#define DISK_FIELD(name) offsetof(struct config_disk, name)
#define NET_FIELD(name) offsetof(struct config_net, name)
#define PORT_FIELD(name) offsetof(struct config_port, name)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const aio_choices[] = { "io_uring", "threads", NULL };

static const struct config_option disk_fields[] = {
	{
		.name = "path",
		.metavar = "PATH",
		.help = "raw image or block device",
		.type = CONFIG_PATH,
		.required = true,
		.offset = DISK_FIELD(path),
	},
	{
		.name = "readonly",
		.help = "the guest cannot write it",
		.type = CONFIG_FLAG,
		.offset = DISK_FIELD(readonly),
	},
	{
		.name = "direct",
		.help = "around the host's page cache (O_DIRECT)",
		.type = CONFIG_FLAG,
		.offset = DISK_FIELD(direct),
	},
	{
		.name = "serial",
		.metavar = "TEXT",
		.help = "what the guest sees in /sys/block/*/serial",
		.initial = "",
		.type = CONFIG_TEXT,
		.offset = DISK_FIELD(serial),
		.max_len = 20,
	},
	{
		.name = "queues",
		.metavar = "N",
		.help = "request queues; one per vCPU, at most 4",
		.type = CONFIG_COUNT,
		.offset = DISK_FIELD(queues),
		.min = 1,
		.max = 16,
	},
	{
		.name = "aio",
		.metavar = "HOW",
		.help = "io_uring, or threads; io_uring if the host allows it",
		.initial = "io_uring",
		.type = CONFIG_TEXT,
		.offset = DISK_FIELD(aio),
		.choices = aio_choices,
	},
};

static const struct config_list disk_list = {
	.count_offset = FIELD(disk_count),
	.item_size = sizeof(struct config_disk),
	.max = CONFIG_MAX_DISKS,
	.fields = disk_fields,
	.field_count = COUNT(disk_fields),
};

static const struct config_option net_fields[] = {
	{
		.name = "tap",
		.metavar = "NAME",
		.help = "tap interface of the host, made if it is not there",
		.type = CONFIG_PATH,
		.required = true,
		.offset = NET_FIELD(tap),
		.max_len = 15,
	},
	{
		.name = "mac",
		.metavar = "ADDRESS",
		.help = "the guest's address, for example 52:54:00:12:34:56",
		.initial = "",
		.type = CONFIG_TEXT,
		.offset = NET_FIELD(mac),
	},
};

static const struct config_list net_list = {
	.count_offset = FIELD(net_count),
	.item_size = sizeof(struct config_net),
	.max = CONFIG_MAX_NETS,
	.fields = net_fields,
	.field_count = COUNT(net_fields),
};

static const struct config_option port_fields[] = {
	{
		.name = "name",
		.metavar = "NAME",
		.help = "what the guest finds it by, in /dev/virtio-ports",
		.type = CONFIG_PATH,
		.required = true,
		.offset = PORT_FIELD(name),
		.max_len = 63,
	},
	{
		.name = "socket",
		.metavar = "PATH",
		.help = "Unix socket to listen on, one peer at a time",
		.initial = "",
		.type = CONFIG_TEXT,
		.offset = PORT_FIELD(socket),
		.max_len = 107,
	},
	{
		.name = "file",
		.metavar = "PATH",
		.help = "file that what the guest writes is appended to",
		.initial = "",
		.type = CONFIG_TEXT,
		.offset = PORT_FIELD(file),
	},
	{
		.name = "console",
		.help = "a console (hvc0, hvc1 ...) and no plain port",
		.type = CONFIG_FLAG,
		.offset = PORT_FIELD(console),
	},
};

static const struct config_list port_list = {
	.count_offset = FIELD(port_count),
	.item_size = sizeof(struct config_port),
	.max = CONFIG_MAX_PORTS,
	.fields = port_fields,
	.field_count = COUNT(port_fields),
};

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
	{
		.name = "disks",
		.flag = "disk",
		.metavar = "PATH[,...]",
		.help = "disk (virtio-blk); may be repeated",
		.type = CONFIG_LIST,
		.offset = FIELD(disks),
		.list = &disk_list,
	},
	{
		.name = "nets",
		.flag = "net",
		.metavar = "TAP[,...]",
		.help = "network interface (virtio-net); may be repeated",
		.type = CONFIG_LIST,
		.offset = FIELD(nets),
		.list = &net_list,
	},
	{
		.name = "ports",
		.flag = "port",
		.metavar = "NAME[,...]",
		.help = "serial port or console (virtio-console); may be repeated",
		.type = CONFIG_LIST,
		.offset = FIELD(ports),
		.list = &port_list,
	},
	{
		.name = "rng",
		.metavar = "on|off",
		.help = "source of random numbers (virtio-rng)",
		.type = CONFIG_FLAG,
		.offset = FIELD(rng),
	},
};

const size_t config_option_count = COUNT(config_options);

const char *config_flag(const struct config_option *opt)
{
	return opt->flag ? opt->flag : opt->name;
}

const struct config_option *config_find(const char *flag, size_t len)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const char *name = config_flag(&config_options[i]);

		if (strlen(name) == len && !memcmp(name, flag, len))
			return &config_options[i];
	}
	return NULL;
}
