/* SPDX-License-Identifier: GPL-2.0-only */
/* One word for a refusal: the cause, from the sockets that refused and who holds them. */
#include "rules.h"
#include "internal.h"

#include <sys/socket.h>

/* ---- a listening or bound-only blocker ---------------------------------------------------- */

static bool is_wildcard6(uint16_t family, const struct ip_addr *addr, bool v6only)
{
	return family == AF_INET6 && ip_addr__is_any(family, addr) && !v6only;
}

/*
 * `::` of one side took IPv4 in as well, and only that meets the other side. Nobody can narrow a
 * socket that the kernel made for itself.
 */
static bool is_dual_stack(const struct bind_request *req, const struct snap_sock *sock)
{
	if (is_wildcard6(req->family, &req->addr, req->v6only))
		return ip_addr__is_v4(sock->family, &sock->local);
	return is_wildcard6(sock->family, &sock->local, sock->v6only == TRI_YES) &&
	       ip_addr__is_v4(req->family, &req->addr) && !snap_sock__is_kernels_own(sock);
}

static bool differ(bool binder, enum tri other)
{
	return other == tri__of(!binder);
}

/* SO_REUSEADDR says nothing about a listener, so there only SO_REUSEPORT can be one-sided. */
static bool is_one_sided(const struct bind_request *req, const struct snap_sock *sock)
{
	if (differ(req->reuseport, sock->reuseport))
		return true;
	return sock->state == STATE_BOUND &&
	       differ(req->reuseaddr || req->force_reuse, snap_sock__reuses_addr(sock));
}

static bool is_ownerless(const struct snap_sock *sock)
{
	return sock->holder == HOLDER_KERNEL || sock->holder == HOLDER_DETACHED ||
	       sock->holder == HOLDER_ORPHAN;
}

/*
 * No holder opened it, and none is a daemon that gave up the credentials it had opened it with
 * (or got it from its service manager): what is left is a child whose parent is gone.
 */
static bool is_inherited(const struct snapshot *snap, uint32_t sock)
{
	const struct sock_hold *holds;
	size_t n;

	holds = snapshot__holds(snap, sock, &n);
	for (size_t i = 0; i < n; i++) {
		if (holds[i].opener != TRI_NO || holds[i].proc >= snap->n_procs)
			return false;
		if (snap->procs[holds[i].proc].session_leader == TRI_YES)
			return false;
	}
	return n > 0;
}

static enum cause cause_of_holding(const struct snapshot *snap, const struct bind_request *req,
				   const struct blocker *blocker)
{
	const struct snap_sock *sock = &snap->socks[blocker->sock];

	if ((blocker->rules & RULE_REUSEPORT_UID_DIFFERS) &&
	    !(blocker->rules & RULE_REUSEPORT_GROUP) && sock->reuseport == TRI_YES)
		return CAUSE_REUSEPORT_UID;
	if (!req->ifindex != !sock->ifindex)
		return CAUSE_DEVICE;
	if (is_dual_stack(req, sock))
		return CAUSE_DUAL_STACK;
	if (is_one_sided(req, sock))
		return CAUSE_REUSE_ONE_SIDED;
	if (is_ownerless(sock))
		return CAUSE_OWNERLESS;
	if (sock->state != STATE_LISTEN)
		return CAUSE_BOUND_ONLY;
	return is_inherited(snap, blocker->sock) ? CAUSE_INHERITED : CAUSE_LISTENER;
}

/* ---- any blocker -------------------------------------------------------------------------- */

static enum cause cause_of_connection(const struct snap_sock *sock)
{
	if (snap_sock__is_kernels_own(sock))
		return CAUSE_OWNERLESS;
	if (sock->role == ROLE_SELF)
		return CAUSE_SELF_CONNECT;
	if (sock->role == ROLE_CLIENT)
		return CAUSE_CLIENT_PORT;
	switch (sock->state) {
	case STATE_FIN_WAIT1:
	case STATE_FIN_WAIT2:
	case STATE_LAST_ACK:
	case STATE_CLOSING:
		return CAUSE_CLOSING;
	case STATE_TIME_WAIT:
		return sock->substate == STATE_FIN_WAIT2 ? CAUSE_CLOSING : CAUSE_TIME_WAIT;
	default:
		break;
	}
	return sock->holder == HOLDER_DETACHED ? CAUSE_OWNERLESS : CAUSE_CONNECTION;
}

/*
 * How much is in the way: among several blockers the cause is that of the one that is hardest to
 * get past. Whoever holds a port on purpose comes first, then live connections, then what goes
 * away by itself; and among the holders those against whom no option of one side helps.
 */
static unsigned int severity(const struct snap_sock *sock, enum cause cause)
{
	static const uint8_t rank[N_CAUSES] = {
		[CAUSE_TIME_WAIT] = 1,	     [CAUSE_CLOSING] = 2,      [CAUSE_CONNECTION] = 3,
		[CAUSE_CLIENT_PORT] = 4,     [CAUSE_SELF_CONNECT] = 5, [CAUSE_DUAL_STACK] = 6,
		[CAUSE_REUSE_ONE_SIDED] = 7, [CAUSE_DEVICE] = 8,       [CAUSE_REUSEPORT_UID] = 9,
		[CAUSE_BOUND_ONLY] = 10,     [CAUSE_OWNERLESS] = 11,   [CAUSE_INHERITED] = 12,
		[CAUSE_LISTENER] = 13,	     [CAUSE_LISTEN_RACE] = 14,
	};
	bool on_purpose = sock->state == STATE_LISTEN || sock->state == STATE_BOUND;

	return (on_purpose ? N_CAUSES : 0) + rank[cause];
}

static enum cause cause_of(const struct snapshot *snap, const struct bind_request *req,
			   const struct blocker *blocker)
{
	const struct snap_sock *sock = &snap->socks[blocker->sock];

	if (sock->state == STATE_LISTEN && req->listening)
		return CAUSE_LISTEN_RACE;
	if (sock->state == STATE_LISTEN || sock->state == STATE_BOUND)
		return cause_of_holding(snap, req, blocker);
	return cause_of_connection(sock);
}

/* Certain blockers decide; possible ones only where there is nothing else. */
static enum cause worst_cause(const struct verdict *verdict, const struct snapshot *snap,
			      const struct bind_request *req)
{
	size_t n = verdict->n_definite ? verdict->n_definite : verdict->n_blockers;
	enum cause worst = CAUSE_UNEXPLAINED;
	unsigned int most = 0;

	for (size_t i = 0; i < n; i++) {
		const struct blocker *blocker = &verdict->blockers[i];
		enum cause cause = cause_of(snap, req, blocker);
		unsigned int much = severity(&snap->socks[blocker->sock], cause);

		if (much > most) {
			most = much;
			worst = cause;
		}
	}
	return worst;
}

/* UDP has no states to speak of: who overlaps holds the port, whatever it is for. */
static enum cause cause_of_refusal(const struct verdict *verdict, const struct snapshot *snap,
				   const struct bind_request *req)
{
	if (!snapshot__is_udp(snap))
		return worst_cause(verdict, snap, req);
	return verdict->n_blockers ? CAUSE_UDP_HOLDER : CAUSE_UNEXPLAINED;
}

int verdict__explain(struct verdict *verdict, const struct snapshot *snap,
		     const struct bind_request *req)
{
	verdict->n_fixes = 0;
	if (verdict->refused == TRI_NO) {
		verdict->cause = verdict->by_bucket ? CAUSE_BUCKET : CAUSE_NONE;
		return 0;
	}
	if (req->call == CALL_CONNECT) {
		connect__explain(verdict, snap);
		return 0;
	}
	verdict->cause = cause_of_refusal(verdict, snap, req);
	if (verdict->refused == TRI_YES && verdict->n_blockers)
		fixes__find(verdict, snap, req);
	return 0;
}
