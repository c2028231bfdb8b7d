/* SPDX-License-Identifier: GPL-2.0-only */
/* Each makes one finished line, malloc'ed; 0, -ENOMEM or -EMSGSIZE (the limit is too small). */
#ifndef BINDTRACE_OUTPUT_JSON_H
#define BINDTRACE_OUTPUT_JSON_H

#include "format.h"

struct json_result {
	char *line;
	size_t len;
};

int json__conflict(const struct output *out, const struct conflict_report *report,
		   struct json_result *ret);
int json__port(const struct output *out, const struct port_report *report, struct json_result *ret);
int json__bind(const struct output *out, const struct bind_report *report, struct json_result *ret);
int json__state(const struct output *out, const struct state_report *report,
		struct json_result *ret);
int json__start(const struct output *out, const struct run_start *start, struct json_result *ret);
int json__stop(const struct output *out, const struct run_stop *stop, struct json_result *ret);
int json__lost(const struct output *out, int64_t time_ns, uint64_t count, struct json_result *ret);

#endif
