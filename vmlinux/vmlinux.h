/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel types, by hand: only the fields that bindtrace reads, for every kernel and architecture at
 * once. CO-RE relocates each access; fields that only some kernels have are guarded by
 * bpf_core_field_exists() where they are used (bpf/compat.bpf.h). Order and padding here mean
 * nothing.
 */
#ifndef BINDTRACE_VMLINUX_H
#define BINDTRACE_VMLINUX_H

#include "vmlinux_base.h"
#include <asm/ptrace.h> /* struct pt_regs, for kprobes */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node {
	struct hlist_node *next;
	struct hlist_node **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	__u32 val;
} kuid_t;

struct ns_common {
	unsigned int inum;
};

struct inet_hashinfo;

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct udp_table;

struct netns_ipv4 {
	struct udp_table *udp_table; /* 6.1 and later */
	struct inet_timewait_death_row tcp_death_row;
};

struct net {
	struct ns_common ns;
	__u32 hash_mix;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct proto {
	union {
		struct inet_hashinfo *hashinfo;
		struct udp_table *udp_table;
	} h;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	struct hlist_node skc_bind_node;
	struct hlist_node skc_node;
	__u16 skc_u16hashes[2]; /* UDP: port, partial address hash */
	struct proto *skc_prot;
	possible_net_t skc_net;
	unsigned long skc_flags;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_reuseport {
	__u16 num_closed_socks;
};

struct inode {
	unsigned long i_ino;
	kuid_t i_uid;
};

struct dentry;
struct vfsmount;

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct mm_struct {
	struct file *exe_file;
};

struct sock;

struct socket {
	struct file *file;
	struct sock *sk;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	kuid_t sk_uid;
	__u16 sk_protocol;
	__u8 sk_kern_sock : 1;
	__u8 sk_userlocks : 4;
	struct sock_cgroup_data sk_cgrp_data;
	struct sock_reuseport *sk_reuseport_cb;
};

struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	unsigned short port;
	signed char fastreuse;
	signed char fastreuseport;
	kuid_t fastuid;
	struct in6_addr fast_v6_rcv_saddr;
	__be32 fast_rcv_saddr;
	unsigned short fast_sk_family;
	bool fast_ipv6_only;
	struct hlist_node node;
	struct hlist_head owners; /* up to 6.7 */
	struct hlist_head bhash2; /* 6.8 and later */
};

struct inet_bind2_bucket {
	possible_net_t ib_net;
	int l3mdev;
	unsigned short port;
	unsigned short family;	      /* 6.1 to 6.5 */
	struct hlist_node bhash_node; /* 6.8 and later */
	struct hlist_head owners;
};

struct inet_bind_hashbucket {
	struct hlist_head chain;
};

struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	unsigned int bhash_size;
};

struct inet_sock {
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_bind_bucket *icsk_bind_hash;
	struct inet_bind2_bucket *icsk_bind2_hash;
};

struct udp_hslot {
	struct hlist_head head;
};

struct udp_table {
	struct udp_hslot *hash;
	unsigned int mask;
};

struct timer_list {
	unsigned long expires;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	unsigned int tw_connect_bind : 1; /* 6.18 */
	struct timer_list tw_timer;
	struct inet_bind_bucket *tw_tb;
	struct inet_bind2_bucket *tw_tb2; /* 6.1 and later */
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one for each pid namespace from the initial one down */
};

struct task_struct {
	unsigned int flags;
	struct task_struct *real_parent;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	struct mm_struct *mm;
	__u64 self_exec_id;
	int tgid;
};

/* 5.16 and later; their values move, CO-RE finds them. */
enum cgroup_bpf_attach_type {
	CGROUP_INET4_BIND,
	CGROUP_INET6_BIND,
	CGROUP_INET4_CONNECT,
	CGROUP_INET6_CONNECT,
};

#pragma clang attribute pop

#endif
