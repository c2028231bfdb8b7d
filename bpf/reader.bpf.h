/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pids as the reader has them. A process has a number in its own pid namespace and in each one
 * above it; bindtrace in a container sees the container's in its /proc, the kernel's tgid is the
 * host's.
 */
#ifndef BINDTRACE_READER_BPF_H
#define BINDTRACE_READER_BPF_H

#include "compat.bpf.h"

const volatile __u32 reader_pidns; /* inode number; 0: the initial one, which has them all */

/* The task's number in the reader's namespace, 0: it has none. The address, since it is global: it
 * is verified once, not in each hook. */
__attribute__((noinline)) int number_for_reader(__u64 task)
{
	struct pid *pid = BPF_CORE_READ((struct task_struct *)task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);

	for (__u32 i = 0; i < BT_MAX_PID_NS; i++) {
		struct upid *upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				    (__u64)i * bpf_core_type_size(struct upid);

		if (i > level)
			break;
		if (BPF_CORE_READ(upid, ns, ns.inum) == reader_pidns)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

static __always_inline __u32 current_pid_for_reader(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (!reader_pidns)
		return bpf_get_current_pid_tgid() >> 32;
	return number_for_reader((__u64)BPF_CORE_READ(task, group_leader));
}

static __always_inline __u32 current_tid_for_reader(void)
{
	if (!reader_pidns)
		return (__u32)bpf_get_current_pid_tgid();
	return number_for_reader(bpf_get_current_task());
}

/* When the current process was started. */
static __always_inline __u64 start_of_current(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, group_leader, start_boottime);
}

#endif
