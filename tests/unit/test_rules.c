/* SPDX-License-Identifier: GPL-2.0-only */
/* The conflict test against tables of sockets that meet, for every kernel of the matrix. */
#include "model_text.h"
#include "model_cases.h"

#define ALL_KERNELS ((1u << N_KERNELS) - 1)
#define ON(kernel)  (1u << (kernel))

/* ---- addresses ---------------------------------------------------------------------------- */

/* A specific IPv6 address that was bound is v6only; one that was connected is not. */
static const char *const addr_columns[] = {
	"0.0.0.0", "10.0.0.1", "::", ":: V", "fd00::1 V", "::ffff:10.0.0.1", "::ffff:0.0.0.0",
};

static const char *const overlap_table[] = {
	"XXX..XX", /* 0.0.0.0 */
	"XXX..XX", /* 10.0.0.1 */
	"XXXXXXX", /* :: */
	"..XXX..", /* :: V */
	"..XXX..", /* fd00::1 */
	"XXX..XX", /* ::ffff:10.0.0.1 */
	"XXX..XX", /* ::ffff:0.0.0.0 */
};

struct overlap_cell {
	int row, column;
};

static enum tri overlap_of(int kernel, const char *binder, const char *existing)
{
	struct bind_request req = text_request(binder);
	struct snap_sock sock = text_sock(existing);

	return rules__addr_overlap(&kernels[kernel].rules, &req, &sock);
}

static void test_overlap_cell(void **state)
{
	const struct overlap_cell *cell = *state;

	for (int kernel = 0; kernel < N_KERNELS; kernel++) {
		bool expected = overlap_table[cell->row][cell->column] == 'X';

		if (kernel == K_6_1 && cell->row == 5 && cell->column == 6)
			expected = false; /* mapped_any_quirk */
		if (overlap_of(kernel, addr_columns[cell->row], addr_columns[cell->column]) !=
		    (enum tri)expected)
			fail_msg("%s: expected %d", kernels[kernel].name, expected);
	}
}

static void add_overlap_table(struct test_list *list)
{
	static struct overlap_cell cells[7 * 7];
	char name[128];

	for (int row = 0; row < 7; row++) {
		for (int column = 0; column < 7; column++) {
			struct overlap_cell *cell = &cells[row * 7 + column];

			*cell = (struct overlap_cell){row, column};
			snprintf(name, sizeof(name), "overlap: %s against %s", addr_columns[row],
				 addr_columns[column]);
			test_list__add(list, name, test_overlap_cell, cell);
		}
	}
}

struct overlap_row {
	const char *name;
	const char *binder, *existing;
	enum tri expected[N_KERNELS];
};

#define EVERYWHERE(x)                                                                              \
	{                                                                                          \
		x, x, x, x                                                                         \
	}

static const struct overlap_row overlap_rows[] = {
	{"other IPv4 address", "10.0.0.1", "10.0.0.2", EVERYWHERE(TRI_NO)},
	{"other IPv6 address", "fd00::1", "fd00::2 V", EVERYWHERE(TRI_NO)},
	{"other mapped address", "::ffff:10.0.0.1", "::ffff:10.0.0.2", EVERYWHERE(TRI_NO)},
	{"mapped against the other IPv4", "::ffff:10.0.0.1", "10.0.0.2", EVERYWHERE(TRI_NO)},
	{"IPv4 wildcard meets an IPv6 connection", "0.0.0.0", "ESTABLISHED fd00::1",
	 EVERYWHERE(TRI_YES)},
	{"IPv4 wildcard meets an IPv6 TIME_WAIT", "0.0.0.0", "TIME_WAIT fd00::1",
	 EVERYWHERE(TRI_YES)},
	{"mapped wildcard does not", "::ffff:0.0.0.0", "ESTABLISHED fd00::1", EVERYWHERE(TRI_NO)},
	{"IPv4 address does not", "10.0.0.1", "ESTABLISHED fd00::1", EVERYWHERE(TRI_NO)},
	{"127.0.0.6 meets it without bhash2",
	 "127.0.0.6",
	 "ESTABLISHED fd00::1",
	 {TRI_YES, TRI_NO, TRI_NO, TRI_NO}},
	{"127.0.0.6 meets 127.0.0.6", "127.0.0.6", "127.0.0.6", EVERYWHERE(TRI_YES)},
	{"mapped 127.0.0.6 meets 127.0.0.6", "::ffff:127.0.0.6", "127.0.0.6", EVERYWHERE(TRI_YES)},
	{"IPv6 address meets the connection on it", "fd00::1", "ESTABLISHED fd00::1",
	 EVERYWHERE(TRI_YES)},
	{"v6only wildcard meets a connection", ":: V", "ESTABLISHED fd00::1", EVERYWHERE(TRI_YES)},
	{"v6only unknown, IPv4 binder", "0.0.0.0", ":: V?", EVERYWHERE(TRI_UNKNOWN)},
	{"v6only unknown, mapped binder", "::ffff:10.0.0.1", ":: V?", EVERYWHERE(TRI_UNKNOWN)},
	{"v6only unknown, IPv6 binder: no matter", "fd00::1", ":: V?", EVERYWHERE(TRI_YES)},
	{"v6only unknown, wildcard binder: no matter", "::", ":: V?", EVERYWHERE(TRI_YES)},
	{"v6only unknown, other address: no matter", "fd00::2", "fd00::1 V?", EVERYWHERE(TRI_NO)},
	{"v6only unknown on IPv4: no matter", "0.0.0.0", "10.0.0.1 V?", EVERYWHERE(TRI_YES)},
};

static void test_overlap_row(void **state)
{
	const struct overlap_row *row = *state;

	for (int kernel = 0; kernel < N_KERNELS; kernel++) {
		enum tri overlap = overlap_of(kernel, row->binder, row->existing);

		if (overlap != row->expected[kernel])
			fail_msg("%s: %s", kernels[kernel].name, text_tri(overlap));
	}
}

/* inet_diag has no sk_rcv_saddr: the word that an IPv6 connection must have is filled in. */
static void test_overlap_without_word(void **state)
{
	struct bind_request req = text_request("0.0.0.0");
	struct snap_sock sock = text_sock("ESTABLISHED fd00::1");

	sock.v4_word_be = 0;
	assert_int_equal(rules__addr_overlap(&kernels[K_6_12].rules, &req, &sock), TRI_YES);
	req = text_request("10.0.0.1");
	assert_int_equal(rules__addr_overlap(&kernels[K_5_10].rules, &req, &sock), TRI_NO);
}

/* 6.1: the family of an address bucket is that of its first socket, not of each. */
static void test_overlap_in_bucket(void **state)
{
	struct bind_request req = text_request("::ffff:10.0.0.1");
	struct snap_sock sock = text_sock("::ffff:0.0.0.0");

	req.v4_word_be = htonl(0x0a000001);
	assert_int_equal(rules__addr_overlap(&kernels[K_6_1].rules, &req, &sock), TRI_NO);
	sock.addr_bucket_family = AF_INET6;
	assert_int_equal(rules__addr_overlap(&kernels[K_6_1].rules, &req, &sock), TRI_NO);
	sock.addr_bucket_family = AF_INET;
	assert_int_equal(rules__addr_overlap(&kernels[K_6_1].rules, &req, &sock), TRI_YES);
}

/* ---- options and users -------------------------------------------------------------------- */

struct pair_row {
	const char *name;
	uint32_t on; /* kernels */
	const char *binder, *existing;
	enum tri expected;
	const char *rules;
};

static const struct pair_row pair_rows[] = {
	/* SO_REUSEADDR */
	{"plain against bound", ALL_KERNELS, "bind 0.0.0.0", "BOUND 0.0.0.0", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr"},
	{"R against bound", ALL_KERNELS, "bind 0.0.0.0 R", "BOUND 0.0.0.0", TRI_YES,
	 "blocker_lacks_reuseaddr"},
	{"plain against bound R", ALL_KERNELS, "bind 0.0.0.0", "BOUND 0.0.0.0 R", TRI_YES,
	 "binder_lacks_reuseaddr"},
	{"R against bound R", ALL_KERNELS, "bind 0.0.0.0 R", "BOUND 0.0.0.0 R", TRI_NO, ""},
	{"R against LISTEN R", ALL_KERNELS, "bind 0.0.0.0 R", "LISTEN 0.0.0.0 R", TRI_YES,
	 "listening"},
	{"plain against LISTEN", ALL_KERNELS, "bind 0.0.0.0", "LISTEN 0.0.0.0", TRI_YES,
	 "listening"},
	{"R against TIME_WAIT", ALL_KERNELS, "bind 0.0.0.0 R", "TIME_WAIT 127.0.0.1", TRI_YES,
	 "blocker_lacks_reuseaddr"},
	{"R against TIME_WAIT R", ALL_KERNELS, "bind 0.0.0.0 R", "TIME_WAIT 127.0.0.1 R", TRI_NO,
	 ""},
	{"R against ESTABLISHED R", ALL_KERNELS, "bind 0.0.0.0 R", "ESTABLISHED 127.0.0.1 R",
	 TRI_NO, ""},
	{"listen R against bound R", ALL_KERNELS, "listen 0.0.0.0 R", "BOUND 0.0.0.0 R", TRI_NO,
	 ""},
	{"listen R against LISTEN R", ALL_KERNELS, "listen 0.0.0.0 R", "LISTEN 0.0.0.0 R", TRI_YES,
	 "listening"},
	{"force against bound R", ALL_KERNELS, "bind 0.0.0.0 force", "BOUND 0.0.0.0 R", TRI_NO, ""},
	{"R against bound force", ALL_KERNELS, "bind 0.0.0.0 R", "BOUND 0.0.0.0 force", TRI_NO, ""},
	/* SO_REUSEPORT */
	{"P against LISTEN", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN 0.0.0.0", TRI_YES,
	 "listening blocker_lacks_reuseport"},
	{"plain against LISTEN P", ALL_KERNELS, "bind 0.0.0.0", "LISTEN 0.0.0.0 P", TRI_YES,
	 "listening binder_lacks_reuseport"},
	{"P against LISTEN P", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN 0.0.0.0 P", TRI_NO, ""},
	{"P against bound P", ALL_KERNELS, "bind 0.0.0.0 P", "BOUND 0.0.0.0 P", TRI_NO, ""},
	{"P against bound R", ALL_KERNELS, "bind 0.0.0.0 P", "BOUND 0.0.0.0 R", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseport"},
	{"R against bound P", ALL_KERNELS, "bind 0.0.0.0 R", "BOUND 0.0.0.0 P", TRI_YES,
	 "blocker_lacks_reuseaddr binder_lacks_reuseport"},
	{"P against LISTEN P of another user", ALL_KERNELS, "bind 0.0.0.0 P uid=1",
	 "LISTEN 0.0.0.0 P uid=2", TRI_YES, "listening reuseport_uid_differs"},
	{"P against bound P of another user", ALL_KERNELS, "bind 0.0.0.0 P uid=1",
	 "BOUND 0.0.0.0 P uid=2", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_uid_differs"},
	{"R P against bound R P of another user", ALL_KERNELS, "bind 0.0.0.0 R P uid=1",
	 "BOUND 0.0.0.0 R P uid=2", TRI_NO, ""},
	{"P against TIME_WAIT P: no user", ALL_KERNELS, "bind 0.0.0.0 P uid=1",
	 "TIME_WAIT 127.0.0.1 P", TRI_NO, ""},
	{"P against FIN_WAIT2 kept as time-wait", ALL_KERNELS, "bind 0.0.0.0 P uid=1",
	 "TW_FIN_WAIT2 127.0.0.1 P", TRI_NO, ""},
	{"P against TIME_WAIT R", ALL_KERNELS, "bind 0.0.0.0 P", "TIME_WAIT 127.0.0.1 R", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseport"},
	/* whose uid */
	{"sk_uid differs, inode's not", ON(K_5_10) | ON(K_6_1) | ON(K_6_12),
	 "bind 0.0.0.0 P uid=1000", "ESTABLISHED 127.0.0.1 P sk_uid=1 inode_uid=1000", TRI_NO, ""},
	{"sk_uid differs, inode's not, since 6.17", ON(K_6_18), "bind 0.0.0.0 P uid=1000",
	 "ESTABLISHED 127.0.0.1 P sk_uid=1 inode_uid=1000", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_uid_differs"},
	{"not accepted yet: inode uid 0", ON(K_5_10) | ON(K_6_1) | ON(K_6_12),
	 "bind 0.0.0.0 P uid=1000", "ESTABLISHED 127.0.0.1 P sk_uid=1000 inode_uid=0", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr reuseport_uid_differs"},
	{"not accepted yet, since 6.17", ON(K_6_18), "bind 0.0.0.0 P uid=1000",
	 "ESTABLISHED 127.0.0.1 P sk_uid=1000 inode_uid=0", TRI_NO, ""},
	{"the binder's inode uid", ON(K_6_12), "bind 0.0.0.0 P sk_uid=7 inode_uid=1000",
	 "LISTEN 0.0.0.0 P sk_uid=8 inode_uid=1000", TRI_NO, ""},
	{"the binder's sk_uid", ON(K_6_18), "bind 0.0.0.0 P sk_uid=7 inode_uid=1000",
	 "LISTEN 0.0.0.0 P sk_uid=7 inode_uid=8", TRI_NO, ""},
	/* reuseport groups */
	{"in a group of its own", ALL_KERNELS, "bind 0.0.0.0 P group", "LISTEN 0.0.0.0 P", TRI_YES,
	 "listening reuseport_group"},
	{"group and user", ALL_KERNELS, "bind 0.0.0.0 P group uid=1", "LISTEN 0.0.0.0 P uid=2",
	 TRI_YES, "listening reuseport_uid_differs reuseport_group"},
	{"group with a closed member", ON(K_5_10), "bind 0.0.0.0 P closed_group",
	 "LISTEN 0.0.0.0 P", TRI_YES, "listening reuseport_group"},
	{"group with a closed member, newer", ON(K_6_1) | ON(K_6_12) | ON(K_6_18),
	 "bind 0.0.0.0 P closed_group", "LISTEN 0.0.0.0 P", TRI_NO, ""},
	{"group does not matter to R", ALL_KERNELS, "bind 0.0.0.0 R P group", "BOUND 0.0.0.0 R",
	 TRI_NO, ""},
	/* devices and addresses */
	{"same device", ALL_KERNELS, "bind 0.0.0.0 dev=3", "BOUND 0.0.0.0 dev=3", TRI_YES,
	 "binder_lacks_reuseaddr blocker_lacks_reuseaddr"},
	{"other device", ALL_KERNELS, "bind 0.0.0.0 dev=3", "BOUND 0.0.0.0 dev=4", TRI_NO, ""},
	{"device on the blocker only", ALL_KERNELS, "bind 0.0.0.0", "LISTEN 0.0.0.0 dev=4", TRI_YES,
	 "listening"},
	{"device on the binder only", ALL_KERNELS, "bind 0.0.0.0 dev=3", "LISTEN 0.0.0.0", TRI_YES,
	 "listening"},
	{"other address", ALL_KERNELS, "bind 10.0.0.1", "LISTEN 10.0.0.2", TRI_NO, ""},
	{"itself", ALL_KERNELS, "listen 0.0.0.0 self=7", "LISTEN 0.0.0.0 id=7", TRI_NO, ""},
	{"not itself", ALL_KERNELS, "listen 0.0.0.0 self=7", "LISTEN 0.0.0.0 id=8", TRI_YES,
	 "listening"},
	{"no self, no id", ALL_KERNELS, "bind 0.0.0.0", "LISTEN 0.0.0.0 id=0", TRI_YES,
	 "listening"},
	/* not known */
	{"R unknown, R binder", ALL_KERNELS, "bind 0.0.0.0 R", "TIME_WAIT 127.0.0.1 R?",
	 TRI_UNKNOWN, "blocker_lacks_reuseaddr"},
	{"R unknown, plain binder", ALL_KERNELS, "bind 0.0.0.0", "TIME_WAIT 127.0.0.1 R? P?",
	 TRI_YES, "binder_lacks_reuseaddr"},
	{"R unknown of a listener", ALL_KERNELS, "bind 0.0.0.0 R", "LISTEN 0.0.0.0 R?", TRI_YES,
	 "listening"},
	{"R unknown, P certain", ALL_KERNELS, "bind 0.0.0.0 R P", "BOUND 0.0.0.0 R? P", TRI_NO, ""},
	{"P unknown", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN 0.0.0.0 P?", TRI_UNKNOWN,
	 "listening blocker_lacks_reuseport"},
	{"P unknown, user differs", ALL_KERNELS, "bind 0.0.0.0 P uid=1", "LISTEN 0.0.0.0 P? uid=2",
	 TRI_YES, "listening reuseport_uid_differs"},
	{"P unknown, group", ALL_KERNELS, "bind 0.0.0.0 P group", "LISTEN 0.0.0.0 P?", TRI_YES,
	 "listening reuseport_group"},
	{"user unknown", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN 0.0.0.0 P uid?", TRI_UNKNOWN,
	 "listening reuseport_uid_differs"},
	{"user unknown, P missing", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN 0.0.0.0 uid?", TRI_YES,
	 "listening blocker_lacks_reuseport"},
	{"user and P unknown", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN 0.0.0.0 P? uid?", TRI_UNKNOWN,
	 "listening blocker_lacks_reuseport reuseport_uid_differs"},
	{"user unknown, group", ALL_KERNELS, "bind 0.0.0.0 P group", "LISTEN 0.0.0.0 P uid?",
	 TRI_YES, "listening reuseport_group"},
	{"v6only unknown", ALL_KERNELS, "bind 0.0.0.0", "LISTEN :: V?", TRI_UNKNOWN, "listening"},
	{"v6only unknown, reuse certain", ALL_KERNELS, "bind 0.0.0.0 P", "LISTEN :: V? P", TRI_NO,
	 ""},
};

static void test_pair_row(void **state)
{
	const struct pair_row *row = *state;
	char names[256];
	uint32_t rules = 0;

	for (int kernel = 0; kernel < N_KERNELS; kernel++) {
		struct bind_request req = text_request(row->binder);
		struct snap_sock sock = text_sock(row->existing);
		enum tri refused;

		if (!(row->on & ON(kernel)))
			continue;
		refused = rules__pair(&kernels[kernel].rules, &req, &sock, &rules);
		if (refused != row->expected)
			fail_msg("%s: %s", kernels[kernel].name, text_tri(refused));
		assert_string_equal(text_rules(rules, names, sizeof(names)), row->rules);
		assert_int_equal(rules__pair(&kernels[kernel].rules, &req, &sock, NULL), refused);
	}
}

/* ---- the bucket --------------------------------------------------------------------------- */

struct bucket_row {
	const char *name;
	const char *binder;
	int fastreuse, fastreuseport;
	const char *stored; /* fast address, V for fast_ipv6only */
	uint32_t fastuid;
	bool passes;
};

static const struct bucket_row bucket_rows[] = {
	{"no mark", "bind 0.0.0.0 R P", 0, 0, "0.0.0.0", 0, false},
	{"made by connect()", "bind 0.0.0.0 R P", -1, -1, "0.0.0.0", 0, false},
	{"fastreuse", "bind 0.0.0.0 R", 1, 0, "0.0.0.0", 0, true},
	{"fastreuse, binder without R", "bind 0.0.0.0", 1, 0, "0.0.0.0", 0, false},
	{"fastreuse, listen()", "listen 0.0.0.0 R", 1, 0, "0.0.0.0", 0, false},
	{"TCP_REPAIR", "bind 0.0.0.0 force", 0, 0, "0.0.0.0", 0, true},
	{"TCP_REPAIR, listen()", "listen 0.0.0.0 force", 0, 0, "0.0.0.0", 0, true},
	{"ANY", "bind 10.0.0.1 P", 0, 1, "10.0.0.2", 0, true},
	{"ANY, listen()", "listen 10.0.0.1 P", 0, 1, "10.0.0.2", 0, true},
	{"ANY, binder without P", "bind 10.0.0.1 R", 0, 1, "10.0.0.1", 0, false},
	{"ANY, another user", "bind 10.0.0.1 P uid=1", 0, 1, "10.0.0.1", 0, false},
	{"ANY, fchown'ed", "bind 10.0.0.1 P sk_uid=1 inode_uid=0", 0, 1, "10.0.0.1", 0, false},
	{"ANY, no inode", "bind 10.0.0.1 P sk_uid=0 inode_uid=1", 0, 1, "10.0.0.1", 0, false},
	{"ANY, group", "bind 10.0.0.1 P group", 0, 1, "10.0.0.1", 0, false},
	{"ANY, group with a closed member", "bind 10.0.0.1 P closed_group", 0, 1, "10.0.0.1", 0,
	 false},
	{"STRICT, same address", "bind 10.0.0.1 P", 0, 2, "10.0.0.1", 0, true},
	{"STRICT, other address", "bind 10.0.0.1 P", 0, 2, "10.0.0.2", 0, false},
	{"STRICT, stored ::, v6only binder", "bind :: P V", 0, 2, "::", 0, true},
	{"STRICT, IPv6 address, stored ::", "bind fd00::1 P", 0, 2, "::", 0, true},
	{"STRICT, stored wildcard", "bind 10.0.0.1 P", 0, 2, "0.0.0.0", 0, true},
	{"STRICT, binder wildcard", "bind 0.0.0.0 P", 0, 2, "10.0.0.1", 0, false},
	{"STRICT, both wildcards", "bind 0.0.0.0 P", 0, 2, "0.0.0.0", 0, true},
	{"STRICT, mapped like IPv4", "bind ::ffff:10.0.0.1 P", 0, 2, "10.0.0.1", 0, true},
	{"STRICT, stored :: takes IPv4", "bind 10.0.0.1 P", 0, 2, "::", 0, true},
	{"STRICT, stored :: is v6only", "bind 10.0.0.1 P", 0, 2, ":: V", 0, false},
	{"STRICT, stored IPv6", "bind fd00::1 P", 0, 2, "fd00::1 V", 0, true},
	{"STRICT, binder ::", "bind :: P", 0, 2, "fd00::1 V", 0, false},
	{"STRICT, both ::", "bind :: P", 0, 2, ":: V", 0, true},
};

static struct snap_bucket bucket_of_row(const struct bucket_row *row)
{
	struct bind_request stored = text_request(row->stored);
	struct snap_bucket bucket = {
		.fastreuse = row->fastreuse,
		.fastreuseport = row->fastreuseport,
		.fastuid = row->fastuid,
		.fast_family = stored.family,
		.fast_ipv6only = stored.v6only,
		.fast_v6 = stored.addr,
		.fast_v4_be = stored.v4_word_be,
	};

	if (stored.family == AF_INET) {
		memcpy(&bucket.fast_v4_be, stored.addr.bytes, 4);
		memset(&bucket.fast_v6, 0, sizeof(bucket.fast_v6));
	}
	return bucket;
}

static void test_bucket_row(void **state)
{
	const struct bucket_row *row = *state;
	struct bind_request req = text_request(row->binder);
	struct snap_bucket bucket = bucket_of_row(row);

	assert_int_equal(rules__bucket_passes(&req, &bucket), row->passes);
}

/* ---- the whole port ----------------------------------------------------------------------- */

static struct verdict judge(const struct snapshot *snap, const char *binder, bool as_refused)
{
	struct bind_request req = text_request(binder);
	struct verdict verdict;

	assert_int_equal(rules__judge(snap, &req, as_refused, &verdict), 0);
	return verdict;
}

static void test_empty_port(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("", K_6_12, &snap);
	verdict = judge(&snap, "bind 0.0.0.0", false);
	assert_int_equal(verdict.refused, TRI_NO);
	assert_false(verdict.by_bucket);
	verdict = judge(&snap, "bind 0.0.0.0", true);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_int_equal(verdict.n_blockers, 0);
	assert_null(verdict.blockers);
	verdict__free(&verdict);
	verdict__free(NULL);
	snapshot__free(&snap);
}

static void test_blocker_order(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("TIME_WAIT 127.0.0.1 R?|LISTEN 10.0.0.1 R|BOUND 10.0.0.2 R|TIME_WAIT "
		      "127.0.0.2 R?|BOUND 10.0.0.1",
		      K_6_12, &snap);
	verdict = judge(&snap, "bind 0.0.0.0 R", false);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_int_equal(verdict.n_blockers, 4);
	assert_int_equal(verdict.n_definite, 2);
	assert_int_equal(verdict.blockers[0].sock, 1);
	assert_int_equal(verdict.blockers[0].rules, RULE_LISTENING);
	assert_int_equal(verdict.blockers[1].sock, 4);
	assert_int_equal(verdict.blockers[2].sock, 0);
	assert_int_equal(verdict.blockers[3].sock, 3);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

static void test_unknown_port(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("TIME_WAIT 127.0.0.1 R?", K_6_12, &snap);
	verdict = judge(&snap, "bind 0.0.0.0 R", false);
	assert_int_equal(verdict.refused, TRI_UNKNOWN);
	assert_int_equal(verdict.n_blockers, 1);
	assert_int_equal(verdict.n_definite, 0);
	verdict__free(&verdict);
	verdict = judge(&snap, "bind 0.0.0.0 R", true);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_int_equal(verdict.n_blockers, 1);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

static void test_vrf(void **state)
{
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("LISTEN 0.0.0.0 bucket=0|LISTEN 0.0.0.0 bucket=1", K_6_12, &snap);
	snapshot__add_bucket(&snap)->l3mdev = 0;
	snapshot__add_bucket(&snap)->l3mdev = 9;

	verdict = judge(&snap, "bind 0.0.0.0", false);
	assert_int_equal(verdict.n_blockers, 1);
	assert_int_equal(verdict.blockers[0].sock, 0);
	verdict__free(&verdict);

	verdict = judge(&snap, "bind 0.0.0.0 dev=5 vrf=9", false);
	assert_int_equal(verdict.n_blockers, 1);
	assert_int_equal(verdict.blockers[0].sock, 1);
	verdict__free(&verdict);

	verdict = judge(&snap, "bind 0.0.0.0 dev=5 vrf=10", false);
	assert_int_equal(verdict.refused, TRI_NO);

	snap.n_buckets = 0; /* diag does not know them */
	verdict = judge(&snap, "bind 0.0.0.0 dev=5 vrf=10", false);
	assert_int_equal(verdict.n_blockers, 2);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

struct shortcut_row {
	const char *name;
	int kernel;
	const char *binder, *socks;
	struct bucket_row bucket;
	bool as_refused;
	enum tri refused;
	bool by_bucket;
};

static const struct shortcut_row shortcut_rows[] = {
	{"sticky fastreuse",
	 K_5_10,
	 "bind 0.0.0.0 R",
	 "BOUND 0.0.0.0",
	 {.fastreuse = 1, .stored = "0.0.0.0"},
	 false,
	 TRI_NO,
	 true},
	{"the kernel refused all the same",
	 K_5_10,
	 "bind 0.0.0.0 R",
	 "BOUND 0.0.0.0",
	 {.fastreuse = 1, .stored = "0.0.0.0"},
	 true,
	 TRI_YES,
	 false},
	{"listen() does not take it",
	 K_5_10,
	 "listen 0.0.0.0 R",
	 "BOUND 0.0.0.0",
	 {.fastreuse = 1, .stored = "0.0.0.0"},
	 false,
	 TRI_YES,
	 false},
	{"pairs agree anyway",
	 K_5_10,
	 "bind 0.0.0.0 R",
	 "BOUND 0.0.0.0 R",
	 {.fastreuse = 1, .stored = "0.0.0.0"},
	 false,
	 TRI_NO,
	 false},
	{"unknown pair, certain bucket",
	 K_5_10,
	 "bind 0.0.0.0 R",
	 "BOUND 0.0.0.0 R?",
	 {.fastreuse = 1, .stored = "0.0.0.0"},
	 false,
	 TRI_NO,
	 false},
	{"fastuid is the inode's",
	 K_6_12,
	 "bind 0.0.0.0 P sk_uid=5 inode_uid=6",
	 "LISTEN 0.0.0.0 P uid=7",
	 {.fastreuseport = 1, .fastuid = 6, .stored = "0.0.0.0"},
	 false,
	 TRI_NO,
	 true},
	{"fastuid is the socket's",
	 K_6_18,
	 "bind 0.0.0.0 P sk_uid=5 inode_uid=6",
	 "LISTEN 0.0.0.0 P uid=7",
	 {.fastreuseport = 1, .fastuid = 5, .stored = "0.0.0.0"},
	 false,
	 TRI_NO,
	 true},
	{"fastuid is neither",
	 K_6_18,
	 "bind 0.0.0.0 P sk_uid=5 inode_uid=6",
	 "LISTEN 0.0.0.0 P uid=7",
	 {.fastreuseport = 1, .fastuid = 6, .stored = "0.0.0.0"},
	 false,
	 TRI_YES,
	 false},
	{"another VRF's bucket",
	 K_5_10,
	 "bind 0.0.0.0 R vrf=3",
	 "BOUND 0.0.0.0 bucket=9",
	 {.fastreuse = 1, .stored = "0.0.0.0"},
	 false,
	 TRI_YES,
	 false},
	{"TCP_REPAIR",
	 K_6_12,
	 "bind 0.0.0.0 force",
	 "LISTEN 0.0.0.0",
	 {.stored = "0.0.0.0"},
	 false,
	 TRI_NO,
	 true},
};

static void test_shortcut_row(void **state)
{
	const struct shortcut_row *row = *state;
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot(row->socks, row->kernel, &snap);
	*snapshot__add_bucket(&snap) = bucket_of_row(&row->bucket);
	verdict = judge(&snap, row->binder, row->as_refused);
	assert_int_equal(verdict.refused, row->refused);
	assert_int_equal(verdict.by_bucket, row->by_bucket);
	assert_int_equal(verdict.cause, row->by_bucket ? CAUSE_BUCKET : CAUSE_NONE);
	assert_int_equal(!!verdict.n_blockers, row->refused != TRI_NO);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- random ports ------------------------------------------------------------------------- */

/* Against a second formulation of the rules, and every completion of what is not known. */
static void test_random_ports(void **state)
{
	for (uint64_t seed = 1; seed <= 20000; seed++) {
		const char *broken = model_case__check_seed(seed, CHECK_RULES, CASE_TCP);

		if (broken)
			fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
	}
}

static void test_names(void **state)
{
	for (int i = 0; i < N_RULES; i++)
		assert_string_not_equal(rule__name(1u << i), "unknown");
	assert_string_equal(rule__name(RULE_SAME_TUPLE), "same_tuple");
	assert_string_equal(rule__name(0), "unknown");
	assert_string_equal(rule__name(1u << N_RULES), "unknown");
	assert_string_equal(evidence__name(EVIDENCE_EXACT), "exact");
	assert_string_equal(evidence__name(EVIDENCE_NONE), "none");
	assert_string_equal(evidence__name(99), "unknown");
}

int main(void)
{
	struct test_list list = {0};

	add_overlap_table(&list);
	test_list__add_rows(&list, "overlap", test_overlap_row, overlap_rows);
	test_list__add(&list, "overlap: no word from inet_diag", test_overlap_without_word, NULL);
	test_list__add(&list, "overlap: by the bucket's family", test_overlap_in_bucket, NULL);
	test_list__add_rows(&list, "pair", test_pair_row, pair_rows);
	test_list__add_rows(&list, "bucket", test_bucket_row, bucket_rows);
	test_list__add_rows(&list, "shortcut", test_shortcut_row, shortcut_rows);
	test_list__add(&list, "judge: empty port", test_empty_port, NULL);
	test_list__add(&list, "judge: definite blockers first", test_blocker_order, NULL);
	test_list__add(&list, "judge: depends on an unknown flag", test_unknown_port, NULL);
	test_list__add(&list, "judge: VRFs", test_vrf, NULL);
	test_list__add(&list, "judge: random ports", test_random_ports, NULL);
	test_list__add(&list, "names", test_names, NULL);
	return test_list__run(&list, "rules");
}
