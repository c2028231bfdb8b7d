/* SPDX-License-Identifier: GPL-2.0-only */
/* Which sockets of a port matter most: those that block the bind asked about. */
#ifndef BINDTRACE_OUTPUT_RANKING_H
#define BINDTRACE_OUTPUT_RANKING_H

#include "output.h"

/*
 * All sockets of the report: blockers of the asked binds, then of the other binds, then the rest.
 * ret_n_blockers (may be NULL): how many block a bind asked about. malloc'ed; NULL: no memory.
 */
uint32_t *ranking__make(const struct port_report *report, size_t *ret_n_blockers);

/*
 * The blockers of one verdict as indexes into it: certain before possible ones, those that the
 * cause is named after first. malloc'ed; NULL: no memory.
 */
size_t *ranking__blockers(const struct snapshot *snap, const struct verdict *verdict);

/* The binds that the user asked about; without any mark the plain ones. */
bool ranking__is_asked(const struct port_report *report, const struct what_if *what_if);

#endif
