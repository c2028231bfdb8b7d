// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces that no process is in and nothing is mounted of, but which a socket keeps
 * alive: a task_file iterator over every fd, which tells of one socket for each namespace.
 */
#include "vmlinux_task.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "netns_wire.h"
#include "task.bpf.h"

/* Told of in this run. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WIRE_NETNS_MAX);
	__type(key, __u32);
	__type(value, __u8);
} told SEC(".maps");

SEC("iter/task_file")
int netns_scan(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct wire_netns record = {};
	struct file *file = ctx->file;
	struct socket *socket;
	__u8 one = 1;

	if (!task || !file || !file__is_socket(file))
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	record.netns = BPF_CORE_READ(socket, sk, __sk_common.skc_net.net, ns.inum);
	if (!record.netns || record.netns == BPF_CORE_READ(task, nsproxy, net_ns, ns.inum))
		return 0;
	if (bpf_map_lookup_elem(&told, &record.netns))
		return 0;
	record.header.version = WIRE_VERSION;
	record.header.kind = WIRE_NETNS;
	record.header.size = sizeof(record);
	record.pid = pid_for_reader(BPF_CORE_READ(task, group_leader));
	record.fd = ctx->fd;
	/* A full buffer is the iterator's business: it shows this file again to the next read(). */
	if (!bpf_seq_write(ctx->meta->seq, &record, sizeof(record)))
		bpf_map_update_elem(&told, &record.netns, &one, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
