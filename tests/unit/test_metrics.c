// SPDX-License-Identifier: GPL-2.0-only
/* Counters: what is counted where, how many series there can be, and how the file is replaced. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>
#include "output/metrics.h"
#include "output/metrics_file.h"

#define OURS "# HELP bindtrace_build_info "

static struct metrics *new_metrics(void)
{
	struct metrics *metrics = metrics__new(&(struct metrics_config){.version = "1.2"});

	assert_non_null(metrics);
	return metrics;
}

/* The value of a series, as text; "" where there is no such line. */
static const char *value(const struct metrics *metrics, const char *series)
{
	static char found[64];
	size_t len;
	char *text = metrics__text(metrics, &len), *at;
	char line[256];

	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	snprintf(line, sizeof(line), "\n%s ", series);
	at = strstr(text, line);
	snprintf(found, sizeof(found), "%.*s", at ? (int)strcspn(at + strlen(line), "\n") : 0,
		 at ? at + strlen(line) : "");
	free(text);
	return found;
}

static size_t n_series(const struct metrics *metrics, const char *name)
{
	size_t len, n = 0;
	char *text = metrics__text(metrics, &len), *rest = text, *line;

	assert_non_null(text);
	while ((line = strsep(&rest, "\n")))
		n += !strncmp(line, name, strlen(name)) && strchr("{ ", line[strlen(name)]);
	free(text);
	return n;
}

static void refuse(struct metrics *metrics, const char *syscall, uint32_t protocol, int error,
		   enum cause cause)
{
	struct conflict_report report = {.count = 1, .syscall = syscall, .error = error};

	report.snap.protocol = protocol;
	report.verdict.cause = cause;
	metrics__conflict(metrics, &report);
}

#define REFUSALS(cause, syscall, protocol, error)                                                  \
	"bindtrace_refusals_total{cause=\"" cause "\",syscall=\"" syscall                          \
	"\",protocol=\"" protocol "\",error=\"" error "\"}"

static void test_counts(void **state)
{
	struct metrics *metrics = new_metrics();
	static const char time_wait[] = REFUSALS("time_wait", "bind", "tcp", "EADDRINUSE");
	struct bind_report bind = {.syscall = "bind", .protocol = PROTO_TCP};
	struct state_report change = {.new_state = STATE_NEW_SYN_RECV};

	assert_string_equal(value(metrics, time_wait), "0");
	assert_string_equal(value(metrics, "bindtrace_lost_total"), "0");
	assert_string_equal(value(metrics, REFUSALS("listen_race", "listen", "tcp", "EADDRINUSE")),
			    "0");
	assert_int_equal(n_series(metrics, "bindtrace_binds_total"), 0);
	assert_int_equal(n_series(metrics, "bindtrace_state_changes_total"), 0);
	refuse(metrics, "bind", PROTO_TCP, EADDRINUSE, CAUSE_TIME_WAIT);
	refuse(metrics, "bind", PROTO_TCP, EADDRINUSE, CAUSE_TIME_WAIT);
	refuse(metrics, "bind", PROTO_UDPLITE, EADDRINUSE, CAUSE_UDP_HOLDER);
	metrics__bind(metrics, &bind);
	metrics__state(metrics, &change);
	assert_string_equal(value(metrics, time_wait), "2");
	assert_string_equal(value(metrics, REFUSALS("udp_holder", "bind", "udplite", "EADDRINUSE")),
			    "1");
	assert_string_equal(value(metrics, "bindtrace_evidence_total{evidence=\"exact\"}"), "3");
	assert_string_equal(
		value(metrics, "bindtrace_binds_total{syscall=\"bind\",protocol=\"tcp\"}"), "1");
	assert_string_equal(value(metrics, "bindtrace_state_changes_total{state=\"SYN_RECV\"}"),
			    "1");
	assert_string_equal(value(metrics, "bindtrace_delivered_total"), "4");
	metrics__free(metrics);
	metrics__free(NULL);
}

static void test_run(void **state)
{
	struct metrics *metrics = new_metrics();
	struct run_stop stop = {.seen = 7, .delivered = 3, .filtered = 2, .lost = 1, .skipped = 9};
	size_t len;
	char *text = metrics__text(metrics, &len);

	assert_memory_equal(text, OURS, strlen(OURS)); /* by which its file is known again */
	free(text);
	assert_string_equal(value(metrics, "bindtrace_build_info{version=\"1.2\"}"), "1");
	assert_string_equal(value(metrics, "bindtrace_start_time_seconds"), "");
	assert_string_equal(value(metrics, "bindtrace_running"), "0");
	metrics__start(metrics, &(struct run_start){.time_ns = 1763633103004999999});
	assert_string_equal(value(metrics, "bindtrace_start_time_seconds"), "1763633103.004");
	assert_string_equal(value(metrics, "bindtrace_running"), "1");
	metrics__lost(metrics, 1);
	metrics__write_failed(metrics);
	assert_string_equal(value(metrics, "bindtrace_lost_total"), "1");
	metrics__stop(metrics, &stop);
	assert_string_equal(value(metrics, "bindtrace_captured_total"), "7");
	assert_string_equal(value(metrics, "bindtrace_delivered_total"), "3");
	assert_string_equal(value(metrics, "bindtrace_filtered_total"), "2");
	assert_string_equal(value(metrics, "bindtrace_lost_total"), "1");
	assert_string_equal(value(metrics, "bindtrace_skipped_total"), "9");
	assert_string_equal(value(metrics, "bindtrace_metrics_write_errors_total"), "1");
	assert_string_equal(value(metrics, "bindtrace_running"), "0");
	metrics__free(metrics);
}

/* Words that no list has: a BPF program may return any errno, a recording any word. */
static void test_bounded(void **state)
{
	struct metrics *metrics = new_metrics();
	size_t usual = n_series(metrics, "bindtrace_refusals_total");
	char word[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(word, sizeof(word), "call_%d", i);
		refuse(metrics, word, 1000 + i, 200 + i, (enum cause)(N_CAUSES + i));
	}
	assert_int_equal(n_series(metrics, "bindtrace_refusals_total"), usual + 1);
	assert_string_equal(value(metrics, REFUSALS("none", "other", "other", "other")), "10000");
	for (int cause = 0; cause < N_CAUSES; cause++)
		for (int error = 0; error < 134; error++)
			refuse(metrics, "bind", PROTO_TCP, error, (enum cause)cause);
	assert_in_range(n_series(metrics, "bindtrace_refusals_total"), N_CAUSES, 600);
	metrics__free(metrics);
}

/* ---- the file ------------------------------------------------------------------------------ */

static int make_dir(void **state)
{
	char dir[] = "/tmp/bt-metrics-XXXXXX";

	if (!mkdtemp(dir) || chdir(dir))
		return -1;
	*state = strdup(dir);
	return 0;
}

static int drop_dir(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return chdir("/") || system(command);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_file(const char *path, const char *text)
{
	char got[128] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(got, text);
}

static size_t n_entries(void)
{
	DIR *dir = opendir(".");
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static int try_open(const char *path)
{
	struct metrics_file *file = NULL;
	int err = metrics_file__open(path, OURS, &file);

	metrics_file__close(file);
	return err;
}

static void test_places(void **state)
{
	char path[400];

	put("foreign", "# HELP node_");
	put("short", "# HELP");
	put("ours", OURS "x\n");
	put("empty", "");
	assert_int_equal(symlink("ours", "link"), 0);
	assert_int_equal(symlink("nothing", "dangling"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(symlink("dir", "dirlink"), 0);
	assert_int_equal(try_open("new"), 0);
	assert_int_equal(try_open("ours"), 0);
	assert_int_equal(try_open("empty"), 0);
	assert_int_equal(try_open("dirlink/new"), 0); /* a directory is anybody's choice */
	assert_int_equal(try_open("foreign"), -EEXIST);
	assert_int_equal(try_open("short"), -EEXIST);
	assert_int_equal(try_open("link"), -EEXIST);
	assert_int_equal(try_open("dangling"), -EEXIST);
	assert_int_equal(try_open("fifo"), -EEXIST);
	assert_int_equal(try_open("/dev/null"), -EEXIST);
	assert_int_equal(try_open("dir"), -EISDIR);
	assert_int_equal(try_open("dir/"), -EISDIR);
	assert_int_equal(try_open("."), -EISDIR);
	assert_int_equal(try_open("/"), -EISDIR);
	assert_int_equal(try_open("no/new"), -ENOENT);
	assert_int_equal(try_open("ours/new"), -ENOTDIR);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(try_open(path), -ENAMETOOLONG);
	path[255] = '\0';
	assert_int_equal(try_open(path), 0);
	assert_int_equal(n_entries(), 9);
}

static void test_replace(void **state)
{
	struct metrics_file *file;
	struct stat before, after;
	mode_t umask_was = umask(077);
	int reader;

	assert_int_equal(metrics_file__open("a.prom", OURS, &file), 0);
	assert_int_equal(n_entries(), 0);
	assert_int_equal(metrics_file__write(file, "one\n", 4), 0);
	assert_file("a.prom", "one\n");
	reader = open("a.prom", O_RDONLY);
	assert_int_equal(fstat(reader, &before), 0);
	assert_int_equal(before.st_mode & 07777, 0644);
	assert_int_equal(metrics_file__write(file, "two\n", 4), 0);
	assert_int_equal(stat("a.prom", &after), 0);
	assert_int_not_equal(before.st_ino,
			     after.st_ino); /* who reads the old one reads it whole */
	assert_file("a.prom", "two\n");
	assert_int_equal(n_entries(), 1);
	close(reader);
	umask(umask_was);

	/* Where somebody puts a link meanwhile, nothing is written through it. */
	put("victim", "safe");
	assert_int_equal(unlink("a.prom"), 0);
	assert_int_equal(symlink("victim", "a.prom"), 0);
	assert_int_equal(metrics_file__write(file, "three\n", 6), -EEXIST);
	assert_file("victim", "safe");
	assert_int_equal(n_entries(), 2);
	assert_int_equal(unlink("a.prom"), 0);

	/* The directory stays the same one, whatever its name is by now. */
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(metrics_file__write(file, "four\n", 5), 0);
	assert_int_equal(chdir(*state), 0);
	assert_file("a.prom", "four\n");
	metrics_file__close(file);
}

/* No room: a limit on the size of files says so as a full disk does. */
static void test_no_room(void **state)
{
	struct rlimit limit = {2, 2}, was;
	struct metrics_file *file;

	assert_int_equal(metrics_file__open("a.prom", OURS, &file), 0);
	assert_int_equal(metrics_file__write(file, "one\n", 4), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	limit.rlim_max = was.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(metrics_file__write(file, "three\n", 6), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_file("a.prom", "one\n");
	assert_int_equal(n_entries(), 1);
	metrics_file__close(file);
}

static int without_privilege(void)
{
	struct metrics_file *file = NULL;
	int err;

	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		return 1;
	err = metrics_file__open("a.prom", OURS, &file);
	err = err ?: metrics_file__write(file, "one\n", 4);
	metrics_file__close(file);
	return err == -EACCES ? 0 : 2;
}

static void test_not_permitted(void **state)
{
	pid_t child;
	int status;

	assert_int_equal(chmod(".", 0555), 0);
	child = fork();
	if (!child)
		_exit(without_privilege());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(n_entries(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test_setup_teardown(test_places, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_replace, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_no_room, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_not_permitted, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
