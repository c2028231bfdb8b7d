/* SPDX-License-Identifier: GPL-2.0-only */
/* The binds that a one-shot report answers for: addresses asked about x reuse options. */
#ifndef BINDTRACE_ASK_H
#define BINDTRACE_ASK_H

#include "options.h"
#include "output/output.h"

struct ask {
	const struct options *opts;
	uint32_t ifindex; /* of --device, 0: none */
	int32_t vrf;	  /* that it is in, 0: none */
	int32_t l3mdev;	  /* the same, where each VRF has ports of its own */
	struct bind_conditions conditions;
	bool bound_visible; /* else sockets that are only bound may hide: "would succeed" is not
			       known */
};

/*
 * Reads what does not depend on the port, in the network namespace that the caller is in. 0, or
 * -errno: -ENODEV where --device is not there.
 */
int ask__open(const struct options *opts, struct ask *ret);
void ask__read_conditions(struct ask *ask); /* once more */

/* Fills report->what_ifs for its snapshot and judges each. 0 or -ENOMEM; freed with ask__free(). */
int ask__what_ifs(const struct ask *ask, struct port_report *report);

/* Is the bind refused whoever has the port, and for as long as nobody changes this host? */
bool ask__is_hopeless(const struct ask *ask, uint16_t port);

/* Would every bind asked about succeed? */
enum tri ask__is_free(const struct port_report *report);

/*
 * Is any of them refused, or perhaps refused, by something that was seen? False and not free: what
 * could not be seen (bound sockets without BPF before 6.8, a privilege) may refuse, and a second
 * look would know no more.
 */
bool ask__sees_obstacle(const struct port_report *report);

void ask__free(struct port_report *report); /* what_ifs and snapshot; accepts NULL */

#endif
