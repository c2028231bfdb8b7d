// SPDX-License-Identifier: GPL-2.0-only
#include "../array.h"
#include "fronts.h"

struct front *fronts__add(struct fronts *fronts, uint64_t bucket, uint64_t first)
{
	struct front *all = array__room(fronts->all, fronts->n, &fronts->room, sizeof(*all));

	if (!all)
		return NULL;
	fronts->all = all;
	all[fronts->n] = (struct front){bucket, first};
	return &all[fronts->n++];
}

struct front *fronts__find(const struct fronts *fronts, uint64_t bucket, size_t *at)
{
	for (size_t i = 0; i < fronts->n; i++) {
		size_t here = (*at + i) % fronts->n;

		if (fronts->all[here].bucket == bucket) {
			*at = here + 1;
			return &fronts->all[here];
		}
	}
	return NULL;
}
