// SPDX-License-Identifier: GPL-2.0-only
/* render DIRECTORY: writes every scene as NAME.txt and NAME.json, and the run lines. */
#include <stdlib.h>
#include <string.h>
#include "scenes.h"

static FILE *create(const char *directory, const char *name, const char *suffix)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.%s", directory, name, suffix);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static struct output *open_output(FILE *file, bool json)
{
	struct output_config config = {
		.results = file,
		.diagnostics = file,
		.json = json,
		.run = "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
	};
	struct output *out = output__new(&config);

	if (!out)
		exit(1);
	return out;
}

static void write_scene(const char *directory, const char *name, const struct scene *scene,
			bool json)
{
	FILE *file = create(directory, name, json ? "json" : "txt");
	struct output *out = open_output(file, json);

	if (scene__write(scene, out)) {
		fprintf(stderr, "render: %s can't be written\n", name);
		exit(1);
	}
	output__free(out);
	fclose(file);
}

static void write_run(const char *directory, bool json)
{
	static const struct run_start start = {
		.time_ns = SCENE_TIME_NS,
		.version = "0.1.0",
		.kernel = "6.1.0-49-amd64",
		.hooks = "fexit inet_csk_bind_conflict, fexit inet_bhash2_addr_any_conflict",
		.filters = "port 8080, netns 4026531840",
		.netns = "all",
	};
	static const struct run_stop stop = {SCENE_TIME_NS, 12, 10, 1, 1, 0};
	FILE *file = create(directory, "run", json ? "json" : "txt");
	struct output *out = open_output(file, json);

	if (output__start(out, &start) || output__lost(out, SCENE_TIME_NS, 1) ||
	    output__stop(out, &stop))
		exit(1);
	output__free(out);
	fclose(file);
}

static void write_events(const char *directory, bool json)
{
	FILE *file = create(directory, "events", json ? "json" : "txt");
	struct output *out = open_output(file, json);

	if (scene__write_events(out))
		exit(1);
	output__free(out);
	fclose(file);
}

static void write_schema(const char *directory)
{
	FILE *file = create(directory, "schema", "json");

	if (output__print_schema(file))
		exit(1);
	fclose(file);
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: render DIRECTORY\n");
		return 2;
	}
	for (size_t i = 0; i < n_scene_rows; i++) {
		struct scene scene;

		if (!scene__make(&scene_rows[i], &scene)) {
			fprintf(stderr, "render: %s: the model says %s, expected %s\n",
				scene_rows[i].name, cause__name(scene__cause(&scene)),
				cause__name(scene.expected));
			status = 1;
		}
		write_scene(argv[1], scene_rows[i].name, &scene, false);
		write_scene(argv[1], scene_rows[i].name, &scene, true);
		scene__free(&scene);
	}
	write_run(argv[1], false);
	write_run(argv[1], true);
	write_events(argv[1], false);
	write_events(argv[1], true);
	write_schema(argv[1]);
	return status;
}
