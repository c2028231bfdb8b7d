/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces that only sockets keep alive: no process is in them, nothing is mounted. */
#ifndef BINDTRACE_KERNEL_NETNS_ITER_H
#define BINDTRACE_KERNEL_NETNS_ITER_H

#include "netns.h"

struct features;

/*
 * Adds those that sockets of processes are in and that list has not got yet.
 * 0 or -errno; then the list is as it was, or has some of them.
 */
int netns_list__add_of_sockets(struct netns_list *list, const struct features *features);

#endif
