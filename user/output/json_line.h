/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON values that are safe, and lines that are never too long. */
#ifndef BINDTRACE_OUTPUT_JSON_LINE_H
#define BINDTRACE_OUTPUT_JSON_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../model/snapshot.h"

/* An object under construction. `failed` sticks: memory was short somewhere. */
struct json_object {
	json_t *value;
	bool failed;
};

struct json_object json_object__new(void);
/* Takes the reference of value; a NULL value is a failure. */
void json_object__put(struct json_object *object, const char *key, json_t *value);
/* Gives the value away, or NULL after a failure. */
json_t *json_object__take(struct json_object *object);

json_t *json_tri(int value);			      /* true, false, null */
json_t *json_text(const char *hostile, size_t bound); /* bound: see sanitize__json(); null */
json_t *json_word(const char *trusted);		      /* NULL: null */
json_t *json_number(bool known, uint64_t value);      /* null when not known or above 2^63 */
json_t *json_count(uint64_t count); /* never unknown; beyond 2^63 it stays there */

/* One line, its newline included; malloc'ed, NULL when memory is short. */
char *json_line(const json_t *value, size_t *ret_len);

/* Any text of it, with jansson's flags; malloc'ed, NULL when memory is short. */
char *json_dumped(const json_t *value, size_t flags);

/* Bytes left in the line that is being planned. */
struct fit {
	size_t limit, used;
	bool cut;    /* something did not fit */
	bool failed; /* memory was short */
};

/* Starts with the line as it is so far; false when that is too long already. */
bool fit__start(struct fit *fit, const json_t *line, size_t limit);
/* Appends item, whose reference it takes, if it fits. */
bool fit__append(struct fit *fit, json_t *array, json_t *item);

#endif
