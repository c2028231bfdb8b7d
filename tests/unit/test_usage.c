/* SPDX-License-Identifier: GPL-2.0-only */
/* How full a range of ports is, for the call that found none. */
#include "model_text.h"
#include "model_cases.h"

#include <time.h>

#define LOW  40000
#define HIGH 40009
#define TO   " peer=10.0.0.9/443"

static const uint8_t reserved_two[65536 / 8] = {[40008 / 8] = 3}; /* 40008 and 40009 */

struct usage_row {
	const char *name;
	uint32_t protocol;
	const char *call, *socks;
	const char *sums; /* taken bound same_peer reusable shareable */
};

static const struct usage_row usage_rows[] = {
	{"an empty range", PROTO_TCP, "bind 0.0.0.0", "", "0 0 0 0 0"},
	/* a bind to port 0 */
	{"any overlap, whatever the options", PROTO_TCP, "bind 0.0.0.0 R P",
	 "LISTEN 0.0.0.0 R P port=40000 bucket=1|TIME_WAIT 10.0.0.1 R port=40001", "2 1 0 0 0"},
	{"another address", PROTO_TCP, "bind 10.0.0.1", "BOUND 10.0.0.2 port=40000 bucket=1",
	 "0 0 0 0 0"},
	{"another device", PROTO_TCP, "bind 0.0.0.0 dev=3", "BOUND 0.0.0.0 dev=4 port=40000",
	 "0 0 0 0 0"},
	{"v6only", PROTO_TCP, "listen 0.0.0.0", "LISTEN :: V port=40000|LISTEN :: port=40001",
	 "1 0 0 0 0"},
	{"a port counts once", PROTO_TCP, "bind 0.0.0.0",
	 "ESTABLISHED 10.0.0.1 port=40003" TO "|ESTABLISHED 10.0.0.1 port=40003" TO
	 "|ESTABLISHED 10.0.0.2 port=40004" TO,
	 "2 0 0 0 0"},
	{"the ends of the range", PROTO_TCP, "bind 0.0.0.0",
	 "BOUND 0.0.0.0 port=39999|BOUND 0.0.0.0 port=40000|BOUND 0.0.0.0 port=40007|BOUND 0.0.0.0 "
	 "port=40010",
	 "2 0 0 0 0"},
	{"a reserved one is not taken", PROTO_TCP, "bind 0.0.0.0",
	 "BOUND 0.0.0.0 port=40008|BOUND 0.0.0.0 port=40007", "1 0 0 0 0"},
	{"itself", PROTO_TCP, "bind 0.0.0.0 self=4", "BOUND 0.0.0.0 port=40000 id=4", "0 0 0 0 0"},
	{"not itself", PROTO_TCP, "bind 0.0.0.0 self=4", "BOUND 0.0.0.0 port=40000 id=5",
	 "1 0 0 0 0"},
	/* connect() */
	{"connected elsewhere", PROTO_TCP, "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 port=40000 peer=10.0.0.8/443", "0 0 0 0 0"},
	{"connected there", PROTO_TCP, "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 port=40000" TO "|TIME_WAIT 10.0.0.1 port=40001" TO, "2 0 2 1 0"},
	{"own address not known", PROTO_TCP, "connect 0.0.0.0" TO,
	 "ESTABLISHED 10.0.0.1 port=40000" TO, "1 0 1 0 0"},
	{"from another address", PROTO_TCP, "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.2 port=40000" TO, "0 0 0 0 0"},
	{"FIN_WAIT2 is never let go", PROTO_TCP, "connect 10.0.0.1" TO,
	 "TW_FIN_WAIT2 10.0.0.1 port=40000" TO, "1 0 1 0 0"},
	{"marked", PROTO_TCP, "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 port=40000 bucket=1 peer=10.0.0.8/443", "1 1 0 0 1"},
	{"marked by who asked for the port", PROTO_TCP, "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 port=40000 bucket=1 locked peer=10.0.0.8/443", "1 1 0 0 0"},
	{"marked by who only bound", PROTO_TCP, "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 port=40000 bucket=1 peer=10.0.0.8/443|BOUND 0.0.0.0 port=40000 "
	 "bucket=1",
	 "1 1 0 0 0"},
	{"marked and connected there", PROTO_TCP, "connect 10.0.0.1" TO,
	 "TIME_WAIT 10.0.0.1 port=40000 bucket=1" TO, "1 1 1 0 0"},
	{"a mark on another address", PROTO_TCP, "connect 10.0.0.1" TO,
	 "LISTEN 10.0.0.2 port=40000 bucket=1", "1 1 0 0 0"},
	/* UDP */
	{"UDP, plain", PROTO_UDP, "autobind 0.0.0.0", "BOUND 0.0.0.0 port=40000", "1 0 0 0 0"},
	{"UDP has no marks", PROTO_UDP, "autobind 0.0.0.0", "BOUND 0.0.0.0 port=40000 bucket=1",
	 "1 0 0 0 0"},
	{"UDP, R on both", PROTO_UDP, "bind 0.0.0.0 R", "BOUND 0.0.0.0 R port=40000", "0 0 0 0 0"},
	{"UDP, P on both", PROTO_UDP, "bind 0.0.0.0 P", "BOUND 0.0.0.0 P port=40000", "0 0 0 0 0"},
	{"UDP, P and one without behind it", PROTO_UDP, "bind 0.0.0.0 P",
	 "BOUND 0.0.0.0 P port=40000|BOUND 0.0.0.0 port=40000", "1 0 0 0 0"},
	{"UDP-Lite", PROTO_UDPLITE, "autobind 0.0.0.0", "BOUND 0.0.0.0 P port=40000", "1 0 0 0 0"},
};

static struct port_usage sum(const struct snapshot *snap, const char *call)
{
	struct bind_request req = text_request(call);
	struct port_usage usage;

	assert_int_equal(usage__sum(snap, &req, reserved_two, &usage), 0);
	return usage;
}

static void range_snapshot(const char *socks, uint32_t protocol, struct snapshot *ret_snap)
{
	text_snapshot(socks, K_6_12, ret_snap);
	ret_snap->protocol = protocol;
	ret_snap->ephemeral_low = LOW;
	ret_snap->ephemeral_high = HIGH;
}

static void test_usage_row(void **state)
{
	const struct usage_row *row = *state;
	struct snapshot snap;
	struct port_usage usage;
	char sums[64];

	range_snapshot(row->socks, row->protocol, &snap);
	usage = sum(&snap, row->call);
	snprintf(sums, sizeof(sums), "%u %u %u %u %u", usage.taken, usage.bound, usage.same_peer,
		 usage.reusable, usage.shareable);
	assert_string_equal(sums, row->sums);
	assert_int_equal(usage.low, LOW);
	assert_int_equal(usage.high, HIGH);
	assert_int_equal(usage.reserved, 2);
	snapshot__free(&snap);
}

static void test_states(void **state)
{
	struct snapshot snap;
	struct port_usage usage;

	range_snapshot("TW_FIN_WAIT2 10.0.0.1 port=40000|TIME_WAIT 10.0.0.1 port=40000|LISTEN "
		       "10.0.0.2 port=40009|ESTABLISHED 10.0.0.1 port=39999",
		       PROTO_TCP, &snap);
	usage = sum(&snap, "bind 10.0.0.1");
	assert_int_equal(usage.sockets, 3);
	assert_int_equal(usage.states[STATE_TIME_WAIT], 2);
	assert_int_equal(usage.states[STATE_LISTEN], 1);
	assert_int_equal(usage.states[STATE_ESTABLISHED], 0);
	assert_int_equal(usage.taken, 1);
	snap.socks[0].state = 200; /* of a recording: no state of today's */
	assert_int_equal(sum(&snap, "bind 10.0.0.1").sockets, 3);
	snapshot__free(&snap);
}

/* Without ip_local_port_range nothing is said. */
static void test_no_range(void **state)
{
	struct snapshot snap;
	struct port_usage usage;

	range_snapshot("LISTEN 0.0.0.0 port=40000", PROTO_TCP, &snap);
	snap.ephemeral_low = 0;
	usage = sum(&snap, "bind 0.0.0.0");
	assert_int_equal(usage.taken + usage.reserved + usage.sockets, 0);
	snap.ephemeral_low = HIGH + 1;
	usage = sum(&snap, "bind 0.0.0.0");
	assert_int_equal(usage.taken + usage.reserved + usage.sockets, 0);
	snapshot__free(&snap);
}

/* ---- who -------------------------------------------------------------------------------- */

static void test_holders(void **state)
{
	struct snapshot snap;
	struct port_usage usage;

	/* proc 0: one port by two fds; proc 1: three; proc 2: none taken; 3..7: one each */
	range_snapshot("BOUND 0.0.0.0 port=40000|BOUND 0.0.0.0 port=40001|BOUND 0.0.0.0 "
		       "port=40002|BOUND 0.0.0.0 port=40003|BOUND 0.0.0.0 port=40008|BOUND 0.0.0.0 "
		       "port=39000",
		       PROTO_TCP, &snap);
	for (int i = 0; i < 8; i++)
		snapshot__add_proc(&snap);
	for (uint32_t proc = 7; proc >= 3; proc--)
		snapshot__add_hold(&snap, 3, proc, 3, TRI_YES);
	snapshot__add_hold(&snap, 4, 2, 3, TRI_YES);
	snapshot__add_hold(&snap, 5, 2, 3, TRI_YES);
	snapshot__add_hold(&snap, 99, 2, 3, TRI_YES);
	for (uint32_t sock = 0; sock < 4; sock++)
		snapshot__add_hold(&snap, sock, 99, 3, TRI_YES);
	snapshot__add_hold(&snap, 0, 0, 3, TRI_YES);
	snapshot__add_hold(&snap, 0, 0, 4, TRI_YES);
	for (uint32_t sock = 0; sock < 3; sock++)
		snapshot__add_hold(&snap, sock, 1, 3, TRI_YES);
	usage = sum(&snap, "bind 0.0.0.0");
	assert_int_equal(usage.n_top, USAGE_MAX_HOLDERS);
	assert_int_equal(usage.top[0].proc, 1);
	assert_int_equal(usage.top[0].ports, 3);
	assert_int_equal(usage.top[1].proc, 0);
	assert_int_equal(usage.top[1].ports, 1);
	assert_int_equal(usage.top[2].proc, 3);
	assert_int_equal(usage.top[4].proc, 5);
	snapshot__free(&snap);
}

/* Who comes late with more than one of a full list moves those behind. */
static void test_late_holder(void **state)
{
	struct snapshot snap;
	struct port_usage usage;

	range_snapshot("BOUND 0.0.0.0 port=40000|BOUND 0.0.0.0 port=40001", PROTO_TCP, &snap);
	for (uint32_t proc = 0; proc <= USAGE_MAX_HOLDERS; proc++) {
		snapshot__add_proc(&snap);
		snapshot__add_hold(&snap, 0, proc, 3, TRI_YES);
	}
	snapshot__add_hold(&snap, 1, USAGE_MAX_HOLDERS, 4, TRI_YES);
	usage = sum(&snap, "bind 0.0.0.0");
	assert_int_equal(usage.n_top, USAGE_MAX_HOLDERS);
	assert_int_equal(usage.top[0].proc, USAGE_MAX_HOLDERS);
	assert_int_equal(usage.top[0].ports, 2);
	assert_int_equal(usage.top[USAGE_MAX_HOLDERS - 1].proc, USAGE_MAX_HOLDERS - 2);
	/* Nobody holds a port that is taken. */
	snap.socks[0].ifindex = snap.socks[1].ifindex = 4;
	usage = sum(&snap, "bind 0.0.0.0 dev=3");
	assert_int_equal(usage.n_top, 0);
	snapshot__free(&snap);
}

/* ---- random ranges ------------------------------------------------------------------------ */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 24;
}

static void random_sock(uint64_t *state, struct snap_sock *sock)
{
	static const char *const kinds[] = {"ESTABLISHED 10.0.0.1" TO,
					    "TIME_WAIT 10.0.0.1" TO,
					    "TW_FIN_WAIT2 10.0.0.1" TO,
					    "ESTABLISHED 10.0.0.2" TO,
					    "ESTABLISHED 10.0.0.1 peer=10.0.0.8/443",
					    "LISTEN 0.0.0.0",
					    "LISTEN 10.0.0.2",
					    "BOUND 10.0.0.1"};

	*sock = text_sock(kinds[next_random(state) % ARRAY_LENGTH(kinds)]);
	sock->local_port = LOW - 2 + next_random(state) % (HIGH - LOW + 5);
	sock->bucket = next_random(state) % 3 == 0;
}

static bool has_tuple(const struct snap_sock *sock)
{
	return sock->peer_port == 443 && sock->local.bytes[3] == 1 && sock->peer.bytes[3] == 9;
}

/* Port by port and with every socket looked at for each. */
static uint32_t ref_taken(const struct snapshot *snap, bool connecting)
{
	uint32_t taken = 0;

	for (uint32_t port = LOW; port <= HIGH; port++) {
		bool hit = false;

		for (size_t i = 0; i < snap->n_socks; i++) {
			const struct snap_sock *sock = &snap->socks[i];

			if (sock->local_port != port || port == 40008 || port == 40009)
				continue;
			hit |= connecting ? sock->bucket || has_tuple(sock)
					  : sock->local.bytes[3] != 2;
		}
		taken += hit;
	}
	return taken;
}

static void test_random_ranges(void **state)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		uint64_t random = seed * 0x9e3779b97f4a7c15u;
		struct port_usage bind, connect;
		struct snapshot snap;

		range_snapshot("", PROTO_TCP, &snap);
		for (uint64_t n = next_random(&random) % 24; n; n--)
			random_sock(&random, snapshot__add_sock(&snap));
		bind = sum(&snap, "bind 10.0.0.1");
		connect = sum(&snap, "connect 10.0.0.1" TO);
		if (bind.taken != ref_taken(&snap, false) ||
		    connect.taken != ref_taken(&snap, true))
			fail_msg("seed %llu: taken", (unsigned long long)seed);
		snapshot__free(&snap);
	}
}

static void test_random_sums(void **state)
{
	for (uint64_t seed = 1; seed <= 5000; seed++) {
		const char *broken = model_case__check_seed(seed, CHECK_USAGE, CASE_ANY);

		if (broken)
			fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
	}
}

static void test_many_sockets(void **state)
{
	const struct snap_sock sock = text_sock("TIME_WAIT 10.0.0.1" TO);
	clock_t begin = clock();
	struct port_usage usage;
	struct snapshot snap;

	range_snapshot("", PROTO_TCP, &snap);
	snap.ephemeral_low = 1024;
	snap.ephemeral_high = 65535;
	for (uint32_t i = 0; i < 300000; i++) {
		struct snap_sock *to = snapshot__add_sock(&snap);

		*to = sock;
		to->local_port = i % 65536;
		snapshot__add_hold(&snap, i, i % 3, 3, TRI_YES);
	}
	for (int i = 0; i < 3; i++)
		snapshot__add_proc(&snap);
	usage = sum(&snap, "connect 10.0.0.1" TO);
	assert_int_equal(usage.taken, 65536 - 1024 - 2);
	assert_int_equal(usage.taken, usage.same_peer);
	assert_int_equal(usage.top[0].ports, usage.taken);
	assert_true((clock() - begin) / CLOCKS_PER_SEC < 2);
	snapshot__free(&snap);
}

int main(void)
{
	struct test_list list = {0};

	test_list__add_rows(&list, "usage", test_usage_row, usage_rows);
	test_list__add(&list, "states", test_states, NULL);
	test_list__add(&list, "range not known", test_no_range, NULL);
	test_list__add(&list, "holders", test_holders, NULL);
	test_list__add(&list, "a late holder", test_late_holder, NULL);
	test_list__add(&list, "random ranges", test_random_ranges, NULL);
	test_list__add(&list, "random sums", test_random_sums, NULL);
	test_list__add(&list, "300,000 sockets", test_many_sockets, NULL);
	return test_list__run(&list, "usage");
}
