// SPDX-License-Identifier: GPL-2.0-only
/* The claims of a live report, put to the kernel one by one. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define RELEASE_MS 2000 /* a search for owners takes no longer */

/* ---- whose socket is it? ------------------------------------------------------------------ */

static bool same_end(const json_t *blocker, const char *which, const uint8_t real[16])
{
	uint8_t addr[16];

	if (net__parse(json__text(json_object_get(blocker, which), "address"), addr))
		return false;
	return !memcmp(addr, real, sizeof(addr));
}

static bool is_unit(const json_t *blocker, const struct made *made)
{
	json_int_t inode = json__number(blocker, "inode");
	json_int_t peer_port = json__number(json_object_get(blocker, "peer"), "port");

	if (!made->there)
		return false;
	if (inode > 0)
		return made->inode == (uint64_t)inode;
	if (made->conn.ours >= 0)
		return false; /* it has its file: another one with the same tuple is meant */
	return made->peer_port && peer_port == made->peer_port &&
	       same_end(blocker, "local", made->local) && same_end(blocker, "peer", made->peer);
}

static int find_unit(const struct scene *scene, const json_t *blocker)
{
	int i;

	/* a later one may have taken the tuple of a time-wait socket */
	for (i = MAX_UNITS - 1; i >= 0; i--)
		if (is_unit(blocker, &scene->made[i]))
			break;
	return i;
}

static bool held_by_us(const json_t *blocker)
{
	const json_t *owner;
	size_t i;

	json_array_foreach(json_object_get(blocker, "owners"), i,
			   owner) if (json__number(owner, "pid") == getpid()) return true;
	return false;
}

/* ---- what the report says about each socket ----------------------------------------------- */

/* The flags as they are now; TCP_REPAIR aside, which leaves its own mark. */
static bool flags_hold(struct oracle *oracle, const json_t *blocker, const struct unit *unit, int i)
{
	bool reuseaddr = unit->late.reuseaddr >= 0 ? unit->late.reuseaddr : unit->spec.reuseaddr;
	bool reuseport = unit->late.reuseport >= 0 ? unit->late.reuseport : unit->spec.reuseport;
	const struct unit *listener;

	if (unit->of >= 0) {
		listener = &oracle->trial->units[unit->of];
		if (unit->late.reuseaddr < 0 && listener->late.reuseaddr >= 0)
			reuseaddr = listener->late.reuseaddr;
		if (unit->late.reuseport < 0 && listener->late.reuseport >= 0)
			reuseport = listener->late.reuseport;
	}
	if (json__true(blocker, "reuseaddr") != reuseaddr)
		return disagree(oracle, "wrong reuseaddr of socket %d", i);
	if (json__true(blocker, "reuseport") != reuseport)
		return disagree(oracle, "wrong reuseport of socket %d", i);
	return true;
}

static const char *device_of(const struct unit *unit)
{
	const char *device = unit->late.device;

	/* __udp_disconnect() undoes SO_BINDTODEVICE */
	if (!device && unit->udp != UDP_DISCONNECTED)
		device = unit->spec.device;
	return device ? device : "";
}

/* What decides beside the flags; a time-wait socket has no user any more. */
static bool owner_holds(struct oracle *oracle, const json_t *blocker, const struct unit *unit,
			int i)
{
	int uid = unit->late.uid >= 0 ? unit->late.uid : unit->spec.uid;
	bool has_user = !json_is_null(json_object_get(blocker, "uid"));

	if (strcmp(json__text(blocker, "device"), device_of(unit)))
		return disagree(oracle, "wrong device of socket %d", i);
	if (has_user && json__number(blocker, "uid") != (uid > 0 ? uid : 0))
		return disagree(oracle, "wrong user of socket %d", i);
	return true;
}

static bool socket_holds(struct oracle *oracle, const struct scene *scene, const json_t *blocker,
			 int i)
{
	const struct unit *unit = &oracle->trial->units[i];
	const struct made *made = &scene->made[i];
	const char *state = json__text(blocker, "state");
	bool queued = unit->kind == UNIT_QUEUED && json__number(blocker, "inode") <= 0;
	bool held = !queued && (made->fd >= 0 || made->conn.ours >= 0);

	if (strcmp(state, queued ? "ESTABLISHED" : unit__state(unit)))
		return disagree(oracle, "socket %d is in %s, not %s", i, unit__state(unit), state);
	if (held_by_us(blocker) != held)
		return disagree(oracle, "socket %d is %sheld by this process", i,
				held ? "" : "not ");
	return flags_hold(oracle, blocker, unit, i) && owner_holds(oracle, blocker, unit, i);
}

/* Fills the set of units that the report blames. */
static bool read_blockers(struct oracle *oracle, const struct scene *scene, uint32_t *ret_units)
{
	const json_t *blocker, *blockers = json_object_get(oracle->report, "blockers");
	size_t n;
	int i;

	*ret_units = 0;
	if (json__true(oracle->report, "truncated"))
		return disagree(oracle, "the report is truncated");
	if (json__number(oracle->report, "blockers_total") != (json_int_t)json_array_size(blockers))
		return disagree(oracle, "blockers_total is not the number of blockers");
	json_array_foreach(blockers, n, blocker)
	{
		i = find_unit(scene, blocker);
		if (i < 0)
			return disagree(oracle, "blocker %zu is no socket of ours", n);
		if (!socket_holds(oracle, scene, blocker, i))
			return false;
		*ret_units |= 1u << i;
	}
	return true;
}

/* ---- the call ------------------------------------------------------------------------------ */

static bool end_holds(struct oracle *oracle, const char *which, const uint8_t real[16])
{
	const json_t *end = json_object_get(oracle->report, which);
	uint8_t said[16];

	if (net__parse(json__text(end, "address"), said) || memcmp(said, real, sizeof(said)))
		return disagree(oracle, "wrong %s address", which);
	return true;
}

static bool ends_hold(struct oracle *oracle, const struct scene *scene)
{
	const json_t *peer = json_object_get(oracle->report, "peer");
	uint8_t local[16], to[16];
	int err;

	if (oracle->trial->kind != KIND_CONNECT) {
		net__parse(oracle->trial->bind.address, local);
		if (!json_is_null(peer))
			return disagree(oracle, "a bind with a peer");
		return end_holds(oracle, "local", local);
	}
	err = binder__tuple(scene, oracle->trial, local, to);
	if (err)
		return disagree(oracle, "the tuple is not known: %s", strerrorname_np(-err));
	if (json__number(peer, "port") !=
	    ntohs(((const struct sockaddr_in *)&scene->target)->sin_port))
		return disagree(oracle, "wrong port of the peer");
	return end_holds(oracle, "local", local) && end_holds(oracle, "peer", to);
}

static bool call_holds(struct oracle *oracle, const struct scene *scene)
{
	static const char *const syscalls[N_KINDS] = {
		[KIND_BIND] = "bind",
		[KIND_LISTEN] = "listen",
		[KIND_CONNECT] = "connect",
		[KIND_UDP] = "bind",
	};
	const struct sock_spec spec = caller_spec(oracle->trial), *bind = &spec;
	const json_t *report = oracle->report;
	const json_t *sock = json_object_get(report, "socket");
	enum trial_kind kind = oracle->trial->kind;

	if (!ends_hold(oracle, scene))
		return false;
	if (strcmp(json__text(report, "error"),
		   kind == KIND_CONNECT ? "EADDRNOTAVAIL" : "EADDRINUSE"))
		return disagree(oracle, "wrong error");
	if (strcmp(json__text(report, "syscall"), syscalls[kind]))
		return disagree(oracle, "wrong syscall");
	if (strcmp(json__text(report, "protocol"), kind == KIND_UDP ? "udp" : "tcp"))
		return disagree(oracle, "wrong protocol");
	if (json__true(sock, "reuseaddr") != (bind->reuseaddr || bind->force) ||
	    json__true(sock, "reuseport") != bind->reuseport)
		return disagree(oracle, "wrong flags of the new socket");
	if (strcmp(json__text(sock, "device"), bind->device ? bind->device : ""))
		return disagree(oracle, "wrong device of the new socket");
	if (json__number(sock, "uid") != (bind->uid > 0 ? bind->uid : 0))
		return disagree(oracle, "wrong user of the new socket");
	return true;
}

/* ---- blockers ------------------------------------------------------------------------------ */

static bool blames_right(struct oracle *oracle, const struct scene *scene, uint32_t blamed)
{
	struct sock_spec bind = caller_spec(oracle->trial);
	unsigned int i;
	int err;

	for (i = 0; i < oracle->trial->n_units; i++) {
		if (!(scene->there & (1u << i)))
			continue;
		err = rebuild_and_bind(oracle, 1u << i, NULL, &bind);
		if (err == -EBADMSG)
			continue;
		if (err && !(blamed & (1u << i)))
			return disagree(oracle, "socket %u blocks alone, and is not reported", i);
		if (!err && (blamed & (1u << i)))
			return disagree(oracle, "socket %u is reported, and does not block", i);
	}
	return true;
}

static bool closing_helps(struct oracle *oracle, const struct scene *scene, uint32_t blamed)
{
	struct sock_spec bind = caller_spec(oracle->trial);
	int err = rebuild_and_bind(oracle, scene->there & ~blamed, NULL, &bind);

	if (err && err != -EBADMSG)
		return disagree(oracle, "without the blockers it still fails: %s",
				strerrorname_np(-err));
	return true;
}

/* ---- fixes --------------------------------------------------------------------------------- */

struct fix {
	struct sock_spec bind;
	struct fix_options options;
	uint32_t gone; /* units */
};

static void read_options(const char *set, bool *reuseaddr, bool *reuseport, bool *v6only)
{
	*reuseaddr |= strstr(set, "SO_REUSEADDR") != NULL;
	*reuseport |= strstr(set, "SO_REUSEPORT") != NULL;
	*v6only |= strstr(set, "IPV6_V6ONLY") != NULL;
}

static bool read_set(const json_t *json, struct fix *fix, uint32_t blamed)
{
	const char *side = json__text(json, "side"), *set = json__text(json, "set");
	bool both = !strcmp(side, "both");

	if (!strcmp(set, "attach_reuseport_program_after_bind")) {
		fix->bind.attach = false;
		return true;
	}
	if (both || !strcmp(side, "binder"))
		read_options(set, &fix->bind.reuseaddr, &fix->bind.reuseport, &fix->bind.v6only);
	if (both || !strcmp(side, "blocker")) {
		fix->options.units = blamed;
		read_options(set, &fix->options.reuseaddr, &fix->options.reuseport,
			     &fix->options.v6only);
	}
	return both || !strcmp(side, "binder") || !strcmp(side, "blocker");
}

/* One that no trial uses. */
static const char *another_address(const struct oracle *oracle, const struct scene *scene)
{
	uint8_t local[16], peer[16];

	if (sock__family(oracle->trial->bind.address) == AF_INET)
		return "127.0.0.3";
	if (!binder__tuple(scene, oracle->trial, local, peer) && !peer[0] && peer[10] == 0xff)
		return "::ffff:127.0.0.3";
	return "fd77:1::1";
}

static bool read_fix(const struct oracle *oracle, const struct scene *scene, const json_t *json,
		     uint32_t blamed, struct fix *ret)
{
	*ret = (struct fix){.bind = caller_spec(oracle->trial)};
	if (json_object_get(json, "set"))
		return read_set(json, ret, blamed);
	if (json_object_get(json, "uid")) {
		ret->bind.uid = json__number(json, "uid");
		return true;
	}
	if (json_object_get(json, "port")) {
		ret->bind.no_port = true;
		return oracle->trial->kind == KIND_CONNECT;
	}
	if (json_object_get(json, "address")) {
		ret->bind.address = another_address(oracle, scene);
		return oracle->trial->kind == KIND_CONNECT;
	}
	/* closed, waited for, or never given the port */
	ret->gone = blamed;
	return json_object_get(json, "close") || json_object_get(json, "wait_ms") ||
	       json_object_get(json, "sysctl");
}

static bool fixes_help(struct oracle *oracle, const struct scene *scene, uint32_t blamed)
{
	const json_t *json, *fixes = json_object_get(oracle->report, "fixes");
	struct fix fix;
	size_t n;
	int err;

	if (!json_array_size(fixes))
		return disagree(oracle, "no fix");
	json_array_foreach(fixes, n, json)
	{
		if (!read_fix(oracle, scene, json, blamed, &fix))
			return disagree(oracle, "fix %zu makes no sense", n);
		oracle->counts.fixes++;
		err = rebuild_and_bind(oracle, scene->there & ~fix.gone,
				       fix.options.units ? &fix.options : NULL, &fix.bind);
		if (err && err != -EBADMSG)
			return disagree(oracle, "fix %zu does not help: %s", n,
					strerrorname_np(-err));
	}
	return true;
}

/* ---- a kernel that minds the order --------------------------------------------------------- */

static bool is_v4_wildcard(const struct unit *unit)
{
	return !strcmp(unit->spec.address, "0.0.0.0") ||
	       !strcmp(unit->spec.address, "::ffff:0.0.0.0");
}

/*
 * 6.1 keeps 0.0.0.0 and ::ffff:0.0.0.0 in one address bucket of the family that came first, for as
 * long as anything is in it, and a bind to ::ffff:a.b.c.d finds it if that was AF_INET. So a socket
 * may block because of one that has gone: made again alone, it would not.
 */
static bool is_order_bound(const struct oracle *oracle, const struct scene *scene)
{
	bool v4 = false, mapped = false;
	unsigned int i;

	if (oracle->trial->kind == KIND_UDP || oracle->trial->kind == KIND_CONNECT)
		return false;
	for (i = 0; oracle->mapped_any_quirk && i < oracle->trial->n_units; i++) {
		const struct unit *unit = &oracle->trial->units[i];

		if (!(scene->there & (1u << i)) || !is_v4_wildcard(unit))
			continue;
		if (sock__family(unit->spec.address) == AF_INET)
			v4 = true;
		else
			mapped = true;
	}
	return v4 && mapped;
}

/*
 * There, the sockets are closed where they are; a time-wait socket can't be. A search for owners
 * that is looking at one of them in that very moment has a reference to the file, and lets go of it
 * when it ends (docs/KERNELS.md): then it is tried again, and counted.
 */
static bool closing_in_place_helps(struct oracle *oracle, struct scene *scene, uint32_t blamed)
{
	int64_t deadline = clock__ms() + RELEASE_MS;
	int err;

	if (!scene__close(scene, oracle->trial, blamed))
		return true;
	oracle->counts.in_place++;
	err = scene__call(scene, oracle->trial);
	oracle->counts.late += err && oracle->program;
	while (err && oracle->program && deadline__tick(deadline))
		err = scene__call(scene, oracle->trial);
	if (err)
		return disagree(oracle, "with the blockers closed it still fails: %s",
				strerrorname_np(-err));
	return true;
}

bool claims__hold(struct oracle *oracle, struct scene *scene)
{
	uint32_t blamed;

	if (!call_holds(oracle, scene) || !read_blockers(oracle, scene, &blamed))
		return false;
	if (is_order_bound(oracle, scene))
		return closing_in_place_helps(oracle, scene, blamed);
	if (!blames_right(oracle, scene, blamed) || !closing_helps(oracle, scene, blamed) ||
	    !fixes_help(oracle, scene, blamed))
		return false;
	return oracle->trial->kind != KIND_UDP || closing_in_place_helps(oracle, scene, blamed);
}
