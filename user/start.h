/* SPDX-License-Identifier: GPL-2.0-only */
/* What every mode does first, and how it says that something failed. */
#ifndef BINDTRACE_START_H
#define BINDTRACE_START_H

#include "kernel/features.h"
#include "options.h"
#include "output/output.h"

/*
 * Occupies those of standard input, output and error that are closed, so that no file opened later
 * becomes one of them. To read or write them fails with EBADF still, a command has them closed.
 */
void start__occupy_std_fds(void);

/* Probes the kernel. 0, or an exit status after one line on standard error. */
int start__features(const struct options *opts, struct features *ret);

/* Are the processes of --pid there? EXIT_OK, or EXIT_USAGE after one line on standard error. */
enum exit_status start__check_pids(const struct options *opts);

/* The output that the options ask for, on results; NULL when memory is short. */
struct output *start__output(const struct options *opts, FILE *results, uint64_t own_netns,
			     struct metrics *metrics);

/* The same for --netns, when its namespace could not be opened. */
enum exit_status start__netns_error(const struct options *opts, int err);

/* One line for -errno on standard error; the exit status that goes with it. */
enum exit_status start__report_error(int err);

#endif
