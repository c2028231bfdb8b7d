/* SPDX-License-Identifier: GPL-2.0-only */
/* From evidence to a report: walk on where it was cut, judge, find the owners, name the cause. */
#ifndef BINDTRACE_EXPLAIN_H
#define BINDTRACE_EXPLAIN_H

#include "kernel/features.h"
#include "kernel/fold.h"
#include "kernel/former.h"
#include "kernel/walk.h"
#include "output/output.h"
#include "owner/owner.h"

struct explainer {
	const struct features *features;
	struct walk *walk; /* NULL: what the hook could not hold stays truncated */
	struct owner_source owners;
	struct former *former; /* NULL: former owners stay unknown */
	uint64_t own_netns;
};

/*
 * One record of the ring buffer, and those that it stands for, into a finished report, to be freed
 * with conflict__free() whatever is returned. ret is zeroed here. 0, -EBADMSG (not a record of
 * ours) or -errno.
 */
int explain__record(const struct explainer *explainer, const struct folded *folded,
		    struct conflict_report *ret);

/*
 * The verdict of a report from its evidence alone: refused and blockers, then (the blockers' owners
 * are looked up in between) cause and fixes. Replay calls the same two. 0 or -ENOMEM.
 */
int report__judge(struct conflict_report *report);
int report__explain(struct conflict_report *report);

/*
 * One record of a state change, or of a bind that succeeded, likewise; ret is zeroed here and its
 * process freed with proc_info__free() whatever is returned (netns_name with free()).
 */
int explain__state(const struct explainer *explainer, const void *data, size_t size,
		   struct state_report *ret);
int explain__bind(const struct explainer *explainer, const void *data, size_t size,
		  struct bind_report *ret);

#endif
