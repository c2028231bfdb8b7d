/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_KERNEL_ITER_H
#define BINDTRACE_KERNEL_ITER_H

#include <stddef.h>

struct bpf_link;
struct features;

/* Takes len bytes: whole records. 0 or -errno, which ends the reading. */
typedef int (*iter_fn)(void *ctx, const void *data, size_t len);

/*
 * One run of an attached BPF iterator, read to its end. Records are size bytes each, and none is
 * cut in two. fn may be NULL for an iterator that writes nothing. 0 or -errno.
 */
int iter__run(struct bpf_link *link, size_t size, iter_fn fn, void *ctx);

/*
 * To be called before an object with programs for iter/task_file is opened: libbpf then does not
 * read all of the kernel's types to find bpf_iter_task_file(), where that is known. The attachment
 * is bpf_program__attach_iter().
 */
void iter__prepare(const struct features *features);

#endif
