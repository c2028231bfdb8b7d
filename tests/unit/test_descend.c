// SPDX-License-Identifier: GPL-2.0-only
/* The descendants of a process, however deep. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/descend.h"

#define DEPTH 100

struct seen {
	pid_t pids[DEPTH];
	size_t n, end_at;
};

/* Each generation has one child, tells its pid, and waits until its parent goes. */
static void beget(int out)
{
	pid_t child = 0;

	for (int depth = 0; !child && depth < DEPTH; depth++) {
		pid_t pid = getpid();

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(out, &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		child = depth + 1 < DEPTH ? fork() : -1;
	}
	for (;;)
		pause();
}

static int note(void *ctx, pid_t pid)
{
	struct seen *seen = ctx;

	if (seen->n == seen->end_at)
		return 77;
	seen->pids[seen->n++] = pid;
	return 0;
}

static void test_depth(void **state)
{
	struct seen seen = {.end_at = DEPTH}, few = {.end_at = 3};
	pid_t first, made[DEPTH];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	first = fork();
	if (!first)
		beget(fds[1]);
	for (int i = 0; i < DEPTH; i++)
		assert_int_equal(read(fds[0], &made[i], sizeof(made[i])), sizeof(made[i]));
	assert_int_equal(descend__each(getpid(), note, &seen), 0);
	assert_int_equal(seen.n, DEPTH);
	for (int i = 0; i < DEPTH; i++)
		assert_int_equal(seen.pids[i], made[i]);
	assert_int_equal(descend__each(getpid(), note, &few), 77);
	assert_int_equal(few.n, 3);
	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_nobody(void **state)
{
	struct seen seen = {.end_at = DEPTH};

	assert_int_equal(descend__each(0x7fffffff, note, &seen), 0);
	assert_int_equal(seen.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
