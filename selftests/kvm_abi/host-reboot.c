// SPDX-License-Identifier: GPL-2.0-only
/* The host reboots while guests run. Whether it did is what scripts/testhost --reboot-expected says. */
#include <stdlib.h>
#include <sys/reboot.h>

#include "host.h"

/* Nobody is left to report to after this: say what there is to say before. */
static void say(const char *text)
{
	CHECK_EQ(write(STDOUT_FILENO, text, strlen(text)), strlen(text));
}

TEST(reboot_under_running_guests, .vmm_only = true)
{
	struct timespec moment = { .tv_nsec = 300000000 };

	if (!getenv("TESTHOST_REBOOT"))
		test_skip("needs a host that may reboot");
	host_guests_start();
	say("ok 1 - host-reboot reboot_under_running_guests\n#end host-reboot 0\n");
	nanosleep(&moment, NULL);
	host_ends = true;
	reboot(RB_AUTOBOOT);
	FAIL("the host did not reboot: %s", errno_name(errno));
}
