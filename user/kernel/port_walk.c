// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include "../array.h"
#include "decode.h"
#include "port_walk.h"

/* Buckets of one hash slot, which other ports and namespaces share: no list that is whole has more.
 */
#define MAX_CHAIN 65536
/* Attempts at a bucket, before what is there of it is called truncated. */
#define MAX_RESTARTS 20
/* Attempts at a walk during which nothing on the lists changed, before it is called raced. */
#define MAX_PASSES 3

/* One pass over a port. */
struct pass {
	struct tcp_copy *tcp;
	struct socket_table table;
	struct bucket_walk walk;
	struct wire_bucket *buckets; /* one per VRF that uses the port */
	size_t n_buckets, room;
	bool truncated;
};

/* A bucket that was made anew meanwhile is at the front again, and what is behind it comes twice.
 */
static bool is_known(const struct pass *pass, uint64_t id)
{
	for (size_t i = 0; i < pass->n_buckets; i++) {
		if (pass->buckets[i].id == id)
			return true;
	}
	return false;
}

static int add_bucket(struct pass *pass, const struct wire_bucket *bucket)
{
	struct wire_bucket *buckets =
		array__room(pass->buckets, pass->n_buckets, &pass->room, sizeof(*pass->buckets));

	if (!buckets)
		return -ENOMEM;
	pass->buckets = buckets;
	pass->buckets[pass->n_buckets++] = *bucket;
	return 0;
}

/* The records of one run over the slot: the port's buckets. */
static int take_buckets(struct pass *pass, uint16_t port, const struct gather_span *span)
{
	const struct bind_copy *bind = &pass->tcp->bind;

	for (uint32_t i = 0; i < span->ret_n; i++) {
		const uint64_t *record = gather__record(pass->tcp->gather, i);
		struct wire_bucket bucket;
		int err;

		bucket_record__take(bind, record, &bucket);
		if (!bucket_record__in_slot(bind, record, &pass->table)) {
			pass->walk.torn = true;
			return WALK_LOST;
		}
		if (bucket.port != port || bucket_record__net(bind, record) != pass->table.net ||
		    is_known(pass, bucket.id))
			continue;
		err = add_bucket(pass, &bucket);
		if (err)
			return err;
	}
	return 0;
}

static int find_buckets(struct pass *pass, uint16_t port)
{
	const struct bind_copy *bind = &pass->tcp->bind;
	uint32_t slot = socket_table__slot(&pass->table, pass->table.mix, port), n = 0;
	struct gather_span span = {.enter = true,
				   .head = bind_copy__chain(bind, &pass->table, slot)};
	int err;

	do {
		err = gather__run(pass->tcp->gather, &bind->buckets, &span);
		if (!err)
			err = take_buckets(pass, port, &span);
		n += span.ret_n;
	} while (!err && gather_span__goes_on(&span) && n < MAX_CHAIN);
	pass->truncated |= !err && gather_span__goes_on(&span);
	return err < 0 ? err : 0;
}

/* Is the bucket the one that was found, with what was copied of it? */
static int check_bucket(const struct pass *pass, const struct wire_bucket *found, bool *ret_same)
{
	const struct bind_copy *bind = &pass->tcp->bind;
	struct gather_span one = {.link = found->id + (uint64_t)bind->buckets.link_offset,
				  .max = 1};
	int err = gather__run(pass->tcp->gather, &bind->buckets, &one);
	const uint64_t *record = gather__record(pass->tcp->gather, 0);
	struct wire_bucket now;

	if (err)
		return err;
	bucket_record__take(bind, record, &now);
	*ret_same = one.ret_n && gather_plan__is_linked(&bind->buckets, record) &&
		    bucket_record__net(bind, record) == pass->table.net &&
		    now.port == found->port && now.l3mdev == found->l3mdev &&
		    now.fastreuse == found->fastreuse &&
		    now.fastreuseport == found->fastreuseport && now.fastuid == found->fastuid;
	return 0;
}

static int walk_bucket(struct pass *pass, const struct wire_bucket *bucket)
{
	bool same = true;
	int end = WALK_LOST, err = 0;

	for (int i = 0; !err && same && end == WALK_LOST && i <= MAX_RESTARTS; i++) {
		end = bucket_walk__run(&pass->walk, bucket->id);
		err = end < 0 ? end : check_bucket(pass, bucket, &same);
	}
	pass->walk.torn |= !same;
	/* One that has gone has gone with all of its sockets; this one was not walked to its end.
	 */
	pass->truncated |= end == WALK_LOST && same;
	return err;
}

static int walk_buckets(struct pass *pass, struct snapshot *snap)
{
	for (size_t i = 0; i < pass->n_buckets; i++) {
		struct snap_bucket *bucket = snapshot__add_bucket(snap);
		int err;

		if (!bucket)
			return -ENOMEM;
		decode__bucket(&pass->buckets[i], bucket);
		pass->walk.index = (uint32_t)i;
		err = walk_bucket(pass, &pass->buckets[i]);
		if (err)
			return err;
	}
	snapshot__drop_duplicates(snap);
	return 0;
}

static int run_pass(struct pass *pass, int fd, uint16_t port, struct snapshot *snap)
{
	int err = socket_table__find(pass->tcp->gather, &pass->tcp->bind.table, fd, &pass->table);

	if (err)
		return err;
	snap->n_socks = 0;
	snap->n_buckets = 0;
	snap->netns = pass->table.netns;
	pass->walk = (struct bucket_walk){.tcp = pass->tcp,
					  .table = &pass->table,
					  .place = {.net = pass->table.net, .port = port},
					  .snap = snap};
	return find_buckets(pass, port) ?: walk_buckets(pass, snap);
}

int port_walk__run(struct tcp_copy *tcp, int fd, uint16_t port, struct snapshot *snap)
{
	struct pass pass;
	int err, n = 0;

	do {
		pass = (struct pass){.tcp = tcp};
		err = run_pass(&pass, fd, port, snap);
		free(pass.buckets);
	} while (!err && pass.walk.torn && ++n < MAX_PASSES);
	snap->truncated = pass.truncated;
	snap->evidence = pass.walk.torn || pass.truncated ? EVIDENCE_RACED : EVIDENCE_WALKED;
	return err;
}
