/* SPDX-License-Identifier: GPL-2.0-only */
/* Least privilege of a live run: what it can still do once its hooks are in place. */
#ifndef BINDTRACE_CONFINE_H
#define BINDTRACE_CONFINE_H

#include <sys/types.h>
#include "options.h"

/*
 * Capabilities, no_new_privs, the seccomp filter; nothing of it is inherited by `command`, which
 * has been started. map_fd: any BPF map. 0 or -errno.
 */
int confine__live(const struct options *opts, pid_t command, int map_fd);

/* A one-shot run executes nothing, either. */
void confine__oneshot(void);

#endif
