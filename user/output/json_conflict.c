// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "json.h"
#include "json_parts.h"
#include "ranking.h"
#include "summary.h"

struct ranked {
	const struct conflict_report *report;
	size_t *order; /* of the blockers, the most relevant first */
};

static json_t *json_caller_socket(const struct json_ctx *ctx, const struct bind_request *req)
{
	const char *name = snapshot__device_name(ctx->snap, req->ifindex);
	struct word unnamed = format__device(ctx->snap, req->ifindex);

	if (!name && req->ifindex)
		name = unnamed.text;
	return json_binder(req, name, ctx->text_max);
}

static void put_call(struct json_object *line, const struct json_ctx *ctx,
		     const struct conflict_report *report)
{
	const struct bind_request *req = &report->req;

	json_object__put(line, "count", json_integer((json_int_t)report->count));
	json_object__put(line, "first_time",
			 json_string(format__rfc3339(report->first_time_ns).text));
	json_object__put(line, "syscall", json_string(report->syscall));
	json_object__put(line, "error", json_string(format__errno(report->error).text));
	json_object__put(line, "protocol",
			 json_string(format__protocol(report->snap.protocol).text));
	json_object__put(line, "family", json_string(req->family == AF_INET6 ? "ipv6" : "ipv4"));
	json_object__put(line, "local", json_endpoint(req->family, &req->addr, req->port));
	json_object__put(line, "peer",
			 req->call == CALL_CONNECT && req->peer_port
				 ? json_endpoint(req->family, &req->peer, req->peer_port)
				 : json_null());
	json_object__put(line, "netns", json_number(report->snap.netns != 0, report->snap.netns));
	json_object__put(line, "netns_name", json_text(report->snap.netns_name, ctx->text_max));
	json_object__put(line, "socket", json_caller_socket(ctx, req));
	json_object__put(line, "process", json_process(&report->process, ctx->text_max, true));
}

static json_t *json_summary(const struct json_ctx *ctx, const struct conflict_report *report)
{
	char *text = summary__conflict(ctx->out, report);
	json_t *value = text ? json_text(text, ctx->text_max + 64) : NULL;

	free(text);
	return value;
}

/* Everything but the blockers and the fixes, whose arrays are empty yet. */
static json_t *frame(const struct json_ctx *ctx, const void *what)
{
	const struct conflict_report *report = ((const struct ranked *)what)->report;
	struct json_object line = json_line__begin(ctx->out, "conflict", report->time_ns);
	const struct verdict *v = &report->verdict;

	put_call(&line, ctx, report);
	json_object__put(&line, "cause",
			 v->cause ? json_string(cause__name(v->cause)) : json_null());
	json_object__put(&line, "evidence", json_string(evidence__name(report->snap.evidence)));
	json_object__put(&line, "cross_check", json_tri(report->kernel_agrees));
	json_object__put(&line, "facts", json_facts(report));
	json_object__put(&line, "usage", json_usage(ctx, report));
	json_object__put(&line, "bucket",
			 report->have_usage ? json_null()
					    : json_buckets(&report->snap, report->req.l3mdev));
	json_object__put(&line, "blockers", json_array());
	json_object__put(&line, "blockers_total", json_integer((json_int_t)v->n_blockers));
	json_object__put(&line, "sockets_seen", json_integer((json_int_t)report->snap.n_socks));
	json_object__put(&line, "sockets_total", json_integer((json_int_t)report->snap.total));
	json_object__put(&line, "truncated", json_false());
	json_object__put(&line, "fixes", json_array());
	json_object__put(&line, "summary", json_summary(ctx, report));
	return json_object__take(&line);
}

static bool add_blocker(struct json_ctx *ctx, json_t *line, const struct ranked *ranked, size_t nth)
{
	const struct verdict *v = &ranked->report->verdict;
	const struct blocker *blocker = &v->blockers[ranked->order[nth]];
	json_t *socket =
		json_socket(ctx, blocker->sock, blocker, ranked->order[nth] < v->n_definite);

	if (!fit__append(&ctx->fit, json_object_get(line, "blockers"), socket))
		return false;
	json_add_owners(ctx, socket, blocker->sock,
			nth == 0 ? JSON_MAX_OWNERS_FIRST : JSON_MAX_OWNERS);
	return true;
}

/* The first blocker, every fix, then the other blockers, as far as the line goes. */
static bool fill(struct json_ctx *ctx, json_t *line, const void *what)
{
	const struct ranked *ranked = what;
	const struct verdict *v = &ranked->report->verdict;
	const struct conflict_report *report = ranked->report;
	struct fix_source source = {v, &report->req, &report->facts,
				    report->have_usage ? &report->usage : NULL};
	size_t n = 0;

	if (v->n_blockers && add_blocker(ctx, line, ranked, 0))
		n = 1;
	json_add_fixes(ctx, json_object_get(line, "fixes"), &source);
	while (n > 0 && n < v->n_blockers && add_blocker(ctx, line, ranked, n))
		n++;
	return n > 0 || v->n_blockers == 0;
}

int json__conflict(const struct output *out, const struct conflict_report *report,
		   struct json_result *ret)
{
	struct ranked ranked = {report, ranking__blockers(&report->snap, &report->verdict)};
	int err = -ENOMEM;

	if (ranked.order)
		err = json_report__make(out, &report->snap, &ranked, frame, fill, ret);
	free(ranked.order);
	return err;
}
