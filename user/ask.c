// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ask.h"

#define N_COMBINATIONS 4 /* plain, +SO_REUSEADDR, +SO_REUSEPORT, +both */

/* sk_rcv_saddr of a socket bound to the address: __inet_bind(), __inet6_bind() (LOOPBACK4_IPV6). */
static uint32_t v4_word_be(uint16_t family, const struct ip_addr *addr)
{
	uint32_t word;

	if (family == AF_INET) {
		memcpy(&word, addr->bytes, 4);
		return word;
	}
	if (ip_addr__is_any(family, addr))
		return 0;
	if (ip_addr__is_mapped(addr)) {
		memcpy(&word, addr->bytes + 12, 4);
		return word;
	}
	return htonl(0x7f000006);
}

/* __inet6_bind() makes a socket bound to one IPv6 address IPv6-only. */
static bool v6only(const struct options *opts, uint16_t family, const struct ip_addr *addr)
{
	if (family != AF_INET6)
		return false;
	if (ip_addr__is_any(family, addr))
		return opts->v6only;
	return !ip_addr__is_mapped(addr);
}

static int add_address(const struct options *opts, uint16_t family, const struct ip_addr *addr,
		       const struct bind_request *common, struct port_report *report)
{
	for (int i = 0; i < N_COMBINATIONS; i++) {
		struct what_if *what_if = &report->what_ifs[report->n_what_ifs];
		struct bind_request *req = &what_if->req;
		int err;

		*req = *common;
		req->family = family;
		req->addr = *addr;
		req->v4_word_be = v4_word_be(family, addr);
		req->v6only = v6only(opts, family, addr);
		req->reuseaddr = i & 1;
		req->reuseport = i & 2;
		what_if->asked =
			req->reuseaddr == opts->reuseaddr && req->reuseport == opts->reuseport;
		err = rules__judge(&report->snap, req, false, &what_if->verdict);
		if (err)
			return err;
		report->n_what_ifs++;
	}
	return 0;
}

int ask__what_ifs(const struct options *opts, uint32_t ifindex, int32_t l3mdev, bool bound_visible,
		  struct port_report *report)
{
	const struct ip_addr any = {};
	const uint32_t uid = opts->have_uid ? opts->uid : geteuid();
	const struct bind_request common = {.port = report->snap.port,
					    .ifindex = ifindex,
					    .l3mdev = l3mdev,
					    .uid = uid,
					    .inode_uid = uid};
	int err = 0;

	report->n_what_ifs = 0;
	report->what_ifs = calloc(2 * N_COMBINATIONS, sizeof(*report->what_ifs));
	if (!report->what_ifs)
		return -ENOMEM;
	if (opts->have_address) {
		err = add_address(opts, opts->address_family, &opts->address, &common, report);
	} else {
		if (opts->want_ipv4)
			err = add_address(opts, AF_INET, &any, &common, report);
		if (!err && opts->want_ipv6)
			err = add_address(opts, AF_INET6, &any, &common, report);
	}
	for (size_t i = 0; !err && i < report->n_what_ifs; i++) {
		struct verdict *verdict = &report->what_ifs[i].verdict;

		if (!bound_visible && verdict->refused == TRI_NO)
			verdict->refused = TRI_UNKNOWN;
	}
	return err;
}

void ask__free(struct port_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->n_what_ifs; i++)
		verdict__free(&report->what_ifs[i].verdict);
	free(report->what_ifs);
	snapshot__free(&report->snap);
}
