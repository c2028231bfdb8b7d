/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_KERNEL_PRIVILEGE_H
#define BINDTRACE_KERNEL_PRIVILEGE_H

#include "../model/snapshot.h"

/*
 * Has this process CAP_NET_BIND_SERVICE in the user namespace that owns the network namespace it is
 * in? As ns_capable() decides.
 */
enum tri privilege__binds_service(void);

#endif
