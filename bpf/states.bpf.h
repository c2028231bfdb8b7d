/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --states: TCP state changes. The tracepoint sock:inet_sock_set_state tells those of struct sock,
 * but never TIME_WAIT: that is another object (kernel-wide: inet_twsk_alloc() begins it,
 * inet_twsk_kill() ends it), and the socket that it stands in for reports CLOSE, which is left out
 * here. An orphan in FIN_WAIT2 is such an object too, until the peer's FIN makes it TIME_WAIT in
 * tcp_timewait_state_process().
 */
#ifndef BINDTRACE_STATES_BPF_H
#define BINDTRACE_STATES_BPF_H

#include "memory.bpf.h"

/* What is known of a socket's present state. Key: its id. */
struct state_since {
	__u64 time_ns;
	__u64 start_ns;
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	__u8 comm[WIRE_COMM_LEN];
	__u8 state;
	__u8 handed_on; /* a time-wait socket carries the connection on */
	__u8 former;
	__u8 pad;
	__u32 seen_pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct state_since);
} since SEC(".maps");

static __always_inline void since_from_current(struct state_since *now)
{
	now->start_ns = start_of_current();
	now->cgroup_id = bpf_get_current_cgroup_id();
	now->pid = bpf_get_current_pid_tgid() >> 32;
	now->seen_pid = current_pid_for_reader();
	now->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(now->comm, sizeof(now->comm));
}

/* These are made by a system call of the process itself, never by a packet or a timer. */
static __always_inline bool made_by_caller(__u8 old, __u8 new)
{
	return new == BT_TCP_LISTEN || new == BT_TCP_SYN_SENT || new == BT_TCP_FIN_WAIT1 ||
	       new == BT_TCP_LAST_ACK || (old == BT_TCP_LISTEN && new == BT_TCP_CLOSE);
}

static __always_inline void emit_state(struct sock_common *common, __u16 port,
				       const struct state_since *was, __u8 old, __u8 new,
				       const struct state_since *now)
{
	struct wire_state *record;
	__u16 family = BPF_CORE_READ(common, skc_family);

	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		/* Those that get through are not among the calls seen; what is lost adds up. */
		count(WIRE_COUNT_SEEN);
		count(WIRE_COUNT_LOST);
		return;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->header.version = WIRE_VERSION;
	record->header.kind = WIRE_STATE;
	record->header.size = sizeof(*record);
	record->time_ns = now->time_ns;
	record->duration_ns = was && was->time_ns && was->state == old
				      ? (__s64)(now->time_ns - was->time_ns)
				      : -1;
	record->start_ns = now->start_ns;
	record->cgroup_id = now->cgroup_id;
	record->netns = BPF_CORE_READ(common, skc_net.net, ns.inum);
	record->pid = now->pid;
	record->seen_pid = now->seen_pid;
	record->uid = now->uid;
	record->family = family;
	record->protocol = BT_IPPROTO_TCP;
	record->local_port = port;
	record->peer_port = __builtin_bswap16(BPF_CORE_READ(common, skc_dport));
	record->old_state = old;
	record->new_state = new;
	record->former = now->former;
	__builtin_memcpy(record->comm, now->comm, sizeof(record->comm));
	if (family == BT_AF_INET6 && compat__has_ipv6()) {
		BPF_CORE_READ_INTO(&record->local, common, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&record->peer, common, skc_v6_daddr);
	} else {
		BPF_CORE_READ_INTO((__u32 *)record->local, common, skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)record->peer, common, skc_daddr);
	}
	bpf_ringbuf_submit(record, 0);
}

static __always_inline bool state_wanted(struct sock_common *common, __u16 port)
{
	if (filter_netns && BPF_CORE_READ(common, skc_net.net, ns.inum) != filter_netns)
		return false;
	if (filter_family && BPF_CORE_READ(common, skc_family) != filter_family)
		return false;
	return port_wanted(port);
}

/* (sk, oldstate, newstate) */
SEC("?tp_btf/inet_sock_set_state")
int tp_set_state(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	__u8 old = ctx[1], new = ctx[2];
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct state_since now = {}, *was;
	__u64 key = (__u64)sk;
	__u16 port;

	if (BPF_CORE_READ(sk, sk_protocol) != BT_IPPROTO_TCP)
		return 0; /* MPTCP reports its own socket too */
	if (old == new)
		return 0; /* close() of one in FIN_WAIT2 sets that again: tcp_close_state() */
	/* inet_csk_clone_lock(): a new socket, with the state of its listener. */
	if (old == BT_TCP_LISTEN && new == BT_TCP_SYN_RECV)
		old = 0;
	/* skc_num is 0 already when the port has been given back. */
	port = __builtin_bswap16(BPF_CORE_READ(inet, inet_sport));
	if (!state_wanted(&sk->__sk_common, port))
		return 0;
	was = bpf_map_lookup_elem(&since, &key);
	if (was && was->handed_on && new == BT_TCP_CLOSE) {
		bpf_map_delete_elem(&since, &key);
		return 0;
	}
	/* A new socket at an old address: what is noted is not this one's. */
	if (was && was->state != old)
		was = NULL;
	if (was)
		now = *was;
	now.handed_on = 0;
	now.time_ns = bpf_ktime_get_ns();
	now.state = new;
	if (made_by_caller(old, new))
		since_from_current(&now);
	emit_state(&sk->__sk_common, port, was, old, new, &now);
	if (new == BT_TCP_CLOSE)
		bpf_map_delete_elem(&since, &key);
	else
		bpf_map_update_elem(&since, &key, &now, BPF_ANY);
	return 0;
}

/*
 * The time-wait socket tw takes over from sk, with the substate that it begins in. It has no IPv6
 * addresses yet: tcp_time_wait() fills them in after inet_twsk_alloc().
 */
static __always_inline void state_handed_on(__u64 sk, __u64 tw, __u8 substate)
{
	struct sock_common *common = (struct sock_common *)sk;
	__u8 old = BPF_CORE_READ(common, skc_state);
	__u16 port = BPF_CORE_READ(common, skc_num);
	struct state_since now = {}, *was;
	struct wire_connection connection = {};
	struct wire_former *note;

	if (!state_wanted(common, port))
		return;
	/* First: once it has been a key, sk is a number to the verifier of 6.1. */
	connection__read((struct sock *)sk, &connection);
	was = bpf_map_lookup_elem(&since, &sk);
	if (was)
		now = *was;
	note = bpf_map_lookup_elem(&former, &connection);
	if (note) {
		now.start_ns = 0;
		now.cgroup_id = note->cgroup_id;
		now.pid = note->pid;
		now.seen_pid = note->seen_pid;
		now.uid = note->uid;
		__builtin_memcpy(now.comm, note->comm, sizeof(now.comm));
	}
	now.former = note != NULL;
	now.handed_on = 0;
	now.state = substate;
	if (old != substate)
		now.time_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&since, &tw, &now, BPF_ANY);
	/* FIN_WAIT2 to FIN_WAIT2: another object, the same state. */
	if (old != substate)
		emit_state(common, port, was, old, substate, &now);
	now.handed_on = 1;
	bpf_map_update_elem(&since, &sk, &now, BPF_ANY);
}

static __always_inline void state_of_timewait(__u64 tw, __u8 new)
{
	struct sock_common *common = (struct sock_common *)tw;
	__u16 port = BPF_CORE_READ(common, skc_num);
	struct state_since now = {}, *was;
	__u8 old;

	if (!state_wanted(common, port))
		return;
	was = bpf_map_lookup_elem(&since, &tw);
	old = was ? was->state : BT_TCP_TIME_WAIT;
	if (old == new)
		return;
	if (was)
		now = *was;
	now.time_ns = bpf_ktime_get_ns();
	now.state = new;
	emit_state(common, port, was, old, new, &now);
	if (new == BT_TCP_CLOSE)
		bpf_map_delete_elem(&since, &tw);
	else
		bpf_map_update_elem(&since, &tw, &now, BPF_ANY);
}

/* (tw, skb, th, ...): a FIN may just have made a FIN_WAIT2 one TIME_WAIT. */
SEC("?fexit/tcp_timewait_state_process")
int fexit_timewait_process(__u64 *ctx)
{
	struct inet_timewait_sock *tw = (struct inet_timewait_sock *)ctx[0];
	__u64 key = (__u64)tw;
	struct state_since *was = bpf_map_lookup_elem(&since, &key);

	if (was && was->state == BT_TCP_FIN_WAIT2 &&
	    BPF_CORE_READ(tw, tw_substate) == BT_TCP_TIME_WAIT)
		state_of_timewait(key, BT_TCP_TIME_WAIT);
	return 0;
}

/* (sk, death_row, state) returns the time-wait socket, or NULL when there are too many. */
SEC("?fexit/inet_twsk_alloc")
int fexit_twsk_alloc(__u64 *ctx)
{
	if (ctx[3])
		state_handed_on(ctx[0], ctx[3], (__u8)ctx[2]);
	return 0;
}

SEC("?fentry/inet_twsk_kill")
int fentry_twsk_kill(__u64 *ctx)
{
	state_of_timewait(ctx[0], BT_TCP_CLOSE);
	return 0;
}

#endif
