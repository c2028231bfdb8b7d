/* SPDX-License-Identifier: GPL-2.0-only */
/* Is an address one of the network namespace that the calling thread is in, as bind() sees it? */
#ifndef BINDTRACE_KERNEL_LOCAL_ADDRESS_H
#define BINDTRACE_KERNEL_LOCAL_ADDRESS_H

#include "../model/snapshot.h"

/*
 * In the table of local routes (of the VRF l3mdev; 0: none), which has 127.0.0.0/8 and what `ip
 * route add local` added as well; broadcast addresses count. Which device has it does not matter.
 * TRI_UNKNOWN where netlink does not tell.
 */
enum tri local_address__usable4(const uint8_t addr[4], int32_t l3mdev);

/* On a device of the same VRF, and not in duplicate detection; of a link only on that device. */
enum tri local_address__usable6(const struct ip_addr *addr, uint32_t ifindex, int32_t l3mdev);

#endif
