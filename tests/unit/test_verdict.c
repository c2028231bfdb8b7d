/* SPDX-License-Identifier: GPL-2.0-only */
/* The cause of a refusal and its remedies: row by row, then as properties of random ports. */
#include "model_text.h"
#include "sanitized.h"
#include "model_cases.h"
#include "model/internal.h"

#include <time.h>

/* ---- one row a cause, one row a remedy ---------------------------------------------------- */

struct verdict_row {
	const char *name;
	const char *binder, *socks;
	enum cause cause;
	const char *fixes; /* in order; NULL: not looked at */
};

static const struct verdict_row verdict_rows[] = {
	/* what goes away by itself */
	{"time_wait, neither side", "bind 0.0.0.0", "TIME_WAIT 127.0.0.1 expires=41230",
	 CAUSE_TIME_WAIT, "wait:43330 both:R both:P"},
	{"time_wait, the old run lacked it", "bind 0.0.0.0 R", "TIME_WAIT 127.0.0.1 expires=41230",
	 CAUSE_TIME_WAIT, "wait:43330 blocker:R both:P"},
	{"time_wait, the new run lacks it", "bind 0.0.0.0", "TIME_WAIT 127.0.0.1 R expires=9000",
	 CAUSE_TIME_WAIT, "binder:R wait:11100 both:P"},
	{"time_wait, each option on one side", "bind 0.0.0.0 P",
	 "TIME_WAIT 127.0.0.1 R expires=9000", CAUSE_TIME_WAIT, "binder:R wait:11100 blocker:P"},
	{"time_wait, the last one counts", "bind 0.0.0.0",
	 "TIME_WAIT 127.0.0.1 expires=100|TIME_WAIT 127.0.0.1 expires=500|TIME_WAIT 127.0.0.1 "
	 "expires=-700",
	 CAUSE_TIME_WAIT, "wait:2600 both:R both:P"},
	{"time_wait, overdue", "bind 0.0.0.0", "TIME_WAIT 127.0.0.1 expires=-900", CAUSE_TIME_WAIT,
	 "wait:2100 both:R both:P"},
	{"time_wait, very long", "bind 0.0.0.0", "TIME_WAIT 127.0.0.1 expires=118000",
	 CAUSE_TIME_WAIT, "both:R both:P wait:120100"},
	{"time_wait, expiry unknown", "bind 0.0.0.0",
	 "TIME_WAIT 127.0.0.1|TIME_WAIT 127.0.0.1 expires=900", CAUSE_TIME_WAIT,
	 "both:R both:P close"},
	{"time_wait, one wants R and one wants P", "bind 0.0.0.0",
	 "TIME_WAIT 127.0.0.1 R expires=900|TIME_WAIT 127.0.0.1 P expires=900", CAUSE_TIME_WAIT,
	 "binder:RP wait:3000 both:R both:P"},
	{"closing, FIN_WAIT2 as time-wait", "bind 0.0.0.0", "TW_FIN_WAIT2 127.0.0.1 expires=900",
	 CAUSE_CLOSING, "wait:3000 both:R both:P"},
	{"closing, FIN_WAIT1 orphan", "bind 0.0.0.0",
	 "FIN_WAIT1 127.0.0.1 role=orphan holder=orphan", CAUSE_CLOSING, "both:R both:P close"},
	{"closing, FIN_WAIT2", "bind 0.0.0.0", "FIN_WAIT2 127.0.0.1", CAUSE_CLOSING, NULL},
	{"closing, LAST_ACK", "bind 0.0.0.0", "LAST_ACK 127.0.0.1", CAUSE_CLOSING, NULL},
	{"closing, CLOSING", "bind 0.0.0.0", "CLOSING 127.0.0.1", CAUSE_CLOSING, NULL},
	{"closing before time_wait", "bind 0.0.0.0",
	 "TIME_WAIT 127.0.0.1 expires=900|LAST_ACK 127.0.0.1", CAUSE_CLOSING,
	 "both:R both:P close"},
	/* connections */
	{"connection, ESTABLISHED", "bind 0.0.0.0", "ESTABLISHED 127.0.0.1 role=server",
	 CAUSE_CONNECTION, "both:R both:P close"},
	{"connection, CLOSE_WAIT", "bind 0.0.0.0", "CLOSE_WAIT 127.0.0.1", CAUSE_CONNECTION, NULL},
	{"connection, SYN_RECV", "bind 0.0.0.0", "SYN_RECV 127.0.0.1", CAUSE_CONNECTION, NULL},
	{"connection before closing", "bind 0.0.0.0", "LAST_ACK 127.0.0.1|CLOSE_WAIT 127.0.0.1",
	 CAUSE_CONNECTION, NULL},
	{"ownerless, the kernel's connection", "bind 0.0.0.0",
	 "ESTABLISHED 127.0.0.1 role=kernel holder=kernel", CAUSE_OWNERLESS, "close"},
	{"ownerless, owners not looked up", "bind 0.0.0.0", "ESTABLISHED 127.0.0.1 role=kernel",
	 CAUSE_OWNERLESS, "close"},
	{"ownerless, in flight", "bind 0.0.0.0",
	 "ESTABLISHED 127.0.0.1 role=server holder=detached", CAUSE_OWNERLESS,
	 "close both:R both:P"},
	{"client_port", "bind 0.0.0.0 port=40000", "ESTABLISHED 127.0.0.1 role=client",
	 CAUSE_CLIENT_PORT, "both:R both:P sysctl close"},
	{"client_port, SYN_SENT", "bind 0.0.0.0 R port=40000", "SYN_SENT 127.0.0.1 role=client",
	 CAUSE_CLIENT_PORT, "blocker:R both:P sysctl close"},
	{"client_port, outside the range", "bind 0.0.0.0 port=8080",
	 "ESTABLISHED 127.0.0.1 role=client", CAUSE_CLIENT_PORT, "both:R both:P close"},
	{"client_port, asked for the port itself", "bind 0.0.0.0 port=40000",
	 "ESTABLISHED 127.0.0.1 role=client locked", CAUSE_CLIENT_PORT, "both:R both:P close"},
	{"client_port, one of them is a server's", "bind 0.0.0.0 port=40000",
	 "ESTABLISHED 127.0.0.1 role=client|ESTABLISHED 127.0.0.1 role=server", CAUSE_CLIENT_PORT,
	 "both:R both:P close"},
	{"client_port, ends of the range", "bind 0.0.0.0 port=32768",
	 "ESTABLISHED 127.0.0.1 role=client", CAUSE_CLIENT_PORT, "both:R both:P sysctl close"},
	{"client_port, the other end", "bind 0.0.0.0 port=60999",
	 "ESTABLISHED 127.0.0.1 role=client", CAUSE_CLIENT_PORT, "both:R both:P sysctl close"},
	{"client_port, above the range", "bind 0.0.0.0 port=61000",
	 "ESTABLISHED 127.0.0.1 role=client", CAUSE_CLIENT_PORT, "both:R both:P close"},
	{"self_connect", "bind 127.0.0.1 port=40000", "ESTABLISHED 127.0.0.1 role=self",
	 CAUSE_SELF_CONNECT, "both:R both:P close"},
	{"self_connect before client_port", "bind 127.0.0.1",
	 "ESTABLISHED 127.0.0.1 role=client|ESTABLISHED 127.0.0.1 role=self", CAUSE_SELF_CONNECT,
	 NULL},
	/* listeners and bound sockets */
	{"listener", "bind 0.0.0.0", "LISTEN 0.0.0.0", CAUSE_LISTENER, "close both:P"},
	{"listener, R on both", "bind 127.0.0.1 R", "LISTEN 127.0.0.1 R", CAUSE_LISTENER,
	 "close both:P"},
	{"listener before its connections", "bind 0.0.0.0",
	 "ESTABLISHED 127.0.0.1|TIME_WAIT 127.0.0.1 expires=900|LISTEN 0.0.0.0", CAUSE_LISTENER,
	 "close both:P"},
	{"listener of another user", "bind 0.0.0.0 uid=1", "LISTEN 0.0.0.0 uid=2", CAUSE_LISTENER,
	 "close"},
	{"listener, R P wanted", "bind 0.0.0.0 uid=1",
	 "LISTEN 0.0.0.0 uid=1|CLOSE_WAIT 0.0.0.0 uid=2", CAUSE_LISTENER, "close both:RP"},
	{"dual_stack, binder is ::", "bind ::", "LISTEN 0.0.0.0", CAUSE_DUAL_STACK,
	 "binder:V close both:P"},
	{"dual_stack, binder is IPv4", "bind 0.0.0.0", "LISTEN ::", CAUSE_DUAL_STACK,
	 "blocker:V close both:P"},
	{"dual_stack, an IPv4 address", "bind 10.0.0.1 R", "LISTEN :: R", CAUSE_DUAL_STACK,
	 "blocker:V close both:P"},
	{"dual_stack, mapped", "bind ::", "BOUND ::ffff:10.0.0.1", CAUSE_DUAL_STACK,
	 "binder:V close both:R both:P"},
	{"dual_stack, binder mapped", "bind ::ffff:10.0.0.1", "LISTEN ::", CAUSE_DUAL_STACK,
	 "blocker:V close both:P"},
	{"dual_stack and R", "bind ::", "LISTEN 0.0.0.0|TIME_WAIT fd00::1 R expires=500",
	 CAUSE_DUAL_STACK, "binder:RV close both:P"},
	{"no dual_stack between two ::", "bind ::", "LISTEN ::", CAUSE_LISTENER, "close both:P"},
	{"no dual_stack with an IPv6 address", "bind fd00::1", "LISTEN ::", CAUSE_LISTENER,
	 "close both:P"},
	{"dual_stack beside a plain listener",
	 "bind ::", "LISTEN 0.0.0.0|LISTEN ::", CAUSE_LISTENER, "close both:P"},
	{"an old server's IPv6 connection", "bind 0.0.0.0",
	 "ESTABLISHED fd00::1 role=server|TIME_WAIT fd00::1 expires=500", CAUSE_CONNECTION,
	 "blocker:V both:R both:P close"},
	{"an old server's IPv6 TIME_WAIT", "bind 0.0.0.0", "TIME_WAIT fd00::1 expires=500",
	 CAUSE_TIME_WAIT, "wait:2600 blocker:V both:R both:P"},
	{"a client's IPv6 connection", "bind 0.0.0.0", "ESTABLISHED fd00::1 role=client",
	 CAUSE_CLIENT_PORT, "both:R both:P close"},
	{"bound_only", "bind 0.0.0.0", "BOUND 0.0.0.0", CAUSE_BOUND_ONLY, "both:R both:P close"},
	{"bound_only before any connection", "bind 0.0.0.0",
	 "ESTABLISHED 127.0.0.1 role=kernel holder=kernel|BOUND 0.0.0.0", CAUSE_BOUND_ONLY,
	 "close"},
	{"bound_only below listener", "bind 0.0.0.0", "BOUND 0.0.0.0|LISTEN 0.0.0.0",
	 CAUSE_LISTENER, NULL},
	{"ownerless, a listener in flight", "bind 0.0.0.0", "LISTEN 0.0.0.0 holder=detached",
	 CAUSE_OWNERLESS, "close both:P"},
	{"ownerless, the kernel's listener", "bind 0.0.0.0", "LISTEN 0.0.0.0 holder=kernel",
	 CAUSE_OWNERLESS, "close"},
	{"ownerless, orphan", "bind 0.0.0.0", "BOUND 0.0.0.0 holder=orphan", CAUSE_OWNERLESS,
	 "close both:R both:P"},
	{"reuseport_uid", "bind 0.0.0.0 P uid=1000", "LISTEN 0.0.0.0 P uid=33", CAUSE_REUSEPORT_UID,
	 "uid:33 close"},
	{"reuseport_uid, bound", "bind 0.0.0.0 P uid=1000", "BOUND 0.0.0.0 P uid=33",
	 CAUSE_REUSEPORT_UID, "both:R uid:33 close"},
	{"reuseport_uid, two users", "bind 0.0.0.0 P uid=1000",
	 "LISTEN 10.0.0.1 P uid=33|LISTEN 10.0.0.2 P uid=34", CAUSE_REUSEPORT_UID, "close"},
	{"reuseport_uid, but the user has another there", "bind 0.0.0.0 P uid=1000",
	 "LISTEN 10.0.0.1 P uid=33|LISTEN 10.0.0.2 P uid=1000", CAUSE_REUSEPORT_UID, "close"},
	{"reuseport_uid, TIME_WAIT has none", "bind 0.0.0.0 P uid=1000",
	 "LISTEN 10.0.0.1 P uid=33|TIME_WAIT 10.0.0.2 P expires=5", CAUSE_REUSEPORT_UID,
	 "uid:33 close"},
	{"the binder's own group", "bind 0.0.0.0 P group", "LISTEN 0.0.0.0 P", CAUSE_LISTENER,
	 "close detach"},
	{"the binder's own group, bound", "bind 0.0.0.0 P group", "BOUND 0.0.0.0 P",
	 CAUSE_BOUND_ONLY, "both:R detach close"},
	{"group and user", "bind 0.0.0.0 P group uid=1", "LISTEN 0.0.0.0 P uid=2", CAUSE_LISTENER,
	 "close"},
	{"reuse_one_sided, P on the binder", "bind 0.0.0.0 P", "LISTEN 0.0.0.0",
	 CAUSE_REUSE_ONE_SIDED, "blocker:P close"},
	{"reuse_one_sided, P on the listener", "bind 0.0.0.0", "LISTEN 0.0.0.0 P",
	 CAUSE_REUSE_ONE_SIDED, "binder:P close"},
	{"reuse_one_sided, R on the binder", "bind 0.0.0.0 R", "BOUND 0.0.0.0",
	 CAUSE_REUSE_ONE_SIDED, "blocker:R both:P close"},
	{"reuse_one_sided, R on the bound", "bind 0.0.0.0", "BOUND 0.0.0.0 R",
	 CAUSE_REUSE_ONE_SIDED, "binder:R both:P close"},
	{"reuse_one_sided, a different one each", "bind 0.0.0.0 P", "BOUND 0.0.0.0 R",
	 CAUSE_REUSE_ONE_SIDED, "binder:R blocker:P close"},
	{"R on one side does not matter to a listener", "bind 0.0.0.0 R", "LISTEN 0.0.0.0",
	 CAUSE_LISTENER, "close both:P"},
	{"device on the binder", "bind 0.0.0.0 dev=3", "LISTEN 0.0.0.0", CAUSE_DEVICE,
	 "both:P close"},
	{"device on the blocker", "bind 0.0.0.0", "BOUND 0.0.0.0 dev=3", CAUSE_DEVICE,
	 "both:R both:P close"},
	{"the same device on both", "bind 0.0.0.0 dev=3", "LISTEN 0.0.0.0 dev=3", CAUSE_LISTENER,
	 NULL},
	{"listen_race", "listen 0.0.0.0 R", "LISTEN 0.0.0.0 R", CAUSE_LISTEN_RACE, "close both:P"},
	{"listen() against who gave up R", "listen 0.0.0.0 R", "BOUND 0.0.0.0",
	 CAUSE_REUSE_ONE_SIDED, "blocker:R both:P close"},
	/* the answer itself */
	{"none", "bind 10.0.0.1", "LISTEN 10.0.0.2", CAUSE_NONE, ""},
	{"unknown: the possible cause, no remedy", "bind 0.0.0.0 R",
	 "TIME_WAIT 127.0.0.1 R? expires=900", CAUSE_TIME_WAIT, ""},
	{"certain ones name the cause", "bind 0.0.0.0 R P",
	 "LISTEN 0.0.0.0 P?|TIME_WAIT 127.0.0.1 expires=5", CAUSE_TIME_WAIT, NULL},
	{"flags unknown: only what suffices in every case", "bind 0.0.0.0",
	 "TIME_WAIT 127.0.0.1 R? P? expires=900", CAUSE_TIME_WAIT, "wait:3000 both:R both:P"},
	{"a possible blocker is in the way of a wait", "bind 0.0.0.0 R",
	 "TIME_WAIT 127.0.0.1 expires=900|ESTABLISHED 127.0.0.1 R?", CAUSE_TIME_WAIT,
	 "blocker:R both:P close"},
};

static struct verdict explain(const struct snapshot *snap, const char *binder, bool as_refused)
{
	struct bind_request req = text_request(binder);
	struct verdict verdict;

	assert_int_equal(rules__judge(snap, &req, as_refused, &verdict), 0);
	assert_int_equal(verdict__explain(&verdict, snap, &req), 0);
	return verdict;
}

static void assert_fixes(const struct verdict *verdict, const char *expected)
{
	char fixes[512];

	assert_string_equal(text_fixes(verdict, fixes, sizeof(fixes)), expected);
}

static void test_verdict_row(void **state)
{
	const struct verdict_row *row = *state;
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot(row->socks, K_6_18, &snap);
	verdict = explain(&snap, row->binder, false);
	assert_string_equal(cause__name(verdict.cause), cause__name(row->cause));
	if (row->fixes)
		assert_fixes(&verdict, row->fixes);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* Each way of adding to it leaves a full list as it is, in its order. */
static void test_full_list(void **state)
{
	static const char *const socks[] = {"LISTEN 0.0.0.0 P uid=33",
					    "TIME_WAIT 0.0.0.0 R expires=1000"};
	struct bind_request req = text_request("bind 0.0.0.0 P uid=1000");

	for (size_t n = 0; n < ARRAY_LENGTH(socks); n++) {
		struct snapshot snap;
		struct verdict verdict;

		text_snapshot(socks[n], K_6_18, &snap);
		assert_int_equal(rules__judge(&snap, &req, true, &verdict), 0);
		assert_int_equal(verdict.n_blockers, 1);
		verdict.n_fixes = 0;
		while (fixes__emit(&verdict, FIX_ADDRESS, SIDE_BINDER))
			continue;
		fixes__find(&verdict, &snap, &req);
		assert_int_equal(verdict.n_fixes, MAX_FIXES);
		for (size_t i = 0; i < verdict.n_fixes; i++)
			assert_int_equal(verdict.fixes[i].kind, FIX_ADDRESS);
		verdict__free(&verdict);
		snapshot__free(&snap);
	}
}

/* A time out of a recording that no kernel has: there is nothing to wait for. */
static void test_endless_wait(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("TIME_WAIT 0.0.0.0 expires=1000", K_6_18, &snap);
	snap.socks[0].expires_ms = INT64_MAX - TIME_WAIT_SLACK_MS + 1;
	verdict = explain(&snap, "bind 0.0.0.0", false);
	for (size_t i = 0; i < verdict.n_fixes; i++)
		assert_int_not_equal(verdict.fixes[i].kind, FIX_WAIT);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* Whose uid the kernel compares decides as whom to bind. */
static void test_uid_of_inode(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("LISTEN 0.0.0.0 P sk_uid=1000 inode_uid=33", K_5_10, &snap);
	verdict = explain(&snap, "bind 0.0.0.0 P uid=1000", false);
	assert_int_equal(verdict.cause, CAUSE_REUSEPORT_UID);
	assert_fixes(&verdict, "uid:33 close");
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- holders ------------------------------------------------------------------------------ */

struct holder_row {
	const char *name;
	const char *binder, *sock;
	struct {
		enum tri opener, session_leader;
	} holders[2];
	size_t n;
	enum cause cause;
};

static const struct holder_row holder_rows[] = {
	{"a child alone", "bind 0.0.0.0", "LISTEN 0.0.0.0", {{TRI_NO, TRI_NO}}, 1, CAUSE_INHERITED},
	{"two children",
	 "bind 0.0.0.0",
	 "LISTEN 0.0.0.0",
	 {{TRI_NO, TRI_NO}, {TRI_NO, TRI_UNKNOWN}},
	 2,
	 CAUSE_INHERITED},
	{"the opener is there",
	 "bind 0.0.0.0",
	 "LISTEN 0.0.0.0",
	 {{TRI_NO, TRI_NO}, {TRI_YES, TRI_NO}},
	 2,
	 CAUSE_LISTENER},
	{"opener not known",
	 "bind 0.0.0.0",
	 "LISTEN 0.0.0.0",
	 {{TRI_NO, TRI_NO}, {TRI_UNKNOWN, TRI_NO}},
	 2,
	 CAUSE_LISTENER},
	{"a daemon that changed its credentials",
	 "bind 0.0.0.0",
	 "LISTEN 0.0.0.0",
	 {{TRI_NO, TRI_YES}},
	 1,
	 CAUSE_LISTENER},
	{"nobody known", "bind 0.0.0.0", "LISTEN 0.0.0.0", {{TRI_NO, TRI_NO}}, 0, CAUSE_LISTENER},
	{"bound only", "bind 0.0.0.0", "BOUND 0.0.0.0", {{TRI_NO, TRI_NO}}, 1, CAUSE_BOUND_ONLY},
	{"dual_stack says more",
	 "bind ::",
	 "LISTEN 0.0.0.0",
	 {{TRI_NO, TRI_NO}},
	 1,
	 CAUSE_DUAL_STACK},
};

static void test_holder_row(void **state)
{
	const struct holder_row *row = *state;
	struct snapshot snap;
	struct verdict verdict;
	char text[128];

	snprintf(text, sizeof(text), "TIME_WAIT 10.9.9.9|%s", row->sock);
	text_snapshot(text, K_6_12, &snap);
	for (size_t i = 0; i < row->n; i++) {
		snapshot__add_proc(&snap)->session_leader = row->holders[i].session_leader;
		snapshot__add_hold(&snap, 1, i, 3, row->holders[i].opener);
	}
	snapshot__sort_holds(&snap);
	verdict = explain(&snap, row->binder, false);
	assert_string_equal(cause__name(verdict.cause), cause__name(row->cause));
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- refused by the kernel, and nobody there ---------------------------------------------- */

static void test_unexplained(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("LISTEN 10.0.0.2", K_6_12, &snap);
	verdict = explain(&snap, "bind 10.0.0.1", true);
	assert_int_equal(verdict.cause, CAUSE_UNEXPLAINED);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_int_equal(verdict.n_fixes, 0);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

static void test_bucket(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("BOUND 0.0.0.0", K_5_10, &snap);
	snapshot__add_bucket(&snap)->fastreuse = 1;
	verdict = explain(&snap, "bind 0.0.0.0 R", false);
	assert_int_equal(verdict.cause, CAUSE_BUCKET);
	assert_int_equal(verdict.refused, TRI_NO);
	assert_int_equal(verdict.n_fixes, 0);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* A remedy must not count on the bucket's mark. */
static void test_fix_without_bucket(void **state)
{
	struct bind_request req = text_request("bind 0.0.0.0");
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("BOUND 0.0.0.0", K_5_10, &snap);
	snapshot__add_bucket(&snap)->fastreuse = 1;
	verdict = explain(&snap, "bind 0.0.0.0", false);
	assert_fixes(&verdict, "both:R both:P close");
	/* Explaining again changes nothing. */
	assert_int_equal(verdict__explain(&verdict, &snap, &req), 0);
	assert_fixes(&verdict, "both:R both:P close");
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* Nor does it have to reckon with another VRF's sockets. */
static void test_fix_in_vrf(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("TIME_WAIT 10.0.0.1 R|LISTEN 0.0.0.0 bucket=1", K_6_12, &snap);
	snapshot__add_bucket(&snap);
	snapshot__add_bucket(&snap)->l3mdev = 9;
	verdict = explain(&snap, "bind 0.0.0.0", false);
	assert_int_equal(verdict.cause, CAUSE_TIME_WAIT);
	assert_fixes(&verdict, "binder:R both:P close");
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- properties --------------------------------------------------------------------------- */

static void test_random_ports(void **state)
{
	for (uint64_t seed = 1; seed <= 20000; seed++) {
		const char *broken = model_case__check_seed(seed, CHECK_EXPLAIN, CASE_TCP);

		if (broken)
			fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void fill_time_waits(struct snapshot *snap, uint32_t n)
{
	const struct snap_sock time_wait =
		text_sock("TIME_WAIT 10.0.0.1 peer=10.0.0.2/40000 R expires=5");

	for (uint32_t i = 0; i < n; i++) {
		struct snap_sock *sock = snapshot__add_sock(snap);

		*sock = time_wait;
		sock->id = i + 1;
		sock->peer_port = 1024 + i % 60000;
		sock->local.bytes[2] = i >> 8;
	}
}

/* The listener at the tail of 50,000 TIME_WAITs; all of them refuse, or the last one only. */
static void test_many_sockets(void **state)
{
	struct snapshot snap;
	struct verdict plain, reusing;
	double begin;

	text_snapshot("", K_6_12, &snap);
	fill_time_waits(&snap, 49999);
	*snapshot__add_sock(&snap) = text_sock("LISTEN 0.0.0.0 R");
	begin = seconds();
	snapshot__drop_duplicates(&snap);
	snapshot__set_roles(&snap);
	plain = explain(&snap, "bind 0.0.0.0", false);
	reusing = explain(&snap, "bind 0.0.0.0 R", false);
	if (seconds() - begin > (SANITIZED ? 20 : 2))
		fail_msg("%.1f s for 50,000 sockets", seconds() - begin);
	assert_int_equal(plain.n_definite, 50000);
	assert_string_equal(cause__name(plain.cause), "listener");
	assert_fixes(&plain, "close both:P");
	assert_int_equal(reusing.n_definite, 1);
	assert_int_equal(reusing.blockers[0].sock, 49999);
	assert_fixes(&reusing, "close both:P");
	verdict__free(&plain);
	verdict__free(&reusing);
	snapshot__free(&snap);
}

/* Of a recording that says so: who is not there has inherited nothing. */
static void test_no_such_holder(void **state)
{
	struct bind_request req = text_request("bind 0.0.0.0");
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("LISTEN 0.0.0.0 holder=process", K_6_12, &snap);
	assert_int_equal(snapshot__add_hold(&snap, 0, 7, 3, TRI_NO), 0);
	assert_int_equal(rules__judge(&snap, &req, true, &verdict), 0);
	assert_int_equal(verdict__explain(&verdict, &snap, &req), 0);
	assert_string_equal(cause__name(verdict.cause), "listener");
	verdict__free(&verdict);
	snapshot__free(&snap);
}

static void test_cause_names(void **state)
{
	for (int i = 0; i < N_CAUSES; i++) {
		assert_string_not_equal(cause__name(i), "unknown");
		for (int j = 0; j < i; j++)
			assert_string_not_equal(cause__name(i), cause__name(j));
	}
	assert_string_equal(cause__name(CAUSE_REUSE_ONE_SIDED), "reuse_one_sided");
	assert_string_equal(cause__name(N_CAUSES), "unknown");
}

int main(void)
{
	struct test_list list = {0};

	test_list__add_rows(&list, "explain", test_verdict_row, verdict_rows);
	test_list__add_rows(&list, "inherited", test_holder_row, holder_rows);
	test_list__add(&list, "explain: no room for more fixes", test_full_list, NULL);
	test_list__add(&list, "explain: an endless wait", test_endless_wait, NULL);
	test_list__add(&list, "explain: no such holder", test_no_such_holder, NULL);
	test_list__add(&list, "explain: users by inode", test_uid_of_inode, NULL);
	test_list__add(&list, "explain: nobody there", test_unexplained, NULL);
	test_list__add(&list, "explain: the bucket let it pass", test_bucket, NULL);
	test_list__add(&list, "explain: not by the bucket", test_fix_without_bucket, NULL);
	test_list__add(&list, "explain: in a VRF", test_fix_in_vrf, NULL);
	test_list__add(&list, "explain: random ports", test_random_ports, NULL);
	test_list__add(&list, "explain: 50,000 sockets", test_many_sockets, NULL);
	test_list__add(&list, "names", test_cause_names, NULL);
	return test_list__run(&list, "verdict");
}
