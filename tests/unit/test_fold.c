// SPDX-License-Identifier: GPL-2.0-only
/* Identical refusals: what is told at once, what is held, and that every call is counted once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../bpf/wire.h"
#include "kernel/fold.h"

#define WINDOW	   1000
#define MAX_TOLD   256
#define TCP_ESTAB  1
#define TCP_LISTEN 10

struct told {
	uint64_t count;
	int64_t first_ns, last_ns;
	uint32_t pid;
	uint16_t port;
	bool again;
};

struct log {
	struct told told[MAX_TOLD];
	size_t n;
	uint64_t calls;
	int err; /* the next answers are this */
};

static int note(void *ctx, const struct folded *folded)
{
	struct log *log = ctx;
	const struct wire_conflict *wire = folded->data;

	if (log->err)
		return log->err;
	assert_true(log->n < MAX_TOLD);
	log->told[log->n++] = (struct told){
		.count = folded->count,
		.first_ns = folded->first_ns,
		.last_ns = (int64_t)wire->time_ns,
		.pid = wire->pid,
		.port = wire->binder.local_port,
		.again = folded->again,
	};
	log->calls += folded->count;
	return 0;
}

static struct wire_conflict refusal(int64_t time_ns, uint32_t pid, uint16_t port)
{
	struct wire_conflict wire = {
		.time_ns = (uint64_t)time_ns,
		.pid = pid,
		.error = EADDRINUSE,
		.n_socks = 1,
		.binder = {.id = pid * 100ull + (uint64_t)time_ns, .local_port = port},
		.socks = {{.id = 7, .state = TCP_LISTEN}},
	};

	memcpy(wire.comm, "echo", 4);
	return wire;
}

static void offer(struct fold *fold, struct log *log, const struct wire_conflict *wire)
{
	size_t size = offsetof(struct wire_conflict, socks) + wire->n_socks * sizeof(*wire->socks);

	assert_int_equal(fold__offer(fold, wire, size, note, log), 0);
}

static void call(struct fold *fold, struct log *log, int64_t time_ns, uint32_t pid, uint16_t port)
{
	const struct wire_conflict wire = refusal(time_ns, pid, port);

	offer(fold, log, &wire);
}

static void assert_told(const struct log *log, size_t nth, struct told wanted)
{
	const struct told *told = &log->told[nth];

	assert_true(nth < log->n);
	assert_int_equal(told->count, wanted.count);
	assert_int_equal(told->first_ns, wanted.first_ns);
	assert_int_equal(told->last_ns, wanted.last_ns);
	assert_int_equal(told->pid, wanted.pid);
	assert_int_equal(told->again, wanted.again);
}

/* The first at once, the others as one when the window is over, then as one a window. */
static void test_storm(void **state)
{
	struct fold *fold = fold__new(WINDOW);
	struct log log = {.n = 0};

	for (int64_t t = 0; t < 2500; t += 10)
		call(fold, &log, 5000 + t, (uint32_t)(100 + t), 80);
	assert_int_equal(log.n, 3);
	assert_told(&log, 0, (struct told){1, 5000, 5000, 100, 80, false});
	assert_told(&log, 1, (struct told){99, 5010, 5990, 1090, 80, true});
	assert_told(&log, 2, (struct told){100, 6000, 6990, 2090, 80, true});
	assert_int_equal(fold__held(fold), 50);
	assert_int_equal(fold__next_ns(fold), 8000);
	assert_int_equal(fold__tell(fold, 7999, note, &log), 0);
	assert_int_equal(log.n, 3);
	assert_int_equal(fold__tell(fold, 8000, note, &log), 0);
	assert_told(&log, 3, (struct told){50, 7000, 7490, 2590, 80, true});
	assert_int_equal(fold__held(fold), 0);
	assert_int_equal(log.calls, 250);
	fold__free(fold);
}

/* Nothing for a whole window: the next one is told at once again, and in full. */
static void test_pause(void **state)
{
	struct fold *fold = fold__new(WINDOW);
	struct log log = {.n = 0};

	call(fold, &log, 100, 1, 80);
	call(fold, &log, 200, 2, 80);
	assert_int_equal(fold__tell(fold, 1100, note, &log), 0);
	assert_told(&log, 1, (struct told){1, 200, 200, 2, 80, true});
	call(fold, &log, 2100, 3, 80);
	assert_told(&log, 2, (struct told){1, 2100, 2100, 3, 80, false});
	assert_int_equal(fold__next_ns(fold), -1); /* nothing held: nothing to wake up for */
	fold__free(fold);
}

static void test_no_window(void **state)
{
	struct fold *fold = fold__new(0);
	struct log log = {.n = 0};

	for (int i = 0; i < 5; i++)
		call(fold, &log, 100, 1, 80);
	assert_int_equal(log.n, 5);
	assert_false(log.told[4].again);
	assert_int_equal(fold__next_ns(fold), -1);
	fold__free(fold);
}

/* Whatever differs in the request, the program, or in what is in the way makes another event. */
static void test_kinds(void **state)
{
	struct fold *fold = fold__new(WINDOW);
	struct log log = {.n = 0};
	struct wire_conflict wire[17];
	size_t n = sizeof(wire) / sizeof(wire[0]);

	for (size_t i = 0; i < n; i++)
		wire[i] = refusal(100, 1, 80);
	wire[1].binder.local_port = 81;
	wire[2].binder.local[0] = 127;
	wire[3].binder.reuse = 1;
	wire[4].binder.flags = WIRE_SOCK_REUSEPORT;
	wire[5].binder.ifindex = 2;
	wire[6].binder.peer_port = 90;
	wire[7].netns = 1;
	wire[8].uid = 1;
	wire[9].comm[0] = 'E';
	wire[10].cgroup_id = 1;
	wire[11].exe_len = 1;
	wire[12].error = EACCES;
	wire[13].syscall = WIRE_LISTEN;
	wire[14].protocol = 17;
	wire[15].socks[0].id = 8;
	wire[16].socks[0].state = TCP_ESTAB;
	for (size_t i = 0; i < n; i++)
		offer(fold, &log, &wire[i]);
	assert_int_equal(log.n, n);
	for (size_t i = 0; i < n; i++)
		offer(fold, &log, &wire[i]);
	assert_int_equal(log.n, n);
	assert_int_equal(fold__held(fold), n);
	fold__free(fold);
}

/* Connections come and go on a busy port, processes are started anew: the refusal is the same. */
static void test_same(void **state)
{
	struct fold *fold = fold__new(WINDOW);
	struct log log = {.n = 0};
	struct wire_conflict wire = refusal(100, 1, 80);

	wire.n_socks = 2;
	wire.socks[1] = (struct wire_sock){.id = 9, .state = TCP_ESTAB, .peer_port = 1000};
	offer(fold, &log, &wire);
	wire.socks[1] = (struct wire_sock){.id = 10, .state = TCP_ESTAB, .peer_port = 1001};
	wire.n_socks = 3;
	wire.socks[2] = (struct wire_sock){.id = 11, .state = TCP_ESTAB, .peer_port = 1002};
	wire.pid = 2;
	wire.start_ns = 5;
	wire.binder.id++;
	offer(fold, &log, &wire);
	assert_int_equal(log.n, 1);
	/* The last record is the one shown, whole. */
	assert_int_equal(fold__tell(fold, INT64_MAX, note, &log), 0);
	assert_told(&log, 1, (struct told){1, 100, 100, 2, 80, true});
	fold__free(fold);
}

/* More kinds than there is room for: told early, none forgotten. */
static void test_crowd(void **state)
{
	struct fold *fold = fold__new(WINDOW);
	struct log log = {.n = 0};
	uint64_t calls = 0;

	for (uint16_t port = 1; port <= 2 * FOLD_MAX_KINDS; port++) {
		call(fold, &log, 100 + port, 1, port);
		call(fold, &log, 100 + port, 1, port);
		calls += 2;
	}
	assert_int_equal(log.calls + fold__held(fold), calls);
	assert_int_equal(fold__held(fold), FOLD_MAX_KINDS);
	assert_int_equal(fold__tell(fold, INT64_MAX, note, &log), 0);
	assert_int_equal(log.calls, calls);
	fold__free(fold);
}

/* Random calls of many kinds, with a clock that stumbles: each is counted exactly once. */
static void test_every_call_counts(void **state)
{
	unsigned seed = 1;

	for (int round = 0; round < 50; round++) {
		struct fold *fold = fold__new(50);
		struct log log = {.n = 0};
		int64_t now_ns = 1000;

		for (uint64_t i = 1; i <= 200; i++) {
			now_ns += rand_r(&seed) % 40 - 5;
			call(fold, &log, now_ns, (uint32_t)i, (uint16_t)(rand_r(&seed) % 80));
			if (rand_r(&seed) % 8 == 0)
				assert_int_equal(fold__tell(fold, now_ns, note, &log), 0);
			assert_int_equal(log.calls + fold__held(fold), i);
		}
		fold__free(fold);
	}
}

static void test_error_is_passed_on(void **state)
{
	struct fold *fold = fold__new(WINDOW);
	struct log log = {.n = 0};
	struct wire_conflict wire = refusal(5000, 1, 80);

	call(fold, &log, 100, 1, 80);
	call(fold, &log, 200, 1, 80);
	log.err = -EPIPE;
	assert_int_equal(fold__offer(fold, &wire, sizeof(wire), note, &log), -EPIPE);
	log.err = 0;
	call(fold, &log, 300, 1, 81);
	call(fold, &log, 300, 1, 81);
	log.err = -ENOSPC;
	assert_int_equal(fold__tell(fold, INT64_MAX, note, &log), -ENOSPC);
	fold__free(fold);
	fold__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_no_window),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_every_call_counts),
		cmocka_unit_test(test_error_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
