// SPDX-License-Identifier: GPL-2.0-only
/* From a record to a report without memory: -ENOMEM, or the report that it would have been. */
#include "fault_calls.h"
#include <string.h>
#include "../../bpf/wire.h"
#include "explain.h"
#include "kernel/decode.h"
#include "kernel/fold.h"
#include "kernel/netns.h"

static const struct features features = {.tick_ns = 4000000};

/* Of one's own namespace, and with no process in /proc: what is looked for there is not found. */
static struct explainer make_explainer(void)
{
	return (struct explainer){
		.features = &features,
		.owners = {.proc_root = "/proc/sys", .cgroup_root = "/sys/fs/cgroup"},
		.own_netns = 7,
	};
}

static const struct wire_sock blocker = {
	.id = 0x1000,
	.family = AF_INET,
	.local_port = 8080,
	.state = STATE_LISTEN,
	.inode = 4711,
	.ifindex = 1,
	.flags = WIRE_SOCK_FULL | WIRE_SOCK_HAS_SOCKET | WIRE_SOCK_HAS_FILE,
};

static size_t make_record(struct wire_conflict *record, int error, uint32_t n_socks)
{
	*record = (struct wire_conflict){
		.header = {.version = WIRE_VERSION, .kind = WIRE_CONFLICT},
		.netns = 7,
		.pid = 42,
		.seen_pid = 42,
		.tid = 42,
		.comm = "echo",
		.exe = "echo\0srv",
		.exe_len = 9,
		.error = error,
		.protocol = 6,
		.syscall = WIRE_BIND,
		.stage = WIRE_STAGE_TEST,
		.flags = WIRE_CONFLICT_COMPLETE | WIRE_CONFLICT_LOCKED | WIRE_CONFLICT_BUCKET,
		.n_socks = n_socks,
		.binder = {.family = AF_INET, .local_port = 8080, .ifindex = 1},
	};
	for (uint32_t i = 0; i < n_socks; i++) {
		record->socks[i] = blocker;
		record->socks[i].id += i;
		record->socks[i].inode += i;
	}
	record->header.size =
		offsetof(struct wire_conflict, socks) + n_socks * sizeof(struct wire_sock);
	return record->header.size;
}

#define N_SOCKS 20 /* beyond a snapshot's first room */

static int explain_refused(void *arg)
{
	static struct wire_conflict record;
	const struct explainer explainer = make_explainer();
	const size_t size = make_record(&record, EADDRINUSE, N_SOCKS);
	struct conflict_report report;
	const struct folded folded = {.data = &record, .size = size, .count = 1};
	int err = explain__record(&explainer, &folded, &report);

	if (!err) {
		assert_int_equal(report.verdict.n_blockers, N_SOCKS);
		assert_int_equal(report.verdict.cause, CAUSE_LISTENER);
		assert_string_equal(report.process.comm, "echo");
		assert_true(!report.process.exe || !strcmp(report.process.exe, "/srv/echo"));
	}
	conflict__free(&report);
	return err;
}

static int explain_success(void *arg)
{
	static struct wire_conflict record;
	const struct explainer explainer = make_explainer();
	const size_t size = make_record(&record, 0, 0);
	struct bind_report report;
	int err = explain__bind(&explainer, &record, size, &report);

	if (!err)
		assert_string_equal(report.process.comm, "echo");
	free((char *)report.netns_name);
	proc_info__free(&report.process);
	return err;
}

static int explain_change(void *arg)
{
	const struct wire_state record = {
		.header = {.version = WIRE_VERSION, .kind = WIRE_STATE, .size = sizeof(record)},
		.pid = 42,
		.comm = "echo",
		.netns = 7,
		.new_state = STATE_LISTEN,
	};
	const struct explainer explainer = make_explainer();
	struct state_report report;
	int err = explain__state(&explainer, &record, sizeof(record), &report);

	if (!err)
		assert_string_equal(report.process.comm, "echo");
	free((char *)report.netns_name);
	proc_info__free(&report.process);
	return err;
}

/* Where the call was made in another namespace, which is looked for in vain. */
static int explain_elsewhere(void *arg)
{
	static struct wire_conflict record;
	struct explainer explainer = make_explainer();
	const size_t size = make_record(&record, EADDRINUSE, 1);
	const struct folded folded = {.data = &record, .size = size, .count = 1};
	struct conflict_report report;
	int err;

	explainer.own_netns = 8;
	err = explain__record(&explainer, &folded, &report);
	if (!err)
		assert_int_equal(report.verdict.n_blockers, 1);
	conflict__free(&report);
	return err;
}

#define N_OFFERED 6

static int add_count(void *ctx, const struct folded *folded)
{
	*(uint64_t *)ctx += folded->count;
	return 0;
}

/* Identical refusals among more and more connections: what finds no room is told at once. */
static int fold_refusals(void *arg)
{
	static struct wire_conflict record;
	struct fold *fold = fold__new(1000);
	uint64_t told = 0;

	if (!fold)
		return -ENOMEM;
	for (uint32_t i = 1; i <= N_OFFERED; i++) {
		size_t size = make_record(&record, EADDRINUSE, i);

		record.time_ns = i;
		for (uint32_t n = 0; n < i; n++)
			record.socks[n].state = STATE_ESTABLISHED;
		assert_int_equal(fold__offer(fold, &record, size, add_count, &told), 0);
		assert_int_equal(told + fold__held(fold), i);
	}
	assert_int_equal(fold__tell(fold, INT64_MAX, add_count, &told), 0);
	assert_int_equal(told, N_OFFERED);
	fold__free(fold);
	return 0;
}

static void both(const char *name, fault_scenario scenario, long step)
{
	faults.step = step;
	faults.calls_instead = false;
	assert_true(fault__each(name, scenario, NULL, FAULTS_BORNE) > 0);
	faults.calls_instead = true;
	assert_true(fault__each(name, scenario, NULL, FAULTS_BORNE) > 0);
}

static void test_refused(void **state)
{
	both("refused", explain_refused, 1);
}

static void test_success(void **state)
{
	both("successful bind", explain_success, 1);
}

static void test_fold(void **state)
{
	faults.calls_instead = false;
	assert_true(fault__each("identical refusals", fold_refusals, NULL, FAULTS_BORNE) >= 2);
}

static void test_change(void **state)
{
	both("change of state", explain_change, 1);
}

static void test_elsewhere(void **state)
{
	both("in another namespace", explain_elsewhere, 37); /* the same for each process */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	  cmocka_unit_test(test_success),
		cmocka_unit_test(test_change),	  cmocka_unit_test(test_fold),
		cmocka_unit_test(test_elsewhere),
	};

	return cmocka_run_group_tests_name("faults: explain", tests, NULL, NULL);
}
