// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include "advice.h"
#include "ranking.h"

bool ranking__is_asked(const struct port_report *report, const struct what_if *what_if)
{
	for (size_t i = 0; i < report->n_what_ifs; i++)
		if (report->what_ifs[i].asked)
			return what_if->asked;
	return !what_if->req.reuseaddr && !what_if->req.reuseport;
}

static size_t pick(const struct snapshot *snap, const struct verdict *v, size_t from, size_t to,
		   bool stands_for, size_t *order)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		if (advice__stands_for(v->cause, &snap->socks[v->blockers[i].sock]) == stands_for)
			order[n++] = i;
	return n;
}

size_t *ranking__blockers(const struct snapshot *snap, const struct verdict *verdict)
{
	size_t certain = verdict->n_definite, all = verdict->n_blockers, n = 0;
	size_t *order = calloc(all + 1, sizeof(*order));

	if (!order)
		return NULL;
	n += pick(snap, verdict, 0, certain, true, order + n);
	n += pick(snap, verdict, 0, certain, false, order + n);
	n += pick(snap, verdict, certain, all, true, order + n);
	pick(snap, verdict, certain, all, false, order + n);
	return order;
}

struct ranking {
	uint32_t *order;
	bool *placed;
	size_t n;
};

static void place(struct ranking *r, uint32_t sock)
{
	if (r->placed[sock])
		return;
	r->placed[sock] = true;
	r->order[r->n++] = sock;
}

static int place_blockers(struct ranking *r, const struct port_report *report, bool asked)
{
	for (size_t i = 0; i < report->n_what_ifs; i++) {
		const struct verdict *v = &report->what_ifs[i].verdict;
		size_t *order;

		if (ranking__is_asked(report, &report->what_ifs[i]) != asked)
			continue;
		order = ranking__blockers(&report->snap, v);
		if (!order)
			return -ENOMEM;
		for (size_t j = 0; j < v->n_blockers; j++)
			place(r, v->blockers[order[j]].sock);
		free(order);
	}
	return 0;
}

uint32_t *ranking__make(const struct port_report *report, size_t *ret_n_blockers)
{
	size_t n = report->snap.n_socks, n_blockers = 0;
	struct ranking r = {
		.order = calloc(n + 1, sizeof(*r.order)),
		.placed = calloc(n + 1, sizeof(*r.placed)),
	};
	int err = r.order && r.placed ? 0 : -ENOMEM;

	if (!err)
		err = place_blockers(&r, report, true);
	n_blockers = r.n;
	if (!err)
		err = place_blockers(&r, report, false);
	for (uint32_t i = 0; !err && i < n; i++)
		place(&r, i);
	free(r.placed);
	if (err) {
		free(r.order);
		return NULL;
	}
	if (ret_n_blockers)
		*ret_n_blockers = n_blockers;
	return r.order;
}
