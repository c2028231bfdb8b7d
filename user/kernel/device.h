/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices of the calling thread's network namespace. */
#ifndef BINDTRACE_KERNEL_DEVICE_H
#define BINDTRACE_KERNEL_DEVICE_H

#include "../model/snapshot.h"

/* The index of the VRF that a device is, or is in; 0: none. 0 or -errno. */
int device__l3mdev(uint32_t ifindex, int32_t *ret_l3mdev);

/* The routing table of a VRF. 0 or -errno. */
int device__vrf_table(int32_t l3mdev, uint32_t *ret_table);

/*
 * The index of a device, and the index of the VRF that a socket bound to it is in (0: none), as
 * l3mdev_master_ifindex_by_index() gives it. 0, -ENODEV, or -errno.
 */
int device__find(const char *name, uint32_t *ret_ifindex, int32_t *ret_l3mdev);

/*
 * Names the devices that the sockets of snap, and ifindex (0: none), are bound to. Those that have
 * gone stay without a name. 0 or -ENOMEM.
 */
int device__name_all(struct snapshot *snap, uint32_t ifindex);

/* What RTM_GETLINK says of a device. */
struct device_link {
	uint32_t master;
	bool is_vrf;
	uint32_t table; /* of a VRF */
};

/* len bytes of the answer, whatever they are; apart for the fuzzer. 0 or -errno. */
int device__take_link(const void *reply, size_t len, struct device_link *ret);

#endif
