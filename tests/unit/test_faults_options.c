// SPDX-License-Identifier: GPL-2.0-only
/* The command line without memory: the status of a failure, a line on stderr, and nothing taken. */
#include "faults.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "options.h"

#define MAX_WORDS 24

/* Not --help: it is the C library's argp that has to find room for it, and it ends with an
 * assert(). */
static const char *const lines[] = {
	"--port 8080",
	"--port 8080,8000-8010 --address 10.0.0.1 --device lo --uid 7 --wait=3",
	"--follow --port 80 --comm echo --cgroup /system.slice --pid 1 --uid-filter 0 --all "
	"--states",
	"--netns /proc/self/ns/net --btf /tmp/btf --record /tmp/r --metrics /tmp/m --json",
	"--replay /tmp/r --metrics /tmp/m",
	"--netns self --cgroup a --cgroup b --comm a --comm b --btf a --btf b",
	"-vv --count 3 --duration 2 -- sh -c true",
	"--version",
	"--prot 80",
	"--port 99999",
	"8080",
};

static int stdout_fd, stderr_fd, told_fd;

/* Both are put where they can be counted, and back where cmocka writes. */
static int make_streams(void **state)
{
	static char out[1 << 16];

	setvbuf(stdout, out, _IOFBF, sizeof(out));
	stdout_fd = dup(1);
	stderr_fd = dup(2);
	told_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return stdout_fd < 0 || stderr_fd < 0 || told_fd < 0 ? -1 : 0;
}

static int restore_streams(void **state)
{
	close(stdout_fd);
	close(stderr_fd);
	close(told_fd);
	return 0;
}

static off_t parse_told(int argc, char **argv, struct options *opts, int *ret_status)
{
	bool armed = faults.armed;

	faults.armed = false;
	fflush(stdout);
	assert_int_equal(ftruncate(told_fd, 0), 0);
	assert_int_equal(lseek(told_fd, 0, SEEK_SET), 0);
	dup2(told_fd, 1);
	dup2(told_fd, 2);
	faults.armed = armed;
	*ret_status = options__parse(argc, argv, opts);
	faults.armed = false;
	fflush(stdout);
	dup2(stdout_fd, 1);
	dup2(stderr_fd, 2);
	return lseek(told_fd, 0, SEEK_CUR);
}

static int parse(void *arg)
{
	static char program[] = "bindtrace";
	char *argv[MAX_WORDS] = {program}, copy[256], *save;
	struct options opts, untouched;
	int argc = 1, status;
	off_t told;

	snprintf(copy, sizeof(copy), "%s", (const char *)arg);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	memset(&opts, 0x5a, sizeof(opts));
	untouched = opts;
	told = parse_told(argc, argv, &opts, &status);
	if (!status) {
		options__free(&opts);
		return 0;
	}
	assert_memory_equal(&opts, &untouched, sizeof(opts));
	assert_true(told > 0);
	/* What was wrong with the line anyway may be said just as well. */
	assert_true(status == EXIT_RUNTIME || status == EXIT_USAGE);
	return status == EXIT_RUNTIME ? -ENOMEM : 0;
}

static void test_lines(void **state)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(fault__each(lines[i], parse, (void *)lines[i], FAULTS_BORNE) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests_name("faults: options", tests, make_streams, restore_streams);
}
