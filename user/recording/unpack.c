// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../kernel/decode.h"
#include "layout.h"
#include "unpack.h"

#define BIT(tag) (1u << (tag))
#define REPEATED                                                                                   \
	(BIT(TAG_BUCKET) | BIT(TAG_SOCK) | BIT(TAG_PROC) | BIT(TAG_HOLD) | BIT(TAG_WHAT_IF) |      \
	 BIT(TAG_DEVICE))
#define EVIDENCE (BIT(TAG_BUCKET) | BIT(TAG_SOCK) | BIT(TAG_PROC) | BIT(TAG_HOLD) | BIT(TAG_DEVICE))

struct tags {
	uint32_t needed;
	uint32_t optional;
};

static struct tags tags_of(uint16_t kind)
{
	switch ((enum record_kind)kind) {
	case KIND_HEADER:
		return (struct tags){BIT(TAG_HEADER), 0};
	case KIND_CONFLICT:
		return (struct tags){BIT(TAG_TIME) | BIT(TAG_CALL) | BIT(TAG_REQUEST) |
					     BIT(TAG_FACTS) | BIT(TAG_PROCESS) | BIT(TAG_SNAPSHOT),
				     BIT(TAG_USAGE) | BIT(TAG_RESERVED) | EVIDENCE};
	case KIND_PORT:
		return (struct tags){BIT(TAG_TIME) | BIT(TAG_SNAPSHOT),
				     BIT(TAG_WHAT_IF) | BIT(TAG_NOTE) | EVIDENCE};
	case KIND_BIND:
		return (struct tags){
			BIT(TAG_TIME) | BIT(TAG_BIND) | BIT(TAG_REQUEST) | BIT(TAG_PROCESS), 0};
	case KIND_STATE:
		return (struct tags){BIT(TAG_TIME) | BIT(TAG_STATE) | BIT(TAG_PROCESS), 0};
	case KIND_START:
		return (struct tags){BIT(TAG_TIME) | BIT(TAG_START), 0};
	case KIND_STOP:
		return (struct tags){BIT(TAG_TIME) | BIT(TAG_STOP), 0};
	case KIND_LOST:
		return (struct tags){BIT(TAG_TIME) | BIT(TAG_LOST), 0};
	case KIND_END:
		return (struct tags){BIT(TAG_END), 0};
	}
	return (struct tags){0, 0};
}

static struct snapshot *snap_of(struct record *record)
{
	return record->kind == KIND_PORT ? &record->port.snap : &record->conflict.snap;
}

/* ---- repeated groups ---------------------------------------------------------------------- */

static void take_bucket(struct coder *c, struct snapshot *snap)
{
	struct snap_bucket *bucket = snapshot__add_bucket(snap);

	if (bucket)
		fields__bucket(c, bucket);
	else
		coder__fail(c, -ENOMEM);
}

static void take_sock(struct coder *c, struct snapshot *snap)
{
	struct snap_sock *sock = snapshot__add_sock(snap);

	if (sock)
		fields__sock(c, sock);
	else
		coder__fail(c, -ENOMEM);
}

static void take_proc(struct coder *c, struct snapshot *snap)
{
	struct proc_info *proc = snapshot__add_proc(snap);

	if (proc)
		fields__proc(c, proc);
	else
		coder__fail(c, -ENOMEM);
}

static void take_hold(struct coder *c, struct snapshot *snap)
{
	struct sock_hold hold = {.opener = TRI_UNKNOWN};

	fields__hold(c, &hold);
	if (!c->err)
		coder__fail(c,
			    snapshot__add_hold(snap, hold.sock, hold.proc, hold.fd, hold.opener));
}

static void take_what_if(struct coder *c, struct record *record)
{
	struct port_report *port = &record->port;
	struct asked asked = {.shown = TRI_UNKNOWN};

	if (!port->what_ifs)
		port->what_ifs = calloc(LAYOUT_MAX_WHAT_IFS, sizeof(*port->what_ifs));
	if (!record->shown)
		record->shown = calloc(LAYOUT_MAX_WHAT_IFS, sizeof(*record->shown));
	if (!port->what_ifs || !record->shown) {
		coder__fail(c, -ENOMEM);
		return;
	}
	if (port->n_what_ifs == LAYOUT_MAX_WHAT_IFS)
		coder__fail(c, -EBADMSG);
	fields__asked(c, &asked);
	if (c->err)
		return;
	port->what_ifs[port->n_what_ifs] = asked.what_if;
	record->shown[port->n_what_ifs++] = asked.shown;
}

static void take_device(struct coder *c, struct snapshot *snap)
{
	struct snap_device device = {.ifindex = 0};

	fields__device(c, &device);
	if (!c->err && snap->n_devices == LAYOUT_MAX_DEVICES)
		coder__fail(c, -EBADMSG);
	if (!c->err)
		coder__fail(c, snapshot__add_device(snap, device.ifindex, device.name));
}

/* ---- a payload ---------------------------------------------------------------------------- */

static void take_evidence(struct coder *c, struct record *record, enum record_tag tag)
{
	struct snapshot *snap = snap_of(record);

	if (tag == TAG_SNAPSHOT)
		fields__snapshot(c, snap);
	else if (tag == TAG_BUCKET)
		take_bucket(c, snap);
	else if (tag == TAG_SOCK)
		take_sock(c, snap);
	else if (tag == TAG_PROC)
		take_proc(c, snap);
	else if (tag == TAG_HOLD)
		take_hold(c, snap);
	else if (tag == TAG_DEVICE)
		take_device(c, snap);
	else if (tag == TAG_WHAT_IF)
		take_what_if(c, record);
	else if (tag == TAG_NOTE)
		record->port.note = code__string(c, NULL);
}

static void take_group(struct coder *c, struct record *record, enum record_tag tag)
{
	struct conflict_report *conflict = &record->conflict;

	switch (tag) {
	case TAG_HEADER:
		return fields__header(c, &record->header);
	case TAG_TIME:
		return fields__time(c, &record->time);
	case TAG_CALL:
		return fields__call(c, conflict);
	case TAG_REQUEST:
		return fields__request(c, &conflict->req);
	case TAG_FACTS:
		return fields__facts(c, &conflict->facts);
	case TAG_USAGE:
		return fields__usage(c, &conflict->usage);
	case TAG_RESERVED:
		return fields__reserved(c, conflict->reserved);
	case TAG_PROCESS:
		return fields__proc(c, &conflict->process);
	case TAG_BIND:
		return fields__bind(c, &record->bind);
	case TAG_STATE:
		return fields__state(c, &record->state);
	case TAG_START:
		return fields__start(c, &record->start);
	case TAG_STOP:
		return fields__stop(c, &record->stop);
	case TAG_LOST:
	case TAG_END:
		return code__u64(c, &record->count);
	default:
		return take_evidence(c, record, tag);
	}
}

/* Every tag that is needed, none twice, none that this kind does not have. */
static void take_groups(struct coder *c, struct record *record, const struct tags *tags)
{
	uint32_t seen = 0;

	while (!c->err && c->pos < c->end) {
		uint16_t tag = 0;
		size_t mark;
		uint32_t bit;

		code__u16(c, &tag);
		mark = code__begin(c);
		bit = tag < N_TAGS ? BIT(tag) : 0;
		if (!c->err && (seen & bit & ~REPEATED))
			coder__fail(c, -EBADMSG);
		if (!c->err && (bit & (tags->needed | tags->optional)))
			take_group(c, record, tag);
		else if (!c->newer)
			coder__fail(c, -EBADMSG);
		else if (!c->err)
			c->pos = c->end;
		code__end(c, mark);
		seen |= bit;
	}
	if ((seen & tags->needed) != tags->needed ||
	    record->conflict.have_usage != !!(seen & BIT(TAG_USAGE)))
		coder__fail(c, -EBADMSG);
}

/* What refers to what: the model and the outputs rely on it. */
static bool is_consistent(const struct record *record, const struct snapshot *snap)
{
	const struct port_usage *usage = &record->conflict.usage;

	for (size_t i = 0; i < snap->n_holds; i++) {
		if (snap->holds[i].sock >= snap->n_socks || snap->holds[i].proc >= snap->n_procs)
			return false;
	}
	for (size_t i = 0; i < usage->n_top; i++) {
		if (usage->top[i].proc >= snap->n_procs)
			return false;
	}
	return true;
}

/* Into the reports what is in groups of its own. */
static void distribute(struct record *record)
{
	record->bind.time_ns = record->time.ns;
	record->bind.req = record->conflict.req;
	record->bind.process = record->conflict.process;
	record->state.time_ns = record->time.ns;
	record->state.process = record->conflict.process;
	record->conflict.time_ns = record->time.ns;
	if (!record->conflict.count) { /* of minor version 2 or older: each stands for itself */
		record->conflict.count = 1;
		record->conflict.first_time_ns = record->time.ns;
	}
	record->port.time_ns = record->time.ns;
	record->start.time_ns = record->time.ns;
	record->stop.time_ns = record->time.ns;
}

int record__unpack(struct record *ret, uint16_t kind, const void *payload, size_t size, bool newer)
{
	struct coder c = {.reading = true, .newer = newer, .in = payload, .end = size};
	const struct tags tags = tags_of(kind);

	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	if (!tags.needed)
		return newer ? -EPROTONOSUPPORT : -EBADMSG;
	take_groups(&c, ret, &tags);
	if (!c.err && !is_consistent(ret, snap_of(ret)))
		return -EBADMSG;
	snapshot__sort_holds(snap_of(ret));
	distribute(ret);
	return c.err;
}

void record__free(struct record *record)
{
	struct port_report *port = &record->port;

	conflict__free(&record->conflict);
	for (size_t i = 0; i < port->n_what_ifs; i++)
		verdict__free(&port->what_ifs[i].verdict);
	free(port->what_ifs);
	snapshot__free(&port->snap);
	free(record->shown);
	memset(record, 0, sizeof(*record));
}
