// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include "fronts.h"

struct front *fronts__add(struct fronts *fronts, uint64_t bucket, uint64_t first)
{
	if (fronts->n == fronts->room) {
		size_t room = fronts->room ? 2 * fronts->room : 16;
		struct front *grown = realloc(fronts->all, room * sizeof(*grown));

		if (!grown)
			return NULL;
		fronts->all = grown;
		fronts->room = room;
	}
	fronts->all[fronts->n] = (struct front){bucket, first};
	return &fronts->all[fronts->n++];
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
