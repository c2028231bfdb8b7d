// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole runs, from the command line to the exit status, with each allocation and each call failing
 * in turn: a status of the contract, a line on standard error where it is that of a failure, and
 * standard output whole lines of JSON.
 *
 * test_faults_runs [STEP]: every STEPth only of what are thousands (1: each).
 */
#include "fault_calls.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "features_report.h"
#include "log.h"
#include "oneshot.h"
#include "options.h"
#include "replay.h"

#define MAX_WORDS 16

static char directory[] = "/tmp/test_faults_runs.XXXXXX";
static int stdout_fd, stderr_fd, out_fd, err_fd;
static long step = 97;

static int make_all(void **state)
{
	static char out[1 << 16];

	libbpf_set_print(NULL);
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	stdout_fd = dup(1);
	stderr_fd = dup(2);
	out_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	err_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return mkdtemp(directory) && stdout_fd >= 0 && stderr_fd >= 0 && out_fd >= 0 && err_fd >= 0
		       ? 0
		       : -1;
}

static int remove_all(void **state)
{
	close(stdout_fd);
	close(stderr_fd);
	close(out_fd);
	close(err_fd);
	return rmdir(directory);
}

static int run_mode(const struct options *opts)
{
	switch (opts->mode) {
	case MODE_PORT:
		return oneshot__run(opts);
	case MODE_REPLAY:
		return replay__run(opts);
	case MODE_FEATURES:
		return features_report__run(opts);
	default:
		return EXIT_OK;
	}
}

/* The words are the caller's; nothing of stdio's own is armed. */
static int run_captured(int argc, char **argv)
{
	bool armed = faults.armed;
	struct options opts;
	int status;

	faults.armed = false;
	fflush(stdout);
	if (ftruncate(out_fd, 0) || ftruncate(err_fd, 0))
		abort();
	lseek(out_fd, 0, SEEK_SET);
	lseek(err_fd, 0, SEEK_SET);
	dup2(out_fd, 1);
	dup2(err_fd, 2);
	faults.armed = armed;
	status = options__parse(argc, argv, &opts);
	if (!status) {
		status = run_mode(&opts);
		options__free(&opts);
	}
	faults.armed = false;
	fflush(stdout);
	dup2(stdout_fd, 1);
	dup2(stderr_fd, 2);
	clearerr(stdout);
	tzset();
	return status;
}

static void print_errors(void)
{
	char text[1024];
	ssize_t len = pread(err_fd, text, sizeof(text), 0);

	printf("# %.*s", len > 0 ? (int)len : 0, text);
}

static void check_json(void)
{
	static char text[1 << 20];
	ssize_t len = pread(out_fd, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	for (char *line = text, *end; *line; line = end + 1) {
		json_error_t error;
		json_t *value;

		end = strchr(line, '\n');
		if (!end)
			fail_msg("half a line: %s", line);
		*end = '\0';
		value = json_loads(line, JSON_REJECT_DUPLICATES, &error);
		if (!value)
			fail_msg("%s: %s", error.text, line);
		json_decref(value);
	}
}

/* What the run leaves behind goes; a half of one of --metrics' files may not be among it. */
static void remove_files(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/r", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/m", directory);
	unlink(path);
	if (rmdir(directory) || mkdir(directory, 0700))
		fail_msg("a file was left behind in %s", directory);
}

static int run(void *arg)
{
	static char program[] = "bindtrace";
	char *argv[MAX_WORDS] = {program}, copy[512], *save;
	int argc = 1, status;

	snprintf(copy, sizeof(copy), "%s", (const char *)arg);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strchr(word, '@')) { /* @/r: a file of the directory */
			static char paths[MAX_WORDS][64];

			snprintf(paths[argc], sizeof(paths[argc]), "%s%s", directory, word + 1);
			word = paths[argc];
		}
		argv[argc++] = word;
	}
	status = run_captured(argc, argv);
	remove_files();
	assert_in_range(status, EXIT_OK, EXIT_RUNTIME);
	if (status > EXIT_REFUSED && lseek(err_fd, 0, SEEK_END) <= 0 &&
	    lseek(out_fd, 0, SEEK_END) <= 0)
		fail_msg("status %d without a word", status);
	if (status == EXIT_USAGE && !faults.failed)
		print_errors();
	if (strstr(arg, "--json"))
		check_json();
	return faults.failed || status != EXIT_USAGE ? 0 : -status;
}

static void run_both(const char *line, long calls_step, long allocations_step)
{
	long n_calls, n_allocations;
	clock_t begin = clock();

	faults.calls_instead = true;
	faults.step = calls_step;
	n_calls = fault__each(line, run, (void *)line, FAULTS_BORNE);
	faults.calls_instead = false;
	faults.step = allocations_step;
	n_allocations = fault__each(line, run, (void *)line, FAULTS_BORNE);
	printf("# %s: %ld calls and %ld allocations failed, %.1f s of the processor\n", line,
	       n_calls, n_allocations, (double)(clock() - begin) / CLOCKS_PER_SEC);
	fflush(stdout);
}

static void test_replay(void **state)
{
	run_both("--replay tests/golden/recordings/6.12 --json --metrics @/m", 1, step);
	run_both("--replay tests/golden/recordings/6.12", 1, step);
	run_both("--replay tests/fuzz/corpus/recording/truncated --json", 1, 1);
}

static void test_features(void **state)
{
	run_both("--features", step > 1 ? 41 : 1, step > 1 ? 23 * step : 1);
}

static void test_port(void **state)
{
	run_both("--port 1 --json --record @/r", step > 1 ? 7 : 1, step);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_port),
	};

	if (argc > 1)
		step = atol(argv[1]);
	faults.alone = argc == 1;
	return cmocka_run_group_tests_name("faults: runs", tests, make_all, remove_all);
}
