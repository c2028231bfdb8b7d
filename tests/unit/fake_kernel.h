/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel of a few objects in the memory of a test, in front of the walks: its types as BTF, and
 * gather__run() as bpf/gather.bpf.c does it, with a function of the test's called in between. What
 * happens to a list at the very moment at which it hurts no real kernel does on demand; what a real
 * one does by itself tests/churn shows.
 */
#ifndef BINDTRACE_TESTS_FAKE_KERNEL_H
#define BINDTRACE_TESTS_FAKE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/bpf_api.h"
#include "kernel/bucket_walk.h"

struct fake_node {
	struct fake_node *next, **pprev;
};

struct fake_net {
	uint32_t inum, mix;
	void *hashinfo;
};

struct fake_inode {
	uint64_t i_ino;
	uint32_t i_uid;
};

struct fake_socket {
	void *file, *sk;
	struct fake_inode inode;
};

/* struct sock_common, and behind it what a socket has, and what a time-wait socket. */
struct fake_sock {
	uint32_t daddr, rcv_saddr, hash;
	uint16_t dport, num, family;
	uint8_t state, reuse : 4, reuseport : 1, ipv6only : 1;
	uint32_t bound_dev_if;
	struct fake_node bind_node;
	void *prot;
	struct fake_net *net;
	uint8_t v6_daddr[16], v6_rcv_saddr[16];
	uint64_t flags;
	struct fake_node node;
	uint16_t hashes[2];
	uint32_t uid;
	uint8_t kern_sock : 1, userlocks : 4;
	void *cgroup, *reuseport_cb;
	struct fake_socket *socket;
	void *bind_hash, *bind2_hash;
	uint8_t substate;
	uint64_t expires;
	void *tw_tb, *tw_tb2;
};

struct fake_tb2 {
	uint16_t port;
	struct fake_node bhash_node, *owners;
};

struct fake_tb {
	struct fake_net *net;
	int32_t l3mdev;
	uint16_t port;
	int8_t fastreuse, fastreuseport;
	uint32_t fastuid;
	uint16_t family;
	bool v6only;
	uint32_t v4;
	struct fake_node node, *owners, *bhash2;
};

struct fake_slot {
	uint32_t lock;
	struct fake_node *chain;
};

struct fake_hashinfo {
	struct fake_slot *bhash;
	uint32_t bhash_size;
};

static inline void fake_link(struct fake_node **head, struct fake_node *node)
{
	node->next = *head;
	node->pprev = head;
	if (node->next)
		node->next->pprev = &node->next;
	*head = node;
}

static inline void fake_unlink(struct fake_node *node)
{
	if (!node->pprev)
		return;
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
	node->pprev = NULL; /* next stays, as hlist_del_init_rcu() leaves it for those who walk */
}

/* Socket i of a test: an open one of that port, with an inode of its own. In no list, no state. */
static inline void fake_open(struct fake_sock *sock, struct fake_socket *socket,
			     struct fake_net *net, uint16_t port, int i)
{
	*sock = (struct fake_sock){.num = port,
				   .hashes = {port},
				   .family = 2,
				   .net = net,
				   .daddr = (uint32_t)i,
				   .socket = socket};
	*socket = (struct fake_socket){
		.file = net, .sk = sock, .inode = {.i_ino = 1000 + (uint64_t)i}};
}

static inline size_t fake_times_seen(const struct snapshot *snap, const struct fake_sock *sock)
{
	size_t n = 0;

	for (size_t i = 0; i < snap->n_socks; i++)
		n += snap->socks[i].id == (uint64_t)sock;
	return n;
}

/* ---- types --------------------------------------------------------------------------------------
 */

/* A structure of one member or two, of 8 bytes each; what the walks find within others. */
static inline int fake_struct(struct btf *btf, const char *name, uint32_t size, const char *a,
			      const char *b, int type)
{
	int id = btf__add_struct(btf, name, size);

	btf__add_field(btf, a, type, 0, 0);
	if (b)
		btf__add_field(btf, b, type, 64, 0);
	return id;
}

#define FAKE(btf, where, type, member, name)                                                       \
	btf__add_field(btf, name, type, (uint32_t)offsetof(struct where, member) * 8, 0)

static inline void fake_sock_types(struct btf *btf, int u8, int u16, int u32, int u64, int node,
				   bool nested)
{
	int net = fake_struct(btf, NULL, 8, "net", NULL, u64);
	int v6 = btf__add_array(btf, u8, u8, 16), hashes = btf__add_array(btf, u16, u16, 2);
	int val = fake_struct(btf, NULL, 4, "val", NULL, u32);
	int timer = fake_struct(btf, NULL, 8, "expires", NULL, u64);
	int cgroup = fake_struct(btf, NULL, 8, "cgroup", NULL, u64), inode;
	uint32_t bits = (uint32_t)(offsetof(struct fake_sock, state) + 1) * 8;

	btf__add_struct(btf, "sock_common", offsetof(struct fake_sock, uid));
	FAKE(btf, fake_sock, u32, daddr, "skc_daddr");
	FAKE(btf, fake_sock, u32, rcv_saddr, "skc_rcv_saddr");
	FAKE(btf, fake_sock, u16, dport, "skc_dport");
	FAKE(btf, fake_sock, u16, num, "skc_num");
	FAKE(btf, fake_sock, u16, family, "skc_family");
	FAKE(btf, fake_sock, u8, state, "skc_state");
	btf__add_field(btf, "skc_reuse", u8, bits, 4);
	btf__add_field(btf, "skc_reuseport", u8, bits + 4, 1);
	btf__add_field(btf, "skc_ipv6only", u8, bits + 5, 1);
	FAKE(btf, fake_sock, u32, bound_dev_if, "skc_bound_dev_if");
	FAKE(btf, fake_sock, node, bind_node, "skc_bind_node");
	FAKE(btf, fake_sock, net, net, "skc_net");
	FAKE(btf, fake_sock, v6, v6_daddr, "skc_v6_daddr");
	FAKE(btf, fake_sock, v6, v6_rcv_saddr, "skc_v6_rcv_saddr");
	FAKE(btf, fake_sock, u64, flags, "skc_flags");
	FAKE(btf, fake_sock, node, node, "skc_node");
	FAKE(btf, fake_sock, hashes, hashes, "skc_u16hashes");

	bits = (uint32_t)(offsetof(struct fake_sock, uid) + 4) * 8;
	btf__add_struct(btf, "sock", sizeof(struct fake_sock));
	btf__add_field(btf, "__sk_common", btf__find_by_name(btf, "sock_common"), 0, 0);
	FAKE(btf, fake_sock, val, uid, "sk_uid");
	btf__add_field(btf, "sk_kern_sock", u8, bits, 1);
	btf__add_field(btf, "sk_userlocks", u8, bits + 1, 4);
	FAKE(btf, fake_sock, cgroup, cgroup, "sk_cgrp_data");
	FAKE(btf, fake_sock, u64, reuseport_cb, "sk_reuseport_cb");
	FAKE(btf, fake_sock, u64, socket, "sk_socket");
	btf__add_struct(btf, "inet_connection_sock", sizeof(struct fake_sock));
	FAKE(btf, fake_sock, u64, bind_hash, "icsk_bind_hash");
	if (nested)
		FAKE(btf, fake_sock, u64, bind2_hash, "icsk_bind2_hash");
	btf__add_struct(btf, "inet_timewait_sock", sizeof(struct fake_sock));
	FAKE(btf, fake_sock, u8, substate, "tw_substate");
	FAKE(btf, fake_sock, timer, expires, "tw_timer");
	FAKE(btf, fake_sock, u64, tw_tb, "tw_tb");
	if (nested)
		FAKE(btf, fake_sock, u64, tw_tb2, "tw_tb2");

	inode = btf__add_struct(btf, "inode", sizeof(struct fake_inode));
	FAKE(btf, fake_inode, u64, i_ino, "i_ino");
	FAKE(btf, fake_inode, val, i_uid, "i_uid");
	fake_struct(btf, "socket", 16, "file", "sk", u64);
	btf__add_struct(btf, "socket_alloc", sizeof(struct fake_socket));
	btf__add_field(btf, "socket", btf__find_by_name(btf, "socket"), 0, 0);
	FAKE(btf, fake_socket, inode, inode, "vfs_inode");
}

static inline void fake_bucket_types(struct btf *btf, int u8, int u16, int u32, int u64, int node,
				     bool nested)
{
	int net = fake_struct(btf, NULL, 8, "net", NULL, u64);
	int val = fake_struct(btf, NULL, 4, "val", NULL, u32);
	int head = fake_struct(btf, "hlist_head", 8, "first", NULL, u64);

	btf__add_struct(btf, "inet_bind_bucket", sizeof(struct fake_tb));
	FAKE(btf, fake_tb, net, net, "ib_net");
	FAKE(btf, fake_tb, u32, l3mdev, "l3mdev");
	FAKE(btf, fake_tb, u16, port, "port");
	FAKE(btf, fake_tb, u8, fastreuse, "fastreuse");
	FAKE(btf, fake_tb, u8, fastreuseport, "fastreuseport");
	FAKE(btf, fake_tb, val, fastuid, "fastuid");
	FAKE(btf, fake_tb, u16, family, "fast_sk_family");
	FAKE(btf, fake_tb, u8, v6only, "fast_ipv6_only");
	FAKE(btf, fake_tb, u32, v4, "fast_rcv_saddr");
	FAKE(btf, fake_tb, node, node, "node");
	if (nested)
		FAKE(btf, fake_tb, head, bhash2, "bhash2");
	else
		FAKE(btf, fake_tb, head, owners, "owners");
	if (nested) {
		btf__add_struct(btf, "inet_bind2_bucket", sizeof(struct fake_tb2));
		FAKE(btf, fake_tb2, u16, port, "port");
		FAKE(btf, fake_tb2, node, bhash_node, "bhash_node");
		FAKE(btf, fake_tb2, head, owners, "owners");
	}
	btf__add_struct(btf, "inet_bind_hashbucket", sizeof(struct fake_slot));
	FAKE(btf, fake_slot, u32, lock, "lock");
	FAKE(btf, fake_slot, head, chain, "chain");
	btf__add_struct(btf, "inet_hashinfo", sizeof(struct fake_hashinfo));
	FAKE(btf, fake_hashinfo, u64, bhash, "bhash");
	FAKE(btf, fake_hashinfo, u32, bhash_size, "bhash_size");
}

/* Only what the way from a file descriptor to the table needs; the test finds it by itself. */
static inline void fake_table_types(struct btf *btf, int u32, int u64)
{
	int row = fake_struct(btf, NULL, 8, "hashinfo", NULL, u64), ipv4;
	int ns = fake_struct(btf, NULL, 4, "inum", NULL, u32);

	ipv4 = btf__add_struct(btf, NULL, 8);
	btf__add_field(btf, "tcp_death_row", row, 0, 0);
	btf__add_struct(btf, "net", sizeof(struct fake_net));
	FAKE(btf, fake_net, ns, inum, "ns");
	FAKE(btf, fake_net, u32, mix, "hash_mix");
	FAKE(btf, fake_net, ipv4, hashinfo, "ipv4");
	fake_struct(btf, "task_struct", 8, "files", NULL, u64);
	fake_struct(btf, "files_struct", 8, "fdt", NULL, u64);
	fake_struct(btf, "fdtable", 8, "fd", NULL, u64);
	fake_struct(btf, "file", 8, "private_data", NULL, u64);
}

/* nested: as 6.8 and later. Free with btf__free(). */
static inline struct btf *fake_types(bool nested)
{
	struct btf *btf = btf__new_empty();
	int u8 = btf__add_int(btf, "u8", 1, 0), u16 = btf__add_int(btf, "u16", 2, 0);
	int u32 = btf__add_int(btf, "u32", 4, 0), u64 = btf__add_int(btf, "u64", 8, 0);
	int node = fake_struct(btf, "hlist_node", 16, "next", "pprev", u64);

	fake_sock_types(btf, u8, u16, u32, u64, node, nested);
	fake_bucket_types(btf, u8, u16, u32, u64, node, nested);
	fake_table_types(btf, u32, u64);
	return btf;
}

/* ---- the program that copies
 * ------------------------------------------------------------------------ */

struct gather {
	uint64_t records[WIRE_GATHER_BATCH][WIRE_GATHER_WORDS];
	void (*before_run)(void *ctx, int run);	      /* NULL: nothing happens */
	void (*before_last)(void *ctx, void *object); /* when all but the last copies are done */
	void *ctx;
	int runs;
};

/* What the kernel cannot read is zeros; here, what is below the first page. */
static inline void fake_copy(uint64_t *record, const struct wire_copy *copy)
{
	uint64_t from = record[copy->from] + (uint64_t)copy->offset;

	if (from < 4096 || !record[copy->from])
		memset(&record[copy->to], 0, copy->size);
	else
		memcpy(&record[copy->to], (const void *)from, copy->size);
}

static inline void fake_record(struct gather *gather, const struct gather_plan *plan,
			       uint64_t *record)
{
	for (uint32_t i = 0; i < plan->n_copies; i++) {
		const uint8_t *state = (const uint8_t *)record + plan->state_at;
		bool timewait = plan->state_at && *state == 6;

		/* The successor is the first of what is copied last. */
		if (plan->copies[i].to == WIRE_WORD_NEXT && gather->before_last)
			gather->before_last(gather->ctx, (void *)record[WIRE_WORD_OBJECT]);
		if (plan->copies[i].when & (timewait ? WIRE_WHEN_TIMEWAIT : WIRE_WHEN_FULL))
			fake_copy(record, &plan->copies[i]);
	}
}

int gather__run(struct gather *gather, const struct gather_plan *plan, struct gather_span *span)
{
	uint32_t max = span->max ?: WIRE_GATHER_BATCH;

	if (gather->before_run)
		gather->before_run(gather->ctx, gather->runs);
	gather->runs++;
	span->ret_n = 0;
	span->ret_locked = span->lock && *(uint32_t *)span->lock;
	if (span->enter)
		span->ret_first = span->link = *(uint64_t *)span->head;
	span->enter = false;
	while (span->ret_n < max) {
		uint64_t *record = gather->records[span->ret_n];

		if (!span->link || span->link == span->stop) {
			if (!span->more_heads)
				break;
			span->more_heads--;
			span->head += span->stride;
			span->ret_first = span->link = *(uint64_t *)span->head;
			continue;
		}
		record[WIRE_WORD_OBJECT] = span->link - (uint64_t)plan->link_offset;
		record[WIRE_WORD_NEXT] = 0;
		record[WIRE_WORD_HEAD] = span->head;
		fake_record(gather, plan, record);
		span->link = record[WIRE_WORD_NEXT];
		span->ret_n++;
	}
	return 0;
}

/* The table is where the caller's namespace has it, whatever the file descriptor is. */
int gather__task(struct gather *gather, const struct gather_plan *plan)
{
	return -EFAULT;
}

const uint64_t *gather__record(const struct gather *gather, uint32_t i)
{
	return gather->records[i];
}

#endif
