// SPDX-License-Identifier: GPL-2.0-only
#include "host/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/file.h"

#define TUN_DEVICE "/dev/net/tun"

static int attach_error(const char *origin, const char *name, struct error *err)
{
	if (errno == EBUSY)
		return error_set(err, EXIT_USAGE, "%s \"%s\": the interface is in use", origin,
				 name);
	if (errno == EPERM)
		return error_set(err, EXIT_USAGE,
				 "%s \"%s\": not allowed: it must be yours (ip tuntap add %s mode "
				 "tap user NAME vnet_hdr), or be root",
				 origin, name, name);
	if (errno == EINVAL)
		return error_set(err, EXIT_USAGE,
				 "%s \"%s\": is no tap interface, or not one for one queue", origin,
				 name);
	return error_set_errno(err, EXIT_USAGE, "%s \"%s\"", origin, name);
}

int tap_open(const char *origin, const char *name, int header, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd;

	if (strlen(name) >= sizeof(request.ifr_name) || strpbrk(name, "/% \t"))
		return error_set(err, EXIT_USAGE, "%s \"%.200s\": is no name for an interface",
				 origin, name);
	strcpy(request.ifr_name, name);
	fd = file_open_path(TUN_DEVICE, O_RDWR);
	if (fd < 0)
		return error_set_errno(err, EXIT_USAGE, "%s \"%s\": " TUN_DEVICE, origin, name);
	if (ioctl(fd, TUNSETIFF, &request)) {
		attach_error(origin, name, err);
		close(fd);
		return -1;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) || tap_set_offloads(fd, false, false, false)) {
		error_set_errno(err, EXIT_FAILED, "%s \"%s\": TUNSETVNETHDRSZ", origin, name);
		close(fd);
		return -1;
	}
	return fd;
}

int tap_set_offloads(int fd, bool checksum, bool tso4, bool tso6)
{
	/* Segments are only there with checksums left open. */
	unsigned long flags = checksum ? TUN_F_CSUM : 0;

	if (checksum)
		flags |= (tso4 ? TUN_F_TSO4 : 0) | (tso6 ? TUN_F_TSO6 : 0);
	return ioctl(fd, TUNSETOFFLOAD, flags);
}
