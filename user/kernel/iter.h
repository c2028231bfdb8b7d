/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_KERNEL_ITER_H
#define BINDTRACE_KERNEL_ITER_H

#include <stddef.h>

struct bpf_link;

/* Takes len bytes: whole records. 0 or -errno, which ends the reading. */
typedef int (*iter_fn)(void *ctx, const void *data, size_t len);

/*
 * One run of an attached BPF iterator, read to its end. Records are size bytes each, and none is
 * cut in two. fn may be NULL for an iterator that writes nothing. 0 or -errno.
 */
int iter__run(struct bpf_link *link, size_t size, iter_fn fn, void *ctx);

#endif
