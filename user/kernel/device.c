// SPDX-License-Identifier: GPL-2.0-only
/* sysfs shows the devices of the namespace it was mounted in, so rtnetlink is asked. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "device.h"

struct link_info {
	uint32_t master;
	bool is_vrf;
	uint32_t table; /* of a VRF */
};

static void parse_vrf(const struct rtattr *data, struct link_info *ret)
{
	const struct rtattr *attr = RTA_DATA(data);
	int left = RTA_PAYLOAD(data);

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_VRF_TABLE)
			memcpy(&ret->table, RTA_DATA(attr), sizeof(ret->table));
	}
}

static void parse_linkinfo(const struct rtattr *info, struct link_info *ret)
{
	const struct rtattr *attr = RTA_DATA(info);
	int left = RTA_PAYLOAD(info);

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_INFO_KIND)
			ret->is_vrf = RTA_PAYLOAD(attr) >= 3 && !strncmp(RTA_DATA(attr), "vrf", 4);
		else if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_INFO_DATA && ret->is_vrf)
			parse_vrf(attr, ret);
	}
}

static int parse_link(const struct nlmsghdr *msg, struct link_info *ret)
{
	const struct ifinfomsg *link = NLMSG_DATA(msg);
	const struct rtattr *attr = IFLA_RTA(link);
	int left = IFLA_PAYLOAD(msg);

	if (msg->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(msg))->error ?: -EPROTO;
	if (msg->nlmsg_type != RTM_NEWLINK)
		return -EPROTO;
	memset(ret, 0, sizeof(*ret));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_MASTER)
			memcpy(&ret->master, RTA_DATA(attr), sizeof(ret->master));
		else if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
			parse_linkinfo(attr, ret);
	}
	return 0;
}

static int get_link(int fd, uint32_t ifindex, struct link_info *ret)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)ifindex},
	};
	_Alignas(struct nlmsghdr) char reply[16384];
	const struct nlmsghdr *msg = (const struct nlmsghdr *)reply;
	ssize_t n;

	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	n = recv(fd, reply, sizeof(reply), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(msg, (size_t)n))
		return -EPROTO;
	return parse_link(msg, ret);
}

int device__l3mdev(uint32_t ifindex, int32_t *ret_l3mdev)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct link_info link, master;
	int err;

	if (fd < 0)
		return -errno;
	*ret_l3mdev = 0;
	err = get_link(fd, ifindex, &link);
	if (!err && link.is_vrf)
		*ret_l3mdev = (int32_t)ifindex;
	else if (!err && link.master) {
		err = get_link(fd, link.master, &master);
		if (!err && master.is_vrf)
			*ret_l3mdev = (int32_t)link.master;
	}
	close(fd);
	return err;
}

int device__vrf_table(int32_t l3mdev, uint32_t *ret_table)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct link_info link;
	int err;

	if (fd < 0)
		return -errno;
	err = get_link(fd, (uint32_t)l3mdev, &link);
	close(fd);
	if (!err && !link.is_vrf)
		err = -ENODEV;
	if (!err)
		*ret_table = link.table;
	return err;
}

int device__find(const char *name, uint32_t *ret_ifindex, int32_t *ret_l3mdev)
{
	uint32_t ifindex = if_nametoindex(name);
	int err;

	if (!ifindex)
		return -ENODEV;
	err = device__l3mdev(ifindex, ret_l3mdev);
	if (!err)
		*ret_ifindex = ifindex;
	return err;
}

static int name_one(struct snapshot *snap, uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	if (!ifindex || snapshot__device_name(snap, ifindex) || !if_indextoname(ifindex, name))
		return 0;
	return snapshot__add_device(snap, ifindex, name);
}

int device__name_all(struct snapshot *snap, uint32_t ifindex)
{
	uint32_t last = 0; /* thousands of sockets in a row have the same */
	int err = name_one(snap, ifindex);

	for (size_t i = 0; !err && i < snap->n_socks; i++) {
		if (snap->socks[i].ifindex == last)
			continue;
		last = snap->socks[i].ifindex;
		err = name_one(snap, last);
	}
	return err;
}
