// SPDX-License-Identifier: GPL-2.0-only
/*
 * The on-demand walk: run with BPF_PROG_TEST_RUN, attached to nothing.
 *
 * walk_find finds the bind buckets of a port in the network namespace of a socket of the caller's;
 * walk_list copies the sockets of one of them, WIRE_WALK_BATCH at a time. The driver
 * (user/kernel/walk.c) runs it until the end was reached.
 */
#include "walk.bpf.h"
#include "repeat.bpf.h"
#include "sock.bpf.h"
#include "udp.bpf.h"

#ifndef EFAULT
#define EFAULT 14
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wire_walk);
} walks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WIRE_WALK_BATCH);
	__type(key, __u32);
	__type(value, struct wire_sock);
} socks SEC(".maps");

static __always_inline struct wire_walk *the_walk(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&walks, &zero);
}

/* The kernel's socket behind a file descriptor of the caller; no symbol lookup needed that way. */
static __always_inline struct sock *sock_of_fd(__s32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct socket *socket;
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	if (!file)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

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

SEC("raw_tp")
int walk_find(void *ctx)
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

/*
 * walk_range: every socket on the ports port_now..port_last, whatever its port's bucket. What a
 * search for a free port goes through.
 */
static __always_inline void look_at_bucket(struct wire_walk *walk)
{
	struct hlist_node *link = (struct hlist_node *)walk->node;
	struct inet_bind_bucket *tb = core_container_of(link, struct inet_bind_bucket, node);

	if (!walk__bucket_matches(tb, (struct net *)walk->net, walk->port_now)) {
		walk->node = (__u64)BPF_CORE_READ(link, next);
		return;
	}
	walk->bucket = BPF_CORE_READ(tb, fastreuse) >= 0 || BPF_CORE_READ(tb, fastreuseport) >= 0
			       ? WIRE_RANGE_BOUND
			       : WIRE_RANGE_CONNECT;
	walk__begin(walk, tb);
}

/* The next bucket of the slot of port_now, from the first one on; tb is set if it is the port's. */
static __always_inline void look_for_port(struct wire_walk *walk)
{
	if (!walk->node)
		walk->node = (__u64)walk__first(walk__slot((struct inet_hashinfo *)walk->tables,
							   (struct net *)walk->net,
							   walk->port_now));
	if (walk->node)
		look_at_bucket(walk);
}

__attribute__((noinline)) int range_step(void)
{
	struct wire_walk *walk = the_walk();
	struct sock_common *common;
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
	common = walk__step(walk);
	if (common) {
		sock__read(common, out);
		out->bucket = walk->bucket;
		walk->n_socks = n + 1;
	}
	/* What has gone from under the walk is no longer in the way: on to the next port. */
	if (walk->torn)
		walk->rewound++;
	if (!walk->done && !walk->torn)
		return 0;
next_port:
	walk->tb = 0;
	walk->node = 0;
	walk->port_now++;
	return walk->port_now > walk->port_last;
}

REPEAT_1024(range_steps, range_step)

SEC("raw_tp")
int walk_range(void *ctx)
{
	struct wire_walk *walk = the_walk();

	if (!walk)
		return 0;
	walk->n_socks = 0;
	walk->rewound = 0;
	/* A port that the last run was in the middle of is begun again: the driver drops it first.
	 */
	walk->tb = 0;
	walk->node = 0;
	range_steps();
	walk->done = walk->port_now > walk->port_last;
	return 0;
}

/*
 * walk_udp: the UDP (or UDP-Lite) sockets of a port, in the order in which the kernel judges them;
 * or with port 0 those of every port, one hash slot (port_now) after the other.
 */
static __always_inline bool udp_next_slot(struct wire_walk *walk)
{
	if (walk->port || walk->port_now >= walk->port_last)
		return false;
	walk->port_now++;
	walk->node = (__u64)udp__first_of((struct udp_table *)walk->tables, walk->port_now);
	return true;
}

__attribute__((noinline)) int udp_list_step(void)
{
	struct wire_walk *walk = the_walk();
	struct hlist_node *node;
	struct sock_common *common;
	struct wire_sock *out;
	__u32 n;

	if (!walk)
		return 1;
	node = (struct hlist_node *)walk->node;
	if (!node) {
		walk->done = !udp_next_slot(walk);
		return walk->done;
	}
	n = walk->n_socks;
	out = bpf_map_lookup_elem(&socks, &n);
	if (!out)
		return 1;
	if (!walk__linked(node)) {
		walk->torn = 1;
		return 1;
	}
	common = core_container_of(node, struct sock_common, skc_node);
	walk->node = (__u64)BPF_CORE_READ(node, next);
	walk->trail[0] = (__u64)node;
	if ((walk->port && udp__port(common) != walk->port) ||
	    (__u64)BPF_CORE_READ(common, skc_net.net) != walk->net)
		return 0;
	sock__read(common, out);
	out->local_port = udp__port(common);
	walk->n_socks = n + 1;
	return 0;
}

REPEAT_1024(udp_list_steps, udp_list_step)

SEC("raw_tp")
int walk_udp(void *ctx)
{
	struct wire_walk *walk = the_walk();
	struct hlist_node *last;
	struct udp_hslot *slot;
	struct udp_table *table;
	struct sock *sk;
	struct net *net;

	if (!walk)
		return 0;
	walk->n_socks = 0;
	walk->torn = 0;
	walk->done = 0;
	walk->error = -EFAULT;
	sk = sock_of_fd(walk->sock_fd);
	if (!sk)
		return 0;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	walk->net = (__u64)net;
	walk->netns = BPF_CORE_READ(net, ns.inum);
	walk->error = 0;
	table = udp__table(sk, net);
	walk->tables = (__u64)table;
	if (walk->restart) {
		walk->port_now = walk->port ? udp__slot(table, net, walk->port) : 0;
		walk->port_last = BPF_CORE_READ(table, mask);
		walk->trail[0] = 0;
		walk->node = (__u64)udp__first_of(table, walk->port_now);
		/* Not within the macro: what is read of the walk itself would be relocated, too. */
		slot = udp__hslot(table, walk->port_now);
		walk->slot_socks = BPF_CORE_READ(slot, count);
	} else {
		/* Nothing but empty slots in the last run: its node is where to go on. */
		last = (struct hlist_node *)walk->trail[0];
		if (last && !walk__linked(last)) {
			walk->torn = 1;
			return 0;
		}
		if (last)
			walk->node = (__u64)BPF_CORE_READ(last, next);
	}
	udp_list_steps();
	return 0;
}

_Static_assert(WIRE_WALK_BATCH == 1024, "as many rounds as REPEAT_1024() has");

char LICENSE[] SEC("license") = "GPL";
