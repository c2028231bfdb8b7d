// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "json_line.h"
#include "memory.h"
#include "sanitize.h"

#define TEXT_MAX 1024 /* the longest bound that json_text() takes */

struct json_object json_object__new(void)
{
	struct json_object object = {.value = json_object()};

	object.failed = !object.value;
	return object;
}

void json_object__put(struct json_object *object, const char *key, json_t *value)
{
	if (object->failed)
		json_decref(value);
	else if (json_object_set_new_nocheck(object->value, key, value))
		object->failed = true;
}

json_t *json_object__take(struct json_object *object)
{
	json_t *value = object->value;

	object->value = NULL;
	if (!object->failed)
		return value;
	json_decref(value);
	return NULL;
}

json_t *json_tri(int value)
{
	return value < 0 ? json_null() : json_boolean(value);
}

json_t *json_text(const char *hostile, size_t bound)
{
	char buf[TEXT_MAX + 1];

	if (!hostile)
		return json_null();
	sanitize__json(buf, (bound < TEXT_MAX ? bound : TEXT_MAX) + 1, hostile);
	return json_string(buf);
}

json_t *json_word(const char *trusted)
{
	return trusted ? json_string(trusted) : json_null();
}

json_t *json_number(bool known, uint64_t value)
{
	return known && value <= INT64_MAX ? json_integer((json_int_t)value) : json_null();
}

json_t *json_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

/* jansson leaves DEL, C1 and bidi characters as they are; a terminal would obey them. */
static size_t escape_unsafe(char *out, const char *line)
{
	size_t n = 0;
	uint32_t code;

	while (*line) {
		size_t len = utf8__decode(line, &code);

		if (len && sanitize__is_unsafe(code) && code > 0xffff)
			n += sprintf(out + n, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10),
				     0xdc00 + (code & 0x3ff));
		else if (len && sanitize__is_unsafe(code))
			n += sprintf(out + n, "\\u%04x", code);
		else
			for (size_t i = 0; i < (len ? len : 1); i++)
				out[n++] = line[i];
		line += len ? len : 1;
	}
	return n;
}

static int append(const char *bytes, size_t n, void *memory)
{
	return memory__append(memory, bytes, n);
}

/* json_dumps() looks away when there was no room for a key: what it returns may be no JSON. */
char *json_dumped(const json_t *value, size_t flags)
{
	struct memory memory = {NULL};
	int err = json_dump_callback(value, append, &memory, flags);
	char *text = memory__take(&memory);

	if (!err)
		return text;
	free(text);
	return NULL;
}

char *json_line(const json_t *value, size_t *ret_len)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
	char *dumped = json_dumped(value, flags);
	char *line = dumped ? malloc(6 * strlen(dumped) + 2) : NULL;
	size_t len;

	if (line) {
		len = escape_unsafe(line, dumped);
		line[len++] = '\n';
		line[len] = '\0';
		*ret_len = len;
	}
	free(dumped);
	return line;
}

static size_t dumped_len(struct fit *fit, const json_t *value)
{
	size_t len = 0;
	char *line = value ? json_line(value, &len) : NULL;

	if (!line)
		fit->failed = true;
	free(line);
	return len;
}

bool fit__start(struct fit *fit, const json_t *line, size_t limit)
{
	*fit = (struct fit){.limit = limit};
	fit->used = dumped_len(fit, line);
	return !fit->failed && fit->used <= fit->limit;
}

/* Bytes that appending item would take. */
static size_t cost_of(struct fit *fit, const json_t *array, const json_t *item)
{
	size_t len = dumped_len(fit, item);

	/* The newline that dumped_len() counts stands for the comma. */
	return json_array_size(array) ? len : len - (len > 0);
}

bool fit__append(struct fit *fit, json_t *array, json_t *item)
{
	size_t cost = cost_of(fit, array, item);

	if (fit->failed || fit->used + cost > fit->limit) {
		json_decref(item);
		fit->cut = true;
		return false;
	}
	fit->used += cost;
	if (json_array_append_new(array, item)) {
		fit->failed = true;
		return false;
	}
	return true;
}
