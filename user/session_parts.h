/* SPDX-License-Identifier: GPL-2.0-only */
/* A live run, for the three files that it is made of: session.c and those below. */
#ifndef BINDTRACE_SESSION_PARTS_H
#define BINDTRACE_SESSION_PARTS_H

#include <signal.h>
#include "command.h"
#include "explain.h"
#include "kernel/live.h"
#include "notify.h"
#include "options.h"
#include "sink.h"
#include "start.h"

struct session {
	const struct options *opts;
	struct features features;
	struct explainer explainer;
	struct owner_iter *iter;
	struct live *live;
	struct sink sink;
	struct command command;
	struct notify notify;
	sigset_t old_mask;
	struct fold *fold;
	int signal_fd, timer_fd;
	int tick_fd;	       /* what is held or lost is told then */
	int64_t tick_ns;       /* CLOCK_MONOTONIC; -1: not armed */
	uint64_t reported;     /* calls, not reports */
	uint64_t reports;      /* for --count */
	uint64_t lost_told;    /* losses already in a "lost" line */
	int64_t lost_told_ns;  /* CLOCK_MONOTONIC of that line */
	uint64_t malformed;    /* records that were not ours: a bug, counted as lost */
	uint64_t own_filtered; /* dropped here: the address filter */
	int failure;	       /* an exit status, once what went wrong has been told */
	bool stop;
	bool enough;	       /* --count: what else there is was not asked for */
	unsigned told_to_stop; /* by so many signals */
};

/* ---- session_open.c: the hooks, and what explains their records ---- */

/* 0, or an exit status of what has been told. */
int session__open_live(struct session *session);
enum exit_status session__refuse_lack(enum features_lack lack, enum exit_status status);

/* ---- session_report.c: from records to reports, and what is lost on the way ---- */

/* What is in the ring, and what is due. 0, 1 when there may be more, or -errno. */
int session__drain(struct session *session);
/* What is due by now, and when the next is. 0 or -errno. */
int session__tick(struct session *session);
/* All that is held, due or not. 0 or -errno. */
int session__tell_held(struct session *session);

/* What was seen was reported or filtered out, or else it is lost. 0 or -errno. */
int session__count_all(struct session *session, struct run_stop *stop);
/* Nobody takes the reports: how much they have missed is said here. */
void session__tell_missed(struct session *session);

void session__count_metrics(struct session *session);
void session__write_metrics(struct session *session);

#endif
