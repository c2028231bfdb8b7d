/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moving through the sockets of one bind bucket, in a hook: with the bucket's lock held, or, where
 * connect() has failed, without. (On demand user space does it: user/kernel/bucket_walk.c.)
 *
 * Without the lock sockets come and go. Each node is therefore checked to be linked, and linked
 * into this very bucket, before it counts (sockets and time-wait sockets are SLAB_TYPESAFE_BY_RCU:
 * the memory stays a socket while the program runs, but may become another one). What was read of a
 * node, its successor above all, counts only if the node is still where it was after that:
 * walk__intact(). And what is added while a list is walked is at its front, behind us: so at the
 * end of a list its front is looked at again, as long as it has changed.
 */
#ifndef BINDTRACE_WALK_BPF_H
#define BINDTRACE_WALK_BPF_H

#include "compat.bpf.h"
#include "wire.h"

/* Buckets of one hash slot that are looked at: other ports and namespaces share it. */
#define WALK_MAX_CHAIN 512
/* How often the front of one list is looked at again. */
#define WALK_MAX_LAPS 16

struct walk {
	__u64 net; /* UDP: the namespace that is asked about */
	__u64 tb;
	__u64 tb2;	 /* 6.8 and later: the address bucket */
	__u64 node;	 /* next to visit */
	__u64 first;	 /* front of the list when this lap of it began */
	__u64 stop;	 /* where this lap ends, 0: at the end of the list */
	__u64 first_tb2; /* likewise, of the list of address buckets */
	__u64 stop_tb2;
	__u32 done; /* the end of the list was reached */
	__u32 torn; /* a node had gone from under the walk */
	__u32 laps, laps_tb2;
	__u16 list_port; /* of the bucket */
	__u16 pad[3];
};

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

static __always_inline __u32 walk__slot_number(struct inet_hashinfo *hashinfo, struct net *net,
					       __u16 port)
{
	return (port + BPF_CORE_READ(net, hash_mix)) & (BPF_CORE_READ(hashinfo, bhash_size) - 1);
}

static __always_inline struct hlist_head *walk__slot(struct inet_hashinfo *hashinfo,
						     struct net *net, __u16 port)
{
	__u32 slot = walk__slot_number(hashinfo, net, port);
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

static __always_inline bool walk__of_bucket(struct sock_common *common, const struct walk *walk)
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

/* Does the socket belong to the bucket (6.8 and later: to the address bucket) that is walked? */
static __always_inline bool walk__member(struct sock_common *common, const struct walk *walk)
{
	/* A bucket's memory may be another port's by now, and its sockets members of it. */
	return BPF_CORE_READ(common, skc_num) == walk->list_port && walk__of_bucket(common, walk);
}

/* Is the node that was stepped on still where it was? */
static __always_inline bool walk__intact(struct sock_common *common, const struct walk *walk)
{
	return walk__linked(&common->skc_bind_node) && walk__member(common, walk);
}

static __always_inline void walk__enter_list(struct walk *walk, struct hlist_head *head)
{
	walk->node = walk->first = (__u64)walk__first(head);
	walk->stop = 0;
	walk->laps = 0;
}

static __always_inline void walk__enter_tb2(struct walk *walk, struct hlist_node *link)
{
	struct inet_bind2_bucket *tb2;

	walk->tb2 = 0;
	walk->node = 0;
	if (!link)
		return;
	tb2 = core_container_of(link, struct inet_bind2_bucket, bhash_node);
	walk->tb2 = (__u64)tb2;
	walk__enter_list(walk, &tb2->owners);
}

static __always_inline void walk__begin(struct walk *walk, struct inet_bind_bucket *tb)
{
	walk->tb = (__u64)tb;
	walk->list_port = BPF_CORE_READ(tb, port);
	walk->tb2 = 0;
	walk->done = 0;
	walk->torn = 0;
	if (compat__nested_buckets()) {
		walk->first_tb2 = (__u64)walk__first(&tb->bhash2);
		walk->stop_tb2 = 0;
		walk->laps_tb2 = 0;
		walk__enter_tb2(walk, (struct hlist_node *)walk->first_tb2);
	} else {
		walk__enter_list(walk, &tb->owners);
	}
}

/* True: there is more at the front of the list than before, and it is walked once more. */
static __always_inline bool walk__next_lap(struct walk *walk, struct hlist_head *head)
{
	__u64 first = (__u64)walk__first(head);

	if (!first || first == walk->first)
		return false;
	if (++walk->laps > WALK_MAX_LAPS) {
		walk->torn = 1;
		return true;
	}
	walk->stop = walk->first;
	walk->first = walk->node = first;
	return true;
}

static __always_inline bool walk__next_lap_tb2(struct walk *walk)
{
	struct inet_bind_bucket *tb = (struct inet_bind_bucket *)walk->tb;
	struct hlist_node *first = walk__first(&tb->bhash2);

	if (!first || (__u64)first == walk->first_tb2)
		return false;
	if (++walk->laps_tb2 > WALK_MAX_LAPS) {
		walk->torn = 1;
		return true;
	}
	walk->stop_tb2 = walk->first_tb2;
	walk->first_tb2 = (__u64)first;
	walk__enter_tb2(walk, first);
	return true;
}

/* The list of one address bucket has ended: on to the next. */
static __always_inline void walk__next_tb2(struct walk *walk)
{
	struct inet_bind2_bucket *tb2 = (struct inet_bind2_bucket *)walk->tb2;
	struct hlist_node *next;

	if (walk__next_lap(walk, &tb2->owners))
		return;
	next = BPF_CORE_READ(tb2, bhash_node.next);
	if (!walk__linked(&tb2->bhash_node) || BPF_CORE_READ(tb2, port) != walk->list_port) {
		walk->torn = 1;
		return;
	}
	if ((__u64)next == walk->stop_tb2)
		next = NULL;
	if (next)
		walk__enter_tb2(walk, next);
	else if (!walk__next_lap_tb2(walk))
		walk->done = 1;
}

/* The list has ended: on to the next, or the walk is done. */
static __always_inline void walk__next_list(struct walk *walk)
{
	struct inet_bind_bucket *tb = (struct inet_bind_bucket *)walk->tb;

	if (!compat__nested_buckets()) {
		if (!walk__next_lap(walk, &tb->owners))
			walk->done = 1;
	} else if (walk->tb2) {
		walk__next_tb2(walk);
	} else {
		walk->done = 1;
	}
}

/* As walk__step(), with the bucket's lock held: nothing changes. */
static __always_inline struct sock_common *walk__locked_step(struct walk *walk)
{
	struct hlist_node *node = (struct hlist_node *)walk->node;

	if (!node) {
		walk__next_list(walk);
		return NULL;
	}
	walk->node = (__u64)BPF_CORE_READ(node, next);
	return core_container_of(node, struct sock_common, skc_bind_node);
}

/* The socket to look at, or NULL when this step has none (see done and torn). Not checked yet. */
static __always_inline struct sock_common *walk__at(struct walk *walk)
{
	struct hlist_node *node = (struct hlist_node *)walk->node;

	if (node && (__u64)node != walk->stop)
		return core_container_of(node, struct sock_common, skc_bind_node);
	walk__next_list(walk);
	return NULL;
}

/* On to the next one. False: this one was not, or no longer, where it seemed to be. */
static __always_inline bool walk__advance(struct walk *walk, struct sock_common *common)
{
	struct hlist_node *node = (struct hlist_node *)walk->node;
	__u64 next = (__u64)BPF_CORE_READ(node, next);

	if (!walk__intact(common, walk)) {
		walk->torn = 1;
		return false;
	}
	walk->node = next;
	return true;
}

/* One step: the socket to look at, or NULL when this step had none. */
static __always_inline struct sock_common *walk__step(struct walk *walk)
{
	struct sock_common *common = walk__at(walk);

	return common && walk__advance(walk, common) ? common : NULL;
}

#endif
