/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP's and UDP-Lite's sockets, in the order in which the kernel judges them: the first one that
 * overlaps is the one that counts (udp_lib_lport_inuse()).
 */
#ifndef BINDTRACE_KERNEL_UDP_WALK_H
#define BINDTRACE_KERNEL_UDP_WALK_H

#include "../model/snapshot.h"
#include "gather.h"
#include "sock_copy.h"
#include "socket_table.h"

struct udp_copy {
	struct gather *gather; /* not owned */
	struct table_copy table;
	struct sock_copy sock;
	uint32_t slot_size;
	int32_t slot_head;
	struct gather_plan slot; /* how many sockets it has */
	uint32_t at_count;
	int64_t tick_ns; /* one jiffy */
};

/* Fills all but gather and tick_ns. 0; -ENOENT or -E2BIG: see table_copy__plan(). */
int udp_copy__plan(const struct btf *types, struct udp_copy *ret);

/*
 * Adds the sockets on port (host byte order; 0: of every port) in the network namespace of fd, a
 * socket of the protocol, to snap, and fills netns, evidence, truncated and udp_slot_socks. 0 or
 * -errno.
 */
int udp_walk__run(struct udp_copy *udp, int fd, uint16_t port, struct snapshot *snap);

/* The same, of a table that has been found. */
int udp_walk__slots(const struct udp_copy *udp, const struct socket_table *table, uint16_t port,
		    struct snapshot *snap);

#endif
