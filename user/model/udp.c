/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP and UDP-Lite: udp_lib_lport_inuse() of net/ipv4/udp.c. A socket on the port is met unless
 * both sides have SO_REUSEADDR, devices or addresses do not overlap; the first one met decides, by
 * SO_REUSEPORT. There are no buckets, no VRF but the device itself, and no state matters.
 */
#include "internal.h"

#include <stddef.h>

#define CROWDED_SLOT 10 /* udp_lib_get_port(): hslot->count > 10 */

/* A closed member does not make a group usable, unlike TCP's: sk_reuseport_cb has to be NULL. */
static struct ways udp_ways(const struct kernel_rules *kernel, const struct bind_request *req,
			    const struct snap_sock *sock)
{
	struct ways differing = {
		.listening = false,
		.group_ok = !req->has_group,
		.user_ok = rules__same_user(kernel, req, sock),
	};

	return ways__new(req, sock, &differing);
}

/*
 * inet_rcv_saddr_equal() alone: what bhash2 hides is TCP's. A connected IPv6 socket has 127.0.0.6
 * beside its address here as well (__ip6_datagram_connect()), and so overlaps 0.0.0.0.
 */
static enum tri addr_overlap(const struct bind_request *req, const struct snap_sock *sock)
{
	static const struct kernel_rules plain;

	return rules__addr_overlap(&plain, req, sock);
}

static enum tri is_met(const struct bind_request *req, const struct snap_sock *sock,
		       const struct ways *ways)
{
	if ((req->self && sock->id == req->self) || !rules__devices_overlap(req, sock) ||
	    ways->by_reuseaddr == TRI_YES)
		return TRI_NO;
	return tri__and(tri__not(ways->by_reuseaddr), addr_overlap(req, sock));
}

enum tri udp__pair(const struct kernel_rules *kernel, const struct bind_request *req,
		   const struct snap_sock *sock, uint32_t *ret_rules)
{
	struct ways ways = udp_ways(kernel, req, sock);
	enum tri refused = tri__not(ways.by_reuseport);

	if (refused != TRI_NO)
		refused = tri__and(refused, is_met(req, sock, &ways));
	if (ret_rules)
		*ret_rules = refused == TRI_NO ? 0 : ways__why_not(&ways);
	return refused;
}

void udp_chain__next(struct udp_chain *chain, const struct kernel_rules *kernel,
		     const struct bind_request *req, const struct snap_sock *sock)
{
	struct ways ways;
	enum tri met;

	if (chain->decided && !chain->in_any_order)
		return;
	ways = udp_ways(kernel, req, sock);
	met = is_met(req, sock, &ways);
	if (met == TRI_NO)
		return;
	chain->may_pass |= ways.by_reuseport != TRI_NO;
	chain->may_refuse |= ways.by_reuseport != TRI_YES;
	chain->decided |= met == TRI_YES;
}

/* Who meets nobody passes. */
enum tri udp_chain__refused(const struct udp_chain *chain)
{
	if (!chain->may_refuse)
		return TRI_NO;
	return chain->decided && !chain->may_pass ? TRI_YES : TRI_UNKNOWN;
}

enum tri udp__refused(const struct snapshot *snap, const struct bind_request *req)
{
	struct udp_chain chain = {.in_any_order = snapshot__in_any_order(snap)};

	for (size_t i = 0; i < snap->n_socks; i++)
		udp_chain__next(&chain, &snap->kernel, req, &snap->socks[i]);
	return udp_chain__refused(&chain);
}

bool rules__may_miss(const struct snapshot *snap, const struct bind_request *req)
{
	if (!snapshot__is_udp(snap) || snap->udp_slot_socks <= CROWDED_SLOT ||
	    !ip_addr__is_any(req->family, &req->addr))
		return false;
	for (size_t i = 0; i < snap->n_socks; i++) {
		const struct snap_sock *sock = &snap->socks[i];

		if (ip_addr__is_any(sock->family, &sock->local) &&
		    udp__pair(&snap->kernel, req, sock, NULL) != TRI_NO)
			return false; /* found on either path */
	}
	return true;
}
