// SPDX-License-Identifier: GPL-2.0-only
/* Lines on their way into a file: all of them, whole and in order, or an error. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "output/output.h"

#define N_LINES 200

/* Reads it to its end, by and by: the lines that are whole and whose seq is the next one. */
static int count_lines(int fd)
{
	FILE *stream = fdopen(fd, "r");
	char line[OUTPUT_LINE_LIMIT + 1], wanted[32];
	int n = 0;

	while (fgets(line, sizeof(line), stream)) {
		snprintf(wanted, sizeof(wanted), "\"seq\":%d,", n + 1);
		if (!strstr(line, wanted) || strcmp(line + strlen(line) - 2, "}\n"))
			break;
		n++;
		usleep(100);
	}
	fclose(stream);
	return n;
}

static void write_lines(int fd, bool priorities)
{
	const struct bind_report report = {.syscall = "bind"};
	FILE *stream = fdopen(fd, "w");
	struct output *out = output__new(&(struct output_config){
		.results = stream, .diagnostics = stream, .json = true, .priorities = priorities});

	for (int i = 0; i < N_LINES; i++)
		assert_int_equal(output__bind(out, &report), 0);
	output__free(out);
	fclose(stream);
}

/* Somebody else has set O_NONBLOCK for the terminal, or pipe, that we share. */
static void test_nonblocking(void **state)
{
	int fds[2], status;
	pid_t reader;

	assert_int_equal(pipe(fds), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	reader = fork();
	if (!reader) {
		close(fds[1]);
		_exit(count_lines(fds[0]));
	}
	close(fds[0]);
	write_lines(fds[1], false);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(WEXITSTATUS(status), N_LINES);
}

/* Each priority stands before its own line. */
static void test_priorities(void **state)
{
	char path[] = "/tmp/bindtrace-output.XXXXXX", line[OUTPUT_LINE_LIMIT + 8];
	int fd = mkstemp(path), n = 0;
	FILE *stream;

	write_lines(fd, true);
	stream = fopen(path, "r");
	while (fgets(line, sizeof(line), stream)) {
		assert_memory_equal(line, "<6>{", 4);
		assert_string_equal(line + strlen(line) - 2, "}\n");
		n++;
	}
	assert_int_equal(n, N_LINES);
	fclose(stream);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nonblocking),
		cmocka_unit_test(test_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
