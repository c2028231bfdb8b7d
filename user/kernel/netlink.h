/* SPDX-License-Identifier: GPL-2.0-only */
/* What every answer of netlink has in common. */
#ifndef BINDTRACE_KERNEL_NETLINK_H
#define BINDTRACE_KERNEL_NETLINK_H

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#define NETLINK_MAX_ERRNO 4095 /* include/linux/err.h */

/*
 * NLMSG_ERROR, or NLMSG_DONE, which has an error in it where the dump failed on its way: 0 or
 * -errno. An error that is none would be negated later, whatever it is.
 */
static inline int netlink__error(const struct nlmsghdr *header)
{
	int err;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(err)))
		return header->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(&err, NLMSG_DATA(header), sizeof(err));
	if (err < -NETLINK_MAX_ERRNO)
		return -EBADMSG;
	return err < 0 ? err : 0;
}

#endif
