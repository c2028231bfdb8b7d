/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets that a person would call "the same", counted. */
#ifndef BINDTRACE_OUTPUT_GROUP_H
#define BINDTRACE_OUTPUT_GROUP_H

#include <stddef.h>
#include "../model/snapshot.h"

struct group {
	uint32_t sock; /* the first of them */
	size_t count;
	bool one_peer;	    /* all have the same peer address and port */
	bool one_peer_host; /* all have the same peer address */
	int64_t expires_ms; /* of the last one to expire; -1: not all have a timer */
	size_t position;    /* of the first of them in the list given */
};

/*
 * Groups the n sockets by state, local address, role, holders and flags; each alone with `single`.
 * In the order of the first of each. malloc'ed; NULL when memory is short.
 */
struct group *group__make(const struct snapshot *snap, const uint32_t *socks, size_t n, bool single,
			  size_t *ret_n);

#endif
