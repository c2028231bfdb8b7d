// SPDX-License-Identifier: GPL-2.0-only
/* What bind() says before it looks at the port: one row for each check, and their order. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "model/rules.h"

enum { LOCAL = 1, FREE = 2, NONLOCAL = 4, UDP = 8, DEVICE = 16, V6ONLY = 32 };

static const struct row {
	const char *address;
	uint16_t port;
	int flags; /* LOCAL: the address is there; FREE: with the privilege */
	int error, next;
} rows[] = {
	{"0.0.0.0", 8080, 0, 0, 0},
	{"0.0.0.0", 80, 0, EACCES, 0},
	{"0.0.0.0", 80, FREE, 0, 0},
	{"0.0.0.0", 1023, 0, EACCES, 0},
	{"0.0.0.0", 1024, 0, 0, 0},
	{"0.0.0.0", 80, UDP, EACCES, 0},
	{"0.0.0.0", 0, 0, 0, 0},
	{"10.0.0.1", 8080, LOCAL, 0, 0},
	{"10.0.0.1", 8080, 0, EADDRNOTAVAIL, 0},
	{"10.0.0.1", 8080, NONLOCAL, 0, 0},
	{"10.0.0.1", 80, 0, EADDRNOTAVAIL, EACCES},
	{"10.0.0.1", 80, NONLOCAL, EACCES, 0},
	{"224.0.0.1", 8080, 0, 0, 0},
	{"239.255.255.255", 8080, UDP, 0, 0},
	{"240.0.0.1", 8080, 0, EADDRNOTAVAIL, 0},
	{"255.255.255.255", 8080, 0, 0, 0},
	{"0.0.0.1", 8080, 0, EADDRNOTAVAIL, 0},
	{"::", 8080, V6ONLY, 0, 0},
	{"::", 80, 0, EACCES, 0},
	{"fd00::1", 8080, LOCAL, 0, 0},
	{"fd00::1", 8080, 0, EADDRNOTAVAIL, 0},
	{"fd00::1", 8080, NONLOCAL, 0, 0},
	{"fd00::1", 80, 0, EACCES, EADDRNOTAVAIL},
	{"fe80::1", 8080, LOCAL, EINVAL, 0},
	{"febf::1", 8080, LOCAL, EINVAL, 0},
	{"fec0::1", 8080, LOCAL, 0, 0},
	{"fe80::1", 8080, LOCAL | DEVICE, 0, 0},
	{"fe80::1", 8080, DEVICE, EADDRNOTAVAIL, 0},
	{"fe80::1", 80, 0, EACCES, EINVAL},
	{"ff0e::1", 8080, 0, EINVAL, 0},
	{"ff0e::1", 80, 0, EINVAL, EACCES},
	{"ff0e::1", 8080, UDP, 0, 0},
	{"ff01::1", 8080, UDP, EINVAL, 0},
	{"ff02::1", 8080, UDP, EINVAL, 0},
	{"ff02::1", 8080, UDP | DEVICE, 0, 0},
	{"ff05::1", 8080, UDP, 0, 0},
	{"::ffff:10.0.0.1", 8080, LOCAL, 0, 0},
	{"::ffff:10.0.0.1", 8080, 0, EADDRNOTAVAIL, 0},
	{"::ffff:10.0.0.1", 80, 0, EACCES, EADDRNOTAVAIL},
	{"::ffff:10.0.0.1", 8080, LOCAL | V6ONLY, EINVAL, 0},
	{"::ffff:0.0.0.0", 8080, 0, 0, 0},
	{"::ffff:224.0.0.1", 8080, 0, 0, 0},
};

static struct bind_request request_of(const char *address, uint16_t port)
{
	struct bind_request req = {.family = AF_INET, .port = port};

	if (inet_pton(AF_INET, address, req.addr.bytes) == 1)
		return req;
	req.family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, address, req.addr.bytes), 1);
	return req;
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct bind_request req = request_of(row->address, row->port);
		const struct bind_conditions conditions = {
			.facts = {.unprivileged_port_start = 1024,
				  .nonlocal_bind = !!(row->flags & NONLOCAL)},
			.privileged = !!(row->flags & FREE),
			.address_usable = !!(row->flags & LOCAL),
		};
		struct objection objection;

		req.ifindex = row->flags & DEVICE ? 3 : 0;
		req.v6only = row->flags & V6ONLY;
		objection = before_port__judge(row->flags & UDP ? PROTO_UDP : PROTO_TCP, &req,
					       &conditions);
		if (objection.error != row->error || objection.next != row->next || objection.doubt)
			fail_msg("%s:%u, flags %d: %d, then %d", row->address, row->port,
				 row->flags, objection.error, objection.next);
	}
}

/* What is not known makes no error, and no certainty. */
static void test_unreadable(void **state)
{
	struct bind_conditions unknown = {
		.facts = {.unprivileged_port_start = -1, .nonlocal_bind = -1},
		.privileged = TRI_UNKNOWN,
		.address_usable = TRI_UNKNOWN,
	};
	struct bind_request req = request_of("10.0.0.1", 8080);
	struct objection objection = before_port__judge(PROTO_TCP, &req, &unknown);

	assert_int_equal(objection.error, 0);
	assert_true(objection.doubt);
	req = request_of("0.0.0.0", 80);
	assert_true(before_port__judge(PROTO_TCP, &req, &unknown).doubt);
	req.port = 8080;
	assert_false(before_port__judge(PROTO_TCP, &req, &unknown).doubt);
	unknown.facts.nonlocal_bind = 1;
	req = request_of("10.0.0.1", 8080);
	assert_false(before_port__judge(PROTO_TCP, &req, &unknown).doubt);
	unknown.privileged = TRI_YES;
	req.port = 80;
	assert_false(before_port__judge(PROTO_TCP, &req, &unknown).doubt);
}

/* A fix is one that suffices. */
static void test_fixes(void **state)
{
	static const struct {
		int error;
		const char *cause;
		int otherwise;
		size_t n_fixes;
	} cases[] = {
		{0, "none", 0, 0},
		{EACCES, "privileged_port", 0, 1},
		{EACCES, "privileged_port", EADDRINUSE, 0},
		{EACCES, "privileged_port", -1, 0},
		{EADDRNOTAVAIL, "not_local", 0, 2},
		{EADDRNOTAVAIL, "not_local", EACCES, 0},
		{EINVAL, "other_error", 0, 0},
	};
	struct bind_request req = request_of("10.0.0.1", 80);
	struct snapshot snap;

	snapshot__init(&snap);
	snap.protocol = PROTO_TCP;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct refusal_facts facts = {.stage = STAGE_PROTOCOL,
						    .error = cases[i].error,
						    .unprivileged_port_start = 1024};
		struct verdict verdict = {.refused = cases[i].error ? TRI_YES : TRI_NO};

		assert_int_equal(
			verdict__explain_asked(&verdict, &snap, &req, &facts, cases[i].otherwise),
			0);
		assert_string_equal(verdict.cause ? cause__name(verdict.cause) : "none",
				    cases[i].cause);
		assert_int_equal(verdict.n_fixes, cases[i].n_fixes);
		verdict__free(&verdict);
	}
	snapshot__free(&snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_fixes),
	};

	return cmocka_run_group_tests_name("before_port", tests, NULL, NULL);
}
