/* SPDX-License-Identifier: GPL-2.0-only */
/* The binds that a one-shot report answers for: addresses asked about x reuse options. */
#ifndef BINDTRACE_ASK_H
#define BINDTRACE_ASK_H

#include "options.h"
#include "output/output.h"

/*
 * Fills report->what_ifs for its snapshot and judges each. `bound_visible` false: sockets that are
 * only bound cannot be seen, so that "would succeed" is not known. ifindex and l3mdev belong to
 * --device. 0 or -ENOMEM; freed with ask__free().
 */
int ask__what_ifs(const struct options *opts, uint32_t ifindex, int32_t l3mdev, bool bound_visible,
		  struct port_report *report);
void ask__free(struct port_report *report); /* what_ifs and snapshot; accepts NULL */

#endif
