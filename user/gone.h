/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets that were closed while their owners were looked for. */
#ifndef BINDTRACE_GONE_H
#define BINDTRACE_GONE_H

#include "model/snapshot.h"

/* Takes the sockets of the same port once more, into an initialised snapshot. 0 or -errno. */
typedef int (*look_again_fn)(void *ctx, struct snapshot *ret);

/*
 * After owner__lookup(): that no process holds a socket is a fact only while the socket is there.
 * Those without a holder that are not there any more, or could not be looked for again, become
 * HOLDER_UNKNOWN. Looks once, and only if there is such a socket. socks: indexes of those to look
 * at, NULL for all. 0 or -ENOMEM.
 */
int gone__forget(struct snapshot *snap, const uint32_t *socks, size_t n, look_again_fn look,
		 void *ctx);

#endif
