/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filter "these processes and their descendants". A process whose parent has exited is init's
 * child for the kernel, so descendants are noted as they are forked, and forgotten when they go.
 */
#ifndef BINDTRACE_PIDS_BPF_H
#define BINDTRACE_PIDS_BPF_H

#include "reader.bpf.h"

/* Ancestors looked at where a fork has not been seen. */
#define MAX_ANCESTORS 64

const volatile bool filter_pids;

/* Preallocated: 5.10 taints itself where a kprobe uses a map that is not. One entry when unused. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u8);
} pids SEC(".maps");

/*
 * The pids asked for (and who descended from them then) by a reader that is not in the initial pid
 * namespace, as it has them. The value is the moment they were looked at, on CLOCK_BOOTTIME: who
 * was started later has a pid that is used again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} asked SEC(".maps");

static __always_inline bool was_asked_for(struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u32 pid = number_for_reader((__u64)leader);
	__u64 *until = bpf_map_lookup_elem(&asked, &pid);

	return until && BPF_CORE_READ(leader, start_boottime) <= *until;
}

/* The current process, or one that it descends from, is among the pids asked for. */
static __always_inline bool pid_wanted(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	for (int i = 0; i < MAX_ANCESTORS; i++) {
		__u32 tgid = BPF_CORE_READ(task, tgid);
		struct task_struct *parent;

		if (bpf_map_lookup_elem(&pids, &tgid))
			return true;
		if (reader_pidns && was_asked_for(task))
			return true;
		parent = BPF_CORE_READ(task, real_parent);
		if (!parent || parent == task)
			return false;
		task = parent;
	}
	return false;
}

/* (parent, child), in the parent. */
SEC("?tp_btf/sched_process_fork")
int tp_fork(__u64 *ctx)
{
	__u32 child = BPF_CORE_READ((struct task_struct *)ctx[1], tgid);
	__u8 one = 1;

	if (child != bpf_get_current_pid_tgid() >> 32 && pid_wanted())
		bpf_map_update_elem(&pids, &child, &one, BPF_ANY);
	return 0;
}

/* (task), each thread of a process, its leader last. */
SEC("?tp_btf/sched_process_free")
int tp_free(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, group_leader) == task)
		bpf_map_delete_elem(&pids, &tgid);
	return 0;
}

#endif
