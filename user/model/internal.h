/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the model, and by nobody else. */
#ifndef BINDTRACE_MODEL_INTERNAL_H
#define BINDTRACE_MODEL_INTERNAL_H

#include "rules.h"
#include "snapshot.h"

/* Kleene's three-valued logic: unknown only where the answer depends on what is not known. */
static inline enum tri tri__of(bool value)
{
	return value ? TRI_YES : TRI_NO;
}

static inline enum tri tri__not(enum tri a)
{
	return a == TRI_UNKNOWN ? TRI_UNKNOWN : tri__of(a == TRI_NO);
}

static inline enum tri tri__and(enum tri a, enum tri b)
{
	if (a == TRI_NO || b == TRI_NO)
		return TRI_NO;
	return a == TRI_UNKNOWN || b == TRI_UNKNOWN ? TRI_UNKNOWN : TRI_YES;
}

static inline enum tri tri__or(enum tri a, enum tri b)
{
	return tri__not(tri__and(tri__not(a), tri__not(b)));
}

/* UDP and UDP-Lite, which have a table of their own but the same rules. */
static inline bool snapshot__is_udp(const struct snapshot *snap)
{
	return snap->protocol == PROTO_UDP || snap->protocol == PROTO_UDPLITE;
}

/* inet_diag lists IPv4 before IPv6, whoever comes first where the kernel looks. */
static inline bool snapshot__in_any_order(const struct snapshot *snap)
{
	return snap->evidence == EVIDENCE_DIAG;
}

/* A bind looks at the bucket of its own l3mdev only; another VRF's sockets never matter. */
static inline bool snapshot__in_scope(const struct snapshot *snap, const struct bind_request *req,
				      const struct snap_sock *sock)
{
	if (sock->bucket >= snap->n_buckets)
		return true; /* no buckets known (diag) */
	return snap->buckets[sock->bucket].l3mdev == req->l3mdev;
}

/* Would connect() hand out this port? With the range unknown (0 to 0) none. */
static inline bool snapshot__in_ephemeral_range(const struct snapshot *snap, uint16_t port)
{
	return port >= snap->ephemeral_low && port <= snap->ephemeral_high;
}

/* SK_FORCE_REUSE is a value of the very field that SO_REUSEADDR sets. */
static inline enum tri snap_sock__reuses_addr(const struct snap_sock *sock)
{
	return sock->force_reuse == TRI_YES ? TRI_YES : sock->reuseaddr;
}

/* Nobody can set an option on a socket that the kernel made for itself. */
static inline bool snap_sock__is_kernels_own(const struct snap_sock *sock)
{
	return sock->role == ROLE_KERNEL || sock->holder == HOLDER_KERNEL;
}

/* An IPv4 address, or one in IPv6 clothes. */
bool ip_addr__is_v4(uint16_t family, const struct ip_addr *addr);

/* The same 16 bytes for an IPv4 address whichever family its socket is of: v4-mapped. */
struct ip_addr ip_addr__unified(uint16_t family, const struct ip_addr *addr);

/* 0.0.0.0, :: and ::ffff:0.0.0.0, unified. */
bool ip_addr__is_unified_any(const struct ip_addr *addr);

/* ---- pairs (rules.c) ---------------------------------------------------------------------- */

/* The two ways past a socket, and what they are made of. */
struct ways {
	bool binder_addr, binder_port;
	enum tri other_addr, other_port;
	bool listening;
	bool group_ok;
	enum tri user_ok;
	enum tri by_reuseaddr, by_reuseport;
};

/* What the protocols differ in is group_ok, user_ok and listening. */
struct ways ways__new(const struct bind_request *req, const struct snap_sock *sock,
		      const struct ways *differing);

/* The conditions that closed both ways, bits of enum rule. */
uint32_t ways__why_not(const struct ways *ways);

/* The uid that this kernel compares: sk_uid or that of the inode. False: not known. */
bool snap_sock__rule_uid(const struct kernel_rules *kernel, const struct snap_sock *sock,
			 uint32_t *ret_uid);
enum tri rules__same_user(const struct kernel_rules *kernel, const struct bind_request *req,
			  const struct snap_sock *sock);
bool rules__devices_overlap(const struct bind_request *req, const struct snap_sock *sock);

/* Does one socket of snap refuse by itself? By the rules of snap's protocol. */
typedef enum tri (*judge_fn)(const struct snapshot *snap, const struct bind_request *req,
			     const struct snap_sock *sock, uint32_t *ret_rules);

enum tri rules__refuses(const struct snapshot *snap, const struct bind_request *req,
			const struct snap_sock *sock, uint32_t *ret_rules);

/* Fills the blockers: every socket that refuses by itself, certain ones first. 0 or -ENOMEM. */
int verdict__collect(struct verdict *verdict, const struct snapshot *snap,
		     const struct bind_request *req, judge_fn judge);

/* ---- UDP (udp.c) -------------------------------------------------------------------------- */

enum tri udp__pair(const struct kernel_rules *kernel, const struct bind_request *req,
		   const struct snap_sock *sock, uint32_t *ret_rules);

/* The sockets of the chain fed one by one, in its order, to the kernel's search. Begins zeroed. */
struct udp_chain {
	/* The order is not known: any socket that is met may be the first. */
	bool in_any_order;
	bool decided; /* by a socket that is met for certain: no later one is looked at */
	bool may_pass, may_refuse;
};

void udp_chain__next(struct udp_chain *chain, const struct kernel_rules *kernel,
		     const struct bind_request *req, const struct snap_sock *sock);
enum tri udp_chain__refused(const struct udp_chain *chain);

/* The whole chain: in its order, or in any where the evidence has lost it. */
enum tri udp__refused(const struct snapshot *snap, const struct bind_request *req);

/* ---- connect() (connect.c) ---------------------------------------------------------------- */

/* Has the socket the four-tuple that connect() asks for? Unknown: its own address is not. */
enum tri connect__same_tuple(const struct bind_request *req, const struct snap_sock *sock);

/* Cause and fixes of a verdict of rules__judge_connect(). */
void connect__explain(struct verdict *verdict, const struct snapshot *snap);

/* ---- fixes -------------------------------------------------------------------------------- */

/* Appends a fix; NULL when there is no more room. */
struct fix *fixes__emit(struct verdict *verdict, enum fix_kind kind, enum fix_side side);

/* FIX_WAIT, where every blocker expires at a known time. */
struct fix *fixes__wait(struct verdict *verdict, const struct snapshot *snap);

/* Fills verdict->fixes of a refusal whose cause is decided. */
void fixes__find(struct verdict *verdict, const struct snapshot *snap,
		 const struct bind_request *req);

#endif
