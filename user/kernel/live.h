/* SPDX-License-Identifier: GPL-2.0-only */
/* The live hooks: attach, receive, count what was lost. */
#ifndef BINDTRACE_KERNEL_LIVE_H
#define BINDTRACE_KERNEL_LIVE_H

#include "../options.h"
#include "../output/output.h"
#include "features.h"

struct live;

struct live_filter {
	const struct port_set *ports; /* NULL or empty: all */
	uint32_t netns;		      /* inode number; 0: all */
	uint32_t reader_pidns;	      /* see pidns__of_proc() */
	const int *pids;	      /* these and their descendants, as /proc has them */
	size_t n_pids;		      /* 0: everyone; at most 64 */
	const char *comm;	      /* NULL: any */
	const uint32_t *uid;	      /* NULL: any */
	const char *cgroup;	      /* directory of a cgroup v2 subtree; NULL: any */
	bool all;		      /* successful binds too */
	bool states;		      /* state changes too */
	uint16_t family;	      /* 0: any */
	uint16_t protocol;	      /* 0: any */
};

/* What a run sees beside TCP's conflict test of bind() and listen(), by the hooks attached. */
enum live_sight {
	SEES_CONNECT = 1 << 0, /* refused connect() */
	SEES_UDP = 1 << 1,     /* UDP's own test */
	SEES_BINDS = 1 << 2,   /* what else bind() returns: other errors, and success */
	SEES_STATES = 1 << 3,  /* changes of TCP states; only when the filter wants them */
	SEES_FORMER = 1 << 4,  /* who closed a connection */
	SEES_PAIR = 1 << 5,    /* the pair that the kernel names; only with cross_check */
	SEES_SCTP = 1 << 6,    /* that a bind() of SCTP is refused; only where the module is */
	SEES_PING = 1 << 7,    /* that a bind() of a ping socket is refused */
};

/* A record as it came; data is valid during the call only. Not 0 ends the drain and is returned. */
typedef int (*live_record_fn)(void *ctx, const void *data, size_t size);

/*
 * Attaches the hooks. kind AUTO takes fexit and falls back to kprobes where the kernel cannot
 * attach it. 0, -ENOENT (the kernel's BTF has not the functions), or -errno of libbpf: that of
 * fexit when neither can be attached.
 */
int live__open(const struct features *features, const struct live_filter *filter,
	       enum hook_kind kind, bool cross_check, struct live **ret);
void live__free(struct live *live); /* accepts NULL */

/* An error of live__open() in words. */
const char *live__error_text(int err);

/* For people: "fexit inet_csk_bind_conflict, ..." */
const char *live__hooks(const struct live *live);
unsigned live__sees(const struct live *live); /* enum live_sight */
/* Why kprobes were taken instead of fexit: -errno, 0 when they were not, or were asked for. */
int live__fallback_error(const struct live *live);
int live__fd(const struct live *live); /* readable when there are records */
/* The maps of former owners, for former__of_maps(); they stay the live run's. */
void live__memory_fds(const struct live *live, int *ret_former, int *ret_exes);
/*
 * Calls fn for the records that are there, for a tenth of a second at most. 0; 1: there may be
 * more; or what fn returned (less than 0).
 */
int live__drain(struct live *live, live_record_fn fn, void *ctx);
/*
 * From here on no hook sees anything: what was seen is in the ring and the counters, and adds up.
 * Kernels with nohz_full do not wait for hooks that are under way: a last call may miss then.
 */
void live__close(struct live *live);

/*
 * Sums the hooks' counters, all but `skipped`. Runs that the kernel itself skipped are lost where a
 * hook runs for refusals alone. 0 or -errno.
 */
int live__count(const struct live *live, struct run_stop *ret);

/* Skipped runs of the hooks that run for every call; a system call for each of them. */
uint64_t live__skipped(const struct live *live);

#endif
