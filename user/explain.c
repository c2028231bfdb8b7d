// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "explain.h"
#include "gone.h"
#include "kernel/decode.h"
#include "kernel/device.h"
#include "kernel/netns.h"
#include "kernel/sysctl.h"

/* A CLOCK_MONOTONIC stamp translated to CLOCK_REALTIME. */
static int64_t realtime_of_ns(int64_t monotonic_ns)
{
	return monotonic_ns + clock__now_ns() - clock__monotonic_ns();
}

/* What only code inside the network namespace of the call can read. */
struct inside {
	const struct explainer *explainer;
	struct conflict_report *report;
	struct snapshot walked;
	char device[IF_NAMESIZE]; /* name_device() */
};

/* There is no one port to look at, but the range. */
static bool wants_usage(const struct conflict_report *report)
{
	return usage__is_wanted(&report->snap, &report->req, &report->facts);
}

static int look_at_range(struct inside *inside)
{
	const struct snapshot *snap = &inside->report->snap;
	struct walk *walk = inside->explainer->walk;

	if (snap->protocol != PROTO_TCP)
		return walk__port(walk, snap->protocol, 0, &inside->walked);
	return walk__range(walk, snap->ephemeral_low, snap->ephemeral_high, &inside->walked);
}

static int look_inside(void *ctx)
{
	struct inside *inside = ctx;
	struct conflict_report *report = inside->report;
	struct snapshot *snap = &report->snap;
	struct walk *walk = inside->explainer->walk;
	int err;

	sysctl__port_range(&snap->ephemeral_low, &snap->ephemeral_high);
	err = device__name_all(snap, report->req.ifindex);
	if (err)
		return err;
	if (report->facts.stage != STAGE_TEST)
		sysctl__refusal_facts(&report->req, &report->facts);
	if (!walk)
		return 0;
	if (wants_usage(report)) {
		report->have_usage = sysctl__reserved_ports(report->reserved);
		return look_at_range(inside);
	}
	if (!snap->truncated)
		return 0;
	err = walk__port(walk, snap->protocol, snap->port, &inside->walked);
	return err ?: device__name_all(&inside->walked, 0);
}

static int name_device(void *ctx)
{
	struct inside *inside = ctx;

	if (!if_indextoname(inside->report->req.ifindex, inside->device))
		inside->device[0] = '\0';
	return 0;
}

static int open_netns_of(const struct conflict_report *report, int *ret_fd)
{
	uint64_t inode;
	int fd;

	if (!netns__open(NETNS_PID, NULL, report->process.pid, &fd)) {
		if (!netns__inode(fd, &inode) && inode == report->snap.netns) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
	}
	return netns__open_inode(report->snap.netns, ret_fd);
}

/*
 * Adds what the walk found and the hook had no room for. The sockets that the hook saw stay, even
 * those that have gone meanwhile: they were there when the kernel refused.
 */
static int merge(struct snapshot *snap, struct snapshot *walked)
{
	size_t seen = snap->n_socks;
	int32_t l3mdev = snap->n_buckets ? snap->buckets[0].l3mdev : 0;

	for (size_t i = 0; i < walked->n_socks; i++) {
		const struct snap_sock *from = &walked->socks[i];
		struct snap_sock *to;

		if (walked->n_buckets && walked->buckets[from->bucket].l3mdev != l3mdev)
			continue;
		to = snapshot__add_sock(snap);
		if (!to)
			return -ENOMEM;
		*to = *from;
		to->bucket = 0;
	}
	for (size_t i = 0; i < walked->n_devices; i++) {
		const struct snap_device *device = &walked->devices[i];

		if (snapshot__add_device(snap, device->ifindex, device->name))
			return -ENOMEM;
	}
	if (seen)
		snapshot__drop_duplicates(snap);
	snap->truncated = walked->truncated;
	snap->evidence = walked->evidence;
	snap->total = snap->n_socks;
	return 0;
}

/* The range's sockets instead of a port's: only their sum is shown. */
static int take_usage(const struct explainer *explainer, struct conflict_report *report,
		      struct snapshot *walked)
{
	int err = owner__lookup(&explainer->owners, walked, NULL, 0);

	if (!err)
		err = usage__sum(walked, &report->req, report->reserved, &report->usage);
	if (err)
		return err;
	/* The holders' names are wanted, the sockets are not: they are thousands. */
	if (!usage__covers(&report->usage))
		walked->evidence = EVIDENCE_RACED;
	walked->n_socks = 0;
	walked->n_holds = 0;
	walked->ephemeral_low = report->snap.ephemeral_low;
	walked->ephemeral_high = report->snap.ephemeral_high;
	walked->kernel = report->snap.kernel;
	walked->netns = report->snap.netns;
	walked->netns_name = report->snap.netns_name;
	report->snap.netns_name = NULL;
	walked->devices = report->snap.devices;
	walked->n_devices = report->snap.n_devices;
	report->snap.devices = NULL;
	report->snap.n_devices = 0;
	snapshot__free(&report->snap);
	report->snap = *walked;
	snapshot__init(walked);
	return 0;
}

static int use_walked(const struct explainer *explainer, struct conflict_report *report,
		      struct snapshot *walked)
{
	if (wants_usage(report))
		return report->have_usage ? take_usage(explainer, report, walked) : 0;
	if (walked->evidence == EVIDENCE_NONE) {
		if (report->snap.truncated)
			report->snap.evidence = EVIDENCE_RACED;
		return 0;
	}
	return merge(&report->snap, walked);
}

static int run_inside(const struct conflict_report *report, int (*look)(void *),
		      struct inside *inside)
{
	int fd, err;

	if (report->snap.netns == inside->explainer->own_netns)
		return look(inside);
	err = open_netns_of(report, &fd);
	if (err)
		return err;
	err = netns__run_in(fd, look, inside);
	close(fd);
	return err;
}

static int complete(const struct explainer *explainer, struct conflict_report *report)
{
	struct inside inside = {.explainer = explainer, .report = report};
	int err;

	snapshot__init(&inside.walked);
	inside.walked.evidence = EVIDENCE_NONE;
	err = run_inside(report, look_inside, &inside);
	if (!err)
		err = use_walked(explainer, report, &inside.walked);
	else if (report->snap.truncated)
		report->snap.evidence = EVIDENCE_RACED;
	snapshot__free(&inside.walked);
	/* The namespace may be gone by now: the evidence of the hook still stands. */
	return err == -ENOMEM ? err : 0;
}

static enum tri compare(const struct conflict_report *report, uint64_t named)
{
	if (!named)
		return TRI_UNKNOWN;
	for (size_t i = 0; i < report->verdict.n_blockers; i++) {
		if (report->snap.socks[report->verdict.blockers[i].sock].id == named)
			return TRI_YES;
	}
	return TRI_NO;
}

/* Some socket on the very port asked for is to blame. */
static bool explained_by_sockets(const struct conflict_report *report)
{
	return report->facts.stage == STAGE_TEST
		       ? report->req.port != 0
		       : report->req.call == CALL_CONNECT && report->facts.stage == STAGE_CONNECT &&
				 report->req.port != 0;
}

int report__judge(struct conflict_report *report)
{
	if (!explained_by_sockets(report)) {
		report->verdict.refused = TRI_YES;
		return 0;
	}
	if (report->req.call == CALL_CONNECT)
		return rules__judge_connect(&report->snap, &report->req, &report->verdict);
	return rules__judge(&report->snap, &report->req, true, &report->verdict);
}

int report__explain(struct conflict_report *report)
{
	if (explained_by_sockets(report))
		return verdict__explain(&report->verdict, &report->snap, &report->req);
	return verdict__explain_refusal(&report->verdict, &report->snap, &report->req,
					&report->facts, report->have_usage ? &report->usage : NULL);
}

static int walk_again(void *ctx)
{
	struct inside *inside = ctx;
	const struct snapshot *snap = &inside->report->snap;

	return walk__port(inside->explainer->walk, snap->protocol, snap->port, &inside->walked);
}

static int look_again(void *ctx, struct snapshot *ret)
{
	struct inside *inside = ctx;
	int err = -ENOTSUP;

	snapshot__init(&inside->walked);
	if (inside->explainer->walk)
		err = run_inside(inside->report, walk_again, inside);
	*ret = inside->walked;
	return err;
}

static int find_owners(const struct explainer *explainer, struct conflict_report *report)
{
	struct inside inside = {.explainer = explainer, .report = report};
	size_t n = report->verdict.n_blockers;
	uint32_t *socks;
	int err;

	if (!n)
		return 0;
	socks = calloc(n, sizeof(*socks));
	if (!socks)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		socks[i] = report->verdict.blockers[i].sock;
	err = owner__lookup(&explainer->owners, &report->snap, socks, n);
	if (!err)
		err = gone__forget(&report->snap, socks, n, look_again, &inside);
	free(socks);
	return err;
}

/* The cgroup that made the call, by its number; what /proc says may be of a moment later. */
static void name_cgroup(const struct explainer *explainer, struct proc_info *process, uint64_t id)
{
	char *path = cgroup__path_of_id(&explainer->owners, id);

	if (!path)
		return;
	if (process->cgroup && !strcmp(process->cgroup, path)) {
		free(path);
		return;
	}
	free(process->cgroup);
	free(process->unit);
	free(process->container);
	process->cgroup = path;
	process->unit = cgroup__unit(path);
	process->container = cgroup__container(path);
}

/* What the record does not have, from /proc where that is the very process. */
static int describe_caller(const struct explainer *explainer, struct proc_info *process,
			   const struct decode_caller *caller)
{
	int err = 0;

	if (caller->visible)
		err = proc_info__read_started(&explainer->owners, process, caller->start_ns);
	if (!err)
		name_cgroup(explainer, process, caller->cgroup_id);
	return err;
}

/*
 * Where no socket seen refuses, or not the one that the kernel named, something has changed since:
 * what blocked has gone before the walk, or a listener has left LISTEN (which the bucket's lock
 * does not prevent) between the kernel's look at it and the hook's.
 */
static void weigh(struct conflict_report *report)
{
	if (explained_by_sockets(report) &&
	    (!report->verdict.n_blockers || report->kernel_agrees == TRI_NO))
		report->snap.evidence = EVIDENCE_RACED;
}

int explain__record(const struct explainer *explainer, const struct folded *folded,
		    struct conflict_report *ret)
{
	struct decode_extra extra;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = decode__conflict(folded->data, folded->size, explainer->features->tick_ns, ret,
			       &extra);
	if (err)
		return err;
	/* First of all: the caller may exit any moment now. */
	err = describe_caller(explainer, &ret->process, &extra.caller);
	if (err)
		return err;
	ret->time_ns = realtime_of_ns(ret->time_ns);
	ret->first_time_ns = folded->count > 1 ? realtime_of_ns(folded->first_ns) : ret->time_ns;
	ret->count = folded->count;
	ret->again = folded->again;
	ret->snap.kernel = explainer->features->rules;
	ret->snap.netns_name = netns__name_of(ret->snap.netns);
	err = complete(explainer, ret);
	if (err)
		return err;
	snapshot__set_roles(&ret->snap);
	err = report__judge(ret);
	if (err)
		return err;
	ret->kernel_agrees = compare(ret, extra.named);
	weigh(ret);
	err = find_owners(explainer, ret);
	if (!err && explainer->former)
		err = former__fill(explainer->former, &explainer->owners, &ret->snap);
	if (err)
		return err;
	return report__explain(ret);
}

int explain__state(const struct explainer *explainer, const void *data, size_t size,
		   struct state_report *ret)
{
	struct decode_caller caller;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = decode__state(data, size, ret, &caller);
	if (err)
		return err;
	ret->time_ns = realtime_of_ns(ret->time_ns);
	ret->netns_name = netns__name_of(ret->netns);
	if (!ret->process.pid)
		return 0;
	/* A former owner may be another program by now: only what the record has is its own. */
	if (ret->former)
		caller.visible = false;
	return describe_caller(explainer, &ret->process, &caller);
}

int explain__bind(const struct explainer *explainer, const void *data, size_t size,
		  struct bind_report *ret)
{
	struct conflict_report report = {};
	struct inside inside = {.explainer = explainer, .report = &report};
	struct decode_extra extra;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = decode__conflict(data, size, explainer->features->tick_ns, &report, &extra);
	if (!err)
		err = describe_caller(explainer, &report.process, &extra.caller);
	if (!err) {
		ret->time_ns = realtime_of_ns(report.time_ns);
		ret->syscall = report.syscall;
		ret->protocol = report.snap.protocol;
		ret->req = report.req;
		ret->netns = report.snap.netns;
		ret->netns_name = netns__name_of(ret->netns);
		/* Without a name where the namespace has gone: a number means another device here.
		 */
		if (ret->req.ifindex && !run_inside(&report, name_device, &inside))
			memcpy(ret->device, inside.device, sizeof(ret->device));
		ret->process = report.process;
		memset(&report.process, 0, sizeof(report.process));
	}
	conflict__free(&report);
	return err;
}
