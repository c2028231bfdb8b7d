// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include "decode.h"
#include "udp_walk.h"

/* Attempts at a slot during which nothing on its list changed, before it is called raced. */
#define MAX_TRIES 20
/* Of take_records(), beside 0 and -errno: something had gone from under it. */
#define TORN 1

static const struct table_paths paths = {
	.of_prot = "proto.h.udp_table",
	.of_net = "net.ipv4.udp_table",
	.slots = "udp_table.hash",
	.mask = "udp_table.mask",
};

int udp_copy__plan(const struct btf *types, struct udp_copy *ret)
{
	struct layout_field head, count;

	ret->slot_size = layout__size(types, "udp_hslot");
	if (!ret->slot_size || !layout__find(types, "udp_hslot.head", &head) ||
	    !layout__find(types, "udp_hslot.count", &count))
		return -ENOENT;
	ret->slot_head = head.offset;
	gather_plan__begin(&ret->slot, 0);
	ret->at_count = gather_plan__copy(&ret->slot, WIRE_WORD_OBJECT, count.offset, count.size,
					  WIRE_WHEN_ANY);
	return table_copy__plan(types, &paths, &ret->table)
		       ?: sock_copy__plan(types, SOCK_LIST_UDP, &ret->sock);
}

/* A walk through the slots, one or all of them. */
struct slots {
	const struct udp_copy *udp;
	const struct socket_table *table;
	uint16_t port;
	struct snapshot *snap;
	uint64_t last; /* head of the last one */
	/* of the one under way */
	uint64_t head;
	size_t n_before; /* sockets of those before it */
	int tries;
	bool torn; /* one of them kept changing */
};

static uint64_t slot_at(const struct slots *slots, uint32_t slot)
{
	return slots->table->slots + (uint64_t)slot * slots->udp->slot_size;
}

static uint64_t head_of(const struct slots *slots, uint32_t slot)
{
	return slot_at(slots, slot) + (uint64_t)slots->udp->slot_head;
}

static void begin_slot(struct slots *slots, uint64_t head)
{
	slots->head = head;
	slots->n_before = slots->snap->n_socks;
	slots->tries = 0;
}

/* When all of it had been copied, was it linked, and in the slot whose list it was met in? */
static bool is_in_slot(const struct slots *slots, const uint64_t *record)
{
	const struct sock_copy *copy = &slots->udp->sock;
	uint32_t slot = socket_table__slot(slots->table, sock_copy__mix(copy, record),
					   sock_copy__port(copy, record));

	return gather_plan__is_linked(&copy->plan, record) &&
	       record[WIRE_WORD_HEAD] == head_of(slots, slot);
}

static int take_record(struct slots *slots, const uint64_t *record, uint64_t jiffies)
{
	const struct sock_copy *copy = &slots->udp->sock;
	struct snap_sock *sock;
	struct wire_sock wire;
	bool wanted, whole = sock_copy__take(copy, record, jiffies, &wire);

	wanted = (!slots->port || wire.local_port == slots->port) &&
		 sock_copy__net(copy, record) == slots->table->net;
	if (!is_in_slot(slots, record) || (wanted && !whole))
		return TORN;
	if (!wanted)
		return 0;
	sock = snapshot__add_sock(slots->snap);
	if (!sock)
		return -ENOMEM;
	decode__sock(&wire, slots->udp->tick_ns, sock);
	return 0;
}

static int take_records(struct slots *slots, const struct gather_span *span)
{
	for (uint32_t i = 0; i < span->ret_n; i++) {
		const uint64_t *record = gather__record(slots->udp->gather, i);
		int err;

		if (record[WIRE_WORD_HEAD] != slots->head)
			begin_slot(slots, record[WIRE_WORD_HEAD]);
		err = take_record(slots, record, span->ret_jiffies);
		if (err)
			return err;
	}
	return 0;
}

/* The slot once more; where it keeps changing, on to the next with what was seen of it. */
static void go_back(struct slots *slots, struct gather_span *span)
{
	if (++slots->tries < MAX_TRIES) {
		slots->snap->n_socks = slots->n_before;
	} else {
		slots->torn = true;
		begin_slot(slots, slots->head + span->stride);
	}
	span->head = slots->head;
	span->link = 0;
	span->enter = slots->head <= slots->last;
	span->more_heads = span->enter ? (uint32_t)((slots->last - slots->head) / span->stride) : 0;
}

static int walk_slots(struct slots *slots, uint32_t first)
{
	const struct udp_copy *udp = slots->udp;
	struct gather_span span = {.enter = true,
				   .stride = udp->slot_size,
				   .head = head_of(slots, first),
				   .more_heads = slots->port ? 0 : slots->table->mask};
	int err = 0;

	slots->last = span.head + span.more_heads * span.stride;
	while (!err && (span.enter || gather_span__goes_on(&span))) {
		err = gather__run(udp->gather, &udp->sock.plan, &span);
		if (!err)
			err = take_records(slots, &span);
		if (err == TORN) {
			go_back(slots, &span);
			err = 0;
		}
	}
	return err;
}

/* Other ports' sockets in the slot, too: how many there are decides how the kernel looks. */
static int count_slot(const struct slots *slots, uint32_t slot)
{
	const struct udp_copy *udp = slots->udp;
	struct gather_span one = {.link = slot_at(slots, slot), .max = 1};
	int err = gather__run(udp->gather, &udp->slot, &one);

	if (!err)
		slots->snap->udp_slot_socks =
			gather_plan__half(&gather__record(udp->gather, 0)[udp->at_count]);
	return err;
}

int udp_walk__slots(const struct udp_copy *udp, const struct socket_table *table, uint16_t port,
		    struct snapshot *snap)
{
	struct slots slots = {.udp = udp, .table = table, .port = port, .snap = snap};
	uint32_t first = port ? socket_table__slot(table, table->mix, port) : 0;
	int err = count_slot(&slots, first) ?: walk_slots(&slots, first);

	/* One that has moved meanwhile, to the front or to another slot, may have been met twice.
	 */
	snapshot__drop_duplicates(snap);
	snap->netns = table->netns;
	snap->evidence = slots.torn ? EVIDENCE_RACED : EVIDENCE_WALKED;
	snap->truncated = slots.torn;
	return err;
}

int udp_walk__run(struct udp_copy *udp, int fd, uint16_t port, struct snapshot *snap)
{
	struct socket_table table;

	return socket_table__find(udp->gather, &udp->table, fd, &table)
		       ?: udp_walk__slots(udp, &table, port, snap);
}
