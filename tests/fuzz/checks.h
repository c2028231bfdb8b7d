/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold of everything that is written, whatever it was made of: a JSON line is one line,
 * of OUTPUT_LINE_LIMIT bytes at most, that another parser reads; nothing in it or in text is obeyed
 * by a terminal. Checked without user/output/sanitize.c, which is what is under test.
 */
#ifndef BINDTRACE_TESTS_FUZZ_CHECKS_H
#define BINDTRACE_TESTS_FUZZ_CHECKS_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/output.h"

static inline void must_(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}
#define must(holds) must_(holds, #holds)

/* As jansson sees it, not as sanitize.c does. */
static inline bool is_utf8(const char *text, size_t len)
{
	json_t *value = json_stringn(text, len);

	json_decref(value);
	return value;
}

/* C0 and DEL are single bytes; C1, line separators, and what reorders text are these sequences. */
static inline bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char *u = (const unsigned char *)text + i;

		if (u[0] < 0x20 || u[0] == 0x7f)
			return true;
		if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] <= 0x9f)
			return true;
		if (u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae)
			return true;
		if (u[0] == 0xe2 && u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9)
			return true;
	}
	return false;
}

/* NULL for no line at all; else the caller's to json_decref(). */
static inline json_t *check_json_line(const char *text, size_t len)
{
	json_error_t error;
	json_t *value;

	must(len > 1 && len <= OUTPUT_LINE_LIMIT);
	must(text[len - 1] == '\n' && !has_control(text, len - 1) && is_utf8(text, len - 1));
	value = json_loadb(text, len - 1, JSON_REJECT_DUPLICATES, &error);
	must(json_is_object(value));
	must(json_integer_value(json_object_get(value, "schema")) == OUTPUT_SCHEMA_VERSION);
	must(json_is_string(json_object_get(value, "type")));
	return value;
}

/* Colours are the only escapes, and only where they were asked for. */
static inline size_t skip_color(const char *text)
{
	static const char *const codes[] = {"\033[0m", "\033[1m", "\033[31m", "\033[33m"};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (!strncmp(text, codes[i], strlen(codes[i])))
			return strlen(codes[i]);
	}
	return 0;
}

static inline void check_text(const char *text, size_t len, bool color)
{
	size_t begin = 0;

	must(strlen(text) == len && is_utf8(text, len));
	must(!len || text[len - 1] == '\n');
	for (size_t i = 0; i < len;) {
		size_t skipped = color ? skip_color(text + i) : 0;

		if (skipped || text[i] == '\n') {
			must(!has_control(text + begin, i - begin));
			i += skipped ? skipped : 1;
			begin = i;
		} else {
			i++;
		}
	}
}

/*
 * What a JSON string makes of a text that the system has: the text itself, or where it is not UTF-8
 * or was too long, what says so.
 */
static inline void check_string(const json_t *value, const char *hostile)
{
	static const char ellipsis[] = "\xe2\x80\xa6", replacement[] = "\xef\xbf\xbd";
	const char *shown = json_string_value(value);
	size_t len = json_string_length(value), cut = sizeof(ellipsis) - 1;
	bool ends_cut;

	must(hostile ? json_is_string(value) : json_is_null(value));
	if (!hostile)
		return;
	ends_cut = len >= cut && !memcmp(shown + len - cut, ellipsis, cut);
	if (!is_utf8(hostile, strlen(hostile)))
		must(strstr(shown, replacement) || ends_cut || !len);
	else if (strcmp(shown, hostile))
		must(!len || (ends_cut && !strncmp(hostile, shown, len - cut)));
}

#endif
