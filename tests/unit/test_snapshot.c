/* SPDX-License-Identifier: GPL-2.0-only */
/* The evidence as a container, and the roles that are read out of it. */
#include <errno.h>
#include <stdint.h>
#include "model_text.h"

/* ---- container ---------------------------------------------------------------------------- */

static void test_empty(void **state)
{
	struct snapshot snap;
	size_t n = 7;

	snapshot__init(&snap);
	snapshot__drop_duplicates(&snap);
	snapshot__sort_holds(&snap);
	snapshot__set_roles(&snap);
	assert_null(snapshot__holds(&snap, 0, &n));
	assert_int_equal(n, 0);
	snapshot__free(&snap);
	snapshot__free(&snap);
	snapshot__free(NULL);
	proc_info__free(NULL);
}

static void test_entries_are_zeroed(void **state)
{
	static const struct snap_sock no_sock;
	static const struct proc_info no_proc;
	static const struct snap_bucket no_bucket;
	struct snapshot snap;

	snapshot__init(&snap);
	for (int i = 0; i < 100; i++) {
		struct snap_sock *sock = snapshot__add_sock(&snap);
		struct proc_info *proc = snapshot__add_proc(&snap);
		struct snap_bucket *bucket = snapshot__add_bucket(&snap);

		assert_memory_equal(sock, &no_sock, sizeof(no_sock));
		assert_memory_equal(proc, &no_proc, sizeof(no_proc));
		assert_memory_equal(bucket, &no_bucket, sizeof(no_bucket));
		sock->id = proc->pid = bucket->l3mdev = i;
	}
	assert_int_equal(snap.n_socks, 100);
	assert_int_equal(snap.n_procs, 100);
	assert_int_equal(snap.n_buckets, 100);
	assert_int_equal(snap.socks[42].id, 42);
	assert_int_equal(snap.procs[42].pid, 42);
	assert_int_equal(snap.buckets[42].l3mdev, 42);
	snapshot__free(&snap);
}

/* A count that no memory could have: nothing is added, nothing is touched. */
static void test_no_room(void **state)
{
	static const size_t counts[] = {SIZE_MAX / 2 + 1, SIZE_MAX / 4};

	for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
		size_t n = counts[i];
		struct snapshot snap = {.n_socks = n, .cap_socks = n, .n_procs = n, .cap_procs = n};

		snap.n_holds = snap.cap_holds = n;
		snap.n_buckets = n;
		assert_null(snapshot__add_sock(&snap));
		assert_null(snapshot__add_proc(&snap));
		assert_null(snapshot__add_bucket(&snap));
		assert_int_equal(snapshot__add_hold(&snap, 0, 0, 3, TRI_YES), -ENOMEM);
		assert_true(snap.n_socks == n && snap.cap_socks == n && !snap.socks);
	}
}

static void test_devices(void **state)
{
	struct snapshot snap;

	snapshot__init(&snap);
	assert_null(snapshot__device_name(&snap, 3));
	assert_int_equal(snapshot__add_device(&snap, 3, "eth0"), 0);
	assert_int_equal(snapshot__add_device(&snap, 4, "a-name-beyond-what-the-kernel-has"), 0);
	assert_int_equal(snapshot__add_device(&snap, 3, "another"), 0); /* as it was first */
	assert_string_equal(snapshot__device_name(&snap, 3), "eth0");
	assert_string_equal(snapshot__device_name(&snap, 4), "a-name-beyond-w");
	assert_null(snapshot__device_name(&snap, 5));
	assert_int_equal(snap.n_devices, 2);
	snapshot__free(&snap);
}

/* Under the sanitizer this is what finds a leak. */
static void test_frees_strings(void **state)
{
	struct snapshot snap;
	struct proc_info *proc, *former;

	snapshot__init(&snap);
	snap.netns_name = strdup("web");
	snap.netns_member = calloc(1, sizeof(*snap.netns_member));
	snap.netns_member->comm = strdup("pause");
	proc = snapshot__add_proc(&snap);
	proc->comm = strdup("echo");
	proc->exe = strdup("/srv/echo");
	proc->cgroup = strdup("/system.slice/echo.service");
	proc->unit = strdup("echo.service");
	proc->container = strdup("0123456789ab");
	former = calloc(1, sizeof(*former));
	former->comm = strdup("echo");
	snapshot__add_sock(&snap)->former_owner = former;
	snapshot__free(&snap);
	assert_null(snap.socks);
	assert_null(snap.netns_name);
	assert_null(snap.netns_member);
	assert_int_equal(snap.n_procs, 0);
}

static void test_drops_duplicates(void **state)
{
	static const uint64_t ids[] = {5, 3, 0, 5, 9, 3, 0, 5, 1};
	static const uint64_t kept[] = {5, 3, 0, 9, 0, 1};
	struct snapshot snap;

	snapshot__init(&snap);
	for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
		struct snap_sock *sock = snapshot__add_sock(&snap);

		sock->id = ids[i];
		sock->local_port = i;
		sock->former_owner = calloc(1, sizeof(*sock->former_owner));
		sock->former_owner->comm = strdup("who");
	}
	snapshot__drop_duplicates(&snap);
	assert_int_equal(snap.n_socks, ARRAY_LENGTH(kept));
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
		assert_int_equal(snap.socks[i].id, kept[i]);
	assert_int_equal(snap.socks[0].local_port, 0); /* the first sighting */
	assert_int_equal(snap.socks[1].local_port, 1);
	snapshot__drop_duplicates(&snap);
	assert_int_equal(snap.n_socks, ARRAY_LENGTH(kept));
	snapshot__free(&snap);
}

static void test_stale_peer(void **state)
{
	static const struct ip_addr nobody;
	struct snap_sock sock = {
		.state = STATE_ESTABLISHED, .peer = {{10, 0, 0, 9}}, .peer_port = 443};

	snap_sock__forget_stale_peer(&sock);
	assert_int_equal(sock.peer_port, 443);
	assert_int_equal(sock.peer.bytes[3], 9);
	sock.state = STATE_BOUND;
	snap_sock__forget_stale_peer(&sock);
	assert_int_equal(sock.peer_port, 0);
	assert_true(ip_addr__equal(&sock.peer, &nobody));
}

static void test_overdue(void **state)
{
	struct snap_sock sock = {.expires_known = true, .expires_ms = 1500};

	assert_int_equal(snap_sock__left_ms(&sock), 1500);
	sock.expires_ms = -1500;
	assert_int_equal(snap_sock__left_ms(&sock), 0);
}

static void test_holds(void **state)
{
	static const struct {
		uint32_t sock, proc;
		int fd;
	} holds[] = {{3, 0, 5}, {1, 1, 4}, {3, 0, 7}, {1, 0, 9}, {UINT32_MAX, 2, 1}, {1, 1, 3}};
	const struct sock_hold *found;
	struct snapshot snap;
	size_t n;

	snapshot__init(&snap);
	for (size_t i = 0; i < ARRAY_LENGTH(holds); i++)
		assert_int_equal(snapshot__add_hold(&snap, holds[i].sock, holds[i].proc,
						    holds[i].fd, TRI_UNKNOWN),
				 0);
	snapshot__sort_holds(&snap);

	found = snapshot__holds(&snap, 1, &n);
	assert_int_equal(n, 3);
	assert_int_equal(found[0].proc, 0);
	assert_int_equal(found[1].fd, 3);
	assert_int_equal(found[2].fd, 4);
	assert_int_equal(found[2].opener, TRI_UNKNOWN);
	found = snapshot__holds(&snap, 3, &n);
	assert_int_equal(n, 2);
	assert_int_equal(found[0].fd, 5);
	found = snapshot__holds(&snap, UINT32_MAX, &n);
	assert_int_equal(n, 1);
	assert_int_equal(found[0].proc, 2);
	assert_null(snapshot__holds(&snap, 2, &n));
	assert_int_equal(n, 0);
	assert_null(snapshot__holds(&snap, 0, &n));
	snapshot__free(&snap);
}

/* ---- addresses ---------------------------------------------------------------------------- */

struct addr_row {
	const char *name;
	bool any, mapped;
};

static const struct addr_row addr_rows[] = {
	{"0.0.0.0", true, false},
	{"127.0.0.1", false, false},
	{"0.0.0.1", false, false},
	{"::", true, false},
	{"::1", false, false},
	{"::ffff:0.0.0.0", false, true},
	{"::ffff:1.2.3.4", false, true},
	{"::fffe:1.2.3.4", false, false},
	{"1::ffff:1.2.3.4", false, false},
};

static void test_addr_row(void **state)
{
	const struct addr_row *row = *state;
	struct ip_addr addr, other;
	uint16_t family = text_addr(row->name, &addr);

	assert_int_equal(ip_addr__is_any(family, &addr), row->any);
	if (family == AF_INET6)
		assert_int_equal(ip_addr__is_mapped(&addr), row->mapped);
	other = addr;
	assert_true(ip_addr__equal(&addr, &other));
	other.bytes[family == AF_INET ? 3 : 15] ^= 1;
	assert_false(ip_addr__equal(&addr, &other));
}

static void test_link_local(void **state)
{
	static const struct {
		const char *addr;
		bool link_local, needs_scope_id;
	} rows[] = {
		{"fe80::1", true, true},       {"febf::1", true, true},
		{"fec0::1", false, false},     {"fd80::1", false, false},
		{"254.128.0.1", false, false}, {"255.2.0.1", false, false},
		{"ff01::1", false, true},      {"ff02::fb", false, true},
		{"ff05::2", false, false},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct ip_addr addr;
		uint16_t family = text_addr(rows[i].addr, &addr);

		assert_int_equal(ip_addr__is_link_local(family, &addr), rows[i].link_local);
		assert_int_equal(ip_addr__needs_scope_id(family, &addr), rows[i].needs_scope_id);
	}
}

/* ---- roles -------------------------------------------------------------------------------- */

enum { NO_BUCKET, BUCKET_CONNECT, BUCKET_BIND };

/* The role asked about is that of the first socket. */
struct role_row {
	const char *name;
	const char *socks;
	int bucket;
	enum sock_role role;
};

static const struct role_row role_rows[] = {
	{"listener", "LISTEN 0.0.0.0", BUCKET_BIND, ROLE_SERVER},
	{"the kernel's listener", "LISTEN 0.0.0.0 kern", BUCKET_BIND, ROLE_SERVER},
	{"bound only", "BOUND 0.0.0.0 locked", BUCKET_BIND, ROLE_BOUND},
	{"the kernel's connection", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/2049 kern socket",
	 BUCKET_BIND, ROLE_KERNEL},
	{"an MPTCP subflow has a file", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/50000 kern socket file",
	 BUCKET_BIND, ROLE_SERVER},
	{"file not known", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/50000 kern socket file?",
	 BUCKET_BIND, ROLE_SERVER},
	{"orphan", "FIN_WAIT1 10.0.0.1 peer=10.0.0.2/50000 dead", BUCKET_BIND, ROLE_ORPHAN},
	{"in the accept queue", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/50000", BUCKET_BIND,
	 ROLE_SERVER},
	{"dead is a bit that time-wait has not",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/50000 dead locked?", BUCKET_BIND, ROLE_SERVER},
	{"itself", "ESTABLISHED 10.0.0.1 peer=10.0.0.1/8080 socket file", BUCKET_CONNECT,
	 ROLE_SELF},
	{"itself, IPv6", "ESTABLISHED fd00::1 peer=fd00::1/8080 socket file", BUCKET_CONNECT,
	 ROLE_SELF},
	{"itself, in TIME_WAIT", "TIME_WAIT 10.0.0.1 peer=10.0.0.1/8080 locked?", BUCKET_CONNECT,
	 ROLE_SELF},
	{"same host, another port", "ESTABLISHED 10.0.0.1 peer=10.0.0.1/50000 socket file",
	 BUCKET_BIND, ROLE_SERVER},
	{"same port, another host", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/8080 socket file",
	 BUCKET_CONNECT, ROLE_CLIENT},
	{"bound, then connected", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 locked", BUCKET_BIND,
	 ROLE_CLIENT},
	{"6.18 says connect", "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 connect_bound locked?",
	 BUCKET_BIND, ROLE_CLIENT},
	{"6.18 says not connect", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80", NO_BUCKET, ROLE_SERVER},
	{"the bucket says connect", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 connect_bound?",
	 BUCKET_CONNECT, ROLE_CLIENT},
	{"the bucket says connect, TIME_WAIT",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/50000 connect_bound? locked?", BUCKET_CONNECT,
	 ROLE_CLIENT},
	{"the bucket says bind", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 connect_bound?",
	 BUCKET_BIND, ROLE_SERVER},
	{"bound to port 0, then connected",
	 "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 port=40000 connect_bound?", BUCKET_BIND,
	 ROLE_CLIENT},
	{"a listener in the range, an odd client",
	 "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 port=40000 connect_bound?|LISTEN 10.0.0.1 "
	 "port=40000",
	 BUCKET_BIND, ROLE_SERVER},
	/* a time-wait socket keeps no lock */
	{"TIME_WAIT, the peer is in the range",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/50000 connect_bound? locked?", BUCKET_BIND, ROLE_SERVER},
	{"TIME_WAIT, we are in the range",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 port=40000 connect_bound? locked?", BUCKET_BIND,
	 ROLE_CLIENT},
	{"TIME_WAIT, both", "TIME_WAIT 10.0.0.1 peer=10.0.0.2/50000 port=40000 locked?",
	 BUCKET_BIND, ROLE_UNKNOWN},
	{"TIME_WAIT, neither", "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked?", BUCKET_BIND,
	 ROLE_UNKNOWN},
	{"TIME_WAIT, a listener on the address",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked?|LISTEN 10.0.0.1", BUCKET_BIND, ROLE_SERVER},
	{"TIME_WAIT, a listener on another",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked?|LISTEN 10.0.0.3", BUCKET_BIND, ROLE_UNKNOWN},
	{"TIME_WAIT, a listener on 0.0.0.0",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked?|LISTEN 0.0.0.0", BUCKET_BIND, ROLE_SERVER},
	{"TIME_WAIT, a listener on ::",
	 "TIME_WAIT ::ffff:10.0.0.1 peer=::ffff:10.0.0.2/80 locked?|LISTEN ::", BUCKET_BIND,
	 ROLE_SERVER},
	{"TIME_WAIT, a listener on :: for IPv6 only",
	 "TIME_WAIT ::ffff:10.0.0.1 peer=::ffff:10.0.0.2/80 locked?|LISTEN :: V", BUCKET_BIND,
	 ROLE_UNKNOWN},
	{"IPv6 TIME_WAIT, a listener on ::",
	 "TIME_WAIT fd00::1 peer=fd00::2/80 locked?|LISTEN :: V", BUCKET_BIND, ROLE_SERVER},
	{"IPv6 TIME_WAIT, a listener on 0.0.0.0",
	 "TIME_WAIT fd00::1 peer=fd00::2/80 locked?|LISTEN 0.0.0.0", BUCKET_BIND, ROLE_UNKNOWN},
	{"TIME_WAIT, an accepted sibling",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked?|CLOSE_WAIT 10.0.0.1 peer=10.0.0.2/50000",
	 BUCKET_BIND, ROLE_SERVER},
	{"TIME_WAIT, mapped, a sibling of IPv4",
	 "TIME_WAIT ::ffff:10.0.0.1 peer=::ffff:10.0.0.2/80 locked?|CLOSE_WAIT 10.0.0.1 "
	 "peer=10.0.0.2/50000",
	 BUCKET_BIND, ROLE_SERVER},
	{"TIME_WAIT, a client's sibling",
	 "TIME_WAIT 10.0.0.1 peer=10.0.0.2/80 locked?|CLOSE_WAIT 10.0.0.1 peer=10.0.0.2/80 "
	 "locked",
	 BUCKET_BIND, ROLE_UNKNOWN},
	/* inet_diag knows neither lock nor bucket */
	{"diag, a listener",
	 "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 locked? connect_bound? socket? file? dead? "
	 "kern?|LISTEN 0.0.0.0",
	 NO_BUCKET, ROLE_SERVER},
	{"diag, by the range: server",
	 "ESTABLISHED 10.0.0.1 peer=10.0.0.2/50000 locked? connect_bound? dead? kern?", NO_BUCKET,
	 ROLE_SERVER},
	{"diag, by the range: client",
	 "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 port=40000 locked? connect_bound? dead? kern?",
	 NO_BUCKET, ROLE_CLIENT},
	{"diag, nothing tells", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/80 locked? connect_bound?",
	 NO_BUCKET, ROLE_UNKNOWN},
	{"not connected", "CLOSE_WAIT 10.0.0.1", BUCKET_BIND, ROLE_UNKNOWN},
	{"not connected, beside one that is",
	 "CLOSE_WAIT 10.0.0.1|TIME_WAIT 10.0.0.1 peer=10.0.0.2/50000 locked?|LISTEN 10.0.0.1",
	 BUCKET_BIND, ROLE_UNKNOWN},
};

static void test_role_row(void **state)
{
	const struct role_row *row = *state;
	struct snapshot snap;

	text_snapshot(row->socks, K_6_12, &snap);
	if (row->bucket != NO_BUCKET) {
		struct snap_bucket *bucket = snapshot__add_bucket(&snap);

		bucket->fastreuse = bucket->fastreuseport = row->bucket == BUCKET_CONNECT ? -1 : 0;
	}
	snapshot__set_roles(&snap);
	assert_string_equal(sock_role__name(snap.socks[0].role), sock_role__name(row->role));
	snapshot__free(&snap);
}

static const struct {
	const char *name, *sock, *state;
	enum sock_role role;
} udp_rows[] = {
	{"bound", "BOUND 0.0.0.0 locked", "BOUND", ROLE_BOUND},
	{"bound to a port of the kernel's choice", "BOUND 0.0.0.0 port=40000", "BOUND", ROLE_BOUND},
	{"the kernel's own", "BOUND 0.0.0.0 locked kern", "BOUND", ROLE_KERNEL},
	{"the kernel's own, with a file", "BOUND 0.0.0.0 kern file", "BOUND", ROLE_BOUND},
	{"connected", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/53", "ESTABLISHED", ROLE_CLIENT},
	{"connected from a port it asked for", "ESTABLISHED 10.0.0.1 peer=10.0.0.2/40000 locked",
	 "ESTABLISHED", ROLE_UNKNOWN},
	{"connected, lock not known", "ESTABLISHED 10.0.0.1 port=40000 peer=10.0.0.2/53 locked?",
	 "ESTABLISHED", ROLE_CLIENT},
	{"to itself", "ESTABLISHED 10.0.0.1 peer=10.0.0.1/8080", "ESTABLISHED", ROLE_SELF},
};

/* A UDP listener on the port makes no servers of the connected ones. */
static void test_udp_roles(void **state)
{
	char text[160];

	for (size_t i = 0; i < ARRAY_LENGTH(udp_rows); i++) {
		struct snapshot snap;

		snprintf(text, sizeof(text), "%s|BOUND 0.0.0.0 locked", udp_rows[i].sock);
		text_snapshot(text, K_6_12, &snap);
		snap.protocol = i % 2 ? PROTO_UDPLITE : PROTO_UDP;
		snapshot__set_roles(&snap);
		if (snap.socks[0].role != udp_rows[i].role)
			fail_msg("%s: %s", udp_rows[i].name, sock_role__name(snap.socks[0].role));
		assert_string_equal(sock_state__name(&snap.socks[0]), udp_rows[i].state);
		snapshot__free(&snap);
	}
}

/* Without ip_local_port_range nothing is guessed from a port. */
static void test_role_without_range(void **state)
{
	struct snapshot snap;

	text_snapshot("TIME_WAIT 10.0.0.1 peer=10.0.0.2/50000 locked?", K_6_12, &snap);
	snap.ephemeral_low = snap.ephemeral_high = 0;
	snapshot__set_roles(&snap);
	assert_int_equal(snap.socks[0].role, ROLE_UNKNOWN);
	snapshot__free(&snap);
}

/* ---- names -------------------------------------------------------------------------------- */

static void test_state_names(void **state)
{
	static const char *const names[] = {"UNKNOWN",	  "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
					    "FIN_WAIT1",  "FIN_WAIT2",	 "TIME_WAIT", "BOUND",
					    "CLOSE_WAIT", "LAST_ACK",	 "LISTEN",    "CLOSING",
					    "SYN_RECV",	  "UNKNOWN"};
	struct snap_sock sock = {0};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		sock.state = i;
		assert_string_equal(sock_state__name(&sock), names[i]);
	}
	sock.state = STATE_TIME_WAIT;
	sock.substate = STATE_TIME_WAIT;
	assert_string_equal(sock_state__name(&sock), "TIME_WAIT");
	sock.substate = STATE_FIN_WAIT2;
	assert_string_equal(sock_state__name(&sock), "FIN_WAIT2");
	sock.state = STATE_LISTEN;
	assert_string_equal(sock_state__name(&sock), "LISTEN");
}

static void test_role_names(void **state)
{
	static const char *const names[] = {"unknown", "server", "client", "self",
					    "bound",   "kernel", "orphan", "unknown"};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		assert_string_equal(sock_role__name(i), names[i]);
}

int main(void)
{
	struct test_list list = {0};

	test_list__add(&list, "empty", test_empty, NULL);
	test_list__add(&list, "entries are zeroed", test_entries_are_zeroed, NULL);
	test_list__add(&list, "devices", test_devices, NULL);
	test_list__add(&list, "no room", test_no_room, NULL);
	test_list__add(&list, "frees what it holds", test_frees_strings, NULL);
	test_list__add(&list, "drops duplicates", test_drops_duplicates, NULL);
	test_list__add(&list, "stale peer", test_stale_peer, NULL);
	test_list__add(&list, "overdue", test_overdue, NULL);
	test_list__add(&list, "holds", test_holds, NULL);
	test_list__add_rows(&list, "address", test_addr_row, addr_rows);
	test_list__add(&list, "link-local", test_link_local, NULL);
	test_list__add_rows(&list, "role", test_role_row, role_rows);
	test_list__add(&list, "role: range not known", test_role_without_range, NULL);
	test_list__add(&list, "role: UDP", test_udp_roles, NULL);
	test_list__add(&list, "state names", test_state_names, NULL);
	test_list__add(&list, "role names", test_role_names, NULL);
	return test_list__run(&list, "snapshot");
}
