/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The evidence: what was asked of the kernel and what the kernel had on that port.
 *
 * Every source (a live hook, a walk of the bind tables, inet_diag, a recording) fills the same
 * struct snapshot; rules.h judges it; output/ shows it. Nothing here does I/O or knows libbpf.
 *
 * Ports are in host byte order, addresses in network byte order, times in the unit that the name
 * says. A value that the source could not read is TRI_UNKNOWN, or its `known` flag is false:
 * never a guess.
 */
#ifndef BINDTRACE_MODEL_SNAPSHOT_H
#define BINDTRACE_MODEL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tri {
	TRI_UNKNOWN = -1,
	TRI_NO = 0,
	TRI_YES = 1,
};

/* How the evidence was taken, best first. */
enum evidence {
	EVIDENCE_EXACT = 0, /* while the kernel held the bind bucket's lock */
	EVIDENCE_WALKED,    /* just after, every step re-validated */
	EVIDENCE_RACED,	    /* it changed underneath: may be incomplete */
	EVIDENCE_DIAG,	    /* no BPF: inet_diag and /proc */
	EVIDENCE_NONE,
};

/* sk_state of the kernel, include/net/tcp_states.h; 7 (CLOSE) with a port is a bound-only socket.
 */
enum sock_state {
	STATE_UNKNOWN = 0,
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_SYN_RECV = 3,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_TIME_WAIT = 6,
	STATE_BOUND = 7,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_LISTEN = 10,
	STATE_CLOSING = 11,
	STATE_NEW_SYN_RECV = 12,
};

/* Who is behind a socket; decided by owner/, UNKNOWN until it has looked. */
enum holder_class {
	HOLDER_UNKNOWN = 0,
	HOLDER_PROCESS,	     /* in the fd table of at least one process */
	HOLDER_TIME_WAIT,    /* a time-wait socket belongs to nobody */
	HOLDER_ORPHAN,	     /* closed by its process, the protocol is still finishing */
	HOLDER_ACCEPT_QUEUE, /* a connection that its listener has not accepted yet */
	HOLDER_KERNEL,	     /* made by the kernel itself (NFS, WireGuard, ...) */
	HOLDER_DETACHED, /* a file without an fd: in flight in SCM_RIGHTS, io_uring, hidden pid ns
			  */
};

enum sock_role {
	ROLE_UNKNOWN = 0,
	ROLE_SERVER, /* listening, or accepted by a listener */
	ROLE_CLIENT, /* chose, or was given, this port to connect out */
	ROLE_SELF,   /* connected to itself */
	ROLE_BOUND,
	ROLE_KERNEL,
	ROLE_ORPHAN,
};

#define PROTO_TCP     6
#define PROTO_UDP     17
#define PROTO_UDPLITE 136

/* The first 4 bytes hold an IPv4 address. Network byte order. */
struct ip_addr {
	uint8_t bytes[16];
};

/*
 * What differs between kernels in the conflict rules. Filled by capability
 * (user/kernel/features.c), never from a version number; stored with the evidence so that a
 * recording is judged by the rules of the kernel that it came from.
 */
struct kernel_rules {
	bool uid_from_sock;    /* 6.17: sk_uid decides, before: uid of the inode, 0 when orphaned */
	bool hash2;	       /* 6.1 (upstream 6.0): address-specific binds look at bhash2 only */
	bool mapped_any_quirk; /* 6.1: ::ffff:a.b.c.d does not see ::ffff:0.0.0.0 */
	bool closed_group_usable; /* 6.1: a reuseport group with a closed member counts as none */
};

/* A process. Strings are malloc'ed, NULL when not readable; they are hostile bytes, not UTF-8. */
struct proc_info {
	int pid; /* thread group id, in the host's (our) pid namespace */
	int tid; /* 0 when it does not matter (a holder) */
	bool uid_known;
	uint32_t uid;
	enum tri session_leader; /* has made itself a daemon: sid == pid */
	char *comm;
	char *exe;
	char *cgroup; /* cgroup v2 path, from its root: "/system.slice/echo.service" */
	char *unit;
	char *container; /* id */
};

/* One fd of one process on one socket. */
struct sock_hold {
	uint32_t sock; /* index into snapshot.socks */
	uint32_t proc; /* index into snapshot.procs */
	int fd;
	enum tri opener; /* the process has the very credentials object the file was opened with */
};

struct snap_sock {
	uint64_t id;	 /* identity within one snapshot (the kernel's address; never shown) */
	uint32_t bucket; /* index into snapshot.buckets; meaningless without buckets */
	uint16_t family; /* AF_INET, AF_INET6 */
	uint16_t local_port;
	uint16_t peer_port; /* 0: not connected */
	uint8_t state; /* enum sock_state; a time-wait socket kept for FIN_WAIT2 says so in substate
			*/
	uint8_t substate; /* time-wait sockets only: STATE_TIME_WAIT or STATE_FIN_WAIT2 */
	struct ip_addr local;
	struct ip_addr peer;
	/*
	 * sk_rcv_saddr as the kernel keeps it, network order. For AF_INET6 it is not the address:
	 * a connected socket has 127.0.0.6 here, which overlaps a bind to 0.0.0.0.
	 */
	uint32_t v4_word_be;
	int8_t reuseaddr; /* enum tri */
	int8_t reuseport; /* enum tri */
	int8_t v6only; /* enum tri; TRI_UNKNOWN for AF_INET when shown, the kernel's bit when judged
			*/
	int8_t force_reuse;   /* sk_reuse == SK_FORCE_REUSE (TCP_REPAIR) */
	int8_t port_locked;   /* SOCK_BINDPORT_LOCK: the program asked for this port itself */
	int8_t connect_bound; /* 6.18: the port was taken by connect(); unknown before */
	int8_t has_socket;    /* sk_socket is set: not orphaned, or not accepted yet */
	int8_t has_file;
	int8_t dead;	    /* SOCK_DEAD: orphan */
	int8_t kernel_made; /* sk_kern_sock; MPTCP subflows have it too, so has_file goes first */
	uint32_t ifindex;   /* sk_bound_dev_if, 0: none */
	bool uid_known;	    /* sk_uid; never in a time-wait socket */
	uint32_t uid;
	bool inode_uid_known;
	uint32_t inode_uid; /* uid of the socket's inode; 0 when there is none (what sock_i_uid
			       says) */
	uint64_t inode;	    /* 0: none */
	uint64_t cgroup_id; /* 0: unknown */
	bool expires_known;
	int64_t expires_ms; /* what the timer says; the kernel frees the port up to ~2 s later */
	uint8_t addr_bucket_family; /* 6.1: AF_ of its address bucket's first socket; 0: unknown */
	uint8_t role;		    /* enum sock_role */
	uint8_t holder;		    /* enum holder_class */
	struct proc_info *former_owner; /* NULL: unknown */
};

/* One bind bucket: (net, l3mdev, port). */
struct snap_bucket {
	int32_t l3mdev;
	int8_t fastreuse;     /* -1: made by connect(), 0, 1 */
	int8_t fastreuseport; /* -1, 0, 1 any address, 2 the stored address only */
	uint32_t fastuid;
	uint16_t fast_family;
	bool fast_ipv6only;
	struct ip_addr fast_v6;
	uint32_t fast_v4_be;
};

/* Name of a device that a socket of the snapshot is bound to. */
struct snap_device {
	uint32_t ifindex;
	char name[16];
};

struct snapshot {
	uint32_t protocol; /* PROTO_TCP, PROTO_UDP, PROTO_UDPLITE */
	uint16_t port;
	uint64_t netns;			/* inode number, as in /proc/PID/ns/net; 0: unknown */
	char *netns_name;		/* "web" of `ip netns`, or NULL */
	struct proc_info *netns_member; /* a process in one that has no name, or NULL */
	struct kernel_rules kernel;
	enum evidence evidence;
	bool truncated;		 /* the walk ended before the last socket */
	uint64_t total;		 /* sockets on the port as far as counted, >= n_socks */
	bool owners_known;	 /* every process's fds could be read: "no owner" is then a fact */
	uint32_t udp_slot_socks; /* sockets in the port's hash slot, other ports' too; 0: unknown */
	uint16_t ephemeral_low;	 /* net.ipv4.ip_local_port_range; 0: unknown */
	uint16_t ephemeral_high;
	struct snap_bucket *buckets;
	size_t n_buckets;
	struct snap_sock *socks;
	size_t n_socks, cap_socks;
	struct snap_device *devices;
	size_t n_devices;
	struct proc_info *procs;
	size_t n_procs, cap_procs;
	struct sock_hold *holds; /* sorted by sock once owner lookup is done */
	size_t n_holds, cap_holds;
};

enum call {
	CALL_BIND = 0,
	CALL_LISTEN,
	CALL_CONNECT,
	CALL_AUTOBIND, /* a port for a socket that was never bound: sendto(), connect() of UDP */
};

/* Which part of the kernel said no. */
enum refusal_stage {
	STAGE_TEST = 0, /* the conflict test of the port */
	STAGE_PROTOCOL, /* __inet_bind(), __inet6_bind(), inet_csk_listen_start() */
	STAGE_LSM,	/* security_socket_bind() and its kind */
	STAGE_CGROUP,	/* a cgroup BPF program */
	STAGE_CONNECT,	/* __inet_hash_connect() */
};

/*
 * What a refusal without blockers is explained by, read from the call's network namespace right
 * after it. -1: not readable.
 */
struct refusal_facts {
	enum refusal_stage stage;
	int error;	   /* errno, positive */
	uint16_t had_port; /* the socket was bound to this port before the call; 0: unbound */
	int32_t unprivileged_port_start; /* net.ipv4.ip_unprivileged_port_start */
	int32_t nonlocal_bind;		 /* net.ipv4.ip_nonlocal_bind or net.ipv6... */
	int32_t tw_reuse;		 /* net.ipv4.tcp_tw_reuse */
	int8_t address_tentative; /* enum tri: an IPv6 address still in duplicate detection */
};

/* What bind() looks at before the port, read in the network namespace asked about. */
struct bind_conditions {
	struct refusal_facts facts; /* without stage and error */
	int8_t privileged;	    /* enum tri: CAP_NET_BIND_SERVICE over that namespace */
	int8_t address_usable;	    /* enum tri: one that is there; a wildcard always is */
};

/* How full the range is that the kernel looks for a port in. Ports, not sockets, unless it says so.
 */
struct usage_holder {
	uint32_t proc; /* index into snapshot.procs */
	uint32_t ports;
};

#define USAGE_MAX_HOLDERS 5

struct port_usage {
	uint16_t low, high; /* net.ipv4.ip_local_port_range */
	uint32_t reserved;  /* in it and in net.ipv4.ip_local_reserved_ports */
	uint32_t taken;	    /* the call could not have had them */
	uint32_t bound;	    /* of those: marked by a bind(), which connect() never shares */
	uint32_t same_peer; /* of those: connected to the very destination of the call */
	uint32_t reusable;  /* of same_peer: unmarked TIME_WAIT, which tcp_tw_reuse lets connect()
			       take */
	uint32_t shareable; /* of bound: all connected elsewhere, and none had asked for the port */
	uint64_t sockets;   /* on the range, whoever they talk to */
	uint64_t states[16]; /* of those, by enum sock_state; time-wait sockets under
				STATE_TIME_WAIT */
	struct usage_holder top[USAGE_MAX_HOLDERS];
	size_t n_top;
};

/* The bind asked about: by a program just now (live), or by --port and its options (one-shot). */
struct bind_request {
	enum call call;
	uint16_t family;
	uint16_t port;	    /* 0: the kernel chooses */
	uint16_t peer_port; /* CALL_CONNECT */
	struct ip_addr addr;
	struct ip_addr
		peer; /* CALL_CONNECT; the family is the socket's, IPv4 peers of IPv6 ones mapped */
	uint32_t v4_word_be; /* sk_rcv_saddr at the time of the test, see snap_sock */
	bool reuseaddr;
	bool reuseport;
	bool v6only;
	bool force_reuse;
	bool listening; /* listen(): the second test of a bound socket; the shortcut for reuse is
			   off */
	bool has_group; /* sk_reuseport_cb is set already: a program was attached before bind() */
	bool group_closed; /* ...and a member of that group has been closed */
	uint32_t ifindex;
	int32_t l3mdev;	    /* the VRF master of ifindex when tcp_l3mdev_accept is 0, else 0 */
	uint32_t uid;	    /* sk_uid */
	uint32_t inode_uid; /* the same unless the fd was chown()ed or the socket has no inode */
	uint64_t self; /* id of the binder's own socket where it is on the port already (listen) */
};

void snapshot__init(struct snapshot *snap);
void snapshot__free(struct snapshot *snap); /* frees what it holds, not snap itself; accepts NULL */

/* Appends zeroed entries; NULL when memory is short. The pointers move on the next call. */
struct snap_sock *snapshot__add_sock(struct snapshot *snap);
struct snap_bucket *snapshot__add_bucket(struct snapshot *snap);
/* name is cut to 15 bytes. 0 or -ENOMEM. */
int snapshot__add_device(struct snapshot *snap, uint32_t ifindex, const char *name);
/* A bound socket keeps the peer of a connect() that has failed, and is connected to nobody. */
void snap_sock__forget_stale_peer(struct snap_sock *sock);
/* Of a timer that is known: 0 where it is overdue, as it may be by a few ticks. */
int64_t snap_sock__left_ms(const struct snap_sock *sock);
const char *snapshot__device_name(const struct snapshot *snap, uint32_t ifindex); /* or NULL */
struct proc_info *snapshot__add_proc(struct snapshot *snap);
int snapshot__add_hold(struct snapshot *snap, uint32_t sock, uint32_t proc, int fd,
		       enum tri opener);

/* Drops sockets seen twice (same id): a resumed walk may pass a place again. */
void snapshot__drop_duplicates(struct snapshot *snap);
/* Sorts holds by (sock, proc, fd); call once before snapshot__holds(). */
void snapshot__sort_holds(struct snapshot *snap);
/* The holds of one socket. Owned by snap. */
const struct sock_hold *snapshot__holds(const struct snapshot *snap, uint32_t sock, size_t *ret_n);

void proc_info__free(struct proc_info *proc); /* frees the strings; accepts NULL */

#define POD_UID_MAX 37 /* with its NUL */
/* The uid of the Kubernetes pod that it is in, as its cgroup says. False: none, ret is untouched.
 */
bool proc_info__pod(const struct proc_info *proc, char ret[POD_UID_MAX]);

bool ip_addr__is_any(uint16_t family, const struct ip_addr *addr);
bool ip_addr__is_mapped(const struct ip_addr *addr); /* ::ffff:a.b.c.d; AF_INET6 only */
bool ip_addr__is_link_local(uint16_t family, const struct ip_addr *addr); /* fe80::/10 */
/* Is it another one on each device: __ipv6_addr_needs_scope_id()? */
bool ip_addr__needs_scope_id(uint16_t family, const struct ip_addr *addr);
bool ip_addr__equal(const struct ip_addr *a, const struct ip_addr *b);

/*
 * Decides role from what the kernel keeps: SOCK_BINDPORT_LOCK, the 6.18 connect mark, the bucket's
 * -1/-1 mark of a port that only connect() took, and for time-wait sockets (which keep none of
 * them) the ephemeral range. Leaves ROLE_UNKNOWN where none of it tells.
 */
void snapshot__set_roles(struct snapshot *snap);

#endif
