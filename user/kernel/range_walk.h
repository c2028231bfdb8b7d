/* SPDX-License-Identifier: GPL-2.0-only */
/* The TCP sockets of a range of ports: what a search for a free port goes through. */
#ifndef BINDTRACE_KERNEL_RANGE_WALK_H
#define BINDTRACE_KERNEL_RANGE_WALK_H

#include "bucket_walk.h"

/*
 * Adds the sockets on the ports low..high (host byte order) in the network namespace of fd, a TCP
 * socket of the caller's, to snap, with snap_sock.bucket as usage__sum() wants it, and fills netns,
 * evidence and truncated: of one port a thousand are enough to know that it is taken. 0 or -errno.
 */
int range_walk__run(struct tcp_copy *tcp, int fd, uint16_t low, uint16_t high,
		    struct snapshot *snap);

#endif
