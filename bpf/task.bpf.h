/* SPDX-License-Identifier: GPL-2.0-only */
/* What the iterators over tasks and their files share. */
#ifndef BINDTRACE_TASK_BPF_H
#define BINDTRACE_TASK_BPF_H

#include "kernel_constants.h"

/* An iterator may read what it is given, and what hangs off that: the kernel knows the types. */
static __always_inline bool file__is_socket(struct file *file)
{
	return file->f_inode->i_sb->s_magic == BT_SOCKFS_MAGIC;
}

/*
 * The process's pid as the reader sees it. The iterator covers the reader's pid namespace only
 * (init_seq_pidns() in kernel/bpf/task_iter.c), so every process has a number on its level.
 */
static __always_inline __u32 pid_for_reader(struct task_struct *leader)
{
	struct task_struct *reader = (void *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(reader, thread_pid, level);
	struct upid *upid;

	if (!level || level > BT_MAX_PID_NS || !pid)
		return BPF_CORE_READ(leader, tgid);
	upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	       (__u64)level * bpf_core_type_size(struct upid);
	return BPF_CORE_READ(upid, nr);
}

#endif
