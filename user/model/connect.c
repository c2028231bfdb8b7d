/* SPDX-License-Identifier: GPL-2.0-only */
/* connect() from a port that the socket is bound to: only the four-tuple has to be free. */
#include "internal.h"

#include <stddef.h>

/*
 * inet_match(), inet6_match(): between unbound sockets the device does not matter, else it is that
 * of the one that is there which has to fit. req->l3mdev is its sdif where that counts.
 */
static bool device_matches(const struct bind_request *req, const struct snap_sock *sock)
{
	if (!sock->ifindex)
		return !req->l3mdev;
	return sock->ifindex == req->ifindex ||
	       (req->l3mdev > 0 && sock->ifindex == (uint32_t)req->l3mdev);
}

/* ehash: a socket that has left it keeps its peer's address, as after a RST. */
static bool is_hashed(const struct snap_sock *sock)
{
	return sock->peer_port && sock->state != STATE_LISTEN && sock->state != STATE_BOUND;
}

enum tri connect__same_tuple(const struct bind_request *req, const struct snap_sock *sock)
{
	struct ip_addr peer = ip_addr__unified(req->family, &req->peer);
	struct ip_addr other = ip_addr__unified(sock->family, &sock->peer);

	if (!is_hashed(sock) || (req->self && sock->id == req->self))
		return TRI_NO;
	if (sock->peer_port != req->peer_port || !ip_addr__equal(&peer, &other) ||
	    !device_matches(req, sock))
		return TRI_NO;
	peer = ip_addr__unified(req->family, &req->addr);
	other = ip_addr__unified(sock->family, &sock->local);
	if (ip_addr__is_unified_any(&peer))
		return TRI_UNKNOWN;
	return tri__of(ip_addr__equal(&peer, &other));
}

/*
 * __inet_check_established(). A time-wait socket gives way when timestamps were in use, whatever
 * tcp_tw_reuse says (tcp_twsk_unique() with twp NULL): one that refused has none, and the sysctl
 * would not help.
 */
static enum tri has_tuple(const struct snapshot *snap, const struct bind_request *req,
			  const struct snap_sock *sock, uint32_t *ret_rules)
{
	enum tri same = TRI_NO;

	(void)snap;
	if (sock->local_port == req->port)
		same = connect__same_tuple(req, sock);
	if (ret_rules)
		*ret_rules = same == TRI_NO ? 0 : RULE_SAME_TUPLE;
	return same;
}

int rules__judge_connect(const struct snapshot *snap, const struct bind_request *req,
			 struct verdict *ret_verdict)
{
	struct verdict verdict = {.refused = TRI_YES};
	int err;

	err = verdict__collect(&verdict, snap, req, has_tuple);
	if (err)
		return err;
	*ret_verdict = verdict;
	return 0;
}

/* Another source port or address is another tuple. Nobody can close a time-wait socket. */
void connect__explain(struct verdict *verdict, const struct snapshot *snap)
{
	verdict->n_fixes = 0;
	verdict->cause = verdict->n_blockers ? CAUSE_SAME_TUPLE : CAUSE_UNEXPLAINED;
	if (!verdict->n_blockers)
		return;
	fixes__emit(verdict, FIX_ANY_PORT, SIDE_BINDER);
	fixes__emit(verdict, FIX_ADDRESS, SIDE_BINDER);
	if (!fixes__wait(verdict, snap))
		fixes__emit(verdict, FIX_CLOSE, SIDE_NONE);
}
