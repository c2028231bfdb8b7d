/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_TESTS_STORM_H
#define BINDTRACE_TESTS_STORM_H

#include <stdint.h>

#define STORM_MAX_THREADS 64

/* Refused binds, as fast as they go, on a port that somebody else has. */
struct storm {
	uint16_t port;
	unsigned threads;
	unsigned ms;	/* for how long; with calls 0 */
	uint64_t calls; /* or so many in each thread */
	uint32_t per_s; /* no faster than that, all threads together; 0: as fast as they go */
	uint16_t kinds; /* each thread goes through so many addresses of 127.0.0.0/24; 0: one */
};

/* Prints {"issued":…,"ms":…}; the exit status: 0, or 2 when a bind was not refused. */
int storm__run(const struct storm *storm);

#endif
