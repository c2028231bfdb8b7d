/* SPDX-License-Identifier: GPL-2.0-only */
/* Payloads into reports. */
#ifndef BINDTRACE_RECORDING_UNPACK_H
#define BINDTRACE_RECORDING_UNPACK_H

#include "fields.h"

struct record {
	uint16_t kind; /* enum record_kind */
	struct recording_header header;
	struct record_time time;
	struct conflict_report conflict; /* without a verdict; syscall points into the payload */
	struct port_report port;	 /* likewise; note points into the payload */
	enum tri *shown;		 /* of each what_if */
	struct bind_report bind;	 /* its process is the conflict's */
	struct state_report state;	 /* likewise */
	struct run_start start;		 /* points into the payload */
	struct run_stop stop;
	uint64_t count; /* KIND_LOST: calls; KIND_END: records */
};

/*
 * One payload. 0, -EBADMSG, -ENOMEM, or -EPROTONOSUPPORT: a kind of a newer version. *ret is to be
 * freed with record__free() in any case, before the payload.
 */
int record__unpack(struct record *ret, uint16_t kind, const void *payload, size_t size, bool newer);
void record__free(struct record *record);

#endif
