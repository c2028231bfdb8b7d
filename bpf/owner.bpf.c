// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets to processes: a task_file iterator (5.8) over every fd of every process, which writes a
 * record for each socket whose inode is in the map `wanted`. An object of its own, loaded only
 * when somebody asks for owners; no ksym and no kconfig, which would make libbpf read kallsyms.
 */
#include "vmlinux_task.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "owner_wire.h"
#include "repeat.bpf.h"
#include "task.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WIRE_OWNER_WANTED);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u8);
} wanted SEC(".maps");

enum { OPENER_UNKNOWN = -1, OPENER_NO = 0, OPENER_YES = 1 };

/* Without a branch for each: the verifier would follow every one of them. */
static __always_inline bool same_ids(const struct cred *a, const struct cred *b)
{
	return !((a->uid.val ^ b->uid.val) | (a->gid.val ^ b->gid.val) |
		 (a->suid.val ^ b->suid.val) | (a->sgid.val ^ b->sgid.val) |
		 (a->euid.val ^ b->euid.val) | (a->egid.val ^ b->egid.val) |
		 (a->fsuid.val ^ b->fsuid.val) | (a->fsgid.val ^ b->fsgid.val)) &&
	       a->user_ns == b->user_ns && a->group_info == b->group_info;
}

static __always_inline bool same_caps(const struct cred *a, const struct cred *b)
{
	__u64 caps_a[2] = {}, caps_b[2] = {};

	/* As bytes: the type inside has changed, the size and the meaning have not. */
	bpf_core_read(&caps_a[0], sizeof(__u64), &a->cap_permitted);
	bpf_core_read(&caps_a[1], sizeof(__u64), &a->cap_effective);
	bpf_core_read(&caps_b[0], sizeof(__u64), &b->cap_permitted);
	bpf_core_read(&caps_b[1], sizeof(__u64), &b->cap_effective);
	return caps_a[0] == caps_b[0] && caps_a[1] == caps_b[1];
}

/* The search of one process's threads for a credentials object. */
struct search {
	__u64 head, pos; /* of the list of threads */
	__u64 cred;
	__s32 found;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} searches SEC(".maps");

static __always_inline struct search *the_search(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&searches, &zero);
}

__attribute__((noinline)) int thread_step(void)
{
	const __u64 node = bpf_core_field_offset(struct task_struct, thread_node);
	struct search *search = the_search();
	struct task_struct *thread;
	struct list_head *pos;

	if (!search)
		return 1;
	pos = (struct list_head *)search->pos;
	if (!pos || search->pos == search->head) {
		search->found = pos ? OPENER_NO : OPENER_UNKNOWN;
		return 1;
	}
	thread = (void *)pos - node;
	if ((__u64)BPF_CORE_READ(thread, real_cred) == search->cred) {
		search->found = OPENER_YES;
		return 1;
	}
	search->pos = (__u64)BPF_CORE_READ(pos, next);
	return 0;
}

REPEAT_512(thread_steps, thread_step)

/*
 * Threads share one credentials object until one of them changes its own: setuid() of glibc and of
 * Go makes every thread do it, and then each has another object.
 */
static __always_inline int thread_has_cred(struct task_struct *leader, const struct cred *cred)
{
	struct signal_struct *signal = BPF_CORE_READ(leader, signal);
	struct list_head *head = __builtin_preserve_access_index(&signal->thread_head);
	struct search *search = the_search();

	if (!search)
		return OPENER_UNKNOWN;
	search->head = (__u64)head;
	search->pos = (__u64)BPF_CORE_READ(head, next);
	search->cred = (__u64)cred;
	search->found = OPENER_UNKNOWN; /* of more threads than it looks at */
	thread_steps();
	return search->found;
}

/*
 * Did this very process open the socket? fork() gives each process a credentials object of its own
 * (copy_creds() in kernel/cred.c; only threads share one), and the file keeps a reference to its
 * opener's (f_cred, alloc_file()), so that it cannot be freed and reused: the same object proves
 * it. Another object with the same content means inherited or passed (or opened before an exec);
 * with other content the process may have dropped the privileges that it opened the socket with.
 */
static __always_inline int opener_of(struct task_struct *leader, struct file *file)
{
	const struct cred *of_file = file->f_cred;
	const struct cred *of_task = leader->real_cred;
	int in_thread;

	if (!of_file || !of_task)
		return OPENER_UNKNOWN;
	if (of_file == of_task)
		return OPENER_YES;
	in_thread = thread_has_cred(leader, of_file);
	if (in_thread != OPENER_NO)
		return in_thread;
	return same_ids(of_task, of_file) && same_caps(of_task, of_file) ? OPENER_NO
									 : OPENER_UNKNOWN;
}

SEC("iter/task_file")
int owner_scan(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct wire_owner record = {};
	struct seq_file *seq;
	__u64 ino;

	if (!task || !file || !file__is_socket(file))
		return 0;
	ino = file->f_inode->i_ino;
	if (!bpf_map_lookup_elem(&wanted, &ino))
		return 0;

	leader = task->group_leader;
	record.header.version = WIRE_VERSION;
	record.header.kind = WIRE_OWNER;
	record.header.size = sizeof(record);
	record.inode = ino;
	record.start_ns = leader->start_boottime;
	record.pid = pid_for_reader(leader);
	record.fd = ctx->fd;
	record.opener = opener_of(leader, file);
	BPF_CORE_READ_INTO(&record.comm, leader, comm);
	seq = ctx->meta->seq;
	/* A full buffer is the iterator's business: it shows this file again to the next read(). */
	bpf_seq_write(seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
