/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings of the calling thread's network namespace. */
#ifndef BINDTRACE_KERNEL_SYSCTL_H
#define BINDTRACE_KERNEL_SYSCTL_H

#include "../model/snapshot.h"

/* The number that a file begins with; -1 when unreadable. */
int sysctl__number(const char *path);
/* net.ipv4.ip_local_port_range; both 0 when unreadable. */
void sysctl__port_range(uint16_t *ret_low, uint16_t *ret_high);

/* net.ipv4.ip_local_reserved_ports, a bit per port. False when unreadable. */
bool sysctl__reserved_ports(uint8_t ret_bits[65536 / 8]);

/* net.ipv4.tcp_l3mdev_accept; 0 when unreadable. */
int sysctl__tcp_l3mdev_accept(void);

/* What explains a refusal of req without blockers; -1 and TRI_UNKNOWN where unreadable. */
void sysctl__refusal_facts(const struct bind_request *req, struct refusal_facts *facts);

#endif
