// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk of a port: walk_find finds its bind buckets; walk_list copies the sockets of one of
 * them, WIRE_WALK_BATCH at a time. The driver (user/kernel/walk.c) runs it until the end was
 * reached.
 */
#include "find.bpf.h"

SEC("raw_tp")
int walk_find(void *ctx)
{
	return find_buckets();
}

__attribute__((noinline)) int list_step(void)
{
	struct wire_walk *walk = the_walk();
	struct sock_common *common;
	struct wire_sock *out;
	__u32 n;

	if (!walk)
		return 1;
	n = walk->n_socks;
	out = bpf_map_lookup_elem(&socks, &n);
	if (!out)
		return 1;
	common = walk__step(walk);
	if (common) {
		sock__read(common, out);
		out->bucket = walk->bucket;
		walk->n_socks = n + 1;
	}
	return walk->done | walk->torn;
}

REPEAT_1024(list_steps, list_step)

/* Goes on behind the node of the trail that is `back` steps from its end, if it is still there. */
__attribute__((noinline)) int resume_step(__u32 back)
{
	struct wire_walk *walk = the_walk();

	return walk && walk__resume_at(walk, back);
}

/*
 * Goes on behind the newest node of the trail that is still where it was; the ones after it have
 * gone meanwhile. False when none is left.
 */
static __always_inline bool resume(struct wire_walk *walk)
{
	for (__u32 i = 1; i <= WIRE_WALK_TRAIL; i++) {
		if (!resume_step(i))
			continue;
		walk->rewound = i > 1;
		return true;
	}
	return false;
}

SEC("raw_tp")
int walk_list(void *ctx)
{
	struct wire_walk *walk = the_walk();
	struct inet_bind_bucket *tb;
	__u32 bucket;

	if (!walk)
		return 0;
	walk->n_socks = 0;
	walk->torn = 0;
	walk->rewound = 0;
	bucket = walk->bucket;
	if (bucket >= WIRE_MAX_BUCKETS)
		return 0;
	tb = (struct inet_bind_bucket *)walk->buckets[bucket].id;
	if (!walk__bucket_matches(tb, (struct net *)walk->net, walk->port) ||
	    !walk__linked(&tb->node)) {
		/* The last socket of the bucket has gone, and the bucket with it. */
		walk->done = 1;
		walk->torn = 1;
		return 0;
	}
	if (walk->restart) {
		walk__begin(walk, tb);
	} else if (!resume(walk)) {
		walk->torn = 1;
		return 0;
	}
	list_steps();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
