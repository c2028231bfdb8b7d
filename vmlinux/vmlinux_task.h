/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel types of the task side, by hand, only the fields that the iterators read. It has files and
 * inodes of its own, so a program includes either this or vmlinux.h.
 */
#ifndef BINDTRACE_VMLINUX_TASK_H
#define BINDTRACE_VMLINUX_TASK_H

#ifdef BINDTRACE_VMLINUX_H
#error "vmlinux.h and vmlinux_task.h define the same types"
#endif
#define BINDTRACE_VMLINUX_H

#include "vmlinux_base.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

/* __u32 cap[2] before 6.3, u64 val since: the same 64 bits, only compared. */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct user_namespace;
struct group_info;

struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kgid_t sgid;
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
	struct group_info *group_info;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino; /* u64 on 7.2 */
};

struct file {
	struct inode *f_inode;
	const struct cred *f_cred;
	void *private_data;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
};

struct socket {
	struct sock *sk;
};

struct nsproxy {
	struct net *net_ns;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one for each pid namespace from the initial one down */
};

struct signal_struct {
	struct list_head thread_head;
};

struct task_struct {
	__u64 start_boottime;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
