/* SPDX-License-Identifier: GPL-2.0-only */
/* `--port`, for the three files that it is made of: oneshot.c and those below. */
#ifndef BINDTRACE_ONESHOT_PARTS_H
#define BINDTRACE_ONESHOT_PARTS_H

#include "ask.h"
#include "kernel/features.h"
#include "kernel/walk.h"
#include "options.h"
#include "owner/owner.h"
#include "sink.h"
#include "start.h"

struct oneshot {
	const struct options *opts;
	struct features features;
	struct walk *walk;	 /* NULL: inet_diag */
	struct owner_iter *iter; /* NULL: /proc; opened when it is first needed */
	bool iter_tried;
	struct owner_source owners;
	struct former *former; /* of a live run on this host, or NULL */
	struct sink sink;
	const char *netns_name; /* of the namespace being looked at */
	int netns_pid;		/* a process that is in it, 0: none known */
	uint64_t own_netns;
	bool sparse;	       /* leave out namespaces that have nothing on the port */
	struct port_set shown; /* ports that were reported of some namespace */
	bool have_device;      /* some namespace has the one of --device */
	int64_t deadline_ns;   /* of --wait, for all namespaces together */
	bool told_waiting;     /* that it is on, to who sees nothing happen */
	bool interrupted;      /* that wait, by a signal */
	int64_t clock;	       /* of log__took() */
	enum exit_status status;
};

/* All return 0 or -errno. */

/* ---- oneshot.c ---- */

/* The sockets, with nobody's names; *bound_visible: those that are bound only, too. */
int oneshot__list_sockets(const struct oneshot *shot, uint16_t port, struct snapshot *snap,
			  bool *ret_bound_visible);
/* The same with all that is known of them. */
int oneshot__take_evidence(struct oneshot *shot, uint16_t port, struct port_report *report,
			   bool *ret_bound_visible);
int oneshot__report_port(struct oneshot *shot, uint16_t port, struct ask *ask);
/* All ports, in the network namespace that the thread is in; ctx: the struct oneshot. */
int oneshot__report_ports(void *ctx);

/* ---- oneshot_wait.c: --wait ---- */

/* What is reported afterwards is the port as it is then: free, or what still stands. */
int oneshot__wait_for_ports(struct oneshot *shot, struct ask *ask);

/* ---- oneshot_netns.c: in which network namespaces ---- */

int oneshot__report_all_netns(struct oneshot *shot);
int oneshot__report_one_netns(struct oneshot *shot);

#endif
