/* SPDX-License-Identifier: GPL-2.0-only */
/* A socket of another network namespace than its holder's, as netns.bpf.c writes it. */
#ifndef BINDTRACE_NETNS_WIRE_H
#define BINDTRACE_NETNS_WIRE_H

#include "wire.h"

#define WIRE_NETNS     17   /* a wire_kind, clear of those of wire.h and owner_wire.h */
#define WIRE_NETNS_MAX 4096 /* namespaces told of in one run */

struct wire_netns {
	struct wire_header header;
	__u32 netns; /* inode number */
	__u32 pid;   /* thread group id, in the pid namespace of the reader */
	__u32 fd;
	__u32 pad;
};

_Static_assert(sizeof(struct wire_netns) == 24, "wire_netns");

#endif
