/* SPDX-License-Identifier: GPL-2.0-only */
/* One socket, or time-wait socket, of the bind tables into its wire form. */
#ifndef BINDTRACE_SOCK_BPF_H
#define BINDTRACE_SOCK_BPF_H

#include "compat.bpf.h"
#include "wire.h"

static __always_inline void sock__read_common(struct sock_common *common, struct wire_sock *out)
{
	__u16 family = BPF_CORE_READ(common, skc_family);

	out->id = (__u64)common;
	out->family = family;
	out->state = BPF_CORE_READ(common, skc_state);
	out->local_port = BPF_CORE_READ(common, skc_num);
	out->peer_port = __builtin_bswap16(BPF_CORE_READ(common, skc_dport));
	out->ifindex = BPF_CORE_READ(common, skc_bound_dev_if);
	out->v4_word_be = BPF_CORE_READ(common, skc_rcv_saddr);
	out->reuse = BPF_CORE_READ_BITFIELD_PROBED(common, skc_reuse);
	if (BPF_CORE_READ_BITFIELD_PROBED(common, skc_reuseport))
		out->flags |= WIRE_SOCK_REUSEPORT;
	if (BPF_CORE_READ_BITFIELD_PROBED(common, skc_ipv6only))
		out->flags |= WIRE_SOCK_V6ONLY;
	/* A time-wait socket's IPv6 addresses are slab garbage unless it is one of AF_INET6. */
	if (family == BT_AF_INET6 && compat__has_ipv6()) {
		BPF_CORE_READ_INTO(&out->local, common, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&out->peer, common, skc_v6_daddr);
	} else {
		__u32 peer = BPF_CORE_READ(common, skc_daddr);

		__builtin_memcpy(out->local, &out->v4_word_be, 4);
		__builtin_memcpy(out->peer, &peer, 4);
	}
}

static __always_inline void sock__read_timewait(struct inet_timewait_sock *tw,
						struct wire_sock *out)
{
	out->substate = BPF_CORE_READ(tw, tw_substate);
	out->addr_bucket_family = compat__addr_bucket_family(&tw->__tw_common, true);
	out->expires_ticks = (__s64)(BPF_CORE_READ(tw, tw_timer.expires) - bpf_jiffies64());
	if (compat__knows_connect_bind()) {
		out->flags |= WIRE_SOCK_CONNECT_KNOWN;
		if (BPF_CORE_READ_BITFIELD_PROBED(tw, tw_connect_bind))
			out->flags |= WIRE_SOCK_CONNECT_BOUND;
	}
}

static __always_inline void sock__read_inode(struct sock *sk, struct wire_sock *out)
{
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	struct socket_alloc *alloc;

	if (!socket)
		return;
	alloc = core_container_of(socket, struct socket_alloc, socket);
	out->flags |= WIRE_SOCK_HAS_SOCKET;
	if (BPF_CORE_READ(socket, file))
		out->flags |= WIRE_SOCK_HAS_FILE;
	out->inode = BPF_CORE_READ(alloc, vfs_inode.i_ino);
	out->inode_uid = BPF_CORE_READ(alloc, vfs_inode.i_uid.val);
}

static __always_inline void sock__read_full(struct sock *sk, struct wire_sock *out)
{
	struct sock_reuseport *group = BPF_CORE_READ(sk, sk_reuseport_cb);
	__u32 locks = compat__userlocks(sk);

	out->flags |= WIRE_SOCK_FULL;
	out->uid = BPF_CORE_READ(sk, sk_uid.val);
	if (BPF_CORE_READ(sk, sk_protocol) == BT_IPPROTO_TCP)
		out->addr_bucket_family = compat__addr_bucket_family(&sk->__sk_common, false);
	out->cgroup_id = compat__sock_cgroup_id(sk);
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & (1ul << BT_SOCK_DEAD))
		out->flags |= WIRE_SOCK_DEAD;
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock))
		out->flags |= WIRE_SOCK_KERNEL_MADE;
	if (locks & BT_BINDPORT_LOCK)
		out->flags |= WIRE_SOCK_PORT_LOCKED;
	if (compat__knows_connect_bind()) {
		out->flags |= WIRE_SOCK_CONNECT_KNOWN;
		if (locks & BT_CONNECT_BIND)
			out->flags |= WIRE_SOCK_CONNECT_BOUND;
	}
	if (group) {
		out->flags |= WIRE_SOCK_HAS_GROUP;
		if (compat__group_has_closed(group))
			out->flags |= WIRE_SOCK_GROUP_CLOSED;
	}
	sock__read_inode(sk, out);
}

/*
 * Fills *out, which may hold anything before. Only what struct sock_common has may be read before
 * the state is known: a time-wait socket is much smaller than a struct sock.
 */
static __always_inline void sock__read(struct sock_common *common, struct wire_sock *out)
{
	__builtin_memset(out, 0, sizeof(*out));
	sock__read_common(common, out);
	if (out->state == BT_TCP_TIME_WAIT)
		sock__read_timewait((struct inet_timewait_sock *)common, out);
	else
		sock__read_full((struct sock *)common, out);
}

static __always_inline bool sock__same_address(const __u8 a[16], const __u8 b[16])
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline void bucket__read(struct inet_bind_bucket *tb, struct wire_bucket *out)
{
	out->id = (__u64)tb;
	out->l3mdev = BPF_CORE_READ(tb, l3mdev);
	out->port = BPF_CORE_READ(tb, port);
	out->fastreuse = BPF_CORE_READ(tb, fastreuse);
	out->fastreuseport = BPF_CORE_READ(tb, fastreuseport);
	out->fastuid = BPF_CORE_READ(tb, fastuid.val);
	out->fast_family = BPF_CORE_READ(tb, fast_sk_family);
	out->fast_ipv6only = BPF_CORE_READ(tb, fast_ipv6_only);
	out->fast_v4_be = BPF_CORE_READ(tb, fast_rcv_saddr);
	if (compat__has_ipv6())
		BPF_CORE_READ_INTO(&out->fast_v6, tb, fast_v6_rcv_saddr);
}

#endif
