/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters of a run in the Prometheus text format: how many series there are is bounded. */
#ifndef BINDTRACE_OUTPUT_METRICS_H
#define BINDTRACE_OUTPUT_METRICS_H

#include "output.h"

struct metrics_config {
	const char *version; /* of bindtrace */
	int64_t start_ns;    /* CLOCK_REALTIME; 0: a recording says it */
	bool binds, states;  /* --all, --states: what was not asked for is not counted as none */
};

/* Owned by the caller, metrics__free() accepts NULL. NULL when memory is short. */
struct metrics *metrics__new(const struct metrics_config *config);
void metrics__free(struct metrics *metrics);

/* Each counts one; metrics NULL: nothing. A start line is of a run that goes on until stop. */
void metrics__conflict(struct metrics *metrics, const struct conflict_report *report);
void metrics__bind(struct metrics *metrics, const struct bind_report *report);
void metrics__state(struct metrics *metrics, const struct state_report *report);
void metrics__lost(struct metrics *metrics, uint64_t count);
void metrics__start(struct metrics *metrics, const struct run_start *start);
void metrics__stop(struct metrics *metrics, const struct run_stop *stop);

/* What the hooks and the session have counted so far; the run goes on. */
void metrics__totals(struct metrics *metrics, const struct run_stop *totals);
void metrics__ended(struct metrics *metrics);	     /* without a stop line */
void metrics__write_failed(struct metrics *metrics); /* the file could not be replaced */

/* The whole text, malloc'ed; NULL when memory is short. */
char *metrics__text(const struct metrics *metrics, size_t *ret_len);

#endif
