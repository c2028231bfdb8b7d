/* SPDX-License-Identifier: GPL-2.0-only */
/* The evidence without BPF: NETLINK_SOCK_DIAG of a network namespace, and pidfd_getfd for options.
 */
#ifndef BINDTRACE_KERNEL_DIAG_H
#define BINDTRACE_KERNEL_DIAG_H

#include "../model/snapshot.h"

/*
 * Fills snap->socks with every socket of snap->protocol (0: TCP; UDP, UDP-Lite) on local port
 * `port` of the calling process's current network namespace, IPv4 and IPv6, all states, bound-only
 * ones where the kernel lists them (TCP_BOUND_INACTIVE, 6.8). SO_REUSEADDR and SO_REUSEPORT stay
 * unknown. ret_sees_bound tells whether this kernel lists bound-only sockets. 0 or -errno.
 */
int diag__sockets(struct snapshot *snap, uint16_t port, bool *ret_sees_bound);

/* One dump under way. */
struct diag_dump {
	struct snapshot *snap;
	uint16_t port;
	uint8_t family;
	bool interrupted; /* the table changed meanwhile: ask again */
	bool done;
};

/*
 * len bytes of the answer, whatever they are, into dump; apart for the fuzzer. They are aligned as
 * malloc() does. 0 or -errno.
 */
int diag__take(struct diag_dump *dump, const void *data, size_t len);

/*
 * After owner__lookup(): reads SO_REUSEADDR and SO_REUSEPORT of each held socket through
 * pidfd_open/pidfd_getfd (or directly where the holder is this process) where permitted; sockets
 * that accept() cloned from a listener on the same local address keep what was read for themselves
 * only. Returns the number of live sockets whose options stay unknown.
 */
size_t diag__read_options(struct snapshot *snap);

/*
 * The options that `from` knows of the same sockets, without a duplicate of anything. A socket that
 * has changed them since keeps the old ones here.
 */
void diag__copy_options(struct snapshot *snap, const struct snapshot *from);

#endif
