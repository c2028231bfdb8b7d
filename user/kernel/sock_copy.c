// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "../../bpf/kernel_constants.h"
#include "sock_copy.h"

/* Addresses, ports, family, state, flags and device: the first words of struct sock_common. */
#define MARK_SIZE 24

static const char *const common_paths[] = {
	[SK_FAMILY] = "sock_common.skc_family",
	[SK_STATE] = "sock_common.skc_state",
	[SK_NUM] = "sock_common.skc_num",
	[SK_DPORT] = "sock_common.skc_dport",
	[SK_BOUND_DEV_IF] = "sock_common.skc_bound_dev_if",
	[SK_RCV_SADDR] = "sock_common.skc_rcv_saddr",
	[SK_DADDR] = "sock_common.skc_daddr",
	[SK_REUSE] = "sock_common.skc_reuse",
	[SK_REUSEPORT] = "sock_common.skc_reuseport",
	[SK_IPV6ONLY] = "sock_common.skc_ipv6only",
	[SK_V6_RCV_SADDR] = "?sock_common.skc_v6_rcv_saddr", /* without CONFIG_IPV6 none */
	[SK_V6_DADDR] = "?sock_common.skc_v6_daddr",
	[SK_FLAGS] = "sock_common.skc_flags",
	[SK_NET] = "sock_common.skc_net.net",
	[SK_HASHES] = "sock_common.skc_u16hashes",
	[SK_NEXT] = "sock_common.skc_bind_node.next",
	[SK_PPREV] = "sock_common.skc_bind_node.pprev",
};

/* UDP's lists, in place of SK_NEXT and SK_PPREV above. */
static const char *const udp_paths[] = {"sock_common.skc_node.next", "sock_common.skc_node.pprev"};

static const char *const full_paths[] = {
	[FULL_UID] = "sock.sk_uid.val",
	[FULL_KERN_SOCK] = "sock.sk_kern_sock",
	[FULL_USERLOCKS] = "sock.sk_userlocks", /* a bit field up to 6.6 */
	[FULL_CGROUP] = "?sock.sk_cgrp_data.cgroup",
	[FULL_REUSEPORT_CB] = "sock.sk_reuseport_cb",
	[FULL_SOCKET] = "sock.sk_socket",
};

static const char *const timewait_paths[] = {
	[TW_SUBSTATE] = "inet_timewait_sock.tw_substate",
	[TW_EXPIRES] = "inet_timewait_sock.tw_timer.expires",
	[TW_CONNECT_BIND] = "?inet_timewait_sock.tw_connect_bind", /* 6.18 */
};

static int32_t offset_of(const struct btf *types, const char *path)
{
	struct layout_field field;

	layout__find(types, path, &field);
	return field.offset;
}

/* The bytes of one member into a word of their own, where the kernel has it. */
static uint32_t copy_member(struct gather_plan *plan, uint32_t from,
			    const struct layout_field *field, uint32_t when)
{
	if (field->offset < 0)
		return 0;
	return gather_plan__copy(plan, from, field->offset, field->size, when);
}

/* As much of struct sock_common as is read of it. */
static uint32_t copy_common(struct sock_copy *copy)
{
	uint32_t size = layout__extent(copy->common, N_SK_MEMBERS);

	return gather_plan__copy(&copy->plan, WIRE_WORD_OBJECT, 0,
				 size > MARK_SIZE ? size : MARK_SIZE, WIRE_WHEN_ANY);
}

/* The inode that goes with the struct socket which word `from` points at. */
static void plan_inode(struct sock_copy *copy, const struct btf *types)
{
	int32_t socket = offset_of(types, "socket_alloc.socket");
	struct layout_field file;

	layout__find(types, "socket.file", &file);
	layout__find(types, "socket_alloc.vfs_inode.i_ino", &copy->inode);
	layout__find(types, "socket_alloc.vfs_inode.i_uid.val", &copy->inode_uid);
	copy->inode.offset -= socket;
	copy->inode_uid.offset -= socket;
	copy->at_file = copy_member(&copy->plan, copy->at_full[FULL_SOCKET], &file, WIRE_WHEN_FULL);
	copy->at_inode =
		copy_member(&copy->plan, copy->at_full[FULL_SOCKET], &copy->inode, WIRE_WHEN_FULL);
	copy->at_inode_uid = copy_member(&copy->plan, copy->at_full[FULL_SOCKET], &copy->inode_uid,
					 WIRE_WHEN_FULL);
}

static void plan_cgroup(struct sock_copy *copy, const struct btf *types)
{
	struct layout_field kn, id;
	uint32_t at_kn;

	if (copy->full[FULL_CGROUP].offset < 0 || !layout__find(types, "cgroup.kn", &kn) ||
	    !layout__find(types, "kernfs_node.id", &id))
		return;
	at_kn = copy_member(&copy->plan, copy->at_full[FULL_CGROUP], &kn, WIRE_WHEN_FULL);
	copy->at_cgroup_id = copy_member(&copy->plan, at_kn, &id, WIRE_WHEN_FULL);
}

/* A reuseport group counts its closed members since 5.14 (5c040eaf5d17). */
static void plan_group(struct sock_copy *copy, const struct btf *types)
{
	if (layout__find(types, "sock_reuseport.num_closed_socks", &copy->closed_members))
		copy->at_closed = copy_member(&copy->plan, copy->at_full[FULL_REUSEPORT_CB],
					      &copy->closed_members, WIRE_WHEN_FULL);
}

/*
 * 6.1 keeps the family of an address bucket's first socket, and compares by it. The address
 * buckets are there beside the list of sockets then.
 */
static void plan_bucket_family(struct sock_copy *copy, const struct btf *types)
{
	struct layout_field full, timewait;
	uint32_t at_full, at_timewait;

	if (!layout__find(types, "inet_bind2_bucket.family", &copy->bucket_family) ||
	    !layout__find(types, "inet_connection_sock.icsk_bind2_hash", &full) ||
	    !layout__find(types, "inet_timewait_sock.tw_tb2", &timewait))
		return;
	at_full = copy_member(&copy->plan, WIRE_WORD_OBJECT, &full, WIRE_WHEN_FULL);
	at_timewait = copy_member(&copy->plan, WIRE_WORD_OBJECT, &timewait, WIRE_WHEN_TIMEWAIT);
	copy->at_bucket_family =
		copy_member(&copy->plan, at_full, &copy->bucket_family, WIRE_WHEN_FULL);
	/* Into the same word: a socket is one or the other. */
	copy_member(&copy->plan, at_timewait, &copy->bucket_family, WIRE_WHEN_TIMEWAIT);
	copy->plan.copies[copy->plan.n_copies - 1].to = (uint8_t)copy->at_bucket_family;
}

/* Last of all, in this order: the successor, what tells the socket from another, where it is. */
static void plan_again(struct sock_copy *copy, const struct btf *types)
{
	int32_t net = copy->common[SK_NET].offset, pprev = copy->common[SK_PPREV].offset;
	struct gather_plan *plan = &copy->plan;

	gather_plan__copy_next(plan, copy->common[SK_NEXT].offset);
	copy->at_socket_again =
		copy_member(plan, WIRE_WORD_OBJECT, &copy->full[FULL_SOCKET], WIRE_WHEN_FULL);
	copy->at_inode_again =
		copy_member(plan, copy->at_socket_again, &copy->inode, WIRE_WHEN_FULL);
	copy->at_again = copy_common(copy);
	if (copy->list == SOCK_LIST_UDP) {
		copy->at_mix = gather_plan__copy(plan, copy->at_again + net / 8,
						 offset_of(types, "net.hash_mix"), sizeof(uint32_t),
						 WIRE_WHEN_ANY);
	} else {
		copy->at_bucket[0] =
			copy_member(plan, WIRE_WORD_OBJECT, &copy->bucket[0], WIRE_WHEN_FULL);
		copy->at_bucket[1] =
			copy_member(plan, WIRE_WORD_OBJECT, &copy->bucket[1], WIRE_WHEN_TIMEWAIT);
	}
	gather_plan__copy_back(plan, copy->at_again + (uint32_t)pprev / 8);
}

/* The bucket that a socket is in: from 6.8 on its address bucket (bind_copy__nests()). */
static bool find_bucket(const struct btf *types, struct sock_copy *ret)
{
	static const char *const flat[] = {"inet_connection_sock.icsk_bind_hash",
					   "inet_timewait_sock.tw_tb"},
				 *const nested[] = {"inet_connection_sock.icsk_bind2_hash",
						    "inet_timewait_sock.tw_tb2"};
	bool nests = offset_of(types, "inet_bind_bucket.bhash2") >= 0;

	return layout__find_all(types, nests ? nested : flat, 2, ret->bucket);
}

/* False: the types lack what every kernel has, or have it where the plan cannot take it. */
static bool find_members(const struct btf *types, struct sock_copy *ret)
{
	bool all = layout__find_all(types, common_paths, N_SK_MEMBERS, ret->common);

	ret->common[SK_HASHES].size = sizeof(uint16_t); /* the first one */
	if (ret->list == SOCK_LIST_UDP)
		all &= layout__find_all(types, udp_paths, 2, &ret->common[SK_NEXT]);
	all &= layout__find_all(types, full_paths, N_FULL_MEMBERS, ret->full);
	all &= layout__find_all(types, timewait_paths, N_TW_MEMBERS, ret->timewait);
	all &= find_bucket(types, ret);
	return all && !(ret->common[SK_PPREV].offset % 8) && !(ret->common[SK_NET].offset % 8);
}

int sock_copy__plan(const struct btf *types, enum sock_list list, struct sock_copy *ret)
{
	struct gather_plan *plan = &ret->plan;

	memset(ret, 0, sizeof(*ret));
	ret->list = list;
	if (!find_members(types, ret))
		return -ENOENT;
	gather_plan__begin(plan, ret->common[SK_NEXT].offset);
	ret->at_common = copy_common(ret);
	plan->state_at = ret->at_common * 8 + (uint32_t)ret->common[SK_STATE].offset;
	for (int i = 0; i < N_FULL_MEMBERS; i++)
		ret->at_full[i] =
			copy_member(plan, WIRE_WORD_OBJECT, &ret->full[i], WIRE_WHEN_FULL);
	for (int i = 0; i < N_TW_MEMBERS; i++)
		ret->at_timewait[i] =
			copy_member(plan, WIRE_WORD_OBJECT, &ret->timewait[i], WIRE_WHEN_TIMEWAIT);
	plan_inode(ret, types);
	plan_cgroup(ret, types);
	plan_group(ret, types);
	plan_bucket_family(ret, types);
	plan_again(ret, types);
	return plan->err;
}

static uint64_t common_value(const struct sock_copy *copy, uint32_t at, const uint64_t *record,
			     enum sock_member member)
{
	return layout__value(&copy->common[member], (const uint8_t *)&record[at]);
}

/* A member that has a word of its own; 0 where the kernel has none. */
static uint64_t own_value(const struct layout_field *field, uint32_t at, const uint64_t *record)
{
	struct layout_field here = *field;

	here.offset = 0;
	return field->offset < 0 || !at ? 0 : layout__value(&here, (const uint8_t *)&record[at]);
}

static uint64_t pointer(uint32_t at, const uint64_t *record)
{
	return at ? record[at] : 0;
}

static void take_addresses(const struct sock_copy *copy, const uint64_t *record,
			   struct wire_sock *out)
{
	const uint8_t *bytes = (const uint8_t *)&record[copy->at_common];

	/* A time-wait socket's IPv6 addresses are slab garbage unless it is one of AF_INET6. */
	if (out->family == AF_INET6 && copy->common[SK_V6_RCV_SADDR].offset >= 0) {
		memcpy(out->local, bytes + copy->common[SK_V6_RCV_SADDR].offset, 16);
		memcpy(out->peer, bytes + copy->common[SK_V6_DADDR].offset, 16);
		return;
	}
	memcpy(out->local, &out->v4_word_be, 4);
	memcpy(out->peer, bytes + copy->common[SK_DADDR].offset, 4);
}

/* UDP keeps the port twice; the one that goes with the slot outlives a close(). */
static enum sock_member port_member(const struct sock_copy *copy)
{
	return copy->list == SOCK_LIST_UDP ? SK_HASHES : SK_NUM;
}

static void take_common(const struct sock_copy *copy, const uint64_t *record, struct wire_sock *out)
{
	const uint8_t *bytes = (const uint8_t *)&record[copy->at_common];
	uint32_t at = copy->at_common;

	out->id = record[WIRE_WORD_OBJECT];
	out->family = (__u16)common_value(copy, at, record, SK_FAMILY);
	out->state = (__u8)common_value(copy, at, record, SK_STATE);
	out->local_port = (__u16)common_value(copy, at, record, port_member(copy));
	out->peer_port = ntohs((__u16)common_value(copy, at, record, SK_DPORT));
	out->ifindex = (__u32)common_value(copy, at, record, SK_BOUND_DEV_IF);
	memcpy(&out->v4_word_be, bytes + copy->common[SK_RCV_SADDR].offset, 4);
	out->reuse = (__u8)common_value(copy, at, record, SK_REUSE);
	if (common_value(copy, at, record, SK_REUSEPORT))
		out->flags |= WIRE_SOCK_REUSEPORT;
	if (common_value(copy, at, record, SK_IPV6ONLY))
		out->flags |= WIRE_SOCK_V6ONLY;
	out->addr_bucket_family =
		(__u8)own_value(&copy->bucket_family, copy->at_bucket_family, record);
	take_addresses(copy, record, out);
}

static void take_connect_bind(const struct sock_copy *copy, bool bound, struct wire_sock *out)
{
	if (copy->timewait[TW_CONNECT_BIND].offset < 0)
		return;
	out->flags |= WIRE_SOCK_CONNECT_KNOWN;
	if (bound)
		out->flags |= WIRE_SOCK_CONNECT_BOUND;
}

static void take_timewait(const struct sock_copy *copy, const uint64_t *record, uint64_t jiffies,
			  struct wire_sock *out)
{
	const struct layout_field *tw = copy->timewait;
	const uint32_t *at = copy->at_timewait;

	out->substate = (__u8)own_value(&tw[TW_SUBSTATE], at[TW_SUBSTATE], record);
	out->expires_ticks = (__s64)(own_value(&tw[TW_EXPIRES], at[TW_EXPIRES], record) - jiffies);
	take_connect_bind(copy, own_value(&tw[TW_CONNECT_BIND], at[TW_CONNECT_BIND], record), out);
}

static void take_inode(const struct sock_copy *copy, const uint64_t *record, struct wire_sock *out)
{
	if (!pointer(copy->at_full[FULL_SOCKET], record))
		return;
	out->flags |= WIRE_SOCK_HAS_SOCKET;
	if (pointer(copy->at_file, record))
		out->flags |= WIRE_SOCK_HAS_FILE;
	out->inode = own_value(&copy->inode, copy->at_inode, record);
	out->inode_uid = (__u32)own_value(&copy->inode_uid, copy->at_inode_uid, record);
}

static void take_full(const struct sock_copy *copy, const uint64_t *record, struct wire_sock *out)
{
	const struct layout_field *full = copy->full;
	const uint32_t *at = copy->at_full;
	uint64_t locks = own_value(&full[FULL_USERLOCKS], at[FULL_USERLOCKS], record);

	out->flags |= WIRE_SOCK_FULL;
	out->uid = (__u32)own_value(&full[FULL_UID], at[FULL_UID], record);
	out->cgroup_id = pointer(copy->at_cgroup_id, record);
	if (common_value(copy, copy->at_common, record, SK_FLAGS) & 1ul << BT_SOCK_DEAD)
		out->flags |= WIRE_SOCK_DEAD;
	if (own_value(&full[FULL_KERN_SOCK], at[FULL_KERN_SOCK], record))
		out->flags |= WIRE_SOCK_KERNEL_MADE;
	if (locks & BT_BINDPORT_LOCK)
		out->flags |= WIRE_SOCK_PORT_LOCKED;
	take_connect_bind(copy, locks & BT_CONNECT_BIND, out);
	if (pointer(at[FULL_REUSEPORT_CB], record)) {
		out->flags |= WIRE_SOCK_HAS_GROUP;
		if (own_value(&copy->closed_members, copy->at_closed, record))
			out->flags |= WIRE_SOCK_GROUP_CLOSED;
	}
	take_inode(copy, record, out);
}

/*
 * Without a lock the socket may have been closed while it was copied, or have become another one.
 * Its addresses and the like tell, and the number of its inode, which is nobody else's; what has no
 * inode, a connection that nobody has accepted or a time-wait socket, is told by the first.
 */
static bool is_unchanged(const struct sock_copy *copy, const uint64_t *record,
			 const struct wire_sock *out)
{
	const uint8_t *before = (const uint8_t *)&record[copy->at_common];
	const uint8_t *now = (const uint8_t *)&record[copy->at_again];
	int32_t peer6 = copy->common[SK_V6_DADDR].offset;
	bool dead;

	if (memcmp(before, now, MARK_SIZE) ||
	    (peer6 >= 0 && memcmp(before + peer6, now + peer6, 16)))
		return false;
	if (out->state == BT_TCP_TIME_WAIT)
		return true;
	/* sock_orphan() sets the flag before it takes the socket away: not one without the other.
	 */
	dead = common_value(copy, copy->at_again, record, SK_FLAGS) & 1ul << BT_SOCK_DEAD;
	if (dead != !!(out->flags & WIRE_SOCK_DEAD))
		return false;
	return out->flags & WIRE_SOCK_HAS_SOCKET
		       ? own_value(&copy->inode, copy->at_inode_again, record) == out->inode
		       : !pointer(copy->at_socket_again, record);
}

bool sock_copy__take(const struct sock_copy *copy, const uint64_t *record, uint64_t jiffies,
		     struct wire_sock *out)
{
	memset(out, 0, sizeof(*out));
	take_common(copy, record, out);
	if (out->state == BT_TCP_TIME_WAIT)
		take_timewait(copy, record, jiffies, out);
	else
		take_full(copy, record, out);
	return is_unchanged(copy, record, out);
}

uint64_t sock_copy__net(const struct sock_copy *copy, const uint64_t *record)
{
	return common_value(copy, copy->at_again, record, SK_NET);
}

uint32_t sock_copy__mix(const struct sock_copy *copy, const uint64_t *record)
{
	return gather_plan__half(&record[copy->at_mix]);
}

uint16_t sock_copy__port(const struct sock_copy *copy, const uint64_t *record)
{
	return (uint16_t)common_value(copy, copy->at_again, record, port_member(copy));
}

bool sock_copy__is_listed(const struct sock_copy *copy, const uint64_t *record,
			  const struct sock_place *place)
{
	bool timewait = common_value(copy, copy->at_common, record, SK_STATE) == BT_TCP_TIME_WAIT;

	return gather_plan__is_linked(&copy->plan, record) &&
	       record[copy->at_bucket[timewait]] == place->bucket &&
	       sock_copy__port(copy, record) == place->port &&
	       sock_copy__net(copy, record) == place->net;
}
