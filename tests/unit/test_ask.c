// SPDX-License-Identifier: GPL-2.0-only
/* What would become of a bind, of a port that could not be read to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ask.h"

static enum tri answer(bool truncated, bool bound_visible)
{
	struct options opts = {.want_ipv4 = true};
	struct ask ask = {.opts = &opts, .bound_visible = bound_visible};
	struct port_report report = {};
	enum tri free;

	snapshot__init(&report.snap);
	report.snap.protocol = PROTO_TCP;
	report.snap.port = 8080;
	report.snap.truncated = truncated;
	assert_int_equal(ask__what_ifs(&ask, &report), 0);
	assert_int_equal(report.n_what_ifs, 4);
	free = ask__is_free(&report);
	ask__free(&report);
	return free;
}

/* Nothing that was seen is in the way; what was not seen may be. */
static void test_unseen(void **state)
{
	assert_int_equal(answer(false, true), TRI_YES);
	assert_int_equal(answer(true, true), TRI_UNKNOWN);
	assert_int_equal(answer(false, false), TRI_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_unseen)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
