/* SPDX-License-Identifier: GPL-2.0-only */
/* All TCP sockets of a port. */
#ifndef BINDTRACE_KERNEL_PORT_WALK_H
#define BINDTRACE_KERNEL_PORT_WALK_H

#include "bucket_walk.h"

/*
 * Adds every socket on port (host byte order) in the network namespace of fd, a TCP socket of the
 * caller's, to snap, and fills netns, evidence, truncated and the buckets. 0 or -errno.
 */
int port_walk__run(struct tcp_copy *tcp, int fd, uint16_t port, struct snapshot *snap);

#endif
