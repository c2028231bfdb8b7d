/* SPDX-License-Identifier: GPL-2.0-only */
/* A report in one plain sentence. malloc'ed, safe for a terminal; NULL when memory is short. */
#ifndef BINDTRACE_OUTPUT_SUMMARY_H
#define BINDTRACE_OUTPUT_SUMMARY_H

#include "format.h"

char *summary__conflict(const struct output *out, const struct conflict_report *report);
/* With the reason behind it: for JSON. Without: the headline of the text. */
char *summary__port(const struct output *out, const struct port_report *report);
char *summary__port_headline(const struct output *out, const struct port_report *report);

/* The verdict that stands for the report: of the asked bind that says most. */
const struct what_if *summary__main_what_if(const struct port_report *report);

#endif
