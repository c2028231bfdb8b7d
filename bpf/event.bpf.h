/* SPDX-License-Identifier: GPL-2.0-only */
/* What all live hooks share: filters, counters, scratch memory, and the way to user space. */
#ifndef BINDTRACE_EVENT_BPF_H
#define BINDTRACE_EVENT_BPF_H

#include "walk.bpf.h"
#include "sock.bpf.h"
#include "exe.bpf.h"
#include "pids.bpf.h"
#include "reader.bpf.h"

/* Sockets looked at by one hook; the kernel has just walked the same list itself. */
#define CAPTURE_MAX_STEPS 512

/*
 * Of those, sockets that the kernel itself has not looked at. The bucket's lock is held meanwhile:
 * enough for a record to be complete, no more.
 */
#define CAPTURE_MAX_MORE WIRE_MAX_SOCKS

/* Hooks that may be under way on one CPU at a time: one that runs unlocked may be preempted. */
#define MAX_SCRATCHES 4

const volatile bool filter_ports;
const volatile bool want_all; /* successful binds too */
const volatile bool filter_comm;
const volatile bool filter_uid;
const volatile bool filter_cgroup;
const volatile __u32 filter_netns;    /* inode number, 0: all */
const volatile __u16 filter_family;   /* 0: all */
const volatile __u16 filter_protocol; /* 0: all */
const volatile __u32 wanted_uid;
const volatile __u8 wanted_comm[WIRE_COMM_LEN];

/* Set at the end of a run: what comes from then on is not seen any more, so that the counts add up.
 */
volatile __u32 closed;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

/* A bit per port, in words of 64. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WIRE_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct scratch {
	__s32 busy; /* users of this slot: see scratch__acquire() */
	__u32 overflow;
	__u32 late_listeners;
	__u32 past_kernel; /* beyond the socket at which the kernel has stopped */
	__u32 looks_left;  /* of CAPTURE_MAX_MORE */
	__u32 pad;
	struct wire_conflict event;
	struct walk walk;
	struct exe_path exe;
	struct wire_exe spare;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch__get(__u32 slot)
{
	return bpf_map_lookup_elem(&scratches, &slot);
}

/*
 * A free slot of this CPU. Programs are not moved to another CPU, but an unlocked one may be
 * preempted by a task that runs the same hook. Add first, look afterwards: two that meet both go on
 * to the next slot, and never own one together (5.10 has no compare-and-exchange for programs).
 */
static __always_inline struct scratch *scratch__acquire(__u32 *ret_slot)
{
	for (__u32 slot = 0; slot < MAX_SCRATCHES; slot++) {
		struct scratch *scratch = scratch__get(slot);

		if (!scratch)
			return NULL;
		__sync_fetch_and_add(&scratch->busy, 1);
		if (*(volatile __s32 *)&scratch->busy == 1) {
			*ret_slot = slot;
			return scratch;
		}
		__sync_fetch_and_add(&scratch->busy, -1);
	}
	return NULL;
}

static __always_inline void scratch__release(struct scratch *scratch)
{
	__sync_fetch_and_add(&scratch->busy, -1);
}

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline bool port_wanted(__u16 port)
{
	__u32 word = port / 64;
	__u64 *bits;

	if (!filter_ports)
		return true;
	bits = bpf_map_lookup_elem(&ports, &word);
	return bits && (*bits >> (port % 64)) & 1;
}

static __always_inline bool comm_wanted(void)
{
	__u8 comm[WIRE_COMM_LEN] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	for (int i = 0; i < WIRE_COMM_LEN; i++) {
		if (comm[i] != wanted_comm[i])
			return false;
		if (!comm[i])
			return true;
	}
	return true;
}

static __always_inline bool caller_wanted(void)
{
	if (filter_uid && (__u32)bpf_get_current_uid_gid() != wanted_uid)
		return false;
	if (filter_comm && !comm_wanted())
		return false;
	if (filter_cgroup && bpf_current_task_under_cgroup(&cgroups, 0) != 1)
		return false;
	return !filter_pids || pid_wanted();
}

static __always_inline bool wanted(struct sock *sk, __u16 port)
{
	if (!port_wanted(port))
		return false;
	if (filter_netns && BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) != filter_netns)
		return false;
	if (filter_family && BPF_CORE_READ(sk, __sk_common.skc_family) != filter_family)
		return false;
	if (filter_protocol && BPF_CORE_READ(sk, sk_protocol) != filter_protocol)
		return false;
	return caller_wanted();
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct wire_exe_key);
	__type(value, struct wire_exe);
} exes SEC(".maps");

/* Who was forked, and has not called exec() since: whose executable it runs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct wire_exe_key);
	__type(value, struct wire_exe_key);
} forked SEC(".maps");

static __always_inline struct wire_exe_key key_of(struct task_struct *task)
{
	struct wire_exe_key key = {
		.start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.pid = BPF_CORE_READ(task, tgid),
		.exec_id = (__u32)BPF_CORE_READ(task, self_exec_id),
	};

	return key;
}

/* Of the process that called exec(). */
static __always_inline struct wire_exe_key exe_key_of(struct task_struct *task)
{
	struct wire_exe_key key = key_of(task);
	struct wire_exe_key *from = bpf_map_lookup_elem(&forked, &key);

	return from ? *from : key;
}

/* Global functions are verified once, not once per iteration: see repeat.bpf.h. */
__attribute__((noinline)) int exe_step(__u32 slot)
{
	struct scratch *scratch = scratch__get(slot);

	return !scratch || !exe__step(&scratch->exe);
}

static __always_inline void walk_exe(struct scratch *scratch, __u32 slot, struct task_struct *task)
{
	exe__begin(&scratch->exe, task);
	for (__u32 i = 0; i < EXE_MAX_STEPS; i++) {
		if (exe_step(slot))
			break;
	}
	scratch->event.exe_len = scratch->exe.complete ? scratch->exe.len : 0;
	__builtin_memcpy(scratch->event.exe, scratch->exe.names, sizeof(scratch->event.exe));
}

/* Known since exec(), mostly: a path is long to walk, and the bucket's lock may be held. */
static __always_inline void fill_exe(struct scratch *scratch, __u32 slot, struct task_struct *task)
{
	struct wire_exe_key key = exe_key_of(task);
	struct wire_exe *exe = bpf_map_lookup_elem(&exes, &key);

	if (!exe) {
		walk_exe(scratch, slot, task);
		return;
	}
	scratch->event.exe_len = exe->len;
	__builtin_memcpy(scratch->event.exe, exe->names, sizeof(scratch->event.exe));
}

static __always_inline void fill_caller(struct wire_conflict *event)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	event->time_ns = bpf_ktime_get_ns();
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->pid = pid_tgid >> 32;
	event->tid = (__u32)pid_tgid;
	event->uid = (__u32)bpf_get_current_uid_gid();
	event->start_ns = start_of_current();
	event->seen_pid = current_pid_for_reader();
	event->seen_tid = current_tid_for_reader();
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

/*
 * Counts a refused call and begins its record: who called, with which socket. NULL when a filter
 * does not want it, or no memory is free (counted as lost). End it with event__deliver().
 */
static __always_inline struct scratch *event__begin(struct sock *sk, __u16 port, __u32 *ret_slot)
{
	struct scratch *scratch;
	struct wire_conflict *event;

	if (closed)
		return NULL;
	count(WIRE_COUNT_SEEN);
	if (!wanted(sk, port)) {
		count(WIRE_COUNT_FILTERED);
		return NULL;
	}
	scratch = scratch__acquire(ret_slot);
	if (!scratch) {
		count(WIRE_COUNT_LOST);
		return NULL;
	}
	event = &scratch->event;
	event->flags = 0;
	event->visited = 0;
	event->n_socks = 0;
	event->named = 0;
	event->had_port = 0;
	event->protocol = BPF_CORE_READ(sk, sk_protocol);
	event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	__builtin_memset(&event->bucket, 0, sizeof(event->bucket));
	fill_caller(event);
	fill_exe(scratch, *ret_slot, (struct task_struct *)bpf_get_current_task());
	sock__read(&sk->__sk_common, &event->binder);
	return scratch;
}

static __always_inline void event__deliver(struct scratch *scratch)
{
	struct wire_conflict *event = &scratch->event;
	__u32 n = event->n_socks;
	__u64 size;

	if (n > WIRE_MAX_SOCKS)
		n = WIRE_MAX_SOCKS;
	size = __builtin_offsetof(struct wire_conflict, socks) + n * sizeof(struct wire_sock);
	event->header.version = WIRE_VERSION;
	event->header.kind = WIRE_CONFLICT;
	event->header.size = size;
	count(bpf_ringbuf_output(&events, event, size, 0) ? WIRE_COUNT_LOST : WIRE_COUNT_DELIVERED);
	scratch__release(scratch);
}

/*
 * The call that a thread has had reported already, so that the hook on its way out stays silent.
 * Key: pid_tgid, value: the socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} reported SEC(".maps");

static __always_inline void remember_reported(struct sock *sk)
{
	__u64 thread = bpf_get_current_pid_tgid(), value = (__u64)sk;

	bpf_map_update_elem(&reported, &thread, &value, BPF_ANY);
}

static __always_inline bool was_reported(struct sock *sk)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *value = bpf_map_lookup_elem(&reported, &thread);
	bool same = value && *value == (__u64)sk;

	if (value)
		bpf_map_delete_elem(&reported, &thread);
	return same;
}

/*
 * bool arguments and results carry garbage above bit 7 in their register slot (seen on 5.10), int
 * results above bit 31: mask them.
 */
#define AS_BOOL(slot) (((slot)&0xff) != 0)
#define AS_INT(slot)  ((__s32)(slot))

#endif
