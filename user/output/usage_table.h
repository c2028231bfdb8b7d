/* SPDX-License-Identifier: GPL-2.0-only */
/* How full the port range is, as tables. */
#ifndef BINDTRACE_OUTPUT_USAGE_TABLE_H
#define BINDTRACE_OUTPUT_USAGE_TABLE_H

#include "format.h"

/* Ports by what keeps them, sockets by state, ports by holder. 0 or -ENOMEM. */
int usage_table__write(const struct output *out, const struct conflict_report *report,
		       FILE *stream);

/* How many ports the range has. */
uint32_t usage_table__ports(const struct port_usage *usage);

/* How many of them were free when they were counted, a moment after the refusal. */
uint32_t usage_table__free(const struct port_usage *usage);

/* Who has most of them; NULL: nobody could be named. */
const struct proc_info *usage_table__top_holder(const struct snapshot *snap,
						const struct port_usage *usage);

#endif
