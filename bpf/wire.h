/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel side tells user space: the only header that both include.
 *
 * Fixed-width fields, explicit padding, host byte order unless the name ends in _be; addresses are
 * in network byte order with an IPv4 address in the first 4 bytes. Kernel addresses are identities
 * for telling sockets apart and never shown. Records begin with struct wire_header; a reader
 * refuses versions that it doesn't know and sizes that don't fit.
 */
#ifndef BINDTRACE_WIRE_H
#define BINDTRACE_WIRE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define WIRE_VERSION 1

enum wire_kind {
	WIRE_CONFLICT = 1, /* with error 0: a bind that succeeded (--all) */
	WIRE_STATE = 2,
};

struct wire_header {
	__u16 version; /* WIRE_VERSION */
	__u16 kind;    /* enum wire_kind */
	__u32 size;    /* of the whole record, in bytes */
};

enum wire_sock_flag {
	WIRE_SOCK_HAS_SOCKET = 1u << 0,	   /* sk_socket != NULL */
	WIRE_SOCK_HAS_FILE = 1u << 1,	   /* sk_socket->file != NULL */
	WIRE_SOCK_DEAD = 1u << 2,	   /* SOCK_DEAD */
	WIRE_SOCK_KERNEL_MADE = 1u << 3,   /* sk_kern_sock */
	WIRE_SOCK_FULL = 1u << 4,	   /* a struct sock; clear: a time-wait socket */
	WIRE_SOCK_PORT_LOCKED = 1u << 5,   /* SOCK_BINDPORT_LOCK */
	WIRE_SOCK_CONNECT_BOUND = 1u << 6, /* SOCK_CONNECT_BIND, tw_connect_bind */
	WIRE_SOCK_CONNECT_KNOWN = 1u << 7, /* this kernel keeps that mark (6.18) */
	WIRE_SOCK_REUSEPORT = 1u << 8,
	WIRE_SOCK_V6ONLY = 1u << 9,
	WIRE_SOCK_HAS_GROUP = 1u << 10,	   /* sk_reuseport_cb != NULL */
	WIRE_SOCK_GROUP_CLOSED = 1u << 11, /* ...with num_closed_socks != 0 */
};

struct wire_sock {
	__u64 id;
	__u64 inode;	     /* 0: none */
	__u64 cgroup_id;     /* 0: unknown */
	__s64 expires_ticks; /* time-wait socket: jiffies until its timer, may be negative */
	__u8 local[16];
	__u8 peer[16];
	__u32 v4_word_be; /* skc_rcv_saddr whatever the family */
	__u32 flags;	  /* enum wire_sock_flag */
	__u32 ifindex;
	__u32 uid;	 /* sk_uid; full sockets only */
	__u32 inode_uid; /* 0 without an inode, as sock_i_uid() says */
	__u16 family;
	__u16 local_port;
	__u16 peer_port;
	__u8 state;		 /* skc_state */
	__u8 substate;		 /* tw_substate */
	__u8 reuse;		 /* sk_reuse: 0, 1, or 2 SK_FORCE_REUSE */
	__u8 addr_bucket_family; /* 6.1: of the address bucket it is in, which is that of its first
				    socket; 0 elsewhere */
	__u8 pad[2];
};

struct wire_bucket {
	__u64 id;
	__u8 fast_v6[16];
	__u32 fast_v4_be;
	__u32 fastuid;
	__s32 l3mdev;
	__u16 port;
	__u16 fast_family;
	__s8 fastreuse;
	__s8 fastreuseport;
	__u8 fast_ipv6only;
	__u8 pad[5];
};

#define WIRE_MAX_SOCKS 64 /* in one conflict record */
#define WIRE_COMM_LEN  16
#define WIRE_EXE_LEN   256 /* path components of the caller's executable */
#define WIRE_NAME_LEN  64  /* one of them, at most */

enum wire_conflict_flag {
	WIRE_CONFLICT_COMPLETE = 1u << 0, /* every possible blocker is in the record */
	WIRE_CONFLICT_LOCKED = 1u << 1, /* taken with the lock held that the kernel judged under */
	WIRE_CONFLICT_TORN = 1u << 2,	/* the list changed during the walk */
	WIRE_CONFLICT_BUCKET = 1u << 3, /* bucket is filled */
};

enum wire_syscall {
	WIRE_BIND = 1,
	WIRE_LISTEN,
	WIRE_CONNECT,
	WIRE_AUTOBIND, /* no bind() at all: sendto() or connect() of an unbound socket needs a port
			*/
};

/* Who said no. */
enum wire_stage {
	WIRE_STAGE_TEST = 1, /* the conflict test of the port */
	WIRE_STAGE_PROTOCOL, /* __inet_bind(), __inet6_bind(), inet_csk_listen_start() */
	WIRE_STAGE_LSM,	     /* security_socket_bind() and its kind */
	WIRE_STAGE_CGROUP,   /* a cgroup BPF program */
	WIRE_STAGE_CONNECT,  /* __inet_hash_connect() */
};

struct wire_conflict {
	struct wire_header header;
	__u64 time_ns;	 /* CLOCK_MONOTONIC */
	__u64 named;	 /* id of the socket that the kernel's pairwise test named, 0: not asked */
	__u64 cgroup_id; /* of the calling task */
	__u64 start_ns;	 /* when its process was started: tells pids apart that are used again */
	__u32 netns;	 /* inode number */
	__u32 pid;	 /* in the initial pid namespace */
	__u32 tid;
	__u32 uid;
	__u32 seen_pid; /* as the reader's /proc has them; 0: it has not */
	__u32 seen_tid;
	__u8 comm[WIRE_COMM_LEN];
	__u32 flags;   /* enum wire_conflict_flag */
	__u32 visited; /* sockets looked at, those that cannot block included */
	__u32 n_socks;
	__u32 exe_len; /* bytes used in exe; 0: unknown, or too long for it */
	__s32 error;   /* errno, positive */
	__u16 protocol;
	__u8 syscall;	/* enum wire_syscall */
	__u8 stage;	/* enum wire_stage */
	__u16 had_port; /* the socket was bound to it before the call */
	__u8 pad[6];
	/*
	 * Components of the path of the caller's executable, last one first, each with its NUL: the
	 * caller may have exited before anybody can read /proc.
	 */
	__u8 exe[WIRE_EXE_LEN];
	struct wire_bucket bucket;
	struct wire_sock binder;
	struct wire_sock socks[WIRE_MAX_SOCKS];
};

/*
 * Key of the map `exes`: executables, kept from exec() on, since a dying process has none any more.
 * One that was forked has that of the process which called exec().
 */
struct wire_exe_key {
	__u64 start_ns; /* when the process was started: tells pids apart that are used again */
	__u32 pid;
	__u32 exec_id; /* task_struct.self_exec_id: another one after each exec() */
};

/*
 * Key of the map `former`: a connection, which is the same whether a socket or a time-wait socket
 * has it. Addresses as in wire_sock.
 */
struct wire_connection {
	__u8 local[16];
	__u8 peer[16];
	__u32 netns; /* inode number */
	__u16 local_port;
	__u16 peer_port;
	__u16 family;
	__u16 pad;
};

/* Who sent the FIN of a connection. Maps can be read by another bindtrace (user/kernel/former.c).
 */
struct wire_former {
	struct wire_exe_key exe; /* where its executable is found */
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	__u32 seen_pid; /* as wire_conflict.seen_pid */
	__u32 pad;
	__u8 comm[WIRE_COMM_LEN];
};

struct wire_exe {
	__u32 len; /* as wire_conflict.exe_len */
	__u32 pad;
	__u8 names[WIRE_EXE_LEN];
};

/* --states: a TCP socket has changed its state. */
struct wire_state {
	struct wire_header header;
	__u64 time_ns;	   /* CLOCK_MONOTONIC */
	__s64 duration_ns; /* in the old state; -1: its beginning was not seen */
	__u64 start_ns;	   /* of the process, with pid; 0: not known */
	__u64 cgroup_id;
	__u32 netns;
	__u32 pid; /* who made it change, or has closed it; 0: not known */
	__u32 uid;
	__u16 family;
	__u16 protocol;
	__u16 local_port;
	__u16 peer_port;
	__u8 old_state; /* as sk_state; a time-wait socket's substate */
	__u8 new_state;
	__u8 former; /* pid has closed it before */
	__u8 pad;
	__u32 seen_pid; /* as wire_conflict.seen_pid */
	__u32 pad2;
	__u8 local[16];
	__u8 peer[16];
	__u8 comm[WIRE_COMM_LEN];
};

/* Counters of the hooks, one set per CPU. */
enum wire_counter {
	WIRE_COUNT_SEEN = 0,
	WIRE_COUNT_FILTERED,
	WIRE_COUNT_DELIVERED,
	WIRE_COUNT_LOST,
	WIRE_N_COUNTERS,
};

_Static_assert(sizeof(struct wire_header) == 8, "wire_header");
_Static_assert(sizeof(struct wire_sock) == 96, "wire_sock");
_Static_assert(sizeof(struct wire_bucket) == 48, "wire_bucket");
_Static_assert(sizeof(struct wire_state) == 120, "wire_state");
_Static_assert(sizeof(struct wire_connection) == 44, "wire_connection");
_Static_assert(sizeof(struct wire_former) == 56, "wire_former");
_Static_assert(sizeof(struct wire_exe_key) == 16, "wire_exe_key");
_Static_assert(sizeof(struct wire_exe) == 8 + WIRE_EXE_LEN, "wire_exe");
_Static_assert(sizeof(struct wire_conflict) % 8 == 0, "wire_conflict is padded");
_Static_assert(__builtin_offsetof(struct wire_conflict, socks) == 112 + 256 + 48 + 96,
	       "conflict header");

#endif
