/* SPDX-License-Identifier: GPL-2.0-only */
/* --wait: until the bind asked about would succeed. */
#ifndef BINDTRACE_WAITING_H
#define BINDTRACE_WAITING_H

#include "kernel/wait.h"

/* Walks and judges. *ret_free: whether the bind would succeed. 0, or -errno to give up. */
typedef int (*waiting_check_fn)(void *ctx, enum tri *ret_free);

#define WAITING_FOREVER INT64_MAX

/* That many seconds from now, in CLOCK_MONOTONIC; 0: WAITING_FOREVER. */
int64_t waiting__deadline(double seconds);

/*
 * Calls check until it says TRI_YES: at once, then whenever `wait` reports something; without hooks
 * (NULL) 20 times a second. `wait` must have been opened for what check looks at. The last call of
 * check is the one that the result stands for.
 *
 * 0: free. -ETIMEDOUT: the deadline has passed. -EINTR: SIGINT, SIGTERM or SIGHUP came, which are
 * blocked meanwhile and consumed. For both the caller has a reason that still stands, out of the
 * last check. Else the -errno of check or of a system call.
 */
int waiting__run(waiting_check_fn check, void *ctx, struct wait *wait, int64_t deadline_ns);

#endif
