// SPDX-License-Identifier: GPL-2.0-only
/* What a walk has brought, against what was there. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "churn.h"

void tally__wrong(struct tally *tally, const char *format, ...)
{
	va_list args;

	if (tally->wrong++ >= MAX_PRINTED)
		return;
	printf("WRONG (walk %lu): ", tally->walks);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void check__before(struct moment *ret)
{
	unsigned int i, k;

	for (i = 0; i < n_churn_classes; i++)
		for (k = 0; k < MAX_SLOTS; k++) {
			ret->generation[i][k] = churn_classes[i].slots[k].generation;
			ret->n[i][k] = churn_classes[i].slots[k].n;
		}
	ret->at_ms = truth__now_ms();
}

static bool is_udp(const struct churn_class *class)
{
	return class->kind == CHURN_UDP;
}

static bool same_address(const char *text, const struct snap_sock *sock)
{
	uint8_t bytes[16] = {};
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	return sock->family == family && inet_pton(family, text, bytes) == 1 &&
	       !memcmp(bytes, sock->local.bytes, family == AF_INET ? 4 : 16);
}

static int class_of(const struct snap_sock *sock, uint32_t protocol)
{
	unsigned int i;

	for (i = 0; i < n_churn_classes; i++) {
		const struct churn_class *class = &churn_classes[i];

		if (is_udp(class) == (protocol == PROTO_UDP) && class->port == sock->local_port &&
		    (same_address(class->address, sock) ||
		     (class->other && same_address(class->other, sock))))
			return i;
	}
	return -1;
}

static const char *describe(const struct snap_sock *sock)
{
	static char text[320];
	char local[INET6_ADDRSTRLEN] = "", peer[INET6_ADDRSTRLEN] = "";

	inet_ntop(sock->family, sock->local.bytes, local, sizeof(local));
	inet_ntop(sock->family, sock->peer.bytes, peer, sizeof(peer));
	snprintf(text, sizeof(text),
		 "%s:%u from %s:%u state %u inode %" PRIu64 " uid %u (%d) %u (%d) reuse %d %d "
		 "v6only %d file %d dead %d",
		 local, sock->local_port, peer, sock->peer_port, sock->state, sock->inode,
		 sock->uid, sock->uid_known, sock->inode_uid, sock->inode_uid_known,
		 sock->reuseaddr, sock->reuseport, sock->v6only, sock->has_file, sock->dead);
	return text;
}

/* One that exists, or did when the walk began. */
static bool was_there(const struct identity *identity, const struct moment *before, int64_t now_ms,
		      int64_t grace_ms)
{
	int64_t closed = identity->closed_ms;

	return identity->made_ms <= now_ms && (!closed || closed + grace_ms >= before->at_ms);
}

static bool is_identity(struct identity *identity, const struct snap_sock *sock)
{
	if (sock->inode && identity->inode)
		return identity->inode == sock->inode;
	/* in the middle of close(): has no inode any more, and is on the port still */
	if (!sock->inode && sock->dead == TRI_YES && !sock->peer_port)
		return true;
	/* not accepted yet, or closed: it has none, or we had not been told */
	return sock->peer_port && identity->peer_port == sock->peer_port;
}

/* Is it one of those that the class had while the walk took place? */
static bool is_known(const struct churn_class *class, const struct snap_sock *sock,
		     const struct moment *before, bool *ret_overrun)
{
	bool lasts = class->kind == CHURN_ACCEPTED || class->kind == CHURN_TIME_WAIT ||
		     class->kind == CHURN_MOVING;
	unsigned int index = class - churn_classes, k, i;
	int64_t now_ms = truth__now_ms();

	for (k = 0; k < MAX_SLOTS; k++) {
		struct slot *slot = &class->slots[k];

		for (i = 0; i < IDENTITIES && i < slot->n; i++)
			if (is_identity(&slot->ring[i], sock) &&
			    was_there(&slot->ring[i], before, now_ms, lasts ? GRACE_MS : 0))
				return true;
		/* More came and went than is remembered. */
		*ret_overrun |= slot->n - before->n[index][k] > IDENTITIES - 4;
	}
	return false;
}

static bool may_have_peer(const struct churn_class *class)
{
	return class->peer;
}

static bool attributes_fit(const struct churn_class *class, const struct snap_sock *sock)
{
	bool waits = sock->state == STATE_TIME_WAIT;

	if (sock->reuseaddr != TRI_YES || (sock->reuseport == TRI_YES) != class->reuseport)
		return false;
	if (sock->family == AF_INET6 && (sock->v6only == TRI_YES) != class->v6only)
		return false;
	if (sock->ifindex || (waits && class->kind != CHURN_TIME_WAIT))
		return false;
	if (!waits && (!sock->uid_known || sock->uid != class->uid))
		return false;
	return waits || !sock->inode || sock->inode_uid == class->uid;
}

static bool peer_fits(const struct churn_class *class, const struct snap_sock *sock)
{
	uint32_t peer;

	if (sock->state == STATE_LISTEN || !may_have_peer(class))
		return !sock->peer_port;
	if (!sock->peer_port)
		return sock->state == STATE_BOUND || sock->state == STATE_SYN_SENT ||
		       class->kind == CHURN_UDP || class->kind == CHURN_MOVING;
	memcpy(&peer, sock->peer.bytes, sizeof(peer));
	/* UDP and bound sockets get, and lose, the two one after the other */
	if (!peer && (class->kind == CHURN_UDP || class->kind == CHURN_MOVING))
		return true;
	return ntohl(peer) == class->peer;
}

static bool state_fits(const struct churn_class *class, const struct snap_sock *sock)
{
	switch (class->kind) {
	case CHURN_LISTENER:
		return sock->state == STATE_LISTEN || sock->state == STATE_BOUND;
	case CHURN_BOUND:
		return sock->state == STATE_BOUND;
	case CHURN_UDP:
		return sock->state == STATE_BOUND || sock->state == STATE_ESTABLISHED;
	case CHURN_MOVING:
		return sock->state != STATE_LISTEN;
	default:
		return true;
	}
}

static void check_sock(const struct moment *before, const struct snapshot *snap, uint32_t index,
		       uint32_t protocol, uint16_t low, uint16_t high, struct tally *tally)
{
	const struct snap_sock *sock = &snap->socks[index];
	const struct churn_class *class;
	bool overrun = false;
	int of;

	tally->socks++;
	if (sock->local_port < low || sock->local_port > high) {
		tally__wrong(tally, "of another port: %s", describe(sock));
		return;
	}
	of = class_of(sock, protocol);
	if (of < 0) {
		tally__wrong(tally, "of no class: %s", describe(sock));
		return;
	}
	class = &churn_classes[of];
	if (!attributes_fit(class, sock) || !peer_fits(class, sock) || !state_fits(class, sock))
		tally__wrong(tally, "not as a socket of %s: %s", class->name, describe(sock));
	if (is_known(class, sock, before, &overrun))
		return;
	if (overrun)
		tally->unverified++;
	else
		tally__wrong(tally, "%s has no such socket: %s", class->name, describe(sock));
}

static void check_twice(const struct snapshot *snap, struct tally *tally)
{
	size_t i, k;

	for (i = 0; i < snap->n_socks; i++)
		for (k = 0; k < i; k++)
			if (snap->socks[i].id == snap->socks[k].id)
				tally__wrong(tally, "twice: %s", describe(&snap->socks[i]));
}

static bool has(const struct snapshot *snap, const struct churn_class *class, uint64_t inode,
		uint32_t peer_port)
{
	size_t i;

	for (i = 0; i < snap->n_socks; i++) {
		const struct snap_sock *sock = &snap->socks[i];

		if (class_of(sock, is_udp(class) ? PROTO_UDP : PROTO_TCP) != class - churn_classes)
			continue;
		if ((inode && sock->inode == inode) || (peer_port && sock->peer_port == peer_port))
			return true;
	}
	return false;
}

/* Those that were there all the time are in it, if it says that all are. */
static void check_missing(const struct moment *before, const struct snapshot *snap,
			  const struct churn_class *class, struct tally *tally)
{
	unsigned int index = class - churn_classes, k;

	for (k = 0; k < MAX_SLOTS; k++) {
		struct slot *slot = &class->slots[k];
		struct identity *identity = slot__newest(slot);
		uint64_t inode = identity ? identity->inode : 0;
		uint32_t peer_port = identity ? identity->peer_port : 0;

		if (!(before->generation[index][k] % 2) ||
		    slot->generation != before->generation[index][k])
			continue;
		tally->demanded++;
		if (!has(snap, class, inode, peer_port))
			tally__wrong(tally,
				     "%s is missing: inode %" PRIu64 " peer %u, %zu sockets, "
				     "evidence %d",
				     class->name, inode, peer_port, snap->n_socks, snap->evidence);
	}
}

void check__walk(const struct moment *before, const struct snapshot *snap, uint32_t protocol,
		 uint16_t low, uint16_t high, struct tally *tally)
{
	bool complete = snap->evidence == EVIDENCE_WALKED && !snap->truncated;
	int64_t took_ms = truth__now_ms() - before->at_ms;
	unsigned int i;

	for (i = 0; complete && i < n_churn_classes; i++) {
		const struct churn_class *class = &churn_classes[i];

		/* in a range, sockets that move are not looked for again */
		if (class->kind == CHURN_MOVING && low != high)
			continue;
		if (is_udp(class) == (protocol == PROTO_UDP) && class->port >= low &&
		    class->port <= high)
			check_missing(before, snap, class, tally);
	}
	for (i = 0; i < snap->n_socks; i++)
		check_sock(before, snap, i, protocol, low, high, tally);
	check_twice(snap, tally);
	tally->raced += snap->evidence == EVIDENCE_RACED;
	tally->truncated += snap->truncated;
	if (took_ms > tally->slowest_ms)
		tally->slowest_ms = took_ms;
	if (took_ms > SLOWEST_MS)
		tally__wrong(tally, "it took %" PRId64 " ms", took_ms);
	tally->walks++;
}
