// SPDX-License-Identifier: GPL-2.0-only
/* The filters of a live run in words, from a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "filters.h"

#define MAX_WORDS 16

struct row {
	const char *line; /* words separated by '|' */
	uint32_t netns;
	const char *text;
};

static const struct row rows[] = {
	{"-q", 0, ""},
	{"--follow|-P8080", 0, "port 8080"},
	{"--follow|-P65535,1", 0, "ports 1, 65535"},
	{"--follow|-P80,8000-8010,443", 0, "ports 80, 443, 8000-8010"},
	{"--follow|-P1,3,5,7,9,11,13,15,17,20-22", 0, "ports 1, 3, 5, 7, 9, 11, 13, 15 and 4 more"},
	{"-a|127.0.0.1", 0, "address 127.0.0.1"},
	{"-a|::1", 0, "address ::1"},
	{"-4", 0, "IPv4 only"},
	{"-6|--proto|udp", 0, "IPv6 only, protocol udp"},
	{"--proto|tcp", 7, "protocol tcp, netns 7"},
	{"-p|12", 0, "pid 12 with descendants"},
	{"-p|12,13", 0, "pids 12, 13 with descendants"},
	{"-p|1,2,3,4,5,6,7,8,9,10", 0, "pids 1, 2, 3, 4, 5, 6, 7, 8 and 2 more with descendants"},
	{"--comm|nginx|-u|1000|-c|/system.slice", 0, "comm nginx, uid 1000, cgroup /system.slice"},
	{"-P80|--|true", 0, "port 80, of the command"},
};

static void describe(const char *line, uint32_t netns, char *buf, size_t size)
{
	char words[512], *argv[MAX_WORDS] = {"bindtrace"}, *rest = words;
	struct options opts;
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	while (argc < MAX_WORDS - 1 && (argv[argc] = strsep(&rest, "|")))
		argc++;
	assert_int_equal(options__parse(argc, argv, &opts), 0);
	filters__describe(&opts, netns, buf, size);
	options__free(&opts);
}

static void test_rows(void **state)
{
	char text[FILTERS_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		describe(rows[i].line, rows[i].netns, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
}

/* As much as the command line takes fits, and what does not fit into less is cut. */
static void test_bounds(void **state)
{
	char line[512], text[FILTERS_MAX], small[20];

	snprintf(line, sizeof(line),
		 "--follow|-P10000-10001,10003-10004,10006-10007,10009-10010,10012-10013,"
		 "10015-10016,10018-10019,10021-10022,10024-10025|-a|"
		 "2001:db8:1111:2222:3333:4444:5555:6666|--comm|0123456789abcde|-u|4294967294|-c|"
		 "/%0250d",
		 0);
	describe(line, UINT32_MAX, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text) - 64);
	assert_non_null(strstr(text, "10021-10022 and 2 more, address 2001:"));
	assert_string_equal(text + strlen(text) - 6, "000...");
	describe(line, 0, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
