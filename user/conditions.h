/* SPDX-License-Identifier: GPL-2.0-only */
/* What bind() looks at before the port, in the network namespace that the caller is in. */
#ifndef BINDTRACE_CONDITIONS_H
#define BINDTRACE_CONDITIONS_H

#include "options.h"

/*
 * For the bind that the options ask about; ifindex and l3mdev are those of its device, whatever
 * tcp_l3mdev_accept says. What can't be read is TRI_UNKNOWN or -1.
 */
void conditions__read(const struct options *opts, uint32_t ifindex, int32_t l3mdev,
		      struct bind_conditions *ret);

/* An error of bind() that is there as long as nobody changes the host for it. */
bool conditions__last(const struct bind_conditions *conditions, int error);

#endif
