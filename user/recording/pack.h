/* SPDX-License-Identifier: GPL-2.0-only */
/* Reports into payloads. Errors stay in the coder. */
#ifndef BINDTRACE_RECORDING_PACK_H
#define BINDTRACE_RECORDING_PACK_H

#include "coder.h"
#include "recording.h"

void pack__header(struct coder *c, const struct recording_header *header);
void pack__conflict(struct coder *c, const struct conflict_report *report);
void pack__port(struct coder *c, const struct port_report *report);
void pack__bind(struct coder *c, const struct bind_report *report);
void pack__state(struct coder *c, const struct state_report *report);
void pack__start(struct coder *c, const struct run_start *start);
void pack__stop(struct coder *c, const struct run_stop *stop);
void pack__lost(struct coder *c, int64_t time_ns, uint64_t count);
void pack__end(struct coder *c, uint64_t n_records);

#endif
