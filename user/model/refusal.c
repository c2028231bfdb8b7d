/* SPDX-License-Identifier: GPL-2.0-only */
/* Refusals that no socket on one port explains: no port is left, or it was another error. */
#include "internal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* What may have changed until the range was walked, just after the refusal: one port in 32. */
#define COVERED_SLACK 32

/* Where the lower end of ip_local_port_range may go when the sysctl is not readable. */
#define DEFAULT_UNPRIVILEGED 1024

struct refusal {
	const struct snapshot *snap;
	const struct bind_request *req;
	const struct refusal_facts *facts;
	const struct port_usage *usage;
};

/* ---- no port left ------------------------------------------------------------------------- */

/*
 * inet_csk_find_open_port() and __inet_hash_connect() make the number of ports even, and so leave a
 * random one of an odd range out.
 */
bool usage__covers(const struct port_usage *usage)
{
	uint32_t ports, used, spare;

	if (!usage || !usage->low || usage->low > usage->high)
		return false;
	ports = usage->high - usage->low + 1u;
	used = usage->taken + usage->reserved;
	spare = ports / COVERED_SLACK + (ports > 1 ? ports & 1 : 0);
	return used + spare >= ports;
}

/* Only a mark keeps connect() off most of the ports, and no connection of today does. */
static enum cause cause_of_no_port_for_connect(const struct port_usage *usage)
{
	if (!usage__covers(usage))
		return CAUSE_EPHEMERAL_EXHAUSTED;
	return usage->taken - usage->same_peer > usage->same_peer ? CAUSE_BUCKET
								  : CAUSE_EPHEMERAL_EXHAUSTED;
}

/* ---- the cause ---------------------------------------------------------------------------- */

static bool wants_any_port(const struct refusal *refusal)
{
	int error = refusal->facts->error;

	if (refusal->req->port)
		return false;
	switch (refusal->req->call) {
	case CALL_AUTOBIND:
		return error == EADDRINUSE || error == EAGAIN;
	case CALL_CONNECT:
		return error == EADDRNOTAVAIL || error == EADDRINUSE;
	default:
		return error == EADDRINUSE;
	}
}

/* Nothing else in __inet_bind() and __inet6_bind() is EACCES. */
static bool is_privileged(const struct refusal *refusal)
{
	int32_t start = refusal->facts->unprivileged_port_start;

	return refusal->req->call == CALL_BIND && refusal->req->port &&
	       (start < 0 || refusal->req->port < start);
}

static enum cause cause_in_protocol(const struct refusal *refusal)
{
	switch (refusal->facts->error) {
	case EACCES:
		return is_privileged(refusal) ? CAUSE_PRIVILEGED_PORT : CAUSE_OTHER_ERROR;
	case EADDRNOTAVAIL:
		return CAUSE_NOT_LOCAL;
	case EINVAL:
		if (refusal->req->call == CALL_BIND && refusal->facts->had_port)
			return CAUSE_ALREADY_BOUND;
		return CAUSE_OTHER_ERROR;
	case ENODEV:
		return CAUSE_NO_DEVICE;
	default:
		return CAUSE_OTHER_ERROR;
	}
}

/* A ping socket has an identifier: not a port, and its table is not looked at. */
static bool has_ports(const struct snapshot *snap)
{
	return snap->protocol == PROTO_TCP || snapshot__is_udp(snap);
}

/*
 * The port that was asked for is taken by nobody seen; or none was free, which is what these errors
 * say whether or not the walk afterwards still finds the range full.
 */
static enum cause cause_of_conflict(const struct refusal *refusal)
{
	if (!has_ports(refusal->snap))
		return CAUSE_OTHER_ERROR;
	if (!wants_any_port(refusal))
		return CAUSE_UNEXPLAINED;
	if (refusal->req->call == CALL_CONNECT)
		return cause_of_no_port_for_connect(refusal->usage);
	return CAUSE_AUTOBIND_EXHAUSTED;
}

static bool is_conflict(const struct refusal *refusal)
{
	enum refusal_stage stage = refusal->facts->stage;
	int error = refusal->facts->error;

	return error == EADDRINUSE || (stage == STAGE_CONNECT && error == EADDRNOTAVAIL) ||
	       (stage != STAGE_PROTOCOL && wants_any_port(refusal));
}

bool usage__is_wanted(const struct snapshot *snap, const struct bind_request *req,
		      const struct refusal_facts *facts)
{
	const struct refusal refusal = {.snap = snap, .req = req, .facts = facts};

	return facts->stage != STAGE_LSM && facts->stage != STAGE_CGROUP && has_ports(snap) &&
	       is_conflict(&refusal) && wants_any_port(&refusal);
}

static enum cause cause_of(const struct refusal *refusal)
{
	enum refusal_stage stage = refusal->facts->stage;

	if (stage == STAGE_LSM || stage == STAGE_CGROUP)
		return CAUSE_DENIED;
	if (is_conflict(refusal))
		return cause_of_conflict(refusal);
	return stage == STAGE_PROTOCOL ? cause_in_protocol(refusal) : CAUSE_OTHER_ERROR;
}

/* ---- remedies ----------------------------------------------------------------------------- */

/* ip_local_port_range cannot begin below ip_unprivileged_port_start. */
static bool can_widen(const struct refusal *refusal)
{
	int32_t start = refusal->facts->unprivileged_port_start;
	int32_t lowest = start < 0 ? DEFAULT_UNPRIVILEGED : start;

	if (lowest < 1)
		lowest = 1;
	return refusal->usage->low > lowest || refusal->usage->high < UINT16_MAX;
}

/* What is in TIME_WAIT cannot be closed. */
static bool can_close(const struct port_usage *usage)
{
	return usage->sockets > usage->states[STATE_TIME_WAIT];
}

static bool is_loopback(uint16_t family, const struct ip_addr *addr)
{
	static const struct ip_addr loopback6 = {.bytes = {[15] = 1}};
	struct ip_addr unified = ip_addr__unified(family, addr);

	return ip_addr__is_mapped(&unified) ? unified.bytes[12] == 127
					    : ip_addr__equal(&unified, &loopback6);
}

/*
 * tcp_twsk_unique(): 0 off, 1 on, 2 for loopback only. Where it was on already, timestamps are
 * missing or the connections have just ended.
 */
static bool tw_reuse_helps(const struct refusal *refusal)
{
	const struct bind_request *req = refusal->req;
	int32_t now = refusal->facts->tw_reuse;

	if (!refusal->usage->reusable)
		return false;
	return now == 0 || (now == 2 && !is_loopback(req->family, &req->peer) &&
			    !is_loopback(req->family, &req->addr));
}

static void find_room(struct verdict *verdict, const struct refusal *refusal)
{
	if (can_widen(refusal))
		fixes__emit(verdict, FIX_RANGE, SIDE_NONE);
	if (can_close(refusal->usage))
		fixes__emit(verdict, FIX_CLOSE, SIDE_NONE);
}

/*
 * Who binds to an address in order to connect from it needs no port for that. A wildcard is for a
 * server; and UDP has to find a port at connect() by the same rule.
 */
static void fixes_for_autobind(struct verdict *verdict, const struct refusal *refusal)
{
	const struct bind_request *req = refusal->req;
	struct ip_addr addr = ip_addr__unified(req->family, &req->addr);

	if (req->call == CALL_BIND && !snapshot__is_udp(refusal->snap) &&
	    !ip_addr__is_unified_any(&addr))
		fixes__emit(verdict, FIX_NO_PORT, SIDE_BINDER);
	find_room(verdict, refusal);
}

/*
 * Marks are avoided by those who bind to port 0 before they connect; a tuple is another one from
 * another address.
 */
static void fixes_for_connect(struct verdict *verdict, const struct refusal *refusal)
{
	const struct port_usage *usage = refusal->usage;

	if (verdict->cause == CAUSE_BUCKET && usage->shareable)
		fixes__emit(verdict, FIX_NO_PORT, SIDE_BLOCKER);
	if (tw_reuse_helps(refusal))
		fixes__emit(verdict, FIX_TW_REUSE, SIDE_NONE);
	if (usage->taken > usage->bound)
		fixes__emit(verdict, FIX_ADDRESS, SIDE_BINDER);
	if (verdict->cause != CAUSE_BUCKET && usage->shareable)
		fixes__emit(verdict, FIX_NO_PORT, SIDE_BLOCKER);
	find_room(verdict, refusal);
}

/* An address in duplicate detection is going to be this host's; another one is not wanted. */
static void fixes_for_not_local(struct verdict *verdict, const struct refusal *refusal)
{
	bool tentative = refusal->facts->address_tentative == TRI_YES;
	bool nonlocal = refusal->req->call == CALL_BIND && refusal->facts->nonlocal_bind != 1;

	if (tentative && nonlocal)
		fixes__emit(verdict, FIX_NONLOCAL, SIDE_BINDER);
	fixes__emit(verdict, FIX_ADDRESS, SIDE_BINDER);
	if (!tentative && nonlocal)
		fixes__emit(verdict, FIX_NONLOCAL, SIDE_BINDER);
}

static void find_fixes(struct verdict *verdict, const struct refusal *refusal)
{
	switch (verdict->cause) {
	case CAUSE_AUTOBIND_EXHAUSTED:
		if (usage__covers(refusal->usage)) /* else nothing seen tells what would help */
			fixes_for_autobind(verdict, refusal);
		break;
	case CAUSE_EPHEMERAL_EXHAUSTED:
	case CAUSE_BUCKET:
		if (usage__covers(refusal->usage))
			fixes_for_connect(verdict, refusal);
		break;
	case CAUSE_NOT_LOCAL:
		fixes_for_not_local(verdict, refusal);
		break;
	case CAUSE_PRIVILEGED_PORT:
		fixes__emit(verdict, FIX_PRIVILEGE, SIDE_BINDER);
		break;
	case CAUSE_ALREADY_BOUND:
		fixes__emit(verdict, FIX_NEW_SOCKET, SIDE_BINDER);
		break;
	default:
		break; /* a policy's owner, or nobody, can say */
	}
}

int verdict__explain_refusal(struct verdict *verdict, const struct snapshot *snap,
			     const struct bind_request *req, const struct refusal_facts *facts,
			     const struct port_usage *usage)
{
	struct refusal refusal = {.snap = snap, .req = req, .facts = facts, .usage = usage};

	verdict->refused = TRI_YES;
	verdict->n_fixes = 0;
	verdict->by_bucket = false;
	if (verdict->n_blockers)
		return verdict__explain(verdict, snap, req);
	verdict->cause = cause_of(&refusal);
	find_fixes(verdict, &refusal);
	return 0;
}
