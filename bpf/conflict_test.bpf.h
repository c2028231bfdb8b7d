/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP: hooks on the kernel's conflict test of a port, for bind() and listen().
 *
 * They sit on inet_csk_bind_conflict() and (6.1 and later) inet_bhash2_addr_any_conflict(): the
 * requested address is still in the socket (it is cleared before the call returns), and the
 * bucket's lock is held, so that the sockets seen are exactly those that the kernel judged. Either
 * function returning true for an explicit port means EADDRINUSE. Up to 5.10 a bind to a port that
 * nobody has never gets there; later kernels test such a port, too, so the result is looked at
 * first.
 */
#ifndef BINDTRACE_CONFLICT_TEST_BPF_H
#define BINDTRACE_CONFLICT_TEST_BPF_H

#include "event.bpf.h"

/*
 * What the kernel's pairwise test named last, and the arguments that a kprobe keeps for its return:
 * per CPU, since both happen under the bucket's lock with bottom halves off.
 */
struct under_lock {
	__u64 named;
	__u64 named_for;
	__u64 entry_sk;
	__u64 entry_tb;
	__u32 entry_port;
	__s32 entry_l3mdev;
	__u32 entry_explicit;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct under_lock);
} under_locks SEC(".maps");

static __always_inline struct under_lock *the_lock(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&under_locks, &zero);
}

/* Both with SO_REUSEADDR and the other not listening: can never block, whatever else. */
static __always_inline bool harmless(const struct wire_sock *binder, struct sock_common *other)
{
	if ((__u64)other == binder->id)
		return true;
	return binder->reuse && BPF_CORE_READ(other, skc_state) != BT_TCP_LISTEN &&
	       BPF_CORE_READ_BITFIELD_PROBED(other, skc_reuse);
}

/* Two local addresses that one socket could not have without the other's being in its way. */
static __always_inline bool may_overlap(const struct wire_sock *a, const struct wire_sock *b)
{
	if (a->family != b->family && (a->flags | b->flags) & WIRE_SOCK_V6ONLY)
		return false;
	if (!a->v4_word_be || !b->v4_word_be) /* a wildcard, of IPv6 as well */
		return true;
	return a->v4_word_be == b->v4_word_be &&
	       (a->family != b->family || sock__same_address(a->local, b->local));
}

/*
 * Has the kernel stopped at this one? Only how long the hook looks on depends on it: user space has
 * the kernel's rules in full.
 */
static __always_inline bool stops_kernel(const struct wire_sock *binder,
					 const struct wire_sock *other)
{
	if (binder->flags & other->flags & WIRE_SOCK_REUSEPORT &&
	    (other->state == BT_TCP_TIME_WAIT || other->uid == binder->uid))
		return false;
	if (binder->ifindex && other->ifindex && binder->ifindex != other->ifindex)
		return false;
	return may_overlap(binder, other);
}

/* From 6.1 on the kernel looks for one address among the sockets of that and of the wildcard. */
static __always_inline bool kernel_skips(const struct wire_sock *binder, struct sock_common *other)
{
	__u64 address[2];
	__u32 v4;

	if (!compat__has_address_buckets() || !binder->v4_word_be)
		return false;
	v4 = BPF_CORE_READ(other, skc_rcv_saddr);
	if (v4 != binder->v4_word_be)
		return v4 != 0;
	if (binder->family != BT_AF_INET6 || BPF_CORE_READ(other, skc_family) != BT_AF_INET6)
		return false;
	bpf_core_read(address, sizeof(address), &other->skc_v6_rcv_saddr);
	return !sock__same_address((const __u8 *)address, binder->local);
}

/* Into the record. False: it is full, and this one is no listener. */
static __always_inline bool put(struct scratch *scratch, struct sock_common *common)
{
	struct wire_conflict *event = &scratch->event;
	__u32 n = event->n_socks;
	struct wire_sock *out;

	if (n >= WIRE_MAX_SOCKS) {
		scratch->overflow = 1;
		if (BPF_CORE_READ(common, skc_state) != BT_TCP_LISTEN)
			return false;
		n = WIRE_MAX_SOCKS - 1 - (scratch->late_listeners++ & 7);
	}
	out = &event->socks[n & (WIRE_MAX_SOCKS - 1)];
	sock__read(common, out);
	if (event->n_socks < WIRE_MAX_SOCKS)
		event->n_socks = n + 1;
	if (stops_kernel(&event->binder, out))
		scratch->past_kernel = 1;
	return true;
}

/*
 * One socket. When the record is full it goes on for listeners only, which take the last places:
 * they block whatever the options, and sit at the end of the list behind what they have served.
 */
__attribute__((noinline)) int capture_step(__u32 slot)
{
	struct scratch *scratch = scratch__get(slot);
	struct sock_common *common;

	if (!scratch)
		return 1;
	common = walk__locked_step(&scratch->walk);
	if (!common)
		return scratch->walk.done | scratch->walk.torn;
	if (scratch->past_kernel || kernel_skips(&scratch->event.binder, common)) {
		if (!scratch->looks_left)
			return 1;
		scratch->looks_left--;
	}
	scratch->event.visited++;
	if (!harmless(&scratch->event.binder, common) && !put(scratch, common))
		scratch->past_kernel = 1; /* it may have stopped here: nobody has looked */
	return 0;
}

static __always_inline int capture(struct sock *sk, struct inet_bind_bucket *tb)
{
	struct under_lock *lock = the_lock();
	struct wire_conflict *event;
	struct scratch *scratch;
	__u32 slot = 0;
	__u16 port;

	if (!lock || !tb)
		return 0;
	port = BPF_CORE_READ(tb, port);
	remember_reported(sk);
	scratch = event__begin(sk, port, &slot);
	if (!scratch)
		return 0;
	event = &scratch->event;
	event->stage = WIRE_STAGE_TEST;
	event->error = BT_EADDRINUSE;
	event->syscall = event->binder.state == BT_TCP_LISTEN ? WIRE_LISTEN : WIRE_BIND;
	event->named = lock->named_for == (__u64)sk ? lock->named : 0;
	lock->named_for = 0;
	event->binder.local_port = port; /* skc_num is set only once the bind has succeeded */
	bucket__read(tb, &event->bucket);
	event->flags |= WIRE_CONFLICT_BUCKET | WIRE_CONFLICT_LOCKED;

	scratch->overflow = 0;
	scratch->late_listeners = 0;
	scratch->past_kernel = 0;
	scratch->looks_left = CAPTURE_MAX_MORE;
	walk__begin(&scratch->walk, tb);
	for (__u32 i = 0; i < CAPTURE_MAX_STEPS; i++) {
		if (capture_step(slot))
			break;
	}
	if (scratch->walk.done && !scratch->overflow)
		event->flags |= WIRE_CONFLICT_COMPLETE;
	if (scratch->walk.torn)
		event->flags |= WIRE_CONFLICT_TORN;
	event__deliver(scratch);
	return 0;
}

/* inet_bhash2_addr_any_conflict() has no bucket among its arguments; it is locked, so look it up.
 */
static __always_inline struct inet_bind_bucket *find_bucket(struct sock *sk, __u16 port,
							    __s32 l3mdev)
{
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	struct hlist_node *link = walk__first(walk__slot(compat__hashinfo(sk, net), net, port));

	for (int i = 0; link && i < WALK_MAX_CHAIN; i++) {
		struct inet_bind_bucket *tb =
			core_container_of(link, struct inet_bind_bucket, node);

		if (walk__bucket_matches(tb, net, port) && BPF_CORE_READ(tb, l3mdev) == l3mdev)
			return tb;
		link = BPF_CORE_READ(link, next);
	}
	return NULL;
}

/*
 * Signatures differ between kernels; user/kernel/live.c picks the programs that fit (SEC("?...")).
 * reuseport_ok is false only in the search for a free port (bind to port 0), where a conflict just
 * means "try the next one".
 */

/* 5.10: (sk, tb, relax, reuseport_ok) */
SEC("?fexit/inet_csk_bind_conflict")
int fexit_bind_conflict_4(__u64 *ctx)
{
	if (!AS_BOOL(ctx[4]) || !AS_BOOL(ctx[3]))
		return 0;
	return capture((struct sock *)ctx[0], (struct inet_bind_bucket *)ctx[1]);
}

/* 6.1 and later: (sk, tb, tb2, relax, reuseport_ok) */
SEC("?fexit/inet_csk_bind_conflict")
int fexit_bind_conflict_5(__u64 *ctx)
{
	if (!AS_BOOL(ctx[5]) || !AS_BOOL(ctx[4]))
		return 0;
	return capture((struct sock *)ctx[0], (struct inet_bind_bucket *)ctx[1]);
}

/* 6.1 and later: (sk, port, l3mdev, relax, reuseport_ok), for a bind to one address */
SEC("?fexit/inet_bhash2_addr_any_conflict")
int fexit_addr_any_conflict(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	if (!AS_BOOL(ctx[5]) || !AS_BOOL(ctx[4]))
		return 0;
	return capture(sk, find_bucket(sk, (__u16)ctx[1], (__s32)ctx[2]));
}

/* What an earlier test of a socket at the same address named must not be taken for this one's. */
static __always_inline int forget_named(void)
{
	struct under_lock *lock = the_lock();

	if (lock)
		lock->named_for = 0;
	return 0;
}

SEC("?fentry/inet_csk_bind_conflict")
int fentry_bind_conflict(__u64 *ctx)
{
	return forget_named();
}

SEC("?fentry/inet_bhash2_addr_any_conflict")
int fentry_addr_any_conflict(__u64 *ctx)
{
	return forget_named();
}

/*
 * --cross-check, 6.1 and later: inet_bind_conflict(sk, sk2, uid, relax, reuseport_cb_ok,
 * reuseport_ok) is the kernel's own pairwise test. Runs per candidate, hence only on demand. A
 * bind to a wildcard goes on to compare addresses, so the last pair named before the whole test
 * returns true is the one that counts.
 */
SEC("?fexit/inet_bind_conflict")
int fexit_pair_conflict(__u64 *ctx)
{
	struct under_lock *lock = the_lock();

	if (!lock || !AS_BOOL(ctx[6]) || !AS_BOOL(ctx[5]))
		return 0;
	lock->named = ctx[1];
	lock->named_for = ctx[0];
	return 0;
}

/*
 * kprobes, where the kernel cannot attach fentry (arm64 before 6.4): the arguments are kept from
 * the entry, since the return has none.
 */
static __always_inline int keep(__u64 sk, __u64 tb, __u32 port, __s32 l3mdev, bool explicit)
{
	struct under_lock *lock = the_lock();

	if (!lock)
		return 0;
	lock->entry_sk = sk;
	lock->entry_tb = tb;
	lock->entry_port = port;
	lock->entry_l3mdev = l3mdev;
	lock->entry_explicit = explicit;
	return 0;
}

SEC("?kprobe/inet_csk_bind_conflict")
int kprobe_bind_conflict_4(struct pt_regs *ctx)
{
	return keep(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0, 0, AS_BOOL(PT_REGS_PARM4(ctx)));
}

SEC("?kprobe/inet_csk_bind_conflict")
int kprobe_bind_conflict_5(struct pt_regs *ctx)
{
	return keep(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), 0, 0, AS_BOOL(PT_REGS_PARM5(ctx)));
}

SEC("?kretprobe/inet_csk_bind_conflict")
int kretprobe_bind_conflict(struct pt_regs *ctx)
{
	struct under_lock *lock = the_lock();

	if (!lock || !AS_BOOL(PT_REGS_RC(ctx)) || !lock->entry_explicit)
		return 0;
	return capture((struct sock *)lock->entry_sk, (struct inet_bind_bucket *)lock->entry_tb);
}

SEC("?kprobe/inet_bhash2_addr_any_conflict")
int kprobe_addr_any_conflict(struct pt_regs *ctx)
{
	return keep(PT_REGS_PARM1(ctx), 0, (__u16)PT_REGS_PARM2(ctx), (__s32)PT_REGS_PARM3(ctx),
		    AS_BOOL(PT_REGS_PARM5(ctx)));
}

SEC("?kretprobe/inet_bhash2_addr_any_conflict")
int kretprobe_addr_any_conflict(struct pt_regs *ctx)
{
	struct under_lock *lock = the_lock();
	struct sock *sk;

	if (!lock || !AS_BOOL(PT_REGS_RC(ctx)) || !lock->entry_explicit)
		return 0;
	sk = (struct sock *)lock->entry_sk;
	return capture(sk, find_bucket(sk, lock->entry_port, lock->entry_l3mdev));
}

#endif
