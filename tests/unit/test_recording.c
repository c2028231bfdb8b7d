// SPDX-License-Identifier: GPL-2.0-only
/* What was recorded is shown again byte for byte; what is not a whole recording is told. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>
#include "explain.h"
#include "kernel/decode.h"
#include "page.h"
#include "recording/layout.h"
#include "recording/pack.h"
#include "recording/recording.h"
#include "recording/unpack.h"

#define TIME_NS 1795169103123456789ll
#define HOSTILE "a\n\033[31m\"\\\xff\xfe\xe2\x80\xae{}%n\t\r'"

/* ---- files -------------------------------------------------------------------------------- */

static char directory[] = "/tmp/test_recording.XXXXXX";
static char path[PATH_MAX];

static int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	return rmdir(directory);
}

static int new_path(void **state)
{
	snprintf(path, sizeof(path), "%s/recording", directory);
	return 0;
}

static int remove_path(void **state)
{
	unlink(path);
	return 0;
}

struct bytes {
	uint8_t *data;
	size_t n;
};

static struct bytes read_file(void)
{
	struct bytes file = {malloc(1 << 20), 0};
	FILE *stream = fopen(path, "r");

	assert_non_null(stream);
	file.n = fread(file.data, 1, 1 << 20, stream);
	fclose(stream);
	return file;
}

static void write_file(const void *data, size_t n)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(data, 1, n, stream), n);
	assert_int_equal(fclose(stream), 0);
}

/* ---- samples: every field has a value that is not the default ----------------------------- */

static const struct bind_request request = {
	.call = CALL_LISTEN,
	.family = AF_INET6,
	.port = 8080,
	.peer_port = 81,
	.addr = {.bytes = {[0] = 0x20, [15] = 1}},
	.peer = {.bytes = {[0] = 0x20, [15] = 2}},
	.v4_word_be = 0x01020304,
	.reuseaddr = true,
	.reuseport = true,
	.v6only = true,
	.force_reuse = true,
	.listening = true,
	.has_group = true,
	.group_closed = true,
	.ifindex = 3,
	.l3mdev = -7,
	.uid = 1000,
	.inode_uid = 0xfffffffe,
	.self = 0xffff888812345678,
};

static const struct refusal_facts facts = {
	.stage = STAGE_CONNECT,
	.error = EADDRNOTAVAIL,
	.had_port = 65535,
	.unprivileged_port_start = 1024,
	.nonlocal_bind = -1,
	.tw_reuse = 2,
	.address_tentative = TRI_UNKNOWN,
};

static const struct port_usage usage = {
	.low = 32768,
	.high = 60999,
	.reserved = 1,
	.taken = 28231,
	.bound = 2,
	.same_peer = 28000,
	.reusable = 77,
	.shareable = 1,
	.sockets = 1ull << 40,
	.states = {0, 28000, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	.top = {{1, 20000}, {0, 8000}},
	.n_top = 2,
};

static const struct snap_bucket bucket = {
	.l3mdev = -7,
	.fastreuse = -1,
	.fastreuseport = 2,
	.fastuid = 33,
	.fast_family = AF_INET6,
	.fast_ipv6only = true,
	.fast_v6 = {.bytes = {1, 2, 3}},
	.fast_v4_be = 0x7f000001,
};

static const struct snap_sock time_wait = {
	.id = 0xffff888800000001,
	.bucket = 0,
	.family = AF_INET6,
	.local_port = 8080,
	.peer_port = 46954,
	.state = STATE_TIME_WAIT,
	.substate = STATE_FIN_WAIT2,
	.local = {.bytes = {[0] = 0x20, [15] = 1}},
	.peer = {.bytes = {[0] = 0x20, [15] = 9}},
	.v4_word_be = 0x0600007f,
	.reuseaddr = TRI_NO,
	.reuseport = TRI_YES,
	.v6only = TRI_UNKNOWN,
	.force_reuse = TRI_NO,
	.port_locked = TRI_UNKNOWN,
	.connect_bound = TRI_YES,
	.has_socket = TRI_UNKNOWN,
	.has_file = TRI_UNKNOWN,
	.dead = TRI_YES,
	.kernel_made = TRI_UNKNOWN,
	.ifindex = 3,
	.uid_known = true,
	.uid = 1001,
	.inode_uid_known = true,
	.inode_uid = 1002,
	.inode = 1ull << 33,
	.cgroup_id = 4711,
	.expires_known = true,
	.expires_ms = -41230,
	.role = ROLE_ORPHAN,
	.holder = HOLDER_DETACHED,
};

static char *copy(const char *text)
{
	char *copied = strdup(text);

	assert_non_null(copied);
	return copied;
}

static void fill_proc(struct proc_info *proc, int pid)
{
	proc->pid = pid;
	proc->tid = pid + 1;
	proc->uid_known = true;
	proc->uid = 1000;
	proc->session_leader = TRI_UNKNOWN;
	proc->comm = copy(HOSTILE);
	proc->exe = copy("/srv/" HOSTILE);
	proc->cgroup = copy("/system.slice/" HOSTILE);
	proc->unit = copy("");
	proc->container = NULL;
}

static void fill_snapshot(struct snapshot *snap)
{
	struct snap_sock *listener;

	snapshot__init(snap);
	snap->protocol = PROTO_TCP;
	snap->port = 8080;
	snap->netns = 4026531840;
	snap->netns_name = copy(HOSTILE);
	snap->netns_member = calloc(1, sizeof(*snap->netns_member));
	fill_proc(snap->netns_member, 4102);
	snap->kernel = (struct kernel_rules){true, true, true, true};
	snap->evidence = EVIDENCE_RACED;
	snap->truncated = true;
	snap->total = 12345;
	snap->owners_known = true;
	snap->ephemeral_low = 32768;
	snap->ephemeral_high = 60999;
	*snapshot__add_bucket(snap) = bucket;
	*snapshot__add_sock(snap) = time_wait;
	snap->socks[0].former_owner = calloc(1, sizeof(struct proc_info));
	fill_proc(snap->socks[0].former_owner, 4101);
	listener = snapshot__add_sock(snap);
	*listener = time_wait;
	listener->id++;
	listener->state = STATE_LISTEN;
	listener->holder = HOLDER_PROCESS;
	fill_proc(snapshot__add_proc(snap), 42);
	fill_proc(snapshot__add_proc(snap), 43);
	snapshot__add_hold(snap, 1, 0, 3, TRI_YES);
	snapshot__add_hold(snap, 1, 1, -1, TRI_UNKNOWN);
	snapshot__add_device(snap, 3, "\033eth0");
}

static void judge(struct conflict_report *report)
{
	assert_int_equal(report__judge(report), 0);
	assert_int_equal(report__explain(report), 0);
}

static void make_conflict(struct conflict_report *report)
{
	memset(report, 0, sizeof(*report));
	report->time_ns = TIME_NS;
	report->count = 153;
	report->first_time_ns = TIME_NS - 990000000;
	report->syscall = "listen";
	report->error = EADDRINUSE;
	report->req = request;
	report->kernel_agrees = TRI_NO;
	fill_proc(&report->process, 4242);
	fill_snapshot(&report->snap);
	judge(report);
	assert_int_equal(report->verdict.n_blockers, 1);
}

/* No port was left: what is known is a sum. */
static void make_exhausted(struct conflict_report *report)
{
	make_conflict(report);
	verdict__free(&report->verdict);
	report->again = true;
	report->syscall = "connect";
	report->error = EADDRNOTAVAIL;
	report->req.call = CALL_CONNECT;
	report->req.port = 0;
	report->facts = facts;
	report->have_usage = true;
	report->usage = usage;
	report->reserved[17] = 0x80;
	report->reserved[99] = 1;
	report->snap.n_holds = 0;
	free(report->snap.socks[0].former_owner->comm);
	free(report->snap.socks[0].former_owner->exe);
	free(report->snap.socks[0].former_owner->cgroup);
	free(report->snap.socks[0].former_owner->unit);
	free(report->snap.socks[0].former_owner);
	report->snap.n_socks = 0;
	memset(&report->verdict, 0, sizeof(report->verdict));
	judge(report);
}

static void make_port(struct port_report *report)
{
	memset(report, 0, sizeof(*report));
	report->time_ns = TIME_NS + 1;
	report->note = "as root: " HOSTILE;
	fill_snapshot(&report->snap);
	report->what_ifs = calloc(4, sizeof(*report->what_ifs));
	report->n_what_ifs = 4;
	for (int i = 0; i < 4; i++) {
		struct what_if *what_if = &report->what_ifs[i];

		what_if->req = request;
		what_if->req.reuseaddr = i & 1;
		what_if->req.reuseport = i & 2;
		what_if->asked = i == 0;
		assert_int_equal(
			rules__judge(&report->snap, &what_if->req, false, &what_if->verdict), 0);
		if (i == 3) {
			what_if->facts = facts;
			what_if->otherwise = EADDRINUSE;
			verdict__free(&what_if->verdict);
			what_if->verdict = (struct verdict){.refused = TRI_YES};
		}
		assert_int_equal(verdict__explain_asked(&what_if->verdict, &report->snap,
							&what_if->req, &what_if->facts,
							what_if->otherwise),
				 0);
	}
}

static void free_port(struct port_report *report)
{
	for (size_t i = 0; i < report->n_what_ifs; i++)
		verdict__free(&report->what_ifs[i].verdict);
	free(report->what_ifs);
	snapshot__free(&report->snap);
}

static void make_bind(struct bind_report *report)
{
	memset(report, 0, sizeof(*report));
	report->time_ns = TIME_NS + 2;
	report->syscall = "autobind";
	report->protocol = PROTO_UDPLITE;
	report->req = request;
	strcpy(report->device, "\033eth1");
	fill_proc(&report->process, 4243);
	report->netns = 4026532000;
	report->netns_name = HOSTILE;
}

static void make_state(struct state_report *report)
{
	memset(report, 0, sizeof(*report));
	report->time_ns = TIME_NS + 3;
	report->protocol = PROTO_TCP;
	report->family = AF_INET6;
	report->local_port = 8080;
	report->peer_port = 81;
	report->local = request.addr;
	report->peer = request.peer;
	report->old_state = STATE_FIN_WAIT2;
	report->new_state = STATE_TIME_WAIT;
	report->duration_ns = 1ll << 40;
	fill_proc(&report->process, 4244);
	report->former = true;
	report->netns = 4026532001;
	report->netns_name = HOSTILE;
}

static const struct run_start start = {
	.time_ns = TIME_NS,
	.version = "9.9",
	.kernel = HOSTILE,
	.hooks = "fexit inet_csk_bind_conflict, " HOSTILE,
	.filters = "port 8080, " HOSTILE,
	.netns = "all",
};
static const struct run_stop stop = {TIME_NS + 5, 1, 2, 3, UINT64_MAX >> 1, 4};

struct samples {
	struct conflict_report conflict, exhausted;
	struct port_report port;
	struct bind_report bind;
	struct state_report state;
};

static void make_samples(struct samples *s)
{
	make_conflict(&s->conflict);
	make_exhausted(&s->exhausted);
	make_port(&s->port);
	make_bind(&s->bind);
	make_state(&s->state);
}

static void free_samples(struct samples *s)
{
	conflict__free(&s->conflict);
	conflict__free(&s->exhausted);
	free_port(&s->port);
	proc_info__free(&s->bind.process);
	proc_info__free(&s->state.process);
}

/* ---- shown live and replayed -------------------------------------------------------------- */

enum format { TEXT, VERBOSE, JSON, N_FORMATS };

#define RUN "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

static void open_page(struct page *page, enum format format, const char *run)
{
	struct output_config config = {.json = format == JSON, .verbose = format == VERBOSE};

	strcpy(config.run, run);
	page__open(page, config);
}

static char *close_page(struct page *page)
{
	page__close(page);
	return page->text;
}

static char *show_live(const struct samples *s, enum format format)
{
	struct page page;

	open_page(&page, format, RUN);
	assert_int_equal(output__start(page.out, &start), 0);
	assert_int_equal(output__conflict(page.out, &s->conflict), 0);
	assert_int_equal(output__conflict(page.out, &s->exhausted), 0);
	assert_int_equal(output__port(page.out, &s->port), 0);
	assert_int_equal(output__bind(page.out, &s->bind), 0);
	assert_int_equal(output__state(page.out, &s->state), 0);
	assert_int_equal(output__lost(page.out, TIME_NS, 7), 0);
	assert_int_equal(output__stop(page.out, &stop), 0);
	return close_page(&page);
}

static struct recorder *open_recorder(void)
{
	struct recording_header header;
	struct recorder *recorder = NULL;

	recording_header__here(&header);
	header.show_netns = true;
	header.own_netns = 4026531840;
	strcpy(header.run, RUN);
	assert_int_equal(recorder__open(path, &header, &recorder), 0);
	return recorder;
}

static void record(const struct samples *s)
{
	struct recorder *recorder = open_recorder();

	assert_int_equal(recorder__start(recorder, &start), 0);
	assert_int_equal(recorder__conflict(recorder, &s->conflict), 0);
	assert_int_equal(recorder__conflict(recorder, &s->exhausted), 0);
	assert_int_equal(recorder__port(recorder, &s->port), 0);
	assert_int_equal(recorder__bind(recorder, &s->bind), 0);
	assert_int_equal(recorder__state(recorder, &s->state), 0);
	assert_int_equal(recorder__lost(recorder, TIME_NS, 7), 0);
	assert_int_equal(recorder__stop(recorder, &stop), 0);
	assert_int_equal(recorder__close(recorder), 0);
}

/* What was shown, and how it ended. */
static char *replay(enum format format, int *ret_err, struct recording_fault *fault)
{
	struct recording *recording;
	struct page page;

	*ret_err = recording__open(path, &recording, fault);
	open_page(&page, format, *ret_err ? "" : recording__header(recording)->run);
	if (!*ret_err) {
		*ret_err = recording__replay(recording, page.out, fault);
		recording__free(recording);
	}
	return close_page(&page);
}

static int replay_quietly(struct recording_fault *fault)
{
	int err;

	free(replay(JSON, &err, fault));
	return err;
}

static void shows_the_same_bytes(void **state)
{
	struct recording_fault fault;
	struct samples s;
	int err;

	make_samples(&s);
	record(&s);
	for (enum format format = 0; format < N_FORMATS; format++) {
		char *live = show_live(&s, format), *again = replay(format, &err, &fault);

		assert_string_equal(fault.text, "");
		assert_int_equal(err, 0);
		assert_int_equal(fault.shown, 8);
		assert_true(strlen(live) > 1000);
		assert_string_equal(live, again);
		free(live);
		free(again);
	}
	free_samples(&s);
}

static void tells_where_it_was_made(void **state)
{
	const struct recording_header *header;
	struct recording_header here;
	struct recording_fault fault;
	struct recording *recording;

	recording_header__here(&here);
	assert_int_equal(recorder__close(open_recorder()), 0);
	assert_int_equal(recording__open(path, &recording, &fault), 0);
	header = recording__header(recording);
	assert_string_equal(header->tool, here.tool);
	assert_string_equal(header->kernel, here.kernel);
	assert_string_equal(header->machine, here.machine);
	assert_string_equal(header->boot_id, here.boot_id);
	assert_int_equal(strlen(header->boot_id), 36);
	assert_true(header->realtime_ns <= here.realtime_ns + 60000000000ll);
	assert_true(header->monotonic_ns >= here.monotonic_ns);
	assert_true(header->show_netns);
	assert_int_equal(header->own_netns, 4026531840);
	assert_string_equal(header->run, RUN);
	recording__free(recording);
}

static char *replay_elsewhere(const char *zone)
{
	struct recording_fault fault;
	char *shown;
	int err;

	setenv("TZ", zone, 1);
	tzset();
	shown = replay(TEXT, &err, &fault);
	assert_int_equal(err, 0);
	assert_string_equal(getenv("TZ"), zone);
	return shown;
}

static void shows_times_of_the_recording_zone(void **state)
{
	static const char *const zones[] = {"IST-5:30", "NST3:30NDT", "UTC0"};
	struct samples s;

	make_samples(&s);
	for (size_t i = 0; i < 3; i++) {
		char *live, *again;

		setenv("TZ", zones[i], 1);
		tzset();
		record(&s);
		live = show_live(&s, TEXT);
		again = replay_elsewhere("JST-9");
		assert_string_equal(live, again);
		free(live);
		free(again);
		unlink(path);
	}
	unsetenv("TZ");
	tzset();
	free_samples(&s);
}

/* What minor version 0 wrote of a bind asked about ends with the answer. */
static void reads_the_first_minor_version(void **state)
{
	struct asked asked = {.what_if = {.req = request, .asked = true}, .shown = TRI_NO};
	struct coder c = {.reading = false}, again = {.reading = true};
	struct asked read = {.shown = TRI_UNKNOWN};
	size_t mark = code__begin(&c);

	fields__request(&c, &asked.what_if.req);
	code__end(&c, mark);
	code__bool(&c, &asked.what_if.asked);
	asked.shown = code__tri_enum(&c, asked.shown);
	again.in = c.out;
	again.end = c.pos;
	fields__asked(&again, &read);
	assert_int_equal(again.err, 0);
	assert_int_equal(again.pos, c.pos);
	assert_memory_equal(&read.what_if.req, &request, sizeof(request));
	assert_true(read.what_if.asked);
	assert_int_equal(read.shown, TRI_NO);
	assert_int_equal(read.what_if.facts.error, 0);
	coder__free(&c);
}

/* Minor version 2 had a record for each refusal. */
static void reads_a_refusal_without_a_count(void **state)
{
	struct conflict_report report = {.syscall = "bind", .error = EADDRINUSE, .count = 2};
	struct conflict_report read = {.count = 0};
	struct coder c = {.reading = false}, again = {.reading = true};

	fields__call(&c, &report);
	again.in = c.out;
	again.end = c.pos - 8 - 8 - 1;
	fields__call(&again, &read);
	assert_int_equal(again.err, 0);
	assert_int_equal(again.pos, again.end);
	assert_string_equal(read.syscall, "bind");
	assert_int_equal(read.count, 0); /* unpack.c makes it 1 */
	coder__free(&c);
}

/* Minor version 1 had no run in its header. */
static void reads_a_header_without_a_run(void **state)
{
	struct recording_header header = {.tool = "0.1.0", .own_netns = 5}, read = {.run = ""};
	struct coder c = {.reading = false}, again = {.reading = true};

	fields__header(&c, &header);
	again.in = c.out;
	again.end = c.pos - 4 - 1; /* the length and the final zero of "" */
	fields__header(&again, &read);
	assert_int_equal(again.err, 0);
	assert_int_equal(read.own_netns, 5);
	assert_string_equal(read.run, "");
	coder__free(&c);
}

/* Sockets may have been hidden from a one-shot run: its doubt is not the model's. */
static void keeps_the_doubt_that_was_shown(void **state)
{
	struct recording_fault fault;
	struct recorder *recorder;
	struct port_report report;
	char *shown;
	int err;

	make_port(&report);
	for (size_t i = 0; i < report.n_what_ifs; i++)
		report.what_ifs[i].req.port = 9; /* nobody is there: the model says "ok" */
	report.what_ifs[3].facts.error = 0;
	report.what_ifs[2].verdict.refused = TRI_UNKNOWN;
	report.what_ifs[3].verdict.refused = TRI_NO;
	report.snap.n_socks = 0;
	report.snap.n_holds = 0;
	recorder = open_recorder();
	assert_int_equal(recorder__port(recorder, &report), 0);
	assert_int_equal(recorder__close(recorder), 0);
	shown = replay(JSON, &err, &fault);
	assert_int_equal(err, 0);
	assert_non_null(strstr(shown, "\"reuseaddr\":false,\"reuseport\":true"));
	assert_non_null(strstr(shown, "\"result\":null"));
	assert_non_null(strstr(shown, "\"result\":\"ok\""));
	free(shown);
	report.snap.n_socks = 2;
	report.snap.n_holds = 2;
	free_port(&report);
}

static void takes_fifty_thousand_sockets(void **state)
{
	struct recording_fault fault;
	struct conflict_report report;
	struct recorder *recorder;
	struct page page;
	char *live, *again;
	int err;

	make_conflict(&report);
	for (uint32_t i = 0; i < 50000; i++) {
		struct snap_sock *sock = snapshot__add_sock(&report.snap);

		*sock = time_wait;
		sock->id = i + 10;
		sock->state = STATE_LISTEN;
		memcpy(sock->peer.bytes + 4, &i, 4);
	}
	verdict__free(&report.verdict);
	memset(&report.verdict, 0, sizeof(report.verdict));
	judge(&report);
	recorder = open_recorder();
	assert_int_equal(recorder__conflict(recorder, &report), 0);
	assert_int_equal(recorder__close(recorder), 0);
	open_page(&page, VERBOSE, "");
	assert_int_equal(output__conflict(page.out, &report), 0);
	live = close_page(&page);
	again = replay(VERBOSE, &err, &fault);
	assert_int_equal(err, 0);
	assert_true(strlen(live) > 50000 * 40);
	assert_true(strcmp(live, again) == 0);
	free(live);
	free(again);
	conflict__free(&report);
}

/* ---- every field -------------------------------------------------------------------------- */

/* A field that was added to the model has to be added to fields.c and to the samples above. */
static void knows_every_struct(void **state)
{
#ifdef __LP64__
	assert_int_equal(sizeof(struct bind_request), 80);
	assert_int_equal(sizeof(struct refusal_facts), 28);
	assert_int_equal(sizeof(struct port_usage), 216);
	assert_int_equal(sizeof(struct snap_sock), 136);
	assert_int_equal(sizeof(struct snap_bucket), 36);
	assert_int_equal(sizeof(struct snap_device), 20);
	assert_int_equal(sizeof(struct sock_hold), 16);
	assert_int_equal(sizeof(struct proc_info), 64);
	assert_int_equal(sizeof(struct kernel_rules), 4);
	assert_int_equal(sizeof(struct snapshot), 176);
	assert_int_equal(offsetof(struct conflict_report, verdict), 8816);
	assert_int_equal(offsetof(struct what_if, verdict), 80);
	assert_int_equal(sizeof(struct what_if), offsetof(struct what_if, otherwise) + 8);
	assert_int_equal(sizeof(struct port_report), 208);
	assert_int_equal(sizeof(struct bind_report), 200);
	assert_int_equal(sizeof(struct state_report), 152);
	assert_int_equal(sizeof(struct run_start), 48);
	assert_int_equal(sizeof(struct run_stop), 48);
#endif
}

static void unpack(struct coder *c, uint16_t kind, struct record *ret)
{
	assert_int_equal(c->err, 0);
	assert_int_equal(record__unpack(ret, kind, c->out, c->pos, false), 0);
}

static void same_proc(const struct proc_info *a, const struct proc_info *b)
{
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->tid, b->tid);
	assert_int_equal(a->uid_known, b->uid_known);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->session_leader, b->session_leader);
	assert_string_equal(a->comm, b->comm);
	assert_string_equal(a->exe, b->exe);
	assert_string_equal(a->cgroup, b->cgroup);
	assert_string_equal(a->unit, b->unit);
	assert_null(b->container);
}

static void same_snapshot(const struct snapshot *a, struct snapshot *b)
{
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->netns, b->netns);
	assert_string_equal(a->netns_name, b->netns_name);
	same_proc(a->netns_member, b->netns_member);
	assert_memory_equal(&a->kernel, &b->kernel, sizeof(a->kernel));
	assert_int_equal(a->evidence, b->evidence);
	assert_int_equal(a->truncated, b->truncated);
	assert_int_equal(a->total, b->total);
	assert_int_equal(a->owners_known, b->owners_known);
	assert_int_equal(a->ephemeral_low, b->ephemeral_low);
	assert_int_equal(a->ephemeral_high, b->ephemeral_high);
	assert_int_equal(b->n_buckets, 1);
	assert_memory_equal(&bucket, b->buckets, sizeof(bucket));
	assert_int_equal(b->n_socks, 2);
	same_proc(a->socks[0].former_owner, b->socks[0].former_owner);
	assert_null(b->socks[1].former_owner);
	for (size_t i = 0; i < 2; i++) {
		struct snap_sock x = a->socks[i], y = b->socks[i];

		x.former_owner = y.former_owner = NULL;
		assert_memory_equal(&x, &y, sizeof(x));
	}
	assert_int_equal(b->n_procs, 2);
	same_proc(&a->procs[1], &b->procs[1]);
	assert_int_equal(b->n_holds, 2);
	assert_memory_equal(a->holds, b->holds, 2 * sizeof(*a->holds));
	assert_int_equal(b->n_devices, 1);
	assert_memory_equal(a->devices, b->devices, sizeof(*a->devices));
}

static void keeps_every_field_of_a_conflict(void **state)
{
	struct conflict_report report;
	struct record record;
	struct coder c = {.reading = false};

	make_conflict(&report);
	report.have_usage = true;
	report.usage = usage;
	report.facts = facts;
	memset(report.reserved + 5, 0xa5, 4000);
	pack__conflict(&c, &report);
	unpack(&c, KIND_CONFLICT, &record);
	assert_int_equal(record.conflict.time_ns, report.time_ns);
	assert_int_equal(record.conflict.count, report.count);
	assert_int_equal(record.conflict.first_time_ns, report.first_time_ns);
	assert_int_equal(record.conflict.again, report.again);
	assert_string_equal(record.conflict.syscall, "listen");
	assert_int_equal(record.conflict.error, EADDRINUSE);
	assert_int_equal(record.conflict.kernel_agrees, TRI_NO);
	assert_true(record.conflict.have_usage);
	assert_memory_equal(&record.conflict.req, &request, sizeof(request));
	assert_memory_equal(&record.conflict.facts, &facts, sizeof(facts));
	assert_memory_equal(&record.conflict.usage, &usage, sizeof(usage));
	assert_memory_equal(record.conflict.reserved, report.reserved, sizeof(report.reserved));
	same_proc(&report.process, &record.conflict.process);
	same_snapshot(&report.snap, &record.conflict.snap);
	record__free(&record);
	coder__free(&c);
	conflict__free(&report);
}

static void keeps_every_field_of_a_port(void **state)
{
	struct port_report report;
	struct record record;
	struct coder c = {.reading = false};

	make_port(&report);
	pack__port(&c, &report);
	unpack(&c, KIND_PORT, &record);
	assert_int_equal(record.port.time_ns, report.time_ns);
	assert_string_equal(record.port.note, report.note);
	assert_int_equal(record.port.n_what_ifs, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_memory_equal(&record.port.what_ifs[i].req, &report.what_ifs[i].req,
				    sizeof(request));
		assert_int_equal(record.port.what_ifs[i].asked, i == 0);
		assert_memory_equal(&record.port.what_ifs[i].facts, &report.what_ifs[i].facts,
				    sizeof(facts));
		assert_int_equal(record.port.what_ifs[i].otherwise, i == 3 ? EADDRINUSE : 0);
		assert_int_equal(record.shown[i], report.what_ifs[i].verdict.refused);
	}
	same_snapshot(&report.snap, &record.port.snap);
	record__free(&record);
	coder__free(&c);
	free_port(&report);
}

static void keeps_every_field_of_a_bind(void **state)
{
	struct bind_report report;
	struct record record;
	struct coder c = {.reading = false};

	make_bind(&report);
	pack__bind(&c, &report);
	unpack(&c, KIND_BIND, &record);
	assert_int_equal(record.bind.time_ns, report.time_ns);
	assert_string_equal(record.bind.syscall, report.syscall);
	assert_int_equal(record.bind.protocol, report.protocol);
	assert_memory_equal(&record.bind.req, &request, sizeof(request));
	assert_string_equal(record.bind.device, report.device);
	same_proc(&report.process, &record.bind.process);
	assert_int_equal(record.bind.netns, report.netns);
	assert_string_equal(record.bind.netns_name, report.netns_name);
	record__free(&record);
	coder__free(&c);
	proc_info__free(&report.process);
}

static void keeps_every_field_of_a_state(void **state)
{
	struct state_report report, x, y;
	struct record record;
	struct coder c = {.reading = false};

	make_state(&report);
	pack__state(&c, &report);
	unpack(&c, KIND_STATE, &record);
	same_proc(&report.process, &record.state.process);
	assert_string_equal(record.state.netns_name, report.netns_name);
	x = report;
	y = record.state;
	memset(&x.process, 0, sizeof(x.process));
	memset(&y.process, 0, sizeof(y.process));
	x.netns_name = y.netns_name = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
	record__free(&record);
	coder__free(&c);
	proc_info__free(&report.process);
}

/* ---- files that are not whole ------------------------------------------------------------- */

/* A report that is small enough to try every byte of its file. */
static struct bytes small_file(void)
{
	struct recorder *recorder = open_recorder();
	struct conflict_report report;

	make_conflict(&report);
	assert_int_equal(recorder__start(recorder, &start), 0);
	assert_int_equal(recorder__conflict(recorder, &report), 0);
	assert_int_equal(recorder__stop(recorder, &stop), 0);
	assert_int_equal(recorder__close(recorder), 0);
	conflict__free(&report);
	return read_file();
}

/* Only whole lines, and those that were there. */
static void is_beginning(const char *whole, const char *part)
{
	size_t n = strlen(part);

	assert_true(n <= strlen(whole));
	assert_memory_equal(whole, part, n);
	assert_true(!n || part[n - 1] == '\n');
}

static void tells_every_truncation(void **state)
{
	struct bytes file = small_file();
	struct recording_fault fault;
	uint64_t shown = 0;
	char *whole, *part;
	int err;

	whole = replay(JSON, &err, &fault);
	assert_int_equal(err, 0);
	for (size_t n = 0; n < file.n; n++) {
		char at[32];

		write_file(file.data, n);
		part = replay(JSON, &err, &fault);
		assert_int_equal(err, -EBADMSG);
		assert_int_equal(fault.offset, n);
		snprintf(at, sizeof(at), "at byte %zu", n);
		assert_non_null(strstr(fault.text, "truncated"));
		assert_non_null(strstr(fault.text, at));
		is_beginning(whole, part);
		assert_true(fault.shown >= shown);
		shown = fault.shown;
		free(part);
	}
	assert_int_equal(shown, 3);
	free(whole);
	free(file.data);
}

static void tells_every_damaged_byte(void **state)
{
	static const uint8_t flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
	struct bytes file = small_file();
	struct recording_fault fault;
	char *whole, *part;
	int err;

	whole = replay(JSON, &err, &fault);
	for (size_t i = 0; i < file.n * sizeof(flips); i++) {
		uint8_t *byte = &file.data[i / sizeof(flips)];

		*byte ^= flips[i % sizeof(flips)];
		write_file(file.data, file.n);
		part = replay(JSON, &err, &fault);
		assert_int_equal(err, -EBADMSG);
		assert_true(*fault.text);
		assert_true(fault.shown < 4 && strlen(part) <= strlen(whole));
		is_beginning(whole, part);
		free(part);
		*byte ^= flips[i % sizeof(flips)];
	}
	free(whole);
	free(file.data);
}

/* Whatever passes the checksum is still not trusted. */
static void survives_hostile_content(void **state)
{
	struct conflict_report report;
	struct coder c = {.reading = false};
	size_t refused = 0;

	make_conflict(&report);
	report.have_usage = true;
	report.usage = usage;
	pack__conflict(&c, &report);
	for (size_t i = 0; i < c.pos * 256; i++) {
		uint8_t saved = c.out[i / 256];
		struct record record;
		int err;

		c.out[i / 256] = (uint8_t)i;
		err = record__unpack(&record, KIND_CONFLICT, c.out, c.pos, false);
		assert_true(err == 0 || err == -EBADMSG);
		refused += err != 0;
		record__free(&record);
		c.out[i / 256] = saved;
	}
	assert_true(refused > 10000);
	coder__free(&c);
	conflict__free(&report);
}

static void put_record(FILE *stream, uint16_t kind, const void *payload, uint32_t size)
{
	uint8_t head[12] = {size, size >> 8, size >> 16, size >> 24, kind, kind >> 8};
	uint32_t crc = crc32(crc32(0, head, 8), payload, size);

	for (int i = 0; i < 4; i++)
		head[8 + i] = crc >> 8 * i;
	fwrite(head, 1, sizeof(head), stream);
	fwrite(payload, 1, size, stream);
}

static void put_prefix(FILE *stream, uint16_t major, uint16_t minor)
{
	uint8_t prefix[16] = LAYOUT_MAGIC;
	uint32_t crc;

	prefix[8] = major;
	prefix[10] = minor;
	crc = crc32(0, prefix, 12);
	for (int i = 0; i < 4; i++)
		prefix[12 + i] = crc >> 8 * i;
	fwrite(prefix, 1, sizeof(prefix), stream);
}

/* lost(7) with an unknown field in its group and an unknown group after it, and an unknown kind. */
static void write_future(uint16_t major, uint16_t minor, bool new_kind)
{
	static const uint8_t lost[] = {2, 0, 12, 0, 0,	 0,   1, 0, 0, 0, 0, 0, 0, 0,
				       0, 0, 0,	 0, 19,	 0,   9, 0, 0, 0, 7, 0, 0, 0,
				       0, 0, 0,	 0, 'x', 200, 1, 3, 0, 0, 0, 1, 2, 3};
	const uint8_t end[] = {20, 0, 8, 0, 0, 0, 1 + new_kind, 0, 0, 0, 0, 0, 0, 0};
	struct recording_header header = {.tool = "9.9"};
	struct coder c = {.reading = false};
	FILE *stream = fopen(path, "w");

	pack__header(&c, &header);
	put_prefix(stream, major, minor);
	put_record(stream, KIND_HEADER, c.out, c.pos);
	if (new_kind)
		put_record(stream, 99, "new", 3);
	put_record(stream, KIND_LOST, lost, sizeof(lost));
	put_record(stream, KIND_END, end, sizeof(end));
	fclose(stream);
	coder__free(&c);
}

static void skips_what_a_newer_minor_version_added(void **state)
{
	struct recording_fault fault;
	char *shown;
	int err;

	write_future(LAYOUT_MAJOR, LAYOUT_MINOR + 1, false);
	shown = replay(JSON, &err, &fault);
	assert_int_equal(err, 0);
	assert_non_null(strstr(shown, "\"count\":7"));
	free(shown);
	write_future(LAYOUT_MAJOR, LAYOUT_MINOR, false);
	assert_int_equal(replay_quietly(&fault), -EBADMSG);
}

static void tells_of_newer_kinds_and_shows_the_rest(void **state)
{
	struct recording_fault fault;
	char *shown;
	int err;

	write_future(LAYOUT_MAJOR, LAYOUT_MINOR + 1, true);
	shown = replay(JSON, &err, &fault);
	assert_int_equal(err, -EPROTONOSUPPORT);
	assert_non_null(strstr(fault.text, "1 of its 2 records"));
	assert_non_null(strstr(shown, "\"run\":null,\"seq\":2,\"count\":7"));
	free(shown);
	write_future(LAYOUT_MAJOR, LAYOUT_MINOR, true);
	assert_int_equal(replay_quietly(&fault), -EBADMSG);
}

static void refuses_a_newer_major_version(void **state)
{
	struct recording_fault fault;

	write_future(LAYOUT_MAJOR + 1, 0, false);
	assert_int_equal(replay_quietly(&fault), -EPROTONOSUPPORT);
	assert_non_null(strstr(fault.text, "newer bindtrace"));
}

static void tells_missing_and_additional_records(void **state)
{
	struct bytes file = small_file();
	struct recording_fault fault;
	size_t size, first = LAYOUT_PREFIX_SIZE;

	first += LAYOUT_HEAD_SIZE + file.data[first] + (file.data[first + 1] << 8);
	size = LAYOUT_HEAD_SIZE + file.data[first] + (file.data[first + 1] << 8);
	file.data = realloc(file.data, file.n + 1);
	file.data[file.n] = 'x';
	write_file(file.data, file.n + 1);
	assert_int_equal(replay_quietly(&fault), -EBADMSG);
	assert_int_equal(fault.offset, file.n);
	memmove(file.data + first, file.data + first + size, file.n - first - size);
	write_file(file.data, file.n - size);
	assert_int_equal(replay_quietly(&fault), -EBADMSG);
	assert_non_null(strstr(fault.text, "3 records were written and 2 are in the file"));
	free(file.data);
}

static void refuses_what_is_no_recording(void **state)
{
	struct recording *recording;
	struct recording_fault fault;

	write_file("{\"schema\":1}\n and more of it", 28);
	assert_int_equal(replay_quietly(&fault), -EBADMSG);
	assert_non_null(strstr(fault.text, "not a recording"));
	assert_int_equal(recording__open(directory, &recording, &fault), -EISDIR);
	assert_string_equal(fault.text, "");
	unlink(path);
	assert_int_equal(recording__open(path, &recording, &fault), -ENOENT);
	assert_string_equal(fault.text, "");
}

static void tells_references_to_nothing(void **state)
{
	struct conflict_report report;
	struct record record;

	for (int i = 0; i < 3; i++) {
		struct coder c = {.reading = false};

		make_conflict(&report);
		report.have_usage = true;
		if (i == 0)
			report.snap.holds[1].sock = 2;
		else if (i == 1)
			report.snap.holds[1].proc = 2;
		else
			report.usage = (struct port_usage){.n_top = 1, .top = {{2, 1}}};
		pack__conflict(&c, &report);
		assert_int_equal(record__unpack(&record, KIND_CONFLICT, c.out, c.pos, false),
				 -EBADMSG);
		record__free(&record);
		coder__free(&c);
		conflict__free(&report);
	}
}

/* In a file of this version every group is known, and there once. */
static void refuses_odd_groups(void **state)
{
	const uint16_t odd[] = {200, TAG_LOST, TAG_TIME, TAG_SOCK, 0};
	struct record record;
	struct coder c;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		uint16_t tag = odd[i];

		c = (struct coder){.reading = false};
		pack__lost(&c, TIME_NS, 7);
		code__u16(&c, &tag);
		code__end(&c, code__begin(&c));
		assert_int_equal(record__unpack(&record, KIND_LOST, c.out, c.pos, false), -EBADMSG);
		record__free(&record);
		coder__free(&c);
	}
	c = (struct coder){.reading = false};
	pack__lost(&c, TIME_NS, 7);
	assert_int_equal(record__unpack(&record, KIND_LOST, c.out, c.pos, false), 0);
	pack__lost(&c, TIME_NS, 7);
	assert_int_equal(record__unpack(&record, KIND_LOST, c.out, c.pos, false), -EBADMSG);
	c.pos /= 2;
	assert_int_equal(record__unpack(&record, KIND_LOST, c.out, 18, false), -EBADMSG);
	assert_int_equal(record__unpack(&record, KIND_LOST, c.out + 18, c.pos - 18, true),
			 -EBADMSG);
	coder__free(&c);
}

/* A pipe, a descriptor: anything that can be read. */
static void reads_a_pipe(void **state)
{
	struct bytes file = small_file();
	struct recording_fault fault;
	struct recording *recording;
	struct page page;
	int fds[2];
	char *shown;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], file.data, file.n), file.n);
	close(fds[1]);
	open_page(&page, JSON, "");
	assert_int_equal(recording__open_fd(fds[0], &recording, &fault), 0);
	assert_int_equal(recording__replay(recording, page.out, &fault), 0);
	recording__free(recording);
	shown = close_page(&page);
	assert_non_null(strstr(shown, "\"type\":\"stop\""));
	free(shown);
	free(file.data);
}

static void passes_on_errors_of_the_output(void **state)
{
	struct bytes file = small_file();
	struct output_config config = {.results = fopen("/dev/full", "w"), .json = true};
	struct output *out = output__new(&config);
	struct recording_fault fault;
	struct recording *recording;

	assert_int_equal(recording__open(path, &recording, &fault), 0);
	assert_int_equal(recording__replay(recording, out, &fault), -ENOSPC);
	assert_string_equal(fault.text, "");
	recording__free(recording);
	output__free(out);
	fclose(config.results);
	free(file.data);
}

/* ---- making the file ---------------------------------------------------------------------- */

static int try_to_open(const char *where)
{
	struct recording_header header = {.tool = "0"};
	struct recorder *recorder = NULL;
	int err = recorder__open(where, &header, &recorder);

	assert_null(recorder);
	return err;
}

static void never_touches_what_exists(void **state)
{
	struct bytes file;
	char link[PATH_MAX + 8];
	struct stat st;

	write_file("precious", 8);
	assert_int_equal(try_to_open(path), -EEXIST);
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(try_to_open(link), -EEXIST);
	file = read_file();
	assert_int_equal(file.n, 8);
	assert_memory_equal(file.data, "precious", 8);
	free(file.data);
	unlink(path);
	assert_int_equal(try_to_open(link), -EEXIST); /* dangling */
	assert_int_equal(stat(path, &st), -1);
	unlink(link);
	assert_int_equal(try_to_open(directory), -EEXIST);
	assert_int_equal(try_to_open("/proc/self/recording"), -ENOENT);
	assert_int_equal(try_to_open("/proc/version/recording"), -ENOTDIR);
}

static void is_private(void **state)
{
	mode_t mask = umask(0);
	struct stat st;

	assert_int_equal(recorder__close(open_recorder()), 0);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void limit_file_size(rlim_t n)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The first error stays, and what is in the file are whole records. */
static void tells_a_full_disk(void **state)
{
	struct recorder *recorder = open_recorder();
	struct recording_fault fault;
	struct samples s;
	struct stat before, after;

	make_samples(&s);
	assert_int_equal(recorder__start(recorder, &start), 0);
	assert_int_equal(stat(path, &before), 0);
	limit_file_size(before.st_size + 100);
	assert_int_equal(recorder__conflict(recorder, &s.conflict), -EFBIG);
	assert_int_equal(recorder__lost(recorder, 0, 1), -EFBIG);
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(recorder__lost(recorder, 0, 1), -EFBIG);
	assert_int_equal(recorder__close(recorder), -EFBIG);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(replay_quietly(&fault), -EBADMSG);
	assert_int_equal(fault.shown, 1);
	assert_non_null(strstr(fault.text, "no end mark"));
	free_samples(&s);
}

static void refuses_to_write_what_it_could_not_read(void **state)
{
	struct recorder *recorder = open_recorder();
	struct conflict_report report;

	make_conflict(&report);
	report.snap.socks[0].role = 99;
	assert_int_equal(recorder__conflict(recorder, &report), -EINVAL);
	assert_int_equal(recorder__close(recorder), -EINVAL);
	conflict__free(&report);
	assert_int_equal(recorder__close(NULL), 0);
}

static void leaves_no_file_without_a_header(void **state)
{
	const struct recording_header header = {.kernel = "x"};
	struct recorder *recorder;

	limit_file_size(10);
	assert_int_equal(recorder__open(path, &header, &recorder), -EFBIG);
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(access(path, F_OK), -1);
}

static void takes_away_its_own_file_only(void **state)
{
	struct recorder *recorder = open_recorder();

	assert_true(recorder__is_empty(recorder));
	recorder__discard(recorder);
	assert_int_equal(access(path, F_OK), -1);
	recorder = open_recorder();
	assert_int_equal(recorder__start(recorder, &start), 0);
	assert_false(recorder__is_empty(recorder));
	assert_int_equal(unlink(path), 0);
	write_file("other", 5);
	recorder__discard(recorder);
	assert_int_equal(access(path, F_OK), 0);
	recorder__discard(NULL);
	assert_false(recorder__is_empty(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_path, remove_path)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shows_the_same_bytes),
		TEST(tells_where_it_was_made),
		TEST(shows_times_of_the_recording_zone),
		TEST(keeps_the_doubt_that_was_shown),
		TEST(takes_fifty_thousand_sockets),
		TEST(knows_every_struct),
		TEST(keeps_every_field_of_a_conflict),
		TEST(keeps_every_field_of_a_port),
		TEST(keeps_every_field_of_a_bind),
		TEST(keeps_every_field_of_a_state),
		TEST(tells_every_truncation),
		TEST(tells_every_damaged_byte),
		TEST(survives_hostile_content),
		TEST(reads_a_header_without_a_run),
		TEST(skips_what_a_newer_minor_version_added),
		TEST(reads_the_first_minor_version),
		TEST(reads_a_refusal_without_a_count),
		TEST(tells_of_newer_kinds_and_shows_the_rest),
		TEST(refuses_a_newer_major_version),
		TEST(tells_missing_and_additional_records),
		TEST(refuses_what_is_no_recording),
		TEST(tells_references_to_nothing),
		TEST(refuses_odd_groups),
		TEST(reads_a_pipe),
		TEST(passes_on_errors_of_the_output),
		TEST(never_touches_what_exists),
		TEST(is_private),
		TEST(tells_a_full_disk),
		TEST(leaves_no_file_without_a_header),
		TEST(takes_away_its_own_file_only),
		TEST(refuses_to_write_what_it_could_not_read),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
