/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP and UDP-Lite: the sockets of one hash slot, in the kernel's order, which decides (the first
 * one that overlaps is the one that counts, udp_lib_lport_inuse()).
 */
#ifndef BINDTRACE_UDP_BPF_H
#define BINDTRACE_UDP_BPF_H

#include "compat.bpf.h"
#include "wire.h"

/* 6.1 gave each namespace a table of its own; sk_prot keeps one for UDP-Lite (up to 6.18). */
static __always_inline struct udp_table *udp__table(struct sock *sk, struct net *net)
{
	struct udp_table *table = NULL;
	struct proto *prot = BPF_CORE_READ(sk, __sk_common.skc_prot);

	if (bpf_core_field_exists(((struct proto *)0)->h.udp_table))
		table = BPF_CORE_READ(prot, h.udp_table);
	if (!table && bpf_core_field_exists(((struct netns_ipv4 *)0)->udp_table))
		table = BPF_CORE_READ(net, ipv4.udp_table);
	return table;
}

static __always_inline __u32 udp__slot(struct udp_table *table, struct net *net, __u16 port)
{
	return (port + BPF_CORE_READ(net, hash_mix)) & BPF_CORE_READ(table, mask);
}

static __always_inline struct udp_hslot *udp__hslot(struct udp_table *table, __u32 slot)
{
	struct udp_hslot *slots = BPF_CORE_READ(table, hash);

	return (void *)slots + (__u64)slot * bpf_core_type_size(struct udp_hslot);
}

static __always_inline struct hlist_node *udp__first_of(struct udp_table *table, __u32 slot)
{
	struct udp_hslot *slots = udp__hslot(table, slot);

	return BPF_CORE_READ(slots, head.first);
}

static __always_inline __u16 udp__port(struct sock_common *common)
{
	return BPF_CORE_READ(common, skc_u16hashes[0]);
}

#endif
