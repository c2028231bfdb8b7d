/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One socket, or time-wait socket, out of the bytes that gather.h copies of it: what
 * bpf/sock.bpf.h is for the hooks, and the same wire form.
 */
#ifndef BINDTRACE_KERNEL_SOCK_COPY_H
#define BINDTRACE_KERNEL_SOCK_COPY_H

#include <stdbool.h>
#include "../../bpf/wire.h"
#include "gather.h"
#include "layout.h"

enum sock_member {
	SK_FAMILY,
	SK_STATE,
	SK_NUM,
	SK_DPORT,
	SK_BOUND_DEV_IF,
	SK_RCV_SADDR,
	SK_DADDR,
	SK_REUSE,
	SK_REUSEPORT,
	SK_IPV6ONLY,
	SK_V6_RCV_SADDR,
	SK_V6_DADDR,
	SK_FLAGS,
	SK_NET,
	SK_HASHES, /* UDP: its port, which outlives close() */
	SK_NEXT,   /* in the list that is walked */
	SK_PPREV,
	N_SK_MEMBERS,
};

enum sock_member_full {
	FULL_UID,
	FULL_KERN_SOCK,
	FULL_USERLOCKS,
	FULL_CGROUP,
	FULL_REUSEPORT_CB,
	FULL_SOCKET,
	N_FULL_MEMBERS,
};

enum sock_member_timewait {
	TW_SUBSTATE,
	TW_EXPIRES,
	TW_CONNECT_BIND,
	N_TW_MEMBERS,
};

/* The list that they are met in. */
enum sock_list {
	SOCK_LIST_BIND, /* of a bind bucket, from 6.8 on of an address bucket */
	SOCK_LIST_UDP,	/* of a hash slot of UDP's */
};

/* How the sockets of such a list are copied, and where in the record it is. */
struct sock_copy {
	enum sock_list list;
	struct gather_plan plan;
	struct layout_field common[N_SK_MEMBERS];
	struct layout_field full[N_FULL_MEMBERS];
	struct layout_field timewait[N_TW_MEMBERS];
	struct layout_field closed_members, inode, inode_uid;
	struct layout_field bucket_family, bucket[2]; /* of a full socket, of a time-wait socket */
	/* words; of a member in a word of its own it is the value, at its own offset 0 */
	uint32_t at_common, at_again; /* struct sock_common, first and last */
	uint32_t at_full[N_FULL_MEMBERS], at_timewait[N_TW_MEMBERS];
	uint32_t at_closed, at_cgroup_id, at_file, at_inode, at_inode_uid;
	uint32_t at_bucket_family, at_socket_again, at_inode_again;
	uint32_t at_mix, at_bucket[2];
};

struct btf;

/* 0; -ENOENT: the types lack what every kernel has; -E2BIG: see gather_plan. */
int sock_copy__plan(const struct btf *types, enum sock_list list, struct sock_copy *ret);

/* The record into *out. jiffies: when its run began. False: it is not one socket's. */
bool sock_copy__take(const struct sock_copy *copy, const uint64_t *record, uint64_t jiffies,
		     struct wire_sock *out);

/* Where a socket is to be listed. */
struct sock_place {
	uint64_t net;	 /* address */
	uint64_t bucket; /* likewise; 6.8 and later: of the address bucket */
	uint16_t port;
};

/* SOCK_LIST_BIND: when all of the record had been copied, was it linked, and there? */
bool sock_copy__is_listed(const struct sock_copy *copy, const uint64_t *record,
			  const struct sock_place *place);

/* What it had when all of it had been copied. */
uint64_t sock_copy__net(const struct sock_copy *copy, const uint64_t *record);
uint32_t sock_copy__mix(const struct sock_copy *copy, const uint64_t *record);
uint16_t sock_copy__port(const struct sock_copy *copy, const uint64_t *record);

#endif
