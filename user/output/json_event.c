// SPDX-License-Identifier: GPL-2.0-only
/* What went well: successful binds and changes of state. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include "json.h"
#include "json_parts.h"

/*
 * Texts so short that a line is never too long: 4096 bytes hold five of a process, each escaped
 * already within its bound, twice over.
 */
static const char *device_of(const struct bind_report *report, struct word *buf)
{
	if (!report->req.ifindex)
		return NULL;
	if (*report->device)
		snprintf(buf->text, sizeof(buf->text), "%.15s", report->device);
	else
		snprintf(buf->text, sizeof(buf->text), "if%u", report->req.ifindex);
	return buf->text;
}

static void put_family(struct json_object *line, uint32_t protocol, uint16_t family)
{
	json_object__put(line, "protocol", json_string(format__protocol(protocol).text));
	json_object__put(line, "family", json_string(family == AF_INET6 ? "ipv6" : "ipv4"));
}

static void put_netns(struct json_object *line, uint64_t netns, const char *name)
{
	json_object__put(line, "netns", json_number(netns != 0, netns));
	json_object__put(line, "netns_name", json_text(name, JSON_MAX_TEXT));
}

int json__bind(const struct output *out, const struct bind_report *report, struct json_result *ret)
{
	struct json_object line = json_line__begin(out, "bind", report->time_ns);
	const struct bind_request *req = &report->req;
	struct word device;

	json_object__put(&line, "syscall", json_string(report->syscall));
	put_family(&line, report->protocol, req->family);
	json_object__put(&line, "local", json_endpoint(req->family, &req->addr, req->port));
	put_netns(&line, report->netns, report->netns_name);
	json_object__put(&line, "socket",
			 json_binder(req, device_of(report, &device), JSON_MAX_TEXT));
	json_object__put(&line, "process", json_process(&report->process, JSON_MAX_TEXT, true));
	return json_report__finish(&line, ret);
}

/* Milliseconds to the microsecond. */
static json_t *json_duration(int64_t ns)
{
	return ns < 0 ? json_null() : json_real((double)(ns / 1000) / 1000);
}

static json_t *json_who(const struct state_report *report, bool former)
{
	if (report->process.pid <= 0 || report->former != former)
		return json_null();
	return json_process(&report->process, JSON_MAX_TEXT, false);
}

int json__state(const struct output *out, const struct state_report *report,
		struct json_result *ret)
{
	struct json_object line = json_line__begin(out, "state", report->time_ns);
	uint16_t family = report->family;

	put_family(&line, report->protocol, family);
	json_object__put(&line, "local", json_endpoint(family, &report->local, report->local_port));
	json_object__put(&line, "peer",
			 report->peer_port ? json_endpoint(family, &report->peer, report->peer_port)
					   : json_null());
	put_netns(&line, report->netns, report->netns_name);
	json_object__put(&line, "old_state", json_word(format__tcp_state(report->old_state)));
	json_object__put(&line, "new_state", json_word(format__tcp_state(report->new_state)));
	json_object__put(&line, "duration_ms", json_duration(report->duration_ns));
	json_object__put(&line, "process", json_who(report, false));
	json_object__put(&line, "former_owner", json_who(report, true));
	return json_report__finish(&line, ret);
}
