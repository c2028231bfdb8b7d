/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases made from bytes (a seeded generator's or a fuzzer's) and what must hold for every one of
 * them: the verdict agrees with a second formulation of the kernel's rules, closing the blockers is
 * enough and each is needed, each fix alone is enough and nothing in it is superfluous, more
 * sockets never let a refused bind pass, and a pair conflicts either way round where the kernel's
 * does.
 */
#ifndef BINDTRACE_TESTS_MODEL_CASES_H
#define BINDTRACE_TESTS_MODEL_CASES_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/rules.h"
#include "model/snapshot.h"

enum { CHECK_RULES = 1, CHECK_EXPLAIN = 2, CHECK_USAGE = 4, CHECK_ALL = 7 };

/* Which protocol a seed's port is of; bytes decide for themselves. */
enum case_protocol { CASE_ANY, CASE_TCP, CASE_UDP };

#define ANY_FIX_OPTION (FIX_OPT_REUSEADDR | FIX_OPT_REUSEPORT | FIX_OPT_V6ONLY)
#define MAX_CASE_SOCKS 12

struct model_case {
	struct snapshot snap;
	struct bind_request req;
	bool udp;
	bool in_any_order; /* UDP: refused, though not by the chain's order: all have to agree */
};

/* ---- from bytes --------------------------------------------------------------------------- */

struct case_bytes {
	const uint8_t *data;
	size_t len, pos;
};

static inline uint8_t case_byte(struct case_bytes *bytes)
{
	return bytes->pos < bytes->len ? bytes->data[bytes->pos++] : 0;
}

/* One in `of`, of 256. */
static inline bool case_chance(struct case_bytes *bytes, int of)
{
	return case_byte(bytes) < of;
}

static inline int8_t case_tri(struct case_bytes *bytes)
{
	uint8_t byte = case_byte(bytes);

	return byte < 32 ? TRI_UNKNOWN : byte < 144 ? TRI_NO : TRI_YES;
}

enum { ADDR_Z4, ADDR_A4, ADDR_B4, ADDR_TRAP, ADDR_Z6, ADDR_A6, ADDR_B6, ADDR_MA, ADDR_MZ, N_ADDRS };

/* Fills family, address and the word that the kernel keeps beside it. */
static inline uint16_t case_addr(uint8_t which, struct ip_addr *addr, uint32_t *word)
{
	static const struct ip_addr pool[N_ADDRS] = {
		[ADDR_A4] = {{10, 0, 0, 1}},	   [ADDR_B4] = {{10, 0, 0, 2}},
		[ADDR_TRAP] = {{127, 0, 0, 6}},	   [ADDR_A6] = {{0xfd, [15] = 1}},
		[ADDR_B6] = {{0xfd, [15] = 2}},	   [ADDR_MA] = {{[10] = 0xff, 0xff, 10, 0, 0, 1}},
		[ADDR_MZ] = {{[10] = 0xff, 0xff}},
	};

	which %= N_ADDRS;
	*addr = pool[which];
	*word = 0;
	if (which <= ADDR_TRAP)
		memcpy(word, pool[which].bytes, 4);
	else if (which == ADDR_MA)
		memcpy(word, pool[which].bytes + 12, 4);
	else if (which == ADDR_A6 || which == ADDR_B6)
		memcpy(word, pool[ADDR_TRAP].bytes, 4);
	return which <= ADDR_TRAP ? AF_INET : AF_INET6;
}

static inline void case_sock(struct case_bytes *bytes, struct snapshot *snap, uint64_t id)
{
	static const uint8_t states[] = {STATE_LISTEN,	    STATE_BOUND,     STATE_TIME_WAIT,
					 STATE_ESTABLISHED, STATE_FIN_WAIT1, STATE_CLOSE_WAIT,
					 STATE_TIME_WAIT,   STATE_SYN_SENT};
	struct snap_sock *sock = snapshot__add_sock(snap);
	uint8_t which = case_byte(bytes);
	uint32_t word;

	if (!sock)
		abort();
	sock->id = id;
	sock->state = states[case_byte(bytes) % sizeof(states)];
	sock->substate = case_chance(bytes, 64) ? STATE_FIN_WAIT2 : STATE_TIME_WAIT;
	sock->family = case_addr(which, &sock->local, &sock->v4_word_be);
	sock->local_port = snap->port;
	if (snap->protocol != PROTO_TCP)
		sock->state = sock->state == STATE_ESTABLISHED ? STATE_ESTABLISHED : STATE_BOUND;
	if (sock->state != STATE_LISTEN && sock->state != STATE_BOUND) {
		case_addr(which + case_byte(bytes) % 2, &sock->peer, &word);
		sock->peer_port = case_chance(bytes, 128) ? snap->port : 40000 + case_byte(bytes);
	}
	sock->reuseaddr = case_tri(bytes);
	sock->reuseport = case_tri(bytes);
	sock->v6only = case_tri(bytes);
	if (sock->family == AF_INET || which % N_ADDRS >= ADDR_MA)
		sock->v6only = TRI_NO; /* the kernel has no such socket */
	sock->force_reuse = case_chance(bytes, 8);
	sock->ifindex = case_chance(bytes, 64) ? 3 + case_byte(bytes) % 2 : 0;
	sock->bucket = case_byte(bytes) % 3;
	sock->uid_known = sock->state != STATE_TIME_WAIT && !case_chance(bytes, 32);
	sock->inode_uid_known = sock->uid_known;
	sock->uid = case_byte(bytes) % 2;
	sock->inode_uid = case_chance(bytes, 64) ? 0 : sock->uid;
	sock->port_locked = case_tri(bytes);
	sock->connect_bound = case_tri(bytes);
	sock->has_socket = case_tri(bytes);
	sock->has_file = case_tri(bytes);
	sock->dead = case_tri(bytes);
	sock->kernel_made = case_chance(bytes, 16);
	sock->holder = case_byte(bytes) % (HOLDER_DETACHED + 1);
	sock->expires_known = !case_chance(bytes, 32);
	sock->expires_ms = (int64_t)case_byte(bytes) * 1000 - 5000;
}

static inline void case_bucket(struct case_bytes *bytes, struct snapshot *snap, int32_t l3mdev)
{
	struct snap_bucket *bucket = snapshot__add_bucket(snap);

	if (!bucket)
		abort();
	bucket->l3mdev = l3mdev;
	bucket->fastreuse = case_byte(bytes) % 3 - 1;
	bucket->fastreuseport = case_byte(bytes) % 4 - 1;
	bucket->fastuid = case_byte(bytes) % 2;
	bucket->fast_family = case_addr(case_byte(bytes), &bucket->fast_v6, &bucket->fast_v4_be);
	bucket->fast_ipv6only = case_chance(bytes, 64);
}

static inline void case_request(struct case_bytes *bytes, struct bind_request *req)
{
	uint8_t which = case_byte(bytes), flags = case_byte(bytes);

	req->port = 8080;
	req->family = case_addr(which, &req->addr, &req->v4_word_be);
	req->reuseaddr = flags & 1;
	req->reuseport = flags & 2;
	req->v6only = (flags & 4) && (which % N_ADDRS == ADDR_Z6 || which % N_ADDRS == ADDR_A6);
	req->listening = (flags & 24) == 24;
	req->has_group = (flags & 96) == 96;
	req->group_closed = req->has_group && (flags & 128);
	flags = case_byte(bytes);
	req->force_reuse = flags < 8;
	req->ifindex = flags & 64 ? 3 : 0;
	req->l3mdev = (flags & 160) == 160 ? 9 : 0;
	req->uid = flags & 1;
	req->inode_uid = flags & 2 ? 0 : req->uid;
	req->self = req->listening ? 1 + case_byte(bytes) % 4 : 0;
}

static inline void model_case__build(struct model_case *cs, const uint8_t *data, size_t len)
{
	struct case_bytes bytes = {data, len, 0};
	uint8_t kernel = case_byte(&bytes), n = case_byte(&bytes) % (MAX_CASE_SOCKS + 1);

	memset(cs, 0, sizeof(*cs));
	snapshot__init(&cs->snap);
	cs->udp = kernel & 128;
	cs->snap.protocol = cs->udp ? PROTO_UDP : PROTO_TCP;
	cs->snap.port = 8080;
	cs->snap.kernel.uid_from_sock = kernel & 1;
	cs->snap.kernel.hash2 = kernel & 2;
	cs->snap.kernel.mapped_any_quirk = (kernel & 6) == 6;
	cs->snap.kernel.closed_group_usable = kernel & 8;
	cs->snap.ephemeral_low = kernel & 16 ? 32768 : kernel & 32 ? 1024 : 0;
	cs->snap.ephemeral_high = cs->snap.ephemeral_low ? 60999 : 0;
	case_request(&bytes, &cs->req);
	if ((kernel & 64) && !cs->udp) {
		case_bucket(&bytes, &cs->snap, 0);
		case_bucket(&bytes, &cs->snap, 9);
	}
	for (uint8_t i = 0; i < n; i++)
		case_sock(&bytes, &cs->snap, i + 1);
	cs->snap.total = cs->snap.n_socks;
	snapshot__set_roles(&cs->snap);
}

/* ---- the rules a second time -------------------------------------------------------------- */

enum ref_class { REF_Z4, REF_S4, REF_Z6, REF_Z6ONLY, REF_G6, REF_MS, REF_MZ };

static inline enum ref_class ref_class(uint16_t family, const struct ip_addr *addr, bool v6only)
{
	bool zero_head = true, zero_tail = true;
	int head = family == AF_INET ? 0 : 12;

	for (int i = 0; i < head; i++)
		zero_head &= addr->bytes[i] == (head && (i == 10 || i == 11) ? 0xff : 0);
	for (int i = head; i < head + 4; i++)
		zero_tail &= !addr->bytes[i];
	if (family == AF_INET)
		return zero_tail ? REF_Z4 : REF_S4;
	if (zero_head)
		return zero_tail ? REF_MZ : REF_MS;
	for (int i = 0; i < 16; i++)
		if (addr->bytes[i])
			return REF_G6;
	return v6only ? REF_Z6ONLY : REF_Z6;
}

/* '=': the addresses themselves decide; '4': the trap of a word that is not an address. */
static const char ref_table[7][8] = {
	[REF_Z4] = "XXX.4XX", [REF_S4] = "X=X.t=X", [REF_Z6] = "XXXXXXX", [REF_Z6ONLY] = "..XXX..",
	[REF_G6] = "..XX=..", [REF_MS] = "X=X..=q", [REF_MZ] = "XXX..XX",
};

static inline bool ref_same_addr(const struct bind_request *req, const struct snap_sock *sock)
{
	const uint8_t *a = req->addr.bytes, *b = sock->local.bytes;
	size_t len = 4;

	if (ref_class(req->family, &req->addr, false) == REF_G6)
		len = 16;
	else {
		a += req->family == AF_INET ? 0 : 12;
		b += sock->family == AF_INET ? 0 : 12;
	}
	return !memcmp(a, b, len);
}

static inline bool ref_overlap(const struct kernel_rules *kernel, const struct bind_request *req,
			       const struct snap_sock *sock)
{
	static const uint8_t trap[4] = {127, 0, 0, 6};
	enum ref_class row = ref_class(req->family, &req->addr, req->v6only);
	enum ref_class column = ref_class(sock->family, &sock->local, sock->v6only == TRI_YES);

	switch (ref_table[row][column]) {
	case 'X':
		return true;
	case '=':
		return ref_same_addr(req, sock);
	case '4':
		return sock->v6only != TRI_YES;
	case 't':
		return sock->v6only != TRI_YES && !kernel->hash2 &&
		       !memcmp(req->addr.bytes, trap, 4);
	case 'q':
		return !kernel->mapped_any_quirk;
	default:
		return false;
	}
}

/* For a socket of which everything is known. */
static inline bool ref_conflict(const struct kernel_rules *kernel, const struct bind_request *req,
				const struct snap_sock *sock)
{
	bool group, user;

	if (req->self && req->self == sock->id)
		return false;
	if (req->ifindex && sock->ifindex && req->ifindex != sock->ifindex)
		return false;
	if (!ref_overlap(kernel, req, sock))
		return false;
	if ((req->reuseaddr || req->force_reuse) && (sock->reuseaddr || sock->force_reuse) &&
	    sock->state != STATE_LISTEN)
		return false;
	group = req->has_group;
	if (kernel->closed_group_usable && req->group_closed)
		group = false;
	user = kernel->uid_from_sock ? req->uid == sock->uid : req->inode_uid == sock->inode_uid;
	if (sock->state == STATE_TIME_WAIT)
		user = true;
	return !(req->reuseport && sock->reuseport && !group && user);
}

/* One of the 16 sockets that it may really be. */
static inline struct snap_sock ref_completion(const struct bind_request *req,
					      const struct snap_sock *sock, int i)
{
	struct snap_sock full = *sock;

	if (full.reuseaddr == TRI_UNKNOWN)
		full.reuseaddr = i & 1;
	if (full.reuseport == TRI_UNKNOWN)
		full.reuseport = !!(i & 2);
	if (full.v6only == TRI_UNKNOWN)
		full.v6only = !!(i & 4);
	if (!full.uid_known)
		full.uid = i & 8 ? req->uid : req->uid + 7;
	if (!full.inode_uid_known)
		full.inode_uid = i & 8 ? req->inode_uid : req->inode_uid + 7;
	return full;
}

/* Unknown when they disagree. */
static inline enum tri ref_pair(const struct kernel_rules *kernel, const struct bind_request *req,
				const struct snap_sock *sock)
{
	bool seen[2] = {false, false};

	for (int i = 0; i < 16; i++) {
		struct snap_sock full = ref_completion(req, sock, i);

		seen[ref_conflict(kernel, req, &full)] = true;
	}
	return seen[0] && seen[1] ? TRI_UNKNOWN : seen[1] ? TRI_YES : TRI_NO;
}

enum { REF_SKIPS = 1, REF_PASSES = 2, REF_REFUSES = 4 };

/* What the loop of udp_lib_lport_inuse() does at one socket of which everything is known. */
static inline int ref_udp_step(const struct kernel_rules *kernel, const struct bind_request *req,
			       const struct snap_sock *sock)
{
	static const struct kernel_rules no_hash2;
	bool user;

	if (req->self && req->self == sock->id)
		return REF_SKIPS;
	if ((req->reuseaddr || req->force_reuse) && (sock->reuseaddr || sock->force_reuse))
		return REF_SKIPS;
	if (req->ifindex && sock->ifindex && req->ifindex != sock->ifindex)
		return REF_SKIPS;
	if (!ref_overlap(&no_hash2, req, sock))
		return REF_SKIPS;
	user = kernel->uid_from_sock ? req->uid == sock->uid : req->inode_uid == sock->inode_uid;
	return req->reuseport && sock->reuseport && !req->has_group && user ? REF_PASSES
									    : REF_REFUSES;
}

/* All that may come of a chain of n sockets, bits of the above; who meets nobody passes. */
static inline int ref_udp_chain(const struct kernel_rules *kernel, const struct bind_request *req,
				const struct snap_sock *socks, size_t n)
{
	int outcomes = 0;

	for (size_t i = 0; i < n; i++) {
		int steps = 0;

		for (int j = 0; j < 16; j++) {
			struct snap_sock full = ref_completion(req, &socks[i], j);

			steps |= ref_udp_step(kernel, req, &full);
		}
		outcomes |= steps & (REF_PASSES | REF_REFUSES);
		if (!(steps & REF_SKIPS))
			return outcomes;
	}
	return outcomes | REF_PASSES;
}

static inline enum tri ref_udp_answer(int outcomes)
{
	return outcomes == REF_REFUSES ? TRI_YES : outcomes & REF_REFUSES ? TRI_UNKNOWN : TRI_NO;
}

static inline bool ref_in_scope(const struct model_case *cs, const struct snap_sock *sock)
{
	return sock->bucket >= cs->snap.n_buckets ||
	       cs->snap.buckets[sock->bucket].l3mdev == cs->req.l3mdev;
}

static inline enum tri ref_sock(const struct model_case *cs, const struct bind_request *req,
				const struct snap_sock *sock)
{
	if (cs->udp)
		return ref_udp_answer(ref_udp_chain(&cs->snap.kernel, req, sock, 1));
	return ref_in_scope(cs, sock) ? ref_pair(&cs->snap.kernel, req, sock) : TRI_NO;
}

/* Everybody, with these options on the sockets in `changed` (NULL: none). */
static inline enum tri ref_port(const struct model_case *cs, const struct bind_request *req,
				const uint8_t *changed, uint32_t set)
{
	struct snap_sock socks[MAX_CASE_SOCKS] = {0};
	enum tri worst = TRI_NO;

	for (size_t i = 0; i < cs->snap.n_socks; i++) {
		struct snap_sock *sock = &socks[i];
		enum tri refused;

		*sock = cs->snap.socks[i];
		if (changed && changed[i]) {
			sock->reuseaddr = set & FIX_OPT_REUSEADDR ? TRI_YES : sock->reuseaddr;
			sock->reuseport = set & FIX_OPT_REUSEPORT ? TRI_YES : sock->reuseport;
			sock->v6only = set & FIX_OPT_V6ONLY ? TRI_YES : sock->v6only;
		}
		refused = ref_sock(cs, req, sock);
		if (refused == TRI_YES || worst == TRI_NO)
			worst = refused;
	}
	if (!cs->udp || cs->in_any_order || (changed && set)) /* made again: in another place */
		return worst;
	return ref_udp_answer(ref_udp_chain(&cs->snap.kernel, req, socks, cs->snap.n_socks));
}

/* ---- what must hold ----------------------------------------------------------------------- */

/* rules__pair() is TCP's; a pair of UDP is a port with one socket. */
static inline enum tri pair_of(const struct model_case *cs, struct snap_sock *sock,
			       uint32_t *ret_rules)
{
	struct snapshot one = cs->snap;
	struct verdict verdict;
	enum tri refused;

	if (!cs->udp)
		return rules__pair(&cs->snap.kernel, &cs->req, sock, ret_rules);
	one.socks = sock;
	one.n_socks = 1;
	if (rules__judge(&one, &cs->req, false, &verdict))
		abort();
	refused = verdict.refused;
	*ret_rules = verdict.n_blockers ? verdict.blockers[0].rules : 0;
	if (*ret_rules & RULE_LISTENING)
		*ret_rules = 1u << N_RULES; /* not with UDP */
	verdict__free(&verdict);
	return refused;
}

static inline const char *check_pairs(const struct model_case *cs)
{
	for (size_t i = 0; i < cs->snap.n_socks; i++) {
		struct snap_sock *sock = &cs->snap.socks[i];
		enum tri refused, expected = ref_sock(cs, &cs->req, sock);
		uint32_t rules = 1u << 31;

		if (!cs->udp)
			expected = ref_pair(&cs->snap.kernel, &cs->req, sock);
		refused = pair_of(cs, sock, &rules);
		if (refused != expected)
			return "a pair differs from the reference";
		if (!rules != (refused == TRI_NO) || rules >= 1u << N_RULES)
			return "a refusal without a rule, or a rule without a refusal";
	}
	return NULL;
}

static inline void mark_blockers(const struct verdict *verdict, uint8_t *ret_marked)
{
	memset(ret_marked, 0, MAX_CASE_SOCKS);
	for (size_t i = 0; i < verdict->n_blockers; i++)
		ret_marked[verdict->blockers[i].sock] = 1;
}

/* The port with only the blockers, or without them; the bucket's verdict is kept out of it. */
static inline const char *check_closing(const struct model_case *cs, const struct verdict *verdict)
{
	struct snap_sock socks[MAX_CASE_SOCKS + 1] = {0};
	struct snapshot part = cs->snap;
	struct verdict again;
	uint8_t marked[MAX_CASE_SOCKS];
	const char *broken = NULL;

	part.socks = socks;
	part.n_socks = 0;
	mark_blockers(verdict, marked);
	for (size_t i = 0; i < cs->snap.n_socks; i++)
		if (!marked[i])
			socks[part.n_socks++] = cs->snap.socks[i];
	if (rules__judge(&part, &cs->req, false, &again))
		abort();
	if (again.refused != TRI_NO || again.by_bucket)
		broken = "closing the blockers is not enough";
	verdict__free(&again);

	part.n_socks = 1;
	for (size_t i = 0; i < verdict->n_blockers && !broken; i++) {
		socks[0] = cs->snap.socks[verdict->blockers[i].sock];
		if (rules__judge(&part, &cs->req, true, &again))
			abort();
		if (again.n_blockers != 1 || again.n_definite != (i < verdict->n_definite))
			broken = "a blocker does not refuse by itself";
		verdict__free(&again);
	}
	return broken;
}

/* One who refuses alone need not have been met: the first one that is met decides. */
static inline const char *compare_udp(const struct model_case *cs, const struct verdict *live,
				      const struct verdict *asked)
{
	enum tri expected = ref_port(cs, &cs->req, NULL, 0);
	size_t definite = 0, possible = 0;

	for (size_t i = 0; i < cs->snap.n_socks; i++) {
		enum tri refused = ref_sock(cs, &cs->req, &cs->snap.socks[i]);

		definite += refused == TRI_YES;
		possible += refused == TRI_UNKNOWN;
	}
	if (live->n_definite != definite || live->n_blockers != definite + possible)
		return "the blockers differ from the reference";
	if (asked->refused != expected || asked->by_bucket)
		return "the verdict differs from the reference";
	if (asked->n_blockers != (expected == TRI_NO ? 0 : live->n_blockers))
		return "blockers without a refusal, or the reverse";
	return NULL;
}

static inline const char *compare_tcp(const struct model_case *cs, const struct verdict *live,
				      const struct verdict *asked)
{
	enum tri expected = ref_port(cs, &cs->req, NULL, 0);

	if (!!live->n_definite != (expected == TRI_YES) ||
	    !!live->n_blockers != (expected != TRI_NO))
		return "the blockers differ from the reference";
	if (asked->by_bucket && (expected != TRI_YES || asked->refused != TRI_NO))
		return "by_bucket without a refusal by pairs";
	if (asked->refused == TRI_NO ? !!asked->n_blockers : asked->refused != expected)
		return "the verdict differs from the reference";
	if (asked->refused == TRI_NO && expected == TRI_YES && !asked->by_bucket)
		return "passes, and nobody says why";
	return NULL;
}

static inline const char *check_verdict(const struct model_case *cs)
{
	struct verdict live, asked;
	const char *broken;

	if (rules__judge(&cs->snap, &cs->req, true, &live) ||
	    rules__judge(&cs->snap, &cs->req, false, &asked))
		abort();
	if (live.refused != TRI_YES || live.by_bucket)
		broken = "the kernel's refusal was not believed";
	else
		broken = cs->udp ? compare_udp(cs, &live, &asked) : compare_tcp(cs, &live, &asked);
	if (!broken)
		broken = check_closing(cs, &live);
	verdict__free(&live);
	verdict__free(&asked);
	return broken;
}

/* No, unknown, yes: what more sockets can only move up. */
static inline int refusal_rank(enum tri refused)
{
	return refused == TRI_YES ? 2 : refused == TRI_UNKNOWN;
}

static inline enum tri judged(const struct snapshot *snap, const struct bind_request *req)
{
	struct verdict verdict;
	enum tri refused;

	if (rules__judge(snap, req, false, &verdict))
		abort();
	refused = verdict.refused;
	verdict__free(&verdict);
	return refused;
}

/*
 * More sockets never make a refused bind pass. TCP: whichever comes on top, the bucket's mark being
 * the same. UDP's chain ends at the first who decides, so there it is one behind the others.
 */
static inline const char *check_monotone(const struct model_case *cs)
{
	struct snap_sock socks[MAX_CASE_SOCKS] = {0};
	struct snapshot fewer = cs->snap;
	int all = refusal_rank(judged(&cs->snap, &cs->req));

	fewer.socks = socks;
	for (size_t i = 0; i < cs->snap.n_socks; i++) {
		size_t behind = cs->snap.n_socks - 1 - i;

		if (cs->udp && behind)
			continue;
		memcpy(socks, cs->snap.socks, i * sizeof(*socks));
		memcpy(socks + i, cs->snap.socks + i + 1, behind * sizeof(*socks));
		fewer.n_socks = cs->snap.n_socks - 1;
		if (cs->udp ? all == 0 && judged(&fewer, &cs->req) == TRI_YES
			    : all < refusal_rank(judged(&fewer, &cs->req)))
			return "one socket more makes a refused bind pass";
	}
	return NULL;
}

/* A socket as it was when it was bound; false where what the rules ask for is not known. */
static inline bool as_request(const struct snap_sock *sock, struct bind_request *ret)
{
	if (sock->reuseaddr == TRI_UNKNOWN || sock->reuseport == TRI_UNKNOWN ||
	    sock->v6only == TRI_UNKNOWN || !sock->uid_known || !sock->inode_uid_known)
		return false;
	*ret = (struct bind_request){
		.family = sock->family,
		.port = sock->local_port,
		.addr = sock->local,
		.v4_word_be = sock->v4_word_be,
		.reuseaddr = sock->reuseaddr == TRI_YES,
		.reuseport = sock->reuseport == TRI_YES,
		.v6only = sock->v6only == TRI_YES,
		.force_reuse = sock->force_reuse,
		.ifindex = sock->ifindex,
		.uid = sock->uid,
		.inode_uid = sock->inode_uid,
	};
	return true;
}

/*
 * inet_rcv_saddr_equal() is not symmetric between an IPv4 address, mapped ones included, and an
 * IPv6 one that is no wildcard, nor where a mapped address has IPV6_V6ONLY.
 */
static inline bool is_symmetric(const struct snap_sock *a, const struct snap_sock *b)
{
	const struct snap_sock *pair[] = {a, b};
	bool v4 = false, specific6 = false;

	for (int i = 0; i < 2; i++) {
		if (pair[i]->family == AF_INET6 && ip_addr__is_mapped(&pair[i]->local))
			return false;
		v4 |= pair[i]->family == AF_INET;
		specific6 |=
			pair[i]->family == AF_INET6 && !ip_addr__is_any(AF_INET6, &pair[i]->local);
	}
	return !v4 || !specific6;
}

/* Of two bound sockets, whoever came second meets the other in the same way. */
static inline const char *check_symmetric(const struct model_case *cs)
{
	struct bind_request req_a, req_b;

	for (size_t i = 1; i < cs->snap.n_socks; i++) {
		struct snap_sock a = cs->snap.socks[i - 1], b = cs->snap.socks[i];

		a.state = b.state = STATE_BOUND;
		if (!is_symmetric(&a, &b) || !as_request(&a, &req_a) || !as_request(&b, &req_b))
			continue;
		if (rules__pair(&cs->snap.kernel, &req_a, &b, NULL) !=
		    rules__pair(&cs->snap.kernel, &req_b, &a, NULL))
			return "a pair conflicts only one way round";
	}
	return NULL;
}

static inline struct bind_request ref_request_with(const struct bind_request *req, uint32_t set)
{
	struct bind_request changed = *req;

	if (set & FIX_OPT_REUSEADDR)
		changed.reuseaddr = true;
	if (set & FIX_OPT_REUSEPORT)
		changed.reuseport = true;
	if (set & FIX_OPT_V6ONLY)
		changed.v6only = true;
	return changed;
}

static inline bool ref_set_passes(const struct model_case *cs, const uint8_t *blockers,
				  uint32_t binder_set, uint32_t blocker_set)
{
	struct bind_request changed = ref_request_with(&cs->req, binder_set);

	return ref_port(cs, &changed, blockers, blocker_set) == TRI_NO;
}

static inline const char *check_set(const struct model_case *cs, const uint8_t *blockers,
				    const struct fix *fix)
{
	uint32_t binder = fix->side & SIDE_BINDER ? fix->set : 0;
	uint32_t other = fix->side & SIDE_BLOCKER ? fix->set : 0;

	if (!fix->set || (fix->set & ~ANY_FIX_OPTION) || !(fix->side & SIDE_BOTH))
		return "a fix that sets nothing";
	if (!ref_set_passes(cs, blockers, binder, other))
		return "a fix does not suffice";
	if (fix->side == SIDE_BOTH &&
	    (ref_set_passes(cs, blockers, binder, 0) || ref_set_passes(cs, blockers, 0, other)))
		return "a fix of both sides where one suffices";
	for (uint32_t bit = 1; bit <= fix->set; bit <<= 1)
		if ((fix->set & bit) && ref_set_passes(cs, blockers, binder & ~bit, other & ~bit))
			return "a fix sets an option too many";
	return NULL;
}

static inline const char *check_fix(const struct model_case *cs, const struct verdict *verdict,
				    const uint8_t *blockers, const struct fix *fix)
{
	struct bind_request changed = cs->req;

	switch (fix->kind) {
	case FIX_SET:
		return check_set(cs, blockers, fix);
	case FIX_UID:
		changed.uid = changed.inode_uid = fix->uid;
		if (ref_port(cs, &changed, NULL, 0) != TRI_NO)
			return "another user does not suffice";
		return NULL;
	case FIX_DETACH_GROUP:
		changed.has_group = changed.group_closed = false;
		if (!cs->req.has_group || ref_port(cs, &changed, NULL, 0) != TRI_NO)
			return "detaching the group does not suffice";
		return NULL;
	case FIX_WAIT:
		for (size_t i = 0; i < verdict->n_blockers; i++) {
			const struct snap_sock *sock = &cs->snap.socks[verdict->blockers[i].sock];

			if (sock->state != STATE_TIME_WAIT ||
			    fix->wait_ms < sock->expires_ms + TIME_WAIT_SLACK_MS)
				return "waiting does not suffice";
		}
		return NULL;
	case FIX_SYSCTL:
		for (size_t i = 0; i < verdict->n_blockers; i++) {
			const struct snap_sock *sock = &cs->snap.socks[verdict->blockers[i].sock];

			if (cs->udp ? sock->port_locked != TRI_NO : sock->role != ROLE_CLIENT)
				return "the sysctl does not suffice";
		}
		return NULL;
	case FIX_CLOSE:
		return NULL; /* check_closing() */
	default:
		break;
	}
	return "a fix of no kind";
}

static inline bool is_gone(const struct model_case *cs, const struct fix *fix,
			   const struct snap_sock *sock)
{
	switch (fix->kind) {
	case FIX_CLOSE:
		return true;
	case FIX_WAIT:
		return sock->expires_ms + TIME_WAIT_SLACK_MS <= fix->wait_ms;
	case FIX_SYSCTL: /* the port would not have been given to it */
		return cs->udp ? sock->port_locked == TRI_NO : sock->role == ROLE_CLIENT;
	default:
		return false;
	}
}

/* The sockets as they are after the fix; those that are bound anew are in *ret_moved. */
static inline size_t apply_to_socks(const struct model_case *cs, const uint8_t *blockers,
				    const struct fix *fix, struct snap_sock *ret, bool *ret_moved)
{
	uint32_t set = fix->kind == FIX_SET && fix->side & SIDE_BLOCKER ? fix->set : 0;
	size_t n = 0;

	for (size_t i = 0; i < cs->snap.n_socks; i++) {
		struct snap_sock *sock = &ret[n];

		if (blockers[i] && is_gone(cs, fix, &cs->snap.socks[i]))
			continue;
		*sock = cs->snap.socks[i];
		n++;
		if (!blockers[i] || !set)
			continue;
		sock->reuseaddr = set & FIX_OPT_REUSEADDR ? TRI_YES : sock->reuseaddr;
		sock->reuseport = set & FIX_OPT_REUSEPORT ? TRI_YES : sock->reuseport;
		sock->v6only = set & FIX_OPT_V6ONLY ? TRI_YES : sock->v6only;
		*ret_moved = true;
	}
	return n;
}

static inline struct bind_request apply_to_request(const struct bind_request *req,
						   const struct fix *fix)
{
	struct bind_request changed = *req;

	if (fix->kind == FIX_SET && fix->side & SIDE_BINDER)
		changed = ref_request_with(req, fix->set);
	if (fix->kind == FIX_UID)
		changed.uid = changed.inode_uid = fix->uid;
	if (fix->kind == FIX_DETACH_GROUP)
		changed.has_group = changed.group_closed = false;
	return changed;
}

/*
 * The engine itself, asked about the port as it is after the fix: it says that the bind passes, and
 * not because of the bucket's mark. UDP: bound anew is in another place of the chain, or the
 * refusal was not the chain's, so nobody may refuse, wherever it is.
 */
static inline const char *check_applied(const struct model_case *cs, const uint8_t *blockers,
					const struct fix *fix)
{
	struct bind_request req = apply_to_request(&cs->req, fix);
	struct snap_bucket buckets[2] = {0};
	struct snap_sock socks[MAX_CASE_SOCKS + 1] = {0};
	struct snapshot after = cs->snap, one;
	bool any_order = cs->in_any_order;

	after.socks = socks;
	after.n_socks = apply_to_socks(cs, blockers, fix, socks, &any_order);
	after.buckets = buckets;
	for (size_t i = 0; i < after.n_buckets; i++)
		buckets[i].l3mdev = cs->snap.buckets[i].l3mdev;
	one = after;
	one.n_socks = 1;
	for (size_t i = 0; any_order && cs->udp && i < after.n_socks; i++) {
		one.socks = &socks[i];
		if (judged(&one, &req) != TRI_NO)
			return "a fix, applied, leaves one who refuses";
	}
	if (!(any_order && cs->udp) && judged(&after, &req) != TRI_NO)
		return "a fix, applied, does not make the bind pass";
	return NULL;
}

/* Whatever small change of options suffices must be there, or something smaller. */
static inline const char *check_complete(const struct model_case *cs, const struct verdict *verdict,
					 const uint8_t *blockers)
{
	for (uint32_t i = 1; i < 4 * 3; i++) {
		uint32_t side = i / 4 + 1, set = i % 4; /* without V6ONLY: it is not for everyone */
		bool found = false;

		if (!set || !ref_set_passes(cs, blockers, side & SIDE_BINDER ? set : 0,
					    side & SIDE_BLOCKER ? set : 0))
			continue;
		for (size_t j = 0; j < verdict->n_blockers; j++) {
			const struct snap_sock *sock = &cs->snap.socks[verdict->blockers[j].sock];

			if (sock->role == ROLE_KERNEL || sock->holder == HOLDER_KERNEL)
				found |= side != SIDE_BINDER; /* nobody can set those */
		}
		for (size_t j = 0; j < verdict->n_fixes; j++) {
			const struct fix *fix = &verdict->fixes[j];

			found |= fix->kind == FIX_SET && !(fix->set & ~set) && !(fix->side & ~side);
		}
		if (!found)
			return "a sufficient set of options is missing";
	}
	return NULL;
}

static inline const char *check_distinct(const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n_fixes; i++) {
		for (size_t j = 0; j < verdict->n_fixes; j++) {
			const struct fix *a = &verdict->fixes[i], *b = &verdict->fixes[j];

			if (i == j || a->kind != b->kind)
				continue;
			if (a->kind != FIX_SET || (!(a->set & ~b->set) && !(a->side & ~b->side)))
				return "a fix contains another";
		}
	}
	return NULL;
}

static inline const char *check_cause(const struct verdict *verdict, bool udp)
{
	bool none = verdict->cause == CAUSE_NONE || verdict->cause == CAUSE_BUCKET;

	if (verdict->cause >= N_CAUSES || !strcmp(cause__name(verdict->cause), "unknown"))
		return "a cause without a name";
	if (none != (verdict->refused == TRI_NO))
		return "a cause without a refusal, or the reverse";
	if ((verdict->cause == CAUSE_BUCKET) != verdict->by_bucket)
		return "the bucket is blamed without reason";
	if (udp && !none && verdict->cause != CAUSE_UDP_HOLDER && verdict->n_blockers)
		return "UDP has one cause";
	if (!none && (verdict->cause == CAUSE_UNEXPLAINED) != !verdict->n_blockers)
		return "unexplained, and yet there are blockers, or the reverse";
	if (verdict->refused != TRI_YES && verdict->n_fixes)
		return "a fix for what is not refused";
	if (verdict->refused == TRI_YES && !!verdict->n_fixes != !!verdict->n_blockers)
		return "no remedy at all, or one without a blocker";
	return NULL;
}

static inline const char *check_explanation(const struct model_case *given, bool as_refused)
{
	struct model_case copy = *given, *cs = &copy;
	uint8_t blockers[MAX_CASE_SOCKS];
	struct verdict verdict;
	const char *broken;

	if (rules__judge(&cs->snap, &cs->req, as_refused, &verdict) ||
	    verdict__explain(&verdict, &cs->snap, &cs->req))
		abort();
	mark_blockers(&verdict, blockers);
	cs->in_any_order = cs->udp && ref_port(cs, &cs->req, NULL, 0) == TRI_NO;
	broken = check_cause(&verdict, cs->udp);
	if (!broken)
		broken = check_distinct(&verdict);
	for (size_t i = 0; i < verdict.n_fixes && !broken; i++) {
		broken = check_fix(cs, &verdict, blockers, &verdict.fixes[i]);
		if (!broken)
			broken = check_applied(cs, blockers, &verdict.fixes[i]);
	}
	if (!broken && verdict.refused == TRI_YES && verdict.n_blockers)
		broken = check_complete(cs, &verdict, blockers);
	verdict__free(&verdict);
	return broken;
}

/* A range of 16 ports around the sockets', for a call that wanted any of them. */
static inline const char *check_usage_of(const struct snapshot *snap,
					 const struct bind_request *req, const uint8_t *reserved)
{
	struct port_usage usage;

	if (usage__sum(snap, req, reserved, &usage))
		abort();
	if (usage.taken + usage.reserved > 16 || usage.bound > usage.taken ||
	    usage.same_peer > usage.taken || usage.reusable > usage.same_peer ||
	    usage.shareable > usage.bound || usage.taken > usage.sockets)
		return "parts that are larger than the whole";
	for (size_t i = 0; i < usage.n_top; i++) {
		if (usage.top[i].proc >= snap->n_procs || !usage.top[i].ports ||
		    usage.top[i].ports > usage.taken)
			return "a holder of more than there is";
		if (i && usage.top[i].ports > usage.top[i - 1].ports)
			return "the largest holder is not the first";
	}
	return NULL;
}

static inline const char *check_usage(const struct model_case *cs)
{
	static const uint8_t reserved[65536 / 8] = {[8080 / 8] = 0x0c};
	struct bind_request req = cs->req;
	struct snapshot snap = cs->snap;
	struct snap_sock socks[MAX_CASE_SOCKS] = {0};
	const char *broken = NULL;
	struct verdict verdict;

	snap.socks = socks;
	snap.ephemeral_low = 8072;
	snap.ephemeral_high = 8087;
	for (size_t i = 0; i < snap.n_socks; i++) {
		socks[i] = cs->snap.socks[i];
		socks[i].local_port += i % 5;
	}
	if (snap.n_socks) {
		req.peer = socks[0].peer;
		req.peer_port = socks[0].peer_port;
	}
	req.self = 0;
	for (int call = CALL_BIND; call <= CALL_AUTOBIND && !broken; call++) {
		req.call = call;
		broken = check_usage_of(&snap, &req, call == CALL_LISTEN ? NULL : reserved);
	}
	req.call = CALL_CONNECT;
	if (rules__judge_connect(&cs->snap, &req, &verdict) ||
	    verdict__explain(&verdict, &cs->snap, &req))
		abort();
	if (!verdict.n_blockers != !verdict.n_fixes)
		broken = "connect(): no remedy at all, or one without a blocker";
	verdict__free(&verdict);
	return broken;
}

/* NULL, or what does not hold. */
static inline const char *model_case__check(const struct model_case *cs, int what)
{
	const char *broken = NULL;

	if (what & CHECK_RULES) {
		broken = check_pairs(cs);
		if (!broken)
			broken = check_verdict(cs);
		if (!broken)
			broken = check_monotone(cs);
		if (!broken)
			broken = check_symmetric(cs);
	}
	if (!broken && (what & CHECK_EXPLAIN)) {
		broken = check_explanation(cs, false);
		if (!broken)
			broken = check_explanation(cs, true);
	}
	if (!broken && (what & CHECK_USAGE))
		broken = check_usage(cs);
	return broken;
}

static inline const char *model_case__check_seed(uint64_t seed, int what,
						 enum case_protocol protocol)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u;
	struct model_case cs;
	uint8_t bytes[512];
	const char *broken;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = x >> 32;
	}
	if (protocol != CASE_ANY)
		bytes[0] = protocol == CASE_UDP ? bytes[0] | 128 : bytes[0] & ~128;
	model_case__build(&cs, bytes, sizeof(bytes));
	broken = model_case__check(&cs, what);
	snapshot__free(&cs.snap);
	return broken;
}

#endif
