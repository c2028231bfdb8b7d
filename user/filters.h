/* SPDX-License-Identifier: GPL-2.0-only */
/* Which filters a live run has, in words for its start line. */
#ifndef BINDTRACE_FILTERS_H
#define BINDTRACE_FILTERS_H

#include "options.h"

#define FILTERS_MAX 512 /* bytes of the text, its NUL included; a start line has room for it */

/*
 * "ports 80, 8000-8010, netns 4026531840, pids 12, 13": every filter with its value, "" when there
 * is none. Of long lists the beginning, with "and N more". netns: inode number, 0 for all.
 */
void filters__describe(const struct options *opts, uint32_t netns, char *buf, size_t size);

#endif
