// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as an answer of netlink: inet_diag's dump of a port, a link with its VRF, a routing
 * table. Nothing is read behind the end, and what comes of it holds. The first byte chooses the
 * answer, the second what was asked. Where the third says so, the lengths of messages are made to
 * fit.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "checks.h"
#include "kernel/device.h"
#include "kernel/diag.h"
#include "kernel/local_address.h"

#define PORT 8080

static void try_diag(const void *data, size_t len, uint8_t asked)
{
	struct snapshot snap;
	struct diag_dump dump = {
		.snap = &snap, .port = PORT, .family = asked & 1 ? AF_INET6 : AF_INET};
	struct bind_request req = {.port = PORT, .family = dump.family};
	struct verdict verdict;
	int err;

	snapshot__init(&snap);
	snap.protocol = asked & 2 ? PROTO_UDP : PROTO_TCP;
	err = diag__take(&dump, data, len);
	must(err <= 0 && err > -4096);
	for (size_t i = 0; i < snap.n_socks; i++) {
		const struct snap_sock *sock = &snap.socks[i];

		must(sock->family == dump.family && sock->local_port == PORT);
		must(sock->reuseaddr == TRI_UNKNOWN && sock->reuseport == TRI_UNKNOWN);
		must(sock->state != STATE_TIME_WAIT || !sock->uid_known);
	}
	snapshot__drop_duplicates(&snap);
	snap.evidence = EVIDENCE_DIAG;
	snap.total = snap.n_socks;
	snapshot__set_roles(&snap);
	must(!rules__judge(&snap, &req, false, &verdict));
	must(!verdict__explain(&verdict, &snap, &req));
	verdict__free(&verdict);
	snapshot__free(&snap);
}

static void try_link(const void *data, size_t len, uint8_t asked)
{
	struct device_link link = {0};
	int err = device__take_link(data, len, &link);

	must(err <= 0);
	must(!err || (!link.master && !link.table));
	must(link.is_vrf || !link.table);
}

static void try_routes(const void *data, size_t len, uint8_t asked)
{
	struct route_lookup lookup = {
		.addr = asked & 1 ? 0x7f000001 : 0x0a000001,
		.table = asked & 2 ? 255 : 0x01020304,
		.best = -1,
	};
	int err = local_address__take(&lookup, data, len);

	must(err <= 0 && err > -4096);
	must(lookup.best >= -1 && lookup.best <= 32);
	must(lookup.best >= 0 || !lookup.usable);
}

/* As much of each message as there is, so that most inputs get behind the first. */
static void make_fit(uint8_t *data, size_t len, uint16_t type)
{
	for (size_t at = 0; len - at >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr *header = (struct nlmsghdr *)(data + at);

		header->nlmsg_len %= 512;
		if (header->nlmsg_len < sizeof(*header) || header->nlmsg_len > len - at)
			header->nlmsg_len = len - at;
		if (header->nlmsg_type >= 16 && header->nlmsg_flags & 0x8000)
			header->nlmsg_type = type;
		if (NLMSG_ALIGN(header->nlmsg_len) > len - at)
			break;
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		void (*try)(const void *data, size_t len, uint8_t asked);
		uint16_t type;
	} answers[] = {
		{try_diag, SOCK_DIAG_BY_FAMILY},
		{try_link, RTM_NEWLINK},
		{try_routes, RTM_NEWROUTE},
	};
	uint8_t *copy;
	size_t len, chosen;

	if (size < 3)
		return 0;
	len = size - 3;
	chosen = data[0] % (sizeof(answers) / sizeof(answers[0]));
	copy = malloc(len + !len); /* exact, for the sanitizer */
	must(copy);
	memcpy(copy, data + 3, len);
	if (data[2] & 1)
		make_fit(copy, len, answers[chosen].type);
	answers[chosen].try(copy, len, data[1]);
	free(copy);
	return 0;
}
