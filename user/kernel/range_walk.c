// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include "../array.h"
#include "range_walk.h"

/* Attempts at a slot, or a port, during which nothing of it changed, before it is called raced. */
#define MAX_AGAIN 3
/* Sockets of one port. */
#define PORT_LIMIT 1024

/* snap_sock.bucket: may connect() share the port's bucket? */
enum {
	BUCKET_CONNECT = 0, /* only connect() has taken the port */
	BUCKET_BOUND = 1,   /* marked by a bind(): connect() skips it, whatever the peer */
};

struct found {
	uint64_t tb, head;
	uint16_t port;
	bool bound;
};

struct range {
	struct tcp_copy *tcp;
	struct socket_table table;
	uint16_t low, high;
	struct snapshot *snap;
	struct found *found; /* buckets */
	size_t n, room;
	bool raced;
};

static int add_found(struct range *range, const struct found *one)
{
	struct found *found = array__room(range->found, range->n, &range->room, sizeof(*found));

	if (!found)
		return -ENOMEM;
	range->found = found;
	found[range->n++] = *one;
	return 0;
}

/* The records of one run over slots. WALK_LOST: in the slot at *ret_head something changed. */
static int take_buckets(struct range *range, const struct gather_span *span, uint64_t *ret_head)
{
	const struct bind_copy *bind = &range->tcp->bind;

	for (uint32_t i = 0; i < span->ret_n; i++) {
		const uint64_t *record = gather__record(range->tcp->gather, i);
		struct wire_bucket bucket;
		struct found one;
		int err;

		*ret_head = record[WIRE_WORD_HEAD];
		if (!bucket_record__in_slot(bind, record, &range->table))
			return WALK_LOST;
		bucket_record__take(bind, record, &bucket);
		if (bucket.port < range->low || bucket.port > range->high ||
		    bucket_record__net(bind, record) != range->table.net)
			continue;
		one = (struct found){.tb = bucket.id,
				     .head = *ret_head,
				     .port = bucket.port,
				     .bound = bucket.fastreuse >= 0 || bucket.fastreuseport >= 0};
		err = add_found(range, &one);
		if (err)
			return err;
	}
	return 0;
}

/* The slot at head is begun again, or, when that was done often enough, left as it is. */
static void begin_again(struct range *range, struct gather_span *span, uint64_t head, int *again)
{
	uint32_t after = span->more_heads + (uint32_t)((span->head - head) / span->stride);

	span->link = 0;
	span->head = head;
	span->more_heads = after;
	if (++*again > MAX_AGAIN) {
		range->raced = true;
		return;
	}
	span->enter = true;
	while (range->n && range->found[range->n - 1].head == head)
		range->n--;
}

/* The buckets of n slots from `slot` on, which are side by side. */
static int find_in_slots(struct range *range, uint32_t slot, uint32_t n)
{
	const struct bind_copy *bind = &range->tcp->bind;
	struct gather_span span = {.enter = true,
				   .head = bind_copy__chain(bind, &range->table, slot),
				   .stride = bind->slot_size,
				   .more_heads = n - 1};
	uint64_t head = 0, last = 0;
	int again = 0, err;

	do {
		err = gather__run(range->tcp->gather, &bind->buckets, &span);
		if (!err)
			err = take_buckets(range, &span, &head);
		if (head != last)
			again = 0;
		last = head;
		if (err == WALK_LOST) {
			begin_again(range, &span, head, &again);
			err = 0;
		}
	} while (!err && (span.enter || gather_span__goes_on(&span)));
	return err;
}

/* Ports that follow each other are in slots that do, up to the end of the table. */
static int find_buckets(struct range *range)
{
	uint32_t n_slots = range->table.mask + 1, ports = range->high - range->low + 1u;
	uint32_t first = socket_table__slot(&range->table, range->table.mix, range->low);
	uint32_t n = ports < n_slots ? ports : n_slots;
	uint32_t up_to_end = n < n_slots - first ? n : n_slots - first;
	int err = find_in_slots(range, first, up_to_end);

	return err ?: n > up_to_end ? find_in_slots(range, 0, n - up_to_end) : 0;
}

static int walk_bucket(struct range *range, const struct found *one)
{
	size_t before = range->snap->n_socks;
	int err = 0;

	for (int again = 0; again <= MAX_AGAIN; again++) {
		struct bucket_walk walk = {.tcp = range->tcp,
					   .table = &range->table,
					   .place = {.net = range->table.net, .port = one->port},
					   .snap = range->snap,
					   .index = one->bound ? BUCKET_BOUND : BUCKET_CONNECT,
					   .limit = before + PORT_LIMIT};

		range->snap->n_socks = before;
		err = bucket_walk__run(&walk, one->tb);
		range->snap->truncated |= err == WALK_CUT;
		if (err < 0 || !walk.torn)
			return err < 0 ? err : 0;
	}
	range->raced = true;
	return 0;
}

static int compare_ports(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	return (a->port > b->port) - (a->port < b->port);
}

static int walk_buckets(struct range *range)
{
	int err = 0;

	qsort(range->found, range->n, sizeof(range->found[0]), compare_ports);
	for (size_t i = 0; !err && i < range->n; i++)
		err = walk_bucket(range, &range->found[i]);
	return err;
}

int range_walk__run(struct tcp_copy *tcp, int fd, uint16_t low, uint16_t high,
		    struct snapshot *snap)
{
	struct range range = {.tcp = tcp, .low = low, .high = high, .snap = snap};
	int err = socket_table__find(tcp->gather, &tcp->bind.table, fd, &range.table);

	snap->netns = range.table.netns;
	err = err ?: find_buckets(&range) ?: walk_buckets(&range);
	free(range.found);
	snap->evidence = range.raced ? EVIDENCE_RACED : EVIDENCE_WALKED;
	snapshot__drop_duplicates(snap);
	return err;
}
