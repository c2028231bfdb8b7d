// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ask.h"
#include "clock.h"
#include "confine.h"
#include "explain.h"
#include "gone.h"
#include "kernel/device.h"
#include "kernel/diag.h"
#include "kernel/features.h"
#include "kernel/former.h"
#include "kernel/hooks_off.h"
#include "kernel/netns.h"
#include "kernel/netns_iter.h"
#include "kernel/owner_iter.h"
#include "kernel/permission.h"
#include "kernel/walk.h"
#include "log.h"
#include "oneshot.h"
#include "sink.h"
#include "start.h"
#include "waiting.h"

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

static int list_sockets(const struct oneshot *shot, uint16_t port, struct snapshot *snap,
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
		return walk__protocol(second->shot->walk, second->shot->opts->protocol,
				      second->port, ret);
	return list_sockets(second->shot, second->port, ret, &bound_visible);
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

static int take_evidence(struct oneshot *shot, uint16_t port, struct port_report *report,
			 bool *ret_bound_visible)
{
	struct snapshot *snap = &report->snap;
	int err;

	*ret_bound_visible = true;
	if (shot->walk) {
		err = walk__protocol(shot->walk, shot->opts->protocol, port, snap);
		log__took("the walk", &shot->clock);
		if (!err)
			err = find_owners(shot, port, snap);
		if (!err && shot->former)
			err = former__fill(shot->former, &shot->owners, snap);
		return err;
	}
	err = list_sockets(shot, port, snap, ret_bound_visible);
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

static int report_port(struct oneshot *shot, uint16_t port, struct ask *ask)
{
	struct port_report report = {};
	int err;

	snapshot__init(&report.snap);
	log__took("what bind() looks at before the port", &shot->clock);
	err = take_evidence(shot, port, &report, &ask->bound_visible);
	if (err)
		goto out;
	err = name_netns(shot, &report.snap);
	if (!err)
		err = device__name_all(&report.snap, ask->ifindex);
	if (err)
		goto out;
	report.time_ns = clock__now_ns();
	if (shot->sparse && !report.snap.n_socks)
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

/* Would every bind asked about succeed now? Owners and causes are not needed for that. */
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
		err = list_sockets(waiter->shot, port, snap, bound_visible);
		if (!err)
			diag__copy_options(snap, &waiter->first);
		return err;
	}
	err = take_evidence(waiter->shot, port, report, bound_visible);
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
	err = waiter->shot->walk ? walk__protocol(waiter->shot->walk, waiter->shot->opts->protocol,
						  port, &report.snap)
				 : look_without_bpf(waiter, port, &report);
	if (!err)
		err = ask__what_ifs(ask, &report);
	if (!err)
		*ret_free = ask__is_free(&report);
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

/* --wait. What is reported afterwards is the port as it is then: free, or what still stands. */
static int wait_for_ports(struct oneshot *shot, struct ask *ask)
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

static int report_ports(void *ctx)
{
	struct oneshot *shot = ctx;
	struct ask ask;
	int err = ask__open(shot->opts, &ask);

	shot->have_device |= !err;
	if (!err && shot->opts->wait)
		err = wait_for_ports(shot, &ask);
	port_set__for_each(port, &shot->opts->ports)
	{
		if (err)
			break;
		err = report_port(shot, port, &ask);
	}
	return err;
}

/* Namespaces that --netns all could not look into. */
struct unread {
	size_t n;
	int err; /* why, of the last one */
};

static int open_listed(const struct netns_entry *entry, int *ret_fd)
{
	int err = netns__open_entry(entry, ret_fd);

	/* The process by which it was found has gone, or left it: others may still be in it. */
	if (err == -ENOENT || err == -ESRCH || err == -ESTALE)
		err = netns__open_inode(entry->inode, ret_fd);
	return err;
}

/* fn(shot) inside of it, which is named and known by whom the list has found there. */
static int run_in_listed(struct oneshot *shot, const struct netns_entry *entry, int fd,
			 int (*fn)(void *ctx))
{
	int err;

	shot->netns_name = entry->name;
	shot->netns_pid = entry->pid;
	err = netns__run_in(fd, fn, shot);
	shot->netns_name = NULL;
	shot->netns_pid = 0;
	close(fd);
	return err;
}

static int report_listed(struct oneshot *shot, const struct netns_entry *entry,
			 struct unread *unread)
{
	int fd, err = open_listed(entry, &fd);
	bool opened = !err;

	if (err == -ENOENT || err == -ENOMEM)
		return err == -ENOENT ? 0 : err; /* gone, with its last process */
	if (opened)
		err = run_in_listed(shot, entry, fd, report_ports);
	if (err == -ENODEV && shot->opts->device)
		return 0; /* no socket in there is bound to it, and none can be */
	if (opened && err != -EACCES && err != -EPERM)
		return err;
	unread->n++;
	unread->err = err;
	return 0;
}

/* Something refused is an answer all the same. */
static void tell_unread(struct oneshot *shot, const struct netns_list *list,
			const struct unread *unread)
{
	int err = unread->n ? unread->err : list->hidden_err;
	bool denied = err == -EACCES || err == -EPERM;
	char what[64] = "", whose[64] = "";

	if (unread->n)
		snprintf(what, sizeof(what), "%zu network namespace%s%s", unread->n,
			 unread->n == 1 ? "" : "s", list->hidden ? " and " : "");
	if (list->hidden)
		snprintf(whose, sizeof(whose), "those of %zu process%s", list->hidden,
			 list->hidden == 1 ? "" : "es");
	if (!*what && !*whose)
		return;
	log__line("--netns all: %s%s could not be read: %s%s", what, whose, strerror(-err),
		  !denied     ? ""
		  : geteuid() ? "; run as root"
			      : "; it takes CAP_SYS_PTRACE and CAP_SYS_ADMIN");
	if (shot->status != EXIT_REFUSED)
		shot->status = denied ? EXIT_NOT_PERMITTED : EXIT_RUNTIME;
}

/* Ports that nobody has anywhere: the namespace we are in answers for them. */
static int report_rest(void *ctx)
{
	struct oneshot *shot = ctx;
	struct ask ask;
	int err = ask__open(shot->opts, &ask);

	shot->sparse = false;
	port_set__for_each(port, &shot->opts->ports)
	{
		if (err)
			break;
		if (!port_set__has(&shot->shown, port))
			err = report_port(shot, port, &ask);
	}
	return err;
}

/* Our own namespace has not got the device: the first one that has it. */
static int report_rest_elsewhere(struct oneshot *shot, const struct netns_list *list)
{
	int err = -ENODEV;

	for (size_t i = 0; err && i < list->n; i++) {
		int fd;

		if (!open_listed(&list->entries[i], &fd))
			err = run_in_listed(shot, &list->entries[i], fd, report_rest);
	}
	return err;
}

static int report_all_netns(struct oneshot *shot)
{
	struct netns_list list = {};
	struct unread unread = {.n = 0};
	int err = netns__list_all(&list);

	/* Best effort, where BPF is: without it such a namespace can't be told from any other. */
	if (!err && shot->walk)
		netns_list__add_of_sockets(&list, &shot->features);
	shot->sparse = true;
	for (size_t i = 0; !err && i < list.n && !shot->interrupted; i++)
		err = report_listed(shot, &list.entries[i], &unread);
	if (!err && !shot->interrupted)
		err = report_rest(shot);
	if (err == -ENODEV && shot->have_device)
		err = report_rest_elsewhere(shot, &list);
	if (!err)
		tell_unread(shot, &list, &unread);
	/* Those that it has not come to may have the port. */
	if (shot->interrupted && shot->status == EXIT_OK)
		shot->status = EXIT_RUNTIME;
	netns_list__free(&list);
	return err;
}

static int report_one_netns(struct oneshot *shot)
{
	const struct options *opts = shot->opts;
	int fd, err;

	if (opts->netns == NETNS_DEFAULT || opts->netns == NETNS_SELF)
		return report_ports(shot);
	err = netns__open(opts->netns, opts->netns_arg, opts->netns_pid, &fd);
	if (err) {
		shot->status = start__netns_error(opts, err);
		return 0;
	}
	shot->netns_name = opts->netns == NETNS_NAME ? opts->netns_arg : NULL;
	shot->netns_pid = opts->netns == NETNS_PID ? opts->netns_pid : 0;
	err = netns__run_in(fd, report_ports, shot);
	close(fd);
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
	err = opts->netns == NETNS_ALL ? report_all_netns(shot) : report_one_netns(shot);
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
