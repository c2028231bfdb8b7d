// SPDX-License-Identifier: GPL-2.0-only
/* The structs are copied before they are coded: the coder takes them for reading and writing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fields.h"
#include "layout.h"
#include "pack.h"

static size_t begin(struct coder *c, uint16_t tag)
{
	code__u16(c, &tag);
	return code__begin(c);
}

/* The group of one struct. */
#define PACK(c, tag, code, type, value)                                                            \
	do {                                                                                       \
		size_t pack_mark = begin(c, tag);                                                  \
		type pack_copy = (value);                                                          \
		code(c, &pack_copy);                                                               \
		code__end(c, pack_mark);                                                           \
	} while (0)

static void pack_time(struct coder *c, int64_t ns)
{
	struct record_time when = {.ns = ns};
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		when.utc_offset_s = (int32_t)tm.tm_gmtoff;
	PACK(c, TAG_TIME, fields__time, struct record_time, when);
}

static void pack_note(struct coder *c, const char *note)
{
	size_t mark;

	if (!note)
		return;
	mark = begin(c, TAG_NOTE);
	code__string(c, note);
	code__end(c, mark);
}

static void pack_snapshot(struct coder *c, const struct snapshot *snap)
{
	PACK(c, TAG_SNAPSHOT, fields__snapshot, struct snapshot, *snap);
	for (size_t i = 0; i < snap->n_buckets; i++)
		PACK(c, TAG_BUCKET, fields__bucket, struct snap_bucket, snap->buckets[i]);
	for (size_t i = 0; i < snap->n_socks; i++)
		PACK(c, TAG_SOCK, fields__sock, struct snap_sock, snap->socks[i]);
	if (snap->n_devices > LAYOUT_MAX_DEVICES)
		coder__fail(c, -E2BIG);
	for (size_t i = 0; i < snap->n_devices; i++)
		PACK(c, TAG_DEVICE, fields__device, struct snap_device, snap->devices[i]);
	for (size_t i = 0; i < snap->n_procs; i++)
		PACK(c, TAG_PROC, fields__proc, struct proc_info, snap->procs[i]);
	for (size_t i = 0; i < snap->n_holds; i++)
		PACK(c, TAG_HOLD, fields__hold, struct sock_hold, snap->holds[i]);
}

/* ---- records ------------------------------------------------------------------------------ */

void pack__header(struct coder *c, const struct recording_header *header)
{
	PACK(c, TAG_HEADER, fields__header, struct recording_header, *header);
}

void pack__conflict(struct coder *c, const struct conflict_report *report)
{
	size_t mark;

	pack_time(c, report->time_ns);
	PACK(c, TAG_CALL, fields__call, struct conflict_report, *report);
	PACK(c, TAG_REQUEST, fields__request, struct bind_request, report->req);
	PACK(c, TAG_FACTS, fields__facts, struct refusal_facts, report->facts);
	if (report->have_usage) {
		struct conflict_report copy = *report;

		PACK(c, TAG_USAGE, fields__usage, struct port_usage, report->usage);
		mark = begin(c, TAG_RESERVED);
		fields__reserved(c, copy.reserved);
		code__end(c, mark);
	}
	PACK(c, TAG_PROCESS, fields__proc, struct proc_info, report->process);
	pack_snapshot(c, &report->snap);
}

void pack__port(struct coder *c, const struct port_report *report)
{
	if (report->n_what_ifs > LAYOUT_MAX_WHAT_IFS) {
		coder__fail(c, -E2BIG);
		return;
	}
	pack_time(c, report->time_ns);
	pack_note(c, report->note);
	for (size_t i = 0; i < report->n_what_ifs; i++) {
		const struct what_if *what_if = &report->what_ifs[i];
		const struct asked asked = {*what_if, what_if->verdict.refused};

		PACK(c, TAG_WHAT_IF, fields__asked, struct asked, asked);
	}
	pack_snapshot(c, &report->snap);
}

void pack__bind(struct coder *c, const struct bind_report *report)
{
	pack_time(c, report->time_ns);
	PACK(c, TAG_BIND, fields__bind, struct bind_report, *report);
	PACK(c, TAG_REQUEST, fields__request, struct bind_request, report->req);
	PACK(c, TAG_PROCESS, fields__proc, struct proc_info, report->process);
}

void pack__state(struct coder *c, const struct state_report *report)
{
	pack_time(c, report->time_ns);
	PACK(c, TAG_STATE, fields__state, struct state_report, *report);
	PACK(c, TAG_PROCESS, fields__proc, struct proc_info, report->process);
}

void pack__start(struct coder *c, const struct run_start *start)
{
	pack_time(c, start->time_ns);
	PACK(c, TAG_START, fields__start, struct run_start, *start);
}

void pack__stop(struct coder *c, const struct run_stop *stop)
{
	pack_time(c, stop->time_ns);
	PACK(c, TAG_STOP, fields__stop, struct run_stop, *stop);
}

void pack__lost(struct coder *c, int64_t time_ns, uint64_t count)
{
	pack_time(c, time_ns);
	PACK(c, TAG_LOST, code__u64, uint64_t, count);
}

void pack__end(struct coder *c, uint64_t n_records)
{
	PACK(c, TAG_END, code__u64, uint64_t, n_records);
}
