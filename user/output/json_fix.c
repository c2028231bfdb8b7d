// SPDX-License-Identifier: GPL-2.0-only
/* Remedies. Each object suffices by itself, so that a fix with two ways to it is two objects. */
#include <stdio.h>
#include "json_parts.h"

struct sink {
	struct json_ctx *ctx;
	json_t *array;
	const struct fix_source *source;
	bool full;
};

static void add(struct sink *sink, struct json_object *object)
{
	if (!sink->full)
		sink->full = !fit__append(&sink->ctx->fit, sink->array, json_object__take(object));
	else
		json_decref(json_object__take(object));
}

static void add_change(struct sink *sink, enum fix_side side, const char *what, const char *value)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "side", json_word(fix_side__name(side ?: SIDE_BINDER)));
	json_object__put(&object, what, json_string(value));
	add(sink, &object);
}

static void add_sysctl(struct sink *sink, const char *name, const char *value)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "sysctl", json_string(name));
	json_object__put(&object, "value", json_string(value));
	add(sink, &object);
}

static void add_number(struct sink *sink, const char *side, const char *what, int64_t value)
{
	struct json_object object = json_object__new();

	if (side)
		json_object__put(&object, "side", json_string(side));
	json_object__put(&object, what, json_integer(value));
	add(sink, &object);
}

static void add_close(struct sink *sink)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "close",
			 json_string(close__name(sink->source->verdict->n_blockers == 0)));
	add(sink, &object);
}

static void add_port_sysctl(struct sink *sink, const char *name)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", sink->source->req->port);
	add_sysctl(sink, name, port);
}

static void add_range(struct sink *sink)
{
	const struct fix_source *source = sink->source;

	if (source->usage && source->facts)
		add_sysctl(sink, "net.ipv4.ip_local_port_range",
			   format__wider_range(source->usage, source->facts).text);
}

static void add_nonlocal(struct sink *sink)
{
	const struct bind_request *req = sink->source->req;

	add_change(sink, SIDE_BINDER, "set", freebind__name(req->family));
	add_sysctl(sink, nonlocal_sysctl__name(req->family, &req->addr), "1");
}

static void add_fix(struct sink *sink, const struct fix *fix)
{
	switch (fix->kind) {
	case FIX_SET:
		add_change(sink, fix->side, "set", fix_option__names(fix->set));
		break;
	case FIX_CLOSE:
		add_close(sink);
		break;
	case FIX_WAIT:
		add_number(sink, NULL, "wait_ms", fix->wait_ms);
		break;
	case FIX_SYSCTL:
		add_port_sysctl(sink, "net.ipv4.ip_local_reserved_ports");
		break;
	case FIX_UID:
		add_number(sink, fix_side__name(fix->side ?: SIDE_BINDER), "uid", fix->uid);
		break;
	case FIX_ADDRESS:
		add_change(sink, fix->side, "address", "another");
		break;
	case FIX_ANY_PORT:
		add_change(sink, fix->side, "port", "any");
		break;
	case FIX_RANGE:
		add_range(sink);
		break;
	case FIX_NO_PORT:
		add_change(sink, fix->side, "set", NO_PORT_NAME);
		break;
	case FIX_PRIVILEGE:
		add_change(sink, fix->side, "capability", "CAP_NET_BIND_SERVICE");
		add_port_sysctl(sink, "net.ipv4.ip_unprivileged_port_start");
		break;
	case FIX_NONLOCAL:
		add_nonlocal(sink);
		break;
	case FIX_TW_REUSE:
		add_sysctl(sink, "net.ipv4.tcp_tw_reuse", "1");
		break;
	case FIX_DETACH_GROUP:
		add_change(sink, fix->side, "set", DETACH_GROUP_NAME);
		break;
	case FIX_NEW_SOCKET:
		add_change(sink, fix->side, "socket", "new");
		break;
	}
}

void json_add_fixes(struct json_ctx *ctx, json_t *array, const struct fix_source *source)
{
	struct sink sink = {.ctx = ctx, .array = array, .source = source};

	for (size_t i = 0; i < source->verdict->n_fixes && !sink.full; i++)
		add_fix(&sink, &source->verdict->fixes[i]);
}
