/* SPDX-License-Identifier: GPL-2.0-only */
/* What of root's privilege a live run keeps once its hooks are in place. */
#ifndef BINDTRACE_CAPABILITIES_H
#define BINDTRACE_CAPABILITIES_H

#include <stdbool.h>

struct kept_for {
	bool entering_netns;	/* CAP_SYS_ADMIN: names of devices in other network namespaces */
	bool signals;		/* CAP_KILL: of the command */
	bool foreign_directory; /* CAP_DAC_OVERRIDE: for --metrics in a directory of another user */
};

/*
 * Gives up every capability, for good and in every set, but those above, those that the reports
 * need: CAP_SYS_PTRACE (executables of other users' processes), CAP_DAC_READ_SEARCH (their
 * descriptors; a cgroup by its number), and CAP_BPF where the kernel wants it for maps that are
 * open already (before 5.19). map_fd: one of those. 0 or -errno.
 */
int capabilities__drop(const struct kept_for *kept_for, int map_fd);

#endif
