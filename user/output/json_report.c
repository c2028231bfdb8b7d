// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include "json_parts.h"

#define SHORTEST_TEXT 16

static int finish(json_t *line, bool truncated, struct json_result *ret)
{
	/* "true" is shorter than the "false" that was counted. */
	if (truncated && json_object_set_new(line, "truncated", json_true()))
		return -ENOMEM;
	ret->line = json_line(line, &ret->len);
	return ret->line ? 0 : -ENOMEM;
}

int json_report__finish(struct json_object *object, struct json_result *ret)
{
	json_t *line = json_object__take(object);
	int err = line ? finish(line, false, ret) : -ENOMEM;

	json_decref(line);
	return err;
}

/* No VRF's bucket is left out in silence; with a usage there is no list of them. */
static bool buckets_cut(const json_t *line, const struct snapshot *snap)
{
	size_t n = json_array_size(json_object_get(line, "bucket"));

	return n && n < snap->n_buckets;
}

static int try_with(struct json_ctx *ctx, const void *report, json_frame_fn frame,
		    json_fill_fn fill, struct json_result *ret)
{
	size_t limit = ctx->out->config.line_limit ?: OUTPUT_LINE_LIMIT;
	json_t *line = frame(ctx, report);
	bool enough = false;
	int err = 0;

	if (!line)
		return -ENOMEM;
	if (fit__start(&ctx->fit, line, limit))
		enough = fill(ctx, line, report) || ctx->text_max == SHORTEST_TEXT;
	if (ctx->fit.failed)
		err = -ENOMEM;
	else if (!enough)
		err = -EMSGSIZE;
	if (!err)
		err = finish(line,
			     ctx->fit.cut || ctx->snap->truncated || buckets_cut(line, ctx->snap),
			     ret);
	json_decref(line);
	return err;
}

int json_report__make(const struct output *out, const struct snapshot *snap, const void *report,
		      json_frame_fn frame, json_fill_fn fill, struct json_result *ret)
{
	int err = -EMSGSIZE;

	/* Long texts give way before whole sockets do. */
	for (size_t text_max = JSON_MAX_TEXT; err == -EMSGSIZE && text_max >= SHORTEST_TEXT;
	     text_max /= 2) {
		struct json_ctx ctx = {.out = out, .snap = snap, .text_max = text_max};

		err = try_with(&ctx, report, frame, fill, ret);
	}
	return err;
}
