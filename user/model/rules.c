/* SPDX-License-Identifier: GPL-2.0-only */
#include "rules.h"
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* include/net/inet_hashtables.h: tb->fastreuseport */
#define FASTREUSEPORT_ANY 1

/* ---- addresses ---------------------------------------------------------------------------- */

/* What inet_rcv_saddr_equal() looks at on one side. */
struct endpoint {
	uint16_t family;
	struct ip_addr addr;
	uint32_t v4_word_be;
	bool v6only;
};

enum addr_kind {
	ADDR_V4, /* AF_INET or v4-mapped, 0.0.0.0 included */
	ADDR_ANY6,
	ADDR_SPECIFIC6,
};

bool ip_addr__is_v4(uint16_t family, const struct ip_addr *addr)
{
	return family == AF_INET || ip_addr__is_mapped(addr);
}

static enum addr_kind endpoint__kind(const struct endpoint *end)
{
	if (ip_addr__is_v4(end->family, &end->addr))
		return ADDR_V4;
	return ip_addr__is_any(end->family, &end->addr) ? ADDR_ANY6 : ADDR_SPECIFIC6;
}

/*
 * sk_rcv_saddr. An IPv4 address is the word. Beside an IPv6 address the kernel keeps
 * LOOPBACK4_IPV6 (127.0.0.6: __inet6_bind(), tcp_v6_connect(), tcp_v6_syn_recv_sock()); sources
 * that cannot see the word leave 0, which only `::` has.
 */
static struct endpoint endpoint__new(uint16_t family, const struct ip_addr *addr, uint32_t word_be,
				     bool v6only)
{
	static const uint8_t loopback4_ipv6[4] = {127, 0, 0, 6};
	struct endpoint end = {
		.family = family,
		.addr = *addr,
		.v4_word_be = word_be,
		.v6only = v6only,
	};
	enum addr_kind kind = endpoint__kind(&end);

	if (kind == ADDR_V4)
		memcpy(&end.v4_word_be, addr->bytes + (family == AF_INET ? 0 : 12), 4);
	else if (kind == ADDR_SPECIFIC6 && !word_be)
		memcpy(&end.v4_word_be, loopback4_ipv6, 4);
	return end;
}

/*
 * inet_rcv_saddr_equal(). Not symmetric: between two IPv4 addresses only the second side's v6only
 * counts, and a first side of AF_INET compares words even with an IPv6 address. A wildcard on the
 * first side matches everything, on the second side only with second_wildcard.
 */
static bool saddr_match(const struct endpoint *first, const struct endpoint *second,
			bool second_wildcard)
{
	enum addr_kind kind = endpoint__kind(first), other = endpoint__kind(second);

	if (first->family == AF_INET || (kind == ADDR_V4 && other == ADDR_V4)) {
		if (second->v6only)
			return false;
		return first->v4_word_be == second->v4_word_be || !first->v4_word_be ||
		       (second_wildcard && !second->v4_word_be);
	}
	if (kind == ADDR_ANY6)
		return !(first->v6only && other == ADDR_V4);
	if (other == ADDR_ANY6)
		return second_wildcard && !(second->v6only && kind == ADDR_V4);
	return second->family == AF_INET6 && ip_addr__equal(&first->addr, &second->addr);
}

/* Pairs that the per-address table (bhash2) never brings together. */
static bool hidden_by_hash2(const struct kernel_rules *kernel, const struct endpoint *binder,
			    const struct endpoint *existing, uint16_t bucket_family)
{
	if (!binder->v4_word_be || endpoint__kind(binder) != ADDR_V4)
		return false; /* wildcards walk the whole port */
	/* A bind to 127.0.0.6 does not meet an IPv6 connection through its word. */
	if (kernel->hash2 && endpoint__kind(existing) == ADDR_SPECIFIC6)
		return true;
	/*
	 * inet_bind2_bucket_match_addr_any() of 6.1: within AF_INET6 only `::` is a wildcard.
	 * 0.0.0.0 and ::ffff:0.0.0.0 share a bucket, whose family is that of the first in it.
	 */
	return kernel->mapped_any_quirk && binder->family == AF_INET6 &&
	       bucket_family == AF_INET6 && endpoint__kind(existing) == ADDR_V4 &&
	       !existing->v4_word_be;
}

static bool overlap_if_v6only(const struct kernel_rules *kernel, const struct bind_request *req,
			      const struct snap_sock *sock, bool v6only)
{
	struct endpoint binder =
		endpoint__new(req->family, &req->addr, req->v4_word_be, req->v6only);
	struct endpoint existing =
		endpoint__new(sock->family, &sock->local, sock->v4_word_be, v6only);

	if (hidden_by_hash2(kernel, &binder, &existing, sock->addr_bucket_family ?: sock->family))
		return false;
	return saddr_match(&binder, &existing, true);
}

/* An AF_INET socket has no IPV6_V6ONLY; "unknown" is only how that is shown. */
static enum tri v6only_of(const struct snap_sock *sock)
{
	return sock->family == AF_INET && sock->v6only == TRI_UNKNOWN ? TRI_NO : sock->v6only;
}

enum tri rules__addr_overlap(const struct kernel_rules *kernel, const struct bind_request *req,
			     const struct snap_sock *sock)
{
	enum tri v6only = v6only_of(sock);
	bool with, without;

	if (v6only != TRI_UNKNOWN)
		return tri__of(overlap_if_v6only(kernel, req, sock, v6only == TRI_YES));
	with = overlap_if_v6only(kernel, req, sock, true);
	without = overlap_if_v6only(kernel, req, sock, false);
	return with == without ? tri__of(with) : TRI_UNKNOWN;
}

/* ---- one socket --------------------------------------------------------------------------- */

bool snap_sock__rule_uid(const struct kernel_rules *kernel, const struct snap_sock *sock,
			 uint32_t *ret_uid)
{
	*ret_uid = kernel->uid_from_sock ? sock->uid : sock->inode_uid;
	return kernel->uid_from_sock ? sock->uid_known : sock->inode_uid_known;
}

enum tri rules__same_user(const struct kernel_rules *kernel, const struct bind_request *req,
			  const struct snap_sock *sock)
{
	uint32_t uid;

	if (!snap_sock__rule_uid(kernel, sock, &uid))
		return TRI_UNKNOWN;
	return tri__of(uid == (kernel->uid_from_sock ? req->uid : req->inode_uid));
}

/* 6.1's reuseport_cb_ok: a group that lost a member may be joined. */
static bool group_allows(const struct kernel_rules *kernel, const struct bind_request *req)
{
	return !req->has_group || (kernel->closed_group_usable && req->group_closed);
}

bool rules__devices_overlap(const struct bind_request *req, const struct snap_sock *sock)
{
	return !req->ifindex || !sock->ifindex || req->ifindex == sock->ifindex;
}

struct ways ways__new(const struct bind_request *req, const struct snap_sock *sock,
		      const struct ways *differing)
{
	struct ways ways = *differing;

	ways.binder_addr = req->reuseaddr || req->force_reuse;
	ways.binder_port = req->reuseport;
	ways.other_addr = snap_sock__reuses_addr(sock);
	ways.other_port = sock->reuseport;
	ways.by_reuseaddr = tri__and(tri__of(ways.binder_addr && !ways.listening), ways.other_addr);
	ways.by_reuseport = tri__and(tri__of(ways.binder_port && ways.group_ok),
				     tri__and(ways.other_port, ways.user_ok));
	return ways;
}

/* A time-wait socket has no uid, and the kernel does not ask for one. */
static struct ways tcp_ways(const struct kernel_rules *kernel, const struct bind_request *req,
			    const struct snap_sock *sock)
{
	struct ways differing = {
		.listening = sock->state == STATE_LISTEN,
		.group_ok = group_allows(kernel, req),
		.user_ok = TRI_YES,
	};

	if (sock->state != STATE_TIME_WAIT)
		differing.user_ok = rules__same_user(kernel, req, sock);
	return ways__new(req, sock, &differing);
}

/* What is not known is named only where the verdict hangs on it. */
static uint32_t why_not_reuseaddr(const struct ways *ways)
{
	uint32_t rules = 0;

	if (ways->listening)
		return RULE_LISTENING;
	if (!ways->binder_addr)
		rules |= RULE_BINDER_LACKS_REUSEADDR;
	if (ways->other_addr == TRI_NO || ways->by_reuseaddr == TRI_UNKNOWN)
		rules |= RULE_BLOCKER_LACKS_REUSEADDR;
	return rules;
}

static uint32_t why_not_reuseport(const struct ways *ways)
{
	bool open = ways->by_reuseport == TRI_UNKNOWN;
	uint32_t rules = 0;

	if (!ways->binder_port && ways->other_port != TRI_YES)
		return 0; /* nobody asked for it */
	if (!ways->binder_port)
		return RULE_BINDER_LACKS_REUSEPORT;
	if (ways->other_port == TRI_NO)
		return RULE_BLOCKER_LACKS_REUSEPORT;
	if (open && ways->other_port == TRI_UNKNOWN)
		rules |= RULE_BLOCKER_LACKS_REUSEPORT;
	if (!ways->group_ok)
		rules |= RULE_REUSEPORT_GROUP;
	if (ways->user_ok == TRI_NO || (open && ways->user_ok == TRI_UNKNOWN))
		rules |= RULE_REUSEPORT_UID_DIFFERS;
	return rules;
}

uint32_t ways__why_not(const struct ways *ways)
{
	return why_not_reuseaddr(ways) | why_not_reuseport(ways);
}

/* inet_bind_conflict() (5.10: the body of inet_csk_bind_conflict()) for an explicit port. */
enum tri rules__pair(const struct kernel_rules *kernel, const struct bind_request *req,
		     const struct snap_sock *sock, uint32_t *ret_rules)
{
	uint32_t rules = 0;
	struct ways ways;
	enum tri refused;

	if ((req->self && sock->id == req->self) || !rules__devices_overlap(req, sock)) {
		refused = TRI_NO;
	} else {
		ways = tcp_ways(kernel, req, sock);
		refused = tri__not(tri__or(ways.by_reuseaddr, ways.by_reuseport));
		if (refused != TRI_NO)
			refused = tri__and(refused, rules__addr_overlap(kernel, req, sock));
		if (refused != TRI_NO)
			rules = ways__why_not(&ways);
	}
	if (ret_rules)
		*ret_rules = rules;
	return refused;
}

/* ---- the bucket's cached verdict ---------------------------------------------------------- */

/* sk_reuseport_match(); strict about the group on every kernel. */
static bool fast_reuseport(const struct bind_request *req, uint32_t uid,
			   const struct snap_bucket *bucket)
{
	struct endpoint stored, binder;

	if (bucket->fastreuseport <= 0 || !req->reuseport || req->has_group ||
	    bucket->fastuid != uid)
		return false;
	if (bucket->fastreuseport == FASTREUSEPORT_ANY)
		return true;
	/* What the bucket stored may be a wildcard for the binder, but not the reverse. */
	if (bucket->fast_family == AF_INET6) {
		stored = endpoint__new(AF_INET6, &bucket->fast_v6, bucket->fast_v4_be,
				       bucket->fast_ipv6only);
	} else {
		struct ip_addr v4 = {0};

		memcpy(v4.bytes, &bucket->fast_v4_be, 4);
		stored = endpoint__new(AF_INET, &v4, bucket->fast_v4_be, false);
	}
	binder = endpoint__new(req->family, &req->addr, req->v4_word_be, req->v6only);
	return saddr_match(&stored, &binder, false);
}

static bool bucket_passes(const struct bind_request *req, uint32_t uid,
			  const struct snap_bucket *bucket)
{
	if (req->force_reuse)
		return true;
	if (bucket->fastreuse > 0 && req->reuseaddr && !req->listening)
		return true;
	return fast_reuseport(req, uid, bucket);
}

/* Without the kernel's rule about uids only a binder with one uid can count on a match. */
bool rules__bucket_passes(const struct bind_request *req, const struct snap_bucket *bucket)
{
	return bucket_passes(req, req->uid, bucket) && bucket_passes(req, req->inode_uid, bucket);
}

/* The shortcuts of inet_csk_get_port(), taken before any socket is looked at. */
static bool shortcut(const struct snapshot *snap, const struct bind_request *req)
{
	uint32_t uid = snap->kernel.uid_from_sock ? req->uid : req->inode_uid;

	if (req->force_reuse)
		return true;
	for (size_t i = 0; i < snap->n_buckets; i++)
		if (snap->buckets[i].l3mdev == req->l3mdev)
			return bucket_passes(req, uid, &snap->buckets[i]);
	return false;
}

/* ---- the whole port ----------------------------------------------------------------------- */

enum tri rules__refuses(const struct snapshot *snap, const struct bind_request *req,
			const struct snap_sock *sock, uint32_t *ret_rules)
{
	if (snapshot__is_udp(snap))
		return udp__pair(&snap->kernel, req, sock, ret_rules);
	if (!snapshot__in_scope(snap, req, sock))
		return TRI_NO;
	return rules__pair(&snap->kernel, req, sock, ret_rules);
}

int verdict__collect(struct verdict *verdict, const struct snapshot *snap,
		     const struct bind_request *req, judge_fn judge)
{
	size_t definite = 0, possible = 0;
	uint32_t rules;

	for (size_t i = 0; i < snap->n_socks; i++) {
		enum tri refused = judge(snap, req, &snap->socks[i], NULL);

		definite += refused == TRI_YES;
		possible += refused == TRI_UNKNOWN;
	}
	verdict->n_definite = definite;
	verdict->n_blockers = definite + possible;
	if (!verdict->n_blockers)
		return 0;
	verdict->blockers = calloc(verdict->n_blockers, sizeof(*verdict->blockers));
	if (!verdict->blockers)
		return -ENOMEM;

	possible = definite;
	definite = 0;
	for (size_t i = 0; i < snap->n_socks; i++) {
		enum tri refused = judge(snap, req, &snap->socks[i], &rules);
		struct blocker blocker = {.sock = i, .rules = rules};

		if (refused == TRI_YES)
			verdict->blockers[definite++] = blocker;
		else if (refused == TRI_UNKNOWN)
			verdict->blockers[possible++] = blocker;
	}
	return 0;
}

static void let_pass(struct verdict *verdict, bool by_bucket)
{
	verdict__free(verdict);
	verdict->refused = TRI_NO;
	verdict->by_bucket = by_bucket;
	verdict->cause = by_bucket ? CAUSE_BUCKET : CAUSE_NONE;
}

/* inet_csk_get_port(): any socket that conflicts refuses, unless the bucket's mark comes first. */
static void judge_tcp(const struct snapshot *snap, const struct bind_request *req,
		      struct verdict *verdict)
{
	if (verdict->n_blockers && shortcut(snap, req))
		let_pass(verdict, verdict->n_definite > 0);
	else if (verdict->n_definite)
		verdict->refused = TRI_YES;
	else if (verdict->n_blockers)
		verdict->refused = TRI_UNKNOWN;
}

/* One that would conflict does not, where the first one met has let the bind pass. */
static void judge_udp(const struct snapshot *snap, const struct bind_request *req,
		      struct verdict *verdict)
{
	verdict->refused = udp__refused(snap, req);
	if (verdict->refused == TRI_NO)
		let_pass(verdict, false);
}

int rules__judge(const struct snapshot *snap, const struct bind_request *req, bool as_refused,
		 struct verdict *ret_verdict)
{
	struct verdict verdict = {.refused = TRI_NO};
	int err;

	err = verdict__collect(&verdict, snap, req, rules__refuses);
	if (err)
		return err;
	if (as_refused)
		verdict.refused = TRI_YES;
	else if (snapshot__is_udp(snap))
		judge_udp(snap, req, &verdict);
	else
		judge_tcp(snap, req, &verdict);
	*ret_verdict = verdict;
	return 0;
}

void verdict__free(struct verdict *verdict)
{
	if (!verdict)
		return;
	free(verdict->blockers);
	verdict->blockers = NULL;
	verdict->n_blockers = 0;
	verdict->n_definite = 0;
	verdict->n_fixes = 0;
}
