/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets to processes through the task_file iterator: one pass in the kernel over every fd. */
#ifndef BINDTRACE_KERNEL_OWNER_ITER_H
#define BINDTRACE_KERNEL_OWNER_ITER_H

#include "../owner/owner.h"

struct owner_iter;
struct features;

/*
 * Loads the iterator. n_wanted: inodes that it will be asked for at a time; more are more passes
 * over all files. 0 or -errno: fall back to /proc.
 */
int owner_iter__open(const struct features *features, size_t n_wanted, struct owner_iter **ret);
/*
 * An owner_scan_fn; ctx is the struct owner_iter. Sees the pid namespace of the caller only:
 * hits->complete says whether that is the initial one. inodes need not be sorted here.
 */
int owner_iter__scan(void *ctx, const uint64_t *inodes, size_t n, struct owner_hits *hits);
void owner_iter__free(struct owner_iter *iter); /* accepts NULL */

/* Appends the hits of `len` bytes as the iterator wrote them. 0, -EBADMSG or -ENOMEM. */
int owner_iter__decode(const void *data, size_t len, struct owner_hits *hits);

#endif
