/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a protocol keeps the sockets of a network namespace, found by a socket of the caller's:
 * task → files → socket → namespace → table, so no symbol has to be looked up.
 */
#ifndef BINDTRACE_KERNEL_SOCKET_TABLE_H
#define BINDTRACE_KERNEL_SOCKET_TABLE_H

#include "gather.h"
#include "layout.h"

struct btf;

struct socket_table {
	uint64_t net;	/* address of the namespace */
	uint32_t netns; /* its inode number */
	uint32_t mix;	/* net->hash_mix */
	uint64_t slots; /* address of the array of hash slots */
	uint32_t mask;	/* their number - 1 */
};

/* How a protocol's table is reached: members of the kernel's structures. */
struct table_paths {
	const char *of_prot;		    /* from the socket's struct proto: looked for first */
	const char *of_net;		    /* from struct net */
	const char *slots, *n_slots, *mask; /* of the table; one of the last two is NULL */
};

/* How that is copied, and where in the record it is. */
struct table_copy {
	struct gather_plan plan;
	uint32_t fd_copy; /* index of the copy whose offset is that of the file descriptor */
	uint32_t at_sk, at_net, at_netns, at_mix;
	uint32_t at_slots[2], at_size[2]; /* by the protocol, by the namespace */
	uint32_t size_minus;		  /* what the size is more than the mask */
};

/* 0; -ENOENT: the types lack what every kernel has; -E2BIG: see gather_plan. */
int table_copy__plan(const struct btf *types, const struct table_paths *paths,
		     struct table_copy *ret);

/* The table of the network namespace that the socket fd is in. 0 or -errno. */
int socket_table__find(struct gather *gather, struct table_copy *copy, int fd,
		       struct socket_table *ret);

/* The hash slot of port (host byte order) in a namespace whose net->hash_mix is mix. */
static inline uint32_t socket_table__slot(const struct socket_table *table, uint32_t mix,
					  uint16_t port)
{
	return (port + mix) & table->mask;
}

#endif
