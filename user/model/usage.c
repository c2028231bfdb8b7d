/* SPDX-License-Identifier: GPL-2.0-only */
/* How full the range is in which the kernel looks for a port, seen by the call that found none. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_PORTS 65536

/* What is known of one port of the range. */
enum port_flag {
	PORT_RESERVED = 1u << 0,
	PORT_TAKEN = 1u << 1,  /* some socket keeps the call from it */
	PORT_MARKED = 1u << 2, /* by a bind(): inet_bind_bucket.fastreuse or fastreuseport >= 0 */
	PORT_SAME_PEER = 1u << 3, /* a socket has the four-tuple */
	PORT_LIVE = 1u << 4,	  /* ...and is not one that tcp_tw_reuse would let go */
	PORT_HELD = 1u << 5,	  /* somebody asked for this very port, or is not connected */
};

struct summing {
	const struct snapshot *snap;
	const struct bind_request *req;
	struct port_usage *usage;
	uint8_t ports[N_PORTS];
};

static bool is_in_range(const struct summing *sum, const struct snap_sock *sock)
{
	return sock->local_port >= sum->usage->low && sock->local_port <= sum->usage->high;
}

/* Never one out of the range: nothing is noted of those. */
static bool is_taken(const struct summing *sum, uint16_t port)
{
	return (sum->ports[port] & (PORT_TAKEN | PORT_RESERVED)) == PORT_TAKEN;
}

/* ---- one socket --------------------------------------------------------------------------- */

/*
 * A port of the kernel's choice has to be free of any overlap, whatever the options, in the first
 * pass of inet_csk_find_open_port(); UDP knows one pass, with its own rule.
 */
static bool is_in_the_way(const struct summing *sum, const struct snap_sock *sock)
{
	const struct bind_request *req = sum->req;

	if (snapshot__is_udp(sum->snap))
		return udp__pair(&sum->snap->kernel, req, sock, NULL) != TRI_NO;
	return !(req->self && sock->id == req->self) && rules__devices_overlap(req, sock) &&
	       rules__addr_overlap(&sum->snap->kernel, req, sock) != TRI_NO;
}

/* __inet_hash_connect(): a mark keeps connect() off, or else the tuple. */
static uint8_t flags_for_connect(const struct summing *sum, const struct snap_sock *sock)
{
	bool marked = sock->bucket == 1;
	uint8_t flags = marked ? PORT_TAKEN : 0;

	if (connect__same_tuple(sum->req, sock) == TRI_NO)
		return flags;
	flags |= PORT_TAKEN | PORT_SAME_PEER;
	if (sock->state != STATE_TIME_WAIT || sock->substate == STATE_FIN_WAIT2)
		flags |= PORT_LIVE;
	return flags;
}

static uint8_t flags_of(const struct summing *sum, const struct snap_sock *sock)
{
	bool udp = snapshot__is_udp(sum->snap);
	uint8_t flags;

	if (sum->req->call == CALL_CONNECT && !udp)
		flags = flags_for_connect(sum, sock);
	else
		flags = is_in_the_way(sum, sock) ? PORT_TAKEN : 0;
	if (!udp && sock->bucket == 1)
		flags |= PORT_MARKED;
	if (sock->state == STATE_LISTEN || sock->state == STATE_BOUND ||
	    sock->port_locked == TRI_YES)
		flags |= PORT_HELD;
	return flags;
}

static void look_at_sockets(struct summing *sum)
{
	const struct snapshot *snap = sum->snap;
	struct port_usage *usage = sum->usage;

	for (size_t i = 0; i < snap->n_socks; i++) {
		const struct snap_sock *sock = &snap->socks[i];

		if (!is_in_range(sum, sock))
			continue;
		sum->ports[sock->local_port] |= flags_of(sum, sock);
		usage->sockets++;
		if (sock->state < sizeof(usage->states) / sizeof(usage->states[0]))
			usage->states[sock->state]++;
	}
}

/* ---- the ports ---------------------------------------------------------------------------- */

static void count_port(struct port_usage *usage, uint8_t flags)
{
	bool marked = flags & PORT_MARKED, same = flags & PORT_SAME_PEER;

	if (flags & PORT_RESERVED)
		usage->reserved++;
	if ((flags & (PORT_TAKEN | PORT_RESERVED)) != PORT_TAKEN)
		return;
	usage->taken++;
	usage->bound += marked;
	usage->same_peer += same;
	usage->reusable += same && !marked && !(flags & PORT_LIVE);
	usage->shareable += marked && !same && !(flags & PORT_HELD);
}

static void count_ports(struct summing *sum, const uint8_t *reserved)
{
	for (uint32_t port = sum->usage->low; port <= sum->usage->high; port++) {
		if (reserved && (reserved[port / 8] & 1u << port % 8))
			sum->ports[port] |= PORT_RESERVED;
		count_port(sum->usage, sum->ports[port]);
	}
}

/* ---- who holds them ----------------------------------------------------------------------- */

struct port_hold {
	uint32_t proc;
	uint16_t port;
};

static int compare_holds(const void *left, const void *right)
{
	const struct port_hold *a = left, *b = right;

	if (a->proc != b->proc)
		return a->proc < b->proc ? -1 : 1;
	return a->port < b->port ? -1 : a->port > b->port;
}

/* The taken ports, with a line for each fd; the number of lines. */
static size_t list_holds(const struct summing *sum, struct port_hold *ret_list)
{
	const struct snapshot *snap = sum->snap;
	size_t n = 0;

	for (size_t i = 0; i < snap->n_holds; i++) {
		const struct sock_hold *hold = &snap->holds[i];
		const struct snap_sock *sock;

		if (hold->sock >= snap->n_socks || hold->proc >= snap->n_procs)
			continue;
		sock = &snap->socks[hold->sock];
		if (is_taken(sum, sock->local_port))
			ret_list[n++] = (struct port_hold){hold->proc, sock->local_port};
	}
	return n;
}

/* Largest first, and of equals the one that was there first. */
static void enter_holder(struct port_usage *usage, struct usage_holder holder)
{
	size_t place = usage->n_top;

	while (place && usage->top[place - 1].ports < holder.ports)
		place--;
	if (place == USAGE_MAX_HOLDERS)
		return;
	if (usage->n_top < USAGE_MAX_HOLDERS)
		usage->n_top++;
	memmove(&usage->top[place + 1], &usage->top[place],
		(usage->n_top - place - 1) * sizeof(holder));
	usage->top[place] = holder;
}

static int find_holders(struct summing *sum)
{
	struct usage_holder holder;
	struct port_hold *list;
	size_t n;

	if (!sum->snap->n_holds)
		return 0;
	list = malloc(sum->snap->n_holds * sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = list_holds(sum, list);
	if (n)
		qsort(list, n, sizeof(*list), compare_holds);
	for (size_t i = 0; i < n;) {
		holder = (struct usage_holder){.proc = list[i].proc};
		for (; i < n && list[i].proc == holder.proc; i++)
			if (!holder.ports || list[i].port != list[i - 1].port)
				holder.ports++;
		enter_holder(sum->usage, holder);
	}
	free(list);
	return 0;
}

int usage__sum(const struct snapshot *snap, const struct bind_request *req,
	       const uint8_t reserved[65536 / 8], struct port_usage *ret)
{
	struct port_usage usage = {.low = snap->ephemeral_low, .high = snap->ephemeral_high};
	struct summing *sum;
	int err = 0;

	sum = calloc(1, sizeof(*sum));
	if (!sum)
		return -ENOMEM;
	sum->snap = snap;
	sum->req = req;
	sum->usage = &usage;
	if (usage.low && usage.low <= usage.high) {
		look_at_sockets(sum);
		count_ports(sum, reserved);
		err = find_holders(sum);
	}
	free(sum);
	if (!err)
		*ret = usage;
	return err;
}
