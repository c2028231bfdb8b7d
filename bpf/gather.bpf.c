// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies the objects of a list, as the driver says what of them (user/kernel/gather.c). It knows no
 * type and no offset: what is read of which object, and what it means, is user space's business, so
 * that a walk costs the verifier some hundred instructions and libbpf no relocation. Run with
 * BPF_PROG_TEST_RUN, attached to nothing; under rcu_read_lock() while it runs, so that the memory
 * of a socket stays a socket's for one run.
 */
#include "vmlinux_base.h"
#include <bpf/bpf_helpers.h>
#include "gather_wire.h"
#include "kernel_constants.h"
#include "repeat.bpf.h"

#define RECORD_SIZE (WIRE_GATHER_WORDS * 8)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wire_gather);
} jobs SEC(".maps");

/* One value, so that one bound holds for all of it; and room for a copy into the last word. */
struct records {
	__u8 bytes[WIRE_GATHER_BATCH * RECORD_SIZE + WIRE_GATHER_CHUNK];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct records);
} records SEC(".maps");

static __always_inline struct wire_gather *the_job(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&jobs, &zero);
}

/* The record under way. */
static __always_inline __u8 *the_record(const struct wire_gather *job)
{
	__u32 zero = 0;
	struct records *all = bpf_map_lookup_elem(&records, &zero);

	return all ? all->bytes + (job->n & (WIRE_GATHER_BATCH - 1)) * RECORD_SIZE : NULL;
}

static __always_inline __u64 *word_of(__u8 *record, __u32 word)
{
	return (__u64 *)(record + (word & (WIRE_GATHER_WORDS - 1)) * 8);
}

/* One copy. What cannot be read is zeros. */
__attribute__((noinline)) int copy_step(void)
{
	struct wire_gather *job = the_job();
	__u8 *record = job ? the_record(job) : NULL;
	struct wire_copy *copy;
	__u32 i, size;
	__u8 when;

	if (!record)
		return 1;
	i = job->copy;
	if (i >= WIRE_GATHER_STEPS || i >= job->n_copies)
		return 1;
	job->copy = i + 1;
	copy = &job->copies[i];
	when = job->state_at && record[job->state_at & (RECORD_SIZE - 1)] == BT_TCP_TIME_WAIT
		       ? WIRE_WHEN_TIMEWAIT
		       : WIRE_WHEN_FULL;
	if (!(copy->when & when))
		return 0;
	size = copy->size;
	if (size > WIRE_GATHER_CHUNK)
		return 1;
	bpf_probe_read_kernel(word_of(record, copy->to), size,
			      (void *)(*word_of(record, copy->from) + copy->offset));
	return 0;
}

REPEAT_64(copies, copy_step)

static __always_inline void enter(struct wire_gather *job)
{
	bpf_probe_read_kernel(&job->first, sizeof(job->first), (void *)job->head);
	job->link = job->first;
}

/* One object, or on to the next list. */
__attribute__((noinline)) int object_step(void)
{
	struct wire_gather *job = the_job();
	__u8 *record = job ? the_record(job) : NULL;

	if (!record || job->n >= WIRE_GATHER_BATCH || job->n >= job->max)
		return 1;
	if (!job->link || job->link == job->stop) {
		if (!job->more_heads)
			return 1;
		job->more_heads--;
		job->head += job->stride;
		enter(job);
		return 0;
	}
	*word_of(record, WIRE_WORD_OBJECT) = job->link - job->link_offset;
	*word_of(record, WIRE_WORD_NEXT) = 0;
	*word_of(record, WIRE_WORD_HEAD) = job->head;
	job->copy = 0;
	copies();
	job->link = *word_of(record, WIRE_WORD_NEXT);
	job->n++;
	return 0;
}

REPEAT_512(objects, object_step)

SEC("raw_tp")
int gather(void *ctx)
{
	struct wire_gather *job = the_job();

	if (!job)
		return 0;
	job->n = 0;
	job->locked = 0;
	job->jiffies = bpf_jiffies64();
	if (job->lock)
		bpf_probe_read_kernel(&job->locked, sizeof(job->locked), (void *)job->lock);
	if (job->current_task)
		job->link = bpf_get_current_task();
	if (job->enter)
		enter(job);
	objects();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
