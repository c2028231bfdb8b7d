// SPDX-License-Identifier: GPL-2.0-only
/*
 * A JSON line has 4096 bytes at most, whatever the system holds: every text as long as a path can
 * be and as expensive as a byte can be, every number as large as its type, every list full. Where
 * a list was cut, the line says so.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include <jansson.h>
#include "filters.h"
#include "page.h"

#define MANY	  50000 /* sockets on one port */
#define N_OWNERS  300	/* processes of the first socket */
#define N_ASKED	  64	/* binds asked about; a one-shot run has 8 */
#define N_BUCKETS 8	/* one a VRF */
#define LONG	  4095	/* PATH_MAX without its NUL */

/* A unit of each: what a text is filled with. The ones that grow most in a JSON string are here. */
static const char *const units[] = {
	"x",	"\"",	"\\",	"\n",		"\x01",
	"\x7f", "\xff", "\xc3", "\xe2\x80\xae", "\xf3\xa0\x80\x81", /* U+202E, U+E0001 */
	"é",	"𝔊",	"/",	"\xed\xa0\x80", "a\xe2\x80",
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

/* Everything that a report points to. Texts are shared, and freed once. */
struct world {
	char *text;
	struct proc_info proc;
	struct snapshot snap;
	struct blocker *blockers;
};

static char *filled(const char *unit)
{
	char *text = malloc(LONG + 1);
	size_t len = strlen(unit);

	for (size_t i = 0; i < LONG; i++)
		text[i] = unit[i % len];
	text[LONG] = '\0';
	return text;
}

/* UINT32_MAX and its kind, but for what must be in a range. */
static void fill_sock(struct world *world, struct snap_sock *sock)
{
	memset(sock, 0xff, sizeof(*sock));
	sock->bucket = 0;
	sock->family = AF_INET6;
	sock->local_port = sock->peer_port = 65535;
	sock->state = STATE_ESTABLISHED;
	sock->substate = 0;
	sock->reuseaddr = sock->reuseport = sock->v6only = TRI_NO;
	sock->uid_known = sock->inode_uid_known = sock->expires_known = true;
	sock->expires_ms = INT64_MAX;
	sock->inode = INT64_MAX;
	sock->role = ROLE_UNKNOWN;
	sock->holder = HOLDER_ACCEPT_QUEUE;
	sock->former_owner = &world->proc;
}

static void fill_snapshot(struct world *world, size_t n_socks)
{
	struct snapshot *snap = &world->snap;

	snapshot__init(snap);
	snap->protocol = PROTO_TCP;
	snap->port = 65535;
	snap->netns = snap->total = INT64_MAX;
	snap->netns_name = world->text;
	snap->socks = calloc(n_socks + 1, sizeof(*snap->socks));
	snap->n_socks = snap->cap_socks = n_socks;
	for (size_t i = 0; i < n_socks; i++) {
		fill_sock(world, &snap->socks[i]);
		snap->socks[i].ifindex = i % 2 ? UINT32_MAX : 1;
	}
	snapshot__add_device(snap, 1, world->text);
	for (size_t i = 0; i < N_BUCKETS; i++) {
		struct snap_bucket *bucket = snapshot__add_bucket(snap);

		memset(bucket, 0xff, sizeof(*bucket));
		bucket->l3mdev = INT_MIN;
		bucket->fastreuse = bucket->fastreuseport = -128;
	}
	for (uint32_t i = 0; n_socks && i < N_OWNERS; i++) {
		*snapshot__add_proc(snap) = world->proc;
		for (int fd = 0; fd < 12; fd++)
			snapshot__add_hold(snap, 0, i, INT_MAX - fd, TRI_YES);
	}
	snapshot__sort_holds(snap);
}

static struct world world__new(const char *unit)
{
	struct world world = {.text = filled(unit)};

	world.proc = (struct proc_info){
		.pid = INT_MAX,
		.tid = INT_MAX,
		.uid_known = true,
		.uid = UINT32_MAX,
		.comm = world.text,
		.exe = world.text,
		.cgroup = world.text,
		.unit = world.text,
		.container = world.text,
	};
	return world;
}

/* Separately: sockets point to the process within the world. */
static void world__fill(struct world *world, size_t n_socks)
{
	fill_snapshot(world, n_socks);
	world->blockers = calloc(n_socks + 1, sizeof(*world->blockers));
	for (size_t i = 0; i < n_socks; i++)
		world->blockers[i] = (struct blocker){.sock = (uint32_t)i, .rules = UINT32_MAX};
}

static void world__free(struct world *world)
{
	free(world->snap.socks);
	free(world->snap.buckets);
	free(world->snap.devices);
	free(world->snap.procs);
	free(world->snap.holds);
	free(world->blockers);
	free(world->text);
}

static void fill_request(struct bind_request *req, enum call call)
{
	memset(req, 0xff, sizeof(*req));
	req->call = call;
	req->family = AF_INET6;
	req->port = req->peer_port = 65535;
	req->ifindex = UINT32_MAX;
	req->reuseaddr = req->reuseport = req->v6only = false;
	req->force_reuse = req->listening = req->has_group = req->group_closed = false;
	req->self = 0;
}

static void fill_facts(struct refusal_facts *facts)
{
	*facts = (struct refusal_facts){
		.stage = STAGE_PROTOCOL,
		.error = EPROTONOSUPPORT,
		.had_port = 65535,
		.unprivileged_port_start = INT_MAX,
		.nonlocal_bind = INT_MAX,
		.tw_reuse = INT_MAX,
		.address_tentative = TRI_NO,
	};
}

static void fill_usage(struct port_usage *usage, size_t n_procs)
{
	memset(usage, 0xff, sizeof(*usage));
	usage->low = 10000;
	usage->high = 65535;
	usage->n_top = USAGE_MAX_HOLDERS;
	for (size_t i = 0; i < USAGE_MAX_HOLDERS; i++)
		usage->top[i] =
			(struct usage_holder){n_procs ? (uint32_t)(i % n_procs) : 0, UINT32_MAX};
}

static void fill_verdict(struct verdict *verdict, struct world *world, size_t n, enum cause cause)
{
	static const enum fix_kind kinds[] = {
		FIX_SET,   FIX_CLOSE,	  FIX_WAIT,	FIX_SYSCTL,   FIX_UID,	       FIX_ADDRESS,
		FIX_RANGE, FIX_PRIVILEGE, FIX_NONLOCAL, FIX_TW_REUSE, FIX_DETACH_GROUP};

	*verdict = (struct verdict){.refused = TRI_YES, .cause = cause, .n_blockers = n};
	verdict->blockers = world->blockers;
	verdict->n_definite = n / 2;
	verdict->n_fixes = sizeof(kinds) / sizeof(kinds[0]);
	for (size_t i = 0; i < verdict->n_fixes; i++)
		verdict->fixes[i] = (struct fix){.kind = kinds[i],
						 .side = SIDE_BLOCKER,
						 .set = FIX_OPT_REUSEADDR | FIX_OPT_REUSEPORT,
						 .uid = UINT32_MAX,
						 .wait_ms = INT64_MAX};
}

static json_t *check_line(struct page *page)
{
	json_error_t error;
	json_t *line;

	page__close(page);
	assert_in_range(page->len, 2, OUTPUT_LINE_LIMIT);
	assert_ptr_equal(strchr(page->text, '\n'), page->text + page->len - 1);
	line = json_loads(page->text, JSON_REJECT_DUPLICATES, &error);
	if (!line)
		fail_msg("%s: %s", error.text, page->text);
	free(page->text);
	return line;
}

static const struct output_config json_config = {.json = true, .verbose = true, .show_netns = true};

/* truncated says whether anything is missing from one of the lists. */
static void check_truncated(json_t *line, const char *list, const char *total)
{
	size_t n = json_array_size(json_object_get(line, list));
	json_int_t all = json_integer_value(json_object_get(line, total));
	json_t *item;
	size_t n_buckets = json_array_size(json_object_get(line, "bucket"));
	bool cut = (json_int_t)n < all || (n_buckets && n_buckets < N_BUCKETS);
	size_t i;

	json_array_foreach(json_object_get(line, list), i, item)
	{
		json_t *owners = json_object_get(item, "owners");

		cut |= (json_int_t)json_array_size(owners) <
		       json_integer_value(json_object_get(item, "owners_total"));
	}
	if (cut)
		assert_true(json_is_true(json_object_get(line, "truncated")));
}

static void check_conflict(const char *unit, enum cause cause, size_t n_socks, bool usage)
{
	struct world world = world__new(unit);
	struct conflict_report report = {
		.time_ns = INT64_MIN,
		.count = INT64_MAX,
		.first_time_ns = INT64_MIN,
		.syscall = "autobind",
		.error = EPROTONOSUPPORT,
		.have_usage = usage,
		.kernel_agrees = TRI_NO,
	};
	struct page page;
	json_t *line;

	world__fill(&world, n_socks);
	report.process = world.proc;
	report.snap = world.snap;
	fill_facts(&report.facts);
	fill_request(&report.req, cause == CAUSE_SAME_TUPLE ? CALL_CONNECT : CALL_BIND);
	fill_usage(&report.usage, world.snap.n_procs);
	fill_verdict(&report.verdict, &world, n_socks, cause);
	page__open(&page, json_config);
	assert_int_equal(output__conflict(page.out, &report), 0);
	line = check_line(&page);
	if (n_socks)
		assert_in_range(json_array_size(json_object_get(line, "blockers")), 1, 40);
	assert_int_equal(json_integer_value(json_object_get(line, "blockers_total")), n_socks);
	check_truncated(line, "blockers", "blockers_total");
	json_decref(line);
	world__free(&world);
}

static void test_conflict(void **state)
{
	for (size_t u = 0; u < N_UNITS; u++) {
		for (int cause = 0; cause < N_CAUSES; cause++)
			check_conflict(units[u], (enum cause)cause, 1 + (size_t)cause % 3,
				       cause % 2);
		check_conflict(units[u], CAUSE_EPHEMERAL_EXHAUSTED, 0, true);
		check_conflict(units[u], CAUSE_DENIED, 0, false);
	}
}

static void test_many_blockers(void **state)
{
	for (size_t u = 0; u < N_UNITS; u++)
		check_conflict(units[u], CAUSE_TIME_WAIT, MANY, false);
}

static void check_port(const char *unit, size_t n_socks, size_t n_asked)
{
	struct world world = world__new(unit);
	struct what_if *what_ifs = calloc(n_asked, sizeof(*what_ifs));
	struct port_report report = {.time_ns = INT64_MAX, .what_ifs = what_ifs};
	struct page page;
	json_t *line;

	world__fill(&world, n_socks);
	report.snap = world.snap;
	report.n_what_ifs = n_asked;
	report.note = world.text;
	for (size_t i = 0; i < n_asked; i++) {
		what_ifs[i].asked = i == n_asked - 1;
		what_ifs[i].otherwise = EADDRNOTAVAIL;
		fill_request(&what_ifs[i].req, CALL_BIND);
		fill_facts(&what_ifs[i].facts);
		fill_verdict(&what_ifs[i].verdict, &world, n_socks, CAUSE_REUSE_ONE_SIDED);
	}
	page__open(&page, json_config);
	assert_int_equal(output__port(page.out, &report), 0);
	line = check_line(&page);
	/* As many as are asked about in one run are always there. */
	assert_in_range(json_array_size(json_object_get(line, "what_if")),
			n_asked < 8 ? n_asked : 8, n_asked);
	if (json_array_size(json_object_get(line, "what_if")) < n_asked)
		assert_true(json_is_true(json_object_get(line, "truncated")));
	check_truncated(line, "holders", "holders_total");
	json_decref(line);
	world__free(&world);
	free(what_ifs);
}

static void test_port(void **state)
{
	for (size_t u = 0; u < N_UNITS; u++) {
		check_port(units[u], 0, 8);
		check_port(units[u], 3, 8);
		check_port(units[u], 3, N_ASKED);
	}
	check_port("\"", MANY, 8);
	check_port("\x01", MANY, N_ASKED);
}

static void test_bind(void **state)
{
	for (size_t u = 0; u < N_UNITS; u++) {
		struct world world = world__new(units[u]);
		struct bind_report report = {
			.time_ns = INT64_MIN,
			.syscall = "autobind",
			.protocol = PROTO_UDPLITE,
			.process = world.proc,
			.netns = INT64_MAX,
			.netns_name = world.text,
		};
		struct page page;

		memcpy(report.device, world.text, sizeof(report.device) - 1);
		fill_request(&report.req, CALL_BIND);
		page__open(&page, json_config);
		assert_int_equal(output__bind(page.out, &report), 0);
		json_decref(check_line(&page));
		free(world.text);
	}
}

static void test_state(void **state)
{
	for (size_t u = 0; u < 2 * N_UNITS; u++) {
		struct world world = world__new(units[u / 2]);
		struct state_report report = {
			.time_ns = INT64_MIN,
			.protocol = PROTO_TCP,
			.family = AF_INET6,
			.local_port = 65535,
			.peer_port = 65535,
			.old_state = STATE_ESTABLISHED,
			.new_state = STATE_CLOSE_WAIT,
			.duration_ns = INT64_MAX,
			.process = world.proc,
			.former = u % 2,
			.netns = INT64_MAX,
			.netns_name = world.text,
		};
		struct page page;

		memset(&report.local, 0xff, sizeof(report.local));
		memset(&report.peer, 0xff, sizeof(report.peer));
		page__open(&page, json_config);
		assert_int_equal(output__state(page.out, &report), 0);
		json_decref(check_line(&page));
		free(world.text);
	}
}

/* More hooks than there are, with longer names. */
static void test_start(void **state)
{
	for (size_t u = 0; u < N_UNITS; u++) {
		char *text = filled(units[u]), *hooks = calloc(1, 64 * 300);
		struct run_start start = {.time_ns = INT64_MIN, .version = text, .kernel = text};
		struct page page;
		json_t *line;

		for (int i = 0; i < 64; i++)
			snprintf(hooks + strlen(hooks), 300, "%s%.200s", i ? ", " : "", text);
		start.hooks = hooks;
		start.filters = start.netns = text;
		page__open(&page, json_config);
		assert_int_equal(output__start(page.out, &start), 0);
		line = check_line(&page);
		assert_int_equal(json_array_size(json_object_get(line, "hooks")), RUN_MAX_HOOKS);
		json_decref(line);
		free(hooks);
		free(text);
	}
}

/* Every filter that a command line can have, each as long as it may be. */
static void test_filters(void **state)
{
	struct options opts = {
		.have_address = true,
		.address_family = AF_INET6,
		.have_protocol = true,
		.protocol = PROTO_UDPLITE,
		.n_pids = OPTIONS_MAX_PIDS,
		.have_uid_filter = true,
		.uid_filter = UINT32_MAX,
	};
	char text[FILTERS_MAX];

	memset(&opts.address, 0xff, sizeof(opts.address));
	for (unsigned port = 10001; port < 65535; port += 2)
		port_set__add(&opts.ports, (uint16_t)port);
	for (size_t i = 0; i < OPTIONS_MAX_PIDS; i++)
		opts.pids[i] = 4194304;
	for (size_t u = 0; u < N_UNITS; u++) {
		struct run_start start = {.version = "0", .kernel = "0", .filters = text};
		struct page page;
		json_t *line;

		opts.comm = opts.cgroup = filled(units[u]);
		filters__describe(&opts, UINT32_MAX, text, sizeof(text));
		page__open(&page, json_config);
		assert_int_equal(output__start(page.out, &start), 0);
		line = check_line(&page);
		assert_int_not_equal(json_string_length(json_object_get(line, "filters")), 0);
		json_decref(line);
		free(opts.comm);
	}
}

static void test_counts(void **state)
{
	struct run_stop stop = {INT64_MIN,  UINT64_MAX, UINT64_MAX,
				UINT64_MAX, UINT64_MAX, UINT64_MAX};
	struct page page;

	page__open(&page, json_config);
	assert_int_equal(output__stop(page.out, &stop), 0);
	json_decref(check_line(&page));
	page__open(&page, json_config);
	assert_int_equal(output__lost(page.out, INT64_MIN, UINT64_MAX), 0);
	json_decref(check_line(&page));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conflict), cmocka_unit_test(test_many_blockers),
		cmocka_unit_test(test_port),	 cmocka_unit_test(test_bind),
		cmocka_unit_test(test_state),	 cmocka_unit_test(test_start),
		cmocka_unit_test(test_filters),	 cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
