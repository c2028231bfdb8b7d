/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each socket is on the port for. First from the socket and its bucket alone; those that do
 * not say so themselves are then compared with the servers found, and with the ephemeral range.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the ephemeral range ------------------------------------------------------------------ */

/* The side inside the range is the one that was given its port. */
static enum sock_role role_by_range(const struct snapshot *snap, const struct snap_sock *sock)
{
	bool local = snapshot__in_ephemeral_range(snap, sock->local_port);
	bool peer = snapshot__in_ephemeral_range(snap, sock->peer_port);

	if (local == peer)
		return ROLE_UNKNOWN;
	return local ? ROLE_CLIENT : ROLE_SERVER;
}

/* ---- one socket by itself ----------------------------------------------------------------- */

static bool is_connected_to_itself(const struct snap_sock *sock)
{
	size_t len = sock->family == AF_INET ? 4 : sizeof(sock->local);

	return sock->peer_port == sock->local_port && !memcmp(&sock->local, &sock->peer, len);
}

static const struct snap_bucket *bucket_of(const struct snapshot *snap,
					   const struct snap_sock *sock)
{
	return sock->bucket < snap->n_buckets ? &snap->buckets[sock->bucket] : NULL;
}

/*
 * Not locked and not by connect(): accepted, because inet_csk_clone_lock() clears
 * SOCK_BINDPORT_LOCK. Or bound to port 0 and then connected, which the range gives away.
 */
static enum sock_role role_unlocked(const struct snapshot *snap, const struct snap_sock *sock)
{
	return role_by_range(snap, sock) == ROLE_CLIENT ? ROLE_UNKNOWN : ROLE_SERVER;
}

static enum sock_role role_of_connected(const struct snapshot *snap, const struct snap_sock *sock)
{
	const struct snap_bucket *bucket = bucket_of(snap, sock);

	if (is_connected_to_itself(sock))
		return ROLE_SELF;
	if (sock->port_locked == TRI_YES || sock->connect_bound == TRI_YES)
		return ROLE_CLIENT;
	/* Until a bind() touches it, the bucket of a connect() says -1: __inet_hash_connect(). */
	if (bucket && bucket->fastreuse < 0 && bucket->fastreuseport < 0)
		return ROLE_CLIENT;
	if (sock->port_locked == TRI_NO && (sock->connect_bound == TRI_NO || bucket))
		return role_unlocked(snap, sock);
	return ROLE_UNKNOWN;
}

static bool is_kernels(const struct snap_sock *sock)
{
	return sock->kernel_made == TRI_YES && sock->has_file == TRI_NO;
}

/*
 * UDP has no accept(): who connected, and had not asked for the port (udp_v4_get_port() by
 * inet_autobind()), is a client; who had asked may serve one peer or ask one.
 */
static enum sock_role role_of_udp(const struct snapshot *snap, const struct snap_sock *sock)
{
	if (is_kernels(sock))
		return ROLE_KERNEL;
	if (!sock->peer_port)
		return ROLE_BOUND;
	if (is_connected_to_itself(sock))
		return ROLE_SELF;
	if (sock->port_locked == TRI_NO)
		return ROLE_CLIENT;
	return sock->port_locked == TRI_YES ? ROLE_UNKNOWN : role_by_range(snap, sock);
}

static enum sock_role role_by_itself(const struct snapshot *snap, const struct snap_sock *sock)
{
	if (sock->state == STATE_LISTEN)
		return ROLE_SERVER;
	if (sock->state == STATE_BOUND)
		return ROLE_BOUND;
	if (sock->state != STATE_TIME_WAIT) {
		if (is_kernels(sock))
			return ROLE_KERNEL;
		if (sock->dead == TRI_YES && sock->has_socket == TRI_NO)
			return ROLE_ORPHAN;
	}
	return sock->peer_port ? role_of_connected(snap, sock) : ROLE_UNKNOWN;
}

/* ---- the servers of the port -------------------------------------------------------------- */

/* Local addresses that are served, IPv4 ones as v4-mapped. */
struct served {
	struct ip_addr *addrs; /* sorted */
	size_t n;
	bool all_v4, all_v6;
};

static int compare_addrs(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct ip_addr));
}

static void served__add(struct served *served, const struct snap_sock *sock)
{
	struct ip_addr addr = ip_addr__unified(sock->family, &sock->local);

	if (!ip_addr__is_unified_any(&addr)) {
		served->addrs[served->n++] = addr;
	} else if (ip_addr__is_mapped(&addr)) {
		served->all_v4 = true;
	} else {
		served->all_v6 = true;
		served->all_v4 |= sock->v6only == TRI_NO;
	}
}

/* False when memory is short: the roles that hang on it stay unknown. */
static bool served__collect(struct served *served, const struct snapshot *snap)
{
	served->addrs = calloc(snap->n_socks, sizeof(*served->addrs));
	if (!served->addrs)
		return false;
	for (size_t i = 0; i < snap->n_socks; i++)
		if (snap->socks[i].role == ROLE_SERVER)
			served__add(served, &snap->socks[i]);
	if (served->n > 1)
		qsort(served->addrs, served->n, sizeof(*served->addrs), compare_addrs);
	return true;
}

static bool served__covers(const struct served *served, const struct snap_sock *sock)
{
	struct ip_addr addr = ip_addr__unified(sock->family, &sock->local);

	if (ip_addr__is_mapped(&addr) ? served->all_v4 : served->all_v6)
		return true;
	return served->n && bsearch(&addr, served->addrs, served->n, sizeof(addr), compare_addrs);
}

static enum sock_role role_by_neighbours(const struct snapshot *snap, const struct served *served,
					 const struct snap_sock *sock)
{
	/* connect() never takes a port that a listener's bind() has marked. */
	if (served__covers(served, sock))
		return ROLE_SERVER;
	return role_by_range(snap, sock);
}

void snapshot__set_roles(struct snapshot *snap)
{
	struct served served = {0};
	size_t undecided = 0;

	for (size_t i = 0; i < snap->n_socks; i++) {
		struct snap_sock *sock = &snap->socks[i];

		if (snapshot__is_udp(snap)) {
			sock->role = role_of_udp(snap, sock);
			continue;
		}
		sock->role = role_by_itself(snap, sock);
		undecided += sock->role == ROLE_UNKNOWN && sock->peer_port;
	}
	if (!undecided || !served__collect(&served, snap))
		return;
	for (size_t i = 0; i < snap->n_socks; i++) {
		struct snap_sock *sock = &snap->socks[i];

		if (sock->role == ROLE_UNKNOWN && sock->peer_port)
			sock->role = role_by_neighbours(snap, &served, sock);
	}
	free(served.addrs);
}
