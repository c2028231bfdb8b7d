/* SPDX-License-Identifier: GPL-2.0-only */
/* --metrics FILE: what is counted, the file, and when it is written. */
#ifndef BINDTRACE_METERING_H
#define BINDTRACE_METERING_H

#include "options.h"
#include "output/metrics.h"
#include "output/metrics_file.h"

struct metering {
	const char *path;	 /* NULL: no --metrics; all else is zero */
	struct metrics *metrics; /* for the output, which counts */
	struct metrics_file *file;
	int timer_fd;	    /* readable when it is time to write; -1 in a replay */
	bool armed;	    /* nothing is due while it is not */
	bool told;	    /* that the file could not be written */
	int64_t written_ns; /* CLOCK_MONOTONIC */
};

/*
 * Writes the file for the first time, all zero; is_live: there is a timer. 0, or an exit status
 * after one line on standard error. ret is good for metering__close() whatever is returned.
 */
int metering__open(const struct options *opts, bool is_live, struct metering *ret);

/* Something has been counted: the file is written soon, but no more than once a second. */
void metering__arm(struct metering *metering);

/* Writes it now. A failure is counted, and told the first time only. 0 or -errno. */
int metering__write(struct metering *metering);

/* The last time. The given status, or EXIT_RUNTIME where that was EXIT_OK and the file is old. */
int metering__close(struct metering *metering, int status);

#endif
