// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as what the kernel side tells: a refusal, a change of state, the sockets of a walk, the
 * names of an executable. Decoded or refused, judged, explained and shown without a fault. The
 * first byte chooses, and whether the header is made right, so that most inputs get past its
 * checks.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "checks.h"
#include "explain.h"
#include "kernel/decode.h"

#define TICK_NS	     4000000
#define MAKE_RIGHT   0x80
#define MAX_WALKED   64
#define WALK_BUCKETS 4

static struct output *open_output(char **ret_text, size_t *ret_len, bool json, FILE **ret_stream)
{
	FILE *stream = open_memstream(ret_text, ret_len);
	const struct output_config config = {
		.results = stream, .diagnostics = stream, .json = json, .show_netns = true};
	struct output *out = output__new(&config);

	must(stream && out);
	*ret_stream = stream;
	return out;
}

static void close_output(struct output *out, FILE *stream, char **text, const size_t *len,
			 bool json)
{
	output__free(out);
	must(!fclose(stream));
	if (json)
		json_decref(check_json_line(*text, *len));
	else
		check_text(*text, *len, false);
	free(*text);
}

static void show_conflict(const struct conflict_report *report)
{
	for (int json = 0; json < 2; json++) {
		char *text;
		size_t len;
		FILE *stream;
		struct output *out = open_output(&text, &len, json, &stream);

		must(!output__conflict(out, report));
		close_output(out, stream, &text, &len, json);
	}
}

static void try_conflict(const uint8_t *data, size_t size, bool make_right)
{
	static struct conflict_report report; /* larger than a stack frame should be */
	struct decode_extra extra;
	struct wire_conflict *wire;
	int err;

	if (make_right) {
		size = size > sizeof(*wire) ? sizeof(*wire) : size;
		wire = calloc(1, sizeof(*wire));
		must(wire);
		memcpy(wire, data, size);
		wire->header.version = WIRE_VERSION;
		wire->header.kind = WIRE_CONFLICT;
		wire->n_socks %= WIRE_MAX_SOCKS + 1;
		wire->header.size = offsetof(struct wire_conflict, socks) +
				    wire->n_socks * sizeof(struct wire_sock);
		size = wire->header.size;
	} else {
		wire = malloc(size + !size); /* exact, for the sanitizer */
		must(wire);
		memcpy(wire, data, size);
	}
	memset(&report, 0, sizeof(report));
	err = decode__conflict(wire, size, TICK_NS, &report, &extra);
	must(!err || err == -EBADMSG);
	must(!err || !make_right);
	if (!err) {
		must(report.snap.n_socks == wire->n_socks);
		must(report.process.comm && strlen(report.process.comm) <= WIRE_COMM_LEN);
		must(decode__kind(wire, size) == WIRE_CONFLICT);
		snapshot__set_roles(&report.snap);
		must(!report__judge(&report) && !report__explain(&report));
		show_conflict(&report);
	}
	conflict__free(&report);
	free(wire);
}

static void try_state(const uint8_t *data, size_t size, bool make_right)
{
	struct state_report report = {0};
	struct decode_caller caller;
	struct wire_state wire = {0};
	int err;

	memcpy(&wire, data, size < sizeof(wire) ? size : sizeof(wire));
	if (make_right) {
		wire.header = (struct wire_header){WIRE_VERSION, WIRE_STATE, sizeof(wire)};
		size = sizeof(wire);
	}
	err = decode__state(&wire, size < sizeof(wire) ? size : sizeof(wire), &report, &caller);
	must(!err || (err == -EBADMSG && !make_right));
	for (int json = 0; json < 2 && !err; json++) {
		char *text;
		size_t len;
		FILE *stream;
		struct output *out = open_output(&text, &len, json, &stream);

		must(!output__state(out, &report));
		close_output(out, stream, &text, &len, json);
	}
	proc_info__free(&report.process);
}

/* As take_socks() and list_buckets() of walk.c take them, with nobody to vouch for the indexes. */
static void try_walk(const uint8_t *data, size_t size, bool udp)
{
	struct snapshot snap;
	struct bind_request req = {.family = AF_INET6, .port = 8080, .reuseaddr = size & 1};
	struct port_usage usage;
	struct wire_bucket bucket;
	struct wire_sock sock;
	struct verdict verdict;

	snapshot__init(&snap);
	snap.protocol = udp ? PROTO_UDP : PROTO_TCP;
	snap.port = 8080;
	snap.ephemeral_low = 32768;
	snap.ephemeral_high = 60999;
	for (size_t i = 0; !udp && i < WALK_BUCKETS && size >= sizeof(bucket); i++) {
		struct snap_bucket *added = snapshot__add_bucket(&snap);

		must(added);
		memcpy(&bucket, data, sizeof(bucket));
		decode__bucket(&bucket, added);
		data += sizeof(bucket), size -= sizeof(bucket);
	}
	for (size_t i = 0; i < MAX_WALKED && size >= sizeof(sock); i++) {
		struct snap_sock *added = snapshot__add_sock(&snap);

		must(added);
		memcpy(&sock, data, sizeof(sock));
		decode__sock(&sock, TICK_NS, added);
		data += sizeof(sock), size -= sizeof(sock);
	}
	snapshot__drop_duplicates(&snap);
	for (size_t i = 1; i < snap.n_socks; i++)
		must(!snap.socks[i].id || snap.socks[i].id != snap.socks[i - 1].id);
	snap.total = snap.n_socks;
	snapshot__set_roles(&snap);
	must(!rules__judge(&snap, &req, false, &verdict));
	must(!verdict__explain(&verdict, &snap, &req));
	must(verdict.n_blockers <= snap.n_socks && verdict.n_definite <= verdict.n_blockers);
	verdict__free(&verdict);
	for (int call = CALL_BIND; call <= CALL_AUTOBIND; call++) {
		req.call = call;
		must(!usage__sum(&snap, &req, NULL, &usage));
		must(usage.taken <= usage.high - usage.low + 1u && usage.bound <= usage.taken);
	}
	snapshot__free(&snap);
}

static void try_exe(const uint8_t *data, size_t size, bool all)
{
	uint8_t names[WIRE_EXE_LEN] = {0};
	uint32_t len = size;
	char *path;

	memcpy(names, data, size < sizeof(names) ? size : sizeof(names));
	if (all && size >= sizeof(len))
		memcpy(&len, data + size - sizeof(len), sizeof(len));
	path = decode__exe(names, len);
	must(!path || (*path == '/' && strlen(path) <= WIRE_EXE_LEN));
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const records[])(const uint8_t *data, size_t size, bool make_right) = {
		try_conflict, try_state, try_walk, try_exe};

	if (size)
		records[data[0] % 4](data + 1, size - 1, data[0] & MAKE_RIGHT);
	return 0;
}
