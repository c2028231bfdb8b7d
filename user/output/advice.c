// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "advice.h"
#include "holder.h"

struct advice advice__of_conflict(const struct output *out, const struct conflict_report *report)
{
	return (struct advice){
		.out = out,
		.snap = &report->snap,
		.req = &report->req,
		.verdict = &report->verdict,
		.binder = &report->process,
		.syscall = report->syscall,
		.report = report,
	};
}

struct advice advice__of_question(const struct output *out, const struct port_report *report,
				  const struct what_if *what_if)
{
	return (struct advice){
		.out = out,
		.snap = &report->snap,
		.req = &what_if->req,
		.verdict = &what_if->verdict,
		.syscall = "bind",
		.what_if = what_if,
	};
}

bool advice__stands_for(enum cause cause, const struct snap_sock *sock)
{
	switch (cause) {
	case CAUSE_TIME_WAIT:
		return sock->state == STATE_TIME_WAIT && sock->substate != STATE_FIN_WAIT2;
	case CAUSE_CLOSING:
		return sock->state == STATE_FIN_WAIT1 || sock->state == STATE_FIN_WAIT2 ||
		       sock->state == STATE_LAST_ACK || sock->state == STATE_CLOSING ||
		       (sock->state == STATE_TIME_WAIT && sock->substate == STATE_FIN_WAIT2);
	case CAUSE_LISTENER:
	case CAUSE_LISTEN_RACE:
	case CAUSE_INHERITED:
		return sock->state == STATE_LISTEN;
	case CAUSE_DUAL_STACK:
	case CAUSE_REUSEPORT_UID:
	case CAUSE_REUSE_ONE_SIDED:
	case CAUSE_DEVICE:
		return sock->state == STATE_LISTEN || sock->state == STATE_BOUND;
	case CAUSE_CONNECTION:
		return sock->peer_port && sock->role == ROLE_SERVER;
	case CAUSE_CLIENT_PORT:
		return sock->role == ROLE_CLIENT;
	case CAUSE_SELF_CONNECT:
		return sock->role == ROLE_SELF;
	case CAUSE_BOUND_ONLY:
		return sock->state == STATE_BOUND;
	case CAUSE_OWNERLESS:
		return sock->holder == HOLDER_KERNEL || sock->holder == HOLDER_DETACHED ||
		       sock->holder == HOLDER_ORPHAN || sock->holder == HOLDER_ACCEPT_QUEUE;
	default:
		return true;
	}
}

const struct snap_sock *advice__main_sock(const struct advice *a, uint32_t *ret_index)
{
	const struct verdict *v = a->verdict;

	if (v->n_blockers == 0)
		return NULL;
	*ret_index = v->blockers[0].sock;
	for (size_t i = 0; i < v->n_blockers; i++) {
		if (!advice__stands_for(v->cause, &a->snap->socks[v->blockers[i].sock]))
			continue;
		*ret_index = v->blockers[i].sock;
		break;
	}
	return &a->snap->socks[*ret_index];
}

struct endpoint advice__asked(const struct advice *a)
{
	struct word device = format__device(a->snap, a->req->ifindex);

	return format__endpoint(a->req->family, &a->req->addr, device.text, a->req->port);
}

struct endpoint advice__local(const struct advice *a, const struct snap_sock *sock)
{
	struct word device = format__device(a->snap, sock->ifindex);

	return format__endpoint(sock->family, &sock->local, device.text, sock->local_port);
}

struct endpoint advice__peer(const struct advice *a)
{
	return format__endpoint(a->req->family, &a->req->peer, NULL, a->req->peer_port);
}

bool advice__is_udp(const struct advice *a)
{
	return a->snap->protocol == PROTO_UDP || a->snap->protocol == PROTO_UDPLITE;
}

/* The local end of a connect() is left out as long as nobody has chosen it. */
struct sentence advice__call(const struct advice *a)
{
	const struct bind_request *req = a->req;
	bool chosen = req->port || !ip_addr__is_any(req->family, &req->addr);
	struct endpoint asked = advice__asked(a);
	struct endpoint host = format__host(req->family, &req->addr, NULL);
	struct sentence call;

	if (req->call != CALL_CONNECT || !req->peer_port)
		snprintf(call.text, sizeof(call.text), "%s %s", a->syscall, asked.text);
	else if (chosen)
		snprintf(call.text, sizeof(call.text), "%s %s to %s", a->syscall,
			 req->port ? asked.text : host.text, advice__peer(a).text);
	else
		snprintf(call.text, sizeof(call.text), "%s to %s", a->syscall,
			 advice__peer(a).text);
	return call;
}

static struct endpoint peer_of(const struct snap_sock *sock)
{
	return format__endpoint(sock->family, &sock->peer, NULL, sock->peer_port);
}

static size_t count_socks(const struct advice *a, enum tri reuseaddr)
{
	size_t n = 0;

	for (size_t i = 0; i < a->verdict->n_blockers; i++)
		n += a->snap->socks[a->verdict->blockers[i].sock].reuseaddr == reuseaddr;
	return n;
}

/* Which side lacks SO_REUSEADDR; nothing where it would not help. */
static void why_reuseaddr(struct paragraph *p, const struct advice *a)
{
	size_t lacking = count_socks(a, TRI_NO), unread = count_socks(a, TRI_UNKNOWN);
	const char *other = a->verdict->n_blockers == 1 ? "the other side" : "the other sockets";

	if (unread)
		paragraph__text(p,
				"Whether %s set SO_REUSEADDR could not be read; this bind has%s. "
				"Linux wants it on both sides.",
				other, a->req->reuseaddr ? "" : " not");
	else if (!a->req->reuseaddr && lacking == a->verdict->n_blockers)
		paragraph__text(p, "Neither side set SO_REUSEADDR; Linux wants it on both.");
	else if (!a->req->reuseaddr && lacking)
		paragraph__text(p, "Neither this bind nor all of the sockets above have "
				   "SO_REUSEADDR; Linux wants it on both sides.");
	else if (lacking)
		paragraph__text(p,
				"This bind has SO_REUSEADDR, %s had not: Linux wants it on both "
				"sides.",
				other);
	else if (!a->req->reuseaddr)
		paragraph__text(
			p,
			"SO_REUSEADDR is set on %s, but not on this bind: Linux wants it on "
			"both sides.",
			other);
}

static void why_time_wait(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			  uint32_t index)
{
	size_t n = a->verdict->n_blockers;

	if (n == 1)
		paragraph__text(p,
				"The program that had this port closed its connection to %s first, "
				"so the kernel keeps the address for a minute (TIME_WAIT).",
				peer_of(sock).text);
	else
		paragraph__text(p,
				"The program that had this port closed its connections first, so "
				"the kernel keeps the address of each for a minute (TIME_WAIT).");
	why_reuseaddr(p, a);
}

static const char *closing_phase(const struct snap_sock *sock)
{
	switch (sock->state) {
	case STATE_FIN_WAIT1:
		return "this side has closed it and the peer has not even acknowledged that";
	case STATE_CLOSING:
		return "both sides have closed it and the peer has not acknowledged that";
	case STATE_LAST_ACK:
		return "both sides have closed it and the peer's last acknowledgement is missing";
	default:
		return "this side has closed it and the peer has not closed its own yet";
	}
}

static void why_closing(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			uint32_t index)
{
	paragraph__text(p,
			"A connection to %s is still closing (%s): %s. The kernel keeps the port "
			"until the peer answers or a timeout ends it.",
			peer_of(sock).text, sock_state__name(sock), closing_phase(sock));
	why_reuseaddr(p, a);
}

static void why_listener(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			 uint32_t index)
{
	const struct proc_info *first;
	size_t n = holder__procs(a->snap, index, &first, 1);

	paragraph__text(p, "%s%s listening on %s already. SO_REUSEADDR never helps against LISTEN.",
			holder__who(a->snap, index).text,
			n > 1 ? " and others that share its socket are" : " is",
			advice__local(a, sock).text);
	if (a->binder && n == 1 && first->pid == a->binder->pid)
		paragraph__text(p, "It is the same process: it binds the address twice.");
}

static void why_dual_stack(struct paragraph *p, const struct advice *a,
			   const struct snap_sock *sock, uint32_t index)
{
	bool binder_is_v6 = a->req->family == AF_INET6;

	if (binder_is_v6)
		paragraph__text(p,
				"Without IPV6_V6ONLY a bind to %s takes the port for IPv4 too, and "
				"there %s has %s.",
				advice__asked(a).text, holder__who(a->snap, index).text,
				advice__local(a, sock).text);
	else
		paragraph__text(p,
				"%s has %s without IPV6_V6ONLY, and that takes the port for IPv4 "
				"too.",
				holder__who(a->snap, index).text, advice__local(a, sock).text);
}

static void why_connection(struct paragraph *p, const struct advice *a,
			   const struct snap_sock *sock, uint32_t index)
{
	paragraph__text(p,
			"The server that listened here is gone, but a connection it accepted (from "
			"%s) is still open: %s has it.",
			peer_of(sock).text, holder__who(a->snap, index).text);
	if (a->verdict->n_blockers > 1)
		paragraph__text(p, "There are %zu sockets like it, see above.",
				a->verdict->n_blockers);
	why_reuseaddr(p, a);
}

bool advice__port_is_ephemeral(const struct advice *a)
{
	return a->snap->ephemeral_low && a->req->port >= a->snap->ephemeral_low &&
	       a->req->port <= a->snap->ephemeral_high;
}

static void why_client_port(struct paragraph *p, const struct advice *a,
			    const struct snap_sock *sock, uint32_t index)
{
	struct holder_text who = holder__who(a->snap, index);

	if (advice__port_is_ephemeral(a))
		paragraph__text(p,
				"It is an outgoing connection: %s connected to %s and was given "
				"port %u, out of net.ipv4.ip_local_port_range (%u to %u).",
				who.text, peer_of(sock).text, a->req->port, a->snap->ephemeral_low,
				a->snap->ephemeral_high);
	else
		paragraph__text(p, "It is an outgoing connection: %s connected to %s from port %u.",
				who.text, peer_of(sock).text, a->req->port);
}

static void why_self_connect(struct paragraph *p, const struct advice *a,
			     const struct snap_sock *sock, uint32_t index)
{
	paragraph__text(p,
			"%s kept trying to connect to %s while nothing listened there, was given "
			"port %u itself by chance, and so connected to itself.",
			holder__who(a->snap, index).text, advice__local(a, sock).text,
			a->req->port);
}

static void why_bound_only(struct paragraph *p, const struct advice *a,
			   const struct snap_sock *sock, uint32_t index)
{
	paragraph__text(p,
			"%s has bound %s and neither listens nor is connected. Such a socket is "
			"missing in /proc/net/tcp and in older versions of ss.",
			holder__who(a->snap, index).text, advice__local(a, sock).text);
	why_reuseaddr(p, a);
}

static void why_inherited(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			  uint32_t index)
{
	const struct proc_info *first;
	size_t n = holder__procs(a->snap, index, &first, 1);

	paragraph__text(p,
			"The process that opened %s is gone, but %s%s still %s its file: inherited "
			"across fork and exec, or passed on.",
			advice__local(a, sock).text, holder__who(a->snap, index).text,
			n > 1 ? " and others" : "", n > 1 ? "have" : "has");
}

static void why_ownerless(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			  uint32_t index)
{
	struct endpoint local = advice__local(a, sock);

	switch ((enum holder_class)sock->holder) {
	case HOLDER_KERNEL:
		paragraph__text(p,
				"%s is a socket of the kernel itself (an NFS client or server, "
				"WireGuard or another tunnel): no process has it.",
				local.text);
		break;
	case HOLDER_ORPHAN:
		paragraph__text(p,
				"Its process has closed %s already; the kernel still has to finish "
				"the connection.",
				local.text);
		why_reuseaddr(p, a);
		break;
	case HOLDER_ACCEPT_QUEUE:
		paragraph__text(p, "%s is a connection that nobody has accepted yet.", local.text);
		break;
	default:
		paragraph__text(
			p,
			"%s is an open file in no process's fd table: in flight over a UNIX "
			"socket, or registered with io_uring only.",
			local.text);
		break;
	}
}

static void why_reuseport_uid(struct paragraph *p, const struct advice *a,
			      const struct snap_sock *sock, uint32_t index)
{
	uint32_t theirs = sock->uid_known ? sock->uid : sock->inode_uid;

	if (sock->uid_known || sock->inode_uid_known)
		paragraph__text(p,
				"Both sides set SO_REUSEPORT, but the users differ: this bind is "
				"uid %u, %s is uid %u. The kernel shares a port within one user "
				"only.",
				a->req->uid, holder__who(a->snap, index).text, theirs);
	else
		paragraph__text(p,
				"Both sides set SO_REUSEPORT, but this bind is uid %u and %s "
				"another user. The kernel shares a port within one user only.",
				a->req->uid, holder__who(a->snap, index).text);
}

const char *advice__options(int reuseaddr, int reuseport)
{
	if (reuseaddr > 0 && reuseport > 0)
		return "both SO_REUSEADDR and SO_REUSEPORT";
	if (reuseaddr > 0)
		return "SO_REUSEADDR only";
	return reuseport > 0 ? "SO_REUSEPORT only" : "neither";
}

static void why_one_sided(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			  uint32_t index)
{
	paragraph__text(p,
			"Sharing a port takes the same option on both sides. This bind has %s; %s "
			"on %s has %s.",
			advice__options(a->req->reuseaddr, a->req->reuseport),
			holder__who(a->snap, index).text, advice__local(a, sock).text,
			advice__options(sock->reuseaddr, sock->reuseport));
}

static void why_device(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
		       uint32_t index)
{
	struct word mine = format__device(a->snap, a->req->ifindex);
	struct word theirs = format__device(a->snap, sock->ifindex);

	paragraph__text(p,
			"One side is tied to a device and the other is not, and then they overlap: "
			"this bind is on %s, %s is on %s.",
			*mine.text ? mine.text : "every device", holder__who(a->snap, index).text,
			*theirs.text ? theirs.text : "every device");
}

static void why_bucket(struct paragraph *p, const struct advice *a)
{
	paragraph__text(p,
			"No socket by itself refuses this bind. The kernel remembers for each port "
			"whether all its sockets may be reused, and a socket that has gone since "
			"has spoiled that.");
	for (size_t i = 0; i < a->snap->n_buckets; i++)
		paragraph__text(p,
				"It remembers fastreuse %d, fastreuseport %d; %zu %s the port in "
				"use.",
				a->snap->buckets[i].fastreuse, a->snap->buckets[i].fastreuseport,
				a->snap->n_socks,
				a->snap->n_socks == 1 ? "socket keeps" : "sockets keep");
}

static void why_listen_race(struct paragraph *p, const struct advice *a,
			    const struct snap_sock *sock, uint32_t index)
{
	paragraph__text(
		p,
		"With SO_REUSEADDR on both sides Linux let both bind this address, but only "
		"one may listen: %s was first, on %s.",
		holder__who(a->snap, index).text, advice__local(a, sock).text);
}

static void why_unexplained(struct paragraph *p, const struct advice *a)
{
	if (a->snap->truncated)
		paragraph__text(
			p, "Unknown. The kernel refused, and none of the sockets seen explains "
			   "it; not all of them were seen.");
	else
		paragraph__text(p,
				"Unknown. The kernel refused, and no socket seen explains it: it "
				"may have gone in between.");
}

typedef void (*why_fn)(struct paragraph *, const struct advice *, const struct snap_sock *,
		       uint32_t);

static const why_fn why_table[N_CAUSES] = {
	[CAUSE_TIME_WAIT] = why_time_wait,
	[CAUSE_CLOSING] = why_closing,
	[CAUSE_LISTENER] = why_listener,
	[CAUSE_DUAL_STACK] = why_dual_stack,
	[CAUSE_CONNECTION] = why_connection,
	[CAUSE_CLIENT_PORT] = why_client_port,
	[CAUSE_SELF_CONNECT] = why_self_connect,
	[CAUSE_BOUND_ONLY] = why_bound_only,
	[CAUSE_INHERITED] = why_inherited,
	[CAUSE_OWNERLESS] = why_ownerless,
	[CAUSE_REUSEPORT_UID] = why_reuseport_uid,
	[CAUSE_REUSE_ONE_SIDED] = why_one_sided,
	[CAUSE_DEVICE] = why_device,
	[CAUSE_LISTEN_RACE] = why_listen_race,
};

void advice__why(struct paragraph *p, const struct advice *a)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);
	why_fn why = why_table[a->verdict->cause];

	if (a->verdict->refused == TRI_UNKNOWN)
		paragraph__text(p, "It depends on what could not be read, see the ? above. If it "
				   "is refused, then because of this:");
	if (refusal__why(p, a))
		return;
	if (a->verdict->cause == CAUSE_BUCKET)
		why_bucket(p, a);
	else if (sock && why)
		why(p, a, sock, index);
	else
		why_unexplained(p, a);
}
