// SPDX-License-Identifier: GPL-2.0-only
/* A trial out of a seed. */
#include <inttypes.h>
#include <string.h>

#include "oracle.h"

/* splitmix64: every seed is a good one. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned int below(uint64_t *state, unsigned int n)
{
	return next(state) % n;
}

static bool one_in(uint64_t *state, unsigned int n)
{
	return below(state, n) == 0;
}

#define KIND_SALT 7 /* whose old seeds stay binds */

#define PICK(state, table) (table)[below(state, sizeof(table) / sizeof((table)[0]))]

static const char *const addresses[] = {
	"0.0.0.0",
	"0.0.0.0",
	"127.0.0.1",
	"127.0.0.1",
	"127.0.0.2",
	"127.0.0.6",
	"::",
	"::",
	"::1",
	"fd77::1",
	"::ffff:127.0.0.1",
	"::ffff:0.0.0.0",
	"::ffff:127.0.0.6",
};

/* In a VRF only its own addresses are local. */
static const char *const vrf_addresses[] = {
	"0.0.0.0", "::", "10.77.2.1", "fd77:2::1", "::ffff:10.77.2.1", "::ffff:0.0.0.0",
};

/* An IPv6 socket bound to a device has that device's addresses only. */
static const char *const device_addresses[] = {
	"0.0.0.0", "127.0.0.1", "127.0.0.2",	    "127.0.0.6",
	"::",	   "::",	"::ffff:127.0.0.1", "::ffff:0.0.0.0",
};

static const char *const devices[] = {DEVICE_A, DEVICE_A, DEVICE_B, DEVICE_VRF, DEVICE_IN};
static const int uids[] = {0, 0, 1000, 1000, 1001};

static bool in_vrf(const char *device)
{
	return device && (!strcmp(device, DEVICE_VRF) || !strcmp(device, DEVICE_IN));
}

static bool is_mapped(const char *address)
{
	return !strncmp(address, "::ffff:", 7);
}

static struct sock_spec make_spec(uint64_t *state)
{
	struct sock_spec spec = {.uid = -1};

	if (one_in(state, 5))
		spec.device = PICK(state, devices);
	if (in_vrf(spec.device))
		spec.address = PICK(state, vrf_addresses);
	else
		spec.address = spec.device ? PICK(state, device_addresses) : PICK(state, addresses);
	if (spec.device && one_in(state, 4))
		spec.address = net__address(spec.device, AF_INET6);
	spec.v6only = one_in(state, 3) && strchr(spec.address, ':') && !is_mapped(spec.address);
	spec.reuseaddr = one_in(state, 2);
	spec.reuseport = one_in(state, 2);
	spec.attach = spec.reuseport && one_in(state, 12);
	if (one_in(state, 2))
		spec.uid = PICK(state, uids);
	return spec;
}

/* Packets of a connection have to find their way: a wildcard is reached through its device. */
static void make_reachable(uint64_t *state, struct sock_spec *spec)
{
	bool v6 = strchr(spec->address, ':');
	bool wildcard = !strcmp(spec->address, "0.0.0.0") || !strcmp(spec->address, "::");

	if (spec->device && !strcmp(spec->device, DEVICE_IN))
		spec->device = DEVICE_VRF; /* the VRF's own packets arrive on the VRF */
	if (wildcard && v6 && !spec->v6only && one_in(state, 2))
		v6 = false; /* a client of IPv4 */
	if (!spec->device) {
		if (wildcard)
			spec->reach = v6 ? "::1" : "127.0.0.1";
		return;
	}
	if (!wildcard)
		spec->address = v6 ? "::" : "0.0.0.0";
	spec->v6only = spec->v6only && v6;
	spec->reach = net__address(spec->device, v6 ? AF_INET6 : AF_INET);
}

static bool is_connection(enum unit_kind kind)
{
	return kind >= UNIT_ACCEPTED && kind != UNIT_UDP;
}

static struct late make_late(uint64_t *state, const struct unit *unit)
{
	struct late late = {.reuseaddr = -1, .reuseport = -1, .uid = -1};

	if (!one_in(state, 4))
		return late;
	if (one_in(state, 2))
		late.reuseaddr = one_in(state, 2);
	if (one_in(state, 2))
		late.reuseport = one_in(state, 2);
	if (one_in(state, 3))
		late.uid = PICK(state, uids);
	/* a connection would hear its peer no more */
	if (!is_connection(unit->kind) && unit->kind != UNIT_QUEUED && one_in(state, 3))
		late.device = one_in(state, 2) ? "" : PICK(state, devices);
	return late;
}

static int pick_listener(uint64_t *state, const struct trial *trial)
{
	unsigned int i = below(state, trial->n_units + 1);

	if (i >= trial->n_units || trial->units[i].kind != UNIT_LISTEN ||
	    trial->units[i].late.device)
		return -1;
	return i;
}

static struct unit make_unit(uint64_t *state, const struct trial *trial)
{
	static const enum unit_kind kinds[] = {
		UNIT_BOUND,    UNIT_BOUND,    UNIT_BOUND,    UNIT_LISTEN,      UNIT_LISTEN,
		UNIT_LISTEN,   UNIT_ACCEPTED, UNIT_ACCEPTED, UNIT_ACCEPTED,    UNIT_ACCEPTED,
		UNIT_ACCEPTED, UNIT_CLIENT,   UNIT_CLIENT,   UNIT_CLIENT_AUTO, UNIT_QUEUED,
		UNIT_SYN_SENT, UNIT_SELF,
	};
	struct unit unit = {.kind = PICK(state, kinds), .of = -1};

	unit.spec = make_spec(state);
	if (unit.kind == UNIT_ACCEPTED) {
		unit.of = pick_listener(state, trial);
		if (unit.of >= 0)
			unit.spec = trial->units[unit.of].spec;
	}
	if (is_connection(unit.kind) || unit.kind == UNIT_QUEUED || unit.kind == UNIT_LISTEN) {
		if (unit.of < 0)
			make_reachable(state, &unit.spec);
	}
	if (unit.kind == UNIT_ACCEPTED || unit.kind == UNIT_CLIENT || unit.kind == UNIT_CLIENT_AUTO)
		unit.end = one_in(state, 4) ? CONN_TIME_WAIT : below(state, N_CONN_ENDS);
	unit.spec.force = unit.kind == UNIT_BOUND && one_in(state, 10);
	unit.late = make_late(state, &unit);
	return unit;
}

/* ---- TCP: a bind, and a bound socket that listens ---------------------------------------------
 */

static void make_units(uint64_t *state, unsigned int n, struct trial *ret)
{
	while (ret->n_units < n) {
		struct unit unit = make_unit(state, ret);

		ret->units[ret->n_units++] = unit;
	}
}

static void make_bind(uint64_t *state, unsigned int n, struct trial *ret)
{
	make_units(state, n, ret);
	ret->bind = make_spec(state);
	ret->bind.force = one_in(state, 60);
	ret->l3mdev_accept = one_in(state, 8);
}

/* Most have an option in common, or nothing would get onto the port beside the first. */
static void make_agreeable(uint64_t *state, bool reuseaddr, bool reuseport, struct sock_spec *spec)
{
	if (one_in(state, 8))
		return;
	spec->reuseaddr |= reuseaddr;
	spec->reuseport |= reuseport;
	if (reuseport && one_in(state, 2))
		spec->uid = -1;
}

static void make_listen(uint64_t *state, unsigned int n, struct trial *ret)
{
	bool reuseport = one_in(state, 2), reuseaddr = !reuseport || one_in(state, 2);
	unsigned int i;

	make_units(state, n, ret);
	for (i = 0; i < n; i++)
		make_agreeable(state, reuseaddr, reuseport, &ret->units[i].spec);
	/* an accepted one has what its listener has */
	for (i = 0; i < n; i++)
		if (ret->units[i].of >= 0)
			ret->units[i].spec = ret->units[ret->units[i].of].spec;
	ret->bind = make_spec(state);
	make_agreeable(state, reuseaddr, reuseport, &ret->bind);
	ret->late = make_late(state, &(struct unit){.kind = UNIT_QUEUED});
	ret->l3mdev_accept = one_in(state, 8);
}

/* ---- TCP: a bound socket that connects --------------------------------------------------------
 */

static const char *const tuple_addresses[] = {
	"0.0.0.0", "127.0.0.1", "127.0.0.1", "127.0.0.2", "::",
	"::1",	   "::1",	"fd77::1",   "::",	  "::ffff:127.0.0.1",
};
static const char *const v4_peers[] = {"127.0.0.1", "127.0.0.1", "127.0.0.2"};
static const char *const mapped_peers[] = {"::ffff:127.0.0.1", "::ffff:127.0.0.1",
					   "::ffff:127.0.0.2"};
static const char *const v6_peers[] = {"::1", "::1", "fd77::1"}; /* of `::` */

static const char *pick_peer(uint64_t *state, const char *address)
{
	if (!strchr(address, ':'))
		return PICK(state, v4_peers);
	if (is_mapped(address) || (!strcmp(address, "::") && one_in(state, 2)))
		return PICK(state, mapped_peers);
	/* answers do not find their way between ::1 and another address */
	return strcmp(address, "::") ? address : PICK(state, v6_peers);
}

/* What is bound to lo has its addresses only. */
static void make_routable(struct sock_spec *spec)
{
	if (!strncmp(spec->address, "fd", 2) || !strncmp(spec->reach, "fd", 2))
		spec->device = NULL;
}

static struct sock_spec make_tuple_spec(uint64_t *state)
{
	struct sock_spec spec = {.uid = -1};

	spec.address = PICK(state, tuple_addresses);
	spec.reach = pick_peer(state, spec.address);
	spec.device = one_in(state, 8) ? "lo" : NULL;
	make_routable(&spec);
	spec.reuseaddr = !one_in(state, 12);
	spec.reuseport = one_in(state, 4);
	return spec;
}

static struct unit make_tuple_unit(uint64_t *state)
{
	static const enum unit_kind kinds[] = {
		UNIT_BOUND,  UNIT_LISTEN, UNIT_ACCEPTED, UNIT_ACCEPTED, UNIT_CLIENT,   UNIT_CLIENT,
		UNIT_CLIENT, UNIT_CLIENT, UNIT_CLIENT,	 UNIT_CLIENT,	UNIT_SYN_SENT, UNIT_SELF,
	};
	struct unit unit = {.kind = PICK(state, kinds), .of = -1};

	unit.spec = make_tuple_spec(state);
	unit.late = (struct late){.reuseaddr = -1, .reuseport = -1, .uid = -1};
	if (unit.kind == UNIT_CLIENT)
		unit.server = below(state, 3);
	else if (unit.kind != UNIT_BOUND)
		unit.spec.reach = NULL;
	if (unit.kind == UNIT_CLIENT || unit.kind == UNIT_ACCEPTED)
		unit.end = one_in(state, 3) ? CONN_TIME_WAIT : below(state, N_CONN_ENDS);
	return unit;
}

/* A socket that can talk to the peer of another, from the same address or not. */
static const char *pick_source(uint64_t *state, const char *address)
{
	static const char *const v4[] = {"127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"};
	static const char *const v6[] = {"::1", "::", "fd77::1"};

	if (!one_in(state, 2))
		return address;
	return strchr(address, ':') && !is_mapped(address) ? PICK(state, v6) : PICK(state, v4);
}

static bool is_v6_text(const char *address)
{
	return address && strchr(address, ':') && !is_mapped(address);
}

static void make_connect(uint64_t *state, unsigned int n, struct trial *ret)
{
	const struct unit *unit;

	while (ret->n_units < n)
		ret->units[ret->n_units++] = make_tuple_unit(state);
	ret->no_timestamps = one_in(state, 2);
	ret->bind = make_tuple_spec(state);
	ret->target = -1;
	ret->server = 1 + below(state, 2);
	if (one_in(state, 5))
		return;
	ret->target = below(state, n);
	unit = &ret->units[ret->target];
	/* what it talks to is of its own family, where `::` may be either */
	ret->bind.address = unit->spec.address;
	ret->bind.reach = unit->spec.reach ? unit->spec.reach : sock__reach(&unit->spec);
	if (!is_v6_text(ret->bind.reach))
		ret->bind.address = pick_source(state, "127.0.0.1");
	else
		ret->bind.address = pick_source(
			state, strcmp(unit->spec.address, "::") ? unit->spec.address : "::1");
	if (one_in(state, 3))
		ret->bind.address = unit->spec.address;
	if (one_in(state, 2))
		ret->bind.device = unit->spec.device;
	make_routable(&ret->bind);
}

/* ---- UDP: a bind --------------------------------------------------------------------------------
 */

static struct unit make_udp_unit(uint64_t *state, bool reuseaddr, bool reuseport)
{
	struct unit unit = {.kind = UNIT_UDP, .of = -1};

	unit.spec = make_spec(state);
	make_agreeable(state, reuseaddr, reuseport, &unit.spec);
	unit.udp = one_in(state, 3) ? 1 + below(state, 2) : UDP_BOUND;
	if (unit.udp != UDP_BOUND)
		make_reachable(state, &unit.spec);
	unit.late = make_late(state, &unit);
	return unit;
}

static void make_udp(uint64_t *state, unsigned int n, struct trial *ret)
{
	bool reuseport = one_in(state, 3), reuseaddr = one_in(state, 3);

	while (ret->n_units < n)
		ret->units[ret->n_units++] = make_udp_unit(state, reuseaddr, reuseport);
	ret->bind = make_spec(state);
	if (one_in(state, 2))
		make_agreeable(state, reuseaddr, reuseport, &ret->bind);
	ret->l3mdev_accept = one_in(state, 8);
}

/* Apart from what the trial is made of: a bind is what its seed meant before there were others. */
enum trial_kind trial__kind(uint64_t seed)
{
	static const enum trial_kind table[] = {
		KIND_BIND, KIND_BIND,	KIND_BIND,    KIND_BIND,
		KIND_BIND, KIND_LISTEN, KIND_CONNECT, KIND_UDP,
	};
	uint64_t state = seed ^ KIND_SALT;

	return PICK(&state, table);
}

const char *trial_kind__name(enum trial_kind kind)
{
	static const char *const names[N_KINDS] = {
		[KIND_BIND] = "bind",
		[KIND_LISTEN] = "listen",
		[KIND_CONNECT] = "connect",
		[KIND_UDP] = "udp",
	};

	return names[kind];
}

void trial__make(uint64_t seed, struct trial *ret)
{
	static void (*const make[N_KINDS])(uint64_t *, unsigned int, struct trial *) = {
		[KIND_BIND] = make_bind,
		[KIND_LISTEN] = make_listen,
		[KIND_CONNECT] = make_connect,
		[KIND_UDP] = make_udp,
	};
	uint64_t state = seed;
	unsigned int n = 1 + below(&state, MAX_UNITS);

	memset(ret, 0, sizeof(*ret));
	ret->seed = seed;
	ret->kind = trial__kind(seed);
	ret->target = -1;
	ret->late = (struct late){.reuseaddr = -1, .reuseport = -1, .uid = -1};
	make[ret->kind](&state, n, ret);
}

/* ---- as text ------------------------------------------------------------------------------------
 */

static const char *const kinds[N_UNIT_KINDS] = {
	[UNIT_BOUND] = "bound",	      [UNIT_LISTEN] = "listen", [UNIT_QUEUED] = "queued",
	[UNIT_ACCEPTED] = "accepted", [UNIT_CLIENT] = "client", [UNIT_CLIENT_AUTO] = "client_auto",
	[UNIT_SYN_SENT] = "syn_sent", [UNIT_SELF] = "self",	[UNIT_UDP] = "udp",
};

static const char *const end_states[N_CONN_ENDS] = {
	[CONN_ESTABLISHED] = "ESTABLISHED",    [CONN_FIN_WAIT1_HELD] = "FIN_WAIT1",
	[CONN_FIN_WAIT1_ORPHAN] = "FIN_WAIT1", [CONN_FIN_WAIT2_HELD] = "FIN_WAIT2",
	[CONN_FIN_WAIT2_ORPHAN] = "FIN_WAIT2", [CONN_FIN_WAIT2_TW] = "FIN_WAIT2",
	[CONN_TIME_WAIT] = "TIME_WAIT",	       [CONN_CLOSE_WAIT] = "CLOSE_WAIT",
	[CONN_LAST_ACK_HELD] = "LAST_ACK",     [CONN_LAST_ACK_ORPHAN] = "LAST_ACK",
	[CONN_CLOSING_HELD] = "CLOSING",       [CONN_CLOSING_ORPHAN] = "CLOSING",
};

const char *unit__state(const struct unit *unit)
{
	switch (unit->kind) {
	case UNIT_BOUND:
		return "BOUND";
	case UNIT_UDP:
		return unit->udp == UDP_CONNECTED ? "ESTABLISHED" : "BOUND";
	case UNIT_LISTEN:
	case UNIT_QUEUED:
		return "LISTEN";
	case UNIT_SYN_SENT:
		return "SYN_SENT";
	case UNIT_SELF:
		return "ESTABLISHED";
	default:
		return end_states[unit->end];
	}
}

static void print_spec(FILE *to, const struct sock_spec *spec)
{
	fprintf(to, "%s%s%s%s%s%s%s%s", spec->address, spec->v6only ? " v6only" : "",
		spec->reuseaddr ? " reuseaddr" : "", spec->reuseport ? " reuseport" : "",
		spec->attach ? " attach" : "", spec->force ? " force" : "",
		spec->device ? " dev=" : "", spec->device ? spec->device : "");
	if (spec->uid >= 0)
		fprintf(to, " uid=%d", spec->uid);
	if (spec->reach)
		fprintf(to, " via=%s", spec->reach);
}

static void print_late(FILE *to, const struct late *late)
{
	if (late->reuseaddr >= 0)
		fprintf(to, ", then reuseaddr=%d", late->reuseaddr);
	if (late->reuseport >= 0)
		fprintf(to, ", then reuseport=%d", late->reuseport);
	if (late->uid >= 0)
		fprintf(to, ", then uid=%d", late->uid);
	if (late->device)
		fprintf(to, ", then dev=%s", *late->device ? late->device : "none");
}

void trial__print(FILE *to, const struct trial *trial)
{
	unsigned int i;

	fprintf(to, "trial --only %" PRIu64 " %s%s%s\n", trial->seed, trial_kind__name(trial->kind),
		trial->l3mdev_accept ? ", tcp_l3mdev_accept=1" : "",
		trial->no_timestamps ? ", tcp_timestamps=0" : "");
	for (i = 0; i < trial->n_units; i++) {
		const struct unit *unit = &trial->units[i];

		fprintf(to, "  %u: %s ", i, kinds[unit->kind]);
		print_spec(to, &unit->spec);
		if (unit->of >= 0)
			fprintf(to, ", of %d", unit->of);
		if (unit->kind == UNIT_ACCEPTED || unit->kind == UNIT_CLIENT ||
		    unit->kind == UNIT_CLIENT_AUTO)
			fprintf(to, ", left in %s", conn_end__name(unit->end));
		if (unit->server)
			fprintf(to, ", server %u", unit->server);
		if (unit->udp != UDP_BOUND)
			fputs(unit->udp == UDP_CONNECTED ? ", connected" : ", disconnected", to);
		print_late(to, &unit->late);
		fputc('\n', to);
	}
	fprintf(to, "  bind ");
	print_spec(to, &trial->bind);
	print_late(to, &trial->late);
	if (trial->kind == KIND_CONNECT && trial->target >= 0)
		fprintf(to, ", connect to the peer of %d", trial->target);
	else if (trial->kind == KIND_CONNECT)
		fprintf(to, ", connect to server %u", trial->server);
	fputc('\n', to);
}
