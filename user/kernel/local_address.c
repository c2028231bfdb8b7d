// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "device.h"
#include "local_address.h"
#include "netlink.h"

#define RECEIVE_SIZE (64 * 1024) /* netlink_dump() never fills more than 32 KiB */

/* ---- IPv4: __inet_dev_addr_type() --------------------------------------------------------- */

struct route {
	uint32_t table, dst;
};

static struct route read_route(const struct nlmsghdr *header)
{
	const struct rtmsg *msg = NLMSG_DATA(header);
	const struct rtattr *attr = RTM_RTA(msg);
	struct route route = {.table = msg->rtm_table};
	int left = RTM_PAYLOAD(header);

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (RTA_PAYLOAD(attr) < sizeof(uint32_t))
			continue;
		if (attr->rta_type == RTA_TABLE)
			memcpy(&route.table, RTA_DATA(attr), 4);
		else if (attr->rta_type == RTA_DST)
			memcpy(&route.dst, RTA_DATA(attr), 4);
	}
	return route;
}

/* fib_table_lookup(): the longest prefix, and of its routes the first that is alive. */
static void weigh(struct route_lookup *lookup, const struct nlmsghdr *header)
{
	const struct rtmsg *msg = NLMSG_DATA(header);
	struct route route;
	uint32_t mask;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)) || msg->rtm_family != AF_INET ||
	    msg->rtm_dst_len > 32)
		return;
	route = read_route(header);
	mask = msg->rtm_dst_len ? ~0u << (32 - msg->rtm_dst_len) : 0;
	if (route.table != lookup->table || msg->rtm_tos || (msg->rtm_flags & RTNH_F_DEAD) ||
	    (ntohl(route.dst) ^ lookup->addr) & mask || msg->rtm_dst_len <= lookup->best)
		return;
	lookup->best = msg->rtm_dst_len;
	lookup->usable = msg->rtm_type == RTN_LOCAL || msg->rtm_type == RTN_BROADCAST;
}

int local_address__take(struct route_lookup *lookup, const void *data, size_t len)
{
	const struct nlmsghdr *header = data;
	int left = (int)len; /* signed: the last message may be shorter than its padding */

	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
			lookup->done = true;
			return netlink__error(header);
		}
		if (header->nlmsg_type == RTM_NEWROUTE)
			weigh(lookup, header);
	}
	return 0;
}

static int request_routes(int fd, uint32_t table)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr attr;
		uint32_t table;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_GETROUTE,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.route = {.rtm_family = AF_INET},
		.attr = {RTA_LENGTH(sizeof(uint32_t)), RTA_TABLE},
		.table = table,
	};
	int on = 1;

	/* Only that table: without it the kernel ignores the attribute and sends every route. */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

static int receive(int fd, struct route_lookup *lookup)
{
	char *buf = malloc(RECEIVE_SIZE);
	int err = buf ? 0 : -ENOMEM;

	while (!err && !lookup->done) {
		ssize_t n = recv(fd, buf, RECEIVE_SIZE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? -errno
		      : n   ? local_address__take(lookup, buf, (size_t)n)
			    : -ECONNRESET;
	}
	free(buf);
	return err;
}

static int search_table(struct route_lookup *lookup)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	err = request_routes(fd, lookup->table);
	if (!err)
		err = receive(fd, lookup);
	close(fd);
	return err;
}

enum tri local_address__usable4(const uint8_t addr[4], int32_t l3mdev)
{
	struct route_lookup lookup = {.table = RT_TABLE_LOCAL, .best = -1};
	int err = l3mdev ? device__vrf_table(l3mdev, &lookup.table) : 0;
	uint32_t word;

	memcpy(&word, addr, 4);
	lookup.addr = ntohl(word);
	if (!err)
		err = search_table(&lookup);
	/* No address was ever given to this namespace: the kernel then lets anything pass. */
	if (err == -ENOENT)
		return TRI_YES;
	if (err)
		return TRI_UNKNOWN;
	return lookup.usable ? TRI_YES : TRI_NO;
}

/* ---- IPv6: __ipv6_chk_addr_and_flags() ---------------------------------------------------- */

#define IFA_F_OPTIMISTIC_BIT 0x04 /* linux/if_addr.h */
#define IFA_F_TENTATIVE_BIT  0x40
#define SCOPE_HOST	     0x10 /* ifp->scope, include/net/ipv6.h: IFA_HOST, IFA_LINK */
#define SCOPE_LINK	     0x20

struct address6 {
	char text[33];
	unsigned int ifindex, scope, flags;
};

static bool is_usable6(const struct address6 *found, uint32_t ifindex, int32_t l3mdev)
{
	int32_t other = 0;

	if ((found->flags & IFA_F_TENTATIVE_BIT) && !(found->flags & IFA_F_OPTIMISTIC_BIT))
		return false;
	if (ifindex && found->ifindex != ifindex && (found->scope & (SCOPE_HOST | SCOPE_LINK)))
		return false;
	return !device__l3mdev(found->ifindex, &other) && other == l3mdev;
}

enum tri local_address__read6(FILE *file, const struct ip_addr *addr, uint32_t ifindex,
			      int32_t l3mdev)
{
	enum tri answer = TRI_NO;
	struct address6 found;
	char wanted[33];

	for (int i = 0; i < 16; i++)
		snprintf(wanted + 2 * i, 3, "%02x", addr->bytes[i]);
	while (fscanf(file, "%32s %x %*x %x %x %*s", found.text, &found.ifindex, &found.scope,
		      &found.flags) == 4) {
		if (!strcmp(found.text, wanted) && is_usable6(&found, ifindex, l3mdev))
			answer = TRI_YES;
	}
	return answer;
}

enum tri local_address__usable6(const struct ip_addr *addr, uint32_t ifindex, int32_t l3mdev)
{
	FILE *file = fopen("/proc/self/net/if_inet6", "re");
	enum tri answer;

	if (!file)
		return TRI_UNKNOWN;
	answer = local_address__read6(file, addr, ifindex, l3mdev);
	fclose(file);
	return answer;
}
