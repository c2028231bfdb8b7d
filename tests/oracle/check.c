// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#include "check.h"
#include "model/rules.h"

#define LOOPBACK4_IPV6 0x7f000006 /* what an IPv6 socket has in sk_rcv_saddr */

bool disagree(struct oracle *oracle, const char *format, ...)
{
	va_list args;

	if (oracle->why[0])
		return false;
	va_start(args, format);
	vsnprintf(oracle->why, sizeof(oracle->why), format, args);
	va_end(args);
	return false;
}

static bool is_any(const uint8_t addr[16])
{
	static const uint8_t any[16];

	return !memcmp(addr, any, sizeof(any));
}

struct sock_spec caller_spec(const struct trial *trial)
{
	struct sock_spec spec = trial->bind;

	if (trial->late.reuseaddr >= 0)
		spec.reuseaddr = trial->late.reuseaddr;
	if (trial->late.reuseport >= 0)
		spec.reuseport = trial->late.reuseport;
	if (trial->late.uid >= 0)
		spec.uid = trial->late.uid;
	return spec;
}

/* What has changed is there from the start, and stays. */
static struct trial with_caller(const struct trial *trial, const struct sock_spec *bind)
{
	struct sock_spec old = caller_spec(trial);
	struct trial again = *trial;

	again.bind = *bind;
	again.bind.reuseaddr = bind->reuseaddr || trial->bind.reuseaddr;
	again.bind.reuseport = bind->reuseport || trial->bind.reuseport;
	if (trial->late.reuseaddr >= 0 || !bind->reuseaddr)
		again.late.reuseaddr = bind->reuseaddr;
	if (trial->late.reuseport >= 0 || !bind->reuseport)
		again.late.reuseport = bind->reuseport;
	if (trial->late.uid >= 0 && bind->uid == old.uid)
		again.bind.uid = trial->bind.uid;
	else
		again.late.uid = -1;
	if (trial->kind != KIND_LISTEN)
		again.late = (struct late){.reuseaddr = -1, .reuseport = -1, .uid = -1};
	again.unbound = bind->no_port;
	return again;
}

/* The bind as the rule engine wants it, from the recipe: not from bindtrace's own code. */
static struct bind_request make_request(const struct trial *trial, uint16_t port)
{
	const struct sock_spec spec = caller_spec(trial), *bind = &spec;
	struct bind_request req = {
		.family = sock__family(bind->address),
		.port = port,
		.reuseaddr = bind->reuseaddr || bind->force,
		.reuseport = bind->reuseport,
		.force_reuse = bind->force,
		.has_group = bind->attach,
		.ifindex = net__ifindex(bind->device),
		.l3mdev = net__l3mdev(trial, bind->device),
		.uid = bind->uid > 0 ? bind->uid : 0,
	};
	uint8_t addr[16];
	bool mapped;

	req.inode_uid = req.uid;
	net__parse(bind->address, addr);
	mapped = strchr(bind->address, '.');
	if (req.family == AF_INET) {
		memcpy(req.addr.bytes, addr + 12, 4);
		memcpy(&req.v4_word_be, addr + 12, 4);
		return req;
	}
	memcpy(req.addr.bytes, addr, sizeof(addr));
	req.v6only = bind->v6only;
	if (mapped) {
		memcpy(&req.v4_word_be, addr + 12, 4);
	} else if (!is_any(addr)) {
		req.v4_word_be = htonl(LOOPBACK4_IPV6);
		req.v6only = true;
	}
	return req;
}

/* The socket that calls, where it is on the port already. */
static uint64_t find_self(const struct scene *scene, const struct snapshot *snap)
{
	uint64_t inode = scene->binder >= 0 ? sock__inode(scene->binder) : 0;
	size_t i;

	for (i = 0; inode && i < snap->n_socks; i++)
		if (snap->socks[i].inode == inode)
			return snap->socks[i].id;
	return 0;
}

/* A time-wait socket with timestamps gives way to a socket that was bound. */
static void let_go(const struct trial *trial, const struct snapshot *snap, struct verdict *verdict)
{
	size_t i, n = 0;

	for (i = 0; i < verdict->n_blockers; i++) {
		const struct blocker *blocker = &verdict->blockers[i];

		if (trial->no_timestamps || snap->socks[blocker->sock].state != STATE_TIME_WAIT)
			verdict->blockers[n++] = *blocker;
	}
	if (verdict->n_definite != verdict->n_blockers)
		n = verdict->n_definite = 0; /* nothing may be open: shown as passing */
	verdict->n_blockers = verdict->n_definite = n;
	verdict->refused = n ? TRI_YES : TRI_NO;
}

static int judge_connect(const struct oracle *oracle, const struct scene *scene,
			 const struct snapshot *snap, struct bind_request *req, struct verdict *ret)
{
	uint8_t local[16], peer[16];
	int err = binder__tuple(scene, oracle->trial, local, peer);
	size_t from = req->family == AF_INET ? 12 : 0;

	if (err)
		return err;
	memcpy(req->addr.bytes, local + from, sizeof(local) - from);
	memcpy(req->peer.bytes, peer + from, sizeof(peer) - from);
	req->peer_port = ntohs(((const struct sockaddr_in *)&scene->target)->sin_port);
	req->call = CALL_CONNECT;
	err = rules__judge_connect(snap, req, ret);
	if (!err)
		let_go(oracle->trial, snap, ret);
	return err;
}

static int judge_kind(const struct oracle *oracle, const struct scene *scene,
		      const struct snapshot *snap, struct verdict *ret)
{
	struct bind_request req = make_request(oracle->trial, scene->port);

	req.self = find_self(scene, snap);
	if (scene->binder >= 0 && !req.self)
		return -ENOENT;
	if (oracle->trial->kind == KIND_CONNECT)
		return judge_connect(oracle, scene, snap, &req, ret);
	if (oracle->trial->kind == KIND_LISTEN) {
		req.call = CALL_LISTEN;
		req.listening = true;
	}
	return rules__judge(snap, &req, false, ret);
}

static int judge(struct oracle *oracle, const struct scene *scene, struct verdict *ret)
{
	struct snapshot snap;
	int err;

	snapshot__init(&snap);
	err = walk__port(oracle->walk, oracle->trial->kind == KIND_UDP ? PROTO_UDP : PROTO_TCP,
			 scene->port, &snap);
	if (!err)
		err = judge_kind(oracle, scene, &snap, ret);
	if (!err)
		snprintf(oracle->verdict, sizeof(oracle->verdict),
			 "%s%s, %zu sockets seen in %zu buckets, fastreuse %d, fastreuseport %d%s",
			 ret->refused == TRI_YES  ? "refused"
			 : ret->refused == TRI_NO ? "passes"
						  : "unknown",
			 ret->by_bucket ? " by the bucket" : "", snap.n_socks, snap.n_buckets,
			 snap.n_buckets ? snap.buckets[0].fastreuse : -2,
			 snap.n_buckets ? snap.buckets[0].fastreuseport : -2,
			 snap.truncated ? ", truncated" : "");
	snapshot__free(&snap);
	return err;
}

int rebuild_and_bind(struct oracle *oracle, uint32_t units, const struct fix_options *fix,
		     const struct sock_spec *bind)
{
	struct trial again = with_caller(oracle->trial, bind);
	struct scene scene;
	int err;

	oracle->counts.rebuilds++;
	err = scene__build(&again, units, fix, &scene);
	if (err)
		return -EBADMSG;
	/* with IPV6_V6ONLY set a connection over IPv4 does not come about, which is the point */
	if (scene.there != units && !(fix && fix->v6only)) {
		oracle->counts.unbuildable++;
		err = -EBADMSG;
	}
	if (!err && scene.there)
		err = scene__spoil_bucket(&scene, &again) ? -EBADMSG : 0;
	if (!err)
		err = scene__call(&scene, &again);
	scene__free(&scene);
	return err;
}

static bool check_refusal(struct oracle *oracle, struct scene *scene)
{
	oracle->counts.refused++;
	oracle->counts.refused_of_kind[oracle->trial->kind]++;
	if (!oracle->program)
		return true;
	oracle->report = live__conflict(&oracle->live, scene->port);
	if (!oracle->report)
		return disagree(oracle, "no report of the refused bind");
	if (oracle->live.problem[0]) {
		disagree(oracle, "%s", oracle->live.problem);
		oracle->live.problem[0] = 0;
		return false;
	}
	oracle->counts.reports++;
	return claims__hold(oracle, scene);
}

/* The rule engine's pairwise test says no, the bucket says yes: without the bucket it is no. */
static bool check_by_bucket(struct oracle *oracle, const struct scene *scene)
{
	struct sock_spec bind = caller_spec(oracle->trial);
	int err;

	oracle->counts.by_bucket++;
	/* repair mode passes whatever the bucket says */
	if (oracle->trial->bind.force)
		return true;
	err = rebuild_and_bind(oracle, scene->there, NULL, &bind);
	if (err == 0)
		return disagree(oracle, "said to pass by the bucket alone, passes without");
	return true;
}

static bool check_scene(struct oracle *oracle, struct scene *scene)
{
	struct verdict verdict = {};
	bool refused, by_bucket;
	int refusal = oracle->trial->kind == KIND_CONNECT ? -EADDRNOTAVAIL : -EADDRINUSE;
	int err = judge(oracle, scene, &verdict);

	if (err)
		return disagree(oracle, "the walk failed: %s", strerror(-err));
	refused = verdict.refused != TRI_NO;
	by_bucket = verdict.by_bucket;
	verdict__free(&verdict);
	/* making the scene may have met refusals on this port, too */
	prctl(PR_SET_NAME, BINDER_COMM);
	err = scene__call(scene, oracle->trial);
	prctl(PR_SET_NAME, "bt-oracle");
	if (err && err != refusal)
		return disagree(oracle, "the call fails with %s", strerrorname_np(-err));
	if (refused != (err == refusal))
		return disagree(oracle, "rules say %s, kernel says %s", oracle->verdict,
				err ? strerrorname_np(-err) : "ok");
	if (err)
		return check_refusal(oracle, scene);
	return !by_bucket || check_by_bucket(oracle, scene);
}

/* For the dump: which sockets could not be made, and why. */
static void note_scene(struct oracle *oracle, const struct scene *scene)
{
	size_t used = 0;
	unsigned int i;

	oracle->absent[0] = 0;
	for (i = 0; i < oracle->trial->n_units && used < sizeof(oracle->absent); i++)
		if (!scene->made[i].there)
			used += snprintf(oracle->absent + used, sizeof(oracle->absent) - used,
					 " %u:%s", i, strerrorname_np(-scene->made[i].err));
}

bool check__trial(struct oracle *oracle, const struct trial *trial)
{
	struct scene scene;
	bool ok;
	int err;

	oracle->trial = trial;
	oracle->why[0] = oracle->verdict[0] = 0;
	oracle->counts.trials++;
	oracle->counts.of_kind[trial->kind]++;
	if (trial->kind == KIND_CONNECT)
		shared__drain();
	err = scene__build(trial, ALL_UNITS, NULL, &scene);
	if (err)
		return disagree(oracle, "the scene can't be made: %s", strerror(-err));
	note_scene(oracle, &scene);
	oracle->counts.units += trial->n_units;
	oracle->counts.units_there += __builtin_popcount(scene.there);
	ok = check_scene(oracle, &scene);
	if (ok && oracle->program && oracle->counts.trials % oracle->sample == 0)
		ok = what_if__holds(oracle, &scene);
	scene__free(&scene);
	return ok;
}

void check__done(struct oracle *oracle)
{
	json_decref(oracle->report);
	oracle->report = NULL;
}
