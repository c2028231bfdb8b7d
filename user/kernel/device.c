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
#include "netlink.h"

static uint32_t number_of(const struct rtattr *attr)
{
	uint32_t number = 0;

	if (RTA_PAYLOAD(attr) >= sizeof(number))
		memcpy(&number, RTA_DATA(attr), sizeof(number));
	return number;
}

static void parse_vrf(const struct rtattr *data, struct device_link *ret)
{
	const struct rtattr *attr = RTA_DATA(data);
	int left = RTA_PAYLOAD(data);

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_VRF_TABLE)
			ret->table = number_of(attr);
	}
}

static void parse_linkinfo(const struct rtattr *info, struct device_link *ret)
{
	const struct rtattr *attr = RTA_DATA(info);
	int left = RTA_PAYLOAD(info);

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_INFO_KIND) {
			ret->is_vrf = RTA_PAYLOAD(attr) >= 4 && !memcmp(RTA_DATA(attr), "vrf", 4);
			ret->table = 0; /* of the kind that was said before, if one was */
		} else if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_INFO_DATA && ret->is_vrf) {
			parse_vrf(attr, ret);
		}
	}
}

static int parse_link(const struct nlmsghdr *msg, struct device_link *ret)
{
	const struct ifinfomsg *link = NLMSG_DATA(msg);
	const struct rtattr *attr = IFLA_RTA(link);
	int left = IFLA_PAYLOAD(msg);

	if (msg->nlmsg_type == NLMSG_ERROR)
		return netlink__error(msg) ?: -EPROTO;
	if (msg->nlmsg_type != RTM_NEWLINK || msg->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
		return -EPROTO;
	memset(ret, 0, sizeof(*ret));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_MASTER)
			ret->master = number_of(attr);
		else if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
			parse_linkinfo(attr, ret);
	}
	return 0;
}

int device__take_link(const void *reply, size_t len, struct device_link *ret)
{
	const struct nlmsghdr *msg = reply;

	return NLMSG_OK(msg, len) ? parse_link(msg, ret) : -EPROTO;
}

static int get_link(int fd, uint32_t ifindex, struct device_link *ret)
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
	ssize_t n;

	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	n = recv(fd, reply, sizeof(reply), 0);
	if (n < 0)
		return -errno;
	return device__take_link(reply, (size_t)n, ret);
}

int device__l3mdev(uint32_t ifindex, int32_t *ret_l3mdev)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct device_link link = {0}, master = {0};
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
	struct device_link link = {0};
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
