/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells when a socket on a port has gone, or may have stopped blocking: hints, for --wait. */
#ifndef BINDTRACE_KERNEL_WAIT_H
#define BINDTRACE_KERNEL_WAIT_H

#include "../options.h"
#include "features.h"

struct wait;

/*
 * Attaches the hooks for the ports, in the network namespace with that inode number (0: all). kind
 * AUTO takes fexit and falls back to kprobes where the kernel cannot attach it. 0, -ENOENT (the
 * kernel has not the functions), or -errno of libbpf. Free with wait__free(), which accepts NULL.
 */
int wait__open(const struct features *features, const struct port_set *ports, uint32_t netns,
	       enum hook_kind kind, struct wait **ret);
void wait__free(struct wait *wait);

int wait__fd(const struct wait *wait); /* readable when something has happened */

/*
 * Call it before each look at the port: what happens from then on makes the descriptor readable,
 * what has happened before is seen by the look. 1 if anything has since the last call, 0 if not, or
 * -errno.
 */
int wait__rearm(struct wait *wait);

#endif
