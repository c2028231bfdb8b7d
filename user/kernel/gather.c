// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gather.h"
#include "gather.skel.h"

struct gather {
	struct gather_bpf *skel;
	struct wire_gather *job;
	const uint8_t *records;
	int prog_fd;
};

static size_t mapped_size(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) & ~(page - 1);
}

static void *map_value(const struct bpf_map *map, int prot)
{
	void *mem = mmap(NULL, mapped_size(bpf_map__value_size(map)), prot, MAP_SHARED,
			 bpf_map__fd(map), 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void unmap_value(const struct bpf_map *map, const void *mem)
{
	if (mem)
		munmap((void *)mem, mapped_size(bpf_map__value_size(map)));
}

static int load(struct gather *gather)
{
	struct gather_bpf *skel = gather->skel = gather_bpf__open();
	int err = skel ? gather_bpf__load(skel) : -errno;

	if (err)
		return err;
	gather->prog_fd = bpf_program__fd(skel->progs.gather);
	gather->job = map_value(skel->maps.jobs, PROT_READ | PROT_WRITE);
	if (gather->job)
		gather->records = map_value(skel->maps.records, PROT_READ);
	return gather->records ? 0 : -errno;
}

int gather__open(struct gather **ret)
{
	struct gather *gather = calloc(1, sizeof(*gather));
	int err;

	if (!gather)
		return -ENOMEM;
	err = load(gather);
	if (err)
		gather__close(gather);
	else
		*ret = gather;
	return err;
}

void gather__close(struct gather *gather)
{
	if (!gather)
		return;
	if (gather->skel) {
		unmap_value(gather->skel->maps.jobs, gather->job);
		unmap_value(gather->skel->maps.records, gather->records);
	}
	gather_bpf__destroy(gather->skel);
	free(gather);
}

static int run_job(struct gather *gather, const struct gather_plan *plan)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (plan->err)
		return plan->err;
	memcpy(gather->job->copies, plan->copies, plan->n_copies * sizeof(plan->copies[0]));
	gather->job->n_copies = plan->n_copies;
	gather->job->link_offset = plan->link_offset;
	gather->job->state_at = plan->state_at;
	return bpf_prog_test_run_opts(gather->prog_fd, &opts);
}

int gather__run(struct gather *gather, const struct gather_plan *plan, struct gather_span *span)
{
	struct wire_gather *job = gather->job;
	int err;

	job->stop = span->stop;
	job->lock = span->lock;
	job->stride = span->stride;
	job->max = span->max ?: WIRE_GATHER_BATCH;
	job->current_task = 0;
	job->enter = span->enter;
	job->head = span->head;
	job->link = span->link;
	job->more_heads = span->more_heads;
	err = run_job(gather, plan);
	if (err)
		return err;
	span->enter = false;
	span->head = job->head;
	span->link = job->link;
	span->more_heads = job->more_heads;
	span->ret_first = job->first;
	span->ret_jiffies = job->jiffies;
	span->ret_locked = job->locked;
	span->ret_n = job->n <= WIRE_GATHER_BATCH ? job->n : WIRE_GATHER_BATCH;
	return 0;
}

int gather__task(struct gather *gather, const struct gather_plan *plan)
{
	*gather->job = (struct wire_gather){.max = 1, .current_task = 1};
	return run_job(gather, plan) ?: gather->job->n == 1 ? 0 : -EFAULT;
}

const uint64_t *gather__record(const struct gather *gather, uint32_t i)
{
	return (const uint64_t *)(gather->records + (size_t)i * WIRE_GATHER_WORDS * 8);
}
