/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Former owners: the kernel forgets who closed a connection the moment it is closed. While
 * bindtrace is live, tcp_close() notes the closing process (a killed one closes its sockets itself,
 * on its way out), inet_twsk_alloc() hands the note on to the time-wait socket, and
 * inet_twsk_kill() drops it. Bounded: the oldest notes make room for new ones, and their sockets'
 * owners are unknown again.
 */
#ifndef BINDTRACE_MEMORY_BPF_H
#define BINDTRACE_MEMORY_BPF_H

#include "event.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct wire_former);
} former SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct wire_exe_key);
	__type(value, struct wire_exe);
} exes SEC(".maps");

/* Who was forked, and has not called exec() since: whose executable it runs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct wire_exe_key);
	__type(value, struct wire_exe_key);
} forked SEC(".maps");

static __always_inline struct wire_exe_key key_of(struct task_struct *task)
{
	struct wire_exe_key key = {
		.start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.pid = BPF_CORE_READ(task, tgid),
	};

	return key;
}

/* Of the process that called exec(). */
static __always_inline struct wire_exe_key exe_key_of(struct task_struct *task)
{
	struct wire_exe_key key = key_of(task);
	struct wire_exe_key *from = bpf_map_lookup_elem(&forked, &key);

	return from ? *from : key;
}

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
	fill_exe(scratch, slot, task);
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

/* (sk, timeout), in the process that closes the last fd of the socket. */
SEC("?fentry/tcp_close")
int fentry_tcp_close(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct sock *sk = (struct sock *)ctx[0];
	struct wire_former note = {};
	__u64 key = (__u64)sk;
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	/* Without a peer nothing outlives the close. */
	if (state == BT_TCP_LISTEN || state == BT_TCP_CLOSE)
		return 0;
	note.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (!port_wanted(note.local_port))
		return 0;
	note.peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	note.time_ns = bpf_ktime_get_ns();
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

/* The time-wait socket `to` (0: none could be had) takes over from the socket. */
static __always_inline void forward_note(__u64 from, __u64 to)
{
	struct wire_former *note = bpf_map_lookup_elem(&former, &from);
	struct wire_former copy;

	if (!note)
		return;
	copy = *note;
	bpf_map_delete_elem(&former, &from);
	if (to)
		bpf_map_update_elem(&former, &to, &copy, BPF_ANY);
}

/* An orphan has ended: (sk), whatever the way. */
SEC("?fentry/tcp_v4_destroy_sock")
int fentry_destroy_sock(__u64 *ctx)
{
	__u64 key = ctx[0];

	bpf_map_delete_elem(&former, &key);
	return 0;
}

/* A new program in a process: its executable is known from here to its end. (task, old_pid, bprm)
 */
SEC("?tp_btf/sched_process_exec")
int tp_exec(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_exe_key key = key_of(task);

	bpf_map_delete_elem(&forked, &key);
	note_exe(task, &key);
	return 0;
}

/* (parent, child), in the parent. */
SEC("?tp_btf/sched_process_fork")
int tp_fork_exe(__u64 *ctx)
{
	struct wire_exe_key from = exe_key_of((struct task_struct *)ctx[0]);
	struct wire_exe_key key = key_of((struct task_struct *)ctx[1]);

	/* not a thread */
	if (key.pid != bpf_get_current_pid_tgid() >> 32)
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
