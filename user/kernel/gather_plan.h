/* SPDX-License-Identifier: GPL-2.0-only */
/* What of an object is copied, and where in its record it goes (gather.h). */
#ifndef BINDTRACE_KERNEL_GATHER_PLAN_H
#define BINDTRACE_KERNEL_GATHER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "../../bpf/gather_wire.h"

/* Made by gather_plan__begin(), then in the order in which it is copied. */
struct gather_plan {
	struct wire_copy copies[WIRE_GATHER_STEPS];
	uint32_t n_copies, n_words;
	int32_t link_offset;
	uint32_t state_at;
	uint32_t at_pprev, at_back; /* words: the link's pprev, and what that points at */
	int err;		    /* -E2BIG: more than a record, or its steps, can hold */
};

/* link_offset: of the struct hlist_node by which the objects are listed; bytes. */
void gather_plan__begin(struct gather_plan *plan, int32_t link_offset);

/*
 * Copies size bytes from offset bytes behind the address that word `from` of the record has, when
 * enum wire_gather_when says so. Returns the word where they begin.
 */
uint32_t gather_plan__copy(struct gather_plan *plan, uint32_t from, int32_t offset, uint32_t size,
			   uint32_t when);

/* The next link, an address, from `offset` bytes behind the object. */
void gather_plan__copy_next(struct gather_plan *plan, int32_t offset);

/* Last of all, what points at the object's link: word at_pprev has the address of that. */
void gather_plan__copy_back(struct gather_plan *plan, uint32_t at_pprev);

/* Was the record's object in a list when all of it had been copied? */
bool gather_plan__is_linked(const struct gather_plan *plan, const uint64_t *record);

/* A word of which only the first four bytes are filled. */
static inline uint32_t gather_plan__half(const uint64_t *word)
{
	uint32_t value;

	memcpy(&value, word, sizeof(value));
	return value;
}

#endif
