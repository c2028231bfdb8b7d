/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the two files that write remedies, and by nobody else. */
#ifndef BINDTRACE_OUTPUT_REMEDY_H
#define BINDTRACE_OUTPUT_REMEDY_H

#include "advice.h"

#define NEVER_AGAIN "and, so that it never happens again, "

/* The first fix of that kind, or NULL. */
const struct fix *remedy__find(const struct verdict *v, enum fix_kind kind);

/* Fix kinds of no bind() that TCP sockets refused. */
void remedy__write_refusal_fix(struct paragraph *p, const struct advice *a, const struct fix *fix);

/* The rest of what there is to say; false: the cause is another one. */
bool remedy__write_refusal_lasting(struct paragraph *p, const struct advice *a,
				   const struct fix *now);

/* For causes that the model has no fix for: who can tell more. */
bool remedy__write_without_fix(struct paragraph *p, const struct advice *a);

#endif
