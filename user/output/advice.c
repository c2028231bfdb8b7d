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

struct endpoint advice__asked_host(const struct advice *a)
{
	return format__host(a->req->family, &a->req->addr, NULL);
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

/* Only this bind has SO_REUSEPORT: to set it on the other side, too, is the shorter way. */
static bool shares_alone(const struct advice *a)
{
	if (!a->req->reuseport || a->req->reuseaddr)
		return false;
	for (size_t i = 0; i < a->verdict->n_blockers; i++)
		if (a->snap->socks[a->verdict->blockers[i].sock].reuseport != TRI_NO)
			return false;
	return true;
}

/* Which side lacks SO_REUSEADDR; nothing where it would not help. */
static void why_reuseaddr(struct paragraph *p, const struct advice *a)
{
	size_t n = a->verdict->n_blockers;
	size_t lacking = count_socks(a, TRI_NO), unread = count_socks(a, TRI_UNKNOWN);
	const char *other = n == 1 ? "the other side" : "the other sockets";
	const char *has = n == 1 ? "has" : "have";

	if (shares_alone(a))
		paragraph__text(p,
				"This bind has set SO_REUSEPORT, %s %s not: Linux wants the same "
				"option, that or SO_REUSEADDR, on both sides.",
				other, has);
	else if (unread)
		paragraph__text(p,
				"Linux wants SO_REUSEADDR on both sides. This bind has %s it; "
				"whether %s %s could not be read.",
				a->req->reuseaddr ? "set" : "not set", other, has);
	else if (!a->req->reuseaddr && lacking == n)
		paragraph__text(p, "Neither side set SO_REUSEADDR; Linux wants it on both.");
	else if (!a->req->reuseaddr && lacking)
		paragraph__text(p, "Neither this bind nor all of the sockets above have "
				   "SO_REUSEADDR; Linux wants it on both sides.");
	else if (lacking)
		paragraph__text(p,
				"This bind has set SO_REUSEADDR, %s %s not: Linux wants it on both "
				"sides.",
				other, has);
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

bool advice__is_left_over(const struct snap_sock *sock)
{
	return sock->holder == HOLDER_TIME_WAIT || sock->holder == HOLDER_ORPHAN;
}

/* What has happened to the connection, and what the kernel is waiting for. */
static void why_still_closing(struct paragraph *p, const struct snap_sock *sock)
{
	switch (sock->state) {
	case STATE_FIN_WAIT1:
		paragraph__text(p, "This side has closed it, and the peer has not acknowledged "
				   "that. The kernel repeats it until the peer does, or until it "
				   "gives up. Even then the port stays taken for a while "
				   "(FIN_WAIT2, then TIME_WAIT).");
		break;
	case STATE_CLOSING:
		paragraph__text(p, "Both sides have closed it, and the peer has not acknowledged "
				   "that. The kernel repeats it until the peer does, or until it "
				   "gives up. After an acknowledgement the port stays taken for a "
				   "minute more (TIME_WAIT).");
		break;
	case STATE_LAST_ACK:
		paragraph__text(p,
				"Both sides have closed it, the peer first, and the peer has not "
				"acknowledged the last word. The kernel repeats it until the "
				"peer does, or until it gives up; either frees the port.");
		break;
	default:
		paragraph__text(p, "This side has closed it and the peer has acknowledged that, "
				   "but the peer has not closed its own side.");
		break;
	}
}

/* A time-wait socket has a timer, and so has an orphan, which is not shown; else both ends decide.
 */
static void why_fin_wait2(struct paragraph *p, const struct snap_sock *sock)
{
	if (sock->state == STATE_TIME_WAIT && sock->expires_known)
		paragraph__text(p,
				"The kernel keeps the port for %s more (tcp_fin_timeout); if the "
				"peer closes before that, for a minute from then on.",
				format__left(sock->expires_ms).text);
	else if (advice__is_left_over(sock))
		paragraph__text(p, "The kernel keeps the port until net.ipv4.tcp_fin_timeout is "
				   "over; if the peer closes before that, for a minute from then "
				   "on.");
	else
		paragraph__text(p, "The program has shut down its own direction, but still has the "
				   "socket: this lasts until the peer closes its side or the "
				   "program closes the socket.");
}

static void why_closing(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			uint32_t index)
{
	paragraph__text(p, "A connection to %s is still closing (%s).", peer_of(sock).text,
			sock_state__name(sock));
	why_still_closing(p, sock);
	if (sock->state == STATE_FIN_WAIT2 || sock->state == STATE_TIME_WAIT)
		why_fin_wait2(p, sock);
	if (a->verdict->n_blockers > 1)
		paragraph__text(p, "It is one of %zu sockets in the way.", a->verdict->n_blockers);
	why_reuseaddr(p, a);
}

bool advice__is_own(const struct advice *a, uint32_t index)
{
	const struct proc_info *first;

	return a->binder && a->binder->pid > 0 && holder__procs(a->snap, index, &first, 1) == 1 &&
	       first->pid == a->binder->pid;
}

static void why_listener(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			 uint32_t index)
{
	const struct proc_info *first;
	size_t n = holder__procs(a->snap, index, &first, 1);

	paragraph__text(p, "%s%s listening on %s already. SO_REUSEADDR never helps against LISTEN.",
			holder__subject(a->snap, index).text,
			n > 1 ? " and others that share its socket are" : " is",
			advice__local(a, sock).text);
	if (sock->family == AF_INET6 && sock->v6only == TRI_NO && !a->report &&
	    ip_addr__is_any(sock->family, &sock->local))
		paragraph__text(p, "Without IPV6_V6ONLY it has the port for IPv4, too.");
	if (advice__is_own(a, index))
		paragraph__text(p, "It is the same process: it binds the address twice.");
}

static void why_dual_stack(struct paragraph *p, const struct advice *a,
			   const struct snap_sock *sock, uint32_t index)
{
	bool binder_is_v6 = a->req->family == AF_INET6;

	if (binder_is_v6)
		paragraph__text(p,
				"Without IPV6_V6ONLY a bind to %s takes the port for IPv4 too, and "
				"there %s has %s already.",
				advice__asked(a).text, holder__who(a->snap, index).text,
				advice__local(a, sock).text);
	else
		paragraph__text(p,
				"%s has %s without IPV6_V6ONLY, and that takes the port for IPv4 "
				"too.",
				holder__subject(a->snap, index).text, advice__local(a, sock).text);
	if (advice__is_own(a, index))
		paragraph__text(p, "It is the same process: it binds the port for IPv4 and for "
				   "IPv6.");
}

static void why_connection(struct paragraph *p, const struct advice *a,
			   const struct snap_sock *sock, uint32_t index)
{
	bool queued = sock->holder == HOLDER_ACCEPT_QUEUE;

	if (sock->role != ROLE_SERVER)
		paragraph__text(p, "A connection to %s is still open: %s has it.",
				peer_of(sock).text, holder__who(a->snap, index).text);
	else if (queued)
		paragraph__text(p,
				"A connection from %s has come in on this port, and nobody has "
				"accepted it yet.",
				peer_of(sock).text);
	else
		paragraph__text(p,
				"A connection that a server accepted on this port (from %s) is "
				"still open: %s has it. It holds the port even when the listener "
				"is gone.",
				peer_of(sock).text, holder__who(a->snap, index).text);
	if (a->verdict->n_blockers > 1)
		paragraph__text(p, "It is one of %zu sockets in the way.", a->verdict->n_blockers);
	why_reuseaddr(p, a);
}

bool advice__port_is_ephemeral(const struct advice *a)
{
	return a->snap->ephemeral_low && a->req->port >= a->snap->ephemeral_low &&
	       a->req->port <= a->snap->ephemeral_high;
}

bool advice__chose_port(const struct snap_sock *sock)
{
	return sock->port_locked == TRI_YES;
}

static void why_client_port(struct paragraph *p, const struct advice *a,
			    const struct snap_sock *sock, uint32_t index)
{
	if (advice__is_left_over(sock))
		paragraph__text(p, "It is what is left of an outgoing connection to %s (%s).",
				peer_of(sock).text, sock_state__name(sock));
	else
		paragraph__text(p, "It is an outgoing connection: %s connected to %s from port %u.",
				holder__who(a->snap, index).text, peer_of(sock).text, a->req->port);
	if (advice__chose_port(sock))
		paragraph__text(p, "The program had asked for this port itself, with bind().");
	else if (advice__port_is_ephemeral(a))
		paragraph__text(p,
				"Port %u is in net.ipv4.ip_local_port_range (%u to %u), out of "
				"which the kernel gives connect() its ports.",
				a->req->port, a->snap->ephemeral_low, a->snap->ephemeral_high);
}

/* Until a bind() touches it, the bucket of a connect() says -1: __inet_hash_connect(). */
static bool was_given_by_connect(const struct advice *a, const struct snap_sock *sock)
{
	const struct snap_bucket *bucket =
		sock->bucket < a->snap->n_buckets ? &a->snap->buckets[sock->bucket] : NULL;

	if (sock->port_locked != TRI_NO || sock->connect_bound == TRI_NO)
		return false;
	return sock->connect_bound == TRI_YES ||
	       (bucket && bucket->fastreuse < 0 && bucket->fastreuseport < 0);
}

static void why_self_connect(struct paragraph *p, const struct advice *a,
			     const struct snap_sock *sock, uint32_t index)
{
	struct endpoint local = advice__local(a, sock);

	if (advice__is_left_over(sock))
		paragraph__text(p,
				"It is what is left of a socket that was connected to itself: from "
				"%s to the very same address and port (%s).",
				local.text, sock_state__name(sock));
	else
		paragraph__text(p,
				"%s is connected to itself: from %s to the very same address and "
				"port.",
				holder__subject(a->snap, index).text, local.text);
	if (advice__chose_port(sock))
		paragraph__text(p,
				"It had bound this port itself, and then connected to where it was "
				"bound.");
	else if (was_given_by_connect(a, sock))
		paragraph__text(p,
				"It connected to port %u while nothing listened there, and was "
				"given the same port for its own side by chance.",
				a->req->port);
	else
		paragraph__text(p, "A connect() does that when its own side has the very address "
				   "and port that it connects to, bound before or given by "
				   "chance.");
}

static void why_bound_only(struct paragraph *p, const struct advice *a,
			   const struct snap_sock *sock, uint32_t index)
{
	size_t n;
	const struct sock_hold *hold = snapshot__holds(a->snap, index, &n);

	paragraph__text(p, "%s has bound %s and neither listens nor is connected.",
			holder__subject(a->snap, index).text, advice__local(a, sock).text);
	if (n == 1)
		paragraph__text(p, "The socket is its file descriptor %d.", hold->fd);
	paragraph__text(p, "`ss -l` and /proc/net/tcp do not show such a socket; `ss -B` does, "
			   "where both ss and the kernel are new enough (Linux 6.8).");
	why_reuseaddr(p, a);
}

static void why_inherited(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			  uint32_t index)
{
	const struct proc_info *first;
	size_t n = holder__procs(a->snap, index, &first, 1);

	paragraph__text(p,
			"%s%s the listener on %s, but did not open it: it was inherited across "
			"fork and exec, or passed on. Whoever opened it does not hold it any more.",
			holder__subject(a->snap, index).text, n > 1 ? " and others have" : " has",
			advice__local(a, sock).text);
}

static void why_ownerless(struct paragraph *p, const struct advice *a, const struct snap_sock *sock,
			  uint32_t index)
{
	struct endpoint local = advice__local(a, sock);

	switch ((enum holder_class)sock->holder) {
	case HOLDER_KERNEL:
		paragraph__text(
			p,
			"%s is a socket of the kernel itself (%s, for instance): no process "
			"has it.",
			local.text,
			advice__is_udp(a) ? "WireGuard or another tunnel"
					  : "an NFS client or server");
		break;
	case HOLDER_ORPHAN:
		paragraph__text(p,
				"No process has %s any more: its program has closed it, and the "
				"kernel is still finishing the connection.",
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
			"Sharing a port takes the same option on both sides. This bind has set %s; "
			"%s on %s has set %s.",
			advice__options(a->req->reuseaddr, a->req->reuseport),
			holder__who(a->snap, index).text, advice__local(a, sock).text,
			advice__options(sock->reuseaddr, sock->reuseport));
	if (sock->reuseport == TRI_YES && sock->uid_known && sock->uid != a->req->uid)
		paragraph__text(p,
				"SO_REUSEPORT is for one user's sockets only: this bind is uid "
				"%u, that socket is uid %u.",
				a->req->uid, sock->uid);
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

static void why_listen_race(struct paragraph *p, const struct advice *a,
			    const struct snap_sock *sock, uint32_t index)
{
	paragraph__text(p,
			"With the same reuse option on both sides Linux let both bind this "
			"address, but only one may listen: %s%s was first, on %s.",
			advice__is_own(a, index) ? "another socket of " : "",
			holder__who(a->snap, index).text, advice__local(a, sock).text);
	if (advice__is_own(a, index))
		paragraph__text(p, "It is the program's own other socket: the same process listens "
				   "twice.");
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
	if (sock && why)
		why(p, a, sock, index);
	else
		why_unexplained(p, a);
}
