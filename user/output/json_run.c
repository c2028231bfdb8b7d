// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include "json.h"
#include "json_parts.h"

#define HOOK_MAX   64
#define FILTER_MAX 512

/* "a, b" as an array. */
static json_t *json_hooks(const char *hooks)
{
	json_t *array = json_array();
	char hook[HOOK_MAX];

	for (int i = 0; array && hooks && *hooks && i < RUN_MAX_HOOKS; i++) {
		size_t len = strcspn(hooks, ",");

		snprintf(hook, sizeof(hook), "%.*s", (int)len, hooks);
		if (json_array_append_new(array, json_text(hook, HOOK_MAX))) {
			json_decref(array);
			return NULL;
		}
		hooks += len;
		hooks += strspn(hooks, ", ");
	}
	return array;
}

int json__start(const struct output *out, const struct run_start *start, struct json_result *ret)
{
	struct json_object line = json_line__begin(out, "start", start->time_ns);

	json_object__put(&line, "version", json_text(start->version, JSON_MAX_TEXT));
	json_object__put(&line, "kernel", json_text(start->kernel, JSON_MAX_TEXT));
	json_object__put(&line, "hooks", json_hooks(start->hooks));
	json_object__put(&line, "filters", json_text(start->filters ?: "", FILTER_MAX));
	json_object__put(&line, "netns", json_text(start->netns, JSON_MAX_TEXT));
	return json_report__finish(&line, ret);
}

int json__stop(const struct output *out, const struct run_stop *stop, struct json_result *ret)
{
	struct json_object line = json_line__begin(out, "stop", stop->time_ns);

	json_object__put(&line, "seen", json_count(stop->seen));
	json_object__put(&line, "delivered", json_count(stop->delivered));
	json_object__put(&line, "filtered", json_count(stop->filtered));
	json_object__put(&line, "lost", json_count(stop->lost));
	json_object__put(&line, "skipped", json_count(stop->skipped));
	return json_report__finish(&line, ret);
}

int json__lost(const struct output *out, int64_t time_ns, uint64_t count, struct json_result *ret)
{
	struct json_object line = json_line__begin(out, "lost", time_ns);

	json_object__put(&line, "count", json_count(count));
	return json_report__finish(&line, ret);
}
