/* SPDX-License-Identifier: GPL-2.0-only */
/* Every difference between kernels that the programs see, in one place. */
#ifndef BINDTRACE_COMPAT_BPF_H
#define BINDTRACE_COMPAT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "kernel_constants.h"

/* container_of() for a member whose offset only the running kernel knows. */
#define core_container_of(ptr, type, member)                                                       \
	((type *)((__u64)(ptr)-bpf_core_field_offset(type, member)))

/*
 * Up to 6.7 a bucket lists its sockets itself; since 6.8 (8191792c18c5 "tcp: Remove dead code and
 * fields for bhash2") they hang off its address buckets only.
 */
static __always_inline bool compat__nested_buckets(void)
{
	return bpf_core_field_exists(((struct inet_bind_bucket *)0)->bhash2);
}

/* 6.1 (28044fc1d495 "net: Add a bhash2 table hashed by port and address"). */
static __always_inline bool compat__has_address_buckets(void)
{
	return bpf_core_type_exists(struct inet_bind2_bucket);
}

/*
 * 6.1 moved the tables behind the network namespace (d1e5e6408b30): sk_prot has none for TCP then,
 * but still has its own for DCCP up to 6.12.
 */
static __always_inline struct inet_hashinfo *compat__hashinfo(struct sock *sk, struct net *net)
{
	struct inet_hashinfo *hashinfo = NULL;
	struct proto *prot = BPF_CORE_READ(sk, __sk_common.skc_prot);

	if (bpf_core_field_exists(((struct proto *)0)->h.hashinfo))
		hashinfo = BPF_CORE_READ(prot, h.hashinfo);
	if (!hashinfo)
		hashinfo = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
	return hashinfo;
}

/* Without CONFIG_IPV6 sockets and buckets have no IPv6 addresses. */
static __always_inline bool compat__has_ipv6(void)
{
	return bpf_core_field_exists(((struct sock_common *)0)->skc_v6_rcv_saddr);
}

/* sk_userlocks was a bit field up to 6.6 and is a byte since. */
static __always_inline __u32 compat__userlocks(struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks);
}

/* connect() marks the port as its own since 6.18: SOCK_CONNECT_BIND and tw_connect_bind. */
static __always_inline bool compat__knows_connect_bind(void)
{
	return bpf_core_field_exists(((struct inet_timewait_sock *)0)->tw_connect_bind);
}

static __always_inline __u64 compat__sock_cgroup_id(struct sock *sk)
{
	if (!bpf_core_field_exists(((struct sock_cgroup_data *)0)->cgroup))
		return 0;
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/* 6.1 keeps the family of an address bucket's first socket, and compares by it. 0: not kept. */
static __always_inline __u8 compat__addr_bucket_family(struct sock_common *common, bool timewait)
{
	struct inet_timewait_sock *tw = (struct inet_timewait_sock *)common;
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)common;

	if (!bpf_core_field_exists(((struct inet_bind2_bucket *)0)->family))
		return 0;
	return timewait ? BPF_CORE_READ(tw, tw_tb2, family)
			: BPF_CORE_READ(icsk, icsk_bind2_hash, family);
}

/* A reuseport group counts its closed members since 5.14 (5c040eaf5d17). */
static __always_inline bool compat__group_has_closed(struct sock_reuseport *group)
{
	if (!bpf_core_field_exists(((struct sock_reuseport *)0)->num_closed_socks))
		return false;
	return BPF_CORE_READ(group, num_closed_socks) != 0;
}

#endif
