/* SPDX-License-Identifier: GPL-2.0-only */
/* The address that a program has asked for, as it gave it to the kernel. */
#ifndef BINDTRACE_REQUEST_BPF_H
#define BINDTRACE_REQUEST_BPF_H

#include "event.bpf.h"

/* struct sockaddr_in and sockaddr_in6: the same on every kernel, they are the user's. */
struct user_address {
	__u16 family;
	__u16 port_be;
	__u32 v4_be; /* sockaddr_in6: flow label */
	__u8 v6[16];
};

static __always_inline void request_from(struct wire_sock *binder, const struct user_address *addr)
{
	binder->local_port = __builtin_bswap16(addr->port_be);
	__builtin_memset(binder->local, 0, sizeof(binder->local));
	if (addr->family == BT_AF_INET6) {
		__builtin_memcpy(binder->local, addr->v6, sizeof(addr->v6));
	} else {
		__builtin_memcpy(binder->local, &addr->v4_be, sizeof(addr->v4_be));
		binder->v4_word_be = addr->v4_be;
	}
}

#endif
