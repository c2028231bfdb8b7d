/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bind() checks before the port: __inet_bind() of net/ipv4/af_inet.c, __inet6_bind() of
 * net/ipv6/af_inet6.c. IPv4 looks at the address first, IPv6 at the privilege.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What sysctls are by default, for where they cannot be read. */
#define DEFAULT_UNPRIVILEGED 1024

struct asked {
	uint32_t protocol;
	const struct bind_request *req;
	const struct bind_conditions *conditions;
	struct objection *objection;
};

static void object(const struct asked *asked, enum tri refused, int error)
{
	struct objection *objection = asked->objection;

	if (refused == TRI_YES && !objection->error)
		objection->error = error;
	else if (refused == TRI_YES && !objection->next)
		objection->next = error;
	else if (refused == TRI_UNKNOWN)
		objection->doubt = true;
}

static enum tri lacks_privilege(const struct asked *asked)
{
	int32_t start = asked->conditions->facts.unprivileged_port_start;
	uint16_t port = asked->req->port;
	enum tri privileged_port;

	if (start < 0)
		privileged_port = port < DEFAULT_UNPRIVILEGED ? TRI_UNKNOWN : TRI_NO;
	else
		privileged_port = tri__of(port < start);
	if (!port)
		privileged_port = TRI_NO;
	return tri__and(privileged_port, tri__not(asked->conditions->privileged));
}

/* inet_addr_valid_or_nonlocal(), ipv6_chk_addr(). */
static enum tri is_foreign(const struct asked *asked)
{
	int32_t nonlocal_bind = asked->conditions->facts.nonlocal_bind;
	enum tri forbidden = nonlocal_bind < 0 ? TRI_UNKNOWN : tri__of(nonlocal_bind == 0);

	return tri__and(forbidden, tri__not(asked->conditions->address_usable));
}

static bool is_multicast4(const uint8_t bytes[4])
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	return (bytes[0] & 0xf0) == 0xe0 || !memcmp(bytes, broadcast, 4);
}

/* An IPv4 address, of a socket of either family. */
static enum tri is_foreign4(const struct asked *asked)
{
	struct ip_addr addr = ip_addr__unified(asked->req->family, &asked->req->addr);

	if (ip_addr__is_unified_any(&addr) || is_multicast4(addr.bytes + 12))
		return TRI_NO;
	return is_foreign(asked);
}

static bool is_multicast6(const struct ip_addr *addr)
{
	return addr->bytes[0] == 0xff;
}

static void judge_ipv4(const struct asked *asked)
{
	object(asked, is_foreign4(asked), EADDRNOTAVAIL);
	object(asked, lacks_privilege(asked), EACCES);
}

static void judge_ipv6(const struct asked *asked)
{
	const struct bind_request *req = asked->req;
	const struct ip_addr *addr = &req->addr;
	bool is_mapped = ip_addr__is_mapped(addr);

	object(asked, tri__of(is_multicast6(addr) && asked->protocol == PROTO_TCP), EINVAL);
	object(asked, lacks_privilege(asked), EACCES);
	object(asked, tri__of(is_mapped && req->v6only), EINVAL);
	object(asked, tri__of(ip_addr__needs_scope_id(req->family, addr) && !req->ifindex), EINVAL);
	if (is_mapped)
		object(asked, is_foreign4(asked), EADDRNOTAVAIL);
	else if (!ip_addr__is_any(req->family, addr) && !is_multicast6(addr))
		object(asked, is_foreign(asked), EADDRNOTAVAIL);
}

struct objection before_port__judge(uint32_t protocol, const struct bind_request *req,
				    const struct bind_conditions *conditions)
{
	struct objection objection = {.error = 0};
	struct asked asked = {protocol, req, conditions, &objection};

	if (req->family == AF_INET)
		judge_ipv4(&asked);
	else
		judge_ipv6(&asked);
	return objection;
}

int verdict__explain_asked(struct verdict *verdict, const struct snapshot *snap,
			   const struct bind_request *req, const struct refusal_facts *facts,
			   int otherwise)
{
	int err;

	if (!facts->error)
		return verdict__explain(verdict, snap, req);
	err = verdict__explain_refusal(verdict, snap, req, facts, NULL);
	if (otherwise)
		verdict->n_fixes = 0;
	return err;
}
