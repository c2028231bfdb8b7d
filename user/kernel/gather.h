/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of one of the kernel's lists as records of bytes, by a program of bindtrace's that is
 * attached to nothing (bpf/gather.bpf.c). A plan says what of each object is copied, in which
 * order. Nothing is locked: whether what a record has is of one object, and was in the list, is for
 * the caller to see from what it had copied last.
 */
#ifndef BINDTRACE_KERNEL_GATHER_H
#define BINDTRACE_KERNEL_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gather_plan.h"

struct gather;

/* The program into the kernel. 0 or -errno. Free with gather__close(), which accepts NULL. */
int gather__open(struct gather **ret);
void gather__close(struct gather *gather);

/* Where a run begins and ends. Addresses of the kernel's, 0: none. */
struct gather_span {
	uint64_t stop;	 /* of a struct hlist_node before which a list ends */
	uint64_t lock;	 /* of a spinlock */
	uint64_t stride; /* bytes from one head to the next */
	uint32_t max;	 /* records, 0: WIRE_GATHER_BATCH, which is the most */
	/* these go on with each run */
	bool enter;	     /* begin with what head points at, not with link */
	uint64_t head;	     /* of a struct hlist_head */
	uint64_t link;	     /* of the next struct hlist_node */
	uint32_t more_heads; /* lists after this one */
	/* of the last run */
	uint64_t ret_first;   /* what the head pointed at that was entered last */
	uint64_t ret_jiffies; /* when the run began */
	bool ret_locked;      /* the lock was held when it began */
	uint32_t ret_n;	      /* records */
};

/* More than the last run had. */
static inline bool gather_span__goes_on(const struct gather_span *span)
{
	return span->more_heads || (span->link && span->link != span->stop);
}

/* One run. 0 or -errno. */
int gather__run(struct gather *gather, const struct gather_plan *plan, struct gather_span *span);

/* One record, its object being the calling task. 0 or -errno. */
int gather__task(struct gather *gather, const struct gather_plan *plan);

/* The WIRE_GATHER_WORDS words of record i of the last run, until the next one. */
const uint64_t *gather__record(const struct gather *gather, uint32_t i);

#endif
