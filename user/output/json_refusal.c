// SPDX-License-Identifier: GPL-2.0-only
/* What explains a refusal that no socket on one port does. */
#include "json_parts.h"

#define COMM_MAX 64

static json_t *json_range(const struct port_usage *usage)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "low", json_integer(usage->low));
	json_object__put(&object, "high", json_integer(usage->high));
	return json_object__take(&object);
}

/* Sockets by state; those that there are none of are left out. */
static json_t *json_states(const struct port_usage *usage)
{
	struct json_object object = json_object__new();

	for (int state = 1; state < STATE_NEW_SYN_RECV; state++) {
		struct snap_sock sock = {.state = (uint8_t)state};
		uint64_t n = usage->states[state];

		if (state == STATE_SYN_RECV)
			n += usage->states[STATE_NEW_SYN_RECV];
		if (n)
			json_object__put(&object, sock_state__name(&sock), json_count(n));
	}
	return json_object__take(&object);
}

static json_t *json_top_holder(const struct json_ctx *ctx, const struct usage_holder *holder)
{
	const struct proc_info *proc = &ctx->snap->procs[holder->proc];
	struct json_object object = json_object__new();

	json_object__put(&object, "pid", json_number(proc->pid > 0, proc->pid));
	json_object__put(
		&object, "comm",
		json_text(proc->comm, ctx->text_max < COMM_MAX ? ctx->text_max : COMM_MAX));
	json_object__put(&object, "ports", json_integer(holder->ports));
	return json_object__take(&object);
}

static json_t *json_top(const struct json_ctx *ctx, const struct port_usage *usage)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < usage->n_top && i < USAGE_MAX_HOLDERS; i++) {
		if (usage->top[i].proc >= ctx->snap->n_procs)
			continue;
		if (json_array_append_new(array, json_top_holder(ctx, &usage->top[i]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *json_usage(const struct json_ctx *ctx, const struct conflict_report *report)
{
	const struct port_usage *usage = &report->usage;
	struct json_object object;

	if (!report->have_usage)
		return json_null();
	object = json_object__new();
	json_object__put(&object, "range", json_range(usage));
	json_object__put(&object, "reserved", json_integer(usage->reserved));
	json_object__put(&object, "taken", json_integer(usage->taken));
	json_object__put(&object, "bound", json_integer(usage->bound));
	json_object__put(&object, "same_peer", json_integer(usage->same_peer));
	json_object__put(&object, "reusable", json_integer(usage->reusable));
	json_object__put(&object, "shareable", json_integer(usage->shareable));
	json_object__put(&object, "sockets", json_count(usage->sockets));
	json_object__put(&object, "states", json_states(usage));
	json_object__put(&object, "top", json_top(ctx, usage));
	return json_object__take(&object);
}

static void put_known(struct json_object *object, const char *key, int64_t value)
{
	if (value >= 0)
		json_object__put(object, key, json_integer(value));
}

json_t *json_facts(const struct conflict_report *report)
{
	const struct refusal_facts *facts = &report->facts;
	const char *stage = refusal_stage__name(facts->stage);
	struct json_object object;

	if (!stage)
		return json_null();
	object = json_object__new();
	json_object__put(&object, "stage", json_string(stage));
	put_known(&object, "had_port", facts->had_port ?: -1);
	put_known(&object, "unprivileged_port_start", facts->unprivileged_port_start);
	put_known(&object, "nonlocal_bind", facts->nonlocal_bind);
	put_known(&object, "tw_reuse", facts->tw_reuse);
	if (facts->address_tentative >= 0)
		json_object__put(&object, "address_tentative", json_tri(facts->address_tentative));
	return json_object__take(&object);
}
