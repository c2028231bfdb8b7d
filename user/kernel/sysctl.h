/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings of the calling thread's network namespace. */
#ifndef BINDTRACE_KERNEL_SYSCTL_H
#define BINDTRACE_KERNEL_SYSCTL_H

#include <stdio.h>
#include "../model/snapshot.h"

/* The number that a file begins with; -1 when unreadable, or none that such a file may have. */
int sysctl__number(const char *path);
/* net.ipv4.ip_local_port_range; both 0 when unreadable. */
void sysctl__port_range(uint16_t *ret_low, uint16_t *ret_high);

/* net.ipv4.ip_local_reserved_ports, a bit per port. False when unreadable. */
bool sysctl__reserved_ports(uint8_t ret_bits[65536 / 8]);

/* net.ipv4.tcp_l3mdev_accept; 0 when unreadable. */
int sysctl__tcp_l3mdev_accept(void);

/* What explains a refusal of req without blockers; -1 and TRI_UNKNOWN where unreadable. */
void sysctl__refusal_facts(const struct bind_request *req, struct refusal_facts *facts);

/*
 * The text formats behind them, apart for the fuzzer: an own /proc (lxcfs and the like) may say
 * anything. read_range: false, and nothing touched, unless it is two ports in order. read_ports:
 * "8080,9000-9010"; false: only what came before is in ret_bits. read_tentative: is addr on an
 * interface, by the text of if_inet6, but not usable yet (or never, when another host has it)?
 */
int sysctl__read_number(FILE *file);
bool sysctl__read_range(FILE *file, uint16_t *ret_low, uint16_t *ret_high);
bool sysctl__read_ports(FILE *file, uint8_t ret_bits[65536 / 8]);
enum tri sysctl__read_tentative(FILE *file, const struct ip_addr *addr);

#endif
