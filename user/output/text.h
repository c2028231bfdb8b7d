/* SPDX-License-Identifier: GPL-2.0-only */
/* Reports for a person. 0 or -ENOMEM. */
#ifndef BINDTRACE_OUTPUT_TEXT_H
#define BINDTRACE_OUTPUT_TEXT_H

#include "format.h"

int text__again(const struct output *out, const struct conflict_report *report, FILE *stream);
int text__conflict(const struct output *out, const struct conflict_report *report, FILE *stream);
int text__port(const struct output *out, const struct port_report *report, FILE *stream);

/* That text__port() writes one line, which says that the port is free. */
bool text__is_all_clear(const struct output *out, const struct port_report *report);

/* One line each. */
void text__bind(const struct output *out, const struct bind_report *report, FILE *stream);
void text__state(const struct output *out, const struct state_report *report, FILE *stream);
void text__start(const struct output *out, const struct run_start *start, FILE *stream);
void text__stop(const struct run_stop *stop, FILE *stream);
void text__lost(uint64_t count, FILE *stream);

#endif
