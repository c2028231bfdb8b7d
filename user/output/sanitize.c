// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include "sanitize.h"

#define ELLIPSIS_LEN 3

struct range {
	uint32_t first, last;
};

/* Unicode's default-ignorable and bidi format characters, separators, C0 and C1 controls. */
static const struct range unsafe_ranges[] = {
	{0x00, 0x1f},	    {0x7f, 0x9f},	{0xad, 0xad},	  {0x34f, 0x34f},
	{0x61c, 0x61c},	    {0x115f, 0x1160},	{0x17b4, 0x17b5}, {0x180b, 0x180f},
	{0x200b, 0x200f},   {0x2028, 0x202e},	{0x2060, 0x206f}, {0x3164, 0x3164},
	{0xfe00, 0xfe0f},   {0xfeff, 0xfeff},	{0xffa0, 0xffa0}, {0xfff0, 0xfffb},
	{0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

/* Two columns: East Asian wide and emoji blocks, coarsely. */
static const struct range wide_ranges[] = {
	{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0xa4cf},   {0xa960, 0xa97c},
	{0xac00, 0xd7a3},   {0xf900, 0xfaff},	{0xfe30, 0xfe6f},   {0xff01, 0xff60},
	{0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff},
	{0x20000, 0x3fffd},
};

static const struct range zero_ranges[] = {
	{0x300, 0x36f},	  {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},	{0x64b, 0x65f},
	{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
};

static bool in_ranges(uint32_t code, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

#define IN_RANGES(code, ranges) in_ranges(code, ranges, sizeof(ranges) / sizeof((ranges)[0]))

bool sanitize__is_unsafe(uint32_t code)
{
	return IN_RANGES(code, unsafe_ranges);
}

size_t utf8__decode(const char *s, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *u = (const unsigned char *)s;
	uint32_t code = u[0];
	size_t len;

	if (code < 0x80) {
		*ret_code = code;
		return 1;
	}
	len = code >= 0xf0 ? 4 : code >= 0xe0 ? 3 : 2;
	if (code < 0xc2 || code > 0xf4)
		return 0;
	code &= 0x7f >> len;
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80) /* stops at the final NUL too */
			return 0;
		code = code << 6 | (u[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

void utf8__trim(char *text)
{
	size_t len = strlen(text), start = len;
	uint32_t code;

	while (start && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start && !utf8__decode(text + start - 1, &code))
		text[start - 1] = '\0';
}

/* Collects pieces up to a limit; remembers where it could still be cut for an ellipsis. */
struct writer {
	char *buf;
	size_t limit; /* of cost */
	size_t cost, len;
	size_t cut_len; /* length at which an ellipsis still fits */
	bool full;
};

static void writer__put(struct writer *w, const char *piece, size_t len, size_t cost)
{
	if (w->full || w->cost + cost > w->limit) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->len, piece, len);
	w->len += len;
	w->cost += cost;
	if (w->cost + ELLIPSIS_LEN <= w->limit)
		w->cut_len = w->len;
}

static size_t writer__finish(struct writer *w)
{
	if (w->full) {
		w->len = w->cut_len;
		if (w->limit >= ELLIPSIS_LEN) {
			memcpy(w->buf + w->len, UTF8_ELLIPSIS, ELLIPSIS_LEN);
			w->len += ELLIPSIS_LEN;
		}
	}
	w->buf[w->len] = '\0';
	return w->len;
}

/* Bytes that a character takes within a JSON string as json_line.c writes it. */
static size_t json_cost(uint32_t code, size_t len)
{
	if (code == '"' || code == '\\')
		return 2;
	if (sanitize__is_unsafe(code))
		return code > 0xffff ? 12 : 6;
	return len;
}

/* One character of len bytes, or with len 0 a byte that is none. */
typedef void (*put_fn)(struct writer *w, const char *in, size_t len, uint32_t code);

static size_t sanitize(char *buf, size_t size, const char *in, put_fn put)
{
	struct writer w = {.buf = buf, .limit = size ? size - 1 : 0};
	uint32_t code = 0;

	if (size == 0)
		return 0;
	for (; in && *in && !w.full;) {
		size_t len = utf8__decode(in, &code);

		put(&w, in, len, code);
		in += len ? len : 1;
	}
	return writer__finish(&w);
}

static void put_json(struct writer *w, const char *in, size_t len, uint32_t code)
{
	if (len)
		writer__put(w, in, len, json_cost(code, len));
	else
		writer__put(w, "\xef\xbf\xbd", 3, 3);
}

size_t sanitize__json(char *buf, size_t size, const char *in)
{
	return sanitize(buf, size, in, put_json);
}

static void put_escaped(struct writer *w, const char *bytes, size_t len)
{
	char piece[4 * 4 + 1];

	for (size_t i = 0; i < len; i++)
		snprintf(piece + 4 * i, 5, "\\x%02x", (unsigned char)bytes[i]);
	writer__put(w, piece, 4 * len, 4 * len);
}

static void put_text(struct writer *w, const char *in, size_t len, uint32_t code)
{
	if (len && !sanitize__is_unsafe(code))
		writer__put(w, in, len, len);
	else
		put_escaped(w, in, len ? len : 1);
}

size_t sanitize__text(char *buf, size_t size, const char *in)
{
	return sanitize(buf, size, in, put_text);
}

static size_t code_columns(uint32_t code)
{
	if (IN_RANGES(code, zero_ranges))
		return 0;
	return IN_RANGES(code, wide_ranges) ? 2 : 1;
}

/* Bytes of the first character, and how wide it is; a byte that is none counts as one. */
static size_t first_char(const char *text, size_t *ret_columns)
{
	uint32_t code;
	size_t len = utf8__decode(text, &code);

	*ret_columns = len ? code_columns(code) : 1;
	return len ? len : 1;
}

size_t utf8__columns(const char *text)
{
	size_t columns = 0, width;

	while (*text) {
		text += first_char(text, &width);
		columns += width;
	}
	return columns;
}

/* Bytes of the longest beginning of text that is at most that wide. */
static size_t prefix_len(const char *text, size_t columns)
{
	size_t len = 0, width;

	while (text[len]) {
		size_t n = first_char(text + len, &width);

		if (width > columns)
			break;
		columns -= width;
		len += n;
	}
	return len;
}

/* The longest end of text that is at most that wide. */
static const char *suffix(const char *text, size_t columns)
{
	size_t total = utf8__columns(text), width;

	while (total > columns) {
		text += first_char(text, &width);
		total -= width;
	}
	return text;
}

char *utf8__shortened(const char *text, size_t columns)
{
	size_t head;
	char *out;

	if (columns == 0 || utf8__columns(text) <= columns)
		return strdup(text);
	/* The longer half is the end: ports and the last part of a path tell more. */
	head = (columns - 1) / 2;
	if (asprintf(&out, "%.*s%s%s", (int)prefix_len(text, head), text, UTF8_ELLIPSIS,
		     suffix(text, columns - 1 - head)) < 0)
		return NULL;
	return out;
}
