/* SPDX-License-Identifier: GPL-2.0-only */
/* What of root's privilege a live run keeps once its hooks are in place. */
#ifndef BINDTRACE_CAPABILITIES_H
#define BINDTRACE_CAPABILITIES_H

#include <stdbool.h>

/*
 * Gives up every capability, for good and in every set, but those that the reports need:
 * CAP_SYS_PTRACE (executables and descriptors of other users' processes), CAP_SYS_ADMIN and
 * CAP_DAC_READ_SEARCH with enter_netns (other network namespaces), CAP_KILL with signals (the
 * command's), and CAP_BPF where the kernel wants it for maps that are open already (before 5.19).
 * map_fd: one of those. 0 or -errno.
 */
int capabilities__drop(bool enter_netns, bool signals, int map_fd);

#endif
