// SPDX-License-Identifier: GPL-2.0-only
/* The walk of a bind bucket while its lists change, each change at the moment at which it hurts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_kernel.h"

#define PORT	 8080
#define MAX_SOCK 400

struct world {
	bool nested;
	struct btf *types;
	struct gather gather;
	struct tcp_copy tcp;
	struct socket_table table;
	struct fake_net net;
	struct fake_slot slots[4];
	struct fake_tb tb;
	struct fake_tb2 tb2[3];
	struct fake_socket sockets[MAX_SOCK];
	struct fake_sock socks[MAX_SOCK];
	struct snapshot snap;
	struct bucket_walk walk;
	/* of a test's own change */
	int at_run, times;
};

static void make(struct world *world, bool nested)
{
	memset(world, 0, sizeof(*world));
	world->nested = nested;
	world->types = fake_types(nested);
	world->gather.ctx = world;
	world->tcp.gather = &world->gather;
	world->tcp.tick_ns = 4000000;
	assert_int_equal(bind_copy__plan(world->types, &world->tcp.bind), 0);
	assert_int_equal(sock_copy__plan(world->types, SOCK_LIST_BIND, &world->tcp.sock), 0);
	world->table = (struct socket_table){
		.net = (uint64_t)&world->net, .slots = (uint64_t)world->slots, .mask = 3};
	world->tb = (struct fake_tb){.net = &world->net, .port = PORT};
	for (int i = 2; nested && i >= 0; i--) {
		world->tb2[i].port = PORT;
		fake_link(&world->tb.bhash2, &world->tb2[i].bhash_node);
	}
	snapshot__init(&world->snap);
	world->walk = (struct bucket_walk){.tcp = &world->tcp,
					   .table = &world->table,
					   .place = {.net = (uint64_t)&world->net, .port = PORT},
					   .snap = &world->snap};
}

static void drop(struct world *world)
{
	snapshot__free(&world->snap);
	btf__free(world->types);
}

static struct fake_node **list_of(struct world *world, int bucket)
{
	return world->nested ? &world->tb2[bucket].owners : &world->tb.owners;
}

static void put(struct world *world, int i, int bucket)
{
	struct fake_sock *sock = &world->socks[i];

	sock->bind_hash = sock->tw_tb = &world->tb;
	sock->bind2_hash = sock->tw_tb2 = &world->tb2[bucket];
	fake_link(list_of(world, bucket), &sock->bind_node);
}

/* Socket i in a list of its bucket; those that came later are in front. */
static void add(struct world *world, int i, int bucket)
{
	fake_open(&world->socks[i], &world->sockets[i], &world->net, PORT, i);
	world->socks[i].state = 10;
	put(world, i, bucket);
}

static void add_all(struct world *world, int n)
{
	for (int i = 0; i < n; i++)
		add(world, i, world->nested ? i % 3 : 0);
}

static int run(struct world *world)
{
	int end = bucket_walk__run(&world->walk, (uint64_t)&world->tb);

	snapshot__drop_duplicates(&world->snap);
	return end;
}

static size_t times_seen(const struct world *world, int i)
{
	return fake_times_seen(&world->snap, &world->socks[i]);
}

static void assert_seen(const struct world *world, int from, int to)
{
	for (int i = from; i < to; i++)
		assert_int_equal(times_seen(world, i), 1);
}

static void for_both(void (*test)(struct world *world))
{
	static struct world world;

	for (int nested = 0; nested < 2; nested++) {
		make(&world, nested);
		test(&world);
		drop(&world);
	}
}

static void quiet(struct world *world)
{
	add_all(world, 300);
	world->socks[7].state = 6;
	world->socks[7].substate = 6;
	world->socks[7].expires = 250;
	world->socks[8].reuse = 1;
	world->socks[8].reuseport = 1;
	world->socks[8].userlocks = 8;
	assert_int_equal(run(world), 0);
	assert_false(world->walk.torn);
	assert_int_equal(world->snap.n_socks, 300);
	assert_seen(world, 0, 300);
	for (size_t i = 0; i < 300; i++) {
		const struct snap_sock *sock = &world->snap.socks[i];

		if (sock->id == (uint64_t)&world->socks[7]) {
			assert_int_equal(sock->expires_ms, 1000);
			assert_int_equal(sock->has_socket, TRI_NO);
		} else {
			assert_int_equal(sock->inode - 1000,
					 (struct fake_sock *)sock->id - world->socks);
		}
		if (sock->id == (uint64_t)&world->socks[8]) {
			assert_int_equal(sock->reuseaddr, TRI_YES);
			assert_int_equal(sock->reuseport, TRI_YES);
			assert_int_equal(sock->port_locked, TRI_YES);
		}
	}
}

static void test_quiet(void **state)
{
	for_both(quiet);
}

/* The sockets that the last run has copied last go, before the next run begins behind them. */
static void close_last(void *ctx, int run)
{
	struct world *world = ctx;

	if (run != world->at_run)
		return;
	for (int i = 0; i < world->times; i++) {
		uint64_t object =
			world->gather.records[WIRE_GATHER_BATCH - 1 - i][WIRE_WORD_OBJECT];

		fake_unlink(&((struct fake_sock *)object)->bind_node);
	}
}

/*
 * What the walk goes on from is read again, and is not where it was: it falls back to an older
 * one, and nobody is passed over.
 */
static void next_is_gone(void *ctx, int run)
{
	struct world *world = ctx;

	close_last(ctx, run);
	if (run == world->at_run)
		fake_unlink(&world->socks[300 - 1 - WIRE_GATHER_BATCH].bind_node);
}

static void resumes(struct world *world)
{
	int gone = 300 - 1 - WIRE_GATHER_BATCH;

	for (int i = 0; i < 300; i++)
		add(world, i, 0);
	world->gather.before_run = next_is_gone;
	world->at_run = world->nested ? 2 : 1; /* the address buckets are looked for first */
	world->times = 3;
	assert_int_equal(run(world), 0);
	assert_true(world->walk.torn);
	assert_int_equal(times_seen(world, gone), 0);
	assert_seen(world, 0, gone);
	assert_seen(world, gone + 1, 300);
}

static void test_resumes(void **state)
{
	for_both(resumes);
}

/* A minute after many connections were closed. */
static void resumes_far_back(struct world *world)
{
	for (int i = 0; i < 300; i++)
		add(world, i, 0);
	world->gather.before_run = next_is_gone;
	world->at_run = world->nested ? 2 : 1;
	world->times = 60;
	assert_int_equal(run(world), 0);
	assert_true(world->walk.torn);
	assert_seen(world, 0, 300 - 1 - WIRE_GATHER_BATCH);
}

static void test_far_back(void **state)
{
	for_both(resumes_far_back);
}

/* Every place to fall back to has gone. Of the address buckets that one is walked once more. */
static void is_lost(struct world *world)
{
	for (int i = 0; i < 300; i++)
		add(world, i, 0);
	world->gather.before_run = next_is_gone;
	world->at_run = world->nested ? 2 : 1;
	world->times = WIRE_GATHER_BATCH;
	assert_int_equal(run(world), world->nested ? 0 : WALK_LOST);
	assert_true(world->walk.torn);
	if (world->nested)
		assert_seen(world, 0, 300 - 1 - WIRE_GATHER_BATCH);
}

static void test_lost(void **state)
{
	for_both(is_lost);
}

/* A connection ends and becomes a time-wait socket: at the other end of the list, behind the walk.
 */
static void to_the_front(void *ctx, int run)
{
	struct world *world = ctx;

	if (run != world->at_run)
		return;
	fake_unlink(&world->socks[0].bind_node);
	put(world, 0, 0);
}

static void moves_to_front(struct world *world)
{
	for (int i = 0; i < 300; i++)
		add(world, i, 0);
	world->gather.before_run = to_the_front;
	world->at_run = world->nested ? 2 : 1;
	assert_int_equal(run(world), 0);
	assert_seen(world, 0, 300);
	assert_false(world->walk.torn);
}

static void test_front(void **state)
{
	for_both(moves_to_front);
}

/* Bound anew while it is copied: its successor is then what the list began with. */
static void bound_anew(void *ctx, void *object)
{
	struct world *world = ctx;

	if (object != &world->socks[5] || world->times++)
		return;
	fake_unlink(&world->socks[5].bind_node);
	put(world, 5, 0);
}

static void goes_around(struct world *world)
{
	for (int i = 0; i < 20; i++)
		add(world, i, 0);
	world->gather.before_last = bound_anew;
	assert_int_equal(run(world), 0);
	assert_seen(world, 0, 20);
}

static void test_around(void **state)
{
	for_both(goes_around);
}

/* Its memory becomes another port's socket while it is copied. */
static void becomes_another(void *ctx, void *object)
{
	struct world *world = ctx;
	struct fake_sock *sock = &world->socks[5];

	if (object != sock)
		return;
	fake_unlink(&sock->bind_node);
	sock->num = PORT + 1;
	sock->daddr = 77;
}

static void is_reused(struct world *world)
{
	add_all(world, 20);
	world->gather.before_last = becomes_another;
	assert_int_equal(run(world), 0);
	assert_true(world->walk.torn);
	assert_int_equal(times_seen(world, 5), 0);
	assert_seen(world, 0, 5);
	assert_seen(world, 6, 20);
}

static void test_reused(void **state)
{
	for_both(is_reused);
}

/* Closed and opened again, with nothing but its inode to tell; and in another namespace now. */
static void is_opened_again(void *ctx, void *object)
{
	struct world *world = ctx;
	bool later = world->at_run && world->gather.runs > world->at_run;

	if (object == &world->socks[4]) {
		world->socks[4].net = NULL;
		/* It is in the list yet, for some looks. */
		if (++world->times > 3) {
			fake_unlink(&world->socks[4].bind_node);
			world->at_run = world->gather.runs;
		}
	} else if (later && object == &world->socks[3]) {
		world->socks[3].socket = &world->sockets[9];
	} else if (world->at_run && world->gather.runs > world->at_run + 2 &&
		   object == &world->socks[2]) {
		world->socks[2].flags = 1;
	}
}

static void is_another(struct world *world)
{
	for (int i = 0; i < 8; i++)
		add(world, i, 0);
	world->gather.before_last = is_opened_again;
	assert_int_equal(run(world), 0);
	assert_true(world->walk.torn);
	assert_int_equal(times_seen(world, 4), 0);
	assert_seen(world, 0, 4);
	for (size_t i = 0; i < world->snap.n_socks; i++) {
		const struct snap_sock *sock = &world->snap.socks[i];

		if (sock->id == (uint64_t)&world->socks[3])
			assert_int_not_equal(sock->inode, 1003);
		if (sock->id == (uint64_t)&world->socks[2])
			assert_int_equal(sock->dead, TRI_YES);
	}
}

static void test_another(void **state)
{
	for_both(is_another);
}

/* connect(): from the wildcard's address bucket to another one, walked already or not yet. */
static void to_another_bucket(void *ctx, int run)
{
	struct world *world = ctx;

	if (run != world->at_run)
		return;
	fake_unlink(&world->socks[0].bind_node);
	put(world, 0, world->times);
}

static void moves(int from, int to, int at_run)
{
	static struct world world;

	make(&world, true);
	add(&world, 0, from); /* the others are in front of it, and do not change */
	for (int i = 1; i < 30; i++)
		add(&world, i, i % 3);
	world.gather.before_run = to_another_bucket;
	world.at_run = at_run;
	world.times = to;
	assert_int_equal(run(&world), 0);
	assert_seen(&world, 0, 30);
	drop(&world);
}

static void test_moves(void **state)
{
	for (int at = 1; at <= 4; at++) {
		moves(2, 0, at);
		moves(0, 2, at);
		moves(1, 2, at);
	}
}

/* While somebody has the lock, a socket may be in no list at all. The others are there. */
static void let_go(void *ctx, int run)
{
	struct world *world = ctx;

	if (run < world->times)
		return;
	if (!world->socks[0].bind_node.pprev)
		put(world, 0, 1);
	world->slots[PORT & 3].lock = 0;
}

static void test_lock(void **state)
{
	static struct world world;

	for (int times = 1; times <= 40; times += 13) {
		make(&world, true);
		add_all(&world, 9);
		fake_unlink(&world.socks[0].bind_node);
		world.slots[PORT & 3].lock = 1;
		world.gather.before_run = let_go;
		world.times = times;
		assert_int_equal(run(&world), times <= WALK_MAX_LAPS ? 0 : WALK_LOST);
		assert_seen(&world, times <= WALK_MAX_LAPS ? 0 : 1, 9);
		drop(&world);
	}
}

/* A list that never holds still. */
static void keeps_changing(void *ctx, int run)
{
	struct world *world = ctx;
	int last = world->nested ? 6 : 1;

	fake_unlink(&world->socks[run % last].bind_node);
	put(world, run % last, 0);
	if (!(run % 2))
		add(world, 10 + run / 2, 0);
}

static void never_still(struct world *world)
{
	for (int i = 0; i < 10; i++)
		add(world, i, 0);
	world->gather.before_run = keeps_changing;
	assert_int_equal(run(world), WALK_LOST);
	assert_true(world->walk.torn);
}

static void test_never_still(void **state)
{
	for_both(never_still);
}

static void is_cut(struct world *world)
{
	add_all(world, 200);
	world->walk.limit = 150;
	assert_int_equal(run(world), WALK_CUT);
	assert_int_equal(world->snap.n_socks, 150);
	assert_false(world->walk.torn);
}

static void test_limit(void **state)
{
	for_both(is_cut);
}

/* More address buckets than a run copies. */
static void test_many_buckets(void **state)
{
	static struct world world;
	static struct fake_tb2 more[MAX_SOCK];

	make(&world, true);
	for (int i = 0; i < MAX_SOCK; i++) {
		more[i] = (struct fake_tb2){.port = PORT};
		fake_link(&world.tb.bhash2, &more[i].bhash_node);
		add(&world, i, 0);
		fake_unlink(&world.socks[i].bind_node);
		world.socks[i].bind2_hash = &more[i];
		fake_link(&more[i].owners, &world.socks[i].bind_node);
	}
	assert_int_equal(run(&world), 0);
	assert_seen(&world, 0, MAX_SOCK);
	drop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),	     cmocka_unit_test(test_resumes),
		cmocka_unit_test(test_far_back),     cmocka_unit_test(test_lost),
		cmocka_unit_test(test_front),	     cmocka_unit_test(test_around),
		cmocka_unit_test(test_reused),	     cmocka_unit_test(test_another),
		cmocka_unit_test(test_moves),	     cmocka_unit_test(test_lock),
		cmocka_unit_test(test_never_still),  cmocka_unit_test(test_limit),
		cmocka_unit_test(test_many_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
