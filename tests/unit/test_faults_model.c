/* SPDX-License-Identifier: GPL-2.0-only */
/* The model without memory: told by -ENOMEM, or borne, and then no verdict is another one. */
#include "faults.h"
#include "model_text.h"
#include "model/internal.h"

static const char busy_port[] =
	"LISTEN 0.0.0.0 R|TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 R? locked? expires=1000|BOUND "
	"10.0.0.1|ESTABLISHED 10.0.0.1 peer=10.0.0.9/443";

/* Of the heap's own: what is made before the faults begin. */
static struct snapshot port;

static int judge(void *arg)
{
	struct bind_request req = text_request(arg);
	struct verdict verdict, before;
	int err;

	memset(&verdict, 0x5a, sizeof(verdict));
	before = verdict;
	err = req.call == CALL_CONNECT ? rules__judge_connect(&port, &req, &verdict)
				       : rules__judge(&port, &req, true, &verdict);
	if (err) {
		assert_memory_equal(&verdict, &before, sizeof(verdict));
		return err;
	}
	err = verdict__explain(&verdict, &port, &req);
	verdict__free(&verdict);
	return err;
}

static void test_judge(void **state)
{
	static const char *const calls[] = {"bind 0.0.0.0", "bind 0.0.0.0 R",
					    "connect 10.0.0.1 peer=10.0.0.9/443"};

	text_snapshot(busy_port, K_6_12, &port);
	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
		assert_true(fault__each(calls[i], judge, (void *)calls[i], FAULTS_TOLD) > 0);
	snapshot__free(&port);
}

static int sum(void *arg)
{
	struct bind_request req = text_request("bind 0.0.0.0 port=0");
	struct port_usage usage = {.taken = 4711};
	int err = usage__sum(&port, &req, NULL, &usage);

	assert_int_equal(usage.taken, err ? 4711 : 1);
	return err;
}

static void test_usage(void **state)
{
	text_snapshot("BOUND 0.0.0.0 port=40000", K_6_12, &port);
	assert_int_equal(snapshot__add_hold(&port, 0, 0, 3, TRI_YES), 0);
	assert_non_null(snapshot__add_proc(&port));
	assert_int_equal(fault__each("usage", sum, NULL, FAULTS_TOLD), 2);
	snapshot__free(&port);
}

/* Every kind of entry, past the first capacity, so that what is there moves. */
static int fill(void *arg)
{
	struct snapshot snap;
	int err = 0;

	snapshot__init(&snap);
	for (int i = 0; i < 40 && !err; i++) {
		struct snap_sock *sock = snapshot__add_sock(&snap);
		size_t n;

		if (sock)
			sock->id = i;
		if (!sock || !snapshot__add_bucket(&snap) || !snapshot__add_proc(&snap))
			err = -ENOMEM;
		err = err ?: snapshot__add_device(&snap, i, "eth0");
		err = err ?: snapshot__add_hold(&snap, i, i, 3, TRI_YES);
		for (n = 0; n < snap.n_socks; n++)
			assert_int_equal(snap.socks[n].id, n);
	}
	snapshot__free(&snap);
	return err;
}

static void test_fill(void **state)
{
	assert_true(fault__each("snapshot", fill, NULL, FAULTS_TOLD) > 80);
}

/* Without memory there is no guess: a role stays unknown, and a repeat is there twice. */
static int tidy(void *arg)
{
	struct snapshot snap;

	faults.armed = false;
	text_snapshot("TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked? id=1|LISTEN 0.0.0.0 id=2|LISTEN "
		      "0.0.0.0 id=2",
		      K_6_12, &snap);
	faults.armed = true;
	snapshot__drop_duplicates(&snap);
	assert_true(snap.n_socks == 2 || (faults.failed && snap.n_socks == 3));
	snapshot__set_roles(&snap);
	assert_true(snap.socks[0].role == ROLE_SERVER ||
		    (faults.failed && snap.socks[0].role == ROLE_UNKNOWN));
	assert_int_equal(snap.socks[1].role, ROLE_SERVER);
	snapshot__free(&snap);
	return 0;
}

static void test_tidy(void **state)
{
	assert_int_equal(fault__each("duplicates and roles", tidy, NULL, FAULTS_BORNE), 3);
}

/* Where qsort() gets no memory it goes about it in another way. */
static int tidy_many(void *arg)
{
	struct snapshot snap;

	faults.armed = false;
	snapshot__init(&snap);
	for (int i = 0; i < 200; i++)
		snapshot__add_sock(&snap)->id = 1 + i * 7 % 100;
	faults.armed = true;
	snapshot__drop_duplicates(&snap);
	assert_true(snap.n_socks == 100 || (faults.failed && snap.n_socks == 200));
	for (size_t i = 0; i < snap.n_socks; i++)
		assert_int_equal(snap.socks[i].id, 1 + i * 7 % 100);
	snapshot__free(&snap);
	return 0;
}

static void test_tidy_many(void **state)
{
	assert_true(fault__each("many duplicates", tidy_many, NULL, FAULTS_BORNE) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),	  cmocka_unit_test(test_usage),
		cmocka_unit_test(test_fill),	  cmocka_unit_test(test_tidy),
		cmocka_unit_test(test_tidy_many),
	};

	return cmocka_run_group_tests_name("faults: model", tests, NULL, NULL);
}
