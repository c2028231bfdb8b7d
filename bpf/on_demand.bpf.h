/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the walks on demand share: they are run with BPF_PROG_TEST_RUN, attached to nothing, and
 * each is an object of its own, since libbpf relocates all of an object, whatever is loaded of it.
 */
#ifndef BINDTRACE_ON_DEMAND_BPF_H
#define BINDTRACE_ON_DEMAND_BPF_H

#include "walk.bpf.h"
#include "repeat.bpf.h"
#include "sock.bpf.h"

#ifndef EFAULT
#define EFAULT 14
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wire_walk);
} walks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WIRE_WALK_BATCH);
	__type(key, __u32);
	__type(value, struct wire_sock);
} socks SEC(".maps");

static __always_inline struct wire_walk *the_walk(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&walks, &zero);
}

/* The kernel's socket behind a file descriptor of the caller; no symbol lookup needed that way. */
static __always_inline struct sock *sock_of_fd(__s32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct socket *socket;
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	if (!file)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* The next socket into the next free place. What has changed meanwhile is none, and ends the run.
 */
static __always_inline void take(struct wire_walk *walk, struct wire_sock *out)
{
	struct sock_common *common = walk__at(walk);
	struct sock_mark mark;

	if (!common)
		return;
	sock__mark(common, &mark);
	sock__read(common, out);
	out->bucket = walk->bucket;
	if (!sock__unchanged(common, &mark, out))
		walk->torn = 1;
	else if (walk__advance(walk, common))
		walk->n_socks++;
}

_Static_assert(WIRE_WALK_BATCH == 1024, "as many rounds as REPEAT_1024() has");

#endif
