// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "../../bpf/wire.h"
#include "fold.h"

#define TCP_CLOSE  7 /* bound and nothing else, UDP included: include/net/tcp_states.h */
#define TCP_LISTEN 10

/* Compared as bytes: nothing is between its fields. */
struct __attribute__((packed)) kind_key {
	uint64_t cgroup_id;
	uint64_t standing; /* sum of the ids of listeners and bound sockets in the way */
	uint32_t states;   /* a bit for each state that something in the way is in */
	uint32_t netns, uid;
	int32_t error;
	uint32_t flags; /* enum wire_conflict_flag */
	uint32_t sock_flags, ifindex, sock_uid;
	int32_t l3mdev;
	uint32_t exe_len;
	uint16_t protocol, had_port, family, local_port, peer_port;
	uint8_t syscall, stage, reuse;
	int8_t fastreuse, fastreuseport;
	uint8_t local[16], peer[16];
	uint8_t comm[WIRE_COMM_LEN];
	uint8_t exe[WIRE_EXE_LEN];
};

struct kind {
	struct kind_key key;
	uint64_t hash;
	int64_t begin_ns; /* of the window */
	uint64_t count;	  /* held */
	int64_t first_ns;
	void *record; /* the last one held */
	size_t size, room;
};

struct fold {
	int64_t window_ns;
	size_t n;
	struct kind kinds[FOLD_MAX_KINDS]; /* in the order of their windows */
};

struct fold *fold__new(int64_t window_ns)
{
	struct fold *fold = calloc(1, sizeof(*fold));

	if (fold)
		fold->window_ns = window_ns;
	return fold;
}

void fold__free(struct fold *fold)
{
	if (!fold)
		return;
	for (size_t i = 0; i < FOLD_MAX_KINDS; i++)
		free(fold->kinds[i].record);
	free(fold);
}

static void read_blockers(const struct wire_conflict *wire, size_t size, struct kind_key *key)
{
	size_t n = (size - offsetof(struct wire_conflict, socks)) / sizeof(wire->socks[0]);

	for (size_t i = 0; i < n && i < wire->n_socks && i < WIRE_MAX_SOCKS; i++) {
		const struct wire_sock *sock = &wire->socks[i];

		key->states |= 1u << (sock->state & 31);
		/* Connections come and go on a busy port; the refusal is the same. */
		if (sock->state == TCP_LISTEN || sock->state == TCP_CLOSE)
			key->standing += sock->id;
	}
}

static void read_key(const struct wire_conflict *wire, size_t size, struct kind_key *key)
{
	const struct wire_sock *binder = &wire->binder;

	memset(key, 0, sizeof(*key));
	key->cgroup_id = wire->cgroup_id;
	key->netns = wire->netns;
	key->uid = wire->uid;
	key->error = wire->error;
	key->flags = wire->flags;
	key->protocol = wire->protocol;
	key->had_port = wire->had_port;
	key->syscall = wire->syscall;
	key->stage = wire->stage;
	key->family = binder->family;
	key->local_port = binder->local_port;
	key->peer_port = binder->peer_port;
	key->reuse = binder->reuse;
	key->sock_flags = binder->flags;
	key->ifindex = binder->ifindex;
	key->sock_uid = binder->uid;
	memcpy(key->local, binder->local, sizeof(key->local));
	memcpy(key->peer, binder->peer, sizeof(key->peer));
	key->l3mdev = wire->bucket.l3mdev;
	key->fastreuse = wire->bucket.fastreuse;
	key->fastreuseport = wire->bucket.fastreuseport;
	memcpy(key->comm, wire->comm, sizeof(key->comm));
	key->exe_len = wire->exe_len <= WIRE_EXE_LEN ? wire->exe_len : 0;
	memcpy(key->exe, wire->exe, key->exe_len);
	read_blockers(wire, size, key);
}

/* FNV-1a, a word at a time: it only spares comparisons. */
static uint64_t hash_of(const struct kind_key *key)
{
	uint64_t hash = 0xcbf29ce484222325u, word;

	for (size_t at = 0; at + sizeof(word) <= sizeof(*key); at += sizeof(word)) {
		memcpy(&word, (const uint8_t *)key + at, sizeof(word));
		hash = (hash ^ word) * 0x100000001b3u;
	}
	return hash;
}

static struct kind *find(struct fold *fold, const struct kind_key *key, uint64_t hash)
{
	for (size_t i = 0; i < fold->n; i++) {
		struct kind *kind = &fold->kinds[i];

		if (kind->hash == hash && !memcmp(&kind->key, key, sizeof(*key)))
			return kind;
	}
	return NULL;
}

static void add(struct fold *fold, const struct kind_key *key, uint64_t hash, int64_t begin_ns)
{
	struct kind *kind = &fold->kinds[fold->n++];

	kind->key = *key;
	kind->hash = hash;
	kind->begin_ns = begin_ns;
	kind->count = 0;
}

/* Its buffer is kept, behind those in use. */
static void drop_oldest(struct fold *fold)
{
	struct kind oldest = fold->kinds[0];

	fold->n--;
	memmove(&fold->kinds[0], &fold->kinds[1], fold->n * sizeof(oldest));
	fold->kinds[fold->n] = oldest;
}

static int tell_oldest(struct fold *fold, fold_fn fn, void *ctx)
{
	struct kind *kind = &fold->kinds[0];
	const struct folded folded = {
		.data = kind->record,
		.size = kind->size,
		.count = kind->count,
		.first_ns = kind->first_ns,
		.again = true,
	};
	int err = kind->count ? fn(ctx, &folded) : 0;

	drop_oldest(fold);
	return err;
}

/* A kind of which something was held goes on in a new window: a line for each, no more. */
static int end_windows(struct fold *fold, int64_t now_ns, fold_fn fn, void *ctx)
{
	size_t n = fold->n;
	int err = 0;

	while (n-- && !err && fold->kinds[0].begin_ns <= now_ns - fold->window_ns) {
		const struct kind_key key = fold->kinds[0].key;
		uint64_t hash = fold->kinds[0].hash;
		bool held = fold->kinds[0].count > 0;

		err = tell_oldest(fold, fn, ctx);
		if (held)
			add(fold, &key, hash, now_ns);
	}
	return err;
}

static bool hold(struct kind *kind, const void *data, size_t size, int64_t now_ns)
{
	if (kind->room < size) {
		void *record = realloc(kind->record, size);

		if (!record)
			return false;
		kind->record = record;
		kind->room = size;
	}
	memcpy(kind->record, data, size);
	kind->size = size;
	if (!kind->count++)
		kind->first_ns = now_ns;
	return true;
}

int fold__offer(struct fold *fold, const void *data, size_t size, fold_fn fn, void *ctx)
{
	const struct wire_conflict *wire = data;
	int64_t now_ns = (int64_t)(wire->time_ns & INT64_MAX);
	const struct folded single = {data, size, 1, now_ns, false};
	struct kind_key key;
	struct kind *kind;
	uint64_t hash;
	int err;

	if (!fold->window_ns)
		return fn(ctx, &single);
	err = end_windows(fold, now_ns, fn, ctx);
	if (err)
		return err;
	read_key(wire, size, &key);
	hash = hash_of(&key);
	kind = find(fold, &key, hash);
	if (kind && hold(kind, data, size, now_ns))
		return 0;
	if (!kind && fold->n == FOLD_MAX_KINDS)
		err = tell_oldest(fold, fn, ctx);
	if (!kind)
		add(fold, &key, hash, now_ns);
	return err ?: fn(ctx, &single);
}

int fold__tell(struct fold *fold, int64_t now_ns, fold_fn fn, void *ctx)
{
	return end_windows(fold, now_ns, fn, ctx);
}

int64_t fold__next_ns(const struct fold *fold)
{
	int64_t next_ns = -1;

	for (size_t i = 0; i < fold->n; i++) {
		int64_t end_ns = fold->kinds[i].begin_ns + fold->window_ns;

		if (fold->kinds[i].count && (next_ns < 0 || end_ns < next_ns))
			next_ns = end_ns;
	}
	return next_ns;
}

uint64_t fold__held(const struct fold *fold)
{
	uint64_t held = 0;

	for (size_t i = 0; i < fold->n; i++)
		held += fold->kinds[i].count;
	return held;
}
