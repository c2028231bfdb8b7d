// SPDX-License-Identifier: GPL-2.0-only
/* From a record to a report, on a host where what the record names is not (or no longer) there. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "../../bpf/wire.h"
#include "explain.h"
#include "kernel/decode.h"

static const struct features features = {.tick_ns = 4000000};

static struct explainer make_explainer(void)
{
	return (struct explainer){
		.features = &features,
		.owners = {.proc_root = "/proc", .cgroup_root = "/sys/fs/cgroup"},
		.own_netns = 1,
	};
}

/* A bind of a process that has gone, in a network namespace that nobody has any more. */
static struct wire_conflict make_record(void)
{
	return (struct wire_conflict){
		.header = {.version = WIRE_VERSION,
			   .kind = WIRE_CONFLICT,
			   .size = offsetof(struct wire_conflict, socks)},
		.netns = 7,
		.pid = 0x7ffffff0,
		.tid = 0x7ffffff0,
		.comm = "gone",
		.error = EADDRINUSE,
		.protocol = 6,
		.syscall = WIRE_BIND,
		.stage = WIRE_STAGE_TEST,
		.flags = WIRE_CONFLICT_COMPLETE | WIRE_CONFLICT_LOCKED,
		.binder = {.family = AF_INET, .local_port = 8080},
	};
}

/* What a function that does not initialise would find. */
static __attribute__((noinline)) void dirty_stack(void)
{
	volatile unsigned char garbage[32768];

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = 0xa5;
}

static void test_no_more_files(void **state)
{
	const struct explainer explainer = make_explainer();
	struct wire_conflict record = make_record();
	const struct folded folded = {&record, record.header.size, 1, 0, false};
	struct conflict_report report;
	struct rlimit limit, none;
	int err;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	dirty_stack();
	err = explain__record(&explainer, &folded, &report);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(err, 0);
	assert_int_equal(report.snap.netns, 7);
	assert_string_equal(report.process.comm, "gone");
	conflict__free(&report);
}

/* A device number says nothing outside of its network namespace: the first one here is "lo". */
static void test_device_elsewhere(void **state)
{
	const struct explainer explainer = make_explainer();
	struct wire_conflict record = make_record();
	struct bind_report report;

	record.error = 0;
	record.binder.ifindex = 1;
	assert_int_equal(explain__bind(&explainer, &record, record.header.size, &report), 0);
	assert_int_equal(report.req.ifindex, 1);
	assert_string_equal(report.device, "");
	proc_info__free(&report.process);
	record.netns = explainer.own_netns;
	assert_int_equal(explain__bind(&explainer, &record, record.header.size, &report), 0);
	assert_string_equal(report.device, "lo");
	proc_info__free(&report.process);
}

/* Field 22 of /proc/self/stat, in nanoseconds; inside the tick, as the kernel has it. */
static uint64_t own_start_ns(void)
{
	char text[1024] = {0};
	uint64_t ticks = 0;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_int_equal(proc_parse__stat_start(text, strlen(text), &ticks), 0);
	return ticks * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK)) + 4711;
}

static char *exe_of(struct wire_conflict *record)
{
	const struct explainer explainer = make_explainer();
	struct bind_report report;
	char *exe;

	assert_int_equal(explain__bind(&explainer, record, record->header.size, &report), 0);
	assert_string_equal(report.process.comm, "gone");
	exe = report.process.exe ? strdup(report.process.exe) : NULL;
	proc_info__free(&report.process);
	return exe;
}

/* /proc is asked about the very process only: not about its pid's next user, or another's pid. */
static void test_which_process(void **state)
{
	struct wire_conflict record = make_record();
	char *exe;

	record.error = 0;
	record.seen_pid = getpid();
	record.start_ns = own_start_ns();
	exe = exe_of(&record);
	assert_non_null(exe);
	free(exe);
	record.start_ns += 10000000;
	assert_null(exe_of(&record));
	record.start_ns = 0;
	record.seen_pid = 0;
	record.pid = getpid(); /* the host's, and this /proc has it not */
	assert_null(exe_of(&record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_more_files),
		cmocka_unit_test(test_device_elsewhere),
		cmocka_unit_test(test_which_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
