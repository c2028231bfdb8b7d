// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "output/sanitize.h"

struct row {
	const char *in, *json, *text;
};

#define REPLACEMENT "\xef\xbf\xbd"

static const struct row rows[] = {
	{NULL, "", ""},
	{"", "", ""},
	{"nginx", "nginx", "nginx"},
	{"caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac", "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac",
	 "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"},
	{"a\nb\r\t", "a\nb\r\t", "a\\x0ab\\x0d\\x09"},
	{"\033[31mred", "\033[31mred", "\\x1b[31mred"},
	{"del\x7f", "del\x7f", "del\\x7f"},
	{"c1\xc2\x9b!", "c1\xc2\x9b!", "c1\\xc2\\x9b!"}, /* CSI */
	{"\xe2\x80\xae"
	 "abc",
	 "\xe2\x80\xae"
	 "abc",
	 "\\xe2\\x80\\xae"
	 "abc"},							  /* RLO */
	{"\xe2\x80\xa8", "\xe2\x80\xa8", "\\xe2\\x80\\xa8"},		  /* LS */
	{"\xe2\x81\xa6", "\xe2\x81\xa6", "\\xe2\\x81\\xa6"},		  /* LRI */
	{"\xef\xbb\xbf", "\xef\xbb\xbf", "\\xef\\xbb\\xbf"},		  /* BOM */
	{"\xf3\xa0\x81\x81", "\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"}, /* tag */
	{"\xff\xfe", REPLACEMENT REPLACEMENT, "\\xff\\xfe"},
	{"\xc0\xaf", REPLACEMENT REPLACEMENT, "\\xc0\\xaf"},			  /* overlong */
	{"\xe0\x80\xaf", REPLACEMENT REPLACEMENT REPLACEMENT, "\\xe0\\x80\\xaf"}, /* overlong */
	{"\xed\xa0\x80", REPLACEMENT REPLACEMENT REPLACEMENT, "\\xed\\xa0\\x80"}, /* surrogate */
	{"\xf4\x90\x80\x80", REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT,
	 "\\xf4\\x90\\x80\\x80"},			     /* above U+10FFFF */
	{"\xe6\x97", REPLACEMENT REPLACEMENT, "\\xe6\\x97"}, /* cut within a character */
	{"\xe6\x97x", REPLACEMENT REPLACEMENT "x", "\\xe6\\x97x"},
	{"\x80", REPLACEMENT, "\\x80"},
	{"a\\b\"c", "a\\b\"c", "a\\b\"c"},
};

static void test_rows(void **state)
{
	char buf[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(sanitize__json(buf, sizeof(buf), rows[i].in),
				 strlen(rows[i].json));
		assert_string_equal(buf, rows[i].json);
		assert_int_equal(sanitize__text(buf, sizeof(buf), rows[i].in),
				 strlen(rows[i].text));
		assert_string_equal(buf, rows[i].text);
	}
}

static void test_cut(void **state)
{
	char buf[64];

	sanitize__text(buf, 8, "1234567");
	assert_string_equal(buf, "1234567");
	sanitize__text(buf, 8, "12345678");
	assert_string_equal(buf, "1234" UTF8_ELLIPSIS);
	/* Never within a character, nor within an escape. */
	sanitize__text(buf, 8, "123\xc3\xa9\xc3\xa9\xc3\xa9");
	assert_string_equal(buf, "123" UTF8_ELLIPSIS);
	sanitize__text(buf, 9, "a\x01\x02");
	assert_string_equal(buf, "a"
				 "\\x01" UTF8_ELLIPSIS);
	/* The bound of JSON counts escapes: six bytes for each of these. */
	sanitize__json(buf, 6 * 3 + 1, "\x01\x01\x01");
	assert_string_equal(buf, "\x01\x01\x01");
	sanitize__json(buf, 6 * 3 + 1, "\x01\x01\x01\x01");
	assert_string_equal(buf, "\x01\x01" UTF8_ELLIPSIS);
	assert_int_equal(sanitize__json(buf, 0, "x"), 0);
	assert_int_equal(sanitize__json(buf, 1, "x"), 0);
	assert_string_equal(buf, "");
}

static void test_columns(void **state)
{
	assert_int_equal(utf8__columns(""), 0);
	assert_int_equal(utf8__columns("abc"), 3);
	assert_int_equal(utf8__columns("\xc3\xa9"), 1);
	assert_int_equal(utf8__columns("\xe6\x97\xa5"), 2); /* wide */
	assert_int_equal(utf8__columns("e\xcc\x81"), 1);    /* combining */
	assert_int_equal(utf8__columns("\xc3\x97"
				       "312"),
			 4);
}

static void test_shorten(void **state)
{
	static const struct {
		const char *in;
		size_t columns;
		const char *out;
	} cuts[] = {
		{"short", 10, "short"},
		{"0123456789", 10, "0123456789"},
		{"0123456789a", 10, "0123" UTF8_ELLIPSIS "6789a"},
		{"0123456789a", 1, UTF8_ELLIPSIS},
		{"0123456789a", 2, UTF8_ELLIPSIS "a"},
		{"[2001:db8::1]:46954", 14, "[2001:" UTF8_ELLIPSIS "]:46954"},
		{"anything", 0, "anything"},
		{"caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac", 6, "ca" UTF8_ELLIPSIS "\xe6\x9c\xac"},
	};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		char *out = utf8__shortened(cuts[i].in, cuts[i].columns);

		assert_string_equal(out, cuts[i].out);
		free(out);
	}
}

static void test_trim(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"abc", "abc"},
		{"ab\xc3\xa9", "ab\xc3\xa9"},
		{"ab\xc3", "ab"},
		{"a\xe6\x97", "a"},
		{"\xf0\x9d\x94", ""},
		{"\xf0\x9d\x94\x8a", "\xf0\x9d\x94\x8a"},
	};
	char text[8];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(text, rows[i][0]);
		utf8__trim(text);
		assert_string_equal(text, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	cmocka_unit_test(test_cut),
		cmocka_unit_test(test_trim),	cmocka_unit_test(test_columns),
		cmocka_unit_test(test_shorten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
