/* SPDX-License-Identifier: GPL-2.0-only */
/* The bind buckets of a port in the network namespace of a socket of the caller's. */
#ifndef BINDTRACE_FIND_BPF_H
#define BINDTRACE_FIND_BPF_H

#include "on_demand.bpf.h"

/* Is the bucket in the same hash slot as walk->port still? */
static __always_inline bool in_slot(const struct wire_walk *walk, struct inet_bind_bucket *tb)
{
	struct inet_hashinfo *tables = (struct inet_hashinfo *)walk->tables;
	struct net *net = BPF_CORE_READ(tb, ib_net.net);

	return walk__linked(&tb->node) &&
	       walk__slot_number(tables, net, BPF_CORE_READ(tb, port)) == walk->slot;
}

/* One bucket of the port's hash slot. */
__attribute__((noinline)) int find_step(void)
{
	struct wire_walk *walk = the_walk();
	struct inet_bind_bucket *tb;
	struct hlist_node *link;
	__u64 next;
	__u32 n;

	if (!walk)
		return 1;
	link = (struct hlist_node *)walk->node;
	if (!link)
		return 1;
	tb = core_container_of(link, struct inet_bind_bucket, node);
	next = (__u64)BPF_CORE_READ(link, next);
	n = walk->n_buckets;
	if (walk__bucket_matches(tb, (struct net *)walk->net, walk->port)) {
		if (n >= WIRE_MAX_BUCKETS)
			return 1;
		bucket__read(tb, &walk->buckets[n]);
		walk->n_buckets = n + 1;
	}
	if (!in_slot(walk, tb)) {
		walk->torn = 1;
		next = 0;
	}
	walk->node = next;
	return 0;
}

REPEAT_512(find_steps, find_step)

static __always_inline int find_buckets(void)
{
	struct wire_walk *walk = the_walk();
	struct hlist_head *slot;
	struct sock *sk;
	struct net *net;

	if (!walk)
		return 0;
	walk->n_buckets = 0;
	walk->more_buckets = 0;
	walk->torn = 0;
	walk->error = -EFAULT;
	sk = sock_of_fd(walk->sock_fd);
	if (!sk)
		return 0;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	walk->net = (__u64)net;
	walk->netns = BPF_CORE_READ(net, ns.inum);
	walk->error = 0;
	walk->tables = (__u64)compat__hashinfo(sk, net);
	slot = walk__slot((struct inet_hashinfo *)walk->tables, net, walk->port);
	walk->slot = walk__slot_number((struct inet_hashinfo *)walk->tables, net, walk->port);
	walk->lock = walk__lock_of(slot);
	walk->node = (__u64)walk__first(slot);
	find_steps();
	walk->more_buckets = walk->node != 0;
	return 0;
}

#endif
