/* SPDX-License-Identifier: GPL-2.0-only */
/* The bind buckets of a port in the network namespace of a socket of the caller's. */
#ifndef BINDTRACE_FIND_BPF_H
#define BINDTRACE_FIND_BPF_H

#include "on_demand.bpf.h"

/* One bucket of the port's hash slot. */
__attribute__((noinline)) int find_step(void)
{
	struct wire_walk *walk = the_walk();
	struct inet_bind_bucket *tb;
	struct hlist_node *link;
	__u32 n;

	if (!walk)
		return 1;
	link = (struct hlist_node *)walk->node;
	if (!link)
		return 1;
	tb = core_container_of(link, struct inet_bind_bucket, node);
	n = walk->n_buckets;
	if (walk__bucket_matches(tb, (struct net *)walk->net, walk->port)) {
		if (n >= WIRE_MAX_BUCKETS)
			return 1;
		bucket__read(tb, &walk->buckets[n]);
		walk->n_buckets = n + 1;
	}
	walk->node = (__u64)BPF_CORE_READ(link, next);
	return 0;
}

REPEAT_512(find_steps, find_step)

static __always_inline int find_buckets(void)
{
	struct wire_walk *walk = the_walk();
	struct sock *sk;
	struct net *net;

	if (!walk)
		return 0;
	walk->n_buckets = 0;
	walk->more_buckets = 0;
	walk->error = -EFAULT;
	sk = sock_of_fd(walk->sock_fd);
	if (!sk)
		return 0;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	walk->net = (__u64)net;
	walk->netns = BPF_CORE_READ(net, ns.inum);
	walk->error = 0;
	walk->tables = (__u64)compat__hashinfo(sk, net);
	walk->node = (__u64)walk__first(
		walk__slot((struct inet_hashinfo *)walk->tables, net, walk->port));
	find_steps();
	walk->more_buckets = walk->node != 0;
	return 0;
}

#endif
