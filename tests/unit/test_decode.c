// SPDX-License-Identifier: GPL-2.0-only
/* Wire records: what is well-formed becomes the model's terms, everything else is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "kernel/decode.h"

#define TICK_NS 4000000

static struct wire_conflict sample(uint32_t n_socks)
{
	struct wire_conflict wire = {
		.header = {.version = WIRE_VERSION, .kind = WIRE_CONFLICT},
		.time_ns = 12345,
		.named = 0x1000,
		.cgroup_id = 77,
		.netns = 4026531840u,
		.pid = 42,
		.tid = 43,
		.uid = 1000,
		.comm = "echo",
		.flags = WIRE_CONFLICT_COMPLETE | WIRE_CONFLICT_LOCKED | WIRE_CONFLICT_BUCKET,
		.error = EADDRINUSE,
		.protocol = PROTO_TCP,
		.syscall = WIRE_BIND,
		.stage = WIRE_STAGE_TEST,
		.visited = n_socks,
		.n_socks = n_socks,
		.exe_len = 9,
		.exe = "echo\0srv",
		.bucket = {.port = 8080, .fastreuse = 1, .l3mdev = 3},
		.binder = {.id = 0x2000,
			   .family = AF_INET,
			   .local_port = 8080,
			   .reuse = 1,
			   .flags = WIRE_SOCK_FULL | WIRE_SOCK_REUSEPORT,
			   .uid = 1000},
	};

	wire.header.size =
		offsetof(struct wire_conflict, socks) + n_socks * sizeof(struct wire_sock);
	return wire;
}

static int decode(const struct wire_conflict *wire, struct conflict_report *report,
		  struct decode_extra *extra)
{
	memset(report, 0, sizeof(*report));
	return decode__conflict(wire, wire->header.size, TICK_NS, report, extra);
}

static void reads_caller_and_request(void **state)
{
	struct wire_conflict wire = sample(0);
	struct conflict_report report;
	struct decode_extra extra;

	assert_int_equal(decode(&wire, &report, &extra), 0);
	assert_int_equal(report.process.pid, 42);
	assert_int_equal(report.process.tid, 43);
	assert_string_equal(report.process.comm, "echo");
	assert_string_equal(report.process.exe, "/srv/echo");
	assert_int_equal(report.req.port, 8080);
	assert_int_equal(report.req.l3mdev, 3);
	assert_true(report.req.reuseaddr);
	assert_true(report.req.reuseport);
	assert_false(report.req.v6only);
	assert_int_equal(report.req.uid, 1000);
	assert_string_equal(report.syscall, "bind");
	assert_int_equal(report.error, EADDRINUSE);
	assert_int_equal(report.snap.evidence, EVIDENCE_EXACT);
	assert_false(report.snap.truncated);
	assert_int_equal(report.snap.n_buckets, 1);
	assert_int_equal(report.snap.buckets[0].fastreuse, 1);
	assert_int_equal(extra.named, 0x1000);
	assert_int_equal(extra.caller.cgroup_id, 77);
	assert_false(extra.caller.visible);
	conflict__free(&report);
}

/* In a container: the number that its /proc has, not the host's. */
static void prefers_the_readers_pid(void **state)
{
	struct wire_conflict wire = sample(0);
	struct conflict_report report;
	struct decode_extra extra;

	wire.seen_pid = 7;
	wire.seen_tid = 8;
	wire.start_ns = 99;
	assert_int_equal(decode(&wire, &report, &extra), 0);
	assert_int_equal(report.process.pid, 7);
	assert_int_equal(report.process.tid, 8);
	assert_true(extra.caller.visible);
	assert_int_equal(extra.caller.start_ns, 99);
	conflict__free(&report);
}

static void says_listen_and_truncated(void **state)
{
	struct wire_conflict wire = sample(0);
	struct conflict_report report;
	struct decode_extra extra;

	wire.flags = 0;
	wire.syscall = WIRE_LISTEN;
	assert_int_equal(decode(&wire, &report, &extra), 0);
	assert_string_equal(report.syscall, "listen");
	assert_true(report.req.listening);
	assert_true(report.snap.truncated);
	assert_int_equal(report.snap.evidence, EVIDENCE_WALKED);
	conflict__free(&report);
}

/* How much a refusal's evidence is worth follows from where it was taken. */
static void weighs_the_evidence(void **state)
{
	static const struct {
		uint32_t flags;
		uint8_t stage;
		enum evidence evidence;
	} rows[] = {
		{WIRE_CONFLICT_LOCKED, WIRE_STAGE_TEST, EVIDENCE_EXACT},
		{WIRE_CONFLICT_LOCKED | WIRE_CONFLICT_TORN, WIRE_STAGE_TEST, EVIDENCE_RACED},
		{0, WIRE_STAGE_TEST, EVIDENCE_WALKED},
		{0, WIRE_STAGE_CONNECT, EVIDENCE_WALKED},
		{0, WIRE_STAGE_PROTOCOL, EVIDENCE_EXACT},
		{0, WIRE_STAGE_LSM, EVIDENCE_EXACT},
		{0, WIRE_STAGE_CGROUP, EVIDENCE_EXACT},
	};
	struct conflict_report report;
	struct decode_extra extra;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_conflict wire = sample(0);

		wire.flags = rows[i].flags;
		wire.stage = rows[i].stage;
		assert_int_equal(decode(&wire, &report, &extra), 0);
		assert_int_equal(report.snap.evidence, rows[i].evidence);
		assert_int_equal(report.snap.n_buckets, 0);
		conflict__free(&report);
	}
}

static void reads_a_connect(void **state)
{
	struct wire_conflict wire = sample(0);
	struct conflict_report report;
	struct decode_extra extra;

	wire.syscall = WIRE_CONNECT;
	wire.stage = WIRE_STAGE_CONNECT;
	wire.error = EADDRNOTAVAIL;
	wire.had_port = 8080;
	wire.binder.peer_port = 443;
	wire.binder.peer[0] = 10;
	assert_int_equal(decode(&wire, &report, &extra), 0);
	assert_string_equal(report.syscall, "connect");
	assert_int_equal(report.error, EADDRNOTAVAIL);
	assert_int_equal(report.req.call, CALL_CONNECT);
	assert_int_equal(report.req.peer_port, 443);
	assert_int_equal(report.req.peer.bytes[0], 10);
	assert_int_equal(report.facts.stage, STAGE_CONNECT);
	assert_int_equal(report.facts.had_port, 8080);
	assert_int_equal(report.facts.tw_reuse, -1);
	conflict__free(&report);
}

static void reads_a_state_change(void **state)
{
	struct wire_state wire = {
		.header = {.version = WIRE_VERSION, .kind = WIRE_STATE, .size = sizeof(wire)},
		.time_ns = 5,
		.duration_ns = -1,
		.cgroup_id = 9,
		.start_ns = 11,
		.pid = 7,
		.seen_pid = 3,
		.former = 1,
		.family = AF_INET,
		.protocol = PROTO_TCP,
		.local_port = 80,
		.peer_port = 1234,
		.old_state = STATE_FIN_WAIT2,
		.new_state = STATE_TIME_WAIT,
		.comm = "echo",
	};
	struct state_report report = {};
	struct decode_caller caller;

	assert_int_equal(decode__kind(&wire, sizeof(wire)), WIRE_STATE);
	assert_int_equal(decode__state(&wire, sizeof(wire), &report, &caller), 0);
	assert_int_equal(report.new_state, STATE_TIME_WAIT);
	assert_int_equal(report.duration_ns, -1);
	assert_true(report.former);
	assert_string_equal(report.process.comm, "echo");
	assert_int_equal(caller.cgroup_id, 9);
	assert_int_equal(caller.start_ns, 11);
	assert_true(caller.visible);
	assert_int_equal(report.process.pid, 3);
	proc_info__free(&report.process);
	assert_int_equal(decode__state(&wire, sizeof(wire) - 8, &report, &caller), -EBADMSG);
	assert_int_equal(decode__kind(&wire, 4), 0);
}

static void time_wait_has_no_owner_data(void **state)
{
	struct wire_sock wire = {.state = STATE_TIME_WAIT,
				 .substate = STATE_FIN_WAIT2,
				 .family = AF_INET,
				 .expires_ticks = 10307,
				 .uid = 5,
				 .flags = WIRE_SOCK_CONNECT_KNOWN | WIRE_SOCK_CONNECT_BOUND};
	struct snap_sock sock;

	decode__sock(&wire, TICK_NS, &sock);
	assert_true(sock.expires_known);
	assert_int_equal(sock.expires_ms, 41228);
	assert_int_equal(sock.substate, STATE_FIN_WAIT2);
	assert_false(sock.uid_known);
	assert_false(sock.inode_uid_known);
	assert_int_equal(sock.port_locked, TRI_UNKNOWN);
	assert_int_equal(sock.connect_bound, TRI_YES);
}

static void full_socket_keeps_its_flags(void **state)
{
	struct wire_sock wire = {.state = STATE_LISTEN,
				 .family = AF_INET6,
				 .uid = 1,
				 .inode = 9,
				 .inode_uid = 2,
				 .reuse = 2,
				 .flags = WIRE_SOCK_FULL | WIRE_SOCK_V6ONLY | WIRE_SOCK_HAS_FILE |
					  WIRE_SOCK_HAS_SOCKET | WIRE_SOCK_PORT_LOCKED};
	struct snap_sock sock;

	decode__sock(&wire, TICK_NS, &sock);
	assert_int_equal(sock.v6only, TRI_YES);
	assert_int_equal(sock.reuseaddr, TRI_YES);
	assert_int_equal(sock.force_reuse, TRI_YES);
	assert_int_equal(sock.reuseport, TRI_NO);
	assert_int_equal(sock.port_locked, TRI_YES);
	assert_int_equal(sock.connect_bound, TRI_UNKNOWN);
	assert_int_equal(sock.dead, TRI_NO);
	assert_true(sock.uid_known && sock.inode_uid_known);
	assert_int_equal(sock.uid, 1);
	assert_int_equal(sock.inode_uid, 2);
	assert_int_equal(sock.inode, 9);
}

static void no_expiry_out_of_nonsense(void **state)
{
	struct wire_sock wire = {.state = STATE_TIME_WAIT, .expires_ticks = INT64_MIN};
	struct snap_sock sock;

	decode__sock(&wire, TICK_NS, &sock);
	assert_false(sock.expires_known);
}

/* Each row breaks one thing of a good record. */
static void refuses_malformed(void **state)
{
	struct wire_conflict good = sample(2), wire;
	struct conflict_report report = {};
	struct decode_extra extra;
	size_t size = good.header.size;

	assert_int_equal(decode__conflict(&good, size - 1, TICK_NS, &report, &extra), -EBADMSG);
	assert_int_equal(decode__conflict(&good, 4, TICK_NS, &report, &extra), -EBADMSG);
	wire = good;
	wire.header.version++;
	assert_int_equal(decode__conflict(&wire, size, TICK_NS, &report, &extra), -EBADMSG);
	wire = good;
	wire.header.kind = 99;
	assert_int_equal(decode__conflict(&wire, size, TICK_NS, &report, &extra), -EBADMSG);
	wire = good;
	wire.header.size += 8;
	assert_int_equal(decode__conflict(&wire, size, TICK_NS, &report, &extra), -EBADMSG);
	wire = good;
	wire.n_socks = 1;
	assert_int_equal(decode__conflict(&wire, size, TICK_NS, &report, &extra), -EBADMSG);
	wire = good;
	wire.n_socks = WIRE_MAX_SOCKS + 1;
	assert_int_equal(decode__conflict(&wire, size, TICK_NS, &report, &extra), -EBADMSG);
}

static void exe_only_when_well_formed(void **state)
{
	struct wire_conflict wire = sample(0);
	struct conflict_report report;
	struct decode_extra extra;

	wire.exe_len = WIRE_EXE_LEN + 1;
	assert_int_equal(decode(&wire, &report, &extra), 0);
	assert_null(report.process.exe);
	conflict__free(&report);
	wire.exe_len = 3; /* no NUL at its end */
	assert_int_equal(decode(&wire, &report, &extra), 0);
	assert_null(report.process.exe);
	conflict__free(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_caller_and_request),
		cmocka_unit_test(prefers_the_readers_pid),
		cmocka_unit_test(says_listen_and_truncated),
		cmocka_unit_test(weighs_the_evidence),
		cmocka_unit_test(reads_a_connect),
		cmocka_unit_test(reads_a_state_change),
		cmocka_unit_test(time_wait_has_no_owner_data),
		cmocka_unit_test(full_socket_keeps_its_flags),
		cmocka_unit_test(no_expiry_out_of_nonsense),
		cmocka_unit_test(refuses_malformed),
		cmocka_unit_test(exe_only_when_well_formed),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
