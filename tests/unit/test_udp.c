/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP: the first socket that is met decides. Pairs, chains, causes and remedies, then properties.
 */
#include "model_text.h"
#include "model_cases.h"

static struct verdict explain(const char *binder, const char *socks, int kernel, bool as_refused,
			      struct snapshot *ret_snap)
{
	struct bind_request req = text_request(binder);
	struct verdict verdict;

	text_snapshot(socks, kernel, ret_snap);
	ret_snap->protocol = PROTO_UDP;
	snapshot__set_roles(ret_snap);
	assert_int_equal(rules__judge(ret_snap, &req, as_refused, &verdict), 0);
	assert_int_equal(verdict__explain(&verdict, ret_snap, &req), 0);
	return verdict;
}

/* ---- one socket --------------------------------------------------------------------------- */

struct pair_row {
	const char *name;
	const char *binder, *sock;
	enum tri refused;
	const char *rules;
	int kernel;
};

static const struct pair_row pair_rows[] = {
	{"plain", "bind 0.0.0.0", "BOUND 0.0.0.0", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr", K_6_18},
	{"R on both", "bind 0.0.0.0 R", "BOUND 0.0.0.0 R", TRI_NO, "", K_6_18},
	{"R on the binder", "bind 0.0.0.0 R", "BOUND 0.0.0.0", TRI_YES, "blocker_lacks_reuseaddr",
	 K_6_18},
	{"R on the holder", "bind 0.0.0.0", "BOUND 0.0.0.0 R", TRI_YES, "binder_lacks_reuseaddr",
	 K_6_18},
	{"a state that would be LISTEN with TCP", "bind 0.0.0.0 R", "LISTEN 0.0.0.0 R", TRI_NO, "",
	 K_6_18},
	{"R on the holder not known", "bind 0.0.0.0 R", "BOUND 0.0.0.0 R?", TRI_UNKNOWN,
	 "blocker_lacks_reuseaddr", K_6_18},
	{"P on both", "bind 0.0.0.0 P", "BOUND 0.0.0.0 P", TRI_NO, "", K_6_18},
	{"P, another user", "bind 0.0.0.0 P uid=1", "BOUND 0.0.0.0 P uid=2", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_uid_differs", K_6_18},
	{"P, uid of the inode before 6.17", "bind 0.0.0.0 P uid=1",
	 "BOUND 0.0.0.0 P sk_uid=2 inode_uid=1", TRI_NO, "", K_6_12},
	{"P, uid of the socket from 6.17", "bind 0.0.0.0 P uid=1",
	 "BOUND 0.0.0.0 P sk_uid=2 inode_uid=1", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_uid_differs", K_6_18},
	{"P, a group", "bind 0.0.0.0 P group", "BOUND 0.0.0.0 P", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_group", K_6_12},
	{"P, a closed member does not help as with TCP", "bind 0.0.0.0 P closed_group",
	 "BOUND 0.0.0.0 P", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_group", K_6_12},
	{"P on one side", "bind 0.0.0.0 P", "BOUND 0.0.0.0", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr blocker_lacks_reuseport", K_6_18},
	{"R here, P there", "bind 0.0.0.0 R", "BOUND 0.0.0.0 P", TRI_YES,
	 "blocker_lacks_reuseaddr binder_lacks_reuseport", K_6_18},
	{"other address", "bind 10.0.0.1", "BOUND 10.0.0.2", TRI_NO, "", K_6_18},
	{"address and wildcard", "bind 10.0.0.1", "BOUND 0.0.0.0", TRI_YES, NULL, K_6_18},
	{"wildcard and address", "bind 0.0.0.0", "BOUND 10.0.0.1", TRI_YES, NULL, K_6_18},
	{":: takes IPv4", "bind 0.0.0.0", "BOUND ::", TRI_YES, NULL, K_6_18},
	{":: is v6only", "bind 0.0.0.0", "BOUND :: V", TRI_NO, "", K_6_18},
	{"binder :: is v6only", "bind :: V", "BOUND 0.0.0.0", TRI_NO, "", K_6_18},
	{"an IPv6 connection overlaps 0.0.0.0", "bind 0.0.0.0", "ESTABLISHED fd00::1", TRI_YES,
	 NULL, K_6_18},
	{"...and 127.0.0.6, which bhash2 hides with TCP", "bind 127.0.0.6", "ESTABLISHED fd00::1",
	 TRI_YES, NULL, K_6_18},
	{"...but no other address", "bind 127.0.0.1", "ESTABLISHED fd00::1", TRI_NO, "", K_6_18},
	{"mapped any, hidden with TCP on 6.1", "bind ::ffff:10.0.0.1", "BOUND ::ffff:0.0.0.0",
	 TRI_YES, NULL, K_6_1},
	{"devices differ", "bind 0.0.0.0 dev=3", "BOUND 0.0.0.0 dev=4", TRI_NO, "", K_6_18},
	{"one device", "bind 0.0.0.0 dev=3", "BOUND 0.0.0.0", TRI_YES, NULL, K_6_18},
	{"a VRF is no other world", "bind 0.0.0.0", "BOUND 0.0.0.0 dev=9 bucket=1", TRI_YES, NULL,
	 K_6_18},
	{"itself", "bind 0.0.0.0 self=5", "BOUND 0.0.0.0 id=5", TRI_NO, "", K_6_18},
};

static void test_pair_row(void **state)
{
	const struct pair_row *row = *state;
	char rules[256];
	struct snapshot snap;
	struct verdict verdict = explain(row->binder, row->sock, row->kernel, false, &snap);

	assert_string_equal(text_tri(verdict.refused), text_tri(row->refused));
	assert_int_equal(verdict.n_blockers, row->refused != TRI_NO);
	assert_int_equal(verdict.n_definite, row->refused == TRI_YES);
	if (row->rules && verdict.n_blockers)
		assert_string_equal(text_rules(verdict.blockers[0].rules, rules, sizeof(rules)),
				    row->rules);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- chains, newest first ----------------------------------------------------------------- */

struct chain_row {
	const char *name;
	const char *binder, *socks;
	enum tri refused;
	const char *blockers; /* indexes */
	const char *fixes;    /* NULL: not looked at */
	bool as_refused;
};

static const struct chain_row chain_rows[] = {
	{"nobody", "bind 0.0.0.0", "", TRI_NO, "", "", false},
	{"nobody, and yet refused", "bind 0.0.0.0", "", TRI_YES, "", "", true},
	{"a compatible newest one lets pass", "bind 0.0.0.0 P", "BOUND 10.0.0.1 P|BOUND 10.0.0.2",
	 TRI_NO, "", "", false},
	{"an incompatible newest one refuses", "bind 0.0.0.0 P", "BOUND 10.0.0.2|BOUND 10.0.0.1 P",
	 TRI_YES, "0", "close blocker:P both:R", false},
	{"who is not met does not decide", "bind 10.0.0.1 P",
	 "BOUND 10.0.0.2|BOUND 10.0.0.1 P|BOUND 0.0.0.0", TRI_NO, "", "", false},
	{"R on both sides is not met", "bind 0.0.0.0 R P", "BOUND 10.0.0.1 R P|BOUND 10.0.0.2",
	 TRI_YES, "1", "close blocker:R blocker:P", false},
	{"each that refuses alone is a blocker", "bind 0.0.0.0",
	 "BOUND 10.0.0.1|BOUND 10.0.0.2 R|BOUND 10.0.0.3", TRI_YES, "0 1 2", NULL, false},
	{"P on the binder is enough by the first", "bind 0.0.0.0",
	 "BOUND 10.0.0.1 P|BOUND 10.0.0.2", TRI_YES, "0 1", "binder:P close both:R", false},
	{"the first may not be met", "bind 0.0.0.0 R", "BOUND 10.0.0.1 R?|BOUND 10.0.0.2", TRI_YES,
	 "1 0", NULL, false},
	{"the first may let pass", "bind 0.0.0.0 P", "BOUND 10.0.0.1 P?|BOUND 10.0.0.2",
	 TRI_UNKNOWN, "1 0", "", false},
	{"the first may let pass, or not be met", "bind 0.0.0.0 R P",
	 "BOUND 10.0.0.1 R? P|BOUND 10.0.0.2", TRI_UNKNOWN, "1", "", false},
	{"nobody is met for certain", "bind 0.0.0.0 R", "BOUND 10.0.0.1 R?", TRI_UNKNOWN, "0", "",
	 false},
	/* More than ten sockets in the slot: the kernel went by address. */
	{"refused in another order", "bind 10.0.0.1 P", "BOUND 0.0.0.0 P|BOUND 10.0.0.1", TRI_YES,
	 "1", "close blocker:P both:R", true},
};

static const char *text_blockers(const struct verdict *verdict, char *buffer, size_t size)
{
	size_t len = 0;

	buffer[0] = 0;
	for (size_t i = 0; i < verdict->n_blockers; i++)
		len += snprintf(buffer + len, size - len, "%s%u", len ? " " : "",
				verdict->blockers[i].sock);
	return buffer;
}

static void test_chain_row(void **state)
{
	const struct chain_row *row = *state;
	char text[256];
	struct snapshot snap;
	struct verdict verdict = explain(row->binder, row->socks, K_6_18, row->as_refused, &snap);

	assert_string_equal(text_tri(verdict.refused), text_tri(row->refused));
	assert_string_equal(text_blockers(&verdict, text, sizeof(text)), row->blockers);
	assert_false(verdict.by_bucket);
	if (verdict.n_blockers)
		assert_string_equal(cause__name(verdict.cause), "udp_holder");
	else
		assert_int_equal(verdict.cause, row->as_refused ? CAUSE_UNEXPLAINED : CAUSE_NONE);
	if (row->fixes)
		assert_string_equal(text_fixes(&verdict, text, sizeof(text)), row->fixes);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- the same without the order: evidence diag -------------------------------------------- */

static const struct chain_row unordered_rows[] = {
	{"nobody", "bind 0.0.0.0", "", TRI_NO, "", "", false},
	{"one socket needs no order", "bind 0.0.0.0 P", "BOUND 0.0.0.0", TRI_YES, "0", NULL, false},
	{"one that lets pass", "bind 0.0.0.0 P", "BOUND 0.0.0.0 P", TRI_NO, "", "", false},
	{"all let pass", "bind :: P", "BOUND 0.0.0.0 P|BOUND :: P", TRI_NO, "", "", false},
	{"all refuse", "bind ::", "BOUND 0.0.0.0|BOUND ::", TRI_YES, "0 1", NULL, false},
	{"the first one listed lets pass", "bind :: P", "BOUND 0.0.0.0 P|BOUND ::", TRI_UNKNOWN,
	 "1", "", false},
	{"the first one listed refuses", "bind :: P", "BOUND 0.0.0.0|BOUND :: P", TRI_UNKNOWN, "0",
	 "", false},
	{"who is not met does not count", "bind 10.0.0.1 P", "BOUND 10.0.0.2|BOUND 0.0.0.0 P",
	 TRI_NO, "", "", false},
	{"one may not be met, the other refuses", "bind 0.0.0.0 R",
	 "BOUND 10.0.0.2|BOUND 0.0.0.0 R?", TRI_YES, "0 1", NULL, false},
	{"nobody is met for certain", "bind 0.0.0.0 R", "BOUND 10.0.0.1 R?|BOUND 10.0.0.2 R?",
	 TRI_UNKNOWN, "0 1", "", false},
};

static void test_unordered_row(void **state)
{
	const struct chain_row *row = *state;
	struct bind_request req = text_request(row->binder);
	struct verdict verdict;
	struct snapshot snap;
	char text[256];

	text_snapshot(row->socks, K_6_18, &snap);
	snap.protocol = PROTO_UDP;
	snap.evidence = EVIDENCE_DIAG;
	assert_int_equal(rules__judge(&snap, &req, row->as_refused, &verdict), 0);
	assert_string_equal(text_tri(verdict.refused), text_tri(row->refused));
	assert_string_equal(text_blockers(&verdict, text, sizeof(text)), row->blockers);
	assert_int_equal(verdict__explain(&verdict, &snap, &req), 0);
	if (row->fixes)
		assert_string_equal(text_fixes(&verdict, text, sizeof(text)), row->fixes);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- remedies ----------------------------------------------------------------------------- */

struct fix_row {
	const char *name;
	const char *binder, *socks;
	const char *fixes;
};

static const struct fix_row fix_rows[] = {
	{"a stub resolver", "bind 0.0.0.0", "BOUND 127.0.0.53 locked", "close both:R both:P"},
	{"an mDNS daemon", "bind 0.0.0.0", "BOUND 0.0.0.0 R locked", "binder:R close both:P"},
	{"R on the second one only", "bind 0.0.0.0 R", "BOUND 0.0.0.0 locked",
	 "close blocker:R both:P"},
	{"dual stack", "bind ::", "BOUND 0.0.0.0", "binder:V close both:R both:P"},
	{"dual stack, the other one", "bind 0.0.0.0", "BOUND ::", "blocker:V close both:R both:P"},
	{"another user", "bind 0.0.0.0 P uid=1000", "BOUND 0.0.0.0 P uid=33",
	 "close both:R uid:33"},
	{"its own group", "bind 0.0.0.0 P group", "BOUND 0.0.0.0 P", "close both:R detach"},
	{"a kernel socket", "bind 0.0.0.0", "BOUND 0.0.0.0 kern locked", "close"},
	{"in flight", "bind 0.0.0.0", "BOUND 0.0.0.0 holder=detached", "close both:R both:P"},
	{"a port of the kernel's choice", "bind 0.0.0.0 port=40000", "BOUND 0.0.0.0",
	 "close both:R both:P sysctl"},
	{"...connected", "bind 0.0.0.0 port=40000", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/53",
	 "close both:R both:P sysctl"},
	{"...of one only", "bind 0.0.0.0 port=40000", "BOUND 10.0.0.1|BOUND 10.0.0.2 locked",
	 "close both:R both:P"},
	{"...outside the range", "bind 0.0.0.0 port=100", "BOUND 0.0.0.0", "close both:R both:P"},
};

static void test_fix_row(void **state)
{
	const struct fix_row *row = *state;
	char text[256];
	struct snapshot snap;
	struct verdict verdict = explain(row->binder, row->socks, K_6_18, false, &snap);

	assert_string_equal(cause__name(verdict.cause), "udp_holder");
	assert_string_equal(text_fixes(&verdict, text, sizeof(text)), row->fixes);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- the rest ----------------------------------------------------------------------------- */

/* Buckets are TCP's: one that would let pass, or another VRF's, does not count. */
static void test_no_bucket(void **state)
{
	struct bind_request req = text_request("bind 0.0.0.0 R");
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("BOUND 0.0.0.0 bucket=1", K_5_10, &snap);
	snap.protocol = PROTO_UDPLITE;
	snapshot__add_bucket(&snap)->fastreuse = 1;
	snapshot__add_bucket(&snap)->l3mdev = 9;
	assert_int_equal(rules__judge(&snap, &req, false, &verdict), 0);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_int_equal(verdict.n_definite, 1);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* A wildcard in a crowded slot: is what refuses found on the shorter path, too? */
static void test_may_miss(void **state)
{
	static const struct {
		const char *binder, *socks;
		uint32_t protocol, crowd;
		bool may_miss;
	} rows[] = {
		{"bind 0.0.0.0", "BOUND 10.0.0.1", PROTO_UDP, 11, true},
		{"bind ::", "BOUND 10.0.0.1", PROTO_UDPLITE, 11, true},
		{"bind 0.0.0.0", "BOUND 10.0.0.1", PROTO_UDP, 10, false},
		{"bind 0.0.0.0", "BOUND 10.0.0.1", PROTO_TCP, 11, false},
		{"bind 10.0.0.1", "BOUND 10.0.0.1", PROTO_UDP, 11, false},
		{"bind 0.0.0.0", "BOUND 10.0.0.1|BOUND 0.0.0.0", PROTO_UDP, 11, false},
		{"bind 0.0.0.0 R", "BOUND 10.0.0.1|BOUND 0.0.0.0 R", PROTO_UDP, 11, true},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct bind_request req = text_request(rows[i].binder);
		struct snapshot snap;

		text_snapshot(rows[i].socks, K_6_12, &snap);
		snap.protocol = rows[i].protocol;
		snap.udp_slot_socks = rows[i].crowd;
		if (rules__may_miss(&snap, &req) != rows[i].may_miss)
			fail_msg("%s among %s", rows[i].binder, rows[i].socks);
		snapshot__free(&snap);
	}
}

/* Against a second formulation of the loop, and every completion of what is not known. */
static void test_random_ports(void **state)
{
	const int what = CHECK_RULES | CHECK_EXPLAIN;

	for (uint64_t seed = 1; seed <= 20000; seed++) {
		const char *broken = model_case__check_seed(seed, what, CASE_UDP);

		if (broken)
			fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
	}
}

int main(void)
{
	struct test_list list = {0};

	test_list__add_rows(&list, "pair", test_pair_row, pair_rows);
	test_list__add_rows(&list, "chain", test_chain_row, chain_rows);
	test_list__add_rows(&list, "any order", test_unordered_row, unordered_rows);
	test_list__add_rows(&list, "fixes", test_fix_row, fix_rows);
	test_list__add(&list, "no buckets", test_no_bucket, NULL);
	test_list__add(&list, "the kernel may miss it", test_may_miss, NULL);
	test_list__add(&list, "random ports", test_random_ports, NULL);
	return test_list__run(&list, "udp");
}
