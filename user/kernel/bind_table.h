/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP's table of bind buckets, out of the bytes that gather.h copies: the buckets of a hash slot,
 * and from 6.8 on the address buckets of a bucket.
 */
#ifndef BINDTRACE_KERNEL_BIND_TABLE_H
#define BINDTRACE_KERNEL_BIND_TABLE_H

#include <stdbool.h>
#include "../../bpf/wire.h"
#include "gather.h"
#include "layout.h"
#include "socket_table.h"

struct btf;

enum bucket_member {
	TB_NET,
	TB_L3MDEV,
	TB_PORT,
	TB_FASTREUSE,
	TB_FASTREUSEPORT,
	TB_FASTUID,
	TB_FAMILY,
	TB_V6ONLY,
	TB_V4,
	TB_V6,
	TB_NEXT,
	TB_PPREV,
	TB_OWNERS, /* up to 6.7 */
	TB_BHASH2, /* 6.8 and later */
	N_TB_MEMBERS,
};

enum addr_bucket_member {
	TB2_PORT,
	TB2_NEXT,
	TB2_PPREV,
	TB2_OWNERS,
	N_TB2_MEMBERS,
};

/* How they are copied, and where in the records it is. */
struct bind_copy {
	struct table_copy table;
	uint32_t slot_size;
	int32_t slot_chain, slot_lock;

	struct gather_plan buckets;
	struct layout_field tb[N_TB_MEMBERS];
	uint32_t at_tb, at_tb_mix;

	struct gather_plan addr_buckets; /* no copies: this kernel does not nest them */
	struct layout_field tb2[N_TB2_MEMBERS];
	uint32_t at_tb2;
};

/* 0; -ENOENT: the types lack what every kernel has; -E2BIG: see gather_plan. */
int bind_copy__plan(const struct btf *types, struct bind_copy *ret);

/*
 * Up to 6.7 a bucket lists its sockets itself; since 6.8 (8191792c18c5 "tcp: Remove dead code and
 * fields for bhash2") they hang off its address buckets only.
 */
static inline bool bind_copy__nests(const struct bind_copy *copy)
{
	return copy->tb[TB_BHASH2].offset >= 0;
}

/* Addresses of the list and of the lock of a hash slot. */
uint64_t bind_copy__chain(const struct bind_copy *copy, const struct socket_table *table,
			  uint32_t slot);
uint64_t bind_copy__lock(const struct bind_copy *copy, const struct socket_table *table,
			 uint32_t slot);

/* A record of copy->buckets. */
void bucket_record__take(const struct bind_copy *copy, const uint64_t *record,
			 struct wire_bucket *out);
uint64_t bucket_record__net(const struct bind_copy *copy, const uint64_t *record);
/* When all of it had been copied, was it linked in the slot whose list it was met in? */
bool bucket_record__in_slot(const struct bind_copy *copy, const uint64_t *record,
			    const struct socket_table *table);

/* A record of copy->addr_buckets: was it linked when all of it had been copied, and of that port?
 */
bool addr_bucket_record__is_listed(const struct bind_copy *copy, const uint64_t *record,
				   uint16_t port);
/* What its list of sockets began with. */
uint64_t addr_bucket_record__front(const struct bind_copy *copy, const uint64_t *record);

#endif
