// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include "../array.h"
#include "bucket_walk.h"
#include "decode.h"
#include "fronts.h"

/* A list that changes faster than it can be walked is given up. */
#define MAX_TORN 1000
/* The links of a list that have been visited, to fall back to when the last one has gone. */
struct trail {
	uint64_t *links;
	size_t n, room;
};

static int trail__add(struct trail *trail, uint64_t link)
{
	uint64_t *links = array__room(trail->links, trail->n, &trail->room, sizeof(*links));

	if (!links)
		return -ENOMEM;
	trail->links = links;
	links[trail->n++] = link;
	return 0;
}

static int gather_socks(const struct bucket_walk *walk, struct gather_span *span)
{
	return gather__run(walk->tcp->gather, &walk->tcp->sock.plan, span);
}

static int take_sock(struct bucket_walk *walk, const struct wire_sock *wire)
{
	struct snap_sock *sock;

	if (walk->limit && walk->snap->n_socks >= walk->limit)
		return WALK_CUT;
	sock = snapshot__add_sock(walk->snap);
	if (!sock)
		return -ENOMEM;
	decode__sock(wire, walk->tcp->tick_ns, sock);
	sock->bucket = walk->index;
	return 0;
}

/* What the last run has, up to the first one that was not, or no longer, where it seemed to be. */
static int take_records(struct bucket_walk *walk, const struct gather_span *span,
			struct trail *trail)
{
	const struct sock_copy *copy = &walk->tcp->sock;

	for (uint32_t i = 0; i < span->ret_n; i++) {
		const uint64_t *record = gather__record(walk->tcp->gather, i);
		struct wire_sock wire;
		int err;

		if (!sock_copy__take(copy, record, span->ret_jiffies, &wire) ||
		    !sock_copy__is_listed(copy, record, &walk->place))
			return WALK_LOST;
		err = take_sock(walk, &wire);
		if (!err)
			err = trail__add(trail, record[WIRE_WORD_OBJECT] +
							(uint64_t)copy->plan.link_offset);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Behind a node of the trail that is still where it was, the first of those 1, 2, 4, 8, … from its
 * end: a thousand time-wait sockets may expire at once.
 */
static int resume(struct bucket_walk *walk, const struct trail *trail, struct gather_span *span)
{
	walk->torn = true;
	if (++walk->n_torn > MAX_TORN)
		return WALK_LOST;
	for (size_t back = 1; back <= trail->n; back *= 2) {
		struct gather_span one = {.link = trail->links[trail->n - back], .max = 1};
		int err = gather_socks(walk, &one);

		if (err)
			return err;
		if (!one.ret_n ||
		    !sock_copy__is_listed(&walk->tcp->sock, gather__record(walk->tcp->gather, 0),
					  &walk->place))
			continue;
		span->link = one.link;
		return 0;
	}
	return WALK_LOST;
}

/* The first run over the list is done: all that is in it, up to span->stop. */
static int follow(struct bucket_walk *walk, struct gather_span *span)
{
	struct trail trail = {};
	int err;

	for (;;) {
		err = take_records(walk, span, &trail);
		if (err == WALK_LOST)
			err = resume(walk, &trail, span);
		if (err || !gather_span__goes_on(span))
			break;
		err = gather_socks(walk, span);
		if (err)
			break;
	}
	free(trail.links);
	return err;
}

/*
 * The sockets of the list at address head that are in front of *front, 0: all of them. *front
 * becomes what the list began with. *ret_more: there was something.
 */
static int walk_lap(struct bucket_walk *walk, uint64_t head, uint64_t *front, bool *ret_more)
{
	struct gather_span span = {.enter = true, .head = head, .stop = *front};
	int err = gather_socks(walk, &span);
	uint64_t before = *front;

	if (err)
		return err;
	*front = span.ret_first;
	*ret_more = *front && *front != before;
	if (!*ret_more)
		return 0;
	return follow(walk, &span);
}

static int walk_list(struct bucket_walk *walk, uint64_t head)
{
	uint64_t front = 0;
	bool more = true;
	int err = 0;

	for (int lap = 0; !err && more && lap <= WALK_MAX_LAPS; lap++)
		err = walk_lap(walk, head, &front, &more);
	return err ?: more ? WALK_LOST : 0;
}

/* The records of one run. */
static int take_addr_buckets(struct bucket_walk *walk, const struct gather_span *span,
			     struct fronts *ret)
{
	const struct tcp_copy *tcp = walk->tcp;

	for (uint32_t i = 0; i < span->ret_n; i++) {
		const uint64_t *record = gather__record(tcp->gather, i);

		if (!addr_bucket_record__is_listed(&tcp->bind, record, walk->place.port))
			return WALK_LOST;
		if (!fronts__add(ret, record[WIRE_WORD_OBJECT],
				 addr_bucket_record__front(&tcp->bind, record)))
			return -ENOMEM;
	}
	return 0;
}

/* All address buckets as they are. WALK_LOST: some of them, and somebody holds the lock. */
static int find_addr_buckets(struct bucket_walk *walk, uint64_t head, struct fronts *ret)
{
	const struct bind_copy *bind = &walk->tcp->bind;
	uint32_t slot = socket_table__slot(walk->table, walk->table->mix, walk->place.port);
	struct gather_span span = {
		.enter = true, .head = head, .lock = bind_copy__lock(bind, walk->table, slot)};
	bool locked = false;
	int err;

	ret->n = 0;
	do {
		err = gather__run(walk->tcp->gather, &bind->addr_buckets, &span);
		if (!err)
			err = take_addr_buckets(walk, &span, ret);
		locked |= span.lock && span.ret_locked;
		span.lock = 0;
	} while (!err && gather_span__goes_on(&span));
	return err ?: locked ? WALK_LOST : 0;
}

/*
 * Walks the lists whose fronts are not what they were when they had been walked. One that changes
 * under the walk is no reason to leave out the others: it is walked once more in the next lap.
 */
static int walk_changed(struct bucket_walk *walk, const struct fronts *now, struct fronts *known,
			bool *ret_changed)
{
	uint64_t owners = (uint64_t)walk->tcp->bind.tb2[TB2_OWNERS].offset;
	size_t at = 0;

	for (size_t i = 0; i < now->n; i++) {
		struct front *front = fronts__find(known, now->all[i].bucket, &at);
		bool more;
		int err;

		if (front && front->first == now->all[i].first)
			continue;
		*ret_changed = true;
		front = front ?: fronts__add(known, now->all[i].bucket, 0);
		if (!front)
			return -ENOMEM;
		walk->place.bucket = front->bucket;
		err = walk_lap(walk, front->bucket + owners, &front->first, &more);
		if (err && err != WALK_LOST)
			return err;
		if (err)
			front->first = 0;
	}
	return 0;
}

/*
 * From 6.8 on connect() moves a socket that was bound to a wildcard from one address bucket to
 * another; for a moment it is in none, under the lock of the port's hash slot
 * (__inet_bhash2_update_saddr()). So when all lists have been walked, and nobody has that lock,
 * their fronts are looked at once more: a socket that was moved before is behind one that has
 * changed, and what is there is walked. One that is moved later has been seen where it was. What is
 * found while somebody has the lock is walked as well: it may never be free when it is looked at.
 */
static int walk_addr_buckets(struct bucket_walk *walk, uint64_t head)
{
	struct fronts now = {}, known = {};
	bool changed = true;
	int err = 0;

	for (int lap = 0; !err && changed && lap <= WALK_MAX_LAPS; lap++) {
		err = find_addr_buckets(walk, head, &now);
		changed = err == WALK_LOST;
		if (!err || changed)
			err = walk_changed(walk, &now, &known, &changed);
	}
	free(now.all);
	free(known.all);
	return err ?: changed ? WALK_LOST : 0;
}

int bucket_walk__run(struct bucket_walk *walk, uint64_t tb)
{
	const struct bind_copy *bind = &walk->tcp->bind;
	int err;

	if (bind_copy__nests(bind)) {
		err = walk_addr_buckets(walk, tb + (uint64_t)bind->tb[TB_BHASH2].offset);
	} else {
		walk->place.bucket = tb;
		err = walk_list(walk, tb + (uint64_t)bind->tb[TB_OWNERS].offset);
	}
	walk->torn |= err == WALK_LOST;
	return err;
}
