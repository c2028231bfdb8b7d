// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include "capabilities.h"
#include "confine.h"
#include "syscalls.h"

int confine__live(const struct options *opts, pid_t command, int map_fd)
{
	/* Another namespace is entered for the names of its devices and its settings. */
	const bool enter_netns = opts->netns != NETNS_SELF;
	int err = capabilities__drop(enter_netns, command, map_fd);

	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err ?: syscalls__confine(false, command);
}

void confine__oneshot(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
