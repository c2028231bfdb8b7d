// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "conditions.h"
#include "kernel/local_address.h"
#include "kernel/privilege.h"
#include "kernel/sysctl.h"

/* Somebody else's server is taken to have no privilege, and root's to have every one. */
static enum tri is_privileged(const struct options *opts)
{
	if (opts->have_uid)
		return opts->uid == 0 ? TRI_YES : TRI_NO;
	return privilege__binds_service();
}

static enum tri is_usable(const struct options *opts, uint32_t ifindex, int32_t l3mdev)
{
	const struct ip_addr *addr = &opts->address;

	if (!opts->have_address || ip_addr__is_any(opts->address_family, addr))
		return TRI_YES;
	if (opts->address_family == AF_INET6 && !ip_addr__is_mapped(addr))
		return local_address__usable6(addr, ifindex, l3mdev);
	return local_address__usable4(
		opts->address_family == AF_INET ? addr->bytes : addr->bytes + 12, l3mdev);
}

void conditions__read(const struct options *opts, uint32_t ifindex, int32_t l3mdev,
		      struct bind_conditions *ret)
{
	const struct bind_request req = {.family = opts->have_address ? opts->address_family
								      : AF_INET,
					 .addr = opts->address};

	memset(ret, 0, sizeof(*ret));
	sysctl__refusal_facts(&req, &ret->facts);
	ret->privileged = is_privileged(opts);
	ret->address_usable = is_usable(opts, ifindex, l3mdev);
}

/* Duplicate address detection ends by itself. */
bool conditions__last(const struct bind_conditions *conditions, int error)
{
	return error != EADDRNOTAVAIL || conditions->facts.address_tentative != TRI_YES;
}
