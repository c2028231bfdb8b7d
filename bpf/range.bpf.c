// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every socket on the ports port_now..port_last, whatever its port's bucket: what a search for a
 * free port goes through.
 */
#include "find.bpf.h"

/* Attempts at a port during which nothing of it changed, before it is called raced. */
#define MAX_AGAIN 3

SEC("raw_tp")
int range_find(void *ctx)
{
	return find_buckets();
}

static __always_inline void look_at_bucket(struct wire_walk *walk)
{
	struct hlist_node *link = (struct hlist_node *)walk->node;
	struct inet_bind_bucket *tb = core_container_of(link, struct inet_bind_bucket, node);

	if (!walk__bucket_matches(tb, (struct net *)walk->net, walk->port_now)) {
		walk->node = (__u64)BPF_CORE_READ(link, next);
		if (!in_slot(walk, tb)) {
			walk->raced = 1;
			walk->node = 0;
		}
		return;
	}
	walk->bucket = BPF_CORE_READ(tb, fastreuse) >= 0 || BPF_CORE_READ(tb, fastreuseport) >= 0
			       ? WIRE_RANGE_BOUND
			       : WIRE_RANGE_CONNECT;
	walk__begin(walk, tb);
	walk->port_socks = walk->n_socks;
}

/* The next bucket of the slot of port_now, from the first one on; tb is set if it is the port's. */
static __always_inline void look_for_port(struct wire_walk *walk)
{
	struct inet_hashinfo *tables = (struct inet_hashinfo *)walk->tables;
	struct net *net = (struct net *)walk->net;

	if (!walk->node) {
		walk->slot = walk__slot_number(tables, net, walk->port_now);
		walk->node = (__u64)walk__first(walk__slot(tables, net, walk->port_now));
	}
	if (walk->node)
		look_at_bucket(walk);
}

__attribute__((noinline)) int range_step(void)
{
	struct wire_walk *walk = the_walk();
	struct wire_sock *out;
	__u32 n;

	if (!walk)
		return 1;
	if (!walk->tb)
		look_for_port(walk);
	if (!walk->tb) {
		if (walk->node)
			return 0;
		goto next_port;
	}
	n = walk->n_socks;
	out = bpf_map_lookup_elem(&socks, &n);
	if (!out)
		return 1;
	take(walk, out);
	if (!walk->done && !walk->torn)
		return 0;
	if (walk->torn && walk->again++ < MAX_AGAIN) {
		walk->tb = 0;
		walk->node = 0;
		walk->n_socks = walk->port_socks;
		return 0;
	}
	walk->raced |= walk->torn;
next_port:
	walk->tb = 0;
	walk->node = 0;
	walk->again = 0;
	walk->port_now++;
	return walk->port_now > walk->port_last;
}

REPEAT_1024(range_steps, range_step)

SEC("raw_tp")
int range_list(void *ctx)
{
	struct wire_walk *walk = the_walk();

	if (!walk)
		return 0;
	walk->n_socks = 0;
	walk->rewound = 0;
	walk->raced = 0;
	walk->again = 0;
	/* A port that the last run was in the middle of is begun again: the driver drops it first.
	 */
	walk->tb = 0;
	walk->node = 0;
	range_steps();
	walk->done = walk->port_now > walk->port_last;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
