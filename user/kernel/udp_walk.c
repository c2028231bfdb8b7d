// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include "decode.h"
#include "udp_walk.h"

/* Attempts at a walk during which nothing on the lists changed, before it is called raced. */
#define MAX_PASSES 3

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

struct pass {
	struct udp_copy *udp;
	struct socket_table table;
	uint16_t port;
	struct snapshot *snap;
};

static uint64_t slot_at(const struct pass *pass, uint32_t slot)
{
	return pass->table.slots + (uint64_t)slot * pass->udp->slot_size;
}

/* When all of it had been copied, was it linked, and in the slot whose list it was met in? */
static bool is_in_slot(const struct pass *pass, const uint64_t *record)
{
	const struct sock_copy *copy = &pass->udp->sock;
	uint32_t slot = socket_table__slot(&pass->table, sock_copy__mix(copy, record),
					   sock_copy__port(copy, record));

	return gather_plan__is_linked(&copy->plan, record) &&
	       record[WIRE_WORD_HEAD] == slot_at(pass, slot) + (uint64_t)pass->udp->slot_head;
}

static int take_records(struct pass *pass, const struct gather_span *span, bool *ret_torn)
{
	const struct sock_copy *copy = &pass->udp->sock;

	for (uint32_t i = 0; i < span->ret_n; i++) {
		const uint64_t *record = gather__record(pass->udp->gather, i);
		struct snap_sock *sock;
		struct wire_sock wire;
		bool wanted, whole = sock_copy__take(copy, record, span->ret_jiffies, &wire);

		wanted = (!pass->port || wire.local_port == pass->port) &&
			 sock_copy__net(copy, record) == pass->table.net;
		*ret_torn = !is_in_slot(pass, record) || (wanted && !whole);
		if (*ret_torn)
			return 0;
		if (!wanted)
			continue;
		sock = snapshot__add_sock(pass->snap);
		if (!sock)
			return -ENOMEM;
		decode__sock(&wire, pass->udp->tick_ns, sock);
	}
	return 0;
}

/* Other ports' sockets in the slot, too: how many there are decides how the kernel looks. */
static int count_slot(struct pass *pass, uint32_t slot)
{
	struct gather_span one = {.link = slot_at(pass, slot), .max = 1};
	int err = gather__run(pass->udp->gather, &pass->udp->slot, &one);

	if (!err)
		pass->snap->udp_slot_socks = gather_plan__half(
			&gather__record(pass->udp->gather, 0)[pass->udp->at_count]);
	return err;
}

/* One pass over the port's slot, or over all. *ret_torn: something had gone from under it. */
static int run_pass(struct pass *pass, int fd, bool *ret_torn)
{
	struct udp_copy *udp = pass->udp;
	struct gather_span span = {.enter = true, .stride = udp->slot_size};
	uint32_t slot = 0;
	int err = socket_table__find(udp->gather, &udp->table, fd, &pass->table);

	if (err)
		return err;
	pass->snap->n_socks = 0;
	pass->snap->netns = pass->table.netns;
	if (pass->port)
		slot = socket_table__slot(&pass->table, pass->table.mix, pass->port);
	err = count_slot(pass, slot);
	span.head = slot_at(pass, slot) + (uint64_t)udp->slot_head;
	span.more_heads = pass->port ? 0 : pass->table.mask;
	*ret_torn = false;
	while (!err && !*ret_torn && (span.enter || gather_span__goes_on(&span))) {
		err = gather__run(udp->gather, &udp->sock.plan, &span);
		if (!err)
			err = take_records(pass, &span, ret_torn);
	}
	return err;
}

int udp_walk__run(struct udp_copy *udp, int fd, uint16_t port, struct snapshot *snap)
{
	struct pass pass = {.udp = udp, .port = port, .snap = snap};
	bool torn = true;
	int err = 0;

	for (int i = 0; i < MAX_PASSES && torn && !err; i++)
		err = run_pass(&pass, fd, &torn);
	/* One that has moved meanwhile, to the front or to another slot, may have been met twice.
	 */
	snapshot__drop_duplicates(snap);
	snap->evidence = torn ? EVIDENCE_RACED : EVIDENCE_WALKED;
	snap->truncated = torn;
	return err;
}
