// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "confine.h"
#include "explain.h"
#include "gone.h"
#include "kernel/device.h"
#include "kernel/diag.h"
#include "kernel/former.h"
#include "kernel/hooks_off.h"
#include "kernel/netns.h"
#include "kernel/owner_iter.h"
#include "kernel/permission.h"
#include "log.h"
#include "oneshot.h"
#include "oneshot_parts.h"
#include "waiting.h"

/* The worst answer of several ports and namespaces is the one that counts. */
static void note_answer(struct oneshot *shot, const struct port_report *report)
{
	enum tri free = ask__is_free(report);

	if (free == TRI_NO)
		shot->status = EXIT_REFUSED;
	else if (free == TRI_UNKNOWN && shot->status == EXIT_OK)
		shot->status = EXIT_RUNTIME;
}

static const char *diag_note(const struct oneshot *shot, bool bound_visible)
{
	if (shot->features.lack == LACK_PERMISSION && geteuid())
		return bound_visible
			       ? "Run as root, bindtrace also shows the owners of other users' "
				 "sockets and the "
				 "SO_REUSEADDR of every socket, TIME_WAIT included."
			       : "Run as root, bindtrace also shows sockets that are bound but do "
				 "not listen, the "
				 "owners "
				 "of other users' sockets and the SO_REUSEADDR of every socket.";
	if (features__is_refused(&shot->features))
		return bound_visible
			       ? "Where BPF is permitted, bindtrace also shows the SO_REUSEADDR of "
				 "every socket, TIME_WAIT included."
			       : "Where BPF is permitted, bindtrace also shows sockets that are "
				 "bound but do not listen, and the SO_REUSEADDR of every socket.";
	return bound_visible
		       ? "A kernel with BPF tracing would also tell the SO_REUSEADDR and "
			 "SO_REUSEPORT of TIME_WAIT and orphaned sockets."
		       : "A kernel with BPF tracing would also show sockets that are bound but "
			 "do not listen, and the options of TIME_WAIT sockets.";
}

int oneshot__list_sockets(const struct oneshot *shot, uint16_t port, struct snapshot *snap,
			  bool *ret_bound_visible)
{
	snap->kernel = shot->features.rules;
	snap->protocol = shot->opts->protocol;
	return diag__sockets(snap, port, ret_bound_visible);
}

struct second_look {
	struct oneshot *shot;
	uint16_t port;
};

static int look_again(void *ctx, struct snapshot *ret)
{
	const struct second_look *second = ctx;
	bool bound_visible;

	if (second->shot->walk)
		return walk__port(second->shot->walk, second->shot->opts->protocol, second->port,
				  ret);
	return oneshot__list_sockets(second->shot, second->port, ret, &bound_visible);
}

/* Only for sockets that a process can have: to load it is a good part of what a run takes. */
static void open_iter(struct oneshot *shot, const struct snapshot *snap)
{
	const struct options *opts = shot->opts;
	size_t wanted = 0;

	for (size_t i = 0; i < snap->n_socks; i++)
		wanted += snap->socks[i].inode != 0;
	if (!wanted || !shot->walk || shot->iter_tried)
		return;
	shot->iter_tried = true;
	/* The next port, or namespace, may have any number of them. */
	if (opts->ports.count > 1 || opts->netns == NETNS_ALL)
		wanted = SIZE_MAX;
	if (owner_iter__open(&shot->features, wanted, &shot->iter))
		return;
	shot->owners.scan = owner_iter__scan;
	shot->owners.ctx = shot->iter;
}

static int find_owners(struct oneshot *shot, uint16_t port, struct snapshot *snap)
{
	struct second_look second = {.shot = shot, .port = port};
	int err;

	open_iter(shot, snap);
	log__took("loading the search for owners", &shot->clock);
	err = owner__lookup(&shot->owners, snap, NULL, 0);
	if (!err)
		err = gone__forget(snap, NULL, 0, look_again, &second);
	log__took("the search for owners", &shot->clock);
	return err;
}

int oneshot__take_evidence(struct oneshot *shot, uint16_t port, struct port_report *report,
			   bool *ret_bound_visible)
{
	struct snapshot *snap = &report->snap;
	int err;

	*ret_bound_visible = true;
	if (shot->walk) {
		err = walk__port(shot->walk, shot->opts->protocol, port, snap);
		log__took("the walk", &shot->clock);
		if (!err)
			err = find_owners(shot, port, snap);
		if (!err && shot->former)
			err = former__fill(shot->former, &shot->owners, snap);
		return err;
	}
	err = oneshot__list_sockets(shot, port, snap, ret_bound_visible);
	if (!err)
		err = find_owners(shot, port, snap);
	if (err)
		return err;
	diag__read_options(snap);
	snap->netns = netns__own_inode();
	snapshot__set_roles(snap);
	report->note = diag_note(shot, *ret_bound_visible);
	return 0;
}

static const char udp_note[] =
	"More than ten UDP sockets share this port's slot of the kernel's table: kernels without "
	"a fix of 2026 then let a bind to a wildcard pass sockets that are bound to one address.";

static void add_udp_note(struct port_report *report)
{
	for (size_t i = 0; i < report->n_what_ifs && !report->note; i++) {
		const struct what_if *what_if = &report->what_ifs[i];

		if (what_if->verdict.refused == TRI_YES && !what_if->facts.error &&
		    rules__may_miss(&report->snap, &what_if->req))
			report->note = udp_note;
	}
}

static int explain_all(struct port_report *report)
{
	int err = 0;

	for (size_t i = 0; !err && i < report->n_what_ifs; i++) {
		struct what_if *what_if = &report->what_ifs[i];

		err = verdict__explain_asked(&what_if->verdict, &report->snap, &what_if->req,
					     &what_if->facts, what_if->otherwise);
	}
	return err;
}

/* By the name of `ip netns`; one that has none, and is not our own, by a process in it. */
static int name_netns(const struct oneshot *shot, struct snapshot *snap)
{
	snap->netns_name =
		shot->netns_name ? strdup(shot->netns_name) : netns__name_of(snap->netns);
	if (snap->netns_name || shot->netns_pid <= 0 || snap->netns == shot->own_netns)
		return 0;
	snap->netns_member = calloc(1, sizeof(*snap->netns_member));
	if (!snap->netns_member)
		return -ENOMEM;
	snap->netns_member->pid = shot->netns_pid;
	return proc_info__read(&shot->owners, snap->netns_member);
}

int oneshot__report_port(struct oneshot *shot, uint16_t port, struct ask *ask)
{
	struct port_report report = {};
	int err;

	snapshot__init(&report.snap);
	log__took("what bind() looks at before the port", &shot->clock);
	err = oneshot__take_evidence(shot, port, &report, &ask->bound_visible);
	if (err)
		goto out;
	err = name_netns(shot, &report.snap);
	if (!err)
		err = device__name_all(&report.snap, ask->ifindex);
	if (err)
		goto out;
	report.time_ns = clock__now_ns();
	if (shot->sparse && !report.snap.n_socks && !report.snap.truncated)
		goto out;
	err = ask__what_ifs(ask, &report);
	if (!err)
		err = explain_all(&report);
	add_udp_note(&report);
	if (!err)
		err = sink__port(&shot->sink, &report);
	if (!err)
		note_answer(shot, &report);
	port_set__add(&shot->shown, port);
	log__took("the report", &shot->clock);
out:
	ask__free(&report);
	return err;
}

int oneshot__report_ports(void *ctx)
{
	struct oneshot *shot = ctx;
	struct ask ask;
	int err = ask__open(shot->opts, &ask);

	shot->have_device |= !err;
	if (!err && shot->opts->wait)
		err = oneshot__wait_for_ports(shot, &ask);
	port_set__for_each(port, &shot->opts->ports)
	{
		if (err)
			break;
		err = oneshot__report_port(shot, port, &ask);
	}
	return err;
}

static void tell_lack(const struct oneshot *shot)
{
	if (!shot->opts->quiet)
		log__line("%s; answering from inet_diag and /proc",
			  features__lack_text(shot->features.lack));
}

static void open_bpf(struct oneshot *shot)
{
	int err;

	shot->owners = (struct owner_source){.proc_root = "/proc", .cgroup_root = "/sys/fs/cgroup"};
	if (shot->features.lack) {
		tell_lack(shot);
		return;
	}
	err = walk__open(&shot->features, shot->opts->protocol, &shot->walk);
	if (err == -EPERM && permission__is_memlock_short()) {
		shot->features.lack = LACK_PERMISSION;
		tell_lack(shot);
		return;
	}
	if (err) {
		log__line("cannot load the walk (%s; -vv shows why); answering from inet_diag and "
			  "/proc",
			  strerror(-err));
		return;
	}
	shot->former = former__open_published();
}

/* Who asks in a container mostly means a port that the host has published for it. */
static void tell_container(const struct oneshot *shot)
{
	const struct options *opts = shot->opts;

	if (shot->status != EXIT_REFUSED && opts->netns == NETNS_DEFAULT && !opts->wait &&
	    !opts->quiet && permission__in_container() && permission__in_other_netns())
		log__line("this container has ports of its own; ask about the host's, published "
			  "ones included, on the host");
}

static void explain_failure(struct oneshot *shot, int err)
{
	const struct options *opts = shot->opts;

	if (err == -ENODEV && opts->device) {
		log__line("--device %s: no such device in that network namespace; `ip link` lists "
			  "them",
			  opts->device);
		shot->status = EXIT_USAGE;
	} else if (err == -EPROTONOSUPPORT || err == -EPFNOSUPPORT || err == -ESOCKTNOSUPPORT) {
		log__line("--proto: this kernel has no such protocol (UDP-Lite went with 7.1)");
		shot->status = EXIT_KERNEL;
	} else if (err == -EPERM || err == -EACCES) {
		log__line("not permitted to enter that network namespace; run as root");
		shot->status = EXIT_NOT_PERMITTED;
	} else {
		shot->status = start__report_error(err);
	}
}

static int report(struct oneshot *shot)
{
	const struct options *opts = shot->opts;
	int err;

	shot->own_netns = netns__own_inode();
	err = sink__open(opts, stdout, shot->own_netns, &shot->sink);
	if (err)
		return err;
	open_bpf(shot);
	log__took("loading the walk", &shot->clock);
	err = opts->netns == NETNS_ALL ? oneshot__report_all_netns(shot)
				       : oneshot__report_one_netns(shot);
	if (err)
		explain_failure(shot, err);
	else
		tell_container(shot);
	former__free(shot->former);
	owner_iter__free(shot->iter);
	walk__free(shot->walk);
	log__took("the end", &shot->clock);
	return sink__close(&shot->sink, shot->status);
}

int oneshot__run(const struct options *opts)
{
	struct oneshot shot = {
		.opts = opts, .status = EXIT_OK, .deadline_ns = waiting__deadline(opts->wait_s)};
	int status;

	confine__oneshot();
	log__took("", &shot.clock);
	status = start__features(opts, &shot.features);
	if (status)
		return status;
	log__took("the kernel's types", &shot.clock);
	status = report(&shot);
	features__release(&shot.features);
	return status;
}
