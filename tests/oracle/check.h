/* SPDX-License-Identifier: GPL-2.0-only */
/* What has to hold for a trial; the kernel is asked each time. */
#ifndef BINDTRACE_TESTS_CHECK_H
#define BINDTRACE_TESTS_CHECK_H

#include "kernel/walk.h"
#include "oracle.h"
#include "report.h"

struct counts {
	unsigned long trials, refused, by_bucket, rebuilds, fixes, what_ifs, reports;
	unsigned long units, units_there, unbuildable;
	unsigned long in_place, late; /* closed where they were; of them, let go of only later */
	unsigned long disagreements;
	unsigned long of_kind[N_KINDS], refused_of_kind[N_KINDS];
};

struct oracle {
	struct walk *walk;
	struct live live;
	bool mapped_any_quirk; /* of the kernel: see is_order_bound() */
	const char *program;   /* bindtrace; NULL: the kernel and the rule engine only */
	unsigned int sample;   /* every how manieth trial asks the one-shot report */
	struct counts counts;
	/* of the trial at hand, for the dump */
	const struct trial *trial;
	json_t *report;
	char verdict[512];
	char absent[256];
	char why[512]; /* "" while all is well */
};

/* False, with oracle->why set, when something does not hold. */
bool check__trial(struct oracle *oracle, const struct trial *trial);
void check__done(struct oracle *oracle); /* releases what check__trial() left */

/* claims.c: what a report says about a refused bind. */
bool claims__hold(struct oracle *oracle, struct scene *scene);
/* what_if.c: what a one-shot report says about four binds. */
bool what_if__holds(struct oracle *oracle, const struct scene *scene);

bool disagree(struct oracle *oracle, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The flags of the calling socket at the time of the call. */
struct sock_spec caller_spec(const struct trial *trial);
/*
 * Makes those units again on a fresh port, without help from the bucket, and calls.
 * bind is as caller_spec() has it. 0 or -errno of the call; -EBADMSG when the scene can't be made
 * again.
 */
int rebuild_and_bind(struct oracle *oracle, uint32_t units, const struct fix_options *fix,
		     const struct sock_spec *bind);

#endif
