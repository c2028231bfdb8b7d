/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_DESCEND_H
#define BINDTRACE_DESCEND_H

#include <sys/types.h>

typedef int (*descend_fn)(void *ctx, pid_t pid);

/*
 * Calls fn for each process that descends from pid now, by /proc/PID/task/TID/children. Processes
 * that go meanwhile, and kernels without that file, are no error. 0, what fn returned, not 0, or
 * -errno: no memory or no more descriptors to look with.
 */
int descend__each(pid_t pid, descend_fn fn, void *ctx);

#endif
