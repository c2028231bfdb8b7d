/* SPDX-License-Identifier: GPL-2.0-only */
/* A bind asked about that is refused before the kernel looks at the port. */
#ifndef BINDTRACE_OUTPUT_BEFORE_PORT_H
#define BINDTRACE_OUTPUT_BEFORE_PORT_H

#include "advice.h"

/* Is it one? */
bool before_port__is(const struct advice *a);

/* EINVAL, which bind() gives for an address that needs something else. */
void before_port__why_invalid(struct paragraph *p, const struct advice *a);
void before_port__reason_invalid(FILE *stream, const struct advice *a);
void before_port__remedy_invalid(struct paragraph *p, const struct advice *a);

/* What would come next, if anything. */
void before_port__then(struct paragraph *p, const struct advice *a);

#endif
