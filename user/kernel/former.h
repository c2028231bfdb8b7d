/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Former owners of sockets that have none any more, out of the memory of a live bindtrace: its own
 * maps, or those that a running one has pinned for others (root only).
 */
#ifndef BINDTRACE_KERNEL_FORMER_H
#define BINDTRACE_KERNEL_FORMER_H

#include "../owner/owner.h"

struct former;

/*
 * The memory behind two map descriptors, which stay the caller's; with publish it is pinned for
 * other runs, unless another live one has done so. NULL when memory is short.
 */
struct former *former__of_maps(int former_fd, int exes_fd, bool publish);
/* The memory that a running live bindtrace has published; NULL when there is none. */
struct former *former__open_published(void);
void former__free(struct former *former); /* takes back what it has published; accepts NULL */

/* Fills former_owner of the ownerless ones among the sockets of snap. 0 or -ENOMEM. */
int former__fill(const struct former *former, const struct owner_source *owners,
		 struct snapshot *snap);

#endif
