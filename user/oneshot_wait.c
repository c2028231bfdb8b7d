// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>
#include "kernel/diag.h"
#include "kernel/hooks_off.h"
#include "kernel/netns.h"
#include "log.h"
#include "oneshot_parts.h"
#include "waiting.h"

/*
 * Would every bind asked about succeed now, as far as can be seen? The report afterwards says what
 * could not. Owners and causes are not needed for that.
 */
struct waiter {
	struct oneshot *shot;
	struct ask *ask;
	struct port_set seen;  /* without BPF: ports that were looked at in full */
	struct snapshot first; /* what sockets those had */
};

/*
 * Reading an option duplicates an fd of the holder for a moment, and the port is not to be
 * disturbed 20 times a second: only the first look does it, and the report at the end.
 */
static int look_without_bpf(struct waiter *waiter, uint16_t port, struct port_report *report)
{
	struct snapshot *snap = &report->snap;
	bool *bound_visible = &waiter->ask->bound_visible;
	int err;

	if (port_set__has(&waiter->seen, port)) {
		err = oneshot__list_sockets(waiter->shot, port, snap, bound_visible);
		if (!err)
			diag__copy_options(snap, &waiter->first);
		return err;
	}
	err = oneshot__take_evidence(waiter->shot, port, report, bound_visible);
	for (size_t i = 0; !err && i < snap->n_socks; i++) {
		struct snap_sock *sock = snapshot__add_sock(&waiter->first);

		if (!sock)
			return -ENOMEM;
		*sock = snap->socks[i];
		sock->former_owner = NULL;
	}
	port_set__add(&waiter->seen, port);
	return err;
}

static int check_port(struct waiter *waiter, uint16_t port, enum tri *ret_free)
{
	struct port_report report = {};
	struct ask *ask = waiter->ask;
	int err;

	snapshot__init(&report.snap);
	err = waiter->shot->walk ? walk__port(waiter->shot->walk, waiter->shot->opts->protocol,
					      port, &report.snap)
				 : look_without_bpf(waiter, port, &report);
	if (!err)
		err = ask__what_ifs(ask, &report);
	if (!err)
		/* What could not be read to its end is read again. */
		*ret_free = ask__sees_obstacle(&report) ? TRI_NO
			    : report.snap.truncated	? TRI_UNKNOWN
							: TRI_YES;
	ask__free(&report);
	return err;
}

/* Like the first line of a live run. */
static void tell_waiting(struct oneshot *shot)
{
	const struct options *opts = shot->opts;
	char what[32] = "these ports", limit[40] = "";

	if (shot->told_waiting || opts->quiet || opts->json)
		return;
	shot->told_waiting = true;
	for (uint32_t port = 1; opts->ports.count == 1 && port <= 65535; port++)
		if (port_set__has(&opts->ports, port))
			snprintf(what, sizeof(what), "port %u", port);
	if (opts->wait_s > 0)
		snprintf(limit, sizeof(limit), ", %g s at most", opts->wait_s);
	log__line("waiting for %s%s; Ctrl-C ends it", what, limit);
}

static int check_ports(void *ctx, enum tri *ret_free)
{
	struct waiter *waiter = ctx;
	int err = 0;

	*ret_free = TRI_YES;
	/* It ends some day, and no hook tells. */
	if (waiter->ask->conditions.facts.address_tentative == TRI_YES)
		ask__read_conditions(waiter->ask);
	port_set__for_each(port, &waiter->shot->opts->ports)
	{
		if (err || *ret_free != TRI_YES)
			break;
		err = check_port(waiter, port, ret_free);
	}
	if (!err && *ret_free != TRI_YES)
		tell_waiting(waiter->shot);
	return err;
}

/* A port that is refused for what waiting does not change: the report says why, at once. */
static bool is_hopeless(const struct oneshot *shot, const struct ask *ask)
{
	port_set__for_each(port, &shot->opts->ports)
	{
		if (ask__is_hopeless(ask, port))
			return true;
	}
	return false;
}

int oneshot__wait_for_ports(struct oneshot *shot, struct ask *ask)
{
	struct waiter waiter = {.shot = shot, .ask = ask};
	struct wait *wait = NULL;
	int err;

	if (is_hopeless(shot, ask))
		return 0;
	snapshot__init(&waiter.first);
	if (shot->walk && !hooks_off__why(shot->opts->hooks == HOOKS_KPROBE) &&
	    wait__open(&shot->features, &shot->opts->ports, (uint32_t)netns__own_inode(),
		       shot->opts->hooks, &wait))
		wait = NULL; /* no hooks here: looked at 20 times a second instead */
	err = waiting__run(check_ports, &waiter, wait, shot->deadline_ns);
	wait__free(wait);
	snapshot__free(&waiter.first);
	ask__read_conditions(ask);
	shot->interrupted = err == -EINTR;
	return err == -ETIMEDOUT || err == -EINTR ? 0 : err;
}
