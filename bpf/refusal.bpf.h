/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals that no conflict test of an explicit port explains: ports exhausted, an address that is
 * not this host's, missing privilege, a policy; and connect().
 *
 * These hooks run on the way out of calls that mostly succeed, so they look at the result first;
 * the rest is a function of its own, whose stack and registers a success doesn't pay for.
 */
#ifndef BINDTRACE_REFUSAL_BPF_H
#define BINDTRACE_REFUSAL_BPF_H

#include "conflict_test.bpf.h"
#include "udp_test.bpf.h"

/* The local port that the filter is about: connect() names the peer's. */
static __always_inline __u16 port_asked(struct sock *sk, const struct user_address *addr,
					__u8 syscall)
{
	return syscall == WIRE_CONNECT ? BPF_CORE_READ(sk, __sk_common.skc_num)
				       : __builtin_bswap16(addr->port_be);
}

/* A call on sk with the user's sockaddr has failed at the given stage. */
static __always_inline int refused(struct sock *sk, const struct user_address *addr, __s32 error,
				   __u8 syscall, __u8 stage)
{
	struct scratch *scratch;
	__u32 slot = 0;

	if (!sk || (addr->family != BT_AF_INET && addr->family != BT_AF_INET6))
		return 0;
	scratch = event__begin(sk, port_asked(sk, addr, syscall), &slot);
	if (!scratch)
		return 0;
	scratch->event.error = -error;
	scratch->event.syscall = syscall;
	scratch->event.stage = stage;
	scratch->event.flags = WIRE_CONFLICT_COMPLETE;
	if (syscall == WIRE_CONNECT) {
		scratch->event.binder.peer_port = __builtin_bswap16(addr->port_be);
		__builtin_memset(scratch->event.binder.peer, 0, 16);
		if (addr->family == BT_AF_INET6)
			__builtin_memcpy(scratch->event.binder.peer, addr->v6, 16);
		else
			__builtin_memcpy(scratch->event.binder.peer, &addr->v4_be, 4);
	} else {
		/* A second bind of one socket is EINVAL: the port that it has tells. */
		scratch->event.had_port = scratch->event.binder.local_port;
		request_from(&scratch->event.binder, addr);
	}
	event__deliver(scratch);
	return 0;
}

/* As refused(), of an address that the kernel has copied from the user. */
static __noinline int refused_at(struct sock *sk, const void *uaddr, __s32 error, __u8 syscall,
				 __u8 stage)
{
	struct user_address addr = {};

	if (bpf_probe_read_kernel(&addr, sizeof(addr), uaddr))
		return 0;
	return refused(sk, &addr, error, syscall, stage);
}

/* --all: a bind that has got what it wanted, address and port as the socket has them now. */
static __always_inline int succeeded(struct sock *sk)
{
	struct scratch *scratch;
	__u32 slot = 0;

	scratch = event__begin(sk, BPF_CORE_READ(sk, __sk_common.skc_num), &slot);
	if (!scratch)
		return 0;
	scratch->event.error = 0;
	scratch->event.syscall = WIRE_BIND;
	scratch->event.stage = WIRE_STAGE_PROTOCOL;
	scratch->event.flags = WIRE_CONFLICT_COMPLETE;
	event__deliver(scratch);
	return 0;
}

/* UDP and UDP-Lite, over the very port that was asked for. */
static __always_inline bool udp_over_port(struct sock *sk, __s32 error,
					  const struct user_address *addr)
{
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	return error == -BT_EADDRINUSE && addr->port_be &&
	       (protocol == BT_IPPROTO_UDP || protocol == BT_IPPROTO_UDPLITE);
}

/* TCP's refusals over a port have been reported by its test already. */
static __noinline int bind_ended(struct sock *sk, const void *uaddr, __s32 error)
{
	struct user_address addr = {};

	if (!error)
		return succeeded(sk);
	if (error > 0 || was_reported(sk))
		return 0;
	if (bpf_probe_read_kernel(&addr, sizeof(addr), uaddr))
		return 0;
	if (udp_over_port(sk, error, &addr))
		return udp_refused(sk, &addr);
	return refused(sk, &addr, error, WIRE_BIND, WIRE_STAGE_PROTOCOL);
}

/* (sk, uaddr, addr_len, flags) */
static __always_inline int bind_returned(__u64 *ctx)
{
	__s32 error = AS_INT(ctx[4]);

	if (!error && !want_all)
		return 0;
	return bind_ended((struct sock *)ctx[0], (const void *)ctx[1], error);
}

SEC("?fexit/__inet_bind")
int fexit_inet_bind(__u64 *ctx)
{
	return bind_returned(ctx);
}

SEC("?fexit/__inet6_bind")
int fexit_inet6_bind(__u64 *ctx)
{
	return bind_returned(ctx);
}

/*
 * SCTP has a bind of its own, in a module. inet_bind() and inet6_bind() call it, for all protocols:
 * these are hooked only where the module is. (sock, uaddr, addr_len)
 */
static __always_inline int sctp_bind_returned(__u64 *ctx)
{
	__s32 error = AS_INT(ctx[3]);
	struct sock *sk;

	if (!error && !want_all)
		return 0;
	sk = BPF_CORE_READ((struct socket *)ctx[0], sk);
	if (BPF_CORE_READ(sk, sk_protocol) != BT_IPPROTO_SCTP)
		return 0;
	return bind_ended(sk, (const void *)ctx[1], error);
}

SEC("?fexit/inet_bind")
int fexit_sctp_bind(__u64 *ctx)
{
	return sctp_bind_returned(ctx);
}

SEC("?fexit/inet6_bind")
int fexit_sctp_bind6(__u64 *ctx)
{
	return sctp_bind_returned(ctx);
}

/* So have ping sockets, whose identifier is what a port is to others. (sk, uaddr, addr_len) */
SEC("?fexit/ping_bind")
int fexit_ping_bind(__u64 *ctx)
{
	__s32 error = AS_INT(ctx[3]);

	if (!error && !want_all)
		return 0;
	return bind_ended((struct sock *)ctx[0], (const void *)ctx[1], error);
}

/* listen() on a socket without a port looks for a free one; of a bound one the test reports. */
static __noinline int listen_refused(struct sock *sk, __s32 error)
{
	struct scratch *scratch;
	__u32 slot = 0;

	if (was_reported(sk))
		return 0;
	scratch = event__begin(sk, 0, &slot);
	if (!scratch)
		return 0;
	scratch->event.error = -error;
	scratch->event.syscall = WIRE_LISTEN;
	scratch->event.stage = WIRE_STAGE_PROTOCOL;
	scratch->event.flags = WIRE_CONFLICT_COMPLETE;
	event__deliver(scratch);
	return 0;
}

/* 5.10: (sk, backlog) */
SEC("?fexit/inet_csk_listen_start")
int fexit_listen_start_2(__u64 *ctx)
{
	return AS_INT(ctx[2]) < 0 ? listen_refused((struct sock *)ctx[0], AS_INT(ctx[2])) : 0;
}

SEC("?fexit/inet_csk_listen_start")
int fexit_listen_start_1(__u64 *ctx)
{
	return AS_INT(ctx[1]) < 0 ? listen_refused((struct sock *)ctx[0], AS_INT(ctx[1])) : 0;
}

static __noinline int lsm_refused(struct socket *socket, const void *uaddr, __s32 error,
				  __u8 syscall)
{
	return refused_at(BPF_CORE_READ(socket, sk), uaddr, error, syscall, WIRE_STAGE_LSM);
}

/* security_socket_bind(sock, address, addrlen): an LSM said no. */
SEC("?fexit/security_socket_bind")
int fexit_security_bind(__u64 *ctx)
{
	__s32 error = AS_INT(ctx[3]);

	if (error >= 0)
		return 0;
	return lsm_refused((struct socket *)ctx[0], (const void *)ctx[1], error, WIRE_BIND);
}

SEC("?fexit/security_socket_connect")
int fexit_security_connect(__u64 *ctx)
{
	__s32 error = AS_INT(ctx[3]);

	if (error >= 0)
		return 0;
	return lsm_refused((struct socket *)ctx[0], (const void *)ctx[1], error, WIRE_CONNECT);
}

/*
 * __cgroup_bpf_run_filter_sock_addr(sk, uaddr, ...): a program of a cgroup said no. Not called at
 * all where no such program is attached. Its other arguments differ: 5.10 has (type, t_ctx) after
 * these, 6.1 adds flags at the end, 6.12 the length of the address before them. The type is the
 * user's enum on 5.10 and one of the kernel's own later.
 */
static __always_inline int cgroup_refused(__u64 *ctx, __s32 error, bool bind, bool connect)
{
	if (!bind && !connect)
		return 0;
	return refused_at((struct sock *)ctx[0], (const void *)ctx[1], error,
			  bind ? WIRE_BIND : WIRE_CONNECT, WIRE_STAGE_CGROUP);
}

static __always_inline int cgroup_returned(__u64 *ctx, __u32 type, __s32 error)
{
	if (error >= 0)
		return 0;
	return cgroup_refused(
		ctx, error,
		type == bpf_core_enum_value(enum cgroup_bpf_attach_type, CGROUP_INET4_BIND) ||
			type == bpf_core_enum_value(enum cgroup_bpf_attach_type, CGROUP_INET6_BIND),
		type == bpf_core_enum_value(enum cgroup_bpf_attach_type, CGROUP_INET4_CONNECT) ||
			type == bpf_core_enum_value(enum cgroup_bpf_attach_type,
						    CGROUP_INET6_CONNECT));
}

SEC("?fexit/__cgroup_bpf_run_filter_sock_addr")
int fexit_cgroup_4(__u64 *ctx)
{
	__u32 type = (__u32)ctx[2];
	__s32 error = AS_INT(ctx[4]);

	if (error >= 0)
		return 0;
	return cgroup_refused(ctx, error,
			      type == BPF_CGROUP_INET4_BIND || type == BPF_CGROUP_INET6_BIND,
			      type == BPF_CGROUP_INET4_CONNECT || type == BPF_CGROUP_INET6_CONNECT);
}

SEC("?fexit/__cgroup_bpf_run_filter_sock_addr")
int fexit_cgroup_5(__u64 *ctx)
{
	return cgroup_returned(ctx, (__u32)ctx[2], AS_INT(ctx[5]));
}

SEC("?fexit/__cgroup_bpf_run_filter_sock_addr")
int fexit_cgroup_6(__u64 *ctx)
{
	return cgroup_returned(ctx, (__u32)ctx[3], AS_INT(ctx[6]));
}

/*
 * Sockets of the port that a connect() is bound to, which have its peer: the same four-tuple.
 * Unlocked, each step checked.
 */
__attribute__((noinline)) int tuple_step(__u32 slot)
{
	struct scratch *scratch = scratch__get(slot);
	const struct wire_sock *binder;
	struct sock_common *common;
	struct wire_sock *out;
	__u32 n;

	if (!scratch)
		return 1;
	n = scratch->event.n_socks;
	if (n >= WIRE_MAX_SOCKS)
		return 1;
	common = walk__step(&scratch->walk);
	if (!common)
		return scratch->walk.done | scratch->walk.torn;
	scratch->event.visited++;
	binder = &scratch->event.binder;
	out = &scratch->event.socks[n & (WIRE_MAX_SOCKS - 1)];
	sock__read(common, out);
	if (out->id != binder->id && out->peer_port == binder->peer_port)
		scratch->event.n_socks = n + 1;
	return 0;
}

/* __inet_hash_connect(): no four-tuple left, or the one of the port that the socket is bound to. */
static __noinline int connect_refused(struct sock *sk, __s32 error)
{
	struct wire_conflict *event;
	struct scratch *scratch;
	__u32 slot = 0;
	__u16 port;

	port = BPF_CORE_READ(sk, __sk_common.skc_num);
	scratch = event__begin(sk, port, &slot);
	if (!scratch)
		return 0;
	event = &scratch->event;
	event->error = -error;
	event->syscall = WIRE_CONNECT;
	event->stage = WIRE_STAGE_CONNECT;
	if (port) {
		struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
		struct inet_bind_bucket *tb = BPF_CORE_READ(icsk, icsk_bind_hash);

		if (tb) {
			bucket__read(tb, &event->bucket);
			event->flags |= WIRE_CONFLICT_BUCKET;
			walk__begin(&scratch->walk, tb);
			for (__u32 i = 0; i < CAPTURE_MAX_STEPS; i++) {
				if (tuple_step(slot))
					break;
			}
			if (scratch->walk.done)
				event->flags |= WIRE_CONFLICT_COMPLETE;
			if (scratch->walk.torn)
				event->flags |= WIRE_CONFLICT_TORN;
		}
	} else {
		event->flags |= WIRE_CONFLICT_COMPLETE;
	}
	event__deliver(scratch);
	return 0;
}

/* Up to 6.12: (death_row, sk, port_offset, check) */
SEC("?fexit/__inet_hash_connect")
int fexit_hash_connect_4(__u64 *ctx)
{
	return AS_INT(ctx[4]) < 0 ? connect_refused((struct sock *)ctx[1], AS_INT(ctx[4])) : 0;
}

/* 6.18: (death_row, sk, port_offset, hash_port0, check) */
SEC("?fexit/__inet_hash_connect")
int fexit_hash_connect_5(__u64 *ctx)
{
	return AS_INT(ctx[5]) < 0 ? connect_refused((struct sock *)ctx[1], AS_INT(ctx[5])) : 0;
}

#endif
