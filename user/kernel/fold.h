/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Identical refusals become one event with a count: a program that tries again and again costs a
 * line a window, not thousands. The first one is told at once; those that follow within the window
 * are held, and told as one when it ends, by the record of the last of them.
 *
 * Identical: the same request (call, address, port, peer, options, network namespace) of the same
 * program (name, executable, user, cgroup), refused with the same error, while the same listeners
 * and bound sockets, and connections in the same states, were in the way. The pid may differ.
 *
 * No clock of its own, no I/O: times are CLOCK_MONOTONIC in ns, as in the records.
 */
#ifndef BINDTRACE_KERNEL_FOLD_H
#define BINDTRACE_KERNEL_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLD_MAX_KINDS 64 /* of refusals at a time; the oldest is told before its window ends */

struct folded {
	const void *data; /* a struct wire_conflict record: the last one of them */
	size_t size;
	uint64_t count;	  /* refusals that it stands for */
	int64_t first_ns; /* of the first of them */
	bool again;	  /* one like these was told less than a window ago */
};

/* 0 or -errno, which is passed on. */
typedef int (*fold_fn)(void *ctx, const struct folded *folded);

struct fold;

/* window_ns 0: nothing is held. NULL when memory is short; fold__free() accepts NULL. */
struct fold *fold__new(int64_t window_ns);
void fold__free(struct fold *fold);

/*
 * Takes a WIRE_CONFLICT record of at least its fixed part; it is copied if it is held. Calls fn for
 * it if it is the first of its kind, and before that for whatever is due by then. Short of memory
 * it tells rather than holds. 0, or what fn returned.
 */
int fold__offer(struct fold *fold, const void *data, size_t size, fold_fn fn, void *ctx);
/* Tells what is held and due at now_ns; INT64_MAX: all of it. 0, or what fn returned. */
int fold__tell(struct fold *fold, int64_t now_ns, fold_fn fn, void *ctx);
/* When fold__tell() has something to tell; -1: nothing is held. */
int64_t fold__next_ns(const struct fold *fold);
/* Refusals that are held. */
uint64_t fold__held(const struct fold *fold);

#endif
