// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "options.h"

#define MAX_WORDS 16

struct result {
	int status;
	char out[8192], err[1024];
	struct options opts;
	char *argv[MAX_WORDS + 2];
	char words[512];
};

static int capture(int fd, int *ret_saved)
{
	int file = memfd_create("captured", 0);

	fflush(NULL);
	*ret_saved = dup(fd);
	dup2(file, fd);
	return file;
}

static void restore(int fd, int saved, int file, char *buf, size_t size)
{
	ssize_t n;

	fflush(NULL);
	dup2(saved, fd);
	close(saved);
	n = pread(file, buf, size - 1, 0);
	buf[n > 0 ? n : 0] = '\0';
	close(file);
}

/* The words of a command line, separated by '|'; "" is no word at all. */
static void parse(const char *line, struct result *r)
{
	int saved_out, saved_err, out, err, argc = 0;
	char *word;

	memset(r, 0, sizeof(*r));
	snprintf(r->words, sizeof(r->words), "%s", line);
	r->argv[argc++] = "./some/bindtrace";
	for (char *rest = r->words; *line && argc <= MAX_WORDS && (word = strsep(&rest, "|"));)
		r->argv[argc++] = word;
	out = capture(1, &saved_out);
	err = capture(2, &saved_err);
	r->status = options__parse(argc, r->argv, &r->opts);
	restore(2, saved_err, err, r->err, sizeof(r->err));
	restore(1, saved_out, out, r->out, sizeof(r->out));
}

struct bad {
	const char *line, *message;
};

#define A_PORT	      "write a number from 1 to 65535, a range as 8000-8010, or several as 80,443"
#define AN_ADDRESS    "not an IPv4 or IPv6 address; write it as 127.0.0.1 or ::1"
#define A_PID	      "write a process number, or several as 12,13 (a port is given with -P)"
#define ASKED	      " describes the bind asked about with --port PORT; leave %eth0 out to watch"
#define WATCHING      " is for watching; add --follow, or leave it out"
#define WITH_COMMAND  " with a command; the command and its descendants are all that is watched"
#define NO_CALLER     "; a change of state has no caller, so name ports or an address"
#define RECORDED      " shows what was recorded; leave "
#define ONE_SHOT_ONLY " describes the bind asked about with --port PORT (no --follow, no command)"

static const struct bad bad_rows[] = {
	{"--port|0", "--port: '0': ports go from 1 to 65535"},
	{"--port|65536", "--port: '65536': ports go from 1 to 65535"},
	{"--port|99999999999999999999", "--port: '99999999999999999999': " A_PORT},
	{"--port|80x", "--port: '80x': " A_PORT},
	{"--port|+80", "--port: '+80': " A_PORT},
	{"--port| 80", "--port: ' 80': " A_PORT},
	{"--port|0x50", "--port: '0x50': " A_PORT},
	{"--port|http", "--port: 'http': " A_PORT},
	{"--port|-80", "--port: '-80': " A_PORT},
	{"--port=", "--port: '': " A_PORT},
	{"--port|80,,443", "--port: '80,,443': " A_PORT},
	{"--port|80,", "--port: '80,': " A_PORT},
	{"--port|8010-8000",
	 "--port: '8010-8000': the range is reversed; write the lower port first"},
	{"--port|8000-",
	 "--port: '8000-': a range has a port on both sides of the dash, as 8000-8010"},
	{"--port|0-10", "--port: '0-10': ports go from 1 to 65535"},
	{"--port|80\033[1m\n", "--port: '80\\x1b[1m\\x0a': " A_PORT},
	{"-P|8080/udp", "--port: '8080/udp': the protocol is an option of its own: --proto udp"},
	{"-P80|-P|443-1", "--port: '443-1': the range is reversed; write the lower port first"},
	{"-a|1.2.3", "--address: '1.2.3': " AN_ADDRESS},
	{"-a|localhost", "--address: 'localhost': " AN_ADDRESS},
	{"-a|", "--address: '': " AN_ADDRESS},
	{"-a|1.2.3.4:80", "--address: '1.2.3.4:80': " AN_ADDRESS},
	{"-a|:::", "--address: ':::': " AN_ADDRESS},
	{"-a|1.2.3.4%eth0",
	 "--address: '1.2.3.4%eth0': only a link-local address has a %interface; use --device"},
	{"-a|::1%lo",
	 "--address: '::1%lo': only a link-local address has a %interface; use --device"},
	{"-a|fe80::1%",
	 "--address: 'fe80::1%': not the name of an interface; `ip link` lists them"},
	{"-P80|--device|eth1|-a|fe80::1%eth0",
	 "--address: 'fe80::1%eth0': --device names another interface"},
	{"-P80|-a|fe80::1%eth0|--device|eth1",
	 "--device: 'eth1': another interface is named already"},
	{"-a|::1|-a|::1", "--address is given twice; ask about one at a time"},
	{"-4|-6", "-4 and -6 exclude each other; leave both out for both"},
	{"-4|-a|::1", "-4 with an IPv6 address; leave one of them out"},
	{"-4|-a|::ffff:1.2.3.4", "-4 with an IPv6 address; leave one of them out"},
	{"-6|-a|127.0.0.1", "-6 with an IPv4 address; leave one of them out"},
	{"-P80|--v6only|-a|127.0.0.1",
	 "--v6only is an option of IPv6 sockets; ask about an IPv6 address"},
	{"-P80|--v6only|-4", "--v6only is an option of IPv6 sockets; ask about an IPv6 address"},
	{"-P80|--v6only|-a|::ffff:1.2.3.4", "--v6only with an IPv4-mapped address: bind() gives "
					    "EINVAL for that; leave one of them out"},
	{"--proto|sctp", "--proto: 'sctp': write tcp, udp or udplite"},
	{"--proto|UDP", "--proto: 'UDP': write tcp, udp or udplite"},
	{"--proto|", "--proto: '': write tcp, udp or udplite"},
	{"--wait", "--wait" ONE_SHOT_ONLY},
	{"--wait|--follow|-P80", "--wait" ONE_SHOT_ONLY},
	{"--wait|-P80|--|true", "--wait" ONE_SHOT_ONLY},
	{"-P80|--wait=0", "--wait: '0': write more than 0 and at most 1000000000 seconds"},
	{"-P80|--wait=", "--wait: '': write a number of seconds, as 30 or 0.5"},
	{"-P80|--wait=1m", "--wait: '1m': write a number of seconds, as 30 or 0.5"},
	{"-P80|--wait|60", "stray argument '60'; did you mean: --wait=60"},
	{"-p|0", "--pid: '0': " A_PID},
	{"-p|x", "--pid: 'x': " A_PID},
	{"--pid|1,,2", "--pid: '1,,2': " A_PID},
	{"--pid=", "--pid: '': " A_PID},
	{"--pid|4194305", "--pid: '4194305': " A_PID},
	{"--comm|", "--comm: '': write the name of a program, as `ps -o comm` shows it"},
	{"--comm|0123456789abcdef", "--comm: '0123456789abcdef': the kernel keeps the first 15 "
				    "bytes of a name; write those"},
	{"-u|no such user", "--uid-filter: 'no such user': no such user in /etc/passwd; give the "
			    "number (`id -u NAME` prints it)"},
	{"-c|system.slice", "--cgroup: 'system.slice': write the path of a cgroup, as "
			    "/sys/fs/cgroup/system.slice or /system.slice"},
	{"--record|", "--record: '': write the path of a file"},
	{"--replay=", "--replay: '': write the path of a file"},
	{"--record|a|--record|b", "--record: 'b': one file is given already"},
	{"--replay|a|--replay|b", "--replay: 'b': one file is given already"},
	{"--metrics|", "--metrics: '': write the path of a file"},
	{"--metrics|a|--metrics|b", "--metrics: 'b': one file is given already"},
	{"--metrics|a|--record|a", "--metrics and --record name the same file"},
	{"--port|80|--metrics|a", "--metrics" WATCHING},
	{"--port|80|--wait|--metrics|a", "--metrics" WATCHING},
	{"--features|--metrics|a", "--features stands alone, without a port or a command"},
	{"--json-schema|--metrics|a", "--json-schema stands alone, without a port or a command"},
	{"--record|a|--replay|b", "--record and --replay exclude each other; copy the file"},
	{"-P80|-p|1", "--pid" WATCHING},
	{"-P80|--comm|x", "--comm" WATCHING},
	{"-P80|-u|0", "--uid-filter" WATCHING},
	{"-P80|-c|/x", "--cgroup" WATCHING},
	{"-P80|--all", "--all" WATCHING},
	{"-P80|--cross-check", "--cross-check" WATCHING},
	{"-a|fe80::1%eth0", "--address with %eth0" ASKED},
	{"-P80|--follow|-a|fe80::1%eth0", "--address with %eth0" ASKED},
	{"-P80|--states", "--states" WATCHING},
	{"-p|1|--|true", "--pid" WITH_COMMAND},
	{"--comm|x|--|true", "--comm" WITH_COMMAND},
	{"-u|0|--all|--|true", "--uid-filter" WITH_COMMAND},
	{"-c|/x|--|true", "--cgroup" WITH_COMMAND},
	{"--states|--proto|udp", "--states is about TCP; leave --proto out"},
	{"--states|--pid|1", "--states with --pid" NO_CALLER " instead"},
	{"--states|--comm|nginx", "--states with --comm" NO_CALLER " instead"},
	{"--states|-u|0", "--states with --uid-filter" NO_CALLER " instead"},
	{"-c|/a|--follow|-P80|--states", "--states with --cgroup" NO_CALLER " instead"},
	{"--states|--|true", "--states with a command: a change of state has no caller, so name "
			     "ports or an address as well"},
	{"--features|--record|f", "--features stands alone, without a port or a command"},
	{"--features|--json", "--features is a table for people; leave --json out"},
	{"--features|--states", "--features stands alone, without a port or a command"},
	{"--json-schema|--replay|f", "--json-schema stands alone, without a port or a command"},
	{"--replay|f|-P80", "--replay" RECORDED "--port out"},
	{"--replay|f|--|true", "--replay" RECORDED "a command out"},
	{"--replay|f|--follow", "--replay" RECORDED "--follow out"},
	{"--replay|f|-a|::1", "--replay" RECORDED "--address out"},
	{"--replay|f|-4", "--replay" RECORDED "-4 out"},
	{"--replay|f|-6", "--replay" RECORDED "-6 out"},
	{"--replay|f|--proto|tcp", "--replay" RECORDED "--proto out"},
	{"--replay|f|--netns|self", "--replay" RECORDED "--netns out"},
	{"--replay|f|--reuseaddr", "--replay" RECORDED "--reuseaddr out"},
	{"--replay|f|--wait", "--replay" RECORDED "--wait out"},
	{"--replay|f|-p1", "--replay" RECORDED "--pid out"},
	{"--replay|f|--all", "--replay" RECORDED "--all out"},
	{"--replay|f|--count|1", "--replay" RECORDED "--count out"},
	{"--replay|f|--duration|1", "--replay" RECORDED "--duration out"},
	{"--replay|f|--cross-check", "--replay" RECORDED "--cross-check out"},
	{"--replay|f|--hooks|fentry", "--replay" RECORDED "--hooks out"},
	{"--replay|f|--btf|x", "--replay" RECORDED "--btf out"},
	{"--reuseaddr", "--reuseaddr" ONE_SHOT_ONLY},
	{"--reuseport|--follow|-P80", "--reuseport" ONE_SHOT_ONLY},
	{"--v6only|-P80|--|true", "--v6only" ONE_SHOT_ONLY},
	{"--device|eth0", "--device" ONE_SHOT_ONLY},
	{"--uid|0", "--uid" ONE_SHOT_ONLY},
	{"-P80|--device|averyverylongname",
	 "--device: 'averyverylongname': not the name of an interface; `ip link` lists them"},
	{"-P80|--device|a/b",
	 "--device: 'a/b': not the name of an interface; `ip link` lists them"},
	{"-P80|--uid|4294967295", "--uid: '4294967295': user numbers go from 0 to 4294967294"},
	{"-P80|--uid|no such user",
	 "--uid: 'no such user': no such user in /etc/passwd; give the number (`id -u NAME` prints "
	 "it)"},
	{"-P80|--uid|",
	 "--uid: '': no such user in /etc/passwd; give the number (`id -u NAME` prints it)"},
	{"--netns|",
	 "--netns: '': write self, all, a process number, an absolute path, or a name of "
	 "`ip netns`"},
	{"--netns|a/b", "--netns: 'a/b': write self, all, a process number, an absolute path, or a "
			"name of `ip netns`"},
	{"--netns|0", "--netns: '0': not a process number"},
	{"--netns|99999999", "--netns: '99999999': not a process number"},
	{"--count|0", "--count: '0': write a whole number, 1 or more"},
	{"--count|-1", "--count: '-1': write a whole number, 1 or more"},
	{"--count|1.5", "--count: '1.5': write a whole number, 1 or more"},
	{"--fold|-1",
	 "--fold: '-1': write a number of seconds up to 3600, as 1 or 0.5; 0 reports each refusal"},
	{"--fold|3601", "--fold: '3601': write a number of seconds up to 3600, as 1 or 0.5; 0 "
			"reports each refusal"},
	{"--fold|.",
	 "--fold: '.': write a number of seconds up to 3600, as 1 or 0.5; 0 reports each refusal"},
	{"-P80|--fold|1", "--fold is for watching; add --follow, or leave it out"},
	{"--duration|0", "--duration: '0': write more than 0 and at most 1000000000 seconds"},
	{"--duration|nan", "--duration: 'nan': write a number of seconds, as 30 or 0.5"},
	{"--duration|1e3", "--duration: '1e3': write a number of seconds, as 30 or 0.5"},
	{"--duration|1.2.3", "--duration: '1.2.3': write a number of seconds, as 30 or 0.5"},
	{"--duration|.", "--duration: '.': write a number of seconds, as 30 or 0.5"},
	{"-P80|--count|1", "--count is for watching; add --follow, or leave it out"},
	{"-P80|--duration|1", "--duration is for watching; add --follow, or leave it out"},
	{"--count|1|--|true", "--count is for watching; the command decides when it ends"},
	{"--follow|--|true", "--follow with a command; a command is followed anyway"},
	{"--features|-P80", "--features stands alone, without a port or a command"},
	{"--json-schema|--|true", "--json-schema stands alone, without a port or a command"},
	{"--features|--json-schema", "--features and --json-schema exclude each other"},
	{"--journal", "--journal is about the lines of --json; add that"},
	{"--hooks|tracepoint", "--hooks: 'tracepoint': write auto, fentry or kprobe"},
	{"--color|yes", "--color: 'yes': write auto, always or never"},
	{"--btf|", "--btf: '': write the path of a BTF file"},
	{"--", "-- without a command; write: bindtrace -- COMMAND [ARG...]"},
	{"8080", "stray argument '8080'; did you mean: bindtrace --port 8080"},
	{"-j|80,443", "stray argument '80,443'; did you mean: bindtrace --port 80,443"},
	{":8080", "stray argument ':8080'; did you mean: bindtrace --port 8080"},
	{"0.0.0.0:8080", "stray argument '0.0.0.0:8080'; did you mean: bindtrace --address 0.0.0.0 "
			 "--port 8080"},
	{"[::1]:80", "stray argument '[::1]:80'; did you mean: bindtrace --address ::1 --port 80"},
	{"localhost:80", "stray argument 'localhost:80'; did you mean: bindtrace --port 80"},
	{"./server:80", "stray argument './server:80'; did you mean: bindtrace -- ./server:80"},
	{"10.0.0.1",
	 "stray argument '10.0.0.1'; did you mean: bindtrace --address 10.0.0.1 --port PORT"},
	{"::1", "stray argument '::1'; did you mean: bindtrace --address ::1 --port PORT"},
	{"*:80", "stray argument '*:80'; did you mean: bindtrace --port 80"},
	{"8080:80", "stray argument '8080:80'; did you mean: bindtrace -- 8080:80"},
	{"-Plocalhost:80", "--port: 'localhost:80': write it as --port 80"},
	{"help", "stray argument 'help'; did you mean: bindtrace --help"},
	{"--port|:8080", "--port: ':8080': write it as --port 8080"},
	{"--port|127.0.0.1:8080",
	 "--port: '127.0.0.1:8080': write it as --address 127.0.0.1 --port "
	 "8080"},
	{"./server|--listen|:80", "stray argument './server'; did you mean: bindtrace -- ./server"},
	{"-P80|x", "stray argument 'x'; did you mean: bindtrace -- x"},
	{"--bogus", "unknown option '--bogus'; `bindtrace --help` lists them all"},
	{"--ports|80",
	 "unknown option '--ports'; did you mean --port? `bindtrace --help` lists them "
	 "all"},
	{"--bogus=1", "unknown option '--bogus=1'; `bindtrace --help` lists them all"},
	{"-x", "unknown option '-x'; `bindtrace --help` lists them all"},
	{"-jxq", "unknown option '-x'; `bindtrace --help` lists them all"},
	{"-qv|-jZ", "unknown option '-Z'; `bindtrace --help` lists them all"},
	{"--\033c", "unknown option '--\\x1bc'; `bindtrace --help` lists them all"},
	{"--re", "'--re' could be --reuseaddr, --reuseport, --record or --replay; write it out"},
	{"--port", "--port needs a value: --port PORT[,PORT...]"},
	{"-jP", "-P needs a value: -P PORT[,PORT...]"},
	{"--json=1", "--json takes no value"},
};

static void test_bad(void **state)
{
	struct result r;
	char line[512];

	for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
		parse(bad_rows[i].line, &r);
		snprintf(line, sizeof(line), "bindtrace: %s\n", bad_rows[i].message);
		assert_string_equal(r.err, line);
		assert_string_equal(r.out, "");
		assert_int_equal(r.status, EXIT_USAGE);
		assert_null(r.opts.device);
	}
}

struct good {
	const char *line;
	enum mode mode;
	size_t ports;
};

static const struct good good_rows[] = {
	{"", MODE_LIVE, 0},
	{"-P|80", MODE_PORT, 1},
	{"-P80,443", MODE_PORT, 2},
	{"--port=8000-8010", MODE_PORT, 11},
	{"--port|1-65535", MODE_PORT, 65535},
	{"--port|80,80,79-81", MODE_PORT, 3},
	{"--port|80|-P|443", MODE_PORT, 2},
	{"--follow|--port|80", MODE_LIVE, 1},
	{"--follow", MODE_LIVE, 0},
	{"--|ls|-l", MODE_COMMAND, 0},
	{"-P80|--|--port", MODE_COMMAND, 1},
	{"--features|-v", MODE_FEATURES, 0},
	{"--json-schema", MODE_SCHEMA, 0},
	{"--count|1|--duration|0.5|--cross-check|--hooks|kprobe", MODE_LIVE, 0},
	{"-P80|--reuseaddr|--reuseport|--v6only|--uid|root|--device|eth0", MODE_PORT, 1},
	{"--proto|tcp|--netns|all|--color|never|-qvv|--btf|/x", MODE_LIVE, 0},
	{"-p|80", MODE_LIVE, 0},
	{"--pid|1|--comm|nginx|--uid-filter|0|--cgroup|/a|--all|--record|f", MODE_LIVE, 0},
	{"--follow|-P80|-p1|--all", MODE_LIVE, 1},
	{"--follow|-P80|--all|--states", MODE_LIVE, 1},
	{"--states|--proto|tcp", MODE_LIVE, 0},
	{"--all|--record|f|--|true", MODE_COMMAND, 0},
	{"--metrics|f", MODE_LIVE, 0},
	{"--metrics|f|--record|g|--follow|-P80", MODE_LIVE, 1},
	{"--metrics|f|--|true", MODE_COMMAND, 0},
	{"--metrics|f|--replay|g", MODE_REPLAY, 0},
	{"--states|-P80|--|true", MODE_COMMAND, 1},
	{"--states|-a|::1|--|true", MODE_COMMAND, 0},
	{"-P80|--wait", MODE_PORT, 1},
	{"-P80|--wait=0.5|--record|f", MODE_PORT, 1},
	{"--replay|f|-jqv|--color|never", MODE_REPLAY, 0},
};

static void test_good(void **state)
{
	struct result r;

	for (size_t i = 0; i < sizeof(good_rows) / sizeof(good_rows[0]); i++) {
		parse(good_rows[i].line, &r);
		assert_string_equal(r.err, "");
		assert_string_equal(r.out, "");
		assert_int_equal(r.status, 0);
		assert_int_equal(r.opts.mode, good_rows[i].mode);
		assert_int_equal(r.opts.ports.count, good_rows[i].ports);
		assert_int_equal(r.opts.protocol, PROTO_TCP);
		options__free(&r.opts);
	}
}

static void test_values(void **state)
{
	struct result r;

	parse("-P80|--reuseaddr|--uid|0|--device|eth0|-vv|-j|--btf|/b|--hooks|fentry", &r);
	assert_true(r.opts.reuseaddr && !r.opts.reuseport && !r.opts.v6only && r.opts.json);
	assert_true(r.opts.have_uid && r.opts.uid == 0);
	assert_string_equal(r.opts.device, "eth0");
	assert_string_equal(r.opts.btf_path, "/b");
	assert_int_equal(r.opts.verbose, 2);
	assert_int_equal(r.opts.hooks, HOOKS_FENTRY);
	assert_true(r.opts.want_ipv4 && r.opts.want_ipv6);
	assert_true(port_set__has(&r.opts.ports, 80));
	assert_false(port_set__has(&r.opts.ports, 81));
	options__free(&r.opts);

	parse("--count|12|--duration|0.5", &r);
	assert_int_equal(r.opts.count, 12);
	assert_true(r.opts.duration_s == 0.5);
	assert_true(r.opts.fold_s == 1);
	options__free(&r.opts);

	parse("--fold|0", &r);
	assert_true(r.opts.fold_s == 0);
	options__free(&r.opts);
	parse("--fold|0.25", &r);
	assert_true(r.opts.fold_s == 0.25);
	options__free(&r.opts);

	parse("-P80|--proto|udp", &r);
	assert_int_equal(r.opts.protocol, PROTO_UDP);
	assert_true(r.opts.have_protocol && !r.opts.wait);
	options__free(&r.opts);
	parse("-P80|--proto|udplite|--wait=2.5", &r);
	assert_int_equal(r.opts.protocol, PROTO_UDPLITE);
	assert_true(r.opts.wait && r.opts.wait_s == 2.5);
	options__free(&r.opts);
	parse("-P80|--wait", &r);
	assert_true(r.opts.wait && r.opts.wait_s == 0 && !r.opts.have_protocol);
	options__free(&r.opts);
}

/* The last one given counts; processes add up. */
static void test_filters(void **state)
{
	struct result r;

	parse("-p12,13|-p|13,14|--comm|a|--comm|nginx|-u|root|-c|/a|-c|/b|--record|r", &r);
	assert_int_equal(r.opts.n_pids, 3);
	assert_int_equal(r.opts.pids[0], 12);
	assert_int_equal(r.opts.pids[2], 14);
	assert_string_equal(r.opts.comm, "nginx");
	assert_true(r.opts.have_uid_filter && r.opts.uid_filter == 0 && !r.opts.have_uid);
	assert_string_equal(r.opts.cgroup, "/b");
	assert_string_equal(r.opts.record_path, "r");
	assert_true(!r.opts.all && !r.opts.states);
	options__free(&r.opts);
	parse("--replay|x|-j|--metrics|m", &r);
	assert_string_equal(r.opts.replay_path, "x");
	assert_string_equal(r.opts.metrics_path, "m");
	options__free(&r.opts);
}

static void test_command(void **state)
{
	struct result r;

	parse("-q|--|ls|--port|-x", &r);
	assert_true(r.opts.quiet);
	assert_string_equal(r.opts.command[0], "ls");
	assert_string_equal(r.opts.command[2], "-x");
	assert_null(r.opts.command[3]);
	options__free(&r.opts);
}

/* 64 of them, and not one more. */
static void test_many_pids(void **state)
{
	struct result r;
	char line[512] = "-p|1";

	for (int pid = 2; pid <= OPTIONS_MAX_PIDS; pid++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), ",%d", pid);
	parse(line, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.opts.n_pids, OPTIONS_MAX_PIDS);
	options__free(&r.opts);
	strcat(line, ",1"); /* there already */
	parse(line, &r);
	assert_int_equal(r.status, 0);
	options__free(&r.opts);
	strcat(line, ",65");
	parse(line, &r);
	assert_int_equal(r.status, EXIT_USAGE);
	assert_non_null(strstr(r.err, "more than 64 processes"));
}

static void test_addresses(void **state)
{
	struct result r;
	struct ip_addr want = {{0}};

	parse("-P80|-a|127.0.0.1", &r);
	assert_int_equal(r.opts.address_family, AF_INET);
	assert_true(r.opts.have_address && r.opts.want_ipv4 && !r.opts.want_ipv6);
	inet_pton(AF_INET, "127.0.0.1", want.bytes);
	assert_memory_equal(&r.opts.address, &want, sizeof(want));
	options__free(&r.opts);

	parse("-P80|-a|[fe80::1]", &r);
	assert_int_equal(r.opts.address_family, AF_INET6);
	assert_null(r.opts.device);
	options__free(&r.opts);

	parse("-P80|-a|ff02::fb%eth0", &r);
	assert_string_equal(r.opts.device, "eth0");
	options__free(&r.opts);

	parse("-P80|-a|fe80::1%eth0|--device|eth0", &r);
	assert_int_equal(r.status, 0);
	assert_true(!r.opts.want_ipv4 && r.opts.want_ipv6);
	assert_string_equal(r.opts.device, "eth0");
	options__free(&r.opts);

	parse("-P80|-a|::ffff:1.2.3.4", &r);
	assert_int_equal(r.opts.address_family, AF_INET6);
	options__free(&r.opts);

	parse("-P80|-6", &r);
	assert_true(!r.opts.want_ipv4 && r.opts.want_ipv6);
	options__free(&r.opts);
}

static void test_netns(void **state)
{
	static const struct {
		const char *line;
		enum netns_kind kind;
		int pid;
	} rows[] = {
		{"-j", NETNS_DEFAULT, 0},
		{"--netns|self", NETNS_SELF, 0},
		{"--netns|all", NETNS_ALL, 0},
		{"--netns|4242", NETNS_PID, 4242},
		{"--netns|/run/netns/web", NETNS_PATH, 0},
		{"--netns|web", NETNS_NAME, 0},
		{"--netns|1|--netns|web", NETNS_NAME, 0},
	};
	struct result r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		parse(rows[i].line, &r);
		assert_int_equal(r.status, 0);
		assert_int_equal(r.opts.netns, rows[i].kind);
		assert_int_equal(r.opts.netns_pid, rows[i].pid);
		options__free(&r.opts);
	}
}

static void test_help(void **state)
{
	struct result r;
	char *line, *rest;

	parse("--help", &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.opts.mode, MODE_DONE);
	assert_string_equal(r.err, "");
	assert_non_null(strstr(r.out, "Usage: bindtrace "));
	assert_non_null(strstr(r.out, "\n What to look at:\n"));
	assert_non_null(strstr(strstr(r.out, "--version"), "Exit status: 0 "));
	for (rest = r.out; (line = strsep(&rest, "\n"));)
		assert_in_range(strlen(line), 0, 80);
	parse("-jhx|--bogus", &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.opts.mode, MODE_DONE);
	assert_string_equal(r.err, "");
	parse("-jVxV|whatever|follows", &r);
	assert_string_equal(r.out, "bindtrace " BINDTRACE_VERSION "\n");
	assert_int_equal(r.opts.mode, MODE_DONE);
}

static void test_color(void **state)
{
	struct options opts = {.color = COLOR_AUTO};

	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	assert_true(options__use_color(&opts, true));
	assert_false(options__use_color(&opts, false));
	setenv("NO_COLOR", "", 1);
	assert_true(options__use_color(&opts, true));
	setenv("NO_COLOR", "1", 1);
	assert_false(options__use_color(&opts, true));
	opts.color = COLOR_ALWAYS;
	assert_true(options__use_color(&opts, false));
	opts.json = true;
	assert_false(options__use_color(&opts, true));
	opts = (struct options){.color = COLOR_NEVER};
	unsetenv("NO_COLOR");
	assert_false(options__use_color(&opts, true));
	opts.color = COLOR_AUTO;
	setenv("TERM", "dumb", 1);
	assert_false(options__use_color(&opts, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),	cmocka_unit_test(test_good),
		cmocka_unit_test(test_values),	cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_netns),	cmocka_unit_test(test_help),
		cmocka_unit_test(test_color),	cmocka_unit_test(test_many_pids),
		cmocka_unit_test(test_filters), cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
