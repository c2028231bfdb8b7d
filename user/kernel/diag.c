// SPDX-License-Identifier: GPL-2.0-only
/* The sockets on a port as NETLINK_SOCK_DIAG lists them, net/ipv4/inet_diag.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "diag.h"
#include "netlink.h"
#include "sysctl.h"

#define DUMP_TRIES	     4
#define RECEIVE_SIZE	     (64 * 1024) /* netlink_dump() never fills more than 32 KiB */
#define TIMER_TIME_WAIT	     3		 /* idiag_timer, inet_twsk_diag_fill() */
#define STATE_BOUND_INACTIVE 13		 /* TCP_BOUND_INACTIVE, a state for requests only; 6.8 */
#define LOOPBACK4_IPV6	     0x7f000006	 /* include/net/ipv6.h */

/* The attributes of one socket that are of use here. */
struct extras {
	bool full; /* a struct sock: neither a time-wait socket nor a request */
	int8_t v6only;
	uint64_t cgroup_id;
};

static struct extras read_extras(const struct nlmsghdr *header)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(header);
	struct extras extras = {.v6only = TRI_UNKNOWN};
	struct rtattr *attr = (struct rtattr *)(msg + 1);
	int left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*msg));

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		switch (attr->rta_type) {
		case INET_DIAG_SHUTDOWN: /* inet_diag_msg_attrs_fill(): of every full socket */
			extras.full = true;
			break;
		case INET_DIAG_SKV6ONLY:
			if (RTA_PAYLOAD(attr) >= sizeof(uint8_t))
				extras.v6only = *(uint8_t *)RTA_DATA(attr) ? TRI_YES : TRI_NO;
			break;
		case INET_DIAG_CGROUP_ID:
			if (RTA_PAYLOAD(attr) >= sizeof(uint64_t))
				memcpy(&extras.cgroup_id, RTA_DATA(attr), sizeof(uint64_t));
			break;
		}
	}
	return extras;
}

static void fill_addresses(struct snap_sock *sock, const struct inet_diag_sockid *id)
{
	const size_t len = sock->family == AF_INET6 ? 16 : 4;

	memcpy(sock->local.bytes, id->idiag_src, len);
	memcpy(sock->peer.bytes, id->idiag_dst, len);
	sock->local_port = ntohs(id->idiag_sport);
	sock->peer_port = ntohs(id->idiag_dport);
	sock->ifindex = id->idiag_if;
	sock->id = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];

	/* inet_diag does not show sk_rcv_saddr of an IPv6 socket, but what it is follows. */
	if (sock->family == AF_INET || ip_addr__is_mapped(&sock->local))
		memcpy(&sock->v4_word_be, sock->local.bytes + len - 4, 4);
	else if (!ip_addr__is_any(sock->family, &sock->local))
		sock->v4_word_be = htonl(LOOPBACK4_IPV6);
}

static void fill_state(struct snap_sock *sock, const struct inet_diag_msg *msg)
{
	sock->state = msg->idiag_state;
	if (sock->state == STATE_BOUND_INACTIVE)
		sock->state = STATE_BOUND;
	snap_sock__forget_stale_peer(sock);
	if (msg->idiag_timer != TIMER_TIME_WAIT)
		return;
	/* A FIN_WAIT2 that is kept as a time-wait socket is listed as FIN_WAIT2 with this timer. */
	sock->state = STATE_TIME_WAIT;
	sock->substate = msg->idiag_state;
	sock->expires_known = true;
	sock->expires_ms = msg->idiag_expires;
}

/*
 * Up to 6.16 the uid is the inode's, and 0 without an inode; since then it is sk_uid (sock_i_uid()
 * went away). Both are the same unless the fd was chown()ed. Time-wait sockets have none.
 */
static void fill_uid(struct snap_sock *sock, const struct inet_diag_msg *msg)
{
	if (sock->state == STATE_TIME_WAIT)
		return;
	sock->uid = msg->idiag_uid;
	sock->uid_known = msg->idiag_inode || msg->idiag_uid;
	sock->inode_uid = msg->idiag_inode ? msg->idiag_uid : 0;
	sock->inode_uid_known = true;
}

static void forget_options(struct snap_sock *sock)
{
	sock->reuseaddr = TRI_UNKNOWN;
	sock->reuseport = TRI_UNKNOWN;
	sock->v6only = TRI_UNKNOWN;
	sock->force_reuse = TRI_UNKNOWN;
	sock->port_locked = TRI_UNKNOWN;
	sock->connect_bound = TRI_UNKNOWN;
	sock->has_socket = TRI_UNKNOWN;
	sock->has_file = TRI_UNKNOWN;
	sock->dead = TRI_UNKNOWN;
	sock->kernel_made = TRI_UNKNOWN;
}

static int add_sock(struct diag_dump *dump, const struct nlmsghdr *header)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(header);
	struct extras extras;
	struct snap_sock *sock;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)))
		return -EBADMSG;
	if (msg->idiag_family != dump->family || ntohs(msg->id.idiag_sport) != dump->port)
		return 0;
	extras = read_extras(header);
	/* A request of a connection to come is not in the bind table. */
	if (msg->idiag_state == STATE_SYN_RECV && !extras.full)
		return 0;
	sock = snapshot__add_sock(dump->snap);
	if (!sock)
		return -ENOMEM;
	forget_options(sock);
	sock->family = msg->idiag_family;
	fill_addresses(sock, &msg->id);
	fill_state(sock, msg);
	fill_uid(sock, msg);
	sock->inode = msg->idiag_inode;
	sock->v6only = extras.v6only;
	sock->cgroup_id = extras.cgroup_id;
	return 0;
}

/* "source port == port", checked by inet_diag_bc_audit(): both offsets are in bytes. */
struct port_filter {
	struct rtattr attr;
	struct inet_diag_bc_op op;
	struct inet_diag_bc_op operand;
};

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 diag;
	struct port_filter filter;
};

static struct request make_request(uint8_t family, uint8_t protocol, uint16_t port)
{
	const size_t ops = 2 * sizeof(struct inet_diag_bc_op);

	return (struct request){
		.header =
			{
				.nlmsg_len = sizeof(struct request),
				.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			},
		.diag =
			{
				.sdiag_family = family,
				.sdiag_protocol = protocol,
				.idiag_states = (1u << (STATE_BOUND_INACTIVE + 1)) - 1,
				.id.idiag_sport =
					htons(port), /* the bind table is not asked by it */
			},
		.filter =
			{
				.attr = {sizeof(struct port_filter), INET_DIAG_REQ_BYTECODE},
				.op = {INET_DIAG_BC_S_EQ, ops, ops + 4},
				.operand = {.no = port},
			},
	};
}

_Static_assert(sizeof(struct request) == sizeof(struct nlmsghdr) + 56 + 12, "no holes");

static int send_request(int fd, uint8_t family, uint8_t protocol, uint16_t port)
{
	struct request request = make_request(family, protocol, port);
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent = sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&kernel,
			      sizeof(kernel));

	return sent < 0 ? -errno : 0;
}

int diag__take(struct diag_dump *dump, const void *data, size_t len)
{
	const struct nlmsghdr *header = data;
	int left = (int)len, err; /* signed: the last message may be shorter than its padding */

	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		if (header->nlmsg_flags & NLM_F_DUMP_INTR)
			dump->interrupted = true;
		switch (header->nlmsg_type) {
		case NLMSG_DONE:
		case NLMSG_ERROR:
			dump->done = true;
			return netlink__error(header);
		case SOCK_DIAG_BY_FAMILY:
			err = add_sock(dump, header);
			if (err)
				return err;
			break;
		}
	}
	return 0;
}

static int receive(int fd, struct diag_dump *dump)
{
	static const size_t size = RECEIVE_SIZE;
	struct sockaddr_nl from;
	char *buf = malloc(size);
	int err = buf ? 0 : -ENOMEM;

	while (!err && !dump->done) {
		struct iovec iov = {buf, size};
		struct msghdr msg = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
		};
		ssize_t got = recvmsg(fd, &msg, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = -errno;
		else if (msg.msg_flags & MSG_TRUNC)
			err = -EMSGSIZE;
		else if (got == 0)
			err = -ECONNRESET;
		else if (from.nl_pid == 0) /* the kernel, not a process on the same host */
			err = diag__take(dump, buf, got);
	}
	free(buf);
	return err;
}

static int dump_family(struct snapshot *snap, uint16_t port, uint8_t family, bool *ret_interrupted)
{
	struct diag_dump dump = {.snap = snap, .port = port, .family = family};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int err;

	if (fd < 0)
		return -errno;
	err = send_request(fd, family, (uint8_t)snap->protocol, port);
	if (!err)
		err = receive(fd, &dump);
	close(fd);
	if (dump.interrupted)
		*ret_interrupted = true;
	return err;
}

static int dump_both(struct snapshot *snap, uint16_t port)
{
	const size_t before = snap->n_socks;
	bool interrupted = true;
	int tries, err = 0;

	for (tries = 0; tries < DUMP_TRIES && interrupted && !err; tries++) {
		interrupted = false;
		snap->n_socks = before; /* nothing in them is malloc'ed yet */
		err = dump_family(snap, port, AF_INET, &interrupted);
		if (!err)
			err = dump_family(snap, port, AF_INET6, &interrupted);
	}
	if (err)
		snap->n_socks = before;
	return err;
}

/* The name of the state in the kernel's BTF, which anybody may read. */
static enum tri btf_has_bound_inactive(void)
{
	static const char name[] = "TCP_BOUND_INACTIVE";
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	enum tri found = TRI_UNKNOWN;
	size_t have = 0, cap = 0;
	char *data = NULL;
	ssize_t got = 1;
	struct stat st;

	if (fd < 0)
		return TRI_UNKNOWN;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		data = malloc(cap = st.st_size);
	while (data && have < cap && got > 0) { /* sysfs: no mmap() before 6.16 */
		got = read(fd, data + have, cap - have);
		if (got > 0)
			have += got;
	}
	if (data && have == cap)
		found = memmem(data, have, name, sizeof(name) - 1) ? TRI_YES : TRI_NO;
	free(data);
	close(fd);
	return found;
}

/* For kernels without BTF alone: "tcp: Dump bound-only sockets in inet_diag", 6.8. */
static bool release_has_bound_inactive(void)
{
	unsigned int major, minor;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 8);
}

/* A kernel that does not know the state ignores its bit: it answers, but without those sockets. */
static bool sees_bound(const struct snapshot *snap)
{
	static enum tri in_btf;
	static bool asked; /* megabytes, and --wait looks 20 times a second */
	size_t i;

	for (i = 0; i < snap->n_socks; i++) {
		if (snap->socks[i].state == STATE_BOUND)
			return true;
	}
	if (!asked)
		in_btf = btf_has_bound_inactive();
	asked = true;
	return in_btf == TRI_UNKNOWN ? release_has_bound_inactive() : in_btf == TRI_YES;
}

int diag__sockets(struct snapshot *snap, uint16_t port, bool *ret_sees_bound)
{
	int err;

	if (!snap->protocol)
		snap->protocol = PROTO_TCP;
	err = dump_both(snap, port);

	if (err)
		return err;
	/* A connection that closed between two parts of the dump keeps its cookie in TIME_WAIT. */
	snapshot__drop_duplicates(snap);
	snap->port = port;
	snap->evidence = EVIDENCE_DIAG;
	snap->total = snap->n_socks;
	sysctl__port_range(&snap->ephemeral_low, &snap->ephemeral_high);
	/* A UDP socket with a port is always listed. */
	*ret_sees_bound = snap->protocol != PROTO_TCP || sees_bound(snap);
	return 0;
}
