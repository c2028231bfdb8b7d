// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "json.h"
#include "json_parts.h"
#include "ranking.h"
#include "summary.h"

struct ranked {
	const struct port_report *report;
	uint32_t *order; /* sockets, the most relevant first */
};

static json_t *json_summary(const struct json_ctx *ctx, const struct port_report *report)
{
	char *text = summary__port(ctx->out, report);
	json_t *value = text ? json_text(text, ctx->text_max + 64) : NULL;

	free(text);
	return value;
}

/* Everything but holders and what_if. */
static json_t *frame(const struct json_ctx *ctx, const void *what)
{
	const struct port_report *report = ((const struct ranked *)what)->report;
	struct json_object line = json_line__begin(ctx->out, "port", report->time_ns);
	const struct snapshot *snap = &report->snap;

	json_object__put(&line, "protocol", json_string(format__protocol(snap->protocol).text));
	json_object__put(&line, "port", json_integer(snap->port));
	json_object__put(&line, "netns", json_number(snap->netns != 0, snap->netns));
	json_object__put(&line, "netns_name", json_text(snap->netns_name, ctx->text_max));
	json_object__put(&line, "netns_process",
			 snap->netns_member ? json_process(snap->netns_member, ctx->text_max, false)
					    : json_null());
	json_object__put(&line, "evidence", json_string(evidence__name(snap->evidence)));
	json_object__put(&line, "note", json_text(report->note, ctx->text_max));
	json_object__put(&line, "holders", json_array());
	json_object__put(&line, "holders_total",
			 json_integer((json_int_t)(snap->total > snap->n_socks ? snap->total
									       : snap->n_socks)));
	json_object__put(&line, "truncated", json_false());
	json_object__put(
		&line, "bucket",
		json_buckets(snap, report->n_what_ifs ? report->what_ifs[0].req.l3mdev : 0));
	json_object__put(&line, "what_if", json_array());
	json_object__put(&line, "summary", json_summary(ctx, report));
	return json_object__take(&line);
}

static json_t *json_result(const struct what_if *what_if)
{
	switch (what_if->verdict.refused) {
	case TRI_UNKNOWN:
		return json_null();
	case TRI_NO:
		return json_string("ok");
	default:
		return json_string(format__errno(what_if->facts.error ?: EADDRINUSE).text);
	}
}

/* What bind() would say without the error that it gives before it looks at the port. */
static json_t *json_otherwise(const struct what_if *what_if)
{
	if (what_if->otherwise < 0)
		return json_null();
	return json_string(what_if->otherwise ? format__errno(what_if->otherwise).text : "ok");
}

static json_t *json_what_if(const struct json_ctx *ctx, const struct what_if *what_if)
{
	const struct bind_request *req = &what_if->req;
	const struct verdict *v = &what_if->verdict;
	struct json_object object = json_object__new();

	json_object__put(&object, "address",
			 json_string(format__address(req->family, &req->addr).text));
	json_object__put(&object, "reuseaddr", json_boolean(req->reuseaddr));
	json_object__put(&object, "reuseport", json_boolean(req->reuseport));
	if (req->family == AF_INET6 && req->v6only && ip_addr__is_any(req->family, &req->addr))
		json_object__put(&object, "v6only", json_true());
	if (req->ifindex)
		json_object__put(&object, "device", json_device(ctx, req->ifindex));
	if (what_if->asked)
		json_object__put(&object, "asked", json_true());
	json_object__put(&object, "result", json_result(what_if));
	if (what_if->facts.error)
		json_object__put(&object, "otherwise", json_otherwise(what_if));
	json_object__put(&object, "cause",
			 v->cause ? json_string(cause__name(v->cause)) : json_null());
	json_object__put(&object, "blockers", json_array());
	json_object__put(&object, "blockers_total", json_integer((json_int_t)v->n_blockers));
	json_object__put(&object, "fixes", json_array());
	return json_object__take(&object);
}

static bool add_what_ifs(struct json_ctx *ctx, json_t *array, const struct port_report *report)
{
	for (size_t i = 0; i < report->n_what_ifs; i++)
		if (!fit__append(&ctx->fit, array, json_what_if(ctx, &report->what_ifs[i])))
			return false;
	return true;
}

static void add_fixes(struct json_ctx *ctx, json_t *array, const struct port_report *report,
		      bool asked)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const struct what_if *what_if = &report->what_ifs[i];
		json_t *fixes = json_object_get(json_array_get(array, i), "fixes");
		struct fix_source source = {.verdict = &what_if->verdict, .req = &what_if->req};

		if (what_if->asked == asked)
			json_add_fixes(ctx, fixes, &source);
	}
}

static bool blocks(const struct verdict *v, uint32_t sock)
{
	for (size_t i = 0; i < v->n_blockers; i++)
		if (v->blockers[i].sock == sock)
			return true;
	return false;
}

/* The index of a holder in the list of every bind that it blocks; together with it or not at all.
 */
static bool add_indexes(struct json_ctx *ctx, json_t *array, const struct port_report *report,
			uint32_t sock, size_t position)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		json_t *list = json_object_get(json_array_get(array, i), "blockers");

		if (blocks(&report->what_ifs[i].verdict, sock) &&
		    !fit__append(&ctx->fit, list, json_integer((json_int_t)position)))
			return false;
	}
	return true;
}

#define INDEX_ROOM 5 /* bytes of one index and its comma */

static bool add_holder(struct json_ctx *ctx, json_t *line, const struct port_report *report,
		       uint32_t sock)
{
	json_t *holders = json_object_get(line, "holders");
	json_t *what_if = json_object_get(line, "what_if");
	size_t position = json_array_size(holders), room = INDEX_ROOM * json_array_size(what_if);
	json_t *socket = json_socket(ctx, sock, NULL, false);
	bool fits;

	ctx->fit.limit -= room;
	fits = fit__append(&ctx->fit, holders, socket);
	ctx->fit.limit += room;
	if (!fits || !add_indexes(ctx, what_if, report, sock, position))
		return false;
	json_add_owners(ctx, socket, sock, position == 0 ? JSON_MAX_OWNERS_FIRST : JSON_MAX_OWNERS);
	return true;
}

static bool fill(struct json_ctx *ctx, json_t *line, const void *what)
{
	const struct ranked *ranked = what;
	const struct port_report *report = ranked->report;
	json_t *what_if = json_object_get(line, "what_if");
	size_t n = 0, total = report->snap.n_socks;

	if (!add_what_ifs(ctx, what_if, report))
		return false;
	if (total && add_holder(ctx, line, report, ranked->order[0]))
		n = 1;
	add_fixes(ctx, what_if, report, true);
	add_fixes(ctx, what_if, report, false);
	while (n > 0 && n < total && add_holder(ctx, line, report, ranked->order[n]))
		n++;
	return n > 0 || total == 0;
}

int json__port(const struct output *out, const struct port_report *report, struct json_result *ret)
{
	struct ranked ranked = {report, ranking__make(report, NULL)};
	int err = -ENOMEM;

	if (ranked.order)
		err = json_report__make(out, &report->snap, &ranked, frame, fill, ret);
	free(ranked.order);
	return err;
}
