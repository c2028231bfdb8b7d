// SPDX-License-Identifier: GPL-2.0-only
/* Sockets that were closed between the walk and the search for their owners. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gone.h"

/* A second look that finds the sockets with these ids. */
struct fake {
	const uint64_t *ids;
	size_t n;
	int err, calls;
};

static int look(void *ctx, struct snapshot *ret)
{
	struct fake *fake = ctx;

	fake->calls++;
	for (size_t i = 0; i < fake->n; i++) {
		struct snap_sock *sock = snapshot__add_sock(ret);

		sock->id = fake->ids[i];
		sock->inode = 100 + fake->ids[i];
	}
	return fake->err;
}

static void add(struct snapshot *snap, uint64_t id, uint8_t holder)
{
	struct snap_sock *sock = snapshot__add_sock(snap);

	sock->id = id;
	sock->inode = 100 + id;
	sock->holder = holder;
}

static void three_sockets(struct snapshot *snap)
{
	snapshot__init(snap);
	snap->owners_known = true;
	add(snap, 1, HOLDER_PROCESS);
	add(snap, 2, HOLDER_DETACHED);
	add(snap, 3, HOLDER_DETACHED);
}

static void check(struct fake *fake, const uint32_t *socks, size_t n, uint8_t second, uint8_t third)
{
	struct snapshot snap;

	three_sockets(&snap);
	assert_int_equal(gone__forget(&snap, socks, n, look, fake), 0);
	assert_int_equal(snap.socks[0].holder, HOLDER_PROCESS);
	assert_int_equal(snap.socks[1].holder, second);
	assert_int_equal(snap.socks[2].holder, third);
	assert_int_equal(snap.owners_known, second == HOLDER_DETACHED && third == HOLDER_DETACHED);
	assert_int_equal(fake->calls, 1);
	snapshot__free(&snap);
}

static void test_still_there(void **state)
{
	struct fake fake = {.ids = (const uint64_t[]){3, 2}, .n = 2};

	check(&fake, NULL, 0, HOLDER_DETACHED, HOLDER_DETACHED);
}

static void test_closed_meanwhile(void **state)
{
	struct fake fake = {.ids = (const uint64_t[]){1, 3}, .n = 2};

	check(&fake, NULL, 0, HOLDER_UNKNOWN, HOLDER_DETACHED);
}

static void test_only_some(void **state)
{
	static const uint32_t socks[] = {0, 2};
	struct fake fake = {.n = 0};

	check(&fake, socks, 2, HOLDER_DETACHED, HOLDER_UNKNOWN);
}

static void test_no_second_look(void **state)
{
	struct fake fake = {.err = -EPERM, .ids = (const uint64_t[]){2, 3}, .n = 2};

	check(&fake, NULL, 0, HOLDER_UNKNOWN, HOLDER_UNKNOWN);
}

static void test_out_of_memory(void **state)
{
	struct fake fake = {.err = -ENOMEM};
	struct snapshot snap;

	three_sockets(&snap);
	assert_int_equal(gone__forget(&snap, NULL, 0, look, &fake), -ENOMEM);
	snapshot__free(&snap);
}

static void test_nobody_detached(void **state)
{
	struct fake fake = {};
	struct snapshot snap;

	snapshot__init(&snap);
	snap.owners_known = true;
	add(&snap, 1, HOLDER_PROCESS);
	add(&snap, 2, HOLDER_KERNEL);
	assert_int_equal(gone__forget(&snap, NULL, 0, look, &fake), 0);
	assert_int_equal(fake.calls, 0);
	assert_true(snap.owners_known);
	snapshot__free(&snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_still_there),   cmocka_unit_test(test_closed_meanwhile),
		cmocka_unit_test(test_only_some),     cmocka_unit_test(test_no_second_look),
		cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_nobody_detached),
	};

	return cmocka_run_group_tests_name("gone", tests, NULL, NULL);
}
