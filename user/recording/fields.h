/* SPDX-License-Identifier: GPL-2.0-only */
/* The fields of each group, in the order in which they are in the file; either direction. */
#ifndef BINDTRACE_RECORDING_FIELDS_H
#define BINDTRACE_RECORDING_FIELDS_H

#include "coder.h"
#include "recording.h"

struct record_time {
	int64_t ns;
	int32_t utc_offset_s; /* of the recording machine's zone at that time */
};

/* A what_if and what was shown of it: more doubt than the model's when sockets were hidden. */
struct asked {
	struct what_if what_if;
	enum tri shown;
};

void fields__header(struct coder *c, struct recording_header *header);
void fields__time(struct coder *c, struct record_time *time);
void fields__call(struct coder *c, struct conflict_report *report);
void fields__request(struct coder *c, struct bind_request *req);
void fields__facts(struct coder *c, struct refusal_facts *facts);
void fields__usage(struct coder *c, struct port_usage *usage);
void fields__reserved(struct coder *c, uint8_t reserved[65536 / 8]);
void fields__proc(struct coder *c, struct proc_info *proc);
void fields__snapshot(struct coder *c, struct snapshot *snap);
void fields__bucket(struct coder *c, struct snap_bucket *bucket);
void fields__sock(struct coder *c, struct snap_sock *sock);
void fields__hold(struct coder *c, struct sock_hold *hold);
void fields__asked(struct coder *c, struct asked *asked);
void fields__device(struct coder *c, struct snap_device *device);
void fields__bind(struct coder *c, struct bind_report *report);
void fields__state(struct coder *c, struct state_report *report);
void fields__start(struct coder *c, struct run_start *start);
void fields__stop(struct coder *c, struct run_stop *stop);

#endif
