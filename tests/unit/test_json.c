// SPDX-License-Identifier: GPL-2.0-only
/* JSON lines: valid, in bounds, nothing made up, nothing lost without a word. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>
#include "page.h"
#include "../golden/scenes.c" /* the Makefile links one file a test */

static struct page write_json(const struct scene *scene, size_t limit, int *ret_err)
{
	struct page page;

	page__open(&page, (struct output_config){.json = true, .line_limit = limit});
	*ret_err = scene__write(scene, page.out);
	page__close(&page);
	return page;
}

/* One line that parses, in bounds and free of bytes that a terminal would obey. */
static json_t *check_line(const struct page *page, size_t limit)
{
	json_error_t error;
	json_t *line;

	assert_in_range(page->len, 2, limit);
	assert_ptr_equal(strchr(page->text, '\n'), page->text + page->len - 1);
	for (size_t i = 0; i + 1 < page->len; i++)
		assert_true((unsigned char)page->text[i] >= 0x20 && page->text[i] != 0x7f);
	line = json_loads(page->text, JSON_REJECT_DUPLICATES, &error);
	if (!line)
		fail_msg("%s: %s", error.text, page->text);
	assert_int_equal(json_integer_value(json_object_get(line, "schema")), 1);
	return line;
}

static json_t *render(const char *name, size_t limit)
{
	struct scene scene;
	struct page page;
	json_t *line;
	int err;

	assert_true(scene__named(name, &scene));
	page = write_json(&scene, limit, &err);
	assert_int_equal(err, 0);
	line = check_line(&page, limit ?: OUTPUT_LINE_LIMIT);
	free(page.text);
	scene__free(&scene);
	return line;
}

static void test_every_scene(void **state)
{
	for (size_t i = 0; i < n_scene_rows; i++) {
		json_t *line = render(scene_rows[i].name, 0);

		assert_string_equal(json_string_value(json_object_get(line, "time")),
				    "2026-11-20T10:05:03.123456789Z");
		json_decref(line);
	}
}

static json_int_t number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void test_cut(void **state)
{
	json_t *line = render("conflict_50k", 0), *blockers = json_object_get(line, "blockers");

	assert_int_equal(number(line, "blockers_total"), 50000);
	assert_true(json_is_true(json_object_get(line, "truncated")));
	assert_in_range(json_array_size(blockers), 4, 20);
	assert_int_equal(json_array_size(json_object_get(line, "fixes")), 3);
	json_decref(line);

	line = render("mixed_50k", 0);
	assert_int_equal(number(line, "holders_total"), 50417);
	assert_true(json_is_true(json_object_get(line, "truncated")));
	json_decref(line);

	line = render("listener", 0);
	assert_true(json_is_false(json_object_get(line, "truncated")));
	json_decref(line);
}

/* Whatever the limit: within it, or an error that is told. */
static void test_limits(void **state)
{
	static const char *const names[] = {"hostile", "listener", "mixed_50k", "time_wait"};

	for (size_t limit = 100; limit <= 4096; limit += 83) {
		for (size_t n = 0; n < 4; n++) {
			struct scene scene;
			struct page page;
			int err;

			assert_true(scene__named(names[n], &scene));
			page = write_json(&scene, limit, &err);
			if (err) {
				assert_int_equal(err, -EMSGSIZE);
				assert_int_equal(page.len, 0);
				assert_true(limit < 1600);
			} else {
				json_decref(check_line(&page, limit));
			}
			free(page.text);
			scene__free(&scene);
		}
	}
}

static char *filled(char byte, size_t len)
{
	char *text = malloc(len + 1);

	memset(text, byte, len);
	text[len] = '\0';
	return text;
}

static void fill_process(struct proc_info *proc, char byte)
{
	proc_info__free(proc);
	*proc = (struct proc_info){.pid = 4194304, .tid = 4194304, .uid_known = true, .uid = -2};
	proc->comm = filled(byte, 4000);
	proc->exe = filled(byte, 4000);
	proc->cgroup = filled(byte, 4000);
	proc->unit = filled(byte, 4000);
	proc->container = filled(byte, 4000);
}

/* Every text as long and as expensive as can be: a blocker is still in. */
static void test_worst_texts(void **state)
{
	static const char bytes[] = {'x', '"', '\001', '\x7f', '\xff', '\n'};

	for (size_t b = 0; b < sizeof(bytes); b++) {
		struct scene scene = {.one_shot = false};
		struct proc_info *former = calloc(1, sizeof(*former));
		struct page page;
		json_t *line;
		int err;

		refused(&scene, "2001:db8:1111:2222:3333:4444:5555:6666", 65535, "echo");
		fill_process(&scene.conflict.process, bytes[b]);
		fill_process(former, bytes[b]);
		scene.conflict.snap.netns_name = filled(bytes[b], 4000);
		add_connection(&scene, STATE_ESTABLISHED, "2001:db8:1111:2222:3333:4444:5555:6666",
			       "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535)
			->former_owner = former;
		for (int i = 0; i < 200; i++) {
			held_by(&scene, 1000 + i, "x", "y", i, TRI_YES);
			fill_process(&scene.conflict.snap.procs[i], bytes[b]);
		}
		judge(&scene.conflict.snap, &scene.conflict.req, true, &scene.conflict.verdict);
		page = write_json(&scene, 0, &err);
		assert_int_equal(err, 0);
		line = check_line(&page, OUTPUT_LINE_LIMIT);
		assert_int_equal(json_array_size(json_object_get(line, "blockers")), 1);
		assert_int_equal(number(json_array_get(json_object_get(line, "blockers"), 0),
					"owners_total"),
				 200);
		assert_true(json_is_true(json_object_get(line, "truncated")));
		json_decref(line);
		free(page.text);
		scene__free(&scene);
	}
}

/* What is not known is null. */
static void test_unknown(void **state)
{
	json_t *line = render("diag", 0), *holder, *what_if;

	holder = json_array_get(json_object_get(line, "holders"), 0);
	assert_true(json_is_null(json_object_get(holder, "reuseaddr")));
	assert_true(json_is_null(json_object_get(holder, "uid")));
	assert_true(json_is_null(json_object_get(holder, "v6only")));
	assert_true(json_is_null(json_object_get(holder, "former_owner")));
	what_if = json_array_get(json_object_get(line, "what_if"), 1);
	assert_true(json_is_null(json_object_get(what_if, "result")));
	assert_string_equal(json_string_value(json_object_get(what_if, "cause")), "time_wait");
	json_decref(line);

	line = render("empty_port", 0);
	what_if = json_array_get(json_object_get(line, "what_if"), 0);
	assert_string_equal(json_string_value(json_object_get(what_if, "result")), "ok");
	assert_true(json_is_null(json_object_get(what_if, "cause")));
	assert_true(json_is_true(json_object_get(what_if, "asked")));
	json_decref(line);
}

/* The contract's example: these names in this order. */
static void test_key_order(void **state)
{
	static const char *const keys[] = {
		"schema",    "type",	 "time",    "run",	"seq",	    "syscall",
		"error",     "protocol", "family",  "local",	"peer",	    "netns",
		"socket",    "process",	 "cause",   "evidence", "blockers", "blockers_total",
		"truncated", "fixes",	 "summary",
	};
	json_t *line = render("time_wait", 0);
	void *at = json_object_iter(line);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		while (at && strcmp(json_object_iter_key(at), keys[i]))
			at = json_object_iter_next(line, at);
		if (!at)
			fail_msg("%s is missing or out of order", keys[i]);
	}
	json_decref(line);
}

/* The number counts lines of any kind, the run stays. */
static void test_run_and_seq(void **state)
{
	static const struct run_start start = {.version = "0.1.0", .hooks = ""};
	static const struct run_stop stop = {0};
	struct output_config config = {.json = true, .run = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"};
	json_int_t seq = 0;
	struct page page;

	page__open(&page, config);
	assert_int_equal(output__start(page.out, &start), 0);
	assert_int_equal(scene__write_events(page.out), 0);
	assert_int_equal(output__lost(page.out, 0, 1), 0);
	assert_int_equal(output__stop(page.out, &stop), 0);
	page__close(&page);
	for (char *at = page.text, *end; (end = strchr(at, '\n')); at = end + 1) {
		json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);

		assert_int_equal(json_integer_value(json_object_get(line, "seq")), ++seq);
		assert_string_equal(json_string_value(json_object_get(line, "run")), config.run);
		json_decref(line);
	}
	assert_true(seq > 4);
	free(page.text);
}

/* The blockers of every what_if are holders that are there, and the right ones. */
static void test_indexes(void **state)
{
	json_t *line = render("one_address", 0), *holders = json_object_get(line, "holders");
	json_t *what_if = json_array_get(json_object_get(line, "what_if"), 0);
	json_t *blockers = json_object_get(what_if, "blockers"), *local;
	size_t i = (size_t)json_integer_value(json_array_get(blockers, 0));

	assert_int_equal(json_array_size(blockers), 1);
	local = json_object_get(json_array_get(holders, i), "local");
	assert_string_equal(json_string_value(json_object_get(local, "address")), "127.0.0.1");
	json_decref(line);
}

static void test_times(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} times[] = {
		{0, "1970-01-01T00:00:00.000000000Z"},
		{-1, "1969-12-31T23:59:59.999999999Z"},
		{1000000001, "1970-01-01T00:00:01.000000001Z"},
		{INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct page page;
		json_t *line;

		page__open(&page, (struct output_config){.json = true});
		assert_int_equal(output__lost(page.out, times[i].ns, UINT64_MAX), 0);
		page__close(&page);
		line = check_line(&page, 200);
		assert_string_equal(json_string_value(json_object_get(line, "time")),
				    times[i].text);
		json_decref(line);
		free(page.text);
	}
}

static json_t *word_of(json_t *object, const char *key, const char *word)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_string(value) || strcmp(json_string_value(value), word))
		fail_msg("%s is not %s", key, word);
	return value;
}

/* A call without a port: what the range was full of, and nothing of any one port. */
static void test_usage(void **state)
{
	json_t *line = render("ephemeral_exhausted", 0), *usage = json_object_get(line, "usage");
	json_t *fixes = json_object_get(line, "fixes"), *top;

	word_of(line, "cause", "ephemeral_exhausted");
	word_of(json_object_get(line, "peer"), "address", "93.184.216.34");
	assert_int_equal(number(json_object_get(line, "peer"), "port"), 443);
	assert_int_equal(number(json_object_get(line, "local"), "port"), 0);
	assert_int_equal(number(json_object_get(usage, "range"), "low"), 32768);
	assert_int_equal(number(json_object_get(usage, "range"), "high"), 60999);
	assert_int_equal(number(usage, "reserved"), 3);
	assert_int_equal(number(usage, "taken"), 28229);
	assert_int_equal(number(usage, "bound"), 27);
	assert_int_equal(number(usage, "same_peer"), 28229);
	assert_int_equal(number(usage, "sockets"), 28232);
	assert_int_equal(json_object_size(json_object_get(usage, "states")), 2);
	assert_int_equal(number(json_object_get(usage, "states"), "TIME_WAIT"), 26821);
	assert_int_equal(json_array_size(json_object_get(usage, "top")), 2);
	top = json_array_get(json_object_get(usage, "top"), 1);
	word_of(top, "comm", "telegraf");
	assert_int_equal(number(top, "ports"), 140);
	assert_true(json_is_null(json_object_get(line, "bucket")));
	word_of(json_object_get(line, "facts"), "stage", "connect");
	word_of(json_array_get(fixes, 0), "sysctl", "net.ipv4.tcp_tw_reuse");
	word_of(json_array_get(fixes, 1), "address", "another");
	word_of(json_array_get(fixes, 2), "value", "1024 65535");
	word_of(json_array_get(fixes, 3), "close", "sockets_on_range");
	json_decref(line);
}

/* The fixes of other refusals: names that others rely on. */
static void test_fixes(void **state)
{
	static const struct {
		const char *scene;
		size_t nth;
		const char *key, *word, *side; /* side NULL: none */
	} rows[] = {
		{"same_tuple", 0, "port", "any", "binder"},
		{"same_tuple", 1, "address", "another", "binder"},
		{"same_tuple", 2, "close", "blockers", NULL},
		{"bucket_connect", 0, "set", "IP_BIND_ADDRESS_NO_PORT", "blocker"},
		{"autobind_exhausted", 0, "set", "IP_BIND_ADDRESS_NO_PORT", "binder"},
		{"not_local", 0, "address", "another", "binder"},
		{"not_local", 1, "set", "IP_FREEBIND", "binder"},
		{"not_local", 2, "sysctl", "net.ipv4.ip_nonlocal_bind", NULL},
		{"not_local_tentative", 0, "set", "IPV6_FREEBIND", "binder"},
		{"not_local_tentative", 1, "sysctl", "net.ipv6.ip_nonlocal_bind", NULL},
		{"privileged_port", 0, "capability", "CAP_NET_BIND_SERVICE", "binder"},
		{"privileged_port", 1, "sysctl", "net.ipv4.ip_unprivileged_port_start", NULL},
		{"privileged_port", 1, "value", "80", NULL},
		{"already_bound", 0, "socket", "new", "binder"},
		{"client_port", 2, "value", "36000", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *line = render(rows[i].scene, 0);
		json_t *fix = json_array_get(json_object_get(line, "fixes"), rows[i].nth);
		json_t *side = json_object_get(fix, "side");

		word_of(fix, rows[i].key, rows[i].word);
		assert_int_equal(side != NULL, rows[i].side != NULL);
		if (rows[i].side)
			word_of(fix, "side", rows[i].side);
		json_decref(line);
	}
}

/* Only what was read. */
static void test_facts(void **state)
{
	json_t *line = render("already_bound", 0), *facts = json_object_get(line, "facts");

	word_of(facts, "stage", "protocol");
	assert_int_equal(number(facts, "had_port"), 8080);
	assert_null(json_object_get(facts, "address_tentative"));
	json_decref(line);

	line = render("not_local", 0);
	facts = json_object_get(line, "facts");
	assert_null(json_object_get(facts, "had_port"));
	assert_true(json_is_false(json_object_get(facts, "address_tentative")));
	assert_int_equal(number(facts, "nonlocal_bind"), 0);
	json_decref(line);

	line = render("listener", 0);
	assert_true(json_is_null(json_object_get(line, "facts")));
	assert_true(json_is_null(json_object_get(line, "usage")));
	json_decref(line);

	line = render("udp_holder", 0);
	word_of(line, "protocol", "udp");
	assert_true(json_is_null(json_object_get(line, "bucket")));
	json_decref(line);
}

/* Texts as long and as expensive as can be around a full range, and in the lines of events. */
static void test_worst_usage(void **state)
{
	static const char bytes[] = {'"', '\001', '\x7f', '\xff'};

	for (size_t b = 0; b < sizeof(bytes); b++) {
		struct scene scene = {.one_shot = false};
		struct conflict_report *c = &scene.conflict;
		struct page page;
		json_t *line;
		int err;

		connecting(&scene, "2001:db8:1111:2222:3333:4444:5555:6666", 0,
			   "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535);
		fill_process(&c->process, bytes[b]);
		c->snap.netns_name = filled(bytes[b], 4000);
		c->have_usage = true;
		c->usage = (struct port_usage){.low = 1, .high = 65535, .sockets = UINT64_MAX};
		c->usage.taken = c->usage.bound = c->usage.same_peer = 65535;
		c->usage.reserved = c->usage.reusable = c->usage.shareable = UINT16_MAX;
		memset(c->usage.states, 0x7f, sizeof(c->usage.states));
		for (uint32_t i = 0; i < USAGE_MAX_HOLDERS; i++) {
			fill_process(snapshot__add_proc(&c->snap), bytes[b]);
			c->usage.top[i] = (struct usage_holder){i, UINT32_MAX};
		}
		c->usage.top[4].proc = 5; /* not there */
		c->usage.n_top = USAGE_MAX_HOLDERS;
		judge_conflict(c);
		page = write_json(&scene, 0, &err);
		assert_int_equal(err, 0);
		line = check_line(&page, OUTPUT_LINE_LIMIT);
		assert_int_equal(
			json_array_size(json_object_get(json_object_get(line, "usage"), "top")), 4);
		assert_true(json_array_size(json_object_get(line, "fixes")) > 0);
		json_decref(line);
		free(page.text);
		scene__free(&scene);
	}
}

static void check_event(struct page *page)
{
	page__close(page);
	json_decref(check_line(page, OUTPUT_LINE_LIMIT));
	free(page->text);
}

static void test_worst_events(void **state)
{
	static const char bytes[] = {'"', '\001', '\x7f', '\xff'};

	for (size_t b = 0; b < sizeof(bytes); b++) {
		const struct output_config config = {.json = true};
		struct bind_report bind = {.syscall = "bind", .protocol = PROTO_UDPLITE};
		struct state_report change = {.duration_ns = INT64_MAX, .family = AF_INET6};
		char *name = filled(bytes[b], 4000);
		struct page page;

		init_req(&bind.req, "2001:db8:1111:2222:3333:4444:5555:6666", 65535);
		bind.req.ifindex = 3;
		memset(bind.device, bytes[b], sizeof(bind.device));
		bind.netns_name = change.netns_name = name;
		fill_process(&bind.process, bytes[b]);
		page__open(&page, config);
		assert_int_equal(output__bind(page.out, &bind), 0);
		check_event(&page);

		change.process = bind.process;
		change.old_state = change.new_state = 255;
		page__open(&page, config);
		assert_int_equal(output__state(page.out, &change), 0);
		check_event(&page);
		proc_info__free(&bind.process);
		free(name);
	}
}

/* As many hooks as a live run may have, each with a long name. */
static void test_all_hooks(void **state)
{
	const struct output_config config = {.json = true};
	char hooks[RUN_MAX_HOOKS * 64] = "", *filters = filled('\xff', 600);
	const struct run_start start = {
		.version = "9.9", .kernel = "6.1", .hooks = hooks, .filters = filters};
	struct page page;
	json_t *line;

	for (int i = 0; i < RUN_MAX_HOOKS; i++)
		sprintf(hooks + strlen(hooks), "%sfexit __cgroup_bpf_run_filter_sock_addr%d",
			i ? ", " : "", i);
	page__open(&page, config);
	assert_int_equal(output__start(page.out, &start), 0);
	page__close(&page);
	assert_true(page.len <= OUTPUT_LINE_LIMIT);
	line = json_loads(page.text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(line, "hooks")), RUN_MAX_HOOKS);
	json_decref(line);
	free(page.text);
	free(filters);
}

static void test_write_errors(void **state)
{
	struct output_config config = {.json = true};
	struct run_start start = {.version = "9.9", .kernel = "6.1"};
	struct output *out;
	int pipes[2];

	config.results = fopen("/dev/full", "w");
	out = output__new(&config);
	assert_int_equal(output__start(out, &start), -ENOSPC);
	output__free(out);
	fclose(config.results);

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(pipes), 0);
	close(pipes[0]);
	config.results = fdopen(pipes[1], "w");
	out = output__new(&config);
	assert_int_equal(output__lost(out, 0, 1), -EPIPE);
	config.json = false;
	output__free(out);
	fclose(config.results);

	config.results = fopen("/dev/full", "w");
	assert_int_equal(output__print_schema(config.results), -ENOSPC);
	fclose(config.results);
	output__free(NULL);
}

static void test_schema_names(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *schema, *causes;

	assert_int_equal(output__print_schema(f), 0);
	fclose(f);
	schema = json_loads(text, 0, NULL);
	assert_non_null(schema);
	causes =
		json_object_get(json_object_get(json_object_get(schema, "$defs"), "cause"), "enum");
	assert_int_equal(json_array_size(causes), N_CAUSES - 1);
	assert_string_equal(json_string_value(json_array_get(causes, 0)),
			    cause__name(CAUSE_TIME_WAIT));
	json_decref(schema);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_scene),  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_limits),	     cmocka_unit_test(test_worst_texts),
		cmocka_unit_test(test_unknown),	     cmocka_unit_test(test_key_order),
		cmocka_unit_test(test_indexes),	     cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_schema_names), cmocka_unit_test(test_times),
		cmocka_unit_test(test_usage),	     cmocka_unit_test(test_fixes),
		cmocka_unit_test(test_facts),	     cmocka_unit_test(test_worst_usage),
		cmocka_unit_test(test_worst_events), cmocka_unit_test(test_all_hooks),
		cmocka_unit_test(test_run_and_seq),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
