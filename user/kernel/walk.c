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
#include "range.skel.h"
#include "udp.skel.h"
#include "walk.skel.h"

/* A list that changes faster than it can be walked ends here, and the result says "truncated". */
#define MAX_TORN_RUNS 1000
#define MAX_RESTARTS  20
/* Attempts at a walk during which nothing on the list changed, before it is called raced. */
#define MAX_PASSES 3

/* An object, as far as it is needed. */
struct part {
	int find_fd, list_fd, state_fd;
	const struct wire_sock *socks; /* mapped read-only; NULL: not loaded */
};

struct walk {
	const struct features *features;
	struct walk_bpf *walk_skel;
	struct range_bpf *range_skel;
	struct udp_bpf *udp_skel;
	struct part port, range, udp;
};

static size_t socks_size(void)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (WIRE_WALK_BATCH * sizeof(struct wire_sock) + page - 1) & ~(page - 1);
}

static int open_part(const struct bpf_program *find, const struct bpf_program *list,
		     const struct bpf_map *state, const struct bpf_map *socks, struct part *part)
{
	void *mem = mmap(NULL, socks_size(), PROT_READ, MAP_SHARED, bpf_map__fd(socks), 0);

	if (mem == MAP_FAILED)
		return -errno;
	part->socks = mem;
	part->find_fd = find ? bpf_program__fd(find) : -1;
	part->list_fd = bpf_program__fd(list);
	part->state_fd = bpf_map__fd(state);
	return 0;
}

static int open_port(struct walk *walk, const struct bpf_object_open_opts *opts)
{
	struct walk_bpf *skel = walk->walk_skel = walk_bpf__open_opts(opts);
	int err = skel ? walk_bpf__load(skel) : -errno;

	return err
		       ?: open_part(skel->progs.walk_find, skel->progs.walk_list, skel->maps.walks,
				    skel->maps.socks, &walk->port);
}

static int open_range(struct walk *walk, const struct bpf_object_open_opts *opts)
{
	struct range_bpf *skel = walk->range_skel = range_bpf__open_opts(opts);
	int err = skel ? range_bpf__load(skel) : -errno;

	return err
		       ?: open_part(skel->progs.range_find, skel->progs.range_list,
				    skel->maps.walks, skel->maps.socks, &walk->range);
}

static int open_udp(struct walk *walk, const struct bpf_object_open_opts *opts)
{
	struct udp_bpf *skel = walk->udp_skel = udp_bpf__open_opts(opts);
	int err = skel ? udp_bpf__load(skel) : -errno;

	return err
		       ?: open_part(NULL, skel->progs.udp_list, skel->maps.walks, skel->maps.socks,
				    &walk->udp);
}

/* To load them is most of what a one-shot run costs: only what the protocol needs. */
static int open_parts(struct walk *walk, uint32_t protocol)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = features__types(walk->features));
	bool tcp = !protocol || protocol == PROTO_TCP, udp = !protocol || !tcp;
	int err = 0;

	if (tcp)
		err = open_port(walk, &opts);
	if (!err && !protocol)
		err = open_range(walk, &opts);
	if (!err && udp)
		err = open_udp(walk, &opts);
	return err;
}

int walk__open(const struct features *features, uint32_t protocol, struct walk **ret)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int err;

	if (!walk)
		return -ENOMEM;
	walk->features = features;
	err = open_parts(walk, protocol);
	if (err)
		walk__free(walk);
	else
		*ret = walk;
	return err;
}

static void unmap(const struct part *part)
{
	if (part->socks)
		munmap((void *)part->socks, socks_size());
}

void walk__free(struct walk *walk)
{
	if (!walk)
		return;
	unmap(&walk->port);
	unmap(&walk->range);
	unmap(&walk->udp);
	walk_bpf__destroy(walk->walk_skel);
	range_bpf__destroy(walk->range_skel);
	udp_bpf__destroy(walk->udp_skel);
	free(walk);
}

/* One run of a program on the shared state. */
static int run(const struct part *part, int prog_fd, struct wire_walk *state)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint32_t zero = 0;
	int err;

	err = bpf_map_update_elem(part->state_fd, &zero, state, BPF_ANY);
	if (!err)
		err = bpf_prog_test_run_opts(prog_fd, &opts);
	if (!err)
		err = bpf_map_lookup_elem(part->state_fd, &zero, state);
	return err;
}

static int take_socks(const struct walk *walk, const struct part *part,
		      const struct wire_walk *state, struct snapshot *snap)
{
	for (uint32_t i = 0; i < state->n_socks && i < WIRE_WALK_BATCH; i++) {
		struct snap_sock *sock = snapshot__add_sock(snap);

		if (!sock)
			return -ENOMEM;
		decode__sock(&part->socks[i], walk->features->tick_ns, sock);
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
		err = run(&walk->port, walk->port.list_fd, state);
		if (!err)
			err = take_socks(walk, &walk->port, state, snap);
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
		err = run(&walk->port, walk->port.find_fd, &state);
		if (!err)
			err = state.error;
		result.torn = state.torn;
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
		err = run(&walk->udp, walk->udp.list_fd, state);
		if (!err)
			err = state->error;
		if (!err)
			err = take_socks(walk, &walk->udp, state, snap);
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
	bool revisited = false;
	uint32_t stuck = 0;
	int err;

	state->sock_fd = fd;
	err = run(&walk->range, walk->range.find_fd, state);
	if (!err)
		err = state->error;
	snap->netns = state->netns;
	snap->evidence = EVIDENCE_WALKED;
	while (!err) {
		uint32_t before = state->port_now;

		err = run(&walk->range, walk->range.list_fd, state);
		if (!err)
			err = take_socks(walk, &walk->range, state, snap);
		if (state->raced)
			snap->evidence = EVIDENCE_RACED;
		revisited |= state->rewound;
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
	if (revisited)
		snapshot__drop_duplicates(snap);
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
