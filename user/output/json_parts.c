// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/socket.h>
#include "holder.h"
#include "json_parts.h"

#define COMM_MAX      64 /* 15 bytes of the kernel, each six at most when escaped */
#define CONTAINER_MAX 80

struct json_object json_line__begin(const struct output *out, const char *type, int64_t time_ns)
{
	const char *run = out->config.run;

	struct json_object line = json_object__new();

	json_object__put(&line, "schema", json_integer(OUTPUT_SCHEMA_VERSION));
	json_object__put(&line, "type", json_string(type));
	json_object__put(&line, "time", json_string(format__rfc3339(time_ns).text));
	json_object__put(&line, "run", json_text(*run ? run : NULL, OUTPUT_RUN_ID_SIZE - 1));
	json_object__put(&line, "seq", json_count(out->seq));
	return line;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

json_t *json_endpoint(uint16_t family, const struct ip_addr *addr, uint16_t port)
{
	struct json_object end = json_object__new();

	json_object__put(&end, "address", json_string(format__address(family, addr).text));
	json_object__put(&end, "port", json_integer(port));
	return json_object__take(&end);
}

json_t *json_binder(const struct bind_request *req, const char *device, size_t text_max)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "reuseaddr", json_boolean(req->reuseaddr));
	json_object__put(&object, "reuseport", json_boolean(req->reuseport));
	json_object__put(&object, "v6only",
			 req->family == AF_INET6 ? json_boolean(req->v6only) : json_null());
	json_object__put(&object, "device", json_text(device, smaller(COMM_MAX, text_max)));
	json_object__put(&object, "uid", json_integer(req->uid));
	return json_object__take(&object);
}

json_t *json_device(const struct json_ctx *ctx, uint32_t ifindex)
{
	const char *name = snapshot__device_name(ctx->snap, ifindex);

	if (!ifindex)
		return json_null();
	/* As it is: json_text() makes it harmless, and what is made visible for a terminal is text.
	 */
	return json_text(name ? name : format__device(ctx->snap, ifindex).text,
			 smaller(COMM_MAX, ctx->text_max));
}

static void put_identity(struct json_object *object, const struct proc_info *proc, size_t text_max)
{
	char pod[POD_UID_MAX];

	json_object__put(object, "comm", json_text(proc->comm, smaller(COMM_MAX, text_max)));
	json_object__put(object, "exe", json_text(proc->exe, text_max));
	json_object__put(object, "uid", json_number(proc->uid_known, proc->uid));
	json_object__put(object, "cgroup", json_text(proc->cgroup, text_max));
	json_object__put(object, "unit", json_text(proc->unit, text_max / 2));
	json_object__put(object, "container",
			 json_text(proc->container, smaller(CONTAINER_MAX, text_max)));
	json_object__put(object, "pod", proc_info__pod(proc, pod) ? json_string(pod) : json_null());
}

json_t *json_process(const struct proc_info *proc, size_t text_max, bool with_tid)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "pid", json_number(proc->pid > 0, proc->pid));
	if (with_tid)
		json_object__put(&object, "tid", json_number(proc->tid > 0, proc->tid));
	put_identity(&object, proc, text_max);
	return json_object__take(&object);
}

static json_t *json_bucket(const struct snap_bucket *bucket)
{
	struct json_object object = json_object__new();

	json_object__put(&object, "l3mdev", json_integer(bucket->l3mdev));
	json_object__put(&object, "fastreuse", json_integer(bucket->fastreuse));
	json_object__put(&object, "fastreuseport", json_integer(bucket->fastreuseport));
	json_object__put(&object, "fastuid", json_integer(bucket->fastuid));
	return json_object__take(&object);
}

#define MAX_BUCKETS 4 /* one per VRF on the port */

/* Those of that domain, or of all others, as far as there is room. */
static int add_buckets(json_t *array, const struct snapshot *snap, int32_t l3mdev, bool own)
{
	for (size_t i = 0; i < snap->n_buckets && json_array_size(array) < MAX_BUCKETS; i++) {
		const struct snap_bucket *bucket = &snap->buckets[i];

		if ((bucket->l3mdev == l3mdev) == own &&
		    json_array_append_new(array, json_bucket(bucket)))
			return -ENOMEM;
	}
	return 0;
}

json_t *json_buckets(const struct snapshot *snap, int32_t l3mdev)
{
	json_t *array;

	if (snap->protocol != PROTO_TCP)
		return json_null();
	/* inet_diag knows no buckets: none seen is not the same as none there. */
	if (snap->n_buckets == 0 &&
	    (snap->evidence == EVIDENCE_DIAG || snap->evidence == EVIDENCE_NONE))
		return json_null();
	array = json_array();
	if (array &&
	    (add_buckets(array, snap, l3mdev, true) || add_buckets(array, snap, l3mdev, false))) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *json_rules(uint32_t rules)
{
	json_t *array = json_array();

	for (int i = 0; array && i < N_RULES; i++) {
		if (!(rules & (1u << i)))
			continue;
		if (json_array_append_new(array, json_string(rule__name((enum rule)(1u << i))))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* No holder seen: a fact only where one can't be hidden. */
static bool owners_known(const struct snapshot *snap, uint32_t sock)
{
	size_t n;

	snapshot__holds(snap, sock, &n);
	return n > 0 || snap->owners_known || snap->socks[sock].holder == HOLDER_TIME_WAIT ||
	       snap->socks[sock].holder == HOLDER_ORPHAN ||
	       snap->socks[sock].holder == HOLDER_KERNEL ||
	       snap->socks[sock].holder == HOLDER_ACCEPT_QUEUE;
}

static void put_flags(struct json_object *object, const struct json_ctx *ctx,
		      const struct snap_sock *s)
{
	json_object__put(object, "reuseaddr", json_tri(s->reuseaddr));
	json_object__put(object, "reuseport", json_tri(s->reuseport));
	json_object__put(object, "v6only",
			 s->family == AF_INET6 ? json_tri(s->v6only) : json_null());
	json_object__put(object, "device", json_device(ctx, s->ifindex));
	json_object__put(object, "uid", json_number(s->uid_known, s->uid));
	json_object__put(object, "inode", json_number(s->inode != 0, s->inode));
}

json_t *json_socket(const struct json_ctx *ctx, uint32_t sock, const struct blocker *blocker,
		    bool certain)
{
	const struct snap_sock *s = &ctx->snap->socks[sock];
	struct json_object object = json_object__new();
	bool known = owners_known(ctx->snap, sock);

	json_object__put(&object, "state",
			 s->state ? json_string(sock_state__name(s)) : json_null());
	json_object__put(&object, "role", json_string(sock_role__name(s->role)));
	json_object__put(&object, "local", json_endpoint(s->family, &s->local, s->local_port));
	json_object__put(&object, "peer",
			 s->peer_port ? json_endpoint(s->family, &s->peer, s->peer_port)
				      : json_null());
	put_flags(&object, ctx, s);
	if (blocker) {
		json_object__put(&object, "rules", json_rules(blocker->rules));
		json_object__put(&object, "certain", json_boolean(certain));
	}
	json_object__put(&object, "expires_ms",
			 json_number(s->expires_known, snap_sock__left_ms(s)));
	json_object__put(&object, "holder", json_word(holder_class__name(s->holder)));
	json_object__put(&object, "owners", known ? json_array() : json_null());
	json_object__put(&object, "owners_total",
			 json_number(known, holder__procs(ctx->snap, sock, NULL, 0)));
	json_object__put(&object, "former_owner",
			 s->former_owner ? json_process(s->former_owner, ctx->text_max, false)
					 : json_null());
	return json_object__take(&object);
}

static json_t *json_fds(const struct sock_hold *holds, size_t n)
{
	json_t *fds = json_array();

	for (size_t i = 0; fds && i < n && i < JSON_MAX_FDS; i++) {
		if (!json_array_append_new(fds, json_integer(holds[i].fd)))
			continue;
		json_decref(fds);
		return NULL;
	}
	return fds;
}

static json_t *json_owner(const struct json_ctx *ctx, const struct sock_hold *holds, size_t n)
{
	const struct proc_info *proc = &ctx->snap->procs[holds->proc];
	struct json_object owner = {.value = json_process(proc, ctx->text_max, false)};

	owner.failed = !owner.value;
	json_object__put(&owner, "fds", json_fds(holds, n));
	if (n > JSON_MAX_FDS)
		json_object__put(&owner, "fds_total", json_count(n));
	return json_object__take(&owner);
}

void json_add_owners(struct json_ctx *ctx, json_t *socket, uint32_t sock, size_t max)
{
	json_t *owners = json_object_get(socket, "owners");
	size_t n_holds, n = 0;
	const struct sock_hold *holds = snapshot__holds(ctx->snap, sock, &n_holds);

	for (size_t i = 0, end; json_is_array(owners) && i < n_holds; i = end, n++) {
		for (end = i + 1; end < n_holds && holds[end].proc == holds[i].proc;)
			end++;
		if (n == max) {
			ctx->fit.cut = true;
			return;
		}
		if (!fit__append(&ctx->fit, owners, json_owner(ctx, holds + i, end - i)))
			return;
	}
}
