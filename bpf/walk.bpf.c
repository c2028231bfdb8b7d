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

/* The fronts of the lists of a port's address buckets, as they were when they had been walked. */
#define MAX_FRONTS 256

struct front {
	__u64 tb2, first;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FRONTS);
	__type(key, __u32);
	__type(value, struct front);
} fronts SEC(".maps");

/* What is behind MAX_FRONTS of them is not verified. */
static __always_inline void note_front(struct wire_walk *walk)
{
	__u32 i = walk->only_tb2 ? walk->front : walk->n_fronts;
	struct front *front = bpf_map_lookup_elem(&fronts, &i);

	if (walk->left_tb2 && front) {
		front->tb2 = walk->left_tb2;
		front->first = walk->left_first;
		if (i == walk->n_fronts)
			walk->n_fronts++;
	}
	walk->left_tb2 = 0;
}

/* False: not now, or not at all (see done and torn). */
static __always_inline bool begin_round(struct wire_walk *walk)
{
	struct inet_bind_bucket *tb = (struct inet_bind_bucket *)walk->tb;
	__u32 locked = 0;

	if (walk->round && !walk->changed) {
		walk->done = 1;
		return false;
	}
	if (++walk->laps_tb2 > WALK_MAX_LAPS ||
	    bpf_probe_read_kernel(&locked, sizeof(locked), (void *)walk->lock)) {
		walk->torn = 1;
		return false;
	}
	if (locked)
		return false;
	walk->link = (__u64)walk__first(&tb->bhash2);
	walk->round = 1;
	walk->changed = 0;
	walk->front = 0;
	walk->looks = 0;
	return walk->link;
}

/*
 * From 6.8 on connect() moves a socket that was bound to a wildcard from one address bucket to
 * another; for a moment it is in none, under the lock of the port's hash slot
 * (__inet_bhash2_update_saddr()). So when all lists have been walked, and nobody has that lock,
 * their fronts are looked at once more: a socket that was moved before is behind one that has
 * changed, and what is there is walked. One that is moved later has been seen where it was.
 *
 * One address bucket, or one look for what is known of it, a step.
 */
__attribute__((noinline)) int verify_step(void)
{
	struct wire_walk *walk = the_walk();
	struct inet_bind2_bucket *tb2;
	struct hlist_node *link;
	struct front *known;
	__u64 first, next;
	__u32 i;

	if (!walk || !compat__nested_buckets())
		return 1;
	if (!walk->link && !begin_round(walk))
		return walk->done | walk->torn;
	link = (struct hlist_node *)walk->link;
	tb2 = core_container_of(link, struct inet_bind2_bucket, bhash_node);
	i = walk->front;
	known = i < walk->n_fronts ? bpf_map_lookup_elem(&fronts, &i) : NULL;
	if (known && known->tb2 != (__u64)tb2)
		known = NULL;
	if (!known && ++walk->looks <= walk->n_fronts) {
		walk->front = i + 1 < walk->n_fronts ? i + 1 : 0;
		return 0;
	}
	first = (__u64)walk__first(&tb2->owners);
	next = (__u64)BPF_CORE_READ(tb2, bhash_node.next);
	if (!walk__linked(link) || BPF_CORE_READ(tb2, port) != walk->list_port) {
		walk->torn = 1;
		return 1;
	}
	walk->link = next;
	walk->looks = 0;
	walk->front = i + 1;
	if (known ? known->first == first : walk->n_fronts >= MAX_FRONTS)
		return 0;
	walk__enter_tb2(walk, link);
	walk->stop = known ? known->first : 0;
	walk->front = known ? i : walk->n_fronts;
	walk->only_tb2 = 1;
	walk->changed = 1;
	walk->rewound = 1;
	return 0;
}

/* A list, or all of them, have ended. */
static __always_inline void end_list(struct wire_walk *walk)
{
	note_front(walk);
	if (!walk->done)
		return;
	if (walk->only_tb2) {
		walk->only_tb2 = 0;
		walk->done = 0;
	} else if (compat__nested_buckets() && !walk->verifying) {
		walk->verifying = 1;
		walk->round = 0;
		walk->link = 0;
		walk->done = 0;
	}
}

__attribute__((noinline)) int list_step(void)
{
	struct wire_walk *walk = the_walk();
	struct wire_sock *out;
	__u32 n;

	if (!walk)
		return 1;
	if (compat__nested_buckets() && walk->verifying && !walk->only_tb2)
		return verify_step();
	n = walk->n_socks;
	out = bpf_map_lookup_elem(&socks, &n);
	if (!out)
		return 1;
	take(walk, out);
	end_list(walk);
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
	__u64 last_tb2 = walk->tb2;

	for (__u32 i = 1; i <= WIRE_WALK_TRAIL; i++) {
		if (!resume_step(i))
			continue;
		walk->rewound = i > 1;
		/* Where the list of another address bucket began is not known. */
		return walk->tb2 == last_tb2;
	}
	return false;
}

/* Is the bucket the one that was found, with what was read of it? */
static __always_inline bool same_bucket(struct wire_walk *walk, __u32 bucket)
{
	struct wire_bucket *found = &walk->buckets[bucket & (WIRE_MAX_BUCKETS - 1)], now = {};
	struct inet_bind_bucket *tb = (struct inet_bind_bucket *)found->id;

	bucket__read(tb, &now);
	return walk__bucket_matches(tb, (struct net *)walk->net, walk->port) &&
	       walk__linked(&tb->node) && now.l3mdev == found->l3mdev &&
	       now.fastreuse == found->fastreuse && now.fastreuseport == found->fastreuseport &&
	       now.fastuid == found->fastuid;
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
		walk->verifying = 0;
		walk->left_tb2 = 0;
		walk->n_fronts = 0;
	} else if ((!walk->verifying || walk->only_tb2) && !resume(walk)) {
		walk->torn = 1;
		return 0;
	}
	list_steps();
	if (walk->done && !same_bucket(walk, bucket))
		walk->torn = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
