/* SPDX-License-Identifier: GPL-2.0-only */
/* connect() from a bound port: who has the four-tuple, and what helps against it. */
#include "model_text.h"
#include "model_cases.h"

#define TO " peer=10.0.0.9/443"

struct tuple_row {
	const char *name;
	const char *call, *socks;
	const char *blockers; /* indexes, "?" after a possible one */
	const char *fixes;    /* NULL: not looked at */
};

static const struct tuple_row tuple_rows[] = {
	{"the same", "connect 10.0.0.1" TO, "ESTABLISHED 10.0.0.1" TO, "0",
	 "any_port address close"},
	{"another peer's port", "connect 10.0.0.1" TO, "ESTABLISHED 10.0.0.1 peer=10.0.0.9/444", "",
	 ""},
	{"another peer", "connect 10.0.0.1" TO, "ESTABLISHED 10.0.0.1 peer=10.0.0.8/443", "", ""},
	{"another address", "connect 10.0.0.1" TO, "ESTABLISHED 10.0.0.2" TO, "", ""},
	{"another port", "connect 10.0.0.1" TO, "ESTABLISHED 10.0.0.1 port=8081" TO, "", ""},
	{"options do not matter", "connect 10.0.0.1 R P" TO, "ESTABLISHED 10.0.0.1 R P" TO, "0",
	 NULL},
	{"one of many", "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 peer=10.0.0.9/444|LISTEN 0.0.0.0|CLOSE_WAIT 10.0.0.1" TO, "2",
	 "any_port address close"},
	{"itself", "connect 10.0.0.1 self=7" TO, "SYN_SENT 10.0.0.1 id=7" TO, "", ""},
	{"not itself", "connect 10.0.0.1 self=7" TO, "SYN_SENT 10.0.0.1 id=8" TO, "0", NULL},
	{"TIME_WAIT", "connect 10.0.0.1" TO, "TIME_WAIT 10.0.0.1 expires=41000" TO, "0",
	 "any_port address wait:43100"},
	{"TIME_WAIT, expiry not known", "connect 10.0.0.1" TO, "TIME_WAIT 10.0.0.1" TO, "0",
	 "any_port address close"},
	{"bound, never connected", "connect 10.0.0.1" TO, "BOUND 10.0.0.1", "", ""},
	{"reset: it keeps the peer's address", "connect 10.0.0.1" TO, "BOUND 10.0.0.1" TO, "", ""},
	/* families */
	{"IPv6", "connect fd00::1 peer=fd00::9/443", "ESTABLISHED fd00::1 peer=fd00::9/443", "0",
	 NULL},
	{"another IPv6 peer", "connect fd00::1 peer=fd00::9/443",
	 "ESTABLISHED fd00::1 peer=fd00::8/443", "", ""},
	{"mapped is IPv4", "connect ::ffff:10.0.0.1 peer=::ffff:10.0.0.9/443",
	 "ESTABLISHED 10.0.0.1" TO, "0", NULL},
	{"IPv4 is mapped", "connect 10.0.0.1" TO,
	 "ESTABLISHED ::ffff:10.0.0.1 peer=::ffff:10.0.0.9/443", "0", NULL},
	{"the bytes of an IPv4 address in an IPv6 one", "connect 10.0.0.1" TO,
	 "ESTABLISHED a00:1:: peer=a00:9::/443", "", ""},
	{"own address not known", "connect 0.0.0.0" TO,
	 "ESTABLISHED 10.0.0.1" TO "|ESTABLISHED 10.0.0.2 peer=10.0.0.8/443", "0?",
	 "any_port address close"},
	/* devices: inet_bound_dev_eq() */
	{"the one there is bound to a device", "connect 10.0.0.1" TO,
	 "ESTABLISHED 10.0.0.1 dev=3" TO, "", ""},
	{"the caller is bound to a device", "connect 10.0.0.1 dev=3" TO, "ESTABLISHED 10.0.0.1" TO,
	 "0", NULL},
	{"the same device", "connect 10.0.0.1 dev=3" TO, "ESTABLISHED 10.0.0.1 dev=3" TO, "0",
	 NULL},
	{"another device", "connect 10.0.0.1 dev=3" TO, "ESTABLISHED 10.0.0.1 dev=4" TO, "", ""},
	{"in a VRF, the one there is not", "connect 10.0.0.1 dev=3 vrf=9" TO,
	 "ESTABLISHED 10.0.0.1" TO, "", ""},
	{"in a VRF, the one there is bound to it", "connect 10.0.0.1 dev=3 vrf=9" TO,
	 "ESTABLISHED 10.0.0.1 dev=9" TO, "0", NULL},
};

static const char *text_blockers(const struct verdict *verdict, char *buffer, size_t size)
{
	size_t len = 0;

	buffer[0] = 0;
	for (size_t i = 0; i < verdict->n_blockers; i++)
		len += snprintf(buffer + len, size - len, "%s%u%s", len ? " " : "",
				verdict->blockers[i].sock, i < verdict->n_definite ? "" : "?");
	return buffer;
}

static void test_tuple_row(void **state)
{
	const struct tuple_row *row = *state;
	struct bind_request req = text_request(row->call);
	char text[256];
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot(row->socks, K_6_18, &snap);
	assert_int_equal(rules__judge_connect(&snap, &req, &verdict), 0);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_string_equal(text_blockers(&verdict, text, sizeof(text)), row->blockers);
	for (size_t i = 0; i < verdict.n_blockers; i++)
		assert_int_equal(verdict.blockers[i].rules, RULE_SAME_TUPLE);
	assert_int_equal(verdict__explain(&verdict, &snap, &req), 0);
	assert_string_equal(cause__name(verdict.cause),
			    verdict.n_blockers ? "same_tuple" : "unexplained");
	if (row->fixes)
		assert_string_equal(text_fixes(&verdict, text, sizeof(text)), row->fixes);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* ---- random tuples ------------------------------------------------------------------------ */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 24;
}

/* "10.0.0.1", however it is written. */
static void write_addr(uint16_t family, const struct ip_addr *addr, char *buffer)
{
	static const char mapped[] = "::ffff:";

	inet_ntop(family, addr->bytes, buffer, INET6_ADDRSTRLEN);
	if (!strncmp(buffer, mapped, strlen(mapped)) && strchr(buffer, '.'))
		memmove(buffer, buffer + strlen(mapped), strlen(buffer + strlen(mapped)) + 1);
}

static bool same_text(uint16_t family, const struct ip_addr *addr, uint16_t other_family,
		      const struct ip_addr *other)
{
	char one[INET6_ADDRSTRLEN], two[INET6_ADDRSTRLEN];

	write_addr(family, addr, one);
	write_addr(other_family, other, two);
	return !strcmp(one, two);
}

static bool ref_same_tuple(const struct bind_request *req, const struct snap_sock *sock)
{
	bool device = sock->ifindex ? sock->ifindex == req->ifindex : true;

	return device && sock->state != STATE_LISTEN && sock->state != STATE_BOUND &&
	       sock->local_port == req->port && sock->peer_port == req->peer_port &&
	       same_text(req->family, &req->addr, sock->family, &sock->local) &&
	       same_text(req->family, &req->peer, sock->family, &sock->peer);
}

/* Local and peer of one family, out of few. */
static uint16_t random_pair(uint64_t *state, struct ip_addr *local, struct ip_addr *peer)
{
	static const uint8_t pools[][2] = {
		{ADDR_A4, ADDR_B4}, {ADDR_A6, ADDR_B6}, {ADDR_MA, ADDR_MA}};
	const uint8_t *pool = pools[next_random(state) % 3];
	uint32_t word;

	case_addr(pool[next_random(state) % 2], local, &word);
	return case_addr(pool[next_random(state) % 2], peer, &word);
}

static void random_sock(uint64_t *state, struct snap_sock *sock)
{
	static const uint8_t states[] = {STATE_ESTABLISHED, STATE_TIME_WAIT, STATE_LISTEN,
					 STATE_BOUND, STATE_SYN_SENT};

	sock->family = random_pair(state, &sock->local, &sock->peer);
	sock->state = states[next_random(state) % sizeof(states)];
	sock->local_port = TEXT_PORT + (next_random(state) % 4 == 0);
	sock->peer_port = 443 + (next_random(state) % 4 == 0);
	sock->ifindex = next_random(state) % 4 ? 0 : 3;
}

static void check_seed(uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u;
	struct bind_request req = {
		.call = CALL_CONNECT, .port = TEXT_PORT, .peer_port = 443, .ifindex = seed % 2 * 3};
	struct snapshot snap;
	struct verdict verdict;
	size_t expected = 0, n;

	snapshot__init(&snap);
	req.family = random_pair(&state, &req.addr, &req.peer);
	n = next_random(&state) % 9;
	for (size_t i = 0; i < n; i++)
		random_sock(&state, snapshot__add_sock(&snap));
	assert_int_equal(rules__judge_connect(&snap, &req, &verdict), 0);
	for (size_t i = 0; i < n; i++) {
		bool same = ref_same_tuple(&req, &snap.socks[i]);

		if (same &&
		    (expected >= verdict.n_definite || verdict.blockers[expected].sock != i))
			fail_msg("seed %llu: socket %zu is missing", (unsigned long long)seed, i);
		expected += same;
	}
	if (verdict.n_blockers != expected)
		fail_msg("seed %llu: a blocker too many", (unsigned long long)seed);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

static void test_random_tuples(void **state)
{
	for (uint64_t seed = 1; seed <= 20000; seed++)
		check_seed(seed);
}

int main(void)
{
	struct test_list list = {0};

	test_list__add_rows(&list, "tuple", test_tuple_row, tuple_rows);
	test_list__add(&list, "random tuples", test_random_tuples, NULL);
	return test_list__run(&list, "connect");
}
