// SPDX-License-Identifier: GPL-2.0-only
/* What a service tells its manager, and the priorities of its lines. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "journal.h"
#include "notify.h"
#include "output/output.h"

/* A manager that listens in the abstract namespace. */
static int listen_as(char *name, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), n;

	n = snprintf(name, size, "@bindtrace-test-%d", getpid());
	memcpy(address.sun_path, name, n);
	address.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + n),
		0);
	return fd;
}

static void test_manager(void **state)
{
	struct notify notify;
	char name[64], got[64] = "", pid[16];
	struct pollfd timer = {.events = POLLIN};
	int fd = listen_as(name, sizeof(name));

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "20000", 1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	notify__open(&notify);
	notify__send(&notify, "READY=1\nSTATUS=%d", 7);
	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), 16);
	assert_string_equal(got, "READY=1\nSTATUS=7");
	timer.fd = notify.watchdog_fd;
	assert_int_equal(poll(&timer, 1, 5000), 1);
	notify__rest(&notify);
	assert_int_equal(poll(&timer, 1, 5000), 1);
	notify__close(&notify);
	close(fd);
}

static void test_others_watchdog(void **state)
{
	struct notify notify;
	char name[64];
	int fd = listen_as(name, sizeof(name));

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify__open(&notify);
	assert_true(notify.fd >= 0);
	assert_int_equal(notify.watchdog_fd, -1);
	notify__close(&notify);
	close(fd);
}

static void test_nobody(void **state)
{
	static const char *const names[] = {"", "@", "relative", "/no/such/socket"};
	struct notify notify;

	unsetenv("NOTIFY_SOCKET");
	notify__open(&notify);
	assert_int_equal(notify.fd, -1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify__open(&notify);
		assert_int_equal(notify.fd, -1);
		notify__send(&notify, "READY=1");
		notify__close(&notify);
	}
}

static void test_journal(void **state)
{
	char stream[64];
	struct stat st;

	unsetenv("JOURNAL_STREAM");
	assert_false(journal__is_stream(STDOUT_FILENO));
	assert_int_equal(fstat(STDOUT_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(journal__is_stream(STDOUT_FILENO));
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_false(journal__is_stream(STDOUT_FILENO));
	setenv("JOURNAL_STREAM", "nonsense", 1);
	assert_false(journal__is_stream(STDOUT_FILENO));
}

static void test_priorities(void **state)
{
	const struct run_start start = {
		.version = "1", .kernel = "6", .hooks = "", .filters = "", .netns = "all"};
	struct output_config config = {.json = true, .priorities = true};
	struct run_stop stop = {};
	char *text = NULL;
	struct output *out;
	size_t size;

	config.results = open_memstream(&text, &size);
	out = output__new(&config);
	assert_int_equal(output__start(out, &start), 0);
	assert_int_equal(strncmp(text, "<6>{", 4), 0);
	assert_int_equal(output__lost(out, 0, 3), 0);
	assert_non_null(strstr(text, "\n<3>{"));
	stop.lost = 3;
	assert_int_equal(output__stop(out, &stop), 0);
	assert_non_null(strstr(strstr(text, "\n<3>{") + 1, "\n<3>{"));
	output__free(out);
	fclose(config.results);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manager),	   cmocka_unit_test(test_others_watchdog),
		cmocka_unit_test(test_nobody),	   cmocka_unit_test(test_journal),
		cmocka_unit_test(test_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
