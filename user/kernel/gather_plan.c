// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include "gather_plan.h"

void gather_plan__begin(struct gather_plan *plan, int32_t link_offset)
{
	*plan = (struct gather_plan){.link_offset = link_offset, .n_words = WIRE_WORD_FREE};
}

static void add_copy(struct gather_plan *plan, const struct wire_copy *copy)
{
	if (plan->n_copies == WIRE_GATHER_STEPS ||
	    copy->to + (copy->size + 7) / 8 > WIRE_GATHER_WORDS)
		plan->err = -E2BIG;
	else
		plan->copies[plan->n_copies++] = *copy;
}

uint32_t gather_plan__copy(struct gather_plan *plan, uint32_t from, int32_t offset, uint32_t size,
			   uint32_t when)
{
	uint32_t first = plan->n_words;

	for (uint32_t done = 0; done < size && !plan->err; done += WIRE_GATHER_CHUNK) {
		uint32_t chunk = size - done < WIRE_GATHER_CHUNK ? size - done : WIRE_GATHER_CHUNK;
		struct wire_copy copy = {.offset = offset + (int32_t)done,
					 .from = (uint8_t)from,
					 .to = (uint8_t)plan->n_words,
					 .size = (uint8_t)chunk,
					 .when = (uint8_t)when};

		add_copy(plan, &copy);
		plan->n_words += (chunk + 7) / 8;
	}
	return plan->err ? WIRE_WORD_FREE : first;
}

void gather_plan__copy_next(struct gather_plan *plan, int32_t offset)
{
	add_copy(plan, &(struct wire_copy){.offset = offset,
					   .from = WIRE_WORD_OBJECT,
					   .to = WIRE_WORD_NEXT,
					   .size = sizeof(uint64_t),
					   .when = WIRE_WHEN_ANY});
}

void gather_plan__copy_back(struct gather_plan *plan, uint32_t at_pprev)
{
	plan->at_pprev = at_pprev;
	plan->at_back = gather_plan__copy(plan, at_pprev, 0, sizeof(uint64_t), WIRE_WHEN_ANY);
}

bool gather_plan__is_linked(const struct gather_plan *plan, const uint64_t *record)
{
	return record[plan->at_pprev] &&
	       record[plan->at_back] == record[WIRE_WORD_OBJECT] + (uint64_t)plan->link_offset;
}
