// SPDX-License-Identifier: GPL-2.0-only
/* The walk of UDP's slots while their lists change, each change at the moment at which it hurts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/udp_walk.h"

#define SLOTS 4
#define PORT  8080 /* of the first slot, as are those 4, 8, … further */
#define N     24

struct fake_udp_slot {
	struct fake_node *head;
	int32_t count;
};

struct world {
	struct btf *types;
	struct gather gather;
	struct udp_copy udp;
	struct socket_table table;
	struct fake_net net;
	struct fake_udp_slot slots[SLOTS];
	struct fake_socket sockets[N];
	struct fake_sock socks[N];
	struct snapshot snap;
	int moves, moved; /* how often the test is to change a list, and has */
};

static struct fake_node **list_of(struct world *world, uint16_t port)
{
	return &world->slots[port % SLOTS].head;
}

/* Sockets 0, 4, … have PORT; those between them the ports after it, a slot each. */
static void add(struct world *world, int i)
{
	struct fake_sock *sock = &world->socks[i];
	uint16_t port = (uint16_t)(PORT + i % SLOTS);

	fake_open(sock, &world->sockets[i], &world->net, port, i);
	sock->state = 7;
	fake_link(list_of(world, port), &sock->node);
	world->slots[port % SLOTS].count++;
}

static void make(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->types = fake_types(true);
	world->gather.ctx = world;
	world->udp = (struct udp_copy){.gather = &world->gather,
				       .slot_size = sizeof(struct fake_udp_slot),
				       .tick_ns = 4000000};
	gather_plan__begin(&world->udp.slot, 0);
	world->udp.at_count = gather_plan__copy(&world->udp.slot, WIRE_WORD_OBJECT,
						offsetof(struct fake_udp_slot, count),
						sizeof(int32_t), WIRE_WHEN_ANY);
	assert_int_equal(sock_copy__plan(world->types, SOCK_LIST_UDP, &world->udp.sock), 0);
	world->table = (struct socket_table){.net = (uint64_t)&world->net,
					     .slots = (uint64_t)world->slots,
					     .mask = SLOTS - 1,
					     .netns = 7};
	for (int i = 0; i < N; i++)
		add(world, i);
	snapshot__init(&world->snap);
}

static void drop(struct world *world)
{
	snapshot__free(&world->snap);
	btf__free(world->types);
}

static void run(struct world *world, uint16_t port)
{
	assert_int_equal(udp_walk__slots(&world->udp, &world->table, port, &world->snap), 0);
	assert_int_equal(world->snap.netns, 7);
}

static size_t times_seen(const struct world *world, int i)
{
	return fake_times_seen(&world->snap, &world->socks[i]);
}

static void assert_all_seen(const struct world *world)
{
	for (int i = 0; i < N; i++)
		assert_int_equal(times_seen(world, i), 1);
}

/* One port in the order of its list, the last one first; and all. */
static void test_quiet(void **state)
{
	static struct world world;

	make(&world);
	run(&world, PORT);
	assert_int_equal(world.snap.evidence, EVIDENCE_WALKED);
	assert_int_equal(world.snap.n_socks, N / SLOTS);
	assert_int_equal(world.snap.udp_slot_socks, N / SLOTS);
	for (int i = 0; i < N / SLOTS; i++)
		assert_true(world.snap.socks[i].id ==
			    (uint64_t)&world.socks[N - SLOTS - SLOTS * i]);
	drop(&world);

	make(&world);
	run(&world, 0);
	assert_int_equal(world.snap.n_socks, N);
	assert_all_seen(&world);
	drop(&world);
}

/* Of one slot, the socket that is being copied becomes one of another port's slot. */
static void rebind(void *ctx, void *object)
{
	struct world *world = ctx;
	struct fake_sock *sock = object;

	if (sock->hashes[0] % SLOTS != 1 || world->moved == world->moves)
		return;
	world->moved++;
	fake_unlink(&sock->node);
	sock->num = sock->hashes[0] = PORT + 2;
	fake_link(list_of(world, sock->num), &sock->node);
}

/* The slot is walked again, and nothing else; what has moved is seen where it is now. */
static void test_moves(void **state)
{
	static struct world world;

	for (int times = 1; times <= 3; times++) {
		make(&world);
		world.gather.before_last = rebind;
		world.moves = times;
		run(&world, 0);
		assert_int_equal(world.moved, times);
		assert_int_equal(world.snap.evidence, EVIDENCE_WALKED);
		assert_int_equal(world.snap.n_socks, N);
		assert_all_seen(&world);
		drop(&world);
	}
}

/* Socket 1, the last of its list, is never where it was. */
static void never_still(void *ctx, void *object)
{
	struct world *world = ctx;
	struct fake_sock *sock = object;

	if (sock != &world->socks[1])
		return;
	world->moved++;
	fake_unlink(&sock->node);
	sock->hashes[0] = 0;
}

static void put_back(void *ctx, int n)
{
	struct world *world = ctx;

	if (world->socks[1].node.pprev)
		return;
	world->socks[1].hashes[0] = PORT + 1;
	/* where it was: behind all others */
	world->socks[1].node.next = NULL;
	world->socks[1].node.pprev = &world->socks[1 + SLOTS].node.next;
	world->socks[1 + SLOTS].node.next = &world->socks[1].node;
}

/* The others are seen nevertheless, those of its slot and of the slots behind it. */
static void test_never_still(void **state)
{
	static struct world world;

	for (int one = 0; one < 2; one++) {
		make(&world);
		world.gather.before_last = never_still;
		world.gather.before_run = put_back;
		run(&world, one ? PORT + 1 : 0);
		assert_true(world.moved > 3);
		assert_int_equal(world.snap.evidence, EVIDENCE_RACED);
		assert_true(world.snap.truncated);
		assert_int_equal(times_seen(&world, 1), 0);
		for (int i = 0; i < N; i++) {
			if (i != 1)
				assert_int_equal(times_seen(&world, i), !one || i % SLOTS == 1);
		}
		drop(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_never_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
