// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bpf/owner_wire.h"
#include "features.h"
#include "owner.skel.h"
#include "iter.h"
#include "owner_iter.h"
#include "pidns.h"

struct owner_iter {
	struct owner_bpf *skel;
	struct bpf_link *link;
	size_t capacity;     /* inodes asked for in one pass */
	bool initial_pid_ns; /* "no process has it" is a fact then */
};

static int load(const struct features *features, uint32_t capacity, struct owner_bpf **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = features__types(features));
	int err;

	iter__prepare(features);
	*ret = owner_bpf__open_opts(&opts);
	err = *ret    ? bpf_map__set_max_entries((*ret)->maps.wanted, capacity)
	      : errno ? -errno
		      : -EINVAL;
	if (!err)
		err = owner_bpf__load(*ret);
	return err;
}

int owner_iter__open(const struct features *features, size_t n_wanted, struct owner_iter **ret)
{
	struct owner_iter *iter = calloc(1, sizeof(*iter));
	int err;

	if (!iter)
		return -ENOMEM;
	iter->capacity = n_wanted < WIRE_OWNER_WANTED ? n_wanted : WIRE_OWNER_WANTED;
	err = load(features, iter->capacity, &iter->skel);
	if (err)
		goto out;
	iter->link = bpf_program__attach_iter(iter->skel->progs.owner_scan, NULL);
	if (!iter->link) {
		err = -errno;
		goto out;
	}
	iter->initial_pid_ns = pidns__is_initial();
	*ret = iter;
	return 0;
out:
	owner_iter__free(iter);
	return err;
}

void owner_iter__free(struct owner_iter *iter)
{
	if (!iter)
		return;
	bpf_link__destroy(iter->link);
	owner_bpf__destroy(iter->skel);
	free(iter);
}

int owner_iter__decode(const void *data, size_t len, struct owner_hits *hits)
{
	const struct wire_owner *record = data;
	size_t i, n = len / sizeof(*record);
	int err;

	if (len % sizeof(*record))
		return -EBADMSG;
	for (i = 0; i < n; i++, record++) {
		if (record->header.version != WIRE_VERSION || record->header.kind != WIRE_OWNER ||
		    record->header.size != sizeof(*record) || record->opener < TRI_UNKNOWN ||
		    record->opener > TRI_YES)
			return -EBADMSG;
		if (!record->pid) /* not in our pid namespace any more: released just now */
			continue;
		err = owner__add_hit(hits, record->inode, record->pid, record->fd, record->opener);
		if (err)
			return err;
		hits->hits[hits->n - 1].start_ns = record->start_ns;
		memcpy(hits->hits[hits->n - 1].comm, record->comm, sizeof(record->comm));
		hits->hits[hits->n - 1].comm[sizeof(record->comm) - 1] = '\0';
	}
	return 0;
}

static int take(void *hits, const void *data, size_t len)
{
	return owner_iter__decode(data, len, hits);
}

/* One call for all, since there may be tens of thousands. */
static int want_at_once(int map_fd, const uint64_t *inodes, uint32_t n)
{
	uint8_t *ones = malloc(n);
	int err;

	if (!ones)
		return -ENOMEM;
	memset(ones, 1, n);
	err = bpf_map_update_batch(map_fd, inodes, ones, &n, NULL);
	free(ones);
	return err;
}

/* One by one in a live run, which has given up that call (user/syscalls.c). */
static int want(int map_fd, const uint64_t *inodes, uint32_t n)
{
	const uint8_t one = 1;
	int err = want_at_once(map_fd, inodes, n);

	if (!err || err == -ENOMEM)
		return err;
	for (uint32_t i = 0; i < n; i++) {
		if (bpf_map_update_elem(map_fd, &inodes[i], &one, BPF_ANY))
			return -errno;
	}
	return 0;
}

static void unwant(int map_fd, const uint64_t *inodes, uint32_t n)
{
	uint32_t done = n;

	if (!bpf_map_delete_batch(map_fd, inodes, &done, NULL))
		return;
	for (uint32_t i = 0; i < n; i++)
		bpf_map_delete_elem(map_fd, &inodes[i]); /* twice the same inode: fine */
}

int owner_iter__scan(void *ctx, const uint64_t *inodes, size_t n, struct owner_hits *hits)
{
	struct owner_iter *iter = ctx;
	int map_fd = bpf_map__fd(iter->skel->maps.wanted);
	size_t i, batch;
	int err = 0;

	for (i = 0; i < n && !err; i += batch) {
		batch = n - i < iter->capacity ? n - i : iter->capacity;
		err = want(map_fd, inodes + i, batch);
		if (!err)
			err = iter__run(iter->link, sizeof(struct wire_owner), take, hits);
		unwant(map_fd, inodes + i, batch);
	}
	if (!err)
		hits->complete = iter->initial_pid_ns;
	return err;
}
