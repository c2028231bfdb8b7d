/* SPDX-License-Identifier: GPL-2.0-only */
/* The objects that reports are made of. Each is a new reference, or NULL when memory is short. */
#ifndef BINDTRACE_OUTPUT_JSON_PARTS_H
#define BINDTRACE_OUTPUT_JSON_PARTS_H

#include "format.h"
#include "json.h"
#include "json_line.h"

#define JSON_MAX_TEXT                                                                              \
	256 /* bytes of a path or cgroup, escapes included; less when a line is full */
#define JSON_MAX_FDS	      8
#define JSON_MAX_OWNERS_FIRST 8 /* of the most relevant socket; of the others: */
#define JSON_MAX_OWNERS	      2

struct json_ctx {
	const struct output *out;
	const struct snapshot *snap;
	size_t text_max;
	struct fit fit;
};

/* Schema, type, time, run and number, with which every line begins. */
struct json_object json_line__begin(const struct output *out, const char *type, int64_t time_ns);

json_t *json_endpoint(uint16_t family, const struct ip_addr *addr, uint16_t port);
/* SO_REUSEADDR and its kind as a call had them; device NULL: none, or no known name. */
json_t *json_binder(const struct bind_request *req, const char *device, size_t text_max);
json_t *json_device(const struct json_ctx *ctx, uint32_t ifindex);
json_t *json_process(const struct proc_info *proc, size_t text_max, bool with_tid);
/* That of the domain first; some are left out where there are very many VRFs. */
json_t *json_buckets(const struct snapshot *snap, int32_t l3mdev);

/* How full the port range is; what a refusal without blockers is explained by. Or null. */
json_t *json_usage(const struct json_ctx *ctx, const struct conflict_report *report);
json_t *json_facts(const struct conflict_report *report);

/* What a fix is written from. */
struct fix_source {
	const struct verdict *verdict;
	const struct bind_request *req;
	const struct refusal_facts *facts; /* NULL with a question in one-shot mode */
	const struct port_usage *usage;	   /* or NULL */
};

/* Appends the fixes of a verdict, as many as fit. */
void json_add_fixes(struct json_ctx *ctx, json_t *array, const struct fix_source *source);

/* A socket; its owners are added by json_add_owners(). blocker NULL: a holder, without rules. */
json_t *json_socket(const struct json_ctx *ctx, uint32_t sock, const struct blocker *blocker,
		    bool certain);
/* As many as fit. */
void json_add_owners(struct json_ctx *ctx, json_t *socket, uint32_t sock, size_t max);

/* Takes the value of a line that has no long arrays. 0 or -ENOMEM. */
int json_report__finish(struct json_object *object, struct json_result *ret);

/* The line without its long arrays; then what goes into them, false when too little fitted. */
typedef json_t *(*json_frame_fn)(const struct json_ctx *ctx, const void *report);
typedef bool (*json_fill_fn)(struct json_ctx *ctx, json_t *line, const void *report);

/* Frame and fill within the limit of a line, with shorter texts where that is needed. */
int json_report__make(const struct output *out, const struct snapshot *snap, const void *report,
		      json_frame_fn frame, json_fill_fn fill, struct json_result *ret);

#endif
