/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory and order of the evidence; what it means is decided elsewhere. */
#include "snapshot.h"
#include "../array.h"
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void snapshot__init(struct snapshot *snap)
{
	memset(snap, 0, sizeof(*snap));
}

void proc_info__free(struct proc_info *proc)
{
	if (!proc)
		return;
	free(proc->comm);
	free(proc->exe);
	free(proc->cgroup);
	free(proc->unit);
	free(proc->container);
	proc->comm = proc->exe = proc->cgroup = proc->unit = proc->container = NULL;
}

static void drop_proc(struct proc_info **proc)
{
	proc_info__free(*proc);
	free(*proc);
	*proc = NULL;
}

void snapshot__free(struct snapshot *snap)
{
	if (!snap)
		return;
	for (size_t i = 0; i < snap->n_socks; i++)
		drop_proc(&snap->socks[i].former_owner);
	for (size_t i = 0; i < snap->n_procs; i++)
		proc_info__free(&snap->procs[i]);
	free(snap->netns_name);
	drop_proc(&snap->netns_member);
	free(snap->buckets);
	free(snap->devices);
	free(snap->socks);
	free(snap->procs);
	free(snap->holds);
	snapshot__init(snap);
}

struct snap_sock *snapshot__add_sock(struct snapshot *snap)
{
	struct snap_sock *socks, *sock;

	socks = array__room(snap->socks, snap->n_socks, &snap->cap_socks, sizeof(*socks));
	if (!socks)
		return NULL;
	snap->socks = socks;
	sock = &socks[snap->n_socks++];
	memset(sock, 0, sizeof(*sock));
	return sock;
}

/* A port has one bucket per VRF: too few to be worth a capacity. */
struct snap_bucket *snapshot__add_bucket(struct snapshot *snap)
{
	struct snap_bucket *buckets, *bucket;

	if (snap->n_buckets >= SIZE_MAX / sizeof(*buckets) - 1)
		return NULL;
	buckets = realloc(snap->buckets, (snap->n_buckets + 1) * sizeof(*buckets));
	if (!buckets)
		return NULL;
	snap->buckets = buckets;
	bucket = &buckets[snap->n_buckets++];
	memset(bucket, 0, sizeof(*bucket));
	return bucket;
}

void snap_sock__forget_stale_peer(struct snap_sock *sock)
{
	if (sock->state != STATE_BOUND)
		return;
	sock->peer = (struct ip_addr){};
	sock->peer_port = 0;
}

int64_t snap_sock__left_ms(const struct snap_sock *sock)
{
	return sock->expires_ms > 0 ? sock->expires_ms : 0;
}

const char *snapshot__device_name(const struct snapshot *snap, uint32_t ifindex)
{
	for (size_t i = 0; i < snap->n_devices; i++) {
		if (snap->devices[i].ifindex == ifindex)
			return snap->devices[i].name;
	}
	return NULL;
}

/* Sockets of one port are bound to a handful of devices. */
int snapshot__add_device(struct snapshot *snap, uint32_t ifindex, const char *name)
{
	struct snap_device *devices, *device;

	if (snapshot__device_name(snap, ifindex))
		return 0;
	devices = realloc(snap->devices, (snap->n_devices + 1) * sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	snap->devices = devices;
	device = &devices[snap->n_devices++];
	memset(device, 0, sizeof(*device));
	device->ifindex = ifindex;
	for (size_t i = 0; i < sizeof(device->name) - 1 && name[i]; i++)
		device->name[i] = name[i];
	return 0;
}

struct proc_info *snapshot__add_proc(struct snapshot *snap)
{
	struct proc_info *procs, *proc;

	procs = array__room(snap->procs, snap->n_procs, &snap->cap_procs, sizeof(*procs));
	if (!procs)
		return NULL;
	snap->procs = procs;
	proc = &procs[snap->n_procs++];
	memset(proc, 0, sizeof(*proc));
	return proc;
}

int snapshot__add_hold(struct snapshot *snap, uint32_t sock, uint32_t proc, int fd, enum tri opener)
{
	struct sock_hold *holds;

	holds = array__room(snap->holds, snap->n_holds, &snap->cap_holds, sizeof(*holds));
	if (!holds)
		return -ENOMEM;
	snap->holds = holds;
	holds[snap->n_holds++] = (struct sock_hold){
		.sock = sock,
		.proc = proc,
		.fd = fd,
		.opener = opener,
	};
	return 0;
}

struct sighting {
	uint64_t id;
	size_t index;
};

static int compare_sightings(const void *left, const void *right)
{
	const struct sighting *a = left, *b = right;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->index < b->index ? -1 : 1; /* no two are of one socket */
}

/* Marks every sighting of an id but the first; id 0 says nothing about identity. */
static void mark_repeats(const struct sighting *seen, size_t n, uint8_t *ret_repeat)
{
	for (size_t i = 1; i < n; i++)
		ret_repeat[seen[i].index] = seen[i].id && seen[i].id == seen[i - 1].id;
}

static void drop_marked(struct snapshot *snap, const uint8_t *marked)
{
	size_t kept = 0;

	for (size_t i = 0; i < snap->n_socks; i++) {
		if (marked[i])
			drop_proc(&snap->socks[i].former_owner);
		else
			snap->socks[kept++] = snap->socks[i];
	}
	snap->n_socks = kept;
}

/*
 * The order of the walk is kept: it is the kernel's, newest first. Comes before the owner lookup,
 * because holds refer to sockets by index. Without memory the repeats stay, which makes counts too
 * high but no verdict wrong.
 */
void snapshot__drop_duplicates(struct snapshot *snap)
{
	struct sighting *seen;
	uint8_t *repeat;

	if (snap->n_socks < 2)
		return;
	seen = malloc(snap->n_socks * sizeof(*seen));
	repeat = calloc(snap->n_socks, 1);
	if (seen && repeat) {
		for (size_t i = 0; i < snap->n_socks; i++)
			seen[i] = (struct sighting){.id = snap->socks[i].id, .index = i};
		qsort(seen, snap->n_socks, sizeof(*seen), compare_sightings);
		mark_repeats(seen, snap->n_socks, repeat);
		drop_marked(snap, repeat);
	}
	free(seen);
	free(repeat);
}

static int compare_holds(const void *left, const void *right)
{
	const struct sock_hold *a = left, *b = right;

	if (a->sock != b->sock)
		return a->sock < b->sock ? -1 : 1;
	if (a->proc != b->proc)
		return a->proc < b->proc ? -1 : 1;
	return a->fd < b->fd ? -1 : a->fd > b->fd;
}

void snapshot__sort_holds(struct snapshot *snap)
{
	if (snap->n_holds > 1)
		qsort(snap->holds, snap->n_holds, sizeof(*snap->holds), compare_holds);
}

/* Index of the first hold whose socket is not below sock. */
static size_t first_hold(const struct snapshot *snap, uint64_t sock)
{
	size_t low = 0, high = snap->n_holds;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snap->holds[middle].sock < sock)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct sock_hold *snapshot__holds(const struct snapshot *snap, uint32_t sock, size_t *ret_n)
{
	size_t first = first_hold(snap, sock);

	*ret_n = first_hold(snap, (uint64_t)sock + 1) - first;
	return *ret_n ? &snap->holds[first] : NULL;
}

bool ip_addr__is_any(uint16_t family, const struct ip_addr *addr)
{
	static const struct ip_addr any;

	return memcmp(addr, &any, family == AF_INET ? 4 : sizeof(any)) == 0;
}

bool ip_addr__is_mapped(const struct ip_addr *addr)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(addr->bytes, prefix, sizeof(prefix)) == 0;
}

bool ip_addr__is_link_local(uint16_t family, const struct ip_addr *addr)
{
	return family == AF_INET6 && addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

bool ip_addr__needs_scope_id(uint16_t family, const struct ip_addr *addr)
{
	uint8_t scope = addr->bytes[1] & 0xf;

	if (family == AF_INET6 && addr->bytes[0] == 0xff)
		return scope == 1 || scope == 2; /* of an interface, of a link */
	return ip_addr__is_link_local(family, addr);
}

bool ip_addr__equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct ip_addr ip_addr__unified(uint16_t family, const struct ip_addr *addr)
{
	struct ip_addr unified = {.bytes = {[10] = 0xff, [11] = 0xff}};

	if (family != AF_INET)
		return *addr;
	memcpy(unified.bytes + 12, addr->bytes, 4);
	return unified;
}

bool ip_addr__is_unified_any(const struct ip_addr *addr)
{
	static const uint8_t any[4];

	if (ip_addr__is_mapped(addr))
		return memcmp(addr->bytes + 12, any, sizeof(any)) == 0;
	return ip_addr__is_any(AF_INET6, addr);
}
