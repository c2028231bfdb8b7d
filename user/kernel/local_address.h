/* SPDX-License-Identifier: GPL-2.0-only */
/* Is an address one of the network namespace that the calling thread is in, as bind() sees it? */
#ifndef BINDTRACE_KERNEL_LOCAL_ADDRESS_H
#define BINDTRACE_KERNEL_LOCAL_ADDRESS_H

#include <stdio.h>
#include "../model/snapshot.h"

/*
 * In the table of local routes (of the VRF l3mdev; 0: none), which has 127.0.0.0/8 and what `ip
 * route add local` added as well; broadcast addresses count. Which device has it does not matter.
 * TRI_UNKNOWN where netlink does not tell.
 */
enum tri local_address__usable4(const uint8_t addr[4], int32_t l3mdev);

/* On a device of the same VRF, and not in duplicate detection; of a link only on that device. */
enum tri local_address__usable6(const struct ip_addr *addr, uint32_t ifindex, int32_t l3mdev);

/* One search of a routing table, as __inet_dev_addr_type() does it. */
struct route_lookup {
	uint32_t addr; /* host byte order */
	uint32_t table;
	int best;    /* length of the longest prefix so far, -1: none */
	bool usable; /* what it says */
	bool done;
};

/*
 * len bytes of the answer to RTM_GETROUTE, and the text of if_inet6, whatever they are; apart for
 * the fuzzer. The bytes are aligned as malloc() does. 0 or -errno.
 */
int local_address__take(struct route_lookup *lookup, const void *data, size_t len);
enum tri local_address__read6(FILE *file, const struct ip_addr *addr, uint32_t ifindex,
			      int32_t l3mdev);

#endif
