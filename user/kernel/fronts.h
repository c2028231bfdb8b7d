/* SPDX-License-Identifier: GPL-2.0-only */
/* What the lists of a port's address buckets began with: an array that grows. */
#ifndef BINDTRACE_KERNEL_FRONTS_H
#define BINDTRACE_KERNEL_FRONTS_H

#include <stddef.h>
#include <stdint.h>

/* Addresses of the kernel's. */
struct front {
	uint64_t bucket;
	uint64_t first; /* struct hlist_node, 0: none */
};

/* Zeros to begin with; free(all) in the end. */
struct fronts {
	struct front *all;
	size_t n, room;
};

/* The new one, until the next is added; NULL: no memory. */
struct front *fronts__add(struct fronts *fronts, uint64_t bucket, uint64_t first);

/* *at: where to look first, and behind where it was found: the order is mostly the same. */
struct front *fronts__find(const struct fronts *fronts, uint64_t bucket, size_t *at);

#endif
