/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Former owners: the kernel forgets who had a connection the moment it is closed. What lives on
 * then has sent its FIN, so tcp_send_fin() notes the process (a killed one closes its sockets
 * itself, on its way out), by the connection's addresses: the time-wait socket has the same, and
 * nothing has to be handed on. A note is never deleted: the next connection between the same
 * addresses has a FIN of its own before it can be asked about. Bounded: the oldest notes make room
 * for new ones, and their sockets' owners are unknown again.
 */
#ifndef BINDTRACE_MEMORY_BPF_H
#define BINDTRACE_MEMORY_BPF_H

#include "event.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct wire_connection);
	__type(value, struct wire_former);
} former SEC(".maps");

/* The executable of a process, while it has one. */
static __always_inline void note_exe(struct task_struct *task, const struct wire_exe_key *key)
{
	struct scratch *scratch;
	__u32 slot = 0;

	if (bpf_map_lookup_elem(&exes, key))
		return;
	scratch = scratch__acquire(&slot);
	if (!scratch)
		return;
	walk_exe(scratch, slot, task);
	if (scratch->event.exe_len) {
		/* exe_len and exe[] of the record are not next to each other: copy by way of
		 * spare[] */
		scratch->spare.len = scratch->event.exe_len;
		__builtin_memcpy(scratch->spare.names, scratch->event.exe,
				 sizeof(scratch->spare.names));
		bpf_map_update_elem(&exes, key, &scratch->spare, BPF_ANY);
	}
	scratch__release(scratch);
}

/* sk is an argument of the hook: the verifier knows its type, and each FIN pays for reads by way of
 * a helper. */
static __always_inline void connection__read(const struct sock *sk, struct wire_connection *out)
{
	const struct sock_common *common = &sk->__sk_common;

	out->netns = common->skc_net.net->ns.inum;
	out->local_port = common->skc_num;
	out->peer_port = __builtin_bswap16(common->skc_dport);
	out->family = common->skc_family;
	if (out->family == BT_AF_INET6 && compat__has_ipv6()) {
		__builtin_memcpy(out->local, &common->skc_v6_rcv_saddr, sizeof(out->local));
		__builtin_memcpy(out->peer, &common->skc_v6_daddr, sizeof(out->peer));
	} else {
		__builtin_memcpy(out->local, &common->skc_rcv_saddr, sizeof(common->skc_rcv_saddr));
		__builtin_memcpy(out->peer, &common->skc_daddr, sizeof(common->skc_daddr));
	}
}

/* (sk), in the process that closes the last fd of the socket, or has shut it down before. */
SEC("?fentry/tcp_send_fin")
int fentry_send_fin(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct sock *sk = (struct sock *)ctx[0];
	struct wire_connection key = {};
	struct wire_former note = {};

	if (!port_wanted(sk->__sk_common.skc_num))
		return 0;
	connection__read(sk, &key);
	/* The kernel for itself, or in a process's stead (MPTCP): nobody that could be named. */
	if (BPF_CORE_READ(task, flags) & BT_PF_KTHREAD) {
		bpf_map_delete_elem(&former, &key);
		return 0;
	}
	note.exe = exe_key_of(task);
	note.cgroup_id = bpf_get_current_cgroup_id();
	note.pid = bpf_get_current_pid_tgid() >> 32;
	note.seen_pid = current_pid_for_reader();
	note.uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(note.comm, sizeof(note.comm));
	bpf_map_update_elem(&former, &key, &note, BPF_ANY);
	note_exe(task, &note.exe);
	return 0;
}

/* A new program in a process: its executable is known from here to its end. (task, old_pid, bprm)
 */
SEC("?tp_btf/sched_process_exec")
int tp_exec(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_exe_key key = key_of(task);

	note_exe(task, &key);
	return 0;
}

/* (parent, child), in the parent. */
SEC("?tp_btf/sched_process_fork")
int tp_fork_exe(__u64 *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx[0];
	struct task_struct *child = (struct task_struct *)ctx[1];
	struct wire_exe_key from, key = {};

	if (child->tgid == parent->tgid)
		return 0; /* a thread */
	from = exe_key_of(parent);
	key.start_ns = child->start_boottime;
	key.pid = child->tgid;
	key.exec_id = (__u32)child->self_exec_id;
	bpf_map_update_elem(&forked, &key, &from, BPF_ANY);
	return 0;
}

/* (meta, task): those that were there before the run. */
SEC("?iter/task")
int iter_exes(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[1];
	struct wire_exe_key key;

	if (!task || BPF_CORE_READ(task, group_leader) != task)
		return 0;
	key = key_of(task);
	note_exe(task, &key);
	return 0;
}

#endif
