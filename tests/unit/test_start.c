// SPDX-License-Identifier: GPL-2.0-only
/* What is done before anything else: standard files that are closed, messages. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "log.h"
#include "sight.h"
#include "start.h"

/* ---- standard files ----------------------------------------------------------------------- */

/* In a child, with the files of that mask closed: 0, or what was wrong. */
static int without_files(unsigned closed)
{
	char byte = 0;
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (closed & 1u << fd)
			close(fd);
	start__occupy_std_fds();
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd <= 2)
		return 1;
	for (fd = 0; fd <= 2; fd++) {
		if (!(closed & 1u << fd))
			continue;
		if (write(fd, &byte, 1) != -1 || errno != EBADF)
			return 2;
		if (read(fd, &byte, 1) != -1 || errno != EBADF)
			return 3;
		if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			return 4;
	}
	return 0;
}

static void test_std_fds(void **state)
{
	for (unsigned closed = 0; closed < 8; closed++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			_exit(without_files(closed));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* ---- messages ----------------------------------------------------------------------------- */

static void test_hostile_words(void **state)
{
	char text[256] = {0};
	int file = memfd_create("err", 0), saved = dup(STDERR_FILENO);

	dup2(file, STDERR_FILENO);
	log__line("--netns %s: %s", "\033[31mx\ny\xff", "na\xc3\xafve");
	dup2(saved, STDERR_FILENO);
	assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "bindtrace: --netns \\x1b[31mx\\x0ay\\xff: na\xc3\xafve\n");
	close(saved);
	close(file);
}

/* ---- what is not seen --------------------------------------------------------------------- */

static void test_sight(void **state)
{
	const unsigned all = SEES_CONNECT | SEES_UDP | SEES_BINDS | SEES_STATES | SEES_FORMER;
	struct options opts = {.all = true, .states = true, .protocol = PROTO_TCP};
	char text[128];

	assert_null(sight__refused(&opts, all));
	assert_string_equal(sight__refused(&opts, 0), "--all");
	assert_string_equal(sight__refused(&opts, SEES_BINDS), "--states");
	opts.have_protocol = true;
	assert_null(sight__refused(&opts, all & ~SEES_UDP));
	opts.protocol = PROTO_UDP;
	assert_string_equal(sight__refused(&opts, all & ~SEES_UDP), "--proto udp");
	opts = (struct options){.protocol = PROTO_TCP};
	assert_null(sight__refused(&opts, 0));
	sight__missing(&opts, all & ~SEES_STATES, text, sizeof(text));
	assert_string_equal(text, "");
	sight__missing(&opts, 0, text, sizeof(text));
	assert_string_equal(text, "refused connect(), UDP, errors of bind() that are no conflict, "
				  "former owners");
	opts.have_protocol = true;
	sight__missing(&opts, SEES_BINDS, text, sizeof(text));
	assert_string_equal(text, "refused connect(), former owners");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_std_fds),
		cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_sight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
