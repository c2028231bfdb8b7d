/* SPDX-License-Identifier: GPL-2.0-only */
/* Refusals without a blocker: which word, and what would have helped. */
#include "model_text.h"

#include <errno.h>

#define TO " peer=10.0.0.9/443"

/* Of 100 ports, if not otherwise said. */
#define RANGE .low = 40000, .high = 40099

struct refusal_row {
	const char *name;
	const char *call;
	struct refusal_facts facts;
	struct port_usage usage; /* low 0: none was taken */
	enum cause cause;
	const char *fixes;
};

static const struct refusal_row refusal_rows[] = {
	/* a bind to port 0 */
	{"autobind_exhausted",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"...to an address",
	 "bind 10.0.0.1 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "no_port range close"},
	{"...denied before a port was chosen",
	 "bind 10.0.0.1 port=0",
	 {.error = EADDRINUSE, .stage = STAGE_LSM},
	 {0},
	 CAUSE_DENIED,
	 ""},
	{"...mapped any is a wildcard",
	 "bind ::ffff:0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"...by listen()",
	 "listen 10.0.0.1 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"...by listen(), said by the protocol",
	 "listen 10.0.0.1 port=0",
	 {.error = EADDRINUSE, .stage = STAGE_PROTOCOL},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"...all in TIME_WAIT",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 300, .states = {[STATE_TIME_WAIT] = 300}},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range"},
	{"...with reserved ones",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 40, .reserved = 60},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range"},
	{"...of the whole world",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {.low = 1024, .high = 65535, .taken = 64512, .sockets = 64512},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "close"},
	{"...upwards",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {.low = 1024, .high = 65534, .taken = 64511},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range"},
	{"...but for privileged ports that are none",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE, .unprivileged_port_start = 80},
	 {.low = 1024, .high = 65535, .taken = 64512, .sockets = 64512},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"...the sysctl is not readable",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE, .unprivileged_port_start = -1},
	 {.low = 1024, .high = 65535, .taken = 64512, .sockets = 64512},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "close"},
	{"...none to widen by",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE, .unprivileged_port_start = 0},
	 {.low = 1, .high = 65535, .taken = 65535, .sockets = 64512},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "close"},
	{"...three may have become free since",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 97},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range"},
	{"but not four",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 96},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 ""},
	{"...an odd range leaves one out",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {.low = 40000, .high = 40004, .taken = 4},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range"},
	{"but an even one does not",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {.low = 40000, .high = 40003, .taken = 3},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 ""},
	{"...one port",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {.low = 40000, .high = 40000, .taken = 1},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range"},
	{"one free port",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {.low = 40000, .high = 40000},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 ""},
	{"the range was not looked at",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {0},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 ""},
	/* connect() without a port */
	{"ephemeral_exhausted",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 2},
	 {RANGE, .taken = 100, .same_peer = 100, .sockets = 100},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range close"},
	{"...in TIME_WAIT",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 2},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 90, .sockets = 100,
	  .states = {[STATE_TIME_WAIT] = 100}},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "tw_reuse address range"},
	{"...in TIME_WAIT, off",
	 "connect 127.0.0.1 port=0 peer=127.0.0.1/80",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 0},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 1},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "tw_reuse address range"},
	{"...in TIME_WAIT, on already",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 1},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 90},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range"},
	{"...in TIME_WAIT, on for loopback",
	 "connect 127.0.0.1 port=0 peer=127.0.0.2/80",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 2},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 90},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range"},
	{"...in TIME_WAIT, on for ::1",
	 "connect ::1 port=0 peer=::1/80",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 2},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 90},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range"},
	{"...in TIME_WAIT, on for loopback, from there",
	 "connect 127.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = 2},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 90},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range"},
	{"...in TIME_WAIT, not known",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .tw_reuse = -1},
	 {RANGE, .taken = 100, .same_peer = 100, .reusable = 90},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range"},
	{"...half of them by marks",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 100, .bound = 50, .same_peer = 50, .shareable = 10},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address no_port@blocker range"},
	{"...and marked too",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 100, .bound = 100, .same_peer = 100},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "range"},
	{"bucket",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 100, .bound = 100, .shareable = 100, .sockets = 100},
	 CAUSE_BUCKET,
	 "no_port@blocker range close"},
	{"bucket, most of them",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 100, .bound = 51, .same_peer = 49},
	 CAUSE_BUCKET,
	 "address range"},
	{"connect(): room enough",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 50, .same_peer = 50},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 ""},
	{"connect(): the range was not looked at",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {0},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 ""},
	{"connect(): the other word for it",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EADDRINUSE, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 100, .same_peer = 100},
	 CAUSE_EPHEMERAL_EXHAUSTED,
	 "address range"},
	/* nobody there */
	{"an explicit port", "bind 0.0.0.0", {.error = EADDRINUSE}, {0}, CAUSE_UNEXPLAINED, ""},
	{"an explicit port, and the range is full",
	 "bind 0.0.0.0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100},
	 CAUSE_UNEXPLAINED,
	 ""},
	{"a bound port",
	 "connect 10.0.0.1" TO,
	 {.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT},
	 {0},
	 CAUSE_UNEXPLAINED,
	 ""},
	/* other errors */
	{"privileged_port",
	 "bind 0.0.0.0 port=80",
	 {.error = EACCES, .stage = STAGE_PROTOCOL, .unprivileged_port_start = 1024},
	 {0},
	 CAUSE_PRIVILEGED_PORT,
	 "privilege"},
	{"...the last one",
	 "bind 0.0.0.0 port=1023",
	 {.error = EACCES, .stage = STAGE_PROTOCOL, .unprivileged_port_start = 1024},
	 {0},
	 CAUSE_PRIVILEGED_PORT,
	 "privilege"},
	{"...not readable",
	 "bind 0.0.0.0 port=80",
	 {.error = EACCES, .stage = STAGE_PROTOCOL, .unprivileged_port_start = -1},
	 {0},
	 CAUSE_PRIVILEGED_PORT,
	 "privilege"},
	{"EACCES, and the port is free for all",
	 "bind 0.0.0.0 port=1024",
	 {.error = EACCES, .stage = STAGE_PROTOCOL, .unprivileged_port_start = 1024},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
	{"EACCES, no port",
	 "bind 0.0.0.0 port=0",
	 {.error = EACCES, .stage = STAGE_PROTOCOL, .unprivileged_port_start = 1024},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
	{"EACCES of connect()",
	 "connect 10.0.0.1 port=80" TO,
	 {.error = EACCES, .stage = STAGE_PROTOCOL, .unprivileged_port_start = 1024},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
	{"denied by an LSM",
	 "bind 0.0.0.0 port=80",
	 {.error = EACCES, .stage = STAGE_LSM, .unprivileged_port_start = 1024},
	 {0},
	 CAUSE_DENIED,
	 ""},
	{"denied by a cgroup's program",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EPERM, .stage = STAGE_CGROUP},
	 {0},
	 CAUSE_DENIED,
	 ""},
	{"denied, whatever it says",
	 "bind 0.0.0.0",
	 {.error = EADDRINUSE, .stage = STAGE_CGROUP},
	 {0},
	 CAUSE_DENIED,
	 ""},
	{"not_local",
	 "bind 10.9.9.9",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_PROTOCOL},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "address nonlocal"},
	{"...without a port",
	 "bind 10.9.9.9 port=0",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_PROTOCOL},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "address nonlocal"},
	{"...tentative",
	 "bind fd00::1",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_PROTOCOL, .address_tentative = TRI_YES},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "nonlocal address"},
	{"...tentative or not",
	 "bind fd00::1",
	 {.error = EADDRNOTAVAIL,
	  .stage = STAGE_PROTOCOL,
	  .address_tentative = TRI_UNKNOWN,
	  .nonlocal_bind = -1},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "address nonlocal"},
	{"...although the sysctl is on",
	 "bind fd00::1",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_PROTOCOL, .nonlocal_bind = 1},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "address"},
	{"...tentative, although the sysctl is on",
	 "bind fd00::1",
	 {.error = EADDRNOTAVAIL,
	  .stage = STAGE_PROTOCOL,
	  .address_tentative = TRI_YES,
	  .nonlocal_bind = 1},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "address"},
	{"...of connect()",
	 "connect :: port=0 peer=fd00::9/443",
	 {.error = EADDRNOTAVAIL, .stage = STAGE_PROTOCOL},
	 {0},
	 CAUSE_NOT_LOCAL,
	 "address"},
	{"already_bound",
	 "bind 0.0.0.0",
	 {.error = EINVAL, .stage = STAGE_PROTOCOL, .had_port = 9000},
	 {0},
	 CAUSE_ALREADY_BOUND,
	 "new_socket"},
	{"EINVAL of an unbound socket",
	 "bind fe80::1",
	 {.error = EINVAL, .stage = STAGE_PROTOCOL},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
	{"EINVAL of listen()",
	 "listen 0.0.0.0",
	 {.error = EINVAL, .stage = STAGE_PROTOCOL, .had_port = 8080},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
	{"no_device",
	 "bind fe80::1",
	 {.error = ENODEV, .stage = STAGE_PROTOCOL},
	 {0},
	 CAUSE_NO_DEVICE,
	 ""},
	{"another error",
	 "bind 0.0.0.0",
	 {.error = EAFNOSUPPORT, .stage = STAGE_PROTOCOL},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
	{"no memory", "bind 0.0.0.0", {.error = ENOMEM}, {0}, CAUSE_OTHER_ERROR, ""},
	{"no memory for a port",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = ENOMEM, .stage = STAGE_CONNECT},
	 {RANGE, .taken = 100, .same_peer = 100},
	 CAUSE_OTHER_ERROR,
	 ""},
};

static const struct refusal_row udp_rows[] = {
	{"by sendto()",
	 "autobind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"as the program sees it",
	 "autobind 0.0.0.0 port=0",
	 {.error = EAGAIN},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"to an address",
	 "bind 10.0.0.1 port=0",
	 {.error = EADDRINUSE},
	 {RANGE, .taken = 100, .sockets = 100},
	 CAUSE_AUTOBIND_EXHAUSTED,
	 "range close"},
	{"no memory", "autobind 0.0.0.0 port=0", {.error = ENOMEM}, {0}, CAUSE_OTHER_ERROR, ""},
	{"a connect() refused by nobody",
	 "connect 10.0.0.1 port=0" TO,
	 {.error = EHOSTUNREACH, .stage = STAGE_CONNECT},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
};

/* A ping socket's identifier looks like a port. */
static const struct refusal_row ping_rows[] = {
	{"an identifier", "bind 0.0.0.0", {.error = EADDRINUSE}, {0}, CAUSE_OTHER_ERROR, ""},
	{"any identifier",
	 "bind 0.0.0.0 port=0",
	 {.error = EADDRINUSE},
	 {0},
	 CAUSE_OTHER_ERROR,
	 ""},
};

static bool is_about_no_port(enum cause cause)
{
	return cause == CAUSE_AUTOBIND_EXHAUSTED || cause == CAUSE_EPHEMERAL_EXHAUSTED ||
	       cause == CAUSE_BUCKET;
}

static void check_row(const struct refusal_row *row, uint32_t protocol)
{
	struct bind_request req = text_request(row->call);
	struct verdict verdict = {.refused = TRI_YES, .n_fixes = 3};
	struct refusal_facts facts = row->facts;
	struct snapshot snap;
	char text[256];

	/* Where a row is about it, it says so. */
	if (!facts.unprivileged_port_start && row->usage.low > 1)
		facts.unprivileged_port_start = 1024;
	text_snapshot("", K_6_18, &snap);
	snap.protocol = protocol;
	assert_int_equal(verdict__explain_refusal(&verdict, &snap, &req, &facts,
						  row->usage.low ? &row->usage : NULL),
			 0);
	assert_int_equal(verdict.refused, TRI_YES);
	assert_string_equal(cause__name(verdict.cause), cause__name(row->cause));
	assert_string_equal(text_fixes(&verdict, text, sizeof(text)), row->fixes);
	assert_int_equal(usage__is_wanted(&snap, &req, &facts), is_about_no_port(row->cause));
	snapshot__free(&snap);
}

static void test_refusal_row(void **state)
{
	check_row(*state, PROTO_TCP);
}

static void test_udp_row(void **state)
{
	check_row(*state, PROTO_UDP);
}

static void test_ping_row(void **state)
{
	check_row(*state, 1); /* IPPROTO_ICMP */
}

static void test_covers(void **state)
{
	const struct port_usage none = {0}, full = {RANGE, .taken = 100};
	const struct port_usage turned = {.low = 40099, .high = 40000, .taken = 100};

	assert_false(usage__covers(NULL));
	assert_false(usage__covers(&none));
	assert_false(usage__covers(&turned));
	assert_true(usage__covers(&full));
}

/* Whoever has blockers does not need the rest. */
static void test_with_blockers(void **state)
{
	struct bind_request req = text_request("bind 0.0.0.0");
	struct refusal_facts facts = {.error = EADDRINUSE};
	struct snapshot snap;
	struct verdict verdict;

	text_snapshot("LISTEN 0.0.0.0", K_6_18, &snap);
	assert_int_equal(rules__judge(&snap, &req, true, &verdict), 0);
	assert_int_equal(verdict__explain_refusal(&verdict, &snap, &req, &facts, NULL), 0);
	assert_int_equal(verdict.cause, CAUSE_LISTENER);
	assert_int_equal(verdict.n_fixes, 2);
	verdict__free(&verdict);
	snapshot__free(&snap);
}

/* From the sockets on: a walk of the range, its sum, the cause. */
static void test_from_sockets(void **state)
{
	struct bind_request req = text_request("connect 10.0.0.1 port=0" TO);
	struct refusal_facts facts = {
		.error = EADDRNOTAVAIL, .stage = STAGE_CONNECT, .unprivileged_port_start = 1024};
	struct verdict verdict = {.refused = TRI_YES};
	struct port_usage usage;
	struct snapshot snap;
	char text[256];

	text_snapshot(
		"ESTABLISHED 10.0.0.1 port=40000 bucket=1 peer=10.0.0.7/1|ESTABLISHED "
		"10.0.0.1 port=40001 bucket=1 peer=10.0.0.7/1|TIME_WAIT 10.0.0.1 port=40002" TO
		"|ESTABLISHED 10.0.0.1 port=40003 bucket=1 peer=10.0.0.8/1",
		K_6_12, &snap);
	snap.ephemeral_low = 40000;
	snap.ephemeral_high = 40003;
	assert_int_equal(usage__sum(&snap, &req, NULL, &usage), 0);
	assert_int_equal(verdict__explain_refusal(&verdict, &snap, &req, &facts, &usage), 0);
	assert_string_equal(cause__name(verdict.cause), "bucket");
	assert_string_equal(text_fixes(&verdict, text, sizeof(text)),
			    "no_port@blocker tw_reuse address range close");
	snapshot__free(&snap);
}

int main(void)
{
	struct test_list list = {0};

	test_list__add_rows(&list, "refusal", test_refusal_row, refusal_rows);
	test_list__add_rows(&list, "udp", test_udp_row, udp_rows);
	test_list__add_rows(&list, "ping", test_ping_row, ping_rows);
	test_list__add(&list, "what a sum accounts for", test_covers, NULL);
	test_list__add(&list, "with blockers", test_with_blockers, NULL);
	test_list__add(&list, "from sockets", test_from_sockets, NULL);
	return test_list__run(&list, "refusal");
}
