/* SPDX-License-Identifier: GPL-2.0-only */
/* Wire records into the model's terms. Trusts nothing: a record may come from a file. */
#ifndef BINDTRACE_KERNEL_DECODE_H
#define BINDTRACE_KERNEL_DECODE_H

#include "../../bpf/wire.h"
#include "../model/snapshot.h"
#include "../output/output.h"

void decode__sock(const struct wire_sock *wire, int64_t tick_ns, struct snap_sock *ret);
/*
 * "echo\0srv\0", last component first, into "/srv/echo", malloc'ed. NULL: unknown, not well-formed,
 * or no memory. names has WIRE_EXE_LEN bytes.
 */
char *decode__exe(const uint8_t *names, uint32_t len);
void decode__bucket(const struct wire_bucket *wire, struct snap_bucket *ret);

/* What a record has about the calling process to find more about it. */
struct decode_caller {
	bool visible;	    /* its pid is one of our /proc; else the kernel's own */
	uint64_t start_ns;  /* CLOCK_BOOTTIME of its start, 0: not known */
	uint64_t cgroup_id; /* cgroup v2, 0: not known */
};

/* What a record has beside the report itself. */
struct decode_extra {
	uint64_t named; /* id of the socket that the kernel's own test named, 0: not asked */
	struct decode_caller caller;
};

/*
 * One record of size bytes into *ret, which the caller has zeroed and frees with conflict__free():
 * request, caller, evidence and sockets; no verdict, no owners, and time_ns still CLOCK_MONOTONIC.
 * 0, -EBADMSG, or -ENOMEM.
 */
int decode__conflict(const void *data, size_t size, int64_t tick_ns, struct conflict_report *ret,
		     struct decode_extra *ret_extra);

/* What one record is, of size bytes: an enum wire_kind, or 0 for none of ours. */
int decode__kind(const void *data, size_t size);

/*
 * One WIRE_STATE record into *ret, which the caller has zeroed; its process is freed with
 * proc_info__free(). Times are CLOCK_MONOTONIC still. 0, -EBADMSG, or -ENOMEM.
 */
int decode__state(const void *data, size_t size, struct state_report *ret,
		  struct decode_caller *ret_caller);

void conflict__free(struct conflict_report *report); /* what it holds; accepts NULL */

#endif
