// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "decode.h"

static int8_t flag(const struct wire_sock *wire, uint32_t bit)
{
	return wire->flags & bit ? TRI_YES : TRI_NO;
}

static void decode_full(const struct wire_sock *wire, struct snap_sock *ret)
{
	ret->port_locked = flag(wire, WIRE_SOCK_PORT_LOCKED);
	ret->has_socket = flag(wire, WIRE_SOCK_HAS_SOCKET);
	ret->has_file = flag(wire, WIRE_SOCK_HAS_FILE);
	ret->dead = flag(wire, WIRE_SOCK_DEAD);
	ret->kernel_made = flag(wire, WIRE_SOCK_KERNEL_MADE);
	ret->uid_known = true;
	ret->uid = wire->uid;
	ret->inode_uid_known = true;
	ret->inode_uid = wire->inode_uid;
	ret->inode = wire->inode;
	ret->cgroup_id = wire->cgroup_id;
}

static void decode_timewait(const struct wire_sock *wire, int64_t tick_ns, struct snap_sock *ret)
{
	ret->substate = wire->substate;
	ret->port_locked = TRI_UNKNOWN;
	ret->has_socket = TRI_NO;
	ret->has_file = TRI_NO;
	ret->dead = TRI_NO;
	ret->kernel_made = TRI_UNKNOWN;
	/* A FIN or a late segment may re-arm the timer, never beyond hours: no overflow below. */
	if (wire->expires_ticks > -(1ll << 32) && wire->expires_ticks < 1ll << 32) {
		ret->expires_known = true;
		ret->expires_ms = wire->expires_ticks * (tick_ns / 1000) / 1000;
	}
}

void decode__sock(const struct wire_sock *wire, int64_t tick_ns, struct snap_sock *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->id = wire->id;
	ret->family = wire->family;
	ret->local_port = wire->local_port;
	ret->peer_port = wire->peer_port;
	ret->state = wire->state;
	memcpy(ret->local.bytes, wire->local, sizeof(wire->local));
	memcpy(ret->peer.bytes, wire->peer, sizeof(wire->peer));
	snap_sock__forget_stale_peer(ret);
	ret->v4_word_be = wire->v4_word_be;
	ret->reuseaddr = wire->reuse != 0;
	ret->force_reuse = wire->reuse == 2;
	ret->reuseport = flag(wire, WIRE_SOCK_REUSEPORT);
	ret->v6only = flag(wire, WIRE_SOCK_V6ONLY);
	ret->ifindex = wire->ifindex;
	ret->addr_bucket_family = wire->addr_bucket_family;
	ret->connect_bound = wire->flags & WIRE_SOCK_CONNECT_KNOWN
				     ? flag(wire, WIRE_SOCK_CONNECT_BOUND)
				     : TRI_UNKNOWN;
	if (wire->flags & WIRE_SOCK_FULL)
		decode_full(wire, ret);
	else
		decode_timewait(wire, tick_ns, ret);
}

void decode__bucket(const struct wire_bucket *wire, struct snap_bucket *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->l3mdev = wire->l3mdev;
	ret->fastreuse = wire->fastreuse;
	ret->fastreuseport = wire->fastreuseport;
	ret->fastuid = wire->fastuid;
	ret->fast_family = wire->fast_family;
	ret->fast_ipv6only = wire->fast_ipv6only;
	memcpy(ret->fast_v6.bytes, wire->fast_v6, sizeof(wire->fast_v6));
	ret->fast_v4_be = wire->fast_v4_be;
}

static enum call call_of(const struct wire_conflict *wire)
{
	switch (wire->syscall) {
	case WIRE_LISTEN:
		return CALL_LISTEN;
	case WIRE_CONNECT:
		return CALL_CONNECT;
	case WIRE_AUTOBIND:
		return CALL_AUTOBIND;
	default:
		return CALL_BIND;
	}
}

static const char *syscall_name(enum call call)
{
	static const char *const names[] = {[CALL_BIND] = "bind",
					    [CALL_LISTEN] = "listen",
					    [CALL_CONNECT] = "connect",
					    [CALL_AUTOBIND] = "autobind"};

	return names[call];
}

static enum refusal_stage stage_of(const struct wire_conflict *wire)
{
	switch (wire->stage) {
	case WIRE_STAGE_PROTOCOL:
		return STAGE_PROTOCOL;
	case WIRE_STAGE_LSM:
		return STAGE_LSM;
	case WIRE_STAGE_CGROUP:
		return STAGE_CGROUP;
	case WIRE_STAGE_CONNECT:
		return STAGE_CONNECT;
	default:
		return STAGE_TEST;
	}
}

static void decode_facts(const struct wire_conflict *wire, struct refusal_facts *ret)
{
	ret->stage = stage_of(wire);
	ret->error = wire->error;
	ret->had_port = wire->had_port;
	ret->unprivileged_port_start = -1;
	ret->nonlocal_bind = -1;
	ret->tw_reuse = -1;
	ret->address_tentative = TRI_UNKNOWN;
}

static void decode_request(const struct wire_conflict *wire, struct bind_request *ret)
{
	const struct wire_sock *binder = &wire->binder;

	ret->call = call_of(wire);
	ret->family = binder->family;
	ret->port = binder->local_port;
	ret->peer_port = binder->peer_port;
	memcpy(ret->peer.bytes, binder->peer, sizeof(binder->peer));
	memcpy(ret->addr.bytes, binder->local, sizeof(binder->local));
	ret->v4_word_be = binder->v4_word_be;
	ret->reuseaddr = binder->reuse != 0;
	ret->force_reuse = binder->reuse == 2;
	ret->reuseport = binder->flags & WIRE_SOCK_REUSEPORT;
	ret->v6only = binder->flags & WIRE_SOCK_V6ONLY;
	ret->listening = wire->syscall == WIRE_LISTEN;
	ret->has_group = binder->flags & WIRE_SOCK_HAS_GROUP;
	ret->group_closed = binder->flags & WIRE_SOCK_GROUP_CLOSED;
	ret->ifindex = binder->ifindex;
	ret->l3mdev = wire->bucket.l3mdev;
	ret->uid = binder->uid;
	ret->inode_uid = binder->inode_uid;
	ret->self = binder->id;
}

char *decode__exe(const uint8_t *names, uint32_t len)
{
	size_t end = len, used = 0;
	char *path;

	if (!end || end > WIRE_EXE_LEN || names[end - 1])
		return NULL;
	path = calloc(1, end + 1);
	if (!path)
		return NULL;
	while (end) {
		size_t begin = end - 1;

		while (begin && names[begin - 1])
			begin--;
		path[used++] = '/';
		memcpy(path + used, names + begin, end - 1 - begin);
		used += end - 1 - begin;
		end = begin;
	}
	return path;
}

static int decode_caller(const struct wire_conflict *wire, struct proc_info *ret)
{
	ret->pid = (int)(wire->seen_pid ?: wire->pid);
	ret->tid = (int)(wire->seen_tid ?: wire->tid);
	ret->uid_known = true;
	ret->uid = wire->uid;
	ret->session_leader = TRI_UNKNOWN;
	ret->exe = decode__exe(wire->exe, wire->exe_len);
	ret->comm = strndup((const char *)wire->comm, sizeof(wire->comm));
	return ret->comm ? 0 : -ENOMEM;
}

/* A refusal that no socket explains is exact as it stands. */
static enum evidence evidence_of(const struct wire_conflict *wire)
{
	if (wire->flags & WIRE_CONFLICT_TORN)
		return EVIDENCE_RACED;
	if (wire->flags & WIRE_CONFLICT_LOCKED || wire->stage == WIRE_STAGE_PROTOCOL ||
	    wire->stage == WIRE_STAGE_LSM || wire->stage == WIRE_STAGE_CGROUP)
		return EVIDENCE_EXACT;
	return EVIDENCE_WALKED;
}

static int decode_evidence(const struct wire_conflict *wire, int64_t tick_ns, struct snapshot *ret)
{
	struct snap_bucket *bucket;

	snapshot__init(ret);
	ret->protocol = wire->protocol;
	ret->port = wire->binder.local_port;
	ret->netns = wire->netns;
	ret->evidence = evidence_of(wire);
	ret->truncated = !(wire->flags & WIRE_CONFLICT_COMPLETE);
	ret->total = wire->visited;
	if (wire->flags & WIRE_CONFLICT_BUCKET) {
		bucket = snapshot__add_bucket(ret);
		if (!bucket)
			return -ENOMEM;
		decode__bucket(&wire->bucket, bucket);
	}
	for (uint32_t i = 0; i < wire->n_socks; i++) {
		struct snap_sock *sock = snapshot__add_sock(ret);

		if (!sock)
			return -ENOMEM;
		decode__sock(&wire->socks[i], tick_ns, sock);
		sock->bucket = 0;
	}
	return 0;
}

static bool well_formed(const struct wire_conflict *wire, size_t size)
{
	const size_t fixed = offsetof(struct wire_conflict, socks);

	return size >= fixed && wire->header.version == WIRE_VERSION &&
	       wire->header.kind == WIRE_CONFLICT && wire->header.size == size &&
	       wire->n_socks <= WIRE_MAX_SOCKS &&
	       size == fixed + wire->n_socks * sizeof(struct wire_sock);
}

int decode__conflict(const void *data, size_t size, int64_t tick_ns, struct conflict_report *ret,
		     struct decode_extra *ret_extra)
{
	const struct wire_conflict *wire = data;
	int err;

	if (!well_formed(wire, size))
		return -EBADMSG;
	err = decode_caller(wire, &ret->process);
	if (err)
		return err;
	err = decode_evidence(wire, tick_ns, &ret->snap);
	if (err)
		return err;
	decode_request(wire, &ret->req);
	ret->time_ns = wire->time_ns;
	ret->syscall = syscall_name(ret->req.call);
	ret->error = wire->error;
	decode_facts(wire, &ret->facts);
	ret->kernel_agrees = TRI_UNKNOWN;
	ret_extra->named = wire->named;
	ret_extra->caller = (struct decode_caller){
		.visible = wire->seen_pid,
		.start_ns = wire->start_ns,
		.cgroup_id = wire->cgroup_id,
	};
	return 0;
}

void conflict__free(struct conflict_report *report)
{
	if (!report)
		return;
	proc_info__free(&report->process);
	verdict__free(&report->verdict);
	snapshot__free(&report->snap);
}

int decode__kind(const void *data, size_t size)
{
	const struct wire_header *header = data;

	if (size < sizeof(*header) || header->version != WIRE_VERSION || header->size != size)
		return 0;
	return header->kind;
}

int decode__state(const void *data, size_t size, struct state_report *ret,
		  struct decode_caller *ret_caller)
{
	const struct wire_state *wire = data;

	if (decode__kind(data, size) != WIRE_STATE || size != sizeof(*wire))
		return -EBADMSG;
	ret->time_ns = (int64_t)wire->time_ns;
	ret->duration_ns = wire->duration_ns;
	ret->protocol = wire->protocol;
	ret->family = wire->family;
	ret->local_port = wire->local_port;
	ret->peer_port = wire->peer_port;
	memcpy(ret->local.bytes, wire->local, sizeof(wire->local));
	memcpy(ret->peer.bytes, wire->peer, sizeof(wire->peer));
	ret->old_state = wire->old_state;
	ret->new_state = wire->new_state;
	ret->former = wire->former;
	ret->netns = wire->netns;
	*ret_caller = (struct decode_caller){
		.visible = wire->seen_pid,
		.start_ns = wire->start_ns,
		.cgroup_id = wire->cgroup_id,
	};
	if (!wire->pid)
		return 0;
	ret->process.pid = (int)(wire->seen_pid ?: wire->pid);
	ret->process.uid_known = true;
	ret->process.uid = wire->uid;
	ret->process.session_leader = TRI_UNKNOWN;
	ret->process.comm = strndup((const char *)wire->comm, sizeof(wire->comm));
	return ret->process.comm ? 0 : -ENOMEM;
}
