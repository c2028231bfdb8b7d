/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest changes that would have let a refused bind pass. Nothing is deduced from the cause:
 * each candidate is applied to a copy and the whole port is judged again, without the bucket's
 * cached verdict, which might be gone by the next attempt.
 */
#include "internal.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Longer than a TIME_WAIT: nobody wants to be told to wait for it first. */
#define PATIENCE_MS 120000

struct finder {
	const struct snapshot *snap;
	const struct bind_request *req;
	struct verdict *verdict;
	uint32_t binder_has;	/* bits of enum fix_option: what is set already */
	uint32_t blockers_have; /* on every blocker */
	uint32_t blockers_can;	/* what makes sense to set on every blocker */
	struct change {
		uint32_t binder, blockers;
	} found[MAX_FIXES]; /* what the FIX_SETs found so far really change */
	size_t n_found;
	bool in_any_order; /* UDP: the chain's order is not known, or does not tell why */
};

/* ---- judging again ------------------------------------------------------------------------ */

static struct snap_sock sock_with(const struct snap_sock *sock, uint32_t set)
{
	struct snap_sock changed = *sock;

	if (set & FIX_OPT_REUSEADDR)
		changed.reuseaddr = TRI_YES;
	if (set & FIX_OPT_REUSEPORT)
		changed.reuseport = TRI_YES;
	if (set & FIX_OPT_V6ONLY)
		changed.v6only = TRI_YES;
	return changed;
}

/* Goes along with the sockets: the blockers are two ascending lists, certain and possible ones. */
struct blocker_cursor {
	size_t definite, possible;
};

static bool is_blocker(const struct verdict *verdict, struct blocker_cursor *cursor, size_t sock)
{
	size_t possible = verdict->n_definite + cursor->possible;

	if (cursor->definite < verdict->n_definite &&
	    verdict->blockers[cursor->definite].sock == sock) {
		cursor->definite++;
		return true;
	}
	if (possible < verdict->n_blockers && verdict->blockers[possible].sock == sock) {
		cursor->possible++;
		return true;
	}
	return false;
}

/* TCP: not one socket may refuse. */
static bool all_pass(const struct finder *finder, const struct bind_request *req,
		     uint32_t blocker_set)
{
	const struct snapshot *snap = finder->snap;
	struct blocker_cursor cursor = {0};

	for (size_t i = 0; i < snap->n_socks; i++) {
		uint32_t set = is_blocker(finder->verdict, &cursor, i) ? blocker_set : 0;
		struct snap_sock sock = sock_with(&snap->socks[i], set);

		if (rules__refuses(snap, req, &sock, NULL) != TRI_NO)
			return false;
	}
	return true;
}

/* UDP: the first socket that is met decides, so no other one may be given the options. */
static bool chain_passes(const struct finder *finder, const struct bind_request *req,
			 uint32_t blocker_set)
{
	const struct snapshot *snap = finder->snap;
	struct blocker_cursor cursor = {0};
	struct udp_chain chain = {0};

	for (size_t i = 0; i < snap->n_socks; i++) {
		uint32_t set = is_blocker(finder->verdict, &cursor, i) ? blocker_set : 0;
		struct snap_sock sock = sock_with(&snap->socks[i], set);

		udp_chain__next(&chain, &snap->kernel, req, &sock);
	}
	return udp_chain__refused(&chain) == TRI_NO;
}

/*
 * Would req pass for certain, had the blockers these options? A UDP socket that is made again with
 * other options may take another place in the chain: an AF_INET6 one with SO_REUSEPORT goes to its
 * end (sk_add_node_rcu()), so that then everybody has to agree.
 */
static bool passes(const struct finder *finder, const struct bind_request *req,
		   uint32_t blocker_set)
{
	if (snapshot__is_udp(finder->snap) && !finder->in_any_order && !blocker_set)
		return chain_passes(finder, req, blocker_set);
	return all_pass(finder, req, blocker_set);
}

struct fix *fixes__emit(struct verdict *verdict, enum fix_kind kind, enum fix_side side)
{
	struct fix *fix;

	if (verdict->n_fixes == MAX_FIXES)
		return NULL;
	fix = &verdict->fixes[verdict->n_fixes++];
	*fix = (struct fix){.kind = kind, .side = side};
	return fix;
}

static struct fix *emit(struct finder *finder, enum fix_kind kind)
{
	return fixes__emit(finder->verdict, kind, SIDE_NONE);
}

static const struct snap_sock *blocker_sock(const struct finder *finder, size_t i)
{
	return &finder->snap->socks[finder->verdict->blockers[i].sock];
}

/* ---- options ------------------------------------------------------------------------------ */

/* A socket that took IPv4 in because of `::`, or that a listener on `::` accepted. */
static bool v6only_would_matter(const struct snap_sock *sock)
{
	if (ip_addr__is_v4(sock->family, &sock->local))
		return false;
	return sock->role != ROLE_CLIENT && sock->role != ROLE_SELF;
}

static uint32_t options_of(const struct snap_sock *sock)
{
	return (snap_sock__reuses_addr(sock) == TRI_YES ? FIX_OPT_REUSEADDR : 0) |
	       (sock->reuseport == TRI_YES ? FIX_OPT_REUSEPORT : 0) |
	       (sock->v6only == TRI_YES ? FIX_OPT_V6ONLY : 0);
}

static void look_at_sides(struct finder *finder)
{
	const struct bind_request *req = finder->req;
	const uint32_t all = FIX_OPT_REUSEADDR | FIX_OPT_REUSEPORT | FIX_OPT_V6ONLY;

	finder->binder_has = (req->reuseaddr || req->force_reuse ? FIX_OPT_REUSEADDR : 0) |
			     (req->reuseport ? FIX_OPT_REUSEPORT : 0) |
			     (req->v6only ? FIX_OPT_V6ONLY : 0);
	finder->blockers_have = finder->blockers_can = all;
	/*
	 * With more than ten sockets in the slot udp_lib_get_port() may go by address instead. Then
	 * only what makes everybody agree will do.
	 */
	finder->in_any_order =
		snapshot__is_udp(finder->snap) &&
		(snapshot__in_any_order(finder->snap) || udp__refused(finder->snap, req) == TRI_NO);
	for (size_t i = 0; i < finder->verdict->n_blockers; i++) {
		const struct snap_sock *sock = blocker_sock(finder, i);

		finder->blockers_have &= options_of(sock);
		if (!v6only_would_matter(sock))
			finder->blockers_can &= ~FIX_OPT_V6ONLY;
		if (snap_sock__is_kernels_own(sock))
			finder->blockers_can = 0;
	}
}

/* Does a smaller change do already? */
static bool is_more_than_needed(const struct finder *finder, struct change change)
{
	for (size_t i = 0; i < finder->n_found; i++) {
		const struct change *found = &finder->found[i];

		if (!(found->binder & ~change.binder) && !(found->blockers & ~change.blockers))
			return true;
	}
	return false;
}

static struct bind_request with_options(const struct bind_request *req, uint32_t set)
{
	struct bind_request changed = *req;

	changed.reuseaddr |= !!(set & FIX_OPT_REUSEADDR);
	changed.reuseport |= !!(set & FIX_OPT_REUSEPORT);
	changed.v6only |= !!(set & FIX_OPT_V6ONLY);
	return changed;
}

static void try_options(struct finder *finder, enum fix_side side, uint32_t set)
{
	struct change change = {
		.binder = side & SIDE_BINDER ? set & ~finder->binder_has : 0,
		.blockers = side & SIDE_BLOCKER ? set & ~finder->blockers_have : 0,
	};
	struct bind_request changed = with_options(finder->req, change.binder);
	struct fix *fix;

	if ((side & SIDE_BLOCKER) && (set & ~finder->blockers_can))
		return;
	if (is_more_than_needed(finder, change) || !passes(finder, &changed, change.blockers))
		return;
	fix = emit(finder, FIX_SET);
	if (!fix)
		return;
	fix->side = side;
	fix->set = set;
	finder->found[finder->n_found++] = change;
}

/*
 * Small sets first, and one side before both: what contains a sufficient change, or asks for an
 * option that is set already, then always is more than needed.
 */
static void find_options(struct finder *finder)
{
	static const uint32_t sets[] = {
		FIX_OPT_REUSEADDR,
		FIX_OPT_REUSEPORT,
		FIX_OPT_V6ONLY,
		FIX_OPT_REUSEADDR | FIX_OPT_REUSEPORT,
		FIX_OPT_REUSEADDR | FIX_OPT_V6ONLY,
		FIX_OPT_REUSEPORT | FIX_OPT_V6ONLY,
		FIX_OPT_REUSEADDR | FIX_OPT_REUSEPORT | FIX_OPT_V6ONLY,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		try_options(finder, SIDE_BINDER, sets[i]);
		try_options(finder, SIDE_BLOCKER, sets[i]);
		try_options(finder, SIDE_BOTH, sets[i]);
	}
}

/* ---- other remedies ----------------------------------------------------------------------- */

/* One who could pass as another user would have to be the user of every blocker. */
static bool some_uid(const struct finder *finder, uint32_t *ret_uid)
{
	for (size_t i = 0; i < finder->verdict->n_blockers; i++)
		if (snap_sock__rule_uid(&finder->snap->kernel, blocker_sock(finder, i), ret_uid))
			return true;
	return false;
}

static void find_uid(struct finder *finder)
{
	struct bind_request changed = *finder->req;
	struct fix *fix;

	if (!some_uid(finder, &changed.uid))
		return;
	changed.inode_uid = changed.uid;
	if (!passes(finder, &changed, 0))
		return;
	fix = emit(finder, FIX_UID);
	if (fix)
		fix->uid = changed.uid;
}

static void find_detach(struct finder *finder)
{
	struct bind_request changed = *finder->req;

	changed.has_group = false;
	if (passes(finder, &changed, 0))
		emit(finder, FIX_DETACH_GROUP);
}

struct fix *fixes__wait(struct verdict *verdict, const struct snapshot *snap)
{
	int64_t longest = 0;
	struct fix *fix;

	for (size_t i = 0; i < verdict->n_blockers; i++) {
		const struct snap_sock *sock = &snap->socks[verdict->blockers[i].sock];

		if (sock->state != STATE_TIME_WAIT || !sock->expires_known)
			return NULL;
		if (sock->expires_ms > longest)
			longest = sock->expires_ms;
	}
	if (longest > INT64_MAX - TIME_WAIT_SLACK_MS)
		return NULL;
	fix = fixes__emit(verdict, FIX_WAIT, SIDE_NONE);
	if (fix)
		fix->wait_ms = longest + TIME_WAIT_SLACK_MS;
	return fix;
}

/* Ports that connect() hands out; a program that asks for one itself gets it reserved or not. */
static bool was_given_its_port(const struct finder *finder, const struct snap_sock *sock)
{
	if (snapshot__is_udp(finder->snap))
		return sock->port_locked == TRI_NO;
	return sock->role == ROLE_CLIENT && sock->port_locked != TRI_YES;
}

static void find_sysctl(struct finder *finder)
{
	if (!snapshot__in_ephemeral_range(finder->snap, finder->req->port))
		return;
	for (size_t i = 0; i < finder->verdict->n_blockers; i++)
		if (!was_given_its_port(finder, blocker_sock(finder, i)))
			return;
	emit(finder, FIX_SYSCTL);
}

/* Sufficient by definition. Nobody holds a time-wait socket: where waiting will do, wait. */
static void find_close(struct finder *finder)
{
	for (size_t i = 0; i < finder->verdict->n_fixes; i++)
		if (finder->verdict->fixes[i].kind == FIX_WAIT)
			return;
	emit(finder, FIX_CLOSE);
}

/* ---- order -------------------------------------------------------------------------------- */

static bool is_held_on_purpose(enum cause cause)
{
	return cause == CAUSE_LISTENER || cause == CAUSE_INHERITED || cause == CAUSE_OWNERLESS ||
	       cause == CAUSE_DUAL_STACK || cause == CAUSE_LISTEN_RACE || cause == CAUSE_UDP_HOLDER;
}

static unsigned int rank_of_options(const struct fix *fix, enum cause cause)
{
	static const uint8_t rank[] = {
		[SIDE_BINDER] = 4,
		[SIDE_BLOCKER] = 6,
		[SIDE_BOTH] = 7,
	};

	if (is_held_on_purpose(cause) && (fix->set & FIX_OPT_V6ONLY))
		return fix->side == SIDE_BINDER ? 1 : 2;
	return rank[fix->side];
}

/* A UDP socket that has the option already means to share. */
static unsigned int rank_of_close(enum cause cause)
{
	if (cause == CAUSE_UDP_HOLDER)
		return 5;
	return is_held_on_purpose(cause) ? 3 : 12;
}

/* What a person would try first, first. */
static unsigned int rank_of(const struct fix *fix, enum cause cause)
{
	switch (fix->kind) {
	case FIX_SET:
		return rank_of_options(fix, cause);
	case FIX_WAIT:
		return fix->wait_ms < PATIENCE_MS ? 5 : 11;
	case FIX_UID:
		return 8;
	case FIX_DETACH_GROUP:
		return 9;
	case FIX_SYSCTL:
		return 10;
	case FIX_CLOSE:
		return rank_of_close(cause);
	default:
		return 13; /* of other refusals: connect.c, refusal.c */
	}
}

/* By insertion: there are few, and those of one rank stay smallest first. */
static void sort_fixes(struct verdict *verdict)
{
	for (size_t i = 1; i < verdict->n_fixes; i++) {
		struct fix fix = verdict->fixes[i];
		size_t place = i;

		while (place && rank_of(&verdict->fixes[place - 1], verdict->cause) >
					rank_of(&fix, verdict->cause)) {
			verdict->fixes[place] = verdict->fixes[place - 1];
			place--;
		}
		verdict->fixes[place] = fix;
	}
}

void fixes__find(struct verdict *verdict, const struct snapshot *snap,
		 const struct bind_request *req)
{
	struct finder finder = {.snap = snap, .req = req, .verdict = verdict};

	look_at_sides(&finder);
	find_options(&finder);
	fixes__wait(verdict, snap);
	find_uid(&finder);
	find_detach(&finder);
	find_sysctl(&finder);
	find_close(&finder);
	sort_fixes(verdict);
}
