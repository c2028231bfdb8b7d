/* SPDX-License-Identifier: GPL-2.0-only */
/* All sockets of a port out of the kernel's bind tables, on demand, with nothing attached. */
#ifndef BINDTRACE_KERNEL_WALK_H
#define BINDTRACE_KERNEL_WALK_H

#include "../model/snapshot.h"
#include "features.h"

struct walk;

/*
 * features must outlive the walk. protocol: all that will be asked for is single ports of it; 0:
 * everything. 0 or -errno. Free with walk__free(), which accepts NULL.
 */
int walk__open(const struct features *features, uint32_t protocol, struct walk **ret);
void walk__free(struct walk *walk);

/*
 * Adds every socket of protocol (PROTO_TCP, PROTO_UDP, PROTO_UDPLITE) on port (host byte order) in
 * the network namespace that the calling thread is in to snap, which snapshot__init() has prepared,
 * and fills protocol, port, netns, kernel, evidence, truncated, total, the ephemeral range and
 * roles. TCP: with the buckets. UDP: in the order in which the kernel judges them, and without
 * buckets; port 0: those of every port. Takes a socket of its own to find the tables by; never
 * binds it. 0 or -errno; -EPROTONOSUPPORT where the kernel has no such protocol.
 */
int walk__port(struct walk *walk, uint32_t protocol, uint16_t port, struct snapshot *snap);

/*
 * Every TCP socket on the ports low..high of the namespace, for usage__sum(): snap_sock.bucket is 1
 * where a bind() has marked the port, else 0.
 */
int walk__range(struct walk *walk, uint16_t low, uint16_t high, struct snapshot *snap);

#endif
