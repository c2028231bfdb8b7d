// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "decode.h"
#include "sysctl.h"
#include "walk.h"
#include "walk.skel.h"

/* A list that changes faster than it can be walked ends here, and the result says "truncated". */
#define MAX_TORN_RUNS 1000
#define MAX_RESTARTS  20
/* Attempts at a walk during which nothing on the list changed, before it is called raced. */
#define MAX_PASSES 3

struct walk {
	const struct features *features;
	struct walk_bpf *skel;
	int find_fd, list_fd, range_fd, udp_fd, state_fd;
	const struct wire_sock *socks; /* mapped read-only */
	size_t socks_size;
};

static int map_socks(struct walk *walk)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *mem;

	walk->socks_size = (WIRE_WALK_BATCH * sizeof(struct wire_sock) + page - 1) & ~(page - 1);
	mem = mmap(NULL, walk->socks_size, PROT_READ, MAP_SHARED,
		   bpf_map__fd(walk->skel->maps.socks), 0);
	if (mem == MAP_FAILED)
		return -errno;
	walk->socks = mem;
	return 0;
}

/* The verifier is most of what a one-shot run costs: programs that it will not run are not loaded.
 */
static void choose(struct walk_bpf *skel, uint32_t protocol)
{
	bool tcp = !protocol || protocol == PROTO_TCP;

	bpf_program__set_autoload(skel->progs.walk_find, tcp);
	bpf_program__set_autoload(skel->progs.walk_list, tcp);
	bpf_program__set_autoload(skel->progs.walk_range, !protocol);
	bpf_program__set_autoload(skel->progs.walk_udp, !tcp || !protocol);
}

int walk__open(const struct features *features, uint32_t protocol, struct walk **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = features__types(features));
	struct walk *walk = calloc(1, sizeof(*walk));
	int err;

	if (!walk)
		return -ENOMEM;
	walk->features = features;
	walk->skel = walk_bpf__open_opts(&opts);
	if (!walk->skel) {
		err = -errno;
		goto fail;
	}
	choose(walk->skel, protocol);
	err = walk_bpf__load(walk->skel);
	if (err)
		goto fail;
	walk->find_fd = bpf_program__fd(walk->skel->progs.walk_find);
	walk->list_fd = bpf_program__fd(walk->skel->progs.walk_list);
	walk->range_fd = bpf_program__fd(walk->skel->progs.walk_range);
	walk->udp_fd = bpf_program__fd(walk->skel->progs.walk_udp);
	walk->state_fd = bpf_map__fd(walk->skel->maps.walks);
	err = map_socks(walk);
	if (err)
		goto fail;
	*ret = walk;
	return 0;
fail:
	walk__free(walk);
	return err;
}

void walk__free(struct walk *walk)
{
	if (!walk)
		return;
	if (walk->socks)
		munmap((void *)walk->socks, walk->socks_size);
	walk_bpf__destroy(walk->skel);
	free(walk);
}

/* One run of a program on the shared state. */
static int run(const struct walk *walk, int prog_fd, struct wire_walk *state)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint32_t zero = 0;
	int err;

	err = bpf_map_update_elem(walk->state_fd, &zero, state, BPF_ANY);
	if (!err)
		err = bpf_prog_test_run_opts(prog_fd, &opts);
	if (!err)
		err = bpf_map_lookup_elem(walk->state_fd, &zero, state);
	return err;
}

static int take_socks(const struct walk *walk, const struct wire_walk *state, struct snapshot *snap)
{
	for (uint32_t i = 0; i < state->n_socks && i < WIRE_WALK_BATCH; i++) {
		struct snap_sock *sock = snapshot__add_sock(snap);

		if (!sock)
			return -ENOMEM;
		decode__sock(&walk->socks[i], walk->features->tick_ns, sock);
	}
	return 0;
}

struct walk_result {
	bool torn, revisited, truncated;
};

/* All sockets of one bucket, WIRE_WALK_BATCH a run. */
static int list_bucket(const struct walk *walk, struct wire_walk *state, struct snapshot *snap,
		       struct walk_result *result)
{
	int torn_runs = 0, restarts = 0, err;

	state->restart = 1;
	for (;;) {
		err = run(walk, walk->list_fd, state);
		if (!err)
			err = take_socks(walk, state, snap);
		if (err)
			return err;
		result->torn |= state->torn;
		result->revisited |= state->rewound;
		if (state->done)
			return 0;
		if (state->torn && ++torn_runs > MAX_TORN_RUNS)
			break;
		/* Nothing to go on from: every node of the trail has gone. */
		state->restart = state->torn && !state->n_socks;
		if (state->restart) {
			result->revisited = true;
			if (++restarts > MAX_RESTARTS)
				break;
		}
	}
	result->truncated = true;
	return 0;
}

static int list_buckets(const struct walk *walk, struct wire_walk *state, struct snapshot *snap,
			struct walk_result *result)
{
	int err;

	for (uint32_t i = 0; i < state->n_buckets && i < WIRE_MAX_BUCKETS; i++) {
		struct snap_bucket *bucket = snapshot__add_bucket(snap);

		if (!bucket)
			return -ENOMEM;
		decode__bucket(&state->buckets[i], bucket);
		state->bucket = i;
		err = list_bucket(walk, state, snap, result);
		if (err)
			return err;
	}
	result->truncated |= state->more_buckets != 0;
	if (result->revisited)
		snapshot__drop_duplicates(snap);
	return 0;
}

static int walk_fd(const struct walk *walk, int fd, uint16_t port, struct snapshot *snap)
{
	struct walk_result result = {};
	int err;

	for (int pass = 0; pass < MAX_PASSES; pass++) {
		struct wire_walk state = {.sock_fd = fd, .port = port};

		result = (struct walk_result){};
		snap->n_socks = 0;
		snap->n_buckets = 0;
		err = run(walk, walk->find_fd, &state);
		if (!err)
			err = state.error;
		if (!err)
			err = list_buckets(walk, &state, snap, &result);
		if (err)
			return err;
		snap->netns = state.netns;
		if (!result.torn)
			break;
	}
	snap->truncated = result.truncated;
	snap->evidence = result.torn || result.truncated ? EVIDENCE_RACED : EVIDENCE_WALKED;
	return 0;
}

static void finish(const struct walk *walk, uint32_t protocol, uint16_t port, struct snapshot *snap)
{
	snap->protocol = protocol;
	snap->port = port;
	snap->kernel = walk->features->rules;
	snap->total = snap->n_socks;
	sysctl__port_range(&snap->ephemeral_low, &snap->ephemeral_high);
}

typedef int (*fd_fn)(struct walk *walk, int fd, struct wire_walk *state, struct snapshot *snap);

/* Calls fn with a socket of the protocol, by which the program finds the namespace's tables. */
static int with_socket(struct walk *walk, uint32_t protocol, fd_fn fn, struct wire_walk *state,
		       struct snapshot *snap)
{
	int type = protocol == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, (int)protocol);
	int err;

	if (fd < 0)
		return -errno;
	err = fn(walk, fd, state, snap);
	close(fd);
	return err;
}

static int walk_port(struct walk *walk, uint32_t protocol, uint16_t port, fd_fn fn,
		     struct snapshot *snap)
{
	struct wire_walk state = {.port = port};
	int err = with_socket(walk, protocol, fn, &state, snap);

	if (err)
		return err;
	finish(walk, protocol, port, snap);
	snapshot__set_roles(snap);
	return 0;
}

static int port_with_fd(struct walk *walk, int fd, struct wire_walk *state, struct snapshot *snap)
{
	return walk_fd(walk, fd, state->port, snap);
}

int walk__port(struct walk *walk, uint16_t port, struct snapshot *snap)
{
	return walk_port(walk, PROTO_TCP, port, port_with_fd, snap);
}

/* One pass over the slot, or over all. *ret_torn: a socket had gone from under it. */
static int udp_pass(struct walk *walk, int fd, struct wire_walk *state, struct snapshot *snap,
		    bool *ret_torn)
{
	int err;

	snap->n_socks = 0;
	state->sock_fd = fd;
	state->restart = 1;
	do {
		err = run(walk, walk->udp_fd, state);
		if (!err)
			err = state->error;
		if (!err)
			err = take_socks(walk, state, snap);
		state->restart = 0;
	} while (!err && !state->done && !state->torn);
	*ret_torn = state->torn;
	snap->udp_slot_socks = state->slot_socks;
	snap->netns = state->netns;
	return err;
}

static int udp_with_fd(struct walk *walk, int fd, struct wire_walk *state, struct snapshot *snap)
{
	bool torn = true;
	int err = 0;

	for (int pass = 0; pass < MAX_PASSES && torn && !err; pass++)
		err = udp_pass(walk, fd, state, snap, &torn);
	snap->evidence = torn ? EVIDENCE_RACED : EVIDENCE_WALKED;
	snap->truncated = torn;
	return err;
}

int walk__udp(struct walk *walk, uint32_t protocol, uint16_t port, struct snapshot *snap)
{
	return walk_port(walk, protocol, port, udp_with_fd, snap);
}

int walk__protocol(struct walk *walk, uint32_t protocol, uint16_t port, struct snapshot *snap)
{
	return protocol == PROTO_TCP ? walk__port(walk, port, snap)
				     : walk__udp(walk, protocol, port, snap);
}

/* The port that a run ended in the middle of is walked again: its sockets are dropped first. */
static void drop_port(struct snapshot *snap, uint16_t port)
{
	while (snap->n_socks && snap->socks[snap->n_socks - 1].local_port == port)
		snap->n_socks--;
}

static int range_with_fd(struct walk *walk, int fd, struct wire_walk *state, struct snapshot *snap)
{
	uint32_t stuck = 0;
	int err;

	state->sock_fd = fd;
	err = run(walk, walk->find_fd, state);
	if (!err)
		err = state->error;
	snap->netns = state->netns;
	snap->evidence = EVIDENCE_WALKED;
	while (!err) {
		uint32_t before = state->port_now;

		err = run(walk, walk->range_fd, state);
		if (!err)
			err = take_socks(walk, state, snap);
		if (state->rewound)
			snap->evidence = EVIDENCE_RACED;
		if (err || state->done)
			break;
		/* More sockets on one port than a run holds: enough to know that it is taken. */
		stuck = state->port_now == before ? stuck + 1 : 0;
		if (stuck) {
			state->port_now++;
			snap->truncated = true;
		} else {
			drop_port(snap, (uint16_t)state->port_now);
		}
	}
	return err;
}

int walk__range(struct walk *walk, uint16_t low, uint16_t high, struct snapshot *snap)
{
	struct wire_walk state = {.port = low, .port_now = low, .port_last = high};
	int err = with_socket(walk, PROTO_TCP, range_with_fd, &state, snap);

	if (!err)
		finish(walk, PROTO_TCP, 0, snap);
	return err;
}
