// SPDX-License-Identifier: GPL-2.0-only
/* Reports without memory: the whole of one with the very same bytes, or -ENOMEM and not one byte.
 */
#include "faults.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "output/metrics.h"
#include "output/metrics_file.h"
#include "../golden/scenes.c" /* the Makefile links one file a test */

#define MAX_WRITTEN (1 << 20)

/* Where it goes takes no memory of its own while the faults are on. */
static struct {
	char text[MAX_WRITTEN], buffer[MAX_WRITTEN];
	size_t len;
} written, expected;

struct rendering {
	const struct scene *scene; /* NULL: the lines that are no report */
	struct output_config config;
};

static int write_lines(struct output *out)
{
	static const struct run_start start = {
		.version = "0.1.0", .kernel = "6.1", .hooks = "fexit", .filters = "port 8080"};
	static const struct run_stop stop = {.seen = 12, .delivered = 10, .lost = 2, .skipped = 1};
	static struct bind_report bind = {.syscall = "bind", .process = {.pid = 4242}};
	static char hostile[] = "a\n\xff";
	static struct state_report state = {.new_state = STATE_LISTEN, .duration_ns = -1};
	int err = output__start(out, &start);

	bind.netns_name = hostile;
	bind.process.comm = bind.process.exe = bind.process.unit = hostile;
	state.process = bind.process;
	err = err ?: output__lost(out, SCENE_TIME_NS, 2);
	err = err ?: output__bind(out, &bind);
	err = err ?: output__state(out, &state);
	return err ?: output__stop(out, &stop);
}

static int render_to(const struct rendering *rendering, FILE *stream)
{
	struct output_config config = rendering->config;
	struct output *out;
	int err;

	config.results = config.diagnostics = stream;
	out = output__new(&config);
	if (!out)
		return -ENOMEM;
	err = rendering->scene ? scene__write(rendering->scene, out) : write_lines(out);
	output__free(out);
	return err;
}

static int render(void *arg)
{
	const struct rendering *rendering = arg;
	FILE *stream;
	int err;

	faults.armed = false;
	stream = fmemopen(written.text, sizeof(written.text), "w");
	assert_non_null(stream);
	setvbuf(stream, written.buffer, _IOFBF, sizeof(written.buffer));
	faults.armed = true;
	err = render_to(rendering, stream);
	faults.armed = false;
	written.len = (size_t)ftell(stream);
	fclose(stream);
	if (!faults.failed)
		memcpy(&expected, &written, sizeof(written.text)), expected.len = written.len;
	if (!err &&
	    (written.len != expected.len || memcmp(written.text, expected.text, expected.len)))
		fail_msg("without a word something else is written: %.*s", (int)written.len,
			 written.text);
	if (err && rendering->scene && written.len)
		fail_msg("half of it is written: %.*s", (int)written.len, written.text);
	return err;
}

static long n_faults;

static void render_scene(size_t i, struct output_config config)
{
	struct scene scene;
	struct rendering rendering = {.scene = &scene, .config = config};

	assert_true(scene__make(&scene_rows[i], &scene));
	n_faults += fault__each(scene_rows[i].name, render, &rendering, FAULTS_BORNE);
	scene__free(&scene);
}

/* Tens of thousands of sockets are a matter of time, not of other allocations. */
static bool is_large(const char *name)
{
	return strstr(name, "50k");
}

static void render_all(struct output_config config)
{
	for (size_t i = 0; i < n_scene_rows; i++)
		if (!is_large(scene_rows[i].name))
			render_scene(i, config);
}

static void test_text(void **state)
{
	render_all((struct output_config){.show_netns = true});
}

static void test_verbose(void **state)
{
	render_all((struct output_config){.verbose = true, .color = true});
}

static void test_json(void **state)
{
	render_all((struct output_config){.json = true, .run = "3f2504e0"});
}

static void test_lines(void **state)
{
	struct rendering text = {.config = {.verbose = true}};
	struct rendering json = {.config = {.json = true}};

	assert_true(fault__each("text lines", render, &text, FAULTS_BORNE) > 0);
	assert_true(fault__each("JSON lines", render, &json, FAULTS_BORNE) > 0);
}

static int print_schema(void *arg)
{
	static char buffer[1 << 16], text[1 << 16];
	FILE *stream;
	int err;

	faults.armed = false;
	stream = fmemopen(text, sizeof(text), "w");
	assert_non_null(stream);
	setvbuf(stream, buffer, _IOFBF, sizeof(buffer));
	faults.armed = true;
	err = output__print_schema(stream);
	faults.armed = false;
	assert_true(err ? ftell(stream) == 0 : ftell(stream) > 1000);
	fclose(stream);
	return err;
}

static void test_schema(void **state)
{
	assert_true(fault__each("schema", print_schema, NULL, FAULTS_TOLD) > 100);
}

static int count(void *arg)
{
	struct metrics_config config = {.version = "0.1.0", .start_ns = 1, .binds = true};
	struct metrics *metrics = metrics__new(&config);
	size_t len = 0;
	char *text;

	if (!metrics)
		return -ENOMEM;
	metrics__conflict(metrics, arg);
	metrics__lost(metrics, 7);
	text = metrics__text(metrics, &len);
	metrics__free(metrics);
	if (!text)
		return -ENOMEM;
	assert_int_equal(len, strlen(text));
	assert_int_equal(text[len - 1], '\n');
	assert_non_null(strstr(text, "bindtrace_refusals_total{cause=\"listener\""));
	free(text);
	return 0;
}

static void test_metrics(void **state)
{
	struct scene scene;

	assert_true(scene__named("listener", &scene));
	assert_true(fault__each("metrics", count, &scene.conflict, FAULTS_BORNE) > 3);
	scene__free(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema), cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_text),   cmocka_unit_test(test_verbose),
		cmocka_unit_test(test_json),   cmocka_unit_test(test_lines),
	};
	int failed = cmocka_run_group_tests_name("faults: output", tests, NULL, NULL);

	printf("# %ld faults\n", n_faults);
	return failed;
}
