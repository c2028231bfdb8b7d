/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP: udp_lib_get_port() fails a bind, or an implicit one, over a port. It has let go of its lock
 * when it returns, so that the way out of bind() shows as much and costs a success nothing more.
 */
#ifndef BINDTRACE_UDP_TEST_BPF_H
#define BINDTRACE_UDP_TEST_BPF_H

#include "request.bpf.h"
#include "udp.bpf.h"

__attribute__((noinline)) int udp_step(__u32 slot)
{
	struct scratch *scratch = scratch__get(slot);
	struct hlist_node *node;
	struct sock_common *common;
	struct wire_sock *out;
	__u32 n;

	if (!scratch)
		return 1;
	n = scratch->event.n_socks;
	node = (struct hlist_node *)scratch->walk.node;
	if (!node) {
		scratch->walk.done = 1;
		return 1;
	}
	if (n >= WIRE_MAX_SOCKS)
		return 1;
	if (!walk__linked(node)) {
		scratch->walk.torn = 1;
		return 1;
	}
	common = core_container_of(node, struct sock_common, skc_node);
	scratch->walk.node = (__u64)BPF_CORE_READ(node, next);
	scratch->event.visited++;
	if (udp__port(common) != scratch->event.binder.local_port ||
	    (__u64)BPF_CORE_READ(common, skc_net.net) != scratch->walk.net ||
	    (__u64)common == scratch->event.binder.id)
		return 0;
	out = &scratch->event.socks[n & (WIRE_MAX_SOCKS - 1)];
	sock__read(common, out);
	out->local_port = udp__port(common);
	scratch->event.n_socks = n + 1;
	return 0;
}

/* What __inet6_bind() had made of the address while udp_lib_get_port() compared it. */
static __always_inline void udp_request_from(struct wire_sock *binder,
					     const struct user_address *addr)
{
	const __u8 *b = addr->v6;
	__u64 first;

	request_from(binder, addr);
	if (addr->family != BT_AF_INET6)
		return;
	__builtin_memcpy(&first, b, sizeof(first));
	if (!first && !b[8] && !b[9] && b[10] == 0xff && b[11] == 0xff)
		return;
	for (int i = 8; i < 16; i++)
		first |= b[i];
	if (first)
		binder->flags |= WIRE_SOCK_V6ONLY;
}

/* The slot's lock is no longer held, neither is it at the end of udp_lib_get_port(). */
static __always_inline int udp_refused(struct sock *sk, const struct user_address *addr)
{
	__u16 port = __builtin_bswap16(addr->port_be);
	struct wire_conflict *event;
	struct scratch *scratch;
	struct udp_table *table;
	struct net *net;
	__u32 slot = 0;

	scratch = event__begin(sk, port, &slot);
	if (!scratch)
		return 0;
	event = &scratch->event;
	event->stage = WIRE_STAGE_TEST;
	event->error = BT_EADDRINUSE;
	event->syscall = WIRE_BIND;
	udp_request_from(&event->binder, addr);
	scratch->walk.done = 0;
	scratch->walk.torn = 0;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	scratch->walk.net = (__u64)net;
	table = udp__table(sk, net);
	scratch->walk.node = (__u64)udp__first_of(table, udp__slot(table, net, port));
	for (__u32 i = 0; i < CAPTURE_MAX_STEPS; i++) {
		if (udp_step(slot))
			break;
	}
	if (scratch->walk.done)
		event->flags |= WIRE_CONFLICT_COMPLETE;
	if (scratch->walk.torn)
		event->flags |= WIRE_CONFLICT_TORN;
	event__deliver(scratch);
	return 0;
}

/* (sk): sendto() or connect() of a socket that was never bound. EAGAIN when no port is left. */
SEC("?fexit/inet_autobind")
int fexit_autobind(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct scratch *scratch;
	__u32 slot = 0;

	if (AS_INT(ctx[1]) >= 0)
		return 0;
	scratch = event__begin(sk, 0, &slot);
	if (!scratch)
		return 0;
	scratch->event.stage = WIRE_STAGE_TEST;
	scratch->event.error = -AS_INT(ctx[1]);
	scratch->event.syscall = WIRE_AUTOBIND;
	scratch->event.flags = WIRE_CONFLICT_COMPLETE;
	event__deliver(scratch);
	return 0;
}

#endif
