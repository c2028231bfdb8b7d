/* SPDX-License-Identifier: GPL-2.0-only */
/* Where reports go: to the output, and with --record into a file as well. */
#ifndef BINDTRACE_SINK_H
#define BINDTRACE_SINK_H

#include "metering.h"
#include "options.h"
#include "output/output.h"
#include "recording/recording.h"

struct sink {
	struct output *out;
	struct recorder *recorder; /* NULL: no --record */
	struct metering metering;  /* the output counts for it */
};

/*
 * Opens both; results is where text and JSON go, own_netns the namespace that needs no name. 0, or
 * an exit status after one line on standard error.
 */
int sink__open(const struct options *opts, FILE *results, uint64_t own_netns, struct sink *ret);
/*
 * Ends the recording; the given status, or EXIT_RUNTIME after a line when it is not complete. A
 * failed run that has recorded nothing leaves no file.
 */
int sink__close(struct sink *sink, int status);

/* 0 or -errno of either. */
int sink__conflict(struct sink *sink, const struct conflict_report *report);
int sink__port(struct sink *sink, const struct port_report *report);
int sink__bind(struct sink *sink, const struct bind_report *report);
int sink__state(struct sink *sink, const struct state_report *report);
int sink__start(struct sink *sink, const struct run_start *start);
int sink__stop(struct sink *sink, const struct run_stop *stop);
int sink__lost(struct sink *sink, int64_t time_ns, uint64_t count);

#endif
