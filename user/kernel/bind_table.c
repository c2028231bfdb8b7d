// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <string.h>
#include "bind_table.h"

static const char *const tb_paths[] = {
	[TB_NET] = "inet_bind_bucket.ib_net.net",
	[TB_L3MDEV] = "inet_bind_bucket.l3mdev",
	[TB_PORT] = "inet_bind_bucket.port",
	[TB_FASTREUSE] = "inet_bind_bucket.fastreuse",
	[TB_FASTREUSEPORT] = "inet_bind_bucket.fastreuseport",
	[TB_FASTUID] = "inet_bind_bucket.fastuid.val",
	[TB_FAMILY] = "inet_bind_bucket.fast_sk_family",
	[TB_V6ONLY] = "inet_bind_bucket.fast_ipv6_only",
	[TB_V4] = "inet_bind_bucket.fast_rcv_saddr",
	[TB_V6] = "?inet_bind_bucket.fast_v6_rcv_saddr",
	[TB_NEXT] = "inet_bind_bucket.node.next",
	[TB_PPREV] = "inet_bind_bucket.node.pprev",
	[TB_OWNERS] = "?inet_bind_bucket.owners",
	[TB_BHASH2] = "?inet_bind_bucket.bhash2",
};

static const char *const tb2_paths[] = {
	[TB2_PORT] = "inet_bind2_bucket.port",
	[TB2_NEXT] = "inet_bind2_bucket.bhash_node.next",
	[TB2_PPREV] = "inet_bind2_bucket.bhash_node.pprev",
	[TB2_OWNERS] = "inet_bind2_bucket.owners",
};

static const struct table_paths paths = {
	.of_prot = "proto.h.hashinfo",
	.of_net = "net.ipv4.tcp_death_row.hashinfo",
	.slots = "inet_hashinfo.bhash",
	.n_slots = "inet_hashinfo.bhash_size",
};

/* The next one; all of a bucket; then, last of all, what points at it. Returns where it begins. */
static uint32_t copy_linked(struct gather_plan *plan, uint32_t size, int32_t next, int32_t pprev)
{
	uint32_t at, at_pprev;

	gather_plan__copy_next(plan, next);
	at = gather_plan__copy(plan, WIRE_WORD_OBJECT, 0, size, WIRE_WHEN_ANY);
	at_pprev =
		gather_plan__copy(plan, WIRE_WORD_OBJECT, pprev, sizeof(uint64_t), WIRE_WHEN_ANY);
	gather_plan__copy_back(plan, at_pprev);
	return at;
}

static int plan_buckets(struct bind_copy *copy, const struct btf *types)
{
	struct gather_plan *plan = &copy->buckets;
	struct layout_field mix;
	uint32_t at_net;

	if (!layout__find_all(types, tb_paths, N_TB_MEMBERS, copy->tb) ||
	    !layout__find(types, "net.hash_mix", &mix))
		return -ENOENT;
	gather_plan__begin(plan, copy->tb[TB_NEXT].offset);
	at_net = gather_plan__copy(plan, WIRE_WORD_OBJECT, copy->tb[TB_NET].offset,
				   sizeof(uint64_t), WIRE_WHEN_ANY);
	copy->at_tb_mix = gather_plan__copy(plan, at_net, mix.offset, mix.size, WIRE_WHEN_ANY);
	copy->at_tb = copy_linked(plan, layout__extent(copy->tb, N_TB_MEMBERS),
				  copy->tb[TB_NEXT].offset, copy->tb[TB_PPREV].offset);
	return plan->err;
}

static int plan_addr_buckets(struct bind_copy *copy, const struct btf *types)
{
	struct gather_plan *plan = &copy->addr_buckets;

	if (!bind_copy__nests(copy))
		return copy->tb[TB_OWNERS].offset < 0 ? -ENOENT : 0;
	if (!layout__find_all(types, tb2_paths, N_TB2_MEMBERS, copy->tb2))
		return -ENOENT;
	gather_plan__begin(plan, copy->tb2[TB2_NEXT].offset);
	copy->at_tb2 = copy_linked(plan, layout__extent(copy->tb2, N_TB2_MEMBERS),
				   copy->tb2[TB2_NEXT].offset, copy->tb2[TB2_PPREV].offset);
	return plan->err;
}

int bind_copy__plan(const struct btf *types, struct bind_copy *ret)
{
	struct layout_field chain, lock;

	memset(ret, 0, sizeof(*ret));
	ret->slot_size = layout__size(types, "inet_bind_hashbucket");
	if (!ret->slot_size || !layout__find(types, "inet_bind_hashbucket.chain", &chain) ||
	    !layout__find(types, "inet_bind_hashbucket.lock", &lock))
		return -ENOENT;
	ret->slot_chain = chain.offset;
	ret->slot_lock = lock.offset;
	return table_copy__plan(types, &paths, &ret->table) ?: plan_buckets(ret, types)
		       ?: plan_addr_buckets(ret, types);
}

static uint64_t slot_at(const struct bind_copy *copy, const struct socket_table *table,
			uint32_t slot)
{
	return table->slots + (uint64_t)slot * copy->slot_size;
}

uint64_t bind_copy__chain(const struct bind_copy *copy, const struct socket_table *table,
			  uint32_t slot)
{
	return slot_at(copy, table, slot) + (uint64_t)copy->slot_chain;
}

uint64_t bind_copy__lock(const struct bind_copy *copy, const struct socket_table *table,
			 uint32_t slot)
{
	return slot_at(copy, table, slot) + (uint64_t)copy->slot_lock;
}

static uint64_t tb_value(const struct bind_copy *copy, const uint64_t *record,
			 enum bucket_member member)
{
	return layout__value(&copy->tb[member], (const uint8_t *)&record[copy->at_tb]);
}

void bucket_record__take(const struct bind_copy *copy, const uint64_t *record,
			 struct wire_bucket *out)
{
	const uint8_t *bytes = (const uint8_t *)&record[copy->at_tb];

	memset(out, 0, sizeof(*out));
	out->id = record[WIRE_WORD_OBJECT];
	out->l3mdev = (__s32)tb_value(copy, record, TB_L3MDEV);
	out->port = (__u16)tb_value(copy, record, TB_PORT);
	out->fastreuse = (__s8)tb_value(copy, record, TB_FASTREUSE);
	out->fastreuseport = (__s8)tb_value(copy, record, TB_FASTREUSEPORT);
	out->fastuid = (__u32)tb_value(copy, record, TB_FASTUID);
	out->fast_family = (__u16)tb_value(copy, record, TB_FAMILY);
	out->fast_ipv6only = (__u8)tb_value(copy, record, TB_V6ONLY);
	memcpy(&out->fast_v4_be, bytes + copy->tb[TB_V4].offset, sizeof(out->fast_v4_be));
	if (copy->tb[TB_V6].offset >= 0)
		memcpy(out->fast_v6, bytes + copy->tb[TB_V6].offset, sizeof(out->fast_v6));
}

uint64_t bucket_record__net(const struct bind_copy *copy, const uint64_t *record)
{
	return tb_value(copy, record, TB_NET);
}

bool bucket_record__in_slot(const struct bind_copy *copy, const uint64_t *record,
			    const struct socket_table *table)
{
	uint16_t port = (uint16_t)tb_value(copy, record, TB_PORT);
	uint32_t mix = gather_plan__half(&record[copy->at_tb_mix]);

	return gather_plan__is_linked(&copy->buckets, record) &&
	       record[WIRE_WORD_HEAD] ==
		       bind_copy__chain(copy, table, socket_table__slot(table, mix, port));
}

static uint64_t tb2_value(const struct bind_copy *copy, const uint64_t *record,
			  enum addr_bucket_member member)
{
	return layout__value(&copy->tb2[member], (const uint8_t *)&record[copy->at_tb2]);
}

bool addr_bucket_record__is_listed(const struct bind_copy *copy, const uint64_t *record,
				   uint16_t port)
{
	return gather_plan__is_linked(&copy->addr_buckets, record) &&
	       tb2_value(copy, record, TB2_PORT) == port;
}

uint64_t addr_bucket_record__front(const struct bind_copy *copy, const uint64_t *record)
{
	return tb2_value(copy, record, TB2_OWNERS);
}
