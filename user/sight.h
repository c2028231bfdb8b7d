/* SPDX-License-Identifier: GPL-2.0-only */
/* What a live run does not see because only some hooks could be attached. */
#ifndef BINDTRACE_SIGHT_H
#define BINDTRACE_SIGHT_H

#include "kernel/live.h"
#include "options.h"

/* The first option that asks for what is not seen, as written, or NULL. sees: enum live_sight. */
const char *sight__refused(const struct options *opts, unsigned sees);

/* "refused connect(), UDP": what nobody asked for, but would expect. "" when all of it is seen. */
void sight__missing(const struct options *opts, unsigned sees, char *buf, size_t size);

/*
 * 0, or an exit status after one line on standard error when something that was asked for has no
 * hook. What else is not seen is said there too, unless notes are unwanted.
 */
int sight__check(const struct options *opts, const struct live *live);

#endif
