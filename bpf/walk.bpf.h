/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moving through the sockets of one bind bucket.
 *
 * The live hooks do it with the bucket's lock held, the on-demand walk without: sockets come and go
 * under it. Each node is therefore checked to be linked, and linked into this very bucket, before
 * it counts (sockets and time-wait sockets are SLAB_TYPESAFE_BY_RCU: the memory stays a socket
 * while the program runs, but may become another one). Under the lock the checks always hold.
 */
#ifndef BINDTRACE_WALK_BPF_H
#define BINDTRACE_WALK_BPF_H

#include "compat.bpf.h"
#include "wire.h"

/* Buckets of one hash slot that are looked at: other ports and namespaces share it. */
#define WALK_MAX_CHAIN 512

static __always_inline struct hlist_node *walk__first(struct hlist_head *head)
{
	return BPF_CORE_READ(head, first);
}

/* Is the node in a list right now? pprev points at what points at it. */
static __always_inline bool walk__linked(struct hlist_node *node)
{
	struct hlist_node **pprev = BPF_CORE_READ(node, pprev);
	struct hlist_node *back = NULL;

	if (!pprev || bpf_probe_read_kernel(&back, sizeof(back), pprev))
		return false;
	return back == node;
}

static __always_inline struct hlist_head *walk__slot(struct inet_hashinfo *hashinfo,
						     struct net *net, __u16 port)
{
	__u32 slot =
		(port + BPF_CORE_READ(net, hash_mix)) & (BPF_CORE_READ(hashinfo, bhash_size) - 1);
	__u64 table = (__u64)BPF_CORE_READ(hashinfo, bhash);

	table += (__u64)slot * bpf_core_type_size(struct inet_bind_hashbucket);
	return (struct hlist_head *)(table +
				     bpf_core_field_offset(struct inet_bind_hashbucket, chain));
}

static __always_inline bool walk__bucket_matches(struct inet_bind_bucket *tb, struct net *net,
						 __u16 port)
{
	return BPF_CORE_READ(tb, port) == port && BPF_CORE_READ(tb, ib_net.net) == net;
}

/* Does the socket belong to the bucket (6.8 and later: to the address bucket) that is walked? */
static __always_inline bool walk__member(struct sock_common *common, const struct wire_walk *walk)
{
	bool timewait = BPF_CORE_READ(common, skc_state) == BT_TCP_TIME_WAIT;
	struct inet_timewait_sock *tw = (struct inet_timewait_sock *)common;
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)common;

	if (compat__nested_buckets()) {
		__u64 tb2 = timewait ? (__u64)BPF_CORE_READ(tw, tw_tb2)
				     : (__u64)BPF_CORE_READ(icsk, icsk_bind2_hash);
		return tb2 == walk->tb2;
	}
	return (timewait ? (__u64)BPF_CORE_READ(tw, tw_tb)
			 : (__u64)BPF_CORE_READ(icsk, icsk_bind_hash)) == walk->tb;
}

static __always_inline void walk__enter_tb2(struct wire_walk *walk, struct hlist_node *link)
{
	struct inet_bind2_bucket *tb2;

	walk->tb2 = 0;
	walk->node = 0;
	if (!link)
		return;
	tb2 = core_container_of(link, struct inet_bind2_bucket, bhash_node);
	walk->tb2 = (__u64)tb2;
	walk->node = (__u64)walk__first(&tb2->owners);
}

static __always_inline void walk__begin(struct wire_walk *walk, struct inet_bind_bucket *tb)
{
	walk->tb = (__u64)tb;
	walk->tb2 = 0;
	walk->done = 0;
	walk->torn = 0;
	walk->rewound = 0;
	walk->trail_pos = 0;
	__builtin_memset(walk->trail, 0, sizeof(walk->trail));
	if (compat__nested_buckets())
		walk__enter_tb2(walk, walk__first(&tb->bhash2));
	else
		walk->node = (__u64)walk__first(&tb->owners);
}

/* The list of one address bucket has ended: on to the next, or the walk is done. */
static __always_inline void walk__next_tb2(struct wire_walk *walk)
{
	struct inet_bind2_bucket *tb2 = (struct inet_bind2_bucket *)walk->tb2;

	if (!compat__nested_buckets() || !tb2) {
		walk->done = 1;
		return;
	}
	if (!walk__linked(&tb2->bhash_node)) {
		walk->torn = 1;
		return;
	}
	walk__enter_tb2(walk, BPF_CORE_READ(tb2, bhash_node.next));
	if (!walk->tb2)
		walk->done = 1;
}

static __always_inline void walk__remember(struct wire_walk *walk, __u64 node)
{
	__u32 pos = walk->trail_pos & (WIRE_WALK_TRAIL - 1);

	walk->trail[pos] = node;
	walk->trail_tb2[pos] = walk->tb2;
	walk->trail_pos = pos + 1;
}

/* As walk__step(), with the bucket's lock held: nothing changes, and nobody resumes. */
static __always_inline struct sock_common *walk__locked_step(struct wire_walk *walk)
{
	struct hlist_node *node = (struct hlist_node *)walk->node;

	if (!node) {
		walk__next_tb2(walk);
		return NULL;
	}
	walk->node = (__u64)BPF_CORE_READ(node, next);
	return core_container_of(node, struct sock_common, skc_bind_node);
}

/* One step: the socket to look at, or NULL when this step had none (see done and torn). */
static __always_inline struct sock_common *walk__step(struct wire_walk *walk)
{
	struct hlist_node *node = (struct hlist_node *)walk->node;
	struct sock_common *common;

	if (!node) {
		walk__next_tb2(walk);
		return NULL;
	}
	common = core_container_of(node, struct sock_common, skc_bind_node);
	if (!walk__linked(node) || !walk__member(common, walk)) {
		walk->torn = 1;
		return NULL;
	}
	walk__remember(walk, (__u64)node);
	walk->node = (__u64)BPF_CORE_READ(node, next);
	return common;
}

/* Goes on behind that node of the trail. False: it is not where it was, or the trail is shorter. */
static __always_inline bool walk__resume_at(struct wire_walk *walk, __u32 back)
{
	__u32 pos = (walk->trail_pos - back) & (WIRE_WALK_TRAIL - 1);
	struct hlist_node *node = (struct hlist_node *)walk->trail[pos];
	struct sock_common *common;

	if (!node)
		return false;
	common = core_container_of(node, struct sock_common, skc_bind_node);
	walk->tb2 = walk->trail_tb2[pos];
	if (!walk__linked(node) || !walk__member(common, walk))
		return false;
	walk->node = (__u64)BPF_CORE_READ(node, next);
	return true;
}

#endif
