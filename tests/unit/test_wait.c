// SPDX-License-Identifier: GPL-2.0-only
/* The loop of --wait, without hooks; tests/live has it with them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>
#include "waiting.h"

struct fake {
	int calls;
	int free_at; /* the call that finds the port free; 0: none */
	int error_at, signal_at;
};

static int check(void *ctx, enum tri *ret_free)
{
	struct fake *fake = ctx;

	fake->calls++;
	if (fake->calls == fake->error_at)
		return -EIO;
	if (fake->calls == fake->signal_at)
		kill(getpid(), SIGTERM);
	*ret_free = fake->calls == fake->free_at ? TRI_YES : TRI_NO;
	return 0;
}

static void test_free_at_once(void **state)
{
	struct fake fake = {.free_at = 1};

	assert_int_equal(waiting__run(check, &fake, NULL, waiting__deadline(0)), 0);
	assert_int_equal(fake.calls, 1);
}

static void test_free_later(void **state)
{
	struct fake fake = {.free_at = 3};

	assert_int_equal(waiting__run(check, &fake, NULL, waiting__deadline(60)), 0);
	assert_int_equal(fake.calls, 3);
}

static void test_deadline(void **state)
{
	struct fake fake = {};

	assert_int_equal(waiting__run(check, &fake, NULL, waiting__deadline(0.12)), -ETIMEDOUT);
	assert_in_range(fake.calls, 2, 5);
}

static void test_deadline_is_looked_at_last(void **state)
{
	struct fake fake = {.free_at = 2};

	assert_int_equal(waiting__run(check, &fake, NULL, waiting__deadline(0.001)), 0);
}

/* One deadline for several runs: what one has used up the next one has not. */
static void test_deadline_has_passed(void **state)
{
	int64_t deadline = waiting__deadline(0.001);
	struct fake fake = {};

	usleep(2000);
	assert_int_equal(waiting__run(check, &fake, NULL, deadline), -ETIMEDOUT);
	assert_int_equal(fake.calls, 1);
}

static void test_error(void **state)
{
	struct fake fake = {.error_at = 2};

	assert_int_equal(waiting__run(check, &fake, NULL, waiting__deadline(0)), -EIO);
}

static void test_signal(void **state)
{
	struct fake fake = {.signal_at = 1};
	sigset_t before, after;

	sigprocmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(waiting__run(check, &fake, NULL, waiting__deadline(0)), -EINTR);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
	assert_int_equal(fake.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_at_once),
		cmocka_unit_test(test_free_later),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_is_looked_at_last),
		cmocka_unit_test(test_deadline_has_passed),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
