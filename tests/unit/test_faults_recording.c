// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings without memory: what could not be written is told, and the file has whole records up
 * to there; what could not be read is told, and everything before it is shown as it was.
 */
#include "faults.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "recording/recording.h"
#include "../golden/scenes.c" /* the Makefile links one file a test */

#define MAX_WRITTEN (1 << 18)

static char directory[] = "/tmp/test_faults_recording.XXXXXX";
static char path[PATH_MAX];
static struct scene conflict, exhausted, port;

static int make_all(void **state)
{
	snprintf(path, sizeof(path), "%s/recording", mkdtemp(directory) ?: "");
	return scene__named("listener", &conflict) &&
			       scene__named("autobind_exhausted", &exhausted) &&
			       scene__named("time_wait_port", &port)
		       ? 0
		       : -1;
}

static int remove_all(void **state)
{
	scene__free(&conflict);
	scene__free(&exhausted);
	scene__free(&port);
	unlink(path);
	return rmdir(directory);
}

/* ---- writing ------------------------------------------------------------------------------ */

#define N_RECORDS 8

static int write_records(struct recorder *recorder)
{
	static const struct run_start start = {
		.version = "0.1.0", .kernel = "6.1", .hooks = "fexit", .netns = "all"};
	static const struct run_stop stop = {.seen = 3, .delivered = 3};
	static const struct bind_report bind = {.syscall = "bind", .protocol = PROTO_TCP};
	static const struct state_report state = {.protocol = PROTO_TCP, .new_state = STATE_LISTEN};
	int err = recorder__start(recorder, &start);

	err = err ?: recorder__conflict(recorder, &conflict.conflict);
	err = err ?: recorder__conflict(recorder, &exhausted.conflict);
	err = err ?: recorder__port(recorder, &port.port);
	err = err ?: recorder__bind(recorder, &bind);
	err = err ?: recorder__state(recorder, &state);
	err = err ?: recorder__lost(recorder, SCENE_TIME_NS, 2);
	return err ?: recorder__stop(recorder, &stop);
}

static int record(void *arg)
{
	struct recording_header header = {.tool = "0.1.0", .kernel = "6.1"};
	struct recorder *recorder;
	int err, closed;

	unlink(path);
	err = recorder__open(path, &header, &recorder);
	if (err) {
		assert_int_equal(access(path, F_OK), -1);
		return err;
	}
	err = write_records(recorder);
	closed = recorder__close(recorder);
	if (err)
		assert_int_equal(closed, err); /* no silent gap */
	return closed;
}

/* How many records the file has, each of them whole; whether its end mark is there. */
static uint64_t replayed(bool *ret_complete)
{
	struct output_config config = {.json = true};
	struct recording_fault fault;
	struct recording *recording;
	int err;

	config.results = config.diagnostics = fopen("/dev/null", "w");
	assert_non_null(config.results);
	assert_int_equal(recording__open(path, &recording, &fault), 0);
	struct output *out = output__new(&config);

	err = recording__replay(recording, out, &fault);
	assert_true(err ? strstr(fault.text, "truncated: no end mark") != NULL
			: fault.shown == N_RECORDS);
	*ret_complete = !err;
	output__free(out);
	recording__free(recording);
	fclose(config.results);
	return fault.shown;
}

static int record_and_look(void *arg)
{
	int err = record(NULL);
	bool complete;

	faults.armed = false;
	if (!access(path, F_OK)) {
		assert_true(replayed(&complete) <= N_RECORDS);
		assert_int_equal(complete, !err);
	}
	return err;
}

static void test_record(void **state)
{
	assert_true(fault__each("record", record_and_look, NULL, FAULTS_TOLD) > N_RECORDS);
}

/* ---- reading ------------------------------------------------------------------------------ */

static struct {
	char text[MAX_WRITTEN], buffer[MAX_WRITTEN];
	size_t len;
} written, expected;

static int replay_to(FILE *stream, bool json)
{
	struct output_config config = {.json = json, .results = stream, .diagnostics = stream};
	struct output *out = output__new(&config);
	struct recording_fault fault;
	struct recording *recording;
	int err = out ? recording__open(path, &recording, &fault) : -ENOMEM;

	if (!err) {
		err = recording__replay(recording, out, &fault);
		recording__free(recording);
	}
	output__free(out);
	return err;
}

static int replay(void *arg)
{
	FILE *stream;
	int err;

	faults.armed = false;
	stream = fmemopen(written.text, sizeof(written.text), "w");
	assert_non_null(stream);
	setvbuf(stream, written.buffer, _IOFBF, sizeof(written.buffer));
	faults.armed = true;
	err = replay_to(stream, arg);
	faults.armed = false;
	tzset(); /* the C library keeps the zone's name, and frees it where there was no room */
	written.len = (size_t)ftell(stream);
	fclose(stream);
	if (!faults.failed)
		expected = written;
	if (written.len > expected.len || memcmp(written.text, expected.text, written.len))
		fail_msg("something else is shown: %.*s", (int)written.len, written.text);
	assert_true(!written.len || written.text[written.len - 1] == '\n');
	if (!err)
		assert_int_equal(written.len, expected.len);
	return err;
}

static void test_replay(void **state)
{
	assert_int_equal(record(NULL), 0);
	assert_true(fault__each("replay", replay, NULL, FAULTS_BORNE) > 100);
	assert_true(fault__each("replay as JSON", replay, "json", FAULTS_BORNE) > 100);
}

/* Another zone than here, where that is set as well: the C library keeps their names. */
static void test_replay_elsewhere(void **state)
{
	setenv("TZ", "<+0530>-5:30", 1);
	tzset();
	assert_int_equal(record(NULL), 0);
	setenv("TZ", "<-03>3", 1);
	tzset();
	assert_true(fault__each("replay of another zone", replay, NULL, FAULTS_BORNE) > 100);
	assert_string_equal(getenv("TZ"), "<-03>3");
	unsetenv("TZ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_elsewhere),
	};

	return cmocka_run_group_tests_name("faults: recording", tests, make_all, remove_all);
}
