// SPDX-License-Identifier: GPL-2.0-only
/*
 * The UDP (or UDP-Lite) sockets of a port, in the order in which the kernel judges them; or with
 * port 0 those of every port, one hash slot (port_now) after the other.
 */
#include "on_demand.bpf.h"
#include "udp.bpf.h"

static __always_inline bool udp_next_slot(struct wire_walk *walk)
{
	if (walk->port || walk->port_now >= walk->port_last)
		return false;
	walk->port_now++;
	walk->node = (__u64)udp__first_of((struct udp_table *)walk->tables, walk->port_now);
	walk->trail[0] = 0; /* nothing of this slot has been visited */
	return true;
}

/* Is the node in the slot that is walked? */
static __always_inline bool udp_in_slot(const struct wire_walk *walk, struct hlist_node *node)
{
	struct udp_table *table = (struct udp_table *)walk->tables;
	struct sock_common *common = core_container_of(node, struct sock_common, skc_node);
	struct net *net = BPF_CORE_READ(common, skc_net.net);

	return walk__linked(node) && udp__slot(table, net, udp__port(common)) == walk->port_now;
}

static __always_inline bool udp_wanted(const struct wire_walk *walk, struct sock_common *common)
{
	return (!walk->port || udp__port(common) == walk->port) &&
	       (__u64)BPF_CORE_READ(common, skc_net.net) == walk->net;
}

/* UDP keeps the port twice; the one that goes with the slot outlives a close(). */
static __always_inline bool udp_take(struct sock_common *common, struct wire_sock *out)
{
	struct wire_sock now = {};

	sock__read(common, out);
	out->local_port = udp__port(common);
	sock__read_inode((struct sock *)common, &now);
	return now.inode == out->inode;
}

__attribute__((noinline)) int udp_list_step(void)
{
	struct wire_walk *walk = the_walk();
	struct hlist_node *node, *next;
	struct sock_common *common;
	struct wire_sock *out;
	bool wanted;
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
	common = core_container_of(node, struct sock_common, skc_node);
	next = BPF_CORE_READ(node, next);
	wanted = udp_wanted(walk, common);
	if (wanted && !udp_take(common, out))
		walk->torn = 1;
	/* What was read of it counts only if it is where it was. */
	if (!udp_in_slot(walk, node))
		walk->torn = 1;
	if (walk->torn)
		return 1;
	walk->node = (__u64)next;
	walk->trail[0] = (__u64)node;
	walk->n_socks = n + wanted;
	return 0;
}

REPEAT_1024(udp_list_steps, udp_list_step)

SEC("raw_tp")
int udp_list(void *ctx)
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
		if (last)
			walk->node = (__u64)BPF_CORE_READ(last, next);
		if (last && !udp_in_slot(walk, last)) {
			walk->torn = 1;
			return 0;
		}
	}
	udp_list_steps();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
