/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is behind a socket, in words safe for a terminal. */
#ifndef BINDTRACE_OUTPUT_HOLDER_H
#define BINDTRACE_OUTPUT_HOLDER_H

#include <stddef.h>
#include "format.h"

struct holder_text {
	char text[512];
};

/* The listener on whose queue a connection waits: same port, same address or a wildcard. */
bool holder__listener(const struct snapshot *snap, const struct snap_sock *sock,
		      uint32_t *ret_listener);

/* The distinct processes that hold a socket, at most max of them; returns how many there are. */
size_t holder__procs(const struct snapshot *snap, uint32_t sock, const struct proc_info **ret_procs,
		     size_t max);

/* "nginx[12]" */
struct holder_text holder__process(const struct proc_info *proc);
/* Its unit (login sessions left out) or container: "nginx.service", "container 0123456789ab", "".
 */
struct holder_text holder__place(const struct proc_info *proc);

/* Within a sentence: "nginx[12]", "the kernel", "a closed socket"... */
struct holder_text holder__who(const struct snapshot *snap, uint32_t sock);
/* The same at the beginning of one: "The kernel", but still "nginx[12]". */
struct holder_text holder__subject(const struct snapshot *snap, uint32_t sock);

/* For a table: "nginx[12] (nginx.service) +3 more", "nobody; was echo[4101], 41 s left".
 * expires_ms: of the socket, or the last of its group; -1: no timer.
 */
struct holder_text holder__line(const struct snapshot *snap, uint32_t sock, int64_t expires_ms,
				bool all);

#endif
