/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sockets of one TCP bind bucket, by the program that copies (gather.h).
 *
 * Nothing is locked: sockets come and go, and each memory may have become another socket's. So what
 * was copied of a node, its successor above all, counts only if the node was still where it was
 * after that (sock_copy__is_listed()). What is added while a list is walked is at its front, behind
 * us: a connection that becomes a time-wait socket goes from one end to the other. So at the end of
 * a list its front is looked at again, as long as it has changed.
 */
#ifndef BINDTRACE_KERNEL_BUCKET_WALK_H
#define BINDTRACE_KERNEL_BUCKET_WALK_H

#include "../model/snapshot.h"
#include "bind_table.h"
#include "gather.h"
#include "sock_copy.h"

/* How often the front of one list, or of all lists, is looked at again. */
#define WALK_MAX_LAPS 16

/* What every walk of TCP needs. */
struct tcp_copy {
	struct gather *gather; /* not owned */
	struct bind_copy bind;
	struct sock_copy sock;
	int64_t tick_ns; /* one jiffy */
};

struct bucket_walk {
	const struct tcp_copy *tcp;
	const struct socket_table *table;
	struct sock_place place; /* net and port of the bucket; its address the walk fills */
	struct snapshot *snap;	 /* the sockets are added there, */
	uint32_t index;		 /* with this as their bucket; */
	size_t limit;		 /* not more than so many are in it in the end, 0: no limit */
	/* what the walk was like */
	uint32_t n_torn;
	bool torn; /* something had gone from under it, or changed */
};

/* Beside 0, all of it, and -errno. */
enum bucket_walk_end {
	WALK_LOST = 1, /* it has gone, or changes faster than it can be walked */
	WALK_CUT,      /* the limit was reached */
};

/*
 * Once through the bucket at the kernel's address tb. A socket may be added more than once: it has
 * moved meanwhile, to another list or to the front, with the walk on it, which then goes through
 * the list again. For snapshot__drop_duplicates(), which nobody may leave out.
 */
int bucket_walk__run(struct bucket_walk *walk, uint64_t tb);

#endif
