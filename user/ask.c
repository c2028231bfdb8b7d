// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ask.h"
#include "conditions.h"
#include "kernel/device.h"
#include "kernel/sysctl.h"

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

/* The port is asked last, and by then the address and the privilege may have refused the bind. */
static int judge(const struct ask *ask, const struct snapshot *snap, struct what_if *what_if)
{
	struct objection objection =
		before_port__judge(snap->protocol, &what_if->req, &ask->conditions);
	struct verdict *verdict = &what_if->verdict;
	int err = rules__judge(snap, &what_if->req, false, verdict);

	if (err)
		return err;
	/* What was not seen may refuse it. */
	if (verdict->refused == TRI_NO &&
	    (objection.doubt || !ask->bound_visible || snap->truncated))
		verdict->refused = TRI_UNKNOWN;
	if (!objection.error)
		return 0;
	what_if->facts = ask->conditions.facts;
	what_if->facts.stage = STAGE_PROTOCOL;
	what_if->facts.error = objection.error;
	if (objection.next)
		what_if->otherwise = objection.next;
	else if (verdict->refused != TRI_NO)
		what_if->otherwise = verdict->refused == TRI_YES ? EADDRINUSE : -1;
	verdict__free(verdict);
	*verdict = (struct verdict){.refused = TRI_YES};
	return 0;
}

static int add_address(const struct ask *ask, uint16_t family, const struct ip_addr *addr,
		       const struct bind_request *common, struct port_report *report)
{
	const struct options *opts = ask->opts;

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
		err = judge(ask, &report->snap, what_if);
		if (err)
			return err;
		report->n_what_ifs++;
	}
	return 0;
}

int ask__what_ifs(const struct ask *ask, struct port_report *report)
{
	const struct options *opts = ask->opts;
	const struct ip_addr any = {};
	const uint32_t uid = opts->have_uid ? opts->uid : geteuid();
	const struct bind_request common = {.port = report->snap.port,
					    .ifindex = ask->ifindex,
					    .l3mdev = ask->l3mdev,
					    .uid = uid,
					    .inode_uid = uid};
	int err = 0;

	report->n_what_ifs = 0;
	report->what_ifs = calloc(2 * N_COMBINATIONS, sizeof(*report->what_ifs));
	if (!report->what_ifs)
		return -ENOMEM;
	if (opts->have_address)
		return add_address(ask, opts->address_family, &opts->address, &common, report);
	if (opts->want_ipv4)
		err = add_address(ask, AF_INET, &any, &common, report);
	if (!err && opts->want_ipv6)
		err = add_address(ask, AF_INET6, &any, &common, report);
	return err;
}

void ask__read_conditions(struct ask *ask)
{
	conditions__read(ask->opts, ask->ifindex, ask->vrf, &ask->conditions);
}

int ask__open(const struct options *opts, struct ask *ret)
{
	int err = 0;

	*ret = (struct ask){.opts = opts, .bound_visible = true};
	if (opts->device)
		err = device__find(opts->device, &ret->ifindex, &ret->vrf);
	if (!sysctl__tcp_l3mdev_accept())
		ret->l3mdev = ret->vrf; /* else one bucket for all: inet_sk_bound_l3mdev() */
	ask__read_conditions(ret);
	return err;
}

/* Whatever the sockets, of which none is needed here, say. */
bool ask__is_hopeless(const struct ask *ask, uint16_t port)
{
	struct port_report report = {};
	bool hopeless = false;

	snapshot__init(&report.snap);
	report.snap.protocol = ask->opts->protocol;
	report.snap.port = port;
	if (!ask__what_ifs(ask, &report)) {
		for (size_t i = 0; i < report.n_what_ifs; i++) {
			const struct what_if *what_if = &report.what_ifs[i];
			int error = what_if->facts.error;

			hopeless |= what_if->asked && error &&
				    conditions__last(&ask->conditions, error);
		}
	}
	ask__free(&report);
	return hopeless;
}

enum tri ask__is_free(const struct port_report *report)
{
	enum tri free = TRI_YES;

	for (size_t i = 0; i < report->n_what_ifs; i++) {
		enum tri refused = report->what_ifs[i].verdict.refused;

		if (!report->what_ifs[i].asked || refused == TRI_NO)
			continue;
		if (refused == TRI_YES)
			return TRI_NO;
		free = TRI_UNKNOWN;
	}
	return free;
}

bool ask__sees_obstacle(const struct port_report *report)
{
	for (size_t i = 0; i < report->n_what_ifs; i++) {
		const struct what_if *what_if = &report->what_ifs[i];

		if (what_if->asked &&
		    (what_if->verdict.refused == TRI_YES || what_if->verdict.n_blockers))
			return true;
	}
	return false;
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
